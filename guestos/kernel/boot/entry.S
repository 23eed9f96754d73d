/* From the loader's 32-bit world to the kernel's 64-bit one.
 *
 * A PVH loader (QEMU, Xen, our own board) finds the note below in the ELF file and enters at
 * pvh_start with paging off, flat 4 GiB segments, interrupts off, and EBX = the physical address of
 * struct hvm_start_info. The way up has five steps, in the order the processor insists on
 * (SDM volume 3, 10.8.5): PAE in CR4; page tables in CR3; LME in EFER; PG in CR0; then a far jump
 * into a 64-bit code segment.
 */
#include "arch.h"
#define IMAGE_BASE 0xffffffff80000000
#define PHYSICAL(symbol) ((symbol) - IMAGE_BASE)

    .section .note.pvh, "a", @note
    .balign 4
    .long 4, 8, 18                          /* name length, value length, XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .quad PHYSICAL(pvh_start)

    .section .text.boot, "ax", @progbits
    .code32
    .globl pvh_start
pvh_start:
    cli
    cld

    movl $(CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT), %eax
    movl %eax, %cr4

    movl $PHYSICAL(boot_pml4), %eax
    movl %eax, %cr3

    /* NXE before paging: the boot tables already contain NX bits, reserved without it. */
    movl $MSR_EFER, %ecx
    movl $(EFER_SCE | EFER_LME | EFER_NXE), %eax
    xorl %edx, %edx
    wrmsr

    movl $0x80050033, %eax                  /* PG AM WP NE ET MP PE */
    movl %eax, %cr0

    /* Now in compatibility mode, running on the identity map. */
    lgdtl PHYSICAL(boot_gdt_pointer)
    ljmpl $KERNEL_CS, $PHYSICAL(long_mode)

    .code64
long_mode:
    movabsq $high_half, %rax
    jmpq *%rax
high_half:
    movl $KERNEL_DS, %eax
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    movq $boot_stack_top, %rsp
    xorl %ebp, %ebp                         /* ends backtraces */
    movl %ebx, %edi
    call kernel_main
1:  hlt
    jmp 1b

    .section .data.boot, "aw", @progbits
    .balign 8
boot_gdt:
    .quad 0, 0
    .quad 0x00af9b000000ffff                /* KERNEL_CS: 64-bit code */
    .quad 0x00cf93000000ffff                /* KERNEL_DS */
boot_gdt_pointer:
    .word . - boot_gdt - 1
    .long PHYSICAL(boot_gdt)

/* The first gigabyte, three times: where it is (for the trampoline alone), in the direct map, and the
 * image's 2 MiB at -2 GiB. kernelmap.c completes and tightens these very tables. */
    .balign 4096
    .globl boot_pml4, direct_pdpt, image_pd
boot_pml4:
    .quad PHYSICAL(identity_pdpt) + 0x003
    .fill 272, 8, 0
    .quad PHYSICAL(direct_pdpt) + 0x003     /* 273: 0xffff888000000000 */
    .fill 237, 8, 0
    .quad PHYSICAL(image_pdpt) + 0x003      /* 511 */
identity_pdpt:
    .quad PHYSICAL(identity_pd) + 0x003
    .fill 511, 8, 0
identity_pd:
    .quad 0x000083, 0x200083
    .fill 510, 8, 0
direct_pdpt:
    .quad PHYSICAL(direct_pd) + 0x003
    .fill 511, 8, 0
image_pdpt:
    .fill 510, 8, 0
    .quad PHYSICAL(image_pd) + 0x003        /* 510: -2 GiB */
    .quad 0
image_pd:
    .quad 0
    .quad 0x200083                          /* the image, until its page table is made */
    .fill 510, 8, 0
direct_pd:
    .set frame, 0
    .rept 512                               /* present, writable, accessed, dirty, 2 MiB, global, NX */
    .quad 0x80000000000001e3 + frame
    .set frame, frame + 0x200000
    .endr

    .section .bss
    .balign 4096
    .globl boot_stack
boot_stack:                                 /* its lowest page becomes a guard: kernelmap.c */
    .skip 4096 + 16384
    .globl boot_stack_top
boot_stack_top:
