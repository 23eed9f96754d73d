/* Rings 0 and 3: rounds of 34 system calls, 16 page faults, 16 INVLPG and one CR3 switch, under a 1 kHz timer.
 *
 * Two address spaces share one user program (system_traps.S). A round touches 16 absent pages (each faults
 * and is mapped), makes 16 small calls, unmaps the 16 pages by calls, moves to the other address space and
 * reports the round's sum. The timer's ticks depend on the host's clock on some peers and are no part of the
 * checksum; everything else is. */
#include "workload.h"

enum {
    PAGE = 4096, WINDOW_PAGES = 16, FRAMES = 2 * WINDOW_PAGES,
    PRESENT = 1, WRITABLE = 2, USER = 4,
    KERNEL_CODE = 0x08, KERNEL_DATA = 0x10, TASK = 0x30,
    CALL_ADD = 0, CALL_UNMAP = 1, CALL_SWITCH = 2, CALL_ROUND = 3,
    VECTOR_PAGE_FAULT = 14, VECTOR_TIMER = 0x20,
};

#define USER_BASE   0x40000000ull       /* program, then stack, then the window */
#define USER_STACK  (USER_BASE + 2 * PAGE)
#define WINDOW      (USER_BASE + 16 * PAGE)

/* The fields up to `user_stack` are known to system_traps.S by their offsets. */
static struct {
    uint64_t kernel_stack, user_stack;
    uint64_t rounds_left, checksum, calls, faults, window_calls;
    int current;
} state;

struct gate { uint16_t low, selector; uint8_t stack, type; uint16_t middle; uint32_t high, zero; };
struct task { uint32_t zero; uint64_t stack[3], reserved, ist[7], reserved2; uint16_t reserved3, io_map; } __attribute__((packed));

static struct gate gates[256];
static struct task task __attribute__((aligned(16)));
static uint8_t trap_stack[16384] __attribute__((aligned(16)));
static uint8_t user_stack[2][PAGE] __attribute__((aligned(PAGE)));
static uint8_t frames[FRAMES][PAGE] __attribute__((aligned(PAGE)));

struct space { uint64_t pml4[512], pdpt[512], directory[512], table[512]; };
static struct space spaces[2] __attribute__((aligned(PAGE)));

extern uint64_t pdpt[512], gdt[], parameters[2], timer_ticks;
extern uint8_t user_program[];
extern struct { uint16_t limit; uint64_t base; } __attribute__((packed)) gdt_pointer;
void system_call_entry(void), page_fault_entry(void), timer_entry(void), unexpected_entry(void);
void enter_user(uint64_t entry, uint64_t stack, uint64_t *resume);
_Noreturn void leave_user(uint64_t resume);
static uint64_t resume_stack;

static inline void out8(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
static inline void write_cr3(uint64_t value) { __asm__ volatile("mov %0, %%cr3" : : "r"(value) : "memory"); }
static inline void invlpg(uint64_t address) { __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory"); }

static inline void write_msr(uint32_t index, uint64_t value)
{
    __asm__ volatile("wrmsr" : : "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

static void set_gate(int vector, void (*entry)(void))
{
    uint64_t address = (uint64_t)entry;
    gates[vector] = (struct gate){ (uint16_t)address, KERNEL_CODE, 0, 0x8e, (uint16_t)(address >> 16), (uint32_t)(address >> 32), 0 };
}

static uint64_t *window_entry(uint64_t address)
{
    return &spaces[state.current].table[address / PAGE & 511];
}

uint64_t system_call(uint64_t call, uint64_t argument)
{
    state.calls++;
    switch (call) {
    case CALL_ADD:
        return argument + state.calls;
    case CALL_UNMAP:
        if (argument - WINDOW >= WINDOW_PAGES * PAGE)
            return ~0ull;
        *window_entry(argument) = 0;
        invlpg(argument);
        return 0;
    case CALL_SWITCH:
        state.current ^= 1;
        write_cr3((uint64_t)spaces[state.current].pml4);
        return (uint64_t)state.current;
    case CALL_ROUND:
        state.checksum = mix(state.checksum, argument + state.faults * 7 + state.calls);
        if (--state.rounds_left == 0)
            leave_user(resume_stack);
        return state.rounds_left;
    default:
        return ~0ull;
    }
}

/* Maps a frame where the program touched its window; any other fault ends the run with a checksum that says so. */
void page_fault(uint64_t address, uint64_t error)
{
    if (address - WINDOW >= WINDOW_PAGES * PAGE || (error & ~(uint64_t)WRITABLE) != USER) {
        state.checksum = 0xbad0000000000000 | error << 40 | (address & 0xffffffffff);
        leave_user(resume_stack);
    }
    state.faults++;
    uint64_t page = (address - WINDOW) / PAGE;
    *window_entry(address) = (uint64_t)frames[page * 2 + (uint64_t)state.current] | PRESENT | WRITABLE | USER;
}

void timer_interrupt(void)
{
    timer_ticks++;
    out8(0x20, 0x20);
}

void unexpected_interrupt(void)
{
    state.checksum = 0xbad1111111111111;
    leave_user(resume_stack);
}

static void set_up_spaces(void)
{
    for (int i = 0; i < 2; i++) {
        struct space *space = &spaces[i];
        space->pml4[0] = (uint64_t)space->pdpt | PRESENT | WRITABLE | USER;
        for (int j = 0; j < 4; j++)
            space->pdpt[j] = pdpt[j];
        space->pdpt[USER_BASE >> 30] = (uint64_t)space->directory | PRESENT | WRITABLE | USER;
        space->directory[0] = (uint64_t)space->table | PRESENT | WRITABLE | USER;
        space->table[0] = (uint64_t)user_program | PRESENT | USER;
        space->table[1] = (uint64_t)user_stack[i] | PRESENT | WRITABLE | USER;
    }
}

static void set_up_traps(void)
{
    for (int vector = 0; vector < 256; vector++)
        set_gate(vector, unexpected_entry);
    set_gate(VECTOR_PAGE_FAULT, page_fault_entry);
    set_gate(VECTOR_TIMER, timer_entry);
    struct { uint16_t limit; uint64_t base; } __attribute__((packed)) idt = { sizeof gates - 1, (uint64_t)gates };
    __asm__ volatile("lidt %0" : : "m"(idt));

    uint64_t base = (uint64_t)&task;
    task.stack[0] = (uint64_t)trap_stack + sizeof trap_stack;
    task.io_map = sizeof task;
    gdt[TASK / 8] = (sizeof task - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
    gdt[TASK / 8 + 1] = base >> 32;
    __asm__ volatile("lgdt %0" : : "m"(gdt_pointer));
    __asm__ volatile("ltr %w0" : : "r"(TASK));

    state.kernel_stack = task.stack[0];
    write_msr(0xc0000081, (uint64_t)KERNEL_DATA << 48 | (uint64_t)KERNEL_CODE << 32);  /* STAR */
    write_msr(0xc0000082, (uint64_t)system_call_entry);                                 /* LSTAR */
    write_msr(0xc0000084, 0x700);                                                       /* FMASK: IF, DF, TF */
    write_msr(0xc0000102, (uint64_t)&state);                                            /* KERNEL_GS_BASE */
}

/* PIT channel 0 in mode 2 through the PIC's IRQ 0, and the local APIC in virtual-wire mode to let it through. */
static void set_up_timer(uint16_t divisor)
{
    volatile uint32_t *apic = (volatile uint32_t *)0xfee00000;
    apic[0x0f0 / 4] = 0x1ff;
    apic[0x350 / 4] = 0x700;
    out8(0x20, 0x11), out8(0xa0, 0x11);
    out8(0x21, VECTOR_TIMER), out8(0xa1, VECTOR_TIMER + 8);
    out8(0x21, 4), out8(0xa1, 2);
    out8(0x21, 1), out8(0xa1, 1);
    out8(0x21, divisor ? 0xfe : 0xff), out8(0xa1, 0xff);
    out8(0x43, 0x34);
    out8(0x40, (uint8_t)divisor), out8(0x40, (uint8_t)(divisor >> 8));
}

uint64_t workload(uint64_t iterations)
{
    state.rounds_left = iterations;
    state.checksum = 1;
    if (!iterations)
        return state.checksum;
    set_up_spaces();
    set_up_traps();
    set_up_timer((uint16_t)parameters[1]);
    write_cr3((uint64_t)spaces[0].pml4);
    enter_user(USER_BASE, USER_STACK, &resume_stack);
    write_cr3((uint64_t)spaces[0].pml4);
    out8(0x21, 0xff);
    return state.checksum;
}
