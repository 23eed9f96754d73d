/* Timers: one list in order of deadline, and the processor's one-shot timer for its head.
 *
 * There is no periodic tick. The hardware is armed for the first deadline, or for the end of the
 * running task's turn when others wait for the processor; an idle machine takes no interrupts. An
 * armed time is left alone when a nearer deadline goes away: the early interrupt finds nothing due.
 */
#include "arch.h"
#include "sched.h"
#include "time.h"

static struct timer *timers;
static u64 armed_for;                       /* ktime; 0: not armed */

static void arm(u64 deadline, u64 now) {
    if (armed_for && armed_for <= deadline) return;
    armed_for = deadline;
    apic_timer_arm(deadline > now ? deadline - now : 0);
}

/* A turn's end is a deadline like others; the scheduler calls this when a second task is ready. */
void timer_turn_ends(u64 deadline) { arm(deadline, ktime()); }

void timer_cancel(struct timer *t) {
    if (!t->deadline) return;
    u64 flags = irq_save();
    struct timer **link = &timers;
    while (*link && *link != t) link = &(*link)->next;
    if (*link) *link = t->next;
    t->deadline = 0;
    irq_restore(flags);
}

void timer_start(struct timer *t, u64 deadline) {
    u64 flags = irq_save();
    timer_cancel(t);
    t->deadline = deadline ? deadline : 1;
    struct timer **link = &timers;
    while (*link && (*link)->deadline <= t->deadline) link = &(*link)->next;
    t->next = *link;
    *link = t;
    if (timers == t) arm(t->deadline, ktime());
    irq_restore(flags);
}

void timer_interrupt(void) {
    u64 now = ktime();
    armed_for = 0;
    while (timers && timers->deadline <= now) {
        struct timer *t = timers;
        timers = t->next;
        t->deadline = 0;
        t->expired(t);
    }
    u64 turn = sched_tick(now);
    u64 next = timers ? timers->deadline : 0;
    if (turn && (!next || turn < next)) next = turn;
    if (next) arm(next, now);
}
