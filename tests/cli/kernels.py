"""Smallest kernels, for what a run can end with: a few instructions in a plain ELF32 file."""

from __future__ import annotations

import struct
from pathlib import Path

ADDRESS = 0x100000


def kernel(path: Path, code: bytes) -> Path:
    """An i386 executable at 1 MiB: entered in 32-bit protected mode, paging off."""
    ident = b"\x7fELF\x01\x01\x01" + bytes(9)
    header = struct.pack("<16sHHIIIIIHHHHHH", ident, 2, 3, 1, ADDRESS, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    segment = struct.pack("<8I", 1, 0x1000, ADDRESS, ADDRESS, len(code), len(code), 5, 0x1000)
    path.write_bytes((header + segment).ljust(0x1000, b"\0") + code)
    return path


HALT = bytes.fromhex("fa f4 eb fd")  # cli; hlt
SPIN = bytes.fromhex("eb fe")  # jmp $
TRIPLE_FAULT = bytes.fromhex("0f 0b")  # ud2, without an IDT
EXIT_5 = bytes.fromhex("b0 05 e6 f4")  # mov al, 5; out 0xf4, al
POWER_OFF = bytes.fromhex("ba 04 06 00 00 66 b8 00 20 66 ef")  # mov edx, 0x604; mov ax, 0x2000; out dx, ax
RESET = bytes.fromhex("b0 fe e6 64")  # mov al, 0xfe; out 0x64, al


def printing(text: bytes, then: bytes) -> bytes:
    """Send `text` to the serial port, byte by byte; then do `then`."""
    return b"\xba\xf8\x03\x00\x00" + b"".join(b"\xb0" + bytes([byte]) + b"\xee" for byte in text) + then
