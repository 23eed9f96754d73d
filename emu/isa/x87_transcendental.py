"""x87 exponential, logarithms and angles, correctly rounded (APM vol. 1, 6.4.8; vol. 5, chapter 2)."""

from emu.cpu.transcendental import COSINE, SINE
from emu.isa.registry import instruction


@instruction("F2XM1", "D9 /6 mod=reg rm=0", requires="x87")
def f2xm1(cpu):
    """ST(0) = 2**ST(0) - 1, for ST(0) from -1 to 1."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    if cpu.x87_empty(0):
        cpu.x87_underflow(0)
        return
    cpu.f80_exp2_minus_1(cpu.x87_mantissa(0), cpu.x87_exponent(0))
    cpu.x87_commit(0)


@instruction("FYL2X", "D9 /6 mod=reg rm=1", requires="x87")
def fyl2x(cpu):
    """ST(1) = ST(1) * log2(ST(0)), then pop."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    if cpu.x87_empty(0) or cpu.x87_empty(1):
        if cpu.x87_underflow(1):
            cpu.x87_pop()
        return
    cpu.f80_log2(cpu.x87_mantissa(0), cpu.x87_exponent(0), cpu.x87_mantissa(1), cpu.x87_exponent(1))
    if cpu.x87_commit(1):
        cpu.x87_pop()


@instruction("FYL2XP1", "D9 /7 mod=reg rm=1", requires="x87")
def fyl2xp1(cpu):
    """ST(1) = ST(1) * log2(ST(0) + 1), then pop."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    if cpu.x87_empty(0) or cpu.x87_empty(1):
        if cpu.x87_underflow(1):
            cpu.x87_pop()
        return
    cpu.f80_log2_plus_1(cpu.x87_mantissa(0), cpu.x87_exponent(0), cpu.x87_mantissa(1), cpu.x87_exponent(1))
    if cpu.x87_commit(1):
        cpu.x87_pop()


@instruction("FPATAN", "D9 /6 mod=reg rm=3", requires="x87")
def fpatan(cpu):
    """ST(1) = the angle of the point x = ST(0), y = ST(1), then pop."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    if cpu.x87_empty(0) or cpu.x87_empty(1):
        if cpu.x87_underflow(1):
            cpu.x87_pop()
        return
    cpu.f80_atan2(cpu.x87_mantissa(0), cpu.x87_exponent(0), cpu.x87_mantissa(1), cpu.x87_exponent(1))
    if cpu.x87_commit(1):
        cpu.x87_pop()


@instruction("FSIN", "D9 /7 mod=reg rm=6", requires="x87")
def fsin(cpu):
    """ST(0) = sine of ST(0); C2 set, and nothing done, from 2**63 on."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.x87_angle(SINE)


@instruction("FCOS", "D9 /7 mod=reg rm=7", requires="x87")
def fcos(cpu):
    """ST(0) = cosine of ST(0); C2 set, and nothing done, from 2**63 on."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.x87_angle(COSINE)


@instruction("FSINCOS", "D9 /7 mod=reg rm=3", requires="x87")
def fsincos(cpu):
    """ST(0) = sine of ST(0), then push its cosine; C2 as FSIN."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    if cpu.x87_can_push_result():
        cpu.f80_sine_cosine(cpu.x87_mantissa(0), cpu.x87_exponent(0))
        if cpu.x87_commit(0):
            cpu.x87_push(cpu.fr2_mantissa, cpu.fr2_exponent)


@instruction("FPTAN", "D9 /6 mod=reg rm=2", requires="x87")
def fptan(cpu):
    """ST(0) = tangent of ST(0), then push 1.0; C2 as FSIN."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    if cpu.x87_can_push_result():
        cpu.f80_tangent(cpu.x87_mantissa(0), cpu.x87_exponent(0))
        if cpu.x87_commit(0):
            cpu.x87_push(cpu.fr2_mantissa, cpu.fr2_exponent)
