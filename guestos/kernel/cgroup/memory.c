/* Memory of groups, and what is done when there is no more, in a group or, which is the root's, in the machine.
 *
 * Each page of a program or a file is charged to the group whose task first touched it, until the page is free.
 * A group at its limit gives back what is only cached, then what can be written to a disk; then the process
 * within it is killed whose death gives back most, as oom_score_adj shifts it. Its pages are taken away at once,
 * for it may need long to die: it may wait for a lock that is ours. */
#include "cgroup.h"
#include "cache.h"
#include "lib.h"
#include "mm.h"
#include "sched.h"
#include "vm.h"

#define BATCH 32                            /* pages, so that one scan serves many charges */

/* Heap objects are aligned to 16 and lie in the direct map: 32 bits do for 64 GiB. */
struct cgroup *page_cgroup(const struct page *p) { return p->cgroup ? phys_to_virt((u64)p->cgroup << 4) : NULL; }

static void event(struct cgroup *of, enum memory_event e) {
    for_each_ancestor(g, of) g->memory_events[e]++, cgroup_changed(g, CGROUP_MEMORY_EVENTS);
}

static struct cgroup *at_limit(struct cgroup *of) {
    for_each_ancestor(g, of) if (g->pages >= g->pages_max) return g;
    return NULL;
}

/* Who is about to die may exceed a limit, so as to come to it. */
void *alloc_charged_page(void) {
    void *at = alloc_page();
    struct cgroup *own = current->process->cgroup, *full;
    if (!at || !own->parent) return at;
    while ((full = at_limit(own)) && !signal_ends(current)) {
        event(full, MEMORY_MAX);
        if (!reclaim(BATCH, full)) return free_pages(at, 0), NULL;
    }
    for_each_ancestor(g, own) g->pages++, g->pages_peak = MAX(g->pages_peak, g->pages);
    virt_to_page(at)->cgroup = virt_to_phys(cgroup_get(own)) >> 4;
    return at;
}

void memory_uncharge(struct page *p) {
    struct cgroup *own = page_cgroup(p);
    p->cgroup = 0;
    for_each_ancestor(g, own) g->pages--;
    cgroup_put(own);
}

u64 memory_pages(const struct cgroup *g, bool of_files) {
    u64 n = 0;
    for (u64 i = 0, end = frames_end(); i < end; i++)
        if (frame_seen(i << PAGE_SHIFT) && frames[i].cgroup && (frames[i].state == PAGE_CACHED) == of_files)
            n += cgroup_is_within(page_cgroup(&frames[i]), g);
    return n;
}

/* ---- none left ---- */

/* The address space of one that may be killed and hasn't been; or NULL. */
static struct mm *victims_memory(const struct process *p) {
    struct task *t;
    if (p->pid != 1 && !p->leader->kernel_thread && !p->exiting && p->oom_score_adj != -1000)
        for_each_thread(t, p) if (t->mm && !signal_ends(t)) return t->mm;
    return NULL;
}

static void kill(struct process *p, struct mm *mm, bool everywhere) {
    struct vma *vma;
    event(p->cgroup, MEMORY_OOM_KILL);
    (everywhere ? kerror : kprintf)("out of memory: process %d (%s) is killed\n", p->pid, p->leader->comm);
    process_kill(p);
    if (p != current->process && mm->refs <= (s32)p->live)  /* no other process has it, too */
        list_for_each(vma, &mm->vmas, link) if (!vma->shared) pt_unmap(mm, vma->start, vma->end);
}

/* The victim, or all of the highest group within `full` that wants to die as one. */
static bool kill_within(struct cgroup *full) {
    struct process *p, *victim = NULL;
    struct memory_stats memory;
    struct mm *mm;
    s64 most = 0;
    memory_stats(&memory);
    event(full, MEMORY_OOM);
    for_each_process(p) {
        if (!cgroup_is_within(p->cgroup, full) || !(mm = victims_memory(p))) continue;
        s64 score = mm->resident + (s64)memory.total_pages * p->oom_score_adj / 1000;
        if (!victim || score > most) victim = p, most = score;
    }
    if (!victim) return false;
    struct cgroup *as_one = NULL;
    for (struct cgroup *g = victim->cgroup; cgroup_is_within(g, full); g = g->parent) if (g->oom_group) as_one = g;
    if (as_one) event(as_one, MEMORY_OOM_GROUP_KILL);
    for_each_process(p)
        if ((p == victim || (as_one && cgroup_is_within(p->cgroup, as_one))) && (mm = victims_memory(p))) kill(p, mm, !full->parent);
    return true;
}

bool memory_relieve(void) {
    if (signal_ends(current)) return false;
    if (write_back_for_memory()) return true;
    struct cgroup *full = at_limit(current->process->cgroup);
    return kill_within(full ? full : &root_cgroup) && !signal_ends(current);
}

void memory_shrink(struct cgroup *g) {
    while (g->pages > g->pages_max && !signal_ends(current) && (reclaim(BATCH, g) || write_back_for_memory() || kill_within(g))) ;
}
