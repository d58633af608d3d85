//! What the function says of itself: ids, and capabilities that name the places of the register structures.

use super::{BAR_SIZE, COMMON, DEVICE, ISR, MSIX_PENDING, MSIX_TABLE, NOTIFY, NOTIFY_STRIDE, REGION};
use crate::pci::config::{ConfigSpace, Identity};
use crate::pci::msix::{self, Msix};
use crate::virtio::DeviceType;

const VENDOR_SPECIFIC: u8 = 0x09;
const TYPE_COMMON: u8 = 1;
const TYPE_NOTIFY: u8 = 2;
const TYPE_ISR: u8 = 3;
const TYPE_DEVICE: u8 = 4;
const TYPE_WINDOW: u8 = 5;

/// Ids and class of a device (virtio 1.2, section 4.1.2).
pub(super) fn identity(device_type: DeviceType) -> Identity {
    let class = match device_type {
        DeviceType::Net => 0x02_00_00,
        DeviceType::Block => 0x01_80_00,
        DeviceType::Console => 0x07_80_00,
        DeviceType::Entropy => 0xff_00_00,
    };
    let device = 0x1040 + device_type as u16;
    Identity { vendor: 0x1af4, device, revision: 1, class, subsystem_vendor: 0x1af4, subsystem: device }
}

/// Adds MSI-X and the five virtio capabilities; returns the place of MSI-X's message control, and the access window.
pub(super) fn add_all(config: &mut ConfigSpace, msix: &Msix) -> Option<(usize, Window)> {
    let (body, writable) = msix.capability(MSIX_TABLE, MSIX_PENDING);
    let msix_control = config.add_capability(msix::CAPABILITY, &body, &writable)? + 2;
    config.add_capability(VENDOR_SPECIFIC, &structure(TYPE_COMMON, COMMON, REGION, 16), &[])?;
    config.add_capability(VENDOR_SPECIFIC, &structure(TYPE_ISR, ISR, 1, 16), &[])?;
    config.add_capability(VENDOR_SPECIFIC, &structure(TYPE_DEVICE, DEVICE, REGION, 16), &[])?;
    let mut notify = structure(TYPE_NOTIFY, NOTIFY, REGION, 20).to_vec();
    notify.extend(NOTIFY_STRIDE.to_le_bytes());
    config.add_capability(VENDOR_SPECIFIC, &notify, &[])?;
    let mut window = structure(TYPE_WINDOW, 0, 0, 20).to_vec();
    window.extend([0; 4]);
    let mut writable = [0xff; 18];
    writable[..2].fill(0);
    writable[3..6].fill(0);
    let window = config.add_capability(VENDOR_SPECIFIC, &window, &writable)?;
    Some((msix_control, Window(window)))
}

/// `struct virtio_pci_cap` after its first two bytes.
fn structure(kind: u8, offset: u32, length: u32, size: u8) -> [u8; 14] {
    let mut body = [0; 14];
    body[0] = size;
    body[1] = kind;
    body[6..10].copy_from_slice(&offset.to_le_bytes());
    body[10..].copy_from_slice(&length.to_le_bytes());
    body
}

/// The capability by which firmware reaches the BAR through configuration space (section 4.1.4.9), at its offset.
pub(super) struct Window(usize);

impl Window {
    /// Where in the BAR an access to configuration space at `offset` ends up, if it is one to the window's data.
    pub(super) fn target(&self, config: &ConfigSpace, offset: usize, length: usize) -> Option<u64> {
        let (bar, at, size) = (config.half(self.0 + 4) & 0xff, config.word(self.0 + 8), config.word(self.0 + 12));
        let fits = bar == 0 && size as usize == length && at % size.max(1) == 0;
        let inside = at.checked_add(size).is_some_and(|end| end <= BAR_SIZE);
        (offset == self.0 + 16 && fits && inside && matches!(size, 1 | 2 | 4)).then_some(at.into())
    }
}
