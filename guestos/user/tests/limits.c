/* Resource limits. */
#include "tests.h"

static void limit(int resource, rlim_t value) {
    struct rlimit l;
    WORKS(getrlimit(resource, &l));
    l.rlim_cur = value;
    WORKS(setrlimit(resource, &l));
}

TEST(limits_are_set_and_got) {
    struct rlimit l, got;
    WORKS(getrlimit(RLIMIT_CORE, &l));
    l.rlim_cur = 0;
    l.rlim_max = 4096;
    WORKS(setrlimit(RLIMIT_CORE, &l));
    WORKS(getrlimit(RLIMIT_CORE, &got));
    CHECK(got.rlim_cur == 0 && got.rlim_max == 4096);
    WORKS(prlimit(0, RLIMIT_CORE, NULL, &got));
    GIVES(got.rlim_max, 4096);
}
TEST(limit_errors) {
    struct rlimit l = { 10, 5 };
    FAILS(syscall(SYS_getrlimit, 99, &l), EINVAL);
    FAILS(syscall(SYS_getrlimit, RLIMIT_CORE, NOWHERE), EFAULT);
    FAILS(syscall(SYS_setrlimit, RLIMIT_CORE, NOWHERE), EFAULT);
    FAILS(syscall(SYS_setrlimit, RLIMIT_CORE, &l), EINVAL);
    FAILS(syscall(SYS_prlimit64, 99999, RLIMIT_CORE, NULL, &l), ESRCH);
    FAILS(syscall(SYS_prlimit64, 0, 99, NULL, &l), EINVAL);
    FAILS(syscall(SYS_prlimit64, 99999, 99, NULL, &l), ESRCH);
    FAILS(syscall(SYS_prlimit64, 0, RLIMIT_CORE, NOWHERE, NULL), EFAULT);
}
TEST(users_lower_hard_limits_and_never_raise_them) {
    become(1000);
    struct rlimit l = { 5, 5 };
    WORKS(setrlimit(RLIMIT_CORE, &l));
    l.rlim_max = 6;
    FAILS(setrlimit(RLIMIT_CORE, &l), EPERM);
    l = (struct rlimit){ 3, 5 };
    WORKS(setrlimit(RLIMIT_CORE, &l));
    l.rlim_cur = 5;
    WORKS(setrlimit(RLIMIT_CORE, &l));
}
TEST(prlimit_reaches_own_processes_only) {
    struct rlimit l;
    CHILD(pid, pause());
    WORKS(prlimit(pid, RLIMIT_CORE, NULL, &l));
    become(1000);
    FAILS(prlimit(pid, RLIMIT_CORE, NULL, &l), EPERM);
}
TEST(limits_are_inherited) {
    limit(RLIMIT_NOFILE, 77);
    struct rlimit l;
    CHILD(pid, WORKS(getrlimit(RLIMIT_NOFILE, &l)); CHECK(l.rlim_cur == 77));
    EXITS(pid, 0);
}
TEST(RLIMIT_AS_bounds_the_address_space) {
    limit(RLIMIT_AS, 64 << 20);
    FAILS(mmap(NULL, 65 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM);
    char *p = mmap(NULL, 40 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    FAILS(mmap(NULL, 40 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM);
    FAILS(mremap(p, 40 << 20, 80 << 20, MREMAP_MAYMOVE), ENOMEM);
    long now = syscall(SYS_brk, 0);
    GIVES(syscall(SYS_brk, now + (40 << 20)), now);
    WORKS(munmap(p, 40 << 20));
    CHECK(mmap(NULL, 40 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}
TEST(RLIMIT_DATA_bounds_the_break) {
    long now = syscall(SYS_brk, 0);
    limit(RLIMIT_DATA, 4 << 20);
    GIVES(syscall(SYS_brk, now + (8 << 20)), now);
    GIVES(syscall(SYS_brk, now + (1 << 20)), now + (1 << 20));
}
TEST(RLIMIT_DATA_bounds_private_writable_memory) {
    limit(RLIMIT_DATA, 4 << 20);
    FAILS(mmap(NULL, 8 << 20, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM);
    CHECK(mmap(NULL, 8 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
    CHECK(mmap(NULL, 8 << 20, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}
static int deep(int n) {
    volatile char frame[PAGE];
    frame[n] = 1;
    return n ? deep(n - 1) + frame[n] : 0;
}
TEST(RLIMIT_STACK_bounds_the_stack) {
    limit(RLIMIT_STACK, 1 << 20);
    CHILD(small, GIVES(deep(150), 150));
    EXITS(small, 0);
    CHILD(large, deep(400));
    DIES(large, SIGSEGV);
}
TEST(RLIMIT_FSIZE_bounds_files) {
    limit(RLIMIT_FSIZE, 100);
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    char text[200] = { 0 };
    CHILD(pid, pwrite(fd, text, 1, 100));
    DIES(pid, SIGXFSZ);
    signal(SIGXFSZ, SIG_IGN);
    GIVES(write(fd, text, 200), 100);
    FAILS(write(fd, text, 1), EFBIG);
    FAILS(ftruncate(fd, 101), EFBIG);
    WORKS(ftruncate(fd, 100));
}
TEST(RLIMIT_NPROC_bounds_a_users_processes) {
    limit(RLIMIT_NPROC, 3);
    become(4321);
    pid_t pids[3], failed = 0;
    for (int i = 0; i < 3; i++) {
        if (!(pids[i] = fork())) for (;;) pause();
        failed += pids[i] < 0;
    }
    CHECK(failed == 1 && errno == EAGAIN);
}
TEST(RLIMIT_CPU_sends_SIGXCPU) {
    CHILD(pid, limit(RLIMIT_CPU, 1); alarm(3); for (;;) );
    DIES(pid, SIGXCPU);
}
