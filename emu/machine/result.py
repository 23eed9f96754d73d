"""How a run ended, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Reason(Enum):
    """Why `Machine.run` returned."""

    LIMIT = "limit"  #: exactly the instructions asked for were retired
    FOUND = "found"  #: the awaited console output appeared (`expect`)
    HALTED = "halted-forever"  #: HLT, and nothing can wake the CPU
    POWER_OFF = "power-off"  #: the guest switched off or wrote the debug-exit port; `status` says how
    RESET = "reset"  #: the guest asked for a reset
    SHUTDOWN = "shutdown"  #: triple fault; `detail` says what led to it
    BREAKPOINT = "breakpoint"  #: the next instruction has a breakpoint
    INTERRUPTED = "interrupted"  #: `interrupt()` was called, or the idle callback ended the run


@dataclass(frozen=True, slots=True)
class RunResult:
    """The outcome of a run: why it ended, the instructions it retired, the guest's exit status (0 to
    2^32 - 1) if it gave one, and a sentence for people."""

    reason: Reason
    retired: int
    status: int | None = None
    detail: str = ""

    def __str__(self) -> str:
        status = "" if self.status is None else f" (status {self.status})"
        return f"{self.reason.value}{status}{': ' if self.detail else ''}{self.detail}"
