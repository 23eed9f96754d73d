/* Why a guest's stay ended, and what comes of it (exit codes: APM volume 2, appendix C). */
#include "arch.h"
#include "io.h"
#include "lib.h"
#include "virt.h"

#define IO_IN 1
#define IO_STRING 4
#define IO_REP 8

u64 *vcpu_place(struct vcpu *v, unsigned n) {
    if (n == 0) return &v->vmcb->rax;
    if (n == 4) return &v->vmcb->rsp;
    return &(&v->registers.rcx)[n - (n < 4 ? 1 : 2)];
}

void vcpu_inject(struct vcpu *v, unsigned vector, bool has_error, u32 error) {
    v->vmcb->inject = (u64)error << 32 | 1u << 31 | has_error << 11 | 3 << 8 | vector;
}

static bool undefined(struct vcpu *v) {
    vcpu_inject(v, 6, false, 0);
    return true;
}

static bool skip(struct vcpu *v) {
    v->vmcb->rip = v->vmcb->next_rip;
    return true;
}

static bool stop(struct vcpu *v, u32 reason) {
    v->run->exit_reason = reason;
    return false;
}

static bool cpuid_exit(struct vcpu *v) {
    u32 function = v->vmcb->rax, index = v->registers.rcx;
    struct kvm_cpuid_entry none = { 0 }, *found = &none;
    for (u32 i = 0; i < v->cpuid_count; i++) {
        struct kvm_cpuid_entry *e = &v->cpuid[i];
        if (e->function == function && (e->index == index || !(e->flags & KVM_CPUID_FLAG_SIGNIFICANT_INDEX))) found = e;
    }
    v->vmcb->rax = found->eax;
    v->registers.rbx = found->ebx;
    v->registers.rcx = found->ecx;
    v->registers.rdx = found->edx;
    return skip(v);
}

bool vcpu_msr(struct vcpu *v, u32 index, u64 *value, bool write) {
    struct vmcb *c = v->vmcb;
    u64 *place;
    switch (index) {
    case MSR_EFER:
        if (!write) *value = c->efer & ~0x1000UL;
        else if (*value & ~0xd01UL) return false;
        else c->efer = *value | 0x1000;
        return true;
    case 0x10:                              /* TSC */
        if (write) c->tsc_offset = *value - rdtsc();
        else *value = rdtsc() + c->tsc_offset;
        return true;
    case MSR_TSC_DEADLINE:
        if (!v->vm->irqchip) return false;
        if (write) lapic_set_deadline(v, *value);
        else *value = v->apic.deadline;
        return true;
    case MSR_APIC_BASE:
        if (!write) *value = 0xfee00800 | (v->id ? 0 : 0x100);
        return true;
    case MSR_STAR: place = &c->star; break;
    case MSR_LSTAR: place = &c->lstar; break;
    case 0xc0000083: place = &c->cstar; break;
    case MSR_SFMASK: place = &c->sfmask; break;
    case MSR_FS_BASE: place = &c->fs.base; break;
    case MSR_GS_BASE: place = &c->gs.base; break;
    case MSR_KERNEL_GS_BASE: place = &c->kernel_gs_base; break;
    case 0x174: place = &c->sysenter_cs; break;
    case 0x175: place = &c->sysenter_esp; break;
    case 0x176: place = &c->sysenter_eip; break;
    case 0x277: place = &c->pat; break;
    default: return false;
    }
    if (write) *place = *value;
    else *value = *place;
    return true;
}

static bool msr_exit(struct vcpu *v) {
    bool write = v->vmcb->exit_info1 & 1;
    u64 value = (v->registers.rdx << 32) | (u32)v->vmcb->rax;
    if (!vcpu_msr(v, v->registers.rcx, &value, write)) {
        vcpu_inject(v, 13, true, 0);
        return true;
    }
    if (!write) v->vmcb->rax = (u32)value, v->registers.rdx = value >> 32;
    return skip(v);
}

/* One element of port I/O; a string instruction comes back for each. */
static bool io_exit(struct vcpu *v) {
    struct vmcb *c = v->vmcb;
    u32 info = c->exit_info1;
    bool in = info & IO_IN;
    u8 size = info >> 4 & 7, *data = page_to_virt(v->run_pages[1]);
    v->pending.kind = PENDING_NOTHING;
    if (info & IO_STRING) {
        u64 mask = info & 0x200 ? ~0UL : info & 0x100 ? 0xffffffff : 0xffff;
        u64 *pointer = vcpu_place(v, in ? 7 : 6), *count = &v->registers.rcx;
        if (info & IO_REP && !(*count & mask)) {
            c->rip = c->exit_info2;
            return true;
        }
        const struct vmcb_segment *segment = in ? &c->es : &c->es + (info >> 10 & 7);
        bool flat = c->cs.attributes & 0x200 && segment != &c->fs && segment != &c->gs;
        u64 la = (*pointer & mask) + (flat ? 0 : segment->base), gpa = vcpu_translate(v, la);
        if (gpa == ~0UL || (!in && !vm_copy(v->vm, gpa, data, size, false)) || (gpa & ~PAGE_MASK) + size > PAGE_SIZE) return stop(v, KVM_EXIT_INTERNAL_ERROR);
        u64 moved = c->rflags & RFLAGS_DF ? *pointer - size : *pointer + size;
        *pointer = (*pointer & ~mask) | (moved & mask);
        if (info & IO_REP) *count = (*count & ~mask) | ((*count - 1) & mask);
        if (!(info & IO_REP) || !(*count & mask)) c->rip = c->exit_info2;
        v->pending.kind = in ? PENDING_STRING : PENDING_NOTHING;
        v->pending.address = gpa;
    } else {
        c->rip = c->exit_info2;
        if (in) v->pending.kind = PENDING_IN;
        else memcpy(data, &c->rax, size);
    }
    v->pending.size = size;
    if (v->vm->irqchip && size == 1 && !(info & IO_STRING) && irqchip_io(v->vm, info >> 16, data, !in)) {
        vcpu_answer(v);
        return true;
    }
    v->run->io.direction = !in;
    v->run->io.size = size;
    v->run->io.port = info >> 16;
    v->run->io.count = 1;
    v->run->io.data_offset = PAGE_SIZE;
    return stop(v, KVM_EXIT_IO);
}

void vcpu_set_register(struct vcpu *v, unsigned n, u8 size, u64 value) {
    u64 *place = vcpu_place(v, n), mask = size == 8 ? ~0UL : (1UL << size * 8) - 1;
    *place = size >= 4 ? value & mask : (*place & ~mask) | (value & mask);
}

void vcpu_answer(struct vcpu *v) {
    u64 value = 0;
    u8 size = v->pending.size, *data = page_to_virt(v->run_pages[1]);
    switch (v->pending.kind) {
    case PENDING_IN:
        memcpy(&value, data, size);
        vcpu_set_register(v, 0, size, value);
        break;
    case PENDING_STRING:
        vm_copy(v->vm, v->pending.address, data, size, true);
        break;
    case PENDING_LOAD:
        memcpy(&value, v->run->mmio.data, size);
        if (v->pending.extend && value >> (size * 8 - 1) & 1) value |= ~0UL << (size * 8 - 1);
        if (v->pending.high) *vcpu_place(v, v->pending.reg - 4) = (*vcpu_place(v, v->pending.reg - 4) & ~0xff00UL) | (value & 0xff) << 8;
        else vcpu_set_register(v, v->pending.reg, v->pending.width, value);
        break;
    }
    v->pending.kind = PENDING_NOTHING;
}

bool vcpu_exit(struct vcpu *v) {
    struct vmcb *c = v->vmcb;
    switch (c->exit_code) {
    case 0x60: case 0x61: case 0x62: case 0x63:
        return true;                        /* the host's interrupt, taken by now */
    case 0x64:
        return vcpu_wants_in(v) || !v->run->request_interrupt_window || stop(v, KVM_EXIT_IRQ_WINDOW_OPEN);
    case 0x72:
        return cpuid_exit(v);
    case 0x76: case 0x89:                   /* INVD, WBINVD: nothing to write back */
        return skip(v);
    case 0x78:
        skip(v);
        c->shadow = 0;
        v->halted = v->vm->irqchip;
        if (v->interrupt >= 0 && c->rflags & RFLAGS_IF) return true;
        return v->halted || v->nmi || stop(v, KVM_EXIT_HLT);
    case 0x7b:
        return io_exit(v);
    case 0x7c:
        return msr_exit(v);
    case 0x7f:
        return stop(v, KVM_EXIT_SHUTDOWN);
    case 0x81:
        v->vmcb->rax = -1000;               /* VMMCALL: -KVM_ENOSYS */
        return skip(v);
    case 0x8d:                              /* XSETBV: x87 and SSE are all there is */
        if ((u32)v->registers.rcx || (v->registers.rdx << 32 | (u32)c->rax) & ~3UL || !(c->rax & 1)) vcpu_inject(v, 13, true, 0);
        else skip(v);
        return true;
    case 0x400: {
        int outcome = vm_fault(v->vm, c->exit_info2, c->exit_info1 & 2);
        if (!outcome) return true;
        if (outcome > 0 && mmio_exit(v, c->exit_info2)) {
            if (!v->vm->irqchip || !irqchip_mmio(v, c->exit_info2, v->run->mmio.data, v->run->mmio.is_write)) return stop(v, KVM_EXIT_MMIO);
            vcpu_answer(v);
            return true;
        }
        v->run->internal.suberror = KVM_INTERNAL_ERROR_EMULATION;
        v->run->internal.ndata = 2;
        v->run->internal.data[0] = c->rip;
        v->run->internal.data[1] = c->exit_info2;
        return stop(v, KVM_EXIT_INTERNAL_ERROR);
    }
    case 0x6f: case 0x73: case 0x7a: case 0x80: case 0x82: case 0x83: case 0x84: case 0x85: case 0x86: case 0x8a: case 0x8b:
        return undefined(v);
    case ~0UL:
        v->run->fail_entry.reason = ~0UL;
        v->run->fail_entry.cpu = 0;
        return stop(v, KVM_EXIT_FAIL_ENTRY);
    }
    return stop(v, KVM_EXIT_UNKNOWN);
}
