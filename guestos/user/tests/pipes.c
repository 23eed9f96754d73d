/* Pipes and FIFOs, and waiting for them: poll, select. */
#include "tests.h"
#include <sys/sendfile.h>

enum { ROOM = 65536 };

static void fill(int fd) {
    static char block[PAGE];
    WORKS(fcntl(fd, F_SETFL, O_NONBLOCK));
    while (write(fd, block, sizeof block) > 0) ;
    GIVES(errno, EAGAIN);
}

TEST(a_pipe_carries_bytes_in_order) {
    int ends[2];
    char text[16];
    WORKS(pipe(ends));
    GIVES(write(ends[1], "abc", 3), 3);
    GIVES(write(ends[1], "def", 3), 3);
    CHECK(read(ends[0], text, 4) == 4 && !memcmp(text, "abcd", 4));
    CHECK(read(ends[0], text, 16) == 2 && !memcmp(text, "ef", 2));
}
TEST(pipes_have_no_position) {
    int ends[2];
    char c;
    WORKS(pipe(ends));
    FAILS(lseek(ends[0], 0, SEEK_SET), ESPIPE);
    FAILS(pread(ends[0], &c, 1, 0), ESPIPE);
    FAILS(pwrite(ends[1], &c, 1, 0), ESPIPE);
    FAILS(ftruncate(ends[1], 0), EINVAL);
}
TEST(pipe_ends_have_one_direction) {
    int ends[2];
    char c;
    WORKS(pipe(ends));
    FAILS(write(ends[0], "x", 1), EBADF);
    FAILS(read(ends[1], &c, 1), EBADF);
    struct stat st;
    WORKS(fstat(ends[0], &st));
    CHECK(S_ISFIFO(st.st_mode));
}
TEST(pipe2_takes_its_flags) {
    int ends[2];
    char c;
    WORKS(pipe2(ends, O_NONBLOCK | O_CLOEXEC));
    GIVES(fcntl(ends[0], F_GETFD), FD_CLOEXEC);
    FAILS(read(ends[0], &c, 1), EAGAIN);
    FAILS(pipe2(ends, 1), EINVAL);
    FAILS(syscall(SYS_pipe, NOWHERE), EFAULT);
    FAILS(syscall(SYS_pipe2, NOWHERE, 1), EINVAL);
}
TEST(a_failed_pipe_leaves_no_descriptor) {
    int before = open("/dev/null", O_RDONLY);
    FAILS(syscall(SYS_pipe, NOWHERE), EFAULT);
    GIVES(open("/dev/null", O_RDONLY), before + 1);
}
TEST(a_pipe_holds_65536_bytes) {
    int ends[2];
    char block[PAGE];
    struct pollfd p;
    WORKS(pipe(ends));
    WORKS(fcntl(ends[1], F_SETFL, O_NONBLOCK));
    long filled = 0;
    for (ssize_t n; (n = write(ends[1], block, sizeof block)) > 0;) filled += n;
    GIVES(filled, ROOM);
    GIVES(errno, EAGAIN);
    p = (struct pollfd){ ends[1], POLLOUT, 0 };
    GIVES(poll(&p, 1, 0), 0);
    GIVES(read(ends[0], block, sizeof block), PAGE);
    GIVES(poll(&p, 1, 0), 1);
}
TEST(a_write_of_up_to_4096_bytes_is_whole_or_nothing) {
    int ends[2];
    static char block[PAGE];
    WORKS(pipe(ends));
    fill(ends[1]);
    FAILS(write(ends[1], block, 100), EAGAIN);
    GIVES(read(ends[0], block, PAGE), PAGE);
    GIVES(write(ends[1], block, PAGE), PAGE);
}
TEST(a_large_write_waits_until_all_is_read) {
    int ends[2];
    WORKS(pipe(ends));
    CHILD(pid, close(ends[0]); char *block = calloc(1, 200000); GIVES(write(ends[1], block, 200000), 200000));
    close(ends[1]);
    char part[3000];
    long sum = 0;
    for (ssize_t n; (n = read(ends[0], part, sizeof part)) > 0;) sum += n;
    GIVES(sum, 200000);
    EXITS(pid, 0);
}
TEST(a_reader_waits_for_the_writer) {
    int ends[2];
    char c = 0;
    WORKS(pipe(ends));
    CHILD(pid, pass(20000000); GIVES(write(ends[1], "x", 1), 1));
    long start = nanoseconds();
    GIVES(read(ends[0], &c, 1), 1);
    CHECK(c == 'x' && nanoseconds() - start > 10000000);
    EXITS(pid, 0);
}
TEST(the_end_is_read_when_all_writers_have_closed) {
    int ends[2];
    char c;
    WORKS(pipe(ends));
    CHILD(pid, close(ends[0]); pass(10000000); write(ends[1], "x", 1));
    WORKS(close(ends[1]));
    GIVES(read(ends[0], &c, 1), 1);
    GIVES(read(ends[0], &c, 1), 0);
    GIVES(read(ends[0], &c, 1), 0);
    EXITS(pid, 0);
}
TEST(writing_without_readers_is_SIGPIPE_and_EPIPE) {
    int ends[2];
    WORKS(pipe(ends));
    close(ends[0]);
    CHILD(pid, write(ends[1], "x", 1));
    DIES(pid, SIGPIPE);
    signal(SIGPIPE, SIG_IGN);
    FAILS(write(ends[1], "x", 1), EPIPE);
    struct pollfd p = { ends[1], POLLOUT, 0 };
    GIVES(poll(&p, 1, 0), 1);
    CHECK(p.revents & POLLERR);
}
TEST(FIONREAD_counts_what_waits_in_a_pipe) {
    int ends[2], waiting = -1;
    WORKS(pipe(ends));
    WORKS(ioctl(ends[0], FIONREAD, &waiting));
    GIVES(waiting, 0);
    GIVES(write(ends[1], "xyz", 3), 3);
    WORKS(ioctl(ends[0], FIONREAD, &waiting));
    GIVES(waiting, 3);
}
TEST(sendfile_feeds_a_pipe) {
    make("f", "through");
    int ends[2];
    char text[8] = { 0 };
    WORKS(pipe(ends));
    GIVES(sendfile(ends[1], open("f", O_RDONLY), NULL, 100), 7);
    CHECK(read(ends[0], text, 8) == 7 && !strcmp(text, "through"));
    FAILS(sendfile(ends[1], ends[0], NULL, 1), EINVAL);
}
TEST(a_pipe_opens_again_through_proc) {
    int ends[2];
    char path[40], text[40] = { 0 };
    WORKS(pipe(ends));
    snprintf(path, sizeof path, "/proc/self/fd/%d", ends[0]);
    CHECK(readlink(path, text, sizeof text - 1) > 6 && !memcmp(text, "pipe:[", 6));
}

/* ---- FIFOs ---- */

TEST(a_fifo_connects_processes) {
    char text[8];
    WORKS(mkfifo("fifo", 0600));
    CHECK(S_ISFIFO(status("fifo").st_mode));
    CHILD(pid, int fd = open("fifo", O_WRONLY); GIVES(write(fd, "through", 7), 7));
    int fd = open("fifo", O_RDONLY);
    GIVES(read(fd, text, 8), 7);
    GIVES(read(fd, text, 8), 0);
    EXITS(pid, 0);
}
TEST(a_fifo_without_reader_is_ENXIO_when_not_blocking) {
    WORKS(mkfifo("fifo", 0600));
    FAILS(open("fifo", O_WRONLY | O_NONBLOCK), ENXIO);
    int reader = open("fifo", O_RDONLY | O_NONBLOCK);
    CHECK(reader >= 0 && open("fifo", O_WRONLY | O_NONBLOCK) >= 0);
}
TEST(a_fifo_opened_both_ways_never_blocks) {
    WORKS(mkfifo("fifo", 0600));
    char c;
    int fd = open("fifo", O_RDWR);
    GIVES(write(fd, "x", 1), 1);
    GIVES(read(fd, &c, 1), 1);
}
TEST(a_fifo_open_waits_for_the_other_end) {
    WORKS(mkfifo("fifo", 0600));
    CHILD(pid, pass(20000000); CHECK(open("fifo", O_WRONLY) >= 0));
    long start = nanoseconds();
    CHECK(open("fifo", O_RDONLY) >= 0 && nanoseconds() - start > 10000000);
    EXITS(pid, 0);
}
TEST(a_waiting_fifo_open_is_interrupted) {
    WORKS(mkfifo("fifo", 0600));
    handle(SIGALRM, note, 0);
    struct itimerval soon = { .it_value = { 0, 10000 } };
    WORKS(setitimer(ITIMER_REAL, &soon, NULL));
    FAILS(open("fifo", O_RDONLY), EINTR);
}

/* ---- poll and select ---- */

TEST(poll_tells_what_is_ready) {
    int ends[2];
    WORKS(pipe(ends));
    struct pollfd p[3] = { { ends[0], POLLIN, 9 }, { ends[1], POLLOUT, 9 }, { -5, POLLIN, 9 } };
    GIVES(poll(p, 3, 0), 1);
    CHECK(p[0].revents == 0 && p[1].revents == POLLOUT && p[2].revents == 0);
    GIVES(write(ends[1], "x", 1), 1);
    GIVES(poll(p, 2, -1), 2);
    GIVES(p[0].revents, POLLIN);
}
TEST(poll_waits_for_its_time) {
    int ends[2];
    WORKS(pipe(ends));
    struct pollfd p = { ends[0], POLLIN, 0 };
    long start = nanoseconds();
    GIVES(poll(&p, 1, 20), 0);
    long took = nanoseconds() - start;
    CHECK(took >= 20000000 && took < 2000000000);
    GIVES(poll(NULL, 0, 1), 0);
}
TEST(poll_wakes_when_something_comes) {
    int ends[2];
    WORKS(pipe(ends));
    CHILD(pid, pass(10000000); write(ends[1], "x", 1));
    struct pollfd p = { ends[0], POLLIN, 0 };
    GIVES(poll(&p, 1, 10000), 1);
    GIVES(p.revents, POLLIN);
    EXITS(pid, 0);
}
TEST(poll_reports_hangup_and_bad_descriptors) {
    int ends[2];
    WORKS(pipe(ends));
    close(ends[1]);
    struct pollfd p[2] = { { ends[0], POLLIN, 0 }, { 999, POLLIN, 0 } };
    GIVES(poll(p, 2, -1), 2);
    CHECK(p[0].revents == POLLHUP && p[1].revents == POLLNVAL);
}
TEST(files_are_always_ready) {
    struct pollfd p = { open("f", O_RDWR | O_CREAT, 0644), POLLIN | POLLOUT, 0 };
    GIVES(poll(&p, 1, 0), 1);
    GIVES(p.revents, POLLIN | POLLOUT);
}
TEST(poll_errors) {
    struct pollfd p = { 0, POLLIN, 0 };
    struct rlimit limit;
    WORKS(getrlimit(RLIMIT_NOFILE, &limit));
    FAILS(syscall(SYS_poll, NOWHERE, 1, 0), EFAULT);
    FAILS(syscall(SYS_poll, &p, limit.rlim_cur + 1, 0), EINVAL);
    struct timespec bad = { 0, 1000000000 };
    FAILS(ppoll(&p, 1, &bad, NULL), EINVAL);
}
TEST(ppoll_lets_a_blocked_signal_in_while_it_waits) {
    sigset_t blocked, none;
    sigemptyset(&none);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    WORKS(sigprocmask(SIG_BLOCK, &blocked, NULL));
    handle(SIGUSR1, note, 0);
    raise(SIGUSR1);
    GIVES(seen, 0);
    struct timespec long_time = { 10, 0 };
    FAILS(ppoll(NULL, 0, &long_time, &none), EINTR);
    GIVES(seen, SIGUSR1);
    WORKS(sigprocmask(SIG_BLOCK, NULL, &none));
    CHECK(sigismember(&none, SIGUSR1));
}
TEST(select_tells_what_is_ready) {
    int ends[2];
    WORKS(pipe(ends));
    GIVES(write(ends[1], "x", 1), 1);
    fd_set in, out;
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_SET(ends[0], &in);
    FD_SET(ends[0], &out);
    FD_SET(ends[1], &out);
    struct timeval now = { 0, 0 };
    GIVES(select(ends[1] + 1, &in, &out, NULL, &now), 2);
    CHECK(FD_ISSET(ends[0], &in) && !FD_ISSET(ends[0], &out) && FD_ISSET(ends[1], &out));
}
TEST(select_errors) {
    fd_set set;
    FD_ZERO(&set);
    FD_SET(20, &set);
    struct timeval now = { 0, 0 }, bad = { -1, 0 };
    FAILS(select(21, &set, NULL, NULL, &now), EBADF);
    FAILS(syscall(SYS_select, -1, NULL, NULL, NULL, &now), EINVAL);
    FAILS(syscall(SYS_select, 0, NULL, NULL, NULL, &bad), EINVAL);
    FAILS(syscall(SYS_select, 10, NOWHERE, NULL, NULL, &now), EFAULT);
}
TEST(select_counts_down_its_time) {
    struct timeval time = { 0, 10000 };
    GIVES(syscall(SYS_select, 0, NULL, NULL, NULL, &time), 0);
    CHECK(time.tv_sec == 0 && time.tv_usec == 0);
}
