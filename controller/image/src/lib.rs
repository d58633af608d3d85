//! Images: Glance's API v2, the catalogue of images and the store of their bytes.
//!
//! Owns the tables `image_*` and one directory of bytes. Offers [`controller_ports::image::Images`] to compute (what to boot)
//! and to the fleet (bytes for hosts). Knows no other service.
//!
//! Invariants:
//! - Bytes are stored by their SHA-256, as uploaded, written aside and renamed: an image never shows half an upload.
//! - An upload whose bytes are not what its `disk_format` says leaves the image `queued` and nothing on disk.
//! - Nothing inside uploaded bytes is ever followed: a qcow2 that names another file is refused.

mod content;
mod counts;
mod image;
mod member;
mod port;
mod schema;

pub mod api;

pub use content::ContentStore;
pub use image::{ImageService, MIGRATIONS, RULES};
