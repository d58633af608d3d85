//! How a device interrupts its driver: queue and configuration interrupts, and the sign that it needs a reset.

use crate::pci::msix::{Msix, NO_VECTOR};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, Ordering};

const ISR_QUEUE: u8 = 1;
const ISR_CONFIG: u8 = 2;

/// The interrupts of one device, shared by the transport and the worker.
pub struct Signals {
    msix: Arc<Msix>,
    config_vector: AtomicU16,
    queue_vectors: Box<[AtomicU16]>,
    isr: AtomicU8,
    generation: AtomicU8,
    needs_reset: AtomicBool,
}

impl Signals {
    /// Signals of a device with `queues` queues; no vector is assigned.
    pub fn new(msix: Arc<Msix>, queues: usize) -> Self {
        Self {
            msix,
            config_vector: AtomicU16::new(NO_VECTOR),
            queue_vectors: (0..queues).map(|_| AtomicU16::new(NO_VECTOR)).collect(),
            isr: AtomicU8::new(0),
            generation: AtomicU8::new(0),
            needs_reset: AtomicBool::new(false),
        }
    }

    /// Interrupts for used buffers of a queue.
    pub fn queue(&self, queue: usize) {
        self.raise(ISR_QUEUE, self.queue_vector(queue));
    }

    /// Interrupts for a change of the configuration space.
    pub fn config(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.raise(ISR_CONFIG, self.config_vector());
    }

    /// Tells the driver that the device stands until it is reset.
    pub fn needs_reset(&self) {
        self.needs_reset.store(true, Ordering::Release);
        self.raise(ISR_CONFIG, self.config_vector());
    }

    fn raise(&self, isr: u8, vector: u16) {
        self.isr.fetch_or(isr, Ordering::AcqRel);
        if vector != NO_VECTOR {
            self.msix.trigger(vector);
        }
    }

    pub(super) fn take_isr(&self) -> u8 {
        self.isr.swap(0, Ordering::AcqRel)
    }

    pub(super) fn generation(&self) -> u8 {
        self.generation.load(Ordering::Acquire)
    }

    pub(super) fn is_broken(&self) -> bool {
        self.needs_reset.load(Ordering::Acquire)
    }

    pub(super) fn config_vector(&self) -> u16 {
        self.config_vector.load(Ordering::Acquire)
    }

    pub(super) fn set_config_vector(&self, vector: u16) {
        self.config_vector.store(self.known(vector), Ordering::Release);
    }

    pub(super) fn queue_vector(&self, queue: usize) -> u16 {
        self.queue_vectors.get(queue).map_or(NO_VECTOR, |vector| vector.load(Ordering::Acquire))
    }

    pub(super) fn set_queue_vector(&self, queue: usize, vector: u16) {
        if let Some(slot) = self.queue_vectors.get(queue) {
            slot.store(self.known(vector), Ordering::Release);
        }
    }

    /// A vector that does not exist reads back as none: so the driver learns that it got none.
    fn known(&self, vector: u16) -> u16 {
        if usize::from(vector) < self.msix.len() { vector } else { NO_VECTOR }
    }

    pub(super) fn reset(&self) {
        self.config_vector.store(NO_VECTOR, Ordering::Release);
        self.queue_vectors.iter().for_each(|vector| vector.store(NO_VECTOR, Ordering::Release));
        self.isr.store(0, Ordering::Release);
        self.needs_reset.store(false, Ordering::Release);
    }
}
