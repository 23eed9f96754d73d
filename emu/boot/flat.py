"""Identity-mapped long mode around a flat binary: what it takes to run a snippet with no kernel.

The top 64 KiB of RAM hold the tables that the processor needs (offsets from `size - 0x10000`):

    0x0000  PML4, PDPT, four page directories: 4 GiB in 2 MiB pages
    0x6000  IDT of 256 interrupt gates          0x8000  GDT, task state segment
    0x7000  256 gate targets, 16 bytes each     0xf000  top of the ring 0 stack for faults (IST 1)

Each gate target is a HLT, so a fault stops the machine with the frame on the stack and the vector in
RIP; `fault` reads both. The program's own stack grows down from the tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emu.boot import cpu_state as cpu
from emu.boot.cpu_state import CpuState
from emu.errors import ImageError

if TYPE_CHECKING:
    from emu.machine.memory import PhysicalMemory

RESERVED = 0x10000
_IDT, _STUBS, _GDT, _TSS, _FAULT_STACK = 0x6000, 0x7000, 0x8000, 0x8100, 0xF000
_KERNEL_CODE, _KERNEL_DATA, _USER_DATA, _USER_CODE, _TASK = 0x08, 0x10, 0x18, 0x20, 0x28
_PRESENT, _WRITE, _USER, _LARGE = 1, 2, 4, 0x80
_HLT = b"\xf4"
#: Vectors that push an error code (SDM volume 3, table 6-1, and AMD's #VC and #SX).
_ERROR_CODES = frozenset((8, 10, 11, 12, 13, 14, 17, 21, 29, 30))

REGISTERS = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
             "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15")


@dataclass(frozen=True, slots=True)
class Fault:
    """An exception or interrupt that reached a gate: its vector, its error code (0 without one), and
    the interrupted state."""

    vector: int
    error_code: int
    rip: int
    cs: int
    rflags: int
    rsp: int
    ss: int


def load(memory: PhysicalMemory, code: bytes, at: int, entry: int | None = None, ring: int = 0,
         registers: Mapping[str, int] | None = None) -> CpuState:
    """Put `code` at physical (and linear) address `at` and start it at `entry` (default `at`) in 64-bit
    mode, in ring 0 or 3, SSE enabled, interrupts off.

    `registers` gives initial values by name (rax to r15, rip, rflags). RSP is 16 bytes below the tables
    unless given. Raises `ImageError` when the code does not fit in RAM or a name is unknown.
    """
    if not code:
        raise ImageError("the binary is empty", "give at least one instruction")
    if at < 0 or not memory.contains(at, len(code)):
        raise ImageError(f"{len(code)} bytes at {at:#x} don't fit in RAM of {memory.size >> 20} MiB",
                         "load it lower or give the machine more memory")
    state = long_mode(memory, at if entry is None else entry, [(at, len(code))], ring)
    memory.write(at, code)
    for name, value in (registers or {}).items():
        value &= 0xFFFF_FFFF_FFFF_FFFF
        if name in REGISTERS:
            state["gpr"][REGISTERS.index(name)] = value
        elif name == "rip":
            state["rip"] = value
        elif name == "rflags":
            state["rflags"] = value & 0x3F7FD5 | 2
        else:
            raise ImageError(f"unknown register {name!r}", "use rax to r15, rip or rflags")
    return state


def long_mode(memory: PhysicalMemory, entry: int, taken: Sequence[tuple[int, int]], ring: int = 0) -> CpuState:
    """Build the tables and return the state that enters `entry`. `taken` are the ranges ((address,
    size)) of the program, which must leave the top 64 KiB of RAM free (`ImageError`)."""
    if ring not in (0, 3):
        raise ImageError(f"ring {ring!r} can't be chosen", "use 0 or 3")
    if not 0 <= entry < 1 << 64:
        raise ImageError(f"entry point {entry:#x} is not a 64-bit address", "give one inside the program")
    base = memory.size - RESERVED
    for address, size in taken:
        if address + size > base:
            raise ImageError(f"the program at {address:#x} reaches into the last 64 KiB of RAM (from {base:#x}), "
                             "which hold the page tables", "load it lower or give the machine more memory")
    _page_tables(memory, base)
    memory.write(base + _STUBS, (_HLT + b"\xeb\xfd" + b"\xcc" * 13) * 256)
    memory.write(base + _IDT, b"".join(_gate(base + _STUBS + 16 * vector) for vector in range(256)))
    memory.write(base + _GDT, _gdt(base + _TSS))
    task = bytearray(0x68)
    for offset in (0x04, 0x24):  # RSP0 and IST1
        task[offset : offset + 8] = (base + _FAULT_STACK).to_bytes(8, "little")
    task[0x66:0x68] = (0x68).to_bytes(2, "little")  # no I/O permission bitmap
    memory.write(base + _TSS, bytes(task))

    gpr = [0] * 16
    gpr[cpu.RSP] = base - 16
    code, data = (_KERNEL_CODE, _KERNEL_DATA) if ring == 0 else (_USER_CODE | 3, _USER_DATA | 3)
    dpl = ring << 5
    return {
        "gpr": gpr, "rip": entry, "rflags": 2,
        "cr0": cpu.CR0_PG | cpu.CR0_WP | cpu.CR0_NE | cpu.CR0_ET | cpu.CR0_MP | cpu.CR0_PE,
        "cr2": 0, "cr3": base,
        "cr4": cpu.CR4_PAE | cpu.CR4_OSFXSR | cpu.CR4_OSXMMEXCPT,
        "efer": cpu.EFER_SCE | cpu.EFER_LME | cpu.EFER_LMA | cpu.EFER_NXE,
        "seg_sel": [data, code, data, data, data, data, 0, _TASK],
        "seg_base": [0] * 7 + [base + _TSS],
        "seg_limit": [0xFFFF_FFFF] * 6 + [0, 0x67],
        "seg_attr": [cpu.DATA_64 | dpl, cpu.CODE_64 | dpl] + [cpu.DATA_64 | dpl] * 4 + [0x082, cpu.TSS_BUSY],
        "gdtr_base": base + _GDT, "gdtr_limit": 0x37, "idtr_base": base + _IDT, "idtr_limit": 0xFFF,
        "halted": 0,
    }


def fault(memory: PhysicalMemory, engine: Any) -> Fault | None:
    """The fault that a program set up by `long_mode` has run into, or None if it is not stopped in a gate."""
    stubs = memory.size - RESERVED + _STUBS
    # After the HLT, RIP is one byte past it.
    rip = engine.get("rip") - 1
    if not stubs <= rip < stubs + 4096 or (rip - stubs) % 16:
        return None
    vector = (rip - stubs) // 16
    rsp = engine.get("gpr", cpu.RSP)
    error_code = 0
    if vector in _ERROR_CODES:
        error_code = memory.read_int(rsp, 8)
        rsp += 8
    values = [memory.read_int(rsp + 8 * index, 8) for index in range(5)]
    return Fault(vector, error_code, values[0], values[1] & 0xFFFF, values[2], values[3], values[4] & 0xFFFF)


def _page_tables(memory: PhysicalMemory, base: int) -> None:
    """4 GiB identity mapped. Ring 3 may use RAM; the device windows above it are the supervisor's."""
    flags = _PRESENT | _WRITE | _USER
    memory.write(base, bytes(0x6000))
    memory.write_int(base, 8, base + 0x1000 | flags)
    for gib in range(4):
        memory.write_int(base + 0x1000 + 8 * gib, 8, base + 0x2000 + 0x1000 * gib | flags)
    entries = bytearray()
    for number in range(2048):
        address = number << 21
        user = _USER if address < memory.size else 0
        entries += (address | _PRESENT | _WRITE | _LARGE | user).to_bytes(8, "little")
    memory.write(base + 0x2000, bytes(entries))


def _gate(target: int) -> bytes:
    """An interrupt gate to `target` in ring 0, on IST 1 (APM volume 2, 4.8.4). Privilege level 3, so
    that INT3, INTO and INT n of a ring 3 snippet are seen for what they are."""
    low = target & 0xFFFF | _KERNEL_CODE << 16 | 1 << 32 | 0xEE00 << 32 | (target >> 16 & 0xFFFF) << 48
    return low.to_bytes(8, "little") + (target >> 32).to_bytes(8, "little")


def _descriptor(attributes: int) -> bytes:
    """A flat segment descriptor with the given access byte and, from bit 8, flags."""
    return (0xFFFF | (attributes & 0xFF) << 40 | 0xF << 48 | (attributes >> 8) << 52).to_bytes(8, "little")


def _gdt(task: int) -> bytes:
    user = 3 << 5
    system = (0x67 | (task & 0xFFFFFF) << 16 | cpu.TSS_BUSY << 40 | (task >> 24 & 0xFF) << 56).to_bytes(8, "little")
    return (bytes(8) + _descriptor(cpu.CODE_64) + _descriptor(cpu.DATA_64) + _descriptor(cpu.DATA_64 | user)
            + _descriptor(cpu.CODE_64 | user) + system + (task >> 32).to_bytes(8, "little"))
