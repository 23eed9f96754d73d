"""The very same kernel in a virtual machine of the guest's: what it does, what it costs, what it can reach."""

from __future__ import annotations

import pytest

from emu.boundary.audit import audit
from emu.guest.system import System
from emu.testing.guest import boot
from guestos import build
from tests.guestos import ours


@pytest.fixture(autouse=True)
def compiled():
    ours.require_compiled()


def test_its_status_is_the_monitors():
    guest = boot(memory="128M")
    done = guest.run(["vmm", "run", "-c", "uname -s; echo $$ | cat; exit 3"])
    assert (done.status, done.stdout) == (3, "Linux\n3\n"), done
    assert done.instructions < 20_000_000


def test_two_at_once_share_nothing():
    guest = boot(memory="256M")
    guest.run("vmm run -d --name a -c 'sleep 100'; vmm run -d --name b -c 'sleep 100'").check()
    guest.run("sleep 0.2").check()
    assert [line.split()[0] for line in guest.run("vmm ps").check().stdout.splitlines()] == ["NAME", "a", "b"]
    host = System.on(guest.machine, ours.guest().kernel)
    found = audit(host)
    assert not found.breaches and len(host.vms()) == 2
    for vm in host.vms():
        inside = [process.name for process in vm.system.processes()]
        assert inside[0] == "init" and "sleep" in inside and "vmm" not in inside
        assert vm.system.name in {account.owner.system for account in found.accounts}
    assert "vmm" in [process.name for process in host.processes()] and "sleep" not in [process.name for process in host.processes()]
    guest.run("vmm stop a").check()
    assert [line.split()[0] for line in guest.run("vmm ps").check().stdout.splitlines()] == ["NAME", "b"]


def cost_of_exit(guest, program: str, kind: str) -> float:
    """Instructions that an exit takes, there and back, above the guest's own."""
    few, many = (guest.run([program, kind, str(count)]).check().instructions for count in (1000, 3000))
    return (many - few) / 2000


def test_what_exits_cost():
    guest = boot()
    program = guest.put("/tmp/exits", build.build_program([ours.PROGRAMS / "exits.c"], ours.CACHE / "exits", [*build.USER_FLAGS, "-O1", "-w"]).read_bytes(), 0o755)
    kernels, monitors = cost_of_exit(guest, program, "cpuid"), cost_of_exit(guest, program, "out")
    print(f"an exit that the kernel handles: {kernels:.0f} instructions; one that the monitor handles: {monitors:.0f}")
    assert cost_of_exit(guest, program, "plain") < 10
    assert kernels < 1500 and monitors < 6000
