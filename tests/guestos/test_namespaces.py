"""Namespaces and capabilities: the properties of programs/nstests.c, captests.c and accesstests.c, on Linux and in the guest."""

from __future__ import annotations

import os

import pytest

from tests.guestos import ours, properties

PROGRAMS = ("nstests", "captests", "accesstests")


@pytest.fixture(autouse=True)
def compiled():
    ours.require_compiled()


@pytest.mark.skipif(os.getuid() != 0, reason="namespaces of all kinds need root on this Linux: run the tests as root")
@pytest.mark.parametrize("program", PROGRAMS)
def test_properties_hold_on_linux(program, tmp_path):
    properties.check_native(program, tmp_path, properties.UNSHARE)


@pytest.mark.parametrize("program", PROGRAMS)
def test_properties_hold_in_the_guest(program):
    properties.check_guest(program)


@pytest.mark.parametrize("program", PROGRAMS)
def test_nothing_leaks(program):
    properties.check_guest(program, "-l")
