//! A driver for tests: lays a queue into a small memory and plays the guest's part.

use super::ring::{Ring, RingLayout};
use super::signal::Signals;
use super::worker::Active;
use crate::pci::msix::Msix;
use std::sync::Arc;
use vm_memory::{Bytes, GuestAddress};
use vmm_sys::memory::GuestMemory;

pub(crate) const QUEUE_SIZE: u16 = 16;
pub(crate) const NEXT: u16 = 1;
pub(crate) const WRITE: u16 = 2;
pub(crate) const MEMORY_SIZE: usize = 0x4_0000;

const DESCRIPTORS: u64 = 0x1000;
const AVAILABLE: u64 = 0x2000;
const USED: u64 = 0x3000;
const QUEUE_STRIDE: u64 = 0x3000;

/// One queue from the guest's side. Addresses from 0x10000 on are free for buffers.
pub(crate) struct Driver {
    pub(crate) memory: GuestMemory,
    offset: u64,
    available: u16,
}

impl Driver {
    pub(crate) fn new() -> Self {
        Self::with_memory(GuestMemory::from_ranges(&[(GuestAddress(0), MEMORY_SIZE)]).unwrap(), 0)
    }

    /// A driver of queue number `queue` (0 to 3) in a memory that several queues share.
    pub(crate) fn with_memory(memory: GuestMemory, queue: u64) -> Self {
        Self { memory, offset: queue * QUEUE_STRIDE, available: 0 }
    }

    pub(crate) fn layout(&self) -> RingLayout {
        RingLayout {
            size: QUEUE_SIZE,
            descriptors: DESCRIPTORS + self.offset,
            available: AVAILABLE + self.offset,
            used: USED + self.offset,
        }
    }

    pub(crate) fn ring(&self, features: u64) -> Ring {
        Ring::new(&self.memory, self.layout(), QUEUE_SIZE, features).unwrap()
    }

    pub(crate) fn raw_descriptor(&mut self, at: u64, address: u64, length: u32, flags: u16, next: u16) {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&address.to_le_bytes());
        bytes[8..12].copy_from_slice(&length.to_le_bytes());
        bytes[12..14].copy_from_slice(&flags.to_le_bytes());
        bytes[14..].copy_from_slice(&next.to_le_bytes());
        self.memory.write_slice(&bytes, GuestAddress(at)).unwrap();
    }

    pub(crate) fn descriptor(&mut self, index: u16, address: u64, length: u32, flags: u16, next: u16) {
        let at = self.layout().descriptors + u64::from(index) * 16;
        self.raw_descriptor(at, address, length, flags, next);
    }

    pub(crate) fn offer(&mut self, head: u16) {
        let ring = self.layout().available;
        let slot = ring + 4 + 2 * u64::from(self.available % QUEUE_SIZE);
        self.memory.write_obj(head.to_le(), GuestAddress(slot)).unwrap();
        self.set_available_index(self.available.wrapping_add(1));
    }

    pub(crate) fn set_available_index(&mut self, index: u16) {
        self.available = index;
        self.memory.write_obj(index.to_le(), GuestAddress(self.layout().available + 2)).unwrap();
    }

    pub(crate) fn set_available_flags(&mut self, flags: u16) {
        self.memory.write_obj(flags.to_le(), GuestAddress(self.layout().available)).unwrap();
    }

    pub(crate) fn set_used_event(&mut self, index: u16) {
        let at = self.layout().available + 4 + 2 * u64::from(QUEUE_SIZE);
        self.memory.write_obj(index.to_le(), GuestAddress(at)).unwrap();
    }

    pub(crate) fn used_index(&self) -> u16 {
        self.memory.read_obj(GuestAddress(self.layout().used + 2)).unwrap()
    }

    /// Head and length of a used entry.
    pub(crate) fn used(&self, index: u16) -> (u32, u32) {
        let at = self.layout().used + 4 + 8 * u64::from(index % QUEUE_SIZE);
        let [head, length]: [u32; 2] = self.memory.read_obj(GuestAddress(at)).unwrap();
        (head, length)
    }

    pub(crate) fn write(&self, address: u64, bytes: &[u8]) {
        self.memory.write_slice(bytes, GuestAddress(address)).unwrap();
    }

    pub(crate) fn read(&self, address: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.memory.read_slice(&mut bytes, GuestAddress(address)).unwrap();
        bytes
    }
}

/// What an engine gets when drivers of the same memory are ready.
pub(crate) fn active(drivers: &[&Driver], features: u64) -> Active {
    Active {
        memory: drivers[0].memory.clone(),
        rings: drivers.iter().map(|driver| Some(driver.ring(features))).collect(),
        features,
        signals: Arc::new(Signals::new(Arc::new(Msix::new(Vec::new())), drivers.len())),
    }
}
