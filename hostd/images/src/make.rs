//! From an image's bytes to what guests' disks refer to.

use crate::{
    Image, ImageError,
    cache::files::{original_path, raw_path},
    fetch::blocking,
};
use std::{
    fs::{self, File},
    io,
    path::Path,
};

/// The largest disk that an image may hold.
const LARGEST_DISK: u64 = 64 << 40;

/// Makes the file at `path` of the bytes as uploaded, which lie beside it: the same file where they are a disk's, else the disk in them.
pub async fn make(image: &Image, path: &Path) -> Result<(), ImageError> {
    let (from, to, raw, qcow2) = (original_path(path), path.to_owned(), raw_path(path), image.qcow2);
    let made = blocking(move || if qcow2 { unpack(&from, &raw, &to) } else { name(&from, &to) });
    made.await.map_err(|error| ImageError::io(image, error))
}

fn name(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            tracing::debug!(error = &error as &dyn std::error::Error, "an image has one name: it cannot be shared");
            fs::rename(from, to)
        }
        _ => Ok(()),
    }
}

/// Writes the disk of a qcow2 image raw and sparse. The name is given when it is whole.
fn unpack(from: &Path, raw: &Path, to: &Path) -> io::Result<()> {
    let made = File::create(raw).and_then(|target| convert(from, &target)).and_then(|()| fs::rename(raw, to));
    if made.is_err() {
        // Made anew by the next attempt, or evicted.
        let _ = fs::remove_file(raw);
    }
    made
}

fn convert(from: &Path, target: &File) -> io::Result<()> {
    let done = vmm_disk::convert::convert_to_raw(File::open(from)?, target, LARGEST_DISK, |_| {});
    done.map(drop).map_err(|error| match error {
        vmm_disk::ImageError::NoSpace => io::ErrorKind::StorageFull.into(),
        vmm_disk::ImageError::Io(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    })
}
