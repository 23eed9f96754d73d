"""Threads, signals, exec and ptrace: the properties of PROGRAMS, on Linux and in the guest."""

from __future__ import annotations

import pytest

from tests.guestos import ours, properties

PROGRAMS = ("exectests", "ptracetests", "signaltests", "threadtests")


@pytest.fixture(autouse=True)
def compiled():
    ours.require_compiled()


@pytest.mark.parametrize("program", PROGRAMS)
def test_properties_hold_on_linux(program, tmp_path):
    properties.check_native(program, tmp_path, properties.UNSHARE if program in ("exectests", "ptracetests") else ())


@pytest.mark.parametrize("program", PROGRAMS)
def test_properties_hold_in_the_guest(program):
    properties.check_guest(program)


@pytest.mark.parametrize("program", PROGRAMS)
def test_nothing_leaks(program):
    properties.check_guest(program, "-l")
