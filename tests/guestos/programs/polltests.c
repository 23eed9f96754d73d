/* Waiting for several files at once: poll, select, epoll, eventfd and timerfd. Runs on Linux, too. */
#include "properties.h"
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

static int in[2], out[2];                   /* pipes */
static void pipes(void) { CHECK(!pipe(in) && !pipe(out)); }
static int polled(int fd, int events) { struct pollfd p = { fd, events, 0 }; CHECK(poll(&p, 1, 0) >= 0); return p.revents; }
static int add(int ep, int fd, unsigned events) { struct epoll_event e = { events, { .fd = fd } }; return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e); }
static int mod(int ep, int fd, unsigned events) { struct epoll_event e = { events, { .fd = fd } }; return epoll_ctl(ep, EPOLL_CTL_MOD, fd, &e); }
static int del(int ep, int fd) { return epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL); }
static struct epoll_event got[8];
static int waited(int ep, int ms) { return epoll_wait(ep, got, 8, ms); }

/* ---- poll and select ---- */
static void poll_says_what_holds(void) {
    pipes();
    CHECK(polled(in[0], POLLIN | POLLOUT) == 0 && polled(in[1], POLLIN | POLLOUT) == POLLOUT);
    CHECK(write(in[1], "x", 1) == 1 && polled(in[0], POLLIN | POLLRDNORM) == (POLLIN | POLLRDNORM));
    close(in[1]);
    CHECK(polled(in[0], POLLIN) == (POLLIN | POLLHUP) && polled(in[0], 0) == POLLHUP);
    close(out[0]);
    CHECK(polled(out[1], POLLOUT) == (POLLOUT | POLLERR));
    CHECK(polled(99, POLLIN) == POLLNVAL && polled(-1, POLLIN) == 0);
    CHECK(polled(open("/", O_RDONLY), POLLIN | POLLOUT) == (POLLIN | POLLOUT));
    CHECK(polled(open("/", O_PATH), POLLIN) == POLLNVAL);
}
static void poll_waits(void) {
    pipes();
    struct pollfd p[3] = { { in[0], POLLIN, 0 }, { -1, POLLIN, 0 }, { out[0], POLLIN, 0 } };
    long start = milliseconds();
    CHECK(poll(p, 3, 30) == 0 && milliseconds() - start >= 30);
    LATER(20, write(out[1], "x", 1));
    CHECK(poll(p, 3, -1) == 1 && !p[0].revents && p[2].revents == POLLIN);
    CHECK(poll(NULL, 0, 10) == 0);
    FAILS(poll((void *)8, 1, 0), EFAULT);
}
static void poll_is_interrupted(void) {
    pipes();
    struct pollfd p = { in[0], POLLIN, 0 };
    catch_it(SIGUSR1, SA_RESTART);
    LATER(20, kill(getppid(), SIGUSR1));
    FAILS(poll(&p, 1, -1), EINTR);
    CHECK(caught == SIGUSR1);
    catch_it(SIGUSR2, 0);
    signal(SIGUSR1, SIG_IGN);
    LATER(10, kill(getppid(), SIGUSR1); nap(10); write(in[1], "x", 1));
    CHECK(poll(&p, 1, -1) == 1);
}
static void stopping_does_not_end_poll(void) {
    pipes();
    int me = fork();
    if (!me) {
        struct pollfd p = { in[0], POLLIN, 0 };
        _exit(poll(&p, 1, -1) == 1 ? 7 : 1);
    }
    nap(10);
    kill(me, SIGSTOP);
    int s;
    CHECK(waitpid(me, &s, WUNTRACED) == me && WIFSTOPPED(s));
    kill(me, SIGCONT);
    nap(10);
    write(in[1], "x", 1);
    CHECK(exit_of(me) == 7);
}
static void masks_are_atomic(void) {
    pipes();
    sigset_t block, none;
    sigemptyset(&none);
    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    sigprocmask(SIG_BLOCK, &block, NULL);
    catch_it(SIGUSR1, 0);
    kill(getpid(), SIGUSR1);
    CHECK(!caught);
    struct pollfd p = { in[0], POLLIN, 0 };
    struct timespec second = { 1, 0 };
    FAILS(ppoll(&p, 1, &second, &none), EINTR);
    CHECK(caught == SIGUSR1);
    sigset_t now;
    sigprocmask(SIG_SETMASK, NULL, &now);
    CHECK(sigismember(&now, SIGUSR1));
    caught = 0;
    kill(getpid(), SIGUSR1);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(in[0], &set);
    FAILS(pselect(in[0] + 1, &set, NULL, NULL, &second, &none), EINTR);
    CHECK(caught == SIGUSR1);
    caught = 0;
    kill(getpid(), SIGUSR1);
    int ep = epoll_create1(0);
    FAILS(epoll_pwait(ep, got, 8, 1000, &none), EINTR);
    CHECK(caught == SIGUSR1);
    caught = 0;
    kill(getpid(), SIGUSR1);
    write(in[1], "x", 1);
    CHECK(ppoll(&p, 1, &second, &none) == 1 && !caught);       /* what is ready goes first */
    sigprocmask(SIG_SETMASK, &none, NULL);
    CHECK(caught == SIGUSR1);
    CHECK(syscall(SYS_ppoll, &p, 1, NULL, &none, 4) == -1 && errno == EINVAL);
}
static void select_sets(void) {
    pipes();
    fd_set r, w;
    FD_ZERO(&r); FD_SET(in[0], &r); FD_SET(out[0], &r);
    FD_ZERO(&w); FD_SET(in[1], &w); FD_SET(in[0], &w);
    write(out[1], "x", 1);
    CHECK(select(20, &r, &w, NULL, NULL) == 2 && FD_ISSET(out[0], &r) && !FD_ISSET(in[0], &r) && FD_ISSET(in[1], &w) && !FD_ISSET(in[0], &w));
    struct timeval tv = { 0, 20000 };
    FD_ZERO(&r); FD_SET(in[0], &r);
    CHECK(syscall(SYS_select, 20, &r, NULL, NULL, &tv) == 0 && !FD_ISSET(in[0], &r) && tv.tv_sec == 0 && tv.tv_usec == 0);
    FD_SET(in[0], &r);
    tv = (struct timeval){ 5, 0 };
    LATER(20, write(in[1], "x", 1));
    CHECK(syscall(SYS_select, 20, &r, NULL, NULL, &tv) == 1 && tv.tv_sec == 4 && tv.tv_usec > 500000);
    FD_ZERO(&r); FD_SET(63, &r);
    FAILS(select(64, &r, NULL, NULL, NULL), EBADF);
    FAILS(select(-1, NULL, NULL, NULL, NULL), EINVAL);
    close(in[1]); read(in[0], got, 8);
    FD_ZERO(&r); FD_SET(in[0], &r);
    CHECK(select(20, &r, NULL, NULL, NULL) == 1);
}
static void many_files_are_waited_for(void) {
    int p[40][2];
    struct pollfd fds[40];
    for (int i = 0; i < 40; i++) { CHECK(!pipe(p[i])); fds[i] = (struct pollfd){ p[i][0], POLLIN, 0 }; }
    LATER(20, write(p[37][1], "x", 1));
    CHECK(poll(fds, 40, 5000) == 1 && fds[37].revents == POLLIN);
}
static int close_it(void *fd) { nap(20); close((int)(long)fd); nap(20); write(in[1], "x", 1); return 0; }
static void closing_while_polled_is_harmless(void) {
    pipes();
    static char stack[16384];
    int other = clone(close_it, stack + sizeof stack, CLONE_VM | CLONE_FILES | CLONE_FS | SIGCHLD, (void *)(long)out[0]);
    struct pollfd p[2] = { { out[0], POLLIN, 0 }, { in[0], POLLIN, 0 } };
    CHECK(poll(p, 2, 5000) >= 1 && p[1].revents == POLLIN);
    CHECK(exit_of(other) == 0);
}
static void vectors_are_one_call(void) {
    pipes();
    char a[3], b[4], c[20];
    struct iovec w[] = { { "ab", 2 }, { "", 0 }, { "cdefg", 5 }, { "h", 1 } }, r[] = { { a, 3 }, { b, 4 }, { c, 20 } };
    CHECK(writev(in[1], w, 4) == 8);
    CHECK(readv(in[0], r, 3) == 8 && !memcmp(a, "abc", 3) && !memcmp(b, "defg", 4) && c[0] == 'h');
    struct iovec many[20];
    for (int i = 0; i < 20; i++) many[i] = (struct iovec){ "x", 1 };
    CHECK(writev(in[1], many, 20) == 20 && read(in[0], c, 20) == 20);
    FAILS(writev(in[1], many, 2000), EINVAL);
    FAILS(writev(in[1], many, -1), EINVAL);
    many[1].iov_base = (void *)-1;
    FAILS(writev(in[1], many, 3), EFAULT);
    FAILS(writev(in[0], w, 4), EBADF);
    CHECK(writev(in[1], w, 0) == 0);
}

/* ---- epoll ---- */
static void epoll_level(void) {
    pipes();
    int ep = epoll_create1(EPOLL_CLOEXEC);
    CHECK(ep >= 0 && fcntl(ep, F_GETFD) == FD_CLOEXEC);
    CHECK(!add(ep, in[0], EPOLLIN) && waited(ep, 0) == 0);
    write(in[1], "x", 1);
    CHECK(waited(ep, -1) == 1 && got[0].events == EPOLLIN && got[0].data.fd == in[0]);
    CHECK(waited(ep, 0) == 1);
    read(in[0], got, 1);
    CHECK(waited(ep, 0) == 0);
    LATER(20, write(in[1], "x", 1));
    CHECK(waited(ep, 5000) == 1);
    CHECK(!del(ep, in[0]) && waited(ep, 0) == 0);
    long start = milliseconds();
    CHECK(waited(ep, 20) == 0 && milliseconds() - start >= 20);
    CHECK(!add(ep, in[1], EPOLLOUT) && waited(ep, 0) == 1 && got[0].events == EPOLLOUT);
    close(in[0]);
    CHECK(!mod(ep, in[1], 0) && waited(ep, 0) == 1 && got[0].events == EPOLLERR);
}
static void epoll_edge(void) {
    pipes();
    int ep = epoll_create1(0);
    CHECK(!add(ep, in[0], EPOLLIN | EPOLLET));
    write(in[1], "xy", 2);
    CHECK(waited(ep, 0) == 1 && waited(ep, 0) == 0);
    char c;
    read(in[0], &c, 1);
    CHECK(waited(ep, 0) == 0);
    write(in[1], "z", 1);
    CHECK(waited(ep, 0) == 1 && waited(ep, 0) == 0);
    CHECK(!mod(ep, in[0], EPOLLIN | EPOLLET) && waited(ep, 0) == 1);
}
static void epoll_one_shot(void) {
    pipes();
    int ep = epoll_create1(0);
    CHECK(!add(ep, in[0], EPOLLIN | EPOLLONESHOT));
    write(in[1], "x", 1);
    CHECK(waited(ep, 0) == 1 && waited(ep, 0) == 0);
    write(in[1], "x", 1);
    close(in[1]);
    CHECK(waited(ep, 0) == 0);
    CHECK(!mod(ep, in[0], EPOLLIN | EPOLLONESHOT) && waited(ep, 0) == 1 && got[0].events == (EPOLLIN | EPOLLHUP));
}
static void epoll_errors(void) {
    pipes();
    int ep = epoll_create1(0), file = open("/", O_RDONLY);
    FAILS(add(ep, file, EPOLLIN), EPERM);
    FAILS(add(ep, open("/dev/null", O_RDWR), EPOLLIN), EPERM);
    FAILS(add(ep, 99, EPOLLIN), EBADF);
    FAILS(add(99, in[0], EPOLLIN), EBADF);
    FAILS(add(in[0], in[1], EPOLLIN), EINVAL);
    FAILS(add(ep, ep, EPOLLIN), EINVAL);
    CHECK(!add(ep, in[0], EPOLLIN));
    FAILS(add(ep, in[0], EPOLLIN), EEXIST);
    FAILS(mod(ep, in[1], EPOLLIN), ENOENT);
    FAILS(del(ep, in[1]), ENOENT);
    FAILS(epoll_ctl(ep, 9, in[0], got), EINVAL);
    FAILS(epoll_ctl(ep, EPOLL_CTL_ADD, in[1], NULL), EFAULT);
    FAILS(epoll_wait(ep, got, 0, 0), EINVAL);
    FAILS(epoll_wait(ep, (void *)-8, 8, 0), EFAULT);
    FAILS(epoll_wait(in[0], got, 8, 0), EINVAL);
    FAILS(epoll_wait(99, got, 8, 0), EBADF);
    FAILS(epoll_create1(1), EINVAL);
    FAILS(epoll_create(0), EINVAL);
    char c;
    FAILS(read(ep, &c, 1), EINVAL);
}
static void epoll_loops_are_refused(void) {
    pipes();
    int a = epoll_create1(0), b = epoll_create1(0), c = epoll_create1(0);
    CHECK(!add(a, b, EPOLLIN) && !add(b, c, EPOLLIN));
    FAILS(add(b, a, EPOLLIN), ELOOP);
    FAILS(add(c, a, EPOLLIN), ELOOP);
    CHECK(!add(c, in[0], EPOLLIN) && waited(a, 0) == 0);
    LATER(20, write(in[1], "x", 1));
    CHECK(waited(a, 5000) == 1 && got[0].data.fd == b && polled(b, POLLIN) == POLLIN);
    int above = epoll_create1(0), deep = epoll_create1(0), deepest = epoll_create1(0);
    CHECK(!add(above, a, EPOLLIN) && !add(c, deep, EPOLLIN));
    FAILS(add(deep, deepest, EPOLLIN), ELOOP);
    FAILS(add(deepest, above, EPOLLIN), ELOOP);
    CHECK(!del(above, a) && !add(deep, deepest, EPOLLIN));
}
static void a_closed_file_leaves_epoll(void) {
    pipes();
    int ep = epoll_create1(0), copy = dup(in[0]);
    CHECK(!add(ep, in[0], EPOLLIN) && !add(ep, copy, EPOLLIN));
    write(in[1], "x", 1);
    CHECK(waited(ep, 0) == 2);
    close(in[0]);
    CHECK(waited(ep, 0) == 2);              /* the open file is still there */
    close(copy);
    CHECK(waited(ep, 0) == 0);
    CHECK(!add(ep, out[0], EPOLLIN));
    close(ep);
    write(out[1], "x", 1);
}
static void many_events_in_turn(void) {
    int ep = epoll_create1(0), p[10][2], seen[64] = { 0 };
    for (int i = 0; i < 10; i++) { CHECK(!pipe(p[i]) && !add(ep, p[i][0], EPOLLIN)); write(p[i][1], "x", 1); }
    for (int i = 0; i < 5; i++) {
        CHECK(epoll_wait(ep, got, 4, 0) == 4);
        for (int j = 0; j < 4; j++) seen[got[j].data.fd]++;
    }
    for (int i = 0; i < 10; i++) CHECK(seen[p[i][0]] == 2);
}

/* ---- eventfd and timerfd ---- */
static void eventfd_counts(void) {
    unsigned long v = 0;
    int fd = eventfd(3, EFD_NONBLOCK | EFD_CLOEXEC), ep = epoll_create1(0);
    CHECK(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC && polled(fd, POLLIN | POLLOUT) == (POLLIN | POLLOUT));
    CHECK(read(fd, &v, 8) == 8 && v == 3);
    FAILS(read(fd, &v, 8), EAGAIN);
    FAILS(read(fd, &v, 7), EINVAL);
    v = -1UL;
    FAILS(write(fd, &v, 8), EINVAL);
    v = -2UL;
    CHECK(write(fd, &v, 8) == 8 && polled(fd, POLLOUT) == 0);
    v = 1;
    FAILS(write(fd, &v, 8), EAGAIN);
    CHECK(!add(ep, fd, EPOLLIN | EPOLLET) && waited(ep, 0) == 1 && waited(ep, 0) == 0);
    CHECK(read(fd, &v, 8) == 8 && v == -2UL);
    v = 1;
    CHECK(write(fd, &v, 8) == 8 && waited(ep, 0) == 1);
    int s = eventfd(2, EFD_SEMAPHORE);
    CHECK(read(s, &v, 8) == 8 && v == 1 && read(s, &v, 8) == 8 && v == 1 && polled(s, POLLIN) == 0);
    LATER(20, v = 5; write(s, &v, 8));
    v = 0;
    CHECK(read(s, &v, 8) == 8 && v == 1);
    FAILS(eventfd(0, 0x1000), EINVAL);
    struct stat st;
    CHECK(!fstat(s, &st) && (st.st_mode & 07777) == 0600);
    char path[40], text[40] = "";
    snprintf(path, sizeof path, "/proc/self/fd/%d", s);
    CHECK(readlink(path, text, 39) > 0 && !strcmp(text, "anon_inode:[eventfd]"));
}
static void timerfd_ticks(void) {
    unsigned long v = 0;
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    struct itimerspec t = { { 0, 0 }, { 0, 20000000 } }, old;
    FAILS(read(fd, &v, 8), EAGAIN);
    CHECK(!timerfd_settime(fd, 0, &t, &old) && old.it_value.tv_nsec == 0);
    CHECK(!timerfd_gettime(fd, &old) && old.it_value.tv_nsec > 0 && old.it_value.tv_nsec <= 20000000 && !old.it_interval.tv_nsec);
    struct pollfd p = { fd, POLLIN, 0 };
    long start = milliseconds();
    CHECK(poll(&p, 1, 5000) == 1 && milliseconds() - start >= 19 && read(fd, &v, 8) == 8 && v == 1);
    CHECK(!timerfd_gettime(fd, &old) && !old.it_value.tv_sec && !old.it_value.tv_nsec);
    t.it_interval.tv_nsec = 10000000;
    t.it_value.tv_nsec = 1;
    CHECK(!timerfd_settime(fd, 0, &t, NULL));
    nap(65);
    CHECK(read(fd, &v, 8) == 8 && v >= 6 && v < 60);
    CHECK(poll(&p, 1, 5000) == 1 && read(fd, &v, 8) == 8 && v >= 1);
    CHECK(!timerfd_gettime(fd, &old) && old.it_interval.tv_nsec == 10000000 && old.it_value.tv_nsec <= 10000000);
    fcntl(fd, F_SETFL, 0);
    CHECK(read(fd, &v, 8) == 8 && v >= 1);
    memset(&t, 0, sizeof t);
    CHECK(!timerfd_settime(fd, 0, &t, &old) && old.it_interval.tv_nsec == 10000000 && polled(fd, POLLIN) == 0);
    clock_gettime(CLOCK_REALTIME, &t.it_value);
    int real = timerfd_create(CLOCK_REALTIME, 0);
    t.it_value.tv_nsec += 30000000;
    if (t.it_value.tv_nsec > 999999999) t.it_value.tv_nsec -= 1000000000, t.it_value.tv_sec++;
    start = milliseconds();
    CHECK(!timerfd_settime(real, TFD_TIMER_ABSTIME, &t, NULL) && read(real, &v, 8) == 8 && v == 1 && milliseconds() - start >= 25);
    t.it_value.tv_nsec = 1000000000;
    FAILS(timerfd_settime(fd, 0, &t, NULL), EINVAL);
    t.it_value.tv_nsec = 0;
    FAILS(timerfd_settime(fd, 64, &t, NULL), EINVAL);
    FAILS(timerfd_settime(1, 0, &t, NULL), EINVAL);
    FAILS(timerfd_settime(99, 0, &t, NULL), EBADF);
    FAILS(timerfd_gettime(fd, NULL), EFAULT);
    FAILS(timerfd_create(77, 0), EINVAL);
    FAILS(timerfd_create(CLOCK_MONOTONIC, 1), EINVAL);
    FAILS(write(fd, &v, 8), EINVAL);
}

static const struct property properties[] = {
    T(poll_says_what_holds), T(poll_waits), T(poll_is_interrupted), T(stopping_does_not_end_poll), T(masks_are_atomic),
    T(select_sets), T(many_files_are_waited_for), T(closing_while_polled_is_harmless), T(vectors_are_one_call),
    T(epoll_level), T(epoll_edge), T(epoll_one_shot), T(epoll_errors), T(epoll_loops_are_refused), T(a_closed_file_leaves_epoll),
    T(many_events_in_turn), T(eventfd_counts), T(timerfd_ticks), { NULL, NULL } };
int main(int argc, char **argv) { return run_properties(properties, argc, argv); }
