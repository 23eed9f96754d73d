"""Shifts and rotates (APM vol. 3, chapter 3).

The count is taken modulo 32, or 64 for 64-bit operands. When it is then zero nothing changes but the upper half of a
32-bit register, which any write clears. OF, undefined for counts other than 1, is always what the same formula gives;
AF, undefined, becomes 0.
"""

from emu.isa.language import CF, OF, i64, signed, wrap64
from emu.isa.registry import instruction


def shift_forms(group: int) -> tuple[str, ...]:
    """The six encodings of one operation of group 2."""
    return (f"D0 /{group} Eb,1", f"D1 /{group} Ev,1", f"D2 /{group} Eb,CL", f"D3 /{group} Ev,CL",
            f"C0 /{group} ib Eb,Ib", f"C1 /{group} ib Ev,Ib")


@instruction("SHL", *shift_forms(4), *shift_forms(6))
def shl(cpu, dst, count):
    """dst = dst << count. CF = last bit out, OF = sign changed by the last step, SF ZF PF by the result."""
    n = count.read() & (63 if dst.width == 64 else 31)
    value = dst.read()
    result = dst.wrap(value << n)
    dst.write(result)
    if n:
        before = dst.wrap(value << (n - 1))
        bits = (before >> (dst.width - 1)) | (((before ^ result) >> (dst.width - 1)) << 11)
        cpu.flags_result(result, bits, dst.width)


@instruction("SHR", *shift_forms(5))
def shr(cpu, dst, count):
    """dst = dst >> count, zeros above. CF = last bit out, OF = sign changed by the last step, SF ZF PF by the result."""
    n = count.read() & (63 if dst.width == 64 else 31)
    value = dst.read()
    result = value >> n
    dst.write(result)
    if n:
        before = value >> (n - 1)
        cpu.flags_result(result, (before & 1) | ((before >> (dst.width - 1)) << 11), dst.width)


@instruction("SAR", *shift_forms(7))
def sar(cpu, dst, count):
    """dst = dst >> count, sign above. CF = last bit out, OF = 0, SF ZF PF by the result."""
    n = count.read() & (63 if dst.width == 64 else 31)
    value: i64 = signed(dst.read(), dst.width)
    result = dst.wrap(value >> n)
    dst.write(result)
    if n:
        cpu.flags_result(result, dst.wrap(value >> (n - 1)) & 1, dst.width)


@instruction("ROL", *shift_forms(0))
def rol(cpu, dst, count):
    """Rotate dst left. CF = lowest bit of the result, OF = its highest bit ^ CF; other flags stay."""
    n = count.read() & (63 if dst.width == 64 else 31)
    k = n & (dst.width - 1)
    value = dst.read()
    result = dst.wrap((value << k) | (value >> 1 >> (dst.width - 1 - k)))
    dst.write(result)
    if n:
        carry = result & 1
        cpu.flags_replace(carry | ((carry ^ (result >> (dst.width - 1))) << 11), CF | OF)


@instruction("ROR", *shift_forms(1))
def ror(cpu, dst, count):
    """Rotate dst right. CF = highest bit of the result, OF = its two highest bits' difference; other flags stay."""
    n = count.read() & (63 if dst.width == 64 else 31)
    k = n & (dst.width - 1)
    value = dst.read()
    result = dst.wrap((value >> k) | (value << 1 << (dst.width - 1 - k)))
    dst.write(result)
    if n:
        carry = result >> (dst.width - 1)
        cpu.flags_replace(carry | ((carry ^ ((result >> (dst.width - 2)) & 1)) << 11), CF | OF)


@instruction("RCL", *shift_forms(2))
def rcl(cpu, dst, count):
    """Rotate CF:dst left. CF = last bit out, OF = sign changed; other flags stay."""
    n = count.read() & (63 if dst.width == 64 else 31)
    if dst.width < 32:
        n = n % (dst.width + 1)
    value = dst.read()
    if n == 0:
        dst.write(value)
    else:
        result = dst.wrap((value << n) | (cpu.carry() << (n - 1)) | (value >> 1 >> (dst.width - n)))
        dst.write(result)
        carry = (value >> (dst.width - n)) & 1
        cpu.flags_replace(carry | (((value ^ result) >> (dst.width - 1)) << 11), CF | OF)


@instruction("RCR", *shift_forms(3))
def rcr(cpu, dst, count):
    """Rotate CF:dst right. CF = last bit out, OF = sign changed; other flags stay."""
    n = count.read() & (63 if dst.width == 64 else 31)
    if dst.width < 32:
        n = n % (dst.width + 1)
    value = dst.read()
    if n == 0:
        dst.write(value)
    else:
        result = dst.wrap((value >> n) | (cpu.carry() << (dst.width - n)) | (value << 1 << (dst.width - n)))
        dst.write(result)
        carry = (value >> (n - 1)) & 1
        cpu.flags_replace(carry | (((value ^ result) >> (dst.width - 1)) << 11), CF | OF)


@instruction("SHLD", "0F A4 /r ib Ev,Gv,Ib", "0F A5 /r Ev,Gv,CL")
def shld(cpu, dst, src, count):
    """Shift dst left, filling from the top of src. A 16-bit dst goes on with its own old bits after 16. Flags as SHL."""
    n = count.read() & (63 if dst.width == 64 else 31)
    value = dst.read()
    fill = src.read()
    if n == 0:
        dst.write(value)
    else:
        if dst.width == 16:
            pair = (value << 32) | (fill << 16) | value
            before = dst.wrap(wrap64(pair << (n - 1)) >> 32)
            result = dst.wrap(wrap64(pair << n) >> 32)
        else:
            before = dst.wrap((value << (n - 1)) | (fill >> 1 >> (dst.width - n)))
            result = dst.wrap((value << n) | (fill >> (dst.width - n)))
        dst.write(result)
        bits = (before >> (dst.width - 1)) | (((before ^ result) >> (dst.width - 1)) << 11)
        cpu.flags_result(result, bits, dst.width)


@instruction("SHRD", "0F AC /r ib Ev,Gv,Ib", "0F AD /r Ev,Gv,CL")
def shrd(cpu, dst, src, count):
    """Shift dst right, filling from the bottom of src. A 16-bit dst goes on with its old bits after 16. Flags as SHR."""
    n = count.read() & (63 if dst.width == 64 else 31)
    value = dst.read()
    fill = src.read()
    if n == 0:
        dst.write(value)
    else:
        if dst.width == 16:
            pair = (value << 32) | (fill << 16) | value
            before = dst.wrap(pair >> (n - 1))
            result = dst.wrap(pair >> n)
        else:
            before = dst.wrap((value >> (n - 1)) | (fill << 1 << (dst.width - n)))
            result = dst.wrap((value >> n) | (fill << (dst.width - n)))
        dst.write(result)
        bits = (before & 1) | (((before ^ result) >> (dst.width - 1)) << 11)
        cpu.flags_result(result, bits, dst.width)
