"""Interrupts and exceptions through gates in long mode: frames, stack switches, IST, checks, error codes (APM vol. 2, 8.9)."""

import pytest

from tests.flat import CODE, CODE_SELECTOR, DATA_SELECTOR, HANDLERS, IDT, TSS, USER_CODE, USER_DATA
from tests.system.machine import (
    BP,
    CODE_SEGMENT,
    CONFORMING,
    DB,
    GP,
    IST_STACK,
    KERNEL_STACK,
    LONG,
    NP,
    PF,
    SS,
    TS,
    UD,
    SystemMachine,
    code32,
    code64,
    data,
    segment,
)

VECTOR = 0x40
FLAGS = 2                # its word of the frame


@pytest.fixture
def m(engine_class):
    machine = SystemMachine(engine_class)
    machine.gate(VECTOR)
    return machine


@pytest.fixture
def user(engine_class):
    machine = SystemMachine(engine_class, cpl=3)
    machine.gate(VECTOR, dpl=3)
    return machine


def test_a_frame_is_five_words_on_an_aligned_stack(m):
    m.set_stack(0x180007)
    m.asm("int 0x40", limit=1, rflags=0x8D7)
    assert m["rsp"] == 0x180000 - 40
    assert m.words(5) == [CODE + 2, CODE_SELECTOR, 0x8D7, 0x180007, DATA_SELECTOR]
    assert m["rip"] == HANDLERS + VECTOR * 16 and m.segment(2) == DATA_SELECTOR


def test_an_error_code_is_pushed_last_and_alignment_comes_before(m):
    m.gate(GP)
    m.set_stack(0x18000F)
    m.asm("mov ds, ax", limit=1, rax=0x300)
    assert m["rsp"] == 0x180000 - 48
    assert m.words(2) == [0x300, CODE]


def test_from_ring_3_the_stack_is_rsp0_and_ss_null(user):
    user.asm("int 0x40", limit=1)
    assert user["rsp"] == KERNEL_STACK - 40
    assert user.words(5) == [CODE + 2, USER_CODE, 2, 0x180000, USER_DATA]
    assert user.segment(1) == CODE_SELECTOR and user.segment(2) == 0
    assert user.engine.get("cpl") == 0


def test_ist_switches_even_at_the_same_level_and_keeps_ss(m):
    m.gate(VECTOR, ist=1)
    m.asm("int 0x40", limit=1)
    assert m["rsp"] == IST_STACK - 40 and m.segment(2) == DATA_SELECTOR


@pytest.mark.parametrize("ist", range(1, 8))
def test_each_ist_slot(m, ist):
    m.memory.write(TSS + 0x24 + 8 * (ist - 1), (0x150000 + ist * 0x1000).to_bytes(8, "little"))
    m.gate(VECTOR, ist=ist)
    m.asm("int 0x40", limit=1)
    assert m["rsp"] == 0x150000 + ist * 0x1000 - 40


def test_a_gate_to_ring_1_uses_rsp1(user):
    user.descriptor(0x40, code64(1))
    user.gate(VECTOR, selector=0x40, dpl=3)
    user.asm("int 0x40", limit=1)
    assert user["rsp"] == KERNEL_STACK - 0x1000 - 40
    assert user.segment(1) == 0x41 and user.segment(2) == 1 and user.engine.get("cpl") == 1


def test_a_conforming_handler_runs_at_the_callers_level(user):
    user.descriptor(0x40, code64(0, CONFORMING))
    user.gate(VECTOR, selector=0x40, dpl=3)
    user.asm("int 0x40", limit=1)
    assert user["rsp"] == 0x180000 - 40 and user.segment(1) == 0x43
    assert user.engine.get("cpl") == 3 and user.segment(2) == USER_DATA


@pytest.mark.parametrize("kind, leaves_if", [(14, False), (15, True)])
def test_interrupt_gates_close_if_trap_gates_do_not(m, kind, leaves_if):
    m.gate(VECTOR, kind=kind)
    m.asm("int 0x40", limit=1, rflags=0x4202)           # NT, IF
    assert m.engine.get("rflags") == (0x202 if leaves_if else 2)
    assert m.words(5)[FLAGS] == 0x4202


def test_tf_is_saved_and_cleared(m):
    m.gate(DB)
    m.asm("nop", limit=1, rflags=0x102)
    assert m["rip"] == HANDLERS + DB * 16
    assert m.words(5)[FLAGS] & 0x100 and not m.engine.get("rflags") & 0x100
    assert m.engine.get("dr", 6) & 0x4000


def test_faults_save_rf_traps_do_not(m):
    m.gate(UD), m.gate(BP)
    m.asm("ud2", limit=1)
    assert m.words(5)[FLAGS] == 0x10002
    m.reset()
    m.asm("int3", limit=1)
    assert m.words(5)[FLAGS] == 2


def test_the_handlers_descriptor_becomes_accessed(m):
    m.descriptor(0x40, code64())
    m.gate(VECTOR, selector=0x40)
    m.asm("int 0x40", limit=1)
    assert m.read_descriptor(0x40) == code64() | 1 << 40


@pytest.mark.parametrize("kind", [k for k in range(16) if k not in (14, 15)])
def test_only_64_bit_gates(m, kind):
    m.gate(VECTOR, kind=kind)
    m.asm("int 0x40")
    assert m.faulted() == (GP, VECTOR * 8 + 2)


def test_beyond_the_idt_limit(m):
    m.engine.set("idtr_limit", VECTOR * 16 + 14)
    m.asm("int 0x40")
    assert m.faulted() == (GP, VECTOR * 8 + 2)
    m.engine.set("idtr_limit", VECTOR * 16 + 15)
    m.reset()
    m.asm("int 0x40")
    assert m.fault.vector == VECTOR


def test_a_gate_that_is_not_present(m):
    m.gate(VECTOR, present=0)
    m.asm("int 0x40")
    assert m.faulted() == (NP, VECTOR * 8 + 2)


def test_software_interrupts_need_the_gates_dpl(user):
    user.gate(VECTOR, dpl=2)
    user.asm("int 0x40")
    assert user.faulted() == (GP, VECTOR * 8 + 2) and user.fault.rip == CODE
    user.reset()
    user.asm("int3")
    assert user.faulted() == (GP, BP * 8 + 2)


def test_exceptions_and_icebp_do_not(user):
    user.asm("ud2")
    assert user.faulted() == (UD, 0)
    user.reset()
    user.run("f1")
    assert user.faulted() == (DB, 0) and user.fault.rip == CODE + 1


@pytest.mark.parametrize("low, selector, fault", [
    (None, 0, (GP, 0)),                                   # null
    (None, 0x200, (GP, 0x200)),                           # beyond the table
    (data(), 0x40, (GP, 0x40)),
    (code64(3), 0x43, (GP, 0x40)),                        # less privileged than the interrupted code
    (code32(), 0x40, (GP, 0x40)),                         # not 64-bit code
    (segment(CODE_SEGMENT, LONG | 4), 0x40, (GP, 0x40)),  # L and D
    (segment(0x1A, LONG), 0x40, (NP, 0x40))])
def test_what_a_gate_may_lead_to(m, low, selector, fault):
    if low is not None:
        m.descriptor(selector, low)
    m.gate(VECTOR, selector=selector)
    m.asm("int 0x40")
    assert m.faulted() == fault


def test_an_external_event_sets_ext_in_the_error_code(m):
    m.gate(UD, present=0)
    m.asm("ud2")
    assert m.faulted() == (NP, UD * 8 + 2 + 1) and m.fault.rip == CODE


def test_a_target_that_is_not_canonical(m):
    m.gate(VECTOR, target=0x800000000000)
    m.asm("int 0x40")
    assert m.faulted() == (GP, 0) and m.fault.rip == CODE


def test_a_task_state_too_short_for_the_stack_is_ts(user):
    user.engine.set("seg_limit", 10, 7)
    user.asm("int 0x40", limit=1)
    # Delivering #TS needs IST1 of the same short task state: #TS in #TS is a double fault, and that fails too.
    assert user.stop.reason.name == "SHUTDOWN" or user.engine.get("shutdown") == 1


def test_rsp0_beyond_a_limit_that_covers_the_rest(user):
    user.descriptor(0x28, 0)
    for vector in range(32):
        user.descriptor(0x40, code64(3))
        user.gate(vector, selector=0x43)
    user.engine.set("seg_limit", 10, 7)
    user.asm("int 0x40", limit=1)
    assert user["rip"] == HANDLERS + TS * 16
    assert user.words(1) == [0x28]


@pytest.mark.parametrize("pointer", [0x0000800000000020, 0x800000000000_0000])
def test_a_new_stack_that_is_not_canonical_is_ss(user, pointer):
    user.memory.write(TSS + 4, pointer.to_bytes(8, "little"))
    user.asm("int 0x40")
    assert user.faulted() == (SS, 0)


def test_a_new_stack_that_is_not_mapped_is_a_page_fault_at_the_int(user):
    user.page(KERNEL_STACK - 0x1000, flags=0)
    user.asm("int 0x40")
    assert user.faulted() == (PF, 2) and user.fault.rip == CODE
    assert user.engine.get("cr2") == KERNEL_STACK - 8


def test_the_frame_is_written_as_a_supervisor_though_ring_3_runs(user):
    user.page(KERNEL_STACK - 0x1000, flags=0x63)
    user.asm("int 0x40", limit=1)
    assert user["rsp"] == KERNEL_STACK - 40


def test_a_frame_across_two_pages_checks_both_before_writing(m):
    m.set_stack(0x180010)
    m.page(0x17F000, flags=0)
    m.memory.write(0x180000, b"\xAA" * 16)
    m.asm("int 0x40")
    assert m.faulted() == (PF, 2)
    assert m.memory.read(0x180000, 16) == b"\xAA" * 16 and m["rsp"] != 0x180010


def test_descriptor_tables_are_read_as_a_supervisor(user):
    user.page(IDT, flags=0x63)
    user.page(0x1D0000, flags=0x63)
    user.asm("int 0x40", limit=1)
    assert user["rip"] == HANDLERS + VECTOR * 16


def test_interrupts_from_compatibility_mode_push_64_bit_frames(engine_class):
    m = SystemMachine(engine_class, cpl=3)
    m.gate(VECTOR, dpl=3)
    m.descriptor(0x40, code32(3))
    for name, value in (("seg_sel", 0x43), ("seg_attr", 0xCFB)):
        m.engine.set(name, value, 1)
    assert m.engine.get("code_size") == 32
    m.run("cd 40", limit=1)
    assert m.words(5, 8) == [CODE + 2, 0x43, 2, 0x180000, USER_DATA]
    assert m.engine.get("code_size") == 64
    m.asm("iretq", limit=1)
    assert m["rip"] == CODE + 2 and m.engine.get("code_size") == 32 and m.engine.get("stack_size") == 32
