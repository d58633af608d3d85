//! The header: what it says, and everything that it must not say (QEMU docs/interop/qcow2.txt, "Header").

use super::storage::Storage;
use crate::image::ImageError;

/// The magic number, "QFI" and 0xfb.
pub const MAGIC: u32 = 0x5146_49fb;
/// Largest disk: its first-level table stays below [`MAX_L1_BYTES`] with clusters of 64 KiB.
pub const MAX_SIZE: u64 = 64 << 40;
/// Bytes of the first-level table that are kept in memory at most.
pub const MAX_L1_BYTES: u64 = 4 << 20;
const MAX_REFCOUNT_TABLE_BYTES: u64 = 8 << 20;
const MAX_BACKING_NAME: u32 = 1023;
const MAX_SNAPSHOTS: u32 = 65_536;
const V2_LENGTH: usize = 72;
const V3_LENGTH: usize = 104;

const CORRUPT: u64 = 1 << 1;
const DATA_FILE: u64 = 1 << 2;
const COMPRESSION: u64 = 1 << 3;
const EXTENDED_L2: u64 = 1 << 4;
const KNOWN: u64 = 0x1f;

/// A header that has been checked against itself and the file's length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// 2 or 3.
    pub version: u32,
    /// Binary logarithm of the cluster size.
    pub cluster_bits: u32,
    /// The disk's size in bytes.
    pub size: u64,
    /// Entries of the first-level table.
    pub l1_entries: u32,
    /// Its place.
    pub l1_offset: u64,
    /// Place of the refcount table.
    pub refcount_offset: u64,
    /// Its length in clusters.
    pub refcount_clusters: u32,
    /// Binary logarithm of a refcount's width in bits.
    pub refcount_order: u32,
    /// Number of internal snapshots.
    pub snapshots: u32,
    /// Incompatible feature bits.
    pub incompatible: u64,
    /// The backing file's name.
    pub backing_file: Option<String>,
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.iter().skip(at).take(4).fold(0, |word, byte| word << 8 | u32::from(*byte))
}

fn quad(bytes: &[u8], at: usize) -> u64 {
    u64::from(word(bytes, at)) << 32 | u64::from(word(bytes, at + 4))
}

fn corrupt(what: &'static str) -> ImageError {
    ImageError::Corrupt { what }
}

fn ensure(good: bool, what: &'static str) -> Result<(), ImageError> {
    if good { Ok(()) } else { Err(corrupt(what)) }
}

impl Header {
    /// Reads and checks the header of an image.
    ///
    /// # Errors
    /// When it is broken or asks for what is not supported.
    pub fn read(file: &impl Storage) -> Result<Self, ImageError> {
        let length = file.length()?;
        let mut bytes = [0; 112];
        file.read(&mut bytes, 0)?;
        if length < 4 || word(&bytes, 0) != MAGIC {
            return Err(ImageError::WrongFormat);
        }
        let version = word(&bytes, 4);
        if length < V2_LENGTH as u64 || version >= 3 && length < V3_LENGTH as u64 {
            return Err(ImageError::Truncated);
        }
        let incompatible = features(version, &bytes)?;
        let mut header = Self {
            version,
            cluster_bits: word(&bytes, 20),
            size: quad(&bytes, 24),
            l1_entries: word(&bytes, 36),
            l1_offset: quad(&bytes, 40),
            refcount_offset: quad(&bytes, 48),
            refcount_clusters: word(&bytes, 56),
            refcount_order: if version == 2 { 4 } else { word(&bytes, 96) },
            snapshots: word(&bytes, 60),
            incompatible,
            backing_file: None,
        };
        header.check(length)?;
        header.backing_file = header.read_backing_name(file, quad(&bytes, 8), word(&bytes, 16))?;
        Ok(header)
    }

    /// Cluster size in bytes.
    pub fn cluster_size(&self) -> u64 {
        1 << self.cluster_bits
    }

    /// Entries of a second-level table.
    pub fn l2_entries(&self) -> u64 {
        self.cluster_size() / 8
    }

    /// Entries that the first-level table needs for the disk's size.
    pub fn needed_l1_entries(&self) -> u64 {
        self.size.div_ceil(self.cluster_size() * self.l2_entries())
    }

    fn check(&self, length: u64) -> Result<(), ImageError> {
        ensure((9..=21).contains(&self.cluster_bits), "cluster size")?;
        ensure(self.refcount_order <= 6, "refcount width")?;
        ensure(self.snapshots <= MAX_SNAPSHOTS, "number of snapshots")?;
        if self.size > MAX_SIZE || u64::from(self.l1_entries) * 8 > MAX_L1_BYTES {
            return Err(ImageError::TooLarge { size: self.size });
        }
        ensure(u64::from(self.l1_entries) >= self.needed_l1_entries(), "first-level table is too short")?;
        let refcount_bytes = u64::from(self.refcount_clusters) << self.cluster_bits;
        ensure(refcount_bytes != 0 && refcount_bytes <= MAX_REFCOUNT_TABLE_BYTES, "refcount table's size")?;
        self.check_table(self.l1_offset, u64::from(self.l1_entries) * 8, length)?;
        self.check_table(self.refcount_offset, refcount_bytes, length)
    }

    /// Whether a table of the header's is aligned, behind the header and within the file.
    fn check_table(&self, offset: u64, bytes: u64, length: u64) -> Result<(), ImageError> {
        if bytes == 0 {
            return Ok(());
        }
        ensure(offset != 0 && offset.is_multiple_of(self.cluster_size()), "place of a table")?;
        let end = offset.checked_add(bytes).ok_or(corrupt("place of a table"))?;
        if end <= length { Ok(()) } else { Err(ImageError::Truncated) }
    }

    fn read_backing_name(&self, file: &impl Storage, offset: u64, length: u32) -> Result<Option<String>, ImageError> {
        if offset == 0 {
            return Ok(None);
        }
        let end = offset.checked_add(length.into());
        let placed = end.is_some_and(|end| end <= self.cluster_size()) && offset >= V2_LENGTH as u64;
        ensure(placed && length <= MAX_BACKING_NAME, "place of the backing file's name")?;
        let mut name = vec![0; length as usize];
        file.read(&mut name, offset)?;
        Ok(Some(String::from_utf8_lossy(&name).into_owned()))
    }
}

/// The incompatible features of an image, all of which can be dealt with.
fn features(version: u32, bytes: &[u8]) -> Result<u64, ImageError> {
    if !(2..=3).contains(&version) {
        return Err(ImageError::Unsupported { what: "a newer version of the format" });
    }
    if word(bytes, 32) != 0 {
        return Err(ImageError::Encrypted);
    }
    if version == 2 {
        return Ok(0);
    }
    let header_length = word(bytes, 100) as usize;
    ensure(header_length >= V3_LENGTH && header_length.is_multiple_of(8), "header's length")?;
    let incompatible = quad(bytes, 72);
    let compression = if header_length > V3_LENGTH { bytes[104] } else { 0 };
    match incompatible {
        bits if bits & !KNOWN != 0 => Err(ImageError::Unsupported { what: "an unknown feature" }),
        bits if bits & CORRUPT != 0 => Err(corrupt("it is marked as corrupt")),
        bits if bits & DATA_FILE != 0 => Err(ImageError::HasDataFile),
        bits if bits & EXTENDED_L2 != 0 => Err(ImageError::Unsupported { what: "extended table entries" }),
        bits if compression != 0 || bits & COMPRESSION != 0 => {
            Err(ImageError::UnsupportedCompression { kind: compression })
        }
        bits => Ok(bits),
    }
}
