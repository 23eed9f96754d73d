/* What a program may expect of the kernel: one property a function, each in a forked child. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define CHECK(c) do { if (!(c)) { printf("    line %d: %s (errno %d)\n", __LINE__, #c, errno); fflush(stdout); _exit(1); } } while (0)
#define KERNEL ((void *)0xffffffff80200000)
#define NOWHERE ((void *)0x1000)

static void *pages(size_t n, int prot) {
    char *p = mmap(0, n * 4096, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    return p;
}
static int status_of(int pid) { int s = -1; CHECK(waitpid(pid, &s, 0) == pid); return s; }
static int dies_by(void (*f)(void)) {
    int pid = fork();
    if (!pid) { f(); _exit(0); }
    int s = status_of(pid);
    return WIFSIGNALED(s) ? WTERMSIG(s) : 0;
}
static unsigned long now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000000000UL + t.tv_nsec; }

/* ---- memory ---- */
static void fork_copies_memory(void) {
    int *p = pages(4, PROT_READ | PROT_WRITE), pipes[2]; char c;
    p[0] = 1; pipe(pipes);
    int pid = fork();
    if (!pid) { read(pipes[0], &c, 1); _exit(p[0] == 1 && p[1024] == 0 ? (p[0] = 9, 7) : 1); }
    p[0] = 2; p[1024] = 3; write(pipes[1], "x", 1);
    CHECK(WEXITSTATUS(status_of(pid)) == 7 && p[0] == 2);
}
static void shared_memory_is_shared(void) {
    volatile int *p = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int pid = fork();
    if (!pid) { p[0] = 5; p[1024] = 6; _exit(0); }
    status_of(pid);
    CHECK(p[0] == 5 && p[1024] == 6);
}
static void file_mappings(void) {
    char buf[6000]; memset(buf, 'a', sizeof buf);
    int fd = open("/tmp/map", O_RDWR | O_CREAT | O_TRUNC, 0600); CHECK(fd >= 0);
    CHECK(write(fd, buf, sizeof buf) == sizeof buf);
    char *private = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    char *shared = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(private != MAP_FAILED && shared != MAP_FAILED);
    CHECK(private[5999] == 'a' && private[6000] == 0 && shared[4096] == 'a');
    private[0] = 'p'; shared[1] = 's';
    CHECK(munmap(shared, 8192) == 0);
    CHECK(pread(fd, buf, 3, 0) == 3 && !memcmp(buf, "asa", 3));
    struct stat st; CHECK(fstat(fd, &st) == 0 && st.st_size == 6000);
    CHECK(mmap(0, 4096, PROT_WRITE, MAP_SHARED, open("/tmp/map", O_RDONLY), 0) == MAP_FAILED && errno == EACCES);
}
static void brk_grows_and_shrinks(void) {
    char *start = sbrk(0);
    CHECK(syscall(SYS_brk, start + 20000) == (long)(start + 20000));
    for (int i = 0; i < 20000; i++) CHECK(start[i] == 0);
    memset(start, 1, 20000);
    syscall(SYS_brk, start); syscall(SYS_brk, start + 20000);
    CHECK(start[8192] == 0);
}
static void protection(void) {
    char *p = pages(3, PROT_READ | PROT_WRITE); p[4096] = 'x';
    CHECK(mprotect(p + 4096, 4096, PROT_NONE) == 0);
    CHECK(write(1, p + 4096, 1) == -1 && errno == EFAULT);
    CHECK(mprotect(p + 4096, 4096, PROT_READ) == 0 && p[4096] == 'x');
    CHECK(read(open("/dev/zero", O_RDONLY), p + 4096, 1) == -1 && errno == EFAULT);
    CHECK(mprotect(p + 4096, 4096, PROT_READ | PROT_WRITE) == 0 && (p[4096] = 'y') && p[4096] == 'y');
    munmap(p + 4096, 4096);
    CHECK(mprotect(p, 3 * 4096, PROT_READ) == -1 && errno == ENOMEM);
}
static char *victim;
static void touch_null(void) { *(volatile char *)0 = 1; }
static void touch_kernel(void) { *(volatile char *)KERNEL; }
static void touch_direct_map(void) { *(volatile char *)0xffff888000100000; }
static void touch_noncanonical(void) { *(volatile char *)0x8000000000000000; }
static void write_text(void) { *(volatile char *)write_text = 1; }
static void run_data(void) { *victim = 0xc3; ((void (*)(void))victim)(); }
static void divide(void) { __asm__ volatile("xorl %%ecx, %%ecx; movl $1, %%eax; cltd; idivl %%ecx" ::: "eax", "ecx", "edx"); }
static void illegal(void) { __asm__ volatile("ud2"); }
static void halt(void) { __asm__ volatile("hlt"); }
static void port(void) { __asm__ volatile("outb %al, $0xf4"); }
static void breakpoint(void) { __asm__ volatile("int3"); }
static void old_call(void) { __asm__ volatile("int $0x80" ::"a"(1)); }
static void recurse(void) { volatile char frame[4096]; frame[0] = 1; recurse(); frame[1] = 2; }
static void faults_kill(void) {
    victim = pages(1, PROT_READ | PROT_WRITE);
    CHECK(dies_by(touch_null) == SIGSEGV && dies_by(touch_kernel) == SIGSEGV && dies_by(touch_direct_map) == SIGSEGV);
    CHECK(dies_by(touch_noncanonical) == SIGSEGV && dies_by(write_text) == SIGSEGV && dies_by(run_data) == SIGSEGV);
    CHECK(dies_by(divide) == SIGFPE && dies_by(illegal) == SIGILL && dies_by(halt) == SIGSEGV && dies_by(port) == SIGSEGV);
    CHECK(dies_by(breakpoint) == SIGTRAP && dies_by(old_call) == SIGSEGV && dies_by(recurse) == SIGSEGV);
}
static int deep(int n) { volatile char frame[4096]; frame[n] = 1; return n ? deep(n - 1) + frame[n] : 0; }
static void stack_grows(void) { CHECK(deep(1000) == 1000); }
static void bad_pointers(void) {
    struct { long n, a, b, c; } calls[] = {
        { SYS_write, 1, (long)NOWHERE, 5 }, { SYS_write, 1, (long)KERNEL, 5 }, { SYS_read, open("/dev/zero", 0), (long)KERNEL, 5 },
        { SYS_open, (long)NOWHERE, 0, 0 }, { SYS_open, -1, 0, 0 }, { SYS_pipe, (long)NOWHERE }, { SYS_uname, (long)KERNEL },
        { SYS_execve, (long)KERNEL, 0, 0 }, { SYS_clock_gettime, 0, (long)KERNEL }, { SYS_nanosleep, (long)NOWHERE, 0 },
        { SYS_getcwd, (long)NOWHERE, 100 }, { SYS_stat, (long)"/", (long)KERNEL }, { SYS_rt_sigaction, 10, (long)NOWHERE, 0 },
        { SYS_write, 1, 0x7fffffffeff0, 0x100000 }, { SYS_sysinfo, -8 }, { SYS_futex, (long)NOWHERE, 0, 0 } };
    for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++) {
        long r = syscall(calls[i].n, calls[i].a, calls[i].b, calls[i].c, calls[i].n == SYS_rt_sigaction ? 8 : 0);
        if (r != -1 || errno != EFAULT) { printf("    call %ld (row %u): %ld, errno %d\n", calls[i].n, i, r, errno); fflush(stdout); _exit(1); }
    }
    struct { char text[4]; } *edge = (void *)((char *)pages(2, PROT_READ | PROT_WRITE) + 4092);
    munmap((char *)edge + 4, 4096); memcpy(edge, "abcd", 4);
    CHECK(open((char *)edge, 0) == -1 && errno == EFAULT);
}
static void mremap_moves(void) {
    char *p = pages(2, PROT_READ | PROT_WRITE); p[0] = 'm'; p[4096] = 'n';
    char *wall = mmap(p + 8192, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0); CHECK(wall == p + 8192);
    char *q = mremap(p, 8192, 32768, MREMAP_MAYMOVE); CHECK(q != MAP_FAILED && q != p);
    CHECK(q[0] == 'm' && q[4096] == 'n' && q[32767] == 0);
    CHECK(mremap(q, 32768, 4096, 0) == q && write(1, q + 4096, 1) == -1);
}
static void nothing_leaks(void) {
    struct sysinfo before, after;
    for (int round = 0; round < 2; round++) {
        sysinfo(round ? &after : &before);
        if (round) break;
        for (int i = 0; i < 150; i++) {
            int pid = fork();
            if (!pid) { char *m = pages(8, PROT_READ | PROT_WRITE); memset(m, 1, 32768); signal(SIGUSR1, SIG_IGN); _exit(0); }
            status_of(pid);
        }
    }
    CHECK(before.freeram <= after.freeram + 16);
}
/* ---- system calls ---- */
static void unknown_calls(void) {
    long numbers[] = { 9999, -1, 425, 1000000, 0x40000000, 298 };
    for (int i = 0; i < 6; i++) CHECK(syscall(numbers[i]) == -1 && errno == ENOSYS);
}
static void registers_survive_calls(void) {
    register long r8 __asm__("r8") = 8, r9 __asm__("r9") = 9, r10 __asm__("r10") = 10, r12 __asm__("r12") = 12, r15 __asm__("r15") = 15;
    long rax = SYS_getpid, rdi = 1, rsi = 2, rdx = 3, rbx = 4;
    __asm__ volatile("syscall" : "+a"(rax), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+b"(rbx), "+r"(r8), "+r"(r9), "+r"(r10), "+r"(r12), "+r"(r15) :: "rcx", "r11", "memory");
    CHECK(rax == getpid() && rdi == 1 && rsi == 2 && rdx == 3 && rbx == 4 && r8 == 8 && r9 == 9 && r10 == 10 && r12 == 12 && r15 == 15);
}
static void unsupported_flags(void) {
    CHECK(syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0) == -1 && errno == EINVAL);
    CHECK(syscall(SYS_clone, CLONE_SIGHAND, 0, 0, 0, 0) == -1 && errno == EINVAL);
    CHECK(mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | 0x40000000, -1, 0) == MAP_FAILED && errno == EINVAL);
    CHECK(mmap(0, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EINVAL);
    CHECK(waitpid(-1, 0, 0x100) == -1 && errno == EINVAL);
}
/* ---- processes ---- */
static void exec_passes_words(void) {
    int pid = fork();
    if (!pid) { char *env[] = { "X=1", 0 }; execle("/bin/sh", "sh", "-c", "test \"$X$1$0\" = 1two_three && exit 9", "three", "two_", (char *)0, env); _exit(1); }
    CHECK(WEXITSTATUS(status_of(pid)) == 9);
    CHECK(execl("/nowhere", "x", (char *)0) == -1 && errno == ENOENT);
    CHECK(execl("/etc/passwd", "x", (char *)0) == -1 && errno == EACCES);
    int fd = open("/tmp/script", O_CREAT | O_WRONLY | O_TRUNC, 0755);
    dprintf(fd, "#!/bin/sh -e\ntest $1 = arg\nexit 6\n"); close(fd);
    pid = fork(); if (!pid) { execl("/tmp/script", "script", "arg", (char *)0); _exit(1); }
    CHECK(WEXITSTATUS(status_of(pid)) == 6);
    fd = open("/tmp/garbage", O_CREAT | O_WRONLY | O_TRUNC, 0755); for (int i = 0; i < 99; i++) write(fd, "\177ELF\2\1\1", 7); close(fd);
    CHECK(execl("/tmp/garbage", "x", (char *)0) == -1 && errno == ENOEXEC);
    char *big = malloc(300000), *argv[] = { "x", big, 0 }; memset(big, 'a', 299999); big[299999] = 0;
    CHECK(execv("/bin/sh", argv) == -1 && errno == E2BIG);
}
static void wait_reports(void) {
    int s, pid = fork(); if (!pid) _exit(300);
    CHECK(waitpid(pid, &s, 0) == pid && WIFEXITED(s) && WEXITSTATUS(s) == 44);
    CHECK(waitpid(-1, &s, 0) == -1 && errno == ECHILD);
    pid = fork(); if (!pid) { pause(); _exit(0); }
    CHECK(waitpid(pid, &s, WNOHANG) == 0);
    kill(pid, SIGSTOP); CHECK(waitpid(pid, &s, WUNTRACED) == pid && WIFSTOPPED(s) && WSTOPSIG(s) == SIGSTOP);
    kill(pid, SIGCONT); CHECK(waitpid(pid, &s, WCONTINUED) == pid && WIFCONTINUED(s));
    kill(pid, SIGKILL); CHECK(WTERMSIG(status_of(pid)) == SIGKILL);
    CHECK(kill(pid, 0) == -1 && errno == ESRCH);
    struct rusage u; pid = fork(); if (!pid) { unsigned long t = now(); while (now() - t < 20000000); _exit(0); }
    CHECK(wait4(pid, &s, 0, &u) == pid && u.ru_utime.tv_usec + u.ru_stime.tv_usec >= 10000);
}
static void orphans_go_to_init(void) {
    int p[2]; pipe(p);
    int pid = fork();
    if (!pid) {
        if (!fork()) { char c; usleep(20000); c = getppid() == 1; write(p[1], &c, 1); _exit(0); }
        _exit(0);
    }
    status_of(pid); char c = 0; CHECK(read(p[0], &c, 1) == 1 && c == 1);
}
static void vfork_lends_memory(void) {
    volatile int x = 1; int pid = vfork();
    if (!pid) { x = 2; _exit(3); }
    CHECK(x == 2 && WEXITSTATUS(status_of(pid)) == 3);
}
static void everyone_gets_a_turn(void) {
    volatile unsigned long *n = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int pids[3];
    for (int i = 0; i < 3; i++) if (!(pids[i] = fork())) for (;;) n[i]++;
    usleep(100000);
    for (int i = 0; i < 3; i++) { kill(pids[i], SIGKILL); CHECK(WTERMSIG(status_of(pids[i])) == SIGKILL); CHECK(n[i] > 1000); }
}
static void sse_state_is_private(void) {
    int pids[2];
    for (int i = 0; i < 2; i++)
        if (!(pids[i] = fork())) {
            double mine = i + 1.5, seen = 0;
            for (long k = 0; k < 3000000; k++) { __asm__ volatile("movsd %1, %%xmm9; movsd %%xmm9, %0" : "=m"(seen) : "m"(mine) : "xmm9"); if (k % 300000 == 0) sched_yield(); if (seen != mine) _exit(1); }
            _exit(0);
        }
    for (int i = 0; i < 2; i++) CHECK(status_of(pids[i]) == 0);
}
static void groups_and_sessions(void) {
    CHECK(setpgid(0, 0) == 0 && getpgrp() == getpid());
    CHECK(setsid() == -1 && errno == EPERM);
    int pid = fork();
    if (!pid) { CHECK(getpgrp() == getppid()); CHECK(setsid() == getpid() && getsid(0) == getpid() && getpgrp() == getpid()); CHECK(setpgid(0, 0) == -1 && errno == EPERM); _exit(0); }
    CHECK(status_of(pid) == 0);
    CHECK(setpgid(1, 0) == -1 && errno == ESRCH);
    CHECK(setpgid(0, 29999) == -1 && errno == EPERM);
}
static void users(void) {
    CHECK(setresuid(1000, 1000, 0) == 0 && getuid() == 1000);
    CHECK(kill(1, 0) == -1 && errno == EPERM);
    CHECK(setuid(0) == 0 || geteuid() == 1000);
    CHECK(setresuid(1000, 1000, 1000) == 0 && setuid(0) == -1 && errno == EPERM);
    CHECK(sethostname("x", 1) == -1 && errno == EPERM);
}
/* ---- signals ---- */
static volatile sig_atomic_t seen; static siginfo_t seen_info; static sigjmp_buf back;
static void note(int n) { seen = n; }
static void note_info(int n, siginfo_t *i, void *u) { seen = n; seen_info = *i; }
static void catch(int n, void (*f)(int), int flags) { struct sigaction a = { .sa_handler = f, .sa_flags = flags }; CHECK(sigaction(n, &a, 0) == 0); }
static void escape(int n, siginfo_t *i, void *u) { seen = n; seen_info = *i; siglongjmp(back, 1); }
static void handlers_run(void) {
    struct sigaction a = { .sa_sigaction = note_info, .sa_flags = SA_SIGINFO }; sigaction(SIGUSR1, &a, 0);
    double keep = 3.25; register double x __asm__("xmm5") = keep; __asm__ volatile("" : "+x"(x));
    long r; __asm__ volatile("syscall" : "=a"(r) : "0"(SYS_kill), "D"(getpid()), "S"(SIGUSR1) : "rcx", "r11", "memory");
    __asm__ volatile("" : "+x"(x));
    CHECK(r == 0 && seen == SIGUSR1 && seen_info.si_pid == getpid() && seen_info.si_code == SI_USER && x == keep);
    signal(SIGUSR2, SIG_IGN); CHECK(raise(SIGUSR2) == 0);
    CHECK(dies_by(NULL) == SIGSEGV);
}
static void masks_hold_back(void) {
    sigset_t set, old; sigemptyset(&set); sigaddset(&set, SIGUSR1);
    catch(SIGUSR1, note, 0); sigprocmask(SIG_BLOCK, &set, &old); seen = 0;
    raise(SIGUSR1); CHECK(seen == 0);
    sigset_t waiting; sigpending(&waiting); CHECK(sigismember(&waiting, SIGUSR1));
    CHECK(sigsuspend(&old) == -1 && errno == EINTR && seen == SIGUSR1);
    sigprocmask(0, 0, &old); CHECK(sigismember(&old, SIGUSR1));
    sigfillset(&set); sigprocmask(SIG_BLOCK, &set, 0);
    int pid = fork(); if (!pid) pause(); kill(pid, SIGKILL); CHECK(WTERMSIG(status_of(pid)) == SIGKILL);
}
static void fault_info(void) {
    struct sigaction a = { .sa_sigaction = escape, .sa_flags = SA_SIGINFO }; sigaction(SIGSEGV, &a, 0); sigaction(SIGFPE, &a, 0);
    if (!sigsetjmp(back, 1)) *(volatile int *)0x1234 = 1;
    CHECK(seen == SIGSEGV && seen_info.si_addr == (void *)0x1234 && seen_info.si_code == SEGV_MAPERR);
    char *ro = pages(1, PROT_READ);
    if (!sigsetjmp(back, 1)) *(volatile char *)(ro + 7) = 1;
    CHECK(seen_info.si_addr == ro + 7 && seen_info.si_code == SEGV_ACCERR);
    if (!sigsetjmp(back, 1)) divide();
    CHECK(seen == SIGFPE && seen_info.si_code == FPE_INTDIV);
}
static void interrupted_calls(void) {
    int p[2]; char c; pipe(p);
    for (int restart = 0; restart < 2; restart++) {
        catch(SIGALRM, note, restart ? SA_RESTART : 0); seen = 0;
        int pid = fork(), parent = getppid(); (void)parent;
        if (!pid) { usleep(10000); kill(getppid(), SIGALRM); usleep(10000); write(p[1], "x", 1); _exit(0); }
        long r = read(p[0], &c, 1);
        CHECK(seen == SIGALRM && (restart ? r == 1 : r == -1 && errno == EINTR));
        if (!restart) CHECK(read(p[0], &c, 1) == 1);
        status_of(pid);
    }
    struct timespec want = { 1, 0 }, left = { 0 }; struct itimerval soon = { .it_value = { 0, 20000 } };
    setitimer(ITIMER_REAL, &soon, 0);
    CHECK(nanosleep(&want, &left) == -1 && errno == EINTR && left.tv_sec == 0 && left.tv_nsec > 900000000);
}
static void sleep_goes_on_after_a_stop(void) {
    int pid = fork(); unsigned long start = now();
    if (!pid) { struct timespec want = { 0, 80000000 }; _exit(nanosleep(&want, 0) != 0); }
    usleep(20000); kill(pid, SIGSTOP); usleep(20000); kill(pid, SIGCONT);
    CHECK(status_of(pid) == 0); unsigned long took = now() - start; CHECK(took >= 80000000 && took < 110000000);
}
static char alternative[16384];
static void on_alternative(int n) { char here; seen = &here >= alternative && &here < alternative + sizeof alternative; siglongjmp(back, 1); }
static void stack_overflow_is_caught(void) {
    stack_t s = { .ss_sp = alternative, .ss_size = sizeof alternative }; CHECK(sigaltstack(&s, 0) == 0);
    catch(SIGSEGV, on_alternative, SA_ONSTACK); seen = 0;
    if (!sigsetjmp(back, 1)) recurse();
    CHECK(seen == 1);
}
static void forge(int n, siginfo_t *i, void *u) { ((ucontext_t *)u)->uc_mcontext.gregs[REG_RIP] = (long)KERNEL; }
static void forge_flags(int n, siginfo_t *i, void *u) { ucontext_t *c = u; c->uc_mcontext.gregs[REG_EFL] |= 0x3000 | 0x4000; c->uc_mcontext.gregs[REG_EFL] &= ~0x200L; c->uc_mcontext.gregs[REG_CSGSFS] = 0x10; }
static void forge_and_return(void) { struct sigaction a = { .sa_sigaction = forge, .sa_flags = SA_SIGINFO }; sigaction(SIGUSR1, &a, 0); raise(SIGUSR1); }
static void forge_privileges(void) { struct sigaction a = { .sa_sigaction = forge_flags, .sa_flags = SA_SIGINFO }; sigaction(SIGUSR1, &a, 0); raise(SIGUSR1); port(); }
static void forged_frames_gain_nothing(void) { CHECK(dies_by(forge_and_return) == SIGSEGV); CHECK(dies_by(forge_privileges) == SIGSEGV); }
static void odd_flags(void) {
    __asm__ volatile("pushfq; orq $0x40000, (%%rsp); popfq" ::: "memory"); /* AC: the kernel must not inherit it */
    getppid(); CHECK(syscall(SYS_write, 1, KERNEL, 1) == -1);
    __asm__ volatile("pushfq; andq $~0x40000, (%%rsp); popfq; std" ::: "memory"); /* nor DF */
    long r; __asm__ volatile("syscall" : "=a"(r) : "0"(SYS_getpid) : "rcx", "r11", "memory"); __asm__ volatile("cld");
    CHECK(r == getpid());
}
static void futexes(void) {
    int *word = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(syscall(SYS_futex, word, 0, 1, 0) == -1 && errno == EAGAIN);
    struct timespec t = { 0, 10000000 }; CHECK(syscall(SYS_futex, word, 0, 0, &t) == -1 && errno == ETIMEDOUT);
    int pid = fork(); if (!pid) _exit(syscall(SYS_futex, word, 0, 0, 0) != 0);
    usleep(10000); CHECK(syscall(SYS_futex, word, 1, 1, 0) == 1 && status_of(pid) == 0);
}
static void clocks_agree(void) {
    unsigned long a = now(); usleep(50000); unsigned long b = now(); CHECK(b - a >= 50000000 && b - a < 80000000);
    CHECK(time(0) > 1600000000);
    alarm(10); CHECK(alarm(0) == 10);
}

static const struct { const char *name; void (*run)(void); } tests[] = {
#define T(f) { #f, f }
    T(fork_copies_memory), T(shared_memory_is_shared), T(file_mappings), T(brk_grows_and_shrinks), T(protection), T(faults_kill),
    T(stack_grows), T(bad_pointers), T(mremap_moves), T(nothing_leaks), T(unknown_calls), T(registers_survive_calls),
    T(unsupported_flags), T(exec_passes_words), T(wait_reports), T(orphans_go_to_init), T(vfork_lends_memory),
    T(everyone_gets_a_turn), T(sse_state_is_private), T(groups_and_sessions), T(users), T(handlers_run), T(masks_hold_back), T(fault_info),
    T(interrupted_calls), T(sleep_goes_on_after_a_stop), T(stack_overflow_is_caught), T(forged_frames_gain_nothing), T(odd_flags),
    T(futexes), T(clocks_agree),
};
int main(int argc, char **argv) {
    setvbuf(stdout, 0, _IOLBF, 0);
    int failed = 0;
    for (unsigned i = 0; i < sizeof tests / sizeof *tests; i++) {
        int wanted = argc == 1; for (int j = 1; j < argc; j++) wanted |= !strcmp(argv[j], tests[i].name);
        if (!wanted) continue;
        int pid = fork();
        if (!pid) { tests[i].run(); _exit(0); }
        int s; while (waitpid(-1, &s, 0) != pid);
        printf("%s: %s\n", tests[i].name, s ? "FAILED" : "ok");
        if (s) failed++;
    }
    printf("usertests: %d failed\n", failed);
    return failed;
}
