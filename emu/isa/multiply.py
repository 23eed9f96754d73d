"""Multiplication, division and decimal adjustment (APM vol. 3, chapter 3)."""

from emu.isa.language import AF, CF, DE, MASK64, OF, RAX, RDX, Fault, sign_extend, wrap64
from emu.isa.registry import instruction


@instruction("MUL", "F6 /4 Eb")
def mul_byte(cpu, src):
    """AX = AL * src, unsigned. CF = OF = AH is not 0; SF ZF PF, undefined, by AL; AF 0."""
    product = (cpu.gpr[RAX] & 0xFF) * src.read()
    cpu.write_register(RAX, 16, product)
    cpu.flags_result(product & 0xFF, (CF | OF) if product >> 8 else 0, 8)


@instruction("MUL", "F7 /4 Ev")
def mul(cpu, src):
    """rDX:rAX = rAX * src, unsigned. CF = OF = rDX is not 0; SF ZF PF, undefined, by rAX; AF 0."""
    a = cpu.read_register(RAX, src.width)
    b = src.read()
    low = src.wrap(a * b)
    if src.width == 64:
        high = cpu.umul_high(a, b)
    else:
        high = wrap64(a * b) >> src.width
    cpu.write_register(RAX, src.width, low)
    cpu.write_register(RDX, src.width, high)
    cpu.flags_result(low, (CF | OF) if high else 0, src.width)


@instruction("IMUL", "F6 /5 Eb")
def imul_byte(cpu, src):
    """AX = AL * src, signed. CF = OF = AX is not AL's sign extension; SF ZF PF, undefined, by AL; AF 0."""
    product = wrap64(sign_extend(cpu.gpr[RAX], 8) * sign_extend(src.read(), 8))
    cpu.write_register(RAX, 16, product & 0xFFFF)
    cpu.flags_result(product & 0xFF, 0 if sign_extend(product, 8) == product else (CF | OF), 8)


@instruction("IMUL", "F7 /5 Ev")
def imul(cpu, src):
    """rDX:rAX = rAX * src, signed. CF = OF = rDX is not rAX's sign; SF ZF PF, undefined, by rAX; AF 0."""
    a = cpu.read_register(RAX, src.width)
    b = src.read()
    low = src.wrap(a * b)
    if src.width == 64:
        high = cpu.imul_high(a, b)
        lost = high != (MASK64 if low >> 63 else 0)
    else:
        product = wrap64(sign_extend(a, src.width) * sign_extend(b, src.width))
        high = src.wrap(product >> src.width)
        lost = sign_extend(product, src.width) != product
    cpu.write_register(RAX, src.width, low)
    cpu.write_register(RDX, src.width, high)
    cpu.flags_result(low, (CF | OF) if lost else 0, src.width)


@instruction("IMUL", "0F AF /r Gv,Ev")
def imul_two(cpu, dst, src):
    """dst = dst * src, signed. CF = OF = the product doesn't fit; SF ZF PF, undefined, by the result; AF 0."""
    a = dst.read()
    b = src.read()
    low = dst.wrap(a * b)
    if dst.width == 64:
        lost = cpu.imul_high(a, b) != (MASK64 if low >> 63 else 0)
    else:
        lost = sign_extend(low, dst.width) != wrap64(sign_extend(a, dst.width) * sign_extend(b, dst.width))
    dst.write(low)
    cpu.flags_result(low, (CF | OF) if lost else 0, dst.width)


@instruction("IMUL", "69 /r iz Gv,Ev,Iz", "6B /r ib Gv,Ev,sIb")
def imul_three(cpu, dst, src, factor):
    """dst = src * factor, signed. CF = OF = the product doesn't fit; SF ZF PF, undefined, by the result; AF 0."""
    a = src.read()
    b = factor.read()
    low = dst.wrap(a * b)
    if dst.width == 64:
        lost = cpu.imul_high(a, b) != (MASK64 if low >> 63 else 0)
    else:
        lost = sign_extend(low, dst.width) != wrap64(sign_extend(a, dst.width) * sign_extend(b, dst.width))
    dst.write(low)
    cpu.flags_result(low, (CF | OF) if lost else 0, dst.width)


@instruction("DIV", "F6 /6 Eb")
def div_byte(cpu, src):
    """AL = AX / src, AH = remainder, unsigned; #DE if src is 0 or the quotient doesn't fit. Flags, undefined, stay."""
    divisor = src.read()
    dividend = cpu.gpr[RAX] & 0xFFFF
    if dividend >> 8 >= divisor:
        raise Fault(DE, 0)
    cpu.write_register(RAX, 16, (dividend // divisor) | ((dividend % divisor) << 8))


@instruction("DIV", "F7 /6 Ev")
def div(cpu, src):
    """rAX = rDX:rAX / src, rDX = remainder, unsigned; #DE as for bytes. Flags, undefined, stay."""
    divisor = src.read()
    high = cpu.read_register(RDX, src.width)
    low = cpu.read_register(RAX, src.width)
    if high >= divisor:
        raise Fault(DE, 0)
    if src.width == 64:
        if high == 0:
            quotient = low // divisor
            remainder = low % divisor
        else:
            quotient = cpu.udiv128(high, low, divisor)
            remainder = cpu.urem128(high, low, divisor)
    else:
        dividend = (high << src.width) | low
        quotient = dividend // divisor
        remainder = dividend % divisor
    cpu.write_register(RAX, src.width, quotient)
    cpu.write_register(RDX, src.width, remainder)


@instruction("IDIV", "F6 /7 Eb")
def idiv_byte(cpu, src):
    """AL = AX / src toward zero, AH = remainder with AX's sign; #DE as DIV. Flags, undefined, stay."""
    divisor = sign_extend(src.read(), 8)
    dividend = sign_extend(cpu.gpr[RAX], 16)
    if divisor == 0:
        raise Fault(DE, 0)
    d = wrap64(0 - divisor) if divisor >> 63 else divisor
    n = wrap64(0 - dividend) if dividend >> 63 else dividend
    quotient = n // d
    remainder = n % d
    if (divisor ^ dividend) >> 63:
        if quotient > 0x80:
            raise Fault(DE, 0)
        quotient = wrap64(0 - quotient)
    elif quotient > 0x7F:
        raise Fault(DE, 0)
    if dividend >> 63:
        remainder = wrap64(0 - remainder)
    cpu.write_register(RAX, 16, (quotient & 0xFF) | ((remainder & 0xFF) << 8))


@instruction("IDIV", "F7 /7 Ev")
def idiv(cpu, src):
    """rAX = rDX:rAX / src toward zero, rDX = remainder with rDX's sign; #DE as DIV. Flags, undefined, stay."""
    divisor = sign_extend(src.read(), src.width)
    high = cpu.read_register(RDX, src.width)
    low = cpu.read_register(RAX, src.width)
    if divisor == 0:
        raise Fault(DE, 0)
    if src.width != 64:
        low = sign_extend((high << src.width) | low, src.width * 2)
        high = MASK64 if low >> 63 else 0
    # The magnitude of the 128-bit dividend high:low, divided by the divisor's.
    negative = high >> 63
    if negative:
        low = wrap64(0 - low)
        high = wrap64(~high + (1 if low == 0 else 0))
    d = wrap64(0 - divisor) if divisor >> 63 else divisor
    if high >= d:
        raise Fault(DE, 0)
    if high == 0:
        quotient = low // d
        remainder = low % d
    else:
        quotient = cpu.udiv128(high, low, d)
        remainder = cpu.urem128(high, low, d)
    limit = 1 << (src.width - 1)
    if negative != divisor >> 63:
        if quotient > limit:
            raise Fault(DE, 0)
        quotient = wrap64(0 - quotient)
    elif quotient >= limit:
        raise Fault(DE, 0)
    if negative:
        remainder = wrap64(0 - remainder)
    cpu.write_register(RAX, src.width, src.wrap(quotient))
    cpu.write_register(RDX, src.width, src.wrap(remainder))


@instruction("AAA", "37 i64")
def aaa(cpu):
    """Adjust AX after an unpacked decimal addition. Sets AF CF; other flags, undefined, stay."""
    ax = cpu.gpr[RAX] & 0xFFFF
    bits = 0
    if ax & 15 > 9 or cpu.status() & AF:
        ax = ax + 0x106
        bits = AF | CF
    cpu.flags_set((cpu.status() & ~(AF | CF)) | bits)
    cpu.write_register(RAX, 16, ax & 0xFF0F)


@instruction("AAS", "3F i64")
def aas(cpu):
    """Adjust AX after an unpacked decimal subtraction. Sets AF CF; other flags, undefined, stay."""
    ax = cpu.gpr[RAX] & 0xFFFF
    bits = 0
    if ax & 15 > 9 or cpu.status() & AF:
        ax = wrap64(ax - 0x106)
        bits = AF | CF
    cpu.flags_set((cpu.status() & ~(AF | CF)) | bits)
    cpu.write_register(RAX, 16, ax & 0xFF0F)


@instruction("AAM", "D4 ib Ib i64")
def aam(cpu, base):
    """AH = AL / base, AL = remainder; #DE if base is 0. SF ZF PF by AL; OF AF CF, undefined, 0."""
    divisor = base.read()
    if divisor == 0:
        raise Fault(DE, 0)
    al = cpu.gpr[RAX] & 0xFF
    cpu.write_register(RAX, 16, (al % divisor) | ((al // divisor) << 8))
    cpu.flags_logic(al % divisor, 8)


@instruction("AAD", "D5 ib Ib i64")
def aad(cpu, base):
    """AL = AL + AH * base, AH = 0. SF ZF PF by AL; OF AF CF, undefined, 0."""
    ax = cpu.gpr[RAX] & 0xFFFF
    al = (ax + (ax >> 8) * base.read()) & 0xFF
    cpu.write_register(RAX, 16, al)
    cpu.flags_logic(al, 8)


@instruction("DAA", "27 i64")
def daa(cpu):
    """Adjust AL after a packed decimal addition. Sets SF ZF AF CF PF; OF, undefined, 0."""
    old = cpu.gpr[RAX] & 0xFF
    flags = cpu.status()
    al = old
    bits = 0
    if old & 15 > 9 or flags & AF:
        al = al + 6
        bits = AF
    if old > 0x99 or flags & CF:
        al = al + 0x60
        bits = bits | CF
    cpu.write_register(RAX, 8, al & 0xFF)
    cpu.flags_result(al & 0xFF, bits, 8)


@instruction("DAS", "2F i64")
def das(cpu):
    """Adjust AL after a packed decimal subtraction. Sets SF ZF AF CF PF; OF, undefined, 0."""
    old = cpu.gpr[RAX] & 0xFF
    flags = cpu.status()
    al = old
    bits = 0
    if old & 15 > 9 or flags & AF:
        if old < 6 or flags & CF:
            bits = CF
        al = wrap64(al - 6)
        bits = bits | AF
    if old > 0x99 or flags & CF:
        al = wrap64(al - 0x60)
        bits = bits | CF
    cpu.write_register(RAX, 8, al & 0xFF)
    cpu.flags_result(al & 0xFF, bits, 8)
