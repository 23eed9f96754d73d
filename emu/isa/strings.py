"""String instructions, single and repeated (APM vol. 3, 1.2.6 and chapter 3).

The source is at DS:rSI (DS may be overridden), the target at ES:rDI, the count in rCX, all as wide as the address size.
`emu/cpu/strings.py` says what a repeat prefix means for faults, interrupts and counts.
"""

from emu.isa.language import RAX, RCX, RDI, RSI
from emu.isa.registry import instruction


@instruction("MOVS", "A4 Yb,Xb", "A5 Yv,Xv", rep="rep")
def movs(cpu, dst, src):
    """Copy an element. No flags."""
    if cpu.rep and cpu.read_address_register(RCX) == 0:
        return
    while True:
        value = cpu.read_memory(src.segment, cpu.read_address_register(RSI), src.width)
        cpu.write_memory(dst.segment, cpu.read_address_register(RDI), dst.width, value)
        cpu.string_step(RSI, src.width)
        cpu.string_step(RDI, dst.width)
        if cpu.rep == 0 or cpu.repeat_move(src.segment, src.width) == 0:
            return


@instruction("CMPS", "A6 Xb,Yb", "A7 Xv,Yv", rep="repe")
def cmps(cpu, left, right):
    """Flags of source - target; repeated while ZF is as the prefix says."""
    if cpu.rep and cpu.read_address_register(RCX) == 0:
        return
    while True:
        a = cpu.read_memory(left.segment, cpu.read_address_register(RSI), left.width)
        b = cpu.read_memory(right.segment, cpu.read_address_register(RDI), right.width)
        cpu.flags_sub(a, b, left.wrap(a - b), left.width)
        cpu.string_step(RSI, left.width)
        cpu.string_step(RDI, right.width)
        if cpu.rep == 0 or cpu.repeat_compare(left.segment, left.width) == 0:
            return


@instruction("STOS", "AA Yb", "AB Yv", rep="rep")
def stos(cpu, dst):
    """Store rAX. No flags."""
    if cpu.rep and cpu.read_address_register(RCX) == 0:
        return
    value = cpu.read_register(RAX, dst.width)
    while True:
        cpu.write_memory(dst.segment, cpu.read_address_register(RDI), dst.width, value)
        cpu.string_step(RDI, dst.width)
        if cpu.rep == 0 or cpu.repeat_store(dst.width, value) == 0:
            return


@instruction("LODS", "AC Xb", "AD Xv", rep="rep")
def lods(cpu, src):
    """Load rAX. No flags."""
    if cpu.rep and cpu.read_address_register(RCX) == 0:
        return
    while True:
        value = cpu.read_memory(src.segment, cpu.read_address_register(RSI), src.width)
        cpu.write_register(RAX, src.width, value)
        cpu.string_step(RSI, src.width)
        if cpu.rep == 0 or cpu.repeat_again() == 0:
            return


@instruction("SCAS", "AE Yb", "AF Yv", rep="repe")
def scas(cpu, dst):
    """Flags of rAX - target; repeated while ZF is as the prefix says."""
    if cpu.rep and cpu.read_address_register(RCX) == 0:
        return
    a = cpu.read_register(RAX, dst.width)
    while True:
        b = cpu.read_memory(dst.segment, cpu.read_address_register(RDI), dst.width)
        cpu.flags_sub(a, b, dst.wrap(a - b), dst.width)
        cpu.string_step(RDI, dst.width)
        if cpu.rep == 0 or cpu.repeat_scan(dst.width, a) == 0:
            return
