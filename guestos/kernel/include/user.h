/* The only ways to touch a program's memory. They may sleep (demand paging reads files), so never
 * with a spinlock held. A bad address gives -EFAULT; the program is not killed. */
#pragma once
#include "types.h"

#define USER_TOP 0x7ffffffff000UL           /* first address a program can't have */

static inline bool user_range_ok(const void __user *p, size_t n) {
    return (u64)p <= USER_TOP && n <= USER_TOP - (u64)p;
}

/* 0 or -EFAULT. On a fault part of the destination may be written; for a system call's "nothing
 * half done", copy in before the first effect, and out from one kernel object. */
int copy_from_user(void *to, const void __user *from, size_t n);
int copy_to_user(void __user *to, const void *from, size_t n);
int clear_user(void __user *to, size_t n);
/* Length without terminator; -EFAULT; -ENAMETOOLONG if no terminator within size bytes. */
ssize_t strncpy_from_user(char *to, const char __user *from, size_t size);

#define get_user(to, from) copy_from_user(&(to), from, sizeof(to))
#define put_user(value, to) ({ __typeof__(*(to)) v_ = (value); copy_to_user(to, &v_, sizeof(v_)); })
