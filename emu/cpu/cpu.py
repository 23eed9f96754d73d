"""The Python virtual CPU: the state's fields as attributes, the shared texts and primitives as its methods.

What an engine supplies (physical memory, the bus, caches of its own) is declared here as `Environment`.
"""

from __future__ import annotations

import importlib
import inspect
from typing import Protocol

from emu.cpu import floating, primitives, transcendental
from emu.cpu.state import FIELDS, TRANSIENT
from emu.cpu.vector import V128

# Modules whose functions take `cpu` first: each becomes a method, here, and a C function in the compiled engine.
SHARED = ("flags", "registers", "memory", "debug", "paging", "nested", "segments", "interrupts", "events", "transfers", "tasks", "msr", "cpuid",
          "control", "intercepts", "vmcb", "svm", "fpu", "float80", "float80_convert", "float80_functions", "xstate", "sse", "packed", "strings")


class Environment(Protocol):
    """The primitives that depend on the engine; sizes in bytes."""

    def physical_read(self, pa: int, size: int) -> int: ...
    def physical_write(self, pa: int, size: int, value: int) -> None: ...
    def remember_read(self, la: int, pa: int) -> None: ...
    def remember_write(self, la: int, pa: int) -> None: ...
    def evict(self, la: int) -> None: ...
    def evict_all(self) -> None: ...
    def mode_changed(self, previous_mmu_mode: int) -> None: ...
    def switch_world(self, guest: int, leaving_asid: int) -> None: ...
    def breakpoints_changed(self) -> None: ...
    def bulk_copy(self, destination_la: int, source_la: int, count: int, width: int) -> int: ...
    def bulk_fill(self, destination_la: int, count: int, width: int, value: int) -> int: ...
    def bulk_compare(self, left_la: int, right_la: int, count: int, width: int) -> int: ...
    def bulk_scan(self, la: int, count: int, width: int, value: int, equal: int) -> int: ...
    def port_read(self, port: int, size: int) -> int: ...
    def port_write(self, port: int, size: int, value: int) -> None: ...


def shared_functions() -> dict[str, object]:
    """Every function of the shared modules that exist, by name."""
    found = {}
    for module_name in SHARED:
        try:
            module = importlib.import_module(f"emu.cpu.{module_name}")
        except ModuleNotFoundError as error:
            if error.name != f"emu.cpu.{module_name}":
                raise
            continue
        for name, function in vars(module).items():
            if inspect.isfunction(function) and function.__module__ == module.__name__ and not name.startswith("_"):
                if name in found:
                    raise ValueError(f"emu/cpu/{module_name}.py: {name}() is defined twice in emu/cpu")
                found[name] = function
    return found


class Cpu:
    """Registers and everything else of `emu/cpu/state.py`; engines derive from it."""

    def __init__(self) -> None:
        for field in FIELDS + TRANSIENT:
            if field.type == "V128":
                setattr(self, field.name, [V128() for _ in range(field.count)])
            elif field.count > 1:
                setattr(self, field.name, [field.reset] * field.count)
            else:
                setattr(self, field.name, field.reset)


for _name, _function in shared_functions().items():
    setattr(Cpu, _name, _function)
Cpu.vector = staticmethod(V128)
for _name, _function in vars(primitives).items():
    if inspect.isfunction(_function) and _function.__module__ == primitives.__name__:
        setattr(Cpu, _name, staticmethod(_function))
for _name, _function in vars(floating).items():     # floating-point primitives take `cpu`: they need MXCSR
    if inspect.isfunction(_function) and _function.__module__ == floating.__name__ and not _name.startswith("_"):
        setattr(Cpu, _name, _function)
Cpu.x87_transcendental = transcendental.x87_transcendental
