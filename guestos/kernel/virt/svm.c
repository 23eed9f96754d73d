/* The processor's side of a virtual machine: switching SVM on, control blocks, one stay in the guest. */
#include "arch.h"
#include "io.h"
#include "lib.h"
#include "sched.h"
#include "virt.h"

#define MSR_VM_CR 0xc0010114
#define MSR_VM_HSAVE_PA 0xc0010117
#define VM_CR_SVMDIS 0x10
#define EFER_SVME 0x1000

/* Intercepts by the number of their exit code from INTR (60h) on. */
#define INTERCEPT(code) (1u << ((code) - 0x60))
#define INTERCEPT_MORE(code) (1u << ((code) - 0x80))
#define EXIT_VINTR 0x64
#define FLUSH_GUEST 3

static u64 host_vmcb;                       /* physical; of the one processor */
static void *io_map, *msr_map;              /* 12 KiB and 8 KiB, a set bit intercepts */

bool svm_available(void) {
    if (host_vmcb) return true;
    u32 regs[4];
    cpuid(0x80000000, 0, regs);
    if (regs[0] < 0x8000000a) return false;
    cpuid(0x80000001, 0, regs);
    if (!(regs[2] & 4) || rdmsr(MSR_VM_CR) & VM_CR_SVMDIS) return false;
    cpuid(0x8000000a, 0, regs);
    if ((regs[3] & 9) != 9) return false;   /* nested paging, next RIP */
    void *save = alloc_page(), *host = alloc_zeroed_page();
    io_map = alloc_pages(2);
    msr_map = alloc_pages(1);
    if (!save || !host || !io_map || !msr_map) return false;
    memset(io_map, 0xff, 3 * PAGE_SIZE);
    memset(msr_map, 0xff, 2 * PAGE_SIZE);
    /* What VMLOAD, VMSAVE and VMRUN change over is the guest's own: two bits each, read and write (15.11). */
    static const u32 own[] = { 0xc0000080 + 1, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102, 0x174, 0x175, 0x176, 0x277 };
    for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++) {
        u32 bit = (own[i] >= 0xc0000000 ? 0x800 * 8 : 0) + (own[i] & 0x1fff) * 2;
        ((u8 *)msr_map)[bit >> 3] &= ~(3 << (bit & 7));
    }
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
    wrmsr(MSR_VM_HSAVE_PA, virt_to_phys(save));
    host_vmcb = virt_to_phys(host);
    return true;
}

int svm_vcpu_init(struct vcpu *v) {
    struct vmcb *c = v->vmcb = alloc_zeroed_page();
    if (!c) return -ENOMEM;
    /* INTR NMI SMI INIT; INVD PAUSE? no; HLT INVLPGA IO MSR, task switch no; SHUTDOWN; CPUID, RDPMC, RSM. */
    c->intercepts = INTERCEPT(0x60) | INTERCEPT(0x61) | INTERCEPT(0x62) | INTERCEPT(0x63) | INTERCEPT(0x6f) | INTERCEPT(0x72) | INTERCEPT(0x73) |
                    INTERCEPT(0x76) | INTERCEPT(0x78) | INTERCEPT(0x7a) | INTERCEPT(0x7b) | INTERCEPT(0x7c) | INTERCEPT(0x7f);
    c->intercepts_more = 0x7f | INTERCEPT_MORE(0x89) | INTERCEPT_MORE(0x8a) | INTERCEPT_MORE(0x8b) | INTERCEPT_MORE(0x8d); /* VMRUN .. SKINIT */ /* check: V17 */
    c->iopm = virt_to_phys(io_map);
    c->msrpm = virt_to_phys(msr_map);
    c->nested = 1;
    c->nested_cr3 = virt_to_phys(v->vm->npt);
    c->virtual_interrupt = 1 << 24;         /* V_INTR_MASKING: the guest's IF is not the host's */
    /* Reset (volume 2, 14.1.3). */
    c->efer = EFER_SVME;
    c->cr0 = 0x60000010;
    c->rflags = RFLAGS_FIXED;
    c->rip = 0xfff0;
    c->dr6 = 0xffff0ff0;
    c->dr7 = 0x400;
    c->pat = 0x0007040600070406;
    c->cs = (struct vmcb_segment){ 0xf000, 0x9b, 0xffff, 0xffff0000 };
    c->ds = c->es = c->fs = c->gs = c->ss = (struct vmcb_segment){ 0, 0x93, 0xffff, 0 };
    c->gdtr.limit = c->idtr.limit = 0xffff;
    c->ldtr = (struct vmcb_segment){ 0, 0x82, 0xffff, 0 };
    c->tr = (struct vmcb_segment){ 0, 0x8b, 0xffff, 0 };
    return 0;
}

/* An event for the guest's next entry, if it can take it now; else an exit when it can. */
static void offer_events(struct vcpu *v) {
    struct vmcb *c = v->vmcb;
    c->intercepts &= ~INTERCEPT(EXIT_VINTR);
    c->virtual_interrupt &= ~0x1f0100UL;    /* V_IRQ and its priority */
    if (c->inject & 1u << 31) return;
    if (v->nmi && !(c->shadow & 1)) {
        v->nmi = false;
        c->inject = 1u << 31 | 2 << 8 | 2;
        return;
    }
    int vector = v->vm->irqchip && v->interrupt < 0 ? lapic_pending(v) : v->interrupt;
    if (vector >= 0 || v->run->request_interrupt_window) {
        if (c->rflags & RFLAGS_IF && !(c->shadow & 1)) {
            if (vector < 0) return;
            c->inject = 1u << 31 | vector;
            if (v->interrupt < 0) lapic_take(v, vector);
            v->interrupt = -1;
        } else {
            c->intercepts |= INTERCEPT(EXIT_VINTR);
            c->virtual_interrupt |= 1 << 8 | 1 << 20;
        }
    }
}

void svm_run(struct vcpu *v) {
    static u32 last_asid, asids;
    struct vmcb *c = v->vmcb;
    struct vm *vm = v->vm;
    if (!asids) {
        u32 regs[4];
        cpuid(0x8000000a, 0, regs);
        asids = regs[1];
    }
    if (!vm->asid) {
        vm->asid = last_asid = last_asid % (asids - 1) + 1;
        vm->flush = true;                   /* it may have been another's */
    }
    offer_events(v);
    c->asid = vm->asid;
    c->tlb_control = vm->flush ? FLUSH_GUEST : 0;
    vm->flush = false;
    u64 flags = irq_save();
    svm_enter(&v->registers, virt_to_phys(c), host_vmcb);
    irq_restore(flags);
    if (c->interrupted & 1u << 31) c->inject = c->interrupted;      /* it was being delivered: again */
    else c->inject = 0;
}
