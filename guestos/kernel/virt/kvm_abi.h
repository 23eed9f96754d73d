/* /dev/kvm as Linux has it: command numbers and structures (Documentation/virt/kvm/api.rst; x86-64). */
#pragma once
#include "types.h"

#define KVM_API_VERSION 12

#define IOC(dir, nr, size) ((u32)(dir) << 30 | (u32)(size) << 16 | 0xae << 8 | (nr))
#define IOC_NONE(nr) IOC(0, nr, 0)
#define IOC_TO(nr, type) IOC(1, nr, sizeof(type))               /* _IOW: the kernel reads */
#define IOC_FROM(nr, type) IOC(2, nr, sizeof(type))
#define IOC_BOTH(nr, type) IOC(3, nr, sizeof(type))

struct kvm_memory_region { u32 slot, flags; u64 guest_phys_addr, memory_size, userspace_addr; };
#define KVM_MEM_LOG_DIRTY_PAGES 1
#define KVM_MEM_READONLY 2

struct kvm_dirty_log { u32 slot, padding; u64 bitmap; };
struct kvm_regs { u64 rax, rbx, rcx, rdx, rsi, rdi, rsp, rbp, r8, r9, r10, r11, r12, r13, r14, r15, rip, rflags; };
struct kvm_segment { u64 base; u32 limit; u16 selector; u8 type, present, dpl, db, s, l, g, avl, unusable, padding; };
struct kvm_dtable { u64 base; u16 limit, padding[3]; };
struct kvm_sregs {
    struct kvm_segment cs, ds, es, fs, gs, ss, tr, ldt;
    struct kvm_dtable gdt, idt;
    u64 cr0, cr2, cr3, cr4, cr8, efer, apic_base, interrupt_bitmap[4];
};
struct kvm_fpu {
    u8 fpr[8][16];
    u16 fcw, fsw;
    u8 ftwx, pad1;
    u16 last_opcode;
    u64 last_ip, last_dp;
    u8 xmm[16][16];
    u32 mxcsr, pad2;
};
struct kvm_msr_entry { u32 index, reserved; u64 data; };
struct kvm_msrs { u32 nmsrs, pad; };                            /* entries follow */
struct kvm_cpuid_entry { u32 function, index, flags, eax, ebx, ecx, edx, padding[3]; };
struct kvm_cpuid { u32 nent, padding; };                        /* entries follow */
#define KVM_CPUID_FLAG_SIGNIFICANT_INDEX 1
struct kvm_interrupt { u32 irq; };
struct kvm_irq_level { u32 irq, level; };
struct kvm_pit_config { u32 flags, pad[15]; };
struct kvm_mp_state { u32 mp_state; };

/* What kernel and VMM share of a virtual processor: mapped from its descriptor, 2 pages; the second is for port I/O's bytes. */
struct kvm_run {
    u8 request_interrupt_window, immediate_exit, padding1[6];
    u32 exit_reason;
    u8 ready_for_interrupt_injection, if_flag;
    u16 flags;
    u64 cr8, apic_base;
    union {
        struct { u64 reason; u32 cpu; } fail_entry;
        struct { u8 direction, size; u16 port; u32 count; u64 data_offset; } io;
        struct { u64 phys_addr; u8 data[8]; u32 len; u8 is_write; } mmio;
        struct { u32 suberror, ndata; u64 data[16]; } internal;
        u8 padding[256];
    };
};
#define KVM_RUN_PAGES 2

enum {
    KVM_EXIT_UNKNOWN = 0, KVM_EXIT_IO = 2, KVM_EXIT_HYPERCALL = 3, KVM_EXIT_HLT = 5, KVM_EXIT_MMIO = 6, KVM_EXIT_IRQ_WINDOW_OPEN = 7,
    KVM_EXIT_SHUTDOWN = 8, KVM_EXIT_FAIL_ENTRY = 9, KVM_EXIT_INTR = 10, KVM_EXIT_INTERNAL_ERROR = 17,
};
#define KVM_INTERNAL_ERROR_EMULATION 1

#define KVM_GET_API_VERSION IOC_NONE(0x00)
#define KVM_CREATE_VM IOC_NONE(0x01)
#define KVM_CHECK_EXTENSION IOC_NONE(0x03)
#define KVM_GET_VCPU_MMAP_SIZE IOC_NONE(0x04)
#define KVM_GET_SUPPORTED_CPUID IOC_BOTH(0x05, struct kvm_cpuid)
#define KVM_GET_MSR_INDEX_LIST IOC_BOTH(0x02, u32)
#define KVM_CREATE_VCPU IOC_NONE(0x41)
#define KVM_GET_DIRTY_LOG IOC_TO(0x42, struct kvm_dirty_log)
#define KVM_SET_USER_MEMORY_REGION IOC_TO(0x46, struct kvm_memory_region)
#define KVM_SET_TSS_ADDR IOC_NONE(0x47)
#define KVM_SET_IDENTITY_MAP_ADDR IOC_TO(0x48, u64)
#define KVM_CREATE_IRQCHIP IOC_NONE(0x60)
#define KVM_IRQ_LINE IOC_TO(0x61, struct kvm_irq_level)
#define KVM_CREATE_PIT2 IOC_TO(0x77, struct kvm_pit_config)
#define KVM_RUN IOC_NONE(0x80)
#define KVM_GET_REGS IOC_FROM(0x81, struct kvm_regs)
#define KVM_SET_REGS IOC_TO(0x82, struct kvm_regs)
#define KVM_GET_SREGS IOC_FROM(0x83, struct kvm_sregs)
#define KVM_SET_SREGS IOC_TO(0x84, struct kvm_sregs)
#define KVM_INTERRUPT IOC_TO(0x86, struct kvm_interrupt)
#define KVM_GET_MSRS IOC_BOTH(0x88, struct kvm_msrs)
#define KVM_SET_MSRS IOC_TO(0x89, struct kvm_msrs)
#define KVM_GET_FPU IOC_FROM(0x8c, struct kvm_fpu)
#define KVM_SET_FPU IOC_TO(0x8d, struct kvm_fpu)
#define KVM_SET_CPUID2 IOC_TO(0x90, struct kvm_cpuid)
#define KVM_GET_MP_STATE IOC_FROM(0x98, struct kvm_mp_state)
#define KVM_SET_MP_STATE IOC_TO(0x99, struct kvm_mp_state)
#define KVM_NMI IOC_NONE(0x9a)

#define KVM_CAP_IRQCHIP 0
#define KVM_CAP_HLT 1
#define KVM_CAP_USER_MEMORY 3
#define KVM_CAP_SET_TSS_ADDR 4
#define KVM_CAP_EXT_CPUID 7
#define KVM_CAP_NR_VCPUS 9
#define KVM_CAP_NR_MEMSLOTS 10
#define KVM_CAP_MP_STATE 14
#define KVM_CAP_USER_NMI 22
#define KVM_CAP_PIT2 33
#define KVM_CAP_SET_IDENTITY_MAP_ADDR 37
#define KVM_CAP_MAX_VCPUS 66
#define KVM_CAP_READONLY_MEM 81
#define KVM_CAP_IMMEDIATE_EXIT 136
