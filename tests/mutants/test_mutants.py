"""Marks are well-formed, what is taken out is what is meant, and a few checks are really missed when they are gone."""

from __future__ import annotations

import pytest

from tests.guestos import ours, properties
from tests.isolation.catalogue import CATALOGUE
from tests.mutants import checks
from tests.mutants.run import run

MUTANTS = checks.load()
#: Of each kind of removal one: a statement, a predicate, an interrupted walk, the processor's.
SAMPLE = ("guestos/kernel/ns/ns.c:182", "guestos/kernel/fs/open.c:64 mount_writable", "guestos/kernel/sys/ids.c:28", "emu/cpu/svm.py:102")


def test_every_name_is_one_of_a_proof():
    known = {each.number for each in CATALOGUE} | set(properties.PROGRAMS)
    for mutant in MUTANTS:
        for name in mutant.names:
            path, _, function = name.partition("::")
            assert name in known or name.split(":")[0] in known or ((checks.ROOT / "tests" / path).is_file() and (not function or f"def {function}(" in (checks.ROOT / "tests" / path).read_text())), mutant


def test_every_removal_changes_its_line():
    assert len(MUTANTS) >= 80 and len({(mutant.path, mutant.line, mutant.text) for mutant in MUTANTS}) == len(MUTANTS)
    for mutant in MUTANTS:
        line = (checks.ROOT / mutant.path).read_text().splitlines()[mutant.line - 1]
        assert mutant.text != line and mutant.text.strip(), mutant.id


@pytest.mark.parametrize(("line", "without"), [
    ("    if (!capable(X)) return -EPERM;   /* check: C1 */", ["    if (0) {}"]),
    ("    else if (a) error = -EPERM;   /* check: C1 */", ["    else if (0) {}"]),
    ("    return ns_capable(f(a), X) && owns(b) ? 0 : -EPERM;   /* check: C1 */", ["    return true && owns(b) ? 0 : -EPERM;", "    return ns_capable(f(a), X) && true ? 0 : -EPERM;"]),
    ("    int error = inode_permission(i, MAY); /* why */ /* check: C1 C2 */", ["    int error = 0;"]),
    ("    hide();   /* check: C31 */", ["    ;"]),
    ("    if cpu.gif == 0:  # check: V15", ["    if False:"]),
    ("    cpu.require_ring0()  # check: V1", ["    pass"]),
])
def test_what_is_taken_out(tmp_path, line, without):
    file = tmp_path / ("x.py" if "#" in line else "x.c")
    file.write_text(f"first\n{line}\n")
    assert [mutant.text for mutant in checks.of_file(file, tmp_path)] == without


def test_a_few_are_caught():
    """All of them: make mutants."""
    ours.require_compiled()
    ours.guest()
    some = [mutant for mutant in MUTANTS if mutant.id in SAMPLE]
    assert len(some) == len(SAMPLE)
    fates = run(some, check=False)
    assert [fate.mutant.id for fate in fates if not fate.caught] == []
