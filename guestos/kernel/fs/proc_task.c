/* /proc/N/...: one process's texts, in the formats of proc(5). */
#include "text.h"
#include "device.h"
#include "lib.h"
#include "mm.h"
#include "sched.h"
#include "task.h"

#define TICK (NSEC_PER_SEC / 100)       /* USER_HZ */

static char state_letter(const struct task *t) {
    switch (t->state) {
    case TASK_RUNNING: return 'R';
    case TASK_SLEEPING: return 'S';
    case TASK_BLOCKED: return 'D';
    case TASK_STOPPED: return 'T';
    case TASK_ZOMBIE: return 'Z';
    default: return 'X';
    }
}

static const char *state_name(char letter) {
    switch (letter) {
    case 'R': return "R (running)";
    case 'S': return "S (sleeping)";
    case 'D': return "D (disk sleep)";
    case 'T': return "T (stopped)";
    case 'Z': return "Z (zombie)";
    default: return "X (dead)";
    }
}

static void signals(const struct task *t, u64 *ignored, u64 *caught) {
    *ignored = *caught = 0;
    const struct sighand *s = t->process->sighand;
    for (int n = 1; s && n <= SIGNALS; n++) {
        void *handler = s->action[n - 1].handler;
        if (handler == SIG_IGN) *ignored |= SIG_BIT(n);
        else if (handler != SIG_DFL) *caught |= SIG_BIT(n);
    }
}

static int threads(struct task *of) {
    struct task *t;
    int count = 0;
    for_each_thread(t, of->process) count++;
    return count;
}

static pid_t parent_pid(const struct process *p) { return p->parent ? p->parent->pid : 0; }

static int make_stat(struct task *t, struct text *out) {
    struct mm_summary mm = { 0 };
    task_mm_summary(t, &mm);
    const struct process *p = t->process;
    struct times own = process_times(p), waited = p->waited;
    u64 ignored, caught;
    signals(t, &ignored, &caught);
    text_print(out, "%d (%s) %c %d %d %d %d %d 0 %lu 0 %lu 0 ", t->pid, t->comm, state_letter(t), parent_pid(p), p->pgid, p->sid,
               p->tty ? (int)tty_number(p->tty) : 0, p->tty ? tty_foreground(p->tty) : -1, own.minor_faults, own.major_faults);
    text_print(out, "%lu %lu %lu %lu 20 0 %d 0 %lu ", own.user / TICK, (own.run - own.user) / TICK,
               waited.user / TICK, (waited.run - waited.user) / TICK,
               threads(t), t->start_time / TICK);
    text_print(out, "%lu %lu 18446744073709551615 %lu %lu %lu 0 0 ", mm.total_pages * PAGE_SIZE, mm.resident_pages,
               mm.start_code, mm.end_code, mm.start_stack);
    text_print(out, "%lu %lu %lu %lu 0 0 0 %d 0 0 0 0 0 0 0 0 %lu %lu %lu %lu %lu %d\n", t->pending.set & 0x7fffffff,
               t->blocked & 0x7fffffff, ignored & 0x7fffffff, caught & 0x7fffffff, p->exit_signal, mm.brk_start, mm.arg_start,
               mm.arg_end, mm.env_start, mm.env_end, p->ended ? p->exit_status : 0);
    return 0;
}

static int make_status(struct task *t, struct text *out) {
    const struct cred *c = &t->cred;
    u64 ignored, caught;
    signals(t, &ignored, &caught);
    text_print(out, "Name:\t%s\nUmask:\t%04o\nState:\t%s\nTgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t0\n", t->comm,
               t->fs ? t->fs->umask : 0, state_name(state_letter(t)), t->tgid, t->pid, parent_pid(t->process));
    text_print(out, "Uid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\nFDSize:\t%d\nGroups:\t", c->uid, c->euid, c->suid, c->fsuid,
               c->gid, c->egid, c->sgid, c->fsgid, t->files ? t->files->size : 0);
    for (u32 i = 0; i < c->group_count; i++) text_print(out, "%u ", c->groups[i]);
    text_print(out, "\n");
    struct mm_summary mm;
    if (task_mm_summary(t, &mm))
        text_print(out, "VmSize:\t%8lu kB\nVmRSS:\t%8lu kB\nVmStk:\t%8lu kB\nVmExe:\t%8lu kB\n", mm.total_pages * 4,
                   mm.resident_pages * 4, 0UL, (mm.end_code - mm.start_code) >> 10);
    text_print(out, "Threads:\t%d\nSigPnd:\t%016lx\nShdPnd:\t%016lx\nSigBlk:\t%016lx\nSigIgn:\t%016lx\nSigCgt:\t%016lx\n", threads(t), t->pending.set, t->process->pending.set,
               t->blocked, ignored, caught);
    text_print(out, "CapInh:\t%016lx\nCapPrm:\t%016lx\nCapEff:\t%016lx\nCapBnd:\t%016lx\nCapAmb:\t%016lx\n", c->cap_inheritable,
               c->cap_permitted, c->cap_effective, c->cap_bounding, c->cap_ambient);
    return 0;
}

static int make_statm(struct task *t, struct text *out) {
    struct mm_summary mm = { 0 };
    task_mm_summary(t, &mm);
    text_print(out, "%lu %lu 0 %lu 0 0 0\n", mm.total_pages, mm.resident_pages, (mm.end_code - mm.start_code + PAGE_SIZE - 1) / PAGE_SIZE);
    return 0;
}

static int make_comm(struct task *t, struct text *out) {
    text_print(out, "%s\n", t->comm);
    return 0;
}

static int copy_memory(struct task *t, struct text *out, u64 from, u64 to) {
    char piece[256];
    while (from < to) {
        ssize_t n = task_read_memory(t, from, piece, MIN(to - from, sizeof(piece)));
        if (n <= 0) break;
        text_add(out, piece, n);
        from += n;
    }
    return 0;
}

static int make_cmdline(struct task *t, struct text *out) {
    struct mm_summary mm;
    return task_mm_summary(t, &mm) ? copy_memory(t, out, mm.arg_start, mm.arg_end) : 0;
}

static int make_environ(struct task *t, struct text *out) {
    struct mm_summary mm;
    if (t->cred.uid != current->cred.fsuid && !capable(CAP_SYS_PTRACE)) return -EACCES;
    return task_mm_summary(t, &mm) ? copy_memory(t, out, mm.env_start, mm.env_end) : 0;
}

static int make_maps(struct task *t, struct text *out) {
    struct mapping m;
    if (t->cred.uid != current->cred.fsuid && !capable(CAP_SYS_PTRACE)) return -EACCES;
    char *room = kmalloc(PATH_MAX);
    if (!room) return -ENOMEM;
    for (int n = 0; task_mapping(t, n, &m); n++) {
        struct kstat st = { 0 };
        if (m.file) inode_stat(m.file->inode, &st);
        size_t before = out->length;
        text_print(out, "%08lx-%08lx %c%c%c%c %08lx %02x:%02x %lu ", m.start, m.end, m.prot & 1 ? 'r' : '-', m.prot & 2 ? 'w' : '-',
                   m.prot & 4 ? 'x' : '-', m.shared ? 's' : 'p', m.offset, MAJOR(st.st_dev), MINOR(st.st_dev), st.st_ino);
        const char *name = m.file && m.file->path.mnt ? path_text(&m.file->path, room, PATH_MAX) : m.name;
        if (name && !IS_ERR(name)) {
            while (out->length - before < 73) text_add(out, " ", 1);
            text_escaped(out, name);
        }
        text_print(out, "\n");
    }
    kfree(room);
    return 0;
}

const struct proc_text proc_task_texts[] = {
    { "stat", 0444, make_stat }, { "status", 0444, make_status }, { "statm", 0444, make_statm }, { "comm", 0444, make_comm },
    { "cmdline", 0444, make_cmdline }, { "environ", 0400, make_environ }, { "maps", 0444, make_maps },
    { "mounts", 0444, proc_mounts }, { "mountinfo", 0444, proc_mountinfo }, { NULL, 0, NULL },
};
