/* What is known about files: stat, access, chmod, chown, times, statfs; and where a process stands. */
#include "vfs.h"
#include "fs.h"
#include "mm.h"
#include "lib.h"
#include "task.h"
#include "user.h"
#include "syscalls.h"

/* Walk a program's path with AT_ flags; those in `allowed` beside AT_SYMLINK_NOFOLLOW may be set. */
static int walk_user(int dirfd, const char *path, int flags, int allowed, struct path *out) {
    if (flags & ~(AT_SYMLINK_NOFOLLOW | allowed)) return -EINVAL;
    char *text = path_from_user(path);
    if (IS_ERR(text)) return PTR_ERR(text);
    unsigned walk = (flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW) | (flags & AT_EMPTY_PATH ? WALK_EMPTY : 0);
    int error = path_walk(dirfd, text, walk, out);
    kfree(text);
    return error;
}

long sys_newfstatat(int dirfd, const char *path, struct kstat *st, int flags) {
    /* glibc's fstat is newfstatat(fd, "", AT_EMPTY_PATH): must work on what has no path, a pipe. */
    char first = 1;
    if (flags & AT_EMPTY_PATH && dirfd != AT_FDCWD && get_user(first, path)) return -EFAULT;
    if (!first && !(flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT))) return sys_fstat(dirfd, st);
    struct path at;
    int error = walk_user(dirfd, path, flags, AT_EMPTY_PATH | AT_NO_AUTOMOUNT, &at);
    if (error) return error;
    struct kstat found;
    inode_stat(path_inode(&at), &found);
    path_put(&at);
    return copy_to_user(st, &found, sizeof(found));
}
long sys_stat(const char *path, struct kstat *st) { return sys_newfstatat(AT_FDCWD, path, st, 0); }
long sys_lstat(const char *path, struct kstat *st) { return sys_newfstatat(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW); }

long sys_fstat(int fd, struct kstat *st) {
    struct file *f = fd_get(fd);
    if (!f) return -EBADF;
    struct kstat found;
    inode_stat(f->inode, &found);
    file_put(f);
    return copy_to_user(st, &found, sizeof(found));
}

long sys_faccessat(int dirfd, const char *path, int mode) {
    if (mode & ~(MAY_READ | MAY_WRITE | MAY_EXEC)) return -EINVAL;
    /* access(2) asks for the real ids: walk and test as they would. */
    struct cred saved = current->cred;
    current->cred.fsuid = saved.uid;
    current->cred.fsgid = saved.gid;
    current->cred.cap_effective = saved.uid ? 0 : saved.cap_permitted;
    struct path at;
    int error = walk_user(dirfd, path, 0, 0, &at);
    if (!error) {
        struct inode *inode = path_inode(&at);
        bool stored = !S_ISCHR(inode->mode) && !S_ISBLK(inode->mode) && !S_ISFIFO(inode->mode);
        if (mode & MAY_EXEC && S_ISREG(inode->mode) && at.mnt->flags & MS_NOEXEC) error = -EACCES;
        else error = mode ? inode_permission(inode, mode) : 0;
        if (!error && mode & MAY_WRITE && stored) error = mount_writable(at.mnt);
        path_put(&at);
    }
    current->cred.fsuid = saved.fsuid;
    current->cred.fsgid = saved.fsgid;
    current->cred.cap_effective = saved.cap_effective;
    return error;
}
long sys_access(const char *path, int mode) { return sys_faccessat(AT_FDCWD, path, mode); }

int mount_writable(const struct mount *mnt) { return (mnt->flags | mnt->sb->flags) & MS_RDONLY ? -EROFS : 0; }

int path_may_write(const struct path *path) {
    int error = mount_writable(path->mnt);
    return error ? error : inode_permission(path_inode(path), MAY_WRITE);
}

/* ---- chmod and chown ---- */

static bool owns(struct inode *inode) { return current->cred.fsuid == inode->uid || capable(CAP_FOWNER); }

static int change_mode(const struct path *at, u32 mode) {
    struct inode *inode = path_inode(at);
    int error = at->mnt ? mount_writable(at->mnt) : 0;
    if (error) return error;
    if (S_ISLNK(inode->mode)) return -EOPNOTSUPP;
    if (!owns(inode)) return -EPERM;
    if (!in_group(inode->gid) && !capable(CAP_FSETID)) mode &= ~S_ISGID;
    inode->mode = (inode->mode & S_IFMT) | (mode & 07777);
    inode_touch(inode, false);
    return 0;
}

static int change_owner(const struct path *at, u32 uid, u32 gid) {
    struct inode *inode = path_inode(at);
    int error = at->mnt ? mount_writable(at->mnt) : 0;
    if (error) return error;
    bool mine = current->cred.fsuid == inode->uid;
    bool uid_ok = uid == ~0u || (mine && uid == inode->uid) || capable(CAP_CHOWN);
    bool gid_ok = gid == ~0u || (mine && (gid == inode->gid || in_group(gid))) || capable(CAP_CHOWN);
    if (!uid_ok || !gid_ok) return -EPERM;
    if (uid != ~0u) inode->uid = uid;
    if (gid != ~0u) inode->gid = gid;
    if (!S_ISDIR(inode->mode)) inode->mode &= ~(S_ISUID | (inode->mode & 010 ? S_ISGID : 0));
    inode_touch(inode, false);
    return 0;
}

long sys_fchmodat(int dirfd, const char *path, mode_t mode) {
    struct path at;
    int error = walk_user(dirfd, path, 0, 0, &at);
    if (error) return error;
    error = change_mode(&at, mode);
    path_put(&at);
    return error;
}
long sys_chmod(const char *path, mode_t mode) { return sys_fchmodat(AT_FDCWD, path, mode); }

long sys_fchownat(int dirfd, const char *path, uid_t uid, gid_t gid, int flags) {
    struct path at;
    int error = walk_user(dirfd, path, flags, AT_EMPTY_PATH, &at);
    if (error) return error;
    error = change_owner(&at, uid, gid);
    path_put(&at);
    return error;
}
long sys_chown(const char *path, uid_t uid, gid_t gid) { return sys_fchownat(AT_FDCWD, path, uid, gid, 0); }
long sys_lchown(const char *path, uid_t uid, gid_t gid) {
    return sys_fchownat(AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW);
}

/* The path of an open file for the calls above; pipes have an inode and no name. */
static int of_fd(int fd, struct file **file, struct path *at, struct dentry *nameless) {
    if (!(*file = fd_get(fd))) return -EBADF;
    if ((*file)->flags & O_PATH) {
        file_put(*file);
        return -EBADF;
    }
    *nameless = (struct dentry){ .inode = (*file)->inode };
    *at = (*file)->path.mnt ? (*file)->path : (struct path){ NULL, nameless };
    return 0;
}

long sys_fchmod(int fd, mode_t mode) {
    struct file *file;
    struct path at;
    struct dentry nameless;
    int error = of_fd(fd, &file, &at, &nameless);
    if (error) return error;
    error = change_mode(&at, mode);
    file_put(file);
    return error;
}

long sys_fchown(int fd, uid_t uid, gid_t gid) {
    struct file *file;
    struct path at;
    struct dentry nameless;
    int error = of_fd(fd, &file, &at, &nameless);
    if (error) return error;
    error = change_owner(&at, uid, gid);
    file_put(file);
    return error;
}

/* ---- times ---- */

#define UTIME_NOW ((1L << 30) - 1)
#define UTIME_OMIT ((1L << 30) - 2)

static int change_times(struct inode *inode, const struct mount *mnt, const struct timespec times[2]) {
    int error = mnt ? mount_writable(mnt) : 0;
    if (error) return error;
    bool now = times[0].tv_nsec == UTIME_NOW && times[1].tv_nsec == UTIME_NOW;
    bool omit = times[0].tv_nsec == UTIME_OMIT && times[1].tv_nsec == UTIME_OMIT;
    if (omit) return 0;
    if (!owns(inode) && !(now && !inode_permission(inode, MAY_WRITE))) return now ? -EACCES : -EPERM;
    struct timespec *field[2] = { &inode->atime, &inode->mtime };
    for (int i = 0; i < 2; i++) {
        if (times[i].tv_nsec == UTIME_NOW) *field[i] = time_now();
        else if (times[i].tv_nsec != UTIME_OMIT) *field[i] = times[i];
    }
    inode_touch(inode, false);
    return 0;
}

long sys_utimensat(int dirfd, const char *path, const struct timespec *user_times, int flags) {
    struct timespec times[2] = { { 0, UTIME_NOW }, { 0, UTIME_NOW } };
    if (user_times && copy_from_user(times, user_times, sizeof(times))) return -EFAULT;
    for (int i = 0; i < 2; i++) {
        s64 ns = times[i].tv_nsec;
        if ((ns < 0 || ns >= (s64)NSEC_PER_SEC) && ns != UTIME_NOW && ns != UTIME_OMIT) return -EINVAL;
    }
    int error;
    if (!path) {                        /* futimens: the file of dirfd itself */
        if (flags) return -EINVAL;
        struct file *f = fd_get(dirfd);
        if (!f) return -EBADF;
        error = change_times(f->inode, f->path.mnt, times);
        file_put(f);
        return error;
    }
    struct path at;
    error = walk_user(dirfd, path, flags, AT_EMPTY_PATH, &at);
    if (error) return error;
    error = change_times(path_inode(&at), at.mnt, times);
    path_put(&at);
    return error;
}

/* ---- statfs ---- */

static int stat_fs(struct superblock *sb, const struct mount *mnt, struct kstatfs *to) {
    struct kstatfs found = { .f_bsize = sb->block_size, .f_frsize = sb->block_size, .f_namelen = NAME_MAX };
    found.f_fsid[0] = sb->dev;
    found.f_flags = mnt ? mnt->flags : 0;
    if (sb->statfs) sb->statfs(sb, &found);
    return copy_to_user(to, &found, sizeof(found));
}

long sys_statfs(const char *path, struct kstatfs *st) {
    struct path at;
    int error = walk_user(AT_FDCWD, path, 0, 0, &at);
    if (error) return error;
    error = stat_fs(path_inode(&at)->sb, at.mnt, st);
    path_put(&at);
    return error;
}

long sys_fstatfs(int fd, struct kstatfs *st) {
    struct file *f = fd_get(fd);
    if (!f) return -EBADF;
    int error = stat_fs(f->inode->sb, f->path.mnt, st);
    file_put(f);
    return error;
}

/* ---- where a process stands ---- */

static int stand(struct path *which, const struct path *at) {
    int error = !S_ISDIR(path_inode(at)->mode) ? -ENOTDIR : inode_permission(path_inode(at), MAY_EXEC);
    if (error) return error;
    struct path old = *which;
    path_get(at);
    *which = *at;
    path_put(&old);
    return 0;
}

long sys_chdir(const char *path) {
    struct path at;
    int error = walk_user(AT_FDCWD, path, 0, 0, &at);
    if (error) return error;
    error = stand(&current->fs->cwd, &at);
    path_put(&at);
    return error;
}

long sys_fchdir(int fd) {
    struct file *f = fd_get(fd);
    if (!f) return -EBADF;
    int error = f->path.mnt ? stand(&current->fs->cwd, &f->path) : -ENOTDIR;
    file_put(f);
    return error;
}

long sys_chroot(const char *path) {
    struct path at;
    int error = walk_user(AT_FDCWD, path, 0, 0, &at);
    if (error) return error;
    if (!S_ISDIR(path_inode(&at)->mode)) error = -ENOTDIR;
    else if (!(error = inode_permission(path_inode(&at), MAY_EXEC)))
        error = capable(CAP_SYS_CHROOT) ? stand(&current->fs->root, &at) : -EPERM;
    path_put(&at);
    return error;
}

long sys_getcwd(char *buf, size_t size) {
    char *room = kmalloc(PATH_MAX);
    if (!room) return -ENOMEM;
    long result = -ENOENT;
    if (!dentry_is_removed(current->fs->cwd.dentry)) {
        bool outside;
        char *text = path_text_from(&current->fs->cwd, &current->fs->root, room + 13, PATH_MAX - 13, &outside);
        if (!IS_ERR(text) && outside) text = memcpy(text - 13, "(unreachable)", 13);
        result = IS_ERR(text) ? PTR_ERR(text) : room + PATH_MAX - text;
        if (result > 0 && (size_t)result > size) result = -ERANGE;
        if (result > 0 && copy_to_user(buf, text, result)) result = -EFAULT;
    }
    kfree(room);
    return result;
}
