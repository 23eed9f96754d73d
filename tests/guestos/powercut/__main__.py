"""Cuts the guest's power at random instants and looks at what is on the disk: `python -m tests.guestos.powercut --instants 1000`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.guestos import ours
from tests.guestos.powercut.trial import Cut, Life, Lost

#: Instants of one machine's life; then another one begins, with the next seed.
EACH = 20


def live(seed: int, count: int) -> tuple[int, list[str]]:
    """One life. Returns how many cuts were tried, and what went wrong: a life goes on after it."""
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="powercut.") as folder, Life(seed, Path(folder)) as life:
        for number, instant in enumerate(life.instants(count)):
            try:
                life.try_cut(Cut(seed, instant, seed * 1000 + number))
            except Lost as lost:
                wrong.append(str(lost))
    return count, wrong


def again(which: str) -> int:
    """One cut again, as a failure names it."""
    seed, instant, cut = map(int, which.split(":"))
    with tempfile.TemporaryDirectory(prefix="powercut.") as folder, Life(seed, Path(folder)) as life:
        try:
            life.try_cut(Cut(seed, instant, cut))
        except Lost as lost:
            print(lost)
            return 1
    print("all that was promised is there")
    return 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.guestos.powercut", description=__doc__)
    parser.add_argument("--instants", type=int, default=1000, metavar="N", help="so many cuts (1000)")
    parser.add_argument("--seed", type=int, default=1, help="of the first machine; each next one's is one more (1)")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="so many machines at once (2)")
    parser.add_argument("--again", metavar="LIFE:INSTANT:SEED", help="try one cut again, as a failure names it")
    options = parser.parse_args(arguments)
    ours.guest()
    if options.again:
        return again(options.again)
    console, started, tried, failures = Console(), time.monotonic(), 0, []
    with (Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console) as progress,
          ProcessPoolExecutor(options.jobs) as pool):
        task = progress.add_task("power cuts", total=options.instants)
        lives = [pool.submit(live, options.seed + number, min(EACH, options.instants - begin))
                 for number, begin in enumerate(range(0, options.instants, EACH))]
        for done in as_completed(lives):
            count, wrong = done.result()
            tried += count
            failures += wrong
            progress.advance(task, count)
            for text in wrong:
                progress.console.print(text, style="red", markup=False, highlight=False, soft_wrap=True)
    console.print(f"{tried} power cuts in {len(lives)} machines' lives: {len(failures)} lost something; {time.monotonic() - started:.0f} s")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
