//! What the guest does with its disks: names and checks them, counts its boots on the first, and reads a config drive.

mod iso9660;
mod pattern;

pub use pattern::{fill, find_damage, stamp};

use crate::net::Host;
use crate::say;
use crate::virtio::blk::{Disk, Error, SECTOR};
use alloc::vec;
use alloc::vec::Vec;

/// Bytes from a disk's start that its check covers.
pub const CHECKED: u64 = 1 << 20;
const MAGIC: &[u8; 8] = b"HUMILIS\0";
const CONFIG_LABEL: &str = "config-2";
const META_DATA: [&str; 3] = ["openstack", "latest", "meta_data.json"];

/// The name that Linux would give a disk.
pub fn name(index: usize) -> alloc::string::String {
    alloc::format!("vd{}", (b'a' + (index % 26) as u8) as char)
}

/// Says what the disks are, counts this boot, and learns from a config drive.
pub fn survey(disks: &mut [Disk], host: &mut Host) {
    for (index, disk) in disks.iter_mut().enumerate() {
        let (name, bytes, serial) = (name(index), disk.sectors() * SECTOR as u64, disk.serial());
        let access = if disk.is_read_only() { "ro" } else { "rw" };
        match checksum(disk, 0, CHECKED) {
            Ok(crc) => say!("disk {name} {bytes} bytes {access} serial \"{serial}\" crc32 {crc:08x}"),
            Err(error) => say!("disk {name} {bytes} bytes {access} serial \"{serial}\" unreadable {error:?}"),
        }
    }
    if let Some(disk) = disks.first_mut() {
        match count_boot(disk) {
            Ok(Some(boots)) => say!("disk vda boots {boots}"),
            Ok(None) => {}
            Err(error) => say!("disk vda boots unknown {error:?}"),
        }
    }
    for (index, disk) in disks.iter_mut().enumerate() {
        read_config_drive(index, disk, host);
    }
}

/// The CRC-32 (that of zip and cksum's `crc32b`) of a range, cut at the disk's end; a part of a sector is left out.
pub fn checksum(disk: &mut Disk, start: u64, length: u64) -> Result<u32, Error> {
    const CHUNK: u64 = 256 << 10;
    let sector = SECTOR as u64;
    let (mut at, end) = (start / sector, ((start + length) / sector).min(disk.sectors()));
    let mut buffer = vec![0; CHUNK as usize];
    let mut crc = Crc32::new();
    while at < end {
        let count = (end - at).min(CHUNK / sector);
        let part = &mut buffer[..count as usize * SECTOR];
        disk.read(at, part)?;
        crc.add(part);
        at += count;
    }
    Ok(crc.finish())
}

/// Counts this boot in the last sector; a sector that holds something else is left alone.
fn count_boot(disk: &mut Disk) -> Result<Option<u64>, Error> {
    let mut sector = vec![0_u8; SECTOR];
    if disk.is_read_only() || disk.sectors() == 0 {
        return Ok(None);
    }
    let last = disk.sectors() - 1;
    disk.read(last, &mut sector)?;
    let is_empty = sector.iter().all(|byte| *byte == 0);
    if !is_empty && sector[..8] != *MAGIC {
        return Ok(None);
    }
    let boots = sector[8..16].iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)) + 1;
    sector[..8].copy_from_slice(MAGIC);
    sector[8..16].copy_from_slice(&boots.to_le_bytes());
    disk.write(last, &sector)?;
    disk.flush()?;
    Ok(Some(boots))
}

fn read_config_drive(index: usize, disk: &mut Disk, host: &mut Host) {
    let Some(volume) = iso9660::Volume::open(disk).filter(|volume| volume.label.eq_ignore_ascii_case(CONFIG_LABEL))
    else {
        return;
    };
    let name = name(index);
    match volume.read(disk, &META_DATA) {
        Some(document) if host.learn(&document) => say!("config drive {name} {host}"),
        Some(_) => say!("config drive {name} has no valid meta_data.json"),
        None => say!("config drive {name} has no meta_data.json"),
    }
}

/// CRC-32 by a table of 256 entries.
struct Crc32 {
    table: Vec<u32>,
    state: u32,
}

impl Crc32 {
    fn new() -> Self {
        const POLYNOMIAL: u32 = 0xedb8_8320;
        let step = |value: u32, _| {
            if value & 1 != 0 { POLYNOMIAL ^ (value >> 1) } else { value >> 1 }
        };
        Self { table: (0..256).map(|byte| (0..8).fold(byte, step)).collect(), state: !0 }
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.state = self.table[(self.state as u8 ^ byte) as usize] ^ (self.state >> 8);
        }
    }

    fn finish(self) -> u32 {
        !self.state
    }
}
