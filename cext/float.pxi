# SSE arithmetic on the host's own floating point: twins of emu/cpu/floating.py. tests/cpu/test_floating.py drives both.
#
# While guest code runs, the guest's rounding, DAZ and FTZ are in the host's MXCSR (host_mxcsr), with every exception
# masked, and the sticky flags collect there. Python that is called meanwhile runs between fp_aside() and fp_back().
#
# Each operation is one volatile asm statement: a compiler may swap the operands of a + b, which shows in NaNs, fold
# constants, or move the operation across a read of the flags.

from cext.v128 cimport __m128, __m128d

cdef extern from *:
    """
    #include <string.h>
    #include <emmintrin.h>
    #if !defined(__x86_64__)
    #error "the compiled engine needs an x86-64 host: guest SSE arithmetic runs on the host's own"
    #endif
    typedef unsigned long long rz_u64;

    static inline double rz_double(rz_u64 a) { double x; memcpy(&x, &a, 8); return x; }
    static inline rz_u64 rz_bits64(double x) { rz_u64 a; memcpy(&a, &x, 8); return a; }
    static inline float rz_single(rz_u64 a) { unsigned b = (unsigned)a; float x; memcpy(&x, &b, 4); return x; }
    static inline rz_u64 rz_bits32(float x) { unsigned a; memcpy(&a, &x, 4); return a; }

    #define RZ_SCALAR(name) \
        static inline rz_u64 rz_f64_##name(rz_u64 a, rz_u64 b) { \
            double x = rz_double(a); \
            __asm__ volatile(#name "sd %1, %0" : "+x"(x) : "x"(rz_double(b))); \
            return rz_bits64(x); } \
        static inline rz_u64 rz_f32_##name(rz_u64 a, rz_u64 b) { \
            float x = rz_single(a); \
            __asm__ volatile(#name "ss %1, %0" : "+x"(x) : "x"(rz_single(b))); \
            return rz_bits32(x); }
    #define RZ_PACKED(name) \
        static inline __m128d rz_f64x2_##name(__m128d a, __m128d b) { \
            __asm__ volatile(#name "pd %1, %0" : "+x"(a) : "x"(b)); return a; } \
        static inline __m128 rz_f32x4_##name(__m128 a, __m128 b) { \
            __asm__ volatile(#name "ps %1, %0" : "+x"(a) : "x"(b)); return a; }
    RZ_SCALAR(add) RZ_SCALAR(sub) RZ_SCALAR(mul) RZ_SCALAR(div) RZ_SCALAR(min) RZ_SCALAR(max)
    RZ_PACKED(add) RZ_PACKED(sub) RZ_PACKED(mul) RZ_PACKED(div) RZ_PACKED(min) RZ_PACKED(max)

    static inline rz_u64 rz_f64_sqrt(rz_u64 a) {
        double x = rz_double(a); __asm__ volatile("sqrtsd %0, %0" : "+x"(x)); return rz_bits64(x); }
    static inline rz_u64 rz_f32_sqrt(rz_u64 a) {
        float x = rz_single(a); __asm__ volatile("sqrtss %0, %0" : "+x"(x)); return rz_bits32(x); }
    static inline __m128d rz_f64x2_sqrt(__m128d a) { __asm__ volatile("sqrtpd %0, %0" : "+x"(a)); return a; }
    static inline __m128 rz_f32x4_sqrt(__m128 a) { __asm__ volatile("sqrtps %0, %0" : "+x"(a)); return a; }

    /* CF, PF and ZF at their places in RFLAGS. */
    #define RZ_COMPARE(name, insn, type, from) \
        static inline rz_u64 name(rz_u64 a, rz_u64 b) { \
            int c, p, z; \
            __asm__ volatile(insn " %4, %3" : "=@ccc"(c), "=@ccp"(p), "=@ccz"(z) : "x"(from(a)), "x"(from(b))); \
            return (rz_u64)(c | p << 2 | z << 6); }
    RZ_COMPARE(rz_f64_comi, "comisd", double, rz_double)
    RZ_COMPARE(rz_f64_ucomi, "ucomisd", double, rz_double)
    RZ_COMPARE(rz_f32_comi, "comiss", float, rz_single)
    RZ_COMPARE(rz_f32_ucomi, "ucomiss", float, rz_single)

    #define RZ_CASE(n, insn) case n: __asm__ volatile(insn " $" #n ", %1, %0" : "+x"(x) : "x"(y)); break;
    #define RZ_PREDICATE(insn) \
        switch (predicate & 7) { \
            RZ_CASE(0, insn) RZ_CASE(1, insn) RZ_CASE(2, insn) RZ_CASE(3, insn) \
            RZ_CASE(4, insn) RZ_CASE(5, insn) RZ_CASE(6, insn) RZ_CASE(7, insn) }
    static inline rz_u64 rz_f64_cmp(rz_u64 a, rz_u64 b, rz_u64 predicate) {
        double x = rz_double(a), y = rz_double(b);
        RZ_PREDICATE("cmpsd")
        return rz_bits64(x); }
    static inline rz_u64 rz_f32_cmp(rz_u64 a, rz_u64 b, rz_u64 predicate) {
        float x = rz_single(a), y = rz_single(b);
        RZ_PREDICATE("cmpss")
        return rz_bits32(x); }

    #define RZ_FROM(name, insn, type, itype, bits) \
        static inline rz_u64 name(rz_u64 a) { \
            type x = 0; __asm__ volatile(insn " %1, %0" : "+x"(x) : "r"((itype)a)); return bits(x); }
    RZ_FROM(rz_f64_from_i32, "cvtsi2sdl", double, int, rz_bits64)
    RZ_FROM(rz_f64_from_i64, "cvtsi2sdq", double, long long, rz_bits64)
    RZ_FROM(rz_f32_from_i32, "cvtsi2ssl", float, int, rz_bits32)
    RZ_FROM(rz_f32_from_i64, "cvtsi2ssq", float, long long, rz_bits32)

    #define RZ_TO(name, insn, from, itype) \
        static inline rz_u64 name(rz_u64 a) { \
            itype r; __asm__ volatile(insn " %1, %0" : "=r"(r) : "x"(from(a))); return (rz_u64)r; }
    RZ_TO(rz_f64_to_i32, "cvtsd2sil", rz_double, unsigned)
    RZ_TO(rz_f64_to_i64, "cvtsd2siq", rz_double, rz_u64)
    RZ_TO(rz_f32_to_i32, "cvtss2sil", rz_single, unsigned)
    RZ_TO(rz_f32_to_i64, "cvtss2siq", rz_single, rz_u64)
    RZ_TO(rz_f64_to_i32_truncate, "cvttsd2sil", rz_double, unsigned)
    RZ_TO(rz_f64_to_i64_truncate, "cvttsd2siq", rz_double, rz_u64)
    RZ_TO(rz_f32_to_i32_truncate, "cvttss2sil", rz_single, unsigned)
    RZ_TO(rz_f32_to_i64_truncate, "cvttss2siq", rz_single, rz_u64)

    static inline rz_u64 rz_f64_from_f32(rz_u64 a) {
        double x = 0; __asm__ volatile("cvtss2sd %1, %0" : "+x"(x) : "x"(rz_single(a))); return rz_bits64(x); }
    static inline rz_u64 rz_f32_from_f64(rz_u64 a) {
        float x = 0; __asm__ volatile("cvtsd2ss %1, %0" : "+x"(x) : "x"(rz_double(a))); return rz_bits32(x); }

    static inline unsigned rz_getcsr(void) { unsigned v; __asm__ volatile("stmxcsr %0" : "=m"(v)); return v; }
    static inline void rz_setcsr(unsigned v) { __asm__ volatile("ldmxcsr %0" : : "m"(v)); }
    """
    u64 rz_f64_add(u64 a, u64 b) noexcept nogil
    u64 rz_f64_sub(u64 a, u64 b) noexcept nogil
    u64 rz_f64_mul(u64 a, u64 b) noexcept nogil
    u64 rz_f64_div(u64 a, u64 b) noexcept nogil
    u64 rz_f64_min(u64 a, u64 b) noexcept nogil
    u64 rz_f64_max(u64 a, u64 b) noexcept nogil
    u64 rz_f64_sqrt(u64 a) noexcept nogil
    u64 rz_f64_comi(u64 a, u64 b) noexcept nogil
    u64 rz_f64_ucomi(u64 a, u64 b) noexcept nogil
    u64 rz_f64_cmp(u64 a, u64 b, u64 predicate) noexcept nogil
    u64 rz_f64_from_i32(u64 a) noexcept nogil
    u64 rz_f64_from_i64(u64 a) noexcept nogil
    u64 rz_f64_to_i32(u64 a) noexcept nogil
    u64 rz_f64_to_i64(u64 a) noexcept nogil
    u64 rz_f64_to_i32_truncate(u64 a) noexcept nogil
    u64 rz_f64_to_i64_truncate(u64 a) noexcept nogil
    u64 rz_f32_add(u64 a, u64 b) noexcept nogil
    u64 rz_f32_sub(u64 a, u64 b) noexcept nogil
    u64 rz_f32_mul(u64 a, u64 b) noexcept nogil
    u64 rz_f32_div(u64 a, u64 b) noexcept nogil
    u64 rz_f32_min(u64 a, u64 b) noexcept nogil
    u64 rz_f32_max(u64 a, u64 b) noexcept nogil
    u64 rz_f32_sqrt(u64 a) noexcept nogil
    u64 rz_f32_comi(u64 a, u64 b) noexcept nogil
    u64 rz_f32_ucomi(u64 a, u64 b) noexcept nogil
    u64 rz_f32_cmp(u64 a, u64 b, u64 predicate) noexcept nogil
    u64 rz_f32_from_i32(u64 a) noexcept nogil
    u64 rz_f32_from_i64(u64 a) noexcept nogil
    u64 rz_f32_to_i32(u64 a) noexcept nogil
    u64 rz_f32_to_i64(u64 a) noexcept nogil
    u64 rz_f32_to_i32_truncate(u64 a) noexcept nogil
    u64 rz_f32_to_i64_truncate(u64 a) noexcept nogil
    u64 rz_f64_from_f32(u64 a) noexcept nogil
    u64 rz_f32_from_f64(u64 a) noexcept nogil
    __m128d rz_f64x2_add(__m128d a, __m128d b) noexcept nogil
    __m128d rz_f64x2_sub(__m128d a, __m128d b) noexcept nogil
    __m128d rz_f64x2_mul(__m128d a, __m128d b) noexcept nogil
    __m128d rz_f64x2_div(__m128d a, __m128d b) noexcept nogil
    __m128d rz_f64x2_min(__m128d a, __m128d b) noexcept nogil
    __m128d rz_f64x2_max(__m128d a, __m128d b) noexcept nogil
    __m128d rz_f64x2_sqrt(__m128d a) noexcept nogil
    __m128 rz_f32x4_add(__m128 a, __m128 b) noexcept nogil
    __m128 rz_f32x4_sub(__m128 a, __m128 b) noexcept nogil
    __m128 rz_f32x4_mul(__m128 a, __m128 b) noexcept nogil
    __m128 rz_f32x4_div(__m128 a, __m128 b) noexcept nogil
    __m128 rz_f32x4_min(__m128 a, __m128 b) noexcept nogil
    __m128 rz_f32x4_max(__m128 a, __m128 b) noexcept nogil
    __m128 rz_f32x4_sqrt(__m128 a) noexcept nogil
    unsigned int rz_getcsr() noexcept nogil
    void rz_setcsr(unsigned int v) noexcept nogil

# MXCSR. cpu.mxcsr has the guest's control bits and older flags, the host's the flags since.

cdef inline unsigned int host_mxcsr(u64 mxcsr) noexcept nogil:
    # With underflow unmasked the guest's FTZ has no effect; the host's, set, makes UE show every tiny result, exact ones
    # too, as an unmasked exception wants it. The result itself is not stored then.
    cdef unsigned int control = 0x1F80 | (<unsigned int>mxcsr & 0xE040)
    if not mxcsr & 0x800:
        control |= 0x8000
    return control

cdef inline unsigned int fp_aside() noexcept nogil:
    cdef unsigned int guest = rz_getcsr()
    rz_setcsr(0x1F80)
    return guest

cdef inline void fp_back(unsigned int guest) noexcept nogil:
    rz_setcsr(guest)

cdef inline u64 read_mxcsr(CPU *cpu) noexcept nogil:
    return cpu.mxcsr | (rz_getcsr() & 0x3F)

cdef inline void write_mxcsr(CPU *cpu, u64 value) noexcept nogil:
    cpu.mxcsr = value
    rz_setcsr(host_mxcsr(value))

cdef inline void fp_clear(CPU *cpu) noexcept nogil:
    cdef unsigned int host = rz_getcsr()
    if host & 0x3F:
        cpu.mxcsr |= host & 0x3F
        rz_setcsr(host & ~0x3F)

cdef inline u64 fp_take(CPU *cpu) noexcept nogil:
    cdef unsigned int host = rz_getcsr()
    rz_setcsr(host & ~0x3F)
    return host & 0x3F

# Arithmetic

cdef inline u64 f64_add(CPU *cpu, u64 a, u64 b) noexcept nogil:
    return rz_f64_add(a, b)

cdef inline u64 f64_sub(CPU *cpu, u64 a, u64 b) noexcept nogil:
    return rz_f64_sub(a, b)

cdef inline u64 f64_mul(CPU *cpu, u64 a, u64 b) noexcept nogil:
    return rz_f64_mul(a, b)

cdef inline u64 f64_div(CPU *cpu, u64 a, u64 b) noexcept nogil:
    return rz_f64_div(a, b)

cdef inline u64 f64_min(CPU *cpu, u64 a, u64 b) noexcept nogil:
    return rz_f64_min(a, b)

cdef inline u64 f64_max(CPU *cpu, u64 a, u64 b) noexcept nogil:
    return rz_f64_max(a, b)

cdef inline u64 f64_sqrt(CPU *cpu, u64 a) noexcept nogil:
    return rz_f64_sqrt(a)

cdef inline u64 f64_comi(CPU *cpu, u64 a, u64 b) noexcept nogil:
    return rz_f64_comi(a, b)

cdef inline u64 f64_ucomi(CPU *cpu, u64 a, u64 b) noexcept nogil:
    return rz_f64_ucomi(a, b)

cdef inline u64 f64_cmp(CPU *cpu, u64 a, u64 b, u64 predicate) noexcept nogil:
    return rz_f64_cmp(a, b, predicate)

cdef inline u64 f64_from_i32(CPU *cpu, u64 a) noexcept nogil:
    return rz_f64_from_i32(a)

cdef inline u64 f64_from_i64(CPU *cpu, u64 a) noexcept nogil:
    return rz_f64_from_i64(a)

cdef inline u64 f64_to_i32(CPU *cpu, u64 a) noexcept nogil:
    return rz_f64_to_i32(a)

cdef inline u64 f64_to_i64(CPU *cpu, u64 a) noexcept nogil:
    return rz_f64_to_i64(a)

cdef inline u64 f64_to_i32_truncate(CPU *cpu, u64 a) noexcept nogil:
    return rz_f64_to_i32_truncate(a)

cdef inline u64 f64_to_i64_truncate(CPU *cpu, u64 a) noexcept nogil:
    return rz_f64_to_i64_truncate(a)

cdef inline u64 f32_add(CPU *cpu, u64 a, u64 b) noexcept nogil:
    return rz_f32_add(a, b)

cdef inline u64 f32_sub(CPU *cpu, u64 a, u64 b) noexcept nogil:
    return rz_f32_sub(a, b)

cdef inline u64 f32_mul(CPU *cpu, u64 a, u64 b) noexcept nogil:
    return rz_f32_mul(a, b)

cdef inline u64 f32_div(CPU *cpu, u64 a, u64 b) noexcept nogil:
    return rz_f32_div(a, b)

cdef inline u64 f32_min(CPU *cpu, u64 a, u64 b) noexcept nogil:
    return rz_f32_min(a, b)

cdef inline u64 f32_max(CPU *cpu, u64 a, u64 b) noexcept nogil:
    return rz_f32_max(a, b)

cdef inline u64 f32_sqrt(CPU *cpu, u64 a) noexcept nogil:
    return rz_f32_sqrt(a)

cdef inline u64 f32_comi(CPU *cpu, u64 a, u64 b) noexcept nogil:
    return rz_f32_comi(a, b)

cdef inline u64 f32_ucomi(CPU *cpu, u64 a, u64 b) noexcept nogil:
    return rz_f32_ucomi(a, b)

cdef inline u64 f32_cmp(CPU *cpu, u64 a, u64 b, u64 predicate) noexcept nogil:
    return rz_f32_cmp(a, b, predicate)

cdef inline u64 f32_from_i32(CPU *cpu, u64 a) noexcept nogil:
    return rz_f32_from_i32(a)

cdef inline u64 f32_from_i64(CPU *cpu, u64 a) noexcept nogil:
    return rz_f32_from_i64(a)

cdef inline u64 f32_to_i32(CPU *cpu, u64 a) noexcept nogil:
    return rz_f32_to_i32(a)

cdef inline u64 f32_to_i64(CPU *cpu, u64 a) noexcept nogil:
    return rz_f32_to_i64(a)

cdef inline u64 f32_to_i32_truncate(CPU *cpu, u64 a) noexcept nogil:
    return rz_f32_to_i32_truncate(a)

cdef inline u64 f32_to_i64_truncate(CPU *cpu, u64 a) noexcept nogil:
    return rz_f32_to_i64_truncate(a)

cdef inline u64 f64_from_f32(CPU *cpu, u64 a) noexcept nogil:
    return rz_f64_from_f32(a)

cdef inline u64 f32_from_f64(CPU *cpu, u64 a) noexcept nogil:
    return rz_f32_from_f64(a)

cdef inline V128 f64x2_add(CPU *cpu, V128 a, V128 b) noexcept nogil:
    a.m128d = rz_f64x2_add(a.m128d, b.m128d)
    return a

cdef inline V128 f64x2_sub(CPU *cpu, V128 a, V128 b) noexcept nogil:
    a.m128d = rz_f64x2_sub(a.m128d, b.m128d)
    return a

cdef inline V128 f64x2_mul(CPU *cpu, V128 a, V128 b) noexcept nogil:
    a.m128d = rz_f64x2_mul(a.m128d, b.m128d)
    return a

cdef inline V128 f64x2_div(CPU *cpu, V128 a, V128 b) noexcept nogil:
    a.m128d = rz_f64x2_div(a.m128d, b.m128d)
    return a

cdef inline V128 f64x2_min(CPU *cpu, V128 a, V128 b) noexcept nogil:
    a.m128d = rz_f64x2_min(a.m128d, b.m128d)
    return a

cdef inline V128 f64x2_max(CPU *cpu, V128 a, V128 b) noexcept nogil:
    a.m128d = rz_f64x2_max(a.m128d, b.m128d)
    return a

cdef inline V128 f64x2_sqrt(CPU *cpu, V128 a) noexcept nogil:
    a.m128d = rz_f64x2_sqrt(a.m128d)
    return a

cdef inline V128 f32x4_add(CPU *cpu, V128 a, V128 b) noexcept nogil:
    a.m128 = rz_f32x4_add(a.m128, b.m128)
    return a

cdef inline V128 f32x4_sub(CPU *cpu, V128 a, V128 b) noexcept nogil:
    a.m128 = rz_f32x4_sub(a.m128, b.m128)
    return a

cdef inline V128 f32x4_mul(CPU *cpu, V128 a, V128 b) noexcept nogil:
    a.m128 = rz_f32x4_mul(a.m128, b.m128)
    return a

cdef inline V128 f32x4_div(CPU *cpu, V128 a, V128 b) noexcept nogil:
    a.m128 = rz_f32x4_div(a.m128, b.m128)
    return a

cdef inline V128 f32x4_min(CPU *cpu, V128 a, V128 b) noexcept nogil:
    a.m128 = rz_f32x4_min(a.m128, b.m128)
    return a

cdef inline V128 f32x4_max(CPU *cpu, V128 a, V128 b) noexcept nogil:
    a.m128 = rz_f32x4_max(a.m128, b.m128)
    return a

cdef inline V128 f32x4_sqrt(CPU *cpu, V128 a) noexcept nogil:
    a.m128 = rz_f32x4_sqrt(a.m128)
    return a
