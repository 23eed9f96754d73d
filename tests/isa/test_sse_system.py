"""SSE and MMX where they touch the system: when they may run, alignment, faults with nothing done, MXCSR, masked stores,
and the reciprocal approximations, which every maker does in its own way."""

from __future__ import annotations

import random
import struct
from fractions import Fraction

import pytest

from emu.cpu.softfloat import F32, FINITE, unpack
from tests.flat import DATA, FlatMachine
from tests.isa.sse_cases import SINGLES

UD, NM, GP, PF, MF, XM = 6, 7, 13, 14, 16, 19
RSI, RDI = 6, 7
CR4, CR0 = 0x620, 0x80000033
ADDSD, PADDB_MMX, MOVNTI = "f2 0f 58 c1", "0f fc c1", "0f c3 06"


@pytest.fixture
def m(engine_class):
    return FlatMachine(engine_class)


def xmm(m, n):
    return m.engine.get("xmm", n)


def put_xmm(m, n, low, high=0):
    m.engine.set("xmm", high << 64 | low, n)


@pytest.mark.parametrize("cr0, cr4, code, vector", [
    (0, 0, ADDSD, None), (0, 0, PADDB_MMX, None), (0, 0, MOVNTI, None),
    (4, 0, ADDSD, UD), (4, 0, PADDB_MMX, UD), (4, 0, MOVNTI, None),
    (8, 0, ADDSD, NM), (8, 0, PADDB_MMX, NM), (12, 0, ADDSD, UD), (12, 0, PADDB_MMX, UD),
    (0, 0x200, ADDSD, UD), (8, 0x200, ADDSD, UD), (0, 0x200, PADDB_MMX, None),
    (4, 0, "66 0f d7 c1", UD), (8, 0, "f2 0f d6 c1", NM), (8, 0, "0f ae 5e 00", NM), (8, 0, "f3 0f 2a c0", NM)])
def test_permission(m, cr0, cr4, code, vector):
    """CR0.EM and a missing CR4.OSFXSR (bit 9, cleared here) give #UD, CR0.TS #NM; MMX does not need OSFXSR."""
    m.engine.set("cr0", CR0 | cr0)
    m.engine.set("cr4", CR4 & ~cr4)
    m.run(code, limit=1, rsi=DATA)
    assert (m.fault.vector if m.fault else None) == vector


@pytest.mark.parametrize("code", [PADDB_MMX, "0f 77", "f2 0f d6 c1", "f3 0f d6 c1", "0f 2a c1", "66 0f 2d c1"])
def test_mmx_waits_for_x87_exceptions(m, code):
    """A pending unmasked x87 exception comes first, as #MF; CVTPI2PS from memory does not look."""
    m.engine.set("fsw", 0x8081)
    m.engine.set("fcw", 0x37E)
    m.run(code, limit=1, rsi=DATA)
    assert m.fault.vector == MF
    m.reset()
    m.run("0f 2a 06", limit=1, rsi=DATA)
    assert m.fault is None


@pytest.mark.parametrize("code", ["0f 28 06", "0f 29 06", "66 0f 6f 06", "66 0f 7f 06", "66 0f 58 06", "66 0f fe 06",
                                  "66 0f e7 06", "0f 2b 06", "66 0f d2 06", "0f c6 06 00", "66 0f 2d 06"])
def test_alignment(m, code):
    """128-bit operands in memory are aligned or #GP(0), before anything changes."""
    put_xmm(m, 0, 5, 6)
    m.run(code, limit=1, rsi=DATA + 8)
    assert (m.fault.vector, m.fault.error) == (GP, 0)
    assert xmm(m, 0) == 6 << 64 | 5
    m.reset()
    m.run(code, limit=1, rsi=DATA + 16)
    assert m.fault is None


@pytest.mark.parametrize("code", ["0f 10 06", "0f 11 06", "66 0f 10 06", "f3 0f 6f 06", "f3 0f 7f 06", "0f 16 06",
                                  "f2 0f 58 06", "f3 0f 7e 06", "0f 5a 06", "0f fe 06"])
def test_no_alignment_needed(m, code):
    m.run(code, limit=1, rsi=DATA + 3)
    assert m.fault is None


def test_a_store_across_a_missing_page_writes_nothing(engine_class):
    m = FlatMachine(engine_class, unmapped={(DATA >> 12) + 1})
    m.memory.write(DATA + 0xFF0, b"\x11" * 16)
    put_xmm(m, 0, 2, 3)
    m.run("0f 11 06", limit=1, rsi=DATA + 0xFF8)
    assert (m.fault.vector, m.engine.get("cr2")) == (PF, DATA + 0x1000)
    assert m.memory.read(DATA + 0xFF0, 16) == b"\x11" * 16


def test_a_store_across_pages(m):
    put_xmm(m, 0, 0x1122334455667788, 0x99AABBCCDDEEFF00)
    m.run("0f 11 06 0f 10 0e", rsi=DATA + 0xFF9)
    assert m.memory.read(DATA + 0xFF9, 16) == struct.pack("<QQ", 0x1122334455667788, 0x99AABBCCDDEEFF00)
    assert xmm(m, 1) == xmm(m, 0)


def test_a_fault_on_an_operand_raises_no_float_flags(engine_class):
    m = FlatMachine(engine_class, unmapped={DATA >> 12})
    put_xmm(m, 0, 1)
    m.run("f2 0f 58 06", limit=1, rsi=DATA)
    assert m.fault.vector == PF and m.engine.get("mxcsr") == 0x1F80


@pytest.mark.parametrize("osxmmexcpt, vector", [(0x400, XM), (0, UD)])
def test_unmasked_exception_vector(m, osxmmexcpt, vector):
    """0 / 0 with IE unmasked: #XM, or #UD when the operating system has not said that it handles #XM."""
    m.engine.set("cr4", CR4 & ~0x400 | osxmmexcpt)
    m.engine.set("mxcsr", 0x1F00)
    m.run("f2 0f 5e c1", limit=1)
    assert m.fault.vector == vector and xmm(m, 0) == 0 and m.engine.get("mxcsr") == 0x1F01


def test_sticky_flags_survive_and_clear(m):
    """Flags accumulate over instructions, show in STMXCSR, and LDMXCSR sets and clears them."""
    one, tenth = (struct.unpack("<Q", struct.pack("<d", x))[0] for x in (1.0, 0.1))
    put_xmm(m, 0, one), put_xmm(m, 1, tenth), put_xmm(m, 2, 0), put_xmm(m, 3, tenth)
    m.run("f2 0f 58 c1 f2 0f 5e da 0f ae 1e", rsi=DATA)
    assert struct.unpack("<I", m.memory.read(DATA, 4))[0] == 0x1FA4
    m.memory.write(DATA + 4, struct.pack("<I", 0x7F81))
    m.run("0f ae 56 04 0f ae 5e 08 f2 0f 58 c1", rsi=DATA)
    assert struct.unpack("<I", m.memory.read(DATA + 8, 4))[0] == 0x7F81
    assert m.engine.get("mxcsr") == 0x7FA1


@pytest.mark.parametrize("bit", range(16, 32))
def test_ldmxcsr_refuses_reserved_bits(m, bit):
    m.memory.write(DATA, struct.pack("<I", 0x1F80 | 1 << bit))
    m.run("0f ae 16", limit=1, rsi=DATA)
    assert (m.fault.vector, m.engine.get("mxcsr")) == (GP, 0x1F80)


@pytest.mark.parametrize("code, size", [("66 0f f7 c1", 16), ("0f f7 c1", 8)])
def test_masked_store(m, code, size):
    source = random.Random(3)
    for _ in range(20):
        data, chosen = source.randbytes(16), source.randbytes(16)
        before = source.randbytes(size + 2)
        m.memory.write(DATA, before)
        for n, value in ((0, data), (1, chosen)):
            low, high = struct.unpack("<QQ", value)
            put_xmm(m, n, low, high)
            m.engine.set("fpr_mantissa", low, n)
        m.run(code, limit=1, rdi=DATA + 1)
        assert m.fault is None
        wanted = bytearray(before)
        for i in range(size):
            if chosen[i] & 0x80:
                wanted[1 + i] = data[i]
        assert m.memory.read(DATA, size + 2) == bytes(wanted)


def test_masked_store_touches_selected_bytes_alone(engine_class):
    """Bytes that are not selected may be on a missing page; one that is stores nothing anywhere."""
    m = FlatMachine(engine_class, unmapped={(DATA >> 12) + 1})
    put_xmm(m, 0, 0x0807060504030201, 0)
    put_xmm(m, 1, 0x0000000080808080, 0)
    m.run("66 0f f7 c1", limit=1, rdi=DATA + 0xFFC)
    assert m.fault is None and m.memory.read(DATA + 0xFFC, 4) == b"\x01\x02\x03\x04"
    m.memory.write(DATA + 0xFFC, b"\0" * 4)
    m.reset()
    put_xmm(m, 1, 0x0000008080808080, 0)
    m.run("66 0f f7 c1", limit=1, rdi=DATA + 0xFFC)
    assert m.fault.vector == PF and m.memory.read(DATA + 0xFFC, 4) == b"\0" * 4


def test_masked_store_with_segment_and_address_size(m):
    m.engine.set("seg_base", DATA, 4)
    put_xmm(m, 0, 0x55), put_xmm(m, 1, 0x80)
    m.run("64 67 66 0f f7 c1", limit=1, rdi=0x5_0000_0007)
    assert m.fault is None and m.memory.read(DATA + 7, 1) == b"\x55"


def test_movnti(m):
    m.run("48 0f c3 06 0f c3 46 10", rsi=DATA, rax=0x1122334455667788)
    assert m.memory.read(DATA, 24) == struct.pack("<QQQ", 0x1122334455667788, 0, 0x55667788)


def approximation(m, code, a):
    """(result, MXCSR) of a one-operand instruction on the single `a`."""
    put_xmm(m, 1, a)
    m.engine.set("mxcsr", 0x1F80)
    m.run(code, limit=1)
    return xmm(m, 0) & 0xFFFFFFFF, m.engine.get("mxcsr")


def value(a):
    x = unpack(F32, a)
    assert x.kind == FINITE
    return Fraction(x.significand) * Fraction(2) ** x.exponent * (-1 if x.sign else 1)


@pytest.mark.parametrize("code, root", [("f3 0f 53 c1", False), ("f3 0f 52 c1", True)])
def test_reciprocals_are_accurate(m, code, root):
    """RCPSS and RSQRTSS to half a unit in the last place (the manual asks for 1.5 * 2**-12), raising no flags."""
    source = random.Random(4)
    for k in range(400):
        a = source.choice(SINGLES) if k % 8 == 0 else source.getrandbits(32)
        if root:
            a &= 0x7FFFFFFF
        if not 0x00800000 <= a & 0x7FFFFFFF < 0x7E800000:
            continue
        result, mxcsr = approximation(m, code, a)
        assert mxcsr == 0x1F80
        x, y = value(a), value(result)
        error = abs(y * y * x - 1) / 2 if root else abs(y * x - 1)
        assert error <= Fraction(101, 100) / (1 << 24), (hex(a), hex(result))


@pytest.mark.parametrize("code, a, wanted", [
    ("53", 0, 0x7F800000), ("53", 1 << 31, 0xFF800000), ("53", 5, 0x7F800000), ("53", 0x80000005, 0xFF800000),
    ("53", 0x7F800000, 0), ("53", 0xFF800000, 1 << 31), ("53", 0x7F800001, 0x7FC00001), ("53", 0x7F000000, 0),
    ("53", 0x3F800000, 0x3F800000), ("53", 0x00800000, 0x7E800000),
    ("52", 0, 0x7F800000), ("52", 1 << 31, 0xFF800000), ("52", 0x80000005, 0xFF800000), ("52", 0xBF800000, 0xFFC00000),
    ("52", 0xFF800000, 0xFFC00000), ("52", 0x7F800000, 0), ("52", 0xFF800001, 0xFFC00001), ("52", 0x40800000, 0x3F000000),
    ("52", 0x3F800000, 0x3F800000), ("52", 0x00800000, 0x5F000000)])
def test_reciprocals_of_special_values(m, code, a, wanted):
    assert approximation(m, f"f3 0f {code} c1", a) == (wanted, 0x1F80)
    put_xmm(m, 1, a << 32, a)
    m.run(f"0f {code} c1", limit=1)
    assert xmm(m, 0) >> 32 & 0xFFFFFFFF == wanted and xmm(m, 0) >> 64 & 0xFFFFFFFF == wanted


def test_python_devices_leave_no_float_flags(m):
    """Python called from guest code (here a port) computes with the host's modes, and adds no flags to the guest's."""
    found = []

    class Floats:
        ports, memory = [range(0x500, 0x501)], []

        def read_port(self, port, width):
            found.append((0.1 + 0.2, 1.0 / 3.0))
            return 7

    m.engine.set("mxcsr", 0x7F80)
    m.engine.bus.port_read = Floats().read_port
    m.run("ec", limit=1, rdx=0x500)
    assert found == [(0.30000000000000004, 0.3333333333333333)]
    assert m["rax"] & 0xFF == 7 and m.engine.get("mxcsr") == 0x7F80
