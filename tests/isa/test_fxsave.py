"""FXSAVE, FXRSTOR, XSAVE, XRSTOR: layouts against the host, faults, and what each mode keeps."""

from __future__ import annotations

import struct
from random import Random

import pytest

from tests.flat import DATA, FlatMachine
from tests.host_x87 import HostX87, X87State
from tests.isa.x87_oracle import needs_host

IMAGE, SECOND = DATA, DATA + 1024
OSXSAVE = 1 << 18


def image(r: Random, header: bytes = b"") -> bytes:
    """A valid area of random contents: MXCSR without reserved bits, the rest anything."""
    area = bytearray(r.randbytes(512))
    area[24:28] = struct.pack("<I", r.getrandbits(16))
    return (bytes(area) + header).ljust(1024, b"\xA5")


def run(m: FlatMachine, code: str, memory: bytes, **registers) -> bytes:
    """Executes `code` with [rsi] at `memory`; returns what is there afterwards."""
    m.memory.write(DATA, memory)
    m.run(code, rsi=DATA, **registers)
    assert m.fault is None
    return m.memory.read(DATA, len(memory))


def comparable(area: bytes) -> bytes:
    """Without FOP, FIP and FDP, which AMD's processors save only when an exception is pending, and MXCSR's mask."""
    return area[:6] + area[24:28] + area[32:512]


@needs_host
@pytest.mark.parametrize("restore, save", [("48 0f ae 0e", "48 0f ae 86 00 04 00 00"), ("0f ae 0e", "0f ae 86 00 04 00 00")],
                         ids=["64", "32"])
def test_round_trip_as_the_host(engine_class, restore, save):
    """FXRSTOR of anything and FXSAVE after it: normalised words, reserved and unwritten bytes too."""
    host, m, r = HostX87(), FlatMachine(engine_class), Random(save)
    for _ in range(100):
        memory = image(r) + r.randbytes(512)
        expected = host.run(bytes.fromhex((restore + save).replace(" ", "")), X87State(memory=memory)).memory
        actual = run(m, restore + save, memory)
        assert comparable(actual[1024:]) == comparable(expected[1024:])
        assert actual[:1024] == memory[:1024]


def test_pointers_by_operand_size(engine_class):
    """REX.W: 64-bit offsets and no selectors; else 32-bit ones with the selectors above (APM vol. 2, 11.4.4)."""
    m, r = FlatMachine(engine_class), Random(1)
    memory = image(r)
    saved = run(m, "48 0f ae 0e 48 0f ae 46 00", memory)
    assert saved[8:24] == memory[8:24]
    assert struct.unpack_from("<H", saved, 6)[0] == struct.unpack_from("<H", memory, 6)[0] & 0x7FF
    saved = run(m, "0f ae 0e 0f ae 06", memory)
    for at in (8, 16):
        offset, selector = struct.unpack_from("<IH", memory, at)
        assert struct.unpack_from("<IHH", saved, at) == (offset, selector, 0)
    assert struct.unpack_from("<I", saved, 28)[0] == 0xFFFF


def test_32_bit_mode_keeps_the_upper_registers(engine_class):
    """Eight XMM registers in 32-bit mode: XMM8 to XMM15's places are not written, their contents not loaded."""
    m, r = FlatMachine(engine_class, bits=32, cpl=0), Random(2)
    for n in range(16):
        m.engine.set("xmm", n + 1, n)
    memory = image(r)
    run(m, "0f ae 0e", memory)
    assert [m.engine.get("xmm", n) for n in range(8, 16)] == list(range(9, 17))
    assert m.engine.get("xmm", 7) == int.from_bytes(memory[160 + 7 * 16:160 + 8 * 16], "little")
    saved = run(m, "0f ae 06", b"\xCC" * 512)
    assert saved[160 + 8 * 16:] == b"\xCC" * (512 - 160 - 8 * 16)


def test_without_osfxsr_no_vector_state(engine_class):
    """CR4.OSFXSR clear: MXCSR and XMM stay, here and in memory."""
    m = FlatMachine(engine_class)
    m.engine.set("cr4", 0x20)
    m.engine.set("xmm", 5, 0)
    saved = run(m, "0f ae 06", b"\xCC" * 512)
    assert saved[24:32] == b"\xCC" * 8 and saved[160:] == b"\xCC" * 352
    run(m, "0f ae 0e", saved)
    assert m.engine.get("xmm", 0) == 5 and m.engine.get("mxcsr") == 0x1F80


@pytest.mark.parametrize("code", ["0f ae 06", "0f ae 0e", "0f ae 26", "0f ae 2e"])
def test_alignment_and_availability(engine_class, code):
    """Unaligned: #GP(0). CR0.TS: #NM. XSAVE and XRSTOR without CR4.OSXSAVE: #UD. An absent page: #PF."""
    m = FlatMachine(engine_class, unmapped=[0x110])
    extended = code in ("0f ae 26", "0f ae 2e")
    if extended:
        m.run(code, limit=1, rsi=DATA)
        assert m.fault.vector == 6
        m.reset()
        m.engine.set("cr4", m.engine.get("cr4") | OSXSAVE)
    m.run(code, limit=1, rsi=DATA + (32 if extended else 8))
    assert (m.fault.vector, m.fault.error) == (13, 0)
    m.reset()
    m.run(code, limit=1, rsi=0x10FE40)
    assert m.fault.vector == 14 and m.memory.read(0x10FE40, 0x1C0) == bytes(0x1C0)
    m.reset()
    m.run("0f 22 c0" + code, limit=2, rax=0x80000039, rsi=DATA)
    assert m.fault.vector == 7


@pytest.mark.parametrize("code", ["0f ae 0e", "0f ae 2e"])
def test_reserved_mxcsr_bits(engine_class, code):
    """#GP(0), and nothing is loaded."""
    m = FlatMachine(engine_class)
    m.engine.set("cr4", m.engine.get("cr4") | OSXSAVE)
    m.engine.set("xcr0", 3)
    memory = bytearray(image(Random(3), struct.pack("<QQ48x", 3, 0)))
    memory[26] = 1
    m.memory.write(DATA, bytes(memory))
    before = [m.engine.get("xmm", n) for n in range(16)] + [m.engine.get("fcw"), m.engine.get("mxcsr")]
    m.run(code, limit=1, rsi=DATA, rax=3, rdx=0)
    assert m.fault.vector == 13
    assert [m.engine.get("xmm", n) for n in range(16)] + [m.engine.get("fcw"), m.engine.get("mxcsr")] == before


@pytest.fixture
def extended_machine(engine_class):
    m = FlatMachine(engine_class)
    m.engine.set("cr4", m.engine.get("cr4") | OSXSAVE)
    m.engine.set("xcr0", 3)
    return m


@pytest.mark.parametrize("requested", [0, 1, 2, 3])
def test_xsave_writes_what_is_asked_for(extended_machine, requested):
    """Components of EDX:EAX alone; the header's other bits stay."""
    m = extended_machine
    run(m, "48 0f ae 0e", image(Random(4)))
    whole = run(m, "48 0f ae 06", bytes(512))
    saved = run(m, "48 0f ae 26", b"\xCC" * 512 + struct.pack("<Q", 0) + b"\xCC" * 56, rax=requested, rdx=0)
    blank = b"\xCC" * 512
    x87, sse = requested & 1, requested & 2
    for first, last, there in ((0, 24, x87), (32, 160, x87), (24, 32, sse), (160, 416, sse), (416, 512, False)):
        assert saved[first:last] == (whole if there else blank)[first:last], (first, last)
    assert saved[512:] == struct.pack("<Q", requested) + b"\xCC" * 56


@pytest.mark.parametrize("held", [0, 1, 2, 3])
@pytest.mark.parametrize("requested", [1, 2, 3])
def test_xrstor_initialises_what_is_absent(extended_machine, requested, held):
    """Asked for and held: loaded. Asked for alone: initial state. Not asked for: as before."""
    m = extended_machine
    first = image(Random(5))
    run(m, "48 0f ae 0e", first)
    before = run(m, "48 0f ae 06", bytes(512))
    other = image(Random(6), struct.pack("<QQ48x", held, 0))
    run(m, "48 0f ae 2e", other, rax=requested, rdx=0)
    after = run(m, "48 0f ae 06", bytes(512))
    run(m, "48 0f ae 0e", other)
    loaded = run(m, "48 0f ae 06", bytes(512))
    initial = struct.pack("<HHBBHQQ", 0x37F, 0, 0, 0, 0, 0, 0)
    expected = (loaded[:24] if held & 1 else initial) if requested & 1 else before[:24]
    assert after[:24] == expected
    registers = (loaded[32:160] if held & 1 else bytes(128)) if requested & 1 else before[32:160]
    assert after[32:160] == registers
    vectors = (loaded[160:416] if held & 2 else bytes(256)) if requested & 2 else before[160:416]
    assert after[160:416] == vectors
    assert after[24:28] == (other if requested & 2 else first)[24:28]


@pytest.mark.parametrize("header", [(4, 0, 0), (1 << 63, 0, 0), (3, 1 << 63, 0), (3, 1, 0), (3, 0, 1)])
def test_xrstor_refuses_other_headers(extended_machine, header):
    """Components XCR0 lacks, the compacted form, reserved bytes: #GP(0)."""
    m = extended_machine
    m.memory.write(DATA, image(Random(7), struct.pack("<QQQ40x", *header)))
    m.run("0f ae 2e", limit=1, rsi=DATA, rax=3, rdx=0)
    assert m.fault.vector == 13
