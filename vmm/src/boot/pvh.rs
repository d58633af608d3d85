//! PVH: Xen's boot protocol for ELF kernels and firmware (xen/include/public/arch-x86/hvm/start_info.h).

use super::BootError;
use super::entry::{self, Entry};
use super::image::Initrd;
use super::memory_map::{self, Range};
use crate::memory::layout::{ACPI, COMMAND_LINE, START_INFO};
use linux_loader::loader::start_info::{hvm_memmap_table_entry, hvm_modlist_entry, hvm_start_info};
use vm_memory::{ByteValued, Bytes, GuestAddress};
use vmm_sys::memory::GuestMemory;

/// XEN_HVM_START_MAGIC_VALUE.
const MAGIC: u32 = 0x336e_c578;
/// The version whose structure has the memory map.
const VERSION: u32 = 1;

/// Writes the start information and returns the state in which the protocol enters the image.
pub(super) fn write(image_entry: u32, initrd: Option<Initrd>, memory: &GuestMemory) -> Result<Entry, BootError> {
    let ranges = memory_map::ranges(memory);
    let modules = START_INFO + size_of::<hvm_start_info>() as u64;
    let map = modules + size_of::<hvm_modlist_entry>() as u64;
    let info = hvm_start_info {
        magic: MAGIC,
        version: VERSION,
        nr_modules: u32::from(initrd.is_some()),
        modlist_paddr: modules,
        cmdline_paddr: COMMAND_LINE,
        rsdp_paddr: ACPI,
        memmap_paddr: map,
        memmap_entries: ranges.len() as u32,
        ..Default::default()
    };
    memory.write_slice(info.as_slice(), GuestAddress(START_INFO))?;
    if let Some(Initrd { start, size }) = initrd {
        let module = hvm_modlist_entry { paddr: start, size, ..Default::default() };
        memory.write_slice(module.as_slice(), GuestAddress(modules))?;
    }
    for (place, Range { start, length, kind }) in (map..).step_by(size_of::<hvm_memmap_table_entry>()).zip(ranges) {
        let range = hvm_memmap_table_entry { addr: start, size: length, type_: kind, reserved: 0 };
        memory.write_slice(range.as_slice(), GuestAddress(place))?;
    }
    Ok(entry::pvh(image_entry, START_INFO as u32))
}
