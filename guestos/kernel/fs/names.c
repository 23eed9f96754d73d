/* Making, removing and moving names: mkdir, mknod, unlink, rmdir, rename, link, symlink, readlink. */
#include "vfs.h"
#include "fs.h"
#include "mount.h"
#include "mm.h"
#include "lib.h"
#include "ns.h"
#include "task.h"
#include "user.h"
#include "syscalls.h"

static struct mutex rename_lock;        /* one rename at a time: the tree stands still for its checks */

int dir_may_change(const struct path *dir) {
    struct inode *inode = path_inode(dir);
    if (!inode->nlink) return -ENOENT;  /* removed while we stood in it */
    int error = inode_permission(inode, MAY_WRITE | MAY_EXEC);   /* check: captests */
    if (!error) error = mount_writable(dir->mnt);   /* check: C29 */
    return error ? error : dentry_copy_up(dir->dentry);
}

/* The directory of a program's path and its last component. */
static int walk_user(int dirfd, const char *path, struct last *last) {
    char *text = path_from_user(path);
    if (IS_ERR(text)) return PTR_ERR(text);
    int error = path_walk_last(dirfd, text, 0, last);
    if (error) kfree(text);
    else last->text = text;
    return error;
}

/* ---- one name, its directory locked; permissions are the caller's concern ---- */

int dentry_make(struct dentry *d, u32 mode, u32 rdev, const char *target) {
    struct inode *dir = d->parent->inode, *inode = NULL;
    int error = -EPERM;
    change_begin(dir->sb);
    if (target && dir->ops->symlink) error = dir->ops->symlink(dir, d->name, d->length, target);
    else if (!target && dir->ops->create) error = dir->ops->create(dir, d->name, d->length, mode, rdev, &inode);
    change_end(dir->sb);
    if (!error && !inode) inode = dir->ops->lookup(dir, d->name, d->length);
    if (!error && IS_ERR(inode)) error = PTR_ERR(inode);
    if (!error) d->inode = inode;
    return error;
}

int dentry_link(struct dentry *d, struct inode *inode) {
    struct inode *dir = d->parent->inode;
    if (!dir->ops->link) return -EPERM;
    change_begin(dir->sb);
    int error = dir->ops->link(dir, d->name, d->length, inode);
    change_end(dir->sb);
    if (!error) d->inode = inode_get(inode);
    return error;
}

int dentry_remove(struct dentry *d) {
    struct inode *dir = d->parent->inode;
    change_begin(dir->sb);
    int error = dir->ops->unlink ? dir->ops->unlink(dir, d->name, d->length, d->inode) : -EPERM;
    change_end(dir->sb);
    if (!error) dentry_removed(d);
    return error;
}

int dentry_rename(struct dentry *d, struct dentry *target) {
    struct inode *dir = d->parent->inode, *to = target->parent->inode;
    if (!dir->ops->rename) return -EPERM;
    change_begin(dir->sb);
    int error = dir->ops->rename(dir, d->name, d->length, d->inode, to, target->name, target->length, target->inode);
    change_end(dir->sb);
    if (error) return error;
    dentry_removed(target);
    /* Out of memory for the name only: the disk is right, so drop the cached one. */
    if (dentry_move(d, target->parent, target->name, target->length)) dentry_unhash(d);
    return 0;
}

void lock_directories(struct inode *a, struct inode *b) {
    mutex_lock(a < b ? &a->lock : &b->lock);
    if (a != b) mutex_lock(a < b ? &b->lock : &a->lock);
}

void unlock_directories(struct inode *a, struct inode *b) {
    mutex_unlock(&a->lock);
    if (a != b) mutex_unlock(&b->lock);
}

/* The negative dentry to create `last` as, with the directory locked on success only. */
static struct dentry *begin_create(struct last *last, bool directory) {
    if (!last->length || name_is_dots(last->name, last->length)) return ERR_PTR(-EEXIST);
    struct inode *dir = path_inode(&last->dir);
    mutex_lock(&dir->lock);
    struct dentry *d = dentry_lookup_locked(last->dir.dentry, last->name, last->length);
    int error = IS_ERR(d) ? PTR_ERR(d) : d->inode ? -EEXIST : last->trailing && !directory ? -ENOENT : dir_may_change(&last->dir);
    if (!error) return d;
    if (!IS_ERR(d)) dentry_put(d);
    mutex_unlock(&dir->lock);
    return ERR_PTR(error);
}

static int create_at(int dirfd, const char *path, u32 mode, u32 rdev, const char *target) {
    struct last last;
    int error = path_walk_last(dirfd, path, 0, &last);
    if (error) return error;
    struct dentry *d = begin_create(&last, S_ISDIR(mode));
    error = IS_ERR(d) ? PTR_ERR(d) : 0;
    if (!error) {
        error = dentry_make(d, mode & (~current->fs->umask | S_IFMT), rdev, target);
        dentry_put(d);
        mutex_unlock(&path_inode(&last.dir)->lock);
    }
    last_put(&last);
    return error;
}

int vfs_create(const char *path, u32 mode) { return create_at(AT_FDCWD, path, mode, 0, NULL); }

static int create(int dirfd, const char *path, u32 mode, u32 rdev, const char *target) {
    char *text = path_from_user(path);
    if (IS_ERR(text)) return PTR_ERR(text);
    int error = create_at(dirfd, text, mode, rdev, target);
    kfree(text);
    return error;
}

long sys_mkdirat(int dirfd, const char *path, mode_t mode) {
    return create(dirfd, path, S_IFDIR | (mode & 01777), 0, NULL);
}
long sys_mkdir(const char *path, mode_t mode) { return sys_mkdirat(AT_FDCWD, path, mode); }

long sys_mknodat(int dirfd, const char *path, mode_t mode, u64 dev) {
    if (!(mode & S_IFMT)) mode |= S_IFREG;
    if (S_ISDIR(mode)) return -EPERM;
    bool is_device = S_ISCHR(mode) || S_ISBLK(mode);
    if (!is_device && !S_ISREG(mode) && !S_ISFIFO(mode) && !S_ISSOCK(mode)) return -EINVAL;
    if (is_device && !capable(CAP_MKNOD) && (S_ISBLK(mode) || dev)) return -EPERM;     /* an overlay's whiteout is no device */ /* check: C17 */
    if (is_device && dev > 0xffff) return -EINVAL;      /* the 8-bit numbers every file system here stores */
    return create(dirfd, path, mode & (S_IFMT | 07777), is_device ? dev : 0, NULL);
}
long sys_mknod(const char *path, mode_t mode, u64 dev) { return sys_mknodat(AT_FDCWD, path, mode, dev); }

long sys_symlinkat(const char *target, int dirfd, const char *path) {
    char *text = path_from_user(target);
    if (IS_ERR(text)) return PTR_ERR(text);
    int error = text[0] ? create(dirfd, path, S_IFLNK | 0777, 0, text) : -ENOENT;
    kfree(text);
    return error;
}
long sys_symlink(const char *target, const char *path) { return sys_symlinkat(target, AT_FDCWD, path); }

long sys_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags) {
    if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) return -EINVAL;
    char *text = path_from_user(from);
    if (IS_ERR(text)) return PTR_ERR(text);
    struct path source;
    unsigned walk = (flags & AT_SYMLINK_FOLLOW ? WALK_FOLLOW : 0) | (flags & AT_EMPTY_PATH ? WALK_EMPTY : 0);
    int error = path_walk(from_fd, text, walk, &source);
    kfree(text);
    if (error) return error;
    struct last last;
    error = walk_user(to_fd, to, &last);
    if (!error) {
        struct dentry *d = begin_create(&last, false);
        error = IS_ERR(d) ? PTR_ERR(d) : 0;
        if (!error) {
            struct inode *inode = path_inode(&source);
            if (source.mnt != last.dir.mnt) error = -EXDEV;
            else if (S_ISDIR(inode->mode)) error = -EPERM;
            else if (!inode->nlink && !inode->linkable) error = -ENOENT;
            else if (!(error = dentry_copy_up(source.dentry))) error = dentry_link(d, inode);
            dentry_put(d);
            mutex_unlock(&path_inode(&last.dir)->lock);
        }
        last_put(&last);
    }
    path_put(&source);
    return error;
}
long sys_link(const char *from, const char *to) { return sys_linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

/* May the name be taken out of the directory: the sticky bit's rule, and mounts. */
static int may_remove(const struct path *dir, struct dentry *d) {
    int error = dir_may_change(dir);
    if (error) return error;
    struct inode *parent = path_inode(dir);
    u32 uid = current->cred.fsuid;
    if (parent->mode & S_ISVTX && d->inode->uid != uid && parent->uid != uid && !capable_over(d->inode, CAP_FOWNER)) return -EPERM;   /* check: accesstests */
    return mount_forget(d);
}

static int remove_name(int dirfd, const char *path, bool directory) {
    struct last last;
    int error = walk_user(dirfd, path, &last);
    if (error) return error;
    struct inode *dir = path_inode(&last.dir);
    if (!last.length) error = directory ? -EBUSY : -EISDIR;
    else if (name_is_dots(last.name, last.length)) error = !directory ? -EISDIR : last.length == 1 ? -EINVAL : -ENOTEMPTY;
    if (error) goto out;
    mutex_lock(&dir->lock);
    struct dentry *d = dentry_lookup_locked(last.dir.dentry, last.name, last.length);
    if (IS_ERR(d)) error = PTR_ERR(d);
    else {
        if (!d->inode) error = -ENOENT;
        else if (last.trailing && !directory) error = S_ISDIR(d->inode->mode) ? -EISDIR : -ENOTDIR;
        else if (!(error = may_remove(&last.dir, d))) {
            if (directory && !S_ISDIR(d->inode->mode)) error = -ENOTDIR;
            else if (!directory && S_ISDIR(d->inode->mode)) error = -EISDIR;
            else error = dentry_remove(d);
        }
    }
    mutex_unlock(&dir->lock);
    if (!IS_ERR(d)) dentry_put(d);      /* unlocked: the last use frees the file's blocks */
out:
    last_put(&last);
    return error;
}

long sys_unlinkat(int dirfd, const char *path, int flags) {
    if (flags & ~AT_REMOVEDIR) return -EINVAL;
    return remove_name(dirfd, path, flags & AT_REMOVEDIR);
}
long sys_unlink(const char *path) { return remove_name(AT_FDCWD, path, false); }
long sys_rmdir(const char *path) { return remove_name(AT_FDCWD, path, true); }

#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2

/* Both exist. By way of a third name; on a disk it is one change. */
static int exchange(struct last *from, struct last *to, struct dentry *a, struct dentry *b) {
    static const char via[] = ".#exchange";
    struct inode *dir = path_inode(&from->dir), *other = path_inode(&to->dir);
    if (!dir->ops->rename || dir->ops->copy_up) return -EINVAL;
    struct dentry *d = dentry_lookup_locked(from->dir.dentry, via, sizeof(via) - 1);
    int error = IS_ERR(d) ? PTR_ERR(d) : d->inode ? -EBUSY : 0;
    if (!IS_ERR(d)) dentry_unhash(d), dentry_put(d);
    if (error) return error;
    change_begin(dir->sb);
    error = dir->ops->rename(dir, a->name, a->length, a->inode, dir, via, sizeof(via) - 1, NULL);
    if (!error && (error = other->ops->rename(other, b->name, b->length, b->inode, dir, a->name, a->length, NULL)))
        dir->ops->rename(dir, via, sizeof(via) - 1, a->inode, dir, a->name, a->length, NULL);
    else if (!error) error = dir->ops->rename(dir, via, sizeof(via) - 1, a->inode, other, b->name, b->length, NULL);
    change_end(dir->sb);
    if (error) return error;
    if (dentry_move(a, to->dir.dentry, to->name, to->length)) dentry_unhash(a);
    if (dentry_move(b, from->dir.dentry, from->name, from->length)) dentry_unhash(b);
    return 0;
}

/* With both directories locked. */
static int rename_locked(struct last *from, struct last *to, struct dentry *d, struct dentry *target, unsigned flags) {
    int error;
    if (!d->inode || (flags & RENAME_EXCHANGE && !target->inode)) return -ENOENT;
    bool directory = S_ISDIR(d->inode->mode);
    if (!directory && (from->trailing || (to->trailing && !target->inode))) return -ENOTDIR;
    if (flags & RENAME_NOREPLACE && target->inode) return -EEXIST;
    if (dentry_is_below(to->dir.dentry, d)) return -EINVAL;         /* into itself */
    if (dentry_is_below(from->dir.dentry, target)) return flags & RENAME_EXCHANGE ? -EINVAL : -ENOTEMPTY;
    if (d->inode == target->inode) return 0;
    if ((error = may_remove(&from->dir, d))) return error;   /* check: accesstests */
    if ((error = target->inode ? may_remove(&to->dir, target) : dir_may_change(&to->dir))) return error;
    if (flags & RENAME_EXCHANGE) return exchange(from, to, d, target);
    if (target->inode && directory && !S_ISDIR(target->inode->mode)) return -ENOTDIR;
    if (target->inode && !directory && S_ISDIR(target->inode->mode)) return -EISDIR;
    if (directory && from->dir.dentry != to->dir.dentry && (error = inode_permission(d->inode, MAY_WRITE))) return error;   /* check: accesstests */
    if (!directory && (error = dentry_copy_up(d))) return error;
    return dentry_rename(d, target);
}

long sys_renameat2(int from_fd, const char *from_path, int to_fd, const char *to_path, unsigned flags) {
    if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE) || flags == (RENAME_NOREPLACE | RENAME_EXCHANGE)) return -EINVAL;
    struct last from, to;
    int error = walk_user(from_fd, from_path, &from);
    if (error) return error;
    if ((error = walk_user(to_fd, to_path, &to))) return last_put(&from), error;
    struct dentry *d = NULL, *target = NULL;
    if (from.dir.mnt != to.dir.mnt) error = -EXDEV;
    else if (!from.length || name_is_dots(from.name, from.length)) error = -EBUSY;
    else if (!to.length || name_is_dots(to.name, to.length)) error = flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
    if (error) goto out;
    mutex_lock(&rename_lock);
    struct inode *a = path_inode(&from.dir), *b = path_inode(&to.dir);
    lock_directories(a, b);
    d = dentry_lookup_locked(from.dir.dentry, from.name, from.length);
    if (IS_ERR(d)) error = PTR_ERR(d), d = NULL;
    else {
        target = dentry_lookup_locked(to.dir.dentry, to.name, to.length);
        if (IS_ERR(target)) error = PTR_ERR(target), target = NULL;
        else error = rename_locked(&from, &to, d, target, flags);
    }
    unlock_directories(a, b);
    mutex_unlock(&rename_lock);
out:
    if (target) dentry_put(target);
    if (d) dentry_put(d);
    last_put(&to);
    last_put(&from);
    return error;
}
long sys_renameat(int from_fd, const char *from, int to_fd, const char *to) {
    return sys_renameat2(from_fd, from, to_fd, to, 0);
}
long sys_rename(const char *from, const char *to) { return sys_renameat2(AT_FDCWD, from, AT_FDCWD, to, 0); }

long sys_readlinkat(int dirfd, const char *path, char *buf, size_t size) {
    if ((s32)size <= 0) return -EINVAL;
    char *text = path_from_user(path);
    if (IS_ERR(text)) return PTR_ERR(text);
    struct path at;
    bool empty = !text[0];
    int error = path_walk(dirfd, text, WALK_EMPTY, &at);
    if (empty && dirfd == AT_FDCWD) error = error ? error : (path_put(&at), -ENOENT);
    long length = error;
    if (!error) {
        struct inode *inode = path_inode(&at);
        length = !S_ISLNK(inode->mode) ? (empty ? -ENOENT : -EINVAL) : inode->ops->readlink(inode, text, PATH_MAX);
        path_put(&at);
        if (length > 0) {
            length = MIN((size_t)length, size);
            if (copy_to_user(buf, text, length)) length = -EFAULT;
        }
    }
    kfree(text);
    return length;
}
long sys_readlink(const char *path, char *buf, size_t size) { return sys_readlinkat(AT_FDCWD, path, buf, size); }
