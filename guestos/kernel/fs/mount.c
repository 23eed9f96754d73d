/* The mount table: which file system covers which directory; mount(2), umount2(2), and the root. */
#include "vfs.h"
#include "fs.h"
#include "block.h"
#include "device.h"
#include "mm.h"
#include "lib.h"
#include "task.h"
#include "user.h"
#include "syscalls.h"

struct filesystem *filesystems;
struct mount *mounts;

void filesystem_register(struct filesystem *fs) {
    struct filesystem **end = &filesystems;
    while (*end) end = &(*end)->next;
    *end = fs;
}

u32 superblock_new_device(void) {
    static u32 minor;
    return MKDEV(0, ++minor);
}

struct mount *mount_covering(const struct path *p) {
    struct mount *found = NULL;
    for (struct mount *m = mounts; m; m = m->next)
        if (m->at == p->dentry && m->parent == p->mnt) found = m;
    return found;
}

struct mount *mount_attach(struct superblock *sb, const char *source, const struct path *at, u32 flags) {
    struct mount *mnt = kzalloc(sizeof(*mnt)), **end = &mounts;
    if (!mnt || !(mnt->root = dentry_new_root(inode_get(sb->root)))) {
        kfree(mnt);
        return ERR_PTR(-ENOMEM);
    }
    mnt->sb = sb;
    mnt->flags = flags;
    strlcpy(mnt->source, source, sizeof(mnt->source));
    if (at) {
        path_get(at);
        mnt->parent = at->mnt;
        mnt->at = at->dentry;
        mnt->at->mounted++;
    }
    while (*end) end = &(*end)->next;
    *end = mnt;
    return mnt;
}

static struct filesystem *find_filesystem(const char *type) {
    for (struct filesystem *fs = filesystems; fs; fs = fs->next)
        if (!strcmp(fs->name, type)) return fs;
    return NULL;
}

#define MOUNT_FLAGS (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
#define MS_SILENT 0x8000
#define MS_NOATIME 0x400
#define MS_RELATIME 0x200000

static long remount(const struct path *at, u32 flags) {
    if (at->dentry != at->mnt->root) return -EINVAL;
    if (flags & MS_RDONLY && at->mnt->sb->sync) at->mnt->sb->sync(at->mnt->sb);
    at->mnt->flags = flags & MOUNT_FLAGS;
    return 0;
}

long sys_mount(const char *source, const char *target, const char *type, u64 flags, const void *data) {
    if (!capable(CAP_SYS_ADMIN)) return -EPERM;
    /* Times of access are never stored, so asking for that is no change. */
    u32 known = flags & ~(MS_SILENT | MS_NOATIME | MS_RELATIME);
    char *target_text = path_from_user(target), *source_text = NULL, type_text[32];
    if (IS_ERR(target_text)) return PTR_ERR(target_text);
    struct path at;
    long error = path_walk(AT_FDCWD, target_text, WALK_FOLLOW, &at);
    kfree(target_text);
    if (error) return error;
    if (flags & MS_REMOUNT) {
        error = known & ~(MOUNT_FLAGS | MS_REMOUNT) ? -EINVAL : remount(&at, known);
        goto out;
    }
    error = -EINVAL;
    if (known & ~MOUNT_FLAGS || !type) goto out;
    error = strncpy_from_user(type_text, type, sizeof(type_text));
    if (error < 0) {
        if (error == -ENAMETOOLONG) error = -ENODEV;
        goto out;
    }
    source_text = source ? path_from_user(source) : NULL;
    error = PTR_ERR(source_text);
    if (IS_ERR(source_text)) goto out;
    error = -ENOTDIR;
    if (!S_ISDIR(path_inode(&at)->mode)) goto out;
    struct filesystem *fs = find_filesystem(type_text);
    error = -ENODEV;
    if (!fs) goto out;
    struct superblock *sb = fs->mount(source_text ? source_text : "", known);
    error = PTR_ERR(sb);
    if (IS_ERR(sb)) goto out;
    struct mount *mnt = mount_attach(sb, source_text && source_text[0] ? source_text : "none", &at, known);
    error = IS_ERR(mnt) ? PTR_ERR(mnt) : 0;
out:
    if (!IS_ERR(source_text)) kfree(source_text);
    path_put(&at);
    return error;
}

#define UMOUNT_NOFOLLOW 8

long sys_umount2(const char *target, int flags) {
    if (flags & ~UMOUNT_NOFOLLOW) return -EINVAL;       /* MNT_DETACH and MNT_FORCE aren't offered */
    if (!capable(CAP_SYS_ADMIN)) return -EPERM;
    char *text = path_from_user(target);
    if (IS_ERR(text)) return PTR_ERR(text);
    struct path at;
    long error = path_walk(AT_FDCWD, text, flags & UMOUNT_NOFOLLOW ? 0 : WALK_FOLLOW, &at);
    kfree(text);
    if (error) return error;
    struct mount *mnt = at.mnt;
    bool is_root = at.dentry == mnt->root;
    path_put(&at);
    if (!is_root) return -EINVAL;
    if (!mnt->parent || mnt->refs) return -EBUSY;
    if (mnt->sb->sync) mnt->sb->sync(mnt->sb);
    dentry_prune(mnt->sb);
    if (mnt->refs) return -EBUSY;                       /* opened while the disk was written */
    struct mount **link = &mounts;
    while (*link != mnt) link = &(*link)->next;
    *link = mnt->next;
    mnt->at->mounted--;
    path_put(&(struct path){ mnt->parent, mnt->at });
    dentry_put(mnt->root);
    if (mnt->sb->unmount) mnt->sb->unmount(mnt->sb);
    kfree(mnt);
    return 0;
}

void vfs_sync(void) {
    for (struct mount *m = mounts; m; m = m->next)
        if (m->sb->sync) m->sb->sync(m->sb);
    block_sync(NULL);
}

/* /dev, in the root file system's directory of that name. */
static void mount_dev(void) {
    struct superblock *sb = find_filesystem("devtmpfs")->mount("", 0);
    struct dentry *d = dentry_lookup(mounts->root, "dev", 3);
    if (IS_ERR(sb) || IS_ERR(d) || !d->inode) {
        kprintf("vfs: the root has no /dev; devices can't be opened by name\n");
        return;
    }
    struct path at = { mounts, d };
    mount_attach(sb, "devtmpfs", &at, MS_NOSUID);
    dentry_put(d);
}

void vfs_init(const char *root) {
    ext2_register();
    ramfs_register();
    procfs_register();
    memory_devices_init();
    serial_init();
    virtio_blk_init();
    block_cache_start();
    bool in_memory = !strcmp(root, "tmpfs");
    struct superblock *sb = find_filesystem(in_memory ? "tmpfs" : "ext2")->mount(root, 0);
    if (IS_ERR(sb))
        panic("can't mount root=%s as %s: error %ld; give root=/dev/vda and a disk with an ext2 file system",
              root, in_memory ? "tmpfs" : "ext2", -PTR_ERR(sb));
    struct mount *mnt = mount_attach(sb, root, NULL, 0);
    if (IS_ERR(mnt)) panic("no memory for the root mount");
    if (in_memory) ramfs_add(sb, "dev", S_IFDIR | 0755, 0);
    mount_dev();
}
