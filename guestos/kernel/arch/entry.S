/* Every way into the kernel and out of it, and the switch between two tasks.
 *
 * Whatever the way in, the program's registers end up as a struct trapframe (task.h) at the top of
 * its kernel stack, GS holds struct cpu, and C code runs.
 */
#include "arch.h"

    .text
    .code64

.macro PUSH_REGISTERS
    pushq %rdi
    pushq %rsi
    pushq %rdx
    pushq %rcx
    pushq %rax
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
.endm

/* ---- SYSCALL ------------------------------------------------------------------------------------
 * RCX = return address, R11 = flags; interrupts are off (SFMASK) and RSP is still the program's. */
/* The way in and out is one; which calls these are, and so `dispatch`, is chosen once, at boot (nt/personality.c). */
.macro SYSCALL_ENTRY name dispatch
    .globl \name
    .balign 16
\name:
    swapgs
    movq %rsp, %gs:CPU_USER_RSP
    movq %gs:CPU_KERNEL_STACK, %rsp
    pushq $USER_DS
    pushq %gs:CPU_USER_RSP
    sti                                     /* only now is the scratch word ours no longer */
    pushq %r11
    pushq $USER_CS
    pushq %rcx
    pushq $FRAME_SYSCALL
    pushq %rax
    PUSH_REGISTERS
    xorl %ebp, %ebp
    movq %rsp, %rdi
    call \dispatch                           /* returns with interrupts off */
    testb %al, %al
    jnz return_by_iret
    /* C kept rbx, rbp (restored here) and r12-r15; SYSRET takes RIP from RCX and flags from R11. */
    movq 32(%rsp), %rbp
    addq $56, %rsp
    popq %r10
    popq %r9
    popq %r8
    popq %rax
    popq %rcx
    popq %rdx
    popq %rsi
    popq %rdi
    movq 32(%rsp), %r11
    movq 40(%rsp), %rsp
    swapgs
    sysretq
.endm

SYSCALL_ENTRY syscall_entry syscall_dispatch
SYSCALL_ENTRY nt_syscall_entry nt_dispatch

/* ---- exceptions and interrupts --------------------------------------------------------------------
 * One stub a vector, 16 bytes apart; those whose exception pushes no error code push 0. */
    .globl trap_stubs
    .balign 16
trap_stubs:
    .set vector, 0
    .rept VECTORS
    .balign 16
    .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21)
    pushq $0
    .endif
    pushq $vector
    .if vector == 2 || vector == 8 || vector == 18
    jmp trap_paranoid
    .else
    jmp trap_common
    .endif
    .set vector, vector + 1
    .endr

    .balign 16
trap_common:
    cld
    testb $3, 24(%rsp)                      /* CS: from user mode? */
    jz 1f
    swapgs
1:  PUSH_REGISTERS
    movq %rsp, %rdi
    call trap
    /* fall through */

/* Interrupts are off, the frame at RSP says where to return. */
    .globl return_by_iret
return_by_iret:
    cli
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rax
    popq %rcx
    popq %rdx
    popq %rsi
    popq %rdi
    testb $3, 24(%rsp)
    jz 1f
    swapgs
1:  addq $16, %rsp
    .globl iret_instruction
iret_instruction:
    iretq

/* NMI, double fault, machine check may come between an entry and its SWAPGS; so the sign of the GS
 * base itself tells whose it is. These never return. */
trap_paranoid:
    cld
    PUSH_REGISTERS
    movl $MSR_GS_BASE, %ecx
    rdmsr
    testl %edx, %edx
    js 1f
    swapgs
1:  movq %rsp, %rdi
    call trap
    ud2

/* ---- tasks ------------------------------------------------------------------------------------- */

/* switch_context(from, to): saves what C expects kept on from's stack and resumes `to` where it
 * called this, or at the start its creator prepared. Interrupts are off. */
    .globl switch_context
switch_context:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)                       /* task.kernel_rsp */
    movq (%rsi), %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret

/* A forked task's first steps: its frame is its parent's, with another RAX. */
    .globl fork_start
fork_start:
    movq %rsp, %rdi
    call task_started
    jmp return_by_iret

/* A kernel thread's: rbx = function, r12 = argument. If the function returns, it has become a
 * program by kernel_exec, and the frame at the top of the stack is that program's. */
    .globl kthread_start
kthread_start:
    sti
    movq %r12, %rdi
    call *%rbx
    cli
    movq %gs:CPU_KERNEL_STACK, %rsp
    subq $176, %rsp
    movq %rsp, %rdi
    call task_started
    jmp return_by_iret
