/* fork, vfork and clone: a new task that returns from the same system call with 0. */
#include "cgroup.h"
#include "errno.h"
#include "lib.h"
#include "mount.h"
#include "ns.h"
#include "net.h"
#include "sched.h"
#include "seccomp.h"
#include "trace.h"
#include "user.h"
#include "vfs.h"
#include "vm.h"
#include "syscalls.h"

#define CSIGNAL 0xffUL
#define CLONE_VM 0x100UL
#define CLONE_FS 0x200UL
#define CLONE_FILES 0x400UL
#define CLONE_SIGHAND 0x800UL
#define CLONE_VFORK 0x4000UL
#define CLONE_PARENT 0x8000UL
#define CLONE_THREAD 0x10000UL
#define CLONE_SYSVSEM 0x40000UL
#define CLONE_SETTLS 0x80000UL
#define CLONE_PARENT_SETTID 0x100000UL
#define CLONE_CHILD_CLEARTID 0x200000UL
#define CLONE_DETACHED 0x400000UL
#define CLONE_UNTRACED 0x800000UL
#define CLONE_CHILD_SETTID 0x1000000UL
#define CLONE_CLEAR_SIGHAND 0x100000000UL
#define CLONE_INTO_CGROUP 0x200000000UL
#define SUPPORTED (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_VFORK | CLONE_PARENT | CLONE_THREAD | CLONE_SYSVSEM | \
                   CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | CLONE_DETACHED | CLONE_UNTRACED | \
                   CLONE_CHILD_SETTID | CLONE_CLEAR_SIGHAND | CLONE_INTO_CGROUP | CLONE_NEW_ALL)

struct clone_args {                         /* clone3's; and how the other calls are told here */
    u64 flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

static struct process *new_process(struct task *child, struct process *parent, const struct clone_args *a) {
    struct process *p = process_create(child);
    if (!p) return NULL;
    p->sighand = a->flags & CLONE_SIGHAND ? parent->sighand : sighand_copy(parent->sighand);
    if (a->flags & CLONE_SIGHAND) parent->sighand->refs++;
    if (p->sighand && a->flags & CLONE_CLEAR_SIGHAND) sighand_reset(p->sighand, true);
    p->pgid = parent->pgid;
    p->sid = parent->sid;
    p->tty = parent->tty;
    memcpy(p->rlimit, parent->rlimit, sizeof(p->rlimit));
    p->oom_score_adj = parent->oom_score_adj;
    p->exit_signal = a->flags & CLONE_PARENT ? parent->exit_signal : (int)a->exit_signal;
    p->parent = a->flags & CLONE_PARENT ? parent->parent : parent;
    return p->sighand ? p : NULL;
}

/* All that may fail, before anybody can see the child. */
static int copy_resources(struct task *child, struct task *parent, const struct clone_args *a) {
    u64 flags = a->flags;
    struct cgroup *cgroup = parent->process->cgroup;
    int error = flags & CLONE_INTO_CGROUP ? cgroup_for_clone(a->cgroup, flags & CLONE_THREAD, &cgroup) : 0;
    if (error || (error = cgroup_may_fork(cgroup))) return error;
    struct process *p = flags & CLONE_THREAD ? parent->process : new_process(child, parent->process, a);
    child->process = p ? p : child->process;
    child->files = flags & CLONE_FILES ? files_get(parent->files) : files_copy(parent->files);
    child->fs = flags & CLONE_FS ? fs_get(parent->fs) : fs_copy(parent->fs);
    child->mm = flags & CLONE_VM ? mm_get(parent->mm) : mm_copy(parent->mm);
    child->cred = parent->cred;
    ns_get(&child->cred.user_ns->ns);
    error = flags & CLONE_NEWUSER ? user_ns_new(&child->cred) : 0;
    struct user_ns *owner = child->cred.user_ns;
    if (!error && flags & CLONE_NEW_ALL && !(flags & CLONE_NEWUSER) && !ns_capable(owner, CAP_SYS_ADMIN)) error = -EPERM;   /* check: nettests */
    child->net = flags & CLONE_NEWNET ? net_namespace_new(owner) : net_namespace_get(parent->net);
    struct nsproxy *proxy = error ? ERR_PTR(error) : nsproxy_copy(parent->nsproxy, flags, owner);
    if (IS_ERR(proxy)) error = PTR_ERR(proxy);
    else child->nsproxy = proxy, child->pid_ns = (struct pid_ns *)ns_get(&proxy->pid->ns);
    if (!error && (!p || !child->files || !child->fs || !child->mm || !child->net)) error = -ENOMEM;
    if (!error && flags & CLONE_NEWNS) error = mnt_namespace_unshare(child->fs, owner);
    if (!error) error = pid_ns_join(child, child->pid_ns);
    if (!error) {
        if (p != parent->process) cgroup_process_begins(p, cgroup);
        return 0;
    }
    cgroup_task_gone(cgroup);
    if (p && p != parent->process) sighand_put(p->sighand);
    if (child->files) files_put(child->files);
    if (child->fs) fs_put(child->fs);
    net_namespace_put(child->net);
    mm_put(child->mm);
    return error;
}

static bool valid(const struct clone_args *a) {
    u64 flags = a->flags;
    return !(flags & ~SUPPORTED) && !(flags & CLONE_SIGHAND && !(flags & CLONE_VM)) && !(flags & CLONE_THREAD && !(flags & CLONE_SIGHAND)) &&
           !(flags & CLONE_SIGHAND && flags & CLONE_CLEAR_SIGHAND) && !(flags & CLONE_PARENT && is_ns_init(current->process)) &&
           !(flags & CLONE_THREAD && flags & (CLONE_NEWUSER | CLONE_NEWPID)) && !(flags & CLONE_FS && flags & (CLONE_NEWNS | CLONE_NEWUSER)) &&
           !(flags & (CLONE_THREAD | CLONE_NEWPID) && current->nsproxy->pid != current->pid_ns) &&
           a->exit_signal <= SIGNALS;
}

/* With fn, the child begins there, in the kernel. */
static long do_fork_at(const struct clone_args *a, void (*fn)(void *), void *argument) {
    struct task *parent = current;
    u64 flags = a->flags;
    if (!valid(a)) return -EINVAL;
    if (flags & CLONE_SETTLS && a->tls >= USER_TOP) return -EPERM;
    if (parent->killed) return -EAGAIN;     /* a child would not know that it is to end, too */
    pid_t pid = pid_allocate();
    if (pid < 0) return pid;
    pid_ns_forget(pid);                     /* whatever had it before */
    struct task *child = task_create(parent->comm);
    if (!child) return -ENOMEM;
    child->pid = pid;
    int error = copy_resources(child, parent, a);
    if (error) {
        pid_ns_forget(pid);
        task_free(child);
        return error;
    }
    child->tgid = flags & CLONE_THREAD ? parent->tgid : pid;
    child->blocked = parent->blocked;
    child->nice = parent->nice;
    if (!(flags & CLONE_VM) || flags & CLONE_VFORK) {
        child->altstack_base = parent->altstack_base;
        child->altstack_size = parent->altstack_size;
        child->altstack_flags = parent->altstack_flags;
    }
    child->fs_base = flags & CLONE_SETTLS ? a->tls : parent->fs_base;
    child->gs_base = parent->gs_base;
    asm volatile("fxsave64 (%0)" :: "r"(child->fpu) : "memory");
    if (flags & CLONE_CHILD_CLEARTID) child->clear_child_tid = (int *)a->child_tid;

    struct trapframe *frame = task_frame(child);
    *frame = *task_frame(parent);
    frame->rax = 0;
    if (a->stack) frame->rsp = a->stack + a->stack_size;
    task_prepare_start(child, fn ? kthread_start : fork_start, (u64)fn, (u64)argument);

    pid_t seen = pid_to(pid);
    if (flags & CLONE_PARENT_SETTID) put_user(seen, (int *)a->parent_tid);
    if (flags & CLONE_CHILD_SETTID) {
        /* Into the child's memory, which is ours if it is shared. */
        pid_t own = pid_in(child->pid_ns, pid);
        if (flags & CLONE_VM) put_user(own, (int *)a->child_tid);
        else mm_write(child->mm, a->child_tid, &own, sizeof(own));
    }
    if (!(flags & CLONE_THREAD)) list_add_tail(&child->process->parent->children, &child->process->sibling);
    seccomp_fork(child, parent);
    int event = flags & CLONE_VFORK ? PTRACE_EVENT_VFORK : a->exit_signal != SIGCHLD ? PTRACE_EVENT_CLONE : PTRACE_EVENT_FORK;
    if (!child->pid_ns->init) child->pid_ns->init = child->process;
    task_publish(child);
    if (flags & CLONE_VFORK) {
        child->vfork_parent = parent;
        parent->vforking = true;
    }
    if (!(flags & CLONE_UNTRACED)) trace_fork(child, event);
    wake_task(child);
    if (!(flags & CLONE_UNTRACED)) trace_event(event, pid);
    if (flags & CLONE_VFORK) {
        u64 mask = parent->blocked;
        signals_block(~0UL);                /* only SIGKILL ends this wait: the child is then on its own */
        if (wait_event_interruptible(&parent->process->child_event, !parent->vforking)) child->vfork_parent = NULL;
        signals_block(mask);
    }
    return seen;
}

static long do_fork(const struct clone_args *a) { return do_fork_at(a, NULL, NULL); }

long fork_into(void (*fn)(void *), void *argument) {
    return do_fork_at(&(struct clone_args){ .flags = CLONE_VFORK | CLONE_VM, .exit_signal = SIGCHLD }, fn, argument);
}

/* The child no longer uses our memory: by exec or by exit. */
void vfork_done(struct task *t) {
    struct task *parent = t->vfork_parent;
    if (!parent) return;
    t->vfork_parent = NULL;
    parent->vforking = false;
    wake_up(&parent->process->child_event);
}

long sys_fork(void) { return do_fork(&(struct clone_args){ .exit_signal = SIGCHLD }); }

long sys_vfork(void) { return do_fork(&(struct clone_args){ .flags = CLONE_VFORK | CLONE_VM, .exit_signal = SIGCHLD }); }

long sys_clone(u64 flags, u64 stack, int *parent_tid, int *child_tid, u64 tls) {
    struct clone_args a = { .flags = (u32)flags & ~CSIGNAL, .child_tid = (u64)child_tid, .parent_tid = (u64)parent_tid,
                            .exit_signal = flags & CSIGNAL, .stack = stack, .tls = tls };
    return do_fork(&a);
}

#define CLONE_ARGS_SIZE_FIRST 64            /* of the structure's first version */

/* A newer, longer structure is fine while what we don't know of it is zero. */
long sys_clone3(const void *args, size_t size) {
    struct clone_args a = { 0 };
    u64 more;
    if (size < CLONE_ARGS_SIZE_FIRST) return -EINVAL;
    if (size > PAGE_SIZE) return -E2BIG;
    if (copy_from_user(&a, args, MIN(size, sizeof(a)))) return -EFAULT;
    for (size_t at = sizeof(a); at + sizeof(more) <= size; at += sizeof(more)) {
        if (get_user(more, (const u64 *)((const char *)args + at))) return -EFAULT;
        if (more) return -E2BIG;
    }
    if (a.flags & (CSIGNAL | CLONE_DETACHED) || !a.stack != !a.stack_size || a.set_tid_size) return -EINVAL;
    if (a.flags & (CLONE_THREAD | CLONE_PARENT) && a.exit_signal) return -EINVAL;
    if (a.flags & CLONE_INTO_CGROUP && (size < sizeof(a) || a.cgroup > 0x7fffffff)) return -EINVAL;
    return do_fork(&a);
}

long sys_set_tid_address(int *tid) {
    current->clear_child_tid = tid;
    return pid_to(current->pid);
}
