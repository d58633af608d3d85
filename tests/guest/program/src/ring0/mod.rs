//! The privileged part: entry, descriptor tables, interrupt entries, and the few services that ring 3 asks for by a trap.
//!
//! It owns the interrupt table and the vectors' pending marks. A vector is taken with [`take`] after [`wait`] came back.

use core::arch::{asm, global_asm};
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

global_asm!(include_str!("start.s"), options(att_syntax));

unsafe extern "C" {
    static interrupt_entries: u8;
    static exception_entries: u8;
    static trap_entry: u8;
    static idt: [[AtomicU64; 2]; 256];
    static pending: [AtomicU8; 256];
}

/// The breakpoint's vector: not every KVM lets ring 3 raise another one by `int`.
const TRAP: usize = 3;
const EXCEPTIONS: usize = 32;
const GATE_RING0: u64 = 0x8e00;
const GATE_RING3: u64 = 0xee00;

/// The vector of the LAPIC timer.
pub const TIMER_VECTOR: u8 = 0xef;
/// The vector of ACPI's events.
pub const ACPI_VECTOR: u8 = 0x31;
/// The vector of the serial port.
pub const SERIAL_VECTOR: u8 = 0x32;
/// The first vector of PCI devices.
pub const DEVICE_VECTORS: u8 = 0x40;

/// Fills the interrupt table. Interrupts stay off until [`start_interrupts`]; traps work from here on.
pub fn install_interrupts() {
    let (interrupts, exceptions) = (&raw const interrupt_entries as u64, &raw const exception_entries as u64);
    let trap = &raw const trap_entry as u64;
    for vector in 0..256 {
        match vector {
            TRAP => set_gate(vector, trap, GATE_RING3),
            0..EXCEPTIONS => set_gate(vector, exceptions + 16 * vector as u64, GATE_RING0),
            _ => set_gate(vector, interrupts + 32 * (vector - EXCEPTIONS) as u64, GATE_RING0),
        }
    }
}

/// Empties the interrupt table: the next exception is the machine's last.
pub fn remove_interrupts() {
    // SAFETY: defined in start.s with this type; it is only changed through atomics.
    unsafe { idt.iter() }.for_each(|gate| gate[0].store(0, Ordering::Release));
}

fn set_gate(vector: usize, entry: u64, kind: u64) {
    const KERNEL_CODE: u64 = 8;
    // SAFETY: defined in start.s with this type; it is only changed through atomics.
    let gate = unsafe { &idt[vector] };
    let low = (entry & 0xffff) | (KERNEL_CODE << 16) | (kind << 32) | ((entry >> 16 & 0xffff) << 48);
    gate[0].store(low, Ordering::Relaxed);
    gate[1].store(entry >> 32, Ordering::Release);
}

/// Whether the vector's interrupt came since the last call.
pub fn take(vector: u8) -> bool {
    // SAFETY: defined in start.s with this type; it is only changed by single stores.
    unsafe { pending[vector as usize].swap(0, Ordering::AcqRel) != 0 }
}

/// Makes [`take`] true once more: its reason may not be over.
pub fn mark(vector: u8) {
    // SAFETY: defined in start.s with this type; it is only changed by single stores.
    unsafe { pending[vector as usize].store(1, Ordering::Release) };
}

/// Sleeps until an interrupt, at most for this many ticks of the LAPIC timer (0: no limit). Returns at once if one came since the
/// last call.
pub fn wait(ticks: u32) {
    // SAFETY: service 0 changes eax and memory that other code reads through atomics.
    unsafe { asm!("int3", inout("eax") 0 => _, in("edi") ticks) }
}

/// Sends bytes to the serial port.
pub fn write_serial(bytes: &[u8]) {
    for chunk in bytes.chunks(16) {
        // SAFETY: service 1 reads these bytes and loses rax, rcx, rdx, rsi.
        unsafe {
            asm!("int3", inout("eax") 1 => _, inout("rcx") chunk.len() => _,
                inout("rsi") chunk.as_ptr() => _, out("edx") _, options(readonly));
        }
    }
}

/// Lets interrupts in.
pub fn start_interrupts() {
    // SAFETY: service 2 only sets the interrupt flag that the trap's return restores; the table is filled by now.
    unsafe { asm!("int3", inout("eax") 2 => _) }
}

/// The answer to `cpuid` as the virtual machine's monitor wants it: ring 3 may see the host's.
pub fn cpuid(leaf: u32) -> [u32; 4] {
    let (eax, ebx, ecx, edx): (u32, u64, u32, u32);
    // SAFETY: service 3 loses rbx, which is put back.
    unsafe {
        asm!("mov {saved}, rbx", "int3", "xchg {saved}, rbx", saved = out(reg) ebx,
            inout("eax") 3 => eax, in("edi") leaf, out("ecx") ecx, out("edx") edx, options(nomem));
    }
    [eax, ebx as u32, ecx, edx]
}

/// Writes a model-specific register.
///
/// # Safety
/// The register must exist, and what it makes the processor do must keep memory as Rust wants it.
pub unsafe fn write_msr(register: u32, value: u64) {
    // SAFETY: service 4 loses eax; the caller answers for the register.
    unsafe {
        asm!("int3", inout("eax") 4 => _, in("ecx") register, in("edi") value as u32, in("edx") (value >> 32) as u32);
    }
}

/// Stops this processor for ever.
pub fn halt() -> ! {
    // SAFETY: service 5 does not come back.
    unsafe { asm!("int3", in("eax") 5, options(noreturn)) }
}

/// Where exceptions end.
#[unsafe(no_mangle)]
extern "C" fn rust_fault(vector: u64, error: u64, instruction: u64, address: u64) -> ! {
    crate::serial::take_over();
    crate::say!("fault {vector} error {error:#x} at {instruction:#x} address {address:#x}");
    crate::power::crash()
}

/// Port access, which the task state segment's bitmap opens to ring 3.
pub mod port {
    use core::arch::asm;

    /// Reads a byte.
    pub fn read8(port: u16) -> u8 {
        let value;
        // SAFETY: reading a port of this machine does not change memory.
        unsafe { asm!("in al, dx", in("dx") port, out("al") value, options(nomem, nostack)) }
        value
    }

    /// Reads 16 bits.
    pub fn read16(port: u16) -> u16 {
        let value;
        // SAFETY: reading a port of this machine does not change memory.
        unsafe { asm!("in ax, dx", in("dx") port, out("ax") value, options(nomem, nostack)) }
        value
    }

    /// Reads 32 bits.
    pub fn read32(port: u16) -> u32 {
        let value;
        // SAFETY: reading a port of this machine does not change memory.
        unsafe { asm!("in eax, dx", in("dx") port, out("eax") value, options(nomem, nostack)) }
        value
    }

    /// Writes a byte.
    pub fn write8(port: u16, value: u8) {
        // SAFETY: the ports that this program writes do not change memory.
        unsafe { asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack)) }
    }

    /// Writes 16 bits.
    pub fn write16(port: u16, value: u16) {
        // SAFETY: the ports that this program writes do not change memory.
        unsafe { asm!("out dx, ax", in("dx") port, in("ax") value, options(nomem, nostack)) }
    }

    /// Writes 32 bits.
    pub fn write32(port: u16, value: u32) {
        // SAFETY: the ports that this program writes do not change memory.
        unsafe { asm!("out dx, eax", in("dx") port, in("eax") value, options(nomem, nostack)) }
    }
}
