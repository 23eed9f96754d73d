/* Exceptions and interrupts, and the work that waits for the way back to user mode. */
#include "arch.h"
#include "cgroup.h"
#include "io.h"
#include "lib.h"
#include "mm.h"
#include "sched.h"
#include "signal.h"
#include "user.h"

bool clock_calibrating(void);

struct fixup { u64 at, resume; };
extern const struct fixup fixups_start[], fixups_end[];

static bool fix_up(struct trapframe *f) {
    for (const struct fixup *x = fixups_start; x < fixups_end; x++)
        if (f->rip == x->at) {
            f->rip = x->resume;
            return true;
        }
    return false;
}

/* Signal and code of an exception that a program can cause, by vector; Linux's choice. */
static int exception_signal(const struct trapframe *f, int *code, u64 *address) {
    u64 dr6;
    *code = SI_KERNEL;
    *address = 0;
    switch (f->vector) {
    case 0: *code = 1 /* FPE_INTDIV */; *address = f->rip; return SIGFPE;
    case 1:
        asm volatile("movq %%db6, %0; movq %1, %%db6" : "=&r"(dr6) : "r"(DR6_CLEAR));
        *code = dr6 & DR6_STEP ? 2 /* TRAP_TRACE */ : dr6 & 15 ? 4 /* TRAP_HWBKPT */ : 1 /* TRAP_BRKPT */;
        *address = f->rip;
        return SIGTRAP;
    case 3: return SIGTRAP;
    case 6: *code = 2 /* ILL_ILLOPN */; *address = f->rip; return SIGILL;
    case 11: case 12: return SIGBUS;
    case 16: case 19: *code = fpu_error(f->vector == 19); *address = f->rip; return SIGFPE;
    case 17: *code = 1 /* BUS_ADRALN */; return SIGBUS;
    default: return SIGSEGV;
    }
}

static void handle_page_fault(struct trapframe *f) {
    u64 address = read_cr2();
    bool user = f->cs & 3;
    /* What can't be a program's page: the kernel's half, and kernel code outside the user copies. */
    if (!user && (address >= USER_TOP || !(f->rflags & RFLAGS_IF))) {
        if (address >= USER_TOP || !fix_up(f)) panic_frame(f, "page fault in the kernel");
        return;
    }
    if (f->rflags & RFLAGS_IF) asm volatile("sti");
    int outcome = current->mm ? page_fault(address, f->error) : SIGSEGV;
    asm volatile("cli");
    if (!outcome) return;
    if (user) force_signal(outcome & 0xff, outcome >> 8, address);
    else if (!fix_up(f)) panic_frame(f, "page fault in the kernel on a user address");
}

void trap(struct trapframe *f) {
    bool user = f->cs & 3;
    struct task *t = boot_cpu.running;
    smap_close();                           /* entry keeps the interrupted AC flag */
    if (user) t->user_cycles += rdtsc() - t->user_since;
    if (f->vector == 14) {
        handle_page_fault(f);
    } else if (f->vector == VECTOR_TIMER) {
        apic_eoi();
        if (!clock_calibrating()) timer_interrupt();
    } else if (f->vector >= VECTOR_IRQ && f->vector < VECTOR_IRQ + IRQ_LINES) {
        irq_dispatch(f->vector - VECTOR_IRQ);
    } else if (f->vector < 32 && f->vector != 2 && f->vector != 8 && f->vector != 18 && user) {
        int code;
        u64 address;
        int signo = exception_signal(f, &code, &address);
        force_signal(signo, code, address);
    } else if (f->vector != VECTOR_SPURIOUS) {
        if (f->vector != 13 || !fix_up(f)) 
            panic_frame(f, f->vector == 8 && kstack_overflowed(t, read_cr2()) ? "kernel stack overflow" : "unexpected exception");
    }
    if (user) {
        if (t->work) user_return_work(f);
        t->user_since = rdtsc();
    }
}

/* Comes and goes with interrupts off; on in between, where it may sleep. */
void user_return_work(struct trapframe *f) {
    struct task *t = current;
    do {
        asm volatile("sti");
        if (t->resched) schedule();
        if (t->process->cgroup->parent && cgroup_holder(t->process->cgroup)) cgroup_hold(t);
        signal_deliver(f);                  /* also settles an interrupted system call */
        t->frame_changed = false;
        asm volatile("cli");
    } while (t->work);
}
