"""x87 instructions, one at a time on random states, against the host's own x87: registers, tags, C1, all exceptions."""

from __future__ import annotations

import struct
from random import Random

import pytest

from tests.flat import CODE, DATA, FlatMachine
from tests.host_x87 import HostX87, X87State
from tests.isa.x87_oracle import X87Machine, differences, needs_host, state

TRANSCENDENTAL = {0xF0, 0xF1, 0xF2, 0xF3, 0xF9, 0xFB, 0xFE, 0xFF}       # D9 ..: test_x87_transcendental.py
ENVIRONMENT = {b"\xD9\x26", b"\xD9\x36", b"\xDD\x26", b"\xDD\x36"}      # test_x87_control.py


def forms(opcode: int) -> list[bytes]:
    """The memory forms at [rsi] and the register forms with ST(0), ST(1) and ST(5) of one escape opcode."""
    found = [bytes((opcode, reg << 3 | 6)) for reg in range(8)]
    for modrm in range(0xC0, 0x100):
        alone = opcode == 0xD9 and modrm >= 0xD0
        if alone and modrm not in TRANSCENDENTAL or not alone and modrm & 7 in (0, 1, 5):
            found.append(bytes((opcode, modrm)))
    return [form for form in found if form not in ENVIRONMENT]


@pytest.fixture(scope="module")
def host():
    return HostX87()


@needs_host
@pytest.mark.parametrize("masked", [True, False], ids=["masked", "unmasked"])
@pytest.mark.parametrize("opcode", range(0xD8, 0xE0), ids=lambda o: f"{o:02X}")
def test_against_the_host(engine_class, host, opcode, masked):
    machine = X87Machine(engine_class)
    tried = 0
    for code in forms(opcode):
        r = Random(f"{code.hex()} {masked}")
        for _ in range(40):
            before = state(r, masked)
            actual = machine.run(code, before)
            if machine.fault and machine.fault.vector == 6:
                break           # an undefined opcode: nothing to execute on the host
            assert machine.fault is None, f"{code.hex()}: {machine.fault}"
            found = differences(host.run(code, before), actual)
            assert not found, f"{code.hex()} on {before}:\n" + "\n".join(found)
            tried += 1
    assert tried > 800


def test_undefined_opcodes(engine_class):
    """The escape opcodes the manuals leave empty raise #UD; those AMD documents as aliases don't."""
    m = FlatMachine(engine_class)
    undefined = {form for opcode in range(0xD8, 0xE0) for form in forms(opcode)
                 if (m.run(form, rsi=DATA, limit=1), m.fault)[1] and m.fault.vector == 6}
    assert {f.hex() for f in undefined if f[1] < 0xC0} == {"d90e", "db0e", "db26", "db36", "dd0e", "dd2e", "df0e"}
    assert {"d9d1", "d9e2", "d9ef", "dae8", "daf0", "dbf8", "ddf0", "ded8", "dff8"} <= {f.hex() for f in undefined}
    assert not {"d9d8", "dcd0", "dcd8", "ddc8", "ded0", "dfc0", "dfc8", "dfd0", "dfd8", "dbe0", "d9d0"} & {
        f.hex() for f in undefined}


def st(m: FlatMachine, i: int) -> tuple[int, int]:
    register = m.engine.get("ftop") + i & 7
    return m.engine.get("fpr_mantissa", register), m.engine.get("fpr_exponent", register)


def test_known_results(engine_class):
    """1/3, the square root of 2 and a double's addition, as the manuals' formats give them."""
    m = FlatMachine(engine_class)
    m.memory.write(DATA, struct.pack("<dfhi", 0.1, 3.0, -7, 1000000))
    m.run("db e3  d9 e8  d8 76 08", rsi=DATA)              # fninit; fld1; fdiv dword [rsi+8]
    assert st(m, 0) == (0xAAAAAAAAAAAAAAAB, 0x3FFD)
    m.run("d9 e8 d8 c0 d9 fa")                              # fld1; fadd st0, st0; fsqrt
    assert st(m, 0) == (0xB504F333F9DE6484, 0x3FFF)
    m.run("dd 06 dd 06 de c1 dd 5e 20")                     # fld qword [rsi] twice; faddp; fstp qword [rsi+32]
    assert struct.unpack("<d", m.memory.read(DATA + 32, 8)) == (0.2,)
    m.run("df 46 0c da 4e 0e db 5e 28", rsi=DATA)           # fild word; fimul dword; fistp dword
    assert struct.unpack("<i", m.memory.read(DATA + 40, 4)) == (-7000000,)
    m.run("dd 06 dd 5e 30 9b df e0")
    assert struct.unpack("<d", m.memory.read(DATA + 48, 8)) == (0.1,)
    assert m["rax"] & 0x3800 == m.engine.get("ftop") << 11


def test_an_unmasked_exception_waits_for_the_next_waiting_instruction(engine_class):
    """1/0 with ZE unmasked: nothing at the division, operands untouched, FNSTSW passes, then #MF at FWAIT."""
    m = FlatMachine(engine_class)
    m.memory.write(DATA, struct.pack("<H", 0x37B))
    m.run("db e3  d9 2e  d9 ee  d9 e8  d8 f1", rsi=DATA)   # fninit; fldcw; fldz; fld1; fdiv st0, st1
    assert m.fault is None
    assert m.engine.get("fsw") == 0x8084
    assert st(m, 0) == (1 << 63, 0x3FFF)
    assert m.engine.get("fip") == CODE + 8
    m.run("df e0")
    assert m.fault is None and m["rax"] & 0xFFFF == 0x8084 | 6 << 11
    for waiting in ("9b", "d9 e8", "d9 2e"):
        m.reset()
        m.run(waiting, limit=1, rsi=DATA)
        assert m.fault.vector == 16 and m.fault.rip == CODE
    m.reset()
    m.run("db e2  9b  d9 e8")                              # fnclex; fwait; fld1
    assert m.fault is None and m.engine.get("fsw") == 0


@pytest.mark.parametrize("cr0, fld, fwait", [(0, False, False), (8, True, False), (2, False, False), (10, True, True),
                                             (4, True, False)])
def test_device_not_available(engine_class, cr0, fld, fwait):
    """CR0.EM or TS: #NM for x87 instructions; FWAIT raises it only with MP and TS both (APM vol. 2, 8.2.8)."""
    for code, expected in (("d9 e8", fld), ("db e3", fld), ("9b", fwait)):
        m = FlatMachine(engine_class)
        m.run(f"0f 22 c0 {code}", limit=2, rax=0x80000031 | cr0)
        assert (m.fault is not None and m.fault.vector == 7) == expected, code


def test_a_memory_fault_changes_nothing(engine_class):
    """FSTP and FLD to an absent page: #PF, and neither stack nor pointers moved."""
    m = FlatMachine(engine_class, unmapped=[0x110])
    m.run("db e3 d9 e8 d9 e8")
    before = {name: m.engine.get(name) for name in ("fsw", "ftop", "ftags", "fip", "fdp")}
    for code, address in (("dd 1e", 0x110000), ("db 3e", 0x10FFF8), ("d9 06", 0x110000), ("dd 36", 0x10FFC0)):
        m.reset()
        m.run(code, limit=1, rsi=address)
        assert m.fault.vector == 14
        assert {name: m.engine.get(name) for name in before} == before
    assert m.memory.read(0x10FFF8, 8) == bytes(8)


def test_pointers(engine_class):
    """FIP and FDP follow every non-control instruction; control instructions leave them alone."""
    m = FlatMachine(engine_class)
    m.run("db e3 d9 e8 d9 46 20 d9 7e 40 df e0 d9 76 40", rsi=DATA)
    words = struct.unpack("<7I", m.memory.read(DATA + 64, 28))
    assert words[3] == CODE + 4 and words[4] & 0xFFFF == 8
    assert words[5] == DATA + 0x20 and words[6] == 0xFFFF0010
    m.run("d9 c9 d9 76 40", rsi=DATA)
    words = struct.unpack("<7I", m.memory.read(DATA + 64, 28))
    assert words[3] == CODE and words[5] == DATA + 0x20


def test_the_oracle_can_disagree():
    """differences() notices each part of a state."""
    host_state = X87State(st=[(1 << 63, 0x3FFF)] * 8)
    other = X87State(0x27F, 1, 1, [(1 << 63, 0x3FFE)] * 8, b"\x01" + bytes(127), 1, 3)
    assert len(differences(host_state, other)) == 4 + 8 + 2
