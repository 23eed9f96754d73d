"""A booted guest that a test drives: commands with their output, status and cost; files put into it."""

from __future__ import annotations

import hashlib
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from emu.cli import images
from emu.errors import RingzeroError
from emu.guest.view import GuestView, Process
from emu.machine import linear
from emu.machine.machine import Machine, Reason

#: Instructions after which a command is taken to hang, unless the test says otherwise.
PATIENCE = 2_000_000_000

_PAGE = 4096


class GuestError(RingzeroError):
    """The guest did not do what a test needs of it: it stopped, hangs, or refused a request."""


@dataclass(frozen=True, slots=True)
class Completed:
    """A command that has ended. `status` is its exit status, or 128 plus the signal that killed it; `instructions` are all
    that the machine retired from the request to the end: shell, programs and kernel. Equal runs have equal counts."""

    command: str
    status: int
    stdout: str
    stderr: str
    instructions: int

    @property
    def output(self) -> str:
        """Standard output without the last line's end."""
        return self.stdout.removesuffix("\n")

    def check(self) -> Completed:
        """Itself; AssertionError with the command's own words unless the status is 0."""
        assert self.status == 0, f"`{self.command}` ended with status {self.status}: {self.stderr.strip() or self.stdout.strip() or 'no output'}"
        return self


class Guest:
    """The guest on `machine`, which waits in its agent (`boot`)."""

    name = "the host"

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    @property
    def view(self) -> GuestView:
        """What runs under its kernel, read from the machine's memory."""
        return self.machine.guest

    def processes(self) -> tuple[Process, ...]:
        """Its processes, without those of containers."""
        return tuple(each for each in self.view.processes() if len(each.pids) == 1)

    def run(self, command: str | Sequence[str], limit: int = PATIENCE) -> Completed:
        """Run a shell command, or a program with arguments given as a list, to its end.

        Raises GuestError when it does not end within `limit` instructions, or takes the machine with it.
        """
        text = command if isinstance(command, str) else shlex.join(map(str, command))
        data = text.encode()
        started = self.machine.retired
        self.machine.type(b"run %d\n" % len(data) + data)
        return self.collect(text, started, limit)

    def collect(self, text: str, started: int, limit: int = PATIENCE) -> Completed:
        """What comes of a command that has been typed when `started` instructions were retired; as `run`."""
        output = {"o": bytearray(), "e": bytearray()}
        while True:
            kind, payload = self._reply(text, limit - (self.machine.retired - started))
            if kind in output:
                output[kind] += payload
            elif kind == "x":
                return Completed(text, int(payload), output["o"].decode("utf-8", "replace"), output["e"].decode("utf-8", "replace"),
                                 self.machine.retired - started)
            else:
                raise GuestError(f"the guest could not run `{text}`: {payload.decode('utf-8', 'replace')}")

    def put(self, path: str, contents: bytes | str, mode: int = 0o644) -> str:
        """Write a file in the guest; returns `path`. Raises GuestError with the guest's reason."""
        data = contents.encode() if isinstance(contents, str) else bytes(contents)
        what = f"put {mode:o} {len(data)} {path}"
        if "\n" in path:
            raise GuestError(f"the path {path!r} has a newline", "choose another name")
        self.machine.type(what + "\n")
        kind, payload = self._reply(what, PATIENCE)
        if kind == "a":
            address = int(payload, 16)
            for offset in range(0, len(data), _PAGE):
                self.machine.poke(linear.translate(self.machine, address + _PAGE + offset), data[offset : offset + _PAGE])
            self.machine.poke(linear.translate(self.machine, address), b"\x01")
            kind, payload = self._reply(what, PATIENCE)
        if kind != "x":
            raise GuestError(f"the guest could not write {path}: {payload.decode('utf-8', 'replace')}", "check the path and the free space")
        return path

    def read(self, path: str) -> str:
        """A file's contents as text. Raises AssertionError with the guest's reason."""
        return self.run(["cat", path]).check().stdout

    def _reply(self, what: str, limit: int) -> tuple[str, bytes]:
        """The next reply of the agent: its type and payload."""
        self._expect(b"\x02", what, limit)
        head = self._expect(b"\n", what, limit)
        kind, size = head[:1].decode("latin-1"), head[1:-1]
        if not size.isdigit():
            raise GuestError(f"the console carries {head[:40]!r} instead of the agent's reply to `{what}`",
                             "nothing else may write to /dev/ttyS0 while a test runs a command")
        payload = b""
        while len(payload) < int(size):
            payload += self._take(int(size) - len(payload), what, limit)
        return kind, payload

    def _expect(self, marker: bytes, what: str, limit: int) -> bytes:
        start = self.machine.console_position
        result = self.machine.expect(marker, max(limit, 0))
        if result.reason is not Reason.FOUND:
            said = bytes(self.machine.console[start:]).decode("utf-8", "replace").strip()
            raise GuestError(f"`{what}` did not end: {result}" + (f"; the console says: {said}" if said else ""),
                             "give it a larger limit" if result.reason is Reason.LIMIT else "")
        return bytes(self.machine.console[start : self.machine.console_position])

    def _take(self, count: int, what: str, limit: int) -> bytes:
        """Up to `count` bytes of console output, at least one."""
        start = self.machine.console_position
        available = self.machine.console[start : start + count]
        if not available:
            # Runs until the next byte, whichever it is.
            result = self.machine.run_until_output(max(limit, 0))
            if result.reason is not Reason.FOUND:
                raise GuestError(f"`{what}` did not end: {result}")
            available = self.machine.console[start : start + count]
        self.machine.console_position = start + len(available)
        return bytes(available)


def boot(disk: Path | None = None, memory: str = "256M", engine: str | None = None, append: str = "") -> Guest:
    """Boots the guest up to its agent, from the default disk or another that has /bin/agent and /bin/sh.

    Raises GuestError with the console's text when it does not come up."""
    built = images.ensure()
    line = f'quiet init=/bin/init {append} -- -c "exec /bin/agent"'
    guest = Guest(Machine(memory, engine, kernel=built.kernel, disk=disk or built.disk, cmdline=line))
    kind, _ = guest._reply("boot", PATIENCE)
    assert kind == "r"
    return guest


def compile_program(source: str, name: str = "program", flags: Sequence[str] = ()) -> bytes:
    """A static x86-64 Linux program (ELF) of C source, compiled with ziglang against musl; the same source is compiled once.

    Raises GuestError with the compiler's messages."""
    from guestos.build import USER_FLAGS

    options = [*USER_FLAGS, *flags]
    digest = hashlib.sha256("\0".join([*options, source]).encode()).hexdigest()[:20]
    cache = images.directory() / "programs"
    program = cache / digest
    if not program.exists():
        cache.mkdir(parents=True, exist_ok=True)
        text = cache / f"{digest}.{id(source)}.c"
        text.write_text(source)
        made = text.with_suffix(".part")
        result = subprocess.run([sys.executable, "-m", "ziglang", "cc", *options, str(text), "-o", str(made)], capture_output=True, text=True)
        text.unlink()
        if result.returncode:
            raise GuestError(f"{name} does not compile:\n{result.stderr.replace(str(text), name + '.c')}")
        made.replace(program)
    return program.read_bytes()
