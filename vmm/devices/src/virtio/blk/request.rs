//! A request's bytes: `struct virtio_blk_req` and the ranges of discard and write-zeroes.

use super::config::{MAX_RANGE_SECTORS, MAX_RANGES, SECTOR};
use crate::virtio::chain::{Chain, RingError};
use virtio_bindings::virtio_blk::{
    VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_FLUSH, VIRTIO_BLK_T_GET_ID, VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT,
    VIRTIO_BLK_T_WRITE_ZEROES,
};
use vmm_sys::memory::GuestMemory;

pub(super) const HEADER: usize = 16;
const RANGE: usize = 16;
const RANGE_UNMAP: u32 = 1;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Read,
    Write,
    Flush,
    GetId,
    Discard,
    WriteZeroes,
    Unknown,
}

/// A request's header and the place of its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) operation: Operation,
    /// First byte on the disk; out of any disk's range when the sector is too large to be an offset.
    pub(super) offset: u64,
    /// Bytes to read from the guest after the header.
    pub(super) from_guest: usize,
    /// Bytes to write to the guest before the status.
    pub(super) to_guest: usize,
}

impl Request {
    /// Reads the header. A chain without room for a header and a status byte is no request.
    pub(super) fn parse(memory: &GuestMemory, chain: &Chain) -> Result<Self, RingError> {
        let mut header = [0; HEADER];
        chain.read(memory, 0, &mut header)?;
        let to_guest = chain.writable_len().checked_sub(1).ok_or(RingError::Request)?;
        let [t0, t1, t2, t3, _, _, _, _, sector @ ..] = header;
        let operation = match u32::from_le_bytes([t0, t1, t2, t3]) {
            VIRTIO_BLK_T_IN => Operation::Read,
            VIRTIO_BLK_T_OUT => Operation::Write,
            VIRTIO_BLK_T_FLUSH => Operation::Flush,
            VIRTIO_BLK_T_GET_ID => Operation::GetId,
            VIRTIO_BLK_T_DISCARD => Operation::Discard,
            VIRTIO_BLK_T_WRITE_ZEROES => Operation::WriteZeroes,
            _ => Operation::Unknown,
        };
        let offset = u64::from_le_bytes(sector).saturating_mul(SECTOR);
        Ok(Self { operation, offset, from_guest: chain.readable_len() - HEADER, to_guest })
    }
}

/// One range of a discard or write-zeroes request, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) offset: u64,
    pub(super) length: u64,
    pub(super) unmap: bool,
}

/// Why ranges are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RangeError {
    /// Too many, too long, or not whole.
    Limit,
    /// A flag that is not known.
    Flag,
}

/// Reads the ranges of a request; the outer error is the ring's.
pub(super) fn ranges(
    memory: &GuestMemory,
    chain: &Chain,
    length: usize,
) -> Result<Result<Vec<Range>, RangeError>, RingError> {
    let count = length / RANGE;
    if !length.is_multiple_of(RANGE) || count == 0 || count > MAX_RANGES as usize {
        return Ok(Err(RangeError::Limit));
    }
    let mut bytes = vec![0; length];
    chain.read(memory, HEADER, &mut bytes)?;
    Ok(bytes.chunks_exact(RANGE).map(range).collect())
}

fn range(bytes: &[u8]) -> Result<Range, RangeError> {
    let word = |at: usize| bytes[at..at + 4].iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte));
    let sector = u64::from(word(4)) << 32 | u64::from(word(0));
    let (sectors, flags) = (word(8), word(12));
    if flags & !RANGE_UNMAP != 0 {
        return Err(RangeError::Flag);
    }
    if sectors > MAX_RANGE_SECTORS {
        return Err(RangeError::Limit);
    }
    let (offset, length) = (sector.saturating_mul(SECTOR), u64::from(sectors) * SECTOR);
    Ok(Range { offset, length, unmap: flags & RANGE_UNMAP != 0 })
}
