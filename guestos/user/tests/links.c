/* Hard and symbolic links, and unlink. */
#include "tests.h"

TEST(a_link_is_another_name) {
    make("a", "text");
    WORKS(link("a", "b"));
    CHECK(status("a").st_ino == status("b").st_ino && status("a").st_nlink == 2);
    WORKS(unlink("a"));
    CHECK(!strcmp(content("b"), "text") && status("b").st_nlink == 1);
}
TEST(link_errors) {
    make("a", "");
    make("b", "");
    WORKS(mkdir("d", 0755));
    FAILS(link("d", "d2"), EPERM);
    FAILS(link("missing", "x"), ENOENT);
    FAILS(link("a", "b"), EEXIST);
    FAILS(link("a", "a"), EEXIST);
    FAILS(link("a", "b/x"), ENOTDIR);
    FAILS(link("a", "missing/x"), ENOENT);
    FAILS(link("a", "x/"), ENOENT);
    FAILS(link("", "x"), ENOENT);
    FAILS(linkat(AT_FDCWD, "a", AT_FDCWD, "x", 1), EINVAL);
}
TEST(link_of_a_symlink_is_the_symlink_unless_followed) {
    make("target", "t");
    WORKS(symlink("target", "link"));
    WORKS(link("link", "second"));
    CHECK(S_ISLNK(status("second").st_mode));
    WORKS(linkat(AT_FDCWD, "link", AT_FDCWD, "third", AT_SYMLINK_FOLLOW));
    CHECK(S_ISREG(status("third").st_mode) && status("target").st_nlink == 2);
}
TEST(a_descriptor_links_through_proc) {
    make("a", "text");
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", open("a", O_RDONLY));
    WORKS(linkat(AT_FDCWD, path, AT_FDCWD, "b", AT_SYMLINK_FOLLOW));
    CHECK(status("b").st_ino == status("a").st_ino);
}
TEST(unlink_errors) {
    make("f", "");
    FAILS(unlink("missing"), ENOENT);
    FAILS(unlink("f/"), ENOTDIR);
    FAILS(unlink("f/x"), ENOTDIR);
    FAILS(unlink(""), ENOENT);
    FAILS(unlink(NOWHERE), EFAULT);
    FAILS(unlinkat(999, "f", 0), EBADF);
}
TEST(symlinks_lead_to_their_target) {
    make("target", "t");
    WORKS(symlink("target", "link"));
    CHECK(!strcmp(content("link"), "t"));
    struct stat st;
    WORKS(stat("link", &st));
    CHECK(S_ISREG(st.st_mode));
    st = status("link");
    CHECK(S_ISLNK(st.st_mode) && st.st_size == 6 && (st.st_mode & 0777) == 0777);
}
TEST(readlink_gives_the_target_without_end_mark) {
    char text[16] = "...............";
    WORKS(symlink("target", "link"));
    GIVES(readlink("link", text, sizeof text), 6);
    CHECK(!memcmp(text, "target.", 7));
    GIVES(readlink("link", text, 3), 3);
}
TEST(readlink_errors) {
    char text[16];
    make("file", "");
    FAILS(readlink("file", text, 16), EINVAL);
    FAILS(readlink(".", text, 16), EINVAL);
    FAILS(readlink("missing", text, 16), ENOENT);
    WORKS(symlink("target", "link"));
    FAILS(syscall(SYS_readlink, "link", text, 0), EINVAL);
    FAILS(syscall(SYS_readlink, "link", text, -1), EINVAL);
    FAILS(readlink("link", NOWHERE, 16), EFAULT);
    FAILS(readlinkat(999, "link", text, 16), EBADF);
}
TEST(symlink_errors) {
    make("file", "");
    FAILS(symlink("x", "file"), EEXIST);
    FAILS(symlink("", "empty"), ENOENT);
    FAILS(symlink("x", ""), ENOENT);
    FAILS(symlink("x", "missing/link"), ENOENT);
    FAILS(symlink("x", "new/"), ENOENT);
    static char text[PATH_MAX + 1];
    memset(text, 't', PATH_MAX);
    FAILS(symlink(text, "link"), ENAMETOOLONG);
}
TEST(a_long_target_is_kept_whole) {
    static char text[1000], back[1001];
    memset(text, 't', sizeof text - 1);
    WORKS(symlink(text, "link"));
    CHECK(readlink("link", back, sizeof back) == 999 && !memcmp(text, back, 999));
}
TEST(O_NOFOLLOW_stops_at_a_link) {
    make("target", "");
    WORKS(symlink("target", "link"));
    FAILS(open("link", O_RDONLY | O_NOFOLLOW), ELOOP);
    int fd = open("link", O_PATH | O_NOFOLLOW);
    struct stat st;
    CHECK(fd >= 0 && !fstat(fd, &st) && S_ISLNK(st.st_mode));
    FAILS(fchdir(fd), ENOTDIR);
}
TEST(loops_are_ELOOP) {
    WORKS(symlink("loop", "loop"));
    FAILS(open("loop", O_RDONLY), ELOOP);
    FAILS(open("loop", O_RDONLY | O_CREAT, 0644), ELOOP);
    FAILS(open("loop/x", O_RDONLY), ELOOP);
    WORKS(symlink("two", "one"));
    WORKS(symlink("one", "two"));
    FAILS(access("one", F_OK), ELOOP);
}
TEST(forty_links_are_followed_and_no_more) {
    char from[8], to[8];
    make("0", "found");
    for (int i = 0; i < 41; i++) {
        snprintf(from, sizeof from, "%d", i);
        snprintf(to, sizeof to, "%d", i + 1);
        WORKS(symlink(from, to));
    }
    CHECK(!strcmp(content("40"), "found"));
    FAILS(open("41", O_RDONLY), ELOOP);
}
TEST(a_dangling_link_opens_when_created_through) {
    WORKS(symlink("later", "dangling"));
    FAILS(open("dangling", O_RDONLY), ENOENT);
    FAILS(open("dangling", O_RDWR | O_CREAT | O_EXCL, 0644), EEXIST);
    CHECK(open("dangling", O_RDWR | O_CREAT, 0644) >= 0);
    WORKS(access("later", F_OK));
}
TEST(a_link_in_the_middle_is_always_followed) {
    WORKS(mkdir("dir", 0755));
    make("dir/file", "x");
    WORKS(symlink("dir", "link"));
    CHECK(open("link/file", O_RDONLY | O_NOFOLLOW) >= 0);
    CHECK(S_ISDIR(status("link/").st_mode));
    CHECK(S_ISDIR(status("link/.").st_mode));
}
TEST(relative_links_start_where_they_lie) {
    WORKS(mkdir("dir", 0755));
    make("dir/file", "x");
    WORKS(symlink("file", "dir/link"));
    WORKS(symlink("../dir/link", "dir/further"));
    CHECK(!strcmp(content("dir/further"), "x"));
}
TEST(absolute_links_start_at_the_root) {
    WORKS(symlink("/dev/null", "link"));
    struct stat st;
    WORKS(stat("link", &st));
    CHECK(S_ISCHR(st.st_mode));
}
TEST(unlink_removes_the_link_not_the_target) {
    make("target", "");
    WORKS(symlink("target", "link"));
    WORKS(unlink("link"));
    WORKS(access("target", F_OK));
}
TEST(chmod_and_truncate_go_through_links) {
    make("target", "text");
    WORKS(symlink("target", "link"));
    WORKS(chmod("link", 0600));
    WORKS(truncate("link", 1));
    CHECK((status("target").st_mode & 0777) == 0600 && status("target").st_size == 1);
}
TEST(lchown_changes_the_link_itself) {
    make("target", "");
    WORKS(symlink("target", "link"));
    WORKS(lchown("link", 5, 6));
    CHECK(status("link").st_uid == 5 && status("target").st_uid == 0);
    WORKS(fchownat(AT_FDCWD, "link", 7, 8, AT_SYMLINK_NOFOLLOW));
    CHECK(status("link").st_gid == 8 && status("target").st_gid == 0);
    WORKS(chown("link", 9, 10));
    CHECK(status("target").st_uid == 9);
}
