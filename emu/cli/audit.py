"""Who can reach which memory of the guest: all page tables walked, through both levels.

    ringzero audit                          the guest at its prompt
    ringzero audit -c 'sleep 9 | cat'       while a command runs: as soon as all of it waits
    ringzero audit --instructions 5M        at an exact instant

Owners are the processes of every kernel in the machine, and each virtual machine. Memory that two of them reach has a
named reason, or it is a breach. The exit status is 0 without breaches, 1 with, 125 if the guest ended too early.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from emu.cli import options, output, run

if TYPE_CHECKING:
    from emu.boundary.audit import Audit

TOO_EARLY = 125


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_machine(parser)
    parser.add_argument("-c", dest="command", metavar="CMD", help="run CMD in the guest's shell")
    parser.add_argument("--disk", metavar="FILE", help="raw image with the root file system (default: the guest's)")
    parser.add_argument("--append", default="", metavar="WORDS", help="words for the kernel's command line")
    parser.add_argument("--instructions", type=options.count, metavar="N", help="look after exactly N instructions (default: once the guest waits)")
    options.add_json(parser)


def main(arguments: argparse.Namespace) -> int:
    from emu.boundary.audit import audit
    from emu.cli import images
    from emu.guest.system import System
    from emu.machine.result import Reason

    arguments.kernel, arguments.writable, arguments.seed = None, False, 0
    with run.machine_for(arguments, None) as machine:
        result = machine.settle() if arguments.instructions is None else machine.run(arguments.instructions)
        if result.reason not in (Reason.INTERRUPTED, Reason.LIMIT, Reason.HALTED):
            output.say(f"the guest ended before it could be looked at: {result}; give an earlier --instructions, or a command that waits")
            return TOO_EARLY
        found = audit(System.on(machine, images.paths().kernel))
    if arguments.json:
        output.print_json({"instructions": machine.retired, **found.as_json()})
    else:
        show(found)
    return 1 if found.breaches else 0


def show(found: Audit) -> None:
    """The audit as tables."""
    from rich import box
    from rich.table import Table

    from emu.boundary.audit import REASONS

    console = output.console()
    table = Table(box=box.SIMPLE_HEAD)
    for heading, justify in (("under", "left"), ("owner", "left"), ("frames", "right"), ("may write", "right"), ("alone", "right"), ("shared", "left")):
        table.add_column(heading, justify=justify)
    for account in found.accounts:
        shared = ", ".join(f"{count} {why}" for why, count in sorted(account.shared.items()))
        table.add_row(account.owner.system, account.owner.name, str(account.frames), str(account.writable), str(account.alone), shared)
    console.print(table)
    for why, count in sorted(found.reasons.items()):
        console.print(f"{count:6} frames shared: {why}: {REASONS[why]}")
    console.print(f"{found.tables:6} page tables read")
    for breach in found.breaches:
        console.print(f"BREACH frame {breach.address:#x}: {breach.why}: {'; '.join(breach.owners)}", style="bold red")
    if not found.breaches:
        console.print("No frame is reached by anyone who should not.")
