/* The mount tree: which file system, or which part of one, covers which directory; and the root. */
#include "mount.h"
#include "fs.h"
#include "cgroup.h"
#include "block.h"
#include "device.h"
#include "mm.h"
#include "lib.h"
#include "task.h"

struct filesystem *filesystems;
struct list all_mounts = LIST_INIT(all_mounts);
struct mutex mount_lock;
struct mnt_namespace init_mounts = { .ns = NS_FIRST(NS_MNT, 4026531832) };

void filesystem_register(struct filesystem *fs) {
    struct filesystem **end = &filesystems;
    while (*end) end = &(*end)->next;
    *end = fs;
}

struct filesystem *filesystem_find(const char *type) {
    for (struct filesystem *fs = filesystems; fs; fs = fs->next)
        if (!strcmp(fs->name, type)) return fs;
    return NULL;
}

char *mount_option(char **options, char **value) {
    char *name = *options;
    if (!*name) return NULL;
    char *end = strchr(name, ','), *equals;
    *options = end ? end + 1 : name + strlen(name);
    if (end) *end = 0;
    if ((equals = strchr(name, '='))) *equals = 0;
    *value = equals ? equals + 1 : name + strlen(name);
    return name;
}

u32 superblock_new_device(void) {
    static u32 minor;
    return MKDEV(0, ++minor);
}

static void superblock_release(struct superblock *sb) {
    if (sb->mounts || !sb->unmount) return;
    vfs_commit(sb, true);
    dentry_prune(sb);
    if (sb->top) dentry_put(sb->top);
    sb->unmount(sb);
}

struct mount *mount_new(struct superblock *sb, struct dentry *root, const char *source, u32 flags) {
    static u32 last_id;
    struct mount *m = kzalloc(sizeof(*m));
    if (!sb->top && m && (sb->top = dentry_new_root(sb->root))) inode_get(sb->root);
    if (m && sb->top) m->root = root || !sb->mount_root ? dentry_get(root ? root : sb->top) : sb->mount_root();
    if (!m || !m->root) {
        kfree(m);
        superblock_release(sb);
        return NULL;
    }
    m->sb = sb;
    sb->mounts++;
    m->flags = flags;
    m->id = ++last_id;
    m->refs = 1;
    strlcpy(m->source, source, sizeof(m->source));
    list_init(&m->children);
    list_init(&m->sibling);
    list_add_tail(&all_mounts, &m->all);
    return m;
}

void mount_put(struct mount *m) {
    m->expiring = false;
    if (--m->refs || m->ns || m->parent) return;    /* a tree holds its members */
    propagation_leave(m);
    list_del(&m->all);
    dentry_put(m->root);
    m->sb->mounts--;
    superblock_release(m->sb);
    kfree(m);
}

struct mount *mount_clone(const struct mount *from, struct dentry *root) {
    struct mount *m = mount_new(from->sb, root, from->source, from->flags);
    if (!m) return NULL;
    m->shared = from->shared;
    m->master = from->master;
    m->unbindable = from->unbindable;
    m->locked = from->locked;
    return m;
}

struct mount *mount_covering(const struct path *p) {
    struct mount *m, *found = NULL;
    list_for_each(m, &p->mnt->children, sibling)
        if (m->at == p->dentry) found = m;
    return found;
}

/* The one after m and all below it. */
static struct mount *mount_after(struct mount *m, const struct mount *top) {
    for (; m != top; m = m->parent)
        if (m->sibling.next != &m->parent->children) return list_first(&m->sibling, struct mount, sibling);
    return NULL;
}

struct mount *mount_next(struct mount *m, const struct mount *top) {
    return list_empty(&m->children) ? mount_after(m, top) : list_first(&m->children, struct mount, sibling);
}

void mount_attach(struct mount *m, const struct path *at) {
    path_get(at);
    m->parent = at->mnt;
    m->at = at->dentry;
    m->at->mounted++;
    list_add_tail(&at->mnt->children, &m->sibling);
    for (struct mount *each = m; each; each = mount_next(each, m)) each->ns = at->mnt->ns;
    m->refs--;
}

void mount_detach(struct mount *m) {
    m->refs++;
    for (struct mount *each = m; each; each = mount_next(each, m)) each->ns = NULL;
    if (!m->parent) return;
    struct path at = { m->parent, m->at };
    list_del(&m->sibling);
    m->at->mounted--;
    m->parent = NULL;
    m->at = NULL;
    path_put(&at);
}

void mount_dissolve(struct mount *top) {
    while (!list_empty(&top->children)) {
        struct mount *leaf = top;
        while (!list_empty(&leaf->children)) leaf = list_first(&leaf->children, struct mount, sibling);
        mount_detach(leaf);
        mount_put(leaf);
    }
    mount_put(top);
}

struct mount *mount_copy(struct mount *from, struct dentry *root, bool all, bool unbindable) {
    struct mount *top = mount_clone(from, root), *original = from, *copy = top, *m, *next;
    for (m = all && top ? mount_next(from, from) : NULL; m; m = next) {
        bool left_out = (m->unbindable && !unbindable) || (m->parent == from && !dentry_is_below(m->at, root));
        next = left_out ? mount_after(m, from) : mount_next(m, from);
        if (left_out) continue;
        for (; original != m->parent; original = original->parent) copy = copy->parent;
        struct mount *child = mount_clone(m, m->root);
        if (!child) {
            mount_dissolve(top);
            return NULL;
        }
        child->fixed = m->fixed;
        mount_attach(child, &(struct path){ copy, m->at });
        original = m;
        copy = child;
    }
    return top;
}

int mount_forget(struct dentry *d) {
    struct mount *m, *next;
    if (!d->mounted) return 0;
    for_each_mount(m)
        if (m->at == d && m->ns == current->fs->ns) return -EBUSY;
    list_for_each_safe(m, next, &all_mounts, all) {
        if (m->at != d) continue;
        mount_detach(m);
        mount_dissolve(m);
        next = list_first(&all_mounts, struct mount, all);  /* that may have freed any of them */
    }
    return 0;
}

/* A less privileged namespace neither changes what it was given nor takes it away, nor gives anything back. */
static void mounts_lock(struct mount *top) {
    for (struct mount *m = top; m; m = mount_next(m, top)) {
        m->fixed = m != top;
        m->locked = m->flags & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC);   /* check: C24 */
    }
    propagation_enslave(top);
}

int mnt_namespace_unshare(struct fs_context *fs, struct user_ns *owner) {
    struct mnt_namespace *old = fs->ns, *ns = kzalloc(sizeof(*ns));
    struct mount *from = old->root, *to = ns ? mount_copy(from, from->root, true, true) : NULL;
    if (!to) return kfree(ns), -ENOMEM;
    ns_init(&ns->ns, NS_MNT, owner);
    ns->root = to;
    for (; to; from = mount_next(from, old->root), to = mount_next(to, ns->root)) {
        to->ns = ns;
        for (int i = 0; i < 2; i++) {
            struct path *which = i ? &fs->cwd : &fs->root;
            if (which->mnt != from) continue;
            which->mnt = to;
            to->refs++;
            mount_put(from);
        }
    }
    if (owner != old->ns.owner) mounts_lock(ns->root);
    ns->root->refs--;
    fs->ns = ns;
    ns_put(&old->ns);
    return 0;
}

int mnt_namespace_enter(struct mnt_namespace *ns) {
    struct fs_context *fs = current->fs;
    if (fs->refs > 1) return -EINVAL;
    struct path root = { ns->root, ns->root->root };
    path_get(&root);
    path_cross_mounts(&root);
    path_get(&root);
    path_put(&fs->root);
    path_put(&fs->cwd);
    fs->root = fs->cwd = root;
    ns_get(&ns->ns);
    ns_put(&fs->ns->ns);
    fs->ns = ns;
    return 0;
}

void mnt_namespace_free(struct mnt_namespace *ns) {
    mount_detach(ns->root);
    mount_dissolve(ns->root);
    kfree(ns);
}

static struct mount *mount_at_boot(const char *type, const char *source, const struct path *at, u32 flags) {
    char none[1] = "";
    struct superblock *sb = filesystem_find(type)->mount(source, flags, none);
    if (IS_ERR(sb))
        panic("can't mount %s as %s: error %ld; give root=/dev/vda and a disk with an ext2 file system", source, type, -PTR_ERR(sb));
    struct mount *m = mount_new(sb, NULL, source, flags);
    if (!m) panic("no memory to mount %s", source);
    if (at) mount_attach(m, at);
    return m;
}

/* The root lies on an empty rootfs, as Linux's: so that pivot_root has a place to put the next one. */
void vfs_init(const char *root) {
    ext2_register();
    ramfs_register();
    procfs_register();
    cgroup_register();
    overlay_register();
    memory_devices_init();
    serial_init();
    pty_init();
    kvm_init();
    virtio_blk_init();
    write_back_start();
    struct mount *base = mount_at_boot("tmpfs", "rootfs", NULL, 0);
    base->ns = &init_mounts;
    init_mounts.root = base;
    bool in_memory = !strcmp(root, "tmpfs");
    struct mount *top = mount_at_boot(in_memory ? "tmpfs" : "ext2", root, &(struct path){ base, base->root }, 0);
    if (in_memory) ramfs_add(top->sb, "dev", S_IFDIR | 0755, 0);
    struct path dev = { top, dentry_lookup(top->root, "dev", 3) };
    if (!IS_ERR(dev.dentry) && dev.dentry->inode) mount_at_boot("devtmpfs", "devtmpfs", &dev, MS_NOSUID);
    else kprintf("vfs: the root has no /dev; devices can't be opened by name\n");
    if (!IS_ERR(dev.dentry)) dentry_put(dev.dentry);
}
