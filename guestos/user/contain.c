/* contain: runs a program in a container, by hand and in one file: namespaces, a root of its own, fewer rights.
 *
 *   contain PROGRAM [ARGUMENTS...]
 *
 * The program's root is an overlay on this one, whose changes are forgotten. The status is the program's; 2: it could not be
 * contained, and was not started. `box` manages containers; this is what one is. */
#define _GNU_SOURCE
#include "tool.h"
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define ALL (CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP)

static void must(int failed, const char *what) {
    if (!failed) return;
    perror(what);
    _exit(2);
}

/* Nothing that is done to mounts from here on is seen outside; what was outside is seen no more. */
static void take_root(void) {
    must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "contain: making the mounts private");
    must(mount("contain", "/mnt", "tmpfs", 0, "mode=755"), "contain: /mnt");
    must(mkdir("/mnt/changes", 0755) || mkdir("/mnt/work", 0755) || mkdir("/mnt/root", 0755), "contain: /mnt");
    must(mount("overlay", "/mnt/root", "overlay", 0, "lowerdir=/,upperdir=/mnt/changes,workdir=/mnt/work"), "contain: the overlay");
    must(chdir("/mnt/root"), "contain: the new root");
    must(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), "contain: /proc");
    must(mount("dev", "dev", "tmpfs", MS_NOSUID, "mode=755"), "contain: /dev");
    static const struct { const char *path; int minor; } nodes[] = { { "dev/null", 3 }, { "dev/zero", 5 }, { "dev/full", 7 }, { "dev/random", 8 }, { "dev/urandom", 9 } };
    for (unsigned i = 0; i < sizeof(nodes) / sizeof(*nodes); i++)
        must(mknod(nodes[i].path, S_IFCHR | 0666, makedev(1, nodes[i].minor)), nodes[i].path);
    must(syscall(SYS_pivot_root, ".", "mnt"), "contain: pivot_root");
    must(chdir("/") || umount2("/mnt", MNT_DETACH), "contain: letting the old root go");
}

/* What a program needs that is root in a container, as container engines leave it. */
static void drop_rights(void) {
    static const int kept[] = { CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_KILL, CAP_SETGID, CAP_SETUID, CAP_SETPCAP, CAP_NET_BIND_SERVICE, CAP_SYS_CHROOT };
    unsigned long keep = 0;
    for (unsigned i = 0; i < sizeof(kept) / sizeof(*kept); i++) keep |= 1UL << kept[i];
    for (int c = 0; prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++)
        if (!(keep >> c & 1)) must(prctl(PR_CAPBSET_DROP, c, 0, 0, 0), "contain: the bounding set");
    struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct d[2] = { { keep, keep, 0 }, { keep >> 32, keep >> 32, 0 } };
    must(syscall(SYS_capset, &h, d), "contain: capabilities");
    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "contain: no_new_privs");
}

int main(int argc, char **argv) {
    if (argc < 2) return fprintf(stderr, "usage: contain PROGRAM [ARGUMENTS...]\n"), 2;
    pid_t pid = syscall(SYS_clone, ALL | SIGCHLD, 0, 0, 0, 0);
    must(pid < 0, "contain: new namespaces");
    if (!pid) {
        syscall(SYS_close_range, 3U, ~0U, 0);
        must(sethostname("container", 9), "contain: the host name");
        take_root();
        drop_rights();
        execvp(argv[1], argv + 1);
        must(1, argv[1]);
    }
    int status;
    while (waitpid(pid, &status, 0) < 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
