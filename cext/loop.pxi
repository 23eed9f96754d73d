# The run loop: from block to block, and what can happen between two instructions.

cdef extern from "<xmmintrin.h>" nogil:
    unsigned int _mm_getcsr()
    void _mm_setcsr(unsigned int value)

cdef enum:
    STOP_LIMIT = 0
    STOP_HALT = 1
    STOP_EXIT = 2
    STOP_SHUTDOWN = 3
    STOP_BREAKPOINT = 4
    STOP_ERROR = 5
    RESUME = 1 << 16        # RFLAGS.RF

# As in emu/cpu/events.py and emu/cpu/svm.py
cdef enum:
    DELIVER_FAULT = 0
    DELIVER_TRAP = 1
    DELIVER_INJECTED = 5
    DUE_LEFT = 1
    DUE_INTERRUPT = 3
    V_IRQ = 1 << 8

cdef void deliver(CPU *cpu, u64 how, u64 vector, u64 error) noexcept nogil:
    """Deliver a fault, a trap, or what interrupt_due() found, with double and triple faults."""
    cdef u64 second, second_vector
    while True:
        cpu.fault = 0
        cpu.current = NULL
        deliver_as(cpu, how, vector, error)
        if cpu.fault == 0:
            return
        if how == DELIVER_INJECTED and cpu.rip_settled == 0:
            cpu.rip = cpu.insn_rip
        second = cpu.fault & 0xFF
        cpu.fault = 0
        error = cpu.fault_error
        second_vector = combine_faults(cpu, second)
        if second_vector == 0x100:
            cpu.shutdown = 1
            cpu.fault_error = (second << 8) | vector
            return
        if second_vector == 8 and second != 8:
            error = 0
        vector = second_vector
        how = DELIVER_FAULT

cdef bint take_interrupt(CPU *cpu) noexcept nogil:
    """Deliver an injected event or an interrupt if the CPU accepts one now; True when it did, or left a guest for it."""
    cdef i64 vector = 0
    cdef u64 how = interrupt_due(cpu)
    if how <= DUE_LEFT:
        return how == DUE_LEFT
    if how == DUE_INTERRUPT:
        vector = bus_acknowledge(cpu)
        if vector < 0:
            return False
        cpu.halted = 0
    deliver(cpu, how, <u64>vector, 0)
    return True

cdef bint passed(CPU *cpu, Code *code) noexcept nogil:
    """Whether the breakpoint at RIP was reported already, and the instruction is now to be run."""
    cdef u64 now = cpu.slice_end - cpu.budget
    if code.passed_rip == cpu.rip and code.passed_at == now:
        return True
    code.passed_rip = cpu.rip
    code.passed_at = now
    return False

cdef void run_single(CPU *cpu) noexcept nogil:
    """One instruction by itself; its single-step trap is noted."""
    cdef i64 rest
    cdef Block *block = find_block(cpu, 1)
    if block == NULL:
        cpu.budget -= 1             # a fault counts, so that a storm of faults can't stop the clock
        return
    # All but one of the budget is put aside, so that nothing can run on from this instruction.
    rest = cpu.budget - 1
    cpu.budget = 0
    cpu.slice_end -= rest
    cpu.link_from = NULL
    cpu.block = block
    cpu.single_step = cpu.flags & 0x100
    block.insns[0].run(cpu, &block.insns[0])
    cpu.link_from = NULL
    cpu.budget += rest
    cpu.slice_end += rest
    cpu.current = NULL
    if cpu.single_step and cpu.fault == 0:
        cpu.debug_hits |= 0x4000

cdef bint instruction_breakpoint(CPU *cpu, u64 shadow) noexcept nogil:
    """Whether the next instruction raises #DB for a breakpoint: as a fault, which leaves RF as it is (SDM vol. 3, 18.3.1.1)."""
    cdef u64 hits = 0
    if cpu.flags & RESUME == 0 and shadow & 2 == 0:
        hits = instruction_breakpoints(cpu)
    cpu.flags &= ~(<u64>RESUME)             # for this instruction alone
    if hits == 0:
        return False
    cpu.dr[6] |= hits
    cpu.budget -= 1
    deliver(cpu, DELIVER_TRAP, 1, 0)
    cpu.debug_hits = 0
    return True

cdef int run_loop(CPU *cpu) noexcept nogil:
    cdef Block *block
    cdef Insn *link
    cdef u64 shadow, vector, flushes
    cdef Code *code = code_of(cpu)
    cdef bint stop
    while True:
        cpu.current = NULL
        link = cpu.link_from
        cpu.link_from = NULL
        if cpu.fault:
            vector = cpu.fault & 0xFF
            cpu.debug_hits &= ~(<u64>0xFFFF)
            deliver(cpu, DELIVER_FAULT, vector, cpu.fault_error)
            link = NULL
        if cpu.debug_hits and debug_trap_due(cpu):
            deliver(cpu, DELIVER_TRAP, 1, 0)
            cpu.debug_hits = 0              # what the delivery itself met goes unreported: no end would be to it
            link = NULL
        if cpu.shutdown:
            return STOP_SHUTDOWN
        if cpu.python_error:
            return STOP_ERROR
        if cpu.budget <= 0:
            return STOP_LIMIT
        if cpu.exit_requested:
            return STOP_EXIT
        cpu.attention = 0
        shadow = cpu.interrupt_shadow
        cpu.in_shadow = shadow
        cpu.interrupt_shadow = 0
        if cpu.nmi_pending | cpu.interrupt_line | cpu.injected | (cpu.v_intr & V_IRQ):
            if (not shadow or cpu.injected) and take_interrupt(cpu):
                continue
        if cpu.halted:
            return STOP_HALT
        stop = is_breakpoint(code, cpu.rip)
        if stop and not passed(cpu, code):
            return STOP_BREAKPOINT
        if code.watch or cpu.flags & RESUME:
            if instruction_breakpoint(cpu, shadow):
                continue
            # What has a breakpoint is run by itself, and where a block's RIP doesn't tell its address, all is.
            if code.watch and (instruction_breakpoints(cpu) or (cpu.code_size != 64 and cpu.seg_base[1])):
                stop = True
        if shadow or cpu.flags & 0x100 or stop:
            run_single(cpu)
            continue
        flushes = code.flushes
        block = find_block(cpu, 0)
        if block == NULL:
            cpu.budget -= 1
            continue
        if block.count > cpu.budget:
            run_single(cpu)
            continue
        if link != NULL and block.dead == 0 and flushes == code.flushes and link.imm == cpu.rip:
            link.disp = <u64>block
            (<u64*>&link.r)[0] = cpu.generation
        cpu.budget -= block.count
        cpu.block = block
        block.insns[0].run(cpu, &block.insns[0])
