"""80-bit extended numbers from and to other formats, compared, and taken apart (APM vol. 1, 6.3 to 6.5).

As in `float80.py`: results in `fr_mantissa`, `fr_exponent` (a second one in `fr2_*`), exceptions and C1 in
`fp_raised`. A format that fits one register is the function's own result instead.
"""

from emu.cpu.float80 import (
    DENORMAL,
    DOWN,
    INFINITY,
    INTEGER_BIT,
    NEAREST,
    QNAN,
    SNAN,
    UNSUPPORTED,
    UP,
    X_C0,
    X_C1,
    X_C2,
    X_C3,
    X_DE,
    X_IE,
    X_OE,
    X_PE,
    X_UE,
    X_ZE,
    ZERO,
)
from emu.isa.language import MASK64, i64, signed, wrap64


def f80_from_float(cpu, bits, width):
    """The 32- or 64-bit number `bits`, exactly (a signalling NaN stays one); raises DE for a denormal."""
    fraction_bits = 23 if width == 32 else 52
    top = 0xFF if width == 32 else 0x7FF
    sign = (bits >> (width - 1)) << 15
    biased = (bits >> fraction_bits) & top
    fraction = (bits << (63 - fraction_bits)) & 0x7FFFFFFFFFFFFFFF
    cpu.fp_raised = 0
    if biased == top:
        cpu.f80_result(fraction | INTEGER_BIT, sign | 0x7FFF)
    elif biased:
        cpu.f80_result(fraction | INTEGER_BIT, sign | (biased + 0x3FFF - (top >> 1)))
    elif fraction == 0:
        cpu.f80_result(0, sign)
    else:
        cpu.fp_raised = X_DE
        shift = 63 - cpu.leading_bit(fraction)
        cpu.f80_result((fraction << shift) & MASK64, sign | (0x4000 - (top >> 1) - shift))


def f80_from_int(cpu, value):
    """The 64-bit two's complement number `value`, exactly."""
    sign = (value >> 63) << 15
    if sign:
        value = wrap64(0 - value)
    cpu.fp_raised = 0
    if value == 0:
        cpu.f80_result(0, 0)
    else:
        last = cpu.leading_bit(value)
        cpu.f80_result((value << (63 - last)) & MASK64, sign | (0x3FFF + last))


def f80_to_float(cpu, m, e, width):
    """The 32- or 64-bit number nearest by the rounding control; raises IE, OE, UE, PE."""
    fraction_bits = 23 if width == 32 else 52
    top = 0xFF if width == 32 else 0x7FF
    infinity = top << fraction_bits
    quiet = infinity | (1 << (fraction_bits - 1))
    cut = 63 - fraction_bits
    sign = (e >> 15) << (width - 1)
    kind = cpu.f80_class(m, e)
    cpu.fp_raised = 0
    if kind == ZERO:
        return sign
    if kind == INFINITY:
        return sign | infinity
    if kind == UNSUPPORTED:
        cpu.fp_raised = X_IE
        return (1 << (width - 1)) | quiet
    if kind >= QNAN:
        if kind == SNAN:
            cpu.fp_raised = X_IE
        return sign | quiet | ((m & 0x7FFFFFFFFFFFFFFF) >> cut)
    exponent: i64 = cpu.f80_exponent(m, e) - signed(0x3FFF - (top >> 1), 64)
    m = cpu.f80_normal(m)
    extra = (m << (64 - cut)) & MASK64
    kept = m >> cut
    up = cpu.f80_increment(sign, kept & 1, extra)
    if exponent <= 0 and not (exponent == 0 and up and (kept + 1) >> (fraction_bits + 1)):
        shift = wrap64(1 - exponent) + cut
        if shift < 64:
            extra = (m << (64 - shift)) & MASK64
            kept = m >> shift
        else:
            extra = m if shift == 64 else 1
            kept = 0
        up = cpu.f80_increment(sign, kept & 1, extra)
        if extra:
            cpu.fp_raised = X_UE | X_PE
        elif cpu.fcw & X_UE == 0:
            cpu.fp_raised = X_UE
        exponent = 1
    elif extra:
        cpu.fp_raised = X_PE
    if up:
        cpu.fp_raised = cpu.fp_raised | X_C1
        kept = kept + 1
    # The integer bit, when set, adds one to the exponent field, and so does a carry out of the fraction.
    result = infinity
    if exponent < signed(top, 64):
        result = wrap64(kept + (wrap64(exponent - 1) << fraction_bits))
    if result >= infinity:
        cpu.fp_raised = X_OE | X_PE
        control = (cpu.fcw >> 10) & 3
        if control == NEAREST or (control == DOWN and sign) or (control == UP and sign == 0):
            cpu.fp_raised = cpu.fp_raised | X_C1
            return sign | infinity
        return sign | (infinity - 1)
    return sign | result


def f80_magnitude(cpu, m, e):
    """|m, e| rounded to an integer below 2**64; IE when it is not one, PE and C1 as rounded."""
    cpu.fp_raised = 0
    kind = cpu.f80_class(m, e)
    if kind == ZERO:
        return 0
    biased = e & 0x7FFF
    if kind > DENORMAL or biased > 0x403E:
        cpu.fp_raised = X_IE
        return 0
    shift = 0x403E - biased
    if shift == 0:
        return m
    extra = 1
    kept = 0
    if shift < 64:
        extra = (m << (64 - shift)) & MASK64
        kept = m >> shift
    elif shift == 64:
        extra = m
    if extra:
        cpu.fp_raised = X_PE
    if cpu.f80_increment(e & 0x8000, kept & 1, extra):
        cpu.fp_raised = X_PE | X_C1
        kept = kept + 1
    return kept


def f80_to_int(cpu, m, e, width):
    """The integer of 16, 32 or 64 bits, two's complement, rounded by the rounding control; IE and 100...0 outside."""
    kept = cpu.f80_magnitude(m, e)
    limit = 1 << (width - 1)
    if e & 0x8000:
        if kept > limit:
            cpu.fp_raised = X_IE
        else:
            kept = wrap64(0 - kept) & (limit | (limit - 1))
    elif kept >= limit:
        cpu.fp_raised = X_IE
    return limit if cpu.fp_raised & X_IE else kept


def f80_to_bcd(cpu, m, e):
    """Eighteen packed decimal digits and a sign as FBSTP stores them: low 64 bits, the upper 16 in `fr_exponent`."""
    kept = cpu.f80_magnitude(m, e)
    if cpu.fp_raised & X_IE or kept > 999999999999999999:
        cpu.fp_raised = X_IE
        cpu.fr_exponent = 0xFFFF
        return 0xC000000000000000
    digits = 0
    for k in range(16):
        digits = digits | ((kept % 10) << (4 * k))
        kept = kept // 10
    cpu.fr_exponent = (e & 0x8000) | (kept % 10) | ((kept // 10) << 4)
    return digits


def f80_from_bcd(cpu, low, high):
    """The number of packed decimal digits `low` (16 of them) and `high` (two, and the sign in bit 15)."""
    value = ((high >> 4) & 15) * 10 + (high & 15)
    for k in range(16):
        value = wrap64(value * 10 + ((low >> (60 - 4 * k)) & 15))
    cpu.f80_from_int(value)
    cpu.fr_exponent = (cpu.fr_exponent & 0x7FFF) | (high & 0x8000)


def f80_to_integral(cpu, m, e):
    """FRNDINT: rounded to an integer, as a floating-point number."""
    cpu.fp_raised = 0
    kind = cpu.f80_class(m, e)
    if kind >= QNAN:
        cpu.f80_nan(kind, m, e, ZERO, 0, 0)
        return
    if kind == ZERO or e & 0x7FFF >= 0x403E:
        cpu.f80_result(m, e)
        return
    kept = cpu.f80_magnitude(m, e)
    if kind == DENORMAL:
        cpu.fp_raised = cpu.fp_raised | X_DE
    if kept == 0:
        cpu.f80_result(0, e & 0x8000)
    else:
        last = cpu.leading_bit(kept)
        cpu.f80_result((kept << (63 - last)) & MASK64, (e & 0x8000) | (0x3FFF + last))


def f80_compare(cpu, am, ae, bm, be, quiet):
    """Condition codes of a against b: 0 above, C0 below, C3 equal, C3 C2 C0 unordered. `quiet`: no IE for QNaNs."""
    ca = cpu.f80_class(am, ae)
    cb = cpu.f80_class(bm, be)
    cpu.fp_raised = 0
    if ca >= QNAN or cb >= QNAN:
        if quiet == 0 or ca > QNAN or cb > QNAN:
            cpu.fp_raised = X_IE
        return X_C0 | X_C2 | X_C3
    if ca == DENORMAL or cb == DENORMAL:
        cpu.fp_raised = X_DE
    if ca == ZERO and cb == ZERO:
        return X_C3
    if (ae ^ be) & 0x8000:
        return X_C0 if ae & 0x8000 else 0
    # A denormal's exponent word 0 means the same scale as 1.
    below = am < bm
    above = am > bm
    ea = ae & 0x7FFF
    eb = be & 0x7FFF
    ea = 1 if ea == 0 else ea
    eb = 1 if eb == 0 else eb
    if ca == ZERO or cb == ZERO:
        below = ca == ZERO
        above = cb == ZERO
    elif ea != eb:
        below = ea < eb
        above = ea > eb
    if below == above:
        return X_C3
    return X_C0 if below == (ae & 0x8000 == 0) else 0


def f80_extract(cpu, m, e):
    """FXTRACT: the unbiased exponent as a number, and in `fr2_*` the significand, 1 <= |s| < 2."""
    kind = cpu.f80_class(m, e)
    if kind >= QNAN:
        cpu.f80_nan(kind, m, e, ZERO, 0, 0)
        cpu.fr2_mantissa = cpu.fr_mantissa
        cpu.fr2_exponent = cpu.fr_exponent
        return
    cpu.fp_raised = 0
    cpu.fr2_mantissa = m
    cpu.fr2_exponent = e
    if kind == INFINITY:
        cpu.f80_result(INTEGER_BIT, 0x7FFF)
    elif kind == ZERO:
        cpu.fp_raised = X_ZE
        cpu.f80_result(INTEGER_BIT, 0xFFFF)
    else:
        exponent: i64 = cpu.f80_exponent(m, e) - 0x3FFF
        cpu.f80_from_int(wrap64(exponent))
        cpu.fp_raised = X_DE if kind == DENORMAL else 0
        cpu.fr2_mantissa = cpu.f80_normal(m)
        cpu.fr2_exponent = (e & 0x8000) | 0x3FFF


def f80_scale(cpu, am, ae, bm, be):
    """FSCALE: a * 2**(b rounded towards zero)."""
    ca = cpu.f80_class(am, ae)
    cb = cpu.f80_class(bm, be)
    cpu.fp_raised = 0
    if ca >= QNAN or cb >= QNAN:
        cpu.f80_nan(ca, am, ae, cb, bm, be)
        return
    if cb == INFINITY:
        if be & 0x8000:
            if ca == INFINITY:
                cpu.f80_invalid()
                return
            cpu.f80_result(0, ae & 0x8000)
        else:
            if ca == ZERO:
                cpu.f80_invalid()
                return
            cpu.f80_result(INTEGER_BIT, (ae & 0x8000) | 0x7FFF)
        cpu.fp_raised = X_DE if ca == DENORMAL else 0
        return
    if ca == DENORMAL or cb == DENORMAL:
        cpu.fp_raised = X_DE
    if ca == ZERO or ca == INFINITY:
        cpu.f80_result(am, ae)
        return
    biased = be & 0x7FFF
    scale: i64 = 0
    if biased >= 0x3FFF + 16:
        scale = 0x10000
    elif biased >= 0x3FFF:
        scale = signed(bm >> (0x403E - biased), 64)
    if be & 0x8000:
        scale = 0 - scale
    cpu.f80_round(ae & 0x8000, cpu.f80_exponent(am, ae) + scale, cpu.f80_normal(am), 0, 64)


def f80_remainder(cpu, am, ae, bm, be, nearest):
    """FPREM (quotient rounded towards zero) or, `nearest`, FPREM1; returns the condition codes C3 C2 C1 C0.

    Exponents up to 63 apart reduce completely; beyond, by 32 to 63 bits at a time with C2 set (APM vol. 5, FPREM).
    An invalid operation leaves C3 and C0 as they are.
    """
    ca = cpu.f80_class(am, ae)
    cb = cpu.f80_class(bm, be)
    undone = cpu.fsw & (X_C0 | X_C3)
    cpu.fp_raised = 0
    if ca >= QNAN or cb >= QNAN:
        cpu.f80_nan(ca, am, ae, cb, bm, be)
        return undone
    if ca == INFINITY or cb == ZERO:
        cpu.f80_invalid()
        return undone
    if ca == DENORMAL or cb == DENORMAL:
        cpu.fp_raised = X_DE
    if ca == ZERO:
        cpu.f80_result(am, ae)
        return 0
    sign = ae & 0x8000
    if cb == INFINITY:
        cpu.f80_round(sign, cpu.f80_exponent(am, ae), cpu.f80_normal(am), 0, 64)
        return 0
    ea: i64 = cpu.f80_exponent(am, ae)
    eb: i64 = cpu.f80_exponent(bm, be)
    am = cpu.f80_normal(am)
    bm = cpu.f80_normal(bm)
    apart: i64 = ea - eb
    quotient = 0
    if apart >= 64:
        step = 32 + (wrap64(apart) & 31)
        rest = cpu.urem128(am >> (64 - step), (am << step) & MASK64, bm)
        cpu.f80_remainder_result(sign, ea - signed(step, 64), rest)
        return X_C2
    if apart < 0:
        if nearest == 0 or apart < -1 or am <= bm:
            cpu.f80_round(sign, ea, am, 0, 64)
            return 0
        cpu.f80_remainder_result(sign ^ 0x8000, ea, wrap64(bm + bm - am))
        return X_C1
    shift = wrap64(apart)
    high = 0
    if shift:
        high = am >> (64 - shift)
    low = (am << shift) & MASK64
    quotient = cpu.udiv128(high, low, bm)
    rest = cpu.urem128(high, low, bm)
    if nearest:
        other = bm - rest
        if rest > other or (rest == other and quotient & 1):
            rest = other
            sign = sign ^ 0x8000
            quotient = wrap64(quotient + 1)
    cpu.f80_remainder_result(sign if rest else ae & 0x8000, eb, rest)
    return ((quotient & 1) << 9) | ((quotient & 2) << 13) | ((quotient & 4) << 6)


def f80_remainder_result(cpu, sign, exponent: i64, rest):
    """The remainder rest * 2**(exponent - 16383 - 63), which is exact."""
    if rest == 0:
        cpu.f80_result(0, sign)
        return
    shift = 63 - cpu.leading_bit(rest)
    cpu.f80_round(sign, exponent - signed(shift, 64), (rest << shift) & MASK64, 0, 64)
