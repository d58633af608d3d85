//! Changing clusters, each change in an order that leaves a good image at every instant.

use super::Qcow2;
use super::map::Mapping;
use super::storage::Storage;
use crate::DiskError;
use crate::DiskIo;

impl<S: Storage> Qcow2<S> {
    /// Writes `part`, which lies within one cluster.
    pub(super) fn write_part(&mut self, offset: u64, part: &[u8]) -> Result<(), DiskError> {
        let within = offset % self.header.cluster_size();
        match self.lookup(offset)? {
            Mapping::Data { host, owned: true } => self.put(part, host + within),
            Mapping::Zero { host: Some(host), owned: true } => self.fill_reserved(offset, host, part),
            mapping => self.write_new(mapping, offset, part),
        }
    }

    /// Writes to a cluster that reads as zeroes and has a place that holds anything.
    fn fill_reserved(&mut self, offset: u64, host: u64, part: &[u8]) -> Result<(), DiskError> {
        let table = self.table_for(offset)?;
        self.write_whole(Mapping::Zero { host: None, owned: false }, offset, host, part)?;
        self.set_data(table, offset, host)
    }

    /// Writes to a cluster that has no place of its own yet.
    fn write_new(&mut self, mapping: Mapping, offset: u64, part: &[u8]) -> Result<(), DiskError> {
        let cluster = self.header.cluster_size();
        let table = self.table_for(offset)?;
        let fresh = self.allocate()?;
        let whole = part.len() as u64 == cluster;
        let sparse = fresh.zeroed && self.reads_as_zero(mapping, offset / cluster * cluster);
        let written = match (whole, sparse) {
            (true, _) => self.put(part, fresh.host),
            (false, true) => self.extend(fresh.host).and_then(|()| self.put(part, fresh.host + offset % cluster)),
            (false, false) => self.write_whole(mapping, offset, fresh.host, part),
        };
        let done = written.and_then(|()| self.set_data(table, offset, fresh.host));
        if done.is_err() {
            self.give_back(fresh.host);
        }
        done
    }

    /// Writes a whole cluster to `host`: `part` at its place, the rest as `mapping` reads.
    fn write_whole(&mut self, mapping: Mapping, offset: u64, host: u64, part: &[u8]) -> Result<(), DiskError> {
        let cluster = self.header.cluster_size();
        let within = (offset % cluster) as usize;
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.resize(cluster as usize, 0);
        let read = if part.len() as u64 == cluster {
            Ok(())
        } else {
            self.read_part(mapping, offset / cluster * cluster, &mut scratch)
        };
        let written = read.and_then(|()| {
            scratch[within..within + part.len()].copy_from_slice(part);
            self.put(&scratch, host)
        });
        self.scratch = scratch;
        written
    }

    fn put(&mut self, data: &[u8], host: u64) -> Result<(), DiskError> {
        self.file.write(data, host)?;
        self.length = self.length.max(host + data.len() as u64);
        Ok(())
    }

    /// The second-level table for `offset`, made if there is none.
    fn table_for(&mut self, offset: u64) -> Result<u64, DiskError> {
        if let Some(table) = self.l2_table(offset)? {
            return Ok(table);
        }
        let fresh = self.allocate()?;
        let made = self.clear_table(fresh.host, fresh.zeroed).and_then(|()| self.set_table(offset, fresh.host));
        match made {
            Ok(()) => Ok(fresh.host),
            Err(error) => {
                self.give_back(fresh.host);
                Err(error)
            }
        }
    }

    pub(super) fn clear_table(&mut self, host: u64, zeroed: bool) -> Result<(), DiskError> {
        self.extend(host)?;
        if zeroed { Ok(()) } else { self.put(&vec![0; self.header.cluster_size() as usize], host) }
    }

    /// Calls `change` with the first offset of each cluster that lies wholly in a range; the disk's last one may be short.
    pub(super) fn each_whole_cluster(
        &mut self,
        offset: u64,
        length: u64,
        mut change: impl FnMut(&mut Self, u64) -> Result<(), DiskError>,
    ) -> Result<(), DiskError> {
        let cluster = self.header.cluster_size();
        let end = offset + length;
        let mut at = offset.next_multiple_of(cluster);
        while at < end && (at + cluster <= end || end == self.len()) {
            change(self, at)?;
            at += cluster;
        }
        Ok(())
    }

    /// Gives a cluster's space back. One that only the backing layer has stays as it is.
    pub(super) fn discard_cluster(&mut self, offset: u64) -> Result<(), DiskError> {
        let Mapping::Data { host, owned: true } = self.lookup(offset)? else { return Ok(()) };
        if self.header.version == 2 {
            return Ok(());
        }
        let table = self.table_for(offset)?;
        self.set_zero(table, offset, Some(host))?;
        self.file.punch(host, self.header.cluster_size());
        Ok(())
    }

    /// Makes a whole cluster read as zeroes.
    pub(super) fn zero_cluster(&mut self, offset: u64, may_unmap: bool) -> Result<(), DiskError> {
        let mapping = self.lookup(offset)?;
        if self.reads_as_zero(mapping, offset) {
            return Ok(());
        }
        if self.header.version == 2 {
            let zeroes = vec![0; self.within_cluster(offset, self.len() - offset)];
            return self.write_part(offset, &zeroes);
        }
        let kept = match mapping {
            Mapping::Data { host, owned: true } => Some(host),
            _ => None,
        };
        let table = self.table_for(offset)?;
        self.set_zero(table, offset, kept)?;
        if let Some(host) = kept.filter(|_| may_unmap) {
            self.file.punch(host, self.header.cluster_size());
        }
        Ok(())
    }

    /// Writes zeroes to the parts of clusters at both ends of a range.
    pub(super) fn zero_edges(&mut self, offset: u64, length: u64) -> Result<(), DiskError> {
        let cluster = self.header.cluster_size();
        let end = offset + length;
        let head = offset.next_multiple_of(cluster).min(end);
        if offset < head {
            self.zero_part(offset, head - offset)?;
        }
        let tail = end / cluster * cluster;
        if tail >= head && tail < end && end != self.len() {
            self.zero_part(tail, end - tail)?;
        }
        Ok(())
    }

    fn zero_part(&mut self, offset: u64, length: u64) -> Result<(), DiskError> {
        let cluster = self.header.cluster_size();
        let mapping = self.lookup(offset)?;
        if self.reads_as_zero(mapping, offset / cluster * cluster) {
            return Ok(());
        }
        self.write_part(offset, &vec![0; length as usize])
    }
}
