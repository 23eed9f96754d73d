"""One workload in four settings, measured exactly: a process, a container, a virtual machine, a container in one.

Every figure is read from the machine's own counters or page tables; nothing in the guest knows of it. Equal images and
workloads give equal figures, to the instruction.
"""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from emu.boundary.audit import Audit, audit
from emu.errors import RingzeroError
from emu.guest import names
from emu.guest.layout import Struct
from emu.guest.system import Process, System
from emu.machine.result import Reason

if TYPE_CHECKING:
    from emu.testing.guest import Guest

#: Setting: the words in the guest's shell that put the workload there, and what it is.
SETTINGS = {
    "process": ("{}", "a process of the host kernel"),
    "container": ("contain {}", "a process of the same kernel, in namespaces of its own"),
    "vm": ("vmm run -c {quoted}", "a process of a second kernel, on emulated hardware"),
    "container in vm": ("vmm run -c {contained}", "a container of the second kernel"),
}
WORLDS = ("host kernel", "host user", "guest kernel", "guest user")
LIMIT = 500_000_000

#: #VMEXIT codes (APM vol. 2, appendix C).
EXITS = {0x60: "interrupt", 0x64: "interrupt window", 0x72: "CPUID", 0x78: "HLT", 0x7B: "port", 0x7C: "MSR", 0x7F: "shutdown", 0x81: "VMMCALL",
         0x8D: "XSETBV", 0xFE: "nested page fault", 0xFF: "invalid"}
_RAX = 0
_STEP = 10_000          # instructions between looks for the end of the command


@dataclass(slots=True)
class Counters:
    """What the processor has counted since power-on."""

    worlds: list[int]
    exits: Counter[int]
    misses: list[int]
    entries: list[int]

    @classmethod
    def of(cls, machine) -> Counters:
        get = machine.engine.get
        retired = [get("retired_in", n) for n in range(32)]
        retired[get("counted_world")] += machine.retired - get("counted_until")
        worlds = [retired[0], retired[1], sum(retired[2::2]), sum(retired[3::2])]
        return cls(worlds, Counter({n: get("vm_exits", n) for n in range(256)}), [get("tlb_misses", n) for n in (0, 1)], [get("entries_read", n) for n in (0, 1)])

    def since(self, before: Counters) -> Counters:
        return Counters([a - b for a, b in zip(self.worlds, before.worlds)], self.exits - before.exits,
                        [a - b for a, b in zip(self.misses, before.misses)], [a - b for a, b in zip(self.entries, before.entries)])

    def as_json(self) -> dict[str, Any]:
        return {"instructions": dict(zip(WORLDS, self.worlds)), "total": sum(self.worlds),
                "exits": {exit_name(code): count for code, count in sorted(self.exits.items()) if count},
                "tlb": {world: {"misses": misses, "entries_read": entries, "entries_per_miss": round(entries / misses, 2) if misses else None}
                        for world, misses, entries in zip(("host", "guest"), self.misses, self.entries)}}


def exit_name(code: int) -> str:
    return EXITS.get(code, f"{code:#x}")


@dataclass(slots=True)
class Moment:
    """Someone entered a kernel: `at` is instructions since the setting began."""

    at: int
    kernel: str         #: "host" or "guest"
    program: str
    call: str


@dataclass(slots=True)
class Measured:
    """A workload in one setting."""

    setting: str
    command: str
    status: int = -1
    output: str = ""
    start: Counters | None = None       #: until the workload's first instruction
    whole: Counters | None = None       #: until its end
    calls: dict[str, Counter[str]] = field(default_factory=lambda: {"host": Counter(), "guest": Counter()})
    moments: list[Moment] = field(default_factory=list)
    write_path: list[str] = field(default_factory=list)     #: kernels entered by the workload's first write, each once
    write_exits: dict[str, int] = field(default_factory=dict)   #: #VMEXITs that it took, by reason
    frames: dict[str, Any] = field(default_factory=dict)
    visible: list[str] = field(default_factory=list)
    identity: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {"setting": self.setting, "command": self.command, "status": self.status, "output": self.output,
                "until_first_instruction": self.start.as_json(), "until_end": self.whole.as_json(),
                "system_calls": {kernel: dict(sorted(counts.items())) for kernel, counts in self.calls.items()},
                "write_path": self.write_path, "write_exits": self.write_exits,
                "frames": self.frames, "visible_processes": self.visible, "kernel": self.identity,
                "timeline": [[moment.at, moment.kernel, moment.program, moment.call] for moment in self.moments]}


def measure(guest: Guest, kernel: str, workload: str, setting: str) -> Measured:
    """Run `workload` (a program with arguments) in `setting` on the booted `guest`, whose kernel is the file `kernel`.

    Raises RingzeroError if it did not begin.
    """
    words = SETTINGS[setting][0].format(workload, quoted=shlex.quote(workload), contained=shlex.quote(f"contain {workload}"))
    return _Meter(guest, System.on(guest.machine, kernel), workload, setting, words).run()


class _Meter:
    def __init__(self, guest: Guest, host: System, workload: str, setting: str, command: str) -> None:
        self.guest, self.machine, self.host = guest, guest.machine, host
        self.result = Measured(setting, command)
        self.name = shlex.split(workload)[0].rsplit("/", 1)[-1][:15]
        self.nested = "vm" in setting
        self.inner: dict[int, System | None] = {}
        self.entry, self.exit = host.kernel.symbol("syscall_entry"), host.kernel.symbol("task_exit")
        self.calls = names.CHOICES["system_call"]
        self.phase = "before"           # then "loaded", "running", "over"
        self.writing = False

    def run(self) -> Measured:
        machine, result = self.machine, self.result
        began, before = machine.retired, Counters.of(machine)
        machine.engine.set_breakpoints((self.entry, self.exit))
        text = self.result.command.encode()
        position = len(machine.console)
        machine.type(b"run %d\n" % len(text) + text)
        try:
            while machine.retired - began < LIMIT and b"\x02x" not in machine.console[position:]:
                stop = machine.run(_STEP if self.phase == "over" else LIMIT)
                if stop.reason is Reason.BREAKPOINT:
                    self._met(began, before)
                elif stop.reason is not Reason.LIMIT:
                    break
        finally:
            machine.engine.set_breakpoints(())
        if result.whole is None:
            raise RingzeroError(f"the workload {self.name!r} did not come to its end as {self.result.setting}",
                                "give a program of the guest with --workload; it must also be on the disk of nested guests")
        done = self.guest.collect(result.command, began)
        result.status, result.output = done.status, done.stdout
        return result

    def _system(self) -> System | None:
        if not self.machine.engine.get("guest"):
            return self.host
        asid = self.machine.engine.get("vm_asid")
        if self.inner.get(asid) is None:        # or it had not booted so far
            self.inner[asid] = next((vm.system for vm in self.host.vms() if vm.asid == asid), None)
        return self.inner[asid]

    def _met(self, began: int, before: Counters) -> None:
        machine, result = self.machine, self.result
        in_guest = bool(machine.engine.get("guest"))
        system = self._system()
        task = system.kernel.current() if system is not None else None
        program = task.comm if task is not None else "?"
        ours = task is not None and program == self.name and in_guest == self.nested
        if machine.engine.get("rip") == self.exit:
            if ours and self.phase == "running" and task.pid == self.pid:
                result.whole = Counters.of(machine).since(before)
                self.phase = "over"
            return
        kernel = "guest" if in_guest else "host"
        call = self.calls.get(machine.engine.get("gpr", _RAX), "?")
        if self.phase != "over":
            result.calls[kernel][call] += 1
            result.moments.append(Moment(machine.retired - began, kernel, program, call))
        if ours and self.phase == "before":
            self.phase, self.pid = "running", task.pid
            result.start = Counters.of(machine).since(before)
            self._look(system, task)
        if self.writing and not (ours and call in ("write", "writev")):
            step = f"{kernel} kernel: {call} of {program}"
            if ours:
                self.writing = False
                result.write_exits = {exit_name(code): count for code, count in sorted((Counters.of(machine).exits - self.exits).items())}
            elif step not in result.write_path:     # a monitor goes round once a byte
                result.write_path.append(step)
        elif ours and call in ("write", "writev") and not result.write_path:
            self.writing, self.exits = True, Counters.of(machine).exits
            result.write_path.append(f"{kernel} kernel: {call} of {program}")

    def _look(self, system: System, task: Struct) -> None:
        """At the workload's first system call: who sees whom, whose memory is whose, which kernel this is."""
        result, process = self.result, Process(system, task.process)
        found = audit(self.host)
        result.frames = _frames(found, process)
        result.visible = [each.name for each in system.processes() if _sees(task, each)]
        uts = task.nsproxy.uts.name
        code = system.kernel.memory.frame(self.entry)
        result.identity = {"system": system.name, "release": uts.release, "host_name": uts.nodename, "code_at": code,
                           "same_as_host": code == self.host.kernel.memory.frame(self.entry)}


def _sees(task: Struct, other: Process) -> bool:
    """Whether the namespace of `task` has a number for `other`."""
    own = other.struct.leader.pid_ns
    while own is not None and own != task.pid_ns:
        own = own.parent
    return own is not None and not other.struct.leader.kernel_thread


def _frames(found: Audit, process: Process) -> dict[str, Any]:
    account = next((each for each in found.accounts if each.owner.system == process.system.name and each.owner.name == f"{process.name} ({process.pid})"), None)
    own = {} if account is None else {"all": account.frames, "writable": account.writable, "alone": account.alone, "shared": dict(sorted(account.shared.items()))}
    vms = sum(each.frames for each in found.accounts if each.owner.kind == "vm")
    return {**own, "virtual_machine": vms, "breaches": len(found.breaches)}


__all__ = ["SETTINGS", "WORLDS", "Counters", "Measured", "Moment", "exit_name", "measure"]
