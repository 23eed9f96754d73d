"""Namespaces and capabilities: the properties of programs/nstests.c, on Linux and in the guest."""

from __future__ import annotations

import os

import pytest

from tests.guestos import ours, properties


@pytest.fixture(autouse=True)
def compiled():
    ours.require_compiled()


@pytest.mark.skipif(os.getuid() != 0, reason="namespaces of all kinds need root on this Linux: run the tests as root")
def test_properties_hold_on_linux(tmp_path):
    properties.check_native("nstests", tmp_path, properties.UNSHARE)


def test_properties_hold_in_the_guest():
    properties.check_guest("nstests")


def test_nothing_leaks():
    properties.check_guest("nstests", "-l")
