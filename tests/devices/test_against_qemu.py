"""The same register accesses to QEMU's microvm and to ours give the same values.

QEMU's clock stands still here, so what depends on time is compared at one instant. Where QEMU departs
from the data sheets the accesses are restricted, with the difference named.
"""

from __future__ import annotations

import random

import pytest

from tests.devices.bench import Bench
from tests.devices.qtest import QTest, needs_qemu

pytestmark = needs_qemu


@pytest.fixture
def qemu():
    oracle = QTest()
    yield oracle
    oracle.close()


class Pair:
    """Both sides, and the accesses so far for the failure message."""

    def __init__(self, qemu: QTest, bench: Bench) -> None:
        self.qemu, self.bench, self.log = qemu, bench, []

    def write(self, port: int, value: int) -> None:
        self.log.append(f"out {port:#x}, {value:#x}")
        self.qemu.port_write(port, 1, value)
        self.bench.outb(port, value)

    def read(self, port: int, mask: int = 0xFF) -> int:
        theirs, ours = self.qemu.port_read(port), self.bench.inb(port)
        self.log.append(f"in {port:#x} = {ours:#x}")
        assert ours & mask == theirs & mask, f"QEMU gives {theirs:#x} after {self.log[-25:]}"
        return ours

    def mmio_write(self, address: int, value: int, width: int = 4) -> None:
        self.log.append(f"[{address:#x}] = {value:#x}")
        self.qemu.mmio_write(address, width, value)
        self.bench.bus.mmio_write(address, width, value)

    def mmio_read(self, address: int, width: int = 4) -> int:
        theirs, ours = self.qemu.mmio_read(address, width), self.bench.bus.mmio_read(address, width)
        self.log.append(f"[{address:#x}] is {ours:#x}")
        assert ours == theirs, f"QEMU gives {theirs:#x} after {self.log[-25:]}"
        return ours


@pytest.mark.parametrize("seed", range(6))
def test_uart_registers(qemu, seed):
    pair, rng = Pair(qemu, Bench()), random.Random(seed)
    uart = pair.bench.board.uart.state
    pair.write(0x3FC, 0)  # OUT2 is on in QEMU after reset
    pair.write(0x3FB, 3)
    for _ in range(1500):
        port = 0x3F8 + rng.randrange(8)
        if rng.random() < 0.5:
            value = rng.randrange(256)
            if port == 0x3F9 and not uart.lcr & 0x80:
                value &= ~8  # QEMU has no delta bits in loopback, so no modem interrupts
            elif port == 0x3FB:
                value = (value | 3) & (0xFF if rng.random() < 0.3 else 0x7F)  # nor words of fewer than 8 bits
            pair.write(port, value)
        else:
            pair.read(port, 0xF0 if port == 0x3FE else 0xFF)


@pytest.mark.parametrize("seed", range(8))
def test_pic_registers(qemu, seed):
    """Random command words, with the UART and the timer as sources, acknowledged by polling."""
    pair, rng = Pair(qemu, Bench()), random.Random(seed)
    pics = pair.bench.board.pic.state.chips
    pair.write(0x43, 0x30)  # timer output low: QEMU and the 8254 differ at power-on
    for base in (0x20, 0xA0):
        for port, value in ((base, 0x11), (base + 1, 0x20), (base + 1, 4 if base == 0x20 else 2), (base + 1, 1)):
            pair.write(port, value)
    for _ in range(800):
        base = rng.choice((0x20, 0xA0))
        kind = rng.randrange(11)
        if kind == 0:
            pair.write(base + 1, rng.randrange(256))
        elif kind == 1:
            chip = pics[base >> 7]
            if chip.special_mask and chip.isr & chip.imr:
                continue  # a non-specific EOI leaves masked levels alone on the chip, not in QEMU
            pair.write(base, rng.choice((0x20, 0x60, 0xA0, 0xC0, 0xE0, 0x80, 0x00)) | rng.randrange(8))
        elif kind == 2:
            pair.write(base, 0x08 | rng.choice((0x02, 0x03, 0x40, 0x60, 0x62, 0x63)))
        elif kind == 3:
            pair.write(base, 0x0C)
            pair.read(base + rng.randrange(2))
        elif kind == 4:
            pair.write(0x4D0 + rng.randrange(2), rng.randrange(256) & 0xEF)  # IRQ 4 stays edge
        elif kind == 5:
            pair.write(0x3F9, 2)
        elif kind == 6 and not pics[0].irr & 0x10:
            # An unacknowledged edge request that goes away: the 8259A forgets it, QEMU keeps it.
            pair.write(0x3F9, 0)
        elif kind == 7 and rng.random() < 0.1:
            for chip in (0x20, 0xA0):
                for port, value in ((chip, 0x11), (chip + 1, rng.randrange(256)), (chip + 1, 4),
                                    (chip + 1, rng.choice((1, 3, 0x11, 0x13)))):
                    pair.write(port, value)
        else:
            pair.read(rng.choice((0x20, 0x21, 0xA0, 0xA1, 0x4D0, 0x4D1)))


@pytest.mark.parametrize("seed", range(6))
def test_pit_programming(qemu, seed):
    """Counts, access modes, latches and status at the instant of loading. The count that has just been
    written is in QEMU's counter at once, in the 8254 one clock later; both read back as the count."""
    pair, rng = Pair(qemu, Bench()), random.Random(seed)
    programmed: dict[int, int] = {}

    def read_count(channel: int) -> None:
        for _ in range(2 if programmed[channel] == 3 else 1):
            pair.read(0x40 + channel)

    for _ in range(400):
        channel = rng.randrange(3)
        kind = rng.randrange(5)
        if kind < 2 or channel not in programmed:
            # QEMU reports modes 6 and 7 as such, and halves odd counts differently.
            mode, access = rng.choice((0, 2, 3)), rng.choice((1, 2, 3))
            pair.write(0x43, channel << 6 | access << 4 | mode << 1)
            for _ in range(2 if access == 3 else 1):
                pair.write(0x40 + channel, rng.randrange(256) & ~1)
            programmed[channel] = access
        elif kind == 2:
            # Latches are read at once: QEMU keeps them when the counter is reprogrammed.
            pair.write(0x43, channel << 6)
            read_count(channel)
        elif kind == 3:
            hold = rng.randrange(3)  # 0: status and count, 1: status, 2: count
            pair.write(0x43, 0xC0 | (0x00, 0x20, 0x10)[hold] | 2 << channel)
            if hold != 2:
                # QEMU has its own idea of OUT in mode 2, and no null count.
                pair.read(0x40 + channel, 0x3F)
            if hold != 1:
                read_count(channel)
        else:
            read_count(channel)


def test_rtc_registers(qemu):
    """Time, encodings, modes and RAM, with both clocks standing at 2024-01-01 00:00:00."""
    pair, rng = Pair(qemu, Bench()), random.Random(1)
    for index in (0, 2, 4, 6, 7, 8, 9, 0x32, 10, 11, 13):
        pair.write(0x70, index)
        pair.read(0x71)
    for mode in (0x02, 0x06, 0x00, 0x04):
        pair.write(0x70, 11)
        pair.write(0x71, 0x80 | mode)
        # The century too, which nobody converts when the mode changes.
        numbers = [(0x32, 20), (0, 59), (2, 8), (4, 23 if mode & 2 else 11), (7, 28), (8, 11), (9, 31), (6, 4)]
        for index, value in numbers:
            pair.write(0x70, index)
            pair.write(0x71, value if mode & 4 else value // 10 << 4 | value % 10)
            pair.read(0x71)
        pair.write(0x70, 11)
        pair.write(0x71, mode)
        for index, _ in numbers[:-1]:  # QEMU computes the day of the week, the chip counts it
            pair.write(0x70, index)
            pair.read(0x71)
    for _ in range(200):
        pair.write(0x70, rng.randrange(0x40, 0x80))
        if rng.random() < 0.5:
            pair.write(0x71, rng.randrange(256))
        pair.read(0x71)


@pytest.mark.parametrize("seed", range(4))
def test_ioapic_registers(qemu, seed):
    pair, rng = Pair(qemu, Bench()), random.Random(seed)
    for _ in range(400):
        pair.mmio_write(0xFEC00000, rng.randrange(0x42))
        if rng.random() < 0.5:
            # Reserved bits, which QEMU stores, stay 0; and entries masked, for there is no CPU.
            reserved = 0x00FFFFFF if pair.bench.board.ioapic.state.select & 1 else 0xFFFE0000
            pair.mmio_write(0xFEC00010, (rng.getrandbits(32) | 0x10000) & ~reserved)
        elif pair.bench.board.ioapic.state.select & 0x30:
            pair.mmio_read(0xFEC00010)
    for index in range(3):
        pair.mmio_write(0xFEC00000, index)
        pair.mmio_read(0xFEC00010)


def test_empty_virtio_window_is_the_same():
    oracle = QTest()
    try:
        pair = Pair(oracle, Bench(legacy_virtio=True))
        for offset in (0x000, 0x008):
            pair.mmio_read(0xFEB00000 + offset)
        pair.mmio_read(0xFEB00004)
    finally:
        oracle.close()


@pytest.mark.parametrize("legacy", [False, True], ids=["version-2", "legacy"])
def test_virtio_block_identification(tmp_path, legacy):
    from emu.devices.disk import Disk

    image = tmp_path / "disk.img"
    image.write_bytes(bytes(1 << 20))
    oracle = QTest("-drive", f"file={image},if=none,id=d,format=raw", "-device", "virtio-blk-device,drive=d",
                   "-global", f"virtio-mmio.force-legacy={'on' if legacy else 'off'}")
    disk = Disk(image)
    try:
        pair = Pair(oracle, Bench(disk=disk, legacy_virtio=legacy))
        base = 0xFEB00E00
        for offset in (0x00, 0x04, 0x08, 0x70, 0x60):
            pair.mmio_read(base + offset)
        pair.mmio_read(base + 0x100, 8)  # capacity
        # Our features are among QEMU's.
        for select in (0, 1):
            for side in (oracle, pair.bench.bus):
                side.mmio_write(base + 0x14, 4, select)
            ours, theirs = pair.bench.bus.mmio_read(base + 0x10, 4), oracle.mmio_read(base + 0x10)
            theirs |= 1 << 27  # any_layout is an option of QEMU's
            assert ours & ~theirs == 0, f"features {ours & ~theirs:#x} are unknown to QEMU"
    finally:
        disk.close()
        oracle.close()
