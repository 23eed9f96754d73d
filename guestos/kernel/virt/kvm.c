/* /dev/kvm and the machines made with it. */
#include "arch.h"
#include "device.h"
#include "errno.h"
#include "io.h"
#include "lib.h"
#include "sched.h"
#include "user.h"
#include "virt.h"

static long check_extension(unsigned long which) {
    switch (which) {
    case KVM_CAP_IRQCHIP: case KVM_CAP_PIT2: case KVM_CAP_HLT: case KVM_CAP_USER_MEMORY: case KVM_CAP_SET_TSS_ADDR: case KVM_CAP_EXT_CPUID: case KVM_CAP_MP_STATE: case KVM_CAP_USER_NMI:
    case KVM_CAP_SET_IDENTITY_MAP_ADDR: case KVM_CAP_READONLY_MEM: case KVM_CAP_IMMEDIATE_EXIT: return 1;
    case KVM_CAP_NR_VCPUS: case KVM_CAP_MAX_VCPUS: return VM_VCPUS;
    case KVM_CAP_NR_MEMSLOTS: return VM_SLOTS;
    }
    return 0;
}

/* The host's CPUID, but that a guest has a hypervisor and no SVM. */
static long supported_cpuid(struct kvm_cpuid *list) {
    static const struct { u32 first, last; } ranges[] = { { 0, 0xd }, { 0x80000000, 0x80000008 } };
    struct kvm_cpuid head;
    struct kvm_cpuid_entry *entries = (void *)(list + 1);
    if (get_user(head, list)) return -EFAULT;
    u32 n = 0;
    for (int r = 0; r < 2; r++) {
        u32 regs[4], last;
        cpuid(ranges[r].first, 0, regs);
        last = MIN(regs[0], ranges[r].last);
        for (u32 function = ranges[r].first; function <= last; function++) {
            cpuid(function, 0, regs);
            if (function == ranges[r].first) regs[0] = last;
            if (function == 1) regs[2] |= 1u << 31;
            if (function == 0x80000001) regs[2] &= ~4u;
            struct kvm_cpuid_entry e = { function, 0, function == 7 || function == 0xd ? KVM_CPUID_FLAG_SIGNIFICANT_INDEX : 0, regs[0], regs[1], regs[2], regs[3], { 0 } };
            if (n == head.nent) return -E2BIG;
            if (put_user(e, &entries[n++])) return -EFAULT;
        }
    }
    return put_user(n, &list->nent);
}

void vm_put(struct vm *vm) {
    if (--vm->refs) return;
    vm_forget_memory(vm);
    for (int i = 0; i < VM_SLOTS; i++) kfree(vm->slots[i].dirty);
    free_pages(vm->npt, 0);
    kfree(vm);
}

static void vm_release(struct file *f) { vm_put(f->data); }

static long vm_ioctl(struct file *f, unsigned command, unsigned long argument) {
    struct vm *vm = f->data;
    struct kvm_memory_region region;
    struct kvm_dirty_log log;
    if (!vm_is_ours(vm)) return -EIO;   /* check: kvmtests */
    switch (command) {
    case KVM_CREATE_VCPU: return vcpu_create(vm, argument);
    case KVM_SET_USER_MEMORY_REGION: return get_user(region, (void *)argument) ? -EFAULT : vm_set_region(vm, &region);
    case KVM_GET_DIRTY_LOG: return get_user(log, (struct kvm_dirty_log *)argument) ? -EFAULT : vm_dirty_log(vm, &log);
    case KVM_CHECK_EXTENSION: return check_extension(argument);
    case KVM_CREATE_IRQCHIP: return vm->irqchip ? -EEXIST : (irqchip_init(vm), 0);
    case KVM_CREATE_PIT2: return vm->irqchip ? 0 : -ENXIO;              /* its counters are the controller's */
    case KVM_IRQ_LINE: {
        struct kvm_irq_level line;
        if (get_user(line, (struct kvm_irq_level *)argument)) return -EFAULT;
        if (!vm->irqchip) return -ENXIO;
        if (line.irq >= IRQ_LINES) return -EINVAL;   /* check: V22 */
        ioapic_line(vm, line.irq ? line.irq : 2, line.level);
        return 0;
    }
    case KVM_SET_TSS_ADDR: case KVM_SET_IDENTITY_MAP_ADDR: return 0;    /* Intel's processors want these */
    }
    return -ENOTTY;
}

static const struct file_ops kvm_vm_ops = { .ioctl = vm_ioctl, .release = vm_release, .name = "kvm-vm" };

static long kvm_ioctl(struct file *f, unsigned command, unsigned long argument) {
    switch (command) {
    case KVM_GET_API_VERSION: return argument ? -EINVAL : KVM_API_VERSION;
    case KVM_CHECK_EXTENSION: return check_extension(argument);
    case KVM_GET_VCPU_MMAP_SIZE: return argument ? -EINVAL : KVM_RUN_PAGES * PAGE_SIZE;
    case KVM_GET_SUPPORTED_CPUID: return supported_cpuid((struct kvm_cpuid *)argument);
    case KVM_CREATE_VM: {
        if (argument) return -EINVAL;
        struct vm *vm = kzalloc(sizeof(*vm));
        if (!vm || !(vm->npt = alloc_zeroed_page())) {
            kfree(vm);
            return -ENOMEM;
        }
        vm->refs = 1;
        vm->owner = current->mm->number;
        return fd_open(&kvm_vm_ops, inode_anonymous(0600), vm, O_RDWR | O_CLOEXEC);
    }
    }
    return -EINVAL;
}

static const struct file_ops kkvm_vm_ops = { .ioctl = kvm_ioctl };

void kvm_init(void) {
    static struct device device = { .name = "kvm", .mode = S_IFCHR | 0660, .rdev = MKDEV(10, 232), .ops = &kkvm_vm_ops };
    if (svm_available()) device_register(&device);
}
