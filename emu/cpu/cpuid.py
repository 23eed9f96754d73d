"""CPUID: what this processor says of itself (APM vol. 3, appendix E). Every feature named here is implemented."""

from emu.cpu.state import ASIDS
from emu.isa.language import CR4_OSXSAVE

VENDOR = b"AuthenticAMD"
BRAND = b"Ringzero x86-64 virtual processor".ljust(48, b"\0")
SIGNATURE = 0x00060FB1          # family 0Fh, model 6Bh, stepping 1

# Leaf 1 EDX; leaf 8000_0001 EDX repeats all of it but SEP, CLFLUSH, SSE and SSE2.
FPU, DE_FEATURE, PSE, TSC, MSR, PAE, MCE, CX8 = 1 << 0, 1 << 2, 1 << 3, 1 << 4, 1 << 5, 1 << 6, 1 << 7, 1 << 8
APIC, SEP, MTRR, PGE, MCA, CMOV, PAT, PSE36 = 1 << 9, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15, 1 << 16, 1 << 17
CLFLUSH, MMX, FXSR, SSE, SSE2 = 1 << 19, 1 << 23, 1 << 24, 1 << 25, 1 << 26
REPEATED = FPU | DE_FEATURE | PSE | TSC | MSR | PAE | MCE | CX8 | APIC | MTRR | PGE | MCA | CMOV | PAT | PSE36 | MMX | FXSR
# Leaf 1 ECX, leaf 7 EBX and ECX.
CX16, PCID, X2APIC, MOVBE, POPCNT, TSC_DEADLINE = 1 << 13, 1 << 17, 1 << 21, 1 << 22, 1 << 23, 1 << 24
XSAVE, OSXSAVE, RDRAND = 1 << 26, 1 << 27, 1 << 30
FSGSBASE, SMEP, INVPCID, SMAP, UMIP = 1 << 0, 1 << 7, 1 << 10, 1 << 20, 1 << 2
# Leaf 8000_0001 ECX and EDX, leaf 8000_0007 EDX.
LAHF64, SVM, PREFETCH = 1 << 0, 1 << 2, 1 << 8
SYSCALL, NX, MMX_EXTENSIONS, PAGE_1G, RDTSCP, LONG_MODE = 1 << 11, 1 << 20, 1 << 22, 1 << 26, 1 << 27, 1 << 29
INVARIANT_TSC = 1 << 8
# Leaf 8000_000A EDX.
NESTED_PAGING, NEXT_RIP_SAVE, CLEAN_BITS, FLUSH_BY_ASID, DECODE_ASSISTS = 1 << 0, 1 << 3, 1 << 5, 1 << 6, 1 << 7
PAUSE_FILTER, PAUSE_FILTER_THRESHOLD = 1 << 10, 1 << 12

APIC_ENABLE = 1 << 11
XSAVE_AREA = 576


def _word(text, at):
    return int.from_bytes(text[at:at + 4], "little")


def _brand(leaf, part):
    return (leaf, *(_word(BRAND, 16 * part + 4 * k) for k in range(4)))


# Rows of leaf, EAX, EBX, ECX, EDX. What is not here reads as zeros, as on AMD's processors.
TABLE = (
    (0x00000000, 0x0D, _word(VENDOR, 0), _word(VENDOR, 8), _word(VENDOR, 4)),
    # EBX: CLFLUSH writes 64 bytes, one logical processor, its APIC identifier is 0.
    (0x00000001, SIGNATURE, 0x00010800,
     CX16 | PCID | X2APIC | MOVBE | POPCNT | TSC_DEADLINE | XSAVE | RDRAND, REPEATED | SEP | CLFLUSH | SSE | SSE2),
    (0x00000007, 0, FSGSBASE | SMEP | INVPCID | SMAP, UMIP, 0),
    # XSAVE: x87 and SSE, 576 bytes with the header, whether or not SSE is enabled.
    (0x0000000D, 3, XSAVE_AREA, XSAVE_AREA, 0),
    (0x80000000, 0x8000000A, _word(VENDOR, 0), _word(VENDOR, 8), _word(VENDOR, 4)),
    (0x80000001, SIGNATURE, 0, LAHF64 | SVM | PREFETCH,
     REPEATED | SYSCALL | NX | MMX_EXTENSIONS | PAGE_1G | RDTSCP | LONG_MODE),
    _brand(0x80000002, 0), _brand(0x80000003, 1), _brand(0x80000004, 2),
    # Caches and TLBs that software may size things by: 64 KiB, 2-way, lines of 64 bytes; 512 KiB, 16-way.
    (0x80000005, 0xFF08FF08, 0xFF20FF20, 0x40020140, 0x40020140),
    (0x80000006, 0, 0x42004200, 0x02008140, 0),
    (0x80000007, 0, 0, 0, INVARIANT_TSC),
    # 40 bits of physical and 48 of linear address.
    (0x80000008, 0x00003028, 0, 0, 0),
    # SVM revision 1.
    (0x8000000A, 1, ASIDS, 0, NESTED_PAGING | NEXT_RIP_SAVE | CLEAN_BITS | FLUSH_BY_ASID | DECODE_ASSISTS | PAUSE_FILTER
     | PAUSE_FILTER_THRESHOLD),
)
ROWS = len(TABLE)
LEAVES = tuple(row[0] for row in TABLE)
VALUES = tuple(value for row in TABLE for value in row[1:])


def cpuid_register(cpu, leaf, subleaf, register):
    """EAX, EBX, ECX or EDX (`register` 0 to 3) of a leaf."""
    if leaf == 0x0B:
        return cpu.cpuid_topology(subleaf, register)
    if (leaf == 7 or leaf == 0x0D) and subleaf != 0:
        return 0
    value = 0
    for row in range(ROWS):
        if LEAVES[row] == leaf:
            value = VALUES[row * 4 + register]
    if register == 3 and (leaf == 1 or leaf == 0x80000001) and cpu.bus_msr_read(0x1B) & APIC_ENABLE == 0:
        value = value & ~APIC
    if leaf == 1 and register == 2 and cpu.cr4 & CR4_OSXSAVE:
        value = value | OSXSAVE
    return value


def cpuid_topology(cpu, subleaf, register):
    """Leaf 0Bh: one thread in one core, whose x2APIC identifier is 0."""
    if register == 1:
        return 1 if subleaf < 2 else 0
    if register == 2:
        return (subleaf & 0xFF) | (((subleaf + 1) << 8) if subleaf < 2 else 0)
    return 0
