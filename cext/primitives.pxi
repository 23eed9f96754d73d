# Twins of emu/cpu/primitives.py. tests/engines/test_primitives.py drives both with the same values.

cdef extern from *:
    """
    typedef unsigned __int128 rz_u128;
    typedef __int128 rz_i128;
    """
    ctypedef unsigned long long u128 "rz_u128"
    ctypedef long long i128 "rz_i128"
    int __builtin_popcountll(unsigned long long x) noexcept nogil
    int __builtin_ctzll(unsigned long long x) noexcept nogil
    int __builtin_clzll(unsigned long long x) noexcept nogil

cdef inline u64 umul_high(CPU *cpu, u64 a, u64 b) noexcept nogil:
    return <u64>(((<u128>a) * (<u128>b)) >> 64)

cdef inline u64 imul_high(CPU *cpu, u64 a, u64 b) noexcept nogil:
    return <u64>(((<i128><i64>a) * (<i128><i64>b)) >> 64)

cdef inline u64 udiv128(CPU *cpu, u64 high, u64 low, u64 divisor) noexcept nogil:
    return <u64>((((<u128>high) << 64) | low) // divisor)

cdef inline u64 urem128(CPU *cpu, u64 high, u64 low, u64 divisor) noexcept nogil:
    return <u64>((((<u128>high) << 64) | low) % divisor)

cdef inline u64 popcount(CPU *cpu, u64 value) noexcept nogil:
    return __builtin_popcountll(value)

cdef inline u64 trailing_zeros(CPU *cpu, u64 value) noexcept nogil:
    return __builtin_ctzll(value)

cdef inline u64 leading_bit(CPU *cpu, u64 value) noexcept nogil:
    return 63 - __builtin_clzll(value)
