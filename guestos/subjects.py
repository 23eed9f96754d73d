"""Test subjects: unmodified programs of Debian, downloaded once and kept in build/subjects."""
from __future__ import annotations

import fcntl
import hashlib
import shutil
from pathlib import Path

from guestos import debian
from guestos.debian import DebianError as SubjectError

CACHE = Path(__file__).resolve().parent.parent / "build" / "subjects"

#: The packages of the tree on which real programs are tried.
PACKAGES = ("busybox", "dash", "bash", "coreutils", "sed", "grep", "mawk", "findutils", "sqlite3", "lua5.4", "python3-minimal", "libpython3-stdlib", "less",
            "vim-tiny", "procps", "iproute2", "strace")

__all__ = ["PACKAGES", "SubjectError", "busybox", "package", "tree"]


def package(name: str, cache: Path = CACHE) -> Path:
    """The unpacked tree of Debian package `name`; downloaded on first use. Raises SubjectError."""
    return debian.unpacked([name], cache)[0]


def busybox() -> Path:
    """Debian's busybox-static: glibc-static, unmodified."""
    tree = package("busybox-static")
    for path in ("bin/busybox", "usr/bin/busybox"):
        if (tree / path).is_file():
            return tree / path
    raise SubjectError(f"expected bin/busybox in {tree}, found none", f"remove {tree} and try again")


def tree(cache: Path = CACHE) -> Path:
    """A root directory with PACKAGES and the libraries that they need; made on first use. Raises SubjectError."""
    root, stamp = cache / ".root", cache / ".root.made"
    recipe = hashlib.sha256(" ".join(PACKAGES).encode() + Path(debian.__file__).read_bytes()).hexdigest()
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / ".lock", "w") as lock:        # several test processes: one makes it, the others wait
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root.is_dir() and stamp.exists() and stamp.read_text() == recipe):
            shutil.rmtree(root, ignore_errors=True)
            debian.lay_out(PACKAGES, root, cache)
            stamp.write_text(recipe)
    return root
