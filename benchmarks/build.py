"""Builds the workloads: C and assembly to one image each, by the compiler of the `ziglang` package.

The same sources give the same bytes on any host: the compiler comes from the package, no debug
information or path is kept, and nothing is taken from the host's headers.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile

from benchmarks.catalogue import Workload
from emu.errors import RingzeroError

SOURCES = Path(__file__).parent / "workloads"
BUILD = Path(__file__).parent.parent / "build" / "benchmarks"

LOAD_ADDRESS = 0x100000
"""Physical address of an image's first byte, which is also its 32-bit entry."""

MEMORY_TOP = 0x4000000
"""Every runner provides RAM up to here (64 MiB); a bare machine more."""

COUNT_EXTRA = 5
"""Instructions between start.S's two RDTSC that a flat run (from `flat_entry` to `flat_end`) doesn't have."""

PIT_1KHZ = 1193
"""Divisor of the 1.193182 MHz PIT clock for the system workload's timer."""

FLAGS = (
    "-target", "x86_64-freestanding-none", "-mcpu=x86_64", "-std=c11", "-O2", "-g0", "-Wall", "-Wextra", "-Werror",
    "-ffreestanding", "-fno-builtin", "-fno-pic", "-mno-red-zone", "-fno-stack-protector", "-fno-sanitize=all",
    "-fomit-frame-pointer", "-fno-asynchronous-unwind-tables", "-fno-strict-aliasing",
    # Loops stay the loops that were written: what is compared is their execution.
    "-fno-vectorize", "-fno-unroll-loops",
    # Floating point is IEEE double, operation by operation; sqrt is SQRTSD.
    "-ffp-contract=off", "-fno-math-errno",
)


class WorkloadBuildError(RingzeroError):
    """A workload's compilation failed, or its image isn't what the runners need."""


@dataclass(frozen=True, slots=True)
class Image:
    """A built workload. `flat` lies at LOAD_ADDRESS; memory after it, up to MEMORY_TOP, is zero.

    `file_offset` is where the flat image begins within the ELF file.
    """

    workload: Workload
    elf: bytes
    flat: bytes
    file_offset: int
    symbols: dict[str, int]

    @property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of the flat image."""
        return hashlib.sha256(self.flat).hexdigest()

    def bare(self, iterations: int, *, elf: bool, divisor: int = PIT_1KHZ) -> bytes:
        """The image for a bare machine, with its parameters set: an ELF file with a PVH note, or flat.

        `divisor` is the timer's of the system workload, 16 bits; 0 runs without a timer.
        """
        content = bytearray(self.elf if elf else self.flat)
        at = self.symbols["parameters"] - LOAD_ADDRESS + (self.file_offset if elf else 0)
        content[at:at + 16] = iterations.to_bytes(8, "little") + divisor.to_bytes(8, "little")
        return bytes(content)


def build(workload: Workload, directory: Path = BUILD) -> Image:
    """Compiles a workload if its sources or the flags changed since the last time, and loads it.

    Raises WorkloadBuildError with the compiler's output.
    """
    target = directory / f"{workload.name}.elf"
    sources = [SOURCES / "start.S", *(SOURCES / name for name in workload.files)]
    linking = ("-nostdlib", "-static", f"-Wl,-T,{SOURCES / 'layout.ld'}", "-Wl,-e,image_start", "-Wl,--build-id=none")
    _make(target, [*sources, *SOURCES.glob("*.h"), SOURCES / "layout.ld"],
          [*FLAGS, *linking, *map(str, sources)])
    return _load(workload, target)


def build_host(directory: Path = BUILD) -> Path:
    """The program that runs flat images natively on x86-64 Linux; linked far above the workloads' 64 MiB."""
    target = directory / "host"
    _make(target, [SOURCES / "host.c"],
          ["-target", "x86_64-linux-musl", "-O2", "-g0", "-s", "-static", "-Wl,--image-base=0x40000000", str(SOURCES / "host.c")])
    return target


def build_bochs_rom(directory: Path = BUILD) -> Path:
    """The 64 KiB boot ROM that takes Bochs from its reset vector to an image at LOAD_ADDRESS."""
    elf, rom = directory / "bochs_rom.elf", directory / "bochs_rom.bin"
    source, script = SOURCES / "bochs_rom.S", SOURCES / "bochs_rom.ld"
    _make(elf, [source, script],
          ["-target", "x86-freestanding-none", "-nostdlib", "-static", f"-Wl,-T,{script}", "-Wl,-e,rom",
           "-Wl,--build-id=none", str(source)])
    with elf.open("rb") as file:
        content = ELFFile(file).get_section_by_name(".rom").data()
    if len(content) != 0x10000:
        raise WorkloadBuildError(f"the boot ROM must have 65536 bytes and has {len(content)}: see bochs_rom.S")
    if not rom.exists() or rom.read_bytes() != content:
        unfinished = rom.with_suffix(f".{os.getpid()}.tmp")
        unfinished.write_bytes(content)
        unfinished.replace(rom)
    return rom


def _make(target: Path, inputs: list[Path], arguments: list[str]) -> None:
    """Runs `zig cc` unless `target` was made from these very inputs and arguments."""
    key = hashlib.sha256(repr(arguments).encode())
    for path in inputs:
        key.update(path.read_bytes())
    stamp = target.with_suffix(".stamp")
    if target.exists() and stamp.exists() and stamp.read_text() == key.hexdigest():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    # A name of our own until it is complete: two test processes may build at once.
    unfinished = target.with_suffix(f".{os.getpid()}.tmp")
    command = [sys.executable, "-m", "ziglang", "cc", *arguments, "-o", str(unfinished)]
    result = subprocess.run(command, capture_output=True, text=True, cwd=SOURCES)
    if result.returncode:
        unfinished.unlink(missing_ok=True)
        raise WorkloadBuildError(
            f"building {target.name} failed; the compiler of the Python package ziglang said:\n{result.stderr.strip()}")
    unfinished.replace(target)
    stamp.write_text(key.hexdigest())


def _load(workload: Workload, path: Path) -> Image:
    content = path.read_bytes()
    with path.open("rb") as file:
        elf = ELFFile(file)
        segment = next(s for s in elf.iter_segments() if s["p_type"] == "PT_LOAD")
        symbols = {s.name: s["st_value"] for s in elf.get_section_by_name(".symtab").iter_symbols() if s.name}
        flat = segment.data()
    if segment["p_paddr"] != LOAD_ADDRESS or symbols["image_start"] != LOAD_ADDRESS:
        raise WorkloadBuildError(f"{path.name} must start at {LOAD_ADDRESS:#x}; it starts at {segment['p_paddr']:#x}")
    return Image(workload, content, flat, segment["p_offset"], symbols)
