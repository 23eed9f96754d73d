"""A machine's life whose power is cut at many instants, and what is found on the disk each time.

Every disk found must be one that `e2fsck -p` repairs, with all in it that had been made durable; and our kernel must
recover its journal and find the same. Sometimes the power fails again while it does that.
"""

from __future__ import annotations

import random
import shutil
import stat
import subprocess
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from emu.devices.disk import Disk
from guestos import build, images
from tests.guestos import ours
from tests.guestos.powercut.workload import Script

WORKERS, STEPS = 2, 120
LINE = "quiet root=/dev/vda init=/bin/powercut --"
#: Every so many-th cut is followed by another one, while the kernel recovers from the first.
AGAIN = 4

Tree = dict[str, tuple[str, bytes]]


class Lost(AssertionError):
    """A power cut has left what it must not."""


@dataclass(frozen=True)
class Cut:
    """Where to find it again: the life's seed, instructions retired since power-on, the seed of what the cache lost."""

    life: int
    instant: int
    seed: int

    def __str__(self) -> str:
        return f"{self.life}:{self.instant}:{self.seed}"


class Life:
    """The machine with the scripts of `seed`, up to where they begin; `folder` is for images."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.seed, self.folder = seed, folder
        self.scripts = [Script(which, seed, STEPS) for which in range(WORKERS)]
        program = build.build_program([ours.PROGRAMS / "powercut.c"], ours.CACHE / "powercut")
        entries = [images.file("/bin/powercut", program, 0o755), images.directory("/dev"), *(images.directory(f"/w{n}") for n in range(WORKERS)),
                   *(images.file(f"/script.{n}", script.text) for n, script in enumerate(self.scripts))]
        block_size = 1024 if seed % 3 == 2 else 4096
        disk = images.build_image(entries, folder / "start.img", 2560 * block_size, block_size=block_size)
        self.machine = ours.Computer(disk, f"{LINE} run")
        self.machine.await_text("begin\n")
        self._start = self.machine.snapshot()

    def __enter__(self) -> Life:
        return self

    def __exit__(self, *_: object) -> None:
        self.machine.close()

    def instants(self, count: int) -> list[int]:
        """`count` instants until the machine is off, half of them anywhere and half right after the disk was asked for something."""
        disk, asked = self.machine.disk, []
        write, flush = disk.write, disk.flush
        disk.write = lambda offset, data: asked.append(self.machine.retired) or write(offset, data)
        disk.flush = lambda: asked.append(self.machine.retired) or flush()
        try:
            self.machine.finish()
        finally:
            del disk.write, disk.flush
        end = self.machine.retired
        self.machine.restore(self._start)
        chosen = random.Random(self.seed)
        somewhere = (chosen.randrange(self.machine.retired, end) for _ in range(count - count // 2))
        return sorted([*somewhere, *(min(chosen.choice(asked) + chosen.choice((1, chosen.randrange(1, 2000))), end - 1) for _ in range(count // 2))])

    def cuts(self, instants: list[int]) -> Iterator[Cut]:
        """Cut the power at each of them, and look; raises Lost."""
        for number, instant in enumerate(instants):
            cut = Cut(self.seed, instant, self.seed * 1000 + number)
            self.try_cut(cut)
            yield cut

    def try_cut(self, cut: Cut) -> None:
        self.machine.run(cut.instant - self.machine.retired)
        done = self._done()
        with self.machine.power_cut(cut.seed) as found:
            try:
                self._check(found, done, cut.seed)
            except Lost as lost:
                raise Lost(f"power cut {cut} (python -m tests.guestos.powercut --again {cut}): {lost}") from None

    def _done(self) -> list[int]:
        """How many steps each process has told to be done."""
        done = [0] * WORKERS
        for line in self.machine.text().rpartition("\n")[0].splitlines():
            words = line.split()
            if words[0] == "FAILED":
                raise Lost(f"a step failed with the power on: {line}")
            if len(words) == 2:
                done[int(words[0])] = int(words[1])
        return done

    def _check(self, found: Disk, done: list[int], seed: int) -> None:
        tree = self._repaired(found)
        for which, script in enumerate(self.scripts):
            below = {path: what for path, what in tree.items() if f"{path}/".startswith(f"{script.root}/")}
            if wrong := script.explain(below, done[which]):
                raise Lost(wrong)
        with ours.Computer(found, f"{LINE} check") as machine:
            if seed % AGAIN == 0:
                machine.run(random.Random(seed).randrange(400_000))
                with machine.power_cut(seed) as twice:
                    if self._repaired(twice) != tree:
                        raise Lost("a second power cut, while the kernel recovered, has changed what e2fsck finds")
            seen = machine.finish().text
            listing = seen.partition("begin\n")[2].partition("end\n")[0].splitlines()
            if "end\n" not in seen or sorted(listing) != sorted(_listing(tree)):
                raise Lost(f"our kernel finds something else on the disk than e2fsck:\n{seen}\nnot\n" + "\n".join(_listing(tree)))
            if seed % AGAIN == 1 and self._repaired(machine.disk) != tree:
                raise Lost("after our kernel has recovered the disk, e2fsck finds something else")

    def _repaired(self, found: Disk) -> Tree:
        """The workers' directories after `e2fsck -p`, which must be content."""
        image = self.folder / "found.img"
        found.export(image)
        preen = subprocess.run(["e2fsck", "-p", image], capture_output=True, text=True)
        if preen.returncode not in (0, 1):
            raise Lost(f"e2fsck -p: status {preen.returncode}\n{preen.stdout}{preen.stderr}")
        check = subprocess.run(["e2fsck", "-fn", image], capture_output=True, text=True)
        if check.returncode:
            raise Lost(f"e2fsck -fn after -p: status {check.returncode}\n{check.stdout}{check.stderr}")
        to = self.folder / "found"
        shutil.rmtree(to, ignore_errors=True)
        to.mkdir()
        subprocess.run(["debugfs", "-R", f"rdump {' '.join(script.root for script in self.scripts)} {to}", image], capture_output=True, check=True)
        return {f"/{path.relative_to(to)}": _entry(path) for path in to.rglob("*")}


def _entry(path: Path) -> tuple[str, bytes]:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return "l", str(path.readlink()).encode()
    return ("d", b"") if stat.S_ISDIR(mode) else ("f", path.read_bytes())


def _listing(tree: Tree) -> list[str]:
    """As `powercut check` tells it."""
    return [f"{path} f {len(data)} {zlib.crc32(data):08x}" if kind == "f" else f"{path} {kind} {data.decode()}".rstrip()
            for path, (kind, data) in tree.items()]
