"""Measures workloads on peers, interleaved, and checks that all of them computed the same."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from benchmarks.build import build
from benchmarks.catalogue import Workload
from benchmarks.peers.peer import Peer, PeerError, Run
from emu.errors import RingzeroError

COUNTERS = ("ringzero", "ringzero-flat", "qemu-icount", "bochs")
"""Who is believed about the number of instructions, best first. QEMU, like Unicorn, counts one more for each
`rep` (the check that ends it); Bochs counts a faulting instruction too."""


class ChecksumError(RingzeroError):
    """Two peers computed different results from the same workload: one of them is wrong."""


@dataclass(slots=True)
class Measurement:
    """One workload on several peers: seconds of each run by peer, and why a peer has none."""

    workload: Workload
    iterations: int
    checksum: int | None = None
    counts: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def instructions(self) -> int | None:
        """Instructions retired by one run, a `rep` iteration being one; None if nobody counted."""
        return next((self.counts[name] for name in COUNTERS if name in self.counts), None)

    def median(self, peer: str) -> float | None:
        """Median seconds of a peer's runs."""
        runs = self.seconds.get(peer)
        return statistics.median(runs) if runs else None

    def mips(self, peer: str) -> float | None:
        """Millions of guest instructions a second."""
        seconds = self.median(peer)
        return self.instructions / seconds / 1e6 if seconds and self.instructions else None

    def ratio(self, ours: str, peer: str) -> float | None:
        """How many times faster `ours` is than `peer`."""
        a, b = self.median(ours), self.median(peer)
        return b / a if a and b else None

    def add(self, peer: str, run: Run) -> None:
        """Takes a run in. Raises ChecksumError if its checksum isn't the others'."""
        if self.checksum is None:
            self.checksum = run.checksum
        if run.checksum != self.checksum:
            raise ChecksumError(f"{self.workload.name}, {self.iterations} iterations: {peer} computed {run.checksum:016x}, "
                                f"{', '.join(self.seconds)} computed {self.checksum:016x}",
                                "the checksums must agree before any speed means something")
        if run.instructions is not None:
            self.counts.setdefault(peer, run.instructions)
        self.seconds.setdefault(peer, []).append(run.seconds)


def measure(workloads: Iterable[Workload], peers: Sequence[Peer], *, repeats: int = 3, quick: bool = False,
            progress: Callable[[str], None] = lambda _: None) -> list[Measurement]:
    """Runs each workload `repeats` times on each peer in turn, so that a drift of the host hits all alike.

    A peer that fails is left out of that workload and its message kept; different checksums raise ChecksumError.
    """
    results = []
    for workload in workloads:
        image = build(workload)
        result = Measurement(workload, workload.quick if quick else workload.iterations)
        for repeat in range(repeats):
            for peer in peers:
                if peer.name in result.failures or not peer.runs(image):
                    continue
                progress(f"{workload.title}: {peer.title}, run {repeat + 1} of {repeats}")
                try:
                    result.add(peer.name, peer.run(image, result.iterations))
                except PeerError as error:
                    result.failures[peer.name] = str(error)
        results.append(result)
    return results


def geometric_mean(values: Iterable[float | None]) -> float | None:
    """The geometric mean of the values that exist."""
    present = [value for value in values if value]
    return statistics.geometric_mean(present) if present else None
