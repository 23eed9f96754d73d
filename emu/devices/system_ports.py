"""The ports by which a guest ends a run: debug exit, power-off, and the keyboard controller's reset."""

from __future__ import annotations

from collections.abc import Callable

from emu.devices.device import Device


class DebugExit(Device):
    """Port 0xf4-0xf7, as QEMU's isa-debug-exit: writing v ends the run with status v (QEMU's own
    exit status is (v << 1) | 1)."""

    name = "debug-exit"
    wide_ports = True
    ports = [range(0xF4, 0xF8)]

    def __init__(self, on_exit: Callable[[int], None]) -> None:
        self.on_exit = on_exit

    def read_port(self, port: int, width: int) -> int:
        return 0

    def write_port(self, port: int, width: int, value: int) -> None:
        self.on_exit(value)


class PowerOff(Device):
    """Port 0x604, the ACPI PM1a control register of QEMU's boards: setting SLP_EN (bit 13) with sleep
    type 0 switches the machine off, which is writing 0x2000. Other values are lost."""

    name = "power-off"
    wide_ports = True
    ports = [range(0x604, 0x606)]

    def __init__(self, on_power_off: Callable[[], None]) -> None:
        self.on_power_off = on_power_off

    def read_port(self, port: int, width: int) -> int:
        return 0

    def write_port(self, port: int, width: int, value: int) -> None:
        if port == 0x604 and width >= 2 and value & 0x3C00 == 0x2000:
            self.on_power_off()


class KeyboardController(Device):
    """What remains of the 8042 where there is no keyboard: command 0xfe at port 0x64 pulses the
    processor's RESET. The status reads 0: nothing to read, ready for commands."""

    name = "i8042"
    ports = [range(0x60, 0x61), range(0x64, 0x65)]

    def __init__(self, on_reset: Callable[[], None]) -> None:
        self.on_reset = on_reset

    def read_port(self, port: int, width: int) -> int:
        return 0

    def write_port(self, port: int, width: int, value: int) -> None:
        if port == 0x64 and value == 0xFE:
            self.on_reset()
