/* Wait queues, spinlocks and mutexes (sync.h). */
#include "arch.h"
#include "lib.h"
#include "sched.h"
#include "sync.h"

u64 spin_lock(struct spinlock *lock) {
    u64 flags = irq_save();
    if (lock->held) panic("spinlock taken twice");
    lock->held = true;
    return flags;
}

void spin_unlock(struct spinlock *lock, u64 flags) {
    lock->held = false;
    irq_restore(flags);
}

void wait_add(struct wait_queue *queue, struct waiter *w) {
    u64 flags = irq_save();
    if (!w->woken) w->task = current;
    w->queue = queue;
    w->next = NULL;
    w->prev = queue->last;
    if (queue->last) queue->last->next = w;
    else queue->first = w;
    queue->last = w;
    irq_restore(flags);
}

void wait_remove(struct waiter *w) {
    u64 flags = irq_save();
    if (w->queue) {
        *(w->prev ? &w->prev->next : &w->queue->first) = w->next;
        *(w->next ? &w->next->prev : &w->queue->last) = w->prev;
        w->queue = NULL;
    }
    irq_restore(flags);
}

void wake_up(struct wait_queue *queue) {
    if (!queue->first) return;
    u64 flags = irq_save();
    for (struct waiter *w = queue->first; w; w = w->next)
        if (w->woken) w->woken(w);
        else if (w->task->state == TASK_SLEEPING || w->task->state == TASK_BLOCKED) wake_task(w->task);
    irq_restore(flags);
}

void set_sleeping(bool interruptible) {
    current->state = interruptible ? TASK_SLEEPING : TASK_BLOCKED;
    barrier();
}

void set_running(void) { current->state = TASK_RUNNING; }

bool signal_pending(void) { return current->signalled; }

void mutex_lock(struct mutex *m) {
    if (m->owner == current) panic("mutex taken twice by task %d", current->pid);
    wait_event(&m->waiters, !m->owner);
    m->owner = current;
}

void mutex_unlock(struct mutex *m) {
    ASSERT(m->owner == current);
    m->owner = NULL;
    wake_up(&m->waiters);
}
