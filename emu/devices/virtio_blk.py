"""The virtio block device: read, write, flush and identify on a disk backend.

VIRTIO 1.1, 5.2 "Block Device". Requests complete at once, while the driver's notification is written:
the disk has no latency of its own, and so no order of completion to choose. Complete is not durable: a driver that
accepts F_FLUSH gets a write-back cache, whose contents a power cut may lose (`Disk.power_cut`); one that doesn't, or
turns the cache off in the configuration space (F_CONFIG_WCE), has each write flushed before it completes.
"""

from __future__ import annotations

import struct
from typing import Any

from emu.devices.disk import SECTOR, Disk
from emu.devices.virtio_mmio import VirtioDevice
from emu.devices.virtqueue import Chain, QueueError, Virtqueue

F_SEG_MAX, F_RO, F_BLK_SIZE, F_FLUSH, F_CONFIG_WCE = 2, 5, 6, 9, 11
IN, OUT, FLUSH, GET_ID = 0, 1, 4, 8
OK, IOERR, UNSUPPORTED = 0, 1, 2
_ID_LENGTH = 20
_WRITEBACK = 32     # offset in the configuration space


class VirtioBlk(VirtioDevice):
    """`disk` as a block device of 512-byte sectors; `serial` is its identification, up to 20 bytes."""

    device_id = 2
    queue_count = 1

    def __init__(self, disk: Disk, read_only: bool = False, serial: str = "ringzero") -> None:
        self.disk = disk
        self.read_only = read_only
        self.serial = serial.encode()[:_ID_LENGTH]
        self.write_through = False      # the driver has turned the cache off
        self.features = 1 << F_CONFIG_WCE | 1 << F_SEG_MAX | 1 << F_BLK_SIZE | 1 << F_FLUSH | (1 << F_RO if read_only else 0)

    def config(self) -> bytes:
        """capacity, size_max (not offered), seg_max, geometry (not offered), blk_size, topology (not offered), writeback, queues (not offered)."""
        return struct.pack("<QIIHBBI8xB3x", self.disk.sectors, 0, 254, 0, 0, 0, SECTOR, self._caches())

    def write_config(self, offset: int, data: bytes) -> None:
        if offset <= _WRITEBACK < offset + len(data) and self._accepted(F_CONFIG_WCE):
            self.write_through = not data[_WRITEBACK - offset]
            if self.write_through:
                self.disk.flush()

    def reset(self) -> None:
        self.write_through = False

    def _accepted(self, feature: int) -> bool:
        return bool(self.transport.state.driver_features >> feature & 1)

    def _caches(self) -> bool:
        """May a write complete before it is durable? Only for a driver that knows how to flush (5.2.6.2)."""
        return self._accepted(F_FLUSH) and not self.write_through

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

    def save(self) -> dict[str, Any]:
        return self.disk.save() | {"write_through": self.write_through}

    def load(self, saved: dict[str, Any]) -> None:
        self.disk.load(saved)
        self.write_through = saved["write_through"]

    def quick_save(self) -> bool:
        """The medium is kept by who keeps the disk."""
        return self.write_through

    def quick_load(self, saved: bool) -> None:
        self.write_through = saved

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
            good = good and (self._caches() or self.disk.flush())
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
