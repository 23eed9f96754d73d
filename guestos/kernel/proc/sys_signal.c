/* System calls on signals. */
#include "abi.h"
#include "errno.h"
#include "lib.h"
#include "ns.h"
#include "sched.h"
#include "user.h"
#include "syscalls.h"

#define UNBLOCKABLE (SIG_BIT(SIGKILL) | SIG_BIT(SIGSTOP))

static bool valid_signal(int signo) { return signo >= 0 && signo <= SIGNALS; }

long sys_rt_sigaction(int signo, const struct sigaction *act, struct sigaction *old, size_t size) {
    struct task *t = current;
    struct sigaction new;
    if (size != sizeof(u64)) return -EINVAL;
    if (act && get_user(new, act)) return -EFAULT;
    if (signo < 1 || signo > SIGNALS) return -EINVAL;
    if (act && (signo == SIGKILL || signo == SIGSTOP)) return -EINVAL;
    struct sigaction *slot = &t->process->sighand->action[signo - 1], before = *slot;
    if (old && put_user(before, old)) return -EFAULT;
    if (!act) return 0;
    new.mask &= ~UNBLOCKABLE;
    *slot = new;
    if (new.handler == SIG_IGN || (new.handler == SIG_DFL && (signo == SIGCHLD || signo == SIGURG || signo == SIGWINCH)))
        signals_discard(t->process, SIG_BIT(signo)); /* POSIX: pending ones go too, blocked or not */
    return 0;
}

long sys_rt_sigprocmask(int how, const u64 *set, u64 *old, size_t size) {
    struct task *t = current;
    u64 new, before = t->blocked;
    if (size != sizeof(u64)) return -EINVAL;
    if (set) {
        if (get_user(new, set)) return -EFAULT;
        switch (how) {
        case SIG_BLOCK: new = before | new; break;
        case SIG_UNBLOCK: new = before & ~new; break;
        case SIG_SETMASK: break;
        default: return -EINVAL;
        }
    }
    if (old && put_user(before, old)) return -EFAULT;
    if (set) signals_block(new);
    return 0;
}

long sys_rt_sigpending(u64 *set, size_t size) {
    u64 pending = (current->pending.set | current->process->pending.set) & current->blocked;
    if (size > sizeof(u64)) return -EINVAL;
    return copy_to_user(set, &pending, size);
}

/* The old mask comes back after the handler has run, by the frame it returns through. */
long sys_rt_sigsuspend(const u64 *set, size_t size) {
    struct task *t = current;
    u64 mask;
    if (size != sizeof(u64)) return -EINVAL;
    if (get_user(mask, set)) return -EFAULT;
    t->saved_mask = t->blocked;
    t->restore_mask = true;
    signals_block(mask);
    return sys_pause();
}

long sys_pause(void) {
    struct wait_queue nobody = { 0 };
    wait_event_interruptible(&nobody, false);
    return -ERESTARTNOHAND;
}

bool may_signal(const struct process *target, int signo) {
    const struct cred *c = &current->cred, *to = &target->leader->cred;
    return ns_capable(to->user_ns, CAP_KILL) || c->euid == to->suid || c->euid == to->uid || c->uid == to->suid || c->uid == to->uid ||
           (signo == SIGCONT && target->sid == current->process->sid);
}

/* To a process, or to one thread of it. Signal 0 only asks. */
static int send_checked(struct process *p, struct task *thread, const struct siginfo *info) {
    if (!valid_signal(info->si_signo)) return -EINVAL;
    if (!may_signal(p, info->si_signo)) return -EPERM;   /* check: captests */
    if (!info->si_signo) return 0;
    struct siginfo seen = *info;            /* with the numbers of where it goes */
    const struct task *to = p->leader;
    if (info->si_code <= 0) seen.si_pid = pid_in(to->pid_ns, info->si_pid), seen.si_uid = uid_in(to->cred.user_ns, info->si_uid);
    /* Its own family can't end a namespace's init; from outside SIGKILL is meant. */
    if (is_ns_init(p) && p->pid != 1 && !pid_in(to->pid_ns, current->tgid) && info->si_signo == SIGKILL) process_kill(p);
    else send_signal_info(p, thread, &seen);
    return 0;
}

static struct siginfo info_of(int signo, int code) {
    return (struct siginfo){ .si_signo = signo, .si_code = code, .si_pid = current->tgid, .si_uid = current->cred.uid };
}

/* 0 if any was sent; else the first error, or ESRCH if there was no target. */
static int send_where(int signo, bool (*match)(const struct process *, pid_t), pid_t id) {
    struct siginfo info = info_of(signo, SI_USER);
    struct process *p;
    int result = -ESRCH;
    bool sent = false;
    for_each_process(p) {
        if (p->leader->kernel_thread || !match(p, id)) continue;
        int error = send_checked(p, NULL, &info);
        if (!error) sent = true;
        else if (result == -ESRCH) result = error;
    }
    return sent ? 0 : result;
}

static bool in_group(const struct process *p, pid_t pgid) { return p->pgid == pgid; }
static bool not_us(const struct process *p, pid_t unused) { return pid_to(p->pid) > 1 && p != current->process; }

long sys_kill(pid_t pid, int signo) {
    struct siginfo info = info_of(signo, SI_USER);
    if (pid == -1) return send_where(signo, not_us, 0);
    if (pid < 0 && !(pid = -pid_from(current->pid_ns, -pid))) return -ESRCH;
    if (pid <= 0) return send_where(signo, in_group, pid ? -pid : current->process->pgid);
    struct process *p = process_find_here(pid);
    return p ? send_checked(p, NULL, &info) : -ESRCH;
}

/* tgid 0: of whichever process. */
static long send_thread(pid_t tgid, pid_t tid, const struct siginfo *info) {
    if (tgid < 0 || tid <= 0) return -EINVAL;
    struct task *t = task_find_here(tid);
    return t && !t->kernel_thread && (!tgid || t->tgid == pid_from(current->pid_ns, tgid)) ? send_checked(t->process, t, info) : -ESRCH;
}

long sys_tgkill(pid_t tgid, pid_t tid, int signo) {
    struct siginfo info = info_of(signo, SI_TKILL);
    return tgid ? send_thread(tgid, tid, &info) : -EINVAL;
}

long sys_tkill(pid_t tid, int signo) {
    struct siginfo info = info_of(signo, SI_TKILL);
    return send_thread(0, tid, &info);
}

/* Others may not be told what only the kernel, kill or tkill says. */
static int info_from_user(struct siginfo *info, const struct siginfo __user *from, int signo, pid_t pid) {
    if (get_user(*info, from)) return -EFAULT;
    info->si_signo = signo;
    return (info->si_code >= 0 || info->si_code == SI_TKILL) && pid != pid_to(current->tgid) ? -EPERM : 0;
}

long sys_rt_sigqueueinfo(pid_t pid, int signo, const struct siginfo *from) {
    struct siginfo info;
    int error = info_from_user(&info, from, signo, pid);
    if (error) return error;
    struct process *p = pid > 0 ? process_find_here(pid) : NULL;
    return p ? send_checked(p, NULL, &info) : -ESRCH;
}

long sys_rt_tgsigqueueinfo(pid_t tgid, pid_t tid, int signo, const struct siginfo *from) {
    struct siginfo info;
    int error = info_from_user(&info, from, signo, tgid);
    return error ? error : tgid > 0 ? send_thread(tgid, tid, &info) : -EINVAL;
}

long sys_rt_sigtimedwait(const u64 *set, struct siginfo *to, const struct timespec *timeout, size_t size) {
    struct wait_queue nobody = { 0 };
    struct siginfo info;
    u64 mask, deadline = 0;
    int signo, error;
    if (size != sizeof(mask)) return -EINVAL;
    if (get_user(mask, set)) return -EFAULT;
    if (timeout && (error = timespec_from_user(timeout, &deadline))) return error;
    if (timeout) deadline += ktime();
    current->waited = mask & ~UNBLOCKABLE;  /* sent meanwhile, they wake us and are kept even if ignored */
    int interrupted = wait_event_until(&nobody, (signo = signals_take(current->waited, &info)), deadline);
    current->waited = 0;
    signals_block(current->blocked);
    if (!signo) return interrupted == -ETIMEDOUT ? -EAGAIN : -EINTR;
    return to && put_user(info, to) ? -EFAULT : signo;
}
