/* Shared pages: what MAP_SHARED mappings of one file, or of anonymous memory, have in common.
 *
 * An object lives as long as mappings refer to it. A file's is found by its inode, so that every
 * mapping sees the same frames; those ever mapped writable are written back when the last mapping
 * goes.
 */
#include "errno.h"
#include "lib.h"
#include "vfs.h"
#include "vm.h"

static struct shared *of_files;

static struct shared *new_shared(u64 pages) {
    struct shared *s = kzalloc(sizeof(*s));
    if (!s) return NULL;
    s->refs = 1;
    s->count = MAX(pages, 1UL);
    if (!(s->pages = kzalloc(s->count * sizeof(*s->pages)))) {
        kfree(s);
        return NULL;
    }
    return s;
}

struct shared *shared_anonymous(u64 bytes) { return new_shared((bytes + PAGE_SIZE - 1) >> PAGE_SHIFT); }

struct shared *shared_get(struct shared *s) {
    s->refs++;
    return s;
}

struct shared *shared_file(struct file *file, bool writable) {
    struct shared *s = of_files;
    while (s && s->file->inode != file->inode) s = s->next;
    if (s) {
        shared_get(s);
        if (writable && !s->writable) { /* write back through a file that may write */
            file_put(s->file);
            s->file = file_get(file);
        }
    } else {
        if (!(s = new_shared(16))) return NULL;
        s->file = file_get(file);
        s->next = of_files;
        of_files = s;
    }
    s->writable |= writable;
    return s;
}

static void write_back(struct shared *s) {
    u64 size = s->file->inode->size;
    for (u64 i = 0; i < s->count && i << PAGE_SHIFT < size; i++) {
        if (!s->pages[i]) continue;
        u64 n = MIN(PAGE_SIZE, size - (i << PAGE_SHIFT));
        if (vfs_write_at(s->file, i << PAGE_SHIFT, page_to_virt(s->pages[i]), n) < 0)
            kerror("shared mapping: page %lu of inode %lu could not be written back\n", i, s->file->inode->ino);
    }
}

void shared_put(struct shared *s) {
    if (--s->refs) return;
    if (s->file) {
        struct shared **link = &of_files;
        while (*link != s) link = &(*link)->next;
        *link = s->next;
        if (s->writable) write_back(s);
        file_put(s->file);
    }
    for (u64 i = 0; i < s->count; i++)
        if (s->pages[i]) page_put(s->pages[i]);
    kfree(s->pages);
    kfree(s);
}

static int grow(struct shared *s, u64 index) {
    u64 count = s->count;
    while (count <= index) count *= 2;
    struct page **pages = kzalloc(count * sizeof(*pages));
    if (!pages) return -ENOMEM;
    memcpy(pages, s->pages, s->count * sizeof(*pages));
    kfree(s->pages);
    s->pages = pages;
    s->count = count;
    return 0;
}

/* -ENXIO: past the end of the file (the program gets SIGBUS). */
struct page *shared_page(struct shared *s, u64 index, bool *major) {
    if (s->file && index << PAGE_SHIFT >= s->file->inode->size) return ERR_PTR(-ENXIO);
    if (index >= s->count && (!s->file || grow(s, index))) return ERR_PTR(s->file ? -ENOMEM : -ENXIO);
    if (s->pages[index]) return s->pages[index];
    char *at = alloc_page();
    if (!at) return ERR_PTR(-ENOMEM);
    ssize_t got = 0;
    if (s->file) {
        got = vfs_read_at(s->file, index << PAGE_SHIFT, at, PAGE_SIZE);
        *major = true;
    }
    if (got < 0 || s->pages[index]) {       /* another task may have been faster */
        free_pages(at, 0);
        return got < 0 ? ERR_PTR(got) : s->pages[index];
    }
    memset(at + got, 0, PAGE_SIZE - got);
    return s->pages[index] = virt_to_page(at);
}
