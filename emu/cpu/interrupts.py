"""Interrupt gates: from a vector to its handler, and IRET back (APM vol. 2, chapter 8).

Delivery checks everything, probes the new stack, and only then changes the machine: a Fault raised here means that
nothing happened but a CR2. Bit 0 of error codes (EXT, `ext` below) is 1 unless a software interrupt was the event.
"""

from emu.cpu.debug import DR7_ENABLED
from emu.cpu.segments import D_CODE, D_CONFORMING, D_DB, D_L, D_P, D_S, INTERRUPT_GATE
from emu.isa.language import (
    AC,
    ACCESS_USER,
    ACCESS_WRITE,
    CS,
    DF,
    EFER_LMA,
    GP,
    ID,
    IF,
    IOPL,
    MASK32,
    MASK64,
    NP,
    NT,
    RF,
    SS,
    SS_VECTOR,
    STATUS_FLAGS,
    TF,
    TS,
    VIF,
    VIP,
    VM,
    Fault,
)

NO_ERROR_CODE = 1 << 32


def gate_code(cpu, selector, ext):
    """The code segment a gate leads to, checked; #GP #NP #PF."""
    if selector & 0xFFFC == 0:
        raise Fault(GP, ext)
    error = (selector & 0xFFFC) | ext
    raw = cpu.read_descriptor(selector, GP, error)
    if raw & (D_S | D_CODE) != D_S | D_CODE or cpu.descriptor_dpl(raw) > cpu.cpl:
        raise Fault(GP, error)
    if cpu.efer & EFER_LMA and raw & (D_L | D_DB) != D_L:
        raise Fault(GP, error)
    if raw & D_P == 0:
        raise Fault(NP, error)
    return raw


def handler_level(cpu, raw):
    """CPL in the code segment that a gate leads to: conforming segments keep the caller's."""
    if raw & D_CONFORMING:
        return cpu.cpl
    return cpu.descriptor_dpl(raw)


def deliver_long(cpu, vector, error, image, ext):
    """Long mode (APM vol. 2, 8.9): 16-byte gates, five 8-byte words on a 16-byte aligned stack, IST."""
    index_error = vector * 8 + 2 + ext
    entry = vector * 16
    if entry + 15 > cpu.idtr_limit:
        raise Fault(GP, index_error)
    gate = cpu.read_system((cpu.idtr_base + entry) & MASK64, 64)
    upper = cpu.read_system((cpu.idtr_base + entry + 8) & MASK64, 64)
    if (gate >> 40) & 0x1E != INTERRUPT_GATE:
        raise Fault(GP, index_error)
    if ext == 0 and cpu.descriptor_dpl(gate) < cpu.cpl:
        raise Fault(GP, index_error)
    if gate & D_P == 0:
        raise Fault(NP, index_error)
    selector = (gate >> 16) & 0xFFFF
    raw = cpu.gate_code(selector, ext)
    target = (gate & 0xFFFF) | ((gate >> 32) & 0xFFFF0000) | ((upper & MASK32) << 32)
    level = cpu.handler_level(raw)
    ist = (gate >> 32) & 7
    pointer = cpu.gpr[4]
    if ist:
        pointer = cpu.tss_stack_pointer(ist + 3, ext)
    elif level != cpu.cpl:
        pointer = cpu.tss_stack_pointer(level, ext)
    pointer = pointer & 0xFFFFFFFFFFFFFFF0
    size = 40 if error & NO_ERROR_CODE else 48
    if cpu.is_canonical(target) == 0:
        raise Fault(GP, ext)
    cpu.open_frame_long(pointer, size, level, ext)
    cpu.mark_accessed(selector, raw)
    cpu.frame_push(cpu.seg_sel[SS], 64)
    cpu.frame_push(cpu.gpr[4], 64)
    cpu.frame_push(image, 64)
    cpu.frame_push(cpu.seg_sel[CS], 64)
    cpu.frame_push(cpu.rip, 64)
    if error & NO_ERROR_CODE == 0:
        cpu.frame_push(error, 64)
    cpu.gpr[4] = cpu.frame_pointer
    if level != cpu.cpl:
        cpu.set_null_segment(SS, level, level)
    cpu.enter_handler(gate, selector, raw, level, target)


def enter_handler(cpu, gate, selector, raw, level, target):
    """The frame is on the stack: continue in the handler. An interrupt gate closes IF, a trap gate does not."""
    cpu.set_segment(CS, (selector & 0xFFFC) | level, raw)
    cpu.cpl = level
    cpu.rip = target
    clear = TF | NT | RF | VM
    if gate & (1 << 40) == 0:
        clear = clear | IF
    cpu.flags = cpu.flags & ~clear
    cpu.settle_mode()


def open_frame_long(cpu, pointer, size, level, ext):
    """Prepare to push `size` bytes (at most 4096) below `pointer` at privilege `level`; #SS, #PF."""
    if cpu.is_canonical((pointer - size) & MASK64) == 0 or cpu.is_canonical((pointer - 1) & MASK64) == 0:
        raise Fault(SS_VECTOR, ext)
    cpu.open_frame(0, MASK64, pointer, size, 8, level)


def open_frame(cpu, base, offset_mask, pointer, size, word, level):
    """Set where frame_push() pushes, and raise the #PF that pushing `size` bytes, `word` at a time, would raise.

    CR2 is then the address of the first word that cannot be pushed.
    """
    cpu.frame_base = base
    cpu.frame_mask = offset_mask
    cpu.frame_pointer = pointer & offset_mask
    cpu.frame_access = ACCESS_WRITE | (ACCESS_USER if level == 3 else 0)
    top = cpu.wrap_linear(base + ((pointer - word) & offset_mask))
    cpu.translate(top, cpu.frame_access)
    if (top & 0xFFF) + word > 0x1000:
        cpu.translate(cpu.wrap_linear((top & 0xFFFFFFFFFFFFF000) + 0x1000), cpu.frame_access)
    if (top ^ cpu.wrap_linear(base + ((pointer - size) & offset_mask))) >> 12:
        below = top
        depth = word
        while (top ^ below) >> 12 == 0:
            depth = depth + word
            below = cpu.wrap_linear(base + ((pointer - depth) & offset_mask))
        cpu.translate(below, cpu.frame_access)


def frame_push(cpu, value, width):
    """Push onto the frame that open_frame() prepared."""
    cpu.frame_pointer = (cpu.frame_pointer - (width >> 3)) & cpu.frame_mask
    la = cpu.wrap_linear(cpu.frame_base + cpu.frame_pointer)
    size = width >> 3
    if width < 64:
        value = value & (MASK32 if width == 32 else 0xFFFF)
    if (la & 0xFFF) + size > 0x1000:
        cpu.write_across(la, size, cpu.frame_access, value)
    else:
        pa = cpu.translate(la, cpu.frame_access)
        if cpu.dr[7] & DR7_ENABLED:
            cpu.meet_data(la, size, cpu.frame_access)
        cpu.physical_write(pa, size, value)


def stack_has_room(cpu, attr, limit, pointer, size):
    """1 when `size` bytes below `pointer` lie within a stack segment of these attributes and limit, else 0."""
    top = MASK32 if attr & 0x400 else 0xFFFF
    first = (pointer - size) & top
    last = first + size - 1
    if attr & 4:
        return 1 if first > limit and last <= top else 0
    return 1 if last <= limit else 0


def deliver_protected(cpu, vector, error, image, ext):
    """Protected mode (APM vol. 2, 8.7): 8-byte gates, words of the gate's size, stacks from the task state."""
    index_error = vector * 8 + 2 + ext
    entry = vector * 8
    if entry + 7 > cpu.idtr_limit:
        raise Fault(GP, index_error)
    gate = cpu.read_system((cpu.idtr_base + entry) & MASK32, 64)
    kind = (gate >> 40) & 0x1F
    if kind != 5 and kind & 0x16 != 6:
        raise Fault(GP, index_error)
    if ext == 0 and cpu.descriptor_dpl(gate) < cpu.cpl:
        raise Fault(GP, index_error)
    if gate & D_P == 0:
        raise Fault(NP, index_error)
    selector = (gate >> 16) & 0xFFFF
    if kind == 5:
        cpu.deliver_task(selector, error, image, ext)
        return
    raw = cpu.gate_code(selector, ext)
    level = cpu.handler_level(raw)
    width = 32 if kind & 8 else 16
    target = gate & 0xFFFF
    if kind & 8:
        target = target | ((gate >> 32) & 0xFFFF0000)
    words = 3 if error & NO_ERROR_CODE else 4
    if target > cpu.descriptor_limit(raw):
        raise Fault(GP, ext)
    stack_raw = 0
    stack_selector = cpu.seg_sel[SS]
    if level != cpu.cpl:
        pointer = cpu.tss_legacy_stack(level, ext)
        stack_selector = pointer >> 32
        pointer = pointer & MASK32
        words = words + 2
        stack_raw = cpu.inner_stack(stack_selector, level, ext)
        cpu.open_frame_protected(stack_selector, stack_raw, pointer, words * (width >> 3), width >> 3, level, ext)
    else:
        cpu.open_frame_same(words * (width >> 3), width >> 3, ext)
    cpu.mark_accessed(selector, raw)
    if level != cpu.cpl:
        cpu.mark_accessed(stack_selector, stack_raw)
        cpu.frame_push(cpu.seg_sel[SS], width)
        cpu.frame_push(cpu.gpr[4], width)
    cpu.frame_push(image, width)
    cpu.frame_push(cpu.seg_sel[CS], width)
    cpu.frame_push(cpu.rip, width)
    if error & NO_ERROR_CODE == 0:
        cpu.frame_push(error, width)
    if level != cpu.cpl:
        cpu.set_segment(SS, stack_selector, stack_raw)
        cpu.stack_size = 32 if stack_raw & D_DB else 16
    cpu.set_stack_pointer(cpu.frame_pointer)
    cpu.enter_handler(gate, selector, raw, level, target)


def inner_stack(cpu, selector, level, ext):
    """The stack segment of an inner level as the task state names it; #TS, #SS."""
    if selector & 0xFFFC == 0:
        raise Fault(TS, ext)
    return cpu.stack_descriptor(selector, level, TS, ext)


def open_frame_protected(cpu, selector, raw, pointer, size, word, level, ext):
    """open_frame() on a stack segment about to be loaded; #SS(selector)."""
    if cpu.stack_has_room(cpu.descriptor_attr(raw), cpu.descriptor_limit(raw), pointer, size) == 0:
        raise Fault(SS_VECTOR, (selector & 0xFFFC) | ext)
    cpu.open_frame(cpu.descriptor_base(raw), MASK32 if raw & D_DB else 0xFFFF, pointer, size, word, level)


def open_frame_same(cpu, size, word, ext):
    """open_frame() on the current stack of protected mode; #SS."""
    pointer = cpu.stack_pointer()
    if cpu.stack_has_room(cpu.seg_attr[SS], cpu.seg_limit[SS], pointer, size) == 0:
        raise Fault(SS_VECTOR, ext)
    cpu.open_frame(cpu.seg_base[SS], MASK32 if cpu.stack_size == 32 else 0xFFFF, pointer, size, word, cpu.cpl)


def interrupt_return(cpu, width):
    """IRET, IRETD, IRETQ (APM vol. 3): #GP #NP #SS #PF. Unblocks NMI."""
    if cpu.flags & NT:
        if cpu.efer & EFER_LMA:
            raise Fault(GP, 0)
        cpu.return_to_task()
        return
    size = width >> 3
    target = cpu.peek(0, width)
    selector = cpu.peek(size, width) & 0xFFFF
    image = cpu.peek(2 * size, width)
    raw = cpu.return_code(selector)
    level = selector & 3
    outer = level != cpu.cpl
    cpu.check_far_target(raw, target)
    if outer or cpu.code_size == 64:
        pointer = cpu.peek(3 * size, width)
        stack_selector = cpu.peek(4 * size, width) & 0xFFFF
        stack_raw = cpu.return_stack(stack_selector, level, raw)
        cpu.mark_return(selector, raw, stack_selector, stack_raw)
        cpu.return_flags(image, width)
        cpu.finish_return(selector, raw, target, stack_selector, stack_raw, pointer)
    else:
        cpu.mark_accessed(selector, raw)
        cpu.return_flags(image, width)
        cpu.drop(3 * size)
        cpu.set_segment(CS, selector, raw)
        cpu.rip = target
        cpu.settle_mode()
    cpu.nmi_blocked = 0


def return_flags(cpu, image, width):
    """RFLAGS from IRET's image, as far as CPL and IOPL allow (APM vol. 3, IRET); CPL still the old one."""
    allowed = STATUS_FLAGS | TF | DF | NT
    if width > 16:
        allowed = allowed | AC | ID | RF
    if cpu.cpl == 0:
        allowed = allowed | IOPL
        if width > 16:
            allowed = allowed | VIF | VIP
    if cpu.cpl <= (cpu.flags & IOPL) >> 12:
        allowed = allowed | IF
    cpu.write_flags((cpu.read_flags() & ~allowed) | (image & allowed))


def return_code(cpu, selector):
    """The code segment IRET or a far RET returns to, checked; #GP #NP #PF."""
    if selector & 0xFFFC == 0:
        raise Fault(GP, 0)
    error = selector & 0xFFFC
    level = selector & 3
    raw = cpu.read_descriptor(selector, GP, error)
    if raw & (D_S | D_CODE) != D_S | D_CODE or level < cpu.cpl:
        raise Fault(GP, error)
    if cpu.efer & EFER_LMA and raw & (D_L | D_DB) == D_L | D_DB:
        raise Fault(GP, error)
    dpl = cpu.descriptor_dpl(raw)
    if dpl > level or (raw & D_CONFORMING == 0 and dpl != level):
        raise Fault(GP, error)
    if raw & D_P == 0:
        raise Fault(NP, error)
    return raw


def return_stack(cpu, selector, level, code):
    """The stack segment of a return to `level`, or 0 for the null one that 64-bit code below ring 3 may have."""
    if selector & 0xFFFC == 0:
        if cpu.efer & EFER_LMA == 0 or code & D_L == 0 or level == 3:
            raise Fault(GP, 0)
        return 0
    return cpu.stack_descriptor(selector, level, GP, 0)


def mark_return(cpu, selector, raw, stack_selector, stack_raw):
    """Set the accessed bits of the descriptors a return loads; raises #PF."""
    cpu.mark_accessed(selector, raw)
    if stack_raw:
        cpu.mark_accessed(stack_selector, stack_raw)


def finish_return(cpu, selector, raw, target, stack_selector, stack_raw, pointer):
    """Load CS:RIP and SS:RSP of a return, after every check; inner data segments are lost on the way out."""
    level = selector & 3
    if stack_raw:
        cpu.set_segment(SS, stack_selector, stack_raw)
    else:
        cpu.set_null_segment(SS, stack_selector, level)
    outer = level != cpu.cpl
    cpu.set_segment(CS, selector, raw)
    cpu.cpl = level
    cpu.rip = target
    cpu.settle_mode()
    cpu.set_stack_pointer(pointer)
    if outer:
        cpu.drop_inner_segments()
