"""The command as its users call it: a process of its own, or one on a terminal of its own."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
COMMAND = [sys.executable, "-m", "emu.cli"]
TIMEOUT = 120


def ringzero(*arguments: str | os.PathLike, stdin: bytes | None = None, **options) -> subprocess.CompletedProcess:
    """Run `ringzero ARGUMENTS`; standard input is empty unless given; output as bytes."""
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    return subprocess.run([*COMMAND, *map(os.fspath, arguments)], input=stdin or b"", capture_output=True, timeout=TIMEOUT,
                          env=environment, **options)


class OnTerminal:
    """`ringzero ARGUMENTS` on a pseudo-terminal."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.master, self.slave = pty.openpty()
        self.settings = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen([*COMMAND, *arguments], stdin=self.slave, stdout=self.slave, stderr=self.slave,
                                        env=dict(os.environ, PYTHONPATH=str(ROOT), TERM="xterm"), start_new_session=True)
        self.output = b""

    def __enter__(self) -> OnTerminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    def type(self, data: bytes) -> None:
        os.write(self.master, data)

    def expect(self, text: bytes, seconds: float = 60) -> bytes:
        """Wait until `text` has been printed; returns and forgets all up to its end."""
        end = time.monotonic() + seconds
        while text not in self.output:
            left = end - time.monotonic()
            assert left > 0, f"expected {text!r} within {seconds} s; so far: {self.output[-2000:]!r}"
            if select.select([self.master], [], [], min(left, 0.2))[0]:
                self.output += os.read(self.master, 65536)
        before, found, self.output = self.output.partition(text)
        return before + found

    def status(self, seconds: float = 30) -> int:
        """Wait for the end, reading what is printed on the way."""
        end = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < end, f"still running; printed: {self.output[-2000:]!r}"
            if select.select([self.master], [], [], 0.05)[0]:
                self.output += os.read(self.master, 65536)
        return self.process.returncode

    def restored(self) -> bool:
        """Has the terminal the settings it had before?"""
        return termios.tcgetattr(self.slave) == self.settings
