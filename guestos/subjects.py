"""Test subjects: unmodified programs of Debian, downloaded once and kept in build/subjects."""
from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from emu.errors import RingzeroError

CACHE = Path(__file__).resolve().parent.parent / "build" / "subjects"


class SubjectError(RingzeroError):
    """A Debian package can't be had here: no apt, no network, no such package."""


def package(name: str, cache: Path = CACHE) -> Path:
    """The unpacked tree of Debian package `name`; downloaded on first use with `apt-get download`.

    Raises SubjectError, whose text says which tool or what network is missing.
    """
    tree = cache / name
    if tree.is_dir():
        return tree
    for tool in ("apt-get", "dpkg-deb"):
        if not shutil.which(tool):
            raise SubjectError(f"fetching {name} needs {tool}, which is not installed",
                               f"on another system put the package's unpacked files in {tree}")
    downloads, scratch = cache / f"{name}.download", cache / f"{name}.part"
    for folder in (downloads, scratch):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    result = subprocess.run(["apt-get", "download", name], cwd=downloads, capture_output=True, text=True)
    archives = sorted(downloads.glob("*.deb"))
    if result.returncode or not archives:
        why = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise SubjectError(f"apt-get download {name} failed: {why}", "check the network, or run apt-get update")
    subprocess.run(["dpkg-deb", "-x", archives[0], scratch], check=True)
    scratch.rename(tree)
    shutil.rmtree(downloads)
    return tree


def busybox() -> Path:
    """Debian's busybox-static: glibc-static, unmodified."""
    tree = package("busybox-static")
    for path in ("bin/busybox", "usr/bin/busybox"):
        if (tree / path).is_file():
            return tree / path
    raise SubjectError(f"expected bin/busybox in {tree}, found none", f"remove {tree} and try again")
