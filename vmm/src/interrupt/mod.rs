//! Who has which pin of the IOAPIC. Everything else interrupts by message ([`vmm_sys::msi`]).

use vmm_devices::legacy::ports;

/// The 16550, as Linux and firmware expect it.
pub const SERIAL: u32 = ports::SERIAL_IRQ;
/// The generic event device, which carries the power button.
pub const EVENTS: u32 = ports::EVENT_IRQ;
