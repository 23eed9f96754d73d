"""The few operations with two implementations: these are the Python twins, `cext/primitives.pxi` holds the others.

`tests/engines/test_primitives.py` drives both with the same values.
"""

from emu.isa.language import MASK64, signed


def umul_high(a, b):
    """Upper 64 bits of the unsigned 128-bit product of two u64."""
    return (a * b) >> 64


def imul_high(a, b):
    """Upper 64 bits, as a u64, of the signed 128-bit product of two u64 read as signed."""
    return ((signed(a, 64) * signed(b, 64)) >> 64) & MASK64


def udiv128(high, low, divisor):
    """Quotient of (high:low) / divisor, unsigned; the caller has checked high < divisor."""
    return ((high << 64) | low) // divisor


def urem128(high, low, divisor):
    """Remainder of the same division."""
    return ((high << 64) | low) % divisor


def popcount(value):
    """Number of one bits of a u64."""
    return value.bit_count()


def trailing_zeros(value):
    """Number of the lowest one bit, 0 to 63; `value` is not 0."""
    return (value & -value).bit_length() - 1


def leading_bit(value):
    """Number of the highest one bit, 0 to 63; `value` is not 0."""
    return value.bit_length() - 1
