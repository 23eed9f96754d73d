/* Signals as Linux has them: what they carry, how they wait, whom they stop, and who hears of it. */
#include "properties.h"
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>

static siginfo_t info;
static volatile int depth, deepest, order[64], calls;
static volatile long handler_stack;
static void note(int signo, siginfo_t *i, void *context) {
    int here; handler_stack = (long)&here;
    info = *i; order[calls++ & 63] = signo; caught = signo;
    if (++depth > deepest) deepest = depth;
    depth--;
}
static void handle(int signo, int flags) { struct sigaction a = { .sa_sigaction = note, .sa_flags = SA_SIGINFO | flags }; CHECK(!sigaction(signo, &a, NULL)); }
static sigset_t of(int a, int b) { sigset_t s; sigemptyset(&s); if (a) sigaddset(&s, a); if (b) sigaddset(&s, b); return s; }
static void block(int signo) { sigset_t s = of(signo, 0); CHECK(!sigprocmask(SIG_BLOCK, &s, NULL)); }
static void unblock(int signo) { sigset_t s = of(signo, 0); CHECK(!sigprocmask(SIG_UNBLOCK, &s, NULL)); }
static int pending(int signo) { sigset_t s; CHECK(!sigpending(&s)); return sigismember(&s, signo); }
static char self[256];

/* ---- what they carry ---- */
static void kill_says_who(void) {
    handle(SIGUSR1, 0);
    CHECK(!kill(getpid(), SIGUSR1) && info.si_signo == SIGUSR1 && info.si_code == SI_USER && info.si_pid == getpid() && info.si_uid == getuid());
    CHECK(!syscall(SYS_tgkill, getpid(), getpid(), SIGUSR1) && info.si_code == SI_TKILL && info.si_pid == getpid());
    CHECK(!sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = 77 }) && info.si_code == SI_QUEUE && info.si_value.sival_int == 77);
}
static void others_may_not_lie(void) {
    int pid = fork(); if (!pid) { pause(); _exit(0); }
    siginfo_t i = { .si_code = SI_USER };
    FAILS(syscall(SYS_rt_sigqueueinfo, pid, SIGUSR1, &i), EPERM);
    i.si_code = SI_TKILL; FAILS(syscall(SYS_rt_sigqueueinfo, pid, SIGUSR1, &i), EPERM);
    i.si_code = SI_QUEUE; FAILS(syscall(SYS_rt_sigqueueinfo, pid, 65, &i), EINVAL);
    FAILS(syscall(SYS_rt_sigqueueinfo, 0x7ffffff0, SIGUSR1, &i), ESRCH);
    FAILS(syscall(SYS_rt_sigqueueinfo, pid, SIGUSR1, 8), EFAULT);
    FAILS(syscall(SYS_rt_tgsigqueueinfo, 0, pid, SIGUSR1, &i), EINVAL);
    CHECK(!syscall(SYS_rt_tgsigqueueinfo, pid, pid, SIGKILL, &i) && exit_of(pid) == 1000 + SIGKILL);
}
static void sigchld_says_how(void) {
    handle(SIGCHLD, 0);
    int pid = fork(); if (!pid) _exit(9);
    while (!caught) nap(1);
    CHECK(info.si_code == CLD_EXITED && info.si_pid == pid && info.si_status == 9 && info.si_uid == getuid() && exit_of(pid) == 9);
    caught = 0; pid = fork(); if (!pid) for (;;) pause();
    kill(pid, SIGSTOP); while (!caught) nap(1);
    CHECK(info.si_code == CLD_STOPPED && info.si_pid == pid && info.si_status == SIGSTOP);
    caught = 0; kill(pid, SIGCONT); while (!caught) nap(1);
    CHECK(info.si_code == CLD_CONTINUED && info.si_status == SIGCONT);
    caught = 0; kill(pid, SIGKILL); while (!caught) nap(1);
    CHECK(info.si_code == CLD_KILLED && info.si_status == SIGKILL && exit_of(pid) == 1000 + SIGKILL);
}
static void nocldstop_is_quiet(void) {
    handle(SIGCHLD, SA_NOCLDSTOP);
    int pid = fork(), s; if (!pid) for (;;) pause();
    kill(pid, SIGSTOP); CHECK(waitpid(pid, &s, WUNTRACED) == pid && !caught);
    kill(pid, SIGKILL); CHECK(exit_of(pid) == 1000 + SIGKILL && caught);
}
static ucontext_t context;
static void fix(int signo, siginfo_t *i, void *c) { info = *i; context = *(ucontext_t *)c; caught = signo; ((ucontext_t *)c)->uc_mcontext.gregs[REG_RIP] += ((ucontext_t *)c)->uc_mcontext.gregs[REG_R12]; }
static int faults(int signo) { caught = 0; return signo; }
#define FAULT(signo, length, code, ...) do { struct sigaction a_ = { .sa_sigaction = fix, .sa_flags = SA_SIGINFO }; sigaction(signo, &a_, NULL); caught = 0; \
    __asm__ volatile("mov $" #length ", %%r12d\n" code ::__VA_ARGS__ : "r12", "rax", "rdx", "rcx", "memory"); CHECK(caught == signo && info.si_signo == signo); } while (0)
static void faults_say_where(void) {
    char *page = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    FAULT(SIGSEGV, 2, "movb %%al, (%0)", "b"(page + 5));
    CHECK(info.si_code == SEGV_ACCERR && info.si_addr == page + 5 && context.uc_mcontext.gregs[REG_TRAPNO] == 14 && context.uc_mcontext.gregs[REG_ERR] == 6);
    FAULT(SIGSEGV, 2, "movb (%0), %%al", "b"(16L)); CHECK(info.si_code == SEGV_MAPERR && info.si_addr == (void *)16);
    FAULT(SIGSEGV, 2, "movb (%0), %%al", "b"(0x8000000000000000)); CHECK(info.si_code == SI_KERNEL && info.si_addr == 0);
    FAULT(SIGFPE, 2, "xor %%edx, %%edx; xor %%ecx, %%ecx; div %%ecx", "b"(0)); CHECK(info.si_code == FPE_INTDIV);
    FAULT(SIGILL, 2, "ud2", "b"(0)); CHECK(info.si_code == ILL_ILLOPN && info.si_addr == (void *)context.uc_mcontext.gregs[REG_RIP]);
    FAULT(SIGTRAP, 0, "int3", "b"(0)); CHECK(info.si_code == SI_KERNEL);
    FAULT(SIGSEGV, 1, "hlt", "b"(0)); CHECK(info.si_code == SI_KERNEL);
}
static void a_blocked_fault_kills(void) {
    int pid = fork(); if (!pid) { handle(SIGSEGV, 0); block(SIGSEGV); *(volatile int *)8 = 1; _exit(0); }
    CHECK(exit_of(pid) == 1000 + SIGSEGV);
    if (!(pid = fork())) { signal(SIGFPE, SIG_IGN); __asm__ volatile("xor %%eax, %%eax; xor %%edx, %%edx; xor %%ecx, %%ecx; div %%ecx" ::: "rax", "rcx", "rdx"); _exit(0); }
    CHECK(exit_of(pid) == 1000 + SIGFPE);
}
static void a_broken_pipe_signals(void) { int p[2]; pipe(p); close(p[0]); handle(SIGPIPE, 0); FAILS(write(p[1], "x", 1), EPIPE); CHECK(caught == SIGPIPE); }

/* ---- how they wait ---- */
static void numbered_ones_queue_in_order(void) {
    for (int i = 0; i < 3; i++) handle(SIGRTMIN + i, 0);
    for (int i = 0; i < 3; i++) block(SIGRTMIN + i);
    for (int i = 0; i < 2; i++) for (int n = 2; n >= 0; n--) CHECK(!sigqueue(getpid(), SIGRTMIN + n, (union sigval){ .sival_int = i }));
    CHECK(pending(SIGRTMIN) && pending(SIGRTMIN + 2));
    sigset_t none = of(0, 0); sigprocmask(SIG_SETMASK, &none, NULL);
    CHECK(calls == 6 && deepest == 1 && !pending(SIGRTMIN));
}
static void plain_ones_merge(void) {
    handle(SIGUSR1, 0); block(SIGUSR1);
    for (int i = 0; i < 5; i++) kill(getpid(), SIGUSR1);
    unblock(SIGUSR1);
    CHECK(calls == 1);
}
static void ignored_ones_go(void) {
    block(SIGUSR1); kill(getpid(), SIGUSR1); CHECK(pending(SIGUSR1));
    signal(SIGUSR1, SIG_IGN); CHECK(!pending(SIGUSR1));
    kill(getpid(), SIGUSR1); CHECK(pending(SIGUSR1));               /* blocked: kept, for it might be caught by then */
    block(SIGCHLD); kill(getpid(), SIGCHLD); CHECK(pending(SIGCHLD));
    signal(SIGCHLD, SIG_DFL); CHECK(!pending(SIGCHLD));
}
static void kill_and_stop_cannot_be_had(void) {
    struct sigaction a = { .sa_handler = SIG_IGN }; sigset_t s, all;
    FAILS(sigaction(SIGKILL, &a, NULL), EINVAL); FAILS(sigaction(SIGSTOP, &a, NULL), EINVAL);
    CHECK(!syscall(SYS_rt_sigaction, SIGKILL, 0, &(long[8]){ 0 }, 8));
    FAILS(syscall(SYS_rt_sigaction, 65, 0, 0, 8), EINVAL); FAILS(syscall(SYS_rt_sigaction, 0, 0, 0, 8), EINVAL);
    FAILS(syscall(SYS_rt_sigaction, 1, 0, 0, 16), EINVAL);
    sigfillset(&all); sigprocmask(SIG_SETMASK, &all, NULL); sigprocmask(SIG_BLOCK, NULL, &s);
    CHECK(!sigismember(&s, SIGKILL) && !sigismember(&s, SIGSTOP) && sigismember(&s, SIGTERM));
    FAILS(syscall(SYS_rt_sigprocmask, 7, &all, 0, 8), EINVAL); FAILS(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &all, 0, 4), EINVAL);
    FAILS(syscall(SYS_rt_sigprocmask, SIG_BLOCK, 8, 0, 8), EFAULT);
}
static void sigtimedwait_takes(void) {
    sigset_t s = of(SIGUSR1, SIGUSR2); siginfo_t i; struct timespec t = { 0, 20000000 };
    sigprocmask(SIG_BLOCK, &s, NULL);
    long begin = milliseconds();
    FAILS(sigtimedwait(&s, &i, &t), EAGAIN); CHECK(milliseconds() - begin >= 20);
    sigqueue(getpid(), SIGUSR2, (union sigval){ .sival_int = 5 });
    CHECK(sigtimedwait(&s, &i, &t) == SIGUSR2 && i.si_value.sival_int == 5 && !pending(SIGUSR2));
    LATER(10, kill(getppid(), SIGUSR1));
    CHECK(sigwaitinfo(&s, &i) == SIGUSR1 && i.si_code == SI_USER); wait(NULL);
    sigset_t child = of(SIGCHLD, 0); sigprocmask(SIG_BLOCK, &child, NULL);  /* ignored by default, and waited for all the same */
    LATER(10, 0);
    CHECK(sigwaitinfo(&child, &i) == SIGCHLD && i.si_code == CLD_EXITED); wait(NULL);
    handle(SIGALRM, 0); LATER(10, kill(getppid(), SIGALRM));
    FAILS(syscall(SYS_rt_sigtimedwait, &s, &i, 0, 8), EINTR);
    t.tv_nsec = -1; FAILS(syscall(SYS_rt_sigtimedwait, &s, &i, &t, 8), EINVAL);
    FAILS(syscall(SYS_rt_sigtimedwait, &s, &i, 0, 4), EINVAL); FAILS(syscall(SYS_rt_sigtimedwait, 8, &i, 0, 8), EFAULT);
}
static void sigsuspend_swaps_masks(void) {
    sigset_t none = of(0, 0), s; handle(SIGUSR1, 0); handle(SIGUSR2, 0); block(SIGUSR1);
    kill(getpid(), SIGUSR1);
    FAILS(sigsuspend(&none), EINTR);
    CHECK(caught == SIGUSR1 && !sigprocmask(SIG_BLOCK, NULL, &s) && sigismember(&s, SIGUSR1));
    LATER(10, kill(getppid(), SIGUSR1); nap(10); kill(getppid(), SIGUSR2));
    s = of(SIGUSR1, 0);
    FAILS(sigsuspend(&s), EINTR); CHECK(caught == SIGUSR2 && pending(SIGUSR1)); wait(NULL);
}
static void fork_starts_without(void) {
    block(SIGUSR1); kill(getpid(), SIGUSR1);
    int pid = fork(); if (!pid) { sigset_t s; sigprocmask(SIG_BLOCK, NULL, &s); _exit(pending(SIGUSR1) || !sigismember(&s, SIGUSR1)); }
    CHECK(exit_of(pid) == 0 && pending(SIGUSR1));
}
static void exec_keeps_masks_and_pending(void) {
    int pid = fork();
    if (!pid) { signal(SIGUSR2, SIG_IGN); handle(SIGHUP, 0); block(SIGUSR1); kill(getpid(), SIGUSR1); execl(self, "signaltests", "after-exec", (char *)0); _exit(9); }
    CHECK(exit_of(pid) == 0);
}
static int after_exec(void) {
    struct sigaction ignored, reset; sigset_t s;
    sigaction(SIGUSR2, NULL, &ignored); sigaction(SIGHUP, NULL, &reset); sigprocmask(SIG_BLOCK, NULL, &s);
    return !(ignored.sa_handler == SIG_IGN && reset.sa_handler == SIG_DFL && sigismember(&s, SIGUSR1) && pending(SIGUSR1));
}

/* ---- handlers ---- */
static void nest(int signo) { if (++depth > deepest) deepest = depth; if (calls++ < 3) kill(getpid(), signo); depth--; }
static void a_handler_s_own_signal_waits(void) {
    struct sigaction a = { .sa_handler = nest }; sigaction(SIGUSR1, &a, NULL);
    kill(getpid(), SIGUSR1); CHECK(deepest == 1 && calls == 4);
    a.sa_flags = SA_NODEFER; sigaction(SIGUSR1, &a, NULL);
    calls = 0; kill(getpid(), SIGUSR1); CHECK(deepest == 4);
}
static void masks_of_handlers(void) {
    struct sigaction a = { .sa_handler = nest, .sa_mask = of(SIGUSR2, 0) }; sigaction(SIGUSR1, &a, NULL);
    handle(SIGUSR2, 0); block(SIGUSR1); block(SIGUSR2);
    kill(getpid(), SIGUSR1); kill(getpid(), SIGUSR2); calls = 9;
    sigset_t none = of(0, 0), s; sigprocmask(SIG_SETMASK, &none, NULL);
    CHECK(caught == SIGUSR2 && !sigprocmask(SIG_BLOCK, NULL, &s) && !sigismember(&s, SIGUSR1) && !sigismember(&s, SIGUSR2));
}
static void once_only(void) {
    handle(SIGUSR1, SA_RESETHAND); kill(getpid(), SIGUSR1);
    struct sigaction a; sigaction(SIGUSR1, NULL, &a); CHECK(caught && a.sa_handler == SIG_DFL);
}
static char stack[65536];
static void alternate_stacks(void) {
    stack_t s = { stack, 0, sizeof stack }, old;
    CHECK(!sigaltstack(&s, &old) && old.ss_flags == SS_DISABLE);
    handle(SIGUSR1, 0); kill(getpid(), SIGUSR1); CHECK(handler_stack < (long)stack || handler_stack >= (long)stack + (long)sizeof stack);
    handle(SIGUSR1, SA_ONSTACK); kill(getpid(), SIGUSR1); CHECK(handler_stack > (long)stack && handler_stack < (long)stack + (long)sizeof stack);
    CHECK(!sigaltstack(NULL, &old) && old.ss_sp == stack && old.ss_size == sizeof stack && old.ss_flags == 0);
    s.ss_size = 1000; FAILS(syscall(SYS_sigaltstack, &s, 0), ENOMEM);
    s.ss_size = sizeof stack; s.ss_flags = 64; FAILS(syscall(SYS_sigaltstack, &s, 0), EINVAL);
    FAILS(syscall(SYS_sigaltstack, 8, 0), EFAULT);
    int pid = fork(); if (!pid) { CHECK(!sigaltstack(NULL, &old) && old.ss_sp == stack); _exit(0); }
    CHECK(exit_of(pid) == 0);
}
static void on_it(int signo) { stack_t s = { stack, 0, sizeof stack }, old; CHECK(!sigaltstack(NULL, &old) && old.ss_flags == SS_ONSTACK); FAILS(sigaltstack(&s, NULL), EPERM); caught = 1; }
static void the_stack_in_use_stays(void) {
    stack_t s = { stack, 0, sizeof stack }; struct sigaction a = { .sa_handler = on_it, .sa_flags = SA_ONSTACK };
    sigaltstack(&s, NULL); sigaction(SIGUSR1, &a, NULL); kill(getpid(), SIGUSR1); CHECK(caught);
}
static int overflow(int n) { volatile char room[4096]; room[0] = n; return overflow(n + 1) + room[0]; }
static void overflown(int signo, siginfo_t *i, void *c) { _exit(5); }
static void a_stack_overflow_can_be_caught(void) {
    int pid = fork();
    if (!pid) {
        struct rlimit small = { 1 << 20, 1 << 20 }; setrlimit(RLIMIT_STACK, &small);
        stack_t s = { stack, 0, sizeof stack }; struct sigaction a = { .sa_sigaction = overflown, .sa_flags = SA_ONSTACK | SA_SIGINFO };
        sigaltstack(&s, NULL); sigaction(SIGSEGV, &a, NULL); overflow(0);
    }
    CHECK(exit_of(pid) == 5);
    if (!(pid = fork())) { struct rlimit small = { 1 << 20, 1 << 20 }; setrlimit(RLIMIT_STACK, &small); handle(SIGSEGV, 0); overflow(0); }
    CHECK(exit_of(pid) == 1000 + SIGSEGV);      /* no room for the frame: not caught */
}
static void handlers_keep_registers(void) {
    handle(SIGUSR1, 0);
    double x = 1.5; long pid = getpid(), r = SYS_kill, rbx = 0x1234567890abcdef, out;
    __asm__ volatile("movsd %2, %%xmm9; syscall; mov %%rbx, %1; movsd %%xmm9, %2" : "+a"(r), "=r"(out), "+m"(x) : "D"(pid), "S"((long)SIGUSR1), "b"(rbx) : "rcx", "r11", "xmm9", "memory");
    CHECK(r == 0 && caught && out == rbx && x == 1.5);
}

/* ---- calls that they interrupt ---- */
static void reads_restart_if_asked(void) {
    int p[2]; char c; pipe(p);
    handle(SIGUSR1, SA_RESTART); LATER(10, kill(getppid(), SIGUSR1); nap(10); write(p[1], "x", 1));
    CHECK(read(p[0], &c, 1) == 1 && caught == SIGUSR1); wait(NULL);
    handle(SIGUSR1, 0); LATER(10, kill(getppid(), SIGUSR1));
    FAILS(read(p[0], &c, 1), EINTR); wait(NULL);
}
static void waits_restart_if_asked(void) {
    handle(SIGUSR1, SA_RESTART); LATER(10, kill(getppid(), SIGUSR1); nap(10));
    CHECK(wait(NULL) > 0 && caught == SIGUSR1);
    handle(SIGUSR1, 0); LATER(10, kill(getppid(), SIGUSR1); nap(30));
    FAILS(wait(NULL), EINTR); wait(NULL);
}
static void sleeps_say_what_is_left(void) {
    struct timespec t = { 1, 0 }, left = { 0 };
    handle(SIGUSR1, SA_RESTART); LATER(10, kill(getppid(), SIGUSR1));
    FAILS(nanosleep(&t, &left), EINTR); CHECK(left.tv_sec == 0 && left.tv_nsec > 100000000); wait(NULL);
    LATER(10, kill(getppid(), SIGUSR1)); FAILS(poll(NULL, 0, 1000), EINTR); wait(NULL);
    LATER(10, kill(getppid(), SIGUSR1)); FAILS(pause(), EINTR); wait(NULL);
}
static void stopped_sleeps_last_no_longer(void) {
    int pid = fork(), s;
    if (!pid) { long begin = milliseconds(); struct timespec t = { 0, 60000000 }; if (nanosleep(&t, &t)) _exit(1); long took = milliseconds() - begin; _exit(took < 60 || took > 200); }
    nap(10); kill(pid, SIGSTOP); waitpid(pid, &s, WUNTRACED); nap(10); kill(pid, SIGCONT);
    CHECK(exit_of(pid) == 0);
    if (!(pid = fork())) { long begin = milliseconds(); if (poll(NULL, 0, 60)) _exit(1); long took = milliseconds() - begin; _exit(took < 60 || took > 200); }
    nap(10); kill(pid, SIGSTOP); waitpid(pid, &s, WUNTRACED); nap(10); kill(pid, SIGCONT);
    CHECK(exit_of(pid) == 0);
}

/* ---- stopping and waiting ---- */
static int waits_for_ever(void) { int pid = fork(); if (!pid) { setpgid(0, 0); for (;;) pause(); } nap(2); return pid; }
static void stops_are_reported_once(void) {
    int pid = waits_for_ever(), s;
    kill(pid, SIGSTOP);
    CHECK(waitpid(pid, &s, WUNTRACED) == pid && s == (SIGSTOP << 8 | 0x7f) && waitpid(pid, &s, WUNTRACED | WNOHANG) == 0);
    kill(pid, SIGCONT);
    CHECK(waitpid(pid, &s, WCONTINUED) == pid && s == 0xffff && waitpid(pid, &s, WCONTINUED | WNOHANG) == 0);
    kill(pid, SIGTSTP); CHECK(waitpid(pid, &s, WUNTRACED) == pid && WSTOPSIG(s) == SIGTSTP);
    kill(pid, SIGTERM); nap(5); CHECK(waitpid(pid, &s, WNOHANG) == 0);  /* it acts on it when it goes on */
    kill(pid, SIGCONT); CHECK(exit_of(pid) == 1000 + SIGTERM);
}
static void continue_and_stop_cancel_each_other(void) {
    handle(SIGCONT, 0); block(SIGCONT); block(SIGTSTP);
    kill(getpid(), SIGTSTP); CHECK(pending(SIGTSTP));
    kill(getpid(), SIGCONT); CHECK(!pending(SIGTSTP) && pending(SIGCONT));
    kill(getpid(), SIGTSTP); CHECK(pending(SIGTSTP) && !pending(SIGCONT));
}
static void sigcont_goes_on_even_if_blocked(void) {
    int pid = fork(), s; if (!pid) { block(SIGCONT); kill(getpid(), SIGSTOP); _exit(pending(SIGCONT) ? 4 : 5); }
    CHECK(waitpid(pid, &s, WUNTRACED) == pid && WIFSTOPPED(s)); kill(pid, SIGCONT);
    CHECK(exit_of(pid) == 4);               /* and waits, for it is blocked */
    if (!(pid = fork())) { handle(SIGCONT, 0); kill(getpid(), SIGSTOP); _exit(caught == SIGCONT ? 6 : 7); }
    CHECK(waitpid(pid, &s, WUNTRACED) == pid); kill(pid, SIGCONT); CHECK(exit_of(pid) == 6);
}
static void kill_ends_the_stopped(void) { int pid = waits_for_ever(), s; kill(pid, SIGSTOP); waitpid(pid, &s, WUNTRACED); kill(pid, SIGKILL); CHECK(exit_of(pid) == 1000 + SIGKILL); }
static void orphaned_groups_do_not_stop(void) {
    int pid = fork(), s;
    if (!pid) { setsid(); kill(getpid(), SIGTSTP); kill(getpid(), SIGTTIN); kill(getpid(), SIGTTOU); _exit(3); }
    CHECK(exit_of(pid) == 3);
}
static void orphaned_stopped_groups_are_hung_up(void) {
    int *seen = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int pid = fork(), s;
    if (!pid) {
        setsid();
        int child = fork();
        if (!child) {                       /* a group of its own whose only tie to the session is its parent */
            setpgid(0, 0); handle(SIGHUP, 0); handle(SIGCONT, 0); kill(getpid(), SIGSTOP);
            seen[0] = calls; seen[1] = order[0] + order[1]; seen[2] = 1; _exit(0);
        }
        waitpid(child, &s, WUNTRACED); _exit(0);
    }
    CHECK(exit_of(pid) == 0);
    for (int i = 0; i < 200 && !*(volatile int *)(seen + 2); i++) nap(1);
    CHECK(seen[0] == 2 && seen[1] == SIGHUP + SIGCONT);
}
static void waitid_says_all(void) {
    siginfo_t i; int pid = fork(); if (!pid) _exit(42);
    memset(&i, 1, sizeof i);
    CHECK(!waitid(P_PID, pid, &i, WEXITED | WNOWAIT) && i.si_signo == SIGCHLD && i.si_code == CLD_EXITED && i.si_status == 42 && i.si_pid == pid && i.si_uid == getuid());
    CHECK(!waitid(P_ALL, 0, &i, WEXITED) && i.si_pid == pid);
    FAILS(waitid(P_PID, pid, &i, WEXITED), ECHILD);
    pid = waits_for_ever();
    memset(&i, 1, sizeof i);
    CHECK(!waitid(P_PID, pid, &i, WEXITED | WSTOPPED | WNOHANG) && i.si_signo == 0 && i.si_pid == 0);
    kill(pid, SIGSTOP);
    CHECK(!waitid(P_PGID, pid, &i, WSTOPPED | WNOWAIT) && i.si_code == CLD_STOPPED && i.si_status == SIGSTOP);
    CHECK(!waitid(P_PGID, pid, &i, WSTOPPED) && i.si_code == CLD_STOPPED);
    kill(pid, SIGCONT); CHECK(!waitid(P_PID, pid, &i, WCONTINUED) && i.si_code == CLD_CONTINUED && i.si_status == SIGCONT);
    kill(pid, SIGKILL); CHECK(!waitid(P_PID, pid, &i, WEXITED) && i.si_code == CLD_KILLED && i.si_status == SIGKILL);
    FAILS(waitid(P_ALL, 0, &i, 0), EINVAL); FAILS(waitid(9, 0, &i, WEXITED), EINVAL); FAILS(waitid(P_PID, 0, &i, WEXITED), EINVAL);
    FAILS(waitid(P_ALL, 0, &i, WEXITED | 0x100), EINVAL); FAILS(wait4(-1, NULL, WEXITED, NULL), EINVAL); FAILS(wait4(-0x7fffffff - 1, NULL, 0, NULL), ESRCH);
}
static void waits_choose_by_group(void) {
    int a = fork(); if (!a) { setpgid(0, 0); nap(20); _exit(1); }
    int b = fork(); if (!b) _exit(2);
    nap(5);
    int s; CHECK(waitpid(-a, &s, 0) == a && WEXITSTATUS(s) == 1 && waitpid(0, &s, 0) == b && WEXITSTATUS(s) == 2);
    FAILS(waitpid(0, &s, 0), ECHILD);
}
static void ignored_children_vanish(void) {
    signal(SIGCHLD, SIG_IGN); if (!fork()) _exit(1);
    FAILS(wait(NULL), ECHILD);
    handle(SIGCHLD, SA_NOCLDWAIT); if (!fork()) _exit(1);
    FAILS(wait(NULL), ECHILD); CHECK(caught == SIGCHLD);
}
static void usage_of_children_adds_up(void) {
    struct rusage u, all;
    int pid = fork(); if (!pid) { for (volatile int i = 0; i < 4000000; i++) ; _exit(0); }
    CHECK(wait4(pid, NULL, 0, &u) == pid && u.ru_utime.tv_sec + u.ru_utime.tv_usec > 0 && !getrusage(RUSAGE_CHILDREN, &all) && all.ru_utime.tv_usec >= u.ru_utime.tv_usec);
}

/* ---- alarms ---- */
static void alarms_come(void) {
    handle(SIGALRM, 0);
    CHECK(alarm(100) <= 20 && alarm(0) == 100);
    struct itimerval v = { { 0, 10000 }, { 0, 20000 } }, now;
    CHECK(!setitimer(ITIMER_REAL, &v, &now) && !getitimer(ITIMER_REAL, &now) && now.it_interval.tv_usec == 10000 && now.it_value.tv_usec > 10000);
    long begin = milliseconds();
    while (calls < 3) pause();
    CHECK(milliseconds() - begin >= 39 && info.si_code == SI_KERNEL);
    int pid = fork(); if (!pid) { getitimer(ITIMER_REAL, &now); _exit(now.it_value.tv_usec || now.it_value.tv_sec); }
    while (waitpid(pid, &(int){ 0 }, 0) < 0) ;
    v = (struct itimerval){ 0 }; CHECK(!setitimer(ITIMER_REAL, &v, &now) && !getitimer(ITIMER_REAL, &now) && !now.it_value.tv_usec);
    v.it_value.tv_usec = 1000000; FAILS(setitimer(ITIMER_REAL, &v, NULL), EINVAL); FAILS(setitimer(9, &v, NULL), EINVAL);
}

/* ---- permission ---- */
static void strangers_may_not(void) {
    if (getuid()) return;
    int pid = waits_for_ever();
    int other = fork();
    if (!other) {
        CHECK(!setuid(1000));
        FAILS(kill(pid, SIGTERM), EPERM); FAILS(kill(pid, 0), EPERM); FAILS(syscall(SYS_tkill, pid, SIGTERM), EPERM);
        CHECK(!kill(pid, SIGCONT));         /* of the same session */
        FAILS(kill(-pid, SIGTERM), EPERM);
        _exit(0);
    }
    CHECK(exit_of(other) == 0 && !kill(pid, SIGKILL) && exit_of(pid) == 1000 + SIGKILL);
    FAILS(kill(pid, 0), ESRCH); FAILS(kill(-0x7ffffff0, 0), ESRCH); FAILS(kill(getpid(), 65), EINVAL); FAILS(kill(getpid(), -1), EINVAL);
}

int main(int argc, char **argv) {
    if (argc == 2 && !strcmp(argv[1], "after-exec")) return after_exec();
    readlink("/proc/self/exe", self, sizeof self - 1);
    static const struct property all[] = {
        T(kill_says_who), T(others_may_not_lie), T(sigchld_says_how), T(nocldstop_is_quiet), T(faults_say_where), T(a_blocked_fault_kills),
        T(a_broken_pipe_signals), T(numbered_ones_queue_in_order), T(plain_ones_merge), T(ignored_ones_go), T(kill_and_stop_cannot_be_had),
        T(sigtimedwait_takes), T(sigsuspend_swaps_masks), T(fork_starts_without), T(exec_keeps_masks_and_pending),
        T(a_handler_s_own_signal_waits), T(masks_of_handlers), T(once_only), T(alternate_stacks), T(the_stack_in_use_stays),
        T(a_stack_overflow_can_be_caught), T(handlers_keep_registers), T(reads_restart_if_asked), T(waits_restart_if_asked),
        T(sleeps_say_what_is_left), T(stopped_sleeps_last_no_longer), T(stops_are_reported_once), T(continue_and_stop_cancel_each_other),
        T(sigcont_goes_on_even_if_blocked), T(kill_ends_the_stopped), T(orphaned_groups_do_not_stop), T(orphaned_stopped_groups_are_hung_up),
        T(waitid_says_all), T(waits_choose_by_group), T(ignored_children_vanish), T(usage_of_children_adds_up), T(alarms_come),
        T(strangers_may_not), { 0 },
    };
    return run_properties(all, argc, argv);
}
