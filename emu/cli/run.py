"""Boot the guest, or another kernel, with the terminal as its console.

Without -c you get the guest's shell; Ctrl-] leaves, and so does `exit` or `poweroff` in the guest.
With -c the guest runs one command and stops, and its exit status becomes this command's; 125 says
that the machine stopped before the command did. Without -c the status is what the guest wrote to its
debug-exit port (0 after a power-off), or 1 when it crashed, reset or halted for good.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emu.cli import images, options, output
from emu.errors import ConfigurationError, DiskError

if TYPE_CHECKING:
    from emu.machine.machine import Machine
    from emu.machine.result import RunResult

#: The kernel keeps so many bytes of its command line, the end included (guestos/kernel/boot/cmdline.c).
COMMAND_LINE = 2048
UNFINISHED = 125


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_machine(parser)
    parser.add_argument("--disk", metavar="FILE", help="raw image with the root file system (default: the guest's)")
    parser.add_argument("--writable", action="store_true",
                        help="write changes to the image given by --disk; else they are kept in memory and lost")
    parser.add_argument("-c", dest="command", metavar="CMD", help="run CMD in the guest's shell, then stop")
    parser.add_argument("-i", "--stdin", action="store_true",
                        help="with -c: type standard input into the guest though it is no terminal")
    parser.add_argument("--instructions", type=options.count, metavar="N",
                        help="stop after exactly N instructions (20M: 20 million)")
    parser.add_argument("--kernel", metavar="FILE", help="another kernel: ELF with a PVH note, multiboot, or plain ELF")
    parser.add_argument("--append", default="", metavar="WORDS", help="words for the kernel's command line")
    parser.add_argument("--seed", type=options.number, default=0, help="start of the CPU's random numbers (default 0)")
    options.add_json(parser)


def main(arguments: argparse.Namespace) -> int:
    from emu.cli import terminal

    descriptor = terminal.standard_input()
    on_terminal = terminal.interactive(descriptor)
    if arguments.json:
        write = None
    else:
        write = terminal.Writer(sys.stdout.fileno())
    with machine_for(arguments, write) as machine:
        begun = time.perf_counter()
        if arguments.command is not None and not on_terminal and not arguments.stdin or arguments.json and not arguments.stdin:
            result = machine.run(arguments.instructions)
        else:
            keyboard = terminal.Keyboard(descriptor)
            if on_terminal:
                if arguments.command is None:
                    output.say("Ctrl-] leaves the guest")
                with terminal.raw(descriptor):
                    result = terminal.interact(machine, keyboard, arguments.instructions)
            else:
                result = terminal.interact(machine, keyboard, arguments.instructions)
        report = Report.of(machine, result, time.perf_counter() - begun)
    if write is not None:
        write.finish()
    if arguments.json:
        output.print_json(report.as_json(machine))
    return exit_status(report.result, arguments.command is not None, quiet=arguments.json)


def machine_for(arguments: argparse.Namespace, on_console) -> Machine:
    """The machine that the options describe, its kernel loaded. Raises RingzeroError."""
    from emu.machine.machine import Machine
    from emu.machine.memory import parse_memory_size

    options.check_engine(arguments.engine)
    parse_memory_size(arguments.memory)
    if arguments.writable and arguments.disk is None:
        raise ConfigurationError("--writable needs --disk: the guest's own image is made anew at each build",
                                 f"copy {images.paths().disk} and give the copy")
    own_kernel = arguments.kernel is not None
    disk = arguments.disk
    if own_kernel:
        kernel = arguments.kernel
        if disk is not None:
            check_readable(disk)
    else:
        if disk is not None:
            check_root(disk)
        guest = images.ensure(output.say)
        kernel, disk = guest.kernel, guest.disk if disk is None else disk
    # Of several init=, the kernel takes the first.
    init = images.NT_INIT if "abi=nt" in arguments.append.split() else images.INIT
    words = arguments.append if own_kernel else f"{arguments.append} {init}"
    line = command_line(words, arguments.command)
    machine = Machine(arguments.memory, arguments.engine, disk=disk, writable=arguments.writable, kernel=kernel, cmdline=line,
                      seed=arguments.seed, on_console=on_console)
    output.note_engine(arguments.engine, machine.engine.name)
    return machine


def command_line(words: str, command: str | None) -> str:
    """What the kernel is told: `words`, and with a command `quiet ... -- -c "COMMAND"`, where a
    backslash keeps a quote or a backslash of the command. ConfigurationError if the kernel can't keep all."""
    line = words.strip()
    if command is not None:
        quoted = command.replace("\\", "\\\\").replace('"', '\\"')
        line = f'{line} quiet -- -c "{quoted}"'.lstrip()
    # The places of the virtio devices follow; they take some forty bytes each.
    room = COMMAND_LINE - 100
    size = len(line.encode("utf-8", "surrogateescape"))
    if size > room:
        raise ConfigurationError(f"the kernel's command line would have {size} bytes, more than {room}",
                                 "put the command into a file on the disk")
    return line


def check_readable(path: str) -> None:
    """DiskError unless `path` is something that can serve as a disk; nothing is kept open."""
    from emu.devices.disk import Disk

    Disk(path).close()


def check_root(path: str) -> None:
    """DiskError unless `path` is an image of an ext2 file system, which the guest's kernel needs as its root."""
    check_readable(path)
    with open(path, "rb") as file:
        file.seek(1024 + 56)
        magic = file.read(2)
    if magic != b"\x53\xef":
        found = f"{magic.hex(' ') or 'nothing'} where 53 ef should be, at byte 1080"
        raise DiskError(f"disk image {path!r} holds no ext2 file system ({found})",
                        "make one with: ringzero disk build DIRECTORY IMAGE")


@dataclass(slots=True)
class Report:
    """How a run went: the outcome, host seconds, and virtual seconds since power-on."""

    result: RunResult
    seconds: float
    virtual_seconds: float

    @classmethod
    def of(cls, machine: Machine, result: RunResult, seconds: float) -> Report:
        return cls(result, seconds, machine.now / 1e9)

    def as_json(self, machine: Machine) -> dict:
        return {
            "reason": self.result.reason.value, "status": self.result.status, "detail": self.result.detail,
            "instructions": self.result.retired, "seconds": round(self.seconds, 6),
            "mips": round(self.result.retired / self.seconds / 1e6, 3) if self.seconds else None,
            "virtual_seconds": self.virtual_seconds, "engine": machine.engine.name, "memory": machine.memory.size,
            "console": bytes(machine.console).decode("utf-8", "replace"),
        }


def exit_status(result: RunResult, command: bool, quiet: bool) -> int:
    """The exit status of `ringzero run` (with a `command` or not), after a line on standard error if the run didn't end as asked."""
    from emu.machine.result import Reason

    if result.reason is Reason.POWER_OFF:
        return (result.status or 0) & 0xFF
    asked = result.reason is Reason.LIMIT or result.reason is Reason.INTERRUPTED
    if not quiet and (not asked or command or result.reason is Reason.LIMIT):
        what = {
            Reason.LIMIT: f"stopped after {result.retired} instructions, as asked",
            Reason.INTERRUPTED: "left the guest",
            Reason.RESET: "the guest asked for a reset",
            Reason.HALTED: f"the guest halted for good: {result.detail}",
            Reason.SHUTDOWN: f"the guest crashed: {result.detail}",
        }.get(result.reason, str(result))
        output.say(what)
    if command:
        return UNFINISHED
    return 0 if asked else 1

