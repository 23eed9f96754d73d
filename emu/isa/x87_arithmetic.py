"""x87 arithmetic: sum, difference, product, quotient in all their forms, square root, remainder, scaling.

Raises the floating-point exceptions of APM vol. 1, 6.8; C1 says whether the result was rounded away from zero.
"""

from emu.cpu.float80 import (
    ADD,
    DIVIDE,
    DIVIDE_REVERSED,
    INDEFINITE_EXPONENT,
    INDEFINITE_MANTISSA,
    MULTIPLY,
    SUBTRACT,
    SUBTRACT_REVERSED,
    X_C1,
)
from emu.isa.language import sign_extend
from emu.isa.registry import instruction


@instruction("FADD", "D8 /0 Md", "DC /0 Mq", requires="x87")
def fadd_memory(cpu, src):
    """ST(0) = ST(0) + src, a 32- or 64-bit number."""
    value = src.read()
    cpu.x87_begin_memory(cpu.insn_rip, cpu.x87_opcode, src.segment, src.offset())
    cpu.f80_from_float(value, src.width)
    cpu.x87_operate_number(ADD)


@instruction("FIADD", "DE /0 Mw", "DA /0 Md", requires="x87")
def fiadd(cpu, src):
    """ST(0) = ST(0) + src, a 16- or 32-bit integer."""
    value = src.read()
    cpu.x87_begin_memory(cpu.insn_rip, cpu.x87_opcode, src.segment, src.offset())
    cpu.f80_from_int(sign_extend(value, src.width))
    cpu.x87_operate_number(ADD)


@instruction("FADD", "D8 /0 Fi", requires="x87")
def fadd(cpu, src):
    """ST(0) = ST(0) + ST(i)."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.x87_operate(ADD, 0, src.index)


@instruction("FADD", "DC /0 Fi", requires="x87")
def fadd_to(cpu, dst):
    """ST(i) = ST(i) + ST(0)."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.x87_operate(ADD, dst.index, 0)


@instruction("FADDP", "DE /0 Fi", requires="x87")
def faddp(cpu, dst):
    """ST(i) = ST(i) + ST(0), then pop."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    if cpu.x87_operate(ADD, dst.index, 0):
        cpu.x87_pop()


@instruction("FMUL", "D8 /1 Md", "DC /1 Mq", requires="x87")
def fmul_memory(cpu, src):
    """ST(0) = ST(0) * src, a 32- or 64-bit number."""
    value = src.read()
    cpu.x87_begin_memory(cpu.insn_rip, cpu.x87_opcode, src.segment, src.offset())
    cpu.f80_from_float(value, src.width)
    cpu.x87_operate_number(MULTIPLY)


@instruction("FIMUL", "DE /1 Mw", "DA /1 Md", requires="x87")
def fimul(cpu, src):
    """ST(0) = ST(0) * src, a 16- or 32-bit integer."""
    value = src.read()
    cpu.x87_begin_memory(cpu.insn_rip, cpu.x87_opcode, src.segment, src.offset())
    cpu.f80_from_int(sign_extend(value, src.width))
    cpu.x87_operate_number(MULTIPLY)


@instruction("FMUL", "D8 /1 Fi", requires="x87")
def fmul(cpu, src):
    """ST(0) = ST(0) * ST(i)."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.x87_operate(MULTIPLY, 0, src.index)


@instruction("FMUL", "DC /1 Fi", requires="x87")
def fmul_to(cpu, dst):
    """ST(i) = ST(i) * ST(0)."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.x87_operate(MULTIPLY, dst.index, 0)


@instruction("FMULP", "DE /1 Fi", requires="x87")
def fmulp(cpu, dst):
    """ST(i) = ST(i) * ST(0), then pop."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    if cpu.x87_operate(MULTIPLY, dst.index, 0):
        cpu.x87_pop()


@instruction("FSUB", "D8 /4 Md", "DC /4 Mq", requires="x87")
def fsub_memory(cpu, src):
    """ST(0) = ST(0) - src, a 32- or 64-bit number."""
    value = src.read()
    cpu.x87_begin_memory(cpu.insn_rip, cpu.x87_opcode, src.segment, src.offset())
    cpu.f80_from_float(value, src.width)
    cpu.x87_operate_number(SUBTRACT)


@instruction("FISUB", "DE /4 Mw", "DA /4 Md", requires="x87")
def fisub(cpu, src):
    """ST(0) = ST(0) - src, a 16- or 32-bit integer."""
    value = src.read()
    cpu.x87_begin_memory(cpu.insn_rip, cpu.x87_opcode, src.segment, src.offset())
    cpu.f80_from_int(sign_extend(value, src.width))
    cpu.x87_operate_number(SUBTRACT)


@instruction("FSUB", "D8 /4 Fi", requires="x87")
def fsub(cpu, src):
    """ST(0) = ST(0) - ST(i)."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.x87_operate(SUBTRACT, 0, src.index)


@instruction("FSUB", "DC /5 Fi", requires="x87")
def fsub_to(cpu, dst):
    """ST(i) = ST(i) - ST(0)."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.x87_operate(SUBTRACT, dst.index, 0)


@instruction("FSUBP", "DE /5 Fi", requires="x87")
def fsubp(cpu, dst):
    """ST(i) = ST(i) - ST(0), then pop."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    if cpu.x87_operate(SUBTRACT, dst.index, 0):
        cpu.x87_pop()


@instruction("FSUBR", "D8 /5 Md", "DC /5 Mq", requires="x87")
def fsubr_memory(cpu, src):
    """ST(0) = src - ST(0), a 32- or 64-bit number."""
    value = src.read()
    cpu.x87_begin_memory(cpu.insn_rip, cpu.x87_opcode, src.segment, src.offset())
    cpu.f80_from_float(value, src.width)
    cpu.x87_operate_number(SUBTRACT_REVERSED)


@instruction("FISUBR", "DE /5 Mw", "DA /5 Md", requires="x87")
def fisubr(cpu, src):
    """ST(0) = src - ST(0), a 16- or 32-bit integer."""
    value = src.read()
    cpu.x87_begin_memory(cpu.insn_rip, cpu.x87_opcode, src.segment, src.offset())
    cpu.f80_from_int(sign_extend(value, src.width))
    cpu.x87_operate_number(SUBTRACT_REVERSED)


@instruction("FSUBR", "D8 /5 Fi", requires="x87")
def fsubr(cpu, src):
    """ST(0) = ST(i) - ST(0)."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.x87_operate(SUBTRACT_REVERSED, 0, src.index)


@instruction("FSUBR", "DC /4 Fi", requires="x87")
def fsubr_to(cpu, dst):
    """ST(i) = ST(0) - ST(i)."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.x87_operate(SUBTRACT_REVERSED, dst.index, 0)


@instruction("FSUBRP", "DE /4 Fi", requires="x87")
def fsubrp(cpu, dst):
    """ST(i) = ST(0) - ST(i), then pop."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    if cpu.x87_operate(SUBTRACT_REVERSED, dst.index, 0):
        cpu.x87_pop()


@instruction("FDIV", "D8 /6 Md", "DC /6 Mq", requires="x87")
def fdiv_memory(cpu, src):
    """ST(0) = ST(0) / src, a 32- or 64-bit number."""
    value = src.read()
    cpu.x87_begin_memory(cpu.insn_rip, cpu.x87_opcode, src.segment, src.offset())
    cpu.f80_from_float(value, src.width)
    cpu.x87_operate_number(DIVIDE)


@instruction("FIDIV", "DE /6 Mw", "DA /6 Md", requires="x87")
def fidiv(cpu, src):
    """ST(0) = ST(0) / src, a 16- or 32-bit integer."""
    value = src.read()
    cpu.x87_begin_memory(cpu.insn_rip, cpu.x87_opcode, src.segment, src.offset())
    cpu.f80_from_int(sign_extend(value, src.width))
    cpu.x87_operate_number(DIVIDE)


@instruction("FDIV", "D8 /6 Fi", requires="x87")
def fdiv(cpu, src):
    """ST(0) = ST(0) / ST(i)."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.x87_operate(DIVIDE, 0, src.index)


@instruction("FDIV", "DC /7 Fi", requires="x87")
def fdiv_to(cpu, dst):
    """ST(i) = ST(i) / ST(0)."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.x87_operate(DIVIDE, dst.index, 0)


@instruction("FDIVP", "DE /7 Fi", requires="x87")
def fdivp(cpu, dst):
    """ST(i) = ST(i) / ST(0), then pop."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    if cpu.x87_operate(DIVIDE, dst.index, 0):
        cpu.x87_pop()


@instruction("FDIVR", "D8 /7 Md", "DC /7 Mq", requires="x87")
def fdivr_memory(cpu, src):
    """ST(0) = src / ST(0), a 32- or 64-bit number."""
    value = src.read()
    cpu.x87_begin_memory(cpu.insn_rip, cpu.x87_opcode, src.segment, src.offset())
    cpu.f80_from_float(value, src.width)
    cpu.x87_operate_number(DIVIDE_REVERSED)


@instruction("FIDIVR", "DE /7 Mw", "DA /7 Md", requires="x87")
def fidivr(cpu, src):
    """ST(0) = src / ST(0), a 16- or 32-bit integer."""
    value = src.read()
    cpu.x87_begin_memory(cpu.insn_rip, cpu.x87_opcode, src.segment, src.offset())
    cpu.f80_from_int(sign_extend(value, src.width))
    cpu.x87_operate_number(DIVIDE_REVERSED)


@instruction("FDIVR", "D8 /7 Fi", requires="x87")
def fdivr(cpu, src):
    """ST(0) = ST(i) / ST(0)."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.x87_operate(DIVIDE_REVERSED, 0, src.index)


@instruction("FDIVR", "DC /6 Fi", requires="x87")
def fdivr_to(cpu, dst):
    """ST(i) = ST(0) / ST(i)."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.x87_operate(DIVIDE_REVERSED, dst.index, 0)


@instruction("FDIVRP", "DE /6 Fi", requires="x87")
def fdivrp(cpu, dst):
    """ST(i) = ST(0) / ST(i), then pop."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    if cpu.x87_operate(DIVIDE_REVERSED, dst.index, 0):
        cpu.x87_pop()


@instruction("FCHS", "D9 /4 mod=reg rm=0", requires="x87")
def fchs(cpu):
    """ST(0) = -ST(0), whatever it is."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    if cpu.x87_empty(0):
        cpu.x87_underflow(0)
        return
    cpu.fsw = cpu.fsw & ~X_C1
    cpu.fpr_exponent[cpu.ftop] = cpu.fpr_exponent[cpu.ftop] ^ 0x8000


@instruction("FABS", "D9 /4 mod=reg rm=1", requires="x87")
def fabs(cpu):
    """ST(0) = |ST(0)|, whatever it is."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    if cpu.x87_empty(0):
        cpu.x87_underflow(0)
        return
    cpu.fsw = cpu.fsw & ~X_C1
    cpu.fpr_exponent[cpu.ftop] = cpu.fpr_exponent[cpu.ftop] & 0x7FFF


@instruction("FSQRT", "D9 /7 mod=reg rm=2", requires="x87")
def fsqrt(cpu):
    """ST(0) = square root of ST(0)."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    if cpu.x87_empty(0):
        cpu.x87_underflow(0)
        return
    cpu.f80_sqrt(cpu.x87_mantissa(0), cpu.x87_exponent(0))
    cpu.x87_commit(0)


@instruction("FRNDINT", "D9 /7 mod=reg rm=4", requires="x87")
def frndint(cpu):
    """ST(0) rounded to an integer by the rounding control."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    if cpu.x87_empty(0):
        cpu.x87_underflow(0)
        return
    cpu.f80_to_integral(cpu.x87_mantissa(0), cpu.x87_exponent(0))
    cpu.x87_commit(0)


@instruction("FSCALE", "D9 /7 mod=reg rm=5", requires="x87")
def fscale(cpu):
    """ST(0) = ST(0) * 2**(ST(1) rounded towards zero)."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    if cpu.x87_empty(0) or cpu.x87_empty(1):
        cpu.x87_underflow(0)
        return
    cpu.f80_scale(cpu.x87_mantissa(0), cpu.x87_exponent(0), cpu.x87_mantissa(1), cpu.x87_exponent(1))
    cpu.x87_commit(0)


@instruction("FPREM", "D9 /7 mod=reg rm=0", requires="x87")
def fprem(cpu):
    """ST(0) = remainder of ST(0) / ST(1), quotient rounded towards zero; C2: partial, else C0 C3 C1 quotient bits."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.x87_remainder(0)


@instruction("FPREM1", "D9 /6 mod=reg rm=5", requires="x87")
def fprem1(cpu):
    """ST(0) = IEEE remainder of ST(0) / ST(1), quotient rounded to nearest; codes as FPREM."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.x87_remainder(1)


@instruction("FXTRACT", "D9 /6 mod=reg rm=4", requires="x87")
def fxtract(cpu):
    """ST(0) = exponent of ST(0), then push its significand."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    if cpu.x87_empty(0):
        if cpu.x87_underflow(0):
            cpu.x87_push(INDEFINITE_MANTISSA, INDEFINITE_EXPONENT)
    elif cpu.x87_empty(7) == 0:
        if cpu.x87_stack_fault(X_C1):
            cpu.x87_put(0, INDEFINITE_MANTISSA, INDEFINITE_EXPONENT)
            cpu.x87_push(INDEFINITE_MANTISSA, INDEFINITE_EXPONENT)
    else:
        cpu.f80_extract(cpu.x87_mantissa(0), cpu.x87_exponent(0))
        if cpu.x87_commit(0):
            cpu.x87_push(cpu.fr2_mantissa, cpu.fr2_exponent)
