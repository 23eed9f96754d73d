"""Instructions of the secure virtual machine (APM vol. 3, chapter 4; what they do is in `emu/cpu/svm.py`).

All but VMMCALL and RSM are #UD unless EFER.SVME is set and the CPU in protected mode, and #GP(0) unless CPL is 0.
"""

from emu.isa.exits import (
    EXIT_CLGI,
    EXIT_INVLPGA,
    EXIT_RSM,
    EXIT_STGI,
    EXIT_VMLOAD,
    EXIT_VMMCALL,
    EXIT_VMRUN,
    EXIT_VMSAVE,
)
from emu.isa.language import MASK32, RAX, RCX, UD, Fault
from emu.isa.registry import instruction


@instruction("VMRUN", "0F 01 /3 mod=reg rm=0", serialize=True)
def vmrun(cpu):
    """Run the guest whose control block is at physical address rAX, until something that is intercepted; #GP(0) for a bad address."""
    cpu.require_svm()
    vmcb = cpu.vmcb_operand()
    cpu.intercept(EXIT_VMRUN)
    cpu.run_guest(vmcb)


@instruction("VMMCALL", "0F 01 /3 mod=reg rm=1", serialize=True)
def vmmcall(cpu):
    """A call of the host, at any CPL; #UD when it is not intercepted."""
    cpu.intercept(EXIT_VMMCALL)
    raise Fault(UD, 0)


@instruction("VMLOAD", "0F 01 /3 mod=reg rm=2", serialize=True)
def vmload(cpu):
    """FS GS TR LDTR whole, KERNEL_GS_BASE, and the MSRs of SYSCALL and SYSENTER = those at physical address rAX."""
    cpu.require_svm()
    vmcb = cpu.vmcb_operand()
    cpu.intercept(EXIT_VMLOAD)
    cpu.load_more(vmcb)


@instruction("VMSAVE", "0F 01 /3 mod=reg rm=3", serialize=True)
def vmsave(cpu):
    """Store at physical address rAX what VMLOAD loads."""
    cpu.require_svm()
    vmcb = cpu.vmcb_operand()
    cpu.intercept(EXIT_VMSAVE)
    cpu.save_more(vmcb)


@instruction("STGI", "0F 01 /3 mod=reg rm=4", serialize=True)
def stgi(cpu):
    """Global interrupt flag = 1."""
    cpu.require_svm()
    cpu.intercept(EXIT_STGI)
    cpu.gif = 1


@instruction("CLGI", "0F 01 /3 mod=reg rm=5", serialize=True)
def clgi(cpu):
    """Global interrupt flag = 0: no interrupt, NMI included, until STGI or VMRUN."""
    cpu.require_svm()
    cpu.intercept(EXIT_CLGI)
    cpu.gif = 0


@instruction("SKINIT", "0F 01 /3 mod=reg rm=6")
def skinit(cpu):
    """#UD: this processor has no secure start, as CPUID says; so its intercept is never asked."""
    raise Fault(UD, 0)


@instruction("INVLPGA", "0F 01 /3 mod=reg rm=7", serialize=True)
def invlpga(cpu):
    """Drop the translation of linear address rAX in the address space with ASID ECX."""
    cpu.require_svm()
    la = cpu.read_address_register(RAX)
    cpu.intercept_with(EXIT_INVLPGA, la)
    cpu.invalidate_in(la, cpu.gpr[RCX] & MASK32)


@instruction("RSM", "0F AA", serialize=True)
def rsm(cpu):
    """#UD: nothing leads to system management mode here."""
    cpu.intercept(EXIT_RSM)
    raise Fault(UD, 0)
