/* File systems that live in memory: tmpfs, and devtmpfs, which starts with a node for each device. */
#include "device.h"
#include "fs.h"
#include "lib.h"
#include "mm.h"
#include "task.h"

#define FILE_MAX (1UL << 43)            /* bytes */

struct name {                           /* one entry of a directory */
    struct list link;
    struct inode *inode;                /* referenced */
    u64 position;                       /* for readdir; ascending */
    u32 length;
    char text[];
};

struct node {                           /* inode->data */
    struct list names;                  /* of a directory */
    struct inode *parent;               /* of a directory; not referenced: the tree holds it */
    u64 next_position;
    char *target;                       /* of a symlink */
};

struct ram {
    struct superblock sb;
    u64 next_ino, used, limit;          /* pages */
    u32 pty_mode;                       /* of devpts */
    s64 pty_gid;
};

static struct node *node(struct inode *inode) { return inode->data; }
static const struct inode_ops dir_ops, file_inode_ops, link_ops;
static const struct file_ops file_ops, dir_file_ops;

static struct inode *new_inode(struct ram *ram, struct inode *dir, u32 mode, u32 rdev) {
    struct inode *inode = inode_new(&ram->sb, ++ram->next_ino);
    struct node *n = inode ? kzalloc(sizeof(*n)) : NULL;
    if (!n) {
        inode_put(inode);
        return NULL;
    }
    list_init(&n->names);
    n->next_position = 2;               /* 0 and 1 are "." and ".." */
    inode->data = n;
    inode->mode = mode | (S_ISDIR(mode) && dir ? dir->mode & S_ISGID : 0);
    inode->rdev = rdev;
    inode->nlink = 1;
    inode->uid = current->cred.fsuid;
    inode->gid = dir && dir->mode & S_ISGID ? dir->gid : current->cred.fsgid;
    inode->atime = inode->mtime = inode->ctime = time_now();
    inode->ops = S_ISDIR(mode) ? &dir_ops : S_ISLNK(mode) ? &link_ops : &file_inode_ops;
    inode->fops = S_ISDIR(mode) ? &dir_file_ops : S_ISREG(mode) ? &file_ops : NULL;
    if (S_ISDIR(mode)) {
        inode->nlink = 2;
        n->parent = dir ? dir : inode;
    }
    return inode;
}

static int file_truncate(struct inode *inode, u64 size);

static void drop(struct inode *inode) {
    struct node *n = node(inode);
    if (inode->nlink || !n) return;
    file_truncate(inode, 0);
    kfree(n->target);
    kfree(n);
    inode->data = NULL;
}

static struct name *find(struct inode *dir, const char *name, size_t length) {
    struct name *e;
    list_for_each(e, &node(dir)->names, link)
        if (e->length == length && !memcmp(e->text, name, length)) return e;
    return NULL;
}

static struct inode *lookup(struct inode *dir, const char *name, size_t length) {
    struct name *e = find(dir, name, length);
    return e ? inode_get(e->inode) : NULL;
}

/* Takes the reference on success. */
static int add(struct inode *dir, const char *name, size_t length, struct inode *inode) {
    struct name *e = kmalloc(sizeof(*e) + length);
    if (!e) return -ENOMEM;
    e->inode = inode;
    e->length = length;
    memcpy(e->text, name, length);
    e->position = node(dir)->next_position++;
    list_add_tail(&node(dir)->names, &e->link);
    if (S_ISDIR(inode->mode)) {
        dir->nlink++;
        node(inode)->parent = dir;
    }
    inode_touch(dir, true);
    return 0;
}

/* The reference of the entry goes to the caller. */
static void take(struct inode *dir, struct name *e) {
    if (S_ISDIR(e->inode->mode)) dir->nlink--;
    list_del(&e->link);
    kfree(e);
    inode_touch(dir, true);
}

static int put_new(struct inode *dir, const char *name, size_t length, struct inode *inode) {
    if (!inode) return -ENOMEM;
    int error = add(dir, name, length, inode);
    if (!error) return 0;
    inode->nlink = 0;
    inode_put(inode);
    return error;
}

static int create(struct inode *dir, const char *name, size_t length, u32 mode, u32 rdev, struct inode **out) {
    struct inode *inode = new_inode((struct ram *)dir->sb->data, dir, mode, rdev);
    int error = put_new(dir, name, length, inode);
    if (!error) *out = inode_get(inode);
    return error;
}

static int symlink(struct inode *dir, const char *name, size_t length, const char *target) {
    struct inode *inode = new_inode((struct ram *)dir->sb->data, dir, S_IFLNK | 0777, 0);
    size_t size = strlen(target);
    char *text = kmalloc(size + 1);
    if (!inode || !text) {
        kfree(text);
        if (inode) inode->nlink = 0;
        inode_put(inode);
        return -ENOMEM;
    }
    memcpy(text, target, size + 1);
    node(inode)->target = text;
    inode->size = size;
    return put_new(dir, name, length, inode);
}

static int readlink(struct inode *inode, char *to, size_t size) {
    size = MIN(size, inode->size);
    memcpy(to, node(inode)->target, size);
    return size;
}

static int link(struct inode *dir, const char *name, size_t length, struct inode *inode) {
    int error = add(dir, name, length, inode_get(inode));
    if (error) {
        inode_put(inode);
        return error;
    }
    inode->nlink++;
    inode_touch(inode, false);
    return 0;
}

static void unlinked(struct inode *inode) {
    inode->nlink = S_ISDIR(inode->mode) ? 0 : inode->nlink - 1;
    inode_touch(inode, false);
    inode_put(inode);
}

static int unlink(struct inode *dir, const char *name, size_t length, struct inode *inode) {
    if (S_ISDIR(inode->mode) && !list_empty(&node(inode)->names)) return -ENOTEMPTY;
    take(dir, find(dir, name, length));
    unlinked(inode);
    return 0;
}

static int rename(struct inode *from, const char *name, size_t length, struct inode *inode, struct inode *to,
                  const char *to_name, size_t to_length, struct inode *replaced) {
    if (replaced && S_ISDIR(replaced->mode) && !list_empty(&node(replaced)->names)) return -ENOTEMPTY;
    struct name *old = replaced ? find(to, to_name, to_length) : NULL;
    int error = add(to, to_name, to_length, inode);     /* the only step that can fail comes first */
    if (error) return error;
    if (old) {
        take(to, old);
        unlinked(replaced);
    }
    /* In one directory both names are there now, the old one first. */
    take(from, find(from, name, length));
    inode_touch(inode, false);
    return 0;
}

static int readdir(struct file *f, struct dir_fill *to) {
    struct inode *dir = f->inode;
    struct name *e;
    if (f->pos == 0 && to->add(to, ".", 1, dir->ino, S_IFDIR, 1)) return 0;
    if (f->pos <= 1 && to->add(to, "..", 2, node(dir)->parent->ino, S_IFDIR, 2)) return 0;
    list_for_each(e, &node(dir)->names, link)
        if (e->position >= f->pos && to->add(to, e->text, e->length, e->inode->ino, e->inode->mode, e->position + 1)) break;
    return 0;
}

/* ---- regular files ---- */

static int reserve(struct inode *inode, struct page *page, u64 pos, size_t bytes) {
    struct ram *ram = inode->sb->data;
    if (page->flags & PG_DIRTY) return 0;
    if (ram->used >= ram->limit) return -ENOSPC;
    ram->used++;
    inode->blocks += PAGE_SIZE / 512;
    return 0;
}

static int file_truncate(struct inode *inode, u64 size) {
    struct ram *ram = inode->sb->data;
    s64 freed = size > FILE_MAX ? -EFBIG : cache_resize(inode, size);
    if (freed < 0) return freed;
    ram->used -= freed;
    inode->blocks -= freed * (PAGE_SIZE / 512);
    inode_touch(inode, true);
    return 0;
}

static int no_store(struct inode *inode) { return 0; }
static bool unlinked_by_driver(struct inode *inode) { return !inode->nlink; }     /* devpts */

static const struct inode_ops dir_ops = {
    .lookup = lookup, .create = create, .symlink = symlink, .link = link, .unlink = unlink, .rename = rename,
    .changed = no_store,
};
static const struct inode_ops file_inode_ops = { .truncate = file_truncate, .reserve = reserve, .changed = no_store, .stale = unlinked_by_driver };
static const struct inode_ops link_ops = { .readlink = readlink, .changed = no_store };
static const struct file_ops file_ops = { .read = cache_read, .write = cache_write, .sync = commit_file };
static const struct file_ops dir_file_ops = { .readdir = readdir, .sync = commit_file };

/* ---- mounting ---- */

static int statfs(struct superblock *sb, struct kstatfs *st) {
    struct ram *ram = sb->data;
    st->f_type = 0x01021994;
    st->f_blocks = ram->limit;
    st->f_bfree = st->f_bavail = ram->limit - ram->used;
    return 0;
}

static void forget(struct inode *dir) {
    struct name *e, *next;
    list_for_each_safe(e, next, &node(dir)->names, link) {
        struct inode *inode = e->inode;
        if (S_ISDIR(inode->mode)) forget(inode);
        take(dir, e);
        unlinked(inode);
    }
}

/* Nobody stands in it: give its pages back. */
static void unmount(struct superblock *sb) {
    forget(sb->root);
    sb->root->nlink = 0;
    inode_put(sb->root);
    kfree(sb->data);
}

static struct superblock *mount_as(const char *type, u32 flags, u32 root_mode) {
    struct ram *ram = kzalloc(sizeof(*ram));
    if (!ram) return ERR_PTR(-ENOMEM);
    struct memory_stats memory;
    memory_stats(&memory);
    ram->limit = memory.total_pages / 2;
    ram->sb = (struct superblock){
        .type = type, .dev = superblock_new_device(), .block_size = PAGE_SIZE, .flags = flags & MS_RDONLY, .size_max = FILE_MAX, .data = ram, .stores_opaque = true,
        .drop = drop, .statfs = statfs, .unmount = unmount,
    };
    ram->sb.root = new_inode(ram, NULL, S_IFDIR | root_mode, 0);
    return ram->sb.root ? &ram->sb : ERR_PTR(-ENOMEM);
}

/* On a file system that nobody mounts. */
struct file *file_anonymous(u64 size) {
    static struct superblock *sb;
    if (!sb) sb = mount_as("tmpfs", 0, 0700);
    if (IS_ERR(sb)) {
        sb = NULL;
        return NULL;
    }
    struct inode *inode = new_inode(sb->data, NULL, S_IFREG | 0777, 0);
    struct file *file = inode ? file_new(&file_ops, inode, O_RDWR) : NULL;
    if (inode) inode->nlink = 0, inode->size = size;
    inode_put(inode);
    return file;
}

int ramfs_add(struct superblock *sb, const char *name, u32 mode, u32 rdev) {
    struct inode *inode;
    int error = create(sb->root, name, strlen(name), mode, rdev, &inode);
    if (!error) inode_put(inode);
    return error;
}

/* A size in bytes with k, m or g after it, or in per cent of the memory; in pages. */
static int parse_size(const char *text, u64 *pages) {
    struct memory_stats memory;
    memory_stats(&memory);
    const char *end, *units = "kmg%", *unit;
    u64 size = strtou64(text, &end, 10);
    if (end == text) return -EINVAL;
    if (*end && (unit = strchr(units, *end | 0x20 * (*end != '%')))) {
        size = *unit == '%' ? memory.total_pages * size / 100 * PAGE_SIZE : size << (unit - units + 1) * 10;
        end++;
    }
    *pages = (size + PAGE_SIZE - 1) / PAGE_SIZE;
    return *end ? -EINVAL : 0;
}

static int parse(struct ram *ram, char *options) {
    char *name, *value;
    const char *end = "";
    int error = 0;
    while (!error && (name = mount_option(&options, &value))) {
        struct inode *root = ram->sb.root;
        if (!strcmp(name, "size")) error = parse_size(value, &ram->limit);
        else if (!strcmp(name, "mode")) root->mode = S_IFDIR | (strtou64(value, &end, 8) & 07777);
        else if (!strcmp(name, "uid")) root->uid = strtou64(value, &end, 10);
        else if (!strcmp(name, "gid")) root->gid = strtou64(value, &end, 10);
        else error = -EINVAL;
        if (*end) error = -EINVAL;
    }
    return error;
}

static struct superblock *mount_tmpfs(const char *source, u32 flags, char *options) {
    struct superblock *sb = mount_as("tmpfs", flags, 01777);
    int error = IS_ERR(sb) ? 0 : parse(sb->data, options);
    if (!error) return sb;
    unmount(sb);
    return ERR_PTR(error);
}

/* One instance, however often it is mounted: /dev is the same everywhere. */
static struct superblock *mount_devtmpfs(const char *source, u32 flags, char *options) {
    static struct superblock *sb;
    if (sb) return sb;
    sb = mount_as("devtmpfs", 0, 0755);
    if (IS_ERR(sb)) return sb;
    sb->unmount = NULL;
    for (struct device *d = devices; d; d = d->next) ramfs_add(sb, d->name, d->mode, d->rdev);
    ramfs_add(sb, "pts", S_IFDIR | 0755, 0);
    ramfs_add(sb, "shm", S_IFDIR | 01777, 0);
    symlink(sb->root, "fd", 2, "/proc/self/fd");
    symlink(sb->root, "stdin", 5, "/proc/self/fd/0");
    symlink(sb->root, "stdout", 6, "/proc/self/fd/1");
    symlink(sb->root, "stderr", 6, "/proc/self/fd/2");
    return sb;
}

/* Each mount is an instance of its own, in which nobody but the driver makes names; its ptmx gives out its terminals. */
static const struct inode_ops devpts_ops = { .lookup = lookup, .changed = no_store };
static struct superblock *mount_devpts(const char *source, u32 flags, char *options) {
    struct superblock *sb = mount_as("devpts", flags, 0755);
    u32 ptmx_mode = 0;
    int error = IS_ERR(sb) ? PTR_ERR(sb) : 0;
    if (error) return sb;
    struct ram *ram = sb->data;
    ram->pty_mode = 0600;
    ram->pty_gid = -1;                      /* the opener's */
    for (char *name, *value; !error && (name = mount_option(&options, &value));) {
        if (!strcmp(name, "mode")) ram->pty_mode = strtou64(value, NULL, 8) & 0777;
        else if (!strcmp(name, "gid")) ram->pty_gid = (gid_t)strtou64(value, NULL, 10);
        else if (!strcmp(name, "ptmxmode")) ptmx_mode = strtou64(value, NULL, 8) & 0777;
        else if (strcmp(name, "newinstance")) error = -EINVAL;
    }
    if (!error) error = ramfs_add(sb, "ptmx", S_IFCHR | ptmx_mode, MKDEV(5, 2));
    if (error) {
        unmount(sb);
        return ERR_PTR(error);
    }
    sb->volatile_names = true;
    sb->root->ops = &devpts_ops;
    return sb;
}
bool is_devpts(const struct superblock *sb) { return sb->root->ops == &devpts_ops; }
int devpts_add(struct superblock *sb, const char *name, u32 rdev) {
    struct ram *ram = sb->data;
    struct inode *inode;
    int error = create(sb->root, name, strlen(name), S_IFCHR | ram->pty_mode, rdev, &inode);
    if (error) return error;
    if (ram->pty_gid >= 0) inode->gid = ram->pty_gid;
    inode_put(inode);
    return 0;
}
void devpts_remove(struct superblock *sb, const char *name) {
    struct inode *inode = lookup(sb->root, name, strlen(name));
    unlink(sb->root, name, strlen(name), inode);
    inode_put(inode);
}

static struct filesystem tmpfs = { "tmpfs", .mount = mount_tmpfs, .for_users = true };
static struct filesystem devtmpfs = { "devtmpfs", .mount = mount_devtmpfs };
static struct filesystem devptsfs = { "devpts", .mount = mount_devpts, .for_users = true };

void ramfs_register(void) {
    filesystem_register(&tmpfs);
    filesystem_register(&devtmpfs);
    filesystem_register(&devptsfs);
}
