/* For properties of files and mounts: a place of one's own to try them in, and what is in files. */
#include "properties.h"
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#define OK(call) CHECK((call) >= 0)

/* From now on in an empty tmpfs, /tmp, in a mount namespace that ends with the process. */
static inline void alone(void) {
    OK(unshare(CLONE_NEWNS));
    OK(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
    OK(mount("tmpfs", "/tmp", "tmpfs", 0, NULL));
    OK(chdir("/tmp"));
    umask(022);
}
static inline void make(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}
static inline const char *content(const char *path) {
    static char text[4][8192];
    static int turn;
    char *to = text[turn = (turn + 1) % 4];
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, to, sizeof(text[0]) - 1);
    if (fd >= 0) close(fd);
    to[n < 0 ? 0 : n] = 0;
    return n < 0 ? "(none)" : to;
}
static inline int is(const char *path, const char *text) { return !strcmp(content(path), text); }
static inline int exists(const char *path) { return !access(path, F_OK); }
static inline int in_child(int (*run)(void)) {
    fflush(stdout);
    int pid = fork();
    if (!pid) _exit(run());
    return exit_of(pid);
}
