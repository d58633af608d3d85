//! Just enough ACPI: the fixed registers for power and reset (FADT), the processors (MADT), the PCI window (MCFG). No AML is run;
//! the sleep type of S5 and the generic event device's interrupt are found by their names in the DSDT.

use crate::memory::map_registers;
use alloc::vec::Vec;
use core::ptr::read_unaligned;

/// What the tables say.
#[derive(Clone, Debug, Default)]
pub struct Acpi {
    /// The APIC ids of the enabled processors.
    pub cpus: Vec<u8>,
    /// The global interrupt of ACPI's events.
    pub sci: u16,
    /// The port of the PM1a status register, 0 without one.
    pub pm1_event: u16,
    /// The port of the PM1a enable register.
    pub pm1_enable: u16,
    /// The port and the value that hand the fixed hardware over to the system, where that is needed.
    pub handover: Option<(u16, u8)>,
    /// The port of the PM1a control block, 0 without one.
    pub pm1_control: u16,
    /// Sleep type of S5 in the PM1 control register.
    pub s5: u16,
    /// Whether the fixed hardware is absent (HW_REDUCED_ACPI).
    pub reduced: bool,
    /// The interrupt of the generic event device, whose only event here is the power button.
    pub event: Option<u16>,
    /// The sleep control register of reduced hardware.
    pub sleep_control: Option<Address>,
    /// The reset register and the value that resets.
    pub reset: Option<(Address, u8)>,
    /// Where the PCI configuration window (ECAM) is.
    pub ecam: Option<u64>,
}

/// A generic address structure: a port or a register in memory, of 8 bits here.
#[derive(Clone, Copy, Debug)]
pub enum Address {
    /// An I/O port.
    Port(u16),
    /// A physical address.
    Memory(u64),
}

impl Address {
    /// Writes the register.
    pub fn write(self, value: u8) {
        match self {
            Self::Port(port) => crate::ring0::port::write8(port, value),
            Self::Memory(address) => {
                // SAFETY: a table named this address as a register.
                unsafe { crate::memory::Registers::new(address, 1) }.write(0, value);
            }
        }
    }
}

/// A table's bytes, mapped.
struct Table(&'static [u8]);

impl Table {
    unsafe fn at(address: u64) -> Option<Self> {
        const HEADER: u64 = 36;
        const LONGEST: u32 = 1 << 20;
        map_registers(address, HEADER);
        // SAFETY: the caller got the address from another table.
        let length = unsafe { read_unaligned((address as *const u32).add(1)) };
        if length < HEADER as u32 || length > LONGEST {
            return None;
        }
        map_registers(address, u64::from(length));
        // SAFETY: the table is as long as it says, and nobody writes there while the machine is read.
        Some(Self(unsafe { core::slice::from_raw_parts(address as *const u8, length as usize) }))
    }

    fn number(&self, at: usize, size: usize) -> u64 {
        let bytes = self.0.get(at..at + size).unwrap_or(&[]);
        bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
    }

    fn address(&self, at: usize) -> Option<Address> {
        match (self.number(at, 1), self.number(at + 4, 8)) {
            (_, 0) => None,
            (0, address) => Some(Address::Memory(address)),
            (1, address) => Some(Address::Port(address as u16)),
            _ => None,
        }
    }
}

/// Reads the tables from the root pointer on.
///
/// # Safety
/// `rsdp` is 0 or the address that the boot loader passed.
pub unsafe fn read(rsdp: u64) -> Option<Acpi> {
    const XSDT_AT: u64 = 24;
    if rsdp == 0 {
        return None;
    }
    // SAFETY: the root pointer names the table of tables, and that the others.
    unsafe {
        let revision = read_unaligned((rsdp + 15) as *const u8);
        let (root, entry_size) = match read_unaligned((rsdp + XSDT_AT) as *const u64) {
            xsdt if revision >= 2 && xsdt != 0 => (xsdt, 8),
            _ => (u64::from(read_unaligned((rsdp + 16) as *const u32)), 4),
        };
        let root = Table::at(root)?;
        let addresses: Vec<u64> =
            (36..root.0.len()).step_by(entry_size).map(|at| root.number(at, entry_size)).collect();
        let mut acpi = Acpi::default();
        for table in addresses.into_iter().filter_map(|address| Table::at(address)) {
            match &table.0[..4] {
                b"FACP" => read_fadt(&table, &mut acpi),
                b"APIC" => acpi.cpus = read_cpus(&table),
                b"MCFG" => acpi.ecam = Some(table.number(44, 8)).filter(|base| *base != 0),
                _ => {}
            }
        }
        Some(acpi)
    }
}

/// Offsets of ACPI 6.5, table 5.9.
unsafe fn read_fadt(table: &Table, acpi: &mut Acpi) {
    const RESET_SUPPORTED: u64 = 1 << 10;
    const REDUCED: u64 = 1 << 20;
    let flags = table.number(112, 4);
    acpi.reduced = flags & REDUCED != 0;
    acpi.sci = table.number(46, 2) as u16;
    acpi.pm1_event = table.number(56, 4) as u16;
    acpi.pm1_enable = acpi.pm1_event + table.number(88, 1) as u16 / 2;
    acpi.handover =
        Some((table.number(48, 4) as u16, table.number(52, 1) as u8)).filter(|(port, value)| *port != 0 && *value != 0);
    acpi.pm1_control = table.number(64, 4) as u16;
    if flags & RESET_SUPPORTED != 0 {
        acpi.reset = table.address(116).map(|address| (address, table.number(128, 1) as u8));
    }
    if acpi.reduced {
        acpi.sleep_control = table.address(244);
    }
    let dsdt = match table.number(140, 8) {
        0 => table.number(40, 4),
        address => address,
    };
    if dsdt != 0 {
        // SAFETY: the table names its DSDT there.
        let dsdt = unsafe { Table::at(dsdt) };
        acpi.s5 = dsdt.as_ref().and_then(|dsdt| find_s5(dsdt.0)).unwrap_or(0);
        acpi.event = dsdt.as_ref().and_then(|dsdt| find_event_interrupt(dsdt.0));
    }
}

/// The first number of `Name (_S5, Package () {type, ...})`: NameOp, "_S5_", PackageOp, length, count, number.
fn find_s5(aml: &[u8]) -> Option<u16> {
    const PACKAGE: u8 = 0x12;
    const BYTE_PREFIX: u8 = 0x0a;
    let at = aml.windows(5).position(|window| window[..4] == *b"_S5_" && window[4] == PACKAGE)? + 5;
    let length_bytes = 1 + usize::from(aml.get(at)? >> 6);
    let number = at + length_bytes + 1;
    match *aml.get(number)? {
        BYTE_PREFIX => aml.get(number + 1).map(|value| u16::from(*value)),
        value @ (0 | 1) => Some(u16::from(value)),
        _ => None,
    }
}

/// The first extended interrupt descriptor (tag 0x89, 6.4.3.6) after the hardware id of a generic event device.
fn find_event_interrupt(aml: &[u8]) -> Option<u16> {
    const HARDWARE_ID: &[u8; 8] = b"ACPI0013";
    const TAG: [u8; 3] = [0x89, 6, 0];
    let after = &aml[aml.windows(8).position(|window| window == HARDWARE_ID)?..];
    let descriptor = &after[after.windows(3).position(|window| window == TAG)?..];
    Some(u16::from_le_bytes([*descriptor.get(5)?, *descriptor.get(6)?]))
}

fn read_cpus(table: &Table) -> Vec<u8> {
    const LOCAL_APIC: u64 = 0;
    const LENGTH: usize = 8;
    let (mut at, mut cpus) = (44, Vec::new());
    while at + LENGTH <= table.0.len() {
        if table.number(at, 1) == LOCAL_APIC && table.number(at + 4, 4) & 1 != 0 {
            cpus.push(table.number(at + 3, 1) as u8);
        }
        at += table.number(at + 1, 1).max(2) as usize;
    }
    cpus
}
