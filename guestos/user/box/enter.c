/* `exec`: another process in a container that runs. It has what the container's first process has, and no more. */
#include "box.h"
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>

static const char *const kinds[] = { "cgroup", "ipc", "uts", "net", "pid", "mnt" };      /* files last: then /proc is another */
enum { KINDS = 6 };

static _Noreturn void inside(const struct record *c, char **argv, int channel) {
    error_fd = dup3(channel, 3, O_CLOEXEC) < 0 ? channel : 3;
    fcntl(3, F_SETFD, FD_CLOEXEC);
    close_from(4);
    if (is_set(c, "t")) console_open(3);
    else if (!is_set(c, "i")) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        dup2(null, 0);
        close(null);
    }
    process_restrict(c);
    process_exec(c, argv);
}

int command_exec(char **argv) {
    struct record o = { 0 }, c = { 0 };
    char **rest = parse_options(&o, argv, (const struct option[]){ { "i", 'f' }, { "t", 'f' }, { "e", 'm' }, { "user", 's' }, { "workdir", 's' }, { 0 } });
    char *id = container_find(rest[0]), said[300] = "";
    int fds[KINDS], pair[2], how, master = -1, count = 1;
    struct answer a;
    if (!rest[1]) die("give a command");
    container_load(&c, id);
    int connection = monitor_ask(id, (struct message){ QUERY }, NULL, 0);
    if (connection < 0 || !monitor_answer(connection, &a)) die("container %s is stopped", id);
    if (strcmp(a.text, "running")) die("container %s is %s: start it first", id, a.text);
    for (int i = 0; i < KINDS; i++)
        if ((fds[i] = open(text("/proc/%d/ns/%s", a.status, kinds[i]), O_RDONLY | O_CLOEXEC)) < 0) die_errno("container %s has no %s namespace", id, kinds[i]);
    /* It lives still, so these are its own namespaces and not those of another process with its number. */
    if (send_fds(connection, &(struct message){ QUERY }, sizeof(struct message), NULL, 0) || !monitor_answer(connection, &a)) die("container %s has ended", id);
    for (int i = 0; i < o.count; i++) {
        if (!strcmp(o.rows[i].key, "e")) add(&c, "env", o.rows[i].value);
        else put(&c, o.rows[i].key, o.rows[i].value);
    }
    if (!is_set(&o, "t")) put(&c, "t", NULL);
    if (!is_set(&o, "i")) put(&c, "i", NULL);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) die_errno("%s", "no pair of sockets");
    pid_t child = fork();
    if (child < 0) die_errno("%s", "no process");
    if (!child) {
        pid_t inner;
        prctl(PR_SET_DUMPABLE, 0);
        cgroup_join(id, getpid());
        error_fd = pair[1];
        for (int i = 0; i < KINDS; i++) if (setns(fds[i], 0)) die_errno("can't join the %s namespace", kinds[i]);
        if (!(inner = fork())) inside(&c, rest + 1, pair[1]);      /* a process's own pid namespace doesn't change */
        for (int fd = 0; fd < 1024; fd++) if (fd != pair[1]) close(fd);
        close(pair[1]);
        while (waitpid(inner, &how, 0) < 0 && errno == EINTR) ;
        _exit(WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how));
    }
    close(pair[1]);
    struct termios before, raw;
    bool change = is_set(&o, "t") && is_set(&o, "i") && !tcgetattr(0, &before);
    ssize_t n = receive_fds(pair[0], said, sizeof(said) - 1, &master, &count);
    if (n == 1 && !said[0]) n = receive_fds(pair[0], said, sizeof(said) - 1, &(int){ -1 }, &(int){ 0 });
    if (n > 0) fprintf(stderr, "box: %s\n", said);
    else if (master >= 0) {
        if (change) {
            raw = before;
            cfmakeraw(&raw);
            tcsetattr(0, TCSANOW, &raw);
        }
        terminal_copy(is_set(&o, "i") ? 0 : -1, 1, master);
        if (change) tcsetattr(0, TCSANOW, &before);
    }
    while (waitpid(child, &how, 0) < 0 && errno == EINTR) ;
    return WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how);
}
