/* The block cache: every block of every disk that was used of late, read once and written late. */
#include "block.h"
#include "lib.h"
#include "mm.h"
#include "task.h"
#include "time.h"

#define BUCKETS 1024
#define WRITE_BACK_AFTER (5 * NSEC_PER_SEC)

struct block_device *block_devices;
static struct buffer *buckets[BUCKETS];
static struct list lru = LIST_INIT(lru);            /* unreferenced, the last used at the head */
static struct list dirty = LIST_INIT(dirty);        /* in the order they were dirtied */
static struct wait_queue settled, dirtied;
static u64 cached, cached_max, cached_bytes;

void block_device_add(struct block_device *device) {
    struct block_device **end = &block_devices;
    while (*end) end = &(*end)->next;
    *end = device;
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

bool block_is_cached(struct block_device *device, u64 number) { return find(device, number); }

static void hold(struct buffer *b) {
    if (b->refs++ == 0) list_del(&b->lru);
}

static void destroy(struct buffer *b) {
    struct buffer **link = bucket(b->device, b->number);
    while (*link != b) link = &(*link)->hash_next;
    *link = b->hash_next;
    list_del(&b->lru);
    list_del(&b->dirty_link);
    cached--;
    cached_bytes -= b->device->block_size;
    kfree(b->data);
    kfree(b);
}

/* Give back the block that was unused longest; false if all are in use or must be written first. */
static bool evict(void) {
    for (struct list *at = lru.prev; at != &lru; at = at->prev) {
        struct buffer *b = list_entry(at, struct buffer, lru);
        if (b->dirty) continue;
        destroy(b);
        return true;
    }
    return false;
}

/* The block's buffer, referenced, contents perhaps not valid yet; NULL: no memory. */
static struct buffer *get(struct block_device *device, u64 number) {
    struct buffer *b = find(device, number);
    if (!b && !cached_max) {
        struct memory_stats memory;
        memory_stats(&memory);
        cached_max = MAX(memory.free_pages / 4, 64UL);
    }
    if (!b && cached >= cached_max && !evict()) {
        block_sync(NULL);
        evict();
        b = find(device, number);               /* made by another while we slept */
    }
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

/* Moves a run of buffers, all referenced by the caller. */
static int transfer(struct block_device *device, struct buffer **run, int count, bool write) {
    for (int i = 0; i < count; i++) run[i]->busy = true;
    int error = device->transfer(device, run, count, write);
    for (int i = 0; i < count; i++) {
        run[i]->busy = false;
        if (!write) run[i]->valid = !error;
    }
    wake_up(&settled);
    if (error) kerror("%s: %s of block %lu failed\n", device->name, write ? "write" : "read", run[0]->number);
    return error;
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
        int error = transfer(device, &b, 1, false);
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

void block_read_ahead(struct block_device *device, u64 number, int count) {
    struct buffer *run[TRANSFER_MAX];
    int n = 0;
    while (n < MIN(count, TRANSFER_MAX) && in_range(device, number + n) && !find(device, number + n)) {
        struct buffer *b = get(device, number + n);
        if (!b || b->valid || b->busy) {            /* get() slept, another task was faster */
            block_put(b);
            break;
        }
        b->busy = true;                             /* nobody else may start to read it */
        run[n++] = b;
    }
    if (n) transfer(device, run, n, false);
    for (int i = 0; i < n; i++) block_put(run[i]);
}

void block_dirty(struct buffer *b) {
    if (b->dirty) return;
    b->dirty = true;
    bool first = list_empty(&dirty);
    list_add_tail(&dirty, &b->dirty_link);
    if (first) wake_up(&dirtied);
}

static void clean(struct buffer *b) {
    b->dirty = false;
    list_del(&b->dirty_link);
}

void block_forget(struct block_device *device, u64 number) {
    struct buffer *b = find(device, number);
    if (b && b->dirty) clean(b);
}

/* Write the run of consecutive dirty blocks around `b`. */
static int write_run(struct buffer *b) {
    struct buffer *run[TRANSFER_MAX], *before;
    int n = 0;
    while ((before = find(b->device, b->number - 1)) && before->dirty && !before->busy && ++n < TRANSFER_MAX / 2) b = before;
    for (n = 0; n < TRANSFER_MAX && b && b->dirty && !b->busy; b = find(run[0]->device, run[0]->number + n)) {
        hold(b);
        clean(b);                                   /* first: who changes it now makes it dirty again */
        run[n++] = b;
    }
    int error = transfer(run[0]->device, run, n, true);
    for (int i = 0; i < n; i++) block_put(run[i]);
    return error;
}

int block_sync(struct block_device *device) {
    int result = 0;
    for (;;) {
        struct buffer *b, *found = NULL;
        list_for_each(b, &dirty, dirty_link) {
            if (device && b->device != device) continue;
            found = b;
            break;
        }
        if (!found) return result;
        if (found->busy) {
            hold(found);
            wait_event(&settled, !found->busy);
            block_put(found);
            continue;
        }
        int error = write_run(found);
        if (error && !result) result = error;
    }
}

int block_set_size(struct block_device *device, u32 block_size) {
    if (device->block_size == block_size) return 0;
    int error = block_sync(device);
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

static void write_back(void *unused) {
    for (;;) {
        wait_event(&dirtied, !list_empty(&dirty));
        u64 until = ktime() + WRITE_BACK_AFTER;
        while (ktime() < until) {
            set_sleeping(false);
            schedule_until(until);
        }
        block_sync(NULL);
    }
}

void block_cache_start(void) {
    struct task *t = kthread_create(write_back, NULL, "writeback");
    if (t) wake_task(t);
}
