//! A running process by its descriptor: told to end, and seen to end, whether it is our child or was adopted.

use crate::record::ProcessId;
use rustix::{
    io::Errno,
    process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid},
};
use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};
use tokio::io::{Interest, unix::AsyncFd};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// With a status.
    Status(i32),
    /// By a signal.
    Signal(i32),
    /// It was not our child: nobody told us.
    Unknown,
}

/// A running process.
#[derive(Debug)]
pub struct Live {
    id: ProcessId,
    descriptor: AsyncFd<OwnedFd>,
}

impl Live {
    /// The process with this number, as long as it is the one that started at that time.
    ///
    /// # Errors
    /// `NotFound` when it has ended; otherwise those of the system.
    pub fn open(id: ProcessId) -> io::Result<Self> {
        let descriptor = open(id.pid)?;
        // Read after the descriptor was opened: were it another process by now, its start would differ.
        if super::find::start_time(id.pid) != Some(id.start_time) {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Self { id, descriptor: watched(descriptor)? })
    }

    /// A child that nobody has waited for.
    ///
    /// # Errors
    /// Those of the system.
    pub fn child(pid: i32) -> io::Result<Self> {
        let start_time = super::find::start_time_of_child(pid).ok_or(io::ErrorKind::NotFound)?;
        Ok(Self { id: ProcessId { pid, start_time }, descriptor: watched(open(pid)?)? })
    }

    /// The process.
    #[must_use]
    pub fn id(&self) -> ProcessId {
        self.id
    }

    /// Ends it by SIGKILL; harmless when it has ended.
    pub fn kill(&self) {
        if let Err(error) = pidfd_send_signal(self.descriptor.get_ref(), Signal::KILL)
            && error != Errno::SRCH
        {
            tracing::error!(pid = self.id.pid, %error, "a guest's process cannot be killed");
        }
    }

    /// Waits until it has ended. May be called again after it was cancelled.
    pub async fn exited(&self) -> Exit {
        // Readable means ended; an error of the poll means that we cannot see it, which is the same to us.
        let _ = self.descriptor.readable().await;
        reap(self.descriptor.get_ref())
    }
}

fn open(pid: i32) -> io::Result<OwnedFd> {
    let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidInput)?;
    pidfd_open(pid, PidfdFlags::NONBLOCK).map_err(not_found)
}

#[expect(deprecated, reason = "its successor is unsafe; an OwnedFd fulfils what that asks of the caller")]
fn watched(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(descriptor, Interest::READABLE)
}

fn reap(descriptor: &OwnedFd) -> Exit {
    let Ok(Some(status)) = waitid(WaitId::PidFd(descriptor.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG)
    else {
        return Exit::Unknown;
    };
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Exit::Status(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Unknown,
    }
}

fn not_found(error: Errno) -> io::Error {
    if error == Errno::SRCH { io::ErrorKind::NotFound.into() } else { error.into() }
}
