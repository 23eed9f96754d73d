/* The processor, by Linux's KVM: what it is made of, how the guest begins, and who answers when it comes out. */
#include "vmm.h"
#include <linux/kvm.h>
#include <signal.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define CPUID_MOST 256

static int vm, vcpu;
static struct kvm_run *run;
static pthread_t runner;
static volatile bool over;
static const char *volatile stopped;        /* by whom, if from outside */
static int ended = -1;                      /* the status the guest ended with */
static char crash[128];                     /* or why it could not go on */

static int kvm_or_die(const char *what, int result) {
    if (result < 0) die("%s: %s", what, strerror(errno));
    return result;
}
#define KVM(fd, command, argument) kvm_or_die(#command, ioctl(fd, command, argument))

/* What the host's processor has, without machines inside the guest, and as the only processor there is. */
static void set_cpuid(int kvm) {
    struct kvm_cpuid2 *list = calloc(1, sizeof(*list) + CPUID_MOST * sizeof(*list->entries));
    if (!list) die("no memory");
    list->nent = CPUID_MOST;
    KVM(kvm, KVM_GET_SUPPORTED_CPUID, list);
    bool deadline = ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0;
    for (u32 i = 0; i < list->nent; i++) {
        struct kvm_cpuid_entry2 *e = &list->entries[i];
        if (e->function == 1) e->ebx &= 0xffff, e->ebx |= 1 << 16, e->ecx &= ~(1u << 5), e->ecx |= deadline << 24;
        if (e->function == 0xb || e->function == 0x1f) e->edx = 0;
        if (e->function == 0x80000001) e->ecx &= ~(1u << 2);
    }
    KVM(vcpu, KVM_SET_CPUID2, list);
    free(list);
}

bool machine_stopping(void) { return over; }

void machine_stop(const char *why) {
    if (!over && ended < 0) stopped = why;
    over = true;
    run->immediate_exit = 1;
    if (!pthread_equal(pthread_self(), runner)) pthread_kill(runner, SIGUSR1);      /* out of whatever it waits in */
}

static void interrupted(int signal) {
    if (signal != SIGUSR1) machine_stop("ended by a signal");
}

void machine_new(void) {
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0) die("/dev/kvm can't be opened: %s; this computer or its kernel makes no virtual machines, or not for you", strerror(errno));
    if (ioctl(kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) die("/dev/kvm is no KVM of version %d", KVM_API_VERSION);
    vm = KVM(kvm, KVM_CREATE_VM, 0);
    KVM(vm, KVM_SET_TSS_ADDR, 0xfffbd000);  /* three pages that Intel's processors want, where nothing else is */
    KVM(vm, KVM_CREATE_IRQCHIP, 0);
    struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
    KVM(vm, KVM_CREATE_PIT2, &pit);
    struct kvm_userspace_memory_region ram = { .memory_size = ram_size, .userspace_addr = (u64)ram_at(0, 0) };
    KVM(vm, KVM_SET_USER_MEMORY_REGION, &ram);
    vcpu = KVM(vm, KVM_CREATE_VCPU, 0);
    set_cpuid(kvm);
    run = mmap(NULL, KVM(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    if (run == MAP_FAILED) die("the processor's page can't be mapped: %s", strerror(errno));
    close(kvm);
    struct sigaction action = { .sa_handler = interrupted };
    runner = pthread_self();
    for (const int *s = (const int[]){ SIGUSR1, SIGTERM, SIGINT, SIGHUP, 0 }; *s; s++) sigaction(*s, &action, NULL);
}

/* As PVH has it: 32 bits, no paging, flat segments, interrupts off. */
void machine_start(struct entry entry) {
    struct kvm_sregs s;
    KVM(vcpu, KVM_GET_SREGS, &s);
    s.ds = (struct kvm_segment){ .limit = 0xffffffff, .selector = 0x10, .type = 3, .present = 1, .db = 1, .s = 1, .g = 1 };
    s.es = s.fs = s.gs = s.ss = s.cs = s.ds;
    s.cs.selector = 8, s.cs.type = 11;
    s.tr = (struct kvm_segment){ .limit = 0x67, .selector = 0x18, .type = 11, .present = 1 };
    s.cr0 = 0x11, s.cr3 = s.cr4 = s.efer = 0;
    KVM(vcpu, KVM_SET_SREGS, &s);
    struct kvm_regs r = { .rip = entry.rip, .rbx = entry.rbx, .rflags = 2 };
    KVM(vcpu, KVM_SET_REGS, &r);
}

void machine_irq(unsigned line, bool level) {
    struct kvm_irq_level l = { .irq = line, .level = level };
    ioctl(vm, KVM_IRQ_LINE, &l);
}

static void end(int status) {
    ended = status;
    over = true;
}

static u8 port_in(u16 port) {
    if (port - SERIAL_PORT < 8u) return serial_read(port - SERIAL_PORT);
    if (port == 0x70 || port == 0x71) return rtc_read(port);
    if (port == 0x60 || port == 0x64) return 0;             /* of the keyboard controller, its reset alone */
    return 0xff;
}

static void port_out(u16 port, u8 value) {
    if (port - SERIAL_PORT < 8u) serial_write(port - SERIAL_PORT, value);
    else if (port == 0x70 || port == 0x71) rtc_write(port, value);
    else if (port == 0x64 && value == 0xfe) {
        over = true;
        strcpy(crash, "the guest asked for a reset");
    }
}

/* Debug exit and power-off take their widths; everything else is bytes side by side. */
static void port_io(u16 port, u8 *data, unsigned size, bool out) {
    if (out && port == 0xf4) end(data[0]);
    else if (out && port == 0x604 && size >= 2) {
        if ((data[1] & 0x3c) == 0x20) end(0);
    } else for (unsigned i = 0; i < size; i++) {
        if (out) port_out(port + i, data[i]);
        else data[i] = port_in(port + i);
    }
}

static void mmio(u64 address, u8 *data, unsigned size, bool write) {
    u64 at = address - VIRTIO_BASE;
    u32 value = 0;
    if (at >= VIRTIO_WINDOW * VIRTIO_WINDOWS || size > 4) {
        if (!write) memset(data, 0xff, size);
        return;
    }
    memcpy(&value, data, size);
    if (write) virtio_write(at / VIRTIO_WINDOW, at % VIRTIO_WINDOW, size, value);
    else value = virtio_read(at / VIRTIO_WINDOW, at % VIRTIO_WINDOW, size), memcpy(data, &value, size);
}

static void give_up(const char *reason) {
    struct kvm_regs r = { 0 };
    ioctl(vcpu, KVM_GET_REGS, &r);
    snprintf(crash, sizeof(crash), "%s at rip %#llx", reason, r.rip);
    over = true;
}

static void answer(void) {
    static char text[80];
    switch (run->exit_reason) {
    case KVM_EXIT_IO:
        for (u32 i = 0; i < run->io.count && !over; i++)
            port_io(run->io.port, (u8 *)run + run->io.data_offset + i * run->io.size, run->io.size, run->io.direction == KVM_EXIT_IO_OUT);
        break;
    case KVM_EXIT_MMIO: mmio(run->mmio.phys_addr, run->mmio.data, MIN(run->mmio.len, 8u), run->mmio.is_write); break;
    case KVM_EXIT_INTR: break;
    case KVM_EXIT_SHUTDOWN: give_up("the guest crashed: triple fault"); break;
    case KVM_EXIT_INTERNAL_ERROR: give_up("the guest stopped at an instruction that can't be carried out for it"); break;
    case KVM_EXIT_FAIL_ENTRY: give_up("the guest's processor is in a state it can't go on from"); break;
    case KVM_EXIT_HLT: give_up("the guest halted for good"); break;
    default:
        snprintf(text, sizeof(text), "the guest stopped for reason %u of KVM, which is handled nowhere", run->exit_reason);
        give_up(text);
    }
}

int machine_run(bool command) {
    while (!over) {
        if (!ioctl(vcpu, KVM_RUN, 0)) answer();
        else if (errno != EINTR && errno != EAGAIN) {
            snprintf(crash, sizeof(crash), "KVM_RUN: %s", strerror(errno));
            over = true;
        }
    }
    const char *reason = ended >= 0 ? NULL : stopped ? stopped : crash;
    console_close(reason);
    if (!reason) return ended;
    say("%s", reason);
    return command ? UNFINISHED : stopped ? 0 : 1;
}
