"""Fuzz against Unicorn: `python -m tests.fuzz --seed N --seconds S`."""

from __future__ import annotations

import argparse
import random
import sys
import time

from tests.conftest import ENGINES
from tests.fuzz.case import INTEGER_FAMILIES, Generator, encodings_for
from tests.fuzz.compare import Oracle
from tests.fuzz.shrink import as_test, shrink


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Random single instructions, here and on "
                                     "Unicorn. A mismatch is shrunk and printed as a test for tests/isa.")
    parser.add_argument("--seed", type=int, default=None, help="default: a new one, which is printed")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--engine", choices=tuple(ENGINES), default=list(ENGINES)[-1])
    parser.add_argument("--bits", type=int, choices=(32, 64), default=None, help="default: both")
    parser.add_argument("--mnemonic", action="append", help="only these, as the registry has them (Jcc, ADD ...)")
    parser.add_argument("--stop-after", type=int, default=5, metavar="N", help="mismatches to report before stopping")
    options = parser.parse_args(argv)
    seed = options.seed if options.seed is not None else random.SystemRandom().getrandbits(32)
    sys.stdout.reconfigure(line_buffering=True)
    print(f"seed {seed}, engine {options.engine}, {options.seconds:g} s")
    bits = [options.bits] if options.bits else [64, 32]
    oracles = {b: Oracle(ENGINES[options.engine], b) for b in bits}
    generators = {b: Generator(seed, b) for b in bits}
    encodings = {b: [e for e in encodings_for(b, INTEGER_FAMILIES)
                     if not options.mnemonic or e.instruction.mnemonic in options.mnemonic] for b in bits}
    end, count, reported = time.monotonic() + options.seconds, 0, set()
    while time.monotonic() < end and len(reported) < options.stop_after:
        for b in bits:
            for encoding in encodings[b]:
                case = generators[b].case(encoding)
                found = oracles[b].check(case)
                count += 1
                if found and (b, case.mnemonic, found[0].split(":")[0]) not in reported:
                    reported.add((b, case.mnemonic, found[0].split(":")[0]))
                    small = shrink(case, oracles[b].check)
                    print(as_test(small, oracles[b].check(small), len(reported)))
    print(f"{count} cases, {len(reported)} kinds of mismatch")
    return 1 if reported else 0


if __name__ == "__main__":
    sys.exit(main())
