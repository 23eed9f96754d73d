/* The machine: KVM's part of it, and what its exits ask for. */
#include "vmm.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define DEBUG_EXIT 0xf4                     /* QEMU's isa-debug-exit: the status */
#define KEYBOARD 0x64                       /* FEh: reset */
#define CMOS 0x70
#define CPUID_ENTRIES 256

int vm = -1;
uint8_t *ram;
size_t ram_size;
pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int vcpu = -1;
static struct kvm_run *run;
static pthread_t runner;
static volatile bool stopping;

static void woken(int unused) {}

static int make(int fd, unsigned long command, const char *what) {
    int made = ioctl(fd, command, 0);
    if (made < 0) fail("KVM made no %s: %s", what, strerror(errno));
    return made;
}

void interrupt_line(int pin, bool level) {
    struct kvm_irq_level line = { .irq = pin, .level = level };
    ioctl(vm, KVM_IRQ_LINE, &line);
}

void machine_create(const struct options *o) {
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0) fail("can't open /dev/kvm: %s; the kernel needs a processor with virtualization, and you the right to use it", strerror(errno));
    int version = ioctl(kvm, KVM_GET_API_VERSION, 0);
    if (version != KVM_API_VERSION) fail("/dev/kvm has version %d of its interface, not %d", version, KVM_API_VERSION);
    vm = make(kvm, KVM_CREATE_VM, "machine");
    ram_size = o->memory;
    ram = mmap(NULL, ram_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (ram == MAP_FAILED) fail("no memory for a machine of %zu MiB; give it less with --memory", ram_size >> 20);
    struct kvm_userspace_memory_region region = { .memory_size = ram_size, .userspace_addr = (uintptr_t)ram };
    if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region)) fail("KVM did not take the memory: %s", strerror(errno));
    ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000);        /* only Intel's processors need it */
    struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
    make(vm, KVM_CREATE_IRQCHIP, "interrupt controller");
    if (ioctl(vm, KVM_CREATE_PIT2, &pit)) fail("KVM made no timer: %s", strerror(errno));
    vcpu = make(vm, KVM_CREATE_VCPU, "processor");
    int shared = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    run = mmap(NULL, shared, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    if (run == MAP_FAILED) fail("the processor's page can't be mapped: %s", strerror(errno));
    struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + CPUID_ENTRIES * sizeof(*cpuid->entries));
    if (!cpuid) fail("no memory");
    cpuid->nent = CPUID_ENTRIES;
    if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, cpuid) || ioctl(vcpu, KVM_SET_CPUID2, cpuid)) fail("KVM did not take CPUID: %s", strerror(errno));
    free(cpuid);
    close(kvm);
}

/* 32-bit protected mode without paging, as PVH wants it. */
static void set_registers(struct entry e) {
    struct kvm_sregs s;
    if (ioctl(vcpu, KVM_GET_SREGS, &s)) fail("KVM tells no registers: %s", strerror(errno));
    struct kvm_segment data = { .limit = 0xffffffff, .selector = 16, .type = 3, .present = 1, .db = 1, .s = 1, .g = 1 };
    struct kvm_segment code = data, task = { .limit = 0x67, .selector = 24, .type = 11, .present = 1 };
    code.selector = 8, code.type = 11;
    s.cs = code;
    s.ds = s.es = s.fs = s.gs = s.ss = data;
    s.tr = task;
    s.cr0 = 0x11, s.cr4 = 0, s.efer = 0;
    struct kvm_regs r = { .rip = e.rip, .rbx = e.start_info, .rflags = 2 };
    if (ioctl(vcpu, KVM_SET_SREGS, &s) || ioctl(vcpu, KVM_SET_REGS, &r)) fail("KVM did not take the registers: %s", strerror(errno));
}

static uint8_t cmos(uint8_t index) {
    time_t now = time(NULL);
    struct tm t;
    gmtime_r(&now, &t);
    int value;
    switch (index) {
    case 0: value = t.tm_sec; break;
    case 2: value = t.tm_min; break;
    case 4: value = t.tm_hour; break;
    case 7: value = t.tm_mday; break;
    case 8: value = t.tm_mon + 1; break;
    case 9: value = t.tm_year % 100; break;
    case 0x32: value = 19 + t.tm_year / 100; break;
    case 0x0b: return 2;                    /* 24 hours, BCD */
    default: return 0;
    }
    return value / 10 << 4 | value % 10;
}

/* Status, or -1 to go on. */
static int port(unsigned number, int size, uint8_t *data, bool write) {
    static uint8_t cmos_index;
    bool serial = number >= SERIAL_PORT && number < SERIAL_PORT + 8;
    if (!write) memset(data, serial || number == CMOS + 1 ? 0 : 0xff, size);
    if (serial && write) serial_write(number - SERIAL_PORT, *data);
    else if (serial) *data = serial_read(number - SERIAL_PORT);
    else if (number == CMOS && write) cmos_index = *data & 0x7f;
    else if (number == CMOS + 1 && !write) *data = cmos(cmos_index);
    else if (number == DEBUG_EXIT && write) return *data;
    else if (number == KEYBOARD && write && *data == 0xfe) return 0;
    return -1;
}

static void memory_access(uint64_t address, unsigned size, uint8_t *data, bool write) {
    bool disk = address >= DISK_ADDRESS && address + size <= DISK_ADDRESS + DISK_SIZE && size <= 4;
    uint32_t value = 0;
    if (write) {
        memcpy(&value, data, size < 4 ? size : 4);
        if (disk) disk_store(address - DISK_ADDRESS, size, value);
        return;
    }
    memset(data, 0xff, size);
    if (!disk) return;
    value = disk_load(address - DISK_ADDRESS, size);
    memcpy(data, &value, size);
}

/* It ends with a status of its own: 128 and more is what the shell would take for a signal. */
static int ended(const char *why) {
    struct kvm_regs r = { 0 };
    ioctl(vcpu, KVM_GET_REGS, &r);
    fprintf(stderr, "vmm: the guest was stopped: %s, at RIP %#llx\n", why, (unsigned long long)r.rip);
    return 125;
}

static int handle_exit(void) {
    char why[80];
    int status = -1;
    pthread_mutex_lock(&lock);
    switch (run->exit_reason) {
    case KVM_EXIT_IO:
        for (uint32_t i = 0; i < run->io.count && status < 0; i++)
            status = port(run->io.port, run->io.size, (uint8_t *)run + run->io.data_offset + i * run->io.size, run->io.direction == KVM_EXIT_IO_OUT);
        break;
    case KVM_EXIT_MMIO:
        memory_access(run->mmio.phys_addr, run->mmio.len, run->mmio.data, run->mmio.is_write);
        break;
    case KVM_EXIT_INTR: case KVM_EXIT_IRQ_WINDOW_OPEN: break;
    case KVM_EXIT_HLT: status = ended("it halted with no interrupt to come"); break;
    case KVM_EXIT_SHUTDOWN: status = ended("triple fault"); break;
    case KVM_EXIT_FAIL_ENTRY: status = ended("the processor refused its state"); break;
    case KVM_EXIT_INTERNAL_ERROR: status = ended("KVM could not emulate an instruction"); break;
    default:
        snprintf(why, sizeof(why), "exit %u, which this monitor does not know", run->exit_reason);
        status = ended(why);
    }
    pthread_mutex_unlock(&lock);
    return status;
}

int machine_run(struct entry e) {
    struct sigaction action = { .sa_handler = woken };
    sigaction(SIGUSR1, &action, NULL);
    runner = pthread_self();
    set_registers(e);
    for (;;) {
        if (stopping) return 0;
        int error = ioctl(vcpu, KVM_RUN, 0) ? errno : 0;
        if (error && error != EINTR && error != EAGAIN) fail("the processor does not run: %s", strerror(error));
        int status = error ? -1 : handle_exit();
        if (status >= 0) return status;
    }
}

void machine_stop(void) {
    stopping = true;
    run->immediate_exit = 1;
    pthread_kill(runner, SIGUSR1);
}
