/* Small helpers of the tests: see tests.h. */
#include "tests.h"
#include <grp.h>

volatile sig_atomic_t seen;
void note(int signo) { seen = signo; }

int status_of(pid_t pid) {
    int status = -1;
    pid_t ended;
    while ((ended = waitpid(pid, &status, 0)) < 0 && errno == EINTR) ;
    CHECK(ended == pid);
    return status;
}

char *pages(long n, int prot) {
    char *p = mmap(NULL, n * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    return p;
}

void make(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    CHECK(fd >= 0);
    GIVES(write(fd, text, strlen(text)), strlen(text));
    WORKS(close(fd));
}

const char *content(const char *path) {
    static char text[4096];
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    text[n < 0 ? 0 : n] = 0;
    return n < 0 ? "(none)" : text;
}

struct stat status(const char *path) {
    struct stat st;
    WORKS(lstat(path, &st));
    return st;
}

void become(uid_t id) {
    WORKS(setgroups(0, NULL));
    WORKS(setresgid(id, id, id));
    WORKS(setresuid(id, id, id));
}

long nanoseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000 + t.tv_nsec;
}

void pass(long ns) {
    struct timespec t = { ns / 1000000000, ns % 1000000000 };
    while (nanosleep(&t, &t) && errno == EINTR) ;
}

void handle(int signo, void (*handler)(int), int flags) {
    struct sigaction a = { .sa_handler = handler, .sa_flags = flags };
    WORKS(sigaction(signo, &a, NULL));
}
