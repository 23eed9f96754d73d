"""Operands as the Python engine hands them to an instruction's meaning: one small class a kind.

All have `width` (bits), `is_memory`, `read()`, `write(value)` and `wrap(value)`; memory ones also `offset()` and
`read_at`/`write_at`, vector ones `vector()`/`write_vector()`, the numbered ones (x87, control, segment) `index`.
"""

from __future__ import annotations

from emu.cpu.vector import V128
from emu.isa.language import GP, MASK32, MASK64, Fault

NO_REGISTER = 16


class OperandBase:
    __slots__ = ()
    is_memory = False
    width = 0

    def wrap(self, value):
        return value & ((1 << self.width) - 1)


class Register64(OperandBase):
    __slots__ = ("gpr", "number")
    width = 64

    def __init__(self, cpu, number):
        self.gpr, self.number = cpu.gpr, number

    @property
    def index(self):
        return self.number

    def read(self):
        return self.gpr[self.number]

    def write(self, value):
        self.gpr[self.number] = value

    def wrap(self, value):
        return value & MASK64


class Register32(Register64):
    __slots__ = ()
    width = 32

    def read(self):
        return self.gpr[self.number] & MASK32

    def wrap(self, value):
        return value & MASK32


class Register16(Register64):
    __slots__ = ()
    width = 16

    def read(self):
        return self.gpr[self.number] & 0xFFFF

    def write(self, value):
        self.gpr[self.number] = self.gpr[self.number] & 0xFFFFFFFFFFFF0000 | value

    def wrap(self, value):
        return value & 0xFFFF


class Register8(Register64):
    __slots__ = ()
    width = 8

    def read(self):
        return self.gpr[self.number] & 0xFF

    def write(self, value):
        self.gpr[self.number] = self.gpr[self.number] & 0xFFFFFFFFFFFFFF00 | value

    def wrap(self, value):
        return value & 0xFF


class Register8High(Register8):
    """AH CH DH BH: bits 15..8 of the first four."""

    __slots__ = ()

    def read(self):
        return self.gpr[self.number] >> 8 & 0xFF

    def write(self, value):
        self.gpr[self.number] = self.gpr[self.number] & 0xFFFFFFFFFFFF00FF | value << 8


def general_register(cpu, number, width, rex):
    """The operand for general register `number` at `width`; without REX, 8-bit numbers 4 to 7 are AH CH DH BH."""
    if width == 8 and not rex and 4 <= number < 8:
        return Register8High(cpu, number - 4)
    return {64: Register64, 32: Register32, 16: Register16, 8: Register8}[width](cpu, number)


class Immediate(OperandBase):
    __slots__ = ("value", "width", "other")

    def __init__(self, value, width, other=0):
        self.value, self.width, self.other = value, width, other

    def read(self):
        return self.value

    def second(self):
        """The selector of a far pointer."""
        return self.other


class Numbered(OperandBase):
    """An operand whose number is all there is: segment, control, debug and x87 registers."""

    __slots__ = ("index", "width")

    def __init__(self, index, width):
        self.index, self.width = index, width


class StringOperand(OperandBase):
    """The memory operand of a string instruction; `segment` is DS or its override for a source, ES for a target."""

    __slots__ = ("segment", "width")

    def __init__(self, segment, width):
        self.segment, self.width = segment, width


class MmxRegister(OperandBase):
    __slots__ = ("cpu", "number")
    width = 64

    def __init__(self, cpu, number):
        self.cpu, self.number = cpu, number & 7

    def read(self):
        return self.cpu.fpr_mantissa[self.number]

    def write(self, value):
        self.cpu.fpr_mantissa[self.number] = value
        self.cpu.fpr_exponent[self.number] = 0xFFFF


class VectorRegister(OperandBase):
    """An XMM register; `width` is how much of it `read` and `write` touch, the rest stays."""

    __slots__ = ("xmm", "number", "width")

    def __init__(self, cpu, number, width):
        self.xmm, self.number, self.width = cpu.xmm, number, width

    def read(self):
        return int(self.xmm[self.number]) & ((1 << self.width) - 1)

    def write(self, value):
        size = self.width >> 3
        self.xmm[self.number].data[:size] = value.to_bytes(size, "little")

    def vector(self):
        return self.xmm[self.number].copy()

    def write_vector(self, value):
        self.xmm[self.number].data[:] = value.data


class Memory(OperandBase):
    """A memory operand: seg:[base + index * scale + displacement] at the instruction's address size."""

    __slots__ = ("cpu", "segment", "base", "index", "scale", "displacement", "mask", "width", "aligned", "pages")
    is_memory = True

    def __init__(self, cpu, d, width, aligned=False):
        self.cpu, self.segment, self.width, self.aligned = cpu, d.segment, width, aligned
        self.base, self.index, self.scale = d.base, d.index, d.scale
        self.mask = (1 << d.addrsize) - 1
        self.displacement = d.displacement

    def offset(self):
        """Effective address, before the segment's base is added."""
        gpr = self.cpu.gpr
        value = self.displacement
        if self.base != NO_REGISTER:
            value += gpr[self.base]
        if self.index != NO_REGISTER:
            value += gpr[self.index] << self.scale
        return value & self.mask

    def read(self):
        return self.cpu.read_memory(self.segment, self.offset(), self.width)

    def write(self, value):
        self.cpu.write_memory(self.segment, self.offset(), self.width, value)

    def read_at(self, delta, width):
        return self.cpu.read_memory(self.segment, (self.offset() + delta) & self.mask, width)

    def write_at(self, delta, width, value):
        self.cpu.write_memory(self.segment, (self.offset() + delta) & self.mask, width, value)

    def probe(self, size, access):
        self.cpu.probe_memory(self.segment, self.offset(), size, access)

    def _vector_address(self, access):
        la = self.cpu.linear_address(self.segment, self.offset(), 16, access)
        if self.aligned and la & 15:
            raise Fault(GP, 0)
        return la

    def vector(self):
        cpu = self.cpu
        la = self._vector_address(0)
        cpu.probe_linear(la, 16, 0)
        return V128(cpu.read_linear(la, 64), cpu.read_linear((la + 8) & MASK64, 64))

    def write_vector(self, value):
        cpu = self.cpu
        la = self._vector_address(2)
        cpu.probe_linear(la, 16, 2)
        low, high = value.u64[0], value.u64[1]
        cpu.write_linear(la, 64, low)
        cpu.write_linear((la + 8) & MASK64, 64, high)


class MemoryToChange(Memory):
    """A memory operand that is read and then written: the read faults as the write would."""

    __slots__ = ()

    def read(self):
        return self.cpu.read_memory_to_write(self.segment, self.offset(), self.width)
