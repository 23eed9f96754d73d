/* Properties of the controllers of control groups. They are for the guest: Linux offers a controller only once,
 * and most of its installations have some elsewhere. */
#include "groups.h"

/* Our group, in which "a" and "b" have all controllers. */
static void controlled(void) {
    group();
    OK(put(TOP "/cgroup.subtree_control", "+cpu +memory +pids"));
    OK(put("cgroup.subtree_control", "+cpu +memory +pids"));
    OK(mkdir("a", 0755));
    OK(mkdir("b", 0755));
}
static void controllers_come_and_go(void) {
    group();
    OK(mkdir("a", 0755));
    CHECK(is(TOP "/cgroup.controllers", "cpu memory pids\n") && !exists("pids.max"));
    OK(put(TOP "/cgroup.subtree_control", "+pids +cpu"));
    CHECK(is("cgroup.controllers", "cpu pids\n") && exists("pids.max") && exists("cpu.max") && !exists("memory.max") && !exists("a/pids.max"));
    FAILS(put("cgroup.subtree_control", "+memory"), ENOENT);
    FAILS(put("cgroup.subtree_control", "+pids +memory"), ENOENT);
    OK(put("cgroup.subtree_control", "+pids"));
    FAILS(put(TOP "/cgroup.subtree_control", "-pids"), EBUSY);
    OK(put("a/pids.max", "5"));
    OK(put("cgroup.subtree_control", "-pids"));
    CHECK(!exists("a/pids.max"));
    OK(put("cgroup.subtree_control", "+pids -pids +pids"));
    CHECK(is("a/pids.max", "max\n") && is("cgroup.subtree_control", "pids\n"));
}
/* C41 */
static void members_or_controllers(void) {
    controlled();
    FAILS(move(0, "."), EBUSY);
    OK(move(0, "a"));
    FAILS(put("a/cgroup.subtree_control", "+pids"), EBUSY);
    OK(move(0, TOP));                       /* the root may have both */
    OK(put("a/cgroup.subtree_control", "+pids"));
    FAILS(move(0, "a"), EBUSY);
    OK(mkdir("a/c", 0755));
    OK(move(0, "a/c"));
    OK(move(0, TOP));
}

/* C41. The hierarchy is mounted with nsdelegate: a namespace's root is limited, and left, from outside only. */
static void a_namespace_is_not_left(void) {
    controlled();
    OK(put("a/pids.max", "10"));
    int outside = sleeper("b");
    int pid = MEMBER("a",
        OK(unshare(CLONE_NEWCGROUP));
        FAILS(move(0, "b"), ENOENT);
        FAILS(move(outside, "a"), ENOENT);
        FAILS(put("a/pids.max", "max"), EPERM);
        FAILS(put("a/memory.max", "max"), EPERM);
        FAILS(put("a/cgroup.freeze", "0"), EPERM);
        OK(mkdir("a/own", 0755));
        OK(move(0, "a/own"));
        OK(put("a/cgroup.subtree_control", "+pids"));
        OK(put("a/own/pids.max", "5"));
        FAILS(put("a/own/../../b/cgroup.procs", "0"), ENOENT));
    CHECK(exit_of(pid) == 0);
    kill(outside, SIGKILL);
}

/* ---- pids ---- */

static void bad_limits(void) {
    controlled();
    FAILS(put("a/pids.max", "x"), EINVAL);
    FAILS(put("a/pids.max", "-1"), EINVAL);
    FAILS(put("a/memory.max", "x"), EINVAL);
    FAILS(put("a/memory.max", "1x"), EINVAL);
    FAILS(put("a/memory.oom.group", "2"), EINVAL);
    FAILS(put("a/cpu.weight", "0"), ERANGE);
    FAILS(put("a/cpu.weight", "10001"), ERANGE);
    FAILS(put("a/cpu.weight", "x"), EINVAL);
    FAILS(put("a/cpu.max", "999"), EINVAL);
    FAILS(put("a/cpu.max", "1000 999"), EINVAL);
    FAILS(put("a/cpu.max", "1000 1000001"), EINVAL);
    FAILS(put("a/cpu.max", "x 100000"), EINVAL);
    FAILS(open("a/pids.current", O_WRONLY) >= 0 ? put("a/pids.current", "1") : -1, EINVAL);
    OK(put("a/memory.max", "64k\n"));
    CHECK(is("a/memory.max", "65536\n"));
    OK(put("a/memory.max", "max"));
    OK(put("a/cpu.max", "20000"));
    CHECK(is("a/cpu.max", "20000 100000\n"));
    OK(put("a/cpu.max", "5000 50000"));
    OK(put("a/cpu.max", "max"));
    CHECK(is("a/cpu.max", "max 50000\n") && is("a/cpu.weight", "100\n") && is("a/memory.max", "max\n") && is("a/pids.max", "max\n"));
}
/* C39 */
static void the_fork_past_the_limit_fails(void) {
    controlled();
    OK(put("a/pids.max", "3"));
    int pid = MEMBER("a",
        int first = fork() ?: (pause(), 0), second = fork() ?: (pause(), 0);
        CHECK(first > 0 && second > 0 && value("a/pids.current", "") == 3);
        FAILS(fork(), EAGAIN);
        pthread_t t;
        CHECK(pthread_create(&t, NULL, (void *(*)(void *))pause, NULL) == EAGAIN);
        CHECK(value("a/pids.events", "max ") == 2 && value("pids.events", "max ") == 2);
        kill(first, SIGKILL);
        while (!strstr(content("/proc/self/status"), "Threads:")) ;
        nap(5);
        FAILS(fork(), EAGAIN);              /* a zombie still has its number */
        status_of(first);
        int third = fork() ?: (pause(), 0);
        CHECK(third > 0);
        kill(second, SIGKILL), kill(third, SIGKILL));
    nap(3);
    CHECK(exit_of(CHILD()) == 0);           /* outside of it forks go on */
    CHECK(exit_of(pid) == 0);
    SOON(value("a/pids.current", "") == 0);
}
static void a_fork_bomb_stays_inside(void) {
    controlled();
    OK(put("pids.max", "40"));
    int pid = MEMBER("a", while (1) fork());
    nap(60);
    CHECK(value("pids.current", "") == 40 && value("pids.events", "max ") > 0);
    for (int i = 0; i < 3; i++) CHECK(exit_of(CHILD()) == 0);
    OK(put("cgroup.kill", "1"));
    CHECK(exit_of(pid) == 1000 + SIGKILL);
    SOON(is("cgroup.events", "populated 0\nfrozen 0\n"));
    SOON(value("pids.current", "") == 0);
}
static void moving_may_exceed(void) {
    controlled();
    OK(put("a/pids.max", "1"));
    int pid = sleeper("a"), pid2 = sleeper("a");
    CHECK(value("a/pids.current", "") == 2 && value("b/pids.current", "") == 0);
    OK(move(pid, "b"));
    CHECK(value("a/pids.current", "") == 1 && value("b/pids.current", "") == 1 && value("pids.current", "") == 2);
    kill(pid, SIGKILL), kill(pid2, SIGKILL);
}

/* ---- memory ---- */

#define MB (1L << 20)
static char *touched(long bytes) {
    char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (long i = 0; i < bytes; i += 4096) at[i] = i >> 12;
    return at;
}
static void memory_is_counted(void) {
    controlled();
    int fds[2];
    char c;
    pipe(fds);
    int pid = MEMBER("a", char *at = touched(MB); write(fds[1], "x", 1); nap(20); munmap(at, MB); write(fds[1], "x", 1); while (1) pause());
    read(fds[0], &c, 1);
    long now = value("a/memory.current", "");
    CHECK(now >= MB && now < MB + 200000 && value("memory.current", "") == now && value("b/memory.current", "") == 0);
    CHECK(value("a/memory.stat", "anon ") + value("a/memory.stat", "file ") == now && value("a/memory.stat", "anon ") >= MB);
    read(fds[0], &c, 1);
    CHECK(value("a/memory.current", "") < 200000 && value("a/memory.peak", "") >= MB);
    kill(pid, SIGKILL);
    status_of(pid);
    CHECK(value("a/memory.stat", "anon ") == 0);
}
/* C40 */
static void a_memory_bomb_dies_inside(void) {
    controlled();
    char *ours = touched(2 * MB);
    OK(put("a/memory.max", "4m"));
    int bystander = MEMBER("b", touched(16 * MB); while (1) pause());       /* more than the bomb comes to */
    SOON(value("b/memory.current", "") >= 16 * MB);
    int pid = MEMBER("a", touched(8 * MB));
    CHECK(exit_of(pid) == 1000 + SIGKILL);
    CHECK(value("a/memory.events", "oom_kill ") == 1 && value("a/memory.events", "oom ") == 1 && value("a/memory.events", "max ") > 0);
    CHECK(value("memory.events", "oom_kill ") == 1 && value("b/memory.events", "oom_kill ") == 0);
    CHECK(value("a/memory.peak", "") <= 4 * MB && value("a/memory.current", "") < 100000);
    for (long i = 0; i < 2 * MB; i += 4096) CHECK(ours[i] == (char)(i >> 12));
    CHECK(waitpid(bystander, NULL, WNOHANG) == 0);
    kill(bystander, SIGKILL);
}
static void the_largest_dies(void) {
    controlled();
    OK(put("a/memory.max", "4m"));
    int large = MEMBER("a", touched(3 * MB); while (1) pause());
    SOON(value("a/memory.current", "") >= 3 * MB);
    int small = MEMBER("a", touched(2 * MB); _exit(7));
    CHECK(exit_of(large) == 1000 + SIGKILL && exit_of(small) == 7);
    CHECK(value("a/memory.events", "oom_kill ") == 1);
}
static void the_init_of_a_namespace_dies_of_it(void) {
    controlled();
    OK(put("a/memory.max", "4m"));
    OK(unshare(CLONE_NEWPID));
    int init = MEMBER("a", CHECK(getpid() == 1); touched(8 * MB));
    CHECK(exit_of(init) == 1000 + SIGKILL && value("a/memory.events", "oom_kill ") == 1);
}
static void spared_and_preferred(void) {
    controlled();
    OK(put("a/memory.max", "4m"));
    int large = MEMBER("a", OK(put("/proc/self/oom_score_adj", "-1000")); touched(3 * MB); while (1) pause());
    SOON(value("a/memory.current", "") >= 3 * MB);
    CHECK(exit_of(MEMBER("a", touched(2 * MB); _exit(7))) == 1000 + SIGKILL);
    CHECK(waitpid(large, NULL, WNOHANG) == 0 && value("a/memory.events", "oom_kill ") == 1);
    kill(large, SIGKILL);
    status_of(large);
    /* Spared for others, one may still not have what there isn't. */
    CHECK(exit_of(MEMBER("a", OK(put("/proc/self/oom_score_adj", "-1000")); touched(8 * MB))) == 1000 + SIGKILL);
    CHECK(value("a/memory.events", "oom_kill ") == 1);
}
static void one_dies_all_die(void) {
    controlled();
    OK(put("a/memory.max", "4m"));
    OK(put("a/memory.oom.group", "1"));
    int bystander = sleeper("a"), outside = sleeper("b");
    CHECK(exit_of(MEMBER("a", touched(8 * MB))) == 1000 + SIGKILL);
    CHECK(exit_of(bystander) == 1000 + SIGKILL && waitpid(outside, NULL, WNOHANG) == 0);
    CHECK(value("a/memory.events", "oom_kill ") == 2 && value("a/memory.events", "oom_group_kill ") == 1);
    kill(outside, SIGKILL);
}
static void a_limit_above_counts_too(void) {
    controlled();
    OK(put("memory.max", "4m"));
    CHECK(exit_of(MEMBER("a", touched(8 * MB))) == 1000 + SIGKILL);
    CHECK(value("memory.events", "max ") > 0 && value("a/memory.events", "max ") == 0 && value("a/memory.events", "oom_kill ") == 1);
}
static void calls_are_bounded_like_programs(void) {
    controlled();
    OK(put("a/memory.max", "4m"));
    int zero = open("/dev/zero", O_RDONLY);
    char *at = mmap(NULL, 8 * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(exit_of(MEMBER("a", read(zero, at, 8 * MB))) == 1000 + SIGKILL);
}
static void files_in_memory_count(void) {
    controlled();
    OK(put("a/memory.max", "4m"));
    static char piece[65536];
    int pid = MEMBER("a", int fd = open("/tmp/file", O_CREAT | O_RDWR, 0600); for (int i = 0; i < 128; i++) write(fd, piece, sizeof piece));
    CHECK(exit_of(pid) == 1000 + SIGKILL);
    CHECK(value("a/memory.stat", "file ") > 3 * MB);        /* it lives on, and is charged */
    OK(unlink("/tmp/file"));
    CHECK(value("a/memory.stat", "file ") == 0);
    OK(rmdir("a"));
}
/* What is only cached makes room. */
static void reads(const char *file, int times) {
    static char piece[4096];
    int fd = open(file, O_RDONLY);
    OK(fd);
    for (int i = 0; i < times; i++, lseek(fd, 0, SEEK_SET)) while (read(fd, piece, sizeof piece) > 0) ;
    close(fd);
}
static void cached_files_make_room(void) {
    controlled();
    OK(put("a/memory.max", "300k"));
    CHECK(exit_of(MEMBER("b", reads("/bin/kvmtests", 1); reads("/bin/nettests", 1))) == 0);
    long others = value("b/memory.stat", "file ");
    CHECK(others > 100000);
    CHECK(exit_of(MEMBER("a", reads("/bin/usertests", 3))) == 0);
    CHECK(value("a/memory.peak", "") <= 300 << 10 && value("a/memory.events", "oom_kill ") == 0 && value("a/memory.events", "max ") > 0);
    CHECK(value("b/memory.stat", "file ") == others);       /* theirs stay */
}
static void a_lower_limit_is_kept(void) {
    controlled();
    int pid = MEMBER("a", touched(4 * MB); while (1) pause());
    SOON(value("a/memory.current", "") >= 4 * MB);
    OK(put("a/memory.max", "1m"));
    CHECK(exit_of(pid) == 1000 + SIGKILL && value("a/memory.current", "") <= MB);
}
static void it_is_told_of(void) {
    controlled();
    struct pollfd p = { open("a/memory.events", O_RDONLY), POLLPRI };
    char text[256];
    read(p.fd, text, sizeof text);
    CHECK(poll(&p, 1, 0) == 0);
    OK(put("a/memory.max", "1m"));
    CHECK(exit_of(MEMBER("a", touched(8 * MB))) == 1000 + SIGKILL);
    CHECK(poll(&p, 1, 1000) == 1 && p.revents & POLLPRI);
}

/* ---- cpu ---- */

static long usage(const char *group) {
    char path[64];
    sprintf(path, "%s/cpu.stat", group);
    return value(path, "usage_usec ");
}
static int spinner(const char *where) { return MEMBER(where, while (1) ); }
static void time_is_counted(void) {
    controlled();
    long start = milliseconds();
    int pid = spinner("a");
    nap(50);
    kill(pid, SIGKILL);
    status_of(pid);
    long used = usage("a"), took = (milliseconds() - start) * 1000;
    CHECK(used > took * 9 / 10 && used <= took + 1000 && usage(".") >= used && usage("b") < 100);
    CHECK(value("a/cpu.stat", "user_usec ") > used * 9 / 10);
    CHECK(value("a/cpu.stat", "user_usec ") + value("a/cpu.stat", "system_usec ") == used);
}
/* C44: the floor is what the quota leaves. */
static void a_quota_is_kept(void) {
    controlled();
    OK(put("a/cpu.max", "2000 10000"));
    int pid = spinner("a"), pid2 = spinner("a"), victim = spinner("b");
    nap(5);
    long before = usage("a"), before_b = usage("b"), start = milliseconds();
    nap(200);
    long took = (milliseconds() - start) * 1000, used = usage("a") - before, victims = usage("b") - before_b;
    CHECK(used > took * 14 / 100 && used < took * 22 / 100);
    CHECK(victims > took * 75 / 100);
    CHECK(value("a/cpu.stat", "nr_throttled ") >= 10 && value("a/cpu.stat", "nr_periods ") >= 10 && value("a/cpu.stat", "throttled_usec ") > 60000);
    OK(put("a/cpu.max", "max"));
    kill(victim, SIGKILL);
    before = usage("a"), start = milliseconds();
    nap(50);
    CHECK(usage("a") - before > (milliseconds() - start) * 900);
    kill(pid, SIGKILL), kill(pid2, SIGKILL);
}
static void the_only_task_is_throttled_too(void) {
    controlled();
    OK(put("cpu.max", "2000 20000"));
    int pid = spinner("a");
    long start = milliseconds();
    nap(250);
    long used = usage("."), took = (milliseconds() - start) * 1000;
    CHECK(used >= took * 8 / 100 && used <= took * 13 / 100);
    kill(pid, SIGKILL);                     /* comes through at once */
    start = milliseconds();
    CHECK(exit_of(pid) == 1000 + SIGKILL && milliseconds() - start < 20);
}
static void weights_share(void) {
    controlled();
    OK(put("a/cpu.weight", "300"));
    OK(mkdir("a/c", 0755));
    int pids[] = { spinner("a/c"), spinner("b"), spinner("b"), spinner("b") };
    nap(100);                               /* as they came they had more */
    long a = usage("a"), b = usage("b");
    nap(300);
    a = usage("a") - a, b = usage("b") - b;
    CHECK(a > b * 24 / 10 && a < b * 36 / 10);
    OK(put("a/cpu.weight", "100"));
    a = usage("a"), b = usage("b");
    nap(200);
    a = usage("a") - a, b = usage("b") - b;
    CHECK(a > b * 8 / 10 && a < b * 12 / 10);
    for (int i = 0; i < 4; i++) kill(pids[i], SIGKILL);
}
static void outside_a_bomb_there_is_time(void) {
    controlled();
    OK(put("pids.max", "30"));
    int pid = MEMBER("a", while (1) fork());
    nap(30);
    long before = usage("."), start = milliseconds();
    int victim = CHILD(while (1) );         /* in the root: as much as the group with all of its tasks */
    nap(300);
    long took = (milliseconds() - start) * 1000, theirs = usage(".") - before;
    CHECK(theirs < took * 60 / 100);
    kill(victim, SIGKILL);
    OK(put("cgroup.kill", "1"));
    CHECK(exit_of(pid) == 1000 + SIGKILL);
}
/* Whatever comes together, at the end nothing is left, and nobody is. */
static void a_storm_leaves_nothing(void) {
    controlled();
    const char *groups[] = { "a", "b", "a/c", "b/d" }, *limits[] = { "max", "1000 5000", "2m", "300k", "4", "1" };
    const char *files[] = { "cpu.max", "cpu.max", "memory.max", "memory.max", "pids.max", "cgroup.freeze" };
    char path[64];
    int zero = open("/dev/zero", O_RDONLY);
    srand(1);
    for (int i = 0; i < 6; i++)
        MEMBER(groups[i % 2], srand(i); while (1) {
            int pid = fork();
            if (!pid) { char *at = touched((rand() % 100) << 12); read(zero, at, 4096); if (rand() % 2) nap(1); _exit(0); }
            if (pid > 0 && rand() % 2) waitpid(pid, NULL, 0);
            else while (waitpid(-1, NULL, WNOHANG) > 0) ;
        });
    for (int i = 0; i < 400; i++) {
        const char *g = groups[rand() % 4];
        int what = rand() % 8, which = rand() % 6;
        sprintf(path, "%s/%s", g, what < 5 ? files[which] : what == 5 ? "cgroup.subtree_control" : "cgroup.procs");
        if (what < 5) put(path, rand() % 2 ? limits[which] : which == 5 ? "0" : "max");
        else if (what == 5) put(path, rand() % 2 ? "+cpu +memory" : "-cpu -memory");
        else if (what == 6) rand() % 2 ? mkdir(g, 0755) : rmdir(g);
        else {
            long pid = atol(content(path));
            if (pid > 0) move(pid, groups[rand() % 4]);
        }
        if (i % 4 == 0) nap(1);
        if (!exists("a")) mkdir("a", 0755);
    }
    for (int i = 0; i < 4; i++) sprintf(path, "%s/cgroup.freeze", groups[i]), put(path, "1");
    OK(put("cgroup.kill", "1"));
    SOON((put("cgroup.kill", "1"), is("cgroup.events", "populated 0\nfrozen 0\n")));
    while (waitpid(-1, NULL, WNOHANG) > 0) ;
    SOON(value("pids.current", "") == 0);
    CHECK(value("memory.stat", "anon ") == 0);
    for (int i = 3; i >= 0; i--) rmdir(groups[i]);
    CHECK(value("cgroup.stat", "nr_descendants ") == 0);
}

static const struct property all[] = {
    T(controllers_come_and_go), T(members_or_controllers), T(a_namespace_is_not_left), T(bad_limits), T(the_fork_past_the_limit_fails), T(a_fork_bomb_stays_inside),
    T(moving_may_exceed), T(memory_is_counted), T(a_memory_bomb_dies_inside), T(the_largest_dies), T(the_init_of_a_namespace_dies_of_it), T(spared_and_preferred), T(one_dies_all_die),
    T(a_limit_above_counts_too), T(calls_are_bounded_like_programs), T(files_in_memory_count), T(cached_files_make_room), T(a_lower_limit_is_kept),
    T(it_is_told_of), T(time_is_counted), T(a_quota_is_kept), T(the_only_task_is_throttled_too), T(weights_share),
    T(outside_a_bomb_there_is_time), T(a_storm_leaves_nothing), { 0 },
};
/* Of the machine's memory; the kernel tells of it on the console. */
static void without_a_limit_the_largest_dies(void) {
    struct sysinfo info;
    volatile long *there = shared();
    sysinfo(&info);
    long free = info.freeram * info.mem_unit;
    int large = CHILD(touched(free / 10 * 6); *there = 1; while (1) pause());
    SOON(*there);
    int spared = CHILD(OK(put("/proc/self/oom_score_adj", "-1000")); while (1) pause());
    CHECK(exit_of(CHILD(touched(free / 2); _exit(7))) == 7);
    CHECK(exit_of(large) == 1000 + SIGKILL);
    CHECK(exit_of(CHILD(OK(put("/proc/self/oom_score_adj", "-900")); touched(free * 2))) == 1000 + SIGKILL);
    CHECK(waitpid(spared, NULL, WNOHANG) == 0);
    kill(spared, SIGKILL);
}
static const struct property machine[] = { { "without_a_limit_the_largest_dies", without_a_limit_the_largest_dies }, { 0 } };
int main(int argc, char **argv) { return run_properties(argc > 1 && !strcmp(argv[1], machine[0].name) ? machine : all, argc, argv); }
