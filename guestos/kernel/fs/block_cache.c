/* The block cache: blocks of disks that were used of late, but for the contents of files, which are in
 * the page cache. Read once and written late. */
#include "block.h"
#include "lib.h"
#include "mm.h"
#include "vfs.h"

#define BUCKETS 1024
#define DIRTY_MAX 256                   /* a fourth of the smallest journal: changes under way need room, too */

struct block_device *block_devices;
static struct buffer *buckets[BUCKETS];
static struct list lru = LIST_INIT(lru);            /* unreferenced, the last used at the head */
static struct wait_queue settled;
static u64 cached, cached_max, cached_bytes;

void block_device_add(struct block_device *device) {
    struct block_device **end = &block_devices;
    while (*end) end = &(*end)->next;
    *end = device;
    list_init(&device->dirty);
}

struct block_device *block_device_find(const char *name) {
    if (!strncmp(name, "/dev/", 5)) name += 5;
    for (struct block_device *d = block_devices; d; d = d->next)
        if (!strcmp(d->name, name)) return d;
    return NULL;
}

static struct buffer **bucket(struct block_device *device, u64 number) {
    return &buckets[(number ^ device->dev) % BUCKETS];
}

static struct buffer *find(struct block_device *device, u64 number) {
    for (struct buffer *b = *bucket(device, number); b; b = b->hash_next)
        if (b->number == number && b->device == device) return b;
    return NULL;
}

static void hold(struct buffer *b) {
    if (b->refs++ == 0) list_del(&b->lru);
}

static void clean(struct buffer *b) {
    if (b->dirty) b->device->dirty_count--;
    b->dirty = false;
    list_del(&b->dirty_link);
}

static void destroy(struct buffer *b) {
    struct buffer **link = bucket(b->device, b->number);
    while (*link != b) link = &(*link)->hash_next;
    *link = b->hash_next;
    list_del(&b->lru);
    clean(b);
    cached--;
    cached_bytes -= b->device->block_size;
    kfree(b->data);
    kfree(b);
}

/* Forget the block that was unused longest; false if all are in use or must be written first. */
static bool evict(void) {
    for (struct list *at = lru.prev; at != &lru; at = at->prev) {
        struct buffer *b = list_entry(at, struct buffer, lru);
        if (b->dirty) continue;
        destroy(b);
        return true;
    }
    return false;
}

u64 block_reclaim(u64 pages) {
    u64 before = cached_bytes;
    while (before - cached_bytes < pages << PAGE_SHIFT && evict()) ;
    return (before - cached_bytes) >> PAGE_SHIFT;
}

/* The block's buffer, referenced, contents perhaps not valid yet; NULL: no memory. */
static struct buffer *get(struct block_device *device, u64 number) {
    struct buffer *b = find(device, number);
    if (!b && !cached_max) {
        struct memory_stats memory;
        memory_stats(&memory);
        cached_max = MAX(memory.free_pages / 4, 64UL);
    }
    if (!b && cached >= cached_max) evict();
    if (b) {
        hold(b);
        return b;
    }
    b = kzalloc(sizeof(*b));
    if (!b || !(b->data = kmalloc(device->block_size))) {
        kfree(b);
        return NULL;
    }
    b->device = device;
    b->number = number;
    b->refs = 1;
    list_init(&b->lru);
    list_init(&b->dirty_link);
    b->hash_next = *bucket(device, number);
    *bucket(device, number) = b;
    cached++;
    cached_bytes += device->block_size;
    return b;
}

void block_put(struct buffer *b) {
    if (!b || --b->refs) return;
    list_add(&lru, &b->lru);
}

static bool in_range(struct block_device *device, u64 number) {
    return number < device->sectors * 512 / device->block_size;
}

int batch_end(struct batch *batch) {
    if (batch->count) {
        struct block_device *d = batch->device;
        int error = d->transfer(d, batch->first * (d->block_size / 512), batch->segment, batch->count, batch->write);
        if (error) kerror("%s: %s of block %lu failed\n", d->name, batch->write ? "write" : "read", batch->first);
        if (!batch->error) batch->error = error;
    }
    batch->count = 0;
    batch->blocks = 0;
    return batch->error;
}

void batch_add(struct batch *batch, u64 number, void *at) {
    u32 size = batch->device->block_size;
    struct segment *last = &batch->segment[batch->count - 1];
    if (batch->count && number == batch->first + batch->blocks && (u8 *)last->at + last->bytes == at) {
        last->bytes += size;
    } else {
        if (batch->count == TRANSFER_MAX || number != batch->first + batch->blocks) batch_end(batch);
        if (!batch->count) batch->first = number;
        batch->segment[batch->count++] = (struct segment){ at, size };
    }
    batch->blocks++;
}

struct buffer *block_read(struct block_device *device, u64 number) {
    if (!in_range(device, number)) return ERR_PTR(-EIO);
    struct buffer *b = get(device, number);
    if (!b) return ERR_PTR(-ENOMEM);
    while (!b->valid) {
        if (b->busy) {
            wait_event(&settled, !b->busy);
            continue;
        }
        struct batch batch = { .device = device };
        batch_add(&batch, number, b->data);
        b->busy = true;
        int error = batch_end(&batch);
        b->busy = false;
        b->valid = !error;
        wake_up(&settled);
        if (error) {
            block_put(b);
            return ERR_PTR(error);
        }
    }
    return b;
}

struct buffer *block_zeroed(struct block_device *device, u64 number) {
    if (!in_range(device, number)) return ERR_PTR(-EIO);
    struct buffer *b = get(device, number);
    if (!b) return ERR_PTR(-ENOMEM);
    wait_event(&settled, !b->busy || b->valid);     /* a read under way would overwrite the zeros */
    memset(b->data, 0, device->block_size);
    b->valid = true;
    return b;
}

void block_dirty(struct buffer *b) {
    if (b->dirty) return;
    b->dirty = true;
    if (++b->device->dirty_count > DIRTY_MAX) write_back_soon();
    list_add_tail(&b->device->dirty, &b->dirty_link);
    write_back_later();
}

void block_forget(struct block_device *device, u64 number) {
    struct buffer *b = find(device, number);
    if (!b) return;
    clean(b);
    b->valid = false;
}

int block_write_back(struct block_device *device) {
    struct batch batch = { .device = device, .write = true };
    struct buffer *run[TRANSFER_MAX];
    if (list_empty(&device->dirty)) return 0;
    while (!list_empty(&device->dirty) && !batch.error) {
        int n = 0;
        while (n < TRANSFER_MAX && !list_empty(&device->dirty)) {
            struct buffer *b = run[n++] = list_first(&device->dirty, struct buffer, dirty_link);
            hold(b);
            clean(b);                           /* first: who changes it now makes it dirty again */
            batch_add(&batch, b->number, b->data);
        }
        batch_end(&batch);
        while (n) block_put(run[--n]);
    }
    return batch.error ? batch.error : device->flush(device);
}

int block_set_size(struct block_device *device, u32 block_size) {
    if (device->block_size == block_size) return 0;
    int error = block_write_back(device);
    if (error) return error;
    for (size_t i = 0; i < BUCKETS; i++) {
        struct buffer *b = buckets[i];
        while (b) {
            struct buffer *next = b->hash_next;
            if (b->device == device && b->refs) return -EBUSY;
            if (b->device == device) destroy(b);
            b = next;
        }
    }
    device->block_size = block_size;
    return 0;
}

u64 block_cached_pages(void) { return cached_bytes / PAGE_SIZE; }
