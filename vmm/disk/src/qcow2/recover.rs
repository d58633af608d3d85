//! What a crash of the host may have left: table entries that reached the disk without what they refer to.

use super::Qcow2;
use super::map::Mapping;
use super::storage::Storage;
use crate::image::ImageError;
use crate::{DiskError, DiskIo};

impl<S: Storage> Qcow2<S> {
    /// Looks through all tables; entries beyond the end of the file are cleared, and missing refcounts raised. No cluster is
    /// handed out that a table refers to, because new ones come after the end of the file.
    pub(super) fn recover(&mut self) -> Result<(), ImageError> {
        let covered = self.header.cluster_size() * self.header.l2_entries();
        for index in 0..self.l1.len() {
            let offset = index as u64 * covered;
            match self.l1[index] {
                0 => {}
                _ if self.lost(self.l1[index]) => self.forget_table(index)?,
                _ => self.recover_table(offset)?,
            }
        }
        Ok(())
    }

    /// Whether an entry refers to what lies beyond the end of the file.
    fn lost(&self, entry: u64) -> bool {
        entry & (1 << 62) == 0 && entry & 0x00ff_ffff_ffff_fe00 >= self.length
    }

    fn forget_table(&mut self, index: usize) -> Result<(), DiskError> {
        let place = self.header.l1_offset + 8 * index as u64;
        self.metadata.write::<8>(&mut self.file, place, 0)?;
        self.l1[index] = 0;
        Ok(())
    }

    fn recover_table(&mut self, offset: u64) -> Result<(), DiskError> {
        let Some(table) = self.l2_table(offset)? else { return Ok(()) };
        self.recover_refcount(table)?;
        let covered = self.header.cluster_size() * self.header.l2_entries();
        let clusters = covered.min(self.len().next_multiple_of(self.header.cluster_size()) - offset);
        for number in 0..clusters >> self.header.cluster_bits {
            let place = table + 8 * number;
            let entry = self.metadata.read::<8>(&self.file, place)?;
            if self.lost(entry) {
                self.metadata.write::<8>(&mut self.file, place, 0)?;
                continue;
            }
            match self.mapping(entry)? {
                Mapping::Data { host, .. } | Mapping::Zero { host: Some(host), .. } => self.recover_refcount(host)?,
                Mapping::Compressed { .. } | Mapping::Zero { host: None, .. } | Mapping::Unallocated => {}
            }
        }
        Ok(())
    }

    fn recover_refcount(&mut self, host: u64) -> Result<(), DiskError> {
        let place = self.table_place(host)?;
        let block = self.metadata.read::<8>(&self.file, place)?;
        if block == 0 || self.lost(block) {
            self.metadata.write::<8>(&mut self.file, place, 0)?;
            self.replace_refcount_block(host, place)?;
        }
        let count = self.refcount_place(host)?.ok_or(DiskError::Corrupt { what: "refcount block is missing" })?;
        if self.metadata.read::<2>(&self.file, count)? == 0 {
            self.metadata.write::<2>(&mut self.file, count, 1)?;
        }
        Ok(())
    }

    /// A new, empty block for the refcounts around `host`, whose entry in the refcount table is at `place`.
    fn replace_refcount_block(&mut self, host: u64, place: u64) -> Result<(), DiskError> {
        let fresh = self.allocate()?;
        if self.refcount_place(host)?.is_some() {
            // The new cluster lies in the same range and has brought the block with it.
            self.give_back(fresh.host);
            return Ok(());
        }
        self.clear_table(fresh.host, fresh.zeroed)?;
        Ok(self.metadata.write::<8>(&mut self.file, place, fresh.host)?)
    }
}
