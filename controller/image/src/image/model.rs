//! An image, its states and what can go wrong.
//!
//! ```text
//!            upload            bytes hold
//! queued ------------> saving ------------> active <--reactivate-- deactivated
//!    ^                    |                   |   ------deactivate---->
//!    +-- upload broke ----+                   +--> deleted (row gone, bytes gone when no image names them)
//! ```

use crate::content::{FormatError, UploadError};
use controller_base::id::{ImageId, ProjectId};
use controller_base::{Generation, Timestamp};
use controller_db::DbError;
use std::collections::BTreeMap;

/// A row of the catalogue.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// Its id.
    pub id: ImageId,
    /// Its name.
    pub name: Option<String>,
    /// The project that owns it.
    pub owner: ProjectId,
    /// Where it is in its life.
    pub status: Status,
    /// Who sees it.
    pub visibility: Visibility,
    /// `raw`, `qcow2`, `aki`, ...
    pub disk_format: Option<String>,
    /// `bare`, ...
    pub container_format: Option<String>,
    /// Least root disk, GiB.
    pub min_disk: i64,
    /// Least memory, MiB.
    pub min_ram: i64,
    /// May not be deleted.
    pub protected: bool,
    /// Left out of lists.
    pub hidden: bool,
    /// Its bytes.
    pub data: Option<Data>,
    /// Anything else that its owner says of it.
    pub properties: BTreeMap<String, String>,
    /// Tags, sorted.
    pub tags: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Number of its last change.
    pub generation: Generation,
}

/// Bytes of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    /// Their number.
    pub size: i64,
    /// Size of the disk that a guest will see.
    pub virtual_size: i64,
    /// MD5, hex.
    pub checksum: String,
    /// SHA-512, hex.
    pub sha512: String,
    /// SHA-256, hex: their name in the store.
    pub sha256: String,
}

/// Where an image is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Without bytes.
    Queued,
    /// Bytes are coming in.
    Saving,
    /// Usable.
    Active,
    /// Its bytes are withheld.
    Deactivated,
}

/// Who sees an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// Everyone.
    Public,
    /// Everyone who knows its id.
    Community,
    /// Its owner and the members that accepted it.
    Shared,
    /// Its owner.
    Private,
}

macro_rules! words {
    ($type:ident: $($variant:ident = $word:literal),*) => {
        impl $type {
            /// Glance's word.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
            /// From Glance's word.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

words!(Status: Queued = "queued", Saving = "saving", Active = "active", Deactivated = "deactivated");
words!(Visibility: Public = "public", Community = "community", Shared = "shared", Private = "private");

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// There is none, or the caller must not know of it.
    #[error("no image found with id {0}")]
    NotFound(ImageId),
    /// Another image has this id.
    #[error("image id {0} already exists")]
    Duplicate(ImageId),
    /// Protected against deletion.
    #[error("image {0} is protected and cannot be deleted")]
    Protected(ImageId),
    /// The step is not allowed in the image's state.
    #[error("image status transition from {from} to {to} is not allowed")]
    Transition {
        /// Its state.
        from: &'static str,
        /// The wanted one.
        to: &'static str,
    },
    /// The image is deactivated.
    #[error("the requested image has been deactivated; image data download is forbidden")]
    Deactivated,
    /// An upload needs both formats.
    #[error("properties {0} must be set prior to saving data")]
    Incomplete(String),
    /// Formats and ids cannot change any more.
    #[error("attribute '{0}' is read-only")]
    ReadOnly(String),
    /// A value is not allowed.
    #[error("{0}")]
    Invalid(String),
    /// The bytes are not what the format says.
    #[error("image content does not match its disk_format")]
    Format(#[from] FormatError),
    /// Too many bytes.
    #[error("image exceeds the size limit of {0} bytes")]
    TooLarge(u64),
    /// No space for bytes.
    #[error("there is no space left for images")]
    NoSpace,
    /// The client stopped sending.
    #[error("upload was cut off")]
    CutOff,
    /// Someone else changed the image meanwhile.
    #[error("image {0} was changed by another request")]
    Raced(ImageId),
    /// No such member.
    #[error("{member} not found in the member list of the image {image}")]
    NoMember {
        /// The image.
        image: ImageId,
        /// The project.
        member: String,
    },
    /// The member is there already.
    #[error("the target member {member} is already associated with image {image}")]
    DuplicateMember {
        /// The image.
        image: ImageId,
        /// The project.
        member: String,
    },
    /// Only shared images have members.
    #[error("only shared images have members")]
    NotShared,
    /// The policy says no.
    #[error("{0}")]
    Forbidden(String),
    /// The database failed.
    #[error("image catalogue failed")]
    Db(#[from] DbError),
    /// The store of bytes failed.
    #[error("image store failed")]
    Store(#[source] std::io::Error),
}

impl From<UploadError> for ImageError {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::Format(error) => Self::Format(error),
            UploadError::NoSpace => Self::NoSpace,
            UploadError::Io(error) => Self::Store(error),
        }
    }
}
