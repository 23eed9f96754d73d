/* ext2's bitmaps: which blocks and inodes are free. */
#include "ext2.h"
#include "lib.h"
#include "mm.h"

#define RESERVE 512                     /* blocks that changes under way may still want */

/* First bit from `from` on, below `count`, that is clear in both maps; -1: none. */
static s64 find_clear(const u8 *map, const u8 *other, u32 from, u32 count) {
    for (u32 i = from; i < count; i++) {
        if (i % 64 == 0 && *(const u64 *)(map + i / 8) == ~0UL) i += 63;
        else if (!((map[i / 8] | other[i / 8]) >> i % 8 & 1)) return i;
    }
    return -1;
}

static u32 blocks_in_group(struct ext2 *fs, u32 group) {
    u32 start = fs->super->first_data_block + group * fs->super->blocks_per_group;
    return MIN(fs->super->blocks_per_group, fs->super->blocks - start);
}

/* Blocks freed can be used after a commit: make one in time. */
static void watch_space(struct ext2 *fs) {
    if (fs->freed && fs->super->free_blocks < fs->freed + RESERVE) write_back_soon();
}

s64 ext2_alloc_block(struct ext2 *fs, u64 goal) {
    u32 first = fs->super->first_data_block, per = fs->super->blocks_per_group;
    if (goal < first || goal >= fs->super->blocks) goal = first;
    u32 group = (goal - first) / per, from = (goal - first) % per;
    s64 result = -ENOSPC;
    mutex_lock(&fs->lock);
    for (u32 tried = 0; tried <= fs->groups && result == -ENOSPC; tried++, group = (group + 1) % fs->groups, from = 0) {
        struct ext2_group *g = ext2_group(fs, group);
        if (!g->free_blocks) continue;
        struct buffer *b = block_read(fs->device, g->block_bitmap);
        if (IS_ERR(b)) {
            result = PTR_ERR(b);
            break;
        }
        /* What the disk still takes for another file's must stay as it is until a commit says otherwise. */
        s64 bit = find_clear(b->data, fs->committed[group] ? fs->committed[group] : b->data, from, blocks_in_group(fs, group));
        if (bit >= 0) {
            b->data[bit / 8] |= 1 << bit % 8;
            ext2_dirty(fs, b);
            g->free_blocks--;
            fs->super->free_blocks--;
            ext2_group_dirty(fs, group);
            result = first + (u64)group * per + bit;
        }
        block_put(b);
    }
    watch_space(fs);
    mutex_unlock(&fs->lock);
    return result;
}

void ext2_free_block(struct ext2 *fs, u64 block) {
    u32 first = fs->super->first_data_block, per = fs->super->blocks_per_group;
    if (block < first || block >= fs->super->blocks) {
        kerror("ext2: freeing block %lu, which the disk doesn't have; run e2fsck\n", block);
        return;
    }
    u32 group = (block - first) / per, bit = (block - first) % per;
    mutex_lock(&fs->lock);
    struct buffer *b = block_read(fs->device, ext2_group(fs, group)->block_bitmap);
    if (!IS_ERR(b)) {
        u8 **committed = &fs->committed[group];
        if (!*committed && (*committed = kmalloc(fs->block_size))) memcpy(*committed, b->data, fs->block_size);
        if (!*committed) kerror("ext2: no memory to free block %lu; it stays in use\n", block);
        else if (b->data[bit / 8] >> bit % 8 & 1) {
            b->data[bit / 8] &= ~(1 << bit % 8);
            ext2_dirty(fs, b);
            ext2_group(fs, group)->free_blocks++;
            fs->super->free_blocks++;
            fs->freed++;
            watch_space(fs);
            ext2_group_dirty(fs, group);
        } else kerror("ext2: block %lu was freed twice; run e2fsck\n", block);
        block_put(b);
    }
    block_forget(fs->device, block);
    mutex_unlock(&fs->lock);
}

void ext2_frees_committed(struct ext2 *fs) {
    for (u32 group = 0; group < fs->groups; group++) {
        kfree(fs->committed[group]);
        fs->committed[group] = NULL;
    }
    fs->freed = 0;
}

s64 ext2_alloc_inode(struct ext2 *fs, u32 parent, bool directory) {
    u32 per = fs->super->inodes_per_group, group = (parent - 1) / per;
    s64 result = -ENOSPC;
    mutex_lock(&fs->lock);
    for (u32 tried = 0; tried < fs->groups && result == -ENOSPC; tried++, group = (group + 1) % fs->groups) {
        struct ext2_group *g = ext2_group(fs, group);
        if (!g->free_inodes) continue;
        struct buffer *b = block_read(fs->device, g->inode_bitmap);
        if (IS_ERR(b)) {
            result = PTR_ERR(b);
            break;
        }
        s64 bit = find_clear(b->data, b->data, group ? 0 : fs->first_inode - 1, per);
        if (bit >= 0) {
            b->data[bit / 8] |= 1 << bit % 8;
            ext2_dirty(fs, b);
            g->free_inodes--;
            g->directories += directory;
            fs->super->free_inodes--;
            ext2_group_dirty(fs, group);
            result = (u64)group * per + bit + 1;
        }
        block_put(b);
    }
    mutex_unlock(&fs->lock);
    return result;
}

void ext2_free_inode(struct ext2 *fs, u32 ino, bool directory) {
    u32 per = fs->super->inodes_per_group, group = (ino - 1) / per, bit = (ino - 1) % per;
    mutex_lock(&fs->lock);
    struct buffer *b = block_read(fs->device, ext2_group(fs, group)->inode_bitmap);
    if (!IS_ERR(b)) {
        b->data[bit / 8] &= ~(1 << bit % 8);
        ext2_dirty(fs, b);
        ext2_group(fs, group)->free_inodes++;
        ext2_group(fs, group)->directories -= directory;
        fs->super->free_inodes++;
        ext2_group_dirty(fs, group);
        block_put(b);
    }
    mutex_unlock(&fs->lock);
}
