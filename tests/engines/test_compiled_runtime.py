"""What keeps the compiled engine fast and exact: structure sizes, tail calls, code that changes, exact counts."""

import threading

import pytest

from emu.machine.bus import Bus
from emu.machine.memory import PhysicalMemory
from tests.flat import CODE, FlatMachine

core = pytest.importorskip("cext.core", reason="the compiled engine is not built: make build")


def test_decoded_instructions_stay_small():
    assert core.sizes()["Insn"] == 40


def test_a_million_instructions_need_no_stack():
    """Handlers end in jumps: were they calls, 64 KiB of stack would be gone after some thousand instructions."""
    outcome = []

    def run():
        from emu.engines.compiled import CompiledEngine
        machine = FlatMachine(CompiledEngine)
        machine.memory.write(CODE, bytes.fromhex("48ffc048ffc3ebf8"))       # inc rax; inc rbx; jmp back
        machine.engine.set("rip", CODE)
        machine.engine.set("gpr", 0, 0)
        machine.engine.run(1_000_000)
        outcome.append(machine.engine.get("gpr", 0))

    before = threading.stack_size(128 * 1024)
    try:
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    assert outcome == [333_334]


def test_the_engine_itself_takes_less_than_100_mib():
    import resource
    memory = PhysicalMemory(1 << 27)
    from emu.engines.compiled import CompiledEngine
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    engines = [CompiledEngine(memory, Bus(memory))]
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) < 100 * 1024 and engines
