//! From a guest's offset to a place in the file, and back into the tables.

use super::Qcow2;
use super::storage::Storage;
use crate::DiskError;

/// The cluster or table belongs to this entry alone and may be overwritten.
pub(super) const COPIED: u64 = 1 << 63;
const COMPRESSED: u64 = 1 << 62;
const ZERO: u64 = 1;
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
const L1_RESERVED: u64 = !(COPIED | OFFSET);
const L2_RESERVED: u64 = !(COPIED | COMPRESSED | OFFSET | ZERO);

/// Where compressed data lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) offset: u64,
    pub(super) length: u64,
}

/// What a second-level entry says of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mapping {
    /// Nothing: the backing layer knows.
    Unallocated,
    /// Zeroes; a cluster may be reserved for later data.
    Zero { host: Option<u64>, owned: bool },
    /// A cluster of the file; `owned` if it may be written.
    Data { host: u64, owned: bool },
    /// Compressed data.
    Compressed { place: Place },
}

impl<S: Storage> Qcow2<S> {
    fn l2_bits(&self) -> u32 {
        self.header.cluster_bits - 3
    }

    pub(super) fn l1_index(&self, offset: u64) -> usize {
        (offset >> (self.header.cluster_bits + self.l2_bits())) as usize
    }

    fn l2_index(&self, offset: u64) -> u64 {
        offset >> self.header.cluster_bits & (self.header.l2_entries() - 1)
    }

    /// The second-level table that covers `offset`.
    pub(super) fn l2_table(&self, offset: u64) -> Result<Option<u64>, DiskError> {
        let entry = self.l1.get(self.l1_index(offset)).copied().unwrap_or(0);
        if entry == 0 {
            return Ok(None);
        }
        let table = entry & OFFSET;
        if entry & L1_RESERVED != 0 || table == 0 {
            return Err(DiskError::Corrupt { what: "first-level entry" });
        }
        self.check_cluster(table)?;
        Ok(Some(table))
    }

    /// Whether a cluster is aligned and begins within the file, behind the header.
    fn check_cluster(&self, host: u64) -> Result<(), DiskError> {
        if !host.is_multiple_of(self.header.cluster_size()) || host == 0 {
            return Err(DiskError::Corrupt { what: "cluster is not aligned" });
        }
        if host >= self.length {
            return Err(DiskError::Truncated);
        }
        Ok(())
    }

    pub(super) fn lookup(&mut self, offset: u64) -> Result<Mapping, DiskError> {
        let Some(table) = self.l2_table(offset)? else { return Ok(Mapping::Unallocated) };
        let entry = self.metadata.read::<8>(&self.file, table + 8 * self.l2_index(offset))?;
        self.mapping(entry)
    }

    /// What an entry means; clusters beyond the end of the file are corrupt.
    pub(super) fn mapping(&self, entry: u64) -> Result<Mapping, DiskError> {
        if entry & COMPRESSED != 0 {
            return self.compressed(entry);
        }
        let (host, owned) = (entry & OFFSET, entry & COPIED != 0);
        let zero = entry & ZERO != 0;
        if entry & L2_RESERVED != 0 || zero && self.header.version == 2 {
            return Err(DiskError::Corrupt { what: "second-level entry" });
        }
        if host != 0 {
            self.check_cluster(host)?;
        }
        Ok(match (zero, host) {
            (true, 0) => Mapping::Zero { host: None, owned: false },
            (true, host) => Mapping::Zero { host: Some(host), owned },
            (false, 0) => Mapping::Unallocated,
            (false, host) => Mapping::Data { host, owned },
        })
    }

    fn compressed(&self, entry: u64) -> Result<Mapping, DiskError> {
        let split = 62 - (self.header.cluster_bits - 8);
        let offset = entry & ((1 << split) - 1);
        let sectors = (entry & (COMPRESSED - 1)) >> split;
        if entry & COPIED != 0 || offset == 0 {
            return Err(DiskError::Corrupt { what: "entry of a compressed cluster" });
        }
        if offset >= self.length {
            return Err(DiskError::Truncated);
        }
        Ok(Mapping::Compressed { place: Place { offset, length: (sectors + 1) * 512 - offset % 512 } })
    }

    /// Makes `offset` map to a cluster, whose data is in place.
    pub(super) fn set_data(&mut self, table: u64, offset: u64, host: u64) -> Result<(), DiskError> {
        self.set_entry(table, offset, host | COPIED)
    }

    /// Makes `offset` read as zeroes, keeping its cluster if it has one of its own.
    pub(super) fn set_zero(&mut self, table: u64, offset: u64, host: Option<u64>) -> Result<(), DiskError> {
        self.set_entry(table, offset, ZERO | host.map_or(0, |host| host | COPIED))
    }

    fn set_entry(&mut self, table: u64, offset: u64, entry: u64) -> Result<(), DiskError> {
        let at = table + 8 * self.l2_index(offset);
        Ok(self.metadata.write::<8>(&mut self.file, at, entry)?)
    }

    /// Makes a new second-level table known.
    pub(super) fn set_table(&mut self, offset: u64, table: u64) -> Result<(), DiskError> {
        let index = self.l1_index(offset);
        let place = self.header.l1_offset + 8 * index as u64;
        self.metadata.write::<8>(&mut self.file, place, table | COPIED)?;
        self.l1[index] = table | COPIED;
        Ok(())
    }
}
