//! A type-0 configuration space: bytes, which of their bits the guest may change, and the capability list.

use super::CONFIG_SIZE;

const COMMAND: usize = 0x04;
const COMMAND_MEMORY: u8 = 1 << 1;
const STATUS: usize = 0x06;
const STATUS_CAPABILITIES: u8 = 1 << 4;
const BAR0: usize = 0x10;
const CAPABILITY_POINTER: usize = 0x34;
const FIRST_CAPABILITY: usize = 0x40;

/// What identifies a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Vendor id.
    pub vendor: u16,
    /// Device id.
    pub device: u16,
    /// Revision.
    pub revision: u8,
    /// Class, subclass and programming interface, as 0xCCSSPP.
    pub class: u32,
    /// Subsystem vendor id.
    pub subsystem_vendor: u16,
    /// Subsystem id.
    pub subsystem: u16,
}

/// The registers of one function.
#[derive(Clone, Debug)]
pub struct ConfigSpace {
    bytes: [u8; CONFIG_SIZE],
    power_on: [u8; CONFIG_SIZE],
    writable: [u8; CONFIG_SIZE],
    next_capability: usize,
    last_pointer: usize,
}

impl ConfigSpace {
    /// A function without BAR and capabilities.
    pub fn new(identity: Identity) -> Self {
        let mut bytes = [0; CONFIG_SIZE];
        bytes[0x00..0x02].copy_from_slice(&identity.vendor.to_le_bytes());
        bytes[0x02..0x04].copy_from_slice(&identity.device.to_le_bytes());
        bytes[0x08] = identity.revision;
        bytes[0x09..0x0c].copy_from_slice(&identity.class.to_le_bytes()[..3]);
        bytes[0x2c..0x2e].copy_from_slice(&identity.subsystem_vendor.to_le_bytes());
        bytes[0x2e..0x30].copy_from_slice(&identity.subsystem.to_le_bytes());
        let mut writable = [0; CONFIG_SIZE];
        // Memory space, bus master, INTx disable; cache line size and interrupt line are the guest's scratch registers.
        writable[COMMAND] = COMMAND_MEMORY | 1 << 2;
        writable[COMMAND + 1] = 1 << 2;
        writable[0x0c] = 0xff;
        writable[0x3c] = 0xff;
        Self { bytes, power_on: bytes, writable, next_capability: FIRST_CAPABILITY, last_pointer: CAPABILITY_POINTER }
    }

    /// Adds a 32-bit memory BAR 0 of `size` bytes, a power of two of at least 16.
    pub fn add_bar(&mut self, size: u32) {
        debug_assert!(size.is_power_of_two() && size >= 16);
        self.writable[BAR0..BAR0 + 4].copy_from_slice(&(!(size - 1)).to_le_bytes());
    }

    /// Sets the BAR's address now and at power-on.
    pub fn place_bar(&mut self, address: u32) {
        for space in [&mut self.bytes, &mut self.power_on] {
            space[BAR0..BAR0 + 4].copy_from_slice(&address.to_le_bytes());
        }
    }

    /// The BAR's address while memory decoding is on. Address 0 decodes nothing: it is what an unset BAR holds.
    pub fn bar_address(&self) -> Option<u64> {
        let address = self.word(BAR0) & self.writable_word(BAR0);
        (self.bytes[COMMAND] & COMMAND_MEMORY != 0 && address != 0).then_some(address.into())
    }

    /// Appends a capability: its id and its bytes after the two of the header, with the bits that the guest may change.
    /// Returns its offset; capabilities that do not fit any more are left out (`None`).
    pub fn add_capability(&mut self, id: u8, body: &[u8], writable: &[u8]) -> Option<usize> {
        let offset = self.next_capability;
        let end = offset + 2 + body.len();
        if end > CONFIG_SIZE {
            return None;
        }
        self.bytes[offset] = id;
        self.bytes[offset + 2..end].copy_from_slice(body);
        for (mask, bits) in self.writable[offset + 2..end].iter_mut().zip(writable) {
            *mask = *bits;
        }
        self.bytes[self.last_pointer] = offset as u8;
        self.bytes[STATUS] |= STATUS_CAPABILITIES;
        self.last_pointer = offset + 1;
        self.next_capability = (end + 3) & !3;
        self.power_on = self.bytes;
        Some(offset)
    }

    /// Reads registers; ones beyond the end.
    pub fn read(&self, offset: usize, data: &mut [u8]) {
        data.fill(0xff);
        if let Some(bytes) = offset.checked_add(data.len()).and_then(|end| self.bytes.get(offset..end)) {
            data.copy_from_slice(bytes);
        }
    }

    /// Writes the bits of registers that may be written.
    pub fn write(&mut self, offset: usize, data: &[u8]) {
        for (at, value) in (offset..CONFIG_SIZE).zip(data) {
            let mask = self.writable[at];
            self.bytes[at] = self.bytes[at] & !mask | value & mask;
        }
    }

    /// All registers as at power-on.
    pub fn reset(&mut self) {
        self.bytes = self.power_on;
    }

    /// The 16 bits at `offset`, which must be below the end.
    pub fn half(&self, offset: usize) -> u16 {
        u16::from_le_bytes([self.bytes[offset], self.bytes[offset + 1]])
    }

    /// The 32 bits at `offset`, which must be below the end.
    pub fn word(&self, offset: usize) -> u32 {
        u32::from(self.half(offset)) | u32::from(self.half(offset + 2)) << 16
    }

    fn writable_word(&self, offset: usize) -> u32 {
        let mut word = [0; 4];
        word.copy_from_slice(&self.writable[offset..offset + 4]);
        u32::from_le_bytes(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space() -> ConfigSpace {
        ConfigSpace::new(Identity {
            vendor: 0x1af4,
            device: 0x1042,
            revision: 1,
            class: 0x01_80_00,
            subsystem_vendor: 0x1af4,
            subsystem: 0x40,
        })
    }

    #[test]
    fn sizing_reads_back_the_size_mask() {
        let mut config = space();
        config.add_bar(0x8000);
        config.place_bar(0xc000_0000);
        config.write(BAR0, &[0xff; 4]);
        assert_eq!(config.word(BAR0), 0xffff_8000);
        config.write(BAR0, &0xc123_4567_u32.to_le_bytes());
        assert_eq!(config.bar_address(), None);
        config.write(COMMAND, &[0xff, 0xff]);
        assert_eq!(config.half(COMMAND), 0x0406);
        assert_eq!(config.bar_address(), Some(0xc123_0000));
        config.reset();
        assert_eq!((config.word(BAR0), config.bar_address()), (0xc000_0000, None));
    }

    #[test]
    fn capabilities_form_a_list_and_keep_their_read_only_bits() {
        let mut config = space();
        let first = config.add_capability(0x11, &[1, 2, 3, 4, 5], &[0, 0xc0]).unwrap();
        let second = config.add_capability(9, &[7], &[]).unwrap();
        assert_eq!((first, second), (0x40, 0x48));
        let mut walk = [0; 2];
        config.read(0x40, &mut walk);
        assert_eq!(walk, [0x11, 0x48]);
        config.write(0x40, &[0xff; 8]);
        assert_eq!(config.word(0x40), 0xc201_4811 | 1 << 16 & 0x00ff_0000);
        assert_eq!(config.add_capability(9, &[0; 0xb4], &[]), None);
    }
}
