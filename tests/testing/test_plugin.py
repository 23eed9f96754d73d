"""The pytest plugin, used as others use it."""

from __future__ import annotations

import importlib.metadata
import time

import pytest

from emu.testing.guest import GuestError


def test_a_command_has_status_output_and_cost(guest):
    done = guest.run("echo out; echo err >&2; exit 3")
    assert (done.status, done.stdout, done.stderr) == (3, "out\n", "err\n") and done.output == "out"
    assert 10_000 < done.instructions < 1_000_000


def test_arguments_are_not_read_by_the_shell(guest):
    assert guest.run(["echo", "a b", "$HOME", "'"]).output == "a b $HOME '"


def test_a_signal_is_in_the_status(guest):
    assert guest.run("kill -9 $$").status == 137


def test_long_output_with_any_bytes_arrives_whole(guest):
    data = bytes(range(256)) * 300
    guest.put("/tmp/data", data)
    guest.run("cat /tmp/data /tmp/data > /tmp/twice").check()
    assert guest.run("wc -c /tmp/twice").output.split()[0] == str(2 * len(data))
    assert guest.run("cat /tmp/data").stdout == data.decode("utf-8", "replace")


def test_files_have_the_mode_asked_for(guest):
    guest.put("/tmp/script", "#!/bin/sh\necho $1\n", 0o750)
    assert guest.run("/tmp/script hi").output == "hi"
    assert "750" in guest.run("stat /tmp/script").output or "rwxr-x---" in guest.run("ls -l /tmp/script").output
    with pytest.raises(GuestError, match="No such file"):
        guest.put("/nowhere/file", "x")


@pytest.mark.parametrize("round", range(3))
def test_every_test_starts_from_the_same_state(guest, round):
    assert guest.run("ls /tmp").output == ""
    guest.run("echo x > /tmp/left; echo y > /root/left").check()
    assert guest.run("cat /tmp/left /root/left").output == "x\ny"


def test_a_run_repeats_to_the_instruction(guest, machine):
    first = guest.run("ls /bin | wc -l")
    digest = machine.digest()
    machine.restore(machine.snapshots.root)
    assert guest.run("ls /bin | wc -l") == first and machine.digest() == digest


def test_a_c_program_runs(guest, c_program):
    path = c_program("#include <stdio.h>\nint main(int c, char **v) { printf(\"%d %s\\n\", c, v[1]); return 7; }\n", "counted")
    done = guest.run([path, "word"])
    assert (done.status, done.stdout) == (7, "2 word\n")


def test_a_c_program_that_is_none_says_why(c_program):
    with pytest.raises(GuestError, match="broken.c:1"):
        c_program("int main( {", "broken")


def test_a_budget_fails_when_it_is_exceeded(guest, instruction_budget):
    with instruction_budget(1_000_000):
        guest.run("true")
    with pytest.raises(AssertionError, match="more than the budget of 1,000"), instruction_budget(1000):
        guest.run("true")


def test_what_never_ends_is_ended(guest):
    with pytest.raises(GuestError, match="did not end"):
        guest.run("while true; do true; done", limit=3_000_000)


def test_check_says_what_the_command_said(guest):
    with pytest.raises(AssertionError, match="status 1.*No such file"):
        guest.run("cat /nowhere").check()


def test_a_hundred_tests_a_second(guest, machine):
    snapshot, begun = machine.snapshots.root, time.perf_counter()
    for _ in range(100):
        machine.restore(snapshot)
        assert guest.run("true").status == 0
    assert time.perf_counter() - begun < 1


def test_others_can_use_it(pytester):
    pytester.makepyfile("""
        def test_first(guest):
            assert guest.run("echo 1 > /tmp/x; cat /tmp/x").output == "1"
        def test_second(guest, instruction_budget):
            with instruction_budget(2_000_000):
                assert guest.run("ls /tmp").output == ""
        def test_third(guest):
            assert guest.run("false").status == 0
    """)
    installed = any(entry.name == "ringzero" for entry in importlib.metadata.entry_points(group="pytest11"))
    result = pytester.runpytest_subprocess("-q", *([] if installed else ["-p", "emu.testing.plugin"]))
    result.assert_outcomes(passed=2, failed=1)
