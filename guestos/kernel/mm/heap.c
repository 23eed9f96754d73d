/* The kernel heap: size classes carved from single pages; larger requests are blocks of pages.
 *
 * A page serves one class; its struct page holds the free list and the count in use. Pages with room
 * are linked per class; an empty one goes back unless it is its class's last.
 */
#include "lib.h"
#include "mm.h"

static const u16 class_size[HEAP_CLASSES] = { 16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 2032 };
#define CLASSES HEAP_CLASSES
#define LARGE 0xffff                        /* page->objects of a block of pages */

static struct heap_stats in_use;
static struct page *partial[CLASSES];       /* pages with at least one free object */
static u8 class_of[2032 / 16 + 1];          /* by size in 16-byte units, rounded up; 0: not yet known */

/* The class sits in the page's first 16 bytes, ahead of the objects. */
#define HEADER 16

static unsigned find_class(size_t n) {
    unsigned unit = (n + 15) / 16;
    if (class_of[unit]) return class_of[unit] - 1;
    unsigned c = 0;
    while (class_size[c] < n) c++;
    class_of[unit] = c + 1;
    return c;
}

static void link_partial(struct page *p, unsigned c) {
    p->prev = NULL;
    p->next = partial[c];
    if (p->next) p->next->prev = p;
    partial[c] = p;
}

static void unlink_partial(struct page *p, unsigned c) {
    if (p->prev) p->prev->next = p->next;
    else partial[c] = p->next;
    if (p->next) p->next->prev = p->prev;
}

static struct page *new_page(unsigned c) {
    char *at = alloc_page();
    if (!at) return NULL;
    in_use.pages++;
    struct page *p = virt_to_page(at);
    *(u64 *)at = c;
    p->objects = 0;
    p->owner = NULL;
    size_t size = class_size[c];
    for (size_t offset = HEADER + (PAGE_SIZE - HEADER) / size * size; offset > HEADER;) {
        offset -= size;
        *(void **)(at + offset) = p->owner;
        p->owner = at + offset;
    }
    link_partial(p, c);
    return p;
}

static void *large(size_t n) {
    unsigned order = 0;
    while (PAGE_SIZE << order < n) order++;
    void *at = order < 11 ? alloc_pages(order) : NULL;
    if (at) virt_to_page(at)->objects = LARGE;
    return at;
}

void *kmalloc(size_t n) {
    if (n > class_size[CLASSES - 1]) return large(n);
    unsigned c = find_class(n ? n : 1);
    u64 flags = irq_save();
    struct page *p = partial[c];
    if (!p && !(p = new_page(c))) {
        irq_restore(flags);
        return NULL;
    }
    void **object = p->owner;
    p->owner = *object;
    p->objects++;
    in_use.objects[c]++;
    if (!p->owner) unlink_partial(p, c);
    irq_restore(flags);
    return object;
}

void *kzalloc(size_t n) {
    void *object = kmalloc(n);
    if (object) memset(object, 0, n);
    return object;
}

void kfree(void *object) {
    if (!object) return;
    struct page *p = virt_to_page(object);
    if (p->objects == LARGE) {
        free_pages(object, p->order);
        return;
    }
    unsigned c = *(u64 *)ALIGN_DOWN((u64)object, PAGE_SIZE);
    u64 flags = irq_save();
    bool was_full = !p->owner;
    *(void **)object = p->owner;
    p->owner = object;
    in_use.objects[c]--;
    if (was_full) link_partial(p, c);
    if (--p->objects == 0 && (partial[c] != p || p->next)) {
        unlink_partial(p, c);
        in_use.pages--;
        free_pages(page_to_virt(p), 0);
    }
    irq_restore(flags);
}

void heap_stats(struct heap_stats *s) { *s = in_use; }

size_t kmalloc_size(const void *object) {
    struct page *p = virt_to_page(object);
    return p->objects == LARGE ? PAGE_SIZE << p->order : class_size[*(u64 *)ALIGN_DOWN((u64)object, PAGE_SIZE)];
}
