"""Sockets: the properties of programs/sockettests.c, on Linux and in the guest."""

from __future__ import annotations

import pytest

from tests.guestos import ours, properties


@pytest.fixture(autouse=True)
def compiled():
    ours.require_compiled()


def test_properties_hold_on_linux(tmp_path):
    properties.check_native("sockettests", tmp_path)


def test_properties_hold_in_the_guest():
    properties.check_guest("sockettests")


def test_nothing_leaks():
    properties.check_guest("sockettests", "-l")
