/* Into a guest and back: VMRUN changes worlds but for the registers named here (APM volume 2, 15.5).
 *
 * svm_enter(rdi: struct guest_registers, rsi: the guest's control block, rdx: a control block for the host's FS, GS, TR
 * and the like; both physical). Interrupts are off, and while GIF is 0 not even an NMI comes between; what arrives
 * meanwhile ends the guest's stay, because INTR is intercepted, and is taken when the caller sets IF. */
    .text
    .code64
    .globl svm_enter
    .balign 16
svm_enter:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushq %rdx
    pushq %rdi
    movq %rdx, %rax
    clgi
    sti                                     /* of the host's IF: with it the guest's stay can be ended */
    vmsave
    movq %rsi, %rax
    movq (%rdi), %rcx
    movq 8(%rdi), %rdx
    movq 16(%rdi), %rbx
    movq 24(%rdi), %rbp
    movq 32(%rdi), %rsi
    movq 48(%rdi), %r8
    movq 56(%rdi), %r9
    movq 64(%rdi), %r10
    movq 72(%rdi), %r11
    movq 80(%rdi), %r12
    movq 88(%rdi), %r13
    movq 96(%rdi), %r14
    movq 104(%rdi), %r15
    movq 40(%rdi), %rdi
    vmload
    vmrun
    vmsave
    xchgq %rdi, (%rsp)                      /* the pointer, for the guest's RDI */
    movq %rcx, (%rdi)
    movq %rdx, 8(%rdi)
    movq %rbx, 16(%rdi)
    movq %rbp, 24(%rdi)
    movq %rsi, 32(%rdi)
    movq %r8, 48(%rdi)
    movq %r9, 56(%rdi)
    movq %r10, 64(%rdi)
    movq %r11, 72(%rdi)
    movq %r12, 80(%rdi)
    movq %r13, 88(%rdi)
    movq %r14, 96(%rdi)
    movq %r15, 104(%rdi)
    popq 40(%rdi)
    popq %rax
    vmload
    cli
    stgi
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret
