"""The flat machine with more of a system around it: descriptors, gates and pages to choose, and assembly text to run."""

from __future__ import annotations

import struct
from functools import cache

import keystone

from emu.engines.engine import Stop
from tests.flat import CODE, CODE_SELECTOR, FAULT_STACK, GDT, HANDLERS, IDT, STACK, TABLES, TSS, FlatMachine

BIG_GDT, LDT, TSS2 = 0x1D0000, 0x1D1000, 0x1D2000
KERNEL_STACK, IST_STACK = 0x170000, FAULT_STACK + 0x800
DE, DB, NMI, BP, UD, NM, DF, TS, NP, SS, GP, PF, AC = 0, 1, 2, 3, 6, 7, 8, 10, 11, 12, 13, 14, 17

# Access bytes: present, code or data, DPL 0.
CODE_SEGMENT, CONFORMING, READ_ONLY, WRITABLE, EXPAND_DOWN = 0x9A, 0x9E, 0x90, 0x92, 0x96
LONG, BIG, PAGES = 0x2, 0x4, 0x8


def segment(access: int, flags: int = PAGES | BIG, base: int = 0, limit: int = 0xFFFFF, dpl: int = 0) -> int:
    """A descriptor's eight bytes from its fields."""
    return (limit & 0xFFFF | (base & 0xFFFFFF) << 16 | (access | dpl << 5) << 40 | (limit >> 16) << 48 | flags << 52
            | base >> 24 << 56)


def code64(dpl: int = 0, access: int = CODE_SEGMENT) -> int:
    return segment(access, LONG | PAGES, dpl=dpl)


def code32(dpl: int = 0, access: int = CODE_SEGMENT) -> int:
    return segment(access, BIG | PAGES, dpl=dpl)


def data(dpl: int = 0, access: int = WRITABLE) -> int:
    return segment(access, dpl=dpl)


def call_gate(selector: int, target: int, dpl: int = 0, kind: int = 12, parameters: int = 0) -> tuple[int, int]:
    """Lower and upper half of a call gate (the upper only exists in long mode)."""
    low = target & 0xFFFF | selector << 16 | parameters << 32 | (0x80 | dpl << 5 | kind) << 40
    return low | (target >> 16 & 0xFFFF) << 48, target >> 32


@cache
def assemble(text: str, bits: int = 64, at: int = CODE) -> bytes:
    """Machine code of Intel-syntax text."""
    mode = keystone.KS_MODE_64 if bits == 64 else keystone.KS_MODE_32
    return bytes(keystone.Ks(keystone.KS_ARCH_X86, mode).asm(text, at)[0])


class SystemMachine(FlatMachine):
    """A `FlatMachine` whose GDT has 64 entries and an LDT, and whose TSS has a stack for each level."""

    def __init__(self, engine_class, bits: int = 64, cpl: int = 0, **options):
        super().__init__(engine_class, bits, cpl, **options)
        self.memory.write(BIG_GDT, self.memory.read(GDT, 56))
        # What no selector should reach would be a good descriptor: that of the null selector, those beyond the limits.
        good = segment(CONFORMING, PAGES | (LONG if bits == 64 else BIG))
        for at in (BIG_GDT, BIG_GDT + 0x200, BIG_GDT + 0xFFF8, LDT, LDT + 0x100):
            self.memory.write(at, struct.pack("<Q", good))
        put = self.engine.set
        put("gdtr_base", BIG_GDT), put("gdtr_limit", 64 * 8 - 1)
        put("seg_sel", 0x1F0, 6), put("seg_base", LDT, 6), put("seg_limit", 0xFF, 6), put("seg_attr", 0x82, 6)
        if bits == 64:
            self.memory.write(TSS + 4, struct.pack("<QQQ", KERNEL_STACK, KERNEL_STACK - 0x1000, KERNEL_STACK - 0x2000))
        self.set_stack(STACK)

    # Tables

    def descriptor(self, selector: int, low: int, high: int | None = None) -> int:
        """Put a descriptor where `selector` points; returns the selector."""
        table = LDT if selector & 4 else BIG_GDT
        self.memory.write(table + (selector & 0xFFF8), struct.pack("<Q", low))
        if high is not None:
            self.memory.write(table + (selector & 0xFFF8) + 8, struct.pack("<Q", high))
        return selector

    def read_descriptor(self, selector: int) -> int:
        table = LDT if selector & 4 else BIG_GDT
        return int.from_bytes(self.memory.read(table + (selector & 0xFFF8), 8), "little")

    def gate(self, vector: int, selector: int = CODE_SELECTOR, target: int | None = None, kind: int = 14, dpl: int = 0,
             ist: int = 0, present: int = 1) -> None:
        """IDT entry; by default an interrupt gate to the vector's own handler."""
        target = HANDLERS + vector * 16 if target is None else target
        low = (target & 0xFFFF | selector << 16 | ist << 32 | (present << 7 | dpl << 5 | kind) << 40
               | (target >> 16 & 0xFFFF) << 48)
        if self.bits == 64:
            self.memory.write(IDT + vector * 16, struct.pack("<QQ", low, target >> 32))
        else:
            self.memory.write(IDT + vector * 8, struct.pack("<Q", low))

    def page(self, la: int, pa: int | None = None, flags: int = 0x67, upper: int = 0) -> None:
        """Map the page of `la` (in the first 2 MiB) with PTE bits `flags` and `upper` (bits 52 to 63)."""
        entry = (la if pa is None else pa) & ~0xFFF | flags | upper << 52
        size = 8 if self.bits == 64 else 4
        table = TABLES + (0x3000 if self.bits == 64 else 0x1000)
        self.memory.write(table + (la >> 12) * size, entry.to_bytes(size, "little"))

    def pte(self, la: int) -> int:
        size = 8 if self.bits == 64 else 4
        table = TABLES + (0x3000 if self.bits == 64 else 0x1000)
        return int.from_bytes(self.memory.read(table + (la >> 12) * size, size), "little")

    def set_stack(self, pointer: int) -> None:
        self.engine.set("gpr", pointer, 4)

    # Running

    def asm(self, text: str, limit: int | None = None, at: int = CODE, **registers: int) -> Stop:
        """Assemble and run as `run` does."""
        return self.run(assemble(text, self.bits, at), limit, at, **registers)

    def place(self, text: str, at: int, bits: int | None = None) -> None:
        self.memory.write(at, assemble(text, bits or self.bits, at))

    def far_pointer(self, selector: int, offset: int, at: int = 0x100000, size: int = 4) -> int:
        """An offset of `size` bytes and a selector in memory; returns where."""
        self.memory.write(at, offset.to_bytes(size, "little") + selector.to_bytes(2, "little"))
        return at

    def words(self, count: int, size: int | None = None, at: int | None = None) -> list[int]:
        """`count` words from the stack pointer up."""
        size = size or (8 if self.bits == 64 else 4)
        at = self["rsp"] if at is None else at
        return [int.from_bytes(self.memory.read(at + k * size, size), "little") for k in range(count)]

    def segment(self, number: int) -> int:
        """Selector in segment register `number`."""
        return self.engine.get("seg_sel", number)

    def faulted(self) -> tuple[int, int] | None:
        """Vector and error code of the fault that ended the run."""
        return None if self.fault is None else (self.fault.vector, self.fault.error)


