//! Linux's 64-bit boot protocol (Documentation/arch/x86/boot.rst).

use super::BootError;
use super::entry::{self, Entry};
use super::image::Initrd;
use super::memory_map;
use crate::memory::layout::{ACPI, COMMAND_LINE, GDT, IDENTITY_MAP, PAGE_TABLES, ZERO_PAGE};
use linux_loader::loader::bootparam::{boot_e820_entry, boot_params, setup_header};
use vm_memory::{Bytes, GuestAddress};
use vmm_sys::memory::GuestMemory;

/// A boot loader without a registered number.
const LOADER_TYPE: u8 = 0xff;

const PAGE: u64 = 4096;
const PRESENT_WRITABLE: u64 = 3;
const LARGE: u64 = 1 << 7;

/// Writes the zero page, page tables and descriptors, and returns the state in which the protocol enters the kernel.
pub(super) fn write(
    header: setup_header,
    entry: u64,
    initrd: Option<Initrd>,
    command_line: &str,
    memory: &GuestMemory,
) -> Result<Entry, BootError> {
    let mut parameters = boot_params { hdr: header, acpi_rsdp_addr: ACPI, ..Default::default() };
    parameters.hdr.type_of_loader = LOADER_TYPE;
    parameters.hdr.cmd_line_ptr = COMMAND_LINE as u32;
    parameters.hdr.cmdline_size = command_line.len() as u32;
    if let Some(Initrd { start, size }) = initrd {
        parameters.hdr.ramdisk_image = start as u32;
        parameters.hdr.ramdisk_size = size as u32;
    }
    let ranges = memory_map::ranges(memory);
    parameters.e820_entries = ranges.len() as u8;
    for (slot, range) in parameters.e820_table.iter_mut().zip(ranges) {
        *slot = boot_e820_entry { addr: range.start, size: range.length, r#type: range.kind };
    }
    memory.write_obj(parameters, GuestAddress(ZERO_PAGE))?;
    write_page_tables(memory)?;
    memory.write_obj(entry::GDT_ENTRIES, GuestAddress(GDT))?;
    Ok(entry::linux(entry, ZERO_PAGE))
}

/// Maps the first GiB to itself by 2 MiB pages: kernel, zero page and command line lie there.
fn write_page_tables(memory: &GuestMemory) -> Result<(), BootError> {
    let (level3, level2) = (PAGE_TABLES + PAGE, PAGE_TABLES + 2 * PAGE);
    memory.write_obj(level3 | PRESENT_WRITABLE, GuestAddress(PAGE_TABLES))?;
    memory.write_obj(level2 | PRESENT_WRITABLE, GuestAddress(level3))?;
    let mut table = [0_u8; PAGE as usize];
    for (address, entry) in (0..IDENTITY_MAP).step_by(2 << 20).zip(table.chunks_exact_mut(8)) {
        entry.copy_from_slice(&(address | LARGE | PRESENT_WRITABLE).to_le_bytes());
    }
    Ok(memory.write_slice(&table, GuestAddress(level2))?)
}
