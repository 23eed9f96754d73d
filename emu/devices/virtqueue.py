"""The split virtqueue: descriptor chains in guest memory, walked without trusting any of it.

Virtual I/O Device (VIRTIO) 1.1, 2.6 "Split Virtqueues", with indirect descriptors (2.6.5.3). Whatever
the guest wrote there, the work for one chain is bounded, and a violation raises `QueueError`, which the
transport turns into DEVICE_NEEDS_RESET; it never leaves the device.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

MAX_SIZE = 256

#: Data one chain may carry in each direction. Drivers ask for far less; a guest that asks for more
#: would only make the host copy memory.
MAX_CHAIN_BYTES = 16 << 20

_NEXT, _WRITE, _INDIRECT = 1, 2, 4
_NO_INTERRUPT = 1
_DESCRIPTOR = struct.Struct("<QIHH")


class QueueError(Exception):
    """The driver broke a rule of the virtqueue; the text says which."""


@dataclass(slots=True)
class QueueState:
    """Driver-set size and addresses; `seen` and `used` are the device's 16-bit running indices."""

    size: int = MAX_SIZE
    ready: bool = False
    descriptors: int = 0
    available: int = 0
    used_ring: int = 0
    seen: int = 0
    used: int = 0
    pfn: int = 0
    align: int = 4096


@dataclass(slots=True)
class Chain:
    """One request: what the driver lets the device read, and where it may write, as (address, length)."""

    head: int
    readable: list[tuple[int, int]]
    writable: list[tuple[int, int]]


class Virtqueue:
    """Device side of one queue; `bus` gives access to RAM."""

    def __init__(self, bus) -> None:
        self.bus = bus
        self.state = QueueState()
        self.indirect = True

    def reset(self) -> None:
        self.state = QueueState()

    def pending(self) -> int:
        """How many chains the driver has made available that have not been popped."""
        state = self.state
        if not state.ready:
            return 0
        count = (self._u16(state.available + 2) - state.seen) & 0xFFFF
        if count > state.size:
            raise QueueError(f"available index is {count} entries ahead in a queue of {state.size}")
        return count

    def pop(self) -> Chain | None:
        """The next chain, or None."""
        if not self.pending():
            return None
        state = self.state
        head = self._u16(state.available + 4 + 2 * (state.seen % state.size))
        chain = self._walk(head)
        state.seen = (state.seen + 1) & 0xFFFF
        return chain

    def push(self, chain: Chain, written: int) -> None:
        """Give `chain` back with `written` bytes stored in it."""
        state = self.state
        entry = struct.pack("<II", chain.head, written)
        if not self.bus.dma_write(state.used_ring + 4 + 8 * (state.used % state.size), entry):
            raise QueueError("used ring lies outside RAM")
        state.used = (state.used + 1) & 0xFFFF
        if not self.bus.dma_write(state.used_ring + 2, state.used.to_bytes(2, "little")):
            raise QueueError("used ring lies outside RAM")

    def wants_interrupt(self) -> bool:
        """Has the driver left interrupts for used buffers on?"""
        return not self._u16(self.state.available) & _NO_INTERRUPT

    def gather(self, chain: Chain) -> bytes:
        """All that the device may read of `chain`."""
        return b"".join([self._read(address, length) for address, length in chain.readable])

    def scatter(self, chain: Chain, data: bytes) -> int:
        """Store `data` in the writable parts of `chain`, in order; returns how much found room."""
        position = 0
        for address, length in chain.writable:
            if position >= len(data):
                break
            part = data[position : position + length]
            if not self.bus.dma_write(address, part):
                raise QueueError(f"buffer at {address:#x} lies outside RAM")
            position += len(part)
        return position

    def _walk(self, head: int) -> Chain:
        state = self.state
        table, size, index = state.descriptors, state.size, head
        chain = Chain(head, [], [])
        budget, inside = state.size, False
        totals = [0, 0]
        while True:
            if index >= size:
                raise QueueError(f"descriptor {index} of a table of {size}")
            if budget == 0:
                raise QueueError("descriptor chain is longer than the queue, or loops")
            budget -= 1
            address, length, flags, following = _DESCRIPTOR.unpack(self._read(table + 16 * index, 16))
            if flags & _INDIRECT:
                if inside or flags & _NEXT or not self.indirect:
                    raise QueueError("indirect descriptor where none may be")
                if length == 0 or length % 16:
                    raise QueueError(f"indirect table of {length} bytes, not a multiple of 16")
                table, size, index, inside = address, min(length // 16, 65536), 0, True
                continue
            writes = flags & _WRITE
            if chain.writable and not writes:
                raise QueueError("readable descriptor after a writable one")
            totals[bool(writes)] += length
            if totals[bool(writes)] > MAX_CHAIN_BYTES:
                raise QueueError(f"descriptor chain of more than {MAX_CHAIN_BYTES >> 20} MiB")
            if address + length > self.bus.memory.size:
                raise QueueError(f"buffer at {address:#x} of {length} bytes lies outside RAM")
            (chain.writable if writes else chain.readable).append((address, length))
            if not flags & _NEXT:
                return chain
            index = following

    def _read(self, address: int, length: int) -> bytes:
        data = self.bus.dma_read(address, length)
        if data is None:
            raise QueueError(f"{length} bytes at {address:#x} lie outside RAM")
        return data

    def _u16(self, address: int) -> int:
        return int.from_bytes(self._read(address, 2), "little")
