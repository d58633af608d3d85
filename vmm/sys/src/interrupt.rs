//! How a device interrupts the guest, without knowing the interrupt controller behind.

use std::io;
use std::sync::Arc;
use vmm_sys_util::eventfd::EventFd;

/// One edge-triggered interrupt of the guest: a line of the IOAPIC or a message.
pub trait Interrupt: Send + Sync {
    /// Raises the interrupt once. May be called by any thread at any time; a burst may be merged into one interrupt.
    ///
    /// # Errors
    /// Those of writing to the eventfd behind it.
    fn trigger(&self) -> io::Result<()>;
}

/// Address and data of a message-signalled interrupt, as the guest wrote them into an MSI-X table entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MsiMessage {
    /// Message address, both halves.
    pub address: u64,
    /// Message data.
    pub data: u32,
}

/// One message-signalled interrupt that belongs to a device for the device's life.
pub trait MsiVector: Interrupt {
    /// Sets where the vector points to; `None` while it is masked or was never programmed. Called by the device's configuration
    /// path, never by a data path. While there is no message, [`Interrupt::trigger`] delivers nothing and the device keeps its
    /// own pending bit.
    ///
    /// # Errors
    /// When the kernel refuses the new routing table.
    fn program(&self, message: Option<MsiMessage>) -> io::Result<()>;

    /// The eventfd behind the vector, for data paths in the kernel (vhost).
    fn event(&self) -> &EventFd;
}

/// Gives devices their message-signalled interrupts.
pub trait MsiRouter: Send + Sync {
    /// `count` vectors, masked. Called when a device is built; dropping a vector gives it back.
    ///
    /// # Errors
    /// When the machine has no vector left or the kernel refuses.
    fn allocate(&self, count: u16) -> io::Result<Vec<Arc<dyn MsiVector>>>;
}
