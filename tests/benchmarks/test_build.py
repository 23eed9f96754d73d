"""The workloads' build: the same bytes anywhere, rebuilt when it must be, and an error that says what is wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import build as builder
from benchmarks.build import LOAD_ADDRESS, MEMORY_TOP, WorkloadBuildError, build, build_bochs_rom, build_host
from benchmarks.catalogue import BY_NAME, WORKLOADS, Workload


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_same_bytes_in_another_directory(workload: Workload, tmp_path: Path) -> None:
    first, second = build(workload, tmp_path / "a"), build(workload, tmp_path / "another" / "place")
    assert first.elf == second.elf
    assert str(tmp_path).encode() not in first.elf and str(builder.SOURCES).encode() not in first.elf


def test_helpers_are_the_same_bytes_too(tmp_path: Path) -> None:
    for helper in (build_host, build_bochs_rom):
        assert helper(tmp_path / "a").read_bytes() == helper(tmp_path / "b").read_bytes()


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_image_fits_what_every_runner_provides(workload: Workload) -> None:
    image = build(workload)
    symbols = image.symbols
    assert symbols["image_start"] == LOAD_ADDRESS
    assert LOAD_ADDRESS + len(image.flat) <= symbols["memory_end"] <= MEMORY_TOP
    assert image.flat[symbols["flat_end"] - LOAD_ADDRESS] == 0xF4
    assert image.elf[image.file_offset:image.file_offset + len(image.flat)] == image.flat


@pytest.mark.parametrize("elf", [False, True])
def test_parameters_are_patched_and_nothing_else(elf: bool) -> None:
    image = build(BY_NAME["system"])
    before = image.elf if elf else image.flat
    after = image.bare(0x1122334455667788, elf=elf, divisor=0x99AA)
    changed = [i for i in range(len(before)) if before[i] != after[i]]
    at = image.symbols["parameters"] - LOAD_ADDRESS + (image.file_offset if elf else 0)
    assert after[at:at + 16] == (0x1122334455667788).to_bytes(8, "little") + (0x99AA).to_bytes(8, "little")
    assert changed and all(at <= i < at + 16 for i in changed)


def test_nothing_is_compiled_twice(tmp_path: Path, monkeypatch) -> None:
    build(BY_NAME["fib"], tmp_path)
    monkeypatch.setattr(builder.subprocess, "run", lambda *_, **__: pytest.fail("compiled again"))
    build(BY_NAME["fib"], tmp_path)


def test_changed_sources_are_compiled_again(tmp_path: Path, monkeypatch) -> None:
    sources = tmp_path / "sources"
    sources.mkdir()
    for path in builder.SOURCES.iterdir():
        (sources / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(builder, "SOURCES", sources)
    before = build(BY_NAME["fib"], tmp_path)
    text = (sources / "fib.c").read_text()
    (sources / "fib.c").write_text(text.replace("10000", "10001"))
    assert build(BY_NAME["fib"], tmp_path).flat != before.flat


def test_a_source_that_does_not_compile_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.c"
    broken.write_text("uint64_t workload(\n")
    with pytest.raises(WorkloadBuildError, match="building broken.elf failed.*broken.c:1"):
        build(replace(BY_NAME["fib"], name="broken", sources=(str(broken),)), tmp_path)
    assert not list(tmp_path.glob("*.tmp"))
