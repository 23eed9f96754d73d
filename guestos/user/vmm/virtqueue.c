/* The split virtqueue (VIRTIO 1.1, 2.6): chains of descriptors in the guest's memory, of which nothing is trusted. Each
 * descriptor is copied once and then used; the work for one chain is bounded whatever the guest wrote. */
#include "vmm.h"

#define NEXT 1
#define WRITE 2
#define INDIRECT 4
#define NO_INTERRUPT 1
#define CHAIN_BYTES (16u << 20)             /* in each direction; drivers ask for far less */

struct descriptor { u64 address; u32 length; u16 flags, next; };

/* The guest may write at any time, so a value is read once. */
static bool read_u16(u64 address, u16 *value) {
    u16 *at = ram_at(address, 2);
    if (at) *value = *(volatile u16 *)at;
    return at;
}

const char *queue_pending(const struct queue *q, unsigned *count) {
    u16 index;
    *count = 0;
    if (!q->ready) return NULL;
    if (!read_u16(q->available + 2, &index)) return "available ring outside memory";
    if ((u16)(index - q->seen) > q->size) return "available index further ahead than the queue is long";   /* check: V20 */
    *count = (u16)(index - q->seen);
    return NULL;
}

const char *queue_pop(struct queue *q, struct chain *c) {
    u64 table = q->descriptors;
    u32 size = q->size;
    u16 index;
    bool inside = false;
    if (!read_u16(q->available + 4 + 2 * (q->seen % q->size), &index)) return "available ring outside memory";
    *c = (struct chain){ .head = index };
    for (u32 budget = q->size;; budget--) {
        struct descriptor d, *at = index < size ? ram_at(table + 16ul * index, sizeof(d)) : NULL;
        if (!at) return "descriptor outside its table or memory";   /* check: V20 */
        if (!budget) return "descriptor chain that is longer than the queue, or loops";   /* check: V20 */
        memcpy(&d, at, sizeof(d));
        asm volatile("" ::: "memory");
        if (d.flags & INDIRECT) {
            if (inside || d.flags & NEXT || !q->indirect) return "indirect descriptor where none may be";   /* check: V20 */
            if (!d.length || d.length % 16) return "indirect table of no whole number of descriptors";   /* check: V20 */
            table = d.address, size = MIN(d.length / 16, 65536u), index = 0, inside = true;
            continue;
        }
        bool writes = d.flags & WRITE;
        u64 *total = writes ? &c->write_bytes : &c->read_bytes;
        if (c->writable && !writes) return "readable descriptor after a writable one";   /* check: V20 */
        if ((*total += d.length) > CHAIN_BYTES) return "descriptor chain of more than 16 MiB";   /* check: V20 */
        struct part part = { ram_at(d.address, d.length), d.length };
        if (!part.at) return "buffer outside memory";   /* check: V20 */
        c->part[c->readable + c->writable] = part;
        writes ? c->writable++ : c->readable++;
        if (!(d.flags & NEXT)) break;
        index = d.next;
    }
    q->seen++;
    return NULL;
}

const char *queue_push(struct queue *q, const struct chain *c, u32 written) {
    u32 *entry = ram_at(q->used + 4 + 8 * (q->done % q->size), 8);
    u16 *index = ram_at(q->used + 2, 2);
    if (!entry || !index) return "used ring outside memory";   /* check: V20 */
    entry[0] = c->head, entry[1] = written;
    __atomic_store_n(index, ++q->done, __ATOMIC_RELEASE);
    return NULL;
}

bool queue_wants_interrupt(const struct queue *q) {
    u16 flags = 0;
    return read_u16(q->available, &flags) && !(flags & NO_INTERRUPT);
}
