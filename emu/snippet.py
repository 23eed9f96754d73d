"""A piece of machine code without a kernel: bytes in, registers and counts out, in one call.

    from emu.snippet import run_flat

    result = run_flat(bytes.fromhex("4801f8 f4"), set={"rax": 2, "rdi": 3})   # add rax, rdi; hlt
    assert result.registers.rax == 5 and result.reason is End.HALTED

The code runs in identity-mapped 64-bit mode (`emu.boot.flat`). It ends with HLT (in ring 0), at the
address `until`, after `limit` instructions, or with a fault.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from emu.boot.flat import REGISTERS, Fault
from emu.engines.engine import EngineFactory
from emu.errors import ConfigurationError
from emu.machine.machine import Machine
from emu.machine.result import Reason

#: Where code is put unless `at` says otherwise.
DEFAULT_ADDRESS = 0x10_0000

_MASK64 = (1 << 64) - 1


class End(Enum):
    """Why a snippet ended."""

    HALTED = "halted"  #: it executed HLT; RIP is behind it
    UNTIL = "until"  #: it reached the address `until`, whose instruction has not been executed
    LIMIT = "limit"  #: it retired `limit` instructions
    FAULT = "fault"  #: an exception, or a software interrupt; `SnippetResult.fault` says which
    SHUTDOWN = "shutdown"  #: triple fault: the exception could not be delivered
    POWER_OFF = "power-off"  #: it wrote to the board's power-off, reset or debug-exit port


@dataclass(frozen=True, slots=True)
class Registers:
    """The registers a program leaves: 64 bits each, `xmm` 16 of 128 bits, `mxcsr` 32."""

    rax: int
    rcx: int
    rdx: int
    rbx: int
    rsp: int
    rbp: int
    rsi: int
    rdi: int
    r8: int
    r9: int
    r10: int
    r11: int
    r12: int
    r13: int
    r14: int
    r15: int
    rip: int
    rflags: int
    mxcsr: int
    xmm: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SnippetResult:
    """What became of a snippet.

    After a fault `registers` are those of the faulting program, and `fault` has vector and error code.
    `instructions` are those it retired (a `rep` iteration counts as one); `seconds` are the host's.
    """

    registers: Registers
    instructions: int
    seconds: float
    reason: End
    fault: Fault | None
    fault_address: int | None  #: CR2 of a page fault
    engine: str
    machine: Machine = field(repr=False, compare=False)

    @property
    def mips(self) -> float:
        """Millions of instructions a second on the host; 0.0 for a run too short to time."""
        return self.instructions / self.seconds / 1e6 if self.seconds else 0.0

    def memory(self, address: int, length: int) -> bytes:
        """`length` bytes at physical address `address` (up to RAM's end that is the linear address, too).
        Raises MemoryRangeError outside of RAM."""
        return self.machine.memory.read(address, length)


def run_flat(code: bytes, at: int = DEFAULT_ADDRESS, entry: int | None = None, *,
             set: Mapping[str, int] | None = None, until: int | None = None, ring: int = 0,
             memory: str | int = "128M", engine: str | EngineFactory | None = None, limit: int | None = None,
             seed: int = 0) -> SnippetResult:
    """Put `code` at address `at`, start it at `entry` (default: `at`) and run it to its end.

    set       initial registers by name: rax to r15, rip, rflags, xmm0 to xmm15; the others are 0, and
              RSP is a usable stack at the top of RAM
    until     stop before the instruction at this address
    ring      privilege level, 0 or 3; in ring 3 RAM is accessible, devices are not
    limit     stop after so many instructions; None: never
    engine    "compiled", "python" or None for the faster one that is there

    Raises RingzeroError for anything that can't be used; what the code does never raises.
    """
    machine = flat_machine(code, at, entry, set=set, ring=ring, memory=memory, engine=engine, seed=seed)
    if until is not None:
        if not 0 <= until <= _MASK64:
            raise ConfigurationError(f"until is {until:#x}, which is not a 64-bit address", "give an address inside the code")
        machine.engine.set_breakpoints({until})
    begun = time.perf_counter()
    result = machine.run(limit)
    seconds = time.perf_counter() - begun
    retired, fault = result.retired, None
    if result.reason is Reason.HALTED:
        fault = machine.fault()
        reason = End.FAULT if fault else End.HALTED
        # The HLT of the gate that caught the fault is not the program's.
        retired -= fault is not None
    else:
        reason = {Reason.BREAKPOINT: End.UNTIL, Reason.LIMIT: End.LIMIT, Reason.SHUTDOWN: End.SHUTDOWN}.get(
            result.reason, End.POWER_OFF)
    name = getattr(machine.engine, "name", type(machine.engine).__name__)
    address = machine.engine.get("cr2") if fault is not None and fault.vector == 14 else None
    return SnippetResult(read_registers(machine, fault), retired, seconds, reason, fault, address, name, machine)


def flat_machine(code: bytes, at: int, entry: int | None = None, *, set: Mapping[str, int] | None = None, ring: int = 0,
                 memory: str | int = "128M", engine: str | EngineFactory | None = None, seed: int = 0) -> Machine:
    """A machine about to execute the first instruction of `code`; the arguments are those of `run_flat`."""
    vectors, registers = {}, {}
    for name, value in (set or {}).items():
        if name.startswith("xmm") and name[3:].isdecimal() and int(name[3:]) < 16:
            vectors[int(name[3:])] = value & (1 << 128) - 1
        else:
            registers[name] = value
    machine = Machine(memory, engine, seed=seed)
    machine.load_flat(bytes(code), at, entry, ring, registers)
    for index, value in vectors.items():
        machine.engine.set("xmm", value, index)
    return machine


def read_registers(machine: Machine, fault: Fault | None = None) -> Registers:
    """The registers as they are, or as they were when `fault` interrupted the program."""
    get = machine.engine.get
    values = {name: get("gpr", index) for index, name in enumerate(REGISTERS)}
    values |= {"rip": get("rip"), "rflags": get("rflags")}
    if fault is not None:
        values |= {"rip": fault.rip, "rflags": fault.rflags, "rsp": fault.rsp}
    return Registers(**values, mxcsr=get("mxcsr"), xmm=tuple(int(get("xmm", index)) for index in range(16)))
