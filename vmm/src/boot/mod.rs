//! What lies in guest memory when the first vCPU starts, and where that vCPU starts.
//!
//! Owns kernel images and firmware, the start information of both boot protocols, ACPI and SMBIOS tables. It writes guest
//! memory and returns an [`Entry`]; it must not know KVM or a device.
//!
//! Invariants:
//! - Images are hostile: everything read from them is bounded by guest memory.
//! - Loading may be repeated: a reset loads again into discarded memory, and places a prepared kernel anew.
//!
//! ```text
//! Source (descriptors) --load--> Loaded{protocol} --start info--> Entry{registers} --> vcpu 0
//! ```

pub mod acpi;
pub mod entry;
mod image;
mod kernel;
mod linux;
mod memory_map;
mod pvh;
pub mod smbios;

pub use entry::Entry;

use crate::memory::layout;
use image::Image;
use std::fs::File;
use vm_memory::{Bytes, GuestAddress};
use vmm_sys::memory::GuestMemory;

/// Why a guest cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// Neither an ELF image with a PVH entry nor a bzImage with a 64-bit entry.
    #[error("the kernel image is neither a PVH ELF nor a 64-bit bzImage")]
    UnknownImage,
    /// The image announces what it does not hold, or does not fit guest memory.
    #[error("the kernel image cannot be loaded")]
    Image(#[from] linux_loader::loader::Error),
    /// A prepared kernel is not what it should be.
    #[error("the prepared kernel cannot be loaded")]
    Prepared(#[from] vmm_kernel::PreparedError),
    /// The kernel does not fit below the initial RAM disk.
    #[error("the kernel does not fit guest memory")]
    KernelTooLarge,
    /// The initial RAM disk does not fit beside the kernel.
    #[error("the initial RAM disk of {size} bytes does not fit guest memory")]
    InitrdTooLarge {
        /// Its size.
        size: u64,
    },
    /// The command line is longer than the kernel takes.
    #[error("the command line of {length} bytes is longer than {limit}")]
    CommandLine {
        /// Its length.
        length: usize,
        /// What the kernel takes.
        limit: usize,
    },
    /// Tables outgrew their place.
    #[error("{0} tables do not fit their place")]
    Tables(&'static str),
    /// An image could not be read.
    #[error("cannot read an image")]
    Read(#[from] std::io::Error),
    /// Boot data does not fit guest memory.
    #[error("boot data does not fit guest memory")]
    Memory(#[from] vm_memory::GuestMemoryError),
}

/// What the guest starts from. Kept for the life of the machine: each reset loads it again.
pub struct Source {
    /// Kernel or firmware.
    pub image: File,
    /// The initial RAM disk.
    pub initrd: Option<File>,
    /// The kernel's command line; empty for firmware.
    pub command_line: String,
}

/// Firmware tables, made once for a machine.
pub struct Tables {
    /// The bytes at [`layout::ACPI`].
    pub acpi: Vec<u8>,
    /// The bytes at [`layout::SMBIOS`].
    pub smbios: Vec<u8>,
}

/// Fills fresh (all zero) guest memory and says where vCPU 0 starts.
///
/// # Errors
/// When an image is not what it should be, or something does not fit.
pub fn load(source: &mut Source, tables: &Tables, memory: &GuestMemory) -> Result<Entry, BootError> {
    write_tables(tables, memory)?;
    let image = image::load(source, memory)?;
    let initrd = source.initrd.as_mut().map(|file| image::load_initrd(file, &image, memory)).transpose()?;
    write_command_line(&source.command_line, &image, memory)?;
    match image {
        Image::Pvh { entry, .. } => pvh::write(entry, initrd, memory),
        Image::Linux { header, entry, .. } => linux::write(header, entry, initrd, &source.command_line, memory),
    }
}

fn write_tables(tables: &Tables, memory: &GuestMemory) -> Result<(), BootError> {
    let places = [
        ("ACPI", &tables.acpi, layout::ACPI, layout::ACPI_ROOM),
        ("SMBIOS", &tables.smbios, layout::SMBIOS, layout::SMBIOS_ROOM),
    ];
    for (name, bytes, place, room) in places {
        if bytes.len() > room {
            return Err(BootError::Tables(name));
        }
        memory.write_slice(bytes, GuestAddress(place))?;
    }
    Ok(())
}

fn write_command_line(line: &str, image: &Image, memory: &GuestMemory) -> Result<(), BootError> {
    let limit = image.command_line_limit();
    if line.len() > limit || line.contains('\0') {
        return Err(BootError::CommandLine { length: line.len(), limit });
    }
    // The terminating zero is there: the memory is fresh.
    Ok(memory.write_slice(line.as_bytes(), GuestAddress(layout::COMMAND_LINE))?)
}
