"""SSE and SSE2 floating-point arithmetic, comparisons and conversions (APM vol. 4).

Every meaning has the same moves: `fp_begin`, the sources, the arithmetic, `fp_end` (which records the exceptions and
raises #XM for an unmasked one), the result. The primitives are described in `emu/cpu/floating.py`.
"""

from emu.isa.registry import instruction


@instruction("ADDSD", "F2 0F 58 /r Vq,Wq", requires="sse")
def addsd(cpu, dst, src):
    """dst = dst + src; the rest of dst stays."""
    cpu.fp_begin()
    b = src.read()
    result = cpu.f64_add(dst.read(), b)
    cpu.fp_end()
    dst.write(result)


@instruction("ADDSS", "F3 0F 58 /r Vd,Wd", requires="sse")
def addss(cpu, dst, src):
    """dst = dst + src; the rest of dst stays."""
    cpu.fp_begin()
    b = src.read()
    result = cpu.f32_add(dst.read(), b)
    cpu.fp_end()
    dst.write(result)


@instruction("ADDPD", "66 0F 58 /r Vdq,Wdq", requires="sse")
def addpd(cpu, dst, src):
    """dst = dst + src, two doubles."""
    cpu.fp_begin()
    b = src.vector()
    result = cpu.f64x2_add(dst.vector(), b)
    cpu.fp_end()
    dst.write_vector(result)


@instruction("ADDPS", "NP 0F 58 /r Vdq,Wdq", requires="sse")
def addps(cpu, dst, src):
    """dst = dst + src, four singles."""
    cpu.fp_begin()
    b = src.vector()
    result = cpu.f32x4_add(dst.vector(), b)
    cpu.fp_end()
    dst.write_vector(result)


@instruction("MULSD", "F2 0F 59 /r Vq,Wq", requires="sse")
def mulsd(cpu, dst, src):
    """dst = dst * src; the rest of dst stays."""
    cpu.fp_begin()
    b = src.read()
    result = cpu.f64_mul(dst.read(), b)
    cpu.fp_end()
    dst.write(result)


@instruction("MULSS", "F3 0F 59 /r Vd,Wd", requires="sse")
def mulss(cpu, dst, src):
    """dst = dst * src; the rest of dst stays."""
    cpu.fp_begin()
    b = src.read()
    result = cpu.f32_mul(dst.read(), b)
    cpu.fp_end()
    dst.write(result)


@instruction("MULPD", "66 0F 59 /r Vdq,Wdq", requires="sse")
def mulpd(cpu, dst, src):
    """dst = dst * src, two doubles."""
    cpu.fp_begin()
    b = src.vector()
    result = cpu.f64x2_mul(dst.vector(), b)
    cpu.fp_end()
    dst.write_vector(result)


@instruction("MULPS", "NP 0F 59 /r Vdq,Wdq", requires="sse")
def mulps(cpu, dst, src):
    """dst = dst * src, four singles."""
    cpu.fp_begin()
    b = src.vector()
    result = cpu.f32x4_mul(dst.vector(), b)
    cpu.fp_end()
    dst.write_vector(result)


@instruction("SUBSD", "F2 0F 5C /r Vq,Wq", requires="sse")
def subsd(cpu, dst, src):
    """dst = dst - src; the rest of dst stays."""
    cpu.fp_begin()
    b = src.read()
    result = cpu.f64_sub(dst.read(), b)
    cpu.fp_end()
    dst.write(result)


@instruction("SUBSS", "F3 0F 5C /r Vd,Wd", requires="sse")
def subss(cpu, dst, src):
    """dst = dst - src; the rest of dst stays."""
    cpu.fp_begin()
    b = src.read()
    result = cpu.f32_sub(dst.read(), b)
    cpu.fp_end()
    dst.write(result)


@instruction("SUBPD", "66 0F 5C /r Vdq,Wdq", requires="sse")
def subpd(cpu, dst, src):
    """dst = dst - src, two doubles."""
    cpu.fp_begin()
    b = src.vector()
    result = cpu.f64x2_sub(dst.vector(), b)
    cpu.fp_end()
    dst.write_vector(result)


@instruction("SUBPS", "NP 0F 5C /r Vdq,Wdq", requires="sse")
def subps(cpu, dst, src):
    """dst = dst - src, four singles."""
    cpu.fp_begin()
    b = src.vector()
    result = cpu.f32x4_sub(dst.vector(), b)
    cpu.fp_end()
    dst.write_vector(result)


@instruction("MINSD", "F2 0F 5D /r Vq,Wq", requires="sse")
def minsd(cpu, dst, src):
    """dst = dst if dst < src else src; the rest of dst stays."""
    cpu.fp_begin()
    b = src.read()
    result = cpu.f64_min(dst.read(), b)
    cpu.fp_end()
    dst.write(result)


@instruction("MINSS", "F3 0F 5D /r Vd,Wd", requires="sse")
def minss(cpu, dst, src):
    """dst = dst if dst < src else src; the rest of dst stays."""
    cpu.fp_begin()
    b = src.read()
    result = cpu.f32_min(dst.read(), b)
    cpu.fp_end()
    dst.write(result)


@instruction("MINPD", "66 0F 5D /r Vdq,Wdq", requires="sse")
def minpd(cpu, dst, src):
    """dst = dst if dst < src else src, two doubles."""
    cpu.fp_begin()
    b = src.vector()
    result = cpu.f64x2_min(dst.vector(), b)
    cpu.fp_end()
    dst.write_vector(result)


@instruction("MINPS", "NP 0F 5D /r Vdq,Wdq", requires="sse")
def minps(cpu, dst, src):
    """dst = dst if dst < src else src, four singles."""
    cpu.fp_begin()
    b = src.vector()
    result = cpu.f32x4_min(dst.vector(), b)
    cpu.fp_end()
    dst.write_vector(result)


@instruction("DIVSD", "F2 0F 5E /r Vq,Wq", requires="sse")
def divsd(cpu, dst, src):
    """dst = dst / src; the rest of dst stays."""
    cpu.fp_begin()
    b = src.read()
    result = cpu.f64_div(dst.read(), b)
    cpu.fp_end()
    dst.write(result)


@instruction("DIVSS", "F3 0F 5E /r Vd,Wd", requires="sse")
def divss(cpu, dst, src):
    """dst = dst / src; the rest of dst stays."""
    cpu.fp_begin()
    b = src.read()
    result = cpu.f32_div(dst.read(), b)
    cpu.fp_end()
    dst.write(result)


@instruction("DIVPD", "66 0F 5E /r Vdq,Wdq", requires="sse")
def divpd(cpu, dst, src):
    """dst = dst / src, two doubles."""
    cpu.fp_begin()
    b = src.vector()
    result = cpu.f64x2_div(dst.vector(), b)
    cpu.fp_end()
    dst.write_vector(result)


@instruction("DIVPS", "NP 0F 5E /r Vdq,Wdq", requires="sse")
def divps(cpu, dst, src):
    """dst = dst / src, four singles."""
    cpu.fp_begin()
    b = src.vector()
    result = cpu.f32x4_div(dst.vector(), b)
    cpu.fp_end()
    dst.write_vector(result)


@instruction("MAXSD", "F2 0F 5F /r Vq,Wq", requires="sse")
def maxsd(cpu, dst, src):
    """dst = dst if dst > src else src; the rest of dst stays."""
    cpu.fp_begin()
    b = src.read()
    result = cpu.f64_max(dst.read(), b)
    cpu.fp_end()
    dst.write(result)


@instruction("MAXSS", "F3 0F 5F /r Vd,Wd", requires="sse")
def maxss(cpu, dst, src):
    """dst = dst if dst > src else src; the rest of dst stays."""
    cpu.fp_begin()
    b = src.read()
    result = cpu.f32_max(dst.read(), b)
    cpu.fp_end()
    dst.write(result)


@instruction("MAXPD", "66 0F 5F /r Vdq,Wdq", requires="sse")
def maxpd(cpu, dst, src):
    """dst = dst if dst > src else src, two doubles."""
    cpu.fp_begin()
    b = src.vector()
    result = cpu.f64x2_max(dst.vector(), b)
    cpu.fp_end()
    dst.write_vector(result)


@instruction("MAXPS", "NP 0F 5F /r Vdq,Wdq", requires="sse")
def maxps(cpu, dst, src):
    """dst = dst if dst > src else src, four singles."""
    cpu.fp_begin()
    b = src.vector()
    result = cpu.f32x4_max(dst.vector(), b)
    cpu.fp_end()
    dst.write_vector(result)


@instruction("SQRTSD", "F2 0F 51 /r Vq,Wq", requires="sse")
def sqrtsd(cpu, dst, src):
    """dst = square root of src; the rest of dst stays."""
    cpu.fp_begin()
    result = cpu.f64_sqrt(src.read())
    cpu.fp_end()
    dst.write(result)


@instruction("SQRTSS", "F3 0F 51 /r Vd,Wd", requires="sse")
def sqrtss(cpu, dst, src):
    """dst = square root of src; the rest of dst stays."""
    cpu.fp_begin()
    result = cpu.f32_sqrt(src.read())
    cpu.fp_end()
    dst.write(result)


@instruction("SQRTPD", "66 0F 51 /r Vdq,Wdq", requires="sse")
def sqrtpd(cpu, dst, src):
    """dst = square roots of src, two doubles."""
    cpu.fp_begin()
    result = cpu.f64x2_sqrt(src.vector())
    cpu.fp_end()
    dst.write_vector(result)


@instruction("SQRTPS", "NP 0F 51 /r Vdq,Wdq", requires="sse")
def sqrtps(cpu, dst, src):
    """dst = square roots of src, four singles."""
    cpu.fp_begin()
    result = cpu.f32x4_sqrt(src.vector())
    cpu.fp_end()
    dst.write_vector(result)


@instruction("RCPSS", "F3 0F 53 /r Vd,Wd", requires="sse")
def rcpss(cpu, dst, src):
    """dst = 1 / src, approximately; no exceptions."""
    dst.write(cpu.f32_reciprocal(src.read()))


@instruction("RCPPS", "NP 0F 53 /r Vdq,Wdq", requires="sse")
def rcpps(cpu, dst, src):
    """dst = 1 / src, approximately, four singles; no exceptions."""
    a = src.vector()
    r = cpu.vector(0, 0)
    for i in range(4):
        r.u32[i] = cpu.f32_reciprocal(a.u32[i])
    dst.write_vector(r)


@instruction("RSQRTSS", "F3 0F 52 /r Vd,Wd", requires="sse")
def rsqrtss(cpu, dst, src):
    """dst = 1 / square root of src, approximately; no exceptions."""
    dst.write(cpu.f32_reciprocal_root(src.read()))


@instruction("RSQRTPS", "NP 0F 52 /r Vdq,Wdq", requires="sse")
def rsqrtps(cpu, dst, src):
    """dst = 1 / square root of src, approximately, four singles; no exceptions."""
    a = src.vector()
    r = cpu.vector(0, 0)
    for i in range(4):
        r.u32[i] = cpu.f32_reciprocal_root(a.u32[i])
    dst.write_vector(r)


@instruction("CMPSD", "F2 0F C2 /r ib Vq,Wq,Ib", requires="sse")
def cmpsd(cpu, dst, src, predicate):
    """dst = all ones if dst and src satisfy the predicate (bits 2..0 of the immediate), else 0."""
    cpu.fp_begin()
    b = src.read()
    result = cpu.f64_cmp(dst.read(), b, predicate.read() & 7)
    cpu.fp_end()
    dst.write(result)


@instruction("CMPSS", "F3 0F C2 /r ib Vd,Wd,Ib", requires="sse")
def cmpss(cpu, dst, src, predicate):
    """dst = all ones if dst and src satisfy the predicate (bits 2..0 of the immediate), else 0."""
    cpu.fp_begin()
    b = src.read()
    result = cpu.f32_cmp(dst.read(), b, predicate.read() & 7)
    cpu.fp_end()
    dst.write(result)


@instruction("CMPPD", "66 0F C2 /r ib Vdq,Wdq,Ib", requires="sse")
def cmppd(cpu, dst, src, predicate):
    """As CMPSD, two doubles."""
    cpu.fp_begin()
    b = src.vector()
    a = dst.vector()
    r = cpu.vector(0, 0)
    for i in range(2):
        r.u64[i] = cpu.f64_cmp(a.u64[i], b.u64[i], predicate.read() & 7)
    cpu.fp_end()
    dst.write_vector(r)


@instruction("CMPPS", "NP 0F C2 /r ib Vdq,Wdq,Ib", requires="sse")
def cmpps(cpu, dst, src, predicate):
    """As CMPSS, four singles."""
    cpu.fp_begin()
    b = src.vector()
    a = dst.vector()
    r = cpu.vector(0, 0)
    for i in range(4):
        r.u32[i] = cpu.f32_cmp(a.u32[i], b.u32[i], predicate.read() & 7)
    cpu.fp_end()
    dst.write_vector(r)


@instruction("UCOMISD", "66 0F 2E /r Vq,Wq", requires="sse")
def ucomisd(cpu, left, right):
    """ZF PF CF = 000 if left is greater, 001 less, 100 equal, 111 unordered; OF SF AF = 0.

    IE for a signalling NaN.
    """
    cpu.fp_begin()
    b = right.read()
    bits = cpu.f64_ucomi(left.read(), b)
    cpu.fp_end()
    cpu.flags_set(bits)


@instruction("UCOMISS", "NP 0F 2E /r Vd,Wd", requires="sse")
def ucomiss(cpu, left, right):
    """ZF PF CF = 000 if left is greater, 001 less, 100 equal, 111 unordered; OF SF AF = 0.

    IE for a signalling NaN.
    """
    cpu.fp_begin()
    b = right.read()
    bits = cpu.f32_ucomi(left.read(), b)
    cpu.fp_end()
    cpu.flags_set(bits)


@instruction("COMISD", "66 0F 2F /r Vq,Wq", requires="sse")
def comisd(cpu, left, right):
    """ZF PF CF = 000 if left is greater, 001 less, 100 equal, 111 unordered; OF SF AF = 0.

    IE for any NaN.
    """
    cpu.fp_begin()
    b = right.read()
    bits = cpu.f64_comi(left.read(), b)
    cpu.fp_end()
    cpu.flags_set(bits)


@instruction("COMISS", "NP 0F 2F /r Vd,Wd", requires="sse")
def comiss(cpu, left, right):
    """ZF PF CF = 000 if left is greater, 001 less, 100 equal, 111 unordered; OF SF AF = 0.

    IE for any NaN.
    """
    cpu.fp_begin()
    b = right.read()
    bits = cpu.f32_comi(left.read(), b)
    cpu.fp_end()
    cpu.flags_set(bits)


@instruction("ANDPS", "NP 0F 54 /r Vdq,Wdq", requires="sse")
def andps(cpu, dst, src):
    """dst = dst & src, 128 bits."""
    a = dst.vector()
    b = src.vector()
    dst.write_vector(cpu.vector(a.u64[0] & b.u64[0], a.u64[1] & b.u64[1]))


@instruction("ANDPD", "66 0F 54 /r Vdq,Wdq", requires="sse")
def andpd(cpu, dst, src):
    """dst = dst & src, 128 bits."""
    a = dst.vector()
    b = src.vector()
    dst.write_vector(cpu.vector(a.u64[0] & b.u64[0], a.u64[1] & b.u64[1]))


@instruction("ANDNPS", "NP 0F 55 /r Vdq,Wdq", requires="sse")
def andnps(cpu, dst, src):
    """dst = ~dst & src, 128 bits."""
    a = dst.vector()
    b = src.vector()
    dst.write_vector(cpu.vector(~a.u64[0] & b.u64[0], ~a.u64[1] & b.u64[1]))


@instruction("ANDNPD", "66 0F 55 /r Vdq,Wdq", requires="sse")
def andnpd(cpu, dst, src):
    """dst = ~dst & src, 128 bits."""
    a = dst.vector()
    b = src.vector()
    dst.write_vector(cpu.vector(~a.u64[0] & b.u64[0], ~a.u64[1] & b.u64[1]))


@instruction("ORPS", "NP 0F 56 /r Vdq,Wdq", requires="sse")
def orps(cpu, dst, src):
    """dst = dst | src, 128 bits."""
    a = dst.vector()
    b = src.vector()
    dst.write_vector(cpu.vector(a.u64[0] | b.u64[0], a.u64[1] | b.u64[1]))


@instruction("ORPD", "66 0F 56 /r Vdq,Wdq", requires="sse")
def orpd(cpu, dst, src):
    """dst = dst | src, 128 bits."""
    a = dst.vector()
    b = src.vector()
    dst.write_vector(cpu.vector(a.u64[0] | b.u64[0], a.u64[1] | b.u64[1]))


@instruction("XORPS", "NP 0F 57 /r Vdq,Wdq", requires="sse")
def xorps(cpu, dst, src):
    """dst = dst ^ src, 128 bits."""
    a = dst.vector()
    b = src.vector()
    dst.write_vector(cpu.vector(a.u64[0] ^ b.u64[0], a.u64[1] ^ b.u64[1]))


@instruction("XORPD", "66 0F 57 /r Vdq,Wdq", requires="sse")
def xorpd(cpu, dst, src):
    """dst = dst ^ src, 128 bits."""
    a = dst.vector()
    b = src.vector()
    dst.write_vector(cpu.vector(a.u64[0] ^ b.u64[0], a.u64[1] ^ b.u64[1]))
