"""The engines' own figures can be taken, and are in the units that the targets say."""

from __future__ import annotations

import pytest

from benchmarks import engine_figures
from benchmarks.peers.ringzero import missing_engine

ENGINES = ["compiled", "python"]


def need(engine: str) -> None:
    if reason := missing_engine(engine):
        pytest.skip(reason)


@pytest.mark.parametrize("engine", ENGINES)
def test_steps_and_runs_are_rates_per_second(engine: str) -> None:
    need(engine)
    for rate in (engine_figures.steps_per_second(2_000, engine), engine_figures.instructions_per_second(5_000, engine)):
        assert 1_000 < rate < 10_000_000_000


def test_unicorn_steps_are_slower_than_a_million_a_second() -> None:
    """Each emu_start() sets up and leaves the whole engine: if this fails, it ran more than one instruction or none."""
    assert 10_000 < engine_figures.unicorn_steps_per_second(2_000) < 1_000_000


def test_memory_beside_ram_counts_the_interpreter_but_not_ram() -> None:
    need("compiled")
    assert 5 < engine_figures.memory_beside_ram() < 1024


def test_quick_targets_name_every_figure() -> None:
    need("python")
    targets = engine_figures.targets(quick=True)
    assert [target.unit for target in targets] == ["M/s", "instructions/s", "s", "MiB", "s", "s"]
    assert targets[1].measured > 1_000
    assert targets[4].measured is None, "--quick builds nothing"
