/* What is known about files: stat, access, chmod, chown, times, statfs; and where a process stands. */
#include "vfs.h"
#include "fs.h"
#include "mm.h"
#include "lib.h"
#include "ns.h"
#include "task.h"
#include "user.h"
#include "syscalls.h"

static int done(const struct path *at, int result) {
    path_put(at);
    return result;
}

/* ---- stat ---- */

static int find_stat(int dirfd, const char *path, int flags, struct kstat *found) {
    struct path at;
    int error = path_walk_user(dirfd, path, flags, AT_EMPTY_PATH | AT_NO_AUTOMOUNT, &at);
    if (error) return error;
    inode_stat(path_inode(&at), found);
    return done(&at, 0);
}

long sys_newfstatat(int dirfd, const char *path, struct kstat *st, int flags) {
    struct kstat found;
    int error = find_stat(dirfd, path, flags, &found);
    return error ? error : copy_to_user(st, &found, sizeof(found));
}
long sys_stat(const char *path, struct kstat *st) { return sys_newfstatat(AT_FDCWD, path, st, 0); }
long sys_lstat(const char *path, struct kstat *st) { return sys_newfstatat(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW); }

long sys_fstat(int fd, struct kstat *st) {
    struct file *f = fd_get(fd);
    if (!f) return -EBADF;
    struct kstat found;
    inode_stat(file_inode(f), &found);
    file_put(f);
    return copy_to_user(st, &found, sizeof(found));
}

struct statx_time { s64 seconds; u32 ns, pad; };
struct statx {                          /* of the ABI, 256 bytes */
    u32 mask, blksize;
    u64 attributes;
    u32 nlink, uid, gid;
    u16 mode, pad;
    u64 ino, size, blocks, attributes_mask;
    struct statx_time atime, btime, ctime, mtime;
    u32 rdev_major, rdev_minor, dev_major, dev_minor;
    u64 spare[14];
};
#define STATX_BASIC_STATS 0x7ff
#define STATX_RESERVED 0x80000000U
#define AT_STATX_SYNC_TYPE 0x6000

static struct statx_time statx_time(struct timespec t) { return (struct statx_time){ t.tv_sec, t.tv_nsec, 0 }; }

long sys_statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *to) {
    struct kstat st;
    if (mask & STATX_RESERVED || (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE) return -EINVAL;
    int error = find_stat(dirfd, path, flags & ~AT_STATX_SYNC_TYPE, &st);
    if (error) return error;
    struct statx x = {
        .mask = STATX_BASIC_STATS, .blksize = st.st_blksize, .nlink = st.st_nlink, .uid = st.st_uid, .gid = st.st_gid,
        .mode = st.st_mode, .ino = st.st_ino, .size = st.st_size, .blocks = st.st_blocks, .atime = statx_time(st.st_atime_),
        .ctime = statx_time(st.st_ctime_), .mtime = statx_time(st.st_mtime_), .rdev_major = MAJOR(st.st_rdev),
        .rdev_minor = MINOR(st.st_rdev), .dev_major = MAJOR(st.st_dev), .dev_minor = MINOR(st.st_dev),
    };
    return copy_to_user(to, &x, sizeof(x));
}

static int may_access(const struct path *at, int mode) {
    struct inode *inode = path_inode(at);
    bool stored = !S_ISCHR(inode->mode) && !S_ISBLK(inode->mode) && !S_ISFIFO(inode->mode);
    if (mode & MAY_EXEC && S_ISREG(inode->mode) && at->mnt->flags & MS_NOEXEC) return -EACCES;   /* check: C29 */
    int error = mode ? inode_permission(inode, mode) : 0;
    return error || !(mode & MAY_WRITE) || !stored ? error : mount_writable(at->mnt);
}

long sys_faccessat2(int dirfd, const char *path, int mode, int flags) {
    if (mode & ~(MAY_READ | MAY_WRITE | MAY_EXEC)) return -EINVAL;
    struct cred saved = current->cred;
    if (!(flags & AT_EACCESS)) {
        current->cred.fsuid = saved.uid;
        current->cred.fsgid = saved.gid;
        current->cred.cap_effective = saved.uid ? 0 : saved.cap_permitted;
    }
    struct path at;
    int error = path_walk_user(dirfd, path, flags, AT_EACCESS | AT_EMPTY_PATH, &at);
    if (!error) error = done(&at, may_access(&at, mode));
    current->cred = saved;
    return error;
}
long sys_faccessat(int dirfd, const char *path, int mode) { return sys_faccessat2(dirfd, path, mode, 0); }
long sys_access(const char *path, int mode) { return sys_faccessat2(AT_FDCWD, path, mode, 0); }

int mount_writable(const struct mount *mnt) { return (mnt->flags | mnt->sb->flags) & MS_RDONLY ? -EROFS : 0; }

int path_may_write(const struct path *path) {
    int error = mount_writable(path->mnt);
    return error ? error : inode_permission(path_inode(path), MAY_WRITE);   /* check: accesstests */
}

/* ---- chmod and chown ---- */

static bool owns(struct inode *inode) { return current->cred.fsuid == inode->uid || capable_over(inode, CAP_FOWNER); }

static int change_mode(const struct path *at, u32 mode) {
    struct inode *inode = path_inode(at);
    int error = mount_writable(at->mnt);
    if (error) return error;
    if (S_ISLNK(inode->mode)) return -EOPNOTSUPP;
    if (!owns(inode)) return -EPERM;   /* check: captests */
    if ((error = dentry_copy_up(at->dentry))) return error;
    if (!in_group(inode->gid) && !capable_over(inode, CAP_FSETID)) mode &= ~S_ISGID;   /* check: accesstests */
    inode->mode = (inode->mode & S_IFMT) | (mode & 07777);
    inode_touch(inode, false);
    return 0;
}

static int change_owner(const struct path *at, u32 uid, u32 gid) {
    struct inode *inode = path_inode(at);
    int error = mount_writable(at->mnt);
    if (error) return error;
    if ((uid != ~0u && (uid = uid_from(uid)) == ID_NONE) || (gid != ~0u && (gid = gid_from(gid)) == ID_NONE)) return -EINVAL;
    bool mine = current->cred.fsuid == inode->uid;
    bool uid_ok = uid == ~0u || (mine && uid == inode->uid) || capable_over(inode, CAP_CHOWN);
    bool gid_ok = gid == ~0u || (mine && (gid == inode->gid || in_group(gid))) || capable_over(inode, CAP_CHOWN);
    if (!uid_ok || !gid_ok) return -EPERM;   /* check: captests */
    if ((error = dentry_copy_up(at->dentry))) return error;
    if (uid != ~0u) inode->uid = uid;
    if (gid != ~0u) inode->gid = gid;
    if (!S_ISDIR(inode->mode)) inode->mode &= ~(S_ISUID | (inode->mode & 010 ? S_ISGID : 0));   /* check: accesstests */
    inode_touch(inode, false);
    return 0;
}

long sys_fchmodat(int dirfd, const char *path, mode_t mode) {
    struct path at;
    int error = path_walk_user(dirfd, path, 0, 0, &at);
    return error ? error : done(&at, change_mode(&at, mode));
}
long sys_chmod(const char *path, mode_t mode) { return sys_fchmodat(AT_FDCWD, path, mode); }

long sys_fchmod(int fd, mode_t mode) {
    struct path at;
    int error = path_of_fd(fd, &at);
    return error ? error : done(&at, change_mode(&at, mode));
}

long sys_fchownat(int dirfd, const char *path, uid_t uid, gid_t gid, int flags) {
    struct path at;
    int error = path_walk_user(dirfd, path, flags, AT_EMPTY_PATH, &at);
    return error ? error : done(&at, change_owner(&at, uid, gid));
}
long sys_chown(const char *path, uid_t uid, gid_t gid) { return sys_fchownat(AT_FDCWD, path, uid, gid, 0); }
long sys_lchown(const char *path, uid_t uid, gid_t gid) {
    return sys_fchownat(AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW);
}

long sys_fchown(int fd, uid_t uid, gid_t gid) {
    struct path at;
    int error = path_of_fd(fd, &at);
    return error ? error : done(&at, change_owner(&at, uid, gid));
}

/* ---- times ---- */

#define UTIME_NOW ((1L << 30) - 1)
#define UTIME_OMIT ((1L << 30) - 2)

static int change_times(const struct path *at, const struct timespec times[2]) {
    struct inode *inode = path_inode(at);
    int error = mount_writable(at->mnt);
    if (error) return error;
    bool now = times[0].tv_nsec == UTIME_NOW && times[1].tv_nsec == UTIME_NOW;
    bool omit = times[0].tv_nsec == UTIME_OMIT && times[1].tv_nsec == UTIME_OMIT;
    if (omit) return 0;
    if (!owns(inode) && !(now && !inode_permission(inode, MAY_WRITE))) return now ? -EACCES : -EPERM;   /* check: accesstests */
    if ((error = dentry_copy_up(at->dentry))) return error;
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
    struct path at;
    if (!path && flags) return -EINVAL;
    int error = path ? path_walk_user(dirfd, path, flags, AT_EMPTY_PATH, &at) : path_of_fd(dirfd, &at);    /* futimens */
    return error ? error : done(&at, change_times(&at, times));
}

/* ---- statfs ---- */

static int stat_fs(const struct path *at, struct kstatfs *to) {
    struct superblock *sb = path_inode(at)->sb;
    struct kstatfs found = { .f_bsize = sb->block_size, .f_frsize = sb->block_size, .f_namelen = NAME_MAX };
    found.f_fsid[0] = sb->dev;
    found.f_flags = at->mnt->flags;
    if (sb->statfs) sb->statfs(sb, &found);
    return copy_to_user(to, &found, sizeof(found));
}

long sys_statfs(const char *path, struct kstatfs *st) {
    struct path at;
    int error = path_walk_user(AT_FDCWD, path, 0, 0, &at);
    return error ? error : done(&at, stat_fs(&at, st));
}

long sys_fstatfs(int fd, struct kstatfs *st) {
    struct path at;
    int error = path_walk_fd(fd, &at);
    return error ? error : done(&at, stat_fs(&at, st));
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
    int error = path_walk_user(AT_FDCWD, path, 0, 0, &at);
    return error ? error : done(&at, stand(&current->fs->cwd, &at));
}

long sys_fchdir(int fd) {
    struct path at;
    int error = path_walk_fd(fd, &at);
    return error ? error : done(&at, stand(&current->fs->cwd, &at));
}

static int change_root(const struct path *at) {
    if (!S_ISDIR(path_inode(at)->mode)) return -ENOTDIR;
    int error = inode_permission(path_inode(at), MAY_EXEC);
    return error ? error : !ns_capable(current->cred.user_ns, CAP_SYS_CHROOT) ? -EPERM : stand(&current->fs->root, at);   /* check: captests */
}

long sys_chroot(const char *path) {
    struct path at;
    int error = path_walk_user(AT_FDCWD, path, 0, 0, &at);
    return error ? error : done(&at, change_root(&at));
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
