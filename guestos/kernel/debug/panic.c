/* The end of the kernel's life, made readable: reason, registers, page walk, backtrace. */
#include "arch.h"
#include "io.h"
#include "lib.h"
#include "mm.h"

extern const char image_start[], rodata_start[];
/* guestos/build.py's table of functions, in order of address: what is added to image_start, and names, each
 * terminated. It lies behind the code, so making it moves nothing. */
extern const u32 symbol_offsets[], symbol_count;
extern const char symbol_names[];

static const char *const exception_names[32] = {
    "divide error", "debug", "NMI", "breakpoint", "overflow", "bound", "invalid opcode", "no FPU",
    "double fault", "-", "invalid TSS", "segment not present", "stack fault", "general protection",
    "page fault", "-", "x87 error", "alignment check", "machine check", "SIMD error",
};

static bool readable(u64 va) {
    u64 *table = phys_to_virt(read_cr3() & PTE_ADDRESS);
    for (int shift = 39; shift >= 12; shift -= 9) {
        u64 entry = table[va >> shift & 511];
        if (!(entry & PTE_PRESENT)) return false;
        if (shift <= 30 && (entry & PTE_HUGE)) return true;
        table = phys_to_virt(entry & PTE_ADDRESS);
    }
    return true;
}

static void print_walk(u64 va) {
    static const char *const level[] = { "PML4E", "PDPTE", "PDE", "PTE" };
    u64 physical = read_cr3() & PTE_ADDRESS;
    for (int i = 0; i < 4; i++) {
        int shift = 39 - 9 * i;
        u64 at = physical + (va >> shift & 511) * 8, entry = *(u64 *)phys_to_virt(at);
        kerror("  %-5s at %012lx = %016lx%s%s%s%s\n", level[i], at, entry, entry & PTE_PRESENT ? " P" : " not present",
               entry & PTE_WRITE ? " W" : "", entry & PTE_USER ? " U" : "", entry & PTE_NX ? " NX" : "");
        if (!(entry & PTE_PRESENT) || (i && (entry & PTE_HUGE))) return;
        physical = entry & PTE_ADDRESS;
    }
}

static bool is_code(u64 address) { return address >= (u64)image_start && address < (u64)rodata_start; }

static void print_place(u64 address, bool returned_to) {
    const char *name = symbol_names;
    u64 offset = address - (u64)image_start, i = 0;
    for (; i + 1 < symbol_count && symbol_offsets[i + 1] <= offset - returned_to; i++) name += strlen(name) + 1;
    if (is_code(address)) kerror("  %016lx %s+0x%lx\n", address, name, offset - symbol_offsets[i]);
    else kerror("  %016lx\n", address);
}

/* Frame pointers are followed while they point up the stack, into readable kernel memory. */
static void print_backtrace(u64 rip, u64 rbp, u64 rsp) {
    kerror("backtrace (addr2line -e kernel.elf tells the lines):\n");
    print_place(rip, false);
    if (!is_code(rip) && readable(rsp)) print_place(*(u64 *)rsp, true); /* it was called, and has no frame */
    for (int depth = 0; depth < 24; depth++) {
        if (rbp < DIRECT_BASE || rbp & 7 || !readable(rbp) || !readable(rbp + 8)) break;
        u64 next = ((u64 *)rbp)[0], address = ((u64 *)rbp)[1];
        if (!is_code(address)) break;
        print_place(address, true);
        if (next <= rbp) break;
        rbp = next;
    }
}

static void print_frame(const struct trapframe *f) {
    kerror("rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", f->rax, f->rbx, f->rcx, f->rdx);
    kerror("rsi %016lx rdi %016lx rbp %016lx rsp %016lx\n", f->rsi, f->rdi, f->rbp, f->rsp);
    kerror("r8  %016lx r9  %016lx r10 %016lx r11 %016lx\n", f->r8, f->r9, f->r10, f->r11);
    kerror("r12 %016lx r13 %016lx r14 %016lx r15 %016lx\n", f->r12, f->r13, f->r14, f->r15);
    kerror("rip %016lx cs %02lx ss %02lx rflags %08lx cr2 %016lx cr3 %016lx\n", f->rip, f->cs, f->ss, f->rflags,
           read_cr2(), read_cr3());
}

static noreturn void end(const struct trapframe *f, const char *format, va_list ap) {
    static bool again;
    char reason[256];
    asm volatile("cli");
    if (again) machine_exit(0xfe);          /* a fault while printing the first one */
    again = true;
    vsnprintf(reason, sizeof(reason), format, ap);
    kerror("\nkernel panic: %s\n", reason);
    struct task *t = boot_cpu.running;
    if (t) kerror("task %d (%s)\n", t->pid, t->comm);
    if (f) {
        if (f->vector < 32)
            kerror("exception %ld (%s), error code %lx\n", f->vector, exception_names[f->vector], f->error);
        print_frame(f);
        if (f->vector == 14)
            kerror("%s of %016lx in %s mode:\n",
                   f->error & FAULT_FETCH ? "fetch" : f->error & FAULT_WRITE ? "write" : "read", read_cr2(),
                   f->error & FAULT_USER ? "user" : "kernel");
        if (f->vector == 14 || f->vector == 8) print_walk(read_cr2());
        print_backtrace(f->rip, f->rbp, f->rsp);
    } else {
        print_backtrace((u64)__builtin_return_address(0), *(u64 *)__builtin_frame_address(0), 0);
    }
    machine_exit(0xff);
}

noreturn void panic(const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    end(NULL, format, ap);
}

noreturn void panic_frame(const struct trapframe *f, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    end(f, format, ap);
}

/* ---- boot option crash=WHAT: the ways to end, so that one can see what is then said -------------------- */

__attribute__((noinline)) static u64 overflow(u64 depth) {
    volatile u64 room[32];
    room[depth & 31] = depth;
    return depth ? overflow(depth + 1) + room[0] : 0;
}

void crash_as_asked(void) {
    const char *how = cmdline_get("crash");
    if (!how) return;
    if (!strcmp(how, "null")) *(volatile u64 *)8 = 1;
    if (!strcmp(how, "stack")) overflow(1);
    if (!strcmp(how, "rodata")) *(volatile u8 *)symbol_names = 0;
    if (!strcmp(how, "execute")) ((void (*)(void))&boot_cpu)();
    if (!strcmp(how, "opcode")) asm volatile("ud2");
    ASSERT(strcmp(how, "assert"));
    panic("crash=%s: there are null, stack, rodata, execute, opcode and assert", how);
}

noreturn void machine_exit(u8 value) {
    asm volatile("cli");
    outb(0xf4, value);                      /* debug-exit device */
    outw(0x604, 0x2000);                    /* ACPI PM1a control: S5 */
    outb(0x64, 0xfe);                       /* keyboard controller: reset line */
    for (;;) asm volatile("hlt");
}
