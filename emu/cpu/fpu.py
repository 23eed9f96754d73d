"""The x87 unit's registers: the stack, exceptions and their masks, the environment (APM vol. 1, 6.2 and 6.8).

An instruction first reads memory, then notes where it is (`x87_begin`), computes, and commits through one of the
functions here, which decide by the masks whether the destination changes. Exceptions unmasked become pending (ES),
and the next waiting instruction raises #MF.
"""

from emu.cpu.float80 import (
    INDEFINITE_EXPONENT,
    INDEFINITE_MANTISSA,
    QUIET_BIT,
    SNAN,
    X_BUSY,
    X_C0,
    X_C1,
    X_C2,
    X_C3,
    X_CODES,
    X_DE,
    X_ES,
    X_IE,
    X_OE,
    X_PE,
    X_SF,
    X_UE,
    X_ZE,
)
from emu.isa.language import CF, CR0_MP, CR0_PE, CR0_TS, CS, MASK32, MF, NM, PF, VM, ZF, Fault

BEFORE = X_IE | X_DE | X_ZE                     # exceptions found before an operation: unmasked, it does not happen
BEFORE_STORE = BEFORE | X_OE | X_UE             # the same for a store to memory


def require_x87(cpu):
    """Before a waiting x87 instruction: #NM when the unit is emulated or switched away, #MF when one is pending."""
    if cpu.fpu_blocked & 1:
        raise Fault(NM, 0)
    if cpu.fsw & X_ES:
        raise Fault(MF, 0)


def require_x87_nowait(cpu):
    """Before a non-waiting x87 instruction: #NM alone."""
    if cpu.fpu_blocked & 1:
        raise Fault(NM, 0)


def require_x87_wait(cpu):
    """FWAIT: #NM only when both TS and MP are set, and #MF."""
    if cpu.cr0 & (CR0_TS | CR0_MP) == CR0_TS | CR0_MP:
        raise Fault(NM, 0)
    if cpu.fsw & X_ES:
        raise Fault(MF, 0)


def x87_begin(cpu, rip, opcode):
    """Note the address and opcode of this instruction, which is none of control, for an exception handler."""
    cpu.fop = opcode
    cpu.fip = rip
    cpu.fcs = cpu.seg_sel[CS]


def x87_begin_memory(cpu, rip, opcode, segment, offset):
    """Note the addresses of this instruction and of its memory operand."""
    cpu.x87_begin(rip, opcode)
    cpu.fdp = offset
    cpu.fds = cpu.seg_sel[segment]


def x87_empty(cpu, i):
    """1 when ST(i) is empty, else 0."""
    return (cpu.ftags >> ((cpu.ftop + i) & 7)) & 1


def x87_mantissa(cpu, i):
    """The mantissa of ST(i)."""
    return cpu.fpr_mantissa[(cpu.ftop + i) & 7]


def x87_exponent(cpu, i):
    """Sign and exponent of ST(i)."""
    return cpu.fpr_exponent[(cpu.ftop + i) & 7]


def x87_put(cpu, i, m, e):
    """ST(i) = m, e; no longer empty."""
    register = (cpu.ftop + i) & 7
    cpu.fpr_mantissa[register] = m
    cpu.fpr_exponent[register] = e
    cpu.ftags = cpu.ftags & ~(1 << register)


def x87_pop(cpu):
    """Empty ST(0) and make ST(1) the top."""
    cpu.ftags = cpu.ftags | (1 << cpu.ftop)
    cpu.ftop = (cpu.ftop + 1) & 7


def x87_push(cpu, m, e):
    """Make a new top of stack."""
    cpu.ftop = (cpu.ftop - 1) & 7
    cpu.x87_put(0, m, e)


def x87_raise(cpu, raised, before):
    """Record exceptions, and C1 if in `raised`; returns 0 when one of the kinds `before` is unmasked, else 1."""
    unmasked = raised & ~cpu.fcw & 0x3F
    if unmasked & before:
        if unmasked & BEFORE:
            raised = raised & (BEFORE | X_SF | (X_C1 if raised & X_SF else 0))
        else:
            raised = raised & ~(X_PE | X_C1)
        cpu.fsw = (cpu.fsw & ~X_C1) | raised | X_ES | X_BUSY
        return 0
    cpu.fsw = (cpu.fsw & ~X_C1) | raised
    if unmasked:
        cpu.fsw = cpu.fsw | X_ES | X_BUSY
    return 1


def x87_stack_fault(cpu, direction):
    """Stack underflow (`direction` 0) or overflow (C1); returns 1 when masked: the indefinite NaN is the response."""
    return cpu.x87_raise(X_IE | X_SF | direction, BEFORE)


def x87_commit(cpu, i):
    """Record what the computation raised and put its result into ST(i); returns 0 when unmasked kinds forbid that."""
    if cpu.x87_raise(cpu.fp_raised, BEFORE) == 0:
        return 0
    cpu.x87_put(i, cpu.fr_mantissa, cpu.fr_exponent)
    return 1


def x87_load(cpu, m, e, raised):
    """Push m, e, having met `raised` on the way; a stack overflow goes first."""
    if (cpu.ftags >> ((cpu.ftop - 1) & 7)) & 1 == 0:
        if cpu.x87_stack_fault(X_C1):
            cpu.x87_push(INDEFINITE_MANTISSA, INDEFINITE_EXPONENT)
    elif cpu.x87_raise(raised, X_IE):
        cpu.x87_push(m, e)


def x87_underflow(cpu, i):
    """ST(i) should have been there: the stack fault, whose masked response is the indefinite NaN in ST(i)."""
    if cpu.x87_stack_fault(0):
        cpu.x87_put(i, INDEFINITE_MANTISSA, INDEFINITE_EXPONENT)
        return 1
    return 0


def x87_operate(cpu, operation, i, j):
    """ST(i) = ST(i) `operation` ST(j); returns 1 when done, so that a pop may follow."""
    if cpu.x87_empty(i) or cpu.x87_empty(j):
        return cpu.x87_underflow(i)
    cpu.f80_compute(operation, cpu.x87_mantissa(i), cpu.x87_exponent(i), cpu.x87_mantissa(j), cpu.x87_exponent(j), 0)
    return cpu.x87_commit(i)


def x87_operate_number(cpu, operation):
    """ST(0) = ST(0) `operation` the number in `fr_*`, which was converted from memory and raised `fp_raised`."""
    if cpu.x87_empty(0):
        cpu.x87_underflow(0)
        return
    cpu.f80_compute(operation, cpu.x87_mantissa(0), cpu.x87_exponent(0), cpu.fr_mantissa, cpu.fr_exponent,
                    cpu.fp_raised)
    cpu.x87_commit(0)


def x87_compare(cpu, i, quiet):
    """Compare ST(0) with ST(i) into C3 C2 C0; returns 1 when done, so that a pop may follow."""
    if cpu.x87_empty(0) or cpu.x87_empty(i):
        return cpu.x87_unordered()
    codes = cpu.f80_compare(cpu.x87_mantissa(0), cpu.x87_exponent(0), cpu.x87_mantissa(i), cpu.x87_exponent(i), quiet)
    return cpu.x87_commit_codes(codes)


def x87_compare_number(cpu, quiet):
    """Compare ST(0) with the number in `fr_*`, which was converted from memory and raised `fp_raised`."""
    if cpu.x87_empty(0):
        return cpu.x87_unordered()
    met = cpu.fp_raised
    codes = cpu.f80_compare(cpu.x87_mantissa(0), cpu.x87_exponent(0), cpu.fr_mantissa, cpu.fr_exponent, quiet)
    if codes & X_CODES != X_CODES & ~X_C1:
        cpu.fp_raised = cpu.fp_raised | met
    return cpu.x87_commit_codes(codes)


def x87_unordered(cpu):
    """A comparison with an empty register: the stack fault, and unordered."""
    done = cpu.x87_stack_fault(0)
    cpu.fsw = cpu.fsw | (X_CODES & ~X_C1)
    return done


def x87_commit_codes(cpu, codes):
    """Record what a comparison raised and, if it happened, its condition codes."""
    done = cpu.x87_raise(cpu.fp_raised, BEFORE)
    cpu.fsw = (cpu.fsw & ~X_CODES) | codes
    return done


def x87_compare_flags(cpu, i, quiet):
    """Compare ST(0) with ST(i) into ZF PF CF; returns 1 when done, so that a pop may follow."""
    if cpu.x87_empty(0) or cpu.x87_empty(i):
        codes = X_CODES & ~X_C1
        done = cpu.x87_stack_fault(0)
    else:
        codes = cpu.f80_compare(cpu.x87_mantissa(0), cpu.x87_exponent(0), cpu.x87_mantissa(i), cpu.x87_exponent(i),
                                quiet)
        kept = cpu.fsw & X_C1           # unlike in FCOM
        done = cpu.x87_raise(cpu.fp_raised, BEFORE)
        cpu.fsw = cpu.fsw | kept
    cpu.flags_set((CF if codes & X_C0 else 0) | (PF if codes & X_C2 else 0) | (ZF if codes & X_C3 else 0))
    return done


def x87_move_if(cpu, condition, i):
    """ST(0) = ST(i) when `condition` is not 0; both must be there."""
    if cpu.x87_empty(0) or cpu.x87_empty(i):
        cpu.x87_underflow(0)
    elif condition:
        cpu.x87_put(0, cpu.x87_mantissa(i), cpu.x87_exponent(i))


def x87_copy_top(cpu, i):
    """ST(i) = ST(0); returns 1 when done, so that a pop may follow."""
    if cpu.x87_empty(0):
        return cpu.x87_underflow(i)
    cpu.fsw = cpu.fsw & ~X_C1
    cpu.x87_put(i, cpu.x87_mantissa(0), cpu.x87_exponent(0))
    return 1


def x87_quiet(cpu, m, e):
    """Leave m, e as a load converts it: a signalling NaN becomes quiet, with IE."""
    kind = cpu.f80_class(m, e)
    if kind == SNAN:
        cpu.fp_raised = X_IE
        m = m | QUIET_BIT
    cpu.f80_result(m, e)


def x87_store_float(cpu, width):
    """What FST writes as a number of `width` bits; `fp_raised` says what it will raise."""
    if cpu.x87_empty(0):
        cpu.x87_missing()
        return 0xFFC00000 if width == 32 else 0xFFF8000000000000
    return cpu.f80_to_float(cpu.x87_mantissa(0), cpu.x87_exponent(0), width)


def x87_store_int(cpu, width):
    """What FIST writes as an integer of `width` bits; `fp_raised` says what it will raise."""
    if cpu.x87_empty(0):
        cpu.x87_missing()
        return 1 << (width - 1)
    return cpu.f80_to_int(cpu.x87_mantissa(0), cpu.x87_exponent(0), width)


def x87_missing(cpu):
    """Make a store's `fp_raised` say that ST(0) is empty."""
    cpu.fp_raised = X_IE | X_SF


def x87_store_bcd(cpu):
    """What FBSTP writes: the low 64 bits, and the upper 16 in `fr_exponent`."""
    if cpu.x87_empty(0):
        cpu.x87_missing()
        cpu.fr_exponent = 0xFFFF
        return 0xC000000000000000
    return cpu.f80_to_bcd(cpu.x87_mantissa(0), cpu.x87_exponent(0))


def x87_stores(cpu):
    """1 when what the conversion raised lets a store to memory happen, else 0."""
    return 1 if cpu.fp_raised & ~cpu.fcw & BEFORE_STORE == 0 else 0


def x87_commit_store(cpu):
    """Record what a store to memory raised; returns 1 when it happened, so that a pop may follow."""
    return cpu.x87_raise(cpu.fp_raised, BEFORE_STORE)


def x87_init(cpu):
    """The state after FNINIT: all masked, nearest, 64 bits, all empty; registers keep their contents."""
    cpu.fcw = 0x37F
    cpu.fsw = 0
    cpu.ftop = 0
    cpu.ftags = 0xFF
    cpu.fop = 0
    cpu.fip = 0
    cpu.fdp = 0
    cpu.fcs = 0
    cpu.fds = 0


def x87_set_control(cpu, value):
    """Load the control word; exceptions already recorded become pending or not by its masks."""
    cpu.fcw = (value & 0x1F3F) | 0x40
    cpu.x87_update_pending()


def x87_update_pending(cpu):
    """Derive ES and B from the exceptions recorded and their masks."""
    if cpu.fsw & ~cpu.fcw & 0x3F:
        cpu.fsw = cpu.fsw | X_ES | X_BUSY
    else:
        cpu.fsw = cpu.fsw & ~(X_ES | X_BUSY)


def x87_status(cpu):
    """The status word with TOP in bits 13 to 11."""
    return cpu.fsw | (cpu.ftop << 11)


def x87_set_status(cpu, value):
    """Load the status word, TOP included; ES and B follow from the exceptions and the control word."""
    cpu.ftop = (value >> 11) & 7
    cpu.fsw = value & 0x477F
    cpu.x87_update_pending()


def x87_tag_word(cpu):
    """The tag word of FNSTENV: two bits a physical register: 0 valid, 1 zero, 2 special, 3 empty."""
    word = 0
    for register in range(8):
        tag = 3
        if (cpu.ftags >> register) & 1 == 0:
            exponent = cpu.fpr_exponent[register] & 0x7FFF
            if exponent == 0 and cpu.fpr_mantissa[register] == 0:
                tag = 1
            elif exponent == 0 or exponent == 0x7FFF or cpu.fpr_mantissa[register] >> 63 == 0:
                tag = 2
            else:
                tag = 0
        word = word | (tag << (2 * register))
    return word


def x87_set_tag_word(cpu, word):
    """Load a tag word: only "empty or not" is kept, the rest follows from the contents."""
    tags = 0
    for register in range(8):
        if (word >> (2 * register)) & 3 == 3:
            tags = tags | (1 << register)
    cpu.ftags = tags


def x87_remainder(cpu, nearest):
    """FPREM, or FPREM1 when `nearest`: ST(0) by ST(1)."""
    cpu.fsw = cpu.fsw & ~X_C2
    if cpu.x87_empty(0) or cpu.x87_empty(1):
        cpu.x87_underflow(0)
        return
    codes = cpu.f80_remainder(cpu.x87_mantissa(0), cpu.x87_exponent(0), cpu.x87_mantissa(1), cpu.x87_exponent(1),
                              nearest)
    if cpu.x87_commit(0):
        cpu.fsw = (cpu.fsw & ~X_CODES) | codes


def x87_angle(cpu, operation):
    """ST(0) = SINE or COSINE of ST(0); C2 when it is too large."""
    cpu.fsw = cpu.fsw & ~X_C2
    if cpu.x87_empty(0):
        cpu.x87_underflow(0)
    elif cpu.f80_too_large(cpu.x87_mantissa(0), cpu.x87_exponent(0)):
        cpu.fsw = (cpu.fsw & ~X_C1) | X_C2
    else:
        cpu.f80_angle_function(operation, cpu.x87_mantissa(0), cpu.x87_exponent(0))
        cpu.x87_commit(0)


def x87_can_push_result(cpu):
    """For FSINCOS, FPTAN: 1 when ST(0) can be replaced and a second result pushed; else all is done here."""
    cpu.fsw = cpu.fsw & ~X_C2
    if cpu.x87_empty(0):
        if cpu.x87_underflow(0):
            cpu.x87_push(INDEFINITE_MANTISSA, INDEFINITE_EXPONENT)
        return 0
    if cpu.x87_empty(7) == 0:
        if cpu.x87_stack_fault(X_C1):
            cpu.x87_put(0, INDEFINITE_MANTISSA, INDEFINITE_EXPONENT)
            cpu.x87_push(INDEFINITE_MANTISSA, INDEFINITE_EXPONENT)
        return 0
    if cpu.f80_too_large(cpu.x87_mantissa(0), cpu.x87_exponent(0)):
        cpu.fsw = (cpu.fsw & ~X_C1) | X_C2
        return 0
    return 1


def x87_environment(cpu, k, opsize):
    """The k-th word (16 or 32 bits by `opsize`) of the environment FNSTENV writes (APM vol. 2, 11.4.4)."""
    upper = 0 if opsize == 16 else 0xFFFF0000
    if k == 0:
        return upper | cpu.fcw
    if k == 1:
        return upper | cpu.x87_status()
    if k == 2:
        return upper | cpu.x87_tag_word()
    if cpu.cr0 & CR0_PE == 0 or cpu.flags & VM:
        ip = ((cpu.fcs << 4) + cpu.fip) & MASK32
        dp = ((cpu.fds << 4) + cpu.fdp) & MASK32
        if k == 3:
            return upper | (ip & 0xFFFF)
        if k == 4:
            return (((ip >> 16) << 12) | cpu.fop) & (0xFFFF | upper)
        if k == 5:
            return upper | (dp & 0xFFFF)
        return ((dp >> 16) << 12) & (0xFFFF | upper)
    if opsize == 16:
        if k == 3:
            return cpu.fip & 0xFFFF
        if k == 4:
            return cpu.fcs
        return cpu.fdp & 0xFFFF if k == 5 else cpu.fds
    if k == 3:
        return cpu.fip & MASK32
    if k == 4:
        return cpu.fcs | (cpu.fop << 16)
    return cpu.fdp & MASK32 if k == 5 else upper | cpu.fds


def x87_set_environment(cpu, k, opsize, value):
    """Load the k-th word of an environment; the words come in ascending order."""
    if k == 0:
        cpu.x87_set_control(value)
    elif k == 1:
        cpu.x87_set_status(value & 0xFFFF)
    elif k == 2:
        cpu.x87_set_tag_word(value & 0xFFFF)
    elif cpu.cr0 & CR0_PE == 0 or cpu.flags & VM:
        # The pointers are linear here: kept as offsets from segment 0.
        if k == 3:
            cpu.fip = value & 0xFFFF
            cpu.fcs = 0
        elif k == 4:
            cpu.fip = cpu.fip | ((value & 0xFFFFF000) << 4 & MASK32)
            cpu.fop = value & 0x7FF
        elif k == 5:
            cpu.fdp = value & 0xFFFF
            cpu.fds = 0
        else:
            cpu.fdp = cpu.fdp | ((value & 0xFFFFF000) << 4 & MASK32)
    elif k == 3:
        cpu.fip = value
    elif k == 4:
        cpu.fcs = value & 0xFFFF
        cpu.fop = (value >> 16) & 0x7FF if opsize != 16 else 0
    elif k == 5:
        cpu.fdp = value
    else:
        cpu.fds = value & 0xFFFF
