/* init [-c COMMAND]: the first program. With a command it runs that and stops the machine with its
 * status; else it gives the console a shell, again and again, until one ends with `exit`. */
#include "tool.h"
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>

static void mount_one(const char *type, const char *at) {
    if (mount(type, at, type, 0, NULL)) fail("init", at);
}

/* A shell in a session of its own, with the console as its terminal. */
static pid_t start(char *const argv[]) {
    pid_t child = fork();
    if (child) return child;
    setsid();
    int console = open("/dev/ttyS0", O_RDWR);
    if (console >= 0) {
        ioctl(console, TIOCSCTTY, 0);
        for (int fd = 0; fd < 3; fd++) dup2(console, fd);
        if (console > 2) close(console);
    }
    execv(argv[0], argv);
    fail("init", argv[0]);
    _exit(127);
}

/* Collects orphans, too; returns wait's status of `pid`. */
static int wait_for(pid_t pid) {
    int how;
    for (;;) {
        pid_t ended = wait(&how);
        if (ended == pid) return how;
        if (ended < 0 && errno != EINTR) return 0x7f00;
    }
}

/* The kernel powers off when its first program ends, with that status as the machine's. */
static void leave(int status) {
    kill(-1, SIGTERM);
    kill(-1, SIGKILL);
    while (wait(NULL) > 0) ;
    sync();
    _exit(status);
}

int main(int argc, char **argv) {
    mount_one("proc", "/proc");
    mount_one("devpts", "/dev/pts");
    mount_one("tmpfs", "/tmp");
    mount_one("tmpfs", "/run");
    if (!access("/sys", F_OK)) mount_one("sysfs", "/sys"), mount_one("cgroup2", "/sys/fs/cgroup");
    setenv("HOME", "/root", 1);
    setenv("PATH", "/bin", 1);
    char name[65] = "";
    int fd = open("/etc/hostname", O_RDONLY);
    if (fd >= 0) {
        ssize_t n = read(fd, name, sizeof(name) - 1);
        close(fd);
        if (n > 0) name[strcspn(name, "\n")] = 0;
        if (*name) sethostname(name, strlen(name));
    }
    if (argc > 2 && !strcmp(argv[1], "-c")) {
        int how = wait_for(start((char *[]){ "/bin/sh", "-c", argv[2], NULL }));
        leave(WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how));
    }
    if (chdir("/root")) fail("init", "/root");
    fd = open("/etc/motd", O_RDONLY);
    if (fd >= 0) {
        copy_all(fd, 1);
        close(fd);
    }
    for (;;) {
        int how = wait_for(start((char *[]){ "/bin/sh", NULL }));
        if (WIFEXITED(how)) leave(WEXITSTATUS(how));
        fprintf(stderr, "init: the shell was ended by signal %d; starting another\n", WTERMSIG(how));
    }
}
