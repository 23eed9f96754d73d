"""Runs an emulator's process and times the work between the two markers on its console."""

from __future__ import annotations

import os
import re
import select
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.build import COUNT_EXTRA
from benchmarks.peers.peer import PeerError, Run

BEGIN = b"RZ-BEGIN\n"
_END = re.compile(rb"RZ-END ([0-9a-f]{16}) ([0-9a-f]{16}) ([0-9a-f]{16})\n")


def parse(output: bytes, seconds: float, *, counts: bool) -> Run | None:
    """The result printed on a workload's console, or None. `counts`: this machine's TSC counts instructions."""
    match = _END.search(output)
    if not match:
        return None
    checksum, ticks, stamps = (int(text, 16) for text in match.groups())
    return Run(seconds, checksum, ticks, stamps - COUNT_EXTRA if counts else None)


def run_process(name: str, command: Sequence[str], *, directory: Path, counts: bool, timeout: float = 120.0) -> Run:
    """Starts `command`, reads its standard output, and waits until it has ended by itself.

    The seconds are those between the arrivals of the markers. Raises PeerError when the end marker
    doesn't come within `timeout` seconds or before the process ends; the process never outlives this call.
    """
    output = bytearray()
    begun = ended = 0.0
    deadline = time.monotonic() + timeout
    with (directory / "stderr").open("w+b") as errors:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, cwd=directory)
        assert process.stdout is not None
        try:
            descriptor = process.stdout.fileno()
            while time.monotonic() < deadline:
                if not select.select([descriptor], [], [], 0.5)[0]:
                    continue
                chunk = os.read(descriptor, 65536)
                now = time.perf_counter()
                if not chunk:
                    break
                output += chunk.replace(b"\r", b"")
                if not begun and BEGIN in output:
                    begun = now
                if not ended and _END.search(output):
                    ended = now
            process.wait(timeout=max(1.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            pass
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        run = parse(bytes(output), ended - begun, counts=counts)
        if not run or not begun:
            errors.seek(0)
            tail = (bytes(output[-200:]) + errors.read()[-300:]).decode(errors="replace")
            raise PeerError(f"{name} printed no result within {timeout:.0f} s; its last output was: {tail!r}",
                            f"run it by hand: {' '.join(command)}")
    return run
