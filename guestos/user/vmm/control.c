/* The machines that run: each has a socket of its name in /run/vmm (VMM_DIR names another directory), and answers there. */
#include "vmm.h"
#include <dirent.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static const char *directory(void) {
    const char *named = getenv("VMM_DIR");
    return named && *named ? named : "/run/vmm";
}

void control_path(char path[108], const char *name) {
    if (snprintf(path, 108, "%s/%s", directory(), name) >= 108) die("the directory '%s' has too long a name for sockets", directory());
}

static struct sockaddr_un address_of(const char *name) {
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    control_path(address.sun_path, name);
    return address;
}

/* A connection to the machine, or -1; what a killed one has left behind is cleared away. */
static int reach(const char *name) {
    struct sockaddr_un address = address_of(name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && !connect(fd, (struct sockaddr *)&address, sizeof(address))) return fd;
    if (errno == ECONNREFUSED) unlink(address.sun_path);
    close(fd);
    return -1;
}

bool control_runs(const char *name) {
    int fd = reach(name);
    close(fd);
    return fd >= 0;
}

int control_listen(const char *name) {
    if (mkdir(directory(), 0700) && errno != EEXIST) die("'%s' can't be made: %s", directory(), strerror(errno));
    struct sockaddr_un address = address_of(name);
    int lock = open(directory(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    flock(lock, LOCK_EX);                   /* of two with one name, one finds the other */
    int other = reach(name), error = other >= 0 ? EADDRINUSE : bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 8) ? errno : 0;
    if (other >= 0) close(other);
    close(lock);
    if (!error) return fd;
    if (error != EADDRINUSE) die("the socket '%s' can't be made: %s", address.sun_path, strerror(error));
    close(fd);
    return -1;
}

int control_reach(const char *name, const char *request) {
    int fd = strchr(name, '/') || !*name || *name == '.' ? -1 : reach(name);
    if (fd < 0) die("there is no machine '%s'; vmm ps lists those that run", name);
    if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0) die("'%s' doesn't answer: %s", name, strerror(errno));
    return fd;
}

int control_ps(void) {
    struct dirent **entry;
    int n = scandir(directory(), &entry, NULL, alphasort);
    printf("%-16s %6s %7s %7s  %s\n", "NAME", "PID", "MEMORY", "SECONDS", "KERNEL");
    for (int i = 0; i < n; i++) {
        char line[256];
        int fd = *entry[i]->d_name == '.' ? -1 : reach(entry[i]->d_name);
        if (fd < 0) continue;
        ssize_t got = send(fd, "status\n", 7, MSG_NOSIGNAL) < 0 ? 0 : recv(fd, line, sizeof(line) - 1, 0);
        close(fd);
        if (got <= 0) continue;             /* it has just ended */
        line[got] = 0;
        printf("%-16s %s", entry[i]->d_name, line);
    }
    return 0;
}

int control_stop(const char *name) {
    char byte;
    int fd = control_reach(name, "stop\n");
    while (recv(fd, &byte, 1, 0) > 0) ;     /* to the end, which is its */
    return 0;
}

int control_console(const char *name) {
    int fd = control_reach(name, "console\n");
    char bytes[4096];
    struct pollfd from[2] = { { .fd = fd, .events = POLLIN }, { .events = POLLIN } };
    bool terminal = terminal_raw(), left = false;
    if (terminal) fprintf(stderr, "Ctrl-] leaves %s\r\n", name);
    while (!left) {
        if (poll(from, 2, -1) < 0 && errno != EINTR) break;
        if (from[0].revents) {
            ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
            if (n <= 0 || write(1, bytes, n) < 0) break;
        }
        if (from[1].revents) {
            ssize_t n = read(0, bytes, sizeof(bytes));
            if (n <= 0) from[1].fd = -1;
            char *leave = terminal && n > 0 ? memchr(bytes, LEAVE, n) : NULL;
            if (leave) n = leave - bytes, left = true;
            if (n > 0 && send(fd, bytes, n, MSG_NOSIGNAL) < 0) break;
        }
    }
    terminal_restore();
    fprintf(stderr, left ? "\nvmm: left %s, which runs on\n" : "\nvmm: %s has ended\n", name);
    return 0;
}
