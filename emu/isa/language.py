"""The words instruction texts are written in: integer helpers, faults, and the manuals' constants.

Instruction texts (`emu/isa`) and shared texts (`emu/cpu`) are a small subset of Python that runs as it is on the
Python engine and is translated to Cython for the compiled one. `docs/semantics.md` describes the subset.
"""

from __future__ import annotations

MASK8, MASK16, MASK32, MASK64 = 0xFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF

# Widths of declared integers in the subset. An undeclared parameter or local is u64.
u8 = u16 = u32 = u64 = i64 = int


def mask(width: int) -> int:
    """All ones in the low `width` bits (1 to 64)."""
    return (1 << width) - 1


def signed(value: int, width: int) -> int:
    """The low `width` bits of `value` as a two's complement number (an i64)."""
    value &= (1 << width) - 1
    return value - (1 << width) if value >> (width - 1) else value


def wrap64(value: int) -> int:
    """`value` modulo 2**64 (a u64), also of a negative number."""
    return value & MASK64


def sign_extend(value: int, width: int) -> int:
    """The low `width` bits of `value`, sign-extended to 64 bits, as a u64."""
    return signed(value, width) & MASK64


class Fault(Exception):
    """An exception of the architecture: its vector, and its error code for the vectors that push one.

    Raised before the instruction changed any state; the saved RIP is the instruction's own.
    """

    def __init__(self, vector: int, error: int = 0):
        super().__init__(vector, error)
        self.vector = vector
        self.error = error


# Vectors (AMD APM vol. 2, 8.2).
DE, DB, NMI, BP, OF_VECTOR, BR, UD, NM, DF_VECTOR, TS, NP, SS_VECTOR, GP, PF_VECTOR = (
    0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14)
MF, AC_VECTOR, MC, XM = 16, 17, 18, 19

# General registers in hardware order.
RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 = range(16)

# Segment registers in hardware order, then the two system ones.
ES, CS, SS, DS, FS, GS, LDTR, TR = range(8)

# RFLAGS (APM vol. 2, 3.1.6).
CF, PF, AF, ZF, SF, TF, IF, DF, OF = 1, 4, 16, 64, 128, 256, 512, 1024, 2048
IOPL, NT, RF, VM, AC, VIF, VIP, ID = 3 << 12, 1 << 14, 1 << 16, 1 << 17, 1 << 18, 1 << 19, 1 << 20, 1 << 21
STATUS_FLAGS = CF | PF | AF | ZF | SF | OF

# CR0, CR4, EFER (APM vol. 2, 3.1).
CR0_PE, CR0_MP, CR0_EM, CR0_TS, CR0_ET, CR0_NE = 1, 2, 4, 8, 16, 32
CR0_WP, CR0_AM, CR0_NW, CR0_CD, CR0_PG = 1 << 16, 1 << 18, 1 << 29, 1 << 30, 1 << 31
CR4_VME, CR4_PVI, CR4_TSD, CR4_DE, CR4_PSE, CR4_PAE, CR4_MCE, CR4_PGE, CR4_PCE = (1 << n for n in range(9))
CR4_OSFXSR, CR4_OSXMMEXCPT, CR4_UMIP = 1 << 9, 1 << 10, 1 << 11
CR4_FSGSBASE, CR4_PCIDE, CR4_OSXSAVE, CR4_SMEP, CR4_SMAP = 1 << 16, 1 << 17, 1 << 18, 1 << 20, 1 << 21
EFER_SCE, EFER_LME, EFER_LMA, EFER_NXE, EFER_SVME, EFER_FFXSR = 1, 1 << 8, 1 << 10, 1 << 11, 1 << 12, 1 << 14

# Segment attributes as the VMCB packs them (APM vol. 2, 4.7 and B): access byte, then AVL, L, D/B, G.
ATTR_TYPE, ATTR_S, ATTR_DPL, ATTR_P = 0xF, 0x10, 0x60, 0x80
ATTR_AVL, ATTR_L, ATTR_DB, ATTR_G = 0x100, 0x200, 0x400, 0x800

# Kinds of memory access, as the page-fault error code counts them (APM vol. 2, 8.4.2).
ACCESS_READ, ACCESS_WRITE, ACCESS_USER, ACCESS_FETCH = 0, 2, 4, 16

# Code sizes of the current code segment, kept in the state as `code_size`.
CODE16, CODE32, CODE64 = 16, 32, 64
