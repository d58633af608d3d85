//! The PCI transport (virtio 1.2, 4.1).

use super::Fault;
use super::queue::Queue;
use crate::memory::Registers;
use crate::pci::Function;

const VENDOR_CAPABILITY: u8 = 9;
const VERSION_1: u64 = 1 << 32;
const NO_VECTOR: u16 = 0xffff;

/// Offsets in the common configuration (4.1.4.3).
mod common {
    pub const DEVICE_FEATURE_SELECT: u64 = 0x00;
    pub const DEVICE_FEATURE: u64 = 0x04;
    pub const DRIVER_FEATURE_SELECT: u64 = 0x08;
    pub const DRIVER_FEATURE: u64 = 0x0c;
    pub const CONFIG_VECTOR: u64 = 0x10;
    pub const STATUS: u64 = 0x14;
    pub const QUEUE_SELECT: u64 = 0x16;
    pub const QUEUE_SIZE: u64 = 0x18;
    pub const QUEUE_VECTOR: u64 = 0x1a;
    pub const QUEUE_ENABLE: u64 = 0x1c;
    pub const QUEUE_NOTIFY_OFFSET: u64 = 0x1e;
    pub const QUEUE_DESCRIPTORS: u64 = 0x20;
    pub const QUEUE_DRIVER: u64 = 0x28;
    pub const QUEUE_DEVICE: u64 = 0x30;
}

/// Bits of the device status.
mod status {
    pub const ACKNOWLEDGE: u8 = 1;
    pub const DRIVER: u8 = 2;
    pub const DRIVER_OK: u8 = 4;
    pub const FEATURES_OK: u8 = 8;
}

/// A device in the course of its start, and its configuration afterwards.
pub struct Transport {
    common: Registers,
    notify: Registers,
    notify_multiplier: u64,
    device: Registers,
    first_vector: u8,
    vectors: u16,
}

impl Transport {
    /// Resets the device and finds its structures. Takes vectors from `next_vector` on.
    pub fn new(function: Function, next_vector: &mut u8) -> Result<Self, Fault> {
        const VECTORS: u16 = 3;
        let structure = |kind: u8, name| {
            let mut vendor = function.capabilities().into_iter().filter(|(_, id)| *id == VENDOR_CAPABILITY);
            let found = vendor.find(|(at, _)| function.read8(at + 3) == kind);
            found.map(|(at, _)| at).ok_or(Fault::NoCapability(name))
        };
        let registers = |at: u8| {
            let (bar, offset, length) = (function.read8(at + 4), function.read32(at + 8), function.read32(at + 12));
            function.registers(bar, u64::from(offset), u64::from(length))
        };
        function.enable();
        let notify = structure(2, "notify")?;
        let transport = Self {
            common: registers(structure(1, "common")?),
            notify: registers(notify),
            notify_multiplier: u64::from(function.read32(notify + 16)),
            device: registers(structure(4, "device")?),
            first_vector: *next_vector,
            vectors: function.enable_msix(*next_vector, VECTORS),
        };
        *next_vector += VECTORS as u8;
        transport.common.write(common::STATUS, 0_u8);
        while transport.common.read::<u8>(common::STATUS) != 0 {}
        transport.add_status(status::ACKNOWLEDGE);
        transport.add_status(status::DRIVER);
        Ok(transport)
    }

    fn add_status(&self, bit: u8) {
        let now = self.common.read::<u8>(common::STATUS);
        self.common.write(common::STATUS, now | bit);
    }

    /// Agrees on the wanted features that the device has; returns them.
    pub fn negotiate(&self, wanted: u64) -> Result<u64, Fault> {
        let half = |select: u32| {
            self.common.write(common::DEVICE_FEATURE_SELECT, select);
            u64::from(self.common.read::<u32>(common::DEVICE_FEATURE))
        };
        let offered = half(0) | half(1) << 32;
        if offered & VERSION_1 == 0 {
            return Err(Fault::Legacy);
        }
        let agreed = offered & (wanted | VERSION_1);
        for (select, value) in [(0_u32, agreed as u32), (1, (agreed >> 32) as u32)] {
            self.common.write(common::DRIVER_FEATURE_SELECT, select);
            self.common.write(common::DRIVER_FEATURE, value);
        }
        self.add_status(status::FEATURES_OK);
        let taken = self.common.read::<u8>(common::STATUS) & status::FEATURES_OK != 0;
        if taken { Ok(agreed) } else { Err(Fault::FeaturesRefused) }
    }

    /// Sets a queue up with the vector of its number.
    pub fn queue(&self, index: u16, size: u16) -> Result<Queue, Fault> {
        let common = self.common;
        if index >= self.vectors {
            return Err(Fault::NoVectors);
        }
        common.write(common::QUEUE_SELECT, index);
        let most = common.read::<u16>(common::QUEUE_SIZE);
        if most < 4 {
            return Err(Fault::NoQueue(index));
        }
        let doorbell = u64::from(common.read::<u16>(common::QUEUE_NOTIFY_OFFSET)) * self.notify_multiplier;
        let queue = Queue::new(index, size.min(most), self.first_vector + index as u8, (self.notify, doorbell));
        common.write(common::QUEUE_SIZE, queue.size());
        common.write(common::CONFIG_VECTOR, NO_VECTOR);
        common.write(common::QUEUE_VECTOR, index);
        if common.read::<u16>(common::QUEUE_VECTOR) != index {
            return Err(Fault::NoVectors);
        }
        for (offset, address) in
            [common::QUEUE_DESCRIPTORS, common::QUEUE_DRIVER, common::QUEUE_DEVICE].into_iter().zip(queue.addresses())
        {
            common.write(offset, address as u32);
            common.write(offset + 4, (address >> 32) as u32);
        }
        common.write(common::QUEUE_ENABLE, 1_u16);
        Ok(queue)
    }

    /// Ends the start: the device may work.
    pub fn ready(&self) {
        self.add_status(status::DRIVER_OK);
    }

    /// A field of the device's own configuration; `T` is an integer of at most 32 bits.
    pub fn config<T>(&self, offset: u64) -> T {
        self.device.read(offset)
    }
}
