"""/dev/kvm: the properties of programs/kvmtests.c, a monitor written for Linux, on Linux' KVM and in the guest."""

from __future__ import annotations

import os

import pytest

from tests.guestos import ours, properties

#: Illegal registers and lines are taken by some versions. FXSAVE in a guest's first instructions is KVM's own affair: some versions give up there with an internal error.
NOT_EVERYWHERE = ("vector_registers_are_the_guests", "what_no_processor_has_is_refused")


@pytest.fixture(autouse=True)
def compiled():
    ours.require_compiled()


def test_properties_hold_on_linux(tmp_path):
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        pytest.skip("this host has no usable /dev/kvm; on Linux: modprobe kvm-amd or kvm-intel, and be in the group kvm")
    properties.check_native("kvmtests", tmp_path, but=NOT_EVERYWHERE)


def test_properties_hold_in_the_guest():
    properties.check_guest("kvmtests")


def test_nothing_leaks():
    properties.check_guest("kvmtests", "-l")
