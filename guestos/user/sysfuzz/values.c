/* Arguments of random calls: descriptors, paths, flags and structures that may well work, and those that should not. */
#define _GNU_SOURCE
#include "sysfuzz.h"
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <asm/prctl.h>
#include <unistd.h>

#define PAGE 4096UL
#define POOL 16                     /* pages of memory that pointers lead to; none follows */

static unsigned long state;
static char *pool;
static int fds[16], pids[8];
static char text[8][300];           /* paths: a call has at most two, so that older ones stay for a while */

/* xorshift64*: small, and good enough to wander about. */
unsigned long draw(void) {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 2685821657736338717UL >> 3;
}
void draw_from(unsigned long seed) { state = seed * 0x9e3779b97f4a7c15UL + 88172645463325252UL; }

#define PICK(array) (array)[draw() % (sizeof(array) / sizeof *(array))]

const char *const names[] = { "a", "b", "d", "e", "f", "l", "p", "s", "prog", "script", NULL };
static const char *const places[] = {
    "", ".", "..", "/", "/a", "/d/b", "d", "d/e", "../d", "l/a", "/dev/null", "/dev/zero", "/dev/full", "/dev/urandom", "/dev/tty", "/dev/ptmx",
    "/dev/pts/0", "/dev/pts/1", "/proc", "/proc/self", "/proc/self/fd", "/proc/self/fd/3", "/proc/self/stat", "/proc/self/maps",
    "/proc/self/status", "/proc/self/exe", "/proc/self/cwd", "/proc/self/root", "/proc/mounts", "/proc/self/mountinfo", "/proc/meminfo",
    "/proc/1/status", "/proc/1/fd", "/proc/1/root", "/proc/self/ns/mnt", "/proc/self/ns/uts", "/proc/self/task", "prog", "script",
    "tmpfs", "proc", "overlay", "devpts", "lowerdir=/d,upperdir=/e,workdir=/w", "size=64k", "user.x", "trusted.x", "security.capability",
};

static const char *path(void) {
    char *to = PICK(text);
    if (chance(50)) return strcpy(to, PICK(places));
    *to = 0;
    for (int parts = 1 + draw() % 3; parts; parts--) {
        strcat(to, names[draw() % 10]);
        if (parts > 1) strcat(to, chance(90) ? "/" : "//../");
    }
    if (chance(2)) memset(to, 'n', 255 + draw() % 3), to[258] = 0;
    if (chance(3)) strcat(to, "/");
    return to;
}

/* A number as programs have them, or as they should not. */
static long number(void) {
    switch (draw() % 10) {
    case 0: return -1 - (long)(draw() % 200);
    case 1: return 1UL << draw() % 64;
    case 2: return (1UL << draw() % 64) - 1;
    case 3: return draw() << 3;
    case 4: return draw() % 100000;
    case 5: return (int)draw();
    default: return draw() % 20;
    }
}

static void *anywhere(void) {
    switch (draw() % 8) {
    case 0: return NULL;
    case 1: return (void *)0xffffffff80200000;      /* the kernel's */
    case 2: return (void *)(0xffff888000000000 + draw() % (1UL << 27));
    case 3: return (void *)(0x8000000000000000 + draw() % PAGE);
    case 4: return (void *)0x7fffffffefff;          /* the last of ours */
    case 5: return (void *)number();
    case 6: return (char *)anywhere;                /* code */
    default: return pool + POOL * PAGE - draw() % 64;
    }
}

/* Eight bytes of a structure. */
static long word(void) {
    switch (draw() % 8) {
    case 0: return (long)(pool + draw() % (POOL * PAGE));
    case 1: return PICK(fds);
    case 2: return (long)PICK(text);
    case 3: return number();
    case 4: return draw() % 1000 << 32 | draw() % 20;
    case 5: return 0;
    default: return draw() % 64;
    }
}

static void *pointer(void) {
    if (chance(10)) return anywhere();
    char *at = pool + draw() % (POOL * PAGE - 512);
    if (chance(95)) at = (char *)((unsigned long)at & -8UL);
    long *words = (long *)((unsigned long)at & -8UL);
    for (int i = 0; i < 24; i++) words[i] = word();
    return at;
}

static void **strings(void) {
    void **at = (void **)((unsigned long)(pool + draw() % (POOL * PAGE - 512)) & -8UL);
    int n = draw() % 5;
    for (int i = 0; i < n; i++) at[i] = chance(90) ? (void *)path() : anywhere();
    at[n] = NULL;
    return chance(90) ? at : pointer();
}

static void *address(void) {
    if (chance(15)) return anywhere();
    return pool + (draw() % (POOL + 4)) * PAGE + (chance(90) ? 0 : draw() % PAGE);
}

static long size(void) {
    switch (draw() % 8) {
    case 0: return number();
    case 1: return draw() % 5 * PAGE;
    case 2: return 8;
    case 3: return draw() % 70000;
    default: return draw() % 130;
    }
}

/* What a word of the table stands for: values, of which some are taken, together if they are bits. */
static const struct { const char *type; bool bits; int count; long value[20]; } plausible[] = {
    { "open_flags", true, 14, { O_RDONLY, O_WRONLY, O_RDWR, O_RDWR, O_CREAT, O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_NONBLOCK, O_DIRECTORY, O_NOFOLLOW, O_CLOEXEC, O_PATH } },
    { "mmap_flags", true, 10, { MAP_PRIVATE, MAP_PRIVATE, MAP_SHARED, MAP_ANONYMOUS, MAP_ANONYMOUS, MAP_FIXED, MAP_GROWSDOWN, MAP_NORESERVE, MAP_POPULATE, MAP_FIXED_NOREPLACE } },
    { "mmap_prot", true, 5, { PROT_READ, PROT_WRITE, PROT_READ | PROT_WRITE, PROT_EXEC, 0 } },
    { "mremap_flags", true, 3, { MREMAP_MAYMOVE, MREMAP_FIXED, MREMAP_MAYMOVE } },
    { "clone_flags", true, 16, { SIGCHLD, SIGCHLD, CLONE_VM, CLONE_FS, CLONE_FILES, CLONE_SIGHAND, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD,
                                 CLONE_VFORK, CLONE_PARENT_SETTID, CLONE_CHILD_SETTID, CLONE_CHILD_CLEARTID, CLONE_SETTLS, CLONE_PARENT, CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWPID } },
    { "unshare_flags", true, 8, { CLONE_FS, CLONE_FILES, CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWPID, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWUSER } },
    { "ioctl_command", false, 20, { TCGETS, TCSETS, TCSETSW, TCSETSF, TIOCSCTTY, TIOCGPGRP, TIOCSPGRP, TIOCGWINSZ, TIOCSWINSZ, TIOCNOTTY, TIOCGSID, FIONREAD, FIONBIO,
                                    FIOCLEX, FIONCLEX, TIOCSPTLCK, TIOCGPTN, TCFLSH, TIOCGPTLCK, TIOCGPTPEER } },
    { "fcntl_command", false, 14, { F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK, F_SETLKW, F_SETOWN, F_GETOWN, F_DUPFD_CLOEXEC, F_SETPIPE_SZ, F_GETPIPE_SZ, F_ADD_SEALS } },
    { "mount_flags", true, 15, { 0, MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_BIND, MS_MOVE, MS_REC, MS_PRIVATE, MS_SHARED, MS_SLAVE, MS_UNBINDABLE, MS_NOATIME } },
    { "at_flags", true, 6, { 0, 0, AT_SYMLINK_NOFOLLOW, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, AT_EMPTY_PATH } },
    { "arch_prctl_option", false, 4, { ARCH_GET_FS, ARCH_GET_GS, ARCH_SET_GS, ARCH_SET_FS } },
    { "wait_options", true, 6, { 1, 1, 2, 4, 8, 0x1000000 } },
    { "futex_operation", true, 14, { FUTEX_WAIT, FUTEX_WAKE, FUTEX_REQUEUE, FUTEX_CMP_REQUEUE, FUTEX_WAKE_OP, FUTEX_WAIT_BITSET, FUTEX_WAKE_BITSET, FUTEX_LOCK_PI, 128, 128, 256, 0, 0, 1 } },
    { "socket_domain", false, 4, { 1, 1, 2, 10 } },
    { "socket_type", true, 6, { 1, 2, 5, 1, 04000, 02000000 } },
    { "socket_level", false, 4, { 1, 6, 0, 17 } },
    { "message_flags", true, 8, { 0, 0x40, 0x40, 2, 0x100, 0x4000, 0x20, 0x40000000 } },
};

static long flags(const char *type) {
    for (unsigned i = 0; i < sizeof plausible / sizeof *plausible; i++) {
        if (strcmp(type, plausible[i].type) || chance(3)) continue;
        long value = plausible[i].value[draw() % plausible[i].count];
        while (plausible[i].bits && chance(55)) value |= plausible[i].value[draw() % plausible[i].count];
        return value;
    }
    return chance(60) ? (long)(draw() % 8) : chance(50) ? (long)(draw() % 80) : number();
}

long value_of(const char *type) {
    if (chance(2)) return draw() << 3;
    if (!strcmp(type, "fd")) return chance(85) ? PICK(fds) : chance(30) ? AT_FDCWD : number();
    if (!strcmp(type, "path")) return chance(95) ? (long)path() : (long)anywhere();
    if (!strcmp(type, "strings")) return (long)strings();
    if (!strcmp(type, "pointer")) return (long)pointer();
    if (!strcmp(type, "address")) return (long)address();
    if (!strcmp(type, "size")) return size();
    if (!strcmp(type, "pid")) return chance(80) ? PICK(pids) : chance(50) ? 0 : number();
    if (!strcmp(type, "id")) return chance(70) ? (long)(draw() % 3 * 500) : number();
    if (!strcmp(type, "signal")) return chance(90) ? (long)(draw() % 66) : number();
    if (!strcmp(type, "mode")) return chance(90) ? (long)(draw() & 0177777) : number();
    if (!strcmp(type, "ioctl_argument") || !strcmp(type, "fcntl_argument")) return chance(60) ? (long)pointer() : number();
    return flags(type);
}

void values_learn(int call, long result) {
    if (result < 0) return;
    switch (call) {
    case SYS_open: case SYS_openat: case SYS_creat: case SYS_dup: case SYS_socket: case SYS_accept: case SYS_accept4: case SYS_epoll_create1:
    case SYS_eventfd2: case SYS_timerfd_create: case SYS_memfd_create: case SYS_fcntl:
        if (result < 1024) PICK(fds) = result;
        break;
    case SYS_fork: case SYS_clone: case SYS_vfork: case SYS_gettid: PICK(pids) = result; break;
    }
}

void values_prepare(void) {
    pool = mmap(NULL, (POOL + 1) * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(pool + POOL * PAGE, PAGE);
    for (int i = 0; i < 16; i++) fds[i] = i;
    for (int i = 0; i < 8; i++) pids[i] = i ? syscall(SYS_getpid) : 1;
    for (int i = 0; i < 8; i++) strcpy(text[i], "a");
}
