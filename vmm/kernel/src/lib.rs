//! Linux kernels made ready for a direct start: unpacked once by the host, placed and randomised at each start by the monitor.
//!
//! A bzImage unpacks itself in the guest at every start, and there picks where it lies (KASLR). It owns both of these steps for
//! the host's side: [`prepare`] unpacks the kernel inside a bzImage into a file, and [`Prepared`] reads that file, says where
//! its parts belong and moves it by relocations, as the kernel's own unpacker does. It knows no guest memory and no KVM.
//!
//! Invariants:
//! - Images come from tenants: sizes are bounded, arithmetic is checked, nothing outside the kernel's own range is touched.
//! - What cannot be prepared (another packing, no relocations) is left to unpack itself; a guest starts either way.
//!
//! The prepared file is the ELF image that the bzImage holds, with program headers of our own: a `PT_LOAD` for each run of pages
//! that are not zero, and one of type [`RELOCATIONS`] for the table that the kernel's build appends to the image
//! (`arch/x86/tools/relocs.c`, read by `handle_relocations` of `arch/x86/boot/compressed/misc.c`).
//!
//! ```text
//! bzImage --find payload--> gzip | lz4 | zstd --unpack--> ELF + relocations --split--> prepared file --> Prepared
//! ```

mod bzimage;
mod elf;
mod prepare;
mod prepared;
mod relocations;
mod unpack;

pub use elf::RELOCATIONS;
pub use prepare::{PrepareError, prepare};
pub use prepared::{Part, Prepared, PreparedError};
pub use relocations::{Place, Relocations};

/// Pages of both processor and file.
const PAGE: usize = 4096;

/// The largest kernel that is unpacked; the kernel's own limit is 1 GiB of addresses, of which modules take half.
const LARGEST: u64 = 512 << 20;

/// The largest table of relocations that is read; that of a kernel of 50 MiB takes 0.8 MiB.
const LARGEST_TABLE: u64 = 16 << 20;
