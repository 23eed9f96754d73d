"""The kernel's structures: their layout from the kernel file's debugging information, their values from guest memory.

    kernel = Layouts(elf)
    task = kernel.at(memory, "task", address)       # struct task
    task.pid, task.comm, task.mm.brk                # pointers are followed as they are asked for
"""

from __future__ import annotations

import contextlib
import os
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from emu.errors import ImageError, RingzeroError

#: Reads `length` bytes at a linear address; raises or returns fewer where nothing is mapped.
Reader = Callable[[int, int], bytes]


class LayoutError(RingzeroError):
    """A structure or field that this kernel doesn't have."""


@dataclass(slots=True, eq=False)
class Type:
    """A C type. `kind` is "int", "bool", "char", "pointer", "array", "struct", "enum" or "void"; `size` in bytes."""

    kind: str
    name: str = ""
    size: int = 0
    signed: bool = False
    target: Type | None = None      #: of a pointer or an array
    count: int = 0                  #: elements of an array
    fields: dict[str, Field] = field(default_factory=dict)
    values: dict[int, str] = field(default_factory=dict)    #: of an enum


@dataclass(slots=True, frozen=True)
class Field:
    """Of a structure: `offset` in bytes; a bit field's `bits` from bit `shift` on, else 0."""

    offset: int
    type: Type
    bits: int = 0
    shift: int = 0


class Layouts:
    """The structures that a kernel's DWARF describes, read from the file as they are asked for.

    Reading takes seconds, so what has been read is kept in the file `kept` if one is named: it is of this very ELF file."""

    def __init__(self, elf: bytes, name: str = "the kernel", kept: Path | None = None) -> None:
        from elftools.elf.elffile import ELFFile

        file = ELFFile(BytesIO(elf))
        if not file.has_dwarf_info():
            raise ImageError(f"{name} has no debugging information, so its structures can't be read", "build it with -g")
        self._units = file.get_dwarf_info().iter_CUs()
        self._structs: dict[str, Any] = {}      # the structures of the units read so far
        self._types: dict[int, Type] = {}
        self._kept = kept
        self._read: dict[str, Type] = _load(kept) if kept is not None else {}
        self._reading = 0

    def struct(self, name: str) -> Type:
        """`struct NAME`. Raises LayoutError."""
        if name in self._read:
            return self._read[name]
        self._reading += 1
        try:
            found = self._read[name] = self._search(name)
        finally:
            self._reading -= 1
        if self._kept is not None and not self._reading:
            _save(self._kept, self._read)
        return found

    def _search(self, name: str) -> Type:
        while name not in self._structs:
            unit = next(self._units, None)
            if unit is None:
                raise LayoutError(f"the kernel has no struct {name}", "use the tool that came with this kernel")
            for die in unit.get_top_DIE().iter_children():
                if die.tag == "DW_TAG_structure_type" and "DW_AT_name" in die.attributes and "DW_AT_byte_size" in die.attributes:
                    self._structs.setdefault(die.attributes["DW_AT_name"].value.decode(), die)
        return self._type(self._structs[name])

    def __contains__(self, name: str) -> bool:
        try:
            return bool(self.struct(name))
        except LayoutError:
            return False

    def at(self, read: Reader, name: str, address: int) -> Struct:
        """The `struct NAME` at `address`."""
        return Struct(read, self.struct(name), address)

    def _type(self, die: Any) -> Type:
        if die is None:
            return Type("void")
        if die.offset in self._types:
            return self._types[die.offset]
        attributes = die.attributes
        name = attributes["DW_AT_name"].value.decode() if "DW_AT_name" in attributes else ""
        size = attributes["DW_AT_byte_size"].value if "DW_AT_byte_size" in attributes else 0
        target = die.get_DIE_from_attribute("DW_AT_type") if "DW_AT_type" in attributes else None
        made = self._types[die.offset] = Type("void", name, size)       # there before what may point back to it
        tag = die.tag.removeprefix("DW_TAG_")
        if tag == "base_type":
            encoding = attributes["DW_AT_encoding"].value
            made.kind = {2: "bool", 6: "char", 8: "char"}.get(encoding, "int")
            made.signed = encoding in (5, 6)
        elif tag == "pointer_type":
            made.kind, made.size = "pointer", 8
            made.target = self._type(target)
        elif tag == "array_type":
            self._array(made, target, die)
        elif tag in ("structure_type", "union_type"):
            made.kind = "struct"
            if "DW_AT_declaration" in attributes and name:
                made = self._types[die.offset] = self._declared(name)
            else:
                made.fields = dict(self._fields(die, 0))
        elif tag == "enumeration_type":
            made.kind = "enum"
            made.values = {child.attributes["DW_AT_const_value"].value: child.attributes["DW_AT_name"].value.decode()
                           for child in die.iter_children()}
        elif tag in ("typedef", "const_type", "volatile_type", "restrict_type"):
            made = self._types[die.offset] = self._type(target)
        return made

    def _declared(self, name: str) -> Type:
        """A structure that this unit only declares, described by another one if any."""
        try:
            return self.struct(name)
        except LayoutError:
            return Type("void", name)

    def _array(self, made: Type, target: Any, die: Any) -> None:
        counts = [child.attributes["DW_AT_count"].value if "DW_AT_count" in child.attributes else 0
                  for child in die.iter_children() if child.tag == "DW_TAG_subrange_type"]
        element = self._type(target)
        for count in reversed(counts[1:]):
            element = Type("array", size=element.size * count, target=element, count=count)
        made.kind, made.target, made.count = "array", element, counts[0] if counts else 0
        made.size = element.size * made.count

    def _fields(self, die: Any, base: int) -> Iterator[tuple[str, Field]]:
        """Fields by name; those of unnamed structures and unions in it are its own."""
        for child in die.iter_children():
            if child.tag != "DW_TAG_member":
                continue
            attributes = child.attributes
            offset = base + (attributes["DW_AT_data_member_location"].value if "DW_AT_data_member_location" in attributes else 0)
            inner = child.get_DIE_from_attribute("DW_AT_type")
            if "DW_AT_name" not in attributes:
                yield from self._fields(inner, offset)
                continue
            bits = attributes["DW_AT_bit_size"].value if "DW_AT_bit_size" in attributes else 0
            shift = 0
            if "DW_AT_data_bit_offset" in attributes:
                offset, shift = base, attributes["DW_AT_data_bit_offset"].value
            elif "DW_AT_bit_offset" in attributes:      # DWARF 3 counts from the most significant bit
                shift = 8 * self._type(inner).size - attributes["DW_AT_bit_offset"].value - bits
            yield attributes["DW_AT_name"].value.decode(), Field(offset, self._type(inner), bits, shift)


def _load(kept: Path) -> dict[str, Type]:
    try:
        return pickle.loads(kept.read_bytes())
    except (OSError, pickle.UnpicklingError, EOFError, AttributeError, TypeError, ValueError):
        return {}           # there is none, or one that another version has written


def _save(kept: Path, types: dict[str, Type]) -> None:
    """Where nothing can be kept, everything is read again next time."""
    part = kept.with_suffix(f".{os.getpid()}")
    with contextlib.suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(pickle.dumps(types, pickle.HIGHEST_PROTOCOL))
        part.replace(kept)


class Struct:
    """A structure in guest memory. Its C fields are its attributes, read when they are asked for: numbers, text of
    char arrays, lists of other arrays, a `Struct` for a structure or a pointer to one (None: the null pointer)."""

    __slots__ = ("_read", "_type", "_address")

    def __init__(self, read: Reader, type_: Type, address: int) -> None:
        self._read, self._type, self._address = read, type_, address

    def __getattr__(self, name: str) -> Any:
        found = self._type.fields.get(name)
        if found is None:
            raise AttributeError(f"struct {self._type.name} has no field {name!r}; it has {', '.join(self._type.fields)}")
        if found.bits:
            raw = self._bytes(found.offset + found.shift // 8, 8)
            return int.from_bytes(raw, "little") >> found.shift % 8 & (1 << found.bits) - 1
        return self._value(found.type, found.offset)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Struct) and (self._address, self._type.name) == (other._address, other._type.name)

    def __hash__(self) -> int:
        return hash(self._address)

    def __repr__(self) -> str:
        return f"<struct {self._type.name} at {self._address:#x}>"

    def _bytes(self, offset: int, size: int) -> bytes:
        return self._read(self._address + offset, size)

    def _value(self, type_: Type, offset: int) -> Any:
        if type_.kind == "struct":
            return Struct(self._read, type_, self._address + offset)
        if type_.kind == "array":
            if type_.target.kind == "char":
                return self._bytes(offset, type_.size).split(b"\0", 1)[0].decode("utf-8", "replace")
            return [self._value(type_.target, offset + n * type_.target.size) for n in range(type_.count)]
        number = int.from_bytes(self._bytes(offset, type_.size), "little", signed=type_.signed)
        if type_.kind == "pointer" and type_.target.kind == "struct":
            return Struct(self._read, type_.target, number) if number else None
        if type_.kind == "enum":
            return type_.values.get(number, number)
        return bool(number) if type_.kind == "bool" else number


def address_of(value: Struct, name: str = "") -> int:
    """Where a structure stands, or its field `name`."""
    return value._address + (value._type.fields[name].offset if name else 0)


def elements(head: Struct, layout: Type, link: str) -> Iterator[Struct]:
    """The structures of type `layout` in the kernel's circular list `head`, linked through their field `link`."""
    offset, node = layout.fields[link].offset, head.next
    while node is not None and node != head:
        yield Struct(node._read, layout, node._address - offset)
        node = node.next
