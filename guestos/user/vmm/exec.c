/* vmm exec: a command in a machine whose console the guest's agent has (guestos/user/agent.c says how it is spoken to). */
#include "vmm.h"
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>

static unsigned char got[4096];
static ssize_t have, used;

static int next_byte(int fd, const char *name) {
    if (used == have && (used = 0, have = recv(fd, got, sizeof(got), 0)) <= 0) die("%s has ended before the command did", name);
    return got[used++];
}

static void send_all(int fd, const char *name, const char *bytes, size_t n) {
    for (ssize_t some; n; bytes += some, n -= some)
        if ((some = send(fd, bytes, n, MSG_NOSIGNAL)) <= 0) die("%s doesn't listen", name);
}

/* One reply: its type; what it carries goes to `to`, or is the number *value. */
static char reply(int fd, const char *name, long *value) {
    size_t size = 0;
    while (next_byte(fd, name) != 2) ;
    char type = next_byte(fd, name);
    for (int c; (c = next_byte(fd, name)) != '\n';) size = size * 10 + c - '0';
    for (*value = 0; size--;) {
        char c = next_byte(fd, name);
        *value = *value * 10 + c - '0';
        if (type == 'x') continue;
        if (write(type == 'o' ? 1 : 2, &c, 1) < 0 && errno == EPIPE) return 'p';
    }
    return type;
}

int control_exec(const char *name, const char *command) {
    char lock_path[108], hidden[NAME_MAX_BYTES + 16], head[32];
    snprintf(hidden, sizeof(hidden), ".%s.exec", name);
    control_path(lock_path, hidden);
    int lock = open(lock_path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    flock(lock, LOCK_EX);                               /* one command at a time: the agent knows no more */
    signal(SIGINT, SIG_IGN);                            /* it would leave the command running, and its end to the next one */
    int fd = control_reach(name, "console\n");
    while (next_byte(fd, name) != 2) ;                  /* the agent has spoken, so it listens */
    close(fd);
    have = used = 0;
    fd = control_reach(name, "agent\n");
    send_all(fd, name, head, snprintf(head, sizeof(head), "run %zu\n", strlen(command)));
    send_all(fd, name, command, strlen(command));
    long value;
    char type;
    while ((type = reply(fd, name, &value)) == 'o' || type == 'e') ;
    if (type != 'x') die("%s didn't carry the command out", name);
    return value;
}
