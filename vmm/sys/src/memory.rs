//! Guest memory as every part of the process sees it.
//!
//! The alias is the one place that decides about the dirty bitmap: with a bitmap type instead of `()` all writes by devices are logged.

use vm_memory::{GuestMemoryMmap, GuestRegionMmap};

/// The dirty bitmap kept for writes of this process. KVM logs the vCPUs' writes by itself.
pub type DirtyBitmap = ();

/// All of a guest's memory. Cloning it clones references, not memory.
pub type GuestMemory = GuestMemoryMmap<DirtyBitmap>;

/// One contiguous range of guest memory.
pub type GuestRegion = GuestRegionMmap<DirtyBitmap>;

/// A piece of guest memory, as `GuestMemory::get_slice` hands it out.
pub type GuestSlice<'a> = vm_memory::VolatileSlice<'a, ()>;
