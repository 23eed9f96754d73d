/* The table the SYSCALL entry dispatches through; made at build time from syscalls.tbl. */
#pragma once
#include "types.h"

typedef long (*syscall_function)(u64, u64, u64, u64, u64, u64);
extern syscall_function syscall_table[];
extern const u16 syscall_since[];           /* the Linux that brought it: major << 8 | minor; 0: it was always there */
extern const char *const syscall_names[];
extern const u64 syscall_count;

/* Whose calls a program makes is told by its file (nt/program.c); on abi=linux they are all Linux's. */
enum { CALLS_LINUX, CALLS_NT, CALLS_UNKNOWN };
struct mm;
struct file;
struct elf_header;
int program_calls(struct mm *, struct file *, const struct elf_header *);  /* 0 or -ENOEXEC */
