/* How much a guest's exits cost: exits KIND COUNT runs a guest that leaves so often by CPUID (the kernel's), OUT (the monitor's)
 * or nothing at all, and prints what it was asked. */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

/* mov edi, COUNT; 1: the instruction; dec edi; jnz 1b; hlt */
static const unsigned char cpuid_loop[] = { 0xbf, 0, 0, 0, 0, 0x31, 0xc0, 0x0f, 0xa2, 0xff, 0xcf, 0x75, 0xf8, 0xf4 };
static const unsigned char out_loop[] = { 0xbf, 0, 0, 0, 0, 0xe6, 0x80, 0xff, 0xcf, 0x75, 0xfa, 0xf4 };
static const unsigned char plain_loop[] = { 0xbf, 0, 0, 0, 0, 0x90, 0x90, 0xff, 0xcf, 0x75, 0xfa, 0xf4 };

int main(int argc, char **argv) {
    int count = atoi(argv[2]);
    const unsigned char *code = argv[1][0] == 'c' ? cpuid_loop : argv[1][0] == 'o' ? out_loop : plain_loop;
    int kvm = open("/dev/kvm", O_RDWR), vm = ioctl(kvm, KVM_CREATE_VM, 0);
    unsigned char *memory = mmap(NULL, 0x10000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct kvm_userspace_memory_region region = { .memory_size = 0x10000, .userspace_addr = (unsigned long)memory };
    ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region);
    int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
    struct kvm_run *run = mmap(NULL, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    struct kvm_sregs s;
    ioctl(vcpu, KVM_GET_SREGS, &s);
    struct kvm_segment flat = { .limit = 0xffffffff, .selector = 16, .type = 3, .present = 1, .db = 1, .s = 1, .g = 1 };
    s.ds = s.es = s.ss = s.cs = flat, s.cs.selector = 8, s.cs.type = 11, s.cr0 = 0x11;
    ioctl(vcpu, KVM_SET_SREGS, &s);
    memcpy(memory + 0x1000, code, 16);
    memcpy(memory + 0x1001, &count, 4);
    struct kvm_regs r = { .rip = 0x1000, .rsp = 0x8000, .rflags = 2 };
    ioctl(vcpu, KVM_SET_REGS, &r);
    int exits = 0;
    do if (ioctl(vcpu, KVM_RUN, 0)) return 1;
    while (run->exit_reason == KVM_EXIT_IO && ++exits);
    printf("%d\n", run->exit_reason == KVM_EXIT_HLT ? exits : -1);
    return 0;
}
