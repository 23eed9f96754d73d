/* What the files of a group say, and what happens when they are written. */
#include "files.h"
#include "errno.h"
#include "lib.h"
#include "mm.h"
#include "ns.h"
#include "sched.h"

/* A number; "max" where the range ends with NO_LIMIT. -EINVAL; -ERANGE outside of the range. */
static int parse(const char *text, u64 from, u64 to, u64 *out) {
    const char *end;
    if (to == NO_LIMIT && !strcmp(text, "max")) return *out = NO_LIMIT, 0;
    u64 n = strtou64(text, &end, 10);
    if (end == text || *end) return -EINVAL;
    if (n < from || n > to) return -ERANGE;
    return *out = n, 0;
}

static void print_limit(struct text *out, u64 n, u64 unit) {
    if (n == NO_LIMIT) text_print(out, "max\n");
    else text_print(out, "%lu\n", n * unit);
}

#define SHOW(file, ...) static int show_##file(struct cgroup *g, struct text *out) { __VA_ARGS__; return 0; }
#define STORE(file, ...) static int store_##file(struct cgroup *g, char *text) { __VA_ARGS__; }
#define NUMBER(file, field, unit) SHOW(file, print_limit(out, g->field, unit))

/* ---- every group's ---- */

SHOW(procs, struct process *p; for_each_process(p) if (p->cgroup == g && !p->ended) text_print(out, "%d\n", pid_to(p->pid)))
SHOW(threads, struct process *p; struct task *t; for_each_process(p) if (p->cgroup == g) for_each_thread(t, p) text_print(out, "%d\n", pid_to(t->pid)))
STORE(procs,
    u64 pid;
    int error = parse(text, 0, 0x7fffffff, &pid);
    if (error) return -EINVAL;
    struct process *p = pid ? process_find_here(pid) : current->process;
    if (!p) return task_find_here(pid) ? -EINVAL : -ESRCH;   /* the kernel's own don't move */
    if (!(error = cgroup_may_move(p->cgroup, g))) cgroup_move(p, g);
    return error)
STORE(threads, return -EOPNOTSUPP)          /* all groups are domains: only whole processes move */

static const char *const controllers[] = { "cpu", "memory", "pids" };
static int show_set(struct text *out, u32 set) {
    for (int i = 0, n = 0; i < 3; i++)
        if (set >> i & 1) text_print(out, "%s%s", n++ ? " " : "", controllers[i]);
    return text_print(out, "\n"), 0;
}
SHOW(controllers, show_set(out, cgroup_controllers(g)))
SHOW(control, show_set(out, g->control))
STORE(control,
    u32 set[2] = { 0 };                     /* to disable, to enable */
    while (*text) {
        char *name = text + 1; int sign = *text; int known = 0;
        while (*text && *text != ' ') text++;
        if (*text) *text++ = 0;
        if (!sign || sign == ' ') continue;
        for (int i = 0; i < 3; i++) {
            if (strcmp(name, controllers[i]) || (sign != '+' && sign != '-')) continue;
            set[sign == '+'] |= 1 << i;
            set[sign != '+'] &= ~(1 << i);
            known = 1;
        }
        if (!known) return -EINVAL;
    }
    return cgroup_set_control(g, set[1], set[0]))

SHOW(events, text_print(out, "populated %d\nfrozen %d\n", g->live != 0, g->frozen))
SHOW(type, text_print(out, "domain\n"))
STORE(type, return strcmp(text, "threaded") ? -EINVAL : -EOPNOTSUPP)
SHOW(stat, text_print(out, "nr_descendants %lu\nnr_dying_descendants 0\n", cgroup_descendants(g)))
NUMBER(max_depth, max_depth, 1)
NUMBER(max_descendants, max_descendants, 1)
STORE(max_depth, return parse(text, 0, NO_LIMIT, &g->max_depth))
STORE(max_descendants, return parse(text, 0, NO_LIMIT, &g->max_descendants))
SHOW(freeze, text_print(out, "%d\n", g->freeze))
STORE(freeze, u64 on; int error = parse(text, 0, 1, &on); if (!error) cgroup_freeze(g, on); return error)
STORE(kill, u64 one; int error = parse(text, 1, 1, &one); if (!error) cgroup_kill(g); return error)

/* ---- cpu ---- */

SHOW(cpu_stat,
    u64 flags = irq_save();
    cpu_charge(current, ktime());
    irq_restore(flags);
    u64 run = g->run / 1000; u64 user = MIN(clock_cycles_ns(g->user_cycles) / 1000, run);
    text_print(out, "usage_usec %lu\nuser_usec %lu\nsystem_usec %lu\n", run, user, run - user);
    if (g->parent && cgroup_controllers(g) & CONTROL_CPU)
        text_print(out, "nr_periods %lu\nnr_throttled %lu\nthrottled_usec %lu\n", g->periods, g->throttles, g->throttled_time / 1000))
NUMBER(cpu_weight, weight, 1)
STORE(cpu_weight, return parse(text, 1, 10000, &g->weight))
SHOW(cpu_max,
    if (g->quota) text_print(out, "%lu ", g->quota / 1000);
    else text_print(out, "max ");
    text_print(out, "%lu\n", g->period / 1000))
STORE(cpu_max,
    char *space = strchr(text, ' ');
    u64 quota; u64 period = g->period / 1000;
    if (space) *space++ = 0;
    int error = parse(text, 1000, NO_LIMIT, &quota);
    if (!error && space) error = parse(space, 1000, 1000000, &period);
    if (error) return -EINVAL;
    cpu_set_quota(g, quota == NO_LIMIT ? 0 : quota * 1000, period * 1000);
    return 0)

/* ---- memory ---- */

NUMBER(memory_current, pages, PAGE_SIZE)
NUMBER(memory_peak, pages_peak, PAGE_SIZE)
NUMBER(memory_max, pages_max, PAGE_SIZE)
STORE(memory_max,
    const char *end = text + 3; const char *units = "kmg"; const char *unit;
    u64 limit = NO_LIMIT;
    if (strcmp(text, "max")) {
        u64 bytes = strtou64(text, &end, 10);
        if (end == text) return -EINVAL;
        if (*end && (unit = strchr(units, *end | 0x20))) bytes <<= 10 * (unit - units + 1), end++;
        limit = bytes / PAGE_SIZE;
    }
    if (*end) return -EINVAL;
    g->pages_max = limit;
    memory_shrink(g);
    return 0)
SHOW(memory_events, const u64 *n = g->memory_events;
    text_print(out, "low 0\nhigh 0\nmax %lu\noom %lu\noom_kill %lu\noom_group_kill %lu\n", n[MEMORY_MAX], n[MEMORY_OOM], n[MEMORY_OOM_KILL], n[MEMORY_OOM_GROUP_KILL]))
SHOW(memory_stat, text_print(out, "anon %lu\nfile %lu\n", memory_pages(g, false) * PAGE_SIZE, memory_pages(g, true) * PAGE_SIZE))
NUMBER(oom_group, oom_group, 1)
STORE(oom_group, return parse(text, 0, 1, &g->oom_group) ? -EINVAL : 0)

/* ---- pids ---- */

NUMBER(pids_current, pids, 1)
NUMBER(pids_max, pids_max, 1)
STORE(pids_max, return parse(text, 0, NO_LIMIT, &g->pids_max) ? -EINVAL : 0)
SHOW(pids_events, text_print(out, "max %lu\n", g->pids_refused))

#define SEEN(name, file, ...) { name, 0444, show_##file, NULL, __VA_ARGS__ }
#define SET(name, file, ...) { name, 0644, show_##file, store_##file, __VA_ARGS__ }
#define ALL .controller = 0
#define BELOW .not_in_root = true
#define OF(which) .controller = CONTROL_##which, .not_in_root = true

const struct cgroup_file cgroup_files[CGROUP_FILES] = {
    [CGROUP_PROCS] = SET("cgroup.procs", procs, .delegated = true), [CGROUP_EVENTS] = SEEN("cgroup.events", events, BELOW),
    [CGROUP_MEMORY_EVENTS] = SEEN("memory.events", memory_events, OF(MEMORY)),
    [CGROUP_PIDS_EVENTS] = SEEN("pids.events", pids_events, OF(PIDS)),
    SET("cgroup.threads", threads, .delegated = true), SEEN("cgroup.controllers", controllers, ALL),
    SET("cgroup.subtree_control", control, .delegated = true), SET("cgroup.type", type, BELOW), SEEN("cgroup.stat", stat, ALL),
    SET("cgroup.max.depth", max_depth, ALL), SET("cgroup.max.descendants", max_descendants, ALL), SET("cgroup.freeze", freeze, BELOW),
    { "cgroup.kill", 0200, NULL, store_kill, BELOW }, SEEN("cpu.stat", cpu_stat, ALL), SET("cpu.weight", cpu_weight, OF(CPU)),
    SET("cpu.max", cpu_max, OF(CPU)), SEEN("memory.current", memory_current, OF(MEMORY)), SEEN("memory.peak", memory_peak, OF(MEMORY)),
    SET("memory.max", memory_max, OF(MEMORY)), SEEN("memory.stat", memory_stat, OF(MEMORY)),
    SET("memory.oom.group", oom_group, OF(MEMORY), .delegated = true), SEEN("pids.current", pids_current, OF(PIDS)),
    SET("pids.max", pids_max, OF(PIDS)),
};
