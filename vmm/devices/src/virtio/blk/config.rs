//! What a disk offers: feature bits and `struct virtio_blk_config`.

use super::QUEUE_SIZE;
use virtio_bindings::virtio_blk::{
    VIRTIO_BLK_F_BLK_SIZE, VIRTIO_BLK_F_DISCARD, VIRTIO_BLK_F_FLUSH, VIRTIO_BLK_F_RO, VIRTIO_BLK_F_SEG_MAX,
    VIRTIO_BLK_F_TOPOLOGY, VIRTIO_BLK_F_WRITE_ZEROES,
};
use vmm_disk::DiskIo;

pub(super) const SECTOR: u64 = 512;
pub(super) const SIZE: usize = 60;
/// Ranges in one discard or write-zeroes request.
pub(super) const MAX_RANGES: u32 = 16;
/// Sectors in one such range: 1 GiB, so that one request does not hold the disk for long.
pub(super) const MAX_RANGE_SECTORS: u32 = 1 << 21;

/// The driver can ask for a flush; without it each write is flushed.
pub(super) const FLUSH: u64 = 1 << VIRTIO_BLK_F_FLUSH;

pub(super) fn features(disk: &dyn DiskIo) -> u64 {
    let common = 1 << VIRTIO_BLK_F_SEG_MAX | 1 << VIRTIO_BLK_F_BLK_SIZE | 1 << VIRTIO_BLK_F_TOPOLOGY | FLUSH;
    let rest = match disk.read_only() {
        true => 1 << VIRTIO_BLK_F_RO,
        false => 1 << VIRTIO_BLK_F_DISCARD | 1 << VIRTIO_BLK_F_WRITE_ZEROES,
    };
    common | rest
}

pub(super) fn structure(disk: &dyn DiskIo) -> [u8; SIZE] {
    let mut config = [0; SIZE];
    let mut put = |at: usize, bytes: &[u8]| config[at..at + bytes.len()].copy_from_slice(bytes);
    let granularity = disk.discard_granularity().max(4096);
    put(0, &(disk.len() / SECTOR).to_le_bytes());
    put(12, &u32::from(QUEUE_SIZE - 2).to_le_bytes());
    put(20, &(SECTOR as u32).to_le_bytes());
    // Physical blocks of 2^3 sectors, aligned, and at least that much per access.
    put(24, &[3, 0]);
    put(26, &8_u16.to_le_bytes());
    put(28, &(granularity / SECTOR as u32).to_le_bytes());
    put(34, &1_u16.to_le_bytes());
    put(36, &MAX_RANGE_SECTORS.to_le_bytes());
    put(40, &MAX_RANGES.to_le_bytes());
    put(44, &(granularity / SECTOR as u32).to_le_bytes());
    put(48, &MAX_RANGE_SECTORS.to_le_bytes());
    put(52, &MAX_RANGES.to_le_bytes());
    put(56, &[1]);
    config
}
