/* What the small programs share: messages, and copying between descriptors. */
#pragma once
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* "name: what: reason" on standard error; returns 1, the exit status. */
static inline int fail(const char *program, const char *what) {
    fprintf(stderr, "%s: %s: %s\n", program, what, strerror(errno));
    return 1;
}

/* "usage: ..." on standard error; returns 2, the exit status. */
static inline int usage(const char *text) {
    fprintf(stderr, "usage: %s\n", text);
    return 2;
}

/* Everything from one descriptor to another; 0, or -1 with errno. */
static inline int copy_all(int from, int to) {
    static char piece[16384];
    for (;;) {
        ssize_t n = read(from, piece, sizeof(piece));
        if (n <= 0) return n;
        for (ssize_t done = 0; done < n;) {
            ssize_t written = write(to, piece + done, n - done);
            if (written < 0) return -1;
            done += written;
        }
    }
}

/* Runs `one` on each file named, or on standard input ("-" is that too); the worst status. */
static inline int each_file(const char *program, int argc, char **argv, int (*one)(int fd, const char *name)) {
    int result = 0;
    if (argc < 1) return one(0, "-");
    for (int i = 0; i < argc; i++) {
        int fd = strcmp(argv[i], "-") ? open(argv[i], O_RDONLY) : 0;
        if (fd < 0) result = fail(program, argv[i]);
        else {
            if (one(fd, argv[i])) result = 1;
            if (fd) close(fd);
        }
    }
    return result;
}

/* "dir/name" of the last part of `path`; to be freed. */
static inline char *inside(const char *dir, const char *path) {
    const char *slash = strrchr(path, '/');
    char *joined;
    if (asprintf(&joined, "%s/%s", dir, slash ? slash + 1 : path) < 0) exit(1);
    return joined;
}

static inline int is_directory(const char *path) {
    struct stat st;
    return !stat(path, &st) && S_ISDIR(st.st_mode);
}
