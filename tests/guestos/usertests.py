"""The suite guestos/user/tests: built, run on this Linux, and what it says judged by the table of differences."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from collections.abc import Set as AbstractSet
from pathlib import Path

import pytest

from guestos import build
from tests.guestos import differences

#: Gives the suite mounts, names, processes and SysV objects of its own, so that it leaves this Linux as it was.
UNSHARE = ("unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--mount-proc")


@functools.cache
def program() -> Path:
    """The suite's executable, as it is on the guest's disk."""
    pytest.importorskip("ziglang", reason="ziglang is not installed: pip install ziglang")
    return next(path for path in build.build_user() if path.name == "usertests")


@functools.cache
def areas() -> dict[str, str]:
    """The area of each property, by name, in the suite's order."""
    lines = subprocess.run([program(), "-l"], capture_output=True, text=True, check=True).stdout.splitlines()
    return {name: area for area, name in map(str.split, lines)}


def run_natively(*arguments: str) -> str:
    """What the suite prints on this Linux, whose root it must be."""
    if os.getuid():
        pytest.skip("the suite changes users and mounts: on this Linux it needs root")
    # Not as process 1, whose signals are special.
    command = [*UNSHARE, "sh", "-c", '"$0" "$@"; exit $?', str(program()), *arguments]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300).stdout


def verdicts(text: str) -> dict[str, str]:
    """Of the output of `usertests -j`: by property, "" if it holds, else why not."""
    rows = [json.loads(line) for line in text.splitlines() if line.startswith("{") and line.endswith("}")]
    return {row["name"]: row["why"] for row in rows}


def check(text: str, system: str, chosen: AbstractSet[str] | None = None) -> None:
    """Fails unless the output `text` has a verdict on every property (of the `chosen` areas), and exactly those that
    are listed for `system` ("guest", "linux") don't hold."""
    found, known = verdicts(text), differences.listed(system)
    expected = [name for name, area in areas().items() if chosen is None or area in chosen]
    assert list(found) == expected, f"expected {len(expected)} verdicts, found {len(found)}; the output ends:\n{text[-2000:]}"
    assert not differences.listed(system).keys() - areas().keys(), "a listed property doesn't exist"
    broken = [f"{name}: {why}" for name, why in found.items() if why and name not in known]
    assert not broken, f"{len(broken)} properties don't hold on {system}:\n" + "\n".join(broken)
    healed = [name for name, why in found.items() if not why and name in known]
    assert not healed, f"these hold on {system} now; take them out of differences.py: {' '.join(healed)}"
