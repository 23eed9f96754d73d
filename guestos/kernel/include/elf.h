/* The executable format, as far as loading needs it (System V ABI, ELF-64). */
#pragma once
#include "types.h"

struct elf_header {
    u8 ident[16];
    u16 type, machine;
    u32 version;
    u64 entry, phoff, shoff;
    u32 flags;
    u16 ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
struct elf_segment {
    u32 type, flags;
    u64 offset, vaddr, paddr, filesz, memsz, align;
};
#define ET_EXEC 2
#define ET_DYN 3
#define EM_X86_64 62
#define PT_LOAD 1
#define PT_INTERP 3
#define PT_GNU_STACK 0x6474e551
#define PF_X 1
#define PF_W 2
#define PF_R 4

#define AT_NULL 0
#define AT_PHDR 3
#define AT_PHENT 4
#define AT_PHNUM 5
#define AT_PAGESZ 6
#define AT_BASE 7
#define AT_FLAGS 8
#define AT_ENTRY 9
#define AT_UID 11
#define AT_EUID 12
#define AT_GID 13
#define AT_EGID 14
#define AT_PLATFORM 15
#define AT_HWCAP 16
#define AT_CLKTCK 17
#define AT_SECURE 23
#define AT_RANDOM 25
#define AT_HWCAP2 26
#define AT_EXECFN 31
#define AT_MINSIGSTKSZ 51

/* What exec must know of a loaded program. Addresses are the program's. */
struct loaded {
    u64 entry;                              /* to start at: the interpreter, if there is one */
    u64 program_entry, phdr, base, interpreter_base, end;
    u16 phnum;
    int stack_prot;                         /* PROT_EXEC if the program wants it */
};
struct mm;
struct file;
/* Map a program, and its interpreter if it names one, into an address space. 0; -ENOEXEC if it is no
 * program for us; -ENOMEM; opening the interpreter's errors, -ELIBBAD if that is none. */
int elf_load(struct mm *, struct file *, const struct elf_header *, struct loaded *);
