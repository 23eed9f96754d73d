"""x87 loads, stores, exchanges, constants and the register stack (APM vol. 5, chapter 2)."""

from emu.cpu.float80 import INDEFINITE_EXPONENT, INDEFINITE_MANTISSA, X_C1
from emu.isa.language import ACCESS_READ, ACCESS_WRITE, sign_extend
from emu.isa.registry import instruction


@instruction("FLD", "D9 /0 Md", "DD /0 Mq", requires="x87")
def fld(cpu, src):
    """Push a 32- or 64-bit number. Raises IE (a signalling NaN, made quiet) and DE."""
    value = src.read()
    cpu.x87_begin_memory(cpu.insn_rip, cpu.x87_opcode, src.segment, src.offset())
    cpu.f80_from_float(value, src.width)
    cpu.x87_quiet(cpu.fr_mantissa, cpu.fr_exponent)
    cpu.x87_load(cpu.fr_mantissa, cpu.fr_exponent, cpu.fp_raised)


@instruction("FLD", "DB /5 Mt", requires="x87")
def fld_extended(cpu, src):
    """Push an 80-bit number as it is."""
    src.probe(10, ACCESS_READ)
    mantissa = src.read_at(0, 64)
    exponent = src.read_at(8, 16)
    cpu.x87_begin_memory(cpu.insn_rip, cpu.x87_opcode, src.segment, src.offset())
    cpu.x87_load(mantissa, exponent, 0)


@instruction("FLD", "D9 /0 Fi", requires="x87")
def fld_register(cpu, src):
    """Push a copy of ST(i)."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    if cpu.x87_empty(src.index):
        if cpu.x87_stack_fault(0):
            cpu.x87_push(INDEFINITE_MANTISSA, INDEFINITE_EXPONENT)
    else:
        cpu.x87_load(cpu.x87_mantissa(src.index), cpu.x87_exponent(src.index), 0)


@instruction("FILD", "DF /0 Mw", "DB /0 Md", "DF /5 Mq", requires="x87")
def fild(cpu, src):
    """Push a signed integer of 16, 32 or 64 bits."""
    value = src.read()
    cpu.x87_begin_memory(cpu.insn_rip, cpu.x87_opcode, src.segment, src.offset())
    cpu.f80_from_int(sign_extend(value, src.width))
    cpu.x87_load(cpu.fr_mantissa, cpu.fr_exponent, 0)


@instruction("FBLD", "DF /4 Mt", requires="x87")
def fbld(cpu, src):
    """Push 18 packed decimal digits."""
    src.probe(10, ACCESS_READ)
    low = src.read_at(0, 64)
    high = src.read_at(8, 16)
    cpu.x87_begin_memory(cpu.insn_rip, cpu.x87_opcode, src.segment, src.offset())
    cpu.f80_from_bcd(low, high)
    cpu.x87_load(cpu.fr_mantissa, cpu.fr_exponent, 0)


@instruction("FST", "D9 /2 Md", "DD /2 Mq", requires="x87")
def fst(cpu, dst):
    """Store ST(0), rounded to 32 or 64 bits. Raises IE, OE, UE, PE."""
    value = cpu.x87_store_float(dst.width)
    if cpu.x87_stores():
        dst.write(value)
    cpu.x87_begin_memory(cpu.insn_rip, cpu.x87_opcode, dst.segment, dst.offset())
    cpu.x87_commit_store()


@instruction("FSTP", "D9 /3 Md", "DD /3 Mq", requires="x87")
def fstp(cpu, dst):
    """Store ST(0), rounded to 32 or 64 bits, then pop."""
    value = cpu.x87_store_float(dst.width)
    if cpu.x87_stores():
        dst.write(value)
    cpu.x87_begin_memory(cpu.insn_rip, cpu.x87_opcode, dst.segment, dst.offset())
    if cpu.x87_commit_store():
        cpu.x87_pop()


@instruction("FSTP", "DB /7 Mt", requires="x87")
def fstp_extended(cpu, dst):
    """Store ST(0) as it is, 80 bits, then pop."""
    mantissa = cpu.x87_mantissa(0)
    exponent = cpu.x87_exponent(0)
    cpu.fp_raised = 0
    if cpu.x87_empty(0):
        cpu.x87_missing()
        mantissa = INDEFINITE_MANTISSA
        exponent = INDEFINITE_EXPONENT
    if cpu.x87_stores():
        dst.probe(10, ACCESS_WRITE)
        dst.write_at(0, 64, mantissa)
        dst.write_at(8, 16, exponent)
    cpu.x87_begin_memory(cpu.insn_rip, cpu.x87_opcode, dst.segment, dst.offset())
    if cpu.x87_commit_store():
        cpu.x87_pop()


@instruction("FST", "DD /2 Fi", requires="x87")
def fst_register(cpu, dst):
    """ST(i) = ST(0)."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.x87_copy_top(dst.index)


@instruction("FSTP", "DD /3 Fi", "DF /2 Fi", "DF /3 Fi", requires="x87")
def fstp_register(cpu, dst):
    """ST(i) = ST(0), then pop."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    if cpu.x87_copy_top(dst.index):
        cpu.x87_pop()


@instruction("FSTP1", "D9 /3 Fi", requires="x87")
def fstp1(cpu, dst):
    """As FSTP ST(i), but with an empty ST(0) it only pops (as AMD's processors do)."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.fsw = cpu.fsw & ~X_C1
    if cpu.x87_empty(0) == 0:
        cpu.x87_copy_top(dst.index)
    cpu.x87_pop()


@instruction("FIST", "DF /2 Mw", "DB /2 Md", requires="x87")
def fist(cpu, dst):
    """Store ST(0), rounded to a signed integer; one that does not fit raises IE and stores 100...0."""
    value = cpu.x87_store_int(dst.width)
    if cpu.x87_stores():
        dst.write(value)
    cpu.x87_begin_memory(cpu.insn_rip, cpu.x87_opcode, dst.segment, dst.offset())
    cpu.x87_commit_store()


@instruction("FISTP", "DF /3 Mw", "DB /3 Md", "DF /7 Mq", requires="x87")
def fistp(cpu, dst):
    """Store ST(0), rounded to a signed integer, then pop."""
    value = cpu.x87_store_int(dst.width)
    if cpu.x87_stores():
        dst.write(value)
    cpu.x87_begin_memory(cpu.insn_rip, cpu.x87_opcode, dst.segment, dst.offset())
    if cpu.x87_commit_store():
        cpu.x87_pop()


@instruction("FBSTP", "DF /6 Mt", requires="x87")
def fbstp(cpu, dst):
    """Store ST(0), rounded to an integer, as 18 packed decimal digits, then pop."""
    low = cpu.x87_store_bcd()
    high = cpu.fr_exponent
    if cpu.x87_stores():
        dst.probe(10, ACCESS_WRITE)
        dst.write_at(0, 64, low)
        dst.write_at(8, 16, high)
    cpu.x87_begin_memory(cpu.insn_rip, cpu.x87_opcode, dst.segment, dst.offset())
    if cpu.x87_commit_store():
        cpu.x87_pop()


@instruction("FXCH", "D9 /1 Fi", "DD /1 Fi", "DF /1 Fi", requires="x87")
def fxch(cpu, src):
    """Exchange ST(0) and ST(i)."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    i = src.index
    if cpu.x87_empty(0) or cpu.x87_empty(i):
        if cpu.x87_stack_fault(0) == 0:
            return
        if cpu.x87_empty(0):
            cpu.x87_put(0, INDEFINITE_MANTISSA, INDEFINITE_EXPONENT)
        if cpu.x87_empty(i):
            cpu.x87_put(i, INDEFINITE_MANTISSA, INDEFINITE_EXPONENT)
    else:
        cpu.fsw = cpu.fsw & ~X_C1
    mantissa = cpu.x87_mantissa(0)
    exponent = cpu.x87_exponent(0)
    cpu.x87_put(0, cpu.x87_mantissa(i), cpu.x87_exponent(i))
    cpu.x87_put(i, mantissa, exponent)


@instruction("FCMOVB", "DA /0 Fi", requires="x87")
def fcmovb(cpu, src):
    """ST(0) = ST(i) if CF."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.x87_move_if(cpu.condition(2), src.index)


@instruction("FCMOVE", "DA /1 Fi", requires="x87")
def fcmove(cpu, src):
    """ST(0) = ST(i) if ZF."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.x87_move_if(cpu.condition(4), src.index)


@instruction("FCMOVBE", "DA /2 Fi", requires="x87")
def fcmovbe(cpu, src):
    """ST(0) = ST(i) if CF or ZF."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.x87_move_if(cpu.condition(6), src.index)


@instruction("FCMOVU", "DA /3 Fi", requires="x87")
def fcmovu(cpu, src):
    """ST(0) = ST(i) if PF."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.x87_move_if(cpu.condition(10), src.index)


@instruction("FCMOVNB", "DB /0 Fi", requires="x87")
def fcmovnb(cpu, src):
    """ST(0) = ST(i) if not CF."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.x87_move_if(cpu.condition(3), src.index)


@instruction("FCMOVNE", "DB /1 Fi", requires="x87")
def fcmovne(cpu, src):
    """ST(0) = ST(i) if not ZF."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.x87_move_if(cpu.condition(5), src.index)


@instruction("FCMOVNBE", "DB /2 Fi", requires="x87")
def fcmovnbe(cpu, src):
    """ST(0) = ST(i) if neither CF nor ZF."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.x87_move_if(cpu.condition(7), src.index)


@instruction("FCMOVNU", "DB /3 Fi", requires="x87")
def fcmovnu(cpu, src):
    """ST(0) = ST(i) if not PF."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.x87_move_if(cpu.condition(11), src.index)


# The constants' mantissas by rounding control: nearest, down, up, towards zero (APM vol. 5, FLDPI and the like).
LOG2_10 = (0xD49A784BCD1B8AFE, 0xD49A784BCD1B8AFE, 0xD49A784BCD1B8AFF, 0xD49A784BCD1B8AFE)
LOG2_E = (0xB8AA3B295C17F0BC, 0xB8AA3B295C17F0BB, 0xB8AA3B295C17F0BC, 0xB8AA3B295C17F0BB)
PI = (0xC90FDAA22168C235, 0xC90FDAA22168C234, 0xC90FDAA22168C235, 0xC90FDAA22168C234)
LOG10_2 = (0x9A209A84FBCFF799, 0x9A209A84FBCFF798, 0x9A209A84FBCFF799, 0x9A209A84FBCFF798)
LN_2 = (0xB17217F7D1CF79AC, 0xB17217F7D1CF79AB, 0xB17217F7D1CF79AC, 0xB17217F7D1CF79AB)


@instruction("FLD1", "D9 /5 mod=reg rm=0", requires="x87")
def fld1(cpu):
    """Push 1.0."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.x87_load(1 << 63, 0x3FFF, 0)


@instruction("FLDL2T", "D9 /5 mod=reg rm=1", requires="x87")
def fldl2t(cpu):
    """Push the binary logarithm of 10."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.x87_load(LOG2_10[(cpu.fcw >> 10) & 3], 0x4000, 0)


@instruction("FLDL2E", "D9 /5 mod=reg rm=2", requires="x87")
def fldl2e(cpu):
    """Push the binary logarithm of e."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.x87_load(LOG2_E[(cpu.fcw >> 10) & 3], 0x3FFF, 0)


@instruction("FLDPI", "D9 /5 mod=reg rm=3", requires="x87")
def fldpi(cpu):
    """Push pi."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.x87_load(PI[(cpu.fcw >> 10) & 3], 0x4000, 0)


@instruction("FLDLG2", "D9 /5 mod=reg rm=4", requires="x87")
def fldlg2(cpu):
    """Push the decimal logarithm of 2."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.x87_load(LOG10_2[(cpu.fcw >> 10) & 3], 0x3FFD, 0)


@instruction("FLDLN2", "D9 /5 mod=reg rm=5", requires="x87")
def fldln2(cpu):
    """Push the natural logarithm of 2."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.x87_load(LN_2[(cpu.fcw >> 10) & 3], 0x3FFE, 0)


@instruction("FLDZ", "D9 /5 mod=reg rm=6", requires="x87")
def fldz(cpu):
    """Push +0.0."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.x87_load(0, 0, 0)


@instruction("FINCSTP", "D9 /6 mod=reg rm=7", requires="x87")
def fincstp(cpu):
    """Turn the stack: ST(1) becomes ST(0); no register changes or becomes empty."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.ftop = (cpu.ftop + 1) & 7
    cpu.fsw = cpu.fsw & ~X_C1


@instruction("FDECSTP", "D9 /6 mod=reg rm=6", requires="x87")
def fdecstp(cpu):
    """Turn the stack: ST(7) becomes ST(0)."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.ftop = (cpu.ftop - 1) & 7
    cpu.fsw = cpu.fsw & ~X_C1


@instruction("FFREE", "DD /0 Fi", requires="x87")
def ffree(cpu, dst):
    """ST(i) becomes empty."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.fsw = cpu.fsw & ~X_C1
    cpu.ftags = cpu.ftags | (1 << ((cpu.ftop + dst.index) & 7))


@instruction("FFREEP", "DF /0 Fi", requires="x87")
def ffreep(cpu, dst):
    """ST(i) becomes empty, then pop (APM vol. 5: an undocumented alias compilers know)."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.fsw = cpu.fsw & ~X_C1
    cpu.ftags = cpu.ftags | (1 << ((cpu.ftop + dst.index) & 7))
    cpu.x87_pop()


@instruction("FNOP", "D9 /2 mod=reg rm=0", requires="x87")
def fnop(cpu):
    """Nothing, but as any waiting instruction."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
