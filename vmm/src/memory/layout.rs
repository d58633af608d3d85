//! The guest-physical address map.
//!
//! ```text
//! 0x0000_0500  GDT for the 64-bit Linux entry       0x0010_0000  kernel or firmware
//! 0x0000_6000  PVH start info                       ...          initrd at the top of low memory
//! 0x0000_7000  Linux zero page                      0xc000_0000  PCI memory window
//! 0x0000_9000  page tables for that entry           0xe800_0000  ECAM, one bus
//! 0x0002_0000  command line                         0xfec0_0000  IOAPIC
//! 0x000e_0000  ACPI tables                          0xfee0_0000  local APICs
//! 0x000f_0000  SMBIOS                               0x1_0000_0000  memory beyond 3 GiB
//! ```
//! The hole, the SMBIOS address and [`vmm_devices::legacy::ports`] are what the Cloud Hypervisor flavour of EDK2 expects.

/// Boot-time global descriptor table.
pub const GDT: u64 = 0x500;
/// PVH start info, with its module list and memory map after it.
pub const START_INFO: u64 = 0x6000;
/// Linux boot parameters.
pub const ZERO_PAGE: u64 = 0x7000;
/// Boot-time page tables: three pages.
pub const PAGE_TABLES: u64 = 0x9000;
/// What those page tables map, each address to itself.
pub const IDENTITY_MAP: u64 = 1 << 30;
/// The kernel's command line.
pub const COMMAND_LINE: u64 = 0x2_0000;
/// Room for the command line with its terminating zero.
pub const COMMAND_LINE_ROOM: usize = 0x1_0000;
/// End of the memory below the legacy video hole.
pub const LOW_END: u64 = 0xa_0000;
/// ACPI tables, the RSDP first: in the range that is scanned without any hint, too.
pub const ACPI: u64 = 0xe_0000;
/// Room for the ACPI tables.
pub const ACPI_ROOM: usize = 0x1_0000;
/// SMBIOS entry point, its tables after it.
pub const SMBIOS: u64 = 0xf_0000;
/// Room for SMBIOS.
pub const SMBIOS_ROOM: usize = 0x1_0000;
/// Where memory goes on after the legacy hole, and where kernels are loaded.
pub const KERNEL: u64 = 0x10_0000;
/// End of the memory below 4 GiB, and start of the PCI memory window.
pub const MMIO_HOLE: u64 = 0xc000_0000;
/// Length of the PCI memory window.
pub const PCI_WINDOW_LENGTH: u64 = 0x2800_0000;
/// PCI configuration space of bus 0.
pub const ECAM: u64 = 0xe800_0000;
/// Length of one bus's configuration space.
pub const ECAM_LENGTH: u64 = 0x10_0000;
/// The IOAPIC.
pub const IOAPIC: u32 = 0xfec0_0000;
/// The local APICs.
pub const LOCAL_APIC: u32 = 0xfee0_0000;
/// Where memory goes on after the hole.
pub const HIGH_MEMORY: u64 = 0x1_0000_0000;
/// More than any processor of today addresses for a guest is refused early.
pub const MAX_MEMORY: u64 = 1 << 39;
