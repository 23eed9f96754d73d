"""Faults while delivering faults: serial delivery, double fault, triple fault (APM vol. 2, 8.2.9; SDM vol. 3, table 6-5)."""

import pytest

from emu.engines.engine import StopReason
from tests.flat import CODE, IDT
from tests.system.machine import DE, DF, GP, KERNEL_STACK, NP, PF, SS, TS, UD, SystemMachine

CONTRIBUTORY = (DE, TS, NP, SS, GP)
BENIGN = (1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19)


@pytest.fixture
def m(engine_class):
    return SystemMachine(engine_class)


def test_the_table_of_combinations():
    from emu.cpu.cpu import Cpu
    cpu = Cpu()

    def combine(first, second):
        cpu.event = 1 << 31 | (0x20 if first == 0xFF else 3 << 8 | first)
        return cpu.combine_faults(second)
    for second in CONTRIBUTORY:
        assert all(combine(first, second) == DF for first in (*CONTRIBUTORY, PF))
        assert all(combine(first, second) == second for first in (*BENIGN, 0xFF))
        assert combine(DF, second) == 0x100
    assert all(combine(first, PF) == PF for first in (*BENIGN, *CONTRIBUTORY, 0xFF))
    assert combine(PF, PF) == DF and combine(DF, PF) == 0x100
    for second in BENIGN:
        assert all(combine(first, second) == second for first in (*BENIGN, *CONTRIBUTORY, PF, DF, 0xFF))


def test_contributory_in_contributory(m):
    m.gate(GP, present=0)
    m.asm("mov ds, ax", rax=0x300)
    assert m.faulted() == (DF, 0) and m.fault.rip == CODE


def test_contributory_in_page_fault(m):
    m.gate(PF, present=0)
    m.asm("mov eax, [rbx]", rbx=0x300000)
    assert m.faulted() == (DF, 0) and m.engine.get("cr2") == 0x300000


def test_page_fault_in_contributory_is_delivered_on_its_own(m):
    m.page(0x150000, flags=0)
    m.memory.write(0x1E9000 + 0x2C, (0x151000).to_bytes(8, "little"))       # IST2
    m.gate(GP, ist=2)
    m.asm("mov ds, ax", rax=0x300)
    assert m.faulted() == (PF, 2) and m.fault.rip == CODE and m.engine.get("cr2") == 0x151000 - 8


def test_page_fault_in_page_fault(m):
    m.page(0x150000, flags=0)
    m.memory.write(0x1E9000 + 0x2C, (0x151000).to_bytes(8, "little"))
    m.gate(PF, ist=2)
    m.asm("mov eax, [rbx]", rbx=0x300000)
    assert m.faulted() == (DF, 0) and m.engine.get("cr2") == 0x151000 - 8


def test_contributory_in_benign_is_delivered_on_its_own(m):
    m.gate(UD, present=0)
    m.asm("ud2")
    assert m.faulted() == (NP, UD * 8 + 3)


def test_benign_then_contributory_then_contributory(m):
    m.gate(UD, present=0), m.gate(NP, present=0)
    m.asm("ud2")
    assert m.faulted() == (DF, 0)


def test_triple_fault(m):
    m.gate(GP, present=0), m.gate(DF, present=0)
    stop = m.run("8e d8", limit=5, rax=0x300)
    assert stop.reason is StopReason.SHUTDOWN and "triple fault" in stop.detail
    assert m.engine.run(5).reason is StopReason.SHUTDOWN


def test_no_idt_at_all(m):
    m.engine.set("idtr_limit", 0)
    assert m.run("0f 0b", limit=5).reason is StopReason.SHUTDOWN


def test_an_idt_that_is_not_mapped(m):
    m.page(IDT, flags=0)
    assert m.run("0f 0b", limit=5).reason is StopReason.SHUTDOWN
    assert m.engine.get("cr2") == IDT + DF * 16


def test_a_ring_3_program_without_a_kernel_stack(engine_class):
    m = SystemMachine(engine_class, cpl=3)
    m.page(KERNEL_STACK - 0x1000, flags=0)
    m.gate(PF), m.gate(DF, ist=1)
    m.asm("mov eax, [rbx]", rbx=0x300000)
    assert m.faulted() == (DF, 0)


def test_software_interrupts_are_ordinary_instructions_that_fault(m):
    m.gate(0x40, present=0), m.gate(NP, present=0)
    m.asm("int 0x40")
    assert m.faulted() == (DF, 0) and m.fault.rip == CODE
