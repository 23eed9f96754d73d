"""16550A: what depends on input and interrupts. (Its registers: see test_against_qemu.)"""

from __future__ import annotations

import time

import pytest

from tests.devices.bench import Bench

RBR, IER, IIR, LCR, MCR, LSR, MSR = 0x3F8, 0x3F9, 0x3FA, 0x3FB, 0x3FC, 0x3FD, 0x3FE


@pytest.fixture
def board():
    b = Bench()
    b.edges = []
    b.board.uart.irq = b.edges.append
    b.outb(LCR, 3)
    return b


def test_output(board):
    board.outb(RBR, *b"Hello")
    assert board.output == b"Hello" and board.inb(LSR) == 0x60


def test_input_without_fifo_comes_one_by_one(board):
    board.outb(IER, 1)
    board.board.uart.receive(b"abc")
    seen = bytearray()
    while board.inb(LSR) & 1:
        assert board.inb(IIR) == 0x04
        seen.append(board.inb(RBR))
    assert seen == b"abc" and board.inb(IIR) == 0x01
    assert board.edges == [True, False] * 3  # an edge for each character


def test_fifo_trigger_and_timeout(board):
    board.outb(IER, 1)
    board.outb(IIR, 0x81)  # FIFOs on, trigger at 8
    board.outb(LCR, 0x83)
    board.outb(RBR, 1)  # 115200 baud: ten bits are 86.8 us
    board.outb(IER, 0)
    board.outb(LCR, 0x03)
    board.board.uart.receive(b"1234567")
    assert board.inb(IIR) == 0xC1
    board.step(346_000)
    assert board.inb(IIR) == 0xC1
    board.step(2_000)
    assert board.inb(IIR) == 0xCC and board.edges == [True]
    assert board.inb(RBR) == ord("1") and board.inb(IIR) == 0xC1
    board.board.uart.receive(b"89")
    assert board.inb(IIR) == 0xC4
    assert bytes(board.inb(RBR) for _ in range(8)) == b"23456789"
    assert not board.inb(LSR) & 1
    board.step(10**9)
    assert board.inb(IIR) == 0xC1


def test_more_input_than_the_fifo_holds_waits(board):
    board.outb(IIR, 1)
    text = bytes(range(100))
    board.board.uart.receive(text)
    assert len(board.board.uart.state.rx) == 16
    assert bytes(board.inb(RBR) for _ in range(100)) == text
    assert not board.inb(LSR) & 3  # no overrun


def test_transmitter_interrupt(board):
    board.outb(IER, 2)
    assert board.edges == [True] and board.inb(IIR) == 0x02
    assert board.edges == [True, False] and board.inb(IIR) == 0x01
    board.outb(RBR, 65)
    board.outb(RBR, 66)
    assert board.edges == [True, False, True, False, True]
    board.outb(IER, 0)
    assert board.edges[-1] is False
    board.outb(IER, 2)
    assert board.inb(IIR) == 0x02


def test_priority_of_interrupts(board):
    board.outb(MCR, 0x10)
    board.outb(IER, 0x0F)
    board.outb(MCR, 0x12)  # CTS changes
    board.outb(RBR, 1)
    board.outb(RBR, 2)  # overrun, with FIFO off
    seen = []
    for register in (LSR, RBR, None, MSR):
        seen.append(board.inb(IIR))
        if register:
            board.inb(register)
    assert seen == [0x06, 0x04, 0x02, 0x00] and board.inb(IIR) == 0x01


def test_loopback_keeps_output_in_and_input_out(board):
    board.outb(MCR, 0x10)
    board.outb(RBR, 0x5A)
    board.board.uart.receive(b"k")
    assert board.output == b"" and board.inb(RBR) == 0x5A and board.inb(LSR) & 1 == 0
    board.outb(MCR, 0)
    assert board.inb(RBR) == ord("k")


@pytest.mark.parametrize("bits, mask", [(0, 0x1F), (1, 0x3F), (2, 0x7F), (3, 0xFF)])
def test_loopback_has_the_word_length(board, bits, mask):
    board.outb(LCR, bits)
    board.outb(MCR, 0x10)
    board.outb(RBR, 0xFF)
    assert board.inb(RBR) == mask


def test_modem_status_deltas(board):
    assert board.inb(MSR) == 0xB0
    board.outb(MCR, 0x10)
    assert board.inb(MSR) == 0x0B
    board.outb(MCR, 0x1F)
    assert board.inb(MSR) == 0xFB
    board.outb(MCR, 0x1B)
    assert board.inb(MSR) == 0xB4  # the trailing edge of RI
    assert board.inb(MSR) == 0xB0


def test_overrun_in_loopback_fifo(board):
    board.outb(IIR, 1)
    board.outb(MCR, 0x10)
    board.outb(RBR, *range(17))
    assert board.inb(LSR) == 0x63 and board.inb(LSR) == 0x61
    assert [board.inb(RBR) for _ in range(17)] == [*range(16), 0]


def test_reset_drops_the_interrupt(board):
    board.outb(IER, 2)
    board.board.uart.reset()
    assert board.edges == [True, False] and board.inb(IER) == 0


def test_a_pasted_megabyte_arrives_whole_and_soon(board):
    text = bytes(range(1, 251)) * 4200
    board.board.uart.receive(text[:500])
    board.board.uart.receive(text[500:])
    began = time.monotonic()
    assert bytes(board.inb(RBR) for _ in range(len(text))) == text
    assert time.monotonic() - began < 30 and board.board.uart.state.backlog == b""
