/* The calls that change what is mounted where: mount(2), umount2(2), pivot_root(2). */
#include "mount.h"
#include "fs.h"
#include "mm.h"
#include "lib.h"
#include "ns.h"
#include "task.h"
#include "user.h"
#include "syscalls.h"

#define MOUNT_FLAGS (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME)
#define MS_TYPES (MS_UNBINDABLE | MS_PRIVATE | MS_SLAVE | MS_SHARED)
#define MS_MAGIC 0xc0ed0000UL

static bool is_mount_point(const struct path *p) { return p->dentry == p->mnt->root; }
static bool is_ours(const struct mount *m) { return m->ns == current->fs->ns; }
static bool may_mount(void) { return ns_capable(current->fs->ns->ns.owner, CAP_SYS_ADMIN); }
static bool is_directory(const struct path *p) { return S_ISDIR(path_inode(p)->mode); }

/* May something be mounted there. */
static int place_error(const struct path *at) {
    if (dentry_is_removed(at->dentry) || !at->mnt->ns) return -ENOENT;
    return is_ours(at->mnt) ? 0 : -EINVAL;   /* check: captests */
}

/* Cover `at` with a tree that is not attached. */
static int graft(struct mount *tree, const struct path *at) {
    if (S_ISDIR(tree->root->inode->mode) != is_directory(at)) return -ENOTDIR;
    return propagate_attach(tree, at);
}

/* In a less privileged namespace, does a new /proc or /sys show what none that is there shows? It is then as writable as that. */
static bool shows_more(const struct superblock *sb, u32 flags, u32 *locked) {
    struct mount *m, *above;
    for_each_mount(m) {
        if (!is_ours(m) || strcmp(m->sb->type, sb->type) || m->root->inode != m->sb->root || m->locked & MS_RDONLY & ~flags) continue;
        bool covered = false;
        list_for_each(above, &m->children, sibling) covered |= above->fixed && !proc_is_empty(above->at->inode);
        *locked = m->locked & MS_RDONLY;
        if (!covered) return false;
    }
    return true;
}

static int add_new(const char *type, const char *source, const struct path *at, u64 flags, char *options) {
    if (!type) return -EINVAL;
    struct filesystem *fs = filesystem_find(type);
    if (!fs) return -ENODEV;
    if (!capable(CAP_SYS_ADMIN) && !fs->for_users) return -EPERM;   /* check: C25 */
    struct superblock *sb = fs->mount(source ? source : "", flags & MS_RDONLY, options);
    if (IS_ERR(sb)) return PTR_ERR(sb);
    struct mount *m = mount_new(sb, NULL, source && source[0] ? source : "none", flags);
    if (!m) return -ENOMEM;
    if (!capable(CAP_SYS_ADMIN)) {
        if (fs->tells && shows_more(sb, flags, &m->locked)) return mount_put(m), -EPERM;   /* check: captests */
        m->flags |= MS_NODEV, m->locked |= MS_NODEV;   /* check: captests */
    }
    bool same = at->mnt->sb == sb && at->mnt->root == m->root && is_mount_point(at);
    int error = place_error(at);
    if (!error) error = same ? -EBUSY : graft(m, at);
    if (error) mount_put(m);
    return error;
}

static int bind(const struct path *from, const struct path *at, bool all) {
    int error = place_error(at);
    if (error) return error;
    if (from->mnt->unbindable || (!is_ours(from->mnt) && !path_is_ns(from))) return -EINVAL;
    for (struct mount *m = all ? NULL : from->mnt; m; m = mount_next(m, from->mnt))
        if (m != from->mnt && m->fixed && m->parent == from->mnt && dentry_is_below(m->at, from->dentry)) return -EINVAL;     /* would show what it hides */
    struct mount *copy = mount_copy(from->mnt, from->dentry, all, false);
    if (!copy) return -ENOMEM;
    error = graft(copy, at);
    if (error) mount_dissolve(copy);
    return error;
}

static int move(const struct path *from, const struct path *at) {
    struct mount *m = from->mnt;
    int error = place_error(at);
    if (error) return error;
    if (!is_mount_point(from) || !is_ours(m) || !m->parent || m->parent->shared || m->fixed) return -EINVAL;
    if (is_directory(from) != is_directory(at)) return -EINVAL;
    for (struct mount *each = m; at->mnt->shared && each; each = mount_next(each, m))
        if (each->unbindable) return -EINVAL;
    for (struct mount *above = at->mnt; above; above = above->parent)
        if (above == m) return -ELOOP;
    struct path was = { m->parent, m->at };
    path_get(&was);
    mount_detach(m);
    error = graft(m, at);
    if (error) mount_attach(m, &was);
    path_put(&was);
    return error;
}

static int change_type(const struct path *at, u64 flags) {
    u32 type = flags & ~(MS_REC | MS_SILENT);
    if (!is_mount_point(at) || type & ~MS_TYPES || type & (type - 1)) return -EINVAL;
    for (struct mount *m = at->mnt; m; m = flags & MS_REC ? mount_next(m, at->mnt) : NULL) propagation_change(m, type);
    return 0;
}

/* With MS_BIND this mount alone; else the file system, too. */
static int remount(const struct path *at, u64 flags) {
    struct mount *m, *mnt = at->mnt;
    struct superblock *sb = mnt->sb;
    if (!is_ours(mnt) || !is_mount_point(at)) return -EINVAL;
    bool whole = !(flags & MS_BIND);
    if (mnt->locked & ~flags || (whole && mnt->fixed)) return -EPERM;   /* check: C24 */
    if (whole && sb->never_writable && !(flags & MS_RDONLY)) return -EROFS;
    for_each_mount(m)
        if (flags & MS_RDONLY && m->writers && (m == mnt || (whole && m->sb == sb))) return -EBUSY;
    if (whole && flags & MS_RDONLY) vfs_commit(sb, true);
    if (whole) sb->flags = (sb->flags & ~MS_RDONLY) | (flags & MS_RDONLY);
    mnt->flags = flags & MOUNT_FLAGS;
    return 0;
}

/* What mount does, by its flags; in Linux's order. */
static int mount_by_flags(const char *source, const struct path *at, const char *type, u64 flags, char *options) {
    if ((flags & 0xffff0000UL) == MS_MAGIC) flags &= 0xffff;
    if (!may_mount()) return -EPERM;   /* check: captests */
    if (flags & ~(MOUNT_FLAGS | MS_TYPES | MS_REMOUNT | MS_BIND | MS_MOVE | MS_REC | MS_SILENT | MS_STRICTATIME)) return -EINVAL;
    if (flags & MS_REMOUNT) return *options ? -EINVAL : remount(at, flags);
    if (!(flags & MS_BIND) && flags & MS_TYPES) return change_type(at, flags);
    if (!(flags & (MS_BIND | MS_MOVE))) return add_new(type, source, at, flags & MOUNT_FLAGS, options);
    if (!source || !source[0]) return -EINVAL;
    struct path from;
    int error = path_walk(AT_FDCWD, source, WALK_FOLLOW, &from);
    if (error) return error;
    error = flags & MS_BIND ? bind(&from, at, flags & MS_REC) : move(&from, at);
    path_put(&from);
    return error;
}

long sys_mount(const char *source, const char *target, const char *type, u64 flags, const void *data) {
    char *text[3] = { type ? path_from_user(type) : NULL, source ? path_from_user(source) : NULL, kzalloc(PAGE_SIZE) };
    long error = PTR_ERR(IS_ERR(text[0]) ? text[0] : IS_ERR(text[1]) ? text[1] : NULL);
    if (error == -ENAMETOOLONG) error = -EINVAL;
    if (!error && !text[2]) error = -ENOMEM;
    if (!error && data && strncpy_from_user(text[2], data, PAGE_SIZE) == -EFAULT) error = -EFAULT;
    struct path at;
    if (!error && !(error = path_walk_user(AT_FDCWD, target, 0, 0, &at))) {
        text[2][PAGE_SIZE - 1] = 0;
        mutex_lock(&mount_lock);
        path_cross_mounts(&at);         /* somebody may have been quicker */
        error = mount_by_flags(text[1], &at, text[0], flags, text[2]);
        path_put(&at);
        mutex_unlock(&mount_lock);
    }
    for (int i = 0; i < 3; i++)
        if (!IS_ERR(text[i])) kfree(text[i]);
    return error;
}

#define MNT_FORCE 1
#define MNT_DETACH 2
#define MNT_EXPIRE 4
#define UMOUNT_NOFOLLOW 8

static int umount(struct mount *m, int flags) {
    bool is_root = m == current->fs->root.mnt;
    if (flags & MNT_EXPIRE) {
        if (is_root || flags & (MNT_FORCE | MNT_DETACH)) return -EINVAL;
        if (m->refs) return -EBUSY;
        if (!m->expiring) return m->expiring = true, -EAGAIN;
    }
    /* As on Linux, taking the root away is but making it read-only. */
    if (is_root && !(flags & MNT_DETACH)) return remount(&(struct path){ m, m->root }, m->flags | MS_RDONLY);
    if (!m->parent || m->fixed) return -EINVAL;   /* check: C24 */
    if (!(flags & MNT_DETACH) && propagate_busy(m)) return -EBUSY;
    propagate_umount(m);
    mount_detach(m);
    mount_dissolve(m);
    return 0;
}

long sys_umount2(const char *target, int flags) {
    if (flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW)) return -EINVAL;
    struct path at;
    long error = path_walk_user(AT_FDCWD, target, flags & UMOUNT_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0, 0, &at);
    if (error) return error;
    mutex_lock(&mount_lock);
    path_cross_mounts(&at);             /* "." may be covered: what pivot_root(".", ".") leaves */
    struct mount *m = at.mnt;
    if (!may_mount()) error = -EPERM;
    else if (!is_mount_point(&at) || !is_ours(m)) error = -EINVAL;
    bool expiring = m->expiring;
    path_put(&at);
    m->expiring = expiring;             /* our own visit doesn't count */
    if (!error) error = umount(m, flags);
    mutex_unlock(&mount_lock);
    return error;
}

/* Who stands in the old root stands in the new one. */
static void move_processes(const struct path *from, const struct path *to) {
    struct process *p;
    struct task *t;
    for_each_process(p) for_each_thread(t, p) {
        for (int i = 0; t->fs && i < 2; i++) {
            struct path *which = i ? &t->fs->cwd : &t->fs->root;
            if (!path_equal(which, from)) continue;
            path_get(to);
            *which = *to;
            path_put(from);
        }
    }
}

static int pivot(const struct path *new, const struct path *old) {
    struct path root = current->fs->root;
    struct mount *parent = root.mnt->parent;
    bool shared = old->mnt->shared || (new->mnt->parent && new->mnt->parent->shared) || (parent && parent->shared);
    if (shared || !is_ours(root.mnt) || !is_ours(new->mnt) || new->mnt->fixed) return -EINVAL;   /* check: C26 */
    if (dentry_is_removed(new->dentry) || dentry_is_removed(old->dentry)) return -ENOENT;
    if (new->mnt == root.mnt || old->mnt == root.mnt) return -EBUSY;   /* check: C26 */
    if (!is_mount_point(&root) || !parent || !is_mount_point(new) || !new->mnt->parent) return -EINVAL;   /* check: C26 */
    if (!path_is_below(*old, new) || !path_is_below(*new, &root)) return -EINVAL;   /* check: C26 */
    struct path place = { parent, root.mnt->at };
    path_get(&root);
    path_get(&place);
    mount_detach(new->mnt);
    mount_detach(root.mnt);
    mount_attach(new->mnt, &place);
    mount_attach(root.mnt, old);
    new->mnt->fixed = root.mnt->fixed;      /* what is above it stays hidden; the old root may go */
    root.mnt->fixed = false;
    move_processes(&root, new);
    path_put(&place);
    path_put(&root);
    return 0;
}

long sys_pivot_root(const char *new_root, const char *put_old) {
    if (!may_mount()) return -EPERM;   /* check: mounttests */
    struct path new, old;
    long error = path_walk_user(AT_FDCWD, new_root, 0, 0, &new);
    if (error) return error;
    if (!is_directory(&new)) error = -ENOTDIR;
    else if (!(error = path_walk_user(AT_FDCWD, put_old, 0, 0, &old))) {
        mutex_lock(&mount_lock);
        error = is_directory(&old) ? pivot(&new, &old) : -ENOTDIR;
        mutex_unlock(&mount_lock);
        path_put(&old);
    }
    path_put(&new);
    return error;
}
