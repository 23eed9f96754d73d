"""Bochs as Debian packages it: an interpreter, with our own boot ROM instead of a BIOS and a disk."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from benchmarks.build import LOAD_ADDRESS, Image, build_bochs_rom
from benchmarks.peers.console import run_process
from benchmarks.peers.peer import Run

# `ips` tells Bochs how many instructions make a second of virtual time: about what it really runs here,
# so that the system workload's 1 kHz timer is one. No screen is drawn: the RFB display waits for nobody.
_CONFIGURATION = """\
config_interface: textconfig
display_library: rfb, options="timeout=0"
plugin_ctrl: unmapped=1, biosdev=0, speaker=0, parallel=0, serial=0, gameport=0
memory: guest=128, host=128
romimage: file={rom}, address=0xffff0000
vgaromimage: file=vga.rom
optramimage1: file=image, address={load:#x}
cpu: model=corei7_skylake_x, count=1, ips=100000000, reset_on_triple_fault=0, ignore_bad_msrs=1
clock: sync=none, time0=1
port_e9_hack: enabled=1
floppya: type=none
ata0: enabled=0
pci: enabled=0
mouse: enabled=0
private_colormap: enabled=0
log: log
panic: action=fatal
error: action=report
info: action=report
debug: action=ignore
"""


class Bochs:
    """Boots the flat image; the console is port 0xe9, and the TSC counts instructions."""

    name = "bochs"
    title = "Bochs"

    def missing(self) -> str:
        return "" if shutil.which("bochs") else "bochs isn't installed: apt-get install bochs"

    def runs(self, image: Image) -> bool:
        return True

    def run(self, image: Image, iterations: int) -> Run:
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            (directory / "image").write_bytes(image.bare(iterations, elf=False))
            (directory / "bochsrc").write_text(_CONFIGURATION.format(rom=build_bochs_rom(), load=LOAD_ADDRESS))
            (directory / "vga.rom").write_bytes(b"\x55\xaa\x01\xcb\x35".ljust(512, b"\0"))    # Bochs insists; nothing calls it
            (directory / "commands").write_text("continue\n")                             # Debian's has the debugger built in
            return run_process(self.title, ["bochs", "-q", "-f", "bochsrc", "-rc", "commands"],
                               directory=directory, counts=True)
