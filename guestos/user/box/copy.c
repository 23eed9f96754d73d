/* COPY: files of the directory that is built from, into a new layer or into a digest. Sources are found without following a
 * link; destinations with the image as root, so that its links lead nowhere else. */
#include "box.h"
#include <dirent.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

/* The directory of a source, and its last name ("." of the context itself). */
static int open_source(int context, const char *source, const char **last) {
    int at = dup(context);
    char *rest = strdup(source), *part = ".";
    for (char *next; (next = strsep(&rest, "/"));) {
        if (!*next || !strcmp(next, ".")) continue;
        if (!strcmp(next, "..")) die("COPY %s: .. leads out of the directory that is built from", source);
        int deeper = strcmp(part, ".") ? openat(at, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : at;
        if (deeper < 0) die("COPY %s: %s is no directory", source, part);
        if (deeper != at) close(at);
        at = deeper;
        part = next;
    }
    *last = part;
    return at;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static char **names_in(int fd) {
    struct record names = { 0 };
    DIR *d = fdopendir(dup(fd));
    for (struct dirent *e; d && (e = readdir(d));) if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) add(&names, "", e->d_name);
    if (d) closedir(d);
    char **all = list(&names, "");
    qsort(all, names.count, sizeof(*all), by_name);
    return all;
}

/* A tree's names, kinds, modes and contents go into a digest, or (`hash` NULL) into the directory `to` as `as`. */
static void copy_tree(int from, const char *name, int to, const char *as, struct sha256 *hash) {
    struct stat st;
    char piece[16384];
    if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW)) die_errno("COPY %s", name);
    if (hash) {
        char *head = text("%s %o ", as, st.st_mode);
        sha256_add(hash, head, strlen(head) + 1);
        free(head);
    } else if (!S_ISDIR(st.st_mode) && unlinkat(to, as, 0) && errno != ENOENT) die_errno("COPY to %s", as);
    if (S_ISLNK(st.st_mode)) {
        ssize_t n = readlinkat(from, name, piece, sizeof(piece) - 1);
        piece[n < 0 ? 0 : n] = 0;
        if (hash) sha256_add(hash, piece, n + 1);
        else if (symlinkat(piece, to, as)) die_errno("COPY %s", name);
        return;
    }
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) die("COPY %s: neither a file, a directory nor a link", name);
    int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), out = -1;
    if (in < 0) die_errno("COPY %s", name);
    if (S_ISDIR(st.st_mode)) {
        if (!hash && mkdirat(to, as, 0755) && errno != EEXIST) die_errno("COPY to %s", as);
        if (!hash && (out = openat(to, as, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) die_errno("COPY to %s", as);
        for (char **n = names_in(in); *n; n++) copy_tree(in, *n, out, *n, hash);
        if (hash) sha256_add(hash, "/", 2);
    } else {
        if (!hash && (out = openat(to, as, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) < 0) die_errno("COPY to %s", as);
        for (ssize_t n; (n = read(in, piece, sizeof(piece)));) {
            if (n < 0) die_errno("COPY %s", name);
            if (hash) sha256_add(hash, piece, n);
            else if (write_all(out, piece, n)) die_errno("COPY %s", name);
        }
    }
    if (out >= 0 && strcmp(name, ".") && fchmod(out, st.st_mode & 07777)) die_errno("COPY %s", name);
    close(in);
    if (out >= 0) close(out);
}

void copy_digest(int context, const char *source, struct sha256 *hash) {
    const char *last;
    int at = open_source(context, source, &last);
    copy_tree(at, last, -1, last, hash);
    close(at);
}

static _Noreturn void copy(const struct record *image, int context, char **words, int count, const char *directory) {
    char *to = words[count - 1];
    struct stat st, there;
    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) die_errno("%s", "no mounts of its own");
    make_directories(text("%s/work", directory));
    mount_layers(image, directory, text("%s/fs", directory), text("%s/work", directory));
    if (chdir(directory) || chroot(".")) die_errno("%s", "can't change the root");
    bool into = count > 2 || to[strlen(to) - 1] == '/' || !strcmp(to + strlen(to) - 2, "/.") || (!stat(to, &there) && S_ISDIR(there.st_mode));
    for (int i = 0; i < count - 1; i++) {
        const char *last, *as;
        char *where = strdup(to);
        int from = open_source(context, words[i], &last), at;
        if (fstatat(from, last, &st, AT_SYMLINK_NOFOLLOW)) die_errno("COPY %s", words[i]);
        as = S_ISDIR(st.st_mode) ? "." : last;          /* of a directory, what is in it */
        if (!S_ISDIR(st.st_mode) && !into) {
            as = strdup(strrchr(where, '/') + 1);
            *strrchr(where, '/') = 0;
        }
        if (*where) make_directories(where);
        if ((at = open(*where ? where : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) die_errno("COPY to %s", to);
        if (!strcmp(as, ".")) {
            int in = openat(from, last, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            for (char **n = names_in(in); *n; n++) copy_tree(in, *n, at, *n, NULL);
        } else copy_tree(from, last, at, as, NULL);
    }
    _exit(0);
}

int copy_layer(const struct record *image, int context, char **words, int count, const char *directory) {
    int how;
    pid_t child = fork();
    if (!child) {
        undo_nothing();
        copy(image, context, words, count, directory);
    }
    while (waitpid(child, &how, 0) < 0 && errno == EINTR) ;
    remove_tree(AT_FDCWD, text("%s/work", directory));
    return child < 0 || how;
}
