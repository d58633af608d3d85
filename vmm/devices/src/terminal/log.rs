//! A file that keeps the newest output.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

const COPY: usize = 16 * 1024;

/// A log file of at most `limit` bytes: when it is full, its older half goes.
pub struct Log {
    file: File,
    length: u64,
    limit: u64,
}

impl Log {
    /// Goes on at the end of `file`, which is open for reading and writing.
    ///
    /// # Errors
    /// When its length cannot be found out.
    pub fn open(mut file: File, limit: u64) -> io::Result<Self> {
        let length = file.seek(SeekFrom::End(0))?;
        Ok(Self { file, length, limit: limit.max(2) })
    }

    /// Appends `bytes`, of which the last `limit` are kept.
    ///
    /// # Errors
    /// Those of the file.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let room = usize::try_from(self.limit / 2).unwrap_or(usize::MAX);
        for part in bytes.chunks(room) {
            if self.length + part.len() as u64 > self.limit {
                self.keep_newer_half()?;
            }
            self.file.write_all_at(part, self.length)?;
            self.length += part.len() as u64;
        }
        Ok(())
    }

    fn keep_newer_half(&mut self) -> io::Result<()> {
        let kept = self.length.min(self.limit / 2);
        let start = self.length - kept;
        let mut buffer = [0; COPY];
        let mut at = 0;
        while at < kept {
            let part = &mut buffer[..(kept - at).min(COPY as u64) as usize];
            self.file.read_exact_at(part, start + at)?;
            self.file.write_all_at(part, at)?;
            at += part.len() as u64;
        }
        self.file.set_len(kept)?;
        self.length = kept;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn contents(mut file: &File) -> Vec<u8> {
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn the_newest_bytes_stay_and_the_bound_holds() {
        let file = tempfile::tempfile().unwrap();
        let mut log = Log::open(file.try_clone().unwrap(), 10).unwrap();
        log.append(b"01234567").unwrap();
        log.append(b"89").unwrap();
        assert_eq!(contents(&file), b"0123456789");
        log.append(b"a").unwrap();
        assert_eq!(contents(&file), b"56789a");
        log.append(b"bcdefghijklmnopqrst").unwrap();
        let kept = contents(&file);
        assert!(kept.len() <= 10 && b"abcdefghijklmnopqrst".ends_with(&kept), "{kept:?}");
    }

    #[test]
    fn it_goes_on_where_an_earlier_process_stopped() {
        let file = tempfile::tempfile().unwrap();
        Log::open(file.try_clone().unwrap(), 8).unwrap().append(b"abcdefg").unwrap();
        Log::open(file.try_clone().unwrap(), 8).unwrap().append(b"hi").unwrap();
        assert_eq!(contents(&file), b"defghi");
    }
}
