//! An empty qcow2 overlay (version 3, 64 KiB clusters, 16-bit reference counts), as docs/interop/qcow2 of QEMU lays it out.
//! It names no backing file: its users are told.

use std::{fs::File, io, os::unix::fs::FileExt};

const CLUSTER_BITS: u32 = 16;
const CLUSTER: u64 = 1 << CLUSTER_BITS;
/// Bytes that one L1 entry maps: a cluster of 8-byte L2 entries.
const PER_L1_ENTRY: u64 = CLUSTER / 8 * CLUSTER;
const REFCOUNT_TABLE: u64 = CLUSTER;
const REFCOUNT_BLOCK: u64 = 2 * CLUSTER;
const L1_TABLE: u64 = 3 * CLUSTER;

/// Writes an empty overlay of `size` bytes into an empty file.
pub fn write(file: &File, size: u64) -> io::Result<()> {
    let l1_entries = u32::try_from(size.div_ceil(PER_L1_ENTRY)).map_err(|_| io::ErrorKind::InvalidInput)?;
    let clusters = 3 + (u64::from(l1_entries) * 8).div_ceil(CLUSTER).max(1);
    file.set_len(clusters * CLUSTER)?;
    file.write_all_at(&REFCOUNT_BLOCK.to_be_bytes(), REFCOUNT_TABLE)?;
    let counts: Vec<u8> = (0..clusters).flat_map(|_| 1_u16.to_be_bytes()).collect();
    file.write_all_at(&counts, REFCOUNT_BLOCK)?;
    file.write_all_at(&header(size, l1_entries), 0)
}

fn header(size: u64, l1_entries: u32) -> Vec<u8> {
    let mut header = Vec::with_capacity(112);
    header.extend(b"QFI\xfb");
    header.extend(3_u32.to_be_bytes());
    // Backing file's name: none.
    header.extend([0; 12]);
    header.extend(CLUSTER_BITS.to_be_bytes());
    header.extend(size.to_be_bytes());
    // Not encrypted.
    header.extend([0; 4]);
    header.extend(l1_entries.to_be_bytes());
    header.extend(L1_TABLE.to_be_bytes());
    header.extend(REFCOUNT_TABLE.to_be_bytes());
    // One cluster of the reference count table.
    header.extend(1_u32.to_be_bytes());
    // No snapshots; no incompatible, compatible or autoclear features.
    header.extend([0; 12 + 24]);
    // 16-bit reference counts; the header's own length; end of header extensions.
    header.extend(4_u32.to_be_bytes());
    header.extend(104_u32.to_be_bytes());
    header.extend([0; 8]);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_version_3_header_of_that_size() {
        let file = tempfile::tempfile().unwrap();
        write(&file, 5 << 30).unwrap();
        let mut header = [0; 104];
        file.read_exact_at(&mut header, 0).unwrap();
        assert_eq!(&header[..8], b"QFI\xfb\0\0\0\x03");
        assert_eq!(header[24..32], (5_u64 << 30).to_be_bytes());
        assert_eq!(header[36..40], 10_u32.to_be_bytes());
    }
}
