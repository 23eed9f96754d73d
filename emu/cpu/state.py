"""What a virtual CPU remembers, declared once: the Python class and the C struct are both made from this list.

So a state saved by one engine continues on the other. Everything is an unsigned integer of the width given, or a
fixed array of them; `V128` fields are the vector registers.
"""

from __future__ import annotations

from dataclasses import dataclass

TLB_ENTRIES = 4096          # direct-mapped by the low bits of the virtual page number
PCIDS = 4096
ASIDS = 16                  # of guests, 0 being the host's


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the state: its name, C type, number of elements, and whether it is in a digest."""

    name: str
    type: str = "u64"
    count: int = 1
    reset: int = 0
    why: str = ""


FIELDS: tuple[Field, ...] = (
    Field("gpr", count=16, why="RAX RCX RDX RBX RSP RBP RSI RDI R8..R15"),
    Field("rip", reset=0xFFF0),
    Field("flags", reset=2, why="RFLAGS without its six status flags, which live in cc_*"),
    Field("cc_kind", why="how cc_x and cc_y give the status flags; see emu/cpu/flags.py"),
    Field("cc_x"), Field("cc_y"),
    Field("seg_sel", count=8, why="ES CS SS DS FS GS LDTR TR"),
    Field("seg_base", count=8), Field("seg_limit", count=8, reset=0xFFFF), Field("seg_attr", count=8, reset=0x93),
    Field("gdtr_base"), Field("gdtr_limit", reset=0xFFFF), Field("idtr_base"), Field("idtr_limit", reset=0xFFFF),
    Field("cr0", reset=0x60000010), Field("cr2"), Field("cr3"), Field("cr4"), Field("xcr0", reset=1),
    Field("dr", count=8), Field("efer"),
    Field("debug_hits", why="traps of breakpoints, steps, task switches to come, as in DR6; above bit 16 behind a load of SS"),
    Field("cpl", why="current privilege level, 0 to 3"),
    Field("code_size", reset=16, why="16, 32 or 64: default size of the current code segment"),
    Field("stack_size", reset=16, why="16, 32 or 64: width of the stack pointer in use"),
    Field("mmu_mode", why="which permission view memory accesses have; see emu/cpu/paging.py"),
    Field("fpu_blocked", why="bit 0: x87 raises #NM, bit 1: SSE raises #UD, bit 2: SSE raises #NM"),
    Field("interrupt_shadow", why="until the next instruction has ended 1: no interrupt (STI), 3: no debug exception either (MOV SS)"),
    Field("nmi_blocked"), Field("nmi_pending"), Field("interrupt_line"),
    Field("injected", why="an event that VMRUN found in EVENTINJ, to be delivered before anything else; else 0"),
    Field("v_intr", why="virtual interrupts of the running guest: 60h of its VMCB"),
    Field("halted", why="1 after HLT until an interrupt"),
    Field("shutdown", why="1 after a triple fault"),
    Field("star"), Field("lstar"), Field("cstar"), Field("sfmask"), Field("kernel_gs_base"),
    Field("sysenter_cs"), Field("sysenter_esp"), Field("sysenter_eip"), Field("tsc_aux"),
    Field("pat", reset=0x0007040600070406), Field("mtrr", count=32), Field("mtrr_def_type"), Field("misc_msr", count=16),
    Field("tsc_step", reset=1, why="what a retired instruction adds to the TSC: the clock's step in ns"),
    Field("tsc_offset", why="TSC minus tsc_step times the count of retired instructions"),
    Field("retired", why="instructions retired since power-on"),
    Field("random", reset=0x9E3779B97F4A7C15, why="state of the seeded generator behind RDRAND"),
    Field("mxcsr", reset=0x1F80), Field("xmm", "V128", 16),
    Field("fpr_mantissa", count=8, why="x87 registers by physical number"), Field("fpr_exponent", count=8, why="sign and exponent, 16 bits"),
    Field("fcw", reset=0x0040), Field("fsw", why="without TOP"), Field("ftop"), Field("ftags", reset=0xFF, why="one bit a physical register: 1 empty"),
    Field("fop"), Field("fip"), Field("fdp"), Field("fcs"), Field("fds"),
    Field("tlb_tag", count=TLB_ENTRIES, why="virtual page | permissions; see emu/cpu/paging.py"),
    Field("tlb_page", count=TLB_ENTRIES), Field("tlb_asid", count=TLB_ENTRIES, why="whose translation it is"),
    Field("pcid_asid", count=PCIDS),
    # Secure virtual machine; see emu/cpu/svm.py.
    Field("vm_cr"), Field("vm_hsave_pa"), Field("vmcb", why="physical address of the running guest's control block"),
    Field("iopm"), Field("msrpm"), Field("nested_cr3"),
    Field("pause_filter"), Field("pause_threshold"), Field("pause_count"), Field("pause_last"),
    Field("host_sel", count=4, why="the host while a guest runs: ES CS SS DS"),
    Field("host_base", count=4), Field("host_limit", count=4), Field("host_attr", count=4),
    Field("host_gdtr_base"), Field("host_gdtr_limit"), Field("host_idtr_base"), Field("host_idtr_limit"),
    Field("host_cr0"), Field("host_cr3"), Field("host_cr4"), Field("host_efer"), Field("host_rflags"), Field("host_rip"),
    Field("host_rsp"), Field("host_rax"), Field("host_pat"), Field("host_asid"), Field("host_asid_global"),
    Field("host_tlb_large"), Field("host_tlb_huge"),
    Field("asid_tag", count=ASIDS, why="for each ASID the tags of its translations when it was left, 0: none"),
    Field("asid_tag_global", count=ASIDS), Field("asid_large", count=ASIDS), Field("asid_huge", count=ASIDS),
    Field("asid_cr3", count=ASIDS, why="and what those depend on"), Field("asid_nested_cr3", count=ASIDS),
    Field("asid_mode", count=ASIDS),
    # Accounts: who did what.
    Field("vm_exits", count=256, why="by exit code; FEh nested page faults, FFh invalid control blocks"),
    Field("retired_in", count=2 * ASIDS, why="instructions by ASID and ring; see update_mode() in emu/cpu/paging.py"),
    Field("counted_world"), Field("counted_until"),
    # From here on what page walks and the run loop look at, close to each other and to what follows.
    Field("tlb_misses", count=2, why="in the host, in guests"),
    Field("entries_read", count=2, why="page-table entries read for them, nested ones too"),
    Field("asid", reset=1 << 4), Field("asid_global", reset=2 << 4), Field("asid_next", reset=2),
    Field("tlb_salt", why="changes the place of a guest's translations: guest and host may be the same kernel"),
    Field("tlb_large", why="2 MiB regions that parts of a 2 MiB page may be in the TLB for; see emu/cpu/paging.py"),
    Field("tlb_huge", why="1 GiB regions of larger pages, likewise"),
    Field("nested_paging"), Field("guest", why="1 while a guest runs"), Field("vm_asid", why="its ASID; 0 in the host"),
    Field("vm_tsc_offset"),
    Field("gif", reset=1, why="global interrupt flag (STGI, CLGI)"),
    Field("vm_intercepts", why="what the running guest is left for: 0Ch and 10h of its VMCB; see emu/isa/exits.py"),
    Field("intercept_exceptions"), Field("intercept_cr"), Field("intercept_dr"), Field("intercepts_more", why="14h of the VMCB"),
)

# What an instruction in flight needs; not part of a saved state.
TRANSIENT: tuple[Field, ...] = (
    Field("insn_rip", why="RIP of the instruction in flight"),
    Field("in_shadow", why="1: that instruction is in an interrupt shadow"),
    Field("event", why="event in delivery through the IDT, as EXITINTINFO has it; 0: none"),
    Field("walk_permissions", why="of the page that the last walk found: TLB_*"),
    Field("seg_override", why="segment of the memory operand in flight"),
    Field("rep", why="0, or 0xF3 / 0xF2"),
    Field("opsize"), Field("addrsize"),
    Field("attention", why="1: leave the block after this instruction"),
    Field("rep_budget", "i64", why="extra iterations a repeated string instruction may do in this slice"),
    Field("single_step", why="not 0: a trap follows the instruction in flight; INT n, SYSCALL, loads of SS call it off"),
    Field("rip_settled", why="1: a fault saves `rip`, not the instruction's: a task switch has begun the new task"),
    Field("exit_code", why="why the guest is about to be left"), Field("exit_info1"), Field("exit_info2"), Field("exit_next_rip"),
    Field("fault_address", why="of the last page fault"), Field("nested_where"),
    Field("walk_address", count=10, why="where a walk and, behind it, a nested walk found their entries, by level"),
    Field("quotient"), Field("remainder"),
    Field("frame_base", why="where frame_push() pushes: segment base, mask of the pointer, pointer, kind of access"),
    Field("frame_mask"), Field("frame_pointer"), Field("frame_access"),
    Field("fp_raised", why="floating-point exceptions of the instruction in flight (SSE: Python engine only)"),
    Field("fr_mantissa", why="result of an x87 operation; see emu/cpu/float80.py"), Field("fr_exponent"),
    Field("fr2_mantissa", why="second result, of FXTRACT, FSINCOS and FPTAN"), Field("fr2_exponent"),
)

BY_NAME = {f.name: f for f in FIELDS + TRANSIENT}
