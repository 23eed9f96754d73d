"""Identity-mapped long mode around a snippet: tables that a page walk and a descriptor load accept."""

from __future__ import annotations

import pytest

from emu.boot import flat
from emu.boot.cpu_state import CS, RSP, SS, TR
from emu.errors import ImageError, RingzeroError
from emu.machine.memory import PhysicalMemory
from tests.machine.scripted import ScriptedEngine


@pytest.fixture
def memory():
    return PhysicalMemory(8 << 20)


def walk(memory, cr3, address):
    """(physical address, flags that hold on every level) of a 4-level walk (SDM volume 3, 4.5)."""
    table, rights = cr3, 7
    for level in (39, 30, 21, 12):
        entry = memory.read_int(table + (address >> level & 511) * 8, 8)
        assert entry & 1
        rights &= entry
        if level == 12 or entry & 0x80:
            return entry & ~((1 << level) - 1) & (1 << 52) - 1 | address & (1 << level) - 1, rights
        table = entry & 0xFFFFFFFFFF000


@pytest.mark.parametrize("ring", [0, 3])
def test_state_and_tables(memory, ring):
    state = flat.load(memory, b"\x90\xf4", 0x10000, ring=ring, registers={"rax": 5, "r15": -1, "rflags": 0x8D5})
    assert state["rip"] == 0x10000 and memory.read(0x10000, 2) == b"\x90\xf4"
    assert state["gpr"][0] == 5 and state["gpr"][15] == (1 << 64) - 1 and state["rflags"] == 0x8D7
    assert state["gpr"][RSP] == (8 << 20) - 0x10000 - 16
    for address in (0, 0x10000, 0x7FFFFF, 0xFEE00030, 0xFFFFFFFF):
        physical, rights = walk(memory, state["cr3"], address)
        assert physical == address and rights & 2
        assert bool(rights & 4) is (address < memory.size)
    for index, limit in ((CS, 0xFFFFFFFF), (SS, 0xFFFFFFFF), (TR, 0x67)):
        selector = state["seg_sel"][index]
        low = memory.read_int(state["gdtr_base"] + (selector & ~7), 8)
        attributes = low >> 40 & 0xFF | low >> 44 & 0xF00
        assert attributes == state["seg_attr"][index], "the descriptor cache must match its descriptor"
        assert state["seg_limit"][index] == limit and (selector & ~7) + 7 <= state["gdtr_limit"]
        if index != TR:
            assert selector & 3 == ring == state["seg_attr"][index] >> 5 & 3
    task = state["seg_base"][TR]
    stack = memory.read_int(task + 0x24, 8)
    assert memory.size - flat.RESERVED < stack <= memory.size and stack % 16 == 0


def test_every_gate_leads_to_its_own_halt(memory):
    state = flat.load(memory, b"\xf4", 0)
    for vector in range(256):
        gate = memory.read_int(state["idtr_base"] + 16 * vector, 16)
        target = gate & 0xFFFF | (gate >> 48 & 0xFFFF) << 16 | (gate >> 64 & 0xFFFFFFFF) << 32
        assert gate >> 40 & 0xFF == 0xEE and gate >> 16 & 0xFFFF == 8 and gate >> 32 & 7 == 1
        assert memory.read(target, 1) == b"\xf4"
        engine = ScriptedEngine(memory, None)
        engine.fields.update({("rip", 0): target + 1, ("gpr", RSP): 0x4000})
        frame = [0x1234, 0x33, 0x202, 0x5000, 0x2B]
        if vector in (8, 10, 11, 12, 13, 14, 17, 21, 29, 30):
            frame.insert(0, 6)
        memory.write(0x4000, b"".join(word.to_bytes(8, "little") for word in frame))
        found = flat.fault(memory, engine)
        assert (found.vector, found.error_code) == (vector, 6 if len(frame) == 6 else 0)
        assert (found.rip, found.cs, found.rflags, found.rsp, found.ss) == (0x1234, 0x33, 0x202, 0x5000, 0x2B)
    engine.fields["rip", 0] = 0x10001
    assert flat.fault(memory, engine) is None


@pytest.mark.parametrize("arguments, why", [
    ({"code": b"", "at": 0}, "empty"), ({"code": b"\x90", "at": -1}, "don't fit"),
    ({"code": b"\x90" * 16, "at": (8 << 20) - 8}, "don't fit"), ({"code": b"\x90", "at": 1 << 70}, "don't fit"),
    ({"code": b"\x90" * 16, "at": (8 << 20) - 0x10008}, "last 64 KiB"), ({"code": b"\x90", "at": 0, "ring": 1}, "use 0 or 3"),
    ({"code": b"\x90", "at": 0, "entry": 1 << 64}, "64-bit address"),
    ({"code": b"\x90", "at": 0, "registers": {"eax": 1}}, "unknown register 'eax'"),
])
def test_refusals(memory, arguments, why):
    with pytest.raises(ImageError, match=why):
        flat.load(memory, **arguments)


def test_the_smallest_machine_has_room():
    from emu.machine.memory import MIN_MEMORY

    memory = PhysicalMemory(MIN_MEMORY)
    assert flat.load(memory, b"\xf4", 0x1000)["rip"] == 0x1000
    assert isinstance(ImageError("a\nb", "c\nd"), RingzeroError) and str(ImageError("a\nb", "c\nd")) == "a b; c d"
