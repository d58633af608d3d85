//! Ephemeral and swap disks: raw, sparse, empty but for what makes them usable at once.

use crate::{BlockError, Disk, error::at};
use hostd_kit::{durable, undo::Undo};
use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
};

/// Pages of a swap area; mkswap's default on x86-64.
const PAGE: u64 = 4096;

/// Opens or makes the ephemeral disk in `dir`: `size` zero bytes, for the guest to format.
///
/// # Errors
/// Those of the file system.
pub fn ephemeral(dir: &Path, size: u64) -> Result<Disk, BlockError> {
    make(&dir.join("ephemeral.raw"), |file| file.set_len(size)).map(Disk::raw)
}

/// Opens or makes the swap disk in `dir`, a version 1 swap area over all of it.
///
/// # Errors
/// Those of the file system.
pub fn swap(dir: &Path, size: u64) -> Result<Disk, BlockError> {
    make(&dir.join("swap.raw"), |file| {
        file.set_len(size)?;
        file.write_all_at(&swap_header(size), 1024)?;
        file.write_all_at(b"SWAPSPACE2", PAGE - 10)
    })
    .map(Disk::raw)
}

/// `union swap_header` of the kernel's include/linux/swap.h, from byte 1024 on: version, last page, number of bad pages.
fn swap_header(size: u64) -> [u8; 12] {
    let last_page = u32::try_from((size / PAGE).saturating_sub(1)).unwrap_or(u32::MAX);
    let mut header = [0; 12];
    header[..4].copy_from_slice(&1_u32.to_le_bytes());
    header[4..8].copy_from_slice(&last_page.to_le_bytes());
    header
}

/// Opens the file at `path` for reading and writing, or makes it by `fill` under a temporary name.
pub(crate) fn make(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> Result<File, BlockError> {
    match OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => return other.map_err(at("open", path)),
    }
    let temporary = durable::temporary(path);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&temporary).map_err(at("create", path))?;
    let mut undo = Undo::new();
    let unfinished = temporary.clone();
    // What stays is a name that the next attempt takes over.
    undo.push(move || drop(durable::remove(&unfinished)));
    fill(&mut file).map_err(at("fill", path))?;
    std::fs::rename(&temporary, path).map_err(at("name", path))?;
    undo.keep();
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ephemeral_disk_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let disk = ephemeral(dir.path(), 1 << 20).unwrap();
        disk.layers[0].file.write_all_at(b"data", 0).unwrap();
        let again = ephemeral(dir.path(), 1 << 20).unwrap();
        let mut bytes = [0; 4];
        again.layers[0].file.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"data");
    }

    #[test]
    fn a_disk_that_cannot_be_filled_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let error = make(&dir.path().join("disk"), |_| Err(io::ErrorKind::StorageFull.into())).unwrap_err();
        assert!(matches!(error, BlockError::NoSpace(_)), "{error}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_swap_disk_is_one_that_the_kernel_knows() {
        let dir = tempfile::tempdir().unwrap();
        let disk = swap(dir.path(), 1 << 20).unwrap();
        let mut page = [0; 4096];
        disk.layers[0].file.read_exact_at(&mut page, 0).unwrap();
        assert_eq!(&page[4086..], b"SWAPSPACE2");
        assert_eq!(page[1024..1032], [1, 0, 0, 0, 255, 0, 0, 0]);
    }
}
