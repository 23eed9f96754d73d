/* The x87 and SSE registers: what a program starts with, and what it may load. */
#include "arch.h"
#include "lib.h"
#include "sched.h"

#define MXCSR_VALID 0xffff                  /* a set bit above makes FXRSTOR fault */

/* FXSAVE image: control word at 0, MXCSR at 24 (SDM volume 1, 10.5.1). */
void fpu_reset(void) {
    static u8 image[512] aligned(16);
    *(u16 *)image = 0x37f;
    *(u32 *)(image + 24) = 0x1f80;
    asm volatile("fxrstor64 (%0)" :: "r"(image) : "memory");
}

int fpu_error(bool sse) {
    u8 image[512] aligned(16);
    asm volatile("fxsave64 (%0)" :: "r"(image) : "memory");
    u32 mxcsr = *(u32 *)(image + 24), raised = sse ? mxcsr & ~(mxcsr >> 7) : (u32)*(u16 *)(image + 2) & ~*(u16 *)image;
    return raised & 1 ? 7 /* FLTINV */ : raised & 4 ? 3 /* FLTDIV */ : raised & 8 ? 4 /* FLTOVF */ : raised & 18 ? 5 /* FLTUND */ : 6 /* FLTRES */;
}

void fpu_check(u8 image[512]) { *(u32 *)(image + 24) &= MXCSR_VALID; }
