"""The same small kernel takes the same exceptions, with the same frames, under QEMU and under ours.

Each scenario is a few instructions at ring 0 or 3, ended by INT 0x80 if nothing else ends it. A common handler prints
RAX RBX, vector, error code, RIP, CS, RFLAGS, RSP, SS, CR2, DS, FS and DR6; then the next scenario starts afresh.
"""

from __future__ import annotations

import struct
import subprocess

import keystone
import pytest

from emu.machine.machine import Machine
from tests.boot.elf_builder import elf, pvh_note
from tests.conftest import ENGINES
from tests.devices.qtest import QEMU, needs_qemu
from tests.system.machine import (
    CODE_SEGMENT,
    CONFORMING,
    EXPAND_DOWN,
    READ_ONLY,
    WRITABLE,
    call_gate,
    code32,
    code64,
    data,
    segment,
)

START, MAIN, TABLES, GDT, IDT, TSS, STUBS, INDEX = (
    0x100000, 0x101000, 0x200000, 0x210000, 0x211000, 0x212000, 0x213000, 0x215000)
KERNEL_STACK, IST_STACK, USER_STACK, SCENARIOS, DATA = 0x220000, 0x230000, 0x240000, 0x300000, 0x380000
ABSENT, READONLY, SUPERVISOR, NO_EXECUTE, RESERVED = (DATA + 0x1000 * k for k in range(1, 6))
LANDING = STUBS + 256 * 16          # where far transfers and returns go: INT 0x80, the same in 64-bit and 32-bit code
ERROR_CODES = (8, 10, 11, 12, 13, 14, 17)
CALL, JMP = ".byte 0xff, 0x1b", ".byte 0xff, 0x2b"          # through the far pointer at [rbx]

GDT_ENTRIES = {
    0x08: code64(), 0x10: data(), 0x18: code64(3), 0x20: data(3), 0x38: code32(3), 0x40: code32(), 0x48: data(0, 0x12),
    0x50: segment(0x1A, 2), 0x58: data(0, READ_ONLY), 0x60: segment(0x98), 0x68: code64(0, CONFORMING),
    0x70: segment(CODE_SEGMENT, 6), 0x78: data(3, 0x12), 0x80: code64(1), 0x88: segment(WRITABLE, 4, base=DATA, limit=0xFF, dpl=3),
    0x90: segment(EXPAND_DOWN, 4, base=DATA, limit=0xFF, dpl=3), 0x98: segment(0x82, 0, base=DATA, limit=0x7F), 0xA0: 0,
    0xA8: segment(0x02, 0), 0xB0: 0, 0xB8: code64(3, CONFORMING)}
GATES = {0xC0: call_gate(8, LANDING, dpl=3), 0xD0: call_gate(8, STUBS), 0xE0: call_gate(0x10, STUBS, dpl=3),
         0xF0: call_gate(0, STUBS, dpl=3), 0x100: call_gate(0x40, STUBS, dpl=3), 0x110: call_gate(8, 1 << 47, dpl=3)}
# Vectors with gates of their own: (selector, type, DPL, IST, present).
IDT_GATES = {0x80: (8, 14, 3, 1, 1), 0x81: (8, 15, 3, 1, 1), 0x82: (8, 14, 0, 1, 1), 0x83: (8, 14, 3, 1, 0), 0x84: (8, 12, 3, 1, 1),
             0x85: (0, 14, 3, 1, 1), 0x86: (0x10, 14, 3, 1, 1), 0x87: (0x40, 14, 3, 1, 1), 0x88: (0x50, 14, 3, 1, 1),
             0x89: (0x18, 14, 3, 1, 1), 0x8A: (8, 14, 3, 0, 1), 3: (8, 14, 3, 1, 1)}


def pointer(selector: int, offset: int = LANDING) -> str:
    """Text that puts a far pointer at DATA and its address into RBX."""
    return f"mov rbx, {DATA}; mov dword ptr [rbx], {offset}; mov word ptr [rbx + 4], {selector}; "


def iret_frame(cs: int, ss: int, flags: int = 2, rip: int = LANDING) -> str:
    return (f"push {ss}; push {USER_STACK}; push {flags}; push {cs}; mov rax, {rip}; push rax; "
            "xor eax, eax; iretq")


def scenarios() -> list[tuple[str, int, str]]:
    """(name, ring, text)."""
    found = []

    def both(name, text):
        found.extend(((name, 0, text), (name, 3, text)))

    for selector in (0, 3, 8, 0x13, 0x10, 0x23, 0x20, 0x48, 0x58, 0x60, 0x68, 0x6B, 0x7B, 0x98, 0x1F8, 0x200, 0x0C):
        both(f"mov ds, {selector:#x}", f"mov eax, {selector}; mov ds, ax")
        both(f"mov ss, {selector:#x}", f"mov eax, {selector}; mov ss, ax")
        both(f"lar lsl verr verw {selector:#x}",
             f"mov ecx, {selector}; lar eax, ecx; lsl ebx, ecx; verr cx; lahf; verw cx; setz bl")
    for vector in (*range(0x80, 0x8B), 3, 0x20):
        both(f"int {vector:#x}", f"int {vector}")
    for selector in (0, 8, 0x0B, 0x10, 0x18, 0x1B, 0x40, 0x50, 0x68, 0x6B, 0x70, 0x80, 0x98, 0xBB, 0xC0, 0xC3, 0xD3, 0xE3, 0xF3, 0x103,
                     0x113, 0x1F8, 0x300):
        both(f"call far {selector:#x}", pointer(selector) + CALL)
        both(f"jmp far {selector:#x}", pointer(selector) + JMP)
    for cs, ss in ((8, 0x10), (8, 0), (0x1B, 0x23), (0x1B, 0), (0x1B, 3), (0x1B, 0x20), (0x1B, 0x13), (0x0B, 0x23), (0x18, 0x20), (0, 0),
                   (0x53, 0x23), (0x1B, 0x7B), (0x6B, 0x23), (0xBB, 0x23), (0x10, 0x10), (0x70, 0x10), (0x81, 0x21), (0x1F8, 0)):
        both(f"iretq to {cs:#x}, {ss:#x}", iret_frame(cs, ss))
    both("iretq not canonical", iret_frame(8, 0x10, rip=1 << 47))
    for flags in (0x2, 0x3002, 0x202, 0x40002, 0x200002, 0x244ED7, 0x180002):
        both(f"iretq flags {flags:#x}", f"push {USER_STACK}; pop rcx; mov rdx, cs; mov rsi, ss; push rsi; push rcx; push {flags}; push rdx;"
             "lea rax, [rip + 5]; push rax; iretq; nop; nop; xor eax, eax; nop")
        both(f"popfq {flags:#x}", f"push {flags}; popfq; pushfq; pop rbx")
    both("iretq with NT", "pushfq; or dword ptr [rsp], 0x4000; popfq; " + iret_frame(8, 0x10))
    for text in ("cli", "sti; cli", "mov rax, cr0", "mov rax, cr2", "mov rax, cr5", "mov cr1, rax", "mov cr9, rax", "invlpg [rax]",
                 "wbinvd", "swapgs; swapgs", "clts", "smsw eax", "str eax", "sldt eax", "ud2", "sysenter",
                 "mov cr8, rax", "in al, 0x80", "out 0x80, al",
                 "mov eax, 1; shl rax, 47; mov al, [rax]", "mov ebp, 1; shl rbp, 47; mov al, [rbp]",
                 "mov esp, 1; shl rsp, 47; push rax", "mov eax, 1; shl rax, 47; jmp rax", "mov eax, 1; shl rax, 47; call rax",
                 "xor ecx, ecx; div ecx", "int3", "pushfq; or dword ptr [rsp], 0x100; popfq; nop; nop",
                 ".byte 0xf0, 0x90", ".byte 0x0f, 0xff", ".byte 0x06", "mov eax, 0x98; lldt ax; sldt ebx", "mov eax, 0xa8; lldt ax",
                 "mov eax, 0x10; lldt ax", "mov eax, 0x28; ltr ax", "mov rax, dr7", "mov rax, dr4", "mov eax, 1; shl rax, 32; mov dr7, rax",
                 "mov eax, 0x23; mov fs, ax; mov ebx, fs", "mov eax, 0x8b; mov fs, ax; mov al, fs:[rbx + 0x100]"):
        both(text, text)
    for name, page in (("absent", ABSENT), ("read-only", READONLY), ("supervisor", SUPERVISOR), ("no execute", NO_EXECUTE),
                       ("reserved", RESERVED)):
        for text in ("mov al, [rbx]", "mov [rbx], al", "add [rbx], al", "add ebx, 0x20; jmp rbx", "mov al, [rbx - 1]", "mov ax, [rbx - 1]",
                     "mov [rbx - 1], ax", "xor eax, eax; cmpxchg [rbx], al", "movups xmm0, [rbx - 8]",
                     "lea rsp, [rbx + 8]; push rax", "lea rsp, [rbx + 4]; push rax", "mov rsp, rbx; pop rax", "mov rsp, rbx; iretq"):
            both(f"{name} page: {text}", f"mov ebx, {page + 8 if 'movups' not in text and '- 1' not in text else page}; " + text)
    for (dr0, dr7), text in breakpoints():
        found.append((f"DR0 {dr0} DR7 {dr7:#x}: {text}", 0, f"{dr0}; mov dr0, rax; mov eax, {dr7}; mov dr7, rax; {text}"))
    both("call far from the map", "mov eax, 0x7fffffff; call rax")
    return found


STEPPED, LAST_ITERATION = "mov [rbx], eax; nop", "mov ecx, 5; rep stosb; nop"


def breakpoints() -> list[tuple[tuple[str, int], str]]:
    """((text that leaves DR0 in RAX, DR7), text): the lengths and kinds of breakpoints, and every sort of access."""
    found = []
    for at in range(11, 14):                                # the first, second or third byte behind the loading of DR7
        for text in ("nop; nop; nop", "nop; inc eax; nop"):
            found += [((f"lea rax, [rip + {at}]", dr7), text) for dr7 in (0x401, 0x402)]
    for kind in (0x10000, 0x30000):
        for length, nears in ((0, (0, 1, 3, 5, 8)), (4, (0, 2, 4)), (12, (0, 4, 8)), (8, (0, 8))):
            for near in nears:
                for access in ("mov [rbx + 3], al", "mov [rbx + 2], ax", "mov [rbx], rax", "mov al, [rbx + 4]", "mov rax, [rbx]"):
                    found.append(((f"mov eax, {DATA + 0x40 + near}", kind | length << 16 | 0x401), f"mov ebx, {DATA + 0x40}; {access}; nop; nop"))
    armed = (f"mov eax, {DATA + 0x40}", 0xD0401)
    for text in ("inc dword ptr [rbx]; nop", "xchg [rbx], eax; nop", "lea rsp, [rbx + 8]; push rax; nop", "lea rdi, [rbx - 4]; mov ecx, 8; rep stosb; nop",
                 "lea rdi, [rbx - 4]; lea rsi, [rbx - 20]; mov ecx, 8; rep movsb; nop", "lea rdi, [rbx - 4]; " + LAST_ITERATION,
                 "movups [rbx - 9], xmm0; nop", "mov [rbx - 4], eax; mov [rbx + 4], eax; nop"):
        found.append((armed, f"mov ebx, {DATA + 0x40}; {text}"))
    found.append((armed, f"mov ebx, {DATA + 0x40}; pushfq; or dword ptr [rsp], 0x100; popfq; {STEPPED}"))
    for address, dr7 in ((0x82, 0x20401), (0x82, 0xA0401), (0x80, 0xE0401), (0x84, 0x20401), (0x7C, 0xE0401)):         # ports
        found.append(((f"mov eax, {address}", dr7), "mov rcx, cr4; or ecx, 8; mov cr4, rcx; in eax, 0x80; nop; nop"))
    return found


SCENARIO_LIST = scenarios()

BOOT = f"""
    mov esp, {KERNEL_STACK}
    mov eax, {TABLES}
    mov cr3, eax
    mov eax, 0x6a0
    mov cr4, eax
    mov ecx, 0xc0000080
    rdmsr
    or eax, 0x901
    wrmsr
    mov eax, 0x80010033
    mov cr0, eax
    lgdt [{TSS + 0x100}]
    lidt [{TSS + 0x110}]
    .byte 0xea
    .long {MAIN}
    .word 8
"""

KERNEL = f"""
    mov eax, 0x28
    ltr ax
    jmp next
common:
    push rbx
    push rax
    xor eax, eax
    mov dr7, rax
    mov rbp, rsp
    xor r9d, r9d
words:
    mov rax, [rbp + r9 * 8]
    call print
    inc r9d
    cmp r9d, 9
    jb words
    mov rax, cr2
    call print
    mov eax, ds
    call print
    mov eax, fs
    call print
    mov rax, dr6
    call print
    mov al, 10
    call put
next:
    mov ecx, {INDEX}
    mov esi, [rcx]
    cmp esi, {len(SCENARIO_LIST)}
    je end
    inc dword ptr [rcx]
    mov eax, 0x10
    mov ds, ax
    mov es, ax
    mov ss, ax
    xor eax, eax
    mov fs, ax
    mov gs, ax
    mov cr2, rax
    mov dr6, rax
    mov cr8, rax
    mov eax, 0x6a0
    mov cr4, rax
    xor eax, eax
    mov edi, esi
    shl edi, 8
    add edi, {SCENARIOS}
    mov rsp, {KERNEL_STACK}
    cmp byte ptr [rsi + {INDEX + 8}], 0
    jne ring3
    push rax
    popfq
    jmp go0
ring3:
    push 0x23
    push {USER_STACK}
    push 2
    push 0x1b
    push rdi
    xor ebx, ebx
    xor ecx, ecx
    xor edx, edx
    xor ebp, ebp
    xor esi, esi
    xor edi, edi
    iretq
go0:
    push rdi
    xor ebx, ebx
    xor ecx, ecx
    xor edx, edx
    xor ebp, ebp
    xor esi, esi
    xor edi, edi
    ret
end:
    mov edx, 0xf4
    mov eax, 21
    out dx, eax
    hlt
print:
    mov r8, rax
    mov r10d, 16
digit:
    rol r8, 4
    mov eax, r8d
    and eax, 15
    add eax, 48
    cmp eax, 58
    jb show
    add eax, 39
show:
    call put
    dec r10d
    jnz digit
    mov al, 32
put:
    mov edx, 0x3f8
    out dx, al
    ret
"""


def image() -> bytes:
    assembler = keystone.Ks(keystone.KS_ARCH_X86, keystone.KS_MODE_64)
    segments = [(START, bytes(keystone.Ks(keystone.KS_ARCH_X86, keystone.KS_MODE_32).asm(BOOT, START)[0]), None)]
    kernel = bytes(assembler.asm(KERNEL, MAIN)[0])
    segments.append((MAIN, kernel, None))
    common = MAIN + kernel.index(bytes.fromhex("5350 31c0 0f23f8"))
    tables = bytearray(0x5000)
    for level in range(3):
        struct.pack_into("<Q", tables, level * 0x1000, TABLES + 0x1000 * (level + 1) | 0x67)
    struct.pack_into("<Q", tables, 0x2008, TABLES + 0x4000 | 0x67)
    entries = [page << 12 | 0x67 for page in range(1024)]
    entries[ABSENT >> 12] = 0
    entries[READONLY >> 12] &= ~2
    entries[SUPERVISOR >> 12] &= ~4
    entries[NO_EXECUTE >> 12] |= 1 << 63
    entries[RESERVED >> 12] |= 1 << 45
    struct.pack_into("<1024Q", tables, 0x3000, *entries)
    segments.append((TABLES, bytes(tables), None))
    gdt = bytearray(0x200)
    for at, value in GDT_ENTRIES.items():
        struct.pack_into("<Q", gdt, at, value)
    for at, halves in GATES.items():
        struct.pack_into("<2Q", gdt, at, *halves)
    struct.pack_into("<2Q", gdt, 0x28, segment(0x89, 0, base=TSS, limit=0x67), 0)
    segments.append((GDT, bytes(gdt), None))
    idt, stubs = bytearray(), bytearray()
    for vector in range(256):
        selector, kind, dpl, ist, present = IDT_GATES.get(vector, (8, 14, 0, 1, 1))
        target = STUBS + vector * 16
        idt += struct.pack("<QQ", target & 0xFFFF | selector << 16 | ist << 32 | (present << 7 | dpl << 5 | kind) << 40
                           | (target >> 16 & 0xFFFF) << 48, 0)
        stub = b"" if vector in ERROR_CODES else b"\x6A\x00"
        stub += b"\x68" + struct.pack("<I", vector)
        stub += b"\xE9" + struct.pack("<i", common - (target + len(stub) + 5))
        stubs += stub.ljust(16, b"\x90")
    segments.append((IDT, bytes(idt), None))
    segments.append((STUBS, bytes(stubs) + b"\xCD\x80", None))
    tss = struct.pack("<I4Q", 0, KERNEL_STACK, KERNEL_STACK - 0x1000, KERNEL_STACK - 0x2000, 0) + struct.pack("<Q", IST_STACK)
    tss = tss.ljust(0x66, b"\0") + b"\x68\0"
    tss = tss.ljust(0x100, b"\0") + struct.pack("<HQ", 0x1FF, GDT).ljust(16, b"\0") + struct.pack("<HQ", 0xFFF, IDT)
    segments.append((TSS, tss, None))
    segments += [(page + 0x28, b"\xCD\x80", None) for page in (READONLY, SUPERVISOR, NO_EXECUTE)]
    segments.append((INDEX, bytes(8) + bytes(ring for _, ring, _ in SCENARIO_LIST), None))
    code = bytearray()
    for _, _, text in SCENARIO_LIST:
        body = bytes(assembler.asm(text, SCENARIOS + len(code))[0]) + b"\xCD\x80"
        assert len(body) <= 256, text
        code += body.ljust(256, b"\x90")
    segments.append((SCENARIOS, bytes(code), None))
    assert SCENARIOS + len(code) <= DATA
    return elf(segments, entry=START, bits=64, notes=pvh_note(START))


# Where QEMU 7.2 leaves the manuals, and ours does not.
QEMU_DIFFERS = {
    ("jmp far 0x70", 0), ("iretq to 0x70, 0x10", 0),        # enter code segments with L and D
    *((f"{how} far 0x113", ring) for how in ("call", "jmp") for ring in (0, 3)),        # a gate to where nothing can be
    ("iretq not canonical", 0), ("iretq not canonical", 3),
    ("iretq to 0x1b, 0x7b", 0), ("iretq to 0x1b, 0x7b", 3),         # SS not present: #SS (SDM vol. 2, IRET)
    ("iretq flags 0x180002", 0),                            # VIF and VIP at ring 0
    *((text, ring) for ring in (0, 3) for text in (
        "mov ebp, 1; shl rbp, 47; mov al, [rbp]",           # #SS, the base register being RBP (APM vol. 2, 8.2.13)
        "mov eax, 1; shl rax, 47; jmp rax",                 # the jump faults, not what it leads to (SDM vol. 2, JMP)
        "mov eax, 1; shl rax, 47; call rax",
        # A page that is read to be written is missed as for a write (APM vol. 2, 8.4.2).
        *(f"{page} page: {text}" for page in ("absent", "supervisor", "reserved")
          for text in ("add [rbx], al", "xor eax, eax; cmpxchg [rbx], al")))),
    # IRET reads its frame with the rights of the ring it is in.
    *((f"{page} page: mov rsp, rbx; iretq", 3) for page in ("absent", "supervisor", "reserved")),
    *((text, 3) for text in ("mov rax, cr5", "mov cr1, rax", "mov cr9, rax")),          # #UD is found before #GP
    ("mov ss, 0x3", 0),         # takes a null SS whose RPL is not CPL (SDM vol. 2, MOV)
    # Traps for the step a second time, and behind the last iteration has RIP on the instruction (SDM vol. 3, 18.3.1.4, 6.8.3).
    *((name, ring) for name, ring, text in SCENARIO_LIST if "mov dr7" in text and text.endswith((STEPPED, LAST_ITERATION))),
    ("int 0x89", 3),            # empties SS for an IST without a change of level (APM vol. 2, 8.9.4)
}


def as_the_manual(line: str) -> str:
    """What QEMU has in another way throughout is made alike.

    It saves RF as 0 with faults (SDM vol. 3, 17.3.1.1), counts IDT entries in error codes by 16 in long mode (6.13), and
    gives RSVD without P in those of page faults (4.7).
    """
    words = [int(word, 16) for word in line.split()]
    words[6] &= ~0x10000
    if words[2] in (10, 11, 12, 13) and words[3] & 2:
        words[3] = 2
    if words[2] == 14 and words[3] & 8:
        words[3] |= 1
    return " ".join(f"{word:x}" for word in words)


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    path = tmp_path_factory.mktemp("oracle") / "kernel.elf"
    path.write_bytes(image())
    return path


@pytest.fixture(scope="module")
def qemus(kernel):
    result = subprocess.run(
        [QEMU, "-M", "microvm,acpi=off", "-accel", "tcg", "-cpu", "qemu64,+fsgsbase,+rdtscp", "-m", "16M", "-kernel", kernel,
         "-display", "none", "-monitor", "none", "-serial", "stdio", "-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-no-reboot"],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    return result.stdout.decode().replace("\r", "").splitlines()[-len(SCENARIO_LIST):]


@needs_qemu
@pytest.mark.parametrize("engine", list(ENGINES))
def test_the_same_exceptions_as_qemu(kernel, qemus, engine):
    with Machine("16M", engine, kernel=kernel) as machine:
        machine.run(20_000_000)
        ours = machine.console.decode().splitlines()
    ours, qemus = ([as_the_manual(line) for line in lines] for lines in (ours, qemus))
    assert len(ours) == len(qemus) == len(SCENARIO_LIST)
    differing = [f"ring {ring}: {name}\n  ours {mine}\n  qemu {theirs}"
                 for (name, ring, _), mine, theirs in zip(SCENARIO_LIST, ours, qemus)
                 if mine != theirs and (name, ring) not in QEMU_DIFFERS]
    assert not differing, f"{len(differing)} of {len(SCENARIO_LIST)} scenarios differ\n" + "\n".join(differing)
