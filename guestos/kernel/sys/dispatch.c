/* The system call dispatcher: from the SYSCALL entry to sys_NAME and back. */
#include "arch.h"
#include "dispatch.h"
#include "errno.h"
#include "io.h"
#include "sched.h"
#include "seccomp.h"
#include "trace.h"

/* A result that must not reach the program: -ERESTARTSYS (512) to -ERESTARTNOHAND (514). */
static inline bool is_restart(u64 result) { return result + ERESTARTNOHAND <= ERESTARTNOHAND - ERESTARTSYS; }

/* One that tracer or seccomp is asked about first, or that doesn't exist. */
static u64 call_slowly(struct task *t, struct trapframe *f) {
    u64 result = -ENOSYS;
    trace_call(f, true);
    if (f->error != (u64)FRAME_SYSCALL) result = f->rax;    /* the tracer doesn't want it */
    else if (!t->seccomp || seccomp_allows(f, &result)) {
        syscall_function function = f->vector < syscall_count ? syscall_table[f->vector] : NULL;
        if (function) result = function(f->rdi, f->rsi, f->rdx, f->r10, f->r8, f->r9);
    }
    if (!t->trace) return result;
    f->rax = result;
    trace_call(f, false);
    return f->rax;
}

bool syscall_dispatch(struct trapframe *f) {
    struct task *t = current;
    t->user_cycles += rdtsc() - t->user_since;
    u64 number = f->vector;
    syscall_function function = number < t->call_limit ? syscall_table[number] : NULL;
    u64 result = function ? (u64)function(f->rdi, f->rsi, f->rdx, f->r10, f->r8, f->r9) : call_slowly(t, f);
    f->rax = result;
    asm volatile("cli" ::: "memory");
    bool slow = t->work || is_restart(result);
    if (unlikely(slow)) user_return_work(f);
    t->user_since = rdtsc();
    return slow;
}
