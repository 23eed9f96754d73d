/* Properties of the overlay file system. */
#include "scratch.h"
#include <dirent.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

static int by_name(const void *a, const void *b) { return strcmp(*(char **)a, *(char **)b); }
/* The names in a directory, sorted, with spaces between; and fails unless the types agree with lstat's. */
static const char *list(const char *path) {
    static char text[2][4096];
    static int turn;
    char *out = text[turn ^= 1], *names[200], full[512];
    int count = 0;
    DIR *d = opendir(path);
    CHECK(d);
    for (struct dirent *e; (e = readdir(d));) {
        struct stat st;
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        snprintf(full, sizeof full, "%s/%s", path, e->d_name);
        CHECK(!lstat(full, &st) && st.st_mode >> 12 == e->d_type);
        names[count++] = strdup(e->d_name);
    }
    closedir(d);
    qsort(names, count, sizeof *names, by_name);
    *out = 0;
    for (int i = 0; i < count; i++) sprintf(out + strlen(out), "%s%s", i ? " " : "", names[i]);
    return out;
}
static int lists(const char *path, const char *names) { return !strcmp(list(path), names); }
static void append(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_APPEND);
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}
static int is_whiteout(const char *path) {
    struct stat st;
    return !lstat(path, &st) && S_ISCHR(st.st_mode) && st.st_rdev == 0;
}
static int mount_it(const char *options) { return mount("overlay", "m", "overlay", 0, options); }

/* Two lower layers, a (above) and b; the merged tree is m. */
static void layers(void) {
    alone();
    mkdir("a", 0755); mkdir("b", 0755); mkdir("u", 0755); mkdir("w", 0755); mkdir("m", 0755);
    make("a/both", "a's"); make("b/both", "b's"); make("a/of_a", "1"); make("b/of_b", "2");
    mkdir("a/dir", 0755); mkdir("b/dir", 0755); make("a/dir/x", "ax"); make("b/dir/y", "by"); make("b/dir/x", "bx");
    mkdir("b/low", 0711); mkdir("b/low/deep", 0755); make("b/low/deep/f", "deep");
    mkdir("a/clash", 0755); make("a/clash/in", "1"); make("b/clash", "a file");
    make("a/clash2", "a file"); mkdir("b/clash2", 0755);
    symlink("of_b", "b/link");
    chmod("b/of_b", 0640);
}
static void overlaid(void) {
    layers();
    OK(mount_it("lowerdir=a:b,upperdir=u,workdir=w"));
}

static void merging(void) {
    overlaid();
    CHECK(is("m/both", "a's") && is("m/of_a", "1") && is("m/of_b", "2") && is("m/link", "2"));
    CHECK(is("m/dir/x", "ax") && is("m/dir/y", "by") && is("m/clash/in", "1") && is("m/clash2", "a file"));
    CHECK(lists("m", "both clash clash2 dir link low of_a of_b") && lists("m/dir", "x y") && lists("m/clash", "in"));
    struct stat s, t;
    CHECK(!stat("m/of_b", &s) && (s.st_mode & 07777) == 0640 && !stat("m", &t) && s.st_dev == t.st_dev);
    struct statfs f;
    CHECK(!statfs("m", &f) && f.f_type == 0x794c7630);
    CHECK(lists("u", ""));
    OK(umount2("m", 0));
    CHECK(lists("m", ""));
}
static void mount_errors(void) {
    layers();
    FAILS(mount_it(""), EINVAL);
    FAILS(mount_it("lowerdir=missing:b"), ENOENT);
    FAILS(mount_it("lowerdir=a:b,upperdir=u"), EINVAL);
    FAILS(mount_it("lowerdir=a:b,upperdir=u,workdir=u"), EINVAL);
    mkdir("u/in", 0755);
    FAILS(mount_it("lowerdir=a:b,upperdir=u,workdir=u/in"), EINVAL);
    FAILS(mount_it("lowerdir=a:b,upperdir=missing,workdir=w"), ENOENT);
    FAILS(mount_it("lowerdir=a:b,upperdir=u,workdir=missing"), ENOENT);
    FAILS(mount_it("lowerdir=a:b,nonsense"), EINVAL);
    OK(mount_it("lowerdir=a:b"));
    FAILS(mount(NULL, "m", NULL, MS_REMOUNT, NULL), EROFS);
}
static void read_only_without_upper(void) {
    layers();
    OK(mount_it("lowerdir=a:b"));
    CHECK(is("m/of_b", "2"));
    FAILS(open("m/of_b", O_RDWR), EROFS);
    FAILS(open("m/new", O_CREAT | O_RDWR, 0600), EROFS);
    FAILS(unlink("m/of_b"), EROFS);
    FAILS(mkdir("m/d", 0755), EROFS);
    FAILS(chmod("m/of_b", 0600), EROFS);
    FAILS(truncate("m/of_b", 0), EROFS);
    FAILS(rename("m/of_b", "m/x"), EROFS);
}
static void writing_copies_up(void) {
    overlaid();
    append("m/of_b", "+");
    CHECK(is("m/of_b", "2+") && is("b/of_b", "2") && is("u/of_b", "2+"));
    struct stat s;
    CHECK(!stat("u/of_b", &s) && (s.st_mode & 07777) == 0640);
    append("m/low/deep/f", "er");
    CHECK(is("m/low/deep/f", "deeper") && is("b/low/deep/f", "deep"));
    CHECK(!stat("u/low", &s) && (s.st_mode & 07777) == 0711 && lists("u/low", "deep"));
    close(open("m/of_a", O_RDONLY));
    CHECK(!exists("u/of_a"));
    close(open("m/of_a", O_WRONLY | O_TRUNC));
    CHECK(is("m/of_a", "") && is("a/of_a", "1"));
    OK(truncate("m/dir/y", 1));
    CHECK(is("m/dir/y", "b") && is("b/dir/y", "by") && lists("m/dir", "x y"));
    append("m/link", "!");
    CHECK(is("m/of_b", "2+!") && !exists("u/link"));
    CHECK(lists("w/work", ""));
}
static void big_files_are_copied_whole(void) {
    layers();
    static char big[300000], back[300001];
    for (unsigned i = 0; i < sizeof big; i++) big[i] = i * 7 >> 3;
    int fd = open("b/big", O_CREAT | O_WRONLY, 0600);
    CHECK(write(fd, big, sizeof big) == sizeof big);
    close(fd);
    OK(mount_it("lowerdir=a:b,upperdir=u,workdir=w"));
    fd = open("m/big", O_RDWR);
    CHECK(pwrite(fd, "X", 1, 150000) == 1);
    big[150000] = 'X';
    CHECK(pread(fd, back, sizeof back, 0) == sizeof big && !memcmp(big, back, sizeof big));
    char *map = mmap(NULL, sizeof big, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(map != MAP_FAILED && !memcmp(map, big, sizeof big));
}
static void attributes_copy_up(void) {
    overlaid();
    struct stat s, t;
    OK(chmod("m/of_b", 0600));
    CHECK(!stat("m/of_b", &s) && (s.st_mode & 07777) == 0600 && !stat("b/of_b", &t) && (t.st_mode & 07777) == 0640 && is("u/of_b", "2"));
    struct timespec times[2] = { { 1000, 1 }, { 2000, 2 } };
    OK(utimensat(AT_FDCWD, "m/of_a", times, 0));
    CHECK(!stat("m/of_a", &s) && s.st_mtime == 2000 && !stat("a/of_a", &t) && t.st_mtime != 2000);
    OK(chown("m/dir/y", 0, 0));
    CHECK(exists("u/dir/y"));
    OK(chmod("m/low", 0700));
    CHECK(!stat("m/low", &s) && (s.st_mode & 07777) == 0700 && lists("m/low", "deep") && lists("u/low", ""));
    int fd = open("m/both", O_RDONLY);
    OK(fchmod(fd, 0604));
    CHECK(!fstat(fd, &s) && (s.st_mode & 07777) == 0604 && !stat("m/both", &t) && t.st_ino == s.st_ino && t.st_dev == s.st_dev);
    FAILS(setresuid(1, 1, 1) ? -1 : chmod("m/dir/x", 0600), EPERM);
    CHECK(!exists("u/dir/x"));
}
static void times_survive_copying(void) {
    layers();
    struct timespec times[2] = { { 1000, 1 }, { 2000, 2 } };
    utimensat(AT_FDCWD, "b/of_b", times, 0);
    OK(mount_it("lowerdir=a:b,upperdir=u,workdir=w"));
    OK(chmod("m/of_b", 0600));
    struct stat s;
    CHECK(!stat("m/of_b", &s) && s.st_mtim.tv_sec == 2000 && s.st_mtim.tv_nsec == 2 && s.st_atime == 1000);
}
static void whiteouts(void) {
    overlaid();
    OK(unlink("m/both"));
    CHECK(!exists("m/both") && is_whiteout("u/both") && is("a/both", "a's") && is("b/both", "b's"));
    OK(unlink("m/dir/y"));
    CHECK(lists("m/dir", "x") && is_whiteout("u/dir/y"));
    make("m/own", "o");
    OK(unlink("m/own"));
    CHECK(!is_whiteout("u/own"));
    append("m/of_b", "x");
    OK(unlink("m/of_b"));
    CHECK(is_whiteout("u/of_b") && !exists("m/of_b"));
    CHECK(lists("m", "clash clash2 dir link low of_a"));
    make("m/both", "new");
    CHECK(is("m/both", "new") && is("u/both", "new") && !is_whiteout("u/both"));
    OK(umount2("m", 0));
    OK(mount_it("lowerdir=a:b,upperdir=u,workdir=w"));
    CHECK(lists("m", "both clash clash2 dir link low of_a") && is("m/both", "new"));
    OK(umount2("m", 0));
    OK(mount_it("lowerdir=u:a:b"));
    CHECK(lists("m", "both clash clash2 dir link low of_a") && lists("m/dir", "x"));
}
static void removing_directories(void) {
    overlaid();
    FAILS(rmdir("m/dir"), ENOTEMPTY);
    OK(unlink("m/dir/x")); OK(unlink("m/dir/y"));
    CHECK(lists("m/dir", ""));
    OK(rmdir("m/dir"));
    CHECK(is_whiteout("u/dir") && !exists("m/dir"));
    FAILS(rmdir("m/low"), ENOTEMPTY);
    OK(mkdir("m/dir", 0750));
    CHECK(lists("m/dir", ""));
    struct stat s;
    CHECK(!stat("m/dir", &s) && (s.st_mode & 07777) == 0750);
    make("m/dir/z", "z");
    CHECK(lists("m/dir", "z"));
    OK(umount2("m", 0));
    OK(mount_it("lowerdir=a:b,upperdir=u,workdir=w"));
    CHECK(lists("m/dir", "z"));
    OK(unlink("m/dir/z")); OK(rmdir("m/dir"));
    CHECK(!exists("m/dir"));
    FAILS(rmdir("m/of_a"), ENOTDIR);
    FAILS(unlink("m/low"), EISDIR);
}
static void opaque_directories(void) {
    layers();
    char value[8];
    OK(setxattr("a/dir", "trusted.overlay.opaque", "y", 1, 0));
    CHECK(getxattr("a/dir", "trusted.overlay.opaque", value, sizeof value) == 1 && value[0] == 'y');
    FAILS(getxattr("b/dir", "trusted.overlay.opaque", value, sizeof value), ENODATA);
    OK(mount_it("lowerdir=a:b,upperdir=u,workdir=w"));
    CHECK(lists("m/dir", "x") && is("m/dir/x", "ax"));
    OK(mkdir("m/new", 0755));
    OK(unlink("m/clash/in")); OK(rmdir("m/clash")); OK(mkdir("m/clash", 0755));
    OK(umount2("m", 0));
    CHECK(getxattr("u/clash", "trusted.overlay.opaque", value, sizeof value) == 1 && value[0] == 'y');
    OK(removexattr("a/dir", "trusted.overlay.opaque"));
    FAILS(getxattr("a/dir", "trusted.overlay.opaque", value, sizeof value), ENODATA);
}
static void renaming(void) {
    overlaid();
    OK(rename("m/of_b", "m/moved"));
    CHECK(is("m/moved", "2") && !exists("m/of_b") && is_whiteout("u/of_b") && is("u/moved", "2"));
    OK(rename("m/of_a", "m/both"));
    CHECK(is("m/both", "1") && !exists("m/of_a"));
    OK(rename("m/dir/x", "m/low/x"));
    CHECK(is("m/low/x", "ax") && lists("m/dir", "y") && is_whiteout("u/dir/x"));
    FAILS(rename("m/dir", "m/dir2"), EXDEV);
    FAILS(rename("m/low", "m/low2"), EXDEV);
    OK(mkdir("m/own", 0755));
    make("m/own/f", "f");
    OK(rename("m/own", "m/own2"));
    CHECK(is("m/own2/f", "f") && !exists("m/own") && !is_whiteout("u/own"));
    OK(unlink("m/clash/in")); OK(rmdir("m/clash"));
    OK(rename("m/own2", "m/clash"));
    CHECK(lists("m/clash", "f"));
    OK(rename("m/link", "m/link2"));
    char text[16] = "";
    CHECK(readlink("m/link2", text, 15) == 4 && !strcmp(text, "of_b"));
    OK(unlink("m/low/deep/f"));
    OK(mkdir("m/own", 0755));
    OK(rename("m/own", "m/low/deep"));
    CHECK(lists("m/low/deep", ""));
}
static void hard_links(void) {
    overlaid();
    OK(link("m/of_b", "m/second"));
    CHECK(is("m/second", "2") && exists("u/of_b"));
    append("m/second", "+");
    CHECK(is("m/of_b", "2+"));
    struct stat s, t;
    CHECK(!stat("m/of_b", &s) && !stat("m/second", &t) && s.st_nlink == 2 && t.st_nlink == 2);
    OK(unlink("m/of_b"));
    CHECK(is("m/second", "2+") && !exists("m/of_b") && !stat("m/second", &t) && t.st_nlink == 1);
    OK(unlink("m/both"));
    OK(link("m/second", "m/both"));
    CHECK(is("m/both", "2+"));
}
static void open_files_stay(void) {
    overlaid();
    int fd = open("m/of_b", O_RDWR);
    OK(unlink("m/of_b"));
    char text[4] = "";
    CHECK(pread(fd, text, 3, 0) == 1 && text[0] == '2' && pwrite(fd, "zz", 2, 0) == 2 && pread(fd, text, 3, 0) == 2);
    struct stat s;
    CHECK(!fstat(fd, &s) && s.st_nlink == 0 && s.st_size == 2);
    FAILS(umount2("m", 0), EBUSY);
    close(fd);
    OK(umount2("m", 0));
}
static void special_files(void) {
    overlaid();
    OK(mkfifo("m/fifo", 0600));
    int fd = open("m/fifo", O_RDWR);
    char c = 0;
    CHECK(write(fd, "x", 1) == 1 && read(fd, &c, 1) == 1 && c == 'x');
    OK(symlink("of_b", "m/sym"));
    CHECK(is("m/sym", "2"));
    if (!mknod("m/null", S_IFCHR | 0666, makedev(1, 3))) {
        fd = open("m/null", O_RDWR);
        CHECK(fd >= 0 && read(fd, &c, 1) == 0);
    }
}
static void programs_run_from_it(void) {
    layers();
    char self[64];
    CHECK(readlink("/proc/self/exe", self, sizeof self) > 0);
    int in = open("/proc/self/exe", O_RDONLY), out = open("b/prog", O_CREAT | O_WRONLY, 0755);
    char buffer[4096];
    for (ssize_t n; (n = read(in, buffer, sizeof buffer)) > 0;) CHECK(write(out, buffer, n) == n);
    close(out);
    OK(mount_it("lowerdir=a:b,upperdir=u,workdir=w"));
    int null = open("/dev/null", O_WRONLY), pid = fork();
    if (!pid) {
        dup2(null, 1);
        _exit(execl("m/prog", "prog", "nothing", NULL));
    }
    CHECK(exit_of(pid) == 0);
    chmod("m/prog", 0700);
    OK(chroot("m"));
    OK(chdir("/"));
    char where[64];
    CHECK(getcwd(where, sizeof where) && !strcmp(where, "/"));
    pid = fork();
    if (!pid) {
        dup2(null, 1);
        _exit(execl("/prog", "prog", "nothing", NULL));
    }
    CHECK(exit_of(pid) == 0);
}
static void what_runs_from_it_is_not_written(void) {
    layers();
    int in = open("/proc/self/exe", O_RDONLY), out = open("b/prog", O_CREAT | O_WRONLY, 0755), ready[2];
    char buffer[4096], exe[32];
    struct stat st;
    for (ssize_t n; (n = read(in, buffer, sizeof buffer)) > 0;) CHECK(write(out, buffer, n) == n);
    close(out);
    OK(mount_it("lowerdir=a:b,upperdir=u,workdir=w"));
    OK(pipe(ready));
    int pid = fork();
    if (!pid) {
        dup2(ready[1], 1);
        _exit(execl("m/prog", "prog", "-wait", NULL));
    }
    CHECK(read(ready[0], buffer, 1) == 1);
    sprintf(exe, "/proc/%d/exe", pid);
    FAILS(open(exe, O_WRONLY), ETXTBSY);
    FAILS(open("m/prog", O_RDWR), ETXTBSY);
    FAILS(open("m/prog", O_WRONLY | O_TRUNC), ETXTBSY);
    FAILS(truncate("m/prog", 0), ETXTBSY);
    FAILS(lstat("u/prog", &st), ENOENT);        /* nothing was copied up for it */
    OK(chmod("m/prog", 0700));                  /* but this does, and the copy is not written either */
    FAILS(open(exe, O_WRONLY), ETXTBSY);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    OK(close(open("m/prog", O_WRONLY)));
    out = open("m/prog", O_WRONLY);
    FAILS(execl("m/prog", "prog", "nothing", NULL), ETXTBSY);
    close(out);
}
static void many_names(void) {
    layers();
    char path[64];
    for (int i = 0; i < 300; i++) {
        snprintf(path, sizeof path, "%s/dir/file-number-%d", i % 3 ? "a" : "b", i);
        make(path, "");
    }
    OK(mount_it("lowerdir=a:b,upperdir=u,workdir=w"));
    for (int i = 0; i < 300; i += 2) {
        snprintf(path, sizeof path, "m/dir/file-number-%d", i);
        OK(unlink(path));
    }
    int count = 0;
    DIR *d = opendir("m/dir");
    for (struct dirent *e; (e = readdir(d));) {
        int n;
        if (sscanf(e->d_name, "file-number-%d", &n) == 1) count++, ({ CHECK(n % 2); });
    }
    CHECK(count == 150);
    rewinddir(d);
    count = 0;
    while (readdir(d)) count++;
    CHECK(count == 154);
    closedir(d);
    CHECK(exists("b/dir/file-number-0") && exists("a/dir/file-number-2"));
}
static void several_at_once(void) {
    overlaid();
    mkdir("u2", 0755); mkdir("w2", 0755); mkdir("m2", 0755);
    OK(mount("overlay", "m2", "overlay", 0, "lowerdir=a:b,upperdir=u2,workdir=w2"));
    append("m/of_b", "first"); append("m2/of_b", "second");
    CHECK(is("m/of_b", "2first") && is("m2/of_b", "2second"));
    OK(umount2("m", 0));
    CHECK(is("m2/of_b", "2second"));
}
static void layers_may_be_unmounted(void) {
    alone();
    mkdir("a", 0755); mkdir("m", 0755); mkdir("u", 0755); mkdir("w", 0755);
    OK(mount("none", "a", "tmpfs", 0, NULL));
    make("a/f", "1");
    OK(mount_it("lowerdir=a,upperdir=u,workdir=w"));
    OK(umount2("a", 0));
    CHECK(!exists("a/f") && is("m/f", "1"));
    append("m/f", "2");
    CHECK(is("u/f", "12"));
    CHECK(strstr(content("/proc/self/mounts"), "overlay /tmp/m overlay rw") && strstr(content("/proc/self/mounts"), "lowerdir=a,upperdir=u,workdir=w"));
}
static int writes_many(void) {
    for (int i = 0; i < 20; i++) {
        char path[32];
        snprintf(path, sizeof path, "m/dir/n%d", i);
        int fd = open(path, O_CREAT | O_RDWR, 0600);
        if (fd < 0 || write(fd, "x", 1) != 1 || close(fd)) return 1;
        fd = open("m/low/deep/f", O_WRONLY | O_APPEND);
        if (fd < 0 || write(fd, ".", 1) != 1 || close(fd)) return 2;
        unlink(path);
    }
    return 0;
}
static void several_processes(void) {
    overlaid();
    int pid[4];
    for (int i = 0; i < 4; i++)
        if (!(pid[i] = fork())) _exit(writes_many());
    for (int i = 0; i < 4; i++) CHECK(exit_of(pid[i]) <= 1);
    CHECK(strlen(content("m/low/deep/f")) >= 4 && lists("m/dir", "x y"));
}

static const struct property properties[] = {
    T(merging), T(mount_errors), T(read_only_without_upper), T(writing_copies_up), T(big_files_are_copied_whole),
    T(attributes_copy_up), T(times_survive_copying), T(whiteouts), T(removing_directories), T(opaque_directories),
    T(renaming), T(hard_links), T(open_files_stay), T(special_files), T(programs_run_from_it),
    T(what_runs_from_it_is_not_written), T(many_names),
    T(several_at_once), T(layers_may_be_unmounted), T(several_processes), { 0 },
};
int main(int argc, char **argv) {
    if (argc == 2 && !strcmp(argv[1], "-wait")) for (write(1, "", 1);;) pause();
    return run_properties(properties, argc, argv);
}
