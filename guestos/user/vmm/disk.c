/* A virtio block device behind a virtio-mmio window (VIRTIO 1.1, 2.6, 4.2 and 5.2).
 *
 * Everything the guest says is doubted: addresses outside of RAM, chains that loop or are too long, queues larger than
 * agreed. The device then says that it needs a reset, and does nothing until it gets one. The caller holds `lock`. */
#include "vmm.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUEUE_MAX 256
#define NEEDS_RESET 64
#define DRIVER_OK 4
enum { NEXT = 1, WRITES = 2 };              /* of a descriptor */
enum { READ, WRITE, FLUSH = 4, GET_ID = 8 };
enum { OK, IO_ERROR, UNSUPPORTED };
#define FEATURES (1ULL << 32 | 1ULL << 9)   /* version 1, flush */

struct descriptor { uint64_t address; uint32_t length; uint16_t flags, next; };

static uint8_t *bytes;                      /* the image: private pages unless it may be written */
static size_t size;
static int image = -1;
static bool is_writable;
static struct {
    uint32_t features_select, driver_select, queue_select, status, interrupt, queue_size, ready;
    uint64_t driver_features, descriptors, available, used;
    uint16_t seen;
} d;

void disk_open(const char *path, bool writable) {
    struct stat st;
    image = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    if (image < 0 || fstat(image, &st)) fail("can't open the disk %s: %s", path, strerror(errno));
    off_t end = S_ISBLK(st.st_mode) ? lseek(image, 0, SEEK_END) : st.st_size;
    if (end <= 0 || end % 512) fail("the disk %s has %lld bytes, which is no number of sectors of 512", path, (long long)end);
    size = end;
    is_writable = writable;
    bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, writable ? MAP_SHARED : MAP_PRIVATE, image, 0);
    if (bytes == MAP_FAILED) fail("the disk %s can't be mapped: %s", path, strerror(errno));
}

/* One request. false: the guest broke the rules. */
static bool request(const struct descriptor *table, uint16_t head, uint32_t *written) {
    struct { uint32_t type, reserved; uint64_t sector; } h;
    struct descriptor c = table[head];
    const void *header = at(c.address, sizeof(h));
    if (!header || c.length != sizeof(h) || c.flags & WRITES || !(c.flags & NEXT)) return false;
    memcpy(&h, header, sizeof(h));
    uint8_t status = h.type == READ || h.type == WRITE || h.type == FLUSH || h.type == GET_ID ? OK : UNSUPPORTED;
    uint64_t position = h.sector > size / 512 ? size : h.sector * 512;
    *written = 1;
    for (unsigned n = 1; c.flags & NEXT; n++) {
        if (n >= QUEUE_MAX || c.next >= d.queue_size) return false;
        c = table[c.next];
        uint8_t *memory = at(c.address, c.length);
        if (!memory) return false;
        if (!(c.flags & NEXT)) {            /* the last one takes the status */
            if (!(c.flags & WRITES) || c.length < 1) return false;
            if (h.type == FLUSH && is_writable && msync(bytes, size, MS_SYNC)) status = IO_ERROR;
            *memory = status;
            return true;
        }
        if (h.type == GET_ID && c.flags & WRITES) {
            strncpy((char *)memory, "vmm", c.length < 20 ? c.length : 20);
            continue;
        }
        if (status != OK || (h.type != READ && h.type != WRITE)) continue;
        if ((h.type == READ) != !!(c.flags & WRITES)) return false;
        if (c.length > size - position) status = IO_ERROR;
        else if (h.type == READ) memcpy(memory, bytes + position, c.length), *written += c.length;
        else memcpy(bytes + position, memory, c.length);
        position += status == OK ? c.length : 0;
    }
    return false;
}

static bool serve(void) {
    const struct descriptor *table = at(d.descriptors, d.queue_size * sizeof(*table));
    const volatile uint16_t *available = at(d.available, 4 + d.queue_size * 2);
    uint8_t *used = at(d.used, 4 + d.queue_size * 8);
    if (!d.ready || !d.queue_size || !table || !available || !used || (d.descriptors | d.available | d.used) & 1) return false;
    uint16_t index = available[1];
    if ((uint16_t)(index - d.seen) > d.queue_size) return false;
    for (; d.seen != index; d.seen++) {
        struct descriptor copy[QUEUE_MAX];
        memcpy(copy, table, d.queue_size * sizeof(*copy));     /* read once: the guest may change it meanwhile */
        uint16_t head = available[2 + d.seen % d.queue_size], used_index;
        uint32_t written = 0;
        if (head >= d.queue_size || !request(copy, head, &written)) return false;
        memcpy(&used_index, used + 2, 2);
        uint32_t element[2] = { head, written };
        memcpy(used + 4 + used_index % d.queue_size * 8, element, 8);
        __sync_synchronize();
        used_index++;
        memcpy(used + 2, &used_index, 2);
        d.interrupt |= 1;
    }
    return true;
}

void disk_store(uint64_t offset, int width, uint32_t v) {
    if (width != 4 || !bytes) return;
#define HALF(which, high) which = high ? (which & 0xffffffff) | (uint64_t)v << 32 : (which & ~0xffffffffUL) | v
    switch (offset) {
    case 0x14: d.features_select = v; break;
    case 0x20: HALF(d.driver_features, d.driver_select == 1); break;
    case 0x24: d.driver_select = v; break;
    case 0x30: d.queue_select = v; break;
    case 0x38: if (!d.queue_select && v <= QUEUE_MAX && !(v & (v - 1))) d.queue_size = v; break;
    case 0x44: if (!d.queue_select) d.ready = v & 1; break;
    case 0x50:
        if (v || !(d.status & DRIVER_OK) || d.status & NEEDS_RESET) break;
        if (!serve()) d.status |= NEEDS_RESET, d.interrupt |= 2;
        break;
    case 0x64: d.interrupt &= ~v; break;
    case 0x70:
        if (!v) memset(&d, 0, sizeof(d));
        else d.status = v | (d.status & NEEDS_RESET);
        break;
    case 0x80: case 0x84: if (!d.queue_select) HALF(d.descriptors, offset & 4); break;
    case 0x90: case 0x94: if (!d.queue_select) HALF(d.available, offset & 4); break;
    case 0xa0: case 0xa4: if (!d.queue_select) HALF(d.used, offset & 4); break;
    }
    static bool raised;
    if (!!d.interrupt != raised) interrupt_line(DISK_IRQ, raised = d.interrupt);
}

uint32_t disk_load(uint64_t offset, int width) {
    uint64_t capacity = size / 512, features = FEATURES;
    if (offset >= 0x100) {
        uint8_t config[16] = { 0 };
        memcpy(config, &capacity, 8);
        uint32_t value = 0;
        if (offset - 0x100 + width <= sizeof(config)) memcpy(&value, config + (offset - 0x100), width);
        return value;
    }
    if (width != 4) return 0;
    switch (offset) {
    case 0x00: return 0x74726976;
    case 0x04: return 2;
    case 0x08: return bytes ? 2 : 0;        /* 0: no device behind this window */
    case 0x0c: return 0x5a52;
    case 0x10: return d.features_select > 1 ? 0 : features >> 32 * d.features_select;
    case 0x34: return d.queue_select ? 0 : QUEUE_MAX;
    case 0x44: return d.queue_select ? 0 : d.ready;
    case 0x60: return d.interrupt;
    case 0x70: return d.status;
    }
    return 0;
}
