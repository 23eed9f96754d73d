"""The exact arithmetic that stands for the host's floating point: against Python's own floats and exact fractions."""

from __future__ import annotations

import math
import random
import struct
from fractions import Fraction

import pytest

from emu.cpu import softfloat
from emu.cpu.softfloat import (
    DE,
    DOWN,
    EQUAL,
    F32,
    F64,
    F80,
    FINITE,
    GREATER,
    IE,
    INFINITE,
    LESS,
    NEAREST,
    OE,
    PE,
    UE,
    UNORDERED,
    UP,
    ZE,
    ZERO,
    Context,
    unpack,
)

ONE = {F32: 0x3F800000, F64: 0x3FF0000000000000, F80: 0x3FFF << 64 | 1 << 63}
FORMATS = {"f32": F32, "f64": F64, "f80": F80}


def bits(x: float) -> int:
    return struct.unpack("<Q", struct.pack("<d", x))[0]


def pattern(source, f):
    """A bit pattern of format `f`, F80 with its integer bit right; denormals, near powers of two and NaNs included."""
    a = source.getrandbits(f.width)
    if source.randrange(4) == 0:
        a &= f.sign_bit | (1 << f.field_bits) - 1 | source.choice((0, 1, f.max_field, f.max_field - 1)) << f.field_bits
    if source.randrange(3) == 0:
        a &= ~((1 << source.randrange(f.precision - 1)) - 1)
    if f is F80:
        field = a >> 64 & 0x7FFF
        a = a | 1 << 63 if field else a & ~(1 << 63)
    return a


def near(source, f, a):
    """A pattern whose exponent is close to that of `a`."""
    low = (1 << f.field_bits) - 1
    field = min(max((a >> f.field_bits & f.max_field) + source.randrange(-3, 4), 1), f.max_field - 1)
    b = source.getrandbits(1) << (f.width - 1) | field << f.field_bits | source.getrandbits(f.field_bits) & low
    return b | 1 << 63 if f is F80 else b


def exact(f, a):
    """The value of a finite pattern."""
    x = unpack(f, a)
    return Fraction(x.significand) * Fraction(2) ** x.exponent * (-1 if x.sign else 1)


def neighbours(f, value, precision):
    """The two numbers of format `f` next to an exact value: (below or equal, above or equal), without a largest one."""
    if value == 0:
        return value, value
    magnitude = abs(value)
    top = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
    if Fraction(2) ** top > magnitude:
        top -= 1
    unit = Fraction(2) ** (max(top, 1 - f.bias) - precision + 1)
    below = value // unit * unit
    return below, below if below == value else below + unit


def check(f, value, result, c):
    """That `result` is the exact `value` rounded as `c` says, and the flags OE UE PE follow."""
    precision = c.precision or f.precision
    below, above = neighbours(f, value, precision)
    largest = exact(f, f.largest >> (f.precision - precision) << (f.precision - precision))
    if c.rounding == NEAREST:
        first, second = value - below, above - value
        unit = above - below
        even = below if not unit or (below / unit) % 2 == 0 else above
        wanted = below if first < second else above if second < first else even
    else:
        wanted = {DOWN: below, UP: above, ZERO: below if value > 0 else above}[c.rounding]
    kind = unpack(f, result).kind
    if abs(wanted) > largest:
        outward = c.rounding == NEAREST or c.rounding == (UP if value > 0 else DOWN)
        assert kind == (INFINITE if outward else FINITE) and c.raised & (OE | PE) == OE | PE
        assert outward or abs(exact(f, result)) == largest
        return
    assert kind != INFINITE and exact(f, result) == wanted
    assert bool(c.raised & PE) == (wanted != value)
    assert not c.raised & OE
    if c.raised & UE:
        assert wanted != value and abs(wanted) <= Fraction(2) ** (1 - f.bias)
    elif wanted != value:
        assert abs(wanted) >= Fraction(2) ** (1 - f.bias)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("rounding", range(4))
def test_arithmetic_is_the_exact_result_rounded(name, rounding):
    """+ - * / and square root of every format, in every rounding mode and, for F80, precision."""
    f, source = FORMATS[name], random.Random(f"{name} {rounding}")
    done = 0
    while done < 300:
        a = pattern(source, f)
        b = near(source, f, a) if source.randrange(2) else pattern(source, f)
        if unpack(f, a).kind > FINITE or unpack(f, b).kind > FINITE:
            continue
        done += 1
        precision = source.choice((24, 53, 64)) if f is F80 else 0
        x, y = exact(f, a), exact(f, b)
        cases = [("add", x + y), ("sub", x - y), ("mul", x * y)] + ([("div", x / y)] if y else [])
        for operation, value in cases:
            c = Context(rounding=rounding, precision=precision)
            result = getattr(softfloat, operation)(f, a, b, c)
            assert not c.raised & (IE | ZE)
            if f is F80 and abs(value) > Fraction(2) ** 16000:
                continue                # the check itself would take long
            check(f, value, result, c)
        if x > 0:
            c = Context(rounding=rounding, precision=precision)
            root = exact(f, softfloat.sqrt(f, a, c))
            low, high = neighbours(f, root, precision or f.precision)
            assert low == high == root
            unit = Fraction(2) ** (unpack(f, a).significand.bit_length() + unpack(f, a).exponent) / root / (
                1 << (precision or f.precision))
            assert bool(c.raised & PE) == (root * root != x)
            if rounding == UP:
                assert root * root >= x and (root - 2 * unit) ** 2 < x
            elif rounding in (DOWN, ZERO):
                assert root * root <= x < (root + 2 * unit) ** 2
            else:
                assert (root - unit) ** 2 <= x <= (root + unit) ** 2


def test_doubles_equal_python_floats():
    source = random.Random(7)
    for _ in range(4000):
        a = pattern(source, F64)
        b = near(source, F64, a) if source.randrange(2) else pattern(source, F64)
        x, y = (struct.unpack("<d", struct.pack("<Q", v))[0] for v in (a, b))
        if math.isnan(x) or math.isnan(y):
            continue
        for operation, value in (("add", x + y), ("sub", x - y), ("mul", x * y)):
            result = getattr(softfloat, operation)(F64, a, b, Context())
            assert result == bits(value) or math.isnan(value) and result == F64.indefinite
        if y:
            result = softfloat.div(F64, a, b, Context())
            assert result == bits(x / y) or math.isinf(x) and math.isinf(y) and result == F64.indefinite
        if x >= 0:
            assert softfloat.sqrt(F64, a, Context()) == bits(math.sqrt(x))
        wanted = LESS if x < y else EQUAL if x == y else GREATER
        assert softfloat.compare(F64, a, b, Context(), True) == wanted


@pytest.mark.parametrize("name", FORMATS)
def test_invalid_operations(name):
    """0/0, inf-inf, inf*0, root of a negative number: IE and the indefinite NaN; 1/0: ZE and infinity."""
    f = FORMATS[name]
    infinity, minus = f.infinity, f.sign_bit
    for operation, operands in (("div", (0, 0)), ("div", (infinity, infinity)), ("sub", (infinity, infinity)),
                                ("add", (infinity, infinity | minus)), ("mul", (infinity, 0)), ("sqrt", (ONE[f] | minus,))):
        c = Context()
        assert getattr(softfloat, operation)(f, *operands, c) == f.indefinite and c.raised == IE
    c = Context()
    assert softfloat.div(f, ONE[f] | minus, 0, c) == infinity | minus and c.raised == ZE
    c = Context()
    assert softfloat.sqrt(f, minus, c) == minus and c.raised == 0


@pytest.mark.parametrize("name", FORMATS)
def test_nans(name):
    """SSE passes the first NaN on, x87 the larger; signalling ones become quiet and raise IE."""
    f = FORMATS[name]
    quiet, signalling = f.infinity | f.quiet_bit | 1, f.infinity | 2
    for a, b, sse, x87, raised in ((quiet, signalling, quiet, quiet, IE),
                                   (signalling, quiet, signalling | f.quiet_bit, quiet, IE),
                                   (quiet, quiet + 4, quiet, quiet + 4, 0), (ONE[f], quiet, quiet, quiet, 0),
                                   (signalling, ONE[f], signalling | f.quiet_bit, signalling | f.quiet_bit, IE)):
        c = Context()
        assert softfloat.add(f, a, b, c) == sse and c.raised == raised
        c = Context(x87_nans=True)
        assert softfloat.add(f, a, b, c) == x87 and c.raised == raised
    for quiet_compare, raised in ((True, 0), (False, IE)):
        c = Context()
        assert softfloat.compare(f, quiet, ONE[f], c, quiet_compare) == UNORDERED and c.raised == raised
    c = Context()
    assert softfloat.minimum(f, ONE[f], quiet, c) == quiet and c.raised == IE
    assert softfloat.minimum(f, quiet, ONE[f], Context()) == ONE[f]
    assert softfloat.maximum(f, 0, f.sign_bit, Context()) == f.sign_bit


@pytest.mark.parametrize("name", ["f32", "f64"])
def test_denormals(name):
    """DE for a denormal operand unless DAZ takes it for zero; FTZ turns tiny results to zero; unmasked UE even if exact."""
    f = FORMATS[name]
    half = ONE[f] - (1 << f.field_bits)
    c = Context()
    assert softfloat.mul(f, 4, half, c) == 2 and c.raised == DE
    c = Context(daz=True)
    assert softfloat.mul(f, 4, half, c) == 0 and c.raised == 0
    c = Context(ftz=True)
    assert softfloat.mul(f, 4 | f.sign_bit, half, c) == f.sign_bit and c.raised == DE | UE | PE
    c = Context(masked=0x3F & ~UE)
    softfloat.mul(f, 4, half, c)
    assert c.raised & UE
    smallest = 1 << f.field_bits
    c = Context()
    assert softfloat.mul(f, smallest - 1, ONE[f] + 1, c) == smallest and c.raised == DE | PE    # tiny before rounding only
    c = Context()
    assert softfloat.mul(f, smallest, ONE[f] - 1, c) == smallest and c.raised == PE | UE        # tiny after it too


def test_unmasked_overflow_and_underflow_wrap_the_exponent_for_x87():
    """3 * 2**13 taken from, or added to, the exponent (APM vol. 1, 6.8.2)."""
    big, small = 0x7FFE << 64 | 1 << 63, 1 << 64 | 1 << 63
    c = Context(masked=0x3F & ~OE, rebias=True)
    assert softfloat.mul(F80, big, big, c) == (2 * 0x7FFE - 0x3FFF - 0x6000) << 64 | 1 << 63 and c.raised == OE
    c = Context(masked=0x3F & ~UE, rebias=True)
    assert softfloat.mul(F80, small, small, c) == (2 - 0x3FFF + 0x6000) << 64 | 1 << 63 and c.raised == UE


@pytest.mark.parametrize("a", [0x3FFF << 64, 0x7FFF << 64, 0x7FFF << 64 | 5, 0x4000 << 64 | 1 << 62])
def test_unsupported_extended_patterns_are_invalid(a):
    for operate in (lambda c: softfloat.add(F80, a, ONE[F80], c), lambda c: softfloat.sqrt(F80, a, c),
                    lambda c: softfloat.round_to_integral(F80, a, c)):
        c = Context()
        assert operate(c) == F80.indefinite and c.raised == IE


@pytest.mark.parametrize("a, b", [("f32", "f64"), ("f32", "f80"), ("f64", "f80")])
def test_widening_and_back_is_the_identity(a, b):
    source, narrow, wide = random.Random(9), FORMATS[a], FORMATS[b]
    for _ in range(500):
        v = pattern(source, narrow)
        c = Context()
        there = softfloat.convert(narrow, wide, v, c)
        assert c.raised & ~(DE | IE) == 0
        back = softfloat.convert(wide, narrow, there, Context())
        assert back == (v | narrow.quiet_bit if unpack(narrow, v).kind > INFINITE else v)


@pytest.mark.parametrize("rounding", range(4))
@pytest.mark.parametrize("width", [16, 32, 64])
def test_integers(rounding, width):
    """To an integer and back: rounded as asked, or the indefinite with IE when it does not fit."""
    source, half = random.Random(width), 1 << (width - 1)
    for _ in range(500):
        exponent = source.randrange(-4, width + 2)
        a = source.getrandbits(1) << 63 | (1023 + exponent) << 52 | source.getrandbits(52)
        if source.randrange(2):
            a &= ~((1 << source.randrange(52)) - 1)
        value = exact(F64, a)
        floor = math.floor(value)
        wanted = {NEAREST: round(value), DOWN: floor, UP: math.ceil(value), ZERO: math.trunc(value)}[rounding]
        c = Context(rounding=rounding)
        result = softfloat.to_int(F64, a, width, c, False)
        if -half <= wanted < half:
            assert result == wanted % (2 * half) and bool(c.raised & PE) == (wanted != value) and not c.raised & IE
            assert softfloat.to_int(F64, a, width, Context(rounding=rounding), True) == math.trunc(value) % (2 * half)
            whole = softfloat.round_to_integral(F64, a, Context(rounding=rounding))
            assert exact(F64, whole) == wanted and whole >> 63 == a >> 63
        else:
            assert result == half and c.raised == IE
        number = source.getrandbits(width) - half
        c = Context(rounding=rounding)
        check(F32, Fraction(number), softfloat.from_int(F32, number, c), c)
