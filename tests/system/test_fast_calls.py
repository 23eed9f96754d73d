"""SYSCALL, SYSRET, SYSENTER, SYSEXIT, SWAPGS and the bases of FS and GS (APM vol. 2, 6.1; vol. 3, chapter 4)."""

import pytest

from tests.flat import CODE, CODE_SELECTOR
from tests.system.machine import GP, UD, SystemMachine, code32

ENTRY = 0x20000


@pytest.fixture(params=[0, 3], ids=["ring0", "ring3"])
def m(engine_class, request):
    return ready(SystemMachine(engine_class, cpl=request.param))


@pytest.fixture
def user(engine_class):
    return ready(SystemMachine(engine_class, cpl=3))


@pytest.fixture
def kernel(engine_class):
    return ready(SystemMachine(engine_class))


def ready(m):
    m.engine.set("star", 0x0010_0008 << 32 | 0x12345678)
    m.engine.set("lstar", ENTRY), m.engine.set("cstar", ENTRY + 0x100), m.engine.set("sfmask", 0x47700)
    m.memory.write(ENTRY, b"\x90" * 0x200)
    return m


def test_syscall(m):
    m.asm("syscall", limit=1, rflags=0x244AD7, rcx=1, r11=1)
    assert (m["rip"], m["rcx"], m["r11"]) == (ENTRY, CODE + 2, 0x244AD7)
    assert m.engine.get("rflags") == 0x244AD7 & ~0x47700
    assert (m.segment(1), m.segment(2), m.engine.get("cpl")) == (0x08, 0x10, 0)
    assert m.engine.get("seg_attr", 1) == 0xA9B and m.engine.get("seg_attr", 2) == 0xC93
    assert m["rsp"] == 0x180000


def test_syscall_from_compatibility_mode_goes_to_cstar(user):
    user.engine.set("seg_attr", 0xCFB, 1)
    user.run("0f 05", limit=1)
    assert user["rip"] == ENTRY + 0x100 and user.engine.get("code_size") == 64


def test_sysretq(kernel):
    kernel.run("48 0f 07", limit=1, rcx=ENTRY, r11=0x3C7FD7 & ~0x100)
    assert (kernel["rip"], kernel.segment(1), kernel.segment(2)) == (ENTRY, 0x23, 0x1B)
    assert kernel.engine.get("cpl") == 3 and kernel.engine.get("code_size") == 64
    assert kernel.engine.get("rflags") == 0x3C7FD7 & ~0x100 & ~0x10000


def test_sysretl_returns_to_compatibility_mode(kernel):
    kernel.run("0f 07", limit=1, rcx=0x1_0000_0000 | ENTRY, r11=2)
    assert (kernel["rip"], kernel.segment(1), kernel.engine.get("code_size")) == (ENTRY, 0x13, 32)


def test_sysret_to_an_address_that_is_not_canonical_faults_in_ring_3(kernel):
    kernel.run("48 0f 07", limit=2, rcx=1 << 47, r11=2)
    kernel.step(0)
    assert kernel.faulted() == (GP, 0) and kernel.fault.rip == 1 << 47
    assert kernel.words(3)[2] == 0x23


def test_both_are_ud_without_sce(m):
    m.engine.set("efer", 0x500)
    for code in ("0f 05", "48 0f 07"):
        m.run(code)
        assert m.faulted() == (UD, 0)
        m.reset()


def test_sysret_is_gp_at_ring_3(user):
    user.run("48 0f 07")
    assert user.faulted() == (GP, 0)


def test_a_round_trip_through_the_kernel(user):
    user.place("swapgs; mov gs:[rax + 8], rsp; mov rsp, gs:[rax]; push rcx; pop rcx; mov rsp, gs:[rax + 8]; swapgs; .byte 0x48, 0x0f, 0x07", ENTRY)
    user.memory.write(0x110000, (0x170000).to_bytes(8, "little"))
    user.engine.set("kernel_gs_base", 0x110000), user.engine.set("seg_base", 0x7000, 5)
    user.asm("syscall; nop", rax=0)
    assert user.engine.get("cpl") == 3 and user["rsp"] == 0x180000
    assert user.engine.get("seg_base", 5) == 0x7000


def test_sysenter_and_sysexit_are_ud_in_long_mode(m):
    m.engine.set("sysenter_cs", 8)
    for code in ("0f 34", "0f 35"):
        m.run(code)
        assert m.faulted() == (UD, 0)
        m.reset()


@pytest.fixture
def protected(engine_class):
    m = SystemMachine(engine_class, bits=32, cpl=3)
    for name, value in (("sysenter_cs", CODE_SELECTOR), ("sysenter_esp", 0x171000), ("sysenter_eip", ENTRY)):
        m.engine.set(name, value)
    m.memory.write(ENTRY, bytes.fromhex("0f 35"))
    return m


def test_sysenter_and_sysexit_in_protected_mode(protected):
    m = protected
    m.asm("sysenter", limit=1, rflags=0x202)
    assert (m["rip"], m["rsp"], m.segment(1), m.segment(2), m.engine.get("cpl")) == (ENTRY, 0x171000, 0x08, 0x10, 0)
    assert m.engine.get("rflags") == 2
    m.engine.set("gpr", 0x161000, 1), m.engine.set("gpr", CODE, 2)
    m.engine.run(1)
    assert (m["rip"], m["rsp"], m.segment(1), m.segment(2), m.engine.get("cpl")) == (CODE, 0x161000, 0x1B, 0x23, 3)


def test_sysenter_without_a_code_segment_is_gp(protected):
    protected.engine.set("sysenter_cs", 3)
    protected.asm("sysenter", limit=1)
    assert protected.faulted() == (GP, 0)


def test_sysexit_at_ring_3_is_gp(protected):
    protected.asm("sysexit", limit=1)
    assert protected.faulted() == (GP, 0)


# Bases

def test_swapgs_only_in_64_bit_code(kernel):
    kernel.engine.set("seg_base", 0x1000, 5), kernel.engine.set("kernel_gs_base", 0x2000)
    kernel.asm("swapgs")
    assert kernel.engine.get("seg_base", 5) == 0x2000 and kernel.engine.get("kernel_gs_base") == 0x1000
    kernel.descriptor(0x40, code32())
    kernel.memory.write(ENTRY, bytes.fromhex("0f 01 f8"))
    kernel.asm(".byte 0xff, 0x2b", limit=2, rbx=kernel.far_pointer(0x40, ENTRY))
    assert kernel.faulted() == (UD, 0)


def test_fsgsbase_instructions(user):
    for code in ("f3 48 0f ae c0", "f3 48 0f ae c8", "f3 48 0f ae d0", "f3 48 0f ae d8"):
        user.run(code)
        assert user.faulted() == (UD, 0)
        user.reset()
    user.engine.set("cr4", user.engine.get("cr4") | 1 << 16)
    user.run("f3 48 0f ae d0  f3 48 0f ae db  f3 0f ae d9", rax=0x00007F0012345678, rbx=0xFFFF800000000000,
             rcx=0xFFFFFFFF89ABCDEF)
    assert user.engine.get("seg_base", 4) == 0x00007F0012345678 and user.engine.get("seg_base", 5) == 0x89ABCDEF
    user.run("f3 48 0f ae c2  f3 0f ae ce", rsi=2 ** 64 - 1)
    assert user["rdx"] == 0x00007F0012345678 and user["rsi"] == 0x89ABCDEF
    user.run("f3 48 0f ae d0", rax=1 << 47)
    assert user.faulted() == (GP, 0)


def test_the_base_is_added_in_64_bit_code_for_fs_and_gs_alone(kernel):
    for n in (0, 3, 4, 5):
        kernel.engine.set("seg_base", 0x1000, n)
    kernel.memory.write(0x100000, b"\x01"), kernel.memory.write(0x101000, b"\x02")
    kernel.asm("mov al, [rsi]; mov ah, fs:[rsi]", rax=0, rsi=0x100000)
    assert kernel["rax"] == 0x0201


def test_an_fs_address_that_wraps_is_not_canonical_or_is(kernel):
    kernel.engine.set("seg_base", 0x100000, 4)
    kernel.memory.write(0x0FFFF0, b"\x77")
    kernel.asm("mov al, fs:[rsi]", rax=0, rsi=0xFFFFFFFFFFFFFFF0)
    assert kernel["rax"] == 0x77
    kernel.asm("mov al, fs:[rsi]", rsi=0x7FFFFFFFFFFF)
    assert kernel.faulted() == (GP, 0)


