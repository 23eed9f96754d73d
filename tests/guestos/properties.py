"""Test programs of named properties (programs/properties.h): run in the guest, and on this Linux as the oracle."""

from __future__ import annotations

import fcntl
import functools
import os
import re
import subprocess
from pathlib import Path

import pytest

from guestos import build, images
from tests.guestos import ours

PROGRAMS = ("accesstests", "calltests", "captests", "cgrouptests", "controllertests", "exectests", "isolationtests", "kvmtests", "mounttests", "nettests", "nstests",
            "overlaytests", "polltests", "proctests", "ptracetests", "ptytests", "seccomptests", "signaltests", "sockettests", "threadtests")
#: What such a program prints of a property that holds.
HOLDS = ": ok"


@functools.cache
def disk() -> Path:
    """Our init, shell and tools, and PROGRAMS in /bin."""
    ours.guest()
    with open(ours.CACHE / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        entries = [*images.default_tree(build.build_user()), *(images.file(f"/bin/{name}", program(name), 0o755) for name in PROGRAMS)]
        return ours._image(entries, "properties.img")


def program(name: str) -> Path:
    return build.build_program([ours.PROGRAMS / f"{name}.c"], ours.CACHE / name, [*build.USER_FLAGS, "-O1", "-w"])


def names(name: str) -> list[str]:
    """The properties that programs/NAME.c lists."""
    return re.findall(r"\bT\((\w+)\)", (ours.PROGRAMS / f"{name}.c").read_text())


#: Gives a program on this Linux mounts of its own.
UNSHARE = ("unshare", "-m") if os.getuid() == 0 else ("unshare", "-rm")


def check_native(name: str, tmp_path: Path, under: tuple[str, ...] = (), but: tuple[str, ...] = ()) -> None:
    """Fails unless every property (`but` those) holds on this Linux: else it is no property to ask of the guest. A busy Linux
    may be late where a property waits some milliseconds for another process: such a one has three tries."""
    ours.guest()
    if under and subprocess.run([*under, "true"], capture_output=True).returncode:
        pytest.skip(f"not allowed on this host: {' '.join(under)} true")
    wanted = [x for x in names(name) if x not in but]
    for _ in range(3):
        result = subprocess.run([*under, program(name), *wanted], cwd=tmp_path, capture_output=True, text=True, timeout=120)
        wanted = [x for x in wanted if f"{x}{HOLDS}\n" not in result.stdout]
        if not wanted:
            return
    raise AssertionError(result.stdout)


def check_guest(name: str, *arguments: str) -> None:
    """Fails unless every property holds in the guest (with "-l": without losing a page frame)."""
    outcome = ours.run(" ".join(["cd /tmp;", name, *arguments]), disk(), memory="64M")
    assert outcome.text == expected(name) and outcome.status == 0, outcome.text


def expected(name: str) -> str:
    return "".join(f"{x}{HOLDS}\n" for x in names(name)) + "0 failed\n"
