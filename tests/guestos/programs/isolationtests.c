/* Ways out of a container that are known by name: each in the set-up in which it works, and in the right one, in which it fails. */
#include "properties.h"
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static void own_tree(void) {
    CHECK(unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
    CHECK(mount("x", "/tmp", "tmpfs", 0, NULL) == 0 && mkdir("/tmp/new", 0777) == 0 && mkdir("/tmp/outside", 0777) == 0);
    CHECK(mount("new", "/tmp/new", "tmpfs", 0, NULL) == 0 && mkdir("/tmp/new/old", 0777) == 0 && mkdir("/tmp/new/jail", 0777) == 0);
}
static int sees_outside(void) { struct stat st; return stat("/tmp/outside", &st) == 0; }
static void pivot(void) {
    CHECK(chdir("/tmp/new") == 0 && syscall(SYS_pivot_root, ".", "old") == 0 && chdir("/") == 0 && umount2("/old", MNT_DETACH) == 0);
}
/* Out of a chroot by a second one: the working directory stays above the new root. */
static void climb(void) {
    CHECK(mkdir("further", 0755) == 0 && chroot("further") == 0);
    for (int i = 0; i < 32; i++) CHECK(chdir("..") == 0);
    CHECK(chroot(".") == 0);
}

static void a_second_chroot_leaves_the_first(void) {
    own_tree();
    CHECK(chroot("/tmp/new") == 0 && chdir("/") == 0 && !sees_outside());
    climb();
    CHECK(sees_outside());
}
static void but_not_a_pivoted_root(void) {
    own_tree();
    pivot();
    climb();
    CHECK(!sees_outside());
}
static void a_leaked_directory_leads_out(void) {
    own_tree();
    int leaked = open("/", O_RDONLY | O_DIRECTORY);
    pivot();
    FAILS(access("/etc/passwd", F_OK), ENOENT);
    CHECK(leaked >= 0 && fchdir(leaked) == 0 && chroot(".") == 0 && access("/etc/passwd", F_OK) == 0);
}
static void with_descriptors_closed_nothing_does(void) {
    own_tree();
    int leaked = open("/", O_RDONLY | O_DIRECTORY);
    pivot();
    CHECK(syscall(SYS_close_range, 3U, ~0U, 0) == 0);
    FAILS(fchdir(leaked), EBADF);
    char at[64];
    CHECK(syscall(SYS_getcwd, at, sizeof(at)) > 0 && at[0] == '/');     /* "(unreachable)..." stands elsewhere */
}
/* Masking /tmp/secret with what is called null, once a link and once the device (CVE-2025-31133). */
static void a_masks_link_shows_what_it_leads_to(void) {
    own_tree();
    CHECK(close(open("/tmp/secret", O_CREAT | O_WRONLY, 0600)) == 0 && close(open("/tmp/other", O_CREAT | O_WRONLY, 0600)) == 0);
    CHECK(symlink("/tmp/other", "/tmp/null") == 0 && mount("/tmp/null", "/tmp/secret", NULL, MS_BIND, NULL) == 0);
    int fd = open("/tmp/secret", O_WRONLY);
    struct stat st;
    CHECK(fd >= 0 && write(fd, "mine", 4) == 4 && stat("/tmp/other", &st) == 0 && st.st_size == 4);
}
static int is_null(const char *path) {
    struct stat st;
    int fd = open(path, O_PATH | O_NOFOLLOW);
    return fd >= 0 && fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == 0x103;
}
static void a_masks_source_can_be_told_from_a_link(void) {
    own_tree();
    CHECK(symlink("/dev/null", "/tmp/null") == 0 && !is_null("/tmp/null"));
    CHECK(mknod("/tmp/zero", S_IFCHR | 0666, 0x105) == 0 && !is_null("/tmp/zero"));
    CHECK(mknod("/tmp/real", S_IFCHR | 0666, 0x103) == 0 && is_null("/tmp/real"));
}
static void mounts_forbid(void) {
    own_tree();
    CHECK(mkdir("/tmp/m", 0755) == 0 && mount("m", "/tmp/m", "tmpfs", 0, NULL) == 0);
    CHECK(mknod("/tmp/m/null", S_IFCHR | 0666, 0x103) == 0 && close(open("/tmp/m/program", O_CREAT | O_WRONLY, 0755)) == 0);
    CHECK(mount(NULL, "/tmp/m", NULL, MS_REMOUNT | MS_BIND | MS_NODEV | MS_NOEXEC | MS_RDONLY, NULL) == 0);
    FAILS(open("/tmp/m/null", O_RDONLY), EACCES);
    FAILS(execl("/tmp/m/program", "program", NULL), EACCES);
    FAILS(open("/tmp/m/new", O_CREAT | O_WRONLY, 0600), EROFS);
}
static void a_bound_proc_sys_is_read_only(void) {
    own_tree();
    CHECK(mount("/proc/sys", "/proc/sys", NULL, MS_BIND, NULL) == 0 && mount(NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0);
    FAILS(open("/proc/sys/kernel/hostname", O_WRONLY), EROFS);
}
static void descriptors_without_cloexec_survive_exec(void) {
    for (int cloexec = 0; cloexec < 2; cloexec++) {
        int fd = open("/", O_RDONLY | (cloexec ? O_CLOEXEC : 0)), pid = fork();
        char number[12];
        sprintf(number, "%d", fd);
        if (!pid) execl("/proc/self/exe", "isolationtests", "-open", number, NULL);
        CHECK(exit_of(pid) == (cloexec ? 1 : 0));
        close(fd);
    }
}
static void a_running_program_is_not_written(void) {
    FAILS(open("/proc/self/exe", O_WRONLY), ETXTBSY);
}
static void inheritable_capabilities_are_not_gained_by_files_without(void) {
    CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 13, 0, 0) == 0);
    CHECK(setresgid(1000, 1000, 1000) == 0 && setresuid(1000, 1000, 1000) == 0);
    int pid = fork();
    if (!pid) execl("/proc/self/exe", "isolationtests", "-effective", NULL);
    CHECK(exit_of(pid) == 0);
}
static void flags_that_are_not_there_fail(void) {
    FAILS(unshare(0x40), EINVAL);
    FAILS(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL);
    FAILS(syscall(SYS_seccomp, 1, 1UL << 20, NULL), EINVAL);
    FAILS(umount2("/tmp", 1 << 10), EINVAL);
}

static const struct property all[] = {
    T(a_second_chroot_leaves_the_first), T(but_not_a_pivoted_root), T(a_leaked_directory_leads_out), T(with_descriptors_closed_nothing_does),
    T(a_masks_link_shows_what_it_leads_to), T(a_masks_source_can_be_told_from_a_link), T(mounts_forbid), T(a_bound_proc_sys_is_read_only), T(descriptors_without_cloexec_survive_exec), T(a_running_program_is_not_written),
    T(inheritable_capabilities_are_not_gained_by_files_without), T(flags_that_are_not_there_fail), { 0 }
};

int main(int argc, char **argv) {
    if (argc == 3 && !strcmp(argv[1], "-open")) return fcntl(atoi(argv[2]), F_GETFD) < 0;
    if (argc == 2 && !strcmp(argv[1], "-effective")) {
        char line[128];
        FILE *f = fopen("/proc/self/status", "r");
        while (f && fgets(line, sizeof(line), f)) if (!strncmp(line, "CapEff:", 7)) return strtoul(line + 7, NULL, 16) != 0;
        return 2;
    }
    return run_properties(all, argc, argv);
}
