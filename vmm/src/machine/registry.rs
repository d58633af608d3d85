//! The devices of a machine by name: everything that is done to all of them is done here.

use super::reactor::{DeviceThread, Reactor};
use std::io;
use std::sync::{Arc, Mutex};
use vmm_control::message::DeviceCounters;
use vmm_devices::counters::Counters;
use vmm_devices::device::Device;
use vmm_devices::poll::{Placement, Pollable};
use vmm_devices::sync::lock;

/// Writes back what a disk holds in memory.
type Flush = Box<dyn Fn() -> Result<(), vmm_disk::DiskError> + Send + Sync>;

/// All devices.
#[derive(Default)]
pub struct Registry {
    devices: Vec<Arc<Mutex<dyn Device>>>,
    work: Vec<Arc<dyn Pollable>>,
    counters: Vec<(String, Arc<Counters>)>,
    flushes: Vec<(String, Flush)>,
    threads: Vec<DeviceThread>,
}

impl Registry {
    /// A device takes part in pause, resume and reset from now on.
    pub fn add(&mut self, device: Arc<Mutex<dyn Device>>) {
        self.devices.push(device);
    }

    /// Work of a device, to be driven by an event loop.
    pub fn add_work(&mut self, work: Arc<dyn Pollable>) {
        self.work.push(work);
    }

    /// Counters that hostd may ask for.
    pub fn add_counters(&mut self, id: &str, counters: Arc<Counters>) {
        self.counters.push((id.to_owned(), counters));
    }

    /// A disk's flush, for the end of the process.
    pub fn add_flush(&mut self, id: &str, flush: Flush) {
        self.flushes.push((id.to_owned(), flush));
    }

    /// Puts all work onto event loops: onto `shared`, or a thread of its own.
    ///
    /// # Errors
    /// When descriptors or threads are used up.
    pub fn drive(&mut self, shared: &mut Reactor, seccomp: bool) -> io::Result<()> {
        for work in &self.work {
            match work.placement() {
                Placement::Shared => shared.add(work)?,
                Placement::Own => self.threads.push(DeviceThread::start(work, seccomp)?),
            }
        }
        Ok(())
    }

    /// Stops all work on guest memory. Called while all vCPUs stand.
    pub fn pause(&self) {
        self.devices.iter().for_each(|device| lock(device).pause());
    }

    /// Takes all work up again.
    pub fn resume(&self) {
        self.devices.iter().for_each(|device| lock(device).resume());
    }

    /// Puts all devices to power-on. Called while all vCPUs stand.
    pub fn reset(&self) {
        self.devices.iter().for_each(|device| lock(device).reset());
    }

    /// What the disks and interfaces moved.
    pub fn counters(&self) -> Vec<DeviceCounters> {
        let read = |(id, counters): &(String, Arc<Counters>)| {
            let totals = counters.totals();
            DeviceCounters {
                id: id.clone(),
                reads: totals.reads,
                writes: totals.writes,
                read_bytes: totals.read_bytes,
                write_bytes: totals.write_bytes,
                errors: totals.errors,
            }
        };
        self.counters.iter().map(read).collect()
    }

    /// Writes all disks back; failures are logged, because the process ends anyway.
    pub fn flush(&self) {
        for (id, flush) in &self.flushes {
            if let Err(error) = flush() {
                crate::log!("disk {id} is not flushed: {}", crate::log::causes(&error));
            }
        }
    }
}
