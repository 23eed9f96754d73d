"""The isolation mutation score: takes every marked check out of a copy of the tree, one at a time; a test must notice each."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tests.mutants import checks
from tests.mutants.run import Fate, run


def table(fates: list[Fate]) -> Table:
    shown = Table("part", "checks removed", "caught", "score", title="Isolation mutation score")
    for part in ("kernel", "runtime", "VMM", "CPU", "all"):
        some = [fate for fate in fates if part in (fate.mutant.half, "all")]
        caught = sum(bool(fate.caught) for fate in some)
        if some:
            shown.add_row(part, str(len(some)), str(caught), f"{100 * caught / len(some):.1f}%", style="bold" if part == "all" else "")
    return shown


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the fates as JSON")
    parser.add_argument("--only", metavar="TEXT", action="append", help="marked with this name, or with this in path:line; several may be given")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="so many at once (2)")
    parser.add_argument("--list", action="store_true", help="say what would be removed, and end")
    options = parser.parse_args(arguments)
    mutants = [mutant for mutant in checks.load() if not options.only or any(name in mutant.names or name in mutant.id for name in options.only)]
    console = Console(stderr=options.json)
    if options.list:
        for mutant in mutants:
            console.print(mutant.id, " ".join(mutant.names), mutant.text.strip(), sep="  ", markup=False, highlight=False, soft_wrap=True)
        return 0
    if not mutants:
        console.print("no check is marked so: see --list")
        return 2
    started = time.monotonic()
    with Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console) as progress:
        task = progress.add_task("checks removed", total=len(mutants))

        def told(fate: Fate) -> None:
            outcome = f"caught by {fate.caught}" if fate.caught else f"NOT TRIED: {fate.error}" if fate.error else "SURVIVED"
            progress.console.print(f"{fate.mutant.id}: {outcome}  ({fate.seconds} s)", markup=False, highlight=False, soft_wrap=True)
            progress.advance(task)

        fates = run(mutants, options.jobs, told)
    if options.json:
        print(json.dumps([{"check": fate.mutant.id, "removed": fate.mutant.removed, "names": fate.mutant.names, "part": fate.mutant.half,
                           "caught": fate.caught, "error": fate.error, "seconds": fate.seconds} for fate in fates], indent=1))
    console.print(table(fates))
    alive = [fate for fate in fates if not fate.caught]
    for fate in alive:
        console.print(f"{fate.mutant.id}: {fate.error or 'nothing noticed'}: {fate.mutant.removed}", style="red", markup=False, soft_wrap=True)
    first = Counter(fate.caught.split(":")[0].split(" ")[0] for fate in fates if fate.caught)
    console.print(f"{time.monotonic() - started:.0f} s; caught by {', '.join(f'{name} {count}' for name, count in first.most_common())}", soft_wrap=True)
    return bool(alive)


if __name__ == "__main__":
    sys.exit(main())
