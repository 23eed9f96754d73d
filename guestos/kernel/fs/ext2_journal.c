/* The journal of ext2's metadata, in the format of Linux's Documentation/filesystems/ext4/journal.rst.
 *
 * It is a file: its superblock, then a descriptor that says which blocks follow, those blocks, and a
 * commit block that makes the transaction valid. All numbers are big-endian. Every transaction begins at
 * the journal's start, for the one before has reached its places by then; the sequence number in the
 * superblock says which one counts. So at most one is ever to be recovered, and none of its blocks can
 * have been freed since.
 */
#include "ext2.h"
#include "lib.h"
#include "mm.h"

#define MAGIC 0xc03b3998
#define DESCRIPTOR 1
#define COMMIT 2
#define SUPERBLOCK_V2 4
#define TAG_ESCAPED 1                   /* the block begins with MAGIC, which was zeroed */
#define TAG_SAME_UUID 2
#define TAG_LAST 8

struct header { u32 magic, type, sequence; };
struct tag { u32 block; u16 checksum, flags; };
struct journal_super {
    struct header header;
    u32 block_size, length, first, sequence, start, error, compatible, incompatible, read_only_compatible;
};

static u32 be32(u32 x) { return __builtin_bswap32(x); }
static u16 be16(u16 x) { return __builtin_bswap16(x); }

static struct journal_super *super_of(struct ext2 *fs) { return (struct journal_super *)fs->journal_super->data; }

int ext2_write_now(struct ext2 *fs, struct buffer *b) {
    struct batch batch = { .device = fs->device, .write = true };
    batch_add(&batch, b->number, b->data);
    int error = batch_end(&batch);
    return error ? error : fs->device->flush(fs->device);
}

/* Block `number` of the journal. */
static void put(struct ext2 *fs, struct batch *batch, u32 number, void *block) {
    s64 at = ext2_map(fs->journal, number, false);
    if (at > 0) batch_add(batch, at, block);
    else batch->error = -EIO;
}

static struct header *begin_block(struct ext2 *fs, u32 type) {
    struct header *h = (struct header *)fs->journal_block;
    memset(h, 0, fs->block_size);
    *h = (struct header){ be32(MAGIC), be32(type), super_of(fs)->sequence };
    return h;
}

int ext2_journal_commit(struct ext2 *fs) {
    struct block_device *d = fs->device;
    struct journal_super *super = super_of(fs);
    struct batch batch = { .device = d, .write = true };
    u32 left = d->dirty_count, per = (fs->block_size - sizeof(struct header)) / sizeof(struct tag), at = be32(super->first);
    struct list *next = d->dirty.next, *scan;
    u8 *copy = fs->journal_block + fs->block_size;
    if (!left) return 0;
    if (left + left / per + 3 > be32(super->length)) {
        kerror("ext2: %u blocks are too much for the journal; written without\n", left);
        return 0;
    }
    if (!(fs->super->incompatible & EXT2_INCOMPAT_RECOVER)) {
        fs->super->incompatible |= EXT2_INCOMPAT_RECOVER;
        if ((batch.error = ext2_write_now(fs, fs->super_buffer))) return batch.error;
    }
    super->sequence = be32(be32(super->sequence) + 1);
    super->start = super->first;
    /* Durable before any block is, which else would count as the last transaction's: its descriptor and commit may stay. */
    if ((batch.error = ext2_write_now(fs, fs->journal_super))) return batch.error;
    while (left) {
        u32 count = MIN(left, per);
        struct tag *tag = (struct tag *)(begin_block(fs, DESCRIPTOR) + 1);
        put(fs, &batch, at++, fs->journal_block);
        scan = next;
        for (u32 i = 0; i < count; i++, tag++, scan = scan->next) {
            struct buffer *b = list_entry(scan, struct buffer, dirty_link);
            bool escaped = *(u32 *)b->data == be32(MAGIC);
            *tag = (struct tag){ be32(b->number), 0, be16(TAG_SAME_UUID | (i + 1 == count ? TAG_LAST : 0) | (escaped ? TAG_ESCAPED : 0)) };
        }
        for (scan = next; count; count--, left--, scan = scan->next) {
            struct buffer *b = list_entry(scan, struct buffer, dirty_link);
            bool escaped = *(u32 *)b->data == be32(MAGIC);
            if (escaped) memset(memcpy(copy, b->data, fs->block_size), 0, sizeof(u32));
            put(fs, &batch, at++, escaped ? copy : b->data);
            if (escaped) batch_end(&batch);     /* `copy` may be needed for another */
        }
        next = scan;
        batch_end(&batch);                      /* the descriptor's memory is needed again */
    }
    if (!batch.error) batch.error = d->flush(d);
    begin_block(fs, COMMIT);
    if (!batch.error) put(fs, &batch, at, fs->journal_block);
    return batch_end(&batch) ? batch.error : d->flush(d);
}

int ext2_journal_empty(struct ext2 *fs) {
    super_of(fs)->start = 0;
    return ext2_write_now(fs, fs->journal_super);
}

/* Walks what is in the journal, from *at on; `apply`: puts blocks to their places. Returns how many
 * transactions are complete, or an error. */
static int walk(struct ext2 *fs, u32 transactions, bool apply) {
    struct journal_super *super = super_of(fs);
    u32 at = be32(super->start), first = be32(super->first), length = be32(super->length), complete = 0;
    while (complete < transactions) {
        s64 place = ext2_map(fs->journal, at, false);
        struct buffer *b = place > 0 ? block_read(fs->device, place) : ERR_PTR(-EIO);
        if (IS_ERR(b)) return PTR_ERR(b);
        memcpy(fs->journal_block, b->data, fs->block_size);
        block_put(b);
        struct header *h = (struct header *)fs->journal_block;
        if (h->magic != be32(MAGIC) || be32(h->sequence) != be32(super->sequence) + complete) break;
        at = at + 1 < length ? at + 1 : first;
        if (h->type == be32(COMMIT)) complete++;
        else if (h->type != be32(DESCRIPTOR)) return -EINVAL;
        else for (struct tag *tag = (struct tag *)(h + 1);; tag++) {
            if ((u8 *)(tag + 1) > fs->journal_block + fs->block_size) return -EIO;
            u16 flags = be16(tag->flags);
            place = ext2_map(fs->journal, at, false);
            struct buffer *from = place > 0 ? block_read(fs->device, place) : ERR_PTR(-EIO);
            struct buffer *to = apply ? block_read(fs->device, be32(tag->block)) : NULL;
            int error = IS_ERR(from) ? PTR_ERR(from) : IS_ERR(to) ? PTR_ERR(to) : 0;
            if (!error && to) {
                memcpy(to->data, from->data, fs->block_size);
                if (flags & TAG_ESCAPED) *(u32 *)to->data = be32(MAGIC);
                block_dirty(to);
            }
            if (!IS_ERR(from)) block_put(from);
            if (!IS_ERR(to)) block_put(to);
            if (error) return error;
            at = at + 1 < length ? at + 1 : first;
            if (!(flags & TAG_SAME_UUID)) tag += 2;
            if (flags & TAG_LAST) break;
        }
    }
    return complete;
}

int ext2_journal_load(struct ext2 *fs, bool recover) {
    struct inode *inode = ext2_get(fs, fs->super->journal_inode);
    if (IS_ERR(inode)) return PTR_ERR(inode);
    fs->journal = inode;
    s64 first = ext2_map(inode, 0, false);
    struct buffer *b = first > 0 ? block_read(fs->device, first) : ERR_PTR(-EIO);
    if (IS_ERR(b)) return PTR_ERR(b);
    fs->journal_super = b;
    struct journal_super *super = super_of(fs);
    if (!(fs->journal_block = kmalloc(2 * fs->block_size))) return -ENOMEM;
    int count = super->header.magic != be32(MAGIC) || super->header.type != be32(SUPERBLOCK_V2) || super->incompatible ||
                be32(super->block_size) != fs->block_size || (u64)be32(super->length) * fs->block_size > inode->size ? -EINVAL : 0;
    if (!count && recover && super->start && (count = walk(fs, ~0u, false)) >= 0) {
        u32 sequence = be32(super->sequence) + count;
        if ((count = walk(fs, count, true)) >= 0) {
            kprintf("ext2: %d transactions recovered\n", count);
            count = block_write_back(fs->device);
        }
        super->sequence = be32(sequence);
    }
    if (count < 0) {
        kerror("ext2: the journal can't be used; run e2fsck\n");
        return count;
    }
    fs->super->incompatible &= ~EXT2_INCOMPAT_RECOVER;
    if (!recover) return 0;
    int error = ext2_journal_empty(fs);
    return error ? error : ext2_write_now(fs, fs->super_buffer);
}
