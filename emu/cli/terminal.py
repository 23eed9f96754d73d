"""The host's terminal as the guest's console: raw mode, streaming output, input paced by the wall clock."""

from __future__ import annotations

import os
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from emu.machine.machine import Machine
from emu.machine.result import Reason, RunResult

#: Ctrl-], telnet's escape, leaves the guest.
LEAVE = b"\x1d"
END_OF_FILE = b"\x04"

#: The 16550's "received data" interrupt: on once the guest has a driver for the port.
IER_RECEIVE = 1

#: Virtual ns after which input is no longer held back for such a driver.
DRIVER_WAIT = 2_000_000_000

#: Seconds that the guest runs between looks at the keyboard.
SLICE_SECONDS = 0.02


@contextmanager
def raw(descriptor: int) -> Iterator[None]:
    """The terminal passes every key on, Ctrl-C and Ctrl-Z included; restored whatever happens."""
    saved = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, saved)


class Writer:
    """Console output to a file descriptor as it is made. A terminal gets the guest's bytes, anything
    else has its CR LF line ends as LF."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.plain = not os.isatty(descriptor)
        self.held = b""

    def __call__(self, data: bytes) -> None:
        if self.plain:
            data = self.held + data
            self.held = b"\r" if data.endswith(b"\r") else b""
            data = data[: len(data) - len(self.held)].replace(b"\r\n", b"\n")
        view = memoryview(data)
        while view:
            view = view[os.write(self.descriptor, view) :]

    def finish(self) -> None:
        """Write what was held back to see whether a line feed follows."""
        held, self.held = self.held, b""
        if held:
            os.write(self.descriptor, held)


class Keyboard:
    """Input for the guest from a file descriptor (None: there is none). `waited` is the time spent in `read`, seconds.

    On a terminal Ctrl-] leaves. While `held` nothing is read. The end of a pipe or file reaches the
    guest as Ctrl-D, the end of input to its terminal.
    """

    def __init__(self, descriptor: int | None) -> None:
        self.descriptor = descriptor
        self.is_terminal = descriptor is not None and os.isatty(descriptor)
        self.waited = 0.0
        self.at_line_start = True
        self.held = False

    def read(self, seconds: float | None) -> bytes | None:
        """What was typed within `seconds` (None: wait for it), b"" if nothing, None to leave."""
        begun = time.monotonic()
        try:
            return self._read(seconds)
        finally:
            self.waited += time.monotonic() - begun

    def _read(self, seconds: float | None) -> bytes | None:
        if self.held and seconds is not None:
            return b""
        if self.descriptor is None:
            if seconds is None:
                return None             # nothing will ever wake the guest
            time.sleep(seconds)
            return b""
        ready, _, _ = select.select([self.descriptor], [], [], seconds)
        if not ready:
            return b""
        data = os.read(self.descriptor, 4096)
        if not data:
            self.descriptor = None
            # The first one only ends a line that has begun.
            return END_OF_FILE if self.at_line_start else END_OF_FILE * 2
        self.at_line_start = data.endswith((b"\n", b"\r"))
        if self.is_terminal and LEAVE in data:
            return None
        return data


def interact(machine: Machine, keyboard: Keyboard, limit: int | None = None, run: Callable[..., RunResult] | None = None) -> RunResult:
    """Run `machine` with `keyboard` as its console input, halts in step with the wall clock.

    `run` takes the place of `machine.run`. Ends as `Machine.run` does, or with INTERRUPTED when the user leaves. `limit` counts instructions.
    """
    run = machine.run if run is None else run
    size = 20_000
    retired = 0
    # What is piped in waits for the guest's serial driver, which empties the port when it starts.
    keyboard.held = not keyboard.is_terminal
    while True:
        if keyboard.held and (machine.board.uart.state.ier & IER_RECEIVE or machine.now > DRIVER_WAIT):
            keyboard.held = False
        left = None if limit is None else limit - retired
        slice = size if left is None else min(size, left)
        begun, waited = time.monotonic(), keyboard.waited
        result = run(slice, keyboard.read)
        retired += result.retired
        if result.reason is not Reason.LIMIT or left is not None and retired >= limit:
            return RunResult(result.reason, retired, result.status, result.detail)
        size = _next_size(size, time.monotonic() - begun - (keyboard.waited - waited))
        data = keyboard.read(0)
        if data is None:
            return RunResult(Reason.INTERRUPTED, retired)
        if data:
            machine.type(data)


def _next_size(size: int, seconds: float) -> int:
    """Instructions for the next slice, so that it takes SLICE_SECONDS on this engine and host."""
    if seconds <= 0:
        return min(size * 2, 20_000_000)
    return max(2_000, min(20_000_000, int(size * min(2.0, max(0.5, SLICE_SECONDS / seconds)))))


def standard_input() -> int | None:
    """Descriptor of standard input, or None where there is none (closed)."""
    try:
        descriptor = sys.stdin.fileno()
        os.fstat(descriptor)
    except (AttributeError, ValueError, OSError):
        return None
    return descriptor


def interactive(descriptor: int | None) -> bool:
    return descriptor is not None and os.isatty(descriptor)
