"""virtio over MMIO: the transport, the block device, the console, and drivers that mean harm."""

from __future__ import annotations

import struct
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emu.devices.disk import Disk
from tests.devices.bench import Bench
from tests.devices.virtio_driver import INDIRECT, NEXT, WRITE, BlockDriver, Driver

BLK, CONSOLE = 0xFEB00E00, 0xFEB00C00
NEEDS_RESET = 0x40


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "disk.img"
    path.write_bytes(b"".join(bytes([n]) * 512 for n in range(64)))
    return path


@pytest.fixture
def bench(image):
    disk = Disk(image)
    yield Bench(disk=disk, virtio_console=lambda data: None)
    disk.close()


@pytest.fixture(params=[False, True], ids=["version-2", "legacy"])
def blk(request, image):
    disk = Disk(image)
    bench = Bench(disk=disk, legacy_virtio=request.param)
    yield BlockDriver(bench.bus, BLK, legacy=request.param)
    disk.close()


def status(bench, base=BLK):
    return bench.bus.mmio_read(base + 0x70, 4)


def test_read_write_and_identify(blk):
    assert blk.read(3) == (0, b"\3" * 512)
    assert blk.read(62, 1024) == (0, b"\x3e" * 512 + b"\x3f" * 512)
    assert blk.write(5, b"new " * 256) == 0
    assert blk.read(5, 1024) == (0, b"new " * 256)
    assert blk.request(4, 0)[0] == 0
    assert blk.request(8, 0, room=20) == (0, b"ringzero".ljust(20, b"\0"))
    assert blk.used()[0] == (0, 513) and blk.used()[2] == (0, 1)


def test_requests_that_fail(blk):
    assert blk.read(63, 1024)[0] == 1  # beyond the end
    assert blk.read(1 << 62)[0] == 1
    assert blk.write(64, bytes(512)) == 1
    assert blk.write(0, bytes(100)) == 1
    assert blk.read(0, 100)[0] == 1
    assert blk.request(99, 0, room=512)[0] == 2
    assert blk.read(0) == (0, bytes(512))


def test_interrupt_is_a_level_until_acknowledged(bench):
    levels = []
    bench.board.virtio[7].irq = levels.append
    blk = BlockDriver(bench.bus, BLK)
    blk.read(0)
    blk.read(1)
    assert levels == [True] and blk.register(0x60) == 1
    blk.write_register(0x64, 1)
    assert levels == [True, False] and blk.register(0x60) == 0
    bench.bus.dma_write(blk.areas[0] + 16 * blk.size, b"\1\0")  # NO_INTERRUPT
    blk.read(0)
    assert levels == [True, False]


def test_addresses_and_interrupts_are_qemus(bench):
    assert bench.board.virtio_command_line() == "virtio_mmio.device=512@0xfeb00e00:12 virtio_mmio.device=512@0xfeb00c00:11"
    BlockDriver(bench.bus, BLK).read(0)
    assert bench.board.pic.state.chips[1].lines == 1 << 4
    assert [bench.bus.mmio_read(0xFEB00000 + 512 * n + 8, 4) for n in range(8)] == [0, 0, 0, 0, 0, 0, 3, 2]


def test_feature_negotiation(bench):
    def negotiate(low, high):
        for offset, value in ((0x70, 0), (0x70, 3), (0x24, 0), (0x20, low), (0x24, 1), (0x20, high), (0x70, 11)):
            bench.bus.mmio_write(BLK + offset, 4, value)
        return status(bench)

    assert negotiate(0, 1) == 11
    assert negotiate(0, 0) == 3  # VERSION_1 is not optional
    assert negotiate(1 << 31, 1) == 3  # never offered
    bench.bus.mmio_write(BLK + 0x70, 4, 7)
    assert status(bench) == 3  # no DRIVER_OK without FEATURES_OK
    bench.bus.mmio_write(BLK + 0x70, 4, 0)
    assert status(bench) == 0


def test_configuration_space(bench):
    read = bench.bus.mmio_read
    assert read(BLK + 0x100, 8) == 64 and read(BLK + 0x114, 4) == 512 and read(BLK + 0x114, 2) == 512
    assert read(BLK + 0x17C, 4) == 0
    assert read(CONSOLE + 0x100, 2) == 80 and read(CONSOLE + 0x102, 2) == 25


def test_size_and_addresses_are_fixed_while_the_queue_is_ready(bench):
    blk = BlockDriver(bench.bus, BLK)
    for register, value in ((0x38, 4), (0x80, 0x500000), (0x90, 0x500000), (0xA0, 0x500000)):
        blk.write_register(register, value)
    assert blk.read(7) == (0, b"\7" * 512)


def test_indirect_descriptors(bench):
    blk = BlockDriver(bench.bus, BLK)
    table, header, data, done = (blk.buffers + offset for offset in (0, 0x100, 0x200, 0x800))
    bench.bus.dma_write(header, struct.pack("<IIQ", 0, 0, 9))
    bench.bus.dma_write(table, struct.pack("<QIHHQIHHQIHH", header, 16, NEXT, 2, done, 1, WRITE, 0, data, 512, NEXT | WRITE, 1))
    blk.descriptor(5, 0, table, 48, INDIRECT)
    blk.offer(5)
    blk.notify()
    assert bench.bus.dma_read(data, 512) == b"\x09" * 512 and blk.used() == [(5, 513)]


def test_many_requests_in_one_notification_wrap_the_ring(bench):
    blk = BlockDriver(bench.bus, BLK, size=4)
    for round_number in range(70):
        for head in (0, 2):
            at = blk.buffers + 0x1000 * head
            bench.bus.dma_write(at, struct.pack("<IIQ", 0, 0, (round_number + head) % 64))
            blk.descriptor(head, 0, at, 16, NEXT, head + 1)
            blk.descriptor(head + 1, 0, at + 0x10, 513, WRITE)
            blk.offer(head)
        blk.notify()
        for head in (0, 2):
            assert bench.bus.dma_read(blk.buffers + 0x1000 * head + 0x10, 513) == bytes([(round_number + head) % 64]) * 512 + b"\0"
    assert blk.used()[-1] == (2, 513)


FLUSH, CONFIG_WCE = 1 << 9, 1 << 11


def lost(disk) -> bool:
    """Is there a power cut that takes something?"""
    return bool(disk.unflushed)


@pytest.mark.parametrize("legacy", [False, True], ids=["version-2", "legacy"])
def test_the_write_cache(image, legacy):
    with_cache = Disk(image)
    bench = Bench(disk=with_cache, legacy_virtio=legacy)
    assert bench.bus.mmio_read(BLK + 0x10, 4) & (FLUSH | CONFIG_WCE) == FLUSH | CONFIG_WCE

    blk = BlockDriver(bench.bus, BLK, legacy=legacy, features=FLUSH | CONFIG_WCE)
    assert blk.register(0x120) & 0xff == 1
    assert blk.write(5, bytes(512)) == 0 and lost(with_cache)
    assert blk.request(4, 0)[0] == 0 and not lost(with_cache)

    assert blk.write(6, bytes(512)) == 0 and lost(with_cache)
    bench.bus.mmio_write(BLK + 0x120, 1, 0)                     # write through: what is cached is flushed, too
    assert bench.bus.mmio_read(BLK + 0x120, 1) == 0 and not lost(with_cache)
    assert blk.write(7, bytes(512)) == 0 and not lost(with_cache)
    saved = bench.board.blk.save()
    assert saved["write_through"] and bench.board.blk.quick_save()
    bench.bus.mmio_write(BLK + 0x120, 1, 1)
    assert blk.write(8, bytes(512)) == 0 and lost(with_cache)
    bench.board.blk.load(saved)
    assert not lost(with_cache) and blk.write(8, bytes(512)) == 0 and not lost(with_cache)

    blk = BlockDriver(bench.bus, BLK, legacy=legacy, features=FLUSH)
    assert blk.register(0x120) & 0xff == 1, "a reset turns the cache on again"
    bench.bus.mmio_write(BLK + 0x120, 1, 0)                     # not negotiated: no effect
    assert blk.write(9, bytes(512)) == 0 and lost(with_cache)

    with_cache.flush()
    for features in (0, CONFIG_WCE):                            # a driver that can't flush need not
        blk = BlockDriver(bench.bus, BLK, legacy=legacy, features=features)
        assert blk.register(0x120) & 0xff == 0
        assert blk.write(10, bytes(512)) == 0 and not lost(with_cache)
    with_cache.close()


def harm_loop(blk):
    blk.descriptor(0, 0, blk.buffers, 16, NEXT, 1)
    blk.descriptor(1, 0, blk.buffers, 16, NEXT, 0)


def harm_far_index(blk):
    blk.descriptor(0, 0, blk.buffers, 16, NEXT, 60000)


def harm_outside_ram(blk):
    blk.descriptor(0, 0, blk.bus.memory.size - 8, 16, NEXT, 1)
    blk.descriptor(1, 0, blk.buffers, 1, WRITE)


def harm_wrapping_address(blk):
    blk.descriptor(0, 0, (1 << 64) - 8, 16, NEXT, 1)
    blk.descriptor(1, 0, blk.buffers, 1, WRITE)


def harm_order(blk):
    blk.descriptor(0, 0, blk.buffers, 513, WRITE | NEXT, 1)
    blk.descriptor(1, 0, blk.buffers, 16, 0)


def harm_huge(blk):
    blk.descriptor(0, 0, 0, 16, NEXT, 1)
    for index in range(1, 7):
        blk.descriptor(index, 0, 0, 15 << 20, WRITE | NEXT, index + 1)
    blk.descriptor(7, 0, 0, 1, WRITE)


def harm_no_status(blk):
    blk.descriptor(0, 0, blk.buffers, 16, 0)


def harm_short_header(blk):
    blk.descriptor(0, 0, blk.buffers, 15, NEXT, 1)
    blk.descriptor(1, 0, blk.buffers, 1, WRITE)


def harm_nested_indirect(blk):
    blk.bus.dma_write(blk.buffers, struct.pack("<QIHH", blk.buffers, 16, INDIRECT, 0))
    blk.descriptor(0, 0, blk.buffers, 16, INDIRECT)


def harm_indirect_size(blk):
    blk.descriptor(0, 0, blk.buffers, 17, INDIRECT)


def harm_indirect_empty(blk):
    blk.descriptor(0, 0, blk.buffers, 0, INDIRECT)


def harm_indirect_loop(blk):
    blk.bus.dma_write(blk.buffers, struct.pack("<QIHH", blk.buffers, 16, NEXT, 0))
    blk.descriptor(0, 0, blk.buffers, 16 * 65536, INDIRECT)


def harm_runaway_index(blk):
    blk.available[0] = 5000


HARM = [value for name, value in sorted(globals().items()) if name.startswith("harm_")]


@pytest.mark.parametrize("harm", HARM, ids=lambda harm: harm.__name__[5:])
def test_a_broken_queue_stops_the_device_until_reset(bench, harm):
    blk = BlockDriver(bench.bus, BLK)
    harm(blk)
    blk.offer(0)
    began = time.monotonic()
    blk.notify()
    assert time.monotonic() - began < 1
    assert status(bench) & NEEDS_RESET and blk.register(0x60) & 2
    assert bench.board.virtio[7].error
    before = blk.used()
    blk.notify()
    assert blk.used() == before
    assert BlockDriver(bench.bus, BLK).read(1) == (0, b"\1" * 512)


@pytest.mark.parametrize("what", ["used", "available", "descriptors"])
def test_rings_outside_ram(bench, what):
    blk = BlockDriver(bench.bus, BLK)
    blk.descriptor(0, 0, blk.buffers, 16, NEXT, 1)
    blk.descriptor(1, 0, blk.buffers + 16, 1, WRITE)
    blk.offer(0)
    state = bench.board.virtio[7].queues[0].state
    setattr(state, {"used": "used_ring", "available": "available", "descriptors": "descriptors"}[what], (1 << 64) - 2)
    blk.notify()
    assert status(bench) & NEEDS_RESET


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(min_size=128, max_size=128), st.binary(min_size=22, max_size=22), st.binary(min_size=64, max_size=64))
def test_any_bytes_in_the_rings_do_no_harm(bench, descriptors, available, memory):
    blk = BlockDriver(bench.bus, BLK)
    bench.bus.dma_write(blk.areas[0], descriptors)
    bench.bus.dma_write(blk.areas[0] + 128, available)
    bench.bus.dma_write(0, memory)
    blk.notify()
    BlockDriver(bench.bus, BLK)


@pytest.fixture
def console():
    out = []
    bench = Bench(virtio_console=out.append)
    bench.base = BLK  # the only device takes the last window
    driver = Driver(bench.bus, BLK, queues=2)
    return bench, driver, out


def test_console_output(console):
    bench, driver, out = console
    bench.bus.dma_write(driver.buffers, b"hello world")
    driver.descriptor(0, 1, driver.buffers, 6, NEXT, 1)
    driver.descriptor(1, 1, driver.buffers + 6, 5, 0)
    driver.offer(0, 1)
    driver.notify(1)
    assert out == [b"hello world"] and driver.used(1) == [(0, 0)]
    bench.bus.mmio_write(BLK + 0x108, 4, ord("!"))  # emergency write
    assert out[-1] == b"!"


def test_console_input_waits_for_buffers(console):
    bench, driver, _ = console
    device = bench.board.virtio_console
    device.receive(b"first line")
    for index in range(3):
        driver.descriptor(index, 0, driver.buffers + 16 * index, 4, WRITE)
        driver.offer(index)
    driver.notify(0)
    assert driver.used() == [(0, 4), (1, 4), (2, 2)] and bench.bus.dma_read(driver.buffers + 16, 4) == b"t li"
    device.receive(b"more")
    assert device.backlog == b"more" and device.save()["backlog"] == b"more"
    driver.offer(0)
    driver.notify(0)
    assert driver.used()[-1] == (0, 4) and device.backlog == b""


def test_console_resize_interrupts(console):
    bench, driver, _ = console
    generation = driver.register(0xFC)
    bench.board.virtio_console.resize(132, 50)
    assert bench.bus.mmio_read(BLK + 0x100, 4) == 50 << 16 | 132
    assert driver.register(0x60) == 2 and driver.register(0xFC) != generation


def test_state_moves_to_another_board(image):
    disks = Disk(image), Disk(image)
    first, second = (Bench(disk=disk) for disk in disks)
    blk = BlockDriver(first.bus, BLK)
    blk.write(4, b"kept" * 128)
    second.memory.write(0, first.memory.read(0, first.memory.size))
    for old, new in zip(first.board.devices, second.board.devices, strict=True):
        new.load(old.save())
    blk.bus = second.bus
    assert blk.read(4) == (0, b"kept" * 128)
    assert [d.save() for d in second.board.devices] != [d.save() for d in first.board.devices]
    for disk in disks:
        disk.close()
