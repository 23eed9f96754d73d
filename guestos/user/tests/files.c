/* Opening files, their contents, positions and lengths. */
#include "tests.h"
#include <sys/sendfile.h>
#include <sys/statfs.h>

/* ---- open ---- */

TEST(open_of_a_missing_file_is_ENOENT) {
    FAILS(open("missing", O_RDONLY), ENOENT);
    FAILS(open("missing/x", O_CREAT | O_RDWR, 0644), ENOENT);
}
TEST(open_of_an_empty_path_is_ENOENT) { FAILS(open("", O_RDONLY), ENOENT); }
TEST(open_through_a_file_is_ENOTDIR) {
    make("file", "x");
    FAILS(open("file/x", O_RDONLY), ENOTDIR);
    FAILS(open("file/", O_RDONLY), ENOTDIR);
    FAILS(open("file/.", O_RDONLY), ENOTDIR);
}
TEST(exclusive_create_finds_any_name) {
    make("file", "x");
    WORKS(mkdir("dir", 0755));
    WORKS(symlink("nowhere", "link"));
    FAILS(open("file", O_CREAT | O_EXCL | O_RDWR, 0644), EEXIST);
    FAILS(open("dir", O_CREAT | O_EXCL | O_RDWR, 0644), EEXIST);
    FAILS(open("link", O_CREAT | O_EXCL | O_RDWR, 0644), EEXIST);
}
TEST(directories_open_for_reading_only) {
    WORKS(mkdir("dir", 0755));
    FAILS(open("dir", O_WRONLY), EISDIR);
    FAILS(open("dir", O_RDWR), EISDIR);
    FAILS(open("dir", O_RDONLY | O_CREAT, 0644), EISDIR);
    CHECK(open("dir", O_RDONLY) >= 0);
    CHECK(open("dir/", O_RDONLY | O_DIRECTORY) >= 0);
}
TEST(create_with_a_trailing_slash_is_EISDIR) {
    FAILS(open("new/", O_RDWR | O_CREAT, 0644), EISDIR);
    FAILS(access("new", F_OK), ENOENT);
}
TEST(O_DIRECTORY_takes_directories_only) {
    make("file", "x");
    FAILS(open("file", O_RDONLY | O_DIRECTORY), ENOTDIR);
}
TEST(a_name_has_at_most_255_bytes) {
    char name[NAME_MAX + 2];
    memset(name, 'n', sizeof name);
    name[NAME_MAX + 1] = 0;
    FAILS(open(name, O_RDONLY), ENAMETOOLONG);
    FAILS(mkdir(name, 0755), ENAMETOOLONG);
    name[NAME_MAX] = 0;
    FAILS(open(name, O_RDONLY), ENOENT);
    int fd = open(name, O_CREAT | O_WRONLY, 0600);
    CHECK(fd >= 0);
    WORKS(close(fd));
    WORKS(unlink(name));
}
TEST(a_path_has_at_most_4095_bytes) {
    static char path[PATH_MAX + 1];
    memset(path, '/', PATH_MAX);
    FAILS(open(path, O_RDONLY), ENAMETOOLONG);
    path[PATH_MAX - 1] = 0;
    CHECK(open(path, O_RDONLY) >= 0);
}
TEST(a_path_nowhere_is_EFAULT) {
    FAILS(open(NOWHERE, O_RDONLY), EFAULT);
    FAILS(open(KERNEL, O_RDONLY), EFAULT);
    FAILS(open((char *)-1L, O_RDONLY), EFAULT);
    FAILS(open(NULL, O_RDONLY), EFAULT);
}
TEST(a_path_may_end_at_the_edge_of_memory) {
    char *edge = pages(2, RW) + PAGE - 4;
    WORKS(munmap(edge + 4, PAGE));
    memcpy(edge, "abc", 4);
    FAILS(open(edge, O_RDONLY), ENOENT);
    memcpy(edge, "abcd", 4);
    FAILS(open(edge, O_RDONLY), EFAULT);
}
TEST(O_TRUNC_empties_and_keeps_the_inode) {
    make("file", "text");
    ino_t ino = status("file").st_ino;
    int fd = open("file", O_WRONLY | O_TRUNC);
    CHECK(fd >= 0 && status("file").st_size == 0 && status("file").st_ino == ino);
}
TEST(creat_truncates_and_opens_for_writing) {
    make("file", "text");
    int fd = creat("file", 0644);
    char c;
    CHECK(fd >= 0 && status("file").st_size == 0);
    FAILS(read(fd, &c, 1), EBADF);
    GIVES(write(fd, "x", 1), 1);
}
TEST(a_created_file_is_open_whatever_its_mode) {
    CHILD(pid, become(1000); FAILS(open("new", O_CREAT | O_RDWR, 0), EACCES));
    EXITS(pid, 0);
    WORKS(chmod(".", 0777));
    CHILD(second, become(1000); int fd = open("new", O_CREAT | O_RDWR, 0); CHECK(fd >= 0); GIVES(write(fd, "x", 1), 1);
          FAILS(open("new", O_RDONLY), EACCES));
    EXITS(second, 0);
}
TEST(open_takes_the_lowest_free_descriptor) {
    int a = open("/dev/null", O_RDONLY), b = open("/dev/null", O_RDONLY);
    CHECK(b == a + 1);
    WORKS(close(a));
    GIVES(open("/dev/null", O_RDONLY), a);
}
TEST(O_PATH_reaches_a_file_and_nothing_of_it) {
    make("file", "text");
    char c;
    struct stat st;
    int fd = open("file", O_PATH);
    FAILS(read(fd, &c, 1), EBADF);
    FAILS(write(fd, "x", 1), EBADF);
    FAILS(ftruncate(fd, 0), EBADF);
    FAILS(syscall(SYS_fchmod, fd, 0600), EBADF);
    FAILS(lseek(fd, 0, SEEK_SET), EBADF);
    WORKS(fstat(fd, &st));
    GIVES(st.st_size, 4);
    WORKS(close(fd));
}
TEST(O_PATH_on_a_directory_is_a_place_to_start) {
    make("file", "text");
    int fd = open(".", O_PATH);
    WORKS(fchdir(fd));
    CHECK(openat(fd, "file", O_RDONLY) >= 0);
    FAILS(openat(fd, "missing", O_RDONLY), ENOENT);
}
TEST(openat_starts_at_its_directory) {
    WORKS(mkdir("dir", 0755));
    make("dir/file", "text");
    int dir = open("dir", O_RDONLY), file = open("dir/file", O_RDONLY);
    CHECK(openat(dir, "file", O_RDONLY) >= 0);
    CHECK(openat(999, "/dev/null", O_RDONLY) >= 0);
    FAILS(openat(999, "file", O_RDONLY), EBADF);
    FAILS(openat(file, "file", O_RDONLY), ENOTDIR);
}
TEST(access_modes_hold_for_reading_and_writing) {
    make("file", "x");
    char c;
    int reading = open("file", O_RDONLY), writing = open("file", O_WRONLY);
    FAILS(write(reading, "x", 1), EBADF);
    FAILS(read(writing, &c, 1), EBADF);
    FAILS(ftruncate(reading, 0), EINVAL);
    FAILS(pwrite(reading, "x", 1, 0), EBADF);
}
TEST(close_of_nothing_is_EBADF) {
    FAILS(close(999), EBADF);
    FAILS(close(-1), EBADF);
}
TEST(an_open_device_without_driver_is_ENXIO) {
    WORKS(mknod("dev", S_IFCHR | 0600, 0xf0f0));
    FAILS(open("dev", O_RDONLY), ENXIO);
    WORKS(mknod("block", S_IFBLK | 0600, 0xf0f0));
    FAILS(open("block", O_RDONLY), ENXIO);
}

/* ---- contents ---- */

TEST(writing_past_the_end_leaves_zeros) {
    char text[8];
    struct stat st;
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    GIVES(pwrite(fd, "end", 3, 1000000), 3);
    WORKS(fstat(fd, &st));
    CHECK(st.st_size == 1000003 && st.st_blocks < 100);
    CHECK(pread(fd, text, 8, 500000) == 8 && !memcmp(text, "\0\0\0\0\0\0\0", 8));
    GIVES(pread(fd, text, 8, 1000000), 3);
    GIVES(pread(fd, text, 8, 1000003), 0);
    GIVES(pread(fd, text, 8, 2000000), 0);
}
TEST(read_and_write_move_the_position) {
    char text[8];
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    GIVES(write(fd, "abcdef", 6), 6);
    GIVES(lseek(fd, 0, SEEK_CUR), 6);
    GIVES(lseek(fd, -4, SEEK_CUR), 2);
    CHECK(read(fd, text, 2) == 2 && !memcmp(text, "cd", 2));
    GIVES(lseek(fd, 0, SEEK_CUR), 4);
    GIVES(lseek(fd, -1, SEEK_END), 5);
    GIVES(read(fd, text, 8), 1);
    GIVES(read(fd, text, 8), 0);
}
TEST(lseek_refuses_what_is_no_position) {
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    FAILS(lseek(fd, -1, SEEK_SET), EINVAL);
    FAILS(lseek(fd, -1, SEEK_CUR), EINVAL);
    FAILS(lseek(fd, 0, 99), EINVAL);
    FAILS(lseek(999, 0, 99), EBADF);
    GIVES(lseek(fd, 0, SEEK_CUR), 0);
}
TEST(lseek_past_the_end_changes_nothing) {
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    GIVES(lseek(fd, 5000, SEEK_SET), 5000);
    GIVES(status("f").st_size, 0);
}
TEST(pread_and_pwrite_leave_the_position) {
    char c;
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    GIVES(write(fd, "abc", 3), 3);
    CHECK(pread(fd, &c, 1, 1) == 1 && c == 'b');
    GIVES(pwrite(fd, "x", 1, 0), 1);
    GIVES(lseek(fd, 0, SEEK_CUR), 3);
    FAILS(pread(fd, &c, 1, -1), EINVAL);
    FAILS(pwrite(fd, &c, 1, -1), EINVAL);
    FAILS(pread(999, &c, 1, -1), EINVAL);
    FAILS(pread(999, &c, 1, 0), EBADF);
}
TEST(forked_processes_share_a_position) {
    make("f", "abcdef");
    int fd = open("f", O_RDONLY);
    CHILD(pid, char two[2]; read(fd, two, 2));
    EXITS(pid, 0);
    GIVES(lseek(fd, 0, SEEK_CUR), 2);
}
TEST(two_opens_have_two_positions) {
    make("f", "abcdef");
    int a = open("f", O_RDONLY), b = open("f", O_RDONLY);
    GIVES(lseek(a, 3, SEEK_SET), 3);
    GIVES(lseek(b, 0, SEEK_CUR), 0);
}
TEST(O_APPEND_writes_at_the_end) {
    make("f", "one");
    int fd = open("f", O_RDWR | O_APPEND);
    GIVES(lseek(fd, 0, SEEK_SET), 0);
    GIVES(write(fd, "two", 3), 3);
    GIVES(lseek(fd, 0, SEEK_CUR), 6);
    CHECK(!strcmp(content("f"), "onetwo"));
}
TEST(O_APPEND_holds_for_pwrite_too) {
    make("f", "one");
    int fd = open("f", O_RDWR | O_APPEND);
    GIVES(pwrite(fd, "two", 3, 0), 3);
    CHECK(!strcmp(content("f"), "onetwo"));
}
TEST(ftruncate_cuts_and_extends_with_zeros) {
    char text[3];
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    GIVES(write(fd, "xyz", 3), 3);
    WORKS(ftruncate(fd, 1));
    WORKS(ftruncate(fd, 3));
    CHECK(pread(fd, text, 3, 0) == 3 && !memcmp(text, "x\0", 3));
    GIVES(lseek(fd, 0, SEEK_CUR), 3);
    FAILS(ftruncate(fd, -1), EINVAL);
    FAILS(ftruncate(999, -1), EINVAL);
    FAILS(ftruncate(999, 0), EBADF);
}
TEST(truncate_by_path_checks_what_it_names) {
    make("f", "abc");
    WORKS(mkdir("dir", 0755));
    WORKS(truncate("f", 2));
    GIVES(status("f").st_size, 2);
    FAILS(truncate("dir", 0), EISDIR);
    FAILS(truncate("missing", 0), ENOENT);
    FAILS(truncate("f", -1), EINVAL);
    FAILS(truncate("/dev/null", 0), EINVAL);
}
TEST(an_unlinked_file_lives_while_open) {
    char text[5];
    struct stat st;
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    WORKS(unlink("f"));
    WORKS(fstat(fd, &st));
    GIVES(st.st_nlink, 0);
    GIVES(pwrite(fd, "still", 5, 0), 5);
    CHECK(pread(fd, text, 5, 0) == 5 && !memcmp(text, "still", 5));
}
TEST(bad_buffers_are_EFAULT) {
    make("f", "abc");
    int fd = open("f", O_RDWR);
    FAILS(write(fd, NOWHERE, 1), EFAULT);
    FAILS(read(fd, NOWHERE, 1), EFAULT);
    FAILS(write(fd, KERNEL, 1), EFAULT);
    FAILS(read(fd, KERNEL, 1), EFAULT);
    FAILS(read(open("/dev/zero", O_RDONLY), KERNEL, 5), EFAULT);
    FAILS(write(fd, (void *)0x7fffffffeff0, 0x100000), EFAULT);
    CHECK(!strcmp(content("f"), "abc"));
}
TEST(a_read_at_the_end_never_looks_at_its_buffer) {
    make("f", "");
    GIVES(read(open("f", O_RDONLY), NOWHERE, 10), 0);
}
TEST(a_transfer_of_nothing_gives_0) {
    make("f", "abc");
    int fd = open("f", O_RDWR);
    GIVES(read(fd, NULL, 0), 0);
    GIVES(write(fd, NULL, 0), 0);
    FAILS(read(999, NULL, 0), EBADF);
}
TEST(writev_and_readv_go_through_their_vectors) {
    char a[2], b[4];
    struct iovec out[3] = { { "A", 1 }, { NULL, 0 }, { "BCD", 3 } }, in[2] = { { a, 2 }, { b, 4 } };
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    GIVES(writev(fd, out, 3), 4);
    CHECK(!strcmp(content("f"), "ABCD"));
    GIVES(lseek(fd, 1, SEEK_SET), 1);
    GIVES(readv(fd, in, 2), 3);
    CHECK(!memcmp(a, "BC", 2) && b[0] == 'D');
}
TEST(vectors_have_at_most_1024_parts) {
    static struct iovec v[1025];
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    FAILS(writev(fd, v, -1), EINVAL);
    FAILS(writev(fd, v, 1025), EINVAL);
    GIVES(writev(fd, v, 1024), 0);
    GIVES(writev(fd, NOWHERE, 0), 0);
    FAILS(writev(fd, NOWHERE, 1), EFAULT);
    FAILS(writev(999, NOWHERE, 1), EBADF);
    v[0].iov_len = -1UL;
    FAILS(writev(fd, v, 1), EINVAL);
}
TEST(sendfile_copies_from_an_offset) {
    make("f", "onetwoABC");
    int in = open("f", O_RDONLY), out = open("g", O_RDWR | O_CREAT, 0644);
    off_t offset = 3;
    GIVES(sendfile(out, in, &offset, 100), 6);
    GIVES(offset, 9);
    GIVES(lseek(in, 0, SEEK_CUR), 0);
    GIVES(sendfile(out, in, NULL, 3), 3);
    GIVES(lseek(in, 0, SEEK_CUR), 3);
    CHECK(!strcmp(content("g"), "twoABCone"));
    FAILS(sendfile(999, in, NULL, 1), EBADF);
    FAILS(sendfile(in, in, NULL, 1), EBADF);
    offset = -1;
    FAILS(sendfile(out, in, &offset, 1), EINVAL);
}
TEST(reading_a_directory_is_EISDIR) {
    char c;
    int fd = open(".", O_RDONLY);
    FAILS(read(fd, &c, 1), EISDIR);
    FAILS(pread(fd, &c, 1, 0), EISDIR);
    FAILS(write(fd, &c, 1), EBADF);
}
TEST(large_contents_come_back_unchanged) {
    enum { SIZE = 300000 };
    unsigned char *out = malloc(SIZE), *in = malloc(SIZE);
    for (int i = 0; i < SIZE; i++) out[i] = i * 7 + i / 251;
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    for (int at = 0, n = 1; at < SIZE; at += n, n = n * 2 % 70001) {
        if (n > SIZE - at) n = SIZE - at;
        GIVES(write(fd, out + at, n), n);
    }
    WORKS(fsync(fd));
    GIVES(pread(fd, in, SIZE, 0), SIZE);
    CHECK(!memcmp(in, out, SIZE));
}
TEST(st_blocks_counts_512_byte_units_in_use) {
    char block[8192] = { 1 };
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    GIVES(write(fd, block, sizeof block), sizeof block);
    WORKS(fsync(fd));
    struct stat st = status("f");
    CHECK(st.st_blocks >= 16 && st.st_blocks <= 24 && st.st_blksize >= 512);
    WORKS(ftruncate(fd, 0));
    WORKS(fsync(fd));
    GIVES(status("f").st_blocks, 0);
}
TEST(fsync_takes_files_and_refuses_pipes) {
    int ends[2];
    WORKS(fsync(open("f", O_RDWR | O_CREAT, 0644)));
    WORKS(fdatasync(open("f", O_RDONLY)));
    WORKS(fsync(open(".", O_RDONLY)));
    WORKS(pipe(ends));
    FAILS(fsync(ends[0]), EINVAL);
    FAILS(fsync(999), EBADF);
    WORKS(syncfs(open(".", O_RDONLY)));
    FAILS(syncfs(999), EBADF);
}
TEST(statfs_tells_of_the_file_system) {
    struct statfs st, of_descriptor;
    WORKS(statfs(".", &st));
    CHECK(st.f_bsize > 0 && st.f_namelen == NAME_MAX && st.f_blocks >= st.f_bfree && st.f_bfree >= st.f_bavail);
    WORKS(fstatfs(open(".", O_RDONLY), &of_descriptor));
    CHECK(of_descriptor.f_type == st.f_type && of_descriptor.f_blocks == st.f_blocks);
    FAILS(statfs("missing", &st), ENOENT);
    FAILS(syscall(SYS_statfs, ".", NOWHERE), EFAULT);
    FAILS(fstatfs(999, &st), EBADF);
}
TEST(statfs_knows_proc) {
    struct statfs st;
    WORKS(statfs("/proc", &st));
    GIVES(st.f_type, 0x9fa0);
}

/* ---- devices ---- */

TEST(dev_null_swallows_and_is_empty) {
    char c;
    int fd = open("/dev/null", O_RDWR);
    GIVES(write(fd, "abc", 3), 3);
    GIVES(read(fd, &c, 1), 0);
    GIVES(lseek(fd, 100, SEEK_SET), 0);
}
TEST(dev_zero_is_zeros_without_end) {
    char text[4] = "abc";
    int fd = open("/dev/zero", O_RDWR);
    CHECK(read(fd, text, 4) == 4 && !memcmp(text, "\0\0\0", 4));
    GIVES(write(fd, text, 4), 4);
}
TEST(dev_full_has_no_space) {
    char text[4] = "abc";
    int fd = open("/dev/full", O_RDWR);
    FAILS(write(fd, "x", 1), ENOSPC);
    CHECK(read(fd, text, 4) == 4 && !text[0]);
}
TEST(dev_urandom_differs_each_time) {
    long a[2], b[2];
    int fd = open("/dev/urandom", O_RDONLY);
    CHECK(read(fd, a, 16) == 16 && read(fd, b, 16) == 16 && memcmp(a, b, 16));
}
TEST(stat_tells_devices_apart) {
    struct stat st = status("/dev/null");
    CHECK(S_ISCHR(st.st_mode) && st.st_rdev == 0x103);
    WORKS(mknod("block", S_IFBLK | 0600, 0x0701));
    st = status("block");
    CHECK(S_ISBLK(st.st_mode) && st.st_rdev == 0x0701);
}
TEST(mknod_makes_files_and_refuses_directories) {
    WORKS(mknod("file", S_IFREG | 0600, 0));
    CHECK(S_ISREG(status("file").st_mode));
    WORKS(mknod("plain", 0600, 0));
    CHECK(S_ISREG(status("plain").st_mode));
    FAILS(mknod("dir", S_IFDIR | 0700, 0), EPERM);
    FAILS(mknod("link", S_IFLNK | 0700, 0), EINVAL);
    FAILS(mknod("file", S_IFREG | 0600, 0), EEXIST);
}

/* ---- stat ---- */

TEST(stat_of_a_path_and_of_its_descriptor_agree) {
    make("f", "abc");
    struct stat a = status("f"), b, c;
    WORKS(fstat(open("f", O_RDONLY), &b));
    WORKS(fstatat(AT_FDCWD, "f", &c, 0));
    CHECK(!memcmp(&a, &c, sizeof a));
    CHECK(a.st_ino == b.st_ino && a.st_dev == b.st_dev && b.st_size == 3 && b.st_mode == (S_IFREG | 0644) && b.st_nlink == 1);
}
TEST(stat_errors) {
    struct stat st;
    FAILS(stat("missing", &st), ENOENT);
    FAILS(stat("", &st), ENOENT);
    FAILS(syscall(SYS_stat, ".", NOWHERE), EFAULT);
    FAILS(syscall(SYS_stat, ".", KERNEL), EFAULT);
    FAILS(syscall(SYS_stat, "missing", NOWHERE), ENOENT);
    FAILS(syscall(SYS_fstat, 999, &st), EBADF);
    FAILS(syscall(SYS_newfstatat, AT_FDCWD, ".", &st, 0x8000), EINVAL);
    FAILS(syscall(SYS_newfstatat, 999, "x", &st, 0), EBADF);
}
TEST(AT_EMPTY_PATH_means_the_descriptor) {
    make("f", "abc");
    struct stat st;
    int fd = open("f", O_RDONLY);
    WORKS(syscall(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH));
    GIVES(st.st_size, 3);
    FAILS(syscall(SYS_newfstatat, fd, "", &st, 0), ENOENT);
    FAILS(syscall(SYS_newfstatat, 999, "", &st, AT_EMPTY_PATH), EBADF);
}
