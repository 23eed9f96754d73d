"""RAM, buses and virtual time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.devices.device import Device
from emu.errors import ConfigurationError, MemoryRangeError, RingzeroError
from emu.machine.bus import Bus
from emu.machine.clock import Clock
from emu.machine.memory import PhysicalMemory, parse_memory_size


@pytest.mark.parametrize("text, size", [
    ("128M", 128 << 20), ("1G", 1 << 30), ("0.5g", 512 << 20), ("65536K", 64 << 20), (" 16 MiB ", 16 << 20),
    ("1MB", 1 << 20), (1 << 20, 1 << 20), ("3G", 3 << 30), ("134217728", 128 << 20), ("1.5M", 3 << 19),
])
def test_memory_sizes(text, size):
    assert parse_memory_size(text) == size


@pytest.mark.parametrize("text, why", [
    (0, "not positive"), ("0M", "not positive"), ("-5M", "not positive"), (-1, "not positive"),
    ("1000001", "less than|multiple"), (5000001, "multiple of 4096"), ("512K", "less than 1 MiB"), ("4G", "more than 3 GiB"),
    ("1000000T", "more than"), (10**30, "more than 3 GiB"), ("lots", "not a number"), ("", "not a number"),
    ("12Q", "not a number"), ("9" * 70, "not a number"), (None, "number of bytes"), (True, "number of bytes"),
    ("nan", "not a number"), ("1e9", "not a number"), ("0x100000", "not a number"), ("1.0001M", "multiple"),
])
def test_bad_memory_sizes_are_explained_in_one_line(text, why):
    with pytest.raises(ConfigurationError, match=why) as caught:
        parse_memory_size(text)
    assert "\n" not in str(caught.value) and '"128M"' in str(caught.value)


@given(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.binary()))
def test_any_memory_size_is_taken_or_explained(size):
    try:
        assert parse_memory_size(size) % 4096 == 0
    except RingzeroError as error:
        assert "\n" not in str(error)


def test_memory_is_zero_and_holds_what_is_written():
    memory = PhysicalMemory(1 << 20)
    assert memory.read(0xFF000, 4096) == bytes(4096)
    memory.write(0x1FFE, b"abcd")
    assert memory.read(0x1FFE, 4) == b"abcd" and memory.buffer[0x2000:0x2002] == b"cd"
    memory.write_int(8, 4, -2)
    assert memory.read_int(8, 4) == 0xFFFF_FFFE


@pytest.mark.parametrize("pa, length", [(1 << 20, 1), ((1 << 20) - 1, 2), (-1, 1), (0, -1), (1 << 80, 1)])
def test_memory_outside_ram_is_refused_whole(pa, length):
    memory = PhysicalMemory(1 << 20)
    with pytest.raises(MemoryRangeError):
        memory.read(pa, length)
    if length > 0:
        with pytest.raises(MemoryRangeError):
            memory.write(pa, b"\xff" * length)
        assert memory.read((1 << 20) - 1, 1) == b"\0"


def test_writes_tell_the_engine_of_exactly_the_code_pages():
    memory, told = PhysicalMemory(1 << 20), []
    memory.on_code_write = told.append
    memory.page_flags[2] = memory.page_flags[4] = 1
    memory.page_flags[3] = 2  # not the CODE bit
    memory.write(0x1000, bytes(0x1000))
    memory.write(0x3FFF, b"x")
    assert told == []
    memory.write(0x1FFF, b"xy")
    assert told == [2]
    memory.write(0x1000, bytes(0x4000))
    assert told == [2, 2, 4]
    memory.write(0x2000, b"")
    assert told == [2, 2, 4]


class Recorder(Device):
    """Bytes at ports 0x10-0x13 and a window of 16 bytes that tell which lane was read."""

    name = "recorder"
    ports = [range(0x10, 0x14)]
    memory = [range(0xFE000010, 0xFE000020)]

    def __init__(self, wide=False):
        self.wide_ports = wide
        self.log = []

    def read_port(self, port, width):
        self.log.append(("in", port, width))
        return 0x1_0000_0000 | port  # more bits than asked for must not leak

    def write_port(self, port, width, value):
        self.log.append(("out", port, width, value))

    def read_memory(self, address, width):
        self.log.append(("load", address, width))
        return address & 0xFF

    def write_memory(self, address, width, value):
        self.log.append(("store", address, width, value))


def test_byte_wide_devices_get_wide_accesses_a_byte_at_a_time():
    bus, device = Bus(PhysicalMemory(1 << 20)), Recorder()
    bus.attach(device)
    assert bus.port_read(0x12, 4) == 0xFFFF_1312
    bus.port_write(0x12, 4, 0x44332211)
    assert device.log == [("in", 0x12, 1), ("in", 0x13, 1), ("out", 0x12, 1, 0x11), ("out", 0x13, 1, 0x22)]
    wide = Recorder(wide=True)
    bus = Bus(PhysicalMemory(1 << 20))
    bus.attach(wide)
    assert bus.port_read(0x10, 2) == 0x10
    assert wide.log == [("in", 0x10, 2)]


def test_memory_windows_and_what_is_beside_them():
    bus, device = Bus(PhysicalMemory(1 << 20)), Recorder()
    bus.attach(device)
    assert bus.mmio_read(0xFE000010, 8) == 0x14_00000010
    bus.mmio_write(0xFE000018, 8, 0x1_0000_0002)
    assert device.log[2:] == [("store", 0xFE000018, 4, 2), ("store", 0xFE00001C, 4, 1)]
    assert bus.mmio_read(0xFE00001E, 4) == 0xFFFF_FFFF  # half beyond the window
    assert bus.mmio_read(0xFE00000F, 1) == 0xFF


def test_ports_above_the_last_wrap_like_the_16_bit_address():
    bus, device = Bus(PhysicalMemory(1 << 20)), Recorder()
    device.ports = [range(0, 1)]
    bus.attach(device)
    bus.port_write(0xFFFF, 2, 0xAB00)
    assert device.log == [("out", 0, 1, 0xAB)]


def test_overlapping_devices_are_a_bug_told_at_once():
    bus = Bus(PhysicalMemory(1 << 20))
    bus.attach(Recorder())
    with pytest.raises(ValueError, match="taken by recorder"):
        bus.attach(Recorder())


def test_dma_reaches_only_ram_and_drops_code():
    memory = PhysicalMemory(1 << 20)
    bus, told = Bus(memory), []
    memory.on_code_write = told.append
    memory.page_flags[1] = 1
    assert bus.dma_write(0x1000, b"abc") and bus.dma_read(0x1000, 3) == b"abc" and told == [1]
    assert bus.dma_read((1 << 20) - 1, 2) is None and bus.dma_read(-1, 1) is None
    assert not bus.dma_write((1 << 20) - 1, b"ab") and not bus.dma_write(1 << 64, b"a")


def test_bus_without_a_controller_has_no_interrupts_or_msrs():
    bus = Bus(PhysicalMemory(1 << 20))
    assert bus.acknowledge_interrupt() is None and bus.msr_read(0x1B) is None and not bus.msr_write(0x1B, 0)
    bus.tpr_write(3)
    assert bus.tpr_read() == 0


class Counter:
    def __init__(self):
        self.retired = 0


def test_time_is_instructions_times_step_plus_skips():
    counter = Counter()
    clock = Clock(lambda: counter.retired, step=3)
    counter.retired = 10
    assert clock.now == 30
    assert clock.skip_to(100) == 70 and clock.now == 100
    assert clock.skip_to(50) == 0 and clock.now == 100
    counter.retired = 11
    assert clock.now == 103


def test_timers_fire_by_deadline_then_by_creation():
    clock, fired = Clock(), []
    timers = [clock.timer(name, lambda name=name: fired.append(name)) for name in "abc"]
    for timer, at in zip(timers, (20, 10, 20), strict=True):
        timer.arm(at)
    assert clock.next_deadline() == 10 and clock.fire_due() == 0
    clock.skip_to(20)
    assert clock.fire_due() == 3 and fired == ["b", "a", "c"] and clock.next_deadline() is None


def test_a_callback_can_cancel_and_rearm():
    clock, fired = Clock(), []
    second = clock.timer("second", lambda: fired.append("second"))

    def first():
        fired.append("first")
        second.cancel()
        one.arm(clock.now)

    one = clock.timer("first", first)
    one.arm(1)
    second.arm(2)
    clock.skip_to(5)
    assert clock.fire_due() == 1 and fired == ["first"] and clock.next_deadline() == 5


def test_earlier_deadlines_are_announced():
    clock, told = Clock(), []
    clock.on_earlier = lambda: told.append(clock.next_deadline())
    a, b = clock.timer("a", lambda: None), clock.timer("b", lambda: None)
    a.arm(100)
    b.arm(200)
    b.arm(50)
    a.arm(70)
    b.cancel()
    assert told == [100, 50] and clock.next_deadline() == 70
    a.arm(90)
    assert clock.next_deadline() == 90


def test_step_must_be_positive():
    with pytest.raises(ConfigurationError):
        Clock(step=0)
