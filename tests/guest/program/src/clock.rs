//! Time since the start, by the time stamp counter.
//!
//! Only differences count: ring 3 may read the host's counter where ring 0 reads the guest's. The rate comes from kvmclock, else
//! from the LAPIC timer, which runs at 1 GHz under KVM and QEMU alike.

use crate::memory::{self, Registers};
use crate::ring0;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

const LAPIC: u64 = 0xfee0_0000;
const SPURIOUS: u64 = 0xf0;
const TIMER: u64 = 0x320;
const LINT0: u64 = 0x350;
const INITIAL_COUNT: u64 = 0x380;
const CURRENT_COUNT: u64 = 0x390;
const DIVIDE: u64 = 0x3e0;
const PIC_MASKS: [u16; 2] = [0x21, 0xa1];
const MASKED: u32 = 1 << 16;

const KVM_FEATURES: u32 = 0x4000_0001;
const KVM_CLOCK: u32 = 1 << 3;
const KVM_CLOCK_MSR: u32 = 0x4b56_4d01;

static START: AtomicU64 = AtomicU64::new(0);
/// Nanoseconds per tick of the counter, in units of 2^-32.
static SCALE: AtomicU64 = AtomicU64::new(1 << 32);
static LAST: AtomicU64 = AtomicU64::new(0);
static SOURCE: AtomicU32 = AtomicU32::new(0);

/// The local interrupt controller.
pub fn lapic() -> Registers {
    // SAFETY: the architecture puts the LAPIC's page there; nothing on this machine moves it.
    unsafe { Registers::new(LAPIC, 4096) }
}

/// Starts the clock and the timer, and shuts out the old interrupt controller, which firmware may have left open.
pub fn init() {
    for mask in PIC_MASKS {
        ring0::port::write8(mask, 0xff);
    }
    let lapic = lapic();
    lapic.write(SPURIOUS, 0x1ff_u32);
    lapic.write(LINT0, MASKED);
    lapic.write(DIVIDE, 0b1011_u32);
    lapic.write(TIMER, u32::from(ring0::TIMER_VECTOR));
    let scale = kvmclock_scale().unwrap_or_else(|| timer_scale(lapic));
    SCALE.store(scale, Ordering::Relaxed);
    START.store(counter(), Ordering::Relaxed);
}

fn kvmclock_scale() -> Option<u64> {
    let signature = ring0::cpuid(0x4000_0000);
    let is_kvm = signature[1..] == [0x4b4d_564b, 0x564b_4d56, 0x4d];
    if !is_kvm || ring0::cpuid(KVM_FEATURES)[0] & KVM_CLOCK == 0 {
        return None;
    }
    let page = memory::leak_zeroed(4096, 4096);
    // SAFETY: the register exists, KVM announced it; the page is KVM's from here on.
    unsafe { ring0::write_msr(KVM_CLOCK_MSR, page as u64 | 1) };
    // SAFETY: within the page; tsc_to_system_mul and tsc_shift of struct pvclock_vcpu_time_info.
    let (multiplier, shift) =
        unsafe { (page.add(24).cast::<u32>().read_volatile(), page.add(28).cast::<i8>().read_volatile()) };
    SOURCE.store(1, Ordering::Relaxed);
    let multiplier = u64::from(multiplier);
    (multiplier != 0).then(|| if shift < 0 { multiplier >> -shift } else { multiplier << shift })
}

fn timer_scale(lapic: Registers) -> u64 {
    const NANOSECONDS: u32 = 5_000_000;
    lapic.write(TIMER, MASKED);
    lapic.write(INITIAL_COUNT, u32::MAX);
    let (from, first) = (counter(), lapic.read::<u32>(CURRENT_COUNT));
    let mut elapsed = 0;
    while elapsed < NANOSECONDS {
        elapsed = first.wrapping_sub(lapic.read::<u32>(CURRENT_COUNT));
    }
    let ticks = (counter() - from).max(1);
    lapic.write(INITIAL_COUNT, 0_u32);
    lapic.write(TIMER, u32::from(ring0::TIMER_VECTOR));
    (u64::from(elapsed) << 32) / ticks
}

/// The clock's name.
pub fn source() -> &'static str {
    if SOURCE.load(Ordering::Relaxed) == 1 { "kvmclock" } else { "lapic" }
}

/// A number that no one needs to guess twice: not for secrets.
pub fn entropy() -> u64 {
    counter().wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
}

fn counter() -> u64 {
    // SAFETY: every x86-64 processor has the counter, and ring 3 may read it here.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Microseconds since [`init`]; never goes back.
pub fn now() -> u64 {
    let ticks = counter().wrapping_sub(START.load(Ordering::Relaxed));
    let nanoseconds = (u128::from(ticks) * u128::from(SCALE.load(Ordering::Relaxed))) >> 32;
    let now = nanoseconds as u64 / 1000;
    LAST.fetch_max(now, Ordering::Relaxed).max(now)
}

/// Ticks for [`ring0::wait`] until a moment of [`now`]'s scale, at most a second; a missed wake-up heals by itself.
pub fn ticks_until(deadline: Option<u64>) -> u32 {
    const SECOND: u64 = 1_000_000;
    let microseconds = deadline.map_or(SECOND, |at| at.saturating_sub(now()).clamp(1, SECOND));
    (microseconds * 1000) as u32
}
