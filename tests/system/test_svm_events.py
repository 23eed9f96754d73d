"""Events and guests: injected, interrupted in delivery, physical and virtual interrupts, GIF, shadows (APM vol. 2, 15.7.2, 15.13,
15.17, 15.20, 15.21)."""

import pytest

from emu.engines.engine import StopReason
from tests.flat import CODE, DATA_SELECTOR, FAULT_STACK, HANDLERS, TSS
from tests.system.machine import BP, DB, GP, NP, PF, UD
from tests.system.svm import (
    CR_WRITE,
    EXCEPTION,
    GUEST,
    GUEST_STACK,
    HLT,
    INTR,
    NMI,
    NPF,
    SWINT,
    VINTR,
    VMCB,
    VMMCALL,
    VMMCALL_TEXT,
    Host,
)
from tests.system.test_interruptibility import VECTOR, Controller

VALID, WITH_ERROR, INTERRUPT, NMI_EVENT, EXCEPTION_EVENT, SOFTWARE = 1 << 31, 1 << 11, 0, 2 << 8, 3 << 8, 4 << 8
IF, TF, RF = 0x200, 0x100, 0x10000
V_IRQ, IGN_TPR, MASKING = 1 << 8, 1 << 20, 1 << 24
V_VECTOR = 0x77
VIRTUAL = V_IRQ | V_VECTOR << 32
SHADOW = "shadow"


@pytest.fixture
def m(engine_class):
    machine = Host(engine_class)
    machine.bus.controller = Controller()
    return machine


def vector_of(m):
    """The vector whose handler the guest has stopped in: each is HLT."""
    rip = m.field("rip")
    assert m.field("exit_code") == HLT and HANDLERS <= rip < HANDLERS + 0x1000
    return rip - HANDLERS >> 4


def frame(m, count=6):
    return m.words(count, at=m.field("rsp"))


# EVENTINJ (15.20)

def test_an_injected_interrupt_comes_before_the_first_instruction(m):
    m.put(inject=VALID | INTERRUPT | 0x40)
    m.guest("inc rbx", rbx=0)
    assert vector_of(m) == 0x40 and m["rbx"] == 0
    assert frame(m, 5) == [GUEST, 8, 2, GUEST_STACK, DATA_SELECTOR]     # whatever IF says
    assert m.field("inject") == 0x40


def test_an_injected_fault_has_its_error_code_and_rf(m):
    m.put(inject=VALID | EXCEPTION_EVENT | WITH_ERROR | PF | 0x1234 << 32, cr2=0x5678)
    m.guest("nop")
    assert vector_of(m) == PF and frame(m) == [0x1234, GUEST, 8, 2 | RF, GUEST_STACK, DATA_SELECTOR]
    assert m.field("cr2") == 0x5678


def test_without_ev_no_error_code_is_pushed(m):
    m.put(inject=VALID | EXCEPTION_EVENT | GP | 0x1234 << 32)
    m.guest("nop")
    assert vector_of(m) == GP and frame(m, 2) == [GUEST, 8]


def test_an_injected_nmi_blocks_others(m):
    m.put(inject=VALID | NMI_EVENT | 0x99)
    m.guest("nop")
    assert vector_of(m) == 2 and m.engine.get("nmi_blocked") == 1


def test_software_interrupts_return_to_the_next_rip(m):
    m.gate(0x80, dpl=0)
    m.put(inject=VALID | SOFTWARE | 0x80, next_rip=GUEST + 2)
    m.guest("nop")
    assert vector_of(m) == 0x80 and frame(m, 1) == [GUEST + 2]
    m.put(inject=VALID | EXCEPTION_EVENT | BP, next_rip=GUEST + 1, rsp=GUEST_STACK)
    m.guest("nop")
    assert vector_of(m) == BP and frame(m, 3) == [GUEST + 1, 8, 2]


def test_a_software_interrupts_gate_is_asked_for_its_level(m):
    m.set_segment("cs", 0x1B, 0xAFB, 0xFFFFFFFF, 0)
    m.set_segment("ss", 0x23, 0xCF3, 0xFFFFFFFF, 0)
    m.put(cpl=3, inject=VALID | SOFTWARE | 0x80, next_rip=GUEST + 2)
    m.intercept(EXCEPTION + GP)
    assert m.guest("nop") == EXCEPTION + GP
    assert m.info == (0x80 * 8 + 2, 0) and m.field("rip") == GUEST
    assert m.field("exit_interrupted") == VALID | SOFTWARE | 0x80


def test_injected_events_are_not_intercepted(m):
    m.intercept(EXCEPTION + PF, EXCEPTION + BP, INTR, NMI, SWINT)
    for event, vector in ((EXCEPTION_EVENT | WITH_ERROR | PF, PF), (EXCEPTION_EVENT | BP, BP), (INTERRUPT | 0x40, 0x40), (NMI_EVENT, 2),
                          (SOFTWARE | 0x41, 0x41)):
        m.put(inject=VALID | event, rsp=GUEST_STACK, next_rip=GUEST)
        m.guest("nop")
        assert vector_of(m) == vector


def test_an_exception_in_injection_combines_with_it(m):
    m.gate(GP, present=0)
    m.intercept(EXCEPTION + 8)
    m.put(inject=VALID | EXCEPTION_EVENT | WITH_ERROR | GP | 5 << 32)
    assert m.guest("nop") == EXCEPTION + 8
    assert m.field("exit_interrupted") == VALID | EXCEPTION_EVENT | WITH_ERROR | GP | 5 << 32


def test_injection_survives_the_end_of_a_slice(m):
    """The engine may stop between VMRUN and the event."""
    m.put(inject=VALID | 0x40, rip=GUEST)
    m.memory.write(CODE, b"\x0F\x01\xD8")
    m.engine.set("rip", CODE)
    m.engine.set("gpr", VMCB, 0)
    m.engine.run(1)
    assert m["rip"] == GUEST and m.engine.get("injected")
    state = m.engine.state()
    m.engine.load_state(state)
    m.engine.run(1)
    assert m["rip"] == CODE + 3 and vector_of(m) == 0x40


# EXITINTINFO (15.7.2)

@pytest.fixture
def no_stack(m):
    """Exceptions go to a stack that is not there, which the host wants to know of."""
    m.page(FAULT_STACK, flags=0)
    m.intercept(EXCEPTION + PF)
    return m


@pytest.mark.parametrize("text, event", [
    ("ud2", EXCEPTION_EVENT | UD), ("mov eax, 0x300; mov ds, ax", EXCEPTION_EVENT | WITH_ERROR | GP | 0x300 << 32),
    ("int 0x21", SOFTWARE | 0x21), ("int3", EXCEPTION_EVENT | BP), (".byte 0xf1", EXCEPTION_EVENT | DB)])
def test_what_was_interrupted_in_delivery(no_stack, text, event):
    assert no_stack.guest(text) == EXCEPTION + PF
    assert no_stack.field("exit_interrupted") == VALID | event
    assert no_stack.info == (2, FAULT_STACK + 0x7F8) and no_stack.field("rip") == GUEST + (5 if "mov" in text else 0)
    assert no_stack.field("rsp") == GUEST_STACK


@pytest.mark.parametrize("event", [INTERRUPT | 0x40, NMI_EVENT | 2, EXCEPTION_EVENT | WITH_ERROR | GP | 9 << 32, SOFTWARE | 0x21])
def test_an_injection_interrupted_can_be_injected_again(no_stack, event):
    m = no_stack
    m.put(inject=VALID | event, next_rip=GUEST + 1)
    assert m.guest("nop") == EXCEPTION + PF
    assert m.field("exit_interrupted") == VALID | event and m.field("rip") == GUEST
    m.page(FAULT_STACK)
    m.put(inject=m.field("exit_interrupted"), next_rip=GUEST + 1)
    m.go_on()
    assert vector_of(m) == event & 0xFF and frame(m, 2)[1 if event & WITH_ERROR else 0] == (GUEST + 1 if event & SOFTWARE == SOFTWARE else GUEST)


def test_a_physical_interrupt_interrupted_in_delivery(no_stack):
    m = no_stack
    m.engine.set_interrupt_line(True)
    m.put(rflags=2 | IF)
    assert m.guest("nop") == EXCEPTION + PF
    assert m.field("exit_interrupted") == VALID | INTERRUPT | VECTOR and m.bus.controller.taken == 1


def test_nested_page_faults_interrupt_deliveries_too(engine_class):
    m = Host(engine_class, nested=True)
    m.nested_page(FAULT_STACK, flags=0)
    assert m.guest("ud2") == NPF
    assert m.field("exit_interrupted") == VALID | EXCEPTION_EVENT | UD and m.field("rip") == GUEST


def test_an_absent_gate_loses_nothing(m):
    m.gate(UD, present=0)
    m.intercept(EXCEPTION + NP)
    assert m.guest("ud2") == EXCEPTION + NP
    assert m.field("exit_interrupted") == VALID | EXCEPTION_EVENT | UD and m.info == (UD * 8 + 3, 0)


# Physical interrupts (15.13, 15.21.1)

def test_an_intercepted_interrupt_stays_pending(m):
    m.intercept(INTR)
    m.engine.set_interrupt_line(True)
    m.put(rflags=2 | IF)
    assert m.guest("inc rbx", rbx=0) == INTR
    assert m["rbx"] == 0 and m.field("rip") == GUEST and m.bus.controller.taken == 0 and m.field("next_rip") == 0
    # In the host GIF holds it back, then IF decides.
    m.gate(VECTOR)
    m.asm("nop; nop", limit=2, rflags=2 | IF)
    assert m["rip"] == CODE + 2
    m.asm(".byte 0x0f, 0x01, 0xdc; nop", limit=2)
    assert m["rip"] == HANDLERS + VECTOR * 16 + 1 and m.words(1) == [CODE + 3] and m.bus.controller.taken == 1


def test_without_masking_the_guests_if_decides(m):
    m.intercept(INTR)
    m.engine.set_interrupt_line(True)
    m.engine.set("rflags", 2 | IF)
    assert m.guest("inc rbx; sti; nop; nop", rbx=0) == INTR
    assert m["rbx"] == 1 and m.field("rip") == GUEST + 5


@pytest.mark.parametrize("host, guest, taken", [(IF, 0, True), (IF, IF, True), (0, IF, False), (0, 0, False)])
def test_with_masking_the_hosts_if_decides(m, host, guest, taken):
    m.intercept(INTR)
    m.engine.set_interrupt_line(True)
    m.engine.set("rflags", 2 | host)
    m.put(v_intr=MASKING, rflags=2 | guest)
    assert m.guest("nop; nop") == (INTR if taken else HLT)


def test_an_interrupt_that_is_not_intercepted_is_the_guests(m):
    m.engine.set_interrupt_line(True)
    m.put(rflags=2 | IF)
    m.guest("nop")
    assert vector_of(m) == VECTOR and m.bus.controller.taken == 1


def test_a_halted_guest_is_left_behind_its_hlt(engine_class):
    m = Host(engine_class)
    m.bus.controller = Controller()
    m.memory.write(VMCB + 0x0F, b"\x80")                    # HLT is not intercepted; shutdown is
    m.intercept(INTR)
    m.put(v_intr=MASKING)
    m.engine.set("rflags", 2 | IF)
    m.memory.write(GUEST, b"\xF4\x90"), m.memory.write(CODE, b"\x0F\x01\xD8")
    m.engine.set("gpr", VMCB, 0), m.engine.set("rip", CODE)
    assert m.engine.run(10).reason is StopReason.HALT and m.engine.get("guest")
    m.engine.set_interrupt_line(True)
    m.engine.run(0), m.engine.run(1)
    assert not m.engine.get("guest") and m.field("exit_code") == INTR and m.field("rip") == GUEST + 1


@pytest.mark.parametrize("masking, host, guest, is_open", [(MASKING, IF, 0, True), (MASKING, 0, IF, False), (0, IF, 0, False), (0, 0, IF, True)])
def test_the_board_is_told_whether_an_interrupt_can_wake_a_halted_guest(m, masking, host, guest, is_open):
    assert m.engine.interrupts_open is False
    m.memory.write(VMCB + 0x0F, b"\x80")                    # HLT is not intercepted; shutdown is
    m.put(v_intr=masking, rflags=2 | guest)
    m.memory.write(GUEST, b"\xF4"), m.memory.write(CODE, b"\x0F\x01\xD8")
    m.engine.set("gpr", VMCB, 0), m.engine.set("rip", CODE), m.engine.set("rflags", 2 | host)
    assert m.engine.run(10).reason is StopReason.HALT and m.engine.interrupts_open is is_open


def test_nmis(m):
    m.intercept(NMI)
    m.engine.raise_nmi()
    assert m.guest("nop") == NMI
    assert m.engine.get("nmi_pending") and not m.engine.get("nmi_blocked")
    m.asm("nop; nop", limit=2)
    assert m["rip"] == CODE + 2
    m.asm(".byte 0x0f, 0x01, 0xdc; nop", limit=2)
    assert m["rip"] == HANDLERS + 2 * 16 + 1


def test_clgi_holds_back_in_the_host(m):
    m.engine.set_interrupt_line(True)
    m.gate(VECTOR)
    m.asm(".byte 0x0f, 0x01, 0xdd; sti; nop; nop; .byte 0x0f, 0x01, 0xdc; nop", limit=6)
    assert m["rip"] == HANDLERS + VECTOR * 16 + 1 and m.words(1) == [CODE + 9]


def test_a_host_without_gif_gets_into_a_guest_that_has_it(m):
    m.intercept(INTR)
    m.run("0f 01 dd")
    m.engine.set_interrupt_line(True)
    m.put(rflags=2 | IF)
    assert m.guest("nop") == INTR


# Shadows (15.21.5)

def test_a_shadow_goes_into_the_guest(m):
    m.intercept(INTR)
    m.engine.set_interrupt_line(True)
    m.put(rflags=2 | IF, shadow=1)
    assert m.guest("nop; nop") == INTR
    assert m.field("rip") == GUEST + 1 and m.field(SHADOW) == 0


@pytest.mark.parametrize("text, shadow", [("sti; " + VMMCALL_TEXT, 1), ("mov ss, esi; " + VMMCALL_TEXT, 1), ("sti; nop; " + VMMCALL_TEXT, 0),
                                          ("cli; sti; sti; nop; " + VMMCALL_TEXT, 0), (VMMCALL_TEXT, 0)])
def test_a_shadow_comes_out_of_it(m, text, shadow):
    assert m.guest(text, rsi=DATA_SELECTOR) == VMMCALL
    assert m.field(SHADOW) == shadow


def test_the_hosts_next_instruction_has_no_shadow(m):
    m.guest("sti; " + VMMCALL_TEXT)
    assert m.engine.get("interrupt_shadow") == 0


# Virtual interrupts (15.21)

def test_a_virtual_interrupt(m):
    m.put(v_intr=VIRTUAL | IGN_TPR | MASKING, rflags=2 | IF)
    m.guest("nop")
    assert vector_of(m) == V_VECTOR and m.bus.controller.taken == 0
    assert m.field("v_intr") == V_VECTOR << 32 | IGN_TPR | MASKING


def test_it_waits_for_if_and_the_shadow(m):
    m.put(v_intr=VIRTUAL | IGN_TPR)
    m.guest("inc rbx; sti; inc rbx; inc rbx", rbx=0)
    assert vector_of(m) == V_VECTOR and m["rbx"] == 2


def test_pending_it_is_still_so_when_the_guest_is_left(m):
    m.put(v_intr=VIRTUAL | IGN_TPR)
    assert m.guest("nop") == HLT
    assert m.field("rip") == GUEST + 1 and m.field("v_intr") == VIRTUAL | IGN_TPR


@pytest.mark.parametrize("priority, task, taken", [(5, 4, True), (5, 5, False), (5, 6, False), (1, 0, True), (0, 0, False)])
def test_its_priority_against_the_guests_task_priority(m, priority, task, taken):
    m.put(v_intr=VIRTUAL | MASKING | priority << 16 | task, rflags=2 | IF)
    m.guest("nop")
    assert (m.field("v_intr") & V_IRQ == 0) == taken


def test_cr8_is_the_guests_own_with_masking(m):
    m.put(v_intr=MASKING | 3)
    m.guest("mov rbx, cr8; mov ecx, 9; mov cr8, rcx; mov rsi, cr8")
    assert (m["rbx"], m["rsi"]) == (3, 9) and m.field("v_intr") == MASKING | 9 and m.bus.controller.priority == 0
    m.put(v_intr=0)
    m.guest("mov ecx, 7; mov cr8, rcx")
    assert m.bus.controller.priority == 7


def test_lowering_cr8_lets_it_in(m):
    m.put(v_intr=VIRTUAL | MASKING | 5 << 16 | 8, rflags=2 | IF)
    m.guest("nop; xor ecx, ecx; mov cr8, rcx; nop")
    assert vector_of(m) == V_VECTOR


def test_cr8_writes_can_be_intercepted(m):
    m.put(v_intr=MASKING)
    m.intercept(CR_WRITE + 8)
    assert m.guest("mov cr8, rcx", rcx=3) == CR_WRITE + 8
    assert m.field("v_intr") == MASKING


def test_the_window_for_it_can_be_intercepted(m):
    m.intercept(VINTR)
    m.put(v_intr=VIRTUAL | IGN_TPR)
    assert m.guest("inc rbx; sti; inc rbx; inc rbx", rbx=0) == VINTR
    assert m["rbx"] == 2 and m.field("rip") == GUEST + 7 and m.field("v_intr") & V_IRQ


def test_physical_interrupts_come_first(m):
    m.intercept(INTR)
    m.engine.set_interrupt_line(True)
    m.engine.set("rflags", 2 | IF)
    m.put(v_intr=VIRTUAL | IGN_TPR | MASKING, rflags=2 | IF)
    assert m.guest("nop") == INTR
    assert m.field("v_intr") & V_IRQ


def test_an_injected_event_comes_before_both(m):
    m.intercept(INTR)
    m.engine.set_interrupt_line(True)
    m.put(v_intr=VIRTUAL | IGN_TPR, rflags=2 | IF, inject=VALID | 0x40)
    assert m.guest("nop") == HLT
    assert vector_of(m) == 0x40


# Single steps

def test_the_hosts_trap_flag_is_not_the_guests(m):
    m.memory.write(CODE, b"\x0F\x01\xD8\x90\x90")
    m.memory.write(GUEST, b"\x90\x90\xF4")
    m.engine.set("gpr", VMCB, 0), m.engine.set("rip", CODE), m.engine.set("rflags", 2 | TF)
    m.engine.run(5)                                         # VMRUN, two NOPs, HLT, NOP, and then the trap
    m.engine.run(0)
    assert m.field("exit_code") == HLT
    m.step(1)
    assert m.words(1) == [CODE + 4] and m["rip"] & ~15 == HANDLERS + DB * 16


def test_the_guests_trap_flag_is_its_own(m):
    m.put(rflags=2 | TF)
    m.guest("inc rbx; inc rbx", rbx=0)
    assert vector_of(m) == DB and m["rbx"] == 1 and frame(m, 1) == [GUEST + 3] and not m["rflags"] & TF


def test_stacks_and_task_state_are_the_guests(m):
    """An event without a change of level uses the IST of the guest's TSS, which the host shares here."""
    m.memory.write(TSS + 0x24, (GUEST_STACK - 0x800).to_bytes(8, "little"))
    m.guest("ud2")
    assert vector_of(m) == UD and m.field("rsp") == GUEST_STACK - 0x800 - 40
