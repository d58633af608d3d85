//! Stories of real KVM guests: the framework in which the tests of `tests/it` are told.
//!
//! It starts the binary `vmm` as hostd does, by spec and inherited descriptors, with the freestanding guest of `program/`, gives it
//! disks of a temporary folder and a network of its own, and watches its serial port and its control socket. It knows nothing of
//! the monitor's inside.
//!
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! use humilis_guest_tests::{Guest, Lan};
//! let lan = Lan::new()?;
//! let mut guest = Guest::configure().nic(&lan).boot()?;
//! guest.wait_for("ready")?;
//! lan.ping(guest.address()?)?;
//! # Ok(()) }
//! ```
//!
//! A story about something else: add a file to `tests/it`; five lines should do, else the framework lacks a word.
//!
//! Invariants: everything that a story makes (process, namespace, files) goes away with the value that stands for it, also when
//! the story fails. Root and /dev/kvm are needed.

pub mod binaries;
pub mod control;
pub mod disk;
pub mod guest;
pub mod lan;
mod serial;
mod spawn;

pub use disk::Disk;
pub use guest::{Configuration, Guest};
pub use lan::Lan;

use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// How long a story waits for what must come; generous, because the machine may be busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks again and again until there is an answer, at most for `patience`.
///
/// # Errors
/// Those of `ask`, and when the time is over.
pub fn until<T>(patience: Duration, what: &str, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let end = Instant::now() + patience;
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if Instant::now() > end {
            bail!("waited {patience:?} for {what}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
