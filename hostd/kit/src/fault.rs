//! Named points at which a test ends hostd as `kill -9` would.
//!
//! `HOSTD_FAULT=guest.spawned` aborts the program when it reaches that point for the first time, `HOSTD_FAULT=guest.spawned@3`
//! at the third. The variable is read once; without it a point costs one load. It is always compiled in, so that what is
//! tested is what runs.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

/// A step after which hostd may be ended by a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// The host's key and certificate were received and not yet written.
    EnrolReceived,
    /// A batch is in the ledger's journal, not yet synced.
    LedgerWritten,
    /// It is synced, and not yet acknowledged.
    LedgerSynced,
    /// Part of an image was fetched.
    ImagePart,
    /// An image is complete under its temporary name.
    ImageFetched,
    /// The guest's directory exists.
    GuestDirectory,
    /// The root disk exists.
    GuestDisk,
    /// The guest's taps exist.
    GuestPorts,
    /// The guest's cgroup exists.
    GuestCgroup,
    /// The guest's process runs, its record is not yet written.
    GuestSpawned,
    /// The record of the process is written, the guest not yet reported.
    GuestRecorded,
    /// The guest runs and was reported.
    GuestRunning,
    /// The guest was asked to power off.
    GuestStopping,
    /// The guest's process ended, this is not yet recorded.
    GuestEnded,
    /// A guest that shall go has no process any more.
    GuestRemoving,
    /// Its ports are released.
    GuestPortsReleased,
    /// Its files are gone, this is not yet reported.
    GuestRemoved,
}

impl Point {
    /// Every point, for `hostd faults`.
    pub const ALL: [Self; 17] = [
        Self::EnrolReceived,
        Self::LedgerWritten,
        Self::LedgerSynced,
        Self::ImagePart,
        Self::ImageFetched,
        Self::GuestDirectory,
        Self::GuestDisk,
        Self::GuestPorts,
        Self::GuestCgroup,
        Self::GuestSpawned,
        Self::GuestRecorded,
        Self::GuestRunning,
        Self::GuestStopping,
        Self::GuestEnded,
        Self::GuestRemoving,
        Self::GuestPortsReleased,
        Self::GuestRemoved,
    ];

    /// The name in `HOSTD_FAULT`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EnrolReceived => "enrol.received",
            Self::LedgerWritten => "ledger.written",
            Self::LedgerSynced => "ledger.synced",
            Self::ImagePart => "image.part",
            Self::ImageFetched => "image.fetched",
            Self::GuestDirectory => "guest.directory",
            Self::GuestDisk => "guest.disk",
            Self::GuestPorts => "guest.ports",
            Self::GuestCgroup => "guest.cgroup",
            Self::GuestSpawned => "guest.spawned",
            Self::GuestRecorded => "guest.recorded",
            Self::GuestRunning => "guest.running",
            Self::GuestStopping => "guest.stopping",
            Self::GuestEnded => "guest.ended",
            Self::GuestRemoving => "guest.removing",
            Self::GuestPortsReleased => "guest.ports-released",
            Self::GuestRemoved => "guest.removed",
        }
    }
}

struct Armed {
    name: String,
    left: AtomicU64,
}

static ARMED: OnceLock<Option<Armed>> = OnceLock::new();

fn parse(text: &str) -> Option<Armed> {
    let (name, count) = text.split_once('@').unwrap_or((text, "1"));
    let left = AtomicU64::new(count.parse().ok().filter(|count| *count > 0)?);
    Point::ALL.iter().any(|point| point.name() == name).then(|| Armed { name: name.to_owned(), left })
}

/// Ends the program here when `HOSTD_FAULT` says so.
pub fn reach(point: Point) {
    let armed = ARMED.get_or_init(|| std::env::var("HOSTD_FAULT").ok().as_deref().and_then(parse));
    if let Some(armed) = armed
        && armed.name == point.name()
        && armed.left.fetch_sub(1, Ordering::Relaxed) == 1
    {
        tracing::error!(point = point.name(), "ending at a fault point");
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique() {
        let names: HashSet<_> = Point::ALL.iter().map(|point| point.name()).collect();
        assert_eq!(names.len(), Point::ALL.len());
    }

    #[test]
    fn a_count_is_taken_from_the_name() {
        let armed = parse("guest.disk@3").unwrap();
        assert_eq!((armed.name.as_str(), armed.left.into_inner()), ("guest.disk", 3));
        assert!(parse("guest.dsik").is_none());
        assert!(parse("guest.disk@0").is_none());
    }
}
