"""The guest, and a disk with a program whose system calls are known."""

from __future__ import annotations

from pathlib import Path

import pytest

from guestos import build, images
from tests.guestos import ours

SOURCE = Path(__file__).parent / "traced.c"


@pytest.fixture(scope="session")
def guest() -> ours.Guest:
    return ours.guest()


@pytest.fixture(scope="session")
def disk(guest, tmp_path_factory) -> Path:
    """The guest's own programs, and /bin/traced."""
    program = build.build_program([SOURCE], ours.CACHE / "traced", [*build.USER_FLAGS, "-O1", "-w"])
    entries = [*images.default_tree(build.build_user()), images.file("/bin/traced", program, 0o755)]
    return images.build_image(entries, tmp_path_factory.mktemp("traced") / "disk.img", 16 << 20)
