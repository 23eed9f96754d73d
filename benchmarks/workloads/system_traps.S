# The system workload's way in and out of ring 0, and its ring 3 program.

        .set    USER_CODE, 0x23
        .set    USER_DATA, 0x1b
        .set    KERNEL_STACK, 0                 # offsets into `state`, reached through GS
        .set    USER_STACK, 8

        .text
        .code64
        .globl  system_call_entry, page_fault_entry, timer_entry, unexpected_entry, enter_user, leave_user

# rax = call, rdi = argument; returns in rax; rcx and r11 are lost, as on Linux; the rest is kept.
system_call_entry:
        swapgs
        mov     %rsp, %gs:USER_STACK
        mov     %gs:KERNEL_STACK, %rsp
        push    %rcx
        push    %r11
        push    %rdi
        push    %rsi
        push    %rdx
        push    %r8
        push    %r9
        push    %r10
        mov     %rdi, %rsi
        mov     %rax, %rdi
        call    system_call
        pop     %r10
        pop     %r9
        pop     %r8
        pop     %rdx
        pop     %rsi
        pop     %rdi
        pop     %r11
        pop     %rcx
        mov     %gs:USER_STACK, %rsp
        swapgs
        sysretq

        .macro  SAVE
        push    %rax
        push    %rcx
        push    %rdx
        push    %rsi
        push    %rdi
        push    %r8
        push    %r9
        push    %r10
        push    %r11
        .endm

        .macro  RESTORE
        pop     %r11
        pop     %r10
        pop     %r9
        pop     %r8
        pop     %rdi
        pop     %rsi
        pop     %rdx
        pop     %rcx
        pop     %rax
        .endm

page_fault_entry:                               # the error code lies on top of the frame
        SAVE
        mov     %cr2, %rdi
        mov     72(%rsp), %rsi
        call    page_fault
        RESTORE
        add     $8, %rsp
        iretq

timer_entry:
        SAVE
        push    %rax                            # 16-byte alignment
        call    timer_interrupt
        pop     %rax
        RESTORE
        iretq

unexpected_entry:
        and     $-16, %rsp
        call    unexpected_interrupt

# enter_user(rip, rsp, *resume): stores where leave_user() is to come back, and goes to ring 3.
enter_user:
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        mov     %rsp, (%rdx)
        push    $USER_DATA
        push    %rsi
        push    $0x202                          # IF
        push    $USER_CODE
        push    %rdi
        iretq

leave_user:
        cli
        mov     %rdi, %rsp
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        ret

# ---- the program; one page, read-only, mapped at 0x40000000 ----
        .set    WINDOW, 0x40010000
        .set    CALL_ADD, 0
        .set    CALL_UNMAP, 1
        .set    CALL_SWITCH, 2
        .set    CALL_ROUND, 3

        .section .user, "ax"
        .globl  user_program
user_program:
        xor     %ebx, %ebx                      # the round's sum
        mov     $WINDOW, %r12d
touch:  mov     $CALL_ADD, %eax
        mov     %rbx, %rdi
        syscall
        mov     %rax, %rbx
        add     (%r12), %rbx                    # faults: absent; sees what this frame held last time
        mov     %rbx, (%r12)
        add     $4096, %r12
        cmp     $WINDOW + 16 * 4096, %r12
        jne     touch

        mov     $WINDOW, %r12d
unmap:  mov     (%r12), %rax
        rol     $7, %rbx
        xor     %rax, %rbx
        mov     $CALL_UNMAP, %eax
        mov     %r12, %rdi
        syscall
        add     %rax, %rbx
        add     $4096, %r12
        cmp     $WINDOW + 16 * 4096, %r12
        jne     unmap

        mov     $CALL_SWITCH, %eax
        syscall
        add     %rax, %rbx
        mov     $CALL_ROUND, %eax
        mov     %rbx, %rdi
        syscall
        jmp     user_program
