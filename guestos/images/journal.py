"""An empty journal for an ext2 file system, which Linux then calls ext3.

The format is that of Linux's Documentation/filesystems/ext4/journal.rst: a file, reserved inode 8, that begins
with a superblock of its own. All of the journal's numbers are big-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

COMPAT_HAS_JOURNAL = 0x0004
INODE = 8
BLOCKS = 1024
"""The least that e2fsck takes for a journal."""
_MAGIC, _SUPERBLOCK_V2 = 0xC03B3998, 4


def contents(block_size: int, uuid: bytes) -> Iterator[tuple[int, bytes]]:
    """(block number, contents): first block 1 holds the log, which begins with sequence 1 and is empty (start 0)."""
    head = struct.pack(">9I", _MAGIC, _SUPERBLOCK_V2, 0, block_size, BLOCKS, 1, 1, 0, 0)
    yield 0, head.ljust(48, b"\0") + uuid + struct.pack(">I", 1)
    for number in range(1, BLOCKS):
        yield number, b""


def fields(block: list[int], size: int) -> bytes:
    """The file system's superblock from byte 224 on: the journal's inode, and a copy of its block numbers and size."""
    return struct.pack("<I25xBxx12x17I", INODE, 1, *block, 0, size)
