/* The page cache: the contents of regular files in memory. read, write and every mapping of a file use the
 * same frames; what is read from a disk stays until memory is short, what is changed is written back late.
 *
 * A page is found in its file's tree, which owns one reference to it; while it is filled it is there, but
 * busy. Files without a disk (tmpfs) keep their contents here and nowhere else: their dirty pages stay.
 */
#include "block.h"
#include "cgroup.h"
#include "fs.h"
#include "lib.h"
#include "mm.h"
#include "task.h"
#include "vm.h"

#define BITS 6                          /* of an index, looked up in one node */
#define SLOTS (1 << BITS)
#define READ_AHEAD 32                   /* pages, for who reads in order */
#define READ_AROUND 4                   /* for the others */
#define WRITE_CHUNK 64                  /* pages written within one change */

static u64 cached, dirty_pages;         /* dirty: of files on disks */
static struct wait_queue filled;

/* Where the page of an index is to be found. NULL: nowhere yet (create: no memory for nodes). */
static struct page **slot(struct cache *c, u64 index, bool create) {
    for (; index >> c->levels * BITS; c->levels++) {
        if (!create) return NULL;
        void **above = c->root ? kzalloc(SLOTS * sizeof(*above)) : NULL;
        if (c->root && !above) return NULL;
        if (above) above[0] = c->root, c->root = above;
    }
    void **at = &c->root;
    for (int level = c->levels; level--;) {
        if (!*at && (!create || !(*at = kzalloc(SLOTS * sizeof(*at))))) return NULL;
        at = (void **)*at + (index >> level * BITS & (SLOTS - 1));
    }
    return (struct page **)at;
}

static void clean(struct page *p) {
    struct inode *inode = p->inode;
    if (p->flags & PG_DIRTY && inode->sb->commit) {
        list_del(&p->link);
        dirty_pages--;
        if (list_empty(&inode->cache.dirty)) list_del(&inode->dirty_link);
    }
    p->flags &= ~(PG_DIRTY | PG_WRITABLE);
}

static void mark_dirty(struct page *p) {
    struct inode *inode = p->inode;
    if (p->flags & PG_DIRTY) return;
    p->flags |= PG_DIRTY;
    if (!inode->sb->commit) return;
    if (list_empty(&inode->cache.dirty)) list_add_tail(&inode->sb->dirty, &inode->dirty_link);
    list_add_tail(&inode->cache.dirty, &p->link);
    struct memory_stats memory;
    memory_stats(&memory);
    if (++dirty_pages > MAX(memory.total_pages / 8, 64UL)) write_back_soon();
    write_back_later();
}

/* Out of the cache; whoever else refers to the page sees that by its inode. */
static void take_out(struct page **at) {
    struct page *p = *at;
    *at = NULL;
    clean(p);
    p->inode = NULL;
    p->flags = 0;
    p->state = PAGE_USED;
    cached--;
    page_put(p);
}

/* Take out the pages from `first` on below *at, a subtree of so many levels whose first page is `base`,
 * and free what nodes are left empty by that. Returns how many were dirty. */
static u64 prune(void **at, int levels, u64 base, u64 first) {
    struct page *p = *at;
    u64 dirty = 0;
    if (!p) return 0;
    if (!levels) {
        if (base < first) return 0;
        dirty = p->flags & PG_DIRTY;
        take_out((struct page **)at);
        return dirty != 0;
    }
    u64 span = 1UL << (levels - 1) * BITS;
    for (u64 i = base < first ? MIN((first - base) / span, (u64)SLOTS) : 0; i < SLOTS; i++)
        dirty += prune((void **)*at + i, levels - 1, base + i * span, first);
    if (base >= first) {
        kfree(*at);
        *at = NULL;
    }
    return dirty;
}

struct page *cache_find(struct inode *inode, u64 index) {
    struct page **at = slot(&inode->cache, index, false), *p = at ? *at : NULL;
    if (!p || p->flags & PG_BUSY) return NULL;
    p->flags |= PG_REFERENCED;
    return p;
}

/* A busy page in an empty place; a reference to it beside the cache's. NULL: no memory. */
static struct page *add(struct inode *inode, u64 index) {
    void *frame = alloc_charged_page();
    struct page **at = frame ? slot(&inode->cache, index, true) : NULL;
    if (!at) {
        if (frame) free_pages(frame, 0);
        return NULL;
    }
    struct page *p = *at = virt_to_page(frame);
    p->state = PAGE_CACHED;
    p->flags = PG_BUSY;
    p->inode = inode;
    p->index = index;
    page_get(p);
    cached++;
    return p;
}

/* Read the page, and with it some that follow and are not there; beyond the end and in holes it is zero. */
static int fill(struct inode *inode, u64 index) {
    struct page *run[READ_AHEAD];
    struct cache *c = &inode->cache;
    struct block_device *device = inode->sb->device;
    struct batch batch = { .device = device };
    u32 size = inode->sb->block_size;
    u64 end = (inode->size + PAGE_SIZE - 1) >> PAGE_SHIFT;
    int wanted = !inode->ops->map ? 1 : index == c->next ? READ_AHEAD : READ_AROUND, count = 0;
    while (count < wanted && (!count || index + count < end)) {
        struct page **at = slot(c, index + count, false);
        if (at && *at) break;
        if (!(run[count] = add(inode, index + count))) break;
        count++;
    }
    if (!count) return -ENOMEM;
    c->next = index + count;
    for (int i = 0; i < count; i++) {
        for (u32 offset = 0; offset < PAGE_SIZE; offset += size) {
            u64 pos = ((index + i) << PAGE_SHIFT) + offset;
            char *to = (char *)page_to_virt(run[i]) + offset;
            s64 block = pos < inode->size && inode->ops->map ? inode->ops->map(inode, pos / size, false) : 0;
            if (block > 0) batch_add(&batch, block, to);
            else memset(to, 0, size);
            if (block < 0) batch.error = block;
        }
    }
    int error = batch_end(&batch);
    for (int i = 0; i < count; i++) {
        struct page *p = run[i];
        if (p->inode == inode) {                /* else it was cut off meanwhile */
            u64 start = (index + i) << PAGE_SHIFT, tail = inode->size - MIN(start, inode->size);
            if (tail < PAGE_SIZE) memset((char *)page_to_virt(p) + tail, 0, PAGE_SIZE - tail);
            p->flags = PG_REFERENCED;
            if (error) take_out(slot(c, index + i, false));
        }
        page_put(p);
    }
    wake_up(&filled);
    return error;
}

struct page *cache_get(struct inode *inode, u64 index) {
    for (;;) {
        struct page **at = slot(&inode->cache, index, false), *p = at ? *at : NULL;
        int error = 0;
        if (p) {
            page_get(p);
            p->flags |= PG_REFERENCED;
            if (!(p->flags & PG_BUSY)) return p;
            wait_event(&filled, !(p->flags & PG_BUSY));
            page_put(p);
        } else error = fill(inode, index);
        if (error && (error != -ENOMEM || !memory_relieve())) return ERR_PTR(error);
    }
}

int cache_make_writable(struct inode *inode, u64 index) {
    u64 start = index << PAGE_SHIFT;
    mutex_lock(&inode->lock);
    change_begin(inode->sb);
    struct page *p = cache_get(inode, index);
    int error = IS_ERR(p) ? PTR_ERR(p) : 0;
    if (!error && start < inode->size) {
        error = inode->ops->reserve(inode, p, start, MIN(PAGE_SIZE, inode->size - start));
        if (!error) {
            mark_dirty(p);
            p->flags |= PG_WRITABLE;
        }
        inode_touch(inode, true);
    }
    if (!IS_ERR(p)) page_put(p);
    change_end(inode->sb);
    mutex_unlock(&inode->lock);
    return error;
}

/* Mappings may have put anything behind the end: zero it, before the file grows over it. */
static int clear_tail(struct inode *inode) {
    if (!(inode->size % PAGE_SIZE)) return 0;
    struct page *p = cache_get(inode, inode->size >> PAGE_SHIFT);
    if (IS_ERR(p)) return PTR_ERR(p);
    memset((char *)page_to_virt(p) + inode->size % PAGE_SIZE, 0, PAGE_SIZE - inode->size % PAGE_SIZE);
    mapping_protect(p);                         /* room was reserved up to the end only */
    if (inode->sb->commit) mark_dirty(p);
    page_put(p);
    return 0;
}

s64 cache_resize(struct inode *inode, u64 size) {
    struct cache *c = &inode->cache;
    if (size >= inode->size) {
        int error = size > inode->size ? clear_tail(inode) : 0;
        if (!error) inode->size = size;
        return error;
    }
    u64 first = (size + PAGE_SIZE - 1) >> PAGE_SHIFT;
    inode->size = size;
    mapping_cut(inode, first);
    struct page *last = size % PAGE_SIZE ? cache_find(inode, size >> PAGE_SHIFT) : NULL;
    if (last) memset((char *)page_to_virt(last) + size % PAGE_SIZE, 0, PAGE_SIZE - size % PAGE_SIZE);
    return prune(&c->root, c->levels, 0, first);
}

void cache_drop(struct inode *inode) { prune(&inode->cache.root, inode->cache.levels, 0, 0); }

int cache_write_back(struct superblock *sb) {
    int result = 0;
    while (!list_empty(&sb->dirty)) {
        struct inode *inode = inode_get(list_first(&sb->dirty, struct inode, dirty_link));
        struct batch batch = { .device = sb->device, .write = true };
        struct page *p, *next;
        list_for_each(p, &inode->cache.dirty, link) {
            if (p->flags & PG_WRITABLE) mapping_protect(p);
            for (u32 offset = 0; offset < PAGE_SIZE; offset += sb->block_size) {
                u64 pos = ((u64)p->index << PAGE_SHIFT) + offset;
                s64 block = pos < inode->size ? inode->ops->map(inode, pos / sb->block_size, false) : 0;
                if (block > 0) batch_add(&batch, block, (char *)page_to_virt(p) + offset);
                if (block < 0) batch.error = block;
            }
        }
        int error = batch_end(&batch);
        if (error && !result) result = error;
        list_for_each_safe(p, next, &inode->cache.dirty, link) clean(p);
        inode_put(inode);
    }
    return result;
}

/* A second chance each: what was used since the hand's last round is passed over once. */
u64 reclaim(u64 wanted, const struct cgroup *within) {
    static u64 hand;
    u64 freed = within ? 0 : block_reclaim(wanted), end = frames_end();
    for (u64 n = 0; n < 2 * end && freed < wanted; n++) {
        hand = hand + 1 < end ? hand + 1 : 0;
        struct page *p = &frames[hand];
        if (p->state != PAGE_CACHED || !frame_seen(hand << PAGE_SHIFT) || p->flags & (PG_DIRTY | PG_BUSY)) continue;
        if (within && !cgroup_is_within(page_cgroup(p), within)) continue;
        bool used = p->flags & PG_REFERENCED;
        p->flags &= ~PG_REFERENCED;
        if (used || !mapping_drop(p) || p->refs > 1) continue;
        take_out(slot(&p->inode->cache, p->index, false));
        freed++;
    }
    return freed;
}

u64 cache_pages(u64 *dirty) {
    *dirty = dirty_pages;
    return cached;
}

/* ---- file operations ---- */

ssize_t cache_read(struct file *f, struct io *io, u64 pos) {
    struct inode *inode = f->inode;
    ssize_t done = 0;
    while (io->left && pos < inode->size) {
        struct page *p = cache_get(inode, pos >> PAGE_SHIFT);
        if (IS_ERR(p)) return done ? done : PTR_ERR(p);
        u64 offset = pos % PAGE_SIZE, rest = inode->size - MIN(pos, inode->size);   /* it may have shrunk */
        size_t n = MIN(MIN(io->left, PAGE_SIZE - offset), rest);
        int error = io_put(io, (char *)page_to_virt(p) + offset, n);
        page_put(p);
        if (error) return done ? done : error;
        pos += n;
        done += n;
    }
    return done;
}

static int write_part(struct inode *inode, struct io *io, u64 pos, size_t n) {
    struct page *p = cache_get(inode, pos >> PAGE_SHIFT);
    if (IS_ERR(p)) return PTR_ERR(p);
    int error = inode->ops->reserve(inode, p, pos, n);
    if (!error) {
        mark_dirty(p);                          /* also if `io` fails: the new room must be zeros */
        error = io_get(io, (char *)page_to_virt(p) + pos % PAGE_SIZE, n);
    }
    page_put(p);
    return error;
}

ssize_t cache_write(struct file *f, struct io *io, u64 pos) {
    struct inode *inode = f->inode;
    ssize_t done = 0;
    int error = 0;
    if (!io->left) return 0;
    mutex_lock(&inode->lock);
    change_begin(inode->sb);
    if (f->flags & O_APPEND) pos = inode->size;
    if (pos >= inode->sb->size_max) error = -EFBIG;
    else io->left = MIN(io->left, inode->sb->size_max - pos);
    if (!error && pos > inode->size) error = clear_tail(inode);
    for (int parts = 1; io->left && !error; parts++) {
        size_t n = MIN(io->left, PAGE_SIZE - pos % PAGE_SIZE);
        if ((error = write_part(inode, io, pos, n))) break;
        pos += n;
        done += n;
        if (pos > inode->size) inode->size = pos;
        if (parts % WRITE_CHUNK) continue;
        inode_touch(inode, true);               /* a change in itself: others may have their turn, and commits */
        change_end(inode->sb);
        change_begin(inode->sb);
    }
    if (done && inode->mode & (S_ISUID | S_ISGID)) inode->mode &= ~(S_ISUID | (inode->mode & 010 ? S_ISGID : 0));
    if (error && error != -EFBIG) inode->ops->truncate(inode, inode->size);     /* what was reserved beyond the end */
    else if (done) inode_touch(inode, true);
    change_end(inode->sb);
    mutex_unlock(&inode->lock);
    return done ? done : error;
}
