"""Guest RAM: one lazily zeroed mapping, and the page flags by which engines hear of changed code."""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable

from emu.errors import ConfigurationError, MemoryRangeError

PAGE_SIZE = 4096

#: `page_flags` bit 0: an engine holds code decoded from this page.
CODE = 1

#: `page_flags` bit 1: not written since the journal began; who writes first keeps the page (`keep`).
CLEAN = 2

#: RAM is contiguous from address 0 and ends below the board's device windows.
MAX_MEMORY = 0xC000_0000

#: The smallest machine: the first megabyte, where boards and loaders put their tables.
MIN_MEMORY = 1 << 20

_UNITS = {"": 1, "B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"\s*([+-]?\d+(?:\.\d+)?)\s*([BKMGT]?)(?:I?B)?\s*", re.IGNORECASE | re.ASCII)


def parse_memory_size(size: str | int) -> int:
    """RAM size in bytes from `134217728`, `"128M"`, `"1G"`, `"0.5g"`, `"65536K"` or `"128 MiB"`.

    Raises `ConfigurationError` unless it is a whole number of 4 KiB pages from 1 MiB to 3 GiB.
    """
    hint = 'give a size between "1M" and "3G", such as "128M"'
    if isinstance(size, bool) or not isinstance(size, (int, str)):
        raise ConfigurationError(f"memory size must be a number of bytes or text, not {size!r}", hint)
    if isinstance(size, str):
        match = _SIZE.fullmatch(size) if len(size) <= 64 else None
        if match is None:
            raise ConfigurationError(f"memory size {size[:64]!r} is not a number with an optional K, M or G", hint)
        number, scale = match[1], _UNITS[match[2].upper()]
        value = float(number) * scale if "." in number else int(number) * scale
    else:
        value = size
    shown = size.strip() if isinstance(size, str) else (size if abs(size) < 10**20 else "given")
    if value <= 0:
        raise ConfigurationError(f"memory size {shown} is not positive", hint)
    if value < MIN_MEMORY:
        raise ConfigurationError(f"memory size {shown} is less than 1 MiB, too small to load anything", hint)
    if value > MAX_MEMORY:
        raise ConfigurationError(f"memory size {shown} is more than 3 GiB, above which the board's devices begin", hint)
    if value != int(value) or int(value) % PAGE_SIZE:
        raise ConfigurationError(f"memory size {shown} is not a multiple of 4096 bytes (one page)", hint)
    return int(value)


_NOW_CLEAN = bytes(flags | CLEAN for flags in range(256))


class PhysicalMemory:
    """RAM at physical addresses 0 to `size` - 1.

    `buffer` is the mapping itself, for engines; who writes to it directly also does what `write` does
    about code pages and clean ones. `shadow` has, at their own offsets, the kept pages, and `journal` (32-bit
    words) their count and then their numbers in order of their first writes. `size` must be a positive multiple of 4096 (`ConfigurationError`).
    """

    __slots__ = ("size", "buffer", "page_flags", "on_code_write", "shadow", "journal")

    def __init__(self, size: int) -> None:
        if size <= 0 or size % PAGE_SIZE:
            raise ConfigurationError(f"memory size {size} is not a positive multiple of 4096 bytes")
        self.size = size
        # Private and unreserved: reading an untouched page must not cost the host a page.
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0)
        try:
            self.buffer = mmap.mmap(-1, size, flags=flags)
            self.shadow = mmap.mmap(-1, size, flags=flags)
            self.journal = mmap.mmap(-1, 4 * (size // PAGE_SIZE + 1), flags=flags)
        except (OSError, OverflowError, ValueError) as error:
            raise ConfigurationError(
                f"the host can't give the guest {size >> 20} MiB of memory ({error})", "choose a smaller memory size"
            ) from None
        self.page_flags = bytearray(size // PAGE_SIZE)
        self.on_code_write: Callable[[int], None] | None = None

    def contains(self, pa: int, length: int) -> bool:
        """True when all `length` bytes at `pa` are RAM."""
        return 0 <= pa and 0 <= length and pa + length <= self.size

    def read(self, pa: int, length: int) -> bytes:
        """`length` bytes at physical address `pa`; `MemoryRangeError` unless all of them are RAM."""
        end = pa + length
        if pa < 0 or length < 0 or end > self.size:
            raise self._range_error("read", pa, length)
        return self.buffer[pa:end]

    def write(self, pa: int, data: bytes | bytearray | memoryview) -> None:
        """Store `data` at `pa` and tell the engine of each code page touched; `MemoryRangeError`
        (with nothing stored) unless all of it lands in RAM."""
        end = pa + len(data)
        if pa < 0 or end > self.size:
            raise self._range_error("write", pa, len(data))
        if end == pa:
            return
        first, last = pa >> 12, (end - 1) >> 12
        flags = self.page_flags
        for page in range(first, last + 1):
            if flags[page] & CLEAN:
                self.keep(page)
        self.buffer[pa:end] = bytes(data) if isinstance(data, memoryview) else data
        if first == last:
            if flags[first] & CODE and self.on_code_write is not None:
                self.on_code_write(first)
        elif self.on_code_write is not None and any(flags[first : last + 1]):
            for page in range(first, last + 1):
                if flags[page] & CODE:
                    self.on_code_write(page)

    def begin_journal(self) -> None:
        """From now on keep each page before its first write. The engine must forget what it knows to be writable."""
        self.page_flags[:] = self.page_flags.translate(_NOW_CLEAN)
        self.journal[0:4] = bytes(4)

    def keep(self, page: int) -> None:
        """Keep clean page number `page` before it is written."""
        start = page << 12
        self.shadow[start : start + PAGE_SIZE] = self.buffer[start : start + PAGE_SIZE]
        count = int.from_bytes(self.journal[0:4], "little") + 1
        self.journal[0:4] = count.to_bytes(4, "little")
        self.journal[4 * count : 4 * count + 4] = page.to_bytes(4, "little")
        self.page_flags[page] &= ~CLEAN

    def dirty(self) -> list[int]:
        """Numbers of the pages written since the journal began, in order of their first writes."""
        count = int.from_bytes(self.journal[0:4], "little")
        return list(memoryview(self.journal)[4 : 4 + 4 * count].cast("I"))

    def is_dirty(self, page: int) -> bool:
        """Has page number `page` been written since the journal began?"""
        return not self.page_flags[page] & CLEAN

    def exchange(self, page: int, contents: bytes) -> bytes:
        """Put `contents` (4096 bytes) into page number `page`, unseen by the journal; returns what it held."""
        start = page << 12
        before = self.buffer[start : start + PAGE_SIZE]
        self.buffer[start : start + PAGE_SIZE] = contents
        if self.page_flags[page] & CODE and self.on_code_write is not None:
            self.on_code_write(page)
        return before

    def rewind(self) -> None:
        """Give every page written since the journal began its contents of then; the journal begins anew."""
        for page in self.dirty():
            self.exchange(page, self.shadow[page << 12 : (page << 12) + PAGE_SIZE])
            self.page_flags[page] |= CLEAN
        self.journal[0:4] = bytes(4)

    def read_int(self, pa: int, width: int) -> int:
        """Little-endian unsigned integer of `width` bytes at `pa`."""
        return int.from_bytes(self.read(pa, width), "little")

    def write_int(self, pa: int, width: int, value: int) -> None:
        """Store `value` modulo 2^(8*width) at `pa`, little-endian."""
        self.write(pa, (value & ((1 << 8 * width) - 1)).to_bytes(width, "little"))

    def _range_error(self, verb: str, pa: int, length: int) -> MemoryRangeError:
        where = f"{pa:#x}" if -(1 << 70) < pa < 1 << 70 else "an absurd address"
        return MemoryRangeError(
            f"can't {verb} {length} bytes at physical address {where}: RAM ends at {self.size:#x}",
            "use an address inside RAM or give the machine more memory",
        )
