"""Bytes and operand values for every SSE, SSE2 and MMX encoding, drawn from the registry: what the tests feed to
engines, to the host's processor and to Unicorn alike."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass

from emu.isa.registry import Encoding, all_encodings

FAMILIES = ("sse_move", "sse_integer", "sse_float", "sse_convert", "mmx", "mmx_move")
PREFIX = {-1: b"", 0: b"", 1: b"\x66", 2: b"\xf3", 3: b"\xf2"}
RSI = 6

SINGLES = (0, 0x80000000, 0x3F800000, 0xBF800000, 0x40490FDB, 0x7F800000, 0xFF800000, 0x7FC00001, 0xFFC12345, 0x7F800001,
           0xFFA00000, 1, 0x80000003, 0x007FFFFF, 0x00800000, 0x80800001, 0x7F7FFFFF, 0xFF7FFFFF, 0x4F000000, 0xCF000000,
           0x4EFFFFFF, 0x5F000000, 0xDF000000, 0x3F000000, 0x3FC00000, 0x34000000, 0x20000000, 0x1F123456)
DOUBLES = (0, 1 << 63, 0x3FF0000000000000, 0xBFF0000000000000, 0x400921FB54442D18, 0x7FF0000000000000, 0xFFF0000000000000,
           0x7FF8000000000001, 0xFFF8123400000000, 0x7FF0000000000001, 0xFFF4000000000000, 1, 0x8000000000000003,
           0x000FFFFFFFFFFFFF, 0x0010000000000000, 0x8010000000000001, 0x7FEFFFFFFFFFFFFF, 0xFFEFFFFFFFFFFFFF,
           0x41E0000000000000, 0xC1E0000000000000, 0x41DFFFFFFFC00000, 0x41DFFFFFFFE00000, 0xC1E0000000100000,
           0x43E0000000000000, 0xC3E0000000000000, 0x43DFFFFFFFFFFFFF, 0x3FE0000000000000, 0x3FF8000000000000,
           0x47EFFFFFE0000000, 0x47EFFFFFF0000000, 0x3810000000000000, 0x380FFFFFFFFFFFFF, 0x36A0000000000000)


@dataclass(frozen=True, slots=True)
class Form:
    """An encoding with its operands chosen: `reg` is register 1 or 9, `rm` register 2 or 10, or memory at [RSI]."""

    encoding: Encoding
    memory: bool
    wide: bool

    @property
    def name(self) -> str:
        e = self.encoding
        return f"{e.instruction.mnemonic} {e.text}{' W' if self.wide else ''} {'mem' if self.memory else 'reg'}"

    def code(self, reg: int, rm: int, immediate: int) -> bytes:
        e = self.encoding
        rex = self.wide << 3 | (reg >> 3) << 2 | (0 if self.memory else rm >> 3)
        code = PREFIX[e.prefix] + (bytes([0x40 | rex]) if rex else b"") + b"\x0f" + bytes([e.opcode])
        if e.modrm:
            field = e.reg if e.reg >= 0 else reg & 7
            code += bytes([field << 3 | (RSI if self.memory else 0xC0 | rm & 7)])
        return code + (bytes([immediate]) if any(o.kind == "I" for o in e.operands) else b"")


def forms() -> list[Form]:
    """Every encoding of the families above in every form it has, but LDMXCSR and MASKMOV, which have tests of their own."""
    found = []
    for encoding in all_encodings():
        if encoding.instruction.family not in FAMILIES or any(o.kind == "X" for o in encoding.operands):
            continue
        if encoding.instruction.mnemonic == "LDMXCSR":
            continue
        for wide in (False, True) if any(o.size == "y" for o in encoding.operands) else (False,):
            if encoding.has_register_form:
                found.append(Form(encoding, False, wide))
            if encoding.has_memory_form:
                found.append(Form(encoding, True, wide))
    return found


def uses_mmx(encoding: Encoding) -> bool:
    """Whether it touches MM registers or x87 state."""
    return encoding.instruction.family.startswith("mmx") or any(o.kind in "PQN" for o in encoding.operands)


def vector_value(source: random.Random) -> int:
    """128 random bits, most often made of floating-point specials or small integers."""
    kind = source.randrange(6)
    if kind == 0:
        return source.getrandbits(128)
    if kind == 1:
        near = source.getrandbits(11) << 52
        return int.from_bytes(struct.pack("<2Q", *(near ^ source.getrandbits(53) ^ source.getrandbits(1) << 63
                                                   for _ in range(2))), "little")
    if kind == 2:
        near = source.getrandbits(8) << 23
        return int.from_bytes(struct.pack("<4I", *(near ^ source.getrandbits(24) ^ source.getrandbits(1) << 31
                                                   for _ in range(4))), "little")
    if kind == 3:
        return int.from_bytes(bytes(source.choice((0, 1, 0x7F, 0x80, 0xFF, 5)) for _ in range(16)), "little")
    if kind == 4:
        return int.from_bytes(struct.pack("<2Q", *(source.choice(DOUBLES) for _ in range(2))), "little")
    return int.from_bytes(struct.pack("<4I", *(source.choice(SINGLES) for _ in range(4))), "little")


def small_count(source: random.Random) -> int:
    """A shift count, seldom absurd."""
    return source.choice((0, 1, 3, 7, 8, 15, 16, 17, 31, 32, 40, 63, 64, 100, 1 << 33))
