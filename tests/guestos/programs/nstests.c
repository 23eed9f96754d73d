/* Namespaces and capabilities: what a process in them sees, may do and may not. Properties by their numbers (C1: pid namespaces 1). */
#include "properties.h"
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <dirent.h>

static int sync_pipe[2];
/* A child in new namespaces; it ends with what the block returns. */
#define IN_NEW(flags, ...) ({ int pid_ = syscall(SYS_clone, (flags) | SIGCHLD, 0, 0, 0, 0); if (!pid_) { __VA_ARGS__; _exit(0); } pid_; })
#define OK(pid) CHECK(exit_of(pid) == 0)

static int put_text(const char *path, const char *text) {
    int fd = open(path, O_WRONLY), n, e;
    if (fd < 0) return -1;
    n = write(fd, text, strlen(text)), e = errno;
    close(fd), errno = e;
    return n < 0 ? -1 : 0;
}
static long ns_number(const char *path) {
    char text[64] = "";
    CHECK(readlink(path, text, sizeof(text) - 1) > 0);
    return atol(strchr(text, '[') + 1);
}
static void become(int uid) { CHECK(setresgid(uid, uid, uid) == 0 && setresuid(uid, uid, uid) == 0); }
static int has(int capability) {
    struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct d[2];
    CHECK(syscall(SYS_capget, &h, d) == 0);
    return d[capability / 32].effective >> capability % 32 & 1;
}

/* ---- C1 to C9 ---- */

static void the_first_child_is_number_one(void) {
    int before = getpid();
    CHECK(unshare(CLONE_NEWPID) == 0 && getpid() == before);
    int pid = fork();
    if (!pid) _exit(getpid() == 1 && getppid() == 0 && syscall(SYS_gettid) == 1 ? 0 : 1);
    CHECK(pid > 1);
    OK(pid);
}

static void a_second_unshare_of_pids_is_refused(void) {
    CHECK(unshare(CLONE_NEWPID) == 0);
    FAILS(unshare(CLONE_NEWPID), EINVAL);
    int pid = IN_NEW(0, sleep(5));
    char path[64];
    int above = open("/proc/self/ns/pid", O_RDONLY);
    sprintf(path, "/proc/%d/ns/pid", pid);
    CHECK(above >= 0);
    kill(pid, SIGKILL), waitpid(pid, NULL, 0);
    CHECK(setns(above, CLONE_NEWPID) == 0);     /* children are ours again */
    pid = IN_NEW(CLONE_NEWPID, FAILS(setns(above, CLONE_NEWPID), EINVAL));
    OK(pid);
}

static void outsiders_cannot_be_killed(void) {
    int outsider = fork();
    if (!outsider) { for (;;) pause(); }
    int pid = IN_NEW(CLONE_NEWPID,
        FAILS(kill(outsider, SIGKILL), ESRCH);
        int inside = fork();
        if (!inside) for (;;) pause();
        CHECK(kill(-1, SIGKILL) == 0);
        int status = status_of(inside);
        CHECK(WIFSIGNALED(status)));
    OK(pid);
    CHECK(kill(outsider, 0) == 0 && waitpid(outsider, NULL, WNOHANG) == 0);
    kill(outsider, SIGKILL);
}

static void init_survives_its_family(void) {
    int pid = IN_NEW(CLONE_NEWPID,
        int child = fork();
        if (!child) _exit(kill(1, SIGTERM) || kill(1, SIGKILL) || kill(1, SIGSTOP));
        OK(child));
    OK(pid);
}

static int told[2];
static void tell_sender(int signo, siginfo_t *info, void *context) { int pid = info->si_pid; write(told[1], &pid, sizeof(pid)); }
static void init_is_killed_from_outside(void) {
    int pid, sender = -1;
    CHECK(pipe(told) == 0);
    struct sigaction a = { .sa_sigaction = tell_sender, .sa_flags = SA_SIGINFO };
    pid = IN_NEW(CLONE_NEWPID, sigaction(SIGUSR1, &a, NULL); write(told[1], &sender, 4); for (;;) pause());
    CHECK(read(told[0], &sender, 4) == 4);
    CHECK(kill(pid, SIGTERM) == 0 && kill(pid, SIGUSR1) == 0);
    CHECK(read(told[0], &sender, 4) == 4 && sender == 0);
    CHECK(waitpid(pid, NULL, WNOHANG) == 0 && kill(pid, SIGKILL) == 0);
    CHECK(exit_of(pid) == 1000 + SIGKILL);
}

static void with_init_everybody_dies(void) {
    int alive[2];
    char byte;
    CHECK(pipe(alive) == 0);
    CHECK(unshare(CLONE_NEWPID) == 0);
    int init = fork();
    if (!init) {
        for (int i = 0; i < 3; i++) if (!fork()) for (;;) pause();
        _exit(7);
    }
    CHECK(exit_of(init) == 7);
    close(alive[1]);
    CHECK(read(alive[0], &byte, 1) == 0);       /* nobody has the other end any more */
    FAILS(fork(), ENOMEM);
}

static void orphans_become_inits(void) {
    int pid = IN_NEW(CLONE_NEWPID,
        CHECK(pipe(sync_pipe) == 0);
        int child = fork();
        if (!child) {
            if (!fork()) { int parent; do nap(1); while ((parent = getppid()) == 2); write(sync_pipe[1], &parent, 4); _exit(0); }
            _exit(0);
        }
        OK(child);
        int parent;
        CHECK(read(sync_pipe[0], &parent, 4) == 4 && parent == 1);
        CHECK(waitpid(-1, NULL, 0) > 0));
    OK(pid);
}

static int nest(unsigned long flag, int left, int *error) {
    if (!left) return 0;
    int pid = syscall(SYS_clone, flag | SIGCHLD, 0, 0, 0, 0);
    if (pid < 0) return *error = errno, left;
    if (!pid) { int e = 0, rest = nest(flag, left - 1, &e); _exit(rest ? 100 + rest : 0); }
    int status = exit_of(pid);
    return status ? status - 100 : 0;
}
static void pid_namespaces_nest_thirty_two_deep(void) {
    int error = 0;
    CHECK(nest(CLONE_NEWPID, 32, &error) == 0);
    CHECK(nest(CLONE_NEWPID, 33, &error) == 1);
}

static int lists(const char *proc, int wanted) {
    DIR *d = opendir(proc);
    int found = 0, n = 0;
    CHECK(d);
    for (struct dirent *e; (e = readdir(d));) if (*e->d_name >= '0' && *e->d_name <= '9') n++, found |= atoi(e->d_name) == wanted;
    closedir(d);
    return found ? n : -n;
}
static void a_fresh_proc_lists_members(void) {
    int outside = getpid();
    int pid = IN_NEW(CLONE_NEWPID | CLONE_NEWNS,
        CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
        CHECK(lists("/proc", outside) > 2);
        CHECK(mount("proc", "/proc", "proc", 0, NULL) == 0);
        CHECK(lists("/proc", 1) == 1);
        char text[32] = "";
        CHECK(readlink("/proc/self", text, 31) > 0 && !strcmp(text, "1")));
    OK(pid);
}

/* ---- C10 to C13 ---- */

static void the_host_name_is_copied_and_diverges(void) {
    struct utsname before, after;
    uname(&before);
    int pid = IN_NEW(CLONE_NEWUTS,
        uname(&after);
        CHECK(!strcmp(before.nodename, after.nodename) && sethostname("inside", 6) == 0);
        uname(&after);
        CHECK(!strcmp(after.nodename, "inside")));
    OK(pid);
    uname(&after);
    CHECK(!strcmp(before.nodename, after.nodename));
}

static void abstract_names_are_the_networks(void) {
    struct sockaddr_un a = { AF_UNIX, "\0nstests" };
    int s = socket(AF_UNIX, SOCK_STREAM, 0), c;
    CHECK(bind(s, (void *)&a, 12) == 0 && listen(s, 5) == 0);
    int pid = IN_NEW(0, c = socket(AF_UNIX, SOCK_STREAM, 0); CHECK(connect(c, (void *)&a, 12) == 0));
    OK(pid);
    pid = IN_NEW(CLONE_NEWNET, c = socket(AF_UNIX, SOCK_STREAM, 0); FAILS(connect(c, (void *)&a, 12), ECONNREFUSED));
    OK(pid);
}

/* ---- C14 to C20 ---- */

static void an_unmapped_user_has_all_capabilities_inside(void) {
    int pid = IN_NEW(CLONE_NEWUSER, CHECK(getuid() == 65534 && getgid() == 65534 && has(CAP_SYS_ADMIN) && has(CAP_CHOWN)));
    OK(pid);
    if (!(pid = fork())) {
        become(1000);
        CHECK(unshare(CLONE_NEWUSER) == 0 && geteuid() == 65534 && has(CAP_SYS_ADMIN));
        _exit(0);
    }
    OK(pid);
}

static void a_map_is_written_once(void) {
    int pid = IN_NEW(CLONE_NEWUSER | CLONE_NEWNS,
        FAILS(put_text("/proc/self/uid_map", "0 0 0"), EINVAL);
        FAILS(put_text("/proc/self/uid_map", "0 0 10\n5 20 10"), EINVAL);
        FAILS(put_text("/proc/self/uid_map", "0 0"), EINVAL));
    OK(pid);
    int go[2];
    char path[64], byte;
    CHECK(pipe(go) == 0 && pipe(sync_pipe) == 0);
    pid = IN_NEW(CLONE_NEWUSER,
        CHECK(read(go[0], &byte, 1) == 1);
        CHECK(getuid() == 0 && setresuid(5, 5, 5) == 0 && getuid() == 5);
        write(sync_pipe[1], "x", 1);
        read(go[0], &byte, 1));
    sprintf(path, "/proc/%d/uid_map", pid);
    CHECK(put_text(path, "0 0 10\n10 100 5") == 0);
    FAILS(put_text(path, "0 0 10"), EPERM);
    write(go[1], "x", 1);
    CHECK(read(sync_pipe[0], &byte, 1) == 1);
    char text[128] = "";
    int fd = open(path, O_RDONLY), a, b, c, d, e, f;
    CHECK(fd >= 0 && read(fd, text, 127) > 0 && sscanf(text, "%d %d %d %d %d %d", &a, &b, &c, &d, &e, &f) == 6);
    CHECK(a == 0 && b == 0 && c == 10 && d == 10 && e == 100 && f == 5);
    write(go[1], "x", 1);
    OK(pid);
}

static void a_user_maps_only_itself(void) {
    int pid = fork();
    if (!pid) {
        become(1000);
        prctl(PR_SET_DUMPABLE, 1);
        CHECK(unshare(CLONE_NEWUSER) == 0);
        FAILS(put_text("/proc/self/uid_map", "0 0 1"), EPERM);
        FAILS(put_text("/proc/self/uid_map", "0 1000 2"), EPERM);
        CHECK(put_text("/proc/self/uid_map", "0 1000 1") == 0 && getuid() == 0);
        FAILS(put_text("/proc/self/gid_map", "0 1000 1"), EPERM);
        CHECK(put_text("/proc/self/setgroups", "deny") == 0);
        CHECK(put_text("/proc/self/gid_map", "0 1000 1") == 0 && getgid() == 0);
        gid_t none[1] = { 0 };
        FAILS(syscall(SYS_setgroups, 0, none), EPERM);
        _exit(0);
    }
    OK(pid);
}

static void root_of_a_user_namespace_rules_what_it_owns(void) {
    int pid = IN_NEW(CLONE_NEWUSER,
        FAILS(sethostname("x", 1), EPERM);
        CHECK(unshare(CLONE_NEWUTS) == 0 && sethostname("x", 1) == 0);
        FAILS(mknod("/tmp/nstests.null", S_IFCHR | 0666, 0x103), EPERM));
    OK(pid);
}

static void *nothing(void *unused) { for (;;) pause(); }
static void user_namespaces_have_conditions(void) {
    int pid = IN_NEW(0, CHECK(chroot("/tmp") == 0); FAILS(unshare(CLONE_NEWUSER), EPERM));
    OK(pid);
    pid = IN_NEW(CLONE_NEWUSER, int fd = open("/proc/self/ns/user", O_RDONLY); CHECK(fd >= 0); FAILS(setns(fd, CLONE_NEWUSER), EINVAL));
    OK(pid);
    if (!(pid = fork())) {
        pthread_t other;
        CHECK(pthread_create(&other, NULL, nothing, NULL) == 0);
        FAILS(unshare(CLONE_NEWUSER), EINVAL);
        _exit(0);
    }
    OK(pid);
}

static int nest_users(int left) {
    for (int i = 0; i < left; i++) {
        int uid = i ? 0 : 0;
        if (unshare(CLONE_NEWUSER)) return i * 1000 + errno;
        char map[32];
        sprintf(map, "0 %d 1", uid);
        if (put_text("/proc/self/setgroups", "deny") || put_text("/proc/self/uid_map", map) || put_text("/proc/self/gid_map", map)) return -errno;
    }
    return 0;
}
static void user_namespaces_nest_thirty_three_deep(void) {
    int result = nest_users(40);
    if (result != 33 * 1000 + ENOSPC && result != 32 * 1000 + ENOSPC) printf("    result %d\n", result);
    CHECK(result == 33 * 1000 + ENOSPC);
}

static void outside_processes_are_closed(void) {
    int outsider = getpid();
    char path[64];
    int pid = IN_NEW(CLONE_NEWUSER,
        sprintf(path, "/proc/%d/environ", outsider);
        FAILS(open(path, O_RDONLY), EACCES);
        char link[64];
        sprintf(path, "/proc/%d/root", outsider);
        FAILS(readlink(path, link, sizeof(link)), EACCES));
    OK(pid);
}

/* ---- C22 to C26 ---- */

static void fresh_mounts(void) {
    CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
    CHECK(mount("x", "/tmp", "tmpfs", 0, "mode=777") == 0 && mkdir("/tmp/a", 0777) == 0 && mkdir("/tmp/b", 0777) == 0);
    CHECK(chmod("/tmp/a", 0777) == 0);
}
static int is_mounted(const char *path) {
    struct stat a, b;
    char above[64];
    sprintf(above, "%s/..", path);
    CHECK(stat(path, &a) == 0 && stat(above, &b) == 0);
    return a.st_dev != b.st_dev;
}
static void less_privileged_mounts_receive_only(void) {
    CHECK(unshare(CLONE_NEWNS) == 0);
    fresh_mounts();
    CHECK(mount("a", "/tmp/a", "tmpfs", 0, NULL) == 0 && mount(NULL, "/tmp/a", NULL, MS_SHARED, NULL) == 0 && mkdir("/tmp/a/in", 0777) == 0 && mkdir("/tmp/a/out", 0777) == 0);
    int there[2], back[2];
    char byte;
    CHECK(pipe(there) == 0 && pipe(back) == 0);
    int pid = IN_NEW(CLONE_NEWUSER | CLONE_NEWNS,
        CHECK(mount("x", "/tmp/a/out", "tmpfs", 0, NULL) == 0);
        write(back[1], "x", 1);
        CHECK(read(there[0], &byte, 1) == 1);
        CHECK(is_mounted("/tmp/a/in")));
    CHECK(read(back[0], &byte, 1) == 1 && !is_mounted("/tmp/a/out"));
    CHECK(mount("x", "/tmp/a/in", "tmpfs", 0, NULL) == 0);
    write(there[1], "x", 1);
    OK(pid);
}

static void inherited_mounts_stay_as_they_are(void) {
    CHECK(unshare(CLONE_NEWNS) == 0);
    fresh_mounts();
    CHECK(mount("a", "/tmp/a", "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) == 0);
    int pid = IN_NEW(CLONE_NEWUSER | CLONE_NEWNS,
        FAILS(umount2("/tmp/a", MNT_DETACH), EINVAL);
        FAILS(mount(NULL, "/tmp/a", NULL, MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV, NULL), EPERM);
        FAILS(mount(NULL, "/tmp/a", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NODEV, NULL), EPERM);
        FAILS(mount(NULL, "/tmp/a", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID, NULL), EPERM);
        CHECK(mount(NULL, "/tmp/a", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0));
    OK(pid);
}

static void what_a_user_namespace_may_mount(void) {
    CHECK(unshare(CLONE_NEWNS) == 0);
    fresh_mounts();
    int pid = IN_NEW(CLONE_NEWUSER | CLONE_NEWNS,
        CHECK(mount("x", "/tmp/a", "tmpfs", 0, NULL) == 0);
        FAILS(mount("proc", "/tmp/b", "proc", 0, NULL), EPERM);
        FAILS(mount("sys", "/tmp/b", "sysfs", 0, NULL), EPERM);
        FAILS(mount("/dev/vda", "/tmp/b", "ext2", 0, NULL), EPERM));
    OK(pid);
}

static void a_pivot_leaves_only_the_new_tree(void) {
    CHECK(unshare(CLONE_NEWNS) == 0);
    fresh_mounts();
    CHECK(mount("new", "/tmp/a", "tmpfs", 0, NULL) == 0 && mkdir("/tmp/a/old", 0777) == 0 && mkdir("/tmp/a/mark", 0777) == 0);
    FAILS(syscall(SYS_pivot_root, "/", "/"), EBUSY);
    CHECK(chdir("/tmp/a") == 0 && syscall(SYS_pivot_root, ".", "old") == 0 && chdir("/") == 0);
    CHECK(umount2("/old", MNT_DETACH) == 0);
    struct stat st;
    CHECK(stat("/mark", &st) == 0);
    FAILS(stat("/proc", &st), ENOENT);
    FAILS(stat("/old/tmp", &st), ENOENT);
}

/* ---- C34, C35; capabilities and setns in general ---- */

static void a_dropped_bounding_set_bites_at_exec(void) {
    CHECK(prctl(PR_CAPBSET_DROP, CAP_NET_RAW, 0, 0, 0) == 0 && has(CAP_NET_RAW) && prctl(PR_CAPBSET_READ, CAP_NET_RAW, 0, 0, 0) == 0);
    int pid = fork();
    if (!pid) {
        char *argv[] = { "/proc/self/exe", "-capability", NULL };
        execv(argv[0], argv);
        _exit(9);
    }
    CHECK(exit_of(pid) == 40);
}

static void capabilities_only_shrink(void) {
    struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct d[2];
    CHECK(syscall(SYS_capget, &h, d) == 0);
    struct __user_cap_data_struct all[2] = { d[0], d[1] };
    d[0].effective &= ~(1 << CAP_CHOWN), d[0].permitted &= ~(1 << CAP_CHOWN);
    CHECK(syscall(SYS_capset, &h, d) == 0 && !has(CAP_CHOWN));
    FAILS(syscall(SYS_capset, &h, all), EPERM);
    h.version = 1;
    FAILS(syscall(SYS_capget, &h, d), EINVAL);
    CHECK(h.version == _LINUX_CAPABILITY_VERSION_3);
}

static void ambient_capabilities_survive_exec(void) {
    struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct d[2];
    FAILS(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0), EPERM);
    CHECK(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0);
    become(1000);
    CHECK(syscall(SYS_capget, &h, d) == 0 && d[0].permitted >> CAP_NET_RAW & 1 && !d[0].effective);
    d[0].effective = d[0].permitted = d[0].inheritable = 1 << CAP_NET_RAW, d[1].effective = d[1].permitted = d[1].inheritable = 0;
    CHECK(syscall(SYS_capset, &h, d) == 0 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0) == 0);
    CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_NET_RAW, 0, 0) == 1);
    int pid = fork();
    if (!pid) {
        char *argv[] = { "/proc/self/exe", "-capability", NULL };
        execv(argv[0], argv);
        _exit(9);
    }
    CHECK(exit_of(pid) == 41);
}

static void leaving_root_drops_capabilities(void) {
    become(1000);
    CHECK(!has(CAP_CHOWN) && !has(CAP_SYS_ADMIN));
    FAILS(chroot("/"), EPERM);
    FAILS(sethostname("x", 1), EPERM);
    FAILS(unshare(CLONE_NEWUTS), EPERM);
}

static void namespaces_are_files(void) {
    char path[64];
    int go[2];
    CHECK(pipe(go) == 0);
    int own = open("/proc/self/ns/uts", O_RDONLY);
    long number = ns_number("/proc/self/ns/uts");
    int pid = IN_NEW(CLONE_NEWUTS | CLONE_NEWIPC, sethostname("there", 5); write(go[1], "x", 1); for (;;) pause());
    char byte;
    CHECK(read(go[0], &byte, 1) == 1);
    sprintf(path, "/proc/%d/ns/uts", pid);
    CHECK(ns_number(path) != number);
    int fd = open(path, O_RDONLY);
    kill(pid, SIGKILL), waitpid(pid, NULL, 0);
    FAILS(setns(fd, CLONE_NEWNET), EINVAL);
    CHECK(setns(fd, 0) == 0 && ns_number("/proc/self/ns/uts") != number);
    struct utsname name;
    uname(&name);
    CHECK(!strcmp(name.nodename, "there") && setns(own, CLONE_NEWUTS) == 0 && ns_number("/proc/self/ns/uts") == number);
    FAILS(setns(go[0], 0), EINVAL);
    FAILS(setns(99, 0), EBADF);
    struct stat a, b;
    CHECK(fstat(own, &a) == 0 && stat("/proc/self/ns/uts", &b) == 0 && a.st_ino == b.st_ino && a.st_ino == (unsigned long)number);
}

static void unknown_flags_are_refused(void) {
    FAILS(unshare(0x1), EINVAL);
    FAILS(unshare(0x80000000), EINVAL);
    FAILS(syscall(SYS_clone, CLONE_THREAD | SIGCHLD, 0, 0, 0, 0), EINVAL);
    FAILS(syscall(SYS_clone, CLONE_NEWNS | CLONE_FS | SIGCHLD, 0, 0, 0, 0), EINVAL);
}

static void files_have_the_owners_of_the_namespace(void) {
    int go[2], back[2];
    char byte, path[64];
    struct stat st;
    CHECK(unshare(CLONE_NEWNS) == 0);
    fresh_mounts();
    CHECK(pipe(go) == 0 && pipe(back) == 0);
    int pid = IN_NEW(CLONE_NEWUSER,
        CHECK(read(go[0], &byte, 1) == 1 && setresgid(0, 0, 0) == 0 && setresuid(0, 0, 0) == 0);
        int fd = open("/tmp/a/theirs", O_CREAT | O_WRONLY, 0600);
        CHECK(fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == 0 && st.st_gid == 0);
        CHECK(chown("/tmp/a/theirs", 3, 4) == 0 && stat("/tmp/a/theirs", &st) == 0 && st.st_uid == 3 && st.st_gid == 4);
        FAILS(chown("/tmp/a/theirs", 5000, 4), EINVAL);
        CHECK(stat("/tmp/b", &st) == 0 && st.st_uid == 65534);
        FAILS(chown("/tmp/b", 0, 0), EPERM));
    sprintf(path, "/proc/%d/uid_map", pid);
    CHECK(put_text(path, "0 1000 100") == 0);
    sprintf(path, "/proc/%d/gid_map", pid);
    CHECK(put_text(path, "0 2000 100") == 0);
    write(go[1], "x", 1);
    OK(pid);
    CHECK(stat("/tmp/a/theirs", &st) == 0 && st.st_uid == 1003 && st.st_gid == 2004);
}

static void subreapers_take_orphans(void) {
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0 && pipe(sync_pipe) == 0);
    int self = getpid(), parent, child = fork();
    if (!child) {
        int middle = getpid();
        if (!fork()) { while (getppid() == middle) nap(1); parent = getppid(); write(sync_pipe[1], &parent, 4); _exit(0); }
        _exit(0);
    }
    OK(child);
    CHECK(read(sync_pipe[0], &parent, 4) == 4 && parent == self && waitpid(-1, NULL, 0) > 0);
}

static const struct property all[] = {
    T(the_first_child_is_number_one), T(a_second_unshare_of_pids_is_refused), T(outsiders_cannot_be_killed), T(init_survives_its_family),
    T(init_is_killed_from_outside), T(with_init_everybody_dies), T(orphans_become_inits), T(pid_namespaces_nest_thirty_two_deep),
    T(a_fresh_proc_lists_members), T(the_host_name_is_copied_and_diverges), T(abstract_names_are_the_networks),
    T(an_unmapped_user_has_all_capabilities_inside), T(a_map_is_written_once), T(a_user_maps_only_itself),
    T(root_of_a_user_namespace_rules_what_it_owns), T(user_namespaces_have_conditions), T(user_namespaces_nest_thirty_three_deep),
    T(outside_processes_are_closed), T(less_privileged_mounts_receive_only), T(inherited_mounts_stay_as_they_are),
    T(what_a_user_namespace_may_mount), T(a_pivot_leaves_only_the_new_tree), T(a_dropped_bounding_set_bites_at_exec),
    T(capabilities_only_shrink), T(ambient_capabilities_survive_exec), T(leaving_root_drops_capabilities), T(namespaces_are_files),
    T(unknown_flags_are_refused), T(files_have_the_owners_of_the_namespace), T(subreapers_take_orphans), { 0 }
};

int main(int argc, char **argv) {
    if (argc == 2 && !strcmp(argv[1], "-capability")) return 40 + has(CAP_NET_RAW);
    return run_properties(all, argc, argv);
}
