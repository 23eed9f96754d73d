/* Properties of mount(2), umount2(2), pivot_root(2), chroot(2) and what they do to names. */
#include "scratch.h"
#include <sys/statfs.h>
#include <sys/statvfs.h>

static int pivot_root(const char *new, const char *old) { return syscall(SYS_pivot_root, new, old); }
static int tmpfs(const char *at) { mkdir(at, 0755); return mount("none", at, "tmpfs", 0, NULL); }
static int bind(const char *from, const char *to, unsigned long flags) { return mount(from, to, NULL, MS_BIND | flags, NULL); }
static int change(const char *at, unsigned long flags) { return mount(NULL, at, NULL, flags, NULL); }

/* The line of /proc/self/mountinfo for the mount at a path (the last one); "" if there is none. */
static const char *info(const char *at) {
    static char found[512];
    char line[1024], point[256];
    FILE *f = fopen("/proc/self/mountinfo", "r");
    found[0] = 0;
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "%*s %*s %*s %*s %255s", point) == 1 && !strcmp(point, at)) strncpy(found, line, sizeof found - 1);
    if (f) fclose(f);
    return found;
}
static int tagged(const char *at, const char *tag) { return strstr(info(at), tag) != NULL; }

static void mount_errors(void) {
    alone();
    mkdir("d", 0755);
    make("f", "x");
    FAILS(mount("none", "missing", "tmpfs", 0, NULL), ENOENT);
    FAILS(mount("none", "f", "tmpfs", 0, NULL), ENOTDIR);
    FAILS(mount("none", "d", "nosuchfs", 0, NULL), ENODEV);
    FAILS(mount("none", "d", NULL, 0, NULL), EINVAL);
    FAILS(mount("none", "d", "tmpfs", 0, "nonsense=1"), EINVAL);
    FAILS(mount("none", "d", "tmpfs", 0, "size=wide"), EINVAL);
    FAILS(mount("none", (char *)1, "tmpfs", 0, NULL), EFAULT);
    FAILS(mount((char *)1, "d", "tmpfs", 0, NULL), EFAULT);
    FAILS(mount("none", "d", "tmpfs", 0, (char *)1), EFAULT);
    FAILS(change("d", MS_REMOUNT), EINVAL);
    FAILS(change("d", MS_PRIVATE), EINVAL);
    FAILS(change("/tmp", MS_PRIVATE | MS_SHARED), EINVAL);
    FAILS(change("/tmp", MS_PRIVATE | MS_NODEV), EINVAL);
    FAILS(mount(NULL, "d", NULL, MS_BIND, NULL), EINVAL);
    FAILS(mount("", "d", NULL, MS_BIND, NULL), EINVAL);
    FAILS(mount("missing", "d", NULL, MS_BIND, NULL), ENOENT);
    FAILS(bind("f", "d", 0), ENOTDIR);
    FAILS(bind("d", "f", 0), ENOTDIR);
    FAILS(umount2("d", 0), EINVAL);
    FAILS(umount2("missing", 0), ENOENT);
    FAILS(umount2("d", 64), EINVAL);
    FAILS(umount2("missing", 64), EINVAL);
}
static void options_of_tmpfs(void) {
    alone();
    struct statfs s;
    struct stat st;
    mkdir("d", 0755);
    OK(mount("none", "d", "tmpfs", 0, "size=64k,mode=700"));
    CHECK(!statfs("d", &s) && s.f_type == 0x01021994 && s.f_blocks == 16);
    CHECK(!stat("d", &st) && (st.st_mode & 07777) == 0700);
    int fd = open("d/f", O_CREAT | O_WRONLY, 0600);
    char big[100000] = "";
    CHECK(write(fd, big, sizeof big) == 65536);
    FAILS(write(fd, big, 1), ENOSPC);
    close(fd);
}
static void a_mount_covers(void) {
    alone();
    mkdir("d", 0755);
    make("d/below", "b");
    OK(tmpfs("d"));
    CHECK(!exists("d/below"));
    make("d/above", "a");
    FAILS(rmdir("d"), EBUSY);
    FAILS(rename("d", "e"), EBUSY);
    OK(umount2("d", 0));
    CHECK(exists("d/below") && !exists("d/above"));
}
static void busy_mounts(void) {
    alone();
    OK(tmpfs("d"));
    make("d/f", "1");
    int fd = open("d/f", O_RDONLY);
    FAILS(umount2("d", 0), EBUSY);
    close(fd);
    OK(tmpfs("d/e"));
    FAILS(umount2("d", 0), EBUSY);
    OK(umount2("d/e", 0));
    OK(chdir("d"));
    FAILS(umount2("/tmp/d", 0), EBUSY);
    OK(chdir(".."));
    OK(umount2("d", 0));
}
static void detached_mounts_live_on(void) {
    alone();
    OK(tmpfs("d"));
    OK(tmpfs("d/e"));
    make("d/f", "text");
    int fd = open("d/f", O_RDONLY);
    OK(chdir("d"));
    OK(umount2("/tmp/d", MNT_DETACH));
    CHECK(!exists("/tmp/d/f") && exists("f") && is("f", "text"));
    char c;
    CHECK(read(fd, &c, 1) == 1 && c == 't');
    make("g", "more");
    FAILS(umount2(".", 0), EINVAL);
    FAILS(tmpfs("e"), ENOENT);
    char buf[64] = "";
    CHECK(syscall(SYS_getcwd, buf, sizeof buf) == 15 && !strcmp(buf, "(unreachable)/"));
    FAILS(umount2("/tmp/d/e", 0), ENOENT);
    close(fd);
    OK(chdir("/tmp"));
}
static void expiry(void) {
    alone();
    OK(tmpfs("d"));
    FAILS(umount2("d", MNT_EXPIRE | MNT_DETACH), EINVAL);
    FAILS(umount2("d", MNT_EXPIRE | MNT_FORCE), EINVAL);
    int fd = open("d", O_RDONLY);
    FAILS(umount2("d", MNT_EXPIRE), EBUSY);
    close(fd);
    FAILS(umount2("d", MNT_EXPIRE), EAGAIN);
    make("d/f", "used meanwhile");
    FAILS(umount2("d", MNT_EXPIRE), EAGAIN);
    OK(umount2("d", MNT_EXPIRE));
}
static void symlinks_to_mounts(void) {
    alone();
    OK(tmpfs("d"));
    symlink("d", "l");
    FAILS(umount2("l", UMOUNT_NOFOLLOW), EINVAL);
    OK(umount2("l", 0));
}
static void binds(void) {
    alone();
    mkdir("a", 0755); mkdir("b", 0755);
    make("a/f", "1");
    make("file", "2");
    OK(tmpfs("a/sub"));
    make("a/sub/g", "3");
    OK(bind("a", "b", 0));
    CHECK(is("b/f", "1") && !exists("b/sub/g"));
    make("b/h", "4");
    CHECK(is("a/h", "4"));
    FAILS(rename("a/f", "b/k"), EXDEV);
    FAILS(link("a/f", "b/k"), EXDEV);
    CHECK(strstr(info("/tmp/b"), " /a /tmp/b "));
    struct stat s, t;
    CHECK(!stat("a/f", &s) && !stat("b/f", &t) && s.st_ino == t.st_ino && s.st_dev == t.st_dev);
    OK(umount2("b", 0));
    OK(bind("a", "b", MS_REC));
    CHECK(is("b/sub/g", "3"));
    FAILS(umount2("b", 0), EBUSY);
    OK(umount2("b", MNT_DETACH));
    CHECK(!exists("b/f") && is("a/sub/g", "3"));
    make("target", "");
    OK(bind("file", "target", 0));
    CHECK(is("target", "2"));
    FAILS(unlink("target"), EBUSY);
    OK(unlink("file"));
    CHECK(is("target", "2") && strstr(info("/tmp/target"), "/file//deleted"));
    OK(umount2("target", 0));
    CHECK(is("target", ""));
}
static void bind_onto_itself(void) {
    alone();
    mkdir("a", 0755); mkdir("a/b", 0755);
    OK(bind("a", "a/b", 0));
    CHECK(exists("a/b/b") && !exists("a/b/b/b"));
    OK(bind("a", "a", 0));
    OK(chdir("a/.."));
    char buf[64];
    CHECK(getcwd(buf, sizeof buf) && !strcmp(buf, "/tmp"));
}
static void flags_are_honoured(void) {
    alone();
    OK(tmpfs("d"));
    make("d/run", "#!/bin/sh\nexit 3\n");
    chmod("d/run", 0755);
    struct statvfs v;
    OK(mount(NULL, "d", NULL, MS_REMOUNT | MS_NOEXEC | MS_NOSUID | MS_NODEV, NULL));
    FAILS(execl("d/run", "run", NULL), EACCES);
    FAILS(access("d/run", X_OK), EACCES);
    CHECK(!statvfs("d", &v) && (v.f_flag & (ST_NOSUID | ST_NODEV | ST_NOEXEC | ST_RDONLY)) == (ST_NOSUID | ST_NODEV | ST_NOEXEC));
    CHECK(tagged("/tmp/d", "nosuid,nodev,noexec"));
    OK(mount(NULL, "d", NULL, MS_REMOUNT | MS_BIND, NULL));
    OK(access("d/run", X_OK));
    mkdir("dev", 0755);
    make("dev/null", "");
    OK(bind("/dev/null", "dev/null", 0));
    int fd = open("dev/null", O_RDWR);
    CHECK(fd >= 0);
    close(fd);
    OK(mount(NULL, "dev/null", NULL, MS_REMOUNT | MS_BIND | MS_NODEV | MS_NOSUID | MS_NOEXEC, NULL));
    FAILS(open("dev/null", O_RDWR), EACCES);
}
static void read_only_mounts(void) {
    alone();
    OK(tmpfs("d"));
    make("d/f", "1");
    mkdir("ro", 0755);
    OK(bind("d", "ro", 0));
    OK(mount(NULL, "ro", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
    FAILS(open("ro/f", O_WRONLY), EROFS);
    FAILS(open("ro/new", O_CREAT | O_WRONLY, 0600), EROFS);
    FAILS(open("ro/f", O_RDONLY | O_TRUNC), EROFS);
    FAILS(mkdir("ro/x", 0755), EROFS);
    FAILS(mkdir("ro/f", 0755), EEXIST);
    FAILS(unlink("ro/f"), EROFS);
    FAILS(chmod("ro/f", 0600), EROFS);
    FAILS(truncate("ro/f", 0), EROFS);
    FAILS(access("ro/f", W_OK), EROFS);
    FAILS(rename("ro/f", "ro/g"), EROFS);
    FAILS(symlink("x", "ro/l"), EROFS);
    OK(truncate("d/f", 0));
    int fd = open("d/f", O_WRONLY);
    FAILS(change("d", MS_REMOUNT | MS_RDONLY), EBUSY);
    OK(change("ro", MS_REMOUNT | MS_BIND | MS_RDONLY));
    close(fd);
    OK(change("d", MS_REMOUNT | MS_RDONLY));
    FAILS(open("d/f", O_WRONLY), EROFS);
    OK(change("d", MS_REMOUNT));
    OK(mkdir("d/y", 0755));
    FAILS(mkdir("ro/x", 0755), EROFS);
    CHECK(!strncmp(strchr(strchr(info("/tmp/ro"), '/'), ' ') + 1, "/tmp/ro ro", 10) && strstr(info("/tmp/ro"), " rw"));
}
static void moving(void) {
    alone();
    OK(tmpfs("a")); OK(tmpfs("a/in"));
    make("a/in/f", "deep");
    mkdir("b", 0755);
    make("file", "");
    FAILS(mount("a/in/f", "b", NULL, MS_MOVE, NULL), EINVAL);
    FAILS(mount("a", "file", NULL, MS_MOVE, NULL), EINVAL);
    FAILS(mount("a", "a/in", NULL, MS_MOVE, NULL), ELOOP);
    OK(mount("a", "b", NULL, MS_MOVE, NULL));
    CHECK(is("b/in/f", "deep") && !exists("a/in"));
    CHECK(tagged("/tmp/b/in", "tmpfs") && !*info("/tmp/a"));
    OK(change("/tmp", MS_SHARED));
    FAILS(mount("b", "a", NULL, MS_MOVE, NULL), EINVAL);
}
static void stacked_mounts(void) {
    alone();
    OK(tmpfs("d"));
    make("d/1", "1");
    OK(tmpfs("d"));
    make("d/2", "2");
    CHECK(!exists("d/1"));
    OK(umount2("d", 0));
    CHECK(exists("d/1"));
    OK(umount2("d", 0));
    CHECK(!exists("d/1"));
    OK(tmpfs("d"));
    OK(bind("d", "d", 0));
}

/* ---- propagation ---- */
static void peers_share(void) {
    alone();
    OK(tmpfs("a")); mkdir("b", 0755); mkdir("c", 0755);
    OK(change("a", MS_SHARED));
    CHECK(tagged("/tmp/a", "shared:"));
    OK(bind("a", "b", 0)); OK(bind("a", "c", 0));
    OK(tmpfs("a/x"));
    make("b/x/f", "seen");
    CHECK(is("c/x/f", "seen") && tagged("/tmp/c/x", "shared:"));
    OK(tmpfs("c/x/y"));
    make("a/x/y/g", "deep");
    CHECK(is("b/x/y/g", "deep"));
    int fd = open("b/x/y/g", O_RDONLY);
    FAILS(umount2("a/x/y", 0), EBUSY);
    close(fd);
    OK(umount2("a/x/y", 0));
    CHECK(!exists("b/x/y/g") && !exists("c/x/y/g"));
    OK(umount2("b/x", MNT_DETACH));
    CHECK(!exists("a/x/f") && !exists("c/x/f"));
    OK(change("b", MS_PRIVATE));
    CHECK(!tagged("/tmp/b", "shared:"));
    OK(tmpfs("a/x"));
    make("a/x/f", "1");
    CHECK(!exists("b/x/f") && exists("c/x/f"));
    OK(umount2("c/x", 0));
    CHECK(!exists("a/x/f"));
}
static void receivers_only_receive(void) {
    alone();
    OK(tmpfs("a")); mkdir("b", 0755);
    OK(change("a", MS_SHARED));
    OK(bind("a", "b", 0));
    OK(change("b", MS_SLAVE));
    CHECK(tagged("/tmp/b", "master:") && !tagged("/tmp/b", "shared:"));
    mkdir("a/x", 0755); mkdir("a/y", 0755);
    OK(tmpfs("a/x"));
    make("a/x/f", "1");
    CHECK(is("b/x/f", "1") && tagged("/tmp/b/x", "master:") && !tagged("/tmp/b/x", "shared:"));
    OK(tmpfs("b/y"));
    make("b/y/g", "2");
    CHECK(!exists("a/y/g"));
    OK(umount2("b/x", 0));
    CHECK(exists("a/x/f"));
    OK(umount2("a/x", 0));
    OK(umount2("b/y", 0));
    OK(change("b", MS_SHARED));
    CHECK(tagged("/tmp/b", "master:") && tagged("/tmp/b", "shared:"));
    mkdir("c", 0755);
    OK(bind("b", "c", 0));
    OK(tmpfs("a/x"));
    make("a/x/f", "3");
    CHECK(is("b/x/f", "3") && is("c/x/f", "3") && tagged("/tmp/c/x", "shared:") && tagged("/tmp/c/x", "master:"));
    OK(tmpfs("c/y"));
    make("c/y/g", "4");
    CHECK(is("b/y/g", "4") && !exists("a/y/g"));
    OK(umount2("a/x", 0));
    CHECK(!exists("b/x/f") && !exists("c/x/f"));
    OK(umount2("a", 0));
    CHECK(!tagged("/tmp/b", "master:") && tagged("/tmp/b", "shared:"));
}
static void a_receiver_alone_is_private(void) {
    alone();
    OK(tmpfs("a"));
    OK(change("a", MS_SLAVE));
    CHECK(!tagged("/tmp/a", "master:"));
    OK(change("a", MS_SHARED));
    OK(change("a", MS_SLAVE));
    CHECK(!tagged("/tmp/a", "master:") && !tagged("/tmp/a", "shared:"));
}
static void unbindable_mounts(void) {
    alone();
    OK(tmpfs("a")); OK(tmpfs("a/u")); OK(tmpfs("a/v")); mkdir("b", 0755);
    make("a/u/f", "u"); make("a/v/f", "v");
    OK(change("a/u", MS_UNBINDABLE));
    CHECK(tagged("/tmp/a/u", "unbindable"));
    FAILS(bind("a/u", "b", 0), EINVAL);
    OK(bind("a", "b", MS_REC));
    CHECK(!exists("b/u/f") && exists("b/v/f"));
    OK(umount2("b", MNT_DETACH));
    OK(change("a", MS_PRIVATE | MS_REC));
    OK(bind("a/u", "b", 0));
}
static void only_below_the_shared_part(void) {
    alone();
    OK(tmpfs("a")); mkdir("a/part", 0755); mkdir("a/rest", 0755); mkdir("b", 0755);
    OK(change("a", MS_SHARED));
    OK(bind("a/part", "b", 0));
    OK(tmpfs("a/rest"));
    mkdir("a/part/x", 0755);
    OK(tmpfs("a/part/x"));
    make("a/part/x/f", "1");
    CHECK(is("b/x/f", "1"));
}
static void bind_in_its_own_group(void) {
    alone();
    OK(tmpfs("a")); mkdir("a/x", 0755); mkdir("b", 0755);
    OK(change("a", MS_SHARED));
    OK(bind("a", "b", 0));
    OK(bind("a", "a/x", 0));
    CHECK(exists("b/x/x") && !exists("b/x/x/x"));
    OK(umount2("b/x", 0));
    CHECK(exists("a/x") && !exists("a/x/x"));
}
static void a_recursive_move_propagates(void) {
    alone();
    OK(tmpfs("a")); OK(tmpfs("m")); OK(tmpfs("m/n")); mkdir("b", 0755);
    OK(change("a", MS_SHARED));
    OK(bind("a", "b", 0));
    mkdir("a/t", 0755);
    make("m/n/f", "1");
    OK(mount("m", "a/t", NULL, MS_MOVE, NULL));
    CHECK(is("b/t/n/f", "1") && tagged("/tmp/a/t/n", "shared:"));
    OK(umount2("b/t", MNT_DETACH));
    CHECK(!exists("a/t/n"));
}
static int in_own_namespace(void) {
    if (unshare(CLONE_NEWNS)) return 1;
    if (!tagged("/tmp/a", "shared:")) return 2;
    if (tmpfs("/tmp/a/x") || tmpfs("/tmp/p/x")) return 3;
    make("/tmp/a/x/f", "1"); make("/tmp/p/x/f", "1");
    return 0;
}
static void namespaces_of_peers(void) {
    alone();
    OK(tmpfs("a")); OK(tmpfs("p"));
    mkdir("a/x", 0755); mkdir("p/x", 0755);
    OK(change("a", MS_SHARED));
    CHECK(in_child(in_own_namespace) == 0);
    CHECK(exists("a/x/f") && !exists("p/x/f"));
}
static int looks_elsewhere(void) {
    if (unshare(CLONE_NEWNS) || mount("none", "d", "tmpfs", 0, NULL)) return 1;
    make("d/f", "1");
    char c = 'r';
    write(1000, &c, 1);
    if (read(1001, &c, 1) != 1) return 2;
    return exists("d/f") ? 3 : 0;
}
static void removal_detaches_elsewhere(void) {
    alone();
    int to[2], from[2];
    char c;
    OK(pipe(to)); OK(pipe(from));
    dup2(to[1], 1000); dup2(from[0], 1001);
    mkdir("d", 0755);
    int status, pid = fork();
    if (!pid) _exit(looks_elsewhere());
    CHECK(read(to[0], &c, 1) == 1);
    OK(rmdir("d"));
    write(from[1], &c, 1);
    waitpid(pid, &status, 0);
    CHECK(status == 0);
}

/* ---- roots ---- */
static void pivot_errors(void) {
    alone();
    OK(tmpfs("new")); mkdir("new/old", 0755); mkdir("plain", 0755); mkdir("new/plain", 0755);
    make("file", "");
    OK(tmpfs("aside")); mkdir("aside/old", 0755);
    FAILS(pivot_root("missing", "new/old"), ENOENT);
    FAILS(pivot_root("new", "missing"), ENOENT);
    FAILS(pivot_root("file", "new/old"), ENOTDIR);
    FAILS(pivot_root("new", "file"), ENOTDIR);
    FAILS(pivot_root("new", "/"), EBUSY);
    FAILS(pivot_root("new", "/home/.."), EBUSY);
    FAILS(pivot_root("plain", "plain"), EINVAL);
    FAILS(pivot_root("new/plain", "new/old"), EINVAL);
    FAILS(pivot_root("new", "aside/old"), EINVAL);
    OK(change("new", MS_SHARED));
    FAILS(pivot_root("new", "new/old"), EINVAL);
    OK(change("new", MS_PRIVATE));
    OK(change("/tmp", MS_SHARED));
    FAILS(pivot_root("new", "new/old"), EINVAL);
}
static void pivoting(void) {
    alone();
    OK(tmpfs("new")); mkdir("new/old", 0755); mkdir("new/proc", 0755);
    OK(bind("/proc", "new/proc", MS_REC));
    make("new/here", "1");
    make("there", "2");
    int held = open("/tmp", O_RDONLY | O_DIRECTORY);
    OK(pivot_root("new", "new/old"));
    CHECK(is("/here", "1") && is("/old/tmp/there", "2"));
    char buf[64];
    CHECK(getcwd(buf, sizeof buf) && !strcmp(buf, "/old/tmp"));
    CHECK(tagged("/", " / / ") && tagged("/old/tmp", "tmpfs"));
    FAILS(umount2("/old", 0), EBUSY);
    OK(chdir("/"));
    OK(umount2("/old", MNT_DETACH));
    CHECK(!exists("/old/tmp") && faccessat(held, "there", F_OK, 0) == 0);
    OK(fchdir(held));
    CHECK(syscall(SYS_getcwd, buf, sizeof buf) > 0 && !strncmp(buf, "(unreachable)/", 14));
    close(held);
}
static void pivoting_in_place(void) {
    alone();
    OK(tmpfs("new")); mkdir("new/proc", 0755);
    OK(bind("/proc", "new/proc", MS_REC));
    make("new/here", "1");
    OK(chdir("new"));
    OK(pivot_root(".", "."));
    CHECK(exists("/tmp") || exists("here"));
    OK(umount2(".", MNT_DETACH));
    CHECK(is("/here", "1") && is("/proc/self/comm", "mounttests\n"));
    OK(chdir("/"));
    CHECK(is("here", "1") && !exists("/tmp") && *info("/"));
}
static void pivot_moves_other_processes(void) {
    alone();
    int to[2];
    char c;
    OK(pipe(to));
    OK(tmpfs("new")); mkdir("new/old", 0755);
    make("new/here", "1");
    int status, pid = fork();
    if (!pid) _exit(chdir("/") || read(to[0], &c, 1) != 1 || !exists("/here") || !exists("here"));
    while (usleep(1000), readlink("/proc/self/cwd", (char[8]){ 0 }, 8) < 0) ;
    usleep(20000);
    OK(pivot_root("new", "new/old"));
    write(to[1], "x", 1);
    waitpid(pid, &status, 0);
    CHECK(status == 0);
}
static void roots(void) {
    alone();
    mkdir("r", 0755); mkdir("r/in", 0755);
    make("r/f", "1");
    make("file", "");
    FAILS(chroot("missing"), ENOENT);
    FAILS(chroot("file"), ENOTDIR);
    int out = open("/", O_RDONLY);
    OK(chdir("r/in"));
    OK(chroot("/tmp/r"));
    CHECK(exists("/f") && !exists("/tmp") && exists("/../../f"));
    char buf[64];
    CHECK(getcwd(buf, sizeof buf) && !strcmp(buf, "/in"));
    OK(fchdir(out));
    CHECK(syscall(SYS_getcwd, buf, sizeof buf) > 0 && !strcmp(buf, "(unreachable)/"));
    CHECK(exists("tmp/r/f"));
    FAILS(fchdir(99), EBADF);
    int fd = open("/f", O_RDONLY);
    FAILS(fchdir(fd), ENOTDIR);
}
static void removed_directories(void) {
    alone();
    char buf[64];
    mkdir("gone", 0755);
    OK(chdir("gone"));
    OK(rmdir("../gone"));
    FAILS(syscall(SYS_getcwd, buf, sizeof buf), ENOENT);
    FAILS(open("f", O_CREAT | O_RDWR, 0600), ENOENT);
    FAILS(mount("none", ".", "tmpfs", 0, NULL), ENOENT);
    CHECK(readlink("/proc/self/cwd", buf, sizeof buf) == 19 && !memcmp(buf, "/tmp/gone (deleted)", 19));
}

static int unprivileged(void) {
    OK(setresuid(1000, 1000, 1000));
    FAILS(mount("none", "d", "tmpfs", 0, NULL), EPERM);
    FAILS(mount("none", "missing", "tmpfs", 0, NULL), ENOENT);
    FAILS(umount2("d", 0), EPERM);
    FAILS(umount2("missing", 0), ENOENT);
    FAILS(pivot_root("missing", "missing"), EPERM);
    FAILS(chroot("d"), EPERM);
    FAILS(chroot("missing"), ENOENT);
    FAILS(unshare(CLONE_NEWNS), EPERM);
    return 0;
}
static void privileges(void) {
    alone();
    OK(tmpfs("d"));
    if (!setresuid(1000, 1000, 1000)) CHECK((unprivileged)() == 0);    /* a user namespace may know only us */
}

static const struct property properties[] = {
    T(mount_errors), T(options_of_tmpfs), T(a_mount_covers), T(busy_mounts), T(detached_mounts_live_on), T(expiry),
    T(symlinks_to_mounts), T(binds), T(bind_onto_itself), T(flags_are_honoured), T(read_only_mounts), T(moving),
    T(stacked_mounts), T(peers_share), T(receivers_only_receive), T(a_receiver_alone_is_private),
    T(unbindable_mounts), T(only_below_the_shared_part), T(bind_in_its_own_group), T(a_recursive_move_propagates),
    T(namespaces_of_peers), T(removal_detaches_elsewhere), T(pivot_errors), T(pivoting), T(pivoting_in_place),
    T(pivot_moves_other_processes), T(roots), T(removed_directories), T(privileges), { 0 },
};
int main(int argc, char **argv) { return run_properties(properties, argc, argv); }
