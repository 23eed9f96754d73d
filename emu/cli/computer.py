"""The computer that `ringzero vm`, `box` and `image` share: it sleeps in a file from one command to the next.

While it sleeps no time passes for it. It is forgotten once nothing is in it, and when the guest has been built anew.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import marshal
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from emu.cli import images, output
from emu.errors import ConfigurationError, ImageError, RingzeroError

if TYPE_CHECKING:
    from emu.testing.guest import Guest

MEMORY = "256M"
DISK = 256 << 20
FOR_EVER = 1 << 62


class MachineStopped(RingzeroError):
    """The computer ended, or there is nobody to type at it."""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--engine", metavar="NAME", help="compiled or python (default: the faster one that is there)")
    parser.add_argument("--computer", metavar="FILE", type=Path, help="where the computer sleeps (default: beside the built guest)")


@contextmanager
def awake(arguments: argparse.Namespace) -> Iterator[Guest]:
    """The computer, which is put to sleep at the end unless that is an error: then it is as it was."""
    from emu.cli import options

    options.check_engine(arguments.engine)
    built = images.ensure(output.say)
    file = arguments.computer or images.directory() / "computer.asleep"
    with _alone(file):
        guest = wake(file, built, arguments.engine)
        try:
            yield guest
            sleep(guest, file, built)
        finally:
            guest.machine.close()


def run(guest: Guest, words: Sequence[str], talks: bool) -> int:
    """A program of the guest, with this terminal as its own if it `talks`; returns its status."""
    if talks:
        return converse(guest, words)
    done = guest.run(words, FOR_EVER)
    sys.stdout.write(done.stdout.replace("\r\n", "\n"))
    sys.stderr.write(done.stderr)
    return done.status


def bring(guest: Guest, path: str, what: str) -> str:
    """A file of this host, in the guest; returns its path there."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ImageError(f"{what} {path!r} can't be read: {(error.strerror or str(error)).lower()}", "check the path") from None
    return guest.put(f"/tmp/{hashlib.sha256(data).hexdigest()[:12]}-{Path(path).name}", data)


def bring_tree(guest: Guest, path: str) -> str:
    """A directory of this host, in the guest: its files, directories and symbolic links; returns its path there."""
    root, to = Path(path), f"/tmp/{hashlib.sha256(os.path.abspath(path).encode()).hexdigest()[:12]}"
    if not root.is_dir():
        raise ImageError(f"{path!r} is no directory", "check the path")
    guest.run(["rm", "-r", to])
    guest.run(["mkdir", to])
    for each in sorted(root.rglob("*")):
        name = f"{to}/{each.relative_to(root).as_posix()}"
        if each.is_symlink():
            guest.run(["ln", "-s", os.readlink(each), name])
        elif each.is_dir():
            guest.run(["mkdir", name])
        else:
            try:
                guest.put(name, each.read_bytes(), each.stat().st_mode & 0o777)
            except OSError as error:
                raise ImageError(f"{str(each)!r} can't be read: {(error.strerror or str(error)).lower()}", "check its permissions") from None
    return to


def wake(file: Path, built: images.GuestImages, engine: str | None) -> Guest:
    """The computer that sleeps in `file`, or a new one where there is none or its guest has been built anew since."""
    from emu.machine.machine import Machine
    from emu.testing.guest import Guest, boot

    try:
        asleep = marshal.loads(file.read_bytes())
        known, state = asleep["guest"], asleep["state"]
    except FileNotFoundError:
        return boot(disk(built), memory=MEMORY, engine=engine)
    except (OSError, EOFError, KeyError, TypeError, ValueError):
        raise ConfigurationError(f"{str(file)!r} holds no computer asleep", "remove it, or name another file with --computer") from None
    if known != identity(built):
        output.say("the guest has been built anew since: its machines, containers and images are gone")
        file.unlink()
        return boot(disk(built), memory=MEMORY, engine=engine)
    machine = Machine(MEMORY, engine, kernel=built.kernel, disk=disk(built))
    machine.restore(state)
    machine.console_position = len(machine.console)
    return Guest(machine)


def disk(built: images.GuestImages) -> Path:
    """The guest's disk, with room for images."""
    from guestos.images import build_default_disk

    return build_default_disk(built.disk.parent, size=DISK, name="computer.img")


def sleep(guest: Guest, file: Path, built: images.GuestImages) -> None:
    """Put the computer into `file` while it has machines, containers or images; else nothing is left of it."""
    left = guest.run("ls /run/vmm; ls /var/lib/box/containers; ls /var/lib/box/images").stdout.split()
    if left != ["base:latest"]:
        part = file.with_name(file.name + ".part")
        part.write_bytes(marshal.dumps({"guest": identity(built), "state": guest.machine.checkpoint()}))
        part.replace(file)
    else:
        file.unlink(missing_ok=True)


def identity(built: images.GuestImages) -> str:
    """Changes when the kernel or the disk does, under which a sleeping computer can't go on."""
    return hashlib.sha256(built.kernel.read_bytes() + built.disk.read_bytes()).hexdigest()


def converse(guest: Guest, words: Sequence[str]) -> int:
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
