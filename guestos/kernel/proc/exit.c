/* The end of a task, and its parent's wait. */
#include "errno.h"
#include "lib.h"
#include "mm.h"
#include "sched.h"
#include "user.h"
#include "vfs.h"
#include "vm.h"
#include "abi.h"
#include "device.h"
#include "syscalls.h"

#define WNOHANG 1
#define WUNTRACED 2
#define WCONTINUED 8
#define WAIT_IGNORED 0xe0000000U            /* __WALL, __WCLONE, __WNOTHREAD: no threads to tell apart */
#define CONTINUED 0xffff

static struct task *dead;                   /* nobody waits for them; freed once off their stacks */

static void free_dead(void) {
    while (dead && dead != current) {
        struct task *t = dead;
        dead = t->hash_next;
        task_free(t);
    }
}

/* Pid 1 is gone, and the machine with it. The debug-exit port gets its status. */
static noreturn void machine_down(int status) {
    u8 value = status & 0x7f ? 128 + (status & 0x7f) : status >> 8;
    vfs_sync();
    kprintf("init exited with status %d; power off\n", value);
    machine_exit(value);
}

static void child_signal(struct process *child, int code, int status) {
    struct siginfo info = { .si_signo = SIGCHLD, .si_code = code, .si_pid = child->pid, .si_uid = child->leader->cred.uid, .si_status = status };
    struct process *parent = child->parent;
    if (code < CLD_STOPPED) info.si_signo = child->exit_signal;
    else if (parent->sighand->action[SIGCHLD - 1].flags & SA_NOCLDSTOP) info.si_signo = 0;
    if (info.si_signo) send_signal_info(parent->leader, &info);
    wake_up(&parent->child_event);
}

void notify_parent_stopped(struct process *p, int status) {
    p->stop_status = status;
    if (p->parent) child_signal(p, status == CONTINUED ? CLD_CONTINUED : CLD_STOPPED, status == CONTINUED ? SIGCONT : status >> 8);
}

/* Whether the parent has said it won't wait: the child then vanishes by itself. */
static bool parent_ignores(const struct process *parent) {
    const struct sigaction *a = &parent->sighand->action[SIGCHLD - 1];
    return a->handler == SIG_IGN || a->flags & SA_NOCLDWAIT;
}

static void become_zombie(struct task *t) {
    struct process *p = t->process;
    int status = p->exit_status;
    bool killed = status & 0x7f;
    t->state = TASK_ZOMBIE;
    p->ended = true;
    bool ignored = parent_ignores(p->parent) && p->exit_signal == SIGCHLD;
    child_signal(p, killed ? CLD_KILLED : CLD_EXITED, killed ? status & 0x7f : status >> 8);
    if (ignored) {
        task_unpublish(t);
        t->state = TASK_DEAD;
        t->hash_next = dead;
        dead = t;
    }
}

static void give_away_children(struct process *p) {
    struct process *init = process_find(1), *child, *next;
    list_for_each_safe(child, next, &p->children, sibling) {
        list_del(&child->sibling);
        child->parent = init;
        child->exit_signal = SIGCHLD;
        list_add_tail(&init->children, &child->sibling);
        if (child->ended) child_signal(child, CLD_EXITED, child->exit_status >> 8);
    }
}

static bool has_stopped_member(pid_t pgid) {
    struct process *p;
    for_each_process(p) if (p->pgid == pgid && p->leader->state == TASK_STOPPED) return true;
    return false;
}

/* POSIX: a group that our exit leaves without a parent in its session, and that is stopped, could
 * never be continued; so it is hung up. */
static void hang_up_orphaned_groups(struct process *p) {
    struct process *child;
    list_for_each(child, &p->children, sibling) {
        if (child->pgid == p->pgid || child->sid != p->sid) continue;
        if (has_stopped_member(child->pgid) && process_group_orphaned(child->pgid)) {
            send_signal_group(child->pgid, SIGHUP);
            send_signal_group(child->pgid, SIGCONT);
        }
    }
}

noreturn void task_exit(int status) {
    struct task *t = current;
    struct process *p = t->process;
    if (p->pid == 1) machine_down(status);
    p->exit_status = status;
    t->exiting = true;
    timer_cancel(&p->alarm);
    if (t->clear_child_tid && t->mm->refs > 1) {
        int zero = 0;
        if (!copy_to_user(t->clear_child_tid, &zero, sizeof(zero))) futex_wake((u32 *)t->clear_child_tid, 1);
    }
    if (p->sid == p->pid) tty_session_ends(p);
    files_put(t->files);
    fs_put(t->fs);
    t->files = NULL;
    t->fs = NULL;
    struct mm *mm = t->mm;
    t->mm = NULL;
    mm_put(mm);
    vfork_done(t);
    pid_t pgid = p->pgid;
    p->pgid = 0;                            /* so that orphan tests no longer count us */
    hang_up_orphaned_groups(p);
    p->pgid = pgid;
    give_away_children(p);
    signals_drop(t);
    sighand_put(p->sighand);
    p->sighand = NULL;
    asm volatile("cli");
    become_zombie(t);
    schedule();
    panic("a dead task was scheduled");
}

static bool wanted(const struct process *child, pid_t pid) {
    if (pid > 0) return child->pid == pid;
    if (pid == 0) return child->pgid == current->process->pgid;
    return pid == -1 || child->pgid == -pid;
}

static void reap(struct process *child) {
    struct times *waited = &current->process->waited;
    times_add(waited, process_times(child));
    times_add(waited, child->waited);
    task_unpublish(child->leader);
    task_free(child->leader);
}

/* What can be reported now: pid, 0 for nothing yet, -ECHILD. Reports and reaps only if `consume`. */
static long look(pid_t pid, int options, bool consume, int *status, struct rusage *usage) {
    struct process *child;
    long result = -ECHILD;
    list_for_each(child, &current->process->children, sibling) {
        if (!wanted(child, pid)) continue;
        result = 0;
        int stop = child->stop_status;
        bool stopped = stop && (stop == CONTINUED ? options & WCONTINUED : options & WUNTRACED);
        if (!child->ended && !stopped) continue;
        if (!consume) return child->pid;
        *status = child->ended ? child->exit_status : stop;
        process_usage(child, usage);
        child->stop_status = 0;
        result = child->pid;
        if (child->ended) reap(child);
        return result;
    }
    return result;
}

long sys_wait4(pid_t pid, int *status, int options, struct rusage *usage) {
    int value;
    struct rusage used;
    free_dead();
    if (options & ~(WNOHANG | WUNTRACED | WCONTINUED | (int)WAIT_IGNORED)) return -EINVAL;
    if (pid == -0x7fffffff - 1) return -ESRCH;
    long found = look(pid, options, false, NULL, NULL);
    if (!found && !(options & WNOHANG)) {
        int interrupted = wait_event_interruptible(&current->process->child_event, (found = look(pid, options, false, NULL, NULL)));
        if (interrupted) return interrupted;
    }
    if (found <= 0) return found;
    found = look(found, options, true, &value, &used);
    if (status && put_user(value, status)) return -EFAULT;
    if (usage && copy_to_user(usage, &used, sizeof(used))) return -EFAULT;
    return found;
}

long sys_exit(int status) { task_exit((status & 0xff) << 8); }

long sys_exit_group(int status) { task_exit((status & 0xff) << 8); }
