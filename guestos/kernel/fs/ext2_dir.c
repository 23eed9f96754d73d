/* ext2's directories: names in blocks of variable-length entries; making and removing files. */
#include "ext2.h"
#include "lib.h"
#include "task.h"

static u32 entry_size(size_t name_length) { return ALIGN_UP(offsetof(struct ext2_entry, name) + name_length, 4); }

static u8 type_of(u32 mode) {
    static const u8 types[16] = { [1] = 5, [2] = 3, [4] = 2, [6] = 4, [8] = 1, [10] = 7, [12] = 6 };
    return types[mode >> 12 & 15];
}

static const u32 mode_of_type[8] = { 0, S_IFREG, S_IFDIR, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK, S_IFLNK };

/* The entry at `offset` of a directory block, or NULL if it is damaged. */
static struct ext2_entry *entry_at(struct ext2 *fs, struct inode *dir, struct buffer *b, u32 offset) {
    struct ext2_entry *e = (struct ext2_entry *)(b->data + offset);
    if (offset + 8 <= fs->block_size && e->length >= 8 && e->length % 4 == 0 && offset + e->length <= fs->block_size &&
        entry_size(e->name_length) <= e->length) return e;
    kerror("ext2: directory %lu is damaged; run e2fsck\n", dir->ino);
    return NULL;
}

static struct buffer *dir_block(struct inode *dir, u64 number) {
    s64 block = ext2_map(dir, number, false);
    return block > 0 ? block_read(ext2_of(dir->sb)->device, block) : ERR_PTR(block ? block : -EIO);
}

/* Finds a name. Returns its block (referenced), sets *found and *before, the entry ahead of it in
 * the block (NULL: it is the first). NULL: no such name. */
static struct buffer *find(struct inode *dir, const char *name, size_t length, struct ext2_entry **found,
                           struct ext2_entry **before) {
    struct ext2 *fs = ext2_of(dir->sb);
    for (u64 number = 0; number < dir->size / fs->block_size; number++) {
        struct buffer *b = dir_block(dir, number);
        if (IS_ERR(b)) return b;
        *before = NULL;
        for (u32 offset = 0; offset < fs->block_size;) {
            struct ext2_entry *e = entry_at(fs, dir, b, offset);
            if (!e) {
                block_put(b);
                return ERR_PTR(-EIO);
            }
            if (e->inode && e->name_length == length && !memcmp(e->name, name, length)) {
                *found = e;
                return b;
            }
            *before = e;
            offset += e->length;
        }
        block_put(b);
    }
    return NULL;
}

static struct inode *lookup(struct inode *dir, const char *name, size_t length) {
    struct ext2_entry *e, *before;
    struct buffer *b = find(dir, name, length, &e, &before);
    if (!b || IS_ERR(b)) return (struct inode *)b;
    u32 ino = e->inode;
    block_put(b);
    return ext2_get(ext2_of(dir->sb), ino);
}

static void fill(struct ext2_entry *e, u32 length, const char *name, size_t name_length, struct inode *inode) {
    struct ext2 *fs = ext2_of(inode->sb);
    e->inode = inode->ino;
    e->length = length;
    e->name_length = name_length;
    e->type = fs->super->incompatible & EXT2_INCOMPAT_FILETYPE ? type_of(inode->mode) : 0;
    memcpy(e->name, name, name_length);
}

/* Puts a name that is not there yet. */
static int add(struct inode *dir, const char *name, size_t length, struct inode *inode) {
    struct ext2 *fs = ext2_of(dir->sb);
    u32 need = entry_size(length);
    u64 blocks = dir->size / fs->block_size;
    for (u64 number = 0; number < blocks; number++) {
        struct buffer *b = dir_block(dir, number);
        if (IS_ERR(b)) return PTR_ERR(b);
        for (u32 offset = 0; offset < fs->block_size;) {
            struct ext2_entry *e = entry_at(fs, dir, b, offset);
            if (!e) {
                block_put(b);
                return -EIO;
            }
            u32 used = e->inode ? entry_size(e->name_length) : 0;
            if (e->length >= used + need) {             /* split what it doesn't use */
                u32 rest = e->length - used;
                if (used) e->length = used;
                fill((struct ext2_entry *)((u8 *)e + used), rest, name, length, inode);
                ext2_dirty(fs, b);
                block_put(b);
                inode_touch(dir, true);
                return 0;
            }
            offset += e->length;
        }
        block_put(b);
    }
    s64 block = ext2_map(dir, blocks, true);
    if (block < 0) return block;
    struct buffer *b = block_zeroed(fs->device, block);
    if (IS_ERR(b)) return PTR_ERR(b);
    fill((struct ext2_entry *)b->data, fs->block_size, name, length, inode);
    ext2_dirty(fs, b);
    block_put(b);
    dir->size += fs->block_size;
    inode_touch(dir, true);
    return 0;
}

static int remove(struct inode *dir, const char *name, size_t length) {
    struct ext2_entry *e, *before;
    struct buffer *b = find(dir, name, length, &e, &before);
    if (IS_ERR(b)) return PTR_ERR(b);
    if (!b) return -ENOENT;
    if (before) before->length += e->length;
    else e->inode = 0;
    ext2_dirty(ext2_of(dir->sb), b);
    block_put(b);
    inode_touch(dir, true);
    return 0;
}

static int is_empty(struct inode *dir) {
    struct ext2 *fs = ext2_of(dir->sb);
    for (u64 number = 0; number < dir->size / fs->block_size; number++) {
        struct buffer *b = dir_block(dir, number);
        if (IS_ERR(b)) return PTR_ERR(b);
        int result = 1;
        for (u32 offset = 0; offset < fs->block_size && result == 1;) {
            struct ext2_entry *e = entry_at(fs, dir, b, offset);
            if (!e) result = -EIO;
            else {
                bool dots = e->name[0] == '.' && (e->name_length == 1 || (e->name_length == 2 && e->name[1] == '.'));
                if (e->inode && !dots) result = 0;
                offset += e->length;
            }
        }
        block_put(b);
        if (result != 1) return result;
    }
    return 1;
}

/* A new inode, with one link to come; released by the caller if it can't be named. */
static struct inode *new_inode(struct inode *dir, u32 mode) {
    struct ext2 *fs = ext2_of(dir->sb);
    s64 ino = ext2_alloc_inode(fs, dir->ino, S_ISDIR(mode));
    if (ino < 0) return ERR_PTR(ino);
    struct inode *inode = inode_new(dir->sb, ino);
    if (!inode) {
        ext2_free_inode(fs, ino, S_ISDIR(mode));
        return ERR_PTR(-ENOMEM);
    }
    inode->mode = mode;
    inode->uid = current->cred.fsuid;
    inode->gid = current->cred.fsgid;
    if (dir->mode & S_ISGID) {
        inode->gid = dir->gid;
        if (S_ISDIR(mode)) inode->mode |= S_ISGID;
    }
    inode->atime = inode->mtime = inode->ctime = time_now();
    inode->nlink = 1;
    return inode;
}

static int abandon(struct inode *inode, int error) {
    inode->nlink = 0;
    inode_put(inode);                       /* drop() frees it */
    return error;
}

/* "." and ".." of a new directory, and the links they are. */
static int fill_directory(struct inode *inode, struct inode *parent) {
    struct ext2 *fs = ext2_of(inode->sb);
    s64 block = ext2_map(inode, 0, true);
    if (block < 0) return block;
    struct buffer *b = block_zeroed(fs->device, block);
    if (IS_ERR(b)) return PTR_ERR(b);
    fill((struct ext2_entry *)b->data, 12, ".", 1, inode);
    fill((struct ext2_entry *)(b->data + 12), fs->block_size - 12, "..", 2, parent);
    ext2_dirty(fs, b);
    block_put(b);
    inode->size = fs->block_size;
    inode->nlink = 2;
    return ext2_store(inode);
}

static int create(struct inode *dir, const char *name, size_t length, u32 mode, u32 rdev, struct inode **out) {
    if (S_ISDIR(mode) && dir->nlink >= EXT2_LINK_MAX) return -EMLINK;
    struct inode *inode = new_inode(dir, mode);
    if (IS_ERR(inode)) return PTR_ERR(inode);
    inode->rdev = rdev;
    int error = ext2_store(inode);
    if (!error && S_ISDIR(mode)) error = fill_directory(inode, dir);
    if (!error) error = add(dir, name, length, inode);
    if (error) return abandon(inode, error);
    if (S_ISDIR(mode)) {
        dir->nlink++;
        ext2_store(dir);
    }
    *out = inode;
    return 0;
}

static int symlink(struct inode *dir, const char *name, size_t length, const char *target) {
    struct ext2 *fs = ext2_of(dir->sb);
    size_t size = strlen(target);
    if (size >= fs->block_size) return -ENAMETOOLONG;
    struct inode *inode = new_inode(dir, S_IFLNK | 0777);
    if (IS_ERR(inode)) return PTR_ERR(inode);
    int error = ext2_store(inode);
    if (!error && size < sizeof(inode->block)) memcpy(inode->block, target, size);
    else if (!error) {
        s64 block = ext2_map(inode, 0, true);
        struct buffer *b = block < 0 ? ERR_PTR(block) : block_zeroed(fs->device, block);
        error = IS_ERR(b) ? PTR_ERR(b) : 0;
        if (!error) {
            memcpy(b->data, target, size);
            ext2_dirty(fs, b);
            block_put(b);
        }
    }
    inode->size = size;
    if (!error) error = ext2_store(inode);
    if (!error) error = add(dir, name, length, inode);
    if (error) return abandon(inode, error);
    inode_put(inode);
    return 0;
}

static int readlink(struct inode *inode, char *to, size_t size) {
    size = MIN(size, inode->size);
    if (!inode->blocks) {
        memcpy(to, inode->block, MIN(size, sizeof(inode->block)));
        return size;
    }
    struct buffer *b = dir_block(inode, 0);
    if (IS_ERR(b)) return PTR_ERR(b);
    size = MIN(size, (size_t)inode->sb->block_size);
    memcpy(to, b->data, size);
    block_put(b);
    return size;
}

static int link(struct inode *dir, const char *name, size_t length, struct inode *inode) {
    if (inode->nlink >= EXT2_LINK_MAX) return -EMLINK;
    int error = add(dir, name, length, inode);
    if (error) return error;
    inode->nlink++;
    inode_touch(inode, false);
    return 0;
}

static int unlink(struct inode *dir, const char *name, size_t length, struct inode *inode) {
    bool directory = S_ISDIR(inode->mode);
    int empty = directory ? is_empty(inode) : 1;
    if (empty != 1) return empty ? empty : -ENOTEMPTY;
    int error = remove(dir, name, length);
    if (error) return error;
    inode->nlink = directory ? 0 : inode->nlink - 1;
    inode_touch(inode, false);
    if (directory) {
        dir->nlink--;
        ext2_store(dir);
    }
    return 0;
}

/* Point an existing name at another inode. */
static int redirect(struct inode *dir, const char *name, size_t length, struct inode *inode) {
    struct ext2_entry *e, *before;
    struct buffer *b = find(dir, name, length, &e, &before);
    if (!b || IS_ERR(b)) return b ? PTR_ERR(b) : -EIO;
    fill(e, e->length, name, length, inode);
    ext2_dirty(ext2_of(dir->sb), b);
    block_put(b);
    inode_touch(dir, true);
    return 0;
}

static int rename(struct inode *from, const char *name, size_t length, struct inode *inode, struct inode *to,
                  const char *to_name, size_t to_length, struct inode *replaced) {
    bool directory = S_ISDIR(inode->mode);
    if (replaced && directory) {
        int empty = is_empty(replaced);
        if (empty != 1) return empty ? empty : -ENOTEMPTY;
    }
    if (directory && from != to && !replaced && to->nlink >= EXT2_LINK_MAX) return -EMLINK;
    int error = replaced ? redirect(to, to_name, to_length, inode) : add(to, to_name, to_length, inode);
    if (error) return error;
    error = remove(from, name, length);
    if (error) return error;
    if (replaced) {
        replaced->nlink = directory ? 0 : replaced->nlink - 1;
        inode_touch(replaced, false);
    }
    if (directory) {                        /* ".." is a link: the old parent loses one, the new gains */
        if (from != to) error = redirect(inode, "..", 2, to);
        from->nlink--;
        if (!replaced) to->nlink++;
        ext2_store(from);
        ext2_store(to);
    }
    inode_touch(inode, false);
    return error;
}

static int readdir(struct file *f, struct dir_fill *to) {
    struct inode *dir = f->inode;
    struct ext2 *fs = ext2_of(dir->sb);
    for (u64 number = f->pos / fs->block_size; number < dir->size / fs->block_size; number++) {
        struct buffer *b = dir_block(dir, number);
        if (IS_ERR(b)) return PTR_ERR(b);
        /* Entries may have been merged since: walk from the block's start to the position. */
        for (u32 offset = 0; offset < fs->block_size;) {
            struct ext2_entry *e = entry_at(fs, dir, b, offset);
            if (!e) {
                block_put(b);
                return -EIO;
            }
            u64 at = number * fs->block_size + offset;
            offset += e->length;
            if (at < f->pos || !e->inode) continue;
            if (to->add(to, e->name, e->name_length, e->inode, mode_of_type[e->type & 7], number * fs->block_size + offset)) {
                block_put(b);
                return 0;
            }
        }
        block_put(b);
    }
    return 0;
}

const struct file_ops ext2_dir_ops = { .readdir = readdir, .sync = commit_file };
const struct inode_ops ext2_dir_inode_ops = {
    .lookup = lookup, .create = create, .symlink = symlink, .link = link, .unlink = unlink, .rename = rename,
    .changed = ext2_store,
};
const struct inode_ops ext2_link_inode_ops = { .readlink = readlink, .changed = ext2_store };
