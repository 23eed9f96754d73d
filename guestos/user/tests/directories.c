/* Directories: making, listing, renaming, standing in them. */
#include "tests.h"

TEST(mkdir_makes_an_empty_directory) {
    WORKS(mkdir("d", 0755));
    struct stat st = status("d");
    CHECK(S_ISDIR(st.st_mode) && st.st_nlink == 2 && (st.st_mode & 07777) == 0755);
    WORKS(mkdir("d/e/", 0700));
    GIVES(status("d").st_nlink, 3);
}
TEST(mkdir_errors) {
    make("f", "");
    WORKS(mkdir("d", 0755));
    FAILS(mkdir("d", 0755), EEXIST);
    FAILS(mkdir("f", 0755), EEXIST);
    FAILS(mkdir("f/x", 0755), ENOTDIR);
    FAILS(mkdir("missing/x", 0755), ENOENT);
    FAILS(mkdir("", 0755), ENOENT);
    FAILS(mkdir("/", 0755), EEXIST);
    FAILS(mkdir(".", 0755), EEXIST);
    FAILS(mkdir("d/..", 0755), EEXIST);
    FAILS(mkdir(NOWHERE, 0755), EFAULT);
    FAILS(mkdirat(999, "x", 0755), EBADF);
}
TEST(mkdir_over_a_dangling_link_is_EEXIST) {
    WORKS(symlink("nowhere", "link"));
    FAILS(mkdir("link", 0755), EEXIST);
    FAILS(access("nowhere", F_OK), ENOENT);
}
TEST(mkdir_keeps_the_sticky_bit_and_masks_the_rest) {
    umask(022);
    WORKS(mkdir("d", 01777));
    GIVES(status("d").st_mode & 07777, 01755);
}
TEST(rmdir_removes_empty_directories_only) {
    WORKS(mkdir("d", 0755));
    make("d/f", "");
    FAILS(rmdir("d"), ENOTEMPTY);
    WORKS(unlink("d/f"));
    WORKS(rmdir("d"));
    FAILS(rmdir("d"), ENOENT);
}
TEST(rmdir_errors) {
    make("f", "");
    WORKS(mkdir("d", 0755));
    WORKS(mkdir("d/e", 0755));
    WORKS(symlink("d", "link"));
    FAILS(rmdir("f"), ENOTDIR);
    FAILS(rmdir("link"), ENOTDIR);
    FAILS(rmdir("d/e/."), EINVAL);
    FAILS(rmdir("d/e/.."), ENOTEMPTY);
    FAILS(rmdir("/"), EBUSY);
    FAILS(rmdir(""), ENOENT);
    FAILS(rmdir("f/x"), ENOTDIR);
}
TEST(rmdir_of_a_mount_point_is_EBUSY) { FAILS(rmdir("/proc"), EBUSY); }
TEST(unlink_refuses_directories) {
    WORKS(mkdir("d", 0755));
    FAILS(unlink("d"), EISDIR);
    FAILS(unlink("d/"), EISDIR);
    FAILS(unlinkat(AT_FDCWD, "d", 0), EISDIR);
    WORKS(unlinkat(AT_FDCWD, "d", AT_REMOVEDIR));
    FAILS(unlinkat(AT_FDCWD, "d", 0x1000), EINVAL);
}
TEST(nothing_is_made_in_a_removed_directory) {
    char where[64];
    WORKS(mkdir("d", 0755));
    WORKS(chdir("d"));
    WORKS(rmdir("../d"));
    FAILS(open("x", O_CREAT | O_WRONLY, 0644), ENOENT);
    FAILS(mkdir("x", 0755), ENOENT);
    FAILS(syscall(SYS_getcwd, where, sizeof where), ENOENT);
    struct stat st;
    WORKS(stat(".", &st));
    GIVES(st.st_nlink, 0);
    WORKS(chdir(".."));
}
TEST(getcwd_tells_where_chdir_went) {
    char before[PATH_MAX], after[PATH_MAX];
    WORKS(mkdir("d", 0755));
    CHECK(getcwd(before, sizeof before) && !chdir("d") && getcwd(after, sizeof after));
    strcat(before, "/d");
    CHECK(!strcmp(before, after));
    GIVES(syscall(SYS_getcwd, after, sizeof after), strlen(after) + 1);
}
TEST(getcwd_errors) {
    char where[PATH_MAX];
    FAILS(syscall(SYS_getcwd, where, 1), ERANGE);
    FAILS(syscall(SYS_getcwd, where, 0), ERANGE);
    FAILS(syscall(SYS_getcwd, NOWHERE, 100), EFAULT);
}
TEST(chdir_errors) {
    make("f", "");
    FAILS(chdir("f"), ENOTDIR);
    FAILS(chdir("missing"), ENOENT);
    FAILS(chdir(""), ENOENT);
    FAILS(chdir(NOWHERE), EFAULT);
    FAILS(fchdir(999), EBADF);
    FAILS(fchdir(open("f", O_RDONLY)), ENOTDIR);
}
TEST(fchdir_needs_permission_to_search) {
    WORKS(mkdir("d", 0600));
    WORKS(chmod(".", 0755));
    int fd = open("d", O_RDONLY);
    CHILD(pid, become(1000); FAILS(fchdir(fd), EACCES); FAILS(chdir("d"), EACCES));
    EXITS(pid, 0);
    WORKS(fchdir(fd));
}
TEST(a_child_has_its_own_working_directory) {
    WORKS(mkdir("d", 0755));
    CHILD(pid, WORKS(chdir("d")); make("inside", ""));
    EXITS(pid, 0);
    WORKS(access("d/inside", F_OK));
    FAILS(access("inside", F_OK), ENOENT);
}
TEST(dot_dot_at_the_root_stays) {
    struct stat st;
    WORKS(stat("/../..", &st));
    CHECK(st.st_ino == status("/").st_ino && st.st_dev == status("/").st_dev);
}

/* ---- rename ---- */

TEST(rename_replaces_a_file) {
    make("a", "a");
    make("b", "b");
    WORKS(rename("a", "b"));
    CHECK(!strcmp(content("b"), "a"));
    FAILS(access("a", F_OK), ENOENT);
}
TEST(rename_of_a_missing_file_is_ENOENT) {
    FAILS(rename("missing", "x"), ENOENT);
    FAILS(rename("", "x"), ENOENT);
    make("a", "");
    FAILS(rename("a", "missing/x"), ENOENT);
    FAILS(rename("a", ""), ENOENT);
}
TEST(rename_into_itself_is_EINVAL) {
    WORKS(mkdir("d", 0755));
    WORKS(mkdir("d/sub", 0755));
    FAILS(rename("d", "d/sub/x"), EINVAL);
    FAILS(rename("d", "d/x"), EINVAL);
    FAILS(rename("d/sub", "d"), ENOTEMPTY);
}
TEST(rename_keeps_files_and_directories_apart) {
    make("f", "");
    WORKS(mkdir("d", 0755));
    FAILS(rename("f", "d"), EISDIR);
    FAILS(rename("d", "f"), ENOTDIR);
    FAILS(rename("f/", "g"), ENOTDIR);
    FAILS(rename("f", "g/"), ENOTDIR);
    FAILS(rename("f", "f/g"), ENOTDIR);
}
TEST(rename_replaces_an_empty_directory_only) {
    WORKS(mkdir("d", 0755));
    WORKS(mkdir("d/sub", 0755));
    WORKS(mkdir("e", 0755));
    FAILS(rename("e", "d"), ENOTEMPTY);
    WORKS(rename("d/sub", "e"));
    CHECK(status("d").st_nlink == 2 && status("e").st_nlink == 2);
}
TEST(rename_of_a_directory_moves_its_dot_dot) {
    WORKS(mkdir("d", 0755));
    WORKS(mkdir("e", 0755));
    WORKS(rename("e", "d/f"));
    CHECK(status("d").st_nlink == 3 && status("d/f/..").st_ino == status("d").st_ino);
}
TEST(rename_between_two_names_of_a_file_does_nothing) {
    make("a", "");
    WORKS(link("a", "b"));
    WORKS(rename("a", "b"));
    WORKS(access("a", F_OK));
    GIVES(status("b").st_nlink, 2);
}
TEST(rename_of_dot_is_EBUSY) {
    WORKS(mkdir("d", 0755));
    FAILS(rename("d/.", "x"), EBUSY);
    FAILS(rename("d/..", "x"), EBUSY);
    FAILS(rename("d", "."), EBUSY);
}
TEST(rename_moves_a_link_not_its_target) {
    make("target", "t");
    WORKS(symlink("target", "link"));
    WORKS(rename("link", "moved"));
    CHECK(S_ISLNK(status("moved").st_mode) && !strcmp(content("moved"), "t"));
}
TEST(RENAME_NOREPLACE_leaves_what_is_there) {
    make("a", "a");
    make("b", "b");
    FAILS(syscall(SYS_renameat2, AT_FDCWD, "a", AT_FDCWD, "b", 1), EEXIST);
    WORKS(syscall(SYS_renameat2, AT_FDCWD, "a", AT_FDCWD, "c", 1));
    FAILS(syscall(SYS_renameat2, AT_FDCWD, "c", AT_FDCWD, "d", 0x80), EINVAL);
    CHECK(!strcmp(content("b"), "b") && !strcmp(content("c"), "a"));
}
TEST(rename_across_file_systems_is_EXDEV) {
    make("a", "");
    FAILS(rename("a", "/proc/a"), EXDEV);
    FAILS(link("a", "/dev/a"), EXDEV);
}
TEST(an_open_file_survives_its_replacement) {
    make("a", "new");
    make("b", "old");
    char text[3];
    int fd = open("b", O_RDONLY);
    WORKS(rename("a", "b"));
    CHECK(read(fd, text, 3) == 3 && !memcmp(text, "old", 3));
}

/* ---- listing ---- */

TEST(listing_finds_every_name_once) {
    enum { COUNT = 300 };
    bool found[COUNT] = { 0 };
    char path[64];
    WORKS(mkdir("many", 0755));
    for (int i = 0; i < COUNT; i++) {
        snprintf(path, sizeof path, "many/a-name-of-some-length-%d", i);
        make(path, "");
    }
    DIR *d = opendir("many");
    int names = 0, dots = 0;
    for (struct dirent *e; (e = readdir(d)); names++) {
        int i;
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) dots++;
        else if (sscanf(e->d_name, "a-name-of-some-length-%d", &i) == 1 && !found[i]) found[i] = true;
        else fail(__FILE_NAME__, __LINE__, "found %s", e->d_name);
    }
    GIVES(dots, 2);
    GIVES(names, COUNT + 2);
}
TEST(removing_while_listing_loses_no_name) {
    char path[300];
    WORKS(mkdir("many", 0755));
    for (int i = 0; i < 200; i++) {
        snprintf(path, sizeof path, "many/name-%d", i);
        make(path, "");
    }
    DIR *d = opendir("many");
    int removed = 0;
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "many/%s", e->d_name);
        WORKS(unlink(path));
        removed++;
    }
    GIVES(removed, 200);
    closedir(d);
    WORKS(rmdir("many"));
}
TEST(listing_tells_types) {
    make("file", "");
    WORKS(mkdir("dir", 0755));
    WORKS(symlink("x", "link"));
    WORKS(mkfifo("fifo", 0600));
    DIR *d = opendir(".");
    int right = 0;
    for (struct dirent *e; (e = readdir(d));) {
        right += !strcmp(e->d_name, "file") && e->d_type == DT_REG;
        right += !strcmp(e->d_name, "dir") && e->d_type == DT_DIR;
        right += !strcmp(e->d_name, "link") && e->d_type == DT_LNK;
        right += !strcmp(e->d_name, "fifo") && e->d_type == DT_FIFO;
        CHECK(e->d_name[0] == '.' || e->d_ino == status(e->d_name).st_ino);
    }
    GIVES(right, 4);
}
TEST(rewinddir_sees_new_names) {
    DIR *d = opendir(".");
    while (readdir(d)) ;
    make("new", "");
    rewinddir(d);
    int names = 0;
    while (readdir(d)) names++;
    GIVES(names, 3);
}
TEST(getdents64_errors) {
    char buffer[512];
    make("file", "");
    int dir = open(".", O_RDONLY);
    FAILS(syscall(SYS_getdents64, open("file", O_RDONLY), buffer, sizeof buffer), ENOTDIR);
    FAILS(syscall(SYS_getdents64, 999, buffer, sizeof buffer), EBADF);
    FAILS(syscall(SYS_getdents64, dir, NOWHERE, 512), EFAULT);
    FAILS(syscall(SYS_getdents64, dir, buffer, 8), EINVAL);
    CHECK(syscall(SYS_getdents64, dir, buffer, sizeof buffer) > 0);
    GIVES(syscall(SYS_getdents64, dir, buffer, sizeof buffer), 0);
}
TEST(listing_a_removed_directory_is_ENOENT) {
    char buffer[512];
    WORKS(mkdir("d", 0755));
    int fd = open("d", O_RDONLY);
    WORKS(rmdir("d"));
    FAILS(syscall(SYS_getdents64, fd, buffer, sizeof buffer), ENOENT);
}
TEST(changes_in_a_directory_set_its_times) {
    WORKS(mkdir("d", 0755));
    struct timespec old[2] = { { 100, 0 }, { 100, 0 } };
    WORKS(utimensat(AT_FDCWD, "d", old, 0));
    make("d/f", "");
    CHECK(status("d").st_mtime > 100);
    WORKS(utimensat(AT_FDCWD, "d", old, 0));
    WORKS(unlink("d/f"));
    CHECK(status("d").st_mtime > 100);
}
