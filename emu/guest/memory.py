"""Guest memory by levels: physical, behind nested tables, and linear through page tables of one's choice.

    machine          Physical                      frames of the machine
    its guest        Nested(Physical, nested_cr3)  what a virtual machine takes for physical memory
    a program        Linear(either, cr3)           what a program there sees

Nothing here touches accessed bits or depends on what the CPU executes now (APM vol. 2, 5.3 and 15.25).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from emu.machine.linear import NotMapped

if TYPE_CHECKING:
    from emu.machine.machine import Machine

PAGE = 4096
_FRAME = 0x000F_FFFF_FFFF_F000
_PRESENT, _WRITE, _USER, _LARGE, _NX = 1, 2, 4, 0x80, 1 << 63


class Memory(Protocol):
    """Something that is addressed like physical memory. `frame(a)` is the machine's physical address; NotMapped: there is none."""

    def frame(self, address: int) -> int: ...
    def read(self, address: int, length: int) -> bytes: ...


class Physical:
    """The machine's RAM."""

    def __init__(self, machine: Machine) -> None:
        self.memory = machine.memory

    def frame(self, address: int) -> int:
        if not self.memory.contains(address, 1):
            raise NotMapped(f"physical address {address:#x} is not RAM")
        return address

    def read(self, address: int, length: int) -> bytes:
        if not self.memory.contains(address, length):
            raise NotMapped(f"physical address {address:#x} is not RAM")
        return self.memory.read(address, length)


@dataclass(frozen=True, slots=True)
class Mapping:
    """One leaf of page tables: `size` bytes (4 KiB, 2 MiB or 1 GiB) at `address` are those at `target`."""

    address: int
    target: int
    size: int
    writable: bool
    user: bool
    executable: bool


class Linear:
    """Memory through the four-level tables at `root`, in `below`."""

    def __init__(self, below: Memory, root: int) -> None:
        self.below, self.root = below, root & _FRAME

    def translate(self, address: int) -> int:
        """Where `address` is in the memory below. Raises NotMapped."""
        table = self.root
        for shift in (39, 30, 21, 12):
            entry = int.from_bytes(self.below.read(table + (address >> shift & 511) * 8, 8), "little")
            if not entry & _PRESENT:
                break
            if shift == 12 or entry & _LARGE and shift < 39:
                low = (1 << shift) - 1
                return entry & _FRAME & ~low | address & low
            table = entry & _FRAME
        raise NotMapped(f"address {address:#x} is not mapped")

    def frame(self, address: int) -> int:
        return self.below.frame(self.translate(address))

    def read(self, address: int, length: int) -> bytes:
        """All of `length` bytes, or NotMapped."""
        data = b""
        while len(data) < length:
            here = address + len(data)
            part = min(length - len(data), PAGE - here % PAGE)
            data += self.below.read(self.translate(here), part)
        return data

    def mappings(self, upper_half: bool = False) -> Iterator[Mapping]:
        """Every present leaf in order of address; without `upper_half` of the user half alone."""
        yield from self._leaves(self.root, 39, 0, _WRITE | _USER, 512 if upper_half else 256)

    def tables(self) -> Iterator[int]:
        """Addresses in the memory below of the root and all tables under it, user half first."""
        yield self.root
        yield from self._tables(self.root, 39, 512)

    def _entries(self, table: int, count: int) -> Iterator[tuple[int, int]]:
        data = self.below.read(table, count * 8)
        for index in range(count):
            entry = int.from_bytes(data[8 * index : 8 * index + 8], "little")
            if entry & _PRESENT:
                yield index, entry

    def _leaves(self, table: int, shift: int, base: int, allowed: int, count: int) -> Iterator[Mapping]:
        for index, entry in self._entries(table, count):
            address, rights = base + (index << shift), (entry & allowed & (_WRITE | _USER)) | (allowed | entry) & _NX
            if shift == 12 or entry & _LARGE and shift < 39:
                if shift == 39 or address >> 47:
                    address |= 0xFFFF << 48 if address >> 47 & 1 else 0
                yield Mapping(address, entry & _FRAME & ~((1 << shift) - 1), 1 << shift, bool(rights & _WRITE), bool(rights & _USER), not rights & _NX)
            else:
                yield from self._leaves(entry & _FRAME, shift - 9, address, rights, 512)

    def _tables(self, table: int, shift: int, count: int) -> Iterator[int]:
        for _, entry in self._entries(table, count):
            if shift > 12 and not (entry & _LARGE and shift < 39):
                yield entry & _FRAME
                if shift > 21:
                    yield from self._tables(entry & _FRAME, shift - 9, 512)


class Nested(Linear):
    """A virtual machine's physical memory: what its nested tables map. Its read and frame take guest-physical addresses."""
