/* Opening: from a path and flags to a file with operations, creating it if asked. */
#include "vfs.h"
#include "mm.h"
#include "lib.h"
#include "task.h"
#include "device.h"
#include "fs.h"
#include "ns.h"
#include "syscalls.h"

/* What an O_PATH descriptor can do: nothing but stand for its path. */
static const struct file_ops path_only_ops = { 0 };

/* Bind the file to what its inode stands for. */
static int bind(struct file *file) {
    struct inode *inode = file->inode;
    if (S_ISCHR(inode->mode) || S_ISBLK(inode->mode)) {
        struct device *device = device_find(inode->mode, inode->rdev);
        if (!device) return -ENXIO;
        file->ops = device->ops;
        file->data = device->data;
    } else if (S_ISFIFO(inode->mode)) {
        file->ops = &fifo_ops;
    } else if (inode->fops) {
        file->ops = inode->fops;
    } else {
        return -ENXIO;
    }
    return file->ops->open ? file->ops->open(inode, file) : 0;
}

struct file *vfs_open_path(const struct path *path, u32 flags) {
    struct file *file = file_new(&path_only_ops, path_inode(path), flags);
    if (!file) return ERR_PTR(-ENOMEM);
    file->path = *path;
    path_get(path);
    if (flags & O_PATH) return file;
    bool writer = (flags & O_ACCMODE) != O_RDONLY && S_ISREG(file->inode->mode);
    int error = bind(file);
    if (!error) {
        file->writer = writer;
        file_inode(file)->writers += writer;
        path->mnt->writers += writer;
        return file;
    }
    file->ops = &path_only_ops;         /* open failed: nothing to release */
    file_put(file);
    return ERR_PTR(error);
}

static int access_of(u32 flags) {
    int may = (const int[]){ MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE, MAY_READ | MAY_WRITE }[flags & O_ACCMODE];
    return flags & O_TRUNC ? may | MAY_WRITE : may;
}

/* The checks of open(2) on an existing file, in Linux's order. */
static int may_open(const struct path *path, u32 flags) {
    struct inode *inode = path_inode(path);
    int may = access_of(flags);
    if (S_ISLNK(inode->mode)) return -ELOOP;
    if (S_ISDIR(inode->mode) && may & MAY_WRITE) return -EISDIR;
    if ((S_ISCHR(inode->mode) || S_ISBLK(inode->mode)) && path->mnt->flags & MS_NODEV) return -EACCES;   /* check: C29 */
    bool stored = S_ISREG(inode->mode) || S_ISDIR(inode->mode);
    int error = may & MAY_WRITE && stored ? mount_writable(path->mnt) : 0;   /* check: C29 */
    if (!error) error = inode_permission(inode, may);   /* check: captests */
    if (error) return error;
    if (flags & O_NOATIME && current->cred.fsuid != inode->uid && !capable_over(inode, CAP_FOWNER)) return -EPERM;   /* check: accesstests */
    if (!(may & MAY_WRITE) || !stored) return 0;
    if (inode->writers < 0) return -ETXTBSY;   /* check: C37 */
    return dentry_copy_up(path->dentry);
}

static struct file *open_existing(const struct path *path, u32 flags) {
    struct inode *inode = path_inode(path);
    if (flags & O_DIRECTORY && !S_ISDIR(inode->mode)) return ERR_PTR(-ENOTDIR);
    if (!(flags & O_PATH)) {
        int error = may_open(path, flags);
        if (error) return ERR_PTR(error);
    }
    struct file *file = vfs_open_path(path, flags);
    if (!IS_ERR(file) && flags & O_TRUNC && S_ISREG(inode->mode) && !(flags & O_PATH)) {
        int error = inode_truncate(inode, 0);
        if (error) {
            file_put(file);
            return ERR_PTR(error);
        }
    }
    return file;
}

/* Make the name that isn't there; -EEXIST if it is by now. */
static struct file *create(struct last *last, u32 flags, u32 mode) {
    struct inode *dir = path_inode(&last->dir);
    if (!last->length || last->trailing) return ERR_PTR(-EISDIR);
    if (name_is_dots(last->name, last->length)) return ERR_PTR(flags & O_EXCL ? -EEXIST : -EISDIR);
    mutex_lock(&dir->lock);
    struct path at = { last->dir.mnt, dentry_lookup_locked(last->dir.dentry, last->name, last->length) };
    int error = IS_ERR(at.dentry) ? PTR_ERR(at.dentry) : at.dentry->inode ? -EEXIST : dir_may_change(&last->dir);
    if (!error) error = !dir->ops->create ? -EACCES : dentry_make(at.dentry, S_IFREG | (mode & 07777 & ~current->fs->umask), 0, NULL);
    mutex_unlock(&dir->lock);
    struct file *file = error ? ERR_PTR(error) : vfs_open_path(&at, flags);     /* whatever its mode: it is ours */
    if (!IS_ERR(at.dentry)) dentry_put(at.dentry);
    return file;
}

static struct file *open_create(int dirfd, const char *name, u32 flags, u32 mode) {
    unsigned follow = flags & (O_NOFOLLOW | O_EXCL) ? 0 : WALK_FOLLOW;
    struct path path;
    struct last last;
    struct file *file;
    for (int tries = 0;; tries++) {     /* another process may make the name, or remove it, in between */
        int error = name[strlen(name) - 1] == '/' ? -ENOENT : path_walk(dirfd, name, follow, &path);
        if (!error) {
            file = flags & O_EXCL ? ERR_PTR(-EEXIST) : S_ISDIR(path_inode(&path)->mode) ? ERR_PTR(-EISDIR) : open_existing(&path, flags);
            path_put(&path);
            return file;
        }
        if (error != -ENOENT || (error = path_walk_last(dirfd, name, follow, &last))) return ERR_PTR(error);
        file = create(&last, flags, mode);
        last_put(&last);
        if (file != ERR_PTR(-EEXIST) || flags & O_EXCL || tries) return file;
    }
}

/* A file that never had a name that could be seen. */
static struct file *open_nameless(int dirfd, const char *path, u32 flags, u32 mode) {
    static u32 last;
    struct path at;
    int error = path_walk(dirfd, path, WALK_FOLLOW | WALK_DIRECTORY, &at);
    if (error) return ERR_PTR(error);
    struct inode *dir = path_inode(&at);
    struct dentry *d = NULL;
    mutex_lock(&dir->lock);
    if (!(error = dir->ops->create ? dir_may_change(&at) : -EOPNOTSUPP)) {
        do {
            char name[16];
            if (d) dentry_put(d);
            d = dentry_lookup_locked(at.dentry, name, snprintf(name, sizeof(name), "#%u", ++last));
        } while (!IS_ERR(d) && d->inode);
        error = IS_ERR(d) ? PTR_ERR(d) : dentry_make(d, S_IFREG | (mode & 07777 & ~current->fs->umask), 0, NULL);
        if (!error) error = dentry_remove(d);
    }
    mutex_unlock(&dir->lock);
    if (!error) d->inode->linkable = !(flags & O_EXCL);
    struct file *file = error ? ERR_PTR(error) : vfs_open_path(&(struct path){ at.mnt, d }, flags & ~O_TMPFILE);
    if (d && !IS_ERR(d)) dentry_put(d);
    path_put(&at);
    return file;
}

#define OPEN_FLAGS (O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_DSYNC | O_LARGEFILE | \
                    O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_SYNC | O_PATH | O_TMPFILE)

struct file *vfs_open(int dirfd, const char *name, u32 flags, u32 mode) {
    /* open(2) ignores unknown flags for ever; those that promise something we can't keep are refused. */
    if (flags & ~OPEN_FLAGS) return ERR_PTR(-EINVAL);
    if (flags & O_PATH) flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    bool nameless = flags & O_TMPFILE & ~O_DIRECTORY;
    if (nameless ? (flags & (O_TMPFILE | O_CREAT)) != O_TMPFILE || !(access_of(flags & O_ACCMODE) & MAY_WRITE) : flags & O_CREAT && flags & O_DIRECTORY)
        return ERR_PTR(-EINVAL);
    if (!name[0]) return ERR_PTR(-ENOENT);
    if (nameless) return open_nameless(dirfd, name, flags, mode);
    if (flags & O_CREAT) return open_create(dirfd, name, flags, mode);
    struct path path;
    int error = path_walk(dirfd, name, flags & O_NOFOLLOW ? 0 : WALK_FOLLOW, &path);
    if (error) return ERR_PTR(error);
    struct file *file = open_existing(&path, flags);
    path_put(&path);
    return file;
}

struct file *vfs_open_exec(int dirfd, const char *name, u32 at_flags) {
    struct path path;
    if (at_flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return ERR_PTR(-EINVAL);
    unsigned walk = (at_flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW) | (at_flags & AT_EMPTY_PATH ? WALK_EMPTY : 0);
    int error = path_walk(dirfd, name, walk, &path);
    if (error) return ERR_PTR(error);
    struct inode *inode = path_inode(&path);
    struct file *file;
    if (S_ISLNK(inode->mode)) file = ERR_PTR(-ELOOP);
    else if (!S_ISREG(inode->mode) || path.mnt->flags & MS_NOEXEC) file = ERR_PTR(-EACCES);   /* check: C29 */
    else if ((error = inode_permission(inode, MAY_EXEC))) file = ERR_PTR(error);   /* check: exectests */
    else file = inode->writers > 0 ? ERR_PTR(-ETXTBSY) : vfs_open_path(&path, O_RDONLY);
    path_put(&path);
    if (!IS_ERR(file)) file_inode(file)->writers += file->writer = -1;
    return file;
}

long sys_openat(int dirfd, const char *path, int flags, mode_t mode) {
    char *name = path_from_user(path);
    if (IS_ERR(name)) return PTR_ERR(name);
    struct file *file = vfs_open(dirfd, name, flags, mode);
    kfree(name);
    return fd_take(file, flags & O_CLOEXEC);
}

long sys_open(const char *path, int flags, mode_t mode) { return sys_openat(AT_FDCWD, path, flags, mode); }

long sys_creat(const char *path, mode_t mode) {
    return sys_openat(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
