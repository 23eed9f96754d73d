"""The suite of properties in guestos/user/tests: Linux is the oracle, and the guest gives the same verdicts on every machine."""

from __future__ import annotations

import shutil

import pytest

from tests.guestos import ours, qemu, usertests

#: Instructions; the suite needs a tenth, or a few times more where tests wait in vain.
PATIENCE = 300_000_000_000
#: Each file system by the directory where the tests make their files.
WHERE = {"ext2": "/root", "tmpfs": "/tmp"}


def script(where: str) -> str:
    return f"chmod 755 /root; usertests -j -d {where}"


@pytest.mark.parametrize("where", ["/tmp", "/dev/shm"])
def test_on_linux(where):
    """What the suite says is so."""
    usertests.check(usertests.run_natively("-j", "-d", where), "linux")


@pytest.mark.parametrize("kind", WHERE)
def test_in_the_guest(kind, tmp_path):
    """The same verdicts, nothing lost from memory, and the disk whole afterwards."""
    ours.require_compiled()
    disk = shutil.copy(ours.guest().own, tmp_path / "disk.img")
    with ours.Computer(disk, ours.command_line(script(WHERE[kind])), memory="128M", writable=True) as computer:
        outcome = computer.finish(PATIENCE)
    usertests.check(outcome.text, "guest")
    ours.check_disk(disk)


@pytest.mark.parametrize(("cpu", "kind"), [("max", "ext2"), ("qemu64", "tmpfs")])
def test_on_qemu(cpu, kind, tmp_path):
    """The same disk on another machine: with SMEP and SMAP, and without."""
    qemu.require_tools()
    disk = shutil.copy(ours.guest().own, tmp_path / "disk.img")
    result = qemu.run(ours.guest().kernel, ours.command_line(script(WHERE[kind])), disk, timeout=300, cpu=cpu)
    usertests.check(result.text, "guest")
    ours.check_disk(disk)


def test_a_property_that_fails_is_told():
    """The judge is awake: a verdict missing, one that should hold, and one that should not."""
    ours.require_compiled()
    text = usertests.run_natively("-j", "files")
    usertests.check(text, "linux", {"files"})
    with pytest.raises(AssertionError, match="expected .* verdicts"):
        usertests.check(text[:-50], "linux", {"files"})
    with pytest.raises(AssertionError, match="1 properties don't hold"):
        usertests.check(text.replace('"why": ""', '"why": "files.c:1: broken"', 1), "linux", {"files"})
