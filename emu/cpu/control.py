"""Control registers, debug registers, EFER, and who may use I/O ports (APM vol. 2, chapter 3, 12.2.4, 13.1)."""

from emu.isa.exits import INFO_MOV_CR
from emu.isa.language import (
    ATTR_L,
    CR0_CD,
    CR0_EM,
    CR0_NW,
    CR0_PE,
    CR0_PG,
    CR0_TS,
    CR0_WP,
    CR4_DE,
    CR4_FSGSBASE,
    CR4_MCE,
    CR4_OSFXSR,
    CR4_OSXMMEXCPT,
    CR4_OSXSAVE,
    CR4_PAE,
    CR4_PCE,
    CR4_PCIDE,
    CR4_PGE,
    CR4_PSE,
    CR4_SMAP,
    CR4_SMEP,
    CR4_TSD,
    CR4_UMIP,
    CS,
    DB,
    EFER_LMA,
    EFER_LME,
    EFER_NXE,
    EFER_SCE,
    EFER_SVME,
    GP,
    IF,
    IOPL,
    MASK32,
    MASK64,
    TR,
    UD,
    VM,
    Fault,
)

CR0_BITS = 0xE005003F
CR0_ALWAYS = 0x10               # ET
CR4_BITS = (CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT
            | CR4_UMIP | CR4_FSGSBASE | CR4_PCIDE | CR4_OSXSAVE | CR4_SMEP | CR4_SMAP)
EFER_BITS = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE | EFER_SVME
CR3_RESERVED = 0x7FFFFF0000000000       # bits 62..40; 63 too without PCIDs

VM_CR_LOCK, VM_CR_SVMDIS = 8, 16
V_INTR_MASKING = 1 << 24        # of the VMCB's quadword at 60h

DR6_BITS, DR6_ALWAYS = 0xE00F, 0xFFFF0FF0
DR7_BITS, DR7_ALWAYS = 0xFFFF23FF, 0x400
DR6_BD, DR7_GD = 0x2000, 0x2000

FPU_X87_NM, FPU_SSE_UD, FPU_SSE_NM = 1, 2, 4


def require_ring0(cpu):
    """#GP(0) unless CPL is 0."""
    if cpu.cpl != 0:
        raise Fault(GP, 0)


def require_protected(cpu):
    """#UD in real and virtual-8086 mode."""
    if cpu.cr0 & CR0_PE == 0 or cpu.flags & VM:
        raise Fault(UD, 0)


def require_umip(cpu):
    """#GP(0) when CR4.UMIP keeps SGDT, SIDT, SLDT, STR and SMSW from user code (SDM vol. 3, 2.5)."""
    if cpu.cr4 & CR4_UMIP and cpu.cpl != 0:
        raise Fault(GP, 0)


def require_iopl(cpu):
    """#GP(0) unless CPL is as privileged as IOPL (CLI, STI)."""
    if cpu.cpl > (cpu.flags & IOPL) >> 12:
        raise Fault(GP, 0)


def update_fpu_blocked(cpu):
    """Recompute `fpu_blocked` after a change of CR0.EM, CR0.TS or CR4.OSFXSR (APM vol. 2, 11.3)."""
    blocked = 0
    if cpu.cr0 & (CR0_EM | CR0_TS):
        blocked = blocked | FPU_X87_NM
    if cpu.cr0 & CR0_EM or cpu.cr4 & CR4_OSFXSR == 0:
        blocked = blocked | FPU_SSE_UD
    if cpu.cr0 & CR0_TS:
        blocked = blocked | FPU_SSE_NM
    cpu.fpu_blocked = blocked


def read_control(cpu, number, gpr):
    """MOV from CR0, 2, 3, 4, 8 to general register `gpr`; #UD for the others."""
    cpu.require_control(number)
    cpu.intercept_control_read(number, INFO_MOV_CR | gpr)
    if number == 0:
        return cpu.cr0
    if number == 2:
        return cpu.cr2
    if number == 3:
        return cpu.cr3
    if number == 4:
        return cpu.cr4
    if cpu.v_intr & V_INTR_MASKING:
        return cpu.v_intr & 15
    return cpu.bus_tpr_read()


def require_control(cpu, number):
    """#UD unless there is a control register `number`, #GP(0) unless CPL is 0."""
    if number != 0 and number != 2 and number != 3 and number != 4 and number != 8:
        raise Fault(UD, 0)
    cpu.require_ring0()


def write_control(cpu, number, value, gpr):
    """MOV from general register `gpr` to CR0, 2, 3, 4, 8, with every check of reserved bits and combinations; #UD #GP."""
    cpu.require_control(number)
    info = INFO_MOV_CR | gpr
    if number == 0:
        cpu.check_cr0(value)
        cpu.intercept_cr0_write((value & CR0_BITS) | CR0_ALWAYS, info)
        cpu.write_cr0(value)
    elif number == 2:
        cpu.intercept_control_write(2, info)
        cpu.cr2 = value
    elif number == 3:
        cpu.check_cr3(value)
        cpu.intercept_control_write(3, info)
        cpu.load_cr3(value)
    elif number == 4:
        cpu.check_cr4(value)
        cpu.intercept_control_write(4, info)
        cpu.write_cr4(value)
    else:
        if value > 15:
            raise Fault(GP, 0)
        cpu.intercept_control_write(8, info)
        # A guest's own task priority, which only its virtual interrupts are measured with (15.21.2).
        if cpu.v_intr & V_INTR_MASKING:
            cpu.v_intr = (cpu.v_intr & ~0xFF & MASK64) | value
        else:
            cpu.bus_tpr_write(value)


def check_cr0(cpu, value):
    """#GP(0) for a CR0 that cannot be (APM vol. 2, 3.1.1, 14.6)."""
    if value > MASK32:
        raise Fault(GP, 0)
    if value & CR0_PG and value & CR0_PE == 0:
        raise Fault(GP, 0)
    if value & CR0_NW and value & CR0_CD == 0:
        raise Fault(GP, 0)
    if (cpu.cr0 ^ value) & CR0_PG:
        if value & CR0_PG:
            if cpu.efer & EFER_LME and (cpu.cr4 & CR4_PAE == 0 or cpu.seg_attr[CS] & ATTR_L):
                raise Fault(GP, 0)
        elif cpu.cr4 & CR4_PCIDE or cpu.code_size == 64:
            raise Fault(GP, 0)


def write_cr0(cpu, value):
    """CR0, checked: PG with EFER.LME turns long mode on and off."""
    value = (value & CR0_BITS) | CR0_ALWAYS
    changed = cpu.cr0 ^ value
    cpu.cr0 = value
    if changed & CR0_PG:
        cpu.efer = cpu.efer & ~EFER_LMA
        if value & CR0_PG and cpu.efer & EFER_LME:
            cpu.efer = cpu.efer | EFER_LMA
    if changed & (CR0_PG | CR0_PE | CR0_WP):
        cpu.flush_tlb()
    cpu.settle_mode()


def check_cr3(cpu, value):
    """#GP(0) for a CR3 of more than 40 bits (APM vol. 2, 5.5.1)."""
    reserved = CR3_RESERVED
    if cpu.cr4 & CR4_PCIDE == 0:
        reserved = reserved | (1 << 63)
    if value & reserved:
        raise Fault(GP, 0)


def check_cr4(cpu, value):
    """#GP(0) for a CR4 bit this machine has not, and for PAE and PCIDE at the wrong time (APM vol. 2, 3.1.3)."""
    if value & ~CR4_BITS & MASK64:
        raise Fault(GP, 0)
    changed = cpu.cr4 ^ value
    if cpu.efer & EFER_LMA and value & CR4_PAE == 0:
        raise Fault(GP, 0)
    if changed & value & CR4_PCIDE and (cpu.efer & EFER_LMA == 0 or cpu.cr3 & 0xFFF):
        raise Fault(GP, 0)


def write_cr4(cpu, value):
    """CR4, checked."""
    changed = cpu.cr4 ^ value
    cpu.cr4 = value
    if changed & (CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCIDE | CR4_SMEP | CR4_SMAP):
        cpu.flush_tlb()
    cpu.update_mode()


def write_efer(cpu, value):
    """EFER (APM vol. 2, 3.1.7): LMA is read-only, LME fixed while paging is on, VM_CR may forbid SVME; #GP(0)."""
    if value & ~EFER_BITS & MASK64 or (value & EFER_SVME and cpu.vm_cr & VM_CR_SVMDIS):
        raise Fault(GP, 0)
    value = (value & ~EFER_LMA) | (cpu.efer & EFER_LMA)
    changed = cpu.efer ^ value
    if changed & EFER_LME and cpu.cr0 & CR0_PG:
        raise Fault(GP, 0)
    cpu.efer = value
    if changed & EFER_NXE:
        cpu.flush_tlb()


def debug_number(cpu, number):
    """Which debug register `number` means: 4 and 5 are 6 and 7 unless CR4.DE; #UD, #GP(0), #DB for DR7.GD."""
    if number > 7 or ((number == 4 or number == 5) and cpu.cr4 & CR4_DE):
        raise Fault(UD, 0)
    cpu.require_ring0()
    if cpu.dr[7] & DR7_GD:
        cpu.dr[6] = cpu.dr[6] | DR6_BD
        raise Fault(DB, 0)
    return number | 2 if number & 4 else number


def read_debug(cpu, number, gpr):
    """MOV from DRn to general register `gpr` (APM vol. 2, 13.1.1)."""
    encoded = number
    number = cpu.debug_number(number)
    cpu.intercept_debug(encoded, gpr)
    if number == 6:
        return (cpu.dr[6] & DR6_BITS) | DR6_ALWAYS
    if number == 7:
        return (cpu.dr[7] & DR7_BITS) | DR7_ALWAYS
    return cpu.dr[number]


def write_debug(cpu, number, value, gpr):
    """MOV from general register `gpr` to DRn; #GP(0) for bits above 31 of DR6 and DR7."""
    encoded = number
    number = cpu.debug_number(number)
    if number >= 6 and value > MASK32:
        raise Fault(GP, 0)
    cpu.intercept_debug(16 + encoded, gpr)
    if number >= 6:
        if number == 6:
            value = (value & DR6_BITS) | DR6_ALWAYS
        else:
            value = (value & DR7_BITS) | DR7_ALWAYS
    cpu.set_debug_register(number, value)


def require_port(cpu, port, size):
    """#GP(0) unless IOPL or the task state's I/O permission bitmap allows `size` bytes at `port` (APM 12.2.4)."""
    if cpu.cpl <= (cpu.flags & IOPL) >> 12:
        return
    limit = cpu.seg_limit[TR]
    if cpu.seg_attr[TR] & 0x9F != 0x8B or limit < 0x67:
        raise Fault(GP, 0)
    base = cpu.read_system(cpu.wrap_linear(cpu.seg_base[TR] + 0x66), 16)
    offset = base + (port >> 3)
    if offset + 1 > limit:
        raise Fault(GP, 0)
    bits = cpu.read_system(cpu.wrap_linear(cpu.seg_base[TR] + offset), 16)
    if (bits >> (port & 7)) & ((1 << size) - 1):
        raise Fault(GP, 0)


def set_interrupts(cpu):
    """STI: interrupts are taken only after the next instruction, if they were not before (APM vol. 3, STI)."""
    cpu.require_iopl()
    if cpu.flags & IF == 0:
        cpu.flags = cpu.flags | IF
        cpu.interrupt_shadow = 1
