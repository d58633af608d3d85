//! The common configuration structure (virtio 1.2, section 4.1.4.3): negotiation, queue set-up and the device's status.

use crate::pci::msix::NO_VECTOR;
use crate::virtio::ring::{Ring, RingLayout};
use crate::virtio::signal::Signals;
use crate::virtio::worker::Active;
use crate::virtio::{VirtioDevice, feature, read_structure};
use std::sync::Arc;
use vmm_sys::memory::GuestMemory;

/// Bits of the device status.
pub mod status {
    /// The driver knows how to drive the device.
    pub const DRIVER: u8 = 2;
    /// The driver is ready.
    pub const DRIVER_OK: u8 = 4;
    /// Negotiation is over.
    pub const FEATURES_OK: u8 = 8;
    /// The device cannot go on.
    pub const NEEDS_RESET: u8 = 64;
}

const SIZE: usize = 0x38;

#[derive(Clone, Copy)]
struct QueueSetup {
    max_size: u16,
    layout: RingLayout,
    enabled: bool,
}

/// What a write to the registers asks of the device.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    Nothing,
    Activate,
    Reset,
}

/// The registers.
pub struct Common {
    memory: GuestMemory,
    signals: Arc<Signals>,
    offered: u64,
    offered_select: u32,
    accepted: u64,
    accepted_select: u32,
    status: u8,
    queue_select: u16,
    queues: Vec<QueueSetup>,
}

impl Common {
    pub(super) fn new(device: &dyn VirtioDevice, memory: GuestMemory, signals: Arc<Signals>) -> Self {
        let queue = |size: &u16| QueueSetup {
            max_size: *size,
            layout: RingLayout { size: *size, ..RingLayout::default() },
            enabled: false,
        };
        Self {
            memory,
            signals,
            offered: device.features() | feature::TRANSPORT,
            offered_select: 0,
            accepted: 0,
            accepted_select: 0,
            status: 0,
            queue_select: 0,
            queues: device.queue_sizes().iter().map(queue).collect(),
        }
    }

    pub(super) fn reset(&mut self) {
        (self.offered_select, self.accepted, self.accepted_select) = (0, 0, 0);
        (self.status, self.queue_select) = (0, 0);
        for queue in &mut self.queues {
            queue.layout = RingLayout { size: queue.max_size, ..RingLayout::default() };
            queue.enabled = false;
        }
        self.signals.reset();
    }

    pub(super) fn read(&self, offset: usize, data: &mut [u8]) {
        data.fill(0);
        read_structure(&self.image(), offset, data);
    }

    /// All registers as the driver sees them now.
    fn image(&self) -> [u8; SIZE] {
        let mut image = [0; SIZE];
        let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
        put(0x00, &self.offered_select.to_le_bytes());
        put(0x04, &half(self.offered, self.offered_select).to_le_bytes());
        put(0x08, &self.accepted_select.to_le_bytes());
        put(0x0c, &half(self.accepted, self.accepted_select).to_le_bytes());
        put(0x10, &self.signals.config_vector().to_le_bytes());
        put(0x12, &(self.queues.len() as u16).to_le_bytes());
        put(0x14, &[self.status(), self.signals.generation()]);
        put(0x16, &self.queue_select.to_le_bytes());
        let number = usize::from(self.queue_select);
        put(0x1a, &NO_VECTOR.to_le_bytes());
        if let Some(queue) = self.queues.get(number) {
            put(0x18, &queue.layout.size.to_le_bytes());
            put(0x1a, &self.signals.queue_vector(number).to_le_bytes());
            put(0x1c, &u16::from(queue.enabled).to_le_bytes());
            put(0x1e, &self.queue_select.to_le_bytes());
            put(0x20, &queue.layout.descriptors.to_le_bytes());
            put(0x28, &queue.layout.available.to_le_bytes());
            put(0x30, &queue.layout.used.to_le_bytes());
        }
        image
    }

    fn status(&self) -> u8 {
        self.status | if self.signals.is_broken() { status::NEEDS_RESET } else { 0 }
    }

    pub(super) fn write(&mut self, offset: usize, data: &[u8]) -> Action {
        match (offset, data) {
            (0x00, &[a, b, c, d]) => self.offered_select = u32::from_le_bytes([a, b, c, d]),
            (0x08, &[a, b, c, d]) => self.accepted_select = u32::from_le_bytes([a, b, c, d]),
            (0x0c, &[a, b, c, d]) => self.accept(u32::from_le_bytes([a, b, c, d])),
            (0x10, &[a, b]) => self.signals.set_config_vector(u16::from_le_bytes([a, b])),
            (0x14, &[value]) => return self.set_status(value),
            (0x16, &[a, b]) => self.queue_select = u16::from_le_bytes([a, b]),
            (0x1a, &[a, b]) => self.signals.set_queue_vector(self.queue_select.into(), u16::from_le_bytes([a, b])),
            (0x18, &[a, b]) => self.set_up(|queue| queue.layout.size = u16::from_le_bytes([a, b])),
            (0x1c, &[1, 0]) => self.set_up(|queue| queue.enabled = true),
            (0x20..0x38, _) if matches!(data.len(), 4 | 8) && offset.is_multiple_of(data.len()) => {
                self.set_address(offset, data)
            }
            _ => {}
        }
        Action::Nothing
    }

    fn accept(&mut self, features: u32) {
        let shift = match self.accepted_select {
            0 => 0,
            1 => 32,
            _ => return,
        };
        if self.status & status::FEATURES_OK == 0 {
            self.accepted = self.accepted & !(0xffff_ffff << shift) | u64::from(features) << shift;
        }
    }

    fn set_status(&mut self, value: u8) -> Action {
        if value == 0 {
            return Action::Reset;
        }
        let mut new = (value | self.status) & !status::NEEDS_RESET;
        let acceptable = self.accepted & !self.offered == 0 && self.accepted & feature::VERSION_1 != 0;
        if !acceptable {
            new &= !status::FEATURES_OK;
        }
        if new & status::FEATURES_OK == 0 {
            new &= !status::DRIVER_OK;
        }
        let ready = new & !self.status & status::DRIVER_OK != 0;
        self.status = new;
        if ready { Action::Activate } else { Action::Nothing }
    }

    /// Changes the selected queue, unless the device uses it.
    fn set_up(&mut self, change: impl FnOnce(&mut QueueSetup)) {
        let live = self.status & status::DRIVER_OK != 0;
        let queue = self.queues.get_mut(usize::from(self.queue_select));
        if let Some(queue) = queue.filter(|queue| !live && !queue.enabled) {
            change(queue);
        }
    }

    fn set_address(&mut self, offset: usize, data: &[u8]) {
        self.set_up(|queue| {
            let address = match offset & 0x38 {
                0x20 => &mut queue.layout.descriptors,
                0x28 => &mut queue.layout.available,
                _ => &mut queue.layout.used,
            };
            let mut bytes = address.to_le_bytes();
            let start = offset & 7;
            bytes[start..start + data.len()].copy_from_slice(data);
            *address = u64::from_le_bytes(bytes);
        });
    }

    /// The queues as the driver set them up; `None` if one of them is no queue.
    pub(super) fn activate(&self) -> Option<Active> {
        let rings = self.queues.iter().map(|queue| {
            let ring = || Ring::new(&self.memory, queue.layout, queue.max_size, self.accepted);
            queue.enabled.then(ring).transpose()
        });
        Some(Active {
            memory: self.memory.clone(),
            rings: rings.collect::<Result<_, _>>().ok()?,
            features: self.accepted,
            signals: Arc::clone(&self.signals),
        })
    }
}

fn half(features: u64, select: u32) -> u32 {
    match select {
        0 => features as u32,
        1 => (features >> 32) as u32,
        _ => 0,
    }
}
