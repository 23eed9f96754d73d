"""The interface of a peer, and the result of one run on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from benchmarks.build import Image
from emu.errors import RingzeroError


class PeerError(RingzeroError):
    """A peer didn't run a workload to its end: it failed to start, stopped early or took too long."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run: `seconds` of the work alone, without the peer's start-up.

    `ticks` is how many timer interrupts the system workload saw (0 for others); `instructions` is what
    the work retired, a `rep` iteration being one, where the peer counts them exactly.
    """

    seconds: float
    checksum: int
    ticks: int = 0
    instructions: int | None = None


class Peer(Protocol):
    """Runs workloads. `name` is the key in JSON, `title` the one in tables."""

    name: str
    title: str

    def missing(self) -> str:
        """Empty if the peer can run here; else what is missing and how to install it."""
        ...

    def runs(self, image: Image) -> bool:
        """Whether this kind of workload is possible at all."""
        ...

    def run(self, image: Image, iterations: int) -> Run:
        """One run from a fresh start. Raises PeerError."""
        ...
