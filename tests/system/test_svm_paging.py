"""Nested paging and address space identifiers: who faults, with what, and what the TLB keeps for whom (APM vol. 2, 15.16, 15.25)."""

import struct

import pytest

from tests.conftest import ENGINES
from tests.flat import CODE, TABLES
from tests.system.machine import PF, UD, SystemMachine, assemble
from tests.system.svm import (
    EXCEPTION,
    GUEST,
    GUEST_DATA,
    GUEST_STACK,
    GUEST_TABLES,
    HLT,
    INVALID,
    NESTED,
    NPF,
    OTHER,
    VMCB,
    VMMCALL,
    VMMCALL_TEXT,
    Host,
)

P, W, U, RSVD, ID, FINAL, TABLE = 1, 2, 4, 8, 16, 1 << 32, 1 << 33
ACCESSED, DIRTY, LARGE, GLOBAL = 0x20, 0x40, 0x80, 0x100
PAGE = GUEST_DATA
READ, WRITE, EXECUTE = "mov al, [rbx]", "mov [rbx], al", "jmp rbx"
FLUSH_ALL, FLUSH_GUEST, FLUSH_LOCAL = 1, 3, 7
INVLPGA = ".byte 0x0f, 0x01, 0xdf"


@pytest.fixture
def m(engine_class):
    return Host(engine_class, nested=True)


def again(m, value=0):
    """Read PAGE in the guest, which has been left with VMMCALL or HLT behind a read; returns what it sees."""
    assert m.guest(READ + "; hlt", rbx=PAGE, rax=value) == HLT
    return m.field("rax") & 0xFF


# Nested page faults (15.25.6)

@pytest.mark.parametrize("flags, upper, text, error", [
    (0x00, 0, READ, U), (0x00, 0, WRITE, U | W), (0x00, 0, EXECUTE, U | ID),
    (0x65, 0, WRITE, P | U | W), (0x65, 0, READ, None), (0x67, 0, WRITE, None),
    (0x63, 0, READ, P | U), (0x63, 0, EXECUTE, P | U | ID),          # every access there is a user's
    (0x67, 0x800, EXECUTE, P | U | ID), (0x67, 0x800, READ, None)])
def test_nested_faults(m, flags, upper, text, error):
    m.nested_page(PAGE, flags=flags, upper=upper)
    m.memory.write(PAGE + 0x123, b"\xF4")
    assert m.guest("nop; " + text, rbx=PAGE + 0x123) == (HLT if error is None else NPF)
    if error is not None:
        assert m.info == (error | FINAL, PAGE + 0x123)
        assert m.field("rip") == (PAGE + 0x123 if text == EXECUTE else GUEST + 1)
        assert m.field("bytes") == (0 if text == EXECUTE else 15) and m.field("next_rip") == 0


def test_reserved_bits(m):
    m.memory.write(NESTED + 0x3000 + (PAGE >> 12) * 8, struct.pack("<Q", 1 << 45 | PAGE | 0x67))
    assert m.guest(READ, rbx=PAGE) == NPF
    assert m.info == (P | U | RSVD | FINAL, PAGE)


@pytest.mark.parametrize("level, address", [(1, TABLES + 0x3000 + (PAGE >> 12) * 8), (2, TABLES + 0x2000), (3, TABLES + 0x1000), (4, TABLES)])
@pytest.mark.parametrize("flags, error", [(0, W | U), (0x65, P | W | U)])
def test_faults_of_the_guests_tables_are_writes(m, level, address, flags, error):
    m.nested_page(address, flags=flags)
    assert m.guest(READ, rbx=PAGE) == NPF
    assert m.info == (error | TABLE, address if level > 1 else TABLES + 0x3000 + (GUEST >> 12) * 8)


def test_the_guests_own_fault_comes_first(m):
    m.page(PAGE, flags=0)
    m.nested_page(PAGE, flags=0)
    m.intercept(EXCEPTION + PF)
    assert m.guest(READ, rbx=PAGE) == EXCEPTION + PF
    assert m.info == (0, PAGE)
    m.page(PAGE, flags=0x65)
    assert m.guest(WRITE, rbx=PAGE) == EXCEPTION + PF
    assert m.info == (P | W, PAGE)


def test_addresses_are_the_guests_physical_ones(m):
    m.page(PAGE, pa=0x100000)
    m.nested_page(0x100000, flags=0)
    assert m.guest(READ, rbx=PAGE + 8) == NPF
    assert m.info == (U | FINAL, 0x100008)
    m.nested_page(0x100000, pa=0x170000)
    m.memory.write(0x170008, b"\x5A")
    assert m.go_on(rbx=PAGE + 8) == HLT
    assert m.field("rax") & 0xFF == 0x5A


def test_write_protection_in_the_guest_does_not_bind_its_supervisor_but_the_hosts_does(m):
    m.page(PAGE, flags=0x65)
    m.put(cr0=0x80000033)                                           # WP is clear
    assert m.guest(WRITE, rbx=PAGE) == HLT
    m.put(tlb_control=FLUSH_GUEST)
    m.nested_page(PAGE, flags=0x65)
    assert m.guest(WRITE, rbx=PAGE) == NPF
    assert m.info == (P | W | U | FINAL, PAGE)


def test_a_page_that_is_read_and_then_written(m):
    """The translation that the read left does not let the write past the nested tables."""
    m.nested_page(PAGE, flags=0x05)
    assert m.guest("mov al, [rbx]; mov [rbx], al", rbx=PAGE) == NPF
    assert m.info == (P | W | U | FINAL, PAGE) and m.field("rip") == GUEST + 2
    assert m.nested_entry(PAGE) & (ACCESSED | DIRTY) == ACCESSED


def test_a_page_that_may_not_be_executed_can_be_read_before(m):
    m.nested_page(PAGE, upper=0x800)
    assert m.guest("mov al, [rbx]; jmp rbx", rbx=PAGE) == NPF
    assert m.info == (P | U | ID | FINAL, PAGE)


def test_a_crossing_access_faults_where_it_crosses(m):
    m.nested_page(PAGE + 0x1000, flags=0)
    m.memory.write(PAGE + 0xFFC, bytes(4))
    assert m.guest("mov rax, 0x1122334455667788; mov [rbx], rax", rbx=PAGE + 0xFFC) == NPF
    assert m.info == (U | W | FINAL, PAGE + 0x1000) and m.memory.read(PAGE + 0xFFC, 4) == bytes(4)


# Accessed and dirty bits (15.25.5)

def test_accessed_and_dirty_bits_of_both(m):
    for page in (PAGE, PAGE + 0x1000, PAGE + 0x2000):
        m.page(page, flags=0x07)
        m.nested_page(page, flags=0x07)
    for level in range(4):
        m.nested_page(TABLES + 0x1000 * level, flags=0x07)
    m.guest("mov al, [rbx]; mov [rbx + 0x1000], al", rbx=PAGE)
    assert [m.nested_entry(PAGE + 0x1000 * k) & 0x60 for k in range(3)] == [ACCESSED, ACCESSED | DIRTY, 0]
    assert [m.pte(PAGE + 0x1000 * k) & 0x60 for k in range(3)] == [ACCESSED, ACCESSED | DIRTY, 0]
    assert all(m.nested_entry(TABLES + 0x1000 * level) & 0x60 == ACCESSED | DIRTY for level in range(4))


def test_a_guest_is_not_marked_for_what_did_not_happen(m):
    m.page(PAGE, flags=0x07)
    m.nested_page(PAGE, flags=0)
    assert m.guest(WRITE, rbx=PAGE) == NPF
    assert m.pte(PAGE) & 0x60 == 0


# Guests of other modes, hosts of other modes

def test_a_guest_without_paging(engine_class):
    m = Host(engine_class, nested=True)
    m.prepare(nested=True, guest_bits=32)
    m.nested_page(PAGE, pa=0x170000)
    m.memory.write(0x170000, b"\x5A")
    assert m.guest("mov al, [ebx]; mov [ebx + 1], al", rbx=PAGE) == HLT
    assert m.field("rax") & 0xFF == 0x5A and m.memory.read(0x170001, 1) == b"\x5A"
    m.nested_page(PAGE + 0x1000, flags=0x65)
    assert m.guest("mov [ebx], al", rbx=PAGE + 0x1234) == NPF
    assert m.info == (P | W | U | FINAL, PAGE + 0x1234)
    # SMEP and SMAP need paging in the guest.
    m.put(cr4=0x300620)
    assert m.guest("mov al, [ebx]", rbx=PAGE) == HLT


def test_a_guest_with_two_levels_of_tables(engine_class):
    m = Host(engine_class)
    m.prepare(nested=True, guest_bits=32)
    m.memory.write(GUEST_TABLES, struct.pack("<I", GUEST_TABLES + 0x1007))
    m.memory.write(GUEST_TABLES + 0x1000, struct.pack("<512I", *(page << 12 | 7 for page in range(512))))
    m.put(cr3=GUEST_TABLES, cr0=0x80000033, cr4=0x600)
    m.nested_page(PAGE, pa=0x170000)
    m.memory.write(0x170000, b"\x5A")
    assert m.guest("mov al, [ebx]", rbx=PAGE) == HLT and m.field("rax") & 0xFF == 0x5A
    m.put(tlb_control=FLUSH_GUEST)
    m.nested_page(GUEST_TABLES + 0x1000, flags=0x65)
    assert m.guest("mov al, [ebx]", rbx=PAGE) == NPF
    assert m.info == (P | W | U | TABLE, GUEST_TABLES + 0x1000 + (GUEST >> 12) * 4)


def test_a_guest_with_pae(engine_class):
    m = Host(engine_class)
    m.prepare(nested=True, guest_bits=32)
    m.memory.write(GUEST_TABLES, struct.pack("<Q", GUEST_TABLES + 0x1001))
    m.memory.write(GUEST_TABLES + 0x1000, struct.pack("<Q", 0x87))
    m.put(cr3=GUEST_TABLES, cr0=0x80000033, cr4=0x620)
    m.nested_page(PAGE, pa=0x170000)
    m.memory.write(0x170000, b"\x5A")
    assert m.guest("mov al, [ebx]", rbx=PAGE) == HLT and m.field("rax") & 0xFF == 0x5A


@pytest.mark.parametrize("pae", [True, False])
def test_a_host_of_32_bits(engine_class, pae):
    m = Host(engine_class, bits=32)
    if pae:
        m.memory.write(GUEST_TABLES, struct.pack("<Q", GUEST_TABLES + 0x1001))
        m.memory.write(GUEST_TABLES + 0x1000, struct.pack("<Q", 0xE7))
        m.engine.set("cr4", 0x620), m.engine.set("cr3", GUEST_TABLES)
        m.memory.write(NESTED, struct.pack("<Q", NESTED + 0x1001))
        m.memory.write(NESTED + 0x1000, struct.pack("<Q", NESTED + 0x2067))
        m.memory.write(NESTED + 0x2000, struct.pack("<512Q", *((page ^ (page == PAGE >> 12)) << 12 | 0x67 for page in range(512))))
    else:
        m.memory.write(NESTED, struct.pack("<I", NESTED + 0x1067))
        m.memory.write(NESTED + 0x1000, struct.pack("<512I", *((page ^ (page == PAGE >> 12)) << 12 | 0x67 for page in range(512))))
    m.engine.set("efer", 0x1000)
    m.prepare(guest_bits=32)
    m.put(nested=1)
    m.memory.write(PAGE + 0x1000, b"\x5A")
    assert m.guest("mov al, [ebx]", rbx=PAGE) == HLT
    assert m.field("rax") & 0xFF == 0x5A
    assert m.guest("mov al, [ebx]", rbx=0x400000) == NPF
    assert m.info == (U | FINAL, 0x400000)


# Large pages

def large_tables(m, at, level):
    """One to one at `at`, in one page of 2 MiB (level 2) or 1 GiB (3)."""
    for k in range(4 - level):
        m.memory.write(at + 0x1000 * k, struct.pack("<Q", at + 0x1000 * (k + 1) | 0x67))
    m.memory.write(at + 0x1000 * (4 - level), struct.pack("<Q", 0xE7))


@pytest.mark.parametrize("guest", [1, 2, 3])
@pytest.mark.parametrize("host", [1, 2, 3])
def test_every_combination_of_page_sizes(m, guest, host):
    if guest > 1:
        large_tables(m, GUEST_TABLES, guest)
        m.put(cr3=GUEST_TABLES)
    if host > 1:
        large_tables(m, GUEST_TABLES + 0x4000, host)
        m.put(nested_cr3=GUEST_TABLES + 0x4000)
    m.memory.write(PAGE + 0x10, b"\x5A")
    assert m.guest("mov al, [rbx]; mov [rbx + 1], al; invlpg [rbx]; mov cl, [rbx + 1]", rbx=PAGE + 0x10, rcx=0) == HLT
    assert m["rcx"] == 0x5A and m.memory.read(PAGE + 0x11, 1) == b"\x5A"


@pytest.mark.parametrize("level", [2, 3])
def test_invlpg_finds_all_parts_of_a_large_page_whatever_the_nested_ones(m, level):
    large_tables(m, GUEST_TABLES, level)
    entry = GUEST_TABLES + 0x1000 * (4 - level)
    m.put(cr3=GUEST_TABLES)
    # The guest reads two parts, takes the page away, and still reads one; then it invalidates another address of it.
    m.intercept(EXCEPTION + PF)
    text = "mov al, [rbx]; mov al, [rbx + 0x1000]; mov qword ptr [rcx], 0; mov al, [rbx + 0x1000]; inc esi; invlpg [rbx]; mov al, [rbx + 0x1000]"
    assert m.guest(text, rbx=PAGE, rcx=entry, rsi=0) == EXCEPTION + PF
    assert m["rsi"] == 1 and m.info[1] >> 12 in (GUEST >> 12, PAGE + 0x1000 >> 12)


# What the TLB keeps for whom (15.16)

def prepare_two_views(m):
    """The guest has seen 1 in PAGE; then the nested tables show it a page with 2."""
    m.memory.write(PAGE, b"\x01"), m.memory.write(0x170000, b"\x02")
    assert again(m) == 1
    m.nested_page(PAGE, pa=0x170000)


def test_translations_survive_an_exit(m):
    prepare_two_views(m)
    assert again(m) == 1                            # the host forgot to flush


@pytest.mark.parametrize("control", [FLUSH_ALL, FLUSH_GUEST])
def test_tlb_control_flushes(m, control):
    prepare_two_views(m)
    m.put(tlb_control=control)
    assert again(m) == 2


@pytest.mark.parametrize("flags, expected", [(0x67, 2), (0x167, 1)])
def test_flushing_without_global_pages(m, flags, expected):
    m.page(PAGE, flags=flags)
    m.put(cr4=m.field("cr4") | 0x80)
    prepare_two_views(m)
    m.put(tlb_control=FLUSH_LOCAL)
    assert again(m) == expected


def test_another_asid_has_its_own(m):
    prepare_two_views(m)
    m.put(asid=2)
    assert again(m) == 2
    m.put(asid=1)
    assert again(m) == 1


def test_other_nested_tables_are_noticed(m):
    prepare_two_views(m)
    m.memory.write(GUEST_TABLES, m.memory.read(NESTED, 0x4000))
    m.memory.write(GUEST_TABLES, struct.pack("<Q", GUEST_TABLES + 0x1067))
    m.memory.write(GUEST_TABLES + 0x1000, struct.pack("<Q", GUEST_TABLES + 0x2067))
    m.memory.write(GUEST_TABLES + 0x2000, struct.pack("<Q", GUEST_TABLES + 0x3067))
    m.put(nested_cr3=GUEST_TABLES)
    assert again(m) == 2


def test_guest_and_host_have_different_pages_at_one_address(m):
    m.memory.write(PAGE, b"\x01"), m.memory.write(0x170000, b"\x02")
    m.nested_page(PAGE, pa=0x170000)
    for _ in range(2):
        m.asm(READ, rbx=PAGE, rax=0)
        assert m["rax"] == 1
        assert again(m) == 2


@pytest.mark.parametrize("flags", [0x67, 0x167])
def test_neither_flushes_the_other(m, flags):
    """What the host has seen it still sees after the guest has flushed everything, and the other way round."""
    m.page(PAGE, flags=flags)
    m.engine.set("cr4", m.engine.get("cr4") | 0x80)
    m.put(cr4=m.engine.get("cr4"))
    prepare_two_views(m)
    m.asm(READ, rbx=PAGE, rax=0)
    assert m["rax"] == 1
    m.page(PAGE, pa=0x171000, flags=flags)          # the host's own table changes: it is the guest's, too
    m.memory.write(0x171000, b"\x03")
    m.asm(READ, rbx=PAGE, rax=0)
    assert m["rax"] == 1
    assert again(m) == 1
    assert m.guest("mov rax, cr4; btc rax, 7; mov cr4, rax; btc rax, 7; mov cr4, rax; mov al, [rbx]", rbx=PAGE) == HLT
    assert m.field("rax") & 0xFF == 3
    m.asm(READ, rbx=PAGE, rax=0)
    assert m["rax"] == 1
    m.asm("invlpg [rbx]; mov al, [rbx]", rbx=PAGE, rax=0)
    assert m["rax"] == 3


def test_a_guests_other_address_spaces(m):
    """CR3 in the control block changed by the host: another address space, with no flush asked for."""
    m.memory.write(PAGE, b"\x01"), m.memory.write(0x170000, b"\x02")
    assert again(m) == 1
    m.memory.write(GUEST_TABLES, m.memory.read(TABLES, 0x4000))
    for level in range(3):
        m.memory.write(GUEST_TABLES + level * 0x1000, struct.pack("<Q", GUEST_TABLES + 0x1000 * (level + 1) | 0x67))
    m.memory.write(GUEST_TABLES + 0x3000 + (PAGE >> 12) * 8, struct.pack("<Q", 0x170067))
    m.put(cr3=GUEST_TABLES)
    assert again(m) == 2


def test_permissions_changed_by_the_host_count(m):
    m.page(PAGE, flags=0x65)
    m.put(cr0=0x80000033)
    m.intercept(EXCEPTION + PF)
    assert m.guest(WRITE, rbx=PAGE) == HLT
    m.put(cr0=0x80010033)                           # write protection, from outside
    assert m.guest(WRITE, rbx=PAGE) == EXCEPTION + PF


@pytest.mark.parametrize("asid, expected", [(1, 2), (2, 1), (0, 1), (40, 1)])
def test_invlpga(m, asid, expected):
    prepare_two_views(m)
    m.asm(INVLPGA, rax=PAGE, rcx=asid)
    assert again(m) == expected


def test_invlpga_finds_parts_of_large_pages(m):
    large_tables(m, GUEST_TABLES, 2)
    m.put(cr3=GUEST_TABLES)
    prepare_two_views(m)
    m.asm(INVLPGA, rax=PAGE + 0x8000, rcx=1)
    assert again(m) == 2


def test_invlpga_of_the_host_by_a_guest(m):
    m.memory.write(PAGE, b"\x01"), m.memory.write(0x170000, b"\x02")
    m.asm(READ, rbx=PAGE, rax=0)
    m.page(PAGE, pa=0x170000)
    m.guest(INVLPGA, rax=PAGE, rcx=0)
    m.asm(READ, rbx=PAGE, rax=0)
    assert m["rax"] == 2


def test_pcids_of_a_guest(m):
    """Two guests and the host with the same PCIDs: each finds its own, or none."""
    m.put(cr4=m.field("cr4") | 1 << 17)
    m.memory.write(PAGE, b"\x01"), m.memory.write(0x170000, b"\x02")
    keep = f"mov rcx, cr3; mov rsi, {1 << 63:#x}; lea rdx, [rcx + 5]; or rdx, rsi; mov cr3, rdx; mov al, [rbx]; or rcx, rsi; mov cr3, rcx"
    assert m.guest(keep, rbx=PAGE) == HLT and m.field("rax") & 0xFF == 1
    m.page(PAGE, pa=0x170000)
    assert m.guest(keep, rbx=PAGE) == HLT and m.field("rax") & 0xFF == 1
    m.put(asid=2)
    assert m.guest(keep, rbx=PAGE) == HLT and m.field("rax") & 0xFF == 2
    m.put(asid=1)
    m.guest(keep, rbx=PAGE)
    assert m.field("rax") & 0xFF in (1, 2)          # the slot of PCID 5 was the other guest's: it may be gone
    m.put(tlb_control=FLUSH_GUEST)
    assert m.guest(keep, rbx=PAGE) == HLT and m.field("rax") & 0xFF == 2


def test_code_is_found_by_what_the_guest_sees(m):
    """The same address, other bytes: decoded code is not carried over between guests and host."""
    m.memory.write(PAGE, assemble("mov esi, 1; hlt")), m.memory.write(0x170000, assemble("mov esi, 2; hlt"))
    m.nested_page(PAGE, pa=0x170000)
    for _ in range(2):
        m.put(rip=PAGE)
        assert m.vmrun(rsi=0) == HLT and m["rsi"] == 2
        m.engine.set("rip", PAGE)
        m.step(1)
        assert m["rsi"] == 1


def test_code_written_by_the_guest_is_not_the_hosts_old_one(m):
    m.nested_page(PAGE, pa=0x170000)
    m.memory.write(0x170000, assemble("mov esi, 1; hlt"))
    m.engine.set("rip", 0x170000)
    m.step(1)
    assert m["rsi"] == 1
    m.guest("mov byte ptr [rbx + 1], 7", rbx=PAGE)
    m.engine.set("rip", 0x170000)
    m.step(1)
    assert m["rsi"] == 7


# The page attribute table (15.25.8)

def test_the_guest_has_a_pat_of_its_own(m):
    m.put(pat=0x0606060606060606)
    before = m.engine.get("pat")
    assert m.guest("mov ecx, 0x277; rdmsr; mov ebx, eax; mov eax, 0x01010101; mov edx, eax; wrmsr") == HLT
    assert m["rbx"] == 0x06060606 and m.field("pat") == 0x0101010101010101 and m.engine.get("pat") == before


# Accounts

def test_entries_read_for_a_miss(m):
    count = lambda: (m.engine.get("tlb_misses", 1), m.engine.get("entries_read", 1))        # noqa: E731
    m.guest("mov al, [rbx]; hlt", rbx=PAGE)
    misses, entries = count()
    m.go_on(skip=1)
    m.guest("mov al, [rbx]; hlt", rbx=PAGE + 0x1000)
    assert count() == (misses + 1, entries + 24)


def test_who_retired_how_many(m):
    def retired():
        world, since = m.engine.get("counted_world"), m.engine.get("retired") - m.engine.get("counted_until")
        return [m.engine.get("retired_in", k) + (since if k == world else 0) for k in range(6)]
    before = retired()
    m.guest("mov ecx, 10; l: dec ecx; jnz l")
    after = retired()
    assert sum(after) == m.engine.get("retired")
    # VMRUN is the guest's first, what left the guest its last.
    assert [b - a for a, b in zip(before, after)] == [0, 0, 23, 0, 0, 0]
    assert m.engine.get("vm_exits", HLT) == 1


# Both engines alike

def test_the_same_state_on_both_engines():
    if len(ENGINES) < 2:
        pytest.skip("one engine")
    states = []
    for engine_class in ENGINES.values():
        m = Host(engine_class, nested=True)
        m.prepare(nested=True, at=OTHER)
        m.intercept(VMMCALL, EXCEPTION + UD, at=OTHER)
        m.put(v_intr=1 << 8 | 1 << 20 | 0x44 << 32)
        m.nested_page(PAGE + 0x3000, flags=0)
        m.guest(f"mov ecx, 5; l: mov [rbx + rcx * 8], rcx; {VMMCALL_TEXT}; loop l; mov [rbx + 0x3000], al", rbx=PAGE)
        for at in (OTHER, VMCB, VMCB, OTHER, VMCB, VMCB, VMCB):
            if at == OTHER:
                m.guest("mov rax, cr3; mov cr3, rax; push rax; pop rbx; ud2", at=OTHER, code=GUEST + 0x800)
            else:
                m.go_on(skip=3 if m.field("exit_code") == VMMCALL else 0)
        state = m.engine.state()
        states.append((state, m.memory.read(0, 1 << 21)))
    for name in states[0][0]:
        assert states[0][0][name] == states[1][0][name], name
    assert states[0][1] == states[1][1]


def test_without_svm_nothing_of_it_is_there(engine_class):
    m = SystemMachine(engine_class)
    m.asm("nop")
    assert m["rip"] == CODE + 1 and not any(m.engine.get("vm_exits", k) for k in range(256)) and INVALID > GUEST_STACK
