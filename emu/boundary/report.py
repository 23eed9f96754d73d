"""The four settings side by side: for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from emu.boundary.meters import WORLDS, Measured, exit_name

if TYPE_CHECKING:
    from rich.console import Console

#: Heading and figure of each row.
Row = tuple[str, Callable[[Measured], str]]


def _walks(measured: Measured, world: int) -> str:
    misses, entries = measured.whole.misses[world], measured.whole.entries[world]
    return f"{entries / misses:.1f}" if misses else "-"


def _exits(measured: Measured) -> str:
    return "\n".join(f"{count:,} {exit_name(code)}" for code, count in measured.whole.exits.most_common() if count) or "none"


def _frames(measured: Measured) -> str:
    shared = ", ".join(f"{count} {why}" for why, count in measured.frames.get("shared", {}).items())
    return f"{measured.frames.get('all', 0)}" + (f" ({shared})" if shared else " (all its own)")


def _kernel(measured: Measured) -> str:
    whose = "the host's" if measured.identity["same_as_host"] else "a second one"
    return f"{whose}, its code at {measured.identity['code_at']:#x}"


ROWS: tuple[Row, ...] = (
    ("kernel it runs on", _kernel),
    ("host name it sees", lambda m: m.identity["host_name"]),
    ("processes it sees", lambda m: ", ".join(m.visible)),
    ("instructions until its first", lambda m: f"{sum(m.start.worlds):,}"),
    ("instructions until its end", lambda m: f"{sum(m.whole.worlds):,}"),
    *((f"  {world}", lambda m, n=n: f"{m.whole.worlds[n]:,}") for n, world in enumerate(WORLDS)),
    ("system calls: host kernel", lambda m: f"{m.calls['host'].total():,}"),
    ("system calls: guest kernel", lambda m: f"{m.calls['guest'].total():,}"),
    ("exits of the guest", _exits),
    ("table entries a TLB miss: host", lambda m: _walks(m, 0)),
    ("table entries a TLB miss: guest", lambda m: _walks(m, 1)),
    ("its frames", _frames),
    ("frames of its virtual machine", lambda m: f"{m.frames['virtual_machine']:,}"),
    ("path of its first write()", lambda m: "\n".join(m.write_path + [f"{count} exits: {why}" for why, count in m.write_exits.items()])),
)


def show(console: Console, found: Sequence[Measured]) -> None:
    """A table with a column for each setting."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_lines=False)
    table.add_column("")
    for measured in found:
        table.add_column(measured.setting)
    for heading, figure in ROWS:
        table.add_row(heading, *(figure(measured) for measured in found))
    console.print(table)
