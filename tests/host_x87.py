"""The host's own x87 as an oracle: loads a state, executes one instruction's bytes natively, reads the state back.

The instruction may use [rsi] (a buffer of up to 2900 bytes, aligned to 64), AX and the status flags. Usable on x86-64 Linux only.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import struct
from dataclasses import dataclass, field

AVAILABLE = platform.machine() in ("x86_64", "AMD64") and hasattr(mmap, "PROT_EXEC")

IMAGE, OUT, FLAGS, RAX, BUFFER, MXCSR = 0, 512, 1024, 1040, 1088, 4032    # offsets in the block the code works on
BLOCK_SIZE = 4096

PROLOGUE = bytes.fromhex("53 57 5b"                # push rbx; push rdi; pop rbx
                         "48 0f ae 0b"             # fxrstor64 [rbx]
                         "ff b3 00 04 00 00 9d"    # push [rbx + FLAGS]; popfq
                         "48 8b 83 10 04 00 00"    # mov rax, [rbx + RAX]
                         "48 8d b3 40 04 00 00")   # lea rsi, [rbx + BUFFER]
EPILOGUE = bytes.fromhex("9c 8f 83 08 04 00 00"    # pushfq; pop [rbx + FLAGS + 8]
                         "48 89 83 18 04 00 00"    # mov [rbx + RAX + 8], rax
                         "48 0f ae 83 00 02 00 00" # fxsave64 [rbx + OUT]
                         "db e3"                   # fninit
                         "0f ae 93 c0 0f 00 00"    # ldmxcsr [rbx + MXCSR]
                         "fc 5b c3")               # cld; pop rbx; ret


@dataclass(slots=True)
class X87State:
    """What an x87 instruction sees and changes; registers by stack position, as (mantissa, sign and exponent)."""

    control: int = 0x37F
    status: int = 0                     # with TOP
    full: int = 0                       # one bit a physical register: 1 in use
    st: list = field(default_factory=lambda: [(0, 0)] * 8)
    memory: bytes = bytes(128)
    rax: int = 0
    flags: int = 2                      # RFLAGS; the six status flags matter

    def image(self) -> bytes:
        """An FXSAVE image of it."""
        registers = b"".join(struct.pack("<QH6x", m, e) for m, e in self.st)
        head = struct.pack("<HHBxHQQII", self.control, self.status, self.full, 0, 0, 0, 0x1F80, 0xFFFF)
        return (head + registers).ljust(512, b"\0")


class HostX87:
    """Executes instructions on the host."""

    def __init__(self):
        self.code = mmap.mmap(-1, 1 << 20, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        self.used = 0
        self.functions: dict[bytes, object] = {}
        self.raw = ctypes.create_string_buffer(BLOCK_SIZE + 64)
        self.base = (ctypes.addressof(self.raw) + 63) & ~63
        self.start = self.base - ctypes.addressof(self.raw)
        self.code_base = ctypes.addressof(ctypes.c_char.from_buffer(self.code))

    def _function(self, code):
        if code not in self.functions:
            text = PROLOGUE + code + EPILOGUE
            self.code[self.used:self.used + len(text)] = text
            self.functions[code] = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(self.code_base + self.used)
            self.used += (len(text) + 15) & ~15
        return self.functions[code]

    def run(self, code: bytes, before: X87State) -> X87State:
        """The state after `code`; an instruction must not raise #MF itself, so nothing may be pending before."""
        put = lambda at, data: ctypes.memmove(self.base + at, data, len(data))  # noqa: E731
        put(IMAGE, before.image())
        put(FLAGS, struct.pack("<QQQQ", before.flags, 0, before.rax, 0))
        put(BUFFER, before.memory)
        put(MXCSR, struct.pack("<I", 0x1F80))
        self._function(code)(self.base)
        block = ctypes.string_at(self.base, BLOCK_SIZE)
        control, status, full = struct.unpack_from("<HHB", block, OUT)
        st = [struct.unpack_from("<QH", block, OUT + 32 + 16 * i) for i in range(8)]
        return X87State(control, status, full, st, block[BUFFER:BUFFER + len(before.memory)],
                        struct.unpack_from("<Q", block, RAX + 8)[0], struct.unpack_from("<Q", block, FLAGS + 8)[0])

