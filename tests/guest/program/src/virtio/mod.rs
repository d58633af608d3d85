//! Virtio 1.x over PCI: the transport, split queues, and the two kinds of devices that this guest uses.
//!
//! Each queue has an MSI-X vector of its own; a device without MSI-X is refused, for nothing here polls.

pub mod blk;
pub mod net;
mod queue;
mod transport;

use crate::{pci, ring0, say};
use alloc::vec::Vec;
use transport::Transport;

const VENDOR: u16 = 0x1af4;
const MODERN: u16 = 0x1040;
const NET: u16 = 1;
const BLK: u16 = 2;

/// The devices that came up, in the order of the bus.
#[derive(Default)]
pub struct Devices {
    /// Disks.
    pub disks: Vec<blk::Disk>,
    /// Network interfaces.
    pub nics: Vec<net::Nic>,
}

/// Why a device did not come up; said as it is.
#[derive(Debug)]
#[expect(dead_code, reason = "the fields are read by Debug alone")]
pub enum Fault {
    /// A structure of the transport is missing.
    NoCapability(&'static str),
    /// Too few MSI-X vectors.
    NoVectors,
    /// The device does not speak virtio 1.
    Legacy,
    /// The device refused the features that it had offered.
    FeaturesRefused,
    /// A queue is missing or too small.
    NoQueue(u16),
}

/// Finds the devices of bus 0 and brings them up.
pub fn probe() -> Devices {
    let mut devices = Devices::default();
    let mut vector = ring0::DEVICE_VECTORS;
    for function in pci::scan().into_iter().filter(|function| function.vendor == VENDOR) {
        // Transitional devices have ids of their own and the modern capabilities as well.
        let kind = match function.id {
            0x1000 => NET,
            0x1001 => BLK,
            id => id.wrapping_sub(MODERN),
        };
        let result = match kind {
            NET => Transport::new(function, &mut vector).and_then(net::Nic::new).map(|nic| devices.nics.push(nic)),
            BLK => Transport::new(function, &mut vector).and_then(blk::Disk::new).map(|disk| devices.disks.push(disk)),
            _ => Ok(()),
        };
        if let Err(fault) = result {
            say!("device {} failed {fault:?}", function.device);
        }
    }
    devices
}
