"""Snapshots in a tree: a moment of a machine's run, to which going back costs what has been written since.

Taking one copies no memory. It marks every page clean; the first write to a clean page, which misses the TLB by
construction, keeps the page first (`PhysicalMemory.keep`). Between a snapshot and its parent stand the pages in which
they differ, with the contents of the side that RAM is not on: crossing from one to the other exchanges them.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

from emu.errors import ConfigurationError
from emu.machine.memory import PAGE_SIZE

if TYPE_CHECKING:
    from emu.machine.machine import Machine


class Snapshot:
    """A moment of one machine. `parent` is the snapshot it was taken after, `retired` and `now` are the instructions
    and virtual ns since power-on, `pages` the number of 4 KiB pages in which it differs from its parent."""

    def __init__(self, machine: Machine, parent: Snapshot | None, name: str) -> None:
        self.name, self.parent = name, parent
        self.children: list[Snapshot] = []
        self.retired, self.now = machine.retired, machine.now
        self.dropped = False
        self._machine = machine
        self._engine = machine.engine.quick_state()
        self._outside = pickle.dumps(machine.outside_state(), pickle.HIGHEST_PROTOCOL)
        self._disk = None if machine.disk is None else (dict(machine.disk.overlay), dict(machine.disk.unflushed))
        self._across: dict[int, bytes] = {}     # contents of the side (this one's or the parent's) where RAM is not

    @property
    def pages(self) -> int:
        return len(self._across)

    def __repr__(self) -> str:
        return f"<snapshot {self.name or 'at'} {self.retired} instructions, {self.pages} pages from its parent>"


class Snapshots:
    """The tree of one machine's snapshots. `current` is the one that the machine's state came from."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.root: Snapshot | None = None
        self.current: Snapshot | None = None

    def take(self, name: str = "") -> Snapshot:
        """A snapshot of this moment, a child of the current one. Raises ConfigurationError if the disk is written in place."""
        machine = self._machine
        if machine.disk is not None and machine.disk.writable:
            raise ConfigurationError("a machine that writes to its disk image can't go back to a snapshot: the image would not",
                                     "make the machine without writable=True, or from a copy of the image")
        memory = machine.memory
        snapshot = Snapshot(machine, self.current, name)
        if self.current is None:
            self.root = snapshot
        else:
            shadow = memory.shadow
            snapshot._across = {page: shadow[page << 12 : (page << 12) + PAGE_SIZE] for page in memory.dirty()}
            self.current.children.append(snapshot)
        memory.begin_journal()
        machine.engine.rewind()         # nothing is dirty: only that no page passes for writable any more
        self.current = snapshot
        return snapshot

    def restore(self, snapshot: Snapshot) -> None:
        """Make the machine what it was at `snapshot`. Raises ConfigurationError for another machine's, or one dropped."""
        machine = self._machine
        if snapshot._machine is not machine or snapshot.dropped:
            what = "was dropped" if snapshot.dropped else "is of another machine"
            raise ConfigurationError(f"the snapshot {what}", "restore one that this machine's snapshot() gave")
        machine.engine.rewind()
        up, down = self._path(snapshot)
        for crossed in [*up, *down]:
            for page, contents in crossed._across.items():
                crossed._across[page] = machine.memory.exchange(page, contents)
        self.current = snapshot
        machine.engine.load_quick_state(snapshot._engine)
        if machine.disk is not None:
            machine.disk.overlay, machine.disk.unflushed = map(dict, snapshot._disk)
        machine.load_outside_state(pickle.loads(snapshot._outside))

    def drop(self, snapshot: Snapshot) -> None:
        """Forget a snapshot without children. Raises ConfigurationError when it has some, or is the first one."""
        if snapshot.children or snapshot.parent is None or snapshot._machine is not self._machine or snapshot.dropped:
            raise ConfigurationError(f"{snapshot!r} can't be dropped: it {'has children' if snapshot.children else 'is the first, of another machine, or gone'}",
                                     "drop its children first")
        if self.current is snapshot:
            # What has been written since then was, seen from the parent, written since the parent.
            memory = self._machine.memory
            for page, contents in snapshot._across.items():
                if not memory.is_dirty(page):
                    memory.keep(page)
                memory.shadow[page << 12 : (page << 12) + PAGE_SIZE] = contents
            self.current = snapshot.parent
        snapshot.parent.children.remove(snapshot)
        snapshot.dropped = True
        snapshot._across = {}

    def _path(self, target: Snapshot) -> tuple[list[Snapshot], list[Snapshot]]:
        """The snapshots to leave upwards from the current one, and those to enter downwards to `target`, in order."""
        above = []
        node: Any = target
        while node is not None:
            above.append(node)
            node = node.parent
        up, node = [], self.current
        while node not in above:
            up.append(node)
            node = node.parent
        return up, above[: above.index(node)][::-1]
