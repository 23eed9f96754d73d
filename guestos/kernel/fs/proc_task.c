/* /proc/N/...: one process's texts, in the formats of proc(5). */
#include "text.h"
#include "cgroup.h"
#include "device.h"
#include "lib.h"
#include "mm.h"
#include "mount.h"
#include "net.h"
#include "ns.h"
#include "sched.h"
#include "seccomp.h"
#include "task.h"
#include "trace.h"

#define TICK (NSEC_PER_SEC / 100)       /* USER_HZ */

static char state_letter(const struct task *t) {
    switch (t->state) {
    case TASK_RUNNING: return 'R';
    case TASK_SLEEPING: return 'S';
    case TASK_BLOCKED: return 'D';
    case TASK_STOPPED: return 'T';
    case TASK_TRACED: return 't';
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
    case 't': return "t (tracing stop)";
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

static pid_t parent_pid(const struct text *out, const struct process *p) { return p->parent ? pid_in(out->pid_ns, p->parent->pid) : 0; }

static int make_stat(struct task *t, struct text *out) {
    struct mm_summary mm = { 0 };
    task_mm_summary(t, &mm);
    const struct process *p = t->process;
    struct times own = process_times(p), waited = p->waited;
    u64 ignored, caught;
    signals(t, &ignored, &caught);
    text_print(out, "%d (%s) %c %d %d %d %d %d 0 %lu 0 %lu 0 ", pid_in(out->pid_ns, t->pid), t->comm, state_letter(t), parent_pid(out, p), pid_in(out->pid_ns, p->pgid), pid_in(out->pid_ns, p->sid),
               p->tty ? (int)tty_number(p->tty) : 0, p->tty ? pid_in(out->pid_ns, tty_foreground(p->tty)) : -1, own.minor_faults, own.major_faults);
    text_print(out, "%lu %lu %lu %lu %d %d %d 0 %lu ", own.user / TICK, (own.run - own.user) / TICK,
               waited.user / TICK, (waited.run - waited.user) / TICK, 20 + t->nice, t->nice,
               threads(t), t->start_time / TICK);
    text_print(out, "%lu %lu 18446744073709551615 %lu %lu %lu 0 0 ", mm.total_pages * PAGE_SIZE, mm.resident_pages,
               mm.start_code, mm.end_code, mm.start_stack);
    text_print(out, "%lu %lu %lu %lu 0 0 0 %d 0 0 0 0 0 0 0 0 %lu %lu %lu %lu %lu %d\n", t->pending.set & 0x7fffffff,
               t->blocked & 0x7fffffff, ignored & 0x7fffffff, caught & 0x7fffffff, p->exit_signal, mm.brk_start, mm.arg_start,
               mm.arg_end, mm.env_start, mm.env_end, p->ended ? p->exit_status : 0);
    return 0;
}

/* In the reader's pid namespace, and in each below it down to the task's own. */
static void print_numbers(struct text *out, const struct pid_ns *own, pid_t pid) {
    const struct pid_ns *path[NS_DEPTH + 1];
    int n = 0;
    for (; own && own != out->pid_ns; own = own->parent) path[n++] = own;
    text_print(out, "%d", pid_in(out->pid_ns, pid));
    while (n--) text_print(out, "\t%d", pid_in(path[n], pid));
    text_print(out, "\n");
}

static int make_status(struct task *t, struct text *out) {
    const struct cred *c = &t->cred;
    u64 ignored, caught;
    signals(t, &ignored, &caught);
    text_print(out, "Name:\t%s\nUmask:\t%04o\nState:\t%s\nTgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t%d\n", t->comm,
               t->fs ? t->fs->umask : 0, state_name(state_letter(t)), pid_in(out->pid_ns, t->tgid), pid_in(out->pid_ns, t->pid), parent_pid(out, t->process),
               t->trace ? pid_in(out->pid_ns, t->trace->tracer->pid) : 0);
    text_print(out, "Uid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\nFDSize:\t%d\nGroups:\t", uid_to(c->uid), uid_to(c->euid), uid_to(c->suid), uid_to(c->fsuid),
               gid_to(c->gid), gid_to(c->egid), gid_to(c->sgid), gid_to(c->fsgid), t->files ? t->files->size : 0);
    for (u32 i = 0; i < c->group_count; i++) text_print(out, "%u ", gid_to(c->groups[i]));
    text_print(out, "\nNStgid:\t");
    print_numbers(out, t->pid_ns, t->tgid);
    text_print(out, "NSpid:\t");
    print_numbers(out, t->pid_ns, t->pid);
    struct mm_summary mm;
    if (task_mm_summary(t, &mm))
        text_print(out, "VmSize:\t%8lu kB\nVmRSS:\t%8lu kB\nVmStk:\t%8lu kB\nVmExe:\t%8lu kB\n", mm.total_pages * 4,
                   mm.resident_pages * 4, 0UL, (mm.end_code - mm.start_code) >> 10);
    text_print(out, "Threads:\t%d\nSigPnd:\t%016lx\nShdPnd:\t%016lx\nSigBlk:\t%016lx\nSigIgn:\t%016lx\nSigCgt:\t%016lx\n", threads(t), t->pending.set, t->process->pending.set,
               t->blocked, ignored, caught);
    text_print(out, "CapInh:\t%016lx\nCapPrm:\t%016lx\nCapEff:\t%016lx\nCapBnd:\t%016lx\nCapAmb:\t%016lx\n", c->cap_inheritable,
               c->cap_permitted, c->cap_effective, c->cap_bounding, c->cap_ambient);
    text_print(out, "NoNewPrivs:\t%d\nSeccomp:\t%d\nSeccomp_filters:\t%d\n", t->no_new_privs, t->seccomp, t->filter ? t->filter->depth : 0);
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
static int store_comm(struct task *t, char *text) {
    if (t->tgid != current->tgid) return -EINVAL;
    strlcpy(t->comm, text, sizeof(t->comm));
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
    if (!ptrace_may_access(t, PTRACE_MODE_FS)) return -EACCES;   /* check: proctests */
    return task_mm_summary(t, &mm) ? copy_memory(t, out, mm.env_start, mm.env_end) : 0;
}

static int make_maps(struct task *t, struct text *out) {
    struct mapping m;
    if (!ptrace_may_access(t, PTRACE_MODE_FS)) return -EACCES;   /* check: accesstests */
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

static int make_limits(struct task *t, struct text *out) {
    static const struct { const char *name, *units; } limits[] = {
        { "cpu time", "seconds" }, { "file size", "bytes" }, { "data size", "bytes" }, { "stack size", "bytes" },
        { "core file size", "bytes" }, { "resident set", "bytes" }, { "processes", "processes" }, { "open files", "files" },
        { "locked memory", "bytes" }, { "address space", "bytes" }, { "file locks", "locks" }, { "pending signals", "signals" },
        { "msgqueue size", "bytes" }, { "nice priority", "" }, { "realtime priority", "" }, { "realtime timeout", "us" },
    };
    text_print(out, "%-26s%-21s%-21s%-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
        text_print(out, "Max %-22s", limits[i].name);
        for (int hard = 0; hard < 2; hard++) {
            char number[24] = "unlimited";
            u64 limit = t->process->rlimit[i][hard];
            if (limit != RLIM_INFINITY) snprintf(number, sizeof(number), "%lu", limit);
            text_print(out, "%-21s", number);
        }
        text_print(out, "%-10s\n", limits[i].units);
    }
    return 0;
}

static int make_oom_score(struct task *t, struct text *out) {
    struct mm_summary mm = { 0 };
    struct memory_stats memory;
    task_mm_summary(t, &mm);
    memory_stats(&memory);
    s64 score = 666 + (s64)(mm.resident_pages * 1000 / memory.total_pages) * 2 / 3 + t->process->oom_score_adj * 2 / 3;
    text_print(out, "%ld\n", MAX(score, 0L));
    return 0;
}
static int make_oom_score_adj(struct task *t, struct text *out) {
    text_print(out, "%d\n", t->process->oom_score_adj);
    return 0;
}
static int store_oom_score_adj(struct task *t, char *text) {
    const char *end;
    s64 value = strtou64(text + (*text == '-'), &end, 10);
    if (*text == '-') value = -value;
    if (*end || !*text || value < -1000 || value > 1000) return -EINVAL;
    if (value < t->process->oom_score_adj && !capable(CAP_SYS_RESOURCE)) return -EACCES;   /* check: accesstests */
    t->process->oom_score_adj = value;
    return 0;
}

static int make_uid_map(struct task *t, struct text *out) { return id_map_print(t, out, false); }
static int make_gid_map(struct task *t, struct text *out) { return id_map_print(t, out, true); }
static int store_uid_map(struct task *t, char *text) { return id_map_write(t, text, false); }
static int store_gid_map(struct task *t, char *text) { return id_map_write(t, text, true); }
static int make_setgroups(struct task *t, struct text *out) {
    text_print(out, "%s\n", t->cred.user_ns->setgroups_denied ? "deny" : "allow");
    return 0;
}
static int make_cgroup(struct task *t, struct text *out) {
    text_print(out, "0::");
    cgroup_path(t->process->cgroup, out);
    text_print(out, "\n");
    return 0;
}

/* A namespace: its name, and itself. The last is what children will be in. */
#define NAMESPACE_OF(name, type, kind) \
    static int make_##name##_ns(struct task *t, struct text *out) { \
        struct ns *ns = task_ns(t, kind); \
        return ns ? text_print(out, type ":[%u]", ns->ino), 0 : -ENOENT; \
    } \
    static int link_##name##_ns(struct task *t, struct path *out) { \
        struct ns *ns = task_ns(t, kind); \
        return ns ? ns_path(ns, out) : -ENOENT; \
    }
NAMESPACE_OF(mnt, "mnt", NS_MNT) NAMESPACE_OF(uts, "uts", NS_UTS) NAMESPACE_OF(ipc, "ipc", NS_IPC) NAMESPACE_OF(net, "net", NS_NET)
NAMESPACE_OF(pid, "pid", NS_PID) NAMESPACE_OF(user, "user", NS_USER) NAMESPACE_OF(cgroup, "cgroup", NS_CGROUP)
NAMESPACE_OF(pid_for_children, "pid", NS_KINDS)

static int link_exe(struct task *t, struct path *out) {
    struct file *program = task_program(t);
    int error = program ? path_of_file(program, out) : -ENOENT;
    file_put(program);
    return error;
}
static int link_to(const struct path *from, struct path *out) {
    path_get(from);
    *out = *from;
    return 0;
}
static int link_cwd(struct task *t, struct path *out) { return t->fs ? link_to(&t->fs->cwd, out) : -ENOENT; }
static int link_root(struct task *t, struct path *out) { return t->fs ? link_to(&t->fs->root, out) : -ENOENT; }

#define TEXT(name, mode, make) { name, S_IFREG | mode, make, NULL, NULL, PROC_NONE }
#define SETTING(name, mode, make, store) { name, S_IFREG | mode, make, NULL, store, PROC_NONE }
#define OBJECT(name, link) { name, S_IFLNK | 0777, NULL, link, NULL, PROC_NONE }
#define NAMESPACE(name) { "ns/" #name, S_IFLNK | 0777, make_##name##_ns, link_##name##_ns, NULL, PROC_NONE }

const struct proc_row proc_task_rows[] = {
    { "task", S_IFDIR | 0555, NULL, NULL, NULL, PROC_THREADS }, { "fd", S_IFDIR | 0500, NULL, NULL, NULL, PROC_FDS },
    { "fdinfo", S_IFDIR | 0500, NULL, NULL, NULL, PROC_FDINFOS }, { "ns", S_IFDIR | 0511, NULL, NULL, NULL, PROC_NONE },
    NAMESPACE(cgroup), NAMESPACE(ipc), NAMESPACE(mnt), NAMESPACE(net), NAMESPACE(pid), NAMESPACE(pid_for_children), NAMESPACE(user), NAMESPACE(uts),
    OBJECT("exe", link_exe), OBJECT("cwd", link_cwd), OBJECT("root", link_root),
    TEXT("stat", 0444, make_stat), TEXT("status", 0444, make_status), TEXT("statm", 0444, make_statm),
    TEXT("cmdline", 0444, make_cmdline), TEXT("environ", 0400, make_environ), TEXT("maps", 0444, make_maps),
    SETTING("mem", 0600, NULL, NULL),
    TEXT("mounts", 0444, proc_mounts), TEXT("mountinfo", 0444, proc_mountinfo), TEXT("limits", 0444, make_limits),
    SETTING("uid_map", 0644, make_uid_map, store_uid_map), SETTING("gid_map", 0644, make_gid_map, store_gid_map), SETTING("setgroups", 0644, make_setgroups, setgroups_write),
    { "net", S_IFDIR | 0555, NULL, NULL, NULL, PROC_NONE }, TEXT("net/dev", 0444, proc_net_dev), TEXT("net/route", 0444, proc_net_route),
    TEXT("net/arp", 0444, proc_net_arp), TEXT("net/tcp", 0444, proc_net_tcp), TEXT("net/udp", 0444, proc_net_udp), TEXT("net/unix", 0444, proc_net_unix),
    TEXT("cgroup", 0444, make_cgroup), TEXT("oom_score", 0444, make_oom_score),
    SETTING("oom_score_adj", 0644, make_oom_score_adj, store_oom_score_adj), SETTING("comm", 0644, make_comm, store_comm), { 0 },
};
