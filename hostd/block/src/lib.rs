//! The disks that belong to a guest's own directory: the root disk as a copy-on-write child of a cached image, ephemeral and
//! swap disks.
//!
//! It owns the disk files' names and making; it must not know guests, processes or the network.
//!
//! Invariants:
//! - A disk appears under its name as a whole (made under a temporary name, then renamed) and is kept over restarts of its guest.
//! - Making a disk that is there opens it. Disks go with their guest's directory.
//! - Whoever uses a root disk keeps the image's lease: an overlay refers to the image for ever.
//!
//! ```text
//! image + reflink  -> root.raw    one layer,  grown to the flavor's size
//! image otherwise  -> root.qcow2  two layers: the overlay, the image read-only
//! no image         -> root.raw    sparse
//! ```

mod error;
mod extra;
mod root;

pub use error::BlockError;
pub use extra::{ephemeral, swap};
pub use root::{ImageFile, root, sync};

use std::fs::File;

/// A disk that is ready for a guest's process.
#[derive(Debug)]
pub struct Disk {
    /// The active layer first, its backing files after it.
    pub layers: Vec<Layer>,
}

/// One file of a disk.
#[derive(Debug)]
pub struct Layer {
    /// The open file; only the first layer is open for writing.
    pub file: File,
    /// Its format.
    pub format: Format,
}

/// A disk file's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Bytes as the guest sees them.
    Raw,
    /// QEMU's copy-on-write format.
    Qcow2,
}

impl Disk {
    fn raw(file: File) -> Self {
        Self { layers: vec![Layer { file, format: Format::Raw }] }
    }
}
