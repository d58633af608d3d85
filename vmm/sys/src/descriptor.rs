//! Adoption of the descriptors that the process was started with.

#![expect(unsafe_code, reason = "a descriptor's number becomes an owned descriptor")]

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::Mutex;

/// Numbers that were taken already: a descriptor has one owner.
static TAKEN: Mutex<BTreeSet<RawFd>> = Mutex::new(BTreeSet::new());

/// Why a descriptor could not be adopted.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// The process has no such descriptor.
    #[error("descriptor {0} is not open")]
    NotOpen(RawFd),
    /// The number was given twice.
    #[error("descriptor {0} is used twice")]
    Taken(RawFd),
    /// Standard streams belong to the runtime.
    #[error("descriptor {0} is a standard stream")]
    Standard(RawFd),
}

/// Takes ownership of the inherited descriptor `number`, once per process, and closes it on exec from now on.
///
/// # Errors
/// When the number names no open descriptor, a standard stream, or was adopted before.
pub fn adopt(number: RawFd) -> Result<OwnedFd, AdoptError> {
    if number <= libc::STDERR_FILENO {
        return Err(AdoptError::Standard(number));
    }
    // SAFETY: F_SETFD follows no pointer; a wrong number is answered by EBADF.
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } == -1 {
        return Err(AdoptError::NotOpen(number));
    }
    let mut taken = TAKEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if !taken.insert(number) {
        return Err(AdoptError::Taken(number));
    }
    // SAFETY: the descriptor is open, and `TAKEN` makes this the only owner that comes from a number. The spec only lists
    // descriptors that hostd opened for this process, before the process opened any of its own.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Reads a whole file from its start through its descriptor, at most `limit` bytes.
///
/// # Errors
/// Those of reading; `InvalidData` when the file is longer.
pub fn read_whole(fd: OwnedFd, limit: u64) -> io::Result<Vec<u8>> {
    let mut file = File::from(fd);
    let length = file.metadata()?.len();
    if length > limit {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "file is too long"));
    }
    io::Seek::rewind(&mut file)?;
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::IntoRawFd;

    #[test]
    fn a_descriptor_is_adopted_once() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"spec").unwrap();
        let number = file.into_raw_fd();
        let fd = adopt(number).unwrap();
        assert!(matches!(adopt(number), Err(AdoptError::Taken(n)) if n == number));
        assert_eq!(read_whole(fd, 4).unwrap(), b"spec");
    }

    #[test]
    fn wrong_numbers_are_told_apart() {
        assert!(matches!(adopt(1), Err(AdoptError::Standard(1))));
        assert!(matches!(adopt(-1), Err(AdoptError::Standard(-1))));
        assert!(matches!(adopt(9999), Err(AdoptError::NotOpen(9999))));
    }

    #[test]
    fn a_file_over_the_limit_is_refused() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"12345").unwrap();
        assert_eq!(read_whole(file.into(), 4).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
