//! Configuration access by the port pair 0xcf8 and 0xcfc, with the reset control register 0xcf9 between them.

use super::root::{ConfigAddress, PciRoot};
use crate::bus::PioDevice;
use crate::power::{PowerRequest, PowerSink};
use crate::sync::lock;
use std::sync::{Arc, Mutex};

/// First port.
pub const PORT: u16 = 0xcf8;
/// Number of ports.
pub const PORTS: u16 = 8;
/// The reset control register, for the FADT.
pub const RESET_PORT: u16 = 0xcf9;
/// What resets the machine when written to [`RESET_PORT`]: full reset, now.
pub const RESET_VALUE: u8 = 0x06;

const ENABLE: u32 = 1 << 31;
const RESET_CPU: u8 = 1 << 2;

/// The ports 0xcf8 to 0xcff.
pub struct ConfigPort {
    root: Arc<Mutex<PciRoot>>,
    power: Arc<dyn PowerSink>,
    address: u32,
}

impl ConfigPort {
    /// Ports onto `root`.
    pub fn new(root: Arc<Mutex<PciRoot>>, power: Arc<dyn PowerSink>) -> Self {
        Self { root, power, address: 0 }
    }

    fn target(&self, offset: u16) -> Option<ConfigAddress> {
        let [register, device_function, bus, _] = self.address.to_le_bytes();
        let offset = u16::from(register & 0xfc) + offset.checked_sub(4)?;
        (self.address & ENABLE != 0).then_some(ConfigAddress { bus, device_function, offset })
    }
}

impl PioDevice for ConfigPort {
    fn read(&mut self, offset: u16, data: &mut [u8]) {
        if offset == 0 && data.len() == 4 {
            data.copy_from_slice(&self.address.to_le_bytes());
        } else if let Some(target) = self.target(offset) {
            lock(&self.root).read_config(target, data);
        }
    }

    fn write(&mut self, offset: u16, data: &[u8]) {
        match (offset, data) {
            (0, &[a, b, c, d]) => self.address = u32::from_le_bytes([a, b, c, d]),
            (1, &[value]) if value & RESET_CPU != 0 => self.power.request(PowerRequest::Reset),
            _ => {
                if let Some(target) = self.target(offset) {
                    lock(&self.root).write_config(target, data);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::MmioBus;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[derive(Default)]
    struct Resets(AtomicU32);

    impl PowerSink for Resets {
        fn request(&self, _request: PowerRequest) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn ports() -> (ConfigPort, Arc<Resets>) {
        let root = PciRoot::new(Arc::new(MmioBus::new()), 0xc000_0000, 0x1000);
        let resets = Arc::new(Resets::default());
        (ConfigPort::new(Arc::new(Mutex::new(root)), resets.clone()), resets)
    }

    #[test]
    fn firmware_reads_the_host_bridge_id() {
        let (mut ports, _) = ports();
        let mut half = [0xff; 2];
        ports.read(6, &mut half);
        assert_eq!(half, [0xff; 2]);
        ports.write(0, &0x8000_0000_u32.to_le_bytes());
        ports.read(6, &mut half);
        assert_eq!(half, [0x57, 0x0d]);
        let mut word = [0; 4];
        ports.read(0, &mut word);
        assert_eq!(word, 0x8000_0000_u32.to_le_bytes());
    }

    #[test]
    fn the_reset_register_resets_only_with_its_bit() {
        let (mut ports, resets) = ports();
        ports.write(1, &[0x02]);
        assert_eq!(resets.0.load(Ordering::Relaxed), 0);
        ports.write(1, &[RESET_VALUE]);
        assert_eq!(resets.0.load(Ordering::Relaxed), 1);
    }
}
