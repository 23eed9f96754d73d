"""Code that changes under the CPU's feet, and exact counts, on each engine (APM vol. 2, 7.6.1: no flush needed)."""

import pytest

from emu.engines.engine import StopReason
from tests.flat import CODE, DATA, FlatMachine

LOOP = "48ffc0 48ffc3 48ffc9 75f5"              # inc rax; inc rbx; dec rcx; jnz


@pytest.fixture
def machine(engine_class):
    return FlatMachine(engine_class)


def start(machine, code, at=CODE, **registers):
    machine.memory.write(at, bytes.fromhex(code.replace(" ", "")))
    machine.engine.set("rip", at)
    for name, value in registers.items():
        machine.engine.set("gpr", value, ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi").index(name))
    return machine.engine


def test_a_store_changes_the_next_instruction(machine):
    # mov byte [rip+1], 0x45 turns "mov eax, 0x12" into "mov eax, 0x45"; 6 more bytes follow, then hlt
    engine = start(machine, "c6 05 01 00 00 00 45  b8 12 00 00 00  f4")
    engine.run(3)
    assert engine.get("gpr", 0) == 0x45


def test_a_loop_that_rewrites_its_own_immediate(machine):
    # again: add eax, 1; inc byte [rip-7] (the immediate); dec ecx; jnz again; hlt
    engine = start(machine, "83 c0 01  fe 05 f9 ff ff ff  ff c9  75 f3  f4", rax=0, rcx=10)
    engine.run(1000)
    assert engine.get("gpr", 0) == sum(range(1, 11))


def test_code_written_from_outside_is_seen(machine):
    engine = start(machine, LOOP, rax=0, rbx=0, rcx=1000)
    engine.run(8)
    assert engine.get("gpr", 0) == 2
    machine.memory.write(CODE, bytes.fromhex("48ffc8"))          # dec rax now
    engine.run(4)
    assert engine.get("gpr", 0) == 1


def test_an_instruction_across_two_pages(machine):
    at = CODE + 0x1000 - 3
    engine = start(machine, "48 b8 88 77 66 55 44 33 22 11 ff c3 f4", at=at)
    engine.run(2)
    assert engine.get("gpr", 0) == 0x1122334455667788
    machine.memory.write(CODE + 0x1000, b"\x99")                 # the second page's part of it
    engine.set("rip", at)
    engine.run(1)
    assert engine.get("gpr", 0) == 0x1122334455669988


def test_data_beside_code_in_one_page(machine):
    engine = start(machine, "48 ff 05 f9 0f 00 00  ff c9  75 f5  f4".replace("f9 0f", "f9 07"), rcx=500)
    engine.run(10_000)
    assert machine.memory.read_int(CODE + 0x800, 8) == 500


@pytest.mark.parametrize("pieces", [[1], [2, 3, 5, 7], [100], [1, 64, 65, 63]])
def test_a_run_stops_at_exactly_its_limit(machine, pieces):
    engine = start(machine, LOOP, rax=0, rbx=0, rcx=1_000_000)
    total = 0
    while total < 1000:
        for piece in pieces:
            assert engine.run(piece).reason is StopReason.LIMIT
            total += piece
            assert engine.retired == total
    done = total // 4
    assert engine.get("gpr", 0) == done + (total % 4 >= 1)
    assert engine.get("gpr", 3) == done + (total % 4 >= 2)


def test_repeated_strings_count_their_iterations(machine):
    engine = start(machine, "f3 aa f4", rcx=100, rdi=DATA, rax=0x5A)
    engine.run(40)
    assert engine.get("gpr", 1) == 60 and engine.get("rip") == CODE and engine.retired == 40
    engine.run(60)
    assert engine.get("gpr", 1) == 0 and engine.get("rip") == CODE + 2 and engine.retired == 100
    assert machine.memory.read(DATA, 101) == b"\x5a" * 100 + b"\0"


def test_breakpoints_stop_before_their_instruction(machine):
    engine = start(machine, LOOP, rax=0, rbx=0, rcx=5)
    engine.set_breakpoints({CODE + 3})
    for k in range(1, 4):
        assert engine.run(1000).reason is StopReason.BREAKPOINT
        assert engine.get("rip") == CODE + 3 and engine.get("gpr", 0) == k


def test_breakpoints_come_and_go_in_code_that_runs(machine):
    engine = start(machine, LOOP, rax=0, rbx=0, rcx=1_000_000)
    engine.run(1000)
    engine.set_breakpoints({CODE, CODE + 6})
    seen = []
    for _ in range(6):
        assert engine.run(1000).reason is StopReason.BREAKPOINT
        seen.append(engine.get("rip") - CODE)
    assert seen == [0, 6] * 3 or seen == [6, 0] * 3
    at = engine.retired
    assert engine.run(1).reason is StopReason.LIMIT and engine.retired == at + 1
    engine.set_breakpoints(())
    assert engine.run(1000).reason is StopReason.LIMIT and engine.retired == at + 1001


def test_flags_survive_the_instructions_that_keep_them(machine):
    # cmp sets CF; bt changes CF alone; cmovb must see bt's, jz cmp's
    engine = start(machine, "39 d8  0f ba e1 00  0f 42 d6  74 02 ff c7 f4", rax=5, rbx=5, rcx=1, rdx=0, rsi=7, rdi=0)
    engine.run(4)
    assert engine.get("gpr", 2) == 7 and engine.get("rip") == CODE + 13
