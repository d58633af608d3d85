//! The prepared file as the monitor reads it.

use crate::elf::{Elf, LOAD, RELOCATIONS, Segment};
use crate::relocations::Relocations;
use crate::{LARGEST, LARGEST_TABLE};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// Why a prepared file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum PreparedError {
    /// It cannot be read.
    #[error("the prepared kernel cannot be read")]
    Io(#[from] io::Error),
    /// Its headers contradict themselves.
    #[error("the prepared kernel is broken")]
    Broken,
}

/// Bytes of the file that belong into memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where they lie in the file.
    pub offset: u64,
    /// Their physical link address.
    pub address: u64,
    /// How many they are.
    pub length: u64,
}

/// A kernel that can be placed. All addresses are those that it was linked for.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The 64-bit entry point, physical.
    pub entry: u64,
    /// All physical addresses that it takes, parts without bytes in the file included.
    pub range: Range<u64>,
    /// Its bytes in ascending order of addresses.
    pub parts: Vec<Part>,
    /// Where it refers to itself.
    pub relocations: Relocations,
}

impl Prepared {
    /// Reads a prepared file's headers and table; `None` when the file is no prepared kernel.
    ///
    /// # Errors
    /// When it cannot be read or says what cannot be.
    pub fn read(file: &File) -> Result<Option<Self>, PreparedError> {
        let Some(elf) = Elf::read(file)? else { return Ok(None) };
        let Some(table) = elf.segments.iter().find(|segment| segment.kind == RELOCATIONS) else { return Ok(None) };
        let size = file.metadata()?.len();
        Ok(Some(Self::check(file, size, &elf, table)?))
    }

    fn check(file: &File, size: u64, elf: &Elf, table: &Segment) -> Result<Self, PreparedError> {
        let inside = |segment: &Segment| {
            let end = segment.offset.checked_add(segment.file_size).filter(|end| *end <= size);
            end.filter(|_| segment.file_size <= LARGEST).ok_or(PreparedError::Broken)
        };
        let (mut parts, mut range) = (Vec::new(), None::<Range<u64>>);
        for segment in elf.segments.iter().filter(|segment| segment.kind == LOAD) {
            inside(segment)?;
            let Segment { offset, physical_address: address, file_size: length, memory_size, .. } = *segment;
            let end = address.checked_add(memory_size.max(length)).ok_or(PreparedError::Broken)?;
            // Ascending and apart.
            if range.as_ref().is_some_and(|before| address < before.end) {
                return Err(PreparedError::Broken);
            }
            range = Some(range.map_or(address, |before| before.start)..end);
            parts.push(Part { offset, address, length });
        }
        let range = range.ok_or(PreparedError::Broken)?;
        if !range.contains(&elf.entry) || range.end - range.start > LARGEST {
            return Err(PreparedError::Broken);
        }
        inside(table)?;
        if table.file_size > LARGEST_TABLE {
            return Err(PreparedError::Broken);
        }
        let mut words = vec![0; usize::try_from(table.file_size).map_err(|_| PreparedError::Broken)?];
        file.read_exact_at(&mut words, table.offset)?;
        let relocations = Relocations::parse(&words, &range).ok_or(PreparedError::Broken)?;
        Ok(Self { entry: elf.entry, range, parts, relocations })
    }
}

#[cfg(test)]
mod tests;
