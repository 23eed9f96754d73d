"""What is easily forgotten beside the main effect: accessed bits of every transfer, privilege of well-formed operands, real mode."""

import struct

import pytest

from tests.flat import CODE, CODE_SELECTOR, TABLES
from tests.system.machine import GP, PF, SystemMachine, assemble, call_gate, code32, code64, data, segment
from tests.system.test_ports import PORT, machine

TARGET, ACCESSED = 0x20000, 1 << 40
JMP, CALL = ".byte 0xff, 0x2b", ".byte 0xff, 0x1b"


def is_accessed(m, *selectors):
    return [bool(m.read_descriptor(selector) & ACCESSED) for selector in selectors]


@pytest.mark.parametrize("cpl, gate_dpl, text", [(0, None, JMP), (0, None, CALL), (0, 0, JMP), (0, 0, CALL), (3, 3, CALL)])
def test_far_transfers_mark_code_segments(engine_class, cpl, gate_dpl, text):
    m = SystemMachine(engine_class, cpl=cpl)
    m.memory.write(TARGET, b"\x90")
    m.descriptor(0x40, code64())
    if gate_dpl is not None:
        m.descriptor(0x50, *call_gate(0x40, TARGET, dpl=gate_dpl))
    m.asm(text, limit=1, rbx=m.far_pointer(0x40 if gate_dpl is None else 0x50 | cpl, TARGET))
    assert m["rip"] == TARGET and is_accessed(m, 0x40) == [True]


@pytest.mark.parametrize("code, count", [("48 cf", 5), ("48 cb", 4)])
def test_returns_mark_code_and_stack(engine_class, code, count):
    m = SystemMachine(engine_class)
    m.descriptor(0x40, code64(3)), m.descriptor(0x48, data(3))
    words = (TARGET, 0x43, 2, 0x160000, 0x4B) if count == 5 else (TARGET, 0x43, 0x160000, 0x4B)
    m.memory.write(0x170000, struct.pack(f"<{count}Q", *words))
    m.set_stack(0x170000)
    m.run(code, limit=1)
    assert m["rip"] == TARGET and is_accessed(m, 0x40, 0x48) == [True, True]


def test_ss_and_same_level_returns_mark_theirs(engine_class):
    m = SystemMachine(engine_class)
    m.descriptor(0x40, code64()), m.descriptor(0x48, data())
    m.memory.write(0x170000, struct.pack("<2Q", TARGET, 0x40))
    m.asm("mov ss, ax", rax=0x48)
    m.set_stack(0x170000)
    m.run("48 cb", limit=1)
    assert m["rip"] == TARGET and is_accessed(m, 0x40, 0x48) == [True, True]


def test_protected_mode_gates_mark_code_and_stack(engine_class):
    m = SystemMachine(engine_class, bits=32, cpl=3)
    m.descriptor(0x40, code32()), m.descriptor(0x48, data())
    m.gate(0x50, selector=0x40, dpl=3)
    m.memory.write(0x1E9004, struct.pack("<II", 0x170000, 0x48))
    m.asm("int 0x50", limit=1)
    assert m.segment(2) == 0x48 and is_accessed(m, 0x40, 0x48) == [True, True]


def test_a_far_return_checks_its_target(engine_class):
    m = SystemMachine(engine_class)
    m.memory.write(0x170000, struct.pack("<2Q", 1 << 47, CODE_SELECTOR))
    m.set_stack(0x170000)
    m.run("48 cb", limit=1)
    assert m.faulted() == (GP, 0) and m.fault.rip == CODE


def test_a_jump_through_a_gate_checks_its_target(engine_class):
    m = SystemMachine(engine_class)
    m.descriptor(0x40, *call_gate(CODE_SELECTOR, 1 << 47))
    m.asm(JMP, limit=1, rbx=m.far_pointer(0x40, 0))
    assert m.faulted() == (GP, 0) and m.fault.rip == CODE


def test_a_far_call_checks_its_target_before_it_pushes(engine_class):
    m = SystemMachine(engine_class)
    m.far_pointer(CODE_SELECTOR, 1 << 47, size=8)
    m.run("48 ff 1b", limit=1, rbx=0x100000)
    assert m.faulted() == (GP, 0) and m.fault.rip == CODE


@pytest.mark.parametrize("text, registers", [
    ("rdmsr", dict(rcx=0xC0000082)), ("wrmsr", dict(rcx=0xC0000082, rax=0, rdx=0)), ("lldt ax", dict(rax=0)),
    ("ltr ax", dict(rax=0x40)), ("lgdt [rsi]", {}), (".byte 0x66, 0x0f, 0x38, 0x82, 0x06", dict(rax=2))])
def test_ring_3_may_not_even_with_good_operands(engine_class, text, registers):
    m = SystemMachine(engine_class, cpl=3)
    m.descriptor(0x40, segment(0x89, 0, limit=0x67), 0)
    m.asm(text, rsi=0x100000, **registers)
    assert m.faulted() == (GP, 0)


def test_xsetbv_is_for_ring_0(engine_class):
    m = SystemMachine(engine_class, cpl=3)
    m.engine.set("cr4", m.engine.get("cr4") | 1 << 18)
    m.run("0f 01 d1", rcx=0, rax=3, rdx=0)
    assert m.faulted() == (GP, 0)


@pytest.mark.parametrize("text", ["insb", "outsb"])
def test_string_port_instructions_ask_for_permission(engine_class, text):
    m = machine(engine_class, cpl=3)
    m.asm(text, rdx=PORT, rsi=0x100000, rdi=0x100000)
    assert m.faulted() == (GP, 0) and m.recorder.log == []


def test_lidt_and_wrgsbase_want_canonical_addresses(engine_class):
    m = SystemMachine(engine_class)
    m.memory.write(0x100000, struct.pack("<HQ", 0xFFF, 1 << 47))
    m.asm("lidt [rsi]", rsi=0x100000)
    assert m.faulted() == (GP, 0)
    m.reset()
    m.engine.set("cr4", m.engine.get("cr4") | 1 << 16)
    m.run("f3 48 0f ae d8", rax=1 << 47)
    assert m.faulted() == (GP, 0)


def test_invlpg_drops_the_whole_large_page(engine_class):
    m = SystemMachine(engine_class)
    m.memory.write(TABLES + 8 * 511, struct.pack("<Q", 0x1A1067))
    m.memory.write(0x1A1000, struct.pack("<QQ", 0x1A2067, 0))
    m.memory.write(0x1A2000, struct.pack("<Q", 0xE7))
    at = 0xFFFFFF8000000000
    m.asm("mov al, [rbx]; mov al, [rbx + 0x5000]", rbx=at)
    m.memory.write(0x1A2000, bytes(8))
    m.asm("mov al, [rbx + 0x5000]", rbx=at)
    assert m.faulted() is None
    m.asm("invlpg [rbx]; mov al, [rbx + 0x5000]", rbx=at)
    assert m.faulted() == (PF, 0)


def test_invpcid_of_the_current_pcid(engine_class):
    m = SystemMachine(engine_class)
    m.memory.write(0x120000, b"\x01"), m.memory.write(0x130000, b"\x02"), m.memory.write(0x140000, bytes(16))
    m.page(0x100000, pa=0x120000)
    m.asm("mov al, [rbx]", rax=0, rbx=0x100000)
    m.page(0x100000, pa=0x130000)
    m.run("66 0f 38 82 06  8a 03", rax=1, rsi=0x140000)
    assert m["rax"] == 2


def test_turning_no_execute_on_takes_effect_at_once(engine_class):
    m = SystemMachine(engine_class)
    m.engine.set("efer", m.engine.get("efer") | 0x800)
    m.page(0x100000, upper=0x800)
    m.asm("mov al, [rbx]; mov ecx, 0xc0000080; rdmsr; btr eax, 11; wrmsr; mov al, [rbx]", rbx=0x100000)
    assert m.faulted() == (PF, 9)


def test_a_frame_that_reaches_into_a_page_not_present_is_not_begun(engine_class):
    m = SystemMachine(engine_class)
    m.gate(0x50)
    m.set_stack(0x181010)
    m.page(0x181000, flags=0)
    m.memory.write(0x180FE0, b"\xAA" * 32)
    m.asm("int 0x50", limit=1)
    assert m.faulted() == (PF, 2) and m.engine.get("cr2") == 0x181008
    assert m.memory.read(0x180FE0, 32) == b"\xAA" * 32
    m.reset()
    m.page(0x181000), m.page(0x180000, flags=0)
    m.set_stack(0x181010)
    m.memory.write(0x181000, b"\xAA" * 16)
    m.asm("int 0x50", limit=1)
    assert m.faulted() == (PF, 2) and m.engine.get("cr2") == 0x180FF8
    assert m.memory.read(0x181000, 16) == b"\xAA" * 16


@pytest.mark.parametrize("text", ["lldt ax", "ltr ax", "sldt ax", "str ax", "verr ax", "verw ax", "lar ax, bx", "lsl ax, bx",
                                  ".byte 0x63, 0xc0"])
def test_undefined_in_real_mode(engine_class, text):
    m = SystemMachine(engine_class, bits=32)
    # The encodings of 16-bit code, at an address it can reach.
    m.memory.write(0x7000, assemble(text, 32).removeprefix(b"\x66"))
    m.engine.set("cr0", 0x10)
    for name, value in (("seg_sel", 0), ("seg_base", 0), ("seg_limit", 0xFFFF), ("seg_attr", 0x93)):
        for n in range(6):
            m.engine.set(name, value, n)
    m.engine.set("rip", 0x7000), m.engine.set("gpr", 0x40, 0)
    before = m.segment(6), m.segment(7)
    m.engine.run(1)
    assert m["rip"] != 0x7000 + len(assemble(text, 32).removeprefix(b"\x66"))
    assert (m.segment(6), m.segment(7)) == before


