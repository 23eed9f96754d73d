"""x87 comparisons and classification, into the condition codes or RFLAGS (APM vol. 5, chapter 2)."""

from emu.cpu.float80 import DENORMAL, INFINITY, NORMAL, QNAN, SNAN, X_C0, X_C1, X_C2, X_C3, X_CODES, ZERO
from emu.isa.language import sign_extend
from emu.isa.registry import instruction


@instruction("FCOM", "D8 /2 Md", "DC /2 Mq", requires="x87")
def fcom_memory(cpu, src):
    """Compare ST(0) with a 32- or 64-bit number: C3 C2 C0; IE for any NaN."""
    value = src.read()
    cpu.x87_begin_memory(cpu.insn_rip, cpu.x87_opcode, src.segment, src.offset())
    cpu.f80_from_float(value, src.width)
    cpu.x87_compare_number(0)


@instruction("FCOMP", "D8 /3 Md", "DC /3 Mq", requires="x87")
def fcomp_memory(cpu, src):
    """Compare ST(0) with a 32- or 64-bit number, then pop."""
    value = src.read()
    cpu.x87_begin_memory(cpu.insn_rip, cpu.x87_opcode, src.segment, src.offset())
    cpu.f80_from_float(value, src.width)
    if cpu.x87_compare_number(0):
        cpu.x87_pop()


@instruction("FICOM", "DE /2 Mw", "DA /2 Md", requires="x87")
def ficom(cpu, src):
    """Compare ST(0) with an integer."""
    value = src.read()
    cpu.x87_begin_memory(cpu.insn_rip, cpu.x87_opcode, src.segment, src.offset())
    cpu.f80_from_int(sign_extend(value, src.width))
    cpu.x87_compare_number(0)


@instruction("FICOMP", "DE /3 Mw", "DA /3 Md", requires="x87")
def ficomp(cpu, src):
    """Compare ST(0) with an integer, then pop."""
    value = src.read()
    cpu.x87_begin_memory(cpu.insn_rip, cpu.x87_opcode, src.segment, src.offset())
    cpu.f80_from_int(sign_extend(value, src.width))
    if cpu.x87_compare_number(0):
        cpu.x87_pop()


@instruction("FCOM", "D8 /2 Fi", "DC /2 Fi", requires="x87")
def fcom(cpu, src):
    """Compare ST(0) with ST(i): C3 C2 C0; IE for any NaN."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.x87_compare(src.index, 0)


@instruction("FCOMP", "D8 /3 Fi", "DC /3 Fi", "DE /2 Fi", requires="x87")
def fcomp(cpu, src):
    """Compare ST(0) with ST(i), then pop."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    if cpu.x87_compare(src.index, 0):
        cpu.x87_pop()


@instruction("FCOMPP", "DE /3 mod=reg rm=1", requires="x87")
def fcompp(cpu):
    """Compare ST(0) with ST(1), then pop both."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    if cpu.x87_compare(1, 0):
        cpu.x87_pop()
        cpu.x87_pop()


@instruction("FUCOM", "DD /4 Fi", requires="x87")
def fucom(cpu, src):
    """Compare ST(0) with ST(i); IE for signalling NaNs only."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.x87_compare(src.index, 1)


@instruction("FUCOMP", "DD /5 Fi", requires="x87")
def fucomp(cpu, src):
    """As FUCOM, then pop."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    if cpu.x87_compare(src.index, 1):
        cpu.x87_pop()


@instruction("FUCOMPP", "DA /5 mod=reg rm=1", requires="x87")
def fucompp(cpu):
    """As FUCOM with ST(1), then pop both."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    if cpu.x87_compare(1, 1):
        cpu.x87_pop()
        cpu.x87_pop()


@instruction("FCOMI", "DB /6 Fi", requires="x87")
def fcomi(cpu, src):
    """Compare ST(0) with ST(i) into ZF PF CF (OF SF AF become 0); IE for any NaN."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.x87_compare_flags(src.index, 0)


@instruction("FCOMIP", "DF /6 Fi", requires="x87")
def fcomip(cpu, src):
    """As FCOMI, then pop."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    if cpu.x87_compare_flags(src.index, 0):
        cpu.x87_pop()


@instruction("FUCOMI", "DB /5 Fi", requires="x87")
def fucomi(cpu, src):
    """As FCOMI; IE for signalling NaNs only."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.x87_compare_flags(src.index, 1)


@instruction("FUCOMIP", "DF /5 Fi", requires="x87")
def fucomip(cpu, src):
    """As FUCOMI, then pop."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    if cpu.x87_compare_flags(src.index, 1):
        cpu.x87_pop()


@instruction("FTST", "D9 /4 mod=reg rm=4", requires="x87")
def ftst(cpu):
    """Compare ST(0) with 0.0."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    cpu.fp_raised = 0
    cpu.f80_result(0, 0)
    cpu.x87_compare_number(0)


@instruction("FXAM", "D9 /4 mod=reg rm=5", requires="x87")
def fxam(cpu):
    """Class of ST(0) into C3 C2 C0, its sign into C1, also of an empty register."""
    cpu.x87_begin(cpu.insn_rip, cpu.x87_opcode)
    kind = cpu.f80_class(cpu.x87_mantissa(0), cpu.x87_exponent(0))
    codes = 0
    if cpu.x87_empty(0):
        codes = X_C3 | X_C0
    elif kind == QNAN or kind == SNAN:
        codes = X_C0
    elif kind == NORMAL:
        codes = X_C2
    elif kind == INFINITY:
        codes = X_C2 | X_C0
    elif kind == ZERO:
        codes = X_C3
    elif kind == DENORMAL:
        codes = X_C3 | X_C2
    if cpu.x87_exponent(0) & 0x8000:
        codes = codes | X_C1
    cpu.fsw = (cpu.fsw & ~X_CODES) | codes
