/* Kernel stacks. Each has the upper half of a slot, and the lower half is never mapped: what overflows
 * faults, and as the fault can't be pushed either, that is a double fault, which has its own stack. */
#include "arch.h"
#include "io.h"
#include "mm.h"

#define SLOT (2 * KSTACK_SIZE)
#define PER_TABLE 64                        /* slots of a page table; it is made with the first, and stays */

u64 kstack_pd[512] aligned(4096);
static u64 used[512];                       /* a word for each table */

static u64 *entries(const void *stack) {
    u64 offset = (u64)stack - KSTACK_BASE;
    return (u64 *)phys_to_virt(kstack_pd[offset >> 21] & PTE_ADDRESS) + (offset >> PAGE_SHIFT & 511);
}

void *kstack_alloc(void) {
    u64 n = 0;
    while (!~used[n]) if (++n == ARRAY_SIZE(used)) return NULL;
    void *table = kstack_pd[n] ? NULL : alloc_zeroed_page();
    if (table) kstack_pd[n] = virt_to_phys(table) | PTE_PRESENT | PTE_WRITE;
    if (!kstack_pd[n]) return NULL;
    u64 slot = n * PER_TABLE + __builtin_ctzl(~used[n]);
    char *stack = (char *)KSTACK_BASE + slot * SLOT + KSTACK_SIZE;
    used[n] |= used[n] + 1;
    u64 *pte = entries(stack);
    for (u64 i = 0; i < KSTACK_SIZE / PAGE_SIZE; i++) {
        void *page = alloc_page();
        if (!page) {
            kstack_free(stack);
            return NULL;
        }
        pte[i] = virt_to_phys(page) | PTE_PRESENT | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY | PTE_GLOBAL | PTE_NX;
    }
    return stack;
}

void kstack_free(void *stack) {
    u64 slot = ((u64)stack - KSTACK_BASE) / SLOT, *pte = entries(stack);
    for (u64 i = 0; i < KSTACK_SIZE / PAGE_SIZE && pte[i]; i++) {
        free_pages(phys_to_virt(pte[i] & PTE_ADDRESS), 0);
        pte[i] = 0;
        invlpg((u64)stack + i * PAGE_SIZE);
    }
    used[slot / PER_TABLE] &= ~(1UL << slot % PER_TABLE);
}

bool kstack_overflowed(const struct task *t, u64 address) {
    return address < (u64)t->kstack && (u64)t->kstack - address <= KSTACK_SIZE;
}
