//! Kernel images, firmware and initial RAM disks: from a descriptor straight into guest memory.

use super::{BootError, Source, kernel};
use crate::memory::layout::{COMMAND_LINE_ROOM, KERNEL, MMIO_HOLE};
use linux_loader::loader::bootparam::{XLF_KERNEL_64, setup_header};
use linux_loader::loader::{BzImage, Elf, KernelLoader, PvhBootCapability};
use std::fs::File;
use std::io::{Read, Seek};
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryRegion};
use vmm_kernel::Prepared;
use vmm_sys::memory::GuestMemory;

const PAGE: u64 = 4096;
/// A bzImage's 64-bit entry point lies behind the 32-bit one.
const ENTRY_OFFSET: u64 = 0x200;
const ELF_MAGIC: [u8; 4] = *b"\x7fELF";

/// An image in guest memory.
pub(super) enum Image {
    /// An ELF kernel or firmware with a PVH note.
    Pvh {
        /// Its 32-bit entry point.
        entry: u32,
        /// The first address after it.
        end: u64,
    },
    /// A Linux kernel with a 64-bit entry point.
    Linux {
        /// Its setup header.
        header: setup_header,
        /// Its entry point.
        entry: u64,
        /// The first address after what it needs, in a bzImage while it unpacks itself.
        end: u64,
    },
}

impl Image {
    /// The longest command line, without the terminating zero.
    pub(super) fn command_line_limit(&self) -> usize {
        match self {
            Self::Pvh { .. } => COMMAND_LINE_ROOM - 1,
            Self::Linux { header, .. } => (header.cmdline_size as usize).min(COMMAND_LINE_ROOM - 1),
        }
    }

    fn end(&self) -> u64 {
        match self {
            Self::Pvh { end, .. } | Self::Linux { end, .. } => *end,
        }
    }

    /// The first address that an initial RAM disk must not reach.
    fn initrd_limit(&self) -> u64 {
        match self {
            Self::Pvh { .. } => MMIO_HOLE,
            Self::Linux { header, .. } => u64::from(header.initrd_addr_max) + 1,
        }
    }
}

/// An initial RAM disk in guest memory.
#[derive(Clone, Copy)]
pub(super) struct Initrd {
    pub(super) start: u64,
    pub(super) size: u64,
}

/// Loads whichever kind of image the source has.
pub(super) fn load(source: &mut Source, memory: &GuestMemory) -> Result<Image, BootError> {
    let file = &mut source.image;
    if let Some(prepared) = Prepared::read(file)? {
        let initrd = source.initrd.as_ref().map_or(Ok(0), |file| file.metadata().map(|found| found.len()))?;
        let ceiling = low_end(memory).min(kernel::INITRD_END).saturating_sub(initrd) & !(PAGE - 1);
        return kernel::load(prepared, file, &source.command_line, ceiling, memory);
    }
    let mut magic = [0; 4];
    file.rewind()?;
    file.read_exact(&mut magic)?;
    if magic == ELF_MAGIC { load_elf(file, memory) } else { load_bzimage(file, memory) }
}

/// The end of the memory that starts at zero.
fn low_end(memory: &GuestMemory) -> u64 {
    memory.iter().next().map_or(0, GuestMemoryRegion::len)
}

fn load_elf(file: &mut File, memory: &GuestMemory) -> Result<Image, BootError> {
    let loaded = Elf::load(memory, None, file, None)?;
    let PvhBootCapability::PvhEntryPresent(entry) = loaded.pvh_boot_cap else {
        return Err(BootError::UnknownImage);
    };
    let entry = u32::try_from(entry.0).map_err(|_| BootError::UnknownImage)?;
    Ok(Image::Pvh { entry, end: loaded.kernel_end })
}

fn load_bzimage(file: &mut File, memory: &GuestMemory) -> Result<Image, BootError> {
    let loaded = BzImage::load(memory, None, file, Some(GuestAddress(KERNEL)))?;
    let header = loaded.setup_header.ok_or(BootError::UnknownImage)?;
    if header.xloadflags & XLF_KERNEL_64 == 0 {
        return Err(BootError::UnknownImage);
    }
    let unpacked = header.pref_address.saturating_add(u64::from(header.init_size));
    let end = loaded.kernel_end.max(unpacked);
    let entry = loaded.kernel_load.0.saturating_add(ENTRY_OFFSET);
    Ok(Image::Linux { header, entry, end })
}

/// Loads the initial RAM disk as high as the kernel can take it.
pub(super) fn load_initrd(file: &mut File, image: &Image, memory: &GuestMemory) -> Result<Initrd, BootError> {
    let size = file.metadata()?.len();
    let too_large = || BootError::InitrdTooLarge { size };
    let start = low_end(memory).min(image.initrd_limit()).checked_sub(size).ok_or_else(too_large)? & !(PAGE - 1);
    if start < image.end() {
        return Err(too_large());
    }
    file.rewind()?;
    let length = usize::try_from(size).map_err(|_| too_large())?;
    memory.read_exact_volatile_from(GuestAddress(start), file, length)?;
    Ok(Initrd { start, size })
}
