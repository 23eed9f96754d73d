"""QEMU as an oracle for devices: its microvm board driven register by register through the qtest protocol."""

from __future__ import annotations

import shutil
import subprocess

import pytest

QEMU = shutil.which("qemu-system-x86_64")

needs_qemu = pytest.mark.skipif(QEMU is None, reason="qemu-system-x86_64 is missing: apt-get install qemu-system-x86")


class QTest:
    """A QEMU whose CPU and clock stand still (Debian's build has no qtest accelerator to step time with)."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [QEMU, "-M", "microvm,acpi=off", "-accel", "tcg", "-S", "-qtest", "stdio", "-display", "none", "-serial", "null",
             "-monitor", "none", "-m", "16M", "-rtc", "base=2024-01-01T00:00:00,clock=vm", *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1)

    def command(self, text: str) -> list[str]:
        self.process.stdin.write(text + "\n")
        while True:
            line = self.process.stdout.readline()
            assert line, f"QEMU ended at {text!r}"
            if line.startswith("OK"):
                return line.split()[1:]
            assert not line.startswith(("FAIL", "ERR")), f"{text!r}: {line}"

    def port_read(self, port: int, width: int = 1) -> int:
        return int(self.command(f"in{' bw l'[width]} {port:#x}")[0], 16)

    def port_write(self, port: int, width: int, value: int) -> None:
        self.command(f"out{' bw l'[width]} {port:#x} {value:#x}")

    def mmio_read(self, address: int, width: int = 4) -> int:
        return int(self.command(f"read{' bw l   q'[width]} {address:#x}")[0], 16)

    def mmio_write(self, address: int, width: int, value: int) -> None:
        self.command(f"write{' bw l   q'[width]} {address:#x} {value:#x}")

    def close(self) -> None:
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
