"""Repeated string instructions: exact counts, faults between iterations, and doing many at once without a trace."""

from __future__ import annotations

import random

import pytest

from emu.isa.language import DF, TF, ZF
from tests.flat import CODE, DATA, REGISTERS, FlatMachine

PF = 14


def set_registers(machine, **registers):
    for name, value in registers.items():
        machine.engine.set("gpr", value, REGISTERS.index(name))


@pytest.mark.parametrize("limit", (1, 2, 7, 100, 999, 1000, 1001))
def test_an_iteration_is_an_instruction(engine_class, limit):
    """run(n) does exactly n iterations; the rest waits, with RIP on the instruction."""
    machine = FlatMachine(engine_class)
    data = random.Random(1).randbytes(1000)
    machine.memory.write(DATA, data)
    machine.run("f3 a4 90 90", limit, rcx=1000, rsi=DATA, rdi=DATA + 0x2345)
    done = min(limit, 1000)
    assert machine.engine.retired == limit
    assert (machine["rcx"], machine["rsi"], machine["rdi"]) == (1000 - done, DATA + done, DATA + 0x2345 + done)
    assert machine["rip"] == (CODE if limit < 1000 else CODE + 2 + limit - 1000)
    assert machine.memory.read(DATA + 0x2345, 1000) == data[:done].ljust(1000, b"\0")


def test_no_iteration_still_retires_one(engine_class):
    """RCX 0: nothing is done, one instruction retires."""
    machine = FlatMachine(engine_class)
    machine.run("f3 aa", 1, rcx=0, rdi=1 << 40)
    assert (machine.engine.retired, machine["rip"], machine.fault) == (1, CODE + 2, None)


def test_a_fault_commits_what_was_done(engine_class):
    """The third page is missing: RCX, RSI, RDI stand at its first element, which is tried again."""
    machine = FlatMachine(engine_class, unmapped={(DATA >> 12) + 2})
    machine.run("f3 48 ab", 0x3FF + 1, rcx=2000, rdi=DATA + 8, rax=0x0102030405060708)
    assert machine.fault.vector == PF and machine.fault.rip == CODE
    assert machine["rdi"] == DATA + 0x2000 and machine["rcx"] == 2000 - 0x1FF8 // 8
    assert machine.engine.get("cr2") == DATA + 0x2000
    assert machine.memory.read(DATA, 0x2000) == bytes(8) + bytes((8, 7, 6, 5, 4, 3, 2, 1)) * 0x3FF


def test_fault_counts_exactly(engine_class):
    """n whole iterations and the faulting one: n + 1 retired."""
    machine = FlatMachine(engine_class, unmapped={(DATA >> 12) + 1})
    machine.run("f3 aa", 4097, rcx=5000, rdi=DATA)
    assert machine.fault.vector == PF and machine.engine.retired == 4097


@pytest.mark.parametrize("width, prefix", ((1, ""), (2, "66"), (4, ""), (8, "48")))
@pytest.mark.parametrize("distance", (-70, -8, -3, -1, 0, 1, 2, 3, 7, 8, 16, 70, 4096, 5000))
def test_overlapping_copies(engine_class, width, prefix, distance):
    """Element by element, upward: a target just above the source repeats it."""
    machine = FlatMachine(engine_class)
    model = bytearray(random.Random(distance).randbytes(0x4000))
    machine.memory.write(DATA, bytes(model))
    count, source = 500, 0x1003
    machine.run(f"f3 {prefix} {'a4' if width == 1 else 'a5'} 90", count, rcx=count, rsi=DATA + source,
                rdi=DATA + source + distance)
    for k in range(count):
        at = source + k * width
        model[at + distance:at + distance + width] = model[at:at + width]
    assert machine.memory.read(DATA, 0x4000) == model
    assert machine.engine.retired == count


def test_downward(engine_class):
    """DF: addresses go down."""
    machine = FlatMachine(engine_class)
    machine.memory.write(DATA, bytes(range(100)))
    machine.run("f3 a4", 50, rcx=50, rsi=DATA + 49, rdi=DATA + 59, rflags=2 | DF)
    assert machine.memory.read(DATA, 60) == bytes(range(10)) + bytes(range(50))
    assert (machine["rsi"], machine["rdi"], machine["rcx"]) == (DATA - 1, DATA + 9, 0)


@pytest.mark.parametrize("length", (0, 1, 2, 500, 4093, 4094, 4095, 4096, 8000))
def test_strlen(engine_class, length):
    """REPNE SCASB, over pages, in one run and in slices."""
    for slices in (20000, 333):
        machine = FlatMachine(engine_class)
        machine.memory.write(DATA + 3, b"x" * length + b"\0")
        set_registers(machine, rcx=(1 << 64) - 1, rdi=DATA + 3, rax=0)
        machine.memory.write(CODE, bytes.fromhex("f2ae"))
        machine.engine.set("rip", CODE)
        while machine["rip"] == CODE:
            machine.step(min(slices, length + 1 - machine.engine.retired))
        assert machine["rdi"] == DATA + 3 + length + 1 and machine["rcx"] == (1 << 64) - 2 - length
        assert machine.engine.retired == length + 1 and machine["rflags"] & ZF


@pytest.mark.parametrize("equal", (0, 1, 5, 2040, 2047, 2048, 3000))
@pytest.mark.parametrize("width", (1, 2, 4, 8))
def test_compare(engine_class, equal, width):
    """REPE CMPS stops after the first difference, with its flags."""
    machine = FlatMachine(engine_class)
    data = random.Random(3).randbytes((equal + 2) * width)
    other = bytearray(data)
    other[equal * width] ^= 0x55
    machine.memory.write(DATA + 5, data)
    machine.memory.write(DATA + 0x8002, bytes(other))
    prefix = {1: "a6", 2: "66 a7", 4: "a7", 8: "48 a7"}[width]
    machine.run(f"f3 {prefix}", equal + 1, rcx=equal + 2, rsi=DATA + 5, rdi=DATA + 0x8002)
    assert machine["rcx"] == 1 and machine["rsi"] == DATA + 5 + (equal + 1) * width
    left, right = data[equal * width:][:width], bytes(other[equal * width:][:width])
    carry = int.from_bytes(left, "little") < int.from_bytes(right, "little")
    assert machine["rflags"] & 1 == carry and not machine["rflags"] & ZF


def test_single_step(engine_class):
    """With TF, one iteration, then #DB with RIP on the instruction."""
    machine = FlatMachine(engine_class)
    machine.run("f3 aa", 1, rcx=10, rdi=DATA, rflags=2 | TF)
    assert machine.fault.vector == 1 and machine.fault.rip == CODE
    assert machine["rcx"] == 9


def test_into_decoded_code(engine_class):
    """REP STOS over the code it comes from: what follows runs as written."""
    machine = FlatMachine(engine_class)
    code = bytes.fromhex("f3aa") + bytes.fromhex("ffc3") * 8         # the INC EBX become NOPs
    machine.run(code, None, rcx=8, rdi=CODE + 2, rax=0x90, rbx=0)
    assert machine["rbx"] == 4 and machine.memory.read(CODE + 2, 10) == b"\x90" * 8 + b"\xff\xc3"


def test_address_size_wraps(engine_class):
    """With 67 in 64-bit mode registers are 32 bits wide, and their upper halves are cleared when written."""
    machine = FlatMachine(engine_class)
    machine.memory.write(DATA, b"abc")
    machine.run("67 f3 a4", 3, rcx=3 | 5 << 32, rsi=DATA | 7 << 32, rdi=DATA + 16 | 9 << 32)
    assert (machine["rcx"], machine["rsi"], machine["rdi"]) == (0, DATA + 3, DATA + 19)
    assert machine.memory.read(DATA + 16, 3) == b"abc"
