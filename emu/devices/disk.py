"""Disk backend: a raw image file, written only when asked to, else under an overlay kept in memory."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable

from emu.errors import DiskError

SECTOR = 512
_BLOCK = 4096


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
            changed = self.overlay.get(block)
            if changed is None:
                base = self.read(block * _BLOCK, min(_BLOCK, self.size - block * _BLOCK))
                if base is None:
                    return False
                changed = base
            self.overlay[block] = changed[:within] + data[position : position + count] + changed[within + count :]
            position += count
        return True

    def flush(self) -> bool:
        """Make earlier writes durable on the host."""
        if self.writable:
            try:
                os.fsync(self._fd)
            except OSError as error:
                self._fail("flush", error)
                return False
        return True

    def close(self) -> None:
        """Release the file; later accesses fail as if the disk were gone."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def save(self) -> dict[int, bytes]:
        """The overlay: block number (of 4096 bytes) to contents."""
        return dict(sorted(self.overlay.items()))

    def load(self, overlay: dict[int, bytes]) -> None:
        """Continue with an overlay from `save`."""
        self.overlay = {block: bytes(data) for block, data in overlay.items()}

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
