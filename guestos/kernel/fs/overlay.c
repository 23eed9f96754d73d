/* overlay: one tree shown, of which each directory is a stack of directories; the top one takes the changes.
 *
 * An inode here stands for one of each layer, or none: real[0] in the upper layer, the others in lower
 * ones, which never change. A name is what the highest layer that has it says. Of directories, all are
 * merged, down to one that is opaque. A lower name is removed by a whiteout, a character device 0/0,
 * above it; a lower file is copied up before it is changed. What appears in the upper layer is made in
 * the work directory and then renamed, so that a crash leaves nothing half made.
 *
 * Locks: of overlay directories first, then overlay->lock, then those of the layers' directories. */
#include "overlay.h"
#include "lib.h"
#include "mm.h"

static const struct inode_ops dir_ops, file_ops, link_ops;
static const struct file_ops dir_files, file_files;

static bool is_whiteout(const struct dentry *d) { return d->inode && S_ISCHR(d->inode->mode) && !d->inode->rdev; }

static void copy_attributes(struct inode *to, const struct inode *from) {
    to->mode = from->mode;
    to->uid = from->uid;
    to->gid = from->gid;
    to->atime = from->atime;
    to->mtime = from->mtime;
    to->ctime = from->ctime;
}

static void refresh(struct inode *inode) {
    const struct inode *from = top(inode);
    copy_attributes(inode, from);
    inode->rdev = from->rdev;
    inode->size = from->size;
    inode->blocks = from->blocks;
    if (inode->nlink) inode->nlink = S_ISDIR(from->mode) && from->nlink ? 1 : from->nlink;    /* removed is removed */
}

static int changed(struct inode *inode) {
    struct inode *to = top(inode);
    if (!real(inode)[0]) return -EROFS;
    copy_attributes(to, inode);
    to->opaque = inode->opaque;
    change_begin(to->sb);
    int error = to->ops->changed ? to->ops->changed(to) : 0;
    change_end(to->sb);
    return error;
}

static void put_all(struct overlay *o, struct dentry **all) {
    for (int i = 0; all && i < o->layers; i++)
        if (all[i]) dentry_put(all[i]);
    kfree(all);
}

void overlay_drop(struct inode *inode) { put_all(overlay_of(inode), real(inode)); }

static u64 number(int layer, u64 ino) { return (u64)layer << 40 | ino; }

/* Takes `all`. Hard links of the upper layer share an inode. */
struct inode *overlay_inode(struct overlay *o, struct dentry **all) {
    int layer = 0;
    while (!all[layer]) layer++;
    const struct inode *from = all[layer]->inode;
    u64 ino = number(layer, from->ino);
    struct inode *inode = layer || S_ISDIR(from->mode) ? NULL : inode_find(&o->sb, ino);
    if (inode || !(inode = inode_new(&o->sb, ino))) {
        put_all(o, all);
        return inode ? inode : ERR_PTR(-ENOMEM);
    }
    inode->data = all;
    inode->nlink = 1;
    inode->opaque = from->opaque;
    inode->ops = S_ISDIR(from->mode) ? &dir_ops : S_ISLNK(from->mode) ? &link_ops : &file_ops;
    inode->fops = S_ISDIR(from->mode) ? &dir_files : S_ISREG(from->mode) ? &file_files : NULL;
    refresh(inode);
    return inode;
}

/* How many layers from `first` on have a say in what `name` in `dir` is; which goes to `all`, or nowhere. */
static int look(struct inode *dir, const char *name, size_t length, int first, struct dentry **all) {
    struct overlay *o = overlay_of(dir);
    int found = 0;
    for (int i = first; i < o->layers; i++) {
        if (!real(dir)[i]) continue;
        struct dentry *d = dentry_lookup(real(dir)[i], name, length);
        if (IS_ERR(d)) return PTR_ERR(d);
        bool is_directory = d->inode && S_ISDIR(d->inode->mode), last = d->inode && (!is_directory || d->inode->opaque);
        bool counts = d->inode && !is_whiteout(d) && (is_directory || !found);
        found += counts;
        if (counts && all) all[i] = d;
        else dentry_put(d);
        if (last) break;
    }
    return found;
}

static struct inode *lookup(struct inode *dir, const char *name, size_t length) {
    struct overlay *o = overlay_of(dir);
    struct dentry **all = kzalloc(o->layers * sizeof(*all));
    int found = all ? look(dir, name, length, 0, all) : -ENOMEM;
    if (found > 0) return overlay_inode(o, all);
    put_all(o, all);
    return ERR_PTR(found);
}

/* ---- reading ---- */

/* Positions are those of the layer's directory, with the layer's number above them. */
#define LAYER_SHIFT 48

struct fill { struct dir_fill fill, *to; struct inode *dir; int layer; bool full; };

static int add(struct dir_fill *fill, const char *name, size_t length, u64 ino, u32 mode, u64 next) {
    struct fill *f = container_of(fill, struct fill, fill);
    struct dentry **in = real(f->dir);
    bool hidden = false;
    for (int i = 0; i <= f->layer && !hidden; i++) {
        bool own = i == f->layer;
        if (!in[i] || (own && !S_ISCHR(mode))) continue;
        if (name_is_dots(name, length)) {
            hidden = !own;
            continue;
        }
        struct dentry *d = own ? dentry_lookup_locked(in[i], name, length) : dentry_lookup(in[i], name, length);
        if (IS_ERR(d)) return 1;
        hidden = own ? is_whiteout(d) : d->inode != NULL;
        dentry_put(d);
    }
    if (!hidden) f->full = f->to->add(f->to, name, length, number(f->layer, ino), mode, (u64)f->layer << LAYER_SHIFT | next);
    return f->full;
}

static int readdir(struct file *f, struct dir_fill *to) {
    struct inode *dir = f->inode;
    struct overlay *o = overlay_of(dir);
    struct fill fill = { { add }, to, dir, f->pos >> LAYER_SHIFT, false };
    u64 pos = f->pos & ((1UL << LAYER_SHIFT) - 1);
    int error = 0;
    for (; fill.layer < o->layers && !error && !fill.full; fill.layer++, pos = 0) {
        struct dentry *d = real(dir)[fill.layer];
        if (!d) continue;
        struct file in = { .inode = d->inode, .pos = pos, .ops = d->inode->fops };
        mutex_lock(&d->inode->lock);
        error = in.ops->readdir(&in, &fill.fill);
        mutex_unlock(&d->inode->lock);
    }
    return error;
}

static int sync_directory(struct file *f) { return vfs_commit(top(f->inode)->sb, false); }

static int readlink(struct inode *inode, char *to, size_t size) { return top(inode)->ops->readlink(top(inode), to, size); }

/* An open file is the layer's: what is read and mapped is there. One opened before it was copied up stays
 * with the lower file, as in Linux's documentation of the non-standard behaviour. */
static int open(struct inode *inode, struct file *f) {
    f->inode = inode_get(top(inode));
    inode_put(inode);
    f->ops = f->inode->fops;
    return f->ops->open ? f->ops->open(f->inode, f) : 0;
}

/* ---- changing ---- */

/* A new file in the work directory. */
static struct dentry *make_temporary(struct overlay *o, u32 mode, u32 rdev, const char *target) {
    struct dentry *d = NULL;
    mutex_lock(&o->work->inode->lock);
    do {
        char name[12];
        if (d) dentry_put(d);
        d = dentry_lookup_locked(o->work, name, snprintf(name, sizeof(name), "#%x", ++o->temporaries));
    } while (!IS_ERR(d) && d->inode);
    int error = IS_ERR(d) ? 0 : dentry_make(d, mode, rdev, target);
    if (error) dentry_put(d);
    mutex_unlock(&o->work->inode->lock);
    return error ? ERR_PTR(error) : d;
}

static void discard(struct dentry *d) {
    mutex_lock(&d->parent->inode->lock);
    dentry_remove(d);
    mutex_unlock(&d->parent->inode->lock);
    dentry_put(d);
}

/* The whiteouts in an upper directory that shows nothing, so that it can go. */
static int take_first(struct dir_fill *fill, const char *name, size_t length, u64 ino, u32 mode, u64 next) {
    struct fill *f = container_of(fill, struct fill, fill);
    if (name_is_dots(name, length)) return 0;
    struct dentry *d = dentry_lookup_locked(real(f->dir)[0], name, length);
    f->full = !IS_ERR(d) && !dentry_remove(d);
    if (!IS_ERR(d)) dentry_put(d);
    return 1;
}

static void purge(struct inode *dir) {
    struct fill fill = { { take_first }, NULL, dir, 0, true };
    struct dentry *upper = real(dir)[0];
    mutex_lock(&upper->inode->lock);
    while (fill.full) {
        struct file in = { .inode = upper->inode };
        fill.full = false;
        upper->inode->fops->readdir(&in, &fill.fill);
    }
    mutex_unlock(&upper->inode->lock);
}

/* The upper layer's name, for something new: what is there is removed if that can't be replaced by
 * renaming. Directory locked. */
static struct dentry *free_name(struct dentry *dir, const char *name, size_t length, bool for_directory) {
    for (;;) {
        struct dentry *d = dentry_lookup_locked(dir, name, length);
        if (IS_ERR(d) || !d->inode || !(for_directory || S_ISDIR(d->inode->mode))) return d;
        int error = dentry_remove(d);
        dentry_put(d);
        if (error) return ERR_PTR(error);
    }
}

/* Rename in the upper layer. */
static int install(struct dentry *d, struct dentry *dir, const char *name, size_t length) {
    struct inode *from = d->parent->inode;
    lock_directories(from, dir->inode);
    struct dentry *target = free_name(dir, name, length, S_ISDIR(d->inode->mode));
    int error = IS_ERR(target) ? PTR_ERR(target) : dentry_rename(d, target);
    unlock_directories(from, dir->inode);
    if (!IS_ERR(target)) dentry_put(target);
    return error;
}

static int make(struct inode *dir, const char *name, size_t length, u32 mode, u32 rdev, const char *target, struct inode **out) {
    struct overlay *o = overlay_of(dir);
    struct dentry *d = make_temporary(o, mode, rdev, target), **all;
    if (IS_ERR(d)) return PTR_ERR(d);
    if (dir->mode & S_ISGID) d->inode->gid = dir->gid;
    d->inode->opaque = S_ISDIR(mode);
    inode_touch(d->inode, false);
    int error = install(d, real(dir)[0], name, length);
    if (error) return discard(d), error;
    refresh(dir);
    if (!out || !(all = kzalloc(o->layers * sizeof(*all)))) return dentry_put(d), 0;
    all[0] = d;
    struct inode *inode = overlay_inode(o, all);
    if (!IS_ERR(inode)) *out = inode;
    return IS_ERR(inode) ? PTR_ERR(inode) : 0;
}

static int create(struct inode *dir, const char *name, size_t length, u32 mode, u32 rdev, struct inode **out) {
    return make(dir, name, length, mode, rdev, NULL, out);
}
static int symlink(struct inode *dir, const char *name, size_t length, const char *target) {
    return make(dir, name, length, S_IFLNK | 0777, 0, target, NULL);
}
static int whiteout(struct inode *dir, const char *name, size_t length) { return make(dir, name, length, S_IFCHR, 0, NULL, NULL); }

static int link(struct inode *dir, const char *name, size_t length, struct inode *inode) {
    struct dentry *upper = real(dir)[0];
    mutex_lock(&upper->inode->lock);
    struct dentry *d = free_name(upper, name, length, true);
    int error = IS_ERR(d) ? PTR_ERR(d) : dentry_link(d, top(inode));
    mutex_unlock(&upper->inode->lock);
    if (!IS_ERR(d)) dentry_put(d);
    refresh(inode);
    return error;
}

static int find_any(struct dir_fill *fill, const char *name, size_t length, u64 ino, u32 mode, u64 next) {
    return container_of(fill, struct fill, fill)->full = !name_is_dots(name, length);
}

/* May the directory be removed or replaced? Then there are no whiteouts in its upper part any more. */
static int empty(struct inode *dir) {
    struct fill probe = { { find_any }, NULL, dir, 0, false };
    struct file in = { .inode = dir };
    int error = readdir(&in, &probe.fill);
    if (error || probe.full) return error ? error : -ENOTEMPTY;
    if (real(dir)[0]) purge(dir);
    return 0;
}

static void removed(struct inode *inode) {
    if (real(inode)[0]) refresh(inode);
    else inode->nlink = 0;
}

static int unlink(struct inode *dir, const char *name, size_t length, struct inode *inode) {
    int error = S_ISDIR(inode->mode) ? empty(inode) : 0, below = error ? error : look(dir, name, length, 1, NULL);
    if (below < 0) return below;
    if (below) error = whiteout(dir, name, length);
    else {
        struct dentry *upper = real(dir)[0], *d;
        mutex_lock(&upper->inode->lock);
        d = dentry_lookup_locked(upper, name, length);
        error = IS_ERR(d) ? PTR_ERR(d) : dentry_remove(d);
        mutex_unlock(&upper->inode->lock);
        if (!IS_ERR(d)) dentry_put(d);
    }
    if (!error) removed(inode);
    refresh(dir);
    return error;
}

static int rename(struct inode *from, const char *name, size_t length, struct inode *inode, struct inode *to,
                  const char *to_name, size_t to_length, struct inode *replaced) {
    int below = look(from, name, length, 1, NULL), error = MIN(below, 0);
    if (S_ISDIR(inode->mode)) {
        /* What is below would not come along. */
        for (int i = 0; i < overlay_of(inode)->layers; i++)
            if (!real(inode)[i] != !!i) return -EXDEV;
        if (!error && replaced) error = empty(replaced);
        inode->opaque = real(inode)[0]->inode->opaque = true;
        inode_touch(real(inode)[0]->inode, false);
    }
    struct dentry *d = error ? ERR_PTR(error) : dentry_lookup(real(from)[0], name, length);
    if (IS_ERR(d)) return PTR_ERR(d);
    error = install(d, real(to)[0], to_name, to_length);
    dentry_put(d);
    if (!error && below) error = whiteout(from, name, length);
    if (!error && replaced) removed(replaced);
    refresh(from);
    refresh(to);
    return error;
}

static int truncate(struct inode *inode, u64 size) {
    int error = inode_truncate(top(inode), size);
    refresh(inode);
    return error;
}

/* ---- copying up ---- */

static int copy_data(const struct path *from, const struct path *to) {
    struct file *in = vfs_open_path(from, O_RDONLY), *out = IS_ERR(in) ? in : vfs_open_path(to, O_WRONLY);
    long n = PTR_ERR(IS_ERR(out) ? out : NULL);
    if (!n) do n = file_copy(in, NULL, out, ~0UL); while (n > 0);
    if (!IS_ERR(out)) file_put(out);
    if (!IS_ERR(in)) file_put(in);
    return n < 0 ? n : vfs_commit(to->mnt->sb, false);  /* the data is there before the name is */
}

/* Of a name whose directory is in the upper layer. */
static int copy_one(struct overlay *o, struct dentry *d) {
    struct inode *inode = d->inode, *from = top(inode), *dir = real(d->parent->inode)[0]->inode;
    char *target = S_ISLNK(from->mode) ? kzalloc(PATH_MAX) : NULL;
    if (S_ISLNK(from->mode) && (!target || readlink(inode, target, PATH_MAX - 1) < 0)) return kfree(target), -ENOMEM;
    struct dentry *copy = make_temporary(o, from->mode, from->rdev, target);
    kfree(target);
    if (IS_ERR(copy)) return PTR_ERR(copy);
    int layer = 1, error = 0;
    while (!real(inode)[layer]) layer++;
    if (S_ISREG(from->mode))
        error = copy_data(&(struct path){ o->layer[layer].mnt, real(inode)[layer] }, &(struct path){ o->layer[0].mnt, copy });
    copy_attributes(copy->inode, from);
    inode_touch(copy->inode, false);
    struct timespec mtime = dir->mtime;
    if (!error) error = install(copy, real(d->parent->inode)[0], d->name, d->length);
    if (error) return discard(copy), error;
    dir->mtime = mtime;                 /* nothing has changed that could be seen */
    inode_touch(dir, false);
    real(inode)[0] = copy;
    return 0;
}

static int copy_up(struct dentry *d) {
    struct overlay *o = overlay_of(d->inode);
    int error = 0;
    if (real(d->inode)[0]) return 0;
    if (!o->work) return -EROFS;
    mutex_lock(&o->lock);
    while (!error && !real(d->inode)[0]) {
        struct dentry *highest = d;
        while (!real(highest->parent->inode)[0]) highest = highest->parent;
        error = dentry_is_removed(highest) ? -ENOENT : copy_one(o, highest);
    }
    mutex_unlock(&o->lock);
    return error;
}

static const struct inode_ops dir_ops = {
    .lookup = lookup, .create = create, .symlink = symlink, .link = link, .unlink = unlink, .rename = rename,
    .changed = changed, .copy_up = copy_up, .refresh = refresh,
};
static const struct inode_ops file_ops = { .truncate = truncate, .changed = changed, .copy_up = copy_up, .refresh = refresh };
static const struct inode_ops link_ops = { .readlink = readlink, .changed = changed, .copy_up = copy_up, .refresh = refresh };
static const struct file_ops dir_files = { .readdir = readdir, .sync = sync_directory };
static const struct file_ops file_files = { .open = open };
