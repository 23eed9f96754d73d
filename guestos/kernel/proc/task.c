/* Tasks: their creation, their numbers, and finding them. */
#include "cgroup.h"
#include "dispatch.h"
#include "errno.h"
#include "lib.h"
#include "mm.h"
#include "ns.h"
#include "sched.h"
#include "seccomp.h"
#include "trace.h"
#include "user.h"
#include "vfs.h"
#include "vm.h"

#define HASH 256

struct list all_processes = LIST_INIT(all_processes);
static struct task *by_pid[HASH];
static pid_t last_pid;

struct task *task_find(pid_t pid) {
    struct task *t = by_pid[(u32)pid % HASH];
    while (t && t->pid != pid) t = t->hash_next;
    return t;
}

struct process *process_find(pid_t pid) {
    struct task *t = task_find(pid);
    return t && !t->kernel_thread ? t->process : NULL;
}

bool pid_in_use(pid_t pid) {
    if (task_find(pid)) return true;
    struct process *p;
    for_each_process(p) if (p->pgid == pid || p->sid == pid) return true;
    return false;
}

/* Numbers go up and come round, so that one just freed isn't reused at once. */
pid_t pid_allocate(void) {
    for (int tries = 0; tries < PID_MAX; tries++) {
        bool wrapped = last_pid >= PID_MAX - 1;
        last_pid = wrapped ? 2 : last_pid + 1;
        static bool came_round;
        came_round |= wrapped;
        if (!came_round || !pid_in_use(last_pid)) return last_pid;
    }
    return -EAGAIN;
}

struct task *task_create(const char *name) {
    struct task *t = kzalloc(sizeof(*t));
    if (!t) return NULL;
    t->kstack = kstack_alloc();
    t->fpu = kmalloc(512);
    if (!t->kstack || !t->fpu) {
        task_free(t);
        return NULL;
    }
    strlcpy(t->comm, name, sizeof(t->comm));
    t->state = TASK_BLOCKED;
    t->call_limit = syscall_count;
    t->start_time = ktime();
    t->nsproxy = &init_nsproxy;
    t->pid_ns = &init_pid_ns;
    t->cred.user_ns = &init_user_ns;
    list_init(&t->run_link);
    list_init(&t->thread_link);
    return t;
}

struct process *process_create(struct task *leader) {
    struct process *p = kzalloc(sizeof(*p));
    if (!p) return NULL;
    p->leader = leader;
    list_init(&p->link);
    list_init(&p->threads);
    list_init(&p->children);
    list_init(&p->sibling);
    list_init(&p->traced);
    return leader->process = p;
}

void task_free(struct task *t) {
    if (t->kstack) kstack_free(t->kstack);
    kfree(t->fpu);
    nsproxy_put(t->nsproxy);
    ns_put(&t->pid_ns->ns);
    ns_put(&t->cred.user_ns->ns);
    filter_put(t->filter);
    trace_drop(t);
    if (t->process && t->process->leader == t) {
        cgroup_put(t->process->cgroup);
        kfree(t->process);
    }
    kfree(t);
}

static void hash(struct task *t) {
    t->hash_next = by_pid[(u32)t->pid % HASH];
    by_pid[(u32)t->pid % HASH] = t;
}

static void unhash(struct task *t) {
    struct task **link = &by_pid[(u32)t->pid % HASH];
    while (*link != t) link = &(*link)->hash_next;
    *link = t->hash_next;
}

void task_publish(struct task *t) {
    hash(t);
    struct process *p = t->process;
    list_add_tail(&p->threads, &t->thread_link);
    p->live++;
    if (p->leader != t) return;
    p->pid = t->pid;
    struct list *after = all_processes.prev;
    while (after != &all_processes && list_entry(after, struct process, link)->pid > p->pid) after = after->prev;
    list_add(after, &p->link);
}

void task_unpublish(struct task *t) {
    unhash(t);
    cgroup_task_gone(t->process->cgroup);
    if (t->process->leader != t) return;
    list_del(&t->process->link);
    list_del(&t->process->sibling);
}

void task_take_over(struct task *t) {
    struct process *p = t->process;
    struct task *old = p->leader;
    if (old == t) return;
    times_add(&p->gone, task_times(old));
    unhash(old);
    unhash(t);
    p->leader = t;
    t->pid = p->pid;
    hash(t);
    cgroup_task_gone(p->cgroup);
    task_free(old);
}

/* What switch_context pops the first time: r15 r14 r13 r12 rbx rbp, and where to go. */
void task_prepare_start(struct task *t, void (*entry)(void), u64 rbx, u64 r12) {
    u64 *sp = (u64 *)task_frame(t);
    *--sp = (u64)entry;
    *--sp = 0;
    *--sp = rbx;
    *--sp = r12;
    *--sp = 0;
    *--sp = 0;
    *--sp = 0;
    t->kernel_rsp = (u64)sp;
}

struct task *kthread_create(void (*fn)(void *), void *argument, const char *name) {
    struct task *t = task_create(name);
    struct process *p = t ? process_create(t) : NULL;
    if (!p || !(p->sighand = sighand_new())) panic("no memory for kernel thread %s", name);
    t->pid = t->tgid = pid_allocate();
    t->kernel_thread = true;
    t->cred.cap_effective = t->cred.cap_permitted = t->cred.cap_bounding = (1UL << 41) - 1;
    for (unsigned i = 0; i < ARRAY_SIZE(p->rlimit); i++) p->rlimit[i][0] = p->rlimit[i][1] = RLIM_INFINITY;
    p->rlimit[RLIMIT_STACK][0] = 8 << 20;
    memset(p->rlimit[RLIMIT_NICE], 0, 2 * sizeof(p->rlimit[0])); /* and RLIMIT_RTPRIO */
    p->rlimit[RLIMIT_NOFILE][0] = p->rlimit[RLIMIT_NOFILE][1] = FILES_MAX;
    memset(task_frame(t), 0, sizeof(struct trapframe));
    task_prepare_start(t, kthread_start, (u64)fn, (u64)argument);
    cgroup_process_begins(p, &root_cgroup);
    task_publish(t);
    return t;
}

/* The frame's physical page stays owned by the address space while it is copied: no sleep between
 * finding it and the copy. */
ssize_t task_read_memory(struct task *t, u64 address, void *to, size_t n) {
    size_t done = 0;
    if (!t->mm) return 0;
    struct mm *mm = mm_get(t->mm);
    while (done < n && address < USER_TOP) {
        if (fault_in(mm, address, false, false)) break;
        u64 *pte = pte_lookup(mm->pml4, address, false);
        size_t part = MIN(n - done, PAGE_SIZE - (address & ~PAGE_MASK));
        memcpy((char *)to + done, (char *)phys_to_virt(*pte & PTE_ADDRESS) + (address & ~PAGE_MASK), part);
        done += part;
        address += part;
    }
    mm_put(mm);
    return done;
}

bool task_mm_summary(struct task *t, struct mm_summary *s) {
    struct mm *mm = t->mm;
    if (!mm) return false;
    *s = (struct mm_summary){ mm->arg_start, mm->arg_end, mm->env_start, mm->env_end, mm->start_code, mm->end_code,
                              mm->start_stack, mm->brk_start, mm->brk, 0, mm->resident };
    struct vma *vma;
    list_for_each(vma, &mm->vmas, link) s->total_pages += (vma->end - vma->start) >> PAGE_SHIFT;
    return true;
}

struct file *task_program(struct task *t) { return t->mm && t->mm->program ? file_get(t->mm->program) : NULL; }

bool task_mapping(struct task *t, int n, struct mapping *m) {
    if (!t->mm) return false;
    struct vma *vma;
    list_for_each(vma, &t->mm->vmas, link) {
        if (n--) continue;
        const char *name = vma->shared ? "/dev/zero (deleted)" : vma->start <= t->mm->start_stack && t->mm->start_stack < vma->end ? "[stack]" : vma->start == t->mm->brk_start ? "[heap]" : NULL;
        *m = (struct mapping){ vma->start, vma->end, vma->offset, vma->prot, vma->shared, vma->file, name };
        return true;
    }
    return false;
}
