"""`emu.snippet.run_flat`: bytes in, a typed result out, the same on both engines."""

from __future__ import annotations

import dataclasses

import pytest

from emu.engines import available
from emu.errors import RingzeroError
from emu.snippet import DEFAULT_ADDRESS, End, run_flat

pytestmark = pytest.mark.parametrize("engine", available())

ADD = bytes.fromhex("4801f8f4")  # add rax, rdi; hlt
COUNT_DOWN = bytes.fromhex("ffc975fcf4")  # again: dec ecx; jnz again; hlt


def run(code: bytes, engine: str, **options):
    return run_flat(code, engine=engine, memory="4M", **options)


def test_result(engine):
    result = run(ADD, engine, set={"rax": 2, "rdi": 3, "xmm5": 1 << 100})
    assert result.registers.rax == 5 and result.registers.rip == DEFAULT_ADDRESS + 4
    assert result.registers.xmm[5] == 1 << 100 and result.registers.mxcsr == 0x1F80
    assert result.reason is End.HALTED and result.instructions == 2 and result.fault is None
    assert result.engine == engine and result.seconds > 0 and result.mips > 0
    assert result.memory(DEFAULT_ADDRESS, 4) == ADD


def test_all_registers_are_set_and_read(engine):
    names = [field.name for field in dataclasses.fields(run(b"\xf4", engine).registers)][:16]
    values = {name: 0x1111_1111_1111_1111 * index for index, name in enumerate(names)} | {"rsp": 0x8000}
    vectors = {f"xmm{index}": 0x0F << 8 * index for index in range(16)}
    registers = run(b"\xf4", engine, set=values | vectors).registers
    assert {name: getattr(registers, name) for name in names} == values
    assert {f"xmm{index}": value for index, value in enumerate(registers.xmm)} == vectors


@pytest.mark.parametrize("ring", [0, 3])
def test_until(engine, ring):
    result = run(COUNT_DOWN, engine, set={"rcx": 10}, until=DEFAULT_ADDRESS + 4, ring=ring)
    assert (result.reason, result.instructions, result.registers.rcx) == (End.UNTIL, 20, 0)
    assert result.registers.rip == DEFAULT_ADDRESS + 4


def test_until_is_the_entry(engine):
    result = run(COUNT_DOWN, engine, until=DEFAULT_ADDRESS)
    assert (result.reason, result.instructions) == (End.UNTIL, 0)


@pytest.mark.parametrize("limit", [0, 1, 7, 1000])
def test_limit(engine, limit):
    result = run(b"\xeb\xfe", engine, limit=limit)
    assert (result.reason, result.instructions) == (End.LIMIT, limit)


def test_entry_and_address(engine):
    result = run(b"\x90\x90" + ADD, engine, at=0x5000, entry=0x5002, set={"rax": 1, "rdi": 1})
    assert (result.registers.rax, result.registers.rip) == (2, 0x5006)


def test_page_fault(engine):
    # nop; mov rax, [rbx]: the registers are those at the fault.
    result = run(bytes.fromhex("90488b03"), engine, set={"rbx": 0x77_0000_1234, "rsp": 0x9000})
    assert result.reason is End.FAULT and result.fault.vector == 14 and result.fault.error_code == 0
    assert result.fault_address == 0x77_0000_1234
    assert (result.registers.rip, result.registers.rsp) == (DEFAULT_ADDRESS + 1, 0x9000)
    assert result.fault.rip == DEFAULT_ADDRESS + 1


def test_undefined_instruction_in_ring_3(engine):
    result = run(b"\x0f\x0b", engine, ring=3)
    assert (result.reason, result.fault.vector, result.fault.cs & 3, result.fault_address) == (End.FAULT, 6, 3, None)


def test_halt_is_privileged(engine):
    result = run(b"\xf4", engine, ring=3)
    assert (result.reason, result.fault.vector, result.fault.rip) == (End.FAULT, 13, DEFAULT_ADDRESS)


def test_triple_fault(engine):
    # lidt [rsp], whose limit is 0; ud2
    result = run(bytes.fromhex("0f011c24 0f0b"), engine)
    assert result.reason is End.SHUTDOWN


def test_power_off(engine):
    assert run(bytes.fromhex("66ba040666b8002066ef"), engine).reason is End.POWER_OFF


def test_memory_is_readable_afterwards(engine):
    result = run(bytes.fromhex("48c704250080000078563412f4"), engine)    # mov qword [0x8000], 0x12345678; hlt
    assert result.memory(0x8000, 8) == (0x12345678).to_bytes(8, "little")
    with pytest.raises(RingzeroError):
        result.memory(4 << 20, 1)


@pytest.mark.parametrize("options", [
    {"set": {"eip": 1}}, {"set": {"xmm16": 1}}, {"ring": 1}, {"at": -1}, {"at": 4 << 20}, {"entry": -5}, {"until": -1},
    {"limit": -1},
])  # fmt: skip
def test_what_cannot_be_used(engine, options):
    with pytest.raises(RingzeroError):
        run(ADD, engine, **options)


def test_no_code(engine):
    with pytest.raises(RingzeroError):
        run(b"", engine)
