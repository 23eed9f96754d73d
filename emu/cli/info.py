"""What is installed here: versions, engines, the CPU's features, the instructions, the guest's images.

With --has FEATURE (named as in Linux's /proc/cpuinfo; may be repeated) it prints nothing and the
status tells: 0 if the CPU has all of them, 1 if not.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
from pathlib import Path

from emu import __version__
from emu.cli import features, images, options, output
from emu.errors import ConfigurationError

DEPENDENCIES = ("capstone", "prompt_toolkit", "pyelftools", "rich", "platformdirs", "ziglang")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--has", action="append", metavar="FEATURE", help="is this CPU feature there? (status 0 or 1)")
    options.add_json(parser)


def main(arguments: argparse.Namespace) -> int:
    if arguments.has:
        for name in arguments.has:
            if name not in features.NAMES:
                import difflib

                near = difflib.get_close_matches(name, features.NAMES, 1)
                raise ConfigurationError(f"unknown CPU feature {name!r}",
                                         f"did you mean {near[0]!r}?" if near else "use the names of /proc/cpuinfo, such as sse2")
        return 0 if set(arguments.has) <= set(features.present()) else 1
    report = collect()
    if arguments.json:
        output.print_json(report)
    else:
        _print(report)
    return 0


def engines() -> dict[str, str]:
    """Each engine's name and "available", or the reason why it is not."""
    try:
        import emu.engines.compiled  # noqa: F401

        compiled = "available"
    except ImportError as error:
        compiled = f"not built ({error}); build it with a C compiler and Python's headers: make build, or pip install again"
    except Exception as error:  # built from older sources: whatever stumbles over the difference
        compiled = f"out of date ({type(error).__name__}: {error}); build it again: make build"
    return {"compiled": compiled, "python": "available"}


def instructions() -> dict[str, dict[str, int]]:
    """Of each family in emu/isa: instruction texts, mnemonics and encodings."""
    from emu.isa.registry import INSTRUCTIONS, all_encodings

    all_encodings()
    table: dict[str, dict[str, int]] = {}
    for entry in INSTRUCTIONS:
        row = table.setdefault(entry.family, {"texts": 0, "encodings": 0})
        row["texts"] += 1
        row["encodings"] += len(entry.encodings)
    return table


def collect() -> dict:
    """Everything that is printed, as data."""
    guest = images.paths()
    sizes = {path: path.stat().st_size if path.exists() else None for path in (guest.kernel, guest.disk)}
    return {
        "ringzero": __version__, "python": platform.python_version(), "host": f"{platform.system()} {platform.machine()}",
        "package": str(Path(__file__).resolve().parent.parent.parent),
        "dependencies": {name: _version(name) for name in DEPENDENCIES},
        "engines": engines(), "cpu_features": features.present(), "instructions": instructions(),
        "guest": {
            "kernel": str(guest.kernel), "kernel_bytes": sizes[guest.kernel],
            "disk": str(guest.disk), "disk_bytes": sizes[guest.disk],
            "up_to_date": images.up_to_date(),
        },
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _print(report: dict) -> None:
    from rich.table import Table

    console = output.console()
    console.print(f"ringzero {report['ringzero']} on Python {report['python']}, {report['host']}", style="bold")
    console.print(f"package   {report['package']}")
    libraries = (f"{name} {version or '(missing)'}" for name, version in report["dependencies"].items())
    console.print(f"libraries {', '.join(libraries)}")
    for name, state in report["engines"].items():
        console.print(f"engine    {name}: {state}", style="" if state == "available" else "yellow")
    guest = report["guest"]
    for what in ("kernel", "disk"):
        size = guest[f"{what}_bytes"]
        console.print(f"guest     {what}: {guest[what]}{f', {size / (1 << 20):.1f} MiB' if size else ' (not built yet)'}")
    if not guest["up_to_date"]:
        console.print("guest     built, or built again, by the next ringzero run", style="yellow")
    console.print(f"CPU       {' '.join(report['cpu_features'])}")
    table = Table("family", "texts", "encodings", title="instructions", title_justify="left")
    for name, row in report["instructions"].items():
        table.add_row(name, str(row["texts"]), str(row["encodings"]))
    total = {key: sum(row[key] for row in report["instructions"].values()) for key in ("texts", "encodings")}
    table.add_section()
    table.add_row("all", str(total["texts"]), str(total["encodings"]))
    console.print(table)
