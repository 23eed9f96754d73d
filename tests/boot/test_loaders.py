"""PVH, multiboot and plain ELF: what a kernel finds in memory and registers, and what is refused."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.boot import elf, multiboot, pvh
from emu.boot.cpu_state import CS, RAX, RBX, SS, TR
from emu.errors import ImageError
from emu.machine.machine import Machine
from emu.machine.memory import PhysicalMemory
from tests.boot.elf_builder import elf as build
from tests.boot.elf_builder import multiboot_header, note, pvh_note
from tests.machine.scripted import scripted

CODE = b"\xf4" * 64


@pytest.fixture
def memory():
    return PhysicalMemory(16 << 20)


def text_at(memory, address):
    data = memory.read(address, 256)
    return data[: data.index(0)].decode()


def check_protected_mode(state):
    """What both PVH and multiboot promise (PVH: "state at entry"; Multiboot 3.2)."""
    assert state["cr0"] & 0x8000_0001 == 1 and state["cr4"] == 0 and state["efer"] == 0
    assert state["rflags"] & 0x20300 == 0
    for index in range(6):
        assert state["seg_base"][index] == 0 and state["seg_limit"][index] == 0xFFFFFFFF
    assert state["seg_attr"][CS] & 0x49A == 0x49A and state["seg_attr"][CS] & 0x200 == 0
    assert state["seg_attr"][SS] & 0x492 == 0x492
    assert state["seg_attr"][TR] & 0xFF == 0x8B and state["seg_limit"][TR] == 0x67


def test_pvh_start_info(memory):
    image = elf.parse(build([(0x200000, CODE, 0x3000), (0x400000, b"data", None)], notes=note(b"GNU", 3, b"abcd1") + pvh_note(0x200010)))
    memory.write(0x200000, b"\xee" * 0x3000)
    state = pvh.load(memory, image, "console=ttyS0 quiet", [(b"module one", "first"), (b"2" * 5000, "")])
    check_protected_mode(state)
    assert state["rip"] == 0x200010
    assert memory.read(0x200000, 0x3000) == CODE + bytes(0x3000 - len(CODE)) and memory.read(0x400000, 4) == b"data"
    magic, version, flags, count, modules, line, rsdp, table, entries, _ = struct.unpack("<IIIIQQQQII", memory.read(state["gpr"][RBX], 56))
    assert (magic, version, flags, count, rsdp, entries) == (0x336EC578, 1, 0, 2, 0, 3)
    assert text_at(memory, line) == "console=ttyS0 quiet"
    found = [struct.unpack("<QQQQ", memory.read(modules + 32 * index, 32)) for index in range(2)]
    assert memory.read(found[0][0], found[0][1]) == b"module one" and text_at(memory, found[0][2]) == "first"
    assert memory.read(found[1][0], found[1][1]) == b"2" * 5000 and text_at(memory, found[1][2]) == ""
    assert all(module[0] % 4096 == 0 for module in found)
    e820 = [struct.unpack("<QQII", memory.read(table + 24 * index, 24))[:3] for index in range(3)]
    assert e820 == [(0, 0x9FC00, 1), (0x9FC00, 0x60400, 2), (0x100000, 15 << 20, 1)]


def test_pvh_takes_an_8_byte_note_and_32_bit_files(memory):
    for bits, width in ((64, 8), (32, 4)):
        image = elf.parse(build([(0x100000, CODE, None)], bits=bits, notes=pvh_note(0x100004, width)))
        assert pvh.load(memory, image)["rip"] == 0x100004


def test_tables_avoid_a_kernel_in_low_memory(memory):
    low = bytes([0xAB]) * 0x9E000
    image = elf.parse(build([(0x1000, low, None)], entry=0x1000, notes=pvh_note(0x1000)))
    state = pvh.load(memory, image, "x" * 4000, [(b"m", "y")])
    assert memory.read(0x1000, len(low)) == low
    assert struct.unpack("<I", memory.read(state["gpr"][RBX], 4))[0] == 0x336EC578


def test_multiboot_information(memory):
    data = build([(0x100000, multiboot_header(3) + CODE, 0x8000)], entry=0x10000C, bits=32)
    state = multiboot.load(memory, data, "kernel args", [(b"initrd" * 1000, "mod a"), (b"b", "mod b")])
    check_protected_mode(state)
    assert state["rip"] == 0x10000C and state["gpr"][RAX] == 0x2BADB002
    info = memory.read(state["gpr"][RBX], 88)
    flags, lower, upper = struct.unpack_from("<III", info)
    line, count, modules = struct.unpack_from("<III", info, 16)
    length, table = struct.unpack_from("<II", info, 44)
    assert flags == 0x24D and lower == 639 and upper == 15 * 1024
    assert text_at(memory, line) == "kernel args" and text_at(memory, struct.unpack_from("<I", info, 64)[0]) == "ringzero"
    records = [struct.unpack("<IIII", memory.read(modules + 16 * index, 16)) for index in range(count)]
    assert memory.read(records[0][0], 6000) == b"initrd" * 1000 and records[0][1] - records[0][0] == 6000
    assert [text_at(memory, record[2]) for record in records] == ["mod a", "mod b"]
    assert all(record[0] % 4096 == 0 and record[0] >= 0x108000 for record in records)
    ranges = [struct.unpack("<IQQI", memory.read(table + 24 * index, 24)) for index in range(length // 24)]
    assert ranges[-1] == (20, 0x100000, 15 << 20, 1) and all(entry[0] == 20 for entry in ranges)


def test_multiboot_address_fields(memory):
    """The a.out kludge: header at 0x200010 of an image that begins at 0x200000, 16 bytes into the file."""
    header = multiboot_header(0x10000, (0x200010, 0x200000, 0, 0x201000, 0x200030))
    data = bytes(16) + header + CODE
    memory.write(0x200000, b"\xff" * 0x1000)
    state = multiboot.load(memory, data)
    assert state["rip"] == 0x200030 and memory.read(0x200010, len(header)) == header
    assert memory.read(0x200000 + len(data), 0x1000 - len(data)) == bytes(0x1000 - len(data))


@pytest.mark.parametrize("offset, found", [(0, True), (4, True), (8180, True), (2, False), (8184, False)])
def test_multiboot_header_search(offset, found):
    data = bytes(offset) + multiboot_header() + bytes(100)
    assert (multiboot.find_header(data) is not None) is found


def test_plain_elf(memory):
    state = elf.load_plain(memory, elf.parse(build([(0x100000, CODE, None)], bits=32)))
    check_protected_mode(state)
    assert state["rip"] == 0x100000
    state = elf.load_plain(memory, elf.parse(build([(0x100000, CODE, None)])))
    assert state["efer"] & 0x500 == 0x500 and state["cr0"] >> 31 == 1 and memory.read(0x100000, 64) == CODE


GOOD = build([(0x100000, CODE, None)], notes=pvh_note(0x100000))
BAD = {
    "empty": (b"", "is not an ELF"),
    "text": (b"#!/bin/sh\n", "is not an ELF file.*23 21 2f 62"),
    "header only": (GOOD[:64], "damaged|truncated|nothing to load"),
    "half a header": (GOOD[:30], "damaged"),
    "truncated segment": (GOOD[:-70], "truncated.*ends at byte"),
    "other machine": (build([(0x100000, CODE, None)], machine=183), "another machine.*AARCH64"),
    "unknown machine": (build([(0x100000, CODE, None)], machine=0xBEEF), "another machine"),
    "big endian": (b"\x7fELF\x02\x02\x01" + GOOD[7:], "another machine|damaged|not an executable"),
    "object file": (build([(0x100000, CODE, None)], kind=1), "type REL, not an executable"),
    "nothing to load": (build([], notes=pvh_note(1)), "nothing to load"),
    "outside RAM": (build([(0x2000000, CODE, None)], notes=pvh_note(0x2000000)), "outside.*16 MiB.*more memory"),
    "at the end of the address space": (build([((1 << 64) - 4, CODE, None)], notes=pvh_note(0)), "outside|lies in none"),
    "huge bss": (build([(0x100000, CODE, 1 << 60)], notes=pvh_note(0x100000)), "outside"),
    "more file than memory": (build([(0x100000, CODE, 3)], notes=pvh_note(0x100000)), "damaged"),
    "no note": (build([(0x100000, CODE, None)]), "no PVH entry note"),
    "note of a wrong size": (build([(0x100000, CODE, None)], notes=note(b"Xen", 18, b"ab")), "no PVH entry note"),
    "entry elsewhere": (build([(0x100000, CODE, None)], notes=pvh_note(0x900000)), "lies in none of its segments"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_kernels_are_explained_and_leave_memory_alone(memory, name):
    data, why = BAD[name]
    with pytest.raises(ImageError, match=why) as caught:
        pvh.load(memory, elf.parse(data, "'k.elf'"), name="'k.elf'")
    assert "\n" not in str(caught.value)
    assert memory.read(0x100000, 0x1000) == bytes(0x1000)


@pytest.mark.parametrize("data, why", [
    (CODE * 10, "no multiboot header"),
    (multiboot_header(0x8) + CODE, "requires multiboot features"),
    (multiboot_header(0) + CODE, "not an ELF"),
    (multiboot_header(0x10000, (0x100, 0x200, 0, 0, 0)) + CODE, "don't fit the file"),
    (multiboot_header(0x10000, (0x100000, 0x100000, 0x900000, 0, 0)) + CODE, "don't fit the file"),
    (multiboot_header(0x10000, (0x8000000, 0x8000000, 0, 0, 0)) + CODE, "outside"),
    (build([(0x100000, multiboot_header() + CODE, None)], entry=1 << 33), "above 4 GiB"),
])
def test_bad_multiboot_kernels(memory, data, why):
    with pytest.raises(ImageError, match=why):
        multiboot.load(memory, data, name="'k'")


def test_no_room_for_modules(memory):
    image = elf.parse(GOOD)
    with pytest.raises(ImageError, match="no room in RAM for a module"):
        pvh.load(memory, image, "", [(bytes(15 << 20), "")])
    with pytest.raises(ImageError, match="no room in RAM for a module"):
        multiboot.load(memory, build([(0x100000, multiboot_header() + CODE, None)]), "", [(bytes(16 << 20), "")])


def test_command_line_with_a_nul(memory):
    with pytest.raises(ImageError, match="NUL"):
        pvh.load(memory, elf.parse(GOOD), "a\0b")


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=12), st.integers(0, len(GOOD)))
def test_damaged_kernels_load_or_are_explained(changes, length):
    data = bytearray(GOOD)
    for position, value in changes:
        data[position] = value
    memory = PhysicalMemory(4 << 20)
    for attempt in (bytes(data), bytes(data[:length])):
        try:
            pvh.load(memory, elf.parse(attempt))
        except ImageError as error:
            assert "\n" not in str(error)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.booleans(), st.lists(st.integers(0, 2**32 - 1), max_size=9), st.integers(0, 0x1FFFF))
def test_garbage_is_explained(data, is_elf, numbers, flags):
    memory = PhysicalMemory(4 << 20)
    for attempt in ((b"\x7fELF" + data) if is_elf else data, multiboot_header(flags, numbers) + data):
        for load in (lambda: pvh.load(memory, elf.parse(attempt)), lambda: multiboot.load(memory, attempt),
                     lambda: elf.load_plain(memory, elf.parse(attempt))):
            try:
                load()
            except ImageError as error:
                assert "\n" not in str(error)


def machine(**options):
    return Machine("16M", scripted(("hlt",)), **options)


def test_machine_chooses_the_protocol(tmp_path):
    both = build([(0x100000, multiboot_header() + CODE, None)], notes=pvh_note(0x100000))
    assert machine().load(both) == "pvh"
    assert machine().load(build([(0x100000, multiboot_header() + CODE, None)])) == "multiboot"
    assert machine().load(build([(0x100000, CODE, None)])) == "elf"
    kernel = tmp_path / "kernel.elf"
    kernel.write_bytes(both)
    disk = tmp_path / "disk.img"
    disk.write_bytes(bytes(4096))
    with machine(kernel=kernel, cmdline="quiet", disk=disk) as m:
        info = m.memory.read(m.engine.fields["gpr", RBX], 56)
        assert text_at(m.memory, struct.unpack_from("<Q", info, 24)[0]) == "quiet virtio_mmio.device=512@0xfeb00e00:12"
        assert m.engine.fields["seg_attr", CS] == 0xC9B


@pytest.mark.parametrize("contents, why", [
    (b"", "is empty"), (b"\x7fELF", "damaged"), (b"junk" * 10, "neither ELF nor multiboot"),
    (bytes(0x202) + b"HdrS" + bytes(100), "bzImage.*extract-vmlinux"),
])
def test_machine_explains_bad_kernel_files(tmp_path, contents, why):
    kernel = tmp_path / "kernel"
    kernel.write_bytes(contents)
    with pytest.raises(ImageError, match=why) as caught:
        machine(kernel=kernel)
    assert str(kernel) in str(caught.value)


def test_machine_explains_missing_files(tmp_path):
    with pytest.raises(ImageError, match="no such file"):
        machine(kernel=tmp_path / "none")
    with pytest.raises(ImageError, match="is a directory"):
        machine(kernel=tmp_path)
    with pytest.raises(ImageError, match="can't take modules"):
        machine().load(build([(0x100000, CODE, None)]), "", [(b"m", "")])
    with pytest.raises(ImageError, match="differ from its physical"):
        machine().load(build([(0x100000, CODE, None)], vaddr_offset=0xFFFFFFFF80000000))
