"""x87 control instructions against the host: words, environments in both sizes, whole states, pending exceptions."""

from __future__ import annotations

import struct
from random import Random

import pytest

from tests.flat import DATA, FlatMachine
from tests.host_x87 import HostX87, X87State
from tests.isa.x87_oracle import X87Machine, differences, needs_host, settle, state


@pytest.fixture(scope="module")
def host():
    return HostX87()


def without_pointers(after, first, last):
    """The same state, its memory without the bytes of the instruction and data pointers."""
    after.memory = after.memory[:first] + after.memory[last:]
    return after


@needs_host
@pytest.mark.parametrize("code, pointers", [
    ("dd 3e", (0, 0)), ("df e0", (0, 0)), ("d9 3e", (0, 0)), ("db e2", (0, 0)), ("db e3", (0, 0)),
    ("db e0", (0, 0)), ("db e1", (0, 0)), ("db e4", (0, 0)),
    ("d9 36", (12, 28)), ("66 d9 36", (6, 14)), ("48 d9 36", (12, 28)), ("dd 36", (12, 28)), ("66 dd 36", (6, 14)),
])
def test_non_waiting(engine_class, host, code, pointers):
    """With exceptions pending or not."""
    machine, r, code = X87Machine(engine_class), Random(code), bytes.fromhex(code.replace(" ", ""))
    for _ in range(100):
        before = state(r, False)
        before.status |= r.getrandbits(6)
        settle(before)
        actual, expected = machine.run(code, before), host.run(code, before)
        found = differences(without_pointers(expected, *pointers), without_pointers(actual, *pointers))
        assert machine.fault is None and not found, f"{before}:\n" + "\n".join(found)


@needs_host
@pytest.mark.parametrize("code", ["d9 2e", "d9 26", "66 d9 26", "dd 26", "66 dd 26"])
def test_loading(engine_class, host, code):
    """FLDCW, FLDENV, FRSTOR of anything: reserved bits, exceptions that become pending, tags."""
    machine, r, code = X87Machine(engine_class), Random(code), bytes.fromhex(code.replace(" ", ""))
    for _ in range(100):
        before = settle(state(r, True))
        before.memory = r.randbytes(128)
        found = differences(host.run(code, before), machine.run(code, before))
        assert machine.fault is None and not found, f"{before}:\n" + "\n".join(found)


@needs_host
@pytest.mark.parametrize("code", ["d9 e8", "d8 c1", "dd 46 40", "db 6e 40", "df d8", "9b d9 e1", "d9 d0", "dd 5e 40", "48 dd 46 40", "36 d8 66 48"])
def test_opcodes_as_the_host(engine_class, host, code):
    """FOP has the low bits of the first byte and all of the second (APM vol. 1, 6.2.5); instructions of control leave it."""
    m, memory = FlatMachine(engine_class), bytes(64) + (0x37F).to_bytes(8, "little") + bytes(56)
    for control in ("", "9b", "d9 6e 40", "d9 7e 60", "db e2", "df e0", "d9 76 00"):
        whole = bytes.fromhex(("db e3 d9 e8 d9 e8" + code + control + "d9 36").replace(" ", ""))        # two ones on the stack
        m.memory.write(DATA, memory)
        m.run(whole, rsi=DATA)
        assert m.fault is None and m.memory.read(DATA + 18, 2) == host.run(whole, X87State(memory=memory)).memory[18:20], control


def test_environment_round_trip(engine_class):
    """FNSTENV and FLDENV of 32 and 16 bits keep the pointers, selectors and opcode that fit."""
    m = FlatMachine(engine_class)
    put, get = m.engine.set, m.engine.get
    for name, value in (("fip", 0x12345678), ("fdp", 0x9ABCDEF0), ("fcs", 0x33), ("fds", 0x2B), ("fop", 0x5A5)):
        put(name, value)
    m.run("d9 36", rsi=DATA)
    assert struct.unpack("<IIII", m.memory.read(DATA + 12, 16)) == (0x12345678, 0x05A50033, 0x9ABCDEF0, 0xFFFF002B)
    for name in ("fip", "fdp", "fcs", "fds", "fop"):
        put(name, 0)
    m.run("d9 26", rsi=DATA)
    assert [get(n) for n in ("fip", "fdp", "fcs", "fds", "fop")] == [0x12345678, 0x9ABCDEF0, 0x33, 0x2B, 0x5A5]
    m.run("66 d9 36", rsi=DATA)
    assert struct.unpack("<HHHH", m.memory.read(DATA + 6, 8)) == (0x5678, 0x33, 0xDEF0, 0x2B)


def test_real_mode_environment(engine_class):
    """Without protection the pointers are linear addresses, and the opcode shares a word with one (APM vol. 2, 11.4.4)."""
    from emu.machine.bus import Bus
    from emu.machine.memory import PhysicalMemory
    memory = PhysicalMemory(1 << 20)
    engine = engine_class(memory, Bus(memory))
    for n, (selector, base) in enumerate(((0, 0), (0x1000, 0x10000), (0, 0), (0x2000, 0x20000))):
        engine.set("seg_sel", selector, n)
        engine.set("seg_base", base, n)
    for name, value in (("fip", 0x1234), ("fcs", 0x4321), ("fdp", 0x5678), ("fds", 0x8765), ("fop", 0x5A5), ("rip", 0)):
        engine.set(name, value)
    memory.write(0x10000, bytes.fromhex("d9 36 00 00  66 d9 36 20 00  66 d9 26 20 00".replace(" ", "")))
    engine.run(2)
    ip, dp = 0x43210 + 0x1234, 0x87650 + 0x5678
    assert struct.unpack("<4H", memory.read(0x20006, 8)) == (
        ip & 0xFFFF, ip >> 16 << 12 | 0x5A5, dp & 0xFFFF, dp >> 16 << 12)
    assert struct.unpack("<4I", memory.read(0x2002C, 16)) == (
        0xFFFF0000 | ip & 0xFFFF, ip >> 16 << 12 | 0x5A5, 0xFFFF0000 | dp & 0xFFFF, dp >> 16 << 12)
    engine.run(1)
    assert [engine.get(n) for n in ("fip", "fdp", "fop")] == [ip, dp, 0x5A5]
