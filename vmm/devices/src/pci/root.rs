//! The root complex: up to 32 functions on bus 0, and the decode of their BARs.

use super::PciFunction;
use super::host_bridge::HostBridge;
use crate::bus::{MmioBus, MmioDevice};
use crate::sync::lock;
use std::sync::{Arc, Mutex};
use thiserror::Error;

/// Slots on the bus.
pub const SLOTS: usize = 32;

/// Why a function cannot be put on the bus.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum PciError {
    /// All slots are taken.
    #[error("no free pci slot")]
    NoSlot,
    /// The window for BARs is used up.
    #[error("no room for a bar of {size:#x} bytes")]
    NoRoom {
        /// The BAR's size.
        size: u32,
    },
}

struct Slot {
    function: Arc<Mutex<dyn PciFunction>>,
    mmio: Arc<Mutex<dyn MmioDevice>>,
    mapped: Option<u64>,
}

/// The functions of bus 0 and where their BARs are decoded.
pub struct PciRoot {
    slots: [Option<Slot>; SLOTS],
    bus: Arc<MmioBus>,
    next_bar: u64,
    window_end: u64,
}

impl PciRoot {
    /// A bus with the host bridge alone. BARs get their power-on addresses from the `length` bytes at `base`, which must lie
    /// below 4 GiB; the guest may move them anywhere.
    pub fn new(bus: Arc<MmioBus>, base: u32, length: u32) -> Self {
        let mut root = Self {
            slots: [const { None }; SLOTS],
            bus,
            next_bar: base.into(),
            window_end: u64::from(base) + u64::from(length),
        };
        let bridge = Arc::new(Mutex::new(HostBridge::new()));
        root.slots[0] = Some(Slot { function: bridge.clone(), mmio: bridge, mapped: None });
        root
    }

    /// Puts a function into the first free slot and returns the slot's number.
    ///
    /// # Errors
    /// When slots or BAR addresses are used up.
    pub fn add<F: PciFunction + 'static>(&mut self, function: Arc<Mutex<F>>) -> Result<usize, PciError> {
        let number = self.slots.iter().position(Option::is_none).ok_or(PciError::NoSlot)?;
        let size = lock(&function).bar_size();
        if size != 0 {
            let address = self.allocate(size)?;
            lock(&function).place_bar(address);
        }
        self.slots[number] = Some(Slot { function: function.clone(), mmio: function, mapped: None });
        Ok(number)
    }

    fn allocate(&mut self, size: u32) -> Result<u32, PciError> {
        let address = self.next_bar.next_multiple_of(size.into());
        let end = address + u64::from(size);
        let fits = u32::try_from(address).ok().filter(|_| end <= self.window_end);
        let address = fits.ok_or(PciError::NoRoom { size })?;
        self.next_bar = end;
        Ok(address)
    }

    /// Reads configuration space by bus, slot and function; ones where there is nothing.
    pub fn read_config(&self, address: ConfigAddress, data: &mut [u8]) {
        data.fill(0xff);
        if let Some(slot) = address.slot(data.len()).and_then(|number| self.slots[number].as_ref()) {
            lock(&slot.function).read_config(address.offset.into(), data);
        }
    }

    /// Writes configuration space, and moves the function's BAR if the write asked for that.
    pub fn write_config(&mut self, address: ConfigAddress, data: &[u8]) {
        if let Some(slot) = address.slot(data.len()).and_then(|number| self.slots[number].as_mut()) {
            let mut function = lock(&slot.function);
            function.write_config(address.offset.into(), data);
            let (wanted, size) = (function.bar_address(), function.bar_size());
            let moved = remap(&self.bus, slot.mapped, wanted, size, &slot.mmio);
            if moved != slot.mapped {
                slot.mapped = moved;
                function.bar_moved(moved);
            }
        }
    }

    /// Takes all BARs off the bus that are no longer decoded; after the functions themselves were reset.
    pub fn reset(&mut self) {
        for slot in self.slots.iter_mut().flatten() {
            let mut function = lock(&slot.function);
            let moved = remap(&self.bus, slot.mapped, function.bar_address(), function.bar_size(), &slot.mmio);
            slot.mapped = moved;
            function.bar_moved(moved);
        }
    }
}

/// Moves a BAR from one address to another and returns where it is then: nowhere when its new range is taken.
fn remap(
    bus: &MmioBus,
    now: Option<u64>,
    wanted: Option<u64>,
    size: u32,
    device: &Arc<Mutex<dyn MmioDevice>>,
) -> Option<u64> {
    if now == wanted {
        return now;
    }
    if let Some(base) = now {
        bus.remove(base);
    }
    wanted.filter(|base| bus.insert(*base, size.into(), Arc::clone(device)).is_ok())
}

/// A register's address in configuration space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigAddress {
    /// Bus number; only 0 exists.
    pub bus: u8,
    /// Slot and function number, as 0bSSSSSFFF; only function 0 exists.
    pub device_function: u8,
    /// Byte within the function's 4 KiB.
    pub offset: u16,
}

impl ConfigAddress {
    /// The slot that is addressed, if the access stays within a double word.
    fn slot(self, length: usize) -> Option<usize> {
        let exists = self.bus == 0 && self.device_function & 7 == 0;
        (exists && usize::from(self.offset & 3) + length <= 4).then_some(usize::from(self.device_function >> 3))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pci::config::{ConfigSpace, Identity};

    struct Function {
        config: ConfigSpace,
        moves: Vec<Option<u64>>,
    }

    impl MmioDevice for Function {
        fn read(&mut self, offset: u64, data: &mut [u8]) {
            data.fill(offset as u8);
        }
        fn write(&mut self, _offset: u64, _data: &[u8]) {}
    }

    impl PciFunction for Function {
        fn read_config(&mut self, offset: usize, data: &mut [u8]) {
            self.config.read(offset, data);
        }
        fn write_config(&mut self, offset: usize, data: &[u8]) {
            self.config.write(offset, data);
        }
        fn bar_size(&self) -> u32 {
            0x1000
        }
        fn place_bar(&mut self, address: u32) {
            self.config.place_bar(address);
        }
        fn bar_address(&self) -> Option<u64> {
            self.config.bar_address()
        }
        fn bar_moved(&mut self, address: Option<u64>) {
            self.moves.push(address);
        }
    }

    fn function() -> Arc<Mutex<Function>> {
        let identity = Identity { vendor: 1, device: 2, revision: 0, class: 0, subsystem_vendor: 0, subsystem: 0 };
        let mut config = ConfigSpace::new(identity);
        config.add_bar(0x1000);
        Arc::new(Mutex::new(Function { config, moves: Vec::new() }))
    }

    fn at(slot: u8, offset: u16) -> ConfigAddress {
        ConfigAddress { bus: 0, device_function: slot << 3, offset }
    }

    fn byte(bus: &MmioBus, address: u64) -> u8 {
        let mut byte = [0];
        bus.read(address, &mut byte);
        byte[0]
    }

    #[test]
    fn the_decode_follows_the_bar() {
        let bus = Arc::new(MmioBus::new());
        let mut root = PciRoot::new(Arc::clone(&bus), 0xc000_0000, 0x10_0000);
        let device = function();
        assert_eq!(root.add(device.clone()), Ok(1));
        assert_eq!(byte(&bus, 0xc000_0004), 0xff);
        root.write_config(at(1, 4), &[2, 0]);
        assert_eq!(byte(&bus, 0xc000_0004), 4);
        root.write_config(at(1, 0x10), &0xd000_0000_u32.to_le_bytes());
        assert_eq!((byte(&bus, 0xc000_0004), byte(&bus, 0xd000_0005)), (0xff, 5));
        root.write_config(at(1, 4), &[0, 0]);
        assert_eq!(byte(&bus, 0xd000_0005), 0xff);
        assert_eq!(lock(&device).moves, [Some(0xc000_0000), Some(0xd000_0000), None]);
    }

    #[test]
    fn two_bars_on_one_range_do_not_shadow_each_other() {
        let bus = Arc::new(MmioBus::new());
        let mut root = PciRoot::new(Arc::clone(&bus), 0xc000_0000, 0x10_0000);
        root.add(function()).unwrap();
        let second = function();
        root.add(second.clone()).unwrap();
        root.write_config(at(1, 4), &[2, 0]);
        root.write_config(at(2, 4), &[2, 0]);
        root.write_config(at(2, 0x10), &0xc000_0000_u32.to_le_bytes());
        assert_eq!(lock(&second).moves, [Some(0xc000_1000), None]);
        root.write_config(at(1, 4), &[0, 0]);
        root.write_config(at(2, 4), &[2, 0]);
        assert_eq!(lock(&second).moves.last(), Some(&Some(0xc000_0000)));
    }

    #[test]
    fn nothing_answers_for_absent_functions() {
        let mut root = PciRoot::new(Arc::new(MmioBus::new()), 0xc000_0000, 0x1000);
        let mut word = [0; 4];
        for (address, expected) in [
            (at(0, 0), [0x86, 0x80, 0x57, 0x0d]),
            (at(1, 0), [0xff; 4]),
            (at(0, 0x100), [0xff; 4]),
            (at(0, 2), [0xff; 4]),
            (ConfigAddress { bus: 1, device_function: 0, offset: 0 }, [0xff; 4]),
            (ConfigAddress { bus: 0, device_function: 1, offset: 0 }, [0xff; 4]),
        ] {
            root.read_config(address, &mut word);
            assert_eq!(word, expected, "{address:?}");
            root.write_config(address, &[0xff; 4]);
        }
    }

    #[test]
    fn slots_and_addresses_run_out() {
        let mut root = PciRoot::new(Arc::new(MmioBus::new()), 0xc000_0000, 0x1000);
        root.add(function()).unwrap();
        assert_eq!(root.add(function()), Err(PciError::NoRoom { size: 0x1000 }));
        let mut root = PciRoot::new(Arc::new(MmioBus::new()), 0xc000_0000, 0x10_0000);
        for _ in 1..SLOTS {
            root.add(function()).unwrap();
        }
        assert_eq!(root.add(function()), Err(PciError::NoSlot));
    }
}
