"""The pytest plugin: fixtures of a booted guest, each test from the same snapshot, and budgets that count instructions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from emu.machine.machine import Machine
    from emu.testing.guest import Guest
    from emu.testing.places import Container, Places, VirtualMachine


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("ringzero", "Ringzero's guest")
    group.addoption("--ringzero-engine", choices=("compiled", "python"), help="the engine of the fixtures' machine (the faster one there is)")
    parser.addini("ringzero_memory", "RAM of the fixtures' machine", default="256M")
    parser.addini("ringzero_disk", "root disk of the fixtures' machine, relative to the ini file; it needs /bin/agent and /bin/sh", default="")


@pytest.fixture(scope="session")
def _booted(request: pytest.FixtureRequest) -> Iterator[Guest]:
    """One booted guest a process, and the snapshot that every test starts from."""
    from emu.testing.guest import boot

    disk = request.config.getini("ringzero_disk")
    guest = boot(request.config.rootpath / disk if disk else None, request.config.getini("ringzero_memory"),
                 request.config.getoption("--ringzero-engine"))
    guest.machine.snapshot("booted")
    yield guest
    guest.machine.close()


@pytest.fixture(scope="session")
def _places(_booted: Guest) -> Places:
    from emu.testing.places import Places

    return Places(_booted)


@pytest.fixture
def guest(_booted: Guest, _places: Places) -> Guest:
    """The booted guest, as if no test had run before: `guest.run("ls /bin")`, `guest.put(path, contents)`."""
    _places.begin()
    return _booted


@pytest.fixture
def container(guest: Guest, _places: Places) -> Callable[..., Container]:
    """`container(*options, image="base", name="", inside=None)`: a running container, on the guest or in a virtual machine."""
    return _places.container


@pytest.fixture
def vm(guest: Guest, _places: Places) -> Callable[..., VirtualMachine]:
    """`vm(*options, name="")`: a virtual machine that has booted; options are those of `vmm run`."""
    return _places.vm


@pytest.fixture
def machine(guest: Guest) -> Machine:
    """The machine that the guest runs on."""
    return guest.machine


@pytest.fixture
def c_program(guest: Guest) -> Callable[..., str]:
    """`c_program(source, name="program", flags=())` compiles C for the guest and puts it there; returns its path."""
    from emu.testing.guest import compile_program

    def make(source: str, name: str = "program", flags: tuple[str, ...] = ()) -> str:
        return guest.put(f"/tmp/{name}", compile_program(source, name, flags), 0o755)

    return make


@pytest.fixture
def instruction_budget(machine: Machine):
    """`with instruction_budget(n):` fails the test if the machine retires more than n instructions within."""

    @contextmanager
    def budget(limit: int) -> Iterator[None]:
        started = machine.retired
        yield
        used = machine.retired - started
        assert used <= limit, f"{used:,} instructions were retired, {used - limit:,} more than the budget of {limit:,}"

    return budget
