//! The file under an image, as far as the format needs it; tests put a recorder in its place.

use nix::fcntl::{FallocateFlags, fallocate};
use std::fs::File;
use std::io::{self, ErrorKind, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

/// Bytes at offsets.
pub trait Storage: Send {
    /// Current length.
    ///
    /// # Errors
    /// Those of the file.
    fn length(&self) -> io::Result<u64>;

    /// Fills `data` from `offset`; what lies beyond the end is zero.
    ///
    /// # Errors
    /// Those of the file.
    fn read(&self, data: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all of `data`, and makes the file longer if needed.
    ///
    /// # Errors
    /// Those of the file.
    fn write(&mut self, data: &[u8], offset: u64) -> io::Result<()>;

    /// Makes the file longer with zeroes.
    ///
    /// # Errors
    /// Those of the file.
    fn extend(&mut self, length: u64) -> io::Result<()>;

    /// Gives a range's space back, if that is possible.
    fn punch(&mut self, offset: u64, length: u64);

    /// Makes everything survive a crash of the host.
    ///
    /// # Errors
    /// Those of the file.
    fn sync(&mut self) -> io::Result<()>;
}

impl Storage for File {
    fn length(&self) -> io::Result<u64> {
        let mut file = self;
        file.seek(SeekFrom::End(0))
    }

    fn read(&self, data: &mut [u8], offset: u64) -> io::Result<()> {
        let mut at = 0;
        while at < data.len() {
            match self.read_at(&mut data[at..], offset + at as u64) {
                Ok(0) => {
                    data[at..].fill(0);
                    return Ok(());
                }
                Ok(read) => at += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn write(&mut self, data: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(data, offset)
    }

    fn extend(&mut self, length: u64) -> io::Result<()> {
        if self.length()? < length { self.set_len(length) } else { Ok(()) }
    }

    fn punch(&mut self, offset: u64, length: u64) {
        let mode = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        if let (Ok(offset), Ok(length)) = (i64::try_from(offset), i64::try_from(length)) {
            // Only the space stays taken when this fails: the cluster reads as zeroes by its table entry.
            fallocate(&*self, mode, offset, length).ok();
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}
