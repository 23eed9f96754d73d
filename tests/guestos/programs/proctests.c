/* Properties of /proc, as programs read it. */
#include "scratch.h"
#include <ctype.h>
#include <dirent.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>

static const char *of(int pid, const char *what) {
    static char path[4][64];
    static int turn;
    snprintf(path[turn = (turn + 1) % 4], 64, "/proc/%d/%s", pid, what);
    return path[turn];
}
/* The value after "Name:" in a text of such lines, blanks skipped; the file's text if Name is not there. */
static const char *field(const char *path, const char *wanted) {
    const char *text = content(path), *at = text;
    size_t n = strlen(wanted);
    for (; at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
        if (!strncmp(at, wanted, n) && at[n] == ':') return at + n + 1 + strspn(at + n + 1, " \t");
    printf("    no %s in %s\n", wanted, path);
    CHECK(0);
    return "";
}
static long value(const char *path, const char *wanted) { return strtol(field(path, wanted), NULL, 0); }
/* Is there such a name in the directory. */
static int lists(const char *path, const char *wanted) {
    int found = 0;
    DIR *d = opendir(path);
    CHECK(d);
    for (struct dirent *e; (e = readdir(d));) found |= !strcmp(e->d_name, wanted);
    closedir(d);
    return found;
}
static int links_to(const char *path, const char *wanted) {
    char text[256] = "";
    return readlink(path, text, 255) >= 0 && !strcmp(text, wanted);
}

static void own_stat(void) {
    int pid, ppid, pgrp, session, tty, tpgid;
    unsigned flags;
    unsigned long minflt, cminflt, majflt, cmajflt, utime, stime, vsize;
    long cutime, cstime, priority, nice, threads, itreal, rss;
    unsigned long long start;
    char comm[32], state;
    alone();
    CHECK(sscanf(content("/proc/self/stat"), "%d (%31[^)]) %c %d %d %d %d %d %u %lu %lu %lu %lu %lu %lu %ld %ld %ld %ld %ld %ld %llu %lu %ld",
                 &pid, comm, &state, &ppid, &pgrp, &session, &tty, &tpgid, &flags, &minflt, &cminflt, &majflt, &cmajflt, &utime, &stime,
                 &cutime, &cstime, &priority, &nice, &threads, &itreal, &start, &vsize, &rss) == 24);
    CHECK(pid == getpid() && ppid == getppid() && pgrp == getpgrp() && session == getsid(0) && state == 'R' && !strcmp(comm, "proctests"));
    CHECK(threads == 1 && priority == 20 + nice && minflt > 0 && vsize > 0 && vsize % 4096 == 0 && rss >= 0);
    int fields = 0;
    for (const char *at = strchr(content("/proc/self/stat"), ')'); at; at = strchr(at + 1, ' ')) fields++;
    CHECK(fields == 51);
}
static void own_status(void) {
    alone();
    CHECK(value("/proc/self/status", "Pid") == getpid() && value("/proc/self/status", "Tgid") == getpid());
    CHECK(value("/proc/self/status", "PPid") == getppid() && value("/proc/self/status", "Threads") == 1);
    CHECK(!strncmp(field("/proc/self/status", "State"), "R (running)\n", 12) && !strncmp(field("/proc/self/status", "Name"), "proctests\n", 10));
    CHECK(value("/proc/self/status", "VmRSS") > 0 && value("/proc/self/status", "VmSize") >= value("/proc/self/status", "VmRSS"));
    umask(027);
    CHECK(value("/proc/self/status", "Umask") == 027);
    catch_it(SIGUSR1, 0);
    signal(SIGUSR2, SIG_IGN);
    CHECK(strtoul(field("/proc/self/status", "SigCgt"), NULL, 16) & 1UL << (SIGUSR1 - 1));
    CHECK(strtoul(field("/proc/self/status", "SigIgn"), NULL, 16) & 1UL << (SIGUSR2 - 1));
    int uid[4];
    CHECK(sscanf(field("/proc/self/status", "Uid"), "%d %d %d %d", uid, uid + 1, uid + 2, uid + 3) == 4 && uid[0] == (int)getuid());
    CHECK(strtoul(field("/proc/self/status", "CapEff"), NULL, 16) & 1UL << 21);
}
static void words_and_names(void) {
    alone();
    int p[2];
    char c;
    pipe(p);
    int pid = fork();
    if (!pid) {
        dup2(p[0], 0);
        close(p[1]);
        setenv("LAST", "word", 1);
        execl("/proc/self/exe", "a name", "wait", "two words", NULL);
        _exit(1);
    }
    for (int i = 0; i < 200 && memcmp(content(of(pid, "cmdline")), "a name\0wait\0two words", 21); i++) nap(5);
    CHECK(!memcmp(content(of(pid, "cmdline")), "a name\0wait\0two words\0", 22));
    const char *environment = content(of(pid, "environ"));
    int found = 0;
    for (const char *at = environment; *at; at += strlen(at) + 1) found |= !strcmp(at, "LAST=word");
    CHECK(found);
    CHECK(is(of(pid, "comm"), "exe\n") || is(of(pid, "comm"), "proctests\n"));
    nap(20);
    char state;
    CHECK(sscanf(strchr(content(of(pid, "stat")), ')'), ") %c", &state) == 1 && state == 'S');
    kill(pid, SIGSTOP);
    nap(20);
    CHECK(sscanf(strchr(content(of(pid, "stat")), ')'), ") %c", &state) == 1 && state == 'T');
    int dir = open(of(pid, ""), O_RDONLY | O_DIRECTORY), held = openat(dir, "stat", O_RDONLY);
    CHECK(dir >= 0 && held >= 0);
    kill(pid, SIGKILL);
    for (int i = 0; i < 200 && state != 'Z'; i++, nap(2)) sscanf(strchr(content(of(pid, "stat")), ')'), ") %c", &state);
    CHECK(state == 'Z' && is(of(pid, "cmdline"), ""));
    CHECK(status_of(pid) == SIGKILL);
    FAILS(access(of(pid, "stat"), F_OK), ENOENT);
    CHECK(openat(dir, "stat", O_RDONLY) < 0 && (errno == ENOENT || errno == ESRCH));
    char text[64];
    FAILS(read(held, text, 64), ESRCH);
}
static void a_name_can_be_set(void) {
    alone();
    make("/proc/self/comm", "another-name-that-is-too-long\n");
    CHECK(is("/proc/self/comm", "another-name-th\n") && strstr(content("/proc/self/stat"), "(another-name-th)"));
}
static void places(void) {
    alone();
    char self[256] = "";
    CHECK(readlink("/proc/self/exe", self, 255) > 0 && self[0] == '/' && strstr(self, "proctests"));
    mkdir("d", 0755);
    OK(chdir("d"));
    CHECK(links_to("/proc/self/cwd", "/tmp/d") && links_to("/proc/self/root", "/"));
    make("f", "through a link");
    CHECK(is("/proc/self/cwd/f", "through a link") && is("/proc/self/root/tmp/d/f", "through a link"));
    char name[16];
    sprintf(name, "%d", getpid());
    CHECK(links_to("/proc/self", name) && lists("/proc", name) && lists("/proc", "self") && lists("/proc", "thread-self"));
    CHECK(links_to("/proc/mounts", "self/mounts"));
    struct stat a;
    CHECK(!stat("/proc/self/exe", &a) && S_ISREG(a.st_mode) && a.st_mode & 0111);
}
static void descriptors(void) {
    alone();
    make("f", "0123456789");
    int fd = open("f", O_RDWR | O_APPEND), p[2];
    char path[64], name[16];
    pipe(p);
    sprintf(name, "%d", fd);
    sprintf(path, "/proc/self/fd/%d", fd);
    CHECK(lists("/proc/self/fd", name) && lists("/proc/self/fdinfo", name) && links_to(path, "/tmp/f"));
    struct stat s;
    CHECK(!lstat(path, &s) && (s.st_mode & 0777) == 0700);
    lseek(fd, 4, SEEK_SET);
    sprintf(path, "/proc/self/fdinfo/%d", fd);
    CHECK(value(path, "pos") == 4 && (value(path, "flags") & (O_APPEND | O_ACCMODE)) == (O_APPEND | O_RDWR) && value(path, "mnt_id") > 0);
    unlink("f");
    sprintf(path, "/proc/self/fd/%d", fd);
    CHECK(links_to(path, "/tmp/f (deleted)") && is(path, "0123456789"));
    close(fd);
    FAILS(access(path, F_OK), ENOENT);
    FAILS(open("/proc/self/fd/new", O_CREAT | O_RDWR, 0600), ENOENT);
    FAILS(mkdir("/proc/self/x", 0755), ENOENT);
}
static void *threaded(void *arg) {
    int *p = arg;
    char c;
    read(p[0], &c, 1);
    return NULL;
}
static void tasks(void) {
    alone();
    int p[2];
    char name[16];
    pthread_t t;
    pipe(p);
    CHECK(!pthread_create(&t, NULL, threaded, p));
    DIR *d = opendir("/proc/self/task");
    int count = 0, other = 0;
    for (struct dirent *e; (e = readdir(d));)
        if (isdigit(e->d_name[0])) count++, other = atoi(e->d_name) == getpid() ? other : atoi(e->d_name);
    closedir(d);
    CHECK(count == 2 && other && value("/proc/self/status", "Threads") == 2);
    char path[64];
    sprintf(path, "/proc/self/task/%d/status", other);
    CHECK(value(path, "Pid") == other && value(path, "Tgid") == getpid());
    sprintf(path, "/proc/%d/status", other);
    CHECK(value(path, "Tgid") == getpid());
    sprintf(name, "%d", other);
    CHECK(!lists("/proc", name));
    sprintf(path, "%d/task/%d", getpid(), getpid());
    CHECK(links_to("/proc/thread-self", path));
    FAILS(access("/proc/self/task/1", F_OK), ENOENT);
    sprintf(path, "/proc/self/task/%d/task", other);
    FAILS(access(path, F_OK), ENOENT);
    write(p[1], "x", 1);
    pthread_join(t, NULL);
}
static void maps(void) {
    alone();
    make("f", "mapped");
    int fd = open("f", O_RDONLY), found = 0, stack = 0, code = 0;
    char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    struct stat s;
    fstat(fd, &s);
    FILE *f = fopen("/proc/self/maps", "r");
    char line[512];
    while (fgets(line, sizeof line, f)) {
        unsigned long start, end, offset, ino;
        char perms[8], path[256] = "";
        unsigned major, minor;
        CHECK(sscanf(line, "%lx-%lx %7s %lx %x:%x %lu %255s", &start, &end, perms, &offset, &major, &minor, &ino, path) >= 7);
        if (start == (unsigned long)p) found = end - start == 4096 && !strcmp(perms, "r--s") && ino == s.st_ino && makedev(major, minor) == s.st_dev && !strcmp(path, "/tmp/f");
        stack |= !strcmp(path, "[stack]") && start < (unsigned long)&found && (unsigned long)&found < end;
        code |= start <= (unsigned long)maps && (unsigned long)maps < end && perms[2] == 'x' && strstr(path, "proctests");
    }
    fclose(f);
    CHECK(found && stack && code);
    unsigned long size, resident, shared;
    CHECK(sscanf(content("/proc/self/statm"), "%lu %lu %lu", &size, &resident, &shared) == 3 && size >= resident && resident > 0);
}
static void limits(void) {
    alone();
    struct rlimit l = { 32, 64 };
    OK(setrlimit(RLIMIT_NOFILE, &l));
    const char *text = content("/proc/self/limits"), *line = strstr(text, "\nMax open files ");
    CHECK(!strncmp(text, "Limit                     Soft Limit           Hard Limit           Units     \n", 79));
    CHECK(line && !strncmp(line + 1, "Max open files            32                   64                   files     \n", 78));
    CHECK(strstr(text, "\nMax core file size "));
}
static void oom_settings(void) {
    alone();
    make("/proc/self/oom_score_adj", "500");
    CHECK(is("/proc/self/oom_score_adj", "500\n") && atoi(content("/proc/self/oom_score")) > 500);
    int fd = open("/proc/self/oom_score_adj", O_WRONLY);
    FAILS(write(fd, "1001", 4), EINVAL);
    FAILS(write(fd, "x", 1), EINVAL);
    int pid = fork();
    if (!pid) _exit(!is("/proc/self/oom_score_adj", "500\n"));
    CHECK(exit_of(pid) == 0);
}
static void mount_lists(void) {
    alone();
    mkdir("a b", 0755);
    OK(mount("so\\urce", "a b", "tmpfs", MS_NOSUID | MS_NODEV, NULL));
    CHECK(strstr(content("/proc/self/mounts"), "so\\134urce /tmp/a\\040b tmpfs rw,nosuid,nodev"));
    CHECK(strstr(content("/proc/mounts"), "/tmp/a\\040b"));
    const char *line = strstr(content("/proc/self/mountinfo"), "/tmp/a\\040b rw,nosuid,nodev");
    CHECK(line && strstr(line, " - tmpfs so\\134urce rw"));
    int parent, id;
    CHECK(sscanf(content("/proc/self/mountinfo"), "%d %d", &id, &parent) == 2);
    int pid = fork();
    if (!pid) {
        unshare(CLONE_NEWNS);
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
        OK(umount2("a b", 0));
        _exit(strstr(content("/proc/self/mounts"), "/tmp/a\\040b") || !strstr(content(of(getppid(), "mounts")), "/tmp/a\\040b"));
    }
    CHECK(exit_of(pid) == 0 && strstr(content("/proc/self/mounts"), "/tmp/a\\040b"));
}
static void identity(void) {
    alone();
    struct utsname u;
    char text[128];
    CHECK(!uname(&u));
    sprintf(text, "%s\n", u.nodename);
    CHECK(is("/proc/sys/kernel/hostname", text));
    sprintf(text, "%s\n", u.release);
    CHECK(is("/proc/sys/kernel/osrelease", text) && is("/proc/sys/kernel/ostype", "Linux\n"));
    CHECK(atoi(content("/proc/sys/kernel/pid_max")) >= 32768 && strlen(content("/proc/sys/vm/overcommit_memory")) == 2);
    const char *a = content("/proc/sys/kernel/random/uuid"), *b = content("/proc/sys/kernel/random/uuid"), *boot = content("/proc/sys/kernel/random/boot_id");
    CHECK(strlen(a) == 37 && strcmp(a, b) && a[8] == '-' && a[13] == '-' && a[14] == '4' && a[18] == '-' && strchr("89ab", a[19]) && a[23] == '-');
    CHECK(strlen(boot) == 37 && is("/proc/sys/kernel/random/boot_id", boot));
    CHECK(!strncmp(content("/proc/version"), "Linux version ", 14) && lists("/proc/sys/kernel", "random") && lists("/proc/sys", "vm"));
}
static void machine(void) {
    alone();
    long total = value("/proc/meminfo", "MemTotal"), free_ = value("/proc/meminfo", "MemFree"), available = value("/proc/meminfo", "MemAvailable");
    CHECK(total > free_ && free_ > 0 && available > 0 && available <= total && value("/proc/meminfo", "SwapTotal") >= 0);
    CHECK(value("/proc/meminfo", "Buffers") >= 0 && value("/proc/meminfo", "Cached") >= 0);
    double up, idle, one, five, fifteen;
    int running, all, last;
    CHECK(sscanf(content("/proc/uptime"), "%lf %lf", &up, &idle) == 2 && up > 0);
    CHECK(sscanf(content("/proc/loadavg"), "%lf %lf %lf %d/%d %d", &one, &five, &fifteen, &running, &all, &last) == 6 && running >= 1 && all >= running);
    unsigned long user, nice, system, idle_ticks;
    CHECK(sscanf(content("/proc/stat"), "cpu %lu %lu %lu %lu", &user, &nice, &system, &idle_ticks) == 4);
    CHECK(strstr(content("/proc/stat"), "\ncpu0 ") && strstr(content("/proc/stat"), "\nbtime ") && strstr(content("/proc/stat"), "\nprocs_running "));
    CHECK(strstr(content("/proc/cpuinfo"), "processor\t: 0\n") && strstr(content("/proc/cpuinfo"), "model name\t: "));
    CHECK(strstr(content("/proc/filesystems"), "nodev\ttmpfs\n") && strstr(content("/proc/filesystems"), "nodev\toverlay\n") && strstr(content("/proc/filesystems"), "nodev\tsysfs\n"));
    CHECK(strlen(content("/proc/cmdline")) > 0);
}
static void namespaces_have_numbers(void) {
    alone();
    static const char *const kinds[] = { "mnt", "pid", "uts", "ipc", "net", "user", "cgroup" };
    for (int i = 0; i < 7; i++) {
        char path[64], mine[64] = "", theirs[64] = "", wanted[16];
        sprintf(path, "/proc/self/ns/%s", kinds[i]);
        sprintf(wanted, "%s:[", kinds[i]);
        CHECK(readlink(path, mine, 63) > 0 && !strncmp(mine, wanted, strlen(wanted)) && atoi(mine + strlen(wanted)));
        CHECK(readlink(of(getppid(), path + 11), theirs, 63) > 0 && !strcmp(mine, theirs) == (i != 0));
    }
    int pid = fork();
    char mine[64] = "", after[64] = "";
    readlink("/proc/self/ns/mnt", mine, 63);
    if (!pid) _exit(unshare(CLONE_NEWNS) || readlink("/proc/self/ns/mnt", after, 63) < 0 || !strcmp(mine, after));
    CHECK(exit_of(pid) == 0);
    unsigned a, b, n;
    CHECK(sscanf(content("/proc/self/uid_map"), "%u %u %u", &a, &b, &n) == 3 && a == 0 && n > 0);
    CHECK(sscanf(content("/proc/self/gid_map"), "%u %u %u", &a, &b, &n) == 3 && strlen(content("/proc/self/setgroups")) > 3);
    CHECK(strstr(content("/proc/self/cgroup"), ":/"));
}
static void the_inside_is_private(void) {
    alone();
    int pid = getpid(), child = fork();
    if (!child) {
        if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534)) _exit(0);    /* a user namespace may know only us */
        char text[64];
        FAILS(readlink(of(pid, "exe"), text, 64), EACCES);
        FAILS(readlink(of(pid, "cwd"), text, 64), EACCES);
        FAILS(open(of(pid, "environ"), O_RDONLY), EACCES);
        FAILS(open(of(pid, "fd"), O_RDONLY), EACCES);
        CHECK(access(of(pid, "stat"), R_OK) == 0 && access(of(pid, "cmdline"), R_OK) == 0 && access(of(pid, "status"), R_OK) == 0);
        _exit(0);
    }
    CHECK(exit_of(child) == 0);
}
static void a_stub_of_sysfs(void) {
    alone();
    mkdir("sys", 0755);
    if (mount("sysfs", "sys", "sysfs", 0, NULL)) CHECK(errno == EPERM && !mount("/sys", "sys", NULL, MS_BIND | MS_REC, NULL));
    CHECK(content("sys/devices/system/cpu/online")[0] == '0' && lists("sys/class", "net") && lists("sys", "kernel") && lists("sys/fs", "cgroup"));
    struct stat s;
    CHECK(!stat("sys/fs/cgroup", &s) && S_ISDIR(s.st_mode));
}

static const struct property properties[] = {
    T(own_stat), T(own_status), T(words_and_names), T(a_name_can_be_set), T(places), T(descriptors), T(tasks), T(maps), T(limits),
    T(oom_settings), T(mount_lists), T(identity), T(machine), T(namespaces_have_numbers), T(the_inside_is_private),
    T(a_stub_of_sysfs), { 0 },
};
int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "wait")) return read(0, (char[1]){ 0 }, 1) < 0;
    return run_properties(properties, argc, argv);
}
