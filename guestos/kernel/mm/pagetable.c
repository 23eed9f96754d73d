/* Page tables of programs: 4 KiB entries in the lower half; the upper half is the kernel's, shared. */
#include "arch.h"
#include "errno.h"
#include "io.h"
#include "lib.h"
#include "vm.h"

extern u64 boot_pml4[512];

u64 *pt_new(void) {
    u64 *pml4 = alloc_zeroed_page();
    if (!pml4) return NULL;
    pml4[DIRECT_BASE >> 39 & 511] = boot_pml4[DIRECT_BASE >> 39 & 511];
    pml4[MMIO_BASE >> 39 & 511] = boot_pml4[MMIO_BASE >> 39 & 511];
    pml4[511] = boot_pml4[511];
    return pml4;
}

u64 *pte_lookup(u64 *table, u64 va, bool create) {
    for (int shift = 39; shift > 12; shift -= 9) {
        u64 *entry = &table[va >> shift & 511];
        if (!(*entry & PTE_PRESENT)) {
            if (!create) return NULL;
            u64 *next = alloc_zeroed_page();
            if (!next) return NULL;
            *entry = virt_to_phys(next) | PTE_PRESENT | PTE_WRITE | PTE_USER;
        }
        table = phys_to_virt(*entry & PTE_ADDRESS);
    }
    return &table[va >> 12 & 511];
}

/* The page table that holds va's entry, or NULL with *va advanced past the hole. */
static u64 *next_table(u64 *table, u64 *va) {
    for (int shift = 39; shift > 12; shift -= 9) {
        u64 entry = table[*va >> shift & 511];
        if (!(entry & PTE_PRESENT)) {
            *va = ((*va >> shift) + 1) << shift;
            return NULL;
        }
        table = phys_to_virt(entry & PTE_ADDRESS);
    }
    return table;
}

/* Over the entries in use: those of a PROT_NONE page keep their frame but aren't present. */
#define for_each_page(pte, va, pml4, from, to) \
    for (u64 va = (from), *table_; va < (to);) \
        if (!(table_ = next_table(pml4, &va))) continue; \
        else for (u64 *pte = &table_[va >> 12 & 511], *end_ = table_ + 512; pte < end_ && va < (to); pte++, va += PAGE_SIZE) \
            if (*pte)

static bool is_loaded(const struct mm *mm) { return (read_cr3() & PTE_ADDRESS) == virt_to_phys(mm->pml4); }

void pt_flush(struct mm *mm, u64 va) {
    if (is_loaded(mm)) invlpg(va);
}

void pt_unmap(struct mm *mm, u64 start, u64 end) {
    bool loaded = is_loaded(mm);
    mm->changes++;
    for_each_page(pte, va, mm->pml4, start, end) {
        struct page *page = phys_to_page(*pte & PTE_ADDRESS);
        *pte = 0;
        if (loaded) invlpg(va);
        page_put(page);
        mm->resident--;
    }
}

/* Write permission only goes away here; it comes back by a fault, which knows about copy-on-write. */
void pt_protect(struct mm *mm, u64 start, u64 end, int prot) {
    bool loaded = is_loaded(mm);
    mm->changes++;
    for_each_page(pte, va, mm->pml4, start, end) {
        u64 flags = (pte_flags(prot) & ~(u64)PTE_WRITE) | (prot ? PTE_PRESENT : 0);
        *pte = (*pte & ~(PTE_NX | PTE_WRITE | PTE_USER | PTE_PRESENT)) | flags;
        if (loaded) invlpg(va);
    }
}

/* Share the pages of a private mapping, read-only in both; shared mappings come back by faults. */
int pt_copy(struct mm *to, struct mm *from, const struct vma *vma) {
    if (vma->shared) return 0;
    from->changes++;
    u64 *to_table = NULL, to_base = ~0UL;
    for_each_page(pte, va, from->pml4, vma->start, vma->end) {
        if ((va & ~0x1fffffUL) != to_base) {
            to_base = va & ~0x1fffffUL;
            u64 *first = pte_lookup(to->pml4, to_base, true);
            if (!first) return -ENOMEM;
            to_table = first;
        }
        *pte &= ~(u64)PTE_WRITE;
        to_table[va >> 12 & 511] = *pte & ~(u64)PTE_DIRTY;
        page_get(phys_to_page(*pte & PTE_ADDRESS));
        to->resident++;
    }
    return 0;
}

int pt_move(struct mm *mm, u64 from, u64 to, u64 length) {
    mm->changes++;
    for_each_page(pte, va, mm->pml4, from, from + length) {
        u64 *target = pte_lookup(mm->pml4, to + (va - from), true);
        if (!target) return -ENOMEM;
        *target = *pte;
        *pte = 0;
        invlpg(va);
    }
    return 0;
}

static void free_level(u64 *table, int shift) {
    for (int i = 0; i < 512; i++) {
        if (!(table[i] & PTE_PRESENT)) continue;
        u64 *below = phys_to_virt(table[i] & PTE_ADDRESS);
        if (shift > 21) free_level(below, shift - 9);
        free_pages(below, 0);
    }
}

/* The pages themselves have been unmapped before. */
void pt_free(u64 *pml4) {
    for (int i = 0; i < 256; i++) {
        if (!(pml4[i] & PTE_PRESENT)) continue;
        u64 *pdpt = phys_to_virt(pml4[i] & PTE_ADDRESS);
        free_level(pdpt, 30);
        free_pages(pdpt, 0);
    }
    free_pages(pml4, 0);
}
