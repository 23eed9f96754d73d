"""What differs between two outcomes of a case, apart from what the manuals leave undefined."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from unicorn.x86_const import UC_CPU_X86_HASWELL

from emu.cpu import decode as decoder
from emu.isa.language import AF, IF, IOPL, MASK32, MASK64, PF, RBP, RBX, RDI, RF, RSI, RSP, SF, ZF
from tests.flat import REGISTERS
from tests.fuzz.case import CODE, DATA, FS_BASE, GS_BASE, Case, decode
from tests.fuzz.machines import MEMORY_FAULTS, UNMAPPED, EngineMachine, Outcome, UnicornMachine
from tests.isa.undefined_flags import UNDEFINED


@dataclass(frozen=True, slots=True)
class Deviation:
    """A place where Unicorn isn't what the manual says: recognised by `applies`, justified by `manual`."""

    name: str
    manual: str
    applies: Callable


def _canonical(address):
    return address >> 47 in (0, 0x1FFFF)


def _effective_address(case, d):
    """Linear address of the case's memory operand."""
    value = d.displacement
    if d.base != decoder.NO_REGISTER:
        value += case.gpr[d.base]
    if d.index != decoder.NO_REGISTER:
        value += case.gpr[d.index] << d.scale
    value &= MASK64 >> (64 - d.addrsize)
    return value + (FS_BASE if d.segment == 4 else GS_BASE if d.segment == 5 else 0) & MASK64


# Registers that instructions of a family, or one instruction, take addresses from without a ModRM byte saying so.
IMPLIED = {"stack": (RSP, RBP), "control": (RSP,), "strings": (RSI, RDI), "XLAT": (RBX,)}


DEVIATIONS: tuple[Deviation, ...] = (
    Deviation("LOCK is ignored where it isn't allowed", "APM vol. 3, 1.2.5: any other use of LOCK is #UD",
              lambda case, outcome, d, ours, theirs: outcome == decoder.UNDEFINED and d.lock and ours.fault == 6),
    Deviation("branches to non-canonical addresses succeed", "APM vol. 2, 4.12.2; vol. 3, JMP: #GP(0) at the branch",
              lambda case, outcome, d, ours, theirs:
              case.bits == 64 and ours.fault == 13 and theirs.fault is None and not _canonical(theirs.rip)),
    Deviation("non-canonical data addresses are cut, not refused", "APM vol. 2, 1.1.3: #GP(0), #SS(0) for the stack",
              lambda case, outcome, d, ours, theirs:
              case.bits == 64 and ours.fault in (12, 13) and outcome == decoder.DECODED and d.is_memory
              and not _canonical(_effective_address(case, d))),
    Deviation("so are those of implied registers", "the same",
              lambda case, outcome, d, ours, theirs: case.bits == 64 and ours.fault in (12, 13)
              and any(not _canonical(case.gpr[n]) for n in IMPLIED.get(case.family, IMPLIED.get(case.mnemonic, ())))),
    Deviation("so is what a bit number reaches", "the same",
              lambda case, outcome, d, ours, theirs: case.bits == 64 and ours.fault in (12, 13) and "0F BA" not in case.text
              and case.mnemonic in ("BT", "BTS", "BTR", "BTC")),
    Deviation("66 wins over REX.W in POPCNT", "APM vol. 3, 1.2.7: REX.W takes precedence",
              lambda case, outcome, d, ours, theirs: case.mnemonic == "POPCNT" and d.opsize == 64
              and 0x66 in case.code[:4]),
    Deviation("the code segment can be written", "APM vol. 2, 4.7.1: code segments are never writable, #GP(0)",
              lambda case, outcome, d, ours, theirs: case.bits == 32 and d.segment == 1 and ours.fault == 13),
    Deviation("LOCK NEG sets SF and PF wrongly", "APM vol. 3, NEG: by the result, with LOCK or without",
              lambda case, outcome, d, ours, theirs: case.mnemonic == "NEG" and d.lock
              and ours.memory == theirs.memory and not (ours.rflags ^ theirs.rflags) & ~(SF | PF | ZF | AF | RF)),
    Deviation("ENTER doesn't check the frame it makes", "SDM vol. 2, ENTER: #PF whenever a write at the final rSP would",
              lambda case, outcome, d, ours, theirs: case.mnemonic == "ENTER" and ours.fault in (12, 14)),
    Deviation("LAHF and SAHF with REX use SPL", "APM vol. 3, LAHF: AH; REX has no effect on implied registers",
              lambda case, outcome, d, ours, theirs: case.mnemonic in ("LAHF", "SAHF") and d.rex),
    Deviation("0F 18 /0 to /3 with a register is undefined", "APM vol. 3, table A-6, group 16: NOP",
              lambda case, outcome, d, ours, theirs: case.text.startswith("0F 18") and theirs.fault == 6),
    Deviation("F6 /1 and F7 /1 are undefined", "APM vol. 3, table A-6, group 3: TEST",
              lambda case, outcome, d, ours, theirs: case.mnemonic == "TEST" and d.modrm >> 3 & 7 == 1),
    Deviation("CLFLUSH never faults", "APM vol. 3, CLFLUSH: checked as a load of a byte",
              lambda case, outcome, d, ours, theirs: case.mnemonic == "CLFLUSH" and ours.fault in MEMORY_FAULTS),
    Deviation("RET imm16 is sign-extended", "APM vol. 3, RET (near): imm16 is unsigned",
              lambda case, outcome, d, ours, theirs: case.mnemonic == "RET" and d.immediate >= 0x8000
              and ours.rip == theirs.rip),
    Deviation("SHLD and SHRD Ib: RIP-relative without the immediate", "APM vol. 3, 1.7.1: relative to the next RIP",
              lambda case, outcome, d, ours, theirs: case.mnemonic in ("SHLD", "SHRD") and d.rip_relative
              and "Ib" in case.text),
    Deviation("MOV Iz with REX.R is undefined", "APM vol. 3, 1.4.4: REX.R extends ModRM.reg only where it names a register",
              lambda case, outcome, d, ours, theirs: case.text.startswith(("C6 /0", "C7 /0")) and d.rex & 4),
    Deviation("F3 0F BD is LZCNT on the model chosen", "APM vol. 3, LZCNT: BSR without CPUID 8000_0001 ECX.ABM",
              lambda case, outcome, d, ours, theirs: case.mnemonic == "BSR" and d.rep == 0xF3),
    Deviation("near branches through memory with 66 read 64 bits", "APM vol. 3, JMP, CALL: reg/mem16",
              lambda case, outcome, d, ours, theirs: case.mnemonic in ("JMP", "CALL") and d.opsize == 16 and d.is_memory
              and theirs.fault == UNMAPPED),
    Deviation("CMPXCHG clears upper halves it doesn't write", "APM vol. 3, CMPXCHG: EAX is loaded only when unequal, "
              "a register destination written only when equal",
              lambda case, outcome, d, ours, theirs: case.mnemonic == "CMPXCHG" and case.bits == 64 and d.opsize == 32
              and ours.rip == theirs.rip and ours.rflags == theirs.rflags and ours.memory == theirs.memory
              and all((a ^ b) & MASK32 == 0 for a, b in zip(ours.gpr, theirs.gpr))),
)


def differences(case: Case, ours: Outcome, theirs: Outcome) -> list[str]:
    """One line for each difference between our outcome and Unicorn's; [] when they agree."""
    if theirs.fault is not None or ours.fault is not None:
        return _fault_differences(case, ours, theirs)
    found = [f"{REGISTERS[n]}: {a:#x}, Unicorn {b:#x}" for n, (a, b) in enumerate(zip(ours.gpr, theirs.gpr)) if a != b]
    if ours.rip != theirs.rip:
        found.append(f"rip: {ours.rip:#x}, Unicorn {theirs.rip:#x}")
    ignored = UNDEFINED.get(case.mnemonic, 0) | RF
    if case.mnemonic in ("PUSHF", "POPF"):
        ignored |= IOPL | IF
    if (ours.rflags ^ theirs.rflags) & ~ignored:
        found.append(f"rflags: {ours.rflags:#x}, Unicorn {theirs.rflags:#x}, differ in "
                     f"{(ours.rflags ^ theirs.rflags) & ~ignored:#x}")
    if ours.memory != theirs.memory:
        at = next(k for k, (a, b) in enumerate(zip(ours.memory, theirs.memory)) if a != b)
        found.append(f"memory at {DATA + at:#x}: {ours.memory[at:at + 8].hex()}, Unicorn {theirs.memory[at:at + 8].hex()}")
    return found


def _fault_differences(case, ours, theirs):
    same = ours.fault == theirs.fault or theirs.fault == UNMAPPED and ours.fault in MEMORY_FAULTS
    if not same:
        return [f"fault: {ours.fault}, Unicorn {theirs.fault}"]
    return []


class Oracle:
    """Runs a case on Unicorn and on an engine, and says what differs."""

    def __init__(self, engine_class, bits: int):
        self.unicorn = UnicornMachine(bits)
        self.unicorn_movbe = UnicornMachine(bits, UC_CPU_X86_HASWELL)
        self.engine = EngineMachine(engine_class, bits)
        self.bits = bits

    def check(self, case: Case) -> list[str]:
        """Differences of one case, [] when there are none."""
        outcome, d = decode(case.code, self.bits)
        if self._crashes(case, outcome, d):
            return []
        repeated = outcome == decoder.DECODED and d.rep != 0 and bool(decoder.ENCODINGS[d.encoding].instruction.rep)
        machine = self.unicorn_movbe if case.mnemonic == "MOVBE" else self.unicorn
        theirs = machine.run(case, whole=repeated)
        iterations = 1
        if repeated:
            limit = MASK64 >> (64 - d.addrsize)
            done = (case.gpr[1] - theirs.gpr[1]) & limit
            iterations = max(1, done + (theirs.fault is not None))
        ours = self.engine.run(case, iterations)
        found = differences(case, ours, theirs)
        if ours.retired != iterations:
            found.append(f"retired {ours.retired} instructions, expected {iterations}")
        if ours.fault is not None and not found:
            found += self._unchanged(case, ours, theirs, repeated)
        for deviation in DEVIATIONS:
            if found and deviation.applies(case, outcome, d, ours, theirs):
                return []
        return found

    @staticmethod
    def _crashes(case, outcome, d):
        """LOCK BT, BTS, BTR, BTC of a register must raise #UD (APM vol. 3, 1.2.5); Unicorn 2.1.4 aborts the process."""
        return (outcome == decoder.UNDEFINED and d.lock == 1
                and any(bytes((0x0F, opcode)) in case.code for opcode in (0xA3, 0xAB, 0xB3, 0xBB, 0xBA)))

    def _unchanged(self, case, ours, theirs, repeated):
        """A fault must leave everything as it was; of a repeated instruction, as the last whole iteration left it."""
        expected_gpr, expected_memory = (theirs.gpr, theirs.memory) if repeated else (case.gpr, case.memory)
        found = []
        if ours.gpr != expected_gpr:
            found.append("a fault changed registers: " + ", ".join(
                f"{REGISTERS[n]} {b:#x} -> {a:#x}" for n, (a, b) in enumerate(zip(ours.gpr, expected_gpr)) if a != b))
        if ours.rip != CODE:
            found.append(f"a fault saved RIP {ours.rip:#x} instead of {CODE:#x}")
        if not repeated and (ours.rflags ^ case.rflags) & ~RF:
            found.append(f"a fault changed RFLAGS {case.rflags:#x} to {ours.rflags:#x}")
        if repeated:        # Unicorn may write a part of an element that reaches into the unmapped pages around
            changed = ours.memory[8:-8] != expected_memory[8:-8]
        else:
            changed = ours.memory != expected_memory
        if changed and case.mnemonic not in ("PUSHA", "ENTER"):
            found.append("a fault changed memory")
        return found
