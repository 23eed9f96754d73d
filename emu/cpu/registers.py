"""General registers by number and width, outside of operands."""

from emu.isa.language import MASK32, MASK64, i64, signed, wrap64


def read_register(cpu, number, width):
    """The low `width` bits (8, 16, 32, 64) of general register `number`; 8 means the low byte."""
    if width == 64:
        return cpu.gpr[number]
    if width == 32:
        return cpu.gpr[number] & MASK32
    if width == 16:
        return cpu.gpr[number] & 0xFFFF
    return cpu.gpr[number] & 0xFF


def write_register(cpu, number, width, value):
    """Write as an instruction does: 32 bits clear the upper half, 8 and 16 keep the rest."""
    if width == 64:
        cpu.gpr[number] = value
    elif width == 32:
        cpu.gpr[number] = value & MASK32
    elif width == 16:
        cpu.gpr[number] = (cpu.gpr[number] & 0xFFFFFFFFFFFF0000) | (value & 0xFFFF)
    else:
        cpu.gpr[number] = (cpu.gpr[number] & 0xFFFFFFFFFFFFFF00) | (value & 0xFF)


def read_address_register(cpu, number):
    """General register `number` as wide as the instruction's address size (string operations, LOOP)."""
    if cpu.addrsize == 64:
        return cpu.gpr[number]
    if cpu.addrsize == 32:
        return cpu.gpr[number] & MASK32
    return cpu.gpr[number] & 0xFFFF


def write_address_register(cpu, number, value):
    """Write general register `number` at the instruction's address size; `value` may exceed it."""
    cpu.write_register(number, cpu.addrsize, value & MASK64)


def reverse_bytes(cpu, value, width):
    """The bytes of a `width`-bit value (16, 32, 64) in the opposite order."""
    value = ((value & 0x00FF00FF00FF00FF) << 8) | ((value >> 8) & 0x00FF00FF00FF00FF)
    value = ((value & 0x0000FFFF0000FFFF) << 16) | ((value >> 16) & 0x0000FFFF0000FFFF)
    value = ((value & MASK32) << 32) | (value >> 32)
    return value >> (64 - width)


def bit_string_offset(cpu, offset, bit, width):
    """Offset of the `width`-bit word that holds bit number `bit` (signed, `width` bits) of the string at `offset`."""
    word: i64 = signed(bit, width) >> (4 if width == 16 else 5 if width == 32 else 6)
    result = wrap64(offset + wrap64(word * (2 if width == 16 else 4 if width == 32 else 8)))
    if cpu.addrsize == 64:
        return result
    return result & (MASK32 if cpu.addrsize == 32 else 0xFFFF)
