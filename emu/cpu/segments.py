"""Segment descriptors: found in their table, checked, and cached in a segment register (APM vol. 2, chapter 4).

A descriptor travels as its eight bytes in one u64:

    63..56  55 54  53 52   51..48   47 46..45 44 43..40 39..16  15..0
    base    G  D/B L  AVL  limit    P  DPL    S  type   base    limit

System descriptors of long mode have eight more bytes: base 63..32, and zeros where the type would be.
"""

from emu.cpu.debug import NO_DEBUG, NO_INTERRUPT
from emu.isa.language import ATTR_DB, ATTR_L, CS, EFER_LMA, FS, GP, GS, LDTR, MASK32, MASK64, NP, SS, SS_VECTOR, TR, TS, Fault

D_ACCESSED, D_WRITABLE, D_CONFORMING, D_CODE = 1 << 40, 1 << 41, 1 << 42, 1 << 43
D_S, D_P, D_L, D_DB, D_G = 1 << 44, 1 << 47, 1 << 53, 1 << 54, 1 << 55

# Types of system descriptors (APM vol. 2, tables 4-5 and 4-6).
TSS16, LDT, TSS16_BUSY, CALL_GATE16, TASK_GATE, INTERRUPT_GATE16, TRAP_GATE16 = 1, 2, 3, 4, 5, 6, 7
TSS_AVAILABLE, TSS_BUSY, CALL_GATE, INTERRUPT_GATE, TRAP_GATE = 9, 11, 12, 14, 15


def descriptor_base(cpu, raw):
    """Bits 31..0 of the base."""
    return ((raw >> 16) & 0xFFFFFF) | ((raw >> 32) & 0xFF000000)


def descriptor_limit(cpu, raw):
    """The limit in bytes: the offset of the last byte."""
    limit = (raw & 0xFFFF) | ((raw >> 32) & 0xF0000)
    if raw & D_G:
        limit = (limit << 12) | 0xFFF
    return limit


def descriptor_attr(cpu, raw):
    """The attributes as `seg_attr` packs them."""
    return ((raw >> 40) & 0xFF) | ((raw >> 44) & 0xF00)


def descriptor_dpl(cpu, raw):
    """Descriptor privilege level."""
    return (raw >> 45) & 3


def system_type(cpu, raw):
    """Type of a system descriptor, or 0 (which no system descriptor has) for a code or data one."""
    if raw & D_S:
        return 0
    return (raw >> 40) & 15


def wrap_linear(cpu, la):
    """A linear address modulo 2**64 in long mode (compatibility mode too), modulo 2**32 elsewhere."""
    if cpu.efer & EFER_LMA:
        return la & MASK64
    return la & MASK32


def descriptor_in_table(cpu, selector, size):
    """1 when the `size` bytes of the selector's descriptor lie within the limit of its table, else 0."""
    limit = cpu.gdtr_limit
    if selector & 4:
        limit = cpu.seg_limit[LDTR]
    return 1 if (selector & 0xFFF8) + size - 1 <= limit else 0


def descriptor_address(cpu, selector):
    """Linear address of the descriptor."""
    base = cpu.gdtr_base
    if selector & 4:
        base = cpu.seg_base[LDTR]
    return cpu.wrap_linear(base + (selector & 0xFFF8))


def read_descriptor(cpu, selector, vector, error):
    """The descriptor's eight bytes; raises `vector` with `error` when it is outside its table, and #PF."""
    if cpu.descriptor_in_table(selector, 8) == 0:
        raise Fault(vector, error)
    return cpu.read_system(cpu.descriptor_address(selector), 64)


def read_descriptor_upper(cpu, selector, vector, error):
    """The upper eight bytes of a long-mode system descriptor; `vector` with `error` if they are not well formed."""
    if cpu.descriptor_in_table(selector, 16) == 0:
        raise Fault(vector, error)
    upper = cpu.read_system(cpu.wrap_linear(cpu.descriptor_address(selector) + 8), 64)
    if (upper >> 40) & 0x1F:
        raise Fault(vector, error)
    return upper


def mark_accessed(cpu, selector, raw):
    """Set the accessed bit of a code or data descriptor in its table; raises #PF."""
    if raw & D_ACCESSED == 0:
        cpu.write_system(cpu.wrap_linear(cpu.descriptor_address(selector) + 5), 8, ((raw >> 40) & 0xFF) | 1)


def set_segment(cpu, seg, selector, raw):
    """Fill segment register `seg` from a checked code or data descriptor."""
    cpu.seg_sel[seg] = selector
    cpu.seg_base[seg] = cpu.descriptor_base(raw)
    cpu.seg_limit[seg] = cpu.descriptor_limit(raw)
    cpu.seg_attr[seg] = cpu.descriptor_attr(raw) | 1


def set_flat_segment(cpu, seg, selector, attr):
    """Fill segment register `seg` with base 0 and limit 4 GiB, as SYSCALL and its kin do without a table."""
    cpu.seg_sel[seg] = selector
    cpu.seg_base[seg] = 0
    cpu.seg_limit[seg] = MASK32
    cpu.seg_attr[seg] = attr


def set_null_segment(cpu, seg, selector, dpl):
    """Make `seg` unusable: what a null selector does. Its base reads as 0 afterwards."""
    cpu.seg_sel[seg] = selector
    cpu.seg_base[seg] = 0
    cpu.seg_limit[seg] = 0
    cpu.seg_attr[seg] = dpl << 5


def settle_mode(cpu):
    """Recompute what follows from CS, SS, CPL and EFER.LMA. Call when all of them have their new values."""
    attr = cpu.seg_attr[CS]
    if cpu.efer & EFER_LMA and attr & ATTR_L:
        cpu.code_size = 64
        cpu.stack_size = 64
    else:
        cpu.code_size = 32 if attr & ATTR_DB else 16
        cpu.stack_size = 32 if cpu.seg_attr[SS] & ATTR_DB else 16
    cpu.update_mode()


def load_segment(cpu, seg, selector):
    """Load ES, SS, DS, FS or GS as MOV, POP and LxS do (APM vol. 2, 4.10); #GP #NP #SS #PF."""
    if seg == SS:
        cpu.load_stack_segment(selector)
        return
    if selector & 0xFFFC == 0:
        cpu.set_null_segment(seg, selector, 0)
        return
    error = selector & 0xFFFC
    raw = cpu.read_descriptor(selector, GP, error)
    if raw & D_S == 0 or (raw & D_CODE and raw & D_WRITABLE == 0):
        raise Fault(GP, error)
    if raw & (D_CODE | D_CONFORMING) != D_CODE | D_CONFORMING:
        dpl = cpu.descriptor_dpl(raw)
        if dpl < cpu.cpl or dpl < selector & 3:
            raise Fault(GP, error)
    if raw & D_P == 0:
        raise Fault(NP, error)
    cpu.mark_accessed(selector, raw)
    cpu.set_segment(seg, selector, raw)


def load_stack_segment(cpu, selector):
    """Load SS; the next instruction runs before any interrupt or debug exception (APM vol. 2, 8.2.1; SDM vol. 3, 6.8.3); #GP #SS #PF."""
    if selector & 0xFFFC == 0:
        if cpu.code_size != 64 or cpu.cpl == 3 or selector != cpu.cpl:
            raise Fault(GP, 0)
        cpu.set_null_segment(SS, selector, cpu.cpl)
    else:
        raw = cpu.stack_descriptor(selector, cpu.cpl, GP, 0)
        cpu.mark_accessed(selector, raw)
        cpu.set_segment(SS, selector, raw)
    cpu.settle_mode()
    cpu.interrupt_shadow = NO_INTERRUPT | NO_DEBUG
    cpu.single_step = 0


def stack_descriptor(cpu, selector, level, vector, ext):
    """The descriptor of a stack segment for privilege `level`; `vector` when it is none, #SS when it is not present.

    `vector` is #GP, or #TS for a selector found in the task state; `ext` is bit 0 of the error code.
    """
    error = (selector & 0xFFFC) | ext
    raw = cpu.read_descriptor(selector, vector, error)
    if selector & 3 != level or raw & (D_S | D_CODE | D_WRITABLE) != D_S | D_WRITABLE:
        raise Fault(vector, error)
    if cpu.descriptor_dpl(raw) != level:
        raise Fault(vector, error)
    if raw & D_P == 0:
        raise Fault(SS_VECTOR, error)
    return raw


def drop_inner_segments(cpu):
    """After a return to an outer level: segments of more privilege become null (APM vol. 2, 4.11.5).

    FS and GS keep their bases, which in 64-bit mode have a life of their own.
    """
    for seg in range(6):
        if seg != CS and seg != SS and cpu.seg_sel[seg] & 0xFFFC:
            attr = cpu.seg_attr[seg]
            if attr & 12 != 12 and ((attr >> 5) & 3) < cpu.cpl:
                cpu.seg_sel[seg] = 0
                cpu.seg_attr[seg] = 0
                cpu.seg_limit[seg] = 0
                if seg != FS and seg != GS:
                    cpu.seg_base[seg] = 0


def load_ldt(cpu, selector):
    """LLDT (APM vol. 3): #GP #NP #PF. A null selector leaves no local descriptor table."""
    if selector & 0xFFFC == 0:
        cpu.set_null_segment(LDTR, selector, 0)
        return
    error = selector & 0xFFFC
    if selector & 4:
        raise Fault(GP, error)
    raw = cpu.read_descriptor(selector, GP, error)
    if cpu.system_type(raw) != LDT:
        raise Fault(GP, error)
    if raw & D_P == 0:
        raise Fault(NP, error)
    cpu.set_system_segment(LDTR, selector, raw, cpu.system_base(selector, raw))


def load_task_register(cpu, selector):
    """LTR (APM vol. 3): marks the task state busy; #GP #NP #PF."""
    if selector & 0xFFFC == 0:
        raise Fault(GP, 0)
    error = selector & 0xFFFC
    if selector & 4:
        raise Fault(GP, error)
    raw = cpu.read_descriptor(selector, GP, error)
    kind = cpu.system_type(raw)
    if kind != TSS_AVAILABLE and (kind != TSS16 or cpu.efer & EFER_LMA):
        raise Fault(GP, error)
    if raw & D_P == 0:
        raise Fault(NP, error)
    raw = raw | (2 << 40)
    base = cpu.system_base(selector, raw)
    cpu.write_system(cpu.wrap_linear(cpu.descriptor_address(selector) + 5), 8, (raw >> 40) & 0xFF)
    cpu.set_system_segment(TR, selector, raw, base)


def system_base(cpu, selector, raw):
    """Base of an LDT or TSS: 64 bits in long mode, where it must be canonical (#GP)."""
    base = cpu.descriptor_base(raw)
    if cpu.efer & EFER_LMA:
        upper = cpu.read_descriptor_upper(selector, GP, selector & 0xFFFC)
        base = base | ((upper & MASK32) << 32)
        if cpu.is_canonical(base) == 0:
            raise Fault(GP, selector & 0xFFFC)
    return base


def set_system_segment(cpu, seg, selector, raw, base):
    """Fill LDTR or TR."""
    cpu.seg_sel[seg] = selector
    cpu.seg_base[seg] = base
    cpu.seg_limit[seg] = cpu.descriptor_limit(raw)
    cpu.seg_attr[seg] = cpu.descriptor_attr(raw)


def visible_descriptor(cpu, selector, system_types):
    """The descriptor as LAR, LSL, VERR and VERW may see it, or 0: they never fault on a selector (APM vol. 3, LAR).

    `system_types` has a bit for each type of system descriptor the instruction accepts.
    """
    if selector & 0xFFFC == 0 or cpu.descriptor_in_table(selector, 8) == 0:
        return 0
    raw = cpu.read_system(cpu.descriptor_address(selector), 64)
    if raw & D_S == 0:
        if (system_types >> cpu.system_type(raw)) & 1 == 0:
            return 0
        if cpu.efer & EFER_LMA:
            if cpu.descriptor_in_table(selector, 16) == 0:
                return 0
            upper = cpu.read_system(cpu.wrap_linear(cpu.descriptor_address(selector) + 8), 64)
            if (upper >> 40) & 0x1F:
                return 0
    if raw & (D_S | D_CODE | D_CONFORMING) != D_S | D_CODE | D_CONFORMING:
        dpl = cpu.descriptor_dpl(raw)
        if dpl < cpu.cpl or dpl < selector & 3:
            return 0
    return raw


def set_zero_flag(cpu, value):
    """ZF = `value` (0 or 1); the other status flags stay."""
    cpu.flags_set((cpu.status() & ~64) | (value << 6))


def tss_stack_pointer(cpu, slot, ext):
    """Long mode: RSP0 to RSP2 (slots 0 to 2), IST1 to IST7 (slots 4 to 10) of the task state (APM vol. 2, 12.2.5); #TS."""
    offset = 4 + 8 * slot
    if offset + 7 > cpu.seg_limit[TR]:
        raise Fault(TS, (cpu.seg_sel[TR] & 0xFFFC) | ext)
    return cpu.read_system(cpu.wrap_linear(cpu.seg_base[TR] + offset), 64)


def tss_legacy_stack(cpu, level, ext):
    """Protected mode: stack for `level` in the task state, selector above a 32-bit pointer; #TS."""
    if cpu.seg_attr[TR] & 8:
        offset = 4 + 8 * level
        if offset + 5 > cpu.seg_limit[TR]:
            raise Fault(TS, (cpu.seg_sel[TR] & 0xFFFC) | ext)
        pointer = cpu.read_system(cpu.wrap_linear(cpu.seg_base[TR] + offset), 32)
        selector = cpu.read_system(cpu.wrap_linear(cpu.seg_base[TR] + offset + 4), 16)
    else:
        offset = 2 + 4 * level
        if offset + 3 > cpu.seg_limit[TR]:
            raise Fault(TS, (cpu.seg_sel[TR] & 0xFFFC) | ext)
        pointer = cpu.read_system(cpu.wrap_linear(cpu.seg_base[TR] + offset), 16)
        selector = cpu.read_system(cpu.wrap_linear(cpu.seg_base[TR] + offset + 2), 16)
    return (selector << 32) | pointer
