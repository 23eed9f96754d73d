"""Random x87 states, and an engine that executes one instruction on them as `tests.host_x87` does on the host."""

from __future__ import annotations

import struct
from random import Random

import pytest

from tests import host_x87
from tests.flat import CODE, DATA, STACK, FlatMachine
from tests.host_x87 import X87State

STATUS_FLAGS = 0x8D5


def host_is_amd() -> bool:
    """The emulated processor follows AMD's, whose x87 differs from Intel's in corners."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            return host_x87.AVAILABLE and "AuthenticAMD" in file.read()
    except OSError:
        return False


needs_host = pytest.mark.skipif(not host_is_amd(), reason="the oracle is the x87 of an AMD host")


class X87Machine:
    """An engine, set to an `X87State`, run for one instruction, and read back."""

    def __init__(self, engine_class):
        self.machine = FlatMachine(engine_class)
        self.places: dict[bytes, int] = {}
        self.fault = None

    def run(self, code: bytes, before: X87State) -> X87State:
        put, get = self.machine.engine.set, self.machine.engine.get
        at = self.places.setdefault(code, CODE + 16 * len(self.places))
        self.machine.memory.write(at, code)
        top = before.status >> 11 & 7
        put("fcw", before.control)
        put("fsw", before.status & ~0x3800)
        put("ftop", top)
        put("ftags", before.full ^ 0xFF)
        for i, (mantissa, exponent) in enumerate(before.st):
            put("fpr_mantissa", mantissa, (top + i) & 7)
            put("fpr_exponent", exponent, (top + i) & 7)
        self.machine.memory.write(DATA, before.memory)
        for register, value in ((0, before.rax), (6, DATA), (4, STACK)):
            put("gpr", value, register)
        put("rflags", before.flags)
        put("rip", at)
        self.machine.step()
        self.fault = self.machine.fault
        top = get("ftop")
        registers = [(get("fpr_mantissa", (top + i) & 7), get("fpr_exponent", (top + i) & 7)) for i in range(8)]
        return X87State(get("fcw"), get("fsw") | top << 11, get("ftags") ^ 0xFF, registers,
                        self.machine.memory.read(DATA, 128), get("gpr", 0), get("rflags"))


def number(r: Random) -> tuple[int, int]:
    """A number of any class: zeros, infinities, NaNs, denormals, unsupported ones, and many finite ones."""
    sign, kind = r.choice((0, 0x8000)), r.random()
    if kind < .08:
        return 0, sign
    if kind < .14:
        return 1 << 63, sign | 0x7FFF
    if kind < .18:
        return 3 << 62 | r.getrandbits(62) >> r.randrange(62), sign | 0x7FFF
    if kind < .22:
        return 2 << 62 | r.getrandbits(62) | 1, sign | 0x7FFF
    if kind < .26:
        return r.getrandbits(63) >> r.randrange(63), sign
    if kind < .28:
        return 1 << 63 | r.getrandbits(63), sign
    if kind < .31:
        return r.getrandbits(63), sign | r.choice((1, 0x3FFF, 0x7FFF, 0x7FFE, 0x3000))
    exponent = r.choice((0x3FFF + r.randrange(-3, 4), 0x3FFF + r.randrange(-70, 70), r.randrange(1, 0x7FFF),
                         r.randrange(1, 70), r.randrange(0x7FA0, 0x7FFF), 0x3FFF + r.randrange(-1100, 1100),
                         0x3F80, 0x3F81, 0x3C00, 0x3C01, 0x407E, 0x43FE))
    mantissa = r.choice((1 << 63, r.getrandbits(63), 2**64 - 1, r.getrandbits(8) << 55, r.getrandbits(6),
                         2**64 - 1 - r.getrandbits(6), r.getrandbits(24) << 40, r.getrandbits(54) << 10,
                         r.getrandbits(64) & -(1 << r.randrange(64))))
    return mantissa & 2**64 - 1 | 1 << 63, sign | exponent


def operand(r: Random) -> bytes:
    """Bytes of a memory operand: 32-, 64- or 80-bit numbers, integers, decimal digits."""
    single = r.choice((r.getrandbits(32), 0, 1 << 31, 1, 0x7F800000, 0x7F800001, 0x7FC00000, 0x3F800000, 0x807FFFFF))
    double = r.choice((r.getrandbits(64), 0, 1 << 63, 1, 0x7FF << 52, (0x7FF << 52) + 1, 0x3FF << 52,
                       r.getrandbits(52), r.randrange(0x3C0, 0x440) << 52 | r.getrandbits(52)))
    digits = bytes(r.randrange(10) | r.randrange(10) << 4 for _ in range(9)) + b"\x80"
    return r.choice((struct.pack("<I", single), struct.pack("<Q", double), struct.pack("<QH", *number(r)),
                     r.randbytes(10), digits)).ljust(128, b"\x5A")


def state(r: Random, masked: bool) -> X87State:
    """Registers, control word, flags, memory; mostly one free register, at times any tags. Nothing is pending."""
    control = 0x37F
    if r.random() < .7:
        control = r.randrange(4) << 10 | r.choice((0, 2, 3, 3, 3, 1)) << 8 | 0x7F
    if not masked:
        control = control & ~0x3F | r.getrandbits(6)
    top = r.randrange(8)
    full = 0xFF & ~(1 << (top - 1 & 7)) if r.random() < .85 else r.getrandbits(8)
    status = top << 11 | r.getrandbits(16) & 0x4700 | r.getrandbits(7) & (control & 0x3F | 0x40)
    st = [number(r) for _ in range(8)]
    if r.random() < .05:
        st[1] = st[0]
    if r.random() < .05:
        st[1] = st[0][0], st[0][1] ^ 0x8000
    return X87State(control, status, full, st, operand(r), r.getrandbits(64), r.getrandbits(12) & STATUS_FLAGS | 2)


def settle(before: X87State) -> X87State:
    """With ES and B as FXRSTOR would leave them."""
    pending = before.status & ~before.control & 0x3F
    before.status = before.status & ~0x8080 | (0x8080 if pending else 0)
    return before


def differences(expected: X87State, actual: X87State) -> list[str]:
    """What differs, in words; empty when nothing does."""
    found = []
    for name in ("control", "status", "full", "rax"):
        want, got = getattr(expected, name), getattr(actual, name)
        if want != got:
            found.append(f"{name}: host {want:#x}, engine {got:#x}")
    for i, (want, got) in enumerate(zip(expected.st, actual.st)):
        if want != got:
            found.append(f"st{i}: host {want[0]:#018x} {want[1]:#06x}, engine {got[0]:#018x} {got[1]:#06x}")
    if expected.memory != actual.memory:
        found.append(f"memory: host {expected.memory.hex()}, engine {actual.memory.hex()}")
    if (expected.flags ^ actual.flags) & STATUS_FLAGS:
        found.append(f"flags: host {expected.flags & STATUS_FLAGS:#x}, engine {actual.flags & STATUS_FLAGS:#x}")
    return found
