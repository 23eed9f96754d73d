"""Snapshots: going back is exact, on both engines, in any order, and costs what was written."""

from __future__ import annotations

import random
import time

import keystone
import pytest

from emu.devices.disk import Disk
from emu.engines import available
from emu.errors import ConfigurationError
from emu.machine.machine import Machine, Reason

BASE = 0x10000
#: Writes to a page chosen by a multiplicative generator, 8 bytes at a time, and to code that it then runs.
PROGRAM = """
again:
    imul rax, rax, 0x5deece6d
    add rax, 11
    mov rbx, rax
    shr rbx, 20
    and rbx, 0xff000
    mov [0x100000 + rbx + 8], rax
    mov byte ptr [patched + 1], bl
patched:
    mov cl, 0x11
    add rdx, rcx
    jmp again
"""


@pytest.fixture(params=available())
def machine(request):
    code, _ = keystone.Ks(keystone.KS_ARCH_X86, keystone.KS_MODE_64).asm(PROGRAM, BASE)
    m = Machine("4M", request.param)
    m.load_flat(bytes(code), BASE)
    return m


def test_going_back_is_exact(machine):
    machine.run(1000)
    snapshot, digest = machine.snapshot("here"), machine.digest()
    machine.run(5000)
    later = machine.digest()
    machine.restore(snapshot)
    assert machine.digest() == digest and machine.retired == 1000
    machine.run(5000)
    assert machine.digest() == later != digest


def test_any_way_through_the_tree_arrives(machine):
    rng = random.Random(5)
    known = [(machine.snapshot("power-on"), machine.digest())]
    for _ in range(60):
        snapshot, digest = rng.choice(known)
        machine.restore(snapshot)
        assert machine.digest() == digest
        machine.run(rng.choice([0, 1, 17, 300]))
        if rng.random() < 0.5:
            machine.memory.write(rng.randrange(0x200000, 0x300000), rng.randbytes(rng.choice([1, 5000])))
        if rng.random() < 0.6 and len(known) < 25:
            known.append((machine.snapshot(), machine.digest()))
        elif rng.random() < 0.3:
            leaves = [pair for pair in known[1:] if not pair[0].children]
            if leaves:
                before = machine.digest()
                gone = rng.choice(leaves)
                machine.snapshots.drop(gone[0])
                known.remove(gone)
                assert machine.digest() == before
    for snapshot, digest in known:
        machine.restore(snapshot)
        assert machine.digest() == digest


def test_a_snapshot_changes_nothing(machine):
    plain = Machine("4M", machine.engine.name)
    plain.load_flat(machine.memory.read(BASE, 64), BASE)
    for _ in range(10):
        machine.run(37)
        machine.snapshot()
        plain.run(37)
    assert machine.digest() == plain.digest()


def test_it_knows_what_was_written(machine):
    machine.run(100)
    machine.snapshot()
    machine.memory.write(0x3000, bytes(0x2001))
    machine.run(10)
    dirty = set(machine.memory.dirty())
    assert {3, 4, 5, BASE >> 12} <= dirty and len(dirty) <= 8
    assert machine.snapshot().pages == len(dirty)


@pytest.mark.parametrize("pages, limit_ms", [(256, 0.5), (16384, 30)])
def test_restore_costs_what_was_written(pages, limit_ms):
    if "compiled" not in available():
        pytest.skip("the compiled engine is not built: make build")
    machine = Machine("128M", "compiled")
    snapshot = machine.snapshot()
    best = float("inf")
    for _ in range(10 if pages < 1000 else 4):
        for page in range(pages):
            machine.memory.write((16 << 20) + (page << 12), b"x")
        begun = time.perf_counter()
        machine.restore(snapshot)
        best = min(best, (time.perf_counter() - begun) * 1000)
    assert not any(machine.memory.read(16 << 20, pages << 12))
    assert best < limit_ms


def test_what_cannot_be_restored_is_refused(machine, tmp_path):
    first = machine.snapshot()
    with pytest.raises(ConfigurationError, match="another machine"):
        Machine("4M", machine.engine.name).restore(first)
    second = machine.snapshot()
    with pytest.raises(ConfigurationError, match="has children"):
        machine.snapshots.drop(first)
    machine.snapshots.drop(second)
    with pytest.raises(ConfigurationError, match="was dropped"):
        machine.restore(second)
    image = tmp_path / "disk.img"
    image.write_bytes(bytes(1 << 20))
    with pytest.raises(ConfigurationError, match="can't go back"):
        Machine("4M", disk=image, writable=True).snapshot()


def test_disk_console_and_end_go_back_too(tmp_path):
    image = tmp_path / "disk.img"
    image.write_bytes(bytes(1 << 20))
    disk = Disk(image)
    machine = Machine("4M", disk=disk)
    code, _ = keystone.Ks(keystone.KS_ARCH_X86, keystone.KS_MODE_64).asm("mov dx, 0x3f8; mov al, 65; out dx, al; mov dx, 0xf4; out dx, eax", BASE)
    machine.load_flat(bytes(code), BASE)
    disk.write(100, b"before")
    snapshot, digest = machine.snapshot(), machine.digest()
    disk.write(98, b"after")
    assert machine.run().reason is Reason.POWER_OFF and bytes(machine.console) == b"A"
    machine.restore(snapshot)
    assert disk.read(98, 10) == b"\0\0before\0\0" and not machine.console and machine.digest() == digest
    assert machine.run().reason is Reason.POWER_OFF and bytes(machine.console) == b"A"


def test_a_power_cut_is_as_of_the_snapshot(tmp_path):
    image = tmp_path / "disk.img"
    image.write_bytes(bytes(1 << 20))
    with Machine("4M", disk=image) as machine:
        machine.disk.write(0, b"a" * 512)
        snapshot = machine.snapshot()
        machine.disk.flush()
        machine.disk.write(0, b"b" * 512)

        def found() -> set[bytes]:
            disks = [machine.power_cut(seed) for seed in range(40)]
            first = {disk.read(0, 1) for disk in disks}
            for disk in disks:
                disk.close()
            return first

        assert found() == {b"a", b"b"}
        machine.restore(snapshot)
        assert found() == {b"a", b"\0"}
    with pytest.raises(ConfigurationError, match="no disk"):
        Machine("4M").power_cut(1)
