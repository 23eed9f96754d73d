"""A mismatch made small: as little state as still shows it, printed as a test that can be pasted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tests.flat import REGISTERS
from tests.fuzz.case import DATA, DATA_SIZE, Case, make_case


def remake(case: Case, **changes) -> Case:
    """The case with changes, its mnemonic worked out again."""
    changed = replace(case, **changes)
    return make_case(changed.bits, changed.code, changed.rflags, changed.memory, **dict(zip(REGISTERS, changed.gpr)))


def shrink(case: Case, check: Callable[[Case], list[str]]) -> Case:
    """The smallest case found from `case` for which `check` still reports a difference of the same kind."""
    kind = _kind(check(case))

    def still(candidate):
        return _kind(check(candidate)) == kind

    for at in reversed(range(len(case.code) - 1)):          # prefixes that don't matter, then operand bytes
        candidate = remake(case, code=case.code[:at] + case.code[at + 1:])
        if candidate.mnemonic == case.mnemonic and still(candidate):
            case = candidate
    for number, value in enumerate(case.gpr):
        for smaller in (0, 1, value & 0xFF, value & 0xFFFF, value & 0xFFFFFFFF):
            if smaller < value:
                candidate = case.with_register(number, smaller)
                if still(candidate):
                    case = candidate
                    break
    for bit in range(2, 22):
        if case.rflags >> bit & 1 or bit == 2:
            candidate = remake(case, rflags=2 if bit == 2 else case.rflags & ~(1 << bit))
            if still(candidate):
                case = candidate
    size = DATA_SIZE
    while size >= 1:
        for start in range(0, DATA_SIZE, size):
            piece = case.memory[start:start + size]
            if any(piece):
                candidate = remake(case, memory=case.memory[:start] + bytes(size) + case.memory[start + size:])
                if still(candidate):
                    case = candidate
        size //= 4
    return case


def _kind(found):
    return found[0].split(":")[0] if found else None


def as_test(case: Case, found: list[str], number: int = 1) -> str:
    """Source of a test of this case."""
    registers = "".join(f", {name}={value:#x}" for name, value in zip(REGISTERS, case.gpr) if value)
    memory = {DATA + at: piece.hex() for at, piece in _runs(case.memory)}
    text = ", memory={" + ", ".join(f'{address:#x}: "{data}"' for address, data in memory.items()) + "}" if memory else ""
    lines = "".join(f"\n    {line}" for line in found)
    return (f"def test_{case.mnemonic.lower() or 'undefined'}_{number}(engine_class):\n"
            f'    """{case.bits}-bit {case.mnemonic} ({case.text}), differed in:{lines}\n    """\n'
            f'    case = make_case({case.bits}, "{case.code.hex()}", rflags={case.rflags:#x}{text}{registers})\n'
            f"    assert Oracle(engine_class, {case.bits}).check(case) == []\n")


def _runs(memory):
    """(offset, bytes) of the stretches that aren't zero."""
    at = 0
    while at < len(memory):
        if memory[at]:
            end = at
            while end < len(memory) and any(memory[end:end + 8]):
                end += 1
            yield at, memory[at:end]
            at = end
        at += 1
