//! Guests' cgroups, by name: the guest's id under the configured parent.

use crate::{model::Guest, record::ProcessId};
use hostd_kit::ids::GuestId;
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};
use vmm_jail::cgroup::{self, Cgroup, Limits};

/// What a guest's process needs beyond the guest's memory, with room for the page cache of its disks.
const OVERHEAD_MIB: u64 = 128;
/// Threads of a process beyond one per vCPU.
const OVERHEAD_THREADS: u64 = 64;
/// Where cgroups are mounted; version 1 has a folder per controller there.
const MOUNTS: [&str; 4] = ["/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/pids"];

/// Makes the guest's group. Without one the guest still runs: a host without cgroups is a poor one, not a broken one.
pub(crate) fn create(parent: &str, guest: &Guest) -> Option<Cgroup> {
    let limits = Limits {
        memory: Some((guest.memory_mib + OVERHEAD_MIB) << 20),
        cpu_percent: None,
        pids: Some(u64::from(guest.vcpus) + OVERHEAD_THREADS),
    };
    let made = cgroup::create(parent, guest.id.as_str(), limits);
    made.inspect_err(|error| tracing::warn!(guest = %guest.id, error = error as &dyn std::error::Error, "no cgroup"))
        .ok()
}

/// Puts the guest's process into its group.
pub(crate) fn enter(group: Option<Cgroup>, process: ProcessId) {
    let (Some(group), Ok(pid)) = (group, u32::try_from(process.pid)) else { return };
    if let Err(error) = group.add(pid) {
        tracing::warn!(pid, error = &error as &dyn std::error::Error, "a guest's process is in no cgroup");
    }
}

/// Removes the guest's group; that there is none is fine.
pub(crate) fn remove(parent: &str, id: &GuestId) -> io::Result<()> {
    match cgroup::open(parent, id.as_str()) {
        Ok(group) => group.remove().map_err(io::Error::other),
        // Then nothing was made either.
        Err(_) => Ok(()),
    }
}

/// The guests that have a group.
pub(crate) fn all(parent: &str) -> BTreeSet<GuestId> {
    let folders = MOUNTS.iter().map(|mount| Path::new(mount).join(parent));
    let entries = folders.flat_map(|folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten());
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}
