/* Properties of the less common file calls: locks, statx, O_TMPFILE, O_PATH, exchanges, copies, limits. */
#include "scratch.h"
#include <dirent.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>


static int lock(int fd, int command, int type, long start, long length) {
    struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length };
    return fcntl(fd, command, &l);
}
/* The lock in the way of such a one: "w 5-9", "r 0-", or "-". */
static const char *in_the_way(int fd, int command, int type, long start, long length) {
    static char text[64];
    struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length };
    CHECK(!fcntl(fd, command, &l));
    if (l.l_type == F_UNLCK) return "-";
    if (l.l_len) sprintf(text, "%c %ld-%ld", l.l_type == F_WRLCK ? 'w' : 'r', (long)l.l_start, (long)(l.l_start + l.l_len - 1));
    else sprintf(text, "%c %ld-", l.l_type == F_WRLCK ? 'w' : 'r', (long)l.l_start);
    return text;
}
static const char *others_see(int fd, long start, long length) {
    static int pipes[2];
    static char text[64];
    pipe(pipes);
    int pid = fork();
    if (!pid) {
        const char *t = in_the_way(fd, F_GETLK, F_WRLCK, start, length);
        write(pipes[1], t, strlen(t));
        _exit(0);
    }
    close(pipes[1]);
    memset(text, 0, sizeof text);
    CHECK(exit_of(pid) == 0 && read(pipes[0], text, 63) > 0);
    close(pipes[0]);
    return text;
}
#define SEEN(start, length, text) CHECK(!strcmp(others_see(fd, start, length), text))

static void record_locks(void) {
    alone();
    make("f", "0123456789");
    int fd = open("f", O_RDWR);
    CHECK(!lock(fd, F_SETLK, F_WRLCK, 2, 4));
    SEEN(0, 0, "w 2-5"); SEEN(0, 2, "-"); SEEN(6, 0, "-"); SEEN(5, 1, "w 2-5");
    CHECK(!lock(fd, F_SETLK, F_WRLCK, 6, 2));
    SEEN(0, 0, "w 2-7");
    CHECK(!lock(fd, F_SETLK, F_UNLCK, 4, 1));
    SEEN(0, 0, "w 2-3"); SEEN(4, 0, "w 5-7");
    CHECK(!lock(fd, F_SETLK, F_RDLCK, 0, 0));
    SEEN(0, 0, "r 0-");
    CHECK(!lock(fd, F_SETLK, F_WRLCK, 3, 1));
    SEEN(0, 0, "r 0-2"); SEEN(3, 5, "w 3-3"); SEEN(0, 2, "r 0-2"); SEEN(4, 1, "r 4-");
    CHECK(!lock(fd, F_SETLK, F_UNLCK, 0, 0));
    SEEN(0, 0, "-");
}
static void relative_ranges(void) {
    alone();
    make("f", "0123456789");
    int fd = open("f", O_RDWR);
    struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = -3, .l_len = 2 };
    CHECK(!fcntl(fd, F_SETLK, &l));
    SEEN(0, 0, "w 7-8");
    lseek(fd, 4, SEEK_SET);
    l = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_start = 0, .l_len = -2 };
    CHECK(!fcntl(fd, F_SETLK, &l));
    SEEN(0, 0, "w 2-3");
    l = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = -1, .l_len = 2 };
    FAILS(fcntl(fd, F_SETLK, &l), EINVAL);
    l = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = -2 };
    FAILS(fcntl(fd, F_SETLK, &l), EINVAL);
    l = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 0x7fffffffffffffff };
    FAILS(fcntl(fd, F_SETLK, &l), EOVERFLOW);
    l = (struct flock){ .l_type = 7, .l_whence = SEEK_SET };
    FAILS(fcntl(fd, F_SETLK, &l), EINVAL);
    l = (struct flock){ .l_type = F_WRLCK, .l_whence = 9 };
    FAILS(fcntl(fd, F_SETLK, &l), EINVAL);
    FAILS(fcntl(fd, F_SETLK, 1), EFAULT);
    int ro = open("f", O_RDONLY), wo = open("f", O_WRONLY), path = open("f", O_PATH);
    FAILS(lock(ro, F_SETLK, F_WRLCK, 0, 0), EBADF);
    FAILS(lock(wo, F_SETLK, F_RDLCK, 0, 0), EBADF);
    FAILS(lock(path, F_SETLK, F_RDLCK, 0, 0), EBADF);
    FAILS(flock(path, LOCK_SH), EBADF);
}
static int wants_all(void) {
    int fd = open("f", O_RDWR);
    if (lock(fd, F_SETLK, F_WRLCK, 0, 0) != -1 || (errno != EAGAIN && errno != EACCES)) return 1;
    return lock(fd, F_SETLKW, F_WRLCK, 0, 0) ? 2 : 0;
}
static void locks_block_others(void) {
    alone();
    make("f", "0123456789");
    int fd = open("f", O_RDWR);
    CHECK(!lock(fd, F_SETLK, F_WRLCK, 0, 5));
    long start = milliseconds();
    int pid = fork();
    if (!pid) _exit(wants_all());
    nap(50);
    CHECK(!lock(fd, F_SETLK, F_UNLCK, 0, 5));
    CHECK(exit_of(pid) == 0 && milliseconds() - start >= 50);
    CHECK(!lock(fd, F_SETLK, F_WRLCK, 0, 5));
}
static void closing_unlocks(void) {
    alone();
    make("f", "x");
    int fd = open("f", O_RDWR), other = open("f", O_RDWR);
    CHECK(!lock(fd, F_SETLK, F_WRLCK, 0, 0));
    SEEN(0, 0, "w 0-");
    close(other);
    SEEN(0, 0, "-");
    CHECK(!lock(fd, F_SETLK, F_WRLCK, 0, 0));
    other = open("f", O_RDONLY);
    dup2(open("/dev/null", O_RDONLY), other);
    SEEN(0, 0, "-");
    int pid = fork();
    if (!pid) _exit(lock(fd, F_SETLK, F_WRLCK, 0, 0));
    CHECK(exit_of(pid) == 0);
    SEEN(0, 0, "-");
}
static void deadlocks_are_found(void) {
    alone();
    make("f", "0123456789");
    int fd = open("f", O_RDWR);
    CHECK(!lock(fd, F_SETLK, F_WRLCK, 0, 1));
    int pid = fork();
    if (!pid) {
        CHECK(!lock(fd, F_SETLK, F_WRLCK, 1, 1));
        _exit(lock(fd, F_SETLKW, F_WRLCK, 0, 1) ? 1 : 0);
    }
    nap(50);
    FAILS(lock(fd, F_SETLKW, F_WRLCK, 1, 1), EDEADLK);
    CHECK(!lock(fd, F_SETLK, F_UNLCK, 0, 1));
    CHECK(exit_of(pid) == 0);
}
static void waiting_is_interrupted(void) {
    alone();
    make("f", "x");
    int fd = open("f", O_RDWR), ready[2];
    char c;
    pipe(ready);
    int pid = fork();
    if (!pid) {
        CHECK(!lock(fd, F_SETLK, F_WRLCK, 0, 0));
        write(ready[1], "x", 1);
        nap(10000);
    }
    CHECK(read(ready[0], &c, 1) == 1);
    catch_it(SIGALRM, 0);
    LATER(30, kill(getppid(), SIGALRM));
    FAILS(lock(fd, F_SETLKW, F_WRLCK, 0, 0), EINTR);
    kill(pid, SIGKILL);
    CHECK(!lock(fd, F_SETLKW, F_WRLCK, 0, 0));
}
static void locks_of_open_files(void) {
    alone();
    make("f", "0123456789");
    int fd = open("f", O_RDWR), other = open("f", O_RDWR), third = open("f", O_RDWR);
    CHECK(!lock(fd, F_OFD_SETLK, F_WRLCK, 0, 5));
    FAILS(lock(other, F_OFD_SETLK, F_WRLCK, 4, 5), EAGAIN);
    CHECK(!lock(other, F_OFD_SETLK, F_WRLCK, 5, 5));
    close(third);
    CHECK(!strcmp(in_the_way(other, F_OFD_GETLK, F_WRLCK, 0, 5), "w 0-4"));
    FAILS(lock(other, F_SETLK, F_WRLCK, 0, 1), EAGAIN);
    struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_pid = 1 };
    FAILS(fcntl(fd, F_OFD_SETLK, &l), EINVAL);
    l = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET };
    CHECK(!fcntl(other, F_OFD_GETLK, &l) && l.l_pid == -1);
    int copy = dup(fd);
    close(fd);
    FAILS(lock(other, F_OFD_SETLK, F_WRLCK, 0, 1), EAGAIN);
    close(copy);
    CHECK(!lock(other, F_OFD_SETLK, F_WRLCK, 0, 1));
}
static void whole_file_locks(void) {
    alone();
    make("f", "x");
    int a = open("f", O_RDONLY), b = open("f", O_RDONLY);
    FAILS(flock(a, 0), EINVAL);
    FAILS(flock(a, LOCK_SH | LOCK_EX), EINVAL);
    CHECK(!flock(a, LOCK_SH) && !flock(b, LOCK_SH));
    FAILS(flock(a, LOCK_EX | LOCK_NB), EWOULDBLOCK);
    CHECK(!flock(b, LOCK_UN) && !flock(a, LOCK_EX | LOCK_NB));
    FAILS(flock(b, LOCK_SH | LOCK_NB), EWOULDBLOCK);
    int w = open("f", O_RDWR);
    CHECK(!lock(w, F_SETLK, F_WRLCK, 0, 0));
    int copy = dup(a);
    close(a);
    FAILS(flock(b, LOCK_SH | LOCK_NB), EWOULDBLOCK);
    long start = milliseconds();
    int pid = fork();
    close(copy);
    if (!pid) _exit((nap(60), 0));
    CHECK(!flock(b, LOCK_EX));
    CHECK(milliseconds() - start < 1000);
    exit_of(pid);
}

static void statx_tells_what_stat_tells(void) {
    alone();
    make("f", "12345");
    symlink("f", "l");
    struct stat s;
    struct statx x;
    CHECK(!stat("f", &s) && !statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS, &x));
    CHECK(x.stx_mode == s.st_mode && x.stx_size == 5 && x.stx_ino == s.st_ino && x.stx_nlink == 1 && x.stx_mtime.tv_sec == s.st_mtime);
    CHECK(makedev(x.stx_dev_major, x.stx_dev_minor) == s.st_dev && (x.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS);
    CHECK(!statx(AT_FDCWD, "l", AT_SYMLINK_NOFOLLOW, STATX_MODE, &x) && S_ISLNK(x.stx_mode));
    int fd = open("f", O_RDONLY);
    CHECK(!statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &x) && x.stx_size == 5);
    CHECK(!statx(AT_FDCWD, "/dev/null", 0, STATX_ALL, &x) && x.stx_rdev_major == 1 && x.stx_rdev_minor == 3);
    FAILS(statx(fd, "", 0, STATX_SIZE, &x), ENOENT);
    FAILS(statx(AT_FDCWD, "f", 0x40, STATX_SIZE, &x), EINVAL);
    FAILS(statx(AT_FDCWD, "f", 0x6000, STATX_SIZE, &x), EINVAL);
    FAILS(statx(AT_FDCWD, "f", 0, 0x80000000U, &x), EINVAL);
    FAILS(syscall(SYS_statx, AT_FDCWD, "f", 0, 0, 1), EFAULT);
}
static void access_by_either_id(void) {
    alone();
    make("f", "x");
    chmod("f", 0600);

    CHECK(!syscall(SYS_faccessat2, AT_FDCWD, "f", R_OK, AT_SYMLINK_NOFOLLOW));
    int fd = open("f", O_RDONLY);
    CHECK(!syscall(SYS_faccessat2, fd, "", R_OK, AT_EMPTY_PATH));
    FAILS(syscall(SYS_faccessat2, AT_FDCWD, "f", R_OK, 0x40), EINVAL);
    FAILS(syscall(SYS_faccessat2, AT_FDCWD, "f", 8, 0), EINVAL);
    if (!setresuid(0, 65534, 0)) {
        CHECK(!syscall(SYS_faccessat2, AT_FDCWD, "f", R_OK, 0));
        FAILS(syscall(SYS_faccessat2, AT_FDCWD, "f", R_OK, AT_EACCESS), EACCES);
    }
}
static void files_without_names(void) {
    alone();
    mkdir("d", 0755);
    int fd = open("d", O_TMPFILE | O_RDWR, 0640);
    struct stat s;
    CHECK(fd >= 0 && write(fd, "hidden", 6) == 6 && !fstat(fd, &s) && s.st_nlink == 0 && (s.st_mode & 07777) == 0640);
    DIR *d = opendir("d");
    int names = 0;
    while (readdir(d)) names++;
    CHECK(names == 2);
    char self[40];
    sprintf(self, "/proc/self/fd/%d", fd);
    CHECK(!linkat(AT_FDCWD, self, AT_FDCWD, "d/shown", AT_SYMLINK_FOLLOW) && is("d/shown", "hidden"));
    CHECK(!fstat(fd, &s) && s.st_nlink == 1);
    int only = open("d", O_TMPFILE | O_RDWR | O_EXCL, 0600);
    CHECK(only >= 0);
    sprintf(self, "/proc/self/fd/%d", only);
    FAILS(linkat(AT_FDCWD, self, AT_FDCWD, "d/other", AT_SYMLINK_FOLLOW), ENOENT);
    FAILS(open("d", O_TMPFILE | O_RDONLY, 0600), EINVAL);
    FAILS(open("d/shown", O_TMPFILE | O_RDWR, 0600), ENOTDIR);
    FAILS(open("missing", O_TMPFILE | O_RDWR, 0600), ENOENT);
    FAILS(open("d", O_TMPFILE | O_CREAT | O_RDWR, 0600), EINVAL);
    rmdir("d");
}
static void descriptors_of_paths(void) {
    alone();
    make("f", "x");
    mkdir("d", 0755);
    make("d/in", "y");
    symlink("f", "l");
    int fd = open("f", O_PATH), link = open("l", O_PATH | O_NOFOLLOW), dir = open("d", O_PATH);
    struct stat s;
    char c;
    FAILS(read(fd, &c, 1), EBADF);
    FAILS(write(fd, &c, 1), EBADF);
    FAILS(syscall(SYS_fchmod, fd, 0600), EBADF);
    FAILS(ftruncate(fd, 0), EBADF);
    FAILS(lseek(fd, 0, SEEK_SET), EBADF);
    FAILS(ioctl(fd, FIONREAD, &c), EBADF);
    FAILS(fsync(fd), EBADF);
    FAILS(syscall(SYS_getdents64, dir, &s, sizeof s), EBADF);
    CHECK(!fstat(fd, &s) && S_ISREG(s.st_mode) && !fstat(link, &s) && S_ISLNK(s.st_mode));
    char text[8] = "";
    CHECK(readlinkat(link, "", text, 8) == 1 && text[0] == 'f');
    CHECK(fcntl(fd, F_GETFL) == O_PATH);
    CHECK(!faccessat(dir, "in", F_OK, 0) && !fchdir(dir) && exists("in"));
    char self[40];
    sprintf(self, "/proc/self/fd/%d", fd);
    CHECK(is(self, "x"));
    struct statfs f;
    CHECK(!fstatfs(fd, &f) && f.f_type == 0x01021994);
}
static void pipes_have_attributes(void) {
    alone();
    int p[2];
    struct stat s;
    pipe(p);
    CHECK(!fchmod(p[0], 0640) && !fstat(p[1], &s) && s.st_mode == (S_IFIFO | 0640));
    CHECK(!fstatat(p[0], "", &s, AT_EMPTY_PATH) && S_ISFIFO(s.st_mode) && !fchown(p[0], 0, 0) && !futimens(p[0], NULL));
    FAILS(fchdir(p[0]), ENOTDIR);
    FAILS(openat(p[0], "x", O_RDONLY), ENOTDIR);
    char self[40], text[40] = "", wanted[40];
    sprintf(self, "/proc/self/fd/%d", p[0]);
    CHECK(readlink(self, text, 39) > 0);
    sprintf(wanted, "pipe:[%lu]", (long)s.st_ino);
    CHECK(!strcmp(text, wanted));
    sprintf(self, "/proc/self/fd/%d", p[1]);
    int again = open(self, O_WRONLY);
    char c = 0;
    CHECK(again >= 0 && write(again, "x", 1) == 1 && read(p[0], &c, 1) == 1 && c == 'x');
    CHECK(!fstat(again, &s) && !strcmp((sprintf(text, "pipe:[%lu]", (long)s.st_ino), text), wanted));
}
static int rename2(const char *from, const char *to, unsigned flags) { return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags); }
static void exchanges(void) {
    alone();
    make("a", "A"); make("b", "B");
    mkdir("d", 0755); make("d/in", "D"); mkdir("e", 0755);
    CHECK(!rename2("a", "b", 2) && is("a", "B") && is("b", "A"));
    CHECK(!rename2("a", "d", 2) && is("d", "B") && is("a/in", "D"));
    CHECK(!rename2("a", "e", 2) && is("e/in", "D") && !exists("a/in"));
    CHECK(!rename2("b", "e/in", 2) && is("b", "D") && is("e/in", "A"));
    FAILS(rename2("a", "missing", 2), ENOENT);
    FAILS(rename2("e", "e/in", 2), EINVAL);
    FAILS(rename2("e/in", "e", 2), EINVAL);
    FAILS(rename2("b", "e", 3), EINVAL);
    FAILS(rename2("b", "e", 64), EINVAL);
    FAILS(rename2("b", "d", 1), EEXIST);
    CHECK(!rename2("b", "new", 1) && is("new", "D"));
    struct stat s;
    CHECK(!stat(".", &s) && s.st_nlink == 4);
}
static void vectors_at_offsets(void) {
    alone();
    make("f", "0123456789");
    int fd = open("f", O_RDWR), p[2];
    char a[3] = "", b[4] = "";
    struct iovec v[2] = { { a, 2 }, { b, 3 } };
    CHECK(preadv(fd, v, 2, 4) == 5 && !strcmp(a, "45") && !strcmp(b, "678") && lseek(fd, 0, SEEK_CUR) == 0);
    CHECK(pwritev(fd, v, 2, 0) == 5 && is("f", "4567856789"));
    FAILS(preadv(fd, v, 2, -1), EINVAL);
    pipe(p);
    FAILS(preadv(p[0], v, 2, 0), ESPIPE);
    FAILS(preadv(99, v, 2, 0), EBADF);
}
static void copies_between_files(void) {
    alone();
    make("f", "0123456789");
    int in = open("f", O_RDONLY), out = open("o", O_CREAT | O_RDWR, 0600), p[2];
    off_t at = 3;
    CHECK(sendfile(out, in, &at, 4) == 4 && at == 7 && lseek(in, 0, SEEK_CUR) == 0 && is("o", "3456"));
    CHECK(sendfile(out, in, NULL, 2) == 2 && lseek(in, 0, SEEK_CUR) == 2 && is("o", "345601"));
    pipe(p);
    lseek(in, 0, SEEK_SET);
    CHECK(sendfile(p[1], in, NULL, 100) == 10);
    char text[16] = "";
    CHECK(read(p[0], text, 16) == 10 && !memcmp(text, "0123456789", 10));
    int zero = open("/dev/zero", O_RDONLY), null = open("/dev/null", O_WRONLY);
    CHECK(sendfile(null, zero, NULL, 5000) == 5000 || errno == EINVAL);
    FAILS(sendfile(out, in, (off_t *)1, 1), EFAULT);
    int append = open("o", O_WRONLY | O_APPEND);
    FAILS(sendfile(append, in, NULL, 1), EINVAL);
}
static void preallocation(void) {
    alone();
    int fd = open("f", O_CREAT | O_RDWR, 0600), p[2];
    struct stat s;
    CHECK(!syscall(SYS_fallocate, fd, 0, 0, 10000) && !fstat(fd, &s) && s.st_size == 10000 && s.st_blocks >= 20);
    pwrite(fd, "x", 1, 5000);
    CHECK(!syscall(SYS_fallocate, fd, 0, 4000, 2000) && !fstat(fd, &s) && s.st_size == 10000);
    char c = 0;
    CHECK(pread(fd, &c, 1, 5000) == 1 && c == 'x');
    FAILS(syscall(SYS_fallocate, fd, 0, 0, 0), EINVAL);
    FAILS(syscall(SYS_fallocate, fd, 0, -1L, 5L), EINVAL);
    pipe(p);
    FAILS(syscall(SYS_fallocate, p[1], 0, 0, 5), ESPIPE);
    int ro = open("f", O_RDONLY);
    FAILS(syscall(SYS_fallocate, ro, 0, 0, 5), EBADF);
}
static void size_limits(void) {
    alone();
    struct rlimit limit = { 100, 200 };
    catch_it(SIGXFSZ, 0);
    int fd = open("f", O_CREAT | O_RDWR, 0600);
    CHECK(!setrlimit(RLIMIT_FSIZE, &limit));
    char big[150] = "";
    CHECK(write(fd, big, 150) == 100 && !caught);
    FAILS(write(fd, big, 1), EFBIG);
    CHECK(caught == SIGXFSZ);
    caught = 0;
    FAILS(ftruncate(fd, 101), EFBIG);
    CHECK(caught == SIGXFSZ && !ftruncate(fd, 50) && !ftruncate(fd, 100));
    CHECK(write(open("/dev/null", O_WRONLY), big, 150) == 150);
    FAILS(ftruncate(fd, -1), EINVAL);
    FAILS(truncate("f", -1), EINVAL);
    mkdir("d", 0755);
    FAILS(truncate("d", 0), EISDIR);
    mkfifo("p", 0600);
    FAILS(truncate("p", 0), EINVAL);
    int ro = open("f", O_RDONLY);
    FAILS(ftruncate(ro, 0), EINVAL);
}
static void times_have_rules(void) {
    alone();
    make("mine", ""); make("public", "");
    chmod("public", 0666);
    struct timespec now[2] = { { 0, UTIME_NOW }, { 0, UTIME_NOW } }, one[2] = { { 0, UTIME_NOW }, { 0, UTIME_OMIT } }, none[2] = { { 0, UTIME_OMIT }, { 0, UTIME_OMIT } };
    struct timespec odd[2] = { { 0, 1000000000 }, { 0, 0 } };
    FAILS(utimensat(AT_FDCWD, "mine", odd, 0), EINVAL);
    FAILS(utimensat(AT_FDCWD, "missing", now, 0), ENOENT);
    FAILS(utimensat(AT_FDCWD, "mine", now, 0x40), EINVAL);
    if (setresuid(65534, 65534, 65534)) return;
    CHECK(!utimensat(AT_FDCWD, "public", now, 0) && !utimensat(AT_FDCWD, "public", NULL, 0) && !utimensat(AT_FDCWD, "mine", none, 0));
    FAILS(utimensat(AT_FDCWD, "public", one, 0), EPERM);
    FAILS(utimensat(AT_FDCWD, "mine", now, 0), EACCES);
    FAILS(utimensat(AT_FDCWD, "mine", NULL, 0), EACCES);
}
static void devices(void) {
    alone();
    char text[8] = "abcdefg";
    int full = open("/dev/full", O_RDWR), zero = open("/dev/zero", O_RDWR), random = open("/dev/urandom", O_RDONLY);
    FAILS(write(full, "x", 1), ENOSPC);
    CHECK(read(full, text, 4) == 4 && !memcmp(text, "\0\0\0\0efg", 8));
    CHECK(write(zero, "x", 1) == 1 && read(random, text, 8) == 8);
    struct stat s;
    CHECK(!stat("/dev/random", &s) && s.st_rdev == makedev(1, 8) && !stat("/dev/tty", &s) && s.st_rdev == makedev(5, 0));
    CHECK(!stat("/dev/shm", &s) && S_ISDIR(s.st_mode) && s.st_mode & S_ISVTX);
    CHECK(!lstat("/dev/fd", &s) && S_ISLNK(s.st_mode) && !lstat("/dev/stdin", &s) && S_ISLNK(s.st_mode));
    int p[2];
    pipe(p);
    write(p[1], "piped", 5);
    close(p[1]);
    dup2(p[0], 0);
    CHECK(is("/dev/stdin", "piped"));
    struct statfs f;
    CHECK(!statfs("/proc", &f) && f.f_type == 0x9fa0 && !statfs("/tmp", &f) && f.f_type == 0x01021994);
}

static void creating_through_links(void) {
    alone();
    mkdir("d", 0755);
    symlink("d/made", "l"); symlink("l", "m"); symlink("/tmp/d/other", "n"); symlink("loop", "loop"); symlink("missing/x", "o");
    make("m", "1");
    CHECK(is("d/made", "1"));
    make("n", "2");
    CHECK(is("d/other", "2"));
    FAILS(open("loop", O_CREAT | O_RDWR, 0600), ELOOP);
    FAILS(open("o", O_CREAT | O_RDWR, 0600), ENOENT);
    unlink("d/made");
    FAILS(open("l", O_CREAT | O_EXCL | O_RDWR, 0600), EEXIST);
    FAILS(open("l", O_CREAT | O_NOFOLLOW | O_RDWR, 0600), ELOOP);
    int fd = open("f", O_CREAT | O_RDWR, 0600);
    dup2(fd, 200);
    make("/dev/fd/200", "by its number");
    CHECK(is("f", "by its number"));
    FAILS(open("/dev/fd/201", O_CREAT | O_RDWR, 0600), ENOENT);
}
static void watching_files(void) {
    alone();
    struct { int wd; unsigned mask, cookie, len; } e[4];
    make("f", "1");
    int n = syscall(SYS_inotify_init1, O_NONBLOCK), a, b;
    CHECK(n >= 0 && (a = syscall(SYS_inotify_add_watch, n, "f", 2)) >= 1);
    mkdir("d", 0755);
    CHECK((b = syscall(SYS_inotify_add_watch, n, "d", 0x100)) > a && syscall(SYS_inotify_add_watch, n, "f", 2 | 0x20000000) == a);
    FAILS(read(n, e, sizeof e), EAGAIN);
    struct pollfd p = { n, POLLIN };
    CHECK(poll(&p, 1, 0) == 0);
    int fd = open("f", O_WRONLY | O_APPEND);
    write(fd, "2", 1); write(fd, "3", 1);
    FAILS(read(n, e, 4), EINVAL);
    CHECK(poll(&p, 1, 0) == 1 && read(n, e, sizeof e) == 16 && e[0].wd == a && e[0].mask == 2 && e[0].len == 0);
    chmod("f", 0600);
    FAILS(read(n, e, sizeof e), EAGAIN);
    CHECK(!syscall(SYS_inotify_rm_watch, n, a) && read(n, e, sizeof e) == 16 && e[0].wd == a && e[0].mask == 0x8000);
    FAILS(syscall(SYS_inotify_rm_watch, n, a), EINVAL);
    FAILS(syscall(SYS_inotify_add_watch, n, "missing", 2), ENOENT);
    FAILS(syscall(SYS_inotify_add_watch, n, "f", 0), EINVAL);
    FAILS(syscall(SYS_inotify_add_watch, n, "f", 2 | 0x01000000), ENOTDIR);
    FAILS(syscall(SYS_inotify_add_watch, 0, "f", 2), EINVAL);
    FAILS(syscall(SYS_inotify_init1, 1), EINVAL);
}

static const struct property properties[] = {
    T(record_locks), T(relative_ranges), T(locks_block_others), T(closing_unlocks), T(deadlocks_are_found),
    T(waiting_is_interrupted), T(locks_of_open_files), T(whole_file_locks), T(statx_tells_what_stat_tells),
    T(access_by_either_id), T(files_without_names), T(descriptors_of_paths), T(pipes_have_attributes), T(exchanges),
    T(vectors_at_offsets), T(copies_between_files), T(preallocation), T(size_limits), T(times_have_rules), T(devices),
    T(creating_through_links), T(watching_files), { 0 },
};
int main(int argc, char **argv) { return run_properties(properties, argc, argv); }
