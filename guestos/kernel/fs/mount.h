/* The mount tree as the system calls that change it see it: mount.c, propagation.c, sys_mount.c.
 *
 * mount_lock is taken by whoever changes a tree, before any other lock of fs/ and after walking paths.
 * References (mount->refs) are counted without it; a detached mount is freed with its last.
 */
#pragma once
#include "vfs.h"

extern struct mutex mount_lock;

/* Detached, refs 1; of the whole of sb if root is NULL. A superblock with no mount left is unmounted, also
 * when this fails (NULL: no memory). */
struct mount *mount_new(struct superblock *, struct dentry *root, const char *source, u32 flags);
struct mount *mount_clone(const struct mount *, struct dentry *root);
void mount_put(struct mount *);
/* Copies of a mount from `root` on and, if `all`, of those below; detached. Unbindable ones are left
 * out unless `unbindable`. */
struct mount *mount_copy(struct mount *, struct dentry *root, bool all, bool unbindable);
/* Cover `at` with a detached tree; its reference goes to the namespace. Detach gives one back. */
void mount_attach(struct mount *, const struct path *at);
void mount_detach(struct mount *);
void mount_dissolve(struct mount *top);     /* a detached tree: each mount for itself, and the reference */
/* Before a directory entry is removed: -EBUSY if the caller sees a mount on it; others' are detached. */
int mount_forget(struct dentry *);
#define for_each_mount(m) list_for_each(m, &all_mounts, all)

static inline struct mnt_namespace *mnt_namespace_get(struct mnt_namespace *ns) {
    ns->refs++;
    return ns;
}
void mnt_namespace_put(struct mnt_namespace *);
int mnt_namespace_unshare(struct fs_context *);     /* into a copy of the namespace; 0 or -ENOMEM */

/* propagation.c. Attach and unmount everywhere in the peer group of the place, and in its receivers. */
int propagate_attach(struct mount *, const struct path *at);    /* 0 or -ENOMEM, with nothing done */
void propagate_umount(struct mount *top);
bool propagate_busy(struct mount *);
void propagation_change(struct mount *, u32 type);              /* MS_SHARED etc. */
void propagation_leave(struct mount *);
