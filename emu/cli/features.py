"""The CPU's features by the names of Linux's /proc/cpuinfo, read from its CPUID."""

from __future__ import annotations

from emu.cpu import cpuid

EAX, EBX, ECX, EDX = range(4)

#: (leaf, register, bit) of each name (APM volume 3, appendix E; SDM volume 2, CPUID).
NAMES: dict[str, tuple[int, int, int]] = {
    name: (leaf, register, bit)
    for leaf, register, row in (
        (1, EDX, "fpu:0 vme:1 de:2 pse:3 tsc:4 msr:5 pae:6 mce:7 cx8:8 apic:9 sep:11 mtrr:12 pge:13 mca:14 cmov:15 "
                 "pat:16 pse36:17 clflush:19 mmx:23 fxsr:24 sse:25 sse2:26 ht:28"),
        (1, ECX, "pni:0 pclmulqdq:1 monitor:3 ssse3:9 fma:12 cx16:13 pcid:17 sse4_1:19 sse4_2:20 x2apic:21 movbe:22 popcnt:23 "
                 "tsc_deadline_timer:24 aes:25 xsave:26 avx:28 f16c:29 rdrand:30 hypervisor:31"),
        (7, EBX, "fsgsbase:0 bmi1:3 avx2:5 smep:7 bmi2:8 erms:9 invpcid:10 avx512f:16 rdseed:18 adx:19 smap:20 clflushopt:23 "
                 "clwb:24 sha_ni:29"),
        (7, ECX, "umip:2 pku:3 la57:16 rdpid:22"),
        (0x80000001, EDX, "syscall:11 nx:20 mmxext:22 fxsr_opt:25 pdpe1gb:26 rdtscp:27 lm:29 3dnowext:30 3dnow:31"),
        (0x80000001, ECX, "lahf_lm:0 svm:2 cr8_legacy:4 abm:5 sse4a:6 misalignsse:7 3dnowprefetch:8 fma4:16 tce:17 topoext:22"),
        (0x80000007, EDX, "constant_tsc:8"),
    )
    for name, bit in ((item.split(":")[0], int(item.split(":")[1])) for item in row.split())
}


def present() -> list[str]:
    """Names of the features that CPUID reports, in the order of NAMES."""
    rows = {row[0]: row[1:] for row in cpuid.TABLE}
    return [name for name, (leaf, register, bit) in NAMES.items() if rows.get(leaf, (0, 0, 0, 0))[register] >> bit & 1]
