"""Packed integer arithmetic on 128-bit vectors, lane by lane: what the SSE2 and the MMX instructions share.

MMX instructions use the low 64 bits. Loops over a constant number of lanes become single vector instructions in the
compiled engine.
"""

from emu.cpu.vector import V128, vector
from emu.isa.language import i64, wrap64


def byte_signs(cpu, a: V128):
    """The top bits of the 16 bytes, as 16 bits."""
    low = ((a.u64[0] >> 7) & 0x0101010101010101) * 0x0102040810204080
    high = ((a.u64[1] >> 7) & 0x0101010101010101) * 0x0102040810204080
    return (wrap64(low) >> 56) | ((wrap64(high) >> 56) << 8)



def packed_add8(cpu, a: V128, b: V128) -> V128:
    """a + b of 16 bytes; they wrap."""
    r = vector(0, 0)
    for i in range(16):
        r.u8[i] = a.u8[i] + b.u8[i]
    return r


def packed_add16(cpu, a: V128, b: V128) -> V128:
    """a + b of 8 words; they wrap."""
    r = vector(0, 0)
    for i in range(8):
        r.u16[i] = a.u16[i] + b.u16[i]
    return r


def packed_add32(cpu, a: V128, b: V128) -> V128:
    """a + b of 4 doublewords; they wrap."""
    r = vector(0, 0)
    for i in range(4):
        r.u32[i] = a.u32[i] + b.u32[i]
    return r


def packed_add64(cpu, a: V128, b: V128) -> V128:
    """a + b of 2 quadwords; they wrap."""
    r = vector(0, 0)
    for i in range(2):
        r.u64[i] = a.u64[i] + b.u64[i]
    return r


def packed_sub8(cpu, a: V128, b: V128) -> V128:
    """a - b of 16 bytes; they wrap."""
    r = vector(0, 0)
    for i in range(16):
        r.u8[i] = a.u8[i] - b.u8[i]
    return r


def packed_sub16(cpu, a: V128, b: V128) -> V128:
    """a - b of 8 words; they wrap."""
    r = vector(0, 0)
    for i in range(8):
        r.u16[i] = a.u16[i] - b.u16[i]
    return r


def packed_sub32(cpu, a: V128, b: V128) -> V128:
    """a - b of 4 doublewords; they wrap."""
    r = vector(0, 0)
    for i in range(4):
        r.u32[i] = a.u32[i] - b.u32[i]
    return r


def packed_sub64(cpu, a: V128, b: V128) -> V128:
    """a - b of 2 quadwords; they wrap."""
    r = vector(0, 0)
    for i in range(2):
        r.u64[i] = a.u64[i] - b.u64[i]
    return r


def packed_adds8(cpu, a: V128, b: V128) -> V128:
    """a + b of 16 signed bytes, saturated."""
    r = vector(0, 0)
    for i in range(16):
        x: i64 = a.i8[i]
        y: i64 = b.i8[i]
        s: i64 = x + y
        s = s if s < 127 else 127
        r.i8[i] = s if s > -128 else -128
    return r


def packed_adds16(cpu, a: V128, b: V128) -> V128:
    """a + b of 8 signed words, saturated."""
    r = vector(0, 0)
    for i in range(8):
        x: i64 = a.i16[i]
        y: i64 = b.i16[i]
        s: i64 = x + y
        s = s if s < 32767 else 32767
        r.i16[i] = s if s > -32768 else -32768
    return r


def packed_addus8(cpu, a: V128, b: V128) -> V128:
    """a + b of 16 unsigned bytes, saturated."""
    r = vector(0, 0)
    for i in range(16):
        s = a.u8[i] + b.u8[i]
        r.u8[i] = s if s < 256 else 255
    return r


def packed_addus16(cpu, a: V128, b: V128) -> V128:
    """a + b of 8 unsigned words, saturated."""
    r = vector(0, 0)
    for i in range(8):
        s = a.u16[i] + b.u16[i]
        r.u16[i] = s if s < 65536 else 65535
    return r


def packed_subs8(cpu, a: V128, b: V128) -> V128:
    """a - b of 16 signed bytes, saturated."""
    r = vector(0, 0)
    for i in range(16):
        x: i64 = a.i8[i]
        y: i64 = b.i8[i]
        s: i64 = x - y
        s = s if s < 127 else 127
        r.i8[i] = s if s > -128 else -128
    return r


def packed_subs16(cpu, a: V128, b: V128) -> V128:
    """a - b of 8 signed words, saturated."""
    r = vector(0, 0)
    for i in range(8):
        x: i64 = a.i16[i]
        y: i64 = b.i16[i]
        s: i64 = x - y
        s = s if s < 32767 else 32767
        r.i16[i] = s if s > -32768 else -32768
    return r


def packed_subus8(cpu, a: V128, b: V128) -> V128:
    """a - b of 16 unsigned bytes, saturated."""
    r = vector(0, 0)
    for i in range(16):
        x = a.u8[i]
        y = b.u8[i]
        r.u8[i] = x - y if x > y else 0
    return r


def packed_subus16(cpu, a: V128, b: V128) -> V128:
    """a - b of 8 unsigned words, saturated."""
    r = vector(0, 0)
    for i in range(8):
        x = a.u16[i]
        y = b.u16[i]
        r.u16[i] = x - y if x > y else 0
    return r


def packed_eq8(cpu, a: V128, b: V128) -> V128:
    """All ones in each of 16 bytes where a is equal to b."""
    r = vector(0, 0)
    for i in range(16):
        r.u8[i] = 0xFF if a.u8[i] == b.u8[i] else 0
    return r


def packed_eq16(cpu, a: V128, b: V128) -> V128:
    """All ones in each of 8 words where a is equal to b."""
    r = vector(0, 0)
    for i in range(8):
        r.u16[i] = 0xFFFF if a.u16[i] == b.u16[i] else 0
    return r


def packed_eq32(cpu, a: V128, b: V128) -> V128:
    """All ones in each of 4 doublewords where a is equal to b."""
    r = vector(0, 0)
    for i in range(4):
        r.u32[i] = 0xFFFFFFFF if a.u32[i] == b.u32[i] else 0
    return r


def packed_gt8(cpu, a: V128, b: V128) -> V128:
    """All ones in each of 16 bytes where a is greater than (signed) b."""
    r = vector(0, 0)
    for i in range(16):
        r.u8[i] = 0xFF if a.i8[i] > b.i8[i] else 0
    return r


def packed_gt16(cpu, a: V128, b: V128) -> V128:
    """All ones in each of 8 words where a is greater than (signed) b."""
    r = vector(0, 0)
    for i in range(8):
        r.u16[i] = 0xFFFF if a.i16[i] > b.i16[i] else 0
    return r


def packed_gt32(cpu, a: V128, b: V128) -> V128:
    """All ones in each of 4 doublewords where a is greater than (signed) b."""
    r = vector(0, 0)
    for i in range(4):
        r.u32[i] = 0xFFFFFFFF if a.i32[i] > b.i32[i] else 0
    return r


def packed_minu8(cpu, a: V128, b: V128) -> V128:
    """The smaller of 16 unsigned bytes."""
    r = vector(0, 0)
    for i in range(16):
        r.u8[i] = a.u8[i] if a.u8[i] < b.u8[i] else b.u8[i]
    return r


def packed_maxu8(cpu, a: V128, b: V128) -> V128:
    """The larger of 16 unsigned bytes."""
    r = vector(0, 0)
    for i in range(16):
        r.u8[i] = a.u8[i] if a.u8[i] > b.u8[i] else b.u8[i]
    return r


def packed_mins16(cpu, a: V128, b: V128) -> V128:
    """The smaller of 8 signed words."""
    r = vector(0, 0)
    for i in range(8):
        r.u16[i] = a.u16[i] if a.i16[i] < b.i16[i] else b.u16[i]
    return r


def packed_maxs16(cpu, a: V128, b: V128) -> V128:
    """The larger of 8 signed words."""
    r = vector(0, 0)
    for i in range(8):
        r.u16[i] = a.u16[i] if a.i16[i] > b.i16[i] else b.u16[i]
    return r


def packed_avg8(cpu, a: V128, b: V128) -> V128:
    """(a + b + 1) / 2 of 16 unsigned bytes."""
    r = vector(0, 0)
    for i in range(16):
        r.u8[i] = (a.u8[i] + b.u8[i] + 1) >> 1
    return r


def packed_avg16(cpu, a: V128, b: V128) -> V128:
    """(a + b + 1) / 2 of 8 unsigned words."""
    r = vector(0, 0)
    for i in range(8):
        r.u16[i] = (a.u16[i] + b.u16[i] + 1) >> 1
    return r


def packed_mull16(cpu, a: V128, b: V128) -> V128:
    """Low halves of the products of 8 words."""
    r = vector(0, 0)
    for i in range(8):
        r.u16[i] = a.u16[i] * b.u16[i]
    return r


def packed_mulhs16(cpu, a: V128, b: V128) -> V128:
    """High halves of the products of 8 signed words."""
    r = vector(0, 0)
    for i in range(8):
        x: i64 = a.i16[i]
        y: i64 = b.i16[i]
        r.i16[i] = (x * y) >> 16
    return r


def packed_mulhu16(cpu, a: V128, b: V128) -> V128:
    """High halves of the products of 8 unsigned words."""
    r = vector(0, 0)
    for i in range(8):
        r.u16[i] = (a.u16[i] * b.u16[i]) >> 16
    return r


def packed_mulu32(cpu, a: V128, b: V128) -> V128:
    """Products of the even doublewords, 64 bits each."""
    r = vector(0, 0)
    for i in range(2):
        r.u64[i] = a.u32[2 * i] * b.u32[2 * i]
    return r


def packed_madd16(cpu, a: V128, b: V128) -> V128:
    """Products of 8 signed words, summed by pairs to doublewords."""
    r = vector(0, 0)
    for i in range(4):
        x: i64 = a.i16[2 * i]
        y: i64 = b.i16[2 * i]
        z: i64 = a.i16[2 * i + 1]
        w: i64 = b.i16[2 * i + 1]
        r.i32[i] = x * y + z * w
    return r


def packed_sad8(cpu, a: V128, b: V128) -> V128:
    """Sum of absolute differences of the bytes of each half."""
    r = vector(0, 0)
    for k in range(2):
        total = 0
        for i in range(8):
            x = a.u8[8 * k + i]
            y = b.u8[8 * k + i]
            total = total + (x - y if x > y else y - x)
        r.u64[k] = total
    return r


def packed_sll16(cpu, a: V128, count) -> V128:
    """8 words shifted left; zero from a count of 16 on."""
    r = vector(0, 0)
    if count < 16:
        for i in range(8):
            r.u16[i] = a.u16[i] << count
    return r


def packed_sll32(cpu, a: V128, count) -> V128:
    """4 doublewords shifted left; zero from a count of 32 on."""
    r = vector(0, 0)
    if count < 32:
        for i in range(4):
            r.u32[i] = a.u32[i] << count
    return r


def packed_sll64(cpu, a: V128, count) -> V128:
    """2 quadwords shifted left; zero from a count of 64 on."""
    r = vector(0, 0)
    if count < 64:
        for i in range(2):
            r.u64[i] = a.u64[i] << count
    return r


def packed_srl16(cpu, a: V128, count) -> V128:
    """8 words shifted right; zero from a count of 16 on."""
    r = vector(0, 0)
    if count < 16:
        for i in range(8):
            r.u16[i] = a.u16[i] >> count
    return r


def packed_srl32(cpu, a: V128, count) -> V128:
    """4 doublewords shifted right; zero from a count of 32 on."""
    r = vector(0, 0)
    if count < 32:
        for i in range(4):
            r.u32[i] = a.u32[i] >> count
    return r


def packed_srl64(cpu, a: V128, count) -> V128:
    """2 quadwords shifted right; zero from a count of 64 on."""
    r = vector(0, 0)
    if count < 64:
        for i in range(2):
            r.u64[i] = a.u64[i] >> count
    return r


def packed_sra16(cpu, a: V128, count) -> V128:
    """8 signed words shifted right; all sign from a count of 16 on."""
    r = vector(0, 0)
    shift = count if count < 16 else 15
    for i in range(8):
        x: i64 = a.i16[i]
        r.i16[i] = x >> shift
    return r


def packed_sra32(cpu, a: V128, count) -> V128:
    """4 signed doublewords shifted right; all sign from a count of 32 on."""
    r = vector(0, 0)
    shift = count if count < 32 else 31
    for i in range(4):
        x: i64 = a.i32[i]
        r.i32[i] = x >> shift
    return r


def packed_pack_s8(cpu, a: V128, b: V128) -> V128:
    """The signed lanes of a, then of b, halved in width and saturated signed."""
    r = vector(0, 0)
    for i in range(8):
        x: i64 = a.i16[i]
        y: i64 = b.i16[i]
        x = x if x < 127 else 127
        y = y if y < 127 else 127
        r.i8[i] = x if x > -128 else -128
        r.i8[i + 8] = y if y > -128 else -128
    return r


def packed_pack_u8(cpu, a: V128, b: V128) -> V128:
    """The signed lanes of a, then of b, halved in width and saturated unsigned."""
    r = vector(0, 0)
    for i in range(8):
        x: i64 = a.i16[i]
        y: i64 = b.i16[i]
        x = x if x < 255 else 255
        y = y if y < 255 else 255
        r.i8[i] = x if x > 0 else 0
        r.i8[i + 8] = y if y > 0 else 0
    return r


def packed_pack_s16(cpu, a: V128, b: V128) -> V128:
    """The signed lanes of a, then of b, halved in width and saturated signed."""
    r = vector(0, 0)
    for i in range(4):
        x: i64 = a.i32[i]
        y: i64 = b.i32[i]
        x = x if x < 32767 else 32767
        y = y if y < 32767 else 32767
        r.i16[i] = x if x > -32768 else -32768
        r.i16[i + 4] = y if y > -32768 else -32768
    return r


def packed_unpack_low8(cpu, a: V128, b: V128) -> V128:
    """The low bytes of a and b, interleaved, a's first."""
    r = vector(0, 0)
    for i in range(8):
        r.u8[2 * i] = a.u8[i]
        r.u8[2 * i + 1] = b.u8[i]
    return r


def packed_unpack_high8(cpu, a: V128, b: V128) -> V128:
    """The high bytes of a and b, interleaved, a's first."""
    r = vector(0, 0)
    for i in range(8):
        r.u8[2 * i] = a.u8[i + 8]
        r.u8[2 * i + 1] = b.u8[i + 8]
    return r


def packed_unpack_low16(cpu, a: V128, b: V128) -> V128:
    """The low words of a and b, interleaved, a's first."""
    r = vector(0, 0)
    for i in range(4):
        r.u16[2 * i] = a.u16[i]
        r.u16[2 * i + 1] = b.u16[i]
    return r


def packed_unpack_high16(cpu, a: V128, b: V128) -> V128:
    """The high words of a and b, interleaved, a's first."""
    r = vector(0, 0)
    for i in range(4):
        r.u16[2 * i] = a.u16[i + 4]
        r.u16[2 * i + 1] = b.u16[i + 4]
    return r


def packed_unpack_low32(cpu, a: V128, b: V128) -> V128:
    """The low doublewords of a and b, interleaved, a's first."""
    r = vector(0, 0)
    for i in range(2):
        r.u32[2 * i] = a.u32[i]
        r.u32[2 * i + 1] = b.u32[i]
    return r


def packed_unpack_high32(cpu, a: V128, b: V128) -> V128:
    """The high doublewords of a and b, interleaved, a's first."""
    r = vector(0, 0)
    for i in range(2):
        r.u32[2 * i] = a.u32[i + 2]
        r.u32[2 * i + 1] = b.u32[i + 2]
    return r


def packed_unpack_low64(cpu, a: V128, b: V128) -> V128:
    """The low quadwords of a and b, interleaved, a's first."""
    return vector(a.u64[0], b.u64[0])


def packed_unpack_high64(cpu, a: V128, b: V128) -> V128:
    """The high quadwords of a and b, interleaved, a's first."""
    return vector(a.u64[1], b.u64[1])
