"""The audit of page tables: what is shared for a reason, and what somebody has tampered with."""

from __future__ import annotations

import json

import pytest

from emu.boundary.audit import audit
from emu.guest.system import System
from tests.cli.ringzero import ringzero
from tests.guestos import ours, properties

_PAGE = 4096


@pytest.fixture(autouse=True)
def compiled():
    ours.require_compiled()


def looking_at(script: str, instructions: int | None = None) -> System:
    """The guest once everything waits, or after so many instructions."""
    computer = ours.Computer(properties.disk(), ours.command_line(script), memory="64M")
    if instructions is None:
        computer.settle()
    else:
        computer.run(instructions)
    return System.on(computer, ours.guest().kernel)


def process(system: System, name: str, which: int = 0):
    return [each for each in system.processes() if each.name == name][which]


def remap(system: System, victim, address: int, frame: int, writable: bool = True) -> None:
    """Tamper with `victim`'s page table: its page at `address` becomes the machine's `frame`."""
    table = victim.memory.root
    for shift in (39, 30, 21):
        table = int.from_bytes(system.memory.read(table + (address >> shift & 511) * 8, 8), "little") & 0xFFFFFFFFFF000
    entry = frame | 0x67 if writable else frame | 0x65
    system.machine.poke(table + (address >> 12 & 511) * 8, entry.to_bytes(8, "little"))


def private_page(of) -> tuple[int, int]:
    """(address, frame) of a page that only this process has and may write."""
    areas = {area.start: area for area in of.areas()}
    mapping = next(m for m in of.memory.mappings() if m.writable and m.user and m.address not in areas)
    return mapping.address, mapping.target


def owners(found, name: str):
    return next(account for account in found.accounts if account.owner.name.startswith(name))


def test_programs_share_files_and_nothing_else():
    found = audit(looking_at("sleep 50 & sleep 60 & (sleep 70; true) | cat"))
    assert not found.breaches and found.reasons["file"] > 5
    sleeper = owners(found, "sleep")
    assert sleeper.shared["file"] and sleeper.frames == sleeper.alone + sum(sleeper.shared.values()) and sleeper.writable <= sleeper.alone


def test_a_fork_shares_until_someone_writes():
    found = audit(looking_at("(sleep 70; true) & (sleep 80; true) & wait"))
    assert not found.breaches and found.reasons["copy-on-write"]


def test_a_frame_of_another_process_is_a_breach():
    system = looking_at("sleep 50 | cat")
    cat, sleep = process(system, "cat"), process(system, "sleep")
    address, _ = private_page(cat)
    _, secret = private_page(sleep)
    remap(system, cat, address, secret)
    breach, = audit(system).breaches
    assert breach.address == secret and len(breach.owners) == 2 and "sleep" in str(breach.owners) and "cat" in str(breach.owners)
    remap(system, cat, address, secret, writable=False)
    assert audit(system).breaches == [breach]           # the other one still writes it


def test_a_page_table_is_for_nobody():
    system = looking_at("sleep 50 | cat")
    cat = process(system, "cat")
    remap(system, cat, private_page(cat)[0], process(system, "sleep").memory.root, writable=False)
    breach, = audit(system).breaches
    assert breach.why == "it is a page table"


#: When programs/kvmtests.c is in a guest that does nothing but run.
SPINNING = "kvmtests a_signal_ends_the_run & kvmtests a_signal_ends_the_run & sleep 5"


def test_virtual_machines_are_their_monitors():
    system = looking_at(SPINNING, 16_000_000)
    found = audit(system)
    vms = [account for account in found.accounts if account.owner.kind == "vm"]
    assert not found.breaches and len(vms) == len(system.vms()) == 2
    assert all(vm.frames >= 4 and vm.shared["monitor"] == vm.frames for vm in vms)


def test_a_virtual_machines_memory_is_for_no_stranger():
    system = looking_at(SPINNING, 16_000_000)
    vm, sleep = system.vms()[0], process(system, "sleep")
    frame = next(vm.memory.mappings()).target
    remap(system, sleep, private_page(sleep)[0], frame, writable=False)
    breach, = audit(system).breaches
    assert breach.address == frame and "not its monitor" in breach.why


def test_the_command(tmp_path):
    done = ringzero("audit", "-c", "sleep 5 | cat", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0 and found["breaches"] == [] and {"sleep (4)", "cat (5)"} <= {owner["name"] for owner in found["owners"]}
    done = ringzero("audit", "-c", "sleep 5 | cat")
    assert done.returncode == 0 and "cat (5)" in done.stdout.decode() and b"No frame is reached" in done.stdout
    done = ringzero("audit", "-c", "true")
    assert done.returncode == 125 and b"ended before it could be looked at" in done.stderr
