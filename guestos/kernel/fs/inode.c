/* Inodes in memory: found by (file system, number), counted, and checked for permission. */
#include "fs.h"
#include "mm.h"
#include "lib.h"
#include "ns.h"
#include "task.h"

#define BUCKETS 256
static struct inode *buckets[BUCKETS];

static struct inode **bucket(struct superblock *sb, u64 ino) {
    return &buckets[(ino ^ ino >> 8 ^ (u64)sb >> 6) % BUCKETS];
}

struct inode *inode_new(struct superblock *sb, u64 ino) {
    struct inode *inode = kzalloc(sizeof(*inode));
    if (!inode) return NULL;
    inode->sb = sb;
    inode->ino = ino;
    inode->refs = 1;
    list_init(&inode->dirty_link);
    list_init(&inode->cache.dirty);
    list_init(&inode->cache.mappings);
    struct inode **head = bucket(sb, ino);
    inode->hash_next = *head;
    *head = inode;
    return inode;
}

struct inode *inode_find(struct superblock *sb, u64 ino) {
    for (struct inode *inode = *bucket(sb, ino); inode; inode = inode->hash_next)
        if (inode->sb == sb && inode->ino == ino) return inode_get(inode);
    return NULL;
}

struct inode *inode_get(struct inode *inode) {
    if (inode) inode->refs++;
    return inode;
}

void inode_put(struct inode *inode) {
    if (!inode || --inode->refs) return;
    if (inode->nlink && !list_empty(&inode->dirty_link)) return;    /* who writes the pages puts it */
    if (inode->sb->drop) {
        /* It may sleep, and another task may find the inode meanwhile: keep it alive, look again. */
        inode->refs = 1;
        change_begin(inode->sb);
        inode->sb->drop(inode);
        change_end(inode->sb);
        if (--inode->refs) return;
    }
    cache_drop(inode);
    struct inode **link = bucket(inode->sb, inode->ino);
    while (*link != inode) link = &(*link)->hash_next;
    *link = inode->hash_next;
    kfree(inode);
}

struct timespec time_now(void) { return ns_to_timespec(real_time()); }

static int never_stored(struct inode *inode) { return 0; }

struct inode *inode_anonymous(u32 mode) {
    static struct superblock sb = { .type = "anon", .block_size = PAGE_SIZE };
    static const struct inode_ops ops = { .changed = never_stored };
    static u64 next_ino;
    if (!sb.dev) sb.dev = superblock_new_device();
    struct inode *inode = inode_new(&sb, ++next_ino);
    if (!inode) return NULL;
    inode->ops = &ops;
    inode->mode = mode;
    inode->nlink = 1;
    inode->uid = current->cred.fsuid;
    inode->gid = current->cred.fsgid;
    inode->atime = inode->mtime = inode->ctime = time_now();
    return inode;
}

void inode_touch(struct inode *inode, bool data_changed) {
    inode->ctime = time_now();
    if (data_changed) inode->mtime = inode->ctime;
    change_begin(inode->sb);
    if (inode->ops->changed) inode->ops->changed(inode);
    change_end(inode->sb);
    if (inode->watches) inotify_tell(inode, data_changed);
}

bool inode_any_unlinked(struct superblock *sb) {
    for (int i = 0; i < BUCKETS; i++)
        for (struct inode *inode = buckets[i]; inode; inode = inode->hash_next)
            if (inode->sb == sb && !inode->nlink) return true;
    return false;
}

bool in_group(gid_t gid) {
    if (gid == current->cred.fsgid) return true;
    for (u32 i = 0; i < current->cred.group_count; i++)
        if (current->cred.groups[i] == gid) return true;
    return false;
}

int inode_permission(struct inode *inode, int may) {
    u32 bits = inode->mode;
    if (current->cred.fsuid == inode->uid) bits >>= 6;
    else if (in_group(inode->gid)) bits >>= 3;
    if ((bits & may) == (u32)may) return 0;
    /* path_resolution(7): the override lets nobody execute what nobody may execute. */
    if (S_ISDIR(inode->mode)) {
        if (!(may & MAY_WRITE) && capable_over(inode, CAP_DAC_READ_SEARCH)) return 0;
        return capable_over(inode, CAP_DAC_OVERRIDE) ? 0 : -EACCES;   /* check: captests */
    }
    if ((!(may & MAY_EXEC) || inode->mode & 0111) && capable_over(inode, CAP_DAC_OVERRIDE)) return 0;
    if (may == MAY_READ && capable_over(inode, CAP_DAC_READ_SEARCH)) return 0;
    return -EACCES;
}

void inode_stat(struct inode *inode, struct kstat *st) {
    if (inode->ops->refresh) inode->ops->refresh(inode);
    *st = (struct kstat){
        .st_dev = inode->sb->dev, .st_ino = inode->ino, .st_nlink = inode->nlink, .st_mode = inode->mode,
        .st_uid = uid_to(inode->uid), .st_gid = gid_to(inode->gid), .st_rdev = inode->rdev, .st_size = inode->size,
        .st_blksize = inode->sb->block_size, .st_blocks = inode->blocks,
        .st_atime_ = inode->atime, .st_mtime_ = inode->mtime, .st_ctime_ = inode->ctime,
    };
}
