/* For properties of control groups: a group of one's own in the one hierarchy there is. */
#include "scratch.h"
#include <dirent.h>
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <sys/inotify.h>
#include <sys/mman.h>

#define TOP "/tmp/c"
static char own[64];                        /* its path below TOP */

/* 0, or -1 and errno. */
static inline int put(const char *file, const char *text) {
    int fd = open(file, O_WRONLY);
    ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));
    int error = errno;
    if (fd >= 0) close(fd);
    errno = error;
    return n < 0 ? -1 : 0;
}
static inline const char *number_text(long n) { static char text[4][24]; static int turn; return sprintf(text[turn = (turn + 1) % 4], "%ld", n), text[turn]; }
static inline int move(int pid, const char *to) { char path[256]; return sprintf(path, "%s/cgroup.procs", to), put(path, number_text(pid)); }
/* What stands behind a word in a file: "populated", or with "" the number itself. */
static inline long value(const char *file, const char *word) {
    const char *text = content(file), *at = *word ? strstr(text, word) : text;
    return at ? atol(at + strlen(word)) : -1;
}
static inline void mounted(void) {
    alone();
    mkdir(TOP, 0755);
    OK(mount("none", TOP, "cgroup2", 0, NULL));
}
/* With all within. */
static inline void remove_tree(const char *path) {
    char below[512];
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_type == DT_DIR && e->d_name[0] != '.') snprintf(below, sizeof below, "%s/%s", path, e->d_name), remove_tree(below);
    if (d) closedir(d);
    snprintf(below, sizeof below, "%s/cgroup.kill", path);
    put(below, "1");
    for (int tries = 0; rmdir(path) && errno == EBUSY && tries < 100; tries++) nap(2);
}
/* The rest of the property is a child's. It stands in the group's directory, but is no member; the group goes with it. */
static inline void group(void) {
    char path[80];
    mounted();
    sprintf(own, "/ringzero-%d", getpid());
    sprintf(path, "%s%s", TOP, own);
    OK(mkdir(path, 0755));
    fflush(stdout);
    int pid = fork();
    if (pid) {
        int status = exit_of(pid);
        remove_tree(path);
        put(TOP "/cgroup.subtree_control", "-cpu -memory -pids");
        _exit(status ? 1 : 0);
    }
    OK(chdir(path));
}
#define CHILD(...) ({ fflush(stdout); int pid_ = fork(); if (!pid_) { __VA_ARGS__; _exit(0); } pid_; })
/* A child in a group; it runs the rest once it is there. */
#define MEMBER(where, ...) CHILD(OK(move(0, where)); __VA_ARGS__)
static inline int sleeper(const char *where) {
    int pid = CHILD(while (1) pause());
    OK(move(pid, where));
    return pid;
}
static inline volatile long *shared(void) { return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0); }
/* Not at once on a busy machine. */
#define SOON(condition) do { for (int i_ = 0; !(condition) && i_ < 1000; i_++) nap(1); CHECK(condition); } while (0)
