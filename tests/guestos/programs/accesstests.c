/* Who may do what to files, mappings and processes: each permission where it is missing, and where it is there. */
#include "scratch.h"
#include <grp.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

static void become(int uid) { CHECK(setgroups(0, NULL) == 0 && setresgid(uid, uid, uid) == 0 && setresuid(uid, uid, uid) == 0); }
/* As user `uid` with no capabilities, in a child: everything in the block holds. */
#define AS(uid, ...) do { int child_ = fork(); if (!child_) { become(uid); __VA_ARGS__; _exit(0); } CHECK(exit_of(child_) == 0); } while (0)
static int mode_of(const char *path) { struct stat st; CHECK(stat(path, &st) == 0); return st.st_mode & 07777; }
static int put_text(const char *path, const char *text) {
    int fd = open(path, O_WRONLY);
    if (fd < 0) return -1;
    int n = write(fd, text, strlen(text)), e = errno;
    close(fd), errno = e;
    return n < 0 ? -1 : 0;
}

static void searching_needs_permission(void) {
    alone();
    OK(mkdir("closed", 0700)); make("closed/file", "x"); OK(chmod("closed/file", 0666));
    OK(mkdir("passage", 0711)); make("passage/file", "x");
    AS(1000, FAILS(open("closed/file", O_RDONLY), EACCES); FAILS(chdir("closed"), EACCES); FAILS(stat("closed/../passage", &(struct stat){ 0 }), EACCES);
        OK(open("passage/file", O_RDONLY)); FAILS(open("passage", O_RDONLY), EACCES); OK(chdir("passage")));
    AS(1000, struct stat st; FAILS(lstat("closed/file", &st), EACCES); FAILS(access("closed/file", F_OK), EACCES); FAILS(readlink("closed/x", (char[9]){ 0 }, 9), EACCES));
}
static void writing_by_name_needs_permission(void) {
    alone();
    make("theirs", "contents"); OK(chmod("theirs", 0644));
    make("shared", "contents"); OK(chmod("shared", 0666));
    AS(1000, FAILS(truncate("theirs", 0), EACCES); OK(truncate("shared", 0)); FAILS(open("theirs", O_RDONLY | O_TRUNC), EACCES));
    CHECK(!strcmp(content("theirs"), "contents") && !strcmp(content("shared"), ""));
    AS(1000, FAILS(utimensat(AT_FDCWD, "theirs", NULL, 0), EACCES); struct timespec past[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } }; FAILS(utimensat(AT_FDCWD, "shared", past, 0), EPERM);
        OK(utimensat(AT_FDCWD, "shared", NULL, 0)));
}
static void sticky_directories_keep_their_owners_names(void) {
    alone();
    OK(mkdir("sticky", 0777)); OK(chmod("sticky", 01777)); OK(mkdir("open", 0777)); OK(chmod("open", 0777));
    make("sticky/theirs", "x"); make("open/theirs", "x"); make("sticky/mine", "x"); OK(chown("sticky/mine", 1000, 1000));
    AS(1000, FAILS(unlink("sticky/theirs"), EPERM); FAILS(rename("sticky/theirs", "sticky/other"), EPERM); FAILS(rename("sticky/mine", "sticky/theirs"), EPERM);
        OK(unlink("sticky/mine")); OK(unlink("open/theirs")));
}
static void a_directory_that_moves_is_written(void) {
    alone();
    OK(mkdir("from", 0777)); OK(chmod("from", 0777)); OK(mkdir("to", 0777)); OK(chmod("to", 0777));
    OK(mkdir("from/theirs", 0755)); OK(mkdir("from/open", 0777)); OK(chmod("from/open", 0777));
    AS(1000, FAILS(rename("from/theirs", "to/theirs"), EACCES); OK(rename("from/theirs", "from/renamed")); OK(rename("from/open", "to/open")));
    OK(chmod("from", 0755)); make("theirs", "x"); OK(chown("theirs", 1000, 1000));
    AS(1000, FAILS(rename("to/open", "from/open"), EACCES); FAILS(mkdir("from/x", 0700), EACCES); FAILS(link("theirs", "from/l"), EACCES);
        FAILS(symlink("x", "from/s"), EACCES); FAILS(rmdir("from/renamed"), EACCES); FAILS(open("from/f", O_CREAT | O_WRONLY, 0600), EACCES));
}
static void times_of_reading_are_the_owners_to_hide(void) {
    alone();
    make("theirs", "x");
    AS(1000, FAILS(open("theirs", O_RDONLY | O_NOATIME), EPERM); OK(open("theirs", O_RDONLY)));
    OK(chown("theirs", 1000, 1000));
    AS(1000, OK(open("theirs", O_RDONLY | O_NOATIME)));
}
static void set_id_bits_go_with_a_change_of_owner(void) {
    alone();
    make("f", "x"); OK(chmod("f", 06755)); OK(chown("f", 1000, 1000));
    CHECK(mode_of("f") == 0755);
    OK(chmod("f", 02644)); OK(chown("f", 1000, 7));
    CHECK(mode_of("f") == 02644);                               /* without execution by the group it is no right */
    AS(1000, OK(chmod("f", 02755)); CHECK(mode_of("f") == 0755); OK(chmod("f", 04755)); CHECK(mode_of("f") == 04755));
    AS(1000, FAILS(chown("f", 0, -1), EPERM); FAILS(chown("f", -1, 0), EPERM); OK(chown("f", -1, 1000)); FAILS(chown("f", 1001, 1000), EPERM));
    AS(1001, FAILS(chmod("f", 0777), EPERM); FAILS(chown("f", 1001, -1), EPERM));
}
static void mappings_have_their_files_rights(void) {
    alone();
    make("f", "contents");
    int r = open("f", O_RDONLY), w = open("f", O_WRONLY);
    CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, r, 0) == MAP_FAILED && errno == EACCES);
    CHECK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, w, 0) == MAP_FAILED && errno == EACCES);
    CHECK(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, w, 0) == MAP_FAILED && errno == EACCES);
    char *shared = mmap(NULL, 4096, PROT_READ, MAP_SHARED, r, 0), *own = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, r, 0);
    CHECK(shared != MAP_FAILED && own != MAP_FAILED);
    FAILS(mprotect(shared, 4096, PROT_READ | PROT_WRITE), EACCES);
    OK(mprotect(own, 4096, PROT_READ | PROT_WRITE));
    own[0] = 'X';
    CHECK(shared[0] == 'c' && !strcmp(content("f"), "contents"));
    become(1000);
    CHECK(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED && errno == EPERM);
}
static void kernel_addresses_are_nobodys(void) {
    static void *const bad[] = { (void *)0xffffffff80000000, (void *)0xffff800000000000, (void *)0x7ffffffff000, (void *)0x8000000000000000, (void *)-16L };
    int p[2];
    CHECK(pipe(p) == 0 && write(p[1], "12345678", 8) == 8);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        FAILS(write(p[1], bad[i], 8), EFAULT);
        FAILS(read(p[0], bad[i], 8), EFAULT);
        FAILS(open(bad[i], O_RDONLY), EFAULT);
        FAILS(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, bad[i]), EFAULT);
        FAILS(syscall(SYS_uname, bad[i]), EFAULT);
        FAILS(syscall(SYS_rt_sigaction, SIGUSR1, bad[i], NULL, 8), EFAULT);
        int zero = open("/dev/zero", O_RDONLY);
        FAILS(read(zero, bad[i], 16), EFAULT);
        close(zero);
    }
    for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        int child = fork();
        if (!child) _exit(*(volatile char *)bad[i]);
        int how = status_of(child);
        CHECK(WIFSIGNALED(how) && WTERMSIG(how) == SIGSEGV);
    }
}
static void read_only_memory_is_not_written(void) {
    static const int allowed[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_EXEC };
    for (int i = 0; i < 3; i++) {
        volatile char *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        at[0] = (char)0xc3;                                     /* ret */
        CHECK(mprotect((void *)at, 4096, allowed[i]) == 0);
        for (int use = 0; use < 3; use++) {
            int child = fork();
            if (!child) {
                if (use == 0) (void)at[0];
                else if (use == 1) at[0] = 1;
                else ((void (*)(void))at)();
                _exit(0);
            }
            int how = status_of(child), may = use == 0 ? allowed[i] != PROT_NONE : use == 1 ? 0 : !!(allowed[i] & PROT_EXEC);
            CHECK(may ? how == 0 : WIFSIGNALED(how) && WTERMSIG(how) == SIGSEGV);
        }
        munmap((void *)at, 4096);
    }
}
static void others_processes_are_closed(void) {
    char path[64], where[64];
    int victim = fork();
    if (!victim) for (;;) pause();
    static const char *const read_by_the_owner[] = { "environ", "maps", "fd/0", "mem", "fdinfo/0" }, *const listed[] = { "fd", "fdinfo" }, *const links[] = { "exe", "cwd", "root", "fd/0" };
    for (int own = 0; own < 2; own++) AS(own ? 0 : 1000,
        for (unsigned i = 0; i < 5; i++) {
            sprintf(path, "/proc/%d/%s", victim, read_by_the_owner[i]);
            int fd = open(path, O_RDONLY);
            char byte;
            CHECK(own ? fd >= 0 : (fd < 0 || read(fd, &byte, 1) < 0) && errno == EACCES);
        }
        for (unsigned i = 0; i < 2; i++) {
            sprintf(path, "/proc/%d/%s", victim, listed[i]);
            int fd = open(path, O_RDONLY | O_DIRECTORY);
            char block[512];
            CHECK(own ? fd >= 0 && syscall(SYS_getdents64, fd, block, sizeof(block)) > 0 : (fd < 0 || syscall(SYS_getdents64, fd, block, sizeof(block)) < 0) && errno == EACCES);
        }
        for (unsigned i = 0; i < 4; i++) {
            sprintf(path, "/proc/%d/%s", victim, links[i]);
            errno = 0;
            CHECK(own ? readlink(path, where, sizeof(where)) > 0 : readlink(path, where, sizeof(where)) < 0 && errno == EACCES);
        });
    AS(1000, FAILS(kill(victim, 0), EPERM); FAILS(kill(victim, SIGKILL), EPERM); FAILS(syscall(SYS_tgkill, victim, victim, SIGKILL), EPERM);
        void *head; size_t size; FAILS(syscall(SYS_get_robust_list, victim, &head, &size), EPERM);
        struct { long limit[2]; } l; FAILS(syscall(SYS_prlimit64, victim, 7, NULL, &l), EPERM));
    CHECK(kill(victim, SIGKILL) == 0 && exit_of(victim) == 1000 + SIGKILL);
}
/* The same user, but in a user namespace of its own: then it has no rights over those above. */
static void the_same_number_below_is_somebody_else(void) {
    char path[64], where[64];
    int victim = fork();
    if (!victim) { become(1000); prctl(PR_SET_DUMPABLE, 1); for (;;) pause(); }
    nap(30);
    static const char *const files[] = { "environ", "maps", "mem", "fdinfo/0" }, *const links[] = { "exe", "cwd", "fd/0" };
    AS(1000, CHECK(unshare(CLONE_NEWUSER) == 0);
        for (unsigned i = 0; i < 4; i++) {
            sprintf(path, "/proc/%d/%s", victim, files[i]);
            int fd = open(path, O_RDONLY);
            CHECK((fd < 0 || read(fd, where, 1) < 0) && errno == EACCES);
        }
        for (unsigned i = 0; i < 3; i++) {
            sprintf(path, "/proc/%d/%s", victim, links[i]);
            FAILS(readlink(path, where, sizeof(where)), EACCES);
        }
        sprintf(path, "/proc/%d/fdinfo", victim);
        int fd = open(path, O_RDONLY | O_DIRECTORY);
        char block[512];                                        /* no more than . and .. */
        CHECK(fd < 0 || syscall(SYS_getdents64, fd, block, sizeof(block)) <= 48));
    kill(victim, SIGKILL), status_of(victim);
}
/* What was opened before a program with its owner's rights began tells nothing about that. */
static void an_old_descriptor_shows_no_new_program(void) {
    alone();
    char block[8192], path[64], text[4096];
    int gate[2], begun[2], from = open("/proc/self/exe", O_RDONLY), to = open("roots", O_CREAT | O_WRONLY, 0755);
    for (ssize_t n; (n = read(from, block, sizeof(block))) > 0;) CHECK(write(to, block, n) == n);
    CHECK(fchmod(to, 04755) == 0 && close(to) == 0 && pipe(gate) == 0 && pipe(begun) == 0);
    int victim = fork();
    if (!victim) {
        become(1000), prctl(PR_SET_DUMPABLE, 1);
        close(gate[1]), fcntl(begun[1], F_SETFD, FD_CLOEXEC);
        read(gate[0], text, 1);
        execle("/tmp/roots", "accesstests", "-pause", NULL, (char *[]){ "SECRET=1", NULL });
        _exit(9);
    }
    close(begun[1]);
    nap(30);
    AS(1000, sprintf(path, "/proc/%d/environ", victim);
        int environ_ = open(path, O_RDONLY);
        sprintf(path, "/proc/%d/maps", victim);
        int maps = open(path, O_RDONLY);
        CHECK(environ_ >= 0 && maps >= 0 && write(gate[1], "x", 1) == 1 && read(begun[0], text, 1) == 0);
        CHECK(read(environ_, text, sizeof(text)) <= 0 && read(maps, text, sizeof(text)) <= 0));
    kill(victim, SIGKILL), status_of(victim);
}
static void the_systems_settings_are_roots(void) {
    AS(1000, FAILS(put_text("/proc/sys/kernel/hostname", "x"), EACCES); FAILS(put_text("/proc/sys/net/ipv4/ip_forward", "1"), EACCES);
        FAILS(sethostname("x", 1), EPERM); FAILS(syscall(SYS_reboot, 0xfee1dead, 672274793, 0x4321fedc, 0), EPERM);
        CHECK(prctl(PR_SET_DUMPABLE, 1) == 0);
        FAILS(put_text("/proc/self/oom_score_adj", "-5"), EACCES); CHECK(put_text("/proc/self/oom_score_adj", "5") == 0));
    int p[2];
    CHECK(pipe(p) == 0);
    /* Opened as root and written as a user with nothing: the right is asked for when it is used. */
    int name = open("/proc/sys/kernel/hostname", O_WRONLY);
    CHECK(name >= 0);
    AS(1000, FAILS(write(name, "x", 1), EPERM));
}
static void what_is_trusted_is_the_administrators(void) {
    alone();
    OK(mkdir("f", 0777)); OK(chmod("f", 0777));
    AS(1000, FAILS(setxattr("f", "trusted.overlay.opaque", "y", 1, 0), EPERM));
}

/* ---- process groups, namespaces, credentials ---- */

static void groups_have_rules(void) {
    int gate[2], pid, other;
    char byte;
    CHECK(pipe(gate) == 0);
    FAILS(setpgid(getppid(), 0), ESRCH);                        /* only oneself and children */
    if (!(pid = fork())) { setsid(); write(gate[1], "x", 1); pause(); }
    CHECK(read(gate[0], &byte, 1) == 1);
    FAILS(setpgid(pid, 0), EPERM);                              /* of another session */
    kill(pid, SIGKILL), status_of(pid);
    /* A child in another session, which it doesn't lead: its brother made it. */
    int said[2], brother;
    CHECK(pipe(said) == 0);
    if (!(pid = fork())) {
        setsid();
        if (!(brother = syscall(SYS_clone, 0x8000 | SIGCHLD, 0, 0, 0, 0))) for (;;) pause();
        write(said[1], &brother, sizeof(brother));
        pause();
    }
    CHECK(read(said[0], &brother, sizeof(brother)) == sizeof(brother));
    FAILS(setpgid(brother, brother), EPERM);
    kill(brother, SIGKILL), status_of(brother), kill(pid, SIGKILL), status_of(pid);
    if (!(pid = fork())) { CHECK(setsid() > 0); FAILS(setpgid(0, getppid()), EPERM); FAILS(setpgid(0, 0), EPERM); FAILS(setsid(), EPERM); _exit(0); }
    CHECK(exit_of(pid) == 0);
    int flags = fcntl(gate[1], F_SETFD, FD_CLOEXEC);
    CHECK(flags == 0);
    if (!(pid = fork())) { close(gate[0]); execl("/proc/self/exe", "accesstests", "-pause", NULL); _exit(9); }
    close(gate[1]);
    CHECK(read(gate[0], &byte, 1) == 0);                        /* it has exec'd */
    FAILS(setpgid(pid, 0), EACCES);
    kill(pid, SIGKILL), status_of(pid);
    if (!(other = fork())) { setsid(); pause(); }
    nap(20);
    if (!(pid = fork())) pause();
    FAILS(setpgid(pid, other), EPERM);                          /* a group of another session */
    FAILS(setpgid(pid, 99999), EPERM);
    CHECK(setpgid(pid, pid) == 0);
    kill(pid, SIGKILL), status_of(pid), kill(other, SIGKILL), status_of(other);
}
static void capabilities_are_ones_own_to_set(void) {
    struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, getppid() };
    struct __user_cap_data_struct d[2] = { { 0 } };
    FAILS(syscall(SYS_capset, &h, d), EPERM);
    h.pid = getpid();
    CHECK(syscall(SYS_capset, &h, d) == 0);
}
static void without_the_capability_ids_are_exchanged(void) {
    CHECK(setresgid(1000, 1001, 1002) == 0 && setresuid(1000, 1001, 1002) == 0);
    FAILS(setuid(7), EPERM);
    FAILS(setgid(7), EPERM);
    FAILS(setresuid(-1, 7, -1), EPERM);
    FAILS(setresgid(-1, 7, -1), EPERM);
    CHECK(setgid(1002) == 0 && getgid() == 1000 && getegid() == 1002 && setuid(1002) == 0 && getuid() == 1000 && geteuid() == 1002);
    CHECK(setresuid(1002, 1000, 1000) == 0 && setresgid(1002, 1000, 1000) == 0);
}
static void senders_say_who_they_are(void) {
    AS(1000,
        int s[2];
        char room[CMSG_SPACE(sizeof(struct ucred))] = { 0 };
        CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0);
        for (int wrong = 0; wrong < 4; wrong++) {
            struct iovec v = { "x", 1 };
            struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room) };
            struct cmsghdr *c = CMSG_FIRSTHDR(&m);
            c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_CREDENTIALS, c->cmsg_len = CMSG_LEN(sizeof(struct ucred));
            struct ucred u = { wrong == 1 ? 1 : getpid(), wrong == 2 ? 0 : 1000, wrong == 3 ? 0 : 1000 };
            memcpy(CMSG_DATA(c), &u, sizeof(u));
            if (wrong) FAILS(sendmsg(s[0], &m, 0), EPERM); else CHECK(sendmsg(s[0], &m, 0) == 1);
        });
}
/* A child in a user namespace of its own that waits; from 1000 if so asked. */
static int dweller(int uid, int gate[2]) {
    char byte;
    int up[2];
    CHECK(pipe(gate) == 0 && pipe(up) == 0);
    int pid = fork();
    if (!pid) {
        if (uid) become(uid);
        CHECK(unshare(CLONE_NEWUSER) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0);
        write(up[1], "x", 1);
        read(gate[0], &byte, 1);
        _exit(0);
    }
    CHECK(read(up[0], &byte, 1) == 1);
    return pid;
}
static int put_of(int pid, const char *file, const char *text) {
    char path[64];
    sprintf(path, "/proc/%d/%s", pid, file);
    return put_text(path, text);
}
static void maps_are_the_rulers_to_write(void) {
    int gate[2], pid = dweller(1000, gate), other, gate2[2];
    /* The same user in a namespace beside it rules nothing there. */
    AS(1000, CHECK(unshare(CLONE_NEWUSER) == 0); FAILS(put_of(pid, "uid_map", "0 1000 1"), EPERM); CHECK(put_of(pid, "setgroups", "deny") < 0));
    write(gate[1], "x", 1), status_of(pid);
    pid = dweller(0, gate);
    CHECK(put_of(pid, "setgroups", "deny") == 0);
    FAILS(put_of(pid, "setgroups", "allow"), EPERM);
    CHECK(put_of(pid, "uid_map", "0 0 1") == 0 && put_of(pid, "gid_map", "0 0 1") == 0);
    FAILS(put_of(pid, "uid_map", "0 0 1"), EPERM);
    FAILS(put_of(pid, "setgroups", "deny"), EPERM);
    write(gate[1], "x", 1), status_of(pid);
    other = dweller(0, gate2);
    CHECK(put_of(other, "gid_map", "0 0 1") == 0);
    FAILS(put_of(other, "setgroups", "deny"), EPERM);           /* too late */
    write(gate2[1], "x", 1), status_of(other);
}
static void grandparents_write_no_maps(void) {
    int outer, inner, said[2];
    CHECK(pipe(said) == 0);
    if (!(outer = fork())) {
        CHECK(unshare(CLONE_NEWUSER) == 0 && write(said[1], &outer, sizeof(outer)) > 0);
        while (!(content("/proc/self/gid_map")[0])) nap(5);
        if (!(inner = fork())) { unshare(CLONE_NEWUSER); inner = 1; write(said[1], &inner, sizeof(inner)); pause(); }
        write(said[1], &inner, sizeof(inner));
        pause();
    }
    int a, b;
    CHECK(read(said[0], &a, sizeof(a)) == sizeof(a) && put_of(outer, "uid_map", "0 0 1") == 0 && put_of(outer, "gid_map", "0 0 1") == 0);
    CHECK(read(said[0], &a, sizeof(a)) == sizeof(a) && read(said[0], &b, sizeof(b)) == sizeof(b));
    inner = a == 1 ? b : a;
    FAILS(put_of(inner, "uid_map", "0 0 1"), EPERM);
    kill(inner, SIGKILL), kill(outer, SIGKILL), status_of(outer);
}
static void without_capabilities_inside_nothing_is_mapped(void) {
    AS(1000, struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
        struct __user_cap_data_struct d[2] = { { 0 } };
        CHECK(unshare(CLONE_NEWUSER) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0 && syscall(SYS_capset, &h, d) == 0);
        FAILS(put_text("/proc/self/uid_map", "0 1000 1"), EPERM));
}
static void who_is_nobody_makes_no_namespace(void) {
    int child = fork();
    if (!child) {
        CHECK(unshare(CLONE_NEWUSER) == 0);
        FAILS(unshare(CLONE_NEWUSER), EPERM);                   /* its ids are not mapped */
        _exit(0);
    }
    CHECK(exit_of(child) == 0);
}
/* A child namespace's root has no capability in its parent, whatever its number. */
static void below_is_not_above(void) {
    int child = fork();
    if (!child) {
        int own = open("/proc/self/ns/uts", O_RDONLY);
        CHECK(own >= 0 && unshare(CLONE_NEWUSER | CLONE_NEWUTS) == 0);
        FAILS(setns(own, CLONE_NEWUTS), EPERM);
        FAILS(syscall(SYS_reboot, 0xfee1dead, 672274793, 0x4321fedc, 0), EPERM);
        FAILS(setpriority(PRIO_PROCESS, 0, -5), EACCES);
        _exit(0);
    }
    CHECK(exit_of(child) == 0);
}
static void nothing_is_mounted_in_anothers_namespace(void) {
    alone();
    OK(mkdir("d", 0755));
    int there = open("d", O_RDONLY | O_DIRECTORY);
    char path[64];
    sprintf(path, "/proc/self/fd/%d", there);
    OK(mount("x", path, "tmpfs", 0, NULL)); OK(umount2("/tmp/d", 0));
    int stays = fork();                                         /* in the namespace, which would end otherwise */
    if (!stays) for (;;) pause();
    OK(unshare(CLONE_NEWNS));
    FAILS(mount("x", path, "tmpfs", 0, NULL), EINVAL);
    kill(stays, SIGKILL), status_of(stays);
}
/* What root puts there from outside is no device for those inside. */
static void a_users_file_system_has_no_devices(void) {
    int up[2], down[2], pid;
    char byte, path[64];
    CHECK(pipe(up) == 0 && pipe(down) == 0);
    if (!(pid = fork())) {
        CHECK(unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0);
        write(up[1], "x", 1);
        CHECK(read(down[0], &byte, 1) == 1 && mount("x", "/tmp", "tmpfs", 0, "mode=777") == 0);
        write(up[1], "x", 1);
        CHECK(read(down[0], &byte, 1) == 1 && access("/tmp/null", F_OK) == 0);
        FAILS(open("/tmp/null", O_RDONLY), EACCES);
        _exit(0);
    }
    CHECK(read(up[0], &byte, 1) == 1 && put_of(pid, "uid_map", "0 0 1") == 0 && put_of(pid, "gid_map", "0 0 1") == 0);
    CHECK(write(down[1], "x", 1) == 1 && read(up[0], &byte, 1) == 1);
    sprintf(path, "/proc/%d/root/tmp/null", pid);
    CHECK(mknod(path, S_IFCHR | 0666, 0x103) == 0 && chmod(path, 0666) == 0 && write(down[1], "x", 1) == 1 && exit_of(pid) == 0);
}
static void a_strict_task_takes_no_filter(void) {
    int child = fork();
    if (!child) {
        struct { unsigned short length; void *code; } empty = { 0 };
        CHECK(prctl(PR_SET_SECCOMP, 1) == 0);
        prctl(PR_SET_SECCOMP, 2, &empty);                       /* prctl itself is forbidden by then */
        syscall(SYS_exit, 0);
    }
    CHECK(exit_of(child) == 1000 + SIGKILL);
}

static const struct property all[] = {
    T(searching_needs_permission), T(writing_by_name_needs_permission), T(sticky_directories_keep_their_owners_names),
    T(a_directory_that_moves_is_written), T(times_of_reading_are_the_owners_to_hide), T(set_id_bits_go_with_a_change_of_owner),
    T(mappings_have_their_files_rights), T(kernel_addresses_are_nobodys), T(read_only_memory_is_not_written),
    T(others_processes_are_closed), T(the_same_number_below_is_somebody_else), T(an_old_descriptor_shows_no_new_program), T(the_systems_settings_are_roots), T(what_is_trusted_is_the_administrators),
    T(groups_have_rules), T(capabilities_are_ones_own_to_set), T(without_the_capability_ids_are_exchanged), T(senders_say_who_they_are),
    T(maps_are_the_rulers_to_write), T(without_capabilities_inside_nothing_is_mapped), T(grandparents_write_no_maps), T(who_is_nobody_makes_no_namespace), T(below_is_not_above), T(nothing_is_mounted_in_anothers_namespace),
    T(a_users_file_system_has_no_devices), T(a_strict_task_takes_no_filter), { 0 }
};

int main(int argc, char **argv) {
    if (argc == 2 && !strcmp(argv[1], "-pause")) return pause();
    return run_properties(all, argc, argv);
}
