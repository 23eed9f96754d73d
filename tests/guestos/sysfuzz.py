"""The fuzzer of system calls (guestos/user/sysfuzz) for long: `python -m tests.guestos.sysfuzz --calls 50M --seed 1`.

It is the guest's first process. Each round's processes make random calls with hostile arguments; nothing may remain of it.
"""

from __future__ import annotations

import argparse
import sys

from emu.cli.options import count
from emu.machine.result import Reason
from tests.guestos import ours

#: Calls of one machine's life; then another one begins, with the next seed.
LIFE = 1_000_000


def fuzz(seed: int, calls: int) -> ours.Outcome:
    """One machine, until so many calls are made."""
    line = f"quiet init=/bin/sysfuzz -- -n {calls} -s {seed}"
    with ours.Computer(ours.guest().own, line, memory="128M") as computer:
        result = computer.run(calls * 100_000)
        return ours.Outcome(computer.text(), result.status if result.reason is Reason.POWER_OFF else None, computer.retired)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.guestos.sysfuzz", description=__doc__)
    parser.add_argument("--calls", type=count, default=50_000_000, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    made, seed = 0, arguments.seed
    while made < arguments.calls:
        found = fuzz(seed, min(LIFE, arguments.calls - made))
        made += LIFE
        last = (found.text.strip().splitlines() or ["nothing"])[-1]
        print(f"seed {seed}: {last}; {min(made, arguments.calls):,} of {arguments.calls:,}", flush=True)
        if found.status != 0:
            print(f"seed {seed} ended with {found.status}:\n{found.text[-2000:]}", file=sys.stderr)
            return 1
        seed += 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
