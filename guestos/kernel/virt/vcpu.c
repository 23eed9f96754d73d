/* A virtual processor as its descriptor's commands see it. */
#include "arch.h"
#include "errno.h"
#include "lib.h"
#include "sched.h"
#include "user.h"
#include "virt.h"

static struct kvm_segment segment_out(const struct vmcb_segment *s) {
    u16 a = s->attributes;
    return (struct kvm_segment){ .base = s->base, .limit = s->limit, .selector = s->selector, .type = a & 15, .s = a >> 4 & 1, .dpl = a >> 5 & 3,
                                 .present = a >> 7 & 1, .avl = a >> 8 & 1, .l = a >> 9 & 1, .db = a >> 10 & 1, .g = a >> 11 & 1, .unusable = !(a & 0x80) };
}

static struct vmcb_segment segment_in(const struct kvm_segment *s) {
    u16 a = s->unusable ? 0 : (s->type & 15) | (s->s & 1) << 4 | (s->dpl & 3) << 5 | (s->present & 1) << 7 | (s->avl & 1) << 8 |
                              (s->l & 1) << 9 | (s->db & 1) << 10 | (s->g & 1) << 11;
    return (struct vmcb_segment){ s->selector, a, s->limit, s->base };
}

static struct kvm_regs regs_get(struct vcpu *v) {
    const struct guest_registers *g = &v->registers;
    const struct vmcb *c = v->vmcb;
    return (struct kvm_regs){ c->rax, g->rbx, g->rcx, g->rdx, g->rsi, g->rdi, c->rsp, g->rbp, g->r8, g->r9, g->r10, g->r11,
                              g->r12, g->r13, g->r14, g->r15, c->rip, c->rflags };
}

static int regs_set(struct vcpu *v, const struct kvm_regs *r) {
    v->registers = (struct guest_registers){ r->rcx, r->rdx, r->rbx, r->rbp, r->rsi, r->rdi, r->r8, r->r9, r->r10, r->r11, r->r12, r->r13, r->r14, r->r15 };
    v->vmcb->rax = r->rax, v->vmcb->rsp = r->rsp, v->vmcb->rip = r->rip;
    v->vmcb->rflags = r->rflags | RFLAGS_FIXED;
    v->vmcb->inject = 0;
    return 0;
}

static struct kvm_sregs sregs_get(struct vcpu *v) {
    const struct vmcb *c = v->vmcb;
    struct kvm_sregs r = { segment_out(&c->cs), segment_out(&c->ds), segment_out(&c->es), segment_out(&c->fs), segment_out(&c->gs), segment_out(&c->ss),
                           segment_out(&c->tr), segment_out(&c->ldtr), { c->gdtr.base, c->gdtr.limit, { 0 } }, { c->idtr.base, c->idtr.limit, { 0 } },
                           c->cr0, c->cr2, c->cr3, c->cr4, c->virtual_interrupt & 15, c->efer & ~0x1000UL, 0xfee00900, { 0 } };
    if (v->interrupt >= 0) r.interrupt_bitmap[v->interrupt >> 6] |= 1UL << (v->interrupt & 63);
    return r;
}

static int sregs_set(struct vcpu *v, const struct kvm_sregs *r) {
    struct vmcb *c = v->vmcb;
    if (r->efer & ~0xd01UL || r->cr0 >> 32 || r->cr8 > 15) return -EINVAL;   /* check: V22 */
    if (r->efer & 0x400 && (!(r->cr0 >> 31) || !(r->cr4 & CR4_PAE))) return -EINVAL;   /* check: V22 */
    c->cs = segment_in(&r->cs), c->ds = segment_in(&r->ds), c->es = segment_in(&r->es), c->fs = segment_in(&r->fs);
    c->gs = segment_in(&r->gs), c->ss = segment_in(&r->ss), c->tr = segment_in(&r->tr), c->ldtr = segment_in(&r->ldt);
    c->cpl = r->ss.dpl & 3;
    c->gdtr = (struct vmcb_segment){ 0, 0, r->gdt.limit, r->gdt.base };
    c->idtr = (struct vmcb_segment){ 0, 0, r->idt.limit, r->idt.base };
    c->cr0 = r->cr0, c->cr2 = r->cr2, c->cr3 = r->cr3, c->cr4 = r->cr4, c->efer = r->efer | 0x1000;
    c->virtual_interrupt = (c->virtual_interrupt & ~15UL) | r->cr8;
    v->interrupt = -1;
    for (int i = 0; i < 256; i++)
        if (r->interrupt_bitmap[i >> 6] >> (i & 63) & 1) v->interrupt = i;
    v->vm->flush = true;
    return 0;
}

static struct kvm_fpu fpu_get(struct vcpu *v) {
    const u8 *image = *v->fpu;
    struct kvm_fpu f = { .fcw = *(u16 *)image, .fsw = *(u16 *)(image + 2), .ftwx = image[4], .last_opcode = *(u16 *)(image + 6),
                         .last_ip = *(u64 *)(image + 8), .last_dp = *(u64 *)(image + 16), .mxcsr = *(u32 *)(image + 24) };
    memcpy(f.fpr, image + 32, sizeof(f.fpr));
    memcpy(f.xmm, image + 160, sizeof(f.xmm));
    return f;
}

static int fpu_set(struct vcpu *v, const struct kvm_fpu *f) {
    u8 *image = *v->fpu;
    *(u16 *)image = f->fcw, *(u16 *)(image + 2) = f->fsw, image[4] = f->ftwx, *(u16 *)(image + 6) = f->last_opcode;
    *(u64 *)(image + 8) = f->last_ip, *(u64 *)(image + 16) = f->last_dp, *(u32 *)(image + 24) = f->mxcsr;
    memcpy(image + 32, f->fpr, sizeof(f->fpr));
    memcpy(image + 160, f->xmm, sizeof(f->xmm));
    fpu_check(image);
    return 0;
}

static long msrs(struct vcpu *v, struct kvm_msrs *list, bool write) {
    struct kvm_msrs head;
    struct kvm_msr_entry *entries = (void *)(list + 1), e;
    if (get_user(head, list)) return -EFAULT;
    if (head.nmsrs >= 256) return -E2BIG;   /* check: V22 */
    for (u32 i = 0; i < head.nmsrs; i++) {
        if (get_user(e, &entries[i])) return -EFAULT;
        if (!vcpu_msr(v, e.index, &e.data, write)) return i;
        if (!write && put_user(e, &entries[i])) return -EFAULT;
    }
    return head.nmsrs;
}

static long cpuid_set(struct vcpu *v, struct kvm_cpuid *list) {
    struct kvm_cpuid head;
    if (get_user(head, list)) return -EFAULT;
    if (head.nent > CPUID_ENTRIES) return -E2BIG;   /* check: V22 */
    if (copy_from_user(v->cpuid, list + 1, head.nent * sizeof(*v->cpuid))) return -EFAULT;
    v->cpuid_count = head.nent;
    return 0;
}

static long run(struct vcpu *v) {
    if (!vm_is_ours(v->vm)) return -EIO;   /* check: kvmtests */
    if (v->busy) return -EBUSY;
    if (v->run->immediate_exit) return -EINTR;
    u8 mine[512] aligned(16);
    long result = 0;
    v->busy = true;
    vcpu_answer(v);
    v->vmcb->virtual_interrupt = (v->vmcb->virtual_interrupt & ~15UL) | (v->run->cr8 & 15);
    asm volatile("fxsave64 (%0); fxrstor64 (%1)" :: "r"(mine), "r"(v->fpu) : "memory");
    for (;;) {
        if (current->resched) schedule();
        if (signal_pending()) {
            v->run->exit_reason = KVM_EXIT_INTR;
            result = -EINTR;
            break;
        }
        if (v->halted && wait_event_interruptible(&v->woken, vcpu_wants_in(v))) continue;
        v->halted = false;
        vm_refresh(v->vm);
        svm_run(v);
        if (!vcpu_exit(v)) break;
    }
    asm volatile("fxsave64 (%0); fxrstor64 (%1)" :: "r"(v->fpu), "r"(mine) : "memory");
    v->run->if_flag = !!(v->vmcb->rflags & RFLAGS_IF);
    v->run->ready_for_interrupt_injection = v->run->if_flag && v->interrupt < 0 && !(v->vmcb->shadow & 1);
    v->run->cr8 = v->vmcb->virtual_interrupt & 15;
    v->run->apic_base = 0xfee00900;
    v->busy = false;
    return result;
}

/* One structure to or from the program. */
#define GIVE(value) ({ __typeof__(value) given = (value); put_user(given, (__typeof__(given) *)argument); })
#define TAKE(type, use) ({ struct type taken; get_user(taken, (struct type *)argument) ? -EFAULT : (use); })

static long vcpu_ioctl(struct file *f, unsigned command, unsigned long argument) {
    struct vcpu *v = f->data;
    switch (command) {
    case KVM_RUN: return argument ? -EINVAL : run(v);
    case KVM_GET_REGS: return GIVE(regs_get(v));
    case KVM_SET_REGS: return TAKE(kvm_regs, regs_set(v, &taken));
    case KVM_GET_SREGS: return GIVE(sregs_get(v));
    case KVM_SET_SREGS: return TAKE(kvm_sregs, sregs_set(v, &taken));
    case KVM_GET_FPU: return GIVE(fpu_get(v));
    case KVM_SET_FPU: return TAKE(kvm_fpu, fpu_set(v, &taken));
    case KVM_GET_MSRS: return msrs(v, (struct kvm_msrs *)argument, false);
    case KVM_SET_MSRS: return msrs(v, (struct kvm_msrs *)argument, true);
    case KVM_SET_CPUID2: return cpuid_set(v, (struct kvm_cpuid *)argument);
    case KVM_INTERRUPT: return TAKE(kvm_interrupt, taken.irq > 255 ? -EINVAL : v->interrupt >= 0 ? -EEXIST : (v->interrupt = taken.irq, 0));
    case KVM_NMI: v->nmi = true; return 0;
    case KVM_GET_MP_STATE: return GIVE(((struct kvm_mp_state){ 0 }));
    case KVM_SET_MP_STATE: return TAKE(kvm_mp_state, taken.mp_state ? -EINVAL : 0);
    }
    return -EINVAL;
}

static void vcpu_free(struct vcpu *v) {
    timer_cancel(&v->apic.timer);
    for (int i = 0; i < KVM_RUN_PAGES; i++)
        if (v->run_pages[i]) page_put(v->run_pages[i]);
    if (v->vmcb) free_pages(v->vmcb, 0);
    kfree(v->fpu);
    kfree(v->cpuid);
    kfree(v);
}

static void vcpu_release(struct file *f) {
    struct vcpu *v = f->data;
    v->vm->vcpus[v->id] = NULL;
    vm_put(v->vm);
    vcpu_free(v);
}

static const struct file_ops vcpu_ops = { .ioctl = vcpu_ioctl, .release = vcpu_release, .mappable = true, .name = "kvm-vcpu" };

long vcpu_create(struct vm *vm, u64 id) {
    if (id >= VM_VCPUS) return -EINVAL;   /* check: V22 */
    if (vm->vcpus[id]) return -EEXIST;   /* check: V22 */
    struct vcpu *v = kzalloc(sizeof(*v));
    struct file *shared = file_anonymous(KVM_RUN_PAGES * PAGE_SIZE);
    if (v) v->fpu = kzalloc(512), v->cpuid = kzalloc(CPUID_ENTRIES * sizeof(*v->cpuid)), v->vm = vm;
    int error = v && shared && v->fpu && v->cpuid ? svm_vcpu_init(v) : -ENOMEM;
    for (int i = 0; !error && i < KVM_RUN_PAGES; i++) {
        struct page *page = cache_get(shared->inode, i);
        if (IS_ERR(page)) error = PTR_ERR(page);
        else v->run_pages[i] = page;
        if (!error) error = cache_make_writable(shared->inode, i);
    }
    if (error) {
        if (v) vcpu_free(v);
        file_put(shared);
        return error;
    }
    v->id = id;
    v->interrupt = -1;
    lapic_init(v);
    v->run = page_to_virt(v->run_pages[0]);
    *(u16 *)*v->fpu = 0x37f;
    *(u32 *)(*v->fpu + 24) = 0x1f80;
    vm->vcpus[id] = v;
    vm->refs++;
    struct inode *inode = inode_get(shared->inode);
    file_put(shared);
    return fd_open(&vcpu_ops, inode, v, O_RDWR | O_CLOEXEC);
}
