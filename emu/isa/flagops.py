"""Single flags, flags in AH, and instructions that only say something to the processor: NOP, hints, fences, UD
(APM vol. 3, chapter 3)."""

from emu.isa.exits import INTERCEPT_PAUSE
from emu.isa.language import CF, DF, MASK64, OF, RAX, UD, Fault
from emu.isa.registry import instruction


@instruction("CLC", "F8")
def clc(cpu):
    """CF = 0."""
    cpu.flags_replace(0, CF)


@instruction("STC", "F9")
def stc(cpu):
    """CF = 1."""
    cpu.flags_replace(CF, CF)


@instruction("CMC", "F5")
def cmc(cpu):
    """CF = not CF."""
    cpu.flags_replace(cpu.carry() ^ 1, CF)


@instruction("CLD", "FC")
def cld(cpu):
    """DF = 0: string operations go upward."""
    cpu.flags = cpu.flags & ~DF & MASK64


@instruction("STD", "FD")
def std(cpu):
    """DF = 1: string operations go downward."""
    cpu.flags = cpu.flags | DF


@instruction("LAHF", "9F")
def lahf(cpu):
    """AH = SF ZF AF PF CF at their places, bit 1 set."""
    cpu.gpr[RAX] = (cpu.gpr[RAX] & 0xFFFFFFFFFFFF00FF) | (((cpu.status() & 0xD5) | 2) << 8)


@instruction("SAHF", "9E")
def sahf(cpu):
    """SF ZF AF PF CF = those of AH; OF stays."""
    cpu.flags_set((cpu.status() & OF) | ((cpu.gpr[RAX] >> 8) & 0xD5))


@instruction("SALC", "D6 i64")
def salc(cpu):
    """AL = FF if CF, else 0. No flags. APM vol. 3 has it in B.3, as invalid in 64-bit mode."""
    cpu.gpr[RAX] = (cpu.gpr[RAX] & 0xFFFFFFFFFFFFFF00) | (0xFF if cpu.carry() else 0)


@instruction("NOP", "90")
def nop(cpu):
    """Nothing."""


@instruction("NOP", "0F 18 /4 Eb", "0F 18 /5 Eb", "0F 18 /6 Eb", "0F 18 /7 Eb",
             *(f"0F 18 /{hint} mod=reg Eb" for hint in range(4)),
             *(f"0F {opcode:02X} /r Eb" for opcode in range(0x19, 0x20)))
def nop_operand(cpu, hint):
    """Nothing; the operand is not accessed. 0F 18 to 1F are hints of this or some later processor."""


@instruction("PAUSE", "F3 90")
def pause(cpu):
    """Nothing: a hint that this is a spin-wait loop. A guest's host may want to know of loops that are long."""
    if cpu.vm_intercepts & INTERCEPT_PAUSE:
        cpu.pause_filter_step()


@instruction("PREFETCH", *(f"0F 18 /{hint} mod=mem Eb" for hint in range(4)), "0F 0D /r Mb")
def prefetch(cpu, src):
    """Nothing: a prefetch never faults and there are no caches."""


@instruction("LFENCE", "NP 0F AE /5 mod=reg")
def lfence(cpu):
    """Nothing: memory accesses are in order."""


@instruction("MFENCE", "NP 0F AE /6 mod=reg")
def mfence(cpu):
    """Nothing: memory accesses are in order."""


@instruction("SFENCE", "NP 0F AE /7 mod=reg")
def sfence(cpu):
    """Nothing: memory accesses are in order."""


@instruction("CLFLUSH", "NP 0F AE /7 mod=mem Mb")
def clflush(cpu, line):
    """Faults as a read of one byte; there are no caches to flush."""
    line.read()


@instruction("UD2", "0F 0B")
def ud2(cpu):
    """#UD."""
    raise Fault(UD, 0)


@instruction("UD1", "0F B9 /r Gb,Eb")
def ud1(cpu, first, second):
    """#UD, with operands that are not accessed."""
    raise Fault(UD, 0)


@instruction("UD", *(f"{prefix} 0F38 {opcode} /r Gb,Eb" for prefix in ("F2", "F3") for opcode in ("F0", "F1")))
def ud_crc32(cpu, first, second):
    """#UD where a processor with SSE4.2 has CRC32; the same opcodes are MOVBE without F2 and F3."""
    raise Fault(UD, 0)


@instruction("UD0", "0F FF /r Gb,Eb")
def ud0(cpu, first, second):
    """#UD, with operands that are not accessed."""
    raise Fault(UD, 0)
