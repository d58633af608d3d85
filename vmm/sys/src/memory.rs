//! Guest memory as every part of the process sees it.
//!
//! The alias is the one place that decides about the dirty bitmap: with a bitmap type instead of `()` all writes by devices are logged.

#![expect(unsafe_code, reason = "madvise takes an address")]

use std::io;
use vm_memory::{GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion, GuestRegionMmap};

/// The dirty bitmap kept for writes of this process. KVM logs the vCPUs' writes by itself.
pub type DirtyBitmap = ();

/// All of a guest's memory. Cloning it clones references, not memory.
pub type GuestMemory = GuestMemoryMmap<DirtyBitmap>;

/// One contiguous range of guest memory.
pub type GuestRegion = GuestRegionMmap<DirtyBitmap>;

/// A piece of guest memory, as `GuestMemory::get_slice` hands it out.
pub type GuestSlice<'a> = vm_memory::VolatileSlice<'a, ()>;

/// Gives all guest memory back to the host: the guest reads zeroes from now on. Called while no vCPU runs and no device works.
///
/// # Errors
/// Those of madvise(2).
pub fn discard(memory: &GuestMemory) -> io::Result<()> {
    for region in memory.iter() {
        let length = usize::try_from(region.len()).map_err(io::Error::other)?;
        // SAFETY: the range is one whole private anonymous mapping that `memory` owns; guest memory is only read and written
        // through volatile accesses, which may find zeroes at any time.
        if unsafe { libc::madvise(region.as_ptr().cast(), length, libc::MADV_DONTNEED) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use vm_memory::{Bytes, GuestAddress};

    #[test]
    fn discarded_memory_is_zero() {
        let memory = GuestMemory::from_ranges(&[(GuestAddress(0), 0x2000), (GuestAddress(0x8000), 0x1000)]).unwrap();
        memory.write_obj(7_u8, GuestAddress(0x8010)).unwrap();
        discard(&memory).unwrap();
        assert_eq!(memory.read_obj::<u8>(GuestAddress(0x8010)).unwrap(), 0);
    }
}
