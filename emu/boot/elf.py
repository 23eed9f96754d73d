"""ELF files for x86: program headers into guest memory, entry point, notes.

System V ABI, chapters 4 and 5; parsed by pyelftools. Segments go to their physical addresses.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from emu.boot.cpu_state import CpuState, protected_mode
from emu.errors import ImageError

if TYPE_CHECKING:
    from emu.machine.memory import PhysicalMemory


@dataclass(frozen=True, slots=True)
class Segment:
    """One PT_LOAD: `data` at physical `paddr`, zeros up to `size` bytes in all."""

    paddr: int
    vaddr: int
    size: int
    data: bytes


@dataclass(frozen=True, slots=True)
class ElfImage:
    """A parsed file: `bits` is 32 or 64; `notes` holds (owner, type, contents)."""

    bits: int
    entry: int
    segments: list[Segment]
    notes: list[tuple[str, int, bytes]]

    @property
    def end(self) -> int:
        """The first physical address above all segments."""
        return max(segment.paddr + segment.size for segment in self.segments)

    def load(self, memory: PhysicalMemory) -> None:
        """Write the segments; `ImageError`, with nothing written, when one lies outside RAM."""
        for segment in self.segments:
            if not memory.contains(segment.paddr, segment.size):
                raise ImageError(
                    f"a segment of {segment.size:#x} bytes at physical address {segment.paddr:#x} lies outside "
                    f"the guest's RAM of {memory.size >> 20} MiB",
                    "give the machine more memory, or link the program lower",
                )
        for segment in self.segments:
            memory.write(segment.paddr, segment.data)
            if segment.size > len(segment.data):
                # Another program may have been loaded here before.
                _clear(memory, segment.paddr + len(segment.data), segment.size - len(segment.data))


def read_image(path: str | os.PathLike) -> bytes:
    """The contents of a kernel or program file; `ImageError` says why it can't be read."""
    name = os.fspath(path)
    try:
        if os.path.isdir(name):
            raise ImageError(f"{name!r} is a directory", "give the path of a kernel or program file")
        with open(name, "rb") as file:
            data = file.read()
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise ImageError(f"can't read {name!r}: {reason}", "check the path") from None
    if not data:
        raise ImageError(f"{name!r} is empty", "give the path of a kernel or program file")
    return data


def parse(data: bytes, name: str = "the file") -> ElfImage:
    """Parse an ELF32 or ELF64 executable for x86; `ImageError` if it is anything else or damaged."""
    from elftools.elf.elffile import ELFFile

    if data[:4] != b"\x7fELF":
        raise ImageError(f"{name} is not an ELF file (it begins with {data[:4].hex(' ') or 'nothing'})",
                         "give an ELF executable, or load a flat binary with an address")
    try:
        elf = ELFFile(BytesIO(data))
        machine, kind = elf["e_machine"], elf["e_type"]
        if not elf.little_endian or machine not in ("EM_X86_64", "EM_386"):
            raise ImageError(f"{name} is for another machine ({str(machine).removeprefix('EM_')})",
                             "give one built for x86-64 or i386")
        if kind not in ("ET_EXEC", "ET_DYN"):
            raise ImageError(f"{name} is an ELF file of type {str(kind).removeprefix('ET_')}, not an executable",
                             "link it first")
        segments, notes = [], []
        for header in elf.iter_segments():
            if header["p_type"] == "PT_LOAD" and header["p_memsz"]:
                segments.append(_segment(data, header, name))
            elif header["p_type"] == "PT_NOTE":
                notes += _notes(data[header["p_offset"] : header["p_offset"] + header["p_filesz"]])
        image = ElfImage(elf.elfclass, elf["e_entry"], segments, notes)
    except ImageError:
        raise
    except Exception as error:  # whatever a parser of foreign bytes stumbles over
        raise ImageError(f"{name} is a damaged ELF file ({type(error).__name__}: {error})",
                         "build or copy it again") from None
    if not segments:
        raise ImageError(f"{name} has nothing to load (no PT_LOAD program header)", "link it as an executable")
    return image


def load_plain(memory: PhysicalMemory, image: ElfImage, name: str = "the file") -> CpuState:
    """Load an executable that needs no boot protocol: ELF32 starts in 32-bit protected mode with
    paging off, ELF64 in identity-mapped long mode with a stack at the top of RAM."""
    from emu.boot.flat import long_mode

    if image.bits == 64 and any(segment.vaddr != segment.paddr for segment in image.segments):
        raise ImageError(
            f"{name} is linked for virtual addresses that differ from its physical ones and has no PVH note",
            "add a PVH entry note, or link it where it is to be loaded",
        )
    image.load(memory)
    if image.bits == 32:
        return protected_mode(image.entry, esp=memory.size & ~15)
    return long_mode(memory, image.entry, [(segment.paddr, segment.size) for segment in image.segments])


def _segment(data: bytes, header, name: str) -> Segment:
    offset, length, size = header["p_offset"], header["p_filesz"], header["p_memsz"]
    if offset + length > len(data):
        raise ImageError(
            f"{name} is truncated: a segment ends at byte {offset + length}, the file at {len(data)}",
            "build or copy it again",
        )
    if length > size:
        raise ImageError(f"{name} is a damaged ELF file: a segment has {length} bytes for {size}", "build it again")
    return Segment(header["p_paddr"], header["p_vaddr"], size, data[offset : offset + length])


def _notes(data: bytes) -> list[tuple[str, int, bytes]]:
    """The notes of one segment: name and contents are each padded to 4 bytes."""
    notes, position = [], 0
    while position + 12 <= len(data):
        name_size, size, kind = (int.from_bytes(data[position + i : position + i + 4], "little") for i in (0, 4, 8))
        begin = position + 12
        contents = begin + (name_size + 3 & ~3)
        if contents + size > len(data):
            break
        owner = data[begin : begin + name_size].split(b"\0")[0].decode("latin-1")
        notes.append((owner, kind, data[contents : contents + size]))
        position = contents + (size + 3 & ~3)
    return notes


def _clear(memory: PhysicalMemory, start: int, size: int) -> None:
    zeros = bytes(1 << 20)
    for position in range(0, size, len(zeros)):
        memory.write(start + position, zeros[: min(len(zeros), size - position)])
