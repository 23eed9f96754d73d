"""Network namespaces, devices and routes: programs/nettests.c on Linux and in the guest; Debian's ip is in test_debian.py."""

from __future__ import annotations

import os

import pytest

from tests.guestos import ours, properties


@pytest.fixture(autouse=True)
def compiled():
    ours.require_compiled()


def test_properties_hold_on_linux(tmp_path):
    properties.check_native("nettests", tmp_path, ("unshare", "-n") if os.getuid() == 0 else ("unshare", "-rn"))


def test_properties_hold_in_the_guest():
    properties.check_guest("nettests")


def test_nothing_leaks():
    properties.check_guest("nettests", "-l")
