//! DSDT: the devices that no bus announces.

use crate::interrupt::{EVENTS, SERIAL};
use crate::memory::layout::{ECAM, ECAM_LENGTH, MMIO_HOLE, PCI_WINDOW_LENGTH};
use acpi_tables::Aml;
use acpi_tables::aml::{
    AddressSpace, AddressSpaceCacheable, Arg, Device, EISAName, Equal, IO, If, Interrupt, Memory32Fixed, Method, Name,
    Notify, Package, Path, ResourceTemplate, Scope,
};
use acpi_tables::sdt::Sdt;
use vmm_devices::legacy::ports;
use vmm_devices::pci::config_port;

const REVISION: u8 = 6;
const HEADER: u32 = 36;
/// The notification of a pressed power button.
const PRESSED: u8 = 0x80;

pub(super) fn table() -> Sdt {
    let mut body = Vec::new();
    pci_root(&mut body);
    motherboard(&mut body);
    serial(&mut body);
    clock(&mut body);
    power_button(&mut body);
    Name::new(Path::new("_S5_"), &Package::new(vec![&ports::S5_SLEEP_TYPE, &0_u8, &0_u8, &0_u8]))
        .to_aml_bytes(&mut body);
    let mut dsdt = super::table(*b"DSDT", HEADER, REVISION);
    dsdt.append_slice(&body);
    dsdt
}

/// Puts a device under the system bus.
fn device(body: &mut Vec<u8>, name: &str, children: Vec<&dyn Aml>) {
    let device = Device::new(Path::new(name), children);
    Scope::new(Path::new("_SB_"), vec![&device]).to_aml_bytes(body);
}

/// What a device occupies.
fn resources(parts: Vec<&dyn Aml>) -> Encoded {
    ResourceTemplate::new(parts).encoded()
}

fn pci_root(body: &mut Vec<u8>) {
    let window_end = MMIO_HOLE + PCI_WINDOW_LENGTH - 1;
    let window =
        AddressSpace::new_memory(AddressSpaceCacheable::NotCacheable, true, MMIO_HOLE as u32, window_end as u32, None);
    let resources = resources(vec![
        &AddressSpace::new_bus_number(0_u16, 0_u16),
        &IO::new(config_port::PORT, config_port::PORT, 1, 8),
        &AddressSpace::new_io(0_u16, config_port::PORT - 1, None),
        &AddressSpace::new_io(config_port::PORT + config_port::PORTS, u16::MAX, None),
        &window,
    ]);
    device(
        body,
        "PCI0",
        vec![
            &Name::new(Path::new("_HID"), &EISAName::new("PNP0A08")),
            &Name::new(Path::new("_CID"), &EISAName::new("PNP0A03")),
            &Name::new(Path::new("_UID"), &0_u8),
            &Name::new(Path::new("_SEG"), &0_u8),
            &Name::new(Path::new("_BBN"), &0_u8),
            &Name::new(Path::new("_CRS"), &resources),
        ],
    );
}

/// Addresses that belong to no device but must not be given to one: ECAM is used by Linux only where it is claimed so.
fn motherboard(body: &mut Vec<u8>) {
    let resources = resources(vec![
        &Memory32Fixed::new(true, ECAM as u32, ECAM_LENGTH as u32),
        &IO::new(ports::ACPI, ports::ACPI, 1, ports::ACPI_PORTS as u8),
    ]);
    device(
        body,
        "MBRD",
        vec![
            &Name::new(Path::new("_HID"), &EISAName::new("PNP0C02")),
            &Name::new(Path::new("_UID"), &0_u8),
            &Name::new(Path::new("_CRS"), &resources),
        ],
    );
}

fn serial(body: &mut Vec<u8>) {
    let resources = resources(vec![
        &Interrupt::new(true, true, false, false, SERIAL),
        &IO::new(ports::SERIAL, ports::SERIAL, 1, ports::SERIAL_PORTS as u8),
    ]);
    device(
        body,
        "COM1",
        vec![
            &Name::new(Path::new("_HID"), &EISAName::new("PNP0501")),
            &Name::new(Path::new("_UID"), &0_u8),
            &Name::new(Path::new("_DDN"), &"COM1"),
            &Name::new(Path::new("_CRS"), &resources),
        ],
    );
}

fn clock(body: &mut Vec<u8>) {
    let resources = resources(vec![&IO::new(ports::RTC, ports::RTC, 1, ports::RTC_PORTS as u8)]);
    device(
        body,
        "RTC0",
        vec![&Name::new(Path::new("_HID"), &EISAName::new("PNP0B00")), &Name::new(Path::new("_CRS"), &resources)],
    );
}

/// The power button and the event device that notifies it; its interrupt has one reason only, so that no register tells which.
fn power_button(body: &mut Vec<u8>) {
    device(
        body,
        "PWRB",
        vec![&Name::new(Path::new("_HID"), &EISAName::new("PNP0C0C")), &Name::new(Path::new("_UID"), &0_u8)],
    );
    let resources = resources(vec![&Interrupt::new(true, true, false, false, EVENTS)]);
    let notify = Notify::new(&Path::new("\\_SB_.PWRB"), &PRESSED).encoded();
    let pressed = If::new(&Equal::new(&Arg(0), &EVENTS), vec![&notify]).encoded();
    device(
        body,
        "EVNT",
        vec![
            &Name::new(Path::new("_HID"), &"ACPI0013"),
            &Name::new(Path::new("_UID"), &0_u8),
            &Name::new(Path::new("_CRS"), &resources),
            &Method::new(Path::new("_EVT"), 1, true, vec![&pressed]),
        ],
    );
}

/// A term as bytes: terms borrow their operands, which would have to outlive them otherwise.
struct Encoded(Vec<u8>);

impl Aml for Encoded {
    fn to_aml_bytes(&self, sink: &mut dyn acpi_tables::AmlSink) {
        sink.vec(&self.0);
    }
}

trait Encode: Aml + Sized {
    fn encoded(&self) -> Encoded {
        Encoded(super::encode(self))
    }
}

impl<T: Aml> Encode for T {}
