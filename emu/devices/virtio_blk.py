"""The virtio block device: read, write, flush and identify on a disk backend.

VIRTIO 1.1, 5.2 "Block Device". Requests complete at once, while the driver's notification is written:
the disk has no latency of its own, and so no order of completion to choose.
"""

from __future__ import annotations

import struct

from emu.devices.disk import SECTOR, Disk
from emu.devices.virtio_mmio import VirtioDevice
from emu.devices.virtqueue import Chain, QueueError, Virtqueue

F_SEG_MAX, F_RO, F_BLK_SIZE, F_FLUSH = 2, 5, 6, 9
IN, OUT, FLUSH, GET_ID = 0, 1, 4, 8
OK, IOERR, UNSUPPORTED = 0, 1, 2
_ID_LENGTH = 20


class VirtioBlk(VirtioDevice):
    """`disk` as a block device of 512-byte sectors; `serial` is its identification, up to 20 bytes."""

    device_id = 2
    queue_count = 1

    def __init__(self, disk: Disk, read_only: bool = False, serial: str = "ringzero") -> None:
        self.disk = disk
        self.read_only = read_only
        self.serial = serial.encode()[:_ID_LENGTH]
        self.features = 1 << F_SEG_MAX | 1 << F_BLK_SIZE | 1 << F_FLUSH | (1 << F_RO if read_only else 0)

    def config(self) -> bytes:
        """capacity, size_max (not offered), seg_max, geometry (not offered), blk_size."""
        return struct.pack("<QIIHBBI", self.disk.sectors, 0, 254, 0, 0, 0, SECTOR)

    def notify(self, index: int) -> None:
        queue = self.transport.queues[index]
        done = 0
        try:
            # One round of the ring for each notification: more needs another one.
            for _ in range(queue.pending()):
                chain = queue.pop()
                if chain is None:
                    break
                queue.push(chain, self._request(queue, chain))
                done += 1
        finally:
            if done:
                self.transport.used(queue)

    def save(self) -> dict[int, bytes]:
        return self.disk.save()

    def load(self, saved: dict[int, bytes]) -> None:
        self.disk.load(saved)

    def quick_save(self) -> None:
        """The medium is kept by who keeps the disk."""

    def quick_load(self, saved: None) -> None:
        """Nothing, as `quick_save`."""

    def _request(self, queue: Virtqueue, chain: Chain) -> int:
        """Carry out one request; returns the bytes written to the chain, the status byte included."""
        room = sum(length for _, length in chain.writable) - 1
        size = sum(length for _, length in chain.readable)
        if size < 16 or room < 0:
            raise QueueError("block request without a header of 16 bytes or a status byte")
        sent = queue.gather(chain)
        kind, _, sector = struct.unpack_from("<IIQ", sent)
        data = b""
        if kind == IN:
            found = self.disk.read(sector * SECTOR, room) if room % SECTOR == 0 else None
            status, data = (IOERR, b"") if found is None else (OK, found)
        elif kind == OUT:
            good = size % SECTOR == 16 and not self.read_only and self.disk.write(sector * SECTOR, sent[16:])
            status = OK if good else IOERR
        elif kind == FLUSH:
            status = OK if self.disk.flush() else IOERR
        elif kind == GET_ID:
            status, data = OK, self.serial.ljust(_ID_LENGTH, b"\0")[:room]
        else:
            status = UNSUPPORTED
        if len(data) == room:
            queue.scatter(chain, data + bytes([status]))
        else:
            queue.scatter(chain, data)
            self._put_status(queue, chain, status)
        return len(data) + 1

    @staticmethod
    def _put_status(queue: Virtqueue, chain: Chain, status: int) -> None:
        """The status is the last writable byte, wherever the data before it ended."""
        address, length = next(part for part in reversed(chain.writable) if part[1])
        queue.bus.dma_write(address + length - 1, bytes([status]))
