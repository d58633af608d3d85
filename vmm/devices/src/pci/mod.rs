//! PCI: one bus of type-0 functions behind a host bridge.
//!
//! It owns configuration space, its two ways in ([`config_port`] and [`ecam`]), BAR decoding and MSI-X. It knows no virtio.
//!
//! Invariants:
//! - A function's BAR is on the MMIO bus exactly while memory decoding is on and its range is free; moving it moves the decode.
//! - Locks are taken in the order access way, [`root::PciRoot`], function, bus; a function never calls back into the root.

pub mod config;
pub mod config_port;
pub mod ecam;
pub mod host_bridge;
pub mod msix;
pub mod root;

use crate::bus::MmioDevice;

/// Bytes of configuration space that a function implements; the rest of the 4 KiB reads as ones.
pub const CONFIG_SIZE: usize = 256;

/// A function on the bus. Its [`MmioDevice`] side is its one memory BAR.
pub trait PciFunction: MmioDevice {
    /// Reads `data.len()` bytes (1, 2 or 4, within one double word) of configuration space.
    fn read_config(&mut self, offset: usize, data: &mut [u8]);

    /// Writes `data` (1, 2 or 4 bytes, within one double word) to configuration space.
    fn write_config(&mut self, offset: usize, data: &[u8]);

    /// Size of the BAR in bytes, a power of two; 0 without a BAR.
    fn bar_size(&self) -> u32;

    /// Puts the BAR's power-on address in place. Called once, when the function is put on the bus.
    fn place_bar(&mut self, address: u32);

    /// Where the BAR answers now, if decoding is on.
    fn bar_address(&self) -> Option<u64>;

    /// The bus has moved the BAR here, or taken it off; for doorbells.
    fn bar_moved(&mut self, address: Option<u64>);
}
