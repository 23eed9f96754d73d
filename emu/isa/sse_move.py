"""SSE and SSE2 moves, float shuffles, and MXCSR (APM vol. 4).

MOVAPS and its like need 16-byte alignment in memory; the `unaligned` ones do not. What differs only in the type of
the data that the processor expects (MOVAPS, MOVAPD, MOVDQA) has the same meaning.
"""

from emu.isa.registry import instruction


@instruction("MOVUPS", "NP 0F 10 /r Vdq,Wdq", "NP 0F 11 /r Wdq,Vdq", requires="sse", unaligned=True)
def movups(cpu, dst, src):
    """dst = src."""
    dst.write_vector(src.vector())


@instruction("MOVUPD", "66 0F 10 /r Vdq,Wdq", "66 0F 11 /r Wdq,Vdq", requires="sse", unaligned=True)
def movupd(cpu, dst, src):
    """dst = src."""
    dst.write_vector(src.vector())


@instruction("MOVDQU", "F3 0F 6F /r Vdq,Wdq", "F3 0F 7F /r Wdq,Vdq", requires="sse", unaligned=True)
def movdqu(cpu, dst, src):
    """dst = src."""
    dst.write_vector(src.vector())


@instruction("MOVAPS", "NP 0F 28 /r Vdq,Wdq", "NP 0F 29 /r Wdq,Vdq", requires="sse")
def movaps(cpu, dst, src):
    """dst = src."""
    dst.write_vector(src.vector())


@instruction("MOVAPD", "66 0F 28 /r Vdq,Wdq", "66 0F 29 /r Wdq,Vdq", requires="sse")
def movapd(cpu, dst, src):
    """dst = src."""
    dst.write_vector(src.vector())


@instruction("MOVDQA", "66 0F 6F /r Vdq,Wdq", "66 0F 7F /r Wdq,Vdq", requires="sse")
def movdqa(cpu, dst, src):
    """dst = src."""
    dst.write_vector(src.vector())


@instruction("MOVNTPS", "NP 0F 2B /r Mdq,Vdq", requires="sse")
def movntps(cpu, dst, src):
    """dst = src; the hint not to cache means nothing here."""
    dst.write_vector(src.vector())


@instruction("MOVNTPD", "66 0F 2B /r Mdq,Vdq", requires="sse")
def movntpd(cpu, dst, src):
    """dst = src."""
    dst.write_vector(src.vector())


@instruction("MOVNTDQ", "66 0F E7 /r Mdq,Vdq", requires="sse")
def movntdq(cpu, dst, src):
    """dst = src."""
    dst.write_vector(src.vector())


@instruction("MOVNTI", "NP 0F C3 /r My,Gy")
def movnti(cpu, dst, src):
    """dst = src, general register to memory."""
    dst.write(src.read())


@instruction("MASKMOVDQU", "66 0F F7 /r Vdq,Udq,Xb", requires="sse")
def maskmovdqu(cpu, src, selection, place):
    """Store the bytes of src whose byte of `selection` has its top bit set at DS:rDI (DS may be overridden)."""
    cpu.store_selected(place.segment, src.vector(), cpu.byte_signs(selection.vector()))


@instruction("MOVSS", "F3 0F 10 /r Vd,Wd", requires="sse")
def movss_load(cpu, dst, src):
    """Low 32 bits of dst = src; a load clears the rest, a register's other bits stay."""
    if src.is_memory:
        dst.write_vector(cpu.vector(src.read(), 0))
    else:
        dst.write(src.read())


@instruction("MOVSS", "F3 0F 11 /r Wd,Vd", requires="sse")
def movss_store(cpu, dst, src):
    """Low 32 bits of dst = src."""
    dst.write(src.read())


@instruction("MOVSD", "F2 0F 10 /r Vq,Wq", requires="sse")
def movsd_load(cpu, dst, src):
    """Low half of dst = src; a load clears the upper half, a register's stays."""
    if src.is_memory:
        dst.write_vector(cpu.vector(src.read(), 0))
    else:
        dst.write(src.read())


@instruction("MOVSD", "F2 0F 11 /r Wq,Vq", requires="sse")
def movsd_store(cpu, dst, src):
    """Low half of dst = src."""
    dst.write(src.read())


@instruction("MOVLPS", "NP 0F 12 mod=mem /r Vq,Mq", "NP 0F 13 /r Mq,Vq", requires="sse")
def movlps(cpu, dst, src):
    """Low half of dst = src."""
    dst.write(src.read())


@instruction("MOVLPD", "66 0F 12 /r Vq,Mq", "66 0F 13 /r Mq,Vq", requires="sse")
def movlpd(cpu, dst, src):
    """Low half of dst = src."""
    dst.write(src.read())


@instruction("MOVHLPS", "NP 0F 12 mod=reg /r Vq,Udq", requires="sse")
def movhlps(cpu, dst, src):
    """Low half of dst = high half of src."""
    a = src.vector()
    dst.write(a.u64[1])


@instruction("MOVHPS", "NP 0F 16 mod=mem /r Vdq,Mq", requires="sse")
def movhps_load(cpu, dst, src):
    """High half of dst = src."""
    value = src.read()
    r = dst.vector()
    r.u64[1] = value
    dst.write_vector(r)


@instruction("MOVHPD", "66 0F 16 /r Vdq,Mq", requires="sse")
def movhpd_load(cpu, dst, src):
    """High half of dst = src."""
    value = src.read()
    r = dst.vector()
    r.u64[1] = value
    dst.write_vector(r)


@instruction("MOVLHPS", "NP 0F 16 mod=reg /r Vdq,Uq", requires="sse")
def movlhps(cpu, dst, src):
    """High half of dst = low half of src."""
    r = dst.vector()
    r.u64[1] = src.read()
    dst.write_vector(r)


@instruction("MOVHPS", "NP 0F 17 /r Mq,Vdq", requires="sse")
def movhps_store(cpu, dst, src):
    """dst = high half of src."""
    a = src.vector()
    dst.write(a.u64[1])


@instruction("MOVHPD", "66 0F 17 /r Mq,Vdq", requires="sse")
def movhpd_store(cpu, dst, src):
    """dst = high half of src."""
    a = src.vector()
    dst.write(a.u64[1])


@instruction("MOVD", "66 0F 6E /r Vdq,Ey", requires="sse")
def movd_load(cpu, dst, src):
    """dst = src, zero-extended to 128 bits (MOVQ with REX.W)."""
    dst.write_vector(cpu.vector(src.read(), 0))


@instruction("MOVD", "66 0F 7E /r Ey,Vy", requires="sse")
def movd_store(cpu, dst, src):
    """dst = low 32 bits of src (low half with REX.W: MOVQ)."""
    dst.write(src.read())


@instruction("MOVQ", "F3 0F 7E /r Vdq,Wq", requires="sse")
def movq_load(cpu, dst, src):
    """dst = low half of src, upper half zero."""
    dst.write_vector(cpu.vector(src.read(), 0))


@instruction("MOVQ", "66 0F D6 /r Wq,Vq", requires="sse")
def movq_store(cpu, dst, src):
    """dst = low half of src; a register's upper half becomes zero."""
    if dst.is_memory:
        dst.write(src.read())
    else:
        dst.write_vector(cpu.vector(src.read(), 0))


@instruction("MOVMSKPS", "NP 0F 50 /r Gd,Udq", requires="sse")
def movmskps(cpu, dst, src):
    """dst = the signs of four singles."""
    a = src.vector()
    dst.write((a.u32[0] >> 31) | ((a.u32[1] >> 31) << 1) | ((a.u32[2] >> 31) << 2) | ((a.u32[3] >> 31) << 3))


@instruction("MOVMSKPD", "66 0F 50 /r Gd,Udq", requires="sse")
def movmskpd(cpu, dst, src):
    """dst = the signs of two doubles."""
    a = src.vector()
    dst.write((a.u64[0] >> 63) | ((a.u64[1] >> 63) << 1))


@instruction("SHUFPS", "NP 0F C6 /r ib Vdq,Wdq,Ib", requires="sse")
def shufps(cpu, dst, src, order):
    """Two singles of dst, then two of src, each named by two bits of `order`."""
    a = dst.vector()
    b = src.vector()
    k = order.read()
    r = cpu.vector(0, 0)
    r.u32[0] = a.u32[k & 3]
    r.u32[1] = a.u32[(k >> 2) & 3]
    r.u32[2] = b.u32[(k >> 4) & 3]
    r.u32[3] = b.u32[(k >> 6) & 3]
    dst.write_vector(r)


@instruction("SHUFPD", "66 0F C6 /r ib Vdq,Wdq,Ib", requires="sse")
def shufpd(cpu, dst, src, order):
    """One double of dst, then one of src, named by bits 0 and 1 of `order`."""
    a = dst.vector()
    b = src.vector()
    k = order.read()
    dst.write_vector(cpu.vector(a.u64[k & 1], b.u64[(k >> 1) & 1]))


@instruction("UNPCKLPS", "NP 0F 14 /r Vdq,Wdq", requires="sse")
def unpcklps(cpu, dst, src):
    """The low singles of dst and src, interleaved."""
    dst.write_vector(cpu.packed_unpack_low32(dst.vector(), src.vector()))


@instruction("UNPCKLPD", "66 0F 14 /r Vdq,Wdq", requires="sse")
def unpcklpd(cpu, dst, src):
    """The low doubles of dst and src."""
    dst.write_vector(cpu.packed_unpack_low64(dst.vector(), src.vector()))


@instruction("UNPCKHPS", "NP 0F 15 /r Vdq,Wdq", requires="sse")
def unpckhps(cpu, dst, src):
    """The high singles of dst and src, interleaved."""
    dst.write_vector(cpu.packed_unpack_high32(dst.vector(), src.vector()))


@instruction("UNPCKHPD", "66 0F 15 /r Vdq,Wdq", requires="sse")
def unpckhpd(cpu, dst, src):
    """The high doubles of dst and src."""
    dst.write_vector(cpu.packed_unpack_high64(dst.vector(), src.vector()))


@instruction("LDMXCSR", "NP 0F AE /2 mod=mem Md", requires="sse")
def ldmxcsr(cpu, src):
    """MXCSR = src; #GP(0) for a reserved bit."""
    cpu.load_mxcsr(src.read())


@instruction("STMXCSR", "NP 0F AE /3 mod=mem Md", requires="sse")
def stmxcsr(cpu, dst):
    """dst = MXCSR."""
    dst.write(cpu.read_mxcsr())
