//! Are the bytes what the image's format says? Nothing inside them is followed.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

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
    #[error("qcow2 image is refused: {0}")]
    Qcow2(&'static str),
    /// It cannot be read.
    #[error("image cannot be read")]
    Io(#[from] io::Error),
}

/// Headers that a raw disk, kernel or ramdisk never begins with.
const OTHERS: &[(&[u8], &str)] =
    &[(b"QFI\xfb", "qcow2"), (b"KDMV", "vmdk"), (b"conectix", "vhd"), (b"vhdxfile", "vhdx")];

/// Checks a file and gives the size of the disk in it.
///
/// # Errors
/// When the bytes are not what the format says, or cannot be read.
pub fn check(path: &Path, declared: &str) -> Result<u64, FormatError> {
    let mut file = File::open(path)?;
    match declared {
        "qcow2" => qcow2(&mut file),
        _ => {
            let mut head = [0; 8];
            let length = file.read(&mut head)?;
            let found = OTHERS.iter().find(|(magic, _)| head[..length].starts_with(magic));
            match found {
                Some((_, name)) if *name != declared => {
                    Err(FormatError::Mismatch { declared: declared.to_owned(), found: name })
                }
                _ => Ok(file.metadata()?.len()),
            }
        }
    }
}

/// The disk's size in a qcow2 header.
fn qcow2(file: &mut File) -> Result<u64, FormatError> {
    let mut head = [0; 80];
    file.read_exact(&mut head).map_err(|_| FormatError::Qcow2("truncated header"))?;
    let word = |at: usize| u64::from_be_bytes(std::array::from_fn(|n| head[at + n]));
    if !head.starts_with(b"QFI\xfb") {
        return Err(FormatError::Qcow2("no qcow2 header"));
    }
    if word(8) != 0 {
        return Err(FormatError::Qcow2("it names a backing file"));
    }
    Ok(word(24))
}
