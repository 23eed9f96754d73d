/* Page faults of programs: demand-zero memory, file pages, copy-on-write, and the growing stack. */
#include "cgroup.h"
#include "errno.h"
#include "io.h"
#include "lib.h"
#include "sched.h"
#include "signal.h"
#include "vfs.h"
#include "vm.h"

#define OUTCOME(signo, code) ((signo) | (code) << 8)
#define BUS_ADRERR 2

static struct vma *grow_stack(struct mm *mm, u64 page) {
    struct vma *stack = vma_find_after(mm, page);
    if (!stack || !stack->grows_down || stack->end - page > current->process->rlimit[RLIMIT_STACK][0]) return NULL;
    if (stack->link.prev != &mm->vmas) {
        struct vma *below = list_entry(stack->link.prev, struct vma, link);
        if (!below->grows_down && below->prot && page < below->end + STACK_GUARD) return NULL;
    }
    stack->start = page;
    return stack;
}

/* A write to a page that is there but read-only. The last owner may simply have it. 0 or -ENOMEM. */
static int copy_on_write(u64 *pte, u64 page) {
    struct page *old = phys_to_page(*pte & PTE_ADDRESS);
    u64 flags = (*pte & ~PTE_ADDRESS) | PTE_WRITE | PTE_DIRTY;
    if (old->refs > 1) {
        void *copy = alloc_charged_page();
        if (!copy) return -ENOMEM;
        copy_page(copy, page_to_virt(old));
        *pte = virt_to_phys(copy) | flags;
        page_put(old);
    } else {
        *pte |= PTE_WRITE | PTE_DIRTY;
    }
    invlpg(page);
    return 0;
}

/* A page of a file, in the cache and ready for the access, without sleeping: NULL if it must first be made
 * so. Referenced for the mapping: itself, or a copy where the mapping has its own contents. */
static struct page *file_page(const struct vma *vma, u64 page, bool write) {
    struct page *cached = cache_find(vma->file->inode, (vma->offset + (page - vma->start)) >> PAGE_SHIFT);
    if (!cached || (vma->shared && write && !(cached->flags & PG_WRITABLE))) return NULL;
    page_get(cached);
    u64 n = MIN(PAGE_SIZE, vma->file_end - page);       /* then, in a program's last page of data, zeros */
    if (vma->shared || (!write && n == PAGE_SIZE)) return cached;
    char *copy = alloc_charged_page();
    if (copy) {
        memcpy(copy, page_to_virt(cached), n);
        memset(copy + n, 0, PAGE_SIZE - n);
    }
    page_put(cached);
    return copy ? virt_to_page(copy) : ERR_PTR(-ENOMEM);
}

static int make_ready(struct file *file, u64 index, bool writable) {
    struct page *page = NULL;
    file_get(file);                             /* another thread may unmap it meanwhile */
    int error = writable ? cache_make_writable(file->inode, index) : IS_ERR(page = cache_get(file->inode, index)) ? PTR_ERR(page) : 0;
    if (page && !IS_ERR(page)) page_put(page);
    file_put(file);
    return error;
}

int fault_in(struct mm *mm, u64 address, bool write, bool fetch) {
    u64 page = address & PAGE_MASK;
    for (;;) {
        struct vma *vma = vma_find(mm, page);
        if (!vma && !(vma = grow_stack(mm, page))) return OUTCOME(SIGSEGV, SEGV_MAPERR);
        int needed = write ? PROT_WRITE : fetch ? PROT_EXEC : PROT_READ | PROT_EXEC;
        if (!(vma->prot & needed) && !(vma->prot & PROT_WRITE && !write && !fetch)) return OUTCOME(SIGSEGV, SEGV_ACCERR);   /* check: accesstests */

        u64 *pte = pte_lookup(mm->pml4, page, true);
        if (!pte) return SIGKILL;
        if (*pte) {
            *pte = (*pte & ~PTE_NX) | (pte_flags(vma->prot) & ~(u64)PTE_WRITE) | PTE_PRESENT;
            if (!write || *pte & PTE_WRITE) {
                invlpg(page);
                return 0;
            }
            if (!vma->shared) {
                if (!copy_on_write(pte, page)) return 0;
                if (memory_relieve()) continue;
                return SIGKILL;
            }
        }
        struct page *found;
        bool own = !vma->shared;
        if (!vma->file || page >= vma->file_end) {
            void *fresh = alloc_charged_page();
            if (fresh) clear_page(fresh);
            found = fresh ? virt_to_page(fresh) : ERR_PTR(-ENOMEM);
        } else {
            u64 offset = vma->offset + (page - vma->start);
            if (offset >= vma->file->inode->size) return OUTCOME(SIGBUS, BUS_ADRERR);
            found = file_page(vma, page, write);
            if (!found) {
                current->major_faults++;
                int error = make_ready(vma->file, offset >> PAGE_SHIFT, vma->shared && write);
                if (error) return error == -ENOMEM ? SIGKILL : OUTCOME(SIGBUS, BUS_ADRERR);
                continue;
            }
            own = !IS_ERR(found) && found->state != PAGE_CACHED;
        }
        if (IS_ERR(found)) {
            if (memory_relieve()) continue;
            return SIGKILL;
        }
        if (*pte) page_put(found);              /* a shared page that was there, now to be written */
        else mm->resident++;
        bool may_write = own || (write && vma->shared);
        *pte = page_to_phys(found) | PTE_PRESENT | PTE_ACCESSED | (pte_flags(vma->prot) & ~(may_write ? 0 : (u64)PTE_WRITE));
        invlpg(page);
        return 0;
    }
}

int page_fault(u64 address, u64 error) {
    if (address >= STACK_TOP || error & FAULT_RESERVED) return OUTCOME(SIGSEGV, SEGV_MAPERR);
    struct task *t = current;
    t->minor_faults++;
    int outcome = fault_in(t->mm, address, error & FAULT_WRITE, error & FAULT_FETCH);
    if (outcome == SIGKILL && !signal_ends(t)) (t->process->cgroup->parent ? kprintf : kerror)("out of memory: task %d (%s) is killed\n", t->pid, t->comm);
    return outcome;
}
