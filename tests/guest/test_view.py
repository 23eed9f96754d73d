"""Machine.guest: records of what runs, read from guest memory."""

from __future__ import annotations

import dataclasses

import pytest

from emu.boundary.audit import audit
from emu.errors import ImageError
from emu.machine.machine import Machine
from emu.testing.guest import boot
from tests.guestos import ours, properties


def computer(script: str, instructions: int | None = None, memory: str = "64M") -> Machine:
    """The guest once everything waits, or after so many instructions."""
    ours.require_compiled()
    made = ours.Computer(properties.disk(), ours.command_line(script), memory=memory)
    made.settle() if instructions is None else made.run(instructions)
    return made


def test_processes_have_names_parents_ids_and_page_tables():
    guest = computer("sleep 50 | cat").guest
    init, sleep, cat = (guest.process(name) for name in ("sh", "sleep", "cat"))
    assert (sleep.parent, cat.parent) == (init.pid, init.pid) and sleep.state == cat.state == "S" and sleep.threads == 1
    assert sleep.cr3 != cat.cr3 and sleep.cr3 == sleep.seen.memory.root and sleep.root == "/" and sleep.cgroup == "/"
    assert sleep.namespaces == cat.namespaces and len(sleep.namespaces) == 7 and sleep.pids == (sleep.pid,)
    assert sleep.credentials.euid == 0 and sleep.credentials.effective == sleep.credentials.permitted != 0
    assert guest.containers() == guest.vms() == ()
    with pytest.raises(dataclasses.FrozenInstanceError):
        sleep.pid = 1
    with pytest.raises(LookupError, match=r"no process 'dog' on host; there are .*cat \("):
        guest.process("dog")


def test_a_container_has_a_first_process_and_namespaces_of_its_own():
    guest = computer("sleep 50 & contain sleep 60").guest
    container, = guest.containers()
    outside = guest.process(next(each.pid for each in guest.processes() if each.name == "sleep" and len(each.pids) == 1))
    assert container.init.name == "sleep" and container.init.pids == (container.init.pid, 1)
    assert container.own == {"mnt", "uts", "ipc", "net", "pid", "cgroup"} and container.namespaces["user"] == outside.namespaces["user"]
    assert [each.pid for each in container.processes] == [container.init.pid]
    assert container.init.credentials.no_new_privs and not outside.credentials.no_new_privs
    assert container.init.credentials.effective < outside.credentials.effective
    pid_namespaces = [each for each in guest.namespaces() if each.kind == "pid"]
    assert len(pid_namespaces) == 2 and pid_namespaces[1].members == (container.init.pid,)
    assert pid_namespaces[1].owner == outside.namespaces["user"]


def test_a_virtual_machines_own_processes_are_seen_through_it():
    ours.require_compiled()
    machine = boot(memory="128M").machine
    command = b"vmm run -c 'sleep 50'"
    machine.type(b"run %d\n" % len(command) + command)
    machine.settle()
    vm, = machine.guest.vms()
    assert vm.guest is not None and vm.kernel.startswith("Linux") and vm.guest.kernel_frame != machine.guest.kernel_frame
    assert machine.guest.process(vm.monitor).name == "vmm" and vm.slots[0].start == 0 and len(vm.vcpus) == 1
    assert vm.guest.process("sleep").system == vm.name and vm.guest.process(1).pids == (1,)
    assert "sleep" not in [each.name for each in machine.guest.processes()]
    assert not audit(machine.guest.system).breaches


def test_without_a_kernel_there_is_nothing_to_see():
    with pytest.raises(ImageError, match="no kernel is loaded"):
        Machine("16M").guest
