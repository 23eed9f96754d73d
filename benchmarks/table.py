"""Prints the comparison with the peers: `make bench`, or `python -m benchmarks.table [--json] [--quick] ...`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import engine_figures, host
from benchmarks.catalogue import BY_NAME, WORKLOADS
from benchmarks.measure import Measurement, measure
from benchmarks.peers.everyone import ALL, DEFAULT
from benchmarks.peers.peer import Peer
from benchmarks.targets import Target, speed_targets
from emu.errors import RingzeroError

OURS = ("ringzero", "ringzero-flat")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints. Status 0, or 2 with one line when something given can't be used or results differ."""
    options = _options(arguments)
    err = Console(stderr=True)
    try:
        wanted = [ALL[name]() for name in options.peers]
        peers = [peer for peer in wanted if not peer.missing()]
        missing = {peer.name: peer.missing() for peer in wanted if peer.missing()}
        with err.status("building the workloads", spinner="line") as status:
            results = measure([BY_NAME[name] for name in options.workloads], peers, repeats=options.repeats,
                              quick=options.quick, progress=status.update)
            figures = [] if options.no_figures else engine_figures.targets(quick=options.quick, progress=status.update)
    except RingzeroError as error:
        err.print(f"bench: {error}", style="red", highlight=False, markup=False)
        return 2
    targets = speed_targets(results) + figures
    if options.json:
        json.dump(report(results, targets, missing), sys.stdout, indent=2)
        print()
    else:
        _print(Console(width=options.width), peers, results, targets, missing, options.quick)
    return 0


def report(results: Sequence[Measurement], targets: Sequence[Target], missing: dict[str, str]) -> dict[str, Any]:
    """The same as data: seconds of each run, instructions, rates in MIPS, and the targets."""
    return {
        "host": host.describe(),
        "missing": missing,
        "workloads": {
            result.workload.name: {
                "iterations": result.iterations,
                "checksum": None if result.checksum is None else f"{result.checksum:016x}",
                "instructions": result.instructions,
                "seconds": result.seconds,
                "mips": {peer: result.mips(peer) for peer in result.seconds},
                "failures": result.failures,
            } for result in results
        },
        "targets": [{"name": t.name, "wanted": t.wanted, "at_most": t.at_most, "unit": t.unit,
                     "measured": t.measured, "met": t.met} for t in targets],
    }


def _print(console: Console, peers: Sequence[Peer], results: Sequence[Measurement], targets: Sequence[Target],
           missing: dict[str, str], quick: bool) -> None:
    for name, value in host.describe().items():
        console.print(f"{name}: {value}", highlight=False, markup=False)
    if quick:
        console.print("quick sizes: the runs are too short for their speeds to mean anything", style="yellow")
    rates = Table(title="Millions of guest instructions a second (each rep iteration counts)")
    rates.add_column("workload")
    rates.add_column("instructions", justify="right")
    for peer in peers:
        rates.add_column(peer.title, justify="right")
    for result in results:
        rates.add_row(result.workload.title, "" if result.instructions is None else f"{result.instructions / 1e6:.1f} M",
                      *(_number(result.mips(peer.name)) for peer in peers), end_section=result is _last_of_eight(results))
    console.print(rates)

    system = next((r for r in results if r.workload.name == "system"), None)
    if system:
        rounds = ", ".join(f"{peer.title} {seconds / system.iterations * 1e6:.1f}"
                           for peer in peers if (seconds := system.median(peer.name)))
        console.print(f"ring 0/3 system, microseconds a round: {rounds}", highlight=False, markup=False)

    ours = next((name for name in OURS if any(r.seconds.get(name) for r in results)), None)
    if ours:
        ratios = Table(title="Ringzero, times as fast as")
        ratios.add_column("workload")
        others = [peer for peer in peers if peer.name not in OURS]
        for peer in others:
            ratios.add_column(peer.title, justify="right")
        for result in results:
            ratios.add_row(result.workload.title, *(_ratio(result.ratio(ours, peer.name)) for peer in others),
                           end_section=result is _last_of_eight(results))
        console.print(ratios)

    table = Table(title="Targets")
    table.add_column("what")
    table.add_column("wanted", justify="right")
    table.add_column("measured", justify="right")
    table.add_column("")
    for target in targets:
        verdict = {None: "not measured", True: "[green]met[/]", False: "[red]missed[/]"}[target.met]
        table.add_row(target.name, f"{'≤' if target.at_most else '≥'} {_value(target.wanted, target.unit)}",
                      _value(target.measured, target.unit), verdict)
    console.print(table)
    for name, reason in missing.items():
        console.print(f"{name} left out: {reason}", highlight=False, markup=False)
    for result in results:
        for name, reason in result.failures.items():
            console.print(f"{name} failed on {result.workload.name}: {reason}", style="red", highlight=False, markup=False)


def _last_of_eight(results: Sequence[Measurement]) -> Measurement | None:
    return next((result for result in reversed(results) if result.workload.eight), None)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if value >= 10 else f"{value:.2f}"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _value(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    text = f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
    return f"{text}x" if unit == "x" else f"{text} {unit}"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table", description=__doc__)
    parser.add_argument("--json", action="store_true", help="machine-readable, on standard output")
    parser.add_argument("--quick", action="store_true", help="smallest sizes: checks that all works, measures nothing")
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="runs of each; the median counts (default 3)")
    parser.add_argument("--peers", nargs="+", choices=list(ALL), default=list(DEFAULT), metavar="PEER",
                        help=f"out of {', '.join(ALL)}")
    parser.add_argument("--workloads", nargs="+", choices=list(BY_NAME), default=[w.name for w in WORKLOADS],
                        metavar="WORKLOAD", help=f"out of {', '.join(BY_NAME)}")
    parser.add_argument("--no-figures", action="store_true", help="workloads only: no stepping, boot, memory, build time")
    parser.add_argument("--width", type=int, help="columns of the table (default: the terminal's)")
    options = parser.parse_args(arguments)
    if options.repeats < 1:
        parser.error(f"--repeats must be 1 or more, not {options.repeats}")
    return options


if __name__ == "__main__":
    sys.exit(main())
