"""The Multiboot 1 protocol: header search, load, information structure.

Multiboot Specification 0.6.96. ELF files (32 or 64 bit, entered in 32-bit mode) and the "a.out kludge"
of header flag 16.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emu.boot.cpu_state import CpuState, protected_mode
from emu.boot.elf import ElfImage, Segment, parse
from emu.boot.placement import LOW_END, Placement, command_line_bytes, memory_map
from emu.errors import ImageError

if TYPE_CHECKING:
    from emu.machine.memory import PhysicalMemory

_HEADER_MAGIC, _LOADER_MAGIC = 0x1BADB002, 0x2BADB002
_SEARCH = 8192
_VIDEO, _ADDRESSES = 1 << 2, 1 << 16
_UNDERSTOOD = 0b011
_INFO_SIZE = 88


@dataclass(frozen=True, slots=True)
class Header:
    """`offset` in the file; `addresses` are header, load, load end, bss end and entry address, with flag 16."""

    offset: int
    flags: int
    addresses: tuple[int, int, int, int, int] | None


def find_header(data: bytes) -> Header | None:
    """The header: 4-byte aligned in the first 8192 bytes, with a right checksum; or None."""
    for offset in range(0, min(len(data), _SEARCH) - 11, 4):
        magic, flags, checksum = struct.unpack_from("<III", data, offset)
        if magic == _HEADER_MAGIC and magic + flags + checksum & 0xFFFF_FFFF == 0:
            addresses = None
            if flags & _ADDRESSES:
                if offset + 32 > len(data):
                    return None
                addresses = struct.unpack_from("<IIIII", data, offset + 12)
            return Header(offset, flags, addresses)
    return None


def load(memory: PhysicalMemory, data: bytes, command_line: str = "",
         modules: Sequence[tuple[bytes, str]] = (), name: str = "the kernel") -> CpuState:
    """Load the kernel file `data` with its `command_line` and `modules` ((contents, command line) each,
    page aligned above the kernel). Raises `ImageError` when it has no header, asks for what is not
    there (a required flag; video is ignored), is damaged or does not fit in RAM."""
    header = find_header(data)
    if header is None:
        raise ImageError(f"{name} has no multiboot header in its first 8192 bytes", "build it with one")
    unknown = header.flags & 0xFFFF & ~_UNDERSTOOD & ~_VIDEO
    if unknown:
        raise ImageError(f"{name} requires multiboot features that don't exist here (flags {unknown:#x})",
                         "build it without them")
    image = _kludge(header, data, name) if header.addresses else parse(data, name)
    if image.entry >> 32:
        raise ImageError(f"the entry point {image.entry:#x} of {name} is above 4 GiB", "multiboot enters in 32-bit mode")
    image.load(memory)

    place = Placement(memory, [(segment.paddr, segment.size) for segment in image.segments])
    records = b""
    for contents, arguments in modules:
        at = place.above(max(len(contents), 1), "a module")
        memory.write(at, contents)
        words = command_line_bytes(arguments)
        words_at = place.low(len(words), "a module's command line")
        memory.write(words_at, words)
        records += struct.pack("<IIII", at, at + len(contents), words_at, 0)
    records_at = _put(memory, place, records, "the module list")
    text_at = _put(memory, place, command_line_bytes(command_line), "the command line")
    loader_at = _put(memory, place, b"ringzero\0", "the loader's name")
    # Each entry is preceded by its size, which does not count itself.
    table = b"".join(struct.pack("<IQQI", 20, *entry) for entry in memory_map(memory))
    table_at = _put(memory, place, table, "the memory map")

    info = bytearray(_INFO_SIZE)
    flags = 1 << 0 | 1 << 2 | 1 << 3 | 1 << 6 | 1 << 9
    struct.pack_into("<III", info, 0, flags, LOW_END >> 10, max(0, memory.size - 0x100000) >> 10)
    struct.pack_into("<III", info, 16, text_at, len(modules), records_at)
    struct.pack_into("<II", info, 44, len(table), table_at)
    struct.pack_into("<I", info, 64, loader_at)
    info_at = _put(memory, place, bytes(info), "the multiboot information")
    return protected_mode(image.entry, eax=_LOADER_MAGIC, ebx=info_at)


def _put(memory: PhysicalMemory, place: Placement, data: bytes, what: str) -> int:
    if not data:
        return 0
    at = place.low(len(data), what)
    memory.write(at, data)
    return at


def _kludge(header: Header, data: bytes, name: str) -> ElfImage:
    """The image that the header's address fields describe (specification 3.1.3)."""
    header_at, start, end, bss_end, entry = header.addresses
    offset = header.offset - (header_at - start)
    length = end - start if end else len(data) - offset
    if start > header_at or offset < 0 or length <= 0 or offset + length > len(data):
        raise ImageError(f"the address fields in the multiboot header of {name} don't fit the file", "relink it")
    size = max(length, bss_end - start if bss_end else 0)
    return ElfImage(32, entry, [Segment(start, start, size, data[offset : offset + length])], [])
