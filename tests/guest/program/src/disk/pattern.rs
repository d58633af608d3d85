//! Contents that a test writes and recognises: one byte all over, or stamps that name their place.

use crate::virtio::blk::{Disk, Error, SECTOR};
use alloc::vec;

const CHUNK: u64 = 128 << 10;

/// Writes one byte all over a range of whole sectors.
pub fn fill(disk: &mut Disk, start: u64, length: u64, byte: u8) -> Result<(), Error> {
    let buffer = vec![byte; CHUNK as usize];
    chunks(start, length).try_for_each(|(at, part)| disk.write(at / SECTOR as u64, &buffer[..part]))
}

/// Writes to each eight bytes of a range a number that follows from their place and the seed.
pub fn stamp(disk: &mut Disk, start: u64, length: u64, seed: u64) -> Result<(), Error> {
    let mut buffer = vec![0; CHUNK as usize];
    chunks(start, length).try_for_each(|(at, part)| {
        for (index, word) in buffer[..part].chunks_exact_mut(8).enumerate() {
            word.copy_from_slice(&stamp_at(at + 8 * index as u64, seed).to_le_bytes());
        }
        disk.write(at / SECTOR as u64, &buffer[..part])
    })
}

/// The first place in a range that does not hold its stamp.
pub fn find_damage(disk: &mut Disk, start: u64, length: u64, seed: u64) -> Result<Option<u64>, Error> {
    let mut buffer = vec![0; CHUNK as usize];
    for (at, part) in chunks(start, length) {
        disk.read(at / SECTOR as u64, &mut buffer[..part])?;
        let places = (at..).step_by(8).zip(buffer[..part].chunks_exact(8));
        for (place, word) in places {
            if word != stamp_at(place, seed).to_le_bytes() {
                return Ok(Some(place));
            }
        }
    }
    Ok(None)
}

fn stamp_at(place: u64, seed: u64) -> u64 {
    (place ^ seed.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Places and lengths of the pieces of a range.
fn chunks(start: u64, length: u64) -> impl Iterator<Item = (u64, usize)> {
    let end = start + length;
    (start..end).step_by(CHUNK as usize).map(move |at| (at, (end - at).min(CHUNK) as usize))
}
