/* Memory: physical frames, kernel heap, and the map of the kernel's address space.
 *
 *   0000000000000000 .. 00007fffffffefff   the current program
 *   ffff888000000000 + physical             direct map of all RAM, no-execute
 *   ffffc90000000000 ..                     device registers (mmio_map)
 *   ffffc90040000000 .. ffffc9007fffffff   kernel stacks
 *   ffffffff80000000 + physical             the kernel image: text RX, rodata R, data RW
 */
#pragma once
#include "types.h"
#include "list.h"
#include "sync.h"

#define DIRECT_BASE 0xffff888000000000UL
#define MMIO_BASE   0xffffc90000000000UL
#define KSTACK_BASE 0xffffc90040000000UL
#define IMAGE_BASE  0xffffffff80000000UL

static inline void *phys_to_virt(u64 physical) { return (void *)(physical + DIRECT_BASE); }
/* Of direct-map pointers (all of alloc_pages and kmalloc) and of objects in the kernel image, not on stacks. */
static inline u64 virt_to_phys(const void *p) {
    u64 va = (u64)p;
    return va >= IMAGE_BASE ? va - IMAGE_BASE : va - DIRECT_BASE;
}

/* One per frame of RAM. Fields belong to whoever owns the frame; refs is the number of owners. */
struct page {
    union {
        struct { struct page *next, *prev; };   /* free lists; heap lists */
        struct list link;       /* page cache: among its file's dirty pages */
    };
    u32 refs;
    u8 order;                   /* of an allocated or free block, in its first page */
    u8 state;
    union {
        u16 objects;            /* heap: in use */
        u16 flags;              /* page cache: PG_ */
    };
    union {
        void *owner;            /* heap: first free object */
        struct inode *inode;    /* page cache: whose; NULL once it was cut off */
    };
    u32 index;                  /* page cache: which of the file's pages */
    u32 cgroup;                 /* memory.c: charged to it; 0: to none */
};
enum { PAGE_UNSEEN, PAGE_USED, PAGE_FREE, PAGE_STACKED, PAGE_CACHED };  /* states: frames.c; the last by the page cache */
extern struct page *frames;     /* indexed by physical address >> 12 */
static inline struct page *phys_to_page(u64 physical) { return &frames[physical >> PAGE_SHIFT]; }
static inline u64 page_to_phys(const struct page *p) { return (u64)(p - frames) << PAGE_SHIFT; }
static inline struct page *virt_to_page(const void *p) { return phys_to_page(virt_to_phys(p)); }
static inline void *page_to_virt(const struct page *p) { return phys_to_virt(page_to_phys(p)); }

/* 2^order contiguous frames, aligned to their size; contents undefined. NULL: no memory. */
void *alloc_pages(unsigned order);
void free_pages(void *p, unsigned order);
static inline void *alloc_page(void) { return alloc_pages(0); }
void *alloc_zeroed_page(void);
/* Frames have owners: alloc gives refs 1; page_put by the last owner frees (order 0 only). */
static inline void page_get(struct page *p) { p->refs++; }
void page_put(struct page *p);
u64 frames_end(void);           /* no frame from here on has been used yet; an index */
bool frame_seen(u64 physical);  /* it is RAM, and its struct page has been written */
/* Give back what is only cached (and charged within a group, if not NULL): how many. Doesn't sleep. */
struct cgroup;
u64 reclaim(u64 pages, const struct cgroup *within);
void copy_page(void *to, const void *from);
void clear_page(void *to);

struct task;
void *kstack_alloc(void);       /* KSTACK_SIZE bytes, contents undefined; NULL: no memory */
void kstack_free(void *);       /* by another task than the one on it */
bool kstack_overflowed(const struct task *, u64 address);   /* that it faulted at */

/* Heap. Any size; kmalloc contents undefined, kzalloc zero; aligned to 16. NULL: no memory.
 * Usable with interrupts off, but not from interrupt handlers. */
void *kmalloc(size_t n);
void *kzalloc(size_t n);
void kfree(void *p);            /* NULL is fine */
size_t kmalloc_size(const void *p); /* usable bytes of an allocation */

/* Pages carved into small objects, and the objects in use of each size, the smallest first. */
#define HEAP_CLASSES 13
struct heap_stats { u64 pages, objects[HEAP_CLASSES]; };
void heap_stats(struct heap_stats *);

struct memory_stats { u64 total_pages, free_pages; };
void memory_stats(struct memory_stats *);
