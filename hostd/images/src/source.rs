//! Where images come from.

use crate::Image;
use tokio::sync::mpsc;

/// Why a source gave nothing or stopped.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It does not know the image.
    #[error("the source does not have the image")]
    NotFound,
    /// It cannot be reached, or the transfer broke; another attempt may work.
    #[error("the transfer was interrupted: {0}")]
    Interrupted(String),
}

/// An image's bytes in order, in pieces of any length; closed at the image's end or after an error.
pub type Parts = mpsc::Receiver<Result<Vec<u8>, SourceError>>;

/// Where images come from. Called by the cache alone, from its fetching task, once per attempt.
pub trait ImageSource: Send + Sync + 'static {
    /// Begins to read `image` from `offset` on. It returns at once; a failure to begin is the first part.
    fn open(&self, image: &Image, offset: u64) -> Parts;
}
