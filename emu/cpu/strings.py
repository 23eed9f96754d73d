"""Repeated string instructions: counting iterations exactly, and doing many at once where nothing can tell.

Every iteration commits rSI, rDI and rCX before the next may fault. n iterations retire n instructions (at least 1):
the engine counts the first, these functions the others. An instruction interrupted between iterations leaves RIP on
itself and goes on later. What is done at once (`bulk_*`, two twins) is only what single iterations would also have done
without a fault, a device access or a page walk; so how much it was never shows.
"""

from emu.isa.language import DF, ES, FS, MASK32, MASK64, RCX, RDI, RF, RSI, TF, wrap64


def string_step(cpu, number, width):
    """Move rSI or rDI by one element of `width` bits, down if DF is set."""
    size = width >> 3
    at = cpu.read_address_register(number)
    cpu.write_address_register(number, wrap64(at - size) if cpu.flags & DF else at + size)


def next_iteration(cpu):
    """1 when a repeated instruction may do one more iteration now (it is then counted); else 0, to be run again later.

    RF then says that it has begun, in what an interrupt or trap saves (SDM vol. 3, 6.8.3) too.
    """
    if cpu.rep_budget > 0 and cpu.attention == 0 and cpu.flags & TF == 0:
        cpu.count_iterations(1)
        return 1
    cpu.rip = cpu.insn_rip
    cpu.flags = cpu.flags | RF
    return 0


def repeat_again(cpu):
    """Count rCX down after an iteration; 1 when another is to be done now, else 0."""
    count = wrap64(cpu.read_address_register(RCX) - 1)
    cpu.write_address_register(RCX, count)
    if count == 0:
        return 0
    return cpu.next_iteration()


def bulk_limit(cpu, seg, offset, width, count):
    """How many of `count` elements going up from seg:offset need no check but that of their page; 0 to `count`."""
    if cpu.addrsize == 16 or cpu.flags & (DF | TF) or cpu.attention or cpu.rep_budget <= 0:
        return 0
    if cpu.code_size != 64 and (cpu.seg_limit[seg] != MASK32 or cpu.seg_attr[seg] & 12 == 4):
        return 0
    limit = wrap64(cpu.rep_budget)
    if count < limit:
        limit = count
    if cpu.addrsize == 32:
        room = (0x100000000 - offset) // (width >> 3)
        if room < limit:
            limit = room
    return limit


def bulk_address(cpu, seg, offset):
    """Linear address of seg:offset, which `bulk_limit` has allowed."""
    if cpu.code_size == 64:
        return offset if seg < FS else (offset + cpu.seg_base[seg]) & MASK64
    return (offset + cpu.seg_base[seg]) & MASK32


def repeat_move(cpu, seg, width):
    """After an iteration of REP MOVS from `seg`: do what can be done at once; 1 when an iteration is to be done now."""
    count = wrap64(cpu.read_address_register(RCX) - 1)
    if count:
        source = cpu.read_address_register(RSI)
        target = cpu.read_address_register(RDI)
        limit = cpu.bulk_limit(ES, target, width, cpu.bulk_limit(seg, source, width, count))
        if limit:
            done = cpu.bulk_copy(cpu.bulk_address(ES, target), cpu.bulk_address(seg, source), limit, width)
            if done:
                cpu.write_address_register(RSI, source + done * (width >> 3))
                cpu.write_address_register(RDI, target + done * (width >> 3))
                cpu.count_iterations(done)
                count = count - done
    cpu.write_address_register(RCX, count)
    if count == 0:
        return 0
    return cpu.next_iteration()


def repeat_store(cpu, width, value):
    """After an iteration of REP STOS: do what can be done at once; 1 when an iteration is to be done now."""
    count = wrap64(cpu.read_address_register(RCX) - 1)
    if count:
        target = cpu.read_address_register(RDI)
        limit = cpu.bulk_limit(ES, target, width, count)
        if limit:
            done = cpu.bulk_fill(cpu.bulk_address(ES, target), limit, width, value)
            if done:
                cpu.write_address_register(RDI, target + done * (width >> 3))
                cpu.count_iterations(done)
                count = count - done
    cpu.write_address_register(RCX, count)
    if count == 0:
        return 0
    return cpu.next_iteration()


def repeat_compare(cpu, seg, width):
    """After an iteration of REPE/REPNE CMPS: 1 when another is to be done now. Equal elements are passed at once, but
    for the last of them: an iteration of its own sets the flags."""
    count = wrap64(cpu.read_address_register(RCX) - 1)
    cpu.write_address_register(RCX, count)
    wanted = 1 if cpu.rep == 0xF3 else 0
    if count == 0 or cpu.zero() != wanted:
        return 0
    if wanted:
        source = cpu.read_address_register(RSI)
        target = cpu.read_address_register(RDI)
        limit = cpu.bulk_limit(ES, target, width, cpu.bulk_limit(seg, source, width, count))
        if limit:
            done = cpu.bulk_compare(cpu.bulk_address(seg, source), cpu.bulk_address(ES, target), limit, width)
            if done > 1:
                done = done - 1
                cpu.write_address_register(RSI, source + done * (width >> 3))
                cpu.write_address_register(RDI, target + done * (width >> 3))
                cpu.write_address_register(RCX, count - done)
                cpu.count_iterations(done)
    return cpu.next_iteration()


def repeat_scan(cpu, width, value):
    """After an iteration of REPE/REPNE SCAS: as `repeat_compare`, with elements that equal `value`, or don't."""
    count = wrap64(cpu.read_address_register(RCX) - 1)
    cpu.write_address_register(RCX, count)
    wanted = 1 if cpu.rep == 0xF3 else 0
    if count == 0 or cpu.zero() != wanted:
        return 0
    target = cpu.read_address_register(RDI)
    limit = cpu.bulk_limit(ES, target, width, count)
    if limit:
        done = cpu.bulk_scan(cpu.bulk_address(ES, target), limit, width, value, wanted)
        if done > 1:
            done = done - 1
            cpu.write_address_register(RDI, target + done * (width >> 3))
            cpu.write_address_register(RCX, count - done)
            cpu.count_iterations(done)
    return cpu.next_iteration()
