/* ext2's files: the tree of pointers to their blocks. */
#include "ext2.h"
#include "lib.h"

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

s64 ext2_map(struct inode *inode, u64 number, bool create) {
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
    u64 old = inode->size;
    s64 cut_off = cache_resize(inode, size);
    int error = MIN(cut_off, 0L);
    if (size <= old && !error) {
        u64 start = DIRECT;
        for (u64 i = keep; i < DIRECT && !error; i++) error = cut(inode, &inode->block[i], 0, 0);
        for (int depth = 1; depth <= 3 && !error; depth++, start += span) {
            span *= fs->pointers;
            if (keep < start + span) error = cut(inode, &inode->block[DIRECT + depth - 1], depth, keep > start ? keep - start : 0);
        }
    }
    inode_touch(inode, true);
    return error;
}

/* The blocks of a range; their contents will be written whole, so what is on the disk doesn't matter. */
static int reserve(struct inode *inode, struct page *page, u64 pos, size_t n) {
    u32 size = inode->sb->block_size;
    s64 block = 1;
    for (u64 number = pos / size; block > 0 && number <= (pos + n - 1) / size; number++) block = ext2_map(inode, number, true);
    return MIN(block, 0L);
}

const struct file_ops ext2_file_ops = { .read = cache_read, .write = cache_write, .sync = commit_file };
const struct inode_ops ext2_file_inode_ops = { .truncate = ext2_truncate, .map = ext2_map, .reserve = reserve, .changed = ext2_store };
