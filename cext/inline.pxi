# What handlers are made of, compiled into every family: addresses, TLB probes, and the ways from one instruction to
# the next. Every function here is small enough to vanish into its caller, so that a handler stays one tail call.

from libc.string cimport memcpy

cdef extern from *:
    """
    #define unreachable() __builtin_unreachable()
    #define likely(x) __builtin_expect(!!(x), 1)
    """
    void unreachable() noexcept nogil
    bint likely(bint x) noexcept nogil

include "primitives.pxi"

cdef inline u64 signed_value(u64 value, u64 width) noexcept nogil:
    return <u64>((<i64>(value << (64 - width))) >> (64 - width))

cdef inline u64 mask_value(u64 width) noexcept nogil:
    return (<u64>0xFFFFFFFFFFFFFFFFULL) >> (64 - width)

cdef inline V128 make_vector(u64 low, u64 high) noexcept nogil:
    cdef V128 v
    v.u64[0] = low
    v.u64[1] = high
    return v

cdef inline V128 load_vector(char *p) noexcept nogil:
    cdef V128 v
    v.u64[0] = (<u64*>p)[0]
    v.u64[1] = (<u64*>p)[1]
    return v

cdef inline void store_vector(char *p, V128 v) noexcept nogil:
    (<u64*>p)[0] = v.u64[0]
    (<u64*>p)[1] = v.u64[1]

# Where we are

cdef inline u64 insn_rip_of(CPU *cpu, Insn *i) noexcept nogil:
    return cpu.block.rip + i.offset

cdef inline u64 next_rip_of(CPU *cpu, Insn *i) noexcept nogil:
    return (cpu.block.rip + i.offset + i.length) & cpu.block.mask

cdef inline u64 current_next_rip(CPU *cpu) noexcept nogil:
    return next_rip_of(cpu, cpu.current)

cdef inline u64 retired_now(CPU *cpu) noexcept nogil:
    # Inside an instruction neither it nor what follows it in its block has been retired.
    if cpu.current == NULL:
        return cpu.slice_end - cpu.budget
    return cpu.slice_end - cpu.budget - cpu.current.left - 1

cdef inline u64 now(CPU *cpu) noexcept nogil:
    return retired_now(cpu) * cpu.tsc_step + cpu.tsc_offset + cpu.vm_tsc_offset

cdef inline void set_context(CPU *cpu, Insn *i) noexcept nogil:
    cpu.current = i
    cpu.insn_rip = cpu.block.rip + i.offset

cdef inline void set_sizes(CPU *cpu, Insn *i, u64 opsize) noexcept nogil:
    cpu.opsize = opsize
    cpu.addrsize = i.addrsize
    cpu.rep = i.rep

cdef inline void count_iterations(CPU *cpu, u64 n) noexcept nogil:
    cpu.budget -= n

# Addresses

cdef inline u64 register_at(CPU *cpu, u16 offset) noexcept nogil:
    return (<u64*>((<char*>cpu) + offset))[0]

cdef inline u64 offset_fast(CPU *cpu, Insn *i) noexcept nogil:
    return register_at(cpu, i.m) + (register_at(cpu, i.index) << i.scale) + i.disp

cdef inline u64 address_fast(CPU *cpu, Insn *i) noexcept nogil:
    return register_at(cpu, i.m) + (register_at(cpu, i.index) << i.scale) + i.disp + register_at(cpu, i.base)

cdef inline u64 offset_plus(CPU *cpu, Insn *i, u64 delta) noexcept nogil:
    return (offset_fast(cpu, i) + delta) & ((<u64>0xFFFFFFFFFFFFFFFFULL) >> (64 - i.addrsize))

cdef inline u64 offset_any(CPU *cpu, Insn *i) noexcept nogil:
    return offset_plus(cpu, i, 0)

cdef inline bint canonical(u64 la) noexcept nogil:
    return (<u64>((<i64>(la << 16)) >> 16)) == la

# The host's address of guest memory, or NULL: not cached, device, code page, page crossing, no permission.

cdef inline char *probe_read(CPU *cpu, u64 la, u64 size) noexcept nogil:
    cdef TlbEntry *entry = &cpu.tlb[(la >> 12) & 511]
    if likely(((la + size - 1) & (<u64>0xFFFFFFFFFFFFF000ULL)) == entry.read_tag):
        return <char*>(la + entry.addend)
    return NULL

cdef inline char *probe_write(CPU *cpu, u64 la, u64 size) noexcept nogil:
    cdef TlbEntry *entry = &cpu.tlb[(la >> 12) & 511]
    if likely(((la + size - 1) & (<u64>0xFFFFFFFFFFFFF000ULL)) == entry.write_tag):
        return <char*>(la + entry.addend)
    return NULL

# From one instruction to the next

cdef inline void enter_block(CPU *cpu, Block *block) noexcept nogil:
    cdef i64 budget = cpu.budget - block.count
    if budget < 0:
        cpu.rip = block.rip
        return
    cpu.budget = budget
    cpu.block = block
    block.insns[0].run(cpu, &block.insns[0])

cdef inline void goto_direct(CPU *cpu, Insn *i) noexcept nogil:
    if likely((<u64*>&i.r)[0] == cpu.generation):
        enter_block(cpu, <Block*>i.disp)
        return
    cpu.rip = i.imm
    cpu.link_from = i

cdef inline void goto_indirect(CPU *cpu, Insn *i, u64 target) noexcept nogil:
    cdef JumpEntry *entry = &cpu.jumps[(target ^ (target >> 12)) & 1023]
    if likely(entry.rip == target and entry.generation == cpu.generation):
        enter_block(cpu, entry.block)
        return
    cpu.rip = target

cdef inline void goto_direct_cold(CPU *cpu, Insn *i) noexcept nogil:
    if cpu.attention:
        cpu.rip = i.imm
        return
    goto_direct(cpu, i)

cdef inline void goto_indirect_cold(CPU *cpu, Insn *i, u64 target) noexcept nogil:
    if cpu.attention:
        cpu.rip = target
        return
    goto_indirect(cpu, i, target)

cdef inline void next_cold(CPU *cpu, Insn *i) noexcept nogil:
    if cpu.attention:
        cpu.rip = next_rip_of(cpu, i)
        cpu.budget += i.left
        return
    i[1].run(cpu, i + 1)

cdef inline void leave_serialized(CPU *cpu, Insn *i) noexcept nogil:
    pass

cdef inline void leave_fault(CPU *cpu, Insn *i) noexcept nogil:
    # The faulting instruction counts as retired: a storm of faults must not stop the clock.
    if cpu.rip_settled == 0:
        cpu.rip = cpu.block.rip + i.offset
    cpu.budget += i.left

cdef inline void write_mmx(CPU *cpu, u16 offset, u64 value) noexcept nogil:
    (<u64*>((<char*>cpu) + offset))[0] = value
    # The exponents stand right behind the mantissas, in the same order.
    (<u64*>((<char*>cpu) + offset + 64))[0] = 0xFFFF
