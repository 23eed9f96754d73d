"""Print the system calls that programs in the guest make.

    ringzero trace ls -l /              the calls of ls
    ringzero trace -f -c 'ls | wc'      a shell command: the shell's calls, and with -f all its children's
    ringzero trace --all                the whole machine, from the first process on; the terminal is its console

A line a call: instructions retired since power-on, process, and the call as strace writes it. They go to
standard error, or to a file with -o; the console's output goes to standard output. Nothing in the guest
knows that it is watched, and it does, to the instruction, what it would do otherwise.

The exit status is the command's; 125 says that the machine stopped before the command did.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shlex
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from emu.cli import options, run
from emu.errors import ConfigurationError

if TYPE_CHECKING:
    from emu.guest.kernel import GuestKernel
    from emu.guest.layout import Struct
    from emu.guest.trace import Event

#: Virtual ns without an event after which a call that has not returned is printed.
PAUSE = 100_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_machine(parser)
    parser.add_argument("-c", dest="command", metavar="CMD", help="run CMD in the guest's shell, then stop")
    parser.add_argument("program", nargs=argparse.REMAINDER, metavar="PROGRAM [ARGS...]", help="or run one program, then stop")
    parser.add_argument("-f", "--follow", action="store_true", help="also the processes and threads that it makes")
    parser.add_argument("-a", "--all", action="store_true", help="every process of the guest, from power-on")
    parser.add_argument("-e", "--calls", metavar="LIST", help="only these calls, as open,openat,%%pid (%%pid: those that consult that namespace)")
    parser.add_argument("-s", "--strings", type=options.count, default=32, metavar="N", help="characters shown of data (default 32)")
    parser.add_argument("-v", "--verbose", action="store_true", help="all fields of structures, all elements of arrays")
    parser.add_argument("-o", "--output", metavar="FILE", help="write the calls to FILE")
    parser.add_argument("-i", "--stdin", action="store_true", help="type standard input into the guest though it is no terminal")
    parser.add_argument("--disk", metavar="FILE", help="raw image with the root file system (default: the guest's)")
    parser.add_argument("--writable", action="store_true", help="write changes to the image given by --disk")
    parser.add_argument("--append", default="", metavar="WORDS", help="words for the kernel's command line")
    parser.add_argument("--instructions", type=options.count, metavar="N", help="stop after exactly N instructions")
    parser.add_argument("--seed", type=options.number, default=0, help="start of the CPU's random numbers (default 0)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, on standard output with the console's output, or to FILE: calls, signals, exits, the end")


def main(arguments: argparse.Namespace) -> int:
    _check(arguments)
    arguments.kernel = None
    with contextlib.ExitStack() as stack:
        target = sys.stdout if arguments.json else sys.stderr
        if arguments.output is not None:
            target = stack.enter_context(open(arguments.output, "w", encoding="utf-8"))
        return _trace(arguments, stack, lambda line: print(line, file=target, flush=arguments.output is None))


def _trace(arguments: argparse.Namespace, stack: contextlib.ExitStack, say: Callable[[str], None]) -> int:
    from emu.cli import images, terminal
    from emu.guest.kernel import GuestKernel
    from emu.guest.trace import Call, Lines, Tracer

    def say_json(event: Event) -> None:
        if not isinstance(event, Call) or event.returned is not None:
            say(json.dumps(event.as_json()))

    writer = terminal.Writer(sys.stdout.fileno())
    console: Callable[[bytes], None] = writer
    if arguments.json and arguments.output is None:
        console = lambda data: say(json.dumps({"event": "console", "text": data.decode("utf-8", "replace")}))
    machine = stack.enter_context(run.machine_for(arguments, console))
    kernel = GuestKernel(machine, images.paths().kernel)
    lines = Lines(say)
    selection = Selection(arguments, kernel, say_json if arguments.json else lines)
    tracer = Tracer(kernel, selection.report, calls=selection.calls, wanted=selection.wanted, strings=arguments.strings, verbose=arguments.verbose)

    descriptor = terminal.standard_input()
    on_terminal = terminal.interactive(descriptor)
    keyboard = terminal.Keyboard(descriptor)

    def wait(seconds: float | None) -> bytes | None:
        if machine.now - selection.latest > PAUSE and not arguments.json:
            lines.pause()
        return keyboard.read(seconds)

    if arguments.command is not None and not on_terminal and not arguments.stdin:
        result = tracer.run(arguments.instructions)
    else:
        with terminal.raw(descriptor) if on_terminal else contextlib.nullcontext():
            result = terminal.interact(machine, keyboard, arguments.instructions, lambda limit, _: tracer.run(limit, wait))
    writer.finish()
    if arguments.json:
        for call in tracer.unfinished():
            if selection.all or call.pid in selection.chosen:
                say(json.dumps(call.as_json()))
        say(json.dumps({"event": "end", "reason": result.reason.value, "status": result.status, "instructions": result.retired}))
    else:
        lines.pause()
    return run.exit_status(result, arguments.command is not None, quiet=arguments.json)


def _check(arguments: argparse.Namespace) -> None:
    """A program becomes a command whose shell gives way to it."""
    if arguments.program[:1] == ["--"]:
        del arguments.program[0]
    if arguments.program and arguments.command is not None:
        raise ConfigurationError("a program and -c exclude each other", "give one of them")
    if arguments.program:
        arguments.command = f"exec {shlex.join(arguments.program)}"
    elif arguments.command is None:
        arguments.all = True


class Selection:
    """Which tasks are watched: all, or the command's, which are known by the command line of the shell's execve."""

    def __init__(self, arguments: argparse.Namespace, kernel: GuestKernel, report: Callable[[Event], None]) -> None:
        self.all, self.follow, self.command = arguments.all, arguments.follow, arguments.command
        self.only_program = bool(arguments.program)     # from its own execve on, without the shell before it
        self.kernel, self.inner = kernel, report
        self.latest = 0                                 # virtual time of the last event
        self.chosen: set[int] = set()
        # Who names the first process has the command run by it; the kernel starts that one itself.
        if "init=" in arguments.append:
            self.chosen.add(1)
        self.found = bool(self.chosen)
        self.begun = False
        names = arguments.calls.split(",") if arguments.calls is not None else None
        self.execve = names is None or "execve" in names or "%mnt" in names     # or it is only for finding the command
        self.calls = names if names is None or self.all or self.found else [*names, "execve"]

    def wanted(self, task: Struct) -> bool:
        if self.all or not self.found or task.pid in self.chosen:
            return True
        if self.follow:
            parent = task.process.parent
            if task.tgid in self.chosen or parent is not None and parent.pid in self.chosen:
                self.chosen.add(task.pid)
                return True
        return False

    def report(self, event: Event) -> None:
        from emu.guest.trace import Call, Exit

        self.latest = self.kernel.machine.now
        if self.all:
            self.inner(event)
            return
        execve = isinstance(event, Call) and event.name == "execve"
        if not self.found:
            if not execve or not self._is_command(event.arguments[1]):
                return
            self.found = True
            self.chosen.add(event.pid)
            if self.only_program:
                return
        if event.pid not in self.chosen:
            return
        if isinstance(event, Exit) and self.follow:     # children that have done nothing yet get another parent
            self.chosen.update(process.pid for process in self.kernel.processes() if process.parent and process.parent.pid == event.pid)
        if self.only_program and not self.begun and (not execve or event.returned is not None):
            return
        self.begun = True
        if not execve or self.execve:
            self.inner(event)

    def _is_command(self, words: str | None) -> bool:
        from emu.guest.structures import quoted

        command = self.command.encode("utf-8", "surrogateescape")
        return words is not None and words.endswith(f'"-c", {quoted(command, 256)}]')
