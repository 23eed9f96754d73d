"""Debian's programs, unmodified and linked to Debian's libraries: each script of `debian` does what it does under Linux."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import pytest

from tests.guestos import linux, ours

SCRIPTS = Path(__file__).parent / "debian"
#: Numbers that differ from one run to the next: processes in bash's messages.
PROCESS = re.compile(r"(line \d+:) +\d+ ")


@pytest.mark.parametrize("name", sorted(path.name for path in SCRIPTS.iterdir()))
def test_same_output_as_under_linux(name):
    ours.require_compiled()
    tree = ours.debian_tree()
    script = f"/mnt/{name} > /tmp/out 2>&1 < /dev/null; s=$?; cat /tmp/out; exit $s"
    with ours.Computer(tree.disk, ours.command_line(script), memory="128M") as computer:
        outcome = computer.finish(20 * ours.PATIENCE)
    if missing := linux.missing(tree.root):
        pytest.skip(missing)
    found = PROCESS.sub(r"\1 N ", outcome.text).splitlines()
    for _ in range(3):          # what waits for sleeps comes out otherwise on a busy host, once in a while
        text, status = linux.run(tree.root, SCRIPTS, [f"/mnt/{name}"])
        expected = PROCESS.sub(r"\1 N ", text).splitlines()
        if (found, outcome.status) == (expected, status):
            return
    pytest.fail("\n".join([f"status {outcome.status}, under Linux {status}", *difflib.unified_diff(expected, found, "Linux", "guest", lineterm="", n=1)]))
