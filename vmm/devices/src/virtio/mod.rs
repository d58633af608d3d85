//! virtio 1.2 devices and their PCI transport.
//!
//! A device is two halves. Its [`VirtioDevice`] is the register side: what it is, which features it offers, its configuration
//! space; the vCPU that accesses it locks it. Its [`worker::Backend`] is the queue side: it runs where the event loop calls
//! it, and nothing that a vCPU does waits for its I/O except a reset.
//!
//! ```text
//! reset --> driver negotiates --> DRIVER_OK: Backend::activate --> kicks: Engine::handle --(rules broken)--> NEEDS_RESET
//!   ^------------------- status 0 or machine reset: Backend::deactivate ----------------------------------------'
//! ```
//!
//! How to add a device: an [`worker::Engine`] for its queues, a [`VirtioDevice`] for its registers, both in a folder here.

pub mod blk;
pub mod chain;
pub mod console;
pub mod net;
pub mod pci;
pub mod ring;
pub mod rng;
pub mod signal;
pub mod worker;

#[cfg(test)]
pub(crate) mod testing;

use std::sync::Arc;

/// The device types of virtio 1.2, section 5, that exist here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum DeviceType {
    /// Network card.
    Net = 1,
    /// Block device.
    Block = 2,
    /// Console.
    Console = 3,
    /// Entropy source.
    Entropy = 4,
}

/// Feature bits that belong to no device type.
pub mod feature {
    /// Indirect descriptors.
    pub const INDIRECT_DESC: u64 = 1 << virtio_bindings::virtio_ring::VIRTIO_RING_F_INDIRECT_DESC;
    /// Notification suppression by index.
    pub const EVENT_IDX: u64 = 1 << virtio_bindings::virtio_ring::VIRTIO_RING_F_EVENT_IDX;
    /// Virtio 1.x.
    pub const VERSION_1: u64 = 1 << virtio_bindings::virtio_config::VIRTIO_F_VERSION_1;
    /// What the transport offers for every device.
    pub const TRANSPORT: u64 = INDIRECT_DESC | EVENT_IDX | VERSION_1;
}

/// The register side of a device. The transport calls it with its own lock held; it must not wait.
pub trait VirtioDevice: Send {
    /// A name unique within the machine.
    fn id(&self) -> &str;

    /// What it is.
    fn device_type(&self) -> DeviceType;

    /// The feature bits of its type that it offers; the transport adds [`feature::TRANSPORT`].
    fn features(&self) -> u64;

    /// The largest size of each queue, powers of two.
    fn queue_sizes(&self) -> &[u16];

    /// Reads its configuration space; what lies outside stays as it is in `data`.
    fn read_config(&self, offset: usize, data: &mut [u8]);

    /// Its queue side; always the same.
    fn backend(&self) -> Arc<dyn worker::Backend>;
}

/// Copies from a device's configuration structure what a read at `offset` asks for.
pub(crate) fn read_structure(structure: &[u8], offset: usize, data: &mut [u8]) {
    for (byte, at) in data.iter_mut().zip(offset..) {
        if let Some(value) = structure.get(at) {
            *byte = *value;
        }
    }
}
