"""What SSE and MMX instructions share: when they may run, MXCSR, exceptions, and the reciprocal approximations.

APM vol. 1, chapters 4 and 5.
"""

from emu.cpu.vector import V128
from emu.isa.language import ACCESS_WRITE, CR0_EM, CR0_TS, CR4_OSXMMEXCPT, GP, MASK32, MF, NM, RDI, UD, XM, Fault, mask

MXCSR_WRITABLE = 0xFFFF         # what FXSAVE reports as MXCSR_MASK: DAZ is there, misaligned mode is not

F32_SIGN, F32_INFINITY, F32_QUIET, F32_INDEFINITE = 0x80000000, 0x7F800000, 0x00400000, 0xFFC00000
F32_NORMAL = 0x00800000         # smallest normal number, also the integer bit of a significand


def require_sse(cpu):
    """#UD or #NM when CR0 and CR4 do not let an SSE instruction run (APM vol. 2, 11.2.1)."""
    if cpu.fpu_blocked & 6:
        if cpu.fpu_blocked & 2:
            raise Fault(UD, 0)
        raise Fault(NM, 0)


def require_mmx(cpu):
    """#UD with CR0.EM, #NM with CR0.TS, #MF when an unmasked x87 exception waits (APM vol. 1, 5.11)."""
    if cpu.cr0 & (CR0_EM | CR0_TS):
        if cpu.cr0 & CR0_EM:
            raise Fault(UD, 0)
        raise Fault(NM, 0)
    if cpu.fsw & 0x80:
        raise Fault(MF, 0)


def enter_mmx(cpu):
    """Every MMX instruction but EMMS makes TOP 0 and all x87 registers valid; call it when nothing can fault any more."""
    cpu.ftop = 0
    cpu.ftags = 0


def store_selected(cpu, seg, source: V128, selected):
    """MASKMOVDQU, MASKMOVQ: store the bytes of `source` whose bit in `selected` is set at seg:rDI.

    Every byte's page is checked before the first is stored; bytes that are not selected cannot fault.
    """
    start = cpu.read_address_register(RDI)
    ones = mask(cpu.addrsize)
    for i in range(16):
        if (selected >> i) & 1:
            cpu.probe_memory(seg, (start + i) & ones, 1, ACCESS_WRITE)
    for i in range(16):
        if (selected >> i) & 1:
            cpu.write_memory(seg, (start + i) & ones, 8, source.u8[i])


def load_mxcsr(cpu, value):
    """Set MXCSR; #GP(0) for a reserved bit."""
    if value & ~MXCSR_WRITABLE & MASK32:
        raise Fault(GP, 0)
    cpu.write_mxcsr(value)


def fp_begin(cpu):
    """Before the arithmetic of an SSE floating-point instruction."""
    cpu.fp_clear()


def fp_end(cpu):
    """After its arithmetic, before its result is written: record the exceptions; #XM when one is unmasked.

    An unmasked IE, DE or ZE of any element hides OE, UE and PE, which come of the results (APM vol. 1, 4.10.4).
    Without CR4.OSXMMEXCPT the fault is #UD.
    """
    raised = cpu.fp_take()
    mxcsr = cpu.read_mxcsr()
    unmasked = raised & ~(mxcsr >> 7) & 0x3F
    if unmasked:
        if unmasked & 7:
            raised = raised & 7
        cpu.write_mxcsr(mxcsr | raised)
        raise Fault(XM if cpu.cr4 & CR4_OSXMMEXCPT else UD, 0)
    cpu.write_mxcsr(mxcsr | raised)


def f32_reciprocal(cpu, a):
    """RCPSS: 1 / a, rounded to nearest whatever MXCSR says; no flags; denormals count and result as zero.

    The manual wants a relative error of at most 1.5 * 2**-12 and leaves the rest open (APM vol. 4, RCPSS).
    """
    sign = a & F32_SIGN
    field = (a >> 23) & 0xFF
    fraction = a & 0x7FFFFF
    if field == 0xFF:
        if fraction:
            return a | F32_QUIET
        return sign
    if field == 0:
        return sign | F32_INFINITY
    quotient = (1 << 48) // (fraction | F32_NORMAL)         # 25 bits, or 2**25 for a power of two
    quotient = (quotient + 1) >> 1
    result = 254 - field
    if quotient < 0x1000000:
        if result <= 1:
            return sign
        return sign | ((result - 1) << 23) | (quotient & 0x7FFFFF)
    if result == 0:
        return sign
    return sign | (result << 23)


def f32_reciprocal_root(cpu, a):
    """RSQRTSS: 1 / sqrt(a), rounded to nearest whatever MXCSR says; no flags; denormals count as zeros.

    Accuracy as for RCPSS. Negative numbers give the indefinite NaN.
    """
    field = (a >> 23) & 0xFF
    fraction = a & 0x7FFFFF
    if field == 0xFF and fraction:
        return a | F32_QUIET
    if field == 0:
        return (a & F32_SIGN) | F32_INFINITY
    if a & F32_SIGN:
        return F32_INDEFINITE
    if field == 0xFF:
        return 0
    # a = m * 2**e with e even and m of 24 or 25 bits. The root is the largest q with q**2 * m < 2**(2*t): 2**t / sqrt(m),
    # of 25 bits, rounded down; then one more rounding to 24.
    m = fraction | F32_NORMAL
    biased = field + 50                                     # e + 200
    if biased & 1:
        m = m << 1
        biased = biased - 1
    t = 36 if m < 0x1000000 else 37
    bound = 1 << (2 * t - 13)
    q = 0
    bit = 1 << 25
    while bit:
        tried = q | bit
        if cpu.umul_high((tried * tried) << 12, m << 39) < bound:
            q = tried
        bit = bit >> 1
    q = (q + 1) >> 1
    exponent = 251 - t - (biased >> 1)
    if q == 0x1000000:
        return (exponent + 1) << 23
    return (exponent << 23) | (q & 0x7FFFFF)
