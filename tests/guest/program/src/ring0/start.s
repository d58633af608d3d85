# The part that runs in ring 0: the PVH entry, the descriptor tables, and what interrupts and traps do. Integer instructions only,
# and few of them: a KVM without hardware help emulates each one.

.set LAPIC, 0x3fe00000          # alias of 0xfee00000 in the last 2 MiB of the first GiB, within reach of 32-bit displacements
.set LAPIC_EOI, LAPIC + 0xb0
.set LAPIC_COUNT, LAPIC + 0x380

.set KERNEL_CODE, 0x08
.set KERNEL_DATA, 0x10
.set USER_DATA, 0x18 + 3
.set USER_CODE, 0x20 + 3
.set FIRST_TSS, 0x30

# XEN_ELFNOTE_PHYS32_ENTRY
.section .note.Xen, "a", @note
    .p2align 2
    .long 4, 8, 18
    .asciz "Xen"
    .quad start32

.section .boot, "awx", @progbits

.code32
.globl start32
start32:                        # ebx: hvm_start_info
    cli
    lgdtl gdt_pointer
    movl $kernel_stack_top, %esp
    call long_mode
    ljmp $KERNEL_CODE, $start64

.globl ap32
ap32:
    movl $KERNEL_DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl $1, %ebp
    lock xaddl %ebp, next_cpu
    movl %ebp, %esp             # a stack for one call: 64 bytes per processor
    shll $6, %esp
    addl $ap_call_stacks, %esp
    call long_mode
    ljmp $KERNEL_CODE, $ap64

long_mode:                      # PAE, SSE for ring 3, long mode, paging; ebx and ebp are kept
    movl %cr4, %eax
    orl $0x620, %eax
    movl %eax, %cr4
    movl $pml4, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x100, %eax
    wrmsr
    movl %cr0, %eax
    andl $0x9ffffff3, %eax      # caches on; no emulation, no task-switched
    orl $0x80000003, %eax
    movl %eax, %cr0
    ret

.code64
start64:
    movl $tss, %eax             # the first processor's task state segment; the others' are described by Rust
    movw %ax, gdt + FIRST_TSS + 2(%rip)
    shrl $16, %eax
    movb %al, gdt + FIRST_TSS + 4(%rip)
    movb %ah, gdt + FIRST_TSS + 7(%rip)
    movl $FIRST_TSS, %eax
    movl $kernel_stack_top, tss + 4(%rip)
    movw $104, tss + 102(%rip)  # where the port bitmap begins
    ltr %ax
    lidt idt_pointer(%rip)
    movl %ebx, %edi
    movl $boot_stack_top, %eax
    movl $rust_main, %ecx
    jmp user

ap64:
    lgdt gdt_pointer(%rip)      # the trampoline knows only the start of it
    movl %ebp, %eax
    shll $4, %eax
    addl $FIRST_TSS, %eax
    ltr %ax
    lidt idt_pointer(%rip)
    movl %ebp, %edi
    movq ap_stacks(,%rbp,8), %rax
    movl $rust_ap_main, %ecx

user:                           # rax: stack, rcx: function, rdi: its argument; interrupts stay off until TRAP_ENABLE
    movl $USER_DATA, %edx
    movl %edx, %ds
    movl %edx, %es
    pushq %rdx
    subq $8, %rax
    pushq %rax
    pushq $2
    pushq $USER_CODE
    pushq %rcx
    iretq

# Ring 3 asks: rax is what, the arguments stand in the registers that each service names. Nothing is saved: the caller
# lists what is lost.
.globl trap_entry
.p2align 4
trap_entry:
    testl %eax, %eax
    jz trap_wait
    cmpl $2, %eax
    jb trap_write
    je trap_enable
    cmpl $4, %eax
    jb trap_cpuid
    je trap_wrmsr
trap_halt:                      # for ever, without interrupts
    hlt
    jmp trap_halt

trap_wait:                      # edi: LAPIC timer ticks, 0 for none. Returns after an interrupt.
    cmpb $0, pending_any(%rip)
    jne 1f
    movl %edi, LAPIC_COUNT
    sti
    hlt
    cli
1:  movb $0, pending_any(%rip)
    iretq

trap_write:                     # rsi: bytes, rcx: how many (at most 16: the transmitter's FIFO)
1:  movw $0x3fd, %dx
    inb %dx, %al
    testb $0x20, %al
    jz 1b
    movw $0x3f8, %dx
    cld
    rep outsb
    iretq

trap_enable:                    # interrupts are taken from now on
    orl $0x200, 16(%rsp)
    iretq

trap_cpuid:                     # edi: leaf; eax, ebx, ecx, edx are the answer
    movl %edi, %eax
    xorl %ecx, %ecx
    cpuid
    iretq

trap_wrmsr:                     # ecx: register, edx:edi: value
    movl %edi, %eax
    wrmsr
    iretq

# A vector's entry marks it as pending and ends the interrupt; no register is touched.
.globl interrupt_entries
.p2align 5
interrupt_entries:
.set vector, 32
.rept 224
    .p2align 5
    movb $1, pending + vector(%rip)
    movb $1, pending_any(%rip)
    movl $0, LAPIC_EOI
    iretq
    .set vector, vector + 1
.endr

# Exceptions end in rust_fault(vector, error code, rip, cr2), in ring 3.
.globl exception_entries
.p2align 4
exception_entries:
.set vector, 0
.rept 32
    .p2align 4
    .if (vector == 8) || ((vector >= 10) && (vector <= 14)) || (vector == 17) || (vector == 21) || (vector == 29) || (vector == 30)
    .else
    pushq $0
    .endif
    pushq $vector
    jmp fault
    .set vector, vector + 1
.endr
fault:
    popq %rdi
    popq %rsi
    popq %rdx
    movq %cr2, %rcx
    movl $fault_stack_top - 8, %eax
    movl $rust_fault, %ebx
    movl $kernel_stack_top, %esp
    pushq $USER_DATA
    pushq %rax
    pushq $2
    pushq $USER_CODE
    pushq %rbx
    iretq

.p2align 4
.globl gdt
gdt:
    .quad 0
    .quad 0x00af9b000000ffff    # 08 ring 0 code
    .quad 0x00cf93000000ffff    # 10 ring 0 data
    .quad 0x00cff3000000ffff    # 18 ring 3 data
    .quad 0x00affb000000ffff    # 20 ring 3 code
    .quad 0x00cf9b000000ffff    # 28 ring 0 code, 32 bits
    .quad 0x0000890000002068, 0 # 30 task state segments, a processor each
    .fill 30, 8, 0
gdt_end:
.globl gdt_pointer
gdt_pointer:
    .word gdt_end - gdt - 1
    .quad gdt
.p2align 3
idt_pointer:
    .word 4095
    .quad idt
.globl next_cpu
.p2align 2
next_cpu:
    .long 1

# Identity map of the first GiB in pages of 2 MiB, open to ring 3; Rust adds what it needs beyond.
.section .tables, "aw", @progbits
.p2align 12
.globl pml4
pml4:
    .quad pdpt + 7
    .fill 511, 8, 0
.globl pdpt
pdpt:
    .quad page_directory + 7
    .fill 511, 8, 0
page_directory:
.set page, 0
.rept 511
    .quad page + 0x87
    .set page, page + 0x200000
.endr
    .quad 0xfee00000 + 0x97     # the LAPIC, not cached

.section .bss, "aw", @nobits
.globl pending
pending:
    .skip 256
.globl pending_any
pending_any:
    .skip 64

# In use before Rust clears the rest.
.section .bss.kept, "aw", @nobits
.p2align 12
.globl idt
idt:
    .skip 4096
.globl ap_stacks
ap_stacks:
    .skip 16 * 8
ap_call_stacks:
    .skip 17 * 64
tss:                            # its port bitmap of zeros opens all ports to ring 3: an IOPL of 3 is not honoured everywhere
    .skip 104 + 8192 + 8
.p2align 4
    .skip 2048
kernel_stack_top:
    .skip 4096
fault_stack_top:
    .skip 65536
boot_stack_top:
