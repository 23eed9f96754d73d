"""Transcendental functions of 80-bit numbers, correctly rounded: integer arithmetic alone, the same on every host.

`evaluate` gives the first 128 bits of the true result, the last of them standing for all that follow: enough for any
rounding. It computes in fixed point with a known error bound, and again with more bits when that is not enough to
decide (Ziv's method). Results that are exact are recognised, so that it ends.
"""

from __future__ import annotations

from functools import lru_cache
from math import isqrt

from emu.isa.language import MASK64

EXP2_MINUS_1, Y_LOG2_X, Y_LOG2_X_PLUS_1, ATAN2, SINE, COSINE, TANGENT = range(7)

BIAS = 16383

# The angle instructions reduce by a pi of 66 significant bits (SDM vol. 1, 8.3.8), which processors have kept since
# the 80387: so large angles, and those near a multiple of pi, give other results than the mathematics, but the same
# as on a real processor. This is pi / 4 * 2**66.
X87_PI = 0x3243F6A8885A308D3


class Number:
    """(-1)**sign * mantissa * 2**scale, the mantissa of 64 bits, its leading bit 1."""

    __slots__ = ("sign", "mantissa", "scale")

    def __init__(self, m, e):
        self.sign, self.mantissa, self.scale = e >> 15, m, (e & 0x7FFF) - BIAS - 63
        if e & 0x7FFF == 0:
            self.scale += 1
        shift = 64 - m.bit_length()
        self.mantissa <<= shift
        self.scale -= shift

    def top(self):
        """The exponent of its leading bit."""
        return self.scale + 63

    def fixed(self, bits):
        """|self| * 2**bits, rounded down."""
        shift = self.scale + bits
        return self.mantissa << shift if shift >= 0 else self.mantissa >> -shift


def evaluate(operation: int, am: int, ae: int, bm: int, be: int) -> tuple[int, int, int, int]:
    """(sign, biased exponent of any size, high 64 bits, low 64 bits) of an operation on 80-bit numbers.

    The numbers are finite and not zero, and neither is the result. EXP2_MINUS_1 (|a| <= 1), SINE, COSINE and TANGENT
    (|a| < 2**63) use a alone; Y_LOG2_X and Y_LOG2_X_PLUS_1 are b * log2(a) for a > 0, b * log2(a + 1) for a > -1;
    ATAN2 is the angle of the point x = a, y = b.
    """
    a = Number(am, ae)
    b = Number(bm, be) if bm else a
    exact = _exact(operation, a, b)
    if exact is not None:
        sign, value, scale = exact
        return sign, *_leading(value, scale, False)
    bits = 192
    while True:
        sign, value, scale, error = _FUNCTIONS[operation](a, b, bits)
        if value > error:
            leading = _leading(value - error, scale, True)
            if leading == _leading(value + error, scale, True):
                return sign, *leading
        bits *= 2


def _leading(value, scale, inexact):
    """Biased exponent and leading 128 bits of value * 2**scale; the last bit is set when anything follows."""
    length = value.bit_length()
    if length <= 128:
        top = value << (128 - length)
    else:
        top = value >> (length - 128)
        inexact = inexact or value & ((1 << (length - 128)) - 1) != 0
    top |= inexact
    return length - 1 + scale + BIAS, top >> 64, top & MASK64


def _exact(operation, a, b):
    """(sign, value, scale) when the result is a rational number, else None."""
    if operation == EXP2_MINUS_1 and a.top() == 0:
        return (1, 1, -1) if a.sign else (0, 1, 0)
    if operation == Y_LOG2_X and a.mantissa == 1 << 63:
        return b.sign ^ (a.top() < 0), b.mantissa * abs(a.top()), b.scale
    if operation == Y_LOG2_X_PLUS_1 and -64 <= a.top() < 64:
        total, one = _plus_1(a)
        if total & (total - 1) == 0:
            power = total.bit_length() - one.bit_length()
            return b.sign ^ (power < 0), b.mantissa * abs(power), b.scale
    return None


def _plus_1(a):
    """a + 1 as a fraction: numerator, and denominator (a power of two)."""
    shift = max(0, -a.scale)
    x = a.mantissa << (a.scale + shift)
    return (1 << shift) + (-x if a.sign else x), 1 << shift


# Constants and series in fixed point: an integer stands for itself / 2**bits. What is cut off in each step makes
# them wrong by some units, at most as many as each says for up to 4096 bits.

@lru_cache(maxsize=16)
def pi(bits):
    """pi, within 2 units (Machin's formula)."""
    guarded = bits + 32
    return (16 * _inverse(5, guarded, -1) - 4 * _inverse(239, guarded, -1)) >> 32


@lru_cache(maxsize=16)
def ln2(bits):
    """The natural logarithm of 2, within 2 units."""
    guarded = bits + 32
    return (18 * _inverse(26, guarded, 1) - 2 * _inverse(4801, guarded, 1) + 8 * _inverse(8749, guarded, 1)) >> 32


def _inverse(n, bits, sign):
    """atanh(1/n), or for `sign` -1 atan(1/n), within 2**12 units."""
    power, total, k, s = (1 << bits) // n, 0, 1, 1
    while power:
        total += s * (power // k)
        power //= n * n
        k, s = k + 2, s * sign
    return total


def _exp_minus_1(x, bits):
    """e**x - 1 for |x| < 1, x signed, within 2**24 units: Taylor's series at x / 256, then squarings."""
    x >>= 8
    term, total, k = x, 0, 1
    while term not in (0, -1):
        total += term
        k += 1
        term = (term * x >> bits) // k
    for _ in range(8):              # (1 + t)**2 - 1
        total = 2 * total + (total * total >> bits)
    return total


def _atan(x, bits):
    """The arc tangent of 0 <= x <= 1, within 2**20 units: half angles, then Taylor's series."""
    halvings, one = 0, 1 << bits
    while x >> (bits - 6):
        x = (x << bits) // (one + isqrt((one << bits) + x * x))
        halvings += 1
    square = x * x >> bits
    power, total, k, sign = x, 0, 1, 1
    while power:
        total += sign * (power // k)
        power = power * square >> bits
        k, sign = k + 2, -sign
    return total << halvings


def _log(numerator, denominator, bits):
    """ln(numerator / denominator), signed, of a ratio from 2/3 to 3/2, within 2**14 units."""
    z = (abs(numerator - denominator) << bits) // (numerator + denominator)
    square = z * z >> bits
    power, total, k = z, 0, 1
    while power:
        total += power // k
        power = power * square >> bits
        k += 2
    return 2 * total if numerator >= denominator else -2 * total


def _sin_cos(x, bits):
    """Sine and cosine of 0 <= x < 1, within 2**12 units."""
    results = []
    for k, term in ((1, x), (0, 1 << bits)):
        total, sign = 0, 1
        while term:
            total += sign * term
            term = (term * x >> bits) * x // ((k + 1) * (k + 2)) >> bits
            k, sign = k + 2, -sign
        results.append(total)
    return results


# The functions: (sign, value, scale, error); the true result is less than error * 2**scale from value * 2**scale.

def _exp2_minus_1(a, b, bits):
    if a.top() < -bits:             # x ln 2 (1 + x ln 2 / 2 ...)
        return a.sign, a.mantissa * ln2(bits), a.scale - bits, a.mantissa * 4
    bits -= a.top()
    x = a.fixed(bits) * ln2(bits) >> bits
    value = _exp_minus_1(-x if a.sign else x, bits)
    return a.sign, abs(value), -bits, 1 << 26


def _y_log2_x(a, b, bits):
    power, one = a.top(), 1 << 63
    if 3 * a.mantissa > 4 * one:
        power, one = power + 1, 2 * one
    bits += 64                      # near 1 the logarithm may be as small as 2**-64
    value = (power << bits) + (_log(a.mantissa, one, bits) << bits) // ln2(bits)
    return b.sign ^ (value < 0), abs(value) * b.mantissa, b.scale - bits, b.mantissa << 18


def _y_log2_x_plus_1(a, b, bits):
    if a.top() < -bits:             # x / ln 2 (1 - x / 2 ...)
        value = (a.mantissa << 2 * bits) // ln2(bits)
        return a.sign ^ b.sign, value * b.mantissa, a.scale + b.scale - bits, a.mantissa * b.mantissa * 16
    bits += max(64, -a.top())
    total, one = _plus_1(a)
    power = total.bit_length() - one.bit_length()
    total, one = (total, one << power) if power >= 0 else (total << -power, one)
    if 3 * total > 4 * one:
        power, one = power + 1, 2 * one
    value = (power << bits) + (_log(total, one, bits) << bits) // ln2(bits)
    return b.sign ^ (value < 0), abs(value) * b.mantissa, b.scale - bits, b.mantissa << 18


def _atan2(a, b, bits):
    steep = (b.top(), b.mantissa) > (a.top(), a.mantissa)
    small, large = (a, b) if steep else (b, a)
    apart = large.top() - small.top()
    if not steep and not a.sign:
        if apart > bits:            # q - q**3 / 3 ...: just below the quotient
            quotient, rest = divmod(small.mantissa << bits, large.mantissa)
            value = (quotient << 128) + (1 << 127 if rest else -(1 << 60))
            return b.sign, value, small.scale - large.scale - bits - 128, 1 << 127 if rest else 1 << 59
        bits += apart
    shift = bits + small.scale - large.scale
    ratio = (small.mantissa << shift if shift >= 0 else small.mantissa >> -shift) // large.mantissa
    angle = _atan(ratio, bits)
    if steep:
        angle = (pi(bits) >> 1) + (angle if a.sign else -angle)
    elif a.sign:
        angle = pi(bits) - angle
    return b.sign, angle, -bits, 1 << 22


def _octant_functions(a, bits):
    """|a| as an octant of the circle, and |sine| and |cosine| of a, within 2**13 units."""
    eighth = X87_PI << (bits - 66)
    octant, x = divmod(a.fixed(bits), eighth)
    octant &= 7
    if octant & 1:
        x = eighth - x
    sine, cosine = _sin_cos(x, bits)
    return (octant, cosine, sine) if octant in (1, 2, 5, 6) else (octant, sine, cosine)


def _sine(a, b, bits):
    if a.top() < -70:               # x - x**3 / 6 ...: just below x
        return a.sign, (a.mantissa << 128) - (1 << 60), a.scale - 128, 1 << 59
    bits += 72                      # a sine is no smaller than 2**-70, also near multiples of pi
    octant, sine, _ = _octant_functions(a, bits)
    return a.sign ^ (octant >= 4), sine, -bits, 1 << 16


def _cosine(a, b, bits):
    if a.top() < -70:               # 1 - x**2 / 2 ...: just below 1
        return 0, (1 << 256) - (1 << 60), -256, 1 << 59
    bits += 72
    octant, _, cosine = _octant_functions(a, bits)
    return int(2 <= octant < 6), cosine, -bits, 1 << 16


def _tangent(a, b, bits):
    if a.top() < -70:               # x + x**3 / 3 ...: just above x
        return a.sign, (a.mantissa << 128) + (1 << 60), a.scale - 128, 1 << 59
    bits += 144
    octant, sine, cosine = _octant_functions(a, bits)
    value = (sine << bits) // cosine
    error = ((value + (1 << bits)) << 16) // cosine + 2
    return a.sign ^ (octant >> 1 & 1), value, -bits, error


_FUNCTIONS = {EXP2_MINUS_1: _exp2_minus_1, Y_LOG2_X: _y_log2_x, Y_LOG2_X_PLUS_1: _y_log2_x_plus_1, ATAN2: _atan2,
              SINE: _sine, COSINE: _cosine, TANGENT: _tangent}


def x87_transcendental(cpu, operation, am, ae, bm, be):
    """Leave what evaluate() gives in `fr2_exponent` (sign), `fr_exponent` (a two's complement u64), `fr_mantissa`,
    `fr2_mantissa`. The compiled engine's twin is in `cext/x87.pxi` and calls evaluate() too."""
    sign, exponent, cpu.fr_mantissa, cpu.fr2_mantissa = evaluate(operation, am, ae, bm, be)
    cpu.fr2_exponent = sign
    cpu.fr_exponent = exponent & MASK64
