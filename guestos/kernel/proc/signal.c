/* Signals: sending, and what happens to those pending when a thread goes back to user mode.
 *
 * One sent to a process waits with the process until a thread that doesn't block it takes it; one
 * sent to a thread, and every fault, waits with that thread. `signalled` says that a thread has
 * something to look at on its way to user mode; it may be set too often, never too seldom.
 */
#include "signal.h"
#include "errno.h"
#include "lib.h"
#include "mm.h"
#include "ns.h"
#include "sched.h"
#include "trace.h"
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

void sighand_reset(struct sighand *s, bool ignored_too) {
    for (int i = 0; i < SIGNALS; i++) {
        struct sigaction *a = &s->action[i];
        *a = (struct sigaction){ .handler = a->handler == SIG_IGN && !ignored_too ? SIG_IGN : SIG_DFL };
    }
}

/* ---- what is pending --------------------------------------------------------------------------------- */

void signals_drop(struct pending *q, u64 set) {
    u64 flags = irq_save();
    for (struct siginfo_entry **link = &q->queue, *e; (e = *link);) {
        if (SIG_BIT(e->info.si_signo) & set) {
            *link = e->next;
            kfree(e);
        } else {
            link = &e->next;
        }
    }
    q->set &= ~set;
    irq_restore(flags);
}

void signals_discard(struct process *p, u64 set) {
    struct task *t;
    signals_drop(&p->pending, set);
    for_each_thread(t, p) signals_drop(&t->pending, set);
}

static void enqueue(struct pending *q, const struct siginfo *info) {
    u64 bit = SIG_BIT(info->si_signo);
    if (q->set & bit && info->si_signo < 32) return;
    struct siginfo_entry *e = kmalloc(sizeof(*e));
    if (e) {                                /* without memory the signal still comes, unexplained */
        e->info = *info;
        e->next = NULL;
        struct siginfo_entry **link = &q->queue;
        while (*link) link = &(*link)->next;
        *link = e;
    }
    q->set |= bit;
}

/* The lowest signal of `wanted`, those of `first` before others, taken off; 0: none. */
static int take(struct pending *q, u64 wanted, u64 first, struct siginfo *info) {
    u64 ready = q->set & wanted;
    if (!ready) return 0;
    int signo = __builtin_ctzl(ready & first ? ready & first : ready) + 1;
    *info = (struct siginfo){ .si_signo = signo, .si_code = SI_KERNEL };
    bool more = false, taken = false;
    for (struct siginfo_entry **link = &q->queue, *e; (e = *link) && !more;) {
        if (e->info.si_signo != signo || taken) {
            more = e->info.si_signo == signo;
            link = &e->next;
            continue;
        }
        *info = e->info;
        *link = e->next;
        kfree(e);
        taken = true;
    }
    if (!more) q->set &= ~SIG_BIT(signo);
    return signo;
}

int signals_take(u64 wanted, struct siginfo *info) {
    struct task *t = current;
    u64 flags = irq_save();
    int signo = take(&t->pending, wanted, t->forced, info);
    if (!signo) signo = take(&t->process->pending, wanted, 0, info);
    irq_restore(flags);
    return signo;
}

/* ---- who looks at it --------------------------------------------------------------------------------- */

static bool deliverable(const struct task *t) { return (t->pending.set | t->process->pending.set) & ~t->blocked; }

static void notify(struct task *t) {
    t->signalled = true;
    if (t->state == TASK_SLEEPING || (t->state == TASK_STOPPED && (t->killed || !t->process->stopping)) ||
        (t->state == TASK_TRACED && (t->killed || (t->pending.set | t->process->pending.set) & SIG_BIT(SIGKILL)))) wake_task(t);
}

void signals_offer(struct process *p) {
    struct task *t;
    for_each_thread(t, p) if (deliverable(t)) notify(t);
}

void signals_block(u64 mask) {
    struct task *t = current;
    u64 flags = irq_save(), more = mask & ~t->blocked;
    t->blocked = mask & ~UNBLOCKABLE;
    t->signalled = t->killed || t->process->stopping || deliverable(t);
    if (more & t->process->pending.set) signals_offer(t->process); /* we might have been the one to take it */
    irq_restore(flags);
}

void threads_kill(struct process *p, struct task *but) {
    struct task *t;
    u64 flags = irq_save();
    for_each_thread(t, p) if (t != but) t->killed = true, notify(t);
    irq_restore(flags);
}

void process_kill(struct process *p) {
    if (p->exiting || p->ended) return;
    p->exiting = true;
    p->exit_status = SIGKILL;
    threads_kill(p, NULL);
}

/* ---- sending ----------------------------------------------------------------------------------------- */

static bool ignores(const struct process *p, int signo) {
    void *handler = p->sighand->action[signo - 1].handler;
    if (handler == SIG_IGN) return true;
    if (handler != SIG_DFL) return false;
    /* The first process of a namespace gets only what it asked for. */
    return is_ns_init(p) || IGNORED_BY_DEFAULT & SIG_BIT(signo);
}

static void resume(struct process *p) {
    struct task *t;
    bool stopped = process_stopped(p);
    p->stopping = 0;
    for_each_thread(t, p) if (t->state == TASK_STOPPED) wake_task(t);
    if (stopped) notify_parent_stopped(p, CONTINUED);
}

void send_signal_info(struct process *p, struct task *thread, const struct siginfo *info) {
    int signo = info->si_signo;
    u64 bit = SIG_BIT(signo), flags = irq_save();
    struct task *t = thread ? thread : p->leader, *other;
    if (list_empty(&p->threads) || t->kernel_thread) goto out;
    if (bit & STOPS) signals_discard(p, SIG_BIT(SIGCONT));
    if (signo == SIGCONT) {
        signals_discard(p, STOPS);
        if (p->stopping) resume(p);
    }
    if (ignores(p, signo) && !((t->blocked | t->waited) & bit) && (!t->trace || signo == SIGKILL)) goto out;
    if (signo == SIGKILL) p->stopping = 0;
    enqueue(thread ? &thread->pending : &p->pending, info);
    /* The leader if it will take it, else any that will; nobody now: whoever unblocks it first. */
    if (!thread && (list_empty(&t->thread_link) || t->blocked & ~t->waited & bit))
        for_each_thread(other, p) if (!(other->blocked & ~other->waited & bit)) t = other;
    if (!(t->blocked & ~t->waited & bit)) notify(t);
out:
    irq_restore(flags);
}

void send_signal(struct task *t, int signo) {
    struct siginfo info = { .si_signo = signo, .si_code = SI_KERNEL };
    send_signal_info(t->process, t, &info);
}

void send_signal_process(struct process *p, int signo) {
    struct siginfo info = { .si_signo = signo, .si_code = SI_KERNEL };
    send_signal_info(p, NULL, &info);
}

int send_signal_group(pid_t pgid, int signo) {
    struct process *p;
    int found = -ESRCH;
    for_each_process(p) {
        if (p->pgid != pgid || p->leader->kernel_thread) continue;
        send_signal_process(p, signo);
        found = 0;
    }
    return found;
}

void force_signal_info(const struct siginfo *info) {
    struct task *t = current;
    int signo = info->si_signo;
    struct sigaction *a = &t->process->sighand->action[signo - 1];
    u64 flags = irq_save();
    if (a->handler == SIG_IGN || t->blocked & SIG_BIT(signo)) a->handler = SIG_DFL;
    t->blocked &= ~SIG_BIT(signo);
    t->forced |= SIG_BIT(signo);
    enqueue(&t->pending, info);
    t->signalled = true;
    irq_restore(flags);
}

void force_signal(int signo, int code, u64 address) {
    force_signal_info(&(struct siginfo){ .si_signo = signo, .si_code = code, .si_addr = address });
}

bool signal_blocked_or_ignored(int signo) {
    return current->blocked & SIG_BIT(signo) || current->process->sighand->action[signo - 1].handler == SIG_IGN;
}

/* Those of which Linux makes a SIGKILL when they are sent: not those that leave a core. */
bool signal_ends(const struct task *t) {
    static const u64 core = SIG_BIT(SIGQUIT) | SIG_BIT(SIGILL) | SIG_BIT(SIGTRAP) | SIG_BIT(SIGABRT) | SIG_BIT(SIGBUS) | SIG_BIT(SIGFPE) |
                            SIG_BIT(SIGSEGV) | SIG_BIT(SIGXCPU) | SIG_BIT(SIGXFSZ) | SIG_BIT(SIGSYS);
    u64 ready = (t->pending.set | t->process->pending.set) & ~t->blocked & ~(core | STOPS);
    if (t->killed) return true;
    for (int n = 1; ready && n <= SIGNALS; n++)
        if (ready & SIG_BIT(n) && t->process->sighand->action[n - 1].handler == SIG_DFL && !ignores(t->process, n)) return true;
    return false;
}

bool process_group_orphaned(pid_t pgid) {
    struct process *p;
    for_each_process(p)
        if (p->pgid == pgid && !p->ended && p->parent && !p->parent->ended && p->parent->pgid != pgid && p->parent->sid == p->sid)
            return false;
    return true;
}

/* ---- on the way to user mode ------------------------------------------------------------------------- */

bool process_stopped(const struct process *p) {
    struct task *t;
    for_each_thread(t, p) if (t->state != TASK_STOPPED) return false;
    return p->stopping;
}

/* Every thread stops by itself, here; the last one's doing so is what the parent hears of. */
static void stop(struct task *t) {
    u64 flags = irq_save();
    t->state = TASK_STOPPED;
    if (process_stopped(t->process)) notify_parent_stopped(t->process, t->process->stopping << 8 | 0x7f);
    /* SIGCONT or SIGKILL may only come once we are off the processor: interrupts are off. */
    schedule();
    irq_restore(flags);
}

/* Without a handler. Returns if the program goes on. */
static void default_action(struct process *p, int signo, bool forced) {
    struct task *t;
    if (!forced && ignores(p, signo)) return;
    if (!(SIG_BIT(signo) & STOPS)) process_exit(signo); /* no core is ever dumped, so never 0x80 */
    if (signo != SIGSTOP && process_group_orphaned(p->pgid)) return;
    p->stopping = signo;
    for_each_thread(t, p) notify(t);
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
    struct process *p = t->process;
    struct siginfo info;
    for (;;) {
        if (t->killed) task_exit(p->exit_status);
        if (t->trace && (p->stopping || t->trace->interrupt)) {
            t->trace->interrupt = false;
            trace_job_stop();
            continue;
        }
        if (p->stopping) {
            stop(t);
            continue;
        }
        int signo = signals_take(~t->blocked, &info);
        if (!signo) break;
        bool forced = t->forced & SIG_BIT(signo);
        t->forced &= ~SIG_BIT(signo);
        int wanted = trace_signal(signo, &info);
        forced &= wanted == signo;
        if (!(signo = wanted)) continue;
        struct sigaction *slot = &p->sighand->action[signo - 1], action = *slot;
        if (action.handler == SIG_IGN && !forced) continue;
        if (action.handler == SIG_DFL || action.handler == SIG_IGN) {
            if (forced)
                kprintf("%s[%d]: signal %d, address %lx, ip %lx, sp %lx\n", t->comm, t->pid, signo, info.si_addr, f->rip, f->rsp);
            default_action(p, signo, forced);
            continue;
        }
        settle_call(f, &action);
        u64 mask = t->restore_mask ? t->saved_mask : t->blocked;
        t->restore_mask = false;
        if (action.flags & SA_RESETHAND) slot->handler = SIG_DFL;
        if (!signal_frame_push(f, signo, &action, &info, mask)) {
            force_signal(SIGSEGV, SEGV_MAPERR, f->rsp);
            if (signo == SIGSEGV) slot->handler = SIG_DFL;
            continue;
        }
        signals_block(t->blocked | action.mask | (action.flags & SA_NODEFER ? 0 : SIG_BIT(signo)));
        if (t->trace && t->trace->mode == TRACE_STEP) trace_signal(SIGTRAP, &(struct siginfo){ .si_signo = SIGTRAP, .si_code = SIGTRAP });
    }
    settle_call(f, NULL);
    if (t->trace && t->trace->mode == TRACE_STEP) f->rflags |= RFLAGS_TF;
    signals_block(t->restore_mask ? t->saved_mask : t->blocked);
    t->restore_mask = false;
}
