"""One case on Unicorn and on one of our engines, each giving an `Outcome`."""

from __future__ import annotations

from dataclasses import dataclass

import unicorn
from unicorn import x86_const as x86

from emu.isa.language import MASK64
from tests.flat import FAULT_STACK, GDT, HANDLERS, HAS_ERROR_CODE, IDT, RAM_SIZE, TSS, FlatMachine
from tests.fuzz.case import CODE, DATA, DATA_SIZE, FS_BASE, GS_BASE, Case

UNMAPPED = "memory"          # Unicorn's word for #PF, #GP and #SS of an address alike
MEMORY_FAULTS = (12, 13, 14)

_GPR64 = [getattr(x86, f"UC_X86_REG_{n}") for n in
          "RAX RCX RDX RBX RSP RBP RSI RDI R8 R9 R10 R11 R12 R13 R14 R15".split()]
_GPR32 = [getattr(x86, f"UC_X86_REG_{n}") for n in "EAX ECX EDX EBX ESP EBP ESI EDI".split()]


@dataclass(frozen=True, slots=True)
class Outcome:
    """State after the instruction. `fault`: None, a vector, or UNMAPPED. `retired` is None where it isn't known."""

    gpr: tuple[int, ...]
    rip: int
    rflags: int
    memory: bytes
    fault: int | str | None
    retired: int | None = None


class UnicornMachine:
    """Unicorn as an AMD Phenom, unless `model` says otherwise: with POPCNT, without TZCNT and MOVBE."""

    def __init__(self, bits: int, model: int = x86.UC_CPU_X86_PHENOM):
        self.bits = bits
        self.uc = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64 if bits == 64 else unicorn.UC_MODE_32)
        self.uc.ctl_set_cpu_model(model)
        self.uc.mem_map(CODE, 0x1000, unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC)
        self.uc.mem_map(DATA, DATA_SIZE)
        self.registers = _GPR64 if bits == 64 else _GPR32
        self.pc = x86.UC_X86_REG_RIP if bits == 64 else x86.UC_X86_REG_EIP
        if bits == 64:
            self.uc.reg_write(x86.UC_X86_REG_FS_BASE, FS_BASE)
            self.uc.reg_write(x86.UC_X86_REG_GS_BASE, GS_BASE)
        self.vector = None
        self.context, self.spoiled = self.uc.context_save(), False
        self.uc.hook_add(unicorn.UC_HOOK_INTR, self._interrupt)

    def _interrupt(self, uc, vector, _):
        self.vector = vector
        uc.emu_stop()

    def run(self, case: Case, whole: bool) -> Outcome:
        """Run one instruction; `whole`: a repeated one to its end."""
        uc = self.uc
        if self.spoiled:        # an exception, never delivered, would make the next one a double fault
            uc.context_restore(self.context)
            self.spoiled = False
        uc.mem_write(CODE, case.code.ljust(32, b"\x90"))
        uc.mem_write(DATA, case.memory)
        uc.ctl_remove_cache(CODE, CODE + 64)
        for register, value in zip(self.registers, case.gpr):
            uc.reg_write(register, value)
        uc.reg_write(x86.UC_X86_REG_EFLAGS, case.rflags)
        self.vector, fault = None, None
        try:
            uc.emu_start(CODE, CODE + len(case.code), 0, 0 if whole else 1)
            fault = self.vector
        except unicorn.UcError as error:
            if error.errno in (unicorn.UC_ERR_READ_UNMAPPED, unicorn.UC_ERR_WRITE_UNMAPPED,
                               unicorn.UC_ERR_WRITE_PROT):
                fault = UNMAPPED
            elif error.errno == unicorn.UC_ERR_INSN_INVALID:
                fault = 6
            elif error.errno != unicorn.UC_ERR_FETCH_UNMAPPED:      # that comes after a jump: the jump is done
                raise
        self.spoiled = fault is not None
        gpr = tuple(uc.reg_read(register) for register in self.registers)
        return Outcome(gpr, uc.reg_read(self.pc), uc.reg_read(x86.UC_X86_REG_EFLAGS),
                       bytes(uc.mem_read(DATA, DATA_SIZE)), fault)


class EngineMachine:
    """One of our engines on the flat machine, with the same memory map."""

    def __init__(self, engine_class, bits: int):
        mapped = {page >> 12 for page in (GDT, IDT, TSS, HANDLERS, FAULT_STACK, CODE)}
        mapped |= {(DATA >> 12) + k for k in range(DATA_SIZE >> 12)}
        self.flat = FlatMachine(engine_class, bits, unmapped=set(range(RAM_SIZE >> 12)) - mapped, readonly={CODE >> 12})
        self.bits = bits
        self._reset()

    def _reset(self):
        self.flat.reset()
        if self.bits == 64:
            self.flat.engine.set("seg_base", FS_BASE, 4)
            self.flat.engine.set("seg_base", GS_BASE, 5)

    def run(self, case: Case, iterations: int = 1) -> Outcome:
        """Run `iterations` instructions, of which a repeated instruction counts each of its iterations."""
        flat, engine = self.flat, self.flat.engine
        flat.memory.write(CODE, case.code.ljust(32, b"\x90"))
        flat.memory.write(DATA, case.memory)
        for number, value in enumerate(case.gpr):
            engine.set("gpr", value, number)
        engine.set("rflags", case.rflags)
        engine.set("rip", CODE)
        before = engine.retired
        flat.step(iterations)
        fault, rip, rflags = None, flat["rip"], flat["rflags"]
        gpr = [engine.get("gpr", n) for n in range(len(case.gpr))]
        if flat.fault:
            fault, rip = flat.fault.vector, flat.fault.rip
            gpr[4], rflags = self._saved(flat.fault.vector, engine.get("gpr", 4))
            self._reset()
        return Outcome(tuple(gpr), rip, rflags, flat.memory.read(DATA, DATA_SIZE), fault, engine.retired - before)

    def run_block(self, case: Case, limit: int) -> dict:
        """Run the case's bytes, several instructions, to `limit`; the engine's whole state afterwards, and memory."""
        flat, engine = self.flat, self.flat.engine
        self._reset()
        flat.memory.write(CODE, case.code.ljust(0x800, b"\x90"))
        flat.memory.write(DATA, case.memory)
        flat.memory.write(FAULT_STACK, bytes(0x1000))
        for number, value in enumerate(case.gpr):
            engine.set("gpr", value, number)
        engine.set("rflags", case.rflags)
        engine.set("rip", CODE)
        for name in ("cr2", "halted", "shutdown"):
            engine.set(name, 0)
        before = engine.retired
        engine.run(limit)
        gpr = [engine.get("gpr", n) for n in range(16)]
        return {"gpr": gpr, "rip": engine.get("rip"), "rflags": engine.get("rflags"), "cr2": engine.get("cr2"),
                "cpl": engine.get("cpl"), "retired": engine.retired - before,
                "memory": flat.memory.read(DATA, DATA_SIZE), "faults": flat.memory.read(FAULT_STACK, 0x1000)}

    def _saved(self, vector, frame):
        """RSP and RFLAGS as the fault's frame has them."""
        width = self.bits // 8
        frame += width if vector in HAS_ERROR_CODE else 0
        words = self.flat.memory.read(frame, 5 * width)
        rip, cs, rflags, rsp, ss = (int.from_bytes(words[k * width:][:width], "little") for k in range(5))
        return rsp & MASK64, rflags
