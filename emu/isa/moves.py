"""Moves between registers, memory and immediates, extension, exchange and conditional moves (APM vol. 3, chapter 3)."""

from emu.isa.language import MASK32, MASK64, RAX, RBX, mask, sign_extend
from emu.isa.registry import instruction


@instruction("MOV", "88 /r Eb,Gb", "89 /r Ev,Gv", "8A /r Gb,Eb", "8B /r Gv,Ev", "B0+r ib Zb,Ib", "B8+r iv Zv,Iv",
             "C6 /0 ib Eb,Ib", "C7 /0 iz Ev,Iz", "A0 AL,Ob", "A1 rAX,Ov", "A2 Ob,AL", "A3 Ov,rAX")
def mov(cpu, dst, src):
    """dst = src. No flags."""
    dst.write(src.read())


@instruction("MOVZX", "0F B6 /r Gv,Eb", "0F B7 /r Gv,Ew")
def movzx(cpu, dst, src):
    """dst = src with zeros above. No flags."""
    dst.write(src.read())


@instruction("MOVSX", "0F BE /r Gv,Eb", "0F BF /r Gv,Ew")
def movsx(cpu, dst, src):
    """dst = src with its sign above. No flags."""
    dst.write(dst.wrap(sign_extend(src.read(), src.width)))


@instruction("MOVSXD", "63 /r Gv,Ed o64")
def movsxd(cpu, dst, src):
    """dst = 32-bit src with its sign above; without REX.W a plain move. No flags."""
    dst.write(dst.wrap(sign_extend(src.read(), 32)))


@instruction("LEA", "8D /r Gv,Mv")
def lea(cpu, dst, src):
    """dst = effective address of src, cut to dst's width. No flags."""
    dst.write(dst.wrap(src.offset()))


@instruction("XCHG", "86 /r Eb,Gb", "87 /r Ev,Gv", "90+r Zv,rAX", lockable=True)
def xchg(cpu, dst, src):
    """Exchange dst and src; with memory always locked. No flags."""
    a = dst.read()
    b = src.read()
    dst.write(b)
    src.write(a)


@instruction("BSWAP", "0F C8+r Zv")
def bswap(cpu, dst):
    """Reverse the bytes of dst; a 16-bit dst, undefined in the manual, becomes 0 as on real processors. No flags."""
    if dst.width == 16:
        dst.write(0)
    else:
        dst.write(cpu.reverse_bytes(dst.read(), dst.width))


@instruction("MOVBE", "0F38 F0 /r Gv,Mv", "0F38 F1 /r Mv,Gv")
def movbe(cpu, dst, src):
    """dst = src with its bytes reversed. No flags."""
    dst.write(cpu.reverse_bytes(src.read(), dst.width))


@instruction("MOVNTI", "NP 0F C3 /r My,Gy")
def movnti(cpu, dst, src):
    """dst = src, around the caches, of which there are none. No flags."""
    dst.write(src.read())


@instruction("CMOVcc", *(f"0F {0x40 + code:02X} /r Gv,Ev" for code in range(16)))
def cmovcc(cpu, dst, src):
    """If the condition holds, dst = src. src is read, and a 32-bit dst's upper half cleared, in either case."""
    value = src.read()
    if cpu.condition(cpu.condition_code):
        dst.write(value)
    else:
        dst.write(dst.read())


@instruction("SETcc", *(f"0F {0x90 + code:02X} /r Eb" for code in range(16)))
def setcc(cpu, dst):
    """dst = 1 if the condition holds, else 0. No flags."""
    dst.write(cpu.condition(cpu.condition_code))


@instruction("CBW", "98 rAX")
def cbw(cpu, dst):
    """CBW CWDE CDQE: rAX = its lower half with its sign above. No flags."""
    dst.write(dst.wrap(sign_extend(dst.read(), dst.width >> 1)))


@instruction("CWD", "99 rDX,rAX")
def cwd(cpu, dst, src):
    """CWD CDQ CQO: all bits of rDX = sign of rAX. No flags."""
    dst.write(mask(dst.width) if src.read() >> (src.width - 1) else 0)


@instruction("XLAT", "D7 Xb")
def xlat(cpu, table):
    """AL = byte at rBX + AL, rBX as wide as the address size. No flags."""
    offset = cpu.gpr[RBX] + (cpu.gpr[RAX] & 0xFF)
    if cpu.addrsize == 64:
        offset = offset & MASK64
    elif cpu.addrsize == 32:
        offset = offset & MASK32
    else:
        offset = offset & 0xFFFF
    cpu.write_register(RAX, 8, cpu.read_memory(table.segment, offset, 8))
