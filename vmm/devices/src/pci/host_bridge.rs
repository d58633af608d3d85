//! The host bridge at 00:00.0. Cloud Hypervisor's EDK2 platform recognises its machine by this device id.

use super::PciFunction;
use super::config::{ConfigSpace, Identity};
use crate::bus::MmioDevice;

/// The device id by which `CLOUDHV.fd` finds out what it runs on (OvmfPkg/Include/IndustryStandard/CloudHv.h).
pub const DEVICE_ID: u16 = 0x0d57;

/// A bridge without registers beyond its header.
pub struct HostBridge(ConfigSpace);

impl HostBridge {
    /// The bridge.
    pub fn new() -> Self {
        Self(ConfigSpace::new(Identity {
            vendor: 0x8086,
            device: DEVICE_ID,
            revision: 0,
            class: 0x06_00_00,
            subsystem_vendor: 0,
            subsystem: 0,
        }))
    }
}

impl Default for HostBridge {
    fn default() -> Self {
        Self::new()
    }
}

impl MmioDevice for HostBridge {
    fn read(&mut self, _offset: u64, _data: &mut [u8]) {}
    fn write(&mut self, _offset: u64, _data: &[u8]) {}
}

impl PciFunction for HostBridge {
    fn read_config(&mut self, offset: usize, data: &mut [u8]) {
        self.0.read(offset, data);
    }

    fn write_config(&mut self, offset: usize, data: &[u8]) {
        self.0.write(offset, data);
    }

    fn bar_size(&self) -> u32 {
        0
    }

    fn place_bar(&mut self, _address: u32) {}

    fn bar_address(&self) -> Option<u64> {
        None
    }

    fn bar_moved(&mut self, _address: Option<u64>) {}
}
