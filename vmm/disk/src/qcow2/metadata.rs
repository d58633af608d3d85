//! Reading and writing table entries through a bounded cache of pages. Writes go to the file at once: nothing is lost when the
//! process dies, and the file sees changes in the order in which they were made.

use super::storage::Storage;
use std::io;

/// Pages kept: 256 KiB, which map 2 GiB of disk at clusters of 64 KiB.
const PAGES: usize = 64;
const PAGE_SIZE: u64 = 4096;

struct Page {
    offset: u64,
    used: u64,
    bytes: Box<[u8]>,
}

/// The cache.
pub struct Metadata {
    pages: Vec<Page>,
    page_size: u64,
    clock: u64,
}

impl Metadata {
    /// For an image with clusters of `cluster_size` bytes.
    pub fn new(cluster_size: u64) -> Self {
        Self { pages: Vec::new(), page_size: PAGE_SIZE.min(cluster_size), clock: 0 }
    }

    /// The big-endian number of `N` bytes at `offset`, which must be a multiple of `N`.
    ///
    /// # Errors
    /// Those of the file.
    pub fn read<const N: usize>(&mut self, file: &impl Storage, offset: u64) -> io::Result<u64> {
        let start = offset / self.page_size * self.page_size;
        let page = match self.pages.iter().position(|page| page.offset == start) {
            Some(found) => found,
            None => self.load(file, start)?,
        };
        self.clock += 1;
        self.pages[page].used = self.clock;
        let at = (offset - start) as usize;
        let bytes = &self.pages[page].bytes[at..at + N];
        Ok(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// Writes the low `N` bytes of `number` at `offset`, a multiple of `N`.
    ///
    /// # Errors
    /// Those of the file; the cache then still holds what the file held.
    pub fn write<const N: usize>(&mut self, file: &mut impl Storage, offset: u64, number: u64) -> io::Result<()> {
        let all = number.to_be_bytes();
        let bytes = &all[8 - N..];
        file.write(bytes, offset)?;
        let start = offset / self.page_size * self.page_size;
        if let Some(page) = self.pages.iter_mut().find(|page| page.offset == start) {
            let at = (offset - start) as usize;
            page.bytes[at..at + N].copy_from_slice(bytes);
        }
        Ok(())
    }

    /// Forgets the pages of a range that was written otherwise.
    pub fn forget(&mut self, offset: u64, length: u64) {
        self.pages.retain(|page| page.offset + self.page_size <= offset || page.offset >= offset + length);
    }

    fn load(&mut self, file: &impl Storage, offset: u64) -> io::Result<usize> {
        let mut bytes = vec![0; self.page_size as usize].into_boxed_slice();
        file.read(&mut bytes, offset)?;
        let page = Page { offset, used: 0, bytes };
        if self.pages.len() < PAGES {
            self.pages.push(page);
            return Ok(self.pages.len() - 1);
        }
        let oldest = self.pages.iter().enumerate().min_by_key(|(_, page)| page.used).map_or(0, |(at, _)| at);
        self.pages[oldest] = page;
        Ok(oldest)
    }
}
