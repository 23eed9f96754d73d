"""The contract between the board and whatever executes instructions.

Two engines implement it: `python` runs `emu/isa` directly, `compiled` drives the native translation
of the same text. The board (`emu.machine`) uses nothing of an engine but this protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, runtime_checkable


class StopReason(Enum):
    """Why `Engine.run` returned."""

    LIMIT = "limit"  #: exactly `limit` instructions were retired
    HALT = "halt"  #: the CPU is in HLT and no unmasked interrupt or NMI is pending
    EXIT_REQUEST = "exit-request"  #: `request_exit()` was called from a bus callback
    SHUTDOWN = "shutdown"  #: triple fault (SDM volume 3, 6.15, "Interrupt 8"); `Stop.detail` says how
    BREAKPOINT = "breakpoint"  #: the next instruction has a breakpoint; it has not been executed


@dataclass(frozen=True, slots=True)
class Stop:
    """The outcome of one `Engine.run`; `detail` is a sentence for people, empty where none is needed."""

    reason: StopReason
    detail: str = ""


@runtime_checkable
class Engine(Protocol):
    """One x86-64 processor, constructed as `Engine(memory, bus, seed=0)`.

    `memory` is the `PhysicalMemory` it executes from, `bus` everything else it can reach, `seed` the
    start of RDRAND's sequence. A new engine is in the architectural power-on state.
    """

    #: Instructions retired since power-on (a `rep` iteration counts as one). Exact at any time: read
    #: inside a bus callback it does not include the instruction that makes the access.
    retired: int

    #: Whether the CPU would take a maskable interrupt now: by IF, and what else there is to it in a guest and its host.
    interrupts_open: bool

    def run(self, limit: int) -> Stop:
        """Retire at most `limit` instructions (0 or more) and say why it returned.

        Retires exactly `limit` when the reason is LIMIT, fewer otherwise. A pending interrupt that
        the CPU accepts is delivered before the next instruction; delivery itself retires nothing. A
        halted CPU returns HALT at once, having retired nothing, until an interrupt can wake it; a CPU
        that has shut down returns SHUTDOWN again, whatever happens, until its state is loaded anew.
        """
        ...

    def request_exit(self) -> None:
        """Make the current `run` return after the instruction in progress (EXIT_REQUEST, or LIMIT if
        that instruction was the last one). Called from bus callbacks; outside `run` it has no effect."""
        ...

    def set_interrupt_line(self, level: bool) -> None:
        """Drive the maskable interrupt input, level triggered. The engine samples it between
        instructions and fetches the vector with `bus.acknowledge_interrupt()`."""
        ...

    def raise_nmi(self) -> None:
        """Latch one non-maskable interrupt (vector 2)."""
        ...

    def set_breakpoints(self, addresses: Collection[int]) -> None:
        """Stop (BREAKPOINT) before each instruction at one of these RIP values; replaces the former set.

        A run that begins where the last one stopped, at the same retired count, executes the instruction.
        Not to be called from inside a bus callback."""
        ...

    def invalidate_page(self, page: int) -> None:
        """Drop code decoded from physical page number `page`: its bytes changed."""
        ...

    def get(self, name: str, index: int = 0) -> int:
        """Read state field `name` (element `index` of an array field). Unknown names raise KeyError."""
        ...

    def set(self, name: str, value: int, index: int = 0) -> None:
        """Write a state field with no architectural check, so that a loader can set any CPU mode.

        Derived state (address translations, decode mode) follows. Names: `gpr` (16, hardware order),
        `rip`, `rflags`, `cr0`, `cr2`, `cr3`, `cr4`, `efer`, `seg_sel` / `seg_base` / `seg_limit` /
        `seg_attr` (8: ES CS SS DS FS GS LDTR TR), `gdtr_base`, `gdtr_limit`, `idtr_base`,
        `idtr_limit`, `halted` (0 or 1), `tsc_step`
        (what an instruction adds to the time-stamp counter), `tsc_offset` (the rest of it). `seg_limit`
        is in bytes. `seg_attr` is packed as in AMD's VMCB (APM volume 2, appendix B): bits 0-7 the
        descriptor's access byte, bits 8-11 AVL, L, D/B, G.
        """
        ...

    def state(self) -> dict[str, Any]:
        """All CPU state as plain data, equal on both engines at the same point of the same run."""
        ...

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from a `state()` taken on either engine."""
        ...

    def quick_state(self) -> Any:
        """What `state` says, in whatever form this engine copies fastest; for `load_quick_state` of the same engine."""
        ...

    def load_quick_state(self, state: Any) -> None:
        """Continue from a `quick_state()` of this engine."""
        ...

    def rewind(self) -> None:
        """`PhysicalMemory.rewind()`, with what the engine has cached of memory kept true."""
        ...

    def tsc_skip(self, ns: int) -> None:
        """The clock moved forward `ns` nanoseconds while the CPU was halted."""
        ...


#: Makes an engine from (memory, bus, seed).
EngineFactory = Callable[[Any, Any, int], Engine]
