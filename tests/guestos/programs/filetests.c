/* Properties of file system calls. Runs in the directory it is given, on the guest and on Linux alike:
 * Linux is the oracle of every expectation. Prints "FAIL name: why" for each that doesn't hold; the
 * status is the number of failures. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *name;
static int failures;

#define CHECK(condition) do { if (!(condition)) { failures++; printf("FAIL %s: line %d: %s (errno %d)\n", name, __LINE__, #condition, errno); } } while (0)
#define FAILS(call, error) do { errno = 0; long r_ = (long)(call); int e_ = errno; \
    if (r_ != -1 || e_ != (error)) { failures++; printf("FAIL %s: line %d: %s: expected -1 and errno %d, found %ld and %d\n", name, __LINE__, #call, error, r_, e_); } } while (0)

static void make(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    CHECK(fd >= 0);
    CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}
static const char *content(const char *path) {
    static char text[256];
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    close(fd);
    text[n < 0 ? 0 : n] = 0;
    return n < 0 ? "(none)" : text;
}

static void open_errors(void) {
    char longest[NAME_MAX + 3];
    make("file", "x");
    mkdir("dir", 0755);
    FAILS(open("missing", O_RDONLY), ENOENT);
    FAILS(open("", O_RDONLY), ENOENT);
    FAILS(open("file/x", O_RDONLY), ENOTDIR);
    FAILS(open("file/", O_RDONLY), ENOTDIR);
    FAILS(open("missing/x", O_CREAT | O_RDWR, 0644), ENOENT);
    FAILS(open("file", O_CREAT | O_EXCL | O_RDWR, 0644), EEXIST);
    FAILS(open("dir", O_CREAT | O_EXCL | O_RDWR, 0644), EEXIST);
    FAILS(open("dir", O_WRONLY), EISDIR);
    FAILS(open("dir", O_RDONLY | O_CREAT, 0644), EISDIR);
    FAILS(open("new/", O_RDWR | O_CREAT, 0644), EISDIR);
    FAILS(open("file", O_RDONLY | O_DIRECTORY), ENOTDIR);
    memset(longest, 'n', sizeof(longest));
    longest[NAME_MAX + 1] = 0;
    FAILS(open(longest, O_RDONLY), ENAMETOOLONG);
    longest[NAME_MAX] = 0;
    FAILS(open(longest, O_RDONLY), ENOENT);
    int fd = open(longest, O_CREAT | O_WRONLY, 0600);
    CHECK(fd >= 0 && !close(fd) && !unlink(longest));
    char *path = malloc(PATH_MAX + 10);
    memset(path, '/', PATH_MAX + 10);
    path[PATH_MAX] = 0;
    FAILS(open(path, O_RDONLY), ENAMETOOLONG);
    free(path);
    FAILS(open((char *)1, O_RDONLY), EFAULT);
    FAILS(close(99), EBADF);
    unlink("file");
    rmdir("dir");
}

static void symlinks(void) {
    char text[16];
    make("target", "t");
    CHECK(!symlink("target", "link") && !strcmp(content("link"), "t"));
    CHECK(readlink("link", text, sizeof(text)) == 6 && readlink("link", text, 3) == 3);
    FAILS(readlink("target", text, sizeof(text)), EINVAL);
    FAILS(open("link", O_RDONLY | O_NOFOLLOW), ELOOP);
    CHECK(!symlink("loop", "loop"));
    FAILS(open("loop", O_RDONLY), ELOOP);
    FAILS(open("loop", O_RDONLY | O_CREAT, 0644), ELOOP);
    CHECK(!symlink("later", "dangling"));
    FAILS(open("dangling", O_RDONLY), ENOENT);
    FAILS(open("dangling", O_RDWR | O_CREAT | O_EXCL, 0644), EEXIST);
    int fd = open("dangling", O_RDWR | O_CREAT, 0644);      /* creates what it points to */
    CHECK(fd >= 0 && !access("later", F_OK));
    close(fd);
    FAILS(symlink("x", "link"), EEXIST);
    FAILS(symlink("", "empty"), ENOENT);
    FAILS(mkdir("dangling2/", 0755) | symlink("nowhere", "dangling2") | mkdir("dangling2", 0755), EEXIST);
    rmdir("dangling2");
    const char *all[] = { "target", "link", "loop", "dangling", "later", "dangling2" };
    for (int i = 0; i < 6; i++) unlink(all[i]);
}

static void directories(void) {
    struct stat st;
    CHECK(!mkdir("d", 0755) && !stat("d", &st) && S_ISDIR(st.st_mode) && st.st_nlink == 2);
    FAILS(mkdir("d", 0755), EEXIST);
    CHECK(!mkdir("d/e/", 0700) && !stat("d", &st) && st.st_nlink == 3);
    FAILS(rmdir("d"), ENOTEMPTY);
    FAILS(rmdir("d/e/."), EINVAL);
    FAILS(rmdir("d/e/.."), ENOTEMPTY);
    FAILS(unlink("d/e"), EISDIR);
    FAILS(rmdir("/"), EBUSY);
    make("f", "");
    FAILS(rmdir("f"), ENOTDIR);
    FAILS(unlink("f/"), ENOTDIR);
    FAILS(link("d", "d2"), EPERM);
    CHECK(!chdir("d/e"));
    CHECK(!rmdir("../../d/e"));
    FAILS(open("x", O_CREAT | O_WRONLY, 0644), ENOENT);
    char where[64];
    FAILS(getcwd(where, sizeof(where)) ? 0 : -1, ENOENT);
    CHECK(!chdir("..") && !chdir(".."));
    FAILS(getcwd(where, 1) ? 0 : -1, ERANGE);
    CHECK(!rmdir("d") && !unlink("f"));
}

static void renames(void) {
    make("a", "a");
    make("b", "b");
    mkdir("d", 0755);
    mkdir("d/sub", 0755);
    mkdir("e", 0755);
    CHECK(!rename("a", "b") && !strcmp(content("b"), "a") && access("a", F_OK));
    FAILS(rename("missing", "x"), ENOENT);
    FAILS(rename("d", "d/sub/x"), EINVAL);
    FAILS(rename("b", "d"), EISDIR);
    FAILS(rename("d", "b"), ENOTDIR);
    FAILS(rename("e", "d"), ENOTEMPTY);
    FAILS(rename("d/sub", "d"), ENOTEMPTY);
    CHECK(!rename("d/sub", "e"));                           /* over an empty directory */
    struct stat d, e;
    CHECK(!stat("d", &d) && d.st_nlink == 2 && !stat("e", &e) && e.st_nlink == 2);
    CHECK(!rename("e", "d/f") && !stat("d", &d) && d.st_nlink == 3 && !stat("d/f/..", &e) && e.st_ino == d.st_ino);
    CHECK(!link("b", "c") && !rename("b", "c") && !access("b", F_OK));  /* two names of one file: nothing happens */
    FAILS(rename("d/f/.", "x"), EBUSY);
    unlink("b"), unlink("c"), rmdir("d/f"), rmdir("d");
}

static void contents(void) {
    char text[8];
    struct stat st;
    int fd = open("f", O_RDWR | O_CREAT | O_TRUNC, 0644);
    CHECK(pwrite(fd, "end", 3, 1000000) == 3 && !fstat(fd, &st) && st.st_size == 1000003 && st.st_blocks < 100);
    CHECK(pread(fd, text, 8, 500000) == 8 && !memcmp(text, "\0\0\0\0\0\0\0", 8));
    CHECK(pread(fd, text, 8, 1000000) == 3 && pread(fd, text, 8, 1000003) == 0);
    CHECK(lseek(fd, 0, SEEK_CUR) == 0 && lseek(fd, -3, SEEK_END) == 1000000 && read(fd, text, 8) == 3);
    FAILS(lseek(fd, -1, SEEK_SET), EINVAL);
    FAILS(lseek(fd, 0, 99), EINVAL);
    FAILS(pread(fd, text, 1, -1), EINVAL);
    CHECK(pwrite(fd, "xyz", 3, 0) == 3 && !ftruncate(fd, 1) && !ftruncate(fd, 3) && pread(fd, text, 3, 0) == 3 && !memcmp(text, "x\0", 3));
    FAILS(ftruncate(fd, -1), EINVAL);
    FAILS(write(fd, (void *)1, 1), EFAULT);
    CHECK(!unlink("f") && !fstat(fd, &st) && st.st_nlink == 0 && pwrite(fd, "still", 5, 0) == 5 && pread(fd, text, 5, 0) == 5);
    close(fd);
    make("f", "one");
    fd = open("f", O_RDWR | O_APPEND);
    CHECK(lseek(fd, 0, SEEK_SET) == 0 && write(fd, "two", 3) == 3 && lseek(fd, 0, SEEK_CUR) == 6 && !strcmp(content("f"), "onetwo"));
    struct iovec v[3] = { { "A", 1 }, { "", 0 }, { "BC", 2 } };
    CHECK(writev(fd, v, 3) == 3 && !strcmp(content("f"), "onetwoABC"));
    FAILS(writev(fd, v, -1), EINVAL);
    close(fd);
    fd = open("f", O_WRONLY);
    FAILS(read(fd, text, 1), EBADF);
    close(fd);
    fd = open("f", O_RDONLY);
    FAILS(write(fd, "x", 1), EBADF);
    FAILS(ftruncate(fd, 0), EINVAL);
    int out = open("g", O_RDWR | O_CREAT, 0644);
    off_t offset = 3;
    CHECK(sendfile(out, fd, &offset, 100) == 6 && offset == 9 && !strcmp(content("g"), "twoABC"));
    close(out);
    close(fd);
    fd = open(".", O_RDONLY);
    FAILS(read(fd, text, 1), EISDIR);
    close(fd);
    unlink("f"), unlink("g");
}

static void permissions(void) {
    struct stat st;
    umask(027);
    int fd = open("secret", O_CREAT | O_WRONLY, 0666);
    CHECK(!fstat(fd, &st) && (st.st_mode & 07777) == 0640);
    umask(022);
    close(fd);
    CHECK(!mkdir("closed", 0700) && !mkdir("sticky", 01777) && !chmod("sticky", 01777));
    make("sticky/root", "");
    pid_t child = fork();
    if (!child) {
        int before = failures;
        CHECK(!setgid(1000) && !setuid(1000));
        FAILS(open("secret", O_RDONLY), EACCES);
        FAILS(open("closed/x", O_RDONLY), EACCES);
        FAILS(access("secret", R_OK), EACCES);
        FAILS(chmod("secret", 0777), EPERM);
        FAILS(chown("secret", 1000, 1000), EPERM);
        FAILS(unlink("sticky/root"), EPERM);
        FAILS(mknod("sticky/dev", S_IFCHR | 0600, 0x103), EPERM);
        FAILS(mkdir("dir", 0755), EACCES);
        FAILS(utimensat(AT_FDCWD, "secret", NULL, 0), EACCES);
        FAILS(chroot("."), EPERM);
        FAILS(chdir("closed"), EACCES);
        fflush(stdout);
        _exit(failures - before);
    }
    int how;
    waitpid(child, &how, 0);
    failures += WEXITSTATUS(how);
    CHECK(!access("secret", W_OK));
    FAILS(access("secret", X_OK), EACCES);                  /* root too: nobody may execute it */
    FAILS(access("secret", 99), EINVAL);
    CHECK(!chown("secret", 7, 8) && !stat("secret", &st) && st.st_uid == 7 && st.st_gid == 8);
    CHECK(!chmod("secret", 06755) && !chown("secret", 1, -1) && !stat("secret", &st) && (st.st_mode & 07777) == 0755);
    struct timespec times[2] = { { 100, 0 }, { 0, UTIME_OMIT } };
    time_t modified = st.st_mtime;
    CHECK(!utimensat(AT_FDCWD, "secret", times, 0) && !stat("secret", &st) && st.st_atime == 100 && st.st_mtime == modified);
    times[0].tv_nsec = 2000000000;
    FAILS(utimensat(AT_FDCWD, "secret", times, 0), EINVAL);
    unlink("secret"), rmdir("closed"), unlink("sticky/root"), rmdir("sticky");
}

static void descriptors(void) {
    int fd = open("/dev/null", O_RDWR), copy = dup2(fd, 50);
    CHECK(copy == 50 && fcntl(50, F_GETFD) == 0 && !fcntl(50, F_SETFD, FD_CLOEXEC) && fcntl(50, F_GETFD) == FD_CLOEXEC);
    CHECK(dup2(50, 50) == 50 && fcntl(50, F_GETFD) == FD_CLOEXEC);
    FAILS(dup3(50, 50, 0), EINVAL);
    FAILS(dup2(99, 51), EBADF);
    FAILS(dup2(fd, -1), EBADF);
    int high = fcntl(fd, F_DUPFD_CLOEXEC, 60);
    CHECK(high == 60 && fcntl(60, F_GETFD) == FD_CLOEXEC && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR);
    FAILS(fcntl(99, F_GETFL), EBADF);
    FAILS(ioctl(fd, TIOCGWINSZ, NULL), ENOTTY);
    close(50), close(60), close(fd);
    fd = open("/dev/full", O_WRONLY);
    FAILS(write(fd, "x", 1), ENOSPC);
    close(fd);
    char zeros[4] = "abc";
    fd = open("/dev/zero", O_RDONLY);
    CHECK(read(fd, zeros, 4) == 4 && !memcmp(zeros, "\0\0\0", 4));
    close(fd);
    FAILS(mknod("dev", S_IFCHR | 0600, 0xf0f0) | open("dev", O_RDONLY), ENXIO);
    unlink("dev");
    fd = open(".", O_PATH);
    char c;
    FAILS(read(fd, &c, 1), EBADF);
    CHECK(!fchdir(fd) && openat(fd, "missing", O_RDONLY) < 0 && errno == ENOENT);
    close(fd);
}

static void ignore(int n) { (void)n; }

static void pipes(void) {
    int ends[2];
    char text[8192];
    CHECK(!pipe(ends) && write(ends[1], "abc", 3) == 3 && read(ends[0], text, 10) == 3);
    FAILS(lseek(ends[0], 0, SEEK_SET), ESPIPE);
    FAILS(pread(ends[0], text, 1, 0), ESPIPE);
    FAILS(write(ends[0], "x", 1), EBADF);
    int available = -1;
    CHECK(write(ends[1], "xy", 2) == 2 && !ioctl(ends[0], FIONREAD, &available) && available == 2 && read(ends[0], text, 2) == 2);
    struct pollfd p[2] = { { ends[0], POLLIN, 0 }, { ends[1], POLLOUT, 0 } };
    CHECK(poll(p, 2, 0) == 1 && p[0].revents == 0 && p[1].revents == POLLOUT);
    CHECK(poll(p, 1, 20) == 0);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    FAILS(read(ends[0], text, 1), EAGAIN);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    long filled = 0;
    for (ssize_t n; (n = write(ends[1], text, sizeof(text))) > 0;) filled += n;
    CHECK(filled == 65536 && errno == EAGAIN && poll(p + 1, 1, 0) == 0);
    CHECK(read(ends[0], text, 4096) == 4096 && poll(p + 1, 1, 0) == 1);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    struct timeval now = { 0, 0 };
    CHECK(select(ends[0] + 1, &set, NULL, NULL, &now) == 1 && FD_ISSET(ends[0], &set));
    close(ends[1]);
    while (read(ends[0], text, sizeof(text)) > 0) ;
    CHECK(poll(p, 1, -1) == 1 && p[0].revents == POLLHUP && read(ends[0], text, 1) == 0);
    close(ends[0]);
    CHECK(poll(p, 1, 0) == 1 && p[0].revents == POLLNVAL);
    pipe(ends);
    close(ends[0]);
    signal(SIGPIPE, SIG_IGN);
    FAILS(write(ends[1], "x", 1), EPIPE);
    signal(SIGPIPE, SIG_DFL);
    pid_t child = fork();
    if (!child) {
        write(ends[1], "x", 1);
        _exit(0);
    }
    int how;
    waitpid(child, &how, 0);
    CHECK(WIFSIGNALED(how) && WTERMSIG(how) == SIGPIPE);
    close(ends[1]);
    pipe(ends);
    struct sigaction action = { .sa_handler = ignore };
    sigaction(SIGALRM, &action, NULL);
    alarm(1);
    FAILS(read(ends[0], text, 1), EINTR);
    FAILS(pipe2(ends, 0x1), EINVAL);
    close(ends[0]), close(ends[1]);
}

static void fifos(void) {
    char text[8];
    CHECK(!mkfifo("fifo", 0600));
    FAILS(open("fifo", O_WRONLY | O_NONBLOCK), ENXIO);
    pid_t child = fork();
    if (!child) {
        int fd = open("fifo", O_WRONLY);
        write(fd, "through", 7);
        _exit(0);
    }
    int fd = open("fifo", O_RDONLY);
    CHECK(fd >= 0 && read(fd, text, 8) == 7 && read(fd, text, 8) == 0);
    close(fd);
    waitpid(child, NULL, 0);
    unlink("fifo");
}

static void listing(void) {
    mkdir("many", 0755);
    char path[64];
    for (int i = 0; i < 300; i++) {
        snprintf(path, sizeof(path), "many/a-name-of-some-length-%d", i);
        make(path, "");
    }
    DIR *d = opendir("many");
    int seen = 0, dots = 0;
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.') dots++;
        else {
            seen++;
            snprintf(path, sizeof(path), "many/%.40s", e->d_name);
            CHECK(e->d_type == DT_REG && !unlink(path));    /* removing while reading loses none */
        }
    }
    CHECK(seen == 300 && dots == 2);
    rewinddir(d);
    for (seen = 0; readdir(d);) seen++;
    CHECK(seen == 2);
    closedir(d);
    CHECK(!rmdir("many"));
    FAILS(opendir("/dev/null") ? 0 : -1, ENOTDIR);
    struct statfs st;
    CHECK(!statfs(".", &st) && st.f_bsize > 0 && st.f_namelen == NAME_MAX);
}

static void processes_seen_from_proc(void) {
    char link[64], text[256];
    int fd = open("seen", O_CREAT | O_RDWR, 0644);
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, text, sizeof(text) - 1);
    CHECK(n > 5 && !memcmp(text + n - 5, "/seen", 5));
    unlink("seen");
    n = readlink(link, text, sizeof(text) - 1);
    CHECK(n > 10 && !memcmp(text + n - 10, " (deleted)", 10));
    int again = open(link, O_RDWR);                         /* opens what has no name any more */
    CHECK(again >= 0 && write(again, "x", 1) == 1 && pread(fd, text, 1, 0) == 1);
    close(again), close(fd);
    FILE *f = fopen("/proc/self/stat", "r");
    int pid = 0, parent = 0;
    CHECK(f && fscanf(f, "%d (%*[^)]) %*c %d", &pid, &parent) == 2 && pid == getpid() && parent == getppid());
    if (f) fclose(f);
    FAILS(open("/proc/999999/stat", O_RDONLY), ENOENT);
    FAILS(open("/proc/self/missing", O_RDONLY), ENOENT);
    FAILS(mkdir("/proc/x", 0755) == -1 && (errno == EPERM || errno == ENOENT) ? (errno = ENOENT, -1) : 0, ENOENT);
}

static const struct { const char *name; void (*run)(void); } tests[] = {
    { "open_errors", open_errors }, { "symlinks", symlinks }, { "directories", directories }, { "renames", renames },
    { "contents", contents }, { "permissions", permissions }, { "descriptors", descriptors }, { "pipes", pipes },
    { "fifos", fifos }, { "listing", listing }, { "processes_seen_from_proc", processes_seen_from_proc },
};

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 1 && chdir(argv[1])) return perror(argv[1]), 255;
    umask(022);
    for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++) {
        name = tests[i].name;
        tests[i].run();
    }
    printf("%d failures\n", failures);
    return failures;
}
