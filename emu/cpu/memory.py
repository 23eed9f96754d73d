"""Guest memory as instructions see it: segment and offset, or linear address; checked, and exact across pages.

Widths are in bits (8, 16, 32, 64), sizes in bytes. A read or write either happens whole or raises a fault with
nothing done.
"""

from emu.cpu.debug import DR7_ENABLED
from emu.cpu.paging import ACCESS_SYSTEM
from emu.isa.language import (
    AC_VECTOR,
    ACCESS_READ,
    ACCESS_WRITE,
    ATTR_DB,
    ATTR_P,
    CS,
    FS,
    GP,
    MASK32,
    MASK64,
    SS,
    SS_VECTOR,
    Fault,
)


def read_linear(cpu, la, width):
    """The `width` bits at linear address `la`; raises #PF, #AC."""
    size = width >> 3
    if cpu.mmu_mode == 3 and la & (size - 1):
        raise Fault(AC_VECTOR, 0)
    access = ACCESS_READ | ((cpu.mmu_mode & 1) << 2)
    if (la & 0xFFF) + size > 0x1000:
        return cpu.read_across(la, size, access)
    pa = cpu.translate(la, access)
    cpu.remember_read(la, pa)
    if cpu.dr[7] & DR7_ENABLED:
        cpu.meet_data(la, size, access)
    return cpu.physical_read(pa, size)


def write_linear(cpu, la, width, value):
    """Store the low `width` bits of `value` at linear address `la`; raises #PF, #AC."""
    size = width >> 3
    if cpu.mmu_mode == 3 and la & (size - 1):
        raise Fault(AC_VECTOR, 0)
    access = ACCESS_WRITE | ((cpu.mmu_mode & 1) << 2)
    if (la & 0xFFF) + size > 0x1000:
        cpu.write_across(la, size, access, value)
        return
    pa = cpu.translate(la, access)
    cpu.remember_write(la, pa)
    if cpu.dr[7] & DR7_ENABLED:
        cpu.meet_data(la, size, access)
    cpu.physical_write(pa, size, value)


def read_across(cpu, la, size, access):
    """A read that crosses a page boundary: both pages are checked before a byte is read."""
    second = (la & 0xFFFFFFFFFFFFF000) + 0x1000
    if cpu.code_size != 64 and la <= MASK32:     # beyond: system tables of long mode, seen from 32-bit code
        second = second & MASK32
    first_pa = cpu.translate(la, access)
    second_pa = cpu.translate(second & MASK64, access)
    if cpu.dr[7] & DR7_ENABLED:
        cpu.meet_data(la, size, access)
    value = 0
    here = 0x1000 - (la & 0xFFF)
    for k in range(8):
        if k < size:
            if k < here:
                byte = cpu.physical_read(first_pa + k, 1)
            else:
                byte = cpu.physical_read(second_pa + k - here, 1)
            value = value | (byte << (8 * k))
    return value


def write_across(cpu, la, size, access, value):
    """A write that crosses a page boundary: both pages are checked before a byte is written."""
    second = (la & 0xFFFFFFFFFFFFF000) + 0x1000
    if cpu.code_size != 64 and la <= MASK32:     # beyond: system tables of long mode, seen from 32-bit code
        second = second & MASK32
    first_pa = cpu.translate(la, access)
    second_pa = cpu.translate(second & MASK64, access)
    if cpu.dr[7] & DR7_ENABLED:
        cpu.meet_data(la, size, access)
    here = 0x1000 - (la & 0xFFF)
    for k in range(8):
        if k < size:
            if k < here:
                cpu.physical_write(first_pa + k, 1, (value >> (8 * k)) & 0xFF)
            else:
                cpu.physical_write(second_pa + k - here, 1, (value >> (8 * k)) & 0xFF)


def read_system(cpu, la, width):
    """An implicit supervisor read: descriptor tables, task state (APM vol. 2, 5.6.1); raises #PF."""
    size = width >> 3
    access = ACCESS_READ | ACCESS_SYSTEM
    if (la & 0xFFF) + size > 0x1000:
        return cpu.read_across(la, size, access)
    pa = cpu.translate(la, access)
    if cpu.dr[7] & DR7_ENABLED:
        cpu.meet_data(la, size, access)
    return cpu.physical_read(pa, size)


def write_system(cpu, la, width, value):
    """An implicit supervisor write; raises #PF."""
    size = width >> 3
    access = ACCESS_WRITE | ACCESS_SYSTEM
    if (la & 0xFFF) + size > 0x1000:
        cpu.write_across(la, size, access, value)
        return
    pa = cpu.translate(la, access)
    if cpu.dr[7] & DR7_ENABLED:
        cpu.meet_data(la, size, access)
    cpu.physical_write(pa, size, value)


def is_canonical(cpu, la):
    """1 when bits 63..47 of `la` are all equal (APM vol. 2, 1.1.3), else 0."""
    top = la >> 47
    return 1 if top == 0 or top == 0x1FFFF else 0


def segment_fault(cpu, seg):
    """#SS(0) for the stack segment, #GP(0) for any other."""
    if seg == SS:
        raise Fault(SS_VECTOR, 0)
    raise Fault(GP, 0)


def linear_address(cpu, seg, offset, size, access):
    """Linear address of `size` bytes at seg:offset, checked for an access (APM vol. 2, 4.7, 4.12); #GP, #SS."""
    if cpu.code_size == 64:
        la = offset
        if seg >= FS:
            la = (offset + cpu.seg_base[seg]) & MASK64
        if cpu.is_canonical(la) == 0 or cpu.is_canonical((la + size - 1) & MASK64) == 0:
            cpu.segment_fault(seg)
        return la
    attr = cpu.seg_attr[seg]
    if attr & ATTR_P == 0:
        cpu.segment_fault(seg)
    kind = attr & 0xF
    if kind & 8:
        if access & ACCESS_WRITE or (kind & 2 == 0 and access == 0):
            cpu.segment_fault(seg)
    elif access & ACCESS_WRITE and kind & 2 == 0:
        cpu.segment_fault(seg)
    last = offset + size - 1
    if kind & 12 == 4:
        top = MASK32 if attr & ATTR_DB else 0xFFFF
        if offset <= cpu.seg_limit[seg] or last > top:
            cpu.segment_fault(seg)
    elif last > cpu.seg_limit[seg]:
        cpu.segment_fault(seg)
    return (offset + cpu.seg_base[seg]) & MASK32


def read_memory(cpu, seg, offset, width):
    """The `width` bits at seg:offset; raises #GP, #SS, #PF, #AC."""
    return cpu.read_linear(cpu.linear_address(seg, offset, width >> 3, ACCESS_READ), width)


def write_memory(cpu, seg, offset, width, value):
    """Store `width` bits at seg:offset; raises #GP, #SS, #PF, #AC."""
    cpu.write_linear(cpu.linear_address(seg, offset, width >> 3, ACCESS_WRITE), width, value)


def read_memory_to_write(cpu, seg, offset, width):
    """Read seg:offset, which the same instruction will write: faults as a write would."""
    la = cpu.linear_address(seg, offset, width >> 3, ACCESS_WRITE)
    cpu.probe_linear(la, width >> 3, ACCESS_WRITE)
    return cpu.read_linear(la, width)


def probe_linear(cpu, la, size, access):
    """Raise the #PF that an access to `size` bytes (at most 4096) at `la` would raise, and do nothing else."""
    access = access | ((cpu.mmu_mode & 1) << 2)
    cpu.translate(la, access)
    if (la & 0xFFF) + size > 0x1000:
        second = (la & 0xFFFFFFFFFFFFF000) + 0x1000
        if cpu.code_size != 64:
            second = second & MASK32
        cpu.translate(second & MASK64, access)


def probe_memory(cpu, seg, offset, size, access):
    """Raise whatever fault an access to `size` bytes at seg:offset would raise, and do nothing else."""
    cpu.probe_linear(cpu.linear_address(seg, offset, size, access), size, access)


def check_target(cpu, target):
    """#GP(0) unless RIP may become `target`: canonical, or within the code segment's limit."""
    if cpu.code_size == 64:
        if cpu.is_canonical(target) == 0:
            raise Fault(GP, 0)
    elif target > cpu.seg_limit[CS]:
        raise Fault(GP, 0)


def stack_pointer(cpu):
    """RSP, ESP or SP, as wide as the stack segment says."""
    if cpu.stack_size == 64:
        return cpu.gpr[4]
    return cpu.gpr[4] & (MASK32 if cpu.stack_size == 32 else 0xFFFF)


def set_stack_pointer(cpu, value):
    """Set RSP, ESP (upper half zeroed only by 32-bit writes as for any register) or SP."""
    if cpu.stack_size == 64:
        cpu.gpr[4] = value & MASK64
    elif cpu.stack_size == 32:
        cpu.gpr[4] = value & MASK32
    else:
        cpu.gpr[4] = (cpu.gpr[4] & ~0xFFFF & MASK64) | (value & 0xFFFF)


def stack_wrap(cpu, value):
    """`value` modulo the stack pointer's width."""
    if cpu.stack_size == 64:
        return value & MASK64
    return value & (MASK32 if cpu.stack_size == 32 else 0xFFFF)


def push(cpu, value, width):
    """Store `value` below the stack pointer and move it down; raises #SS, #PF, #AC."""
    offset = cpu.stack_wrap(cpu.stack_pointer() - (width >> 3))
    cpu.write_memory(SS, offset, width, value)
    cpu.set_stack_pointer(offset)


def peek(cpu, depth, width):
    """The `width` bits `depth` bytes above the stack pointer; raises #SS, #PF, #AC."""
    return cpu.read_memory(SS, cpu.stack_wrap(cpu.stack_pointer() + depth), width)


def drop(cpu, size):
    """Move the stack pointer up by `size` bytes."""
    cpu.set_stack_pointer(cpu.stack_pointer() + size)


def pop(cpu, width):
    """Load from the stack pointer and move it up; raises #SS, #PF, #AC."""
    value = cpu.peek(0, width)
    cpu.drop(width >> 3)
    return value
