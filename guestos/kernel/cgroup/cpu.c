/* The processor's time: who runs next, by the weights of groups, and groups that have had their quota.
 *
 * Tasks queue in their group if it has an account, else in the nearest above that has one. Each group
 * remembers how long its tasks ran, divided by its weight; from the root down, the one that had least is
 * next, and within it the task that waits longest. One that had nothing to run comes back with no less than
 * those that ran meanwhile, so that it can't save up.
 *
 * A group with a quota spends it as its tasks run. When it is spent they are held, on their way to user mode
 * so that no lock is held with them, until the period's end gives it a new one; what it overran is taken off. */
#include "cgroup.h"
#include "lib.h"
#include "sched.h"

void cpu_enqueue(struct task *t) {
    struct cgroup *g = t->process->cgroup;
    while (g->parent && !(g->parent->control & CONTROL_CPU)) g = g->parent;
    t->queued_in = g;
    list_add_tail(&g->queue, &t->run_link);
    if (g->queued++ == 0) g->own_vtime = MAX(g->own_vtime, g->floor);
    for (; g; g = g->parent)
        if (g->runnable++ == 0 && g->parent) g->vtime = MAX(g->vtime, g->parent->floor);
}

static void dequeue(struct task *t) {
    struct cgroup *g = t->queued_in;
    list_del(&t->run_link);
    g->queued--;
    for (; g; g = g->parent) g->runnable--;
    t->queued_in = NULL;
}

struct task *cpu_next(void) {
    struct cgroup *g = &root_cgroup, *child;
    if (!g->runnable) return NULL;
    while (g->queued < g->runnable) {       /* not all of them are its own */
        struct cgroup *best = NULL;
        list_for_each(child, &g->children, sibling)
            if (child->runnable && (!best || child->vtime < best->vtime)) best = child;
        if (g->queued && g->own_vtime <= best->vtime) break;
        g->floor = MAX(g->floor, best->vtime);
        g = best;
    }
    g->floor = MAX(g->floor, g->own_vtime);
    struct task *t = list_first(&g->queue, struct task, run_link);
    dequeue(t);
    return t;
}

void cpu_leave(struct cgroup *g) {
    u64 flags = irq_save();
    while (!list_empty(&g->queue)) {
        struct task *t = list_first(&g->queue, struct task, run_link);
        dequeue(t);
        cpu_enqueue(t);
    }
    irq_restore(flags);
}

static void new_period(struct cgroup *g, u64 now) {
    g->periods++;
    g->left = MIN(g->left, 0L) + g->quota;
    g->period_end = (now / g->period + 1) * g->period;
}

static void unthrottle(struct cgroup *g, u64 now) {
    g->throttled = false;
    g->throttled_time += now - g->throttled_since;
    timer_cancel(&g->refill);
    wake_up(&g->holding);
}

static void refill(struct timer *timer) {
    struct cgroup *g = container_of(timer, struct cgroup, refill);
    u64 now = ktime();
    new_period(g, now);
    if (g->left > 0) unthrottle(g, now);
    else timer_start(timer, g->period_end);
}

void cpu_set_quota(struct cgroup *g, u64 quota, u64 period) {
    u64 flags = irq_save(), now = ktime();
    g->quota = quota;
    g->period = period;
    g->left = 0;
    if (quota) new_period(g, now);
    if (g->throttled) unthrottle(g, now);
    timer_turn_ends(now);                   /* whoever runs now may have a budget from now on */
    irq_restore(flags);
}

static void spend(struct cgroup *g, u64 ran, u64 now) {
    if (!g->throttled && now >= g->period_end) new_period(g, now);
    g->left -= ran;
    if (g->left > 0 || g->throttled) return;
    g->throttled = true;
    g->throttles++;
    g->throttled_since = now;
    g->refill.expired = refill;
    timer_start(&g->refill, g->period_end);
}

/* Apart from the root's, which is all there is to do at most switches. */
static __attribute__((noinline)) void charge_groups(struct cgroup *of, u64 ran, u64 user, u64 now) {
    for_each_ancestor(g, of) {
        g->run += ran;
        g->user_cycles += user;
        g->vtime += ran * 100 / g->weight;
        if (g->quota) spend(g, ran, now);
    }
}

void cpu_charge(struct task *t, u64 now) {
    u64 ran = now - t->switched_in, user = t->user_cycles - t->charged_cycles;
    struct cgroup *g = t->process->cgroup, *root = &root_cgroup;
    t->run_time += ran;
    t->switched_in = now;
    t->charged_cycles = t->user_cycles;
    if (g->parent) charge_groups(g, ran, user, now);
    root->run += ran;
    root->user_cycles += user;
    if (!g->parent || !(root->control & CONTROL_CPU)) root->own_vtime += ran / (root->queued + 1);     /* each as much as a group */
}

u64 cpu_budget_end(struct task *t, u64 now) {
    u64 left = NO_LIMIT;
    bool charged = false;
    for_each_ancestor(g, t->process->cgroup) {
        if (!g->quota) continue;
        if (!charged) cpu_charge(t, now);
        charged = true;
        left = g->throttled ? 0 : MIN(left, (u64)g->left);
    }
    if (!left) t->resched = true;
    return left && left != NO_LIMIT ? now + left : 0;
}
