//! From an uploaded image to the raw form in which images are kept.

use crate::image::{Format, ImageError};
use crate::qcow2::Qcow2;
use crate::{DiskError, DiskIo, inspect};
use std::fs::File;
use std::os::unix::fs::FileExt;

const PART: usize = 64 * 1024;
/// Runs of zeroes of this length become holes.
const BLOCK: usize = 4096;

/// Writes the disk of a qcow2 image that stands alone to an empty file, sparse, and returns its size in bytes. `progress` is
/// told how many bytes of the disk are done.
///
/// # Errors
/// When the image is broken, refers to another file, has a disk of more than `limit` bytes, or the target cannot be written.
pub fn convert_to_raw(
    source: File,
    target: &File,
    limit: u64,
    mut progress: impl FnMut(u64),
) -> Result<u64, ImageError> {
    let info = inspect(&source, Format::Qcow2)?;
    if let Some(name) = info.backing_file {
        return Err(ImageError::HasBackingFile { name });
    }
    if info.virtual_size > limit {
        return Err(ImageError::TooLarge { size: info.virtual_size });
    }
    let mut image = Qcow2::open(source, None, true)?;
    let length = image.len();
    target.set_len(length)?;
    let mut buffer = vec![0; PART];
    let mut offset = 0;
    while let Some((start, available)) = image.next_data(offset)? {
        let part = &mut buffer[..available.min(PART as u64) as usize];
        image.read_at(start, part)?;
        write_sparse(target, part, start)?;
        offset = start + part.len() as u64;
        progress(offset);
    }
    target.sync_data()?;
    progress(length);
    Ok(length)
}

fn write_sparse(target: &File, data: &[u8], offset: u64) -> Result<(), DiskError> {
    for (number, block) in data.chunks(BLOCK).enumerate() {
        if block.iter().any(|byte| *byte != 0) {
            target.write_all_at(block, offset + (number * BLOCK) as u64)?;
        }
    }
    Ok(())
}
