"""The buses: every access that is not plain RAM, from the CPU or from a device, is routed here.

Nothing here raises for any address, width or value: unmapped reads give all ones, unmapped writes
are lost, as on a PC's buses. A device that implements registers one byte wide is given wide accesses
one byte at a time, lowest address first, as the ISA bus does.
"""

from __future__ import annotations

from typing import Protocol

from emu.devices.device import Device
from emu.machine.memory import PhysicalMemory


class InterruptController(Protocol):
    """What the CPU asks of its interrupt controller, through the bus: on a PC, the local APIC."""

    def acknowledge(self) -> int | None: ...
    def msr_read(self, index: int) -> int | None: ...
    def msr_write(self, index: int, value: int) -> bool: ...
    def tpr_read(self) -> int: ...
    def tpr_write(self, value: int) -> None: ...


class Bus:
    """Port space (64 Ki ports), memory-mapped devices, devices' access to RAM, and the CPU's
    questions to its interrupt controller."""

    def __init__(self, memory: PhysicalMemory) -> None:
        self.memory = memory
        self.devices: list[Device] = []
        self.controller: InterruptController | None = None
        self._ports: dict[int, Device] = {}
        self._pages: dict[int, list[tuple[int, int, Device]]] = {}

    def attach(self, device: Device) -> None:
        """Map `device` at its declared `ports` and `memory`; ValueError if something is there already."""
        for port in (port for ports in device.ports for port in ports):
            if port in self._ports:
                raise ValueError(f"port {port:#x} of {device.name} is taken by {self._ports[port].name}")
            self._ports[port] = device
        for window in device.memory:
            if window.start < self.memory.size:
                raise ValueError(f"window {window.start:#x} of {device.name} lies in RAM")
            for page in range(window.start >> 12, ((window.stop - 1) >> 12) + 1):
                entries = self._pages.setdefault(page, [])
                for start, stop, other in entries:
                    if start < window.stop and window.start < stop:
                        raise ValueError(f"window {window.start:#x} of {device.name} is taken by {other.name}")
                entries.append((window.start, window.stop, device))
        self.devices.append(device)

    # Port space

    def port_read(self, port: int, width: int) -> int:
        """IN: `width` bytes (1, 2, 4) from `port` (0 to 0xffff)."""
        device = self._ports.get(port)
        if device is not None and (width == 1 or device.wide_ports):
            return device.read_port(port, width) & ((1 << 8 * width) - 1)
        value = 0
        for lane in range(width):
            device = self._ports.get((port + lane) & 0xFFFF)
            byte = 0xFF if device is None else device.read_port((port + lane) & 0xFFFF, 1) & 0xFF
            value |= byte << 8 * lane
        return value

    def port_write(self, port: int, width: int, value: int) -> None:
        """OUT: the low `width` bytes (1, 2, 4) of `value` to `port` (0 to 0xffff)."""
        device = self._ports.get(port)
        if device is not None and (width == 1 or device.wide_ports):
            device.write_port(port, width, value & ((1 << 8 * width) - 1))
            return
        for lane in range(width):
            device = self._ports.get((port + lane) & 0xFFFF)
            if device is not None:
                device.write_port((port + lane) & 0xFFFF, 1, value >> 8 * lane & 0xFF)

    # Memory space

    def is_ram(self, pa: int) -> bool:
        """True when the byte at `pa` is RAM."""
        return 0 <= pa < self.memory.size

    def mmio_read(self, pa: int, width: int) -> int:
        """`width` bytes (1, 2, 4, 8) at physical address `pa`. Eight bytes are two accesses of four,
        low half first: no register of this board is wider."""
        if width == 8:
            return self.mmio_read(pa, 4) | self.mmio_read(pa + 4, 4) << 32
        for start, stop, device in self._pages.get(pa >> 12, ()):
            if start <= pa and pa + width <= stop:
                return device.read_memory(pa, width) & ((1 << 8 * width) - 1)
        if pa < self.memory.size:
            data = self.dma_read(pa, width)
            if data is not None:
                return int.from_bytes(data, "little")
        return (1 << 8 * width) - 1

    def mmio_write(self, pa: int, width: int, value: int) -> None:
        """Store the low `width` bytes (1, 2, 4, 8) of `value` at physical address `pa`."""
        if width == 8:
            self.mmio_write(pa, 4, value & 0xFFFF_FFFF)
            self.mmio_write(pa + 4, 4, value >> 32 & 0xFFFF_FFFF)
            return
        value &= (1 << 8 * width) - 1
        for start, stop, device in self._pages.get(pa >> 12, ()):
            if start <= pa and pa + width <= stop:
                device.write_memory(pa, width, value)
                return
        if pa < self.memory.size:
            self.dma_write(pa, value.to_bytes(width, "little"))

    # Devices' access to RAM

    def dma_read(self, pa: int, length: int) -> bytes | None:
        """`length` bytes of RAM, or None when any of them is not RAM."""
        memory = self.memory
        if pa < 0 or length < 0 or pa + length > memory.size:
            return None
        return memory.buffer[pa : pa + length]

    def dma_write(self, pa: int, data: bytes) -> bool:
        """Store `data` in RAM; False, with nothing stored, when any of it would land elsewhere."""
        if not self.memory.contains(pa, len(data)):
            return False
        self.memory.write(pa, data)
        return True

    # The CPU and its interrupt controller

    def acknowledge_interrupt(self) -> int | None:
        """The vector (0 to 255) of the interrupt the CPU takes now; None when there is none after all."""
        return None if self.controller is None else self.controller.acknowledge()

    def msr_read(self, index: int) -> int | None:
        """An MSR that lives in the interrupt controller (64 bits), or None: #GP."""
        return None if self.controller is None else self.controller.msr_read(index)

    def msr_write(self, index: int, value: int) -> bool:
        """Write such an MSR; False: #GP."""
        return self.controller is not None and self.controller.msr_write(index, value)

    def tpr_read(self) -> int:
        """CR8: the task priority class, 0 to 15."""
        return 0 if self.controller is None else self.controller.tpr_read()

    def tpr_write(self, value: int) -> None:
        """Set CR8; bits above 3 are ignored here (the CPU checks them)."""
        if self.controller is not None:
            self.controller.tpr_write(value & 15)
