/* The tree of control groups, the processes in it, and what is done to all of a group at once. */
#include "files.h"
#include "errno.h"
#include "../fs/fs.h"
#include "lib.h"
#include "mm.h"
#include "ns.h"
#include "sched.h"

struct cgroup root_cgroup = {
    .children = LIST_INIT(root_cgroup.children), .sibling = LIST_INIT(root_cgroup.sibling), .queue = LIST_INIT(root_cgroup.queue), .refs = 1,
    .number = 1, .max_depth = NO_LIMIT, .max_descendants = NO_LIMIT, .weight = 100, .name = "",
};

bool cgroup_is_within(const struct cgroup *g, const struct cgroup *above) {
    while (g && g != above) g = g->parent;
    return g;
}

u32 cgroup_controllers(const struct cgroup *g) { return g->parent ? g->parent->control : CONTROL_CPU | CONTROL_MEMORY | CONTROL_PIDS; }

void cgroup_put(struct cgroup *g) {
    while (g && --g->refs == 0) {
        struct cgroup *parent = g->parent;
        timer_cancel(&g->refill);
        kfree(g);
        g = parent;
    }
}

void cgroup_changed(struct cgroup *g, enum cgroup_place which) {
    g->version[which]++;
    wake_up(&g->changed);
    if (g->files[which] && g->files[which]->watches) inotify_tell(g->files[which], true);
}

/* ---- making and removing ---- */

static void defaults(struct cgroup *g, u32 controllers) {
    if (controllers & CONTROL_PIDS) g->pids_max = NO_LIMIT;
    if (controllers & CONTROL_MEMORY) g->pages_max = NO_LIMIT, g->oom_group = 0;
    if (!(controllers & CONTROL_CPU)) return;
    g->weight = 100;
    cpu_set_quota(g, 0, 100 * NSEC_PER_MSEC);
}

u64 cgroup_descendants(const struct cgroup *g) {
    struct cgroup *child;
    u64 n = 0;
    list_for_each(child, &g->children, sibling) n += 1 + cgroup_descendants(child);
    return n;
}

struct cgroup *cgroup_new(struct cgroup *parent, const char *name, size_t length) {
    static u64 last = 1;
    u64 depth = 1;
    for (struct cgroup *g = parent; g; g = g->parent, depth++)
        if (depth > g->max_depth || cgroup_descendants(g) >= g->max_descendants) return ERR_PTR(-EAGAIN);
    struct cgroup *g = kzalloc(sizeof(*g) + length + 1);
    if (!g) return ERR_PTR(-ENOMEM);
    *g = (struct cgroup){ .parent = cgroup_get(parent), .refs = 1, .number = ++last, .max_depth = NO_LIMIT, .max_descendants = NO_LIMIT,
                          .uid = current->cred.fsuid, .gid = current->cred.fsgid };
    memcpy(g->name, name, length);
    list_init(&g->children);
    list_init(&g->queue);
    list_add_tail(&parent->children, &g->sibling);
    defaults(g, ~0u);
    return g;
}

int cgroup_remove(struct cgroup *g) {
    if (g->live || !list_empty(&g->children)) return -EBUSY;
    g->removed = true;
    list_del(&g->sibling);
    cpu_leave(g);
    for (int i = 0; i < CGROUP_FILES; i++) {
        if (g->files[i]) g->files[i]->nlink = 0;
        inode_put(g->files[i]);
        g->files[i] = NULL;
    }
    cgroup_put(g);
    return 0;
}

static bool has_own_processes(const struct cgroup *g) {
    struct process *p;
    for_each_process(p) if (p->cgroup == g && !p->ended) return true;
    return false;
}

int cgroup_set_control(struct cgroup *g, u32 enable, u32 disable) {
    struct cgroup *child;
    enable &= ~g->control;
    disable &= g->control;
    if (enable & ~cgroup_controllers(g)) return -ENOENT;
    list_for_each(child, &g->children, sibling) if (child->control & disable) return -EBUSY;
    if (enable && g->parent && has_own_processes(g)) return -EBUSY;
    g->control = (g->control | enable) & ~disable;
    list_for_each(child, &g->children, sibling) defaults(child, enable | disable);
    return 0;
}

/* ---- tasks ---- */

int cgroup_may_fork(struct cgroup *to) {
    for_each_ancestor(g, to) {
        if (g->pids < g->pids_max) continue;
        for_each_ancestor(told, g) told->pids_refused++, cgroup_changed(told, CGROUP_PIDS_EVENTS);
        return -EAGAIN;
    }
    for_each_ancestor(g, to) g->pids++;
    return 0;
}

void cgroup_task_gone(struct cgroup *of) { for_each_ancestor(g, of) g->pids--; }

/* Whether all that are within a group that is to freeze have done so. */
static void note_frozen(struct cgroup *of) {
    for_each_ancestor(g, of) {
        struct process *p;
        struct task *t;
        bool frozen = false;
        for (struct cgroup *above = g; above; above = above->parent) frozen |= above->freeze;
        if (frozen) for_each_process(p) if (cgroup_is_within(p->cgroup, g))
            for_each_thread(t, p) frozen &= t->frozen || t->state == TASK_STOPPED || t->state == TASK_TRACED;
        if (frozen == g->frozen) continue;
        g->frozen = frozen;
        cgroup_changed(g, CGROUP_EVENTS);
    }
}

static void populate(struct cgroup *of, int by) {
    for_each_ancestor(g, of) {
        g->live += by;
        if (g->live == (by > 0)) cgroup_changed(g, CGROUP_EVENTS);
    }
}

void cgroup_process_begins(struct process *p, struct cgroup *g) {
    p->cgroup = cgroup_get(g);
    populate(g, 1);
}

void cgroup_process_ended(struct process *p) {
    populate(p->cgroup, -1);
    note_frozen(p->cgroup);
}

/* Of those within, the threads are to look at what holds them, and leave what they wait for to do so. */
static void interrupt(struct process *p) {
    struct task *t;
    u64 flags = irq_save();
    for_each_thread(t, p) {
        t->signalled = true;
        if (t->state == TASK_SLEEPING) wake_task(t);
    }
    irq_restore(flags);
}

void cgroup_freeze(struct cgroup *g, bool freeze) {
    struct process *p;
    g->freeze = freeze;
    for_each_process(p) if (cgroup_is_within(p->cgroup, g)) interrupt(p), note_frozen(p->cgroup);
    note_frozen(g);
}

void cgroup_kill(struct cgroup *g) {
    struct process *p;
    for_each_process(p) if (cgroup_is_within(p->cgroup, g) && !p->leader->kernel_thread) process_kill(p);
}

struct cgroup *cgroup_holder(struct cgroup *of) {
    for_each_ancestor(g, of) if (g->freeze || g->throttled) return g;
    return NULL;
}

static void set_frozen(struct task *t, bool frozen) {
    if (t->frozen == frozen) return;
    t->frozen = frozen;
    note_frozen(t->process->cgroup);
}

void cgroup_hold(struct task *t) {
    struct cgroup *by;
    while ((by = cgroup_holder(t->process->cgroup)) && !signal_ends(t)) {
        struct waiter waiter = WAITER;
        cgroup_get(by);
        wait_add(&by->holding, &waiter);
        set_sleeping(true);
        set_frozen(t, by->freeze);
        if (cgroup_holder(t->process->cgroup) == by && !signal_ends(t)) schedule();
        set_running();
        wait_remove(&waiter);
        cgroup_put(by);
    }
    set_frozen(t, false);
}

/* ---- moving ---- */

int cgroup_may_move(struct cgroup *from, struct cgroup *to) {
    struct cgroup *common = from;
    if (to->removed) return -ENODEV;
    while (!cgroup_is_within(to, common)) common = common->parent;
    struct inode *inode = cgroup_file_inode(common, CGROUP_PROCS);
    int error = inode ? inode_permission(inode, MAY_WRITE) : 0;   /* check: C41 captests */
    if (error) return error;
    struct cgroup *top = cgroup_namespace_root();
    if (!cgroup_is_within(from, top) || !cgroup_is_within(to, top)) return -ENOENT;   /* check: C41 */
    return to->parent && to->control ? -EBUSY : 0;
}

int cgroup_for_clone(int fd, bool thread, struct cgroup **to) {
    struct file *f = fd_get(fd);
    struct cgroup *from = *to;
    *to = f ? cgroup_of_directory(f) : NULL;
    int error = *to ? 0 : -EBADF;
    if (!error && (*to)->removed) error = -ENOENT;
    if (!error && !(error = inode_permission(cgroup_file_inode(*to, CGROUP_PROCS), MAY_WRITE))) error = cgroup_may_move(from, *to);
    if (!error && thread && *to != from) error = -EOPNOTSUPP;
    file_put(f);
    return error;
}

void cgroup_move(struct process *p, struct cgroup *to) {
    struct cgroup *from = p->cgroup;
    u64 tasks = p->live + (p->leader->state == TASK_ZOMBIE);
    if (from == to || p->ended) return;
    u64 flags = irq_save();
    if (p == current->process) cpu_charge(current, ktime());
    p->cgroup = cgroup_get(to);             /* those that wait for the processor have their next turn where they are */
    irq_restore(flags);
    for_each_ancestor(g, to) g->pids += tasks;
    for_each_ancestor(g, from) g->pids -= tasks;
    populate(to, 1);
    populate(from, -1);
    if (cgroup_holder(from) || cgroup_holder(to)) interrupt(p);
    note_frozen(from);
    note_frozen(to);
    cgroup_put(from);
}

static void path_below(const struct cgroup *g, const struct cgroup *top, struct text *out) {
    if (g == top) return;
    path_below(g->parent, top, out);
    text_print(out, "/%s", g->name);
}

void cgroup_path(const struct cgroup *g, struct text *out) {
    const struct cgroup *top = cgroup_namespace_root();
    if (g == top) text_print(out, "/");
    for (; !cgroup_is_within(g, top); top = top->parent) text_print(out, "/..");
    path_below(g, top, out);
    if (g->removed) text_print(out, " (deleted)");
}

struct cgroup *cgroup_namespace_root(void) { return current->nsproxy->cgroup->root; }
