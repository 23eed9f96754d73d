/* Virtual machines inside the kernel: who holds what. The CPU's side is AMD's SVM (APM volume 2, chapter 15). */
#pragma once
#include "arch.h"
#include "kvm_abi.h"
#include "mm.h"
#include "vfs.h"
#include "vm.h"

#define VM_SLOTS 32
#define VM_VCPUS 8
#define CPUID_ENTRIES 64

/* A virtual machine: guest-physical memory as ranges of its maker's address space, behind nested page tables whose
 * frames it holds references to. */
struct vm {
    s32 refs;                               /* its descriptor and its processors' */
    u64 owner, seen;                        /* the maker's mm, which alone may run the processors, and its changes so far */
    struct slot { u64 gpa, size, hva; u32 flags; u64 *dirty; } slots[VM_SLOTS];
    u64 *npt;
    u32 asid;                               /* 0: none yet */
    bool flush;                             /* translations have become narrower */
    struct vcpu *vcpus[VM_VCPUS];
    /* With an interrupt controller in the kernel: */
    bool irqchip;
    u32 ioapic_index, lines;                /* lines: the level of each pin */
    u64 redirect[IRQ_LINES];
    struct pit_channel { u64 started; u16 count, latch; u8 access; bool high, latched; } pit[3];
    u8 pic_mask[2];
};

struct lapic {
    u32 irr[8], isr[8], spurious, logical, format, lvt[6], divide, initial;
    u64 command, started, deadline;         /* started: ktime of the timer's count; deadline: in the guest's TSC */
    struct timer timer;
};

/* The processor's registers that VMRUN leaves alone; world.S knows the offsets. */
struct guest_registers { u64 rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15; };

struct vcpu {
    struct guest_registers registers;
    struct vm *vm;
    u32 id;
    struct inode *run_inode;                /* of struct kvm_run's pages, mapped by the VMM */
    struct page *run_pages[KVM_RUN_PAGES];
    struct kvm_run *run;
    struct vmcb *vmcb;
    u8 (*fpu)[512];
    struct kvm_cpuid_entry *cpuid;
    u32 cpuid_count;
    int interrupt;                          /* vector the VMM queued; -1: none */
    bool nmi, busy, halted;
    struct wait_queue woken;
    struct lapic apic;
    struct { u8 kind, size, width, reg; bool extend, high; u64 address; } pending;    /* what the VMM's answer is for */
};
enum { PENDING_NOTHING, PENDING_IN, PENDING_STRING, PENDING_LOAD };

/* Control block (APM volume 2, appendix B). */
struct vmcb_segment { u16 selector, attributes; u32 limit; u64 base; };
struct vmcb {
    u16 read_cr, write_cr, read_dr, write_dr;
    u32 exceptions, intercepts, intercepts_more, pad0[9];
    u16 pause_threshold, pause_count;
    u64 iopm, msrpm, tsc_offset;
    u32 asid;
    u8 tlb_control, pad1[3];
    u64 virtual_interrupt, shadow, exit_code, exit_info1, exit_info2, interrupted, nested, pad2[2], inject, nested_cr3, lbr;
    u32 clean, pad3;
    u64 next_rip;
    u8 bytes_fetched, bytes[15];
    u8 pad4[0x400 - 0xe0];
    struct vmcb_segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
    u8 pad5[43], cpl, pad6[4];
    u64 efer;
    u8 pad7[112];
    u64 cr4, cr3, cr0, dr7, dr6, rflags, rip;
    u8 pad8[88];
    u64 rsp, pad9[3], rax, star, lstar, cstar, sfmask, kernel_gs_base, sysenter_cs, sysenter_esp, sysenter_eip, cr2;
    u8 pad10[32];
    u64 pat, debugctl;
};
_Static_assert(__builtin_offsetof(struct vmcb, es) == 0x400 && __builtin_offsetof(struct vmcb, cpl) == 0x4cb &&
               __builtin_offsetof(struct vmcb, efer) == 0x4d0 && __builtin_offsetof(struct vmcb, cr4) == 0x548 &&
               __builtin_offsetof(struct vmcb, rsp) == 0x5d8 && __builtin_offsetof(struct vmcb, pat) == 0x668 &&
               __builtin_offsetof(struct vmcb, next_rip) == 0xc8, "control block");

void svm_enter(struct guest_registers *, u64 vmcb, u64 host_vmcb);      /* world.S; interrupts off */

/* svm.c: the processor */
bool svm_available(void);                   /* switches it on at the first call */
int svm_vcpu_init(struct vcpu *);           /* control block of a processor after reset; 0 or -ENOMEM */
void svm_run(struct vcpu *);                /* one stay in the guest */

/* memory.c: nested page tables */
int vm_set_region(struct vm *, const struct kvm_memory_region *);
long vm_dirty_log(struct vm *, const struct kvm_dirty_log *);
bool vm_is_ours(const struct vm *);
void vm_refresh(struct vm *);                /* when the maker's address space has changed */
void vm_forget_memory(struct vm *);         /* all frames and tables */
int vm_fault(struct vm *, u64 gpa, bool write);                     /* 0, or 1: no memory there; or -errno */
bool vm_copy(struct vm *, u64 gpa, void *bytes, size_t n, bool write);  /* false: not all of it is memory */
u64 vcpu_translate(struct vcpu *, u64 la);  /* guest-physical address, ~0: not mapped */

/* exits.c: why a stay ended, and what comes of it. true: on with it; false: the VMM must see to it, as run says. */
bool vcpu_exit(struct vcpu *);
bool mmio_exit(struct vcpu *, u64 gpa);     /* mmio.c */
void vcpu_answer(struct vcpu *);            /* the VMM has answered an IN or a load */
u64 *vcpu_place(struct vcpu *, unsigned n);  /* of general register n, in the instruction set's order */
void vcpu_set_register(struct vcpu *, unsigned n, u8 size, u64 value);
bool vcpu_msr(struct vcpu *, u32 index, u64 *value, bool write);        /* false: there is no such MSR, or no such value */
void vcpu_inject(struct vcpu *, unsigned vector, bool has_error, u32 error);

/* irqchip.c */
void irqchip_init(struct vm *);
void lapic_init(struct vcpu *);
int lapic_pending(struct vcpu *);           /* vector to be taken now, or -1 */
void lapic_take(struct vcpu *, unsigned vector);
void lapic_deliver(struct vcpu *, unsigned vector);
void lapic_set_deadline(struct vcpu *, u64 tsc);
void ioapic_line(struct vm *, unsigned pin, bool level);
bool irqchip_mmio(struct vcpu *, u64 gpa, void *data, bool write);      /* false: not its */
bool irqchip_io(struct vm *, u16 port, u8 *value, bool write);
static inline bool vcpu_wants_in(struct vcpu *v) { return v->nmi || v->interrupt >= 0 || (v->vm->irqchip && lapic_pending(v) >= 0); }

/* vcpu.c */
long vcpu_create(struct vm *, u64 id);
void vm_put(struct vm *);
