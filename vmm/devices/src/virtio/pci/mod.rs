//! The PCI transport of virtio 1.2 (section 4.1): a function with one BAR that holds all register structures.
//!
//! | BAR offset | what |
//! |---|---|
//! | 0x0000 | common configuration |
//! | 0x1000 | ISR |
//! | 0x2000 | device configuration |
//! | 0x3000 | notifications, four bytes a queue |
//! | 0x4000 | MSI-X table |
//! | 0x5000 | MSI-X pending bits |

pub mod capability;
pub mod common;
mod registers;

use super::VirtioDevice;
use super::signal::Signals;
use super::worker::Backend;
use crate::device::Device;
use crate::pci::PciFunction;
use crate::pci::config::ConfigSpace;
use crate::pci::msix::Msix;
use common::Common;
use std::io;
use std::sync::Arc;
use vmm_sys::doorbell::{DoorbellMatch, Doorbells};
use vmm_sys::interrupt::MsiRouter;
use vmm_sys::memory::GuestMemory;

const BAR_SIZE: u32 = 0x8000;
const COMMON: u32 = 0x0000;
const ISR: u32 = 0x1000;
const DEVICE: u32 = 0x2000;
const NOTIFY: u32 = 0x3000;
const MSIX_TABLE: u32 = 0x4000;
const MSIX_PENDING: u32 = 0x5000;
const REGION: u32 = 0x1000;
const NOTIFY_STRIDE: u32 = 4;

/// A virtio device on the PCI bus.
pub struct VirtioPci {
    config: ConfigSpace,
    msix_control: usize,
    window: capability::Window,
    msix: Arc<Msix>,
    signals: Arc<Signals>,
    common: Common,
    backend: Arc<dyn Backend>,
    doorbells: Arc<dyn Doorbells>,
    bar: Option<u64>,
    device: Box<dyn VirtioDevice>,
}

impl VirtioPci {
    /// Puts `device` behind PCI registers. It gets one interrupt vector per queue and one for configuration changes.
    ///
    /// # Errors
    /// When there are no interrupt vectors left.
    pub fn new(
        device: Box<dyn VirtioDevice>,
        memory: GuestMemory,
        router: &dyn MsiRouter,
        doorbells: Arc<dyn Doorbells>,
    ) -> io::Result<Self> {
        let queues = device.queue_sizes().len();
        let vectors = u16::try_from(queues + 1).map_err(io::Error::other)?;
        let msix = Arc::new(Msix::new(router.allocate(vectors)?));
        let signals = Arc::new(Signals::new(Arc::clone(&msix), queues));
        let mut config = ConfigSpace::new(capability::identity(device.device_type()));
        config.add_bar(BAR_SIZE);
        let (msix_control, window) = capability::add_all(&mut config, &msix).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self {
            config,
            msix_control,
            window,
            common: Common::new(device.as_ref(), memory, Arc::clone(&signals)),
            msix,
            signals,
            backend: device.backend(),
            doorbells,
            bar: None,
            device,
        })
    }

    /// The queue side, for the event loop.
    pub fn backend(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.backend)
    }

    /// A queue's doorbell when the BAR is at `bar`.
    fn doorbell(bar: u64, queue: usize) -> DoorbellMatch {
        let address = bar + u64::from(NOTIFY) + queue as u64 * u64::from(NOTIFY_STRIDE);
        DoorbellMatch { address, value: None }
    }
}

impl PciFunction for VirtioPci {
    fn read_config(&mut self, offset: usize, data: &mut [u8]) {
        if let Some(target) = self.window.target(&self.config, offset, data.len()) {
            let mut value = [0; 4];
            self.read_bar(target, &mut value[..data.len()]);
            data.copy_from_slice(&value[..data.len()]);
        } else {
            self.config.read(offset, data);
        }
    }

    fn write_config(&mut self, offset: usize, data: &[u8]) {
        self.config.write(offset, data);
        if (self.msix_control..self.msix_control + 2).contains(&(offset + data.len() - 1)) {
            self.msix.set_control(self.config.half(self.msix_control));
        }
        if let Some(target) = self.window.target(&self.config, offset, data.len()) {
            self.write_bar(target, data);
        }
    }

    fn bar_size(&self) -> u32 {
        BAR_SIZE
    }

    fn place_bar(&mut self, address: u32) {
        self.config.place_bar(address);
    }

    fn bar_address(&self) -> Option<u64> {
        self.config.bar_address()
    }

    fn bar_moved(&mut self, address: Option<u64>) {
        for (queue, kick) in self.backend.kicks().iter().enumerate() {
            if let Some(old) = self.bar {
                // A doorbell that was refused is not there to be removed; writes to it exit and end in `notify`.
                self.doorbells.unregister(Self::doorbell(old, queue), kick).ok();
            }
            if let Some(new) = address {
                self.doorbells.register(Self::doorbell(new, queue), kick).ok();
            }
        }
        self.bar = address;
    }
}

impl Device for VirtioPci {
    fn id(&self) -> &str {
        self.device.id()
    }

    fn pause(&mut self) {
        self.backend.pause();
    }

    fn resume(&mut self) {
        self.backend.resume();
    }

    /// The BAR's decode goes with the next [`crate::pci::root::PciRoot::reset`].
    fn reset(&mut self) {
        self.backend.deactivate();
        self.common.reset();
        self.msix.reset();
        self.config.reset();
    }
}

impl Drop for VirtioPci {
    fn drop(&mut self) {
        self.bar_moved(None);
    }
}

#[cfg(test)]
mod tests;
