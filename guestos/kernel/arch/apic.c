/* Interrupt controllers: the 8259 pair silenced, the local APIC and the IOAPIC in charge. */
#include "arch.h"
#include "errno.h"
#include "io.h"
#include "irq.h"
#include "lib.h"

#define IOAPIC_BASE 0xfec00000UL

/* Local APIC registers, SDM volume 3, 11.4.1. */
#define LAPIC_ID 0x020
#define LAPIC_TPR 0x080
#define LAPIC_EOI 0x0b0
#define LAPIC_SPURIOUS 0x0f0
#define LAPIC_LVT_TIMER 0x320
#define LAPIC_LVT_LINT0 0x350
#define LAPIC_LVT_LINT1 0x360
#define LAPIC_TIMER_COUNT 0x380
#define LAPIC_TIMER_NOW 0x390
#define LAPIC_TIMER_DIVIDE 0x3e0
#define LVT_MASKED 0x10000
#define LVT_TSC_DEADLINE 0x40000

/* IOAPIC: index at 0x00, data at 0x10; redirection entry n at index 0x10 + 2n. */
#define IOREDIR(n) (0x10 + 2 * (n))
#define IOREDIR_LEVEL 0x8000
#define IOREDIR_MASKED 0x10000

static volatile void *lapic, *ioapic;
static u32 timer_ticks_per_ms;
static u64 tsc_hz;                          /* nonzero: deadline mode */

static struct { irq_handler handler; void *argument; bool level; } lines[IRQ_LINES];

static void ioapic_write(u32 index, u32 v) {
    mmio_write32(ioapic, 0, index);
    mmio_write32(ioapic, 0x10, v);
}

static void silence_pics(void) {
    outb(0x20, 0x11); outb(0xa0, 0x11);     /* ICW1: initialise, ICW4 follows */
    outb(0x21, 0x20); outb(0xa1, 0x28);     /* ICW2: vectors clear of the exceptions */
    outb(0x21, 0x04); outb(0xa1, 0x02);     /* ICW3: cascade on line 2 */
    outb(0x21, 0x01); outb(0xa1, 0x01);     /* ICW4: 8086 mode */
    outb(0x21, 0xff); outb(0xa1, 0xff);     /* mask every line */
}

void apic_init(void) {
    u32 r[4];
    cpuid(1, 0, r);
    if (!(r[3] & 1 << 9)) panic("this processor has no local APIC (CPUID 1 EDX bit 9); the kernel needs one");
    silence_pics();
    lapic = mmio_map(rdmsr(MSR_APIC_BASE) & 0xffffff000, PAGE_SIZE);
    ioapic = mmio_map(IOAPIC_BASE, PAGE_SIZE);
    mmio_write32(lapic, LAPIC_LVT_LINT0, LVT_MASKED);
    mmio_write32(lapic, LAPIC_LVT_LINT1, LVT_MASKED);
    mmio_write32(lapic, LAPIC_LVT_TIMER, LVT_MASKED);
    mmio_write32(lapic, LAPIC_TPR, 0);
    mmio_write32(lapic, LAPIC_SPURIOUS, 0x100 | VECTOR_SPURIOUS); /* software enable */
    mmio_write32(lapic, LAPIC_TIMER_DIVIDE, 0xb);                  /* by 1 */
}

void apic_eoi(void) { mmio_write32(lapic, LAPIC_EOI, 0); }

/* Count down `ticks` once, for calibration; deadline mode is not used then. */
void apic_timer_count(u32 ticks) {
    mmio_write32(lapic, LAPIC_LVT_TIMER, VECTOR_TIMER);
    mmio_write32(lapic, LAPIC_TIMER_COUNT, ticks);
}

/* deadline_hz: frequency of the TSC if the processor can compare with it, else 0. */
void apic_timer_calibrated(u32 ticks_per_ms, u64 deadline_hz) {
    timer_ticks_per_ms = ticks_per_ms;
    tsc_hz = deadline_hz;
    mmio_write32(lapic, LAPIC_LVT_TIMER, VECTOR_TIMER | (tsc_hz ? LVT_TSC_DEADLINE : 0));
}

void apic_timer_arm(u64 delay_ns) {
    delay_ns = MIN(delay_ns, NSEC_PER_SEC); /* longer waits are re-armed by timer_interrupt */
    if (tsc_hz) {
        wrmsr(MSR_TSC_DEADLINE, rdtsc() + delay_ns * (tsc_hz / 1000) / NSEC_PER_MSEC + 1);
        return;
    }
    u64 ticks = delay_ns * timer_ticks_per_ms / NSEC_PER_MSEC + 1;
    mmio_write32(lapic, LAPIC_TIMER_COUNT, MIN(ticks, 0xffffffffUL));
}

int irq_register(unsigned irq, bool level, irq_handler handler, void *argument) {
    if (irq >= IRQ_LINES) return -EINVAL;
    if (lines[irq].handler) return -EBUSY;
    lines[irq].handler = handler;
    lines[irq].argument = argument;
    lines[irq].level = level;
    unsigned pin = irq ? irq : 2;           /* ISA line 0 is wired to pin 2 */
    u32 id = mmio_read32(lapic, LAPIC_ID) >> 24;
    ioapic_write(IOREDIR(pin) + 1, id << 24);
    ioapic_write(IOREDIR(pin), (VECTOR_IRQ + irq) | (level ? IOREDIR_LEVEL : 0)); /* fixed, active high, unmasked */
    return 0;
}

/* Edge: acknowledge first, so that an edge during the handler is latched again. Level: after, when
 * the device has let go of the line. */
void irq_dispatch(unsigned line) {
    if (!lines[line].level) apic_eoi();
    if (lines[line].handler) lines[line].handler(lines[line].argument);
    if (lines[line].level) apic_eoi();
}
