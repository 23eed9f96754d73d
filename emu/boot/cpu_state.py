"""The CPU states that loaders start programs in, as plain dictionaries of engine state fields."""

from __future__ import annotations

from typing import Any

#: {state field: value, or a list with one value per element}; names as in `Engine.set`.
CpuState = dict[str, "int | list[int]"]

RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI = range(8)
ES, CS, SS, DS, FS, GS, LDTR, TR = range(8)

# Attributes: the access byte, and AVL, L, D/B, G above it.
CODE_32, DATA_32 = 0xC9B, 0xC93
CODE_64, DATA_64 = 0xA9B, 0xC93
TSS_BUSY = 0x08B

CR0_PE, CR0_MP, CR0_ET, CR0_NE, CR0_WP, CR0_PG = 1, 2, 0x10, 0x20, 0x10000, 0x8000_0000
CR4_PAE, CR4_OSFXSR, CR4_OSXMMEXCPT = 0x20, 0x200, 0x400
EFER_SCE, EFER_LME, EFER_LMA, EFER_NXE = 0x001, 0x100, 0x400, 0x800


def protected_mode(entry: int, **gpr: int) -> CpuState:
    """32-bit protected mode, paging off, flat segments, interrupts off: how PVH and multiboot kernels
    are entered. `gpr` gives general registers by name (`ebx=...`); the others are 0."""
    registers = [0] * 16
    for name, value in gpr.items():
        registers[("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi").index(name)] = value
    return {
        "gpr": registers, "rip": entry, "rflags": 2,
        "cr0": CR0_PE | CR0_ET, "cr2": 0, "cr3": 0, "cr4": 0, "efer": 0,
        "seg_sel": [0x10, 0x08, 0x10, 0x10, 0x10, 0x10, 0, 0x18],
        "seg_base": [0] * 8,
        "seg_limit": [0xFFFF_FFFF] * 6 + [0xFFFF, 0x67],
        "seg_attr": [DATA_32, CODE_32, DATA_32, DATA_32, DATA_32, DATA_32, 0x082, TSS_BUSY],
        "gdtr_base": 0, "gdtr_limit": 0, "idtr_base": 0, "idtr_limit": 0,
        "halted": 0,
    }


def apply(engine: Any, state: CpuState) -> None:
    """Set every field of `state` in `engine`."""
    for name, value in state.items():
        if isinstance(value, list):
            for index, item in enumerate(value):
                engine.set(name, item, index)
        else:
            engine.set(name, value)
