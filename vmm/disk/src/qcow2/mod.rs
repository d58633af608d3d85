//! qcow2, version 2 and 3 (QEMU docs/interop/qcow2.txt): reading, writing, overlays.
//!
//! What is written is ordered so that the file is a good image after every single write to it: a new cluster's refcount is
//! raised first, then its data is written, then the table entry that refers to it. A process that dies in between leaves a
//! cluster that nobody refers to, at worst. Clusters are only ever added at the end of the file and never freed: a discarded
//! cluster gives its space back to the file system, keeps its place, and reads as zeroes by its table entry.
//!
//! After a crash of the host, table entries may have reached the disk before what they refer to. Opening for writing
//! therefore looks through all tables ([`recover`]): an entry beyond the end of the file is a write that was never flushed.
//!
//! | | writing | reading |
//! |---|---|---|
//! | backing file, zero clusters | yes | yes |
//! | compressed clusters (deflate) | replaced by plain ones | yes |
//! | internal snapshots, refcounts of other than 16 bits | refused | yes |
//! | encryption, data files, zstd, extended entries | refused | refused |

mod allocate;
mod compressed;
pub mod create;
pub mod header;
mod map;
mod metadata;
mod recover;
pub mod storage;
mod write;

use crate::chain::read_padded;
use crate::image::ImageError;
use crate::{DiskError, DiskIo};
use compressed::Inflater;
use header::Header;
use map::Mapping;
use metadata::Metadata;
use std::fs::File;
use storage::Storage;

const SECTOR: u64 = 512;

/// An open image.
pub struct Qcow2<S: Storage = File> {
    file: S,
    /// The file's length, as far as tables may refer to it.
    length: u64,
    header: Header,
    read_only: bool,
    l1: Vec<u64>,
    metadata: Metadata,
    backing: Option<Box<dyn DiskIo>>,
    /// Where the next new cluster goes.
    next: u64,
    /// A cluster that was allocated for a write that then failed; its contents are anything.
    spare: Option<u64>,
    inflater: Inflater,
    scratch: Vec<u8>,
}

impl<S: Storage> Qcow2<S> {
    /// Opens an image over the layer that backs it.
    ///
    /// # Errors
    /// When the image is broken or asks for what is not supported, or was given no backing layer although it names one.
    pub fn open(file: S, backing: Option<Box<dyn DiskIo>>, read_only: bool) -> Result<Self, ImageError> {
        let header = Header::read(&file)?;
        if let (Some(name), None) = (&header.backing_file, &backing) {
            return Err(ImageError::HasBackingFile { name: name.clone() });
        }
        let length = file.length()?;
        let mut image = Self {
            length,
            l1: read_l1(&file, &header)?,
            metadata: Metadata::new(header.cluster_size()),
            next: length.next_multiple_of(header.cluster_size()),
            inflater: Inflater::default(),
            scratch: Vec::new(),
            spare: None,
            file,
            header,
            read_only,
            backing,
        };
        if !read_only {
            image.check_writable()?;
            image.recover()?;
        }
        Ok(image)
    }

    fn check_writable(&self) -> Result<(), ImageError> {
        let shared = self.l1.iter().any(|entry| *entry != 0 && entry & map::COPIED == 0);
        let obstacle = match () {
            () if self.header.snapshots != 0 => "writing beside internal snapshots",
            () if self.header.refcount_order != 4 => "writing with refcounts of other than 16 bits",
            () if shared => "writing to shared tables",
            () => return Ok(()),
        };
        Err(ImageError::Unsupported { what: obstacle })
    }

    /// The part of a cluster from `offset` on, at most `length` bytes.
    fn within_cluster(&self, offset: u64, length: u64) -> usize {
        let cluster = self.header.cluster_size();
        (cluster - offset % cluster).min(length) as usize
    }

    /// Fills `data`, which lies within one cluster.
    fn read_part(&mut self, mapping: Mapping, offset: u64, data: &mut [u8]) -> Result<(), DiskError> {
        let within = offset % self.header.cluster_size();
        match mapping {
            Mapping::Data { host, .. } => {
                // The disk's last cluster need not be whole in the file.
                let needed = self.header.size.saturating_sub(offset).min(data.len() as u64);
                if host + within + needed > self.length {
                    return Err(DiskError::Truncated);
                }
                self.file.read(data, host + within)?;
            }
            Mapping::Zero { .. } => data.fill(0),
            Mapping::Compressed { place } => {
                let cluster = self.inflater.cluster(&self.file, self.length, place, self.header.cluster_bits)?;
                data.copy_from_slice(&cluster[within as usize..within as usize + data.len()]);
            }
            Mapping::Unallocated => match &mut self.backing {
                Some(backing) => read_padded(backing.as_mut(), offset, data)?,
                None => data.fill(0),
            },
        }
        Ok(())
    }

    /// Whether a cluster that reads as `mapping` is all zeroes, as far as that is known without reading.
    fn reads_as_zero(&self, mapping: Mapping, offset: u64) -> bool {
        match mapping {
            Mapping::Zero { .. } => true,
            Mapping::Unallocated => self.backing.as_ref().is_none_or(|backing| backing.len() <= offset),
            Mapping::Data { .. } | Mapping::Compressed { .. } => false,
        }
    }

    /// The first byte from `offset` on that may be other than zero, and how many bytes from there on the same cluster has.
    pub(crate) fn next_data(&mut self, mut offset: u64) -> Result<Option<(u64, u64)>, DiskError> {
        let cluster = self.header.cluster_size();
        let covered = cluster * self.header.l2_entries();
        while offset < self.len() {
            if self.backing.is_none() && self.l2_table(offset)?.is_none() {
                offset = (offset / covered + 1) * covered;
                continue;
            }
            let part = self.within_cluster(offset, self.len() - offset) as u64;
            let mapping = self.lookup(offset)?;
            if !self.reads_as_zero(mapping, offset / cluster * cluster) {
                return Ok(Some((offset, part)));
            }
            offset += part;
        }
        Ok(None)
    }
}

/// The first-level table, which the header's check has bounded.
fn read_l1(file: &impl Storage, header: &Header) -> Result<Vec<u64>, ImageError> {
    let entries = header.needed_l1_entries() as usize;
    let mut bytes = vec![0; entries * 8];
    file.read(&mut bytes, header.l1_offset)?;
    let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    Ok(bytes.chunks_exact(8).map(number).collect())
}

impl<S: Storage> DiskIo for Qcow2<S> {
    fn len(&self) -> u64 {
        self.header.size / SECTOR * SECTOR
    }

    fn read_only(&self) -> bool {
        self.read_only
    }

    fn read_at(&mut self, mut offset: u64, mut data: &mut [u8]) -> Result<(), DiskError> {
        self.check_range(offset, data.len() as u64)?;
        while !data.is_empty() {
            let (part, rest) = data.split_at_mut(self.within_cluster(offset, data.len() as u64));
            let mapping = self.lookup(offset)?;
            self.read_part(mapping, offset, part)?;
            offset += part.len() as u64;
            data = rest;
        }
        Ok(())
    }

    fn write_at(&mut self, mut offset: u64, mut data: &[u8]) -> Result<(), DiskError> {
        self.check_change(offset, data.len() as u64)?;
        while !data.is_empty() {
            let (part, rest) = data.split_at(self.within_cluster(offset, data.len() as u64));
            self.write_part(offset, part)?;
            offset += part.len() as u64;
            data = rest;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), DiskError> {
        Ok(self.file.sync()?)
    }

    fn discard(&mut self, offset: u64, length: u64) -> Result<(), DiskError> {
        self.check_change(offset, length)?;
        self.each_whole_cluster(offset, length, Self::discard_cluster)
    }

    fn write_zeroes(&mut self, offset: u64, length: u64, may_unmap: bool) -> Result<(), DiskError> {
        self.check_change(offset, length)?;
        self.zero_edges(offset, length)?;
        self.each_whole_cluster(offset, length, |image, cluster| image.zero_cluster(cluster, may_unmap))
    }

    fn discard_granularity(&self) -> u32 {
        self.header.cluster_size() as u32
    }
}

#[cfg(test)]
mod tests;
