/* Path resolution: from text to a file, as path_resolution(7) tells it, and back to text. */
#include "vfs.h"
#include "mount.h"
#include "mm.h"
#include "lib.h"
#include "task.h"
#include "user.h"

void path_get(const struct path *p) {
    p->mnt->refs++;
    dentry_get(p->dentry);
}

void path_put(const struct path *p) {
    dentry_put(p->dentry);
    mount_put(p->mnt);
}

static void path_set(struct path *to, const struct path *from) {
    struct path old = *to;
    path_get(from);
    *to = *from;
    path_put(&old);
}

char *path_from_user(const char __user *from) {
    char *text = kmalloc(PATH_MAX);
    if (!text) return ERR_PTR(-ENOMEM);
    ssize_t length = strncpy_from_user(text, from, PATH_MAX);
    if (length >= 0) return text;
    kfree(text);
    return ERR_PTR(length);
}

/* Where files without a name are: of a pipe, what /proc/N/fd and fchown need a path to. */
static struct superblock nameless = { .type = "anon", .block_size = PAGE_SIZE };
static struct mount nowhere = { .sb = &nameless, .refs = 1, .children = LIST_INIT(nowhere.children) };

int path_nameless(struct inode *inode, struct path *out) {
    *out = (struct path){ &nowhere, dentry_new_root(inode) };
    if (!out->dentry) return inode_put(inode), -ENOMEM;
    nowhere.refs++;
    return 0;
}

int path_of_file(const struct file *f, struct path *out) {
    if (!f->path.mnt) return path_nameless(inode_get(f->inode), out);
    *out = f->path;
    path_get(out);
    return 0;
}

static int path_of(int fd, bool usable, struct path *out) {
    struct file *f = fd_get(fd);
    int error = !f || (usable && f->flags & O_PATH) ? -EBADF : path_of_file(f, out);
    file_put(f);
    return error;
}

int path_walk_fd(int fd, struct path *out) { return path_of(fd, false, out); }
int path_of_fd(int fd, struct path *out) { return path_of(fd, true, out); }

int path_start(int dirfd, const char *name, struct path *out) {
    if (name[0] == '/' || dirfd == AT_FDCWD) {
        *out = name[0] == '/' ? current->fs->root : current->fs->cwd;
        path_get(out);
        return 0;
    }
    int error = path_walk_fd(dirfd, out);
    if (error || !name[0] || S_ISDIR(path_inode(out)->mode)) return error;
    path_put(out);
    return -ENOTDIR;
}

int path_walk_user(int dirfd, const char __user *path, int flags, int allowed, struct path *out) {
    if (flags & ~(AT_SYMLINK_NOFOLLOW | allowed)) return -EINVAL;
    char *text = path_from_user(path);
    if (IS_ERR(text)) return PTR_ERR(text);
    unsigned walk = (flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW) | (flags & AT_EMPTY_PATH ? WALK_EMPTY : 0);
    int error = path_walk(dirfd, text, walk, out);
    kfree(text);
    return error;
}

void path_cross_mounts(struct path *p) {
    struct mount *mnt;
    while (p->dentry->mounted && (mnt = mount_covering(p))) path_set(p, &(struct path){ mnt, mnt->root });
}

static bool is_root(const struct path *p) { return path_equal(p, &current->fs->root); }

static void go_up(struct path *p) {
    /* ".." of a mount's root is that of the directory it covers; ".." of our root is itself. */
    while (!is_root(p) && p->dentry == p->mnt->root && p->mnt->parent)
        path_set(p, &(struct path){ p->mnt->parent, p->mnt->at });
    if (!is_root(p)) path_set(p, &(struct path){ p->mnt, p->dentry->parent });
    path_cross_mounts(p);
}

static int walk(struct path *at, const char *name, unsigned flags, int *links, struct last *last);

/* What a link in *at says, to be walked from *at, which is the root then if need be. */
static char *link_text(struct path *at, struct inode *link) {
    char *text = kmalloc(PATH_MAX);
    int length = text ? link->ops->readlink(link, text, PATH_MAX - 1) : -ENOMEM;
    if (length <= 0) return kfree(text), ERR_PTR(length ? length : -ENOENT);
    text[length] = 0;
    if (text[0] == '/') path_set(at, &current->fs->root);
    return text;
}

/* Follow `link`, found in directory *at; *at becomes what it leads to. */
static int follow(struct path *at, const struct path *link, int *links) {
    struct inode *inode = path_inode(link);
    if (++*links > SYMLINK_DEPTH_MAX) return -ELOOP;
    if (inode->ops->get_link) {
        struct path target;
        int error = inode->ops->get_link(inode, &target);
        if (error) return error;
        path_put(at);
        *at = target;
        return 0;
    }
    char *text = link_text(at, inode);
    if (IS_ERR(text)) return PTR_ERR(text);
    int error = walk(at, text, WALK_FOLLOW, links, NULL);
    kfree(text);
    return error;
}

/* One component: *at, a directory that may be searched, becomes the named file. */
static int step(struct path *at, const char *name, size_t length, bool follow_link, int *links) {
    if (length == 1 && name[0] == '.') return 0;
    if (length == 2 && name[0] == '.' && name[1] == '.') {
        go_up(at);
        return 0;
    }
    if (length > NAME_MAX) return -ENAMETOOLONG;
    struct dentry *d = dentry_lookup(at->dentry, name, length);
    if (IS_ERR(d)) return PTR_ERR(d);
    struct path next = { at->mnt, d };
    int error = 0;
    if (!d->inode) error = -ENOENT;
    else if (S_ISLNK(d->inode->mode) && follow_link) error = follow(at, &next, links);
    else {
        path_set(at, &next);
        path_cross_mounts(at);
    }
    dentry_put(d);
    return error;
}

static int may_search(struct path *at) {
    if (!S_ISDIR(path_inode(at)->mode)) return -ENOTDIR;
    return inode_permission(path_inode(at), MAY_EXEC);   /* check: accesstests */
}

/* The last component is a link and to be followed: goes on with its text, which `last` keeps. 0: it isn't. */
static int follow_last(struct path *at, const char **name, size_t length, int *links, struct last *last) {
    struct dentry *d = dentry_lookup(at->dentry, *name, length);
    if (IS_ERR(d)) return PTR_ERR(d);
    int result = 0;
    if (d->inode && S_ISLNK(d->inode->mode) && !d->inode->ops->get_link) {
        char *text = ++*links > SYMLINK_DEPTH_MAX ? ERR_PTR(-ELOOP) : link_text(at, d->inode);
        result = IS_ERR(text) ? PTR_ERR(text) : 1;
        if (result > 0) {
            kfree(last->text);
            *name = last->text = text;
        }
    }
    dentry_put(d);
    return result;
}

/* Moves *at along `name`. With `last`, stops before the last component and describes it there. */
static int walk(struct path *at, const char *name, unsigned flags, int *links, struct last *last) {
    for (;;) {
        while (*name == '/') name++;
        if (last) last->name = name;
        if (!*name) break;
        int error = may_search(at);
        if (error) return error;
        size_t length = 0;
        while (name[length] && name[length] != '/') length++;
        const char *next = name + length;
        while (*next == '/') next++;
        bool trailing = name[length] == '/';
        if (!*next && last) {
            if (length > NAME_MAX) return -ENAMETOOLONG;
            if (flags & WALK_FOLLOW && !trailing && (error = follow_last(at, &name, length, links, last)) < 0) return error;
            if (error) continue;
            last->length = length;
            last->trailing = trailing;
            return 0;
        }
        error = step(at, name, length, *next || trailing || flags & WALK_FOLLOW, links);
        if (error) return error;
        if (trailing && !*next && !S_ISDIR(path_inode(at)->mode)) return -ENOTDIR;
        name = next;
    }
    if (flags & WALK_DIRECTORY && !S_ISDIR(path_inode(at)->mode)) return -ENOTDIR;
    return 0;
}

int path_walk(int dirfd, const char *name, unsigned flags, struct path *out) {
    if (!name[0] && !(flags & WALK_EMPTY)) return -ENOENT;
    int links = 0;
    int error = path_start(dirfd, name, out);
    if (error) return error;
    error = walk(out, name, flags, &links, NULL);
    if (error) path_put(out);
    return error;
}

int path_walk_last(int dirfd, const char *name, unsigned flags, struct last *out) {
    int links = 0;
    *out = (struct last){ 0 };
    if (!name[0]) return -ENOENT;
    int error = path_start(dirfd, name, &out->dir);
    if (error) return error;
    error = walk(&out->dir, name, flags, &links, out);
    if (error) last_put(out);
    return error;
}

void last_put(struct last *last) {
    path_put(&last->dir);
    kfree(last->text);
}

bool dentry_is_below(const struct dentry *d, const struct dentry *above) {
    while (d != above && d->parent != d) d = d->parent;
    return d == above;
}

bool path_is_below(struct path at, const struct path *above) {
    while (at.mnt != above->mnt && at.mnt->parent) at = (struct path){ at.mnt->parent, at.mnt->at };
    return at.mnt == above->mnt && dentry_is_below(at.dentry, above->dentry);
}

static bool removed(const struct dentry *d) {
    for (; d->parent != d; d = d->parent)
        if (!d->hashed) return true;
    return false;
}

/* Puts `text` before *at, if there is room from buf on. */
static int prepend(const char *buf, char **at, const char *text, size_t length) {
    if ((size_t)(*at - buf) < length) return -ENAMETOOLONG;
    *at -= length;
    memcpy(*at, text, length);
    return 0;
}

char *path_text_from(const struct path *p, const struct path *root, char *buf, size_t size, bool *outside) {
    char *at = buf + size;
    *outside = false;
    if (p->mnt == &nowhere) {
        snprintf(buf, size, "%s:[%lu]", S_ISFIFO(path_inode(p)->mode) ? "pipe" : "socket", path_inode(p)->ino);
        return buf;
    }
    *--at = 0;
    if ((!root || p->dentry != p->mnt->root) && removed(p->dentry)) prepend(buf, &at, root ? " (deleted)" : "//deleted", root ? 10 : 9);
    struct path here = *p;
    char *end = at;
    while (!root || !path_equal(&here, root)) {
        if (root && here.dentry == here.mnt->root) {
            if ((*outside = !here.mnt->parent)) break;
            here = (struct path){ here.mnt->parent, here.mnt->at };
            continue;
        }
        if ((*outside = here.dentry->parent == here.dentry)) break;     /* the file system's top; with a root, moved out of a bind mount */
        if (prepend(buf, &at, here.dentry->name, here.dentry->length) || prepend(buf, &at, "/", 1)) return ERR_PTR(-ENAMETOOLONG);
        here.dentry = here.dentry->parent;
    }
    if (at == end && prepend(buf, &at, "/", 1)) return ERR_PTR(-ENAMETOOLONG);
    return at;
}

char *path_text(const struct path *p, char *buf, size_t size) {
    bool outside;
    return path_text_from(p, &current->fs->root, buf, size, &outside);
}
