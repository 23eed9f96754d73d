"""Locks, statx, O_TMPFILE, O_PATH, exchanges, copies, limits, devices: the properties of programs/calltests.c."""

from __future__ import annotations

import pytest

from tests.guestos import ours, properties


@pytest.fixture(autouse=True)
def compiled():
    ours.require_compiled()


def test_properties_hold_on_linux(tmp_path):
    properties.check_native("calltests", tmp_path, properties.UNSHARE)


def test_properties_hold_in_the_guest():
    properties.check_guest("calltests")


def test_nothing_leaks():
    properties.check_guest("calltests", "-l")
