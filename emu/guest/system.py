"""The systems in a machine: the kernel on the hardware, and those in its virtual machines, each with its processes.

    host = System.on(machine, "kernel.elf")
    host.processes()                     # [Process(1, "init"), ...]
    host.vms()[0].system.processes()     # of the kernel in it, if that is the same kernel
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from emu.guest.kernel import GuestKernel
from emu.guest.layout import Struct, address_of
from emu.guest.memory import Linear, Memory, Nested, Physical
from emu.machine.linear import NotMapped

if TYPE_CHECKING:
    from emu.machine.machine import Machine

# Of the kernel's address space (guestos/kernel/include/mm.h).
_IMAGE, _DIRECT = 0xFFFF_FFFF_8000_0000, 0xFFFF_8880_0000_0000


def _physical(address: int) -> int:
    """Of a pointer of the kernel's."""
    return address - _IMAGE if address >= _IMAGE else address - _DIRECT


@dataclass(frozen=True, slots=True)
class Area:
    """A range of a process's address space, as /proc/N/maps has it. `file` is "" for anonymous memory."""

    start: int
    end: int
    shared: bool
    file: str


class Process:
    """A process of a `System`. `pid` is as that system's first pid namespace has it."""

    def __init__(self, system: System, struct: Struct) -> None:
        self.system, self.struct = system, struct
        self.pid: int = struct.pid
        self.name: str = struct.leader.comm
        self.parent: int = struct.parent.pid if struct.parent is not None else 0

    def __repr__(self) -> str:
        return f"Process({self.pid}, {self.name!r})"

    @cached_property
    def mm(self) -> Struct | None:
        """Its `struct mm`; None of kernel threads and the ended."""
        return self.struct.leader.mm

    @property
    def memory(self) -> Linear | None:
        """Its address space."""
        return Linear(self.system.memory, _physical(self.mm.pml4)) if self.mm is not None else None

    def areas(self) -> list[Area]:
        """Its mappings in order of address."""
        if self.mm is None:
            return []
        return [Area(vma.start, vma.end, vma.shared, self.system.path_of(vma.file) if vma.file is not None else "")
                for vma in self.system.kernel.list(self.mm.vmas, "vma", "link")]

    def open_files(self) -> Iterator[Struct]:
        """The `struct file` of each open descriptor, in order."""
        files = self.struct.leader.files
        if files is None:
            return
        for number in range(files.size):
            pointer = int.from_bytes(self.system.kernel.read(files.slot + 8 * number, 8), "little")
            if pointer:
                yield self.system.kernel.at("file", pointer)


class Vm:
    """A virtual machine of `owner`, a process of `host`."""

    def __init__(self, owner: Process, struct: Struct) -> None:
        self.owner, self.struct = owner, struct
        self.asid: int = struct.asid
        host = owner.system
        self.memory = Nested(host.memory, _physical(struct.npt))

    def __repr__(self) -> str:
        return f"Vm({self.name!r})"

    @property
    def name(self) -> str:
        return f"vm of {self.owner.pid}"

    @cached_property
    def system(self) -> System | None:
        """The system in it; None unless it runs the kernel that `host` runs."""
        kernel = self.owner.system.kernel
        inner = System(kernel, self.memory, self)
        try:
            start = kernel.symbol("syscall_entry")
            same = inner.kernel.read(start, 64) == kernel.code(start, 64)
            return inner if same and any(True for _ in inner.kernel.processes()) else None
        except (NotMapped, AttributeError):
            return None         # not booted so far, or another kernel


class System:
    """A kernel and what it runs, in `memory`: the machine's (`System.on`), or a virtual machine's."""

    def __init__(self, kernel: GuestKernel, memory: Memory, vm: Vm | None = None) -> None:
        self.machine, self.memory, self.vm = kernel.machine, memory, vm
        self.root = kernel.symbol("boot_pml4") - _IMAGE
        self.kernel = kernel.seen_in(Linear(memory, self.root))

    @classmethod
    def on(cls, machine: Machine, image: bytes | str | os.PathLike) -> System:
        """The system on the machine's hardware, whose kernel is the ELF file `image`."""
        return cls(GuestKernel(machine, image), Physical(machine))

    def __repr__(self) -> str:
        return f"System({self.name!r})"

    @property
    def name(self) -> str:
        return "host" if self.vm is None else self.vm.name

    def processes(self) -> list[Process]:
        """In order of pid, zombies too."""
        return [Process(self, struct) for struct in self.kernel.processes()]

    def vms(self) -> list[Vm]:
        """The virtual machines that its processes hold descriptors of."""
        if "kvm_vm_ops" not in self.kernel.symbols.by_name:
            return []
        ops, found = self.kernel.symbol("kvm_vm_ops"), {}
        for process in self.processes():
            for file in process.open_files():
                if address_of(file.ops) == ops:
                    struct = self.kernel.at("vm", file.data)
                    if process.mm is not None and process.mm.number == struct.owner:
                        found.setdefault(address_of(struct), Vm(process, struct))
        return list(found.values())

    def path_of(self, file: Struct) -> str:
        """The name under which a `struct file` was opened, from its file system's root on; "[KIND]" of one without a name."""
        dentry, names = file.path.dentry, []
        if dentry is None:
            return "[anonymous]"
        while dentry.parent != dentry:
            names.append(self.kernel.read(dentry.name, dentry.length).decode("utf-8", "replace"))
            dentry = dentry.parent
        return "/" + "/".join(reversed(names))

    def page(self, physical: int) -> Struct:
        """The kernel's `struct page` of a frame of `memory`."""
        frames = int.from_bytes(self.kernel.read(self.kernel.symbol("frames"), 8), "little")
        layout = self.kernel.layouts.struct("page")
        return self.kernel.at("page", frames + (physical >> 12) * layout.size)
