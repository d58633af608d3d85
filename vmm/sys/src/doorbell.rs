//! Guest writes that reach a device as an eventfd, without an exit to user space.

use std::io;
use vmm_sys_util::eventfd::EventFd;

/// Which writes ring a doorbell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoorbellMatch {
    /// Guest physical address.
    pub address: u64,
    /// Only 16-bit writes of this value ring; `None` for a write of any width and value.
    pub value: Option<u16>,
}

/// Registers doorbells with the kernel.
pub trait Doorbells: Send + Sync {
    /// From now on a matching write signals `event` and no longer leaves the kernel. Called when a device's BAR is placed.
    ///
    /// # Errors
    /// When the kernel refuses, for instance because the same match is taken. The write then still reaches the bus.
    fn register(&self, doorbell: DoorbellMatch, event: &EventFd) -> io::Result<()>;

    /// Undoes [`Doorbells::register`]. Called when a BAR moves or is disabled, and before a device goes.
    ///
    /// # Errors
    /// When there is no such doorbell.
    fn unregister(&self, doorbell: DoorbellMatch, event: &EventFd) -> io::Result<()>;
}
