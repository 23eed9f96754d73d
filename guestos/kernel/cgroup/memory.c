/* Memory of groups: each page of a program or a file is charged to the group whose task first touched it, until
 * the page is free. A group at its limit gives back what is only cached; then a process within it is killed. */
#include "cgroup.h"
#include "cache.h"
#include "lib.h"
#include "mm.h"
#include "oom.h"
#include "sched.h"

#define BATCH 32                            /* pages, so that one scan serves many charges */

/* Heap objects are aligned to 16 and lie in the direct map: 32 bits do for 64 GiB. */
struct cgroup *page_cgroup(const struct page *p) { return p->cgroup ? phys_to_virt((u64)p->cgroup << 4) : NULL; }

static void event(struct cgroup *of, enum memory_event e) {
    for_each_ancestor(g, of) g->memory_events[e]++, cgroup_changed(g, CGROUP_MEMORY_EVENTS);
}

static bool is_within(const struct process *p, const void *g) { return cgroup_is_within(p->cgroup, g); }

static struct cgroup *at_limit(struct cgroup *of) {
    for_each_ancestor(g, of) if (g->pages >= g->pages_max) return g;
    return NULL;
}

static bool charge(struct page *p) {
    struct cgroup *own = current->process->cgroup, *full;
    if (!own->parent) return true;
    while ((full = at_limit(own))) {
        if (oom_is_dying(is_within, full)) {                /* what it holds will soon be free */
            current->resched = true;
            break;
        }
        event(full, MEMORY_MAX);
        if (!reclaim(BATCH, full)) return false;
    }
    for_each_ancestor(g, own) g->pages++, g->pages_peak = MAX(g->pages_peak, g->pages);
    p->cgroup = virt_to_phys(cgroup_get(own)) >> 4;
    return true;
}

void *alloc_charged_page(void) {
    void *at = alloc_page();
    if (!at || charge(virt_to_page(at))) return at;
    free_pages(at, 0);
    return NULL;
}

void memory_uncharge(struct page *p) {
    struct cgroup *own = page_cgroup(p);
    p->cgroup = 0;
    for_each_ancestor(g, own) g->pages--;
    cgroup_put(own);
}

/* The victim, or all of the highest group within `full` that wants to die as one. */
static bool kill_within(struct cgroup *full) {
    struct process *victim = oom_victim(is_within, full), *p;
    struct cgroup *as_one = NULL;
    event(full, MEMORY_OOM);
    if (!victim) return false;
    for (struct cgroup *g = victim->cgroup; cgroup_is_within(g, full); g = g->parent)
        if (g->oom_group) as_one = g;
    if (as_one) event(as_one, MEMORY_OOM_GROUP_KILL);
    for_each_process(p) {
        if (p != victim && !(as_one && cgroup_is_within(p->cgroup, as_one) && oom_may_kill(p))) continue;
        event(p->cgroup, MEMORY_OOM_KILL);
        oom_kill(p);
    }
    return true;
}

bool memory_relieve(void) {
    struct cgroup *full = at_limit(current->process->cgroup);
    if (write_back_for_memory()) return true;
    return full && !oom_process_dying(current->process) && kill_within(full) && !oom_process_dying(current->process);
}

void memory_shrink(struct cgroup *g) {
    while (g->pages > g->pages_max && !signal_pending()) {
        if (reclaim(BATCH, g) || write_back_for_memory()) continue;
        if (!oom_is_dying(is_within, g) && !kill_within(g)) break;
        set_sleeping(true);
        schedule_until(ktime() + NSEC_PER_MSEC);
    }
}

u64 memory_pages(const struct cgroup *g, bool of_files) {
    u64 n = 0;
    for (u64 i = 0, end = frames_end(); i < end; i++)
        if (frame_seen(i << PAGE_SHIFT) && frames[i].cgroup && (frames[i].state == PAGE_CACHED) == of_files)
            n += cgroup_is_within(page_cgroup(&frames[i]), g);
    return n;
}
