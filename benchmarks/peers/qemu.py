"""QEMU's whole-machine emulation by TCG, as it is and made deterministic by -icount."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from benchmarks.build import Image
from benchmarks.peers.console import run_process
from benchmarks.peers.peer import Run

PROGRAM = "qemu-system-x86_64"


class Qemu:
    """Boots the ELF image by PVH on `-M microvm`. With `icount`, one instruction is one nanosecond and one TSC tick."""

    def __init__(self, icount: bool = False) -> None:
        self.icount = icount
        self.name = "qemu-icount" if icount else "qemu"
        self.title = "QEMU -icount" if icount else "QEMU TCG"

    def missing(self) -> str:
        return "" if shutil.which(PROGRAM) else f"{PROGRAM} isn't installed: apt-get install qemu-system-x86"

    def runs(self, image: Image) -> bool:
        return True

    def run(self, image: Image, iterations: int) -> Run:
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            (directory / "image.elf").write_bytes(image.bare(iterations, elf=True))
            command = [PROGRAM, "-M", "microvm", "-accel", "tcg", "-m", "128", "-nodefaults", "-no-user-config",
                       "-display", "none", "-no-reboot", "-serial", "stdio",
                       "-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-kernel", "image.elf"]
            if self.icount:
                command += ["-icount", "shift=0,sleep=off"]
            return run_process(self.title, command, directory=directory, counts=self.icount)
