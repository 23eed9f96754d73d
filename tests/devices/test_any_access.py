"""No access, of any width to any address, with any value, in any order, raises or hangs."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emu.devices.disk import Disk
from tests.devices.bench import Bench


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    path = tmp_path_factory.mktemp("any") / "disk.img"
    path.write_bytes(bytes(1 << 16))
    return path


values = st.one_of(st.integers(0, 255), st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1), st.just(2**64 - 1))
port = st.tuples(st.just("port"), st.one_of(
    st.sampled_from([p + d for p in (0x20, 0x40, 0x60, 0x70, 0xA0, 0xF4, 0x3F8, 0x4D0, 0x604) for d in range(-1, 9)]),
    st.integers(0, 0xFFFF)), st.sampled_from([1, 2, 4]), values, st.booleans())
memory = st.tuples(st.just("memory"), st.one_of(
    st.builds(lambda base, offset: base + offset, st.sampled_from([0xFEB00E00, 0xFEB00C00, 0xFEB00000, 0xFEC00000, 0xFEE00000]),
              st.one_of(st.integers(-8, 0x3FF), st.integers(0, 0x100).map(lambda n: n * 4))),
    st.integers(0, 2**52)), st.sampled_from([1, 2, 4, 8]), values, st.booleans())
msr = st.tuples(st.just("msr"), st.one_of(st.sampled_from([0x1B, 0x6E0]), st.integers(0x7F0, 0x910)), st.just(8), values, st.booleans())
wait = st.tuples(st.just("wait"), st.integers(0, 10**7), st.just(1), st.just(0), st.just(False))
other = st.tuples(st.sampled_from(["ack", "type", "tpr"]), st.integers(0, 255), st.just(1), st.just(0), st.just(False))


def perform(bench, kind, address, width, value, write):
    bus = bench.bus
    if kind == "port":
        if write:
            bus.port_write(address, width, value)
        else:
            assert 0 <= bus.port_read(address, width) < 1 << 8 * width
    elif kind == "memory":
        if write:
            bus.mmio_write(address, width, value)
        else:
            assert 0 <= bus.mmio_read(address, width) < 1 << 8 * width
    elif kind == "msr":
        if write:
            assert bus.msr_write(address, value) in (True, False)
        else:
            result = bus.msr_read(address)
            assert result is None or 0 <= result < 1 << 64
    elif kind == "ack":
        vector = bus.acknowledge_interrupt()
        assert vector is None or 0 <= vector <= 255
    elif kind == "type":
        bench.board.uart.receive(bytes([address]) * 3)
        bench.board.virtio_console.receive(b"x")
    elif kind == "tpr":
        bus.tpr_write(address)
        assert bus.tpr_read() == address & 15
    else:
        # At most some hundred events, whatever has been programmed.
        end = bench.clock.now + address
        for _ in range(300):
            deadline = bench.clock.next_deadline()
            if deadline is None or deadline > end:
                break
            assert deadline >= 0
            bench.clock.skip_to(deadline)
            bench.clock.fire_due()


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.one_of(port, memory, msr, wait, other), max_size=60), st.booleans())
def test_any_sequence_of_accesses(image, accesses, legacy):
    disk = Disk(image)
    try:
        bench = Bench(disk=disk, virtio_console=lambda data: None, legacy_virtio=legacy)
        for access in accesses:
            perform(bench, *access)
        # What came of it is plain data that another board takes over.
        other_disk = Disk(image)
        copy = Bench(disk=other_disk, virtio_console=lambda data: None, legacy_virtio=legacy)
        copy.clock.skip_to(bench.clock.now)
        for old, new in zip(bench.board.devices, copy.board.devices, strict=True):
            new.load(old.save())
            assert new.save() == old.save()
            json.dumps(new.save(), default=lambda data: data.hex())
        other_disk.close()
        for device in bench.board.devices:
            device.reset()
    finally:
        disk.close()


@pytest.mark.parametrize("width", [1, 2, 4, 8])
def test_every_device_directly_at_every_offset(image, width):
    """Devices take any width even without the bus's help."""
    disk = Disk(image)
    bench = Bench(disk=disk, virtio_console=lambda data: None)
    for device in bench.board.devices:
        for ports in device.ports:
            for number in ports:
                for value in (0, 1, 0xFE, (1 << 8 * width) - 1):
                    device.write_port(number, width, value)
                    assert device.read_port(number, width) >= 0
        for window in device.memory:
            for address in range(window.start, min(window.stop, window.start + 0x500)):
                for value in (0, 0x31, (1 << 8 * width) - 1):
                    device.write_memory(address, width, value)
                    assert device.read_memory(address, width) >= 0
    disk.close()


@pytest.mark.parametrize("first, second", [(0x30, 0x00), (0x34, 0x01), (0x36, 0x02), (0x36, 0x01), (0x38, 0x01)])
def test_the_fastest_timer_still_lets_time_pass(first, second):
    """However short a period the guest programs, each event moves time forward."""
    bench = Bench()
    bench.outb(0x43, first)
    bench.outb(0x40, second, 0)
    bench.bus.mmio_write(0xFEE000F0, 4, 0x1FF)
    bench.bus.mmio_write(0xFEE00320, 4, 0x20040)
    bench.bus.mmio_write(0xFEE00380, 4, 1)
    for _ in range(1000):
        before = bench.clock.now
        bench.clock.skip_to(bench.clock.next_deadline())
        assert bench.clock.now > before
        bench.clock.fire_due()
