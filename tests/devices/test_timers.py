"""8254 and MC146818 in time. One 8254 clock is 838.095 ns; a count is loaded on the clock after its write."""

from __future__ import annotations

import datetime

import pytest

from emu.devices.rtc import civil_from_days, days_from_civil
from tests.devices.bench import Bench

FREQUENCY = 1_193_182


class Board(Bench):
    def __init__(self, **options):
        super().__init__(**options)
        self.edges: list[tuple[int, bool]] = []
        self.board.pit.irq = lambda level: self.edges.append((self.tick(), level))

    def tick(self):
        return self.clock.now * FREQUENCY // 10**9

    def ticks(self, count):
        """Advance to the instant at which the 8254's clock has ticked `count` more times."""
        target = -(-(self.tick() + count) * 10**9 // FREQUENCY)
        self.step(target - self.clock.now)

    def program(self, channel, mode, count, access=3, bcd=False):
        self.outb(0x43, channel << 6 | access << 4 | mode << 1 | bcd)
        if access & 1:
            self.outb(0x40 + channel, count & 0xFF)
        if access & 2:
            self.outb(0x40 + channel, count >> 8)

    def count(self, channel):
        self.outb(0x43, channel << 6)
        return self.inb(0x40 + channel) | self.inb(0x40 + channel) << 8

    def out(self, channel):
        self.outb(0x43, 0xE0 | 2 << channel)
        return self.inb(0x40 + channel) >> 7

    def gate(self, level):
        self.outb(0x61, level)


@pytest.fixture
def board():
    b = Board()
    b.ticks(1)
    b.outb(0x43, 0x30)
    b.edges.clear()
    return b


def outs(board, channel, ticks):
    """OUT at each of the next clocks."""
    seen = []
    for _ in range(ticks):
        board.ticks(1)
        seen.append(board.out(channel))
    return "".join(map(str, seen))


def test_mode_0_interrupt_on_terminal_count(board):
    board.program(0, 0, 5)
    assert board.out(0) == 0
    assert outs(board, 0, 9) == "000001111"  # high N + 1 clocks after the count is written
    assert board.edges == [(board.tick() - 3, True)]
    assert board.count(0) == 0xFFFD  # it goes on counting


def test_mode_0_first_byte_of_a_new_count_stops_it(board):
    board.program(2, 0, 0x1000)
    board.gate(1)
    board.ticks(100)
    board.outb(0x42, 0x10)
    before = board.count(2)
    board.ticks(100)
    assert board.count(2) == before and board.out(2) == 0
    board.outb(0x42, 0x00)
    board.ticks(17)
    assert board.out(2) == 1


def test_mode_0_gate_pauses(board):
    board.gate(1)
    board.program(2, 0, 1000)
    board.ticks(101)
    assert board.count(2) == 900
    board.gate(0)
    board.ticks(500)
    assert board.count(2) == 900
    board.gate(1)
    board.ticks(899)
    assert board.out(2) == 0
    board.ticks(1)
    assert board.out(2) == 1


def test_mode_1_one_shot(board):
    board.program(2, 1, 4)
    board.ticks(20)
    assert board.out(2) == 1
    board.gate(1)
    assert outs(board, 2, 7) == "0000111"
    board.gate(0)
    board.gate(1)
    assert outs(board, 2, 3) == "000"
    board.gate(0)
    board.gate(1)  # a trigger starts it anew
    assert outs(board, 2, 6) == "000011"


def test_mode_2_rate_generator(board):
    board.gate(1)
    board.program(2, 2, 4)
    assert outs(board, 2, 13) == "1110111011101" and board.count(2) == 4
    board.gate(0)
    assert outs(board, 2, 4) == "1111"
    board.gate(1)
    assert outs(board, 2, 8) == "11101110"


def test_mode_2_new_count_waits_for_the_end_of_the_period(board):
    board.gate(1)
    board.program(2, 2, 6)
    board.ticks(3)
    board.outb(0x42, 3)
    board.outb(0x42, 0)
    assert outs(board, 2, 10) == "1101101101"


@pytest.mark.parametrize("count, wave", [(4, "1100110011"), (5, "1110011100"), (2, "1010101010")])
def test_mode_3_square_wave(board, count, wave):
    board.gate(1)
    board.program(2, 3, count)
    assert outs(board, 2, 10) == wave


@pytest.mark.parametrize("count, values", [(6, [6, 4, 2, 6, 4, 2, 6]), (7, [6, 4, 2, 0, 6, 4, 2, 6])])
def test_mode_3_counts_by_two(board, count, values):
    board.gate(1)
    board.program(2, 3, count)
    seen = []
    for _ in values:
        board.ticks(1)
        seen.append(board.count(2))
    assert seen == values


def test_mode_3_new_count_waits_for_the_half_cycle(board):
    board.gate(1)
    board.program(2, 3, 8)
    board.ticks(2)
    board.outb(0x42, 4)
    board.outb(0x42, 0)
    assert outs(board, 2, 10) == "1100110011"


def test_mode_4_software_strobe(board):
    board.gate(1)
    board.program(2, 4, 3)
    assert outs(board, 2, 7) == "1110111"


def test_mode_5_hardware_strobe(board):
    board.program(2, 5, 3)
    assert outs(board, 2, 5) == "11111"
    board.gate(1)
    assert outs(board, 2, 7) == "1110111"


def test_bcd(board):
    board.gate(1)
    board.program(2, 2, 0x1000, bcd=True)
    board.ticks(2)
    assert board.count(2) == 0x0999
    board.program(2, 0, 0, bcd=True)  # 0 stands for 10000
    board.ticks(2)
    assert board.count(2) == 0x9999


def test_zero_stands_for_65536(board):
    board.program(0, 2, 0)
    board.ticks(65536 * 3 + 1)
    rises = [at for at, level in board.edges if level]
    assert rises[-1] - rises[-2] == 65536


def test_rate_of_interrupts(board):
    board.program(0, 2, 11932)
    board.edges.clear()
    board.step(10**9)
    assert sum(level for _, level in board.edges) == 99  # 1193182 / 11932 = 99.998
    board.program(0, 3, 11932)
    board.edges.clear()
    board.step(10**9)
    assert sum(level for _, level in board.edges) == 99


def test_latches_hold_until_read(board):
    board.gate(1)
    board.program(2, 0, 0x1234)
    board.ticks(1)
    board.outb(0x43, 0x80)
    board.ticks(50)
    board.outb(0x43, 0x80)  # ignored: one is held
    assert board.inb(0x42) | board.inb(0x42) << 8 == 0x1234
    assert board.inb(0x42) | board.inb(0x42) << 8 == 0x1234 - 50


def test_read_back_status_then_count(board):
    board.outb(0x43, 0xB4)
    board.outb(0x43, 0xE8)
    assert board.inb(0x42) & 0x7F == 0x40 | 0x34  # null count: nothing written yet
    board.outb(0x42, 7, 0)
    board.gate(1)
    board.ticks(2)
    board.outb(0x43, 0xC8)
    board.ticks(3)
    assert board.inb(0x42) & 0x7F == 0x34
    assert board.inb(0x42) | board.inb(0x42) << 8 == 6


def test_port_0x61(board):
    board.program(2, 0, 10)
    board.gate(3)
    assert board.inb(0x61) & 0x2F == 0x03
    board.ticks(11)
    assert board.inb(0x61) & 0x2F == 0x23
    toggles = set()
    for _ in range(4):
        board.step(15_085)
        toggles.add(board.inb(0x61) & 0x10)
    assert toggles == {0, 0x10}


# Real-time clock


def cmos(board, index, value=None):
    board.outb(0x70, index)
    if value is None:
        return board.inb(0x71)
    board.outb(0x71, value)


def date(board):
    return tuple(f"{cmos(board, index):02x}" for index in (0x32, 9, 8, 7, 4, 2, 0))


def test_date_at_power_on_and_later(board):
    assert date(board) == ("20", "24", "01", "01", "00", "00", "00") and cmos(board, 6) == 2  # a Monday
    board.step((31 + 28) * 86400 * 10**9 + 3661 * 10**9)
    assert date(board) == ("20", "24", "02", "29", "01", "01", "01")  # a leap year


def test_formats(board):
    board.step(13 * 3600 * 10**9)
    assert cmos(board, 4) == 0x13
    cmos(board, 11, 0x00)
    assert cmos(board, 4) == 0x81
    cmos(board, 11, 0x04)
    assert cmos(board, 4) == 0x81
    cmos(board, 11, 0x06)
    assert cmos(board, 4) == 13
    board.step(11 * 3600 * 10**9)
    cmos(board, 11, 0x00)
    assert cmos(board, 4) == 0x12  # midnight is 12 a.m.


def test_setting_the_time(board):
    cmos(board, 11, 0x82)
    for index, value in ((0x32, 0x19), (9, 0x99), (8, 0x12), (7, 0x31), (4, 0x23), (2, 0x59), (0, 0x58), (6, 6)):
        cmos(board, index, value)
    board.step(5 * 10**9)
    assert date(board)[-1] == "58"  # stopped
    cmos(board, 11, 0x02)
    board.step(2 * 10**9)
    assert date(board) == ("20", "00", "01", "01", "00", "00", "00") and cmos(board, 6) == 7
    cmos(board, 0, 0x30)  # without stopping
    assert cmos(board, 0) == 0x30


def test_update_in_progress(board):
    board.step(10**9 - board.clock.now % 10**9 - 245_000)
    assert not cmos(board, 10) & 0x80
    board.step(2_000)
    assert cmos(board, 10) & 0x80
    board.step(243_000)
    assert not cmos(board, 10) & 0x80 and cmos(board, 0) == 1


def irq8(board):
    return board.board.rtc.state.level


def test_periodic_interrupt(board):
    cmos(board, 10, 0x26)  # 1024 Hz
    cmos(board, 11, 0x42)
    count = 0
    end = board.clock.now + 10**9
    while (deadline := board.clock.next_deadline()) is not None and deadline <= end:
        board.step(deadline - board.clock.now)
        if irq8(board):
            assert cmos(board, 12) & 0xC0 == 0xC0 and not irq8(board)
            count += 1
    assert count in (1023, 1024)
    cmos(board, 10, 0x20)
    board.step(10**9)
    assert not irq8(board)


def test_update_ended_interrupt(board):
    cmos(board, 12)
    cmos(board, 11, 0x12)
    board.step(10**9)
    assert irq8(board) and cmos(board, 12) & 0xB0 == 0x90
    assert not irq8(board) and cmos(board, 12) == 0


@pytest.mark.parametrize("alarm, seconds", [((0x00, 0x00, 0x07), 7), ((0xFF, 0xFF, 0x30), 30), ((0xC0, 0x05, 0x00), 300),
                                            ((0x01, 0x00, 0x00), 3600), ((0xFF, 0xFF, 0xFF), 1), ((0x00, 0x00, 0x00), 86400)])
def test_alarm(board, alarm, seconds):
    for index, value in zip((5, 3, 1), alarm, strict=True):
        cmos(board, index, value)
    cmos(board, 12)
    cmos(board, 11, 0x22)
    left = seconds * 10**9 - board.clock.now
    board.step(left - 1)
    assert not irq8(board)
    board.step(1)
    assert irq8(board) and cmos(board, 12) & 0xA0 == 0xA0 and not irq8(board)


def test_an_alarm_that_never_matches(board):
    cmos(board, 5, 0x99)
    cmos(board, 11, 0x22)
    board.step(3 * 86400 * 10**9)
    assert not irq8(board)


def test_flags_rise_without_their_enables(board):
    cmos(board, 12)
    board.step(2 * 10**9)
    assert cmos(board, 12) == 0x50  # PF and UF; the alarm 00:00:00 has not come
    assert not irq8(board)


def test_ram_is_kept_over_reset(board):
    cmos(board, 0x40, 0xA5)
    cmos(board, 11, 0x72)
    board.board.rtc.reset()
    assert cmos(board, 0x40) == 0xA5 and cmos(board, 11) == 0x02 and cmos(board, 13) == 0x80


@pytest.mark.parametrize("days", [-719162, -1, 0, 59, 11016, 19782, 2932896, -141428])
def test_calendar(days):
    expected = datetime.date.fromordinal(days + datetime.date(1970, 1, 1).toordinal())
    assert civil_from_days(days) == (expected.year, expected.month, expected.day)
    assert days_from_civil(expected.year, expected.month, expected.day) == days
