//! A bundle is made.

use crate::{Entry, Header, Malformed, SigningKey, header::MAGIC};
use sha2::{Digest as _, Sha256};
use std::{
    fs::File,
    io::{self, Write},
    path::Path,
};

/// Why no bundle came to be.
#[derive(Debug, thiserror::Error)]
pub enum NotWritten {
    /// It could not be followed.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A file cannot be read, or the bundle cannot be written.
    #[error("cannot make the update")]
    Io(#[from] io::Error),
}

/// Writes the bundle of a version: the same files and key give the same bytes.
///
/// # Errors
/// When a file cannot be read or has a name that is not the version's, or the bundle cannot be written.
pub fn write(out: &mut impl Write, key: &SigningKey, version: &str, files: &[&Path]) -> Result<(), NotWritten> {
    let files_of = files.iter().map(|path| entry(path)).collect::<io::Result<_>>()?;
    let header = Header { version: version.to_owned(), files: files_of };
    header.check()?;
    let text = format!("{MAGIC}{}\n", serde_json::to_string(&header).map_err(io::Error::other)?);
    out.write_all(text.as_bytes())?;
    writeln!(out, "{}", key.sign(text.as_bytes()))?;
    for path in files {
        io::copy(&mut File::open(path)?, out)?;
    }
    Ok(out.flush()?)
}

fn entry(path: &Path) -> io::Result<Entry> {
    let mut hash = Sha256::new();
    let size = io::copy(&mut File::open(path)?, &mut hash)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Entry { name, size, sha256: hex::encode(hash.finalize()) })
}
