/* The scheduler: turns for all that wait (cgroup/cpu.c has the order); the idle task runs when nobody does.
 *
 * A task gives the processor away only in schedule(): when it sleeps, and on the way back to user
 * mode once its turn is over. The kernel itself is never preempted.
 */
#include "arch.h"
#include "cgroup.h"
#include "io.h"
#include "lib.h"
#include "mm.h"
#include "sched.h"
#include "vm.h"

static struct task idle_task;
static u8 idle_fpu[512] aligned(16);

void sched_init(void) {
    extern u8 boot_stack[];
    struct task *t = &idle_task;
    t->kstack = boot_stack + PAGE_SIZE;
    t->fpu = idle_fpu;
    t->state = TASK_RUNNING;
    t->kernel_thread = true;
    strlcpy(t->comm, "idle", sizeof(t->comm));
    list_init(&t->run_link);
    list_init(&t->thread_link);
    boot_cpu.running = t;
    task_set_kernel_stack(t);
}

/* Interrupts off. */
static void enqueue(struct task *t) {
    cpu_enqueue(t);
    struct task *running = boot_cpu.running;
    if (running == &idle_task) {
        running->resched = true;
    } else if (root_cgroup.runnable == 1) { /* the first to wait: the runner's turn now has an end */
        u64 now = ktime();
        if (running->slice_end < now) running->slice_end = now + SLICE_NS;
        timer_turn_ends(running->slice_end);
    }
}

void wake_task(struct task *t) {
    u64 flags = irq_save();
    if (t->state != TASK_RUNNING && t->state < TASK_ZOMBIE) {
        t->state = TASK_RUNNING;
        if (t != boot_cpu.running && !t->queued_in) enqueue(t);
    }
    irq_restore(flags);
}

u64 sched_tick(u64 now) {
    struct task *t = boot_cpu.running;
    u64 budget = t == &idle_task ? 0 : cpu_budget_end(t, now), end = t->slice_end;
    if (!cpu_waiting()) return budget;
    if (t == &idle_task || now >= end) {
        t->resched = true;
        end = now + SLICE_NS;
    }
    return budget ? MIN(budget, end) : end;
}

static void switch_to(struct task *next, u64 now) {
    struct task *previous = boot_cpu.running;
    next->switched_in = now;
    next->slice_end = now + turn_length(next);
    if (cpu_waiting()) timer_turn_ends(next->slice_end);
    if (next != &idle_task && next->process->cgroup->parent) {
        u64 budget = cpu_budget_end(next, now);
        if (budget) timer_turn_ends(budget);
        if (cgroup_holder(next->process->cgroup)) next->resched = true; /* so that it comes by user_return_work */
    }
    if (!previous->kernel_thread) asm volatile("fxsave64 (%0)" :: "r"(previous->fpu) : "memory");
    if (!next->kernel_thread) {
        asm volatile("fxrstor64 (%0)" :: "r"(next->fpu) : "memory");
        wrmsr(MSR_FS_BASE, next->fs_base);
        wrmsr(MSR_KERNEL_GS_BASE, next->gs_base);
    }
    mm_activate(next->mm);
    boot_cpu.running = next;
    task_set_kernel_stack(next);
    switch_context(previous, next);
}

void schedule(void) {
    u64 flags = irq_save();
    struct task *t = boot_cpu.running;
    t->resched = false;
    if (t->state == TASK_RUNNING && t != &idle_task && !cpu_waiting()) { /* alone: another turn */
        irq_restore(flags);
        return;
    }
    u64 now = ktime();
    if (t->process) cpu_charge(t, now);     /* neither the idle task nor a dead thread */
    if (t->state == TASK_RUNNING && t != &idle_task) cpu_enqueue(t);
    struct task *next = cpu_next();
    if (!next) next = &idle_task;
    if (next != t) {
        switch_to(next, now);
        tasks_free_dead();
    }
    irq_restore(flags);
}

static void sleep_expired(struct timer *timer) { wake_task(container_of(timer, struct task, sleep_timer)); }

void schedule_until(u64 deadline) {
    if (!deadline) {
        schedule();
        return;
    }
    struct task *t = current;
    t->sleep_timer.expired = sleep_expired;
    timer_start(&t->sleep_timer, deadline);
    schedule();
    timer_cancel(&t->sleep_timer);
}

/* Between the test and HLT interrupts are off, and STI lets none in before HLT has begun. */
noreturn void idle_loop(void) {
    for (;;) {
        asm volatile("cli");
        if (idle_task.resched || cpu_waiting()) schedule();
        else asm volatile("sti; hlt");
    }
}

void task_started(struct trapframe *frame) {
    asm volatile("cli");
    user_return_work(frame);
    current->user_since = rdtsc();
}
