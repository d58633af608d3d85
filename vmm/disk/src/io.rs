//! What every disk can do.

use crate::DiskError;
use std::os::fd::BorrowedFd;

/// A disk's bytes. One thread uses it at a time; calls wait for the file system.
///
/// Ranges that do not lie within [`DiskIo::len`] are refused before anything is changed.
#[expect(clippy::len_without_is_empty, reason = "a disk's length is a size, not a count of items")]
pub trait DiskIo: Send {
    /// The disk's size in bytes.
    fn len(&self) -> u64;

    /// Whether writes are refused.
    fn read_only(&self) -> bool;

    /// Fills `data` from `offset` on. What was never written reads as zeroes.
    ///
    /// # Errors
    /// When the range or the image is wrong or the file system fails.
    fn read_at(&mut self, offset: u64, data: &mut [u8]) -> Result<(), DiskError>;

    /// Writes all of `data` at `offset`.
    ///
    /// # Errors
    /// As for reading, and [`DiskError::NoSpace`], [`DiskError::ReadOnly`]. A part may have been written.
    fn write_at(&mut self, offset: u64, data: &[u8]) -> Result<(), DiskError>;

    /// Makes all writes so far survive a crash of the host.
    ///
    /// # Errors
    /// When the file system fails; what was written since the last flush is then in doubt.
    fn flush(&mut self) -> Result<(), DiskError>;

    /// Gives up the contents of a range; what it reads as afterwards is undefined.
    ///
    /// # Errors
    /// As for writing. A file system that cannot give space back is no error.
    fn discard(&mut self, offset: u64, length: u64) -> Result<(), DiskError>;

    /// Makes a range read as zeroes; its space may be given back if `may_unmap`.
    ///
    /// # Errors
    /// As for writing.
    fn write_zeroes(&mut self, offset: u64, length: u64, may_unmap: bool) -> Result<(), DiskError>;

    /// The alignment in bytes below which [`DiskIo::discard`] frees nothing.
    fn discard_granularity(&self) -> u32;

    /// The file, if its bytes are the disk's bytes at the same offsets: the caller may then read and write it by itself
    /// within [`DiskIo::len`], without a copy.
    fn direct(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Refuses ranges outside the disk.
    ///
    /// # Errors
    /// [`DiskError::OutOfRange`].
    fn check_range(&self, offset: u64, length: u64) -> Result<(), DiskError> {
        let inside = offset.checked_add(length).is_some_and(|end| end <= self.len());
        if inside { Ok(()) } else { Err(DiskError::OutOfRange { offset, length }) }
    }

    /// Refuses changes of read-only disks and outside the disk.
    ///
    /// # Errors
    /// [`DiskError::ReadOnly`] and [`DiskError::OutOfRange`].
    fn check_change(&self, offset: u64, length: u64) -> Result<(), DiskError> {
        if self.read_only() { Err(DiskError::ReadOnly) } else { self.check_range(offset, length) }
    }
}
