"""MSRs, CPUID, the time-stamp counter, RDRAND (APM vol. 2, appendix A; vol. 3, appendix E)."""

import pytest

from tests.system.machine import GP, UD, SystemMachine
from tests.system.test_interruptibility import Controller

CANONICAL, NOT_CANONICAL = 0xFFFF812345678000, 0x0000812345678000


@pytest.fixture
def m(engine_class):
    return SystemMachine(engine_class)


def wrmsr(m, index, value):
    m.asm("wrmsr", rcx=index, rax=value & 0xFFFFFFFF | 0xABCD << 32, rdx=value >> 32 | 0xABCD << 32)
    return m.faulted()


def rdmsr(m, index):
    m.asm("rdmsr", rcx=index, rax=2 ** 64 - 1, rdx=2 ** 64 - 1)
    return m.faulted() or m["rdx"] << 32 | m["rax"]


@pytest.mark.parametrize("index, value", [
    (0xC0000081, 0x123456789ABCDEF0), (0xC0000082, CANONICAL), (0xC0000083, CANONICAL), (0xC0000084, 0x47700),
    (0xC0000100, CANONICAL), (0xC0000101, CANONICAL), (0xC0000102, CANONICAL), (0xC0000103, 0x89ABCDEF),
    (0x174, 0x10), (0x175, CANONICAL), (0x176, CANONICAL), (0x277, 0x0001040506070600), (0x2FF, 0xC06),
    (0x200, 0xFF00000006), (0x201, 0xFF00000800), (0x20F, 0xFFFFFFF800), (0x250, 0x0606060606060606),
    (0x259, 0x0504010006060606), (0x26F, 0x0505050505050505), (0x17A, 4), (0x1A0, 1), (0xC0010015, 0x40)])
def test_registers_that_hold_what_is_written(m, index, value):
    assert wrmsr(m, index, value) is None
    assert rdmsr(m, index) == value


@pytest.mark.parametrize("index, value", [
    *((index, NOT_CANONICAL) for index in (0xC0000082, 0xC0000083, 0xC0000100, 0xC0000101, 0xC0000102, 0x175, 0x176)),
    (0xC0000103, 1 << 32), (0x277, 2), (0x277, 0x0800000000000000), (0x2FF, 2), (0x2FF, 0x1000), (0x200, 1 << 40),
    (0x200, 0x10), (0x200, 2), (0x201, 0x400), (0x250, 0x02), (0xFE, 0x508), (0x179, 0), (0x12345, 0), (0xC0000104, 0)])
def test_values_and_registers_that_are_gp(m, index, value):
    assert wrmsr(m, index, value) == (GP, 0)


@pytest.mark.parametrize("index", [0x12345, 0x210, 0xC0000104, 0xC0010118, 0xFFFFFFFF])
def test_unknown_registers_are_gp(m, index):
    assert rdmsr(m, index) == (GP, 0)


def test_fs_and_gs_bases_are_the_segments(m):
    wrmsr(m, 0xC0000100, 0x100000)
    m.memory.write(0x100008, b"\x5A")
    m.asm("mov al, fs:[rbx]", rax=0, rbx=8)
    assert m["rax"] == 0x5A


def test_the_interrupt_controllers_registers_are_asked_of_it(m):
    assert rdmsr(m, 0x1B) == (GP, 0)
    m.reset()
    m.bus.controller = Controller()
    assert rdmsr(m, 0x1B) == 0xFEE00900
    assert wrmsr(m, 0x6E0, 5) is None
    assert wrmsr(m, 0x1B, 5) == (GP, 0)


# Time

def test_tsc_counts_retired_instructions_and_can_be_set(m):
    m.asm("rdtsc; mov esi, eax; rdtsc; sub eax, esi")
    assert m["rax"] == 2 and m["rdx"] == 0
    assert wrmsr(m, 0x10, 0x12_3456_7890) is None
    m.asm("rdtsc")
    assert m["rdx"] << 32 | m["rax"] == 0x12_3456_7890 + 1
    assert rdmsr(m, 0x10) == 0x12_3456_7890 + 2
    m.engine.tsc_skip(1000)
    assert rdmsr(m, 0x10) == 0x12_3456_7890 + 1003


def test_rdtscp_gives_tsc_aux(m):
    wrmsr(m, 0xC0000103, 77)
    m.asm("rdtscp; mov esi, eax; rdtscp; sub eax, esi")
    assert m["rcx"] == 77 and m["rax"] == 2


def test_tsd_keeps_the_counter_from_ring_3(engine_class):
    m = SystemMachine(engine_class, cpl=3)
    for text in ("rdtsc", "rdtscp"):
        m.asm(text)
        assert m.faulted() is None
    m.engine.set("cr4", m.engine.get("cr4") | 4)
    for text in ("rdtsc", "rdtscp"):
        m.asm(text)
        assert m.faulted() == (GP, 0)
        m.reset()


def test_there_are_no_performance_counters(m):
    m.asm("rdpmc")
    assert m.faulted() == (GP, 0)


def test_rdrand_sets_carry_and_follows_its_seed(m):
    m.run("0f c7 f0  48 0f c7 f1  66 0f c7 f2", rdx=0, rflags=0x8D6)
    first = m["rax"], m["rcx"], m["rdx"]
    assert m.engine.get("rflags") == 3 and len(set(first)) == 3
    assert first[0] < 1 << 32 and first[1] >= 1 << 32 and first[2] < 1 << 16
    again = SystemMachine(type(m.engine))
    again.run("0f c7 f0  48 0f c7 f1  66 0f c7 f2", rdx=0)
    assert (again["rax"], again["rcx"], again["rdx"]) == first


# CPUID

def cpuid(m, leaf, subleaf=0):
    m.asm("cpuid", rax=leaf | 0xABCD << 32, rcx=subleaf | 0xABCD << 32)
    return tuple(m[r] for r in ("rax", "rbx", "rcx", "rdx"))


def text(*registers):
    return b"".join(r.to_bytes(4, "little") for r in registers)


def test_vendor_and_brand(m):
    highest, b, c, d = cpuid(m, 0)
    assert highest >= 0x0B and text(b, d, c) == b"AuthenticAMD"
    assert cpuid(m, 0x80000000)[0] == 0x8000000A
    brand = b"".join(text(*cpuid(m, leaf)) for leaf in (0x80000002, 0x80000003, 0x80000004))
    assert brand.rstrip(b"\0").startswith(b"Ringzero")


def test_no_hypervisor_and_no_avx(m):
    _, _, c, _ = cpuid(m, 1)
    assert not c >> 31 & 1 and not c >> 28 & 1


def test_address_sizes(m):
    assert cpuid(m, 0x80000008)[0] & 0xFFFF == 0x3028


def test_unknown_leaves_are_zero(m):
    for leaf in (2, 4, 0x20, 0x40000000, 0x80000009, 0xC0000000):
        assert cpuid(m, leaf) == (0, 0, 0, 0)
    assert cpuid(m, 7, 1) == (0, 0, 0, 0)


def test_xsave_and_its_register(m):
    features = cpuid(m, 1)[2]
    assert features >> 26 & 3 == 1 and cpuid(m, 0x0D) == (3, 576, 576, 0) and cpuid(m, 0x0D, 1) == (0, 0, 0, 0)
    for code in ("0f 01 d0", "0f 01 d1"):
        m.run(code, rcx=0, rax=3, rdx=0)
        assert m.faulted() == (UD, 0)
        m.reset()
    m.asm("mov rax, cr4; bts rax, 18; mov cr4, rax")
    assert cpuid(m, 1)[2] >> 26 & 3 == 3
    m.run("0f 01 d0", rcx=0)                                     # xgetbv
    assert (m["rax"], m["rdx"]) == (1, 0)
    m.run("0f 01 d1  0f 01 d0", rcx=0, rax=3, rdx=0)             # xsetbv
    assert m["rax"] == 3
    m.run("0f 01 d0", rcx=1)
    assert m.faulted() == (GP, 0)
    m.reset()
    for rcx, rax, rdx in ((1, 3, 0), (0, 2, 0), (0, 7, 0), (0, 3, 1)):
        m.run("0f 01 d1", rcx=rcx, rax=rax, rdx=rdx)
        assert m.faulted() == (GP, 0)
        m.reset()


def test_the_apic_bit_follows_its_enable_bit(m):
    assert not cpuid(m, 1)[3] >> 9 & 1
    m.bus.controller = Controller()
    assert cpuid(m, 1)[3] >> 9 & 1


@pytest.mark.parametrize("leaf, register, bit, code", [
    (1, 2, 13, "48 0f c7 0e"), (1, 2, 22, "0f 38 f0 06"), (1, 2, 23, "f3 0f b8 c0"), (1, 2, 30, "0f c7 f0"),
    (1, 3, 4, "0f 31"), (1, 3, 8, "0f c7 0e"), (1, 3, 15, "0f 44 c0"), (1, 3, 19, "0f ae 3e"), (1, 3, 23, "0f 77"),
    (1, 3, 24, "0f ae 06"), (1, 3, 25, "0f 57 c0"), (1, 3, 26, "66 0f ef c0"), (0x80000001, 2, 0, "9f"),
    (0x80000001, 3, 27, "0f 01 f9"), (0x80000001, 2, 8, "0f 0d 0e"), (7, 1, 20, "0f 01 ca")])
def test_instructions_a_feature_bit_promises_exist(m, leaf, register, bit, code):
    assert cpuid(m, leaf)[register] >> bit & 1
    m.run(code, rsi=0x100000)
    assert m.faulted() is None


@pytest.mark.parametrize("leaf, register, bit, code", [
    (1, 2, 0, "f2 0f d0 c0"), (1, 2, 9, "0f 38 00 c0"), (1, 2, 3, "0f 01 c8"), (7, 1, 18, "0f c7 f8"),
    (0x80000001, 2, 12, "0f 01 de"), (1, 2, 1, "66 0f 3a 44 c0 00")])
def test_instructions_without_their_feature_bit_are_undefined(m, leaf, register, bit, code):
    assert not cpuid(m, leaf)[register] >> bit & 1
    m.run(code, rsi=0x100000)
    assert m.faulted() == (UD, 0)


def test_cpuid_has_no_privilege(engine_class):
    m = SystemMachine(engine_class, cpl=3)
    assert cpuid(m, 0)[1] == int.from_bytes(b"Auth", "little")
