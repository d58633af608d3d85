//! Root disks.

use crate::{BlockError, Disk, Format, Layer, error::at, extra::make};
use hostd_kit::durable;
use std::{fs::File, io, path::Path};
use vmm_disk::{ImageError, qcow2::create::create_overlay};

/// The cached image that a root disk is a child of: raw bytes.
#[derive(Clone, Copy, Debug)]
pub struct ImageFile<'a> {
    /// The file.
    pub path: &'a Path,
    /// Its length.
    pub size: u64,
}

/// Opens or makes the root disk in `dir`. `size` 0 means the image's.
///
/// # Errors
/// See [`BlockError`].
pub fn root(dir: &Path, image: Option<ImageFile<'_>>, size: u64) -> Result<Disk, BlockError> {
    let (raw, overlay) = (dir.join("root.raw"), dir.join("root.qcow2"));
    let Some(image) = image else {
        return make(&raw, |file| file.set_len(size)).map(Disk::raw);
    };
    let size = if size == 0 { image.size } else { size };
    if size < image.size {
        return Err(BlockError::Smaller { size, image: image.size });
    }
    let base = File::open(image.path).map_err(at("open", image.path))?;
    if raw.exists() {
        return make(&raw, |_| Ok(())).map(Disk::raw);
    }
    if !overlay.exists()
        && let Some(disk) = reflink(&raw, &base, size)?
    {
        return Ok(disk);
    }
    let file = make(&overlay, |file| create_overlay(file, size).map_err(refused))?;
    let overlay = Layer { file, format: Format::Qcow2 };
    Ok(Disk { layers: vec![overlay, Layer { file: base, format: Format::Raw }] })
}

/// Makes the root disk in `dir` survive the loss of power. For a background task: the guest need not wait for it.
///
/// # Errors
/// Those of the file system.
pub fn sync(dir: &Path) -> io::Result<()> {
    for name in ["root.raw", "root.qcow2"] {
        match File::open(dir.join(name)) {
            Ok(file) => file.sync_all()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    durable::sync_dir(dir)
}

/// Clones the image where the file system can share its blocks; `None` where it cannot.
fn reflink(path: &Path, base: &File, size: u64) -> Result<Option<Disk>, BlockError> {
    let cloned = make(path, |file| {
        rustix::fs::ioctl_ficlone(&*file, base)?;
        file.set_len(size)
    });
    match cloned {
        Ok(file) => Ok(Some(Disk::raw(file))),
        Err(BlockError::File { source, .. }) if cannot_share(&source) => Ok(None),
        Err(error) => Err(error),
    }
}

fn refused(error: ImageError) -> io::Error {
    match error {
        ImageError::NoSpace => io::ErrorKind::StorageFull.into(),
        ImageError::Io(error) => error,
        other => io::Error::other(other),
    }
}

/// EOPNOTSUPP: no reflinks here; EXDEV: another file system; EINVAL, ENOTTY: the file system has other reasons.
fn cannot_share(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EXDEV | libc::EINVAL | libc::ENOTTY))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    fn image(dir: &Path) -> std::path::PathBuf {
        let path = dir.join("image");
        std::fs::write(&path, vec![7; 4096]).unwrap();
        path
    }

    #[test]
    fn a_child_of_an_image_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = image(dir.path());
        let base = ImageFile { path: &path, size: 4096 };
        let disk = root(dir.path(), Some(base), 1 << 20).unwrap();
        let formats: Vec<_> = disk.layers.iter().map(|layer| layer.format).collect();
        // Without reflinks an overlay over the image, with them one file.
        assert!(formats == [Format::Qcow2, Format::Raw] || formats == [Format::Raw], "{formats:?}");
        disk.layers[0].file.write_all_at(b"mark", 4000).unwrap();
        let again = root(dir.path(), Some(base), 1 << 20).unwrap();
        let mut bytes = [0; 4];
        again.layers[0].file.read_exact_at(&mut bytes, 4000).unwrap();
        assert_eq!(&bytes, b"mark");
        assert_eq!(std::fs::read(&path).unwrap(), vec![7; 4096]);
    }

    #[test]
    fn no_disk_is_smaller_than_its_image() {
        let dir = tempfile::tempdir().unwrap();
        let path = image(dir.path());
        let error = root(dir.path(), Some(ImageFile { path: &path, size: 4096 }), 1024).unwrap_err();
        assert!(matches!(error, BlockError::Smaller { .. }));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_empty_disk_is_sparse() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().unwrap();
        let disk = root(dir.path(), None, 1 << 30).unwrap();
        let found = disk.layers[0].file.metadata().unwrap();
        assert_eq!((found.len(), found.blocks()), (1 << 30, 0));
    }
}
