"""Each isolation property under its number, in a booted guest that every test finds as if no other had run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from emu.testing.guest import Guest, boot
from tests.guestos import ours, properties
from tests.isolation.catalogue import CATALOGUE, markdown

TESTS = Path(__file__).parent.parent
IN_THE_GUEST = [pytest.param(*proof.split(":"), id=f"{each.number}-{proof.split(':')[1]}") for each in CATALOGUE for proof in each.proofs if "::" not in proof]


@pytest.fixture(scope="module")
def booted() -> Guest:
    ours.require_compiled()
    guest = boot(properties.disk(), memory="128M")
    guest.machine.snapshot("booted")
    return guest


@pytest.fixture
def guest(booted: Guest) -> Guest:
    booted.machine.restore(booted.machine.snapshots.root)
    return booted


@pytest.fixture(scope="module")
def booted_whole() -> Guest:
    ours.require_compiled()
    guest = boot(memory="128M")
    guest.machine.snapshot("booted")
    return guest


@pytest.fixture
def whole(booted_whole: Guest) -> Guest:
    """With what virtual machines boot from."""
    booted_whole.machine.restore(booted_whole.machine.snapshots.root)
    return booted_whole


def test_every_property_has_its_place():
    wanted = [*(f"C{n}" for n in range(1, 50)), *(f"V{n}" for n in range(1, 24)), "N1", "N2", "N3"]
    assert [each.number for each in CATALOGUE] == wanted
    assert all(each.proofs or each.missing for each in CATALOGUE)


@pytest.mark.parametrize(("program", "name"), IN_THE_GUEST)
def test_in_the_guest(guest: Guest, program: str, name: str):
    done = guest.run(f"cd /tmp; {program} {name}")
    assert done.status == 0 and done.stdout == f"{name}{properties.HOLDS}\n0 failed\n", done.stdout


@pytest.mark.parametrize("proof", sorted({proof for each in CATALOGUE for proof in each.proofs if "::" in proof}))
def test_elsewhere(proof: str):
    """The tests that the catalogue names are there; they run by themselves."""
    file, name = proof.split("::")
    text = (TESTS / file).read_text()
    assert name == "*" or re.search(rf"^def {name}\(", text, re.MULTILINE), f"{file} has no {name}"


def test_properties_hold_on_linux(tmp_path):
    properties.check_native("isolationtests", tmp_path, properties.UNSHARE)


def test_V23_a_restored_snapshot_runs_on_alike(whole: Guest):
    whole.run("vmm run -d --name a -c 'while true; do echo x > /tmp/y; done'").check()
    machine = whole.machine
    machine.run(3_000_000)
    here = machine.snapshot("running")
    digests = []
    for _ in range(2):
        machine.restore(here)
        machine.run(2_000_000)
        digests.append(machine.digest())
    assert digests[0] == digests[1] and machine.engine.get("vm_exits", 0xFE)


@pytest.mark.parametrize("inside", ["contain sh -c '{}'", "vmm run -c '{}'"], ids=["containers", "virtual machines"])
def test_N1_a_secret_changes_nothing_outside(whole: Guest, inside: str):
    """Twins from one snapshot: only the secret differs. What the observer prints, and how many instructions it takes, does not."""
    observed = []
    for secret in ("aaaaaaaaaaaaaaaa", "zzzzzzzzzzzzzzzz"):
        whole.machine.restore(whole.machine.snapshots.root)
        whole.run(inside.format(f"echo {secret} > /tmp/mine; sort /tmp/mine > /tmp/other; wc -c /tmp/other")).check()
        done = whole.run(inside.format("ls -l /tmp; ps; cat /proc/mounts; free | wc -l; uname -a")).check()
        observed.append((done.stdout, done.instructions))
    assert observed[0] == observed[1] and "Linux" in observed[0][0]


def test_the_manual_lists_them():
    assert (TESTS.parent / "docs" / "isolation.md").read_text() == markdown()


def test_the_attack_matrix_is_what_the_manual_shows():
    ours.require_compiled()
    from tests.isolation import attacks

    assert (TESTS.parent / "docs" / "attacks.md").read_text() == attacks.markdown()
