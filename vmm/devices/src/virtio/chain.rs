//! A request as the guest describes it: buffers that the device reads, then buffers that it writes.

use thiserror::Error;
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend};
use vmm_sys::memory::{GuestMemory, GuestSlice};

/// How a guest broke the rules of its ring. The device stops until it is reset.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum RingError {
    /// The available index is further ahead than the queue is long, or a ring lies outside memory.
    #[error("available ring is broken")]
    Ring,
    /// A descriptor index is not below the table's size.
    #[error("descriptor index is out of range")]
    Index,
    /// A chain is longer than its table, hence a loop.
    #[error("descriptor chain is a loop")]
    Loop,
    /// An indirect descriptor within an indirect table, one with a successor, or one that was not negotiated.
    #[error("indirect descriptor is misplaced")]
    Indirect,
    /// A buffer for reading after one for writing.
    #[error("readable descriptor follows a writable one")]
    Order,
    /// A buffer that is not in guest memory, or a chain of 4 GiB and more.
    #[error("buffer lies outside guest memory")]
    Buffer,
    /// A chain without what a request of this device needs.
    #[error("request is malformed")]
    Request,
}

/// A buffer of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its guest physical address.
    pub address: u64,
    /// Its length in bytes.
    pub length: u32,
}

/// A descriptor chain whose descriptors have been read once and checked; the buffers' addresses are checked when used. It is
/// reused from request to request to keep its allocations.
#[derive(Debug, Default)]
pub struct Chain {
    pub(super) head: u16,
    pub(super) readable: Vec<Segment>,
    pub(super) writable: Vec<Segment>,
}

fn total(segments: &[Segment]) -> usize {
    segments.iter().map(|segment| segment.length as usize).sum()
}

impl Chain {
    /// The index by which the chain is given back.
    pub fn head(&self) -> u16 {
        self.head
    }

    /// Bytes that the device may read.
    pub fn readable_len(&self) -> usize {
        total(&self.readable)
    }

    /// Bytes that the device may write.
    pub fn writable_len(&self) -> usize {
        total(&self.writable)
    }

    /// Fills `data` from the readable bytes at `offset`.
    ///
    /// # Errors
    /// When there are too few bytes or they are not in memory.
    pub fn read(&self, memory: &GuestMemory, offset: usize, data: &mut [u8]) -> Result<(), RingError> {
        let mut at = 0;
        for part in parts(&self.readable, offset, data.len())? {
            let end = at + part.length as usize;
            let copied = memory.read_slice(&mut data[at..end], GuestAddress(part.address));
            copied.map_err(|_| RingError::Buffer)?;
            at = end;
        }
        Ok(())
    }

    /// Writes `data` to the writable bytes at `offset`.
    ///
    /// # Errors
    /// When there is too little room or it is not in memory.
    pub fn write(&self, memory: &GuestMemory, offset: usize, data: &[u8]) -> Result<(), RingError> {
        let mut at = 0;
        for part in parts(&self.writable, offset, data.len())? {
            let end = at + part.length as usize;
            let copied = memory.write_slice(&data[at..end], GuestAddress(part.address));
            copied.map_err(|_| RingError::Buffer)?;
            at = end;
        }
        Ok(())
    }

    /// The `length` readable bytes at `offset` as slices of guest memory.
    ///
    /// # Errors
    /// When there are too few bytes or they are not in memory.
    pub fn readable_slices<'m>(
        &self,
        memory: &'m GuestMemory,
        offset: usize,
        length: usize,
    ) -> Result<Vec<GuestSlice<'m>>, RingError> {
        slices(&self.readable, memory, offset, length)
    }

    /// The `length` writable bytes at `offset` as slices of guest memory.
    ///
    /// # Errors
    /// When there is too little room or it is not in memory.
    pub fn writable_slices<'m>(
        &self,
        memory: &'m GuestMemory,
        offset: usize,
        length: usize,
    ) -> Result<Vec<GuestSlice<'m>>, RingError> {
        slices(&self.writable, memory, offset, length)
    }
}

/// The parts of `segments` that make up `length` bytes from `offset` on.
fn parts(
    segments: &[Segment],
    offset: usize,
    length: usize,
) -> Result<impl Iterator<Item = Segment> + use<'_>, RingError> {
    let end = offset.checked_add(length).filter(|end| *end <= total(segments)).ok_or(RingError::Request)?;
    let mut start = 0;
    Ok(segments.iter().filter_map(move |segment| {
        let (first, last) = (start, start + segment.length as usize);
        start = last;
        let (from, to) = (first.max(offset), last.min(end));
        let part =
            || Segment { address: segment.address.saturating_add((from - first) as u64), length: (to - from) as u32 };
        (from < to).then(part)
    }))
}

fn slices<'m>(
    segments: &[Segment],
    memory: &'m GuestMemory,
    offset: usize,
    length: usize,
) -> Result<Vec<GuestSlice<'m>>, RingError> {
    let mut slices = Vec::with_capacity(segments.len());
    for part in parts(segments, offset, length)? {
        for slice in GuestMemoryBackend::get_slices(memory, GuestAddress(part.address), part.length as usize) {
            slices.push(slice.map_err(|_| RingError::Buffer)?);
        }
    }
    Ok(slices)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> GuestMemory {
        GuestMemory::from_ranges(&[(GuestAddress(0), 0x1000), (GuestAddress(0x1000), 0x1000)]).unwrap()
    }

    fn segment(address: u64, length: u32) -> Segment {
        Segment { address, length }
    }

    #[test]
    fn a_request_may_be_cut_anywhere() {
        let memory = memory();
        memory.write_slice(b"abcdef", GuestAddress(0x0ffd)).unwrap();
        let readable = vec![segment(0xffd, 2), segment(0, 0), segment(0xfff, 4)];
        let chain = Chain { head: 0, readable, writable: vec![segment(0x100, 1), segment(0x200, 9)] };
        let mut middle = [0; 4];
        chain.read(&memory, 1, &mut middle).unwrap();
        assert_eq!(&middle, b"bcde");
        chain.write(&memory, 0, b"xyz").unwrap();
        assert_eq!(memory.read_obj::<u8>(GuestAddress(0x100)).unwrap(), b'x');
        assert_eq!(memory.read_obj::<[u8; 2]>(GuestAddress(0x200)).unwrap(), *b"yz");
        let lengths: Vec<_> = chain.readable_slices(&memory, 1, 5).unwrap().iter().map(|s| s.len()).collect();
        assert_eq!(lengths, [1, 1, 3]);
    }

    #[test]
    fn what_is_not_there_is_refused() {
        let memory = memory();
        let chain = Chain { head: 0, readable: vec![segment(0x1ff0, 0x20)], writable: vec![segment(u64::MAX, 2)] };
        assert_eq!(chain.read(&memory, 0x1f, &mut [0; 2]), Err(RingError::Request));
        assert_eq!(chain.read(&memory, usize::MAX, &mut [0; 2]), Err(RingError::Request));
        assert_eq!(chain.read(&memory, 0, &mut [0; 0x20]), Err(RingError::Buffer));
        assert_eq!(chain.write(&memory, 0, &[0; 2]), Err(RingError::Buffer));
        assert_eq!(chain.readable_slices(&memory, 0, 0x20).map(|s| s.len()), Err(RingError::Buffer));
        assert_eq!(chain.writable_slices(&memory, 1, 1).map(|s| s.len()), Err(RingError::Buffer));
    }
}
