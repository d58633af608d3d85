//! virtio-blk (virtio 1.2, section 5.2): one queue in front of a [`vmm_disk::DiskIo`].
//!
//! It runs on a thread of its own, because it waits for files. What the guest asks wrongly is answered with an error status;
//! only a chain that is no request at all stops the device.

mod config;
mod engine;
mod request;

use super::worker::{Backend, Worker};
use super::{DeviceType, VirtioDevice, read_structure};
use crate::counters::Counters;
use crate::poll::Placement;
use engine::BlkEngine;
use std::io;
use std::sync::Arc;
use vmm_disk::DiskIo;

/// Largest size of the queue.
pub const QUEUE_SIZE: u16 = 256;
/// Bytes of the serial number that a guest can ask for.
pub const SERIAL_SIZE: usize = 20;

/// A virtio disk.
pub struct Blk {
    id: String,
    features: u64,
    config: [u8; config::SIZE],
    counters: Arc<Counters>,
    worker: Arc<Worker<BlkEngine>>,
}

impl Blk {
    /// A disk named `id`; the guest sees the first [`SERIAL_SIZE`] bytes of `serial`.
    ///
    /// # Errors
    /// When the kick event cannot be made.
    pub fn new(id: &str, serial: &str, disk: Box<dyn DiskIo>) -> io::Result<Self> {
        let counters = Arc::new(Counters::default());
        let (features, config) = (config::features(disk.as_ref()), config::structure(disk.as_ref()));
        let engine = BlkEngine::new(disk, serial, Arc::clone(&counters));
        let worker = Worker::new(id, Placement::Own, 1, Vec::new(), engine)?;
        Ok(Self { id: id.to_owned(), features, config, counters, worker })
    }

    /// What it has moved.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Flushes the disk; for the end of the process.
    ///
    /// # Errors
    /// Those of [`DiskIo::flush`].
    pub fn flusher(&self) -> impl Fn() -> Result<(), vmm_disk::DiskError> + Send + Sync + use<> {
        let worker = Arc::clone(&self.worker);
        move || worker.with_engine(|engine, _| engine.flush())
    }
}

impl VirtioDevice for Blk {
    fn id(&self) -> &str {
        &self.id
    }

    fn device_type(&self) -> DeviceType {
        DeviceType::Block
    }

    fn features(&self) -> u64 {
        self.features
    }

    fn queue_sizes(&self) -> &[u16] {
        &[QUEUE_SIZE]
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
