"""What isn't a workload's speed: stepping, the Python engine, boot, memory, build time."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.build import build
from benchmarks.catalogue import BY_NAME
from benchmarks.peers.ringzero import MEMORY, Flat, missing_engine
from benchmarks.peers.unicorn import Unicorn
from benchmarks.targets import Target
from emu.errors import RingzeroError
from emu.machine.machine import Machine, Reason

ROOT = Path(__file__).parent.parent
KERNEL = ROOT / "build" / "guest" / "kernel.elf"
DISK = ROOT / "build" / "guest" / "disk.img"
CMDLINE = "console=ttyS0 root=/dev/vda init=/bin/init quiet"
PROMPT = b"# "

MIB = 1 << 20


def steps_per_second(steps: int, engine: str = "compiled") -> float:
    """machine.step() in a Python loop, in code with loads, stores, calls and branches."""
    with Flat(engine).load(build(BY_NAME["coremix"]), 1 << 30) as machine:
        machine.run(10_000)
        step = machine.step
        start = time.perf_counter()
        for _ in range(steps):
            step()
        return steps / (time.perf_counter() - start)


def unicorn_steps_per_second(steps: int) -> float:
    """The same by Unicorn's emu_start(count=1)."""
    from unicorn.x86_const import UC_X86_REG_RIP

    image = build(BY_NAME["coremix"])
    machine = Unicorn().load(image, 1 << 30)
    rip, end = image.symbols["flat_entry"], image.symbols["flat_end"]
    start = time.perf_counter()
    for _ in range(steps):
        machine.emu_start(rip, end, count=1)
        rip = machine.reg_read(UC_X86_REG_RIP)
    return steps / (time.perf_counter() - start)


def instructions_per_second(instructions: int, engine: str) -> float:
    """Machine.run(n) over the coremix workload, decoded code warm."""
    with Flat(engine).load(build(BY_NAME["coremix"]), 1 << 30) as machine:
        machine.run(instructions // 10)
        start = time.perf_counter()
        machine.run(instructions)
        return instructions / (time.perf_counter() - start)


def boot_seconds(engine: str = "compiled") -> float:
    """From constructing the machine to the shell's prompt on its console; the guest images must be built.

    Raises RingzeroError when the prompt doesn't come."""
    start = time.perf_counter()
    with Machine(MEMORY, engine, kernel=KERNEL, disk=DISK, cmdline=CMDLINE) as machine:
        result = machine.expect(PROMPT, limit=3_000_000_000)
        seconds = time.perf_counter() - start
        if result.reason is not Reason.FOUND:
            raise RingzeroError(f"no shell prompt {PROMPT!r} on the console: the machine ended with {result}",
                                f"the console's end was {bytes(machine.console[-200:])!r}")
    return seconds


_MEMORY_PROGRAM = """
import sys
from benchmarks.engine_figures import resident_beside_ram
print(resident_beside_ram())
"""


def resident_beside_ram() -> int:
    """Bytes resident in this process, less those of guest RAM, after much code has run (big code, then a boot
    where the guest is built). Includes the Python interpreter. Linux only: reads /proc/self/smaps."""
    image = build(BY_NAME["bigcode"])
    machines = [Flat().load(image, 50)]
    machines[0].run()
    if KERNEL.exists() and DISK.exists():
        machines.append(Machine(MEMORY, "compiled", kernel=KERNEL, disk=DISK))
        machines[1].expect(PROMPT, limit=3_000_000_000)
    resident = ram = size = 0
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if match := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
            size = int(match[2], 16) - int(match[1], 16)
        elif line.startswith("Rss:"):
            rss = int(line.split()[1]) * 1024
            resident += rss
            if size >= machines[0].memory.size:
                ram += rss
    for machine in machines:
        machine.close()
    return resident - ram


def memory_beside_ram() -> float:
    """`resident_beside_ram` of a fresh process, in MiB."""
    result = subprocess.run([sys.executable, "-c", _MEMORY_PROGRAM], cwd=ROOT, capture_output=True, text=True, timeout=300)
    if result.returncode:
        raise RingzeroError("the process whose memory was to be measured failed", result.stderr.strip()[-300:])
    return int(result.stdout) / MIB


def build_seconds() -> tuple[float, float]:
    """Seconds of a full build of the extension modules in a fresh copy of the sources, and of another one
    after an edit to one ISA file."""
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name, "copy")
        leave = shutil.ignore_patterns(".git", ".venv", "build", "__pycache__", "*.so", "*.egg-info", ".zig-cache")
        shutil.copytree(ROOT, copy, ignore=leave)

        def seconds() -> float:
            start = time.perf_counter()
            result = subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=1200)
            if result.returncode:
                raise RingzeroError(f"{' '.join(command[1:])} failed", result.stderr.strip()[-300:])
            return time.perf_counter() - start

        full = seconds()
        edited = copy / "emu" / "isa" / "arithmetic.py"
        # An edit that the generated C shows, though it means the same.
        text, before, after = edited.read_text(), "dst.wrap(a + b)", "dst.wrap(b + a)"
        if before not in text:
            raise RingzeroError(f"{edited.name} has no {before!r} to edit", "choose another text in engine_figures.build_seconds")
        edited.write_text(text.replace(before, after, 1))
        return full, seconds()


def targets(*, quick: bool = False, progress: Callable[[str], None] = lambda _: None) -> list[Target]:
    """All of the above as targets; one that can't be measured here has no figure. `quick`: short, and no build."""
    compiled = not missing_engine("compiled")
    guest = KERNEL.exists() and DISK.exists()
    scale = 100 if quick else 1

    progress("stepping from Python")
    unicorn = None if Unicorn().missing() else unicorn_steps_per_second(200_000 // scale) / 1e6
    beside = "" if unicorn is None else f" (Unicorn: {unicorn:.2f})"
    stepping = steps_per_second(3_000_000 // scale) / 1e6 if compiled else None
    progress("the Python engine")
    python = None if missing_engine("python") else instructions_per_second(500_000 // scale, "python")
    progress("boot, memory")
    boot = min(boot_seconds() for _ in range(3)) if compiled and guest else None
    memory = memory_beside_ram() if compiled else None
    progress("build time: a full build and an incremental one")
    full, incremental = build_seconds() if compiled and not quick and (ROOT / "setup.py").exists() else (None, None)
    return [
        Target(f"machine.step() from Python{beside}", 5.0, stepping, "M/s"),
        Target("Python engine", 150_000, python, "instructions/s"),
        Target("boot to the shell prompt", 0.5, boot, "s", at_most=True),
        Target("compiled engine's memory beside guest RAM, Python's own included", 100, memory, "MiB", at_most=True),
        Target("full build", 300, full, "s", at_most=True),
        Target("incremental build after an edit of one ISA file", 60, incremental, "s", at_most=True),
    ]
