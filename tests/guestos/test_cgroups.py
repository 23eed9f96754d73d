"""Control groups: the properties of programs/cgrouptests.c, and of the controllers in programs/controllertests.c."""

from __future__ import annotations

import os
import re

import pytest

from tests.guestos import ours, properties


@pytest.fixture(autouse=True)
def compiled():
    ours.require_compiled()


def test_groups_hold_on_linux(tmp_path):
    if os.getuid():
        pytest.skip("only root may make control groups on this host")
    properties.check_native("cgrouptests", tmp_path, properties.UNSHARE)


@pytest.mark.parametrize("program", ["cgrouptests", "controllertests"])
def test_properties_hold_in_the_guest(program):
    properties.check_guest(program)


def test_the_largest_process_dies_when_the_machine_has_no_memory_left():
    outcome = ours.run("cd /tmp; controllertests without_a_limit_the_largest_dies", properties.disk(), memory="64M")
    assert outcome.status == 0 and "\nwithout_a_limit_the_largest_dies: ok\n0 failed\n" in outcome.text
    assert re.fullmatch(r"out of memory: process \d+ \(controllertests\) is killed", outcome.text.splitlines()[0])


@pytest.mark.parametrize("program", ["cgrouptests", "controllertests"])
def test_nothing_leaks(program):
    slow = ("a_quota_is_kept", "weights_share", "the_only_task_is_throttled_too", "outside_a_bomb_there_is_time", "a_fork_bomb_stays_inside")
    once = ("cached_files_make_room",)      # the second time they are cached already
    names = [name for name in properties.names(program) if name not in slow + once]
    outcome = ours.run(" ".join(["cd /tmp;", program, "-l", *names]), properties.disk(), memory="64M")
    assert outcome.text == "".join(f"{name}: ok\n" for name in names) + "0 failed\n"
