/* usertests: what a program may expect of the kernel, one property at a time.
 *
 *     usertests [-l] [-j] [-d DIR] [NAME...]
 *
 * A NAME is a test's or an area's; none means all. -l lists them. -j writes a line of JSON for each. -d is where
 * they make their files (default /tmp). The status is 0 if all hold, else 1.
 *
 * On a kernel that has /proc/frames, what is in use after each test is compared with what was before.
 */
#include "tests.h"
#include <ftw.h>
#include <sys/mount.h>

#define SECONDS 20                              /* a test that takes longer has failed */
#define REASON 400

extern const struct test __start_tests[], __stop_tests[];

static char (*reason)[REASON];                  /* shared with all descendants; and whether the test came to its end */
static const char *base = "/tmp";
static char directory[PATH_MAX];
static volatile pid_t running;

noreturn void fail(const char *file, int line, const char *format, ...) {
    if (!**reason) {
        int n = snprintf(*reason, REASON, "%s:%d: ", file, line);
        va_list ap;
        va_start(ap, format);
        vsnprintf(*reason + n, REASON - n, format, ap);
        va_end(ap);
    }
    _exit(1);
}

static void too_late(int signo) { kill(-running, SIGKILL); }

/* pid 1 has nobody before it who mounts what the tests need. */
static void be_init(void) {
    mkdir("/proc", 0755);
    mount("proc", "/proc", "proc", 0, NULL);
    mkdir("/tmp", 01777);
    mount("tmpfs", "/tmp", "tmpfs", 0, NULL);
}

/* Unmount all that is mounted below our directory, the last first. */
static void unmount_all(void) {
    char line[PATH_MAX], last[PATH_MAX], where[PATH_MAX];
    do {
        FILE *mounts = fopen("/proc/self/mounts", "r");
        *last = 0;
        while (mounts && fgets(line, sizeof line, mounts))
            if (sscanf(line, "%*s %4095s", where) == 1 && !strncmp(where, directory, strlen(directory))) strcpy(last, where);
        if (mounts) fclose(mounts);
    } while (*last && (!umount2(last, MNT_DETACH) || !umount(last)));
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at) { return remove(path); }

static void run(const struct test *t) {
    static int number;
    **reason = reason[1][0] = 0;
    snprintf(directory, sizeof directory, "%s/usertests.%d.%d", base, getpid(), number++);
    if (mkdir(directory, 0755)) snprintf(*reason, REASON, "%s: %s", directory, strerror(errno));
    running = fork();
    if (!running) {
        signal(SIGALRM, SIG_DFL);
        setpgid(0, 0);
        if (chdir(directory)) fail(__FILE_NAME__, __LINE__, "%s: errno %d", directory, errno);
        umask(022);
        t->run();
        reason[1][0] = true;
        _exit(0);
    }
    int status = -1;
    pid_t ended;
    alarm(SECONDS);
    do ended = waitpid(-1, &status, 0);
    while (ended != running && (ended > 0 || errno == EINTR));
    bool late = !alarm(0);
    kill(-running, SIGKILL);                    /* whom it has left behind */
    while (getpid() == 1 ? waitpid(-1, NULL, 0) > 0 : kill(-running, 0) == 0) usleep(1000);
    unmount_all();
    nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    if (**reason) return;
    if (late) snprintf(*reason, REASON, "not done after %d seconds", SECONDS);
    else if (status) snprintf(*reason, REASON, "ended with status %#x", status);
    else if (!reason[1][0]) strcpy(*reason, "ended before its end");
}

/* The kernel's account of memory in use, caches emptied: one line, equal if nothing has been kept. Read twice, for
 * pages of our own code are among what it drops: between the two we touch the same ones each time. */
static bool account(char *line, size_t size) {
    ssize_t n = 0;
    for (int time = 0; time < 2; time++) {
        int fd = open("/proc/frames", O_RDONLY);
        if (fd < 0) return false;
        n = read(fd, line, size - 1);
        close(fd);
    }
    line[n < 0 ? 0 : n] = 0;
    return true;
}

/* As run(). What grows at the first run may be there to stay; what grows at every one is lost. */
static void run_counted(const struct test *t) {
    char before[REASON / 2 - 20], after[sizeof before];
    for (int attempt = 0; attempt < 3; attempt++) {
        bool counted = account(before, sizeof before);
        run(t);
        if (**reason || !counted) return;
        for (int wait = 0; wait < 20; wait++) { /* the dead are buried by others */
            account(after, sizeof after);
            if (!strcmp(before, after)) return;
            usleep(2000);
        }
    }
    snprintf(*reason, REASON, "leaks: before %s, after %s", before, after);
}

static void print_quoted(const char *text) {
    putchar('"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') putchar('\\');
        if ((unsigned char)*text < ' ') printf("\\u%04x", *text);
        else putchar(*text);
    }
    putchar('"');
}

static int area_length(const struct test *t) { return strcspn(t->file, "."); }

static bool wanted(const struct test *t, char **names) {
    if (!*names) return true;
    for (; *names; names++)
        if (!strcmp(*names, t->name) || (!strncmp(*names, t->file, area_length(t)) && !(*names)[area_length(t)])) return true;
    return false;
}

int main(int argc, char **argv) {
    bool list = false, json = false;
    int option, count = 0, failed = 0;
    while ((option = getopt(argc, argv, "ljd:")) > 0) {
        if (option == 'l') list = true;
        else if (option == 'j') json = true;
        else if (option == 'd') base = optarg;
        else return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (getpid() == 1) be_init();
    reason = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    handle(SIGALRM, too_late, 0);
    for (const struct test *t = __start_tests; t < __stop_tests; t++) {
        if (!wanted(t, argv + optind)) continue;
        count++;
        if (list) {
            printf("%.*s %s\n", area_length(t), t->file, t->name);
            continue;
        }
        run_counted(t);
        if (**reason) failed++;
        if (json) {
            printf("{\"name\": \"%s\", \"area\": \"%.*s\", \"holds\": %s, \"why\": ", t->name, area_length(t), t->file, **reason ? "false" : "true");
            print_quoted(*reason);
            puts("}");
        } else if (**reason) {
            printf("%s: FAILED: %s\n", t->name, *reason);
        } else {
            printf("%s: ok\n", t->name);
        }
    }
    if (!list && !json) printf("usertests: %d of %d failed\n", failed, count);
    if (!count) fprintf(stderr, "usertests: no test of that name; -l lists them\n");
    return failed || !count;
}
