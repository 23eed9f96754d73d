/* Errors that take back what was begun; files and trees. */
#include "box.h"
#include <dirent.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>

int error_fd = 2;
const char *error_where;
void (*on_death)(void);
static char *undo[256];
static int undos;

void undo_later(const char *tree) { if (undos < 256) undo[undos++] = strdup(tree); }
void undo_nothing(void) { undos = 0, on_death = NULL; }

_Noreturn void die(const char *format, ...) {
    va_list args;
    va_start(args, format);
    char message[300];
    vsnprintf(message, sizeof(message), format, args);
    if (on_death) on_death();
    while (undos) remove_tree(AT_FDCWD, undo[--undos]);
    if (error_fd == 2) dprintf(2, "box: %s%s%s\n", error_where ? error_where : "", error_where ? ": " : "", message);
    else dprintf(error_fd, "%s", message);
    _exit(125);
}

char *text(const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *made;
    if (vasprintf(&made, format, args) < 0) die("no memory");
    va_end(args);
    return made;
}

void *reserve(size_t size) {
    void *p = calloc(1, size ? size : 1);
    if (!p) die("no memory for %zu bytes", size);
    return p;
}

char *read_file(const char *path, size_t *size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return NULL;
    char *data = NULL;
    size_t length = 0, room = 0;
    for (ssize_t n = 1; n > 0; length += n) {
        if (room - length < 4096 && !(data = realloc(data, room = room * 2 + 8192))) die("no memory for %s", path);
        n = read(fd, data + length, room - length - 1);
        if (n < 0) {
            free(data);
            close(fd);
            return NULL;
        }
    }
    close(fd);
    data[length] = 0;
    if (size) *size = length;
    return data;
}

int write_all(int fd, const void *data, size_t size) {
    for (size_t done = 0; done < size;) {
        ssize_t n = write(fd, (const char *)data + done, size - done);
        if (n < 0 && errno != EINTR) return -1;
        if (n > 0) done += n;
    }
    return 0;
}

void write_file(const char *path, const void *data, size_t size) {
    char *part = text("%s.%d", path, getpid());
    int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write_all(fd, data, size) || fsync(fd) || close(fd) || rename(part, path)) {
        int error = errno;
        unlink(part);
        die("can't write %s: %s", path, strerror(error));
    }
    free(part);
}

int write_at(const char *directory, const char *name, const char *value) {
    char *path = text("%s/%s", directory, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC), result = fd < 0 ? -1 : write_all(fd, value, strlen(value)), error = errno;
    if (fd >= 0) close(fd);
    free(path);
    errno = error;
    return result;
}

void make_directories(const char *path) {
    char *up = strdup(path), *slash;
    if (!mkdir(path, 0755) || errno == EEXIST) return;
    if (errno != ENOENT || !(slash = strrchr(up, '/')) || slash == up) die_errno("can't make %s", path);
    *slash = 0;
    make_directories(up);
    if (mkdir(path, 0755) && errno != EEXIST) die_errno("can't make %s", path);
}

int remove_tree(int at, const char *name) {
    if (!unlinkat(at, name, 0) || errno == ENOENT) return 0;
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), result = 0;
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) return -1;
    for (struct dirent *e; (e = readdir(d));)
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && remove_tree(fd, e->d_name)) result = -1;
    closedir(d);
    return unlinkat(at, name, AT_REMOVEDIR) ? -1 : result;
}

bool name_is_sane(const char *name) {
    size_t length = strlen(name);
    return length && length < 128 && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == length && !strchr("._-", name[0]);
}

const char *state_root(void) { return getenv("BOX_ROOT") ? getenv("BOX_ROOT") : "/var/lib/box"; }
const char *state_run(void) { return getenv("BOX_RUN") ? getenv("BOX_RUN") : "/run/box"; }

int at_socket(const char *directory, const char *name, int (*how)(int, const struct sockaddr *, socklen_t)) {
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), where = -1;
    if (snprintf(at.sun_path, sizeof(at.sun_path), "%s/%s", directory, name) >= (int)sizeof(at.sun_path)) {
        where = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);      /* a path of any length fits */
        snprintf(at.sun_path, sizeof(at.sun_path), "/proc/self/fd/%d/%s", where, name);
    }
    bool done = fd >= 0 && !how(fd, (struct sockaddr *)&at, sizeof(at));
    if (where >= 0) close(where);
    if (done) return fd;
    if (fd >= 0) close(fd);
    return -1;
}

int send_fds(int socket, const void *data, size_t size, const int *fds, int count) {
    char control[CMSG_SPACE(4 * sizeof(int))] = { 0 };
    struct iovec piece = { (void *)data, size };
    struct msghdr m = { .msg_iov = &piece, .msg_iovlen = 1 };
    if (count) {
        m.msg_control = control;
        m.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        *c = (struct cmsghdr){ .cmsg_len = CMSG_LEN(count * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
        memcpy(CMSG_DATA(c), fds, count * sizeof(int));
    }
    return sendmsg(socket, &m, MSG_NOSIGNAL) == (ssize_t)size ? 0 : -1;
}

ssize_t receive_fds(int socket, void *data, size_t size, int *fds, int *count) {
    char control[CMSG_SPACE(4 * sizeof(int))];
    struct iovec piece = { data, size };
    struct msghdr m = { .msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
    ssize_t n;
    while ((n = recvmsg(socket, &m, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR) ;
    int room = *count;
    *count = 0;
    if (n < 0) return n;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (*count < room) fds[(*count)++] = fd;
            else close(fd);
        }
    }
    return n;
}

void close_from(int first) {
    struct rlimit open;
    if (!syscall(SYS_close_range, first, ~0u, 0)) return;
    if (errno != ENOSYS || getrlimit(RLIMIT_NOFILE, &open)) die_errno("%s", "can't close descriptors");
    for (rlim_t fd = first; fd < open.rlim_max; fd++) close(fd);    /* a Linux before 5.9 */
}
