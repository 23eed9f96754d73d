"""The two cascaded 8259A interrupt controllers of a PC, with their ELCR ports.

Intel 8259A data sheet (231468): initialisation words ICW1-4, operation words OCW1-3, fully nested,
special fully nested, special mask and poll modes, rotation, automatic EOI, and the default IR7 when a
request has gone before it is acknowledged. Edge or level is chosen per input by the ELCR registers at
0x4d0 and 0x4d1, as in PC chipsets; ICW1's LTIM bit is ignored, as there.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from emu.devices.device import Device, Line, no_line

#: Inputs whose ELCR bit exists: the system timer, keyboard, cascade, RTC and FPU are always edge.
ELCR_MASK = (0xF8, 0xDE)


@dataclass(slots=True)
class ChipState:
    """One 8259A. Masks have bit n for input IRn. `priority` is the input of highest priority."""

    irr: int = 0
    isr: int = 0
    imr: int = 0
    lines: int = 0
    elcr: int = 0
    base: int = 0
    priority: int = 0
    init_step: int = 0
    icw4_wanted: bool = False
    single: bool = False
    auto_eoi: bool = False
    rotate_on_auto_eoi: bool = False
    special_fully_nested: bool = False
    special_mask: bool = False
    read_isr: bool = False
    poll: bool = False


@dataclass(slots=True)
class PicState:
    """Both chips, master first."""

    chips: list[ChipState] = field(default_factory=lambda: [ChipState(), ChipState()])


class Pic(Device):
    """Master at 0x20-0x21 (IRQ 0-7), slave at 0xa0-0xa1 (IRQ 8-15) on the master's IR2.

    `output` is the master's INT pin.
    """

    name = "pic"
    ports = [range(0x20, 0x22), range(0xA0, 0xA2), range(0x4D0, 0x4D2)]

    def __init__(self, output: Line = no_line) -> None:
        self.output = output
        self.state = PicState()
        self.level = False

    def reset(self) -> None:
        lines = [chip.lines for chip in self.state.chips]
        self.state.chips = [ChipState(lines=lines[0]), ChipState(lines=lines[1])]
        self._update()

    def set_irq(self, irq: int, level: bool) -> None:
        """Drive interrupt request input `irq`, 0 to 15."""
        self._input(self.state.chips[irq >> 3], irq & 7, level)
        self._update()

    def masked(self, irq: int) -> bool:
        """Is request input `irq`, 0 to 15, masked?"""
        return bool(self.state.chips[irq >> 3].imr >> (irq & 7) & 1)

    def acknowledge(self) -> int:
        """The INTA cycles: the vector (0 to 255) the CPU is given. With no request left it is the
        default IR7 of the chip that was asked, whose ISR bit stays clear."""
        master, slave = self.state.chips
        number = self._pending(0)
        if number is None:
            return master.base + 7
        self._take(master, number)
        vector = master.base + number
        if number == 2 and not master.single:
            second = self._pending(1)
            if second is None:
                vector = slave.base + 7
            else:
                self._take(slave, second)
                vector = slave.base + second
        self._update()
        return vector

    def read_port(self, port: int, width: int) -> int:
        if port >= 0x4D0:
            return self.state.chips[port & 1].elcr
        which = 1 if port & 0x80 else 0
        chip = self.state.chips[which]
        if chip.poll:
            chip.poll = False
            number = self._pending(which)
            if number is None:
                return 0
            self._take(chip, number)
            self._update()
            return 0x80 | number
        if port & 1:
            return chip.imr
        return chip.isr if chip.read_isr else chip.irr

    def write_port(self, port: int, width: int, value: int) -> None:
        value &= 0xFF
        if port >= 0x4D0:
            chip = self.state.chips[port & 1]
            chip.elcr = value & ELCR_MASK[port & 1]
            # A level input requests as long as it is high; an edge input needs a new edge.
            chip.irr = (chip.irr & ~chip.elcr) | (chip.lines & chip.elcr)
        else:
            chip = self.state.chips[1 if port & 0x80 else 0]
            if port & 1:
                self._write_data(chip, value)
            elif value & 0x10:
                self._icw1(chip, value)
            elif value & 0x08:
                self._ocw3(chip, value)
            else:
                self._ocw2(chip, value)
        self._update()

    def settle(self) -> None:
        self.level = self._pending(0) is not None

    def _icw1(self, chip: ChipState, value: int) -> None:
        fresh = ChipState(lines=chip.lines, elcr=chip.elcr, irr=chip.lines & chip.elcr)
        fresh.init_step = 2
        fresh.icw4_wanted = bool(value & 1)
        fresh.single = bool(value & 2)
        self.state.chips[0 if chip is self.state.chips[0] else 1] = fresh

    def _write_data(self, chip: ChipState, value: int) -> None:
        if chip.init_step == 0:
            chip.imr = value
        elif chip.init_step == 2:
            chip.base = value & 0xF8
            chip.init_step = 3 if not chip.single else 4 if chip.icw4_wanted else 0
        elif chip.init_step == 3:
            # ICW3 tells which input has a slave; on a PC it is soldered to be IR2.
            chip.init_step = 4 if chip.icw4_wanted else 0
        else:
            chip.auto_eoi = bool(value & 0x02)
            chip.special_fully_nested = bool(value & 0x10)
            chip.init_step = 0

    def _ocw2(self, chip: ChipState, value: int) -> None:
        rotate, specific, eoi = value & 0x80, value & 0x40, value & 0x20
        number = value & 7
        if not eoi:
            if specific:
                if rotate:
                    chip.priority = (number + 1) & 7
            else:
                chip.rotate_on_auto_eoi = bool(rotate)
            return
        if not specific:
            # In special mask mode a masked input's ISR bit is left alone by a non-specific EOI.
            found = self._highest(chip, chip.isr & ~chip.imr if chip.special_mask else chip.isr)
            if found is None:
                return
            number = found
        chip.isr &= ~(1 << number)
        if rotate:
            chip.priority = (number + 1) & 7

    def _ocw3(self, chip: ChipState, value: int) -> None:
        chip.poll = bool(value & 0x04)
        if value & 0x02:
            chip.read_isr = bool(value & 0x01)
        if value & 0x40:
            chip.special_mask = bool(value & 0x20)

    @staticmethod
    def _input(chip: ChipState, number: int, level: bool) -> None:
        bit = 1 << number
        if level:
            if not chip.lines & bit or chip.elcr & bit:
                chip.irr |= bit
            chip.lines |= bit
        else:
            chip.lines &= ~bit
            chip.irr &= ~bit

    @staticmethod
    def _highest(chip: ChipState, mask: int) -> int | None:
        for step in range(8):
            number = (chip.priority + step) & 7
            if mask >> number & 1:
                return number
        return None

    def _pending(self, which: int) -> int | None:
        """The input that interrupts: requested, unmasked, of higher priority than those in service."""
        chip = self.state.chips[which]
        requests = chip.irr & ~chip.imr
        if not requests:
            return None
        request = self._highest(chip, requests)
        in_service = chip.isr & ~chip.imr if chip.special_mask else chip.isr
        if chip.special_fully_nested and which == 0:
            in_service &= ~0x04
        served = self._highest(chip, in_service)
        if served is not None and (request - chip.priority) & 7 >= (served - chip.priority) & 7:
            return None
        return request

    @staticmethod
    def _take(chip: ChipState, number: int) -> None:
        bit = 1 << number
        if not chip.elcr & bit:
            chip.irr &= ~bit
        if not chip.auto_eoi:
            chip.isr |= bit
        elif chip.rotate_on_auto_eoi:
            chip.priority = (number + 1) & 7

    def _update(self) -> None:
        self._input(self.state.chips[0], 2, self._pending(1) is not None)
        level = self._pending(0) is not None
        if level != self.level:
            self.level = level
            self.output(level)
