"""The x87 and SSE state in memory, as FXSAVE and XSAVE lay it out (APM vol. 2, 11.4.4 and 11.5).

    0 FCW FSW FTW FOP | 8 FIP (FCS) | 16 FDP (FDS) | 24 MXCSR, its mask | 32 ST(0)..ST(7) | 160 XMM0..XMM15
    512 XSTATE_BV | 520 XCOMP_BV | 528 reserved                                    (XSAVE's header)

The pointers are always saved and restored, as CPUID's RstrFpErrPtrs says of newer processors and QEMU does.
"""

from emu.isa.language import CODE64, CR0_TS, CR4_OSXSAVE, GP, MASK32, NM, UD, Fault

MXCSR_MASK = 0xFFFF
X87_COMPONENT, SSE_COMPONENT = 1, 2


def require_xsave(cpu):
    """Before XSAVE and XRSTOR: #UD unless CR4.OSXSAVE, #NM when the unit is switched away."""
    if cpu.cr4 & CR4_OSXSAVE == 0:
        raise Fault(UD, 0)
    if cpu.cr0 & CR0_TS:
        raise Fault(NM, 0)


def state_area(cpu, segment, offset, size, alignment, access):
    """Linear address of an area, which must be aligned (#GP) and wholly accessible."""
    la = cpu.linear_address(segment, offset, size, access)
    if la & (alignment - 1):
        raise Fault(GP, 0)
    cpu.probe_linear(la, size, access)
    return la


def save_x87(cpu, la, opsize):
    """Bytes 0 to 23 and the registers; with `opsize` 64 the pointers are 64-bit offsets."""
    head = cpu.fcw | (cpu.x87_status() << 16) | ((cpu.ftags ^ 0xFF) << 32) | (cpu.fop << 48)
    ip = cpu.fip
    dp = cpu.fdp
    if opsize != 64:
        ip = (ip & MASK32) | (cpu.fcs << 32)
        dp = (dp & MASK32) | (cpu.fds << 32)
    cpu.write_linear(la, 64, head)
    cpu.write_linear(la + 8, 64, ip)
    cpu.write_linear(la + 16, 64, dp)
    for i in range(8):
        cpu.write_linear(la + 32 + 16 * i, 64, cpu.x87_mantissa(i))
        cpu.write_linear(la + 40 + 16 * i, 64, cpu.x87_exponent(i))


def restore_x87(cpu, la, opsize):
    """The reverse of save_x87(); ES and B follow from the exceptions and their masks."""
    head = cpu.read_linear(la, 64)
    ip = cpu.read_linear(la + 8, 64)
    dp = cpu.read_linear(la + 16, 64)
    cpu.x87_set_control(head & 0xFFFF)
    cpu.x87_set_status((head >> 16) & 0xFFFF)
    cpu.ftags = ((head >> 32) & 0xFF) ^ 0xFF
    cpu.fop = (head >> 48) & 0x7FF
    cpu.fip = ip
    cpu.fdp = dp
    cpu.fcs = 0
    cpu.fds = 0
    if opsize != 64:
        cpu.fip = ip & MASK32
        cpu.fdp = dp & MASK32
        cpu.fcs = (ip >> 32) & 0xFFFF
        cpu.fds = (dp >> 32) & 0xFFFF
    for i in range(8):
        register = (cpu.ftop + i) & 7
        cpu.fpr_mantissa[register] = cpu.read_linear(la + 32 + 16 * i, 64)
        cpu.fpr_exponent[register] = cpu.read_linear(la + 40 + 16 * i, 16)


def clear_x87(cpu):
    """XRSTOR of a component that is in its initial state."""
    cpu.x87_init()
    for register in range(8):
        cpu.fpr_mantissa[register] = 0
        cpu.fpr_exponent[register] = 0


def vector_registers(cpu):
    """How many XMM registers the mode has."""
    return 16 if cpu.code_size == CODE64 else 8


def save_sse(cpu, la):
    """The XMM registers of this mode."""
    for i in range(cpu.vector_registers()):
        v = cpu.xmm[i]
        cpu.write_linear(la + 160 + 16 * i, 64, v.u64[0])
        cpu.write_linear(la + 168 + 16 * i, 64, v.u64[1])


def restore_sse(cpu, la):
    """The XMM registers of this mode, from memory."""
    for i in range(cpu.vector_registers()):
        low = cpu.read_linear(la + 160 + 16 * i, 64)
        high = cpu.read_linear(la + 168 + 16 * i, 64)
        cpu.xmm[i] = cpu.vector(low, high)


def clear_sse(cpu):
    """The XMM registers of this mode become zero."""
    for i in range(cpu.vector_registers()):
        cpu.xmm[i] = cpu.vector(0, 0)


def saved_mxcsr(cpu, la):
    """MXCSR from an area; #GP for a reserved bit."""
    value = cpu.read_linear(la + 24, 32)
    if value & ~MXCSR_MASK & MASK32:
        raise Fault(GP, 0)
    return value


def requested_components(cpu):
    """XCR0 & EDX:EAX."""
    return cpu.xcr0 & ((cpu.gpr[0] & MASK32) | ((cpu.gpr[2] & MASK32) << 32))
