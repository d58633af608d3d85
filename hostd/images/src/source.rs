//! Where images come from.

use crate::Image;
use async_trait::async_trait;
use std::ops::Range;
use tokio::sync::mpsc;

/// Why a source gave nothing or stopped.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It does not know the image.
    #[error("the source does not have the image")]
    NotFound,
    /// It may not give it, or not any more: who is asked has to be found out anew.
    #[error("the source may not give the image")]
    Denied,
    /// It cannot be reached, or the transfer broke; another attempt may work.
    #[error("the transfer was interrupted: {0}")]
    Interrupted(String),
}

/// An image's bytes in order, in pieces of any length; closed at the range's end or after an error.
pub type Parts = mpsc::Receiver<Result<Vec<u8>, SourceError>>;

/// Another host that may be asked for an image.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Its id: who answers must prove to be it.
    pub host: String,
    /// Where it listens.
    pub address: String,
}

/// Where images come from. Called by the cache alone, from its fetching tasks.
#[async_trait]
pub trait ImageSource: Send + Sync + 'static {
    /// Begins to read a range of `image`, from another host or from the controller. It returns at once; a failure to begin is the
    /// first part. What comes may be longer than the range: the rest is not wanted.
    fn open(&self, image: &Image, from: Option<&Peer>, range: Range<u64>) -> Parts;
    /// Hosts that have `image` and were told to give it to this one; none when nobody knows.
    async fn peers(&self, image: &Image) -> Vec<Peer>;
}
