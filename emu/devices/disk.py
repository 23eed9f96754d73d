"""Disk backend: a raw image file, written only when asked to, else under an overlay kept in memory.

What was written since the last flush is in a volatile cache, as in a real disk's: a power cut may lose any of it.
"""

from __future__ import annotations

import copy
import errno
import fcntl
import os
import random
import stat
from collections.abc import Callable
from typing import Any

from emu.errors import DiskError

SECTOR = 512
_BLOCK = 4096

#: So many contents of a block since the last flush are remembered: the first, which is durable, and the latest.
_VERSIONS = 8


class Disk:
    """`path` as an array of 512-byte sectors.

    The image is opened read-only and writes go to an overlay of 4 KiB blocks in memory, lost at the end;
    with `writable` they go to the image. A writer excludes other users of the image. `DiskError` tells
    why a file can't serve. A host error during a run (disk full) makes the access fail for the guest and
    is kept in `failure` for whoever runs the machine, after a call of `on_failure`.
    """

    def __init__(self, path: str | os.PathLike, writable: bool = False) -> None:
        self.path = os.fspath(path)
        self.writable = writable
        self.failure: DiskError | None = None
        self.on_failure: Callable[[], None] = lambda: None
        self.overlay: dict[int, bytes] = {}      # blocks are replaced, never changed, so that a copy of it is a snapshot
        # What the blocks written since the last flush held then (None: the image's), and after each write but the last.
        self.unflushed: dict[int, tuple[bytes | None, ...]] = {}
        self._fd = -1
        try:
            fd = os.open(self.path, (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise DiskError(f"can't open disk image {self.path!r}: {_reason(error)}", _open_hint(error, writable)) from None
        except ValueError as error:
            raise DiskError(f"can't open disk image {self.path!r}: {error}", "give the path of an image file") from None
        self._fd = fd
        try:
            self.size = self._check(fd)
        except BaseException:
            self.close()
            raise

    def _check(self, fd: int) -> int:
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISBLK(mode):
            kind = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
            raise DiskError(f"disk image {self.path!r} is {kind}", "give a raw image file")
        size = os.lseek(fd, 0, os.SEEK_END)
        if size == 0:
            raise DiskError(f"disk image {self.path!r} is empty", "create one, for example with mke2fs on a file of 16M")
        if size % SECTOR:
            padded = -(-size // SECTOR) * SECTOR
            raise DiskError(
                f"disk image {self.path!r} has {size} bytes, which is not a whole number of 512-byte sectors",
                f"it may be truncated or no raw image; truncate -s {padded} pads a copy of it",
            )
        if stat.S_ISREG(mode):
            try:
                fcntl.flock(fd, (fcntl.LOCK_EX if self.writable else fcntl.LOCK_SH) | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DiskError(
                    f"disk image {self.path!r} is in use by another machine, and one of the two would write to it",
                    "end the other one or use a copy of the image",
                ) from None
            except OSError:
                pass  # a file system without locks: nothing to hold on to
        return size

    @property
    def sectors(self) -> int:
        return self.size // SECTOR

    def read(self, offset: int, length: int) -> bytes | None:
        """`length` bytes at byte `offset`; None beyond the end or when the host can't read them."""
        if offset < 0 or length < 0 or offset + length > self.size:
            return None
        try:
            data = os.pread(self._fd, length, offset)
        except OSError as error:
            return self._fail("read", error)
        if len(data) < length:
            # Somebody has truncated the file since it was opened.
            data += bytes(length - len(data))
        if not self.overlay:
            return data
        merged = None
        for block in range(offset // _BLOCK, (offset + length + _BLOCK - 1) // _BLOCK):
            changed = self.overlay.get(block)
            if changed is not None:
                if merged is None:
                    merged = bytearray(data)
                start = max(offset, block * _BLOCK)
                stop = min(offset + length, (block + 1) * _BLOCK)
                merged[start - offset : stop - offset] = changed[start - block * _BLOCK : stop - block * _BLOCK]
        return data if merged is None else bytes(merged)

    def write(self, offset: int, data: bytes) -> bool:
        """Store `data` at byte `offset`; False, possibly with a part written, beyond the end or when
        the host can't write."""
        if offset < 0 or offset + len(data) > self.size:
            return False
        if self.writable:
            view = memoryview(data)
            try:
                while view:
                    written = os.pwrite(self._fd, view, offset)
                    offset += written
                    view = view[written:]
            except OSError as error:
                self._fail("write", error)
                return False
            return True
        position = 0
        while position < len(data):
            block, within = divmod(offset + position, _BLOCK)
            count = min(_BLOCK - within, len(data) - position)
            before = changed = self.overlay.get(block)
            if changed is None:
                base = self.read(block * _BLOCK, min(_BLOCK, self.size - block * _BLOCK))
                if base is None:
                    return False
                changed = base
            versions = self.unflushed.get(block, ())
            self.unflushed[block] = (*versions, before) if len(versions) < _VERSIONS else (versions[0], *versions[2:], before)
            self.overlay[block] = changed[:within] + data[position : position + count] + changed[within + count :]
            position += count
        return True

    def flush(self) -> bool:
        """Make earlier writes durable: no power cut loses them."""
        self.unflushed.clear()
        if self.writable:
            try:
                os.fsync(self._fd)
            except OSError as error:
                self._fail("flush", error)
                return False
        return True

    def power_cut(self, seed: int) -> Disk:
        """The disk as it might be found if the power failed now; this one goes on.

        What was flushed is there. Of what was written since, each 512-byte sector holds what it held at the flush or
        what some later write gave it, as chosen by `seed`: which is what any order of writing the cache out can
        leave. The medium never leaves half a sector. Raises DiskError for a disk that is written in place.
        """
        if self.writable:
            raise DiskError(f"disk image {self.path!r} is written in place, so what it held at the last flush is gone",
                            "make the disk without writable=True, or from a copy of the image")
        chosen = random.Random(seed)
        kept, run = chosen.choice((0, 0.1, 0.5, 0.9, 1)), chosen.choice((1, 8, 64))     # neighbours may share their fate
        fates: dict[int, float] = {}
        found = copy.copy(self)
        found._fd, found.on_failure = os.dup(self._fd), lambda: None
        found.overlay, found.unflushed = dict(self.overlay), {}
        for block, before in sorted(self.unflushed.items()):
            versions = [self._contents(block, data) for data in (*before, self.overlay[block])]
            sectors = []
            for at in range(0, len(versions[0]), SECTOR):
                group = (block * _BLOCK + at) // SECTOR // run
                if group not in fates:
                    fates[group] = chosen.random() if chosen.random() < kept else -1
                which = 0 if fates[group] < 0 else 1 + int(fates[group] * len(before))
                sectors.append(versions[which][at : at + SECTOR])
            found.overlay[block] = b"".join(sectors)
        return found

    def _contents(self, block: int, data: bytes | None) -> bytes:
        """`data`, or what the image holds in `block`."""
        if data is not None:
            return data
        length = min(_BLOCK, self.size - block * _BLOCK)
        return os.pread(self._fd, length, block * _BLOCK).ljust(length, b"\0")

    def export(self, path: str | os.PathLike) -> None:
        """Write what the disk holds now to the raw image `path`. Raises OSError."""
        with open(path, "wb") as image:
            for at in range(0, self.size, 1 << 20):
                data = self.read(at, min(1 << 20, self.size - at))
                if data is None:
                    raise self.failure or DiskError(f"can't read disk image {self.path!r}")
                image.write(data)

    def close(self) -> None:
        """Release the file; later accesses fail as if the disk were gone."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Disk:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def save(self) -> dict[str, Any]:
        """The overlay, block number (of 4096 bytes) to contents, and what of it is not flushed."""
        return {"overlay": dict(sorted(self.overlay.items())), "unflushed": dict(sorted(self.unflushed.items()))}

    def load(self, saved: dict[str, Any]) -> None:
        """Continue with what `save` gave."""
        self.overlay = {block: bytes(data) for block, data in saved["overlay"].items()}
        self.unflushed = {block: tuple(versions) for block, versions in saved["unflushed"].items()}

    def _fail(self, verb: str, error: OSError) -> None:
        self.failure = DiskError(
            f"can't {verb} disk image {self.path!r}: {_reason(error)}",
            "make room on the host and run again; the guest has seen an I/O error" if error.errno in (errno.ENOSPC, errno.EDQUOT)
            else "check the host's disk; the guest has seen an I/O error",
        )
        self.on_failure()


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _open_hint(error: OSError, writable: bool) -> str:
    if isinstance(error, FileNotFoundError):
        return "check the path, or create the image first"
    if isinstance(error, IsADirectoryError):
        return "give a raw image file"
    if isinstance(error, PermissionError) and writable:
        return "make it writable, or leave out --writable: changes are then kept in memory"
    return "check the path and its permissions"
