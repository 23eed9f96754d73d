"""Every workload computes the same on every peer, and what it computes is right."""

from __future__ import annotations

import hashlib
import math
import re
import struct

import pytest

from benchmarks.build import build
from benchmarks.catalogue import BY_NAME, WORKLOADS, Workload
from benchmarks.peers.everyone import ALL
from benchmarks.peers.qemu import Qemu
from benchmarks.peers.unicorn import Unicorn

MASK64 = (1 << 64) - 1
REP = {"memcpy_rep": 6, "rep_short": 20}
"""How many repeated string instructions a round of these has."""


def mix(checksum: int, value: int) -> int:
    checksum = (checksum ^ value) * 0x9E3779B97F4A7C15 & MASK64
    return checksum ^ checksum >> 29


def sieve(rounds: int) -> int:
    primes = [n for n in range(2, 16384) if all(n % d for d in range(2, int(n ** 0.5) + 1))]
    checksum = 1
    for number in range(rounds):
        checksum = mix(checksum, (sum(primes) + number) * 65536 + len(primes))
    return checksum


def sha256(rounds: int) -> int:
    checksum, digest = 1, (0,) * 8
    for _ in range(rounds):
        message = struct.pack("<256I", *((digest[i % 8] + i) & 0xFFFFFFFF for i in range(256)))
        digest = struct.unpack(">8I", hashlib.sha256(message).digest())
        checksum = mix(checksum, digest[0] << 32 | digest[7])
    return checksum


def fib(rounds: int) -> int:
    checksum = 1
    for number in range(rounds):
        a, b = number, 1
        for _ in range(10000):
            a, b = b, (a + b) & MASK64
        checksum = mix(checksum, a)
    return checksum


def collatz(rounds: int) -> int:
    checksum = 1
    for number in range(rounds):
        total = 0
        for n in range(number * 128 + 1, number * 128 + 129):
            steps = 0
            while n != 1:
                n = 3 * n + 1 if n & 1 else n >> 1
                steps += 1
            total = (total * 3 + steps) & MASK64
        checksum = mix(checksum, total)
    return checksum


def nbody(rounds: int) -> int:
    bodies = [[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 39.5], [4.84, -1.16, -0.104, 0.606, 2.81, -0.0252, 0.0377],
              [8.34, 4.12, -0.404, -1.01, 1.82, 0.00842, 0.0113], [12.9, -15.1, -0.223, 1.08, 0.869, -0.0108, 0.00172],
              [15.4, -25.9, 0.179, 0.979, 0.594, -0.0348, 0.00203]]
    checksum = 1
    for _ in range(rounds):
        for _ in range(64):
            for i, a in enumerate(bodies):
                for b in bodies[i + 1:]:
                    d = [a[k] - b[k] for k in range(3)]
                    squared = d[0] * d[0] + d[1] * d[1] + d[2] * d[2]
                    pull = 0.01 / (squared * math.sqrt(squared))
                    for k in range(3):
                        a[3 + k] -= d[k] * b[6] * pull
                        b[3 + k] += d[k] * a[6] * pull
            for body in bodies:
                for k in range(3):
                    body[k] += 0.01 * body[3 + k]
        for body in bodies:
            x, vy = struct.unpack("<2Q", struct.pack("<2d", body[0], body[4]))
            checksum = mix(checksum, (x + vy) & MASK64)
    return checksum


@pytest.mark.parametrize("model", [sieve, sha256, fib, collatz, nbody], ids=lambda model: model.__name__)
def test_result_is_that_of_an_independent_model(model) -> None:
    image = build(BY_NAME[model.__name__])
    for rounds in (1, 2, 5):
        assert f"{Unicorn().run(image, rounds).checksum:016x}" == f"{model(rounds):016x}"


FLAT_ONLY = re.compile("flat|unicorn|native")
#: The system workload needs a whole machine; the rest runs anywhere.
PAIRS = [(workload, name) for workload in WORKLOADS for name in ALL
         if name != "unicorn" and (workload.flat or not FLAT_ONLY.search(name))]


@pytest.mark.parametrize("workload, peer_name", PAIRS, ids=lambda value: getattr(value, "name", value))
def test_checksums_agree(workload: Workload, peer_name: str) -> None:
    image = build(workload)
    reference = Unicorn() if workload.flat else Qemu()
    peer = ALL[peer_name]()
    for each in (reference, peer):
        if each.missing():
            pytest.skip(each.missing())
    assert peer.runs(image), f"{workload.title} needs a whole machine, which {peer.title} is not"
    expected = reference.run(image, workload.quick)
    got = peer.run(image, workload.quick)
    assert f"{got.checksum:016x}" == f"{expected.checksum:016x}"
    assert got.seconds >= 0


@pytest.mark.parametrize("workload", [w for w in WORKLOADS if w.flat], ids=lambda workload: workload.name)
def test_result_depends_on_the_iterations(workload: Workload) -> None:
    image = build(workload)
    assert len({Unicorn().run(image, rounds).checksum for rounds in (1, 2, 3)}) == 3


@pytest.mark.parametrize("peer_name", ["ringzero", "ringzero-flat", "qemu-icount", "bochs"])
@pytest.mark.parametrize("workload", [w for w in WORKLOADS if w.flat], ids=lambda workload: workload.name)
def test_instruction_counts_are_exact(workload: Workload, peer_name: str) -> None:
    """Unicorn counts with a hook. QEMU, which it is made of, counts the check that ends a `rep` as one more, too."""
    peer = ALL[peer_name]()
    if peer.missing():
        pytest.skip(peer.missing())
    image = build(workload)
    extra = REP.get(workload.name, 0) * workload.quick
    expected = Unicorn().count(image, workload.quick).instructions - (0 if peer_name == "qemu-icount" else extra)
    assert peer.run(image, workload.quick).instructions == expected


@pytest.mark.parametrize("peer_name", ["ringzero", "qemu", "qemu-icount", "bochs"])
def test_system_workload_is_interrupted_by_its_timer(peer_name: str) -> None:
    """4,000 rounds are 9.6 million instructions: some 10 ms even where an instruction is a nanosecond."""
    peer = ALL[peer_name]()
    if peer.missing():
        pytest.skip(peer.missing())
    image = build(BY_NAME["system"])
    many, few = peer.run(image, 4000), peer.run(image, 1)
    assert many.ticks >= 5 and few.ticks < many.ticks
    assert many.checksum >> 48 != 0xBAD, "an unexpected trap ended it"
