"""The kernel that runs in a machine, seen from outside: its symbols, structures, processors and tasks."""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from emu.cli import images
from emu.errors import ImageError
from emu.guest.layout import Layouts, Struct, elements
from emu.guest.memory import Memory
from emu.guest.symbols import Symbols
from emu.machine import linear

if TYPE_CHECKING:
    from emu.machine.machine import Machine

_GS, _CS = 5, 1


class GuestKernel:
    """`machine` with the guest kernel of the ELF file `image` on it. Nothing here changes the machine's state.

    Its memory is what the CPU now sees, or `memory` (emu/guest/memory.py): then it can be one that does not run just now,
    or a virtual machine's.
    """

    def __init__(self, machine: Machine, image: str | os.PathLike | bytes, memory: Memory | None = None) -> None:
        name = "the kernel" if isinstance(image, bytes) else os.fspath(image)
        if not isinstance(image, bytes):
            from emu.boot.elf import read_image

            image = read_image(image)
        self.machine, self.image, self.memory = machine, image, memory
        self.symbols = Symbols(image)
        self.layouts = Layouts(image, name, images.directory() / "layouts" / hashlib.sha256(image).hexdigest()[:20])

    def seen_in(self, memory: Memory) -> GuestKernel:
        """The same kernel file, of which another copy runs in `memory`."""
        other = copy.copy(self)
        other.memory = memory
        return other

    def symbol(self, name: str) -> int:
        """Address of a function or object. Raises ImageError."""
        try:
            return self.symbols.by_name[name]
        except KeyError:
            raise ImageError(f"the kernel has no symbol {name}", "give the guest's own kernel (ringzero kernel build)") from None

    def code(self, address: int, length: int) -> bytes:
        """What the kernel file has at a linear address."""
        from emu.boot.elf import parse

        for segment in parse(self.image).segments:
            offset = address - segment.vaddr
            if 0 <= offset < len(segment.data):
                return segment.data[offset : offset + length]
        raise ImageError(f"the kernel file has nothing at {address:#x}")

    def read(self, address: int, length: int) -> bytes:
        """`length` bytes at a linear address of the running task. Raises NotMapped if they aren't all mapped."""
        if self.memory is not None:
            return self.memory.read(address, length)
        data = linear.read(self.machine, address, length)
        if len(data) < length:
            raise linear.NotMapped(f"linear address {address + len(data):#x} is not mapped")
        return data

    def at(self, name: str, address: int) -> Struct:
        """The `struct NAME` at `address`."""
        return self.layouts.at(self.read, name, address)

    def list(self, head: Struct, struct: str, link: str) -> Iterator[Struct]:
        """The `struct STRUCT`s in the circular list `head`, linked through their field `link`."""
        yield from elements(head, self.layouts.struct(struct), link)

    def current(self) -> Struct | None:
        """The processor's running `struct task`; None before the kernel has tasks."""
        get = self.machine.engine.get
        # GS is the kernel's but in user mode and on the first instructions of an entry from there.
        base = get("seg_base", _GS)
        if get("seg_sel", _CS) & 3 or not base >> 63:
            base = get("kernel_gs_base")
        return self.at("cpu", base).running if base >> 63 else None

    def processes(self) -> Iterator[Struct]:
        """Every `struct process` but the idle one's, in order of pid."""
        yield from self.list(self.at("list", self.symbol("all_processes")), "process", "link")

    def tasks(self) -> Iterator[Struct]:
        """The `struct task` of every thread that has not ended, process by process."""
        for process in self.processes():
            yield from self.list(process.threads, "task", "thread_link")
