//! What hostd and a guest's process say to each other.

use serde::{Deserialize, Serialize};

/// The protocol's version; it moves when a variant is added.
pub const VERSION: u32 = 1;

/// From hostd to the process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// First message of a connection; answered by [`Reply::Hello`].
    Hello {
        /// The sender's [`VERSION`].
        version: u32,
    },
    /// What state the guest is in; answered by [`Reply::Status`].
    Status,
    /// Press the ACPI power button; answered by [`Reply::Done`]. The guest may ignore it.
    PowerButton,
    /// Reset the machine as its reset button would; answered by [`Reply::Done`] when the vCPUs run again.
    Reset,
    /// Stop the vCPUs; answered by [`Reply::Done`] when all of them stand.
    Pause,
    /// Let the vCPUs run on; answered by [`Reply::Done`].
    Resume,
    /// End the process at once, disks flushed; the connection closes.
    Quit,
    /// Make this connection a raw byte stream to the serial port from [`Reply::Done`] on.
    AttachConsole,
    /// Counters of the devices; answered by [`Reply::Counters`].
    Counters,
}

/// From the process to hostd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Answer to [`Request::Hello`].
    Hello {
        /// The sender's [`VERSION`].
        version: u32,
        /// The guest's id, so that a stale socket is found out.
        id: String,
    },
    /// Answer to [`Request::Status`], and sent by itself whenever the state changes after `Hello`.
    Status(Status),
    /// The request was carried out.
    Done,
    /// The request was refused or failed.
    Failed {
        /// For people, lower case.
        reason: String,
    },
    /// Answer to [`Request::Counters`].
    Counters(Vec<DeviceCounters>),
}

/// A guest's run state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// vCPUs run.
    Running,
    /// vCPUs stand.
    Paused,
    /// The guest powered itself off; the process ends with status 0.
    PoweredOff,
    /// The guest cannot go on (triple fault without reset, KVM internal error); the process ends with status 1.
    Crashed,
}

/// What a device moved since the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceCounters {
    /// The disk's or interface's id.
    pub id: String,
    /// Requests or packets from the guest's view: read or received.
    pub reads: u64,
    /// Written or sent.
    pub writes: u64,
    /// Bytes read or received.
    pub read_bytes: u64,
    /// Bytes written or sent.
    pub write_bytes: u64,
    /// Requests that failed.
    pub errors: u64,
}

/// How the guest's process ends: its exit status, for hostd's reaper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitStatus {
    /// The guest powered off or hostd asked to quit.
    Clean = 0,
    /// The guest crashed.
    Crashed = 1,
    /// The guest could not be built: bad spec, missing capability, unreadable image. The log's last line says why.
    BadSpec = 2,
}
