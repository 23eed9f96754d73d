/* sysfuzz: random system calls with hostile arguments, from several processes, in rounds; nothing may remain of a round.
 *
 *     init=/bin/sysfuzz -- [-n CALLS] [-s SEED] [-p PROCESSES] [-r CALLS A ROUND] [-x CALL TO OMIT] [-v]
 *
 * It must be process 1, whom no signal kills and to whom all orphans come: after each round it kills whoever is left, takes
 * away the round's root directory, and compares the kernel's account of memory (/proc/frames) with the one before.
 * The calls of a seed are always the same. The machine ends with status 0, or 1 after a leak or a process that can't be
 * ended; a panic ends it by itself. Calls that would end the machine (reboot) are left out.
 */
#define _GNU_SOURCE
#include "sysfuzz.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "fuzz_calls.h"

#define WORKERS 16
#define ROOT "/tmp/sysfuzz"
#define KEPT 8                              /* objects and frames that may still be on their way out at the end */

static struct { volatile long calls; volatile int last; } *progress;    /* of each worker; shared with them */
static long killed;
static int omitted = -1;                 /* a call that is not made: to find out which one a leak takes */

static void pass(long ns) {
    struct timespec t = { 0, ns };
    nanosleep(&t, NULL);
}

/* What is not there of the files and devices below the current directory. */
static void make_files(void) {
    static const char *const directories[] = { "d", "d/d", "e", "w", "dev", "dev/pts", "proc" };
    for (unsigned i = 0; i < sizeof directories / sizeof *directories; i++) mkdir(directories[i], 0777), chmod(directories[i], 0777);
    static const struct { const char *name; int dev; } devices[] = {
        { "dev/null", 0x103 }, { "dev/zero", 0x105 }, { "dev/full", 0x107 }, { "dev/urandom", 0x109 }, { "dev/tty", 0x500 }, { "dev/ptmx", 0x502 } };
    for (int i = 0; i < 6; i++) mknod(devices[i].name, S_IFCHR | 0666, devices[i].dev), chmod(devices[i].name, 0666);
    static const char *const files[] = { "a", "d/b", "d/d/f", "script" };
    for (int i = 0; i < 4; i++) {
        int fd = open(files[i], O_CREAT | O_EXCL | O_WRONLY, 0777);
        if (fd < 0) continue;
        write(fd, "#!/prog\nsome text\n", 18);
        fchmod(fd, 0777);
        close(fd);
    }
    symlink("d", "l");
    mkfifo("p", 0666);
    chmod("p", 0666);
}

/* The workers' root: a tmpfs with a few files, devices and mounts. */
static void make_root(void) {
    mkdir(ROOT, 0755);
    if (mount("none", ROOT, "tmpfs", 0, "size=8m") || chdir(ROOT)) perror(ROOT), exit(1);
    chmod(".", 0777);
    make_files();
    mount("proc", "proc", "proc", 0, NULL);
    mount("devpts", "dev/pts", "devpts", 0, NULL);
    if (!fork()) execl("/bin/cp", "cp", "/bin/true", "prog", NULL), _exit(1);
    wait(NULL);
    chmod("prog", 0755);
    chdir("/");
}

/* The call itself, without the C library, whose thread-local memory may be gone. A clone that begins on a stack of its
 * own ends there at once. */
static long make_call(int number, const long *a) {
    register long r10 __asm__("r10") = a[3], r8 __asm__("r8") = a[4], r9 __asm__("r9") = a[5];
    long result = number;
    __asm__ volatile("movq %%rsp, %%rbx; syscall; cmpq %%rsp, %%rbx; je 1f; movl $60, %%eax; xorl %%edi, %%edi; syscall; 1:"
                     : "+a"(result) : "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "rbx", "memory");
    return result;
}

static bool left_out(const struct call *c, const long *a) {
    switch (c->number) {
    case SYS_reboot: return true;
    case SYS_prlimit64: return a[0] == 1;           /* the limits of process 1 are its own */
    case SYS_exit: case SYS_exit_group: return !chance(2);
    case SYS_pause: case SYS_rt_sigreturn: return !chance(10);
    case SYS_fork: case SYS_vfork: case SYS_clone: case SYS_clone3: return !chance(20);
    case SYS_kill: return a[0] == -1 && !chance(5);
    }
    return false;
}

static void note(int signo) {}

/* Makes calls until `left` are done or one ends us. A process that comes of one makes a few and ends. */
static void work(int me, long left) {
    int count = 0, parent = 1;
    while (calls[count].name) count++;
    while (left > 0) {
        const struct call *c = &calls[draw() % count];
        long a[6];
        for (int i = 0; i < 6; i++) a[i] = c->type[i] ? value_of(c->type[i]) : (long)draw() << 3;
        if (left_out(c, a)) continue;
        int number = chance(1) ? (int)(draw() % 600) : c->number;
        if (number == SYS_reboot) continue;
        left--;
        progress[me].calls++;
        progress[me].last = number;
        long result = number == omitted ? -ENOSYS : make_call(number, a);
        values_learn(number, result);
        if (!result && parent && (number == SYS_fork || number == SYS_vfork || number == SYS_clone || number == SYS_clone3)) {
            parent = 0;
            left = draw() % 30;
            draw_from(draw() + syscall(SYS_gettid));
        }
    }
    syscall(SYS_exit_group, 0);
}

static void begin_work(int me, unsigned long seed, long left) {
    draw_from(seed);
    values_prepare();
    unshare(CLONE_NEWNS);
    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
    int null = open("/dev/null", O_RDWR), pair[2];
    for (int fd = 0; fd < 3; fd++) dup2(null, fd);
    if (chroot(ROOT) || chdir("/")) _exit(1);
    make_files();
    open("/a", O_RDWR);
    open("/d", O_RDONLY);
    open("/dev/ptmx", O_RDWR | O_NOCTTY);
    pipe(pair);
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
    socket(AF_INET, SOCK_STREAM, 0);
    epoll_create1(0);
    eventfd(0, 0);
    timerfd_create(CLOCK_MONOTONIC, 0);
    memfd_create("m", 0);
    setsid();
    if (me % 2) setgroups(0, NULL), setresgid(500, 500, 500), setresuid(500, 500, 500);
    struct rlimit few = { 64, 64 };
    setrlimit(RLIMIT_NPROC, &few);
    /* Whatever waits is interrupted, as long as it hasn't seen to it that it isn't. */
    struct sigaction ring = { .sa_handler = note };
    sigaction(SIGALRM, &ring, NULL);
    struct itimerval every = { { 0, 1000 }, { 0, 1000 } };
    setitimer(ITIMER_REAL, &every, NULL);
    work(me, left);
}

/* Everybody else is killed, and must end soon. False: somebody doesn't. */
static bool end_all(void) {
    for (int attempt = 0; attempt < 5000; attempt++) {
        kill(-1, SIGKILL);
        pid_t pid;
        while ((pid = waitpid(-1, NULL, WNOHANG | __WALL)) > 0) ;
        if (pid < 0 && errno == ECHILD) return true;
        pass(1000000);
    }
    return false;
}

/* What is known of a process that goes neither on nor away. */
static void describe(int worker, pid_t pid) {
    char path[40], line[200];
    printf("  worker %d, process %d, last call %d\n", worker, pid, progress[worker].last);
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *f = fopen(path, "r");
    for (int i = 0; f && i < 12 && fgets(line, sizeof line, f); i++) printf("    %s", line);
    if (f) fclose(f);
}

/* False: a worker that was killed hasn't ended for five seconds. */
static bool run_round(unsigned long seed, int workers, long calls_each) {
    pid_t pids[WORKERS] = { 0 };
    long seen[WORKERS] = { 0 }, still[WORKERS] = { 0 };
    int busy = workers;
    for (int i = 0; i < workers; i++) progress[i].calls = 0;
    while (busy) {
        pass(1000000);
        while (waitpid(-1, NULL, WNOHANG | __WALL) > 0) ;
        busy = 0;
        for (int i = 0; i < workers; i++) {
            if (progress[i].calls >= calls_each) continue;
            busy++;
            bool lives = pids[i] && !kill(pids[i], 0);
            still[i] = lives && progress[i].calls == seen[i] ? still[i] + 1 : 0;
            seen[i] = progress[i].calls;
            if (still[i] > 20) kill(pids[i], SIGKILL);      /* it waits, and hears no alarm */
            if (still[i] > 5000) return describe(i, pids[i]), false;
            if (lives) continue;
            killed += pids[i] != 0;
            pids[i] = fork();
            if (!pids[i]) begin_work(i, seed * WORKERS + i + (progress[i].calls << 20), calls_each - progress[i].calls);
        }
    }
    return true;
}

static void account(char *line, size_t size) {
    for (int time = 0; time < 2; time++) {
        int fd = open("/proc/frames", O_RDONLY);
        ssize_t n = read(fd, line, size - 1);
        line[n < 0 ? 0 : n] = 0;
        close(fd);
    }
}

/* Frames and objects in use, all together. */
static long total(const char *line) {
    long sum = 0;
    for (char *end; *line; line = end) {
        while (*line && (*line < '0' || *line > '9')) line++;
        sum += strtol(line, &end, 10);
    }
    return sum;
}

int main(int argc, char **argv) {
    long wanted = 200000, round_calls = 20000, done = 0, rounds = 0;
    unsigned long seed = 1;
    long held = 0;                          /* more in use than before */
    int workers = 4, option;
    bool verbose = false;
    while ((option = getopt(argc, argv, "n:s:p:r:x:v")) > 0) {
        if (option == 'n') wanted = atol(optarg);
        else if (option == 's') seed = atol(optarg);
        else if (option == 'p') workers = atoi(optarg) < WORKERS ? atoi(optarg) : WORKERS;
        else if (option == 'r') round_calls = atol(optarg);
        else if (option == 'x') omitted = atoi(optarg);
        else if (option == 'v') verbose = true;
        else return 2;
    }
    if (getpid() != 1) {
        fprintf(stderr, "sysfuzz: must be process 1 of a machine that may be lost: init=/bin/sysfuzz\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    mkdir("/tmp", 0755);
    mount("proc", "/proc", "proc", 0, NULL);
    mount("tmpfs", "/tmp", "tmpfs", 0, NULL);
    /* Far from all that random addresses reach. */
    progress = mmap((void *)0x600000000000, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char before[300] = "", after[300];
    for (; done < wanted; rounds++) {
        account(before, sizeof before);
        make_root();
        bool ended = run_round(seed + rounds, workers, round_calls / workers);
        long made = 0;
        for (int i = 0; i < workers; i++) made += progress[i].calls;
        done += made;
        if (!end_all() || !ended) {
            printf("sysfuzz: round %ld (-s %lu): a process can't be ended\n", rounds, seed + rounds);
            return 1;
        }
        umount2(ROOT, MNT_DETACH);
        for (int wait = 0; wait < 10; wait++) {
            account(after, sizeof after);
            if (!strcmp(before, after)) break;
            pass(5000000);
        }
        /* What the first round brings into memory may be there to stay; what goes later only came late. */
        long more = rounds ? total(after) - total(before) : 0;
        held += more;
        if (held < 0) held = 0;
        if (more > 0) printf("sysfuzz: round %ld (-s %lu) leaves something, so far:\n  %s\n  %s\n", rounds, seed + rounds, before, after);
        if (verbose) printf("round %ld: %ld calls, %ld in all, %ld workers killed\n", rounds, made, done, killed);
    }
    printf("sysfuzz: %ld calls in %ld rounds, %ld workers lost, %ld kept\n", done, rounds, killed, held);
    return held > KEPT;
}
