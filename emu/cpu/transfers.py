"""Far jumps, calls and returns, call gates, SYSCALL and SYSENTER (APM vol. 2, 4.11 and 6.1).

As everywhere, every check and every access that may fault comes before the first change.
"""

from emu.cpu.segments import CALL_GATE, CALL_GATE16, D_CODE, D_CONFORMING, D_DB, D_L, D_P, D_S, TASK_GATE, TSS16, TSS_AVAILABLE
from emu.cpu.tasks import NO_TASK_ERROR, TASK_CALL, TASK_JUMP
from emu.isa.language import (
    ACCESS_WRITE,
    CR0_PE,
    CS,
    EFER_LMA,
    EFER_SCE,
    GP,
    IF,
    MASK32,
    NP,
    R11,
    RCX,
    RDX,
    RF,
    SS,
    TF,
    UD,
    VM,
    Fault,
)

FLAT_CODE64, FLAT_CODE32, FLAT_DATA = 0xA9B, 0xC9B, 0xC93      # attributes with DPL 0
JUMP, CALL = 0, 1


def check_far_target(cpu, raw, target):
    """#GP(0) unless `target` is canonical (64-bit code segment) or within the limit of the code segment `raw`."""
    if cpu.efer & EFER_LMA and raw & D_L:
        if cpu.is_canonical(target) == 0:
            raise Fault(GP, 0)
    elif target > cpu.descriptor_limit(raw):
        raise Fault(GP, 0)


def enter_code(cpu, selector, raw, target):
    """Load CS:RIP at the present CPL."""
    cpu.set_segment(CS, (selector & 0xFFFC) | cpu.cpl, raw)
    cpu.rip = target
    cpu.settle_mode()


def far_descriptor(cpu, selector):
    """The descriptor a far JMP or CALL names: a code segment it may enter directly, or a system one; #GP #NP."""
    if selector & 0xFFFC == 0:
        raise Fault(GP, 0)
    error = selector & 0xFFFC
    raw = cpu.read_descriptor(selector, GP, error)
    if raw & D_S == 0:
        return raw
    if raw & D_CODE == 0 or (cpu.efer & EFER_LMA and raw & (D_L | D_DB) == D_L | D_DB):
        raise Fault(GP, error)
    dpl = cpu.descriptor_dpl(raw)
    if raw & D_CONFORMING:
        if dpl > cpu.cpl:
            raise Fault(GP, error)
    elif selector & 3 > cpu.cpl or dpl != cpu.cpl:
        raise Fault(GP, error)
    if raw & D_P == 0:
        raise Fault(NP, error)
    return raw


def far_jump(cpu, selector, target):
    """JMP far: to a code segment, or through a call gate, task gate or task state; #GP #NP #SS #TS #PF."""
    raw = cpu.far_descriptor(selector)
    if raw & D_S == 0:
        cpu.far_system(selector, raw, JUMP)
        return
    cpu.check_far_target(raw, target)
    cpu.mark_accessed(selector, raw)
    cpu.enter_code(selector, raw, target)


def far_call(cpu, selector, target, width):
    """CALL far: as far_jump(), leaving CS and RIP, `width` bits each, on the stack."""
    raw = cpu.far_descriptor(selector)
    if raw & D_S == 0:
        cpu.far_system(selector, raw, CALL)
        return
    cpu.check_far_target(raw, target)
    cpu.push_return_address(selector, raw, width)
    cpu.enter_code(selector, raw, target)


def push_return_address(cpu, selector, raw, width):
    """Push CS and RIP on the current stack, as the last step of a CALL that may fault."""
    size = width >> 3
    first = cpu.stack_wrap(cpu.stack_pointer() - size)
    second = cpu.stack_wrap(first - size)
    cpu.probe_memory(SS, first, size, ACCESS_WRITE)
    cpu.probe_memory(SS, second, size, ACCESS_WRITE)
    cpu.mark_accessed(selector, raw)
    cpu.write_memory(SS, first, width, cpu.seg_sel[CS])
    rip = cpu.rip
    if width < 64:
        rip = rip & (MASK32 if width == 32 else 0xFFFF)
    cpu.write_memory(SS, second, width, rip)
    cpu.set_stack_pointer(second)


def far_system(cpu, selector, raw, how):
    """JMP or CALL (`how`) to a system descriptor: a gate, or a task outside long mode."""
    error = selector & 0xFFFC
    kind = cpu.system_type(raw)
    long_mode = cpu.efer & EFER_LMA
    task = 1 if kind == TASK_GATE or kind == TSS_AVAILABLE or kind == TSS16 else 0
    if kind != CALL_GATE and (long_mode or (kind != CALL_GATE16 and task == 0)):
        raise Fault(GP, error)
    dpl = cpu.descriptor_dpl(raw)
    if dpl < cpu.cpl or dpl < selector & 3:
        raise Fault(GP, error)
    if raw & D_P == 0:
        raise Fault(NP, error)
    if task:
        if kind == TASK_GATE:
            selector = (raw >> 16) & 0xFFFF
        cpu.switch_task(selector, TASK_CALL if how == CALL else TASK_JUMP, NO_TASK_ERROR, 0)
        return
    upper = 0
    if long_mode:
        upper = cpu.read_descriptor_upper(selector, GP, error)
    code_selector = (raw >> 16) & 0xFFFF
    code = cpu.gate_code(code_selector, 0)
    target = raw & 0xFFFF
    if kind == CALL_GATE:
        target = target | ((raw >> 32) & 0xFFFF0000)
    if long_mode:
        target = target | ((upper & MASK32) << 32)
    level = cpu.handler_level(code)
    if how == JUMP:
        if level != cpu.cpl:
            raise Fault(GP, code_selector & 0xFFFC)
        cpu.check_far_target(code, target)
        cpu.mark_accessed(code_selector, code)
        cpu.enter_code(code_selector, code, target)
        return
    width = 64 if long_mode else (32 if kind == CALL_GATE else 16)
    cpu.check_far_target(code, target)
    if level == cpu.cpl:
        cpu.push_return_address(code_selector, code, width)
        cpu.enter_code(code_selector, code, target)
    elif long_mode:
        cpu.call_inner_long(code_selector, code, target, level)
    else:
        cpu.call_inner(code_selector, code, target, level, (raw >> 32) & 31, width)


def call_inner_long(cpu, selector, raw, target, level):
    """A call gate to an inner level in long mode: SS, RSP, CS, RIP on the stack from the task state (APM 4.11.2)."""
    pointer = cpu.tss_stack_pointer(level, 0)
    cpu.open_frame_long(pointer, 32, level, 0)
    cpu.mark_accessed(selector, raw)
    cpu.frame_push(cpu.seg_sel[SS], 64)
    cpu.frame_push(cpu.gpr[4], 64)
    cpu.frame_push(cpu.seg_sel[CS], 64)
    cpu.frame_push(cpu.rip, 64)
    cpu.gpr[4] = cpu.frame_pointer
    cpu.set_null_segment(SS, level, level)
    cpu.cpl = level
    cpu.enter_code(selector, raw, target)


def call_inner(cpu, selector, raw, target, level, parameters, width):
    """A call gate to an inner level in protected mode: also copies `parameters` words of the caller's stack."""
    size = width >> 3
    pointer = cpu.tss_legacy_stack(level, 0)
    stack_selector = pointer >> 32
    pointer = pointer & MASK32
    stack_raw = cpu.inner_stack(stack_selector, level, 0)
    cpu.open_frame_protected(stack_selector, stack_raw, pointer, (parameters + 4) * size, size, level, 0)
    if parameters:
        cpu.probe_memory(SS, cpu.stack_pointer(), parameters * size, 0)
    cpu.mark_accessed(selector, raw)
    cpu.mark_accessed(stack_selector, stack_raw)
    cpu.frame_push(cpu.seg_sel[SS], width)
    cpu.frame_push(cpu.gpr[4], width)
    for k in range(parameters):
        cpu.frame_push(cpu.peek((parameters - 1 - k) * size, width), width)
    cpu.frame_push(cpu.seg_sel[CS], width)
    cpu.frame_push(cpu.rip, width)
    cpu.set_segment(SS, stack_selector, stack_raw)
    cpu.stack_size = 32 if stack_raw & D_DB else 16
    cpu.set_stack_pointer(cpu.frame_pointer)
    cpu.cpl = level
    cpu.enter_code(selector, raw, target)


def far_return(cpu, width, release):
    """RET far, dropping `release` more bytes of parameters (APM vol. 3, RET (Far)); #GP #NP #SS #PF."""
    size = width >> 3
    target = cpu.peek(0, width)
    selector = cpu.peek(size, width) & 0xFFFF
    raw = cpu.return_code(selector)
    level = selector & 3
    cpu.check_far_target(raw, target)
    if level == cpu.cpl:
        cpu.mark_accessed(selector, raw)
        cpu.drop(2 * size + release)
        cpu.enter_code(selector, raw, target)
        return
    pointer = cpu.peek(2 * size + release, width)
    stack_selector = cpu.peek(3 * size + release, width) & 0xFFFF
    stack_raw = cpu.return_stack(stack_selector, level, raw)
    cpu.mark_return(selector, raw, stack_selector, stack_raw)
    cpu.finish_return(selector, raw, target, stack_selector, stack_raw, pointer)
    cpu.set_stack_pointer(cpu.stack_pointer() + release)


def system_call(cpu):
    """SYSCALL (APM vol. 2, 6.1.1): #UD unless EFER.SCE. Legacy mode and compatibility mode have it as AMD's CPUs do."""
    if cpu.efer & EFER_SCE == 0 or cpu.cr0 & CR0_PE == 0:
        raise Fault(UD, 0)
    selector = (cpu.star >> 32) & 0xFFFC
    flags = cpu.read_flags()
    cpu.gpr[RCX] = cpu.rip
    code = FLAT_CODE32
    if cpu.efer & EFER_LMA:
        cpu.gpr[R11] = flags & ~RF
        cpu.rip = cpu.lstar if cpu.code_size == 64 else cpu.cstar
        cpu.write_flags(flags & ~cpu.sfmask & ~RF)
        code = FLAT_CODE64
    else:
        cpu.rip = cpu.star & MASK32
        cpu.write_flags(flags & ~(IF | VM | RF))
    cpu.set_flat_segment(CS, selector, code)
    cpu.set_flat_segment(SS, selector + 8, FLAT_DATA)
    cpu.cpl = 0
    cpu.single_step = cpu.flags & TF       # masked by SFMASK it does not trap in the kernel
    cpu.settle_mode()


def system_return(cpu, width):
    """SYSRET (APM vol. 2, 6.1.1): #UD unless EFER.SCE, #GP unless CPL 0. A bad RCX faults at ring 3, as on AMD."""
    if cpu.efer & EFER_SCE == 0 or cpu.cr0 & CR0_PE == 0:
        raise Fault(UD, 0)
    if cpu.cpl != 0:
        raise Fault(GP, 0)
    selector = (cpu.star >> 48) | 3
    code = FLAT_CODE32
    target = cpu.gpr[RCX] & MASK32
    if width == 64:
        selector = selector + 16
        code = FLAT_CODE64
        target = cpu.gpr[RCX]
    if cpu.efer & EFER_LMA:
        cpu.write_flags(cpu.gpr[R11] & ~(RF | VM))
    else:
        cpu.write_flags(cpu.read_flags() | IF)
    cpu.rip = target
    cpu.set_flat_segment(CS, selector & 0xFFFF, code | 0x60)
    cpu.set_flat_segment(SS, (((cpu.star >> 48) + 8) | 3) & 0xFFFF, FLAT_DATA | 0x60)
    cpu.cpl = 3
    cpu.settle_mode()


def system_enter(cpu):
    """SYSENTER: protected mode only, as on AMD (APM vol. 3); #UD in long mode, #GP without a code segment."""
    if cpu.efer & EFER_LMA:
        raise Fault(UD, 0)
    if cpu.cr0 & CR0_PE == 0 or cpu.sysenter_cs & 0xFFFC == 0:
        raise Fault(GP, 0)
    selector = cpu.sysenter_cs & 0xFFFC
    cpu.write_flags(cpu.read_flags() & ~(IF | VM | RF))
    cpu.gpr[4] = cpu.sysenter_esp & MASK32
    cpu.rip = cpu.sysenter_eip & MASK32
    cpu.set_flat_segment(CS, selector, FLAT_CODE32)
    cpu.set_flat_segment(SS, (selector + 8) & 0xFFFF, FLAT_DATA)
    cpu.cpl = 0
    cpu.settle_mode()


def system_exit(cpu):
    """SYSEXIT: back to ring 3 at EDX with stack ECX; #UD in long mode, #GP unless CPL 0."""
    if cpu.efer & EFER_LMA:
        raise Fault(UD, 0)
    if cpu.cr0 & CR0_PE == 0 or cpu.sysenter_cs & 0xFFFC == 0 or cpu.cpl != 0:
        raise Fault(GP, 0)
    selector = cpu.sysenter_cs & 0xFFFC
    cpu.gpr[4] = cpu.gpr[RCX] & MASK32
    cpu.rip = cpu.gpr[RDX] & MASK32
    cpu.set_flat_segment(CS, ((selector + 16) | 3) & 0xFFFF, FLAT_CODE32 | 0x60)
    cpu.set_flat_segment(SS, ((selector + 24) | 3) & 0xFFFF, FLAT_DATA | 0x60)
    cpu.cpl = 3
    cpu.settle_mode()
