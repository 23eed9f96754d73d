/* Guest-physical memory: slots of the maker's address space, and the nested page tables made from them on demand. */
#include "arch.h"
#include "errno.h"
#include "lib.h"
#include "sched.h"
#include "user.h"
#include "virt.h"

static struct slot *slot_of(struct vm *vm, u64 gpa) {
    for (struct slot *s = vm->slots; s < vm->slots + VM_SLOTS; s++)
        if (gpa - s->gpa < s->size) return s;
    return NULL;
}

int vm_fault(struct vm *vm, u64 gpa, bool write) {
    struct slot *s = slot_of(vm, gpa);
    if (!s || (write && s->flags & KVM_MEM_READONLY)) return 1;
    u64 index = (gpa - s->gpa) >> PAGE_SHIFT, hva = s->hva + (index << PAGE_SHIFT);
    u64 *entry = pte_lookup(vm->npt, gpa, true);
    if (!entry) return -ENOMEM;
    bool writable = !(s->flags & KVM_MEM_READONLY) && (write || !s->dirty);
    if (!*entry) {
        /* At once as if written, so that the frame stays the one the maker sees. */
        int outcome = fault_in(current->mm, hva, !(s->flags & KVM_MEM_READONLY), false);
        u64 *pte = outcome ? NULL : pte_lookup(current->mm->pml4, hva, false);
        if (!pte || !(*pte & PTE_PRESENT)) return outcome == SIGKILL ? -ENOMEM : -EFAULT;
        page_get(phys_to_page(*pte & PTE_ADDRESS));
        *entry = (*pte & PTE_ADDRESS) | PTE_PRESENT | PTE_USER;
    }
    if (writable) *entry |= PTE_WRITE;
    if (write && s->dirty) s->dirty[index >> 6] |= 1UL << (index & 63);
    return 0;
}

static void drop_level(u64 *table, int shift) {
    for (int i = 0; i < 512; i++) {
        if (!(table[i] & PTE_PRESENT)) continue;
        if (shift == 12) page_put(phys_to_page(table[i] & PTE_ADDRESS));
        else {
            u64 *below = phys_to_virt(table[i] & PTE_ADDRESS);
            drop_level(below, shift - 9);
            free_pages(below, 0);
        }
        table[i] = 0;
    }
}

void vm_forget_memory(struct vm *vm) {
    drop_level(vm->npt, 39);
    vm->flush = true;
}

bool vm_is_ours(const struct vm *vm) { return current->mm->number == vm->owner; }

void vm_refresh(struct vm *vm) {
    if (vm->seen == current->mm->changes) return;
    vm_forget_memory(vm);
    vm->seen = current->mm->changes;
}

int vm_set_region(struct vm *vm, const struct kvm_memory_region *r) {
    if (r->flags & ~(KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY) || r->slot >= VM_SLOTS) return -EINVAL;   /* check: V22 */
    if ((r->guest_phys_addr | r->memory_size | r->userspace_addr) & ~PAGE_MASK) return -EINVAL;   /* check: V22 */
    if (r->guest_phys_addr + r->memory_size < r->guest_phys_addr || r->guest_phys_addr + r->memory_size > 1UL << 40 ||
        !user_range_ok((void *)r->userspace_addr, r->memory_size)) return -EINVAL;
    struct slot *s = &vm->slots[r->slot];
    if (!r->memory_size && !s->size) return -EINVAL;   /* check: V22 */
    if (s->size && r->memory_size && (r->memory_size != s->size || r->userspace_addr != s->hva ||
                                      (r->flags ^ s->flags) & KVM_MEM_READONLY)) return -EINVAL;
    for (struct slot *o = vm->slots; r->memory_size && o < vm->slots + VM_SLOTS; o++)
        if (o != s && o->size && r->guest_phys_addr < o->gpa + o->size && o->gpa < r->guest_phys_addr + r->memory_size) return -EEXIST;   /* check: V22 */
    u64 *dirty = NULL;
    if (r->memory_size && r->flags & KVM_MEM_LOG_DIRTY_PAGES) {
        dirty = kzalloc(ALIGN_UP(r->memory_size >> PAGE_SHIFT, 64) >> 3);
        if (!dirty) return -ENOMEM;
    }
    kfree(s->dirty);
    *s = (struct slot){ r->guest_phys_addr, r->memory_size, r->userspace_addr, r->flags, dirty };
    vm_forget_memory(vm);
    return 0;
}

long vm_dirty_log(struct vm *vm, const struct kvm_dirty_log *log) {
    if (log->slot >= VM_SLOTS) return -EINVAL;   /* check: V22 */
    struct slot *s = &vm->slots[log->slot];
    if (!s->dirty) return -ENOENT;
    size_t bytes = ALIGN_UP(s->size >> PAGE_SHIFT, 64) >> 3;
    if (copy_to_user((void *)log->bitmap, s->dirty, bytes)) return -EFAULT;
    for (u64 page = 0; page < s->size >> PAGE_SHIFT; page++) {
        if (!(s->dirty[page >> 6] >> (page & 63) & 1)) continue;
        u64 *entry = pte_lookup(vm->npt, s->gpa + (page << PAGE_SHIFT), false);
        if (entry) *entry &= ~(u64)PTE_WRITE;
    }
    memset(s->dirty, 0, bytes);
    vm->flush = true;
    return 0;
}

bool vm_copy(struct vm *vm, u64 gpa, void *bytes, size_t n, bool write) {
    for (u8 *at = bytes; n;) {
        size_t part = MIN(n, PAGE_SIZE - (gpa & ~PAGE_MASK));
        if (vm_fault(vm, gpa, write)) return false;
        u8 *memory = (u8 *)phys_to_virt(*pte_lookup(vm->npt, gpa, false) & PTE_ADDRESS) + (gpa & ~PAGE_MASK);
        memcpy(write ? memory : at, write ? at : memory, part);
        gpa += part, at += part, n -= part;
    }
    return true;
}

u64 vcpu_translate(struct vcpu *v, u64 la) {
    struct vmcb *c = v->vmcb;
    if (!(c->cr0 >> 31)) return la & 0xffffffff;
    bool wide = c->cr4 & CR4_PAE, four = c->efer & 0x400;
    u64 table = four ? c->cr3 & PTE_ADDRESS : c->cr3 & 0xffffffe0;
    for (int shift = four ? 39 : wide ? 30 : 22;; shift -= wide ? 9 : 10) {
        u64 entry = 0, index = la >> shift & (wide ? shift == 30 && !four ? 3 : 511 : 1023);
        if (!vm_copy(v->vm, (wide ? table : table & ~0xfffUL) + index * (wide ? 8 : 4), &entry, wide ? 8 : 4, false)) return ~0UL;
        if (!(entry & PTE_PRESENT)) return ~0UL;
        if (shift == 12 || (entry & PTE_HUGE && shift <= 30 && !(shift == 30 && !four)))
            return (entry & PTE_ADDRESS & ~((1UL << shift) - 1)) | (la & ((1UL << shift) - 1));
        table = entry & PTE_ADDRESS;
    }
}
