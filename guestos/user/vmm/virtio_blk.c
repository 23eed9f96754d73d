/* Block requests (VIRTIO 1.1, 5.2): read, write, flush, identify; done at once. */
#include "vmm.h"

#define FEATURE_SEGMENTS (1u << 2)
#define FEATURE_READ_ONLY (1u << 5)
#define FEATURE_BLOCK_SIZE (1u << 6)
#define FEATURE_FLUSH (1u << 9)
#define SECTOR 512

enum { READ = 0, WRITE = 1, FLUSH = 4, IDENTIFY = 8 };
enum { DONE, FAILED, UNSUPPORTED };

u32 block_features(void) { return FEATURE_SEGMENTS | FEATURE_BLOCK_SIZE | FEATURE_FLUSH | (disk_read_only() ? FEATURE_READ_ONLY : 0); }

void block_config(u8 config[24]) {
    struct { u64 capacity; u32 size_max, seg_max, geometry, block_size; } values = { disk_sectors(), 0, QUEUE_MOST - 2, 0, SECTOR };
    memcpy(config, &values, sizeof(values));
}

/* The first `n` bytes of the parts move to or from `bytes`, and the parts begin after them. */
static void shift(struct part *part, u8 *bytes, u32 n, bool in) {
    for (; n; part++) {
        u32 some = MIN(n, part->bytes);
        memcpy(in ? part->at : bytes, in ? bytes : part->at, some);
        part->at += some, part->bytes -= some, bytes += some, n -= some;
    }
}

static bool transfer(struct part *part, int count, u64 sector, bool write) {
    u64 at = sector * SECTOR;
    if (sector > disk_sectors()) return false;   /* check: V20 */
    for (; count; count--, part++) {
        if (!disk_move(at, part->at, part->bytes, write)) return false;
        at += part->bytes;
    }
    return true;
}

const char *block_request(struct chain *c, u32 *written) {
    struct { u32 type, reserved; u64 sector; } header;
    struct part *out = c->part + c->readable, *last = out + c->writable - 1;
    if (c->read_bytes < sizeof(header) || !c->write_bytes) return "block request without header or status";   /* check: V20 */
    shift(c->part, (u8 *)&header, sizeof(header), false);
    /* The status is the last byte that may be written, wherever data before it end. */
    while (!last->bytes) last--;
    u8 *status = last->at + --last->bytes;
    u64 read_bytes = c->read_bytes - sizeof(header), room = c->write_bytes - 1;
    bool good = false;
    *written = 1;
    switch (header.type) {
    case READ:
        good = !(room % SECTOR) && transfer(out, c->writable, header.sector, false);
        if (good) *written += room;
        break;
    case WRITE:
        good = !(read_bytes % SECTOR) && transfer(c->part, c->readable, header.sector, true);
        break;
    case FLUSH: good = disk_flush(); break;
    case IDENTIFY:
        shift(out, (u8[20]){ "ringzero" }, MIN(room, 20), true);
        *written += MIN(room, 20), good = true;
        break;
    default: *status = UNSUPPORTED; return NULL;
    }
    *status = good ? DONE : FAILED;
    return NULL;
}
