/* Mounts: which file system, or part of one, covers which directory; and the namespaces of that.
 *
 * mount_lock is taken by whoever changes a tree, before any other lock of fs/ and after walking paths.
 * References (mount->refs) are counted without it; a detached mount is freed with its last.
 */
#pragma once
#include "ns.h"
#include "vfs.h"

#define MS_RDONLY 1
#define MS_NOSUID 2
#define MS_NODEV  4
#define MS_NOEXEC 8
#define MS_REMOUNT 32
#define MS_NOATIME 0x400
#define MS_NODIRATIME 0x800
#define MS_BIND 0x1000
#define MS_MOVE 0x2000
#define MS_REC 0x4000
#define MS_SILENT 0x8000
#define MS_UNBINDABLE (1 << 17)
#define MS_PRIVATE (1 << 18)
#define MS_SLAVE (1 << 19)
#define MS_SHARED (1 << 20)
#define MS_RELATIME (1 << 21)
#define MS_STRICTATIME (1 << 24)

/* The mounts a process sees: a tree. fs_context points to it, so chroot and namespace go together. */
struct mnt_namespace {
    struct ns ns;
    struct mount *root;
};

struct mount {
    struct superblock *sb;
    struct dentry *root;            /* the top of what is mounted: of a bind mount, not sb's */
    struct mount *parent;           /* NULL for a namespace's root, and what is detached */
    struct dentry *at;              /* the directory or file covered, in parent; both are referenced */
    struct mnt_namespace *ns;       /* NULL: detached, and freed with the last path in it */
    struct list children, sibling;  /* of a parent, in order of mounting */
    struct list all;                /* in all_mounts, by id */
    char source[64];
    u32 id, flags;
    u32 shared, master;             /* peer groups it is a member and a receiver of; 0: none */
    bool unbindable, expiring;
    bool fixed;                     /* came from a more privileged namespace, and covers something: stays */
    u32 locked;                     /* flags that did, and stay */
    s32 refs;                       /* paths that stand in it */
    s32 writers;                    /* files open for writing */
};

struct filesystem {
    const char *name;
    bool needs_device;
    bool for_users;                 /* who rules a user namespace may mount it there */
    bool tells;                     /* of the kernel: but then only as much of it as is mounted there already */
    /* Options as mount(2)'s data has them, "" for none. Or ERR_PTR; -EINVAL for an unknown option. */
    struct superblock *(*mount)(const char *source, u32 flags, char *options);
    struct filesystem *next;
};
void filesystem_register(struct filesystem *);
extern struct filesystem *filesystems;
struct filesystem *filesystem_find(const char *type);
/* Options "name=value,...": cuts the next one off *options; *value is "" if it has none. NULL: the end. */
char *mount_option(char **options, char **value);
extern struct list all_mounts;                      /* of every namespace, and detached ones */
extern struct mnt_namespace init_mounts;
struct mount *mount_covering(const struct path *);  /* what is mounted there, or NULL */
struct mount *mount_next(struct mount *, const struct mount *top);  /* in a tree, parents first; NULL: the end */
u32 superblock_new_device(void);                    /* an st_dev for a file system without a disk */
int mount_writable(const struct mount *);           /* 0 or -EROFS */

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

void mnt_namespace_free(struct mnt_namespace *);
int mnt_namespace_unshare(struct fs_context *, struct user_ns *owner);  /* into a copy of the namespace; 0 or -ENOMEM */
int mnt_namespace_enter(struct mnt_namespace *);    /* current, at its root; an errno */

/* propagation.c. Attach and unmount everywhere in the peer group of the place, and in its receivers. */
void propagation_enslave(struct mount *top);     /* a fresh copy, whose mounts are members of the originals' groups, receives from them */
int propagate_attach(struct mount *, const struct path *at);    /* 0 or -ENOMEM, with nothing done */
void propagate_umount(struct mount *top);
bool propagate_busy(struct mount *);
void propagation_change(struct mount *, u32 type);              /* MS_SHARED etc. */
void propagation_leave(struct mount *);
