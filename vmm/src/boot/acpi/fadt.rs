//! FADT: the fixed registers (ACPI 6.5, 5.2.9).

use acpi_tables::sdt::{GenericAddress, Sdt};
use vmm_devices::legacy::ports::{PM_TIMER, SLEEP_CONTROL, SLEEP_STATUS};
use vmm_devices::pci::config_port::{RESET_PORT, RESET_VALUE};

const LENGTH: u32 = 276;
const REVISION: u8 = 6;

const MINOR_REVISION_AT: usize = 131;
const BOOT_FLAGS_AT: usize = 109;
const FLAGS_AT: usize = 112;
const RESET_REGISTER_AT: usize = 116;
const RESET_VALUE_AT: usize = 128;
const DSDT_AT: usize = 140;
const PM_TIMER_AT: usize = 208;
const SLEEP_CONTROL_AT: usize = 244;
const SLEEP_STATUS_AT: usize = 256;

/// No VGA, no CMOS clock that an operating system may rely on.
const BOOT_FLAGS: u16 = 1 << 2;
/// WBINVD works, power and sleep button are no fixed features, 32-bit PM timer, reset register, hardware-reduced.
const FLAGS: u32 = 1 | 1 << 4 | 1 << 5 | 1 << 8 | 1 << 10 | 1 << 20;

pub(super) fn table(dsdt: u64) -> Sdt {
    let mut fadt = super::table(*b"FACP", LENGTH, REVISION);
    fadt.write_u16(BOOT_FLAGS_AT, BOOT_FLAGS);
    fadt.write_u32(FLAGS_AT, FLAGS);
    fadt.write(RESET_REGISTER_AT, GenericAddress::io_port_address::<u8>(RESET_PORT));
    fadt.write_u8(RESET_VALUE_AT, RESET_VALUE);
    fadt.write_u8(MINOR_REVISION_AT, 5);
    fadt.write_u64(DSDT_AT, dsdt);
    fadt.write(PM_TIMER_AT, GenericAddress::io_port_address::<u32>(PM_TIMER));
    fadt.write(SLEEP_CONTROL_AT, GenericAddress::io_port_address::<u8>(SLEEP_CONTROL));
    fadt.write(SLEEP_STATUS_AT, GenericAddress::io_port_address::<u8>(SLEEP_STATUS));
    fadt
}
