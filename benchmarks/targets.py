"""What was asked of the compiled engine, beside what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.catalogue import MEMORY_LOOPS, REGISTER_LOOPS
from benchmarks.measure import Measurement, geometric_mean


@dataclass(frozen=True, slots=True)
class Target:
    """`measured` and `wanted` in `unit`; more is better unless `at_most`. None: couldn't be measured here."""

    name: str
    wanted: float
    measured: float | None
    unit: str = "x"
    at_most: bool = False

    @property
    def met(self) -> bool | None:
        """Whether it is reached; None if it wasn't measured."""
        if self.measured is None:
            return None
        return self.measured <= self.wanted if self.at_most else self.measured >= self.wanted


def speed_targets(results: Sequence[Measurement], board: str = "ringzero", flat: str = "ringzero-flat") -> list[Target]:
    """The ratios of the workloads. Against whole machines ours is the board; against Unicorn the flat run
    (the board where that is all there is)."""
    by_name = {result.workload.name: result for result in results}

    def ratio(name: str, peer: str) -> float | None:
        result = by_name.get(name)
        if result is None:
            return None
        ours = (flat, board) if peer == "unicorn" else (board, flat)
        return next((r for r in (result.ratio(us, peer) for us in ours) if r), None)

    eight = [name for name, result in by_name.items() if result.workload.eight]
    mean = {peer: geometric_mean(ratio(name, peer) for name in eight) for peer in ("unicorn", "bochs", "qemu")}
    return [
        Target("eight kinds, geometric mean, against Unicorn", 2.5, mean["unicorn"]),
        Target("eight kinds, geometric mean, against Bochs", 6.0, mean["bochs"]),
        Target("eight kinds, geometric mean, against QEMU TCG", 0.9, mean["qemu"]),
        Target("rep strings, against QEMU TCG", 20.0, ratio("memcpy_rep", "qemu")),
        Target("SSE2 double, against QEMU TCG", 1.0, ratio("nbody", "qemu")),
        Target("TLB misses, against QEMU TCG", 1.0, ratio("tlb_chase", "qemu")),
        Target("ring 0/3 system workload, against QEMU TCG", 1.5, ratio("system", "qemu")),
        Target("integer loops in memory, against Unicorn", 2.5, geometric_mean(ratio(n, "unicorn") for n in MEMORY_LOOPS)),
        Target("integer loops in registers, against Unicorn", 0.6, geometric_mean(ratio(n, "unicorn") for n in REGISTER_LOOPS)),
    ]
