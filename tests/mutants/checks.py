"""The checks that are marked in the sources, and the mutants without them.

A check's line ends in `/* check: NAMES */` (C) or `# check: NAMES` (Python). The names say what catches its absence: a
property's number (C17), a program of tests/guestos/programs (captests), one of its properties (captests:NAME), or a test
(guestos/test_box.py::NAME, or a whole file).

What is taken out, by the line's form:
- `if (...) ...;` or `else if (...) ...;` on one line: the statement; in Python, `if ...:` never holds;
- a line with calls of the predicates below: one mutant for each, in which it allows;
- any other line: all of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PLACES = ("guestos/kernel", "guestos/user", "emu/cpu")
#: What asks for permission, and the answer that lets everybody through.
PREDICATES = {
    "capable": "true", "ns_capable": "true", "cred_capable": "true", "capable_over": "true", "ptrace_may_access": "true", "owns": "true",
    "may_signal": "true", "is_ours": "true", "user_ns_is_below": "true", "pid_ns_is_below": "true", "user_range_ok": "true", "vm_is_ours": "true",
    "trace_allows_privileges": "true", "bpf_valid": "true", "inode_permission": "0", "mount_writable": "0", "dir_may_change": "0", "in_group": "true",
    "cgroup_may_fork": "0", "cgroup_may_move": "0", "path_may_write": "0", "may_remove": "0", "may_search": "0",
}
_MARK = re.compile(r"\s*(?:/\* check: (?P<c>[^*]+?) \*/|# check: (?P<python>.+))$")
_COMMENT = re.compile(r"/\*.*?\*/")
_CALL = re.compile(rf"\b({'|'.join(PREDICATES)})\(")


@dataclass(frozen=True, slots=True)
class Mutant:
    """Line `line` (from 1) of `path` as `text`, without what was `removed`; `names` are its marker's."""

    path: str
    line: int
    names: tuple[str, ...]
    removed: str
    text: str

    @property
    def id(self) -> str:
        return f"{self.path}:{self.line}" + (f" {self.removed}" if self.removed in PREDICATES else "")

    @property
    def half(self) -> str:
        """Which part of the system it is in."""
        return "CPU" if self.path.startswith("emu/") else "kernel" if "/kernel/" in self.path else "VMM" if "/vmm/" in self.path else "runtime"


def _end(text: str, start: int) -> int:
    """Behind the parenthesis that closes the one at `start`."""
    depth = 0
    for at in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if not depth:
            return at + 1
    raise ValueError(f"no end of the call in {text!r}")


def _without(code: str) -> Iterator[tuple[str, str]]:
    """What can be taken out of a line, and the line then."""
    indent, rest = re.match(r"(\s*)(.*)", code).groups()
    if rest.startswith(("if ", "elif ")) and rest.endswith(":"):
        yield rest, f"{indent}{rest.split()[0]} False:"
        return
    conditional = re.match(r"(?:else )?if ", rest)
    if conditional and rest.endswith(";"):
        yield rest, f"{indent}{conditional[0]}(0) {{}}"
        return
    calls = list(_CALL.finditer(code))
    for call in calls:
        yield call[1], code[: call.start()] + PREDICATES[call[1]] + code[_end(code, call.end() - 1):]
    if not calls:
        yield rest, f"{indent}pass" if not rest.endswith((";", "}")) else f"{indent};"


def of_file(path: Path, root: Path = ROOT) -> Iterator[Mutant]:
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if marked := _MARK.search(line):
            names = tuple((marked["c"] or marked["python"]).split())
            for removed, text in _without(_COMMENT.sub("", line[: marked.start()]).rstrip()):
                yield Mutant(path.relative_to(root).as_posix(), number, names, removed, text)


def load(root: Path = ROOT) -> list[Mutant]:
    """All of the tree, in order of path and line."""
    files = sorted(file for place in PLACES for file in (root / place).rglob("*") if file.suffix in (".c", ".h", ".py"))
    return [mutant for file in files for mutant in of_file(file, root)]
