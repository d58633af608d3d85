//! Guest memory: where it lies and who may have it.
//!
//! Owns the mapping of all guest memory and the address map ([`layout`]). Nobody else maps guest memory; devices, vCPUs and the boot
//! code borrow it. It must not know what is written into it.
//!
//! Invariants:
//! - Memory is mapped lazily: a page costs the host nothing before the guest or a device touches it.
//! - Memory up to 3 GiB lies at zero, the rest above 4 GiB; the hole between belongs to devices.

pub mod layout;

use layout::{HIGH_MEMORY, MMIO_HOLE};
use vmm_sys::memory::GuestMemory;

/// The least memory with which a guest starts: the boot data lies below 1 MiB.
const LEAST_MIB: u64 = 2;

/// Why there is no guest memory.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// The size cannot be mapped by any machine.
    #[error("guest memory of {0} MiB is out of range")]
    Size(u64),
    /// The host refused the mapping.
    #[error("cannot map guest memory")]
    Map(#[from] std::io::Error),
}

/// Maps `mebibytes` of guest memory.
///
/// # Errors
/// When the size makes no machine or the host refuses.
pub fn map(mebibytes: u64) -> Result<GuestMemory, MemoryError> {
    let size = mebibytes.checked_mul(1 << 20).filter(|_| mebibytes >= LEAST_MIB);
    let size = size.filter(|size| *size <= layout::MAX_MEMORY).ok_or(MemoryError::Size(mebibytes))?;
    let low = size.min(MMIO_HOLE);
    let ranges = [(0, low as usize), (HIGH_MEMORY, (size - low) as usize)];
    let used = if size > low { 2 } else { 1 };
    Ok(vmm_sys::memory::map(&ranges[..used])?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vm_memory::{GuestMemoryBackend, GuestMemoryRegion};

    fn ranges(mebibytes: u64) -> Vec<(u64, u64)> {
        map(mebibytes).unwrap().iter().map(|region| (region.start_addr().0, region.len())).collect()
    }

    #[test]
    fn memory_goes_around_the_hole() {
        assert_eq!(ranges(256), [(0, 256 << 20)]);
        assert_eq!(ranges(3072), [(0, 3 << 30)]);
        assert_eq!(ranges(3073), [(0, 3 << 30), (4 << 30, 1 << 20)]);
    }

    #[test]
    fn impossible_sizes_are_refused() {
        for size in [0, 1, u64::MAX, 1 << 40] {
            assert!(matches!(map(size), Err(MemoryError::Size(n)) if n == size));
        }
    }
}
