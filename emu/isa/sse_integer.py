"""SSE2 integer arithmetic, logic, shifts, comparisons, packing and shuffles on XMM registers (APM vol. 4).

The arithmetic itself is in `emu/cpu/packed.py`; `emu/isa/mmx.py` has the 64-bit forms.
"""

from emu.isa.language import wrap64
from emu.isa.registry import instruction


@instruction("PADDB", "66 0F FC /r Vdq,Wdq", requires="sse")
def paddb(cpu, dst, src):
    """dst = dst + src, bytes that wrap."""
    dst.write_vector(cpu.packed_add8(dst.vector(), src.vector()))


@instruction("PADDW", "66 0F FD /r Vdq,Wdq", requires="sse")
def paddw(cpu, dst, src):
    """dst = dst + src, words that wrap."""
    dst.write_vector(cpu.packed_add16(dst.vector(), src.vector()))


@instruction("PADDD", "66 0F FE /r Vdq,Wdq", requires="sse")
def paddd(cpu, dst, src):
    """dst = dst + src, doublewords that wrap."""
    dst.write_vector(cpu.packed_add32(dst.vector(), src.vector()))


@instruction("PADDQ", "66 0F D4 /r Vdq,Wdq", requires="sse")
def paddq(cpu, dst, src):
    """dst = dst + src, quadwords that wrap."""
    dst.write_vector(cpu.packed_add64(dst.vector(), src.vector()))


@instruction("PADDSB", "66 0F EC /r Vdq,Wdq", requires="sse")
def paddsb(cpu, dst, src):
    """dst = dst + src, signed bytes, saturated."""
    dst.write_vector(cpu.packed_adds8(dst.vector(), src.vector()))


@instruction("PADDSW", "66 0F ED /r Vdq,Wdq", requires="sse")
def paddsw(cpu, dst, src):
    """dst = dst + src, signed words, saturated."""
    dst.write_vector(cpu.packed_adds16(dst.vector(), src.vector()))


@instruction("PADDUSB", "66 0F DC /r Vdq,Wdq", requires="sse")
def paddusb(cpu, dst, src):
    """dst = dst + src, unsigned bytes, saturated."""
    dst.write_vector(cpu.packed_addus8(dst.vector(), src.vector()))


@instruction("PADDUSW", "66 0F DD /r Vdq,Wdq", requires="sse")
def paddusw(cpu, dst, src):
    """dst = dst + src, unsigned words, saturated."""
    dst.write_vector(cpu.packed_addus16(dst.vector(), src.vector()))


@instruction("PSUBB", "66 0F F8 /r Vdq,Wdq", requires="sse")
def psubb(cpu, dst, src):
    """dst = dst - src, bytes that wrap."""
    dst.write_vector(cpu.packed_sub8(dst.vector(), src.vector()))


@instruction("PSUBW", "66 0F F9 /r Vdq,Wdq", requires="sse")
def psubw(cpu, dst, src):
    """dst = dst - src, words that wrap."""
    dst.write_vector(cpu.packed_sub16(dst.vector(), src.vector()))


@instruction("PSUBD", "66 0F FA /r Vdq,Wdq", requires="sse")
def psubd(cpu, dst, src):
    """dst = dst - src, doublewords that wrap."""
    dst.write_vector(cpu.packed_sub32(dst.vector(), src.vector()))


@instruction("PSUBQ", "66 0F FB /r Vdq,Wdq", requires="sse")
def psubq(cpu, dst, src):
    """dst = dst - src, quadwords that wrap."""
    dst.write_vector(cpu.packed_sub64(dst.vector(), src.vector()))


@instruction("PSUBSB", "66 0F E8 /r Vdq,Wdq", requires="sse")
def psubsb(cpu, dst, src):
    """dst = dst - src, signed bytes, saturated."""
    dst.write_vector(cpu.packed_subs8(dst.vector(), src.vector()))


@instruction("PSUBSW", "66 0F E9 /r Vdq,Wdq", requires="sse")
def psubsw(cpu, dst, src):
    """dst = dst - src, signed words, saturated."""
    dst.write_vector(cpu.packed_subs16(dst.vector(), src.vector()))


@instruction("PSUBUSB", "66 0F D8 /r Vdq,Wdq", requires="sse")
def psubusb(cpu, dst, src):
    """dst = dst - src, unsigned bytes, saturated."""
    dst.write_vector(cpu.packed_subus8(dst.vector(), src.vector()))


@instruction("PSUBUSW", "66 0F D9 /r Vdq,Wdq", requires="sse")
def psubusw(cpu, dst, src):
    """dst = dst - src, unsigned words, saturated."""
    dst.write_vector(cpu.packed_subus16(dst.vector(), src.vector()))


@instruction("PMULLW", "66 0F D5 /r Vdq,Wdq", requires="sse")
def pmullw(cpu, dst, src):
    """Low halves of the products of words."""
    dst.write_vector(cpu.packed_mull16(dst.vector(), src.vector()))


@instruction("PMULHW", "66 0F E5 /r Vdq,Wdq", requires="sse")
def pmulhw(cpu, dst, src):
    """High halves of the products of signed words."""
    dst.write_vector(cpu.packed_mulhs16(dst.vector(), src.vector()))


@instruction("PMULHUW", "66 0F E4 /r Vdq,Wdq", requires="sse")
def pmulhuw(cpu, dst, src):
    """High halves of the products of unsigned words."""
    dst.write_vector(cpu.packed_mulhu16(dst.vector(), src.vector()))


@instruction("PMULUDQ", "66 0F F4 /r Vdq,Wdq", requires="sse")
def pmuludq(cpu, dst, src):
    """64-bit products of the even unsigned doublewords."""
    dst.write_vector(cpu.packed_mulu32(dst.vector(), src.vector()))


@instruction("PMADDWD", "66 0F F5 /r Vdq,Wdq", requires="sse")
def pmaddwd(cpu, dst, src):
    """Products of signed words, neighbours added to doublewords."""
    dst.write_vector(cpu.packed_madd16(dst.vector(), src.vector()))


@instruction("PSADBW", "66 0F F6 /r Vdq,Wdq", requires="sse")
def psadbw(cpu, dst, src):
    """Sums of the absolute differences of eight bytes."""
    dst.write_vector(cpu.packed_sad8(dst.vector(), src.vector()))


@instruction("PAVGB", "66 0F E0 /r Vdq,Wdq", requires="sse")
def pavgb(cpu, dst, src):
    """Rounded averages of unsigned bytes."""
    dst.write_vector(cpu.packed_avg8(dst.vector(), src.vector()))


@instruction("PAVGW", "66 0F E3 /r Vdq,Wdq", requires="sse")
def pavgw(cpu, dst, src):
    """Rounded averages of unsigned words."""
    dst.write_vector(cpu.packed_avg16(dst.vector(), src.vector()))


@instruction("PMINUB", "66 0F DA /r Vdq,Wdq", requires="sse")
def pminub(cpu, dst, src):
    """The smaller of unsigned bytes."""
    dst.write_vector(cpu.packed_minu8(dst.vector(), src.vector()))


@instruction("PMAXUB", "66 0F DE /r Vdq,Wdq", requires="sse")
def pmaxub(cpu, dst, src):
    """The larger of unsigned bytes."""
    dst.write_vector(cpu.packed_maxu8(dst.vector(), src.vector()))


@instruction("PMINSW", "66 0F EA /r Vdq,Wdq", requires="sse")
def pminsw(cpu, dst, src):
    """The smaller of signed words."""
    dst.write_vector(cpu.packed_mins16(dst.vector(), src.vector()))


@instruction("PMAXSW", "66 0F EE /r Vdq,Wdq", requires="sse")
def pmaxsw(cpu, dst, src):
    """The larger of signed words."""
    dst.write_vector(cpu.packed_maxs16(dst.vector(), src.vector()))


@instruction("PCMPEQB", "66 0F 74 /r Vdq,Wdq", requires="sse")
def pcmpeqb(cpu, dst, src):
    """All ones in the bytes that are equal, else zeros."""
    dst.write_vector(cpu.packed_eq8(dst.vector(), src.vector()))


@instruction("PCMPEQW", "66 0F 75 /r Vdq,Wdq", requires="sse")
def pcmpeqw(cpu, dst, src):
    """All ones in the words that are equal, else zeros."""
    dst.write_vector(cpu.packed_eq16(dst.vector(), src.vector()))


@instruction("PCMPEQD", "66 0F 76 /r Vdq,Wdq", requires="sse")
def pcmpeqd(cpu, dst, src):
    """All ones in the doublewords that are equal, else zeros."""
    dst.write_vector(cpu.packed_eq32(dst.vector(), src.vector()))


@instruction("PCMPGTB", "66 0F 64 /r Vdq,Wdq", requires="sse")
def pcmpgtb(cpu, dst, src):
    """All ones in the bytes where dst is greater, signed, else zeros."""
    dst.write_vector(cpu.packed_gt8(dst.vector(), src.vector()))


@instruction("PCMPGTW", "66 0F 65 /r Vdq,Wdq", requires="sse")
def pcmpgtw(cpu, dst, src):
    """All ones in the words where dst is greater, signed, else zeros."""
    dst.write_vector(cpu.packed_gt16(dst.vector(), src.vector()))


@instruction("PCMPGTD", "66 0F 66 /r Vdq,Wdq", requires="sse")
def pcmpgtd(cpu, dst, src):
    """All ones in the doublewords where dst is greater, signed, else zeros."""
    dst.write_vector(cpu.packed_gt32(dst.vector(), src.vector()))


@instruction("PAND", "66 0F DB /r Vdq,Wdq", requires="sse")
def pand(cpu, dst, src):
    """dst = dst & src."""
    a = dst.vector()
    b = src.vector()
    dst.write_vector(cpu.vector(a.u64[0] & b.u64[0], a.u64[1] & b.u64[1]))


@instruction("PANDN", "66 0F DF /r Vdq,Wdq", requires="sse")
def pandn(cpu, dst, src):
    """dst = ~dst & src."""
    a = dst.vector()
    b = src.vector()
    dst.write_vector(cpu.vector(~a.u64[0] & b.u64[0], ~a.u64[1] & b.u64[1]))


@instruction("POR", "66 0F EB /r Vdq,Wdq", requires="sse")
def por(cpu, dst, src):
    """dst = dst | src."""
    a = dst.vector()
    b = src.vector()
    dst.write_vector(cpu.vector(a.u64[0] | b.u64[0], a.u64[1] | b.u64[1]))


@instruction("PXOR", "66 0F EF /r Vdq,Wdq", requires="sse")
def pxor(cpu, dst, src):
    """dst = dst ^ src."""
    a = dst.vector()
    b = src.vector()
    dst.write_vector(cpu.vector(a.u64[0] ^ b.u64[0], a.u64[1] ^ b.u64[1]))


@instruction("PSLLW", "66 0F F1 /r Vdq,Wdq", requires="sse")
def psllw(cpu, dst, src):
    """Words of dst shifted left; zero when the 64-bit count exceeds 15."""
    count = src.vector()
    dst.write_vector(cpu.packed_sll16(dst.vector(), count.u64[0]))


@instruction("PSLLW", "66 0F 71 /6 ib Udq,Ib", requires="sse")
def psllw_immediate(cpu, dst, count):
    """Words of dst shifted left; zero when the count exceeds 15."""
    dst.write_vector(cpu.packed_sll16(dst.vector(), count.read()))


@instruction("PSLLD", "66 0F F2 /r Vdq,Wdq", requires="sse")
def pslld(cpu, dst, src):
    """Doublewords of dst shifted left; zero when the 64-bit count exceeds 31."""
    count = src.vector()
    dst.write_vector(cpu.packed_sll32(dst.vector(), count.u64[0]))


@instruction("PSLLD", "66 0F 72 /6 ib Udq,Ib", requires="sse")
def pslld_immediate(cpu, dst, count):
    """Doublewords of dst shifted left; zero when the count exceeds 31."""
    dst.write_vector(cpu.packed_sll32(dst.vector(), count.read()))


@instruction("PSLLQ", "66 0F F3 /r Vdq,Wdq", requires="sse")
def psllq(cpu, dst, src):
    """Quadwords of dst shifted left; zero when the 64-bit count exceeds 63."""
    count = src.vector()
    dst.write_vector(cpu.packed_sll64(dst.vector(), count.u64[0]))


@instruction("PSLLQ", "66 0F 73 /6 ib Udq,Ib", requires="sse")
def psllq_immediate(cpu, dst, count):
    """Quadwords of dst shifted left; zero when the count exceeds 63."""
    dst.write_vector(cpu.packed_sll64(dst.vector(), count.read()))


@instruction("PSRLW", "66 0F D1 /r Vdq,Wdq", requires="sse")
def psrlw(cpu, dst, src):
    """Words of dst shifted right; zero when the 64-bit count exceeds 15."""
    count = src.vector()
    dst.write_vector(cpu.packed_srl16(dst.vector(), count.u64[0]))


@instruction("PSRLW", "66 0F 71 /2 ib Udq,Ib", requires="sse")
def psrlw_immediate(cpu, dst, count):
    """Words of dst shifted right; zero when the count exceeds 15."""
    dst.write_vector(cpu.packed_srl16(dst.vector(), count.read()))


@instruction("PSRLD", "66 0F D2 /r Vdq,Wdq", requires="sse")
def psrld(cpu, dst, src):
    """Doublewords of dst shifted right; zero when the 64-bit count exceeds 31."""
    count = src.vector()
    dst.write_vector(cpu.packed_srl32(dst.vector(), count.u64[0]))


@instruction("PSRLD", "66 0F 72 /2 ib Udq,Ib", requires="sse")
def psrld_immediate(cpu, dst, count):
    """Doublewords of dst shifted right; zero when the count exceeds 31."""
    dst.write_vector(cpu.packed_srl32(dst.vector(), count.read()))


@instruction("PSRLQ", "66 0F D3 /r Vdq,Wdq", requires="sse")
def psrlq(cpu, dst, src):
    """Quadwords of dst shifted right; zero when the 64-bit count exceeds 63."""
    count = src.vector()
    dst.write_vector(cpu.packed_srl64(dst.vector(), count.u64[0]))


@instruction("PSRLQ", "66 0F 73 /2 ib Udq,Ib", requires="sse")
def psrlq_immediate(cpu, dst, count):
    """Quadwords of dst shifted right; zero when the count exceeds 63."""
    dst.write_vector(cpu.packed_srl64(dst.vector(), count.read()))


@instruction("PSRAW", "66 0F E1 /r Vdq,Wdq", requires="sse")
def psraw(cpu, dst, src):
    """Words of dst shifted right, signed; all sign when the 64-bit count exceeds 15."""
    count = src.vector()
    dst.write_vector(cpu.packed_sra16(dst.vector(), count.u64[0]))


@instruction("PSRAW", "66 0F 71 /4 ib Udq,Ib", requires="sse")
def psraw_immediate(cpu, dst, count):
    """Words of dst shifted right, signed; all sign when the count exceeds 15."""
    dst.write_vector(cpu.packed_sra16(dst.vector(), count.read()))


@instruction("PSRAD", "66 0F E2 /r Vdq,Wdq", requires="sse")
def psrad(cpu, dst, src):
    """Doublewords of dst shifted right, signed; all sign when the 64-bit count exceeds 31."""
    count = src.vector()
    dst.write_vector(cpu.packed_sra32(dst.vector(), count.u64[0]))


@instruction("PSRAD", "66 0F 72 /4 ib Udq,Ib", requires="sse")
def psrad_immediate(cpu, dst, count):
    """Doublewords of dst shifted right, signed; all sign when the count exceeds 31."""
    dst.write_vector(cpu.packed_sra32(dst.vector(), count.read()))


@instruction("PSLLDQ", "66 0F 73 /7 ib Udq,Ib", requires="sse")
def pslldq(cpu, dst, count):
    """dst shifted left by `count` bytes; zero from 16 on."""
    a = dst.vector()
    r = cpu.vector(0, 0)
    bits = count.read() << 3
    if bits == 0:
        r = a
    elif bits < 64:
        r = cpu.vector(wrap64(a.u64[0] << bits), wrap64(a.u64[1] << bits) | (a.u64[0] >> (64 - bits)))
    elif bits < 128:
        r.u64[1] = a.u64[0] << (bits - 64)
    dst.write_vector(r)


@instruction("PSRLDQ", "66 0F 73 /3 ib Udq,Ib", requires="sse")
def psrldq(cpu, dst, count):
    """dst shifted right by `count` bytes; zero from 16 on."""
    a = dst.vector()
    r = cpu.vector(0, 0)
    bits = count.read() << 3
    if bits == 0:
        r = a
    elif bits < 64:
        r = cpu.vector((a.u64[0] >> bits) | wrap64(a.u64[1] << (64 - bits)), a.u64[1] >> bits)
    elif bits < 128:
        r.u64[0] = a.u64[1] >> (bits - 64)
    dst.write_vector(r)


@instruction("PACKSSWB", "66 0F 63 /r Vdq,Wdq", requires="sse")
def packsswb(cpu, dst, src):
    """Words of dst, then of src, to bytes with signed saturation."""
    dst.write_vector(cpu.packed_pack_s8(dst.vector(), src.vector()))


@instruction("PACKUSWB", "66 0F 67 /r Vdq,Wdq", requires="sse")
def packuswb(cpu, dst, src):
    """Words of dst, then of src, to bytes with unsigned saturation."""
    dst.write_vector(cpu.packed_pack_u8(dst.vector(), src.vector()))


@instruction("PACKSSDW", "66 0F 6B /r Vdq,Wdq", requires="sse")
def packssdw(cpu, dst, src):
    """Doublewords of dst, then of src, to words with signed saturation."""
    dst.write_vector(cpu.packed_pack_s16(dst.vector(), src.vector()))


@instruction("PUNPCKLBW", "66 0F 60 /r Vdq,Wdq", requires="sse")
def punpcklbw(cpu, dst, src):
    """The low bytes of dst and src, interleaved, dst's first."""
    dst.write_vector(cpu.packed_unpack_low8(dst.vector(), src.vector()))


@instruction("PUNPCKLWD", "66 0F 61 /r Vdq,Wdq", requires="sse")
def punpcklwd(cpu, dst, src):
    """The low words of dst and src, interleaved, dst's first."""
    dst.write_vector(cpu.packed_unpack_low16(dst.vector(), src.vector()))


@instruction("PUNPCKLDQ", "66 0F 62 /r Vdq,Wdq", requires="sse")
def punpckldq(cpu, dst, src):
    """The low doublewords of dst and src, interleaved, dst's first."""
    dst.write_vector(cpu.packed_unpack_low32(dst.vector(), src.vector()))


@instruction("PUNPCKLQDQ", "66 0F 6C /r Vdq,Wdq", requires="sse")
def punpcklqdq(cpu, dst, src):
    """The low quadwords of dst and src, interleaved, dst's first."""
    dst.write_vector(cpu.packed_unpack_low64(dst.vector(), src.vector()))


@instruction("PUNPCKHBW", "66 0F 68 /r Vdq,Wdq", requires="sse")
def punpckhbw(cpu, dst, src):
    """The high bytes of dst and src, interleaved, dst's first."""
    dst.write_vector(cpu.packed_unpack_high8(dst.vector(), src.vector()))


@instruction("PUNPCKHWD", "66 0F 69 /r Vdq,Wdq", requires="sse")
def punpckhwd(cpu, dst, src):
    """The high words of dst and src, interleaved, dst's first."""
    dst.write_vector(cpu.packed_unpack_high16(dst.vector(), src.vector()))


@instruction("PUNPCKHDQ", "66 0F 6A /r Vdq,Wdq", requires="sse")
def punpckhdq(cpu, dst, src):
    """The high doublewords of dst and src, interleaved, dst's first."""
    dst.write_vector(cpu.packed_unpack_high32(dst.vector(), src.vector()))


@instruction("PUNPCKHQDQ", "66 0F 6D /r Vdq,Wdq", requires="sse")
def punpckhqdq(cpu, dst, src):
    """The high quadwords of dst and src, interleaved, dst's first."""
    dst.write_vector(cpu.packed_unpack_high64(dst.vector(), src.vector()))


@instruction("PSHUFD", "66 0F 70 /r ib Vdq,Wdq,Ib", requires="sse")
def pshufd(cpu, dst, src, order):
    """Doubleword i of dst is the one of src that bits 2i+1..2i of `order` name."""
    a = src.vector()
    r = cpu.vector(0, 0)
    k = order.read()
    for i in range(4):
        r.u32[i] = a.u32[(k >> (2 * i)) & 3]
    dst.write_vector(r)


@instruction("PSHUFLW", "F2 0F 70 /r ib Vdq,Wdq,Ib", requires="sse")
def pshuflw(cpu, dst, src, order):
    """The low four words as PSHUFW; the high half of src unchanged."""
    a = src.vector()
    r = cpu.vector(0, a.u64[1])
    k = order.read()
    for i in range(4):
        r.u16[i] = a.u16[(k >> (2 * i)) & 3]
    dst.write_vector(r)


@instruction("PSHUFHW", "F3 0F 70 /r ib Vdq,Wdq,Ib", requires="sse")
def pshufhw(cpu, dst, src, order):
    """The high four words, chosen among themselves; the low half of src unchanged."""
    a = src.vector()
    r = cpu.vector(a.u64[0], 0)
    k = order.read()
    for i in range(4):
        r.u16[4 + i] = a.u16[4 + ((k >> (2 * i)) & 3)]
    dst.write_vector(r)


@instruction("PINSRW", "66 0F C4 /r ib Vdq,Ew,Ib", requires="sse")
def pinsrw(cpu, dst, src, lane):
    """Word `lane` (modulo 8) of dst = src."""
    value = src.read()
    r = dst.vector()
    r.u16[lane.read() & 7] = value
    dst.write_vector(r)


@instruction("PEXTRW", "66 0F C5 /r ib Gd,Udq,Ib", requires="sse")
def pextrw(cpu, dst, src, lane):
    """dst = word `lane` (modulo 8) of src, zero-extended."""
    a = src.vector()
    dst.write(a.u16[lane.read() & 7])


@instruction("PMOVMSKB", "66 0F D7 /r Gd,Udq", requires="sse")
def pmovmskb(cpu, dst, src):
    """dst = the top bits of the 16 bytes of src."""
    dst.write(cpu.byte_signs(src.vector()))
