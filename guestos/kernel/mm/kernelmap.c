/* The kernel's half of every address space: image, direct map, device registers.
 *
 * The tables of boot/entry.S are completed in place. Their entries at PML4 level never change
 * afterwards, so every address space copies those and shares all below.
 */
#include "arch.h"
#include "boot.h"
#include "io.h"
#include "lib.h"
#include "mm.h"

extern u64 boot_pml4[512], direct_pdpt[512], image_pd[512], kstack_pd[512];
extern const char image_start[], rodata_start[], data_start[], image_end[], boot_stack[];

static u64 image_pt[512] aligned(4096);
static u64 mmio_pdpt[512] aligned(4096), mmio_pd[512] aligned(4096), mmio_pt[512] aligned(4096);
static int mmio_used;

static void map_image(const char *from, const char *to, u64 flags) {
    for (u64 va = (u64)from; va < (u64)to; va += PAGE_SIZE)
        image_pt[va >> PAGE_SHIFT & 511] = (va - IMAGE_BASE) | flags | PTE_PRESENT | PTE_GLOBAL;
}

void kernelmap_init(void) {
    map_image(image_start, rodata_start, 0);
    map_image(rodata_start, data_start, PTE_NX);
    map_image(data_start, image_end, PTE_WRITE | PTE_NX);
    image_pt[(u64)boot_stack >> PAGE_SHIFT & 511] = 0;  /* its guard */
    image_pd[1] = virt_to_phys(image_pt) | PTE_PRESENT | PTE_WRITE;
    boot_pml4[0] = 0;
    boot_pml4[MMIO_BASE >> 39 & 511] = virt_to_phys(mmio_pdpt) | PTE_PRESENT | PTE_WRITE;
    mmio_pdpt[0] = virt_to_phys(mmio_pd) | PTE_PRESENT | PTE_WRITE;
    mmio_pdpt[KSTACK_BASE >> 30 & 511] = virt_to_phys(kstack_pd) | PTE_PRESENT | PTE_WRITE;
    mmio_pd[0] = virt_to_phys(mmio_pt) | PTE_PRESENT | PTE_WRITE;
    write_cr3(virt_to_phys(boot_pml4));
    /* The image's old 2 MiB entry and the identity map may be cached as global or not: drop both. */
    u64 cr4 = read_cr4();
    write_cr4(cr4 & ~(u64)CR4_PGE);
    write_cr4(cr4);
}

void kernelmap_cover(u64 end) {
    for (u64 gigabyte = 1; gigabyte << 30 < end && gigabyte < 512; gigabyte++) {
        u64 *pd = alloc_page();
        if (!pd) panic("no memory for the direct map of gigabyte %lu", gigabyte);
        for (u64 i = 0; i < 512; i++)
            pd[i] = (gigabyte << 30) + (i << 21) + (PTE_NX | PTE_GLOBAL | PTE_HUGE | PTE_DIRTY | PTE_ACCESSED | PTE_WRITE | PTE_PRESENT);
        direct_pdpt[gigabyte] = virt_to_phys(pd) | PTE_PRESENT | PTE_WRITE;
    }
}

volatile void *mmio_map(u64 physical, size_t bytes) {
    u64 first = ALIGN_DOWN(physical, PAGE_SIZE), end = ALIGN_UP(physical + bytes, PAGE_SIZE);
    for (int i = 0; i < mmio_used; i++)     /* virtio windows share a page */
        if ((mmio_pt[i] & PTE_ADDRESS) == first && end == first + PAGE_SIZE)
            return (char *)MMIO_BASE + ((u64)i << PAGE_SHIFT) + (physical - first);
    if (mmio_used + (end - first) / PAGE_SIZE > 512) panic("no room to map device registers at %lx", physical);
    char *at = (char *)MMIO_BASE + ((u64)mmio_used << PAGE_SHIFT);
    for (u64 pa = first; pa < end; pa += PAGE_SIZE)
        mmio_pt[mmio_used++] = pa | PTE_PRESENT | PTE_WRITE | PTE_CACHE_DISABLE | PTE_WRITE_THROUGH | PTE_GLOBAL | PTE_NX;
    return at + (physical - first);
}
