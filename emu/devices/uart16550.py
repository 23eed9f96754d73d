"""The 16550A serial port.

National PC16550D data sheet: FIFOs of 16 bytes, interrupt identification by priority, divisor latch,
modem status with its delta bits, loopback, character timeout. Two simplifications, as in other
emulators: a character leaves at once when it is written, so the transmitter is always empty; and the
far end pauses while the receiver is full (flow control), so input never overruns except in loopback.
OUT2 does not gate the interrupt (it does so on IBM's board, not in the chip, and QEMU's has none).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from emu.devices.device import Device, Line, no_line

FIFO_SIZE = 16
_TRIGGER = (1, 4, 8, 14)

IER_RX, IER_THRE, IER_LINE, IER_MODEM = 1, 2, 4, 8
LSR_DR, LSR_OE, LSR_BI, LSR_THRE, LSR_TEMT = 0x01, 0x02, 0x10, 0x20, 0x40
LSR_ERRORS = 0x1E
MCR_LOOP = 0x10
#: The far end is there and ready: CTS, DSR and DCD are on.
_MODEM_ON = 0xB0


@dataclass(slots=True)
class UartState:
    """Registers by their data-sheet names; `rx` is the receive FIFO (or the one holding register),
    `holding` the last character received with the FIFOs off, which an empty receiver goes on showing;
    `backlog` from position `sent` on what the far end has not been able to send yet."""

    ier: int = 0
    fcr: int = 0
    lcr: int = 0
    mcr: int = 0
    lsr: int = LSR_THRE | LSR_TEMT
    msr: int = _MODEM_ON
    scr: int = 0
    divisor: int = 12
    thre_pending: bool = False
    timeout_pending: bool = False
    rx: bytes = b""
    holding: int = 0
    backlog: bytes = b""
    sent: int = 0
    level: bool = False


class Uart16550(Device):
    """Eight byte-wide registers at `base`. `irq` is the INTR output; `transmit(byte)` gets every
    character sent; `receive(data)` delivers input."""

    def __init__(self, clock, irq: Line = no_line, transmit: Callable[[int], None] | None = None,
                 base: int = 0x3F8, name: str = "uart") -> None:
        self.name = name
        self.ports = [range(base, base + 8)]
        self.clock = clock
        self.irq = irq
        self.transmit = transmit
        self.state = UartState()
        self._timeout = clock.timer(f"{name} character timeout", self._on_timeout)

    def timers(self) -> list:
        return [self._timeout]

    def reset(self) -> None:
        self._timeout.cancel()
        level, self.state = self.state.level, UartState()
        if level:
            self.irq(False)

    def receive(self, data: bytes) -> None:
        """Input from the far end, any amount; it enters the FIFO as the guest makes room."""
        self.state.backlog += bytes(data)
        self._refill()
        self._update()

    def read_port(self, port: int, width: int) -> int:
        state = self.state
        register = port & 7
        if register == 5:
            value = state.lsr
            if value & LSR_ERRORS:
                state.lsr &= ~LSR_ERRORS
                self._update()
            return value
        if register == 0:
            return state.divisor & 0xFF if state.lcr & 0x80 else self._read_rx()
        if register == 1:
            return state.divisor >> 8 if state.lcr & 0x80 else state.ier
        if register == 2:
            value = self._iir()
            if value & 0x0F == 0x02:
                # Reading the identification of the transmitter's interrupt withdraws it.
                state.thre_pending = False
                self._update()
            return value
        if register == 3:
            return state.lcr
        if register == 4:
            return state.mcr
        if register == 6:
            value = state.msr
            if value & 0x0F:
                state.msr &= 0xF0
                self._update()
            return value
        return state.scr

    def write_port(self, port: int, width: int, value: int) -> None:
        state = self.state
        value &= 0xFF
        register = port & 7
        if register == 0:
            if state.lcr & 0x80:
                state.divisor = (state.divisor & 0xFF00) | value
                return
            if state.mcr & MCR_LOOP:
                self._loop_back(value & (0xFF >> (3 - (state.lcr & 3))))
            elif self.transmit is not None:
                self.transmit(value)
            state.thre_pending = True
            if state.ier or state.level:
                # The interrupt drops while the character is in the holding register, then returns:
                # an edge for each character, which an edge-triggered controller must see.
                if state.level and self._iir() & 0x0F == 0x02:
                    state.level = False
                    self.irq(False)
                self._update()
        elif register == 1:
            if state.lcr & 0x80:
                state.divisor = (state.divisor & 0xFF) | value << 8
                return
            changed, state.ier = (state.ier ^ value) & 0x0F, value & 0x0F
            if changed & IER_THRE:
                # Enabling it while the transmitter is empty interrupts at once.
                state.thre_pending = bool(state.ier & IER_THRE)
            if changed:
                self._update()
        elif register == 2:
            self._write_fcr(value)
        elif register == 3:
            state.lcr = value
        elif register == 4:
            state.mcr = value & 0x1F
            self._modem_lines()
        elif register == 7:
            state.scr = value

    def _read_rx(self) -> int:
        state = self.state
        if not state.rx:
            return 0 if state.fcr & 1 else state.holding
        value, state.rx = state.rx[0], state.rx[1:]
        state.timeout_pending = False
        if not state.rx:
            state.lsr &= ~LSR_DR
            self._timeout.cancel()
            # The interrupt drops before the next character comes: an edge for each arrival.
            self._update()
            self._refill()
        else:
            self._arm_timeout()
        self._update()
        return value

    def _refill(self) -> None:
        state = self.state
        if state.mcr & MCR_LOOP or not state.backlog:
            return
        room = (FIFO_SIZE if state.fcr & 1 else 1) - len(state.rx)
        if room > 0:
            state.rx += state.backlog[state.sent : state.sent + room]
            state.sent += room
            # Cut off in pieces: shifting a pasted megabyte for each character would take forever.
            if state.sent >= min(4096, len(state.backlog)):
                state.backlog, state.sent = state.backlog[state.sent :], 0
            state.lsr |= LSR_DR
            if not state.fcr & 1:
                state.holding = state.rx[0]
            self._arm_timeout()

    def _loop_back(self, value: int) -> None:
        state = self.state
        if not state.fcr & 1:
            state.holding = value
        if len(state.rx) >= (FIFO_SIZE if state.fcr & 1 else 1):
            state.lsr |= LSR_OE
            if not state.fcr & 1:
                state.rx = bytes([value])
        else:
            state.rx += bytes([value])
        state.lsr |= LSR_DR
        self._arm_timeout()

    def _write_fcr(self, value: int) -> None:
        state = self.state
        if (state.fcr ^ value) & 1:
            value |= 0x06
        if value & 0x02:
            state.rx = b""
            state.timeout_pending = False
            state.lsr &= ~(LSR_DR | LSR_BI)
            self._timeout.cancel()
        if value & 0x04:
            state.thre_pending = True
        # The other bits are written only while bit 0 is 1.
        state.fcr = value & 0xC9 if value & 1 else 0
        self._refill()
        self._update()

    def _modem_lines(self) -> None:
        state = self.state
        mcr = state.mcr
        if mcr & MCR_LOOP:
            lines = (mcr & 0x02) << 3 | (mcr & 0x01) << 5 | (mcr & 0x0C) << 4
        else:
            lines = _MODEM_ON
        old = state.msr & 0xF0
        delta = (old ^ lines) >> 4 & 0x0B
        if old & 0x40 and not lines & 0x40:
            delta |= 0x04  # the ring indicator counts when it ends
        state.msr = lines | (state.msr & 0x0F) | delta
        self._refill()
        self._update()

    def _arm_timeout(self) -> None:
        """Four character times after the last FIFO access, if the trigger level was not reached."""
        state = self.state
        if not state.fcr & 1:
            return
        bits = 2 + 5 + (state.lcr & 3) + (state.lcr >> 2 & 1) + (state.lcr >> 3 & 1)
        character = bits * max(1, state.divisor) * 16 * 1_000_000_000 // 1_843_200
        self._timeout.arm(self.clock.now + 4 * character)

    def _on_timeout(self) -> None:
        if self.state.rx:
            self.state.timeout_pending = True
            self._update()

    def _iir(self) -> int:
        state = self.state
        ier = state.ier
        fifo = 0xC0 if state.fcr & 1 else 0
        if ier & IER_LINE and state.lsr & LSR_ERRORS:
            return fifo | 0x06
        if ier & IER_RX:
            if state.timeout_pending:
                return fifo | 0x0C
            if state.rx and (not fifo or len(state.rx) >= _TRIGGER[state.fcr >> 6]):
                return fifo | 0x04
        if ier & IER_THRE and state.thre_pending:
            return fifo | 0x02
        if ier & IER_MODEM and state.msr & 0x0F:
            return fifo
        return fifo | 0x01

    def _update(self) -> None:
        level = not self._iir() & 1
        if level != self.state.level:
            self.state.level = level
            self.irq(level)
