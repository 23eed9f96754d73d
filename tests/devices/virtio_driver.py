"""A virtio driver in a few lines, in the test's Python instead of in a guest."""

from __future__ import annotations

import struct

NEXT, WRITE, INDIRECT = 1, 2, 4


class Driver:
    """Sets up queue `index` of the device at `base`, with its rings at `area` in guest memory."""

    def __init__(self, bus, base: int, queues: int = 1, area: int = 0x10000, size: int = 8, legacy: bool = False,
                 features: int | None = None) -> None:
        self.bus, self.base, self.size, self.legacy = bus, base, size, legacy
        self.available = [0] * queues
        self.areas = [area + 0x4000 * index for index in range(queues)]
        self.buffers = area + 0x4000 * queues
        write = self.write_register
        write(0x70, 0)
        write(0x70, 1)
        write(0x70, 3)
        write(0x24, 0)
        write(0x20, 1 << 28 if features is None else features)
        if legacy:
            write(0x28, 4096)
        else:
            write(0x24, 1)
            write(0x20, 1)
            write(0x70, 11)
            assert self.register(0x70) == 11
        for index, at in enumerate(self.areas):
            write(0x30, index)
            write(0x38, size)
            if legacy:
                write(0x3C, 4096)
                write(0x40, at >> 12)
                continue
            for register, address in ((0x80, at), (0x90, at + 16 * size), (0xA0, self.used_ring(index))):
                write(register, address & 0xFFFFFFFF)
                write(register + 4, address >> 32)
            write(0x44, 1)
        write(0x70, 7 if legacy else 15)

    def register(self, offset: int) -> int:
        return self.bus.mmio_read(self.base + offset, 4)

    def write_register(self, offset: int, value: int) -> None:
        self.bus.mmio_write(self.base + offset, 4, value)

    def used_ring(self, index: int) -> int:
        return self.areas[index] + 0x1000

    def descriptor(self, index: int, queue: int, address: int, length: int, flags: int, following: int = 0) -> None:
        self.bus.dma_write(self.areas[queue] + 16 * index, struct.pack("<QIHH", address, length, flags, following))

    def offer(self, head: int, queue: int = 0) -> None:
        """Put `head` in the available ring."""
        ring = self.areas[queue] + 16 * self.size
        self.bus.dma_write(ring + 4 + 2 * (self.available[queue] % self.size), struct.pack("<H", head))
        self.available[queue] += 1
        self.bus.dma_write(ring + 2, struct.pack("<H", self.available[queue] & 0xFFFF))

    def notify(self, queue: int = 0) -> None:
        self.write_register(0x50, queue)

    def used(self, queue: int = 0) -> list[tuple[int, int]]:
        """(head, written) of the used ring's entries so far."""
        at = self.used_ring(queue)
        count = struct.unpack("<H", self.bus.dma_read(at + 2, 2))[0]
        return [struct.unpack("<II", self.bus.dma_read(at + 4 + 8 * (i % self.size), 8)) for i in range(count)]


class BlockDriver(Driver):
    """One request at a time; methods return the status byte (255: the device did not answer)."""

    def request(self, kind: int, sector: int, sent: bytes = b"", room: int = 0) -> tuple[int, bytes]:
        header, data, status = self.buffers, self.buffers + 0x100, self.buffers + 0x80
        self.bus.dma_write(header, struct.pack("<IIQ", kind, 0, sector))
        self.bus.dma_write(status, b"\xff")
        self.bus.dma_write(data, sent)
        self.descriptor(0, 0, header, 16, NEXT, 1)
        self.descriptor(1, 0, data, len(sent) or room, NEXT | (0 if sent else WRITE), 2)
        self.descriptor(2, 0, status, 1, WRITE)
        self.offer(0)
        self.notify()
        return self.bus.dma_read(status, 1)[0], self.bus.dma_read(data, room)

    def read(self, sector: int, length: int = 512) -> tuple[int, bytes]:
        return self.request(0, sector, room=length)

    def write(self, sector: int, data: bytes) -> int:
        return self.request(1, sector, data)[0]
