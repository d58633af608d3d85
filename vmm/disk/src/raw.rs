//! Raw images and block devices: the file's bytes are the disk's.

use crate::{DiskError, DiskIo};
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;

const SECTOR: u64 = 512;
static ZEROES: [u8; 64 * 1024] = [0; 64 * 1024];

/// A raw disk.
pub struct Raw {
    file: File,
    length: u64,
    read_only: bool,
}

impl Raw {
    /// Takes an open file or block device. A last, partial sector is not part of the disk.
    ///
    /// # Errors
    /// When its size cannot be found out.
    pub fn open(mut file: File, read_only: bool) -> Result<Self, DiskError> {
        let length = file.seek(SeekFrom::End(0))? / SECTOR * SECTOR;
        Ok(Self { file, length, read_only })
    }

    fn allocate(&self, mode: FallocateFlags, offset: u64, length: u64) -> Result<(), Errno> {
        let range = i64::try_from(offset).ok().zip(i64::try_from(length).ok());
        let (offset, length) = range.ok_or(Errno::EINVAL)?;
        loop {
            match fallocate(&self.file, mode | FallocateFlags::FALLOC_FL_KEEP_SIZE, offset, length) {
                Err(Errno::EINTR) => {}
                end => return end,
            }
        }
    }

    fn fill(&self, mut offset: u64, length: u64) -> Result<(), DiskError> {
        let end = offset + length;
        while offset < end {
            let part = (end - offset).min(ZEROES.len() as u64);
            self.file.write_all_at(&ZEROES[..part as usize], offset)?;
            offset += part;
        }
        Ok(())
    }
}

/// Whether a file system has no such operation, as opposed to having failed.
fn unsupported(error: Errno) -> bool {
    matches!(error, Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::ENODEV | Errno::EINVAL | Errno::ESPIPE)
}

impl DiskIo for Raw {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_only(&self) -> bool {
        self.read_only
    }

    fn read_at(&mut self, offset: u64, data: &mut [u8]) -> Result<(), DiskError> {
        self.check_range(offset, data.len() as u64)?;
        Ok(self.file.read_exact_at(data, offset)?)
    }

    fn write_at(&mut self, offset: u64, data: &[u8]) -> Result<(), DiskError> {
        self.check_change(offset, data.len() as u64)?;
        Ok(self.file.write_all_at(data, offset)?)
    }

    fn flush(&mut self) -> Result<(), DiskError> {
        Ok(self.file.sync_data()?)
    }

    fn discard(&mut self, offset: u64, length: u64) -> Result<(), DiskError> {
        self.check_change(offset, length)?;
        if length == 0 {
            return Ok(());
        }
        match self.allocate(FallocateFlags::FALLOC_FL_PUNCH_HOLE, offset, length) {
            Err(error) if !unsupported(error) => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn write_zeroes(&mut self, offset: u64, length: u64, may_unmap: bool) -> Result<(), DiskError> {
        self.check_change(offset, length)?;
        if length == 0 {
            return Ok(());
        }
        let hole = may_unmap.then_some(FallocateFlags::FALLOC_FL_PUNCH_HOLE);
        for mode in hole.into_iter().chain([FallocateFlags::FALLOC_FL_ZERO_RANGE]) {
            match self.allocate(mode, offset, length) {
                Ok(()) => return Ok(()),
                Err(error) if unsupported(error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.fill(offset, length)
    }

    fn discard_granularity(&self) -> u32 {
        4096
    }

    fn direct(&self) -> Option<BorrowedFd<'_>> {
        Some(self.file.as_fd())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    fn disk(length: u64) -> Raw {
        let file = tempfile::tempfile().unwrap();
        file.set_len(length).unwrap();
        Raw::open(file, false).unwrap()
    }

    #[test]
    fn bytes_come_back_and_zeroes_give_space_back() {
        let mut disk = disk(1 << 20);
        disk.write_at(0, &[7; 256 * 1024]).unwrap();
        let mut data = [1; 3];
        disk.read_at(256 * 1024 - 1, &mut data).unwrap();
        assert_eq!(data, [7, 0, 0]);
        disk.flush().unwrap();
        let before = disk.file.metadata().unwrap().blocks();
        disk.write_zeroes(0, 128 * 1024, true).unwrap();
        disk.discard(128 * 1024, 64 * 1024).unwrap();
        disk.write_zeroes(192 * 1024, 4096, false).unwrap();
        assert!(disk.file.metadata().unwrap().blocks() < before);
        disk.read_at(192 * 1024 + 4094, &mut data).unwrap();
        assert_eq!(data, [0, 0, 7]);
        assert_eq!(disk.file.metadata().unwrap().len(), 1 << 20);
    }

    #[test]
    fn ranges_outside_and_read_only_disks_are_refused() {
        let mut small = disk(1000);
        assert_eq!(small.len(), 512);
        for (offset, length) in [(512, 1), (0, 513), (u64::MAX, 2), (u64::MAX, u64::MAX)] {
            assert!(matches!(small.write_zeroes(offset, length, true), Err(DiskError::OutOfRange { .. })));
            assert!(matches!(small.discard(offset, length), Err(DiskError::OutOfRange { .. })));
        }
        assert!(matches!(small.read_at(511, &mut [0; 2]), Err(DiskError::OutOfRange { .. })));
        let mut fixed = Raw { read_only: true, ..disk(1024) };
        assert!(matches!(fixed.write_at(0, &[0]), Err(DiskError::ReadOnly)));
    }

    #[test]
    fn a_file_that_shrank_is_an_error() {
        let mut disk = disk(4096);
        disk.file.set_len(100).unwrap();
        assert!(matches!(disk.read_at(0, &mut [0; 512]), Err(DiskError::Truncated)));
    }

    #[test]
    fn a_full_file_system_is_told_apart() {
        let full = std::fs::OpenOptions::new().read(true).write(true).open("/dev/full").unwrap();
        let mut disk = Raw { file: full, length: 4096, read_only: false };
        assert!(matches!(disk.write_at(0, &[1; 512]), Err(DiskError::NoSpace)));
    }
}
