"""32-bit protected mode: segment limits, gates and stacks, far transfers, paging with and without PAE (APM vol. 2, 4.7 to 4.12, 5.2, 8.7)."""

import struct

import pytest

from tests.flat import CODE, CODE_SELECTOR, DATA_SELECTOR, HANDLERS, TABLES, TSS, USER_CODE, USER_DATA
from tests.system.machine import (
    BIG,
    CODE_SEGMENT,
    CONFORMING,
    DF,
    EXPAND_DOWN,
    GP,
    NP,
    PF,
    READ_ONLY,
    SS,
    TS,
    UD,
    WRITABLE,
    SystemMachine,
    call_gate,
    code32,
    data,
    segment,
)

VECTOR, TARGET, STACK0 = 0x40, 0x20000, 0x170000
CALL = ".byte 0xff, 0x1b"           # through the far pointer at [ebx]


def machine(engine_class, cpl):
    m = SystemMachine(engine_class, bits=32, cpl=cpl)
    m.gate(VECTOR, dpl=3)
    m.memory.write(TSS, struct.pack("<7I", 0, STACK0, DATA_SELECTOR, STACK0 - 0x1000, 0x51, STACK0 - 0x2000, 0x5A))
    m.descriptor(0x50, data(1)), m.descriptor(0x58, data(2))
    m.memory.write(TARGET, b"\x90" * 16)
    return m


@pytest.fixture
def kernel(engine_class):
    return machine(engine_class, 0)


@pytest.fixture
def user(engine_class):
    return machine(engine_class, 3)


# Segments

@pytest.mark.parametrize("low, offset, text, ok", [
    (segment(WRITABLE, BIG, limit=0xFFF), 0xFFC, "mov eax, [ebx]", True),
    (segment(WRITABLE, BIG, limit=0xFFF), 0xFFD, "mov eax, [ebx]", False),
    (segment(WRITABLE, BIG, limit=0xFFF), 0xFFF, "mov al, [ebx]", True),
    (segment(WRITABLE, BIG, limit=0xFFF), 0xFFFFFFFE, "mov eax, [ebx]", False),
    (segment(EXPAND_DOWN, BIG, limit=0xFFF), 0x1000, "mov eax, [ebx]", True),
    (segment(EXPAND_DOWN, BIG, limit=0xFFF), 0xFFF, "mov eax, [ebx]", False),
    (segment(EXPAND_DOWN, 0, limit=0xFFF), 0xFFFC, "mov eax, [ebx]", True),
    (segment(EXPAND_DOWN, 0, limit=0xFFF), 0xFFFD, "mov eax, [ebx]", False),
    (segment(READ_ONLY, BIG, limit=0xFFF), 0, "mov eax, [ebx]", True),
    (segment(READ_ONLY, BIG, limit=0xFFF), 0, "mov [ebx], eax", False),
    (segment(CODE_SEGMENT, BIG, limit=0xFFF), 0, "mov eax, [ebx]", True),
    (segment(CODE_SEGMENT, BIG, limit=0xFFF), 0, "mov [ebx], eax", False)])
def test_limits_and_rights(kernel, low, offset, text, ok):
    kernel.descriptor(0x40, low)
    kernel.asm("mov ds, cx", limit=1, rcx=0x40)
    kernel.asm(text, limit=1, rbx=offset)
    assert kernel.faulted() == (None if ok else (GP, 0))


def test_near_jumps_stay_within_the_code_segment(kernel):
    kernel.descriptor(0x40, segment(CODE_SEGMENT, BIG, limit=TARGET + 0xF))
    kernel.place("jmp eax", TARGET)
    kernel.asm(".byte 0xff, 0x2b", limit=2, rbx=kernel.far_pointer(0x40, TARGET), rax=TARGET + 0xF)
    assert kernel["rip"] == TARGET + 0xF
    kernel.asm(".byte 0xff, 0x2b", limit=2, rbx=kernel.far_pointer(0x40, TARGET), rax=TARGET + 0x10)
    assert kernel.faulted() == (GP, 0) and kernel.words(2)[1] == TARGET


def test_a_null_segment_loads_but_cannot_be_used(kernel):
    kernel.asm("mov es, ax; mov al, es:[ebx]", rax=0, rbx=0x100000)
    assert kernel.faulted() == (GP, 0)


def test_the_base_is_added_and_wraps_at_4_gib(kernel):
    kernel.descriptor(0x40, segment(WRITABLE, base=0x100000))
    kernel.memory.write(0x100010, b"\x5A")
    kernel.memory.write(0x0FFFF0, b"\xA5")
    kernel.asm("mov fs, cx; mov al, fs:[ebx]; mov ah, fs:[edx]", rax=0, rbx=0x10, rcx=0x40, rdx=0xFFFFFFF0)
    assert kernel["rax"] == 0xA55A


def test_stack_limit_faults_are_ss(user):
    user.descriptor(0x40, segment(WRITABLE, BIG, limit=0xFFF, dpl=3))
    user.asm("mov ss, ax; mov esp, 0x1002; push ecx", rax=0x43)
    assert user.faulted() == (SS, 0) and user.fault.rip == CODE + 8


def test_a_16_bit_stack_moves_sp_alone(kernel):
    kernel.descriptor(0x40, segment(WRITABLE, 0, base=0x100000, limit=0xFFFF))
    kernel.asm("mov ss, ax; mov esp, 0x12340000; push ecx; pop edx; push ecx", rax=0x40, rcx=0x11223344)
    assert kernel["rsp"] == 0x1234FFFC and kernel["rdx"] == 0x11223344
    assert kernel.memory.read(0x10FFFC, 4) == b"\x44\x33\x22\x11"


def test_no_null_ss(kernel):
    kernel.asm("mov ss, ax", rax=0)
    assert kernel.faulted() == (GP, 0)


def test_far_pointers_in_the_instruction(kernel):
    kernel.descriptor(0x40, code32())
    kernel.run(b"\xEA" + struct.pack("<IH", TARGET, 0x40), limit=1)
    assert kernel["rip"] == TARGET and kernel.segment(1) == 0x40
    kernel.run(b"\x9A" + struct.pack("<IH", TARGET, CODE_SELECTOR), limit=1)
    assert kernel.words(2) == [CODE + 7, 0x40]


def test_push_and_pop_of_segments(kernel):
    kernel.asm("push ds; pop es; push cs; push ss; pop ds", rax=0)
    assert kernel.segment(0) == DATA_SELECTOR and kernel.segment(3) == DATA_SELECTOR and kernel.words(1) == [CODE_SELECTOR]


def test_lds(kernel):
    kernel.far_pointer(DATA_SELECTOR, 0x1234)
    kernel.asm("lds eax, [ebx]", rbx=0x100000)
    assert kernel["rax"] == 0x1234 and kernel.segment(3) == DATA_SELECTOR


def test_arpl(user):
    user.run("63 d8", rax=0x10, rbx=0x1B)
    assert user["rax"] == 0x13 and user.engine.get("rflags") & 0x40
    user.run("63 d8", rax=0x13, rbx=0x18)
    assert user["rax"] == 0x13 and not user.engine.get("rflags") & 0x40


# Interrupts

def test_same_level_frames_have_three_words(kernel):
    kernel.asm("int 0x40", limit=1, rflags=0x202)
    assert kernel["rsp"] == 0x180000 - 12 and kernel.words(3) == [CODE + 2, CODE_SELECTOR, 0x202]
    kernel.asm("iretd", limit=1)
    assert kernel["rip"] == CODE + 2 and kernel["rsp"] == 0x180000 and kernel.engine.get("rflags") == 0x202


def test_inner_level_frames_have_five_on_the_stack_of_the_task_state(user):
    user.asm("int 0x40", limit=1)
    assert user["rsp"] == STACK0 - 20 and user.segment(2) == DATA_SELECTOR and user.engine.get("cpl") == 0
    assert user.words(5) == [CODE + 2, USER_CODE, 2, 0x180000, USER_DATA]
    user.asm("iretd", limit=1, at=TARGET)
    assert (user["rip"], user["rsp"], user.segment(2), user.engine.get("cpl")) == (CODE + 2, 0x180000, USER_DATA, 3)


def test_error_codes_are_32_bits(user):
    user.asm("mov ds, ax", limit=1, rax=0x300)
    assert user.words(3) == [0x300, CODE, USER_CODE]


def test_16_bit_gates_push_16_bit_words(user):
    user.gate(VECTOR, kind=6, dpl=3, target=TARGET & 0xFFFF)
    user.asm("int 0x40", limit=1)
    assert user["rsp"] == STACK0 - 10 and user.words(5, 2) == [CODE + 2 & 0xFFFF, USER_CODE, 2, 0, USER_DATA]


def test_a_ring_1_handler(user):
    user.descriptor(0x40, code32(1))
    user.gate(VECTOR, selector=0x40, dpl=3)
    user.asm("int 0x40", limit=1)
    assert user["rsp"] == STACK0 - 0x1000 - 20 and user.segment(2) == 0x51 and user.segment(1) == 0x41


@pytest.mark.parametrize("stack, fault", [
    (0, (TS, 0)), (0x200, (TS, 0x200)), (0x13, (TS, 0x10)), (0x40, (TS, 0x40)), (0x48, (SS, 0x48)), (0x60, (TS, 0x60))])
def test_what_the_stack_of_the_task_state_must_be(user, stack, fault):
    user.descriptor(0x40, data(0, READ_ONLY)), user.descriptor(0x48, data(0, 0x12)), user.descriptor(0x60, data(3))
    # Faults themselves go to a ring-1 handler, whose stack is good.
    user.descriptor(0x70, code32(1))
    for vector in (TS, SS, DF):
        user.gate(vector, selector=0x70)
    user.memory.write(TSS + 8, struct.pack("<H", stack))
    user.asm("int 0x40", limit=1)
    assert (user["rip"] - HANDLERS >> 4, user.words(1)[0]) == fault
    assert user.words(2)[1] == CODE


def test_no_room_on_the_new_stack_is_ss_of_its_selector(user):
    user.descriptor(0x40, segment(WRITABLE, BIG, limit=0xFFF)), user.descriptor(0x70, code32(1))
    user.gate(SS, selector=0x70)
    user.memory.write(TSS + 4, struct.pack("<IH", 0x1010, 0x40))
    user.asm("int 0x40", limit=1)
    assert user["rip"] == HANDLERS + SS * 16 and user.words(1) == [0x40]


@pytest.mark.parametrize("change, fault", [
    (dict(kind=12), (GP, VECTOR * 8 + 2)), (dict(kind=9), (GP, VECTOR * 8 + 2)), (dict(dpl=2), (GP, VECTOR * 8 + 2)),
    (dict(present=0), (NP, VECTOR * 8 + 2)), (dict(selector=0), (GP, 0)), (dict(selector=0x200), (GP, 0x200)),
    (dict(selector=DATA_SELECTOR), (GP, DATA_SELECTOR))])
def test_what_a_gate_must_be(user, change, fault):
    user.gate(VECTOR, **{"dpl": 3} | change)
    user.asm("int 0x40", limit=1)
    assert user.faulted() == fault and user.fault.rip == CODE


def test_the_idt_has_a_limit(user):
    user.engine.set("idtr_limit", VECTOR * 8 + 6)
    user.asm("int 0x40", limit=1)
    assert user.faulted() == (GP, VECTOR * 8 + 2)


@pytest.mark.parametrize("kind, limit, ok", [(0x8B, 13, True), (0x8B, 12, False), (0x83, 9, True), (0x83, 8, False)])
def test_the_task_state_must_hold_the_stack(user, kind, limit, ok):
    # For a stack of ring 1: those of ring 0, for the fault, come before it.
    user.descriptor(0x40, code32(1))
    user.gate(VECTOR, selector=0x40, dpl=3)
    user.engine.set("seg_attr", kind, 7)
    if kind == 0x83:
        user.memory.write(TSS, struct.pack("<5H", 0, 0x8000, DATA_SELECTOR, 0x9000, 0x51))
    user.engine.set("seg_limit", limit + 4 if kind == 0x8B else limit, 7)
    user.asm("int 0x40", limit=1)
    if ok:
        assert user["rip"] == HANDLERS + VECTOR * 16 and user.segment(2) == 0x51
    else:
        assert user.faulted() == (TS, 0x28)


def test_a_full_stack_cannot_take_its_own_fault(kernel):
    kernel.descriptor(0x40, segment(WRITABLE, BIG, limit=0xFFF))
    kernel.asm("mov ss, ax; mov esp, 0x1002; int 0x40", limit=3, rax=0x40)
    kernel.engine.run(1)
    assert kernel.engine.get("shutdown") == 1


def test_a_null_stack_in_the_task_state(user):
    user.descriptor(0, data()), user.descriptor(0x70, code32(1))
    user.gate(TS, selector=0x70)
    user.memory.write(TSS + 8, struct.pack("<H", 0))
    user.asm("int 0x40", limit=1)
    assert user["rip"] == HANDLERS + TS * 16 and user.words(2) == [0, CODE]


def test_target_beyond_the_code_limit(kernel):
    kernel.descriptor(0x40, segment(CODE_SEGMENT, BIG, limit=0xFFF))
    kernel.gate(VECTOR, selector=0x40)
    kernel.asm("int 0x40", limit=1)
    assert kernel.faulted() == (GP, 0)


def test_outward_iret_loses_inner_segments(kernel):
    kernel.descriptor(0x40, segment(CONFORMING))
    kernel.asm("mov es, ax; mov fs, cx; push edx; push 0x160000; push 2; push ebx; push edi; iretd", limit=8, rax=0x40,
               rcx=USER_DATA, rdx=USER_DATA, rbx=USER_CODE, rdi=TARGET)
    assert kernel["rip"] == TARGET and kernel.engine.get("cpl") == 3
    assert [kernel.segment(n) for n in (0, 3, 4, 5)] == [0x40, 0, USER_DATA, 0]


def test_iret_with_16_bit_operands(kernel):
    kernel.memory.write(0x170000, struct.pack("<3H", 0x1234, CODE_SELECTOR, 0xFD7 & ~0x100))
    kernel.set_stack(0x170000)
    kernel.run("66 cf", limit=1, rflags=0x40002)
    assert kernel["rip"] == 0x1234 and kernel["rsp"] == 0x170006
    assert kernel.engine.get("rflags") == 0x40000 | 0xFD7 & ~0x100


# Call gates

def test_a_call_gate_copies_parameters(user):
    user.descriptor(0x40, call_gate(CODE_SELECTOR, TARGET, dpl=3, parameters=3)[0])
    user.asm("push 1; push 2; push 3; " + CALL, limit=4, rbx=user.far_pointer(0x43, 0))
    assert user["rip"] == TARGET and user["rsp"] == STACK0 - 7 * 4 and user.segment(2) == DATA_SELECTOR
    assert user.words(7) == [CODE + 8, USER_CODE, 3, 2, 1, 0x180000 - 12, USER_DATA]
    user.run("ca 0c 00", limit=1, at=TARGET)
    assert (user["rip"], user["rsp"], user.engine.get("cpl")) == (CODE + 8, 0x180000, 3)


def test_a_16_bit_call_gate(user):
    user.descriptor(0x40, call_gate(CODE_SELECTOR, TARGET & 0xFFFF | 0x5555_0000, dpl=3, kind=4, parameters=1)[0])
    user.asm("push 0x7777; " + CALL, limit=2, rbx=user.far_pointer(0x43, 0))
    assert user["rip"] == TARGET & 0xFFFF and user["rsp"] == STACK0 - 10
    assert user.words(5, 2) == [CODE + 7 & 0xFFFF, USER_CODE, 0x7777, 0xFFFC, USER_DATA]


@pytest.mark.parametrize("low, fault", [
    (call_gate(CODE_SELECTOR, TARGET)[0], (GP, 0x40)), (call_gate(0, TARGET, dpl=3)[0], (GP, 0)),
    (call_gate(DATA_SELECTOR, TARGET, dpl=3)[0], (GP, DATA_SELECTOR)),
    (call_gate(CODE_SELECTOR, TARGET, dpl=3)[0] & ~(1 << 47), (NP, 0x40))])
def test_what_a_call_gate_must_be(user, low, fault):
    user.descriptor(0x40, low)
    user.asm(CALL, limit=1, rbx=user.far_pointer(0x43, 0))
    assert user.faulted() == fault


def test_instructions_of_64_bit_mode_alone_are_undefined_or_other_things(kernel):
    kernel.asm("inc eax", rax=2 ** 64 - 1 & 0xFFFFFFFF)             # 40h is REX there
    assert kernel["rax"] == 0
    kernel.run("0f 01 f8", limit=1)
    assert kernel["rip"] == HANDLERS + UD * 16


# Paging

def test_paging_without_pae(user):
    user.page(0x100000, flags=0x65)
    user.asm("mov [ebx], al", limit=1, rbx=0x100123)
    assert user.faulted() == (PF, 7) and user.engine.get("cr2") == 0x100123


def test_4_mib_pages_need_pse(kernel):
    kernel.memory.write(TABLES + 4, struct.pack("<I", 0xE7))
    kernel.memory.write(0x100010, b"\x5A")
    kernel.asm("mov eax, cr4; or eax, 0x10; mov cr4, eax; mov al, [ebx]", rbx=0x500010)
    assert kernel.faulted() is None and kernel["rax"] & 0xFF == 0x5A
    kernel.memory.write(TABLES + 4, struct.pack("<I", 0xE7 | 1 << 21))
    kernel.asm("mov eax, cr3; mov cr3, eax; mov al, [ebx]", limit=3, rbx=0x500010)
    assert kernel["rip"] == HANDLERS + PF * 16 and kernel.words(1) == [9]


def test_pae_paging_translates_through_four_pointers(kernel):
    # Identity through one 2 MiB page below a page-directory-pointer table, and 1 GiB up again.
    kernel.memory.write(0x1A0000, struct.pack("<4Q", 0x1A1001, 0x1A1001, 0x1A2001, 0))
    kernel.memory.write(0x1A1000, struct.pack("<Q", 0xE7))
    kernel.memory.write(0x1A2000, struct.pack("<Q", 0xE7 | 1 << 40))
    kernel.memory.write(0x100010, b"\x5A")
    kernel.asm("mov eax, cr0; btr eax, 31; mov cr0, eax; mov ecx, cr4; or ecx, 0x20; mov cr4, ecx; mov cr3, edx; "
               "bts eax, 31; mov cr0, eax; mov al, [ebx]", rbx=0x40100010, rdx=0x1A0000)
    assert kernel.faulted() is None and kernel["rax"] & 0xFF == 0x5A
    kernel.asm("mov al, [ebx]", limit=1, rbx=0x80000000)
    assert kernel["rip"] == HANDLERS + PF * 16 and kernel.words(1) == [9]
