"""Boots the guest on our own machine: the tests' disks, commands run to their end, a terminal to type at."""

from __future__ import annotations

import fcntl
import functools
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from emu.cli import images as default
from emu.engines import available
from emu.machine.machine import Machine
from emu.machine.result import Reason, RunResult
from guestos import build, images, subjects

PROGRAMS = Path(__file__).parent / "programs"
CACHE = build.ROOT / "build" / "guest-tests"
OWN_LINE = "quiet root=/dev/vda init=/bin/init"
DEBIAN_LINE = "quiet root=/dev/vda init=/bin/sh"
#: Far more instructions than anything here needs, and still only seconds on the compiled engine.
PATIENCE = 2_000_000_000

APPLETS = "sh ls cat ps sort grep wc vi echo mount sleep kill true head yes uname setsid tty mkdir rm mv find seq md5sum".split()
#: A shell that owns the terminal, as a login would start it.
START = """#!/bin/sh
mount -t proc proc /proc
setsid sh -c 'exec sh -i 0<>/dev/ttyS0 1>&0 2>&0'
"""


@dataclass(frozen=True, slots=True)
class Guest:
    """The kernel and a disk of each kind. They are shared: boot them without `writable`, or from `copy`."""

    kernel: Path
    own: Path       #: our programs, usertests among them; and costs
    debian: Path | None     #: Debian's busybox as all commands; and usertests
    missing: str    #: why there is no `debian`

    def debian_disk(self) -> Path:
        """The disk with Debian's busybox; skips the calling test when it could not be fetched."""
        if self.debian is None:
            pytest.skip(self.missing)
        return self.debian


@functools.cache
def guest() -> Guest:
    """Builds what has changed, into build/guest-tests. Skips the calling test without ziglang."""
    pytest.importorskip("ziglang", reason="ziglang is not installed: pip install ziglang")
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / ".lock", "w") as lock:        # several test processes: one builds, the others wait
        fcntl.flock(lock, fcntl.LOCK_EX)
        kernel = default.ensure().kernel
        costs = build.build_program([PROGRAMS / "costs.c"], CACHE / "costs", [*build.USER_FLAGS, "-O1", "-w"])
        programs = build.build_user()
        own = _image([*images.default_tree(programs), images.file("/bin/costs", costs, 0o755),
                      images.file("/etc/mebibyte", bytes(range(1, 256)) * 4112 + bytes(16))], "own.img")
        usertests = next(path for path in programs if path.name == "usertests")
        try:
            busybox = subjects.busybox()
        except subjects.SubjectError as error:
            return Guest(kernel, own, None, str(error))
        debian = [images.file("/bin/busybox", busybox, 0o755), images.file("/bin/usertests", usertests, 0o755), images.file("/start", START, 0o755),
                  images.file("/etc/passwd", "root::0:0:root:/root:/bin/sh\n"), images.directory("/tmp", 0o1777),
                  *(images.directory(name) for name in ("/dev", "/proc", "/root")),
                  *(images.symlink(f"/bin/{name}", "busybox") for name in APPLETS)]
        return Guest(kernel, own, _image(debian, "debian.img"), "")


@dataclass(frozen=True, slots=True)
class Tree:
    """A root directory of Debian packages on this host, and a disk of it, with our init and the scripts of `debian` in /mnt."""

    root: Path
    disk: Path


@functools.cache
def debian_tree() -> Tree:
    """Skips the calling test when the packages can't be had."""
    guest()
    try:
        root = subjects.tree()
    except subjects.SubjectError as error:
        pytest.skip(str(error))
    with open(CACHE / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        init = next(program for program in build.build_user() if program.name == "init")
        scripts = sorted((Path(__file__).parent / "debian").iterdir())
        made, sources = CACHE / "tree.img", [init, *scripts, root.with_name(".root.made"), Path(images.__file__)]
        if not made.exists() or any(source.stat().st_mtime > made.stat().st_mtime for source in sources):
            entries = [*images.entries_of(root), images.file("/usr/bin/init", init, 0o755),
                       *(images.file(f"/mnt/{script.name}", script, 0o755) for script in scripts)]
            _image(entries, "tree.img", None)
        return Tree(root, made)


def _image(entries: list[images.Entry], name: str, size: int | None = 16 << 20) -> Path:
    """The image in CACHE, replaced in one step, for a test that has the old one open keeps it."""
    images.build_image(entries, CACHE / f"{name}.new", size)
    return (CACHE / f"{name}.new").replace(CACHE / name)


def require_compiled() -> None:
    if "compiled" not in available():
        pytest.skip("the compiled engine is not built: make build")


def command_line(script: str, line: str = OWN_LINE) -> str:
    """The kernel's command line that has the shell (or init) run `script`."""
    quoted = script.replace("\\", "\\\\").replace('"', '\\"')
    return f'{line} -- -c "{quoted}"'


@dataclass(frozen=True, slots=True)
class Outcome:
    """Console text (line ends as \\n), the machine's exit status, instructions retired since power-on."""

    text: str
    status: int | None
    retired: int


class _Patience:
    """Ends a run once the halted guest has waited for so many virtual seconds in all."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds

    def __call__(self, seconds: float | None) -> bytes | None:
        self.left -= self.left + 1 if seconds is None else seconds
        return None if self.left < 0 else b""


class Computer(Machine):
    """A machine with the guest booting on it, and what tests ask of one."""

    def __init__(self, disk: Path, cmdline: str, engine: str = "compiled", memory: str = "32M", **options) -> None:
        super().__init__(memory, engine, kernel=guest().kernel, disk=disk, cmdline=cmdline, **options)

    def text(self) -> str:
        return self.console.decode("utf-8", "replace").replace("\r\n", "\n")

    def finish(self, limit: int = PATIENCE) -> Outcome:
        """Run until the guest switches off; fails the test if it does not."""
        result = self.run(limit)
        assert result.reason is Reason.POWER_OFF, self._report(result, "the guest to switch off")
        return Outcome(self.text(), result.status, self.retired)

    def await_text(self, text: str, limit: int = PATIENCE) -> str:
        """Run until `text` (line ends as \\n) is printed; returns what was, since the last time."""
        begin = self._search_from
        result = self.expect(text.replace("\n", "\r\n"), limit, _Patience(60))
        assert result.reason is Reason.FOUND, self._report(result, repr(text), begin)
        return self.console[begin:self._search_from].decode("utf-8", "replace").replace("\r\n", "\n")

    def _report(self, result: RunResult, wanted: str, begin: int = 0) -> str:
        return f"expected {wanted}; {result} after {self.retired} instructions; console:\n{self.console[begin:].decode('utf-8', 'replace')}"


def run(script: str, disk: Path | None = None, line: str = OWN_LINE, **options) -> Outcome:
    """Boot, run `script` in the guest's shell, and switch off."""
    with Computer(disk or guest().own, command_line(script, line), **options) as computer:
        return computer.finish()


def check_disk(disk: Path) -> None:
    """Fails unless a forced check finds nothing to say about the file system."""
    if not shutil.which("e2fsck"):
        pytest.skip("e2fsck is not installed: apt-get install e2fsprogs")
    result = subprocess.run(["e2fsck", "-fn", str(disk)], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
