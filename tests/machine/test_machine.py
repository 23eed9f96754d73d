"""The run loop, on a scripted engine: exact counts, events, ends, input log, replay, digest, checkpoint."""

from __future__ import annotations

import pytest

from emu.engines.engine import Engine
from emu.errors import ConfigurationError, DiskError, ReplayError, RingzeroError
from emu.machine import input_log
from emu.machine.machine import Machine, Reason
from tests.machine.scripted import ScriptedEngine, scripted

LOOP = [("nop",), ("jump", 0)]
#: Both 8259s at vectors 0x20 and 0x28, everything but `unmasked` masked.
def pics(unmasked):
    return [("out", 0x20, 1, 0x11), ("out", 0x21, 1, 0x20), ("out", 0x21, 1, 4), ("out", 0x21, 1, 1),
            ("out", 0xA0, 1, 0x11), ("out", 0xA1, 1, 0x28), ("out", 0xA1, 1, 2), ("out", 0xA1, 1, 1),
            ("out", 0x21, 1, 0xFF & ~unmasked), ("out", 0xA1, 1, 0xFF)]


def timer(count, mode=2):
    return [("out", 0x43, 1, 0x30 | mode << 1), ("out", 0x40, 1, count & 0xFF), ("out", 0x40, 1, count >> 8)]


def machine(*program, memory="1M", handlers=None, interrupts=True, **options):
    return Machine(memory, scripted(*program, handlers=handlers, interrupts=interrupts), **options)


def ticking(wait=("hlt",), count=1193, on_tick=(), **options):
    """Programs a tick of about 1 ms and waits in a loop; the handler does `on_tick` and EOI."""
    start = [*pics(1), *timer(count)]
    program = [*start, wait, ("jump", len(start)), *on_tick, ("eoi",), ("iret",)]
    return machine(*program, handlers={0x20: len(start) + 2}, **options)


def test_the_scripted_engine_is_an_engine():
    assert isinstance(ScriptedEngine(None, None), Engine)


@pytest.mark.parametrize("limit", [0, 1, 2, 999, 54_925, 100_000])
def test_run_retires_exactly_what_is_asked(limit):
    m = machine(*LOOP)
    result = m.run(limit)
    assert (result.reason, result.retired, m.retired, m.now) == (Reason.LIMIT, limit, limit, limit)


def test_split_runs_are_one_run():
    whole, parts, steps = (ticking(("nop",), step_ns=1000) for _ in range(3))
    whole.run(20_000)
    for n in (1, 10, 2, 0, 7_000, 3_333, 9_654):
        parts.run(n)
    for _ in range(20_000):
        steps.step()
    assert whole.retired == parts.retired == steps.retired == 20_000
    assert whole.digest() == parts.digest() == steps.digest()
    assert whole.engine.seen.count(("interrupt", 0x20)) == 19


def test_negative_limits_are_refused():
    with pytest.raises(ConfigurationError):
        machine(*LOOP).run(-1)


def test_halt_skips_to_the_next_event():
    m = ticking()
    result = m.run(200)
    assert result.reason is Reason.LIMIT and m.retired == 200
    ticks = m.engine.seen.count(("interrupt", 0x20))
    assert 40 < ticks < 60
    assert abs(m.now - ticks * 1_000_000) < 2_000_000  # a tick is 1193/1193182 s
    assert m.engine.s["tsc"] == m.now - m.retired


def test_an_access_that_arms_an_earlier_timer_ends_the_slice():
    """With no event before the PIT's first at 54.9 ms, a slice is long; the OUT that programs a
    short count within it must still be followed by an interrupt in time."""
    program = [*pics(1), *[("nop",)] * 5000, *timer(100, 0), ("nop",), ("jump", 5013), ("eoi",), ("iret",)]
    m = machine(*program, handlers={0x20: 5015})
    m.run(200_000)
    assert m.engine.seen == [("interrupt", 0x20)]
    assert m.clock.next_deadline() is None  # mode 0 fires once


def test_halt_with_interrupts_disabled_is_forever():
    m = machine(("cli",), ("hlt",))
    result = m.run(100)
    assert result.reason is Reason.HALTED and result.retired == 2 and "interrupts disabled" in result.detail


def test_halt_that_no_timer_event_ends_is_forever(monkeypatch):
    monkeypatch.setattr("emu.machine.machine.IDLE_EVENTS", 1000)
    program = [*pics(1), ("hlt",), ("jump", 10), ("iret",)]     # the PIT ticks at 18.2 Hz, but the first tick has no EOI
    m = machine(*program, handlers={0x20: 12})
    result = m.run()
    assert result.reason is Reason.HALTED and "1000 timer events" in result.detail
    assert m.now > 20_000_000_000


def test_halt_with_a_masked_timer_is_forever():
    result = machine(*pics(0), ("hlt",)).run()
    assert result.reason is Reason.HALTED and "unmasked" in result.detail


def test_halt_without_any_timer():
    m = machine(("out", 0x43, 1, 0x30), ("hlt",))  # mode 0 without a count: nothing runs
    assert m.run().reason is Reason.HALTED


@pytest.mark.parametrize("operation, reason, status", [
    (("out", 0xF4, 4, 7), Reason.POWER_OFF, 7), (("out", 0xF4, 1, 0), Reason.POWER_OFF, 0),
    (("out", 0x604, 2, 0x2000), Reason.POWER_OFF, 0), (("out", 0x64, 1, 0xFE), Reason.RESET, None),
    (("triple",), Reason.SHUTDOWN, None),
])
@pytest.mark.parametrize("limit", [None, 2, 3])
def test_ends(operation, reason, status, limit):
    m = machine(("nop",), operation, *LOOP)
    result = m.run(limit)
    if reason is Reason.SHUTDOWN and limit == 2:
        assert result.reason is Reason.SHUTDOWN and m.retired == 1
    assert (result.reason, result.status) == (reason, status)
    assert m.retired == (1 if reason is Reason.SHUTDOWN else 2)
    again = m.run(10)
    assert (again.reason, again.status, again.retired) == (reason, status, 0)
    assert m.step().reason is reason


def test_power_off_needs_the_right_value():
    m = machine(("out", 0x604, 2, 0x1234), ("out", 0x604, 1, 0), ("out", 0x605, 1, 0x20), ("out", 0x64, 1, 0xF0), ("in", 0x64, 1),
                *[("jump", 5)])
    assert m.run(50).reason is Reason.LIMIT and m.engine.seen == [0]


def test_breakpoint():
    m = machine(*LOOP)
    m.engine.set_breakpoints({1})
    result = m.run(10)
    assert (result.reason, result.retired) == (Reason.BREAKPOINT, 1)


def test_interrupting_a_run():
    m = ticking()
    m.on_console = lambda data: m.interrupt() if len(m.console) == 3 else None
    m.engine.program[-2:-2] = [("out", 0x3F8, 1, 10)]
    m.engine.handlers[0x20] = len(m.engine.program) - 3
    assert m.run(10_000).reason is Reason.INTERRUPTED
    assert m.run(5).reason is Reason.LIMIT


def test_console_streams_and_is_kept():
    pieces = []
    m = machine(*[("out", 0x3F8, 1, byte) for byte in b"one\ntwo"], ("cli",), ("hlt",), on_console=pieces.append)
    m.run()
    assert b"".join(pieces) == b"one\ntwo" == bytes(m.console) and pieces[0] == b"one\n"


def test_expect_stops_right_after_the_match():
    m = machine(*[("out", 0x3F8, 1, byte) for byte in b"login: ready $ "], *[("jump", 15)])
    first = m.expect("login: ")
    assert (first.reason, m.retired) == (Reason.FOUND, 7)
    assert m.expect("$ ", 1000).reason is Reason.FOUND and m.retired == 15
    assert m.expect("login", 100).reason is Reason.LIMIT and m.retired == 115


def receiver():
    """Waits for characters with HLT and reads them in the handler of IRQ 4."""
    start = [*pics(0x11), *timer(11930), ("out", 0x3F9, 1, 1)]
    at = len(start)
    program = [*start, ("hlt",), ("jump", at), ("in", 0x3F8, 1), ("eoi",), ("iret",), ("eoi",), ("iret",)]
    return machine(*program, handlers={0x24: at + 2, 0x20: at + 5})


def test_input_is_logged_and_replays_to_the_same_digest():
    m = receiver()
    m.run(137)
    m.type("hi")
    m.run(55)
    m.type(b"\x03")
    m.run(1000)
    assert [value for value in m.engine.seen if isinstance(value, int)] == list(b"hi\x03")
    log = input_log.parse(input_log.dump(m.input_log))
    assert log == m.input_log and [event.retired for event in log] == [137, 192]
    for limit_first in (0, 20):
        other = receiver()
        other.run(limit_first)
        other.replay(log, m.retired)
        assert other.digest() == m.digest()


def test_input_during_a_halt_replays_to_the_instant():
    """Interactive: the wait is cut short by a key, at a virtual time between two events."""
    m = receiver()
    answers = [b"", b"", b"k", b"", b"q", None]
    waits = []

    def idle(seconds):
        waits.append(seconds)
        return answers.pop(0)

    assert m.run(idle=idle).reason is Reason.INTERRUPTED
    assert [value for value in m.engine.seen if isinstance(value, int)] == list(b"kq")
    assert all(0 <= seconds <= 0.01 for seconds in waits)
    other = receiver()
    other.replay(m.input_log, m.retired, m.now)
    assert other.digest() == m.digest()


def test_a_replay_that_leaves_the_path_says_so():
    log = [input_log.InputEvent(1000, 5, "console", b"x")]
    with pytest.raises(ReplayError, match="this run came to"):
        machine(*LOOP).replay(log)
    with pytest.raises(ReplayError, match="no input device"):
        machine(*LOOP).type("x", "virtio-console")


@pytest.mark.parametrize("text", ["{}", "nonsense", '{"retired": 1, "now": 1, "device": "console", "data": "zz"}', "[]", "3",
                                  '{"retired": 5, "now": 1, "device": "a", "data": ""}\n{"retired": 4, "now": 1, "device": "a", "data": ""}'])
def test_bad_logs_are_explained(text):
    with pytest.raises(ReplayError, match="line"):
        input_log.parse(text)


def test_digest_sees_everything():
    def changed(change):
        m = machine(*LOOP)
        m.run(10)
        change(m)
        return m.digest()

    same = changed(lambda m: None)
    assert same == changed(lambda m: None) and len(same) == 32
    changes = [lambda m: m.memory.write(0xFFFFF, b"\1"), lambda m: m.run(1), lambda m: m.type("x"),
               lambda m: m.bus.port_write(0x3FF, 1, 9), lambda m: m.engine.s.update(halted=True),
               lambda m: m.clock.skip_to(11), lambda m: m.bus.mmio_write(0xFEE00080, 4, 0x10),
               lambda m: m.memory.write(0, b"\1"), lambda m: m.memory.write(0x1000, b"\1")]
    digests = [changed(change) for change in changes]
    assert len({same, *digests}) == len(changes) + 1


def test_checkpoint_continues_elsewhere():
    m = ticking(("nop",), on_tick=[("out", 0x3F8, 1, 65)])
    m.memory.write(0x8000, b"data")
    m.run(7777)
    saved = m.checkpoint()
    other = ticking(("nop",), on_tick=[("out", 0x3F8, 1, 65)])
    other.memory.write(0x9000, b"to be cleared")
    other.run(123)
    other.restore(saved)
    assert other.digest() == m.digest() and other.console == m.console
    m.run(5000)
    other.run(5000)
    assert other.digest() == m.digest()
    with pytest.raises(RingzeroError, match="other memory"):
        machine(*LOOP, memory="2M").restore(saved)


def test_step_time_divides_the_clock():
    m = ticking(("nop",), step_ns=100)
    m.run(10_000)
    assert m.now == 1_000_000 and m.engine.seen.count(("interrupt", 0x20)) in (0, 1)
    m.run(100_000)
    assert m.engine.seen.count(("interrupt", 0x20)) == 10 or m.engine.seen.count(("interrupt", 0x20)) == 11


@pytest.mark.parametrize("options", [{"seed": "x"}, {"step_ns": 0}, {"step_ns": 1.5}, {"rtc_start": None}, {"memory": "7"}])
def test_bad_options_are_explained(options):
    with pytest.raises(ConfigurationError):
        machine(*LOOP, **options)


def test_host_disk_errors_reach_both_sides(tmp_path):
    """The guest gets an I/O error; whoever runs the machine gets the reason."""
    import os

    from tests.devices.virtio_driver import BlockDriver

    image = tmp_path / "disk.img"
    image.write_bytes(bytes(8192))
    m = machine(*LOOP, disk=image, writable=True, interrupts=False)
    driver = BlockDriver(m.bus, 0xFEB00E00)
    real, full = m.disk._fd, os.open("/dev/full", os.O_RDWR)
    m.disk._fd = full
    assert driver.write(0, b"x" * 512) == 1
    m.disk._fd = real
    os.close(full)
    with pytest.raises(DiskError, match="no space left.*make room"):
        m.run(10)
    assert m.run(10).reason is Reason.LIMIT and driver.write(0, b"y" * 512) == 0
    m.close()


def test_a_console_that_breaks_does_not_break_the_machine():
    """The reader of a pipe may leave; the exception reaches the caller of run, and the run can go on."""
    def broken(data):
        raise BrokenPipeError

    m = machine(*[("out", 0x3F8, 1, byte) for byte in b"a\nb\n"], ("jump", 4), on_console=broken)
    with pytest.raises(BrokenPipeError):
        m.run(100)
    assert m.retired == 2
    m.on_console = None
    assert m.run(100).retired == 100 and m.console == b"a\nb\n"


def test_virtio_console_output_and_input():
    from tests.devices.virtio_driver import WRITE, Driver

    pieces = []
    m = machine(*LOOP, interrupts=False, virtio_console=pieces.append)
    driver = Driver(m.bus, 0xFEB00E00, queues=2)
    m.bus.dma_write(driver.buffers, b"out")
    driver.descriptor(0, 1, driver.buffers, 3, 0)
    driver.offer(0, 1)
    driver.notify(1)
    m.run(1)
    assert pieces == [b"out"]
    m.type("in", "virtio-console")
    driver.descriptor(0, 0, driver.buffers, 16, WRITE)
    driver.offer(0)
    driver.notify(0)
    assert driver.used() == [(0, 2)] and m.memory.read(driver.buffers, 2) == b"in"
    assert m.input_log[-1].device == "virtio-console"
