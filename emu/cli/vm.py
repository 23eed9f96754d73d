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
import fcntl
import hashlib
import marshal
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from emu.cli import images, output
from emu.errors import ConfigurationError, ImageError, RingzeroError

if TYPE_CHECKING:
    from emu.testing.guest import Guest

MEMORY = "256M"
FOR_EVER = 1 << 62


class MachineStopped(RingzeroError):
    """The computer ended, or there is nobody to type at it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--engine", metavar="NAME", help="compiled or python (default: the faster one that is there)")
    parser.add_argument("--computer", metavar="FILE", type=Path, help="where the computer sleeps (default: beside the built guest)")
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
    from emu.cli import options

    options.check_engine(arguments.engine)
    built = images.ensure(output.say)
    file = arguments.computer or images.directory() / "vm.asleep"
    with _alone(file):
        guest = wake(file, built, arguments.engine)
        words = ["vmm", arguments.verb]
        if arguments.verb == "run":
            words += run_options(arguments, guest)
        elif arguments.verb != "ps":
            words.append(arguments.name)
        talks = arguments.verb == "console" or arguments.verb == "run" and arguments.command is None and not arguments.detached
        if talks:
            status = converse(guest, words)
        else:
            done = guest.run(words, FOR_EVER)
            sys.stdout.write(done.stdout.replace("\r\n", "\n"))
            sys.stderr.write(done.stderr)
            status = done.status
        sleep(guest, file, built)
        guest.machine.close()
    return status


def run_options(arguments: argparse.Namespace, guest: Guest) -> list[str]:
    """The options for the guest's `vmm run`; files of this host are brought to the guest."""
    words = []
    for name in ("name", "memory", "append"):
        if getattr(arguments, name) is not None:
            words += [f"--{name}", getattr(arguments, name)]
    for name in ("kernel", "disk"):
        path = getattr(arguments, name)
        if path is not None:
            words += [f"--{name}", path if path == "none" and name == "disk" else bring(guest, path, name)]
    words += [] if arguments.command is None else ["-c", arguments.command]
    return words + ["-d"] * arguments.detached


def bring(guest: Guest, path: str, what: str) -> str:
    """A file of this host, in the guest; returns its path there."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ImageError(f"{what} {path!r} can't be read: {(error.strerror or str(error)).lower()}", "check the path") from None
    return guest.put(f"/tmp/{hashlib.sha256(data).hexdigest()[:12]}-{Path(path).name}", data)


def wake(file: Path, built: images.GuestImages, engine: str | None) -> Guest:
    """The computer that sleeps in `file`, or a new one where there is none or its guest has been built anew since."""
    from emu.machine.machine import Machine
    from emu.testing.guest import Guest, boot

    try:
        asleep = marshal.loads(file.read_bytes())
        known, state = asleep["guest"], asleep["state"]
    except FileNotFoundError:
        return boot(memory=MEMORY, engine=engine)
    except (OSError, EOFError, KeyError, TypeError, ValueError):
        raise ConfigurationError(f"{str(file)!r} holds no computer asleep", "remove it, or name another file with --computer") from None
    if known != identity(built):
        output.say("the guest has been built anew since: its machines are gone")
        file.unlink()
        return boot(memory=MEMORY, engine=engine)
    machine = Machine(MEMORY, engine, kernel=built.kernel, disk=built.disk)
    machine.restore(state)
    machine.console_position = len(machine.console)
    return Guest(machine)


def sleep(guest: Guest, file: Path, built: images.GuestImages) -> None:
    """Put the computer into `file` while machines run in it; else nothing is left of it."""
    if guest.run("ls /run/vmm").stdout.strip():
        part = file.with_name(file.name + ".part")
        part.write_bytes(marshal.dumps({"guest": identity(built), "state": guest.machine.checkpoint()}))
        part.replace(file)
    else:
        file.unlink(missing_ok=True)


def identity(built: images.GuestImages) -> str:
    """Changes when the kernel or the disk does, under which a sleeping computer can't go on."""
    return hashlib.sha256(built.kernel.read_bytes() + built.disk.read_bytes()).hexdigest()


def converse(guest: Guest, words: list[str]) -> int:
    """Run a command of the guest with this terminal (or what is piped in) as its own; returns its status."""
    from emu.cli import terminal

    machine, descriptor = guest.machine, terminal.standard_input()
    writer, ended = terminal.Writer(sys.stdout.fileno()), False

    def show(piece: bytes) -> None:
        """Pass on what the guest says, up to its agent's reply."""
        nonlocal ended
        if not ended:
            text, reply, _ = piece.partition(b"\x02")
            writer(text)
            if reply:
                ended = True
                machine.interrupt()

    command = f"{shlex.join(words)} </dev/ttyS0 >/dev/ttyS0 2>&1".encode()
    keyboard = terminal.Keyboard(descriptor)
    on_terminal, keyboard.is_terminal = keyboard.is_terminal, False     # Ctrl-] is for the guest's vmm
    started, machine.on_console = machine.retired, show
    machine.type(b"run %d\n" % len(command) + command)
    with terminal.raw(descriptor) if on_terminal and descriptor is not None else nullcontext():
        result = terminal.interact(machine, keyboard)
    machine.on_console = None
    writer.finish()
    if not ended:
        raise MachineStopped(f"the computer stopped before the console was left: {result}", "the machines in it are as they were before this command")
    return guest.collect(command.decode(), started, FOR_EVER).status


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """One command at a time has the computer."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file.with_name(file.name + ".lock"), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError("another command has the computer", "end it (Ctrl-] leaves a console), or name another one with --computer") from None
        yield
