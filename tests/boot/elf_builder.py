"""Builds small ELF files, right ones and wrong ones, field by field."""

from __future__ import annotations

import struct


def note(owner: bytes, kind: int, contents: bytes) -> bytes:
    owner += b"\0"
    pad = lambda data: data + bytes(-len(data) % 4)
    return struct.pack("<III", len(owner), len(contents), kind) + pad(owner) + pad(contents)


def pvh_note(entry: int, width: int = 4) -> bytes:
    return note(b"Xen", 18, entry.to_bytes(width, "little"))


def elf(segments, entry=0x100000, bits=64, machine=None, kind=2, notes=b"", vaddr_offset=0) -> bytes:
    """`segments` are (paddr, data, memsz or None)."""
    count = len(segments) + bool(notes)
    header_size, entry_size = (64, 56) if bits == 64 else (52, 32)
    position = header_size + entry_size * count
    table, body = b"", b""

    def header(kind, paddr, data, size, flags):
        nonlocal table, body
        offset = position + len(body)
        vaddr = paddr + vaddr_offset
        if bits == 64:
            table += struct.pack("<IIQQQQQQ", kind, flags, offset, vaddr, paddr, len(data), size, 4)
        else:
            table += struct.pack("<IIIIIIII", kind, offset, vaddr & 0xFFFFFFFF, paddr, len(data), size, flags, 4)
        body += data

    for paddr, data, size in segments:
        header(1, paddr, data, len(data) if size is None else size, 7)
    if notes:
        header(4, 0, notes, len(notes), 4)
    machine = machine if machine is not None else (62 if bits == 64 else 3)
    ident = b"\x7fELF" + bytes([bits // 32, 1, 1]) + bytes(9)
    format = "<HHIQQQIHHHHHH" if bits == 64 else "<HHIIIIIHHHHHH"
    return ident + struct.pack(format, kind, machine, 1, entry, header_size, 0, 0, header_size, entry_size, count,
                               0, 0, 0) + table + body


def multiboot_header(flags=0, addresses=()) -> bytes:
    checksum = -(0x1BADB002 + flags) & 0xFFFFFFFF
    return struct.pack("<III", 0x1BADB002, flags, checksum) + struct.pack(f"<{len(addresses)}I", *addresses)
