"""The engines' own figures, for pytest-benchmark: stepping from Python, the Python engine, boot."""

from __future__ import annotations

import pytest

from benchmarks import engine_figures
from benchmarks.build import build
from benchmarks.catalogue import BY_NAME
from benchmarks.peers.ringzero import Flat, missing_engine
from benchmarks.peers.unicorn import Unicorn


def _machine(engine: str):
    if reason := missing_engine(engine):
        pytest.skip(reason)
    machine = Flat(engine).load(build(BY_NAME["coremix"]), 1 << 30)
    machine.run(10_000)
    return machine


@pytest.mark.parametrize("engine", ["compiled", "python"])
def test_step(benchmark, engine: str) -> None:
    benchmark.group = "one step from Python"
    with _machine(engine) as machine:
        benchmark(machine.step)


def test_unicorn_step(benchmark) -> None:
    if reason := Unicorn().missing():
        pytest.skip(reason)
    from unicorn.x86_const import UC_X86_REG_RIP

    benchmark.group = "one step from Python"
    image = build(BY_NAME["coremix"])
    machine = Unicorn().load(image, 1 << 30)
    machine.reg_write(UC_X86_REG_RIP, image.symbols["flat_entry"])
    benchmark(lambda: machine.emu_start(machine.reg_read(UC_X86_REG_RIP), image.symbols["flat_end"], count=1))


def test_python_engine(benchmark) -> None:
    benchmark.group = "10,000 instructions, Python engine"
    with _machine("python") as machine:
        benchmark(machine.run, 10_000)


def test_boot_to_prompt(benchmark) -> None:
    if reason := missing_engine("compiled"):
        pytest.skip(reason)
    if not (engine_figures.KERNEL.exists() and engine_figures.DISK.exists()):
        pytest.skip("the guest isn't built: make guest")
    benchmark.group = "boot to the shell prompt"
    benchmark.pedantic(engine_figures.boot_seconds, rounds=5)
