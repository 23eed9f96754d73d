/* Descriptors: dup, fcntl, close-on-exec, locks, and how many. */
#include "tests.h"
#include <sys/file.h>
#include <sys/random.h>

TEST(dup_takes_the_lowest_number) {
    int a = open("/dev/null", O_RDONLY), b = open("/dev/null", O_RDONLY);
    WORKS(close(a));
    GIVES(dup(b), a);
    FAILS(dup(999), EBADF);
    FAILS(dup(-1), EBADF);
}
TEST(dup2_replaces_its_target) {
    make("f", "x");
    char c;
    int null = open("/dev/null", O_RDONLY), fd = open("f", O_RDONLY);
    GIVES(dup2(fd, null), null);
    CHECK(read(null, &c, 1) == 1 && c == 'x');
    GIVES(dup2(fd, fd), fd);
    FAILS(dup2(999, 50), EBADF);
    FAILS(dup2(999, 999), EBADF);
    FAILS(dup2(fd, -1), EBADF);
    FAILS(dup2(fd, 1 << 30), EBADF);
}
TEST(dup3_refuses_the_same_number) {
    int fd = open("/dev/null", O_RDONLY);
    FAILS(dup3(fd, fd, 0), EINVAL);
    FAILS(syscall(SYS_dup3, fd, 50, 1), EINVAL);
    FAILS(syscall(SYS_dup3, 999, 999, 0), EINVAL);
    FAILS(dup3(999, 50, 0), EBADF);
    GIVES(dup3(fd, 50, O_CLOEXEC), 50);
    GIVES(fcntl(50, F_GETFD), FD_CLOEXEC);
}
TEST(duplicates_share_position_and_flags) {
    make("f", "abc");
    int a = open("f", O_RDWR), b = dup(a);
    GIVES(lseek(a, 2, SEEK_SET), 2);
    GIVES(lseek(b, 0, SEEK_CUR), 2);
    WORKS(fcntl(a, F_SETFL, O_APPEND));
    CHECK(fcntl(b, F_GETFL) & O_APPEND);
}
TEST(close_on_exec_belongs_to_the_descriptor) {
    int a = open("/dev/null", O_RDONLY | O_CLOEXEC), b = dup(a);
    GIVES(fcntl(a, F_GETFD), FD_CLOEXEC);
    GIVES(fcntl(b, F_GETFD), 0);
    WORKS(fcntl(b, F_SETFD, FD_CLOEXEC));
    WORKS(fcntl(a, F_SETFD, 0));
    GIVES(fcntl(b, F_GETFD), FD_CLOEXEC);
    GIVES(dup2(b, b), b);
    GIVES(fcntl(b, F_GETFD), FD_CLOEXEC);
}
TEST(F_DUPFD_starts_at_its_number) {
    int fd = open("/dev/null", O_RDONLY);
    GIVES(fcntl(fd, F_DUPFD, 60), 60);
    GIVES(fcntl(fd, F_DUPFD_CLOEXEC, 60), 61);
    GIVES(fcntl(61, F_GETFD), FD_CLOEXEC);
    GIVES(fcntl(60, F_GETFD), 0);
    FAILS(fcntl(fd, F_DUPFD, -1), EINVAL);
    FAILS(fcntl(fd, F_DUPFD, 1 << 30), EINVAL);
    FAILS(fcntl(999, F_DUPFD, 0), EBADF);
}
TEST(F_GETFL_tells_how_it_was_opened) {
    int fd = open("f", O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_NONBLOCK, 0644);
    GIVES(fcntl(fd, F_GETFL) & ~0100000, O_RDWR | O_APPEND | O_NONBLOCK);
    WORKS(fcntl(fd, F_SETFL, O_RDONLY | O_CREAT));
    GIVES(fcntl(fd, F_GETFL) & ~0100000, O_RDWR);
    FAILS(fcntl(999, F_GETFL), EBADF);
}
TEST(fcntl_of_an_unknown_command_is_EINVAL) {
    int fd = open("/dev/null", O_RDONLY);
    FAILS(fcntl(fd, 9999, 0), EINVAL);
    FAILS(fcntl(999, 9999, 0), EBADF);
}
TEST(ioctl_for_terminals_is_ENOTTY_elsewhere) {
    struct winsize size;
    make("f", "");
    int ends[2];
    WORKS(pipe(ends));
    FAILS(ioctl(open("f", O_RDONLY), TIOCGWINSZ, &size), ENOTTY);
    FAILS(ioctl(open("/dev/null", O_RDONLY), TIOCGWINSZ, &size), ENOTTY);
    FAILS(ioctl(ends[0], TIOCGWINSZ, &size), ENOTTY);
    FAILS(ioctl(999, TIOCGWINSZ, &size), EBADF);
    FAILS(ioctl(open("f", O_PATH), TIOCGWINSZ, &size), EBADF);
}
TEST(FIONREAD_counts_what_is_left_of_a_file) {
    make("f", "abcdef");
    int fd = open("f", O_RDONLY), left = -1;
    GIVES(lseek(fd, 2, SEEK_SET), 2);
    WORKS(ioctl(fd, FIONREAD, &left));
    GIVES(left, 4);
}
TEST(close_range_closes_a_range) {
    for (int fd = 50; fd < 60; fd++) GIVES(dup2(0, fd), fd);
    WORKS(syscall(SYS_close_range, 52, 55, 0));
    WORKS(fcntl(51, F_GETFD));
    FAILS(fcntl(52, F_GETFD), EBADF);
    FAILS(fcntl(55, F_GETFD), EBADF);
    WORKS(fcntl(56, F_GETFD));
    WORKS(syscall(SYS_close_range, 56, ~0U, 4));
    GIVES(fcntl(59, F_GETFD), FD_CLOEXEC);
    FAILS(syscall(SYS_close_range, 5, 4, 0), EINVAL);
    FAILS(syscall(SYS_close_range, 50, 60, 8), EINVAL);
}
TEST(descriptors_run_out_at_the_limit) {
    struct rlimit limit;
    WORKS(getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = 20;
    WORKS(setrlimit(RLIMIT_NOFILE, &limit));
    int fd, last = -1, ends[2];
    while ((fd = open("/dev/null", O_RDONLY)) >= 0) last = fd;
    GIVES(errno, EMFILE);
    GIVES(last, 19);
    FAILS(dup(0), EMFILE);
    FAILS(pipe(ends), EMFILE);
    FAILS(dup2(0, 20), EBADF);
    FAILS(fcntl(0, F_DUPFD, 20), EINVAL);
    WORKS(close(7));
    FAILS(pipe(ends), EMFILE);
    GIVES(open("/dev/null", O_RDONLY), 7);
}
TEST(many_descriptors_are_kept_apart) {
    char name[16];
    int fds[200];
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "%d", i);
        make(name, name);
        CHECK((fds[i] = open(name, O_RDONLY)) >= 0);
    }
    for (int i = 0; i < 200; i++) {
        char text[16] = { 0 };
        CHECK(read(fds[i], text, 15) > 0 && atoi(text) == i);
    }
}
TEST(flock_excludes_other_opens) {
    int a = open("f", O_RDWR | O_CREAT, 0644), b = open("f", O_RDWR);
    WORKS(flock(a, LOCK_EX));
    FAILS(flock(b, LOCK_EX | LOCK_NB), EWOULDBLOCK);
    FAILS(flock(b, LOCK_SH | LOCK_NB), EWOULDBLOCK);
    WORKS(flock(a, LOCK_SH));
    WORKS(flock(b, LOCK_SH | LOCK_NB));
    WORKS(flock(a, LOCK_UN));
    WORKS(flock(b, LOCK_EX | LOCK_NB));
}
TEST(flock_is_shared_by_duplicates_and_ends_with_the_last) {
    int a = open("f", O_RDWR | O_CREAT, 0644), b = open("f", O_RDWR), copy = dup(a);
    WORKS(flock(a, LOCK_EX));
    WORKS(flock(copy, LOCK_EX | LOCK_NB));
    WORKS(close(a));
    FAILS(flock(b, LOCK_EX | LOCK_NB), EWOULDBLOCK);
    WORKS(close(copy));
    WORKS(flock(b, LOCK_EX | LOCK_NB));
}
TEST(flock_waits_for_its_turn) {
    int a = open("f", O_RDWR | O_CREAT, 0644);
    WORKS(flock(a, LOCK_EX));
    CHILD(pid, int b = open("f", O_RDWR); WORKS(flock(b, LOCK_EX)); make("got", "it"));
    pass(20000000);
    FAILS(access("got", F_OK), ENOENT);
    WORKS(flock(a, LOCK_UN));
    EXITS(pid, 0);
    WORKS(access("got", F_OK));
}
TEST(flock_errors) {
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    FAILS(flock(fd, 0), EINVAL);
    FAILS(flock(fd, 77), EINVAL);
    FAILS(flock(999, LOCK_EX), EBADF);
}
TEST(record_locks_exclude_other_processes) {
    struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET }, first = { .l_type = F_WRLCK, .l_start = 0, .l_len = 10 };
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    pid_t me = getpid();
    WORKS(fcntl(fd, F_SETLK, &first));
    CHILD(pid,
        int own = open("f", O_RDWR);
        FAILS(fcntl(own, F_SETLK, &all), EAGAIN);
        WORKS(fcntl(own, F_GETLK, &all));
        CHECK(all.l_type == F_WRLCK && all.l_pid == me && all.l_start == 0 && all.l_len == 10);
        struct flock rest = { .l_type = F_WRLCK, .l_start = 10, .l_len = 5 };
        WORKS(fcntl(own, F_SETLK, &rest)));
    EXITS(pid, 0);
    WORKS(fcntl(fd, F_SETLK, &all));
}
TEST(record_locks_split_and_end_with_any_close) {
    struct flock lock = { .l_type = F_WRLCK, .l_start = 0, .l_len = 30 }, hole = { .l_type = F_UNLCK, .l_start = 10, .l_len = 10 };
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    WORKS(fcntl(fd, F_SETLK, &lock));
    WORKS(fcntl(fd, F_SETLK, &hole));
    CHILD(pid,
        int own = open("f", O_RDWR);
        struct flock middle = { .l_type = F_WRLCK, .l_start = 10, .l_len = 10 }, wide = { .l_type = F_RDLCK, .l_start = 5, .l_len = 10 };
        WORKS(fcntl(own, F_SETLK, &middle));
        FAILS(fcntl(own, F_SETLK, &wide), EAGAIN));
    EXITS(pid, 0);
    WORKS(close(open("f", O_RDONLY)));
    CHILD(second, int own = open("f", O_RDWR); WORKS(fcntl(own, F_SETLK, &lock)));
    EXITS(second, 0);
}
TEST(record_lock_errors) {
    struct flock lock = { .l_type = F_WRLCK }, bad = { .l_type = 99 };
    make("f", "");
    FAILS(fcntl(open("f", O_RDONLY), F_SETLK, &lock), EBADF);
    FAILS(fcntl(open("f", O_RDWR), F_SETLK, &bad), EINVAL);
    FAILS(syscall(SYS_fcntl, open("f", O_RDWR), F_SETLK, NOWHERE), EFAULT);
    FAILS(fcntl(999, F_SETLK, &lock), EBADF);
}
TEST(getrandom_fills_and_checks) {
    long a[4] = { 0 }, b[4] = { 0 };
    GIVES(getrandom(a, sizeof a, 0), sizeof a);
    GIVES(getrandom(b, sizeof b, GRND_NONBLOCK), sizeof b);
    CHECK(memcmp(a, b, sizeof a));
    FAILS(getrandom(a, 8, 0x10), EINVAL);
    FAILS(getrandom(NOWHERE, 8, 0), EFAULT);
    GIVES(getrandom(NOWHERE, 0, 0), 0);
}
