"""Ringzero itself: a whole machine as QEMU and Bochs run it, and the flat program as Unicorn runs it."""

from __future__ import annotations

import importlib
import time

from benchmarks.build import LOAD_ADDRESS, Image
from benchmarks.peers.console import BEGIN, parse
from benchmarks.peers.peer import PeerError, Run
from emu.errors import RingzeroError
from emu.machine.machine import Machine, Reason

MEMORY = "128M"
LIMIT = 20_000_000_000
"""Instructions after which a run has surely gone wrong; the longest workload has 0.4 thousand million."""


def missing_engine(engine: str) -> str:
    """Empty if the engine can be used; else why not."""
    try:
        importlib.import_module("emu.engines").create
        importlib.import_module(f"emu.engines.{engine}")
    except (ImportError, AttributeError) as error:
        return f"the {engine} engine isn't built: make build ({error})"
    return ""


class Board:
    """Boots the ELF image by PVH on the microvm board. The TSC counts instructions: 1 ns each."""

    def __init__(self, engine: str = "compiled") -> None:
        self.engine = engine
        self.name = "ringzero" if engine == "compiled" else engine
        self.title = "Ringzero" if engine == "compiled" else f"Ringzero, {engine}"

    def missing(self) -> str:
        return missing_engine(self.engine)

    def runs(self, image: Image) -> bool:
        return True

    def run(self, image: Image, iterations: int) -> Run:
        stamps: list[tuple[bytes, float]] = []
        try:
            with Machine(MEMORY, self.engine, kernel=image.bare(iterations, elf=True),
                         on_console=lambda line: stamps.append((line.replace(b"\r", b""), time.perf_counter()))) as machine:
                result = machine.run(LIMIT)
        except RingzeroError as error:
            raise PeerError(f"{self.title} can't run {image.workload.name}: {error}") from error
        begun = next((when for line, when in stamps if line.endswith(BEGIN)), None)
        ended = stamps[-1][1] if stamps else 0.0
        run = parse(b"".join(line for line, _ in stamps), ended - (begun or 0.0), counts=True)
        if run is None or begun is None or result.reason is not Reason.POWER_OFF:
            raise PeerError(f"{self.title} ended {image.workload.name} with {result}, and without a checksum")
        return run


class Flat:
    """Runs the flat image in identity-mapped long mode, with no devices' help."""

    def __init__(self, engine: str = "compiled") -> None:
        self.engine = engine
        self.name = "ringzero-flat" if engine == "compiled" else f"{engine}-flat"
        self.title = "Ringzero, flat" if engine == "compiled" else f"Ringzero, {engine}, flat"

    def missing(self) -> str:
        return missing_engine(self.engine)

    def runs(self, image: Image) -> bool:
        return image.workload.flat

    def load(self, image: Image, iterations: int) -> Machine:
        """A machine about to execute the first instruction of `flat_entry`."""
        machine = Machine(MEMORY, self.engine)
        machine.load_flat(image.flat, LOAD_ADDRESS, image.symbols["flat_entry"],
                          registers={"rdi": iterations, "rsp": image.symbols["stack_top"]})
        return machine

    def run(self, image: Image, iterations: int) -> Run:
        with self.load(image, iterations) as machine:
            start = time.perf_counter()
            result = machine.run(LIMIT)
            seconds = time.perf_counter() - start
            rip = machine.engine.get("rip")
            if result.reason is not Reason.HALTED or rip != image.symbols["flat_end"] + 1:
                raise PeerError(f"{self.title} ended {image.workload.name} with {result} at {rip:#x}; fault: {machine.fault()}")
            # The HLT is no part of what Unicorn counts.
            return Run(seconds, machine.engine.get("gpr", 0), instructions=result.retired - 1)
