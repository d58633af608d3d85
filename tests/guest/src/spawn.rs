//! Starting a process with the descriptors of its spec, as the contract wants it: their numbers are the same on both sides.

use anyhow::{Context, Result};
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, posix_spawn};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::Pid;
use std::ffi::CString;
use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use vmm_control::spec::{Fd, GuestSpec, SPEC_FD};

/// Descriptors that the process inherits.
#[derive(Default)]
pub(crate) struct Descriptors(Vec<OwnedFd>);

impl Descriptors {
    /// Adds one; returns its number for the spec.
    pub(crate) fn give(&mut self, descriptor: impl Into<OwnedFd>) -> Result<Fd> {
        const CLEAR_OF_THE_SPEC: i32 = SPEC_FD + 7;
        let number = fcntl(descriptor.into(), FcntlArg::F_DUPFD_CLOEXEC(CLEAR_OF_THE_SPEC))?;
        self.0.push(owned(number));
        Ok(number)
    }
}

#[expect(unsafe_code, reason = "fcntl returns a new descriptor as a number")]
fn owned(number: Fd) -> OwnedFd {
    // SAFETY: F_DUPFD_CLOEXEC just made this descriptor, and nothing else owns it.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// Starts the program; its standard output and error go to `output`.
pub(crate) fn spawn(program: &Path, spec: &GuestSpec, descriptors: &Descriptors, output: &File) -> Result<Pid> {
    let mut file = File::from(memfd_create(c"spec", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?);
    file.write_all(&postcard::to_stdvec(spec)?)?;
    file.rewind()?;
    fcntl(&file, FcntlArg::F_ADD_SEALS(SealFlag::all()))?;
    let mut actions = PosixSpawnFileActions::init()?;
    let nowhere = File::open("/dev/null")?;
    actions.add_dup2(nowhere.as_raw_fd(), 0)?;
    for standard in [1, 2] {
        actions.add_dup2(output.as_raw_fd(), standard)?;
    }
    for descriptor in &descriptors.0 {
        // The same number on both sides only takes close-on-exec away.
        actions.add_dup2(descriptor.as_raw_fd(), descriptor.as_raw_fd())?;
    }
    actions.add_dup2(file.as_raw_fd(), SPEC_FD)?;
    let nothing: [CString; 0] = [];
    let name = CString::new(format!("vmm {}", spec.id))?;
    posix_spawn(program, &actions, &PosixSpawnAttr::init()?, &[name], &nothing).context("the monitor does not start")
}
