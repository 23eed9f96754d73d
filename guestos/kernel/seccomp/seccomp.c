/* seccomp(2): filters are put in front of a task's system calls, are inherited and never go away.
 *
 * A task that has any has a call_limit of 0, so that the dispatcher asks here first. */
#include "seccomp.h"
#include "dispatch.h"
#include "errno.h"
#include "lib.h"
#include "mm.h"
#include "ns.h"
#include "sched.h"
#include "trace.h"
#include "user.h"
#include "syscalls.h"

enum { SET_MODE_STRICT, SET_MODE_FILTER, GET_ACTION_AVAIL };
enum { TSYNC = 1, LOG = 2, SPEC_ALLOW = 4 /* no speculation controls are there to be switched on */, TSYNC_ESRCH = 16 };
enum { RET_KILL_PROCESS = 0x80000000u, RET_KILL_THREAD = 0, RET_TRAP = 0x30000, RET_ERRNO = 0x50000, RET_USER_NOTIF = 0x7fc00000,
       RET_TRACE = 0x7ff00000, RET_LOG = 0x7ffc0000, RET_ALLOW = 0x7fff0000, ACTION = 0xffff0000u };
enum { LENGTH_MAX = 4096, TOTAL_MAX = 32768 /* of all that a call passes through; each counts 4 more */ };
#define ARCH_X86_64 0xc000003eu
#define SYS_SECCOMP 1                       /* si_code */

void filter_put(struct filter *f) {
    while (f && --f->refs == 0) {
        struct filter *before = f->before;
        kfree(f);
        f = before;
    }
}

static struct filter *filter_get(struct filter *f) {
    if (f) f->refs++;
    return f;
}

static void restrict_task(struct task *t, int mode, struct filter *filter) {
    filter_get(filter);
    filter_put(t->filter);
    t->filter = filter;
    t->seccomp = mode;
    t->call_limit = mode ? 0 : syscall_count;
}

void seccomp_fork(struct task *child, const struct task *parent) {
    restrict_task(child, parent->seccomp, parent->filter);
    child->no_new_privs = parent->no_new_privs;
}

/* ---- at each call ---- */

static noreturn void kill(const struct trapframe *f, bool process) {
    struct task *t = current;
    int signo = t->seccomp == SECCOMP_STRICT ? SIGKILL : SIGSYS;
    kprintf("%s[%d]: call %lu at %lx is forbidden\n", t->comm, t->pid, f->vector, f->rip);
    if (process || t->process->live == 1) process_exit(signo);
    task_exit(signo);
}

/* seen: the tracer has been asked, and may have made another call of it. */
static bool judge(struct trapframe *f, u64 *result, bool seen) {
    struct task *t = current;
    if (t->seccomp == SECCOMP_STRICT && (f->vector == 0 || f->vector == 1 || f->vector == 15 || f->vector == 60)) return true; /* read write rt_sigreturn exit */
    if (t->seccomp == SECCOMP_STRICT) kill(f, false);
    struct seccomp_data data = { f->vector, ARCH_X86_64, f->rip, { f->rdi, f->rsi, f->rdx, f->r10, f->r8, f->r9 } };
    u32 verdict = RET_ALLOW;
    for (const struct filter *each = t->filter; each; each = each->before) {
        u32 says = bpf_run(each->code, &data);
        if ((s32)(says & ACTION) < (s32)(verdict & ACTION)) verdict = says;
    }
    struct siginfo info = { .si_signo = SIGSYS, .si_code = SYS_SECCOMP, .si_errno = verdict & ~ACTION, .si_addr = f->rip };
    switch (verdict & ACTION) {
    case RET_LOG:
        kprintf("%s[%d]: call %lu at %lx\n", t->comm, t->pid, f->vector, f->rip);
        return true;
    case RET_ALLOW: return true;
    case RET_ERRNO: *result = -(u64)MIN(verdict & ~ACTION, 4095u); return false;
    case RET_TRACE:
        if (seen) return true;
        *result = -ENOSYS;
        if (!trace_event(PTRACE_EVENT_SECCOMP, verdict & ~ACTION)) return false;
        *result = f->rax;                   /* if it isn't to be made */
        return f->error == (u64)FRAME_SYSCALL && !signal_ends(t) && judge(f, result, true);
    case RET_USER_NOTIF: *result = -ENOSYS; return false;   /* nobody listens */
    case RET_TRAP:
        info.words[1] = (u32)f->vector | (u64)ARCH_X86_64 << 32;
        force_signal_info(&info);
        *result = f->vector;                /* registers as they were, for a handler to make the call itself */
        return false;
    case RET_KILL_THREAD: kill(f, false);
    default: kill(f, true);
    }
}

bool seccomp_allows(struct trapframe *f, u64 *result) { return judge(f, result, false); }

/* ---- putting them there ---- */

static bool is_ancestor(const struct filter *above, const struct filter *f) {
    while (f && f != above) f = f->before;
    return f == above;
}

static long install(u32 flags, struct filter *f) {
    struct task *t = current, *other;
    f->total = f->length + (t->filter ? t->filter->total + 4 : 0);
    f->depth = t->filter ? t->filter->depth + 1 : 1;
    if (f->total > TOTAL_MAX) return -ENOMEM;
    if (flags & TSYNC) for_each_thread(other, t->process)
        if (other != t && (other->seccomp == SECCOMP_STRICT || !is_ancestor(other->filter, t->filter)))
            return flags & TSYNC_ESRCH ? -ESRCH : pid_to(other->pid);
    f->before = filter_get(t->filter);
    restrict_task(t, SECCOMP_FILTER, f);
    if (flags & TSYNC) for_each_thread(other, t->process) {
        restrict_task(other, SECCOMP_FILTER, f);
        other->no_new_privs |= t->no_new_privs;
    }
    return 0;
}

static long set_filter(u32 flags, const void *program) {
    struct { u16 length; struct bpf *code; } from;
    if (flags & ~(TSYNC | LOG | SPEC_ALLOW | TSYNC_ESRCH)) return -EINVAL;
    if (copy_from_user(&from, program, sizeof(from))) return -EFAULT;
    if (!from.length || from.length > LENGTH_MAX) return -EINVAL;
    if (!current->no_new_privs && !ns_capable(current->cred.user_ns, CAP_SYS_ADMIN)) return -EACCES;   /* check: C35 */
    struct filter *f = kzalloc(sizeof(*f) + from.length * sizeof(struct bpf));
    if (!f) return -ENOMEM;
    f->refs = 1;
    f->length = from.length;
    long result = copy_from_user(f->code, from.code, from.length * sizeof(struct bpf));
    if (!result) result = bpf_valid(f->code, f->length) ? install(flags, f) : -EINVAL;   /* check: seccomptests */
    filter_put(f);                          /* its tasks have theirs */
    return result;
}

long sys_seccomp(unsigned operation, unsigned flags, void *argument) {
    static const u32 actions[] = { RET_KILL_PROCESS, RET_KILL_THREAD, RET_TRAP, RET_ERRNO, RET_TRACE, RET_LOG, RET_ALLOW };
    u32 action;
    switch (operation) {
    case SET_MODE_STRICT:
        if (flags || argument || current->seccomp == SECCOMP_FILTER) return -EINVAL;
        restrict_task(current, SECCOMP_STRICT, NULL);
        return 0;
    case SET_MODE_FILTER: return set_filter(flags, argument);
    case GET_ACTION_AVAIL:
        if (flags) return -EINVAL;
        if (get_user(action, (u32 *)argument)) return -EFAULT;
        for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
            if (action == actions[i]) return 0;
        return -EOPNOTSUPP;
    default: return -EINVAL;
    }
}
