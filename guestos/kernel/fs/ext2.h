/* ext2 on the disk and in memory (Linux's Documentation/filesystems/ext2.rst).
 *
 * Superblock, group descriptors, bitmaps and inode tables are changed in place in the block cache;
 * there is no second copy that could disagree. The superblock's "clean" bit is cleared before the
 * first change and set again at the end of each sync.
 *
 * With a journal (which makes it what Linux calls ext3), changed blocks go there first, all that belong
 * together in one transaction, and to their places once that is complete. So a power cut leaves all of a
 * change or nothing; without one, e2fsck has to find out.
 */
#pragma once
#include "block.h"
#include "fs.h"

#define EXT2_MAGIC 0xef53
#define EXT2_ROOT_INO 2
#define EXT2_LINK_MAX 32000
#define EXT2_STATE_CLEAN 1
#define EXT2_COMPAT_JOURNAL 4u
#define EXT2_INCOMPAT_FILETYPE 2u
#define EXT2_INCOMPAT_RECOVER 4u        /* the journal may hold a transaction */
#define EXT2_RO_SPARSE_SUPER 1u
#define EXT2_RO_LARGE_FILE 2u
#define EXT2_FLAG_INDEX 0x1000u         /* of a directory: hashed by another system; we keep no index */
/* inode->opaque, without a block of extended attributes: "top of a hierarchy", else an allocator's hint. */
#define EXT2_FLAG_OPAQUE 0x20000u

struct ext2_super {
    u32 inodes, blocks, reserved_blocks, free_blocks, free_inodes, first_data_block, log_block_size, log_frag_size;
    u32 blocks_per_group, frags_per_group, inodes_per_group, mount_time, write_time;
    u16 mounts, max_mounts, magic, state, errors, minor_revision;
    u32 last_check, check_interval, creator, revision;
    u16 reserved_uid, reserved_gid;
    u32 first_inode;
    u16 inode_size, this_group;
    u32 compatible, incompatible, read_only_compatible;
    u8 uuid[16], label[16], last_mounted[64];
    u32 algorithms, preallocation, journal_uuid[4], journal_inode;
};

struct ext2_group {
    u32 block_bitmap, inode_bitmap, inode_table;
    u16 free_blocks, free_inodes, directories, pad[7];
};

struct ext2_inode {
    u16 mode, uid;
    u32 size, atime, ctime, mtime, dtime;
    u16 gid, links;
    u32 sectors, flags, version, block[15], generation, file_acl, size_high, fragment;
    u16 fragment_info, pad, uid_high, gid_high;
    u32 reserved;
};

struct ext2_entry {
    u32 inode;
    u16 length;                         /* to the next entry; multiples of 4 */
    u8 name_length, type;
    char name[];
};

struct ext2 {
    struct superblock sb;
    struct block_device *device;
    u32 block_size, pointers;           /* block numbers in a block */
    u32 groups, inode_size, first_inode;
    struct buffer *super_buffer;        /* pinned */
    struct ext2_super *super;           /* in it */
    struct buffer **group_buffers;      /* pinned */
    u8 **committed;                     /* group's block bitmap of the last commit, if blocks were freed since */
    u32 freed;                          /* blocks, since */
    struct inode *journal;              /* NULL: none */
    struct buffer *journal_super;       /* pinned, its first block */
    u8 *journal_block;                  /* two blocks of memory, to put the journal's own together in */
    bool unchecked;                     /* was not clean when mounted, which only e2fsck may change */
    struct mutex lock;                  /* bitmaps and counts */
};

static inline struct ext2 *ext2_of(struct superblock *sb) { return sb->data; }
static inline struct ext2_group *ext2_group(struct ext2 *fs, u32 group) {
    u32 each = fs->block_size / sizeof(struct ext2_group);
    return (struct ext2_group *)fs->group_buffers[group / each]->data + group % each;
}
void ext2_dirty(struct ext2 *, struct buffer *);            /* changed; the file system is not clean now */
void ext2_group_dirty(struct ext2 *, u32 group);            /* and the superblock's counts */

struct inode *ext2_get(struct ext2 *, u32 ino);             /* or ERR_PTR */
int ext2_store(struct inode *);                             /* attributes into the inode table */

/* ext2_alloc.c. Numbers, or -ENOSPC, -EIO, -ENOMEM. */
s64 ext2_alloc_block(struct ext2 *, u64 goal);
void ext2_free_block(struct ext2 *, u64 block);
s64 ext2_alloc_inode(struct ext2 *, u32 parent, bool directory);
void ext2_free_inode(struct ext2 *, u32 ino, bool directory);

void ext2_frees_committed(struct ext2 *);                   /* blocks freed so far may be used again */

/* ext2_map.c. The disk block of a file's block: 0 for a hole; with create, never 0 (the contents of one
 * allocated now mean nothing). inode->lock held for create. */
s64 ext2_map(struct inode *, u64 number, bool create);
int ext2_truncate(struct inode *, u64 size);                /* inode->lock held, or the last user */
u64 ext2_size_max(struct ext2 *);

/* ext2_journal.c. */
int ext2_journal_load(struct ext2 *, bool recover);         /* and what a power cut left in it goes to its place */
int ext2_journal_commit(struct ext2 *);                     /* the dirty blocks, which then may be written */
int ext2_journal_empty(struct ext2 *);                      /* they have been */
int ext2_write_now(struct ext2 *, struct buffer *);

extern const struct inode_ops ext2_file_inode_ops, ext2_dir_inode_ops, ext2_link_inode_ops;
extern const struct file_ops ext2_file_ops, ext2_dir_ops;
