/* Layers: directories that overlay mounts put on each other. From an archive each is made in a place of its own, entry by entry,
 * never through a link or above its root, and gets its name, by its contents, when all of it is right. */
#include "box.h"
#include <sys/sysmacros.h>
#include <sys/xattr.h>

char *layer_path(const char *id) { return text("%s/layers/%s", state_root(), id); }
bool layer_exists(const char *id) { return !access(layer_path(id), F_OK); }

char *layer_begin(void) {
    char *directory = text("%s/layers/.new.%d", state_root(), getpid());
    remove_tree(AT_FDCWD, directory);
    undo_later(directory);
    make_directories(text("%s/fs", directory));
    if (chmod(text("%s/fs", directory), 0755)) die_errno("%s", directory);
    return directory;
}

void layer_commit(const char *directory, const char *id) {
    if (layer_exists(id)) {
        if (remove_tree(AT_FDCWD, directory)) die_errno("%s", directory);
    } else if (rename(directory, layer_path(id))) die_errno("can't keep layer %s", id);
    else undo_later(layer_path(id));                    /* until there is an image that has it */
}

/* The directory of a name (*last: the rest of it, "" of the root itself), made where it is missing. */
static int parent_of(struct stream *s, int root, const char *name, char **last) {
    if (name[0] == '/') die("%s: %s: absolute names are refused", s->what, name);   /* check: guestos/test_box.py::test_hostile_layers_are_refused */
    char *rest = strdup(name), *part = "";
    int at = dup(root);
    for (char *next; (next = strsep(&rest, "/"));) {
        if (!*next || !strcmp(next, ".")) continue;
        if (!strcmp(next, "..")) die("%s: %s: names with .. are refused", s->what, name);   /* check: guestos/test_box.py::test_hostile_layers_are_refused */
        if (*part) {
            if (mkdirat(at, part, 0755) && errno != EEXIST) die_errno("%s: %s", s->what, name);
            int deeper = openat(at, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (deeper < 0) die("%s: %s leads through %s, which is no directory of this layer", s->what, name, part);   /* check: guestos/test_box.py::test_hostile_layers_are_refused */
            close(at);
            at = deeper;
        }
        part = next;
    }
    *last = part;
    return at;
}

static void write_contents(struct stream *s, int fd, uint64_t left, const char *name) {
    static char piece[32768];
    while (left) {
        size_t n = left < sizeof(piece) ? left : sizeof(piece);
        stream_exactly(s, piece, n);
        if (write_all(fd, piece, n)) die_errno("can't write %s", name);
        left -= n;
    }
}

static void hide(struct stream *s, int at, const char *last, const char *name) {
    if (!strcmp(last, ".wh..wh..opq")) {
        if (fsetxattr(at, "trusted.overlay.opaque", "y", 1, 0)) die_errno("can't make the directory of %s opaque", name);
    } else if (strncmp(last, ".wh..wh.", 8)) {          /* aufs' own names mean nothing */
        const char *hidden = last + 4;
        if (!*hidden || !strcmp(hidden, ".") || !strcmp(hidden, "..")) die("%s: %s hides nothing", s->what, name);   /* check: guestos/test_box.py::test_hostile_layers_are_refused */
        if (remove_tree(at, hidden) || mknodat(at, hidden, S_IFCHR, makedev(0, 0))) die_errno("can't hide %s", name);
    }
}

static void put_entry(struct stream *s, int root, struct entry *e) {
    char *last, *target;
    int at = parent_of(s, root, e->name, &last), fd = -1;
    struct stat st;
    if (!*last && e->type != '5') die("%s: %s: the root is a directory", s->what, e->name);   /* check: guestos/test_box.py::test_hostile_layers_are_refused */
    if (!strncmp(last, ".wh.", 4)) {
        if (e->size) die("%s: %s hides a name and has contents", s->what, e->name);
        hide(s, at, last, e->name);
        close(at);
        return;
    }
    bool there = *last && !fstatat(at, last, &st, AT_SYMLINK_NOFOLLOW);
    if (there && !(e->type == '5' && S_ISDIR(st.st_mode)) && remove_tree(at, last)) die_errno("can't replace %s", e->name);
    switch (e->type) {
    case '5':
        if (*last && mkdirat(at, last, 0700) && errno != EEXIST) die_errno("can't make %s", e->name);
        fd = openat(at, *last ? last : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        break;
    case '0': case '7':
        fd = openat(at, last, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd >= 0) write_contents(s, fd, e->size, e->name);
        break;
    case '1': {
        int from = parent_of(s, root, e->link, &target);
        if (fstatat(from, target, &st, AT_SYMLINK_NOFOLLOW) || S_ISDIR(st.st_mode) || linkat(from, target, at, last, 0)) die("%s: %s is a link to %s, which is no file of this layer", s->what, e->name, e->link);
        close(from);
        close(at);
        return;                                         /* its attributes are the other name's */
    }
    case '2':
        if (symlinkat(e->link, at, last) || fchownat(at, last, e->uid, e->gid, AT_SYMLINK_NOFOLLOW)) die_errno("can't make %s", e->name);
        break;
    case '6':
        if (mknodat(at, last, S_IFIFO | 0600, 0) || (fd = openat(at, last, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC)) < 0) die_errno("can't make %s", e->name);
        break;
    case '3': case '4': die("%s: %s is a device: layers with devices are refused", s->what, e->name);
    default: die("%s: %s is of an unknown kind (%#x)", s->what, e->name, (unsigned char)e->type);
    }
    if (fd < 0 && e->type != '2') die_errno("can't make %s", e->name);
    if (fd >= 0 && (fchown(fd, e->uid, e->gid) || fchmod(fd, e->mode))) die_errno("can't set who owns %s", e->name);
    utimensat(at, *last ? last : ".", (struct timespec[2]){ { e->mtime }, { e->mtime } }, AT_SYMLINK_NOFOLLOW);
    if (fd >= 0) close(fd);
    close(at);
}

char *layer_import(struct stream *s, char **directory) {
    char *id = reserve(65);
    *directory = layer_begin();
    int root = open(text("%s/fs", *directory), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct entry e;
    while (tar_next(s, &e)) {
        put_entry(s, root, &e);
        tar_pad(s, e.size);
        free(e.name);
    }
    close(root);
    stream_end(s, id);
    return id;
}
