//! Accesses to the BAR.

use super::common::Action;
use super::{COMMON, DEVICE, ISR, MSIX_PENDING, MSIX_TABLE, NOTIFY, NOTIFY_STRIDE, REGION, VirtioPci};
use crate::bus::MmioDevice;

impl VirtioPci {
    pub(super) fn read_bar(&mut self, offset: u64, data: &mut [u8]) {
        let (region, within) = split(offset);
        match region {
            COMMON => self.common.read(within, data),
            ISR if within == 0 => {
                data.fill(0);
                data[0] = self.signals.take_isr();
            }
            DEVICE => self.device.read_config(within, data),
            MSIX_TABLE => self.msix.read_table(within as u64, data),
            MSIX_PENDING => self.msix.read_pending(within as u64, data),
            _ => {}
        }
    }

    pub(super) fn write_bar(&mut self, offset: u64, data: &[u8]) {
        let (region, within) = split(offset);
        match region {
            COMMON => {
                let action = self.common.write(within, data);
                self.carry_out(action);
            }
            NOTIFY => self.notify(within / NOTIFY_STRIDE as usize),
            MSIX_TABLE => self.msix.write_table(within as u64, data),
            _ => {}
        }
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Nothing => {}
            Action::Reset => {
                self.backend.deactivate();
                self.common.reset();
            }
            Action::Activate => match self.common.activate() {
                Some(active) => self.backend.activate(active),
                None => self.signals.needs_reset(),
            },
        }
    }

    /// A notification that no doorbell caught.
    fn notify(&self, queue: usize) {
        if let Some(kick) = self.backend.kicks().get(queue) {
            // The event can only fail to be written when it is signalled already.
            kick.write(1).ok();
        }
    }
}

impl MmioDevice for VirtioPci {
    fn read(&mut self, offset: u64, data: &mut [u8]) {
        self.read_bar(offset, data);
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        self.write_bar(offset, data);
    }
}

fn split(offset: u64) -> (u32, usize) {
    let offset = offset as u32;
    (offset & !(REGION - 1), (offset & (REGION - 1)) as usize)
}
