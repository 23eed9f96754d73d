/* Block devices, and the cache of their blocks: what a file system keeps beside the files' contents. */
#pragma once
#include "types.h"
#include "sync.h"
#include "list.h"

struct superblock;

/* Memory that consecutive blocks of a device are moved from or to. */
struct segment {
    void *at;
    u32 bytes;
};
#define TRANSFER_MAX 32             /* segments in one transfer */

struct block_device {
    char name[8];                   /* "vda" */
    u32 dev;                        /* MKDEV */
    u64 sectors;                    /* of 512 bytes */
    bool read_only;
    struct superblock *mounted;     /* the file system on it, or NULL */
    u32 block_size;                 /* of the cache: 512 to 4096, set by the file system */
    struct list dirty;              /* buffers, in the order they were dirtied */
    u32 dirty_count;
    /* Move `count` segments from or to `sector` on; sleeps till done. 0 or -EIO. */
    int (*transfer)(struct block_device *, u64 sector, const struct segment *, int count, bool write);
    int (*flush)(struct block_device *);    /* what was written stays, whatever happens to the power */
    void *driver;
    struct block_device *next;
};

extern struct block_device *block_devices;
struct block_device *block_device_find(const char *name);   /* "vda" or "/dev/vda", or NULL */
void block_device_add(struct block_device *);

/* One cached block. Referenced by its users; when unreferenced it stays until room is needed. */
struct buffer {
    struct block_device *device;
    u64 number;                     /* in units of the device's block_size */
    u8 *data;
    s32 refs;
    bool valid;                     /* data are the block's */
    bool dirty;                     /* and newer than the disk's */
    bool busy;                      /* being transferred: wait */
    struct buffer *hash_next;
    struct list lru;                /* while unreferenced */
    struct list dirty_link;
};

/* The block with its contents: ERR_PTR(-EIO), ERR_PTR(-ENOMEM). */
struct buffer *block_read(struct block_device *, u64 number);
/* The same for a caller that will overwrite or has no use for the old contents: they are zeroed. */
struct buffer *block_zeroed(struct block_device *, u64 number);
void block_put(struct buffer *);                    /* NULL is fine */
void block_dirty(struct buffer *);
void block_forget(struct block_device *, u64 number);   /* freed: its contents mean nothing any more */
int block_write_back(struct block_device *);        /* the dirty ones, and flush. 0 or the first error */
int block_set_size(struct block_device *, u32 block_size);  /* -EBUSY while blocks are in use */
u64 block_cached_pages(void);                       /* for /proc/meminfo */
u64 block_reclaim(u64 pages);                       /* give back clean ones: how many */

/* Blocks to be moved, gathered into as few transfers as their numbers allow. */
struct batch {
    struct block_device *device;
    bool write;
    int error;                      /* the first */
    int count;
    u64 first, blocks;
    struct segment segment[TRANSFER_MAX];
};
void batch_add(struct batch *, u64 number, void *at);
int batch_end(struct batch *);                      /* returns the error; another batch may begin */
