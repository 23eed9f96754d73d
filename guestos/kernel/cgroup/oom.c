/* Out of memory: the process whose death gives back most is killed, as oom_score_adj shifts it. */
#include "oom.h"
#include "lib.h"
#include "mm.h"
#include "sched.h"
#include "vm.h"

/* A thread that has left its memory behind doesn't tell of the process's. */
static struct mm *memory_of(const struct process *p) {
    struct task *t;
    for_each_thread(t, p) if (t->mm) return t->mm;
    return NULL;
}

bool oom_may_kill(const struct process *p) {
    return p->pid != 1 && !p->leader->kernel_thread && !p->ended && p->oom_score_adj != -1000 && memory_of(p);
}

bool oom_process_dying(const struct process *p) { return !p->ended && (p->exiting || p->pending.set & SIG_BIT(SIGKILL)); }

bool oom_is_dying(oom_among *among, const void *argument) {
    struct process *p;
    for_each_process(p) if (oom_process_dying(p) && among(p, argument)) return true;
    return false;
}

struct process *oom_victim(oom_among *among, const void *argument) {
    struct process *p, *worst = NULL;
    struct memory_stats memory;
    s64 most = 0;
    memory_stats(&memory);
    for_each_process(p) {
        if (!oom_may_kill(p) || !among(p, argument)) continue;
        s64 score = memory_of(p)->resident + (s64)memory.total_pages / 1000 * p->oom_score_adj;
        if (!worst || score > most) worst = p, most = score;
    }
    return worst;
}

void oom_kill(struct process *p) {
    kprintf("out of memory: process %d (%s) is killed\n", p->pid, p->leader->comm);
    send_signal_process(p, SIGKILL);
}
