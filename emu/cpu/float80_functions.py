"""Transcendental functions of 80-bit numbers: special operands here, the rest by `emu/cpu/transcendental.py`.

As in `float80.py`: results in `fr_*` and `fr2_*`, exceptions and C1 in `fp_raised`. Operands outside of an
instruction's range give what AMD's processors give.
"""

from emu.cpu.float80 import DENORMAL, INFINITY, INTEGER_BIT, QNAN, X_C1, X_DE, X_PE, X_ZE, ZERO
from emu.cpu.transcendental import ATAN2, COSINE, EXP2_MINUS_1, SINE, TANGENT, Y_LOG2_X, Y_LOG2_X_PLUS_1
from emu.isa.language import i64, signed

PI_HIGH, PI_LOW = 0xC90FDAA22168C234, 0xC4C6628B80DC1CD1                # times 2**-126 of 128 bits
THREE_PI_HIGH, THREE_PI_LOW = 0x96CBE3F9990E91A7, 0x9394C9E8A0A5159D    # 3 pi / 4, times 2**-126


def f80_evaluate(cpu, operation, am, ae, bm, be):
    """The function of finite numbers other than zero, rounded; always inexact, as processors say it is."""
    cpu.x87_transcendental(operation, am, ae, bm, be)
    exponent: i64 = signed(cpu.fr_exponent, 64)
    cpu.f80_round(cpu.fr2_exponent, exponent, cpu.fr_mantissa, cpu.fr2_mantissa, 64)
    cpu.fp_raised = cpu.fp_raised | X_PE


def f80_exp2_minus_1(cpu, m, e):
    """F2XM1: 2**a - 1; outside of -1 to 1, a itself."""
    kind = cpu.f80_class(m, e)
    cpu.fp_raised = 0
    if kind >= QNAN:
        cpu.f80_nan(kind, m, e, ZERO, 0, 0)
    elif kind == ZERO:
        cpu.f80_result(m, e)
    elif kind == INFINITY:
        cpu.f80_result(m, 0xBFFF if e & 0x8000 else e)
    elif e & 0x7FFF > 0x3FFF or (e & 0x7FFF == 0x3FFF and m != INTEGER_BIT):
        cpu.fp_raised = X_PE
        cpu.f80_result(m, e)
    else:
        cpu.fp_raised = X_DE if kind == DENORMAL else 0
        cpu.f80_evaluate(EXP2_MINUS_1, m, e, 0, 0)


def f80_log2(cpu, am, ae, bm, be):
    """FYL2X: b * log2(a)."""
    ca = cpu.f80_class(am, ae)
    cb = cpu.f80_class(bm, be)
    if ca >= QNAN or cb >= QNAN:
        cpu.f80_nan(ca, am, ae, cb, bm, be)
        return
    cpu.fp_raised = X_DE if ca == DENORMAL or cb == DENORMAL else 0
    sign = be & 0x8000
    if ca == ZERO:
        if cb == ZERO:
            cpu.f80_invalid()
            return
        cpu.fp_raised = 0 if cb == INFINITY else X_ZE
        cpu.f80_result(INTEGER_BIT, (sign ^ 0x8000) | 0x7FFF)
        return
    one = am == INTEGER_BIT and ae == 0x3FFF
    if ae & 0x8000 or (ca == INFINITY and cb == ZERO) or (one and cb == INFINITY):
        cpu.f80_invalid()
        return
    if one:
        cpu.f80_result(0, sign)
        return
    if ae < 0x3FFF:
        sign = sign ^ 0x8000
    if ca == INFINITY or cb == INFINITY:
        cpu.f80_result(INTEGER_BIT, sign | 0x7FFF)
    elif cb == ZERO:
        cpu.f80_result(0, sign)
    else:
        cpu.f80_evaluate(Y_LOG2_X, am, ae, bm, be)


def f80_log2_plus_1(cpu, am, ae, bm, be):
    """FYL2XP1: b * log2(a + 1); for a of -1 and below, a itself."""
    ca = cpu.f80_class(am, ae)
    cb = cpu.f80_class(bm, be)
    if ca >= QNAN or cb >= QNAN:
        cpu.f80_nan(ca, am, ae, cb, bm, be)
        return
    cpu.fp_raised = X_DE if ca == DENORMAL or cb == DENORMAL else 0
    sign = (ae ^ be) & 0x8000
    if ca == INFINITY and (ae & 0x8000 or cb == ZERO):
        cpu.f80_invalid()
    elif ca == ZERO and cb == INFINITY:
        cpu.f80_invalid()
    elif ca == INFINITY or cb == INFINITY:
        cpu.f80_result(INTEGER_BIT, sign | 0x7FFF)
    elif ca == ZERO or cb == ZERO:
        cpu.f80_result(0, sign)
    elif ae >= 0xBFFF:
        cpu.fp_raised = cpu.fp_raised | X_PE
        cpu.f80_result(am, ae)
    else:
        cpu.f80_evaluate(Y_LOG2_X_PLUS_1, am, ae, bm, be)


def f80_atan2(cpu, am, ae, bm, be):
    """FPATAN: the angle of the point x = a, y = b."""
    ca = cpu.f80_class(am, ae)
    cb = cpu.f80_class(bm, be)
    if ca >= QNAN or cb >= QNAN:
        cpu.f80_nan(ca, am, ae, cb, bm, be)
        return
    cpu.fp_raised = X_DE if ca == DENORMAL or cb == DENORMAL else 0
    left = ae & 0x8000
    sign = be & 0x8000
    if ca == INFINITY and cb == INFINITY:
        if left:
            cpu.f80_round(sign, 0x4000, THREE_PI_HIGH, THREE_PI_LOW, 64)
        else:
            cpu.f80_round(sign, 0x3FFE, PI_HIGH, PI_LOW, 64)
    elif cb == ZERO or ca == INFINITY:
        if left:
            cpu.f80_round(sign, 0x4000, PI_HIGH, PI_LOW, 64)
        else:
            cpu.f80_result(0, sign)
    elif ca == ZERO or cb == INFINITY:
        cpu.f80_round(sign, 0x3FFF, PI_HIGH, PI_LOW, 64)
    else:
        cpu.f80_evaluate(ATAN2, am, ae, bm, be)


def f80_too_large(cpu, m, e):
    """1 when the angle is finite but 2**63 or more, which the instructions refuse (C2), else 0."""
    biased = e & 0x7FFF
    return 1 if biased >= 0x403E and biased != 0x7FFF and m >> 63 else 0


def f80_angle_function(cpu, operation, m, e):
    """SINE, COSINE or TANGENT of an angle below 2**63."""
    kind = cpu.f80_class(m, e)
    cpu.fp_raised = 0
    if kind >= QNAN:
        cpu.f80_nan(kind, m, e, ZERO, 0, 0)
    elif kind == INFINITY:
        cpu.f80_invalid()
    elif kind == ZERO:
        if operation == COSINE:
            cpu.f80_result(INTEGER_BIT, 0x3FFF)
        else:
            cpu.f80_result(m, e)
    else:
        cpu.fp_raised = X_DE if kind == DENORMAL else 0
        cpu.f80_evaluate(operation, m, e, 0, 0)


def f80_sine_cosine(cpu, m, e):
    """FSINCOS: the sine, and in `fr2_*` the cosine; C1 is the sine's."""
    cpu.f80_angle_function(COSINE, m, e)
    cosine = cpu.fr_mantissa
    cosine_exponent = cpu.fr_exponent
    raised = cpu.fp_raised & ~X_C1
    cpu.f80_angle_function(SINE, m, e)
    cpu.fp_raised = cpu.fp_raised | raised
    cpu.fr2_mantissa = cosine
    cpu.fr2_exponent = cosine_exponent


def f80_tangent(cpu, m, e):
    """FPTAN: the tangent, and in `fr2_*` 1.0, or the NaN once more."""
    cpu.f80_angle_function(TANGENT, m, e)
    cpu.fr2_mantissa = INTEGER_BIT
    cpu.fr2_exponent = 0x3FFF
    if cpu.f80_class(cpu.fr_mantissa, cpu.fr_exponent) >= QNAN:
        cpu.fr2_mantissa = cpu.fr_mantissa
        cpu.fr2_exponent = cpu.fr_exponent
