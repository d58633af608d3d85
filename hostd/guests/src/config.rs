//! What the operator says about guests' processes.

use std::{path::PathBuf, time::Duration};

/// What the operator says about guests' processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestsConfig {
    /// The program that runs a guest.
    pub vmm: PathBuf,
    /// The firmware image for guests that boot from their root disk.
    pub firmware: PathBuf,
    /// The KVM device.
    pub kvm: PathBuf,
    /// First of the user ids that guests' processes take, one each.
    pub first_uid: u32,
    /// How many there are.
    pub uids: u32,
    /// The cgroup below which every guest has its own.
    pub cgroup_parent: String,
    /// Whether processes are jailed. Off only where a test has no right to.
    pub jail: bool,
    /// Whether their system calls are filtered.
    pub seccomp: bool,
    /// Bytes of a guest's console that are kept.
    pub console_bytes: u64,
    /// How long a guest waits for its ports to become known.
    pub ports_deadline: Duration,
    /// How long a process may take until its vCPUs run.
    pub start_deadline: Duration,
}

impl Default for GuestsConfig {
    fn default() -> Self {
        Self {
            vmm: "/usr/libexec/humilis/vmm".into(),
            firmware: "/usr/share/cloudhv/CLOUDHV.fd".into(),
            kvm: "/dev/kvm".into(),
            first_uid: 1_900_000_000,
            uids: 65_536,
            cgroup_parent: "humilis".into(),
            jail: true,
            seccomp: true,
            console_bytes: 1024 * 1024,
            ports_deadline: Duration::from_secs(30),
            start_deadline: Duration::from_secs(60),
        }
    }
}
