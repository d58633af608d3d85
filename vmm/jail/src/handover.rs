//! How a parent hands descriptors to the process it starts: each gets a known number, everything else stays behind.

#![expect(unsafe_code, reason = "pre_exec runs between fork and exec")]

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The first number after the one that the spec has.
const FIRST: RawFd = 4;
/// The spec's number.
const SPEC: RawFd = 3;
/// Copies of what is handed over stand at or above this number, so that none is overwritten before it is placed.
const COPIES: RawFd = 512;

/// Descriptors for a process that will be started.
#[derive(Default)]
pub struct Handover {
    copies: Vec<OwnedFd>,
}

impl Handover {
    /// Nothing to hand over yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a copy of `fd` and returns the number that it will have in the process.
    ///
    /// # Errors
    /// When descriptors are used up.
    pub fn add(&mut self, fd: impl AsFd) -> io::Result<RawFd> {
        let number = FIRST + self.copies.len() as RawFd;
        if number >= COPIES {
            return Err(io::Error::other("too many descriptors for one process"));
        }
        self.copies.push(copy(fd)?);
        Ok(number)
    }

    /// Has `command` start with these descriptors and the bytes of `spec` as a sealed memory file. The copies close with `command`.
    ///
    /// # Errors
    /// When the memory file cannot be made.
    pub fn apply(self, spec: &[u8], command: &mut Command) -> io::Result<()> {
        let spec = copy(sealed(spec)?)?;
        let place = move || {
            let pairs = std::iter::once((&spec, SPEC)).chain(self.copies.iter().zip(FIRST..));
            for (copy, number) in pairs {
                // SAFETY: no pointer is passed; both are plain numbers, and whatever has the number in the child goes.
                if unsafe { libc::dup2(copy.as_raw_fd(), number) } == -1 {
                    return Err(io::Error::last_os_error());
                }
            }
            Ok(())
        };
        // SAFETY: between fork and exec the closure only calls dup2, which is async-signal-safe, and reads the error number.
        unsafe { command.pre_exec(place) };
        Ok(())
    }
}

fn copy(fd: impl AsFd) -> io::Result<OwnedFd> {
    let number = fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(COPIES))?;
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// A memory file that nobody can change any more.
fn sealed(bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut file = File::from(memfd_create(c"spec", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?);
    file.write_all(bytes)?;
    let seals = SealFlag::F_SEAL_SEAL | SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek};

    #[test]
    fn a_process_finds_its_descriptors_by_number() {
        let mut first = tempfile::tempfile().unwrap();
        first.write_all(b"first").unwrap();
        first.rewind().unwrap();
        let mut output = tempfile::tempfile().unwrap();
        let mut handover = Handover::new();
        assert_eq!((handover.add(&first).unwrap(), handover.add(&output).unwrap()), (4, 5));
        let mut command = Command::new("sh");
        command.args(["-c", "cat /proc/self/fd/3 <&4 >&5; cat <&4 >&5; ls /proc/self/fd >&5; echo x >&3"]);
        handover.apply(b"spec ", &mut command).unwrap();
        assert!(!command.status().unwrap().success(), "the spec must not be writable");
        output.rewind().unwrap();
        let mut text = String::new();
        output.read_to_string(&mut text).unwrap();
        let numbers: Vec<i32> =
            text.strip_prefix("spec first").unwrap().lines().map(|line| line.parse().unwrap()).collect();
        assert!(numbers.iter().all(|number| *number < COPIES), "{numbers:?}");
    }
}
