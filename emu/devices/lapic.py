"""The local APIC of one processor: xAPIC registers at 0xfee00000, x2APIC as MSRs.

Intel SDM volume 3, chapter 11 ("APIC"): local vector table, timer (one-shot, periodic, TSC deadline),
IRR/ISR/TMR, task and processor priority, EOI with broadcast to the I/O APIC, interprocessor interrupts
(to itself: there is one processor), error status, spurious vector register. The timer's input clock is
1 GHz of virtual time, the same as the TSC's. IRR, ISR and TMR are kept as 256-bit integers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from emu.devices.device import Device, Line, no_line

BASE = 0xFEE0_0000
MSR_APIC_BASE, MSR_TSC_DEADLINE = 0x1B, 0x6E0
_BASE_BSP, _BASE_X2APIC, _BASE_ENABLE = 1 << 8, 1 << 10, 1 << 11

ID, VERSION, TPR, APR, PPR, EOI, RRD, LDR, DFR, SVR = (n << 4 for n in (2, 3, 8, 9, 10, 11, 12, 13, 14, 15))
ISR, TMR, IRR, ESR, ICR_LOW, ICR_HIGH = 0x100, 0x180, 0x200, 0x280, 0x300, 0x310
LVT_TIMER, LVT_THERMAL, LVT_PERF, LVT_LINT0, LVT_LINT1, LVT_ERROR = range(0x320, 0x380, 0x10)
INITIAL_COUNT, CURRENT_COUNT, DIVIDE, SELF_IPI = 0x380, 0x390, 0x3E0, 0x3F0

#: Writable bits of each local vector table entry (SDM figure 11-8).
_LVT_BITS = {LVT_TIMER: 0x700FF, LVT_THERMAL: 0x107FF, LVT_PERF: 0x107FF,
             LVT_LINT0: 0x1A7FF, LVT_LINT1: 0x1A7FF, LVT_ERROR: 0x100FF}
MASKED = 0x10000
_FIXED, _LOWEST, _NMI, _EXTINT = 0, 1, 4, 7
_ONE_SHOT, _PERIODIC, _DEADLINE = 0, 1, 2
_ESR_SEND_ILLEGAL, _ESR_RECEIVE_ILLEGAL = 0x20, 0x40
_READABLE = frozenset([ID, VERSION, TPR, APR, PPR, RRD, LDR, DFR, SVR, ESR, ICR_LOW, ICR_HIGH, INITIAL_COUNT,
                       CURRENT_COUNT, DIVIDE, *_LVT_BITS, *range(ISR, ESR, 0x10)])
_WRITABLE = frozenset([TPR, EOI, LDR, DFR, SVR, ESR, ICR_LOW, ICR_HIGH, INITIAL_COUNT, DIVIDE, *_LVT_BITS])

#: A periodic timer fires at most once a microsecond of virtual time, however small its count: real
#: parts can't go faster either, and the board's run loop stays out of single steps.
MIN_PERIOD = 1000


def _reset_lvt() -> dict[int, int]:
    # LINT0 passes the 8259's interrupts on, as firmware leaves it ("virtual wire mode").
    return {entry: _EXTINT << 8 if entry == LVT_LINT0 else MASKED for entry in _LVT_BITS}


@dataclass(slots=True)
class LapicState:
    """Registers by their manual names. `timer_start` is the virtual time in ns at which the initial
    count was loaded; `extint` the level of the 8259's INT at LINT0."""

    base: int = BASE | _BASE_ENABLE | _BASE_BSP
    tpr: int = 0
    ldr: int = 0
    dfr: int = 0xFFFF_FFFF
    svr: int = 0xFF
    esr: int = 0
    errors: int = 0
    icr: int = 0
    lvt: dict[int, int] = field(default_factory=_reset_lvt)
    initial_count: int = 0
    divide: int = 0
    timer_start: int = 0
    tsc_deadline: int = 0
    irr: int = 0
    isr: int = 0
    tmr: int = 0
    extint: bool = False


class Lapic(Device):
    """The processor's interrupt controller.

    `output(level)` drives the CPU's INTR, `nmi()` its NMI; `pic_acknowledge()` runs the 8259's INTA
    cycles; `eoi_broadcast(vector)` reaches the I/O APIC. `tsc()` is the time-stamp counter in ticks of
    1 ns; a counter the guest has written differs from the clock.
    """

    name = "lapic"
    memory = [range(BASE, BASE + 0x1000)]

    def __init__(self, clock, output: Line = no_line, nmi: Callable[[], None] = lambda: None,
                 pic_acknowledge: Callable[[], int | None] = lambda: None,
                 eoi_broadcast: Callable[[int], None] = lambda vector: None,
                 tsc: Callable[[], int] | None = None) -> None:
        self.clock = clock
        self.output = output
        self.nmi = nmi
        self.pic_acknowledge = pic_acknowledge
        self.eoi_broadcast = eoi_broadcast
        self.tsc = tsc if tsc is not None else lambda: clock.now
        self.state = LapicState()
        self.level = False
        self._timer = clock.timer("lapic", self._on_timer)

    def timers(self) -> list:
        return [self._timer]

    def reset(self) -> None:
        self._timer.cancel()
        self.state = LapicState(extint=self.state.extint)
        self._update()

    def settle(self) -> None:
        self.level = self._deliverable() is not None or self._extint_accepted()

    # The CPU's side

    def acknowledge(self) -> int | None:
        """The vector the CPU takes now: the APIC's own first, then the 8259's; None when there is none."""
        vector = self._deliverable()
        if vector is not None:
            bit = 1 << vector
            self.state.irr &= ~bit
            self.state.isr |= bit
        elif self._extint_accepted():
            vector = self.pic_acknowledge()
        self._update()
        return vector

    def tpr_read(self) -> int:
        return self.state.tpr >> 4

    def tpr_write(self, value: int) -> None:
        self.state.tpr = (value & 15) << 4
        self._update()

    def msr_read(self, index: int) -> int | None:
        state = self.state
        if index == MSR_APIC_BASE:
            return state.base
        if index == MSR_TSC_DEADLINE:
            return state.tsc_deadline
        if not 0x800 <= index < 0x900 or not state.base & _BASE_X2APIC:
            return None
        register = (index - 0x800) << 4
        if register == ID:
            return 0
        if register == LDR:
            return 1  # logical x2APIC ID of processor 0: cluster 0, bit 0
        if register == ICR_LOW:
            return state.icr
        if register not in _READABLE or register in (APR, RRD, DFR, ICR_HIGH):
            return None
        return self._read(register)

    def msr_write(self, index: int, value: int) -> bool:
        state = self.state
        if index == MSR_APIC_BASE:
            return self._write_base(value)
        if index == MSR_TSC_DEADLINE:
            if self._timer_mode() == _DEADLINE:
                state.tsc_deadline = value
                self._arm()
            return True
        if not 0x800 <= index < 0x900 or not state.base & _BASE_X2APIC:
            return False
        register = (index - 0x800) << 4
        if register == ICR_LOW:
            state.icr = value & 0xFFFF_FFFF_000C_CFFF
            self._send(state.icr, state.icr >> 32 == 0 or state.icr >> 32 == 0xFFFF_FFFF, value >> 32)
            return True
        if value >> 32 or register in (LDR, DFR, ICR_HIGH):
            return False
        if register == SELF_IPI:
            if value > 0xFF:
                return False
            self._accept(value & 0xFF, False)
            return True
        if register not in _WRITABLE or (register in (EOI, ESR) and value) or (register == TPR and value > 0xFF):
            return False
        self._write(register, value)
        return True

    def _write_base(self, value: int) -> bool:
        state = self.state
        enabled, extended = bool(value & _BASE_ENABLE), bool(value & _BASE_X2APIC)
        was_extended = bool(state.base & _BASE_X2APIC)
        # The window can't move on this board. x2APIC without enable, and leaving x2APIC other than by
        # disabling, are invalid (SDM 11.12.5).
        if value & ~(_BASE_ENABLE | _BASE_X2APIC | _BASE_BSP) != BASE or (extended and not enabled):
            return False
        if was_extended and enabled and not extended:
            return False
        if extended and not state.base & _BASE_ENABLE:
            return False
        if not enabled and state.base & _BASE_ENABLE:
            self.reset()
        self.state.base = BASE | (value & (_BASE_ENABLE | _BASE_X2APIC)) | _BASE_BSP
        self._update()
        return True

    # The inputs

    def set_extint(self, level: bool) -> None:
        """Drive LINT0, where the 8259's INT pin is connected."""
        if level == self.state.extint:
            return
        self.state.extint = level
        entry = self.state.lvt[LVT_LINT0]
        if level and not entry & MASKED and self.state.base & _BASE_ENABLE:
            mode = entry >> 8 & 7
            if mode == _FIXED:
                self._accept(entry & 0xFF, False)
            elif mode == _NMI:
                self.nmi()
        self._update()

    def matches(self, destination: int, logical: bool) -> bool:
        """Is this processor (APIC ID 0) among an 8-bit `destination`?"""
        if not logical:
            return destination in (0, 0xFF)
        if self.state.base & _BASE_X2APIC:
            return bool(destination & 1)
        ldr = self.state.ldr >> 24
        if self.state.dfr >> 28 == 0xF:
            return bool(ldr & destination)
        return bool(ldr & destination & 15) and (destination >> 4 == 15 or destination >> 4 == ldr >> 4)

    def deliver(self, mode: int, vector: int, level: bool) -> None:
        """An interrupt message: delivery mode (0 fixed, 1 lowest priority, 4 NMI; SMI and INIT have no
        effect on this board), vector, and whether its trigger was a level."""
        if mode in (_FIXED, _LOWEST):
            self._accept(vector, level)
        elif mode == _NMI:
            self.nmi()

    def can_nmi(self) -> bool:
        """Could the 8259 at LINT0 cause an NMI? (A CPU halted with interrupts off wakes for nothing else.)"""
        entry = self.state.lvt[LVT_LINT0]
        return not entry & MASKED and entry >> 8 & 7 == _NMI

    # The register window

    def read_memory(self, address: int, width: int) -> int:
        offset = address & 0xFFF
        state = self.state
        if not state.base & _BASE_ENABLE or state.base & _BASE_X2APIC:
            return (1 << 8 * width) - 1
        if offset & 15:
            return 0  # only the first four of each sixteen bytes exist
        return self._read(offset) & ((1 << 8 * width) - 1)

    def write_memory(self, address: int, width: int, value: int) -> None:
        offset = address & 0xFFF
        state = self.state
        if width != 4 or offset & 15 or not state.base & _BASE_ENABLE or state.base & _BASE_X2APIC:
            return
        if offset == EOI:
            self._end_of_interrupt()
        else:
            self._write(offset, value & 0xFFFF_FFFF)

    def _read(self, register: int) -> int:
        state = self.state
        if register in state.lvt:
            return state.lvt[register]
        if register == CURRENT_COUNT:
            return self._current_count()
        if ISR <= register < ESR:
            bits = (state.isr, state.tmr, state.irr)[(register - ISR) >> 7]
            return bits >> ((register & 0x70) << 1) & 0xFFFF_FFFF
        if register == VERSION:
            return 0x0005_0014
        if register == PPR:
            return self._ppr()
        if register == ICR_HIGH:
            return state.icr >> 32
        if register == ICR_LOW:
            return state.icr & 0xFFFF_FFFF
        return {TPR: state.tpr, LDR: state.ldr, DFR: state.dfr, SVR: state.svr, ESR: state.esr,
                INITIAL_COUNT: state.initial_count, DIVIDE: state.divide}.get(register, 0)

    def _write(self, register: int, value: int) -> None:
        state = self.state
        if register == EOI:
            self._end_of_interrupt()
        elif register == TPR:
            state.tpr = value & 0xFF
            self._update()
        elif register == INITIAL_COUNT:
            if self._timer_mode() != _DEADLINE:
                state.initial_count = value
                state.timer_start = self.clock.now
                self._arm()
        elif register in state.lvt:
            self._write_lvt(register, value)
        elif register == ICR_LOW:
            state.icr = (state.icr & ~0xFFFF_FFFF) | (value & 0xCCFFF)
            destination = state.icr >> 56 & 0xFF
            self._send(value, destination in (0, 0xFF), destination)
        elif register == ICR_HIGH:
            state.icr = (state.icr & 0xFFFF_FFFF) | (value & 0xFF00_0000) << 32
        elif register == SVR:
            state.svr = value & 0x3FF
            if not value & 0x100:
                for entry in state.lvt:
                    state.lvt[entry] |= MASKED
            self._update()
        elif register == DIVIDE:
            self._reload_timer(lambda: setattr(state, "divide", value & 0xB))
        elif register == LDR:
            state.ldr = value & 0xFF00_0000
        elif register == DFR:
            state.dfr = value | 0x0FFF_FFFF
        elif register == ESR:
            # A write makes the errors since the previous one readable.
            state.esr, state.errors = state.errors, 0

    def _write_lvt(self, register: int, value: int) -> None:
        state = self.state
        value &= _LVT_BITS[register]
        if not state.svr & 0x100:
            value |= MASKED
        if register == LVT_TIMER:
            before = self._timer_mode()
            state.lvt[register] = value
            after = self._timer_mode()
            if (before == _DEADLINE) != (after == _DEADLINE):
                state.initial_count = state.tsc_deadline = 0
                self._timer.cancel()
            elif before != after:
                self._arm()
        else:
            state.lvt[register] = value
            self._update()

    # Interrupts

    def _ppr(self) -> int:
        serving = self.state.isr.bit_length() - 1
        return self.state.tpr if serving < 0 or self.state.tpr >> 4 >= serving >> 4 else serving & 0xF0

    def _deliverable(self) -> int | None:
        state = self.state
        if not state.irr or not state.base & _BASE_ENABLE or not state.svr & 0x100:
            return None
        vector = state.irr.bit_length() - 1
        return vector if vector >> 4 > self._ppr() >> 4 else None

    def _extint_accepted(self) -> bool:
        state = self.state
        if not state.extint:
            return False
        if not state.base & _BASE_ENABLE:
            return True  # a disabled APIC connects the pins straight to the processor
        entry = state.lvt[LVT_LINT0]
        return not entry & MASKED and entry >> 8 & 7 == _EXTINT

    def _update(self) -> None:
        level = self._deliverable() is not None or self._extint_accepted()
        if level != self.level:
            self.level = level
            self.output(level)

    def _accept(self, vector: int, level: bool) -> None:
        state = self.state
        if vector < 16:
            self._error(_ESR_RECEIVE_ILLEGAL)
            return
        if not state.base & _BASE_ENABLE or not state.svr & 0x100:
            return
        bit = 1 << vector
        state.irr |= bit
        state.tmr = state.tmr | bit if level else state.tmr & ~bit
        self._update()

    def _end_of_interrupt(self) -> None:
        state = self.state
        if not state.isr:
            return
        vector = state.isr.bit_length() - 1
        bit = 1 << vector
        state.isr &= ~bit
        if state.tmr & bit:
            self.eoi_broadcast(vector)
        self._update()

    def _error(self, bit: int) -> None:
        state = self.state
        if state.errors & bit:
            return
        state.errors |= bit
        entry = state.lvt[LVT_ERROR]
        # An illegal vector in this very entry must not report itself again.
        if not entry & MASKED and entry & 0xFF >= 16:
            self._accept(entry & 0xFF, False)

    def _send(self, command: int, physical_match: bool, destination: int) -> None:
        """An interprocessor interrupt: `command` has the layout of the ICR's low half."""
        shorthand, mode, vector = command >> 18 & 3, command >> 8 & 7, command & 0xFF
        if mode in (_FIXED, _LOWEST) and vector < 16:
            self._error(_ESR_SEND_ILLEGAL)
            return
        if shorthand == 0:
            if command & 0x800:
                wide = self.state.base & _BASE_X2APIC
                hit = destination == 0xFFFF_FFFF or (destination >> 16 == 0 and destination & 1) if wide \
                    else self.matches(destination, True)
            else:
                hit = physical_match
        else:
            hit = shorthand in (1, 2)
        if hit:
            self.deliver(mode, vector, False)

    # The timer

    def _timer_mode(self) -> int:
        return self.state.lvt[LVT_TIMER] >> 17 & 3

    def _divisor(self) -> int:
        code = (self.state.divide & 3) | self.state.divide >> 1 & 4
        return 1 if code == 7 else 2 << code

    def _period(self) -> int:
        return max(self.state.initial_count * self._divisor(), MIN_PERIOD)

    def _current_count(self) -> int:
        state = self.state
        if not state.initial_count or self._timer_mode() == _DEADLINE:
            return 0
        elapsed = self.clock.now - state.timer_start
        if self._timer_mode() == _PERIODIC:
            elapsed %= self._period()
        return max(0, state.initial_count - elapsed // self._divisor())

    def _reload_timer(self, change: Callable[[], None]) -> None:
        """Change the divisor and let the count go on from where it is."""
        count = self._current_count()
        change()
        if count:
            self.state.timer_start = self.clock.now - (self.state.initial_count - count) * self._divisor()
            self._arm()

    def _arm(self) -> None:
        state = self.state
        mode = self._timer_mode()
        if mode == _DEADLINE:
            if state.tsc_deadline:
                self._timer.arm(self.clock.now + max(0, state.tsc_deadline - self.tsc()))
            else:
                self._timer.cancel()
        elif not state.initial_count:
            self._timer.cancel()
        elif mode == _PERIODIC:
            period = self._period()
            cycles = (self.clock.now - state.timer_start) // period + 1
            self._timer.arm(state.timer_start + cycles * period)
        else:
            deadline = state.timer_start + state.initial_count * self._divisor()
            if deadline > self.clock.now:
                self._timer.arm(deadline)
            else:
                self._timer.cancel()

    def _on_timer(self) -> None:
        state = self.state
        if self._timer_mode() == _DEADLINE:
            if self.tsc() < state.tsc_deadline:
                self._arm()  # the guest has set its counter back since
                return
            state.tsc_deadline = 0
        elif self._timer_mode() == _PERIODIC:
            self._arm()
        entry = state.lvt[LVT_TIMER]
        if not entry & MASKED:
            self._accept(entry & 0xFF, False)
