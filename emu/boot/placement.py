"""Where a loader may put its own tables: RAM that neither the kernel nor another table occupies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.errors import ImageError

if TYPE_CHECKING:
    from emu.machine.memory import PhysicalMemory

PAGE_SIZE = 4096

#: Conventional memory ends here; above are the ranges of video memory and firmware on a PC.
LOW_END, HIGH_START = 0x9FC00, 0x100000

RAM, RESERVED = 1, 2


class Placement:
    """Hands out free ranges of `memory` around those in `taken` ((address, size) pairs)."""

    def __init__(self, memory: PhysicalMemory, taken: list[tuple[int, int]]) -> None:
        self.memory = memory
        self.taken = list(taken)

    def low(self, size: int, what: str) -> int:
        """`size` bytes, 16-byte aligned, below 640 KiB and above the first page, else right above all
        that is taken."""
        return self._take(0x1000, min(LOW_END, self.memory.size), size, 16) or self.above(size, what, 16)

    def above(self, size: int, what: str, align: int = PAGE_SIZE) -> int:
        """`size` bytes above everything taken so far and above 1 MiB."""
        start = max([HIGH_START, *(address + length for address, length in self.taken)])
        return self._take(start, self.memory.size, size, align) or self._fail(size, what)

    def top(self, size: int, what: str) -> int:
        """`size` bytes, page aligned, as high in RAM as is free."""
        limit = self.memory.size
        for address, length in sorted(self.taken, reverse=True):
            start = limit - size & ~(PAGE_SIZE - 1)
            if start >= address + length:
                break
            limit = min(limit, address)
        start = limit - size & ~(PAGE_SIZE - 1)
        if start < HIGH_START or self._overlap(start, size) is not None:
            self._fail(size, what)
        self.taken.append((start, size))
        return start

    def _take(self, start: int, limit: int, size: int, align: int) -> int:
        start = -(-start // align) * align
        while start + size <= limit:
            blocker = self._overlap(start, size)
            if blocker is None:
                self.taken.append((start, size))
                return start
            start = -(-blocker // align) * align
        return 0

    def _overlap(self, start: int, size: int) -> int | None:
        """The end of a taken range that overlaps, or None."""
        for address, length in self.taken:
            if start < address + length and address < start + size:
                return address + length
        return None

    def _fail(self, size: int, what: str) -> int:
        raise ImageError(f"no room in RAM for {what} ({size} bytes) beside the kernel", "give the machine more memory")


def memory_map(memory: PhysicalMemory) -> list[tuple[int, int, int]]:
    """(address, size, type) as firmware reports it: the range from 639 KiB to 1 MiB is reserved, so
    that kernels find a PC's map, although it is RAM here."""
    entries = [(0, min(LOW_END, memory.size), RAM)]
    if memory.size > HIGH_START:
        entries += [(LOW_END, HIGH_START - LOW_END, RESERVED), (HIGH_START, memory.size - HIGH_START, RAM)]
    return entries


def command_line_bytes(text: str) -> bytes:
    """A command line as the kernel reads it: NUL-terminated UTF-8."""
    if "\0" in text:
        raise ImageError("the kernel command line contains a NUL character", "leave it out")
    return text.encode("utf-8", "surrogateescape") + b"\0"
