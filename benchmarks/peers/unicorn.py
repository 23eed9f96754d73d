"""Unicorn, in this process: as a runner without hooks, and as the exact counter of instructions."""

from __future__ import annotations

import importlib.util
import time
from typing import TYPE_CHECKING

from benchmarks.build import LOAD_ADDRESS, MEMORY_TOP, Image
from benchmarks.peers.peer import PeerError, Run

if TYPE_CHECKING:
    from unicorn import Uc


class Unicorn:
    """emu_start() over the flat image, no hooks. `virtual_tlb` selects its other, non-default TLB."""

    def __init__(self, virtual_tlb: bool = False) -> None:
        self.virtual_tlb = virtual_tlb
        self.name = "unicorn-vtlb" if virtual_tlb else "unicorn"
        self.title = "Unicorn, virtual TLB" if virtual_tlb else "Unicorn"

    def missing(self) -> str:
        return "" if importlib.util.find_spec("unicorn") else "Unicorn isn't installed: pip install unicorn"

    def runs(self, image: Image) -> bool:
        return image.workload.flat

    def run(self, image: Image, iterations: int) -> Run:
        from unicorn import UcError
        from unicorn.x86_const import UC_X86_REG_RAX, UC_X86_REG_RIP

        machine = self.load(image, iterations)
        start = time.perf_counter()
        try:
            machine.emu_start(image.symbols["flat_entry"], image.symbols["flat_end"])
        except UcError as error:
            raise PeerError(f"Unicorn stopped in {image.workload.name} at {machine.reg_read(UC_X86_REG_RIP):#x}: {error}") from error
        seconds = time.perf_counter() - start
        return Run(seconds, machine.reg_read(UC_X86_REG_RAX))

    def count(self, image: Image, iterations: int) -> Run:
        """A run with a hook on each instruction, which counts them; a `rep` iteration is one."""
        from unicorn import UC_HOOK_CODE
        from unicorn.x86_const import UC_X86_REG_RAX

        machine = self.load(image, iterations)
        retired = 0

        def hook(*_: object) -> None:
            nonlocal retired
            retired += 1

        machine.hook_add(UC_HOOK_CODE, hook)
        start = time.perf_counter()
        machine.emu_start(image.symbols["flat_entry"], image.symbols["flat_end"])
        return Run(time.perf_counter() - start, machine.reg_read(UC_X86_REG_RAX), instructions=retired)

    def load(self, image: Image, iterations: int) -> Uc:
        """A machine with the image in memory and the registers of a flat entry set."""
        from unicorn import UC_ARCH_X86, UC_MODE_64, UC_TLB_VIRTUAL, Uc
        from unicorn.x86_const import UC_X86_REG_RDI, UC_X86_REG_RSP

        machine = Uc(UC_ARCH_X86, UC_MODE_64)
        if self.virtual_tlb:
            machine.ctl_set_tlb_mode(UC_TLB_VIRTUAL)
        machine.mem_map(LOAD_ADDRESS, MEMORY_TOP - LOAD_ADDRESS)
        machine.mem_write(LOAD_ADDRESS, image.flat)
        machine.reg_write(UC_X86_REG_RSP, image.symbols["stack_top"])
        machine.reg_write(UC_X86_REG_RDI, iterations)
        return machine
