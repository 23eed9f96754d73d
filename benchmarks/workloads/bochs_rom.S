# A boot ROM of 64 KiB for Bochs: from the reset vector to 32-bit protected mode and the image at 1 MiB.
# (Bochs loads the image into RAM itself, by its `optramimage` option.)

        .section .rom, "ax"
        .code16
rom:
start:  cli
        lgdtl   %cs:(gdt_pointer - rom)
        mov     %cr0, %eax
        or      $1, %al
        mov     %eax, %cr0
        ljmpl   $8, $protected

        .code32
protected:
        mov     $16, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     $0x100000, %eax
        jmp     *%eax

        .balign 8
gdt:    .quad   0
        .quad   0x00cf9b000000ffff
        .quad   0x00cf93000000ffff
gdt_pointer:
        .word   23
        .long   gdt

        .org    0xfff0
        .code16
        ljmp    $0xf000, $0
        .org    0x10000
