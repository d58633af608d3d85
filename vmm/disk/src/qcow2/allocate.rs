//! New clusters at the end of the file, and their refcounts.

use super::Qcow2;
use super::storage::Storage;
use crate::DiskError;

const REFCOUNT_BYTES: u64 = 2;
const BLOCK_RESERVED: u64 = 0x1ff;

/// A cluster to write to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fresh {
    pub(super) host: u64,
    /// Whether what is not written of it reads as zeroes.
    pub(super) zeroed: bool,
}

impl<S: Storage> Qcow2<S> {
    /// A cluster that nothing refers to, its refcount raised.
    pub(super) fn allocate(&mut self) -> Result<Fresh, DiskError> {
        if let Some(host) = self.spare.take() {
            return Ok(Fresh { host, zeroed: false });
        }
        let host = self.append()?;
        match self.reference(host) {
            Ok(()) => Ok(Fresh { host, zeroed: true }),
            Err(error) => {
                self.next = self.next.min(host);
                Err(error)
            }
        }
    }

    /// Takes back a cluster whose write failed.
    pub(super) fn give_back(&mut self, host: u64) {
        self.spare = Some(host);
    }

    /// The next place in the file, with a refcount block that covers it.
    fn append(&mut self) -> Result<u64, DiskError> {
        let cluster = self.header.cluster_size();
        if self.refcount_place(self.next)?.is_none() {
            self.add_refcount_block(self.next)?;
            self.next += cluster;
        }
        let host = self.next;
        self.next += cluster;
        Ok(host)
    }

    /// Sets the refcount of a cluster to one.
    pub(super) fn reference(&mut self, host: u64) -> Result<(), DiskError> {
        let place = self.refcount_place(host)?.ok_or(DiskError::Corrupt { what: "refcount block is missing" })?;
        Ok(self.metadata.write::<2>(&mut self.file, place, 1)?)
    }

    fn clusters_per_block(&self) -> u64 {
        self.header.cluster_size() / REFCOUNT_BYTES
    }

    pub(super) fn table_place(&self, host: u64) -> Result<u64, DiskError> {
        let index = (host >> self.header.cluster_bits) / self.clusters_per_block();
        let entries = u64::from(self.header.refcount_clusters) * self.header.cluster_size() / 8;
        if index >= entries {
            return Err(DiskError::NoSpace);
        }
        Ok(self.header.refcount_offset + 8 * index)
    }

    /// Where the refcount of a cluster is, if there is a block for it.
    pub(super) fn refcount_place(&mut self, host: u64) -> Result<Option<u64>, DiskError> {
        let place = self.table_place(host)?;
        let block = self.metadata.read::<8>(&self.file, place)?;
        if block == 0 {
            return Ok(None);
        }
        if block & BLOCK_RESERVED != 0 || block % self.header.cluster_size() != 0 || block >= self.length {
            return Err(DiskError::Corrupt { what: "refcount table's entry" });
        }
        let within = (host >> self.header.cluster_bits) % self.clusters_per_block();
        Ok(Some(block + REFCOUNT_BYTES * within))
    }

    /// Makes the cluster at `host` the refcount block of its own range, with a refcount for itself.
    pub(super) fn add_refcount_block(&mut self, host: u64) -> Result<(), DiskError> {
        let place = self.table_place(host)?;
        self.extend(host)?;
        let within = (host >> self.header.cluster_bits) % self.clusters_per_block();
        self.metadata.write::<2>(&mut self.file, host + REFCOUNT_BYTES * within, 1)?;
        Ok(self.metadata.write::<8>(&mut self.file, place, host)?)
    }

    /// Makes a new cluster at `host` part of the file, all zeroes.
    pub(super) fn extend(&mut self, host: u64) -> Result<(), DiskError> {
        let (cluster, end) = (self.header.cluster_size(), host + self.header.cluster_size());
        self.file.extend(end)?;
        self.length = self.length.max(end);
        self.metadata.forget(host, cluster);
        Ok(())
    }
}
