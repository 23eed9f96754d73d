/* What test programs of named properties share: checks, a forked child for each property, leak counts.
 *
 * `PROGRAM` runs all, `PROGRAM NAME...` these, `PROGRAM -l [NAME...]` each several times, and says when
 * memory went missing. Prints "NAME: ok" or why not; the status is the number of failures. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECK(c) do { if (!(c)) { printf("    line %d: %s (errno %d)\n", __LINE__, #c, errno); fflush(stdout); _exit(1); } } while (0)
#define FAILS(call, error) do { errno = 0; long r_ = (long)(call); int e_ = errno; \
    if (r_ != -1 || e_ != (error)) { printf("    line %d: %s: expected -1 and errno %d, found %ld and %d\n", __LINE__, #call, error, r_, e_); fflush(stdout); _exit(1); } } while (0)

struct property { const char *name; void (*hold)(void); };
#define T(property) { #property, property }

static long milliseconds(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000 + t.tv_nsec / 1000000; }
static void nap(int ms) { struct timespec t = { ms / 1000, ms % 1000 * 1000000L }; nanosleep(&t, NULL); }
static int status_of(int pid) { int s = -1, found = waitpid(pid, &s, 0); CHECK(pid < 0 ? found > 0 : found == pid); return s; }
static int exit_of(int pid) { int s = status_of(pid); return WIFEXITED(s) ? WEXITSTATUS(s) : 1000 + WTERMSIG(s); }
/* The rest of the block runs in a child `ms` later, which then ends. */
#define LATER(ms, ...) do { if (!fork()) { nap(ms); __VA_ARGS__; _exit(0); } } while (0)
static volatile int caught;
static void on_signal(int signo) { caught = signo; }
static void catch_it(int signo, int flags) { struct sigaction a = { .sa_handler = on_signal, .sa_flags = flags }; sigaction(signo, &a, NULL); }

static int hold(const struct property *p) {
    fflush(stdout);
    int pid = fork(), s;
    if (!pid) {
        setpgid(0, 0);
        alarm(20);
        p->hold();
        _exit(0);
    }
    waitpid(pid, &s, 0);
    kill(-pid, SIGKILL);
    if (WIFSIGNALED(s)) printf("    killed by signal %d\n", WTERMSIG(s));
    return s;
}
static long free_pages(void) {
    for (int i = 0; i < 5; i++) nap(2);
    struct sysinfo info;
    sysinfo(&info);
    return info.freeram * info.mem_unit / 4096;
}
static int leaks(const struct property *p) {
    for (int i = 0; i < 2; i++) hold(p);
    long before = free_pages();
    for (int i = 0; i < 4; i++) hold(p);
    long lost = before - free_pages();
    if (lost > 3) printf("    %ld pages are gone after 4 runs\n", lost);
    return lost > 3;
}

static int run_properties(const struct property *all, int argc, char **argv) {
    int failed = 0, first = argc > 1 && !strcmp(argv[1], "-l") ? 2 : 1;
    for (const struct property *p = all; p->name; p++) {
        int wanted = first >= argc;
        for (int i = first; i < argc; i++) wanted |= !strcmp(argv[i], p->name);
        if (!wanted) continue;
        int bad = first == 2 ? leaks(p) : hold(p);
        failed += !!bad;
        printf("%s: %s\n", p->name, bad ? "FAILED" : "ok");
    }
    printf("%d failed\n", failed);
    fflush(stdout);
    return failed > 255 ? 255 : failed;
}
