//! The seam between devices and whatever event loop drives them.

use std::os::fd::RawFd;

/// Which readiness of a descriptor counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// It can be read.
    Readable,
    /// It can be written.
    Writable,
}

/// A descriptor to watch. The loop must watch it **edge-triggered** (`EPOLLET`): devices do not drain event counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The descriptor; it stays open as long as the [`Pollable`] lives.
    pub fd: RawFd,
    /// What [`Pollable::handle`] is called with.
    pub token: u64,
    /// Which readiness counts.
    pub interest: Interest,
}

/// Where a [`Pollable`] wants to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// On the event loop that devices share: it never waits for long.
    Shared,
    /// On a thread of its own: it waits for files.
    Own,
}

/// Work that descriptors trigger.
pub trait Pollable: Send + Sync {
    /// For thread names and logs.
    fn name(&self) -> &str;

    /// Where it wants to run.
    fn placement(&self) -> Placement;

    /// All descriptors to watch; the list never changes.
    fn sources(&self) -> Vec<Source>;

    /// Does the work that `token`'s descriptor announced. Unknown and spurious tokens are harmless.
    fn handle(&self, token: u64);
}
