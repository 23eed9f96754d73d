/* Properties of control groups (version 2) that need no controller. */
#include "groups.h"

static void files_of_a_group(void) {
    group();
    const char *files[] = { "cgroup.procs", "cgroup.threads", "cgroup.subtree_control", "cgroup.type", "cgroup.max.depth", "cgroup.max.descendants", "cgroup.freeze" };
    const char *seen[] = { "cgroup.controllers", "cgroup.events", "cgroup.stat", "cpu.stat" };
    struct stat st;
    for (int i = 0; i < 7; i++) CHECK(!stat(files[i], &st) && st.st_mode == (S_IFREG | 0644));
    for (int i = 0; i < 4; i++) CHECK(!stat(seen[i], &st) && st.st_mode == (S_IFREG | 0444));
    CHECK(!stat("cgroup.kill", &st) && st.st_mode == (S_IFREG | 0200));
    CHECK(!stat(".", &st) && st.st_mode == (S_IFDIR | 0755) && st.st_nlink == 2);
    CHECK(exists(TOP "/cgroup.procs") && exists(TOP "/cpu.stat") && !exists(TOP "/cgroup.events") && !exists(TOP "/cgroup.freeze"));
    CHECK(!exists(TOP "/cgroup.kill") && !exists(TOP "/cgroup.type") && !exists("cpu.max") && !exists("memory.max") && !exists("pids.max"));
    CHECK(is("cgroup.procs", "") && is("cgroup.events", "populated 0\nfrozen 0\n") && is("cgroup.type", "domain\n"));
    CHECK(is("cgroup.controllers", "") || is("cgroup.controllers", "\n"));
    int found = 0, fd = open(".", O_RDONLY);
    DIR *d = fdopendir(fd);
    for (struct dirent *e; (e = readdir(d));) found += !strcmp(e->d_name, "cgroup.procs") || !strcmp(e->d_name, "cgroup.kill");
    CHECK(found == 2);
}
static void making_and_removing(void) {
    group();
    OK(mkdir("a", 0755));
    OK(mkdir("a/b", 0755));
    FAILS(mkdir("a", 0755), EEXIST);
    FAILS(mkdir("new\nline", 0755), EINVAL);
    FAILS(rmdir("a"), EBUSY);
    FAILS(open("file", O_CREAT | O_WRONLY, 0644), EACCES);
    FAILS(mknod("file", S_IFREG | 0644, 0), EACCES);
    FAILS(mknod("fifo", S_IFIFO | 0644, 0), EPERM);
    FAILS(symlink("x", "link"), EPERM);
    FAILS(unlink("cgroup.procs"), EPERM);
    FAILS(rename("a", "c"), EPERM);
    FAILS(unlink("a"), EISDIR);
    FAILS(rmdir("cgroup.procs"), ENOTDIR);
    struct stat st;
    CHECK(!stat(".", &st) && st.st_nlink == 3);
    CHECK(value("cgroup.stat", "nr_descendants ") == 2);
    OK(rmdir("a/b"));
    int pid = sleeper("a");
    FAILS(rmdir("a"), EBUSY);
    kill(pid, SIGKILL);
    SOON(is("a/cgroup.procs", ""));
    OK(rmdir("a"));                         /* a zombie is no member */
    char path[64];
    sprintf(path, "/proc/%d/cgroup", pid);
    CHECK(strstr(content(path), "/a (deleted)\n"));
    CHECK(!exists("a") && value("cgroup.stat", "nr_descendants ") == 0);
}
static void processes_move(void) {
    group();
    char where[80];
    OK(mkdir("a", 0755));
    FAILS(put("a/cgroup.procs", "x"), EINVAL);
    FAILS(put("a/cgroup.procs", "-1"), EINVAL);
    FAILS(put("a/cgroup.procs", "1 2"), EINVAL);
    FAILS(put("a/cgroup.procs", "99999999"), ESRCH);
    FAILS(put("a/cgroup.procs", "2"), EINVAL);      /* the kernel's */
    OK(move(getpid(), "a"));
    sprintf(where, "0::%s/a\n", own);
    CHECK(strstr(content("/proc/self/cgroup"), where));
    CHECK(value("a/cgroup.procs", "") == getpid() && is("cgroup.procs", ""));
    int pid = CHILD(CHECK(strstr(content("/proc/self/cgroup"), where)); OK(put("a/../cgroup.procs", "0\n")); CHECK(value("cgroup.procs", "") == getpid()));
    CHECK(exit_of(pid) == 0);
    CHECK(is("a/cgroup.events", "populated 1\nfrozen 0\n") && is("cgroup.events", "populated 1\nfrozen 0\n"));
    OK(move(0, TOP));
    CHECK(is("cgroup.events", "populated 0\nfrozen 0\n"));
}
static void *sleeps(void *nothing) { while (1) pause(); }
static void processes_move_with_all_threads(void) {
    group();
    OK(mkdir("a", 0755));
    pthread_t t;
    for (int i = 0; i < 2; i++) CHECK(!pthread_create(&t, NULL, sleeps, NULL));
    OK(move(0, "."));
    char text[64], *next = strcpy(text, content("cgroup.threads"));
    int n = 0;
    for (; *next; next++) n += *next == '\n';
    CHECK(n == 3 && value("cgroup.procs", "") == getpid());
    FAILS(put("a/cgroup.threads", number_text(getpid())), EOPNOTSUPP);
    FAILS(put("cgroup.type", "nonsense"), EINVAL);
    OK(move(0, TOP));
}
static void changes_are_told(void) {
    group();
    OK(mkdir("a", 0755));
    struct pollfd p = { open("a/cgroup.events", O_RDONLY), POLLPRI };
    char text[64];
    int watch = inotify_init1(O_NONBLOCK);
    OK(inotify_add_watch(watch, "a/cgroup.events", IN_MODIFY));
    CHECK(read(p.fd, text, sizeof text) == 21 && poll(&p, 1, 0) == 0);
    int pid = CHILD(nap(5); OK(move(0, "a")); nap(5));
    CHECK(poll(&p, 1, 5000) == 1 && p.revents & POLLPRI);
    CHECK(pread(p.fd, text, sizeof text, 0) == 21 && !memcmp(text, "populated 1", 11));
    CHECK(poll(&p, 1, 5000) == 1 && p.revents & POLLPRI);
    CHECK(pread(p.fd, text, sizeof text, 0) == 21 && !memcmp(text, "populated 0", 11));
    CHECK(poll(&p, 1, 0) == 0);
    struct inotify_event event;
    CHECK(read(watch, &event, sizeof event) == sizeof event && event.mask == IN_MODIFY);
    status_of(pid);
}
static void frozen_groups_rest(void) {
    group();
    OK(mkdir("a", 0755));
    OK(mkdir("a/b", 0755));
    FAILS(put("a/cgroup.freeze", "2"), ERANGE);
    FAILS(put("a/cgroup.freeze", "x"), EINVAL);
    volatile long *n = shared();
    int pid = MEMBER("a/b", while (1) ++*n), pid2 = MEMBER("a", catch_it(SIGTERM, 0); pause(); _exit(caught));
    SOON(*n > 1000);
    nap(5);
    OK(put("a/cgroup.freeze", "1"));
    SOON(is("a/cgroup.events", "populated 1\nfrozen 1\n"));
    CHECK(is("a/b/cgroup.events", "populated 1\nfrozen 1\n") && is("a/b/cgroup.freeze", "0\n") && is("a/cgroup.freeze", "1\n"));
    long before = *n;
    nap(30);
    CHECK(*n == before);
    kill(pid2, SIGTERM);
    nap(5);
    CHECK(waitpid(pid2, NULL, WNOHANG) == 0);
    OK(put("a/cgroup.freeze", "0"));
    CHECK(is("a/cgroup.events", "populated 1\nfrozen 0\n"));
    SOON(*n > before);
    CHECK(exit_of(pid2) == SIGTERM);
    OK(put("a/b/cgroup.freeze", "1"));
    SOON(strstr(content("a/b/cgroup.events"), "frozen 1"));
    CHECK(strstr(content("a/cgroup.events"), "frozen 0"));
    kill(pid, SIGTERM);                     /* what ends it comes at once */
    CHECK(exit_of(pid) == 1000 + SIGTERM);
}
static void a_frozen_call_goes_on(void) {
    group();
    OK(mkdir("a", 0755));
    int fds[2];
    char c;
    OK(pipe(fds));
    int pid = MEMBER("a", CHECK(read(fds[0], &c, 1) == 1 && c == 'x'); struct timespec t = { 0, 30000000 }; long start = milliseconds();
                     CHECK(nanosleep(&t, NULL) == 0 && milliseconds() - start >= 30));
    nap(10);
    for (int i = 0; i < 2; i++) {
        OK(put("a/cgroup.freeze", "1"));
        SOON(strstr(content("a/cgroup.events"), "frozen 1"));
        write(fds[1], "x", !i);
        OK(put("a/cgroup.freeze", "0"));
        nap(5);
    }
    CHECK(exit_of(pid) == 0);
}
static void one_comes_into_a_frozen_group(void) {
    group();
    OK(mkdir("a", 0755));
    OK(put("a/cgroup.freeze", "1"));
    CHECK(is("a/cgroup.events", "populated 0\nfrozen 1\n"));
    volatile long *n = shared();
    int pid = CHILD(while (1) ++*n);
    SOON(*n > 1000);
    OK(move(pid, "a"));
    SOON(strstr(content("a/cgroup.events"), "frozen 1"));
    long before = *n;
    nap(20);
    CHECK(*n == before);
    OK(move(pid, "."));
    SOON(*n > before);
    kill(pid, SIGKILL);
    CHECK(exit_of(pid) == 1000 + SIGKILL);
}
static void all_are_killed(void) {
    group();
    OK(mkdir("a", 0755));
    OK(mkdir("a/b", 0755));
    FAILS(put("a/cgroup.kill", "0"), ERANGE);
    FAILS(put("a/cgroup.kill", "x"), EINVAL);
    FAILS(open("a/cgroup.kill", O_WRONLY) >= 0 ? read(open("a/cgroup.kill", O_WRONLY), own, 1) : 0, EBADF);
    int pid = sleeper("a"), pid2 = MEMBER("a/b", signal(SIGTERM, SIG_IGN); while (1) fork() || (pause(), 0)), outside = sleeper(".");
    (void)pid2;
    nap(3);
    while (!is("a/cgroup.events", "populated 0\nfrozen 0\n")) put("a/cgroup.kill", "1"), nap(2);
    CHECK(exit_of(pid) == 1000 + SIGKILL && exit_of(pid2) == 1000 + SIGKILL);
    CHECK(waitpid(outside, NULL, WNOHANG) == 0);
    kill(outside, SIGKILL);
}
static void the_init_of_a_namespace_is_killed_too(void) {
    group();
    OK(mkdir("a", 0755));
    OK(unshare(CLONE_NEWPID));
    int init = MEMBER("a", CHECK(getpid() == 1 && value("a/cgroup.procs", "") == 1); kill(1, SIGKILL); if (fork()) while (1) pause();
                      while (1) pause());
    SOON(strchr(content("a/cgroup.procs"), '\n') != strrchr(content("a/cgroup.procs"), '\n'));
    OK(put("a/cgroup.kill", "1"));
    CHECK(exit_of(init) == 1000 + SIGKILL);
    SOON(is("a/cgroup.events", "populated 0\nfrozen 0\n"));
}
static void trees_can_be_bounded(void) {
    group();
    CHECK(is("cgroup.max.depth", "max\n") && is("cgroup.max.descendants", "max\n"));
    OK(put("cgroup.max.depth", "1"));
    OK(mkdir("a", 0755));
    FAILS(mkdir("a/b", 0755), EAGAIN);
    OK(put("cgroup.max.depth", "max"));
    OK(put("cgroup.max.descendants", "2"));
    OK(mkdir("a/b", 0755));
    FAILS(mkdir("c", 0755), EAGAIN);
    FAILS(mkdir("a/b/c", 0755), EAGAIN);
    FAILS(put("cgroup.max.depth", "x"), EINVAL);
}
/* C41 */
static void absent_controllers(void) {
    group();
    FAILS(put("cgroup.subtree_control", "+cpu"), ENOENT);
    FAILS(put("cgroup.subtree_control", "+memory +pids"), ENOENT);
    FAILS(put("cgroup.subtree_control", "+nonsense"), EINVAL);
    FAILS(put("cgroup.subtree_control", "cpu"), EINVAL);
    OK(put("cgroup.subtree_control", "-cpu"));
    OK(put("cgroup.subtree_control", ""));
}
static void removed_groups_are_gone(void) {
    group();
    OK(mkdir("a", 0755));
    int fd = open("a/cgroup.procs", O_RDWR), dir = open("a", O_RDONLY);
    char c;
    OK(rmdir("a"));
    FAILS(read(fd, &c, 1), ENODEV);
    FAILS(write(fd, "0", 1), ENODEV);
    FAILS(openat(dir, "cgroup.procs", O_RDONLY), ENOENT);
    FAILS(mkdirat(dir, "b", 0755), ENOENT);
}
/* A subtree belongs to whom its directory, cgroup.procs and cgroup.subtree_control belong to. */
static void delegation(void) {
    group();
    OK(mkdir("a", 0755));
    OK(mkdir("other", 0755));
    OK(chown("a", 1000, 1000));
    OK(chown("a/cgroup.procs", 1000, 1000));
    OK(chown("a/cgroup.subtree_control", 1000, 1000));
    int outside = CHILD(OK(setuid(1000)); while (1) pause());
    OK(move(outside, "."));
    int pid = MEMBER("a", OK(setgid(1000)); OK(setuid(1000));
        OK(mkdir("a/b", 0755));
        struct stat st;
        CHECK(!stat("a/b/cgroup.procs", &st) && st.st_uid == 1000 && !stat("a/cgroup.procs", &st) && st.st_uid == 1000);
        FAILS(mkdir("c", 0755), EACCES);
        FAILS(open("a/cgroup.freeze", O_WRONLY), EACCES);
        OK(move(0, "a/b"));
        FAILS(move(0, "other"), EACCES);
        FAILS(move(outside, "a/b"), EACCES);        /* not over what is above both */
        OK(move(0, "a")));
    CHECK(exit_of(pid) == 0);
    kill(outside, SIGKILL);
}
static int clone_into(int fd, unsigned long long flags) {
    struct clone_args a = { .flags = CLONE_INTO_CGROUP | flags, .exit_signal = SIGCHLD, .cgroup = fd };
    return syscall(SYS_clone3, &a, sizeof a);
}
static void a_clone_begins_in_a_group(void) {
    group();
    char where[80];
    OK(mkdir("a", 0755));
    sprintf(where, "0::%s/a\n", own);
    int dir = open("a", O_PATH | O_DIRECTORY), pid = clone_into(dir, 0);
    if (!pid) _exit(!strstr(content("/proc/self/cgroup"), where));
    CHECK(exit_of(pid) == 0);
    FAILS(clone_into(999, 0), EBADF);
    FAILS(clone_into(open("/tmp", O_RDONLY), 0), EBADF);
    FAILS(clone_into(open("cgroup.procs", O_RDONLY), 0), EBADF);
    OK(rmdir("a"));
    FAILS(clone_into(dir, 0), ENOENT);
    OK(mkdir("a", 0755));
    dir = open("a", O_PATH | O_DIRECTORY);
    OK(chown("cgroup.procs", 1000, 1000));
    int pid2 = MEMBER(".", OK(setuid(1000)); FAILS(clone_into(dir, 0), EACCES));
    CHECK(exit_of(pid2) == 0);
}
/* C42 */
static void there_is_no_release_agent(void) {
    group();
    CHECK(!exists("release_agent") && !exists(TOP "/release_agent") && !exists("notify_on_release"));
    FAILS(open("notify_on_release", O_CREAT | O_WRONLY, 0644), EACCES);
    FAILS(mount("none", "/tmp", "cgroup2", 0, "release_agent=/bin/true"), EINVAL);
}
/* C38. Version 2 has no controller of devices: mounts and capabilities do it. */
static void only_listed_devices_open(void) {
    alone();
    mkdir("dev", 0755), mkdir("home", 0777), mkdir("vulnerable", 0755);
    OK(mount("none", "dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755"));
    OK(mount("none", "home", "tmpfs", MS_NODEV, "mode=777"));
    OK(mknod("dev/null", S_IFCHR | 0666, 0x103));
    OK(mknod("home/null", S_IFCHR | 0666, 0x103));
    OK(mknod("vulnerable/kmsg", S_IFCHR | 0666, 0x103));
    OK(open("vulnerable/kmsg", O_RDWR));                    /* without nodev whatever lies there opens */
    FAILS(open("home/null", O_RDWR), EACCES);               /* with it not even root's does */
    OK(setuid(1000));
    OK(open("dev/null", O_RDONLY));
    FAILS(open("dev/zero", O_RDONLY), ENOENT);
    FAILS(mknod("home/zero", S_IFCHR | 0666, 0x105), EPERM);
    FAILS(mount("none", "home", "tmpfs", 0, NULL), EPERM);
}
/* C43 */
static const char *group_of(int pid) { char path[64]; return sprintf(path, "/proc/%d/cgroup", pid), content(path); }
static void a_namespace_shows_its_root(void) {
    group();
    OK(mkdir("a", 0755));
    OK(mkdir("a/b", 0755));
    int outside = sleeper("."), below = sleeper("a/b");
    mkdir("/tmp/n", 0755);
    int pid = MEMBER("a",
        struct stat st, inner;
        OK(unshare(CLONE_NEWCGROUP));
        CHECK(!strncmp(group_of(getpid()), "0::/\n", 5) || strstr(group_of(getpid()), "\n0::/\n"));
        CHECK(strstr(group_of(outside), "0::/..\n") && strstr(group_of(below), "0::/b\n"));
        CHECK(strstr(group_of(1), "0::/../..\n"));
        OK(mount("none", "/tmp/n", "cgroup2", 0, NULL));
        CHECK(!stat("a", &st) && !stat("/tmp/n", &inner) && st.st_ino == inner.st_ino && st.st_dev == inner.st_dev);
        CHECK(exists("/tmp/n/cgroup.events") && exists("/tmp/n/b") && !exists("/tmp/n/a"));
        OK(mkdir("/tmp/n/new", 0755));
        CHECK(exists("a/new"));
        OK(move(0, "/tmp/n/new"));
        CHECK(strstr(group_of(getpid()), "0::/new\n")));
    CHECK(exit_of(pid) == 0);
    kill(outside, SIGKILL), kill(below, SIGKILL);
}

static const struct property all[] = {
    T(files_of_a_group), T(making_and_removing), T(processes_move), T(processes_move_with_all_threads), T(changes_are_told), T(frozen_groups_rest),
    T(a_frozen_call_goes_on), T(one_comes_into_a_frozen_group), T(all_are_killed), T(the_init_of_a_namespace_is_killed_too), T(trees_can_be_bounded), T(absent_controllers),
    T(removed_groups_are_gone), T(delegation), T(a_clone_begins_in_a_group), T(there_is_no_release_agent), T(only_listed_devices_open), T(a_namespace_shows_its_root), { 0 },
};
int main(int argc, char **argv) { return run_properties(all, argc, argv); }
