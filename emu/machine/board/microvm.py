"""The microvm board: the devices, addresses and interrupts of QEMU's `-M microvm,acpi=off`.

    I/O ports                                    memory
    0x20 0xa0 0x4d0  8259 pair, ELCR             0xfeb00000  8 virtio-mmio windows of 512 bytes
    0x40-0x43 0x61   8254            IRQ 0       0xfec00000  I/O APIC
    0x60 0x64        8042 (reset only)           0xfee00000  local APIC
    0x70 0x71        RTC             IRQ 8
    0xf4             debug exit                  virtio-mmio window n has IRQ 5 + n and is filled
    0x3f8            16550           IRQ 4       from the last one down, as QEMU does: a disk is
    0x604            power-off                   at 0xfeb00e00, IRQ 12

An IRQ goes to the 8259s and to the I/O APIC pin of the same number, IRQ 0 to pin 2. The 8259s' INT is
the local APIC's LINT0. (Ports 0x61, 0x64 and 0x604 are additions: QEMU's microvm has them only with
ACPI or not at all.)
"""

from __future__ import annotations

from collections.abc import Callable

from emu.devices.device import Device, Line
from emu.devices.disk import Disk
from emu.devices.ioapic import Ioapic
from emu.devices.lapic import Lapic
from emu.devices.pic import Pic
from emu.devices.pit import Pit
from emu.devices.rtc import Rtc
from emu.devices.system_ports import DebugExit, KeyboardController, PowerOff
from emu.devices.uart16550 import Uart16550
from emu.devices.virtio_blk import VirtioBlk
from emu.devices.virtio_console import VirtioConsole
from emu.devices.virtio_mmio import WINDOW, VirtioDevice, VirtioMmio
from emu.machine.bus import Bus
from emu.machine.clock import Clock

VIRTIO_BASE, VIRTIO_IRQ, VIRTIO_SLOTS = 0xFEB0_0000, 5, 8
PIT_IRQ, UART_IRQ, RTC_IRQ = 0, 4, 8


class Microvm:
    """Builds the devices and attaches them to `bus`.

    `interrupt` and `nmi` are the CPU's pins; `console(byte)` gets serial output; `on_exit(status)`,
    `on_power_off()` and `on_reset()` hear what the guest asks for. `disk` fills the last virtio window,
    `virtio_console` (a callable that gets bytes) the next one down.
    """

    def __init__(self, bus: Bus, clock: Clock, *, interrupt: Line, nmi: Callable[[], None],
                 console: Callable[[int], None], on_exit: Callable[[int], None], on_power_off: Callable[[], None],
                 on_reset: Callable[[], None], rtc_start: int, tsc: Callable[[], int] | None = None,
                 disk: Disk | None = None, virtio_console: Callable[[bytes], None] | None = None,
                 legacy_virtio: bool = False) -> None:
        self.pic = Pic()
        self.lapic = Lapic(clock, interrupt, nmi, self.pic.acknowledge, tsc=tsc)
        self.ioapic = Ioapic(self.lapic)
        self.pic.output = self.lapic.set_extint
        self.lapic.eoi_broadcast = self.ioapic.end_of_interrupt
        bus.controller = self.lapic
        self.pit = Pit(clock, self.irq_line(PIT_IRQ))
        # A kernel that keeps time by another timer masks this one and lets it run.
        for timer in self.pit.timers():
            timer.wakes = lambda: not self.pic.masked(PIT_IRQ) or not self.ioapic.masked(2)
        self.rtc = Rtc(clock, self.irq_line(RTC_IRQ), rtc_start)
        self.uart = Uart16550(clock, self.irq_line(UART_IRQ), console)
        self.blk = VirtioBlk(disk) if disk is not None else None
        self.virtio_console = VirtioConsole(virtio_console) if virtio_console is not None else None
        behind: list[VirtioDevice] = [device for device in (self.blk, self.virtio_console) if device is not None]
        self.virtio: list[VirtioMmio] = []
        for slot in range(VIRTIO_SLOTS):
            position = VIRTIO_SLOTS - 1 - slot
            device = behind[position] if position < len(behind) else None
            irq = self.irq_line(VIRTIO_IRQ + slot)
            self.virtio.append(VirtioMmio(bus, VIRTIO_BASE + slot * WINDOW, irq, device, legacy_virtio))
        self.devices: list[Device] = [
            self.pic, self.lapic, self.ioapic, self.pit, self.rtc, self.uart, *self.virtio,
            DebugExit(on_exit), PowerOff(on_power_off), KeyboardController(on_reset),
        ]
        for device in self.devices:
            bus.attach(device)

    def irq_line(self, irq: int) -> Line:
        """The wire of ISA interrupt `irq` (0 to 15), to both controllers."""
        pic, ioapic, pin = self.pic.set_irq, self.ioapic.set_irq, 2 if irq == 0 else irq

        def drive(level: bool) -> None:
            pic(irq, level)
            ioapic(pin, level)

        return drive

    def virtio_command_line(self) -> str:
        """The kernel parameters that tell where the virtio devices are; they can't be probed."""
        return " ".join(
            f"virtio_mmio.device={WINDOW}@{slot.base:#x}:{VIRTIO_IRQ + number}"
            for number, slot in reversed(list(enumerate(self.virtio)))
            if slot.device.device_id
        )

    def can_nmi(self) -> bool:
        """Is any input of the interrupt controllers programmed to cause an NMI?"""
        return self.lapic.can_nmi() or self.ioapic.can_nmi()
