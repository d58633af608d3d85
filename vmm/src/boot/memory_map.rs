//! The map of memory that both boot protocols hand to the guest.

use crate::memory::layout::{ECAM, ECAM_LENGTH, HIGH_MEMORY, KERNEL, LOW_END};
use vm_memory::{GuestMemoryBackend, GuestMemoryRegion};
use vmm_sys::memory::GuestMemory;

/// E820's and PVH's number for usable memory.
const USABLE: u32 = 1;
/// E820's and PVH's number for what is in use by the platform.
const RESERVED: u32 = 2;

/// One range; kinds have the same numbers in both protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) start: u64,
    pub(super) length: u64,
    pub(super) kind: u32,
}

/// All ranges in ascending order.
pub(super) fn ranges(memory: &GuestMemory) -> Vec<Range> {
    let usable = |start: u64, end: u64| Range { start, length: end.saturating_sub(start), kind: USABLE };
    let low_end = memory.iter().next().map_or(0, GuestMemoryRegion::len);
    let low = [
        usable(0, LOW_END),
        Range { start: LOW_END, length: KERNEL - LOW_END, kind: RESERVED },
        usable(KERNEL, low_end),
        Range { start: ECAM, length: ECAM_LENGTH, kind: RESERVED },
    ];
    let high = memory.iter().skip(1).map(|region| usable(HIGH_MEMORY, HIGH_MEMORY + region.len()));
    low.into_iter().chain(high).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_ascending_and_do_not_overlap() {
        for mebibytes in [2, 512, 3072, 5000] {
            let memory = crate::memory::map(mebibytes).unwrap();
            let ranges = ranges(&memory);
            assert!(ranges.windows(2).all(|pair| pair[0].start + pair[0].length <= pair[1].start), "{mebibytes}");
            let usable: u64 = ranges.iter().filter(|range| range.kind == USABLE).map(|range| range.length).sum();
            assert_eq!(usable, (mebibytes << 20) - (KERNEL - LOW_END));
        }
    }
}
