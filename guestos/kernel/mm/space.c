/* Address spaces: creation, copy at fork, end; and the list of mappings. */
#include "errno.h"
#include "io.h"
#include "lib.h"
#include "sched.h"
#include "vfs.h"
#include "vm.h"

extern u64 boot_pml4[512];

static u64 last_number;

struct mm *mm_new(void) {
    struct mm *mm = kzalloc(sizeof(*mm));
    if (!mm) return NULL;
    mm->refs = 1;
    mm->number = ++last_number;
    list_init(&mm->vmas);
    if (!(mm->pml4 = pt_new())) {
        kfree(mm);
        return NULL;
    }
    return mm;
}

struct mm *mm_get(struct mm *mm) {
    mm->refs++;
    return mm;
}

void mm_put(struct mm *mm) {
    if (!mm || --mm->refs) return;
    mm_deactivate(mm);
    struct vma *vma, *next;
    list_for_each_safe(vma, next, &mm->vmas, link) {
        pt_unmap(mm, vma->start, vma->end);
        vma_free(vma);
    }
    pt_free(mm->pml4);
    if (mm->program) file_put(mm->program);
    kfree(mm);
}

void mm_activate(struct mm *mm) {
    if (!mm) return;
    u64 cr3 = virt_to_phys(mm->pml4);
    if (read_cr3() != cr3) write_cr3(cr3);
}

void mm_deactivate(struct mm *mm) {
    if (read_cr3() == virt_to_phys(mm->pml4)) write_cr3(virt_to_phys(boot_pml4));
}

static struct vma *vma_copy(struct mm *mm, const struct vma *from) {
    struct vma *vma = kmalloc(sizeof(*vma));
    if (!vma) return NULL;
    *vma = *from;
    list_init(&vma->link);
    list_init(&vma->sharing);
    vma->mm = mm;
    if (vma->file) vma_set_file(vma, vma->file, vma->shared);
    return vma;
}

void vma_set_file(struct vma *vma, struct file *file, bool shared) {
    vma->file = file_get(file);
    vma->shared = shared;
    list_add(&file->inode->cache.mappings, &vma->sharing);
}

struct mm *mm_copy(struct mm *from) {
    struct mm *mm = mm_new();
    if (!mm) return NULL;
    u64 *pml4 = mm->pml4;
    *mm = *from;
    mm->refs = 1;
    mm->number = ++last_number;
    mm->pml4 = pml4;
    if (mm->program) file_get(mm->program);
    mm->recent = NULL;
    mm->resident = 0;
    list_init(&mm->vmas);
    struct vma *vma;
    bool failed = false;
    list_for_each(vma, &from->vmas, link) {
        struct vma *copy = vma_copy(mm, vma);
        if (copy) list_add_tail(&mm->vmas, &copy->link);
        if (!copy || pt_copy(mm, from, vma)) {
            failed = true;
            break;
        }
    }
    /* The parent's entries lost their write permission: one reload drops what the TLB remembers. */
    if (read_cr3() == virt_to_phys(from->pml4)) write_cr3(read_cr3());
    if (!failed) return mm;
    mm_put(mm);
    return NULL;
}

struct vma *vma_find_after(struct mm *mm, u64 address) {
    struct vma *vma = mm->recent;
    if (vma && vma->start <= address && address < vma->end) return vma;
    list_for_each(vma, &mm->vmas, link)
        if (address < vma->end) return mm->recent = vma;
    return NULL;
}

struct vma *vma_find(struct mm *mm, u64 address) {
    struct vma *vma = vma_find_after(mm, address);
    return vma && vma->start <= address ? vma : NULL;
}

struct vma *vma_add(struct mm *mm, u64 start, u64 end, int prot) {
    struct vma *vma = kzalloc(sizeof(*vma));
    if (!vma) return NULL;
    list_init(&vma->sharing);
    vma->mm = mm;
    vma->start = start;
    vma->end = end;
    vma->prot = prot;
    struct vma *next = vma_find_after(mm, start);
    list_add_tail(next ? &next->link : &mm->vmas, &vma->link);
    return vma;
}

void vma_free(struct vma *vma) {
    list_del(&vma->link);
    list_del(&vma->sharing);
    if (vma->file) file_put(vma->file);
    kfree(vma);
}

int vma_split(struct vma *vma, u64 at) {
    struct vma *upper = vma_copy(vma->mm, vma);
    if (!upper) return -ENOMEM;
    upper->offset += at - vma->start;
    upper->start = at;
    upper->grows_down = false;
    vma->end = at;
    list_add(&vma->link, &upper->link);
    return 0;
}

int vma_unmap(struct mm *mm, u64 start, u64 end) {
    struct vma *vma = vma_find_after(mm, start);
    if (vma && vma->start < start) {
        if (vma_split(vma, start)) return -ENOMEM;
        vma = list_entry(vma->link.next, struct vma, link);
    }
    mm->recent = NULL;
    while (vma && &vma->link != &mm->vmas && vma->start < end) {
        if (vma->end > end && vma_split(vma, end)) return -ENOMEM;
        struct vma *next = list_entry(vma->link.next, struct vma, link);
        pt_unmap(mm, vma->start, vma->end);
        vma_free(vma);
        vma = next;
    }
    return 0;
}

u64 vma_gap(struct mm *mm, u64 length) {
    u64 top = MMAP_TOP;
    for (struct list *l = mm->vmas.prev; l != &mm->vmas; l = l->prev) {
        struct vma *vma = list_entry(l, struct vma, link);
        if (vma->start >= MMAP_TOP) continue;
        if (vma->end <= top && top - vma->end >= length) return top - length;
        top = MIN(top, vma->grows_down ? MAX(vma->start, STACK_GUARD) - STACK_GUARD : vma->start);
    }
    return top >= MMAP_MIN + length ? top - length : 0;
}
