"""Measuring: interleaved, medians, disagreement refused, a failing peer left out; the table and JSON of it."""

from __future__ import annotations

import json
import sys
import time

import pytest

from benchmarks import table
from benchmarks.catalogue import BY_NAME
from benchmarks.measure import ChecksumError, geometric_mean, measure
from benchmarks.peers.console import run_process
from benchmarks.peers.peer import PeerError, Run
from benchmarks.targets import Target, speed_targets


class FakePeer:
    """Answers from a list of runs (or raises what is in it) and notes when it was asked."""

    def __init__(self, name: str, answers: list, log: list[str]) -> None:
        self.name = self.title = name
        self.answers, self.log = list(answers), log

    def missing(self) -> str:
        return ""

    def runs(self, image) -> bool:
        return True

    def run(self, image, iterations: int) -> Run:
        self.log.append(self.name)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def runs(*seconds: float, checksum: int = 7, instructions: int | None = None) -> list[Run]:
    return [Run(s, checksum, instructions=instructions) for s in seconds]


FIB = [BY_NAME["fib"]]


def test_peers_take_turns_and_the_median_counts() -> None:
    log: list[str] = []
    ours = FakePeer("ringzero", runs(0.5, 9.0, 1.0, instructions=4_000_000), log)
    other = FakePeer("qemu", runs(2.0, 3.0, 0.1), log)
    result, = measure(FIB, [ours, other])
    assert log == ["ringzero", "qemu"] * 3
    assert result.median("ringzero") == 1.0 and result.median("qemu") == 2.0
    assert result.ratio("ringzero", "qemu") == 2.0
    assert result.mips("qemu") == 2.0
    assert result.ratio("ringzero", "bochs") is None and result.mips("bochs") is None


def test_different_checksums_are_refused() -> None:
    log: list[str] = []
    with pytest.raises(ChecksumError, match="qemu computed 0000000000000008, ringzero computed 0000000000000007"):
        measure(FIB, [FakePeer("ringzero", runs(1.0), log), FakePeer("qemu", runs(1.0, checksum=8), log)], repeats=1)


def test_a_failing_peer_is_left_out_and_its_reason_kept() -> None:
    log: list[str] = []
    result, = measure(FIB, [FakePeer("bochs", [PeerError("it broke")], log), FakePeer("qemu", runs(1.0, 1.0), log)], repeats=2)
    assert log == ["bochs", "qemu", "qemu"]
    assert result.failures == {"bochs": "it broke"} and result.median("bochs") is None


def test_our_count_is_preferred_to_bochs() -> None:
    log: list[str] = []
    result, = measure(FIB, [FakePeer("bochs", runs(1.0, instructions=5), log),
                            FakePeer("ringzero", runs(1.0, instructions=4), log)], repeats=1)
    assert result.instructions == 4


def test_geometric_mean_is_over_what_exists() -> None:
    assert geometric_mean([2.0, None, 8.0]) == pytest.approx(4.0)
    assert geometric_mean([None]) is None


def test_targets_compare_with_unicorn_by_the_flat_run() -> None:
    log: list[str] = []
    peers = [FakePeer("ringzero", runs(2.0), log), FakePeer("ringzero-flat", runs(1.0), log),
             FakePeer("unicorn", runs(3.0), log), FakePeer("qemu", runs(5.0), log)]
    targets = {t.name: t for t in speed_targets(measure([BY_NAME["nbody"]], peers, repeats=1))}
    assert targets["eight kinds, geometric mean, against Unicorn"].measured == pytest.approx(3.0)
    assert targets["SSE2 double, against QEMU TCG"].measured == pytest.approx(2.5)
    assert targets["TLB misses, against QEMU TCG"].met is None


@pytest.mark.parametrize(("measured", "at_most", "met"),
                         [(2.0, False, True), (1.9, False, False), (2.0, True, True), (2.1, True, False), (None, True, None)])
def test_target_is_met(measured, at_most, met) -> None:
    assert Target("t", 2.0, measured, at_most=at_most).met is met


def test_process_without_a_result_is_ended_and_quoted(tmp_path) -> None:
    start = time.monotonic()
    command = [sys.executable, "-c", "import time; print('RZ-BEGIN', flush=True); print('last words', flush=True); time.sleep(60)"]
    with pytest.raises(PeerError, match="last words"):
        run_process("sleeper", command, directory=tmp_path, counts=False, timeout=2.0)
    assert time.monotonic() - start < 20


def test_process_is_timed_between_its_markers(tmp_path) -> None:
    program = ("import time; time.sleep(0.3); print('RZ-BEGIN', flush=True); time.sleep(0.2);"
               "print('RZ-END 00000000000000ab 0000000000000002 0000000000000069', flush=True)")
    run = run_process("timed", [sys.executable, "-c", program], directory=tmp_path, counts=True)
    assert 0.19 <= run.seconds < 0.45
    assert (run.checksum, run.ticks, run.instructions) == (0xAB, 2, 100)


def test_json_has_what_the_table_shows(capsys) -> None:
    assert table.main(["--quick", "--repeats", "1", "--no-figures", "--json", "--peers", "unicorn", "native",
                       "--workloads", "fib"]) == 0
    data = json.loads(capsys.readouterr().out)
    fib = data["workloads"]["fib"]
    assert fib["iterations"] == 1 and len(fib["checksum"]) == 16 and set(fib["seconds"]) <= {"unicorn", "native"}
    assert {"date", "processor"} <= set(data["host"])
    assert any(target["wanted"] == 0.6 for target in data["targets"])


def test_table_names_workloads_peers_and_targets(capsys) -> None:
    assert table.main(["--quick", "--repeats", "1", "--no-figures", "--width", "150", "--peers", "unicorn",
                       "--workloads", "fib", "collatz"]) == 0
    out = capsys.readouterr().out
    for text in ("fib (registers)", "collatz (registers)", "Unicorn", "rep strings, against QEMU TCG", "≥ 20x"):
        assert text in out


@pytest.mark.parametrize("arguments", [["--repeats", "0"], ["--peers", "nobody"], ["--workloads", "nothing"]])
def test_bad_options_end_with_status_2(arguments, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        table.main(arguments)
    assert ended.value.code == 2
