"""Saving and restoring the x87 and SSE state: FXSAVE, FXRSTOR, XSAVE, XRSTOR (APM vol. 5; APM vol. 4)."""

from emu.cpu.xstate import MXCSR_MASK, SSE_COMPONENT, X87_COMPONENT
from emu.isa.language import ACCESS_READ, ACCESS_WRITE, CR4_OSFXSR, GP, Fault
from emu.isa.registry import instruction


@instruction("FXSAVE", "NP 0F AE /0 Mb", requires="x87_nowait", sized=True)
def fxsave(cpu, dst):
    """Store 512 bytes; MXCSR and the XMM registers when CR4.OSFXSR is set. #GP unless aligned to 16 bytes."""
    la = cpu.state_area(dst.segment, dst.offset(), 512, 16, ACCESS_WRITE)
    cpu.save_x87(la, cpu.opsize)
    if cpu.cr4 & CR4_OSFXSR:
        cpu.write_linear(la + 24, 64, cpu.read_mxcsr() | (MXCSR_MASK << 32))
        cpu.save_sse(la)


@instruction("FXRSTOR", "NP 0F AE /1 Mb", requires="x87_nowait", sized=True)
def fxrstor(cpu, src):
    """Load what FXSAVE stored. #GP unless aligned to 16 bytes, and for reserved bits of MXCSR."""
    la = cpu.state_area(src.segment, src.offset(), 512, 16, ACCESS_READ)
    if cpu.cr4 & CR4_OSFXSR:
        mxcsr = cpu.saved_mxcsr(la)
        cpu.restore_x87(la, cpu.opsize)
        cpu.write_mxcsr(mxcsr)
        cpu.restore_sse(la)
    else:
        cpu.restore_x87(la, cpu.opsize)


@instruction("XSAVE", "NP 0F AE /4 Mb", requires="xsave", sized=True)
def xsave(cpu, dst):
    """Store the components EDX:EAX asks for, and the header's XSTATE_BV. #GP unless aligned to 64 bytes.

    Every component counts as in use, as in QEMU.
    """
    la = cpu.state_area(dst.segment, dst.offset(), 576, 64, ACCESS_WRITE)
    components = cpu.requested_components()
    held = cpu.read_linear(la + 512, 64)
    if components & X87_COMPONENT:
        cpu.save_x87(la, cpu.opsize)
    if components & SSE_COMPONENT:
        cpu.write_linear(la + 24, 64, cpu.read_mxcsr() | (MXCSR_MASK << 32))
        cpu.save_sse(la)
    cpu.write_linear(la + 512, 64, held | components)


@instruction("XRSTOR", "NP 0F AE /5 mod=mem Mb", requires="xsave", sized=True)
def xrstor(cpu, src):
    """Load the components EDX:EAX asks for; those whose bit in XSTATE_BV is clear get their initial state.

    #GP unless aligned to 64 bytes, for components XCR0 lacks, a header that is not the standard one, MXCSR's
    reserved bits.
    """
    la = cpu.state_area(src.segment, src.offset(), 576, 64, ACCESS_READ)
    components = cpu.requested_components()
    held = cpu.read_linear(la + 512, 64)
    compact = cpu.read_linear(la + 520, 64)
    reserved = cpu.read_linear(la + 528, 64)
    if held & ~cpu.xcr0 or compact or reserved:
        raise Fault(GP, 0)
    if components & SSE_COMPONENT:
        mxcsr = cpu.saved_mxcsr(la)
        cpu.write_mxcsr(mxcsr)
        if held & SSE_COMPONENT:
            cpu.restore_sse(la)
        else:
            cpu.clear_sse()
    if components & X87_COMPONENT:
        if held & X87_COMPONENT:
            cpu.restore_x87(la, cpu.opsize)
        else:
            cpu.clear_x87()
