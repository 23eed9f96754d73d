/* The frame a handler runs on, in Linux's layout (struct rt_sigframe), and the return from it. */
#include "abi.h"
#include "errno.h"
#include "lib.h"
#include "mm.h"
#include "sched.h"
#include "user.h"
#include "syscalls.h"

#define UC_SIGCONTEXT_SS 2
#define UC_STRICT_RESTORE_SS 4
/* CF PF AF ZF SF TF DF OF RF AC: what a program may set itself. */
#define USER_FLAGS 0x50dd5UL
#define RED_ZONE 128

struct sigcontext {
    u64 r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
    u16 cs, gs, fs, ss;
    u64 err, trapno, oldmask, cr2, fpstate, reserved[8];
};
struct ucontext {
    u64 uc_flags, uc_link;
    struct sigstack uc_stack;
    struct sigcontext uc_mcontext;
    u64 uc_sigmask;
};
struct signal_frame {
    u64 restorer;                           /* the handler's return address */
    struct ucontext uc;
    struct siginfo info;
};

static bool on_altstack(const struct task *t, u64 rsp) { return rsp - t->altstack_base <= t->altstack_size && t->altstack_size; }

static void save_registers(struct sigcontext *c, const struct trapframe *f) {
    c->r8 = f->r8; c->r9 = f->r9; c->r10 = f->r10; c->r11 = f->r11;
    c->r12 = f->r12; c->r13 = f->r13; c->r14 = f->r14; c->r15 = f->r15;
    c->rdi = f->rdi; c->rsi = f->rsi; c->rbp = f->rbp; c->rbx = f->rbx;
    c->rdx = f->rdx; c->rax = f->rax; c->rcx = f->rcx; c->rsp = f->rsp;
    c->rip = f->rip; c->eflags = f->rflags; c->cs = f->cs; c->ss = f->ss;
    c->err = f->error; c->trapno = f->vector;
}

static void restore_registers(struct trapframe *f, const struct sigcontext *c) {
    f->r8 = c->r8; f->r9 = c->r9; f->r10 = c->r10; f->r11 = c->r11;
    f->r12 = c->r12; f->r13 = c->r13; f->r14 = c->r14; f->r15 = c->r15;
    f->rdi = c->rdi; f->rsi = c->rsi; f->rbp = c->rbp; f->rbx = c->rbx;
    f->rdx = c->rdx; f->rax = c->rax; f->rcx = c->rcx; f->rsp = c->rsp;
    f->rip = c->rip;
    f->rflags = (c->eflags & USER_FLAGS) | RFLAGS_FIXED | RFLAGS_IF;
    f->cs = USER_CS;
    f->ss = USER_DS;
}

bool signal_frame_push(struct trapframe *f, int signo, const struct sigaction *action, const struct siginfo *info, u64 mask) {
    struct task *t = current;
    u8 fpu[512] aligned(16);
    struct signal_frame frame = { .restorer = (u64)action->restorer, .info = *info };
    if (!(action->flags & SA_RESTORER)) return false;
    u64 sp = f->rsp - RED_ZONE;
    if (action->flags & SA_ONSTACK && t->altstack_size && !on_altstack(t, f->rsp)) sp = t->altstack_base + t->altstack_size;
    sp = (sp - sizeof(fpu)) & ~63UL;
    u64 fpstate = sp;
    sp = ((sp - sizeof(frame)) & ~15UL) - 8; /* as after a CALL */

    asm volatile("fxsave64 (%0)" :: "r"(fpu) : "memory");
    frame.uc.uc_flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
    frame.uc.uc_stack = (struct sigstack){ t->altstack_base, t->altstack_flags, t->altstack_size };
    frame.uc.uc_sigmask = mask;
    save_registers(&frame.uc.uc_mcontext, f);
    frame.uc.uc_mcontext.fpstate = fpstate;
    frame.uc.uc_mcontext.cr2 = signo == SIGSEGV || signo == SIGBUS ? info->si_addr : 0;
    if (copy_to_user((void *)fpstate, fpu, sizeof(fpu)) || copy_to_user((void *)sp, &frame, sizeof(frame))) return false;

    f->rip = (u64)action->handler;
    f->rsp = sp;
    f->rdi = signo;
    f->rsi = sp + offsetof(struct signal_frame, info);
    f->rdx = sp + offsetof(struct signal_frame, uc);
    f->rax = 0;
    f->rflags &= ~(u64)(RFLAGS_DF | RFLAGS_TF);
    t->frame_changed = true;
    return true;
}

long sys_rt_sigreturn(void) {
    struct task *t = current;
    struct trapframe *f = task_frame(t);
    struct ucontext uc;
    u8 fpu[512] aligned(16);
    const struct signal_frame *frame = (struct signal_frame *)(f->rsp - 8);
    t->frame_changed = true;
    f->error = 0;                           /* nothing of this call is ever restarted */
    if (get_user(uc, &frame->uc) || uc.uc_mcontext.rip >= USER_TOP ||
        (uc.uc_mcontext.fpstate && copy_from_user(fpu, (void *)uc.uc_mcontext.fpstate, sizeof(fpu)))) {
        force_signal(SIGSEGV, SEGV_MAPERR, f->rsp);
        return 0;
    }
    if (uc.uc_mcontext.fpstate) {
        fpu_check(fpu);
        asm volatile("fxrstor64 (%0)" :: "r"(fpu) : "memory");
    }
    signals_block(uc.uc_sigmask);
    restore_registers(f, &uc.uc_mcontext);
    return f->rax;
}

long sys_sigaltstack(const struct sigstack *stack, struct sigstack *old) {
    struct task *t = current;
    u64 rsp = task_frame(t)->rsp;
    struct sigstack new, before = { t->altstack_base, t->altstack_size ? on_altstack(t, rsp) ? SS_ONSTACK : 0 : SS_DISABLE, t->altstack_size };
    if (stack) {
        if (get_user(new, stack)) return -EFAULT;
        if (before.ss_flags & SS_ONSTACK) return -EPERM;
        if (new.ss_flags & ~(SS_ONSTACK | SS_DISABLE)) return -EINVAL;
        if (!(new.ss_flags & SS_DISABLE) && new.ss_size < MINSIGSTKSZ) return -ENOMEM;
    }
    if (old && put_user(before, old)) return -EFAULT;
    if (stack) {
        bool off = new.ss_flags & SS_DISABLE;
        t->altstack_base = off ? 0 : new.ss_sp;
        t->altstack_size = off ? 0 : new.ss_size;
        t->altstack_flags = new.ss_flags;
    }
    return 0;
}
