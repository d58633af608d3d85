//! What can go wrong with a disk.

use std::io;
use thiserror::Error;

/// Why a disk operation failed.
#[derive(Debug, Error)]
pub enum DiskError {
    /// The range is not within the disk.
    #[error("range of {length} bytes at {offset} is not within the disk")]
    OutOfRange {
        /// First byte.
        offset: u64,
        /// Number of bytes.
        length: u64,
    },
    /// The file system or quota under the image is full. Nothing that was there before is damaged.
    #[error("no space left under the disk image")]
    NoSpace,
    /// The disk may not be written.
    #[error("disk is read-only")]
    ReadOnly,
    /// The image contradicts itself.
    #[error("disk image is corrupt: {what}")]
    Corrupt {
        /// What is wrong.
        what: &'static str,
    },
    /// The image's file ends before what its tables refer to.
    #[error("disk image is truncated")]
    Truncated,
    /// The file system failed.
    #[error("disk image cannot be accessed")]
    Io(#[source] io::Error),
}

impl From<io::Error> for DiskError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => Self::NoSpace,
            io::ErrorKind::UnexpectedEof => Self::Truncated,
            _ => Self::Io(error),
        }
    }
}

impl From<nix::Error> for DiskError {
    fn from(error: nix::Error) -> Self {
        io::Error::from(error).into()
    }
}
