"""The 82093AA I/O APIC with 24 inputs, as version 0x20 (with the EOI register).

Intel 82093AA data sheet (290566): index and data window, redirection table, edge and level inputs,
remote IRR. Inputs are logical: True is "asserted", so the polarity bit is stored and changes nothing.
Delivery modes SMI, INIT and ExtINT deliver nothing: no device of the board is wired to need them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from emu.devices.device import Device
from emu.devices.lapic import Lapic

BASE = 0xFEC0_0000
PINS = 24
_SELECT, _WINDOW, _EOI = 0x00, 0x10, 0x40
_LEVEL, _MASKED, _REMOTE_IRR, _LOGICAL = 1 << 15, 1 << 16, 1 << 14, 1 << 11
#: Delivery status and remote IRR can't be written.
_READ_ONLY = 1 << 12 | _REMOTE_IRR
_WRITABLE = 0xFF00_0000_0001_FFFF


@dataclass(slots=True)
class IoapicState:
    select: int = 0
    id: int = 0
    table: list[int] = field(default_factory=lambda: [_MASKED] * PINS)
    lines: int = 0


class Ioapic(Device):
    """Registers at 0xfec00000; messages go to the one local APIC, `lapic`."""

    name = "ioapic"
    memory = [range(BASE, BASE + 0x1000)]

    def __init__(self, lapic: Lapic) -> None:
        self.lapic = lapic
        self.state = IoapicState()

    def reset(self) -> None:
        self.state = IoapicState(lines=self.state.lines)

    def set_irq(self, pin: int, level: bool) -> None:
        """Drive input `pin`, 0 to 23."""
        state = self.state
        bit = 1 << pin
        rising = level and not state.lines & bit
        state.lines = state.lines | bit if level else state.lines & ~bit
        entry = state.table[pin]
        # An edge that comes while the input is masked is lost (data sheet, interrupt mask).
        if rising and not entry & _MASKED:
            if not entry & _LEVEL:
                self._deliver(entry, False)
            else:
                self._service_level(pin)

    def end_of_interrupt(self, vector: int) -> None:
        """The local APIC's EOI message: level inputs of this vector may interrupt again."""
        for pin, entry in enumerate(self.state.table):
            if entry & 0xFF == vector and entry & _LEVEL and entry & _REMOTE_IRR:
                self.state.table[pin] = entry & ~_REMOTE_IRR
                self._service_level(pin)

    def read_memory(self, address: int, width: int) -> int:
        offset = address & 0xFF
        if offset == _SELECT:
            return self.state.select
        if offset == _WINDOW and width == 4:
            return self._read(self.state.select)
        return 0

    def write_memory(self, address: int, width: int, value: int) -> None:
        offset = address & 0xFF
        if offset == _SELECT:
            self.state.select = value & 0xFF
        elif width != 4:
            return
        elif offset == _WINDOW:
            self._write(self.state.select, value & 0xFFFF_FFFF)
        elif offset == _EOI:
            self.end_of_interrupt(value & 0xFF)

    def _read(self, index: int) -> int:
        if index in (0, 2):
            return self.state.id << 24
        if index == 1:
            return (PINS - 1) << 16 | 0x20
        pin, half = (index - 0x10) >> 1, index & 1
        if not 0 <= pin < PINS:
            return 0
        return self.state.table[pin] >> 32 * half & 0xFFFF_FFFF

    def _write(self, index: int, value: int) -> None:
        state = self.state
        if index == 0:
            state.id = value >> 24 & 15
            return
        pin, half = (index - 0x10) >> 1, index & 1
        if not 0 <= pin < PINS:
            return
        old = state.table[pin]
        new = (old & 0xFFFF_FFFF) | value << 32 if half else (old & ~0xFFFF_FFFF) | value
        entry = (new & _WRITABLE & ~_READ_ONLY) | (old & _READ_ONLY)
        if not entry & _LEVEL:
            entry &= ~_REMOTE_IRR
        state.table[pin] = entry
        self._service_level(pin)

    def _service_level(self, pin: int) -> None:
        entry = self.state.table[pin]
        if entry & _LEVEL and not entry & (_MASKED | _REMOTE_IRR) and self.state.lines >> pin & 1:
            self.state.table[pin] = entry | _REMOTE_IRR
            self._deliver(entry, True)

    def _deliver(self, entry: int, level: bool) -> None:
        if self.lapic.matches(entry >> 56 & 0xFF, bool(entry & _LOGICAL)):
            self.lapic.deliver(entry >> 8 & 7, entry & 0xFF, level)

    def masked(self, pin: int) -> bool:
        """Is input `pin`, 0 to 23, masked?"""
        return bool(self.state.table[pin] & _MASKED)

    def can_nmi(self) -> bool:
        """Is an input programmed to cause an NMI?"""
        return any(not entry & _MASKED and entry >> 8 & 7 == 4 for entry in self.state.table)
