/* ext2: mounting, and inodes between the disk's tables and memory. */
#include "ext2.h"
#include "lib.h"
#include "mm.h"

void ext2_dirty(struct ext2 *fs, struct buffer *b) {
    if (fs->super->state & EXT2_STATE_CLEAN) {
        fs->super->state &= ~EXT2_STATE_CLEAN;
        block_dirty(fs->super_buffer);      /* before `b`: it will be written first */
    }
    block_dirty(b);
}

void ext2_group_dirty(struct ext2 *fs, u32 group) {
    ext2_dirty(fs, fs->group_buffers[group / (fs->block_size / sizeof(struct ext2_group))]);
    ext2_dirty(fs, fs->super_buffer);
}

/* The block of the inode table that holds `ino`, and where in it. */
static struct buffer *table_block(struct ext2 *fs, u32 ino, struct ext2_inode **out) {
    u32 group = (ino - 1) / fs->super->inodes_per_group;
    u64 offset = (u64)((ino - 1) % fs->super->inodes_per_group) * fs->inode_size;
    struct buffer *b = block_read(fs->device, ext2_group(fs, group)->inode_table + offset / fs->block_size);
    if (!IS_ERR(b)) *out = (struct ext2_inode *)(b->data + offset % fs->block_size);
    return b;
}

static void set_ops(struct inode *inode) {
    inode->ops = &ext2_file_inode_ops;
    if (S_ISREG(inode->mode)) inode->fops = &ext2_file_ops;
    if (S_ISLNK(inode->mode)) inode->ops = &ext2_link_inode_ops;
    if (S_ISDIR(inode->mode)) {
        inode->ops = &ext2_dir_inode_ops;
        inode->fops = &ext2_dir_ops;
    }
}

struct inode *ext2_get(struct ext2 *fs, u32 ino) {
    if (!ino || ino > fs->super->inodes) return ERR_PTR(-EIO);
    struct inode *inode = inode_find(&fs->sb, ino);
    if (inode) return inode;
    struct ext2_inode *disk;
    struct buffer *b = table_block(fs, ino, &disk);
    if (IS_ERR(b)) return (struct inode *)b;
    /* Another task may have made it while we read; from here on nothing sleeps. */
    inode = inode_find(&fs->sb, ino);
    if (!inode && (inode = inode_new(&fs->sb, ino))) {
        inode->mode = disk->mode;
        inode->nlink = disk->links;
        inode->uid = disk->uid | (u32)disk->uid_high << 16;
        inode->gid = disk->gid | (u32)disk->gid_high << 16;
        inode->size = disk->size | (S_ISREG(disk->mode) ? (u64)disk->size_high << 32 : 0);
        inode->blocks = disk->sectors;
        inode->atime.tv_sec = disk->atime;
        inode->mtime.tv_sec = disk->mtime;
        inode->ctime.tv_sec = disk->ctime;
        if (S_ISCHR(inode->mode) || S_ISBLK(inode->mode)) inode->rdev = disk->block[0];
        else memcpy(inode->block, disk->block, sizeof(inode->block));
        inode->opaque = S_ISDIR(inode->mode) && disk->flags & EXT2_FLAG_OPAQUE;
        set_ops(inode);
    }
    block_put(b);
    return inode ? inode : ERR_PTR(-ENOMEM);
}

int ext2_store(struct inode *inode) {
    struct ext2 *fs = ext2_of(inode->sb);
    struct ext2_inode *disk;
    bool is_new = !inode->ops;
    if (is_new) set_ops(inode);
    struct buffer *b = table_block(fs, inode->ino, &disk);
    if (IS_ERR(b)) return PTR_ERR(b);
    if (is_new) memset(disk, 0, fs->inode_size);    /* nothing of its former life stays */
    disk->mode = inode->mode;
    disk->links = inode->nlink;
    disk->uid = inode->uid;
    disk->uid_high = inode->uid >> 16;
    disk->gid = inode->gid;
    disk->gid_high = inode->gid >> 16;
    disk->size = inode->size;
    if (S_ISREG(inode->mode)) disk->size_high = inode->size >> 32;
    disk->sectors = inode->blocks;
    disk->atime = inode->atime.tv_sec;
    disk->mtime = inode->mtime.tv_sec;
    disk->ctime = inode->ctime.tv_sec;
    disk->dtime = inode->nlink ? 0 : inode->ctime.tv_sec;
    if (S_ISDIR(inode->mode)) disk->flags = (disk->flags & ~(EXT2_FLAG_INDEX | EXT2_FLAG_OPAQUE)) | inode->opaque * EXT2_FLAG_OPAQUE;
    if (S_ISCHR(inode->mode) || S_ISBLK(inode->mode)) disk->block[0] = inode->rdev;
    else memcpy(disk->block, inode->block, sizeof(inode->block));
    if (inode->size >> 31 && S_ISREG(inode->mode)) fs->super->read_only_compatible |= EXT2_RO_LARGE_FILE;
    ext2_dirty(fs, b);
    block_put(b);
    return 0;
}

static void drop(struct inode *inode) {
    if (inode->nlink || inode->sb->flags & MS_RDONLY) return;
    struct ext2 *fs = ext2_of(inode->sb);
    bool has_map = S_ISREG(inode->mode) || S_ISDIR(inode->mode) || (S_ISLNK(inode->mode) && inode->blocks);
    if (has_map) ext2_truncate(inode, 0);
    inode->ctime = time_now();
    ext2_store(inode);
    ext2_free_inode(fs, inode->ino, S_ISDIR(inode->mode));
}

static int commit(struct superblock *sb, bool clean) {
    struct ext2 *fs = ext2_of(sb);
    int error = cache_write_back(sb);
    if (!error && fs->journal) error = ext2_journal_commit(fs);
    if (!error) error = block_write_back(fs->device);
    if (!error) ext2_frees_committed(fs);
    if (error || !clean || sb->flags & MS_RDONLY || fs->super->state & EXT2_STATE_CLEAN) return error;
    if (fs->journal && (error = ext2_journal_empty(fs))) return error;
    /* Nothing is dirty at this moment. Files without a name that are still open e2fsck must find. */
    if (!fs->unchecked && !inode_any_unlinked(sb)) fs->super->state |= EXT2_STATE_CLEAN;
    fs->super->incompatible &= ~EXT2_INCOMPAT_RECOVER;
    fs->super->write_time = time_now().tv_sec;
    block_dirty(fs->super_buffer);
    return block_write_back(fs->device);
}

static int statfs(struct superblock *sb, struct kstatfs *st) {
    struct ext2 *fs = ext2_of(sb);
    st->f_type = EXT2_MAGIC;
    st->f_blocks = fs->super->blocks;
    st->f_bfree = fs->super->free_blocks;
    st->f_bavail = fs->super->free_blocks - MIN(fs->super->free_blocks, fs->super->reserved_blocks);
    st->f_files = fs->super->inodes;
    st->f_ffree = fs->super->free_inodes;
    return 0;
}

static void release(struct ext2 *fs) {
    if (fs->journal) inode_put(fs->journal);
    block_put(fs->journal_super);
    kfree(fs->journal_block);
    kfree(fs->committed);
    block_put(fs->super_buffer);
    for (u32 i = 0; fs->group_buffers && i * (fs->block_size / sizeof(struct ext2_group)) < fs->groups; i++)
        block_put(fs->group_buffers[i]);
    kfree(fs->group_buffers);
    kfree(fs);
}

static void unmount(struct superblock *sb) {
    struct ext2 *fs = ext2_of(sb);
    commits_remove(sb);
    fs->device->mounted = NULL;
    inode_put(sb->root);
    release(fs);
}

/* Is this a superblock we can use? 0, or -EINVAL with the reason on the console. */
static int check(const struct ext2_super *super, const char *name, u64 device_bytes, bool read_only) {
    const char *reason = NULL;
    if (super->magic != EXT2_MAGIC) reason = "no ext2 magic number";
    else if (super->log_block_size > 2) reason = "blocks of more than 4 KiB";
    else if (super->revision && super->incompatible & ~(EXT2_INCOMPAT_FILETYPE | EXT2_INCOMPAT_RECOVER)) reason = "features newer than ext2";
    else if (!super->blocks_per_group || !super->inodes_per_group || super->blocks <= super->first_data_block ||
             super->blocks_per_group > 8u * (1024u << super->log_block_size)) reason = "impossible geometry";
    else if ((u64)super->blocks << (10 + super->log_block_size) > device_bytes) reason = "the disk is smaller than the file system";
    else if (super->revision && (super->inode_size < 128 || super->inode_size & (super->inode_size - 1) ||
             super->inode_size > 1024u << super->log_block_size)) reason = "impossible inode size";
    else if (super->revision && !read_only &&
             super->read_only_compatible & ~(EXT2_RO_SPARSE_SUPER | EXT2_RO_LARGE_FILE)) reason = "features that allow read-only mounts alone";
    else if (super->incompatible & EXT2_INCOMPAT_RECOVER && read_only) reason = "its journal must be recovered, which needs writing";
    if (!reason) return 0;
    kerror("ext2: %s: %s\n", name, reason);
    return -EINVAL;
}

static int load(struct ext2 *fs, const char *name) {
    int error = block_set_size(fs->device, 1024);
    if (error) return error;
    struct buffer *b = block_read(fs->device, 1);
    if (IS_ERR(b)) return PTR_ERR(b);
    error = check((struct ext2_super *)b->data, name, fs->device->sectors * 512, fs->device->read_only);
    fs->block_size = 1024u << ((struct ext2_super *)b->data)->log_block_size;
    block_put(b);
    if (error || (error = block_set_size(fs->device, fs->block_size))) return error;
    b = block_read(fs->device, fs->block_size == 1024);
    if (IS_ERR(b)) return PTR_ERR(b);
    fs->super_buffer = b;
    fs->super = (struct ext2_super *)(b->data + (fs->block_size == 1024 ? 0 : 1024));
    fs->pointers = fs->block_size / 4;
    fs->inode_size = fs->super->revision ? fs->super->inode_size : 128;
    fs->first_inode = fs->super->revision ? fs->super->first_inode : 11;
    u32 per = fs->super->blocks_per_group;
    fs->groups = (fs->super->blocks - fs->super->first_data_block + per - 1) / per;
    u32 each = fs->block_size / sizeof(struct ext2_group), count = (fs->groups + each - 1) / each;
    if (!(fs->group_buffers = kzalloc(count * sizeof(*fs->group_buffers)))) return -ENOMEM;
    for (u32 i = 0; i < count; i++) {
        b = block_read(fs->device, fs->super->first_data_block + 1 + i);
        if (IS_ERR(b)) return PTR_ERR(b);
        fs->group_buffers[i] = b;
    }
    if (!(fs->committed = kzalloc(fs->groups * sizeof(*fs->committed)))) return -ENOMEM;
    bool recover = fs->super->incompatible & EXT2_INCOMPAT_RECOVER;
    error = fs->super->compatible & EXT2_COMPAT_JOURNAL && !fs->device->read_only ? ext2_journal_load(fs, recover) : 0;
    fs->unchecked = !(fs->super->state & EXT2_STATE_CLEAN);
    if (fs->unchecked) kprintf("ext2: %s was not unmounted; e2fsck may find lost space\n", name);
    return error;
}

static struct superblock *mount(const char *source, u32 flags, char *options) {
    if (*options) return ERR_PTR(-EINVAL);
    struct block_device *device = block_device_find(source);
    if (!device) return ERR_PTR(-ENODEV);
    if (device->mounted) return ERR_PTR(-EBUSY);
    struct ext2 *fs = kzalloc(sizeof(*fs));
    if (!fs) return ERR_PTR(-ENOMEM);
    fs->device = device;
    device->mounted = &fs->sb;
    if (device->read_only) flags |= MS_RDONLY;
    fs->sb = (struct superblock){
        .dev = device->dev, .device = device, .flags = flags & MS_RDONLY, .data = fs, .stores_opaque = true,
        .drop = drop, .commit = commit, .statfs = statfs, .unmount = unmount,
    };
    int error = load(fs, source);
    fs->sb.type = fs->journal ? "ext3" : "ext2";
    fs->sb.block_size = fs->block_size;
    fs->sb.size_max = ext2_size_max(fs);
    struct inode *root = error ? ERR_PTR(error) : ext2_get(fs, EXT2_ROOT_INO);
    if (!IS_ERR(root) && !S_ISDIR(root->mode)) root = ERR_PTR(-EINVAL);
    if (IS_ERR(root)) {
        device->mounted = NULL;
        release(fs);
        return (struct superblock *)root;
    }
    fs->sb.root = root;
    commits_add(&fs->sb);
    return &fs->sb;
}

static struct filesystem ext2 = { "ext2", true, .mount = mount }, ext3 = { "ext3", true, .mount = mount };
void ext2_register(void) {
    filesystem_register(&ext2);
    filesystem_register(&ext3);
}
