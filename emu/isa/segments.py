"""Segment registers, the tables' selectors, and far transfers (APM vol. 2, chapter 4; vol. 3, chapters 3 and 4)."""

from emu.isa.exits import EXIT_LDTR_READ, EXIT_LDTR_WRITE, EXIT_TR_READ, EXIT_TR_WRITE
from emu.isa.language import CS, DS, ES, FS, GS, LDTR, SS, TR, UD, Fault
from emu.isa.registry import instruction

# System descriptors that LAR and LSL see, a bit a type: protected mode, long mode (APM vol. 3, LAR and LSL).
LAR_TYPES, LAR_TYPES_LONG = 0x1A3E, 0x1A04
LSL_TYPES, LSL_TYPES_LONG = 0x0A0E, 0x0A04
SHOWN_ACCESS = 0x00F0FF00
D_WRITABLE, D_CODE, D_S = 1 << 41, 1 << 43, 1 << 44


@instruction("MOV", "8E /r Sw,Ew", serialize=True)
def mov_to_segment(cpu, dst, src):
    """Segment register = selector src. #UD for CS; #GP #NP #SS; after SS no interrupt before the next instruction."""
    if dst.index == CS or dst.index > GS:
        raise Fault(UD, 0)
    cpu.load_segment(dst.index, src.read())


@instruction("MOV", "8C /r mod=mem Mw,Sw", "8C /r mod=reg Rv,Sw")
def mov_from_segment(cpu, dst, src):
    """dst = selector, zero-extended."""
    if src.index > GS:
        raise Fault(UD, 0)
    dst.write(cpu.seg_sel[src.index])


@instruction("PUSH", "06 ES i64", "0E CS i64", "16 SS i64", "1E DS i64", "0F A0 FS d64", "0F A8 GS d64", sized=True)
def push_segment(cpu, src):
    """Push the selector, zero-extended to the operand size."""
    cpu.push(cpu.seg_sel[src.index], cpu.opsize)


@instruction("POP", "07 ES i64", "17 SS i64", "1F DS i64", "0F A1 FS d64", "0F A9 GS d64", sized=True, serialize=True)
def pop_segment(cpu, dst):
    """Pop a selector and load it."""
    pointer = cpu.stack_wrap(cpu.stack_pointer() + (cpu.opsize >> 3))
    selector = cpu.peek(0, cpu.opsize) & 0xFFFF
    if dst.index == SS:
        size = cpu.stack_size
        cpu.load_segment(SS, selector)
        # The pointer that moves is as wide as the old stack segment says.
        cpu.write_register(4, 64 if size == 64 else size, pointer)
    else:
        cpu.load_segment(dst.index, selector)
        cpu.set_stack_pointer(pointer)


@instruction("LES", "C4 /r Gv,Mp i64", serialize=True)
def les(cpu, dst, src):
    """dst = offset, ES = selector of the far pointer at src."""
    offset = src.read_at(0, src.width)
    cpu.load_segment(ES, src.read_at(src.width >> 3, 16))
    dst.write(offset)


@instruction("LDS", "C5 /r Gv,Mp i64", serialize=True)
def lds(cpu, dst, src):
    """dst = offset, DS = selector of the far pointer at src."""
    offset = src.read_at(0, src.width)
    cpu.load_segment(DS, src.read_at(src.width >> 3, 16))
    dst.write(offset)


@instruction("LSS", "0F B2 /r Gv,Mp", serialize=True)
def lss(cpu, dst, src):
    """dst = offset, SS = selector of the far pointer at src."""
    offset = src.read_at(0, src.width)
    cpu.load_segment(SS, src.read_at(src.width >> 3, 16))
    dst.write(offset)


@instruction("LFS", "0F B4 /r Gv,Mp", serialize=True)
def lfs(cpu, dst, src):
    """dst = offset, FS = selector of the far pointer at src."""
    offset = src.read_at(0, src.width)
    cpu.load_segment(FS, src.read_at(src.width >> 3, 16))
    dst.write(offset)


@instruction("LGS", "0F B5 /r Gv,Mp", serialize=True)
def lgs(cpu, dst, src):
    """dst = offset, GS = selector of the far pointer at src."""
    offset = src.read_at(0, src.width)
    cpu.load_segment(GS, src.read_at(src.width >> 3, 16))
    dst.write(offset)


# Far transfers

@instruction("JMP", "EA Ip i64", serialize=True)
def jmp_far(cpu, target):
    """Continue at a far pointer in the instruction: code segment, call gate or task."""
    cpu.far_jump(target.second(), target.read())


@instruction("JMP", "FF /5 mod=mem Mp", serialize=True)
def jmp_far_memory(cpu, target):
    """Continue at the far pointer in memory."""
    offset = target.read_at(0, target.width)
    cpu.far_jump(target.read_at(target.width >> 3, 16), offset)


@instruction("CALL", "9A Ip i64", serialize=True)
def call_far(cpu, target):
    """Push CS and RIP, continue at a far pointer in the instruction."""
    cpu.far_call(target.second(), target.read(), target.width)


@instruction("CALL", "FF /3 mod=mem Mp", serialize=True)
def call_far_memory(cpu, target):
    """Push CS and RIP, continue at the far pointer in memory."""
    offset = target.read_at(0, target.width)
    cpu.far_call(target.read_at(target.width >> 3, 16), offset, target.width)


@instruction("RET", "CB", sized=True, serialize=True)
def ret_far(cpu):
    """Pop RIP and CS, to an outer level RSP and SS too."""
    cpu.far_return(cpu.opsize, 0)


@instruction("RET", "CA iw Iw", sized=True, serialize=True)
def ret_far_release(cpu, release):
    """Pop RIP and CS, drop `release` bytes of parameters, of both stacks on the way to an outer level."""
    cpu.far_return(cpu.opsize, release.read())


# LDTR, TR, and looking at descriptors

@instruction("SLDT", "0F 00 /0 mod=mem Mw", "0F 00 /0 mod=reg Rv")
def sldt(cpu, dst):
    """dst = LDT selector. #UD outside protected mode."""
    cpu.require_protected()
    cpu.require_umip()
    cpu.intercept(EXIT_LDTR_READ)
    dst.write(cpu.seg_sel[LDTR])


@instruction("STR", "0F 00 /1 mod=mem Mw", "0F 00 /1 mod=reg Rv")
def str_(cpu, dst):
    """dst = task register's selector. #UD outside protected mode."""
    cpu.require_protected()
    cpu.require_umip()
    cpu.intercept(EXIT_TR_READ)
    dst.write(cpu.seg_sel[TR])


@instruction("LLDT", "0F 00 /2 Ew", serialize=True)
def lldt(cpu, src):
    """LDTR = selector src."""
    cpu.require_protected()
    cpu.require_ring0()
    cpu.intercept(EXIT_LDTR_WRITE)
    cpu.load_ldt(src.read())


@instruction("LTR", "0F 00 /3 Ew", serialize=True)
def ltr(cpu, src):
    """TR = selector src, whose task state becomes busy."""
    cpu.require_protected()
    cpu.require_ring0()
    cpu.intercept(EXIT_TR_WRITE)
    cpu.load_task_register(src.read())


@instruction("VERR", "0F 00 /4 Ew")
def verr(cpu, src):
    """ZF = 1 if the segment may be read at this CPL and RPL."""
    cpu.require_protected()
    raw = cpu.visible_descriptor(src.read(), 0)
    readable = 1 if raw and (raw & D_CODE == 0 or raw & D_WRITABLE) else 0
    cpu.set_zero_flag(readable)


@instruction("VERW", "0F 00 /5 Ew")
def verw(cpu, src):
    """ZF = 1 if the segment may be written at this CPL and RPL."""
    cpu.require_protected()
    raw = cpu.visible_descriptor(src.read(), 0)
    writable = 1 if raw and raw & D_CODE == 0 and raw & D_WRITABLE else 0
    cpu.set_zero_flag(writable)


@instruction("LAR", "0F 02 /r Gv,Ew")
def lar(cpu, dst, src):
    """dst = access rights of the descriptor, ZF = 1, if it is visible; else ZF = 0."""
    cpu.require_protected()
    raw = cpu.visible_descriptor(src.read(), LAR_TYPES_LONG if cpu.efer & 0x400 else LAR_TYPES)
    if raw:
        dst.write(dst.wrap((raw >> 32) & SHOWN_ACCESS))
        cpu.set_zero_flag(1)
    else:
        cpu.set_zero_flag(0)


@instruction("LSL", "0F 03 /r Gv,Ew")
def lsl(cpu, dst, src):
    """dst = limit of the segment in bytes, ZF = 1, if it is visible; else ZF = 0."""
    cpu.require_protected()
    raw = cpu.visible_descriptor(src.read(), LSL_TYPES_LONG if cpu.efer & 0x400 else LSL_TYPES)
    if raw:
        dst.write(dst.wrap(cpu.descriptor_limit(raw)))
        cpu.set_zero_flag(1)
    else:
        cpu.set_zero_flag(0)


@instruction("ARPL", "63 /r Ew,Gw i64")
def arpl(cpu, dst, src):
    """Raise the RPL of dst to that of src; ZF = 1 if it was lower. #UD outside protected mode."""
    cpu.require_protected()
    selector = dst.read()
    level = src.read() & 3
    if selector & 3 < level:
        dst.write((selector & 0xFFFC) | level)
        cpu.set_zero_flag(1)
    else:
        cpu.set_zero_flag(0)
