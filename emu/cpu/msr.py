"""Model-specific registers: what RDMSR and WRMSR find behind each number (APM vol. 2, appendix A).

An unknown number is #GP(0). Those of the interrupt controller (APIC base, x2APIC, TSC deadline) are asked of the bus.
"""

from emu.cpu.control import VM_CR_LOCK, VM_CR_SVMDIS
from emu.isa.language import EFER_SVME, FS, GP, GS, MASK32, MASK64, Fault

MSR_TSC, MSR_APIC_BASE, MSR_PATCH_LEVEL, MSR_MTRRCAP = 0x10, 0x1B, 0x8B, 0xFE
MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP = 0x174, 0x175, 0x176
MSR_MCG_CAP, MSR_MCG_STATUS, MSR_MISC_ENABLE = 0x179, 0x17A, 0x1A0
MSR_MTRR_PHYS, MSR_MTRR_64K, MSR_MTRR_16K, MSR_MTRR_4K = 0x200, 0x250, 0x258, 0x268
MSR_PAT, MSR_MTRR_DEF_TYPE, MSR_TSC_DEADLINE = 0x277, 0x2FF, 0x6E0
MSR_EFER, MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SFMASK = 0xC0000080, 0xC0000081, 0xC0000082, 0xC0000083, 0xC0000084
MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE, MSR_TSC_AUX = 0xC0000100, 0xC0000101, 0xC0000102, 0xC0000103
MSR_SYSCFG, MSR_HWCR, MSR_VM_CR, MSR_VM_HSAVE_PA = 0xC0010010, 0xC0010015, 0xC0010114, 0xC0010117

# Eight variable ranges, the fixed ranges, write combining (APM vol. 2, 7.7).
MTRRCAP = 0x508
# Slots of `misc_msr`, and of `mtrr`: 0 to 15 the variable ranges, then the eleven fixed ones.
MISC_MCG_STATUS, MISC_ENABLE, MISC_SYSCFG, MISC_HWCR = 0, 1, 2, 3
MTRR_FIXED = 16
PHYSICAL_BITS = 0xFFFFFFFFFF

# Memory types as a set of bits: UC WC WT WP WB, and UC- for the PAT.
MTRR_TYPES, PAT_TYPES = 0x73, 0xF3


def mtrr_slot(cpu, index):
    """Where `mtrr` keeps the range register `index`, or 99 when it is none."""
    if index >= MSR_MTRR_PHYS and index < MSR_MTRR_PHYS + 16:
        return index - MSR_MTRR_PHYS
    if index == MSR_MTRR_64K:
        return MTRR_FIXED
    if index == MSR_MTRR_16K or index == MSR_MTRR_16K + 1:
        return MTRR_FIXED + 1 + index - MSR_MTRR_16K
    if index >= MSR_MTRR_4K and index < MSR_MTRR_4K + 8:
        return MTRR_FIXED + 3 + index - MSR_MTRR_4K
    return 99


def read_msr(cpu, index):
    """RDMSR: the 64 bits of register `index`; #GP(0)."""
    cpu.require_ring0()
    cpu.intercept_msr(index, 0)
    if index >= 0xC0000000:
        return cpu.read_msr_extended(index)
    slot = cpu.mtrr_slot(index)
    if slot != 99:
        return cpu.mtrr[slot]
    if index == MSR_TSC:
        return cpu.now()
    if index == MSR_SYSENTER_CS:
        return cpu.sysenter_cs
    if index == MSR_SYSENTER_ESP:
        return cpu.sysenter_esp
    if index == MSR_SYSENTER_EIP:
        return cpu.sysenter_eip
    if index == MSR_PAT:
        return cpu.pat
    if index == MSR_MTRRCAP:
        return MTRRCAP
    if index == MSR_MTRR_DEF_TYPE:
        return cpu.mtrr_def_type
    if index == MSR_MCG_STATUS:
        return cpu.misc_msr[MISC_MCG_STATUS]
    if index == MSR_MISC_ENABLE:
        return cpu.misc_msr[MISC_ENABLE]
    if index == MSR_MCG_CAP or index == MSR_PATCH_LEVEL:
        return 0
    if cpu.bus_msr_known(index) == 0:
        raise Fault(GP, 0)
    return cpu.bus_msr_read(index)


def read_msr_extended(cpu, index):
    """The registers that came with AMD64, from 0xC0000080 on."""
    if index == MSR_EFER:
        return cpu.efer
    if index == MSR_STAR:
        return cpu.star
    if index == MSR_LSTAR:
        return cpu.lstar
    if index == MSR_CSTAR:
        return cpu.cstar
    if index == MSR_SFMASK:
        return cpu.sfmask
    if index == MSR_FS_BASE:
        return cpu.seg_base[FS]
    if index == MSR_GS_BASE:
        return cpu.seg_base[GS]
    if index == MSR_KERNEL_GS_BASE:
        return cpu.kernel_gs_base
    if index == MSR_TSC_AUX:
        return cpu.tsc_aux
    if index == MSR_SYSCFG:
        return cpu.misc_msr[MISC_SYSCFG]
    if index == MSR_HWCR:
        return cpu.misc_msr[MISC_HWCR]
    if index == MSR_VM_CR:
        return cpu.vm_cr
    if index == MSR_VM_HSAVE_PA:
        return cpu.vm_hsave_pa
    raise Fault(GP, 0)


def require_canonical(cpu, value):
    """#GP(0) unless `value` is a canonical address."""
    if cpu.is_canonical(value) == 0:
        raise Fault(GP, 0)


def memory_types_known(cpu, value, types):
    """1 when each of the eight bytes of `value` is a memory type in the set `types`, else 0."""
    for k in range(8):
        kind = (value >> (8 * k)) & 0xFF
        if kind > 7 or (types >> kind) & 1 == 0:
            return 0
    return 1


def require_memory_types(cpu, value, types):
    """#GP(0) unless each of the eight bytes of `value` is a memory type in the set `types`."""
    if cpu.memory_types_known(value, types) == 0:
        raise Fault(GP, 0)


def require_only(cpu, value, bits):
    """#GP(0) if `value` has a bit outside of `bits`."""
    if value & ~bits & MASK64:
        raise Fault(GP, 0)


def write_mtrr(cpu, slot, value):
    """A range register; #GP(0) for reserved bits and types (APM vol. 2, 7.7.2)."""
    if slot >= MTRR_FIXED:
        cpu.require_memory_types(value, MTRR_TYPES)
    elif slot & 1:
        cpu.require_only(value, PHYSICAL_BITS & ~0x7FF)
    else:
        cpu.require_only(value, (PHYSICAL_BITS & ~0xFFF) | 7)
        if (MTRR_TYPES >> (value & 7)) & 1 == 0:
            raise Fault(GP, 0)
    cpu.mtrr[slot] = value


def write_msr(cpu, index, value):
    """WRMSR: set register `index` to the 64 bits of `value`; #GP(0)."""
    cpu.require_ring0()
    cpu.intercept_msr(index, 1)
    if index >= 0xC0000000:
        cpu.write_msr_extended(index, value)
        return
    slot = cpu.mtrr_slot(index)
    if slot != 99:
        cpu.write_mtrr(slot, value)
    elif index == MSR_TSC:
        cpu.tsc_offset = (cpu.tsc_offset + value - cpu.now()) & MASK64
    elif index == MSR_SYSENTER_CS:
        cpu.sysenter_cs = value & 0xFFFF
    elif index == MSR_SYSENTER_ESP:
        cpu.require_canonical(value)
        cpu.sysenter_esp = value
    elif index == MSR_SYSENTER_EIP:
        cpu.require_canonical(value)
        cpu.sysenter_eip = value
    elif index == MSR_PAT:
        cpu.require_memory_types(value, PAT_TYPES)
        cpu.pat = value
    elif index == MSR_MTRR_DEF_TYPE:
        cpu.require_only(value, 0xC07)
        if (MTRR_TYPES >> (value & 7)) & 1 == 0:
            raise Fault(GP, 0)
        cpu.mtrr_def_type = value
    elif index == MSR_MCG_STATUS:
        cpu.require_only(value, 7)
        cpu.misc_msr[MISC_MCG_STATUS] = value
    elif index == MSR_MISC_ENABLE:
        cpu.misc_msr[MISC_ENABLE] = value
    elif index == MSR_PATCH_LEVEL:
        return
    elif cpu.bus_msr_write(index, value) == 0:
        raise Fault(GP, 0)


def write_msr_extended(cpu, index, value):
    """The registers that came with AMD64, from 0xC0000080 on."""
    if index == MSR_EFER:
        cpu.write_efer(value)
    elif index == MSR_STAR:
        cpu.star = value
    elif index == MSR_LSTAR:
        cpu.require_canonical(value)
        cpu.lstar = value
    elif index == MSR_CSTAR:
        cpu.require_canonical(value)
        cpu.cstar = value
    elif index == MSR_SFMASK:
        cpu.sfmask = value & MASK32
    elif index == MSR_FS_BASE:
        cpu.require_canonical(value)
        cpu.seg_base[FS] = value
    elif index == MSR_GS_BASE:
        cpu.require_canonical(value)
        cpu.seg_base[GS] = value
    elif index == MSR_KERNEL_GS_BASE:
        cpu.require_canonical(value)
        cpu.kernel_gs_base = value
    elif index == MSR_TSC_AUX:
        cpu.require_only(value, MASK32)
        cpu.tsc_aux = value
    elif index == MSR_SYSCFG:
        cpu.misc_msr[MISC_SYSCFG] = value
    elif index == MSR_HWCR:
        cpu.misc_msr[MISC_HWCR] = value
    elif index == MSR_VM_CR:
        cpu.write_vm_cr(value)
    elif index == MSR_VM_HSAVE_PA:
        cpu.require_only(value, PHYSICAL_BITS & ~0xFFF)
        cpu.vm_hsave_pa = value
    else:
        raise Fault(GP, 0)


def write_vm_cr(cpu, value):
    """VM_CR (APM vol. 2, 15.30.1): once LOCK is set, it and SVMDIS stay; #GP(0) for SVMDIS while EFER.SVME is on."""
    cpu.require_only(value, 0x1F)
    if cpu.vm_cr & VM_CR_LOCK:
        value = (value & ~(VM_CR_LOCK | VM_CR_SVMDIS)) | (cpu.vm_cr & (VM_CR_LOCK | VM_CR_SVMDIS))
    if value & VM_CR_SVMDIS and cpu.efer & EFER_SVME:
        raise Fault(GP, 0)
    cpu.vm_cr = value
