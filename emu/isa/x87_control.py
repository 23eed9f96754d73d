"""x87 control: the control and status words, the environment, the whole state, waiting (APM vol. 5, chapter 2)."""

from emu.isa.language import ACCESS_READ, ACCESS_WRITE
from emu.isa.registry import instruction


@instruction("FWAIT", "9B", requires="x87_wait")
def fwait(cpu):
    """Raise #MF for a pending exception."""


@instruction("FNINIT", "DB /4 mod=reg rm=3", requires="x87_nowait")
def fninit(cpu):
    """Initial state: all exceptions masked, round to nearest, 64 bits, empty stack."""
    cpu.x87_init()


@instruction("FNCLEX", "DB /4 mod=reg rm=2", requires="x87_nowait")
def fnclex(cpu):
    """Forget all exceptions, pending or not."""
    cpu.fsw = cpu.fsw & 0x4700


@instruction("FENI", "DB /4 mod=reg rm=0", "DB /4 mod=reg rm=1", "DB /4 mod=reg rm=4", requires="x87_nowait")
def feni(cpu):
    """FNENI, FNDISI and FNSETPM of the 8087 and 80287: nothing since."""


@instruction("FNSTCW", "D9 /7 Mw", requires="x87_nowait")
def fnstcw(cpu, dst):
    """Store the control word."""
    dst.write(cpu.fcw)


@instruction("FLDCW", "D9 /5 Mw", requires="x87")
def fldcw(cpu, src):
    """Load the control word; unmasking an exception already recorded makes it pending."""
    cpu.x87_set_control(src.read())


@instruction("FNSTSW", "DD /7 Mw", "DF /4 mod=reg rm=0 AX", requires="x87_nowait")
def fnstsw(cpu, dst):
    """Store the status word."""
    dst.write(cpu.x87_status())


@instruction("FNSTENV", "D9 /6 Mb", requires="x87_nowait", sized=True)
def fnstenv(cpu, dst):
    """Store the environment, 14 or 28 bytes, then mask all exceptions."""
    if cpu.opsize == 16:
        dst.probe(14, ACCESS_WRITE)
        for k in range(7):
            dst.write_at(2 * k, 16, cpu.x87_environment(k, 16))
    else:
        dst.probe(28, ACCESS_WRITE)
        for k in range(7):
            dst.write_at(4 * k, 32, cpu.x87_environment(k, 32))
    cpu.x87_set_control(cpu.fcw | 0x3F)


@instruction("FLDENV", "D9 /4 Mb", requires="x87", sized=True)
def fldenv(cpu, src):
    """Load the environment, 14 or 28 bytes."""
    if cpu.opsize == 16:
        src.probe(14, ACCESS_READ)
        for k in range(7):
            cpu.x87_set_environment(k, 16, src.read_at(2 * k, 16))
    else:
        src.probe(28, ACCESS_READ)
        for k in range(7):
            cpu.x87_set_environment(k, 32, src.read_at(4 * k, 32))


@instruction("FNSAVE", "DD /6 Mb", requires="x87_nowait", sized=True)
def fnsave(cpu, dst):
    """Store the environment and ST(0) to ST(7), 94 or 108 bytes, then as FNINIT."""
    start = 28
    if cpu.opsize == 16:
        start = 14
        dst.probe(94, ACCESS_WRITE)
        for k in range(7):
            dst.write_at(2 * k, 16, cpu.x87_environment(k, 16))
    else:
        dst.probe(108, ACCESS_WRITE)
        for k in range(7):
            dst.write_at(4 * k, 32, cpu.x87_environment(k, 32))
    for i in range(8):
        dst.write_at(start + 10 * i, 64, cpu.x87_mantissa(i))
        dst.write_at(start + 10 * i + 8, 16, cpu.x87_exponent(i))
    cpu.x87_init()


@instruction("FRSTOR", "DD /4 Mb", requires="x87", sized=True)
def frstor(cpu, src):
    """Load the environment and ST(0) to ST(7), 94 or 108 bytes."""
    start = 28
    if cpu.opsize == 16:
        start = 14
        src.probe(94, ACCESS_READ)
        for k in range(7):
            cpu.x87_set_environment(k, 16, src.read_at(2 * k, 16))
    else:
        src.probe(108, ACCESS_READ)
        for k in range(7):
            cpu.x87_set_environment(k, 32, src.read_at(4 * k, 32))
    for i in range(8):
        register = (cpu.ftop + i) & 7
        cpu.fpr_mantissa[register] = src.read_at(start + 10 * i, 64)
        cpu.fpr_exponent[register] = src.read_at(start + 10 * i + 8, 16)
