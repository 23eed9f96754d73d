"""The names of a kernel file's functions and objects."""

from __future__ import annotations

import bisect
from io import BytesIO

from emu.machine.linear import PAGE


class Symbols:
    """Names of an ELF file's functions and objects, by address and by name; empty for other files."""

    def __init__(self, data: bytes = b"") -> None:
        self.by_name: dict[str, int] = {}
        entries = []
        for name, kind, address, size in _symbol_table(data):
            self.by_name.setdefault(name, address)
            if kind != "STT_OBJECT":
                entries.append((address, size, name))
        entries.sort()
        self._starts = [entry[0] for entry in entries]
        self._entries = entries

    def at(self, address: int) -> str:
        """`name+0x12` of the function that holds `address`, or nothing."""
        index = bisect.bisect_right(self._starts, address) - 1
        if index < 0:
            return ""
        start, size, name = self._entries[index]
        offset = address - start
        if offset >= max(size, 1) and not (size == 0 and offset < PAGE):
            return ""
        return f"{name}+{offset:#x}" if offset else name


def _symbol_table(data: bytes) -> list[tuple[str, str, int, int]]:
    """(name, type, address, size) of an ELF file's symbols; nothing if it has none or they can't be read."""
    if data[:4] != b"\x7fELF":
        return []
    from elftools.elf.elffile import ELFFile

    try:
        table = ELFFile(BytesIO(data)).get_section_by_name(".symtab")
        symbols = [(symbol.name, symbol["st_info"]["type"], symbol["st_value"], symbol["st_size"])
                   for symbol in (table.iter_symbols() if table else ())]
    except Exception:  # a file cut behind its segments still runs, only without names
        return []
    return [item for item in symbols if item[0] and item[1] in ("STT_FUNC", "STT_OBJECT", "STT_NOTYPE") and item[2]]
