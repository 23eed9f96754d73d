/* Access to a program's memory that survives a bad address.
 *
 * Each instruction that may fault is listed with the place to go on at instead; page_fault looks RIP
 * up in the list when the address can't be resolved.
 */
#include "arch.h"

.macro FIXUP at, resume
    .pushsection .fixups, "a", @progbits
    .quad \at, \resume
    .popsection
.endm

    .text
/* int user_copy(to, from, n): 0 or -EFAULT */
    .globl user_copy
user_copy:
    movq %rdx, %rcx
    shrq $3, %rcx
1:  rep movsq
    movl %edx, %ecx
    andl $7, %ecx
2:  rep movsb
    xorl %eax, %eax
    ret
    FIXUP 1b, user_fault
    FIXUP 2b, user_fault

/* int user_clear(to, n) */
    .globl user_clear
user_clear:
    movq %rsi, %rcx
    shrq $3, %rcx
    xorl %eax, %eax
1:  rep stosq
    movl %esi, %ecx
    andl $7, %ecx
2:  rep stosb
    ret
    FIXUP 1b, user_fault
    FIXUP 2b, user_fault

/* ssize_t user_string(to, from, n): length without terminator; n if there is none; -EFAULT */
    .globl user_string
user_string:
    xorl %eax, %eax
1:  cmpq %rdx, %rax
    je 3f
2:  movb (%rsi,%rax), %cl
    movb %cl, (%rdi,%rax)
    testb %cl, %cl
    je 3f
    incq %rax
    jmp 1b
3:  ret
    FIXUP 2b, user_fault

/* int user_exchange(word, expected, new): compare-exchange; 1 swapped, 0 differs, -EFAULT */
    .globl user_exchange
user_exchange:
    movl %esi, %eax
1:  lock cmpxchgl %edx, (%rdi)
    sete %al
    movzbl %al, %eax
    ret
    FIXUP 1b, user_fault

user_fault:
    movq $-14, %rax                         /* -EFAULT */
    ret
