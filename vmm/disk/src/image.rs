//! What a file claims to be, and the ways in which it can be no usable image.

use crate::DiskError;
use crate::qcow2::header::Header;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use thiserror::Error;

/// Formats that disks are read in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The file's bytes are the disk's.
    Raw,
    /// QEMU's copy-on-write format, version 2 or 3.
    Qcow2,
}

/// What a file's first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// qcow2, by its magic number; the header may still be broken.
    Qcow2,
    /// A format that is known by its magic number and not read here.
    Foreign(&'static str),
    /// None of these: raw, for all that can be told.
    Unknown,
}

/// What an image says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageInfo {
    /// Its format.
    pub format: Format,
    /// The disk's size in bytes.
    pub virtual_size: u64,
    /// The name of the backing file that the image asks for. It is never opened.
    pub backing_file: Option<String>,
    /// qcow2's incompatible feature bits.
    pub incompatible_features: u64,
    /// Number of internal snapshots.
    pub snapshots: u32,
}

/// Why a file cannot be used as an image.
#[derive(Debug, Error)]
pub enum ImageError {
    /// It does not start like an image of the format that was asked for.
    #[error("file is no qcow2 image")]
    WrongFormat,
    /// It ends before what it refers to.
    #[error("image is truncated")]
    Truncated,
    /// It refers to another file for what it does not hold itself.
    #[error("image has a backing file")]
    HasBackingFile {
        /// The file's name, as the image gives it.
        name: String,
    },
    /// Its data is in another file.
    #[error("image has an external data file")]
    HasDataFile,
    /// Its data is encrypted.
    #[error("image is encrypted")]
    Encrypted,
    /// Its data is compressed in a way that is not supported.
    #[error("image uses compression type {kind}, which is not supported")]
    UnsupportedCompression {
        /// qcow2's number of the compression.
        kind: u8,
    },
    /// It needs something that is not supported.
    #[error("image needs {what}, which is not supported")]
    Unsupported {
        /// What it needs.
        what: &'static str,
    },
    /// The disk is larger than allowed.
    #[error("disk of {size} bytes is larger than allowed")]
    TooLarge {
        /// The disk's size.
        size: u64,
    },
    /// It contradicts itself.
    #[error("image is corrupt: {what}")]
    Corrupt {
        /// What is wrong.
        what: &'static str,
    },
    /// The chain of images is none.
    #[error("image chain is wrong: {what}")]
    Chain {
        /// What is wrong.
        what: &'static str,
    },
    /// The file system or quota under the target is full.
    #[error("no space left for the image")]
    NoSpace,
    /// The file system failed.
    #[error("image cannot be accessed")]
    Io(#[source] io::Error),
}

impl From<io::Error> for ImageError {
    fn from(error: io::Error) -> Self {
        DiskError::from(error).into()
    }
}

impl From<DiskError> for ImageError {
    fn from(error: DiskError) -> Self {
        match error {
            DiskError::NoSpace => Self::NoSpace,
            DiskError::Truncated => Self::Truncated,
            DiskError::Io(error) => Self::Io(error),
            DiskError::Corrupt { what } => Self::Corrupt { what },
            DiskError::OutOfRange { .. } => Self::Corrupt { what: "range beyond the disk" },
            DiskError::ReadOnly => Self::Corrupt { what: "write to a read-only layer" },
        }
    }
}

const MAGICS: [(usize, &[u8], Probe); 8] = [
    (0, b"QFI\xfb", Probe::Qcow2),
    (0, b"KDMV", Probe::Foreign("vmdk")),
    (0, b"# Disk DescriptorFile", Probe::Foreign("vmdk")),
    (0, b"vhdxfile", Probe::Foreign("vhdx")),
    (0, b"conectix", Probe::Foreign("vhd")),
    (0, b"LUKS\xba\xbe", Probe::Foreign("luks")),
    (0, b"QED\0", Probe::Foreign("qed")),
    (0x40, b"\x7f\x10\xda\xbe", Probe::Foreign("vdi")),
];

/// Looks at a file's first bytes.
///
/// # Errors
/// When they cannot be read.
pub fn probe(file: &File) -> Result<Probe, ImageError> {
    let mut start = [0; 512];
    let mut length = 0;
    while length < start.len() {
        match file.read_at(&mut start[length..], length as u64) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    let found = MAGICS.iter().find(|(at, magic, _)| start[..length].get(*at..).is_some_and(|s| s.starts_with(magic)));
    Ok(found.map_or(Probe::Unknown, |(_, _, probe)| *probe))
}

/// Finds out what an image is, and refuses headers that are broken or ask for what is not supported.
///
/// # Errors
/// All but [`ImageError::HasBackingFile`], which is reported in [`ImageInfo::backing_file`].
pub fn inspect(mut file: &File, format: Format) -> Result<ImageInfo, ImageError> {
    match format {
        Format::Raw => {
            let virtual_size = file.seek(SeekFrom::End(0))?;
            let none = (None, 0, 0);
            let (backing_file, incompatible_features, snapshots) = none;
            Ok(ImageInfo { format, virtual_size, backing_file, incompatible_features, snapshots })
        }
        Format::Qcow2 => {
            let header = Header::read(file)?;
            Ok(ImageInfo {
                format,
                virtual_size: header.size,
                backing_file: header.backing_file.clone(),
                incompatible_features: header.incompatible,
                snapshots: header.snapshots,
            })
        }
    }
}
