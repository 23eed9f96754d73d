/* Contents of files in memory (fs/page_cache.c), and when they and other changes reach the disk (fs/write_back.c). */
#pragma once
#include "types.h"
#include "list.h"

struct file;
struct inode;
struct io;
struct page;
struct superblock;

/* The pages of a file in memory: a tree by index, of 64 slots in each node. */
struct cache {
    void *root;                     /* a node, or with no levels the page of index 0 */
    int levels;
    u64 next;                       /* what a sequential reader will want next */
    struct list dirty;              /* pages to be written */
    struct list mappings;           /* struct vma */
};

#define PG_BUSY 1                   /* being filled: wait */
#define PG_DIRTY 2                  /* newer than the disk; of a file without one: not all zero */
#define PG_REFERENCED 4             /* used since the last look for pages to give back */
#define PG_WRITABLE 8               /* its room is reserved: shared mappings may write */

struct page *cache_find(struct inode *, u64 index);         /* if it is there to be used; not referenced */
struct page *cache_get(struct inode *, u64 index);          /* filled if it wasn't there; referenced, or ERR_PTR */
int cache_make_writable(struct inode *, u64 index);         /* for a shared mapping, which then finds PG_WRITABLE */
/* Set the size; cuts off the pages beyond and unmaps them. How many of those were dirty, or -EIO, -ENOMEM. */
s64 cache_resize(struct inode *, u64 size);
void cache_drop(struct inode *);                            /* all of it */
int cache_write_back(struct superblock *);                  /* with no change under way */
u64 cache_pages(u64 *dirty);                                /* how many there are, and of them dirty on disks */
ssize_t cache_read(struct file *, struct io *, u64 pos);    /* file_ops of a file with cached pages */
ssize_t cache_write(struct file *, struct io *, u64 pos);

/* ---- changes that survive: write_back.c --------------------------------------------------------- */

/* Around whatever changes a file system's disk, taken after inode locks: a commit waits for the end, so
 * that it finds all of a change or nothing. May be nested. Of what has no disk nothing happens. */
void change_begin(struct superblock *);
void change_end(struct superblock *);
void write_back_later(void);                                /* something is dirty: in 5 seconds */
void write_back_soon(void);                                 /* before the next change */
bool write_back_for_memory(void);                           /* now; false: wouldn't help, or can't be here */
int vfs_commit(struct superblock *, bool clean);            /* NULL: of all */
void commits_add(struct superblock *);
void commits_remove(struct superblock *);
void write_back_start(void);
