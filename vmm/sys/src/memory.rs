//! Guest memory as every part of the process sees it.
//!
//! The alias is the one place that decides about the dirty bitmap: with a bitmap type instead of `()` all writes by devices are logged.

#![expect(unsafe_code, reason = "mappings are made and advised by address")]

use std::io;
use vm_memory::mmap::MmapRegionBuilder;
use vm_memory::{GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion, GuestRegionMmap};

/// The dirty bitmap kept for writes of this process. KVM logs the vCPUs' writes by itself.
pub type DirtyBitmap = ();

/// All of a guest's memory. Cloning it clones references, not memory.
pub type GuestMemory = GuestMemoryMmap<DirtyBitmap>;

/// One contiguous range of guest memory.
pub type GuestRegion = GuestRegionMmap<DirtyBitmap>;

/// A piece of guest memory, as `GuestMemory::get_slice` hands it out.
pub type GuestSlice<'a> = vm_memory::VolatileSlice<'a, ()>;

/// The size of the processor's large pages. Where host and guest addresses agree below it, KVM can map that much at once.
const LARGE_PAGE: usize = 2 << 20;

/// The start of guest memory is backed by small pages: boot data, firmware and small guests lie there, while Linux begins behind it.
const SMALL_PAGES: usize = 16 << 20;

/// Maps guest memory at these guest addresses with these lengths, all of it untouched and zero. The mapping stays until the
/// process ends: it is the one guest's, and nothing can outlive it.
///
/// # Errors
/// Those of mmap(2); `InvalidInput` for ranges that are empty, out of order or overlap.
pub fn map(ranges: &[(u64, usize)]) -> io::Result<GuestMemory> {
    let regions = ranges.iter().map(|(start, length)| map_region(*start, *length)).collect::<io::Result<_>>()?;
    GuestMemory::from_regions(regions).map_err(invalid)
}

fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}

fn map_region(start: u64, length: usize) -> io::Result<GuestRegion> {
    let room = length.checked_add(LARGE_PAGE).filter(|_| length > 0).ok_or(io::ErrorKind::InvalidInput)?;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a fresh mapping at an address of the kernel's choice.
    let place = unsafe { libc::mmap(std::ptr::null_mut(), room, protection, flags, -1, 0) };
    if place == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    let aligned = place.wrapping_byte_add(place.align_offset(LARGE_PAGE));
    if start < LARGE_PAGE as u64 {
        // A guest that needs a few pages there shall not cost large ones, which take long to clear. A kernel without large pages
        // refuses, and needs no advice.
        // SAFETY: the range lies within the mapping, as it is no longer than `length` from the aligned address on.
        unsafe { libc::madvise(aligned, SMALL_PAGES.min(length), libc::MADV_NOHUGEPAGE) };
    }
    // SAFETY: `aligned` starts `length` bytes that were mapped just now with this protection and these flags, are nobody else's
    // and are never unmapped.
    let builder = unsafe { MmapRegionBuilder::new(length).with_raw_mmap_pointer(aligned.cast()) };
    let region = builder.with_mmap_prot(protection).with_mmap_flags(flags).build().map_err(invalid)?;
    GuestRegion::new(region, GuestAddress(start)).ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

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
    use vm_memory::Bytes;

    #[test]
    fn regions_are_aligned_for_large_pages() {
        let memory = map(&[(0, 5 << 20), (4 << 30, 0x3000)]).unwrap();
        for region in memory.iter() {
            assert_eq!(region.as_ptr() as usize % LARGE_PAGE, 0);
        }
        memory.write_obj(7_u8, GuestAddress((4 << 30) + 0x2fff)).unwrap();
        assert_eq!(memory.read_obj::<u8>(GuestAddress((4 << 30) + 0x2fff)).unwrap(), 7);
        assert!(memory.write_obj(7_u8, GuestAddress((4 << 30) + 0x3000)).is_err());
    }

    #[test]
    fn ranges_that_make_no_memory_are_refused() {
        for ranges in [&[(0, 0)][..], &[(0, 0x2000), (0x1000, 0x1000)], &[(0, usize::MAX)]] {
            assert!(map(ranges).is_err(), "{ranges:?}");
        }
    }

    #[test]
    fn discarded_memory_is_zero() {
        let memory = map(&[(0, 0x2000), (0x8000, 0x1000)]).unwrap();
        memory.write_obj(7_u8, GuestAddress(0x8010)).unwrap();
        discard(&memory).unwrap();
        assert_eq!(memory.read_obj::<u8>(GuestAddress(0x8010)).unwrap(), 0);
    }
}
