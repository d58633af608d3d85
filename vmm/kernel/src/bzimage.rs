//! Where the packed kernel lies in a bzImage (Documentation/arch/x86/boot.rst).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const HEADER: usize = 0x268;
const SECTOR: u64 = 512;
const MAGIC_AT: usize = 0x202;
const VERSION_AT: usize = 0x206;
const SETUP_SECTORS_AT: usize = 0x1f1;
const LOAD_FLAGS_AT: usize = 0x236;
const PAYLOAD_AT: usize = 0x248;
/// The version that tells of the payload and of the 64-bit entry.
const VERSION: u16 = 0x20c;
/// The kernel has a 64-bit entry point.
const KERNEL_64: u16 = 1;

/// Offset and length of the packed kernel; `None` when the file is no 64-bit bzImage.
pub(crate) fn payload(file: &File) -> io::Result<Option<(u64, u64)>> {
    let mut header = [0; HEADER];
    match file.read_exact_at(&mut header, 0) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let half = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    let word = |at: usize| u64::from(half(at)) | u64::from(half(at + 2)) << 16;
    if header[MAGIC_AT..MAGIC_AT + 4] != *b"HdrS" || half(VERSION_AT) < VERSION || half(LOAD_FLAGS_AT) & KERNEL_64 == 0
    {
        return Ok(None);
    }
    // An old convention: 0 means 4.
    let sectors = if header[SETUP_SECTORS_AT] == 0 { 4 } else { u64::from(header[SETUP_SECTORS_AT]) };
    let (offset, length) = ((sectors + 1) * SECTOR + word(PAYLOAD_AT), word(PAYLOAD_AT + 4));
    let whole = offset.checked_add(length).is_some_and(|end| file.metadata().is_ok_and(|found| end <= found.len()));
    Ok(whole.then_some((offset, length)))
}
