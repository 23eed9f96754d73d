/* The processor's own structures: selectors, page-table bits, and what arch/ offers the rest.
 *
 * Manual sections are of Intel's Software Developer's Manual, volume 3.
 */
#ifndef ARCH_H
#define ARCH_H

/* Selectors; the numbers a program sees (CS 0x33, SS 0x2b) are Linux's. SYSCALL and SYSRET fix the
 * order: kernel code, kernel data; and user 32-bit code, user data, user 64-bit code. */
#define KERNEL_CS 0x10
#define KERNEL_DS 0x18
#define USER32_CS 0x23
#define USER_DS 0x2b
#define USER_CS 0x33
#define TSS_SELECTOR 0x40

/* Vectors: exceptions 0-31, IOAPIC line n at 32 + n, then the local APIC's own. */
#define VECTOR_IRQ 32
#define IRQ_LINES 24
#define VECTOR_TIMER 56
#define VECTOR_SPURIOUS 63                  /* the low four bits must be ones, 11.9 */
#define VECTORS 64

#define PTE_PRESENT 0x001
#define PTE_WRITE 0x002
#define PTE_USER 0x004
#define PTE_WRITE_THROUGH 0x008
#define PTE_CACHE_DISABLE 0x010
#define PTE_ACCESSED 0x020
#define PTE_DIRTY 0x040
#define PTE_HUGE 0x080
#define PTE_GLOBAL 0x100
#define PTE_NX (1 << 63)

#define CR0_WP 0x10000
#define CR4_PAE 0x20
#define CR4_PGE 0x80
#define CR4_OSFXSR 0x200
#define CR4_OSXMMEXCPT 0x400
#define CR4_SMEP 0x100000
#define CR4_SMAP 0x200000

#define MSR_APIC_BASE 0x1b
#define MSR_TSC_DEADLINE 0x6e0
#define MSR_EFER 0xc0000080
#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_SFMASK 0xc0000084
#define MSR_FS_BASE 0xc0000100
#define MSR_GS_BASE 0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102
#define EFER_SCE 0x001
#define EFER_LME 0x100
#define EFER_NXE 0x800

#define RFLAGS_FIXED 0x2
#define RFLAGS_TF 0x100
#define RFLAGS_IF 0x200
#define RFLAGS_DF 0x400
#define RFLAGS_NT 0x4000
#define RFLAGS_AC 0x40000

#define DR6_CLEAR 0xffff0ff0UL
#define DR6_STEP 0x4000

/* trapframe.error of a frame made by SYSCALL; vector is then the call's number. */
#define FRAME_SYSCALL -1

/* struct cpu, reached through GS. */
#define CPU_CURRENT 8
#define CPU_KERNEL_STACK 16
#define CPU_USER_RSP 24

#ifndef __ASSEMBLER__
#include "types.h"
#include "task.h"

#undef PTE_NX
#define PTE_NX (1UL << 63)
#define PTE_ADDRESS 0x000ffffffffff000UL

#define FAULT_PRESENT 1                     /* page-fault error code, 4.7 */
#define FAULT_WRITE 2
#define FAULT_USER 4
#define FAULT_RESERVED 8
#define FAULT_FETCH 16

extern struct cpu boot_cpu;
extern bool smap_enabled;

void descriptors_init(void);                /* GDT, TSS, IDT, SYSCALL registers, CR4 features */
void apic_init(void);                       /* masks the PICs; local APIC and IOAPIC on */
void apic_eoi(void);
void apic_timer_arm(u64 delay_ns);          /* one VECTOR_TIMER interrupt after delay_ns */
void irq_dispatch(unsigned line);
int fpu_error(bool sse);                    /* the FPE_ code of an exception just raised */
void clock_init(void);                      /* calibrates TSC and APIC timer against the PIT */
void timer_interrupt(void);

void switch_context(struct task *from, struct task *to);
void task_set_kernel_stack(struct task *);  /* where the next entry from user mode pushes */
bool syscall_dispatch(struct trapframe *);  /* true: return by IRET, the frame was changed */
void user_return_work(struct trapframe *);  /* signals and rescheduling, before user mode */
int page_fault(u64 address, u64 error);     /* mm/fault.c: 0 resolved, or signal number | code << 8 */
noreturn void panic_frame(const struct trapframe *, const char *format, ...);

noreturn void machine_exit(u8 value);       /* debug-exit port, power-off, reset, halt */

static inline void smap_open(void) { if (smap_enabled) asm volatile("stac" ::: "memory"); }
static inline void smap_close(void) { if (smap_enabled) asm volatile("clac" ::: "memory"); }
#endif
#endif
