/* The scheduler: round robin over one queue; the idle task runs when it is empty.
 *
 * A task gives the processor away only in schedule(): when it sleeps, and on the way back to user
 * mode once its turn is over. The kernel itself is never preempted.
 */
#include "arch.h"
#include "io.h"
#include "lib.h"
#include "mm.h"
#include "sched.h"
#include "vm.h"

static struct list queue = LIST_INIT(queue);
static struct task idle_task;
static u8 idle_fpu[512] aligned(16);

void timer_turn_ends(u64 deadline);

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
    list_add_tail(&queue, &t->run_link);
    struct task *running = boot_cpu.running;
    if (running == &idle_task) {
        running->resched = true;
    } else if (queue.next->next == &queue) { /* the first to wait: the runner's turn now has an end */
        u64 now = ktime();
        if (running->slice_end < now) running->slice_end = now + SLICE_NS;
        timer_turn_ends(running->slice_end);
    }
}

void wake_task(struct task *t) {
    u64 flags = irq_save();
    if (t->state != TASK_RUNNING && t->state < TASK_ZOMBIE) {
        t->state = TASK_RUNNING;
        if (t != boot_cpu.running && list_empty(&t->run_link)) enqueue(t);
    }
    irq_restore(flags);
}

u64 sched_tick(u64 now) {
    if (list_empty(&queue)) return 0;
    struct task *t = boot_cpu.running;
    if (t == &idle_task || now >= t->slice_end) {
        t->resched = true;
        return now + SLICE_NS;
    }
    return t->slice_end;
}

static void switch_to(struct task *next) {
    struct task *previous = boot_cpu.running;
    u64 now = ktime();
    previous->run_time += now - previous->switched_in;
    next->switched_in = now;
    next->slice_end = now + SLICE_NS;
    if (!list_empty(&queue)) timer_turn_ends(next->slice_end);
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
    if (t->state == TASK_RUNNING && t != &idle_task) {
        if (list_empty(&queue)) {           /* alone: another turn */
            irq_restore(flags);
            return;
        }
        list_add_tail(&queue, &t->run_link);
    }
    struct task *next = &idle_task;
    if (!list_empty(&queue)) {
        next = list_first(&queue, struct task, run_link);
        list_del(&next->run_link);
    }
    if (next != t) {
        switch_to(next);
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
        if (idle_task.resched || !list_empty(&queue)) schedule();
        else asm volatile("sti; hlt");
    }
}

void task_started(struct trapframe *frame) {
    asm volatile("cli");
    user_return_work(frame);
}
