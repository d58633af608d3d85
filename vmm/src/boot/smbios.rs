//! SMBIOS 3: what `dmidecode` and cloud-init's probes see (DMTF DSP0134).
//!
//! The entry point stands at [`layout::SMBIOS`], where Linux scans and where the firmware looks; the structures follow it.

use crate::memory::layout;
use vmm_control::spec::Smbios;

const ENTRY_LENGTH: usize = 24;
const TABLES_AT: usize = 32;
const PRODUCER: &str = "Humilis";

/// The bytes to be placed at [`layout::SMBIOS`].
#[must_use]
pub fn tables(system: &Smbios, vcpus: u8, memory_mib: u64) -> Vec<u8> {
    let mut tables = Tables::default();
    firmware(&mut tables, &system.version);
    computer(&mut tables, system);
    chassis(&mut tables, system);
    processor(&mut tables, vcpus);
    memory(&mut tables, memory_mib);
    tables.add(32, &[0; 7], &[]);
    tables.add(127, &[], &[]);
    let mut bytes = entry_point(tables.bytes.len() as u32);
    bytes.resize(TABLES_AT, 0);
    bytes.extend(tables.bytes);
    bytes
}

fn entry_point(length: u32) -> Vec<u8> {
    let mut entry = b"_SM3_\0".to_vec();
    entry.extend([ENTRY_LENGTH as u8, 3, 2, 0, 1, 0]);
    entry.extend(length.to_le_bytes());
    entry.extend((layout::SMBIOS + TABLES_AT as u64).to_le_bytes());
    entry[5] = entry.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte));
    entry
}

/// Structures one after the other, each with its handle.
#[derive(Default)]
struct Tables {
    bytes: Vec<u8>,
    count: u16,
}

impl Tables {
    /// Adds a structure: `formatted` follows the header, `strings` are counted from 1 and come after it.
    fn add(&mut self, kind: u8, formatted: &[u8], strings: &[&str]) -> u16 {
        let handle = self.count;
        self.count += 1;
        self.bytes.extend([kind, formatted.len() as u8 + 4]);
        self.bytes.extend(handle.to_le_bytes());
        self.bytes.extend(formatted);
        for string in strings {
            self.bytes.extend(string.bytes().map(printable));
            self.bytes.push(0);
        }
        self.bytes.extend(if strings.is_empty() { &[0, 0][..] } else { &[0][..] });
        handle
    }
}

/// A zero would end the string and shift all numbers after it.
fn printable(byte: u8) -> u8 {
    if byte.is_ascii_graphic() || byte == b' ' { byte } else { b'?' }
}

/// The number of a string that may be empty: 0 means none, and an empty one must not be stored.
fn text(string: &str) -> &str {
    if string.is_empty() { "Not Specified" } else { string }
}

/// Type 0: virtual machine, UEFI is possible.
fn firmware(tables: &mut Tables, version: &str) {
    let mut body = vec![1, 2, 0, 0, 3, 0];
    body.extend(8_u64.to_le_bytes());
    body.extend([0, 0x1c, 0, 0, 0xff, 0xff]);
    tables.add(0, &body, &[PRODUCER, text(version), "01/01/2026"]);
}

/// Type 1. The UUID's first three fields are little-endian.
fn computer(tables: &mut Tables, system: &Smbios) {
    let mut body = vec![1, 2, 3, 4];
    body.extend(uuid(&system.uuid));
    body.extend([6, 0, 5]);
    let strings = [&system.manufacturer, &system.product, &system.version, &system.serial].map(|string| text(string));
    tables.add(1, &body, &[strings[0], strings[1], strings[2], strings[3], "Virtual Machine"]);
}

/// Type 3: other, with the asset tag that cloud-init looks at.
fn chassis(tables: &mut Tables, system: &Smbios) {
    let mut body = vec![1, 1, 2, 3, 4, 3, 3, 3, 2];
    body.extend([0; 4]);
    body.extend([0, 0, 0, 0]);
    let strings = [&system.manufacturer, &system.version, &system.serial, &system.asset_tag].map(|string| text(string));
    tables.add(3, &body, &strings);
}

/// Type 4: one socket with all vCPUs as cores.
fn processor(tables: &mut Tables, vcpus: u8) {
    let mut body = vec![1, 3, 1, 2];
    body.extend([0; 8]);
    body.extend([3, 0]);
    body.extend([0; 6]);
    body.extend([0x41, 1]);
    body.extend([0xff; 6]);
    body.extend([0, 0, 0, vcpus, vcpus, vcpus, 0, 0, 1, 0]);
    body.extend([vcpus, 0, vcpus, 0, vcpus, 0]);
    tables.add(4, &body, &["CPU 0", PRODUCER, text("")]);
}

/// Types 16, 17 and 19: one array with one module.
fn memory(tables: &mut Tables, mebibytes: u64) {
    let size = u32::try_from(mebibytes).unwrap_or(u32::MAX);
    let mut array = vec![1, 3, 6];
    array.extend(0x8000_0000_u32.to_le_bytes());
    array.extend([0xfe, 0xff, 1, 0]);
    array.extend((mebibytes << 20).to_le_bytes());
    let array = tables.add(16, &array, &[]);
    let mut module = array.to_le_bytes().to_vec();
    module.extend([0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 9, 0, 1, 0, 7, 2, 0, 0, 0, 2, 0, 0, 0, 0]);
    module.extend(size.to_le_bytes());
    module.extend([0; 8]);
    tables.add(17, &module, &["DIMM 0", PRODUCER]);
    let mut mapped = vec![0xff; 8];
    mapped.extend(array.to_le_bytes());
    mapped.push(1);
    mapped.extend(0_u64.to_le_bytes());
    mapped.extend(((mebibytes << 20) - 1).to_le_bytes());
    tables.add(19, &mapped, &[]);
}

/// The UUID's bytes in SMBIOS order; all zero ('not present') when the text is no UUID.
fn uuid(text: &str) -> [u8; 16] {
    let digits: Vec<u8> =
        text.bytes().filter_map(|byte| char::from(byte).to_digit(16)).map(|digit| digit as u8).collect();
    let mut uuid = [0; 16];
    if digits.len() == 32 {
        for (byte, pair) in uuid.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair[0] << 4 | pair[1];
        }
        uuid[..4].reverse();
        uuid[4..6].reverse();
        uuid[6..8].reverse();
    }
    uuid
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system() -> Smbios {
        Smbios {
            manufacturer: "OpenStack Foundation".into(),
            product: "OpenStack Nova".into(),
            uuid: "00112233-4455-6677-8899-aabbccddeeff".into(),
            ..Default::default()
        }
    }

    /// Walks the structures as a reader does and returns their types and lengths.
    fn walk(bytes: &[u8]) -> Vec<(u8, usize)> {
        let (mut found, mut at) = (Vec::new(), TABLES_AT);
        while at < bytes.len() {
            let (kind, length) = (bytes[at], usize::from(bytes[at + 1]));
            found.push((kind, length));
            at += length;
            at += bytes[at..].windows(2).position(|pair| pair == [0, 0]).unwrap() + 2;
        }
        found
    }

    #[test]
    fn a_reader_finds_every_structure_at_its_length() {
        let bytes = tables(&system(), 2, 512);
        let expected = [(0, 24), (1, 27), (3, 21), (4, 48), (16, 23), (17, 40), (19, 31), (32, 11), (127, 4)];
        assert_eq!(walk(&bytes), expected);
    }

    #[test]
    fn the_entry_point_sums_to_zero_and_tells_the_length() {
        let bytes = tables(&system(), 2, 512);
        assert_eq!(bytes[..ENTRY_LENGTH].iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)), 0);
        assert_eq!(u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize, bytes.len() - TABLES_AT);
    }

    #[test]
    fn the_uuid_is_stored_in_mixed_order() {
        let expected = [0x33, 0x22, 0x11, 0, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff];
        assert_eq!(uuid(&system().uuid), expected);
        assert_eq!(uuid("no uuid"), [0; 16]);
    }

    #[test]
    fn hostile_text_cannot_end_a_string() {
        let hostile = Smbios { product: "a\0b\n".into(), ..system() };
        assert_eq!(walk(&tables(&hostile, 1, 2)).len(), 9);
    }
}
