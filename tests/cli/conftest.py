"""The guest, built once for all tests of the command."""

from __future__ import annotations

import pytest

from emu.cli import images
from emu.errors import RingzeroError


@pytest.fixture(scope="session")
def guest() -> images.GuestImages:
    """Kernel and disk as `ringzero run` uses them."""
    try:
        return images.ensure()
    except RingzeroError as error:
        if "ziglang" in str(error):
            pytest.skip(str(error))
        raise
