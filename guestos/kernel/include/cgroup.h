/* Control groups, version 2: a tree of groups of processes, and what they may use together.
 *
 * What a group uses counts in all above it. The root is limited by nothing and counts little. A controller
 * limits a group only if the group above has it in its `control`.
 */
#pragma once
#include "types.h"
#include "list.h"
#include "sync.h"
#include "time.h"

struct task;
struct process;
struct page;
struct path;
struct file;
struct text;

#define CONTROL_CPU 1
#define CONTROL_MEMORY 2
#define CONTROL_PIDS 4
#define CGROUP_FILES 32
#define NO_LIMIT (~0UL)

enum memory_event { MEMORY_MAX, MEMORY_OOM, MEMORY_OOM_KILL, MEMORY_OOM_GROUP_KILL, MEMORY_EVENTS };
/* Places in cgroup_files of those that are asked for by place; what is from CGROUP_EVENTS on can be watched. */
enum cgroup_place { CGROUP_PROCS = 1, CGROUP_EVENTS, CGROUP_MEMORY_EVENTS, CGROUP_PIDS_EVENTS, CGROUP_PLACES };

struct cgroup {
    struct cgroup *parent;                  /* NULL: the root */
    struct list children, sibling;          /* in order of making */
    s32 refs;                               /* by its directory, children, processes, inodes and charged pages */
    bool removed, freeze, frozen;           /* frozen: all within have come to rest, or are none */
    u32 control;                            /* CONTROL_ of its children */
    u64 number, max_depth, max_descendants;
    u64 live;                               /* processes within that have not ended */
    struct inode *files[CGROUP_FILES];      /* kept from the first look until it is removed; 0: the directory */
    u64 version[CGROUP_PLACES];
    u32 uid, gid;                           /* of the files at first */
    struct wait_queue changed, holding;     /* who polls those files; tasks that may not run programs for now */

    u64 pids, pids_max, pids_refused;
    u64 pages, pages_max, pages_peak, oom_group, memory_events[MEMORY_EVENTS];

    struct list queue;                      /* tasks to run, of this group and those without an account below */
    u64 queued;                             /* in `queue` */
    u64 runnable;                           /* in the queues of this and all below */
    u64 weight, vtime, own_vtime, floor;    /* cpu.c: time had for its weight */
    u64 run, user_cycles;                   /* ns; of the TSC */
    u64 quota, period, period_end;          /* ns */
    s64 left;                               /* ns of this period's quota */
    bool throttled;
    u64 periods, throttles, throttled_since, throttled_time;
    struct timer refill;
    char name[];
};

extern struct cgroup root_cgroup;
#define for_each_ancestor(g, of) for (struct cgroup *g = (of); g->parent; g = g->parent)     /* and itself; not the root */

bool cgroup_is_within(const struct cgroup *, const struct cgroup *above);
void cgroup_put(struct cgroup *);
static inline struct cgroup *cgroup_get(struct cgroup *g) { return g->refs++, g; }
u32 cgroup_controllers(const struct cgroup *);              /* CONTROL_ that it has */
void cgroup_changed(struct cgroup *, enum cgroup_place);   /* tell who watches the file */

/* Life of tasks and processes. */
int cgroup_may_fork(struct cgroup *);                       /* one more task: 0 or -EAGAIN; task_gone takes it back */
void cgroup_task_gone(struct cgroup *);
void cgroup_process_begins(struct process *, struct cgroup *); /* takes a reference, until the process is freed */
void cgroup_process_ended(struct process *);
int cgroup_may_move(struct cgroup *from, struct cgroup *to);    /* for current; 0, -EACCES, -ENOENT, -EBUSY, -ENODEV */
void cgroup_move(struct process *, struct cgroup *to);
struct cgroup *cgroup_of_directory(const struct file *);    /* NULL: it is no directory of this file system */
int cgroup_for_clone(int fd, bool thread, struct cgroup **);    /* where CLONE_INTO_CGROUP says, if current may */
void cgroup_path(const struct cgroup *, struct text *);     /* as current's namespace sees it */

/* Frozen and throttled tasks wait here on their way to user mode. */
struct cgroup *cgroup_holder(struct cgroup *);              /* the group that holds its tasks, or NULL */
void cgroup_hold(struct task *);
void cgroup_freeze(struct cgroup *, bool);
void cgroup_kill(struct cgroup *);

/* cgroup.c: the tree. */
struct cgroup *cgroup_new(struct cgroup *parent, const char *name, size_t length);  /* or ERR_PTR */
int cgroup_remove(struct cgroup *);
u64 cgroup_descendants(const struct cgroup *);
int cgroup_set_control(struct cgroup *, u32 enable, u32 disable);

/* cpu.c: who runs next. Interrupts off. */
void cpu_enqueue(struct task *);
void cpu_leave(struct cgroup *);                            /* those that still wait in its queue */
struct task *cpu_next(void);                                /* taken off the queue; NULL: none */
static inline bool cpu_waiting(void) { return root_cgroup.runnable; }
void cpu_charge(struct task *, u64 now);                    /* what it has run until now */
u64 cpu_budget_end(struct task *, u64 now);                 /* ktime of when it is to be asked again; 0: never */
void cpu_set_quota(struct cgroup *, u64 quota, u64 period);  /* ns; quota 0: none */

/* memory.c: pages of programs and of files. */
void *alloc_charged_page(void);                             /* to current's; NULL: memory_relieve, then try again */
void memory_uncharge(struct page *);
struct cgroup *page_cgroup(const struct page *);            /* or NULL */
bool memory_relieve(void);                                  /* for current; may sleep. false: nothing can be done for it */
void memory_shrink(struct cgroup *);                        /* to its new limit */
u64 memory_pages(const struct cgroup *, bool of_files);

void cgroup_register(void);
