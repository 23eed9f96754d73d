/* ptrace(2): a process commands others, which stop at signals, system calls and single steps.
 *
 * A stopped task sleeps in stop(), at the end of its way into the kernel, in the middle of system calls or
 * when it is about to act on a signal; its registers are then the frame at the top of its kernel stack. */
#include "trace.h"
#include "dispatch.h"
#include "errno.h"
#include "io.h"
#include "lib.h"
#include "mm.h"
#include "ns.h"
#include "sched.h"
#include "user.h"
#include "vfs.h"
#include "vm.h"
#include "syscalls.h"

enum {
    TRACEME, PEEKTEXT, PEEKDATA, PEEKUSER, POKETEXT, POKEDATA, POKEUSER, CONT, KILL, SINGLESTEP, GETREGS = 12, SETREGS, GETFPREGS,
    SETFPREGS, ATTACH, DETACH, SYSCALL = 24, SETOPTIONS = 0x4200, GETEVENTMSG, GETSIGINFO, SETSIGINFO, GETREGSET, SETREGSET, SEIZE, INTERRUPT,
};
#define O_TRACESYSGOOD 1
#define O_EXITKILL 0x100000
#define O_EVENTS 0xfe                       /* bit n for event n */
#define NT_PRSTATUS 1
#define NT_PRFPREG 2
#define TRAP_BRKPT 1
#define USER_SIZE 928                       /* Linux's struct user: registers first */
#define USER_FLAGS 0x50dd5UL                /* as sigreturn lets them be set */
#define REGISTERS 27

static bool dying(const struct task *t) { return t->killed || (t->pending.set | t->process->pending.set) & SIG_BIT(SIGKILL); }

/* ---- the traced task's side --------------------------------------------------------------------------- */

/* The signal to go on with. */
static int stop(int code, struct siginfo *info) {
    struct task *t = current;
    struct trace *tr = t->trace;
    struct siginfo news = { .si_signo = SIGCHLD, .si_code = CLD_TRAPPED, .si_pid = pid_in(tr->tracer->leader->pid_ns, t->pid), .si_uid = t->cred.uid, .si_status = code & 0x7f };
    u64 flags = irq_save();
    t->injected = 0;
    if (tr->mode == TRACE_STEP) task_frame(t)->rflags &= ~(u64)RFLAGS_TF;
    if (!dying(t)) {
        tr->code = code;
        tr->info = info;
        tr->untold = true;
        t->frame_changed = true;            /* all of them may come from the tracer now */
        t->state = TASK_TRACED;
        if (!(tr->tracer->sighand->action[SIGCHLD - 1].flags & SA_NOCLDSTOP)) send_signal_info(tr->tracer, NULL, &news);
        wake_up(&tr->tracer->child_event);
        schedule();
        if (t->trace) t->trace->code = 0;   /* killed, not commanded */
    }
    irq_restore(flags);
    return t->injected;
}

static int stop_for_event(int event) {
    struct siginfo info = { .si_signo = SIGTRAP, .si_code = event << 8 | SIGTRAP, .si_pid = pid_to(current->pid), .si_uid = uid_to(current->cred.uid) };
    return stop(info.si_code, &info);
}

bool trace_event(int event, u64 message) {
    struct trace *tr = current->trace;
    if (!tr || !(tr->options & 1u << event)) return false;
    tr->message = event == PTRACE_EVENT_EXIT ? (pid_t)message : pid_in(tr->tracer->leader->pid_ns, message);
    stop_for_event(event);
    return true;
}

int trace_signal(int signo, struct siginfo *info) {
    struct task *t = current;
    if (!t->trace || signo == SIGKILL) return signo;
    pid_t tracer = pid_to(t->trace->tracer->pid);
    uid_t uid = uid_to(t->trace->tracer->leader->cred.uid);
    signo = stop(signo, info);
    if (signo && signo != info->si_signo) *info = (struct siginfo){ .si_signo = signo, .si_code = SI_USER, .si_pid = tracer, .si_uid = uid };
    if (!signo || !(t->blocked & SIG_BIT(signo))) return signo;
    send_signal_info(t->process, t, info);
    return 0;
}

void trace_job_stop(void) {
    struct task *t = current;
    int signo = t->process->stopping;
    if (signo) stop(t->trace->seized ? PTRACE_EVENT_STOP << 8 | signo : signo, NULL);
    else stop_for_event(PTRACE_EVENT_STOP); /* INTERRUPT */
    /* Commanded to go on it goes on, and its process with it; let go, it stops as others do. */
    if (t->trace && t->process->stopping == signo) t->process->stopping = 0;
}

void trace_call(struct trapframe *f, bool entry) {
    struct trace *tr = current->trace;
    if (!tr) return;
    if (entry) f->rax = -ENOSYS;
    if (tr->mode == TRACE_STEP && !entry) force_signal(SIGTRAP, TRAP_BRKPT, f->rip);
    if (tr->mode != TRACE_CALLS) return;
    struct siginfo info = { .si_signo = SIGTRAP, .si_code = SIGTRAP | (tr->options & O_TRACESYSGOOD ? 0x80 : 0), .si_pid = pid_to(current->pid),
                            .si_uid = uid_to(current->cred.uid) };
    int signo = stop(info.si_code, &info);
    if (signo) send_signal(current, signo);
}

void trace_exec(pid_t old_pid) {
    struct task *t = current;
    struct siginfo info = { .si_signo = SIGTRAP, .si_code = SI_USER, .si_pid = pid_to(t->pid), .si_uid = uid_to(t->cred.uid) };
    if (t->trace && !trace_event(PTRACE_EVENT_EXEC, old_pid) && !t->trace->seized) send_signal_info(t->process, t, &info);
}

bool trace_allows_privileges(void) {
    const struct trace *tr = current->trace;
    return !tr || cred_capable(&tr->tracer->leader->cred, current->cred.user_ns, CAP_SYS_PTRACE);   /* check: ptracetests */
}

/* ---- beginning and end ------------------------------------------------------------------------------------ */

static struct trace *trace_begin(struct task *t, struct process *tracer, bool seized, u32 options) {
    struct trace *tr = kzalloc(sizeof(*tr));
    if (!tr) return NULL;
    *tr = (struct trace){ .task = t, .tracer = tracer, .seized = seized, .options = options };
    list_add_tail(&tracer->traced, &tr->link);
    return t->trace = tr;
}

void trace_fork(struct task *child, int event) {
    struct trace *tr = current->trace;
    if (!tr || !(tr->options & 1u << event) || !trace_begin(child, tr->tracer, tr->seized, tr->options)) return;
    child->trace->interrupt = tr->seized;
    child->signalled = true;
    if (!tr->seized) send_signal(child, SIGSTOP);
}

static void go_on(struct task *t, int mode, int signo) {
    if (t->trace->mode == TRACE_STEP) task_frame(t)->rflags &= ~(u64)RFLAGS_TF;     /* or its end of tracing would be a trap */
    t->injected = signo;
    t->trace->mode = mode;
    t->trace->code = 0;
    t->call_limit = mode == TRACE_RUN && !t->seccomp ? syscall_count : 0;
    if (t->state == TASK_TRACED) wake_task(t);
}

void trace_drop(struct task *t) {
    struct trace *tr = t->trace;
    if (!tr) return;
    list_del(&tr->link);
    t->trace = NULL;
    wake_up(&tr->tracer->child_event);      /* perhaps nothing is left to wait for */
    kfree(tr);
}

void traces_end(struct process *tracer) {
    struct trace *tr, *next;
    list_for_each_safe(tr, next, &tracer->traced, link) {
        struct task *t = tr->task;
        if (tr->options & O_EXITKILL) send_signal_process(t->process, SIGKILL);
        go_on(t, TRACE_RUN, 0);
        trace_drop(t);
        if (t->process->ended && t->process->parent != tracer) child_ended(t->process);
    }
}

static long attach(struct task *t, u64 address, u64 options, bool seize) {
    if (seize && (address || options & ~(u64)(O_EVENTS | O_TRACESYSGOOD | O_EXITKILL))) return -EIO;
    if (t->kernel_thread || t->process == current->process || !ptrace_may_access(t, PTRACE_MODE_REAL) || t->state >= TASK_ZOMBIE || t->trace)   /* check: ptracetests */
        return -EPERM;
    if (!trace_begin(t, current->process, seize, options)) return -ENOMEM;
    if (t->state == TASK_STOPPED) wake_task(t);             /* to stop for us */
    else if (!seize) send_signal(t, SIGSTOP);
    return 0;
}

/* ---- registers and memory of a stopped task ---------------------------------------------------------------- */

/* In the order of struct user_regs_struct, whose first 15 are the frame's. */
static void get_registers(struct task *t, u64 *r) {
    const struct trapframe *f = task_frame(t);
    u64 rest[] = { f->error == (u64)FRAME_SYSCALL ? f->vector : -1UL, f->rip, f->cs, f->rflags, f->rsp, f->ss, t->fs_base, t->gs_base, 0, 0, 0, 0 };
    memcpy(r, f, 15 * 8);
    memcpy(r + 15, rest, sizeof(rest));
}

static int set_registers(struct task *t, const u64 *r) {
    struct trapframe *f = task_frame(t);
    if (r[16] >= USER_TOP || r[17] != f->cs || r[20] != f->ss || r[21] >= USER_TOP || r[22] >= USER_TOP) return -EIO;
    memcpy(f, r, 15 * 8);
    if ((s64)r[15] < 0) f->error = 0;       /* no call is made, or made again */
    else if (f->error == (u64)FRAME_SYSCALL) f->vector = r[15];
    f->rip = r[16];
    f->rflags = (r[18] & USER_FLAGS) | (f->rflags & ~USER_FLAGS);
    f->rsp = r[19];
    t->fs_base = r[21];
    t->gs_base = r[22];
    return 0;
}

/* GETREGS and its kin: n bytes of one of the two sets. */
static long move_registers(struct task *t, bool floating, bool write, void __user *user, size_t n) {
    u64 r[REGISTERS];
    u8 fpu[512] aligned(16);
    void *set = floating ? (void *)fpu : r;
    memcpy(fpu, t->fpu, sizeof(fpu));
    get_registers(t, r);
    if (!write) return copy_to_user(user, set, n);
    if (copy_from_user(set, user, n)) return -EFAULT;
    if (!floating) return set_registers(t, r);
    fpu_check(fpu);
    memcpy(t->fpu, fpu, sizeof(fpu));
    return 0;
}

static long move_set(struct task *t, u64 type, bool write, struct iovec *user) {
    struct iovec iov;
    if (type != NT_PRSTATUS && type != NT_PRFPREG) return -EINVAL;
    if (get_user(iov, user)) return -EFAULT;
    iov.length = MIN(iov.length, type == NT_PRSTATUS ? REGISTERS * 8UL : 512UL);
    if (iov.length % 8) return -EINVAL;
    long error = move_registers(t, type == NT_PRFPREG, write, iov.base, iov.length);
    return error ? error : put_user(iov, user);
}

static long move_word(struct task *t, long request, u64 address, u64 data) {
    u64 r[REGISTERS], word = data;
    bool user = request == PEEKUSER || request == POKEUSER, write = request >= POKETEXT;
    if (user && (address % 8 || address >= USER_SIZE)) return -EIO;
    get_registers(t, r);
    if (user && address / 8 >= REGISTERS) word = 0;         /* debug registers and the like */
    else if (user && !write) word = r[address / 8];
    else if (user) r[address / 8] = data;
    else if (!t->mm || mm_access(t->mm, address, &word, 8, write) != 8) return -EIO;
    if (!write) return put_user(word, (u64 *)data);
    return !user ? 0 : address / 8 < REGISTERS ? set_registers(t, r) : -EIO;
}

/* ---- commands ----------------------------------------------------------------------------------------------- */

static long command(struct task *t, long request, u64 address, u64 data) {
    struct trace *tr = t->trace;
    switch (request) {
    case PEEKTEXT: case PEEKDATA: case PEEKUSER: case POKETEXT: case POKEDATA: case POKEUSER: return move_word(t, request, address, data);
    case GETREGS: case SETREGS: return move_registers(t, false, request == SETREGS, (void *)data, REGISTERS * 8);
    case GETFPREGS: case SETFPREGS: return move_registers(t, true, request == SETFPREGS, (void *)data, 512);
    case GETREGSET: case SETREGSET: return move_set(t, address, request == SETREGSET, (struct iovec *)data);
    case GETSIGINFO: return tr->info ? put_user(*tr->info, (struct siginfo *)data) : -EINVAL;
    case SETSIGINFO: return tr->info ? get_user(*tr->info, (struct siginfo *)data) : -EINVAL;
    case GETEVENTMSG: return put_user(tr->message, (u64 *)data);
    case SETOPTIONS:
        if (data & ~(u64)(O_EVENTS | O_TRACESYSGOOD | O_EXITKILL)) return -EINVAL;
        tr->options = data;
        return 0;
    case CONT: case SYSCALL: case SINGLESTEP: case DETACH:
        if (data > SIGNALS) return -EIO;
        go_on(t, request == SYSCALL ? TRACE_CALLS : request == SINGLESTEP ? TRACE_STEP : TRACE_RUN, data);
        if (request == DETACH) trace_drop(t);
        return 0;
    default: return -EIO;
    }
}

long sys_ptrace(long request, long pid, u64 address, u64 data) {
    if (request == TRACEME) {
        struct process *parent = current->process->parent;
        if (current->trace || !parent) return -EPERM;   /* nobody could command the first process */
        return trace_begin(current, parent, false, 0) ? 0 : -ENOMEM;
    }
    struct task *t = task_find_here(pid);
    if (!t || pid <= 0) return -ESRCH;
    if (request == ATTACH || request == SEIZE) return attach(t, address, request == SEIZE ? data : 0, request == SEIZE);
    if (!t->trace || t->trace->tracer != current->process) return -ESRCH;
    if (request == KILL) return send_signal(t, SIGKILL), 0;
    if (request == INTERRUPT && t->trace->seized) {
        u64 flags = irq_save();
        t->trace->interrupt = t->signalled = true;
        if (t->state == TASK_SLEEPING) wake_task(t);
        irq_restore(flags);
        return 0;
    }
    return t->state == TASK_TRACED ? command(t, request, address, data) : -ESRCH;
}
