"""Breakpoints in DR0 to DR3, single steps beside them, and RF (APM vol. 2, 13.1; SDM vol. 3, 6.8.3, 6.9, 18.2 and 18.3)."""

import random

import pytest

from tests.conftest import ENGINES
from tests.flat import CODE, DATA, DATA_SELECTOR, HANDLERS, TSS
from tests.system.machine import DB, GP, NMI, PF, TSS2, UD, SystemMachine, assemble, segment
from tests.system.test_interruptibility import Controller
from tests.system.test_tasks import AVAILABLE, BUSY, JMP, NEW, OLD, TARGET, task_state

EXECUTE, WRITE, PORT, ACCESS = range(4)
LENGTHS = {1: 0, 2: 1, 8: 2, 4: 3}
TF, IF, RF = 0x100, 0x200, 0x10000
BD, BS, BT = 0x2000, 0x4000, 0x8000
HANDLER = HANDLERS + DB * 16
RESUMING = "inc r8d; or dword ptr [rsp + 16], 0x10000; iretq"          # counts, and lets the instruction run


@pytest.fixture
def m(engine_class):
    machine = SystemMachine(engine_class)
    machine.engine.set("dr", 0xFFFF0FF0, 6)
    machine.engine.set("fcw", 0x37F)
    return machine


def arm(m, n, address, kind, length=1, enable=1):
    """Set breakpoint `n`; `enable` 1 locally, 2 globally, 0 not at all."""
    dr7 = m.engine.get("dr", 7) & ~(0xF << 16 + 4 * n | 3 << 2 * n)
    m.engine.set("dr", address, n)
    m.engine.set("dr", dr7 | (LENGTHS[length] << 2 | kind) << 16 + 4 * n | enable << 2 * n, 7)


def hits(m):
    """What DR6 tells; and it is as it was before afterwards."""
    found = m.engine.get("dr", 6) & 0xE00F
    m.engine.set("dr", 0xFFFF0FF0, 6)
    return found


def stopped(m):
    """(RIP, RFLAGS) that the #DB which ended the run saved, and DR6; None when there was none."""
    if m.fault is None or m.fault.vector != DB:
        return None
    return m.fault.rip, m.words(3)[2], hits(m)


def length(text):
    return len(assemble(text))


# Instructions: a fault before them (SDM vol. 3, 18.3.1.1)

@pytest.mark.parametrize("enable", [1, 2, 3])
def test_an_instruction_with_a_breakpoint_is_not_run(m, enable):
    arm(m, 1, CODE + 4, EXECUTE, enable=enable)
    m.asm("inc eax; inc eax; inc eax; inc eax", limit=20, rax=0)
    assert stopped(m) == (CODE + 4, 2, 2) and m["rax"] == 2


def test_what_is_not_enabled_or_in_the_middle_of_an_instruction_is_passed(m):
    arm(m, 0, CODE, EXECUTE, enable=0)
    arm(m, 1, CODE + 1, EXECUTE)
    m.asm("inc eax; inc eax", rax=0)
    assert m.fault is None and hits(m) == 0


def test_the_first_prefix_is_the_address(m):
    arm(m, 0, CODE + 1, EXECUTE)
    m.asm("nop; .byte 0xf0, 0xff, 7", limit=5, rdi=DATA)
    assert stopped(m) == (CODE + 1, 2, 1)
    arm(m, 0, CODE + 2, EXECUTE)
    m.reset()
    m.asm("nop; .byte 0xf0, 0xff, 7", rdi=DATA)
    assert m.fault is None


def test_two_breakpoints_of_one_instruction(m):
    arm(m, 0, CODE, EXECUTE)
    arm(m, 3, CODE, EXECUTE)
    m.asm("nop", limit=1)
    assert stopped(m) == (CODE, 2, 9)


def test_rf_lets_one_instruction_run(m):
    """A loop with a breakpoint inside stops once a time round, whatever runs between."""
    m.place(RESUMING, HANDLER)
    arm(m, 0, CODE + 2, EXECUTE)
    m.asm("again: inc eax; inc ebx; dec ecx; jnz again; hlt", limit=1000, rax=0, rbx=0, rcx=5, r8=0)
    assert (m["rax"], m["rbx"], m["r8"]) == (5, 5, 5) and m.stop.reason.name == "HALT"
    assert not m["rflags"] & RF


def test_without_rf_it_stops_again(m):
    m.place("inc r8d; iretq", HANDLER)
    arm(m, 0, CODE, EXECUTE)
    m.asm("nop", limit=9, r8=0)
    assert m["r8"] == 3 and m["rip"] == CODE


def test_breakpoints_set_and_taken_away_by_the_code_itself(m):
    """What has run before, linked and cached, stops from then on, and no more when DR7 is cleared."""
    m.place(RESUMING, HANDLER)
    m.place("again: inc eax; dec ecx; jnz again; ret", 0x20000)
    m.asm("mov dr0, rsi; again: mov ecx, 100; call rsi; xor edx, 1; mov dr7, rdx; dec r9d; jnz again; hlt", limit=5000,
          rsi=0x20000, rdx=0, r9=3, rax=0, r8=0)
    assert m.stop.reason.name == "HALT" and m["rax"] == 300 and m["r8"] == 100      # armed in the second round alone


def test_the_linear_address_counts(engine_class):
    """With a code segment's base, DRn is compared with base + EIP (SDM vol. 3, 18.2.1)."""
    m = SystemMachine(engine_class, bits=32, cpl=0)
    m.descriptor(0x40, segment(0x9A, 0xC, base=0x8000))
    arm(m, 0, CODE + 1, EXECUTE)
    m.memory.write(CODE, b"\x90\x90\x90\x90")
    m.asm(JMP, limit=1, at=0x20000, rbx=m.far_pointer(0x40, CODE - 0x8000))
    m.step(10)
    assert m.fault.vector == DB and m.fault.rip == CODE - 0x8000 + 1 and hits(m) == 1


def test_code_that_ran_at_another_base_first(engine_class):
    """The same bytes at the same EIP, but elsewhere: only one of them has the breakpoint."""
    m = SystemMachine(engine_class, bits=32, cpl=0)
    m.descriptor(0x40, segment(0x9A, 0xC, base=0x8000))
    m.page(CODE + 0x8000, CODE)                             # one physical page at both
    arm(m, 0, CODE + 0x8001, EXECUTE)
    m.asm("nop; nop; nop; hlt", limit=10)
    assert m.stop.reason.name == "HALT" and m.fault is None
    m.engine.set("halted", 0)
    m.asm(JMP, limit=1, at=0x20000, rbx=m.far_pointer(0x40, CODE))
    m.step(10)
    assert m.fault.vector == DB and m.fault.rip == CODE + 1


# RF (SDM vol. 3, 6.8.3)

def test_faults_save_rf_set_and_traps_and_software_interrupts_clear(m):
    m.gate(0x40)
    for text, vector, expected in (("ud2", UD, RF), ("int 0x40", 0x40, 0), ("int3", 3, 0), ("mov dr4, rax", None, 0), ("nop", DB, 0)):
        for before in (0, RF):
            m.asm(text, limit=1, rflags=2 | before | (TF if vector == DB else 0), rax=0x400)
            if vector is not None:
                assert m.fault.vector == vector
                assert m.words(5)[2] & RF == expected, text
                m.reset()
            assert not m["rflags"] & RF


def test_iret_brings_rf_back_and_popf_does_not(m):
    arm(m, 0, CODE + 0x20, EXECUTE)
    m.memory.write(CODE + 0x20, b"\x90\x90")
    m.memory.write(DATA, b"".join(v.to_bytes(8, "little") for v in (CODE + 0x20, 8, 2 | RF, 0x160000, DATA_SELECTOR)))
    m.set_stack(DATA)
    m.asm("iretq", limit=1)
    assert m["rflags"] == 2 | RF
    m.step()
    assert m["rip"] == CODE + 0x21 and m["rflags"] == 2
    m.set_stack(0x160000)
    m.asm("push 0x10002; popfq; pushfq; pop rax", limit=4)
    assert m["rax"] == 2 and m["rflags"] == 2
    m.memory.write(DATA, b"".join(v.to_bytes(2, "little") for v in (CODE & 0xFFFF, 8, 2)))


def test_an_interrupt_saves_the_rf_that_iret_brought(m):
    m.bus.controller = Controller()
    m.gate(0x50)
    m.engine.set_interrupt_line(True)
    m.asm("nop", limit=1, rflags=2 | IF | RF)
    assert m.words(3)[2] == 2 | IF | RF and not m["rflags"] & RF


@pytest.mark.parametrize("count, expected", [(3, RF), (2, 0)])
def test_a_repeated_instruction_interrupted_has_begun(m, count, expected):
    """RF is saved set behind every iteration but the last: what has begun isn't stopped again."""
    arm(m, 0, CODE, EXECUTE)
    m.asm("rep stosb", limit=2, rcx=count, rdi=DATA, rflags=2 | RF)
    m.engine.raise_nmi()
    m.engine.run(1)
    assert m["rip"] & ~15 == HANDLERS + NMI * 16 and m.words(3)[2] & RF == expected


# Data: a trap behind the access (SDM vol. 3, 18.3.1.2)

SIZES = {1: "byte", 2: "word", 4: "dword", 8: "qword"}


@pytest.mark.parametrize("kind", [WRITE, ACCESS])
@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_every_overlap_is_met_and_nothing_else(m, kind, size):
    """The range is aligned to its length (18.2.5); an access meets it when they have a byte in common."""
    register = {1: "al", 2: "ax", 4: "eax", 8: "rax"}[size]
    load, store = f"mov {register}, [rdi]", f"mov [rdi], {register}"
    for wide in LENGTHS:
        address = DATA + 0x40 + 3
        arm(m, 2, address, kind, wide)
        first = address & -wide
        for at in range(DATA + 0x40 - 9, DATA + 0x40 + 18):
            meets = at < first + wide and at + size > first
            m.asm(store + "; nop", limit=2, rdi=at)
            assert stopped(m) == ((CODE + length(store), 2, 4) if meets else None), (wide, at)
            m.reset()
            m.asm(load + "; nop", limit=2, rdi=at)
            assert stopped(m) == ((CODE + length(load), 2, 4) if meets and kind == ACCESS else None), (wide, at)
            m.reset()


@pytest.mark.parametrize("text", [
    "inc dword ptr [rdi]", "xchg [rdi], eax", "cmpxchg [rdi], ecx", "push rax", "call rsi", "movups [rdi], xmm0", "movups [rdi - 12], xmm0",
    "fstp qword ptr [rdi]", "stosd", ".byte 0xa5", "bts dword ptr [rdi], 5", "setz [rdi + 1]", "fnstenv [rdi - 24]", "fxsave [rdi - 16]",
    "enter 16, 0", "cmpxchg8b [rdi]", "mov [rdi - 3], eax", "sgdt [rdi - 6]", "pop qword ptr [rdi]"])
def test_every_way_to_write(m, text):
    """Each is finished first, and the trap comes behind it, not behind what follows."""
    target = DATA + 0x100
    stack = target + 8 if text in ("push rax", "call rsi") else target + 8 if text.startswith("enter") else 0x160000
    arm(m, 0, target, WRITE, 4)
    m.set_stack(stack)
    m.place("nop; nop", 0x20000)
    m.asm(text + "; nop; nop", limit=4, rdi=target, rsi=0x20000 if text == "call rsi" else DATA, rax=1, rbx=0, rbp=0)
    assert stopped(m) == (0x20000 if text == "call rsi" else CODE + length(text), m.words(3)[2], 1)


@pytest.mark.parametrize("text", [
    "cmp dword ptr [rdi], 5; jz there; nop; there: nop", "pop rax; nop", "ret", "jmp [rdi]", "lodsd; nop", "scasd; nop", ".byte 0xa7; nop",
    "movups xmm0, [rdi - 8]; nop", "leave; nop", "fld qword ptr [rdi]; nop", "add eax, [rdi]; nop"])
def test_every_way_to_read(m, text):
    target = DATA + 0x100
    m.memory.write(target, (0x20000).to_bytes(8, "little"))
    m.place("nop; nop", 0x20000)
    arm(m, 0, target, ACCESS, 8)
    m.set_stack(target)
    m.asm(text, limit=3, rdi=target, rsi=target, rbp=target)
    first = text.split(";")[0]
    at = 0x20000 if first in ("ret", "jmp [rdi]") else CODE + length(first)
    assert m.fault.rip == at and hits(m) == 1
    arm(m, 0, target, WRITE, 8)
    m.reset()
    m.set_stack(target)
    m.asm(text, limit=1, rdi=target, rsi=target, rbp=target)
    assert m.fault is None


def test_an_access_across_pages_meets_both(m):
    arm(m, 0, DATA + 0xFFF, WRITE, 1)
    arm(m, 1, DATA + 0x1000, WRITE, 2)
    m.asm("mov [rdi], rax", limit=1, rdi=DATA + 0xFFC)
    assert stopped(m)[2] == 3
    m.reset()
    m.asm("mov [rdi], eax", limit=1, rdi=DATA + 0xFFC)
    assert stopped(m)[2] == 1


def test_a_page_already_in_use_is_watched_from_then_on(m):
    """Cached for reading and writing before; and cached again when the breakpoint is gone."""
    m.place(RESUMING, HANDLER)
    m.place("again: inc dword ptr [rdi]; dec ecx; jnz again; ret", 0x20000)
    m.engine.set("dr", DATA + 0x10, 0)
    m.asm("again: mov ecx, 50; call rsi; xor edx, 0xd0001; mov dr7, rdx; dec r9d; jnz again; hlt", limit=5000,
          rsi=0x20000, rdi=DATA + 0x10, rdx=0, r9=3, r8=0)
    assert m.stop.reason.name == "HALT" and m["r8"] == 50 and m.memory.read_int(DATA + 0x10, 4) == 150


@pytest.mark.parametrize("text, count, rflags", [("rep stosb", 40, 2 | RF), ("rep movsb", 40, 2 | RF), ("rep stosb", 21, 2), (".byte 0xf3, 0xa5", 40, 2 | RF)])
def test_repeated_instructions_stop_behind_the_iteration(m, text, count, rflags):
    """RIP is on the instruction, and RF set, unless it was the last iteration (6.8.3)."""
    step = 1 if text.startswith("rep") else 4
    arm(m, 0, DATA + 20 * step, WRITE, 1)
    m.place("iretq", HANDLER)
    m.asm(text, limit=21, rcx=count, rdi=DATA, rsi=DATA + 0x8000)
    assert m["rip"] == HANDLER and m["rcx"] == count - 21 and m["rdi"] == DATA + 21 * step
    assert m.words(3)[2] == rflags and m.words(1) == [CODE if count > 21 else CODE + 2] and hits(m) == 1
    m.step(1 + max(count - 21, 1) if count > 21 else 1)
    assert (m["rcx"], m["rip"]) == (0, CODE + 2) and hits(m) == 0


def test_a_fault_of_the_same_instruction_loses_what_it_met(engine_class):
    m = SystemMachine(engine_class, unmapped=[(DATA + 0x3000) >> 12])
    arm(m, 0, DATA, ACCESS, 4)
    m.asm(".byte 0xa5", limit=1, rsi=DATA, rdi=DATA + 0x3000)
    assert m.fault.vector == PF and not m.engine.get("dr", 6) & 0xF


def test_what_may_not_be_accessed_is_not_met(engine_class):
    m = SystemMachine(engine_class, readonly=[DATA >> 12])
    arm(m, 0, DATA, ACCESS, 4)
    m.asm("mov [rdi], eax", limit=1, rdi=DATA)
    assert m.fault.vector == PF and not m.engine.get("dr", 6) & 0xF


def test_implicit_accesses_count(m):
    """Descriptors a load of a segment reads, and the frame INT pushes: the trap comes before the handler's first instruction."""
    arm(m, 0, m.engine.get("gdtr_base") + 0x10, ACCESS, 8)
    m.asm("mov ds, ax; nop", limit=1, rax=DATA_SELECTOR)
    assert stopped(m)[::2] == (CODE + length("mov ds, ax"), 1)
    m.reset()
    m.gate(0x40)
    m.set_stack(0x160000)
    arm(m, 0, 0x160000 - 8, WRITE, 8)
    m.asm("int 0x40", limit=1)
    assert m.fault.vector == DB and m.fault.rip == HANDLERS + 0x400 and hits(m) == 1


def test_the_frame_of_db_itself_does_not_stop_again(m):
    m.gate(DB)                                              # no stack of its own
    m.set_stack(0x160000)
    arm(m, 0, 0x160000 - 8, WRITE, 8)
    arm(m, 1, DATA, WRITE)
    m.asm("mov [rdi], al; nop", limit=1, rdi=DATA)
    assert stopped(m)[::2] == (CODE + 2, 2) and m["rsp"] == 0x160000 - 40


# Ports (SDM vol. 3, 18.2.4)

@pytest.mark.parametrize("text, size", [("in al, 0x80", 1), ("in ax, 0x80", 2), ("in eax, 0x80", 4), ("out 0x80, al", 1), ("out 0x80, eax", 4),
                                        ("mov edx, 0x80; out dx, ax", 2), ("mov edx, 0x80; insb", 1), ("mov edx, 0x80; outsd", 4)])
def test_ports_with_debug_extensions(m, text, size):
    for address, wide in ((0x80, 1), (0x81, 1), (0x83, 1), (0x84, 4), (0x7F, 1), (0x80, 4), (0x82, 2), (0x83, 2)):
        first = address & -wide
        arm(m, 3, address, PORT, wide)
        m.engine.set("cr4", m.engine.get("cr4") | 8)
        m.asm(text + "; nop", limit=length(text) and text.count(";") + 1, rdi=DATA, rsi=DATA)
        assert stopped(m) == ((CODE + length(text), 2, 8) if first < 0x80 + size and first + wide > 0x80 else None), (address, wide)
        m.reset()
        m.engine.set("cr4", m.engine.get("cr4") & ~8)
        m.asm(text + "; nop", limit=text.count(";") + 2, rdi=DATA, rsi=DATA)
        assert m.fault is None and hits(m) == 0


def test_a_repeated_port_instruction(m):
    m.engine.set("cr4", m.engine.get("cr4") | 8)
    arm(m, 0, 0x80, PORT)
    m.asm("rep outsb", limit=1, rcx=3, rsi=DATA, rdx=0x80)
    assert stopped(m) == (CODE, 2 | RF, 1) and m["rcx"] == 2


# Several at once, and what comes first (SDM vol. 3, 6.9)

def test_a_step_and_a_breakpoint_are_one_trap(m):
    arm(m, 2, DATA, WRITE)
    m.asm("mov [rdi], al; nop", limit=1, rdi=DATA, rflags=2 | TF)
    assert stopped(m) == (CODE + 2, 2 | TF, BS | 4)
    m.engine.run(0)
    assert m["rip"] == HANDLER and m.words(1) == [CODE + 2]


def test_dr6_gathers_until_cleared(m):
    arm(m, 0, DATA, WRITE)
    m.engine.set("dr", 0xFFFF2FF2, 6)
    m.asm("mov [rdi], al", limit=1, rdi=DATA)
    assert m.engine.get("dr", 6) == 0xFFFF2FF3


def test_the_trap_of_one_instruction_comes_before_the_fault_of_the_next(m):
    arm(m, 0, DATA, WRITE)
    arm(m, 1, CODE + 2, EXECUTE)
    m.place("iretq", HANDLER)
    m.asm("mov [rdi], al; nop", limit=1, rdi=DATA)
    assert m["rip"] == HANDLER and hits(m) == 1
    m.step(1)
    assert m["rip"] == CODE + 2
    m.step(1)
    assert m["rip"] == HANDLER and m.words(1) == [CODE + 2] and hits(m) == 2


def test_a_trap_comes_before_an_interrupt_which_comes_before_a_fault(m):
    m.bus.controller = Controller()
    m.gate(0x50)
    arm(m, 0, DATA, WRITE)
    arm(m, 1, CODE + 2, EXECUTE)
    m.place("iretq", HANDLER)
    m.asm("mov [rdi], al; nop", limit=0, rdi=DATA, rflags=2 | IF)
    m.engine.run(1)
    m.engine.set_interrupt_line(True)
    assert m["rip"] == HANDLER and hits(m) == 1 and m.bus.controller.taken == 0
    m.engine.run(1)
    m.engine.run(1)
    assert m.words(1) == [CODE + 2] and m.bus.controller.taken == 1 and hits(m) == 0


def test_a_breakpoint_comes_before_the_fetch_and_it_before_decoding(engine_class):
    m = SystemMachine(engine_class, unmapped=[0x30])
    arm(m, 0, 0x30000, EXECUTE)
    m.asm("jmp rax", limit=2, rax=0x30000)
    assert m.fault.vector == DB and m.fault.rip == 0x30000
    arm(m, 0, CODE, EXECUTE)
    m.reset()
    m.asm("ud2", limit=1)
    assert m.fault.vector == DB


def test_a_load_of_ss_puts_traps_off_and_hides_the_next_instruction(m):
    """6.8.3: what the load met, and a breakpoint on what follows it, wait until that has been run."""
    m.memory.write(DATA, DATA_SELECTOR.to_bytes(2, "little"))
    arm(m, 0, DATA, ACCESS, 2)
    arm(m, 1, CODE + 2, EXECUTE)
    arm(m, 2, DATA + 0x10, WRITE)
    m.asm("mov ss, [rdi]; mov [rdi + 0x10], al; nop", limit=1, rdi=DATA)
    assert m["rip"] == CODE + 2 and m.fault is None
    saved = m.engine.state()
    for _ in range(2):
        m.step(1)
        assert stopped(m) == (CODE + 5, 2, 5)
        m.engine.load_state(saved)


def test_what_a_load_of_ss_met_outlives_a_fault_of_the_next(m):
    m.memory.write(DATA, DATA_SELECTOR.to_bytes(2, "little"))
    arm(m, 0, DATA, ACCESS, 2)
    m.asm("mov ss, [rdi]; ud2", limit=2, rdi=DATA)
    assert m.fault.vector == DB and m.fault.rip == HANDLERS + UD * 16 and hits(m) == 1


def test_a_step_over_hlt_wakes(m):
    m.asm("hlt; nop", limit=1, rflags=2 | TF)
    assert stopped(m) == (CODE + 1, 2 | TF, BS) and not m.engine.get("halted")


# General detect (SDM vol. 3, 18.2.4)

def test_general_detect_is_a_fault_and_lets_the_handler_work(m):
    m.place("mov rax, dr6; mov rbx, dr7; hlt", HANDLER)
    m.asm("mov dr7, rax; mov dr0, rax", limit=20, rax=0x2400)
    assert m["rax"] & BD and not m["rbx"] & 0x2000
    assert m.words(3)[::2] == [CODE + 3, 2 | RF]


def test_int_1_is_not_a_debug_exception(m):
    m.engine.set("dr", 0x2400, 7)
    m.asm("int 1", limit=1)
    assert m.engine.get("dr", 7) & 0x2000
    m.reset()
    m.run("f1", limit=1)
    assert not m.engine.get("dr", 7) & 0x2000


# Task switches (SDM vol. 3, 18.2.4 and 18.3.1.5)

@pytest.fixture
def tasks(engine_class):
    machine = SystemMachine(engine_class, bits=32, cpl=0)
    machine.descriptor(OLD, segment(BUSY, 0, base=TSS, limit=0x67))
    machine.descriptor(NEW, segment(AVAILABLE, 0, base=TSS2, limit=0x67))
    machine.memory.write(TSS2, task_state())
    machine.memory.write(TARGET, b"\x90" * 16)
    return machine


def test_a_task_switch_drops_local_breakpoints(tasks):
    tasks.engine.set("dr", TARGET, 0), tasks.engine.set("dr", TARGET, 1)
    tasks.engine.set("dr", 0x700 | 1 | 8, 7)
    tasks.asm(JMP, limit=2, rbx=tasks.far_pointer(NEW, 0))
    assert tasks.fault.vector == DB and hits(tasks) == 2 and tasks.engine.get("dr", 7) == 0x600 | 8


def test_the_trap_bit_of_a_task_state(tasks):
    tasks.memory.write(TSS2 + 100, b"\1")
    tasks.asm(JMP, limit=1, rbx=tasks.far_pointer(NEW, 0))
    assert tasks.fault.vector == DB and tasks.fault.rip == TARGET and hits(tasks) == BT


def test_rf_of_a_task_state(tasks):
    tasks.memory.write(TSS2, task_state(flags=2 | RF))
    tasks.engine.set("dr", TARGET, 0), tasks.engine.set("dr", 0x402, 7)
    tasks.asm(JMP, limit=2, rbx=tasks.far_pointer(NEW, 0))
    assert tasks.fault is None and tasks["rip"] == TARGET + 1 and tasks["rflags"] == 2


def test_a_fault_through_a_task_gate_keeps_rf_in_the_task_state(tasks):
    tasks.gate(GP, selector=NEW, kind=5, target=0)
    tasks.asm("mov ds, cx", limit=1, rcx=0x300)
    assert tasks["rip"] == TARGET and tasks.memory.read_int(TSS + 36, 4) & RF and not tasks["rflags"] & RF


# The engines

def test_a_state_with_breakpoints_goes_on_where_it_was_taken(m):
    m.asm("mov [rdi], al; inc ecx; mov [rdi], al", limit=1, rdi=DATA, rcx=0)
    arm(m, 0, CODE + 2, EXECUTE)
    arm(m, 1, DATA, WRITE)
    saved = m.engine.state()
    m.engine.set("dr", 0, 7)
    m.engine.run(2)
    assert m["rcx"] == 1
    m.engine.load_state(saved)
    m.step(2)
    assert m["rcx"] == 0 and stopped(m)[::2] == (CODE + 2, 1)


PIECES = ("inc eax", "mov [rdi + 8], eax", "mov ebx, [rdi + 12]", "add [rdi + 16], ebx", "push rax; pop rbx", "call there; there: pop rsi", "cmp eax, [rdi + 8]; jz there; nop; there: nop",
          "mov esi, 0x100100; mov edi, 0x100000; mov ecx, 9; .byte 0xf3, 0xa5; mov edi, 0x100000", "mov ecx, 13; rep stosb; mov edi, 0x100000", "in al, 0x80",
          "mov dx, ss; mov ss, dx; inc ebx", "pushfq; popfq", "cpuid", "xchg [rdi + 4], eax", "movups xmm0, [rdi + 10]; movups [rdi + 30], xmm0",
          "pushfq; or dword ptr [rsp], 0x100; popfq; nop", "pushfq; and dword ptr [rsp], 0xfffffeff; popfq", "sidt [rdi + 20]", "nop")


@pytest.mark.skipif(len(ENGINES) < 2, reason="needs both engines: make build")
@pytest.mark.parametrize("seed", range(40))
def test_both_engines_the_same(seed):
    """Random code under random breakpoints, in slices of random length: the same state at each stop."""
    r = random.Random(seed)
    code = b"".join(assemble(r.choice(PIECES)) for _ in range(30)) + b"\xEB\xFE"
    arms = [(r.choice((CODE + r.randrange(len(code)), DATA + r.randrange(64), 0x80, 0x160000 - r.randrange(64))), r.randrange(4),
             r.choice((1, 2, 4, 8)), r.randrange(3)) for _ in range(4)]
    slices = [r.choice((1, 2, 3, 7, 30, 100)) for _ in range(25)]
    machines = []
    for engine in ENGINES.values():
        m = SystemMachine(engine)
        m.place(RESUMING, HANDLER)
        m.engine.set("cr4", m.engine.get("cr4") | 8)
        m.set_stack(0x160000)
        m.engine.set("gpr", DATA, 7)
        m.memory.write(CODE, code)
        m.engine.set("rip", CODE)
        machines.append(m)
    for n, limit in enumerate(slices):
        for m in machines:
            if n == 3:
                for k, (address, kind, wide, enable) in enumerate(arms):
                    arm(m, k, address, kind if kind or wide == 1 else WRITE, wide, enable)
            elif n == 20:
                m.engine.set("dr", 0, 7)
            m.engine.run(limit)
        first, second = (m.engine.state() for m in machines)
        assert {k: (v, second[k]) for k, v in first.items() if v != second[k] and k != "mxcsr"} == {}, n
        assert machines[0].memory.buffer[:] == machines[1].memory.buffer[:]
