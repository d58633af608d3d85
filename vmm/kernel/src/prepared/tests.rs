use super::*;
use crate::prepare::prepare;
use crate::{PAGE, Place};
use std::io::Write;

const LINKED: u64 = 0x100_0000;
const KERNEL_MAP: u64 = 0xffff_ffff_8000_0000;

/// An image as the kernel's build makes it: two segments, the second mostly without bytes, section headers, relocations.
fn payload() -> Vec<u8> {
    let (text, data) = (0x20_0000, 0x40_0000);
    let segments = [
        Segment { offset: text, file_size: 0x3_0000, memory_size: 0x3_0000, ..linked(0) },
        Segment { offset: data, file_size: 0x10_0000, memory_size: 0x10_0000, ..linked(0x20_0000) },
    ];
    let file = tempfile::tempfile().unwrap();
    Elf { entry: LINKED, segments: segments.to_vec(), end: 0 }.write(&file).unwrap();
    let mut bytes = vec![0; 0x50_0000];
    file.read_exact_at(&mut bytes[..PAGE], 0).or_else(|_| file.read_exact_at(&mut bytes[..176], 0)).unwrap();
    // Section headers: one, at the end.
    bytes[40..48].copy_from_slice(&0x50_0000_u64.to_le_bytes());
    bytes[60..62].copy_from_slice(&1_u16.to_le_bytes());
    bytes[text as usize..][..4].copy_from_slice(b"text");
    // Behind a gap of zero pages, with an address over the border of two pages.
    bytes[text as usize + 0x2_0ffc..][..8].copy_from_slice(&(KERNEL_MAP + LINKED).to_le_bytes());
    bytes[data as usize..][..4].copy_from_slice(&(0x8100_0000_u32).to_le_bytes());
    bytes.extend([0; 64]);
    for word in [0, 0x8102_0ffc, 0, 0, 0x8120_0000_u32] {
        bytes.extend(word.to_le_bytes());
    }
    bytes
}

fn linked(at: u64) -> Segment {
    let (virtual_address, physical_address) = (KERNEL_MAP + LINKED + at, LINKED + at);
    Segment { kind: LOAD, offset: 0, virtual_address, physical_address, file_size: 0, memory_size: 0 }
}

fn bzimage(packed: &[u8], unpacked: usize) -> File {
    let mut image = vec![0; 0x400];
    image[0x1f1] = 1;
    image[0x202..0x206].copy_from_slice(b"HdrS");
    image[0x206..0x208].copy_from_slice(&0x20f_u16.to_le_bytes());
    image[0x236] = 1;
    image[0x24c..0x250].copy_from_slice(&(packed.len() as u32 + 4).to_le_bytes());
    image.extend(packed);
    image.extend((unpacked as u32).to_le_bytes());
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&image).unwrap();
    file
}

fn lz4(bytes: &[u8]) -> Vec<u8> {
    let mut packed = vec![0x02, 0x21, 0x4c, 0x18];
    for block in bytes.chunks(8 << 20) {
        let block = lz4_flex::block::compress(block);
        packed.extend((block.len() as u32).to_le_bytes());
        packed.extend(block);
    }
    packed
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = vec![0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 2, 3];
    packed.extend(b"vmlinux\0");
    packed.extend(miniz_oxide::deflate::compress_to_vec(bytes, 6));
    packed
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

fn prepared(packed: &[u8]) -> (File, Prepared) {
    let target = tempfile::tempfile().unwrap();
    assert!(prepare(&bzimage(packed, payload().len()), &target).unwrap());
    let prepared = Prepared::read(&target).unwrap().unwrap();
    (target, prepared)
}

/// The kernel as it lies in memory.
fn loaded(file: &File, kernel: &Prepared) -> Vec<u8> {
    let mut memory = vec![0; (kernel.range.end - kernel.range.start) as usize];
    for part in &kernel.parts {
        let start = (part.address - LINKED) as usize;
        file.read_exact_at(&mut memory[start..start + part.length as usize], part.offset).unwrap();
    }
    memory
}

#[test]
fn every_packing_gives_the_same_kernel() {
    for packed in [lz4(&payload()), gzip(&payload()), zstd(&payload())] {
        let (file, kernel) = prepared(&packed);
        assert_eq!((kernel.entry, kernel.range.clone()), (LINKED, LINKED..LINKED + 0x30_0000));
        let bytes: u64 = kernel.parts.iter().map(|part| part.length).sum();
        assert!(bytes <= 5 * PAGE as u64, "zeroes are left out: {:x?}", kernel.parts);
        let memory = loaded(&file, &kernel);
        assert_eq!(&memory[..4], b"text");
        assert_eq!(memory[0x2_0ffc..0x2_1004], (KERNEL_MAP + LINKED).to_le_bytes());
        assert_eq!(memory[0x20_0000..0x20_0004], 0x8100_0000_u32.to_le_bytes());
        let places: Vec<_> = kernel.relocations.places().collect();
        assert_eq!(places, [Place::Long(LINKED + 0x2_0ffc), Place::Word(LINKED + 0x20_0000)]);
    }
}

#[test]
fn other_images_are_left_alone() {
    let whole = payload();
    let without_table = &whole[..whole.len() - 20];
    let images = [
        bzimage(&lz4(without_table), without_table.len()),
        bzimage(b"\xfd7zXZ\0 packed otherwise", 100),
        bzimage(&lz4(b"no kernel at all"), 16),
        tempfile::tempfile().unwrap(),
    ];
    for image in images {
        assert!(!prepare(&image, &tempfile::tempfile().unwrap()).unwrap());
    }
}

#[test]
fn broken_packings_are_errors() {
    let whole = payload();
    for packed in [lz4(&whole), gzip(&whole), zstd(&whole)] {
        let half = bzimage(&packed[..packed.len() / 2], whole.len());
        assert!(prepare(&half, &tempfile::tempfile().unwrap()).is_err());
        let longer = bzimage(&packed, whole.len() - 1);
        assert!(prepare(&longer, &tempfile::tempfile().unwrap()).is_err());
    }
}

#[test]
fn a_prepared_file_that_contradicts_itself_is_refused() {
    let (file, _) = prepared(&lz4(&payload()));
    let mut headers = [0; PAGE];
    file.read_exact_at(&mut headers, 0).unwrap();
    // The first segment's offset, address and length, and the entry.
    for at in [64 + 8, 64 + 24, 64 + 32, 24] {
        let mut broken = headers;
        broken[at + 5] = 0x7f;
        file.write_all_at(&broken, 0).unwrap();
        assert!(Prepared::read(&file).is_err(), "{at}");
    }
    file.write_all_at(&headers, 0).unwrap();
    assert!(Prepared::read(&file).is_ok());
    file.set_len(0x50_0010).unwrap();
    assert!(Prepared::read(&file).is_err(), "the table is cut off");
}

#[test]
fn other_files_are_no_prepared_kernels() {
    let file = tempfile::tempfile().unwrap();
    assert!(Prepared::read(&file).unwrap().is_none());
    file.write_all_at(&payload(), 0).unwrap();
    assert!(Prepared::read(&file).unwrap().is_none());
}
