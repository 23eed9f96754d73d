"""Scripts of file operations for tests/guestos/programs/powercut.c, and what the tree is after each of their steps.

What a power cut may leave of a script that had come to step `current`, with step `promised` the last one that asked for
durability and got it: the names, kinds and sizes are those after one step between the two. Each sector of a file has what
that step found in it, or what a later one put there, for data are written to their places before what points to them is
committed. No bytes of anything else, and nothing older.
"""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, field

SECTOR = 512
FILE_MAX = 80_000


def pattern(tag: int, offset: int, length: int) -> bytes:
    """What a write with this tag puts at [offset, offset + length)."""
    first, last = offset // 4, (offset + length + 3) // 4
    words = struct.pack(f"<{last - first}I", *((tag * 2654435761 + at) & 0xFFFF_FFFF for at in range(first, last)))
    return words[offset % 4 : offset % 4 + length]


@dataclass(eq=False)
class Node:
    """A file, directory or symbolic link; of a file, what was in it from which step on, and whether a mapping put it there."""

    kind: str
    versions: list[tuple[int, bytes, bool]] = field(default_factory=list)
    target: str = ""

    def at(self, step: int) -> bytes:
        """A file's contents after `step`."""
        return next(data for since, data, _ in reversed(self.versions) if since <= step)

    def accepts(self, data: bytes, step: int, current: int) -> bool:
        """May a file of which the names are those after `step` have these contents?"""
        now = self.at(step)
        if data == now:
            return True
        if len(data) != len(now):
            return False
        later = [(new, mapped) for since, new, mapped in self.versions if step < since <= current]
        for start in range(0, len(data), SECTOR):
            part = data[start : start + SECTOR]
            allowed = [version[start : start + SECTOR].ljust(len(part), b"\0")[: len(part)] for version in (now, *(new for new, _ in later))]
            if part in allowed:
                continue
            # A program may be in the midst of storing to a mapped page while that is written.
            if not any(mapped for _, mapped in later) or not all(byte in column for byte, *column in zip(part, *allowed)):
                return False
        return True


class Script:
    """A random script for one process, which has the directory /w`which` to itself."""

    #: Operations and how often they are tried; those in PROMISES return when all before them is durable.
    WEIGHTS = {"c": 8, "w": 16, "W": 2, "p": 3, "P": 1, "t": 5, "u": 5, "d": 4, "r": 2, "m": 7, "l": 3, "s": 2, "o": 2, "h": 2,
               "f": 9, "F": 3, "y": 1, "z": 0.3}
    PROMISES = "WPfFy"

    def __init__(self, which: int, seed: int, steps: int) -> None:
        self.root = f"/w{which}"
        self.lines: list[str] = []
        self.states: list[dict[str, Node]] = [{self.root: Node("d")}]
        self._random = random.Random(f"{seed} {which}")
        self._tag = which << 20 | seed % 4096 << 8
        self._names = 0
        self._held: Node | None = None
        while len(self.lines) < steps:
            operation = self._random.choices(list(self.WEIGHTS), list(self.WEIGHTS.values()))[0]
            self._tree = dict(self.states[-1])
            if arguments := self._step(operation):
                self.lines.append(" ".join(map(str, (operation, *arguments))))
                self.states.append(self._tree)

    @property
    def text(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)

    def promised(self, done: int) -> int:
        """The last step up to `done` that asked for durability; 0: none, which the image at the start fulfils."""
        return next((step for step in range(done, 0, -1) if self.lines[step - 1][0] in self.PROMISES), 0)

    def explain(self, found: dict[str, tuple[str, bytes]], done: int) -> str:
        """Why this can't be what a power cut leaves after `done` complete steps; "" if it can."""
        first, current = self.promised(done), min(done + 1, len(self.lines))
        why = ""
        for step in range(first, current + 1):
            wrong = self._difference(found, step, current)
            if not wrong:
                return ""
            why += f"\n  not the state after step {step} ({self.lines[step - 1] if step else 'the start'}): {wrong}"
        return f"{self.root}: {done} steps were done, and all up to step {first} is promised, but this is no state since:{why}"

    def _difference(self, found: dict[str, tuple[str, bytes]], step: int, current: int) -> str:
        state = self.states[step]
        if missing := state.keys() - found.keys():
            return f"{min(missing)} is missing"
        if more := found.keys() - state.keys():
            return f"{min(more)} is there"
        for path, node in state.items():
            kind, data = found[path]
            if kind != node.kind or node.kind == "l" and data.decode() != node.target:
                return f"{path} is {kind} {data[:40]!r}, not {node.kind} {node.target}"
            if kind == "f" and len(data) != len(node.at(step)):
                return f"{path} has {len(data)} bytes, not {len(node.at(step))}"
            if kind == "f" and not node.accepts(data, step, current):
                return f"{path} has contents that it never had"
        return ""

    # One operation: changes self._tree; returns its arguments, or None if it can't be done now.

    def _pick(self, kind: str) -> str | None:
        paths = [path for path, node in self._tree.items() if node.kind in kind and path != self.root]
        return self._random.choice(paths) if paths else None

    def _fresh(self) -> str:
        """A path that doesn't exist; long names fill directories."""
        parent = self._random.choice([path for path, node in self._tree.items() if node.kind == "d"])
        self._names += 1
        return f"{parent}/{self._names}{'x' * self._random.choice((0, 0, 20, 150))}"

    def _is_empty(self, path: str) -> bool:
        return not any(other.startswith(path + "/") for other in self._tree)

    def _put(self, node: Node, data: bytes, mapped: bool = False) -> None:
        node.versions.append((len(self.lines) + 1, data, mapped))

    def _overwrite(self, node: Node, offset: int, length: int, mapped: bool = False) -> int:
        self._tag += 1
        old = node.at(len(self.lines))
        self._put(node, old[:offset].ljust(offset, b"\0") + pattern(self._tag, offset, length) + old[offset + length :], mapped)
        return self._tag

    def _step(self, operation: str) -> tuple | None:
        chosen, tree = self._random, self._tree
        if operation == "y" or operation == "z":
            return ("-",)
        if operation == "h":
            return ("-", self._overwrite(self._held, 0, 5000)) if self._held else None
        if operation in "cds":
            if len(tree) > 40:
                return None
            path = self._fresh()
            if operation == "s":
                target = "t" * chosen.choice((5, 59, 60, 61, 200))
                tree[path] = Node("l", target=target)
                return target, path
            tree[path] = Node("f" if operation == "c" else "d")
            if operation == "c":
                self._put(tree[path], b"")
            return (path,)
        path = self._pick({"u": "fl", "r": "d", "m": "fdl", "f": "fd", "F": "fd"}.get(operation, "f"))
        if path is None:
            return None
        node = tree[path]
        if operation in "wW":
            size = len(node.at(len(self.lines)))
            offset = chosen.choice((0, size, chosen.randrange(size + 1), chosen.randrange(FILE_MAX)))
            length = min(chosen.choice((1, 100, 512, 4096, 8192, chosen.randrange(1, 32768))), FILE_MAX - offset)
            return (path, offset, length, self._overwrite(node, offset, length)) if length > 0 else None
        if operation in "pP":
            size = len(node.at(len(self.lines)))
            if not size:
                return None
            offset = chosen.randrange(size)
            length = min(chosen.randrange(1, 10_000), size - offset)
            return path, offset, length, self._overwrite(node, offset, length, True)
        if operation == "t":
            size = chosen.choice((0, chosen.randrange(FILE_MAX), chosen.randrange(len(node.at(len(self.lines))) + 1)))
            self._put(node, node.at(len(self.lines))[:size].ljust(size, b"\0"))
            return path, size
        if operation == "u" or operation == "r" and self._is_empty(path):
            del tree[path]
            return (path,)
        if operation == "l":
            to = self._fresh()
            tree[to] = node
            return path, to
        if operation == "o":
            self._held = node
            return (path,)
        if operation == "m":
            return self._rename(path)
        return (path,) if operation in "fF" else None

    def _rename(self, path: str) -> tuple | None:
        tree, node = self._tree, self._tree[path]
        to = self._pick("fl" if node.kind in "fl" else "d") if self._random.random() < 0.5 else self._fresh()
        if to is None or f"{to}/".startswith(f"{path}/") or node.kind == "d" and not self._is_empty(to):
            return None
        if tree.get(to) is not node:                    # else both are names of one file, and rename does nothing
            for old in [old for old in tree if old == path or old.startswith(path + "/")]:
                tree[to + old[len(path):]] = tree.pop(old)
        return path, to
