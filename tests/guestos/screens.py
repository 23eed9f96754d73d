"""Console sessions as the screens that somebody at the keyboard sees: of the guest, and of the same binaries under Linux."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.guestos import linux, ours

pyte = pytest.importorskip("pyte", reason="pyte is not installed: pip install pyte")

ROWS, COLUMNS = 24, 80
#: Keys that terminals send as several characters.
UP, DOWN, RIGHT, LEFT, HOME, END, ESCAPE, TAB, ENTER = "\033[A", "\033[B", "\033[C", "\033[D", "\033[1~", "\033[4~", "\033", "\t", "\r"
#: Virtual seconds without work after which the guest has nothing more to show: beyond what editors wait for the rest of a key.
QUIET = 1.2
#: Seconds that Linux is given to show the same.
PATIENCE = 10.0


class Terminal:
    """A screen, from the bytes that are written to it."""

    def __init__(self) -> None:
        self.screen = pyte.Screen(COLUMNS, ROWS)
        self.stream = pyte.ByteStream(self.screen)

    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]

    def picture(self) -> list:
        """Everything there is to see: characters with their attributes, and the cursor."""
        cells = [[self.screen.buffer[row][column] for column in range(COLUMNS)] for row in range(ROWS)]
        return [(self.screen.cursor.x, self.screen.cursor.y, self.screen.cursor.hidden), cells]


class Guest(Terminal):
    """A program on the guest's console."""

    def __init__(self, command: str) -> None:
        super().__init__()
        self.computer = ours.Computer(ours.debian_tree().disk, ours.command_line(f"exec {command}"), memory="128M", on_console=self.stream.feed)
        self.settle()

    def type(self, keys: str) -> None:
        self.computer.type(keys)
        self.settle()

    def settle(self) -> None:
        self.computer.run(20 * ours.PATIENCE, ours._Patience(QUIET))

    def close(self) -> None:
        self.computer.close()


class Linux(Terminal):
    """The same program on a pseudo-terminal of this host."""

    def __init__(self, command: Sequence[str]) -> None:
        super().__init__()
        tree = ours.debian_tree()
        if missing := linux.missing(tree.root):
            pytest.skip(missing)
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))

        def own_session() -> None:
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(linux.command(tree.root, Path(__file__).parent / "debian", command), stdin=slave, stdout=slave, stderr=slave,
                                        preexec_fn=own_session)
        os.close(slave)

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def becomes(self, same: Callable[[], bool]) -> bool:
        """Whether the screen comes to satisfy `same`, and does for a moment."""
        end, since = time.monotonic() + PATIENCE, None
        while (now := time.monotonic()) < end:
            if select.select([self.master], [], [], 0.03)[0]:
                try:
                    self.stream.feed(os.read(self.master, 65536))
                except OSError:         # the program has ended
                    return same()
                since = None
            elif same():
                since = since or now
                if now - since > 0.05:
                    return True
        return False

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)


class Session:
    """A program on both. `type` gives both the keys and fails the test unless they come to show the same.

    `mask` turns a screen's lines into those that are compared; without one, attributes and cursor count too.
    """

    def __init__(self, command: str, mask: Callable[[list[str]], list[str]] | None = None) -> None:
        ours.require_compiled()
        self.mask = mask
        self.linux = Linux(["/bin/sh", "-c", f"exec {command}"])
        self.guest = Guest(command)
        self.keys = ""
        self._compare()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.guest.close()
        self.linux.close()

    def type(self, *keys: str, shows: str = "") -> None:
        """`shows` has to be on the guest's screen afterwards."""
        self.keys = "".join(keys)
        self.linux.type(self.keys)
        self.guest.type(self.keys)
        self._compare()
        assert shows in "\n".join(self.guest.lines()), self._report(f"the guest doesn't show {shows!r}")

    def begin(self, *keys: str) -> None:
        """Keys that make the program compute without an end, so that there is nothing to wait for."""
        self.linux.type("".join(keys))
        self.guest.computer.type("".join(keys))
        self.guest.computer.run(100_000_000)
        time.sleep(0.3)

    def _compare(self) -> None:
        if self.mask is None:
            wanted = self.guest.picture()
            same = lambda: self.linux.picture() == wanted
        else:
            lines = self.mask(self.guest.lines())
            same = lambda: self.mask(self.linux.lines()) == lines
        if not self.linux.becomes(same):
            pytest.fail(self._report("the screens differ"))

    def _report(self, what: str) -> str:
        mask = self.mask or (lambda lines: lines)
        text = [f"after {self.keys!r} {what}"]
        for name, terminal in (("the guest", self.guest), ("Linux", self.linux)):
            cursor = terminal.screen.cursor
            text += [f"--- {name}; cursor at column {cursor.x}, row {cursor.y} ".ljust(COLUMNS, "-"), *"\n".join(mask(terminal.lines())).rstrip().split("\n")]
        for row in range(ROWS):
            ours_, theirs = ([terminal.screen.buffer[row][column] for column in range(COLUMNS)] for terminal in (self.guest, self.linux))
            if ours_ != theirs and not self.mask:
                column = next(n for n in range(COLUMNS) if ours_[n] != theirs[n])
                text.append(f"row {row} differs first at column {column}: {ours_[column]} and {theirs[column]}")
        return "\n".join(text)
