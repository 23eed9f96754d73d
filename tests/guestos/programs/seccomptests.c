/* Properties of seccomp(2) and no_new_privs. */
#include "scratch.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>

#define DATA(field) offsetof(struct seccomp_data, field)
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, DATA(field))
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, value)
#define JUMP(operation, k, yes, no) BPF_JUMP(BPF_JMP | operation | BPF_K, k, yes, no)
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define FILTER(...) filter(0, (struct sock_filter[]){ __VA_ARGS__ }, COUNT(((struct sock_filter[]){ __VA_ARGS__ })))
/* One call gets this answer, all others are allowed. */
#define ANSWER(call, answer) FILTER(LOAD(nr), JUMP(BPF_JEQ, call, 0, 1), RETURN(answer), RETURN(SECCOMP_RET_ALLOW))

static int seccomp(unsigned operation, unsigned flags, void *argument) { return syscall(SYS_seccomp, operation, flags, argument); }
static int filter(unsigned flags, struct sock_filter *code, unsigned length) {
    struct sock_fprog program = { length, code };
    return seccomp(SECCOMP_SET_MODE_FILTER, flags, &program);
}
static void no_new_privs(void) { OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)); }
static int status_line(const char *name) {
    const char *at = strstr(content("/proc/self/status"), name);
    return at ? atoi(at + strlen(name) + 1) : -1;
}
#define CHILD(...) ({ fflush(stdout); int pid_ = fork(); if (!pid_) { __VA_ARGS__; _exit(0); } pid_; })

static void no_new_privs_stays(void) {
    CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0 && status_line("NoNewPrivs:") == 0);
    FAILS(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL);
    FAILS(prctl(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0), EINVAL);
    FAILS(prctl(PR_SET_NO_NEW_PRIVS, 2, 0, 0, 0), EINVAL);
    FAILS(prctl(PR_GET_NO_NEW_PRIVS, 1, 0, 0, 0), EINVAL);
    no_new_privs();
    FAILS(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL);
    CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 && status_line("NoNewPrivs:") == 1);
    CHECK(exit_of(CHILD(_exit(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)))) == 1);
}
/* C35 */
static void users_need_no_new_privs(void) {
    OK(setuid(1000));
    FAILS(ANSWER(SYS_getppid, SECCOMP_RET_ERRNO | 5), EACCES);
    no_new_privs();
    OK(ANSWER(SYS_getppid, SECCOMP_RET_ERRNO | 5));
    FAILS(syscall(SYS_getppid), 5);
}
static void root_needs_nothing(void) {
    OK(ANSWER(SYS_getppid, SECCOMP_RET_ERRNO | 7));
    FAILS(syscall(SYS_getppid), 7);
    CHECK(getpid() > 0 && status_line("Seccomp:") == 2 && status_line("Seccomp_filters:") == 1);
    CHECK(prctl(PR_GET_SECCOMP) == 2);
    FAILS(prctl(PR_SET_SECCOMP, 1), EINVAL);
    FAILS(seccomp(SECCOMP_SET_MODE_STRICT, 0, NULL), EINVAL);
}
static void bad_arguments(void) {
    struct sock_filter code[] = { RETURN(SECCOMP_RET_ALLOW) };
    struct sock_fprog program = { 1, code };
    FAILS(seccomp(99, 0, NULL), EINVAL);
    FAILS(seccomp(SECCOMP_SET_MODE_STRICT, 1, NULL), EINVAL);
    FAILS(seccomp(SECCOMP_SET_MODE_STRICT, 0, &program), EINVAL);
    FAILS(seccomp(SECCOMP_SET_MODE_FILTER, 0, NULL), EFAULT);
    FAILS(seccomp(SECCOMP_SET_MODE_FILTER, 1 << 20, &program), EINVAL);
    program.len = 0;
    FAILS(seccomp(SECCOMP_SET_MODE_FILTER, 0, &program), EINVAL);
    program.len = 4097;
    FAILS(seccomp(SECCOMP_SET_MODE_FILTER, 0, &program), EINVAL);
    program.len = 1, program.filter = (void *)8;
    FAILS(seccomp(SECCOMP_SET_MODE_FILTER, 0, &program), EFAULT);
    FAILS(prctl(PR_SET_SECCOMP, 0), EINVAL);
    FAILS(prctl(PR_SET_SECCOMP, 3), EINVAL);
    FAILS(prctl(PR_SET_SECCOMP, 2, NULL), EFAULT);
    CHECK(prctl(PR_GET_SECCOMP) == 0);
}
static void available_actions(void) {
    unsigned known[] = { SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP, SECCOMP_RET_ERRNO, SECCOMP_RET_TRACE,
                         SECCOMP_RET_LOG, SECCOMP_RET_ALLOW }, unknown = 0x12340000;
    for (unsigned i = 0; i < COUNT(known); i++) OK(seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &known[i]));
    FAILS(seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &unknown), EOPNOTSUPP);
    FAILS(seccomp(SECCOMP_GET_ACTION_AVAIL, 1, &known[0]), EINVAL);
    FAILS(seccomp(SECCOMP_GET_ACTION_AVAIL, 0, NULL), EFAULT);
}
static void refused_programs(void) {
#define REFUSED(...) FAILS(FILTER(__VA_ARGS__), EINVAL)
    REFUSED(LOAD(nr));
    REFUSED(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64), RETURN(0));
    REFUSED(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2), RETURN(0));
    REFUSED(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, -4096), RETURN(0));
    REFUSED(BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0), RETURN(0));
    REFUSED(BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), RETURN(0));
    REFUSED(BPF_STMT(BPF_LD | BPF_W | BPF_IND, 0), RETURN(0));
    REFUSED(BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0), RETURN(0));
    REFUSED(BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 3), RETURN(0));
    REFUSED(BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), RETURN(0));
    REFUSED(BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32), RETURN(0));
    REFUSED(BPF_STMT(BPF_ALU | BPF_NEG | BPF_X, 0), RETURN(0));
    REFUSED(BPF_STMT(BPF_RET | BPF_X, 0));
    REFUSED(BPF_STMT(BPF_LD | BPF_MEM, 0), RETURN(0));
    REFUSED(BPF_STMT(BPF_ST, 16), RETURN(0));
    REFUSED(BPF_STMT(BPF_JMP | BPF_JA, 1), RETURN(0));
    REFUSED(BPF_STMT(BPF_JMP | BPF_JA, -1), RETURN(0));
    REFUSED(JUMP(BPF_JEQ, 0, 1, 0), RETURN(0));
    REFUSED(JUMP(BPF_JEQ, 0, 0, 1), RETURN(0));
    REFUSED(BPF_STMT(0xffff, 0), RETURN(0));
    /* written on one way only */
    REFUSED(LOAD(nr), JUMP(BPF_JEQ, 1, 0, 1), BPF_STMT(BPF_ST, 3), BPF_STMT(BPF_LD | BPF_MEM, 3), RETURN(0));
    OK(FILTER(LOAD(nr), JUMP(BPF_JEQ, 1, 0, 1), BPF_STMT(BPF_ST, 3), BPF_STMT(BPF_ST, 3), BPF_STMT(BPF_LD | BPF_MEM, 3), RETURN(SECCOMP_RET_ALLOW)));
}
/* What a program computes, seen as the errno of a call. */
#define COMPUTES(result, ...) CHECK(exit_of(CHILD(OK(FILTER(LOAD(nr), JUMP(BPF_JEQ, SYS_getppid, 1, 0), RETURN(SECCOMP_RET_ALLOW), __VA_ARGS__, \
    BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO), BPF_STMT(BPF_RET | BPF_A, 0))); errno = 0; syscall(SYS_getppid, 40, 3, 0x500000007); _exit(errno))) == (result))
#define K(operation, k) BPF_STMT(BPF_ALU | operation | BPF_K, k)
#define BY_X(operation) BPF_STMT(BPF_ALU | operation | BPF_X, 0)
#define LDA(k) BPF_STMT(BPF_LD | BPF_IMM, k)
#define LDXI(k) BPF_STMT(BPF_LDX | BPF_IMM, k)
static void programs_compute(void) {
    COMPUTES(40, LOAD(args[0]));
    COMPUTES(7, LOAD(args[2]));
    COMPUTES(5, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, DATA(args[2]) + 4));
    COMPUTES(64, BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0));
    COMPUTES(64, BPF_STMT(BPF_LDX | BPF_W | BPF_LEN, 0), BPF_STMT(BPF_MISC | BPF_TXA, 0));
    COMPUTES(62, LOAD(arch), K(BPF_AND, 0xff));
    COMPUTES(42, LDA(40), K(BPF_ADD, 2));
    COMPUTES(38, LDA(40), LDXI(2), BY_X(BPF_SUB));
    COMPUTES(80, LDA(40), LDXI(2), BY_X(BPF_MUL));
    COMPUTES(13, LDA(40), LDXI(3), BY_X(BPF_DIV));
    COMPUTES(0x28, LDA(0x20), K(BPF_OR, 8));
    COMPUTES(0x30, LDA(0x3f), LDXI(0xf), BY_X(BPF_XOR));
    COMPUTES(32, LDA(1), K(BPF_LSH, 5));
    COMPUTES(4, LDA(128), LDXI(5), BY_X(BPF_RSH));
    COMPUTES(5, LDA(-5), BPF_STMT(BPF_ALU | BPF_NEG, 0));
    COMPUTES(9, LDA(9), BPF_STMT(BPF_ST, 15), LDA(1), BPF_STMT(BPF_LD | BPF_MEM, 15));
    COMPUTES(9, LDXI(9), BPF_STMT(BPF_STX, 2), BPF_STMT(BPF_LD | BPF_MEM, 2));
    COMPUTES(11, LDA(11), BPF_STMT(BPF_MISC | BPF_TAX, 0), LDA(0), BPF_STMT(BPF_MISC | BPF_TXA, 0));
    COMPUTES(3, LDA(-1), JUMP(BPF_JGT, 5, 0, 1), LDA(3));
    COMPUTES(4, LDA(5), JUMP(BPF_JGE, 5, 0, 1), LDA(4));
    COMPUTES(6, LDA(6), LDXI(6), BPF_JUMP(BPF_JMP | BPF_JGT | BPF_X, 0, 0, 1), LDA(4));
    COMPUTES(8, LDA(6), JUMP(BPF_JSET, 4, 0, 1), LDA(8));
    COMPUTES(2, LDA(2), BPF_STMT(BPF_JMP | BPF_JA, 1), LDA(9));
    CHECK(exit_of(CHILD(OK(FILTER(LOAD(nr), JUMP(BPF_JEQ, SYS_getppid, 1, 0), RETURN(SECCOMP_RET_ALLOW), LDXI(0), BY_X(BPF_DIV),
                                  RETURN(SECCOMP_RET_ALLOW))); syscall(SYS_getppid))) == 1000 + SIGSYS);
}
/* C36 */
static void filters_accumulate(void) {
    no_new_privs();
    OK(ANSWER(SYS_getppid, SECCOMP_RET_ERRNO | 5));
    OK(ANSWER(SYS_getppid, SECCOMP_RET_ALLOW));
    OK(ANSWER(SYS_getppid, SECCOMP_RET_LOG));
    FAILS(syscall(SYS_getppid), 5);
    OK(ANSWER(SYS_getppid, SECCOMP_RET_ERRNO | 6));
    FAILS(syscall(SYS_getppid), 6);         /* of equals the newest counts */
    CHECK(exit_of(CHILD(OK(ANSWER(SYS_getppid, SECCOMP_RET_KILL_PROCESS)); syscall(SYS_getppid))) == 1000 + SIGSYS);
    OK(ANSWER(SYS_getppid, SECCOMP_RET_TRACE));
    FAILS(syscall(SYS_getppid), 6);
    CHECK(status_line("Seccomp_filters:") == 5);
}
static void filters_survive_fork_and_exec(void) {
    char self[256] = "";
    CHECK(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    no_new_privs();
    OK(ANSWER(SYS_getppid, SECCOMP_RET_ERRNO | 5));
    CHECK(exit_of(CHILD(FAILS(syscall(SYS_getppid), 5))) == 0);
    CHECK(exit_of(CHILD(execl(self, self, "answered-5", NULL))) == 55);
}
static void answers(void) {
    OK(ANSWER(SYS_getppid, SECCOMP_RET_ERRNO | 0xffff));
    FAILS(syscall(SYS_getppid), 4095);
    OK(ANSWER(SYS_getpgrp, SECCOMP_RET_ERRNO));
    CHECK(syscall(SYS_getpgrp) == 0);
    OK(ANSWER(SYS_getuid, SECCOMP_RET_TRACE));
    FAILS(syscall(SYS_getuid), ENOSYS);
    OK(ANSWER(SYS_getgid, SECCOMP_RET_LOG));
    CHECK(syscall(SYS_getgid) == getegid());
}
static void killing(void) {
    CHECK(exit_of(CHILD(signal(SIGSYS, SIG_IGN); OK(ANSWER(SYS_getppid, SECCOMP_RET_KILL_PROCESS)); syscall(SYS_getppid))) == 1000 + SIGSYS);
    CHECK(exit_of(CHILD(OK(ANSWER(SYS_getppid, SECCOMP_RET_KILL_THREAD)); syscall(SYS_getppid))) == 1000 + SIGSYS);
    CHECK(exit_of(CHILD(catch_it(SIGSYS, 0); OK(ANSWER(SYS_getppid, 0x12340000)); syscall(SYS_getppid))) == 1000 + SIGSYS);   /* unknown ones do, too */
}
static void *calls_getppid(void *nothing) { return (void *)(long)syscall(SYS_getppid); }
static void *stays(void *pipe) { char c; return (void *)(long)read(*(int *)pipe, &c, 1); }
static void one_thread_is_killed(void) {
    OK(ANSWER(SYS_getppid, SECCOMP_RET_KILL_THREAD));
    pthread_t t;
    CHECK(!pthread_create(&t, NULL, calls_getppid, NULL));
    while (status_line("Threads:") != 1) nap(1);        /* one that is killed never comes to be joined */
    CHECK(getpid() > 0);
}
static siginfo_t seen;
static void on_sigsys(int signo, siginfo_t *info, void *context) { seen = *info; }
static void a_trap_tells_all(void) {
    struct sigaction a = { .sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO };
    OK(sigaction(SIGSYS, &a, NULL));
    OK(ANSWER(SYS_getppid, SECCOMP_RET_TRAP | 77));
    CHECK(syscall(SYS_getppid) == SYS_getppid);         /* registers are as before the call */
    CHECK(seen.si_signo == SIGSYS && seen.si_code == 1 && seen.si_errno == 77);
    CHECK(seen.si_syscall == SYS_getppid && seen.si_arch == AUDIT_ARCH_X86_64 && seen.si_call_addr);
    CHECK(exit_of(CHILD(signal(SIGSYS, SIG_IGN); syscall(SYS_getppid))) == 1000 + SIGSYS);
}
static void numbers_without_a_call_are_seen(void) {
    OK(ANSWER(4000, SECCOMP_RET_ERRNO | 3));
    FAILS(syscall(4000), 3);
    FAILS(syscall(4001), ENOSYS);
}
static void a_tracer_is_asked(void) {
    int s, pid = CHILD(
        OK(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
        raise(SIGSTOP);
        OK(ANSWER(SYS_getppid, SECCOMP_RET_TRACE | 42));
        CHECK(syscall(SYS_getppid) == 1234);
        CHECK(syscall(SYS_getppid) == syscall(SYS_getpid));
        CHECK(syscall(SYS_getppid) > 0);
        FAILS(syscall(SYS_getppid), ENOSYS));       /* nobody is there to be asked */
    struct user_regs_struct r;
    unsigned long message = 0;
    CHECK(waitpid(pid, &s, 0) == pid && WIFSTOPPED(s));
    OK(ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)PTRACE_O_TRACESECCOMP));
    for (int i = 0; i < 3; i++) {
        OK(ptrace(PTRACE_CONT, pid, NULL, NULL));
        CHECK(waitpid(pid, &s, 0) == pid && s >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8));
        OK(ptrace(PTRACE_GETEVENTMSG, pid, NULL, &message));
        OK(ptrace(PTRACE_GETREGS, pid, NULL, &r));
        CHECK(message == 42 && r.orig_rax == SYS_getppid && r.rax == -ENOSYS);
        if (i == 0) r.orig_rax = -1, r.rax = 1234;
        if (i == 1) r.orig_rax = SYS_getpid;
        OK(ptrace(PTRACE_SETREGS, pid, NULL, &r));
        if (i == 2) OK(ptrace(PTRACE_DETACH, pid, NULL, NULL));
    }
    CHECK(exit_of(pid) == 0);
}
static void strict_mode(void) {
    CHECK(exit_of(CHILD(OK(prctl(PR_SET_SECCOMP, 1)); write(1, "", 0); syscall(SYS_exit, 3))) == 3);
    CHECK(exit_of(CHILD(OK(seccomp(SECCOMP_SET_MODE_STRICT, 0, NULL)); syscall(SYS_getppid); syscall(SYS_exit, 3))) == 1000 + SIGKILL);
    CHECK(exit_of(CHILD(OK(prctl(PR_SET_SECCOMP, 1)); prctl(PR_GET_SECCOMP); syscall(SYS_exit, 3))) == 1000 + SIGKILL);
}
static void all_threads_at_once(void) {
    int fds[2];
    pthread_t t;
    void *result;
    CHECK(!pipe(fds) && !pthread_create(&t, NULL, stays, fds));
    struct sock_filter code[] = { LOAD(nr), JUMP(BPF_JEQ, SYS_read, 0, 1), RETURN(SECCOMP_RET_ERRNO | 9), RETURN(SECCOMP_RET_ALLOW) };
    nap(2);
    OK(filter(SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW, code, COUNT(code)));
    write(fds[1], "x", 1);
    pthread_join(t, &result);
    CHECK(result == (void *)1);             /* it was in the call already */
    CHECK(!pthread_create(&t, NULL, stays, fds) && !pthread_join(t, &result) && result == (void *)-1);
}
static int tid;
static void *diverges(void *pipe) {
    char c;
    tid = syscall(SYS_gettid);
    OK(ANSWER(SYS_getppid, SECCOMP_RET_ERRNO | 1));
    write(((int *)pipe)[1], "x", 1);
    while (1) nap(5);
}
static void diverged_threads_are_not_synchronised(void) {
    int fds[2];
    char c;
    pthread_t t;
    CHECK(!pipe(fds) && !pthread_create(&t, NULL, diverges, fds) && read(fds[0], &c, 1) == 1);
    struct sock_filter code[] = { RETURN(SECCOMP_RET_ALLOW) };
    CHECK(filter(SECCOMP_FILTER_FLAG_TSYNC, code, 1) == tid);
    FAILS(filter(SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH, code, 1), ESRCH);
    CHECK(prctl(PR_GET_SECCOMP) == 0);
}
static void so_many_and_no_more(void) {
    static struct sock_filter code[4096];
    for (int i = 0; i < 4096; i++) code[i] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
    int fit = 0;
    while (filter(0, code, 4096) == 0) fit++;
    CHECK(errno == ENOMEM && fit >= 3 && fit <= 7);
    OK(filter(0, code, 1));
}

static const struct property all[] = {
    T(no_new_privs_stays), T(users_need_no_new_privs), T(root_needs_nothing), T(bad_arguments), T(available_actions), T(refused_programs),
    T(programs_compute), T(filters_accumulate), T(filters_survive_fork_and_exec), T(answers), T(killing), T(one_thread_is_killed),
    T(a_trap_tells_all), T(numbers_without_a_call_are_seen), T(a_tracer_is_asked), T(strict_mode), T(all_threads_at_once),
    T(diverged_threads_are_not_synchronised), T(so_many_and_no_more), { 0 },
};
int main(int argc, char **argv) {
    if (argc == 2 && !strcmp(argv[1], "answered-5")) return syscall(SYS_getppid) == -1 && errno == 5 ? 55 : 1;
    return run_properties(all, argc, argv);
}
