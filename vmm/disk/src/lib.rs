//! Disk images: bytes behind a guest's disk, whatever the file's format.
//!
//! It owns formats and knows neither KVM nor virtio. It opens nothing: every file of a chain is given to it, and a name
//! inside an image is only ever reported. Images are hostile: headers, tables and offsets are checked, memory is bounded.
//!
//! Invariants:
//! - A write that was not followed by a successful flush may be lost when the host dies, never when the process dies.
//! - Whatever instant the process is killed at, the image opens again, and all that was written before is there.

pub mod chain;
pub mod convert;
pub mod error;
pub mod image;
pub mod io;
pub mod qcow2;
pub mod raw;

pub use chain::{Layer, open_chain};
pub use error::DiskError;
pub use image::{Format, ImageError, ImageInfo, Probe, inspect, probe};
pub use io::DiskIo;
