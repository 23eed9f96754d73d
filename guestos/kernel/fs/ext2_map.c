/* ext2's files: the tree of block pointers, reading, writing and cutting. */
#include "ext2.h"
#include "lib.h"

#define READ_AHEAD 16                   /* blocks */
#define DIRECT 12

/* The way to file block `number`: index in the inode, then in each indirect block. Its length, or
 * -EFBIG. */
static int way_to(struct ext2 *fs, u64 number, u32 way[4]) {
    u64 per = fs->pointers;
    if (number < DIRECT) return way[0] = number, 1;
    number -= DIRECT;
    u64 span = per;
    for (int depth = 1; depth <= 3; depth++, span *= per) {
        if (number >= span) {
            number -= span;
            continue;
        }
        way[0] = DIRECT + depth - 1;
        for (int level = depth; level > 0; level--, number /= per) way[level] = number % per;
        return depth + 1;
    }
    return -EFBIG;
}

u64 ext2_size_max(struct ext2 *fs) {
    u64 per = fs->pointers, tree = (DIRECT + per + per * per + per * per * per) * fs->block_size;
    return MIN(tree, 0xffffffffUL * 512);       /* the inode counts sectors in 32 bits */
}

s64 ext2_map(struct inode *inode, u64 number, bool create, bool *fresh) {
    struct ext2 *fs = ext2_of(inode->sb);
    u32 way[4], *slot;
    int length = way_to(fs, number, way);
    if (length < 0) return length;
    struct buffer *holder = NULL;
    slot = &inode->block[way[0]];
    for (int level = 1;; level++) {
        bool last = level == length;
        if (!*slot) {
            if (!create) break;
            u64 goal = slot > inode->block && !holder && slot[-1] ? slot[-1] + 1
                       : holder && way[level - 1] ? slot[-1] + 1 : holder ? holder->number + 1
                       : ext2_group(fs, (inode->ino - 1) / fs->super->inodes_per_group)->inode_table;
            s64 block = ext2_alloc_block(fs, goal);
            if (block < 0) {
                block_put(holder);
                return block;
            }
            if (!last) {                        /* clean before anything points to it */
                struct buffer *table = block_zeroed(fs->device, block);
                if (IS_ERR(table)) {
                    ext2_free_block(fs, block);
                    block_put(holder);
                    return PTR_ERR(table);
                }
                ext2_dirty(fs, table);
                block_put(table);
            }
            *slot = block;
            inode->blocks += fs->block_size / 512;
            if (holder) ext2_dirty(fs, holder);
            if (last && fresh) *fresh = true;
        }
        if (last) break;
        struct buffer *next = block_read(fs->device, *slot);
        block_put(holder);
        if (IS_ERR(next)) return PTR_ERR(next);
        holder = next;
        slot = (u32 *)holder->data + way[level];
    }
    s64 block = *slot;
    block_put(holder);
    return block;
}

/* Frees what the pointer in *slot reaches, a tree of `depth` levels of indirect blocks, from its
 * file block `keep` on; the pointer too if nothing is kept. */
static int cut(struct inode *inode, u32 *slot, int depth, u64 keep) {
    struct ext2 *fs = ext2_of(inode->sb);
    if (!*slot) return 0;
    if (depth) {
        u64 span = 1;
        for (int i = 1; i < depth; i++) span *= fs->pointers;
        struct buffer *b = block_read(fs->device, *slot);
        if (IS_ERR(b)) return PTR_ERR(b);
        for (u32 i = keep / span; i < fs->pointers; i++) {
            u64 within = i == keep / span ? keep % span : 0;
            int error = cut(inode, (u32 *)b->data + i, depth - 1, within);
            if (error) {
                block_put(b);
                return error;
            }
        }
        if (keep) ext2_dirty(fs, b);
        block_put(b);
    }
    if (keep) return 0;
    u32 block = *slot;
    *slot = 0;
    inode->blocks -= fs->block_size / 512;
    ext2_free_block(fs, block);
    return 0;
}

int ext2_truncate(struct inode *inode, u64 size) {
    struct ext2 *fs = ext2_of(inode->sb);
    if (size > ext2_size_max(fs)) return -EFBIG;
    u64 keep = (size + fs->block_size - 1) / fs->block_size, span = 1;
    int error = 0;
    if (size < inode->size) {
        inode->truncations++;
        if (size % fs->block_size) {            /* a later extension must read zeros here */
            s64 block = ext2_map(inode, keep - 1, false, NULL);
            if (block < 0) return block;
            struct buffer *b = block ? block_read(fs->device, block) : NULL;
            if (IS_ERR(b)) return PTR_ERR(b);
            if (b) {
                memset(b->data + size % fs->block_size, 0, fs->block_size - size % fs->block_size);
                ext2_dirty(fs, b);
                block_put(b);
            }
        }
    }
    if (size <= inode->size) {
        u64 start = DIRECT;
        for (u64 i = keep; i < DIRECT && !error; i++) error = cut(inode, &inode->block[i], 0, 0);
        for (int depth = 1; depth <= 3 && !error; depth++, start += span) {
            span *= fs->pointers;
            if (keep < start + span) error = cut(inode, &inode->block[DIRECT + depth - 1], depth, keep > start ? keep - start : 0);
        }
        inode->truncations++;
    }
    inode->size = size;
    inode_touch(inode, true);
    return error;
}

static void read_ahead(struct inode *inode, u64 number, u64 block) {
    struct ext2 *fs = ext2_of(inode->sb);
    u64 end = (inode->size + fs->block_size - 1) / fs->block_size;
    int count = 1;
    while (count < READ_AHEAD && number + count < end && ext2_map(inode, number + count, false, NULL) == (s64)block + count) count++;
    block_read_ahead(fs->device, block, count);
}

static ssize_t file_read(struct file *f, struct io *io, u64 pos) {
    struct inode *inode = f->inode;
    struct ext2 *fs = ext2_of(inode->sb);
    ssize_t done = 0;
    while (io->left && pos < inode->size) {
        u32 offset = pos % fs->block_size, seen = inode->truncations;
        s64 block = ext2_map(inode, pos / fs->block_size, false, NULL);
        if (block < 0) return done ? done : block;
        if (block && !block_is_cached(fs->device, block)) read_ahead(inode, pos / fs->block_size, block);
        struct buffer *b = block ? block_read(fs->device, block) : NULL;
        if (IS_ERR(b)) return done ? done : PTR_ERR(b);
        if (seen != inode->truncations) {       /* the block may be another file's by now */
            block_put(b);
            continue;
        }
        size_t n = MIN(MIN(io->left, (size_t)fs->block_size - offset), inode->size - pos);
        int error = b ? io_put(io, b->data + offset, n) : io_zero(io, n);
        block_put(b);
        if (error) return done ? done : error;
        pos += n;
        done += n;
    }
    return done;
}

/* One block's part of a write, with the lock held. */
static int write_part(struct inode *inode, struct io *io, u64 pos, size_t n) {
    struct ext2 *fs = ext2_of(inode->sb);
    bool fresh = false;
    s64 block = ext2_map(inode, pos / fs->block_size, true, &fresh);
    if (block < 0) return block;
    bool whole = fresh || (n == fs->block_size && !io->user);
    struct buffer *b = whole ? block_zeroed(fs->device, block) : block_read(fs->device, block);
    if (IS_ERR(b)) return PTR_ERR(b);
    int error = io_get(io, b->data + pos % fs->block_size, n);
    ext2_dirty(fs, b);                          /* also after a fault: a fresh block must be zeros */
    block_put(b);
    return error;
}

static ssize_t file_write(struct file *f, struct io *io, u64 pos) {
    struct inode *inode = f->inode;
    struct ext2 *fs = ext2_of(inode->sb);
    ssize_t done = 0;
    int error = 0;
    if (!io->left) return 0;
    mutex_lock(&inode->lock);                   /* page faults on `io` read without it */
    if (f->flags & O_APPEND) pos = inode->size;
    u64 max = ext2_size_max(fs);
    if (pos >= max) error = -EFBIG;
    else io->left = MIN(io->left, max - pos);
    while (io->left && !error) {
        size_t n = MIN(io->left, fs->block_size - pos % fs->block_size);
        if ((error = write_part(inode, io, pos, n))) break;
        pos += n;
        done += n;
        if (pos > inode->size) inode->size = pos;
    }
    if (done && inode->mode & (S_ISUID | S_ISGID)) inode->mode &= ~(S_ISUID | (inode->mode & 010 ? S_ISGID : 0));
    if (error && error != -EFBIG) ext2_truncate(inode, inode->size);   /* what was allocated beyond the end */
    else if (done) inode_touch(inode, true);
    mutex_unlock(&inode->lock);
    return done ? done : error;
}

static int file_sync(struct file *f) { return block_sync(ext2_of(f->inode->sb)->device); }

const struct file_ops ext2_file_ops = { .read = file_read, .write = file_write, .sync = file_sync };
const struct inode_ops ext2_file_inode_ops = { .truncate = ext2_truncate, .changed = ext2_store };
