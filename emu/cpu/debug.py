"""Breakpoints: DR0 to DR3 as DR7 enables them, and the #DB that follows (APM vol. 2, 13.1; SDM vol. 3, 18.2 and 18.3).

Those on instructions are faults, which an engine asks for before each instruction. Those on data and ports are traps:
`debug_hits` gathers them, and with them single steps and task switches, as DR6 has them, until the instruction has ended.
Pages with breakpoints on data are kept out of the engines' caches, so that every access to them comes by here.

    DR7   31..16: LEN RW of 3, 2, 1, 0 (four bits each)   13 GD   9 GE   8 LE   7..0: G L of 3, 2, 1, 0
"""

from emu.isa.language import ACCESS_WRITE, CODE64, CR4_DE, CS, MASK32, wrap64

DR7_ENABLED, DR7_LOCAL = 0xFF, 0x155
DR6_BS, DR6_BT = 0x4000, 0x8000
ON_EXECUTION, ON_WRITE, ON_PORT, ON_ACCESS = range(4)
LENGTHS = (1, 2, 8, 4)

# Of `interrupt_shadow`: what the next instruction is kept free of.
NO_INTERRUPT, NO_DEBUG = 1, 2


def breakpoint_kind(cpu, n):
    """R/W of breakpoint `n`, or 4 when it is not enabled."""
    if (cpu.dr[7] >> (2 * n)) & 3 == 0:
        return 4
    return (cpu.dr[7] >> (16 + 4 * n)) & 3


def breakpoint_touched(cpu, n, address, size):
    """1 when one of `size` bytes at `address` is one of breakpoint `n`'s, which is aligned to its length; else 0."""
    length = LENGTHS[(cpu.dr[7] >> (18 + 4 * n)) & 3]
    first = cpu.dr[n] & ~(length - 1)
    return 1 if wrap64(address - first) < length or wrap64(first - address) < size else 0


def instruction_breakpoints(cpu):
    """Which breakpoints, as bits of DR6, the instruction at CS:RIP has."""
    la = cpu.rip
    if cpu.code_size != CODE64:
        la = (la + cpu.seg_base[CS]) & MASK32
    hits = 0
    for n in range(4):
        if cpu.dr[n] == la and cpu.breakpoint_kind(n) == ON_EXECUTION:
            hits = hits | (1 << n)
    return hits


def page_is_watched(cpu, la):
    """1 when there is a breakpoint on data in the page of `la`, else 0."""
    for n in range(4):
        if (cpu.dr[n] ^ la) >> 12 == 0 and cpu.breakpoint_kind(n) & 5 == 1:
            return 1
    return 0


def meet_data(cpu, la, size, access):
    """An access to `size` bytes at `la` has been checked: note the breakpoints it meets. Ask DR7_ENABLED before."""
    for n in range(4):
        kind = cpu.breakpoint_kind(n)
        if kind == ON_ACCESS or (kind == ON_WRITE and access & ACCESS_WRITE):
            if cpu.breakpoint_touched(n, la, size):
                cpu.debug_hits = cpu.debug_hits | (1 << n)
                cpu.attention = 1


def meet_port(cpu, port, size):
    """`size` bytes at `port` have been read or written: note the breakpoints this meets. They need CR4.DE."""
    if cpu.dr[7] & DR7_ENABLED and cpu.cr4 & CR4_DE:
        for n in range(4):
            if cpu.breakpoint_kind(n) == ON_PORT and cpu.breakpoint_touched(n, port, size):
                cpu.debug_hits = cpu.debug_hits | (1 << n)
                cpu.attention = 1


def debug_trap_due(cpu):
    """1 when #DB is to be delivered for `debug_hits`, which have become DR6's; 0 when a load of SS puts them off.

    Those put off stand in bits 31 to 16: a fault of the next instruction doesn't lose them, as it does its own.
    """
    hits = (cpu.debug_hits | (cpu.debug_hits >> 16)) & 0xFFFF
    if cpu.interrupt_shadow & NO_DEBUG:
        cpu.debug_hits = hits << 16
        return 0
    cpu.dr[6] = cpu.dr[6] | hits
    cpu.debug_hits = 0
    cpu.halted = 0
    return 1


def set_debug_register(cpu, number, value):
    """DR0 to DR3, DR6 or DR7 = value, checked."""
    enabled = cpu.dr[7]
    cpu.dr[number] = value
    if (enabled | cpu.dr[7]) & DR7_ENABLED and number != 6:
        cpu.breakpoints_changed()


def disable_local_breakpoints(cpu):
    """A task switch: the breakpoints of the old task are not for the new one."""
    if cpu.dr[7] & DR7_LOCAL:
        cpu.set_debug_register(7, cpu.dr[7] & ~DR7_LOCAL)
