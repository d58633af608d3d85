//! The packings of kernels (scripts/Makefile.lib of Linux): each is followed by the unpacked size, four bytes.

use crate::{LARGEST, PAGE};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;

const SIZE_BYTES: u64 = 4;
const GZIP: [u8; 3] = [0x1f, 0x8b, 8];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// LZ4's older frame: blocks of 8 MiB, each after its packed length.
const LZ4: [u8; 4] = [0x02, 0x21, 0x4c, 0x18];
const LZ4_BLOCK: usize = 8 << 20;

/// Unpacks what lies at `offset` into `target`; `None` when the packing is none of ours.
pub(crate) fn unpack(file: &File, (offset, length): (u64, u64), target: &File) -> io::Result<Option<u64>> {
    let Some(packed) = length.checked_sub(SIZE_BYTES) else { return Ok(None) };
    let (mut magic, mut size) = ([0; 4], [0; 4]);
    file.read_exact_at(&mut magic, offset)?;
    file.read_exact_at(&mut size, offset + packed)?;
    let size = u64::from(u32::from_le_bytes(size));
    if size > LARGEST {
        return Ok(None);
    }
    let source = Section { file, at: offset, left: packed };
    let mut sink = Sparse { file: target, at: 0, limit: size };
    match magic {
        LZ4 => lz4(source, &mut sink)?,
        ZSTD => zstd(source, &mut sink)?,
        _ if magic.starts_with(&GZIP) => gzip(source, &mut sink)?,
        _ => return Ok(None),
    }
    if sink.at != size {
        return Err(invalid("the kernel is not as long as it says"));
    }
    target.set_len(size)?;
    Ok(Some(size))
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn lz4(mut source: Section<'_>, sink: &mut Sparse<'_>) -> io::Result<()> {
    source.read_exact(&mut [0; 4])?;
    let mut block = vec![0; LZ4_BLOCK];
    while source.left > 0 {
        let mut length = [0; 4];
        source.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > lz4_flex::block::get_maximum_output_size(LZ4_BLOCK) {
            return Err(invalid("an LZ4 block is too long"));
        }
        let mut packed = vec![0; length];
        source.read_exact(&mut packed)?;
        let unpacked = lz4_flex::block::decompress_into(&packed, &mut block).map_err(invalid)?;
        sink.write_all(&block[..unpacked])?;
    }
    Ok(())
}

fn zstd(source: Section<'_>, sink: &mut Sparse<'_>) -> io::Result<()> {
    let mut decoder = ruzstd::decoding::StreamingDecoder::new(source).map_err(invalid)?;
    io::copy(&mut decoder, sink).map(drop)
}

/// A gzip member as the kernel's build makes it: a plain header of ten bytes, perhaps with a name after it.
fn gzip(mut source: Section<'_>, sink: &mut Sparse<'_>) -> io::Result<()> {
    const NAME: u8 = 1 << 3;
    let mut header = [0; 10];
    source.read_exact(&mut header)?;
    if header[3] & !NAME != 0 {
        return Err(invalid("a gzip header with fields that kernels have not"));
    }
    let mut byte = [u8::from(header[3] & NAME != 0)];
    while byte != [0] {
        source.read_exact(&mut byte)?;
    }
    inflate(source, sink)
}

fn inflate(mut source: Section<'_>, sink: &mut Sparse<'_>) -> io::Result<()> {
    use miniz_oxide::{DataFormat, MZFlush, MZStatus, inflate::stream};
    let mut state = stream::InflateState::new_boxed(DataFormat::Raw);
    let (mut input, mut output) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let (mut start, mut end) = (0, 0);
    loop {
        if start == end {
            (start, end) = (0, source.read(&mut input)?);
        }
        let step = stream::inflate(&mut state, &input[start..end], &mut output, MZFlush::None);
        start += step.bytes_consumed;
        sink.write_all(&output[..step.bytes_written])?;
        match step.status {
            Ok(MZStatus::StreamEnd) => return Ok(()),
            Ok(_) if step.bytes_consumed + step.bytes_written > 0 => {}
            _ => return Err(invalid("the gzip stream is broken")),
        }
    }
}

/// A part of a file.
struct Section<'a> {
    file: &'a File,
    at: u64,
    left: u64,
}

impl Read for Section<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.file.read_at(&mut buffer[..length], self.at)?;
        self.at += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}

/// A file whose zeroes are holes, up to a limit.
struct Sparse<'a> {
    file: &'a File,
    at: u64,
    limit: u64,
}

impl Write for Sparse<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Up to the end of a page, so that whole pages are seen.
        let room = PAGE - (self.at % PAGE as u64) as usize;
        let bytes = &bytes[..bytes.len().min(room)];
        if self.at + bytes.len() as u64 > self.limit {
            return Err(invalid("the kernel is longer than it says"));
        }
        if bytes.iter().any(|byte| *byte != 0) {
            self.file.write_all_at(bytes, self.at)?;
        }
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
