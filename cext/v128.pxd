"""The 128-bit vector value and the integer types every text is translated to."""

from libc.stdint cimport int8_t, int16_t, int32_t, uint8_t, uint16_t, uint32_t

ctypedef unsigned long long u64
ctypedef long long i64

cdef extern from "<emmintrin.h>" nogil:
    ctypedef struct __m128i:
        pass
    ctypedef struct __m128d:
        pass
    ctypedef struct __m128:
        pass

cdef union V128:
    uint8_t u8[16]
    uint16_t u16[8]
    uint32_t u32[4]
    u64 u64[2]
    int8_t i8[16]
    int16_t i16[8]
    int32_t i32[4]
    i64 i64[2]
    __m128i m128i
    __m128d m128d
    __m128 m128
