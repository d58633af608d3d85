//! What a guest shall be and what it is, in this crate's own words.

use hostd_images::Image;
use hostd_kit::ids::GuestId;
use hostd_net::{metadata::GuestMetadata, model::PortId};
use std::{sync::Arc, time::Duration};
pub use vmm_control::spec::LINUX_ARGUMENTS;

/// A guest as it shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// The server's id.
    pub id: GuestId,
    /// Moves with every change of the desired guest.
    pub generation: u64,
    /// Number of vCPUs, at least 1.
    pub vcpus: u8,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// The machine's NUMA node that both shall be of.
    pub numa_node: Option<u32>,
    /// Whether it runs, and how often it was started.
    pub power: Power,
    /// How it starts.
    pub boot: Boot,
    /// Its own disks.
    pub disks: Disks,
    /// Its ports in the order of its interfaces.
    pub ports: Vec<PortId>,
    /// What it is told about itself.
    pub metadata: Arc<GuestMetadata>,
    /// Whether it gets the metadata on a disk as well.
    pub config_drive: bool,
    /// On whose behalf it changed last, for logs and traces; empty: nobody's.
    pub request_id: String,
}

/// Whether a guest runs, and how often it was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Power {
    /// Whether it runs.
    pub running: bool,
    /// A higher number than the one carried out asks for a start or restart.
    pub boot_count: u64,
    /// Stop and restart by power, without asking the guest.
    pub hard: bool,
    /// How long the guest may take to power itself off.
    pub grace: Duration,
    /// Whether it is started again when it ends by itself.
    pub restart: Restart,
}

/// Whether a guest that ended by itself is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restart {
    /// When it crashed, not when it powered itself off.
    #[default]
    OnFailure,
    /// Only when it is asked for.
    Never,
    /// Also when it powered itself off.
    Always,
}

/// How a guest starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Boot {
    /// A kernel is loaded directly.
    Kernel {
        /// The kernel.
        kernel: Image,
        /// Its initial RAM disk.
        ramdisk: Option<Image>,
        /// Its command line.
        arguments: String,
    },
    /// The firmware finds the boot loader on the root disk.
    Firmware,
}

/// The disks that live and go with the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disks {
    /// What the root disk is a copy of; `None`: an empty one.
    pub image: Option<Image>,
    /// Bytes of the root disk; 0: the image's.
    pub root_bytes: u64,
    /// The root disk's serial number as the guest sees it.
    pub serial: String,
    /// Bytes of the ephemeral disk; 0: none.
    pub ephemeral_bytes: u64,
    /// Bytes of the swap disk; 0: none.
    pub swap_bytes: u64,
}

/// A guest as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The server's id.
    pub id: GuestId,
    /// The desired generation that this answers; 0: the guest is not desired.
    pub generation: u64,
    /// Its state.
    pub state: State,
    /// For people, when it failed or crashed.
    pub reason: String,
    /// The desired boot count that was carried out.
    pub boot_count: u64,
    /// Microseconds since the epoch at which the state was entered.
    pub since: i64,
}

/// A guest's state, as the controller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Image, disks, ports or process are being made, or it waits to be started again.
    Preparing,
    /// Its vCPUs run.
    Running,
    /// It has no process, as desired or by its own power-off.
    Stopped,
    /// Its process ended although it should run, and is not started again.
    Crashed,
    /// It could not be made or started.
    Failed,
    /// All of it is gone from this host.
    Gone,
}

impl State {
    /// Those that a guest of this host may be in, with their words.
    pub const WORDS: [(&str, Self); 5] = [
        ("preparing", Self::Preparing),
        ("running", Self::Running),
        ("stopped", Self::Stopped),
        ("crashed", Self::Crashed),
        ("failed", Self::Failed),
    ];
}
