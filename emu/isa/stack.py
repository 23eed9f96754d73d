"""The stack: PUSH and POP in all forms, flags on the stack, and procedure frames (APM vol. 3, chapter 3)."""

from emu.isa.exits import EXIT_POPF, EXIT_PUSHF, INTERCEPT_PUSHF, VM_EXIT
from emu.isa.language import AC, ACCESS_WRITE, DF, GP, ID, IF, IOPL, MASK64, NT, RBP, RF, RSP, SS, STATUS_FLAGS, TF, VM, Fault
from emu.isa.registry import instruction


@instruction("PUSH", "50+r Zv d64", "FF /6 Ev d64", "68 iz Iz d64", "6A ib sIb d64", sized=True)
def push(cpu, src):
    """Move the stack pointer down by the operand size and store src there; PUSH rSP stores the old value."""
    cpu.push(src.read(), cpu.opsize)


@instruction("POP", "58+r Zv d64")
def pop(cpu, dst):
    """Load dst from the stack and move the stack pointer up; POP rSP keeps what was loaded."""
    dst.write(cpu.pop(dst.width))


@instruction("POP", "8F /0 Ev d64")
def pop_operand(cpu, dst):
    """Load dst from the stack and move the stack pointer up; an address based on rSP counts with the new value."""
    value = cpu.peek(0, dst.width)
    if dst.is_memory:
        old = cpu.gpr[RSP]
        cpu.drop(dst.width >> 3)
        offset = dst.offset()
        cpu.gpr[RSP] = old
        cpu.write_memory(dst.segment, offset, dst.width, value)
        cpu.drop(dst.width >> 3)
    else:
        cpu.drop(dst.width >> 3)
        dst.write(value)


@instruction("PUSHA", "60 i64", sized=True)
def pusha(cpu):
    """Push rAX rCX rDX rBX, the old rSP, rBP rSI rDI."""
    size = cpu.opsize >> 3
    cpu.probe_memory(SS, cpu.stack_wrap(cpu.stack_pointer() - size), size, ACCESS_WRITE)
    for number in range(8):
        value = cpu.read_register(number, cpu.opsize)
        cpu.write_memory(SS, cpu.stack_wrap(cpu.stack_pointer() - size * (number + 1)), cpu.opsize, value)
    cpu.set_stack_pointer(cpu.stack_wrap(cpu.stack_pointer() - size * 8))


@instruction("POPA", "61 i64", sized=True)
def popa(cpu):
    """Pop rDI rSI rBP, skip one, rBX rDX rCX rAX."""
    size = cpu.opsize >> 3
    for number in range(8):
        cpu.peek(size * number, cpu.opsize)     # all that can fault, before a register changes
    for number in range(8):
        if number != 3:
            cpu.write_register(7 - number, cpu.opsize, cpu.peek(size * number, cpu.opsize))
    cpu.drop(size * 8)


@instruction("PUSHF", "9C d64", sized=True)
def pushf(cpu):
    """Push the flags, VM and RF as zero; #GP(0) in virtual-8086 mode with IOPL below 3."""
    if cpu.vm_intercepts & INTERCEPT_PUSHF:
        cpu.note_instruction(EXIT_PUSHF, 0, 0)
        raise Fault(VM_EXIT, 0)
    if cpu.flags & VM and cpu.flags & IOPL != IOPL:
        raise Fault(GP, 0)
    value = cpu.read_flags() & 0xFCFFFF
    if cpu.opsize == 16:
        value = value & 0xFFFF
    cpu.push(value, cpu.opsize)


@instruction("POPF", "9D d64", sized=True, serialize=True)
def popf(cpu):
    """Pop the flags: IOPL changes only at CPL 0, IF only at CPL <= IOPL, VM VIF VIP never; RF becomes 0."""
    cpu.intercept(EXIT_POPF)
    if cpu.flags & VM and cpu.flags & IOPL != IOPL:
        raise Fault(GP, 0)
    value = cpu.pop(cpu.opsize)
    allowed = STATUS_FLAGS | TF | DF | NT
    if cpu.opsize != 16:
        allowed = allowed | AC | ID | RF
        value = value & ~RF
    if cpu.cpl == 0:
        allowed = allowed | IOPL
    if cpu.cpl <= (cpu.flags & IOPL) >> 12:
        allowed = allowed | IF
    cpu.write_flags((cpu.read_flags() & ~allowed) | (value & allowed))


@instruction("ENTER", "C8 iw ib Iw,Ib d64", sized=True)
def enter(cpu, size, level):
    """Make a stack frame of `size` bytes with up to 31 outer frame pointers (APM vol. 3, ENTER)."""
    step = cpu.opsize >> 3
    depth = level.read() & 31
    pointer = cpu.stack_wrap(cpu.stack_pointer() - step)
    cpu.write_memory(SS, pointer, cpu.opsize, cpu.read_register(RBP, cpu.opsize))
    frame = pointer
    if depth:
        outer = cpu.stack_wrap(cpu.gpr[RBP])
        for k in range(1, depth):
            outer = cpu.stack_wrap(outer - step)
            pointer = cpu.stack_wrap(pointer - step)
            cpu.write_memory(SS, pointer, cpu.opsize, cpu.read_memory(SS, outer, cpu.opsize))
        pointer = cpu.stack_wrap(pointer - step)
        new = (cpu.gpr[RBP] & ~0xFFFF & MASK64) | (frame & 0xFFFF) if cpu.stack_size == 16 else frame
        if cpu.opsize == 16:
            new = new & 0xFFFF
        cpu.write_memory(SS, pointer, cpu.opsize, new)
    pointer = cpu.stack_wrap(pointer - size.read())
    # The page the frame will be used in must be writable now, while the instruction can be restarted.
    cpu.probe_memory(SS, pointer, 1, ACCESS_WRITE)
    cpu.set_stack_pointer(pointer)
    cpu.write_register(RBP, cpu.opsize, frame)


@instruction("LEAVE", "C9 d64", sized=True)
def leave(cpu):
    """rSP = rBP, then pop rBP."""
    pointer = cpu.stack_wrap(cpu.gpr[RBP])
    value = cpu.read_memory(SS, pointer, cpu.opsize)
    cpu.set_stack_pointer(cpu.stack_wrap(pointer + (cpu.opsize >> 3)))
    cpu.write_register(RBP, cpu.opsize, value)
