/* Segments, the task-state segment, the interrupt table, and the SYSCALL registers. */
#include "arch.h"
#include "io.h"
#include "lib.h"

struct tss {                                /* SDM volume 3, 8.7 */
    u32 reserved0;
    u64 rsp[3];
    u64 reserved1;
    u64 ist[7];
    u64 reserved2;
    u16 reserved3, io_map;
} packed;

struct gate {                               /* SDM volume 3, 6.14.1 */
    u16 offset0, selector;
    u8 ist, type;
    u16 offset1;
    u32 offset2, reserved;
};

static struct tss tss = { .io_map = sizeof(struct tss) };
static u64 gdt[10] = {
    [KERNEL_CS / 8] = 0x00af9b000000ffff,
    [KERNEL_DS / 8] = 0x00cf93000000ffff,
    [USER32_CS / 8] = 0x00cffb000000ffff,
    [USER_DS / 8] = 0x00cff3000000ffff,
    [USER_CS / 8] = 0x00affb000000ffff,
};
static struct gate idt[VECTORS];
static u8 emergency_stack[4096] aligned(16); /* NMI, double fault, machine check */

struct cpu boot_cpu = { .self = &boot_cpu };
bool smap_enabled;

extern const char trap_stubs[], syscall_entry[];

static void load_tables(void) {
    struct { u16 limit; u64 base; } packed gdtr = { sizeof(gdt) - 1, (u64)gdt };
    struct { u16 limit; u64 base; } packed idtr = { sizeof(idt) - 1, (u64)idt };
    asm volatile("lgdt %0; lidt %1" :: "m"(gdtr), "m"(idtr));
    asm volatile("lldt %w0; ltr %w1" :: "r"(0), "r"(TSS_SELECTOR));
}

static void protect_supervisor(void) {
    u32 r[4];
    cpuid(0, 0, r);
    if (r[0] < 7) return;
    cpuid(7, 0, r);
    u64 cr4 = read_cr4();
    if (r[1] & 1 << 7) cr4 |= CR4_SMEP;
    if (r[1] & 1 << 20) cr4 |= CR4_SMAP;
    write_cr4(cr4);
    smap_enabled = cr4 & CR4_SMAP;
}

void descriptors_init(void) {
    u64 base = (u64)&tss;
    gdt[TSS_SELECTOR / 8] = (sizeof(tss) - 1) | (base & 0xffffff) << 16 | 0x89UL << 40 | (base >> 24 & 0xff) << 56;
    gdt[TSS_SELECTOR / 8 + 1] = base >> 32;
    tss.ist[0] = (u64)emergency_stack + sizeof(emergency_stack);
    for (int vector = 0; vector < VECTORS; vector++) {
        u64 stub = (u64)trap_stubs + vector * 16;
        bool emergency = vector == 2 || vector == 8 || vector == 18;
        /* Interrupt gates (interrupts off on entry); only INT3 and INTO's may be raised by a program's INT. */
        idt[vector] = (struct gate){ .offset0 = stub, .offset1 = stub >> 16, .offset2 = stub >> 32,
            .selector = KERNEL_CS, .ist = emergency, .type = vector == 3 || vector == 4 ? 0xee : 0x8e };
    }
    load_tables();
    wrmsr(MSR_GS_BASE, (u64)&boot_cpu);
    wrmsr(MSR_STAR, (u64)USER32_CS << 48 | (u64)KERNEL_CS << 32);
    wrmsr(MSR_LSTAR, (u64)syscall_entry);
    wrmsr(MSR_SFMASK, RFLAGS_IF | RFLAGS_TF | RFLAGS_DF | RFLAGS_NT | RFLAGS_AC);
    protect_supervisor();
}

void task_set_kernel_stack(struct task *t) {
    boot_cpu.kernel_stack = tss.rsp[0] = (u64)t->kstack + KSTACK_SIZE;
}
