"""One hash of a machine's whole state: equal digests mean that two machines are in the same state."""

from __future__ import annotations

import hashlib
from typing import Any

from emu.machine.memory import PAGE_SIZE, PhysicalMemory

_CHUNK = 64 * PAGE_SIZE
_ZERO_CHUNK, _ZERO_PAGE = bytes(_CHUNK), bytes(PAGE_SIZE)


def feed(hasher: Any, value: Any) -> None:
    """Hash plain data (dict, list, tuple, bytes, text, int, bool, None, float) so that different values
    give different input: each is preceded by its type and length. Dictionaries count as unordered."""
    if isinstance(value, dict):
        hasher.update(b"{%d" % len(value))
        for key in sorted(value, key=lambda key: (type(key).__name__, key)):
            feed(hasher, key)
            feed(hasher, value[key])
    elif isinstance(value, (list, tuple)):
        hasher.update(b"[%d" % len(value))
        for item in value:
            feed(hasher, item)
    elif isinstance(value, (bytes, bytearray, memoryview)):
        hasher.update(b"b%d:" % len(value))
        hasher.update(value)
    elif isinstance(value, str):
        data = value.encode()
        hasher.update(b"s%d:" % len(data))
        hasher.update(data)
    elif isinstance(value, int):
        hasher.update(b"i%d;" % value)
    elif isinstance(value, float):
        hasher.update(f"f{value.hex()};".encode())
    elif value is None:
        hasher.update(b"n")
    else:
        raise TypeError(f"state holds a {type(value).__name__}, which is not plain data")


def feed_memory(hasher: Any, memory: PhysicalMemory) -> None:
    """Hash RAM: its size, and the number and contents of each page that is not all zero."""
    hasher.update(b"m%d:" % memory.size)
    for number, page in pages(memory):
        hasher.update(b"p%d:" % number)
        hasher.update(page)


def pages(memory: PhysicalMemory):
    """(page number, contents) of every page that is not all zero, in order."""
    buffer = memory.buffer
    for start in range(0, memory.size, _CHUNK):
        chunk = buffer[start : start + _CHUNK]
        # Most of RAM is untouched; comparing 256 KiB at a time skips 128 MiB in about 25 ms.
        if chunk == _ZERO_CHUNK:
            continue
        for offset in range(0, len(chunk), PAGE_SIZE):
            page = chunk[offset : offset + PAGE_SIZE]
            if page != _ZERO_PAGE:
                yield (start + offset) >> 12, page


def new_hasher() -> Any:
    """The hash in use: BLAKE2b with 128 bits of output."""
    return hashlib.blake2b(digest_size=16)
