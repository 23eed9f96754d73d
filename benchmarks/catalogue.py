"""The workloads: what each is made of, how often it is repeated, and which targets it counts for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Workload:
    """One benchmark program.

    `iterations` is the full size: a few tenths of a second at 500 million instructions a second.
    `quick` is the smallest size that still does all kinds of work; it takes some 10,000 to 200,000
    instructions. `flat` workloads run in ring 3 of any host; the others need a whole machine.
    `eight` marks the kinds that the geometric means are taken over.
    """

    name: str
    title: str
    iterations: int
    quick: int = 1
    flat: bool = True
    eight: bool = True
    sources: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """Source files beside start.S, relative to `workloads/`."""
        return self.sources or (f"{self.name}.c",)


WORKLOADS: tuple[Workload, ...] = (
    Workload("sieve", "sieve", 1000),
    Workload("coremix", "coremix", 3000),
    Workload("sha256", "sha256", 5000),
    Workload("memcpy_rep", "memcpy, rep", 1500),
    Workload("tlb_chase", "TLB-miss chase", 600),
    Workload("nbody", "n-body (SSE2 double)", 1500),
    Workload("branchy", "branchy", 1000),
    Workload("system", "ring 0/3 system", 20000, quick=3, flat=False,
             sources=("system.c", "system_traps.S")),
    Workload("rep_short", "short rep", 4000, eight=False),
    Workload("fib", "fib (registers)", 5000, eight=False),
    Workload("collatz", "collatz (registers)", 3000, eight=False),
    Workload("copyloop", "copy loop (memory)", 2000, eight=False),
    Workload("bigcode", "big code", 4000, eight=False),
)

BY_NAME = {workload.name: workload for workload in WORKLOADS}

REGISTER_LOOPS = ("fib", "collatz")
MEMORY_LOOPS = ("sieve", "copyloop")
