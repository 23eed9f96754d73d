"""Far JMP and CALL in long mode: direct, between 64-bit and compatibility mode, through call gates (APM vol. 2, 4.11)."""

import pytest

from tests.flat import CODE, CODE_SELECTOR, DATA_SELECTOR, USER_CODE, USER_DATA
from tests.system.machine import (
    CODE_SEGMENT,
    CONFORMING,
    GP,
    KERNEL_STACK,
    NP,
    PF,
    UD,
    SystemMachine,
    call_gate,
    code32,
    code64,
    data,
    segment,
)

TARGET = 0x20000
JMP, CALL = ".byte 0xff, 0x2b", ".byte 0xff, 0x1b"        # through the far pointer at [rbx]


@pytest.fixture
def m(engine_class):
    machine = SystemMachine(engine_class)
    machine.memory.write(TARGET, b"\x90" * 16)
    return machine


@pytest.fixture
def user(engine_class):
    machine = SystemMachine(engine_class, cpl=3)
    machine.memory.write(TARGET, b"\x90" * 16)
    return machine


def far(m, text, selector, offset=TARGET):
    m.asm(text, limit=1, rbx=m.far_pointer(selector, offset))


def test_jump_to_another_code_segment(m):
    m.descriptor(0x40, code64())
    far(m, JMP, 0x40)
    assert m["rip"] == TARGET and m.segment(1) == 0x40 and m.read_descriptor(0x40) >> 40 & 1


def test_rex_w_takes_64_bits_of_offset(m):
    m.far_pointer(CODE_SELECTOR, TARGET, size=8)
    m.run("48 ff 2b", limit=1, rbx=0x100000)
    assert m["rip"] == TARGET
    m.far_pointer(CODE_SELECTOR, 0x800000000000, size=8)
    m.run("48 ff 2b", limit=1, rbx=0x100000)
    assert m.faulted() == (GP, 0)


def test_to_compatibility_mode_and_back(m):
    m.descriptor(0x40, code32())
    m.memory.write(TARGET, bytes.fromhex("b8 78 56 34 12 ea") + (CODE + 2).to_bytes(4, "little") + bytes((CODE_SELECTOR, 0)))
    m.asm(JMP + "; nop", limit=2, rbx=m.far_pointer(0x40, TARGET))
    assert m.engine.get("code_size") == 32 and m["rax"] == 0x12345678
    m.engine.run(1)
    assert m.engine.get("code_size") == 64 and m["rip"] == CODE + 2 and m.segment(1) == CODE_SELECTOR


def test_compatibility_mode_uses_segment_bases_and_limits(m):
    m.descriptor(0x40, code32())
    m.descriptor(0x48, segment(0x92, 4, base=0x100000, limit=7))
    m.memory.write(0x100004, b"\x44\x33\x22\x11")
    m.memory.write(TARGET, bytes.fromhex("8b 06 8b 46 01"))            # mov eax, [esi]; mov eax, [esi + 1]
    m.asm("mov ds, cx; " + JMP, limit=3, rbx=m.far_pointer(0x40, TARGET, at=0x110000), rcx=0x48, rsi=4)
    assert m["rax"] == 0x11223344
    m.step()
    assert m.faulted() == (GP, 0) and m.fault.rip == TARGET + 2


def test_compatibility_mode_target_must_be_within_the_limit(m):
    m.descriptor(0x40, segment(CODE_SEGMENT, 4, limit=TARGET - 1))
    far(m, JMP, 0x40)
    assert m.faulted() == (GP, 0) and m.segment(1) == CODE_SELECTOR


@pytest.mark.parametrize("low, selector, fault", [
    (None, 0, (GP, 0)), (None, 0x203, (GP, 0x200)), (data(), 0x40, (GP, 0x40)),
    (code64(3), 0x40, (GP, 0x40)),                   # DPL is not CPL
    (code64(3, CONFORMING), 0x40, (GP, 0x40)),       # conforming code is for less privileged callers
    (code64(), 0x43, (GP, 0x40)),                    # RPL above CPL
    (segment(CODE_SEGMENT, 6), 0x40, (GP, 0x40)),    # L and D
    (segment(0x1A, 2), 0x40, (NP, 0x40)),
    (segment(0x89, 0), 0x40, (GP, 0x40)),            # a task state: no task switches in long mode
    (segment(0x85, 0), 0x40, (GP, 0x40)),            # a task gate
    (code64(0, CONFORMING), 0x43, None), (code64(), 0x40, None)])
@pytest.mark.parametrize("text", [JMP, CALL], ids=["jmp", "call"])
def test_what_a_far_transfer_may_name(m, text, low, selector, fault):
    if low is not None:
        m.descriptor(selector, low)
    far(m, text, selector)
    assert m.faulted() == fault
    assert fault or (m["rip"] == TARGET and m.segment(1) == selector & ~3)


def test_conforming_code_of_an_inner_level_runs_at_cpl(user):
    user.descriptor(0x40, code64(0, CONFORMING))
    far(user, JMP, 0x40)
    assert user["rip"] == TARGET and user.segment(1) == 0x43 and user.engine.get("cpl") == 3


def test_call_pushes_cs_and_rip_of_the_operand_size(m):
    far(m, CALL, CODE_SELECTOR)
    assert m["rsp"] == 0x180000 - 8 and m.words(2, 4) == [CODE + 2, CODE_SELECTOR]
    m.set_stack(0x180000)
    m.far_pointer(CODE_SELECTOR, TARGET, size=8)
    m.run("48 ff 1b", limit=1, rbx=0x100000)
    assert m["rsp"] == 0x180000 - 16 and m.words(2) == [CODE + 3, CODE_SELECTOR]


def test_a_call_that_cannot_push_changes_nothing(m):
    m.descriptor(0x40, code64())
    m.set_stack(0x180004)
    m.page(0x17F000, flags=0)
    m.memory.write(0x180000, b"\xAA" * 4)
    far(m, CALL, 0x40)
    assert m.faulted() == (PF, 2) and m.memory.read(0x180000, 4) == b"\xAA" * 4
    assert m.read_descriptor(0x40) == code64()


def test_direct_far_jumps_are_ud_in_64_bit_code(m):
    m.run("ea 00 00 02 00 08 00")
    assert m.faulted() == (UD, 0)
    m.reset()
    m.run("ff e8")                                    # a register is no far pointer
    assert m.faulted() == (UD, 0)


# Call gates

def test_call_through_a_gate_to_ring_0(user):
    user.descriptor(0x40, *call_gate(CODE_SELECTOR, TARGET, dpl=3))
    far(user, CALL, 0x43, 0xDEAD)
    assert user["rip"] == TARGET and user.segment(1) == CODE_SELECTOR and user.segment(2) == 0
    assert user["rsp"] == KERNEL_STACK - 32 and user.engine.get("cpl") == 0
    assert user.words(4) == [CODE + 2, USER_CODE, 0x180000, USER_DATA]
    user.run("48 cb", limit=1, at=TARGET)
    assert (user["rip"], user["rsp"], user.engine.get("cpl"), user.segment(2)) == (CODE + 2, 0x180000, 3, USER_DATA)


def test_the_new_stack_need_not_be_aligned(user):
    user.memory.write(0x1E9004, (KERNEL_STACK - 3).to_bytes(8, "little"))
    user.descriptor(0x40, *call_gate(CODE_SELECTOR, TARGET, dpl=3))
    far(user, CALL, 0x43)
    assert user["rsp"] == KERNEL_STACK - 35


def test_call_through_a_gate_at_the_same_level_pushes_8_bytes(m):
    m.descriptor(0x40, *call_gate(CODE_SELECTOR, TARGET))
    far(m, CALL, 0x40)
    assert m["rsp"] == 0x180000 - 16 and m.words(2) == [CODE + 2, CODE_SELECTOR]


def test_jmp_through_a_gate_stays_at_its_level(m, user):
    m.descriptor(0x40, *call_gate(CODE_SELECTOR, TARGET))
    far(m, JMP, 0x40)
    assert m["rip"] == TARGET
    user.descriptor(0x40, *call_gate(CODE_SELECTOR, TARGET, dpl=3))
    far(user, JMP, 0x43)
    assert user.faulted() == (GP, CODE_SELECTOR)


@pytest.mark.parametrize("gate, selector, fault", [
    (call_gate(CODE_SELECTOR, TARGET, dpl=0), 0x43, (GP, 0x40)),                  # DPL below CPL
    (call_gate(CODE_SELECTOR, TARGET, dpl=3, kind=4), 0x43, (GP, 0x40)),          # 16 bits
    (call_gate(0, TARGET, dpl=3), 0x43, (GP, 0)),
    (call_gate(0x200, TARGET, dpl=3), 0x43, (GP, 0x200)),
    (call_gate(DATA_SELECTOR, TARGET, dpl=3), 0x43, (GP, DATA_SELECTOR)),
    (call_gate(0x50, TARGET, dpl=3), 0x43, (GP, 0x50)),                           # 32-bit code
    (call_gate(0x58, TARGET, dpl=3), 0x43, (NP, 0x58)),
    (call_gate(CODE_SELECTOR, 0x800000000000, dpl=3), 0x43, (GP, 0)),
    ((call_gate(CODE_SELECTOR, TARGET, dpl=3)[0] & ~(1 << 47), 0), 0x43, (NP, 0x40)),
    ((call_gate(CODE_SELECTOR, TARGET, dpl=3)[0], 1 << 40), 0x43, (GP, 0x40))])   # upper type bits
def test_what_a_call_gate_must_be(user, gate, selector, fault):
    user.descriptor(0x50, code32()), user.descriptor(0x58, segment(0x1A, 2))
    user.descriptor(0x40, *gate)
    far(user, CALL, selector)
    assert user.faulted() == fault and user.fault.rip == CODE


def test_a_gate_at_the_end_of_the_table_needs_sixteen_bytes(user):
    user.descriptor(0x1F8, *call_gate(CODE_SELECTOR, TARGET, dpl=3))
    far(user, CALL, 0x1FB)
    assert user.faulted() == (GP, 0x1F8)


