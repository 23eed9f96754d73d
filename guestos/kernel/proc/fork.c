/* fork, vfork and clone: a new task that returns from the same system call with 0. */
#include "errno.h"
#include "lib.h"
#include "sched.h"
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
#define CLONE_SETTLS 0x80000UL
#define CLONE_PARENT_SETTID 0x100000UL
#define CLONE_CHILD_CLEARTID 0x200000UL
#define CLONE_UNTRACED 0x800000UL
#define CLONE_CHILD_SETTID 0x1000000UL
#define SUPPORTED (CSIGNAL | CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_VFORK | CLONE_SETTLS | \
                   CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | CLONE_UNTRACED | CLONE_CHILD_SETTID)

/* All that may fail, before anybody can see the child. */
static int copy_resources(struct task *child, struct task *parent, u64 flags) {
    struct process *p = process_create(child), *of = parent->process;
    if (!p) return -ENOMEM;
    p->sighand = flags & CLONE_SIGHAND ? of->sighand : sighand_copy(of->sighand);
    if (flags & CLONE_SIGHAND) of->sighand->refs++;
    child->files = flags & CLONE_FILES ? files_get(parent->files) : files_copy(parent->files);
    child->fs = flags & CLONE_FS ? fs_get(parent->fs) : fs_copy(parent->fs);
    child->mm = flags & CLONE_VM ? mm_get(parent->mm) : mm_copy(parent->mm);
    if (p->sighand && child->files && child->fs && child->mm) return 0;
    if (p->sighand) sighand_put(p->sighand);
    if (child->files) files_put(child->files);
    if (child->fs) fs_put(child->fs);
    mm_put(child->mm);
    return -ENOMEM;
}

long do_fork(u64 flags, u64 stack, int __user *parent_tid, int __user *child_tid, u64 tls) {
    struct task *parent = current;
    if (flags & ~SUPPORTED || (flags & CLONE_SIGHAND && !(flags & CLONE_VM)) || (flags & CSIGNAL) > SIGNALS)
        return -EINVAL;
    if (flags & CLONE_SETTLS && tls >= USER_TOP) return -EPERM;
    pid_t pid = pid_allocate();
    if (pid < 0) return pid;
    struct task *child = task_create(parent->comm);
    if (!child) return -ENOMEM;
    int error = copy_resources(child, parent, flags);
    if (error) {
        task_free(child);
        return error;
    }
    child->pid = child->tgid = pid;
    struct process *p = child->process;
    p->pgid = parent->process->pgid;
    p->sid = parent->process->sid;
    p->tty = parent->process->tty;
    child->cred = parent->cred;
    child->blocked = parent->blocked;
    memcpy(p->rlimit, parent->process->rlimit, sizeof(p->rlimit));
    if (!(flags & CLONE_VM)) {
        child->altstack_base = parent->altstack_base;
        child->altstack_size = parent->altstack_size;
        child->altstack_flags = parent->altstack_flags;
    }
    child->fs_base = flags & CLONE_SETTLS ? tls : parent->fs_base;
    child->gs_base = parent->gs_base;
    asm volatile("fxsave64 (%0)" :: "r"(child->fpu) : "memory");
    p->exit_signal = flags & CSIGNAL;
    if (flags & CLONE_CHILD_CLEARTID) child->clear_child_tid = child_tid;

    struct trapframe *frame = task_frame(child);
    *frame = *task_frame(parent);
    frame->rax = 0;
    if (stack) frame->rsp = stack;
    task_prepare_start(child, fork_start, 0, 0);

    if (flags & CLONE_PARENT_SETTID) put_user(pid, parent_tid);
    if (flags & CLONE_CHILD_SETTID) {
        /* Into the child's memory, which is ours if it is shared. */
        if (flags & CLONE_VM) put_user(pid, child_tid);
        else mm_write(child->mm, (u64)child_tid, &pid, sizeof(pid));
    }
    p->parent = parent->process;
    list_add_tail(&parent->process->children, &p->sibling);
    task_publish(child);
    if (flags & CLONE_VFORK) {
        child->vfork_parent = parent;
        parent->vforking = true;
    }
    wake_task(child);
    if (flags & CLONE_VFORK) wait_event(&parent->process->child_event, !parent->vforking);
    return pid;
}

/* The child no longer uses our memory: by exec or by exit. */
void vfork_done(struct task *t) {
    struct task *parent = t->vfork_parent;
    if (!parent) return;
    t->vfork_parent = NULL;
    parent->vforking = false;
    wake_up(&parent->process->child_event);
}

long sys_fork(void) { return do_fork(SIGCHLD, 0, NULL, NULL, 0); }

long sys_vfork(void) { return do_fork(CLONE_VFORK | CLONE_VM | SIGCHLD, 0, NULL, NULL, 0); }

long sys_clone(u64 flags, u64 stack, int *parent_tid, int *child_tid, u64 tls) {
    return do_fork(flags, stack, parent_tid, child_tid, tls);
}

long sys_set_tid_address(int *tid) {
    current->clear_child_tid = tid;
    return current->pid;
}
