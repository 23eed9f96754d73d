"""8259 pair, local APIC and I/O APIC against their manuals. (The 8259's registers: see test_against_qemu.)"""

from __future__ import annotations

import pytest

from tests.devices.bench import Bench

LAPIC, IOAPIC = 0xFEE00000, 0xFEC00000


@pytest.fixture
def bench():
    b = Bench()
    b.outb(0x43, 0x30)  # PIT channel 0 silent and low
    return b


def pulse(bench, irq):
    bench.board.irq_line(irq)(True)
    bench.board.irq_line(irq)(False)


def hold(bench, irq):
    bench.board.irq_line(irq)(True)


def drop(bench, irq):
    bench.board.irq_line(irq)(False)


def ack(bench):
    return bench.bus.acknowledge_interrupt()


def apic(bench, offset, value=None):
    if value is None:
        return bench.bus.mmio_read(LAPIC + offset, 4)
    bench.bus.mmio_write(LAPIC + offset, 4, value)


def route(bench, pin, low, high=0):
    for index, value in ((0x11 + 2 * pin, high), (0x10 + 2 * pin, low)):
        bench.bus.mmio_write(IOAPIC, 4, index)
        bench.bus.mmio_write(IOAPIC + 0x10, 4, value)


def entry(bench, pin):
    bench.bus.mmio_write(IOAPIC, 4, 0x10 + 2 * pin)
    return bench.bus.mmio_read(IOAPIC + 0x10, 4)


@pytest.fixture
def apics(bench):
    """8259s masked, local APIC enabled, LINT0 masked."""
    bench.init_pics()
    bench.outb(0x21, 0xFF)
    bench.outb(0xA1, 0xFF)
    apic(bench, 0xF0, 0x1FF)
    apic(bench, 0x350, 0x10700)
    return bench


# 8259


def test_pic_priority_and_eoi(bench):
    bench.init_pics()
    hold(bench, 3)
    hold(bench, 1)
    assert bench.line and ack(bench) == 0x21 and not bench.line  # 3 waits for 1
    hold(bench, 0)
    assert bench.line and ack(bench) == 0x20  # 0 interrupts 1
    bench.outb(0x20, 0x20)
    assert not bench.line
    bench.outb(0x20, 0x20)
    assert bench.line and ack(bench) == 0x23


def test_pic_cascade(bench):
    bench.init_pics()
    hold(bench, 12)
    hold(bench, 8)
    assert ack(bench) == 0x28 and not bench.line
    bench.outb(0xA0, 0x20)
    assert not bench.line  # the master still serves its input 2
    bench.outb(0x20, 0x20)
    assert bench.line and ack(bench) == 0x2C


def test_pic_special_fully_nested_mode_lets_the_slave_interrupt_itself(bench):
    bench.init_pics(icw4=0x11)
    hold(bench, 12)
    assert ack(bench) == 0x2C and not bench.line
    hold(bench, 8)
    assert bench.line and ack(bench) == 0x28


def test_pic_spurious_interrupts(bench):
    """A request that is gone at the acknowledge cycle gives IR7 without setting its ISR bit."""
    bench.init_pics()
    hold(bench, 5)
    drop(bench, 5)
    assert not bench.line and bench.board.pic.acknowledge() == 0x27
    bench.outb(0x20, 0x0B)
    assert bench.inb(0x20) == 0
    # The master has taken input 2 when the slave finds nothing: vector 15, and the master needs an EOI.
    hold(bench, 9)
    bench.board.pic.state.chips[1].irr = 0
    assert bench.board.pic.acknowledge() == 0x2F
    assert bench.inb(0x20) == 0x04


def test_pic_edges_and_levels(bench):
    bench.init_pics()
    hold(bench, 5)
    ack(bench)
    bench.outb(0x20, 0x20)
    assert not bench.line  # an edge interrupts once
    bench.outb(0x4D0, 0x20)
    assert bench.line and ack(bench) == 0x25
    bench.outb(0x20, 0x20)
    assert bench.line  # a level, again and again
    drop(bench, 5)
    assert not bench.line
    bench.outb(0x4D0, 0xFF)
    bench.outb(0x4D1, 0xFF)
    assert (bench.inb(0x4D0), bench.inb(0x4D1)) == (0xF8, 0xDE)


def test_pic_automatic_eoi_and_rotation(bench):
    bench.init_pics(icw4=3)
    bench.outb(0x20, 0x80)  # rotate on automatic EOI
    hold(bench, 1)
    hold(bench, 4)
    assert ack(bench) == 0x21
    bench.outb(0x20, 0x0B)
    assert bench.inb(0x20) == 0
    hold(bench, 0)
    assert ack(bench) == 0x24  # 1 is now lowest, then 0: 2, 3, 4 come first
    assert ack(bench) == 0x20


def test_pic_specific_rotation(bench):
    bench.init_pics()
    bench.outb(0x20, 0xC4)  # 4 is lowest, 5 highest
    hold(bench, 1)
    hold(bench, 6)
    assert ack(bench) == 0x26
    bench.outb(0x20, 0xE6)  # rotate on specific EOI
    assert ack(bench) == 0x21


def test_pic_special_mask_mode(bench):
    bench.init_pics()
    hold(bench, 1)
    ack(bench)
    hold(bench, 6)
    assert not bench.line
    bench.outb(0x21, 0x02)
    bench.outb(0x20, 0x68)
    assert bench.line and ack(bench) == 0x26  # a lower one, while 1 is masked
    bench.outb(0x20, 0x20)
    bench.outb(0x20, 0x0B)
    assert bench.inb(0x20) == 0x02  # the non-specific EOI was for 6


def test_pic_poll_is_an_acknowledge(bench):
    bench.init_pics()
    hold(bench, 6)
    bench.outb(0x20, 0x0C)
    assert bench.inb(0x20) == 0x86 and not bench.line
    bench.outb(0x20, 0x0C)
    assert bench.inb(0x20) == 0


def test_pic_works_through_a_disabled_apic_and_not_through_a_masked_pin(bench):
    bench.init_pics()
    hold(bench, 4)
    assert bench.line
    apic(bench, 0x350, 0x10700)
    assert not bench.line and ack(bench) is None
    assert bench.bus.msr_write(0x1B, 0xFEE00100)
    assert bench.line and ack(bench) == 0x24


# Local APIC


def test_lapic_identification(bench):
    assert apic(bench, 0x30) == 0x50014 and apic(bench, 0x20) == 0
    assert bench.bus.msr_read(0x1B) == 0xFEE00900
    assert apic(bench, 0xF0) == 0xFF and apic(bench, 0xE0) == 0xFFFFFFFF
    assert all(apic(bench, entry) == 0x10000 for entry in (0x320, 0x330, 0x340, 0x360, 0x370))


def test_lapic_priorities(apics):
    apic(apics, 0x300, 0x40000 | 0x31)  # self IPIs
    apic(apics, 0x300, 0x40000 | 0x52)
    assert apic(apics, 0x210) == 1 << 17 and apic(apics, 0x220) == 1 << 18
    assert ack(apics) == 0x52 and not apics.line
    assert apic(apics, 0xA0) == 0x50 and apic(apics, 0x120) == 1 << 18
    apic(apics, 0x300, 0x40000 | 0x5F)
    assert not apics.line  # the same class waits
    apic(apics, 0x300, 0x40000 | 0x61)
    assert apics.line and ack(apics) == 0x61
    for vector in (None, 0x5F, None, 0x31):
        apic(apics, 0xB0, 0)
        if vector is not None and vector == 0x31:
            assert ack(apics) == 0x5F
            apic(apics, 0xB0, 0)
            assert ack(apics) == 0x31
    apic(apics, 0xB0, 0)
    assert apic(apics, 0xA0) == 0 and not apics.line


def test_lapic_task_priority_and_cr8(apics):
    apics.bus.tpr_write(5)
    assert apic(apics, 0x80) == 0x50
    apic(apics, 0x300, 0x40055)
    assert not apics.line and ack(apics) is None
    apic(apics, 0x80, 0x4F)
    assert apics.bus.tpr_read() == 4 and apics.line and ack(apics) == 0x55


@pytest.mark.parametrize("command, high, hit", [
    (0x00000041, 0, True), (0x00000041, 0xFF, True), (0x00000041, 1, False),  # physical
    (0x00000841, 0x80, True), (0x00000841, 0x7F, False),  # logical, flat model, LDR 0x80
    (0x00040041, 9, True), (0x00080041, 9, True), (0x000C0041, 0, False),  # shorthands
])
def test_lapic_ipi_destinations(apics, command, high, hit):
    apic(apics, 0xD0, 0x80000000)
    apic(apics, 0x310, high << 24)
    apic(apics, 0x300, command)
    assert apics.line is hit and (ack(apics) == 0x41) is hit


def test_lapic_cluster_model(apics):
    apic(apics, 0xE0, 0x0FFFFFFF)
    apic(apics, 0xD0, 0x32000000)  # cluster 3, member 2
    for destination, hit in ((0x32, True), (0x33, True), (0x31, False), (0x22, False), (0xF2, True)):
        assert apics.board.lapic.matches(destination, True) is hit


def test_lapic_nmi_ipi(apics):
    apic(apics, 0x300, 0x40400)
    assert apics.nmis == 1 and not apics.line


def test_lapic_errors(apics):
    apic(apics, 0x370, 0xFE)
    apic(apics, 0x300, 0x4000F)
    assert apics.line and ack(apics) == 0xFE
    assert apic(apics, 0x280) == 0
    apic(apics, 0x280, 0)
    assert apic(apics, 0x280) == 0x20
    apic(apics, 0x280, 0)
    assert apic(apics, 0x280) == 0


def test_lapic_one_shot_timer(apics):
    apic(apics, 0x3E0, 0x3)  # divide by 16
    apic(apics, 0x320, 0x40)
    apic(apics, 0x380, 1000)
    apics.step(8000)
    assert apic(apics, 0x390) == 500 and not apics.line
    apics.step(7999)
    assert not apics.line
    apics.step(1)
    assert apics.line and ack(apics) == 0x40 and apic(apics, 0x390) == 0
    apic(apics, 0xB0, 0)
    apics.step(10**9)
    assert not apics.line


def test_lapic_periodic_timer(apics):
    apic(apics, 0x3E0, 0xB)
    apic(apics, 0x320, 0x20041)
    apic(apics, 0x380, 10_000)
    for _ in range(3):
        apics.step(9_999)
        assert not apics.line
        apics.step(1)
        assert ack(apics) == 0x41
        apic(apics, 0xB0, 0)
    apic(apics, 0x380, 0)
    apics.step(10**6)
    assert not apics.line and apic(apics, 0x390) == 0


def test_lapic_masked_timer_counts_in_silence(apics):
    apic(apics, 0x3E0, 0xB)
    apic(apics, 0x320, 0x10041)
    apic(apics, 0x380, 5000)
    apics.step(2000)
    assert apic(apics, 0x390) == 3000
    apics.step(5000)
    assert not apics.line and apic(apics, 0x200 + 0x20) == 0


def test_lapic_tsc_deadline(apics):
    bus = apics.bus
    assert bus.msr_write(0x6E0, 12345) and bus.msr_read(0x6E0) == 0  # not in this mode: ignored
    apic(apics, 0x320, 0x40042)
    bus.msr_write(0x6E0, apics.clock.now + 700)
    apic(apics, 0x380, 5)  # ignored in this mode
    apics.step(699)
    assert not apics.line and bus.msr_read(0x6E0)
    apics.step(1)
    assert ack(apics) == 0x42 and bus.msr_read(0x6E0) == 0
    apic(apics, 0xB0, 0)
    bus.msr_write(0x6E0, 1)  # long past
    apics.step(1)
    assert ack(apics) == 0x42
    apic(apics, 0xB0, 0)
    bus.msr_write(0x6E0, apics.clock.now + 700)
    bus.msr_write(0x6E0, 0)
    apics.step(10_000)
    assert not apics.line


def test_lapic_tsc_deadline_follows_a_counter_that_was_set_back(apics):
    behind = 0
    apics.board.lapic.tsc = lambda: apics.clock.now - behind
    apic(apics, 0x320, 0x40042)
    apics.bus.msr_write(0x6E0, apics.clock.now + 1000)
    behind = 500
    apics.step(1499)
    assert not apics.line
    apics.step(1)
    assert ack(apics) == 0x42


def test_lapic_software_disable(apics):
    apic(apics, 0x320, 0x40)
    apic(apics, 0xF0, 0xFF)
    assert apic(apics, 0x320) == 0x10040
    apic(apics, 0x320, 0x40)
    assert apic(apics, 0x320) == 0x10040  # the mask can't be taken off
    apic(apics, 0x300, 0x40041)
    assert not apics.line


def test_lapic_x2apic(apics):
    bus = apics.bus
    assert bus.msr_read(0x802) is None and not bus.msr_write(0x80B, 0)
    assert not bus.msr_write(0x1B, 0xFEE00500)  # x2APIC needs the enable
    assert not bus.msr_write(0x1B, 0xFEF00900)  # the window stays
    assert bus.msr_write(0x1B, 0xFEE00D00)
    assert apic(apics, 0x30) == 0xFFFFFFFF and bus.msr_read(0x803) == 0x50014 and bus.msr_read(0x80D) == 1
    assert bus.msr_write(0x83F, 0x77) and ack(apics) == 0x77
    assert bus.msr_read(0x813) == 1 << 23
    assert not bus.msr_write(0x80B, 1) and bus.msr_write(0x80B, 0) and bus.msr_read(0x813) == 0
    assert bus.msr_write(0x830, 0xFFFFFFFF_00000078) and ack(apics) == 0x78
    assert bus.msr_read(0x830) == 0xFFFFFFFF_00000078
    assert bus.msr_read(0x80E) is None and bus.msr_read(0x80B) is None and not bus.msr_write(0x808, 0x100)
    assert not bus.msr_write(0x1B, 0xFEE00900)  # back only through disabled
    assert bus.msr_write(0x1B, 0xFEE00100) and bus.msr_write(0x1B, 0xFEE00900) and apic(apics, 0x30) == 0x50014


# I/O APIC


def test_ioapic_edge(apics):
    route(apics, 4, 0x34)
    pulse(apics, 4)
    pulse(apics, 4)
    assert ack(apics) == 0x34
    apic(apics, 0xB0, 0)
    assert not apics.line
    route(apics, 4, 0x10034)
    pulse(apics, 4)
    hold(apics, 4)
    route(apics, 4, 0x34)
    assert not apics.line  # edges while masked are lost


def test_ioapic_timer_is_on_pin_2(apics):
    route(apics, 2, 0x32)
    pulse(apics, 0)
    assert ack(apics) == 0x32


def test_ioapic_level_and_remote_irr(apics):
    route(apics, 12, 0x803C)
    hold(apics, 12)
    assert entry(apics, 12) & 0x4000 and ack(apics) == 0x3C
    assert apic(apics, 0x190) == 1 << 28  # TMR
    hold(apics, 12)
    apic(apics, 0xB0, 0)
    assert entry(apics, 12) & 0x4000 and ack(apics) == 0x3C  # still asserted: again
    drop(apics, 12)
    apic(apics, 0xB0, 0)
    assert not entry(apics, 12) & 0x4000 and not apics.line
    route(apics, 12, 0x1803C)
    hold(apics, 12)
    route(apics, 12, 0x803C)
    assert ack(apics) == 0x3C  # a level is seen when it is unmasked
    apics.bus.mmio_write(IOAPIC + 0x40, 4, 0x3C)  # the EOI register
    assert entry(apics, 12) & 0x4000 and apics.board.lapic.state.irr


@pytest.mark.parametrize("low, high, nmis, vector", [
    (0x0034, 0x00000000, 0, 0x34), (0x0034, 0x01000000, 0, None), (0x0034, 0xFF000000, 0, 0x34),
    (0x0134, 0x00000000, 0, 0x34), (0x0834, 0x01000000, 0, 0x34), (0x0834, 0x02000000, 0, None),
    (0x0434, 0x00000000, 1, None), (0x0234, 0x00000000, 0, None), (0x0005, 0x00000000, 0, None),
])
def test_ioapic_delivery(apics, low, high, nmis, vector):
    apic(apics, 0xD0, 0x01000000)
    route(apics, 7, low, high)
    pulse(apics, 7)
    assert apics.nmis == nmis and ack(apics) == vector


def test_reset_keeps_the_wires(apics):
    route(apics, 12, 0x803C)
    hold(apics, 12)
    for device in apics.board.devices:
        device.reset()
    assert entry(apics, 12) == 0x10000 and apics.board.ioapic.state.lines >> 12 & 1
    assert apic(apics, 0x350) == 0x700
    drop(apics, 12)
