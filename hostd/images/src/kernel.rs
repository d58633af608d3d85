//! Kernels for direct starts: unpacked once on the host instead of by every guest.

use crate::Digest;
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// The name of what is made of the kernel image at `path`.
pub fn kernel_path(path: &Path) -> PathBuf {
    path.with_extension("kernel")
}

/// The prepared kernel, made if it is not there; the image itself where it cannot be made.
pub async fn prepared(digest: Digest, image: &Path) -> PathBuf {
    let (from, to) = (image.to_owned(), kernel_path(image));
    if to.exists() {
        return to;
    }
    let made = tokio::task::spawn_blocking({
        let to = to.clone();
        move || make(&from, &to)
    });
    match made.await.map_err(io::Error::other).flatten() {
        Ok(true) => to,
        Ok(false) => image.to_owned(),
        Err(error) => {
            tracing::warn!(image = %digest, %error, "a kernel cannot be prepared: its guests unpack it themselves");
            image.to_owned()
        }
    }
}

/// Prepares the kernel in `from`. The name is given when the file is whole and on the disk.
fn make(from: &Path, to: &Path) -> io::Result<bool> {
    let part = to.with_extension("kernel.part");
    let file = File::options().read(true).write(true).create(true).truncate(true).open(&part)?;
    let made = vmm_kernel::prepare(&File::open(from)?, &file).map_err(io::Error::other).and_then(|made| {
        if made {
            file.sync_all()?;
            fs::rename(&part, to)?;
        }
        Ok(made)
    });
    if !matches!(made, Ok(true)) {
        fs::remove_file(&part)?;
    }
    made
}
