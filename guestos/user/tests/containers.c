/* What containers are made of: mounts, roots, namespaces, capabilities, filters, tracing. */
#include "tests.h"
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>

TEST(a_mount_covers_its_directory) {
    WORKS(mkdir("d", 0755));
    make("d/below", "");
    WORKS(mount("none", "d", "tmpfs", 0, NULL));
    FAILS(access("d/below", F_OK), ENOENT);
    make("d/above", "");
    CHECK(status("d").st_dev != status(".").st_dev);
    WORKS(umount("d"));
    WORKS(access("d/below", F_OK));
    FAILS(access("d/above", F_OK), ENOENT);
}
TEST(mount_errors) {
    WORKS(mkdir("d", 0755));
    make("f", "");
    FAILS(mount("none", "missing", "tmpfs", 0, NULL), ENOENT);
    FAILS(mount("none", "f", "tmpfs", 0, NULL), ENOTDIR);
    FAILS(mount("none", "d", "nosuchfs", 0, NULL), ENODEV);
    FAILS(mount("none", NOWHERE, "tmpfs", 0, NULL), EFAULT);
    FAILS(umount("d"), EINVAL);
    FAILS(umount("missing"), ENOENT);
    FAILS(umount2("d", 0x100), EINVAL);
}
TEST(a_mount_in_use_is_EBUSY) {
    WORKS(mkdir("d", 0755));
    WORKS(mount("none", "d", "tmpfs", 0, NULL));
    int fd = open("d/f", O_CREAT | O_RDWR, 0644);
    FAILS(umount("d"), EBUSY);
    WORKS(close(fd));
    WORKS(chdir("d"));
    FAILS(umount("../d"), EBUSY);
    WORKS(chdir(".."));
    WORKS(umount("d"));
}
TEST(MNT_DETACH_takes_a_mount_in_use) {
    WORKS(mkdir("d", 0755));
    WORKS(mount("none", "d", "tmpfs", 0, NULL));
    make("d/f", "x");
    int fd = open("d/f", O_RDONLY);
    char c;
    WORKS(umount2("d", MNT_DETACH));
    FAILS(access("d/f", F_OK), ENOENT);
    GIVES(read(fd, &c, 1), 1);
}
TEST(a_read_only_mount_refuses_changes) {
    WORKS(mkdir("d", 0755));
    WORKS(mount("none", "d", "tmpfs", 0, NULL));
    make("d/f", "");
    WORKS(mount("none", "d", "tmpfs", MS_REMOUNT | MS_RDONLY, NULL));
    FAILS(open("d/f", O_WRONLY), EROFS);
    FAILS(mkdir("d/x", 0755), EROFS);
    FAILS(unlink("d/f"), EROFS);
    FAILS(chmod("d/f", 0600), EROFS);
    FAILS(access("d/f", W_OK), EROFS);
    CHECK(open("d/f", O_RDONLY) >= 0);
    for (int fd = 3; fd < 20; fd++) close(fd);
    WORKS(umount("d"));
}
TEST(MS_NOEXEC_forbids_programs) {
    WORKS(mkdir("d", 0755));
    WORKS(mount("none", "d", "tmpfs", MS_NOEXEC, NULL));
    make("d/f", "#!/bin/sh\n");
    WORKS(chmod("d/f", 0755));
    FAILS(execl("d/f", "f", NULL), EACCES);
    WORKS(umount("d"));
}
TEST(a_bind_mount_shows_a_directory_twice) {
    WORKS(mkdir("a", 0755));
    WORKS(mkdir("b", 0755));
    make("a/f", "x");
    WORKS(mount("a", "b", NULL, MS_BIND, NULL));
    CHECK(!strcmp(content("b/f"), "x") && status("b").st_ino == status("a").st_ino);
    make("b/g", "y");
    CHECK(!strcmp(content("a/g"), "y"));
    WORKS(umount("b"));
    FAILS(access("b/f", F_OK), ENOENT);
}
TEST(mounts_are_listed_in_proc) {
    char where[PATH_MAX];
    WORKS(mkdir("d", 0755));
    WORKS(mount("thesource", "d", "tmpfs", 0, NULL));
    CHECK(getcwd(where, sizeof where));
    strcat(where, "/d tmpfs ");
    CHECK(strstr(content("/proc/self/mounts"), where) && strstr(content("/proc/mounts"), "thesource "));
    WORKS(umount("d"));
    CHECK(!strstr(content("/proc/mounts"), "thesource "));
}
TEST(chroot_changes_the_root) {
    WORKS(mkdir("new", 0755));
    make("new/f", "inside");
    WORKS(chroot("new"));
    CHECK(!strcmp(content("/f"), "inside"));
    WORKS(chdir("/"));
    CHECK(!strcmp(content("../../f"), "inside"));
    FAILS(access("/proc", F_OK), ENOENT);
}
TEST(chroot_errors) {
    make("f", "");
    FAILS(chroot("f"), ENOTDIR);
    FAILS(chroot("missing"), ENOENT);
    FAILS(chroot(NOWHERE), EFAULT);
}
TEST(pivot_root_wants_mount_points) {
    WORKS(mkdir("new", 0755));
    WORKS(mkdir("new/old", 0755));
    FAILS(syscall(SYS_pivot_root, "/bin", "/bin"), EBUSY);
    FAILS(syscall(SYS_pivot_root, "missing", "new/old"), ENOENT);
    FAILS(syscall(SYS_pivot_root, "new", "missing"), ENOENT);
}
TEST(unshare_of_files_and_directory) {
    WORKS(unshare(CLONE_FS | CLONE_FILES));
    WORKS(unshare(0));
    FAILS(unshare(0x40), EINVAL);
}
TEST(a_uts_namespace_has_its_own_name) {
    char name[65] = { 0 };
    WORKS(sethostname("outside", 7));
    CHILD(pid, WORKS(unshare(CLONE_NEWUTS)); WORKS(sethostname("inside", 6)));
    EXITS(pid, 0);
    WORKS(gethostname(name, sizeof name));
    CHECK(!strcmp(name, "outside"));
}
TEST(a_pid_namespace_begins_with_1) {
    WORKS(unshare(CLONE_NEWPID));
    CHILD(pid, CHECK(getpid() == 1 && getppid() == 0));
    EXITS(pid, 0);
}
TEST(a_mount_namespace_keeps_its_mounts) {
    WORKS(mkdir("d", 0755));
    CHILD(pid, WORKS(unshare(CLONE_NEWNS)); WORKS(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
          WORKS(mount("none", "d", "tmpfs", 0, NULL)); make("d/f", ""));
    EXITS(pid, 0);
    FAILS(access("d/f", F_OK), ENOENT);
}
TEST(setns_joins_a_namespace) {
    int old = open("/proc/self/ns/uts", O_RDONLY);
    CHECK(old >= 0);
    char name[65] = { 0 };
    WORKS(sethostname("outside", 7));
    WORKS(unshare(CLONE_NEWUTS));
    WORKS(sethostname("inside", 6));
    WORKS(setns(old, CLONE_NEWUTS));
    WORKS(gethostname(name, sizeof name));
    CHECK(!strcmp(name, "outside"));
    FAILS(setns(old, CLONE_NEWNS), EINVAL);
    FAILS(setns(999, 0), EBADF);
    FAILS(setns(open("/dev/null", O_RDONLY), 0), EINVAL);
}

/* ---- capabilities ---- */

static long capget(struct __user_cap_header_struct *header, struct __user_cap_data_struct *data) { return syscall(SYS_capget, header, data); }
static long capset(struct __user_cap_header_struct *header, const struct __user_cap_data_struct *data) { return syscall(SYS_capset, header, data); }
TEST(root_has_capabilities_and_users_have_none) {
    struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct data[2];
    WORKS(capget(&header, data));
    CHECK(data[0].effective & 1 << CAP_SYS_ADMIN && data[0].permitted & 1 << CAP_CHOWN);
    become(1000);
    WORKS(capget(&header, data));
    CHECK(!data[0].effective && !data[0].permitted);
}
TEST(a_dropped_capability_is_gone) {
    struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct data[2];
    make("f", "");
    WORKS(capget(&header, data));
    data[0].effective &= ~(1 << CAP_CHOWN);
    WORKS(capset(&header, data));
    FAILS(chown("f", 7, 7), EPERM);
    data[0].effective |= 1 << CAP_CHOWN;
    WORKS(capset(&header, data));
    WORKS(chown("f", 7, 7));
    data[0].effective &= ~(1 << CAP_CHOWN);
    data[0].permitted &= ~(1 << CAP_CHOWN);
    WORKS(capset(&header, data));
    data[0].permitted |= 1 << CAP_CHOWN;
    FAILS(capset(&header, data), EPERM);
}
TEST(capability_errors) {
    struct __user_cap_header_struct header = { 0x12345678, 0 };
    struct __user_cap_data_struct data[2];
    FAILS(capget(&header, data), EINVAL);
    GIVES(header.version, _LINUX_CAPABILITY_VERSION_3);
    header.pid = 99999;
    FAILS(capget(&header, data), ESRCH);
    FAILS(capget(NOWHERE, data), EFAULT);
    FAILS(capset(&header, data), EPERM);
}
TEST(the_bounding_set_only_shrinks) {
    GIVES(prctl(PR_CAPBSET_READ, CAP_CHOWN, 0, 0, 0), 1);
    WORKS(prctl(PR_CAPBSET_DROP, CAP_CHOWN, 0, 0, 0));
    GIVES(prctl(PR_CAPBSET_READ, CAP_CHOWN, 0, 0, 0), 0);
    become(1000);
    FAILS(prctl(PR_CAPBSET_DROP, CAP_KILL, 0, 0, 0), EPERM);
}
TEST(PR_SET_KEEPCAPS_keeps_the_permitted_set) {
    struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct data[2];
    WORKS(prctl(PR_SET_KEEPCAPS, 1));
    become(1000);
    WORKS(capget(&header, data));
    CHECK(!data[0].effective && data[0].permitted & 1 << CAP_CHOWN);
}

/* ---- seccomp ---- */

TEST(strict_seccomp_kills_other_calls) {
    CHILD(pid, WORKS(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT)); syscall(SYS_getpid); syscall(SYS_exit, 0));
    DIES(pid, SIGKILL);
    CHILD(second, WORKS(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT)); syscall(SYS_exit, 5));
    EXITS(second, 5);
}
TEST(a_seccomp_filter_answers_a_call) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 77), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { 4, code };
    WORKS(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    WORKS(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
    FAILS(syscall(SYS_getppid), 77);
    CHECK(getpid() > 0);
    CHILD(pid, FAILS(syscall(SYS_getppid), 77));
    EXITS(pid, 0);
}
TEST(a_seccomp_filter_wants_no_new_privs_of_users) {
    struct sock_filter code[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
    struct sock_fprog program = { 1, code };
    become(1000);
    FAILS(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program), EACCES);
    FAILS(syscall(SYS_seccomp, 99, 0, NULL), EINVAL);
    FAILS(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, NULL), EINVAL);
}

/* ---- ptrace ---- */

TEST(a_tracer_sees_stops_and_memory) {
    static volatile long value = 1234;
    CHILD(pid, WORKS(ptrace(PTRACE_TRACEME, 0, 0, 0)); raise(SIGSTOP); _exit(value == 99 ? 5 : 6));
    int how;
    GIVES(waitpid(pid, &how, 0), pid);
    CHECK(WIFSTOPPED(how) && WSTOPSIG(how) == SIGSTOP);
    errno = 0;
    GIVES(ptrace(PTRACE_PEEKDATA, pid, &value, 0), 1234);
    struct user_regs_struct registers;
    WORKS(ptrace(PTRACE_GETREGS, pid, 0, &registers));
    CHECK(registers.orig_rax == SYS_tkill || registers.orig_rax == SYS_tgkill || registers.orig_rax == SYS_kill);
    WORKS(ptrace(PTRACE_POKEDATA, pid, &value, 99));
    WORKS(ptrace(PTRACE_CONT, pid, 0, 0));
    EXITS(pid, 5);
}
TEST(ptrace_errors) {
    FAILS(ptrace(PTRACE_ATTACH, 99999, 0, 0), ESRCH);
    FAILS(ptrace(PTRACE_CONT, getppid(), 0, 0), ESRCH);
    FAILS(ptrace(PTRACE_ATTACH, getpid(), 0, 0), EPERM);
}
