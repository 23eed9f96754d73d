"""Intercepts: what of a guest's doing hands control to its host, and what the host is told of it (APM vol. 2, 15.9 to 15.14).

Outside of a guest the intercept words are zero, so that no check asks for the mode. Where the check stands among an
instruction's own exceptions is table 15-7's: mostly behind them, and before any access to memory.
"""

from emu.isa.exits import (
    EXIT_CR0_SELECTIVE,
    EXIT_CR_READ,
    EXIT_CR_WRITE,
    EXIT_DR_READ,
    EXIT_EXCEPTION,
    EXIT_INTR,
    EXIT_INVPCID,
    EXIT_IOIO,
    EXIT_MSR,
    EXIT_PAUSE,
    EXIT_TASK_SWITCH,
    IO_STRING,
    VM_EXIT,
)
from emu.isa.language import CR0_MP, CR0_TS, CS, MASK32, MASK64, PF_VECTOR, Fault, wrap64

NO_ERROR_CODE = 1 << 32


def note_exit(cpu, code, info1, info2):
    """Say why the guest is about to be left."""
    cpu.exit_code = code
    cpu.exit_info1 = info1
    cpu.exit_info2 = info2
    cpu.exit_next_rip = 0


def note_instruction(cpu, code, info1, info2):
    """Say that the guest is about to be left for the instruction in flight, which a next RIP comes with (15.7.1)."""
    cpu.note_exit(code, info1, info2)
    cpu.exit_next_rip = cpu.next_rip


def exit_instruction(cpu, code, info1, info2):
    """Leave the guest for the instruction in flight."""
    cpu.note_instruction(code, info1, info2)
    raise Fault(VM_EXIT, 0)


def intercept(cpu, code):
    """Leave the guest if instructions with this exit code (60h to 9Fh) are intercepted."""
    if (cpu.vm_intercepts >> (code - EXIT_INTR)) & 1:  # check: V12
        cpu.exit_instruction(code, 0, 0)


def intercept_with(cpu, code, info1):
    """intercept(), with something to say in EXITINFO1."""
    if (cpu.vm_intercepts >> (code - EXIT_INTR)) & 1:  # check: V12
        cpu.exit_instruction(code, info1, 0)


def intercept_trap(cpu, vector):
    """Leave the guest if the exception `vector`, which INT1, INT3 or INTO is about to raise, is intercepted (15.12)."""
    if (cpu.intercept_exceptions >> vector) & 1:  # check: V12
        cpu.exit_instruction(EXIT_EXCEPTION + vector, 0, 0)


def intercept_invpcid(cpu):
    """INVPCID is intercepted by a bit of its own."""
    if cpu.intercepts_more & 4:  # check: V12
        cpu.exit_instruction(EXIT_INVPCID, 0, 0)


def intercept_control_read(cpu, number, info):
    """A read of control register `number`."""
    if (cpu.intercept_cr >> number) & 1:  # check: V12
        cpu.exit_instruction(EXIT_CR_READ + number, info, 0)


def intercept_control_write(cpu, number, info):
    """A write of control register `number`."""
    if (cpu.intercept_cr >> (16 + number)) & 1:  # check: V12
        cpu.exit_instruction(EXIT_CR_WRITE + number, info, 0)


def intercept_cr0_write(cpu, value, info):
    """A write of `value` to CR0: the selective intercept is for other bits than TS and MP (15.9.1)."""
    cpu.intercept_control_write(0, info)
    if (cpu.cr0 ^ value) & ~(CR0_TS | CR0_MP):  # check: V12
        cpu.intercept_with(EXIT_CR0_SELECTIVE, info)


def intercept_debug(cpu, number, gpr):
    """An access to a debug register: 0 to 15 reads, 16 to 31 writes."""
    if (cpu.intercept_dr >> number) & 1:  # check: V12
        cpu.exit_instruction(EXIT_DR_READ + number, gpr, 0)


def intercept_port(cpu, port, size, kind, segment):
    """Port access of `size` bytes, by the permission map (15.10); `kind` is IO_IN for input, plus IO_STRING."""
    if (cpu.vm_intercepts >> (EXIT_IOIO - EXIT_INTR)) & 1 == 0:
        return
    bits = cpu.physical_read(cpu.iopm + (port >> 3), 1) | (cpu.physical_read(cpu.iopm + (port >> 3) + 1, 1) << 8)
    if (bits >> (port & 7)) & ((1 << size) - 1):  # check: V10
        # The operand size has bits 4 to 6, the address size bits 7 to 9, each in its order.
        info = kind | (size << 4) | (cpu.addrsize << 3) | (port << 16)
        if kind & IO_STRING:
            info = info | (segment << 10) | (8 if cpu.rep else 0)
        cpu.exit_instruction(EXIT_IOIO, info, cpu.next_rip)


def intercept_msr(cpu, index, write):
    """RDMSR or WRMSR (`write` 0 or 1) by the permission map: two bits a register, three ranges (15.11)."""
    if (cpu.vm_intercepts >> (EXIT_MSR - EXIT_INTR)) & 1 == 0:
        return
    place = 0x1800
    if index < 0x2000:
        place = 0
    elif index >= 0xC0000000 and index < 0xC0002000:
        place = 0x800
    elif index >= 0xC0010000 and index < 0xC0012000:
        place = 0x1000
    bit = (index & 0x1FFF) * 2 + write
    if place == 0x1800 or (cpu.physical_read(cpu.msrpm + place + (bit >> 3), 1) >> (bit & 7)) & 1:  # check: V11
        cpu.exit_instruction(EXIT_MSR, write, 0)


def intercept_task(cpu, selector, reason, error):
    """A task switch, once the new task has been found good (15.14.1). `reason`: bits 36 IRET, 38 far JMP."""
    if (cpu.vm_intercepts >> (EXIT_TASK_SWITCH - EXIT_INTR)) & 1:  # check: V12
        if error & NO_ERROR_CODE == 0:
            reason = reason | (1 << 44) | (error & MASK32)
        cpu.note_exit(EXIT_TASK_SWITCH, selector, reason)
        raise Fault(VM_EXIT, 0)


def pause_filter_step(cpu):
    """PAUSE in a guest that intercepts it: only where too many follow too closely on each other (15.14.4)."""
    now = cpu.now()
    elapsed = wrap64(now - cpu.pause_last)
    cpu.pause_last = now
    if cpu.pause_threshold and elapsed > cpu.pause_threshold:
        cpu.pause_count = cpu.pause_filter
        return
    if cpu.pause_count == 0:
        cpu.exit_instruction(EXIT_PAUSE, 0, 0)
    cpu.pause_count = cpu.pause_count - 1


def note_exception(cpu, vector, error):
    """Say that the guest is about to be left for an exception: its error code, and the address of a page fault (15.12)."""
    if error & NO_ERROR_CODE:
        error = 0
    cpu.note_exit(EXIT_EXCEPTION + vector, error, cpu.fault_address if vector == PF_VECTOR else 0)


def cached_code(cpu, la):
    """Physical address of code at `la` if the TLB has it, else all ones: a look that changes nothing."""
    if cpu.cr0 >> 31 == 0 and cpu.nested_paging == 0:
        return la & MASK32
    index = ((la >> 12) ^ cpu.tlb_salt) & 4095
    tag = cpu.tlb_tag[index]
    if (tag ^ la) >> 12 == 0 and tag & 1:
        if cpu.tlb_asid[index] == cpu.asid or cpu.tlb_asid[index] == cpu.asid_global:
            return cpu.tlb_page[index] | (la & 0xFFF)
    return MASK64


def save_instruction_bytes(cpu, at):
    """Decode assist (15.33.5): up to 15 bytes from RIP on, as far as the TLB knows the way, behind their number at `at`."""
    count = 0
    while count < 15:
        la = (cpu.rip + count) & MASK64
        if cpu.code_size != 64:
            la = (la + cpu.seg_base[CS]) & MASK32
        pa = cpu.cached_code(la)
        if pa == MASK64:
            break
        count = count + 1
        cpu.physical_write(at + count, 1, cpu.physical_read(pa, 1))
    cpu.physical_write(at, 1, count)
