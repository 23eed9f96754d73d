"""System calls of the running guest, watched from outside: nothing in the kernel knows of it.

The kernel is stopped before the first instruction of its system call entry, where the registers are the
program's, and where a call is over; what is read there is decoded by the rows of syscalls.tbl.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from emu.errors import ConfigurationError, ImageError
from emu.guest import names
from emu.guest.decode import Decoder
from emu.machine.result import Reason, RunResult

if TYPE_CHECKING:
    from emu.guest.kernel import GuestKernel
    from emu.guest.layout import Struct
    from guestos.syscalls import Syscall

_RAX, _RSP, _RDX, _RSI, _RDI, _R8, _R9, _R10 = 0, 4, 2, 6, 7, 8, 9, 10
_ARGUMENTS = (_RDI, _RSI, _RDX, _R10, _R8, _R9)
_FOREVER = 1 << 62


@dataclass(slots=True)
class Call:
    """A system call of the thread `pid`. `entered` and `returned` are instructions retired since power-on, just after SYSCALL and
    when the result was known (None: not yet, or never). `result` is the kernel's, an error negative."""

    pid: int
    program: str                #: the task's name, as ps shows it
    number: int
    name: str
    registers: tuple[int, ...]  #: the six argument registers
    entered: int
    arguments: list[str | None] = field(default_factory=list)
    returned: int | None = None
    result: int | None = None
    outcome: str = "?"

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.arguments))}) = {self.outcome}"

    def as_json(self) -> dict[str, Any]:
        return {"event": "call", "pid": self.pid, "program": self.program, "number": self.number, "name": self.name,
                "arguments": self.arguments, "registers": list(self.registers), "entered": self.entered,
                "returned": self.returned, "result": self.result, "outcome": self.outcome}


@dataclass(slots=True, frozen=True)
class Signal:
    """A signal for which the program has a handler, which now runs."""

    pid: int
    at: int             #: instructions retired
    signal: str
    code: int
    sender: int | None  #: process that sent it, if one did

    def __str__(self) -> str:
        sender = "" if self.sender is None else f", si_pid={self.sender}"
        own = _CODES_OF.get(self.signal, ())
        code = own[self.code] if 0 < self.code < len(own) else _CODES.get(self.code, self.code)
        return f"--- {self.signal} {{si_signo={self.signal}, si_code={code}{sender}}} ---"

    def as_json(self) -> dict[str, Any]:
        return {"event": "signal", "pid": self.pid, "at": self.at, "signal": self.signal, "code": self.code, "sender": self.sender}


@dataclass(slots=True, frozen=True)
class Exit:
    """The end of a task. `status` is as wait4 reports it."""

    pid: int
    at: int
    status: int

    def __str__(self) -> str:
        if self.status & 0x7F:
            return f"+++ killed by {names.signal(self.status & 0x7F)} +++"
        return f"+++ exited with {self.status >> 8 & 0xFF} +++"

    def as_json(self) -> dict[str, Any]:
        return {"event": "exit", "pid": self.pid, "at": self.at, "status": self.status}


_CODES = {0: "SI_USER", 128: "SI_KERNEL", -6: "SI_TKILL"}
_CODES_OF = {
    "SIGCHLD": ("", "CLD_EXITED", "CLD_KILLED", "CLD_DUMPED", "CLD_TRAPPED", "CLD_STOPPED", "CLD_CONTINUED"),
    "SIGSEGV": ("", "SEGV_MAPERR", "SEGV_ACCERR"), "SIGBUS": ("", "BUS_ADRALN", "BUS_ADRERR", "BUS_OBJERR"),
    "SIGFPE": ("", "FPE_INTDIV", "FPE_INTOVF", "FPE_FLTDIV", "FPE_FLTOVF", "FPE_FLTUND", "FPE_FLTRES", "FPE_FLTINV"),
    "SIGTRAP": ("", "TRAP_BRKPT", "TRAP_TRACE"), "SIGILL": ("", "ILL_ILLOPC", "ILL_ILLOPN"),
}

Event = Call | Signal | Exit


class Tracer:
    """Watches the tasks that `wanted(pid)` accepts (default: all) of the guest `kernel`.

    `report(event)` is told of each event when it happens; of a call twice, first with `returned` None. `calls`
    are the names of the calls of interest: `%mnt` are those that consult the mount namespace, and so on.
    `Tracer.run` takes the place of `Machine.run`. Raises ConfigurationError for a name that no call has.
    """

    def __init__(self, kernel: GuestKernel, report: Callable[[Event], None], *, calls: Collection[str] | None = None,
                 wanted: Callable[[Struct], bool] = lambda task: True, strings: int = 32, verbose: bool = False) -> None:
        from guestos import syscalls

        self.kernel, self.report, self.wanted = kernel, report, wanted
        self.table = {call.number: call for call in syscalls.load()}
        self.chosen = None if calls is None else _chosen(calls, self.table.values())
        self.decoder = Decoder(kernel, strings, verbose)
        self.running: dict[int, tuple[Call, Syscall | None]] = {}      # by pid
        self._places = {
            kernel.symbol("syscall_entry"): self._enter, _return_address(kernel): self._return,
            kernel.symbol("user_return_work"): self._interrupted, kernel.symbol("signal_frame_push"): self._signal,
            kernel.symbol("task_exit"): self._exit,
        }
        self._retry = kernel.symbol("return_by_iret")
        self._waiting: set[int] = set()         # tasks with arguments that are not in memory yet
        self._armed = False

    def run(self, limit: int | None = None, idle: Callable[[float | None], bytes | None] | None = None) -> RunResult:
        """As `Machine.run`, reporting on the way."""
        machine = self.kernel.machine
        started, limit = machine.retired, _FOREVER if limit is None else limit
        machine.engine.set_breakpoints(self._breakpoints())
        try:
            while True:
                result = machine.run(limit - (machine.retired - started), idle)
                handle = self._places.get(machine.engine.get("rip")) if result.reason is Reason.BREAKPOINT else None
                if result.reason is not Reason.BREAKPOINT:
                    return RunResult(result.reason, machine.retired - started, result.status, result.detail)
                (handle or self._read_again)()
                if self._armed != bool(self._waiting):
                    machine.engine.set_breakpoints(self._breakpoints())
        finally:
            machine.engine.set_breakpoints(())

    def _breakpoints(self) -> list[int]:
        self._armed = bool(self._waiting)
        return [*self._places, self._retry] if self._armed else list(self._places)

    def unfinished(self) -> list[Call]:
        """The calls that have not returned, in the order in which they were made."""
        return sorted((call for call, _ in self.running.values()), key=lambda call: call.entered)

    # What happens where

    def _register(self, number: int) -> int:
        return self.kernel.machine.engine.get("gpr", number)

    def _task(self) -> Struct | None:
        """The running task if it is wanted."""
        task = self.kernel.current()
        return task if task is not None and self.wanted(task) else None

    def _enter(self) -> None:
        task = self._task()
        if task is None:
            return
        number = self._register(_RAX)
        row = self.table.get(number)
        if self.chosen is not None and number not in self.chosen:
            return
        registers = tuple(map(self._register, _ARGUMENTS))
        call = Call(task.pid, task.comm, number, row.name if row else names.CHOICES["system_call"].get(number, f"syscall_{number:#x}"), registers, self.kernel.machine.retired)
        self.running[call.pid] = call, row
        if row is None:
            call.arguments = [hex(value) for value in registers]
        else:
            call.arguments = [None] * Decoder.shown(row, registers)
            self._decode(call, row)
        self.report(call)

    def _decode(self, call: Call, row: Syscall) -> None:
        self.decoder.arguments(row, call.registers, call.arguments)
        if self.decoder.lacks(row, call.registers, call.arguments):
            self._waiting.add(call.pid)
        else:
            self._waiting.discard(call.pid)

    def _read_again(self) -> None:
        """The running task comes from a trap: a page fault in its call may have brought in what was missing."""
        task = self.kernel.current()
        if task is not None and task.pid in self._waiting:
            self._decode(*self.running[task.pid])

    def _return(self) -> None:
        """Behind the dispatcher's call; the program's registers are on the stack."""
        self._finish(self._register(_RSP))

    def _interrupted(self) -> None:
        """A call is over and signals are about to be looked at, which may replace its result."""
        self._finish(self._register(_RDI))

    def _finish(self, frame: int) -> None:
        if not self.running:
            return
        task = self.kernel.current()
        found = self.running.pop(task.pid, None) if task is not None else None
        if found is None:
            return
        call, row = found
        self._waiting.discard(call.pid)
        raw = self.kernel.at("trapframe", frame).rax
        call.result = raw - (1 << 64) if raw >> 63 else raw
        call.returned = self.kernel.machine.retired
        if row is None:
            call.outcome = f"-{names.errors().get(-call.result, -call.result)}"
        else:
            self.decoder.arguments(row, call.registers, call.arguments, call.result)
            call.outcome = Decoder.outcome(row, call.registers, call.result)
        self.report(call)

    def _signal(self) -> None:
        """signal_frame_push(frame, signo, action, info, mask)"""
        task = self._task()
        if task is not None:
            info = self.kernel.at("siginfo", self._register(1))
            sender = info.si_pid if info.si_code <= 0 or info.si_signo == 17 else None
            self.report(Signal(task.pid, self.kernel.machine.retired, names.signal(self._register(_RSI) & 0xFFFFFFFF), info.si_code, sender))

    def _exit(self) -> None:
        """task_exit(status)"""
        task = self._task()
        if task is None:
            return
        found = self.running.pop(task.pid, None)
        self._waiting.discard(task.pid)
        if found is not None:
            found[0].returned = self.kernel.machine.retired
            self.report(found[0])
        self.report(Exit(task.pid, self.kernel.machine.retired, self._register(_RDI) & 0xFFFFFFFF))


def _return_address(kernel: GuestKernel) -> int:
    """Where syscall_entry goes on after calling syscall_dispatch: behind its E8 instruction with that target."""
    entry, target = kernel.symbol("syscall_entry"), kernel.symbol("syscall_dispatch")
    code = kernel.code(entry, 256)
    for offset in range(len(code) - 4):
        after = entry + offset + 5
        if code[offset] == 0xE8 and after + int.from_bytes(code[offset + 1 : offset + 5], "little", signed=True) == target:
            return after
    raise ImageError("syscall_entry doesn't call syscall_dispatch in this kernel", "give the guest's own kernel (ringzero kernel build)")


def _chosen(calls: Collection[str], rows: Collection[Syscall]) -> set[int]:
    numbers = set()
    for name in calls:
        found = [row.number for row in rows if name in (row.name, f"%{row.namespace}")]
        if not found:
            kinds = sorted({f"%{row.namespace}" for row in rows if row.namespace})
            raise ConfigurationError(f"the guest has no system call {name!r}", f"docs/syscalls.md lists them; groups are {', '.join(kinds)}")
        numbers.update(found)
    return numbers


class Lines:
    """Events as lines of text: instructions retired, pid, and the call as strace writes it.

    A call that has not returned when another task has something to say is `<unfinished ...>`, and `resumed` later.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self.write = write
        self._open: Call | None = None          # entered, not yet on any line
        self._begun: dict[int, int] = {}        # by pid: arguments on the line of an unfinished call

    def __call__(self, event: Event) -> None:
        if isinstance(event, Call) and event.returned is None:
            self._leave_open()
            self._open = event
        elif isinstance(event, Call):
            self._returned(event)
        else:
            self._leave_open()
            self._line(event.at, event.pid, str(event))

    def pause(self) -> None:
        """Nothing happens for a while, or ever again: a call that has not returned gets its line."""
        self._leave_open()

    def _returned(self, call: Call) -> None:
        if self._open is call:
            self._open = None
            self._line(call.entered, call.pid, str(call))
            return
        self._leave_open()
        shown = self._begun.pop(call.pid, 0)
        rest = ", ".join(map(str, call.arguments[shown:]))
        self._line(call.returned, call.pid, f"<... {call.name} resumed>{', ' if rest and shown else ''}{rest}) = {call.outcome}")

    def _leave_open(self) -> None:
        call, self._open = self._open, None
        if call is None:
            return
        known: list[str] = []
        for text in call.arguments:
            if text is None:
                break
            known.append(text)
        self._begun[call.pid] = len(known)
        self._line(call.entered, call.pid, f"{call.name}({', '.join(known)} <unfinished ...>".replace("( ", "("))

    def _line(self, at: int, pid: int, text: str) -> None:
        self.write(f"{at:>10} {pid:>4} {text}")


def trace(kernel: GuestKernel, limit: int | None = None, **options: Any) -> Iterator[Event]:
    """The events of a run to its end or `limit`, each when it is complete: calls when they have returned, in the
    end those that have not. `options` are the Tracer's."""
    events: list[Event] = []
    tracer = Tracer(kernel, lambda event: None if isinstance(event, Call) and event.returned is None else events.append(event), **options)
    machine = kernel.machine
    target = None if limit is None else machine.retired + limit
    while True:
        result = tracer.run(1_000_000 if target is None else min(1_000_000, target - machine.retired))
        yield from events
        events.clear()
        if result.reason is not Reason.LIMIT or machine.retired == target:
            yield from tracer.unfinished()
            return
