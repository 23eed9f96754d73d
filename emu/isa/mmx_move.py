"""Moves and shuffles of MM registers, and EMMS (APM vol. 5). `emu/isa/mmx.py` says what all MMX instructions share."""

from emu.isa.registry import instruction


@instruction("PSHUFW", "NP 0F 70 /r ib Pq,Qq,Ib", requires="mmx")
def pshufw(cpu, dst, src, order):
    """Word i of dst is the one of src that bits 2i+1..2i of `order` name."""
    a = cpu.vector(src.read(), 0)
    r = cpu.vector(0, 0)
    k = order.read()
    for i in range(4):
        r.u16[i] = a.u16[(k >> (2 * i)) & 3]
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PINSRW", "NP 0F C4 /r ib Pq,Ew,Ib", requires="mmx")
def pinsrw_mmx(cpu, dst, src, lane):
    """Word `lane` (modulo 4) of dst = src."""
    value = src.read()
    r = cpu.vector(dst.read(), 0)
    r.u16[lane.read() & 3] = value
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PEXTRW", "NP 0F C5 /r ib Gd,Nq,Ib", requires="mmx")
def pextrw_mmx(cpu, dst, src, lane):
    """dst = word `lane` (modulo 4) of src, zero-extended."""
    a = cpu.vector(src.read(), 0)
    cpu.enter_mmx()
    dst.write(a.u16[lane.read() & 3])


@instruction("PMOVMSKB", "NP 0F D7 /r Gd,Nq", requires="mmx")
def pmovmskb_mmx(cpu, dst, src):
    """dst = the top bits of the 8 bytes of src."""
    bits = cpu.byte_signs(cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(bits)


@instruction("MOVD", "NP 0F 6E /r Pq,Ey", requires="mmx")
def movd_to_mmx(cpu, dst, src):
    """dst = src, zero-extended (MOVQ with REX.W)."""
    value = src.read()
    cpu.enter_mmx()
    dst.write(value)


@instruction("MOVD", "NP 0F 7E /r Ey,Pq", requires="mmx")
def movd_from_mmx(cpu, dst, src):
    """dst = low 32 bits of src (all 64 with REX.W: MOVQ)."""
    dst.write(dst.wrap(src.read()))
    cpu.enter_mmx()


@instruction("MOVQ", "NP 0F 6F /r Pq,Qq", requires="mmx")
def movq_load_mmx(cpu, dst, src):
    """dst = src."""
    value = src.read()
    cpu.enter_mmx()
    dst.write(value)


@instruction("MOVQ", "NP 0F 7F /r Qq,Pq", requires="mmx")
def movq_store_mmx(cpu, dst, src):
    """dst = src."""
    dst.write(src.read())
    cpu.enter_mmx()


@instruction("MOVNTQ", "NP 0F E7 /r Mq,Pq", requires="mmx")
def movntq(cpu, dst, src):
    """dst = src; the hint not to cache means nothing here."""
    dst.write(src.read())
    cpu.enter_mmx()


@instruction("MASKMOVQ", "NP 0F F7 /r Pq,Nq,Xb", requires="mmx")
def maskmovq(cpu, src, selection, place):
    """Store the bytes of src whose byte of `selection` has its top bit set at DS:rDI (DS may be overridden)."""
    cpu.store_selected(place.segment, cpu.vector(src.read(), 0), cpu.byte_signs(cpu.vector(selection.read(), 0)))
    cpu.enter_mmx()


@instruction("MOVDQ2Q", "F2 0F D6 /r Pq,Udq", requires="sse")
def movdq2q(cpu, dst, src):
    """dst = low half of src."""
    cpu.require_mmx()
    a = src.vector()
    cpu.enter_mmx()
    dst.write(a.u64[0])


@instruction("MOVQ2DQ", "F3 0F D6 /r Vdq,Nq", requires="sse")
def movq2dq(cpu, dst, src):
    """dst = src, upper half zero."""
    cpu.require_mmx()
    dst.write_vector(cpu.vector(src.read(), 0))
    cpu.enter_mmx()


@instruction("EMMS", "NP 0F 77", requires="mmx")
def emms(cpu):
    """All x87 registers become empty; TOP becomes 0, as on AMD's processors."""
    cpu.ftop = 0
    cpu.ftags = 0xFF
