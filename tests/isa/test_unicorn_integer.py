"""Every encoding of every integer instruction on random state: our engines against Unicorn, and against each other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from emu.engines.python import PythonEngine
from tests.conftest import ENGINES
from tests.fuzz.case import Generator, encodings_for, make_case
from tests.fuzz.compare import DEVIATIONS, Oracle
from tests.fuzz.machines import EngineMachine
from tests.fuzz.shrink import as_test, shrink

ROUNDS = 12         # cases of each of about 330 encodings
SEED = 20


@pytest.mark.parametrize("bits", (64, 32))
def test_agrees_with_unicorn(engine_class, bits):
    """Registers, RIP, defined flags, memory, faults and retired counts; a failure prints the smallest case found."""
    oracle, generator = Oracle(engine_class, bits), Generator(SEED, bits)
    for _ in range(ROUNDS):
        for encoding in encodings_for(bits):
            case = generator.case(encoding)
            if oracle.check(case):
                small = shrink(case, oracle.check)
                pytest.fail(as_test(small, oracle.check(small)), pytrace=False)


@pytest.mark.skipif("compiled" not in ENGINES, reason="the compiled engine isn't built: run `make build`")
@pytest.mark.parametrize("bits", (64, 32))
def test_engines_agree(bits):
    """Everything, undefined flags included, is equal on both engines."""
    machines = [EngineMachine(engine, bits) for engine in ENGINES.values()]
    generator = Generator(SEED + 1, bits)
    for _ in range(ROUNDS):
        for encoding in encodings_for(bits):
            case = generator.case(encoding)
            for iterations in (1, 3):
                first, second = (machine.run(case, iterations) for machine in machines)
                assert first == second, case


@pytest.mark.skipif("compiled" not in ENGINES, reason="the compiled engine isn't built: run `make build`")
@pytest.mark.parametrize("bits", (64, 32))
def test_engines_agree_on_blocks(bits):
    """Runs of instructions, at every length: flags that a block leaves out, fused pairs and exact limits don't show."""
    machines = [EngineMachine(engine, bits) for engine in ENGINES.values()]
    generator, encodings = Generator(SEED + 2, bits), encodings_for(bits)
    plain = [e for e in encodings if e.instruction.family not in ("control", "stack", "strings")]
    branches = [e for e in encodings if e.instruction.mnemonic == "Jcc"]
    for round_ in range(150):
        case = generator.block(plain + branches if round_ % 3 else encodings, 12)
        for limit in (1, 2, 3, 5, 8, 13, 40):
            first, second = (machine.run_block(case, limit) for machine in machines)
            different = [name for name in first if first[name] != second[name]]
            assert not different, f"{different} after {limit} instructions of {case.code.hex()} from {case}"


def test_the_comparison_notices(monkeypatch):
    """A wrong flag, register, memory byte, fault or count is reported: the comparison itself can fail."""
    oracle = Oracle(PythonEngine, 64)
    add = make_case(64, "0118", rax=0x4100, rbx=5)
    assert oracle.check(add) == []
    truth = oracle.engine.run(add, 1)
    for wrong in (replace(truth, rflags=truth.rflags ^ 1), replace(truth, rip=truth.rip + 1),
                  replace(truth, gpr=(1, *truth.gpr[1:])), replace(truth, memory=b"\xFF" + truth.memory[1:]),
                  replace(truth, fault=13), replace(truth, retired=2)):
        monkeypatch.setattr(oracle.engine, "run", lambda case, iterations, wrong=wrong: wrong)
        assert oracle.check(add) != []


def test_shrinking_keeps_the_difference():
    """Shrinking removes what doesn't matter and keeps what does."""
    case = make_case(64, "6648 01 d8", rflags=0x8D7, rax=0x1234, rbx=0x77, rcx=99, memory={0x4000: "0102"})

    def check(candidate):
        return ["rax: wrong"] if candidate.gpr[3] & 7 == 7 else []
    small = shrink(case, check)
    assert small.gpr[3] & 7 == 7 and small.gpr[1] == 0 and small.rflags == 2 and not any(small.memory)
    assert "def test_add_1(engine_class):" in as_test(small, ["rax: wrong"])


def test_deviations_cite_a_manual():
    """Each place where Unicorn is held to be wrong says which manual page says so, and has its own name."""
    assert len({d.name for d in DEVIATIONS}) == len(DEVIATIONS)
    assert all("APM vol." in d.manual or "SDM vol." in d.manual or d.manual == "the same" for d in DEVIATIONS)
