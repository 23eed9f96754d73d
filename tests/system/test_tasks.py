"""Hardware task switches of protected mode: JMP, CALL, IRET, task gates (APM vol. 2, 12.3 and 12.4)."""

import struct

import pytest

from emu.engines.engine import StopReason
from tests.flat import CODE, CODE_SELECTOR, DATA_SELECTOR, HANDLERS, TABLES, TSS, USER_CODE, USER_DATA
from tests.system.machine import GP, NP, PF, TS, TSS2, UD, SystemMachine, segment

TARGET, OLD, NEW, GATE = 0x20000, 0x28, 0x40, 0x48
BUSY, AVAILABLE, TASK_GATE = 0x8B, 0x89, 0x85
JMP, CALL = ".byte 0xff, 0x2b", ".byte 0xff, 0x1b"
NT = 0x4000


def task_state(**fields):
    """104 bytes of a 32-bit TSS; by default a ring-0 task at TARGET."""
    f = dict(link=0, cr3=TABLES, eip=TARGET, flags=2, eax=0x11, ecx=0x22, edx=0x33, ebx=0x44, esp=0x150000, ebp=0x55,
             esi=0x66, edi=0x77, es=DATA_SELECTOR, cs=CODE_SELECTOR, ss=DATA_SELECTOR, ds=DATA_SELECTOR, fs=0, gs=0,
             ldt=0) | fields
    names = ("cr3", "eip", "flags", "eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "es", "cs", "ss", "ds", "fs",
             "gs", "ldt")
    return struct.pack("<I24x18I4x", f["link"], *(f[name] for name in names))


@pytest.fixture
def m(engine_class):
    machine = SystemMachine(engine_class, bits=32, cpl=0)
    machine.descriptor(OLD, segment(BUSY, 0, base=TSS, limit=0x67))
    machine.descriptor(NEW, segment(AVAILABLE, 0, base=TSS2, limit=0x67))
    machine.descriptor(GATE, NEW << 16 | TASK_GATE << 40)
    machine.memory.write(TSS2, task_state())
    machine.memory.write(TSS + 28, struct.pack("<I", TABLES))          # CR3 is never saved, only loaded
    machine.memory.write(TARGET, b"\x90" * 16)
    return machine


def word(m, at, size=4):
    return int.from_bytes(m.memory.read(at, size), "little")


def far(m, text, selector, **registers):
    m.asm(text, limit=1, rbx=m.far_pointer(selector, 0xDEAD), **registers)


def busy(m, selector):
    return m.read_descriptor(selector) >> 41 & 1


@pytest.mark.parametrize("selector", [NEW, GATE])
def test_jump_loads_the_new_state_and_saves_the_old(m, selector):
    far(m, JMP, selector, rax=0xAA, rcx=0xBB, rbp=0xCC, rflags=0x8D7)
    registers = ("rip", "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi")
    assert [m[r] for r in registers] == [TARGET, 0x11, 0x22, 0x33, 0x44, 0x150000, 0x55, 0x66, 0x77]
    assert [m.segment(n) for n in range(6)] == [DATA_SELECTOR, CODE_SELECTOR, DATA_SELECTOR, DATA_SELECTOR, 0, 0]
    assert m.segment(7) == NEW and m.engine.get("seg_base", 7) == TSS2
    assert m.engine.get("rflags") == 2 and m.engine.get("cr0") & 8
    assert [word(m, TSS + offset) for offset in (32, 36, 40, 44, 60, 76)] == [CODE + 2, 0x8D7, 0xAA, 0xBB, 0xCC, CODE_SELECTOR]
    assert word(m, TSS + 56) == 0x180000
    assert (busy(m, OLD), busy(m, NEW)) == (0, 1)


def test_call_nests_and_iret_comes_back(m):
    far(m, CALL, NEW)
    assert m.engine.get("rflags") == NT | 2 and word(m, TSS2, 2) == OLD
    assert (busy(m, OLD), busy(m, NEW)) == (1, 1)
    m.run("cf", limit=1, at=TARGET, rax=0x99)
    assert m.stop.reason is StopReason.LIMIT
    assert m["rip"] == CODE + 2 and m["rsp"] == 0x180000 and m.segment(7) == OLD
    assert (busy(m, OLD), busy(m, NEW)) == (1, 0)
    assert word(m, TSS2 + 40) == 0x99 and word(m, TSS2 + 32) == TARGET + 1
    assert not word(m, TSS2 + 36) & NT and not m.engine.get("rflags") & NT


def test_a_task_of_ring_3(m):
    m.memory.write(TSS2, task_state(cs=USER_CODE, ss=USER_DATA, ds=USER_DATA, es=USER_DATA, flags=0x202))
    far(m, JMP, NEW)
    assert m.engine.get("cpl") == 3 and m["rip"] == TARGET and m.engine.get("rflags") == 0x202


def test_an_interrupt_through_a_task_gate(m):
    m.gate(GP, selector=NEW, kind=5, target=0)
    m.asm("mov ds, cx", limit=1, rcx=0x300)
    assert m["rip"] == TARGET and m.segment(7) == NEW and m["rsp"] == 0x150000 - 4
    assert m.words(1) == [0x300] and word(m, TSS + 32) == CODE and m.engine.get("rflags") & NT


def test_a_software_interrupt_through_a_task_gate_pushes_nothing(m):
    m.gate(0x40, selector=NEW, kind=5, target=0)
    m.asm("int 0x40", limit=1)
    assert m["rsp"] == 0x150000 and word(m, TSS + 32) == CODE + 2


def test_the_new_tasks_page_tables(m):
    m.memory.write(0x1A0000, m.memory.read(TABLES, 4096))
    m.memory.write(TSS2, task_state(cr3=0x1A0000))
    far(m, JMP, NEW)
    assert m.engine.get("cr3") == 0x1A0000


@pytest.mark.parametrize("low, fault", [
    (segment(BUSY, 0, base=TSS2, limit=0x67), (GP, NEW)),
    (segment(AVAILABLE & 0x7F, 0, base=TSS2, limit=0x67), (NP, NEW)),
    (segment(AVAILABLE, 0, base=TSS2, limit=0x66), (TS, NEW)),
    (segment(AVAILABLE, 0, base=0x300000, limit=0x67), (PF, 0))])
@pytest.mark.parametrize("selector", [NEW, GATE])
def test_refusals_leave_the_old_task_running(m, low, fault, selector):
    m.descriptor(NEW, low)
    far(m, JMP, selector)
    assert (m["rip"] - HANDLERS >> 4, m.words(1)[0]) == fault
    assert m.words(2)[1] == CODE and m.segment(7) == OLD


@pytest.mark.parametrize("change, fault", [
    (dict(ldt=0x44), (TS, 0x44)), (dict(ldt=DATA_SELECTOR), (TS, DATA_SELECTOR)),
    (dict(cs=0), (TS, 0)), (dict(cs=DATA_SELECTOR), (TS, DATA_SELECTOR)), (dict(cs=USER_CODE & ~3), (TS, USER_CODE & ~3)),
    (dict(ss=0), (TS, 0)), (dict(ss=USER_DATA), (TS, USER_DATA & ~3)), (dict(ds=0x300), (TS, 0x300)),
    (dict(es=0x58), (NP, 0x58)), (dict(cs=0x60), (NP, 0x60)), (dict(ds=0x68), (TS, 0x68)), (dict(ldt=0x74), (TS, 0x74)),
    (dict(ds=USER_DATA, cs=USER_CODE, ss=USER_DATA, es=DATA_SELECTOR), (TS, DATA_SELECTOR)), (dict(eip=0x10001), None)])
def test_bad_segments_are_faults_of_the_new_task(m, change, fault):
    m.descriptor(0x58, segment(0x12)), m.descriptor(0x60, segment(0x1A)), m.descriptor(0x68, segment(0x98))
    m.descriptor(0x74, segment(0x82, 0)), m.descriptor(0, segment(0x92))
    if fault is None:                                   # EIP beyond the limit of a small code segment
        m.descriptor(0x60, segment(0x9A, 4, limit=0x10000))
        change, fault = change | dict(cs=0x60), (GP, 0)
    m.gate(TS, selector=CODE_SELECTOR), m.gate(NP)
    # A second task takes these faults: the stack of the new one may be unusable.
    m.descriptor(0x50, segment(AVAILABLE, 0, base=0x1D3000, limit=0x67))
    m.memory.write(0x1D3000, task_state(eip=TARGET + 8, esp=0x140000))
    m.gate(fault[0], selector=0x50, kind=5, target=0)
    m.memory.write(TSS2, task_state(**change))
    far(m, JMP, NEW)
    assert m["rip"] == TARGET + 8 and m.words(1) == [fault[1]]
    assert word(m, 0x1D3000, 2) == NEW and word(m, TSS2 + 32) == change.get("eip", TARGET)


@pytest.mark.parametrize("selector", [0x44, 0])
def test_a_task_gate_names_the_global_table(m, selector):
    m.descriptor(0x44, segment(AVAILABLE, 0, base=TSS2, limit=0x67)), m.descriptor(0, segment(AVAILABLE, 0, base=TSS2, limit=0x67))
    m.descriptor(GATE, selector << 16 | TASK_GATE << 40)
    far(m, JMP, GATE)
    assert m["rip"] == HANDLERS + GP * 16 and m.words(2) == [selector, CODE]


def test_iret_to_a_task_that_is_not_busy_is_ts(m):
    m.memory.write(TSS, struct.pack("<H", NEW))
    m.run("cf", limit=1, rflags=NT | 2)
    assert m["rip"] == HANDLERS + TS * 16 and m.words(2) == [NEW, CODE]


def test_a_16_bit_task_state(m):
    m.descriptor(NEW, segment(0x81, 0, base=TSS2, limit=0x2B))
    m.memory.write(TSS2, struct.pack("<H12x15H", 0, 0x1234, 2, 1, 2, 3, 4, 0x5000, 6, 7, 8, DATA_SELECTOR, CODE_SELECTOR,
                                     DATA_SELECTOR, DATA_SELECTOR, 0))
    far(m, JMP, NEW)
    assert [m[r] for r in ("rip", "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi")] == [0x1234, 1, 2, 3, 4, 0x5000, 6, 7, 8]
    assert m.engine.get("seg_attr", 7) & 15 == 3 and m.segment(5) == 0


def test_no_task_switches_in_long_mode(engine_class):
    m = SystemMachine(engine_class)
    m.descriptor(NEW, segment(AVAILABLE, 0, base=TSS2, limit=0x67), 0)
    for text in (JMP, CALL):
        m.asm(text, rbx=m.far_pointer(NEW, 0))
        assert m.faulted() == (GP, NEW)
        m.reset()
    m.gate(UD, kind=5)
    m.asm("ud2")
    assert m.faulted() == (GP, UD * 8 + 3)
