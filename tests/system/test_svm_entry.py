"""VMRUN, #VMEXIT and the instructions around them (APM vol. 2, 15.2 to 15.6, 15.17, 15.30)."""

import pytest

from tests.flat import CODE, DATA_SELECTOR
from tests.system.machine import GP, UD, SystemMachine
from tests.system.svm import (
    FIELDS,
    GUEST,
    GUEST_STACK,
    HLT,
    INVALID,
    IOIO,
    IOPM,
    OTHER,
    SIZES,
    STACK,
    VMCB,
    VMMCALL,
    VMMCALL_TEXT,
    VMRUN,
    VMRUN_TEXT,
    Host,
)

SVME = 0x1000
NAMES = {"vmrun": "0f 01 d8", "vmmcall": "0f 01 d9", "vmload": "0f 01 da", "vmsave": "0f 01 db", "stgi": "0f 01 dc",
         "clgi": "0f 01 dd", "skinit": "0f 01 de", "invlpga": "0f 01 df", "rsm": "0f aa"}


@pytest.fixture
def m(engine_class):
    return Host(engine_class)


# What there is of it (15.4, 15.30)

def cpuid(m, leaf):
    m.asm("cpuid", rax=leaf, rcx=0)
    return tuple(m[r] for r in ("rax", "rbx", "rcx", "rdx"))


def test_cpuid_says_what_there_is(m):
    assert cpuid(m, 0x80000001)[2] & 4
    revision, asids, _, features = cpuid(m, 0x8000000A)
    assert (revision, asids) == (1, 16)
    assert features == 1 | 1 << 3 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 10 | 1 << 12     # NP NRIPS clean flush decode pause


@pytest.mark.parametrize("name", NAMES)
def test_without_svme_they_are_undefined(engine_class, name):
    m = SystemMachine(engine_class)
    m.run(NAMES[name], rax=0x120000)
    assert m.faulted() == (UD, 0)


@pytest.mark.parametrize("name", ["vmrun", "vmload", "vmsave", "stgi", "clgi", "invlpga"])
def test_they_are_ring_0s(m, name):
    m.engine.set("seg_attr", 0xC93 | 0x60, 2)
    m.engine.set("cpl", 3)
    m.run(NAMES[name], rax=VMCB)
    assert m.faulted() == (GP, 0)


@pytest.mark.parametrize("name", ["vmmcall", "skinit", "rsm"])
def test_these_are_undefined_outside_of_a_guest(m, name):
    m.run(NAMES[name], rax=VMCB)
    assert m.faulted() == (UD, 0)


@pytest.mark.parametrize("name", ["vmrun", "vmload", "vmsave"])
@pytest.mark.parametrize("address", [VMCB + 8, VMCB + 0x800, 1 << 40])
def test_a_control_block_is_a_page_that_there_can_be(m, name, address):
    m.run(NAMES[name], rax=address)
    assert m.faulted() == (GP, 0)


def wrmsr(m, index, value):
    m.asm("wrmsr", rcx=index, rax=value & 0xFFFFFFFF, rdx=value >> 32)
    fault = m.faulted()
    m.reset()
    return fault


def rdmsr(m, index):
    m.asm("rdmsr", rcx=index)
    return m["rdx"] << 32 | m["rax"]


def test_hsave_is_a_page_address(m):
    assert wrmsr(m, 0xC0010117, 0x123456000) is None and rdmsr(m, 0xC0010117) == 0x123456000
    for value in (0x1001, 1 << 40):
        assert wrmsr(m, 0xC0010117, value) == (GP, 0)


def test_vm_cr_can_lock_svm_away(m):
    assert wrmsr(m, 0xC0010114, 0x10) == (GP, 0)            # SVMDIS while EFER.SVME is set
    assert wrmsr(m, 0xC0010114, 0x20) == (GP, 0)
    efer = m.engine.get("efer")
    assert wrmsr(m, 0xC0000080, efer & ~SVME) is None
    assert wrmsr(m, 0xC0010114, 0x18) is None
    assert wrmsr(m, 0xC0000080, efer) == (GP, 0)
    assert wrmsr(m, 0xC0010114, 0) is None and rdmsr(m, 0xC0010114) == 0x18


# Into the guest and out of it (15.5, 15.6)

def test_the_guest_runs_until_something_is_intercepted(m):
    assert m.guest("add ebx, 5; inc rax", rax=7, rbx=1) == HLT
    assert m["rbx"] == 6 and m.field("rax") == 8 and m["rax"] == VMCB
    assert m.field("rip") == GUEST + 6 and m["rip"] == CODE + 3
    assert m.info == (0, 0) and m.field("exit_interrupted") == 0 and m.field("next_rip") == GUEST + 7


def test_the_registers_that_change_over(m):
    m.set_stack(STACK - 0x100)
    m.engine.set("rflags", 0x246)
    m.put(rflags=0xCD7, rsp=GUEST_STACK - 8)
    assert m.guest("nop", rax=1) == HLT
    assert m["rsp"] == STACK - 0x100 and m["rflags"] == 0x246 and m.field("rsp") == GUEST_STACK - 8
    assert m.field("rflags") == 0xCD7


def test_the_guest_has_its_own_control_registers(m):
    m.put(cr2=0x1234, cr4=m.engine.get("cr4") | 4, dr7=0x455)
    before = [m.engine.get(n) for n in ("cr0", "cr3", "cr4", "efer")]
    m.guest("mov rbx, cr2; mov rcx, cr4; mov rsi, dr7; mov rdi, cr0; btc rdi, 3; mov cr0, rdi")
    assert (m["rbx"], m["rcx"], m["rsi"]) == (0x1234, m.engine.get("cr4") | 4, 0x455)
    assert [m.engine.get(n) for n in ("cr0", "cr3", "cr4", "efer")] == before
    assert m.field("cr0") == before[0] ^ 8 and m.engine.get("dr", 7) == 0x400


def test_segments_go_through_the_control_block(m):
    m.set_segment("ds", 0x33, 0xC93, 0xFFFFFFFF, 0x5000)
    m.set_segment("es", 0, 0, 0, 0)
    m.guest("mov ebx, ds; mov ecx, es; mov esi, 0x10; mov es, si")
    assert (m["rbx"], m["rcx"]) == (0x33, 0)
    assert m.saved_segment("es")[:2] == (0x10, 0xC93) and m.saved_segment("ds") == (0x33, 0xC93, 0xFFFFFFFF, 0x5000)
    assert m.engine.get("seg_sel", 3) == DATA_SELECTOR and m.saved_segment("cs") == (8, 0xA9B, 0xFFFFFFFF, 0)


def test_bases_are_made_canonical(m):
    m.set_segment("ds", 0x10, 0xC93, 0xFFFFFFFF, 0x800000000000)
    m.guest("nop")
    assert m.saved_segment("ds")[3] == 0xFFFF800000000000


def test_tables_go_through_the_control_block(m):
    m.set_segment("gdtr", 0, 0, 0x77, 0x1D0000)
    m.guest("sgdt [rbx]; mov word ptr [rbx + 16], 0x123; mov rax, 0x1e7000; mov [rbx + 18], rax; lidt [rbx + 16]", rbx=0x138000)
    assert m.memory.read(0x138000, 10) == b"\x77\0" + 0x1D0000.to_bytes(8, "little")
    assert m.saved_segment("idtr")[2:] == (0x123, 0x1E7000) and m.engine.get("idtr_limit") == 0xFFF


def test_a_guest_at_cpl_3(m):
    m.set_segment("cs", 0x1B, 0xAFB, 0xFFFFFFFF, 0)
    m.set_segment("ss", 0x23, 0xCF3, 0xFFFFFFFF, 0)
    m.put(cpl=3)
    m.intercept(0x40 + GP)
    assert m.guest("mov ebx, cs; cli") == 0x40 + GP
    assert m["rbx"] == 0x1B and m.field("cpl") == 3 and m.engine.get("cpl") == 0


def test_a_guest_of_32_bits_without_paging(m):
    m.prepare(guest_bits=32)
    assert m.guest("mov eax, cr0; inc ebx; push ebx", rbx=0xFFFFFFFF) == HLT
    assert m.field("rax") == 0x33 and m["rbx"] == 0 and m.field("rsp") == GUEST_STACK - 4


def test_a_guest_may_turn_on_long_mode(m):
    m.prepare(guest_bits=32)
    m.guest("mov ecx, 0xc0000080; rdmsr; or eax, 0x100; wrmsr; mov eax, 0x1e0000; mov cr3, eax; mov eax, 0x620; mov cr4, eax;"
            "mov eax, 0x80000033; mov cr0, eax; rdmsr; mov ebx, eax")
    assert m["rbx"] == 0x1500 and m.field("efer") == 0x1500 and m.field("exit_code") == HLT


def test_vmmcall_hands_over_at_any_level(m):
    m.set_segment("cs", 0x1B, 0xAFB, 0xFFFFFFFF, 0)
    m.set_segment("ss", 0x23, 0xCF3, 0xFFFFFFFF, 0)
    m.put(cpl=3)
    assert m.guest("mov ecx, 42; " + VMMCALL_TEXT) == VMMCALL
    assert m["rcx"] == 42 and m.field("next_rip") == GUEST + 8


def test_the_host_goes_on_with_interrupts_held_back(m):
    assert m.engine.get("gif") == 1
    m.guest("nop")
    assert m.engine.get("gif") == 0
    m.run(NAMES["stgi"])
    assert m.engine.get("gif") == 1
    m.run(NAMES["clgi"])
    assert m.engine.get("gif") == 0


def test_guests_do_not_nest(m):
    assert m.guest(VMRUN_TEXT, rax=OTHER) == VMRUN
    assert m.field("rip") == GUEST


def test_a_guest_that_writes_its_own_control_block_changes_nothing(m):
    """The block is copied once, checked, then used (CVE-2021-29657 was a second fetch): what it says later is nothing."""
    before = [m.engine.get(name) for name in ("cr0", "cr3", "cr4", "efer", "vm_hsave_pa")]
    for wiped in ("intercept_cr", "intercepts", "intercepts_more", "iopm", "msrpm", "nested", "asid", "efer", "cr3"):
        m.prepare()
        m.intercept(IOIO)
        m.memory.write(IOPM, b"\xff" * 0x3000)
        m.asids = 1
        place, size = VMCB + FIELDS[wiped], SIZES.get(wiped, 8)
        store = {4: "mov dword ptr [rbx], ecx", 8: "mov [rbx], rcx"}[size]
        # It gives itself the instructions, the ports, another address space; then asks for the first that must leave it.
        assert m.guest(f"{store}; out 0x80, al", rbx=place, rcx=0) == IOIO, wiped
        assert [m.engine.get(name) for name in ("cr0", "cr3", "cr4", "efer", "vm_hsave_pa")] == before


def test_the_counter_runs_with_the_guests_offset(m):
    m.put(tsc_offset=0x5_0000_0000)
    m.guest("rdtsc; mov rbx, rdx; mov ecx, 0x10; rdmsr")
    assert m["rbx"] == 5 and m["rdx"] == 5
    m.asm("rdtsc")
    assert m["rdx"] == 0


def test_vmsave_and_vmload_have_the_rest(m):
    for number, (name, value) in enumerate([("star", 0x11), ("lstar", 0x22), ("cstar", 0x33), ("sfmask", 0x44), ("kernel_gs_base", 0x55),
                                            ("sysenter_cs", 0x66), ("sysenter_esp", 0x77), ("sysenter_eip", 0x88)]):
        m.engine.set(name, value)
    m.engine.set("seg_base", 0x12345, 4), m.engine.set("seg_base", 0x54321, 5)
    m.run(NAMES["vmsave"], rax=OTHER)
    names = ("star", "lstar", "cstar", "sfmask", "kernel_gs_base", "sysenter_cs", "sysenter_esp", "sysenter_eip")
    assert [m.field(name, OTHER) for name in names] == [0x11 * k for k in range(1, 9)]
    assert m.saved_segment("fs", OTHER) == (DATA_SELECTOR, 0xC93, 0xFFFFFFFF, 0x12345)
    assert m.saved_segment("gs", OTHER)[3] == 0x54321
    assert m.saved_segment("tr", OTHER) == (0x28, 0x8B, 0x67, 0x1E9000)
    assert m.saved_segment("ldtr", OTHER) == (0x1F0, 0x82, 0xFF, 0x1D1000)
    m.set_segment("fs", 3, 0xCF3, 0xFFF, 0x800000000000, at=OTHER)
    m.set_segment("tr", 0x50, 0x8B, 0x77, 0x9000, at=OTHER)
    m.put(at=OTHER, lstar=0x800000000001, star=9, sfmask=0x1_0000_0200)
    m.run(NAMES["vmload"], rax=OTHER)
    get = m.engine.get
    assert (get("seg_sel", 4), get("seg_attr", 4), get("seg_limit", 4), get("seg_base", 4)) == (3, 0xCF3, 0xFFF, 0xFFFF800000000000)
    assert (get("seg_sel", 7), get("seg_limit", 7), get("seg_base", 7)) == (0x50, 0x77, 0x9000)
    assert (get("lstar"), get("star"), get("sfmask"), get("kernel_gs_base")) == (0xFFFF800000000001, 9, 0x200, 0x55)


# Control blocks that are refused (15.5.1)

BAD = {
    "EFER.SVME clear": {"efer": 0x501}, "EFER reserved": {"efer": 0x1D01 | 1 << 9}, "CR0.NW without CD": {"cr0": 0xA0010033},
    "CR0 above 32 bits": {"cr0": 0x1_80010033}, "CR3 reserved": {"cr3": 1 << 41}, "CR4 reserved": {"cr4": 0x620 | 1 << 30},
    "DR6 above 32 bits": {"dr6": 1 << 32}, "DR7 above 32 bits": {"dr7": 1 << 32}, "long mode without PAE": {"cr4": 0x600},
    "long mode without PE": {"cr0": 0x80010032}, "ASID 0": {"asid": 0}, "no such ASID": {"asid": 16},
    "IOPM beyond memory": {"iopm": (1 << 40) - 0x2000}, "MSRPM beyond memory": {"msrpm": (1 << 40) - 0x1000},
    "event of reserved type": {"inject": 0x8000_0120}, "NMI as exception": {"inject": 0x8000_0302},
    "no exception": {"inject": 0x8000_0320}, "nested CR3 reserved": {"nested": 1, "nested_cr3": 1 << 41},
    "PAT with a reserved type": {"nested": 1, "pat": 2}, "virtual-8086 mode": {"rflags": 0x20002}}


@pytest.mark.parametrize("name", BAD)
def test_invalid_states(m, name):
    m.put(**BAD[name])
    assert m.guest("inc rbx", rbx=1) == INVALID
    assert m["rbx"] == 1 and m["rax"] == VMCB and m["rip"] == CODE + 3 and m.engine.get("gif") == 0
    assert m.field("rip") == GUEST


def test_code_that_is_both_long_and_32_bit_is_invalid(m):
    m.set_segment("cs", 8, 0xE9B, 0xFFFFFFFF, 0)
    assert m.guest("nop") == INVALID


def test_vmrun_must_be_intercepted(m):
    m.memory.write(VMCB + 0x10, bytes(1))
    assert m.guest("nop") == INVALID


def test_nested_paging_needs_a_host_with_paging(engine_class):
    m = Host(engine_class, nested=True)
    m.engine.set("cr0", 0x33), m.engine.set("efer", 0x1000)
    m.engine.set("seg_attr", 0xC9B, 1)
    assert m.guest("nop") == INVALID


@pytest.mark.parametrize("name", ["iopm", "msrpm"])
def test_low_bits_of_the_maps_addresses_do_not_count(m, name):
    m.put(**{name: (1 << 40) - 0x3000 + 0xFFF})
    assert m.guest("nop") == HLT


def test_an_ignored_event_is_not_checked(m):
    m.put(inject=0x0120)
    assert m.guest("nop") == HLT
