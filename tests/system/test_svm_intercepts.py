"""What leaves a guest: instructions, control registers, exceptions, ports, MSRs, pauses; before or behind which exceptions;
and what the host is told (APM vol. 2, 15.8 to 15.14, 15.33)."""

import struct

import pytest

from emu.devices.device import Device
from tests.flat import HANDLERS, IDT, TSS
from tests.system.machine import BP, DB, DF, DE, GP, PF, UD, TSS2, assemble, segment
from tests.system.svm import (
    CLGI,
    CPUID,
    CR0_SELECTIVE,
    CR_READ,
    CR_WRITE,
    DR_READ,
    DR_WRITE,
    EXCEPTION,
    FERR_FREEZE,
    GDTR_READ,
    GDTR_WRITE,
    GUEST,
    GUEST_DATA,
    GUEST_STACK,
    HLT,
    ICEBP,
    IDTR_READ,
    IDTR_WRITE,
    INVD,
    INVLPG,
    INVLPGA,
    IOIO,
    IOPM,
    IRET,
    LDTR_READ,
    LDTR_WRITE,
    MSR,
    MSRPM,
    OTHER,
    PAUSE,
    POPF,
    PUSHF,
    RDPMC,
    RDTSC,
    RDTSCP,
    RSM,
    SHUTDOWN,
    STGI,
    SWINT,
    TASK_SWITCH,
    TR_READ,
    TR_WRITE,
    VMLOAD,
    VMMCALL,
    VMMCALL_TEXT,
    VMSAVE,
    WBINVD,
    XSETBV,
    Host,
)

MOV_CR = 1 << 63
OF = 4


@pytest.fixture
def m(engine_class):
    return Host(engine_class)


def at_cpl3(m):
    m.set_segment("cs", 0x1B, 0xAFB, 0xFFFFFFFF, 0)
    m.set_segment("ss", 0x23, 0xCF3, 0xFFFFFFFF, 0)
    m.put(cpl=3)


# Instructions by their bits (15.9). The text, and whether it is CPL 0's alone.

INSTRUCTIONS = [
    (IDTR_READ, "sidt [rbx]", False), (GDTR_READ, "sgdt [rbx]", False), (LDTR_READ, "sldt [rbx]", False), (TR_READ, "str [rbx]", False),
    (LDTR_READ, "sldt eax", False), (TR_READ, "str eax", False),
    (IDTR_WRITE, "lidt [rbx]", True), (GDTR_WRITE, "lgdt [rbx]", True), (LDTR_WRITE, "lldt [rbx]", True), (TR_WRITE, "ltr [rbx]", True),
    (RDTSC, "rdtsc", False), (RDTSCP, "rdtscp", False), (PUSHF, "pushfq", False), (POPF, "popfq", False), (CPUID, "cpuid", False),
    (RSM, "rsm", False), (IRET, "iretq", False), (SWINT, "int 0x21", False), (INVD, "invd", True), (WBINVD, "wbinvd", True),
    (PAUSE, "pause", False), (HLT, "hlt", True), (INVLPG, "invlpg [rbx]", True), (INVLPGA, ".byte 0x0f, 0x01, 0xdf", True),
    (VMMCALL, VMMCALL_TEXT, False), (VMLOAD, ".byte 0x0f, 0x01, 0xda", True), (VMSAVE, ".byte 0x0f, 0x01, 0xdb", True),
    (STGI, ".byte 0x0f, 0x01, 0xdc", True), (CLGI, ".byte 0x0f, 0x01, 0xdd", True), (ICEBP, ".byte 0xf1", False),
    (XSETBV, "xsetbv", False), (RDPMC, "rdpmc", True), (0xA2, ".byte 0x66, 0x0f, 0x38, 0x82, 0x03", True)]


@pytest.mark.parametrize("code, text, privileged", INSTRUCTIONS, ids=[text for _, text, _ in INSTRUCTIONS])
def test_an_intercepted_instruction_leaves_with_nothing_done(m, code, text, privileged):
    if code == 0xA2:
        m.put(intercepts_more=4)
    else:
        m.intercept(code)
    size = len(assemble(text))
    # Memory is not looked at: RBX points to no page, nor does RSP.
    m.put(rsp=0x40000000, rflags=0x246, rax=OTHER)
    before = m.engine.get("retired")
    assert m.guest("nop; " + text, rbx=0x40000000, rcx=0, rdx=0) == code
    assert m.field("rip") == GUEST + 1 and m.field("next_rip") == GUEST + 1 + size
    assert m.field("rsp") == 0x40000000 and m.field("rflags") == 0x246 and m.field("rax") == OTHER
    assert m.engine.get("retired") - before == 3 and m.field("bytes") == 0


@pytest.mark.parametrize("code, text, privileged", INSTRUCTIONS, ids=[text for _, text, _ in INSTRUCTIONS])
def test_privilege_is_checked_before(m, code, text, privileged):
    m.intercept(EXCEPTION + GP)
    if code == 0xA2:
        m.put(intercepts_more=4)
    else:
        m.intercept(code)
    at_cpl3(m)
    m.put(rax=OTHER)
    assert m.guest(text, rbx=GUEST_DATA, rcx=0) == (EXCEPTION + GP if privileged else code)


def test_bad_addresses_of_control_blocks_come_first(m):
    m.intercept(VMLOAD, VMSAVE, EXCEPTION + GP)
    for opcode in ("0xda", "0xdb", "0xd8"):
        assert m.guest(".byte 0x0f, 0x01, " + opcode, rax=OTHER + 1) == EXCEPTION + GP


@pytest.mark.parametrize("code, text", [(CPUID, "cpuid"), (RDTSC, "rdtsc"), (PUSHF, "pushfq"), (PAUSE, "pause"), (IDTR_READ, "sidt [rbx]"),
                                        (WBINVD, "wbinvd"), (INVLPG, "invlpg [rbx]"), (IRET, "nop")])
def test_without_the_bit_it_is_executed(m, code, text):
    assert m.guest(text + "; inc esi", rbx=GUEST_DATA, rsi=0) == HLT
    assert m["rsi"] == 1


def test_decode_assists(m):
    m.intercept(SWINT, INVLPG, INVLPGA)
    m.guest("int 0x42")
    assert m.info == (0x42, 0)
    m.engine.set("gpr", 0x12345678, 3)
    m.guest("invlpg [rbx + 0x10]", rbx=0x12345678)
    assert m.info == (0x12345688, 0)
    m.guest(".byte 0x0f, 0x01, 0xdf", rax=0x765432100, rcx=1)
    assert m.info == (0x765432100, 0)


# Control and debug registers (15.9, 15.33.1)

@pytest.mark.parametrize("number, register, gpr", [(0, "rbx", 3), (2, "rsi", 6), (3, "r9", 9), (4, "r15", 15), (8, "rdi", 7)])
def test_control_registers(m, number, register, gpr):
    m.intercept(CR_READ + number)
    assert m.guest(f"mov {register}, cr{number}") == CR_READ + number
    assert m.info == (MOV_CR | gpr, 0) and m.field("next_rip") > GUEST
    m.put(intercept_cr=0)
    m.intercept(CR_WRITE + number)
    value = {0: "0x80000033", 2: "5", 3: "0x1e0000", 4: "0x620", 8: "3"}[number]
    assert m.guest(f"mov rax, cr{number}; mov {register}, {value}; mov cr{number}, {register}") == CR_WRITE + number
    assert m.info == (MOV_CR | gpr, 0)


@pytest.mark.parametrize("text", ["mov rax, cr0; or rax, 0x20000000; and eax, 0xbfffffff; mov cr0, rax", "mov eax, 1; shl rax, 41; mov cr3, rax",
                                  "mov eax, 0x40000000; mov cr4, rax", "mov eax, 16; mov cr8, rax"])
def test_values_that_cannot_be_are_faults_first(m, text):
    m.put(intercept_cr=0xFFFF0000)
    m.intercept(EXCEPTION + GP)
    assert m.guest(text) == EXCEPTION + GP


@pytest.mark.parametrize("number", [0, 3, 6, 7])
def test_debug_registers(m, number):
    m.intercept(DR_READ + number)
    assert m.guest(f"mov r11, dr{number}") == DR_READ + number
    assert m.info == (11, 0)
    m.put(intercept_dr=0)
    m.intercept(DR_WRITE + number)
    assert m.guest(f"mov ecx, 0x400; mov dr{number}, rcx") == DR_WRITE + number
    assert m.info == (1, 0)


def test_a_guarded_debug_register_faults_first(m):
    m.put(dr7=0x2400, intercept_dr=0xFFFFFFFF)
    m.intercept(EXCEPTION + DB)
    assert m.guest("mov rax, dr3") == EXCEPTION + DB
    assert m.field("dr6") & 0x2000


@pytest.mark.parametrize("text, code", [("clts", CR_WRITE), ("smsw eax", CR_READ), ("smsw [rbx]", CR_READ), ("lmsw ax", CR_WRITE), ("lmsw [rbx]", CR_WRITE)])
def test_other_instructions_on_cr0(m, text, code):
    m.put(intercept_cr=0x10001)
    assert m.guest(text, rbx=0x40000000) == code
    assert m.info == (0, 0)


@pytest.mark.parametrize("text, code", [
    ("mov rax, cr0; btc eax, 3; btc eax, 1; mov cr0, rax", HLT), ("mov rax, cr0; btc eax, 5; mov cr0, rax", CR0_SELECTIVE),
    ("clts", HLT), ("smsw eax; lmsw ax", CR0_SELECTIVE)])
def test_the_selective_intercept(m, text, code):
    m.intercept(CR0_SELECTIVE)
    assert m.guest(text) == code
    if code != HLT and "lmsw" not in text:
        assert m.info == (MOV_CR, 0)


def test_the_unselective_one_comes_first(m):
    m.intercept(CR0_SELECTIVE, CR_WRITE)
    assert m.guest("mov rax, cr0; btc eax, 5; mov cr0, rax") == CR_WRITE


# Exceptions (15.12)

@pytest.mark.parametrize("vector, text, error", [
    (DE, "xor ecx, ecx; div ecx", 0), (UD, "ud2", 0), (GP, "mov eax, 0x300; mov ds, ax", 0x300), (12, "mov rbp, rbx; mov al, [rbp]", 0),
    (11, "mov eax, 0x58; mov ds, ax", 0x58), (BP, "int3", 0), (7, "mov rax, cr0; or eax, 8; mov cr0, rax; fnop", 0)])
def test_exceptions(m, vector, text, error):
    m.descriptor(0x58, segment(0x12))
    m.intercept(EXCEPTION + vector)
    assert m.guest(text, rbx=1 << 60) == EXCEPTION + vector
    assert m.info == (error, 0) and m.field("exit_interrupted") == 0
    last = assemble(text.split(";")[-1].strip())
    assert m.field("rip") == GUEST + len(assemble(text)) - len(last)
    assert m.field("next_rip") == (GUEST + 1 if text == "int3" else 0)


def test_a_page_fault_leaves_before_cr2_is_written(m):
    m.put(cr2=0x111)
    m.intercept(EXCEPTION + PF)
    assert m.guest("nop; add byte ptr [rbx], 1", rbx=0x40001234) == EXCEPTION + PF
    assert m.info == (2, 0x40001234) and m.field("cr2") == 0x111
    count = m.field("bytes")
    assert count == 15 and m.memory.read(0x1200D1, 3) == assemble("add byte ptr [rbx], 1")


def test_instruction_bytes_end_where_the_translations_do(m):
    m.intercept(EXCEPTION + PF)
    m.page(GUEST + 0x1000, flags=0)
    code = GUEST + 0x1000 - 2
    m.memory.write(code, b"\x88\x03")
    m.put(rip=code)
    assert m.vmrun(rbx=0x40001234) == EXCEPTION + PF
    assert m.field("bytes") == 2 and m.memory.read(0x1200D1, 2) == b"\x88\x03"


def test_a_fetch_brings_no_bytes(m):
    m.intercept(EXCEPTION + PF)
    assert m.guest("jmp rbx", rbx=0x40000000) == EXCEPTION + PF
    assert m.info == (16, 0x40000000) and m.field("bytes") == 0


def test_traps_leave_behind_their_instruction(m):
    m.intercept(EXCEPTION + DB)
    m.put(rflags=0x102)
    assert m.guest("inc ebx; inc ebx", rbx=0) == EXCEPTION + DB
    assert m["rbx"] == 1 and m.field("rip") == GUEST + 2 and m.field("dr6") & 0x4000


def test_icebp_is_a_debug_exception_too(m):
    m.intercept(EXCEPTION + DB)
    assert m.guest(".byte 0xf1") == EXCEPTION + DB
    m.intercept(ICEBP)
    assert m.guest(".byte 0xf1") == ICEBP


def test_into_and_int_n_of_the_same_vector(engine_class):
    m = Host(engine_class)
    m.prepare(guest_bits=32)
    m.intercept(EXCEPTION + OF, EXCEPTION + BP, SWINT)
    m.put(rflags=0x802)
    assert m.guest("into") == EXCEPTION + OF
    assert m.field("next_rip") == GUEST + 1
    assert m.guest(".byte 0xcd, 3") == SWINT                # not the breakpoint's
    assert m.info == (3, 0)


def test_ferr_freeze_is_an_x87_error_the_old_way(m):
    m.intercept(FERR_FREEZE)
    m.put(cr0=m.field("cr0") & ~0x20)
    assert m.guest("fninit; push 0x37b; fldcw [rsp]; fldz; fld1; fdiv st, st(1); fwait") == FERR_FREEZE


# Shutdown and double faults (15.12, 15.14.3)

def test_a_double_fault(m):
    m.intercept(EXCEPTION + DF)
    m.gate(GP, present=0)
    assert m.guest("mov eax, 0x300; mov ds, ax") == EXCEPTION + DF
    assert m.info == (0, 0) and m.field("exit_interrupted") == 0x8000_0B0D | 0x300 << 32


def test_a_triple_fault_is_the_hosts_to_see(m):
    m.gate(GP, present=0), m.gate(DF, present=0)
    assert m.guest("mov eax, 0x300; mov ds, ax") == SHUTDOWN


def test_the_second_exception_is_asked_before_it_becomes_a_double_fault(m):
    m.intercept(EXCEPTION + 11, EXCEPTION + DF)
    m.gate(GP, present=0)
    assert m.guest("mov eax, 0x300; mov ds, ax") == EXCEPTION + 11
    assert m.info == (GP * 8 + 3, 0) and m.field("exit_interrupted") == 0x8000_0B0D | 0x300 << 32


# Ports (15.10)

class Ports(Device):
    name = "ports"
    ports = [range(0x80, 0x88)]

    def __init__(self):
        self.seen = []

    def read_port(self, port, width):
        return 0x5A

    def write_port(self, port, width, value):
        self.seen.append((port, width, value))


def forbid(m, *ports):
    for port in ports:
        at = IOPM + (port >> 3)
        m.memory.write(at, bytes([m.memory.read(at, 1)[0] | 1 << (port & 7)]))


IN, STR, REP, SZ8, SZ16, SZ32, A16, A32, A64 = 1, 4, 8, 16, 32, 64, 128, 256, 512
DS, FS = 3 << 10, 4 << 10


@pytest.mark.parametrize("text, info, size", [
    ("in al, 0x80", IN | SZ8 | A64, 2), ("in ax, 0x80", IN | SZ16 | A64, 3), ("in eax, dx", IN | SZ32 | A64, 1),
    ("out 0x80, al", SZ8 | A64, 2), ("out dx, eax", SZ32 | A64, 1), ("insb", IN | STR | SZ8 | A64, 1), ("rep insw", IN | STR | REP | SZ16 | A64, 3),
    ("outsd", STR | SZ32 | A64 | DS, 1), ("rep outsb", STR | REP | SZ8 | A64 | DS, 2), (".byte 0x64, 0x6e", STR | SZ8 | A64 | FS, 2),
    (".byte 0x67, 0x6c", IN | STR | SZ8 | A32, 2)])
def test_ports(m, text, info, size):
    m.bus.attach(Ports())
    m.intercept(IOIO)
    assert m.guest(text, rdx=0x80, rcx=3, rdi=GUEST_DATA, rsi=GUEST_DATA) == HLT
    forbid(m, 0x80)
    assert m.guest(text, rdx=0x80, rcx=3, rdi=0x40000000, rsi=0x40000000) == IOIO
    assert m.info == (0x80 << 16 | info, GUEST + size) and m.field("rip") == GUEST and m.field("next_rip") == GUEST + size


def test_every_byte_of_an_access_is_asked_for(m):
    m.intercept(IOIO)
    forbid(m, 0x83)
    assert m.guest("in ax, dx", rdx=0x81) == HLT
    assert m.guest("in eax, dx", rdx=0x80) == IOIO
    assert m.guest("in ax, dx", rdx=0x82) == IOIO
    m.memory.write(IOPM + 0x2000, b"\x04")
    assert m.guest("in eax, dx", rdx=0xFFFF) == IOIO        # runs into the third page
    assert m.guest("in ax, dx", rdx=0xFFFF) == HLT


def test_without_the_bit_the_map_is_not_asked(m):
    forbid(m, 0x80)
    assert m.guest("in al, 0x80") == HLT


def test_the_tasks_permission_comes_first(m):
    m.intercept(IOIO, EXCEPTION + GP)
    forbid(m, 0x80)
    at_cpl3(m)
    assert m.guest("in al, 0x80") == IOIO
    m.memory.write(TSS + 0x66, b"\x68\0")                   # no permission bitmap
    assert m.guest("in al, 0x80") == EXCEPTION + GP


# MSRs (15.11)

@pytest.mark.parametrize("index, place", [(0x10, 0), (0x277, 0), (0xC0000081, 0x800), (0xC0000103, 0x800), (0xC0010015, 0x1000)])
def test_msrs(m, index, place):
    m.intercept(MSR)
    read, write = (f"mov ecx, {index:#x}; {text}" for text in ("rdmsr", "xor eax, eax; xor edx, edx; wrmsr"))
    assert m.guest(read) == HLT and m.guest(write) == HLT
    at, shift = MSRPM + place + ((index & 0x1FFF) >> 2), (index & 3) * 2
    m.memory.write(at, bytes([1 << shift]))
    assert m.guest(read) == MSR and m.info == (0, 0) and m.guest(write) == HLT
    m.memory.write(at, bytes([2 << shift]))
    assert m.guest(read) == HLT and m.guest(write) == MSR and m.info == (1, 0)


@pytest.mark.parametrize("index", [0x2000, 0x40000000, 0xBFFFFFFF, 0xC0002000, 0xC0012000])
def test_msrs_outside_of_the_map_are_always_intercepted(m, index):
    m.intercept(MSR)
    assert m.guest(f"mov ecx, {index:#x}; rdmsr") == MSR
    assert m.field("next_rip") == GUEST + 7


def test_unknown_msrs_fault_behind_the_intercept_and_the_level_before(m):
    m.intercept(MSR, EXCEPTION + GP)
    assert m.guest("mov ecx, 0x1234; rdmsr") == EXCEPTION + GP
    m.memory.write(MSRPM + (0x1234 >> 2), b"\xFF")
    assert m.guest("mov ecx, 0x1234; rdmsr") == MSR
    at_cpl3(m)
    assert m.guest("mov ecx, 0x1234; rdmsr") == EXCEPTION + GP


# PAUSE (15.14.4)

def test_a_filter_lets_some_pauses_pass(m):
    m.intercept(PAUSE)
    m.put(pause_filter=3)
    assert m.guest("l: inc ebx; pause; jmp l", rbx=0) == PAUSE
    assert m["rbx"] == 4
    assert m.go_on(skip=2) == PAUSE and m["rbx"] == 8        # each VMRUN starts anew


def test_pauses_far_apart_begin_a_new_count(m):
    m.intercept(PAUSE)
    m.put(pause_filter=3, pause_threshold=10)
    text = "mov esi, 5; a: pause; mov ecx, 20; b: dec ecx; jnz b; dec esi; jnz a; c: inc ebx; pause; jmp c"
    assert m.guest(text, rbx=0) == PAUSE
    assert m["rsi"] == 0 and m["rbx"] == 5
    m.put(pause_threshold=1000)
    assert m.guest(text, rbx=0) == PAUSE
    assert m["rsi"] == 2 and m["rbx"] == 0


# Task switches (15.14.1)

FAR_JUMP, FAR_CALL, INT_60 = b"\xEA\0\0\0\0\x50\0", b"\x9A\0\0\0\0\x50\0", b"\xCD\x60"


@pytest.fixture
def tasks(engine_class):
    """A guest of 32 bits with another task at selector 50h, to which #GP and vector 60h lead too."""
    m = Host(engine_class, bits=32)
    m.prepare(guest_bits=32)
    m.put(cr0=m.engine.get("cr0"))
    m.descriptor(0x50, segment(0x89, 0, base=TSS2, limit=0x67))
    for vector in (0x60, GP):
        m.memory.write(IDT + vector * 8, struct.pack("<Q", 0x8500_0050_0000))
    m.intercept(TASK_SWITCH)
    return m


@pytest.mark.parametrize("code, reason, event", [(FAR_JUMP, 1 << 38, 0), (FAR_CALL, 0, 0), (INT_60, 0, 0x8000_0460)])
def test_task_switches(tasks, code, reason, event):
    tasks.memory.write(GUEST, code)
    assert tasks.vmrun() == TASK_SWITCH
    assert tasks.info == (0x50, reason) and tasks.field("exit_interrupted") == event
    assert tasks.field("rip") == GUEST and tasks.saved_segment("tr")[0] == 0x28


def test_a_task_switch_by_iret(tasks):
    tasks.memory.write(TSS, b"\x50\0")
    tasks.descriptor(0x50, segment(0x8B, 0, base=TSS2, limit=0x67))
    tasks.put(rflags=0x4002)
    assert tasks.guest("iretd") == TASK_SWITCH
    assert tasks.info == (0x50, 1 << 36)


def test_a_task_switch_by_an_exception_brings_its_error_code(tasks):
    assert tasks.guest("mov eax, 0x300; mov ds, ax") == TASK_SWITCH
    assert tasks.info == (0x50, 1 << 44 | 0x300) and tasks.field("exit_interrupted") == 0x8000_0B0D | 0x300 << 32


def test_a_bad_task_is_a_fault_first(tasks):
    tasks.descriptor(0x50, segment(0x8B, 0, base=TSS2, limit=0x67))
    tasks.intercept(EXCEPTION + GP)
    tasks.memory.write(GUEST, FAR_JUMP)
    assert tasks.vmrun() == EXCEPTION + GP


def test_the_stack_of_the_guest_is_used_where_nothing_is_intercepted(m):
    """An exception that no one intercepts is the guest's own."""
    m.put(rsp=GUEST_STACK)
    assert m.guest("ud2") == HLT
    assert m.field("rip") & ~15 == HANDLERS + UD * 16
