"""The machine and the programs that a measurement was made with; a figure without them means nothing."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path


def describe() -> dict[str, str]:
    """Date, processor, system, and the versions of the peers that are here."""
    facts = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }
    for package in ("unicorn", "ziglang", "Cython"):
        try:
            facts[package.lower()] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    for name, command, marker in (("qemu", ["qemu-system-x86_64", "--version"], "QEMU emulator version"),
                                  ("bochs", ["bochs", "--help"], "Bochs x86 Emulator")):
        try:
            output = subprocess.run(command, capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
        except (OSError, subprocess.TimeoutExpired):
            continue
        line = next((line for line in (output.stdout + output.stderr).splitlines() if marker in line), "")
        if line:
            facts[name] = line.split(marker)[1].strip()
    return facts


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
