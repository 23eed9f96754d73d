/* The interrupt controllers and timers of a virtual machine, inside the kernel: local APICs (SDM volume 3, chapter 11),
 * an I/O APIC (82093AA), the counters of an 8254, and an 8259 pair that remembers its masks and delivers nothing. */
#include "arch.h"
#include "errno.h"
#include "io.h"
#include "lib.h"
#include "sched.h"
#include "virt.h"

#define LVT_MASKED 0x10000
#define LVT_PERIODIC 0x20000
#define LVT_DEADLINE 0x40000
#define REDIRECT_LEVEL 0x8000
#define REDIRECT_REMOTE 0x4000
#define PIT_HZ 1193182UL

static int highest(const u32 *bits) {
    for (int i = 7; i >= 0; i--)
        if (bits[i]) return i * 32 + 31 - __builtin_clz(bits[i]);
    return -1;
}

void lapic_deliver(struct vcpu *v, unsigned vector) {
    v->apic.irr[vector >> 5] |= 1u << (vector & 31);
    wake_up(&v->woken);
}

/* The vector that would be taken now, or -1: above the one in service and the task priority, by classes of 16. */
int lapic_pending(struct vcpu *v) {
    int request = highest(v->apic.irr), service = highest(v->apic.isr);
    if (request < 0 || !(v->apic.spurious & 0x100)) return -1;
    int priority = MAX((int)(v->vmcb->virtual_interrupt & 15), service < 0 ? 0 : service >> 4);
    return request >> 4 > priority ? request : -1;
}

void lapic_take(struct vcpu *v, unsigned vector) {
    v->apic.irr[vector >> 5] &= ~(1u << (vector & 31));
    v->apic.isr[vector >> 5] |= 1u << (vector & 31);
}

static u64 timer_tick_ns(struct vcpu *v) { return v->apic.divide == 0xb ? 1 : 2u << ((v->apic.divide & 3) | (v->apic.divide >> 1 & 4)); }

static void timer_expired(struct timer *timer) {
    struct vcpu *v = container_of(timer, struct vcpu, apic.timer);
    v->apic.deadline = 0;
    if (!(v->apic.lvt[0] & LVT_MASKED)) lapic_deliver(v, v->apic.lvt[0] & 0xff);
    if (v->apic.lvt[0] & LVT_PERIODIC && v->apic.initial) {
        v->apic.started += v->apic.initial * timer_tick_ns(v);
        timer_start(timer, v->apic.started + v->apic.initial * timer_tick_ns(v));
    }
}

static void timer_set(struct vcpu *v, u64 after_ns) {
    timer_cancel(&v->apic.timer);
    v->apic.timer.expired = timer_expired;
    v->apic.started = ktime();
    if (after_ns) timer_start(&v->apic.timer, v->apic.started + after_ns);
}

void lapic_set_deadline(struct vcpu *v, u64 tsc) {
    u64 now = rdtsc() + v->vmcb->tsc_offset;
    v->apic.deadline = tsc;
    if (v->apic.lvt[0] & LVT_DEADLINE) timer_set(v, !tsc ? 0 : tsc <= now ? 1 : MAX(clock_cycles_ns(tsc - now), 1UL));
}

static u32 lapic_read(struct vcpu *v, u32 at) {
    struct lapic *a = &v->apic;
    switch (at) {
    case 0x20: return v->id << 24;
    case 0x30: return 0x50014;
    case 0x80: return (v->vmcb->virtual_interrupt & 15) << 4;
    case 0xd0: return a->logical;
    case 0xe0: return a->format;
    case 0xf0: return a->spurious;
    case 0x300: return a->command;
    case 0x310: return a->command >> 32;
    case 0x380: return a->initial;
    case 0x390: {
        u64 gone = (ktime() - a->started) / timer_tick_ns(v);
        return a->initial && a->timer.deadline ? a->initial - MIN(gone, (u64)a->initial) : 0;
    }
    case 0x3e0: return a->divide;
    }
    if (at >= 0x100 && at < 0x180) return a->isr[at >> 4 & 7];
    if (at >= 0x200 && at < 0x280) return a->irr[at >> 4 & 7];
    if (at >= 0x320 && at <= 0x370) return a->lvt[(at - 0x320) >> 4];
    return 0;
}

static void eoi(struct vcpu *v) {
    int vector = highest(v->apic.isr);
    if (vector < 0) return;
    v->apic.isr[vector >> 5] &= ~(1u << (vector & 31));
    for (int pin = 0; pin < IRQ_LINES; pin++) {
        u64 *entry = &v->vm->redirect[pin];
        if ((u8)*entry != vector || !(*entry & REDIRECT_REMOTE)) continue;
        *entry &= ~(u64)REDIRECT_REMOTE;
        if (v->vm->lines >> pin & 1) ioapic_line(v->vm, pin, true);
    }
}

static void lapic_write(struct vcpu *v, u32 at, u32 value) {
    struct lapic *a = &v->apic;
    switch (at) {
    case 0x80: v->vmcb->virtual_interrupt = (v->vmcb->virtual_interrupt & ~15UL) | (value >> 4 & 15); break;
    case 0xb0: eoi(v); break;
    case 0xd0: a->logical = value & 0xff000000; break;
    case 0xe0: a->format = value | 0x0fffffff; break;
    case 0xf0: a->spurious = value & 0x1ff; break;
    case 0x300:
        a->command = (a->command & ~0xffffffffUL) | (value & ~0x1000u);
        for (u32 i = 0; !(value & 0x700) && i < VM_VCPUS; i++) {        /* fixed, by shorthand or physical number */
            struct vcpu *to = v->vm->vcpus[i];
            u32 shorthand = value >> 18 & 3;
            if (to && (shorthand == 0 ? i == a->command >> 56 : shorthand == 1 ? to == v : shorthand == 2 || to != v)) lapic_deliver(to, value & 0xff);
        }
        break;
    case 0x310: a->command = (a->command & 0xffffffff) | (u64)value << 32; break;
    case 0x380: a->initial = value; timer_set(v, value * timer_tick_ns(v)); break;
    case 0x3e0: a->divide = value & 0xb; break;
    default: if (at >= 0x320 && at <= 0x370) a->lvt[(at - 0x320) >> 4] = value & 0x7ffff;
    }
}

void ioapic_line(struct vm *vm, unsigned pin, bool level) {
    u64 *entry = &vm->redirect[pin];
    bool rising = level && !(vm->lines >> pin & 1);
    vm->lines = level ? vm->lines | 1u << pin : vm->lines & ~(1u << pin);
    if (*entry & LVT_MASKED || !level || (*entry & REDIRECT_LEVEL ? *entry & REDIRECT_REMOTE : !rising)) return;
    u8 to = *entry >> 56;
    for (u32 i = 0; i < VM_VCPUS; i++) {
        struct vcpu *v = vm->vcpus[i];
        if (!v || (*entry & 0x800 ? !(v->apic.logical >> 24 & to) : to != 0xff && to != i)) continue;
        if (*entry & REDIRECT_LEVEL) *entry |= REDIRECT_REMOTE;
        lapic_deliver(v, *entry & 0xff);
        if ((*entry >> 8 & 7) == 1) break;  /* lowest priority: one of them */
    }
}

static u32 ioapic_access(struct vm *vm, u32 at, u32 value, bool write) {
    if (at == 0) {
        if (write) vm->ioapic_index = value;
        return vm->ioapic_index;
    }
    u32 index = vm->ioapic_index, pin = (index - 0x10) >> 1;
    if (at != 0x10) return 0;
    if (index == 1) return (IRQ_LINES - 1) << 16 | 0x11;
    if (index < 0x10 || pin >= IRQ_LINES) return 0;
    unsigned shift = index & 1 ? 32 : 0;
    if (write) {
        u64 keep = vm->redirect[pin] & (shift ? 0xffffffff : 0xffffffff00000000 | REDIRECT_REMOTE);
        vm->redirect[pin] = keep | (u64)(shift ? value : value & 0x1afff) << shift;
        if (vm->redirect[pin] & REDIRECT_LEVEL && vm->lines >> pin & 1) ioapic_line(vm, pin, true);
    }
    return vm->redirect[pin] >> shift;
}

bool irqchip_mmio(struct vcpu *v, u64 gpa, void *data, bool write) {
    u32 *value = data;
    if (gpa - 0xfec00000 < PAGE_SIZE) *value = ioapic_access(v->vm, gpa & 0xfff, *value, write);
    else if (gpa - 0xfee00000 >= PAGE_SIZE) return false;
    else if (write) lapic_write(v, gpa & 0xff0, *value);
    else *value = lapic_read(v, gpa & 0xff0);
    return true;
}

/* A counter runs down from its count, of 65536 if that is 0, again and again. */
static u16 pit_count(const struct pit_channel *c) {
    u64 ticks = (ktime() - c->started) * PIT_HZ / 1000000000, count = c->count ? c->count : 0x10000;
    return count - ticks % count;
}

static void pit_access(struct vm *vm, unsigned at, u8 *value, bool write) {
    struct pit_channel *c = &vm->pit[at & 3 & (at == 3 ? 0 : 3)];
    if (at == 3) {
        if (!write || *value >> 6 == 3) return;
        c = &vm->pit[*value >> 6];
        if (*value & 0x30) c->access = *value >> 4 & 3, c->high = false;
        else c->latched = true, c->latch = pit_count(c), c->high = false;
        return;
    }
    if (write) {
        if (c->access == 2 || (c->access == 3 && c->high)) c->count = (c->count & 0xff) | *value << 8;
        else c->count = (c->access == 3 ? c->count & 0xff00 : 0) | *value;
        if (c->access != 3 || c->high) c->started = ktime();
    } else {
        u16 now = c->latched ? c->latch : pit_count(c);
        *value = c->access == 2 || (c->access == 3 && c->high) ? now >> 8 : now;
        if (c->access != 3 || c->high) c->latched = false;
    }
    if (c->access == 3) c->high = !c->high;
}

bool irqchip_io(struct vm *vm, u16 port, u8 *value, bool write) {
    if (port >= 0x40 && port < 0x44) pit_access(vm, port & 3, value, write);
    else if (port == 0x20 || port == 0x21 || port == 0xa0 || port == 0xa1) {
        u8 *mask = &vm->pic_mask[port >> 7];
        if (write && port & 1) *mask = *value;
        else if (!write) *value = port & 1 ? *mask : 0;
    } else return false;
    return true;
}

void irqchip_init(struct vm *vm) {
    vm->irqchip = true;
    for (int pin = 0; pin < IRQ_LINES; pin++) vm->redirect[pin] = LVT_MASKED;
    vm->pit[0].access = vm->pit[1].access = vm->pit[2].access = 3;
}

void lapic_init(struct vcpu *v) {
    v->apic.format = ~0u;
    v->apic.spurious = 0xff;
    for (int i = 0; i < 6; i++) v->apic.lvt[i] = LVT_MASKED;
}
