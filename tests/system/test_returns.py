"""IRET and far RET in long mode: levels, stacks, flags, what becomes of data segments (APM vol. 3, IRETx, RET (Far))."""

import struct

import pytest

from tests.flat import CODE, CODE_SELECTOR, DATA_SELECTOR, USER_CODE, USER_DATA
from tests.system.machine import CONFORMING, GP, NP, PF, SS, SystemMachine, code32, code64, data, segment

TARGET, USER_STACK = 0x20000, 0x160000


@pytest.fixture
def m(engine_class):
    machine = SystemMachine(engine_class)
    machine.memory.write(TARGET, b"\x90" * 16)
    return machine


def frame(m, cs=USER_CODE, ss=USER_DATA, rip=TARGET, rsp=USER_STACK, flags=2, at=0x170000):
    """An IRETQ frame, and the stack pointer at it."""
    m.memory.write(at, struct.pack("<5Q", rip, cs, flags, rsp, ss))
    m.set_stack(at)


def test_iretq_to_ring_3(m):
    frame(m)
    m.asm("iretq", limit=1)
    assert m.faulted() is None
    assert (m["rip"], m["rsp"], m.segment(1), m.segment(2)) == (TARGET, USER_STACK, USER_CODE, USER_DATA)
    assert m.engine.get("cpl") == 3 and m.engine.get("code_size") == 64


def test_iretq_at_the_same_level_pops_the_stack_too(m):
    frame(m, CODE_SELECTOR, DATA_SELECTOR, rsp=0x155555)
    m.asm("iretq", limit=1)
    assert (m["rip"], m["rsp"], m.segment(2)) == (TARGET, 0x155555, DATA_SELECTOR)


def test_iretd_in_64_bit_mode_pops_words_of_4_bytes(m):
    m.memory.write(0x170000, struct.pack("<5I", TARGET, USER_CODE, 2, USER_STACK, USER_DATA))
    m.set_stack(0x170000)
    m.run("cf", limit=1)
    assert (m["rip"], m["rsp"], m.segment(1)) == (TARGET, USER_STACK, USER_CODE)


def test_return_to_compatibility_mode(m):
    m.descriptor(0x40, code32(3))
    frame(m, cs=0x43)
    m.memory.write(TARGET, bytes.fromhex("48 40"))          # dec eax, inc eax: REX in 64-bit code
    m.asm("iretq", limit=3, rax=0x1_0000_0000)
    assert m.engine.get("code_size") == 32 and m.engine.get("stack_size") == 32
    assert m["rip"] == TARGET + 2 and m["rax"] == 0


def test_inner_data_segments_become_null_on_the_way_out(m):
    m.descriptor(0x40, segment(CONFORMING))
    m.asm("mov es, bx; mov fs, bx; mov gs, cx", rbx=0x40, rcx=USER_DATA)
    frame(m)
    m.asm("iretq", limit=1)
    assert [m.segment(n) for n in (0, 3, 4, 5)] == [0x40, 0, 0x40, USER_DATA]


def test_null_gs_keeps_its_base_on_the_way_out(m):
    m.asm("mov gs, ax", rax=0)
    m.engine.set("seg_base", 0x12345000, 5)
    frame(m)
    m.asm("iretq", limit=1)
    assert m.engine.get("seg_base", 5) == 0x12345000


@pytest.mark.parametrize("cpl, iopl, image, expected", [
    (0, 0, 0x0027FFD7, 0x00257FD7),         # all that IRET may set at ring 0, RF too; VIF and VIP are not in the image
    (3, 0, 0x00247FD7, 0x00244DD7),         # ring 3: neither IOPL nor IF
    (3, 3, 0x00244FD7, 0x00247FD7)])        # IOPL 3: IF, but IOPL stays
def test_flags_by_privilege(engine_class, cpl, iopl, image, expected):
    m = SystemMachine(engine_class, cpl=cpl)
    frame(m, USER_CODE if cpl else CODE_SELECTOR, USER_DATA if cpl else DATA_SELECTOR, flags=image & ~0x100)
    m.asm("iretq", limit=1, rflags=2 | iopl << 12)
    assert m.engine.get("rflags") == expected & ~0x100


def test_nested_task_in_long_mode_is_gp(m):
    frame(m)
    m.asm("iretq", rflags=0x4002)
    assert m.faulted() == (GP, 0)


@pytest.mark.parametrize("change, fault", [
    (dict(cs=0), (GP, 0)), (dict(cs=0x203), (GP, 0x200)), (dict(cs=USER_DATA), (GP, 0x20)),
    (dict(cs=CODE_SELECTOR | 3), (GP, CODE_SELECTOR)),              # DPL below RPL
    (dict(rip=0x800000000000), (GP, 0)),
    (dict(ss=0), (GP, 0)), (dict(ss=3), (GP, 0)),                   # null at ring 3
    (dict(ss=0x203), (GP, 0x200)), (dict(ss=USER_DATA & ~3), (GP, 0x20)), (dict(ss=DATA_SELECTOR | 3), (GP, DATA_SELECTOR)),
    (dict(ss=USER_CODE), (GP, 0x18)),
    (dict(cs=CODE_SELECTOR, ss=0), None), (dict(cs=CODE_SELECTOR, ss=DATA_SELECTOR), None)])
def test_what_iret_checks(m, change, fault):
    frame(m, **change)
    m.asm("iretq", limit=1)
    m.fault = m.fault if m["rip"] != TARGET else None
    assert m.faulted() == fault
    if fault:
        assert m.fault.rip == CODE


def test_segments_not_present(m):
    m.descriptor(0x40, segment(0x1A, 2, dpl=3)), m.descriptor(0x48, data(3, 0x12))
    frame(m, cs=0x43)
    m.asm("iretq", limit=1)
    assert m.faulted() == (NP, 0x40)
    m.reset()
    frame(m, ss=0x4B)
    m.asm("iretq", limit=1)
    assert m.faulted() == (SS, 0x48)


def test_no_return_to_an_inner_level(engine_class):
    m = SystemMachine(engine_class, cpl=3)
    frame(m, CODE_SELECTOR, DATA_SELECTOR)
    m.asm("iretq", limit=1)
    assert m.faulted() == (GP, CODE_SELECTOR)


def test_null_ss_only_for_64_bit_code(m):
    m.descriptor(0x40, code32())
    frame(m, cs=0x40, ss=0)
    m.asm("iretq", limit=1)
    assert m.faulted() == (GP, 0)


def test_a_frame_that_is_not_mapped(m):
    frame(m, at=0x170FF0)
    m.page(0x171000, flags=0)
    m.asm("iretq", limit=1)
    assert m.faulted() == (PF, 0) and m.segment(1) == CODE_SELECTOR
    assert m.fault.rip == CODE and m.engine.get("cr2") == 0x171000


# Far RET

def test_retf_at_the_same_level(m):
    m.memory.write(0x170000, struct.pack("<2Q", TARGET, CODE_SELECTOR))
    m.set_stack(0x170000)
    m.run("48 cb", limit=1)
    assert (m["rip"], m["rsp"]) == (TARGET, 0x170010)


def test_retf_releases_parameters_of_both_stacks(m):
    m.memory.write(0x170000, struct.pack("<2Q", TARGET, USER_CODE) + bytes(24) + struct.pack("<2Q", USER_STACK, USER_DATA))
    m.set_stack(0x170000)
    m.run("48 ca 18 00", limit=1)
    assert (m["rip"], m["rsp"], m.engine.get("cpl"), m.segment(2)) == (TARGET, USER_STACK + 24, 3, USER_DATA)


def test_retf_to_compatibility_mode_with_32_bit_words(m):
    m.descriptor(0x40, code32())
    m.memory.write(0x170000, struct.pack("<2I", TARGET, 0x40))
    m.set_stack(0x170000)
    m.run("cb", limit=1)
    assert m["rip"] == TARGET and m.engine.get("code_size") == 32 and m["rsp"] == 0x170008


@pytest.mark.parametrize("low, selector, fault", [
    (code64(3, CONFORMING), 0x40, (GP, 0x40)),       # conforming, DPL above RPL
    (code64(0, CONFORMING), 0x43, None), (code64(), 0x43, (GP, 0x40)), (data(), 0x40, (GP, 0x40)),
    (segment(0x9A, 6), 0x40, (GP, 0x40))])
def test_what_retf_checks(m, low, selector, fault):
    m.descriptor(0x40, low)
    m.memory.write(0x170000, struct.pack("<4Q", TARGET, selector, USER_STACK, USER_DATA))
    m.set_stack(0x170000)
    m.run("48 cb", limit=1)
    assert m.faulted() == fault
    assert fault or m["rip"] == TARGET
