# Start-up shared by all workloads: PVH or raw 32-bit entry, long mode, console, exit; and the flat entry.
#
# The image is linked at 1 MiB. Its first instruction is the 32-bit entry (what a boot ROM jumps to), its
# PVH note names the same place, and `flat_entry` is for those who provide long mode and a stack themselves:
#   rdi = iterations; on HLT at `flat_end`, rax = checksum.
# All memory beyond the image must read as zero.
#
# A bare machine prints on COM1 and on port 0xe9:  RZ-BEGIN \n  (work)  RZ-END <checksum> <timer ticks> <TSC difference> \n
# in 16 hex digits each. Where the TSC counts instructions, the difference is those of `workload` and COUNT_EXTRA
# (build.py) more.

        .set    COM1, 0x3f8
        .set    DEBUG_CONSOLE, 0xe9             # Bochs and QEMU
        .set    DEBUG_EXIT, 0xf4                # QEMU's isa-debug-exit
        .set    EXIT_VALUE, 0x10
        .set    BOCHS_SHUTDOWN, 0x8900
        .set    ACPI_POWER_OFF, 0x604

        .set    CODE64, 0x08
        .set    CODE32, 0x28
        .set    DATA, 0x10

        .section .note.pvh, "a", @note
        .balign 4
        .long   4, 4, 18                        # XEN_ELFNOTE_PHYS32_ENTRY
        .asciz  "Xen"
        .long   image_start

        .section .head, "ax"
        .code32
        .globl  image_start
image_start:
        jmp     start32

        .balign 16
        .globl  parameters
parameters:                                     # patched by the runner of a bare machine
        .quad   1                               # iterations
        .quad   1193                            # PIT divisor of the system workload; 0 = no timer

        .balign 16
        .globl  flat_entry, flat_end
        .code64
flat_entry:
        call    workload
flat_end:
        hlt

        .text
        .code32
start32:
        cli
        cld
        lgdt    gdt_pointer
        ljmp    $CODE32, $1f                    # the loader's selectors are unknown; use our own
1:      mov     $DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     $stack_top, %esp

        # Identity mapping of 4 GiB: the first 64 MiB in 4 KiB pages (what programs live in),
        # the rest in 2 MiB pages.
        movl    $pdpt + 0x7, pml4               # present, writable, user: the leaves decide
        movl    $page_directories + 0x3, %eax
        mov     $pdpt, %edi
        mov     $4, %ecx
2:      mov     %eax, (%edi)
        add     $0x1000, %eax
        add     $8, %edi
        loop    2b

        mov     $0x83, %eax
        mov     $page_directories, %edi
        mov     $2048, %ecx
3:      mov     %eax, (%edi)
        add     $0x200000, %eax
        add     $8, %edi
        loop    3b

        mov     $page_tables + 0x3, %eax
        mov     $page_directories, %edi
        mov     $32, %ecx
4:      mov     %eax, (%edi)
        add     $0x1000, %eax
        add     $8, %edi
        loop    4b

        mov     $0x3, %eax
        mov     $page_tables, %edi
        mov     $32 * 512, %ecx
5:      mov     %eax, (%edi)
        add     $0x1000, %eax
        add     $8, %edi
        loop    5b

        mov     %cr4, %eax
        or      $0x620, %eax                    # PAE, OSFXSR, OSXMMEXCPT
        mov     %eax, %cr4
        mov     $pml4, %eax
        mov     %eax, %cr3
        mov     $0xc0000080, %ecx               # EFER: SCE, LME
        rdmsr
        or      $0x101, %eax
        wrmsr
        mov     %cr0, %eax
        and     $~0x6000000c, %eax              # CD, NW, TS, EM off
        or      $0x80010023, %eax               # PG, WP, NE, MP, PE
        mov     %eax, %cr0
        ljmp    $CODE64, $start64

        .code64
start64:
        mov     $DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     $stack_top, %rsp
        xor     %ebp, %ebp

        lea     begin_text(%rip), %rsi
        call    print
        mov     parameters(%rip), %rdi
        rdtsc                                   # from here ...
        shl     $32, %rdx
        or      %rdx, %rax
        mov     %rax, %r13
        call    workload
        mov     %rax, %r12
        rdtsc                                   # ... to here
        shl     $32, %rdx
        or      %rdx, %rax
        sub     %r13, %rax
        mov     %rax, %r13

        lea     end_text(%rip), %rsi
        call    print
        mov     %r12, %rdi
        call    print_hex
        mov     $' ', %al
        call    put
        mov     timer_ticks(%rip), %rdi
        call    print_hex
        mov     $' ', %al
        call    put
        mov     %r13, %rdi
        call    print_hex
        mov     $'\n', %al
        call    put

        mov     $EXIT_VALUE, %eax
        mov     $DEBUG_EXIT, %edx
        out     %al, %dx
        lea     shutdown_text(%rip), %rsi
        mov     $8, %ecx
        mov     $BOCHS_SHUTDOWN, %edx
        rep outsb
        mov     $0x2000, %eax
        mov     $ACPI_POWER_OFF, %edx
        out     %ax, %dx
6:      cli
        hlt
        jmp     6b

# Prints the zero-terminated text at rsi.
print:  lodsb
        test    %al, %al
        jz      7f
        call    put
        jmp     print
7:      ret

# Prints rdi as 16 hexadecimal digits.
print_hex:
        mov     $16, %ebx
8:      rol     $4, %rdi
        mov     %edi, %eax
        and     $15, %eax
        add     $'0', %al
        cmp     $'9', %al
        jbe     9f
        add     $'a' - '9' - 1, %al
9:      call    put
        dec     %ebx
        jnz     8b
        ret

# Prints al. An absent UART reads as all ones, which is "ready".
put:    mov     %al, %cl
        out     %al, $DEBUG_CONSOLE
        mov     $COM1 + 5, %edx
10:     in      %dx, %al
        test    $0x20, %al
        jz      10b
        mov     $COM1, %edx
        mov     %cl, %al
        out     %al, %dx
        ret

        .section .rodata
begin_text:     .asciz "\nRZ-BEGIN\n"
end_text:       .asciz "RZ-END "
shutdown_text:  .ascii "Shutdown"

        .data
        .balign 16
        .globl  gdt, gdt_pointer
gdt:    .quad   0
        .quad   0x00af9b000000ffff              # 0x08 kernel code, 64-bit
        .quad   0x00cf93000000ffff              # 0x10 kernel data
        .quad   0x00cff3000000ffff              # 0x18 user data (SYSRET wants it before the code)
        .quad   0x00affb000000ffff              # 0x20 user code, 64-bit
        .quad   0x00cf9b000000ffff              # 0x28 kernel code, 32-bit: start-up only
        .quad   0, 0                            # 0x30 task state, filled in by the system workload
gdt_end:
gdt_pointer:
        .word   gdt_end - gdt - 1
        .quad   gdt

        .bss
        .balign 4096
        .globl  pml4, pdpt, stack_top, timer_ticks
pml4:   .skip   4096
pdpt:   .skip   4096
page_directories:
        .skip   4 * 4096
page_tables:
        .skip   32 * 4096
        .skip   16384
stack_top:
timer_ticks:
        .skip   8
