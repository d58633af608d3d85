//! The little of ELF that kernels need (System V ABI, chapters 4 and 5).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Our own program header's type, in the range that is left to operating systems: the kernel's relocations.
pub const RELOCATIONS: u32 = 0x6875_6d69;
/// Bytes to be loaded.
pub(crate) const LOAD: u32 = 1;

const HEADER: usize = 64;
const ENTRY: usize = 56;
const SECTION: u64 = 64;
/// 64 bits, little-endian, version 1.
const IDENTITY: [u8; 7] = *b"\x7fELF\x02\x01\x01";
const EXECUTABLE: u16 = 2;
const X86_64: u16 = 62;
const PHNUM_AT: usize = 56;
/// All program headers fit the first page.
pub(crate) const MOST_SEGMENTS: usize = (crate::PAGE - HEADER) / ENTRY;

/// A program header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) kind: u32,
    pub(crate) offset: u64,
    pub(crate) virtual_address: u64,
    pub(crate) physical_address: u64,
    pub(crate) file_size: u64,
    pub(crate) memory_size: u64,
}

/// An executable's headers.
#[derive(Clone, Debug)]
pub(crate) struct Elf {
    pub(crate) entry: u64,
    pub(crate) segments: Vec<Segment>,
    /// The first byte after the section headers, which linkers put last.
    pub(crate) end: u64,
}

impl Elf {
    /// Reads the headers; `None` when the file is no executable for this processor.
    pub(crate) fn read(file: &File) -> io::Result<Option<Self>> {
        let mut header = [0; HEADER];
        match file.read_exact_at(&mut header, 0) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let fits = header.starts_with(&IDENTITY) && half(&header, 16) == EXECUTABLE && half(&header, 18) == X86_64;
        let count = usize::from(half(&header, PHNUM_AT));
        if !fits || usize::from(half(&header, 54)) != ENTRY || count > MOST_SEGMENTS {
            return Ok(None);
        }
        let mut table = vec![0; count * ENTRY];
        file.read_exact_at(&mut table, long(&header, 32))?;
        let segments = table.chunks_exact(ENTRY).map(segment).collect();
        let sections = u64::from(half(&header, 60)) * SECTION;
        Ok(Some(Self { entry: long(&header, 24), segments, end: long(&header, 40).saturating_add(sections) }))
    }

    /// Writes headers with these segments and no sections over the file's start.
    pub(crate) fn write(&self, file: &File) -> io::Result<()> {
        let count = u16::try_from(self.segments.len()).map_err(io::Error::other)?;
        let mut bytes = vec![0; HEADER];
        bytes[..IDENTITY.len()].copy_from_slice(&IDENTITY);
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(16, &EXECUTABLE.to_le_bytes());
        put(18, &X86_64.to_le_bytes());
        put(20, &1_u32.to_le_bytes());
        put(24, &self.entry.to_le_bytes());
        put(32, &(HEADER as u64).to_le_bytes());
        put(52, &(HEADER as u16).to_le_bytes());
        put(54, &(ENTRY as u16).to_le_bytes());
        put(PHNUM_AT, &count.to_le_bytes());
        for segment in &self.segments {
            bytes.extend(segment.kind.to_le_bytes());
            bytes.extend(7_u32.to_le_bytes());
            let Segment { offset, virtual_address, physical_address, file_size, memory_size, .. } = *segment;
            let longs = [offset, virtual_address, physical_address, file_size, memory_size, crate::PAGE as u64];
            bytes.extend(longs.iter().flat_map(|long| long.to_le_bytes()));
        }
        file.write_all_at(&bytes, 0)
    }
}

fn segment(bytes: &[u8]) -> Segment {
    Segment {
        kind: u32::from(half(bytes, 0)) | u32::from(half(bytes, 2)) << 16,
        offset: long(bytes, 8),
        virtual_address: long(bytes, 16),
        physical_address: long(bytes, 24),
        file_size: long(bytes, 32),
        memory_size: long(bytes, 40),
    }
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn long(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + 8].iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}
