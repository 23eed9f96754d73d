"""All peers by name, and those that are compared unless told otherwise."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from benchmarks.peers.bochs import Bochs
from benchmarks.peers.native import Native
from benchmarks.peers.peer import Peer
from benchmarks.peers.qemu import Qemu
from benchmarks.peers.ringzero import Board, Flat
from benchmarks.peers.unicorn import Unicorn

ALL: dict[str, Callable[[], Peer]] = {
    "ringzero": Board,
    "ringzero-flat": Flat,
    "python": partial(Board, engine="python"),
    "native": Native,
    "qemu": Qemu,
    "qemu-icount": partial(Qemu, icount=True),
    "bochs": Bochs,
    "unicorn": Unicorn,
    "unicorn-vtlb": partial(Unicorn, virtual_tlb=True),
}

DEFAULT = ("ringzero", "ringzero-flat", "native", "qemu", "qemu-icount", "bochs", "unicorn", "unicorn-vtlb")
