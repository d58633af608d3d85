//! What qemu-img writes is read, and what is written here is read by qemu-img.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use vmm_disk::convert::convert_to_raw;
use vmm_disk::qcow2::create::create_overlay;
use vmm_disk::{Format, ImageError, Layer, Probe, inspect, open_chain, probe};

const MIB: u64 = 1 << 20;

fn qemu_img(arguments: &[&str]) {
    let output = Command::new("qemu-img").args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn open(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).open(path).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A raw disk with text, noise and holes.
fn sample(directory: &TempDir) -> (PathBuf, Vec<u8>) {
    let mut bytes = vec![0; 5 * MIB as usize + 512];
    let mut noise = 1_u32;
    for (at, byte) in bytes.iter_mut().enumerate() {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = match at / (MIB as usize / 2) {
            0 => (at / 100) as u8,
            3 => (noise >> 24) as u8,
            7 | 10 => b'x',
            _ => 0,
        };
    }
    let path = directory.path().join("sample.raw");
    std::fs::write(&path, &bytes).unwrap();
    (path, bytes)
}

#[test]
fn images_of_all_kinds_become_the_same_raw_disk() {
    let directory = TempDir::new().unwrap();
    let (raw, bytes) = sample(&directory);
    let kinds: [&[&str]; 7] = [
        &[],
        &["-c"],
        &["-o", "compat=0.10"],
        &["-c", "-o", "compat=0.10"],
        &["-o", "cluster_size=512"],
        &["-c", "-o", "cluster_size=2M"],
        &["-o", "refcount_bits=1,preallocation=metadata"],
    ];
    for kind in kinds {
        let image = directory.path().join("image.qcow2");
        qemu_img(&[&["convert", "-f", "raw", "-O", "qcow2"], kind, &[text(&raw), text(&image)]].concat());
        assert_eq!(probe(&open(&image)).unwrap(), Probe::Qcow2);
        let info = inspect(&open(&image), Format::Qcow2).unwrap();
        assert_eq!((info.virtual_size, info.backing_file), (bytes.len() as u64, None), "{kind:?}");
        let target = tempfile::NamedTempFile::new().unwrap();
        let mut seen = 0;
        let length = convert_to_raw(open(&image), target.as_file(), 10 * MIB, |done| seen = done).unwrap();
        assert_eq!((length, seen), (bytes.len() as u64, bytes.len() as u64));
        assert!(std::fs::read(target.path()).unwrap() == bytes, "{kind:?}");
        assert!(target.as_file().metadata().unwrap().blocks() * 512 < 3 * MIB, "{kind:?}");
    }
}

#[test]
fn an_overlay_over_a_compressed_image_over_raw_reads_through() {
    let directory = TempDir::new().unwrap();
    let (raw, mut bytes) = sample(&directory);
    let (base, overlay) = (directory.path().join("base.qcow2"), directory.path().join("overlay.qcow2"));
    qemu_img(&["convert", "-c", "-O", "qcow2", text(&raw), text(&base)]);
    File::create(&overlay).unwrap();
    create_overlay(&mut open(&overlay), bytes.len() as u64 + 3 * MIB).unwrap();
    bytes.resize(bytes.len() + 3 * MIB as usize, 0);
    let layers = || {
        vec![Layer { file: open(&overlay), format: Format::Qcow2 }, Layer { file: open(&base), format: Format::Qcow2 }]
    };
    let mut disk = open_chain(layers(), false).unwrap();
    for (at, byte) in [(700, 1_u8), (MIB, 2), (5 * MIB, 3), (7 * MIB, 4)] {
        let at = at / 512 * 512;
        disk.write_at(at, &[byte; 1024]).unwrap();
        bytes[at as usize..at as usize + 1024].fill(byte);
    }
    disk.flush().unwrap();
    let mut read = vec![0; bytes.len()];
    open_chain(layers(), true).unwrap().read_at(0, &mut read).unwrap();
    assert!(read == bytes);
    qemu_img(&["check", "-q", text(&overlay)]);
    // QEMU sees the same once it is told the backing file.
    qemu_img(&["rebase", "-u", "-F", "qcow2", "-b", text(&base), text(&overlay)]);
    let flat = directory.path().join("flat.raw");
    qemu_img(&["convert", "-O", "raw", text(&overlay), text(&flat)]);
    assert!(std::fs::read(&flat).unwrap() == bytes);
    // A name in the image changes nothing: without the layer, it is refused.
    let alone = vec![Layer { file: open(&overlay), format: Format::Qcow2 }];
    assert!(matches!(open_chain(alone, true), Err(ImageError::HasBackingFile { .. })));
}

#[test]
fn writing_to_an_image_of_qemu_keeps_it_good() {
    let directory = TempDir::new().unwrap();
    let (raw, mut bytes) = sample(&directory);
    for (number, kind) in
        [&[][..], &["-c"], &["-o", "compat=0.10"], &["-c", "-o", "cluster_size=4k"]].into_iter().enumerate()
    {
        let image = directory.path().join(format!("{number}.qcow2"));
        qemu_img(&[&["convert", "-f", "raw", "-O", "qcow2"], kind, &[text(&raw), text(&image)]].concat());
        let layer = Layer { file: open(&image), format: Format::Qcow2 };
        let mut disk = open_chain(vec![layer], false).unwrap();
        for at in (0..5 * MIB).step_by(300 * 1024) {
            disk.write_at(at, &[at as u8 | 1; 3000 / 512 * 512]).unwrap();
            bytes[at as usize..at as usize + 2560].fill(at as u8 | 1);
        }
        disk.write_zeroes(2 * MIB + 512, MIB, true).unwrap();
        bytes[2 * MIB as usize + 512..3 * MIB as usize + 512].fill(0);
        drop(disk);
        let output = Command::new("qemu-img").args(["check", "-q"]).arg(&image).output().unwrap();
        // Replaced compressed clusters stay behind as leaks (3); nothing worse.
        assert!(matches!(output.status.code(), Some(0 | 3)), "{kind:?}: {output:?}");
        let flat = directory.path().join("flat.raw");
        qemu_img(&["convert", "-O", "raw", text(&image), text(&flat)]);
        assert!(std::fs::read(&flat).unwrap() == bytes, "{kind:?}");
        bytes = sample(&directory).1;
    }
}

#[test]
fn what_is_asked_for_but_not_supported_is_named() {
    let directory = TempDir::new().unwrap();
    let (raw, _) = sample(&directory);
    let image = directory.path().join("image.qcow2");
    let data = format!("data_file={},data_file_raw=on", directory.path().join("data").display());
    type Check = fn(&ImageError) -> bool;
    let cases: [(&str, Check); 3] = [
        ("compression_type=zstd", |e| matches!(e, ImageError::UnsupportedCompression { kind: 1 })),
        ("extended_l2=on", |e| matches!(e, ImageError::Unsupported { .. })),
        (&data, |e| matches!(e, ImageError::HasDataFile)),
    ];
    for (option, check) in cases {
        qemu_img(&["create", "-q", "-f", "qcow2", "-o", option, text(&image), "1M"]);
        let error = inspect(&open(&image), Format::Qcow2).unwrap_err();
        assert!(check(&error), "{option}: {error:?}");
    }
    qemu_img(&["create", "-q", "-f", "qcow2", "-F", "raw", "-b", text(&raw), text(&image)]);
    let info = inspect(&open(&image), Format::Qcow2).unwrap();
    assert_eq!(info.backing_file.as_deref(), Some(text(&raw)));
    let target = tempfile::tempfile().unwrap();
    let refused = convert_to_raw(open(&image), &target, 10 * MIB, |_| {});
    assert!(matches!(refused, Err(ImageError::HasBackingFile { name }) if name == text(&raw)));
    qemu_img(&["create", "-q", "-f", "qcow2", text(&image), "20M"]);
    let refused = convert_to_raw(open(&image), &target, 10 * MIB, |_| {});
    assert!(matches!(refused, Err(ImageError::TooLarge { size }) if size == 20 * MIB));
    qemu_img(&["snapshot", "-c", "one", text(&image)]);
    let layer = Layer { file: open(&image), format: Format::Qcow2 };
    assert!(matches!(open_chain(vec![layer], false), Err(ImageError::Unsupported { .. })));
}

#[test]
fn foreign_formats_are_recognised() {
    let directory = TempDir::new().unwrap();
    let (raw, _) = sample(&directory);
    for (format, name) in [("vmdk", "vmdk"), ("vhdx", "vhdx"), ("vpc", "vhd"), ("vdi", "vdi"), ("qed", "qed")] {
        let image = directory.path().join("image");
        qemu_img(&["convert", "-O", format, text(&raw), text(&image)]);
        assert_eq!(probe(&open(&image)).unwrap(), Probe::Foreign(name));
        assert!(matches!(inspect(&open(&image), Format::Qcow2), Err(ImageError::WrongFormat)));
    }
    assert_eq!(probe(&open(&raw)).unwrap(), Probe::Unknown);
    let mut short = tempfile::NamedTempFile::new().unwrap();
    short.write_all(b"QF").unwrap();
    assert_eq!(probe(short.as_file()).unwrap(), Probe::Unknown);
}

#[test]
fn a_chain_has_an_order_and_a_bound() {
    let raw = || Layer { file: tempfile::tempfile().unwrap(), format: Format::Raw };
    let overlay = || {
        let mut file = tempfile::tempfile().unwrap();
        create_overlay(&mut file, MIB).unwrap();
        Layer { file, format: Format::Qcow2 }
    };
    assert!(matches!(open_chain(Vec::new(), true), Err(ImageError::Chain { .. })));
    assert!(matches!(open_chain(vec![raw(), overlay()], true), Err(ImageError::Chain { .. })));
    assert!(matches!(open_chain((0..17).map(|_| overlay()).collect(), true), Err(ImageError::Chain { .. })));
    assert!(open_chain(vec![overlay(), overlay(), raw()], false).is_ok());
}
