/* The end of a task, and its parent's wait. */
#include "cgroup.h"
#include "dispatch.h"
#include "errno.h"
#include "lib.h"
#include "mm.h"
#include "net.h"
#include "sched.h"
#include "trace.h"
#include "user.h"
#include "vfs.h"
#include "vm.h"
#include "abi.h"
#include "device.h"
#include "ns.h"
#include "syscalls.h"

#define WNOHANG 1
#define WUNTRACED 2
#define WEXITED 4
#define WCONTINUED 8
#define WNOWAIT 0x01000000
#define WNOTHREAD 0x20000000
#define WALL 0x40000000
#define WCLONE 0x80000000U
#define P_ALL 0
#define P_PID 1
#define P_PGID 2
#define CONTINUED 0xffff

static struct task *dead;                   /* nobody waits for them */

void tasks_free_dead(void) {
    while (dead) {
        struct task *t = dead;
        dead = t->hash_next;
        task_free(t);
    }
}

static void free_later(struct task *t) {
    task_unpublish(t);
    if (t->process->leader != t) t->process = NULL; /* which may go first */
    t->state = TASK_DEAD;
    t->hash_next = dead;
    dead = t;
}

/* Pid 1 is gone, and the machine with it. The debug-exit port gets its status. */
static noreturn void machine_down(int status) {
    u8 value = status & 0x7f ? 128 + (status & 0x7f) : status >> 8;
    vfs_sync();
    kprintf("init exited with status %d; power off\n", value);
    machine_exit(value);
}

/* To its parent, or its tracer. */
static void child_signal(struct process *parent, struct process *child, int code, int status) {
    struct siginfo info = { .si_signo = SIGCHLD, .si_code = code, .si_pid = pid_in(parent->leader->pid_ns, child->pid),
                            .si_uid = uid_in(parent->leader->cred.user_ns, child->leader->cred.uid), .si_status = status };
    if (code < CLD_STOPPED) info.si_signo = parent == child->parent ? child->exit_signal : SIGCHLD;
    else if (parent->sighand->action[SIGCHLD - 1].flags & SA_NOCLDSTOP) info.si_signo = 0;
    if (info.si_signo) send_signal_info(parent, NULL, &info);
    wake_up(&parent->child_event);
}

void notify_parent_stopped(struct process *p, int status) {
    p->stop_status = status;
    if (p->parent) child_signal(p->parent, p, status == CONTINUED ? CLD_CONTINUED : CLD_STOPPED, status == CONTINUED ? SIGCONT : status >> 8);
}

/* Whether the parent has said it won't wait: the child then vanishes by itself. */
static bool parent_ignores(const struct process *parent) {
    const struct sigaction *a = &parent->sighand->action[SIGCHLD - 1];
    return a->handler == SIG_IGN || a->flags & SA_NOCLDWAIT;
}

static void child_ended_signal(struct process *to, struct process *p) {
    int killer = p->exit_status & 0x7f;
    child_signal(to, p, killer ? CLD_KILLED : CLD_EXITED, killer ? killer : p->exit_status >> 8);
}

/* Who takes the children over: an ancestor that asked for it, or init. Of a namespace's init what is left is its parent's. */
static struct process *reaper(const struct process *p) {
    const struct pid_ns *ns = p->leader->pid_ns;
    if (ns->init == p || !ns->init) return ns->parent && ns->parent->init ? ns->parent->init : init_pid_ns.init;
    for (struct process *up = p->parent; up && up != ns->init && up->leader->pid_ns == ns; up = up->parent)
        if (up->subreaper && !up->ended && !up->exiting) return up;
    return ns->init;
}

static void give_away_children(struct process *p) {
    struct process *init = reaper(p), *child, *next;
    list_for_each_safe(child, next, &p->children, sibling) {
        list_del(&child->sibling);
        child->parent = init;
        child->exit_signal = SIGCHLD;
        list_add_tail(&init->children, &child->sibling);
        child->unwaited = init->leader->mm && init->leader->mm->calls == CALLS_NT;
        if (child->ended) child_ended_signal(init, child);
        if (child->ended && child->unwaited) free_later(child->leader);
    }
}

static bool has_stopped_member(pid_t pgid) {
    struct process *p;
    for_each_process(p) if (p->pgid == pgid && process_stopped(p)) return true;
    return false;
}

/* POSIX: a group that our exit leaves without a parent in its session, and that is stopped, could
 * never be continued; so it is hung up. */
static void hang_up_orphans(pid_t pgid) {
    if (!has_stopped_member(pgid) || !process_group_orphaned(pgid)) return;
    send_signal_group(pgid, SIGHUP);
    send_signal_group(pgid, SIGCONT);
}

void child_ended(struct process *p) {
    struct trace *tr = p->leader->trace;
    if (tr && tr->tracer != p->parent) {
        child_ended_signal(tr->tracer, p);  /* which has waited when this is called again */
        return;
    }
    bool ignored = p->unwaited || (parent_ignores(p->parent) && p->exit_signal == SIGCHLD);
    child_ended_signal(p->parent, p);
    if (ignored) free_later(p->leader);
}

/* The last thread is on its way out. Sleeps nowhere. */
static void process_ends(struct process *p) {
    struct process *child;
    p->ended = true;
    cgroup_process_ended(p);
    p->stopping = 0;
    timer_cancel(&p->alarm);
    pid_ns_member_ended(p);
    if (p->sid == p->pid) tty_session_ends(p);
    list_for_each(child, &p->children, sibling)
        if (child->pgid != p->pgid && child->sid == p->sid) hang_up_orphans(child->pgid);
    if (p->parent->pgid != p->pgid && p->parent->sid == p->sid) hang_up_orphans(p->pgid);
    traces_end(p);
    give_away_children(p);
    signals_drop(&p->pending, ~0UL);
    sighand_put(p->sighand);
    p->sighand = NULL;
    child_ended(p);
}

/* While it waits to be told so, others may still be in the middle of this. */
noreturn void task_exit(int status) {
    struct task *t = current;
    struct process *p = t->process;
    trace_event(PTRACE_EVENT_EXIT, status);
    list_del(&t->thread_link);
    bool last = list_empty(&p->threads);
    if (last && !p->exiting) p->exit_status = status;
    if (last && p->pid == 1) machine_down(p->exit_status);
    if (last && is_ns_init(p)) pid_ns_end(p);
    if (!last) signals_offer(p);            /* what we might have taken */
    if (!last && process_stopped(p)) notify_parent_stopped(p, p->stopping << 8 | 0x7f);
    futex_exit(t);
    files_put(t->files);
    fs_put(t->fs);
    net_namespace_put(t->net);
    t->files = NULL;
    t->fs = NULL;
    t->net = NULL;
    struct mm *mm = t->mm;
    t->mm = NULL;
    mm_put(mm);
    vfork_done(t);
    asm volatile("cli");
    signals_drop(&t->pending, ~0UL);
    t->state = TASK_ZOMBIE;
    if (--p->live == 0) process_ends(p);
    else if (p->live == 1) wake_up(&p->child_event);
    if (t != p->leader) {
        trace_drop(t);
        times_add(&p->gone, task_times(t));
        free_later(t);
    }
    schedule();
    panic("a dead task was scheduled");
}

noreturn void process_exit(int status) {
    struct process *p = current->process;
    if (!p->exiting && !current->killed) {
        p->exiting = true;
        p->exit_status = status;
        threads_kill(p, current);
    }
    task_exit(p->exit_status);
}

/* ---- waiting ----------------------------------------------------------------------------------------- */

struct wait {
    int type;                               /* P_ALL, P_PID or P_PGID */
    pid_t id;
    u32 options;
    int status;                             /* what was found, for wait4 */
    struct siginfo info;                    /* and for waitid */
    struct rusage usage;
};

static bool named(const struct wait *w, pid_t pid, pid_t pgid) {
    if (w->type == P_PID) return pid == w->id;
    return w->type == P_ALL || pgid == (w->id ? w->id : current->process->pgid);
}

static bool wanted(const struct wait *w, const struct process *child) {
    return (w->options & WALL || (child->exit_signal != SIGCHLD) == !!(w->options & WCLONE)) && named(w, child->pid, child->pgid);
}

static void reap(struct process *child) {
    struct times *waited = &current->process->waited;
    times_add(waited, process_times(child));
    times_add(waited, child->waited);
    task_unpublish(child->leader);
    task_free(child->leader);
}

static pid_t report(struct wait *w, const struct task *t, int code, int status) {
    const struct process *p = t->process;
    int killer = status & 0x7f, detail = code == CLD_CONTINUED ? SIGCONT : code == CLD_KILLED ? killer : status >> 8;
    w->status = status;
    w->info = (struct siginfo){ .si_signo = SIGCHLD, .si_code = code, .si_pid = pid_to(t->pid), .si_uid = uid_to(t->cred.uid), .si_status = detail };
    process_usage(p, &w->usage);
    return w->info.si_pid;
}

static int end_code(const struct process *p) { return p->exit_status & 0x7f ? CLD_KILLED : CLD_EXITED; }

/* As look(), of the tasks that we trace. */
static long look_traced(struct wait *w, long result) {
    struct trace *tr;
    list_for_each(tr, &current->process->traced, link) {
        struct task *t = tr->task;
        struct process *p = t->process;
        if (!named(w, t->pid, p->pgid)) continue;
        result = 0;
        bool ended = t == p->leader && p->ended && p->parent != current->process && w->options & WEXITED;
        if (!ended && !(tr->code && tr->untold)) continue;
        result = report(w, t, ended ? end_code(p) : CLD_TRAPPED, ended ? p->exit_status : tr->code << 8 | 0x7f);
        if (w->options & WNOWAIT) return result;
        tr->untold = false;
        if (ended) trace_drop(t), child_ended(p);
        return result;
    }
    return result;
}

/* What can be reported now: pid, 0 for nothing yet, -ECHILD. */
static long look(struct wait *w) {
    struct process *child;
    long result = -ECHILD;
    list_for_each(child, &current->process->children, sibling) {
        if (!wanted(w, child)) continue;
        result = 0;
        const struct trace *tr = child->leader->trace;
        if (child->ended && tr && tr->tracer != current->process) continue; /* who hears of it first */
        int stop = child->ended ? 0 : child->stop_status;
        if (!(child->ended ? w->options & WEXITED : stop == CONTINUED ? w->options & WCONTINUED : stop && w->options & WUNTRACED)) continue;
        result = report(w, child->leader, stop == CONTINUED ? CLD_CONTINUED : stop ? CLD_STOPPED : end_code(child), stop ? stop : child->exit_status);
        if (w->options & WNOWAIT) return result;
        child->stop_status = 0;
        if (child->ended) reap(child);
        return result;
    }
    return look_traced(w, result);
}

void reap_ended_children(struct process *p) {
    struct process *child, *next;
    list_for_each_safe(child, next, &p->children, sibling) if (child->ended) reap(child);
}

static long wait(struct wait *w) {
    if (w->id > 0 && !(w->id = pid_from(current->pid_ns, w->id))) return -ECHILD;
    if (w->options & WNOTHREAD && current->process->live > 1) return -EINVAL; /* parents are processes here */
    long found = look(w);
    if (found || w->options & WNOHANG) return found;
    int interrupted = wait_event_interruptible(&current->process->child_event, (found = look(w)));
    return interrupted ? interrupted : found;
}

long sys_wait4(pid_t pid, int *status, int options, struct rusage *usage) {
    struct wait w = { .type = pid > 0 ? P_PID : pid == -1 ? P_ALL : P_PGID, .id = pid > 0 ? pid : -pid, .options = options | WEXITED };
    if ((u32)options & ~(WNOHANG | WUNTRACED | WCONTINUED | WNOTHREAD | WALL | WCLONE)) return -EINVAL;
    if (pid == -0x7fffffff - 1) return -ESRCH;
    long found = wait(&w);
    if (found > 0 && ((status && put_user(w.status, status)) || (usage && put_user(w.usage, usage)))) return -EFAULT;
    return found;
}

long sys_waitid(int type, pid_t id, struct siginfo *info, int options, struct rusage *usage) {
    struct wait w = { .type = type, .id = id, .options = options };
    if ((u32)options & ~(WNOHANG | WUNTRACED | WEXITED | WCONTINUED | WNOWAIT | WNOTHREAD | WALL | WCLONE)) return -EINVAL;
    if (!(options & (WUNTRACED | WEXITED | WCONTINUED)) || type < P_ALL || type > P_PGID) return -EINVAL;
    if ((type == P_PID && id <= 0) || (type == P_PGID && id < 0)) return -EINVAL;
    long found = wait(&w);
    if (found < 0) return found;
    if ((found && usage && put_user(w.usage, usage)) || (info && put_user(w.info, info))) return -EFAULT;
    return 0;
}

long sys_exit(int status) { task_exit((status & 0xff) << 8); }

long sys_exit_group(int status) { process_exit((status & 0xff) << 8); }
