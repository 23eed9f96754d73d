"""Where the guest's kernel and disk are, and building them when they are missing or out of date.

In a checkout they are in `build/guest`, where `make` puts them; of an installed package in the user's
cache directory (`~/.cache/ringzero/guest` on Linux; `XDG_CACHE_HOME` moves it).
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from emu.errors import ImageError, RingzeroError

PACKAGE = Path(__file__).resolve().parent.parent.parent / "guestos"

#: Written after a complete build: all is up to date while no source is newer. `make` uses it too.
STAMP = ".built"


#: What the kernel's command line must say of the default disk.
INIT = "init=/bin/init"
#: And of the same disk to a kernel that has NT's system calls.
NT_INIT = "init=/Windows/System32/smss.exe"


@dataclass(frozen=True, slots=True)
class GuestImages:
    """A built guest: its kernel (ELF with a PVH note) and its root disk (raw ext2)."""

    kernel: Path
    disk: Path


def directory() -> Path:
    """The directory that holds, or is to hold, the built guest."""
    root = PACKAGE.parent
    if (root / "setup.py").exists() and (root / "guestos").is_dir() and os.access(root, os.W_OK):
        return root / "build" / "guest"
    import platformdirs

    return Path(platformdirs.user_cache_dir("ringzero")) / "guest"


def paths() -> GuestImages:
    """Where kernel and disk are or will be."""
    where = directory()
    return GuestImages(where / "kernel.elf", where / "disk.img")


def up_to_date() -> bool:
    """Whether both files are there and were built after the last change of any source."""
    images = paths()
    stamp = directory() / STAMP
    try:
        built = min(stamp.stat().st_mtime_ns, sys.maxsize)
        images.kernel.stat(), images.disk.stat()
        return all(source.stat().st_mtime_ns <= built for source in _sources())
    except OSError:
        return False


def _sources() -> Iterator[Path]:
    for folder, folders, names in os.walk(PACKAGE):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in names:
            yield Path(folder, name)


def ensure(progress: Callable[[str], None] = lambda _: None) -> GuestImages:
    """The built guest; builds what is missing or older than its sources, which takes seconds.

    `progress` is told so first. Raises RingzeroError with the compiler's first words when that fails.
    """
    if up_to_date():
        return paths()
    where = directory()
    try:
        where.mkdir(parents=True, exist_ok=True)
        with _locked(where):
            if not up_to_date():
                progress("building the guest's kernel and disk (once; about half a minute)")
                build(where)
    except OSError as error:
        raise RingzeroError(f"can't build the guest in {where}: {(error.strerror or str(error)).lower()}",
                            "make room or set XDG_CACHE_HOME to another directory") from None
    return paths()


def build(where: Path) -> GuestImages:
    """Build kernel, programs and disk into the directory `where`, only what has changed."""
    from guestos import build as builder
    from guestos.images import build_default_disk

    try:
        images = GuestImages(builder.build_kernel(where), build_default_disk(where))
    except builder.BuildError as error:
        first = next((line for line in error.output.splitlines() if "error" in line), "")
        raise ImageError(f"the guest can't be built: {error.message}{': ' if first else ''}{first}", error.hint) from None
    (where / STAMP).touch()
    return images


@contextmanager
def _locked(where: Path) -> Iterator[None]:
    """One build at a time; another process waits for it."""
    with open(where / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
