"""An engine that runs a list of Python tuples instead of machine code, for testing the board's run loop.

Operations: ("nop",), ("out", port, width, value), ("in", port, width), ("store", address, width, value),
("hlt",), ("sti",), ("cli",), ("eoi",), ("jump", index), ("iret",), ("triple",). `handlers` maps a vector to
the index of its handler. Reads are appended to `seen`, as are ("interrupt", vector) entries.
"""

from __future__ import annotations

import copy

from emu.engines.engine import Stop, StopReason


class ScriptedEngine:
    def __init__(self, memory, bus, seed=0, program=(), handlers=None, interrupts=True):
        self.memory, self.bus, self.program, self.handlers = memory, bus, list(program), handlers or {}
        self.retired = 0
        self.s = {"pc": 0, "if": interrupts, "halted": False, "shutdown": False, "stack": [], "seen": [], "tsc": 0}
        self.line = self.exit_requested = False
        self.nmis = 0
        self.longest_run = 0
        self.breakpoints: set[int] = set()
        self.fields: dict = {}

    @property
    def seen(self):
        return self.s["seen"]

    def run(self, limit):
        self.exit_requested = False
        start = self.retired
        s = self.s
        while True:
            self.longest_run = max(self.longest_run, self.retired - start)
            if s["shutdown"]:
                return Stop(StopReason.SHUTDOWN, "scripted triple fault")
            if self.exit_requested:
                return Stop(StopReason.EXIT_REQUEST)
            if self.retired - start >= limit:
                return Stop(StopReason.LIMIT)
            if self.line and s["if"]:
                vector = self.bus.acknowledge_interrupt()
                if vector is not None:
                    s["halted"] = False
                    s["seen"].append(("interrupt", vector))
                    s["stack"].append(s["pc"])
                    s["if"], s["pc"] = False, self.handlers[vector]
            if s["halted"]:
                return Stop(StopReason.HALT)
            if s["pc"] in self.breakpoints:
                return Stop(StopReason.BREAKPOINT, f"at {s['pc']}")
            self.execute(self.program[s["pc"]])
            if not s["shutdown"]:
                self.retired += 1

    def quick_state(self):
        return self.state()

    def load_quick_state(self, state):
        self.load_state(state)

    def rewind(self):
        self.memory.rewind()

    def set_breakpoints(self, addresses):
        self.breakpoints = set(addresses)

    def execute(self, operation):
        s = self.s
        name, *arguments = operation
        following = s["pc"] + 1
        if name == "out":
            self.bus.port_write(*arguments)
        elif name == "in":
            s["seen"].append(self.bus.port_read(*arguments))
        elif name == "store":
            self.bus.mmio_write(*arguments)
        elif name == "ram":
            self.memory.write(*arguments)
        elif name == "eoi":
            self.bus.port_write(0x20, 1, 0x20)
        elif name == "hlt":
            s["halted"] = True
        elif name in ("sti", "cli"):
            s["if"] = name == "sti"
        elif name == "jump":
            following = arguments[0]
        elif name == "iret":
            following, s["if"] = s["stack"].pop(), True
        elif name == "triple":
            s["shutdown"] = True
            return
        s["pc"] = following

    def request_exit(self):
        self.exit_requested = True

    def set_interrupt_line(self, level):
        self.line = level

    def raise_nmi(self):
        self.nmis += 1

    def invalidate_page(self, page):
        self.memory.page_flags[page] &= ~1

    @property
    def interrupts_open(self):
        return self.s["if"]

    def get(self, name, index=0):
        if name == "rflags":
            return 2 | self.s["if"] << 9
        return self.fields[name, index]

    def set(self, name, value, index=0):
        self.fields[name, index] = value

    def state(self):
        return copy.deepcopy(self.s) | {"line": self.line, "retired": self.retired}

    def load_state(self, state):
        self.s = {name: copy.deepcopy(value) for name, value in state.items() if name not in ("line", "retired")}
        self.line, self.retired = state["line"], state["retired"]

    def tsc_skip(self, ns):
        self.s["tsc"] += ns


def scripted(*program, **options):
    """An engine factory for `Machine(engine=...)`."""
    return lambda memory, bus, seed: ScriptedEngine(memory, bus, seed, program, **options)
