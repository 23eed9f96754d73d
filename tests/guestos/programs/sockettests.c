/* Sockets: AF_UNIX, and AF_INET over the loopback interface. Runs on Linux, too. */
#include "properties.h"
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

static char text[300000];
static int pair[2];
static void socket_pair(int type) { CHECK(!socketpair(AF_UNIX, type, 0, pair)); }
static int polled(int fd, int events) { struct pollfd p = { fd, events, 0 }; CHECK(poll(&p, 1, 0) >= 0); return p.revents; }

/* Addresses: "@x" is abstract. */
static struct sockaddr_un un;
static socklen_t un_length;
static struct sockaddr *named(const char *name) {
    memset(&un, 0, sizeof un);
    un.sun_family = AF_UNIX;
    strcpy(un.sun_path, name);
    un_length = offsetof(struct sockaddr_un, sun_path) + strlen(name) + (*name != '@');
    if (*name == '@') un.sun_path[0] = 0;
    return (struct sockaddr *)&un;
}
static int bind_to(int fd, const char *name) { struct sockaddr *a = named(name); return bind(fd, a, un_length); }
static int connect_to(int fd, const char *name) { struct sockaddr *a = named(name); return connect(fd, a, un_length); }
static int send_to(int fd, const char *data, const char *name) { struct sockaddr *a = named(name); return sendto(fd, data, strlen(data), 0, a, un_length); }
static int listener(int type, const char *name, int backlog) {
    int fd = socket(AF_UNIX, type, 0);
    unlink(name);
    CHECK(fd >= 0 && !bind_to(fd, name) && !listen(fd, backlog));
    return fd;
}
static struct sockaddr_in in;
static socklen_t in_length = sizeof in;
static struct sockaddr *at(const char *ip, int port) {
    in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = inet_addr(ip) };
    return (struct sockaddr *)&in;
}
static int port_of(int fd) { socklen_t n = sizeof in; CHECK(!getsockname(fd, (struct sockaddr *)&in, &n) && n == sizeof in); return ntohs(in.sin_port); }

/* ---- streams ---- */
static void pairs_carry_bytes(void) {
    socket_pair(SOCK_STREAM);
    CHECK(write(pair[0], "hello", 5) == 5 && write(pair[0], "world", 5) == 5);
    int n;
    CHECK(!ioctl(pair[1], FIONREAD, &n) && n == 10);
    CHECK(read(pair[1], text, 7) == 7 && !memcmp(text, "hellowo", 7) && recv(pair[1], text, 100, 0) == 3 && !memcmp(text, "rld", 3));
    CHECK(write(pair[1], "x", 1) == 1 && read(pair[0], text, 1) == 1);
    FAILS(recv(pair[0], text, 1, MSG_DONTWAIT), EAGAIN);
    struct stat st;
    CHECK(!fstat(pair[0], &st) && S_ISSOCK(st.st_mode) && (st.st_mode & 0777) == 0777);
    char path[40], link[40] = "";
    snprintf(path, sizeof path, "/proc/self/fd/%d", pair[0]);
    CHECK(readlink(path, link, 39) > 0 && !strncmp(link, "socket:[", 8));
    FAILS(lseek(pair[0], 0, SEEK_SET), ESPIPE);
    FAILS(pread(pair[0], text, 1, 0), ESPIPE);
    LATER(20, write(pair[0], "late", 4));
    CHECK(read(pair[1], text, 100) == 4);
    struct iovec v[2] = { { "ab", 2 }, { "cd", 2 } };
    CHECK(writev(pair[0], v, 2) == 4 && recv(pair[1], text, 4, MSG_WAITALL) == 4 && !memcmp(text, "abcd", 4));
    LATER(10, write(pair[0], "1", 1); nap(10); write(pair[0], "23", 2));
    CHECK(recv(pair[1], text, 3, MSG_WAITALL) == 3 && !memcmp(text, "123", 3));
}
static void peeking_leaves_the_bytes(void) {
    socket_pair(SOCK_STREAM);
    write(pair[0], "abc", 3);
    CHECK(recv(pair[1], text, 2, MSG_PEEK) == 2 && recv(pair[1], text, 9, MSG_PEEK) == 3 && recv(pair[1], text, 9, 0) == 3 && !memcmp(text, "abc", 3));
}
static void ends_are_seen(void) {
    socket_pair(SOCK_STREAM);
    signal(SIGPIPE, SIG_IGN);
    write(pair[0], "bye", 3);
    close(pair[0]);
    CHECK(polled(pair[1], POLLIN | POLLOUT | POLLRDHUP) == (POLLIN | POLLOUT | POLLHUP | POLLRDHUP));
    CHECK(read(pair[1], text, 10) == 3 && read(pair[1], text, 10) == 0);
    FAILS(write(pair[1], "x", 1), EPIPE);
    FAILS(send(pair[1], "x", 1, MSG_NOSIGNAL), EPIPE);
    catch_it(SIGPIPE, 0);
    FAILS(send(pair[1], "x", 1, MSG_NOSIGNAL), EPIPE);
    CHECK(!caught);
    FAILS(send(pair[1], "x", 1, 0), EPIPE);
    CHECK(caught == SIGPIPE);
    socket_pair(SOCK_STREAM);
    write(pair[0], "unread", 6);
    close(pair[1]);
    FAILS(read(pair[0], text, 1), ECONNRESET);
    CHECK(read(pair[0], text, 1) == 0);
    socket_pair(SOCK_STREAM);
    LATER(20, _exit(0));
    close(pair[0]);
    CHECK(read(pair[1], text, 1) == 0);                 /* when the child's copy has gone, too */
}
static void halves_are_shut(void) {
    signal(SIGPIPE, SIG_IGN);
    socket_pair(SOCK_STREAM);
    CHECK(!shutdown(pair[0], SHUT_WR));
    FAILS(write(pair[0], "x", 1), EPIPE);
    CHECK(read(pair[1], text, 1) == 0 && write(pair[1], "back", 4) == 4 && read(pair[0], text, 9) == 4);
    CHECK(polled(pair[1], POLLIN | POLLRDHUP) == (POLLIN | POLLRDHUP) && polled(pair[0], POLLIN) == 0);
    CHECK(!shutdown(pair[0], SHUT_RD));
    FAILS(write(pair[1], "x", 1), EPIPE);
    CHECK(read(pair[0], text, 1) == 0 && polled(pair[0], 0) == POLLHUP);
    FAILS(shutdown(pair[0], 3), EINVAL);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(!shutdown(fd, SHUT_RD));
    FAILS(shutdown(socket(AF_INET, SOCK_STREAM, 0), SHUT_RD), ENOTCONN);
}
static void full_streams_wait(void) {
    socket_pair(SOCK_STREAM);
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    long sent = 0, n;
    for (long i = 0; i < (long)sizeof text; i++) text[i] = i * 7;
    while ((n = write(pair[0], text + sent % 1000, 999)) > 0) sent += n;
    CHECK(n == -1 && errno == EAGAIN && sent > 50000 && polled(pair[0], POLLOUT) == 0);
    fcntl(pair[0], F_SETFL, 0);
    socket_pair(SOCK_STREAM);
    int pid = fork();
    if (!pid) {
        CHECK(write(pair[0], text, sizeof text) == sizeof text);
        _exit(0);
    }
    close(pair[0]);
    static char found[sizeof text];
    long got = 0;
    while ((n = read(pair[1], found + got, 5000)) > 0) got += n;
    CHECK(got == sizeof text && !memcmp(found, text, got) && exit_of(pid) == 0);
    CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) && fcntl(pair[1], F_GETFD) == FD_CLOEXEC);
    int ep = epoll_create1(0);
    struct epoll_event e = { EPOLLOUT | EPOLLET, { .fd = 1 } };
    CHECK(!epoll_ctl(ep, EPOLL_CTL_ADD, pair[0], &e) && epoll_wait(ep, &e, 1, 0) == 1);
    while (write(pair[0], text, 10000) > 0) ;
    CHECK(epoll_wait(ep, &e, 1, 0) == 0);
    while (read(pair[1], text, 10000) > 0) ;
    CHECK(epoll_wait(ep, &e, 1, 0) == 1 && e.events == EPOLLOUT);
}
static void timeouts_end_waiting(void) {
    socket_pair(SOCK_STREAM);
    struct timeval tv = { 0, 30000 }, got;
    socklen_t n = sizeof got;
    CHECK(!setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv) && !getsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &got, &n));
    CHECK(n == sizeof got && got.tv_usec >= 30000 && got.tv_usec < 41000);
    long start = milliseconds();
    FAILS(read(pair[0], text, 1), EAGAIN);
    CHECK(milliseconds() - start >= 29);
    CHECK(!setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv));
    while (write(pair[0], text, 50000) > 0) ;
    CHECK(errno == EAGAIN);
    catch_it(SIGUSR1, SA_RESTART);
    tv.tv_sec = 5;
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    LATER(20, kill(getppid(), SIGUSR1));
    FAILS(read(pair[0], text, 1), EINTR);               /* with a timeout, no restart */
    tv.tv_usec = 1000000;
    FAILS(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv), EDOM);
    FAILS(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &tv, 4), EINVAL);
    LATER(20, kill(getppid(), SIGUSR1); nap(20); write(pair[0], "x", 1));
    CHECK(read(pair[1], text, 1) == 1);
}

/* ---- names and connections ---- */
static void connections_by_path(void) {
    int l = listener(SOCK_STREAM, "sock", 5), c = socket(AF_UNIX, SOCK_STREAM, 0), s;
    struct stat st;
    CHECK(!stat("sock", &st) && S_ISSOCK(st.st_mode));
    FAILS(open("sock", O_RDWR), ENXIO);
    FAILS(accept4(l, NULL, NULL, SOCK_NONBLOCK | 1), EINVAL);
    fcntl(l, F_SETFL, O_NONBLOCK);
    FAILS(accept(l, NULL, NULL), EAGAIN);
    fcntl(l, F_SETFL, 0);
    CHECK(polled(l, POLLIN) == 0 && !connect_to(c, "sock") && polled(l, POLLIN) == POLLIN);
    FAILS(connect_to(c, "sock"), EISCONN);
    CHECK(write(c, "early", 5) == 5);
    struct sockaddr_un a;
    socklen_t n = sizeof a;
    CHECK((s = accept4(l, (struct sockaddr *)&a, &n, SOCK_CLOEXEC)) >= 0 && n == 2 && a.sun_family == AF_UNIX && fcntl(s, F_GETFD) == FD_CLOEXEC);
    CHECK(read(s, text, 10) == 5 && write(s, "back", 4) == 4 && read(c, text, 10) == 4);
    n = sizeof a;
    CHECK(!getpeername(c, (struct sockaddr *)&a, &n) && n == 2 + 5 && !strcmp(a.sun_path, "sock"));
    n = sizeof a;
    CHECK(!getsockname(s, (struct sockaddr *)&a, &n) && n == 7 && !strcmp(a.sun_path, "sock"));
    n = 4;
    memset(&a, 'x', sizeof a);
    CHECK(!getsockname(l, (struct sockaddr *)&a, &n) && n == 7 && !memcmp(a.sun_path, "so", 2) && a.sun_path[2] == 'x');
    n = sizeof a;
    FAILS(getpeername(l, (struct sockaddr *)&a, &n), ENOTCONN);
    int pid = fork();
    if (!pid) {
        int mine = socket(AF_UNIX, SOCK_STREAM, 0);
        nap(20);
        CHECK(!connect_to(mine, "sock"));
        _exit(write(mine, "child", 5) == 5 ? 0 : 1);
    }
    CHECK((s = accept(l, NULL, NULL)) >= 0 && read(s, text, 10) == 5 && exit_of(pid) == 0);
    unlink("sock");
}
static void name_errors(void) {
    int a = socket(AF_UNIX, SOCK_STREAM, 0), b = socket(AF_UNIX, SOCK_STREAM, 0);
    unlink("one");
    FAILS(connect_to(a, "one"), ENOENT);
    close(open("one", O_CREAT | O_WRONLY, 0600));
    FAILS(connect_to(a, "one"), ECONNREFUSED);
    FAILS(bind_to(a, "one"), EADDRINUSE);
    FAILS(bind_to(a, "missing/x"), ENOENT);
    FAILS(bind_to(a, "one/x"), ENOTDIR);
    unlink("one");
    CHECK(!bind_to(a, "one"));
    FAILS(bind_to(a, "two"), EINVAL);
    FAILS(bind_to(b, "one"), EADDRINUSE);
    FAILS(connect_to(b, "one"), ECONNREFUSED);          /* nobody listens */
    CHECK(!listen(a, 1));
    int d = socket(AF_UNIX, SOCK_DGRAM, 0);
    FAILS(connect_to(d, "one"), EPROTOTYPE);
    FAILS(listen(d, 1), EOPNOTSUPP);
    FAILS(accept(d, NULL, NULL), EOPNOTSUPP);
    FAILS(listen(b, 1), EINVAL);                        /* no name */
    FAILS(accept(b, NULL, NULL), EINVAL);
    FAILS(bind(b, named("x"), 1), EINVAL);
    FAILS(bind(b, named("x"), 200), EINVAL);
    FAILS(bind(b, (void *)8, 10), EFAULT);
    un.sun_family = AF_INET;
    FAILS(bind(b, (struct sockaddr *)&un, 10), EINVAL);
    FAILS(connect(b, (struct sockaddr *)&un, 10), EINVAL);
    FAILS(bind(1, named("x"), 10), ENOTSOCK);
    FAILS(bind(99, named("x"), 10), EBADF);
    close(a);
    FAILS(connect_to(b, "one"), ECONNREFUSED);          /* the name stays, the socket is gone */
    unlink("one");
    mkdir("locked", 0700);
    CHECK(!bind_to(b, "locked/s") && !listen(b, 1) && !chmod("locked/s", 0600) && !chmod("locked", 0711));
    int pid = fork();
    if (!pid) {
        setgid(1000), setuid(1000);
        int c = socket(AF_UNIX, SOCK_STREAM, 0);
        FAILS(connect_to(c, "locked/s"), EACCES);
        FAILS(bind_to(c, "locked/t"), EACCES);
        _exit(0);
    }
    CHECK(!chmod(".", 0755) && exit_of(pid) == 0);
    unlink("locked/s");
    rmdir("locked");
    FAILS(socket(AF_UNIX, 99, 0), EINVAL);
    FAILS(socket(AF_UNIX, SOCK_STREAM, 6), EPROTONOSUPPORT);
    FAILS(socket(999, SOCK_STREAM, 0), EAFNOSUPPORT);
    FAILS(socket(AF_INET, SOCK_SEQPACKET, 0), ESOCKTNOSUPPORT);
    FAILS(socketpair(AF_INET, SOCK_STREAM, 0, pair), EOPNOTSUPP);
    FAILS(socketpair(AF_UNIX, SOCK_STREAM, 0, (int *)8), EFAULT);
}
static void abstract_names(void) {
    int l = listener(SOCK_STREAM, "@abc", 5), c = socket(AF_UNIX, SOCK_STREAM, 0), s;
    struct sockaddr_un a;
    socklen_t n = sizeof a;
    FAILS(connect_to(c, "@abcd"), ECONNREFUSED);
    FAILS(connect_to(c, "abc"), ENOENT);
    FAILS(bind_to(c, "@abc"), EADDRINUSE);
    CHECK(!connect_to(c, "@abc") && (s = accept(l, NULL, NULL)) >= 0);
    CHECK(!getpeername(c, (struct sockaddr *)&a, &n) && n == 2 + 4 && !memcmp(a.sun_path, "\0abc", 4));
    close(l);
    int again = listener(SOCK_STREAM, "@abc", 5);       /* while s still has the name */
    close(again);
    n = sizeof a;
    int any = socket(AF_UNIX, SOCK_DGRAM, 0);
    un.sun_family = AF_UNIX;
    CHECK(!bind(any, (struct sockaddr *)&un, 2) && !getsockname(any, (struct sockaddr *)&a, &n) && n == 2 + 6 && !a.sun_path[0]);
}
static void backlogs_fill(void) {
    int l = listener(SOCK_STREAM, "@full", 1), c[3];
    for (int i = 0; i < 3; i++) c[i] = socket(AF_UNIX, SOCK_STREAM | (i == 2 ? SOCK_NONBLOCK : 0), 0);
    CHECK(!connect_to(c[0], "@full") && !connect_to(c[1], "@full"));
    FAILS(connect_to(c[2], "@full"), EAGAIN);
    int pid = fork();
    if (!pid) { fcntl(c[2], F_SETFL, 0); _exit(connect_to(c[2], "@full") ? 1 : 0); }
    nap(20);
    CHECK(accept(l, NULL, NULL) >= 0 && exit_of(pid) == 0);
    int d = socket(AF_UNIX, SOCK_STREAM, 0);
    pid = fork();
    if (!pid) { close(l); _exit(connect_to(d, "@full") == -1 && errno == ECONNREFUSED ? 0 : 1); }
    nap(20);
    close(l);                                           /* refuses who waits, resets who was not accepted */
    CHECK(exit_of(pid) == 0);
    CHECK(read(c[1], text, 1) == -1 && errno == ECONNRESET);
}

/* ---- datagrams ---- */
static void datagrams_keep_their_bounds(void) {
    socket_pair(SOCK_DGRAM);
    CHECK(send(pair[0], "one", 3, 0) == 3 && send(pair[0], "", 0, 0) == 0 && write(pair[0], "three", 5) == 5);
    CHECK(recv(pair[1], text, 100, MSG_PEEK) == 3 && recv(pair[1], text, 100, 0) == 3 && recv(pair[1], text, 100, 0) == 0);
    int n;
    CHECK(!ioctl(pair[1], FIONREAD, &n) && n == 5);
    CHECK(recv(pair[1], text, 2, MSG_TRUNC | MSG_PEEK) == 5 && recv(pair[1], text, 2, 0) == 2);
    FAILS(recv(pair[1], text, 2, MSG_DONTWAIT), EAGAIN);
    struct iovec v[2] = { { "ab", 2 }, { "cd", 2 } };
    CHECK(writev(pair[0], v, 2) == 4 && recv(pair[1], text, 100, 0) == 4 && !memcmp(text, "abcd", 4));
    struct msghdr m = { .msg_iov = &(struct iovec){ text, 2 }, .msg_iovlen = 1 };
    send(pair[0], "long", 4, 0);
    CHECK(recvmsg(pair[1], &m, 0) == 2 && m.msg_flags == MSG_TRUNC);
    FAILS(send(pair[0], text, sizeof text, 0), EMSGSIZE);
    struct sockaddr_un from;
    socklen_t length = sizeof from;
    socket_pair(SOCK_SEQPACKET);
    CHECK(send(pair[0], "one", 3, 0) == 3 && recvfrom(pair[1], text, 9, 0, (struct sockaddr *)&from, &length) == 3 && length == 0);
    socket_pair(SOCK_SEQPACKET);
    CHECK(send(pair[0], "one", 3, 0) == 3 && send(pair[0], "two", 3, 0) == 3 && recv(pair[1], text, 100, 0) == 3);
    close(pair[0]);
    CHECK(recv(pair[1], text, 100, 0) == 3 && recv(pair[1], text, 100, 0) == 0);
}
static void datagrams_have_senders(void) {
    int a = socket(AF_UNIX, SOCK_DGRAM, 0), b = socket(AF_UNIX, SOCK_DGRAM, 0), c = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct sockaddr_un from;
    socklen_t n = sizeof from;
    CHECK(!bind_to(a, "@a") && !bind_to(b, "@b"));
    CHECK(send_to(b, "hi", "@a") == 2 && recvfrom(a, text, 9, 0, (struct sockaddr *)&from, &n) == 2 && n == 4 && from.sun_path[1] == 'b');
    n = sizeof from;
    CHECK(send_to(c, "hi", "@a") == 2 && recvfrom(a, text, 9, 0, (struct sockaddr *)&from, &n) == 2 && n == 0);
    FAILS(send(c, "x", 1, 0), ENOTCONN);
    FAILS(send_to(c, "x", "@none"), ECONNREFUSED);
    FAILS(send_to(c, "x", "none"), ENOENT);
    CHECK(!connect_to(c, "@a") && send(c, "x", 1, 0) == 1 && recv(a, text, 9, 0) == 1);
    CHECK(!connect_to(a, "@b"));
    FAILS(send_to(c, "x", "@a"), EPERM);                /* a now talks with b alone */
    FAILS(connect_to(c, "@a"), EPERM);
    struct sockaddr none = { AF_UNSPEC };
    CHECK(!connect(c, &none, sizeof none));
    FAILS(send(c, "x", 1, 0), ENOTCONN);
    CHECK(!connect_to(c, "@b"));
    close(b);
    FAILS(send(c, "x", 1, 0), ECONNREFUSED);
}
static void full_datagram_queues_wait(void) {
    socket_pair(SOCK_DGRAM);
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    int n = 0, got = 0;
    while (send(pair[0], text, 1000, 0) == 1000) n++;
    CHECK(errno == EAGAIN && n >= 5 && polled(pair[0], POLLOUT) == 0);
    fcntl(pair[0], F_SETFL, 0);
    int pid = fork();
    if (!pid) { for (int i = 0; i < 500; i++) CHECK(send(pair[0], text, 1000, 0) == 1000); _exit(0); }
    for (; got < n + 500; got++) CHECK(recv(pair[1], text, 2000, 0) == 1000);
    CHECK(exit_of(pid) == 0 && polled(pair[0], POLLOUT) == POLLOUT);
}

/* ---- descriptors and credentials ---- */
static int send_fds(int to, const int *fds, int count) {
    char control[CMSG_SPACE(253 * sizeof(int))] = { 0 };
    struct msghdr m = { .msg_iov = &(struct iovec){ "f", 1 }, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(count * sizeof(int)) };
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    *c = (struct cmsghdr){ .cmsg_len = CMSG_LEN(count * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
    memcpy(CMSG_DATA(c), fds, count * sizeof(int));
    return sendmsg(to, &m, 0);
}
static int receive_fds(int from, int *fds, int room, int flags, int *out_flags) {
    char control[1100];
    struct msghdr m = { .msg_iov = &(struct iovec){ text, 1 }, .msg_iovlen = 1, .msg_control = control, .msg_controllen = room ? CMSG_LEN(room * sizeof(int)) : 0 };
    CHECK(recvmsg(from, &m, flags) == 1);
    if (out_flags) *out_flags = m.msg_flags;
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (!c) return 0;
    CHECK(c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS);
    int n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(fds, CMSG_DATA(c), n * sizeof(int));
    return n;
}
static void descriptors_are_passed(void) {
    int p[2], fds[4], flags;
    CHECK(!pipe(p));
    socket_pair(SOCK_STREAM);
    CHECK(send_fds(pair[0], (int[]){ p[1], p[0] }, 2) == 1);
    close(p[1]);
    CHECK(receive_fds(pair[1], fds, 4, 0, &flags) == 2 && !flags && fcntl(fds[0], F_GETFD) == 0);
    CHECK(write(fds[0], "through", 7) == 7 && read(p[0], text, 9) == 7);
    close(fds[0]); close(fds[1]);
    CHECK(read(p[0], text, 1) == 0);                    /* there was no other writer left */
    CHECK(send_fds(pair[0], p, 1) == 1 && receive_fds(pair[1], fds, 4, MSG_CMSG_CLOEXEC, NULL) == 1 && fcntl(fds[0], F_GETFD) == FD_CLOEXEC);
    FAILS(send_fds(pair[0], (int[]){ 99 }, 1), EBADF);
    send_fds(pair[0], (int[]){ p[0], p[0] }, 2);
    CHECK(receive_fds(pair[1], fds, 1, 0, &flags) == 1 && flags == MSG_CTRUNC);
    send_fds(pair[0], p, 1);
    CHECK(receive_fds(pair[1], fds, 0, 0, &flags) == 0 && flags == MSG_CTRUNC);
    send_fds(pair[0], p, 1);
    CHECK(read(pair[1], text, 1) == 1);                 /* a plain read drops them */
    write(pair[0], "ab", 2);
    send_fds(pair[0], p, 1);
    write(pair[0], "cd", 2);
    CHECK(read(pair[1], text, 100) >= 2 && !memcmp(text, "ab", 2));
    socket_pair(SOCK_STREAM);
    send_fds(pair[0], p, 1);
    CHECK(receive_fds(pair[1], fds, 1, MSG_PEEK, NULL) == 1 && fstat(fds[0], &(struct stat){ 0 }) == 0);
    CHECK(receive_fds(pair[1], fds + 1, 1, 0, NULL) == 1 && fds[1] != fds[0]);
    int many[254];
    for (int i = 0; i < 254; i++) many[i] = p[0];
    CHECK(send_fds(pair[0], many, 253) == 1 && receive_fds(pair[1], many, 253, 0, NULL) == 253);
    for (int i = 0; i < 253; i++) close(many[i]);
    socket_pair(SOCK_DGRAM);
    CHECK(send_fds(pair[0], p, 1) == 1 && receive_fds(pair[1], fds, 1, 0, NULL) == 1);
}
static void passed_sockets_work(void) {
    int back[2], fd;
    socket_pair(SOCK_STREAM);
    CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, back));
    int pid = fork();
    if (!pid) {
        close(pair[0]); close(back[0]); close(back[1]);
        CHECK(receive_fds(pair[1], &fd, 1, 0, NULL) == 1);
        _exit(write(fd, "hello", 5) == 5 ? 0 : 1);
    }
    send_fds(pair[0], &back[1], 1);
    close(back[1]);
    CHECK(read(back[0], text, 10) == 5 && exit_of(pid) == 0 && read(back[0], text, 10) == 0);
}
static void queued_descriptors_are_closed(void) {
    int p[2], q[2];
    CHECK(!pipe(p));
    socket_pair(SOCK_STREAM);
    send_fds(pair[0], &p[1], 1);
    close(p[1]);
    CHECK(polled(p[0], POLLIN) == 0);
    close(pair[0]); close(pair[1]);
    nap(5);
    CHECK(read(p[0], text, 1) == 0);
    /* and in rings, in which each socket is in the queue of another */
    CHECK(!pipe(q));
    for (int i = 0; i < 3; i++) {
        int ring[2];
        socket_pair(SOCK_STREAM);
        CHECK(!socketpair(AF_UNIX, SOCK_DGRAM, 0, ring));
        send_fds(pair[0], (int[]){ pair[0], pair[1], ring[0], q[1] }, 4);
        send_fds(ring[0], (int[]){ pair[0], ring[1] }, 2);
        send_fds(ring[1], (int[]){ ring[0], q[1] }, 2);
        close(pair[0]); close(pair[1]); close(ring[0]); close(ring[1]);
    }
    int l = listener(SOCK_STREAM, "@ring", 5), c = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(!connect_to(c, "@ring") && send_fds(c, (int[]){ l, c, q[1] }, 3) == 1);       /* never accepted */
    close(l); close(c);
    close(q[1]);
    socket_pair(SOCK_STREAM);
    close(pair[0]); close(pair[1]);
    nap(50);
    CHECK(read(q[0], text, 1) == 0);
}
static void descriptors_nest_deeply(void) {
    int hold[2], next[2], p[2];
    CHECK(!pipe(p) && !socketpair(AF_UNIX, SOCK_DGRAM, 0, hold));
    send_fds(hold[0], &p[1], 1);
    close(p[1]);
    for (int i = 0; i < 3000; i++) {                    /* each socket is in the queue of the next one */
        CHECK(!socketpair(AF_UNIX, SOCK_DGRAM, 0, next));
        if (send_fds(next[0], hold, 2) != 1) CHECK(errno == ETOOMANYREFS);      /* Linux has enough */
        close(hold[0]); close(hold[1]);
        memcpy(hold, next, sizeof hold);
    }
    close(hold[0]); close(hold[1]);
    nap(50);
    CHECK(read(p[0], text, 1) == 0);
}
static void credentials_are_passed(void) {
    int on = 1, pid;
    struct ucred c;
    socklen_t n = sizeof c;
    socket_pair(SOCK_STREAM);
    CHECK(!getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &c, &n) && n == 12 && c.pid == getpid() && c.uid == getuid());
    CHECK(!setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
    pid = fork();
    if (!pid) { write(pair[0], "x", 1); _exit(0); }
    char control[200];
    struct msghdr m = { .msg_iov = &(struct iovec){ text, 9 }, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
    CHECK(recvmsg(pair[1], &m, 0) == 1);
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    CHECK(h && h->cmsg_type == SCM_CREDENTIALS && h->cmsg_len == CMSG_LEN(12) && m.msg_controllen == CMSG_SPACE(12));
    memcpy(&c, CMSG_DATA(h), 12);
    CHECK(c.pid == pid && c.uid == getuid() && c.gid == getgid() && exit_of(pid) == 0);
    struct { struct cmsghdr h; struct ucred c; } own = { { CMSG_LEN(12), SOL_SOCKET, SCM_CREDENTIALS }, { 1, 0, 0 } };
    own.h.cmsg_len = CMSG_LEN(12), own.h.cmsg_level = SOL_SOCKET, own.h.cmsg_type = SCM_CREDENTIALS;
    struct msghdr s = { .msg_iov = &(struct iovec){ "y", 1 }, .msg_iovlen = 1, .msg_control = &own, .msg_controllen = CMSG_SPACE(12) };
    pid = fork();
    if (!pid) {
        setgid(1000), setuid(1000);
        FAILS(sendmsg(pair[0], &s, 0), EPERM);
        own.c = (struct ucred){ getpid(), 0, 1000 };
        FAILS(sendmsg(pair[0], &s, 0), EPERM);
        own.c = (struct ucred){ getpid(), 1000, 1000 };
        _exit(sendmsg(pair[0], &s, 0) == 1 ? 0 : 1);
    }
    CHECK(exit_of(pid) == 0);
    m.msg_controllen = sizeof control;
    CHECK(recvmsg(pair[1], &m, 0) == 1);
    memcpy(&c, CMSG_DATA(CMSG_FIRSTHDR(&m)), 12);
    CHECK(c.pid == pid && c.uid == 1000);
    int l = listener(SOCK_STREAM, "@cred", 5), f = socket(AF_UNIX, SOCK_STREAM, 0), a;
    pid = fork();
    if (!pid) { _exit(connect_to(f, "@cred")); }
    CHECK((a = accept(l, NULL, NULL)) >= 0 && !getsockopt(a, SOL_SOCKET, SO_PEERCRED, &c, &n) && c.pid == pid && exit_of(pid) == 0);
}
static void options_have_values(void) {
    int v, s = socket(AF_UNIX, SOCK_DGRAM, 0), t = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t n = sizeof v;
    CHECK(!getsockopt(s, SOL_SOCKET, SO_TYPE, &v, &n) && v == SOCK_DGRAM && n == 4);
    CHECK(!getsockopt(t, SOL_SOCKET, SO_DOMAIN, &v, &n) && v == AF_INET && !getsockopt(t, SOL_SOCKET, SO_PROTOCOL, &v, &n) && v == IPPROTO_TCP);
    CHECK(!getsockopt(s, SOL_SOCKET, SO_ERROR, &v, &n) && v == 0 && !getsockopt(s, SOL_SOCKET, SO_ACCEPTCONN, &v, &n) && v == 0);
    v = 20000;
    CHECK(!setsockopt(s, SOL_SOCKET, SO_RCVBUF, &v, n) && !getsockopt(s, SOL_SOCKET, SO_RCVBUF, &v, &n) && v == 40000);
    v = 5;
    CHECK(!setsockopt(t, SOL_SOCKET, SO_REUSEADDR, &v, n) && !getsockopt(t, SOL_SOCKET, SO_REUSEADDR, &v, &n) && v == 1);
    CHECK(!setsockopt(t, IPPROTO_TCP, TCP_NODELAY, &v, n) && !getsockopt(t, IPPROTO_TCP, TCP_NODELAY, &v, &n) && v == 1);
    CHECK(!setsockopt(t, SOL_SOCKET, SO_KEEPALIVE, &v, n));
    FAILS(setsockopt(s, SOL_SOCKET, 9999, &v, n), ENOPROTOOPT);
    FAILS(setsockopt(s, SOL_SOCKET, SO_TYPE, &v, n), ENOPROTOOPT);
    FAILS(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &v, 1), EINVAL);
    FAILS(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, (void *)8, 4), EFAULT);
    FAILS(getsockopt(s, SOL_SOCKET, SO_TYPE, &v, (socklen_t *)8), EFAULT);
    n = 1;
    CHECK(!getsockopt(s, SOL_SOCKET, SO_TYPE, &v, &n) && n == 1);
}

/* ---- AF_INET ---- */
static int inet_listener(int *port, int backlog) {
    int l = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(!bind(l, at("127.0.0.1", 0), in_length) && !listen(l, backlog));
    *port = port_of(l);
    return l;
}
static void inet_streams(void) {
    int port, l = inet_listener(&port, 5), c = socket(AF_INET, SOCK_STREAM, 0), s;
    struct sockaddr_in a;
    socklen_t n = sizeof a;
    CHECK(port >= 32768 && in.sin_addr.s_addr == htonl(INADDR_LOOPBACK) && !connect(c, at("127.0.0.1", port), in_length));
    CHECK((s = accept(l, (struct sockaddr *)&a, &n)) >= 0 && n == sizeof a && a.sin_addr.s_addr == htonl(INADDR_LOOPBACK) && ntohs(a.sin_port) == port_of(c));
    CHECK(!getpeername(c, (struct sockaddr *)&a, &n) && ntohs(a.sin_port) == port && port_of(s) == port);
    CHECK(write(c, "hello", 5) == 5 && read(s, text, 9) == 5 && write(s, "back", 4) == 4 && read(c, text, 9) == 4);
    int protocol;
    CHECK(!getsockopt(s, SOL_SOCKET, SO_PROTOCOL, &protocol, &n) && protocol == IPPROTO_TCP);
    CHECK(!shutdown(c, SHUT_WR) && read(s, text, 1) == 0 && write(s, "x", 1) == 1 && read(c, text, 1) == 1);
    close(s);
    CHECK(read(c, text, 1) == 0);
    c = socket(AF_INET, SOCK_STREAM, 0);
    FAILS(send(c, "x", 1, MSG_NOSIGNAL), EPIPE);
    FAILS(recv(c, text, 1, 0), ENOTCONN);
    FAILS(getpeername(c, (struct sockaddr *)&a, &n), ENOTCONN);
    CHECK(polled(c, POLLIN | POLLOUT) == (POLLOUT | POLLHUP));
    int pid = fork();
    if (!pid) {
        for (long i = 0; i < (long)sizeof text; i++) text[i] = i * 3;
        CHECK(!connect(c, at("127.0.0.1", port), in_length) && write(c, text, sizeof text) == sizeof text);
        _exit(0);
    }
    close(c);
    CHECK((s = accept(l, NULL, NULL)) >= 0);
    long got = 0, k;
    while ((k = read(s, text, 7000)) > 0) { for (long i = 0; i < k; i++) CHECK(text[i] == (char)((got + i) * 3)); got += k; }
    CHECK(k == 0 && got == sizeof text && exit_of(pid) == 0);
}
static void inet_refusals(void) {
    int port, l = inet_listener(&port, 5), c = socket(AF_INET, SOCK_STREAM, 0), error;
    socklen_t n = sizeof error;
    close(l);
    FAILS(connect(c, at("127.0.0.1", port), in_length), ECONNREFUSED);
    FAILS(connect(c, at("127.0.0.1", port), 8), EINVAL);
    struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
    FAILS(connect(c, (struct sockaddr *)&six, sizeof six), EAFNOSUPPORT);
    c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    FAILS(connect(c, at("127.0.0.1", port), in_length), EINPROGRESS);
    nap(5);
    CHECK(polled(c, POLLOUT) & POLLERR && !getsockopt(c, SOL_SOCKET, SO_ERROR, &error, &n) && error == ECONNREFUSED);
    l = inet_listener(&port, 5);
    c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    FAILS(connect(c, at("127.0.0.1", port), in_length), EINPROGRESS);
    nap(5);
    CHECK(polled(c, POLLOUT) == POLLOUT && !getsockopt(c, SOL_SOCKET, SO_ERROR, &error, &n) && error == 0);
    CHECK(accept(l, NULL, NULL) >= 0 && write(c, "x", 1) == 1);
    int s = socket(AF_INET, SOCK_STREAM, 0);
    FAILS(bind(s, at("8.8.8.8", 0), in_length), EADDRNOTAVAIL);
    FAILS(bind(s, at("127.0.0.1", port), in_length), EADDRINUSE);
    FAILS(bind(s, at("127.0.0.1", 0), 8), EINVAL);
    CHECK(!bind(s, at("127.0.0.1", 0), in_length));
    FAILS(bind(s, at("127.0.0.1", 0), in_length), EINVAL);
    int pid = fork();
    if (!pid) {
        setgid(1000), setuid(1000);
        FAILS(bind(socket(AF_INET, SOCK_STREAM, 0), at("127.0.0.1", 80), in_length), EACCES);
        _exit(0);
    }
    CHECK(exit_of(pid) == 0);
    s = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(!listen(s, 3) && port_of(s) > 0);             /* a port of its own choice */
    FAILS(accept(c, NULL, NULL), EINVAL);
    FAILS(socket(AF_INET, SOCK_STREAM, 17), EPROTONOSUPPORT);
}
static void inet_datagrams(void) {
    int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in from;
    socklen_t n = sizeof from;
    CHECK(!bind(a, at("127.0.0.1", 0), in_length));
    int port = port_of(a);
    CHECK(sendto(b, "hi", 2, 0, at("127.0.0.1", port), in_length) == 2);
    CHECK(recvfrom(a, text, 9, 0, (struct sockaddr *)&from, &n) == 2 && n == sizeof from && ntohs(from.sin_port) == port_of(b));
    CHECK(from.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    CHECK(sendto(a, "back", 4, 0, (struct sockaddr *)&from, n) == 4 && recv(b, text, 9, 0) == 4);
    FAILS(send(b, "x", 1, 0), EDESTADDRREQ);
    CHECK(!connect(b, at("127.0.0.1", port), in_length) && send(b, "x", 1, 0) == 1 && recv(a, text, 9, 0) == 1);
    int other = socket(AF_INET, SOCK_DGRAM, 0);
    int b_port = port_of(b);
    CHECK(sendto(other, "stranger", 8, 0, at("127.0.0.1", b_port), in_length) == 8);
    nap(5);
    FAILS(recv(b, text, 9, MSG_DONTWAIT), EAGAIN);      /* b hears a alone */
    close(a);
    CHECK(send(b, "x", 1, 0) == 1);
    nap(5);
    FAILS(send(b, "x", 1, 0), ECONNREFUSED);
    a = socket(AF_INET, SOCK_DGRAM, 0);
    FAILS(bind(a, at("127.0.0.1", b_port), in_length), EADDRINUSE);
    FAILS(sendto(a, text, 70000, 0, at("127.0.0.1", b_port), in_length), EMSGSIZE);
    CHECK(send(b, "", 0, 0) <= 0);
    CHECK(sendto(a, text, 60000, 0, at("0.0.0.0", port), in_length) == 60000);  /* nobody there */
}
static void addresses_are_reused(void) {
    int port, on = 1, l = inet_listener(&port, 5), c = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(!connect(c, at("127.0.0.1", port), in_length));
    int s = accept(l, NULL, NULL), again = socket(AF_INET, SOCK_STREAM, 0), r;
    close(l);
    CHECK(!setsockopt(again, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
    CHECK((r = bind(again, at("127.0.0.1", port), in_length)) == -1 && errno == EADDRINUSE);    /* s did not agree */
    l = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(!setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) && !bind(l, at("0.0.0.0", 0), in_length) && !listen(l, 1));
    port = port_of(l);
    FAILS(bind(again, at("127.0.0.1", port), in_length), EADDRINUSE);    /* listened to */
    CHECK(in.sin_addr.s_addr || 1);
    c = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(!connect(c, at("127.0.0.1", port), in_length) && (s = accept(l, NULL, NULL)) >= 0);
    CHECK(port_of(s) == port && in.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    close(l);
    CHECK(!bind(again, at("0.0.0.0", port), in_length) && !listen(again, 5));
    (void)r;
}
static void interfaces_answer(void) {
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    struct ifreq r = { 0 };
    strcpy(r.ifr_name, "lo");
    CHECK(!ioctl(s, SIOCGIFFLAGS, &r) && (r.ifr_flags & (IFF_UP | IFF_LOOPBACK)) == (IFF_UP | IFF_LOOPBACK));
    CHECK(!ioctl(s, SIOCGIFADDR, &r) && ((struct sockaddr_in *)&r.ifr_addr)->sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    CHECK(!ioctl(s, SIOCGIFNETMASK, &r) && ((struct sockaddr_in *)&r.ifr_addr)->sin_addr.s_addr == htonl(0xff000000));
    CHECK(!ioctl(s, SIOCGIFMTU, &r) && r.ifr_mtu == 65536 && !ioctl(s, SIOCGIFINDEX, &r) && r.ifr_ifindex == 1);
    struct ifreq all[8];
    struct ifconf c = { sizeof all, { (char *)all } };
    CHECK(!ioctl(s, SIOCGIFCONF, &c) && c.ifc_len >= (int)sizeof *all && !strcmp(all[0].ifr_name, "lo"));
    strcpy(r.ifr_name, "none0");
    FAILS(ioctl(s, SIOCGIFFLAGS, &r), ENODEV);
    FAILS(ioctl(s, SIOCGIFFLAGS, 8), EFAULT);
    int pid = fork();
    if (!pid) {
        setuid(1000);
        strcpy(r.ifr_name, "lo");
        FAILS(ioctl(s, SIOCSIFFLAGS, &r), EPERM);
        _exit(0);
    }
    CHECK(exit_of(pid) == 0);
}

static const struct property properties[] = {
    T(pairs_carry_bytes), T(peeking_leaves_the_bytes), T(ends_are_seen), T(halves_are_shut), T(full_streams_wait), T(timeouts_end_waiting),
    T(connections_by_path), T(name_errors), T(abstract_names), T(backlogs_fill), T(datagrams_keep_their_bounds), T(datagrams_have_senders),
    T(full_datagram_queues_wait), T(descriptors_are_passed), T(passed_sockets_work), T(queued_descriptors_are_closed), T(descriptors_nest_deeply),
    T(credentials_are_passed), T(options_have_values), T(inet_streams), T(inet_refusals), T(inet_datagrams), T(addresses_are_reused),
    T(interfaces_answer), { NULL, NULL } };
int main(int argc, char **argv) { return run_properties(properties, argc, argv); }
