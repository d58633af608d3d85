//! The way into the jail.

#![expect(unsafe_code, reason = "close_range and prctl have no safe wrapper that takes what we need")]

use crate::root;
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use std::os::fd::RawFd;

/// What is left to the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jail {
    /// The user id that the process takes.
    pub uid: u32,
    /// The group id that the process takes.
    pub gid: u32,
    /// Descriptors that stay open, besides the standard streams.
    pub keep: Vec<RawFd>,
}

/// A wall that could not be put up.
#[derive(Debug, thiserror::Error)]
pub enum JailError {
    /// The process would stay root.
    #[error("a guest's process must not run as user or group 0")]
    Root,
    /// A step failed.
    #[error("cannot {step}")]
    Step {
        /// What was tried.
        step: &'static str,
        /// How the kernel answered.
        source: Errno,
    },
}

pub(crate) fn step(step: &'static str) -> impl FnOnce(Errno) -> JailError {
    move |source| JailError::Step { step, source }
}

/// The highest capability number that a kernel may know.
const CAPABILITIES: std::ops::Range<libc::c_ulong> = 0..64;
/// Threads of one guest: vCPUs, disks, the main one.
const MAX_THREADS: u64 = 512;
/// Event descriptors of the most devices on the bus, vCPUs and disks.
const MAX_DESCRIPTORS: u64 = 4096;

/// Enters the jail. Called by a process with a single thread that has CAP_SYS_ADMIN, CAP_SETUID, CAP_SETGID and CAP_SETPCAP.
///
/// # Errors
/// The first wall that could not be put up; the process is then to end.
pub fn enter(jail: &Jail) -> Result<(), JailError> {
    if jail.uid == 0 || jail.gid == 0 {
        return Err(JailError::Root);
    }
    close_others(&jail.keep)?;
    let namespaces =
        CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS;
    unshare(namespaces).map_err(step("leave the host's namespaces"))?;
    root::leave()?;
    limit()?;
    drop_capabilities()?;
    setgroups(&[]).map_err(step("leave all groups"))?;
    let (uid, gid) = (Uid::from_raw(jail.uid), Gid::from_raw(jail.gid));
    setresgid(gid, gid, gid).map_err(step("take the guest's group"))?;
    setresuid(uid, uid, uid).map_err(step("take the guest's user"))?;
    nix::sys::prctl::set_no_new_privs().map_err(step("renounce new privileges"))
}

/// Closes every descriptor that is neither a standard stream nor kept.
fn close_others(keep: &[RawFd]) -> Result<(), JailError> {
    let mut keep: Vec<u32> = keep.iter().filter_map(|fd| u32::try_from(*fd).ok()).collect();
    keep.sort_unstable();
    let mut first = libc::STDERR_FILENO as u32 + 1;
    for fd in keep.into_iter().chain([u32::MAX]) {
        if fd > first {
            let last = if fd == u32::MAX { fd } else { fd - 1 };
            // SAFETY: no pointer is passed. Nothing in this process owns the descriptors: it has just started, and what it
            // adopts is in `keep`.
            let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
            Errno::result(result).map_err(step("close what was not given"))?;
        }
        first = first.max(fd.saturating_add(1));
    }
    Ok(())
}

fn limit() -> Result<(), JailError> {
    let limits = [
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_NOFILE, MAX_DESCRIPTORS),
        (Resource::RLIMIT_NPROC, MAX_THREADS),
        (Resource::RLIMIT_MSGQUEUE, 0),
    ];
    limits.into_iter().try_for_each(|(resource, limit)| setrlimit(resource, limit, limit)).map_err(step("set limits"))
}

/// Empties the bounding set; the other sets go with the user id.
fn drop_capabilities() -> Result<(), JailError> {
    for capability in CAPABILITIES {
        // SAFETY: no pointer is passed.
        let result = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
        match Errno::result(result) {
            Err(Errno::EINVAL) => break,
            other => other.map_err(step("drop capabilities"))?,
        };
    }
    Ok(())
}
