/* The table the SYSCALL entry dispatches through; made at build time from syscalls.tbl. */
#pragma once
#include "types.h"

typedef long (*syscall_function)(u64, u64, u64, u64, u64, u64);
extern syscall_function syscall_table[];
extern const u16 syscall_since[];           /* the Linux that brought it: major << 8 | minor; 0: it was always there */
extern const char *const syscall_names[];
extern const u64 syscall_count;
