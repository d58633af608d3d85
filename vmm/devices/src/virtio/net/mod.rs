//! virtio-net (virtio 1.2, section 5.1): one queue pair in front of a tap, with checksum and segmentation offloads.
//!
//! It runs on the shared event loop and never waits: a full tap drops packets, as a full wire does, and packets wait in the
//! tap while the guest offers no buffers.

mod engine;

use super::worker::{Backend, OWN_TOKENS, Worker};
use super::{DeviceType, VirtioDevice, read_structure};
use crate::counters::Counters;
use crate::poll::{Interest, Placement, Source};
use engine::NetEngine;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Arc;
use virtio_bindings::virtio_net::{
    VIRTIO_NET_F_CSUM, VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_TSO6,
    VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_HOST_TSO6, VIRTIO_NET_F_MAC, VIRTIO_NET_F_MRG_RXBUF, VIRTIO_NET_F_MTU,
    VIRTIO_NET_F_STATUS, VIRTIO_NET_S_LINK_UP,
};

/// Largest size of each queue.
pub const QUEUE_SIZE: u16 = 256;
/// Bytes of `struct virtio_net_hdr_v1`, which precedes each packet on the tap too (TUNSETVNETHDRSZ).
pub const HEADER_SIZE: usize = 12;

const CONFIG_SIZE: usize = 12;

/// What the tap may leave undone on packets to the guest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offload {
    /// Checksums (TUN_F_CSUM).
    pub checksum: bool,
    /// TCP segmentation over IPv4 (TUN_F_TSO4).
    pub tso4: bool,
    /// TCP segmentation over IPv6 (TUN_F_TSO6).
    pub tso6: bool,
}

/// A tap with headers of [`HEADER_SIZE`] bytes; its descriptor does not block.
pub trait Tap: Send {
    /// The descriptor; always the same.
    fn fd(&self) -> BorrowedFd<'_>;

    /// Tells the kernel what the guest's driver can do (TUNSETOFFLOAD). Called when a driver starts.
    ///
    /// # Errors
    /// When the kernel refuses; the device then drops what the guest cannot take.
    fn set_offload(&self, offload: Offload) -> io::Result<()>;
}

/// A virtio network card.
pub struct Net {
    id: String,
    config: [u8; CONFIG_SIZE],
    counters: Arc<Counters>,
    worker: Arc<Worker<NetEngine>>,
}

impl Net {
    /// A card named `id` on `tap`.
    ///
    /// # Errors
    /// When the kick events cannot be made.
    pub fn new(id: &str, tap: Box<dyn Tap>, mac: [u8; 6], mtu: u16) -> io::Result<Self> {
        let mut config = [0; CONFIG_SIZE];
        config[..6].copy_from_slice(&mac);
        config[6..8].copy_from_slice(&(VIRTIO_NET_S_LINK_UP as u16).to_le_bytes());
        config[8..10].copy_from_slice(&1_u16.to_le_bytes());
        config[10..].copy_from_slice(&mtu.to_le_bytes());
        let counters = Arc::new(Counters::default());
        let packets = Source { fd: tap.fd().as_raw_fd(), token: OWN_TOKENS, interest: Interest::Readable };
        let engine = NetEngine::new(tap, Arc::clone(&counters));
        let worker = Worker::new(id, Placement::Shared, 2, vec![packets], engine)?;
        Ok(Self { id: id.to_owned(), config, counters, worker })
    }

    /// What it has moved.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }
}

impl VirtioDevice for Net {
    fn id(&self) -> &str {
        &self.id
    }

    fn device_type(&self) -> DeviceType {
        DeviceType::Net
    }

    fn features(&self) -> u64 {
        [
            VIRTIO_NET_F_CSUM,
            VIRTIO_NET_F_GUEST_CSUM,
            VIRTIO_NET_F_GUEST_TSO4,
            VIRTIO_NET_F_GUEST_TSO6,
            VIRTIO_NET_F_HOST_TSO4,
            VIRTIO_NET_F_HOST_TSO6,
            VIRTIO_NET_F_MRG_RXBUF,
            VIRTIO_NET_F_MAC,
            VIRTIO_NET_F_MTU,
            VIRTIO_NET_F_STATUS,
        ]
        .into_iter()
        .fold(0, |bits, bit| bits | 1 << bit)
    }

    fn queue_sizes(&self) -> &[u16] {
        &[QUEUE_SIZE, QUEUE_SIZE]
    }

    fn read_config(&self, offset: usize, data: &mut [u8]) {
        read_structure(&self.config, offset, data);
    }

    fn backend(&self) -> Arc<dyn Backend> {
        self.worker.clone()
    }
}

#[cfg(test)]
mod tests;
