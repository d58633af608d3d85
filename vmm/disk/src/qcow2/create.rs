//! New, empty images.

use super::header::{MAGIC, MAX_SIZE};
use super::storage::Storage;
use crate::image::ImageError;
use std::fs::File;

const CLUSTER_BITS: u32 = 16;
const CLUSTER: u64 = 1 << CLUSTER_BITS;
const HEADER_LENGTH: u32 = 112;
const REFCOUNT_TABLE: u64 = CLUSTER;
const REFCOUNT_BLOCK: u64 = 2 * CLUSTER;
const L1_TABLE: u64 = 3 * CLUSTER;

/// Makes an empty file an overlay of `virtual_size` bytes, which names no backing file: who opens it says what backs it.
///
/// # Errors
/// When the size is none or too large, or the file cannot be written.
pub fn create_overlay(file: &mut File, virtual_size: u64) -> Result<(), ImageError> {
    create(file, virtual_size)
}

/// [`create_overlay`] on any storage.
pub(crate) fn create(file: &mut impl Storage, virtual_size: u64) -> Result<(), ImageError> {
    if virtual_size == 0 || virtual_size > MAX_SIZE {
        return Err(ImageError::TooLarge { size: virtual_size });
    }
    if file.length()? != 0 {
        return Err(ImageError::Corrupt { what: "file for a new image is not empty" });
    }
    let l1_entries = virtual_size.div_ceil(CLUSTER * (CLUSTER / 8));
    let l1_clusters = (l1_entries * 8).div_ceil(CLUSTER);
    file.extend(L1_TABLE + l1_clusters * CLUSTER)?;
    let refcounts: Vec<u8> = (0..3 + l1_clusters).flat_map(|_| 1_u16.to_be_bytes()).collect();
    file.write(&refcounts, REFCOUNT_BLOCK)?;
    file.write(&REFCOUNT_BLOCK.to_be_bytes(), REFCOUNT_TABLE)?;
    // The header comes last: a file that was not finished is no image.
    file.write(&header(virtual_size, l1_entries as u32), 0)?;
    file.sync()?;
    Ok(())
}

fn header(virtual_size: u64, l1_entries: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_LENGTH as usize);
    bytes.extend(MAGIC.to_be_bytes());
    bytes.extend(3_u32.to_be_bytes());
    // Backing file: none.
    bytes.extend([0; 12]);
    bytes.extend(CLUSTER_BITS.to_be_bytes());
    bytes.extend(virtual_size.to_be_bytes());
    // Encryption: none.
    bytes.extend([0; 4]);
    bytes.extend(l1_entries.to_be_bytes());
    bytes.extend(L1_TABLE.to_be_bytes());
    bytes.extend(REFCOUNT_TABLE.to_be_bytes());
    bytes.extend(1_u32.to_be_bytes());
    // Snapshots, and the three sets of feature bits: none.
    bytes.extend([0; 12 + 24]);
    // Refcounts of 2^4 bits.
    bytes.extend(4_u32.to_be_bytes());
    bytes.extend(HEADER_LENGTH.to_be_bytes());
    bytes.resize(HEADER_LENGTH as usize, 0);
    bytes
}
