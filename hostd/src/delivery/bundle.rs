//! A bundle's way from the controller to a file. What is there of it already is not fetched again.

use super::{Broken, Order, Source};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::Path,
};

/// Why there is no whole file.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The bytes do not come.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// More come than were announced.
    #[error("the controller sends more than it announced")]
    TooLong,
    /// They cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// Where to.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Fetches what is missing of `place`. Whether it is what the maker signed is found out by whoever installs it.
pub async fn fetch(source: &dyn Source, order: &Order, place: &Path) -> Result<(), FetchError> {
    let failed = |source| FetchError::Write { path: place.display().to_string(), source };
    forget_others(place).map_err(failed)?;
    let mut file = OpenOptions::new().append(true).create(true).open(place).map_err(failed)?;
    let mut length = file.metadata().map_err(failed)?.len();
    if length > order.size {
        // Of a bundle that had the same name before.
        file.set_len(0).map_err(failed)?;
        length = 0;
    }
    let mut bytes = source.open(&order.version, length);
    while length < order.size {
        let piece = bytes.recv().await.ok_or_else(|| Broken::Interrupted("it ended early".into()))??;
        length += piece.len() as u64;
        if length > order.size {
            discard(place);
            return Err(FetchError::TooLong);
        }
        file = written(file, piece).await.map_err(failed)?;
    }
    tokio::task::spawn_blocking(move || file.sync_all()).await.map_err(io::Error::other).flatten().map_err(failed)
}

/// Removes it: it was installed, or is not what it should be.
pub fn discard(place: &Path) {
    // It may not be there.
    drop(fs::remove_file(place));
}

async fn written(mut file: File, piece: Vec<u8>) -> io::Result<File> {
    let writing = tokio::task::spawn_blocking(move || file.write_all(&piece).map(|()| file));
    writing.await.map_err(io::Error::other).flatten()
}

/// Parts of updates that are not wanted any more.
fn forget_others(place: &Path) -> io::Result<()> {
    let (Some(folder), Some(extension)) = (place.parent(), place.extension()) else { return Ok(()) };
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path != place && path.extension() == Some(extension) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}
