//! The host's image cache: images by the SHA-256 of their bytes, fetched on first use.
//!
//! It owns `<state>/images`. It must not know guests, or where images come from beyond [`ImageSource`].
//!
//! Invariants:
//! - `<sha256>.original` has the digest that is its name. It is what other hosts may get from here.
//! - `<sha256>` is what guests' disks refer to: the same file, or the disk in it, raw and sparse, where that is a qcow2 image. Its name was given when it
//!   was whole.
//! - `<sha256>.part` is what there is of it so far, and says of each piece whether it is there ([`mod@part`]).
//! - `<sha256>.kernel` is what [`vmm_kernel::prepare`] makes of the image when a guest starts from it directly; it goes with it.
//! - An image is fetched once, however many wait for it; a fetch goes on where an earlier one ended.
//! - An image with a [`Lease`] is never evicted; without one it stays until the cache's bound is reached, oldest use first. What a disk was
//!   made of counts as unused.
//! - A failed fetch fails those who wait for it and nobody else.
//!
//! ```text
//! absent -> <sha256>.part -> verified -> <sha256>.original -> <sha256> -> evicted
//!             |  ^  pieces from other hosts, or the controller
//!             +--+ a source ended early: the rest from another, from where it is
//! ```

mod cache;
mod digest;
mod fetch;
mod kernel;
mod make;
mod part;
mod source;

pub use cache::{Cache, Lease};
pub use digest::{Digest, InvalidDigest};
pub use fetch::{ImageError, Pace};
pub use source::{ImageSource, Parts, Peer, SourceError};

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
