//! Just enough ISO 9660 (ECMA-119) to read one file: the primary descriptor or Joliet's, with Rock Ridge names where there are any.

use crate::virtio::blk::{Disk, SECTOR};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

const BLOCK: u64 = 2048;
const FIRST_DESCRIPTOR: u64 = 16;
const PRIMARY: u8 = 1;
const SUPPLEMENTARY: u8 = 2;
const LONGEST_FILE: u32 = 1 << 20;

/// A place on the volume: first block and length in bytes.
#[derive(Clone, Copy)]
struct Extent {
    block: u32,
    length: u32,
}

struct Entry {
    name: String,
    extent: Extent,
}

/// A volume.
pub struct Volume {
    /// Its label, without the spaces at its end.
    pub label: String,
    root: Extent,
    joliet: bool,
}

impl Volume {
    /// Finds the descriptors. Joliet's names are preferred: they keep case and length.
    pub fn open(disk: &mut Disk) -> Option<Self> {
        const MOST: u64 = 8;
        let mut found: Option<Self> = None;
        for at in FIRST_DESCRIPTOR..FIRST_DESCRIPTOR + MOST {
            let block = read(disk, Extent { block: at as u32, length: BLOCK as u32 })?;
            if block.get(1..6)? != b"CD001" {
                break;
            }
            let root = entry_extent(&block[156..190]);
            match block[0] {
                PRIMARY => {
                    let label = String::from_utf8_lossy(&block[40..72]).trim_end().into();
                    found = Some(Self { label, root, joliet: false });
                }
                SUPPLEMENTARY if block[88..90] == *b"%/" => {
                    let label = found?.label;
                    found = Some(Self { label, root, joliet: true });
                }
                _ => {}
            }
        }
        found
    }

    /// The bytes of a file by its path.
    pub fn read(&self, disk: &mut Disk, path: &[&str]) -> Option<Vec<u8>> {
        let mut extent = self.root;
        for part in path {
            let directory = read(disk, extent)?;
            let found = self.entries(&directory).into_iter().find(|entry| same_name(&entry.name, part))?;
            extent = found.extent;
        }
        read(disk, extent)
    }

    fn entries(&self, directory: &[u8]) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut at = 0;
        while at + 34 <= directory.len() {
            let length = usize::from(directory[at]);
            if length < 34 {
                at = (at / BLOCK as usize + 1) * BLOCK as usize;
                continue;
            }
            if let Some(record) = directory.get(at..at + length) {
                entries.extend(self.name(record).map(|name| Entry { name, extent: entry_extent(record) }));
            }
            at += length;
        }
        entries
    }

    fn name(&self, record: &[u8]) -> Option<String> {
        let length = usize::from(record[32]);
        let raw = record.get(33..33 + length)?;
        if self.joliet {
            let units = raw.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            return Some(char::decode_utf16(units).filter_map(Result::ok).collect());
        }
        let extensions = record.get((33 + length).next_multiple_of(2)..).unwrap_or(&[]);
        Some(rock_ridge_name(extensions).unwrap_or_else(|| String::from_utf8_lossy(raw).into_owned()))
    }
}

/// The name in an `NM` entry of the system use area.
fn rock_ridge_name(mut area: &[u8]) -> Option<String> {
    while area.len() >= 5 {
        let length = usize::from(area[2]);
        if length < 4 || length > area.len() {
            return None;
        }
        if area[..2] == *b"NM" {
            return Some(String::from_utf8_lossy(area.get(5..length)?).into_owned());
        }
        area = &area[length..];
    }
    None
}

/// Whether a recorded name is this one: case and version do not count.
fn same_name(recorded: &str, wanted: &str) -> bool {
    let plain = recorded.split(';').next().unwrap_or("").trim_end_matches('.');
    plain.eq_ignore_ascii_case(wanted)
}

fn entry_extent(record: &[u8]) -> Extent {
    let number = |at: usize| u32::from_le_bytes([record[at], record[at + 1], record[at + 2], record[at + 3]]);
    Extent { block: number(2), length: number(10) }
}

fn read(disk: &mut Disk, extent: Extent) -> Option<Vec<u8>> {
    let length = extent.length.min(LONGEST_FILE) as usize;
    let mut bytes = vec![0; length.next_multiple_of(SECTOR)];
    let sector = u64::from(extent.block) * (BLOCK / SECTOR as u64);
    if bytes.is_empty() || sector + (bytes.len() / SECTOR) as u64 > disk.sectors() {
        return None;
    }
    disk.read(sector, &mut bytes).ok()?;
    bytes.truncate(length);
    Some(bytes)
}
