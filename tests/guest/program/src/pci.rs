//! PCI functions on bus 0: configuration space, base addresses, capabilities, MSI-X.
//!
//! Configuration space is reached by ports 0xcf8 and 0xcfc, as Linux reaches it. Base addresses are the ones that the machine
//! assigned.

use crate::memory::Registers;
use crate::ring0::port;
use alloc::vec::Vec;

const COMMAND: u8 = 0x04;
const STATUS: u8 = 0x06;
const CAPABILITIES: u8 = 0x34;
const HAS_CAPABILITIES: u16 = 1 << 4;
const MEMORY_MASTER_NO_INTX: u16 = 0x406;
const MSIX: u8 = 0x11;
const MSIX_ENABLE: u16 = 1 << 15;

/// A function on bus 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    /// Device number.
    pub device: u8,
    /// Vendor id.
    pub vendor: u16,
    /// Device id.
    pub id: u16,
}

/// All functions 0 of bus 0.
pub fn scan() -> Vec<Function> {
    let found = (0..32).map(|device| Function { device, vendor: 0, id: 0 });
    let read = found.map(|function| {
        let ids = function.read32(0);
        Function { vendor: ids as u16, id: (ids >> 16) as u16, ..function }
    });
    read.filter(|function| function.vendor != 0xffff).collect()
}

impl Function {
    fn select(self, offset: u8) {
        port::write32(0xcf8, 1 << 31 | u32::from(self.device) << 11 | u32::from(offset & 0xfc));
    }

    /// Reads 32 bits of configuration space.
    pub fn read32(self, offset: u8) -> u32 {
        self.select(offset);
        port::read32(0xcfc)
    }

    /// Reads 16 bits of configuration space.
    pub fn read16(self, offset: u8) -> u16 {
        self.select(offset);
        port::read16(0xcfc + u16::from(offset & 2))
    }

    /// Reads 8 bits of configuration space.
    pub fn read8(self, offset: u8) -> u8 {
        self.select(offset);
        port::read8(0xcfc + u16::from(offset & 3))
    }

    /// Writes 16 bits of configuration space.
    pub fn write16(self, offset: u8, value: u16) {
        self.select(offset);
        port::write16(0xcfc + u16::from(offset & 2), value);
    }

    /// Lets the function decode memory and write to it, without its interrupt line.
    pub fn enable(self) {
        self.write16(COMMAND, self.read16(COMMAND) | MEMORY_MASTER_NO_INTX);
    }

    /// The offsets of its capabilities, with their ids.
    pub fn capabilities(self) -> Vec<(u8, u8)> {
        let mut found = Vec::new();
        if self.read16(STATUS) & HAS_CAPABILITIES == 0 {
            return found;
        }
        let mut at = self.read8(CAPABILITIES) & 0xfc;
        while at != 0 && found.len() < 48 {
            let head = self.read16(at);
            found.push((at, head as u8));
            at = (head >> 8) as u8 & 0xfc;
        }
        found
    }

    /// The physical address of a memory base address register.
    pub fn base(self, bar: u8) -> u64 {
        const IS_64_BIT: u32 = 4;
        let offset = 0x10 + 4 * bar;
        let low = self.read32(offset);
        let high = if low & 6 == IS_64_BIT { self.read32(offset + 4) } else { 0 };
        u64::from(high) << 32 | u64::from(low & !0xf)
    }

    /// Registers of `length` bytes within a base address.
    pub fn registers(self, bar: u8, offset: u64, length: u64) -> Registers {
        let base = self.base(bar);
        assert!(base != 0, "device {} has no address for bar {bar}", self.device);
        // SAFETY: the machine gave this range to the device.
        unsafe { Registers::new(base + offset, length) }
    }

    /// Routes the first MSI-X entries to consecutive vectors of the first processor; returns how many there are.
    pub fn enable_msix(self, first_vector: u8, wanted: u16) -> u16 {
        let Some((at, _)) = self.capabilities().into_iter().find(|(_, id)| *id == MSIX) else {
            return 0;
        };
        let control = self.read16(at + 2);
        let count = ((control & 0x7ff) + 1).min(wanted);
        let place = self.read32(at + 4);
        let table = self.registers(place as u8 & 7, u64::from(place & !7), 16 * u64::from(count));
        self.write16(at + 2, control | MSIX_ENABLE);
        for entry in 0..count {
            let at = 16 * u64::from(entry);
            table.write(at, 0xfee0_0000_u32);
            table.write(at + 4, 0_u32);
            table.write(at + 8, u32::from(first_vector) + u32::from(entry));
            table.write(at + 12, 0_u32);
        }
        count
    }
}
