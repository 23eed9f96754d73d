"""How the kernel ends: a fault of its own is told with registers, page walk and names, on every machine, and a stack has an end."""

from __future__ import annotations

import re

import pytest

from emu.guest.symbols import Symbols
from tests.guestos import ours, qemu

#: By the value of boot option crash=: what the first line says, what else there is, and the functions of the backtrace.
ENDS = {
    "null": ("page fault in the kernel on a user address", "write of 0000000000000008 in kernel mode:\n  PML4E at .* not present",
             "crash_as_asked start_init kthread_start"),
    "rodata": ("page fault in the kernel", r"write of ffffffff802\w+ in kernel mode:\n(  P.*\n){3}  PTE   at .* P NX\n", "crash_as_asked start_init kthread_start"),
    "execute": ("page fault in the kernel", r"fetch of ffffffff802\w+ in kernel mode:\n(  P.*\n){3}  PTE   at .* P W NX\n",
                "- crash_as_asked start_init kthread_start"),
    "stack": ("kernel stack overflow", r"exception 8 \(double fault\)(.*\n)+  PTE   at .* not present\n", "overflow overflow overflow"),
    "opcode": ("unexpected exception", r"exception 6 \(invalid opcode\), error code 0\nrax ", "crash_as_asked start_init kthread_start"),
    "assert": (r'guestos/kernel/debug/panic.c:\d+: strcmp\(how, "assert"\) does not hold', "task 1 .init.\nbacktrace",
               "panic crash_as_asked start_init kthread_start"),
}  # fmt: skip


def check(how: str, text: str) -> None:
    reason, more, functions = ENDS[how]
    assert re.match(rf"\nkernel panic: {reason}\ntask 1 \(init\)\n", text) and re.search(more, text), text
    lines = re.findall(r"^  (ffffffff\w{8})( (\w+)\+0x(\w+))?$", text.partition("backtrace")[2], re.MULTILINE)
    assert [name or "-" for _, _, name, _ in lines][:len(functions.split())] == functions.split(), text
    symbols = Symbols(ours.guest().kernel.read_bytes())
    for address, _, name, offset in lines:      # the kernel's own table says what its ELF file does
        back = 0 if (address, name) == (lines[0][0], lines[0][2]) else 1
        assert not name or symbols.by_name[name] == int(address, 16) - int(offset, 16) or symbols.at(int(address, 16) - back).startswith(name)


def line(how: str) -> str:
    return f"quiet crash={how} init=/bin/init"


@pytest.mark.parametrize("engine", ["compiled", "python"])
@pytest.mark.parametrize("how", ENDS)
def test_it_is_told(how, engine):
    if engine == "compiled":
        ours.require_compiled()
    with ours.Computer(ours.guest().own, line(how), engine) as computer:
        outcome = computer.finish()
    check(how, outcome.text)
    assert outcome.status == 255


@pytest.mark.parametrize("how", ENDS)
def test_it_is_told_on_qemu(how):
    qemu.require_tools()
    result = qemu.run(ours.guest().kernel, line(how), ours.guest().own)
    check(how, result.text)
    assert result.status == 0x7F                # 0xff, cut by QEMU's shift


def test_an_unknown_end_is_told_too():
    ours.require_compiled()
    with ours.Computer(ours.guest().own, line("nonsense")) as computer:
        assert "kernel panic: crash=nonsense: there are null, " in computer.finish().text
