/* Threads and futexes. */
#include "tests.h"
#include <linux/futex.h>
#include <pthread.h>

static long futex(volatile int *word, int operation, int value, const struct timespec *timeout) {
    return syscall(SYS_futex, word, operation, value, timeout, NULL, 0);
}

TEST(futex_wait_wants_the_value) {
    int word = 5;
    FAILS(futex(&word, FUTEX_WAIT, 4, NULL), EAGAIN);
}
TEST(futex_wait_times_out) {
    int word = 5;
    struct timespec t = { 0, 10000000 }, bad = { 0, 1000000000 };
    long start = nanoseconds();
    FAILS(futex(&word, FUTEX_WAIT, 5, &t), ETIMEDOUT);
    CHECK(nanoseconds() - start >= 10000000);
    FAILS(futex(&word, FUTEX_WAIT, 5, &bad), EINVAL);
}
TEST(futex_wakes_across_processes) {
    volatile int *word = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHILD(pid, WORKS(futex(word, FUTEX_WAIT, 0, NULL)));
    while (futex(word, FUTEX_WAKE, 1, NULL) == 0) pass(1000000);
    EXITS(pid, 0);
}
TEST(futex_wakes_no_more_than_asked) {
    volatile int *word = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 3; i++) {
        CHILD(pid, WORKS(futex(word, FUTEX_WAIT, 0, NULL)));
    }
    pass(50000000);
    GIVES(futex(word, FUTEX_WAKE, 2, NULL), 2);
    GIVES(futex(word, FUTEX_WAKE, 9, NULL), 1);
    for (int i = 0; i < 3; i++) CHECK(waitpid(-1, NULL, 0) > 0);
}
TEST(a_private_futex_is_not_seen_by_others) {
    int *word = (int *)pages(1, RW);
    CHILD(pid, struct timespec t = { 0, 30000000 }; FAILS(futex(word, FUTEX_WAIT, 0, &t), ETIMEDOUT));
    pass(10000000);
    GIVES(futex(word, FUTEX_WAKE, 1, NULL), 0);
    EXITS(pid, 0);
}
TEST(futex_wait_is_interrupted) {
    int word = 0;
    struct itimerval soon = { .it_value = { 0, 10000 } };
    handle(SIGALRM, note, 0);
    WORKS(setitimer(ITIMER_REAL, &soon, NULL));
    FAILS(futex(&word, FUTEX_WAIT, 0, NULL), EINTR);
}
TEST(futex_errors) {
    int word = 0;
    FAILS(futex((int *)((char *)&word + 1), FUTEX_WAIT, 0, NULL), EINVAL);
    FAILS(futex(NOWHERE, FUTEX_WAIT, 0, NULL), EFAULT);
    FAILS(futex(KERNEL, FUTEX_WAKE, 0, NULL), EFAULT);
    FAILS(futex(&word, 99, 0, NULL), ENOSYS);
}
TEST(futex_bitsets_wake_who_matches) {
    volatile int *word = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHILD(pid, WORKS(syscall(SYS_futex, word, FUTEX_WAIT_BITSET, 0, NULL, NULL, 2)));
    pass(30000000);
    GIVES(syscall(SYS_futex, word, FUTEX_WAKE_BITSET, 9, NULL, NULL, 1), 0);
    GIVES(syscall(SYS_futex, word, FUTEX_WAKE_BITSET, 9, NULL, NULL, 2), 1);
    EXITS(pid, 0);
    FAILS(syscall(SYS_futex, word, FUTEX_WAIT_BITSET, 0, NULL, NULL, 0), EINVAL);
}
TEST(futex_requeue_moves_waiters) {
    volatile int *word = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 3; i++) {
        CHILD(pid, WORKS(futex(word, FUTEX_WAIT, 0, NULL)));
    }
    pass(50000000);
    FAILS(syscall(SYS_futex, word, FUTEX_CMP_REQUEUE, 1, 9, word + 1, 77), EAGAIN);
    GIVES(syscall(SYS_futex, word, FUTEX_CMP_REQUEUE, 1, 9, word + 1, 0), 3);
    GIVES(futex(word, FUTEX_WAKE, 9, NULL), 0);
    GIVES(futex(word + 1, FUTEX_WAKE, 9, NULL), 2);
    for (int i = 0; i < 3; i++) CHECK(waitpid(-1, NULL, 0) > 0);
}

/* ---- threads ---- */

static int shared;
static volatile pid_t thread_id;
static void *add(void *n) {
    for (int i = 0; i < 1000; i++) __atomic_fetch_add(&shared, (long)n, __ATOMIC_SEQ_CST);
    thread_id = syscall(SYS_gettid);
    return (void *)(getpid() + 5L);
}
TEST(threads_share_memory_and_pid) {
    pthread_t a, b;
    void *result;
    WORKS(pthread_create(&a, NULL, add, (void *)1));
    WORKS(pthread_create(&b, NULL, add, (void *)2));
    WORKS(pthread_join(a, &result));
    WORKS(pthread_join(b, NULL));
    CHECK(shared == 3000 && result == (void *)(getpid() + 5L) && thread_id != getpid());
}
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int turn;
static void *alternate(void *mine) {
    for (int i = 0; i < 100; i++) {
        pthread_mutex_lock(&mutex);
        while (turn % 2 != (long)mine) pthread_cond_wait(&condition, &mutex);
        turn++;
        pthread_cond_broadcast(&condition);
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}
TEST(threads_take_turns_by_condition) {
    pthread_t a, b;
    WORKS(pthread_create(&a, NULL, alternate, (void *)0));
    WORKS(pthread_create(&b, NULL, alternate, (void *)1));
    WORKS(pthread_join(a, NULL));
    WORKS(pthread_join(b, NULL));
    GIVES(turn, 200);
}
static void *open_one(void *name) { return (void *)(long)open(name, O_RDWR | O_CREAT, 0644); }
TEST(threads_share_descriptors_and_directory) {
    pthread_t a;
    void *fd;
    WORKS(mkdir("d", 0755));
    WORKS(chdir("d"));
    WORKS(pthread_create(&a, NULL, open_one, "f"));
    WORKS(pthread_join(a, &fd));
    GIVES(write((long)fd, "x", 1), 1);
    CHECK(!strcmp(content("f"), "x"));
}
static void *leave(void *unused) { syscall(SYS_exit_group, 9); return NULL; }
TEST(exit_group_ends_all_threads) {
    CHILD(pid, pthread_t a; pthread_create(&a, NULL, leave, NULL); for (;;) pause());
    EXITS(pid, 9);
}
static void *crash(void *unused) { *(volatile int *)8 = 1; return NULL; }
TEST(a_fault_in_a_thread_kills_the_process) {
    CHILD(pid, pthread_t a; pthread_create(&a, NULL, crash, NULL); for (;;) pause());
    DIES(pid, SIGSEGV);
}
static void *run_program(void *unused) { execl("/bin/sh", "sh", "-c", "exit 4", NULL); return NULL; }
TEST(exec_in_a_thread_replaces_the_process) {
    CHILD(pid, pthread_t a; pthread_create(&a, NULL, run_program, NULL); for (;;) pause());
    EXITS(pid, 4);
}
static void *wait_long(void *unused) { pass(20000000); return NULL; }
TEST(the_process_lives_until_its_last_thread) {
    CHILD(pid, pthread_t a; pthread_create(&a, NULL, wait_long, NULL); syscall(SYS_exit, 3));
    long start = nanoseconds();
    int how = status_of(pid);
    CHECK(WIFEXITED(how) && nanoseconds() - start >= 5000000);
}
static void *note_me(void *unused) { sigset_t none; sigemptyset(&none); while (!seen) pass(1000000); return NULL; }
TEST(a_process_signal_goes_to_a_thread_that_takes_it) {
    sigset_t set;
    pthread_t a;
    handle(SIGUSR1, note, 0);
    WORKS(pthread_create(&a, NULL, note_me, NULL));
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    WORKS(pthread_sigmask(SIG_BLOCK, &set, NULL));
    WORKS(kill(getpid(), SIGUSR1));
    WORKS(pthread_join(a, NULL));
    GIVES(seen, SIGUSR1);
}
static volatile pid_t handled_by;
static void note_thread(int signo) { handled_by = syscall(SYS_gettid); }
static void *wait_for_it(void *unused) { thread_id = syscall(SYS_gettid); while (!handled_by) pass(1000000); return NULL; }
TEST(tgkill_reaches_one_thread) {
    pthread_t a;
    handle(SIGUSR1, note_thread, 0);
    WORKS(pthread_create(&a, NULL, wait_for_it, NULL));
    while (!thread_id) sched_yield();
    WORKS(syscall(SYS_tgkill, getpid(), thread_id, SIGUSR1));
    WORKS(pthread_join(a, NULL));
    GIVES(handled_by, thread_id);
}
TEST(proc_task_lists_threads) {
    pthread_t a;
    WORKS(pthread_create(&a, NULL, wait_for_it, NULL));
    while (!thread_id) sched_yield();
    DIR *d = opendir("/proc/self/task");
    int names = 0;
    for (struct dirent *e; d && (e = readdir(d));) names += e->d_name[0] != '.';
    GIVES(names, 2);
    handled_by = 1;
    WORKS(pthread_join(a, NULL));
}
