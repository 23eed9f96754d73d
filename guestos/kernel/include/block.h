/* Block devices and the cache of their blocks, through which all file data passes. */
#pragma once
#include "types.h"
#include "sync.h"
#include "list.h"

struct buffer;

struct block_device {
    char name[8];                   /* "vda" */
    u32 dev;                        /* MKDEV */
    u64 sectors;                    /* of 512 bytes */
    bool read_only, mounted;
    u32 block_size;                 /* of the cache: 512 to 4096, set by the file system */
    /* Move `count` buffers with consecutive block numbers; sleeps till done. 0 or -EIO. */
    int (*transfer)(struct block_device *, struct buffer **, int count, bool write);
    void *driver;
    struct block_device *next;
};
#define TRANSFER_MAX 32             /* buffers in one transfer */

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
/* Start reading up to `count` blocks from `number` on that are not cached; one transfer. */
void block_read_ahead(struct block_device *, u64 number, int count);
bool block_is_cached(struct block_device *, u64 number);
void block_put(struct buffer *);                    /* NULL is fine */
void block_dirty(struct buffer *);
void block_forget(struct block_device *, u64 number);   /* freed: its dirty contents need no writing */
int block_sync(struct block_device *);              /* NULL: all. 0 or the first error */
int block_set_size(struct block_device *, u32 block_size);  /* -EBUSY while blocks are in use */
u64 block_cached_pages(void);                       /* for /proc/meminfo */
void block_cache_start(void);                       /* the thread that writes back after 5 seconds */
