/* Port and memory-mapped input and output, and single privileged instructions. */
#pragma once
#include "types.h"

static inline void outb(u16 port, u8 v) { asm volatile("outb %0, %1" :: "a"(v), "Nd"(port)); }
static inline void outw(u16 port, u16 v) { asm volatile("outw %0, %1" :: "a"(v), "Nd"(port)); }
static inline void outl(u16 port, u32 v) { asm volatile("outl %0, %1" :: "a"(v), "Nd"(port)); }
static inline u8 inb(u16 port) { u8 v; asm volatile("inb %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline u16 inw(u16 port) { u16 v; asm volatile("inw %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline u32 inl(u16 port) { u32 v; asm volatile("inl %1, %0" : "=a"(v) : "Nd"(port)); return v; }

/* Maps a device's registers, uncached, for ever. Panics if there is no memory for the page table. */
volatile void *mmio_map(u64 physical, size_t bytes);
/* Plain moves, whatever the compiler would make of it: a hypervisor has to take these instructions apart. */
static inline u32 mmio_read32(volatile void *base, u32 offset) {
    u32 v;
    asm volatile("movl %1, %0" : "=r"(v) : "m"(*(volatile u32 *)((volatile char *)base + offset)) : "memory");
    return v;
}
static inline void mmio_write32(volatile void *base, u32 offset, u32 v) {
    asm volatile("movl %0, %1" : : "r"(v), "m"(*(volatile u32 *)((volatile char *)base + offset)) : "memory");
}

static inline u64 rdmsr(u32 index) {
    u32 low, high;
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
    return (u64)high << 32 | low;
}
static inline void wrmsr(u32 index, u64 v) {
    asm volatile("wrmsr" :: "c"(index), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}
static inline u64 rdtsc(void) {
    u32 low, high;
    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    return (u64)high << 32 | low;
}
static inline u64 read_cr2(void) { u64 v; asm volatile("movq %%cr2, %0" : "=r"(v)); return v; }
static inline u64 read_cr3(void) { u64 v; asm volatile("movq %%cr3, %0" : "=r"(v)); return v; }
static inline u64 read_cr4(void) { u64 v; asm volatile("movq %%cr4, %0" : "=r"(v)); return v; }
static inline u64 read_cr0(void) { u64 v; asm volatile("movq %%cr0, %0" : "=r"(v)); return v; }
static inline void write_cr3(u64 v) { asm volatile("movq %0, %%cr3" :: "r"(v) : "memory"); }
static inline void write_cr4(u64 v) { asm volatile("movq %0, %%cr4" :: "r"(v) : "memory"); }
static inline void write_cr0(u64 v) { asm volatile("movq %0, %%cr0" :: "r"(v) : "memory"); }
static inline void invlpg(u64 va) { asm volatile("invlpg (%0)" :: "r"(va) : "memory"); }
static inline void cpuid(u32 leaf, u32 subleaf, u32 out[4]) {
    asm volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3]) : "a"(leaf), "c"(subleaf));
}
