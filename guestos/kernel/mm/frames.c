/* Frames: a buddy allocator of physical memory that touches nothing before it is needed.
 *
 * RAM above the watermark has never been given out and its struct page never written; a request that
 * the free lists can't serve raises the watermark. So the cost of boot doesn't grow with memory.
 * Single frames pass through a short stack that keeps the recently freed ones and skips the buddies.
 */
#include "boot.h"
#include "cgroup.h"
#include "lib.h"
#include "mm.h"

#define ORDERS 11
#define STACK_MAX 128
#define RECLAIM_BATCH 32                    /* pages: so that a scan serves many requests */

struct page *frames;
static struct page *free_list[ORDERS];
static struct page *stack;
static int stack_depth;
static int region;                          /* the watermark lies in boot_info.ram[region] */
static u64 watermark;                       /* physical */
static u64 total, available;                /* pages */

static void push(struct page *p, unsigned order) {
    p->state = PAGE_FREE;
    p->order = order;
    p->prev = NULL;
    p->next = free_list[order];
    if (p->next) p->next->prev = p;
    free_list[order] = p;
}

static void unlink(struct page *p) {
    if (p->prev) p->prev->next = p->next;
    else free_list[p->order] = p->next;
    if (p->next) p->next->prev = p->prev;
}

/* Take the largest aligned block at the watermark, at most a megabyte, as free. */
static bool raise_watermark(void) {
    while (watermark == boot_info.ram[region].end) {
        if (region + 1 == boot_info.ram_count) return false;
        watermark = boot_info.ram[++region].start;
    }
    unsigned order = 0;
    while (order < 8) {
        u64 size = PAGE_SIZE << (order + 1);
        if (watermark & (size - 1) || watermark + size > boot_info.ram[region].end) break;
        order++;
    }
    struct page *p = phys_to_page(watermark);
    /* A used neighbour stops a merge across the edge; unseen pages past the watermark read as such
     * only because every page below it is initialised here. */
    for (u64 i = 0; i < 1UL << order; i++) p[i] = (struct page){ .state = PAGE_USED };
    watermark += PAGE_SIZE << order;
    push(p, order);
    return true;
}

bool frame_seen(u64 physical) {
    for (int i = 0; i <= region; i++)
        if (physical >= boot_info.ram[i].start && physical < boot_info.ram[i].end)
            return i < region || physical < watermark;
    return false;
}

static struct page *take(unsigned order) {
    for (;;) {
        for (unsigned from = order; from < ORDERS; from++) {
            struct page *p = free_list[from];
            if (!p) continue;
            unlink(p);
            while (from > order) {
                from--;
                push(p + (1UL << from), from);
            }
            return p;
        }
        if (!raise_watermark()) return NULL;
    }
}

static void give(struct page *p, unsigned order) {
    while (order + 1 < ORDERS) {
        u64 buddy_address = page_to_phys(p) ^ PAGE_SIZE << order;
        struct page *buddy = phys_to_page(buddy_address);
        if (!frame_seen(buddy_address) || buddy->state != PAGE_FREE || buddy->order != order) break;
        unlink(buddy);
        buddy->state = p->state = PAGE_USED;
        p = MIN(p, buddy);
        order++;
    }
    push(p, order);
}

static struct page *pop(void) {
    struct page *p = stack;
    stack = p->next;
    stack_depth--;
    return p;
}

u64 frames_end(void) { return watermark >> PAGE_SHIFT; }

void *alloc_pages(unsigned order) {
    struct page *p;
    u64 flags = irq_save();
    while (!(p = order == 0 && stack ? pop() : take(order))) {
        if (stack) while (stack) give(pop(), 0);            /* they may make larger ones */
        else if (!reclaim(RECLAIM_BATCH, NULL)) {
            irq_restore(flags);
            return NULL;
        }
    }
    available -= 1UL << order;
    irq_restore(flags);
    p->state = PAGE_USED;
    p->order = order;
    p->refs = 1;
    return page_to_virt(p);
}

void free_pages(void *at, unsigned order) {
    struct page *p = virt_to_page(at);
    if (p->state != PAGE_USED || p->order != order) panic("free_pages(%p, %u): not allocated so", at, order);
    p->refs = 0;
    if (p->cgroup) memory_uncharge(p);
    u64 flags = irq_save();
    available += 1UL << order;
    if (order == 0 && stack_depth < STACK_MAX) {
        p->state = PAGE_STACKED;
        p->next = stack;
        stack = p;
        stack_depth++;
    } else {
        give(p, order);
    }
    irq_restore(flags);
}

void page_put(struct page *p) {
    if (--p->refs == 0) {
        p->refs = 1;
        free_pages(page_to_virt(p), 0);
    }
}

void clear_page(void *to) {
    u64 words = PAGE_SIZE / 8;
    asm volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(0) : "memory");
}

void copy_page(void *to, const void *from) {
    u64 words = PAGE_SIZE / 8;
    asm volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) :: "memory");
}

void *alloc_zeroed_page(void) {
    void *p = alloc_page();
    if (p) clear_page(p);
    return p;
}

/* The frame table goes at the start of the first region that has room; indexed by frame number, so
 * holes cost address space of it only. */
void frames_init(void) {
    u64 top = boot_info.ram[boot_info.ram_count - 1].end;
    u64 bytes = ALIGN_UP((top >> PAGE_SHIFT) * sizeof(struct page), PAGE_SIZE);
    for (int i = 0; i < boot_info.ram_count; i++) {
        struct memory_region *r = &boot_info.ram[i];
        if (!frames && r->end - r->start >= bytes && r->start + bytes <= 1UL << 30) {
            frames = phys_to_virt(r->start);
            r->start += bytes;
        }
        total += (r->end - r->start) >> PAGE_SHIFT;
    }
    if (!frames) panic("no room for %lu KiB of frame table below 1 GiB", bytes >> 10);
    available = total;
    watermark = boot_info.ram[0].start;
    kernelmap_cover(top);
}

void memory_stats(struct memory_stats *s) {
    s->total_pages = total;
    s->free_pages = available;
}
