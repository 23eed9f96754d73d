"""The virtual machine control block: where its fields are, and registers to and from it (APM vol. 2, appendix B).

It is read and written by physical address, past the TLB and nested paging. Clean bits are not looked at: VMRUN loads it
whole, which the manual allows (15.15).
"""

from emu.cpu.control import CR4_BITS, EFER_BITS
from emu.cpu.msr import PAT_TYPES
from emu.cpu.state import ASIDS
from emu.isa.exits import EXIT_INTR, EXIT_VMRUN
from emu.isa.language import (
    ATTR_DB,
    ATTR_L,
    CR0_CD,
    CR0_NW,
    CR0_PE,
    CR0_PG,
    CR4_PAE,
    CS,
    EFER_LME,
    EFER_SVME,
    FS,
    GS,
    LDTR,
    MASK32,
    MASK64,
    TR,
    VM,
)

PHYSICAL_MAX = 0xFFFFFFFFFF     # 40 bits of physical address

# EVENTINJ and EXITINTINFO: vector, type, and in the upper half the error code (15.20).
EVENT_INTERRUPT, EVENT_NMI, EVENT_EXCEPTION, EVENT_SOFTWARE = 0, 2, 3, 4
EVENT_ERROR, EVENT_VALID = 1 << 11, 1 << 31

# The control area.
C_INTERCEPT_CR, C_INTERCEPT_DR, C_INTERCEPT_EXCEPTIONS, C_INTERCEPTS, C_INTERCEPTS_MORE = 0x00, 0x04, 0x08, 0x0C, 0x14
C_PAUSE_THRESHOLD, C_PAUSE_FILTER, C_IOPM, C_MSRPM, C_TSC_OFFSET, C_ASID, C_TLB_CONTROL = 0x3C, 0x3E, 0x40, 0x48, 0x50, 0x58, 0x5C
C_V_INTR, C_SHADOW, C_EXIT_CODE, C_EXIT_INFO1, C_EXIT_INFO2, C_EXIT_INTERRUPTED = 0x60, 0x68, 0x70, 0x78, 0x80, 0x88
C_NESTED, C_INJECT, C_NESTED_CR3, C_NEXT_RIP, C_BYTES = 0x90, 0xA8, 0xB0, 0xC8, 0xD0

# The state save area: segments in the machine's order from 400h but for the system ones.
S_SEGMENTS, S_GDTR, S_LDTR, S_IDTR, S_TR = 0x400, 0x460, 0x470, 0x480, 0x490
S_CPL, S_EFER, S_CR4, S_CR3, S_CR0, S_DR7, S_DR6, S_RFLAGS, S_RIP = 0x4CB, 0x4D0, 0x548, 0x550, 0x558, 0x560, 0x568, 0x570, 0x578
S_RSP, S_RAX, S_STAR, S_LSTAR, S_CSTAR, S_SFMASK, S_KERNEL_GS_BASE = 0x5D8, 0x5F8, 0x600, 0x608, 0x610, 0x618, 0x620
S_SYSENTER_CS, S_SYSENTER_ESP, S_SYSENTER_EIP, S_CR2, S_PAT = 0x628, 0x630, 0x638, 0x640, 0x668


def vmcb_read(cpu, field):
    """A field of 64 bits of the running guest's VMCB."""
    return cpu.physical_read(cpu.vmcb + field, 8)


def vmcb_write(cpu, field, value):
    """Store a field of 64 bits."""
    cpu.physical_write(cpu.vmcb + field, 8, value)


def canonical_form(cpu, la):
    """`la` with bits 63..48 equal to bit 47, as VMRUN and VMLOAD make segment bases (15.5.1)."""
    return la | 0xFFFF000000000000 if la & (1 << 47) else la & 0x0000FFFFFFFFFFFF


def load_vmcb_segment(cpu, seg, at):
    """Segment register `seg` from the 16 bytes at physical address `at`: selector, attributes, limit, base."""
    cpu.seg_sel[seg] = cpu.physical_read(at, 2)
    cpu.seg_attr[seg] = cpu.physical_read(at + 2, 2) & 0xFFF
    cpu.seg_limit[seg] = cpu.physical_read(at + 4, 4)
    cpu.seg_base[seg] = cpu.canonical_form(cpu.physical_read(at + 8, 8))


def save_vmcb_segment(cpu, seg, at):
    """Segment register `seg` to the 16 bytes at physical address `at`."""
    cpu.physical_write(at, 2, cpu.seg_sel[seg])
    cpu.physical_write(at + 2, 2, cpu.seg_attr[seg])
    cpu.physical_write(at + 4, 4, cpu.seg_limit[seg])
    cpu.physical_write(at + 8, 8, cpu.seg_base[seg])


def load_more(cpu, vmcb):
    """VMLOAD: the state that VMRUN leaves alone (APM vol. 3, VMLOAD)."""
    cpu.load_vmcb_segment(FS, vmcb + S_SEGMENTS + 16 * FS)
    cpu.load_vmcb_segment(GS, vmcb + S_SEGMENTS + 16 * GS)
    cpu.load_vmcb_segment(LDTR, vmcb + S_LDTR)
    cpu.load_vmcb_segment(TR, vmcb + S_TR)
    cpu.kernel_gs_base = cpu.canonical_form(cpu.physical_read(vmcb + S_KERNEL_GS_BASE, 8))
    cpu.star = cpu.physical_read(vmcb + S_STAR, 8)
    cpu.lstar = cpu.canonical_form(cpu.physical_read(vmcb + S_LSTAR, 8))
    cpu.cstar = cpu.canonical_form(cpu.physical_read(vmcb + S_CSTAR, 8))
    cpu.sfmask = cpu.physical_read(vmcb + S_SFMASK, 4)
    cpu.sysenter_cs = cpu.physical_read(vmcb + S_SYSENTER_CS, 2)
    cpu.sysenter_esp = cpu.canonical_form(cpu.physical_read(vmcb + S_SYSENTER_ESP, 8))
    cpu.sysenter_eip = cpu.canonical_form(cpu.physical_read(vmcb + S_SYSENTER_EIP, 8))


def save_more(cpu, vmcb):
    """VMSAVE: what VMLOAD loads."""
    cpu.save_vmcb_segment(FS, vmcb + S_SEGMENTS + 16 * FS)
    cpu.save_vmcb_segment(GS, vmcb + S_SEGMENTS + 16 * GS)
    cpu.save_vmcb_segment(LDTR, vmcb + S_LDTR)
    cpu.save_vmcb_segment(TR, vmcb + S_TR)
    cpu.physical_write(vmcb + S_KERNEL_GS_BASE, 8, cpu.kernel_gs_base)
    cpu.physical_write(vmcb + S_STAR, 8, cpu.star)
    cpu.physical_write(vmcb + S_LSTAR, 8, cpu.lstar)
    cpu.physical_write(vmcb + S_CSTAR, 8, cpu.cstar)
    cpu.physical_write(vmcb + S_SFMASK, 8, cpu.sfmask)
    cpu.physical_write(vmcb + S_SYSENTER_CS, 8, cpu.sysenter_cs)
    cpu.physical_write(vmcb + S_SYSENTER_ESP, 8, cpu.sysenter_esp)
    cpu.physical_write(vmcb + S_SYSENTER_EIP, 8, cpu.sysenter_eip)


def guest_is_invalid(cpu, vmcb):
    """1 when VMRUN must refuse this VMCB with VMEXIT_INVALID (APM vol. 2, 15.5.1, 15.16, 15.20, 15.25), else 0."""
    cr0 = cpu.physical_read(vmcb + S_CR0, 8)
    cr4 = cpu.physical_read(vmcb + S_CR4, 8)
    efer = cpu.physical_read(vmcb + S_EFER, 8)
    if efer & EFER_SVME == 0 or efer & ~EFER_BITS & MASK64 or cr4 & ~CR4_BITS & MASK64:
        return 1
    if cr0 > MASK32 or cr0 & (CR0_NW | CR0_CD) == CR0_NW or cpu.physical_read(vmcb + S_CR3, 8) > PHYSICAL_MAX:
        return 1
    if cpu.physical_read(vmcb + S_DR6, 8) > MASK32 or cpu.physical_read(vmcb + S_DR7, 8) > MASK32:
        return 1
    if cpu.physical_read(vmcb + S_RFLAGS, 8) & VM:
        return 1
    if efer & EFER_LME and cr0 & CR0_PG:
        attr = cpu.physical_read(vmcb + S_SEGMENTS + 16 * CS + 2, 2)
        if cr4 & CR4_PAE == 0 or cr0 & CR0_PE == 0 or attr & (ATTR_L | ATTR_DB) == ATTR_L | ATTR_DB:
            return 1
    if (cpu.physical_read(vmcb + C_INTERCEPTS, 8) >> (EXIT_VMRUN - EXIT_INTR)) & 1 == 0:
        return 1
    if (cpu.physical_read(vmcb + C_IOPM, 8) & ~0xFFF & MASK64) + 0x2FFF > PHYSICAL_MAX:
        return 1
    if (cpu.physical_read(vmcb + C_MSRPM, 8) & ~0xFFF & MASK64) + 0x1FFF > PHYSICAL_MAX:
        return 1
    asid = cpu.physical_read(vmcb + C_ASID, 4)
    if asid == 0 or asid >= ASIDS:
        return 1
    if cpu.physical_read(vmcb + C_NESTED, 8) & 1:
        if cpu.cr0 & CR0_PG == 0 or cpu.physical_read(vmcb + C_NESTED_CR3, 8) > PHYSICAL_MAX:
            return 1
        if cpu.memory_types_known(cpu.physical_read(vmcb + S_PAT, 8), PAT_TYPES) == 0:
            return 1
    return cpu.injection_is_invalid(cpu.physical_read(vmcb + C_INJECT, 8))


def injection_is_invalid(cpu, event):
    """1 for an EVENTINJ with a reserved type, or an exception that is none (15.20), else 0."""
    if event & EVENT_VALID == 0:
        return 0
    kind = (event >> 8) & 7
    if kind == EVENT_EXCEPTION:
        return 1 if event & 0xFF > 31 or event & 0xFF == 2 else 0
    return 0 if kind == EVENT_INTERRUPT or kind == EVENT_NMI or kind == EVENT_SOFTWARE else 1
