/* Mappings of a file's pages, found from the file: what the page cache has to change in page tables. */
#include "arch.h"
#include "io.h"
#include "vfs.h"
#include "vm.h"

/* The entry through which a mapping has the page, or NULL. */
static u64 *entry_of(const struct vma *vma, const struct page *page, u64 *va) {
    *va = vma->start + ((u64)page->index << PAGE_SHIFT) - vma->offset;
    if (*va < vma->start || *va >= vma->end) return NULL;
    u64 *pte = pte_lookup(vma->mm->pml4, *va, false);
    return pte && (*pte & PTE_ADDRESS) == page_to_phys(page) ? pte : NULL;
}

void mapping_protect(struct page *page) {
    struct vma *vma;
    u64 va, *pte;
    list_for_each(vma, &page->inode->cache.mappings, sharing) {
        if (!vma->shared || !(pte = entry_of(vma, page, &va))) continue;
        *pte &= ~(u64)PTE_WRITE;
        pt_flush(vma->mm, va);
    }
    page->flags &= ~PG_WRITABLE;
}

bool mapping_drop(struct page *page) {
    struct vma *vma;
    u64 va, *pte;
    bool used = false;
    list_for_each(vma, &page->inode->cache.mappings, sharing) {
        if (!(pte = entry_of(vma, page, &va))) continue;
        used |= (*pte & PTE_ACCESSED) != 0;
        if (*pte & PTE_ACCESSED) *pte &= ~(u64)PTE_ACCESSED, pt_flush(vma->mm, va);
        else pt_unmap(vma->mm, va, va + PAGE_SIZE);
    }
    return !used;
}

void mapping_cut(struct inode *inode, u64 first) {
    struct vma *vma;
    list_for_each(vma, &inode->cache.mappings, sharing) {
        u64 from = vma->start + MAX(first << PAGE_SHIFT, vma->offset) - vma->offset;
        if (from < vma->end) pt_unmap(vma->mm, from, vma->end);
    }
}
