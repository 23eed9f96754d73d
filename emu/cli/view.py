"""Looking at a machine without disturbing it: linear memory, disassembly, symbols, where it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emu.boot.flat import REGISTERS
from emu.errors import RingzeroError
from emu.guest.symbols import Symbols
from emu.machine.linear import NotMapped, read

if TYPE_CHECKING:
    from emu.machine.machine import Machine

_CS = 1
_MASK64 = (1 << 64) - 1
_LMA = 1 << 10

__all__ = ["Disassembler", "Line", "NotMapped", "Symbols", "code_bits", "linear_rip", "read", "resolve"]


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
