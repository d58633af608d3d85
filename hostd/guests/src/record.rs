//! What hostd remembers of a guest in the guest's own directory, so that its next run knows what this one did.
//!
//! It survives the end of hostd. It need not survive the loss of power: then no process is left to know of, and a guest
//! without a record is started when it shall run.

use crate::{driver::EndedBy, restart::Ends};
use hostd_kit::{
    durable::{self, Durability},
    paths::GuestDir,
};
use serde::{Deserialize, Serialize};
use std::{fs, io};

/// What is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The user id that belongs to the guest as long as its directory is there.
    pub uid: u32,
    /// The host's boot in which this was written.
    pub boot_id: String,
    /// The desired boot count that was carried out.
    pub boot_count: u64,
    /// The generation that the guest was started with or that failed.
    pub generation: u64,
    /// Its process, as long as it was not seen to have ended.
    pub process: Option<ProcessId>,
    /// Whether its last process came up. A record that does not tell is of a time when each that was found counted as up.
    #[serde(default = "yes")]
    pub up: bool,
    /// How often hostd ended while it was started, since it came up last.
    #[serde(default)]
    pub cut_short: u8,
    /// How its last process ended.
    pub ended: Option<EndedBy>,
    /// Why the start of `generation` failed.
    pub failure: Option<String>,
    /// For people: why it crashed.
    pub reason: String,
    /// When it ended by itself.
    #[serde(default)]
    pub ends: Ends,
    /// Microseconds since the epoch at which its state was entered.
    pub since: i64,
    /// The ports to release.
    pub ports: Vec<String>,
    /// SHA-256 of the images that its disks refer to.
    pub images: Vec<String>,
}

/// A process, told apart from a later one with the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// Its number.
    pub pid: i32,
    /// Field 22 of `/proc/<pid>/stat`: clock ticks from the host's boot to its start.
    pub start_time: u64,
}

fn yes() -> bool {
    true
}

impl Record {
    /// Reads a guest's record. One that does not read back counts as none.
    #[must_use]
    pub fn load(dir: &GuestDir) -> Option<Self> {
        let bytes = fs::read(dir.record()).ok()?;
        match serde_json::from_slice(&bytes) {
            Ok(record) => Some(record),
            Err(error) => {
                tracing::warn!(path = %dir.record().display(), %error, "a guest's record does not read back");
                None
            }
        }
    }

    /// Writes the record.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn store(&self, dir: &GuestDir) -> io::Result<()> {
        let bytes = serde_json::to_vec(self).map_err(io::Error::other)?;
        durable::write(&dir.record(), &bytes, Durability::Process)
    }
}
