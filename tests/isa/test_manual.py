"""Integer instructions where Unicorn isn't what the manual says, or can't be asked: privilege, LOCK, canonical targets."""

from __future__ import annotations

import pytest

from emu.isa.language import AC, CF, ID, IF, IOPL, NT, OF, RF, SF, VIF, VIP, VM, ZF
from tests.flat import CODE, DATA, STACK, FlatMachine

DE, UD, SS_FAULT, GP, PF = 0, 6, 12, 13, 14


@pytest.fixture
def long_mode(engine_class):
    return FlatMachine(engine_class)


@pytest.fixture
def protected_mode(engine_class):
    return FlatMachine(engine_class, bits=32)


def run_one(machine, code, **registers):
    machine.run(code, 1, **registers)
    return machine


@pytest.mark.parametrize("code", ("f0 48 0f ba e8 01", "f0 0f ab c1", "f0 0f a3 c1", "f0 0f a3 03", "f0 0f b3 c1", "f0 0f bb c1", "f0 01 d8", "f0 02 03",
                                  "f0 39 03", "f0 89 03", "f0 90", "f0 0f c1 c3", "f0 d1 20", "f0 f3 a4", "f0 a4", "f0 84 03"))
def test_lock_is_undefined_elsewhere(long_mode, code):
    """LOCK with a register destination, or with an instruction that isn't listed (APM vol. 3, 1.2.5)."""
    assert run_one(long_mode, code, rax=DATA, rbx=DATA).fault.vector == UD


@pytest.mark.parametrize("code", ("f0 01 03", "f0 0f ab 03", "f0 0f ba 2b 01", "f0 0f c1 03", "f0 0f b1 03", "f0 0f c7 0b",
                                  "f0 48 0f c7 0b", "f0 86 03", "f0 f6 13", "f0 f6 1b", "f0 fe 03", "f0 80 03 01"))
def test_lock_is_allowed(long_mode, code):
    """The instructions that LOCK may precede, writing memory."""
    assert run_one(long_mode, code, rbx=DATA).fault is None


def test_lahf_ignores_rex(long_mode):
    """AH, not SPL, with a REX prefix."""
    run_one(long_mode, "40 9f", rax=0, rsp=STACK, rflags=2 | ZF | CF)
    assert long_mode["rax"] == 0x4300 and long_mode["rsp"] == STACK
    run_one(long_mode, "48 9e", rax=0x8000, rflags=2 | OF | CF)
    assert long_mode["rflags"] == 2 | OF | SF


@pytest.mark.parametrize("code", ("0f 18 c0", "0f 18 db", "0f 19 00", "66 0f 1f 44 00 00", "f3 0f 1e fa", "0f 1f c0",
                                  "0f 18 08", "0f 0d 38"))
def test_hints_do_nothing(long_mode, code):
    """Hint NOPs and prefetches accept any operand and access nothing."""
    run_one(long_mode, code, rax=1 << 62)
    assert long_mode.fault is None and long_mode["rip"] == CODE + len(bytes.fromhex(code.replace(" ", "")))


@pytest.mark.parametrize("code", ("0f 0b", "0f b9 c0", "0f b9 00", "0f ff c0", "f2 0f 38 f0 c0", "f3 0f 38 f0 00", "66 0f c3 00",
                                  "06", "27", "60", "d4 0a", "82 c0 01", "40 0f 0b"))
def test_undefined(long_mode, code):
    """#UD: UD0 to UD2, and what 64-bit mode doesn't have."""
    assert run_one(long_mode, code, rax=DATA).fault.vector == UD


@pytest.mark.parametrize("code", ("f6 c8 80", "f6 0b 80", "f7 c8 80 00 00 00"))
def test_test_alias(long_mode, code):
    """F6 /1 and F7 /1 are TEST."""
    long_mode.memory.write(DATA, b"\xF0")
    run_one(long_mode, code, rax=0xF0, rbx=DATA)
    assert long_mode.fault is None and not long_mode["rflags"] & ZF


def test_clflush_faults_as_a_load(engine_class):
    """#PF where there is no page, nothing where there is."""
    machine = FlatMachine(engine_class, unmapped={DATA >> 12})
    assert run_one(machine, "0f ae 38", rax=DATA).fault.vector == PF
    assert run_one(machine, "0f ae 38", rax=DATA + 0x1000).fault is None


def test_enter_checks_its_frame(engine_class):
    """#PF when the final stack pointer's page can't be written; nothing has changed then."""
    machine = FlatMachine(engine_class, unmapped={(STACK >> 12) - 2})
    run_one(machine, "c8 00 10 00", rsp=STACK, rbp=5)
    assert machine.fault.vector == PF and machine["rbp"] == 5
    run_one(machine, "c8 f8 0f 00", rsp=STACK, rbp=5)
    assert machine.fault is None and machine["rbp"] == STACK - 8 and machine["rsp"] == STACK - 0x1000


def test_return_immediate_is_unsigned(long_mode):
    """RET FFF0h moves the stack pointer up."""
    long_mode.memory.write(STACK - 0x20000, CODE.to_bytes(8, "little"))
    run_one(long_mode, "c2 f0 ff", rsp=STACK - 0x20000)
    assert long_mode["rsp"] == STACK - 0x20000 + 8 + 0xFFF0


def test_cmpxchg_writes_one_register(long_mode):
    """32-bit forms leave the upper half of the register that isn't written."""
    run_one(long_mode, "0f b1 cb", rax=5 | 1 << 40, rbx=5 | 1 << 41, rcx=7)
    assert (long_mode["rax"], long_mode["rbx"]) == (5 | 1 << 40, 7)
    run_one(long_mode, "0f b1 cb", rax=4 | 1 << 40, rbx=5 | 1 << 41, rcx=7)
    assert (long_mode["rax"], long_mode["rbx"]) == (5, 5 | 1 << 41)


@pytest.mark.parametrize("code", ("ff e0", "ff d0", "c3"))
def test_branch_to_non_canonical(long_mode, code):
    """#GP(0) at the branch, with nothing pushed or popped."""
    target = 1 << 47
    long_mode.memory.write(STACK, target.to_bytes(8, "little"))
    run_one(long_mode, code, rax=target, rsp=STACK)
    assert (long_mode.fault.vector, long_mode.fault.error, long_mode.fault.rip) == (GP, 0, CODE)


def test_non_canonical_data(long_mode):
    """#GP(0), #SS(0) with a stack register as base."""
    assert run_one(long_mode, "8b 03", rbx=1 << 47).fault.vector == GP
    assert run_one(long_mode, "8b 45 00", rbp=1 << 63).fault.vector == SS_FAULT
    assert run_one(long_mode, "50", rsp=1 << 63).fault.vector == SS_FAULT


def test_code_segment_is_not_writable(protected_mode):
    """MOV CS:[..] is #GP(0)."""
    assert run_one(protected_mode, "2e 89 03", rbx=DATA).fault.vector == GP
    assert run_one(protected_mode, "2e 8b 03", rbx=DATA).fault is None


def test_cmpxchg16b_alignment(long_mode):
    """#GP(0) off a multiple of 16, also where the first half would be readable."""
    assert run_one(long_mode, "48 0f c7 0b", rbx=DATA + 8).fault.vector == GP
    assert run_one(long_mode, "48 0f c7 0b", rbx=DATA + 16).fault is None


@pytest.mark.parametrize("code, registers", (
    ("f6 f1", {"rax": 0x100, "rcx": 1}), ("f7 f1", {"rdx": 1, "rcx": 1}), ("48 f7 f1", {"rdx": 5, "rcx": 5}),
    ("f6 f9", {"rax": 0x80, "rcx": 1}), ("48 f7 f9", {"rax": 1 << 63, "rdx": (1 << 64) - 1, "rcx": (1 << 64) - 1}),
    ("48 f7 f9", {"rax": 0, "rdx": 1 << 63, "rcx": (1 << 64) - 1}), ("f7 f9", {"rcx": 0}), ("48 f7 f1", {"rcx": 0})))
def test_divide_error(long_mode, code, registers):
    """A zero divisor and quotients that don't fit."""
    registers = {name: registers.get(name, 0) for name in ("rax", "rcx", "rdx")}
    assert run_one(long_mode, code, **registers).fault.vector == DE
    assert {name: long_mode[name] for name in registers} == registers


def test_idiv_extremes(long_mode):
    """The most negative quotient that fits; the remainder has the dividend's sign."""
    run_one(long_mode, "48 f7 f9", rax=1 << 63, rdx=(1 << 64) - 1, rcx=1)
    assert long_mode.fault is None and (long_mode["rax"], long_mode["rdx"]) == (1 << 63, 0)
    run_one(long_mode, "f7 f9", rax=(-7) & 0xFFFFFFFF, rdx=0xFFFFFFFF, rcx=2)
    assert (long_mode["rax"], long_mode["rdx"]) == (0xFFFFFFFD, 0xFFFFFFFF)


@pytest.mark.parametrize("cpl, iopl, changes", ((0, 0, IOPL | IF), (3, 0, 0), (3, 3, IF)))
def test_popf_privilege(engine_class, cpl, iopl, changes):
    """IOPL changes at CPL 0 only, IF at CPL <= IOPL; VM, VIF, VIP never; RF is cleared (APM vol. 3, POPF)."""
    machine = FlatMachine(engine_class, cpl=cpl)
    start = 2 | iopl << 12
    wanted = ID | AC | NT | OF | CF | IOPL ^ iopl << 12 | IF | VM | VIF | VIP | RF | 2
    machine.memory.write(STACK, wanted.to_bytes(8, "little"))
    run_one(machine, "9d", rsp=STACK, rflags=start)
    assert machine.fault is None
    assert machine["rflags"] == start ^ (ID | AC | NT | OF | CF | changes)


def test_pushf_hides_rf_and_vm(long_mode):
    """The pushed image has RF and VM clear."""
    run_one(long_mode, "9c", rsp=STACK, rflags=2 | RF | ID | CF)
    assert int.from_bytes(long_mode.memory.read(STACK - 8, 8), "little") == 2 | ID | CF


def test_pop_to_memory_counts_with_the_new_stack_pointer(long_mode):
    """POP [RSP]: the address after the increment; a fault leaves RSP."""
    long_mode.memory.write(STACK, (0x1122).to_bytes(8, "little") + bytes(8))
    run_one(long_mode, "8f 04 24", rsp=STACK)
    assert long_mode["rsp"] == STACK + 8 and long_mode.memory.read(STACK + 8, 2) == b"\x22\x11"
    run_one(long_mode, "8f 00", rsp=STACK, rax=1 << 40)
    assert long_mode.fault.vector == PF
    frame_rsp = int.from_bytes(long_mode.memory.read(long_mode["rsp"] + 32, 8), "little")
    assert frame_rsp == STACK


def test_salc(engine_class):
    """AL = FF or 0 by CF, flags as they were; invalid in 64-bit mode (APM vol. 3, B.3)."""
    m = FlatMachine(engine_class, bits=32)
    for flags, expected in ((2, 0), (0x8D7, 0xFF)):
        m.run("d6", rax=0x12345678, rflags=flags)
        assert m["rax"] == 0x12345600 | expected and m["rflags"] == flags
    m = FlatMachine(engine_class)
    m.run("d6")
    assert m.fault.vector == 6
