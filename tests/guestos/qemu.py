"""Boots the guest kernel under QEMU's microvm board, the oracle of the guest's tests."""
from __future__ import annotations

import os
import select
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

QEMU = "qemu-system-x86_64"


def require_tools() -> None:
    """Skips the calling test, by name, when QEMU or the compiler is missing."""
    if not shutil.which(QEMU):
        pytest.skip(f"{QEMU} is not installed: apt-get install qemu-system-x86")
    pytest.importorskip("ziglang", reason="ziglang is not installed: pip install ziglang")


def command(kernel: Path, append: str, disk: Path | None = None, cpu: str = "max", memory: str = "128M",
            more: Sequence[str] = ()) -> list[str]:
    """QEMU's command line; console on standard output, exit status (value << 1) | 1 of port 0xf4."""
    drive = ["-drive", f"if=none,id=d,file={disk},format=raw", "-device", "virtio-blk-device,drive=d"] if disk else []
    return [QEMU, "-M", "microvm,acpi=off", "-accel", "tcg", "-cpu", cpu, "-m", memory, "-nodefaults", "-no-user-config",
            "-display", "none", "-serial", "stdio", "-no-reboot", "-kernel", str(kernel), "-append", append,
            "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04", *drive, *more]  # fmt: skip


@dataclass(slots=True)
class Result:
    """Console text (line ends as \\n) and the status the guest's init exited with."""

    text: str
    status: int


def run(kernel: Path, append: str, disk: Path | None = None, timeout: float = 60, **options: str | Sequence[str]) -> Result:
    """Boots and waits for the guest to power off. Fails the test if it doesn't within `timeout` seconds."""
    try:
        done = subprocess.run(command(kernel, append, disk, **options), stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout)
    except subprocess.TimeoutExpired as late:
        pytest.fail(f"the guest didn't power off in {timeout} s; console:\n{(late.stdout or b'').decode(errors='replace')}")
    text = done.stdout.decode(errors="replace").replace("\r\n", "\n")
    assert done.returncode & 1, f"QEMU failed ({done.returncode}): {done.stderr.decode()}\n{text}"
    return Result(text, done.returncode >> 1)


class Console:
    """A running guest whose keyboard is ours: send() and expect()."""

    def __init__(self, kernel: Path, append: str, disk: Path) -> None:
        self._qemu = subprocess.Popen(command(kernel, append, disk), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._raw = b""
        self.text = ""
        self._seen = 0

    def send(self, keys: str) -> None:
        self._qemu.stdin.write(keys.encode())
        self._qemu.stdin.flush()

    def expect(self, text: str, timeout: float = 20) -> str:
        """Waits until `text` appears after what was last expected; returns what came up to its end."""
        end = time.monotonic() + timeout
        while (at := self.text.find(text, self._seen)) < 0:
            ready, _, _ = select.select([self._qemu.stdout], [], [], max(0, end - time.monotonic()))
            data = os.read(self._qemu.stdout.fileno(), 4096) if ready else b""
            if not data:
                pytest.fail(f"expected {text!r} on the console; since the last match it said:\n{self.text[self._seen:]}")
            self._raw += data
            # A \r may be the first half of a line end that is still on its way: hold it back.
            self.text = self._raw.removesuffix(b"\r").decode(errors="replace").replace("\r\n", "\n")
        start, self._seen = self._seen, at + len(text)
        return self.text[start:self._seen]

    def close(self) -> None:
        self._qemu.kill()
        self._qemu.wait()
