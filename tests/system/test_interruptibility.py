"""When interrupts are taken: IF, the shadows of STI and MOV SS, HLT, NMI and what blocks it, repeated strings (APM vol. 2, 8.2, 8.5)."""

import pytest

from emu.devices.device import Device
from emu.engines.engine import StopReason
from tests.flat import CODE, DATA_SELECTOR, HANDLERS
from tests.system.machine import DB, NMI, SystemMachine

VECTOR = 0x50
HANDLER = HANDLERS + VECTOR * 16
IF = 0x202


class Controller:
    """An interrupt controller that always has vector 0x50."""

    def __init__(self):
        self.taken = 0
        self.priority = 0

    def acknowledge(self):
        self.taken += 1
        return VECTOR

    def msr_read(self, index):
        return 0xFEE00900 if index == 0x1B else None

    def msr_write(self, index, value):
        return index == 0x6E0

    def tpr_read(self):
        return self.priority

    def tpr_write(self, value):
        self.priority = value


@pytest.fixture
def m(engine_class):
    machine = SystemMachine(engine_class)
    machine.bus.controller = Controller()
    machine.gate(VECTOR)
    return machine


def run(m, text, limit, flags=2, **registers):
    """Run `limit` instructions with the line raised from the beginning."""
    m.engine.set_interrupt_line(True)
    m.asm(text, limit=limit, rflags=flags, **registers)


def test_an_open_line_is_taken_before_the_next_instruction(m):
    run(m, "nop", 1, IF)
    assert m.words(2)[0] == CODE and m.bus.controller.taken == 1


def test_a_closed_one_is_not(m):
    run(m, "nop; nop", 2)
    assert m["rip"] == CODE + 2 and m.bus.controller.taken == 0


def test_sti_opens_after_one_more_instruction(m):
    run(m, "sti; inc eax; inc eax", 3, rax=0)
    assert m.words(1) == [CODE + 3] and m["rax"] == 1


def test_sti_when_already_open_makes_no_shadow(m):
    m.asm("sti", limit=1, rflags=IF)
    m.engine.set_interrupt_line(True)
    m.engine.run(1)
    assert m.words(1) == [CODE + 1]


def test_sti_cli_lets_nothing_in(m):
    run(m, "sti; cli; nop", 3)
    assert m["rip"] == CODE + 3 and m.bus.controller.taken == 0


def test_sti_sti_makes_one_shadow(m):
    run(m, "sti; sti; nop", 3)
    assert m.words(1) == [CODE + 2]


@pytest.mark.parametrize("text", ["mov ss, bx", ".byte 0x0f, 0xb2, 0x21"], ids=["mov", "lss"])     # lss esp, [rcx]
def test_loads_of_ss_keep_the_next_instruction_whole(m, text):
    m.far_pointer(DATA_SELECTOR, 0x170000)
    m.asm(text + "; mov esp, 0x160000; nop", limit=1, rflags=IF, rbx=DATA_SELECTOR, rcx=0x100000)
    m.engine.set_interrupt_line(True)
    m.engine.run(2)
    assert m.words(5)[3] == 0x160000


def test_popf_opens_at_once(m):
    m.memory.write(0x170000, IF.to_bytes(8, "little"))
    m.set_stack(0x170000)
    run(m, "popfq; nop", 2)
    assert m.words(1) == [CODE + 1]


def test_hlt_waits_and_saves_the_next_rip(m):
    m.asm("hlt; nop", limit=10, rflags=IF)
    assert m.stop.reason is StopReason.HALT and m["rip"] == CODE + 1
    assert m.engine.run(10).reason is StopReason.HALT
    m.engine.set_interrupt_line(True)
    m.engine.run(1)
    assert m.words(1) == [CODE + 1]


def test_hlt_with_interrupts_closed_wakes_for_nmi_only(m):
    m.engine.set_interrupt_line(True)
    m.asm("hlt; nop", limit=10, rflags=2)
    assert m.stop.reason is StopReason.HALT
    m.engine.raise_nmi()
    m.engine.run(1)
    assert m.words(1) == [CODE + 1] and m["rip"] & ~15 == HANDLERS + NMI * 16


def test_sti_hlt_is_not_interrupted_between(m):
    run(m, "sti; hlt; nop", 10)
    assert m.words(1) == [CODE + 2]


def test_nmi_is_blocked_until_iret(m):
    m.engine.raise_nmi()
    m.memory.write(HANDLERS + NMI * 16, b"\x90\x90\x48\xCF")            # nop; nop; iretq
    m.asm("nop", limit=1)
    assert m["rip"] == HANDLERS + NMI * 16 + 1
    m.engine.raise_nmi()
    m.engine.run(1)
    assert m["rip"] == HANDLERS + NMI * 16 + 2
    m.engine.run(1)                                                     # IRET, then the second NMI at once
    assert m["rip"] == CODE
    m.engine.run(1)
    assert m["rip"] == HANDLERS + NMI * 16 + 1


def test_nmi_ignores_if_and_comes_before_intr(m):
    m.engine.raise_nmi()
    run(m, "nop", 0, IF)
    m.engine.run(1)
    assert m["rip"] & ~15 == HANDLERS + NMI * 16 and m.bus.controller.taken == 0


class Alarm(Device):
    """Raises the interrupt line when its port is written."""

    name = "alarm"
    ports = [range(0x80, 0x81)]

    def __init__(self, machine):
        self.machine = machine
        self.values = []

    def write_port(self, port, width, value):
        self.values.append(value)
        if len(self.values) == 3:
            self.machine.engine.set_interrupt_line(True)

    def read_port(self, port, width):
        return len(self.values)


def test_a_repeated_instruction_is_interrupted_between_iterations(m):
    m.bus.attach(Alarm(m))
    m.memory.write(0x100000, b"abcdef")
    m.asm("rep outsb", limit=4, rflags=IF, rcx=6, rsi=0x100000, rdx=0x80)
    assert m.bus.devices[0].values == list(b"abc")
    assert m["rcx"] == 3 and m["rsi"] == 0x100003 and m.words(1) == [CODE]


def test_cr8_is_the_controllers(m):
    m.asm("mov cr8, rax; mov rbx, cr8", rax=9)
    assert m.bus.controller.priority == 9 and m["rbx"] == 9


def test_single_step_waits_for_the_instruction_after_a_load_of_ss(m):
    m.asm("mov ss, bx; inc eax; inc eax", limit=2, rbx=DATA_SELECTOR, rflags=0x102)
    assert m["rip"] == HANDLERS + DB * 16 and m.words(1) == [CODE + 5]


def test_software_interrupts_and_masked_syscalls_are_not_stepped_into(m):
    m.gate(0x40)
    m.asm("int 0x40", limit=1, rflags=0x102)
    assert m["rip"] == HANDLERS + 0x40 * 16 and m.words(3)[2] == 0x102 and not m.engine.get("dr", 6) & 0x4000
    m.reset()
    m.engine.set("lstar", 0x20000), m.engine.set("sfmask", 0x100), m.engine.set("star", 8 << 32)
    m.asm("syscall", limit=1, rflags=0x102)
    assert m["rip"] == 0x20000
    m.reset()
    m.engine.set("sfmask", 0)
    m.asm("syscall", limit=1, rflags=0x102)
    assert m["rip"] == HANDLERS + DB * 16 and m.words(1) == [0x20000]


def test_single_step_traps_after_each_instruction(m):
    m.asm("inc eax; inc eax", limit=1, rax=0, rflags=0x102)
    m.engine.run(0)
    assert m["rax"] == 1
    m.step(1)
    assert m.words(1) == [CODE + 2] and m.engine.get("dr", 6) & 0x4000
