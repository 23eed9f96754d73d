/* Page faults of programs: demand-zero memory, file pages, copy-on-write, and the growing stack. */
#include "errno.h"
#include "io.h"
#include "lib.h"
#include "sched.h"
#include "signal.h"
#include "vfs.h"
#include "vm.h"

#define STACK_GUARD (16 * PAGE_SIZE)        /* kept free below a growing stack */
#define OUTCOME(signo, code) ((signo) | (code) << 8)
#define BUS_ADRERR 2

static struct vma *grow_stack(struct mm *mm, u64 page) {
    struct vma *stack = vma_find_after(mm, page);
    if (!stack || !stack->grows_down || stack->end - page > current->process->rlimit[RLIMIT_STACK][0]) return NULL;
    if (stack->link.prev != &mm->vmas) {
        struct vma *below = list_entry(stack->link.prev, struct vma, link);
        if (page < below->end + STACK_GUARD) return NULL;
    }
    stack->start = page;
    return stack;
}

/* The bytes of a private file page, zero past the file's part of the mapping; NULL: no memory. */
static void *file_page(const struct vma *vma, u64 page) {
    char *at = alloc_page();
    if (!at) return NULL;
    u64 wanted = page >= vma->file_end ? 0 : MIN(PAGE_SIZE, vma->file_end - page);
    ssize_t got = wanted ? vfs_read_at(vma->file, vma->offset + (page - vma->start), at, wanted) : 0;
    if (got < 0) {
        free_pages(at, 0);
        return ERR_PTR(got);
    }
    memset(at + got, 0, PAGE_SIZE - got);
    return at;
}

/* A write to a page that is there but read-only. The last owner may simply have it. */
static int copy_on_write(u64 *pte, u64 page) {
    struct page *old = phys_to_page(*pte & PTE_ADDRESS);
    u64 flags = (*pte & ~PTE_ADDRESS) | PTE_WRITE | PTE_DIRTY;
    if (old->refs > 1) {
        void *copy = alloc_page();
        if (!copy) return SIGKILL;
        copy_page(copy, page_to_virt(old));
        *pte = virt_to_phys(copy) | flags;
        page_put(old);
    } else {
        *pte |= PTE_WRITE | PTE_DIRTY;
    }
    invlpg(page);
    return 0;
}

int fault_in(struct mm *mm, u64 address, bool write, bool fetch) {
    u64 page = address & PAGE_MASK;
    struct vma *vma = vma_find(mm, page);
    if (!vma && !(vma = grow_stack(mm, page))) return OUTCOME(SIGSEGV, SEGV_MAPERR);
    int needed = write ? PROT_WRITE : fetch ? PROT_EXEC : PROT_READ | PROT_EXEC;
    if (!(vma->prot & needed) && !(vma->prot & PROT_WRITE && !write && !fetch)) return OUTCOME(SIGSEGV, SEGV_ACCERR);

    u64 *pte = pte_lookup(mm->pml4, page, true);
    if (!pte) return SIGKILL;
    if (*pte) {
        *pte = (*pte & ~PTE_NX) | (pte_flags(vma->prot) & ~(u64)PTE_WRITE) | PTE_PRESENT;
        if (!write || *pte & PTE_WRITE) {
            invlpg(page);
            return 0;
        }
        if (!vma->shared) return copy_on_write(pte, page);
        *pte |= PTE_WRITE;
        invlpg(page);
        return 0;
    }

    u64 flags = pte_flags(vma->prot) | PTE_PRESENT | PTE_ACCESSED;
    u64 physical;
    if (vma->shared) {
        bool major = false;
        struct page *shared = shared_page(vma->shared, (vma->offset + (page - vma->start)) >> PAGE_SHIFT, &major);
        if (IS_ERR(shared)) return PTR_ERR(shared) == -ENOMEM ? SIGKILL : OUTCOME(SIGBUS, BUS_ADRERR);
        current->major_faults += major;
        page_get(shared);
        physical = page_to_phys(shared);
    } else {
        void *fresh = vma->file ? file_page(vma, page) : alloc_zeroed_page();
        if (IS_ERR(fresh)) return OUTCOME(SIGBUS, BUS_ADRERR);
        if (!fresh) return SIGKILL;
        physical = virt_to_phys(fresh);
    }
    /* Reading a file may have slept while another task of this address space did the same. */
    if (*pte) {
        page_put(phys_to_page(physical));
        return 0;
    }
    *pte = physical | flags;
    mm->resident++;
    return 0;
}

int page_fault(u64 address, u64 error) {
    if (address >= STACK_TOP || error & FAULT_RESERVED) return OUTCOME(SIGSEGV, SEGV_MAPERR);
    struct task *t = current;
    t->minor_faults++;
    int outcome = fault_in(t->mm, address, error & FAULT_WRITE, error & FAULT_FETCH);
    if (outcome == SIGKILL) kerror("out of memory: task %d (%s) is killed\n", t->pid, t->comm);
    return outcome;
}
