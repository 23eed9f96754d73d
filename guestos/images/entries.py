"""What goes into an image: entries, one a name, made by hand or read from a host directory."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from emu.errors import DiskError

EPOCH = 1_704_067_200
"""2024-01-01 00:00:00 UTC: the time of everything that has no better one, so images are reproducible."""


@dataclass(slots=True)
class Entry:
    """One name in an image.

    `path` is absolute; `mode` holds type and permission bits as in `st_mode` (16 bits); `content` is
    the bytes of a regular file or the host file that has them, read when the image is written;
    `target` is a symlink's text; `device` a (major, minor) pair, 8 bits each; `link` the path of an
    earlier entry of which this is another name (then nothing else counts). `mtime` is in seconds
    since 1970, 32 bits.
    """

    path: str
    mode: int = 0
    content: bytes | Path = b""
    target: str = ""
    device: tuple[int, int] = (0, 0)
    link: str = ""
    uid: int = 0
    gid: int = 0
    mtime: int = EPOCH


def directory(path: str, mode: int = 0o755, **attributes: int) -> Entry:
    return Entry(path, stat.S_IFDIR | mode, **attributes)


def file(path: str, content: bytes | str | Path, mode: int = 0o644, **attributes: int) -> Entry:
    if isinstance(content, str):
        content = content.encode()
    return Entry(path, stat.S_IFREG | mode, content, **attributes)


def symlink(path: str, target: str, **attributes: int) -> Entry:
    return Entry(path, stat.S_IFLNK | 0o777, target=target, **attributes)


def hard_link(path: str, to: str) -> Entry:
    return Entry(path, link=to)


def device(path: str, kind: str, major: int, minor: int, mode: int = 0o600, **attributes: int) -> Entry:
    """`kind` is "c" (character) or "b" (block)."""
    return Entry(path, {"c": stat.S_IFCHR, "b": stat.S_IFBLK}[kind] | mode, device=(major, minor), **attributes)


def entries_of(tree: Path, *, owner: tuple[int, int] | None = (0, 0), mtime: int | None = EPOCH) -> Iterator[Entry]:
    """The entries of a host directory, in sorted order, symlinks not followed.

    `owner` is given to all (None: the host's); `mtime` too. Names that are one file on the host are
    one file in the image. Raises DiskError if `tree` is not a directory or holds a socket.
    """
    if not tree.is_dir():
        what = "is not a directory" if tree.exists() else "does not exist"
        raise DiskError(f"expected a directory to make an image of, but {tree} {what}")
    seen: dict[tuple[int, int], str] = {}
    for host in [tree, *sorted(tree.rglob("*"))]:
        status = host.lstat()
        path = "/" + host.relative_to(tree).as_posix() if host != tree else "/"
        identity = (status.st_dev, status.st_ino)
        if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
            if identity in seen:
                yield hard_link(path, seen[identity])
                continue
            seen[identity] = path
        entry = Entry(path, status.st_mode)
        entry.uid, entry.gid = owner if owner is not None else (status.st_uid, status.st_gid)
        entry.mtime = mtime if mtime is not None else int(status.st_mtime)
        if stat.S_ISREG(status.st_mode):
            entry.content = host
        elif stat.S_ISLNK(status.st_mode):
            entry.target = os.readlink(host)
        elif stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
            entry.device = (os.major(status.st_rdev), os.minor(status.st_rdev))
        elif stat.S_ISSOCK(status.st_mode):
            raise DiskError(f"{host} is a socket, which can't be stored in an image; remove it first")
        yield entry
