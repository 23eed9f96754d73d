"""Every SSE, SSE2 and MMX encoding against Unicorn, for hosts that cannot be the oracle themselves.

Results only, at MXCSR's default. Left out, because QEMU's answers are known to differ from processors': which NaN of
several comes out (operands are kept free of NaNs), RCP and RSQRT, and the x87 state that MMX instructions leave.
"""

from __future__ import annotations

import random
import struct
import zlib

import pytest
import unicorn
from unicorn import x86_const as x

from tests.flat import CODE, DATA, FlatMachine
from tests.isa.sse_cases import DOUBLES, RSI, SINGLES, forms, small_count, uses_mmx

CASES = 10
RDI, MM_VALUES, LOAD, STORE = 7, DATA + 0x800, 0x6F, 0x7F
MASK64 = (1 << 64) - 1
STATUS = 0x8D5
FORMS = [f for f in forms() if not f.encoding.instruction.mnemonic.startswith(("RCP", "RSQRT", "STMXCSR", "EMMS"))]
GPRS = [getattr(x, f"UC_X86_REG_{name}") for name in (
    "RAX RCX RDX RBX RSP RBP RSI RDI R8 R9 R10 R11 R12 R13 R14 R15").split()]


@pytest.fixture(scope="module")
def oracle():
    uc = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
    uc.mem_map(CODE, 0x1000)
    uc.mem_map(DATA, 0x1000)
    uc.reg_write(x.UC_X86_REG_CR4, uc.reg_read(x.UC_X86_REG_CR4) | 0x600)
    return uc


_machines = {}


@pytest.fixture
def machine(engine_class):
    if engine_class not in _machines:
        _machines[engine_class] = FlatMachine(engine_class)
    _machines[engine_class].reset()
    return _machines[engine_class]


def _mmx_moves(opcode):
    """MOVQ of MM0 to MM7 from or to [RDI]: Unicorn's own access to these registers does not work."""
    return b"".join(bytes((0x0F, opcode, 0x47 | n << 3, 8 * n)) for n in range(8))


def is_nan(value, width):
    top = 0x7FF << 52 if width == 64 else 0xFF << 23
    return value & top == top and value & ((top & -top) - 1) != 0


def operand(source, floats):
    """128 bits; with `floats` no lane of 32 or 64 bits is a NaN."""
    while True:
        kind = source.randrange(4)
        if kind == 0:
            value = source.getrandbits(128)
        elif kind == 1:
            value = source.choice(DOUBLES) << 64 | source.choice(DOUBLES)
        elif kind == 2:
            value = int.from_bytes(struct.pack("<4I", *(source.choice(SINGLES) for _ in range(4))), "little")
        else:
            value = int.from_bytes(struct.pack("<4I", *(0x3F000000 + source.getrandbits(25) for _ in range(4))), "little")
        lanes = [(value >> 32 * i & 0xFFFFFFFF, 32) for i in range(4)] + [(value >> 64 * i & MASK64, 64) for i in range(2)]
        if not floats or not any(is_nan(v, w) for v, w in lanes):
            return value


@pytest.mark.parametrize("form", FORMS, ids=lambda f: f.name)
def test_equals_unicorn(machine, oracle, form):
    source = random.Random(zlib.crc32(form.name.encode()) ^ 2)
    floats = form.encoding.instruction.family in ("sse_float", "sse_convert")
    shift = form.encoding.instruction.mnemonic.startswith(("PSLL", "PSRL", "PSRA"))
    put, get = machine.engine.set, machine.engine.get
    for _ in range(CASES):
        gpr = [source.getrandbits(64) for _ in range(16)]
        gpr[RSI], gpr[RDI] = DATA, MM_VALUES
        xmm = [operand(source, floats) for _ in range(16)]
        mm = [operand(source, floats) & MASK64 for _ in range(8)]
        first = operand(source, floats)
        if shift:
            xmm[2] = xmm[10] = mm[2] = small_count(source)
            first = small_count(source)
        data = first.to_bytes(16, "little") + source.randbytes(16)
        high = 0 if uses_mmx(form.encoding) else source.choice((0, 8))
        code = form.code(1 + high, source.choice((2, 1)) + high, source.getrandbits(8) & (7 if floats else 0xFF))

        oracle.mem_write(DATA, data)
        oracle.reg_write(x.UC_X86_REG_MXCSR, 0x1F80)
        oracle.reg_write(x.UC_X86_REG_EFLAGS, 2)
        machine.memory.write(DATA, data)
        put("mxcsr", 0x1F80)
        put("rflags", 2)
        for n in range(16):
            oracle.reg_write(GPRS[n], gpr[n])
            oracle.reg_write(x.UC_X86_REG_XMM0 + n, xmm[n])
            put("gpr", gpr[n], n)
            put("xmm", xmm[n], n)
        for n in range(8):
            put("fpr_mantissa", mm[n], n)
        before, after = (_mmx_moves(o) if uses_mmx(form.encoding) else b"" for o in (LOAD, STORE))
        oracle.mem_write(MM_VALUES, struct.pack("<8Q", *mm))
        oracle.mem_write(CODE, before + code + after)
        oracle.emu_start(CODE, CODE + len(before + code + after))
        machine.run(code, limit=1)
        assert machine.fault is None, f"{code.hex()} faulted: {machine.fault}"

        context = f"{code.hex()} {xmm[1]:#x} {xmm[2]:#x} {xmm[9]:#x} {xmm[10]:#x} memory {data[:16].hex()}"
        for n in range(16):
            assert hex(get("gpr", n)) == hex(oracle.reg_read(GPRS[n])), f"GPR {n}: {context}"
            assert hex(get("xmm", n)) == hex(oracle.reg_read(x.UC_X86_REG_XMM0 + n)), f"XMM {n}: {context}"
        moved = struct.unpack("<8Q", oracle.mem_read(MM_VALUES, 64))
        assert [hex(get("fpr_mantissa", n)) for n in range(8)] == [hex(v) for v in moved], f"MM: {context}"
        assert get("rflags") & STATUS == oracle.reg_read(x.UC_X86_REG_EFLAGS) & STATUS, context
        assert machine.memory.read(DATA, 32) == bytes(oracle.mem_read(DATA, 32)), context
