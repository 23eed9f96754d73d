/* Signals: sending, and what happens to those pending when a task goes back to user mode. */
#include "signal.h"
#include "errno.h"
#include "lib.h"
#include "mm.h"
#include "sched.h"
#include "vm.h"

#define STOPS (SIG_BIT(SIGSTOP) | SIG_BIT(SIGTSTP) | SIG_BIT(SIGTTIN) | SIG_BIT(SIGTTOU))
#define IGNORED_BY_DEFAULT (SIG_BIT(SIGCHLD) | SIG_BIT(SIGURG) | SIG_BIT(SIGWINCH) | SIG_BIT(SIGCONT))
#define UNBLOCKABLE (SIG_BIT(SIGKILL) | SIG_BIT(SIGSTOP))
#define CONTINUED 0xffff

/* Real-time signals queue one entry a send; the others at most one. */
struct siginfo_entry {
    struct siginfo_entry *next;
    struct siginfo info;
};

struct sighand *sighand_new(void) {
    struct sighand *s = kzalloc(sizeof(*s));
    if (s) s->refs = 1;
    return s;
}

struct sighand *sighand_copy(const struct sighand *from) {
    struct sighand *s = kmalloc(sizeof(*s));
    if (!s) return NULL;
    *s = *from;
    s->refs = 1;
    return s;
}

void sighand_put(struct sighand *s) {
    if (--s->refs == 0) kfree(s);
}

void sighand_exec(struct process *p) {
    if (p->sighand->refs > 1) {
        struct sighand *own = sighand_copy(p->sighand);
        if (own) p->sighand->refs--, p->sighand = own;
    }
    for (int i = 0; i < SIGNALS; i++) {
        struct sigaction *a = &p->sighand->action[i];
        *a = (struct sigaction){ .handler = a->handler == SIG_IGN ? SIG_IGN : SIG_DFL };
    }
}

static void drop(struct task *t, u64 set) {
    u64 flags = irq_save();
    struct siginfo_entry **link = &t->siginfo;
    while (*link) {
        struct siginfo_entry *e = *link;
        if (SIG_BIT(e->info.si_signo) & set) {
            *link = e->next;
            kfree(e);
        } else {
            link = &e->next;
        }
    }
    t->pending &= ~set;
    irq_restore(flags);
}

void signals_drop(struct task *t) { drop(t, ~0UL); }

void signals_discard(struct task *t, int signo) { drop(t, SIG_BIT(signo)); }

static bool ignores(const struct task *t, int signo) {
    void *handler = t->process->sighand->action[signo - 1].handler;
    if (handler == SIG_IGN) return true;
    if (handler != SIG_DFL) return false;
    /* The first process gets only what it asked for: nobody could be told of its death. */
    return t->pid == 1 || IGNORED_BY_DEFAULT & SIG_BIT(signo);
}

static void enqueue(struct task *t, const struct siginfo *info) {
    u64 bit = SIG_BIT(info->si_signo);
    if (t->pending & bit && info->si_signo < 32) return;
    struct siginfo_entry *e = kmalloc(sizeof(*e));
    if (e) {                                /* without memory the signal still comes, unexplained */
        e->info = *info;
        e->next = NULL;
        struct siginfo_entry **link = &t->siginfo;
        while (*link) link = &(*link)->next;
        *link = e;
    }
    t->pending |= bit;
}

static void kick(struct task *t, int signo) {
    if (t->state == TASK_SLEEPING && !(t->blocked & SIG_BIT(signo))) wake_task(t);
    if (t->state == TASK_STOPPED && signo == SIGKILL) wake_task(t);
}

void send_signal_info(struct task *t, const struct siginfo *info) {
    int signo = info->si_signo;
    u64 bit = SIG_BIT(signo), flags = irq_save();
    if (t->exiting || t->kernel_thread) goto out;
    if (bit & STOPS) drop(t, SIG_BIT(SIGCONT));
    if (signo == SIGCONT) {
        drop(t, STOPS);
        if (t->state == TASK_STOPPED) {
            notify_parent_stopped(t->process, CONTINUED);
            wake_task(t);
        }
    }
    if (ignores(t, signo) && !(t->blocked & bit)) goto out;
    enqueue(t, info);
    kick(t, signo);
out:
    irq_restore(flags);
}

void send_signal(struct task *t, int signo) {
    struct siginfo info = { .si_signo = signo, .si_code = SI_KERNEL };
    send_signal_info(t, &info);
}

int send_signal_group(pid_t pgid, int signo) {
    struct process *p;
    int found = -ESRCH;
    for_each_process(p) {
        if (p->pgid != pgid || p->leader->kernel_thread) continue;
        send_signal(p->leader, signo);
        found = 0;
    }
    return found;
}

void force_signal(int signo, int code, u64 address) {
    struct task *t = current;
    struct siginfo info = { .si_signo = signo, .si_code = code, .si_addr = address };
    struct sigaction *a = &t->process->sighand->action[signo - 1];
    u64 flags = irq_save();
    if (a->handler == SIG_IGN || t->blocked & SIG_BIT(signo)) a->handler = SIG_DFL;
    t->blocked &= ~SIG_BIT(signo);
    t->forced |= SIG_BIT(signo);
    enqueue(t, &info);
    irq_restore(flags);
}

bool signal_blocked_or_ignored(int signo) {
    return current->blocked & SIG_BIT(signo) || current->process->sighand->action[signo - 1].handler == SIG_IGN;
}

bool process_group_orphaned(pid_t pgid) {
    struct process *p;
    for_each_process(p)
        if (p->pgid == pgid && !p->leader->exiting && p->parent && p->parent->pgid != pgid && p->parent->sid == p->sid) return false;
    return true;
}

/* The lowest pending signal that isn't blocked, taken off; faults of the program itself first. 0: none. */
static int dequeue(struct task *t, struct siginfo *info) {
    u64 flags = irq_save(), ready = t->pending & ~t->blocked;
    int signo = 0;
    if (ready) {
        u64 first = ready & t->forced ? ready & t->forced : ready;
        signo = __builtin_ctzl(first) + 1;
        *info = (struct siginfo){ .si_signo = signo, .si_code = SI_KERNEL };
        bool more = false, taken = false;
        for (struct siginfo_entry **link = &t->siginfo; *link;) {
            struct siginfo_entry *e = *link;
            if (e->info.si_signo != signo) {
                link = &e->next;
            } else if (taken) {
                more = true;
                break;
            } else {
                *info = e->info;
                *link = e->next;
                kfree(e);
                taken = true;
            }
        }
        if (!more) t->pending &= ~SIG_BIT(signo);
    }
    irq_restore(flags);
    return signo;
}

static void stop(struct task *t, int signo) {
    u64 flags = irq_save();
    t->state = TASK_STOPPED;
    notify_parent_stopped(t->process, signo << 8 | 0x7f);
    /* SIGCONT or SIGKILL may only come once we are off the processor: interrupts are off. */
    schedule();
    irq_restore(flags);
}

/* Without a handler. Returns if the program goes on. */
static void default_action(struct task *t, int signo, bool forced) {
    u64 bit = SIG_BIT(signo);
    if (!forced && ignores(t, signo)) return;
    if (bit & STOPS) {
        if (signo != SIGSTOP && process_group_orphaned(t->process->pgid)) return;
        stop(t, signo);
        return;
    }
    task_exit(signo);                       /* no core is ever dumped, so never 0x80 */
}

/* An interrupted call either ends with EINTR or is made again: RIP goes back over SYSCALL's two bytes. */
static void settle_call(struct trapframe *f, const struct sigaction *handler) {
    if (f->error != (u64)FRAME_SYSCALL) return;
    bool again;
    switch ((s64)f->rax) {
    case -ERESTARTSYS: again = !handler || handler->flags & SA_RESTART; break;
    case -ERESTARTNOHAND: again = !handler; break;
    default: f->error = 0; return;
    }
    if (again) {
        f->rax = f->vector;
        f->rip -= 2;
    } else {
        f->rax = -EINTR;
        current->sleep_until = 0;
    }
    f->error = 0;
}

void signal_deliver(struct trapframe *f) {
    struct task *t = current;
    struct siginfo info;
    int signo;
    while ((signo = dequeue(t, &info))) {
        struct sigaction *slot = &t->process->sighand->action[signo - 1], action = *slot;
        bool forced = t->forced & SIG_BIT(signo);
        t->forced &= ~SIG_BIT(signo);
        if (action.handler == SIG_IGN && !forced) continue;
        if (action.handler == SIG_DFL || action.handler == SIG_IGN) {
            if (forced)
                kprintf("%s[%d]: signal %d, address %lx, ip %lx, sp %lx\n", t->comm, t->pid, signo, info.si_addr, f->rip, f->rsp);
            default_action(t, signo, forced);
            continue;
        }
        settle_call(f, &action);
        u64 mask = t->restore_mask ? t->saved_mask : t->blocked;
        t->restore_mask = false;
        if (action.flags & SA_RESETHAND) slot->handler = SIG_DFL;
        if (!signal_frame_push(f, signo, &action, &info, mask)) {
            force_signal(SIGSEGV, SEGV_MAPERR, f->rsp);
            if (signo == SIGSEGV) t->process->sighand->action[SIGSEGV - 1].handler = SIG_DFL;
            continue;
        }
        t->blocked |= action.mask | (action.flags & SA_NODEFER ? 0 : SIG_BIT(signo));
        t->blocked &= ~UNBLOCKABLE;
    }
    settle_call(f, NULL);
    if (t->restore_mask) {
        t->restore_mask = false;
        t->blocked = t->saved_mask;
    }
}
