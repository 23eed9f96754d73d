/* The monitor: one process for each container. It makes the container's first process and waits for it, keeps its log,
 * and answers on a socket who would start it, signal it or wait for its end. A container needs nobody else. */
#include "box.h"
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define CLIENTS 32
enum { CREATED, RUNNING };
struct monitor {
    const struct record *c;
    const char *id;
    pid_t pid;
    int state, log, sync, listener, master;
    int from[2], to[3];                                 /* the container's output, or -1; who attached's descriptors */
    struct { int fd; bool waits; } clients[CLIENTS];
    int starter, attached;                              /* connections: who asked to start, until exec's result is known; whose `to` is */
};

/* ---- the container's first process ---- */

static _Noreturn void first_process(const struct record *c, int sync, const int output[2]) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);                   /* a container has a monitor, or has ended */
    prctl(PR_SET_DUMPABLE, 0);
    undo_nothing();
    for (int i = 0; i < 2; i++) if (output[i] >= 0) dup2(output[i], 1 + i);
    error_fd = 3;                                       /* what descriptors there are: 0, 1, 2, and this until exec */
    if (sync != 3) dup2(sync, 3);
    fcntl(3, F_SETFD, FD_CLOEXEC);
    setsid();
    close_from(4);
    char go;
    int in, count = 1;
    if (read(3, &go, 1) != 1) _exit(125);               /* the monitor has put this process into its control group */
    if (unshare(CLONE_NEWCGROUP)) die_errno("%s", "no control group namespace");   /* check: guestos/test_box.py::test_what_a_container_sees */
    const char *host = get(c, "hostname");
    if (sethostname(host, strlen(host))) die_errno("%s", "can't set the host name");
    net_inside(c);
    rootfs_enter(c, container_file(get(c, "id"), ""));
    if (is_set(c, "tty")) console_open(3);
    process_restrict(c);
    write_all(3, "", 1);
    if (receive_fds(3, &go, 1, &in, &count) != 1) _exit(125);
    if (count) {
        dup2(in, 0);
        close(in);
    }
    process_exec(c, list(c, "command"));
}

static pid_t make_first_process(struct monitor *m, int output[2]) {
    int pair[2], flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) die_errno("%s", "no pair of sockets");
    cgroup_make(m->c);
    pid_t pid = syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);
    if (!pid) first_process(m->c, pair[1], output);
    int error = errno;
    close(pair[1]);
    m->sync = pair[0];
    if (pid < 0) die("can't make namespaces: %s", strerror(error));
    return pid;
}

/* ---- what the monitor does until the end ---- */

static void put_out(struct monitor *m, const char *data, size_t size, int stream) {
    write_all(m->log, data, size);
    if (m->to[stream] >= 0 && write_all(m->to[stream], data, size)) {
        close(m->to[stream]);
        m->to[stream] = -1;
    }
}

static void detach(struct monitor *m) {
    for (int i = 0; i < 3; i++) if (m->to[i] >= 0) close(m->to[i]), m->to[i] = -1;
}

static void answer(struct monitor *m, int client, int status, const char *message) {
    struct answer a = { .status = status };
    snprintf(a.text, sizeof(a.text), "%s", message);
    if (m->clients[client].fd >= 0) send(m->clients[client].fd, &a, sizeof(a), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void copy_window(int from, int to) {
    struct winsize w, old;
    if (!ioctl(from, TIOCGWINSZ, &w) && !ioctl(to, TIOCGWINSZ, &old) && memcmp(&w, &old, sizeof(w))) ioctl(to, TIOCSWINSZ, &w);
}

static void start(struct monitor *m, int client, bool interactive, int *fds, int count) {
    if (m->state != CREATED) {
        answer(m, client, 1, "it is running: only a created container can be started");
        while (count) close(fds[--count]);
        return;
    }
    int terminal = m->master;
    bool pass = interactive && count && terminal < 0;
    if (send_fds(m->sync, "", 1, fds, pass)) return answer(m, client, 1, "its first process has ended");
    m->state = RUNNING;
    m->starter = client;
    m->clients[client].waits = true;                    /* one answer now, another at the end */
    m->attached = count ? client : -1;
    for (int i = 0; i < count; i++) m->to[i] = fds[i];
    if (!count) return;
    if (!interactive || pass) close(m->to[0]), m->to[0] = -1;
    else copy_window(m->to[0], terminal);
}

static void serve(struct monitor *m, int client) {
    struct message q;
    int fds[3], count = 3;
    ssize_t n = receive_fds(m->clients[client].fd, &q, sizeof(q), fds, &count);
    if (n == sizeof(q) && q.request == START) return start(m, client, q.interactive, fds, count);
    while (count) close(fds[--count]);
    if (n <= 0) {
        if (m->attached == client) detach(m);
        close(m->clients[client].fd);
        m->clients[client].fd = -1;
        if (m->starter == client) m->starter = -1;
    } else if (n == sizeof(q) && q.request == QUERY) answer(m, client, m->pid, m->state == RUNNING ? "running" : "created");
    else if (n == sizeof(q) && q.request == KILL) answer(m, client, kill(m->pid, q.signal) ? errno : 0, strerror(errno));
    else if (n == sizeof(q) && q.request == WAIT) m->clients[client].waits = true;
    else answer(m, client, EINVAL, "unknown request");
}

/* The first process has closed its end: it runs the program. Or it says why it can't. */
static void hear_of_exec(struct monitor *m) {
    struct answer a = { 0 };
    ssize_t n = read(m->sync, a.text, sizeof(a.text) - 1);
    if (m->starter >= 0) answer(m, m->starter, n > 0 ? 125 : 0, n > 0 ? a.text : "");
    if (n > 0) {
        write_all(m->log, a.text, n);
        write_all(m->log, "\n", 1);
    }
    close(m->sync);
    m->sync = m->starter = -1;
}

static void hear_of_output(struct monitor *m, int *from, int stream) {
    char piece[16384];
    ssize_t n = read(*from, piece, sizeof(piece));
    if (n > 0) return put_out(m, piece, n, stream);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
    close(*from);
    *from = -1;
}

static void hear_of_keys(struct monitor *m) {
    char keys[1024];
    ssize_t n = read(m->to[0], keys, sizeof(keys));
    copy_window(m->to[0], m->master);
    if (n > 0) write_all(m->master, keys, n);
    else close(m->to[0]), m->to[0] = -1;
}

static volatile sig_atomic_t child_ended;
static void on_child(int signo) { child_ended = 1; }

/* What there is to hear of, once; with `wait`, when there is something. */
static bool hear(struct monitor *m, bool wait) {
    struct pollfd p[CLIENTS + 6] = { { m->listener, POLLIN }, { m->state == RUNNING ? m->sync : -1, POLLIN }, { m->from[0], POLLIN },
                                     { m->from[1], POLLIN }, { m->master, POLLIN }, { m->master >= 0 ? m->to[0] : -1, POLLIN } };
    for (int i = 0; i < CLIENTS; i++) p[6 + i] = (struct pollfd){ m->clients[i].fd, POLLIN };
    sigset_t none;
    sigemptyset(&none);
    if (ppoll(p, CLIENTS + 6, wait ? NULL : &(struct timespec){ 0 }, &none) <= 0) return false;
    if (p[1].revents) hear_of_exec(m);
    if (p[2].revents) hear_of_output(m, &m->from[0], 1);
    if (p[3].revents) hear_of_output(m, &m->from[1], 2);
    if (p[4].revents) hear_of_output(m, &m->master, 1);
    if (p[5].revents && m->master >= 0) hear_of_keys(m);
    for (int i = 0; i < CLIENTS; i++) if (p[6 + i].revents) serve(m, i);
    if (p[0].revents) {
        int fd = accept4(m->listener, NULL, NULL, SOCK_CLOEXEC), i = 0;
        while (i < CLIENTS && m->clients[i].fd >= 0) i++;
        if (i < CLIENTS) m->clients[i].fd = fd, m->clients[i].waits = false;
        else close(fd);
    }
    return true;
}

static _Noreturn void finish(struct monitor *m, int how) {
    int status = WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how);
    m->state = RUNNING;
    while (hear(m, false)) ;                            /* its last words */
    cgroup_signal(m->id);                               /* who joined it through `exec` is in the same pid namespace, and gone */
    cgroup_remove(m->id);
    char *number = text("%d\n", status);
    write_file(container_file(m->id, "status"), number, strlen(number));
    remove_tree(AT_FDCWD, text("%s/%s", state_run(), m->id));
    if (is_set(m->c, "rm")) container_delete(m->id);
    for (int i = 0; i < CLIENTS; i++) if (m->clients[i].waits) answer(m, i, status, "");
    _exit(0);
}

static pid_t unfinished;
static const char *unfinished_id;
static void give_up(void) {
    if (unfinished > 0) kill(unfinished, SIGKILL), waitpid(unfinished, NULL, 0);
    cgroup_remove(unfinished_id);
}

static _Noreturn void monitor(const struct record *c, int ready) {
    struct monitor m = { .c = c, .id = get(c, "id"), .master = -1, .from = { -1, -1 }, .to = { -1, -1, -1 }, .starter = -1, .attached = -1 };
    int output[2] = { -1, -1 }, null = open("/dev/null", O_RDWR | O_CLOEXEC);
    undo_nothing();                                     /* who waits for `ready` does that */
    setsid();
    error_fd = ready;
    for (int fd = 0; fd < 3; fd++) dup2(null, fd);
    if (chdir("/")) die_errno("%s", "/");
    for (int i = 0; i < CLIENTS; i++) m.clients[i].fd = -1;
    m.listener = at_socket(text("%s/%s", state_run(), m.id), "control", bind);
    if (m.listener < 0 || listen(m.listener, CLIENTS)) die_errno("%s", "can't listen");
    m.log = open(container_file(m.id, "log"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (m.log < 0) die_errno("%s", "no log");
    for (int i = 0; i < 2 && !is_set(c, "tty"); i++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC)) die_errno("%s", "no pipe");
        m.from[i] = ends[0];
        output[i] = ends[1];
    }
    signal(SIGPIPE, SIG_IGN);
    sigset_t block;
    sigemptyset(&block);
    sigaddset(&block, SIGCHLD);
    sigprocmask(SIG_SETMASK, &block, NULL);             /* it comes while hear() waits */
    sigaction(SIGCHLD, &(struct sigaction){ .sa_handler = on_child }, NULL);
    unfinished_id = m.id;
    on_death = give_up;
    m.pid = unfinished = make_first_process(&m, output);
    for (int i = 0; i < 2; i++) if (output[i] >= 0) close(output[i]);
    char said[300] = "";
    int count = 1;
    cgroup_join(m.id, m.pid);
    net_make(c, m.pid);
    ssize_t n = write(m.sync, "", 1) == 1 ? receive_fds(m.sync, said, sizeof(said) - 1, &m.master, &count) : 0;
    if (n == 1 && is_set(c, "tty")) n = receive_fds(m.sync, said, sizeof(said) - 1, &(int){ -1 }, &(int){ 0 });
    if (n != 1 || said[0]) {
        die("%s", n > 0 ? said : "the container's first process has ended during its set-up");
    }
    if (write_all(ready, "", 1)) _exit(1);
    close(ready);
    error_fd = m.log;
    on_death = NULL;
    for (int how;;) {
        hear(&m, true);
        if (child_ended && waitpid(m.pid, &how, WNOHANG) == m.pid) finish(&m, how);
        child_ended = 0;
    }
}

void monitor_begin(const struct record *c) {
    int ready[2];
    char said[300] = "";
    if (pipe2(ready, O_CLOEXEC)) die_errno("%s", "no pipe");
    pid_t pid = fork();
    if (pid < 0) die_errno("%s", "no process");
    if (!pid) {
        close(ready[0]);
        monitor(c, ready[1]);                           /* once this process has ended, init is its parent */
    }
    close(ready[1]);
    if (read(ready[0], said, sizeof(said) - 1) != 1 || said[0]) die("%s", said[0] ? said : "the container's monitor has ended");
    close(ready[0]);
}

int monitor_ask(const char *id, struct message q, const int *fds, int count) {
    int fd = at_socket(text("%s/%s", state_run(), id), "control", connect);
    if (fd < 0 || !send_fds(fd, &q, sizeof(q), fds, count)) return fd;
    close(fd);
    return -1;
}

bool monitor_answer(int connection, struct answer *a) {
    ssize_t n;
    while ((n = recv(connection, a, sizeof(*a), 0)) < 0 && errno == EINTR) ;
    return n == sizeof(*a);
}

void terminal_copy(int from, int to, int master) {
    char piece[4096];
    for (struct pollfd p[2] = { { from, POLLIN }, { master, POLLIN } };;) {
        copy_window(from, master);
        if (poll(p, 2, -1) < 0) continue;
        ssize_t n;
        if (p[0].revents && ((n = read(from, piece, sizeof(piece))) <= 0 || write_all(master, piece, n))) p[0].fd = -1;
        if (p[1].revents && ((n = read(master, piece, sizeof(piece))) <= 0 || write_all(to, piece, n))) return;
    }
}
