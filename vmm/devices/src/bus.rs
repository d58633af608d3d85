//! Port and MMIO buses: which device answers at which address.
//!
//! A lookup takes a shared lock for a moment and clones the device's handle; the access itself holds that device's mutex
//! alone. A device may therefore change the bus from inside an access, as PCI does when the guest moves a BAR.

use crate::sync::lock;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use thiserror::Error;

/// A device on the port bus.
pub trait PioDevice: Send {
    /// Reads `data.len()` bytes (1, 2 or 4) at `offset` from the start of the device's range.
    fn read(&mut self, offset: u16, data: &mut [u8]);
    /// Writes `data` (1, 2 or 4 bytes) at `offset` from the start of the device's range.
    fn write(&mut self, offset: u16, data: &[u8]);
}

/// A device on the MMIO bus.
pub trait MmioDevice: Send {
    /// Reads `data.len()` bytes (1 to 8) at `offset` from the start of the device's range.
    fn read(&mut self, offset: u64, data: &mut [u8]);
    /// Writes `data` (1 to 8 bytes) at `offset` from the start of the device's range.
    fn write(&mut self, offset: u64, data: &[u8]);
}

/// Why a range cannot be put on a bus.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum BusError {
    /// The range is empty or runs over the end of the address space.
    #[error("range of {length:#x} bytes at {base:#x} does not fit the bus")]
    Range {
        /// First address.
        base: u64,
        /// Number of addresses.
        length: u64,
    },
    /// Another device has a part of the range.
    #[error("range of {length:#x} bytes at {base:#x} is taken")]
    Overlap {
        /// First address.
        base: u64,
        /// Number of addresses.
        length: u64,
    },
}

struct Entry<D: ?Sized> {
    last: u64,
    device: Arc<Mutex<D>>,
}

/// Ranges and the devices behind them.
pub struct Bus<D: ?Sized> {
    ranges: RwLock<BTreeMap<u64, Entry<D>>>,
    end: u64,
}

/// The 64 KiB of x86 ports.
pub type PioBus = Bus<dyn PioDevice>;

/// Guest-physical addresses that are not memory.
pub type MmioBus = Bus<dyn MmioDevice>;

impl<D: ?Sized> Bus<D> {
    fn with_end(end: u64) -> Self {
        Self { ranges: RwLock::new(BTreeMap::new()), end }
    }

    /// Puts `device` on the bus for `length` addresses from `base` on.
    ///
    /// # Errors
    /// When the range is not free or no range.
    pub fn insert(&self, base: u64, length: u64, device: Arc<Mutex<D>>) -> Result<(), BusError> {
        let last = length.checked_sub(1).and_then(|n| base.checked_add(n)).filter(|last| *last <= self.end);
        let last = last.ok_or(BusError::Range { base, length })?;
        let mut ranges = self.ranges.write().unwrap_or_else(PoisonError::into_inner);
        let below = ranges.range(..=last).next_back();
        if below.is_some_and(|(_, entry)| entry.last >= base) {
            return Err(BusError::Overlap { base, length });
        }
        ranges.insert(base, Entry { last, device });
        Ok(())
    }

    /// Takes the range that starts at `base` off the bus. Whether there was one.
    pub fn remove(&self, base: u64) -> bool {
        self.ranges.write().unwrap_or_else(PoisonError::into_inner).remove(&base).is_some()
    }

    fn find(&self, address: u64, length: usize) -> Option<(u64, Arc<Mutex<D>>)> {
        let last = address.checked_add((length as u64).checked_sub(1)?)?;
        let ranges = self.ranges.read().unwrap_or_else(PoisonError::into_inner);
        let (base, entry) = ranges.range(..=address).next_back()?;
        (last <= entry.last).then(|| (address - base, Arc::clone(&entry.device)))
    }
}

impl PioBus {
    /// An empty port bus.
    pub fn new() -> Self {
        Self::with_end(0xffff)
    }

    /// A guest's read; ones where no device answers.
    pub fn read(&self, port: u16, data: &mut [u8]) {
        data.fill(0xff);
        if let Some((offset, device)) = self.find(port.into(), data.len()) {
            lock(&device).read(offset as u16, data);
        }
    }

    /// A guest's write; lost where no device answers.
    pub fn write(&self, port: u16, data: &[u8]) {
        if let Some((offset, device)) = self.find(port.into(), data.len()) {
            lock(&device).write(offset as u16, data);
        }
    }
}

impl MmioBus {
    /// An empty MMIO bus.
    pub fn new() -> Self {
        Self::with_end(u64::MAX)
    }

    /// A guest's read; ones where no device answers.
    pub fn read(&self, address: u64, data: &mut [u8]) {
        data.fill(0xff);
        if let Some((offset, device)) = self.find(address, data.len()) {
            lock(&device).read(offset, data);
        }
    }

    /// A guest's write; lost where no device answers.
    pub fn write(&self, address: u64, data: &[u8]) {
        if let Some((offset, device)) = self.find(address, data.len()) {
            lock(&device).write(offset, data);
        }
    }
}

impl Default for PioBus {
    fn default() -> Self {
        Self::new()
    }
}

impl Default for MmioBus {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Echo(Vec<(u64, Vec<u8>)>);

    impl MmioDevice for Echo {
        fn read(&mut self, offset: u64, data: &mut [u8]) {
            data.fill(offset as u8);
        }
        fn write(&mut self, offset: u64, data: &[u8]) {
            self.0.push((offset, data.to_vec()));
        }
    }

    fn echo() -> Arc<Mutex<Echo>> {
        Arc::new(Mutex::new(Echo(Vec::new())))
    }

    #[test]
    fn an_access_reaches_the_device_with_its_offset() {
        let (bus, device) = (MmioBus::new(), echo());
        bus.insert(0x1000, 0x10, device.clone()).unwrap();
        let mut byte = [0];
        bus.read(0x100f, &mut byte);
        assert_eq!(byte, [0xf]);
        bus.write(0x1004, &[1, 2]);
        assert_eq!(lock(&device).0, [(4, vec![1, 2])]);
    }

    #[test]
    fn nobody_answers_beside_or_across_a_range() {
        let bus = MmioBus::new();
        bus.insert(0x1000, 0x10, echo()).unwrap();
        for address in [0xfff, 0x1010, 0x100f, u64::MAX] {
            let mut word = [0; 2];
            bus.read(address, &mut word);
            assert_eq!(word, [0xff; 2], "{address:#x}");
        }
    }

    #[test]
    fn overlaps_and_impossible_ranges_are_refused() {
        let bus = MmioBus::new();
        bus.insert(0x1000, 0x10, echo()).unwrap();
        for (base, length) in [(0xff8, 9), (0x1008, 1), (0x0, 0x4000), (0x100f, 2)] {
            assert_eq!(bus.insert(base, length, echo()), Err(BusError::Overlap { base, length }));
        }
        for (base, length) in [(0x5000, 0), (u64::MAX, 2)] {
            assert_eq!(bus.insert(base, length, echo()), Err(BusError::Range { base, length }));
        }
        bus.insert(0x1010, 0x10, echo()).unwrap();
        assert!(bus.remove(0x1000));
        bus.insert(0xff8, 0x18, echo()).unwrap();
    }
}
