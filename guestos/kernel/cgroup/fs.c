/* cgroup2, the file system: each group is a directory, with a file for each thing to see or set. */
#include "files.h"
#include "errno.h"
#include "../fs/fs.h"
#include "lib.h"
#include "mm.h"
#include "task.h"

static struct superblock sb;
static const struct inode_ops dir_ops, file_ops;
static const struct file_ops dir_files, text_files;

static struct cgroup *group_of(const struct inode *inode) { return inode->data; }
static int place_of(const struct inode *inode) { return inode->ino % CGROUP_FILES; }
static const struct cgroup_file *row_of(const struct inode *inode) { return &cgroup_files[place_of(inode)]; }

/* Kept by the group while it has a name, so that owners and modes stay. */
static struct inode *inode_of(struct cgroup *g, int i) {
    if (g->files[i] || g->removed) return inode_get(g->files[i]);
    struct inode *inode = inode_new(&sb, g->number * CGROUP_FILES + i);
    if (!inode) return NULL;
    inode->mode = i ? S_IFREG | cgroup_files[i].mode : S_IFDIR | 0755;
    inode->nlink = i ? 1 : 2;
    inode->uid = g->uid;
    inode->gid = g->gid;
    inode->ops = i ? &file_ops : &dir_ops;
    inode->fops = i ? &text_files : &dir_files;
    inode->atime = inode->mtime = inode->ctime = time_now();
    inode->data = cgroup_get(g);
    g->files[i] = inode;
    return inode_get(inode);
}

static void drop(struct inode *inode) { cgroup_put(inode->data); }

struct inode *cgroup_file_inode(struct cgroup *g, int i) {
    struct inode *inode = inode_of(g, i);
    inode_put(inode);
    return inode;
}

static bool visible(const struct cgroup *g, const struct cgroup_file *f) {
    return (g->parent || !f->not_in_root) && (!f->controller || cgroup_controllers(g) & f->controller);
}

static bool is_named(const char *text, const char *name, size_t length) { return strlen(text) == length && !memcmp(text, name, length); }

static struct inode *lookup(struct inode *dir, const char *name, size_t length) {
    struct cgroup *g = group_of(dir), *child;
    struct inode *inode = ERR_PTR(-ENOENT);
    if (g->removed) return inode;
    for (int i = 1; cgroup_files[i].name; i++)
        if (is_named(cgroup_files[i].name, name, length) && visible(g, &cgroup_files[i])) inode = inode_of(g, i);
    list_for_each(child, &g->children, sibling)
        if (is_named(child->name, name, length)) inode = inode_of(child, 0);
    return inode ? inode == ERR_PTR(-ENOENT) ? NULL : inode : ERR_PTR(-ENOMEM);
}

static int make(struct inode *dir, const char *name, size_t length, u32 mode, u32 rdev, struct inode **out) {
    struct cgroup *parent = group_of(dir);
    if (!S_ISDIR(mode)) return S_ISREG(mode) ? -EACCES : -EPERM;
    if (memchr(name, '\n', length)) return -EINVAL;
    struct cgroup *g = parent->removed ? ERR_PTR(-ENODEV) : cgroup_new(parent, name, length);
    if (IS_ERR(g)) return PTR_ERR(g);
    if (!(*out = inode_of(g, 0))) return cgroup_remove(g), -ENOMEM;
    dir->nlink++;
    return 0;
}

static int remove(struct inode *dir, const char *name, size_t length, struct inode *inode) {
    int error = S_ISDIR(inode->mode) ? cgroup_remove(group_of(inode)) : -EPERM;
    if (!error) dir->nlink--;
    return error;
}

static int readdir(struct file *f, struct dir_fill *to) {
    struct cgroup *g = group_of(f->inode), *child;
    u64 base = g->number * CGROUP_FILES;
    if (f->pos == 0 && to->add(to, ".", 1, base, S_IFDIR, 1)) return 0;
    if (f->pos <= 1 && to->add(to, "..", 2, (g->parent ? g->parent : g)->number * CGROUP_FILES, S_IFDIR, 2)) return 0;
    for (u64 i = 1; cgroup_files[i].name; i++)
        if (f->pos <= 1 + i && visible(g, &cgroup_files[i]) &&
            to->add(to, cgroup_files[i].name, strlen(cgroup_files[i].name), base + i, S_IFREG, 2 + i)) return 0;
    list_for_each(child, &g->children, sibling)
        if (f->pos <= CGROUP_FILES + child->number &&
            to->add(to, child->name, strlen(child->name), child->number * CGROUP_FILES, S_IFDIR, CGROUP_FILES + child->number + 1)) break;
    return 0;
}

/* ---- texts ---- */

static int show(struct file *f, struct text *out) {
    const struct cgroup_file *row = row_of(f->inode);
    struct cgroup *g = group_of(f->inode);
    if (g->removed || !visible(g, row)) return -ENODEV;
    if (place_of(f->inode) < CGROUP_PLACES) out->version = g->version[place_of(f->inode)];
    return row->show ? row->show(g, out) : -EINVAL;
}
static ssize_t read_text(struct file *f, struct io *io, u64 pos) { return text_read(f, io, pos, show); }

static ssize_t write_text(struct file *f, struct io *io, u64 pos) {
    const struct cgroup_file *row = row_of(f->inode);
    struct cgroup *g = group_of(f->inode);
    char text[256], *end = text + MIN(io->left, sizeof(text) - 1), *start = text;
    ssize_t n = io->left;
    if (io->left >= sizeof(text)) return -E2BIG;
    if (io_get(io, text, n)) return -EFAULT;
    /* The top of a namespace is limited from outside. */
    if (!row->delegated && g->parent && g == cgroup_namespace_root()) return -EPERM;   /* check: C41 */
    if (g->removed || !visible(g, row)) return -ENODEV;
    while (end > text && (end[-1] == '\n' || end[-1] == ' ' || end[-1] == '\t')) end--;
    *end = 0;
    while (*start == ' ' || *start == '\t') start++;
    int error = row->store ? row->store(g, start) : -EINVAL;
    return error ? error : n;
}

static int poll(struct file *f, struct poll_table *table) {
    const struct text *read = f->data;
    struct cgroup *g = group_of(f->inode);
    int place = place_of(f->inode);
    bool changed = place >= CGROUP_EVENTS && place < CGROUP_PLACES && (!read || read->version != g->version[place]);
    poll_wait(table, &g->changed);
    return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM | (changed ? POLLERR | POLLPRI : 0);
}

static bool stale(struct inode *inode) { return group_of(inode)->removed || !visible(group_of(inode), row_of(inode)); }
static int no_change(struct inode *inode) { return 0; }
static int no_length(struct inode *inode, u64 size) { return 0; }
static const struct inode_ops dir_ops = { .lookup = lookup, .create = make, .unlink = remove, .changed = no_change, .stale = stale };
static const struct inode_ops file_ops = { .changed = no_change, .truncate = no_length, .stale = stale };
static const struct file_ops dir_files = { .readdir = readdir };
static const struct file_ops text_files = { .read = read_text, .write = write_text, .poll = poll, .release = text_release };

struct cgroup *cgroup_of_directory(const struct file *f) {
    return f->inode && f->inode->sb == &sb && S_ISDIR(f->inode->mode) ? group_of(f->inode) : NULL;
}

static int statfs(struct superblock *unused, struct kstatfs *st) {
    st->f_type = 0x63677270;
    return 0;
}

static void show_options(struct superblock *unused, struct text *out) { text_print(out, ",nsdelegate"); }

/* The directory of a group; NULL: it was removed, or there is no memory. */
static struct dentry *directory_of(struct cgroup *g) {
    if (!g->parent) return dentry_get(sb.top);
    struct dentry *above = directory_of(g->parent), *d = above ? dentry_lookup(above, g->name, strlen(g->name)) : ERR_PTR(-ENOENT);
    if (above) dentry_put(above);
    if (!IS_ERR(d) && d->inode && group_of(d->inode) == g) return d;
    if (!IS_ERR(d)) dentry_put(d);
    return NULL;
}
static struct dentry *mount_root(void) { return directory_of(cgroup_namespace_root()); }

/* One hierarchy, however often it is mounted. */
static struct superblock *mount(const char *source, u32 flags, char *options) {
    char *name, *value;
    while ((name = mount_option(&options, &value)))
        if (strcmp(name, "nsdelegate") || *value) return ERR_PTR(-EINVAL);
    if (sb.root) return &sb;
    sb = (struct superblock){ .type = "cgroup2", .dev = superblock_new_device(), .block_size = PAGE_SIZE, .volatile_names = true,
                              .statfs = statfs, .show_options = show_options, .drop = drop, .mount_root = mount_root };
    return (sb.root = inode_of(&root_cgroup, 0)) ? &sb : ERR_PTR(-ENOMEM);
}

static struct filesystem cgroup2 = { "cgroup2", .mount = mount, .for_users = true };
void cgroup_register(void) { filesystem_register(&cgroup2); }
