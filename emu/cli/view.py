"""Looking at a machine without disturbing it: linear memory, disassembly, symbols, where it is."""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from emu.boot.flat import REGISTERS
from emu.errors import RingzeroError

if TYPE_CHECKING:
    from emu.machine.machine import Machine

PAGE = 4096
_CS = 1
_MASK64 = (1 << 64) - 1
_PRESENT, _LARGE, _PG, _PAE, _PSE, _LMA = 1, 0x80, 1 << 31, 1 << 5, 1 << 4, 1 << 10
_FRAME = 0x000F_FFFF_FFFF_F000


class NotMapped(RingzeroError):
    """A linear address that no page table entry maps, or that isn't RAM."""


def translate(machine: Machine, address: int) -> int:
    """The physical address of a linear one by the page tables now in use, without touching their
    accessed bits (SDM volume 3, chapter 4). Raises NotMapped."""
    get = machine.engine.get
    if not get("cr0") & _PG:
        return address & 0xFFFF_FFFF
    table, cr4 = get("cr3") & _FRAME, get("cr4")
    if get("efer") & _LMA:
        levels, entry_size, bits = (39, 30, 21, 12), 8, 9
    elif cr4 & _PAE:
        table = get("cr3") & 0xFFFF_FFE0
        levels, entry_size, bits = (30, 21, 12), 8, 9
    else:
        levels, entry_size, bits = (22, 12), 4, 10
    for shift in levels:
        at = table + (address >> shift & (1 << bits) - 1) * entry_size
        if not machine.memory.contains(at, entry_size):
            break
        entry = machine.memory.read_int(at, entry_size)
        if not entry & _PRESENT:
            break
        # 4 MiB pages need CR4.PSE; with three levels the top one has no large pages.
        large = entry & _LARGE and (shift == 21 or shift == 30 and len(levels) == 4 or shift == 22 and cr4 & _PSE)
        if shift == 12 or large:
            return entry & _FRAME & ~((1 << shift) - 1) | address & (1 << shift) - 1
        table = entry & _FRAME
    raise NotMapped(f"linear address {address:#x} is not mapped")


def read(machine: Machine, address: int, length: int) -> bytes:
    """`length` bytes at a linear address, as far as they are mapped to RAM; NotMapped if the first isn't."""
    data = b""
    while len(data) < length:
        here = address + len(data) & _MASK64
        part = min(length - len(data), PAGE - here % PAGE)
        try:
            physical = translate(machine, here)
            if not machine.memory.contains(physical, part):
                raise NotMapped(f"linear address {here:#x} is physical {physical:#x}, which is not RAM")
        except NotMapped:
            if data:
                break
            raise
        data += machine.memory.read(physical, part)
    return data


def code_bits(machine: Machine) -> int:
    """16, 32 or 64: how the code segment's instructions are decoded."""
    get = machine.engine.get
    attributes = get("seg_attr", _CS)
    if get("efer") & _LMA and attributes & 0x200:
        return 64
    return 32 if attributes & 0x400 else 16


def linear_rip(machine: Machine) -> int:
    """Linear address of the next instruction: RIP, and outside of 64-bit mode the code segment's base."""
    rip = machine.engine.get("rip")
    if code_bits(machine) == 64:
        return rip
    return rip + machine.engine.get("seg_base", _CS) & 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Line:
    """One disassembled instruction; `text` is "(bad)" where there is none."""

    address: int
    code: bytes
    text: str


class Disassembler:
    """Capstone in the mode the CPU is in."""

    def __init__(self) -> None:
        self._engines: dict = {}

    def lines(self, machine: Machine, address: int, count: int) -> list[Line]:
        """Up to `count` instructions from the linear `address` on; NotMapped if it can't be read."""
        data = read(machine, address, 15 * count)
        found, position = [], 0
        while len(found) < count and position < len(data):
            instruction = next(self._capstone(code_bits(machine)).disasm(data[position:], address + position, 1), None)
            if instruction is None:
                found.append(Line(address + position, data[position : position + 1], "(bad)"))
                position += 1
            else:
                text = f"{instruction.mnemonic} {instruction.op_str}".strip()
                found.append(Line(address + position, bytes(instruction.bytes), text))
                position += instruction.size
        return found

    def _capstone(self, bits: int):
        if bits not in self._engines:
            import capstone

            mode = {16: capstone.CS_MODE_16, 32: capstone.CS_MODE_32, 64: capstone.CS_MODE_64}[bits]
            self._engines[bits] = capstone.Cs(capstone.CS_ARCH_X86, mode)
        return self._engines[bits]


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


def resolve(machine: Machine, symbols: Symbols, text: str) -> int:
    """The address that `text` means: a number (hexadecimal with or without 0x), a register, a symbol, or
    one of them plus or minus a number (`rsp+8`, `kernel_main+0x10`). Raises RingzeroError."""
    for sign in "+-":
        left, found, right = text.rpartition(sign)
        if found and left:
            try:
                offset = int(right, 0)
            except ValueError:
                continue
            return resolve(machine, symbols, left) + (offset if sign == "+" else -offset) & _MASK64
    word = text.strip()
    if word.lower() in REGISTERS:
        return machine.engine.get("gpr", REGISTERS.index(word.lower()))
    if word.lower() == "rip":
        return machine.engine.get("rip")
    if word in symbols.by_name:
        return symbols.by_name[word]
    try:
        value = int(word, 16)
    except ValueError:
        raise RingzeroError(f"{word!r} is neither an address nor a register nor a symbol",
                            "write an address in hexadecimal, as 0x100000") from None
    return value & _MASK64
