/* System calls on the numbers of processes, groups and sessions. */
#include "errno.h"
#include "lib.h"
#include "ns.h"
#include "sched.h"
#include "syscalls.h"

long sys_getpid(void) { return pid_to(current->tgid); }
long sys_gettid(void) { return pid_to(current->pid); }
long sys_getppid(void) { return current->process->parent ? pid_to(current->process->parent->pid) : 0; }

/* ---- process groups and sessions ------------------------------------------------------------------ */

static struct process *find_or_self(pid_t pid) { return pid ? process_find_here(pid) : current->process; }

static bool group_in_session(pid_t pgid, pid_t sid) {
    struct process *p;
    for_each_process(p) if (p->pgid == pgid && p->sid == sid) return true;
    return false;
}

long sys_setpgid(pid_t pid, pid_t pgid) {
    struct process *self = current->process;
    if (pgid < 0 || (!pgid && pid < 0)) return -EINVAL;
    struct process *p = find_or_self(pid);
    if (!p) return -ESRCH;
    if (pid && pid_to(p->pid) != pid) return -EINVAL; /* a thread that doesn't lead */
    if (p != self && p->parent != self) return -ESRCH;   /* check: accesstests */
    pgid = pgid ? pid_from(current->pid_ns, pgid) : p->pid;
    if (p != self && p->sid != self->sid) return -EPERM;   /* check: calltests */
    if (p != self && p->did_exec) return -EACCES;   /* check: accesstests */
    if (p->sid == p->pid) return -EPERM;   /* check: calltests */
    if (pgid != p->pid && !group_in_session(pgid, self->sid)) return -EPERM;   /* check: accesstests */
    p->pgid = pgid;
    return 0;
}

long sys_getpgid(pid_t pid) {
    struct process *p = find_or_self(pid);
    return p ? pid_to(p->pgid) : -ESRCH;
}

long sys_getpgrp(void) { return pid_to(current->process->pgid); }

long sys_getsid(pid_t pid) {
    struct process *p = find_or_self(pid);
    return p ? pid_to(p->sid) : -ESRCH;
}

long sys_setsid(void) {
    struct process *self = current->process, *p;
    for_each_process(p) if (p->pgid == self->pid) return -EPERM;
    self->pgid = self->sid = self->pid;
    self->tty = NULL;
    return pid_to(self->pid);
}
