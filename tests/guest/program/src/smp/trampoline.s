# Where a second processor starts, copied to a page below 1 MiB: real mode to protected mode, then ap32.
.section .rodata.trampoline, "a", @progbits
.code16
.globl trampoline
trampoline:
    cli
    movw %cs, %ax
    movw %ax, %ds
    lgdtl trampoline_gdt_pointer - trampoline
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    ljmpl $0x28, $ap32
trampoline_gdt_pointer:
    .word 0x37
    .long gdt
.globl trampoline_end
trampoline_end:
.code64
.text
