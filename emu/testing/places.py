"""Where a test runs programs beside the booted guest: containers and virtual machines, each started once and then restored.

Places that a test makes before it does anything else are snapshots, one below the other in the order of their making: the next
test that asks for the same ones is put there at once.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emu.guest import view as views
from emu.testing.guest import PATIENCE, Completed, Guest

if TYPE_CHECKING:
    from emu.machine.machine import Machine
    from emu.machine.snapshots import Snapshot

#: What a container does while nobody asks anything of it.
_NOTHING = ("sleep", "1000000000")
_PIECE = 400            # bytes of a file that go in one command; the shell's work grows with the square


@dataclass(frozen=True)
class Place:
    """A container or a virtual machine. `outer` is where it was made; its own programs are reached through that."""

    name: str
    outer: Guest | Place

    @property
    def machine(self) -> Machine:
        return self.outer.machine

    def run(self, command: str | Sequence[str], limit: int = PATIENCE) -> Completed:
        """Run a shell command, or a program with arguments given as a list, in it; as `Guest.run`.

        The instructions are all that the machine retired, those of `box` or `vmm` that brought the command there among them."""
        return self.outer.run(self._through(command if isinstance(command, str) else shlex.join(map(str, command))), limit)

    def put(self, path: str, contents: bytes | str, mode: int = 0o644) -> str:
        """Write a file in it; returns `path`. A byte costs thousands of instructions: meant for what is small."""
        data = contents.encode() if isinstance(contents, str) else bytes(contents)
        where = shlex.quote(path)
        self.run(f": > {where}").check()
        for start in range(0, len(data), _PIECE):
            self.run(f"unhex {data[start : start + _PIECE].hex()} >> {where}").check()
        self.run(["chmod", f"{mode:o}", path]).check()
        return path

    def read(self, path: str) -> str:
        """A file's contents as text. Raises AssertionError with the reason."""
        return self.run(["cat", path]).check().stdout


@dataclass(frozen=True)
class Container(Place):
    """A running container. `id` is what `box` calls it."""

    id: str

    def __str__(self) -> str:
        return f"container {self.name}" + ("" if isinstance(self.outer, Guest) else f" in {self.outer}")

    def _through(self, command: str) -> list[str]:
        return ["box", "exec", self.name, "sh", "-c", command]

    def put(self, path: str, contents: bytes | str, mode: int = 0o644) -> str:
        if isinstance(self.outer, Guest):
            self.outer.put(f"/proc/{self.record.init.pid}/root{path}", contents, mode)
            return path
        return super().put(path, contents, mode)

    @property
    def view(self) -> views.GuestView:
        """Of the kernel that it runs on."""
        return self.outer.view

    @property
    def record(self) -> views.Container:
        """It, as the kernel has it. Raises LookupError once it has ended."""
        for each in self.view.containers():
            if each.cgroup.endswith(f"/{self.id}"):
                return each
        raise LookupError(f"{self} doesn't run any more")

    def processes(self) -> tuple[views.Process, ...]:
        return self.record.processes


@dataclass(frozen=True)
class VirtualMachine(Place):
    """A virtual machine that runs the guest's kernel. `monitor` is its monitor's pid."""

    monitor: int

    def __str__(self) -> str:
        return f"virtual machine {self.name}"

    def _through(self, command: str) -> list[str]:
        return ["vmm", "exec", self.name, command]

    @property
    def view(self) -> views.GuestView:
        """Of the kernel in it."""
        found = self.record.guest
        if found is None:
            raise LookupError(f"{self} has no kernel that can be looked into")
        return found

    @property
    def record(self) -> views.VirtualMachine:
        """It, as the host's kernel has it. Raises LookupError once it has ended."""
        for each in self.outer.view.vms():
            if each.monitor == self.monitor:
                return each
        raise LookupError(f"{self} doesn't run any more")

    def processes(self) -> tuple[views.Process, ...]:
        """Of the kernel in it."""
        return self.view.processes()


class Places:
    """The places of one booted guest, and the snapshots in which they have been started."""

    def __init__(self, guest: Guest) -> None:
        self.guest, self.machine = guest, guest.machine
        self._kept: dict[tuple, tuple[Snapshot, Place]] = {}
        self.begin()

    def begin(self) -> None:
        """Back to the booted guest, without any."""
        self.machine.restore(self.machine.snapshots.root)
        self._chain: tuple = ()
        self._node = self.machine.snapshots.root
        self._count: Counter[str] = Counter()

    def container(self, *options: str, image: str = "base", name: str = "", inside: VirtualMachine | None = None) -> Container:
        """A running container; `options` are those of `box run`, such as "--memory", "8m"."""
        outer = inside or self.guest

        def start(name: str) -> Container:
            done = outer.run(["box", "run", "-d", "--name", name, *options, image, *_NOTHING]).check()
            return Container(name, outer, done.output)

        return self._make(("container", options, image, inside), name, start)

    def vm(self, *options: str, name: str = "") -> VirtualMachine:
        """A virtual machine whose kernel has come up; `options` are those of `vmm run`, such as "--memory", "16M"."""
        def start(name: str) -> VirtualMachine:
            self.guest.run(["vmm", "run", "-d", "--name", name, *options, "-c", "exec /bin/agent"]).check()
            self.guest.run(["vmm", "exec", name, "true"]).check()
            line = next(line.split() for line in self.guest.run("vmm ps").check().stdout.splitlines() if line.split()[0] == name)
            return VirtualMachine(name, self.guest, int(line[1]))

        return self._make(("vm", options), name, start)

    def _make(self, kind: tuple, name: str, start: Callable[[str], Place]) -> Place:
        self._count[kind[0]] += 1
        name = name or f"{kind[0][0]}{self._count[kind[0]]}"
        chain = (*self._chain, (*kind, name))
        snapshots = self.machine.snapshots
        if snapshots.current is not self._node or self.machine.retired != self._node.retired or self.machine.memory.dirty():
            return start(name)              # the test has done something already, which must not be lost
        if chain in self._kept:
            self._node, place = self._kept[chain]
            self.machine.restore(self._node)
        else:
            place = start(name)
            self._node = self.machine.snapshot(name)
            self._kept[chain] = self._node, place
        self._chain = chain
        return place
