"""seccomp and no_new_privs: the properties of programs/seccomptests.c."""

from __future__ import annotations

import pytest

from tests.guestos import ours, properties


@pytest.fixture(autouse=True)
def compiled():
    ours.require_compiled()


def test_properties_hold_on_linux(tmp_path):
    properties.check_native("seccomptests", tmp_path, properties.UNSHARE)


def test_properties_hold_in_the_guest():
    properties.check_guest("seccomptests")


def test_nothing_leaks():
    properties.check_guest("seccomptests", "-l")
