"""The decoder: bytes to an encoding, its operand size, registers, address and immediate.

Tables come from the encodings in `emu/isa`. Where the manuals leave room, this decoder does as AMD's processors do:
 - of several segment or repeat prefixes the last counts; REX counts only just before the opcode;
 - F2/F3 as a mandatory prefix win over 66; then 66 still sets the operand size where one is used;
 - more than 15 bytes: #GP; LOCK where it is not allowed: #UD.
"""

from functools import cache

from emu.isa.language import CODE64, DS, MASK32, MASK64, SS, sign_extend
from emu.isa.registry import all_encodings

# Outcomes.
DECODED, MORE_BYTES, UNDEFINED, TOO_LONG = 0, 1, 2, 3

NO_REGISTER = 16         # "no base" and "no index": a register that reads as zero
NO_ENCODING = 0xFFFF

# How a node of the opcode table narrows down by ModRM.
BY_PREFIX, BY_REG, BY_MODRM = 0, 1, 2

# Immediates. The sizes of IMM_Z and IMM_V follow the operand size.
IMM_NONE, IMM_B, IMM_W, IMM_Z, IMM_V, IMM_SB, IMM_JB, IMM_JZ, IMM_MOFFS, IMM_FAR, IMM_ENTER, IMM_BB = range(12)

E_MODRM, E_D64, E_F64, E_66, E_LOCK, E_REP, E_PLUS_R, E_NOMEM = 1, 2, 4, 8, 16, 32, 64, 128

ENCODINGS = all_encodings()


def _immediate_kind(encoding):
    codes = [o for o in encoding.operands if o.kind in "ISJO"]
    if not codes:
        return IMM_NONE
    if len(codes) == 2:
        return IMM_ENTER if codes[0].size == 16 else IMM_BB
    kind, size = codes[0].kind, codes[0].size
    if kind == "J":
        return IMM_JB if size == 8 else IMM_JZ
    if kind == "S":
        return IMM_SB
    if kind == "O":
        return IMM_MOFFS
    return {8: IMM_B, 16: IMM_W, "z": IMM_Z, "v": IMM_V, "p": IMM_FAR}[size]


def _flags(encoding):
    entry, bits = encoding.instruction, 0
    bits |= E_MODRM if encoding.modrm else 0
    bits |= E_D64 if "d64" in encoding.attributes else 0
    bits |= E_F64 if "f64" in encoding.attributes else 0
    bits |= E_66 if encoding.prefix == 1 else 0
    bits |= E_LOCK if entry.lockable and encoding.operands[0].kind in "EM" else 0
    bits |= E_REP if entry.rep else 0
    bits |= E_PLUS_R if encoding.plus_r else 0
    bits |= E_NOMEM if any(o.kind in "RUNCD" for o in encoding.operands) and encoding.mod == "" and any(o.kind in "CD" for o in encoding.operands) else 0
    return bits


@cache
def _slots(encoding):
    """The ModRM bytes that an encoding accepts."""
    kinds = {o.kind for o in encoding.operands}
    control = bool(kinds & set("CD"))       # mod is ignored by MOV CRn
    register_only = encoding.mod == "reg" or (bool(kinds & set("RUNF")) and not control)
    memory_only = encoding.mod == "mem" or "M" in kinds
    mods = (3,) if register_only else (0, 1, 2) if memory_only else (0, 1, 2, 3)
    regs = range(8) if encoding.reg < 0 else (encoding.reg,)
    rms = range(8) if encoding.rm < 0 else (encoding.rm,)
    return [mod << 6 | reg << 3 | rm for mod in mods for reg in regs for rm in rms]


def _build_tables():
    """Flat tables: ROOT[(mode*4+map)*256+opcode] -> node offset; nodes hold encoding numbers by prefix and ModRM."""
    root, kinds, nodes = [0] * (3 * 4 * 256), [0] * (3 * 4 * 256), [NO_ENCODING] * 4
    cells: dict[int, list] = {}
    for encoding in ENCODINGS:
        for mode in range(3):       # 0: 16 and 32-bit code, 1: 64-bit with REX.W 0, 2: with REX.W 1
            at = encoding.attributes
            if mode == 0 and ("o64" in at or "w1" in at) or mode > 0 and "i64" in at:
                continue
            if mode == 1 and "w1" in at or mode == 2 and "w0" in at:
                continue
            for opcode in range(encoding.opcode, encoding.opcode + (8 if encoding.plus_r else 1)):
                cells.setdefault((mode * 4 + encoding.map) * 256 + opcode, []).append(encoding)
    for cell, encodings in cells.items():
        modrm = any(e.modrm for e in encodings)
        exact = any(e.rm >= 0 for e in encodings)
        kinds[cell] = (BY_MODRM if exact else BY_REG) if modrm else BY_PREFIX
        size = {BY_PREFIX: 1, BY_REG: 16, BY_MODRM: 256}[kinds[cell]]
        table = [NO_ENCODING] * (4 * size)
        # The less specific first, so that the more specific replace them: by prefix, then by rm.
        for encoding in sorted(encodings, key=lambda e: (e.prefix >= 0, not e.plus_r, e.rm >= 0)):
            accepted = _slots(encoding) if encoding.modrm else range(256)
            if size == 16:
                accepted = {(byte >> 6 == 3) * 8 + (byte >> 3 & 7) for byte in accepted}
            prefixes = range(4) if encoding.prefix < 0 else (encoding.prefix,)
            for prefix in prefixes:
                if size == 1:
                    table[prefix] = encoding.number
                    continue
                for slot in accepted:
                    table[prefix * size + slot] = encoding.number
        root[cell] = len(nodes)
        nodes.extend(table)
    return tuple(root), tuple(kinds), tuple(nodes)


ROOT, KINDS, NODES = _build_tables()
ENCODING_FLAGS = tuple(_flags(e) for e in ENCODINGS)
ENCODING_IMMEDIATE = tuple(_immediate_kind(e) for e in ENCODINGS)
ENCODING_IMMEDIATE_IS_V = tuple(int(any(o.kind == "S" or o.kind == "I" for o in e.operands)) for e in ENCODINGS)

# 16-bit addressing (APM vol. 3, table A-35): base and index by ModRM.rm.
BASE16 = (3, 3, 5, 5, 6, 7, 5, 3)
INDEX16 = (6, 7, 6, 7, 16, 16, 16, 16)


def decode(cpu, d):
    """Decode the instruction at d.bytes[0 : d.available] at RIP d.rip; fills `d`, returns an outcome above."""
    long_mode = cpu.code_size == CODE64
    opsize_prefix = 0
    addrsize_prefix = 0
    rex = 0
    d.rep = 0
    d.lock = 0
    d.segment = NO_REGISTER
    at = 0
    # Prefixes
    while True:
        if at >= d.available:
            return TOO_LONG if at >= 15 else MORE_BYTES
        byte = d.bytes[at]
        if byte == 0x66:
            opsize_prefix = 1
        elif byte == 0x67:
            addrsize_prefix = 1
        elif byte == 0xF0:
            d.lock = 1
        elif byte == 0xF2 or byte == 0xF3:
            d.rep = byte
        elif byte == 0x26 or byte == 0x2E or byte == 0x36 or byte == 0x3E:
            if not long_mode:
                d.segment = (byte >> 3) & 3
        elif byte == 0x64 or byte == 0x65:
            d.segment = byte & 7
        elif long_mode and byte & 0xF0 == 0x40:
            rex = byte
            at = at + 1
            continue
        else:
            break
        rex = 0
        at = at + 1
    # Opcode
    mode = 0
    if long_mode:
        mode = 2 if rex & 8 else 1
    opcode = byte
    opmap = 0
    at = at + 1
    if opcode == 0x0F:
        if at >= d.available:
            return TOO_LONG if at >= 15 else MORE_BYTES
        opcode = d.bytes[at]
        opmap = 1
        at = at + 1
        if opcode == 0x38 or opcode == 0x3A:
            opmap = 2 if opcode == 0x38 else 3
            if at >= d.available:
                return TOO_LONG if at >= 15 else MORE_BYTES
            opcode = d.bytes[at]
            at = at + 1
    d.opcode = opcode
    prefix = opsize_prefix
    if d.rep:
        prefix = 2 if d.rep == 0xF3 else 3
    looked_up = opcode
    if opmap == 0 and opcode == 0x90 and rex & 1:
        looked_up = 0x91        # XCHG R8,rAX: with REX.B, 90 is no NOP
    cell = (mode * 4 + opmap) * 256 + looked_up
    kind = KINDS[cell]
    node = ROOT[cell]
    modrm = 0
    if kind == BY_PREFIX:
        number = NODES[node + prefix]
        if number == NO_ENCODING:
            d.length = at
            return UNDEFINED
    else:
        if at >= d.available:
            return TOO_LONG if at >= 15 else MORE_BYTES
        modrm = d.bytes[at]
        if kind == BY_REG:
            number = NODES[node + prefix * 16 + (8 if modrm >= 0xC0 else 0) + ((modrm >> 3) & 7)]
        else:
            number = NODES[node + prefix * 256 + modrm]
        if number == NO_ENCODING:
            d.length = at
            return UNDEFINED
    d.encoding = number
    bits = ENCODING_FLAGS[number]
    # Operand and address size
    if long_mode:
        d.addrsize = 32 if addrsize_prefix else 64
        if rex & 8 or bits & E_F64:
            d.opsize = 64
        elif opsize_prefix and bits & E_66 == 0:
            d.opsize = 16
        else:
            d.opsize = 64 if bits & E_D64 else 32
    else:
        wide = cpu.code_size == 32
        d.addrsize = 32 if wide != (addrsize_prefix == 1) else 16
        swap = opsize_prefix == 1 and bits & E_66 == 0
        d.opsize = 32 if wide != swap else 16
    # ModRM, SIB, displacement
    d.rex = rex
    d.modrm = modrm
    d.is_memory = 0
    d.base = NO_REGISTER
    d.index = NO_REGISTER
    d.scale = 0
    d.displacement = 0
    d.rip_relative = 0
    d.reg = ((modrm >> 3) & 7) | ((rex & 4) << 1)
    d.rm = (modrm & 7) | ((rex & 1) << 3)
    if bits & E_PLUS_R:
        d.rm = (opcode & 7) | ((rex & 1) << 3)
    default_segment = DS
    size = 0
    if bits & E_MODRM:
        at = at + 1
        mod = modrm >> 6
        if mod != 3 and bits & E_NOMEM == 0:
            d.is_memory = 1
            rm = modrm & 7
            if d.addrsize == 16:
                d.base = BASE16[rm]
                d.index = INDEX16[rm]
                size = 1 if mod == 1 else (2 if mod == 2 else 0)
                if mod == 0 and rm == 6:
                    d.base = NO_REGISTER
                    size = 2
                elif d.base == 5:
                    default_segment = SS
            else:
                size = 1 if mod == 1 else (4 if mod == 2 else 0)
                if rm == 4:
                    if at >= d.available:
                        return TOO_LONG if at >= 15 else MORE_BYTES
                    sib = d.bytes[at]
                    at = at + 1
                    d.scale = sib >> 6
                    index = ((sib >> 3) & 7) | ((rex & 2) << 2)
                    if index != 4:
                        d.index = index
                    d.base = (sib & 7) | ((rex & 1) << 3)
                    if sib & 7 == 5 and mod == 0:
                        d.base = NO_REGISTER
                        size = 4
                elif mod == 0 and rm == 5:
                    size = 4
                    d.rip_relative = 1 if long_mode else 0
                else:
                    d.base = rm | ((rex & 1) << 3)
                if d.base == 4 or d.base == 5:
                    default_segment = SS
            if size:
                if at + size > d.available:
                    return TOO_LONG if at + size > 15 else MORE_BYTES
                value = 0
                for k in range(4):
                    if k < size:
                        value = value | (d.bytes[at + k] << (8 * k))
                d.displacement = sign_extend(value, 8) if size == 1 else (
                    sign_extend(value, 16) if size == 2 else sign_extend(value, 32))
                at = at + size
    if d.segment == NO_REGISTER:
        d.segment = default_segment
        d.overridden = 0
    else:
        d.overridden = 1
    # Immediates
    immediate = ENCODING_IMMEDIATE[number]
    # Of x87 instructions the 11 bits of FOP (APM vol. 1, 6.2.5): they have no immediate.
    d.immediate = ((opcode & 7) << 8) | modrm if opmap == 0 and opcode & 0xF8 == 0xD8 else 0
    d.immediate2 = 0
    if immediate != IMM_NONE:
        size = 1
        if immediate == IMM_W:
            size = 2
        elif immediate == IMM_Z or immediate == IMM_JZ:
            size = 2 if d.opsize == 16 else 4
        elif immediate == IMM_V:
            size = d.opsize >> 3
        elif immediate == IMM_MOFFS:
            size = d.addrsize >> 3
        elif immediate == IMM_FAR:
            size = (d.opsize >> 3) + 2
        elif immediate == IMM_ENTER:
            size = 3
        elif immediate == IMM_BB:
            size = 2
        if at + size > d.available:
            return TOO_LONG if at + size > 15 else MORE_BYTES
        value = 0
        for k in range(8):
            if k < size:
                value = value | (d.bytes[at + k] << (8 * k))
        at = at + size
        if immediate == IMM_Z and d.opsize == 64:
            value = sign_extend(value, 32)
        elif immediate == IMM_SB:
            value = sign_extend(value, 8)
            if d.opsize != 64:
                value = value & (MASK32 if d.opsize == 32 else 0xFFFF)
        elif immediate == IMM_FAR:
            d.immediate2 = value >> (8 * (size - 2))
            value = value & (MASK32 if size == 6 else 0xFFFF)
        elif immediate == IMM_ENTER:
            d.immediate2 = value >> 16
            value = value & 0xFFFF
        elif immediate == IMM_BB:
            d.immediate2 = value >> 8
            value = value & 0xFF
        d.immediate = value
    if at > 15:
        return TOO_LONG
    d.length = at
    if immediate == IMM_JB or immediate == IMM_JZ:
        if immediate == IMM_JB:
            value = sign_extend(d.immediate, 8)
        else:
            value = sign_extend(d.immediate, 16) if d.opsize == 16 else sign_extend(d.immediate, 32)
        value = (d.rip + at + value) & MASK64
        if d.opsize != 64:
            value = value & (MASK32 if d.opsize == 32 else 0xFFFF)
        d.immediate = value
    if d.rip_relative:
        d.displacement = (d.rip + at + d.displacement) & MASK64
        if d.addrsize == 32:
            d.displacement = d.displacement & MASK32
    if d.lock and (bits & E_LOCK == 0 or d.is_memory == 0):
        return UNDEFINED
    return DECODED
