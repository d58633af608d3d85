//! What can go wrong with a disk.

use std::{
    io,
    path::{Path, PathBuf},
};

/// What can go wrong with a disk.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// The disk under the guests is full.
    #[error("no space left for {}", name(.0))]
    NoSpace(PathBuf),
    /// The root disk would be smaller than its image.
    #[error("the root disk of {size} bytes is smaller than its image of {image} bytes")]
    Smaller {
        /// Asked for.
        size: u64,
        /// The image's.
        image: u64,
    },
    /// A file cannot be used.
    #[error("cannot {action} {}", name(.path))]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}

/// The part of a path that may be told to a tenant.
fn name(path: &Path) -> std::borrow::Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}

/// For `map_err`: what was tried on which file.
pub(crate) fn at<E: Into<io::Error>>(action: &'static str, path: &Path) -> impl FnOnce(E) -> BlockError {
    let path = path.to_owned();
    move |source| {
        let source = source.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => BlockError::NoSpace(path),
            _ => BlockError::File { action, path, source },
        }
    }
}
