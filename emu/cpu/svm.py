"""AMD's secure virtual machine: into a guest with VMRUN and out of it with #VMEXIT (APM vol. 2, chapter 15).

The guest's registers are the CPU's own while it runs; the host's wait in the `host_*` fields, as the manual allows a
processor to keep them inside rather than at VM_HSAVE_PA. Guest and host have their translations side by side, so that
changing over costs neither of them anything: tags say whose is whose (emu/cpu/paging.py), and those of a guest are
found again by its ASID as long as the host changes nothing that they depend on.

There is no real mode and no virtual-8086 mode in this machine: a control block that asks for the latter is invalid.
"""

from emu.cpu.control import V_INTR_MASKING
from emu.cpu.state import ASIDS
from emu.cpu.vmcb import (
    C_ASID,
    C_BYTES,
    C_EXIT_CODE,
    C_EXIT_INFO1,
    C_EXIT_INFO2,
    C_EXIT_INTERRUPTED,
    C_INJECT,
    C_INTERCEPT_CR,
    C_INTERCEPT_DR,
    C_INTERCEPT_EXCEPTIONS,
    C_INTERCEPTS,
    C_INTERCEPTS_MORE,
    C_IOPM,
    C_MSRPM,
    C_NESTED,
    C_NESTED_CR3,
    C_NEXT_RIP,
    C_PAUSE_FILTER,
    C_PAUSE_THRESHOLD,
    C_SHADOW,
    C_TLB_CONTROL,
    C_TSC_OFFSET,
    C_V_INTR,
    EVENT_VALID,
    PHYSICAL_MAX,
    S_CPL,
    S_CR0,
    S_CR2,
    S_CR3,
    S_CR4,
    S_DR6,
    S_DR7,
    S_EFER,
    S_GDTR,
    S_IDTR,
    S_PAT,
    S_RAX,
    S_RFLAGS,
    S_RIP,
    S_RSP,
    S_SEGMENTS,
)
from emu.isa.exits import EXIT_EXCEPTION, EXIT_INTR, EXIT_INVALID, EXIT_NMI, EXIT_NPF, EXIT_VINTR
from emu.isa.language import (
    ACCESS_FETCH,
    ATTR_AVL,
    ATTR_DB,
    ATTR_DPL,
    ATTR_G,
    ATTR_L,
    ATTR_P,
    ATTR_S,
    CR0_ET,
    CR0_PE,
    CR0_PG,
    CR4_PCIDE,
    CS,
    EFER_LMA,
    EFER_LME,
    EFER_SVME,
    GP,
    IF,
    MASK64,
    PF_VECTOR,
    RAX,
    RSP,
    UD,
    Fault,
)

# What translations depend on besides the tables: CR0 PG WP PE, CR4 PSE PAE PGE PCIDE SMEP SMAP, EFER LMA NXE.
CR0_TRANSLATION, CR4_TRANSLATION, EFER_TRANSLATION = 0x80010001, 0x3200B0, 0xC00

# TLB_CONTROL (15.16.2).
TLB_FLUSH_ALL, TLB_FLUSH_GUEST, TLB_FLUSH_LOCAL = 1, 3, 7

# The quadword at 60h: V_TPR in bits 7..0, then V_INTR_MASKING and these (15.21).
V_IRQ, V_IGN_TPR = 1 << 8, 1 << 20

# By ASID, what the place of a translation is changed with: far from the host's, and from each other's.
SALTS = (0x000, 0x800, 0x400, 0xC00, 0x200, 0xA00, 0x600, 0xE00, 0x100, 0x900, 0x500, 0xD00, 0x300, 0xB00, 0x700, 0xF00)

# What interrupt_due() finds; from 2 on it is also how the engine has it delivered (emu/cpu/interrupts.py).
DUE_NONE, DUE_LEFT, DUE_NMI, DUE_INTERRUPT, DUE_VIRTUAL, DUE_INJECTED = 0, 1, 2, 3, 4, 5


def require_svm(cpu):
    """#UD unless EFER.SVME and in protected mode, #GP(0) unless CPL 0: the instructions of SVM."""
    if cpu.efer & EFER_SVME == 0:  # check: V1
        raise Fault(UD, 0)
    cpu.require_protected()
    cpu.require_ring0()  # check: V1


def vmcb_operand(cpu):
    """The physical address in rAX; #GP(0) unless there can be a control block."""
    address = cpu.read_address_register(RAX)
    if address & 0xFFF or address > PHYSICAL_MAX:  # check: system/test_svm_entry.py
        raise Fault(GP, 0)
    return address


def run_guest(cpu, vmcb):
    """VMRUN: save the host, load the guest, and go on in it; an injected event comes before its first instruction."""
    cpu.vmcb = vmcb
    if cpu.guest_is_invalid(vmcb):  # check: V2
        cpu.set_debug_register(7, 0x400)
        cpu.gif = 0
        cpu.note_exit(EXIT_INVALID, 0, 0)
        cpu.save_exit()
        return
    cpu.save_host()
    cpu.load_controls()
    cpu.load_guest()
    cpu.single_step = 0
    cpu.gif = 1


def save_host(cpu):
    """Keep what #VMEXIT brings back."""
    for seg in range(4):
        cpu.host_sel[seg] = cpu.seg_sel[seg]
        cpu.host_base[seg] = cpu.seg_base[seg]
        cpu.host_limit[seg] = cpu.seg_limit[seg]
        cpu.host_attr[seg] = cpu.seg_attr[seg]
    cpu.host_gdtr_base = cpu.gdtr_base
    cpu.host_gdtr_limit = cpu.gdtr_limit
    cpu.host_idtr_base = cpu.idtr_base
    cpu.host_idtr_limit = cpu.idtr_limit
    cpu.host_cr0 = cpu.cr0
    cpu.host_cr3 = cpu.cr3
    cpu.host_cr4 = cpu.cr4
    cpu.host_efer = cpu.efer
    cpu.host_rflags = cpu.read_flags()
    cpu.host_rip = cpu.rip
    cpu.host_rsp = cpu.gpr[RSP]
    cpu.host_rax = cpu.gpr[RAX]
    cpu.host_pat = cpu.pat
    cpu.host_asid = cpu.asid
    cpu.host_asid_global = cpu.asid_global
    cpu.host_tlb_large = cpu.tlb_large
    cpu.host_tlb_huge = cpu.tlb_huge


def load_host(cpu):
    """The host goes on after its VMRUN, with GIF clear and no breakpoints (15.6)."""
    leaving = cpu.asid
    for seg in range(4):
        cpu.seg_sel[seg] = cpu.host_sel[seg]
        cpu.seg_base[seg] = cpu.host_base[seg]
        cpu.seg_limit[seg] = cpu.host_limit[seg]
        cpu.seg_attr[seg] = cpu.host_attr[seg]
    cpu.gdtr_base = cpu.host_gdtr_base
    cpu.gdtr_limit = cpu.host_gdtr_limit
    cpu.idtr_base = cpu.host_idtr_base
    cpu.idtr_limit = cpu.host_idtr_limit
    cpu.cr0 = cpu.host_cr0
    cpu.cr3 = cpu.host_cr3
    cpu.cr4 = cpu.host_cr4
    cpu.efer = cpu.host_efer
    cpu.write_flags(cpu.host_rflags)
    cpu.rip = cpu.host_rip
    cpu.gpr[RSP] = cpu.host_rsp
    cpu.gpr[RAX] = cpu.host_rax
    cpu.pat = cpu.host_pat
    cpu.cpl = 0
    cpu.gif = 0
    cpu.guest = 0
    cpu.vm_asid = 0
    cpu.tlb_salt = 0
    cpu.intercept_cr = 0
    cpu.intercept_dr = 0
    cpu.intercept_exceptions = 0
    cpu.vm_intercepts = 0
    cpu.intercepts_more = 0
    cpu.vm_tsc_offset = 0
    cpu.nested_paging = 0
    cpu.v_intr = 0
    cpu.injected = 0
    cpu.halted = 0
    cpu.interrupt_shadow = 0
    cpu.event = 0
    cpu.asid = cpu.host_asid
    cpu.asid_global = cpu.host_asid_global
    cpu.tlb_large = cpu.host_tlb_large
    cpu.tlb_huge = cpu.host_tlb_huge
    if cpu.asid == 0:
        cpu.flush_tags()
    cpu.switch_world(0, leaving)
    cpu.settle_mode()
    cpu.set_debug_register(7, 0x400)


def flush_tags(cpu):
    """flush_tlb() for a world that is about to be entered: new tags, and nothing to evict."""
    cpu.asid_global = cpu.fresh_tag()
    cpu.tlb_large = 0
    cpu.tlb_huge = 0
    cpu.asid = cpu.fresh_tag()
    if cpu.cr4 & CR4_PCIDE:
        cpu.pcid_asid[cpu.cr3 & 0xFFF] = cpu.asid


def load_controls(cpu):
    """Take over from the control area what decides while the guest runs."""
    cpu.intercept_cr = cpu.physical_read(cpu.vmcb + C_INTERCEPT_CR, 4)
    cpu.intercept_dr = cpu.physical_read(cpu.vmcb + C_INTERCEPT_DR, 4)
    cpu.intercept_exceptions = cpu.physical_read(cpu.vmcb + C_INTERCEPT_EXCEPTIONS, 4)
    cpu.vm_intercepts = cpu.vmcb_read(C_INTERCEPTS)
    cpu.intercepts_more = cpu.physical_read(cpu.vmcb + C_INTERCEPTS_MORE, 4)
    cpu.pause_threshold = cpu.physical_read(cpu.vmcb + C_PAUSE_THRESHOLD, 2)
    cpu.pause_filter = cpu.physical_read(cpu.vmcb + C_PAUSE_FILTER, 2)
    cpu.pause_count = cpu.pause_filter
    cpu.iopm = cpu.vmcb_read(C_IOPM) & ~0xFFF
    cpu.msrpm = cpu.vmcb_read(C_MSRPM) & ~0xFFF
    cpu.vm_tsc_offset = cpu.vmcb_read(C_TSC_OFFSET)
    cpu.pause_last = cpu.now()
    cpu.v_intr = cpu.vmcb_read(C_V_INTR)
    cpu.nested_paging = cpu.vmcb_read(C_NESTED) & 1
    cpu.nested_cr3 = cpu.vmcb_read(C_NESTED_CR3)
    event = cpu.vmcb_read(C_INJECT)
    cpu.injected = event if event & EVENT_VALID else 0
    cpu.interrupt_shadow = cpu.vmcb_read(C_SHADOW) & 1
    cpu.vm_asid = cpu.physical_read(cpu.vmcb + C_ASID, 4)


def load_guest(cpu):
    """Load the state save area, and find the translations that this guest left behind."""
    leaving = cpu.asid
    for seg in range(4):
        cpu.load_vmcb_segment(seg, cpu.vmcb + S_SEGMENTS + 16 * seg)
    # Of a code segment's attributes only these count (15.5.1).
    cpu.seg_attr[CS] = (cpu.seg_attr[CS] & (ATTR_L | ATTR_DB | ATTR_G | ATTR_AVL | ATTR_DPL | 7)) | ATTR_P | ATTR_S | 8
    cpu.gdtr_limit = cpu.physical_read(cpu.vmcb + S_GDTR + 4, 2)
    cpu.gdtr_base = cpu.canonical_form(cpu.vmcb_read(S_GDTR + 8))
    cpu.idtr_limit = cpu.physical_read(cpu.vmcb + S_IDTR + 4, 2)
    cpu.idtr_base = cpu.canonical_form(cpu.vmcb_read(S_IDTR + 8))
    cpu.cr0 = cpu.vmcb_read(S_CR0) | CR0_ET
    cpu.cr2 = cpu.vmcb_read(S_CR2)
    cpu.cr3 = cpu.vmcb_read(S_CR3)
    cpu.cr4 = cpu.vmcb_read(S_CR4)
    cpu.efer = cpu.vmcb_read(S_EFER) & ~EFER_LMA
    if cpu.efer & EFER_LME and cpu.cr0 & CR0_PG:
        cpu.efer = cpu.efer | EFER_LMA
    cpu.dr[6] = cpu.vmcb_read(S_DR6)
    if cpu.nested_paging:
        cpu.pat = cpu.vmcb_read(S_PAT)
    cpu.cpl = cpu.physical_read(cpu.vmcb + S_CPL, 1) & 3 if cpu.cr0 & CR0_PE else 0
    cpu.write_flags(cpu.vmcb_read(S_RFLAGS))
    cpu.rip = cpu.vmcb_read(S_RIP)
    cpu.gpr[RSP] = cpu.vmcb_read(S_RSP)
    cpu.gpr[RAX] = cpu.vmcb_read(S_RAX)
    cpu.guest = 1
    cpu.find_translations(cpu.vm_asid)
    cpu.switch_world(1, leaving)
    cpu.settle_mode()
    cpu.set_debug_register(7, cpu.vmcb_read(S_DR7))


def translation_mode(cpu):
    """What a guest's translations depend on besides its and the nested tables."""
    mode = (cpu.cr0 & CR0_TRANSLATION) | ((cpu.cr4 & CR4_TRANSLATION) << 32) | (cpu.efer & EFER_TRANSLATION)
    if cpu.nested_paging:
        mode = mode | 2 | ((cpu.host_efer & EFER_TRANSLATION) << 12) | (cpu.host_cr4 & 0x30)
    return mode


def find_translations(cpu, asid):
    """Give the guest the tags it left with, or new ones where TLB_CONTROL or a changed state says so (15.16)."""
    control = cpu.physical_read(cpu.vmcb + C_TLB_CONTROL, 1)
    if control == TLB_FLUSH_ALL:
        for other in range(ASIDS):
            cpu.asid_tag_global[other] = 0
        cpu.host_asid = 0
    cpu.tlb_salt = SALTS[asid]
    cpu.asid = cpu.asid_tag[asid]
    cpu.asid_global = cpu.asid_tag_global[asid]
    cpu.tlb_large = cpu.asid_large[asid]
    cpu.tlb_huge = cpu.asid_huge[asid]
    if cpu.asid_mode[asid] != cpu.translation_mode() or (cpu.nested_paging and cpu.asid_nested_cr3[asid] != cpu.nested_cr3):  # check: V9
        cpu.asid_global = 0
    if cpu.asid_global == 0 or control == TLB_FLUSH_GUEST:
        cpu.flush_tags()
    elif cpu.asid_cr3[asid] != cpu.cr3 or control == TLB_FLUSH_LOCAL:
        cpu.asid = cpu.fresh_tag()
        if cpu.cr4 & CR4_PCIDE:
            cpu.pcid_asid[cpu.cr3 & 0xFFF] = cpu.asid


def leave_guest(cpu):
    """#VMEXIT for the reason that note_exit() was given (15.6)."""
    asid = cpu.vm_asid
    cpu.asid_tag[asid] = cpu.asid
    cpu.asid_tag_global[asid] = cpu.asid_global
    cpu.asid_large[asid] = cpu.tlb_large
    cpu.asid_huge[asid] = cpu.tlb_huge
    cpu.asid_cr3[asid] = cpu.cr3
    cpu.asid_nested_cr3[asid] = cpu.nested_cr3
    cpu.asid_mode[asid] = cpu.translation_mode()
    cpu.save_guest()
    cpu.save_exit()
    cpu.load_host()


def save_guest(cpu):
    """The guest's registers and what of its control area the processor changes."""
    for seg in range(4):
        cpu.save_vmcb_segment(seg, cpu.vmcb + S_SEGMENTS + 16 * seg)
    cpu.physical_write(cpu.vmcb + S_GDTR + 4, 4, cpu.gdtr_limit)
    cpu.vmcb_write(S_GDTR + 8, cpu.gdtr_base)
    cpu.physical_write(cpu.vmcb + S_IDTR + 4, 4, cpu.idtr_limit)
    cpu.vmcb_write(S_IDTR + 8, cpu.idtr_base)
    cpu.vmcb_write(S_CR0, cpu.cr0)
    cpu.vmcb_write(S_CR2, cpu.cr2)
    cpu.vmcb_write(S_CR3, cpu.cr3)
    cpu.vmcb_write(S_CR4, cpu.cr4)
    cpu.vmcb_write(S_EFER, cpu.efer)
    cpu.vmcb_write(S_DR6, cpu.dr[6])
    cpu.vmcb_write(S_DR7, cpu.dr[7])
    if cpu.nested_paging:
        cpu.vmcb_write(S_PAT, cpu.pat)
    cpu.physical_write(cpu.vmcb + S_CPL, 1, cpu.cpl)
    cpu.vmcb_write(S_RFLAGS, cpu.read_flags())
    cpu.vmcb_write(S_RIP, cpu.rip)
    cpu.vmcb_write(S_RSP, cpu.gpr[RSP])
    cpu.vmcb_write(S_RAX, cpu.gpr[RAX])
    cpu.vmcb_write(C_V_INTR, cpu.v_intr)
    cpu.vmcb_write(C_SHADOW, cpu.in_shadow & 1)
    cpu.vmcb_write(C_INJECT, cpu.vmcb_read(C_INJECT) & ~EVENT_VALID)


def save_exit(cpu):
    """Why, in the control area."""
    code = cpu.exit_code
    slot = code if code < 0xF0 else (0xFE if code == EXIT_NPF else 0xFF)
    cpu.vm_exits[slot] = cpu.vm_exits[slot] + 1
    cpu.vmcb_write(C_EXIT_CODE, code)
    cpu.vmcb_write(C_EXIT_INFO1, cpu.exit_info1)
    cpu.vmcb_write(C_EXIT_INFO2, cpu.exit_info2)
    cpu.vmcb_write(C_EXIT_INTERRUPTED, cpu.event)
    cpu.vmcb_write(C_NEXT_RIP, cpu.exit_next_rip)
    cpu.physical_write(cpu.vmcb + C_BYTES, 1, 0)
    if (code == EXIT_NPF or code == EXIT_EXCEPTION + PF_VECTOR) and cpu.exit_info1 & ACCESS_FETCH == 0:
        cpu.save_instruction_bytes(cpu.vmcb + C_BYTES)


def interrupt_open(cpu):
    """1 when a physical interrupt may be taken: in a guest with V_INTR_MASKING the host's IF decides (15.21.1)."""
    flags = cpu.host_rflags if cpu.v_intr & V_INTR_MASKING else cpu.flags
    return 1 if cpu.gif and flags & IF else 0


def interrupt_due(cpu):
    """Which interrupt is taken now, as DUE_*; an intercepted one leaves the guest and stays pending (15.13).

    DUE_INTERRUPT's vector is still to be fetched from the controller; DUE_VIRTUAL's is in the VMCB.
    """
    if cpu.injected:
        cpu.halted = 0
        return DUE_INJECTED
    if cpu.gif == 0:  # check: V15
        return DUE_NONE
    if cpu.nmi_pending and cpu.nmi_blocked == 0:
        if cpu.leave_for(EXIT_NMI):
            return DUE_LEFT
        cpu.nmi_pending = 0
        cpu.nmi_blocked = 1
        cpu.halted = 0
        return DUE_NMI
    if cpu.interrupt_line and cpu.interrupt_open():
        if cpu.leave_for(EXIT_INTR):
            return DUE_LEFT
        return DUE_INTERRUPT
    if cpu.v_intr & V_IRQ and cpu.flags & IF:
        if cpu.v_intr & V_IGN_TPR or (cpu.v_intr >> 16) & 15 > cpu.v_intr & 15:
            if cpu.leave_for(EXIT_VINTR):
                return DUE_LEFT
            cpu.v_intr = cpu.v_intr & ~V_IRQ & MASK64
            cpu.halted = 0
            return DUE_VIRTUAL
    return DUE_NONE


def leave_for(cpu, code):
    """Leave the guest for an intercepted interrupt; 1 when it has been left, else 0."""
    if (cpu.vm_intercepts >> (code - EXIT_INTR)) & 1 == 0:
        return 0
    cpu.note_exit(code, 0, 0)
    cpu.in_shadow = 0
    cpu.leave_guest()
    return 1


def invalidate_in(cpu, la, asid):
    """INVLPGA: drop the translation of one page of the guest `asid` (0: the host), global or not."""
    if asid == cpu.vm_asid:
        if cpu.is_canonical(la):
            cpu.invalidate_page_of(la)
    elif asid == 0:
        cpu.host_asid = 0
    elif asid < ASIDS:
        if (cpu.asid_large[asid] >> ((la >> 21) & 63)) & 1 or (cpu.asid_huge[asid] >> ((la >> 30) & 63)) & 1:
            cpu.asid_tag_global[asid] = 0
            return
        index = ((la >> 12) ^ SALTS[asid]) & 4095
        if (cpu.tlb_tag[index] ^ la) >> 12 == 0:
            cpu.tlb_tag[index] = 0
        cpu.evict(la)
