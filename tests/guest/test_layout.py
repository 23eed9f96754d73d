"""The kernel's structures as its file describes them, and as they stand in guest memory."""

from __future__ import annotations

import pytest

from emu.engines import available
from emu.guest.kernel import GuestKernel
from emu.guest.layout import LayoutError, address_of
from tests.guestos import ours


@pytest.fixture(scope="module")
def kernel(guest) -> GuestKernel:
    """A guest in which a shell waits for `sleep`."""
    computer = ours.Computer(guest.own, ours.command_line("sleep 100 | cat"), available()[0])
    computer.settle()
    return GuestKernel(computer, guest.kernel)


def test_sizes_are_the_abis(kernel):
    sizes = {"kstat": 144, "kstatfs": 120, "timespec": 16, "siginfo": 128, "sigaction": 32, "rusage": 144, "utsname": 390, "trapframe": 176}
    assert {name: kernel.layouts.struct(name).size for name in sizes} == sizes


def test_fields(kernel):
    task, stat = kernel.layouts.struct("task"), kernel.layouts.struct("kstat")
    assert task.fields["comm"].type.size == 16 and task.fields["process"].type.target is kernel.layouts.struct("process")
    assert stat.fields["st_size"].offset == 48 and stat.fields["st_size"].type.signed
    # Of an unnamed structure in an unnamed union.
    assert kernel.layouts.struct("siginfo").fields["si_status"].offset == 24
    assert kernel.layouts.struct("task").fields["state"].type.values[0] == "TASK_RUNNING"


def test_what_is_not_there(kernel):
    with pytest.raises(LayoutError, match="no struct nonsense"):
        kernel.layouts.struct("nonsense")
    assert "nonsense" not in kernel.layouts and "task" in kernel.layouts
    with pytest.raises(AttributeError, match="struct task has no field 'pidd'; it has"):
        next(kernel.tasks()).pidd


def test_tasks_in_the_machine(kernel):
    tasks = {task.comm: task for task in kernel.tasks()}
    assert [task.pid for task in kernel.tasks()] == sorted(task.pid for task in kernel.tasks())
    assert {"init", "writeback", "sh", "sleep", "cat"} <= set(tasks)
    processes = {task.comm: task.process for task in tasks.values()}
    assert processes["sleep"].parent == processes["sh"] and processes["sh"].parent == processes["init"] and processes["init"].parent is None
    assert tasks["sleep"].state == "TASK_SLEEPING" and tasks["init"].pid == 1 and not tasks["init"].kernel_thread
    assert processes["init"].rlimit[3][0] == 8 << 20 and tasks["cat"].cred.cap_effective & 1
    assert address_of(tasks["init"], "comm") == address_of(tasks["init"]) + kernel.layouts.struct("task").fields["comm"].offset


def test_idle_processor(kernel):
    assert kernel.current().comm == "idle"
