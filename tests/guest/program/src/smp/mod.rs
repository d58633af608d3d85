//! The other processors: started by INIT and SIPI, each says that it is up and stops for ever.

use crate::machine::Machine;
use crate::{clock, memory, ring0, say};
use core::arch::global_asm;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

global_asm!(include_str!("trampoline.s"), options(att_syntax));

/// Processors that the tables of ring 0 have room for.
const MOST: usize = 16;
const TRAMPOLINE: u64 = 0x8000;
const STACK: usize = 16 << 10;
const TSS_SIZE: usize = 104 + 8192 + 8;
const TSS_LIMIT: u64 = 104 + 8192;

const ICR_LOW: u64 = 0x300;
const ICR_HIGH: u64 = 0x310;
const LAPIC_ID: u64 = 0x20;
const INIT: u32 = 0x4500;
const STARTUP: u32 = 0x4600;

static ONLINE: AtomicUsize = AtomicUsize::new(1);

unsafe extern "C" {
    static trampoline: u8;
    static trampoline_end: u8;
    static gdt: [AtomicU64; 38];
    static ap_stacks: [AtomicU64; MOST];
}

/// Starts the processors that the firmware lists and waits until they are up, at most a second each.
pub fn start(machine: &Machine) {
    let Some(acpi) = &machine.acpi else { return };
    let own = (clock::lapic().read::<u32>(LAPIC_ID) >> 24) as u8;
    copy_trampoline();
    for id in acpi.cpus.iter().copied().filter(|id| *id != own).take(MOST - 1) {
        start_one(id);
    }
    say!("cpus {} of {}", ONLINE.load(Ordering::Acquire), acpi.cpus.len());
}

fn copy_trampoline() {
    // SAFETY: both symbols are of trampoline.s; the page at 0x8000 is RAM, and what the loader left there has been read.
    unsafe {
        let start = &raw const trampoline;
        let length = (&raw const trampoline_end as usize) - start as usize;
        core::ptr::copy_nonoverlapping(start, TRAMPOLINE as *mut u8, length);
    }
}

fn start_one(id: u8) {
    const SECOND: u64 = 1_000_000;
    let index = ONLINE.load(Ordering::Acquire);
    describe(index);
    send(id, INIT);
    sleep(1_000);
    for _ in 0..2 {
        send(id, STARTUP | (TRAMPOLINE >> 12) as u32);
        let deadline = clock::now() + SECOND / 2;
        while ONLINE.load(Ordering::Acquire) == index && clock::now() < deadline {
            sleep(500);
        }
        if ONLINE.load(Ordering::Acquire) > index {
            return;
        }
    }
    say!("cpu {index} did not start");
}

fn sleep(microseconds: u64) {
    ring0::wait(clock::ticks_until(Some(clock::now() + microseconds)));
}

fn send(id: u8, command: u32) {
    let lapic = clock::lapic();
    lapic.write(ICR_HIGH, u32::from(id) << 24);
    lapic.write(ICR_LOW, command);
}

/// Gives a processor its stacks and its task state segment.
fn describe(index: usize) {
    const FIRST_TSS: usize = 6;
    const AVAILABLE_TSS: u64 = 0x89 << 40;
    let tss = memory::leak_zeroed(TSS_SIZE, 16);
    let kernel_stack = memory::leak_zeroed(STACK, 16) as u64 + STACK as u64;
    // SAFETY: within the segment: the ring 0 stack and where the port bitmap begins. Both tables have an entry for the index.
    unsafe {
        tss.add(4).cast::<u64>().write_unaligned(kernel_stack);
        tss.add(102).cast::<u16>().write_unaligned(104);
        ap_stacks[index].store(memory::leak_zeroed(STACK, 16) as u64 + STACK as u64, Ordering::Release);
        let base = tss as u64;
        let low = TSS_LIMIT | (base & 0xff_ffff) << 16 | AVAILABLE_TSS | (base >> 24 & 0xff) << 56;
        gdt[FIRST_TSS + 2 * index].store(low, Ordering::Release);
        gdt[FIRST_TSS + 2 * index + 1].store(base >> 32, Ordering::Release);
    }
}

/// Where a second processor hands over to ring 3.
#[unsafe(no_mangle)]
extern "C" fn rust_ap_main(index: u32) -> ! {
    say!("cpu {index} up");
    ONLINE.fetch_add(1, Ordering::AcqRel);
    ring0::halt()
}
