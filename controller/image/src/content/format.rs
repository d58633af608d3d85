//! Are the bytes what the image's format says? Nothing inside them is followed.

use std::{fs::File, io, path::Path};
use vmm_disk::{Format, ImageError, Probe, inspect, probe};

/// The bytes are not what the image's format says.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// A header that another format has.
    #[error("declared as {declared} but looks like {found}")]
    Mismatch {
        /// What its owner said.
        declared: String,
        /// What it looks like.
        found: &'static str,
    },
    /// A qcow2 that must not be used.
    #[error("qcow2 image is refused")]
    Qcow2(#[from] ImageError),
    /// It cannot be read.
    #[error("image cannot be read")]
    Io(#[from] io::Error),
}

/// Checks a file and gives the size of the disk in it.
///
/// # Errors
/// When the bytes are not what the format says, or cannot be read.
pub fn check(path: &Path, declared: &str) -> Result<u64, FormatError> {
    let file = File::open(path)?;
    if declared == "qcow2" {
        let info = inspect(&file, Format::Qcow2)?;
        return match info.backing_file {
            Some(name) => Err(ImageError::HasBackingFile { name }.into()),
            None => Ok(info.virtual_size),
        };
    }
    match probe(&file)? {
        Probe::Qcow2 => Err(mismatch(declared, "qcow2")),
        Probe::Foreign(found) if found != declared => Err(mismatch(declared, found)),
        Probe::Foreign(_) | Probe::Unknown => Ok(file.metadata()?.len()),
    }
}

fn mismatch(declared: &str, found: &'static str) -> FormatError {
    FormatError::Mismatch { declared: declared.to_owned(), found }
}
