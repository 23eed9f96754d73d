"""A power cut at any instant leaves a disk that `e2fsck -p` repairs and our kernel recovers, with all that was made durable.

`make powercut` does the same at 1,000 instants.
"""

from __future__ import annotations

import re
import shutil

import pytest

from tests.guestos import ours
from tests.guestos.powercut import __main__ as command
from tests.guestos.powercut.trial import Life, Lost
from tests.guestos.powercut.workload import Script, pattern

#: Instants in each of the lives below.
INSTANTS = 20


@pytest.fixture(autouse=True)
def needed():
    ours.require_compiled()
    if not shutil.which("e2fsck"):
        pytest.skip("e2fsck is not installed: apt-get install e2fsprogs")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_was_made_durable_outlives_a_power_cut(seed, tmp_path):
    with Life(seed, tmp_path) as life:
        assert len(list(life.cuts(life.instants(INSTANTS)))) == INSTANTS


def test_the_command(capsys):
    assert command.main(["--instants", "2", "--jobs", "1", "--seed", "7"]) == 0
    assert "2 power cuts in 1 machines' lives: 0 lost something" in capsys.readouterr().out
    with Life(7, ours.CACHE) as life:
        instant = life.instants(1)[0]
    assert command.main(["--again", f"7:{instant}:7000"]) == 0


def test_a_disk_that_lies_about_flushes_is_found_out(tmp_path):
    """What this looks for can be lost, and it tells where to look again."""
    with Life(1, tmp_path) as life:
        instants = life.instants(INSTANTS)
        life.machine.disk.flush = lambda: True
        with pytest.raises(Lost, match=r"power cut 1:\d+:10\d\d .*--again 1:\d+:10\d\d"):
            list(life.cuts(instants))


def found(script: Script, step: int) -> dict[str, tuple[str, bytes]]:
    return {path: (node.kind, node.target.encode() if node.kind == "l" else node.at(step) if node.kind == "f" else b"")
            for path, node in script.states[step].items()}


def test_the_model_wants_the_promised_or_something_later():
    script = Script(0, 1, 120)
    assert {line[0] for seed in (1, 2, 3) for which in (0, 1) for line in Script(which, seed, 120).lines} == set(Script.WEIGHTS)
    promised = script.promised(60)
    assert 0 < promised <= 60 and script.lines[promised - 1][0] in Script.PROMISES and script.promised(promised - 1) < promised
    for step in range(len(script.states)):
        explained = script.explain(found(script, step), 60)
        # Steps that change nothing (fsync) leave one state.
        assert not explained if promised <= step <= 61 else explained or found(script, step) in [found(script, n) for n in range(promised, 62)]

    tree = found(script, promised)
    path = next(path for path, (kind, data) in tree.items() if kind == "f" and len(data) > 1024)
    lost = {name: what for name, what in tree.items() if name != path}
    assert re.search(rf"60 steps were done.*{re.escape(path)} is missing", script.explain(lost, 60), re.DOTALL)
    assert f"{path} has contents that it never had" in script.explain(tree | {path: ("f", bytes(len(tree[path][1]) - 1) + b"!")}, 60)
    assert "bytes, not" in script.explain(tree | {path: ("f", tree[path][1][:-1])}, 60)
    assert "/w0/stray is there" in script.explain(tree | {"/w0/stray": ("f", b"")}, 60)


def test_a_file_may_have_sectors_of_later_writes_but_none_of_earlier_ones():
    script = Script(0, 1, 1)
    node = script.states[-1].setdefault("/w0/f", type(script.states[0]["/w0"])("f"))
    old, now, later = (pattern(tag, 0, 1000) for tag in (1, 2, 3))
    node.versions = [(1, old, False), (5, now, False), (9, later, False)]
    assert node.accepts(now, 6, 20) and node.accepts(later[:512] + now[512:], 6, 20)
    assert not node.accepts(old[:512] + now[512:], 6, 20) and not node.accepts(later[:512] + now[512:], 6, 8)
    assert not node.accepts(later[:100] + now[100:], 6, 20), "no sector is torn"
    node.versions[2] = (9, later, True)
    assert node.accepts(later[:100] + now[100:], 6, 20), "but by a store through a mapping it is"
