/* ptrace as Linux has it: stops, registers, memory, events, and who may. */
#include "properties.h"
#include <elf.h>
#include <grp.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

#define P(request, pid, address, data) syscall(SYS_ptrace, (long)(request), (long)(pid), (long)(address), (long)(data))
#define GOOD(call) CHECK((call) == 0)
#define STOPPED(status, signo) ((status) == ((signo) << 8 | 0x7f))
#define EVENT(status, event) ((status) == ((SIGTRAP | (event) << 8) << 8 | 0x7f))

static char self[PATH_MAX];
static volatile long word = 1234;
static const volatile long constant = 77;
static siginfo_t info;

static int next_stop(int pid) { int s = -1; CHECK(waitpid(pid, &s, __WALL) == pid); return s; }
static struct user_regs_struct registers(int pid) { struct user_regs_struct r; GOOD(P(PTRACE_GETREGS, pid, 0, &r)); return r; }
static void set(int pid, struct user_regs_struct *r) { GOOD(P(PTRACE_SETREGS, pid, 0, r)); }
static long peek(int pid, const volatile void *at) { long v; GOOD(P(PTRACE_PEEKDATA, pid, at, &v)); return v; }
/* A child that is traced and has stopped itself before the statements. */
#define TRACED(pid, ...) int pid = fork(); if (!pid) { GOOD(P(PTRACE_TRACEME, 0, 0, 0)); raise(SIGSTOP); __VA_ARGS__; _exit(0); } CHECK(STOPPED(next_stop(pid), SIGSTOP))
#define PLAIN(pid, ...) int pid = fork(); if (!pid) { __VA_ARGS__; _exit(0); } nap(20)
#define TO(pid, request, signo, status) do { GOOD(P(request, pid, 0, signo)); int s_ = next_stop(pid); if (s_ != (status)) { printf("    line %d: status %x\n", __LINE__, s_); fflush(stdout); _exit(1); } } while (0)
#define STOP(signo) ((signo) << 8 | 0x7f)
#define CALL STOP(SIGTRAP | 0x80)

/* ---- signals ---- */
static void a_signal_stops_and_is_passed_on(void) {
    TRACED(pid, catch_it(SIGUSR1, 0); raise(SIGUSR1); if (caught != SIGUSR1) _exit(1); raise(SIGTERM));
    GOOD(P(PTRACE_GETSIGINFO, pid, 0, &info));
    CHECK(info.si_signo == SIGSTOP && info.si_code == SI_TKILL && info.si_pid == pid);
    TO(pid, PTRACE_CONT, 0, STOP(SIGUSR1));
    TO(pid, PTRACE_CONT, SIGUSR1, STOP(SIGTERM));
    TO(pid, PTRACE_CONT, SIGTERM, SIGTERM);
}
static void a_signal_is_kept_or_replaced(void) {
    TRACED(pid, catch_it(SIGUSR2, 0); raise(SIGTERM); if (caught) _exit(1); raise(SIGTERM); if (caught != SIGUSR2) _exit(2));
    TO(pid, PTRACE_CONT, 0, STOP(SIGTERM));
    TO(pid, PTRACE_CONT, 0, STOP(SIGTERM));
    TO(pid, PTRACE_CONT, SIGUSR2, 0);
}
static void ignored_signals_are_seen_blocked_ones_are_not(void) {
    sigset_t s; sigemptyset(&s); sigaddset(&s, SIGUSR2);
    TRACED(pid, signal(SIGUSR1, SIG_IGN); raise(SIGUSR1); raise(SIGCHLD); sigprocmask(SIG_BLOCK, &s, NULL); raise(SIGUSR2); _exit(3));
    TO(pid, PTRACE_CONT, 0, STOP(SIGUSR1));
    TO(pid, PTRACE_CONT, SIGUSR1, STOP(SIGCHLD));
    TO(pid, PTRACE_CONT, SIGCHLD, 3 << 8);
}
static void a_kill_needs_nobody(void) {
    TRACED(pid, pause());
    GOOD(kill(pid, SIGKILL));
    CHECK(next_stop(pid) == SIGKILL);
    TRACED(other, pause());
    GOOD(P(PTRACE_KILL, other, 0, 0));
    CHECK(next_stop(other) == SIGKILL);
}
static void a_job_stop_is_seen_too(void) {
    TRACED(pid, _exit(9));
    TO(pid, PTRACE_CONT, SIGSTOP, STOP(SIGSTOP));
    FAILS(P(PTRACE_GETSIGINFO, pid, 0, &info), EINVAL);
    TO(pid, PTRACE_CONT, 0, 9 << 8);
}
static siginfo_t got;
static void take(int signo, siginfo_t *i, void *context) { got = *i; }
static void siginfo_can_be_changed(void) {
    struct sigaction a = { .sa_sigaction = take, .sa_flags = SA_SIGINFO };
    TRACED(pid, sigaction(SIGUSR1, &a, NULL); raise(SIGUSR1); _exit(got.si_pid == 4242 ? 0 : 1));
    TO(pid, PTRACE_CONT, 0, STOP(SIGUSR1));
    GOOD(P(PTRACE_GETSIGINFO, pid, 0, &info));
    info.si_pid = 4242; GOOD(P(PTRACE_SETSIGINFO, pid, 0, &info));
    TO(pid, PTRACE_CONT, SIGUSR1, 0);
}
static void the_tracer_is_told(void) {
    catch_it(SIGCHLD, 0);
    TRACED(pid, raise(SIGUSR1));
    caught = 0;
    GOOD(P(PTRACE_CONT, pid, 0, 0));
    for (int i = 0; i < 100 && !caught; i++) nap(5);
    CHECK(caught == SIGCHLD);
    memset(&info, 0, sizeof info);
    GOOD(waitid(P_PID, pid, &info, WSTOPPED | WNOWAIT));
    CHECK(info.si_code == CLD_TRAPPED && info.si_status == SIGUSR1 && info.si_pid == pid && info.si_signo == SIGCHLD);
    CHECK(STOPPED(next_stop(pid), SIGUSR1));
    int s; CHECK(waitpid(pid, &s, WNOHANG) == 0);
    kill(pid, SIGKILL); CHECK(next_stop(pid) == SIGKILL);
}

/* ---- system calls ---- */
static void calls_stop_twice(void) {
    TRACED(pid, if (syscall(SYS_getppid) != getppid()) _exit(1));
    GOOD(P(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD));
    TO(pid, PTRACE_SYSCALL, 0, CALL);       /* the end of kill */
    do TO(pid, PTRACE_SYSCALL, 0, CALL); while (registers(pid).orig_rax != SYS_getppid);
    struct user_regs_struct r = registers(pid);
    CHECK((long)r.rax == -ENOSYS);
    GOOD(P(PTRACE_GETSIGINFO, pid, 0, &info));
    CHECK(info.si_signo == SIGTRAP && info.si_code == (SIGTRAP | 0x80) && info.si_pid == pid);
    TO(pid, PTRACE_SYSCALL, 0, CALL);
    r = registers(pid);
    CHECK(r.orig_rax == SYS_getppid && (int)r.rax == getpid());
    GOOD(P(PTRACE_SETOPTIONS, pid, 0, 0));
    TO(pid, PTRACE_SYSCALL, 0, STOP(SIGTRAP));
    TO(pid, PTRACE_CONT, 0, 0);
}
static void calls_can_be_changed(void) {
    TRACED(pid, if (syscall(SYS_getppid, 1) != 4321) _exit(1); if (syscall(SYS_getppid, 2) != 99) _exit(2); if (syscall(SYS_getppid, 3) != 55) _exit(3);
           if (syscall(SYS_getppid, 4) != 24) _exit(4); if (syscall(SYS_getppid, 5) != -1 || errno != ENOSYS) _exit(5));
    GOOD(P(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD));
    TO(pid, PTRACE_SYSCALL, 0, CALL);
    for (int i = 1; i <= 5; i++) {
        struct user_regs_struct r;
        do TO(pid, PTRACE_SYSCALL, 0, CALL); while ((r = registers(pid)).orig_rax != SYS_getppid || (int)r.rdi != i);
        if (i == 2) r.orig_rax = -1, r.rax = 99;
        if (i == 3) r.orig_rax = SYS_getpid;
        if (i == 5) r.orig_rax = 100000;
        if (i == 4) r.orig_rax = SYS_umask, r.rdi = 022;
        set(pid, &r);
        TO(pid, PTRACE_SYSCALL, 0, CALL);
        r = registers(pid);
        if (i == 1) r.rax = 4321;
        if (i == 2) CHECK(r.rax == 99);
        if (i == 3) { CHECK((int)r.rax == pid); r.rax = 55; }
        if (i == 4) r.rax = 24;
        set(pid, &r);
    }
    TO(pid, PTRACE_CONT, 0, 0);
}
static void an_exec_is_a_trap(void) {
    TRACED(pid, execl(self, self, "--exit", NULL));
    TO(pid, PTRACE_CONT, 0, STOP(SIGTRAP));
    GOOD(P(PTRACE_GETSIGINFO, pid, 0, &info));
    CHECK(info.si_code == SI_USER && info.si_pid == pid && registers(pid).orig_rax == SYS_execve && registers(pid).rax == 0);
    TO(pid, PTRACE_CONT, 0, 7 << 8);
    TRACED(other, execl(self, self, "--exit", NULL));
    GOOD(P(PTRACE_SETOPTIONS, other, 0, PTRACE_O_TRACEEXEC));
    TO(other, PTRACE_CONT, 0, STOP(SIGTRAP | PTRACE_EVENT_EXEC << 8));
    long message; GOOD(P(PTRACE_GETEVENTMSG, other, 0, &message));
    CHECK(message == other);
    TO(other, PTRACE_CONT, 0, 7 << 8);
}

/* ---- single steps and breakpoints ---- */
__asm__(".text\n.globl steps, steps_end\nsteps: nop\n incl %eax\n jmp 1f\n hlt\n1: nop\n movl $39, %eax\n syscall\n nop\nsteps_end: ret\n");
void steps(void); extern const char steps_end[];
static void each_instruction_is_a_step(void) {
    TRACED(pid, for (;;) steps());
    struct user_regs_struct r = registers(pid);
    r.rip = (long)steps;
    set(pid, &r);
    int n = 0;
    do { TO(pid, PTRACE_SINGLESTEP, 0, STOP(SIGTRAP)); n++; } while (registers(pid).rip != (long)steps_end && n < 20);
    CHECK(n == 7 && (int)registers(pid).rax == pid && !(registers(pid).eflags & 0x100));
    GOOD(P(PTRACE_GETSIGINFO, pid, 0, &info));
    CHECK(info.si_code == TRAP_TRACE && (long)info.si_addr == (long)steps_end);
    GOOD(P(PTRACE_KILL, pid, 0, 0)); CHECK(next_stop(pid) == SIGKILL);
}
static void a_step_goes_into_a_handler(void) {
    TRACED(pid, catch_it(SIGUSR1, 0); raise(SIGUSR1); _exit(caught));
    TO(pid, PTRACE_CONT, 0, STOP(SIGUSR1));
    TO(pid, PTRACE_SINGLESTEP, SIGUSR1, STOP(SIGTRAP));
    CHECK(registers(pid).rip == (long)on_signal && registers(pid).rdi == SIGUSR1);
    TO(pid, PTRACE_SINGLESTEP, 0, STOP(SIGTRAP));
    CHECK(registers(pid).rip != (long)on_signal);
    TO(pid, PTRACE_CONT, 0, SIGUSR1 << 8);
}
static int answer(void) { return 5; }
static void a_breakpoint_is_poked_into_code(void) {
    int (*volatile f)(void) = answer;
    TRACED(pid, _exit(f() == 5 ? 8 : 1));
    long code = peek(pid, (void *)answer);
    CHECK(code == *(long *)answer);
    GOOD(P(PTRACE_POKETEXT, pid, answer, (code & ~0xffL) | 0xcc));
    TO(pid, PTRACE_CONT, 0, STOP(SIGTRAP));
    GOOD(P(PTRACE_GETSIGINFO, pid, 0, &info));
    CHECK(info.si_code == SI_KERNEL && registers(pid).rip == (long)answer + 1 && *(long *)answer == code);
    GOOD(P(PTRACE_POKETEXT, pid, answer, code));
    struct user_regs_struct r = registers(pid);
    r.rip--;
    set(pid, &r);
    TO(pid, PTRACE_CONT, 0, 8 << 8);
}

/* ---- memory and registers ---- */
static void memory_is_read_and_written(void) {
    TRACED(pid, _exit(word == 4321 && constant == 88 ? 6 : 1));
    CHECK(peek(pid, &word) == 1234);
    GOOD(P(PTRACE_POKEDATA, pid, &word, 4321));
    GOOD(P(PTRACE_POKEDATA, pid, &constant, 88));
    CHECK(word == 1234 && constant == 77);
    long v;
    FAILS(P(PTRACE_PEEKDATA, pid, 16, &v), EIO);
    FAILS(P(PTRACE_POKEDATA, pid, 16, 1), EIO);
    FAILS(P(PTRACE_PEEKDATA, pid, -8L, &v), EIO);
    FAILS(P(PTRACE_PEEKDATA, pid, &word, 16), EFAULT);
    TO(pid, PTRACE_CONT, 0, 6 << 8);
}
static void proc_mem_is_the_same_memory(void) {
    char path[64];
    long v = 0;
    TRACED(pid, _exit(word == 999 && constant == 66 ? 6 : 1));
    sprintf(path, "/proc/%d/mem", pid);
    int fd = open(path, O_RDWR);
    CHECK(fd >= 0 && pread(fd, &v, 8, (long)&word) == 8 && v == 1234);
    v = 999; CHECK(pwrite(fd, &v, 8, (long)&word) == 8);
    v = 66; CHECK(pwrite(fd, &v, 8, (long)&constant) == 8);
    FAILS(pread(fd, &v, 8, 16), EIO);
    TO(pid, PTRACE_CONT, 0, 6 << 8);
    CHECK(pread(fd, &v, 8, (long)&word) == 0);
    int own = open("/proc/self/mem", O_RDONLY);
    CHECK(pread(own, &v, 8, (long)&word) == 8 && v == 1234);
}
static void registers_are_read_and_written(void) {
    static struct user_regs_struct before, after;
    static struct user_fpregs_struct fp;
    TRACED(pid, __asm__ volatile("movl $1, %%ebx; int3; cmpq $77, %%rbx; jne 1f; cmpq $88, %%r15; jne 1f; movd %%xmm3, %%eax; cmpl $99, %%eax; jne 1f; movl $60, %%eax; movl $4, %%edi; syscall; 1: hlt" ::: "memory"));
    TO(pid, PTRACE_CONT, 0, STOP(SIGTRAP));
    before = registers(pid);
    CHECK(before.rbx == 1 && before.cs == 0x33 && before.ss == 0x2b && before.orig_rax == -1UL);
    long v;
    GOOD(P(PTRACE_PEEKUSER, pid, offsetof(struct user_regs_struct, rip), &v)); CHECK(v == (long)before.rip);
    GOOD(P(PTRACE_PEEKUSER, pid, offsetof(struct user, u_debugreg[7]), &v)); CHECK(v == 0);
    FAILS(P(PTRACE_PEEKUSER, pid, 3, &v), EIO);
    FAILS(P(PTRACE_PEEKUSER, pid, 928, &v), EIO);
    GOOD(P(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, r15), 88));
    after = registers(pid); CHECK(after.r15 == 88);
    after.rbx = 77; set(pid, &after);
    struct iovec iov = { &after, sizeof after };
    GOOD(P(PTRACE_GETREGSET, pid, NT_PRSTATUS, &iov)); CHECK(iov.iov_len == sizeof after && after.rbx == 77 && after.rip == before.rip);
    iov = (struct iovec){ &after, 1000 };
    FAILS(P(PTRACE_GETREGSET, pid, 0x1234, &iov), EINVAL);
    GOOD(P(PTRACE_GETFPREGS, pid, 0, &fp));
    fp.xmm_space[12] = 99;
    GOOD(P(PTRACE_SETFPREGS, pid, 0, &fp));
    FAILS(P(PTRACE_GETREGS, pid, 0, 16), EFAULT);
    TO(pid, PTRACE_CONT, 0, 4 << 8);
}

/* ---- attaching ---- */
static void attach_stops_and_detach_lets_go(void) {
    PLAIN(pid, struct timespec t = { 0, 300000000 }; if (nanosleep(&t, NULL)) _exit(1); _exit(5));
    GOOD(P(PTRACE_ATTACH, pid, 0, 0));
    CHECK(STOPPED(next_stop(pid), SIGSTOP));
    char line[2000], path[64];
    sprintf(path, "/proc/%d/status", pid);
    int fd = open(path, O_RDONLY), n = read(fd, line, sizeof line - 1), tracer = 0;
    line[n] = 0;
    CHECK(strstr(line, "State:\tt (tracing stop)\n") && sscanf(strstr(line, "TracerPid:"), "TracerPid:\t%d", &tracer) == 1 && tracer == getpid());
    GOOD(P(PTRACE_DETACH, pid, 0, 0));
    CHECK(exit_of(pid) == 5);
}
static void a_stopped_process_is_attached_to(void) {
    PLAIN(pid, raise(SIGSTOP); _exit(5));
    int s; CHECK(waitpid(pid, &s, WUNTRACED) == pid && STOPPED(s, SIGSTOP));
    GOOD(P(PTRACE_ATTACH, pid, 0, 0));
    CHECK(STOPPED(next_stop(pid), SIGSTOP));
    GOOD(kill(pid, SIGCONT));
    GOOD(P(PTRACE_DETACH, pid, 0, 0));
    CHECK(exit_of(pid) == 5);
}
static void seize_stops_when_asked(void) {
    PLAIN(pid, for (;;) pause());
    FAILS(P(PTRACE_SEIZE, pid, 1, 0), EIO);
    FAILS(P(PTRACE_SEIZE, pid, 0, 0x40000000), EIO);
    GOOD(P(PTRACE_SEIZE, pid, 0, PTRACE_O_EXITKILL));
    nap(10);
    int s; CHECK(waitpid(pid, &s, WNOHANG) == 0);
    GOOD(P(PTRACE_INTERRUPT, pid, 0, 0));
    s = next_stop(pid); CHECK(EVENT(s, PTRACE_EVENT_STOP));
    GOOD(kill(pid, SIGSTOP));
    TO(pid, PTRACE_CONT, 0, STOP(SIGSTOP));
    TO(pid, PTRACE_CONT, SIGSTOP, STOP(SIGSTOP | PTRACE_EVENT_STOP << 8));
    GOOD(kill(pid, SIGKILL)); CHECK(next_stop(pid) == SIGKILL);
}
static void errors_are_linuxs(void) {
    PLAIN(pid, pause());
    long v;
    FAILS(P(PTRACE_ATTACH, 0x7ffffff0, 0, 0), ESRCH);
    FAILS(P(PTRACE_ATTACH, getpid(), 0, 0), EPERM);
    FAILS(P(PTRACE_CONT, pid, 0, 0), ESRCH);
    FAILS(P(PTRACE_PEEKDATA, pid, &word, &v), ESRCH);
    FAILS(P(PTRACE_KILL, pid, 0, 0), ESRCH);
    GOOD(P(PTRACE_ATTACH, pid, 0, 0));
    CHECK(STOPPED(next_stop(pid), SIGSTOP));
    FAILS(P(PTRACE_ATTACH, pid, 0, 0), EPERM);
    FAILS(P(PTRACE_SEIZE, pid, 0, 0), EPERM);
    FAILS(P(12345, pid, 0, 0), EIO);
    FAILS(P(PTRACE_CONT, pid, 0, 65), EIO);
    FAILS(P(PTRACE_INTERRUPT, pid, 0, 0), EIO);
    FAILS(P(PTRACE_SETOPTIONS, pid, 0, 0x40000000), EINVAL);
    int other = fork();
    if (!other) { FAILS(P(PTRACE_CONT, pid, 0, 0), ESRCH); FAILS(P(PTRACE_ATTACH, pid, 0, 0), EPERM); _exit(0); }
    CHECK(exit_of(other) == 0);
    GOOD(P(PTRACE_CONT, pid, 0, 0));
    FAILS(P(PTRACE_CONT, pid, 0, 0), ESRCH);
    GOOD(kill(pid, SIGKILL)); CHECK(next_stop(pid) == SIGKILL);
    int twice = fork();
    if (!twice) { GOOD(P(PTRACE_TRACEME, 0, 0, 0)); FAILS(P(PTRACE_TRACEME, 0, 0, 0), EPERM); _exit(0); }
    CHECK(next_stop(twice) == 0);
}

/* ---- events ---- */
static void forks_are_followed(void) {
    for (int kind = 0; kind < 2; kind++) {
        TRACED(pid, int p = kind ? vfork() : syscall(SYS_fork); _exit(p ? 4 : 3));
        GOOD(P(PTRACE_SETOPTIONS, pid, 0, kind ? PTRACE_O_TRACEVFORK : PTRACE_O_TRACEFORK));
        TO(pid, PTRACE_CONT, 0, STOP(SIGTRAP | (kind + 1) << 8));
        long child; GOOD(P(PTRACE_GETEVENTMSG, pid, 0, &child));
        CHECK(child > 1 && child != pid && STOPPED(next_stop(child), SIGSTOP));
        GOOD(P(PTRACE_CONT, pid, 0, 0));
        GOOD(P(PTRACE_CONT, child, 0, 0));
        CHECK(next_stop(child) == 3 << 8);
        int s = next_stop(pid);
        if (STOPPED(s, SIGCHLD)) TO(pid, PTRACE_CONT, 0, 4 << 8); else CHECK(s == 4 << 8);
    }
}
static void an_end_is_an_event(void) {
    TRACED(pid, _exit(4));
    GOOD(P(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEEXIT));
    TO(pid, PTRACE_CONT, 0, STOP(SIGTRAP | PTRACE_EVENT_EXIT << 8));
    long status; GOOD(P(PTRACE_GETEVENTMSG, pid, 0, &status));
    CHECK(status == 4 << 8 && peek(pid, &word) == 1234);
    TO(pid, PTRACE_CONT, 0, 4 << 8);
}
static void *thread(void *p) { *(volatile int *)p = 1; for (;;) pause(); }
static void a_thread_is_traced(void) {
    volatile int *running = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    TRACED(pid, pthread_t t; pthread_create(&t, NULL, thread, (void *)running); for (;;) pause());
    GOOD(P(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACECLONE));
    TO(pid, PTRACE_CONT, 0, STOP(SIGTRAP | PTRACE_EVENT_CLONE << 8));
    long tid; GOOD(P(PTRACE_GETEVENTMSG, pid, 0, &tid));
    int s;
    CHECK(waitpid(tid, &s, 0) == tid && STOPPED(s, SIGSTOP));
    GOOD(P(PTRACE_CONT, pid, 0, 0));
    nap(10); CHECK(!*running);
    GOOD(P(PTRACE_CONT, tid, 0, 0));
    nap(10); CHECK(*running);
    GOOD(syscall(SYS_tgkill, pid, tid, SIGUSR1));
    CHECK(STOPPED(next_stop(tid), SIGUSR1));
    FAILS(P(PTRACE_CONT, pid, 0, 0), ESRCH);
    GOOD(kill(pid, SIGKILL));
    while ((s = waitpid(-1, &caught, __WALL)) != pid) CHECK(s == tid);
}
static void a_tracer_that_is_no_parent_hears_first(void) {
    int ends[2]; char c; pipe(ends);
    PLAIN(pid, read(ends[0], &c, 1); _exit(5));
    int tracer = fork();
    if (!tracer) {
        GOOD(P(PTRACE_ATTACH, pid, 0, 0));
        CHECK(STOPPED(next_stop(pid), SIGSTOP));
        GOOD(P(PTRACE_CONT, pid, 0, 0));
        write(ends[1], "x", 1);
        nap(60);
        CHECK(next_stop(pid) == 5 << 8);
        nap(60);
        _exit(0);
    }
    nap(40);
    int s; CHECK(waitpid(pid, &s, WNOHANG) == 0);
    CHECK(exit_of(pid) == 5 && exit_of(tracer) == 0);
}
static void a_tracers_end_frees_or_kills(void) {
    for (int kill_too = 0; kill_too < 2; kill_too++) {
        int ends[2]; char c; pipe(ends);
        PLAIN(pid, read(ends[0], &c, 1); _exit(5));
        int tracer = fork();
        if (!tracer) {
            GOOD(P(PTRACE_ATTACH, pid, 0, 0));
            CHECK(STOPPED(next_stop(pid), SIGSTOP));
            if (kill_too) GOOD(P(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_EXITKILL));
            _exit(0);
        }
        CHECK(exit_of(tracer) == 0);
        write(ends[1], "x", 1);
        CHECK(exit_of(pid) == (kill_too ? 1000 + SIGKILL : 5));
    }
}

/* ---- who may ---- */
static void become(int id) { CHECK(!setgroups(0, NULL) && !setresgid(id, id, id) && !setresuid(id, id, id)); }
static int looks(int pid, const char *what) {
    char path[64], text[256];
    sprintf(path, "/proc/%d/%s", pid, what);
    if (!strcmp(what, "root") || !strncmp(what, "ns/", 3) || !strcmp(what, "exe")) return readlink(path, text, sizeof text) < 0 ? errno : 0;
    int fd = open(path, O_RDONLY);
    int e = fd < 0 ? errno : read(fd, text, sizeof text) < 0 ? errno : 0;
    if (fd >= 0) close(fd);
    return e;
}
static void users_keep_out_of_others(void) {
    PLAIN(root, pause());
    PLAIN(mixed, setresgid(0, 1000, 1000); setresuid(0, 1000, 1000); prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); pause());
    PLAIN(same, become(1000); prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); pause());
    PLAIN(closed, become(1000); pause());
    int pid = fork();
    if (!pid) {
        become(1000);
        FAILS(P(PTRACE_ATTACH, root, 0, 0), EPERM);
        FAILS(P(PTRACE_SEIZE, root, 0, 0), EPERM);
        FAILS(P(PTRACE_ATTACH, mixed, 0, 0), EPERM);
        FAILS(P(PTRACE_ATTACH, closed, 0, 0), EPERM);
        static const char *const what[] = { "mem", "environ", "root", "exe", "ns/mnt", "ns/pid" };
        for (int i = 0; i < 6; i++) CHECK(looks(root, what[i]) == EACCES && looks(mixed, what[i]) == EACCES && looks(closed, what[i]) == EACCES);
        for (int i = 2; i < 6; i++) CHECK(looks(same, what[i]) == 0);
        GOOD(P(PTRACE_ATTACH, same, 0, 0));
        CHECK(waitpid(same, &pid, __WALL) == same && STOPPED(pid, SIGSTOP));
        _exit(0);
    }
    CHECK(exit_of(pid) == 0);
    GOOD(P(PTRACE_ATTACH, closed, 0, 0));
    CHECK(STOPPED(next_stop(closed), SIGSTOP) && looks(closed, "environ") == 0);
}
static void dumpable_is_lost_and_got_back(void) {
    CHECK(prctl(PR_GET_DUMPABLE) == 1);
    FAILS(prctl(PR_SET_DUMPABLE, 2, 0, 0, 0), EINVAL);
    become(1000);
    CHECK(prctl(PR_GET_DUMPABLE) == 0);
    struct stat st; GOOD(stat("/proc/self/environ", &st)); CHECK(st.st_uid == 0);
    GOOD(stat("/proc/self", &st)); CHECK(st.st_uid == 1000);
    FAILS(open("/proc/self/uid_map", O_WRONLY), EACCES);
    CHECK(!prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) && prctl(PR_GET_DUMPABLE) == 1);
    GOOD(stat("/proc/self/environ", &st)); CHECK(st.st_uid == 1000);
}
/* A set-user-id program runs with its user's rights under a tracer who hasn't more. */
static void set_id_programs_get_nothing_for_a_tracer(void) {
    char directory[64], program[100];
    sprintf(directory, "/tmp/ptracetests.%d", getpid());
    sprintf(program, "%s/p", directory);
    CHECK(!mkdir(directory, 0755) && !mount("none", directory, "tmpfs", 0, "mode=755"));
    int in = open(self, O_RDONLY), out = open(program, O_WRONLY | O_CREAT, 0755), n;
    static char buffer[65536];
    while ((n = read(in, buffer, sizeof buffer)) > 0) CHECK(write(out, buffer, n) == n);
    close(in); close(out);
    CHECK(!chmod(program, 04755));
    for (int rooted = 0; rooted < 2; rooted++) {
        int tracer = fork();
        if (!tracer) {
            if (!rooted) become(1000);
            TRACED(pid, if (rooted) become(1000); execl(program, "p", "--euid", NULL));
            TO(pid, PTRACE_CONT, 0, STOP(SIGTRAP));
            TO(pid, PTRACE_CONT, 0, (rooted ? 0 : 1000 % 256) << 8);
            _exit(0);
        }
        CHECK(exit_of(tracer) == 0);
    }
    CHECK(!umount(directory) && !rmdir(directory));
}

/* ---- namespaces ---- */
static void numbers_are_the_tracers(void) {
    CHECK(!unshare(CLONE_NEWPID));
    int first = fork();
    if (!first) {
        TRACED(pid, int p = syscall(SYS_fork); if (!p) _exit(3); (void)p; _exit(4));
        CHECK(getpid() == 1 && pid == 2);
        GOOD(P(PTRACE_GETSIGINFO, pid, 0, &info)); CHECK(info.si_pid == 2);
        GOOD(P(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEFORK));
        TO(pid, PTRACE_CONT, 0, STOP(SIGTRAP | PTRACE_EVENT_FORK << 8));
        GOOD(P(PTRACE_GETSIGINFO, pid, 0, &info)); CHECK(info.si_pid == 2);
        long child; GOOD(P(PTRACE_GETEVENTMSG, pid, 0, &child)); CHECK(child == 3);
        CHECK(STOPPED(next_stop(3), SIGSTOP));
        GOOD(P(PTRACE_KILL, 3, 0, 0)); CHECK(next_stop(3) == SIGKILL);
        kill(pid, SIGKILL); CHECK(next_stop(pid) == SIGKILL);
        FAILS(P(PTRACE_ATTACH, 100, 0, 0), ESRCH);
        _exit(0);
    }
    CHECK(exit_of(first) == 0);
}
/* Root of a user namespace has no rights over those outside, who share its uid. */
static void a_user_namespace_keeps_in(void) {
    PLAIN(outside, pause());
    int pid = fork();
    if (!pid) {
        CHECK(!unshare(CLONE_NEWUSER));
        FAILS(P(PTRACE_ATTACH, outside, 0, 0), EPERM);
        FAILS(P(PTRACE_SEIZE, outside, 0, 0), EPERM);
        static const char *const what[] = { "mem", "environ", "root", "exe", "ns/mnt", "ns/pid" };
        for (int i = 0; i < 6; i++) CHECK(looks(outside, what[i]) == EACCES);
        int inside = fork();
        if (!inside) { pause(); _exit(0); }
        nap(10);
        GOOD(P(PTRACE_ATTACH, inside, 0, 0));
        CHECK(STOPPED(next_stop(inside), SIGSTOP) && looks(inside, "environ") == 0);
        _exit(0);
    }
    CHECK(exit_of(pid) == 0);
    PLAIN(other, CHECK(!unshare(CLONE_NEWUSER)); pause());
    GOOD(P(PTRACE_ATTACH, other, 0, 0));
    CHECK(STOPPED(next_stop(other), SIGSTOP));
}

/* ---- and nothing breaks it ---- */
static unsigned long state;
static unsigned random_below(unsigned n) { state = state * 6364136223846793005UL + 1442695040888963407UL; return (state >> 33) % n; }
/* Five processes command each other at random, end, are killed and made anew. */
static void random_commands_break_nothing(void) {
    static const long requests[] = { 0, 1, 2, 3, 4, 5, 6, 7, 7, 8, 9, 9, 12, 13, 14, 15, 16, 16, 16, 17, 24, 24, 0x4200, 0x4201, 0x4202, 0x4203, 0x4204, 0x4205, 0x4206, 0x4206, 0x4207, 0x4207, 99 };
    static const int signals[] = { SIGSTOP, SIGCONT, SIGUSR1, SIGCHLD, SIGTRAP, SIGTERM, SIGKILL };
    static char page[4096];
    static int born[400];
    volatile int *pids = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int round = 0; round < 400; round++) {
        int slot = round % 5;
        if (pids[slot] > 0) { kill(pids[slot], random_below(2) ? SIGKILL : SIGCONT); while (waitpid(-1, NULL, WNOHANG | __WALL) > 0) ; }
        int pid = fork();
        if (!pid) {
            state = round * 7919 + 1;
            alarm(10);
            for (int i = 0; i < 30; i++) {
                int other = pids[random_below(5)];
                if (other <= 0 || other == getpid()) { sched_yield(); continue; }
                void *where[] = { page, page + 4090, NULL, (void *)&word, (void *)8, (void *)-1L, (void *)0xffffffff80200000 };
                long request = requests[random_below(sizeof requests / sizeof *requests)];
                long address = (long)where[random_below(7)], data = random_below(2) ? (long)where[random_below(7)] : random_below(70);
                if (request == PTRACE_SETOPTIONS || request == PTRACE_SEIZE) address = 0, data = random_below(128) | random_below(2) << 20;
                P(request, other, address, data);
                if (!random_below(8)) kill(other, signals[random_below(random_below(4) ? 5 : 7)]);
                if (!random_below(4)) waitpid(-1, NULL, WNOHANG | __WALL);
                if (!random_below(10) && !fork()) _exit(0);
                if (!random_below(20)) execl(self, self, "--exit", NULL);
            }
            _exit(0);
        }
        pids[slot] = born[round] = pid;
        sched_yield();
    }
    for (int i = 0; i < 400; i++) kill(born[i], SIGKILL);
    while (waitpid(-1, NULL, __WALL) > 0) ;
}

static const struct property all[] = {
    T(a_signal_stops_and_is_passed_on), T(a_signal_is_kept_or_replaced), T(ignored_signals_are_seen_blocked_ones_are_not), T(a_kill_needs_nobody),
    T(a_job_stop_is_seen_too), T(siginfo_can_be_changed), T(the_tracer_is_told), T(calls_stop_twice), T(calls_can_be_changed), T(an_exec_is_a_trap),
    T(each_instruction_is_a_step), T(a_step_goes_into_a_handler), T(a_breakpoint_is_poked_into_code), T(memory_is_read_and_written),
    T(proc_mem_is_the_same_memory), T(registers_are_read_and_written), T(attach_stops_and_detach_lets_go), T(a_stopped_process_is_attached_to),
    T(seize_stops_when_asked), T(errors_are_linuxs), T(forks_are_followed), T(an_end_is_an_event), T(a_thread_is_traced),
    T(a_tracer_that_is_no_parent_hears_first), T(a_tracers_end_frees_or_kills), T(users_keep_out_of_others), T(dumpable_is_lost_and_got_back),
    T(set_id_programs_get_nothing_for_a_tracer), T(numbers_are_the_tracers), T(a_user_namespace_keeps_in), T(random_commands_break_nothing), { 0 }
};
int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "--exit")) return 7;
    if (argc > 1 && !strcmp(argv[1], "--euid")) return geteuid() % 256;
    CHECK(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    return run_properties(all, argc, argv);
}
