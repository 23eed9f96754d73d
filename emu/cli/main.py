"""The `ringzero` command: finds the subcommand, and turns what goes wrong into one line and a status.

Exit status: 2 for a mistake in what was given (a file, a size, an option), 130 after Ctrl-C, 141 when
the reader of a pipe has gone; else the subcommand's own, which its module describes. A subcommand's
module is imported only when it is called, so that `ringzero --help` is quick.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from emu import __version__
from emu.errors import RingzeroError

#: Subcommand: (module with `add_arguments(parser)` and `main(options) -> status`, one line of help).
COMMANDS = {
    "run": ("emu.cli.run", "boot the guest, or another kernel, on the console"),
    "demo": ("emu.cli.demo", "boot the guest and take the tour"),
    "trace": ("emu.cli.trace", "print the system calls that programs in the guest make"),
    "boundary": ("emu.cli.boundary", "one program as a process, in a container, in a virtual machine: side by side"),
    "audit": ("emu.cli.audit", "who can reach which memory of the guest, from its page tables"),
    "box": ("emu.cli.box", "containers in the guest"),
    "image": ("emu.cli.image", "images for the containers"),
    "vm": ("emu.cli.vm", "virtual machines in the guest: run, ps, console, stop"),
    "step": ("emu.cli.step", "step through instructions at a prompt"),
    "exec": ("emu.cli.execute", "run a flat binary without a kernel, and show its registers"),
    "info": ("emu.cli.info", "what is installed: engines, CPU features, instructions, guest images"),
    "disk": ("emu.cli.disk", "make disk images for the guest"),
    "kernel": ("emu.cli.kernel", "build the guest's kernel and disk"),
}


class UsageError(RingzeroError):
    """Arguments that a command doesn't understand."""


class Parser(argparse.ArgumentParser):
    """Mistakes are a `UsageError`, one line like all others."""

    def __init__(self, *arguments, **options) -> None:
        super().__init__(*arguments, **options, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, f"see {self.prog} --help")


def _overview() -> str:
    lines = ["usage: ringzero COMMAND ...", "", "An x86-64 computer one can see through.", "", "commands:"]
    lines += [f"  {name:8}{help}" for name, (_, help) in COMMANDS.items()]
    return "\n".join([*lines, "", "ringzero COMMAND --help tells more; ringzero --version prints the version."])


def main(arguments: Sequence[str]) -> int:
    """Run one command line (without the program's name); returns its exit status."""
    name = arguments[0] if arguments else "--help"
    if name in ("-h", "--help", "help"):
        print(_overview())
        return 0 if arguments else 2
    if name in ("-V", "--version"):
        print(f"ringzero {__version__}")
        return 0
    if name not in COMMANDS:
        import difflib

        near = difflib.get_close_matches(name, COMMANDS, 1)
        raise UsageError(f"there is no command {name!r}",
                         f"did you mean {near[0]!r}?" if near else f"choose one of: {', '.join(COMMANDS)}")
    module = importlib.import_module(COMMANDS[name][0])
    parser = Parser(prog=f"ringzero {name}", description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    module.add_arguments(parser)
    return module.main(parser.parse_args(arguments[1:]))


def _terminate(number: int, _frame: object) -> NoReturn:
    # As an exception, so that whoever has put the terminal in raw mode restores it.
    raise SystemExit(128 + number)


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """The entry point: runs a command line and leaves the process with its status."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _terminate)
    try:
        status = main(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except RingzeroError as error:
        status = _say(str(error), 2)
    except KeyboardInterrupt:
        status = 130
    except BrokenPipeError:
        status = 141
    except OSError as error:
        status = _say(_sentence(error), 2)
    except SystemExit as left:
        status = left.code if isinstance(left.code, int) else 0 if left.code is None else _say(str(left.code), 2)
    _close_output()
    sys.exit(status)


def _say(text: str, status: int) -> int:
    try:
        print(f"ringzero: {text}", file=sys.stderr)
    except OSError:
        pass
    return status


def _sentence(error: OSError) -> str:
    """A host error as what happened, to what, and what to do."""
    what = f"{os.fspath(error.filename)!r}" if error.filename is not None else "the output"
    reason = (error.strerror or str(error)).lower()
    hint = {
        errno.ENOSPC: "make room on that disk and run again", errno.EDQUOT: "make room and run again",
        errno.ENOENT: "check the path", errno.EACCES: "check its permissions", errno.EROFS: "choose another place",
    }.get(error.errno, "check it and run again")
    return f"can't use {what}: {reason}; {hint}"


def _close_output() -> None:
    """Flush what is left; a reader who has gone must not cause a message at the interpreter's end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


if __name__ == "__main__":
    run()
