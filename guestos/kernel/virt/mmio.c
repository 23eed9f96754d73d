/* An access to guest-physical addresses where there is no memory: the instruction, taken apart for the VMM.
 *
 * Moves between a register or an immediate and memory, which is how drivers reach device registers. Where the
 * operand is, the nested page fault has told; its length and direction stand in the instruction's bytes. */
#include "lib.h"
#include "virt.h"

/* Bytes of ModRM, SIB and displacement, from ModRM on. */
static unsigned modrm_length(const u8 *at, bool address16) {
    u8 mod = *at >> 6, rm = *at & 7;
    if (address16) return mod == 1 ? 2 : mod == 2 || rm == 6 ? 3 : 1;
    unsigned sib = rm == 4, base = sib ? at[1] & 7 : rm;
    return 1 + sib + (mod == 1 ? 1 : mod == 2 || (!mod && base == 5) ? 4 : 0);
}

bool mmio_exit(struct vcpu *v, u64 gpa) {
    struct vmcb *c = v->vmcb;
    u8 code[32] = { 0 };                    /* what lies past the bytes fetched reads as zero */
    memcpy(code, c->bytes, MIN(c->bytes_fetched & 15, 15));
    bool long_mode = c->cs.attributes & 0x200, wide = long_mode || c->cs.attributes & 0x400, other_size = false, other_address = false;
    const u8 *at = code;
    u8 rex = 0;
    for (;; at++) {
        if (*at == 0x66) other_size = true;
        else if (*at == 0x67) other_address = true;
        else if (!memchr("\x26\x2e\x36\x3e\x64\x65\xf0", *at, 7)) break;
    }
    if (long_mode && (*at & 0xf0) == 0x40) rex = *at++;
    u8 width = rex & 8 ? 8 : wide != other_size ? 4 : 2, size = width, opcode = *at++;
    bool load = false, immediate = false, extend = false;
    switch (opcode) {
    case 0x88: case 0xc6: size = width = 1; /* fall through */
    case 0x89: case 0xc7: immediate = opcode >= 0xc6; break;
    case 0x8a: size = width = 1;            /* fall through */
    case 0x8b: load = true; break;
    case 0x63:
        if (!long_mode) return false;
        load = extend = true, size = 4;
        break;
    case 0x0f:
        opcode = *at++;
        if ((opcode & 0xf6) != 0xb6) return false;
        load = true, size = opcode & 1 ? 2 : 1, extend = opcode & 8;
        break;
    default: return false;
    }
    u8 reg = (*at >> 3 & 7) | (rex & 4) << 1;
    bool high = width == 1 && !rex && reg >= 4;
    at += modrm_length(at, !long_mode && wide == other_address);
    u64 value = 0;
    if (immediate) {
        memcpy(&value, at, MIN(size, 4));
        if (size == 8) value = (s64)(s32)value;
        at += MIN(size, 4);
    } else if (!load) value = high ? *vcpu_place(v, reg - 4) >> 8 : *vcpu_place(v, reg);
    if (at - code > (c->bytes_fetched & 15)) return false;
    c->rip += at - code;
    v->run->mmio.phys_addr = gpa;
    v->run->mmio.len = size;
    v->run->mmio.is_write = !load;
    memcpy(v->run->mmio.data, &value, 8);
    v->pending = (__typeof__(v->pending)){ load ? PENDING_LOAD : PENDING_NOTHING, size, width, reg, extend, high, 0 };
    return true;
}
