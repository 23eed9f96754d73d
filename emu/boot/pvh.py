"""The PVH boot protocol: a 32-bit entry point named by an ELF note, and `hvm_start_info`.

Xen's docs/misc/pvh.pandoc and public/arch-x86/hvm/start_info.h. QEMU boots `-kernel` files with this
note in the same way.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

from emu.boot.cpu_state import CpuState, protected_mode
from emu.boot.elf import ElfImage
from emu.boot.placement import Placement, command_line_bytes, memory_map
from emu.errors import ImageError

if TYPE_CHECKING:
    from emu.machine.memory import PhysicalMemory

_PHYS32_ENTRY = 18
_MAGIC = 0x336EC578
_START_INFO = struct.Struct("<IIIIQQQQII")
_MODULE = struct.Struct("<QQQQ")
_MAP_ENTRY = struct.Struct("<QQII")


def entry_point(image: ElfImage) -> int | None:
    """The physical address of the 32-bit entry (note XEN_ELFNOTE_PHYS32_ENTRY), or None."""
    for owner, kind, contents in image.notes:
        if owner == "Xen" and kind == _PHYS32_ENTRY and len(contents) in (4, 8):
            return int.from_bytes(contents, "little")
    return None


def load(memory: PhysicalMemory, image: ElfImage, command_line: str = "",
         modules: Sequence[tuple[bytes, str]] = (), name: str = "the kernel") -> CpuState:
    """Load `image` with its `command_line` and `modules` ((contents, command line) each).

    Modules lie page aligned at the top of RAM, the first one highest. Raises `ImageError` without a PVH note, with an entry
    outside the segments, or when something does not fit in RAM.
    """
    entry = entry_point(image)
    if entry is None:
        raise ImageError(f"{name} has no PVH entry note (Xen note type 18)",
                         "build the kernel with one (Linux: CONFIG_PVH=y), or use multiboot")
    if not any(segment.paddr <= entry < segment.paddr + segment.size for segment in image.segments):
        raise ImageError(f"the PVH entry point {entry:#x} of {name} lies in none of its segments", "relink it")
    image.load(memory)
    place = Placement(memory, [(segment.paddr, segment.size) for segment in image.segments])
    text = command_line_bytes(command_line)
    text_at = place.low(len(text), "the command line")
    memory.write(text_at, text)

    records = b""
    for contents, arguments in modules:
        at = place.top(max(len(contents), 1), "a module")
        memory.write(at, contents)
        words = command_line_bytes(arguments)
        words_at = place.low(len(words), "a module's command line")
        memory.write(words_at, words)
        records += _MODULE.pack(at, len(contents), words_at, 0)
    modules_at = place.low(len(records), "the module list") if records else 0
    if records:
        memory.write(modules_at, records)

    entries = memory_map(memory)
    table = b"".join(_MAP_ENTRY.pack(address, size, kind, 0) for address, size, kind in entries)
    table_at = place.low(len(table), "the memory map")
    memory.write(table_at, table)
    info_at = place.low(_START_INFO.size, "the start info")
    memory.write(info_at, _START_INFO.pack(_MAGIC, 1, 0, len(modules), modules_at, text_at, 0,
                                           table_at, len(entries), 0))
    return protected_mode(entry, ebx=info_at)
