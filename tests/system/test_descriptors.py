"""Loading segment registers: null selectors, table limits, types, privilege, presence, accessed bits (APM vol. 2, 4.10, 4.12)."""

import pytest

from tests.flat import CODE, CODE_SELECTOR, DATA_SELECTOR, USER_DATA
from tests.system.machine import CONFORMING, GP, LDT, NP, READ_ONLY, SS, UD, WRITABLE, SystemMachine, code64, data, segment


@pytest.fixture
def m(engine_class):
    return SystemMachine(engine_class)


@pytest.fixture
def user(engine_class):
    return SystemMachine(engine_class, cpl=3)


@pytest.mark.parametrize("register", ["ds", "es", "fs", "gs"])
@pytest.mark.parametrize("null", [0, 1, 2, 3])
def test_null_selectors_load_and_clear_the_base(m, register, null):
    m.engine.set("seg_base", 0x1234, {"es": 0, "ds": 3, "fs": 4, "gs": 5}[register])
    m.asm(f"mov {register}, ax", rax=null)
    assert m.faulted() is None
    assert m.segment({"es": 0, "ds": 3, "fs": 4, "gs": 5}[register]) == null
    assert m.engine.get("seg_base", {"es": 0, "ds": 3, "fs": 4, "gs": 5}[register]) == 0


def test_base_limit_and_attributes_come_from_the_descriptor(m):
    m.descriptor(0x40, segment(WRITABLE, 0x4, base=0x12345678, limit=0xABCDE))
    m.asm("mov fs, ax", rax=0x40)
    assert m.engine.get("seg_base", 4) == 0x12345678
    assert m.engine.get("seg_limit", 4) == 0xABCDE
    assert m.engine.get("seg_attr", 4) == 0x493


def test_page_granular_limits_end_in_fff(m):
    m.descriptor(0x40, segment(WRITABLE, 0xC, limit=2))
    m.asm("mov fs, ax", rax=0x40)
    assert m.engine.get("seg_limit", 4) == 0x2FFF


def test_loading_sets_the_accessed_bit_in_the_table(m):
    m.descriptor(0x40, data())
    m.asm("mov ds, ax", rax=0x40)
    assert m.read_descriptor(0x40) == data() | 1 << 40


def test_the_local_table_is_used_when_bit_2_is_set(m):
    m.descriptor(0x0C, segment(WRITABLE, base=0x777000))
    m.asm("mov gs, ax", rax=0x0C)
    assert m.engine.get("seg_base", 5) == 0x777000
    assert m.memory.read(LDT + 8 + 5, 1)[0] & 1


@pytest.mark.parametrize("selector", [0x200, 0x1F8 + 8, 0xFFF8, 0x0104])
def test_beyond_the_limit_of_its_table_is_gp(m, selector):
    m.asm("mov ds, ax", rax=selector)
    assert m.faulted() == (GP, selector & 0xFFFC)


def test_without_a_local_table_its_selectors_are_gp(m):
    m.asm("xor eax, eax; lldt ax; mov eax, 0x0c; mov ds, ax")
    assert m.faulted() == (GP, 0x0C)


@pytest.mark.parametrize("low, fault", [
    (data(access=0x12), (NP, 0x40)),                 # not present
    (segment(0x98), (GP, 0x40)),                     # execute-only code
    (segment(0x9A), None),                           # readable code
    (segment(0x89), (GP, 0x40)),                     # a system descriptor
    (data(access=READ_ONLY), None)])
def test_types_a_data_segment_may_have(m, low, fault):
    m.descriptor(0x40, low)
    m.asm("mov es, ax", rax=0x40)
    assert m.faulted() == fault


def test_the_type_is_checked_before_presence(m):
    m.descriptor(0x40, segment(0x18))
    m.asm("mov es, ax", rax=0x40)
    assert m.faulted() == (GP, 0x40)


@pytest.mark.parametrize("dpl, rpl, ok", [(3, 3, True), (3, 0, True), (2, 0, False), (0, 0, False), (0, 3, False)])
def test_data_segments_need_dpl_of_cpl_and_rpl_at_least(user, dpl, rpl, ok):
    user.descriptor(0x40, data(dpl))
    user.asm("mov ds, ax", rax=0x40 | rpl)
    assert user.faulted() == (None if ok else (GP, 0x40))


def test_rpl_alone_can_lose_the_privilege(m):
    m.asm("mov ds, ax", rax=DATA_SELECTOR | 3)
    assert m.faulted() == (GP, DATA_SELECTOR)


def test_conforming_code_may_be_read_from_any_level(user):
    user.descriptor(0x40, segment(CONFORMING))
    user.asm("mov ds, ax", rax=0x43)
    assert user.faulted() is None


def test_a_faulting_load_changes_nothing(m):
    before = [m.engine.get(name, 3) for name in ("seg_sel", "seg_base", "seg_limit", "seg_attr")]
    m.descriptor(0x40, data(access=0x12))
    m.asm("mov ds, ax", rax=0x40)
    assert [m.engine.get(name, 3) for name in ("seg_sel", "seg_base", "seg_limit", "seg_attr")] == before


# SS

def test_ss_may_be_null_in_64_bit_code_below_ring_3(m):
    m.asm("mov ss, ax", rax=0)
    assert m.faulted() is None and m.segment(2) == 0
    m.asm("push rbx; pop rcx", rbx=77)
    assert m["rcx"] == 77


@pytest.mark.parametrize("selector", [1, 3])
def test_a_null_ss_needs_rpl_of_cpl(m, selector):
    m.asm("mov ss, ax", rax=selector)
    assert m.faulted() == (GP, 0)


def test_no_null_ss_at_ring_3(user):
    user.asm("mov ss, ax", rax=3)
    assert user.faulted() == (GP, 0)


@pytest.mark.parametrize("low, selector, fault", [
    (data(), 0x40, None),
    (data(), 0x43, (GP, 0x40)),                      # RPL
    (data(3), 0x40, (GP, 0x40)),                     # DPL
    (data(access=READ_ONLY), 0x40, (GP, 0x40)),
    (segment(0x9A), 0x40, (GP, 0x40)),
    (data(access=0x12), 0x40, (SS, 0x40))])
def test_what_ss_may_be(m, low, selector, fault):
    m.descriptor(0x40, low)
    m.asm("mov ss, ax", rax=selector)
    assert m.faulted() == fault


def test_mov_to_cs_and_beyond_gs_is_ud(m):
    for modrm in (0xC8, 0xF0, 0xF8):
        m.run(bytes((0x8E, modrm)), rax=DATA_SELECTOR)
        assert m.faulted() == (UD, 0)
        m.reset()


def test_mov_from_a_segment_register_there_is_not(m):
    m.run(bytes((0x8C, 0xF0)))
    assert m.faulted() == (UD, 0)


def test_mov_from_segment_extends_with_zeros(m):
    m.asm("mov eax, ds", rax=2 ** 64 - 1)
    assert m["rax"] == DATA_SELECTOR
    m.asm("mov rax, cs", rax=2 ** 64 - 1)
    assert m["rax"] == CODE_SELECTOR
    m.asm("mov ax, cs", rax=2 ** 64 - 1)
    assert m["rax"] == 0xFFFFFFFFFFFF0008
    m.memory.write(0x100000, b"\xFF" * 8)
    m.asm("mov word ptr [rbx], ds", rbx=0x100000)
    assert m.memory.read(0x100000, 8) == DATA_SELECTOR.to_bytes(2, "little") + b"\xFF" * 6


def test_push_and_pop_of_fs_take_eight_bytes(m):
    m.asm("mov fs, ax; push fs; pop gs", rax=0x10)
    assert m.segment(5) == 0x10 and m["rsp"] == 0x180000


def test_lss_and_lfs_load_pointer_and_selector(m):
    m.far_pointer(DATA_SELECTOR, 0x89ABCDEF)
    m.asm("lfs eax, [rbx]", rax=2 ** 64 - 1, rbx=0x100000)
    assert m["rax"] == 0x89ABCDEF and m.segment(4) == DATA_SELECTOR
    m.far_pointer(DATA_SELECTOR | 3, 0x1111)
    m.asm("lss eax, [rbx]", rax=5, rbx=0x100000)
    assert m.faulted() == (GP, DATA_SELECTOR) and m["rax"] == 5


# Looking at descriptors without faults

@pytest.mark.parametrize("selector, rights, limit", [
    (CODE_SELECTOR, 0x00A09B00, 0xFFFFFFFF), (USER_DATA, 0x00C0F300, 0xFFFFFFFF), (0, None, None), (0x300, None, None),
    (DATA_SELECTOR | 3, None, None)])
def test_lar_and_lsl(m, selector, rights, limit):
    for text, expected in (("lar eax, ebx", rights), ("lsl eax, ebx", limit)):
        m.asm(text, rax=0x55, rbx=selector)
        assert m.faulted() is None
        assert m["rax"] == (0x55 if expected is None else expected)
        assert m.engine.get("rflags") >> 6 & 1 == (expected is not None)


def test_lar_keeps_the_other_flags(m):
    m.asm("lar eax, ebx", rbx=0, rflags=0x8D7)
    assert m.engine.get("rflags") == 0x897


def test_lar_in_long_mode_shows_ldt_tss_and_call_gate_only(m):
    for kind in range(16):
        m.descriptor(0x40, segment(0x80 | kind, 0, limit=0x1234), 0)
        m.asm("lar eax, ebx", rax=0, rbx=0x40)
        assert (m["rax"] != 0) == (kind in (2, 9, 11, 12)), kind
        m.asm("lsl eax, ebx", rax=0, rbx=0x40)
        assert (m["rax"] != 0) == (kind in (2, 9, 11)), kind


@pytest.mark.parametrize("low, rpl, readable, writable", [
    (data(3), 3, 1, 1), (data(3, READ_ONLY), 3, 1, 0), (data(0), 3, 0, 0), (code64(3), 3, 1, 0),
    (segment(0x98, dpl=3), 3, 0, 0), (segment(CONFORMING), 3, 1, 0), (segment(0x89, dpl=3), 3, 0, 0)])
def test_verr_and_verw(user, low, rpl, readable, writable):
    user.descriptor(0x40, low)
    user.asm("verr ax", rax=0x40 | rpl)
    assert user.faulted() is None and user.engine.get("rflags") >> 6 & 1 == readable
    user.asm("verw ax", rax=0x40 | rpl)
    assert user.faulted() is None and user.engine.get("rflags") >> 6 & 1 == writable


# LDTR and TR

def test_lldt_takes_sixteen_bytes_in_long_mode(m):
    m.descriptor(0x40, segment(0x82, 0, base=0x89ABCDEF, limit=0x77), 0xFFFF8000)
    m.asm("lldt ax; sldt rcx", rax=0x40)
    assert m.faulted() is None and m["rcx"] == 0x40
    assert m.engine.get("seg_base", 6) == 0xFFFF800089ABCDEF and m.engine.get("seg_limit", 6) == 0x77


@pytest.mark.parametrize("low, high, fault", [
    (segment(0x82, 0), 1 << 40, (GP, 0x40)),             # type bits in the upper half
    (segment(0x82, 0), 0x00008000, (GP, 0x40)),          # base not canonical
    (segment(0x02, 0), 0, (NP, 0x40)),
    (segment(0x89, 0), 0, (GP, 0x40)), (data(), 0, (GP, 0x40))])
def test_what_lldt_refuses(m, low, high, fault):
    m.descriptor(0x40, low, high)
    m.asm("lldt ax", rax=0x40)
    assert m.faulted() == fault


@pytest.mark.parametrize("text, kind", [("lldt ax", 0x82), ("ltr ax", 0x89)])
def test_lldt_and_ltr_want_the_global_table(m, text, kind):
    m.descriptor(0x0C, segment(kind, 0, limit=0x67), 0)
    m.asm(text, rax=0x0C)
    assert m.faulted() == (GP, 0x0C)


def test_ltr_of_the_null_selector(engine_class):
    m = SystemMachine(engine_class, bits=32)
    m.descriptor(0, segment(0x89, 0, limit=0x67))
    m.asm("ltr ax", limit=1, rax=3)
    assert m.fault.vector == GP and m.words(2) == [0, CODE]


def test_ltr_marks_the_task_state_busy(m):
    m.descriptor(0x40, segment(0x89, 0, base=0x1D2000, limit=0x67), 0)
    m.asm("ltr ax; str ecx", rax=0x40)
    assert m.faulted() is None and m["rcx"] == 0x40
    assert m.read_descriptor(0x40) >> 40 & 0xFF == 0x8B
    assert m.engine.get("seg_attr", 7) & 0xFF == 0x8B and m.engine.get("seg_base", 7) == 0x1D2000


@pytest.mark.parametrize("low, selector, fault", [
    (segment(0x8B, 0), 0x40, (GP, 0x40)),                # busy
    (segment(0x81, 0), 0x40, (GP, 0x40)),                # 16 bits, not in long mode
    (segment(0x09, 0), 0x40, (NP, 0x40)), (0, 0, (GP, 0))])
def test_what_ltr_refuses(m, low, selector, fault):
    m.descriptor(0x40, low, 0)
    m.asm("ltr ax", rax=selector)
    assert m.faulted() == fault


@pytest.mark.parametrize("text", ["lldt ax", "ltr ax", "lgdt [rbx]", "lidt [rbx]", "lmsw ax", "clts", "hlt", "invlpg [rbx]",
                                  "wbinvd", "invd", "mov rax, cr0", "mov cr3, rax", "mov rax, dr7", "swapgs", "rdmsr",
                                  "wrmsr"])
def test_privileged_instructions_are_gp_at_ring_3(user, text):
    user.asm(text, rbx=0x100000)
    assert user.faulted() == (GP, 0)


@pytest.mark.parametrize("text", ["sldt ax", "str ax", "smsw ax", "sgdt [rbx]", "sidt [rbx]"])
def test_umip_hides_system_registers_from_ring_3(user, text):
    user.asm(text, rbx=0x100000)
    assert user.faulted() is None
    user.engine.set("cr4", user.engine.get("cr4") | 1 << 11)
    user.asm(text, rbx=0x100000)
    assert user.faulted() == (GP, 0)


def test_gdt_and_idt_registers_store_what_was_loaded(m):
    m.memory.write(0x100000, bytes.fromhex("3412efcdab8967450000"))
    m.asm("lidt [rbx]; sidt [rbx+16]; sgdt [rbx+32]", rbx=0x100000)
    assert m.memory.read(0x100010, 10) == bytes.fromhex("3412efcdab8967450000")
    assert m.engine.get("idtr_base") == 0x456789ABCDEF and m.engine.get("idtr_limit") == 0x1234
    assert m.memory.read(0x100020, 10) == (0x1FF).to_bytes(2, "little") + (0x1D0000).to_bytes(8, "little")


def test_lgdt_of_an_address_that_is_not_canonical_is_gp(m):
    m.memory.write(0x100000, bytes.fromhex("ff00000000000000ff00"))
    m.asm("lgdt [rbx]", rbx=0x100000)
    assert m.faulted() == (GP, 0)


