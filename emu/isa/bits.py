"""Bit tests, bit scans, population count (APM vol. 3, chapter 3).

A bit number in a register reaches beyond a memory operand: the word tested is at the effective address plus the
signed number divided by the operand size. An immediate bit number is taken modulo the operand size.
TZCNT and LZCNT (F3 0F BC, BD) run as BSF and BSR, as on any processor whose CPUID doesn't announce them.
"""

from emu.isa.language import CF, ZF
from emu.isa.registry import instruction


@instruction("BT", "0F A3 /r Ev,Gv")
def bt(cpu, base, bit):
    """CF = the bit; other flags stay (all but ZF undefined)."""
    number = bit.read() & (base.width - 1)
    if base.is_memory:
        offset = cpu.bit_string_offset(base.offset(), bit.read(), base.width)
        value = cpu.read_memory(base.segment, offset, base.width)
    else:
        value = base.read()
    cpu.flags_replace((value >> number) & 1, CF)


@instruction("BTS", "0F AB /r Ev,Gv", lockable=True)
def bts(cpu, base, bit):
    """CF = the bit, which becomes 1; other flags stay (all but ZF undefined)."""
    number = bit.read() & (base.width - 1)
    if base.is_memory:
        offset = cpu.bit_string_offset(base.offset(), bit.read(), base.width)
        value = cpu.read_memory_to_write(base.segment, offset, base.width)
        cpu.write_memory(base.segment, offset, base.width, value | (1 << number))
    else:
        value = base.read()
        base.write(value | (1 << number))
    cpu.flags_replace((value >> number) & 1, CF)


@instruction("BTR", "0F B3 /r Ev,Gv", lockable=True)
def btr(cpu, base, bit):
    """CF = the bit, which becomes 0; other flags stay (all but ZF undefined)."""
    number = bit.read() & (base.width - 1)
    if base.is_memory:
        offset = cpu.bit_string_offset(base.offset(), bit.read(), base.width)
        value = cpu.read_memory_to_write(base.segment, offset, base.width)
        cpu.write_memory(base.segment, offset, base.width, value & ~(1 << number))
    else:
        value = base.read()
        base.write(value & ~(1 << number))
    cpu.flags_replace((value >> number) & 1, CF)


@instruction("BTC", "0F BB /r Ev,Gv", lockable=True)
def btc(cpu, base, bit):
    """CF = the bit, which is inverted; other flags stay (all but ZF undefined)."""
    number = bit.read() & (base.width - 1)
    if base.is_memory:
        offset = cpu.bit_string_offset(base.offset(), bit.read(), base.width)
        value = cpu.read_memory_to_write(base.segment, offset, base.width)
        cpu.write_memory(base.segment, offset, base.width, value ^ (1 << number))
    else:
        value = base.read()
        base.write(value ^ (1 << number))
    cpu.flags_replace((value >> number) & 1, CF)


@instruction("BT", "0F BA /4 ib Ev,Ib")
def bt_immediate(cpu, base, bit):
    """CF = the bit; other flags stay (all but ZF undefined)."""
    cpu.flags_replace((base.read() >> (bit.read() & (base.width - 1))) & 1, CF)


@instruction("BTS", "0F BA /5 ib Ev,Ib", lockable=True)
def bts_immediate(cpu, base, bit):
    """CF = the bit, which becomes 1; other flags stay (all but ZF undefined)."""
    number = bit.read() & (base.width - 1)
    value = base.read()
    base.write(value | (1 << number))
    cpu.flags_replace((value >> number) & 1, CF)


@instruction("BTR", "0F BA /6 ib Ev,Ib", lockable=True)
def btr_immediate(cpu, base, bit):
    """CF = the bit, which becomes 0; other flags stay (all but ZF undefined)."""
    number = bit.read() & (base.width - 1)
    value = base.read()
    base.write(value & ~(1 << number))
    cpu.flags_replace((value >> number) & 1, CF)


@instruction("BTC", "0F BA /7 ib Ev,Ib", lockable=True)
def btc_immediate(cpu, base, bit):
    """CF = the bit, which is inverted; other flags stay (all but ZF undefined)."""
    number = bit.read() & (base.width - 1)
    value = base.read()
    base.write(value ^ (1 << number))
    cpu.flags_replace((value >> number) & 1, CF)


@instruction("BSF", "0F BC /r Gv,Ev")
def bsf(cpu, dst, src):
    """dst = number of src's lowest one bit; if there is none ZF = 1 and dst stays. Other flags, undefined, by src."""
    value = src.read()
    dst.write(cpu.trailing_zeros(value) if value else dst.read())
    cpu.flags_logic(value, dst.width)


@instruction("BSR", "0F BD /r Gv,Ev")
def bsr(cpu, dst, src):
    """dst = number of src's highest one bit; if there is none ZF = 1 and dst stays. Other flags, undefined, by src."""
    value = src.read()
    dst.write(cpu.leading_bit(value) if value else dst.read())
    cpu.flags_logic(value, dst.width)


@instruction("POPCNT", "F3 0F B8 /r Gv,Ev")
def popcnt(cpu, dst, src):
    """dst = number of one bits in src. ZF if src is 0; OF SF AF CF PF = 0."""
    value = src.read()
    dst.write(cpu.popcount(value))
    cpu.flags_set(0 if value else ZF)
