"""MMX arithmetic, logic, shifts, comparisons and packing, with the SSE and SSE2 additions on MM registers (APM vol. 5).

The MM registers are the significands of the x87 registers. Every instruction here but EMMS makes TOP 0 and all x87
registers valid (`enter_mmx`, once nothing can fault any more); a write sets sign and exponent to all ones.
"""

from emu.isa.registry import instruction


@instruction("PADDB", "NP 0F FC /r Pq,Qq", requires="mmx")
def paddb_mmx(cpu, dst, src):
    """dst = dst + src, bytes that wrap."""
    r = cpu.packed_add8(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PADDW", "NP 0F FD /r Pq,Qq", requires="mmx")
def paddw_mmx(cpu, dst, src):
    """dst = dst + src, words that wrap."""
    r = cpu.packed_add16(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PADDD", "NP 0F FE /r Pq,Qq", requires="mmx")
def paddd_mmx(cpu, dst, src):
    """dst = dst + src, doublewords that wrap."""
    r = cpu.packed_add32(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PADDQ", "NP 0F D4 /r Pq,Qq", requires="mmx")
def paddq_mmx(cpu, dst, src):
    """dst = dst + src, quadwords that wrap."""
    r = cpu.packed_add64(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PADDSB", "NP 0F EC /r Pq,Qq", requires="mmx")
def paddsb_mmx(cpu, dst, src):
    """dst = dst + src, signed bytes, saturated."""
    r = cpu.packed_adds8(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PADDSW", "NP 0F ED /r Pq,Qq", requires="mmx")
def paddsw_mmx(cpu, dst, src):
    """dst = dst + src, signed words, saturated."""
    r = cpu.packed_adds16(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PADDUSB", "NP 0F DC /r Pq,Qq", requires="mmx")
def paddusb_mmx(cpu, dst, src):
    """dst = dst + src, unsigned bytes, saturated."""
    r = cpu.packed_addus8(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PADDUSW", "NP 0F DD /r Pq,Qq", requires="mmx")
def paddusw_mmx(cpu, dst, src):
    """dst = dst + src, unsigned words, saturated."""
    r = cpu.packed_addus16(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PSUBB", "NP 0F F8 /r Pq,Qq", requires="mmx")
def psubb_mmx(cpu, dst, src):
    """dst = dst - src, bytes that wrap."""
    r = cpu.packed_sub8(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PSUBW", "NP 0F F9 /r Pq,Qq", requires="mmx")
def psubw_mmx(cpu, dst, src):
    """dst = dst - src, words that wrap."""
    r = cpu.packed_sub16(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PSUBD", "NP 0F FA /r Pq,Qq", requires="mmx")
def psubd_mmx(cpu, dst, src):
    """dst = dst - src, doublewords that wrap."""
    r = cpu.packed_sub32(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PSUBQ", "NP 0F FB /r Pq,Qq", requires="mmx")
def psubq_mmx(cpu, dst, src):
    """dst = dst - src, quadwords that wrap."""
    r = cpu.packed_sub64(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PSUBSB", "NP 0F E8 /r Pq,Qq", requires="mmx")
def psubsb_mmx(cpu, dst, src):
    """dst = dst - src, signed bytes, saturated."""
    r = cpu.packed_subs8(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PSUBSW", "NP 0F E9 /r Pq,Qq", requires="mmx")
def psubsw_mmx(cpu, dst, src):
    """dst = dst - src, signed words, saturated."""
    r = cpu.packed_subs16(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PSUBUSB", "NP 0F D8 /r Pq,Qq", requires="mmx")
def psubusb_mmx(cpu, dst, src):
    """dst = dst - src, unsigned bytes, saturated."""
    r = cpu.packed_subus8(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PSUBUSW", "NP 0F D9 /r Pq,Qq", requires="mmx")
def psubusw_mmx(cpu, dst, src):
    """dst = dst - src, unsigned words, saturated."""
    r = cpu.packed_subus16(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PMULLW", "NP 0F D5 /r Pq,Qq", requires="mmx")
def pmullw_mmx(cpu, dst, src):
    """Low halves of the products of words."""
    r = cpu.packed_mull16(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PMULHW", "NP 0F E5 /r Pq,Qq", requires="mmx")
def pmulhw_mmx(cpu, dst, src):
    """High halves of the products of signed words."""
    r = cpu.packed_mulhs16(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PMULHUW", "NP 0F E4 /r Pq,Qq", requires="mmx")
def pmulhuw_mmx(cpu, dst, src):
    """High halves of the products of unsigned words."""
    r = cpu.packed_mulhu16(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PMULUDQ", "NP 0F F4 /r Pq,Qq", requires="mmx")
def pmuludq_mmx(cpu, dst, src):
    """64-bit products of the even unsigned doublewords."""
    r = cpu.packed_mulu32(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PMADDWD", "NP 0F F5 /r Pq,Qq", requires="mmx")
def pmaddwd_mmx(cpu, dst, src):
    """Products of signed words, neighbours added to doublewords."""
    r = cpu.packed_madd16(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PSADBW", "NP 0F F6 /r Pq,Qq", requires="mmx")
def psadbw_mmx(cpu, dst, src):
    """Sums of the absolute differences of eight bytes."""
    r = cpu.packed_sad8(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PAVGB", "NP 0F E0 /r Pq,Qq", requires="mmx")
def pavgb_mmx(cpu, dst, src):
    """Rounded averages of unsigned bytes."""
    r = cpu.packed_avg8(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PAVGW", "NP 0F E3 /r Pq,Qq", requires="mmx")
def pavgw_mmx(cpu, dst, src):
    """Rounded averages of unsigned words."""
    r = cpu.packed_avg16(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PMINUB", "NP 0F DA /r Pq,Qq", requires="mmx")
def pminub_mmx(cpu, dst, src):
    """The smaller of unsigned bytes."""
    r = cpu.packed_minu8(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PMAXUB", "NP 0F DE /r Pq,Qq", requires="mmx")
def pmaxub_mmx(cpu, dst, src):
    """The larger of unsigned bytes."""
    r = cpu.packed_maxu8(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PMINSW", "NP 0F EA /r Pq,Qq", requires="mmx")
def pminsw_mmx(cpu, dst, src):
    """The smaller of signed words."""
    r = cpu.packed_mins16(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PMAXSW", "NP 0F EE /r Pq,Qq", requires="mmx")
def pmaxsw_mmx(cpu, dst, src):
    """The larger of signed words."""
    r = cpu.packed_maxs16(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PCMPEQB", "NP 0F 74 /r Pq,Qq", requires="mmx")
def pcmpeqb_mmx(cpu, dst, src):
    """All ones in the bytes that are equal, else zeros."""
    r = cpu.packed_eq8(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PCMPEQW", "NP 0F 75 /r Pq,Qq", requires="mmx")
def pcmpeqw_mmx(cpu, dst, src):
    """All ones in the words that are equal, else zeros."""
    r = cpu.packed_eq16(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PCMPEQD", "NP 0F 76 /r Pq,Qq", requires="mmx")
def pcmpeqd_mmx(cpu, dst, src):
    """All ones in the doublewords that are equal, else zeros."""
    r = cpu.packed_eq32(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PCMPGTB", "NP 0F 64 /r Pq,Qq", requires="mmx")
def pcmpgtb_mmx(cpu, dst, src):
    """All ones in the bytes where dst is greater, signed, else zeros."""
    r = cpu.packed_gt8(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PCMPGTW", "NP 0F 65 /r Pq,Qq", requires="mmx")
def pcmpgtw_mmx(cpu, dst, src):
    """All ones in the words where dst is greater, signed, else zeros."""
    r = cpu.packed_gt16(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PCMPGTD", "NP 0F 66 /r Pq,Qq", requires="mmx")
def pcmpgtd_mmx(cpu, dst, src):
    """All ones in the doublewords where dst is greater, signed, else zeros."""
    r = cpu.packed_gt32(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PAND", "NP 0F DB /r Pq,Qq", requires="mmx")
def pand_mmx(cpu, dst, src):
    """dst = dst & src."""
    value = src.read()
    cpu.enter_mmx()
    dst.write(dst.read() & value)


@instruction("PANDN", "NP 0F DF /r Pq,Qq", requires="mmx")
def pandn_mmx(cpu, dst, src):
    """dst = ~dst & src."""
    value = src.read()
    cpu.enter_mmx()
    dst.write(~dst.read() & value)


@instruction("POR", "NP 0F EB /r Pq,Qq", requires="mmx")
def por_mmx(cpu, dst, src):
    """dst = dst | src."""
    value = src.read()
    cpu.enter_mmx()
    dst.write(dst.read() | value)


@instruction("PXOR", "NP 0F EF /r Pq,Qq", requires="mmx")
def pxor_mmx(cpu, dst, src):
    """dst = dst ^ src."""
    value = src.read()
    cpu.enter_mmx()
    dst.write(dst.read() ^ value)


@instruction("PSLLW", "NP 0F F1 /r Pq,Qq", "NP 0F 71 /6 ib Nq,Ib", requires="mmx")
def psllw_mmx(cpu, dst, count):
    """Words of dst shifted left; zero when the count exceeds 15."""
    r = cpu.packed_sll16(cpu.vector(dst.read(), 0), count.read())
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PSLLD", "NP 0F F2 /r Pq,Qq", "NP 0F 72 /6 ib Nq,Ib", requires="mmx")
def pslld_mmx(cpu, dst, count):
    """Doublewords of dst shifted left; zero when the count exceeds 31."""
    r = cpu.packed_sll32(cpu.vector(dst.read(), 0), count.read())
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PSLLQ", "NP 0F F3 /r Pq,Qq", "NP 0F 73 /6 ib Nq,Ib", requires="mmx")
def psllq_mmx(cpu, dst, count):
    """Quadwords of dst shifted left; zero when the count exceeds 63."""
    r = cpu.packed_sll64(cpu.vector(dst.read(), 0), count.read())
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PSRLW", "NP 0F D1 /r Pq,Qq", "NP 0F 71 /2 ib Nq,Ib", requires="mmx")
def psrlw_mmx(cpu, dst, count):
    """Words of dst shifted right; zero when the count exceeds 15."""
    r = cpu.packed_srl16(cpu.vector(dst.read(), 0), count.read())
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PSRLD", "NP 0F D2 /r Pq,Qq", "NP 0F 72 /2 ib Nq,Ib", requires="mmx")
def psrld_mmx(cpu, dst, count):
    """Doublewords of dst shifted right; zero when the count exceeds 31."""
    r = cpu.packed_srl32(cpu.vector(dst.read(), 0), count.read())
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PSRLQ", "NP 0F D3 /r Pq,Qq", "NP 0F 73 /2 ib Nq,Ib", requires="mmx")
def psrlq_mmx(cpu, dst, count):
    """Quadwords of dst shifted right; zero when the count exceeds 63."""
    r = cpu.packed_srl64(cpu.vector(dst.read(), 0), count.read())
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PSRAW", "NP 0F E1 /r Pq,Qq", "NP 0F 71 /4 ib Nq,Ib", requires="mmx")
def psraw_mmx(cpu, dst, count):
    """Words of dst shifted right, signed; all sign when the count exceeds 15."""
    r = cpu.packed_sra16(cpu.vector(dst.read(), 0), count.read())
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PSRAD", "NP 0F E2 /r Pq,Qq", "NP 0F 72 /4 ib Nq,Ib", requires="mmx")
def psrad_mmx(cpu, dst, count):
    """Doublewords of dst shifted right, signed; all sign when the count exceeds 31."""
    r = cpu.packed_sra32(cpu.vector(dst.read(), 0), count.read())
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PACKSSWB", "NP 0F 63 /r Pq,Qq", requires="mmx")
def packsswb_mmx(cpu, dst, src):
    """Words of dst, then of src, to bytes with signed saturation."""
    r = cpu.packed_pack_s8(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u32[0] | (r.u32[2] << 32))


@instruction("PACKUSWB", "NP 0F 67 /r Pq,Qq", requires="mmx")
def packuswb_mmx(cpu, dst, src):
    """Words of dst, then of src, to bytes with unsigned saturation."""
    r = cpu.packed_pack_u8(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u32[0] | (r.u32[2] << 32))


@instruction("PACKSSDW", "NP 0F 6B /r Pq,Qq", requires="mmx")
def packssdw_mmx(cpu, dst, src):
    """Doublewords of dst, then of src, to words with signed saturation."""
    r = cpu.packed_pack_s16(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u32[0] | (r.u32[2] << 32))


@instruction("PUNPCKLBW", "NP 0F 60 /r Pq,Qd", requires="mmx")
def punpcklbw_mmx(cpu, dst, src):
    """The low bytes of dst and src, interleaved, dst's first."""
    r = cpu.packed_unpack_low8(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PUNPCKLWD", "NP 0F 61 /r Pq,Qd", requires="mmx")
def punpcklwd_mmx(cpu, dst, src):
    """The low words of dst and src, interleaved, dst's first."""
    r = cpu.packed_unpack_low16(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PUNPCKLDQ", "NP 0F 62 /r Pq,Qd", requires="mmx")
def punpckldq_mmx(cpu, dst, src):
    """The low doublewords of dst and src, interleaved, dst's first."""
    r = cpu.packed_unpack_low32(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[0])


@instruction("PUNPCKHBW", "NP 0F 68 /r Pq,Qq", requires="mmx")
def punpckhbw_mmx(cpu, dst, src):
    """The high bytes of dst and src, interleaved, dst's first."""
    r = cpu.packed_unpack_low8(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[1])


@instruction("PUNPCKHWD", "NP 0F 69 /r Pq,Qq", requires="mmx")
def punpckhwd_mmx(cpu, dst, src):
    """The high words of dst and src, interleaved, dst's first."""
    r = cpu.packed_unpack_low16(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[1])


@instruction("PUNPCKHDQ", "NP 0F 6A /r Pq,Qq", requires="mmx")
def punpckhdq_mmx(cpu, dst, src):
    """The high doublewords of dst and src, interleaved, dst's first."""
    r = cpu.packed_unpack_low32(cpu.vector(dst.read(), 0), cpu.vector(src.read(), 0))
    cpu.enter_mmx()
    dst.write(r.u64[1])
