//! What vCPU threads tell the main thread.

use crate::vcpu::thread::Trouble;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Mutex, PoisonError};
use vmm_devices::power::{PowerRequest, PowerSink};
use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};

/// Something that the main thread has to carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The guest wrote a power or reset register.
    Power(PowerRequest),
    /// A vCPU cannot run on.
    Trouble(u8, Trouble),
}

/// Notices in the order in which they came, with an event that wakes the main thread.
pub struct Notices {
    waiting: Mutex<Vec<Notice>>,
    event: EventFd,
}

impl Notices {
    /// No notices.
    ///
    /// # Errors
    /// When the event cannot be made.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self { waiting: Mutex::default(), event: EventFd::new(EFD_CLOEXEC | EFD_NONBLOCK)? })
    }

    /// Leaves a notice. Any thread.
    pub fn post(&self, notice: Notice) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(notice);
        // The write fails only when the event is signalled already.
        let _signalled = self.event.write(1);
    }

    /// Takes all notices.
    pub fn take(&self) -> Vec<Notice> {
        let _signalled = self.event.read();
        std::mem::take(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The event's descriptor.
    pub fn fd(&self) -> RawFd {
        self.event.as_raw_fd()
    }
}

impl PowerSink for Notices {
    fn request(&self, request: PowerRequest) {
        self.post(Notice::Power(request));
    }
}
