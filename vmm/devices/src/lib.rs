//! Everything that a guest finds on its buses: the buses themselves, PCI, virtio devices and the few legacy devices that
//! firmware and Linux ask for.
//!
//! It owns device models and knows no KVM: interrupts leave through [`vmm_sys::interrupt`], doorbells are registered through
//! [`vmm_sys::doorbell`], and the event loop that drives queues is given [`poll::Pollable`] objects. It has no unsafe code
//! and opens no files.
//!
//! Invariants:
//! - Guest memory, rings, registers and packets are hostile: every length and address is checked, nothing panics, and a ring
//!   that breaks the rules stops its own device only (`DEVICE_NEEDS_RESET`).
//! - A device is locked by the thread that touches it, for as long as the access takes; the buses hold no lock meanwhile.
//!
//! ```text
//! vCPU thread -- PioBus/MmioBus --> Arc<Mutex<device>> --(kick EventFd)--> worker: Pollable::handle
//!      guest  <-- MsiVector / Interrupt -----------------------------------------------'
//! ```

pub mod bus;
pub mod counters;
pub mod device;
pub mod legacy;
pub mod pci;
pub mod poll;
pub mod power;
pub mod sync;
pub mod terminal;
pub mod virtio;
