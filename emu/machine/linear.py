"""Linear memory as the CPU's page tables now have it, read without disturbing the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.errors import RingzeroError

if TYPE_CHECKING:
    from emu.machine.machine import Machine

PAGE = 4096
_MASK64 = (1 << 64) - 1
_PRESENT, _LARGE, _PG, _PAE, _PSE, _LMA = 1, 0x80, 1 << 31, 1 << 5, 1 << 4, 1 << 10
_FRAME = 0x000F_FFFF_FFFF_F000


class NotMapped(RingzeroError):
    """A linear address that no page table entry maps, or that isn't RAM."""


def translate(machine: Machine, address: int) -> int:
    """The physical address of a linear one by the page tables now in use, without touching their
    accessed bits (SDM volume 3, chapter 4). Raises NotMapped."""
    get = machine.engine.get
    if not get("cr0") & _PG:
        return address & 0xFFFF_FFFF
    table, cr4 = get("cr3") & _FRAME, get("cr4")
    if get("efer") & _LMA:
        levels, entry_size, bits = (39, 30, 21, 12), 8, 9
    elif cr4 & _PAE:
        table = get("cr3") & 0xFFFF_FFE0
        levels, entry_size, bits = (30, 21, 12), 8, 9
    else:
        levels, entry_size, bits = (22, 12), 4, 10
    for shift in levels:
        at = table + (address >> shift & (1 << bits) - 1) * entry_size
        if not machine.memory.contains(at, entry_size):
            break
        entry = machine.memory.read_int(at, entry_size)
        if not entry & _PRESENT:
            break
        # 4 MiB pages need CR4.PSE; with three levels the top one has no large pages.
        large = entry & _LARGE and (shift == 21 or shift == 30 and len(levels) == 4 or shift == 22 and cr4 & _PSE)
        if shift == 12 or large:
            return entry & _FRAME & ~((1 << shift) - 1) | address & (1 << shift) - 1
        table = entry & _FRAME
    raise NotMapped(f"linear address {address:#x} is not mapped")


def read(machine: Machine, address: int, length: int) -> bytes:
    """`length` bytes at a linear address, as far as they are mapped to RAM; NotMapped if the first isn't."""
    data = b""
    while len(data) < length:
        here = address + len(data) & _MASK64
        part = min(length - len(data), PAGE - here % PAGE)
        try:
            physical = translate(machine, here)
            if not machine.memory.contains(physical, part):
                raise NotMapped(f"linear address {here:#x} is physical {physical:#x}, which is not RAM")
        except NotMapped:
            if data:
                break
            raise
        data += machine.memory.read(physical, part)
    return data
