"""Threads and signals: the properties of programs/threadtests.c and signaltests.c, on Linux and in the guest."""

from __future__ import annotations

import pytest

from tests.guestos import ours, properties

PROGRAMS = ("signaltests", "threadtests")


@pytest.fixture(autouse=True)
def compiled():
    ours.require_compiled()


@pytest.mark.parametrize("program", PROGRAMS)
def test_properties_hold_on_linux(program, tmp_path):
    properties.check_native(program, tmp_path)


@pytest.mark.parametrize("program", PROGRAMS)
def test_properties_hold_in_the_guest(program):
    properties.check_guest(program)


@pytest.mark.parametrize("program", PROGRAMS)
def test_nothing_leaks(program):
    properties.check_guest(program, "-l")
