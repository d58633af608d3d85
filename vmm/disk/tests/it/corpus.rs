//! Broken headers and tables: each is refused or read without harm, none makes the process panic or grow.

use proptest::prelude::*;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use vmm_disk::convert::convert_to_raw;
use vmm_disk::qcow2::create::create_overlay;
use vmm_disk::{Format, ImageError, Layer, inspect, open_chain};

const CLUSTER: u64 = 65_536;
const SIZE: u64 = 4 << 20;

/// What an image must be refused with.
type Check = fn(&ImageError) -> bool;

/// A good image with data in its first clusters.
fn image() -> File {
    let mut file = tempfile::tempfile().unwrap();
    create_overlay(&mut file, SIZE).unwrap();
    let layer = Layer { file: file.try_clone().unwrap(), format: Format::Qcow2 };
    let mut disk = open_chain(vec![layer], false).unwrap();
    disk.write_at(0, &vec![5; 3 * CLUSTER as usize]).unwrap();
    file
}

fn patched(at: u64, bytes: &[u8]) -> File {
    let file = image();
    file.write_all_at(bytes, at).unwrap();
    file
}

#[test]
fn headers_that_lie_are_refused() {
    let huge = u64::MAX.to_be_bytes();
    let cases: [(&str, u64, &[u8], Check); 21] = [
        ("magic", 0, b"QFI\0", |e| matches!(e, ImageError::WrongFormat)),
        ("version 1", 4, &[0, 0, 0, 1], |e| matches!(e, ImageError::Unsupported { .. })),
        ("version 4", 4, &[0, 0, 0, 4], |e| matches!(e, ImageError::Unsupported { .. })),
        ("backing name's place", 8, &huge, |e| matches!(e, ImageError::Corrupt { .. })),
        ("backing name over the header", 8, &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 9], |e| {
            matches!(e, ImageError::Corrupt { .. })
        }),
        ("backing name's length", 8, &[0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 4, 0], |e| {
            matches!(e, ImageError::Corrupt { .. })
        }),
        ("cluster bits 8", 20, &[0, 0, 0, 8], |e| matches!(e, ImageError::Corrupt { .. })),
        ("cluster bits 63", 20, &[0, 0, 0, 63], |e| matches!(e, ImageError::Corrupt { .. })),
        ("cluster bits 2^32", 20, &[255; 4], |e| matches!(e, ImageError::Corrupt { .. })),
        ("size", 24, &huge, |e| matches!(e, ImageError::TooLarge { size: u64::MAX })),
        ("size beyond tables", 24, &[0, 0, 0, 16, 0, 0, 0, 0], |e| matches!(e, ImageError::Corrupt { .. })),
        ("encryption", 32, &[0, 0, 0, 2], |e| matches!(e, ImageError::Encrypted)),
        ("first-level size", 36, &[255; 4], |e| matches!(e, ImageError::TooLarge { .. })),
        ("first-level size beyond the file", 36, &[0, 1, 0, 0], |e| matches!(e, ImageError::Truncated)),
        ("first-level place", 40, &[0, 0, 0, 0, 0, 0, 2, 0], |e| matches!(e, ImageError::Corrupt { .. })),
        ("first-level place beyond the file", 40, &[0, 255, 0, 0, 0, 0, 0, 0], |e| matches!(e, ImageError::Truncated)),
        ("first-level place wraps", 40, &[255, 255, 255, 255, 255, 255, 0, 0], |e| {
            matches!(e, ImageError::Truncated | ImageError::Corrupt { .. })
        }),
        ("refcount table's size", 56, &[255; 4], |e| matches!(e, ImageError::Corrupt { .. })),
        ("marked corrupt", 79, &[2], |e| matches!(e, ImageError::Corrupt { .. })),
        ("unknown feature", 72, &[128], |e| matches!(e, ImageError::Unsupported { .. })),
        ("refcount width", 96, &[0, 0, 0, 7], |e| matches!(e, ImageError::Corrupt { .. })),
    ];
    for (name, at, bytes, check) in cases {
        let error = inspect(&patched(at, bytes), Format::Qcow2).expect_err(name);
        assert!(check(&error), "{name}: {error:?}");
    }
}

#[test]
fn a_truncated_image_is_called_that() {
    let whole = image().metadata().unwrap().len();
    for length in (0..whole).step_by(7919).chain([3, 71, 103, whole - 1]) {
        let file = image();
        file.set_len(length).unwrap();
        let target = tempfile::tempfile().unwrap();
        let error = convert_to_raw(file, &target, SIZE, |_| {}).unwrap_err();
        let expected =
            if length < 4 { matches!(error, ImageError::WrongFormat) } else { matches!(error, ImageError::Truncated) };
        assert!(expected, "{length}: {error:?}");
    }
}

#[test]
fn tables_that_lie_are_refused() {
    let (first, second) = (3 * CLUSTER, 4 * CLUSTER);
    let cases: [(&str, u64, u64); 8] = [
        ("first-level entry: reserved bits", first, 0x4000_0000_0004_0000),
        ("first-level entry: not aligned", first, 1 << 63 | 0x4_0200),
        ("first-level entry: beyond the file", first, 1 << 63 | 1 << 40),
        ("second-level entry: reserved bits", second, 1 << 63 | 1 << 60 | 0x5_0000),
        ("second-level entry: not aligned", second, 1 << 63 | 0x5_0200),
        ("second-level entry: beyond the file", second, 1 << 63 | 1 << 40),
        ("compressed: beyond the file", second, 1 << 62 | 1 << 40),
        ("compressed: noise", second, 1 << 62 | 0x5_0000),
    ];
    for (name, at, entry) in cases {
        let file = patched(at, &entry.to_be_bytes());
        let target = tempfile::tempfile().unwrap();
        let error = convert_to_raw(file, &target, SIZE, |_| {}).expect_err(name);
        assert!(matches!(error, ImageError::Corrupt { .. } | ImageError::Truncated), "{name}: {error:?}");
    }
}

#[test]
fn a_table_that_is_its_own_data_ends() {
    // The second-level table maps the disk's first cluster to itself, to the header, and to the first-level table.
    for target in [4, 3, 1] {
        let file = patched(4 * CLUSTER, &((1 << 63) | (target * CLUSTER)).to_be_bytes());
        let layer = Layer { file, format: Format::Qcow2 };
        let mut disk = open_chain(vec![layer], false).unwrap();
        for _ in 0..3 {
            disk.write_at(0, &[0xff; 4096]).ok();
            disk.read_at(0, &mut [0; 4096]).ok();
            disk.write_at(CLUSTER, &[0x55; 4096]).ok();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn noise_in_an_image_never_panics(
        patches in proptest::collection::vec((0..0x5_0100_u64, any::<u64>()), 1..6),
        in_header: bool,
        writes in proptest::collection::vec(0..SIZE / 512 - 8, 0..6),
    ) {
        let file = image();
        for (at, value) in patches {
            let at = if in_header { at % 112 } else { at / 8 * 8 };
            file.write_all_at(&value.to_be_bytes(), at).unwrap();
        }
        inspect(&file, Format::Qcow2).ok();
        let target = tempfile::tempfile().unwrap();
        convert_to_raw(file.try_clone().unwrap(), &target, SIZE, |_| {}).ok();
        let layer = Layer { file, format: Format::Qcow2 };
        if let Ok(mut disk) = open_chain(vec![layer], false) {
            for sector in writes {
                if sector * 512 + 4096 <= disk.len() {
                    disk.write_at(sector * 512, &[1; 4096]).ok();
                    disk.write_zeroes(sector * 512, 4096, true).ok();
                    disk.discard(0, 2 * CLUSTER).ok();
                }
            }
        }
    }

    #[test]
    fn noise_alone_is_no_image(bytes in proptest::collection::vec(any::<u8>(), 0..4096)) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"QFI\xfb\0\0\0\x03").unwrap();
        file.write_all(&bytes).unwrap();
        let target = tempfile::tempfile().unwrap();
        let converted = convert_to_raw(file, &target, SIZE, |_| {});
        prop_assert!(converted.is_err());
    }
}
