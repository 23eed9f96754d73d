"""A flat machine for tests: RAM, identity page tables, GDT, TSS and IDT, and an engine ready to run bytes.

    m = FlatMachine(PythonEngine)
    m.run("48 01 d8", rax=1, rbx=2)
    assert m.engine.get("gpr", 0) == 3 and m.fault is None

A fault ends a run: every IDT entry leads to its own address in `HANDLERS`, on a stack of its own.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from emu.engines.engine import Stop
from emu.machine.bus import Bus
from emu.machine.memory import PhysicalMemory

RAM_SIZE = 1 << 21
# What the machine needs lies high, where no small number of a test points to.
TABLES, GDT, IDT, TSS, HANDLERS, FAULT_STACK = 0x1E0000, 0x1E6000, 0x1E7000, 0x1E9000, 0x1EA000, 0x1EC000
CODE, DATA, STACK = 0x10000, 0x100000, 0x180000

CODE_SELECTOR, DATA_SELECTOR, USER_CODE, USER_DATA, TSS_SELECTOR = 0x08, 0x10, 0x1B, 0x23, 0x28

REGISTERS = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
             "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15")

HAS_ERROR_CODE = frozenset((8, 10, 11, 12, 13, 14, 17))


@dataclass(frozen=True, slots=True)
class FaultTaken:
    """An exception that a run ended in: vector, error code (0 where it has none), and the RIP it saved."""

    vector: int
    error: int
    rip: int


def code_bytes(code: str | bytes) -> bytes:
    """Bytes of "48 01 d8" or of bytes."""
    return bytes.fromhex(code.replace(" ", "")) if isinstance(code, str) else bytes(code)


class FlatMachine:
    """2 MiB, mapped one to one, of `bits` 64 or 32, at CPL `cpl`; `unmapped` page numbers are not present, `readonly` ones can't be
    written.

    In 64-bit mode faults switch to an IST stack. In 32-bit mode they do so only from CPL 3, the default there.
    """

    def __init__(self, engine_class, bits: int = 64, cpl: int | None = None, unmapped=(), readonly=(), size: int = RAM_SIZE):
        self.memory = PhysicalMemory(size)
        self.bus = Bus(self.memory)
        self.engine = engine_class(self.memory, self.bus)
        self.bits = bits
        self.cpl = (0 if bits == 64 else 3) if cpl is None else cpl
        self.fault: FaultTaken | None = None
        self.stop: Stop | None = None
        self._page_tables(frozenset(unmapped), frozenset(readonly), size)
        self._descriptor_tables()
        self._control_registers()
        self.reset()

    def _page_tables(self, unmapped, readonly, size):
        write = self.memory.write
        entry_format, flags = ("<Q" if self.bits == 64 else "<I"), 0x67
        entries = [0 if page in unmapped else page << 12 | (flags & ~2 if page in readonly else flags)
                   for page in range(min(size, RAM_SIZE) >> 12)]
        if self.bits == 64:
            for table in (TABLES, TABLES + 0x1000, TABLES + 0x2000):
                write(table, struct.pack("<Q", table + 0x1000 | flags))
            write(TABLES + 0x3000, b"".join(struct.pack(entry_format, e) for e in entries))
        else:
            write(TABLES, struct.pack("<I", TABLES + 0x1000 | flags))
            write(TABLES + 0x1000, b"".join(struct.pack(entry_format, e) for e in entries))

    def _descriptor_tables(self):
        code, data = (0x00AF9B000000FFFF, 0x00CF93000000FFFF) if self.bits == 64 else (
            0x00CF9B000000FFFF, 0x00CF93000000FFFF)
        dpl3 = 3 << 45
        tss = 0x0000890000000067 | (TSS & 0xFFFFFF) << 16
        self.memory.write(GDT, struct.pack("<7Q", 0, code, data, code | dpl3, data | dpl3, tss, 0))
        top = FAULT_STACK + 0x800
        if self.bits == 64:
            self.memory.write(TSS, struct.pack("<IQQQQQ", 0, top, top, top, 0, top))
        else:
            self.memory.write(TSS, struct.pack("<III", 0, top, DATA_SELECTOR))
        self.memory.write(HANDLERS, b"\xF4" * 0x1000)       # HLT: a fault ends a longer run
        for vector in range(256):
            target = HANDLERS + vector * 16
            low = target & 0xFFFF | CODE_SELECTOR << 16 | 0x8E00 << 32 | target >> 16 << 48
            if self.bits == 64:
                self.memory.write(IDT + vector * 16, struct.pack("<QQ", low | 1 << 32, 0))
            else:
                self.memory.write(IDT + vector * 8, struct.pack("<Q", low))

    def _control_registers(self):
        put = self.engine.set
        put("gdtr_base", GDT), put("gdtr_limit", 0x37), put("idtr_base", IDT), put("idtr_limit", 0xFFF)
        put("cr3", TABLES)
        put("cr4", 0x620 if self.bits == 64 else 0x600)
        put("efer", 0x501 if self.bits == 64 else 0)
        put("cr0", 0x80010033)
        put("seg_sel", TSS_SELECTOR, 7), put("seg_base", TSS, 7), put("seg_limit", 0x67, 7), put("seg_attr", 0x8B, 7)

    def reset(self):
        """Segments, privilege, flags and mode as at the beginning; general registers and memory stay."""
        put, user = self.engine.set, self.cpl == 3
        code_attr = 0xA9B if self.bits == 64 else 0xC9B
        for n in range(6):
            selector = (USER_CODE if user else CODE_SELECTOR) if n == 1 else (USER_DATA if user else DATA_SELECTOR)
            put("seg_sel", selector, n), put("seg_base", 0, n), put("seg_limit", 0xFFFFFFFF, n)
            put("seg_attr", (code_attr if n == 1 else 0xC93) | self.cpl << 5, n)
        put("rflags", 2), put("halted", 0), put("shutdown", 0)

    def run(self, code: str | bytes, limit: int | None = None, at: int = CODE, **registers: int) -> Stop:
        """Put `code` at `at` and run `limit` instructions (default: until its end is reached, at most 10000).

        Registers by name; `rflags` too. Afterwards `fault` is the exception that ended it, or None.
        """
        code = code_bytes(code)
        self.memory.write(at, code)
        for name, value in registers.items():
            if name == "rflags":
                self.engine.set("rflags", value)
            else:
                self.engine.set("gpr", value, REGISTERS.index(name))
        self.engine.set("rip", at)
        if limit is None:
            for _ in range(10000):
                self.step()
                if self.fault or self.engine.get("rip") == at + len(code):
                    return self.stop
            raise AssertionError(f"the code didn't reach its end in 10000 instructions; RIP is {self.engine.get('rip'):#x}")
        return self.step(limit)

    def step(self, limit: int = 1) -> Stop:
        """Run up to `limit` instructions from the present RIP; sets `fault`."""
        self.stop = self.engine.run(limit)
        self.fault = None
        rip = self.engine.get("rip")
        if HANDLERS <= rip < HANDLERS + 0x1000:
            self.fault = self._fault_frame((rip - HANDLERS) >> 4)
        return self.stop

    def _fault_frame(self, vector):
        width = 8 if self.bits == 64 else 4
        words = self.memory.read(self.engine.get("gpr", 4), 2 * width)
        first, second = (int.from_bytes(words[k:k + width], "little") for k in (0, width))
        return FaultTaken(vector, first, second) if vector in HAS_ERROR_CODE else FaultTaken(vector, 0, first)

    def __getitem__(self, name: str) -> int:
        """A register by name: m["rax"], m["rip"], m["rflags"]."""
        if name in REGISTERS:
            return self.engine.get("gpr", REGISTERS.index(name))
        return self.engine.get(name)
