"""The compiled engine: drives `cext`, the native translation of the instruction texts, by the Engine protocol."""

from __future__ import annotations

import importlib
import marshal
from pathlib import Path

from cext import core, generated
from cext.generated.families import FAMILIES
from emu.cpu.mode import derive_mode
from emu.cpu.state import FIELDS, TRANSIENT
from emu.engines.engine import Stop, StopReason

_STOPS = (Stop(StopReason.LIMIT), Stop(StopReason.HALT), Stop(StopReason.EXIT_REQUEST))
_BREAKPOINT = Stop(StopReason.BREAKPOINT)
MASK64 = 0xFFFFFFFFFFFFFFFF


def _install():
    tables, infos, fields, families = marshal.loads((Path(generated.__file__).parent / "tables.bin").read_bytes())
    if fields != [(f.name, f.type, f.count) for f in FIELDS + TRANSIENT]:
        raise ImportError("it was built from another emu/cpu/state.py; build it again (make build)")
    rows = []
    for family in FAMILIES:
        addresses = iter(importlib.import_module(f"cext.generated.isa_{family}").handlers())
        rows += [(key, [has and next(addresses) for has in versions], facts, [has and next(addresses) for has in fused])
                 for key, versions, facts, fused in families[family]]
    core.install(rows, infos, tables)


_install()


def _layout():
    """Byte offset of each field in the CPU structure: they stand in order behind the runtime's own."""
    offset = core.fields_offset()
    layout = {}
    for field in FIELDS + TRANSIENT:
        if field.name == "rep_budget":
            continue
        size = 16 if field.type == "V128" else 8
        if field.type == "V128":
            offset = (offset + 15) & ~15
        layout[field.name] = (offset, field.type, field.count)
        offset += size * field.count
    return layout


_LAYOUT = _layout()
_START = core.fields_offset()
_SIZE = _LAYOUT[TRANSIENT[0].name][0] - _START
_NAMES = {f.name for f in FIELDS}


class CompiledEngine(core.CompiledCpu):
    """Implements `emu.engines.engine.Engine` natively."""

    name = "compiled"

    def __init__(self, memory, bus, seed=0):
        for field in FIELDS:
            for index in range(field.count if field.reset else 0):
                self.write_field(*self._place(field.name), index, field.reset)
        self.set("random", (self.get("random") ^ seed * 0x2545F4914F6CDD1D) & MASK64)
        memory.on_code_write = self.invalidate_page
        self.breakpoints = set()
        self.call("update_mode")

    @staticmethod
    def _place(name):
        if name not in _NAMES:
            raise KeyError(f"no state field {name!r}; emu/cpu/state.py lists them")
        return _LAYOUT[name][:2]

    def run(self, limit):
        reason = core.CompiledCpu.run(self, limit)
        if reason < 3:
            return _STOPS[reason]
        if reason == 4:
            return _BREAKPOINT
        return Stop(StopReason.SHUTDOWN, self.shutdown_reason)

    @property
    def interrupts_open(self):
        return bool(self.call("interrupt_open"))

    @property
    def shutdown_reason(self):
        return f"triple fault at {self.get('seg_sel', 1):#x}:{self.get('rip'):#x}"

    def get(self, name, index=0):
        if name == "rflags":
            return self.call("read_flags")
        offset, type_ = self._place(name)
        if index >= _LAYOUT[name][2]:
            raise IndexError(f"{name} has {_LAYOUT[name][2]} elements")
        return self.read_field(offset, type_, index)

    def set(self, name, value, index=0):
        if name == "rflags":
            self.call("write_flags", value)
        else:
            offset, type_ = self._place(name)
            self.write_field(offset, type_, index, value)
        if name in ("seg_attr", "seg_sel", "efer", "cr0"):
            self._derive_mode()
        if name in ("cr0", "cr3", "cr4", "efer", "cpl", "rflags", "seg_attr", "seg_sel"):
            self.call("update_mode")
        if name in ("cr0", "cr3", "cr4", "efer"):
            self.call("flush_tlb")
        if name == "dr":
            self.call("breakpoints_changed")

    def _derive_mode(self):
        derive_mode(_View(self))

    def state(self):
        status = self.call("status")
        self.set("cc_kind", 3)
        self.set("cc_x", 0)
        self.set("cc_y", status)
        result = {}
        for field in FIELDS:
            offset, type_, count = _LAYOUT[field.name]
            values = [self.read_field(offset, type_, n) for n in range(count)]
            result[field.name] = values if field.count > 1 else values[0]
        return result

    def load_state(self, state):
        for field in FIELDS:
            offset, type_, count = _LAYOUT[field.name]
            values = state[field.name] if field.count > 1 else [state[field.name]]
            for n in range(count):
                self.write_field(offset, type_, n, values[n])
        self.synchronise()
        self.call("forget_translations")
        self.call("breakpoints_changed")
        self.call("mode_changed", 0)

    def quick_state(self):
        return self.field_bytes(_START, _SIZE)

    def load_quick_state(self, saved):
        self.load_field_bytes(_START, saved)
        self.synchronise()
        self.call("forget_translations")
        self.call("breakpoints_changed")
        self.call("mode_changed", 0)

    def tsc_skip(self, ns):
        self.set("tsc_offset", (self.get("tsc_offset") + ns) & MASK64)


class _View:
    """The few fields derive_mode() reads and writes, as attributes."""

    def __init__(self, engine):
        object.__setattr__(self, "engine", engine)

    def __getattr__(self, name):
        count = _LAYOUT[name][2]
        return self.engine.get(name) if count == 1 else [self.engine.get(name, n) for n in range(count)]

    def __setattr__(self, name, value):
        self.engine.set(name, value)
