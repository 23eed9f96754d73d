"""Virtual machines in the guest, by its `vmm`: run, ps, console, stop.

    ringzero vm run -d --name a             a machine of its own, with the very same kernel, left running
    ringzero vm console a                   be its console; Ctrl-] leaves it
    ringzero vm run -c 'uname -a; exit 3'   one command in a fresh machine; its exit status becomes this one's
    ringzero vm ps | stop a

All of them are in one computer, which sleeps in a file between these commands while any of them runs: no time passes for it
then. The exit status is that of the guest's `vmm`: 2 for a mistake, 125 if a machine stopped before its command did.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from emu.cli import computer

if TYPE_CHECKING:
    from emu.testing.guest import Guest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    computer.add_options(parser)
    commands = parser.add_subparsers(dest="verb", required=True, metavar="run|ps|console|stop")
    run = commands.add_parser("run", help="make a machine and be its console")
    run.add_argument("--name", help="(vm1, vm2, ...)")
    run.add_argument("--memory", metavar="SIZE", help="its RAM (32M)")
    run.add_argument("--kernel", metavar="FILE", help="of this host: ELF with a PVH entry (default: the guest's own kernel)")
    run.add_argument("--disk", metavar="FILE", help="of this host: raw image, or 'none'; it is copied, and never written")
    run.add_argument("--append", metavar="WORDS", help="words for its kernel's command line")
    run.add_argument("-c", dest="command", metavar="CMD", help="run CMD in its shell, then stop")
    run.add_argument("-d", dest="detached", action="store_true", help="leave it running from the beginning")
    commands.add_parser("ps", help="machines that run")
    commands.add_parser("console", help="be the console of one").add_argument("name")
    commands.add_parser("stop", help="switch one off").add_argument("name")


def main(arguments: argparse.Namespace) -> int:
    with computer.awake(arguments) as guest:
        words = ["vmm", arguments.verb]
        if arguments.verb == "run":
            words += run_options(arguments, guest)
        elif arguments.verb != "ps":
            words.append(arguments.name)
        talks = arguments.verb == "console" or arguments.verb == "run" and arguments.command is None and not arguments.detached
        return computer.run(guest, words, talks)


def run_options(arguments: argparse.Namespace, guest: Guest) -> list[str]:
    """The options for the guest's `vmm run`; files of this host are brought to the guest."""
    words = []
    for name in ("name", "memory", "append"):
        if getattr(arguments, name) is not None:
            words += [f"--{name}", getattr(arguments, name)]
    for name in ("kernel", "disk"):
        path = getattr(arguments, name)
        if path is not None:
            words += [f"--{name}", path if path == "none" and name == "disk" else computer.bring(guest, path, name)]
    words += [] if arguments.command is None else ["-c", arguments.command]
    return words + ["-d"] * arguments.detached
