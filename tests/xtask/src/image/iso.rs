//! The installer as a CD: an empty file system (ECMA-119) and the boot catalog (the El Torito specification, 1.0; UEFI 2.10, 13.3.2)
//! that leads firmware to the EFI system partition. They lie where the partition table leaves room before that partition, so the same
//! bytes are a stick and a CD.

use anyhow::{Context as _, Result, ensure};
use std::{fs, os::unix::fs::FileExt as _, path::Path};

/// Bytes of a CD's sector.
const SECTOR: usize = 2048;
/// Where the EFI system partition begins, bytes.
const PARTITION: usize = 1 << 20;
/// The last bytes of its first sector of 512, as every FAT file system has them.
const FAT: [u8; 2] = [0x55, 0xaa];
/// Sectors before the first descriptor belong to whoever started the machine before there were CDs.
const FIRST: usize = 16;
/// The sectors from there on.
const VOLUME: usize = 0;
const BOOT: usize = 1;
const END: usize = 2;
const CATALOG: usize = 3;
const PATHS: [usize; 2] = [4, 5];
const ROOT: usize = 6;
const SECTORS: usize = 7;
const _: () = assert!((FIRST + SECTORS) * SECTOR <= PARTITION);
/// Bytes of the table that names each folder.
const PATH_BYTES: u32 = 10;
/// 1 January 2026, every file's time, in both forms.
const TIME: [u8; 7] = [126, 1, 1, 0, 0, 0, 0];
const TIME_IN_DIGITS: &[u8] = b"2026010100000000";

/// Makes a CD of a disk, too.
pub fn describe(disk: &Path) -> Result<()> {
    let file = fs::OpenOptions::new().read(true).write(true).open(disk).context("cannot open the installer")?;
    let (mut mark, length) = ([0; 2], usize::try_from(file.metadata()?.len())?);
    file.read_exact_at(&mut mark, (PARTITION + 510) as u64)?;
    ensure!(mark == FAT && length.is_multiple_of(SECTOR), "the installer's first partition is not where a CD has it");
    file.write_all_at(&sectors(u32::try_from(length / SECTOR)?), (FIRST * SECTOR) as u64)?;
    Ok(())
}

fn sectors(all: u32) -> Vec<u8> {
    let mut sectors = vec![0; SECTORS * SECTOR];
    let mut put = |sector: usize, at: usize, bytes: &[u8]| {
        let at = sector * SECTOR + at;
        sectors[at..at + bytes.len()].copy_from_slice(bytes);
    };
    for (sector, kind) in [(VOLUME, 1), (BOOT, 0), (END, 255)] {
        put(sector, 0, &[kind]);
        put(sector, 1, b"CD001\x01");
    }
    // Names, of the system (8), the volume (40), its set and makers (190) and files about it (702): spaces where there is none.
    for (from, to) in [(8, 72), (190, 813)] {
        put(VOLUME, from, &vec![b' '; to - from]);
    }
    put(VOLUME, 40, b"HUMILIS_INSTALL");
    put(VOLUME, 80, &both(all));
    for (at, number) in [(120, 1_u16), (124, 1), (128, SECTOR as u16)] {
        put(VOLUME, at, &[number.to_le_bytes(), number.to_be_bytes()].concat());
    }
    put(VOLUME, 132, &both(PATH_BYTES));
    put(VOLUME, 140, &place(PATHS[0]).to_le_bytes());
    put(VOLUME, 148, &place(PATHS[1]).to_be_bytes());
    put(VOLUME, 156, &folder(0));
    for at in [813, 830] {
        put(VOLUME, at, TIME_IN_DIGITS);
    }
    for at in [847, 864] {
        put(VOLUME, at, &[b'0'; 16]);
    }
    put(VOLUME, 881, &[1]);
    put(BOOT, 7, b"EL TORITO SPECIFICATION");
    put(BOOT, 71, &place(CATALOG).to_le_bytes());
    put(CATALOG, 0, &catalog());
    put(PATHS[0], 0, &[&[1, 0][..], &place(ROOT).to_le_bytes(), &[1, 0]].concat());
    put(PATHS[1], 0, &[&[1, 0][..], &place(ROOT).to_be_bytes(), &[0, 1]].concat());
    // Itself, and what is above it.
    put(ROOT, 0, &folder(0));
    put(ROOT, 34, &folder(1));
    sectors
}

/// Where a sector is on the CD.
fn place(sector: usize) -> u32 {
    (FIRST + sector) as u32
}

/// A number in both orders.
fn both(number: u32) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// The root folder's record, by one of the names that it has in itself.
fn folder(name: u8) -> [u8; 34] {
    let mut record = [0; 34];
    record[0] = 34;
    record[2..10].copy_from_slice(&both(place(ROOT)));
    record[10..18].copy_from_slice(&both(SECTOR as u32));
    record[18..25].copy_from_slice(&TIME);
    record[25] = 2;
    record[28..32].copy_from_slice(&[1, 0, 0, 1]);
    record[32..].copy_from_slice(&[1, name]);
    record
}

/// One entry, for UEFI: no emulation of another drive, from the partition to the end (a length of 0, since 16 bits do not hold it).
fn catalog() -> [u8; 64] {
    let mut catalog = [0; 64];
    catalog[..2].copy_from_slice(&[1, 0xef]);
    catalog[30..32].copy_from_slice(&FAT);
    let sum = words(&catalog[..32]).fold(0, u16::wrapping_add);
    catalog[28..30].copy_from_slice(&sum.wrapping_neg().to_le_bytes());
    catalog[32] = 0x88;
    catalog[40..44].copy_from_slice(&((PARTITION / SECTOR) as u32).to_le_bytes());
    catalog
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u16> + '_ {
    bytes.as_chunks().0.iter().map(|word| u16::from_le_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalog_leads_to_the_partition() {
        let sectors = sectors(65536);
        let boot = &sectors[BOOT * SECTOR..];
        assert_eq!(&boot[..30], b"\0CD001\x01EL TORITO SPECIFICATION");
        let at = u32::from_le_bytes(boot[71..75].try_into().unwrap()) as usize - FIRST;
        let catalog = &sectors[at * SECTOR..][..64];
        assert_eq!(words(&catalog[..32]).fold(0, u16::wrapping_add), 0);
        assert_eq!(catalog[32], 0x88);
        assert_eq!(catalog[40..44], 512_u32.to_le_bytes());
    }
}
