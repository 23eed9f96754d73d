"""Floating-point primitives of SSE: the Python twins, through `softfloat`; `cext/float.pxi` has the host's.

Operands and results are bit patterns. All round, treat denormals as zeros and flush to zero as MXCSR says (APM vol. 1,
4.2.2) and collect exception flags, here in `cpu.fp_raised`, in the compiled engine in the host's own MXCSR.
"""

from __future__ import annotations

from emu.cpu import softfloat
from emu.cpu.softfloat import F32, F64, Context
from emu.cpu.vector import V128
from emu.isa.language import CF, MASK32, MASK64, PF, ZF, signed, u64


def _context(cpu):
    mxcsr = cpu.mxcsr
    return Context(rounding=mxcsr >> 13 & 3, daz=bool(mxcsr & 0x40), ftz=bool(mxcsr & 0x8000), masked=mxcsr >> 7 & 0x3F)


def _run(cpu, operation, *operands):
    """One softfloat operation under MXCSR; its flags go to `cpu.fp_raised`."""
    c = _context(cpu)
    result = operation(*operands, c)
    cpu.fp_raised |= c.raised
    return result


def read_mxcsr(cpu) -> u64:
    """MXCSR with every flag raised so far."""
    return cpu.mxcsr


def write_mxcsr(cpu, value: u64):
    """Set MXCSR; the caller has refused reserved bits."""
    cpu.mxcsr = value


def fp_clear(cpu):
    """Begin to collect the exception flags of one instruction."""
    cpu.fp_raised = 0


def fp_take(cpu) -> u64:
    """The exception flags raised since fp_clear(), at MXCSR's places."""
    raised = cpu.fp_raised
    cpu.fp_raised = 0
    return raised


# Scalar arithmetic

def f64_add(cpu, a: u64, b: u64) -> u64:
    """a + b."""
    return _run(cpu, softfloat.add, F64, a, b)


def f64_sub(cpu, a: u64, b: u64) -> u64:
    """a - b."""
    return _run(cpu, softfloat.sub, F64, a, b)


def f64_mul(cpu, a: u64, b: u64) -> u64:
    """a * b."""
    return _run(cpu, softfloat.mul, F64, a, b)


def f64_div(cpu, a: u64, b: u64) -> u64:
    """a / b."""
    return _run(cpu, softfloat.div, F64, a, b)


def f64_min(cpu, a: u64, b: u64) -> u64:
    """a < b ? a : b."""
    return _run(cpu, softfloat.minimum, F64, a, b)


def f64_max(cpu, a: u64, b: u64) -> u64:
    """a > b ? a : b."""
    return _run(cpu, softfloat.maximum, F64, a, b)


def f64_sqrt(cpu, a: u64) -> u64:
    """Square root."""
    return _run(cpu, softfloat.sqrt, F64, a)


def f32_add(cpu, a: u64, b: u64) -> u64:
    """a + b."""
    return _run(cpu, softfloat.add, F32, a, b)


def f32_sub(cpu, a: u64, b: u64) -> u64:
    """a - b."""
    return _run(cpu, softfloat.sub, F32, a, b)


def f32_mul(cpu, a: u64, b: u64) -> u64:
    """a * b."""
    return _run(cpu, softfloat.mul, F32, a, b)


def f32_div(cpu, a: u64, b: u64) -> u64:
    """a / b."""
    return _run(cpu, softfloat.div, F32, a, b)


def f32_min(cpu, a: u64, b: u64) -> u64:
    """a < b ? a : b."""
    return _run(cpu, softfloat.minimum, F32, a, b)


def f32_max(cpu, a: u64, b: u64) -> u64:
    """a > b ? a : b."""
    return _run(cpu, softfloat.maximum, F32, a, b)


def f32_sqrt(cpu, a: u64) -> u64:
    """Square root."""
    return _run(cpu, softfloat.sqrt, F32, a)


# Comparisons

COMIS_FLAGS = (CF, ZF, 0, ZF | PF | CF)         # of LESS, EQUAL, GREATER, UNORDERED


def f64_comi(cpu, a: u64, b: u64) -> u64:
    """ZF PF CF of COMISD: a quiet NaN is invalid too."""
    return COMIS_FLAGS[_run(cpu, _signalling, F64, a, b)]


def f64_ucomi(cpu, a: u64, b: u64) -> u64:
    """ZF PF CF of UCOMISD: only a signalling NaN is invalid."""
    return COMIS_FLAGS[_run(cpu, _quiet, F64, a, b)]


def f32_comi(cpu, a: u64, b: u64) -> u64:
    """ZF PF CF of COMISS: a quiet NaN is invalid too."""
    return COMIS_FLAGS[_run(cpu, _signalling, F32, a, b)]


def f32_ucomi(cpu, a: u64, b: u64) -> u64:
    """ZF PF CF of UCOMISS: only a signalling NaN is invalid."""
    return COMIS_FLAGS[_run(cpu, _quiet, F32, a, b)]


def f64_cmp(cpu, a: u64, b: u64, predicate: u64) -> u64:
    """64 ones when predicate 0 to 7 holds (EQ LT LE UNORD NEQ NLT NLE ORD; APM vol. 4, CMPSD), else 0."""
    return MASK64 if _holds(cpu, F64, a, b, predicate) else 0


def f32_cmp(cpu, a: u64, b: u64, predicate: u64) -> u64:
    """32 ones when predicate 0 to 7 holds, else 0."""
    return MASK32 if _holds(cpu, F32, a, b, predicate) else 0


def _signalling(f, a, b, c):
    return softfloat.compare(f, a, b, c, False)


def _quiet(f, a, b, c):
    return softfloat.compare(f, a, b, c, True)


def _holds(cpu, f, a, b, predicate):
    kind = predicate & 3
    relation = _run(cpu, _quiet if kind in (0, 3) else _signalling, f, a, b)
    holds = (relation == softfloat.EQUAL, relation == softfloat.LESS,
             relation in (softfloat.LESS, softfloat.EQUAL), relation == softfloat.UNORDERED)[kind]
    return holds != bool(predicate & 4)


# Conversions. Integers are two's complement patterns of 32 or 64 bits.

def f64_from_i32(cpu, a: u64) -> u64:
    """A 32-bit integer as a double; exact."""
    return _run(cpu, softfloat.from_int, F64, signed(a, 32))


def f64_from_i64(cpu, a: u64) -> u64:
    """A 64-bit integer as a double."""
    return _run(cpu, softfloat.from_int, F64, signed(a, 64))


def f32_from_i32(cpu, a: u64) -> u64:
    """A 32-bit integer as a single."""
    return _run(cpu, softfloat.from_int, F32, signed(a, 32))


def f32_from_i64(cpu, a: u64) -> u64:
    """A 64-bit integer as a single."""
    return _run(cpu, softfloat.from_int, F32, signed(a, 64))


def f64_from_f32(cpu, a: u64) -> u64:
    """A single as a double."""
    return _run(cpu, softfloat.convert, F32, F64, a)


def f32_from_f64(cpu, a: u64) -> u64:
    """A double as a single."""
    return _run(cpu, softfloat.convert, F64, F32, a)


def _to_int(f, a, width, truncate, c):
    return softfloat.to_int(f, a, width, c, truncate)


def f64_to_i32(cpu, a: u64) -> u64:
    """A double rounded to 32 bits; 0x80000000 and IE when it does not fit."""
    return _run(cpu, _to_int, F64, a, 32, False)


def f64_to_i64(cpu, a: u64) -> u64:
    """A double rounded to 64 bits; 2**63 and IE when it does not fit."""
    return _run(cpu, _to_int, F64, a, 64, False)


def f64_to_i32_truncate(cpu, a: u64) -> u64:
    """A double truncated to 32 bits."""
    return _run(cpu, _to_int, F64, a, 32, True)


def f64_to_i64_truncate(cpu, a: u64) -> u64:
    """A double truncated to 64 bits."""
    return _run(cpu, _to_int, F64, a, 64, True)


def f32_to_i32(cpu, a: u64) -> u64:
    """A single rounded to 32 bits."""
    return _run(cpu, _to_int, F32, a, 32, False)


def f32_to_i64(cpu, a: u64) -> u64:
    """A single rounded to 64 bits."""
    return _run(cpu, _to_int, F32, a, 64, False)


def f32_to_i32_truncate(cpu, a: u64) -> u64:
    """A single truncated to 32 bits."""
    return _run(cpu, _to_int, F32, a, 32, True)


def f32_to_i64_truncate(cpu, a: u64) -> u64:
    """A single truncated to 64 bits."""
    return _run(cpu, _to_int, F32, a, 64, True)


# Packed arithmetic

def _lanes(cpu, f, operation, *vectors):
    """`operation` on each lane of one or two vectors."""
    r = V128()
    if f is F64:
        for i in range(2):
            r.u64[i] = _run(cpu, operation, f, *(v.u64[i] for v in vectors))
    else:
        for i in range(4):
            r.u32[i] = _run(cpu, operation, f, *(v.u32[i] for v in vectors))
    return r


def f64x2_add(cpu, a: V128, b: V128) -> V128:
    """a + b of two doubles."""
    return _lanes(cpu, F64, softfloat.add, a, b)


def f64x2_sub(cpu, a: V128, b: V128) -> V128:
    """a - b of two doubles."""
    return _lanes(cpu, F64, softfloat.sub, a, b)


def f64x2_mul(cpu, a: V128, b: V128) -> V128:
    """a * b of two doubles."""
    return _lanes(cpu, F64, softfloat.mul, a, b)


def f64x2_div(cpu, a: V128, b: V128) -> V128:
    """a / b of two doubles."""
    return _lanes(cpu, F64, softfloat.div, a, b)


def f64x2_min(cpu, a: V128, b: V128) -> V128:
    """a < b ? a : b of two doubles."""
    return _lanes(cpu, F64, softfloat.minimum, a, b)


def f64x2_max(cpu, a: V128, b: V128) -> V128:
    """a > b ? a : b of two doubles."""
    return _lanes(cpu, F64, softfloat.maximum, a, b)


def f64x2_sqrt(cpu, a: V128) -> V128:
    """Square roots of two doubles."""
    return _lanes(cpu, F64, softfloat.sqrt, a)


def f32x4_add(cpu, a: V128, b: V128) -> V128:
    """a + b of four singles."""
    return _lanes(cpu, F32, softfloat.add, a, b)


def f32x4_sub(cpu, a: V128, b: V128) -> V128:
    """a - b of four singles."""
    return _lanes(cpu, F32, softfloat.sub, a, b)


def f32x4_mul(cpu, a: V128, b: V128) -> V128:
    """a * b of four singles."""
    return _lanes(cpu, F32, softfloat.mul, a, b)


def f32x4_div(cpu, a: V128, b: V128) -> V128:
    """a / b of four singles."""
    return _lanes(cpu, F32, softfloat.div, a, b)


def f32x4_min(cpu, a: V128, b: V128) -> V128:
    """a < b ? a : b of four singles."""
    return _lanes(cpu, F32, softfloat.minimum, a, b)


def f32x4_max(cpu, a: V128, b: V128) -> V128:
    """a > b ? a : b of four singles."""
    return _lanes(cpu, F32, softfloat.maximum, a, b)


def f32x4_sqrt(cpu, a: V128) -> V128:
    """Square roots of four singles."""
    return _lanes(cpu, F32, softfloat.sqrt, a)
