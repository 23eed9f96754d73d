"""Page faults and their error codes, accessed and dirty bits, what the TLB keeps and drops (APM vol. 2, 5.3 to 5.6, 8.4.2)."""

import struct

import pytest

from emu.engines.engine import StopReason
from tests.flat import CODE, TABLES
from tests.system.machine import AC, GP, PF, SS, SystemMachine

PAGE = 0x100000
P, W, U, RSVD, ID = 1, 2, 4, 8, 16
NX = 0x800
CR0_WP, CR0_AM, SMEP, SMAP, PGE, PCIDE = 1 << 16, 1 << 18, 1 << 20, 1 << 21, 1 << 7, 1 << 17


@pytest.fixture
def kernel(engine_class):
    return SystemMachine(engine_class)


@pytest.fixture
def user(engine_class):
    return SystemMachine(engine_class, cpl=3)


def enable(m, name, bits):
    m.engine.set(name, m.engine.get(name) | bits)


READ, WRITE, EXECUTE = "mov al, [rbx]", "mov [rbx], al", "jmp rbx"


@pytest.mark.parametrize("cpl, flags, text, error", [
    (0, 0x00, READ, 0), (0, 0x00, WRITE, W), (3, 0x00, READ, U), (3, 0x00, WRITE, U | W),
    (3, 0x63, READ, U | P), (3, 0x63, WRITE, U | W | P),              # supervisor page
    (3, 0x65, WRITE, U | W | P), (3, 0x65, READ, None),               # read-only
    (0, 0x65, WRITE, None), (0, 0x61, WRITE, None),                   # WP is clear
    (0, 0x63, READ, None), (3, 0x67, WRITE, None)])
def test_permissions(engine_class, cpl, flags, text, error):
    m = SystemMachine(engine_class, cpl=cpl)
    m.engine.set("cr0", m.engine.get("cr0") & ~CR0_WP)
    m.page(PAGE, flags=flags)
    m.asm(text, rbx=PAGE + 0x123)
    assert m.faulted() == (None if error is None else (PF, error))
    if error is not None:
        assert m.engine.get("cr2") == PAGE + 0x123 and m.fault.rip == CODE


def test_write_protect_binds_the_supervisor(kernel):
    enable(kernel, "cr0", CR0_WP)
    kernel.page(PAGE, flags=0x61)
    kernel.asm(WRITE, rbx=PAGE)
    assert kernel.faulted() == (PF, W | P)


@pytest.mark.parametrize("cpl", [0, 3])
def test_no_execute(engine_class, cpl):
    m = SystemMachine(engine_class, cpl=cpl)
    enable(m, "efer", NX)
    m.page(PAGE, upper=0x800)
    m.memory.write(PAGE, b"\x90\x90")
    m.asm(READ, rbx=PAGE)
    assert m.faulted() is None
    m.asm(EXECUTE, rbx=PAGE)
    assert m.faulted() == (PF, ID | P | (U if cpl else 0)) and m.fault.rip == PAGE and m.engine.get("cr2") == PAGE


def test_the_id_bit_is_only_reported_with_nx_or_smep(kernel):
    kernel.page(PAGE, flags=0)
    kernel.asm(EXECUTE, rbx=PAGE)
    assert kernel.faulted() == (PF, 0)
    kernel.reset()
    enable(kernel, "efer", NX)
    kernel.asm(EXECUTE, rbx=PAGE)
    assert kernel.faulted() == (PF, ID)


def test_smep_keeps_the_supervisor_from_user_code(kernel):
    kernel.memory.write(PAGE, b"\x90\x90")
    kernel.page(CODE, flags=0x63)
    kernel.page(CODE + 0x1000, flags=0x63)
    enable(kernel, "cr4", SMEP)
    kernel.asm(EXECUTE, rbx=PAGE)
    assert kernel.faulted() == (PF, ID | P)
    kernel.reset()
    kernel.asm(READ, rbx=PAGE)
    assert kernel.faulted() is None


def test_smap_keeps_the_supervisor_from_user_data_unless_ac(kernel):
    enable(kernel, "cr4", SMAP)
    for page in range(0x1D0000, 0x200000, 0x1000):
        kernel.page(page, flags=0x63)
    kernel.asm(READ, rbx=PAGE)
    assert kernel.faulted() == (PF, P)
    kernel.reset()
    kernel.asm("stac; mov al, [rbx]; mov [rbx], al; clac", rbx=PAGE)
    assert kernel.faulted() is None
    kernel.asm(WRITE, rbx=PAGE)
    assert kernel.faulted() == (PF, P | W)


def test_smap_binds_implicit_accesses_even_with_ac(kernel):
    enable(kernel, "cr4", SMAP)
    for page in range(0x1E0000, 0x200000, 0x1000):
        kernel.page(page, flags=0x63)
    # The GDT lies in a user page: nothing can be delivered either.
    stop = kernel.asm("mov ds, ax", limit=1, rax=0x10, rflags=0x40002)
    assert stop.reason is StopReason.SHUTDOWN and kernel.engine.get("cr2") == 0x1D0008


def test_stac_and_clac_are_undefined_in_ring_3(user):
    for code in ("0f 01 ca", "0f 01 cb"):
        user.run(code)
        assert user.faulted() == (6, 0)
        user.reset()


@pytest.mark.parametrize("upper", [0x800, 0])
def test_nx_bit_is_reserved_without_nxe(kernel, upper):
    kernel.page(PAGE, upper=upper)
    kernel.asm(READ, rbx=PAGE)
    assert kernel.faulted() == ((PF, RSVD | P) if upper else None)


@pytest.mark.parametrize("bit", [40, 45, 51])
@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_physical_address_bits_above_40_are_reserved(kernel, bit, level):
    # A second set of tables for the upper half of the linear space, broken at one level.
    entries = [0x1A1067, 0x1A2067, 0x1A3067, PAGE | 0x67]
    entries[level] |= 1 << bit
    kernel.memory.write(TABLES + 8 * 511, struct.pack("<Q", entries[0]))
    for table, entry in zip((0x1A1000, 0x1A2000, 0x1A3000), entries[1:]):
        kernel.memory.write(table, struct.pack("<Q", entry))
    kernel.asm(READ, rbx=0xFFFFFF8000000000)
    assert kernel.faulted() == (PF, RSVD | P)


def test_ps_is_reserved_in_the_top_level(kernel):
    kernel.memory.write(TABLES + 8 * 511, struct.pack("<Q", 0x1A10E7))
    kernel.asm(READ, rbx=0xFFFFFF8000000000)
    assert kernel.faulted() == (PF, RSVD | P)


@pytest.mark.parametrize("size, entries, offset", [
    ("2M", [0x1A1067, 0x1A2067, 0x000000E7], 0x100123), ("1G", [0x1A1067, 0x000000E7], 0x100123)])
def test_large_pages(kernel, size, entries, offset):
    kernel.memory.write(TABLES + 8 * 511, struct.pack("<Q", entries[0]))
    for table, entry in zip((0x1A1000, 0x1A2000), entries[1:]):
        kernel.memory.write(table, struct.pack("<Q", entry))
    kernel.memory.write(0x100123, b"\x5A")
    kernel.asm(READ, rax=0, rbx=0xFFFFFF8000000000 + offset)
    assert kernel.faulted() is None and kernel["rax"] == 0x5A
    at = 0x1A2000 if size == "2M" else 0x1A1000
    kernel.memory.write(at, struct.pack("<Q", 0xE7 | 1 << 13))
    kernel.asm("invlpg [rbx]; mov al, [rbx]", rbx=0xFFFFFF8000000000)
    assert kernel.faulted() == (PF, RSVD | P)


def upper_half(m, *flags):
    """Map PAGE at 0xFFFFFF8000000000 too, through tables of its own with these flags at each level."""
    entries = [0x1A1000 | flags[0], 0x1A2000 | flags[1], 0x1A3000 | flags[2], PAGE | flags[3]]
    for at, entry in zip((TABLES + 8 * 511, 0x1A1000, 0x1A2000, 0x1A3000), entries):
        m.memory.write(at, struct.pack("<Q", entry))


@pytest.mark.parametrize("level", [0, 1, 2, 3])
@pytest.mark.parametrize("bit, text, error", [(U, READ, U | P), (W, WRITE, U | W | P), (P, READ, U)])
def test_every_level_restricts(user, level, bit, text, error):
    flags = [0x67] * 4
    flags[level] &= ~bit
    upper_half(user, *flags)
    user.asm(text, rbx=0xFFFFFF8000000000)
    assert user.faulted() == (PF, error)


def test_every_level_gets_its_accessed_bit(user):
    upper_half(user, 7, 7, 7, 7)
    user.asm(READ, rbx=0xFFFFFF8000000000)
    assert [user.memory.read(at, 1)[0] for at in (TABLES + 8 * 511, 0x1A1000, 0x1A2000, 0x1A3000)] == [0x27] * 4


# Accessed and dirty

def test_accessed_and_dirty_bits(kernel):
    kernel.page(PAGE, flags=7)
    kernel.asm(READ, rbx=PAGE)
    assert kernel.pte(PAGE) & 0x60 == 0x20
    kernel.asm(WRITE, rbx=PAGE)
    assert kernel.pte(PAGE) & 0x60 == 0x60


def test_a_faulting_access_sets_neither(user):
    user.page(PAGE, flags=5)
    user.asm(WRITE, rbx=PAGE)
    assert user.faulted() == (PF, U | W | P) and user.pte(PAGE) & 0x60 == 0


def test_dirty_is_set_by_the_first_write_though_the_page_was_read_before(kernel):
    kernel.page(PAGE, flags=7)
    kernel.asm("mov al, [rbx]; mov al, [rbx]; mov [rbx], al", rbx=PAGE)
    assert kernel.pte(PAGE) & 0x60 == 0x60


def test_read_modify_write_faults_as_a_write(user):
    user.page(PAGE, flags=5)
    user.asm("add byte ptr [rbx], al", rbx=PAGE)
    assert user.faulted() == (PF, U | W | P)


# Across pages, canonical addresses, alignment

def test_a_write_across_pages_writes_nothing_if_the_second_faults(kernel):
    kernel.page(PAGE + 0x1000, flags=0)
    kernel.memory.write(PAGE + 0xFF8, b"\xAA" * 8)
    kernel.asm("mov [rbx], rax", rax=0, rbx=PAGE + 0xFFC)
    assert kernel.faulted() == (PF, W) and kernel.engine.get("cr2") == PAGE + 0x1000
    assert kernel.memory.read(PAGE + 0xFF8, 8) == b"\xAA" * 8


def test_pages_need_not_be_neighbours(kernel):
    kernel.page(PAGE + 0x1000, pa=0x130000)
    kernel.asm("mov [rbx], rax; mov rcx, [rbx]", rax=0x1122334455667788, rbx=PAGE + 0xFFC)
    assert kernel["rcx"] == 0x1122334455667788
    assert kernel.memory.read(PAGE + 0xFFC, 4) == bytes.fromhex("88776655") and kernel.memory.read(0x130000, 4) == bytes.fromhex("44332211")


@pytest.mark.parametrize("text, registers, fault", [
    ("mov al, [rbx]", dict(rbx=1 << 47), (GP, 0)), ("mov al, [rbp]", dict(rbp=1 << 47), (SS, 0)),
    ("push rax", dict(rsp=0x800000000008 - 4), (SS, 0)), ("mov eax, [rbx]", dict(rbx=(1 << 47) - 2), (GP, 0)),
    ("mov al, [rbx]", dict(rbx=0xFFFF7FFFFFFFFFFF), (GP, 0)), ("mov al, [rbx]", dict(rbx=0xFFFF800000000000), (PF, 0))])
def test_canonical_addresses(kernel, text, registers, fault):
    kernel.asm(text, **registers)
    assert kernel.faulted() == fault


def test_near_jumps_to_addresses_that_are_not_canonical(kernel):
    for text in ("jmp rax", "call rax", "push rax; ret"):
        kernel.asm(text, rax=1 << 47, rsp=0x180000)
        assert kernel.faulted() == (GP, 0) and kernel.fault.rip < 1 << 47
        kernel.reset()


@pytest.mark.parametrize("cpl, am, ac, fault", [(3, 1, 1, (AC, 0)), (0, 1, 1, None), (3, 0, 1, None), (3, 1, 0, None)])
def test_alignment_check(engine_class, cpl, am, ac, fault):
    m = SystemMachine(engine_class, cpl=cpl)
    if am:
        enable(m, "cr0", CR0_AM)
    m.asm("mov eax, [rbx]", rbx=PAGE + 2, rflags=2 | ac << 18)
    assert m.faulted() == fault
    m.reset()
    m.asm("mov [rbx], ax", rbx=PAGE + 1, rflags=2 | ac << 18)
    assert m.faulted() == fault
    m.reset()
    m.asm("mov eax, [rbx]", rbx=PAGE + 4, rflags=2 | ac << 18)
    assert m.faulted() is None


# The TLB

def remap(m, pa):
    """Point PAGE elsewhere in the tables, without telling the processor."""
    m.page(PAGE, pa=pa)


@pytest.fixture
def two_pages(kernel):
    kernel.memory.write(0x120000, b"\x01"), kernel.memory.write(0x130000, b"\x02")
    remap(kernel, 0x120000)
    kernel.asm(READ, rax=0, rbx=PAGE)
    assert kernel["rax"] == 1
    remap(kernel, 0x130000)
    return kernel


def test_translations_stay_until_they_are_dropped(two_pages):
    two_pages.asm(READ, rbx=PAGE)
    assert two_pages["rax"] == 1
    two_pages.asm("invlpg [rbx]; mov al, [rbx]", rbx=PAGE)
    assert two_pages["rax"] == 2


@pytest.mark.parametrize("text", ["mov rcx, cr3; mov cr3, rcx", "mov rcx, cr4; btc rcx, 7; mov cr4, rcx",
                                  "mov rcx, cr0; btc rcx, 16; mov cr0, rcx"])
def test_control_register_writes_drop_translations(two_pages, text):
    two_pages.asm(text + "; mov al, [rbx]", rbx=PAGE)
    assert two_pages["rax"] == 2


def test_invlpg_of_another_page_keeps_it(two_pages):
    two_pages.asm("invlpg [rbx + 0x1000]; mov al, [rbx]", rbx=PAGE)
    assert two_pages["rax"] == 1


def test_not_present_entries_are_not_remembered(kernel):
    kernel.page(PAGE, flags=0)
    kernel.asm(READ, rbx=PAGE)
    assert kernel.faulted() == (PF, 0)
    kernel.reset()
    kernel.page(PAGE)
    kernel.asm(READ, rbx=PAGE)
    assert kernel.faulted() is None


def test_more_permission_takes_effect_without_invlpg(user):
    user.page(PAGE, flags=0x65)
    user.asm(READ, rbx=PAGE)
    user.asm(WRITE, rbx=PAGE)
    assert user.faulted() == (PF, U | W | P)
    user.reset()
    user.page(PAGE, flags=0x67)
    user.asm(WRITE, rbx=PAGE)
    assert user.faulted() is None


def test_global_pages_outlive_cr3_but_not_invlpg_nor_pge(kernel):
    enable(kernel, "cr4", PGE)
    kernel.memory.write(0x120000, b"\x01"), kernel.memory.write(0x130000, b"\x02")
    kernel.page(PAGE, pa=0x120000, flags=0x167)
    kernel.asm(READ, rax=0, rbx=PAGE)
    kernel.page(PAGE, pa=0x130000, flags=0x167)
    kernel.asm("mov rcx, cr3; mov cr3, rcx; mov al, [rbx]", rbx=PAGE)
    assert kernel["rax"] == 1
    kernel.asm("invlpg [rbx]; mov al, [rbx]", rbx=PAGE)
    assert kernel["rax"] == 2
    kernel.page(PAGE, pa=0x120000, flags=0x167)
    kernel.asm("mov rcx, cr4; btr rcx, 7; mov cr4, rcx; mov al, [rbx]", rbx=PAGE)
    assert kernel["rax"] == 1


# Process-context identifiers

@pytest.fixture
def pcids(kernel):
    enable(kernel, "cr4", PCIDE)
    kernel.memory.write(0x120000, b"\x01"), kernel.memory.write(0x130000, b"\x02")
    remap(kernel, 0x120000)
    kernel.asm("mov cr3, rcx; mov al, [rbx]", rax=0, rbx=PAGE, rcx=TABLES | 1)
    assert kernel["rax"] == 1
    remap(kernel, 0x130000)
    kernel.asm("mov cr3, rcx", rcx=TABLES | 2)
    return kernel


NO_FLUSH = 1 << 63


def test_another_pcid_does_not_see_them(pcids):
    pcids.asm("mov al, [rbx]", rbx=PAGE)
    assert pcids["rax"] == 2


def test_no_flush_keeps_a_pcids_translations(pcids):
    pcids.asm("mov cr3, rcx; mov al, [rbx]", rbx=PAGE, rcx=TABLES | 1 | NO_FLUSH)
    assert pcids["rax"] == 1
    assert pcids.engine.get("cr3") == TABLES | 1


def test_without_it_they_are_dropped(pcids):
    pcids.asm("mov cr3, rcx; mov al, [rbx]", rbx=PAGE, rcx=TABLES | 1)
    assert pcids["rax"] == 2


@pytest.mark.parametrize("kind, pcid, expected", [(0, 1, 2), (1, 1, 2), (1, 3, 1), (2, 0, 2), (3, 0, 2)])
def test_invpcid(pcids, kind, pcid, expected):
    pcids.memory.write(0x140000, struct.pack("<QQ", pcid, PAGE))
    pcids.run("66 0f 38 82 06", rax=kind, rsi=0x140000)
    assert pcids.faulted() is None
    pcids.asm("mov cr3, rcx; mov al, [rbx]", rax=0, rbx=PAGE, rcx=TABLES | 1 | NO_FLUSH)
    assert pcids["rax"] == expected


@pytest.mark.parametrize("kind, pcid, la", [(4, 0, 0), (1, 0x1000, 0), (0, 1, 1 << 47)])
def test_invpcid_refuses(pcids, kind, pcid, la):
    pcids.memory.write(0x140000, struct.pack("<QQ", pcid, la))
    pcids.run("66 0f 38 82 06", rax=kind, rsi=0x140000)
    assert pcids.faulted() == (GP, 0)


def test_invpcid_of_other_pcids_needs_pcide(kernel):
    kernel.memory.write(0x140000, struct.pack("<QQ", 1, PAGE))
    kernel.run("66 0f 38 82 06", rax=1, rsi=0x140000)
    assert kernel.faulted() == (GP, 0)
