/* Locks and waiting.
 *
 * One processor for now, and the kernel is never preempted inside itself: a task leaves the
 * processor only in schedule(), that is where it sleeps. So only interrupt handlers (and timers,
 * which run in one) can intrude, and what they share with tasks is guarded by a spinlock taken with
 * interrupts off. What spans a sleep is guarded by a mutex. Order, outermost first:
 *   mutexes of fs and mm  >  driver spinlocks  >  wait queue, scheduler and timer state (irq off)
 */
#pragma once
#include "types.h"
#include "list.h"
#include "errno.h"

struct task;

static inline u64 irq_save(void) {
    u64 flags;
    asm volatile("pushfq; popq %0; cli" : "=r"(flags) :: "memory");
    return flags;
}
static inline void irq_restore(u64 flags) {
    if (flags & 0x200) asm volatile("sti" ::: "memory");
    else barrier();
}
static inline bool irq_enabled(void) {
    u64 flags;
    asm volatile("pushfq; popq %0" : "=r"(flags));
    return flags & 0x200;
}

/* Held briefly, interrupts off, never across a sleep. With one processor, interrupts off is all. */
struct spinlock {
    bool held; /* checked, so that a nested acquisition panics instead of passing unseen */
};
u64 spin_lock(struct spinlock *);              /* returns flags for spin_unlock */
void spin_unlock(struct spinlock *, u64 flags);

/* Tasks waiting for one event. All zero is a valid empty queue. */
struct wait_queue {
    struct waiter *first, *last;
};
/* One task's place in one queue, on the waiting task's stack; or with `woken`, which may be called in
 * an interrupt, a watcher's. */
struct waiter {
    struct wait_queue *queue; /* NULL when not queued */
    struct waiter *next, *prev;
    union { struct task *task; void *owner; };
    void (*woken)(struct waiter *);
};
#define WAITER { .queue = NULL }

/* The pattern, for waiting on several queues (poll): wait_add to each; then loop: set_sleeping;
 * test; schedule; at the end set_running and wait_remove from each. A wake_up between the test and
 * schedule() is not lost, because set_sleeping came before the test. */
void wait_add(struct wait_queue *, struct waiter *);   /* for the current task; waiter not yet queued */
void wait_remove(struct waiter *);                     /* nothing if not queued */
void wake_up(struct wait_queue *);                     /* all of them; from anywhere, also interrupts */
void set_sleeping(bool interruptible);                 /* current task's state before schedule() */
void set_running(void);

void schedule(void);                                   /* give the processor away; see set_sleeping */
/* As schedule(), returning at ktime `deadline` (ns) at the latest; 0: no deadline. */
void schedule_until(u64 deadline);
bool signal_pending(void);                             /* an unblocked signal waits for current */

/* Sleep until `condition`. wait_event: not interruptible. wait_event_interruptible: value 0, or
 * -ERESTARTSYS if a signal came first. wait_event_until: also -ETIMEDOUT at ktime `deadline` (0: never). */
#define wait_event(queue, condition) ((void)wait_event_(queue, condition, false, 0))
#define wait_event_interruptible(queue, condition) wait_event_(queue, condition, true, 0)
#define wait_event_until(queue, condition, deadline) wait_event_(queue, condition, true, deadline)
#define wait_event_(queue, condition, interruptible, deadline) ({ \
    struct waiter waiter_ = WAITER; \
    u64 deadline_ = (deadline); \
    int result_ = 0; \
    if (!(condition)) { \
        wait_add(queue, &waiter_); \
        for (;;) { \
            set_sleeping(interruptible); \
            if (condition) break; \
            if ((interruptible) && signal_pending()) { result_ = -ERESTARTSYS; break; } \
            if (deadline_ && ktime() >= deadline_) { result_ = -ETIMEDOUT; break; } \
            schedule_until(deadline_); \
        } \
        set_running(); \
        wait_remove(&waiter_); \
    } \
    result_; })
u64 ktime(void); /* time.h */

/* A sleeping lock. All zero is unlocked. Not recursive; never in an interrupt handler. */
struct mutex {
    struct task *owner;
    struct wait_queue waiters;
};
void mutex_lock(struct mutex *);
void mutex_unlock(struct mutex *);
