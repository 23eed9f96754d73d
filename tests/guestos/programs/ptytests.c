/* Pseudo-terminals: names, the line between master and slave, job control, hangup. Runs on Linux, too. */
#include "properties.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/sysmacros.h>
#include <termios.h>

static int master, slave;
static char name[64], text[8192];

static void open_pair(void) {
    int number;
    CHECK((master = open("/dev/ptmx", O_RDWR | O_NOCTTY)) >= 0 && !grantpt(master) && !unlockpt(master));
    CHECK(!ioctl(master, TIOCGPTN, &number) && snprintf(name, sizeof name, "/dev/pts/%d", number) > 0);
    CHECK((slave = open(name, O_RDWR | O_NOCTTY)) >= 0);
}
static int polled(int fd, int events) { struct pollfd p = { fd, events, 0 }; CHECK(poll(&p, 1, 0) >= 0); return p.revents; }
/* What is there to read now, as text. */
static const char *take(int fd) {
    nap(5);
    int n = polled(fd, POLLIN) & POLLIN ? read(fd, text, sizeof text - 1) : 0;
    text[n < 0 ? 0 : n] = 0;
    return text;
}
static int gives(int fd, const char *wanted) {
    const char *found = take(fd);
    if (strcmp(found, wanted)) printf("    expected \"%s\", found \"%s\"\n", wanted, found);
    return !strcmp(found, wanted);
}
static void put(int fd, const char *s) { CHECK(write(fd, s, strlen(s)) == (ssize_t)strlen(s)); }
static void local_flags(unsigned off, unsigned on) {
    struct termios t;
    CHECK(!tcgetattr(slave, &t));
    t.c_lflag = (t.c_lflag & ~off) | on;
    CHECK(!tcsetattr(slave, TCSANOW, &t));
}
static void raw(void) {
    struct termios t;
    CHECK(!tcgetattr(slave, &t));
    cfmakeraw(&t);
    CHECK(!tcsetattr(slave, TCSANOW, &t));
}
/* A child in a session of its own with the slave as its terminal runs f; the parent keeps the master only. */
static int in_session(void (*f)(void)) {
    int ready[2];
    char c;
    CHECK(!pipe(ready));
    int pid = fork();
    if (!pid) {
        close(master);
        CHECK(setsid() > 0 && !ioctl(slave, TIOCSCTTY, 0));
        write(ready[1], "x", 1);
        close(ready[0]); close(ready[1]);
        f();
        _exit(0);
    }
    CHECK(read(ready[0], &c, 1) == 1);
    close(ready[0]); close(ready[1]);
    close(slave);
    nap(10);
    return pid;
}

static void slaves_have_names(void) {
    struct stat st;
    int locked, number;
    CHECK((master = open("/dev/ptmx", O_RDWR | O_NOCTTY)) >= 0 && !ioctl(master, TIOCGPTN, &number));
    snprintf(name, sizeof name, "/dev/pts/%d", number);
    CHECK(!ioctl(master, TIOCGPTLCK, &locked) && locked == 1);
    FAILS(open(name, O_RDWR | O_NOCTTY), EIO);
    locked = 0;
    CHECK(!ioctl(master, TIOCSPTLCK, &locked) && !ioctl(master, TIOCGPTLCK, &locked) && !locked);
    CHECK((slave = open(name, O_RDWR | O_NOCTTY)) >= 0 && isatty(slave) && isatty(master) && !strcmp(ttyname(slave), name));
    CHECK(!stat(name, &st) && S_ISCHR(st.st_mode) && st.st_rdev == makedev(136, number) && st.st_uid == getuid());
    CHECK(!chmod(name, 0600) && !stat(name, &st) && (st.st_mode & 0777) == 0600);
    int other = open("/dev/ptmx", O_RDWR | O_NOCTTY), second;
    CHECK(!ioctl(other, TIOCGPTN, &second) && second != number);
    FAILS(ioctl(slave, TIOCGPTN, &number), ENOTTY);
    close(master);
    FAILS(stat(name, &st), ENOENT);
    FAILS(open(name, O_RDWR), ENOENT);
    FAILS(open("/dev/pts/x", O_RDWR | O_CREAT, 0600), EACCES);
    FAILS(lseek(other, 0, SEEK_SET), ESPIPE);
}
static void a_slave_from_its_master(void) {
    open_pair();
    int peer = ioctl(master, 0x5441 /* TIOCGPTPEER */, O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(peer >= 0 && fcntl(peer, F_GETFD) == FD_CLOEXEC && !strcmp(ttyname(peer), name));
    put(peer, "x");
    CHECK(gives(master, "x"));
}
static void lines_go_both_ways(void) {
    open_pair();
    put(slave, "a\n");
    CHECK(gives(master, "a\r\n"));
    put(master, "hi\n");
    CHECK(gives(master, "hi\r\n") && gives(slave, "hi\n"));
    put(master, "unfinished");
    CHECK(polled(slave, POLLIN) == 0 && gives(master, "unfinished"));
    put(master, "\x15");
    take(master);
    put(master, "ab\x7f" "c\n");
    CHECK(gives(master, "ab\b \bc\r\n") && gives(slave, "ac\n"));
    put(master, "x\x04");
    CHECK(gives(slave, "x"));
    put(master, "\x04");
    CHECK(polled(slave, POLLIN) == POLLIN && read(slave, text, 9) == 0);
    put(master, "two\nlines\n");
    CHECK(gives(slave, "two\n") && gives(slave, "lines\n"));
    CHECK(gives(master, "xtwo\r\nlines\r\n"));
    local_flags(ECHO, 0);
    put(master, "secret\n");
    CHECK(polled(master, POLLIN) == 0 && gives(slave, "secret\n"));
}
static void raw_mode_changes_nothing(void) {
    open_pair();
    raw();
    put(master, "a\r\n\x03\x04\x7f");
    CHECK(gives(slave, "a\r\n\x03\x04\x7f") && polled(master, POLLIN) == 0);
    put(slave, "b\n\x04");
    CHECK(gives(master, "b\n\x04"));
    struct termios t;
    CHECK(!tcgetattr(master, &t) && !(t.c_lflag & ICANON));        /* one set of settings */
    int n;
    put(slave, "abc");
    nap(5);
    CHECK(!ioctl(master, FIONREAD, &n) && n == 3);
    put(master, "abcd");
    nap(5);
    CHECK(!ioctl(slave, FIONREAD, &n) && n == 4);
}
static void a_master_waits(void) {
    open_pair();
    LATER(20, put(slave, "x"));
    CHECK(read(master, text, 10) == 1);
    fcntl(master, F_SETFL, O_NONBLOCK);
    FAILS(read(master, text, 10), EAGAIN);
    int ep = epoll_create1(0);
    struct epoll_event e = { EPOLLIN, { .fd = master } };
    CHECK(!epoll_ctl(ep, EPOLL_CTL_ADD, master, &e) && epoll_wait(ep, &e, 1, 0) == 0);
    LATER(20, put(slave, "y"));
    CHECK(epoll_wait(ep, &e, 1, 5000) == 1 && e.events == EPOLLIN);
}
static void full_lines_wait(void) {
    open_pair();
    raw();
    fcntl(slave, F_SETFL, O_NONBLOCK);
    long sent = 0, got = 0, n;
    memset(text, 'x', sizeof text);
    while ((n = write(slave, text, 1000)) > 0) sent += n;
    CHECK(n == -1 && errno == EAGAIN && sent >= 2048 && polled(slave, POLLOUT) == 0);
    fcntl(slave, F_SETFL, 0);
    int pid = fork();
    if (!pid) {
        memset(text, 'y', 6000);
        for (n = 0; n < 60; n++) CHECK(write(slave, text, 1000) == 1000);
        _exit(0);
    }
    while (got < sent + 60000) {
        CHECK((n = read(master, text, sizeof text)) > 0);
        for (long i = 0; i < n; i++) CHECK(text[i] == (got + i < sent ? 'x' : 'y'));
        got += n;
    }
    CHECK(got == sent + 60000 && exit_of(pid) == 0);
    fcntl(master, F_SETFL, O_NONBLOCK);
    for (sent = 0; sent < 1000000 && (n = write(master, text, 1000)) > 0; sent += n) ;
    CHECK(n == -1 && errno == EAGAIN && polled(master, POLLOUT) == 0);
    for (got = 0; got < sent && polled(slave, POLLIN) & POLLIN; got += n) { CHECK((n = read(slave, text, sizeof text)) > 0); nap(1); }
    CHECK(got == sent && polled(master, POLLOUT) == POLLOUT);
}
static void masters_see_when_slaves_are_gone(void) {
    open_pair();
    put(slave, "last");
    close(slave);
    nap(5);
    CHECK(polled(master, POLLIN) == (POLLIN | POLLHUP) && gives(master, "last"));
    FAILS(read(master, text, 1), EIO);
    CHECK(polled(master, POLLIN) == POLLHUP);
    CHECK((slave = open(name, O_RDWR | O_NOCTTY)) >= 0 && polled(master, POLLIN) == 0);
    LATER(10, close(slave));
    close(slave);
    FAILS(read(master, text, 1), EIO);
    CHECK((master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK)) >= 0);
    FAILS(read(master, text, 1), EAGAIN);               /* never opened is not gone */
}
static void slaves_see_when_the_master_is_gone(void) {
    open_pair();
    int pid = fork(), pid2;
    if (!pid) { close(master); nap(0); _exit(read(slave, text, 1) == -1 && errno == EIO ? 0 : 1); }
    if (!(pid2 = fork())) { close(master); struct pollfd p = { slave, 0, 0 }; _exit(poll(&p, 1, 5000) == 1 && p.revents & POLLHUP ? 0 : 1); }
    nap(10);
    put(master, "lost\n");
    close(master);
    CHECK(exit_of(pid2) == 0);
    CHECK(polled(slave, POLLIN | POLLOUT) == (POLLIN | POLLOUT | POLLERR | POLLHUP));
    CHECK(read(slave, text, 10) == 0);
    FAILS(write(slave, "x", 1), EIO);
    struct termios t;
    FAILS(ioctl(slave, TCGETS, &t), EIO);
    FAILS(ioctl(slave, TIOCSPGRP, &t), ENOTTY);
    waitpid(pid, NULL, 0);
}
static void window_sizes(void) {
    open_pair();
    struct winsize w = { 1, 2, 3, 4 };
    CHECK(!ioctl(slave, TIOCGWINSZ, &w) && !w.ws_row && !w.ws_col);
    catch_it(SIGWINCH, 0);
    int pid = fork();
    if (!pid) {
        close(master);
        CHECK(setsid() > 0 && !ioctl(slave, TIOCSCTTY, 0));
        put(slave, "r");
        pause();
        CHECK(caught == SIGWINCH && !ioctl(slave, TIOCGWINSZ, &w) && w.ws_row == 25 && w.ws_col == 99);
        caught = 0;
        put(slave, "s");
        nap(30);
        _exit(caught);
    }
    CHECK(read(master, text, 1) == 1);
    nap(5);
    w = (struct winsize){ 25, 99, 0, 0 };
    CHECK(!ioctl(master, TIOCSWINSZ, &w) && read(master, text, 1) == 1);
    CHECK(!ioctl(master, TIOCSWINSZ, &w));              /* no change, no signal */
    CHECK(exit_of(pid) == 0 && !ioctl(master, TIOCGWINSZ, &w) && w.ws_col == 99);
}

/* ---- sessions ---- */
static void forever(void) { for (;;) pause(); }
static void keys_send_signals(void) {
    static const struct { const char *key; int signo; const char *echo; } keys[] = { { "\x03", SIGINT, "^C" }, { "\x1c", SIGQUIT, "^\\" } };
    for (int i = 0; i < 2; i++) {
        open_pair();
        int pid = in_session(forever);
        put(master, keys[i].key);
        int s = status_of(pid);
        CHECK(WIFSIGNALED(s) && WTERMSIG(s) == keys[i].signo);
        close(master);
    }
    open_pair();
    int pid = in_session(forever);
    FAILS(ioctl(master, TIOCSIG, SIGTERM), EINVAL);
    CHECK(!ioctl(master, TIOCSIG, SIGQUIT));
    int s = status_of(pid);
    CHECK(WIFSIGNALED(s) && WTERMSIG(s) == SIGQUIT);
}
static void signals_flush(void) {
    open_pair();
    put(master, "gone\x03kept\n");
    CHECK(gives(master, "^Ckept\r\n") && gives(slave, "kept\n"));
}
static void hangup_kills_the_leader(void) {
    open_pair();
    int pid = in_session(forever);
    close(master);
    int s = status_of(pid);
    CHECK(WIFSIGNALED(s) && WTERMSIG(s) == SIGHUP);
}
static int report[2];
static void with_foreground(void) {
    signal(SIGHUP, SIG_IGN);
    signal(SIGTTOU, SIG_IGN);
    int pid = fork();
    if (!pid) {
        setpgid(0, 0);
        tcsetpgrp(slave, getpid());
        catch_it(SIGHUP, 0);
        write(report[1], "r", 1);
        while (caught != SIGHUP) nap(5);
        write(report[1], "h", 1);
        _exit(0);
    }
    while (read(slave, text, 1) > 0 || errno == ERESTART) ;
    nap(60);
}
static void the_foreground_hears_when_the_leader_ends(void) {
    char c;
    CHECK(!pipe(report));
    open_pair();
    int pid = in_session(with_foreground);
    CHECK(read(report[0], &c, 1) == 1 && c == 'r');
    close(master);
    nap(20);
    CHECK(polled(report[0], POLLIN) == 0);
    CHECK(exit_of(pid) == 0 && read(report[0], &c, 1) == 1 && c == 'h');
}
static void a_leaders_end_frees_the_terminal(void) {
    char c;
    open_pair();
    CHECK(!pipe(report));
    int pid = fork();
    if (!pid) {
        close(master);
        CHECK(setsid() > 0 && !ioctl(slave, TIOCSCTTY, 0));
        if (!fork()) {                                  /* in the background, and stays */
            setpgid(0, 0);
            write(report[1], "b", 1);
            nap(40);
            put(slave, "x");
            CHECK(open("/dev/tty", O_RDWR) == -1 && errno == ENXIO);
            write(report[1], "k", 1);
            _exit(0);
        }
        if (!fork()) {                                  /* in the foreground */
            write(report[1], "f", 1);
            pause();
            _exit(0);
        }
        nap(20);
        _exit(0);
    }
    close(slave);
    CHECK(exit_of(pid) == 0);
    int group;
    CHECK(!ioctl(master, TIOCGPGRP, &group) && group == 0);
    CHECK(read(report[0], text, 2) == 2 && read(report[0], &c, 1) == 1 && c == 'k');
    CHECK(gives(master, "x"));
    FAILS(read(master, text, 10), EIO);
}
static void controlling_terminals(void) {
    int number, group;
    open_pair();
    if (fork()) { int s; wait(&s); _exit(WEXITSTATUS(s)); }
    CHECK(setsid() > 0);
    FAILS(open("/dev/tty", O_RDWR), ENXIO);
    FAILS(tcgetpgrp(slave), ENOTTY);
    FAILS(ioctl(slave, TIOCNOTTY), ENOTTY);
    CHECK(!ioctl(master, TIOCGPGRP, &group) && group == 0);
    int again = open(name, O_RDWR);                     /* without O_NOCTTY: ours now */
    CHECK(again >= 0 && tcgetpgrp(slave) == getpid() && tcgetsid(slave) == getpid());
    CHECK(!ioctl(slave, TIOCSCTTY, 0));
    int tty = open("/dev/tty", O_RDWR);
    CHECK(tty >= 0);
    put(tty, "t");
    CHECK(gives(master, "t") && !ioctl(master, TIOCGPGRP, &group) && group == getpid());
    int child = fork();
    if (!child) {
        setpgid(0, 0);
        FAILS(ioctl(slave, TIOCSCTTY, 0), EPERM);
        signal(SIGTTOU, SIG_IGN);
        CHECK(!tcsetpgrp(slave, getpid()) && tcgetpgrp(slave) == getpid());
        CHECK(!tcsetpgrp(slave, getppid()));
        if (fork()) { int s; wait(&s); _exit(WEXITSTATUS(s)); }
        _exit(setsid() > 0 && tcgetpgrp(slave) == -1 && errno == ENOTTY && ioctl(slave, TIOCSCTTY, 0) == -1 && errno == EPERM ? 0 : 1);
    }
    CHECK(exit_of(child) == 0);
    FAILS(tcsetpgrp(slave, getpgid(getppid())), EPERM);
    FAILS(tcsetpgrp(slave, 99999), ESRCH);
    FAILS(tcsetpgrp(slave, -1), EINVAL);
    int m = open("/dev/ptmx", O_RDWR | O_NOCTTY), zero = 0;
    CHECK(!ioctl(m, TIOCGPTN, &number) && !ioctl(m, TIOCSPTLCK, &zero));
    char other[40];
    snprintf(other, sizeof other, "/dev/pts/%d", number);
    int second = open(other, O_RDWR);                   /* one is enough */
    CHECK(second >= 0);
    FAILS(tcgetpgrp(second), ENOTTY);
    FAILS(ioctl(second, TIOCSCTTY, 0), EPERM);
    signal(SIGHUP, SIG_IGN);
    CHECK(!ioctl(slave, TIOCNOTTY));
    FAILS(open("/dev/tty", O_RDWR), ENXIO);
    CHECK(!ioctl(second, TIOCSCTTY, 0) && tcgetpgrp(second) == getpid());
    _exit(0);
}
static void background(void) {
    int pid = fork(), s;
    signal(SIGTTOU, SIG_IGN);
    if (!pid) {
        signal(SIGTTOU, SIG_DFL);
        setpgid(0, 0);
        nap(10);
        CHECK(read(slave, text, 10) == 3);              /* stops us first */
        put(slave, "o");
        kill(getpid(), SIGSTOP);
        put(slave, "p");                                /* with TOSTOP stops us, too */
        _exit(7);
    }
    setpgid(pid, pid);
    CHECK(waitpid(pid, &s, WUNTRACED) == pid && WIFSTOPPED(s) && WSTOPSIG(s) == SIGTTIN);
    tcsetpgrp(slave, pid);
    kill(pid, SIGCONT);
    CHECK(waitpid(pid, &s, WUNTRACED) == pid && WIFSTOPPED(s) && WSTOPSIG(s) == SIGSTOP);
    tcsetpgrp(slave, getpid());
    local_flags(0, TOSTOP);
    kill(pid, SIGCONT);
    CHECK(waitpid(pid, &s, WUNTRACED) == pid && WIFSTOPPED(s) && WSTOPSIG(s) == SIGTTOU);
    local_flags(TOSTOP, 0);
    kill(pid, SIGCONT);
    CHECK(exit_of(pid) == 7);
}
static void the_background_is_stopped(void) {
    open_pair();
    int pid = in_session(background);
    put(master, "in\n");
    CHECK(exit_of(pid) == 0);
}
static void output_is_stopped_by_keys(void) {
    open_pair();
    put(master, "\x13");
    nap(5);
    fcntl(slave, F_SETFL, O_NONBLOCK);
    FAILS(write(slave, "x", 1), EAGAIN);
    put(master, "\x11");
    nap(5);
    put(slave, "y");
    CHECK(gives(master, "y"));
}

static const struct property properties[] = {
    T(slaves_have_names), T(a_slave_from_its_master), T(lines_go_both_ways), T(raw_mode_changes_nothing), T(a_master_waits), T(full_lines_wait),
    T(masters_see_when_slaves_are_gone), T(slaves_see_when_the_master_is_gone), T(window_sizes), T(keys_send_signals),
    T(signals_flush), T(hangup_kills_the_leader), T(the_foreground_hears_when_the_leader_ends), T(a_leaders_end_frees_the_terminal),
    T(controlling_terminals), T(the_background_is_stopped), T(output_is_stopped_by_keys), { NULL, NULL } };
int main(int argc, char **argv) { return run_properties(properties, argc, argv); }
