"""Arithmetic on 80-bit extended numbers (APM vol. 1, 6.3): add, multiply, divide, square root, and their rounding.

A number is a mantissa (u64, integer bit explicit) and an exponent word (sign in bit 15, biased exponent below).
Results are left in `fr_mantissa` and `fr_exponent`, the exceptions they raise (and C1: rounded away from zero) in
`fp_raised`; nothing else changes. Precision, rounding and masks are those of the control word. An unmasked overflow
or underflow gives the result with its exponent brought into range by 24576 (APM vol. 1, 6.8.2).

These are integer operations, so that both engines and every host agree by construction. It costs nothing: translated,
they take 6 (add) to 16 ns (divide), and the host's own x87 36 ns with its control word set and its flags read.
"""

from emu.isa.language import MASK64, i64, signed, wrap64

X_IE, X_DE, X_ZE, X_OE, X_UE, X_PE, X_SF, X_ES = 1, 2, 4, 8, 16, 32, 64, 128
X_C0, X_C1, X_C2, X_C3, X_BUSY = 0x100, 0x200, 0x400, 0x4000, 0x8000
X_CODES = 0x4700

ZERO, NORMAL, DENORMAL, INFINITY, QNAN, SNAN, UNSUPPORTED = range(7)

ADD, MULTIPLY, SUBTRACT, SUBTRACT_REVERSED, DIVIDE, DIVIDE_REVERSED = 0, 1, 4, 5, 6, 7

INTEGER_BIT = 1 << 63
QUIET_BIT = 1 << 62
INDEFINITE_MANTISSA, INDEFINITE_EXPONENT = 0xC000000000000000, 0xFFFF

NEAREST, DOWN, UP, CHOP = 0, 1, 2, 3


def f80_class(cpu, m, e):
    """ZERO, NORMAL, DENORMAL (also pseudo-denormal), INFINITY, QNAN, SNAN, or UNSUPPORTED (APM vol. 1, 6.3.2)."""
    biased = e & 0x7FFF
    if biased == 0:
        return DENORMAL if m else ZERO
    if m >> 63 == 0:
        return UNSUPPORTED
    if biased != 0x7FFF:
        return NORMAL
    if m == INTEGER_BIT:
        return INFINITY
    return QNAN if m & QUIET_BIT else SNAN


def f80_result(cpu, m, e):
    """Leave m, e as the result."""
    cpu.fr_mantissa = m
    cpu.fr_exponent = e


def f80_invalid(cpu):
    """An invalid operation: IE alone, and the indefinite NaN as the result."""
    cpu.fp_raised = X_IE
    cpu.f80_result(INDEFINITE_MANTISSA, INDEFINITE_EXPONENT)


def f80_nan(cpu, ca, am, ae, cb, bm, be):
    """The result when an operand is a NaN or unsupported (APM vol. 1, 6.3.3); `ca` and `cb` are the classes."""
    if ca == UNSUPPORTED or cb == UNSUPPORTED:
        cpu.f80_invalid()
        return
    cpu.fp_raised = X_IE if ca == SNAN or cb == SNAN else 0
    first = ca >= QNAN
    if ca >= QNAN and cb >= QNAN:
        if ca != cb:
            first = ca == QNAN
        elif am != bm:
            first = am > bm
        else:
            first = ae < be
    if first:
        cpu.f80_result(am | QUIET_BIT, ae)
    else:
        cpu.f80_result(bm | QUIET_BIT, be)


def f80_precision(cpu):
    """Significant bits that precision control keeps: 24, 53 or 64."""
    control = (cpu.fcw >> 8) & 3
    if control == 3:
        return 64
    return 53 if control == 2 else (24 if control == 0 else 64)


def f80_increment(cpu, sign, odd, extra):
    """1 when rounding goes away from zero; `extra` is the part cut off (half is bit 63), `odd` the last bit kept."""
    if extra == 0:
        return 0
    control = (cpu.fcw >> 10) & 3
    if control == NEAREST:
        return 1 if extra > INTEGER_BIT or (extra == INTEGER_BIT and odd) else 0
    if control == CHOP:
        return 0
    return 1 if (control == DOWN) == (sign != 0) else 0


def f80_round(cpu, sign, exponent: i64, high, low, precision):
    """Round and pack +-high.low * 2**(exponent - 16383), `high` with bit 63 set; adds to `fp_raised`.

    `precision` is 24, 53 or 64 bits. Tininess is detected after rounding.
    """
    sign_bit = 0x8000 if sign else 0
    unit = 1
    if precision != 64:
        unit = 1 << (64 - precision)
    extra = low
    kept = high
    if precision != 64:
        extra = ((high << precision) & MASK64) | (1 if low else 0)
        kept = high & ~(unit - 1) & MASK64
    up = cpu.f80_increment(sign, kept & unit, extra)
    if exponent <= 0 and not (exponent == 0 and up and wrap64(kept + unit) == 0):
        if cpu.fcw & X_UE:
            cpu.f80_round_denormal(sign, wrap64(1 - exponent), high, low, unit)
            return
        cpu.fp_raised = cpu.fp_raised | X_UE
        exponent = exponent + 0x6000
        if exponent <= 0:           # FSCALE may go beyond what the bias can hold
            cpu.fp_raised = cpu.fp_raised | X_PE
            cpu.f80_result(0, sign_bit)
            return
    if extra:
        cpu.fp_raised = cpu.fp_raised | X_PE
    if up:
        cpu.fp_raised = cpu.fp_raised | X_C1
        kept = wrap64(kept + unit)
        if kept == 0:
            kept = INTEGER_BIT
            exponent = exponent + 1
    if exponent >= 0x7FFF:
        if cpu.fcw & X_OE == 0:
            cpu.fp_raised = cpu.fp_raised | X_OE
            exponent = exponent - 0x6000
            if exponent >= 0x7FFF:
                cpu.fp_raised = cpu.fp_raised | X_PE | X_C1
                cpu.f80_result(INTEGER_BIT, sign_bit | 0x7FFF)
                return
        else:
            cpu.f80_overflow(sign, unit)
            return
    cpu.f80_result(kept, sign_bit | wrap64(exponent))


def f80_overflow(cpu, sign, unit):
    """The masked response to overflow: infinity, or the largest finite number of the precision."""
    sign_bit = 0x8000 if sign else 0
    cpu.fp_raised = (cpu.fp_raised | X_OE | X_PE) & ~X_C1
    control = (cpu.fcw >> 10) & 3
    if control == NEAREST or (control == DOWN and sign) or (control == UP and sign == 0):
        cpu.fp_raised = cpu.fp_raised | X_C1
        cpu.f80_result(INTEGER_BIT, sign_bit | 0x7FFF)
    else:
        cpu.f80_result(MASK64 & ~(unit - 1), sign_bit | 0x7FFE)


def f80_round_denormal(cpu, sign, shift, high, low, unit):
    """The masked response to a tiny result: high.low shifted right by `shift` (at least 1), then rounded at `unit`."""
    sticky = 1 if low else 0
    if shift < 64:
        extra = ((high << (64 - shift)) & MASK64) | sticky
        kept = high >> shift
    elif shift == 64:
        extra = high | sticky
        kept = 0
    else:
        extra = 1
        kept = 0
    if unit != 1:
        below = kept & (unit - 1)
        sticky = 1 if extra else 0
        cut = cpu.trailing_zeros(unit)
        extra = ((below << (64 - cut)) & MASK64) | sticky
        kept = kept & ~(unit - 1) & MASK64
    if extra:
        cpu.fp_raised = cpu.fp_raised | X_PE | X_UE
    if cpu.f80_increment(sign, kept & unit, extra):
        cpu.fp_raised = cpu.fp_raised | X_C1
        kept = wrap64(kept + unit)
    exponent = 1 if kept >> 63 else 0
    cpu.f80_result(kept, (0x8000 if sign else 0) | exponent)


def f80_compute(cpu, operation, am, ae, bm, be, raised):
    """a `operation` b; `raised` is DE when converting an operand has already met a denormal, else 0."""
    cpu.fp_raised = 0
    if am >> 63 and bm >> 63 and (ae + 1) & 0x7FFF > 1 and (be + 1) & 0x7FFF > 1:
        cpu.fp_raised = raised
        cpu.f80_compute_finite(operation, am, ae, bm, be)
        return
    ca = cpu.f80_class(am, ae)
    cb = cpu.f80_class(bm, be)
    if ca >= QNAN or cb >= QNAN:
        cpu.f80_nan(ca, am, ae, cb, bm, be)
        return
    if ca == DENORMAL or cb == DENORMAL:
        raised = X_DE
    cpu.fp_raised = raised
    if operation == MULTIPLY:
        sign = (ae ^ be) & 0x8000
        if ca == INFINITY or cb == INFINITY:
            if ca == ZERO or cb == ZERO:
                cpu.f80_invalid()
            else:
                cpu.f80_result(INTEGER_BIT, sign | 0x7FFF)
        elif ca == ZERO or cb == ZERO:
            cpu.f80_result(0, sign)
        else:
            cpu.f80_compute_finite(operation, am, ae, bm, be)
    elif operation == DIVIDE:
        cpu.f80_divide_special(ca, am, ae, cb, bm, be)
    elif operation == DIVIDE_REVERSED:
        cpu.f80_divide_special(cb, bm, be, ca, am, ae)
    else:
        cpu.f80_add_special(operation, ca, am, ae, cb, bm, be)


def f80_compute_finite(cpu, operation, am, ae, bm, be):
    """The four operations on finite numbers other than zero; the classes have been looked at."""
    if operation == ADD:
        cpu.f80_add(am, ae, bm, be)
    elif operation == SUBTRACT:
        cpu.f80_add(am, ae, bm, be ^ 0x8000)
    elif operation == SUBTRACT_REVERSED:
        cpu.f80_add(am, ae ^ 0x8000, bm, be)
    elif operation == MULTIPLY:
        cpu.f80_multiply(am, ae, bm, be)
    elif operation == DIVIDE:
        cpu.f80_divide(am, ae, bm, be)
    else:
        cpu.f80_divide(bm, be, am, ae)


def f80_divide_special(cpu, ca, am, ae, cb, bm, be):
    """a / b with classes ca and cb, no NaN among them."""
    sign = (ae ^ be) & 0x8000
    if ca == INFINITY:
        if cb == INFINITY:
            cpu.f80_invalid()
        else:
            cpu.f80_result(INTEGER_BIT, sign | 0x7FFF)
    elif cb == INFINITY:
        cpu.f80_result(0, sign)
    elif cb == ZERO:
        if ca == ZERO:
            cpu.f80_invalid()
        else:
            cpu.fp_raised = X_ZE            # and not DE: it comes later
            cpu.f80_result(INTEGER_BIT, sign | 0x7FFF)
    elif ca == ZERO:
        cpu.f80_result(0, sign)
    else:
        cpu.f80_divide(am, ae, bm, be)


def f80_add_special(cpu, operation, ca, am, ae, cb, bm, be):
    """Sum or difference of numbers of classes ca and cb, no NaN among them."""
    if operation == SUBTRACT:
        be = be ^ 0x8000
    elif operation == SUBTRACT_REVERSED:
        ae = ae ^ 0x8000
    if ca == INFINITY and cb == INFINITY and (ae ^ be) & 0x8000:
        cpu.f80_invalid()
    elif ca == INFINITY:
        cpu.f80_result(am, ae)
    elif cb == INFINITY:
        cpu.f80_result(bm, be)
    elif ca == ZERO and cb == ZERO:
        if (ae ^ be) & 0x8000:
            cpu.f80_result(0, cpu.f80_zero_sign())
        else:
            cpu.f80_result(0, ae & 0x8000)
    elif ca == ZERO:
        cpu.f80_round_number(bm, be)
    elif cb == ZERO:
        cpu.f80_round_number(am, ae)
    else:
        cpu.f80_add(am, ae, bm, be)


def f80_zero_sign(cpu):
    """Sign bit of an exact zero sum of numbers of different signs: minus only when rounding down."""
    return 0x8000 if (cpu.fcw >> 10) & 3 == DOWN else 0


def f80_exponent(cpu, m, e) -> i64:
    """Biased exponent of a finite number other than zero once its mantissa is shifted so that bit 63 is set."""
    biased: i64 = e & 0x7FFF
    if biased == 0:
        biased = 1
    return biased - signed(63 - cpu.leading_bit(m), 64)


def f80_normal(cpu, m):
    """`m` (not 0) shifted left until bit 63 is set."""
    return (m << (63 - cpu.leading_bit(m))) & MASK64


def f80_round_number(cpu, m, e):
    """A finite number other than zero, rounded to the current precision."""
    cpu.f80_round(e & 0x8000, cpu.f80_exponent(m, e), cpu.f80_normal(m), 0, cpu.f80_precision())


def f80_add(cpu, am, ae, bm, be):
    """a + b, both finite and not zero."""
    ea: i64 = cpu.f80_exponent(am, ae)
    eb: i64 = cpu.f80_exponent(bm, be)
    am = cpu.f80_normal(am)
    bm = cpu.f80_normal(bm)
    exponent: i64 = ea
    sign = ae & 0x8000
    if eb > ea or (eb == ea and bm > am):
        exponent = eb
        eb = ea
        sign = be & 0x8000
        swapped = am
        am = bm
        bm = swapped
    shift = wrap64(exponent - eb)
    if shift == 0:
        high = bm
        low = 0
    elif shift < 64:
        high = bm >> shift
        low = (bm << (64 - shift)) & MASK64
    else:
        high = 0
        if shift == 64:
            low = bm
        elif shift < 128:
            low = bm >> (shift - 64)
            if (bm << (128 - shift)) & MASK64:
                low = low | 1
        else:
            low = 1
    if (ae ^ be) & 0x8000 == 0:
        high = wrap64(am + high)
        if high < am:
            low = (low >> 1) | (low & 1) | ((high & 1) << 63)
            high = (high >> 1) | INTEGER_BIT
            exponent = exponent + 1
    else:
        high = wrap64(am - high - (1 if low else 0))
        low = wrap64(0 - low)
        if high == 0:
            if low == 0:
                cpu.f80_result(0, cpu.f80_zero_sign())
                return
            high = low
            low = 0
            exponent = exponent - 64
        shift = 63 - cpu.leading_bit(high)
        if shift:
            high = ((high << shift) & MASK64) | (low >> (64 - shift))
            low = (low << shift) & MASK64
            exponent = exponent - signed(shift, 64)
    cpu.f80_round(sign, exponent, high, low, cpu.f80_precision())


def f80_multiply(cpu, am, ae, bm, be):
    """a * b, both finite and not zero."""
    exponent: i64 = cpu.f80_exponent(am, ae) + cpu.f80_exponent(bm, be) - 0x3FFE
    am = cpu.f80_normal(am)
    bm = cpu.f80_normal(bm)
    high = cpu.umul_high(am, bm)
    low = wrap64(am * bm)
    if high >> 63 == 0:
        high = ((high << 1) & MASK64) | (low >> 63)
        low = (low << 1) & MASK64
        exponent = exponent - 1
    cpu.f80_round((ae ^ be) & 0x8000, exponent, high, low, cpu.f80_precision())


def f80_divide(cpu, am, ae, bm, be):
    """a / b, both finite and not zero."""
    exponent: i64 = cpu.f80_exponent(am, ae) - cpu.f80_exponent(bm, be) + 0x3FFE
    am = cpu.f80_normal(am)
    bm = cpu.f80_normal(bm)
    low = 0
    if am >= bm:
        exponent = exponent + 1
        low = (am << 63) & MASK64
        am = am >> 1
    quotient = cpu.udiv128(am, low, bm)
    rest = cpu.urem128(am, low, bm)
    cpu.f80_round((ae ^ be) & 0x8000, exponent, quotient, cpu.f80_compare_half(rest, bm), cpu.f80_precision())


def f80_compare_half(cpu, rest, divisor):
    """rest / divisor (below 1) as the part cut off: 0, a quarter, exactly a half, or three quarters of 2**64."""
    if rest == 0:
        return 0
    other = wrap64(divisor - rest)
    if rest == other:
        return INTEGER_BIT
    return 0xC000000000000000 if rest > other else 0x4000000000000000


def f80_sqrt(cpu, m, e):
    """The square root."""
    cpu.fp_raised = 0
    kind = cpu.f80_class(m, e)
    if kind >= QNAN:
        cpu.f80_nan(kind, m, e, ZERO, 0, 0)
        return
    if kind == ZERO:
        cpu.f80_result(m, e)
        return
    if e & 0x8000:
        cpu.f80_invalid()
        return
    if kind == INFINITY:
        cpu.f80_result(m, e)
        return
    if kind == DENORMAL:
        cpu.fp_raised = X_DE
    exponent: i64 = cpu.f80_exponent(m, e) - 0x3FFF
    m = cpu.f80_normal(m)
    low = 0
    if exponent & 1 == 0:
        low = (m << 63) & MASK64
        m = m >> 1
    # Root of the upper half bit by bit, then of all by one division (Zimmermann, "Karatsuba Square Root", 1999).
    root = 0
    rest = m
    bit = 1 << 62
    while bit:
        if rest >= root + bit:
            rest = rest - root - bit
            root = (root >> 1) + bit
        else:
            root = root >> 1
        bit = bit >> 2
    # rest * 2**32 + upper half of low has up to 65 bits, its half by root has 64
    upper = low >> 32
    half = ((rest << 31) | (upper >> 1)) & MASK64
    quotient = half // root
    remainder = ((half % root) << 1) | (upper & 1)
    if quotient >> 32:              # rest was twice root: the quotient is 2**32, a digit too large
        quotient = 0xFFFFFFFF
        remainder = remainder + 2 * root
    # remainder * 2**32 + lower half of low - quotient**2, a signed number of up to 66 bits, as high:low
    square = wrap64(quotient * quotient)
    rest_low = wrap64((remainder << 32) | (low & 0xFFFFFFFF))
    rest_high = remainder >> 32
    root = wrap64((root << 32) + quotient)
    negative = 0
    if rest_low < square:
        if rest_high:
            rest_high = rest_high - 1
        else:
            negative = 1
    rest_low = wrap64(rest_low - square)
    if negative:
        # the root is one too large: rest + 2 * root - 1, which is positive
        root = root - 1
        doubled = wrap64(root * 2 + 1)
        rest_high = wrap64((root >> 63) + (1 if wrap64(rest_low + doubled) < rest_low else 0) - 1)
        rest_low = wrap64(rest_low + doubled)
    extra = 0
    if rest_high or rest_low > root:
        extra = 0xC000000000000000
    elif rest_low:
        extra = 0x4000000000000000
    cpu.f80_round(0, (exponent >> 1) + 0x3FFF, root, extra, cpu.f80_precision())
