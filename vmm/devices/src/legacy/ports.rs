//! Where the legacy devices answer, and on which lines they interrupt. The ACPI tables take these names.

/// The first serial port, a 16550.
pub const SERIAL: u16 = 0x3f8;
/// Ports of a 16550.
pub const SERIAL_PORTS: u16 = 8;
/// The first serial port's interrupt.
pub const SERIAL_IRQ: u32 = 4;

/// CMOS index port; the data port follows.
pub const RTC: u16 = 0x70;
/// Ports of the CMOS.
pub const RTC_PORTS: u16 = 2;

/// Keyboard controller's command port, of which only the reset pulse exists.
pub const I8042: u16 = 0x64;

/// First port of the ACPI block. Cloud Hypervisor's EDK2 platform knows [`SLEEP_CONTROL`] and [`PM_TIMER`] by number
/// (OvmfPkg/Include/IndustryStandard/CloudHv.h).
pub const ACPI: u16 = 0x600;
/// Ports of the ACPI block.
pub const ACPI_PORTS: u16 = 12;
/// SLEEP_CONTROL_REG of the FADT, one byte.
pub const SLEEP_CONTROL: u16 = ACPI;
/// SLEEP_STATUS_REG of the FADT, one byte.
pub const SLEEP_STATUS: u16 = ACPI + 1;
/// PM_TMR_BLK of the FADT, four bytes, all 32 bits count (TMR_VAL_EXT).
pub const PM_TIMER: u16 = ACPI + 8;
/// The interrupt of the generic event device, by which the power button is announced.
pub const EVENT_IRQ: u32 = 9;
/// SLP_TYP of S5, for the `_S5` object.
pub const S5_SLEEP_TYPE: u8 = 5;
