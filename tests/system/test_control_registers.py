"""Control and debug registers: reserved bits, forbidden combinations, entering and leaving long mode (APM vol. 2, 3.1, 13.1, 14.6)."""

import pytest

from tests.flat import CODE, CODE_SELECTOR
from tests.system.machine import DB, GP, NM, UD, SystemMachine, code32

PG, PE, WP, NW, CD = 1 << 31, 1, 1 << 16, 1 << 29, 1 << 30
PAE, PGE, PCIDE, SMEP, SMAP = 1 << 5, 1 << 7, 1 << 17, 1 << 20, 1 << 21


@pytest.fixture
def m(engine_class):
    return SystemMachine(engine_class)


@pytest.mark.parametrize("flip, ok", [
    (WP, True), (1 << 32, False), (1 << 63, False), (PE, False), (PG, False), (NW, False), (CD, True), (CD | NW, True),
    (1 << 18, True)])
def test_cr0_in_64_bit_mode(m, flip, ok):
    value = m.engine.get("cr0") ^ flip
    m.asm("mov cr0, rax; mov rbx, cr0", rax=value)
    assert m.faulted() == (None if ok else (GP, 0))
    if ok:
        assert m["rbx"] == value


def test_reserved_bits_of_cr0_are_ignored_and_et_is_one(m):
    value = m.engine.get("cr0")
    m.asm("mov cr0, rax; mov rbx, cr0", rax=(value | 0x0FF0FFC0) & ~0x10)
    assert m["rbx"] == value


@pytest.mark.parametrize("flip, ok", [
    (PAE, False), (PGE, True), (SMEP, True), (SMAP, True), (1 << 16, True), (1 << 11, True), (1 << 2, True), (PCIDE, True), (1 << 18, True),
    (1 << 0, False), (1 << 12, False), (1 << 13, False), (1 << 14, False), (1 << 15, False),
    (1 << 22, False), (1 << 23, False), (1 << 32, False)])
def test_cr4(m, flip, ok):
    value = m.engine.get("cr4") ^ flip
    m.page(CODE, flags=0x63)                             # supervisor code, which SMEP lets run
    m.asm("mov cr4, rax; mov rbx, cr4", rax=value)
    assert m.faulted() == (None if ok else (GP, 0))
    if ok:
        assert m["rbx"] == value


def test_pcide_needs_a_cr3_without_pcid(m):
    m.engine.set("cr3", m.engine.get("cr3") | 8)
    m.asm("mov rax, cr4; bts rax, 17; mov cr4, rax")
    assert m.faulted() == (GP, 0)


@pytest.mark.parametrize("bit, ok", [(3, True), (4, True), (40, False), (51, False), (62, False), (63, False)])
def test_cr3(m, bit, ok):
    value = m.engine.get("cr3") | 1 << bit
    m.asm("mov cr3, rax; mov rbx, cr3", rax=value)
    assert m.faulted() == (None if ok else (GP, 0))
    assert not ok or m["rbx"] == value


def test_cr2_holds_anything(m):
    m.asm("mov cr2, rax; mov rbx, cr2", rax=0x123456789ABCDEF0)
    assert m["rbx"] == 0x123456789ABCDEF0


def test_cr8_has_four_bits(m):
    m.asm("mov cr8, rax", rax=16)
    assert m.faulted() == (GP, 0)


@pytest.mark.parametrize("number", [1, 5, 6, 7])
def test_control_registers_there_are_not(m, number):
    for opcode in (0x20, 0x22):
        m.run(bytes((0x0F, opcode, 0xC0 | number << 3)))
        assert m.faulted() == (UD, 0)
        m.reset()


def test_mod_of_mov_cr_is_ignored(m):
    m.run("0f 20 00")
    assert m.faulted() is None and m["rax"] == m.engine.get("cr0")


def test_lmsw_sets_pe_but_cannot_clear_it(m):
    m.asm("lmsw ax; smsw ebx", rax=0xFFFE & ~4)
    assert m.faulted() is None and m["rbx"] & 0xF == 0xB
    m.asm("clts; smsw ebx")
    assert m["rbx"] & 0xF == 3


def test_smsw_is_as_wide_as_its_register_and_16_bits_in_memory(m):
    m.memory.write(0x100000, b"\xEE" * 8)
    m.asm("smsw rax; smsw bx; smsw [rcx]", rax=0, rbx=2 ** 64 - 1, rcx=0x100000)
    cr0 = m.engine.get("cr0")
    assert m["rax"] == cr0 and m["rbx"] == 0xFFFFFFFFFFFF0000 | cr0 & 0xFFFF
    assert m.memory.read(0x100000, 8) == (cr0 & 0xFFFF).to_bytes(2, "little") + b"\xEE" * 6


def test_task_switched_stops_sse_and_emulation_makes_it_undefined(m):
    sse = "0f 57 c0"                                     # xorps xmm0, xmm0
    m.engine.set("cr0", m.engine.get("cr0") | 8)
    m.run(sse)
    assert m.faulted() == (NM, 0)
    m.reset()
    m.asm("clts; xorps xmm0, xmm0")
    assert m.faulted() is None
    m.asm("mov rax, cr0; or eax, 4; mov cr0, rax; xorps xmm0, xmm0")
    assert m.faulted() == (UD, 0)


def test_osfxsr_off_makes_sse_undefined(m):
    m.asm("mov rax, cr4; btr rax, 9; mov cr4, rax; xorps xmm0, xmm0")
    assert m.faulted() == (UD, 0)


def test_a_guest_leaves_and_enters_long_mode(engine_class):
    m = SystemMachine(engine_class)
    m.descriptor(0x40, code32())
    # 32-bit code: paging off, LME off and on again, paging on, back to 64-bit code.
    code = bytes.fromhex(
        "0f 20 c0  25 ff ff ff 7f  0f 22 c0"               # mov eax, cr0; and eax, ~PG; mov cr0, eax
        "b9 80 00 00 c0  0f 32  89 c3"                     # mov ecx, EFER; rdmsr; mov ebx, eax
        "25 ff fe ff ff  0f 30  0d 00 01 00 00  0f 30"     # and eax, ~LME; wrmsr; or eax, LME; wrmsr
        "0f 32  89 c5"                                     # rdmsr; mov ebp, eax
        "0f 20 c0  0d 00 00 00 80  0f 22 c0"               # mov eax, cr0; or eax, PG; mov cr0, eax
        "0f 20 c0  ea 00 08 02 00 08 00")                  # jmp 8:0x20800
    m.memory.write(0x20000, code)
    m.memory.write(0x20800, b"\x48\x89\xC7\xF4")           # mov rdi, rax; hlt
    m.asm(".byte 0xff, 0x2b", limit=40, rbx=m.far_pointer(0x40, 0x20000))
    assert m.stop.reason.name == "HALT" and m["rip"] == 0x20804
    assert m["rbx"] & 0x500 == 0x100                       # LMA went with paging
    assert m["rbp"] & 0x500 == 0x100
    assert m.engine.get("efer") & 0x500 == 0x500 and m.segment(1) == CODE_SELECTOR and m["rdi"] == m.engine.get("cr0")


def test_paging_cannot_be_left_from_64_bit_code_nor_lme_changed_under_it(m):
    m.asm("mov ecx, 0xc0000080; rdmsr; btr eax, 8; wrmsr")
    assert m.faulted() == (GP, 0)
    m.reset()
    m.asm("mov rax, cr0; btr rax, 31; mov cr0, rax")
    assert m.faulted() == (GP, 0)


def test_efer_lma_is_read_only_and_reserved_bits_are_gp(m):
    m.asm("mov ecx, 0xc0000080; rdmsr; btr eax, 10; wrmsr; rdmsr")
    assert m.faulted() is None and m["rax"] & 0x400
    for bit in (1, 9, 13, 15, 16, 63):
        value = 0xD01 | 1 << bit
        m.asm("wrmsr", rax=value & 0xFFFFFFFF, rdx=value >> 32, rcx=0xC0000080)
        assert m.faulted() == (GP, 0), bit
        m.reset()


def test_long_mode_needs_pae(engine_class):
    m = SystemMachine(engine_class, bits=32, cpl=0)
    m.engine.set("cr0", m.engine.get("cr0") & ~PG), m.engine.set("efer", 0x100)
    m.set_stack(0x180000)
    m.asm("mov cr0, eax", limit=1, rax=0x80000033)
    assert m.faulted() == (GP, 0) and not m.engine.get("efer") & 0x400


# Debug registers

def test_dr6_and_dr7_have_fixed_bits(m):
    m.asm("mov dr6, rax; mov rbx, dr6; mov dr7, rax; mov rcx, dr7", rax=0)
    assert (m["rbx"], m["rcx"]) == (0xFFFF0FF0, 0x400)
    m.asm("mov dr6, rax; mov rbx, dr6", rax=0xFFFFFFFF)
    assert m["rbx"] == 0xFFFFEFFF
    m.asm("mov dr7, rax; mov rcx, dr7", rax=0xFFFFDFFF)
    assert m["rcx"] == 0xFFFF07FF


def test_upper_halves_of_dr6_and_dr7_are_gp(m):
    for text in ("mov dr6, rax", "mov dr7, rax"):
        m.asm(text, rax=1 << 32)
        assert m.faulted() == (GP, 0)
        m.reset()
    m.asm("mov dr0, rax; mov rbx, dr0", rax=1 << 63)
    assert m["rbx"] == 1 << 63


def test_dr4_and_dr5_are_dr6_and_dr7_without_debug_extensions(m):
    m.run("0f 23 e8  0f 21 f9", rax=0x401)               # mov dr5, rax; mov rcx, dr7
    assert m["rcx"] == 0x401
    m.engine.set("cr4", m.engine.get("cr4") | 8)
    m.run("0f 21 e0")
    assert m.faulted() == (UD, 0)


def test_general_detect(m):
    m.asm("mov dr7, rax", rax=0x2400)
    m.asm("mov rbx, dr0")
    assert m.faulted() == (DB, 0) and m.fault.rip == CODE
    assert m.engine.get("dr", 6) & 0x2000 and not m.engine.get("dr", 7) & 0x2000


def test_dr8_and_above_are_ud(m):
    m.run("44 0f 21 c0")
    assert m.faulted() == (UD, 0)
