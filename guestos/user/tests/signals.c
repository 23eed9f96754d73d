/* Signals: handlers, masks, interrupted calls, alternate stacks, and frames. */
#include "tests.h"
#include <ucontext.h>

static siginfo_t info;
static sigjmp_buf back;
static int count;
static void note_info(int signo, siginfo_t *i, void *u) { seen = signo; info = *i; }
static void escape(int signo, siginfo_t *i, void *u) { seen = signo; info = *i; siglongjmp(back, 1); }
static void counted(int signo) { count++; }
static void handle_info(int signo, void (*handler)(int, siginfo_t *, void *), int flags) {
    struct sigaction a = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags };
    WORKS(sigaction(signo, &a, NULL));
}
static sigset_t only(int signo) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signo);
    return set;
}
static void block(int signo) {
    sigset_t set = only(signo);
    WORKS(sigprocmask(SIG_BLOCK, &set, NULL));
}
static void unblock(int signo) {
    sigset_t set = only(signo);
    WORKS(sigprocmask(SIG_UNBLOCK, &set, NULL));
}
static void alarm_after(long microseconds) {
    struct itimerval soon = { .it_value = { 0, microseconds } };
    WORKS(setitimer(ITIMER_REAL, &soon, NULL));
}

TEST(a_handler_is_told_who_sent_it) {
    handle_info(SIGUSR1, note_info, 0);
    WORKS(kill(getpid(), SIGUSR1));
    CHECK(seen == SIGUSR1 && info.si_signo == SIGUSR1 && info.si_pid == getpid() && info.si_uid == 0 && info.si_code == SI_USER);
}
TEST(tgkill_says_SI_TKILL) {
    handle_info(SIGUSR1, note_info, 0);
    WORKS(syscall(SYS_tgkill, getpid(), getpid(), SIGUSR1));
    GIVES(info.si_code, SI_TKILL);
}
TEST(a_handler_leaves_all_registers) {
    handle(SIGUSR1, note, 0);
    register double x __asm__("xmm5") = 3.25;
    register long a __asm__("r12") = 1, b __asm__("r8") = 2, c __asm__("rbx") = 3;
    long r = SYS_kill, pid = getpid(), signo = SIGUSR1, d = 4;
    __asm__ volatile("syscall" : "+a"(r), "+D"(pid), "+S"(signo), "+d"(d), "+r"(a), "+r"(b), "+r"(c), "+x"(x) :: "rcx", "r11", "memory");
    double after = x;
    CHECK(a == 1 && b == 2 && c == 3 && d == 4 && after == 3.25 && r == 0 && pid == getpid() && signo == SIGUSR1);
    GIVES(seen, SIGUSR1);
}
TEST(ignored_signals_do_nothing) {
    signal(SIGUSR2, SIG_IGN);
    WORKS(raise(SIGUSR2));
    CHILD(pid, signal(SIGTERM, SIG_IGN); raise(SIGTERM));
    EXITS(pid, 0);
}
TEST(default_actions_kill_ignore_stop) {
    static const int kill_by[] = { SIGHUP, SIGINT, SIGQUIT, SIGABRT, SIGUSR1, SIGPIPE, SIGALRM, SIGTERM, SIGXCPU, SIGIO, SIGSYS, 40 };
    for (unsigned i = 0; i < sizeof kill_by / sizeof *kill_by; i++) {
        CHILD(pid, kill(getpid(), kill_by[i]); pause());
        DIES(pid, kill_by[i]);
    }
    static const int ignored[] = { SIGCHLD, SIGURG, SIGWINCH, SIGCONT };
    for (unsigned i = 0; i < sizeof ignored / sizeof *ignored; i++) {
        CHILD(pid, raise(ignored[i]));
        EXITS(pid, 0);
    }
}
TEST(SIGKILL_and_SIGSTOP_are_not_to_be_caught) {
    struct sigaction a = { .sa_handler = note };
    FAILS(sigaction(SIGKILL, &a, NULL), EINVAL);
    FAILS(sigaction(SIGSTOP, &a, NULL), EINVAL);
    WORKS(sigaction(SIGKILL, NULL, &a));
    sigset_t all;
    sigfillset(&all);
    CHILD(pid, sigprocmask(SIG_BLOCK, &all, NULL); for (;;) pause());
    pass(5000000);
    WORKS(kill(pid, SIGKILL));
    DIES(pid, SIGKILL);
}
TEST(sigaction_returns_the_old_action) {
    struct sigaction old;
    handle(SIGUSR1, note, SA_RESTART);
    WORKS(sigaction(SIGUSR1, NULL, &old));
    CHECK(old.sa_handler == note && old.sa_flags & SA_RESTART);
}
TEST(sigaction_errors) {
    char action[64] = { 0 };
    FAILS(syscall(SYS_rt_sigaction, 0, NULL, action, 8), EINVAL);
    FAILS(syscall(SYS_rt_sigaction, 65, NULL, action, 8), EINVAL);
    FAILS(syscall(SYS_rt_sigaction, SIGUSR1, NULL, action, 4), EINVAL);
    FAILS(syscall(SYS_rt_sigaction, SIGUSR1, NOWHERE, NULL, 8), EFAULT);
    FAILS(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NOWHERE, 8), EFAULT);
    FAILS(syscall(SYS_rt_sigaction, 99, NOWHERE, NULL, 8), EFAULT);
    FAILS(syscall(SYS_rt_sigaction, 99, NOWHERE, NULL, 4), EINVAL);
}
TEST(a_blocked_signal_waits) {
    handle(SIGUSR1, note, 0);
    block(SIGUSR1);
    raise(SIGUSR1);
    GIVES(seen, 0);
    sigset_t pending;
    WORKS(sigpending(&pending));
    CHECK(sigismember(&pending, SIGUSR1) && !sigismember(&pending, SIGUSR2));
    unblock(SIGUSR1);
    GIVES(seen, SIGUSR1);
}
TEST(a_standard_signal_waits_once) {
    handle(SIGUSR1, counted, 0);
    block(SIGUSR1);
    for (int i = 0; i < 3; i++) raise(SIGUSR1);
    unblock(SIGUSR1);
    GIVES(count, 1);
}
TEST(real_time_signals_queue) {
    handle(40, counted, 0);
    block(40);
    for (int i = 0; i < 3; i++) WORKS(kill(getpid(), 40));
    unblock(40);
    GIVES(count, 3);
}
TEST(sigprocmask_errors) {
    long set = 0;
    FAILS(syscall(SYS_rt_sigprocmask, 9, &set, NULL, 8), EINVAL);
    FAILS(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, 4), EINVAL);
    FAILS(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NOWHERE, NULL, 8), EFAULT);
    FAILS(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, NOWHERE, 8), EFAULT);
    WORKS(syscall(SYS_rt_sigprocmask, 9, NULL, &set, 8));
    FAILS(syscall(SYS_rt_sigpending, NOWHERE, 8), EFAULT);
    FAILS(syscall(SYS_rt_sigpending, &set, 16), EINVAL);
}
TEST(sigsuspend_waits_with_another_mask) {
    sigset_t old;
    WORKS(sigprocmask(SIG_BLOCK, NULL, &old));
    handle(SIGUSR1, note, 0);
    block(SIGUSR1);
    raise(SIGUSR1);
    FAILS(sigsuspend(&old), EINTR);
    GIVES(seen, SIGUSR1);
    WORKS(sigprocmask(SIG_BLOCK, NULL, &old));
    CHECK(sigismember(&old, SIGUSR1));
    FAILS(syscall(SYS_rt_sigsuspend, NOWHERE, 8), EFAULT);
    FAILS(syscall(SYS_rt_sigsuspend, &old, 4), EINVAL);
}
static sigset_t in_handler;
static void note_mask(int signo) { sigprocmask(SIG_BLOCK, NULL, &in_handler); }
TEST(a_handler_runs_with_its_mask) {
    struct sigaction a = { .sa_handler = note_mask, .sa_mask = only(SIGUSR2) };
    WORKS(sigaction(SIGUSR1, &a, NULL));
    raise(SIGUSR1);
    CHECK(sigismember(&in_handler, SIGUSR1) && sigismember(&in_handler, SIGUSR2) && !sigismember(&in_handler, SIGTERM));
    sigset_t after;
    WORKS(sigprocmask(SIG_BLOCK, NULL, &after));
    CHECK(!sigismember(&after, SIGUSR1) && !sigismember(&after, SIGUSR2));
}
TEST(SA_NODEFER_lets_it_come_again) {
    handle(SIGUSR1, note_mask, SA_NODEFER);
    raise(SIGUSR1);
    CHECK(!sigismember(&in_handler, SIGUSR1));
}
TEST(SA_RESETHAND_handles_once) {
    CHILD(pid, handle(SIGUSR1, note, SA_RESETHAND); raise(SIGUSR1); CHECK(seen == SIGUSR1); raise(SIGUSR1));
    DIES(pid, SIGUSR1);
}
TEST(faults_tell_where_and_why) {
    handle_info(SIGSEGV, escape, 0);
    char *p = pages(1, PROT_READ);
    if (!sigsetjmp(back, 1)) *(volatile int *)0x1234 = 1;
    CHECK(seen == SIGSEGV && info.si_addr == (void *)0x1234 && info.si_code == SEGV_MAPERR);
    if (!sigsetjmp(back, 1)) *(volatile char *)(p + 7) = 1;
    CHECK(info.si_addr == p + 7 && info.si_code == SEGV_ACCERR);
}
static void divide(void) { __asm__ volatile("xorl %%ecx, %%ecx; movl $1, %%eax; cltd; idivl %%ecx" ::: "eax", "ecx", "edx"); }
TEST(division_by_zero_is_FPE_INTDIV) {
    handle_info(SIGFPE, escape, 0);
    if (!sigsetjmp(back, 1)) divide();
    CHECK(seen == SIGFPE && info.si_code == FPE_INTDIV);
}
TEST(an_illegal_instruction_tells_its_address) {
    handle_info(SIGILL, escape, 0);
    if (!sigsetjmp(back, 1)) __asm__ volatile("ud2");
    CHECK(seen == SIGILL && info.si_code == ILL_ILLOPN && info.si_addr);
}
TEST(a_blocked_fault_kills) {
    CHILD(pid, handle(SIGSEGV, note, 0); block(SIGSEGV); *(volatile int *)0x1234 = 1);
    DIES(pid, SIGSEGV);
}
TEST(an_ignored_fault_kills) {
    CHILD(pid, signal(SIGSEGV, SIG_IGN); *(volatile int *)0x1234 = 1);
    DIES(pid, SIGSEGV);
}

/* ---- interrupted calls ---- */

TEST(a_read_without_SA_RESTART_is_EINTR) {
    int ends[2];
    char c;
    WORKS(pipe(ends));
    handle(SIGALRM, note, 0);
    alarm_after(10000);
    FAILS(read(ends[0], &c, 1), EINTR);
    GIVES(seen, SIGALRM);
}
TEST(a_read_with_SA_RESTART_goes_on) {
    int ends[2];
    char c;
    WORKS(pipe(ends));
    CHILD(pid, pass(40000000); write(ends[1], "x", 1));
    handle(SIGALRM, note, SA_RESTART);
    alarm_after(10000);
    GIVES(read(ends[0], &c, 1), 1);
    GIVES(seen, SIGALRM);
    EXITS(pid, 0);
}
TEST(wait_restarts_too) {
    CHILD(pid, pass(40000000));
    handle(SIGALRM, note, SA_RESTART);
    alarm_after(10000);
    GIVES(waitpid(pid, NULL, 0), pid);
    GIVES(seen, SIGALRM);
}
TEST(sleep_and_poll_never_restart) {
    struct timespec second = { 1, 0 }, left = { 0, 0 };
    handle(SIGALRM, note, SA_RESTART);
    alarm_after(10000);
    FAILS(nanosleep(&second, &left), EINTR);
    CHECK(left.tv_sec == 0 && left.tv_nsec > 500000000);
    alarm_after(10000);
    FAILS(poll(NULL, 0, 1000), EINTR);
    alarm_after(10000);
    FAILS(pause(), EINTR);
}
TEST(what_was_transferred_before_a_signal_is_returned) {
    int ends[2];
    char block[PAGE], *big = calloc(1, 100000);
    WORKS(pipe(ends));
    handle(SIGALRM, note, 0);
    alarm_after(10000);
    ssize_t n = write(ends[1], big, 100000);
    CHECK(n == 65536 && seen == SIGALRM);
    GIVES(read(ends[0], block, sizeof block), PAGE);
}
TEST(ignored_signals_interrupt_nothing) {
    int ends[2];
    char c;
    WORKS(pipe(ends));
    signal(SIGALRM, SIG_IGN);
    alarm_after(5000);
    CHILD(pid, pass(20000000); write(ends[1], "x", 1));
    GIVES(read(ends[0], &c, 1), 1);
    EXITS(pid, 0);
}
TEST(a_sleep_goes_on_after_a_stop) {
    long start = nanoseconds();
    CHILD(pid, struct timespec t = { 0, 80000000 }; WORKS(nanosleep(&t, NULL)));
    pass(20000000);
    WORKS(kill(pid, SIGSTOP));
    pass(20000000);
    WORKS(kill(pid, SIGCONT));
    EXITS(pid, 0);
    long took = nanoseconds() - start;
    CHECK(took >= 80000000 && took < 500000000);
}
TEST(a_stopped_process_does_nothing_until_continued) {
    volatile int *n = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHILD(pid, for (;;) ++*n);
    pass(5000000);
    WORKS(kill(pid, SIGSTOP));
    waitpid(pid, NULL, WUNTRACED);
    int before = *n;
    pass(20000000);
    GIVES(*n, before);
    WORKS(kill(pid, SIGCONT));
    pass(20000000);
    CHECK(*n != before);
    WORKS(kill(pid, SIGKILL));
    DIES(pid, SIGKILL);
}

/* ---- sending ---- */

TEST(kill_errors) {
    FAILS(kill(getpid(), 65), EINVAL);
    FAILS(kill(getpid(), -1), EINVAL);
    FAILS(kill(99999, 0), ESRCH);
    FAILS(kill(99999, 65), ESRCH);
    FAILS(kill(-99999, 0), ESRCH);
    FAILS(syscall(SYS_tgkill, getpid(), 99999, 0), ESRCH);
    FAILS(syscall(SYS_tgkill, 1, getpid(), 0), ESRCH);
    FAILS(syscall(SYS_tgkill, -1, getpid(), 0), EINVAL);
    FAILS(syscall(SYS_tkill, 0, 0), EINVAL);
    FAILS(syscall(SYS_tkill, 99999, 0), ESRCH);
}
TEST(kill_reaches_a_whole_group) {
    CHILD(a, setpgid(0, 0); for (;;) pause());
    setpgid(a, a);
    CHILD(b, setpgid(0, a); for (;;) pause());
    setpgid(b, a);
    WORKS(kill(-a, SIGTERM));
    DIES(a, SIGTERM);
    DIES(b, SIGTERM);
    CHILD(c, setpgid(0, 0); handle(SIGUSR1, note, 0); WORKS(kill(0, SIGUSR1)); CHECK(seen == SIGUSR1));
    EXITS(c, 0);
}
TEST(SIGCONT_drops_pending_stops_and_the_other_way) {
    block(SIGTSTP);
    block(SIGCONT);
    sigset_t pending;
    raise(SIGTSTP);
    raise(SIGCONT);
    WORKS(sigpending(&pending));
    CHECK(!sigismember(&pending, SIGTSTP) && sigismember(&pending, SIGCONT));
    raise(SIGTSTP);
    WORKS(sigpending(&pending));
    CHECK(sigismember(&pending, SIGTSTP) && !sigismember(&pending, SIGCONT));
}
TEST(sigwaitinfo_takes_what_is_pending) {
    siginfo_t got;
    sigset_t set = only(SIGUSR1);
    block(SIGUSR1);
    raise(SIGUSR1);
    GIVES(sigwaitinfo(&set, &got), SIGUSR1);
    CHECK(got.si_pid == getpid());
    struct timespec none = { 0, 1000000 }, bad = { 0, 1000000000 };
    FAILS(sigtimedwait(&set, &got, &none), EAGAIN);
    FAILS(sigtimedwait(&set, &got, &bad), EINVAL);
}
TEST(sigqueue_carries_a_value) {
    handle_info(SIGUSR1, note_info, 0);
    WORKS(sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = 77 }));
    CHECK(info.si_code == SI_QUEUE && info.si_value.sival_int == 77 && info.si_pid == getpid());
}

/* ---- stacks and frames ---- */

static char alternative[65536];
static void on_alternative(int signo) {
    char here;
    seen = &here >= alternative && &here < alternative + sizeof alternative;
    siglongjmp(back, 1);
}
static volatile int depth;
#pragma clang diagnostic ignored "-Winfinite-recursion"
static void recurse(void) {
    volatile char frame[PAGE];
    frame[0] = 1;
    depth++;
    recurse();
    frame[1] = 2;
}
TEST(a_stack_overflow_is_caught_on_another_stack) {
    stack_t s = { .ss_sp = alternative, .ss_size = sizeof alternative };
    WORKS(sigaltstack(&s, NULL));
    handle(SIGSEGV, on_alternative, SA_ONSTACK);
    if (!sigsetjmp(back, 1)) recurse();
    CHECK(seen == 1 && depth > 1000);
}
TEST(a_stack_overflow_without_one_kills) {
    CHILD(pid, handle(SIGSEGV, note, 0); recurse());
    DIES(pid, SIGSEGV);
}
TEST(sigaltstack_errors) {
    stack_t s = { .ss_sp = alternative, .ss_size = 100 }, old;
    FAILS(syscall(SYS_sigaltstack, &s, NULL), ENOMEM);
    s.ss_flags = 99;
    FAILS(syscall(SYS_sigaltstack, &s, NULL), EINVAL);
    FAILS(syscall(SYS_sigaltstack, NOWHERE, NULL), EFAULT);
    WORKS(sigaltstack(NULL, &old));
    GIVES(old.ss_flags, SS_DISABLE);
    FAILS(syscall(SYS_sigaltstack, NULL, NOWHERE), EFAULT);
}
static int change_while_on_it;
static void change_stack(int signo) {
    stack_t s = { .ss_sp = alternative, .ss_size = sizeof alternative }, old;
    change_while_on_it = syscall(SYS_sigaltstack, &s, &old) == -1 && errno == EPERM && old.ss_flags == 0;
    sigaltstack(NULL, &old);
    change_while_on_it += old.ss_flags == SS_ONSTACK;
}
TEST(the_stack_in_use_cannot_be_changed) {
    stack_t s = { .ss_sp = alternative, .ss_size = sizeof alternative };
    WORKS(sigaltstack(&s, NULL));
    handle(SIGUSR1, change_stack, SA_ONSTACK);
    raise(SIGUSR1);
    CHECK(change_while_on_it >= 1);
}
static void forge_address(int signo, siginfo_t *i, void *u) { ((ucontext_t *)u)->uc_mcontext.gregs[REG_RIP] = (long)KERNEL; }
static void forge_flags(int signo, siginfo_t *i, void *u) {
    ucontext_t *c = u;
    c->uc_mcontext.gregs[REG_EFL] |= 0x3000 | 0x4000;       /* IOPL 3, NT */
    c->uc_mcontext.gregs[REG_EFL] &= ~0x200L;               /* interrupts off */
    c->uc_mcontext.gregs[REG_CSGSFS] = 0x10;
}
TEST(a_forged_frame_gains_no_privilege) {
    CHILD(pid, handle_info(SIGUSR1, forge_address, 0); raise(SIGUSR1));
    DIES(pid, SIGSEGV);
    CHILD(second, handle_info(SIGUSR1, forge_flags, 0); raise(SIGUSR1); __asm__ volatile("outb %al, $0xf4"));
    DIES(second, SIGSEGV);
}
TEST(sigreturn_without_a_frame_kills) {
    CHILD(pid, char *page = pages(1, PROT_NONE);
          __asm__ volatile("movq %0, %%rsp; syscall" :: "r"(page + PAGE), "a"(SYS_rt_sigreturn) : "memory"));
    DIES(pid, SIGSEGV);
}
static void change_register(int signo, siginfo_t *i, void *u) { ((ucontext_t *)u)->uc_mcontext.gregs[REG_RBX] = 4711; }
TEST(a_handler_may_change_registers) {
    handle_info(SIGUSR1, change_register, 0);
    long r = SYS_kill, b = 1;
    __asm__ volatile("syscall" : "+a"(r), "+b"(b) : "D"(getpid()), "S"(SIGUSR1) : "rcx", "r11", "memory");
    GIVES(b, 4711);
}
TEST(fork_copies_actions_and_mask_but_nothing_pending) {
    handle(SIGUSR1, note, 0);
    block(SIGUSR1);
    raise(SIGUSR1);
    CHILD(pid, sigset_t set; sigpending(&set); CHECK(!sigismember(&set, SIGUSR1)); raise(SIGUSR1); unblock(SIGUSR1);
          CHECK(seen == SIGUSR1));
    EXITS(pid, 0);
}
