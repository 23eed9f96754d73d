/* Threads as Linux has them: what they share, how they end, futexes, and signals among them. */
#include "properties.h"
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

typedef void *(*start)(void *);
static int gettid_(void) { return syscall(SYS_gettid); }
static pthread_t run(start f, void *argument) { pthread_t t; CHECK(!pthread_create(&t, NULL, f, argument)); return t; }
static void *join(pthread_t t) { void *r = NULL; CHECK(!pthread_join(t, &r)); return r; }
static long futex(void *word, int op, unsigned value, const void *timeout, void *word2, unsigned value3) { return syscall(SYS_futex, word, op, value, timeout, word2, value3); }
static void *shared_page(void) { void *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0); CHECK(p != MAP_FAILED); return p; }
static int words[16];
static char self[256];
static void *idle(void *unused) { for (;;) pause(); }
static struct timespec ms(int n) { return (struct timespec){ n / 1000, n % 1000 * 1000000L }; }

/* ---- what threads are ---- */
static void *numbers(void *p) { int *n = p; n[0] = getpid(); n[1] = gettid_(); n[2] = getppid(); return p; }
static void threads_have_one_pid_and_tids_of_their_own(void) {
    int a[3], b[3];
    pthread_t x = run(numbers, a), y = run(numbers, b);
    join(x); join(y);
    CHECK(gettid_() == getpid() && a[0] == getpid() && b[0] == getpid() && a[1] != b[1] && a[1] != getpid() && a[2] == getppid());
}
static void *give_back(void *p) { return (char *)p + 1; }
static void many_threads_come_and_go(void) {
    for (int round = 0; round < 20; round++) {
        pthread_t t[16];
        for (long i = 0; i < 16; i++) t[i] = run(give_back, (void *)i);
        for (long i = 0; i < 16; i++) CHECK(join(t[i]) == (void *)(i + 1));
    }
}
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static volatile long count;
static void *counts(void *p) { for (int i = 0; i < 2000; i++) { pthread_mutex_lock(&mutex); long c = count; if (i % 64 == 0) sched_yield(); count = c + 1; pthread_mutex_unlock(&mutex); } return p; }
static void mutexes_exclude(void) {
    pthread_t t[4];
    for (int i = 0; i < 4; i++) t[i] = run(counts, NULL);
    for (int i = 0; i < 4; i++) join(t[i]);
    CHECK(count == 8000);
}
static void *answers(void *p) {
    pthread_mutex_lock(&mutex);
    for (int i = 0; i < 500; i++) { while (count % 2 == 0) pthread_cond_wait(&condition, &mutex); count++; pthread_cond_broadcast(&condition); }
    pthread_mutex_unlock(&mutex);
    return p;
}
static void conditions_wake(void) {
    pthread_t t = run(answers, NULL);
    pthread_mutex_lock(&mutex);
    for (int i = 0; i < 500; i++) { count++; pthread_cond_broadcast(&condition); while (count % 2) pthread_cond_wait(&condition, &mutex); }
    pthread_mutex_unlock(&mutex);
    join(t);
    CHECK(count == 1000);
}
static void *spins(void *p) { while (!*(volatile int *)p) ; return p; }
static void turns_end_by_themselves(void) { pthread_t t = run(spins, words); nap(30); words[0] = 1; join(t); }
static void *opens(void *p) { int fd = open("/dev/null", O_RDWR); chdir("/dev"); umask(012); *(char **)p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); **(char **)p = 'm'; return (void *)(long)fd; }
static void files_directory_and_memory_are_shared(void) {
    char *memory, cwd[64];
    int fd = (long)join(run(opens, &memory));
    CHECK(write(fd, "x", 1) == 1 && getcwd(cwd, sizeof cwd) && !strcmp(cwd, "/dev") && umask(0) == 012 && *memory == 'm');
    CHECK(!close(fd));
}
static __thread int own = 5;
static void *sets_own(void *p) { own = 6; return &own; }
static void each_has_its_own_thread_pointer(void) { void *theirs = join(run(sets_own, NULL)); CHECK(own == 5 && theirs != &own); }
static void *floats(void *p) { volatile double x = (long)p; for (int i = 0; i < 200000; i++) x = x * 1.0000001 / 1.0000001; return (void *)(long)(x + 0.5); }
static void each_has_its_own_registers(void) {
    pthread_t t[4];
    for (long i = 0; i < 4; i++) t[i] = run(floats, (void *)(i * 1000));
    for (long i = 0; i < 4; i++) CHECK(join(t[i]) == (void *)(i * 1000));
}
static void *sleeps(void *p) { nap(20); return p; }
static void procfs_counts_threads(void) {
    pthread_t t = run(sleeps, NULL);
    char text[4096] = { 0 };
    CHECK(read(open("/proc/self/status", O_RDONLY), text, 4095) > 0 && strstr(text, "\nThreads:\t2\n"));
    join(t);
}
static long thread_time;
static void *busy(void *p) {
    do {
        for (volatile int i = 0; i < 100000; i++) ;
        struct timespec t;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        thread_time = t.tv_sec * 1000000000L + t.tv_nsec;
    } while (thread_time < 3000000);
    return p;
}
static void processor_time_is_of_all_threads(void) {
    struct timespec mine, all;
    join(run(busy, NULL));
    nap(20);        /* joined is not yet off its processor: Linux counts what runs there at its next tick */
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &mine); clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &all);
    CHECK(all.tv_sec * 1000000000L + all.tv_nsec >= mine.tv_sec * 1000000000L + mine.tv_nsec + thread_time - 1000000);
    struct rusage u, of_thread;
    CHECK(!getrusage(RUSAGE_SELF, &u) && !getrusage(1 /* RUSAGE_THREAD */, &of_thread));
    CHECK(u.ru_utime.tv_sec * 1000000 + u.ru_utime.tv_usec > of_thread.ru_utime.tv_sec * 1000000 + of_thread.ru_utime.tv_usec);
}
static void *forks(void *p) { int pid = fork(); if (!pid) { *(int *)p = gettid_() == getpid(); _exit(7); } return (void *)(long)pid; }
static void fork_takes_the_calling_thread_along(void) {
    int *alone = shared_page();
    pthread_t other = run(idle, NULL);
    int pid = (long)join(run(forks, alone));
    CHECK(exit_of(pid) == 7 && *alone);     /* and any thread may wait for any thread's child */
}
static void *waits(void *p) { int s; return (void *)(long)(waitpid(*(int *)p, &s, 0) == *(int *)p ? WEXITSTATUS(s) : -1); }
static void any_thread_may_wait(void) { int pid = fork(); if (!pid) { nap(10); _exit(4); } CHECK(join(run(waits, &pid)) == (void *)4L); }

/* ---- how they end ---- */
static void *ends_process(void *p) { nap(10); exit(9); }
static void *calls_exit(void *p) { nap(5); syscall(SYS_exit, 5); return p; }
static void exit_ends_one_thread(void) { pthread_t t = run(calls_exit, NULL); nap(15); CHECK(syscall(SYS_tkill, 0x7ffffff0, 0) == -1 && errno == ESRCH); }
static void the_first_thread_may_go_first(void) {
    int pid = fork();
    if (!pid) { run(ends_process, NULL); pthread_exit(NULL); }
    CHECK(exit_of(pid) == 9);
    if (!(pid = fork())) { run(calls_exit, NULL); syscall(SYS_exit, 3); }
    CHECK(exit_of(pid) == 5);               /* when nobody ends the process, the last thread's status is its own */
}
static void a_zombie_leader_is_not_waited_for(void) {
    int pid = fork(), s;
    if (!pid) { run(ends_process, NULL); syscall(SYS_exit, 3); }
    nap(3);
    CHECK(waitpid(pid, &s, WNOHANG) == 0 && kill(pid, 0) == 0 && exit_of(pid) == 9);
}
static void *reads(void *p) { char c; read(*(int *)p, &c, 1); return p; }
static void *blocks_on_futex(void *p) { for (;;) futex(words + 8, FUTEX_WAIT, 0, 0, 0, 0); }
static void *spins_for_ever(void *p) { for (;;) ; }
static void exit_group_ends_all(void) {
    int p[2]; pipe(p);
    int pid = fork();
    if (!pid) {
        run(reads, p); run(idle, NULL); run(blocks_on_futex, NULL); run(spins_for_ever, NULL);
        nap(10); _exit(6);
    }
    CHECK(exit_of(pid) == 6);
}
static void a_fatal_signal_ends_all(void) {
    int pid = fork();
    if (!pid) { run(idle, NULL); run(spins_for_ever, NULL); run(blocks_on_futex, NULL); pause(); }
    nap(10); kill(pid, SIGTERM);
    CHECK(exit_of(pid) == 1000 + SIGTERM);
}
static void *faults(void *p) { *(volatile int *)8 = 1; return p; }
static void a_thread_s_fault_ends_all(void) {
    int pid = fork();
    if (!pid) { run(faults, NULL); pause(); }
    CHECK(exit_of(pid) == 1000 + SIGSEGV);
}
static char pid_text[16];
static void *executes(void *p) { execl(self, "threadtests", "same-pid", pid_text, (char *)0); _exit(99); }
static void exec_by_a_thread_takes_the_process_over(void) {
    int pid = fork();
    if (!pid) { snprintf(pid_text, sizeof pid_text, "%d", getpid()); run(idle, NULL); run(spins_for_ever, NULL); run(executes, NULL); for (;;) pause(); }
    CHECK(exit_of(pid) == 0);
    if (!(pid = fork())) { snprintf(pid_text, sizeof pid_text, "%d", getpid()); run(idle, NULL); run(spins_for_ever, NULL); executes(NULL); }
    CHECK(exit_of(pid) == 0);
    if (!(pid = fork())) { snprintf(pid_text, sizeof pid_text, "%d", getpid()); run(executes, NULL); pthread_exit(NULL); }
    CHECK(exit_of(pid) == 0);
}
static void *fails_to_execute(void *p) { execl("/nowhere", "x", (char *)0); return (void *)(long)errno; }
static void a_failed_exec_harms_nobody(void) { pthread_t t = run(sleeps, words); CHECK(join(run(fails_to_execute, NULL)) == (void *)ENOENT && join(t) == words); }

/* ---- clone's words ---- */
static void impossible_clones(void) {
    FAILS(syscall(SYS_clone, CLONE_THREAD | CLONE_VM | SIGCHLD, 0, 0, 0, 0), EINVAL);
    FAILS(syscall(SYS_clone, CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0), EINVAL);
    FAILS(syscall(SYS_clone, CLONE_THREAD | CLONE_SIGHAND, 0, 0, 0, 0), EINVAL);
    uint64_t a[11] = { 0 };
    FAILS(syscall(SYS_clone3, a, 56), EINVAL);
    FAILS(syscall(SYS_clone3, a, 5000), E2BIG);
    FAILS(syscall(SYS_clone3, (void *)8, 64), EFAULT);
    a[0] = SIGCHLD; FAILS(syscall(SYS_clone3, a, 64), EINVAL);      /* the signal has a field of its own */
    a[0] = 0; a[5] = 4096; FAILS(syscall(SYS_clone3, a, 64), EINVAL); /* stack without its size */
    a[5] = 0; a[4] = 65; FAILS(syscall(SYS_clone3, a, 64), EINVAL);
    a[4] = SIGCHLD; a[0] = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM; FAILS(syscall(SYS_clone3, a, 64), EINVAL);
    uint64_t longer[16] = { 0 }; longer[15] = 1; FAILS(syscall(SYS_clone3, longer, sizeof longer), E2BIG);
}
static void clone3_forks(void) {
    uint64_t a[16] = { [0] = CLONE_PARENT_SETTID | CLONE_CHILD_SETTID, [4] = SIGCHLD };
    int parent_tid = 0, child_tid = 0;
    a[2] = (uint64_t)&child_tid; a[3] = (uint64_t)&parent_tid;
    int pid = syscall(SYS_clone3, a, sizeof a);
    if (!pid) _exit(child_tid == getpid() ? 8 : 1);
    CHECK(pid == parent_tid && !child_tid && exit_of(pid) == 8);
}
static void clone3_can_reset_handlers(void) {
    catch_it(SIGUSR1, 0); signal(SIGUSR2, SIG_IGN);
    uint64_t a[8] = { [0] = 0x100000000, [4] = SIGCHLD };
    int pid = syscall(SYS_clone3, a, sizeof a);
    if (!pid) { struct sigaction s; sigaction(SIGUSR2, 0, &s); kill(getpid(), SIGUSR1); _exit(s.sa_handler == SIG_DFL); }
    CHECK(exit_of(pid) == 1000 + SIGUSR1);
}
static int in_child(void *p) { *(volatile int *)p = getppid(); return 11; }
static void clone_may_share_memory_alone(void) {
    char *stack = malloc(65536); int seen = 0;
    int pid = clone(in_child, stack + 65536, CLONE_VM | SIGCHLD, &seen);
    CHECK(exit_of(pid) == 11 && seen == getpid());
    if (!(pid = fork())) {
        pid = clone(in_child, stack + 65536, CLONE_VM | CLONE_PARENT | SIGCHLD, &seen);
        nap(10);
        _exit(pid > 0 && seen == getppid() && waitpid(pid, NULL, 0) == -1 && errno == ECHILD);
    }
    CHECK(exit_of(pid) == 1 && exit_of(-1) == 11);      /* a sibling of its maker, a child of ours */
    pid = clone(in_child, stack + 65536, CLONE_VM | 0, &seen); /* no signal at its end: a "clone child" */
    FAILS(waitpid(pid, NULL, 0), ECHILD);
    CHECK(waitpid(pid, NULL, __WALL) == pid);
}
static int opens_3(void *p) { close(3); return chdir("/dev") ? 1 : 0; }
static void clone_may_share_files_and_directory(void) {
    char *stack = malloc(65536), cwd[64];
    dup2(0, 3); chdir("/");
    int pid = clone(opens_3, stack + 65536, CLONE_FILES | CLONE_FS | SIGCHLD, NULL);
    CHECK(exit_of(pid) == 0 && fcntl(3, F_GETFD) == -1 && getcwd(cwd, 64) && !strcmp(cwd, "/dev"));
}
static int executes_sharing(void *p) { fcntl(3, F_SETFD, FD_CLOEXEC); execl(self, "threadtests", "nothing", (char *)0); return 1; }
static void exec_leaves_shared_files_alone(void) {
    char *stack = malloc(65536);
    dup2(0, 3);
    int pid = clone(executes_sharing, stack + 65536, CLONE_FILES | SIGCHLD, NULL);
    CHECK(exit_of(pid) == 0 && fcntl(3, F_GETFD) == FD_CLOEXEC);
}
static void set_tid_address_clears_at_the_end(void) {
    CHECK(syscall(SYS_set_tid_address, words) == gettid_());
    int *cleared = shared_page();
    *cleared = 1;
    long pid, flags = CLONE_VM | CLONE_VFORK | CLONE_CHILD_CLEARTID | SIGCHLD;
    register int *r10 __asm__("r10") = cleared;
    __asm__ volatile("syscall; test %%eax, %%eax; jnz 1f; mov $60, %%eax; mov $11, %%edi; syscall; 1:"
                     : "=a"(pid) : "a"((long)SYS_clone), "D"(flags), "S"(0L), "d"(0L), "r"(r10) : "rcx", "r11", "memory");
    CHECK(pid > 0 && *(volatile int *)cleared == 0 && exit_of(pid) == 11);
}

/* ---- futexes ---- */
static volatile int woken;
static void *waits_on(void *p) { long r = futex(p, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, 0, 0, 0); __atomic_add_fetch(&woken, 1, 5); return (void *)r; }
static void *waits_shared(void *p) { futex(p, FUTEX_WAIT, 0, 0, 0, 0); __atomic_add_fetch(&woken, 1, 5); return p; }
static int private_words[16];
static void futex_errors(void) {
    struct timespec t = ms(5), bad = { 0, 1000000000 };
    FAILS(futex(words, FUTEX_WAIT, 1, 0, 0, 0), EAGAIN);
    FAILS(futex((char *)words + 2, FUTEX_WAIT, 0, 0, 0, 0), EINVAL);
    FAILS(futex((char *)words + 2, FUTEX_WAKE, 1, 0, 0, 0), EINVAL);
    FAILS(futex((void *)4096, FUTEX_WAIT, 0, 0, 0, 0), EFAULT);
    FAILS(futex((void *)4096, FUTEX_WAKE, 1, 0, 0, 0), EFAULT);
    CHECK(futex((void *)4096, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, 0, 0, 0) == 0);
    FAILS(futex((void *)-4096L, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, 0, 0, 0), EFAULT);
    FAILS(futex(words, FUTEX_WAIT, 0, &bad, 0, 0), EINVAL);
    FAILS(futex(words, FUTEX_WAIT, 0, (void *)8, 0, 0), EFAULT);
    FAILS(futex(words, FUTEX_WAIT_BITSET, 0, 0, 0, 0), EINVAL);
    FAILS(futex(words, FUTEX_WAKE_BITSET, 1, 0, 0, 0), EINVAL);
    FAILS(futex(words, FUTEX_WAIT | FUTEX_CLOCK_REALTIME, 0, 0, 0, 0), ENOSYS);
    FAILS(futex(words, 99, 0, 0, 0, 0), ENOSYS);
    FAILS(futex(words, FUTEX_CMP_REQUEUE, 1, (void *)1, words + 1, 5), EAGAIN);
    FAILS(futex(words, FUTEX_CMP_REQUEUE, -1, (void *)1, words + 1, 0), EINVAL);
}
static void futex_timeouts(void) {
    long begin = milliseconds();
    struct timespec t = ms(20);
    FAILS(futex(words, FUTEX_WAIT, 0, &t, 0, 0), ETIMEDOUT);
    CHECK(milliseconds() - begin >= 20);
    t = (struct timespec){ 0, 1 };
    FAILS(futex(words, FUTEX_WAIT_BITSET, 0, &t, 0, ~0), ETIMEDOUT);
    begin = milliseconds();
    clock_gettime(CLOCK_REALTIME, &t); t.tv_nsec += 20000000; if (t.tv_nsec >= 1000000000) t.tv_sec++, t.tv_nsec -= 1000000000;
    FAILS(futex(words, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &t, 0, ~0), ETIMEDOUT);
    CHECK(milliseconds() - begin >= 19);
}
static void futex_wakes_as_many_as_asked(void) {
    pthread_t t[5];
    for (int i = 0; i < 5; i++) t[i] = run(waits_on, private_words);
    nap(10);
    CHECK(futex(private_words, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 2, 0, 0, 0) == 2);
    nap(10);
    CHECK(woken == 2 && futex(private_words, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT_MAX, 0, 0, 0) == 3);
    for (int i = 0; i < 5; i++) CHECK(join(t[i]) == 0);
}
static void *waits_for_bits(void *p) { futex(words, FUTEX_WAIT_BITSET, 0, 0, 0, (uintptr_t)p); __atomic_or_fetch(&woken, (uintptr_t)p, 5); return p; }
static void futex_bits_choose(void) {
    pthread_t a = run(waits_for_bits, (void *)1L), b = run(waits_for_bits, (void *)2L);
    nap(10);
    CHECK(futex(words, FUTEX_WAKE_BITSET, 9, 0, 0, 2) == 1);
    join(b);
    CHECK(woken == 2 && futex(words, FUTEX_WAKE_BITSET, 9, 0, 0, 5) == 1);
    join(a);
}
static void futex_requeues(void) {
    pthread_t t[4];
    for (int i = 0; i < 4; i++) t[i] = run(waits_on, private_words);
    nap(10);
    CHECK(futex(private_words, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE_FLAG, 1, (void *)2L, private_words + 1, 0) == 3);
    nap(5);
    CHECK(woken == 1 && futex(private_words, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 9, 0, 0, 0) == 1);
    CHECK(futex(private_words + 1, FUTEX_REQUEUE | FUTEX_PRIVATE_FLAG, 1, (void *)9L, private_words + 2, 0) == 2);
    CHECK(futex(private_words + 2, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 9, 0, 0, 0) == 1);
    for (int i = 0; i < 4; i++) join(t[i]);
}
static void futex_wake_op(void) {
    pthread_t a = run(waits_on, private_words), b = run(waits_on, private_words + 1);
    nap(10);
    /* word 1: 0 becomes 7 (set), compared: was it 0? then wake there, too */
    FAILS(futex(private_words, FUTEX_WAKE_OP | FUTEX_PRIVATE_FLAG, 1, (void *)1L, (void *)4096, FUTEX_OP(FUTEX_OP_SET, 7, FUTEX_OP_CMP_EQ, 0)), EFAULT);
    CHECK(futex(private_words, FUTEX_WAKE_OP | FUTEX_PRIVATE_FLAG, 1, (void *)1L, private_words + 1, FUTEX_OP(FUTEX_OP_SET, 7, FUTEX_OP_CMP_EQ, 0)) == 2);
    join(a); join(b);
    CHECK(private_words[1] == 7);
    futex(private_words, FUTEX_WAKE_OP, 1, (void *)1L, private_words + 1, FUTEX_OP(FUTEX_OP_ADD, -3, FUTEX_OP_CMP_GT, 0)); CHECK(private_words[1] == 4);
    futex(private_words, FUTEX_WAKE_OP, 1, (void *)1L, private_words + 1, FUTEX_OP(FUTEX_OP_OR | FUTEX_OP_OPARG_SHIFT, 5, FUTEX_OP_CMP_LT, 0)); CHECK(private_words[1] == 36);
    futex(private_words, FUTEX_WAKE_OP, 1, (void *)1L, private_words + 1, FUTEX_OP(FUTEX_OP_ANDN, 4, FUTEX_OP_CMP_NE, 0)); CHECK(private_words[1] == 32);
    futex(private_words, FUTEX_WAKE_OP, 1, (void *)1L, private_words + 1, FUTEX_OP(FUTEX_OP_XOR, 33, FUTEX_OP_CMP_NE, 0)); CHECK(private_words[1] == 1);
}
static void futexes_reach_other_processes(void) {
    int *here = shared_page();
    int pid = fork();
    if (!pid) { int *there = mremap(here, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, 0x10000000); if (there == MAP_FAILED) there = here; while (!*(volatile int *)there) futex(there, FUTEX_WAIT, 0, 0, 0, 0); _exit(3); }
    nap(10); *here = 1;
    CHECK(futex(here, FUTEX_WAKE, 1, 0, 0, 0) == 1 && exit_of(pid) == 3);
}
static void a_file_s_futex_is_one_for_all(void) {
    int fd = open("/tmp/futex.word", O_RDWR | O_CREAT | O_TRUNC, 0600); CHECK(fd >= 0 && !ftruncate(fd, 8192) && !unlink("/tmp/futex.word"));
    int pid = fork();
    if (!pid) { int *w = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 4096); while (!*(volatile int *)w) futex(w, FUTEX_WAIT, 0, 0, 0, 0); _exit(3); }
    int *w = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) + 4096;
    nap(20); *w = 1;
    CHECK(futex(w, FUTEX_WAKE, 1, 0, 0, 0) == 1 && exit_of(pid) == 3);
}
static void a_waiter_is_found_after_fork(void) {    /* copy-on-write changes the frame, not the name, of a private word */
    pthread_t t = run(waits_on, private_words);
    nap(5);
    int pid = fork();
    if (!pid) { nap(20); _exit(futex(private_words, FUTEX_WAKE, 1, 0, 0, 0)); }
    private_words[0] = 1;
    CHECK(futex(private_words, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, 0, 0, 0) == 1);
    join(t);
    CHECK(exit_of(pid) == 0);
}
static void *interrupts(void *p) { nap(10); pthread_kill(*(pthread_t *)p, SIGUSR1); nap(20); words[2] = 1; futex(words + 2, FUTEX_WAKE, 1, 0, 0, 0); return p; }
static void futex_waits_restart(void) {
    pthread_t self = pthread_self(), t;
    struct timespec limit = ms(2000);
    catch_it(SIGUSR1, SA_RESTART); t = run(interrupts, &self);
    CHECK(futex(words + 2, FUTEX_WAIT, 0, 0, 0, 0) == 0 && caught == SIGUSR1);
    join(t);
    catch_it(SIGUSR1, 0); words[2] = 0; t = run(interrupts, &self);
    FAILS(futex(words + 2, FUTEX_WAIT, 0, 0, 0, 0), EINTR);
    join(t);
    catch_it(SIGUSR1, SA_RESTART); words[2] = 0; t = run(interrupts, &self);
    FAILS(futex(words + 2, FUTEX_WAIT, 0, &limit, 0, 0), EINTR);    /* with a timeout: never restarted after a handler */
    join(t);
}
static pthread_mutex_t *robust(void) {
    pthread_mutex_t *m = shared_page(); pthread_mutexattr_t a;
    pthread_mutexattr_init(&a); pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST); pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
    CHECK(!pthread_mutex_init(m, &a));
    return m;
}
/* Lock it once somebody else has had it. */
static int lock_after(pthread_mutex_t *m) {
    int r;
    while (!(r = pthread_mutex_trylock(m))) { pthread_mutex_unlock(m); nap(1); }
    return r == EBUSY ? pthread_mutex_lock(m) : r;
}
static void *locks_and_goes(void *m) { pthread_mutex_lock(m); nap(10); syscall(SYS_exit, 0); return m; }
static void a_dead_owner_is_noticed(void) {
    pthread_mutex_t *m = robust();
    pthread_t t = run(locks_and_goes, m);
    CHECK(lock_after(m) == EOWNERDEAD && !pthread_mutex_consistent(m) && !pthread_mutex_unlock(m));
    int pid = fork();
    if (!pid) { pthread_mutex_lock(m); kill(getpid(), SIGKILL); }
    status_of(pid);
    CHECK(pthread_mutex_lock(m) == EOWNERDEAD && !pthread_mutex_consistent(m) && !pthread_mutex_unlock(m));
    if (!(pid = fork())) { pthread_mutex_lock(m); nap(10); execl(self, "threadtests", "nothing", (char *)0); }
    CHECK(lock_after(m) == EOWNERDEAD && exit_of(pid) == 0);
}
static void robust_lists_are_told(void) {
    void *head = NULL; size_t size = 0; long mine[3] = { (long)mine, 0, 0 };
    FAILS(syscall(SYS_set_robust_list, mine, 23), EINVAL);
    CHECK(!syscall(SYS_set_robust_list, mine, 24) && !syscall(SYS_get_robust_list, 0, &head, &size) && head == mine && size == 24);
    FAILS(syscall(SYS_get_robust_list, 0x7ffffff0, &head, &size), ESRCH);
    mine[0] = 0x123456789000;               /* rubbish must hurt nobody */
    int pid = fork();
    if (!pid) { syscall(SYS_set_robust_list, mine, 24); _exit(2); }
    CHECK(exit_of(pid) == 2);
}

/* ---- signals among threads ---- */
static volatile int seen_by;
static void notes_thread(int signo) { seen_by = gettid_(); }
static void *notes(void *p) { sigset_t s; sigemptyset(&s); pthread_sigmask(SIG_SETMASK, &s, NULL); *(volatile int *)p = gettid_(); while (!seen_by) nap(1); return p; }
static void block_usr1(void) { sigset_t s; sigemptyset(&s); sigaddset(&s, SIGUSR1); pthread_sigmask(SIG_BLOCK, &s, NULL); }
static void a_signal_goes_to_a_thread_that_takes_it(void) {
    volatile int tid = 0;
    signal(SIGUSR1, notes_thread); block_usr1();
    pthread_t blocked = run(sleeps, NULL), t = run(notes, (void *)&tid);
    while (!tid) nap(1);
    kill(getpid(), SIGUSR1); join(t);
    CHECK(seen_by == tid);
}
static void *blocked_notes(void *p) { *(volatile int *)p = gettid_(); while (!seen_by) nap(1); return p; }
static void tgkill_picks_the_thread(void) {
    volatile int tid = 0;
    signal(SIGUSR1, notes_thread);
    pthread_t t = run(blocked_notes, (void *)&tid);
    while (!tid) nap(1);
    CHECK(!syscall(SYS_tgkill, getpid(), tid, SIGUSR1)); join(t);
    CHECK(seen_by == tid);
    FAILS(syscall(SYS_tgkill, getpid() + 1, tid, 0), ESRCH);
    FAILS(syscall(SYS_tgkill, 0, tid, 0), EINVAL);
    FAILS(syscall(SYS_tgkill, getpid(), gettid_(), 65), EINVAL);
}
static void pending_for_the_process_waits_for_a_taker(void) {
    volatile int tid = 0; sigset_t s;
    signal(SIGUSR1, notes_thread); block_usr1();
    kill(getpid(), SIGUSR1);
    CHECK(!sigpending(&s) && sigismember(&s, SIGUSR1) && !seen_by);
    pthread_t t = run(notes, (void *)&tid); join(t);
    CHECK(seen_by == tid && !sigpending(&s) && !sigismember(&s, SIGUSR1));
}
static void *own_pending(void *p) { sigset_t s; block_usr1(); pthread_kill(pthread_self(), SIGUSR1); nap(5); sigpending(&s); return (void *)(long)sigismember(&s, SIGUSR1); }
static void pending_for_a_thread_is_its_own(void) {
    sigset_t s; block_usr1();
    CHECK(join(run(own_pending, NULL)) == (void *)1L && !sigpending(&s) && !sigismember(&s, SIGUSR1));
}
static void *counts_up(void *p) { for (;;) ++*(volatile unsigned *)p; }
static void *pipes_on(void *p) { char c; int *fd = p; for (;;) { read(fd[0], &c, 1); write(fd[1], &c, 1); } }
static void stops_stop_all_threads(void) {
    volatile unsigned *n = shared_page(), before;
    int pid = fork(), s;
    if (!pid) { int p[2]; pipe(p); write(p[1], "x", 1); run(pipes_on, p); run(counts_up, (void *)n); counts_up((void *)(n + 1)); }
    nap(10);
    CHECK(!kill(pid, SIGSTOP) && waitpid(pid, &s, WUNTRACED) == pid && WIFSTOPPED(s) && WSTOPSIG(s) == SIGSTOP);
    before = n[0] + n[1]; nap(20); CHECK(before == n[0] + n[1]);
    CHECK(!kill(pid, SIGCONT) && waitpid(pid, &s, WCONTINUED) == pid && WIFCONTINUED(s));
    unsigned a = n[0], b = n[1];
    nap(30); CHECK(a != n[0] && b != n[1]);
    CHECK(!kill(pid, SIGSTOP) && waitpid(pid, &s, WUNTRACED) == pid);
    CHECK(!kill(pid, SIGKILL) && exit_of(pid) == 1000 + SIGKILL);
}
static void handlers_are_shared_masks_are_not(void) {
    struct sigaction a;
    signal(SIGUSR2, SIG_IGN); block_usr1();
    join(run((start)(void *)notes_thread, NULL));
    sigset_t s; pthread_sigmask(SIG_BLOCK, NULL, &s); CHECK(sigismember(&s, SIGUSR1));
    volatile int tid = 0; seen_by = 1; join(run(notes, (void *)&tid));  /* clears its own mask */
    pthread_sigmask(SIG_BLOCK, NULL, &s); CHECK(sigismember(&s, SIGUSR1));
}
static void *cancelled(void *p) { for (;;) { pthread_testcancel(); pause(); } }
static void cancellation(void) { pthread_t t = run(cancelled, NULL); nap(5); CHECK(!pthread_cancel(t) && join(t) == PTHREAD_CANCELED); }

/* ---- memory under several threads ---- */
static volatile int stop;
static void *maps_and_unmaps(void *p) {
    while (!stop) {
        char *m = mmap(0, 64 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, *(int *)p, 0);
        if (m == MAP_FAILED) return (void *)1L;
        for (int i = 0; i < 64; i += 5) if (m[i * 4096] != 'f') return (void *)2L;
        m[4096] = 'p'; mprotect(m + 8192, 8192, PROT_READ); munmap(m + 4096, 8192); munmap(m, 64 * 4096);
    }
    return NULL;
}
static void mappings_change_under_faults(void) {
    char buf[4096]; memset(buf, 'f', sizeof buf);
    int fd = open("/tmp/thread.map", O_RDWR | O_CREAT | O_TRUNC, 0600);
    for (int i = 0; i < 64; i++) CHECK(write(fd, buf, 4096) == 4096);
    unlink("/tmp/thread.map");
    pthread_t t[3];
    for (int i = 0; i < 3; i++) t[i] = run(maps_and_unmaps, &fd);
    nap(40); stop = 1;
    for (int i = 0; i < 3; i++) CHECK(join(t[i]) == NULL);
}

/* ---- nice values ---- */
#define nice_of(which, who) syscall(SYS_getpriority, which, who)
static void become(int id) { CHECK(!syscall(SYS_setgroups, 0, NULL) && !setresgid(id, id, id) && !setresuid(id, id, id)); }
static void nice_values_are_kept_and_inherited(void) {
    FAILS(nice_of(3, 0), EINVAL); FAILS(nice_of(-1, 0), EINVAL); FAILS(nice_of(PRIO_PROCESS, 0x7ffffff0), ESRCH);
    FAILS(setpriority(3, 0, 0), EINVAL); FAILS(setpriority(PRIO_PGRP, 0x7ffffff0, 0), ESRCH);
    CHECK(nice_of(PRIO_PROCESS, 0) == 20 && !setpriority(PRIO_PROCESS, 0, 5) && nice_of(PRIO_PROCESS, getpid()) == 15);
    int pid = fork(); if (!pid) _exit(nice_of(PRIO_PROCESS, 0)); CHECK(exit_of(pid) == 15);
    CHECK(!setpriority(PRIO_PROCESS, 0, 100) && nice_of(PRIO_PROCESS, 0) == 1);
    CHECK(!setpriority(PRIO_PROCESS, 0, -100) && nice_of(PRIO_PROCESS, 0) == 40);
    if (!(pid = fork())) { setpriority(PRIO_PROCESS, 0, 3); pause(); }
    nap(20);
    CHECK(nice_of(PRIO_PROCESS, pid) == 17 && nice_of(PRIO_PGRP, 0) == 40);
    CHECK(!setpriority(PRIO_PGRP, 0, 7) && nice_of(PRIO_PROCESS, pid) == 13 && nice_of(PRIO_PROCESS, 0) == 13);
    kill(pid, SIGKILL); status_of(pid);
}
static void users_only_get_nicer(void) {
    struct rlimit limit; CHECK(!getrlimit(RLIMIT_NICE, &limit) && limit.rlim_cur == 0);
    int root = fork(), pid; if (!root) { pause(); _exit(0); }
    if (!(pid = fork())) {
        become(1000);
        FAILS(setpriority(PRIO_PROCESS, root, 5), EPERM);
        CHECK(!setpriority(PRIO_PROCESS, 0, 5) && !setpriority(PRIO_PROCESS, 0, 5));
        FAILS(setpriority(PRIO_PROCESS, 0, 4), EACCES);
        CHECK(!setpriority(PRIO_USER, 0, 8) && nice_of(PRIO_PROCESS, 0) == 12 && nice_of(PRIO_USER, 1000) == 12 && nice_of(PRIO_PROCESS, root) == 20);
        _exit(0);
    }
    CHECK(exit_of(pid) == 0);
    if (!(pid = fork())) {
        limit = (struct rlimit){ 18, 18 };
        if (setrlimit(RLIMIT_NICE, &limit)) { CHECK(errno == EPERM && access("/proc/frames", F_OK)); _exit(0); } /* a Linux whose root may not */
        become(1000);
        CHECK(!setpriority(PRIO_PROCESS, 0, 5) && !setpriority(PRIO_PROCESS, 0, 2));
        FAILS(setpriority(PRIO_PROCESS, 0, 1), EACCES);
        _exit(0);
    }
    CHECK(exit_of(pid) == 0);
    kill(root, SIGKILL); status_of(root);
}
static void who_is_nicer_gets_less(void) {
    volatile long *count = shared_page();
    unsigned long first = 1;
    syscall(SYS_sched_setaffinity, 0, sizeof first, &first);    /* where there are several processors: share one */
    int pid[2];
    for (int i = 0; i < 2; i++) if (!(pid[i] = fork())) { setpriority(PRIO_PROCESS, 0, i * 10); for (;;) count[i * 8]++; }
    nap(40);
    kill(pid[0], SIGKILL); kill(pid[1], SIGKILL);
    CHECK(count[0] > 4 * count[8] && count[8] > 0);
    status_of(pid[0]); status_of(pid[1]);
}

int main(int argc, char **argv) {
    if (argc == 3 && !strcmp(argv[1], "same-pid")) { sigset_t s; return atoi(argv[2]) == getpid() && gettid_() == getpid() ? 0 : 1; }
    if (argc == 2 && !strcmp(argv[1], "nothing")) return 0;
    readlink("/proc/self/exe", self, sizeof self - 1);
    static const struct property all[] = {
        T(threads_have_one_pid_and_tids_of_their_own), T(many_threads_come_and_go), T(mutexes_exclude), T(conditions_wake),
        T(turns_end_by_themselves), T(files_directory_and_memory_are_shared), T(each_has_its_own_thread_pointer),
        T(each_has_its_own_registers), T(procfs_counts_threads), T(processor_time_is_of_all_threads),
        T(fork_takes_the_calling_thread_along), T(any_thread_may_wait), T(exit_ends_one_thread), T(the_first_thread_may_go_first),
        T(a_zombie_leader_is_not_waited_for), T(exit_group_ends_all), T(a_fatal_signal_ends_all), T(a_thread_s_fault_ends_all),
        T(exec_by_a_thread_takes_the_process_over), T(a_failed_exec_harms_nobody), T(impossible_clones), T(clone3_forks),
        T(clone3_can_reset_handlers), T(clone_may_share_memory_alone), T(clone_may_share_files_and_directory),
        T(exec_leaves_shared_files_alone), T(set_tid_address_clears_at_the_end), T(futex_errors), T(futex_timeouts),
        T(futex_wakes_as_many_as_asked), T(futex_bits_choose), T(futex_requeues), T(futex_wake_op), T(futexes_reach_other_processes),
        T(a_file_s_futex_is_one_for_all), T(a_waiter_is_found_after_fork), T(futex_waits_restart), T(a_dead_owner_is_noticed),
        T(robust_lists_are_told), T(a_signal_goes_to_a_thread_that_takes_it), T(tgkill_picks_the_thread),
        T(pending_for_the_process_waits_for_a_taker), T(pending_for_a_thread_is_its_own), T(stops_stop_all_threads),
        T(handlers_are_shared_masks_are_not), T(cancellation), T(mappings_change_under_faults),
        T(nice_values_are_kept_and_inherited), T(users_only_get_nicer), T(who_is_nicer_gets_less), { 0 },
    };
    return run_properties(all, argc, argv);
}
