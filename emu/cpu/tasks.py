"""Hardware task switches of protected mode (APM vol. 2, 12.4): through JMP, CALL, task gates and IRET.

Until the new task's CR3, registers and selectors are in place, faults belong to the old task; those of loading
its segments belong to the new one, and save its RIP.
"""

from emu.cpu.debug import DR6_BT
from emu.cpu.paging import ACCESS_SYSTEM
from emu.cpu.segments import D_CODE, D_CONFORMING, D_P, D_S, D_WRITABLE, LDT, TSS16, TSS16_BUSY, TSS_AVAILABLE, TSS_BUSY
from emu.isa.language import ACCESS_WRITE, CR0_PG, CR0_TS, CS, DS, ES, FS, GP, GS, LDTR, MASK32, NP, NT, RF, SS, TR, TS, VM, Fault

NO_TASK_ERROR = 1 << 32
TASK_JUMP, TASK_CALL, TASK_RETURN = 0, 1, 2


def deliver_task(cpu, selector, error, image, ext):
    """An interrupt through a task gate: the new task runs nested, the error code on its stack."""
    cpu.flags = cpu.flags | (image & RF)
    cpu.switch_task(selector, TASK_CALL, error, ext)


def return_to_task(cpu):
    """IRET with NT set: back to the task that the link field names."""
    cpu.switch_task(cpu.read_system(cpu.wrap_linear(cpu.seg_base[TR]), 16), TASK_RETURN, NO_TASK_ERROR, 0)


def switch_task(cpu, selector, how, error, ext):
    """Save this task, load the one `selector` names, push `error` there unless it is NO_TASK_ERROR; #GP #TS #NP #SS #PF."""
    vector = TS if how == TASK_RETURN else GP
    code = (selector & 0xFFFC) | ext
    if selector & 4 or selector & 0xFFFC == 0:
        raise Fault(vector, code)
    raw = cpu.read_descriptor(selector, vector, code)
    kind = cpu.system_type(raw)
    wide = kind & 8
    if how == TASK_RETURN:
        if kind != TSS_BUSY and kind != TSS16_BUSY:
            raise Fault(vector, code)
    elif kind != TSS_AVAILABLE and kind != TSS16:
        raise Fault(vector, code)
    if raw & D_P == 0:
        raise Fault(NP, code)
    if cpu.descriptor_limit(raw) < (103 if wide else 43):
        raise Fault(TS, code)
    base = cpu.descriptor_base(raw)
    size = 104 if wide else 44
    cpu.probe_system(base, size, 0)
    if how == TASK_CALL:
        cpu.probe_system(base, 2, ACCESS_WRITE)
    cpu.probe_system(cpu.seg_base[TR], 104 if cpu.seg_attr[TR] & 8 else 44, ACCESS_WRITE)
    cpu.intercept_task(selector, (1 << 36) if how == TASK_RETURN else ((1 << 38) if how == TASK_JUMP else 0), error)
    cpu.save_task(how)
    if how == TASK_CALL:
        cpu.write_system(base, 16, cpu.seg_sel[TR])
    if how != TASK_CALL:
        cpu.mark_task(cpu.seg_sel[TR], 0)
    if how != TASK_RETURN:
        cpu.mark_task(selector, 2)
        raw = raw | (2 << 40)
    cpu.set_system_segment(TR, selector, raw, base)
    cpu.load_task(how, ext)
    if error != NO_TASK_ERROR:
        cpu.push(error, 32 if wide else 16)


def probe_system(cpu, la, size, access):
    """Raise the #PF an implicit access to `size` bytes at `la` would raise."""
    cpu.translate(la, access | ACCESS_SYSTEM)
    cpu.translate((la + size - 1) & MASK32, access | ACCESS_SYSTEM)


def mark_task(cpu, selector, busy):
    """Set (`busy` 2) or clear (0) the busy bit of a task state's descriptor."""
    la = cpu.wrap_linear(cpu.descriptor_address(selector) + 5)
    cpu.write_system(la, 8, (cpu.read_system(la, 8) & 0xFD) | busy)


def save_task(cpu, how):
    """Write the running task's registers into its task state."""
    base = cpu.seg_base[TR]
    flags = cpu.read_flags()
    if how == TASK_RETURN:
        flags = flags & ~NT
    if cpu.seg_attr[TR] & 8:
        cpu.write_system(cpu.wrap_linear(base + 32), 32, cpu.rip & MASK32)
        cpu.write_system(cpu.wrap_linear(base + 36), 32, flags)
        for number in range(8):
            cpu.write_system(cpu.wrap_linear(base + 40 + 4 * number), 32, cpu.gpr[number] & MASK32)
        for seg in range(6):
            cpu.write_system(cpu.wrap_linear(base + 72 + 4 * seg), 16, cpu.seg_sel[seg])
    else:
        cpu.write_system(cpu.wrap_linear(base + 14), 16, cpu.rip & 0xFFFF)
        cpu.write_system(cpu.wrap_linear(base + 16), 16, flags & 0xFFFF)
        for number in range(8):
            cpu.write_system(cpu.wrap_linear(base + 18 + 2 * number), 16, cpu.gpr[number] & 0xFFFF)
        for seg in range(4):
            cpu.write_system(cpu.wrap_linear(base + 34 + 2 * seg), 16, cpu.seg_sel[seg])


def load_task(cpu, how, ext):
    """Load registers, LDT and segments from the task state that TR now names."""
    base = cpu.seg_base[TR]
    wide = cpu.seg_attr[TR] & 8
    trap = 0
    if wide:
        cr3 = cpu.read_system(cpu.wrap_linear(base + 28), 32)
        rip = cpu.read_system(cpu.wrap_linear(base + 32), 32)
        flags = cpu.read_system(cpu.wrap_linear(base + 36), 32)
        for number in range(8):
            cpu.gpr[number] = cpu.read_system(cpu.wrap_linear(base + 40 + 4 * number), 32)
        for seg in range(6):
            cpu.set_null_segment(seg, cpu.read_system(cpu.wrap_linear(base + 72 + 4 * seg), 16), 0)
        table = cpu.read_system(cpu.wrap_linear(base + 96), 16)
        trap = cpu.read_system(cpu.wrap_linear(base + 100), 16) & 1
        if cpu.cr0 & CR0_PG:
            cpu.load_cr3(cr3)
    else:
        rip = cpu.read_system(cpu.wrap_linear(base + 14), 16)
        flags = cpu.read_system(cpu.wrap_linear(base + 16), 16)
        for number in range(8):
            cpu.gpr[number] = cpu.read_system(cpu.wrap_linear(base + 18 + 2 * number), 16)
        for seg in range(6):
            cpu.set_null_segment(seg, 0, 0)
        for seg in range(4):
            cpu.set_null_segment(seg, cpu.read_system(cpu.wrap_linear(base + 34 + 2 * seg), 16), 0)
        table = cpu.read_system(cpu.wrap_linear(base + 42), 16)
    if how == TASK_CALL:
        flags = flags | NT
    cpu.write_flags(flags & ~VM)
    cpu.disable_local_breakpoints()
    cpu.cr0 = cpu.cr0 | CR0_TS
    cpu.set_null_segment(LDTR, table, 0)
    # From here on a fault finds the new task already running: it saves the new RIP.
    cpu.rip = rip
    cpu.rip_settled = 1
    cpu.cpl = cpu.seg_sel[CS] & 3
    cpu.settle_mode()
    cpu.load_task_segments(table, ext)
    if rip > cpu.seg_limit[CS]:
        raise Fault(GP, ext)
    cpu.rip_settled = 0
    if trap:
        cpu.debug_hits = cpu.debug_hits | DR6_BT


def load_task_segments(cpu, table, ext):
    """LDTR, CS, SS and the data segments of a new task, whose selectors are in place; #TS #NP #SS."""
    error = (table & 0xFFFC) | ext
    if table & 0xFFFC:
        if table & 4:
            raise Fault(TS, error)
        raw = cpu.read_descriptor(table, TS, error)
        if cpu.system_type(raw) != LDT or raw & D_P == 0:
            raise Fault(TS, error)
        cpu.set_system_segment(LDTR, table, raw, cpu.descriptor_base(raw))
    selector = cpu.seg_sel[CS]
    error = (selector & 0xFFFC) | ext
    if selector & 0xFFFC == 0:
        raise Fault(TS, error)
    raw = cpu.read_descriptor(selector, TS, error)
    dpl = cpu.descriptor_dpl(raw)
    if raw & (D_S | D_CODE) != D_S | D_CODE or dpl > cpu.cpl or (raw & D_CONFORMING == 0 and dpl != cpu.cpl):
        raise Fault(TS, error)
    if raw & D_P == 0:
        raise Fault(NP, error)
    stack = cpu.seg_sel[SS]
    if stack & 0xFFFC == 0:
        raise Fault(TS, ext)
    stack_raw = cpu.stack_descriptor(stack, cpu.cpl, TS, ext)
    cpu.mark_return(selector, raw, stack, stack_raw)
    cpu.set_segment(CS, selector, raw)
    cpu.set_segment(SS, stack, stack_raw)
    cpu.settle_mode()
    cpu.load_task_data(ES, ext)
    cpu.load_task_data(DS, ext)
    cpu.load_task_data(FS, ext)
    cpu.load_task_data(GS, ext)


def load_task_data(cpu, seg, ext):
    """One data segment of a new task: as load_segment(), but #TS."""
    selector = cpu.seg_sel[seg]
    if selector & 0xFFFC == 0:
        return
    error = (selector & 0xFFFC) | ext
    raw = cpu.read_descriptor(selector, TS, error)
    if raw & D_S == 0 or (raw & D_CODE and raw & D_WRITABLE == 0):
        raise Fault(TS, error)
    if raw & (D_CODE | D_CONFORMING) != D_CODE | D_CONFORMING:
        dpl = cpu.descriptor_dpl(raw)
        if dpl < cpu.cpl or dpl < selector & 3:
            raise Fault(TS, error)
    if raw & D_P == 0:
        raise Fault(NP, error)
    cpu.mark_accessed(selector, raw)
    cpu.set_segment(seg, selector, raw)
