/* Ids, groups and modes: who may do what. */
#include "tests.h"
#include <grp.h>

static bool ids_are(uid_t real, uid_t effective, uid_t saved) {
    uid_t r, e, s;
    WORKS(getresuid(&r, &e, &s));
    return r == real && e == effective && s == saved;
}

TEST(the_suite_runs_as_root) { CHECK(getuid() == 0 && geteuid() == 0 && getgid() == 0 && getegid() == 0); }
TEST(setuid_of_root_sets_all_three) {
    WORKS(syscall(SYS_setuid, 1000));
    CHECK(ids_are(1000, 1000, 1000));
    FAILS(syscall(SYS_setuid, 0), EPERM);
    FAILS(syscall(SYS_setuid, 1001), EPERM);
    WORKS(syscall(SYS_setuid, 1000));
}
TEST(setuid_of_a_user_goes_back_to_the_saved_id) {
    WORKS(syscall(SYS_setresuid, 1000, 1000, 0));
    WORKS(syscall(SYS_setuid, 0));
    CHECK(ids_are(1000, 0, 0));
}
TEST(setresuid_takes_own_ids_only) {
    WORKS(syscall(SYS_setresuid, 1, 2, 3));
    CHECK(ids_are(1, 2, 3));
    WORKS(syscall(SYS_setresuid, 3, 1, 2));
    CHECK(ids_are(3, 1, 2));
    WORKS(syscall(SYS_setresuid, -1, -1, -1));
    FAILS(syscall(SYS_setresuid, 4, -1, -1), EPERM);
    CHECK(ids_are(3, 1, 2));
}
TEST(setreuid_saves_the_effective_id) {
    WORKS(syscall(SYS_setreuid, 1000, 1001));
    CHECK(ids_are(1000, 1001, 1001));
    FAILS(syscall(SYS_setreuid, 5, -1), EPERM);
    WORKS(syscall(SYS_setreuid, -1, 1000));
    CHECK(ids_are(1000, 1000, 1001));
}
TEST(group_ids_obey_the_same_rules) {
    gid_t r, e, s;
    WORKS(syscall(SYS_setresgid, 1, 2, 3));
    WORKS(syscall(SYS_setuid, 1000));
    WORKS(syscall(SYS_setgid, 3));
    WORKS(getresgid(&r, &e, &s));
    CHECK(r == 1 && e == 3 && s == 3);
    FAILS(syscall(SYS_setgid, 7), EPERM);
    FAILS(syscall(SYS_setresgid, 7, -1, -1), EPERM);
    WORKS(syscall(SYS_setregid, 3, 1));
    FAILS(syscall(SYS_getresgid, NOWHERE, &e, &s), EFAULT);
    FAILS(syscall(SYS_getresuid, &r, NOWHERE, &s), EFAULT);
}
TEST(groups_are_set_and_got) {
    gid_t in[3] = { 5, 6, 7 }, out[3] = { 0 };
    WORKS(setgroups(3, in));
    GIVES(getgroups(0, NULL), 3);
    GIVES(getgroups(3, out), 3);
    CHECK(!memcmp(in, out, sizeof in));
    FAILS(getgroups(2, out), EINVAL);
    FAILS(getgroups(-1, out), EINVAL);
    FAILS(getgroups(3, NOWHERE), EFAULT);
    FAILS(setgroups(3, NOWHERE), EFAULT);
    FAILS(setgroups(65537, in), EINVAL);
    WORKS(setgroups(0, NULL));
    GIVES(getgroups(3, out), 0);
}
TEST(only_privilege_changes_groups) {
    gid_t one = 5;
    become(1000);
    FAILS(setgroups(1, &one), EPERM);
    FAILS(setgroups(0, NULL), EPERM);
}
TEST(umask_masks_new_modes_and_tells_the_old) {
    GIVES(umask(027), 022);
    make("file", "");
    WORKS(mkdir("dir", 0777));
    WORKS(mkfifo("fifo", 0666));
    CHECK((status("file").st_mode & 07777) == 0640 && (status("dir").st_mode & 07777) == 0750 && (status("fifo").st_mode & 07777) == 0640);
    GIVES(umask(01777), 027);
    GIVES(umask(0), 0777);
}
TEST(a_user_reads_only_what_the_mode_allows) {
    make("secret", "s");
    WORKS(chmod("secret", 0640));
    WORKS(chmod(".", 0755));
    become(1000);
    FAILS(open("secret", O_RDONLY), EACCES);
    FAILS(open("secret", O_WRONLY), EACCES);
    FAILS(access("secret", R_OK), EACCES);
    WORKS(access("secret", F_OK));
    FAILS(truncate("secret", 0), EACCES);
}
TEST(the_group_and_supplementary_groups_count) {
    make("shared", "s");
    WORKS(chmod("shared", 0640));
    WORKS(chown("shared", 0, 77));
    gid_t group = 77;
    WORKS(setgroups(1, &group));
    WORKS(syscall(SYS_setresuid, 1000, 1000, 1000));
    CHECK(open("shared", O_RDONLY) >= 0);
    FAILS(open("shared", O_WRONLY), EACCES);
}
TEST(the_owner_is_judged_as_owner_alone) {
    make("odd", "s");
    WORKS(chmod("odd", 0077));
    WORKS(chown("odd", 1000, 1000));
    WORKS(chmod(".", 0755));
    become(1000);
    FAILS(open("odd", O_RDONLY), EACCES);
}
TEST(a_directory_without_x_cannot_be_passed) {
    WORKS(mkdir("closed", 0700));
    make("closed/x", "");
    WORKS(chmod(".", 0755));
    CHILD(pid, become(1000); FAILS(open("closed/x", O_RDONLY), EACCES); FAILS(open("closed/missing", O_RDONLY), EACCES);
          FAILS(chdir("closed"), EACCES));
    EXITS(pid, 0);
    WORKS(chmod("closed", 0744));
    CHILD(second, become(1000); CHECK(opendir("closed") != NULL); FAILS(access("closed/x", F_OK), EACCES));
    EXITS(second, 0);
}
TEST(a_directory_without_w_keeps_its_names) {
    make("file", "");
    WORKS(chmod(".", 0755));
    become(1000);
    FAILS(unlink("file"), EACCES);
    FAILS(rename("file", "other"), EACCES);
    FAILS(mkdir("dir", 0755), EACCES);
    FAILS(open("new", O_CREAT | O_WRONLY, 0644), EACCES);
    FAILS(symlink("x", "link"), EACCES);
}
TEST(a_sticky_directory_protects_others_names) {
    WORKS(mkdir("sticky", 0777));
    WORKS(chmod("sticky", 01777));
    make("sticky/root", "");
    WORKS(mkdir("sticky/dir", 0777));
    WORKS(chmod(".", 0755));
    become(1000);
    FAILS(unlink("sticky/root"), EPERM);
    FAILS(rmdir("sticky/dir"), EPERM);
    FAILS(rename("sticky/root", "sticky/other"), EPERM);
    make("sticky/own", "");
    FAILS(rename("sticky/own", "sticky/root"), EPERM);
    WORKS(unlink("sticky/own"));
}
TEST(chmod_is_the_owners) {
    make("file", "");
    WORKS(chmod(".", 0755));
    CHILD(pid, become(1000); FAILS(chmod("file", 0777), EPERM); FAILS(fchmodat(AT_FDCWD, "file", 0777, 0), EPERM));
    EXITS(pid, 0);
    WORKS(chown("file", 1000, 1000));
    CHILD(second, become(1000); WORKS(chmod("file", 0600)));
    EXITS(second, 0);
    GIVES(status("file").st_mode & 07777, 0600);
}
TEST(chmod_errors) {
    make("file", "");
    FAILS(chmod("missing", 0644), ENOENT);
    FAILS(chmod("file/x", 0644), ENOTDIR);
    FAILS(syscall(SYS_fchmod, 999, 0644), EBADF);
    FAILS(syscall(SYS_fchmodat, 999, "x", 0644), EBADF);
    FAILS(chmod(NOWHERE, 0644), EFAULT);
}
TEST(chown_is_for_privilege) {
    make("file", "");
    WORKS(chown("file", 7, 8));
    CHECK(status("file").st_uid == 7 && status("file").st_gid == 8);
    WORKS(chown("file", -1, 9));
    CHECK(status("file").st_uid == 7 && status("file").st_gid == 9);
    WORKS(chown("file", 1000, 1000));
    WORKS(chmod(".", 0755));
    become(1000);
    FAILS(chown("file", 1001, -1), EPERM);
    FAILS(chown("file", -1, 1001), EPERM);
    WORKS(chown("file", -1, 1000));
}
TEST(chown_errors) {
    make("file", "");
    FAILS(chown("missing", 1, 1), ENOENT);
    FAILS(fchown(999, 1, 1), EBADF);
    FAILS(syscall(SYS_fchownat, AT_FDCWD, "file", 1, 1, 0x8000), EINVAL);
    FAILS(chown("", 1, 1), ENOENT);
}
TEST(chown_drops_set_id_bits) {
    make("file", "");
    WORKS(chmod("file", 06755));
    WORKS(chown("file", 1, -1));
    GIVES(status("file").st_mode & 07777, 0755);
}
TEST(writing_drops_set_id_bits) {
    make("file", "");
    WORKS(chown("file", 1000, 1000));
    WORKS(chmod("file", 06777));
    WORKS(chmod(".", 0755));
    CHILD(pid, become(1001); int fd = open("file", O_WRONLY); GIVES(write(fd, "x", 1), 1));
    EXITS(pid, 0);
    GIVES(status("file").st_mode & 07777, 0777);
}
TEST(setgid_directories_hand_down_their_group) {
    WORKS(mkdir("d", 0755));
    WORKS(chown("d", 0, 77));
    WORKS(chmod("d", 02755));
    make("d/file", "");
    WORKS(mkdir("d/sub", 0755));
    GIVES(status("d/file").st_gid, 77);
    CHECK(status("d/sub").st_gid == 77 && status("d/sub").st_mode & S_ISGID);
}
TEST(root_executes_only_what_somebody_may) {
    make("file", "");
    FAILS(access("file", X_OK), EACCES);
    FAILS(execl("./file", "file", NULL), EACCES);
    WORKS(chmod("file", 0001));
    WORKS(access("file", X_OK));
    WORKS(access("file", W_OK));
}
TEST(access_asks_for_the_real_id) {
    make("file", "");
    WORKS(chmod("file", 0600));
    WORKS(chmod(".", 0755));
    WORKS(syscall(SYS_setresuid, 1000, 0, 0));
    FAILS(syscall(SYS_access, "file", R_OK), EACCES);
    WORKS(syscall(SYS_faccessat2, AT_FDCWD, "file", R_OK, AT_EACCESS));
    CHECK(open("file", O_RDONLY) >= 0);
}
TEST(access_errors) {
    make("file", "");
    FAILS(syscall(SYS_access, "file", 99), EINVAL);
    FAILS(syscall(SYS_access, "missing", 99), EINVAL);
    FAILS(access("missing", F_OK), ENOENT);
    FAILS(access("file/x", F_OK), ENOTDIR);
    FAILS(access(NOWHERE, F_OK), EFAULT);
    FAILS(syscall(SYS_faccessat, 999, "x", 0), EBADF);
    FAILS(syscall(SYS_faccessat2, AT_FDCWD, "file", 0, 0x8000), EINVAL);
}
TEST(devices_are_made_by_privilege) {
    WORKS(chmod(".", 0777));
    become(1000);
    FAILS(mknod("dev", S_IFCHR | 0600, 0x103), EPERM);
    WORKS(mknod("fifo", S_IFIFO | 0600, 0));
    WORKS(mknod("file", S_IFREG | 0600, 0));
}
TEST(utimensat_to_now_needs_write_permission) {
    make("file", "");
    WORKS(chmod("file", 0644));
    WORKS(chmod(".", 0755));
    struct timespec times[2] = { { 100, 0 }, { 100, 0 } };
    CHILD(pid, become(1000); FAILS(utimensat(AT_FDCWD, "file", NULL, 0), EACCES); FAILS(utimensat(AT_FDCWD, "file", times, 0), EPERM));
    EXITS(pid, 0);
    WORKS(chmod("file", 0666));
    CHILD(second, become(1000); WORKS(utimensat(AT_FDCWD, "file", NULL, 0)); FAILS(utimensat(AT_FDCWD, "file", times, 0), EPERM));
    EXITS(second, 0);
}
TEST(signals_go_to_processes_of_the_same_user) {
    CHILD(pid, pause());
    become(1000);
    FAILS(kill(pid, SIGTERM), EPERM);
    FAILS(kill(1, 0), EPERM);
    FAILS(kill(1, 99), EINVAL);
    WORKS(kill(getpid(), 0));
}
TEST(privileged_calls_are_EPERM_to_users) {
    become(1000);
    FAILS(chroot("."), EPERM);
    FAILS(sethostname("x", 1), EPERM);
    FAILS(syscall(SYS_mount, "a", "/tmp", "tmpfs", 0, 0), EPERM);
    FAILS(syscall(SYS_umount2, "/proc", 0), EPERM);
    FAILS(syscall(SYS_reboot, 0xfee1dead, 672274793, 0, 0), EPERM);
    struct timespec now = { 1, 0 };
    FAILS(syscall(SYS_clock_settime, CLOCK_REALTIME, &now), EPERM);
}
TEST(a_new_file_belongs_to_its_maker) {
    WORKS(chmod(".", 0777));
    CHILD(pid, become(1000); make("file", ""); WORKS(mkdir("dir", 0755)));
    EXITS(pid, 0);
    CHECK(status("file").st_uid == 1000 && status("file").st_gid == 1000 && status("dir").st_uid == 1000);
}
TEST(children_inherit_ids) {
    WORKS(syscall(SYS_setresuid, 1, 2, 3));
    CHILD(pid, CHECK(ids_are(1, 2, 3)));
    EXITS(pid, 0);
}
