"""A microvm board without a CPU: the test plays the processor and moves the clock."""

from __future__ import annotations

from emu.machine.board.microvm import Microvm
from emu.machine.bus import Bus
from emu.machine.clock import Clock
from emu.machine.memory import PhysicalMemory


class Bench:
    """Board, bus and clock; `step(ns)` lets time pass, firing what is due on the way."""

    def __init__(self, size: int = 1 << 24, **options) -> None:
        self.memory = PhysicalMemory(size)
        self.bus = Bus(self.memory)
        self.clock = Clock()
        self.line = False
        self.nmis = 0
        self.output = bytearray()
        self.ended: list = []
        options.setdefault("rtc_start", 1_704_067_200)
        self.board = Microvm(
            self.bus, self.clock, interrupt=self._set_line, nmi=self._nmi, console=self.output.append,
            on_exit=lambda status: self.ended.append(("exit", status)),
            on_power_off=lambda: self.ended.append("off"), on_reset=lambda: self.ended.append("reset"), **options)

    def _set_line(self, level: bool) -> None:
        self.line = level

    def _nmi(self) -> None:
        self.nmis += 1

    def step(self, ns: int) -> None:
        end = self.clock.now + ns
        while (deadline := self.clock.next_deadline()) is not None and deadline <= end:
            self.clock.skip_to(deadline)
            self.clock.fire_due()
        self.clock.skip_to(end)

    def inb(self, port: int) -> int:
        return self.bus.port_read(port, 1)

    def outb(self, port: int, *values: int) -> None:
        for value in values:
            self.bus.port_write(port, 1, value)

    def init_pics(self, master: int = 0x20, slave: int = 0x28, icw4: int = 1) -> None:
        self.outb(0x20, 0x11)
        self.outb(0x21, master, 4, icw4)
        self.outb(0xA0, 0x11)
        self.outb(0xA1, slave, 2, icw4)
