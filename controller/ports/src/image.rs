//! Images, for those who boot from them and for hosts that fetch them.

use crate::Unavailable;
use async_trait::async_trait;
use bytes::Bytes;
use controller_base::id::{ImageId, ProjectId};
use futures::stream::BoxStream;
use std::{collections::BTreeMap, ops::Range};

/// An image as its users in other services see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// The image.
    pub id: ImageId,
    /// Its name; may be empty.
    pub name: String,
    /// Owner.
    pub owner: Option<ProjectId>,
    /// Whether it can be used now (`active`).
    pub active: bool,
    /// Glance's word for its state, for messages.
    pub status: String,
    /// As the tenant declared it: `raw`, `qcow2`, `aki`, ...
    pub disk_format: String,
    /// Number of bytes uploaded.
    pub size_bytes: u64,
    /// Size of the disk that a guest sees.
    pub virtual_size_bytes: u64,
    /// Least root disk, GiB.
    pub min_disk_gib: u64,
    /// Least memory, MiB.
    pub min_ram_mib: u64,
    /// The stored bytes that hosts fetch: raw after import.
    pub content: Option<Content>,
    /// Further properties: `kernel_id`, `ramdisk_id`, `os_command_line`, `hw_*`, ...
    pub properties: BTreeMap<String, String>,
}

/// Stored bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// SHA-256, hex.
    pub sha256: String,
    /// Their number.
    pub size_bytes: u64,
}

/// Implemented by image.
#[async_trait]
pub trait Images: Send + Sync {
    /// An image that the project may use (its own, public, community, shared with it); `None` project: any.
    async fn get(&self, id: ImageId, viewer: Option<&ProjectId>) -> Result<Option<Image>, Unavailable>;
    /// The bytes that hosts fetch, of them those in `range` that there are; `None` when there is no such image or it has no bytes.
    async fn open(
        &self,
        id: ImageId,
        range: Range<u64>,
    ) -> Result<Option<BoxStream<'static, std::io::Result<Bytes>>>, Unavailable>;
}
