//! ACPI tables: a hardware-reduced machine of ACPI 6.
//!
//! Owns the bytes of RSDP, XSDT, FADT, MADT, MCFG and DSDT and their places one after the other from [`layout::ACPI`] on. What
//! they announce exists in [`crate::machine`] at the addresses of [`layout`], [`crate::interrupt`] and [`vmm_devices::legacy::ports`].

mod dsdt;
mod fadt;
mod madt;

use crate::memory::layout::{self, ECAM};
use acpi_tables::rsdp::Rsdp;
use acpi_tables::sdt::Sdt;
use acpi_tables::{Aml, mcfg::MCFG, xsdt::XSDT};

/// Who made the tables.
const OEM: [u8; 6] = *b"HUMILI";
const OEM_TABLE: [u8; 8] = *b"HUMILIS ";
const OEM_REVISION: u32 = 1;

/// Tables start at multiples of this.
const ALIGNMENT: usize = 16;

fn table(signature: [u8; 4], length: u32, revision: u8) -> Sdt {
    Sdt::new(signature, length, revision, OEM, OEM_TABLE, OEM_REVISION)
}

/// All tables for a machine with `vcpus` processors, the RSDP first, to be placed at [`layout::ACPI`].
#[must_use]
pub fn tables(vcpus: u8) -> Vec<u8> {
    let mut bytes = vec![0; Rsdp::len().next_multiple_of(ALIGNMENT)];
    let dsdt = append(&mut bytes, dsdt::table().as_slice());
    let mut xsdt = XSDT::new(OEM, OEM_TABLE, OEM_REVISION);
    xsdt.add_entry(append(&mut bytes, fadt::table(dsdt).as_slice()));
    xsdt.add_entry(append(&mut bytes, madt::table(vcpus).as_slice()));
    xsdt.add_entry(append(&mut bytes, &mcfg()));
    let xsdt = append(&mut bytes, &encode(&xsdt));
    let rsdp = encode(&Rsdp::new(OEM, xsdt));
    bytes[..rsdp.len()].copy_from_slice(&rsdp);
    bytes
}

fn mcfg() -> Vec<u8> {
    let mut mcfg = MCFG::new(OEM, OEM_TABLE, OEM_REVISION);
    mcfg.add_ecam(ECAM, 0, 0, 0);
    encode(&mcfg)
}

fn encode(part: &dyn Aml) -> Vec<u8> {
    let mut bytes = Vec::new();
    part.to_aml_bytes(&mut bytes);
    bytes
}

/// Appends a table and returns its guest-physical address.
fn append(bytes: &mut Vec<u8>, table: &[u8]) -> u64 {
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
    let address = layout::ACPI + bytes.len() as u64;
    bytes.extend_from_slice(table);
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    fn u32_at(bytes: &[u8], at: usize) -> usize {
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
    }

    fn offset_at(bytes: &[u8], at: usize) -> usize {
        (u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) - layout::ACPI) as usize
    }

    fn check(bytes: &[u8], at: usize) -> [u8; 4] {
        let table = &bytes[at..at + u32_at(bytes, at + 4)];
        assert_eq!(table.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)), 0, "checksum of {:?}", &table[..4]);
        table[..4].try_into().unwrap()
    }

    #[test]
    fn every_table_is_found_from_the_rsdp_and_sums_to_zero() {
        let bytes = tables(3);
        assert_eq!(&bytes[..8], b"RSD PTR ");
        let xsdt = offset_at(&bytes, 24);
        assert_eq!(&check(&bytes, xsdt), b"XSDT");
        let entries = (u32_at(&bytes, xsdt + 4) - 36) / 8;
        let found: Vec<_> = (0..entries).map(|n| check(&bytes, offset_at(&bytes, xsdt + 36 + 8 * n))).collect();
        assert_eq!(found, [*b"FACP", *b"APIC", *b"MCFG"]);
        let fadt = offset_at(&bytes, xsdt + 36);
        assert_eq!(&check(&bytes, offset_at(&bytes, fadt + 140)), b"DSDT");
    }

    #[test]
    fn the_largest_machine_fits_its_place() {
        assert!(tables(u8::MAX).len() <= layout::ACPI_ROOM);
    }
}
