/* Disks: virtio block devices behind virtio-mmio windows.
 *
 * Virtual I/O Device (VIRTIO) 1.1, sections 2.6 (split queues), 4.2 (MMIO, with the legacy interface
 * of 4.2.4) and 5.2 (block). Windows are announced on the command line as
 * virtio_mmio.device=SIZE@ADDRESS:IRQ. One request is under way at a time in each device.
 */
#include "block.h"
#include "device.h"
#include "io.h"
#include "irq.h"
#include "lib.h"
#include "mm.h"
#include "vfs.h"

enum {
    MAGIC = 0x00, VERSION = 0x04, DEVICE_ID = 0x08, DEVICE_FEATURES = 0x10, DEVICE_FEATURES_SELECT = 0x14,
    DRIVER_FEATURES = 0x20, DRIVER_FEATURES_SELECT = 0x24, GUEST_PAGE_SIZE = 0x28, QUEUE_SELECT = 0x30,
    QUEUE_SIZE_MAX = 0x34, QUEUE_SIZE = 0x38, QUEUE_ALIGN = 0x3c, QUEUE_PFN = 0x40, QUEUE_READY = 0x44,
    QUEUE_NOTIFY = 0x50, INTERRUPT_STATUS = 0x60, INTERRUPT_ACK = 0x64, STATUS = 0x70, QUEUE_DESCRIPTORS = 0x80,
    QUEUE_DRIVER = 0x90, QUEUE_DEVICE = 0xa0, CONFIG = 0x100,
};
#define MAGIC_VALUE 0x74726976              /* "virt" */
#define ID_BLOCK 2

#define STATUS_ACKNOWLEDGE 1
#define STATUS_DRIVER 2
#define STATUS_DRIVER_OK 4
#define STATUS_FEATURES_OK 8
#define STATUS_FAILED 128

#define FEATURE_READ_ONLY (1u << 5)
#define FEATURE_FLUSH (1u << 9)
#define FEATURE_VERSION_1 (1u << 0)         /* bit 32: the first of the second word */

#define QUEUE_LENGTH (TRANSFER_MAX * 2)     /* a power of two >= header + data + status */

#define DESCRIPTOR_NEXT 1
#define DESCRIPTOR_WRITE 2                  /* the device writes */

#define REQUEST_READ 0
#define REQUEST_WRITE 1
#define REQUEST_FLUSH 4

struct descriptor { u64 address; u32 length; u16 flags, next; };
struct available { u16 flags, index, ring[QUEUE_LENGTH]; };
struct used { u16 flags, index; struct { u32 id, length; } ring[QUEUE_LENGTH]; };

/* Two pages, as the legacy interface wants them: descriptors and available ring, then the used ring. */
struct queue {
    struct descriptor descriptor[QUEUE_LENGTH];
    struct available available;
    aligned(4096) struct used used;
};

struct request { u32 type, reserved; u64 sector; u8 status; };

struct disk {
    struct block_device block;
    struct device file;
    volatile void *registers;
    struct queue *queue;
    struct request *request;
    bool flushes;                           /* it may keep written data in a cache */
    u16 completed;                          /* used.index after the last finished request */
    struct mutex lock;
    struct wait_queue done;
};

static bool finished(struct disk *disk) {
    return *(volatile u16 *)&disk->queue->used.index != disk->completed;
}

static void interrupt(void *argument) {
    struct disk *disk = argument;
    /* Acknowledge before looking: a completion after this raises the line anew. */
    mmio_write32(disk->registers, INTERRUPT_ACK, mmio_read32(disk->registers, INTERRUPT_STATUS));
    wake_up(&disk->done);
}

static int submit(struct disk *disk, u32 type, u64 sector, const struct segment *segments, int count) {
    struct queue *q = disk->queue;
    mutex_lock(&disk->lock);
    struct request *request = disk->request;
    *request = (struct request){ type, 0, sector, 0xff };
    int n = 0;
    q->descriptor[n++] = (struct descriptor){ virt_to_phys(request), 16, DESCRIPTOR_NEXT, 1 };
    for (int i = 0; i < count; i++, n++)
        q->descriptor[n] = (struct descriptor){
            virt_to_phys(segments[i].at), segments[i].bytes, DESCRIPTOR_NEXT | (type == REQUEST_READ ? DESCRIPTOR_WRITE : 0), n + 1 };
    q->descriptor[n] = (struct descriptor){ virt_to_phys(&request->status), 1, DESCRIPTOR_WRITE, 0 };
    q->available.ring[q->available.index % QUEUE_LENGTH] = 0;
    barrier();                              /* x86 keeps stores in order; the compiler must too */
    q->available.index++;
    barrier();
    mmio_write32(disk->registers, QUEUE_NOTIFY, 0);
    if (irq_enabled()) wait_event(&disk->done, finished(disk));
    else while (!finished(disk)) asm volatile("pause" ::: "memory");    /* early in boot */
    disk->completed++;
    barrier();
    int error = request->status ? -EIO : 0;
    mutex_unlock(&disk->lock);
    return error;
}

static int transfer(struct block_device *block, u64 sector, const struct segment *segments, int count, bool write) {
    if (write && block->read_only) return -EROFS;
    return submit(block->driver, write ? REQUEST_WRITE : REQUEST_READ, sector, segments, count);
}

static int flush(struct block_device *block) {
    struct disk *disk = block->driver;
    return disk->flushes ? submit(disk, REQUEST_FLUSH, 0, NULL, 0) : 0;
}

/* /dev/vda: the disk's bytes, through the cache of its blocks; files' contents are not in that one. */
static ssize_t file_move(struct file *f, struct io *io, u64 pos, bool write) {
    struct disk *disk = f->data;
    u64 size = disk->block.sectors * 512;
    size_t done = 0;
    if (write && disk->block.read_only) return -EPERM;
    while (io->left && pos < size) {
        u32 offset = pos % disk->block.block_size;
        size_t n = MIN(MIN(io->left, (size_t)disk->block.block_size - offset), size - pos);
        struct buffer *b = block_read(&disk->block, pos / disk->block.block_size);
        if (IS_ERR(b)) return done ? (ssize_t)done : PTR_ERR(b);
        int error = write ? io_get(io, b->data + offset, n) : io_put(io, b->data + offset, n);
        if (write && !error) block_dirty(b);
        block_put(b);
        if (error) return done ? (ssize_t)done : error;
        pos += n;
        done += n;
    }
    return done || !io->left || !write ? (ssize_t)done : -ENOSPC;
}
static ssize_t file_read(struct file *f, struct io *io, u64 pos) { return file_move(f, io, pos, false); }
static ssize_t file_write(struct file *f, struct io *io, u64 pos) { return file_move(f, io, pos, true); }

static int file_sync(struct file *f) {
    struct block_device *block = &((struct disk *)f->data)->block;
    return block->mounted ? vfs_commit(block->mounted, false) : block_write_back(block);
}

#define BLKGETSIZE 0x1260
#define BLKSSZGET 0x1268
#define BLKGETSIZE64 0x80081272
#define BLKFLSBUF 0x1261

static long file_ioctl(struct file *f, unsigned command, unsigned long argument) {
    struct disk *disk = f->data;
    u64 value = disk->block.sectors;
    int small = 512;
    switch (command) {
    case BLKGETSIZE64: value *= 512; /* fall through */
    case BLKGETSIZE: return io_put(&(struct io){ .base = (char *)argument, .left = 8, .user = true }, &value, 8);
    case BLKSSZGET: return io_put(&(struct io){ .base = (char *)argument, .left = 4, .user = true }, &small, 4);
    case BLKFLSBUF: return file_sync(f);
    default: return -ENOTTY;
    }
}
static int file_open(struct inode *inode, struct file *f) {
    struct disk *disk = f->data;
    inode->size = disk->block.sectors * 512;            /* so that lseek's SEEK_END knows it */
    return 0;
}
static const struct file_ops file_ops = {
    .open = file_open, .read = file_read, .write = file_write, .ioctl = file_ioctl, .sync = file_sync,
};

/* Initialization in the order of 3.1.1: reset, acknowledge, driver, features, queue, driver-ok. */
static bool start(struct disk *disk) {
    volatile void *r = disk->registers;
    bool legacy = mmio_read32(r, VERSION) == 1;
    mmio_write32(r, STATUS, 0);
    mmio_write32(r, STATUS, STATUS_ACKNOWLEDGE);
    mmio_write32(r, STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
    mmio_write32(r, DEVICE_FEATURES_SELECT, 0);
    u32 features = mmio_read32(r, DEVICE_FEATURES) & (FEATURE_READ_ONLY | FEATURE_FLUSH);
    disk->block.read_only = features & FEATURE_READ_ONLY;
    disk->flushes = features & FEATURE_FLUSH;
    mmio_write32(r, DRIVER_FEATURES_SELECT, 0);
    mmio_write32(r, DRIVER_FEATURES, features);
    u32 status = STATUS_ACKNOWLEDGE | STATUS_DRIVER;
    if (!legacy) {
        mmio_write32(r, DRIVER_FEATURES_SELECT, 1);
        mmio_write32(r, DRIVER_FEATURES, FEATURE_VERSION_1);
        status |= STATUS_FEATURES_OK;
        mmio_write32(r, STATUS, status);
        if (!(mmio_read32(r, STATUS) & STATUS_FEATURES_OK)) return false;
    }
    mmio_write32(r, QUEUE_SELECT, 0);
    if (mmio_read32(r, QUEUE_SIZE_MAX) < QUEUE_LENGTH) return false;
    mmio_write32(r, QUEUE_SIZE, QUEUE_LENGTH);
    u64 queue = virt_to_phys(disk->queue);
    if (legacy) {
        mmio_write32(r, GUEST_PAGE_SIZE, PAGE_SIZE);
        mmio_write32(r, QUEUE_ALIGN, PAGE_SIZE);
        mmio_write32(r, QUEUE_PFN, queue >> PAGE_SHIFT);
    } else {
        u64 parts[3] = { queue, queue + offsetof(struct queue, available), queue + offsetof(struct queue, used) };
        static const u32 at[3] = { QUEUE_DESCRIPTORS, QUEUE_DRIVER, QUEUE_DEVICE };
        for (int i = 0; i < 3; i++) {
            mmio_write32(r, at[i], parts[i]);
            mmio_write32(r, at[i] + 4, parts[i] >> 32);
        }
        mmio_write32(r, QUEUE_READY, 1);
    }
    mmio_write32(r, STATUS, status | STATUS_DRIVER_OK);
    disk->block.sectors = mmio_read32(r, CONFIG) | (u64)mmio_read32(r, CONFIG + 4) << 32;
    return true;
}

static void probe(u64 address, u64 size, unsigned irq) {
    static int found;
    volatile void *registers = mmio_map(address, size);
    if (mmio_read32(registers, MAGIC) != MAGIC_VALUE || mmio_read32(registers, DEVICE_ID) != ID_BLOCK) return;
    struct disk *disk = kzalloc(sizeof(*disk));
    if (!disk || !(disk->request = kzalloc(sizeof(*disk->request))) || !(disk->queue = alloc_pages(1)))
        panic("no memory for the disk at %lx", address);
    memset(disk->queue, 0, sizeof(*disk->queue));
    disk->registers = registers;
    if (!start(disk) || irq_register(irq, false, interrupt, disk)) {
        mmio_write32(registers, STATUS, STATUS_FAILED);
        kerror("virtio-blk at %lx: the device refused what we offered; disk left out\n", address);
        return;
    }
    struct block_device *block = &disk->block;
    snprintf(block->name, sizeof(block->name), "vd%c", 'a' + found);
    block->dev = MKDEV(254, found * 16);
    block->block_size = 4096;
    if (block->sectors % 8) block->block_size = 512;
    block->transfer = transfer;
    block->flush = flush;
    block->driver = disk;
    found++;
    block_device_add(block);
    disk->file = (struct device){ block->name, S_IFBLK | 0660, block->dev, &file_ops, disk, block->sectors * 512, NULL };
    device_register(&disk->file);
    kprintf("%s: %lu MiB%s\n", block->name, block->sectors >> 11, block->read_only ? ", read-only" : "");
}

void virtio_blk_init(void) {
    const char *word;
    for (int i = 0; (word = cmdline_each("virtio_mmio.device", i)); i++) {
        const char *end;
        u64 size = strtou64(word, &end, 0);
        if (*end == 'K' || *end == 'k') size <<= 10, end++;
        if (*end != '@') continue;
        u64 address = strtou64(end + 1, &end, 0);
        if (*end != ':') continue;
        probe(address, size, strtou64(end + 1, &end, 0));
    }
}
