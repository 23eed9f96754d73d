"""The six status flags, kept lazily: two operands and how they combine, worked out only when somebody asks.

`cc_kind` is one of the kinds below plus (64 - operand width) << 8; operands and results are held shifted up so that
their sign is bit 63: then every condition after a subtraction, comparison or logical operation is one compare.
"""

from emu.isa.language import AF, CF, MASK64, OF, PF, STATUS_FLAGS, ZF, signed

CC_SUB = 0       # x - y; logical results use it with y = 0 (no carry, no overflow, AF 0)
CC_ADD = 1       # x + y
CC_RESULT = 2    # ZF SF PF from the result x; CF AF OF are the bits of y
CC_FLAGS = 3     # all six are the bits of y


def flags_add(cpu, a, b, result, width):
    """All six flags of a + b = result at `width` bits (APM vol. 1, 3.1.4)."""
    cpu.cc_x = (a << (64 - width)) & MASK64
    cpu.cc_y = (b << (64 - width)) & MASK64
    cpu.cc_kind = CC_ADD + ((64 - width) << 8)


def flags_sub(cpu, a, b, result, width):
    """All six flags of a - b = result."""
    cpu.cc_x = (a << (64 - width)) & MASK64
    cpu.cc_y = (b << (64 - width)) & MASK64
    cpu.cc_kind = CC_SUB + ((64 - width) << 8)


def flags_logic(cpu, result, width):
    """SF ZF PF of the result; CF, OF and (undefined in the manual) AF are 0."""
    cpu.cc_x = (result << (64 - width)) & MASK64
    cpu.cc_y = 0
    cpu.cc_kind = CC_SUB + ((64 - width) << 8)


def flags_result(cpu, result, bits, width):
    """SF ZF PF of the result; CF AF OF as in `bits`, at their places in RFLAGS."""
    cpu.cc_x = (result << (64 - width)) & MASK64
    cpu.cc_y = bits
    cpu.cc_kind = CC_RESULT + ((64 - width) << 8)


def flags_set(cpu, bits):
    """All six status flags from `bits`, at their places in RFLAGS; other bits of it are ignored."""
    cpu.cc_y = bits
    cpu.cc_kind = CC_FLAGS


def flags_replace(cpu, bits, which):
    """The flags of `which` become those of `bits` (at their places in RFLAGS); `which` may hold CF, AF and OF."""
    if cpu.cc_kind & 0xFF >= CC_RESULT:
        cpu.cc_y = (cpu.cc_y & ~which) | bits
    else:
        cpu.cc_y = (cpu.status() & ~which) | bits
        cpu.cc_kind = CC_FLAGS


def carry(cpu):
    """CF, 0 or 1."""
    kind = cpu.cc_kind & 0xFF
    if kind == CC_SUB:
        return 1 if cpu.cc_x < cpu.cc_y else 0
    if kind == CC_ADD:
        return 1 if ((cpu.cc_x + cpu.cc_y) & MASK64) < cpu.cc_x else 0
    return cpu.cc_y & 1


def zero(cpu):
    """ZF, 0 or 1."""
    kind = cpu.cc_kind & 0xFF
    if kind == CC_SUB:
        return 1 if cpu.cc_x == cpu.cc_y else 0
    if kind == CC_ADD:
        return 1 if ((cpu.cc_x + cpu.cc_y) & MASK64) == 0 else 0
    if kind == CC_RESULT:
        return 1 if cpu.cc_x == 0 else 0
    return (cpu.cc_y >> 6) & 1


def sign(cpu):
    """SF, 0 or 1."""
    kind = cpu.cc_kind & 0xFF
    if kind == CC_SUB:
        return ((cpu.cc_x - cpu.cc_y) & MASK64) >> 63
    if kind == CC_ADD:
        return ((cpu.cc_x + cpu.cc_y) & MASK64) >> 63
    if kind == CC_RESULT:
        return cpu.cc_x >> 63
    return (cpu.cc_y >> 7) & 1


def overflow(cpu):
    """OF, 0 or 1."""
    kind = cpu.cc_kind & 0xFF
    if kind == CC_SUB:
        result = (cpu.cc_x - cpu.cc_y) & MASK64
        return ((cpu.cc_x ^ cpu.cc_y) & (cpu.cc_x ^ result)) >> 63
    if kind == CC_ADD:
        result = (cpu.cc_x + cpu.cc_y) & MASK64
        return ((cpu.cc_x ^ result) & (cpu.cc_y ^ result)) >> 63
    return (cpu.cc_y >> 11) & 1


def status(cpu):
    """All six status flags at their places in RFLAGS."""
    kind = cpu.cc_kind & 0xFF
    if kind == CC_FLAGS:
        return cpu.cc_y & STATUS_FLAGS
    shift = cpu.cc_kind >> 8
    x = cpu.cc_x
    y = cpu.cc_y
    if kind == CC_SUB:
        result = (x - y) & MASK64
        bits = (CF if x < y else 0) | ((((x ^ y) & (x ^ result)) >> 63) << 11)
        bits = bits | (((x ^ y ^ result) >> shift) & AF)
    elif kind == CC_ADD:
        result = (x + y) & MASK64
        bits = (CF if result < x else 0) | ((((x ^ result) & (y ^ result)) >> 63) << 11)
        bits = bits | (((x ^ y ^ result) >> shift) & AF)
    else:
        result = x
        bits = y & (CF | AF | OF)
    if result == 0:
        bits = bits | ZF
    bits = bits | ((result >> 63) << 7)
    low = (result >> shift) & 0xFF
    low = low ^ (low >> 4)
    if (0x9669 >> (low & 15)) & 1:
        bits = bits | PF
    return bits


def condition_of_difference(cpu, code):
    """Condition pair `code` >> 1 after a subtraction, straight from its operands."""
    pair = code >> 1
    if pair == 1:
        return 1 if cpu.cc_x < cpu.cc_y else 0
    if pair == 2:
        return 1 if cpu.cc_x == cpu.cc_y else 0
    if pair == 3:
        return 1 if cpu.cc_x <= cpu.cc_y else 0
    if pair == 6:
        return 1 if signed(cpu.cc_x, 64) < signed(cpu.cc_y, 64) else 0
    if pair == 7:
        return 1 if signed(cpu.cc_x, 64) <= signed(cpu.cc_y, 64) else 0
    if pair == 4:
        return ((cpu.cc_x - cpu.cc_y) & MASK64) >> 63
    if pair == 0:
        return cpu.overflow()
    return (cpu.status() >> 2) & 1


def condition(cpu, code):
    """Condition `code` (0 to 15) of Jcc, SETcc and CMOVcc (APM vol. 3, appendix A, "Condition codes"): 0 or 1."""
    if cpu.cc_kind & 0xFF == CC_SUB:
        return cpu.condition_of_difference(code) ^ (code & 1)
    pair = code >> 1
    if pair == 0:
        value = cpu.overflow()
    elif pair == 1:
        value = cpu.carry()
    elif pair == 2:
        value = cpu.zero()
    elif pair == 3:
        value = cpu.carry() | cpu.zero()
    elif pair == 4:
        value = cpu.sign()
    elif pair == 5:
        value = (cpu.status() >> 2) & 1
    elif pair == 6:
        value = cpu.sign() ^ cpu.overflow()
    else:
        value = (cpu.sign() ^ cpu.overflow()) | cpu.zero()
    return value ^ (code & 1)


def read_flags(cpu):
    """The whole RFLAGS."""
    return cpu.flags | cpu.status()


def write_flags(cpu, value):
    """Set the whole RFLAGS; the caller has applied privilege and reserved bits. Bit 1 reads as one."""
    cpu.cc_y = value & STATUS_FLAGS
    cpu.cc_kind = CC_FLAGS
    changed = cpu.flags ^ value
    cpu.flags = (value & ~STATUS_FLAGS & 0x3F7FD5) | 2
    if changed & 0x40000:
        cpu.update_mode()
