"""Addition, subtraction, comparison and the logical operations (APM vol. 3, chapter 3)."""

from emu.isa.language import ACCESS_WRITE, AF, GP, MASK32, RAX, RBX, RCX, RDX, ZF, Fault
from emu.isa.registry import instruction


def binary_forms(base: int) -> tuple[str, ...]:
    """The six plain encodings that the eight classic operations share, `base` the first opcode."""
    group = base >> 3
    return (f"{base:02X} /r Eb,Gb", f"{base + 1:02X} /r Ev,Gv", f"{base + 2:02X} /r Gb,Eb", f"{base + 3:02X} /r Gv,Ev",
            f"{base + 4:02X} ib AL,Ib", f"{base + 5:02X} iz rAX,Iz", f"80 /{group} ib Eb,Ib", f"81 /{group} iz Ev,Iz",
            f"82 /{group} ib Eb,Ib i64", f"83 /{group} ib Ev,sIb")


@instruction("ADD", *binary_forms(0x00), lockable=True)
def add(cpu, dst, src):
    """dst = dst + src. Sets OF SF ZF AF CF PF."""
    a = dst.read()
    b = src.read()
    result = dst.wrap(a + b)
    dst.write(result)
    cpu.flags_add(a, b, result, dst.width)


@instruction("OR", *binary_forms(0x08), lockable=True)
def or_(cpu, dst, src):
    """dst = dst | src. Sets SF ZF PF; CF OF AF become 0."""
    result = dst.read() | src.read()
    dst.write(result)
    cpu.flags_logic(result, dst.width)


@instruction("ADC", *binary_forms(0x10), lockable=True)
def adc(cpu, dst, src):
    """dst = dst + src + CF. Sets OF SF ZF AF CF PF."""
    a = dst.read()
    b = src.read()
    result = dst.wrap(a + b + cpu.carry())
    dst.write(result)
    carries = (a & b) | ((a | b) & ~result)
    overflow = ((a ^ result) & (b ^ result)) >> (dst.width - 1) & 1
    bits = ((carries >> (dst.width - 1)) & 1) | ((carries << 1) & AF) | (overflow << 11)
    cpu.flags_result(result, bits, dst.width)


@instruction("SBB", *binary_forms(0x18), lockable=True)
def sbb(cpu, dst, src):
    """dst = dst - src - CF. Sets OF SF ZF AF CF PF."""
    a = dst.read()
    b = src.read()
    result = dst.wrap(a - b - cpu.carry())
    dst.write(result)
    borrows = (~a & b) | ((~a | b) & result)
    overflow = ((a ^ b) & (a ^ result)) >> (dst.width - 1) & 1
    bits = ((borrows >> (dst.width - 1)) & 1) | ((borrows << 1) & AF) | (overflow << 11)
    cpu.flags_result(result, bits, dst.width)


@instruction("AND", *binary_forms(0x20), lockable=True)
def and_(cpu, dst, src):
    """dst = dst & src. Sets SF ZF PF; CF OF AF become 0."""
    result = dst.read() & src.read()
    dst.write(result)
    cpu.flags_logic(result, dst.width)


@instruction("SUB", *binary_forms(0x28), lockable=True)
def sub(cpu, dst, src):
    """dst = dst - src. Sets OF SF ZF AF CF PF."""
    a = dst.read()
    b = src.read()
    result = dst.wrap(a - b)
    dst.write(result)
    cpu.flags_sub(a, b, result, dst.width)


@instruction("XOR", *binary_forms(0x30), lockable=True)
def xor(cpu, dst, src):
    """dst = dst ^ src. Sets SF ZF PF; CF OF AF become 0."""
    result = dst.read() ^ src.read()
    dst.write(result)
    cpu.flags_logic(result, dst.width)


@instruction("CMP", *binary_forms(0x38))
def cmp(cpu, left, right):
    """Sets the flags of left - right."""
    a = left.read()
    b = right.read()
    cpu.flags_sub(a, b, left.wrap(a - b), left.width)


@instruction("TEST", "84 /r Eb,Gb", "85 /r Ev,Gv", "A8 ib AL,Ib", "A9 iz rAX,Iz", "F6 /0 ib Eb,Ib", "F6 /1 ib Eb,Ib",
             "F7 /0 iz Ev,Iz", "F7 /1 iz Ev,Iz")
def test(cpu, left, right):
    """Sets the flags of left & right."""
    result = left.read() & right.read()         # not within the call, which is left out where nobody needs the flags
    cpu.flags_logic(result, left.width)


@instruction("INC", "FE /0 Eb", "FF /0 Ev", "40+r Zv i64", lockable=True)
def inc(cpu, dst):
    """dst = dst + 1. Sets OF SF ZF AF PF; CF stays."""
    a = dst.read()
    result = dst.wrap(a + 1)
    dst.write(result)
    overflow = ((result & ~a) >> (dst.width - 1)) & 1
    cpu.flags_result(result, cpu.carry() | ((a ^ result) & AF) | (overflow << 11), dst.width)


@instruction("DEC", "FE /1 Eb", "FF /1 Ev", "48+r Zv i64", lockable=True)
def dec(cpu, dst):
    """dst = dst - 1. Sets OF SF ZF AF PF; CF stays."""
    a = dst.read()
    result = dst.wrap(a - 1)
    dst.write(result)
    overflow = ((a & ~result) >> (dst.width - 1)) & 1
    cpu.flags_result(result, cpu.carry() | ((a ^ result) & AF) | (overflow << 11), dst.width)


@instruction("NEG", "F6 /3 Eb", "F7 /3 Ev", lockable=True)
def neg(cpu, dst):
    """dst = 0 - dst. Sets OF SF ZF AF CF PF."""
    a = dst.read()
    result = dst.wrap(0 - a)
    dst.write(result)
    cpu.flags_sub(0, a, result, dst.width)


@instruction("NOT", "F6 /2 Eb", "F7 /2 Ev", lockable=True)
def not_(cpu, dst):
    """dst = ~dst. No flags."""
    dst.write(dst.wrap(~dst.read()))


@instruction("XADD", "0F C0 /r Eb,Gb", "0F C1 /r Ev,Gv", lockable=True)
def xadd(cpu, dst, src):
    """dst = dst + src, src = old dst. Flags as ADD."""
    a = dst.read()
    b = src.read()
    result = dst.wrap(a + b)
    if dst.is_memory:
        dst.write(result)
        src.write(a)
    else:
        src.write(a)
        dst.write(result)       # XADD r,r with one register: the sum stays
    cpu.flags_add(a, b, result, dst.width)


@instruction("CMPXCHG", "0F B0 /r Eb,Gb", "0F B1 /r Ev,Gv", lockable=True)
def cmpxchg(cpu, dst, src):
    """If rAX equals dst, dst = src; otherwise rAX = dst. Flags as CMP rAX,dst. Memory is written in either case."""
    a = cpu.read_register(RAX, dst.width)
    b = dst.read()
    if a == b:
        dst.write(src.read())
    else:
        if dst.is_memory:
            dst.write(b)
        cpu.write_register(RAX, dst.width, b)
    cpu.flags_sub(a, b, dst.wrap(a - b), dst.width)


@instruction("CMPXCHG8B", "0F C7 /1 Mq w0", lockable=True)
def cmpxchg8b(cpu, dst):
    """If EDX:EAX equals dst, ZF = 1 and dst = ECX:EBX; otherwise ZF = 0 and EDX:EAX = dst. dst is written in either case."""
    expected = (cpu.gpr[RAX] & MASK32) | ((cpu.gpr[RDX] & MASK32) << 32)
    found = dst.read()
    if found == expected:
        dst.write((cpu.gpr[RBX] & MASK32) | ((cpu.gpr[RCX] & MASK32) << 32))
        cpu.flags_set(cpu.status() | ZF)
    else:
        dst.write(found)
        cpu.gpr[RAX] = found & MASK32
        cpu.gpr[RDX] = found >> 32
        cpu.flags_set(cpu.status() & ~ZF)


@instruction("CMPXCHG16B", "0F C7 /1 Mdq w1", lockable=True)
def cmpxchg16b(cpu, dst):
    """CMPXCHG8B with RDX:RAX and RCX:RBX; #GP(0) unless dst is aligned to 16 bytes."""
    la = cpu.linear_address(dst.segment, dst.offset(), 16, ACCESS_WRITE)
    if la & 15:
        raise Fault(GP, 0)
    cpu.probe_linear(la, 16, ACCESS_WRITE)
    low = cpu.read_linear(la, 64)
    high = cpu.read_linear(la + 8, 64)
    if low == cpu.gpr[RAX] and high == cpu.gpr[RDX]:
        dst.write_at(0, 64, cpu.gpr[RBX])
        dst.write_at(8, 64, cpu.gpr[RCX])
        cpu.flags_set(cpu.status() | ZF)
    else:
        dst.write_at(0, 64, low)
        dst.write_at(8, 64, high)
        cpu.gpr[RAX] = low
        cpu.gpr[RDX] = high
        cpu.flags_set(cpu.status() & ~ZF)
