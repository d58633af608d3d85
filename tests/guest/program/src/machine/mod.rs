//! What the boot loader left: memory, command line, and the ACPI tables' few facts that are of use here.
//!
//! Read once, before the first megabyte is written to; nothing points there afterwards.

pub mod acpi;

use acpi::Acpi;
use alloc::string::String;
use alloc::vec::Vec;
use core::ptr::read_unaligned;

const START_INFO_MAGIC: u32 = 0x336e_c578;
const MEMORY_RAM: u32 = 1;

/// `struct hvm_start_info` of Xen's PVH start, version 1.
#[repr(C)]
#[derive(Clone, Copy)]
struct StartInfo {
    magic: u32,
    version: u32,
    flags: u32,
    module_count: u32,
    modules: u64,
    cmdline: u64,
    rsdp: u64,
    memory_map: u64,
    memory_entries: u32,
    reserved: u32,
}

/// `struct hvm_memmap_table_entry`.
#[repr(C)]
#[derive(Clone, Copy)]
struct MemoryEntry {
    address: u64,
    size: u64,
    kind: u32,
    reserved: u32,
}

/// The machine as its firmware describes it.
pub struct Machine {
    /// Bytes of RAM in the memory map.
    pub memory: u64,
    /// The command line.
    pub cmdline: String,
    /// What the ACPI tables say; `None` without tables.
    pub acpi: Option<Acpi>,
}

impl Machine {
    /// Reads the start information.
    ///
    /// # Safety
    /// `address` is the one that the boot loader passed, and what it points to is still there.
    pub unsafe fn discover(address: u64) -> Self {
        // SAFETY: the boot loader put the structure there.
        let info = unsafe { read_unaligned(address as *const StartInfo) };
        assert!(info.magic == START_INFO_MAGIC, "no PVH start information");
        // SAFETY: these addresses come from the structure, and the tables follow their specifications.
        let (memory, cmdline, acpi) = unsafe { (memory_size(&info), read_string(info.cmdline), acpi::read(info.rsdp)) };
        Self { memory, cmdline, acpi }
    }

    /// Whether the command line has this word.
    pub fn has_option(&self, word: &str) -> bool {
        self.cmdline.split_ascii_whitespace().any(|each| each == word)
    }

    /// The value of `name=value` on the command line.
    pub fn option(&self, name: &str) -> Option<&str> {
        let mut words = self.cmdline.split_ascii_whitespace();
        words.find_map(|each| each.strip_prefix(name)?.strip_prefix('='))
    }
}

unsafe fn memory_size(info: &StartInfo) -> u64 {
    let entries = if info.version == 0 { 0 } else { info.memory_entries as usize };
    // SAFETY: the caller vouches for the start information.
    let entry = |index| unsafe { read_unaligned((info.memory_map as *const MemoryEntry).add(index)) };
    (0..entries).map(entry).filter(|entry| entry.kind == MEMORY_RAM).map(|entry| entry.size).sum()
}

unsafe fn read_string(address: u64) -> String {
    const LONGEST: usize = 4096;
    if address == 0 {
        return String::new();
    }
    // SAFETY: the caller vouches for the address; the string ends with a zero.
    let bytes: Vec<u8> =
        (0..LONGEST).map(|at| unsafe { (address as *const u8).add(at).read() }).take_while(|b| *b != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}
