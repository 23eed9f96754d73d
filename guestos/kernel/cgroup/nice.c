/* getpriority(2) and setpriority(2): a task's nice value is the length of its turns on the processor. */
#include "errno.h"
#include "ns.h"
#include "sched.h"
#include "syscalls.h"

#define PRIO_PROCESS 0
#define PRIO_PGRP 1
#define PRIO_USER 2
#define LOWEST 19
#define HIGHEST (-20)

/* As much as others get with one less, divided by 1.25, is Linux's rule for their shares. */
u64 turn_length(const struct task *t) {
    u64 turn = SLICE_NS;
    for (int n = t->nice; n > 0; n--) turn = turn * 4 / 5;
    for (int n = t->nice; n < 0; n++) turn = turn * 5 / 4;
    return turn;
}

/* `who` is current's number of it. */
static bool meant(const struct task *t, int which, u32 who) {
    if (t->kernel_thread) return false;
    if (which == PRIO_PROCESS) return who ? pid_to(t->pid) == (pid_t)who : t == current;
    if (which == PRIO_PGRP) return who ? pid_to(t->process->pgid) == (pid_t)who : t->process->pgid == current->process->pgid;
    return t->cred.uid == (who ? uid_from(who) : current->cred.uid);
}

static int set_nice(struct task *t, int nice) {
    uid_t euid = current->cred.euid;
    if (euid != t->cred.uid && euid != t->cred.euid && !ns_capable(t->cred.user_ns, CAP_SYS_NICE)) return -EPERM;   /* check: threadtests */
    if (nice < t->nice && (u64)(20 - nice) > t->process->rlimit[RLIMIT_NICE][0] && !capable(CAP_SYS_NICE)) return -EACCES;   /* check: captests */
    t->nice = nice;
    if (t == current) t->resched = true;    /* the next turn is of the new length */
    return 0;
}

long sys_setpriority(int which, u32 who, int nice) {
    struct process *p;
    struct task *t;
    int result = -ESRCH;
    if (which < PRIO_PROCESS || which > PRIO_USER) return -EINVAL;
    nice = nice > LOWEST ? LOWEST : nice < HIGHEST ? HIGHEST : nice;
    for_each_process(p) for_each_thread(t, p) {
        if (!meant(t, which, who)) continue;
        int error = set_nice(t, nice);
        if (error || result == -ESRCH) result = error;
    }
    return result;
}

/* 20 minus the nice value, so that none is an error; of several, of the one that gets most. */
long sys_getpriority(int which, u32 who) {
    struct process *p;
    struct task *t;
    long most = -ESRCH;
    if (which < PRIO_PROCESS || which > PRIO_USER) return -EINVAL;
    for_each_process(p) for_each_thread(t, p)
        if (meant(t, which, who) && 20 - t->nice > most) most = 20 - t->nice;
    return most;
}
