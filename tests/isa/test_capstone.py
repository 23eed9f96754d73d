"""The decoder against Capstone: length and mnemonic of every opcode with every class of ModRM, and of random bytes."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

import capstone
import pytest

from emu.cpu import decode as decoder
from tests.fuzz.case import CODE, INTEGER_FAMILIES, decode

CONDITIONS = ("o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g")
SIZES = {16: "w", 32: "d", 64: "q"}
PREFIX_WORDS = re.compile(r"^(bnd|lock|rep|repe|repne|repz|repnz|xacquire|xrelease|notrack|data16) ")

# Capstone's names for what the registry names otherwise, where operand size and condition don't decide.
NAMES = {"SHL": ("shl", "sal"), "XLAT": ("xlatb",), "MOV": ("mov", "movabs"), "UD": (),
         "PREFETCH": ("prefetch", "prefetchw", "prefetchwt1", "prefetchnta", "prefetcht0", "prefetcht1", "prefetcht2")}
SIZED_NAMES = {"CBW": {16: "cbw", 32: "cwde", 64: "cdqe"}, "CWD": {16: "cwd", 32: "cdq", 64: "cqo"},
               "PUSHA": {16: "pushaw", 32: "pushal"}, "POPA": {16: "popaw", 32: "popal"},
               "PUSHF": {16: "pushf", 32: "pushfd", 64: "pushfq"}, "POPF": {16: "popf", 32: "popfd", 64: "popfq"}}


@dataclass(frozen=True, slots=True)
class Difference:
    """A place where Capstone and this decoder are meant to differ: what Capstone says, and why ours is right."""

    reason: str
    applies: Callable   # of (mnemonic or "" if undefined, Decoded, Capstone's mnemonic or "", code)


DIFFERENCES = (
    Difference("AMD's near branches have 16-bit displacements with 66, Intel's ignore it in 64-bit mode (APM vol. 3, 1.2.2)",
               lambda ours, d, theirs, code: ours in ("JMP", "CALL", "Jcc") and 0x66 in code[:2] and d.opsize == 16),
    Difference("RET imm16 has 16 bits of immediate, also with both 66 and REX.W",
               lambda ours, d, theirs, code: ours == "RET" and d.opcode == 0xC2 and 0x66 in code[:4] and d.rex & 8),
    Difference("PUSHF and POPF with both 66 and REX.W push 64 bits (APM vol. 3, 1.2.7: REX.W wins)",
               lambda ours, d, theirs, code: ours in ("PUSHF", "POPF") and 0x66 in code[:4] and d.rex & 8),
    Difference("67 changes nothing about MOVSXD without REX.W",
               lambda ours, d, theirs, code: ours == "MOVSXD" and 0x67 in code[:4] and theirs == ""),
    Difference("LOCK is #UD except with the listed instructions writing memory (APM vol. 3, 1.2.5)",
               lambda ours, d, theirs, code: ours == "" and d.lock == 1),
    Difference("67 makes JRCXZ test ECX, whatever REX says (APM vol. 3, JCXZ)",
               lambda ours, d, theirs, code: ours == "JCXZ" and d.addrsize == 32 and d.rex and theirs == "jrcxz"),
    Difference("67 doesn't select among instructions as 66 does",
               lambda ours, d, theirs, code: ours in ("CLFLUSH", "MFENCE") and 0x67 in code[:4]
               and theirs in ("clflushopt", "tpause")),
    Difference("UD0 and UD1 have a ModRM byte (SDM vol. 2, UD)",
               lambda ours, d, theirs, code: ours in ("UD0", "UD1") and theirs == ours.lower()),
    Difference("F3 0F BC and BD are BSF and BSR without BMI and ABM in CPUID",
               lambda ours, d, theirs, code: ours in ("BSF", "BSR") and theirs in ("tzcnt", "lzcnt")),
    Difference("F2 has no meaning for BSF and BSR and is ignored (APM vol. 3, 1.2.1)",
               lambda ours, d, theirs, code: ours in ("BSF", "BSR") and d.rep == 0xF2 and theirs == ""),
    Difference("CRC32 isn't in CPUID; F2 and F3 with MOVBE's opcodes are #UD",
               lambda ours, d, theirs, code: ours == "UD" and theirs in ("crc32", "movbe", "")),
    Difference("0F 19 to 0F 1F are NOP whatever ModRM says (APM vol. 3, table A-3); later instructions hide among them",
               lambda ours, d, theirs, code: ours == "NOP" and d.opcode in range(0x18, 0x20)
               and (theirs == "" or theirs.startswith(("cldemote", "rdssp", "endbr", "bnd")))),
    Difference("all of 0F 0D with memory are prefetches (APM vol. 3, PREFETCH: reserved ones too)",
               lambda ours, d, theirs, code: ours == "PREFETCH" and theirs == ""),
    Difference("fences ignore ModRM.rm (APM vol. 3, LFENCE: 0F AE E8 to EF in table A-6)",
               lambda ours, d, theirs, code: ours in ("LFENCE", "MFENCE", "SFENCE") and d.modrm & 7 and theirs == ""),
    Difference("F3 90 is PAUSE, REX.W or not: it has no operand (SDM vol. 2, PAUSE)",
               lambda ours, d, theirs, code: ours == "PAUSE" and theirs == "xchg"),
    Difference("NP in the manual: with another prefix these are undefined or something CPUID doesn't announce",
               lambda ours, d, theirs, code: ours == "" and code[0] in (0x66, 0xF2, 0xF3)
               and theirs in ("lfence", "sfence", "mfence", "clflush", "movnti")),
)


def expected_names(encoding, d, bits):
    """The mnemonics Capstone may give to what was decoded."""
    mnemonic = encoding.instruction.mnemonic
    if mnemonic.endswith("cc"):
        stem = {"Jcc": "j", "SETcc": "set", "CMOVcc": "cmov"}[mnemonic]
        return (stem + CONDITIONS[d.opcode & 15],)
    if mnemonic in SIZED_NAMES:
        return (SIZED_NAMES[mnemonic][d.opsize],)
    if mnemonic in ("MOVS", "CMPS", "STOS", "LODS", "SCAS"):
        return (mnemonic.lower() + ("b" if d.opcode & 1 == 0 else SIZES[d.opsize]),)
    if mnemonic == "JCXZ":
        return ({16: "jcxz", 32: "jecxz", 64: "jrcxz"}[d.addrsize],)
    return NAMES.get(mnemonic, (mnemonic.lower(),))


INTEGER_NAMES = {name for e in decoder.ENCODINGS if e.instruction.family in INTEGER_FAMILIES
                 for name in NAMES.get(e.instruction.mnemonic, (e.instruction.mnemonic.lower(),))}


class Reference:
    """Capstone in 64 or 32-bit mode."""

    def __init__(self, bits):
        self.bits = bits
        self.capstone = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64 if bits == 64 else capstone.CS_MODE_32)

    def difference(self, code: bytes) -> str:
        """What Capstone says differently of the instruction at the start of `code`, '' when nothing or listed."""
        outcome, d = decode(code, self.bits)
        found = next(self.capstone.disasm_lite(code, CODE, 1), None)
        theirs = PREFIX_WORDS.sub("", PREFIX_WORDS.sub("", found[2])) if found else ""
        encoding = decoder.ENCODINGS[d.encoding] if outcome == decoder.DECODED else None
        text = self._text(encoding, d, theirs, found)
        if text:
            ours = encoding.instruction.mnemonic if encoding else ""
            if any(difference.applies(ours, d, theirs, code) for difference in DIFFERENCES):
                return ""
            return f"{code.hex()} ({self.bits}-bit): {text}"
        return ""

    def _text(self, encoding, d, theirs, found):
        if encoding is None:
            return f"undefined here, Capstone has {theirs}" if theirs in INTEGER_NAMES else ""
        ours = f"{encoding.instruction.mnemonic} ({encoding.text})"
        if encoding.instruction.family in INTEGER_FAMILIES:
            if not found:
                return f"{ours} here, undefined for Capstone"
            if theirs not in expected_names(encoding, d, self.bits):
                return f"{ours} here, {theirs} for Capstone"
        if found and found[1] != d.length:
            return f"{ours} has {d.length} bytes here, Capstone's {theirs} has {found[1]}"
        return ""


def opcodes(bits):
    """Every opcode of the four maps, with each prefix that may select, and each class of ModRM."""
    tail = bytes((0x11, 0x22, 0x33, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09))
    not_opcodes = {0x0F, 0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF0, 0xF2, 0xF3}
    if bits == 64:
        not_opcodes |= set(range(0x40, 0x50))
    for prefix in (b"", b"\x66", b"\xF3", b"\xF2", b"\x67", b"\xF0"):
        for rex in (b"", b"\x48") if bits == 64 else (b"",):
            for lead in (b"", b"\x0F", b"\x0F\x38", b"\x0F\x3A"):
                for opcode in range(256):
                    if lead == b"" and opcode in not_opcodes or lead == b"\x0F" and opcode in (0x38, 0x3A):
                        continue
                    for modrm in range(0, 256, 8):
                        # rm 4 in the middle classes, so that there is a SIB byte; rm 1 with registers
                        rm = (0, 4, 0, 1)[modrm >> 6]
                        yield (prefix + rex + lead + bytes((opcode, modrm | rm)) + tail)[:15]


@pytest.mark.parametrize("bits", (64, 32))
def test_every_opcode(bits):
    """Exhaustive over prefix, map, opcode, ModRM.reg and ModRM.mod."""
    reference = Reference(bits)
    found = [text for code in opcodes(bits) if (text := reference.difference(code))]
    assert not found, f"{len(found)} differences, such as\n" + "\n".join(found[:10])


@pytest.mark.parametrize("bits", (64, 32))
def test_random_bytes(bits):
    """Random prefixes, REX, ModRM, SIB and displacements before random bytes."""
    rng, reference, found = random.Random(f"capstone {bits}"), Reference(bits), []
    for _ in range(30000):
        prefixes = rng.sample((0x66, 0x67, 0x2E, 0x64), rng.choice((0, 0, 0, 1, 2)))
        rex = [0x40 | rng.randrange(16)] if bits == 64 and rng.random() < 0.5 else []
        code = bytes(prefixes + rex) + rng.choice((b"", b"", b"", b"\x0F")) + rng.randbytes(15)
        if text := reference.difference(code[:15]):
            found.append(text)
    assert not found, f"{len(found)} differences, such as\n" + "\n".join(found[:10])


def test_every_difference_is_real():
    """A listed difference that no opcode needs any more must go from the list."""
    reference, used = Reference(64), set()
    for code in opcodes(64):
        outcome, d = decode(code, 64)
        found = next(reference.capstone.disasm_lite(code, CODE, 1), None)
        theirs = PREFIX_WORDS.sub("", found[2]) if found else ""
        encoding = decoder.ENCODINGS[d.encoding] if outcome == decoder.DECODED else None
        if reference._text(encoding, d, theirs, found):
            ours = encoding.instruction.mnemonic if encoding else ""
            used |= {n for n, difference in enumerate(DIFFERENCES) if difference.applies(ours, d, theirs, code)}
    assert used == set(range(len(DIFFERENCES))), [DIFFERENCES[n].reason for n in set(range(len(DIFFERENCES))) - used]
