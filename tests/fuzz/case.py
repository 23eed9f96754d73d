"""A case: one instruction's bytes and the state it starts from; and how random ones are made from the registry."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from emu.cpu import decode as decoder
from emu.engines.python import Decoded
from emu.isa.language import MASK64
from tests.flat import REGISTERS, code_bytes

CODE = 0x10000              # one mapped page
DATA, DATA_SIZE = 0x4000, 0x4000    # four mapped pages, within reach of 16-bit addresses; unmapped around
FS_BASE, GS_BASE = 0x1230, 0x2001   # in 64-bit mode

INTEGER_FAMILIES = ("arithmetic", "moves", "stack", "control", "shifts", "bits", "multiply", "strings", "flagops")

WRITABLE_FLAGS = 0x240CD5       # CF PF AF ZF SF DF OF, AC, ID


@dataclass(frozen=True, slots=True)
class Case:
    """Everything one instruction depends on. `gpr` in hardware order; `memory` is what is at DATA."""

    bits: int
    code: bytes
    gpr: tuple[int, ...]
    rflags: int
    memory: bytes
    mnemonic: str
    text: str
    family: str = ""

    def with_register(self, number: int, value: int) -> Case:
        return replace(self, gpr=self.gpr[:number] + (value,) + self.gpr[number + 1:])


def encodings_for(bits: int, families=INTEGER_FAMILIES):
    """The encodings of these families that exist in 64 or 32-bit code."""
    absent = "i64" if bits == 64 else "o64"
    return [e for e in decoder.ENCODINGS if e.instruction.family in families and absent not in e.attributes
            and not (bits == 32 and "w1" in e.attributes)]


class _Mode:
    """What decode() reads of a CPU."""

    def __init__(self, bits):
        self.code_size = bits


def decode(code: bytes, bits: int, rip: int = CODE) -> tuple[int, Decoded]:
    """The decoder's outcome and what it found, for the bytes at `rip`."""
    d = Decoded()
    d.rip, d.bytes, d.available = rip, code.ljust(15, b"\0"), 15
    return decoder.decode(_Mode(bits), d), d


def encoding_of(code: bytes, bits: int):
    """The encoding these bytes decode to, or None."""
    _, d = decode(code, bits)
    number = getattr(d, "encoding", None)       # also set when only a LOCK makes them undefined
    return None if number is None else decoder.ENCODINGS[number]


def make_case(bits: int, code: bytes | str, rflags: int = 2, memory: dict[int, str] | bytes = b"", **registers: int) -> Case:
    """A case by hand: `memory` is hex by address in DATA, everything not given is zero."""
    code = code_bytes(code)
    if isinstance(memory, dict):
        data = bytearray(DATA_SIZE)
        for address, text in memory.items():
            piece = bytes.fromhex(text)
            data[address - DATA:address - DATA + len(piece)] = piece
        memory = bytes(data)
    gpr = tuple(registers.pop(name, 0) for name in REGISTERS[:16 if bits == 64 else 8])
    if registers:
        raise TypeError(f"no registers {sorted(registers)} in {bits}-bit code")
    encoding = encoding_of(code, bits)
    instruction = encoding.instruction if encoding else None
    return Case(bits, code, gpr, rflags, memory.ljust(DATA_SIZE, b"\0"), instruction.mnemonic if instruction else "",
                encoding.text if encoding else "", instruction.family if instruction else "")


class Generator:
    """Random cases from a seed: the same seed gives the same cases."""

    def __init__(self, seed: int, bits: int):
        self.random = random.Random(f"{seed}/{bits}")
        self.bits = bits

    def case(self, encoding) -> Case:
        """A case of this encoding; sometimes its prefixes make it another one, or undefined."""
        rng = self.random
        fill = rng.random()
        memory = rng.randbytes(DATA_SIZE) if fill < 0.7 else bytes([rng.choice((0, 0xFF, rng.randrange(256)))]) * DATA_SIZE
        self.pattern = int.from_bytes(memory[:8], "little") if fill >= 0.7 else None
        gpr = [self._value() for _ in range(16 if self.bits == 64 else 8)]
        code, displacement_at = self._bytes(encoding)
        outcome, d = decode(code, self.bits)
        if outcome == decoder.DECODED:
            code = code[:d.length]
            code = self._aim(encoding, code, displacement_at, d, gpr)
        else:
            code = code[:15]
        rflags = 2 | rng.getrandbits(22) & WRITABLE_FLAGS
        return make_case(self.bits, code, rflags, memory, **dict(zip(REGISTERS, gpr)))

    def block(self, encodings, length: int) -> Case:
        """Up to `length` instructions in a row, on registers that mostly point into DATA."""
        rng, code = self.random, b""
        for _ in range(length):
            case = self.case(rng.choice(encodings))
            outcome, d = decode(case.code, self.bits)
            if outcome == decoder.DECODED and (not d.lock or d.is_memory):
                code += case.code[:d.length]
        gpr = [DATA + 0x400 + rng.randrange(0x3800) if rng.random() < 0.7 else self._value() for _ in case.gpr]
        return make_case(self.bits, code, case.rflags, case.memory, **dict(zip(REGISTERS, gpr)))

    def _value(self):
        rng = self.random
        limit = (1 << self.bits) - 1
        kind = rng.randrange(8)
        if kind == 0:
            value = rng.randrange(-8, 8)
        elif kind == 1:
            value = rng.choice((0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF,
                                1 << 63, (1 << 63) - 1, MASK64, 0x100000000)) + rng.randrange(-1, 2)
        elif kind == 2:
            value = self._address()
        elif kind == 3 and self.pattern is not None:
            value = self.pattern
        elif kind == 4:
            value = 1 << rng.randrange(self.bits)
        else:
            value = rng.getrandbits(64) >> rng.choice((0, 0, 16, 32, 48, 56))
        return value & limit

    def _address(self):
        """An address in DATA, often near a page's or the region's end; rarely just outside of it."""
        rng = self.random
        kind = rng.random()
        if kind < 0.2:
            return DATA + 0x1000 * rng.randrange(1, 4) - rng.randrange(0, 20)
        if kind < 0.25:
            return rng.choice((DATA, DATA + DATA_SIZE)) + rng.randrange(-20, 20)
        address = DATA + rng.randrange(64, DATA_SIZE - 64)
        return address & ~15 if kind < 0.6 else address

    def _bytes(self, encoding):
        """Bytes of the encoding with random prefixes, registers and displacement; and where its displacement is."""
        rng = self.random
        prefixes = []
        if encoding.prefix > 0:
            prefixes.append({1: 0x66, 2: 0xF3, 3: 0xF2}[encoding.prefix])
        elif encoding.instruction.rep:
            if rng.random() < 0.65:
                prefixes.append(rng.choice((0xF2, 0xF3)))
        elif encoding.prefix < 0 and rng.random() < 0.02:
            prefixes.append(rng.choice((0xF2, 0xF3)))
        if encoding.prefix != 0 and rng.random() < 0.25:
            prefixes.append(0x66)
        if rng.random() < 0.15:
            prefixes.append(0x67)
        if rng.random() < 0.15:
            prefixes.append(rng.choice((0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65) if self.bits == 64 else (0x26, 0x2E, 0x36, 0x3E)))
        if rng.random() < (0.2 if encoding.instruction.lockable else 0.01):
            prefixes.append(0xF0)
        rng.shuffle(prefixes)
        if self.bits == 64:
            rex = 0x40 | rng.randrange(16) if rng.random() < 0.6 else 0
            if "w1" in encoding.attributes:
                rex = rex | 0x48
            elif "w0" in encoding.attributes:
                rex &= 0xF7
            if rex:
                prefixes.append(rex)
        code = bytearray(prefixes)
        code += (b"", b"\x0F", b"\x0F\x38", b"\x0F\x3A")[encoding.map]
        code.append(encoding.opcode + (rng.randrange(8) if encoding.plus_r else 0))
        displacement_at = None
        if encoding.modrm:
            slots = list(decoder._slots(encoding))
            memory = [m for m in slots if m < 0xC0]
            modrm = rng.choice(memory if memory and rng.random() < 0.65 else slots)
            code.append(modrm)
            wide = (self.bits == 64 or 0x67 not in prefixes)
            if modrm < 0xC0 and wide:
                if modrm & 7 == 4:
                    code.append(rng.randrange(256))
                displacement_at = len(code)
                code += self._displacement(1 if modrm >> 6 == 1 else 4)
            elif modrm < 0xC0:
                displacement_at = len(code)
                code += self._displacement(1 if modrm >> 6 == 1 else 2)
        if any(o.kind == "O" for o in encoding.operands):
            code += self._address().to_bytes(8, "little")
        if encoding.modrm and modrm < 0xC0 and code:
            # A form without a displacement must not keep the one just added.
            outcome, d = decode(bytes(code) + b"\0" * 8, self.bits)
            if outcome == decoder.DECODED and displacement_at is not None:
                size = self._displacement_size(modrm, code[displacement_at - 1], wide)
                del code[displacement_at + size:]
                if size == 0:
                    displacement_at = None
        code += bytes(rng.choice((0, 1, 0x7F, 0x80, 0xFF)) if rng.random() < 0.3 else rng.randrange(256) for _ in range(8))
        return bytes(code), displacement_at

    @staticmethod
    def _displacement_size(modrm, sib, wide):
        mod, rm = modrm >> 6, modrm & 7
        if mod == 1:
            return 1
        if mod == 2:
            return 4 if wide else 2
        if not wide:
            return 2 if rm == 6 else 0
        return 4 if rm == 5 or rm == 4 and sib & 7 == 5 else 0

    def _displacement(self, size):
        rng = self.random
        value = rng.randrange(-128, 128) if rng.random() < 0.7 else rng.getrandbits(32)
        return (value & ((1 << 8 * size) - 1)).to_bytes(size, "little")

    def _aim(self, encoding, code, displacement_at, d, gpr):
        """Change registers (in place) and displacement so that most memory operands are in DATA; returns the code."""
        rng = self.random
        limit = (1 << self.bits) - 1
        operands = [o.kind for o in encoding.operands]
        mnemonic = encoding.instruction.mnemonic
        base_of_segment = {4: FS_BASE, 5: GS_BASE}.get(d.segment, 0) if self.bits == 64 else 0

        def put(number, value):
            gpr[number] = value & limit

        if rng.random() < 0.95:
            put(4, self._address() if rng.random() < 0.2 else DATA + 0x800 + 8 * rng.randrange(0x600))
        if mnemonic in ("LEAVE", "ENTER"):
            put(5, self._address())
        if "X" in operands or "Y" in operands:
            put(6, self._address() - base_of_segment)
            put(7, self._address() if rng.random() < 0.7 else gpr[6] + rng.randrange(-40, 40))
            if d.rep:
                put(1, rng.randrange(8) if rng.random() < 0.5 else rng.randrange(600))
                if d.addrsize < self.bits and rng.random() < 0.3:
                    put(1, gpr[1] | 1 << d.addrsize)
            if mnemonic == "XLAT":
                put(3, self._address() - base_of_segment)
        if mnemonic in ("DIV", "IDIV") and rng.random() < 0.7:
            put(2, rng.choice((0, 0, 1, limit, gpr[2] >> 40)))
            if d.opsize != 64 and rng.random() < 0.5:
                put(0, gpr[0] & 0xFF)
        if mnemonic in ("LOOP", "LOOPE", "LOOPNE", "JCXZ"):
            put(1, rng.choice((0, 1, 2, gpr[1], 1 << 32, (1 << 32) + 1, 0x10000, 0x10001)))
        if mnemonic.startswith("BT") and "G" in operands and rng.random() < 0.8:
            put(d.reg, rng.randrange(-2000, 2000))
        if not d.is_memory or rng.random() < 0.03:
            return code
        target = self._address() - base_of_segment
        if d.base != decoder.NO_REGISTER:
            if d.base == d.index:
                put(d.base, (target - d.displacement) // ((1 << d.scale) + 1))
            else:
                other = gpr[d.index] << d.scale if d.index != decoder.NO_REGISTER else 0
                put(d.base, target - d.displacement - other)
        elif d.index != decoder.NO_REGISTER:
            if rng.random() < 0.5 and displacement_at is not None:
                code = self._put_displacement(code, displacement_at, target - (gpr[d.index] << d.scale), d)
            else:
                put(d.index, (target - d.displacement) >> d.scale)
        elif displacement_at is not None:
            code = self._put_displacement(code, displacement_at, target - (CODE + len(code) if d.rip_relative else 0), d)
        return code

    @staticmethod
    def _put_displacement(code, at, value, d):
        size = 2 if d.addrsize == 16 else 4
        if at + size > len(code):
            return code
        return code[:at] + (value & ((1 << 8 * size) - 1)).to_bytes(size, "little") + code[at + size:]
