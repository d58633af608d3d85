//! What there is of an image that is on its way: its bytes in their place, and behind them a byte for each piece, which says whether it is
//! there and from whom.
//!
//! A crash leaves what is marked, and a power cut at worst marks whose bytes are missing: the digest tells.

use std::{
    fs::{File, OpenOptions},
    io,
    ops::Range,
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
};

/// From whom a piece came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It is not there.
    Missing,
    /// It was there when this fetch began, and came from the controller.
    Earlier,
    /// The controller.
    Controller,
    /// Another host.
    Host,
}

impl Origin {
    fn mark(self) -> u8 {
        match self {
            Self::Missing => 0,
            Self::Earlier | Self::Controller => b'c',
            Self::Host => b'h',
        }
    }

    fn of(mark: u8) -> Self {
        match mark {
            b'c' => Self::Earlier,
            b'h' => Self::Host,
            _ => Self::Missing,
        }
    }
}

/// An image's file while it is fetched. Its clones of the file write to it; the lock ends with the last of them.
pub struct Part {
    file: Arc<File>,
    size: u64,
    piece: u64,
    origins: Vec<Origin>,
}

impl Part {
    /// Opens what an earlier fetch left, if it is of use.
    pub fn open(path: &Path, size: u64, piece: u64) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        // A waiter that gave up may have left a write behind: it ends before this one begins.
        file.lock()?;
        let (length, count) = (file.metadata()?.len(), size.div_ceil(piece));
        let mut marks = vec![0; usize::try_from(count).map_err(io::Error::other)?];
        if length == size {
            // Whole, and on its way to its name.
            marks.fill(b'c');
        } else if length == size + count {
            file.read_exact_at(&mut marks, size)?;
        } else {
            file.set_len(0)?;
        }
        file.set_len(size + count)?;
        let origins = marks.into_iter().map(Origin::of).collect();
        Ok(Self { file: Arc::new(file), size, piece, origins })
    }

    pub fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Where a piece's bytes are.
    pub fn range(&self, number: usize) -> Range<u64> {
        let begin = number as u64 * self.piece;
        begin..self.size.min(begin + self.piece)
    }

    /// Numbers of those that are not there.
    pub fn missing(&self) -> impl Iterator<Item = usize> {
        self.origins.iter().enumerate().filter(|(_, origin)| **origin == Origin::Missing).map(|(number, _)| number)
    }

    /// Bytes from the beginning on of which none is missing.
    pub fn prefix(&self) -> u64 {
        self.missing().next().map_or(self.size, |number| self.range(number).start)
    }

    pub fn has(&self, origin: Origin) -> bool {
        self.origins.contains(&origin)
    }

    /// A piece's bytes are there, or are not any more.
    pub fn mark(&mut self, number: usize, origin: Origin) -> io::Result<()> {
        self.origins[number] = origin;
        self.file.write_all_at(&[origin.mark()], self.size + number as u64)
    }

    /// Forgets the pieces of this origin; `None`: all.
    pub fn forget(&mut self, origin: Option<Origin>) -> io::Result<()> {
        for number in 0..self.origins.len() {
            if origin.is_none_or(|origin| self.origins[number] == origin) {
                self.mark(number, Origin::Missing)?;
            }
        }
        Ok(())
    }

    /// Nothing is missing: from now on the file is the image. It survives the loss of power, for guests' overlays will refer to it.
    pub fn finish(self) -> io::Result<()> {
        self.file.set_len(self.size)?;
        self.file.sync_all()
    }
}

/// Writes bytes to their place; zeroes leave a hole where there is one.
pub fn write(file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    if bytes.iter().all(|byte| *byte == 0) {
        let mut there = vec![0; bytes.len()];
        file.read_exact_at(&mut there, offset)?;
        if there == bytes {
            return Ok(());
        }
    }
    file.write_all_at(bytes, offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(part: &Part) -> Vec<u8> {
        let mut bytes = vec![0; part.size as usize];
        part.file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }

    #[test]
    fn what_is_marked_is_there_the_next_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("part");
        let mut part = Part::open(&path, 10, 4).unwrap();
        assert_eq!(part.missing().collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!((part.range(1), part.range(2)), (4..8, 8..10));
        write(&part.file, 0, b"abcd").unwrap();
        part.mark(0, Origin::Controller).unwrap();
        part.mark(2, Origin::Host).unwrap();
        drop(part);
        let mut part = Part::open(&path, 10, 4).unwrap();
        assert_eq!(
            (part.origins.as_slice(), part.prefix()),
            ([Origin::Earlier, Origin::Missing, Origin::Host].as_slice(), 4)
        );
        assert_eq!(bytes(&part), b"abcd\0\0\0\0\0\0");
        part.forget(Some(Origin::Host)).unwrap();
        assert_eq!(part.missing().collect::<Vec<_>>(), [1, 2]);
        part.mark(1, Origin::Controller).unwrap();
        part.mark(2, Origin::Controller).unwrap();
        assert_eq!(part.prefix(), 10);
        part.finish().unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 10);
        assert_eq!(Part::open(&path, 10, 4).unwrap().prefix(), 10, "whole, and not renamed yet");
    }

    #[test]
    fn a_part_of_another_make_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("part");
        std::fs::write(&path, b"abcdefg").unwrap();
        let part = Part::open(&path, 10, 4).unwrap();
        assert_eq!((part.prefix(), bytes(&part)), (0, vec![0; 10]));
    }

    #[test]
    fn zeroes_take_the_place_of_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let part = Part::open(&dir.path().join("part"), 10, 4).unwrap();
        write(&part.file, 2, b"abcd").unwrap();
        write(&part.file, 3, &[0, 0]).unwrap();
        assert_eq!(bytes(&part), b"\0\0a\0\0d\0\0\0\0");
    }
}
