"""Which frame of the machine's memory can be reached by whom, from the page tables, through both levels.

Owners are the host's processes, each virtual machine as a whole, and the processes in it if it runs our kernel. A frame
that two owners reach needs a reason; one that has none is an error. That a kernel reaches all of its own memory, and a
virtual machine's processes reach theirs through it, is what kernels are for, and is not sharing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from emu.guest.memory import Linear, Mapping, Memory
from emu.guest.system import Process, System, Vm
from emu.machine.linear import NotMapped

_PAGE = 4096
_CACHED = 4                     # struct page: state, of the page cache's

#: Why owners may reach the same frame.
REASONS = {
    "file": "the page cache: pages of a file, read-only for all (programs, shared libraries)",
    "shared mapping": "a file or memory that both have mapped MAP_SHARED",
    "copy-on-write": "private memory since a fork, read-only for all: the first write makes a copy",
    "monitor": "a virtual machine's memory is its monitor's own",
}


@dataclass(frozen=True, slots=True)
class Owner:
    """Someone with page tables. `system` says under which kernel; `kind` is "process" or "vm"."""

    system: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.system}: {self.name}"


@dataclass(slots=True)
class Account:
    """An owner's frames: all, those it may write, those nobody else reaches, and others by reason."""

    owner: Owner
    frames: int = 0
    writable: int = 0
    alone: int = 0
    shared: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        return {"system": self.owner.system, "kind": self.owner.kind, "name": self.owner.name, "frames": self.frames,
                "writable": self.writable, "alone": self.alone, "shared": dict(sorted(self.shared.items()))}


@dataclass(frozen=True, slots=True)
class Breach:
    """A frame that can be reached by whom it should not. `address` is the machine's physical address."""

    address: int
    owners: tuple[str, ...]
    why: str

    def as_json(self) -> dict[str, Any]:
        return {"address": self.address, "owners": list(self.owners), "why": self.why}


@dataclass(slots=True)
class Audit:
    """What the walk found. `breaches` is empty on a machine whose kernel keeps its promises."""

    accounts: list[Account]
    reasons: Counter[str]           #: shared frames by reason
    breaches: list[Breach]
    tables: int                     #: page tables read

    def as_json(self) -> dict[str, Any]:
        return {"owners": [account.as_json() for account in self.accounts], "shared": dict(sorted(self.reasons.items())),
                "breaches": [breach.as_json() for breach in self.breaches], "tables": self.tables}


@dataclass(slots=True)
class _Reach:
    """One owner's way to a frame."""

    owner: Owner
    process: Process | None
    vm: Vm | None                   # whose guest-physical memory it goes through
    frame: int                      # its number in the memory that the owner's kernel manages
    writable: bool
    shared: bool                    # by a MAP_SHARED mapping


def audit(system: System) -> Audit:
    """Walk all page tables of the machine, whose kernel on the hardware is `system`."""
    reaches: dict[int, list[_Reach]] = defaultdict(list)
    tables: set[int] = set()
    systems = [system]
    owners: list[Owner] = []
    for each in systems:
        tables.update(_table_frames(Linear(each.memory, each.root)))
        seen: set[int] = set()
        for process in each.processes():
            memory = process.memory
            if memory is None or memory.root in seen:
                continue
            seen.add(memory.root)
            tables.update(_table_frames(memory))
            owners.append(Owner(each.name, "process", f"{process.name} ({process.pid})"))
            for frame, reach in _process_reaches(process, owners[-1], each.vm):
                reaches[frame].append(reach)
        for vm in each.vms():
            owners.append(Owner(each.name, "vm", vm.name))
            tables.update(_table_frames(vm.memory))
            for mapping in vm.memory.mappings():
                for local, frame in _frames(vm.memory.below, mapping):
                    reaches[frame].append(_Reach(owners[-1], None, vm, local, mapping.writable, False))
            if vm.system is not None:
                systems.append(vm.system)
    return _judge(system, owners, reaches, tables)


def _table_frames(memory: Linear) -> Iterator[int]:
    for table in memory.tables():
        try:
            yield memory.below.frame(table) >> 12
        except NotMapped:
            continue


def _frames(below: Memory, mapping: Mapping) -> Iterator[tuple[int, int]]:
    """The frames behind a mapping, as numbers in `below` and in the machine; what is no RAM is a device's."""
    for offset in range(0, mapping.size, _PAGE):
        try:
            yield mapping.target + offset >> 12, below.frame(mapping.target + offset) >> 12
        except NotMapped:
            continue


def _process_reaches(process: Process, owner: Owner, vm: Vm | None) -> Iterator[tuple[int, _Reach]]:
    areas = process.areas()
    index = 0
    for mapping in process.memory.mappings():
        if not mapping.user:
            continue
        while index < len(areas) and areas[index].end <= mapping.address:
            index += 1
        shared = index < len(areas) and areas[index].start <= mapping.address and areas[index].shared
        for local, frame in _frames(process.memory.below, mapping):
            yield frame, _Reach(owner, process, vm, local, mapping.writable, shared)


def _judge(system: System, owners: list[Owner], reaches: dict[int, list[_Reach]], tables: set[int]) -> Audit:
    accounts = {owner: Account(owner) for owner in owners}
    reasons: Counter[str] = Counter()
    breaches: list[Breach] = []
    for frame, found in sorted(reaches.items()):
        everyone = {reach.owner for reach in found}
        for owner in everyone:
            accounts[owner].frames += 1
            accounts[owner].writable += any(reach.writable for reach in found if reach.owner == owner)
        if frame in tables and not _is_guests(found):
            breaches.append(Breach(frame << 12, _names(everyone), "it is a page table"))
            continue
        problem, why = _reason(system, found)
        if problem:
            breaches.append(Breach(frame << 12, _names(everyone), problem))
        elif why:
            reasons[why] += 1
            for owner in everyone:
                accounts[owner].shared[why] += 1
        else:
            for owner in everyone:
                accounts[owner].alone += 1
    return Audit([accounts[owner] for owner in owners], reasons, breaches, len(tables))


def _names(owners: set[Owner]) -> tuple[str, ...]:
    return tuple(sorted(map(str, owners)))


def _is_guests(found: list[_Reach]) -> bool:
    """Whether a page table is a virtual machine's own, which its monitor sees as memory and its processes must not."""
    return any(reach.owner.kind == "vm" for reach in found) and all(reach.process is None or reach.vm is None for reach in found)


def _reason(system: System, found: list[_Reach]) -> tuple[str, str]:
    """(what is wrong, or "") and (why the frame is shared, or "" if it is not)."""
    vms = {reach.owner: reach.vm for reach in found if reach.owner.kind == "vm"}
    if len(vms) > 1:
        return "two virtual machines reach it", ""
    outside = [reach for reach in found if reach.process is not None and reach.vm is None]
    inside = [reach for reach in found if reach.process is not None and reach.vm is not None]
    if not vms:
        return _among(system, outside)
    vm = next(iter(vms.values()))
    if any(reach.process.struct != vm.owner.struct for reach in outside):
        return "it is a virtual machine's memory, and a process that is not its monitor reaches it", ""
    problem, why = _among(inside[0].process.system, inside) if inside else ("", "")
    return problem, why or ("monitor" if outside else "")


def _among(system: System, found: list[_Reach]) -> tuple[str, str]:
    """Of processes under one kernel."""
    if len({reach.owner for reach in found}) < 2 or all(reach.shared for reach in found):
        return "", "shared mapping" if len({reach.owner for reach in found}) > 1 else ""
    cached = system.page(found[0].frame << 12).state == _CACHED
    if any(reach.writable for reach in found if not (cached and reach.shared)):
        return "private memory that one owner may write is reached by others", ""
    return "", "file" if cached else "copy-on-write"
