"""One program in four settings, side by side: what a container is, and what a virtual machine is.

    ringzero boundary                                   cat /etc/motd as a process, in a container, in a virtual machine,
                                                        and in a container in a virtual machine
    ringzero boundary --workload 'ls -l /' --html page.html

All figures are exact: two runs print the same bytes.
"""

from __future__ import annotations

import argparse
import sys

from emu.cli import options, output
from emu.errors import ConfigurationError

WORKLOAD = "cat /etc/motd"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workload", metavar="CMD", default=WORKLOAD, help=f"a program of the guest with its arguments (default: {WORKLOAD})")
    parser.add_argument("--settings", metavar="LIST", help="some of: process,container,vm,container in vm (default: all)")
    parser.add_argument("--html", metavar="FILE", help="also write a page with pictures, which needs nothing else")
    parser.add_argument("--memory", default="128M", metavar="SIZE", help="RAM, as 64M or 1G (default 128M)")
    parser.add_argument("--engine", metavar="NAME", help="compiled or python (default: the faster one that is there)")
    options.add_json(parser)


def main(arguments: argparse.Namespace) -> int:
    found = measure_all(arguments.workload, settings(arguments.settings), arguments.memory, arguments.engine, progress=not arguments.json)
    if arguments.html is not None:
        from emu.boundary.html import page

        with open(arguments.html, "w", encoding="utf-8") as file:
            file.write(page(found, arguments.workload))
    if arguments.json:
        output.print_json({"workload": arguments.workload, "settings": [measured.as_json() for measured in found]})
    else:
        from emu.boundary.report import show

        show(output.console(), found)
    return 0


def settings(text: str | None) -> list[str]:
    """The settings that a list names (None: all). Raises ConfigurationError."""
    from emu.boundary.meters import SETTINGS

    chosen = [word.strip() for word in text.split(",")] if text is not None else list(SETTINGS)
    for word in chosen:
        if word not in SETTINGS:
            raise ConfigurationError(f"there is no setting {word!r}", f"choose from: {', '.join(SETTINGS)}")
    return chosen


def measure_all(workload: str, settings: list[str], memory: str = "128M", engine: str | None = None, progress: bool = False) -> list:
    """`Measured` of each setting, all from one snapshot of a booted guest. Raises ConfigurationError, RingzeroError."""
    from emu.boundary.meters import measure
    from emu.cli import images
    from emu.testing.guest import boot

    options.check_engine(engine)
    if not workload.split():
        raise ConfigurationError("the workload is empty", "give a program of the guest, as --workload 'ls /'")
    guest = boot(memory=memory, engine=engine)
    guest.machine.snapshot("booted")
    found = []
    for setting in settings:
        if progress and sys.stderr.isatty():
            output.say(f"running it as: {setting}")
        guest.machine.restore(guest.machine.snapshots.root)
        found.append(measure(guest, images.ensure().kernel, workload, setting))
    guest.machine.close()
    return found
