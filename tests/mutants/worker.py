"""A copy of the tree in which mutants are made and tried. It reads one request (JSON) a line and answers with one line.

Run in the copy. A mutant of the kernel takes the compilation of one file, a link, and the programs that its marker names, each
in a guest restored to where it had booted; if none notices, all other programs follow, and then the whole file of tests.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from emu.cli import images
from emu.testing.guest import Guest, GuestError
from emu.machine.machine import Machine
from guestos import build
from tests.guestos import properties
from tests.isolation.catalogue import CATALOGUE
from tests.mutants.checks import ROOT

LINE = 'quiet init=/bin/init -- -c "exec /bin/agent"'
#: Programs that don't ask what is allowed take long and come last.
LATE = ("threadtests", "exectests", "cgrouptests", "controllertests")
PROGRAMS = [*(name for name in properties.PROGRAMS if name not in LATE), *LATE]
#: What stands for each part where no name caught it: of the whole suite, the files about it.
FALLBACK = {"CPU": ["system", "-k", "svm and python and not qemu"],
            "VMM": ["guestos/test_vmm.py", "guestos/test_nested.py"], "runtime": ["guestos/test_box.py", "-k", "not linux"],
            "kernel": ["guestos/test_box.py", "-k", "not linux"]}
_BUDGET: dict[str, int] = {}


class Caught(Exception):
    """By what."""


def targets(names: list[str]) -> list[str]:
    """The markers' names as programs (with a property) and tests."""
    proofs = {each.number: each.proofs for each in CATALOGUE}
    return [proof.removesuffix("::*") for name in names for proof in proofs.get(name, (name,))]


def boot(disk: Path) -> Guest:
    guest = Guest(Machine("128M", kernel=images.paths().kernel, disk=disk, cmdline=LINE))
    kind, _ = guest._reply("boot", 50_000_000)
    assert kind == "r"
    guest.machine.snapshot("booted")
    return guest


def expected(program: str, name: str) -> str:
    return f"{name}{properties.HOLDS}\n0 failed\n" if name else properties.expected(program)


def ask(guest: Guest, target: str) -> None:
    """Raises Caught unless the program's properties (or the one) hold."""
    program, _, name = target.partition(":")
    guest.machine.restore(guest.machine.snapshots.root)
    try:
        done = guest.run(f"cd /tmp; {program} {name}".rstrip(), 3 * _BUDGET.get(program, 2_000_000_000) + 100_000_000)
    except GuestError as error:
        raise Caught(f"{target} ({str(error).split(';')[0][:60]})") from None
    _BUDGET.setdefault(program, 0 if name else done.instructions)
    if done.status or done.stdout != expected(program, name):
        failed = next((line.split(":")[0] for line in done.stdout.splitlines() if line.endswith(("FAILED", "failed")) and not line[0].isdigit()), name)
        raise Caught(f"{program}:{failed}" if failed else program)


def run_tests(arguments: list[str]) -> None:
    """Raises Caught unless those tests pass."""
    paths = [argument if argument.startswith("-") or "/" not in argument and not (ROOT / "tests" / argument).exists() else f"tests/{argument}" for argument in arguments]
    try:
        result = subprocess.run([sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly", *paths], cwd=ROOT, capture_output=True,
                                text=True, stdin=subprocess.DEVNULL, timeout=300)
    except subprocess.TimeoutExpired:
        raise Caught(f"{paths[0]} (does not end)") from None
    if result.returncode in (4, 5):
        raise ValueError(f"no such test: {paths}")
    if result.returncode:
        failed = next((line.split(" ")[1] for line in result.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))), paths[0])
        raise Caught(failed.removeprefix("tests/"))


def try_out(names: list[str], part: str) -> None:
    wanted = targets(names)
    tests = [target for target in wanted if "::" in target or target.endswith(".py")]
    if part == "kernel":
        build.build_kernel(images.directory())
        try:
            guest = boot(properties.disk())
        except GuestError as error:
            raise Caught(f"boot ({str(error)[:60]})") from None
        programs = [target for target in wanted if target not in tests]
        with guest.machine:
            for target in programs:
                ask(guest, target)
            for test in tests:
                run_tests([test, *(["-k", "not linux"] if "test_box" in test else [])])
            for name in PROGRAMS:
                ask(guest, name)
    else:
        for test in tests:
            run_tests([test, "-k", "not compiled" if part == "CPU" else "not linux"])
    run_tests(FALLBACK[part])


def baseline() -> None:
    """All programs hold before anything is taken out, and their lengths are known."""
    with (guest := boot(properties.disk())).machine:
        for name in PROGRAMS:
            ask(guest, name)


def main() -> None:
    images.ensure()
    for line in sys.stdin:
        request = json.loads(line)
        started, answer = time.monotonic(), {"caught": ""}
        file = ROOT / request["path"] if request else None
        before = file.read_text() if file else ""
        try:
            if not file:
                baseline()
            else:
                lines = before.split("\n")
                lines[request["line"] - 1] = request["text"]
                file.write_text("\n".join(lines))
                try_out(request["names"], request["part"])
        except Caught as caught:
            answer["caught"] = str(caught)
        except (build.BuildError, ValueError) as error:
            answer["error"] = f"{error} {getattr(error, 'output', '')[-400:]}"
        finally:
            if file:
                file.write_text(before)
        print(json.dumps(answer | {"seconds": round(time.monotonic() - started, 1)}), flush=True)


if __name__ == "__main__":
    main()
