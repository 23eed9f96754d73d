"""System instructions: tables, control registers, interrupts, ports, and what the processor tells of itself.

APM vol. 3, chapter 4. What they share is in `emu/cpu`: control, interrupts, transfers, msr, cpuid.
"""

from emu.isa.exits import (
    EXIT_CPUID,
    EXIT_CR0_SELECTIVE,
    EXIT_GDTR_READ,
    EXIT_GDTR_WRITE,
    EXIT_HLT,
    EXIT_ICEBP,
    EXIT_IDTR_READ,
    EXIT_IDTR_WRITE,
    EXIT_INT,
    EXIT_INVD,
    EXIT_INVLPG,
    EXIT_IRET,
    EXIT_RDPMC,
    EXIT_RDTSC,
    EXIT_RDTSCP,
    EXIT_WBINVD,
    EXIT_XSETBV,
    INTERCEPT_RDTSC,
)
from emu.isa.language import (
    AC,
    ACCESS_WRITE,
    BP,
    CF,
    CR0_EM,
    CR0_MP,
    CR0_PE,
    CR0_TS,
    CR4_FSGSBASE,
    CR4_OSXSAVE,
    CR4_PCE,
    CR4_PCIDE,
    CR4_TSD,
    DB,
    FS,
    GP,
    GS,
    IF,
    MASK32,
    MASK64,
    OF,
    OF_VECTOR,
    RAX,
    RBX,
    RCX,
    RDX,
    UD,
    Fault,
)
from emu.isa.registry import instruction

EVENT_SOFTWARE, EVENT_TRAP = 4, 8       # kinds of events, see emu/cpu/events.py


# Descriptor tables

@instruction("LGDT", "0F 01 /2 mod=mem Ma f64", serialize=True)
def lgdt(cpu, src):
    """GDTR = limit and base at src; 24 bits of base with operand size 16. #GP(0) unless CPL 0 and base canonical."""
    cpu.require_ring0()
    cpu.intercept(EXIT_GDTR_WRITE)
    limit = src.read_at(0, 16)
    if src.width == 64:
        base = src.read_at(2, 64)
        cpu.require_canonical(base)
    else:
        base = src.read_at(2, 32)
        if src.width == 16:
            base = base & 0xFFFFFF
    cpu.gdtr_limit = limit
    cpu.gdtr_base = base


@instruction("LIDT", "0F 01 /3 mod=mem Ma f64", serialize=True)
def lidt(cpu, src):
    """IDTR = limit and base at src, as LGDT."""
    cpu.require_ring0()
    cpu.intercept(EXIT_IDTR_WRITE)
    limit = src.read_at(0, 16)
    if src.width == 64:
        base = src.read_at(2, 64)
        cpu.require_canonical(base)
    else:
        base = src.read_at(2, 32)
        if src.width == 16:
            base = base & 0xFFFFFF
    cpu.idtr_limit = limit
    cpu.idtr_base = base


@instruction("SGDT", "0F 01 /0 mod=mem Ma f64")
def sgdt(cpu, dst):
    """Store GDTR: 2 bytes of limit, 8 (64-bit mode) or 4 of base."""
    cpu.require_umip()
    cpu.intercept(EXIT_GDTR_READ)
    dst.probe(10 if dst.width == 64 else 6, ACCESS_WRITE)
    dst.write_at(0, 16, cpu.gdtr_limit)
    if dst.width == 64:
        dst.write_at(2, 64, cpu.gdtr_base)
    else:
        dst.write_at(2, 32, cpu.gdtr_base & MASK32)


@instruction("SIDT", "0F 01 /1 mod=mem Ma f64")
def sidt(cpu, dst):
    """Store IDTR, as SGDT."""
    cpu.require_umip()
    cpu.intercept(EXIT_IDTR_READ)
    dst.probe(10 if dst.width == 64 else 6, ACCESS_WRITE)
    dst.write_at(0, 16, cpu.idtr_limit)
    if dst.width == 64:
        dst.write_at(2, 64, cpu.idtr_base)
    else:
        dst.write_at(2, 32, cpu.idtr_base & MASK32)


# Control and debug registers

@instruction("MOV", "0F 20 /r Ry,Cd f64")
def mov_from_control(cpu, dst, src):
    """dst = control register. #UD for a number there is not, #GP(0) unless CPL 0."""
    dst.write(dst.wrap(cpu.read_control(src.index, dst.index)))


@instruction("MOV", "0F 22 /r Cd,Ry f64", serialize=True)
def mov_to_control(cpu, dst, src):
    """Control register = src. #UD, #GP(0) as `emu/cpu/control.py` says."""
    cpu.write_control(dst.index, src.read(), src.index)


@instruction("MOV", "0F 21 /r Ry,Dd f64", serialize=True)
def mov_from_debug(cpu, dst, src):
    """dst = debug register. #UD for 4 and 5 with CR4.DE, #GP(0) unless CPL 0, #DB with DR7.GD."""
    dst.write(dst.wrap(cpu.read_debug(src.index, dst.index)))


@instruction("MOV", "0F 23 /r Dd,Ry f64", serialize=True)
def mov_to_debug(cpu, dst, src):
    """Debug register = src."""
    cpu.write_debug(dst.index, src.read(), src.index)


@instruction("SMSW", "0F 01 /4 mod=mem Mw", "0F 01 /4 mod=reg Rv")
def smsw(cpu, dst):
    """dst = CR0: 16 bits to memory, as many as the operand has to a register."""
    cpu.require_umip()
    cpu.intercept_control_read(0, 0)
    dst.write(dst.wrap(cpu.cr0))


@instruction("LMSW", "0F 01 /6 Ew", serialize=True)
def lmsw(cpu, src):
    """MP, EM, TS of CR0 from src, and PE, which it can only set. #GP(0) unless CPL 0."""
    cpu.require_ring0()
    cpu.intercept_control_write(0, 0)
    cpu.intercept(EXIT_CR0_SELECTIVE)
    value = src.read()
    keep = cpu.cr0 & ~(CR0_MP | CR0_EM | CR0_TS)
    cpu.write_cr0(keep | (value & (CR0_PE | CR0_MP | CR0_EM | CR0_TS)))


@instruction("CLTS", "0F 06", serialize=True)
def clts(cpu):
    """CR0.TS = 0. #GP(0) unless CPL 0."""
    cpu.require_ring0()
    cpu.intercept_control_write(0, 0)
    cpu.cr0 = cpu.cr0 & ~CR0_TS
    cpu.update_fpu_blocked()


@instruction("CLAC", "0F 01 /1 mod=reg rm=2", serialize=True)
def clac(cpu):
    """RFLAGS.AC = 0. #UD unless CPL 0."""
    if cpu.cpl != 0:
        raise Fault(UD, 0)
    cpu.flags = cpu.flags & ~AC
    cpu.update_mode()


@instruction("STAC", "0F 01 /1 mod=reg rm=3", serialize=True)
def stac(cpu):
    """RFLAGS.AC = 1. #UD unless CPL 0."""
    if cpu.cpl != 0:
        raise Fault(UD, 0)
    cpu.flags = cpu.flags | AC
    cpu.update_mode()


# Translations and caches

@instruction("INVLPG", "0F 01 /7 mod=mem Mb", serialize=True)
def invlpg(cpu, src):
    """Drop the translation of the page that src is in. #GP(0) unless CPL 0; an address that is not canonical does nothing."""
    cpu.require_ring0()
    la = src.offset()
    if cpu.code_size != 64 or src.segment >= FS:
        la = la + cpu.seg_base[src.segment]
    la = cpu.wrap_linear(la)
    cpu.intercept_with(EXIT_INVLPG, la)
    if cpu.is_canonical(la):
        cpu.invalidate_page_of(la)


@instruction("INVPCID", "66 0F38 82 /r Gy,Mdq f64", serialize=True)
def invpcid(cpu, kind, src):
    """Drop translations by PCID (src: PCID, address): 0 one page, 1 one PCID, 2 all, 3 all but global ones."""
    cpu.require_ring0()
    cpu.intercept_invpcid()
    what = kind.read()
    pcid = src.read_at(0, 64)
    la = src.read_at(8, 64)
    if what > 3 or pcid > 0xFFF:
        raise Fault(GP, 0)
    if what < 2 and pcid != 0 and cpu.cr4 & CR4_PCIDE == 0:
        raise Fault(GP, 0)
    if what == 0:
        cpu.require_canonical(la)
        cpu.invalidate_page_of(la)
    elif what == 1:
        cpu.invalidate_pcid(pcid)
    else:
        cpu.flush_tlb()


@instruction("INVD", "0F 08")
def invd(cpu):
    """Caches are not modelled: only #GP(0) unless CPL 0."""
    cpu.require_ring0()
    cpu.intercept(EXIT_INVD)


@instruction("WBINVD", "0F 09")
def wbinvd(cpu):
    """Caches are not modelled: only #GP(0) unless CPL 0."""
    cpu.require_ring0()
    cpu.intercept(EXIT_WBINVD)


# Interrupts

@instruction("CLI", "FA", serialize=True)
def cli(cpu):
    """IF = 0. #GP(0) unless CPL <= IOPL."""
    cpu.require_iopl()
    cpu.flags = cpu.flags & ~IF


@instruction("STI", "FB", serialize=True)
def sti(cpu):
    """IF = 1, seen after the next instruction. #GP(0) unless CPL <= IOPL."""
    cpu.set_interrupts()


@instruction("HLT", "F4", serialize=True)
def hlt(cpu):
    """Wait for an interrupt. #GP(0) unless CPL 0."""
    cpu.require_ring0()
    cpu.intercept(EXIT_HLT)
    cpu.halted = 1


@instruction("INT", "CD ib Ib", serialize=True)
def int_(cpu, vector):
    """Interrupt `vector` through its gate, whose DPL must allow it."""
    cpu.intercept_with(EXIT_INT, vector.read())
    cpu.software_interrupt(vector.read(), EVENT_SOFTWARE)


@instruction("INT3", "CC", serialize=True)
def int3(cpu):
    """#BP, a trap; the gate's DPL must allow it."""
    cpu.intercept_trap(BP)
    cpu.software_interrupt(BP, EVENT_TRAP)


@instruction("INTO", "CE i64", serialize=True)
def into(cpu):
    """#OF, a trap, if OF is set."""
    if cpu.status() & OF:
        cpu.intercept_trap(OF_VECTOR)
        cpu.software_interrupt(OF_VECTOR, EVENT_TRAP)


@instruction("INT1", "F1", serialize=True)
def int1(cpu):
    """#DB, a trap, whatever the gate's DPL; DR6 stays. Also called ICEBP."""
    cpu.intercept(EXIT_ICEBP)
    cpu.intercept_trap(DB)
    cpu.deliver_trap(DB)


@instruction("IRET", "CF", sized=True, serialize=True)
def iret(cpu):
    """Return from an interrupt: RIP, CS, RFLAGS, and RSP, SS to an outer level or in 64-bit mode always."""
    cpu.intercept(EXIT_IRET)
    cpu.interrupt_return(cpu.opsize)


# Fast system calls

@instruction("SYSCALL", "0F 05", serialize=True)
def syscall(cpu):
    """To CPL 0 at LSTAR or CSTAR; RCX keeps RIP, R11 RFLAGS."""
    cpu.system_call()


@instruction("SYSRET", "0F 07", sized=True, serialize=True)
def sysret(cpu):
    """Back to CPL 3 at RCX with the flags of R11; to 64-bit code with operand size 64."""
    cpu.system_return(cpu.opsize)


@instruction("SYSENTER", "0F 34", serialize=True)
def sysenter(cpu):
    """To CPL 0 at SYSENTER_EIP. #UD in long mode."""
    cpu.system_enter()


@instruction("SYSEXIT", "0F 35", serialize=True)
def sysexit(cpu):
    """Back to CPL 3 at EDX with stack ECX. #UD in long mode."""
    cpu.system_exit()


# Bases of FS and GS

@instruction("SWAPGS", "0F 01 /7 mod=reg rm=0 o64", serialize=True)
def swapgs(cpu):
    """Exchange GS.base with KERNEL_GS_BASE. #GP(0) unless CPL 0."""
    cpu.require_ring0()
    base = cpu.seg_base[GS]
    cpu.seg_base[GS] = cpu.kernel_gs_base
    cpu.kernel_gs_base = base


@instruction("RDFSBASE", "F3 0F AE /0 mod=reg Ry o64")
def rdfsbase(cpu, dst):
    """dst = FS.base. #UD unless CR4.FSGSBASE."""
    if cpu.cr4 & CR4_FSGSBASE == 0:
        raise Fault(UD, 0)
    dst.write(dst.wrap(cpu.seg_base[FS]))


@instruction("RDGSBASE", "F3 0F AE /1 mod=reg Ry o64")
def rdgsbase(cpu, dst):
    """dst = GS.base. #UD unless CR4.FSGSBASE."""
    if cpu.cr4 & CR4_FSGSBASE == 0:
        raise Fault(UD, 0)
    dst.write(dst.wrap(cpu.seg_base[GS]))


@instruction("WRFSBASE", "F3 0F AE /2 mod=reg Ry o64", serialize=True)
def wrfsbase(cpu, src):
    """FS.base = src. #UD unless CR4.FSGSBASE, #GP(0) unless canonical."""
    if cpu.cr4 & CR4_FSGSBASE == 0:
        raise Fault(UD, 0)
    cpu.require_canonical(src.read())
    cpu.seg_base[FS] = src.read()


@instruction("WRGSBASE", "F3 0F AE /3 mod=reg Ry o64", serialize=True)
def wrgsbase(cpu, src):
    """GS.base = src. #UD unless CR4.FSGSBASE, #GP(0) unless canonical."""
    if cpu.cr4 & CR4_FSGSBASE == 0:
        raise Fault(UD, 0)
    cpu.require_canonical(src.read())
    cpu.seg_base[GS] = src.read()


# Model-specific registers, identification, time, random numbers

@instruction("RDMSR", "0F 32", serialize=True)
def rdmsr(cpu):
    """EDX:EAX = MSR ECX. #GP(0) unless CPL 0 and there is one."""
    value = cpu.read_msr(cpu.gpr[RCX] & MASK32)
    cpu.gpr[RAX] = value & MASK32
    cpu.gpr[RDX] = value >> 32


@instruction("WRMSR", "0F 30", serialize=True)
def wrmsr(cpu):
    """MSR ECX = EDX:EAX. #GP(0) unless CPL 0, there is one, and the value has no reserved bit."""
    cpu.write_msr(cpu.gpr[RCX] & MASK32, ((cpu.gpr[RDX] & MASK32) << 32) | (cpu.gpr[RAX] & MASK32))


@instruction("RDPMC", "0F 33")
def rdpmc(cpu):
    """#GP(0): this processor has no performance counters. A guest's host may give it some."""
    if cpu.cpl == 0 or cpu.cr4 & CR4_PCE:
        cpu.intercept(EXIT_RDPMC)
    raise Fault(GP, 0)


@instruction("CPUID", "0F A2", serialize=True)
def cpuid(cpu):
    """EAX EBX ECX EDX = leaf EAX, subleaf ECX."""
    cpu.intercept(EXIT_CPUID)
    leaf = cpu.gpr[RAX] & MASK32
    subleaf = cpu.gpr[RCX] & MASK32
    cpu.gpr[RAX] = cpu.cpuid_register(leaf, subleaf, 0)
    cpu.gpr[RBX] = cpu.cpuid_register(leaf, subleaf, 1)
    cpu.gpr[RCX] = cpu.cpuid_register(leaf, subleaf, 2)
    cpu.gpr[RDX] = cpu.cpuid_register(leaf, subleaf, 3)


@instruction("RDTSC", "0F 31")
def rdtsc(cpu):
    """EDX:EAX = time-stamp counter. #GP(0) with CR4.TSD unless CPL 0."""
    if cpu.cr4 & CR4_TSD and cpu.cpl != 0:
        raise Fault(GP, 0)
    if cpu.vm_intercepts & INTERCEPT_RDTSC:
        cpu.exit_instruction(EXIT_RDTSC, 0, 0)
    now = cpu.now()
    cpu.gpr[RAX] = now & MASK32
    cpu.gpr[RDX] = now >> 32


@instruction("RDTSCP", "0F 01 /7 mod=reg rm=1")
def rdtscp(cpu):
    """RDTSC, and ECX = TSC_AUX."""
    if cpu.cr4 & CR4_TSD and cpu.cpl != 0:
        raise Fault(GP, 0)
    cpu.intercept(EXIT_RDTSCP)
    now = cpu.now()
    cpu.gpr[RAX] = now & MASK32
    cpu.gpr[RDX] = now >> 32
    cpu.gpr[RCX] = cpu.tsc_aux


@instruction("RDRAND", "0F C7 /6 mod=reg Rv")
def rdrand(cpu, dst):
    """dst = the next number of a seeded generator (xorshift64*), CF = 1; the other status flags are 0."""
    x = cpu.random
    x = x ^ (x >> 12)
    x = (x ^ (x << 25)) & MASK64
    x = x ^ (x >> 27)
    cpu.random = x
    dst.write(dst.wrap(((x * 0x2545F4914F6CDD1D) & MASK64) >> (64 - dst.width)))
    cpu.flags_set(CF)


@instruction("XGETBV", "0F 01 /2 mod=reg rm=0")
def xgetbv(cpu):
    """EDX:EAX = XCR0. #UD unless CR4.OSXSAVE, #GP(0) unless ECX is 0."""
    if cpu.cr4 & CR4_OSXSAVE == 0:
        raise Fault(UD, 0)
    if cpu.gpr[RCX] & MASK32:
        raise Fault(GP, 0)
    cpu.gpr[RAX] = cpu.xcr0 & MASK32
    cpu.gpr[RDX] = cpu.xcr0 >> 32


@instruction("XSETBV", "0F 01 /2 mod=reg rm=1", serialize=True)
def xsetbv(cpu):
    """XCR0 = EDX:EAX, of which there are x87 (always on) and SSE. #UD unless CR4.OSXSAVE, #GP(0)."""
    cpu.intercept(EXIT_XSETBV)
    if cpu.cr4 & CR4_OSXSAVE == 0:
        raise Fault(UD, 0)
    cpu.require_ring0()
    value = ((cpu.gpr[RDX] & MASK32) << 32) | (cpu.gpr[RAX] & MASK32)
    if cpu.gpr[RCX] & MASK32 or value & 1 == 0 or value > 3:
        raise Fault(GP, 0)
    cpu.xcr0 = value
