/* Classic BPF as seccomp has it: what makes a program acceptable, and running it.
 *
 * Two registers, 16 words, jumps only forward; so every program ends. It sees nothing but one system
 * call's number, arguments and place. */
#include "lib.h"
#include "mm.h"
#include "seccomp.h"

#define WORDS 16
/* Codes are class | operation or mode; of ALU and JMP, bit 3 says that the operand is X and not K. */
enum { LD_K = 0x00, LD_ABS = 0x20, LD_MEM = 0x60, LD_LEN = 0x80, LDX_K = 0x01, LDX_MEM = 0x61, LDX_LEN = 0x81, ST = 0x02, STX = 0x03,
       ADD = 0x04, SUB = 0x14, MUL = 0x24, DIV = 0x34, OR = 0x44, AND = 0x54, LSH = 0x64, RSH = 0x74, NEG = 0x84, XOR = 0xa4,
       JA = 0x05, JEQ = 0x15, JGT = 0x25, JGE = 0x35, JSET = 0x45, RET_K = 0x06, RET_A = 0x16, TAX = 0x07, TXA = 0x87, X = 0x08 };

/* `left` instructions follow. */
static bool instruction_valid(const struct bpf *i, u32 left) {
    switch (i->code) {
    case LD_K: case LDX_K: case LD_LEN: case LDX_LEN: case TAX: case TXA: case RET_K: case RET_A: case NEG:
    case ADD: case SUB: case MUL: case OR: case AND: case XOR:
    case ADD | X: case SUB | X: case MUL | X: case DIV | X: case OR | X: case AND | X: case LSH | X: case RSH | X: case XOR | X: return true;
    case LD_ABS: return i->k < sizeof(struct seccomp_data) && !(i->k & 3);   /* check: seccomptests */
    case LD_MEM: case LDX_MEM: case ST: case STX: return i->k < WORDS;
    case DIV: return i->k;
    case LSH: case RSH: return i->k < 32;
    case JA: return i->k < left;
    case JEQ: case JGT: case JGE: case JSET: case JEQ | X: case JGT | X: case JGE | X: case JSET | X: return i->jt < left && i->jf < left;
    default: return false;
    }
}

/* Beside each instruction: the last is a return, and no word is read that wasn't written on every way there. */
bool bpf_valid(const struct bpf *code, u32 length) {
    u16 *written = kmalloc(length * sizeof(*written)), now = 0;
    bool valid = written && (code[length - 1].code & ~0x10) == RET_K;
    if (written) memset(written, 0xff, length * sizeof(*written));
    for (u32 at = 0; valid && at < length; at++) {
        const struct bpf *i = &code[at];
        if (!(valid = instruction_valid(i, length - at - 1))) break;
        now &= written[at];
        if (i->code == ST || i->code == STX) now |= 1 << i->k;
        else if (i->code == LD_MEM || i->code == LDX_MEM) valid = now >> i->k & 1;
        else if ((i->code & 7) == JA) {
            written[at + 1 + (i->code == JA ? i->k : i->jt)] &= now;
            written[at + 1 + (i->code == JA ? i->k : i->jf)] &= now;
            now = ~0;
        }
    }
    kfree(written);
    return valid;
}

u32 bpf_run(const struct bpf *i, const struct seccomp_data *data) {
    u32 a = 0, x = 0, words[WORDS];
    for (;; i++) {
        u32 k = i->code & X ? x : i->k;
        bool holds;
        switch (i->code & ~X) {
        case LD_K: a = k; continue;
        case LDX_K: x = k; continue;
        case LD_ABS: a = ((const u32 *)data)[k / 4]; continue;
        case LD_LEN: a = sizeof(*data); continue;
        case LDX_LEN: x = sizeof(*data); continue;
        case LD_MEM: a = words[k]; continue;
        case LDX_MEM: x = words[k]; continue;
        case ST: words[k] = a; continue;
        case STX: words[k] = x; continue;
        case TAX: x = a; continue;
        case TXA: a = x; continue;
        case ADD: a += k; continue;
        case SUB: a -= k; continue;
        case MUL: a *= k; continue;
        case DIV:
            if (!k) return 0;
            a /= k;
            continue;
        case OR: a |= k; continue;
        case AND: a &= k; continue;
        case LSH: a <<= k & 31; continue;
        case RSH: a >>= k & 31; continue;
        case NEG: a = -a; continue;
        case XOR: a ^= k; continue;
        case JA: i += k; continue;
        case JEQ: holds = a == k; break;
        case JGT: holds = a > k; break;
        case JGE: holds = a >= k; break;
        case JSET: holds = a & k; break;
        case RET_K: return k;
        default: return a;                  /* RET_A */
        }
        i += holds ? i->jt : i->jf;
    }
}
