"""Why a guest is left: the exit codes of #VMEXIT, which are also the places of the intercepts (APM vol. 2, appendix C).

Exit codes 60h to 9Fh are the bits of the VMCB's intercept words at 0Ch and 10h, in order: `cpu.vm_intercepts` is those
two words. An intercept leaves the instruction in flight as a fault does: `raise Fault(VM_EXIT, 0)`.
"""

# What the engines take for a vector; no exception and no interrupt of a fault's kind has it.
VM_EXIT = 0x80

EXIT_CR_READ, EXIT_CR_WRITE, EXIT_DR_READ, EXIT_DR_WRITE, EXIT_EXCEPTION = 0x00, 0x10, 0x20, 0x30, 0x40
(EXIT_INTR, EXIT_NMI, EXIT_SMI, EXIT_INIT, EXIT_VINTR, EXIT_CR0_SELECTIVE, EXIT_IDTR_READ, EXIT_GDTR_READ, EXIT_LDTR_READ,
 EXIT_TR_READ, EXIT_IDTR_WRITE, EXIT_GDTR_WRITE, EXIT_LDTR_WRITE, EXIT_TR_WRITE, EXIT_RDTSC, EXIT_RDPMC, EXIT_PUSHF,
 EXIT_POPF, EXIT_CPUID, EXIT_RSM, EXIT_IRET, EXIT_INT, EXIT_INVD, EXIT_PAUSE, EXIT_HLT, EXIT_INVLPG, EXIT_INVLPGA,
 EXIT_IOIO, EXIT_MSR, EXIT_TASK_SWITCH, EXIT_FERR_FREEZE, EXIT_SHUTDOWN) = range(0x60, 0x80)
(EXIT_VMRUN, EXIT_VMMCALL, EXIT_VMLOAD, EXIT_VMSAVE, EXIT_STGI, EXIT_CLGI, EXIT_SKINIT, EXIT_RDTSCP, EXIT_ICEBP,
 EXIT_WBINVD, EXIT_MONITOR, EXIT_MWAIT, EXIT_MWAIT_ARMED, EXIT_XSETBV) = range(0x80, 0x8E)
EXIT_INVPCID, EXIT_NPF, EXIT_INVALID = 0xA2, 0x400, 0xFFFFFFFFFFFFFFFF

# Intercepts of instructions that must cost nothing outside of a guest: bits of `cpu.vm_intercepts`.
INTERCEPT_RDTSC, INTERCEPT_PUSHF, INTERCEPT_PAUSE = 1 << 14, 1 << 16, 1 << 23

# EXITINFO1 (APM vol. 2, 15.10.2, 15.33).
INFO_MOV_CR = 1 << 63       # a MOV, whose general register is in bits 3..0
IO_IN, IO_STRING = 1, 4
