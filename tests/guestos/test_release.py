"""Boot option release=: an older Linux, whose kernel a container shares and a virtual machine doesn't."""

from __future__ import annotations

from pathlib import Path

import pytest

from emu.testing import guest as testing
from guestos import build, images, syscalls
from guestos.images.default import nested_tree
from tests.guestos import ours

#: Says which of two calls there are: close_range is of Linux 5.9, getrandom of 3.17. Ends with status 1 without the newer.
PROGRAM = r"""
#include <stdio.h>
#include <string.h>
#include <errno.h>
#include <unistd.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
int main(void) {
    struct utsname name;
    char byte;
    uname(&name);
    printf("%s:", name.release);
    printf(" getrandom %s,", syscall(SYS_getrandom, &byte, 1, 0) == 1 ? "works" : strerror(errno));
    int missing = syscall(SYS_close_range, 40, 50, 0);
    printf(" close_range %s\n", missing ? strerror(errno) : "works");
    return missing != 0;
}
"""


@pytest.fixture(scope="module")
def disk(tmp_path_factory) -> Path:
    """A disk with the program: in /bin, in the image `base`, and so on the disk of the machines that vmm makes."""
    ours.require_compiled()
    where = tmp_path_factory.mktemp("release")
    (where / "needs.c").write_text(PROGRAM)
    programs = [*build.build_user(), build.build_program([where / "needs.c"], where / "needs")]
    out = where / "disk.img"
    images.build_image([*images.default_tree(programs), *nested_tree(ours.guest().kernel, programs, where)], out, 32 << 20)
    return out


def on(disk: Path, script: str, words: str = "release=5.4"):
    return testing.boot(disk, memory="96M", append=words).run(script)


OLD = "5.4.0-ringzero: getrandom works, close_range Function not implemented\n"
NEW = "6.1.0-ringzero: getrandom works, close_range works\n"


@pytest.mark.parametrize("words, status, says", [
    ("release=5.4", 1, OLD), ("release=5.8.18", 1, OLD.replace("5.4.0", "5.8.18")), ("release=5.9", 0, NEW.replace("6.1", "5.9")), ("", 0, NEW),
    ("release=3.2", 1, OLD.replace("5.4", "3.2").replace("works", "Function not implemented")),
])  # fmt: skip
def test_calls_are_those_of_the_release(disk, words, status, says):
    done = on(disk, "needs", words)
    assert (done.status, done.stdout) == (status, says)


def test_a_container_has_the_hosts_kernel_and_a_virtual_machine_brings_its_own(disk):
    """One program, one image: it fails in the container, and works in a container of a machine with a newer kernel."""
    contained = on(disk, "box run --rm base needs")
    assert (contained.status, contained.stdout) == (1, OLD), contained
    inside = on(disk, "vmm run -c 'box run --rm base needs'")
    assert (inside.status, inside.stdout) == (0, NEW), inside


@pytest.mark.parametrize("words, why", [("release=x", "expected a Linux release, as 5.4"), ("release=5", "expected a Linux release"),
                                        ("release=5.4x", "expected a Linux release"), ("release=6.2", "nothing newer")])  # fmt: skip
def test_what_is_no_release_is_told_at_boot(words, why):
    done = ours.run("true", line=f"quiet root=/dev/vda init=/bin/init {words}")
    assert done.status == 255 and words in done.text and why in done.text


def test_the_gate_is_in_the_rows():
    rows = {call.name: call.since for call in syscalls.load()}
    assert rows["close_range"] == (5, 9) and rows["clone3"] == (5, 3) and rows["read"] is None
    with pytest.raises(syscalls.SyscallTableError, match="since=X.Y"):
        syscalls.parse("1 | a | void | - | - | since 5.6")
