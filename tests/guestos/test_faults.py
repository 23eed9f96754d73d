"""What a program that faults is told: programs/faults.c prints the same on Linux and in the guest."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

import pytest

from guestos import build, images
from tests.guestos import ours, properties


@functools.cache
def disk() -> Path:
    ours.guest()
    return ours._image([*images.default_tree(build.build_user()), images.file("/bin/faults", properties.program("faults"), 0o755)], "faults.img")


@pytest.mark.parametrize("engine", ["compiled", "python"])
def test_faults_are_told_as_on_linux(engine):
    if engine == "compiled":
        ours.require_compiled()
    guest = ours.run("faults", disk(), engine=engine)
    linux = subprocess.run([properties.program("faults")], capture_output=True, text=True, check=True, timeout=60)
    assert guest.text == linux.stdout and guest.text.count("\n") == 67
