"""Each workload on each peer, for pytest-benchmark: `pytest benchmarks --benchmark-only`.

What counts is the time of the work, without a peer's start-up, so the timer is a clock that
advances by what each run reports. `--benchmark-json` has the checksum and MIPS beside it.
"""

from __future__ import annotations

import pytest

from benchmarks.build import build
from benchmarks.catalogue import WORKLOADS, Workload
from benchmarks.peers.everyone import ALL, DEFAULT

_work_seconds = 0.0


def _clock() -> float:
    return _work_seconds


@pytest.mark.parametrize("peer_name", DEFAULT)
@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
@pytest.mark.benchmark(timer=_clock)
def test_workload(benchmark, workload: Workload, peer_name: str) -> None:
    peer = ALL[peer_name]()
    if peer.missing():
        pytest.skip(peer.missing())
    image = build(workload)
    if not peer.runs(image):
        pytest.skip(f"{workload.title} needs a whole machine, which {peer.title} is not")

    def work() -> object:
        global _work_seconds
        run = peer.run(image, workload.iterations)
        _work_seconds += run.seconds
        return run

    benchmark.group = workload.title
    run = benchmark.pedantic(work, rounds=3)
    benchmark.extra_info.update(checksum=f"{run.checksum:016x}", instructions=run.instructions)
