"""One guest, the same everywhere: on both engines to the bit, however a run is cut, replayed or moved; and on QEMU."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from emu.engines import available
from emu.machine import input_log
from emu.machine.result import Reason
from tests.guestos import ours, qemu

ENGINES = ("python", "compiled")
SCRIPT = "echo hi; echo x > /root/f; ls -l /; echo a|cat|wc -c; ps; exit 3"
#: Tests of usertests that are short enough for the Python engine; INIT takes sixteen words.
SHORT = ("mprotect_holds_for_the_kernel_too bad_buffers_are_EFAULT mremap_moves_where_there_is_none an_unknown_call_is_ENOSYS "
         "a_call_keeps_all_registers_but_three fork_copies_memory a_private_mapping_keeps_its_changes setresuid_takes_own_ids_only "
         "a_handler_leaves_all_registers faults_tell_where_and_why a_forged_frame_gains_no_privilege odd_flags_do_not_reach_the_kernel "
         "futex_wakes_across_processes a_read_without_SA_RESTART_is_EINTR vfork_lends_its_memory_until_exit").split()


@pytest.fixture(scope="module")
def guest() -> ours.Guest:
    return ours.guest()


@pytest.fixture
def both(guest: ours.Guest) -> ours.Guest:
    ours.require_compiled()
    return guest


def booting(engine: str, script: str = SCRIPT, **options) -> ours.Computer:
    return ours.Computer(ours.guest().own, ours.command_line(script), engine, **options)


@pytest.fixture(scope="module")
def reference(guest: ours.Guest) -> tuple[str, int]:
    """Digest and instruction count of SCRIPT's whole run on the compiled engine, in one go."""
    ours.require_compiled()
    with booting("compiled") as computer:
        computer.finish()
        return computer.digest(), computer.retired


def differences(one: ours.Computer, other: ours.Computer) -> str:
    """What of two machines differs, in words."""
    a, b = one.checkpoint(), other.checkpoint()
    said = [f"{name}: {a['engine'][name]} / {b['engine'][name]}" for name in a["engine"] if a["engine"][name] != b["engine"][name]]
    said += [f"{x['name']} differs" for x, y in zip(a["devices"], b["devices"]) if x != y]
    pages = sorted(n for n in a["memory"].keys() | b["memory"].keys() if a["memory"].get(n) != b["memory"].get(n))
    said += [f"pages {[hex(n) for n in pages[:8]]}"] if pages else []
    return f"at instruction {one.retired} / {other.retired}: " + "; ".join(said)


# The two engines

def test_engines_agree_along_the_whole_boot(both, reference):
    """Every 20,000 instructions the whole state is the same."""
    with booting("python") as one, booting("compiled") as other:
        while True:
            results = one.run(20_000), other.run(20_000)
            assert one.digest() == other.digest(), differences(one, other)
            assert results[0] == results[1]
            if results[0].reason is not Reason.LIMIT:
                break
        assert (one.digest(), one.retired) == reference
        assert results[0].reason is Reason.POWER_OFF and results[0].status == 3


def test_engines_agree_on_what_the_kernel_guards(both):
    """Faults, signals, copy-on-write and forged frames of usertests, with the same end state."""
    line = "quiet init=/bin/usertests -- " + " ".join(SHORT)
    machines = [ours.Computer(both.own, line, engine) for engine in ENGINES]
    outcomes = [machine.finish() for machine in machines]
    assert outcomes[0] == outcomes[1] and outcomes[0].text.count(": ok\n") == len(SHORT) and outcomes[0].status == 0
    assert machines[0].digest() == machines[1].digest(), differences(*machines)


@pytest.mark.parametrize("engine", available())
def test_two_runs_are_the_same(guest, engine):
    digests = set()
    for _ in range(2):
        with booting(engine, "echo a|cat; exit 1") as computer:
            computer.finish()
            digests.add(computer.digest())
    assert len(digests) == 1


def test_the_seed_reaches_the_guest(both):
    """A program's random bytes come from RDRAND, hence from the seed: digests are no constant."""
    with booting("compiled", seed=1) as one, booting("compiled", seed=2) as other:
        assert one.finish().text == other.finish().text
        assert one.digest() != other.digest()


# However it is cut

@pytest.mark.parametrize("longest", [3, 50, 1_000, 100_000])
def test_cuts_leave_no_trace(both, reference, longest):
    """Pieces of random length up to `longest` (for short ones, a stretch of the boot only)."""
    cuts = random.Random(longest)
    with booting("compiled") as computer:
        computer.run(cuts.randrange(150_000))
        end = computer.retired + longest * 3_000
        while computer.retired < end:
            length = cuts.randint(0, longest)
            before = computer.retired
            result = computer.run(length)
            if result.reason is not Reason.LIMIT:
                break
            assert result.retired == length == computer.retired - before
        computer.finish()
        assert (computer.digest(), computer.retired) == reference


@pytest.mark.parametrize("engine", available())
def test_steps_leave_no_trace(both, reference, engine):
    with booting(engine) as computer:
        computer.run(100_000)
        for _ in range(20_000):
            assert computer.step().reason is Reason.LIMIT
        assert computer.retired == 120_000
        with booting("compiled") as other:
            other.run(120_000)
            assert computer.digest() == other.digest(), differences(computer, other)


# Moved from engine to engine

def test_a_run_handed_to_and_fro(both, reference):
    """Each leg ends at a random instruction, in the middle of whatever goes on there."""
    legs = random.Random(1)
    computer = booting("compiled")
    engines = ("python", "compiled")
    for leg in range(1000):
        result = computer.run(legs.randint(1, 40_000))
        if result.reason is not Reason.LIMIT:
            break
        saved, digest = computer.checkpoint(), computer.digest()
        computer = booting(engines[leg % 2])
        computer.restore(saved)
        assert computer.digest() == digest
    assert leg > 10 and result.reason is Reason.POWER_OFF and result.status == 3
    assert (computer.digest(), computer.retired) == reference


def test_engine_state_alone_moves_too(both, reference):
    """state() of one engine loaded by the other one, in the same machine: RAM and devices stay."""
    with booting("python") as one, booting("compiled") as other:
        one.run(150_000)
        other.run(150_000)
        states = one.engine.state(), other.engine.state()
        assert states[0] == states[1]
        one.engine.load_state(states[1])
        other.engine.load_state(states[0])
        one.run(50_000)
        other.run(50_000)
        assert one.digest() == other.digest(), differences(one, other)
        other.finish()
        assert (other.digest(), other.retired) == reference


# Replayed

def session(engine: str) -> ours.Computer:
    """Keys at a shell: a pipeline, job control, the end."""
    computer = ours.Computer(ours.guest().own, ours.OWN_LINE, engine)
    computer.await_text("# ")
    computer.type("echo a")
    computer.run(777)       # the rest comes while the guest is at work
    for keys in ("|cat\n", "cat\n", "line\n", "\x1a", "fg\n", "\x03", "exit 4\n"):
        computer.type(keys)
        result = computer.settle()
    assert result.reason is Reason.POWER_OFF and result.status == 4
    assert "\na\n" in computer.text() and "line\nline\n" in computer.text() and "stopped cat" in computer.text()
    return computer


@pytest.mark.parametrize(("recorder", "player"), [("compiled", "python"), ("python", "compiled"), ("compiled", "compiled")])
def test_replay_on_either_engine(both, recorder, player):
    """The input log, written as text and read back, leads to the same state."""
    recorded = session(recorder)
    log = input_log.parse(input_log.dump(recorded.input_log))
    assert len(log) == 8 and len({event.now for event in log}) == 8
    replayed = ours.Computer(both.own, ours.OWN_LINE, player)
    result = replayed.replay(log, recorded.retired, recorded.now)
    if result.reason is Reason.LIMIT:
        result = replayed.run(100_000)
    assert result.reason is Reason.POWER_OFF and result.status == 4
    assert replayed.console == recorded.console
    assert replayed.digest() == recorded.digest(), differences(replayed, recorded)


# QEMU

def on_qemu(line: str, disk: Path) -> qemu.Result:
    """The shared disk is read alone (-snapshot), and the clock begins where ours does."""
    qemu.require_tools()
    return qemu.run(ours.guest().kernel, line, disk, 60, more=("-snapshot", "-rtc", "base=2024-01-01T00:00:00"))


@pytest.mark.parametrize("script", [
    "echo hi; echo a|cat|wc -c; exit 3",
    "ls -l / /bin /etc; cat /etc/*; df; tty; uname -a; id 2>&1",
    "(echo b; echo a) | sort; ps; cat /proc/mounts /proc/self/maps; ls -l /proc/self/fd; stat /bin/sh; exit 5",
    "echo x > /root/f; mkdir /root/d; mv /root/f /root/d/g; ls -li /root/d; cat /missing; kill -9 $$",
])  # fmt: skip
def test_same_output_as_on_qemu(both, script):
    here, there = ours.run(script, memory="128M"), on_qemu(ours.command_line(script), both.own)
    assert here.text == there.text
    assert here.status & 0x7F == there.status       # QEMU's own status has seven bits for the guest's


def test_debian_output_as_on_qemu(both):
    # QEMU emulates no next RIP, without which our kernel offers no /dev/kvm.
    script = "echo a|cat|wc -c; ls -l /bin; find / ! -path /dev/kvm | sort | md5sum; seq 1 1000 | sort -r | tail -n 3; exit 1"
    line = ours.command_line(script, ours.DEBIAN_LINE)
    here, there = ours.run(script, both.debian_disk(), ours.DEBIAN_LINE, memory="128M"), on_qemu(line, both.debian)
    assert (here.text, here.status) == (there.text, there.status)


@pytest.mark.parametrize("line", ["init=/bin/echo -- word", "init=/nowhere", "root=/dev/vdb init=/bin/init", "init=/bin/usertests -- the_real_time_clocks_agree"])
def test_boot_messages_as_on_qemu(both, line):
    """Not quiet: all lines but the one about the clock, a panic's text and backtrace included."""
    def lines(text: str) -> list[str]:
        assert re.search(r"clock: .*kHz", text)
        return [x for x in text.splitlines() if "kHz" not in x]

    disk = both.debian_disk()
    with ours.Computer(disk, line, memory="128M") as computer:
        here = computer.finish()
    there = on_qemu(line, disk)
    assert lines(here.text) == lines(there.text)
    assert here.status & 0x7F == there.status
