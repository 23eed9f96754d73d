/* Restrictions that a task puts on its own system calls: seccomp(2). */
#pragma once
#include "types.h"

struct task;
struct trapframe;
struct filter;

#define SECCOMP_STRICT 1
#define SECCOMP_FILTER 2

/* May this call be made? false: what the program gets instead is in *result. May not return at all. */
bool seccomp_allows(struct trapframe *, u64 *result);
void seccomp_fork(struct task *child, const struct task *parent);
void filter_put(struct filter *);

/* bpf.c: classic BPF programs over one call. */
struct seccomp_data { s32 number; u32 arch; u64 ip, arguments[6]; };
struct bpf { u16 code; u8 jt, jf; u32 k; };
struct filter {                             /* a program, and those installed before it; shared, never changed */
    s32 refs;
    u32 length, depth, total;               /* instructions; filters and their instructions up to this */
    struct filter *before;                  /* referenced, or NULL */
    struct bpf code[];
};
bool bpf_valid(const struct bpf *code, u32 length);     /* false: without memory, too */
u32 bpf_run(const struct bpf *code, const struct seccomp_data *);
