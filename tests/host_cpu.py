"""The host's own processor as an oracle: runs one instruction's bytes natively and reports what changed.

    host = HostCpu()
    after = host.run("f2 0f 58 c1", HostState(xmm=[...], mxcsr=0x1F80))

Only for instructions that leave RIP, RSP, segments and privilege alone. Memory operands go to `host.data`, at
`host.data_address`. Import `needs_host` and put it on tests: they are skipped on hosts that are not x86-64.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import struct
from dataclasses import dataclass, field, replace

import pytest

IS_X86 = platform.machine() in ("x86_64", "AMD64")
needs_host = pytest.mark.skipif(not IS_X86, reason=f"the oracle is an x86-64 host processor; this one is {platform.machine()}")

STATE, DATA, ROOM = 0x1000, 0x2000, 16
FX_IN, FX_OUT, FX_HOST, GPR_IN, GPR_OUT, FLAGS_IN, FLAGS_OUT, SAVED_RSP = 0, 512, 1024, 1536, 1664, 1792, 1800, 1808
RSP = 4


@dataclass(slots=True)
class HostState:
    """What an instruction sees and leaves. x87 registers by physical number: significand, sign and exponent, and
    `valid`, one bit each. GPR 4 (RSP) is neither set nor reported."""

    gpr: list[int] = field(default_factory=lambda: [0] * 16)
    rflags: int = 0x202
    xmm: list[int] = field(default_factory=lambda: [0] * 16)
    mxcsr: int = 0x1F80
    mantissa: list[int] = field(default_factory=lambda: [0] * 8)
    exponent: list[int] = field(default_factory=lambda: [0] * 8)
    valid: int = 0
    top: int = 0
    fcw: int = 0x37F
    fsw: int = 0

    def fxsave(self) -> bytes:
        """The FXSAVE image (APM vol. 2, 11.4.4)."""
        image = struct.pack("<HHBxH16xII", self.fcw, self.fsw | self.top << 11, self.valid, 0, self.mxcsr, 0)
        for i in range(8):
            k = (i + self.top) & 7
            image += struct.pack("<QH6x", self.mantissa[k], self.exponent[k])
        return (image + b"".join(v.to_bytes(16, "little") for v in self.xmm)).ljust(512, b"\0")

    @classmethod
    def of_fxsave(cls, image: bytes) -> HostState:
        fcw, status, valid, mxcsr = struct.unpack("<HHB19xI", image[:28])
        state = cls(mxcsr=mxcsr, valid=valid, fcw=fcw, fsw=status & 0xC7FF, top=status >> 11 & 7)
        for i in range(8):
            k = (i + state.top) & 7
            state.mantissa[k], state.exponent[k] = struct.unpack_from("<QH", image, 32 + 16 * i)
        state.xmm = [int.from_bytes(image[160 + 16 * i:176 + 16 * i], "little") for i in range(16)]
        return state


class HostCpu:
    """A page of native code around a slot of 16 bytes for the instruction to be run."""

    def __init__(self) -> None:
        self.pages = mmap.mmap(-1, 0x4000, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        self._view = ctypes.c_char.from_buffer(self.pages)
        self.base = ctypes.addressof(self._view)
        self.data_address = self.base + DATA
        self.data = memoryview(self.pages)[DATA:DATA + 0x2000]
        self._code = b""
        self._build()
        self._call = ctypes.CFUNCTYPE(None)(self.base)

    def _relative(self, opcode, reg, place):
        """An instruction `opcode` with register field `reg` and memory at state offset `place`, RIP-relative."""
        wide = bytes([0x48 | (reg >> 3) << 2])
        length = len(self._code) + 1 + len(opcode) + 5
        self._code += wide + opcode + bytes([(reg & 7) << 3 | 5]) + struct.pack("<i", STATE + place - length)

    def _build(self):
        saved = (b"\x53", b"\x55", b"\x41\x54", b"\x41\x55", b"\x41\x56", b"\x41\x57")
        restored = (b"\x41\x5f", b"\x41\x5e", b"\x41\x5d", b"\x41\x5c", b"\x5d", b"\x5b")
        registers = [n for n in range(16) if n != RSP]
        self._code = b"".join(saved)
        self._relative(b"\x0f\xae", 0, FX_HOST)                 # fxsave64
        self._relative(b"\x89", RSP, SAVED_RSP)
        self._relative(b"\x0f\xae", 1, FX_IN)                   # fxrstor64
        self._relative(b"\xff", 6, FLAGS_IN)                    # push
        self._code += b"\x9d"                                   # popfq
        for n in registers:
            self._relative(b"\x8b", n, GPR_IN + 8 * n)
        self.slot = len(self._code)
        self._code += b"\x90" * ROOM
        for n in registers:
            self._relative(b"\x89", n, GPR_OUT + 8 * n)
        self._code += b"\x9c"                                   # pushfq
        self._relative(b"\x8f", 0, FLAGS_OUT)                   # pop
        self._relative(b"\x0f\xae", 0, FX_OUT)
        self._relative(b"\x0f\xae", 1, FX_HOST)
        self._relative(b"\x8b", RSP, SAVED_RSP)
        self._code += b"\xfc" + b"".join(restored) + b"\xc3"    # cld ... ret
        self.pages[0:len(self._code)] = self._code

    def run(self, code: str | bytes, before: HostState) -> HostState:
        """Run `code` (at most 16 bytes) from `before`; the state after it. Memory changes show in `data`."""
        code = bytes.fromhex(code) if isinstance(code, str) else bytes(code)
        if len(code) > ROOM:
            raise ValueError(f"{len(code)} bytes of code; there is room for {ROOM}")
        put = self.pages
        put[self.slot:self.slot + ROOM] = code.ljust(ROOM, b"\x90")
        put[STATE + FX_IN:STATE + FX_IN + 512] = before.fxsave()
        put[STATE + GPR_IN:STATE + GPR_IN + 128] = struct.pack("<16Q", *before.gpr)
        put[STATE + FLAGS_IN:STATE + FLAGS_IN + 8] = struct.pack("<Q", before.rflags)
        self._call()
        after = HostState.of_fxsave(put[STATE + FX_OUT:STATE + FX_OUT + 512])
        after.gpr = list(struct.unpack("<16Q", put[STATE + GPR_OUT:STATE + GPR_OUT + 128]))
        after.gpr[RSP] = before.gpr[RSP]
        after.rflags = struct.unpack("<Q", put[STATE + FLAGS_OUT:STATE + FLAGS_OUT + 8])[0]
        return after

    def mxcsr_at_exception(self, code: str | bytes, before: HostState) -> int | None:
        """Run `code` in a child process; MXCSR as its SIGFPE handler finds it, or None when it raised no exception."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                self._report_exception(writing)
                self.run(code, before)
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            report = pipe.read()
        os.waitpid(child, 0)
        return struct.unpack("<I", report)[0] if report else None

    def _report_exception(self, pipe):
        """Install a SIGFPE handler that writes MXCSR of the interrupted context to `pipe` and ends the process."""
        handler_type = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)

        def handle(_signal, _information, context):
            saved = ctypes.c_uint64.from_address(context + 40 + 23 * 8).value      # uc_mcontext.fpregs
            os.write(pipe, ctypes.string_at(saved + 24, 4))
            os._exit(0)

        self._handler = handler_type(handle)

        class Action(ctypes.Structure):
            _fields_ = [("handler", handler_type), ("mask", ctypes.c_ubyte * 128), ("flags", ctypes.c_int),
                        ("restorer", ctypes.c_void_p)]

        siginfo, sigfpe = 4, 8
        ctypes.CDLL(None).sigaction(sigfpe, ctypes.byref(Action(self._handler, flags=siginfo)), None)


def changed(before: HostState, **fields) -> HostState:
    """`before` with some fields replaced."""
    return replace(before, **fields)
