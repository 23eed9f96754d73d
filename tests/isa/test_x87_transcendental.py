"""x87 transcendental functions: special operands exactly as the host, all others within its documented error."""

from __future__ import annotations

import math
from fractions import Fraction
from random import Random

import pytest

from emu.cpu import transcendental
from tests.host_x87 import HostX87
from tests.isa.x87_oracle import X87Machine, needs_host, state

C1 = 0x200
FUNCTIONS = {"F2XM1": 0xF0, "FYL2X": 0xF1, "FPTAN": 0xF2, "FPATAN": 0xF3, "FYL2XP1": 0xF9, "FSINCOS": 0xFB,
             "FSIN": 0xFE, "FCOS": 0xFF}


def close(a: tuple[int, int], b: tuple[int, int]) -> bool:
    """Equal, or at most two units in the last place apart."""
    if a[1] >> 15 != b[1] >> 15 or abs((a[1] & 0x7FFF) - (b[1] & 0x7FFF)) > 1:
        return a == b
    low = min(a[1], b[1])
    return abs((a[0] << a[1] - low) - (b[0] << b[1] - low)) <= 2


@needs_host
@pytest.mark.parametrize("masked", [True, False], ids=["masked", "unmasked"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_against_the_host(engine_class, name, masked):
    """Everything but C1 and the last two bits of a result."""
    host, machine, r = HostX87(), X87Machine(engine_class), Random(f"{name} {masked}")
    code, same, results = bytes((0xD9, FUNCTIONS[name])), 0, 0
    for _ in range(200):
        before = state(r, masked)
        before.control |= 0x300
        if r.random() < .7:
            top = 62 if name in ("FSIN", "FCOS", "FSINCOS", "FPTAN") else 5
            before.st[0] = r.getrandbits(63) | 1 << 63, 0x3FFF + r.randrange(-70, top) | r.choice((0, 0x8000))
        actual, expected = machine.run(code, before), host.run(code, before)
        assert machine.fault is None
        assert (actual.control, actual.full, actual.memory) == (expected.control, expected.full, expected.memory)
        assert (actual.status ^ expected.status) & ~C1 == 0, f"{before}: {expected.status:#x} {actual.status:#x}"
        for want, got in zip(expected.st, actual.st):
            assert close(want, got), f"{before}: host {want}, engine {got}"
            same += want == got
            results += 1
    assert same > results * .98


def value(answer: tuple[int, int, int, int]) -> float:
    sign, exponent, high, low = answer
    return (-1) ** sign * float(Fraction((high << 64 | low)) * Fraction(2) ** (exponent - 16383 - 127))


def parts(x: float) -> tuple[int, int]:
    mantissa, exponent = math.frexp(abs(x))
    return int(mantissa * 2**64), exponent - 1 + 0x3FFF | (0x8000 if x < 0 else 0)


@pytest.mark.parametrize("operation, function, low, high", [
    (transcendental.EXP2_MINUS_1, lambda x, y: math.expm1(x * math.log(2)), -1, 1),
    (transcendental.Y_LOG2_X, lambda x, y: y * math.log2(x), 1e-9, 1e9),
    (transcendental.Y_LOG2_X_PLUS_1, lambda x, y: y * math.log1p(x) / math.log(2), -.5, 3),
    (transcendental.ATAN2, lambda x, y: math.atan2(y, x), -10, 10),
    (transcendental.SINE, lambda x, y: math.sin(x), -3, 3),
    (transcendental.COSINE, lambda x, y: math.cos(x), -3, 3),
    (transcendental.TANGENT, lambda x, y: math.tan(x), -3, 3),
])
def test_against_the_mathematics(operation, function, low, high):
    """To the precision of Python's own functions."""
    r = Random(operation)
    for _ in range(200):
        x, y = r.uniform(low, high), r.uniform(-5, 5)
        got = value(transcendental.evaluate(operation, *parts(x), *parts(y)))
        assert got == pytest.approx(function(x, y), rel=4e-14), (x, y)


def test_exact_and_tiny_results():
    """2**-1 - 1, logarithms of powers of two, and sin x just below x for the smallest x."""
    evaluate = transcendental.evaluate
    assert evaluate(transcendental.EXP2_MINUS_1, 1 << 63, 0xBFFF, 0, 0) == (1, 0x3FFE, 1 << 63, 0)
    assert evaluate(transcendental.Y_LOG2_X, 1 << 63, 0x3FFF + 5, 3 << 62, 0x3FFF) == (0, 0x3FFF + 2, 0xF << 60, 0)
    assert evaluate(transcendental.Y_LOG2_X_PLUS_1, 1 << 63, 0xBFFE, 1 << 63, 0x3FFF) == (1, 0x3FFF, 1 << 63, 0)
    ones = 2**64 - 1
    assert evaluate(transcendental.SINE, 1, 0, 0, 0) == (0, 1 - 64, ones, ones)
    assert evaluate(transcendental.TANGENT, 1, 0, 0, 0) == (0, 1 - 63, 1 << 63, 1)
    assert evaluate(transcendental.COSINE, 1, 0, 0, 0) == (0, 0x3FFE, ones, ones)
    assert evaluate(transcendental.ATAN2, 1 << 63, 0x7FFE, 1 << 63, 1) == (0, 0x3FFF - 0x7FFD - 1, ones, ones)


def test_constants():
    """pi and ln 2 to 120 bits, and within their stated error at other lengths."""
    assert transcendental.pi(200) >> 80 == 0x3243F6A8885A308D313198A2E0370734 >> 4
    assert transcendental.ln2(200) >> 80 == 0xB17217F7D1CF79ABC9E3B39803F2F6 >> 0
    for bits in (64, 192, 1000):
        assert abs((transcendental.pi(2000) >> 2000 - bits) - transcendental.pi(bits)) <= 2
        assert abs((transcendental.ln2(2000) >> 2000 - bits) - transcendental.ln2(bits)) <= 2
