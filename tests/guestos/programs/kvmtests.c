/* A monitor written for Linux's /dev/kvm: each property makes a machine of its own with a few instructions. */
#include "properties.h"
#include <linux/kvm.h>
#include <sys/mman.h>

#define MEMORY 0x400000
#define CODE 0x10000

static int kvm, vm, vcpu;
static unsigned char *memory;
static struct kvm_run *run;

/* A machine in 64-bit mode, its first GiB mapped to itself (or 2 MiB pages' worth of it), about to execute `code`. */
static void machine(const void *code, size_t size, int ring) {
    CHECK((kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC)) >= 0);
    CHECK(ioctl(kvm, KVM_GET_API_VERSION, 0) == 12);
    CHECK((vm = ioctl(kvm, KVM_CREATE_VM, 0)) >= 0);
    memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    struct kvm_userspace_memory_region region = { .slot = 0, .guest_phys_addr = 0, .memory_size = MEMORY, .userspace_addr = (unsigned long)memory };
    CHECK(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) == 0);
    CHECK((vcpu = ioctl(vm, KVM_CREATE_VCPU, 0)) >= 0);
    int shared = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    CHECK(shared >= (int)sizeof(*run));
    run = mmap(NULL, shared, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    CHECK(run != MAP_FAILED);
    *(unsigned long *)(memory + 0x1000) = 0x2007;
    *(unsigned long *)(memory + 0x2000) = 0x3007;
    for (unsigned long i = 0; i < 512; i++) *(unsigned long *)(memory + 0x3000 + 8 * i) = i << 21 | 0x87;
    memcpy(memory + CODE, code, size);
    struct kvm_sregs s;
    CHECK(ioctl(vcpu, KVM_GET_SREGS, &s) == 0);
    struct kvm_segment flat = { .limit = 0xffffffff, .selector = 0x10 | ring, .type = 3, .present = 1, .dpl = ring, .db = 1, .s = 1, .g = 1 };
    s.ds = s.es = s.ss = s.fs = s.gs = flat;
    s.cs = flat, s.cs.selector = 8 | ring, s.cs.type = 11, s.cs.db = 0, s.cs.l = 1;
    s.cr3 = 0x1000, s.cr4 = 0x20, s.cr0 = 0x80000011, s.efer = 0x500;
    CHECK(ioctl(vcpu, KVM_SET_SREGS, &s) == 0);
    struct kvm_regs r = { .rip = CODE, .rsp = 0x20000, .rflags = 2 };
    CHECK(ioctl(vcpu, KVM_SET_REGS, &r) == 0);
}
#define MACHINE(...) do { static const unsigned char code_[] = { __VA_ARGS__ }; machine(code_, sizeof(code_), 0); } while (0)

static unsigned go(void) {
    CHECK(ioctl(vcpu, KVM_RUN, 0) == 0);
    return run->exit_reason;
}

static struct kvm_regs regs(void) {
    struct kvm_regs r;
    CHECK(ioctl(vcpu, KVM_GET_REGS, &r) == 0);
    return r;
}

static void halt_is_an_exit(void) {
    MACHINE(0xb8, 42, 0, 0, 0, 0x48, 0xff, 0xc0, 0xf4);         /* mov eax, 42; inc rax; hlt */
    CHECK(go() == KVM_EXIT_HLT);
    CHECK(regs().rax == 43 && regs().rip == CODE + 9);
}

static void a_port_write_reaches_the_monitor(void) {
    MACHINE(0xba, 0xf8, 3, 0, 0, 0xb0, 'R', 0xee, 0xb0, 'z', 0xee, 0xf4);
    for (const char *wanted = "Rz"; *wanted; wanted++) {
        CHECK(go() == KVM_EXIT_IO);
        CHECK(run->io.direction == KVM_EXIT_IO_OUT && run->io.port == 0x3f8 && run->io.size == 1 && run->io.count == 1);
        CHECK(*((char *)run + run->io.data_offset) == *wanted);
    }
    CHECK(go() == KVM_EXIT_HLT);
}

static void a_port_read_is_answered(void) {
    MACHINE(0x48, 0xc7, 0xc0, 0xff, 0xff, 0xff, 0xff, 0xe5, 0x60, 0xf4);    /* mov rax, -1; in eax, 0x60; hlt */
    CHECK(go() == KVM_EXIT_IO && run->io.direction == KVM_EXIT_IO_IN && run->io.size == 4);
    *(unsigned *)((char *)run + run->io.data_offset) = 0x12345678;
    CHECK(go() == KVM_EXIT_HLT && regs().rax == 0x12345678);
}

static void a_string_goes_out_whole(void) {
    MACHINE(0xbe, 0, 0, 2, 0, 0xb9, 5, 0, 0, 0, 0xba, 0xf8, 3, 0, 0, 0xf3, 0x6e, 0xf4);     /* rep outsb from 0x20000 */
    memcpy(memory + 0x20000, "hello", 5);
    char text[6] = "";
    unsigned n = 0;
    while (go() == KVM_EXIT_IO)
        for (unsigned i = 0; i < run->io.count; i++) text[n++] = ((char *)run + run->io.data_offset)[i];
    CHECK(run->exit_reason == KVM_EXIT_HLT && n == 5 && !strcmp(text, "hello") && regs().rcx == 0 && regs().rsi == 0x20005);
}

static void an_access_outside_memory_is_the_monitors(void) {
    /* mov edi, 0x10000000; mov dword [rdi], 0x11223344; movzx eax, byte [rdi + 4]; hlt */
    MACHINE(0xbf, 0, 0, 0, 0x10, 0xc7, 0x07, 0x44, 0x33, 0x22, 0x11, 0x0f, 0xb6, 0x47, 4, 0xf4);
    CHECK(go() == KVM_EXIT_MMIO && run->mmio.is_write && run->mmio.phys_addr == 0x10000000 && run->mmio.len == 4);
    CHECK(*(unsigned *)run->mmio.data == 0x11223344);
    CHECK(go() == KVM_EXIT_MMIO && !run->mmio.is_write && run->mmio.phys_addr == 0x10000004 && run->mmio.len == 1);
    run->mmio.data[0] = 0x5a;
    CHECK(go() == KVM_EXIT_HLT && regs().rax == 0x5a);
}

static void memory_is_the_monitors_own(void) {
    MACHINE(0x48, 0x8b, 4, 0x25, 0, 0, 3, 0, 0x48, 0xff, 0xc0, 0x48, 0x89, 4, 0x25, 8, 0, 3, 0, 0xf4);   /* [0x30008] = [0x30000] + 1 */
    *(unsigned long *)(memory + 0x30000) = 0xabcdef;
    CHECK(go() == KVM_EXIT_HLT && *(unsigned long *)(memory + 0x30008) == 0xabcdf0);
}

static void registers_are_kept(void) {
    MACHINE(0x4d, 0x01, 0xf8, 0xf4);                            /* add r8, r15; hlt */
    struct kvm_regs r = regs();
    r.r8 = 5, r.r15 = 7, r.rbp = 99, r.rdi = 1, r.r12 = ~0ULL;
    CHECK(ioctl(vcpu, KVM_SET_REGS, &r) == 0 && go() == KVM_EXIT_HLT);
    r = regs();
    CHECK(r.r8 == 12 && r.r15 == 7 && r.rbp == 99 && r.rdi == 1 && r.r12 == ~0ULL);
}

static void vector_registers_are_the_guests(void) {
    MACHINE(0x66, 0x0f, 0xef, 0xc0, 0xf4);                      /* pxor xmm0, xmm0; hlt */
    struct kvm_sregs s;
    CHECK(ioctl(vcpu, KVM_GET_SREGS, &s) == 0);
    s.cr4 |= 0x600;
    CHECK(ioctl(vcpu, KVM_SET_SREGS, &s) == 0);
    struct kvm_fpu f;
    CHECK(ioctl(vcpu, KVM_GET_FPU, &f) == 0);
    memset(f.xmm, 0xaa, sizeof(f.xmm));
    CHECK(ioctl(vcpu, KVM_SET_FPU, &f) == 0);
    unsigned long mine = 0x1234567, after = 0;
    asm volatile("movq %0, %%xmm5" :: "r"(mine));
    CHECK(go() == KVM_EXIT_HLT);
    asm volatile("movq %%xmm5, %0" : "=r"(after));
    (void)after;                                                /* between the two the C library may have used it */
    CHECK(ioctl(vcpu, KVM_GET_FPU, &f) == 0 && f.xmm[0][0] == 0 && f.xmm[1][0] == 0xaa && f.xmm[15][15] == 0xaa);
}

static void a_triple_fault_shuts_down(void) {
    MACHINE(0x0f, 0x0b);                                        /* ud2, and no IDT */
    CHECK(go() == KVM_EXIT_SHUTDOWN);
}

static void cpuid_is_what_the_monitor_says(void) {
    MACHINE(0xb8, 0, 0, 0, 0x40, 0x0f, 0xa2, 0xf4);             /* mov eax, 0x40000000; cpuid; hlt */
    struct { struct kvm_cpuid2 head; struct kvm_cpuid_entry2 entry[1]; } list = { .head.nent = 1 };
    list.entry[0] = (struct kvm_cpuid_entry2){ .function = 0x40000000, .eax = 1, .ebx = 0x11, .ecx = 0x22, .edx = 0x33 };
    CHECK(ioctl(vcpu, KVM_SET_CPUID2, &list) == 0 && go() == KVM_EXIT_HLT);
    CHECK(regs().rax == 1 && regs().rbx == 0x11 && regs().rcx == 0x22 && regs().rdx == 0x33);
}

static void an_interrupt_is_taken_when_allowed(void) {
    /* lidt [0x30000]; cli; hlt; sti; nop; jmp $    handler at 0x11000: mov eax, 7; hlt */
    MACHINE(0x0f, 0x01, 0x1c, 0x25, 0, 0, 3, 0, 0xf4, 0xfb, 0x90, 0xeb, 0xfe);
    memcpy(memory + 0x11000, "\xb8\x07\0\0\0\xf4", 6);
    *(unsigned short *)(memory + 0x30000) = 0xfff;
    *(unsigned long *)(memory + 0x30002) = 0x31000;
    unsigned long *gate = (unsigned long *)(memory + 0x31000 + 16 * 0x40);
    gate[0] = 0x11000 & 0xffff | 8UL << 16 | 0x8e00UL << 32 | (0x11000UL >> 16) << 48;
    unsigned long *gdt = (unsigned long *)(memory + 0x32000);
    gdt[1] = 0x00af9b000000ffff, gdt[2] = 0x00cf93000000ffff;
    struct kvm_sregs s;
    CHECK(ioctl(vcpu, KVM_GET_SREGS, &s) == 0);
    s.gdt.base = 0x32000, s.gdt.limit = 23;
    CHECK(ioctl(vcpu, KVM_SET_SREGS, &s) == 0 && go() == KVM_EXIT_HLT);
    CHECK(!run->if_flag && !run->ready_for_interrupt_injection);
    run->request_interrupt_window = 1;
    CHECK(go() == KVM_EXIT_IRQ_WINDOW_OPEN && run->ready_for_interrupt_injection);
    run->request_interrupt_window = 0;
    struct kvm_interrupt interrupt = { 0x40 };
    CHECK(ioctl(vcpu, KVM_INTERRUPT, &interrupt) == 0 && go() == KVM_EXIT_HLT && regs().rax == 7);
}

static void nothing(int signo) { (void)signo; }

static void a_signal_ends_the_run(void) {
    MACHINE(0xeb, 0xfe);                                        /* jmp $ */
    struct sigaction action = { .sa_handler = nothing };
    sigaction(SIGALRM, &action, NULL);
    ualarm(20000, 0);
    errno = 0;
    CHECK(ioctl(vcpu, KVM_RUN, 0) == -1 && errno == EINTR && run->exit_reason == KVM_EXIT_INTR);
    run->immediate_exit = 1;
    CHECK(ioctl(vcpu, KVM_RUN, 0) == -1 && errno == EINTR);
}

static void written_pages_are_logged(void) {
    MACHINE(0xc6, 4, 0x25, 0, 0, 3, 0, 1, 0xf4, 0xc6, 4, 0x25, 0, 0x10, 3, 0, 1, 0xf4);     /* bytes at 0x30000, then 0x31000 */
    struct kvm_userspace_memory_region region = { .slot = 0, .flags = KVM_MEM_LOG_DIRTY_PAGES, .memory_size = MEMORY, .userspace_addr = (unsigned long)memory };
    CHECK(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) == 0);
    unsigned long map[MEMORY / 4096 / 64];
    struct kvm_dirty_log log = { .slot = 0, .dirty_bitmap = map };
    CHECK(go() == KVM_EXIT_HLT && ioctl(vm, KVM_GET_DIRTY_LOG, &log) == 0 && map[0] & 1UL << 0x30 && !(map[0] & 1UL << 0x31));
    CHECK(go() == KVM_EXIT_HLT && ioctl(vm, KVM_GET_DIRTY_LOG, &log) == 0 && !(map[0] & 1UL << 0x30) && map[0] & 1UL << 0x31);
}

/* What a monitor writes over the shared page between two runs is not what the kernel goes on with. */
static void what_the_shared_page_says_is_not_believed(void) {
    /* in eax, 0x60; mov edi, 0x10000000; movzx ebx, byte [rdi]; out 0x60, al; hlt */
    MACHINE(0xe5, 0x60, 0xbf, 0, 0, 0, 0x10, 0x0f, 0xb6, 0x1f, 0xe6, 0x60, 0xf4);
    CHECK(go() == KVM_EXIT_IO && run->io.direction == KVM_EXIT_IO_IN);
    unsigned *data = (unsigned *)((char *)run + run->io.data_offset);
    *data = 0x12345678;
    run->exit_reason = KVM_EXIT_SHUTDOWN, run->io.direction = KVM_EXIT_IO_OUT, run->io.size = 255, run->io.count = ~0u, run->io.data_offset = 1UL << 40, run->io.port = 1;
    CHECK(go() == KVM_EXIT_MMIO && regs().rax == 0x12345678 && !run->mmio.is_write);
    run->mmio.data[0] = 0x5a;
    run->exit_reason = KVM_EXIT_HLT, run->mmio.phys_addr = 0, run->mmio.len = ~0u, run->mmio.is_write = 1;
    CHECK(go() == KVM_EXIT_IO && regs().rbx == 0x5a && run->io.direction == KVM_EXIT_IO_OUT && run->io.size == 1);
    run->io.size = 255, run->io.count = ~0u;
    CHECK(go() == KVM_EXIT_HLT && *(unsigned long *)memory == 0);
}

static void another_process_cannot_run_it(void) {
    MACHINE(0xf4);
    pid_t child = fork();
    if (!child) _exit(ioctl(vcpu, KVM_RUN, 0) == -1 && errno == EIO ? 0 : 1);
    int how;
    CHECK(waitpid(child, &how, 0) == child && how == 0 && go() == KVM_EXIT_HLT);
}

static void bad_arguments_are_refused(void) {
    MACHINE(0xf4);
    struct kvm_userspace_memory_region region = { .slot = 1, .guest_phys_addr = 0x1000, .memory_size = 0x1000, .userspace_addr = (unsigned long)memory };
    CHECK(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) == -1 && errno == EEXIST);
    region.guest_phys_addr = MEMORY + 1;
    CHECK(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) == -1 && errno == EINVAL);
    CHECK(ioctl(vm, KVM_SET_USER_MEMORY_REGION, (void *)8) == -1 && errno == EFAULT);
    CHECK(ioctl(vm, KVM_CREATE_VCPU, 0) == -1 && errno == EEXIST);
    CHECK(ioctl(vcpu, KVM_SET_REGS, (void *)8) == -1 && errno == EFAULT);
    CHECK(ioctl(kvm, KVM_GET_API_VERSION, 1) == -1 && errno == EINVAL);
    CHECK(ioctl(kvm, 0x1234, 0) == -1 && errno == EINVAL);
    CHECK(ioctl(vm, 0x1234, 0) == -1 && errno == ENOTTY);
    CHECK(ioctl(vcpu, 0x1234, 0) == -1 && errno == EINVAL);
}

static void limits_are_kept(void) {
    MACHINE(0xf4);
    struct kvm_userspace_memory_region region = { .slot = 1, .flags = 1 << 10, .guest_phys_addr = MEMORY, .memory_size = 0x1000, .userspace_addr = (unsigned long)memory };
    FAILS(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), EINVAL);
    region.flags = 0, region.slot = 1 << 20;
    FAILS(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), EINVAL);
    region.slot = 1, region.memory_size = 0;                    /* taken away, and not there */
    FAILS(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), EINVAL);
    region.memory_size = 0x1000, region.userspace_addr = 0xffff800000000000;
    FAILS(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), EINVAL);
    FAILS(ioctl(vm, KVM_CREATE_VCPU, 1 << 20), EINVAL);
    struct kvm_sregs s, good;
    CHECK(ioctl(vcpu, KVM_GET_SREGS, &good) == 0);
    s = good, s.cr4 &= ~0x20;                                   /* long mode without PAE */
    FAILS(ioctl(vcpu, KVM_SET_SREGS, &s), EINVAL);
    struct kvm_msrs msrs = { .nmsrs = 256 };
    FAILS(ioctl(vcpu, KVM_SET_MSRS, &msrs), E2BIG);
    struct kvm_cpuid2 cpuid = { .nent = 100000 };
    FAILS(ioctl(vcpu, KVM_SET_CPUID2, &cpuid), E2BIG);
    CHECK(ioctl(vcpu, KVM_GET_SREGS, &s) == 0 && !memcmp(&s, &good, sizeof(s)) && go() == KVM_EXIT_HLT);
}
/* Some versions of Linux take these. */
static void what_no_processor_has_is_refused(void) {
    MACHINE(0xf4);
    struct kvm_sregs s, good;
    CHECK(ioctl(vcpu, KVM_GET_SREGS, &good) == 0);
    s = good, s.efer |= 1 << 5;
    FAILS(ioctl(vcpu, KVM_SET_SREGS, &s), EINVAL);
    s = good, s.cr0 |= 1UL << 40;
    FAILS(ioctl(vcpu, KVM_SET_SREGS, &s), EINVAL);
    close(vcpu), close(vm);
    CHECK((vm = ioctl(kvm, KVM_CREATE_VM, 0)) >= 0 && ioctl(vm, KVM_CREATE_IRQCHIP, 0) == 0);
    struct kvm_irq_level none = { .irq = 100000, .level = 1 };
    FAILS(ioctl(vm, KVM_IRQ_LINE, &none), EINVAL);
}
static void another_process_does_not_configure_it(void) {
    MACHINE(0xf4);
    pid_t child = fork();
    if (!child) {
        struct kvm_userspace_memory_region region = { .slot = 1, .guest_phys_addr = MEMORY, .memory_size = 0x1000, .userspace_addr = (unsigned long)memory };
        FAILS(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), EIO);
        FAILS(ioctl(vcpu, KVM_RUN, 0), EIO);
        _exit(0);
    }
    CHECK(exit_of(child) == 0 && go() == KVM_EXIT_HLT);
}

/* With the controllers in the kernel: what VMMs for Linux switch on. */
static void machine_with_controllers(const void *code, size_t size) {
    machine(code, size, 0);
    close(vcpu), close(vm);
    CHECK((vm = ioctl(kvm, KVM_CREATE_VM, 0)) >= 0);
    struct kvm_userspace_memory_region region = { .slot = 0, .guest_phys_addr = 0, .memory_size = MEMORY, .userspace_addr = (unsigned long)memory };
    CHECK(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) == 0);
    CHECK(ioctl(vm, KVM_CREATE_IRQCHIP, 0) == 0);
    FAILS(ioctl(vm, KVM_CREATE_IRQCHIP, 0), EEXIST);
    struct kvm_pit_config pit = { 0 };
    CHECK(ioctl(vm, KVM_CREATE_PIT2, &pit) == 0);
    CHECK((vcpu = ioctl(vm, KVM_CREATE_VCPU, 0)) >= 0);
    run = mmap(NULL, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    CHECK(run != MAP_FAILED);
    struct kvm_sregs s;
    CHECK(ioctl(vcpu, KVM_GET_SREGS, &s) == 0);
    struct kvm_segment flat = { .limit = 0xffffffff, .selector = 0x10, .type = 3, .present = 1, .db = 1, .s = 1, .g = 1 };
    s.ds = s.es = s.ss = s.fs = s.gs = flat;
    s.cs = flat, s.cs.selector = 8, s.cs.type = 11, s.cs.db = 0, s.cs.l = 1;
    s.cr3 = 0x1000, s.cr4 = 0x20, s.cr0 = 0x80000011, s.efer = 0x500;
    *(unsigned long *)(memory + 0x2018) = 0x7007;          /* the fourth GiB, where the controllers are */
    for (unsigned long i = 0; i < 512; i++) *(unsigned long *)(memory + 0x7000 + 8 * i) = 0xc0000000 + (i << 21) | 0x97;
    /* A gate for vector 40h that leads to 11000h; the segments' descriptors at 5000h. */
    *(unsigned long *)(memory + 0x5008) = 0x00af9b000000ffff;
    *(unsigned long *)(memory + 0x5010) = 0x00cf93000000ffff;
    *(unsigned long *)(memory + 0x6000 + 0x40 * 16) = 0x00008e0000081000 | 0x1UL << 48;
    s.gdt.base = 0x5000, s.gdt.limit = 0x17, s.idt.base = 0x6000, s.idt.limit = 0xfff;
    CHECK(ioctl(vcpu, KVM_SET_SREGS, &s) == 0);
    struct kvm_regs r = { .rip = CODE, .rsp = 0x20000, .rflags = 2 };
    CHECK(ioctl(vcpu, KVM_SET_REGS, &r) == 0);
}

/* mov eax, 'a' + 1; out 0x80, al; iretq */
static const unsigned char handler[] = { 0xb0, 'b', 0xe6, 0x80, 0x48, 0xcf };

static void a_line_interrupts_through_the_controllers(void) {
    /* mov al, 0xff; out 0x21, al; out 0xa1, al; mov edi, 0xfee000f0; mov dword [rdi], 0x1ff (APIC on); mov edi, 0xfec00000; mov dword [rdi], 0x1a; mov dword [rdi+16], 0x40
     * (pin 5: vector 40h, edge); sti; hlt; mov al, 'c'; out 0x80, al */
    static const unsigned char code[] = { 0xb0, 0xff, 0xe6, 0x21, 0xe6, 0xa1, 0xbf, 0xf0, 0, 0xe0, 0xfe, 0xc7, 7, 0xff, 1, 0, 0, 0xbf, 0, 0, 0xc0, 0xfe, 0xc7, 7, 0x1a, 0, 0, 0,
                                          0xc7, 0x47, 0x10, 0x40, 0, 0, 0, 0xe6, 0x81, 0xfb, 0xf4, 0xb0, 'c', 0xe6, 0x80 };
    machine_with_controllers(code, sizeof(code));
    memcpy(memory + 0x11000, handler, sizeof(handler));
    CHECK(go() == KVM_EXIT_IO && run->io.port == 0x81);
    struct kvm_irq_level line = { .irq = 5, .level = 1 };
    CHECK(ioctl(vm, KVM_IRQ_LINE, &line) == 0);
    CHECK(go() == KVM_EXIT_IO && run->io.port == 0x80 && ((char *)run)[run->io.data_offset] == 'b');
    CHECK(go() == KVM_EXIT_IO && run->io.port == 0x80 && ((char *)run)[run->io.data_offset] == 'c');
}

static void the_apic_timer_wakes_a_halted_guest(void) {
    /* APIC on; LVT timer = 40h, one shot; divide by 1; initial count 100000; sti; hlt; mov al, 'c'; out 0x80, al */
    static const unsigned char code[] = { 0xbf, 0xf0, 0, 0xe0, 0xfe, 0xc7, 7, 0xff, 1, 0, 0, 0xbf, 0x20, 3, 0xe0, 0xfe, 0xc7, 7, 0x40, 0, 0, 0,
                                          0xbf, 0xe0, 3, 0xe0, 0xfe, 0xc7, 7, 0xb, 0, 0, 0, 0xbf, 0x80, 3, 0xe0, 0xfe, 0xc7, 7, 0xa0, 0x86, 1, 0,
                                          0xfb, 0xf4, 0xb0, 'c', 0xe6, 0x80 };
    machine_with_controllers(code, sizeof(code));
    memcpy(memory + 0x11000, handler, sizeof(handler));
    CHECK(go() == KVM_EXIT_IO && run->io.port == 0x80 && ((char *)run)[run->io.data_offset] == 'b');
    CHECK(go() == KVM_EXIT_IO && run->io.port == 0x80 && ((char *)run)[run->io.data_offset] == 'c');
}

static void memory_that_changes_hands_is_followed(void) {
    MACHINE(0x8a, 4, 0x25, 0, 0, 3, 0, 0xe6, 0x80, 0xeb, 0xf5);     /* mov al, [0x30000]; out 0x80, al; jmp back */
#define SEES(value) CHECK(go() == KVM_EXIT_IO && ((unsigned char *)run)[run->io.data_offset] == (value))
    memory[0x30000] = 7;
    SEES(7);
    CHECK(mmap(memory + 0x30000, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
    SEES(0);
    int child = fork();
    if (!child) {
        memory[0x30000] = 9;
        _exit(0);
    }
    memory[0x30000] = 8;                    /* copied on write: the guest sees ours */
    CHECK(exit_of(child) == 0);
    SEES(8);
}

/* Nothing an address or a size can be is more than an error. */
static void random_structures_do_no_harm(void) {
    MACHINE(0xf4);
    unsigned long x = 88172645463325252;
    for (int i = 0; i < 2000; i++) {
        unsigned long words[32];
        for (int k = 0; k < 32; k++) x ^= x << 13, x ^= x >> 7, x ^= x << 17, words[k] = i & 1 ? x : x & 0xfff;
        unsigned commands[] = { KVM_SET_USER_MEMORY_REGION, KVM_IRQ_LINE, KVM_GET_DIRTY_LOG, KVM_SET_SREGS, KVM_SET_REGS, KVM_SET_FPU,
                                KVM_SET_MSRS, KVM_SET_CPUID2, KVM_INTERRUPT };
        unsigned c = commands[x % 9];
        ioctl(c == KVM_SET_USER_MEMORY_REGION || c == KVM_IRQ_LINE || c == KVM_GET_DIRTY_LOG ? vm : vcpu, c, i % 7 ? (long)words : (long)x);
    }
    close(vcpu), close(vm);
    MACHINE(0xf4);
    CHECK(go() == KVM_EXIT_HLT);
}

static const struct property all[] = {
    T(halt_is_an_exit), T(a_port_write_reaches_the_monitor), T(a_port_read_is_answered), T(a_string_goes_out_whole),
    T(an_access_outside_memory_is_the_monitors), T(memory_is_the_monitors_own), T(registers_are_kept), T(vector_registers_are_the_guests),
    T(a_triple_fault_shuts_down), T(cpuid_is_what_the_monitor_says), T(an_interrupt_is_taken_when_allowed), T(a_signal_ends_the_run),
    T(written_pages_are_logged), T(another_process_cannot_run_it), T(what_the_shared_page_says_is_not_believed), T(bad_arguments_are_refused), T(limits_are_kept), T(what_no_processor_has_is_refused), T(another_process_does_not_configure_it),
    T(a_line_interrupts_through_the_controllers), T(the_apic_timer_wakes_a_halted_guest), T(memory_that_changes_hands_is_followed), T(random_structures_do_no_harm), { 0 }
};

int main(int argc, char **argv) { return run_properties(all, argc, argv); }
