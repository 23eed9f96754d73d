"""Near control transfers: jumps, calls, returns, loops (APM vol. 3, chapter 3).

In 64-bit mode their operand size is 64 bits, and 16 with a 66 prefix: then the displacement has 16 bits and RIP is cut
to 16, as on AMD's processors (APM vol. 3, 1.2.2); Intel's ignore the prefix.
"""

from emu.isa.language import RCX
from emu.isa.registry import instruction


@instruction("Jcc", *(f"{0x70 + code:02X} cb Jb d64" for code in range(16)),
             *(f"0F {0x80 + code:02X} cz Jz d64" for code in range(16)))
def jcc(cpu, target):
    """Jump if the condition holds."""
    if cpu.condition(cpu.condition_code):
        cpu.check_target(target.read())
        cpu.jump(target.read())


@instruction("JMP", "EB cb Jb d64", "E9 cz Jz d64", "FF /4 Ev d64")
def jmp(cpu, target):
    """Jump to a relative or given target."""
    rip = target.read()
    cpu.check_target(rip)
    cpu.jump(rip)


@instruction("CALL", "E8 cz Jz d64", "FF /2 Ev d64", sized=True)
def call(cpu, target):
    """Push the next instruction's address and jump."""
    rip = target.read()
    cpu.check_target(rip)
    cpu.push(cpu.next_rip if cpu.opsize != 16 else cpu.next_rip & 0xFFFF, cpu.opsize)
    cpu.jump(rip)


@instruction("RET", "C3 d64", sized=True)
def ret(cpu):
    """Pop RIP."""
    rip = cpu.peek(0, cpu.opsize)
    cpu.check_target(rip)
    cpu.drop(cpu.opsize >> 3)
    cpu.jump(rip)


@instruction("RET", "C2 iw Iw d64", sized=True)
def ret_immediate(cpu, size):
    """Pop RIP, then move the stack pointer up by `size` more bytes."""
    rip = cpu.peek(0, cpu.opsize)
    cpu.check_target(rip)
    cpu.drop((cpu.opsize >> 3) + size.read())
    cpu.jump(rip)


@instruction("JCXZ", "E3 cb Jb d64")
def jcxz(cpu, target):
    """JCXZ JECXZ JRCXZ: jump if rCX, as wide as the address size, is zero."""
    if cpu.read_address_register(RCX) == 0:
        cpu.check_target(target.read())
        cpu.jump(target.read())


@instruction("LOOP", "E2 cb Jb d64")
def loop(cpu, target):
    """rCX = rCX - 1, as wide as the address size; jump if it isn't zero. No flags."""
    count = cpu.read_address_register(RCX)
    if count != 1:
        cpu.check_target(target.read())
        cpu.write_address_register(RCX, count - 1)
        cpu.jump(target.read())
    else:
        cpu.write_address_register(RCX, 0)


@instruction("LOOPE", "E1 cb Jb d64")
def loope(cpu, target):
    """rCX = rCX - 1; jump if it isn't zero and ZF is 1. No flags."""
    count = cpu.read_address_register(RCX)
    if count != 1 and cpu.zero():
        cpu.check_target(target.read())
        cpu.write_address_register(RCX, count - 1)
        cpu.jump(target.read())
    else:
        cpu.write_address_register(RCX, count - 1)


@instruction("LOOPNE", "E0 cb Jb d64")
def loopne(cpu, target):
    """rCX = rCX - 1; jump if it isn't zero and ZF is 0. No flags."""
    count = cpu.read_address_register(RCX)
    if count != 1 and cpu.zero() == 0:
        cpu.check_target(target.read())
        cpu.write_address_register(RCX, count - 1)
        cpu.jump(target.read())
    else:
        cpu.write_address_register(RCX, count - 1)
