"""IEEE 754 arithmetic as x86 does it, in exact integers: the Python twin of the host's floating point.

Generic over the three formats F32, F64 and F80 (x87 extended, 80 bits with an explicit integer bit). A value is a bit
pattern in an int; a `Context` says how to round and collects the exception flags. The flags have the places they have
in MXCSR and in the x87 status word (APM vol. 1, 4.10 and 6.8): IE DE ZE OE UE PE.

Every operation computes the exact result as sign * significand * 2**exponent with an unbounded significand (division
and square root append a sticky bit) and rounds once in `round_and_pack`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import NamedTuple

IE, DE, ZE, OE, UE, PE = 1, 2, 4, 8, 16, 32

# Rounding control as MXCSR.RC and the x87 control word encode it.
NEAREST, DOWN, UP, ZERO = range(4)

# What a bit pattern is. UNSUPPORTED: an F80 pattern that modern processors refuse (unnormal, pseudo-NaN ...).
NIL, FINITE, INFINITE, QNAN, SNAN, UNSUPPORTED = range(6)

# Results of compare().
LESS, EQUAL, GREATER, UNORDERED = range(4)

STICKY_ROOM = 3             # bits beyond the precision that quotients and roots are computed to


@dataclass(frozen=True, slots=True)
class Format:
    """A floating-point format: significand bits (with the integer bit), exponent bits, total bits."""

    precision: int
    exponent_bits: int
    width: int
    bias: int
    field_bits: int         # bits of the significand field: 23, 52, 64
    max_field: int          # the exponent field of infinities and NaNs
    quiet_bit: int
    sign_bit: int
    indefinite: int         # the default NaN, "real indefinite"
    infinity: int
    largest: int            # the largest finite magnitude


def _format(precision, exponent_bits, explicit):
    field_bits = precision if explicit else precision - 1
    width = 1 + exponent_bits + field_bits
    max_field = (1 << exponent_bits) - 1
    infinity = max_field << field_bits | (explicit << (precision - 1))
    quiet = 1 << (precision - 2)
    sign = 1 << (width - 1)
    largest = (max_field - 1) << field_bits | (1 << field_bits) - 1
    return Format(precision, exponent_bits, width, max_field >> 1, field_bits, max_field, quiet, sign,
                  sign | infinity | quiet, infinity, largest)


F32 = _format(24, 8, 0)
F64 = _format(53, 11, 0)
F80 = _format(64, 15, 1)


@dataclass(slots=True)
class Context:
    """How to round, and what happened.

    `precision`: significand bits to round to (x87 precision control: 24, 53, 64), 0 for the format's own.
    `masked`: the exceptions whose masks are set; it matters for underflow (a tiny exact result raises UE only when
    unmasked) and, with `rebias`, for the results of unmasked overflow and underflow, which x87 instructions store with
    their exponent wrapped by 3 * 2**(exponent bits - 2).
    `x87_nans`: of two NaNs the one of larger significand wins; otherwise, as SSE, the first operand.
    `raised` collects flags; `rounded_up` is 1 when the last rounding increased the magnitude (x87's C1).
    """

    rounding: int = NEAREST
    precision: int = 0
    daz: bool = False
    ftz: bool = False
    masked: int = 0x3F
    rebias: bool = False
    x87_nans: bool = False
    raised: int = 0
    rounded_up: int = 0


class Unpacked(NamedTuple):
    """A bit pattern taken apart: for FINITE the value is (-1)**sign * significand * 2**exponent, significand > 0."""

    kind: int
    sign: int
    exponent: int
    significand: int
    denormal: bool


def unpack(f: Format, a: int) -> Unpacked:
    """Take a bit pattern apart; raises no flags and knows nothing of DAZ."""
    sign = a >> (f.width - 1) & 1
    field = a >> f.field_bits & f.max_field
    significand = a & (1 << f.field_bits) - 1
    if f.field_bits == f.precision:             # explicit integer bit
        integer = significand >> (f.precision - 1)
        if field and not integer:
            return Unpacked(UNSUPPORTED, sign, 0, significand, False)
        fraction = significand & (1 << (f.precision - 1)) - 1
    else:
        fraction = significand
        if field:
            significand |= 1 << f.field_bits
    if field == f.max_field:
        if not fraction:
            return Unpacked(INFINITE, sign, 0, 0, False)
        return Unpacked(QNAN if fraction & f.quiet_bit else SNAN, sign, 0, significand, False)
    if not significand:
        return Unpacked(NIL, sign, 0, 0, False)
    exponent = (field or 1) - f.bias - (f.precision - 1)
    return Unpacked(FINITE, sign, exponent, significand, field == 0)


def zero(f: Format, sign: int) -> int:
    """Zero of the given sign."""
    return f.sign_bit if sign else 0


def infinity(f: Format, sign: int) -> int:
    """Infinity of the given sign."""
    return f.infinity | (f.sign_bit if sign else 0)


def invalid(f: Format, c: Context) -> int:
    """Raise IE and give the indefinite NaN."""
    c.raised |= IE
    c.rounded_up = 0
    return f.indefinite


def _increments(rounding, sign, odd, remainder, half):
    """Whether a magnitude with this (non-zero) remainder is rounded away from zero."""
    if rounding == NEAREST:
        return remainder > half or (remainder == half and odd)
    return rounding == (DOWN if sign else UP)


def _shift_round(significand, shift, rounding, sign):
    """significand / 2**shift, rounded to an integer: (value, inexact, rounded away from zero)."""
    if shift <= 0:
        return significand << -shift, False, False
    value, remainder = significand >> shift, significand & (1 << shift) - 1
    if not remainder:
        return value, False, False
    away = _increments(rounding, sign, value & 1, remainder, 1 << (shift - 1))
    return value + away, True, away


def round_and_pack(f: Format, sign: int, exponent: int, significand: int, c: Context) -> int:
    """The bit pattern of (-1)**sign * significand * 2**exponent (significand > 0), rounded once; raises OE UE PE."""
    precision = c.precision or f.precision
    c.rounded_up = 0
    top = exponent + significand.bit_length() - 1           # exponent of the leading bit
    shift = significand.bit_length() - precision
    value, inexact, away = _shift_round(significand, shift, c.rounding, sign)
    carry = value >> precision                              # rounding gave the next power of two
    least = 1 - f.bias                                      # exponent of the smallest normal number
    if top + carry < least:                                 # tiny, judged after rounding (APM vol. 1, 4.10.3)
        if not c.masked & UE:
            if not c.rebias:                                # no result is stored; PE as the host's flags show it
                c.raised |= UE | PE
                return zero(f, sign)
            c.raised |= UE | (PE if inexact else 0)
            c.rounded_up = int(away)
            return _assemble(f, sign, value, exponent + shift + 3 * (1 << (f.exponent_bits - 2)), precision)
        if c.ftz:
            c.raised |= UE | PE
            return zero(f, sign)
        shift = least - (precision - 1) - exponent
        value, inexact, away = _shift_round(significand, shift, c.rounding, sign)
        if inexact:
            c.raised |= UE | PE
            c.rounded_up = int(away)
        return _assemble(f, sign, value, exponent + shift, precision)
    if top + carry > f.bias:
        if not c.masked & OE and c.rebias:
            c.raised |= OE | (PE if inexact else 0)
            c.rounded_up = int(away)
            return _assemble(f, sign, value, exponent + shift - 3 * (1 << (f.exponent_bits - 2)), precision)
        c.raised |= OE | PE
        if c.rounding == NEAREST or c.rounding == (DOWN if sign else UP):
            c.rounded_up = 1
            return infinity(f, sign)
        unused = f.precision - precision                    # x87 precision control clears these in the largest too
        return (f.largest >> unused << unused) | zero(f, sign)
    if inexact:
        c.raised |= PE
        c.rounded_up = int(away)
    return _assemble(f, sign, value, exponent + shift, precision)


def _assemble(f, sign, value, exponent, precision):
    """Pack a significand of at most `precision` + 1 bits that fits the format exactly."""
    if not value:
        return zero(f, sign)
    if value >> precision:
        value, exponent = value >> 1, exponent + 1
    value, exponent = value << (f.precision - precision), exponent - (f.precision - precision)
    short = f.precision - value.bit_length()
    field = exponent + f.precision - 1 + f.bias
    if short and field > 1:                                 # normal numbers have their leading bit in place
        step = min(short, field - 1)
        value, field = value << step, field - step
    if not value >> (f.precision - 1):
        field = 0
    value &= (1 << f.field_bits) - 1
    return zero(f, sign) | field << f.field_bits | value


def quieten(f: Format, a: int) -> int:
    """The quiet NaN of a NaN."""
    return a | f.quiet_bit


def _operand(f, a, c):
    """Unpack with DAZ applied."""
    x = unpack(f, a)
    if x.denormal and c.daz:
        return Unpacked(NIL, x.sign, 0, 0, False)
    return x


def _nan_of_two(f, a, b, x, y, c):
    """The result when a source is a NaN or unsupported; raises IE for a signalling one."""
    if x.kind == UNSUPPORTED or y.kind == UNSUPPORTED:
        return invalid(f, c)
    c.rounded_up = 0
    if x.kind == SNAN or y.kind == SNAN:
        c.raised |= IE
    if y.kind not in (QNAN, SNAN):
        return quieten(f, a)
    if x.kind not in (QNAN, SNAN):
        return quieten(f, b)
    if not c.x87_nans:
        return quieten(f, a)
    if x.kind != y.kind:                                    # x87: of a quiet and a signalling one, the quiet
        return a if x.kind == QNAN else b
    if x.significand != y.significand:
        return quieten(f, a if x.significand > y.significand else b)
    return quieten(f, b if x.sign else a)                   # equal significands: the positive one


def _denormals(c, *operands):
    """DE when an operand is a denormal that DAZ left alone."""
    if any(x.denormal for x in operands):
        c.raised |= DE


def add(f: Format, a: int, b: int, c: Context) -> int:
    """a + b."""
    return _sum(f, a, b, c, 0)


def sub(f: Format, a: int, b: int, c: Context) -> int:
    """a - b."""
    return _sum(f, a, b, c, 1)


def _sum(f, a, b, c, negate):
    x, y = _operand(f, a, c), _operand(f, b, c)
    if x.kind > INFINITE or y.kind > INFINITE:
        return _nan_of_two(f, a, b, x, y, c)
    y_sign = y.sign ^ negate
    c.rounded_up = 0
    if x.kind == INFINITE or y.kind == INFINITE:
        if x.kind == y.kind and x.sign != y_sign:
            return invalid(f, c)
        _denormals(c, x, y)
        return infinity(f, x.sign if x.kind == INFINITE else y_sign)
    _denormals(c, x, y)
    if x.kind == NIL and y.kind == NIL:
        return zero(f, x.sign if x.sign == y_sign else c.rounding == DOWN)
    if x.kind == NIL or y.kind == NIL:
        sign, finite = (y_sign, y) if x.kind == NIL else (x.sign, x)
        return round_and_pack(f, sign, finite.exponent, finite.significand, c)
    xs, xe, ys, ye = x.significand, x.exponent, y.significand, y.exponent
    gap = f.precision * 2 + STICKY_ROOM                     # beyond it the smaller one only decides the rounding
    if xe - ye > gap:
        ys, ye = 1, xe - gap
    elif ye - xe > gap:
        xs, xe = 1, ye - gap
    exponent = min(xe, ye)
    total = (xs << (xe - exponent)) * (-1 if x.sign else 1) + (ys << (ye - exponent)) * (-1 if y_sign else 1)
    if not total:
        return zero(f, c.rounding == DOWN)
    return round_and_pack(f, int(total < 0), exponent, abs(total), c)


def mul(f: Format, a: int, b: int, c: Context) -> int:
    """a * b."""
    x, y = _operand(f, a, c), _operand(f, b, c)
    if x.kind > INFINITE or y.kind > INFINITE:
        return _nan_of_two(f, a, b, x, y, c)
    sign = x.sign ^ y.sign
    c.rounded_up = 0
    if x.kind == INFINITE or y.kind == INFINITE:
        if x.kind == NIL or y.kind == NIL:
            return invalid(f, c)
        _denormals(c, x, y)
        return infinity(f, sign)
    _denormals(c, x, y)
    if x.kind == NIL or y.kind == NIL:
        return zero(f, sign)
    return round_and_pack(f, sign, x.exponent + y.exponent, x.significand * y.significand, c)


def div(f: Format, a: int, b: int, c: Context) -> int:
    """a / b."""
    x, y = _operand(f, a, c), _operand(f, b, c)
    if x.kind > INFINITE or y.kind > INFINITE:
        return _nan_of_two(f, a, b, x, y, c)
    sign = x.sign ^ y.sign
    c.rounded_up = 0
    if x.kind == y.kind and x.kind in (NIL, INFINITE):
        return invalid(f, c)
    if y.kind == NIL and x.kind == FINITE:
        c.raised |= ZE
        return infinity(f, sign)
    _denormals(c, x, y)
    if x.kind == INFINITE or y.kind == NIL:
        return infinity(f, sign)
    if x.kind == NIL or y.kind == INFINITE:
        return zero(f, sign)
    shift = max(0, f.precision + STICKY_ROOM + y.significand.bit_length() - x.significand.bit_length())
    quotient, remainder = divmod(x.significand << shift, y.significand)
    return round_and_pack(f, sign, x.exponent - y.exponent - shift - 1, quotient << 1 | (remainder != 0), c)


def sqrt(f: Format, a: int, c: Context) -> int:
    """The square root of a."""
    x = _operand(f, a, c)
    if x.kind > INFINITE:
        return _nan_of_two(f, a, a, x, x, c)
    c.rounded_up = 0
    if x.kind == NIL:
        return zero(f, x.sign)
    if x.sign:
        return invalid(f, c)
    _denormals(c, x)
    if x.kind == INFINITE:
        return infinity(f, 0)
    shift = 2 * (f.precision + STICKY_ROOM) + (x.exponent & 1)
    root = isqrt(x.significand << shift)
    exact = root * root == x.significand << shift
    return round_and_pack(f, 0, (x.exponent - shift) // 2 - 1, root << 1 | (not exact), c)


def _ordered(x, y):
    """LESS, EQUAL or GREATER of two that are not NaNs."""
    if x.kind == NIL and y.kind == NIL:
        return EQUAL
    keys = []
    for v in (x, y):
        if v.kind == NIL:
            key = (0, 0, 0)
        elif v.kind == INFINITE:
            key = (2, 0, 0)
        else:
            top = v.exponent + v.significand.bit_length()
            key = (1, top, v.significand << (64 - v.significand.bit_length()))
        keys.append(key)
    signs = [0 if v.kind == NIL else -1 if v.sign else 1 for v in (x, y)]
    if signs[0] != signs[1]:
        return LESS if signs[0] < signs[1] else GREATER
    if keys[0] == keys[1]:
        return EQUAL
    return LESS if (keys[0] < keys[1]) == (signs[0] > 0) else GREATER


def compare(f: Format, a: int, b: int, c: Context, quiet: bool) -> int:
    """LESS, EQUAL, GREATER or UNORDERED; IE for a signalling NaN, and unless `quiet` for any NaN."""
    x, y = _operand(f, a, c), _operand(f, b, c)
    c.rounded_up = 0
    if x.kind > INFINITE or y.kind > INFINITE:
        if not quiet or x.kind >= SNAN or y.kind >= SNAN:
            c.raised |= IE
        return UNORDERED
    _denormals(c, x, y)
    return _ordered(x, y)


def minimum(f: Format, a: int, b: int, c: Context) -> int:
    """a if a < b, else b: so b when both are zeros or either is a NaN (which raises IE)."""
    return _flushed(f, a if compare(f, a, b, c, False) == LESS else b, c)


def maximum(f: Format, a: int, b: int, c: Context) -> int:
    """a if a > b, else b; as `minimum`."""
    return _flushed(f, a if compare(f, a, b, c, False) == GREATER else b, c)


def _flushed(f, a, c):
    """What MIN and MAX pass on: with DAZ a denormal is already the zero it was compared as."""
    return zero(f, a >> (f.width - 1)) if c.daz and unpack(f, a).denormal else a


def convert(source: Format, target: Format, a: int, c: Context) -> int:
    """A value of one format in another. NaNs keep the top of their payload and become quiet."""
    x = _operand(source, a, c)
    c.rounded_up = 0
    if x.kind == UNSUPPORTED:
        return invalid(target, c)
    if x.kind in (QNAN, SNAN):
        if x.kind == SNAN:
            c.raised |= IE
        payload = (x.significand & (1 << (source.precision - 1)) - 1) | source.quiet_bit
        change = target.precision - source.precision
        payload = payload << change if change >= 0 else payload >> -change
        return infinity(target, x.sign) | payload
    _denormals(c, x)
    if x.kind == INFINITE:
        return infinity(target, x.sign)
    if x.kind == NIL:
        return zero(target, x.sign)
    return round_and_pack(target, x.sign, x.exponent, x.significand, c)


def from_int(f: Format, value: int, c: Context) -> int:
    """A (signed, unbounded) integer as a floating-point number."""
    if not value:
        c.rounded_up = 0
        return 0
    return round_and_pack(f, int(value < 0), 0, abs(value), c)


def to_int(f: Format, a: int, width: int, c: Context, truncate: bool) -> int:
    """a rounded (or truncated) to a signed integer of `width` bits, as an unsigned pattern.

    NaNs and values out of range raise IE and give the integer indefinite, the most negative number. No DE: conversions
    to integers raise none (APM vol. 1, table 4-6).
    """
    x = _operand(f, a, c)
    c.rounded_up = 0
    if x.kind == NIL:
        return 0
    if x.kind != FINITE:
        c.raised |= IE
        return 1 << (width - 1)
    value, inexact, away = _shift_round(x.significand, -x.exponent, ZERO if truncate else c.rounding, x.sign)
    if value > (1 << (width - 1)) - (0 if x.sign else 1):
        c.raised |= IE
        return 1 << (width - 1)
    if inexact:
        c.raised |= PE
        c.rounded_up = int(away)
    return (-value if x.sign else value) & (1 << width) - 1


def round_to_integral(f: Format, a: int, c: Context) -> int:
    """a rounded to an integral value of the same format (FRNDINT); raises PE when it changes, DE for a denormal."""
    x = _operand(f, a, c)
    if x.kind > INFINITE:
        return _nan_of_two(f, a, a, x, x, c)
    c.rounded_up = 0
    if x.kind != FINITE:
        return a if x.kind == INFINITE else zero(f, x.sign)
    _denormals(c, x)
    if x.exponent >= 0:
        return a
    value, inexact, away = _shift_round(x.significand, -x.exponent, c.rounding, x.sign)
    if inexact:
        c.raised |= PE
        c.rounded_up = int(away)
    if not value:
        return zero(f, x.sign)
    return round_and_pack(f, x.sign, 0, value, Context())
