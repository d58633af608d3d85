//! MADT: processors and interrupt controllers (ACPI 6.5, 5.2.12).

use crate::memory::layout::{IOAPIC, LOCAL_APIC};
use acpi_tables::sdt::Sdt;

const HEADER: u32 = 44;
const REVISION: u8 = 5;
/// The two 8259s exist and have to be masked.
const DUAL_8259: u32 = 1;
const ENABLED: u32 = 1;

pub(super) fn table(vcpus: u8) -> Sdt {
    let mut madt = super::table(*b"APIC", HEADER, REVISION);
    madt.write_u32(36, LOCAL_APIC);
    madt.write_u32(40, DUAL_8259);
    let mut body = Vec::with_capacity(8 * usize::from(vcpus) + 18);
    for id in 0..vcpus {
        body.extend([0, 8, id, id]);
        body.extend(ENABLED.to_le_bytes());
    }
    // The IOAPIC has no processor's id and serves interrupts from 0 on.
    body.extend([1, 12, 0, 0]);
    body.extend(IOAPIC.to_le_bytes());
    body.extend([0; 4]);
    // NMI at LINT1 of all processors.
    body.extend([4, 6, 0xff, 0, 0, 1]);
    madt.append_slice(&body);
    madt
}
