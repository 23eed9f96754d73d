"""What runs on a machine's kernel, as records: processes, namespaces, containers, virtual machines and what runs in those.

    machine.guest.processes()                   # (Process(pid=1, name="init", ...), ...)
    machine.guest.containers()[0].processes
    machine.guest.vms()[0].guest.processes()    # of the kernel in it

Each call reads guest memory through the kernel's DWARF as it is at that moment; the guest does not notice, and no program in it
is asked. Numbers are those of the system's first namespaces. A record is a picture: it does not change when the guest goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emu.guest import system as systems
from emu.guest.layout import Struct, address_of
from emu.guest.system import System, Vm

if TYPE_CHECKING:
    from emu.machine.machine import Machine

#: Kinds of namespaces, as the files of /proc/N/ns are named, and where a `struct task` has its own.
KINDS = {"mnt": "fs.ns", "uts": "nsproxy.uts", "ipc": "nsproxy.ipc", "net": "net", "pid": "pid_ns", "user": "cred.user_ns", "cgroup": "nsproxy.cgroup"}
_STATES = {"TASK_RUNNING": "R", "TASK_SLEEPING": "S", "TASK_BLOCKED": "D", "TASK_STOPPED": "T", "TASK_TRACED": "t", "TASK_ZOMBIE": "Z", "TASK_DEAD": "X"}


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who a process is. Ids are the first user namespace's; the capability sets are bit masks."""

    uid: int
    gid: int
    euid: int
    egid: int
    groups: tuple[int, ...]
    effective: int
    permitted: int
    inheritable: int
    bounding: int
    ambient: int
    no_new_privs: bool


@dataclass(frozen=True, slots=True)
class Process:
    """A process, zombies too. `cr3` is the root of its page tables as its kernel has it: 0 of the ended and kernel threads."""

    pid: int
    name: str
    parent: int                     #: its parent's pid; 0: none
    state: str                      #: of its first thread, as ps has it: R S D T t Z
    threads: int
    credentials: Credentials
    namespaces: dict[str, int]      #: inode number by kind; empty of the ended
    pids: tuple[int, ...]           #: its number in the first pid namespace, in the next, ... in its own
    cgroup: str                     #: path from the root group
    root: str                       #: its root directory, from its mount namespace's root on; "" of the ended
    seccomp: bool                   #: a filter decides over its system calls
    cr3: int
    system: str                     #: whose process it is: "host", or its virtual machine's name
    seen: systems.Process = field(repr=False, compare=False)   #: its structures in guest memory as they are now

    def __hash__(self) -> int:
        return hash((self.system, self.pid))


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace that processes are in. `inode` is that of /proc/N/ns/KIND; 0 as `owner`: nobody's, the first user namespace."""

    kind: str
    inode: int
    owner: int                      #: inode of the user namespace whose capabilities rule it
    members: tuple[int, ...]        #: pids


@dataclass(frozen=True, slots=True)
class Container:
    """Processes with pid numbers of their own, so that one of them is number 1, whose end is everybody's.

    `own` are the kinds of namespaces that its init does not share with the process that it was made by."""

    init: Process
    namespaces: dict[str, int]
    own: frozenset[str]
    cgroup: str
    root: str
    processes: tuple[Process, ...]  #: in order of pid, those of containers within too

    def __hash__(self) -> int:
        return hash(self.init)


@dataclass(frozen=True, slots=True)
class Slot:
    """A range of a virtual machine's physical memory: `size` bytes at guest-physical `start` are the VMM's at `address`."""

    number: int
    start: int
    size: int
    address: int


@dataclass(frozen=True, slots=True)
class Vcpu:
    """A virtual processor as its control block was at the last exit."""

    number: int
    halted: bool
    rip: int
    cr3: int
    exit_code: int


@dataclass(frozen=True, slots=True)
class VirtualMachine:
    """A virtual machine of the process `monitor`."""

    name: str
    monitor: int                    #: pid of the VMM
    asid: int
    nested_cr3: int                 #: root of the nested page tables
    slots: tuple[Slot, ...]
    vcpus: tuple[Vcpu, ...]
    kernel: str                     #: "sysname release nodename" of the kernel in it; "": it is not this kernel, or not up so far
    guest: GuestView | None         #: what runs in it; None when `kernel` is ""
    seen: Vm = field(repr=False, compare=False)


class GuestView:
    """What runs under one kernel (`Machine.guest`, `VirtualMachine.guest`)."""

    def __init__(self, system: System) -> None:
        self.system = system

    @classmethod
    def on(cls, machine: Machine, image: bytes) -> GuestView:
        """The view of the kernel on the machine's hardware, which is the ELF file `image`."""
        return cls(System.on(machine, image))

    def __repr__(self) -> str:
        return f"GuestView({self.name!r})"

    @property
    def name(self) -> str:
        """"host", or the virtual machine's name."""
        return self.system.name

    @property
    def identity(self) -> str:
        """"sysname release nodename" of the first uts namespace."""
        uts = next(self.system.kernel.processes()).leader.nsproxy.uts.name
        return f"{uts.sysname} {uts.release} {uts.nodename}"

    @property
    def kernel_frame(self) -> int:
        """The machine's physical address of the code that its system calls enter: it tells kernels apart that are the same file."""
        kernel = self.system.kernel
        return kernel.memory.frame(kernel.symbol("syscall_entry"))

    def processes(self) -> tuple[Process, ...]:
        """All in order of pid."""
        return tuple(self._process(each) for each in self.system.processes())

    def process(self, which: int | str) -> Process:
        """The process of that pid, or the first of that name. Raises LookupError that names those that are there."""
        found = self.processes()
        for each in found:
            if which in (each.pid, each.name):
                return each
        raise LookupError(f"no process {which!r} on {self.name}; there are {', '.join(f'{each.name} ({each.pid})' for each in found)}")

    def namespaces(self) -> tuple[Namespace, ...]:
        """Those that processes are in, by kind in the order of KINDS, then by inode."""
        owners: dict[tuple[str, int], int] = {}
        members: dict[tuple[str, int], list[int]] = {}
        for process in self.system.processes():
            for kind, ns in _namespaces(process.struct.leader).items():
                owners[kind, ns.ino] = ns.owner.ns.ino if ns.owner is not None else 0
                members.setdefault((kind, ns.ino), []).append(process.pid)
        order = {kind: n for n, kind in enumerate(KINDS)}
        return tuple(Namespace(*key, owners[key], tuple(members[key])) for key in sorted(members, key=lambda key: (order[key[0]], key[1])))

    def containers(self) -> tuple[Container, ...]:
        """In order of their inits' pids."""
        processes = {each.pid: each for each in self.processes()}
        found = []
        for init in processes.values():
            if len(init.pids) < 2 or init.pids[-1] != 1 or not init.namespaces:
                continue
            namespace = init.seen.struct.leader.pid_ns
            within = tuple(each for each in processes.values() if _is_below(each.seen.struct.leader.pid_ns, namespace))
            above = processes.get(init.parent) or processes[min(processes)]
            own = frozenset(kind for kind, inode in init.namespaces.items() if above.namespaces.get(kind) != inode)
            found.append(Container(init, init.namespaces, own, init.cgroup, init.root, within))
        return tuple(found)

    def vms(self) -> tuple[VirtualMachine, ...]:
        """Those that processes hold descriptors of."""
        return tuple(self._vm(vm) for vm in self.system.vms())

    def number(self, process: Process, namespace: Process) -> int:
        """The pid that `process` has in the pid namespace that the process `namespace` is in; 0: it is not seen from there."""
        depth, own = len(namespace.pids), process.seen.struct.leader.pid_ns
        return process.pids[depth - 1] if process.system == namespace.system and _is_below(own, namespace.seen.struct.leader.pid_ns) else 0

    def _process(self, process: systems.Process) -> Process:
        struct, task = process.struct, process.struct.leader
        cred = task.cred
        who = Credentials(cred.uid, cred.gid, cred.euid, cred.egid, tuple(cred.groups[: cred.group_count]), cred.cap_effective,
                          cred.cap_permitted, cred.cap_inheritable, cred.cap_bounding, cred.cap_ambient, task.no_new_privs)
        threads = sum(1 for _ in self.system.kernel.list(struct.threads, "task", "thread_link"))
        namespaces = {kind: ns.ino for kind, ns in _namespaces(task).items()}
        return Process(process.pid, process.name, process.parent, _STATES.get(task.state, "?"), threads, who, namespaces,
                       tuple(self._numbers(process)), _group(struct.cgroup), self._root(task), bool(task.seccomp),
                       process.memory.root if process.memory is not None else 0, self.name, process)

    def _numbers(self, process: systems.Process) -> Iterator[int]:
        """First namespace's first."""
        namespace, levels = process.struct.leader.pid_ns, []
        while namespace is not None and namespace.parent is not None:
            pairs = self.system.kernel.list(namespace.pairs, "pair", "link")
            levels.append(next((pair.local for pair in pairs if getattr(pair, "global") == process.pid), 0))
            namespace = namespace.parent
        yield process.pid
        yield from reversed(levels)

    def _root(self, task: Struct) -> str:
        if task.fs is None:
            return ""
        dentry, mount, names = task.fs.root.dentry, task.fs.root.mnt, []
        while dentry is not None:
            if mount is not None and dentry == mount.root:
                if mount.parent is None:
                    break
                dentry, mount = mount.at, mount.parent
            elif dentry.parent == dentry:
                break
            else:
                names.append(self.system.kernel.read(dentry.name, dentry.length).decode("utf-8", "replace"))
                dentry = dentry.parent
        return "/" + "/".join(reversed(names))

    def _vm(self, vm: Vm) -> VirtualMachine:
        struct = vm.struct
        slots = tuple(Slot(n, slot.gpa, slot.size, slot.hva) for n, slot in enumerate(struct.slots) if slot.size)
        pointers = self.system.kernel.layouts.struct("vm").fields["vcpus"]
        vcpus = []
        for n in range(pointers.type.count):
            pointer = int.from_bytes(self.system.kernel.read(address_of(struct, "vcpus") + 8 * n, 8), "little")
            if pointer:
                vcpu = self.system.kernel.at("vcpu", pointer)
                vcpus.append(Vcpu(vcpu.id, vcpu.halted, vcpu.vmcb.rip, vcpu.vmcb.cr3, vcpu.vmcb.exit_code))
        guest = GuestView(vm.system) if vm.system is not None else None
        return VirtualMachine(vm.name, vm.owner.pid, vm.asid, vm.memory.root, slots, tuple(vcpus), guest.identity if guest else "", guest, vm)


def _namespaces(task: Struct) -> dict[str, Struct]:
    """The `struct ns` of each kind; none once it has ended."""
    if task.nsproxy is None or task.fs is None:
        return {}
    found = {}
    for kind, path in KINDS.items():
        place = task
        for name in path.split("."):
            place = getattr(place, name)
        found[kind] = place.ns
    return found


def _is_below(namespace: Struct | None, above: Struct) -> bool:
    while namespace is not None and namespace != above:
        namespace = namespace.parent
    return namespace is not None


def _group(group: Struct | None) -> str:
    names = []
    while group is not None and group.parent is not None:
        names.append(group._read(address_of(group, "name"), 256).split(b"\0", 1)[0].decode("utf-8", "replace"))
        group = group.parent
    return "/" + "/".join(reversed(names))
