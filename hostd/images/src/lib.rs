//! The host's image cache: images by the SHA-256 of their bytes, fetched on first use.
//!
//! It owns `<state>/images`. It must not know guests, or where images come from beyond [`ImageSource`].
//!
//! Invariants:
//! - A file under its plain name has the digest that is its name; a part of it is `<sha256>.part`.
//! - `<sha256>.kernel` is what [`vmm_kernel::prepare`] makes of the image when a guest starts from it directly; it goes with it.
//! - An image is fetched once, however many wait for it; a fetch goes on where an earlier one ended.
//! - An image with a [`Lease`] is never evicted; without one it stays until the cache's bound is reached, oldest use first.
//! - A failed fetch fails those who wait for it and nobody else.
//!
//! ```text
//! absent -> <sha256>.part -> verified -> <sha256> -> evicted
//!             |  ^
//!             +--+ the source ended early: asked again from the offset that is there
//! ```

mod cache;
mod digest;
mod fetch;
mod kernel;
mod source;

pub use cache::{Cache, Lease};
pub use digest::{Digest, InvalidDigest};
pub use fetch::ImageError;
pub use source::{ImageSource, Parts, SourceError};

/// An image as the controller names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The id by which the source knows it.
    pub id: String,
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// Length of its bytes.
    pub size: u64,
    /// Its bytes are a qcow2 image: the cache keeps the disk in it, raw and sparse.
    pub qcow2: bool,
}
