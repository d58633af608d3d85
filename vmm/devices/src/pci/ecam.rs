//! Configuration access by memory (PCI Express ECAM): 4 KiB per function.

use super::root::{ConfigAddress, PciRoot};
use crate::bus::MmioDevice;
use crate::sync::lock;
use std::sync::{Arc, Mutex};

/// Bytes of the window for bus 0, the only bus (MCFG: start bus 0, end bus 0).
pub const WINDOW: u64 = 1 << 20;

/// The ECAM window.
pub struct Ecam(Arc<Mutex<PciRoot>>);

impl Ecam {
    /// A window onto `root`.
    pub fn new(root: Arc<Mutex<PciRoot>>) -> Self {
        Self(root)
    }
}

fn address(offset: u64) -> ConfigAddress {
    ConfigAddress { bus: (offset >> 20) as u8, device_function: (offset >> 12) as u8, offset: (offset & 0xfff) as u16 }
}

impl MmioDevice for Ecam {
    fn read(&mut self, offset: u64, data: &mut [u8]) {
        lock(&self.0).read_config(address(offset), data);
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        lock(&self.0).write_config(address(offset), data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_names_slot_and_register() {
        let expected = ConfigAddress { bus: 0, device_function: 3 << 3, offset: 0x10 };
        assert_eq!(address(3 << 15 | 0x10), expected);
    }
}
