/* What the tests share. A test is TEST(property) { ... } in the file of its area: it holds if it returns.
 *
 * Each runs in a child of the harness (main.c), leader of its own process group, as root, with umask 022,
 * in an empty directory that is removed afterwards, and may leave anything behind but memory.
 * Linux is the oracle of every expectation: the same program runs on both.
 */
#pragma once
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct test {
    const char *name, *file;
    void (*run)(void);
};

/* The linker gathers the table: main.c walks it. */
#define TEST(property) \
    static void property(void); \
    __attribute__((used, retain, section("tests"), aligned(8))) static const struct test test_##property = { #property, __FILE_NAME__, property }; \
    static void property(void)

/* Says why the test fails and ends the calling process; the test has failed whichever of its processes it was. */
noreturn void fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));

#define CHECK(condition) do { if (!(condition)) fail(__FILE_NAME__, __LINE__, "%s (errno %d)", #condition, errno); } while (0)
#define GIVES(call, value) do { long r_ = (long)(call), v_ = (long)(value); \
    if (r_ != v_) fail(__FILE_NAME__, __LINE__, "%s: expected %ld, found %ld (errno %d)", #call, v_, r_, errno); } while (0)
#define WORKS(call) GIVES(call, 0)
#define FAILS(call, error) do { errno = 0; long r_ = (long)(call); int e_ = errno; \
    if (r_ != -1 || e_ != (error)) fail(__FILE_NAME__, __LINE__, "%s: expected -1 and errno %d, found %ld and %d", #call, error, r_, e_); } while (0)

/* A child that does the statements and exits with 0. */
#define CHILD(pid, ...) pid_t pid = fork(); CHECK(pid >= 0); if (!pid) { __VA_ARGS__; _exit(0); }
/* How it ended. */
#define EXITS(pid, code) GIVES(status_of(pid), (code) << 8)
#define DIES(pid, signo) GIVES(status_of(pid) & ~0x80, signo)
int status_of(pid_t pid);

#define PAGE 4096L
#define KERNEL ((void *)0xffffffff80200000)     /* an address of the kernel's */
#define NOWHERE ((void *)0x1000)                /* and one where nothing is */
#define RW (PROT_READ | PROT_WRITE)

char *pages(long n, int prot);                  /* fresh private anonymous memory */
void make(const char *path, const char *text);
const char *content(const char *path);          /* of at most 4095 bytes, in a static buffer; "(none)" */
struct stat status(const char *path);           /* lstat */
void become(uid_t id);                          /* user and group `id`, no other groups, no way back */
long nanoseconds(void);                         /* CLOCK_MONOTONIC */
void pass(long ns);                             /* sleep for so long */
void handle(int signo, void (*handler)(int), int flags);
extern volatile sig_atomic_t seen;              /* the last signal that note() was called with */
void note(int signo);
