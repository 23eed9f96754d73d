# x87 transcendental functions: the twin of emu/cpu/transcendental.py's x87_transcendental(). It calls the same Python
# function, so that both engines give the same bits on any host. All other x87 arithmetic is translated from
# emu/cpu/float80*.py.

cdef object transcendental_evaluate = importlib.import_module("emu.cpu.transcendental").evaluate

cdef void x87_transcendental(CPU *cpu, u64 operation, u64 am, u64 ae, u64 bm, u64 be) noexcept with gil:
    try:
        sign, exponent, high, low = transcendental_evaluate(operation, am, ae, bm, be)
        cpu.fr2_exponent = <u64>sign
        cpu.fr_exponent = <u64>(<i64>exponent)
        cpu.fr_mantissa = <u64>high
        cpu.fr2_mantissa = <u64>low
    except BaseException as error:
        bus_failed(cpu, error)
