//! From a bzImage to the prepared file, on the host, once per image.

use crate::elf::{Elf, LOAD, MOST_SEGMENTS, RELOCATIONS, Segment};
use crate::relocations::Relocations;
use crate::{LARGEST_TABLE, PAGE, Prepared, bzimage, unpack};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// Runs of zero pages from this length on are left out; shorter ones are not worth a program header.
const LEAST_GAP: u64 = 16 * PAGE as u64;

/// Why a kernel could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The image's packing is broken, or a file cannot be read or written.
    #[error("the kernel cannot be unpacked")]
    Io(#[from] io::Error),
}

/// Writes the kernel of the bzImage `image` into the empty `target`. Returns whether it did: an image of another kind, packing or
/// build is left as it is.
///
/// # Errors
/// When the image's packing is broken or a file cannot be read or written. What `target` then holds is of no use.
pub fn prepare(image: &File, target: &File) -> Result<bool, PrepareError> {
    let Some(payload) = bzimage::payload(image)? else { return Ok(false) };
    let Some(size) = unpack::unpack(image, payload, target)? else { return Ok(false) };
    let Some(elf) = Elf::read(target)? else { return Ok(false) };
    let Some(kernel) = whole(&elf, size) else { return Ok(false) };
    if size - elf.end > LARGEST_TABLE {
        return Ok(false);
    }
    let mut table = vec![0; usize::try_from(size - elf.end).map_err(io::Error::other)?];
    target.read_exact_at(&mut table, elf.end)?;
    if Relocations::parse(&table, &kernel).is_none() {
        return Ok(false);
    }
    let mut segments = Vec::new();
    for segment in elf.segments.iter().filter(|segment| segment.kind == LOAD) {
        split(target, segment, &mut segments)?;
    }
    segments.sort_by_key(|segment| segment.physical_address);
    let length = table.len() as u64;
    segments.push(Segment { kind: RELOCATIONS, offset: elf.end, file_size: length, ..nothing() });
    if segments.len() > MOST_SEGMENTS {
        return Ok(false);
    }
    Elf { segments, ..elf }.write(target)?;
    // Segments that overlap, for one, are refused there.
    Ok(Prepared::read(target).is_ok_and(|kernel| kernel.is_some()))
}

const fn nothing() -> Segment {
    Segment { kind: LOAD, offset: 0, virtual_address: 0, physical_address: 0, file_size: 0, memory_size: 0 }
}

/// The physical link addresses of a kernel whose parts lie in whole pages of the file, behind the first.
fn whole(elf: &Elf, size: u64) -> Option<Range<u64>> {
    let (page, mut first, mut last) = (PAGE as u64, u64::MAX, 0);
    for segment in elf.segments.iter().filter(|segment| segment.kind == LOAD) {
        let end = segment.offset.checked_add(segment.file_size)?;
        let aligned = segment.offset.is_multiple_of(page) && segment.physical_address.is_multiple_of(page);
        if !aligned || segment.offset < page || end > elf.end || segment.memory_size < segment.file_size {
            return None;
        }
        first = first.min(segment.physical_address);
        last = last.max(segment.physical_address.checked_add(segment.memory_size)?);
    }
    (elf.end < size && (first..last).contains(&elf.entry)).then_some(first..last)
}

/// Adds the runs of a segment that are not zero, and what the segment is longer than its last run.
fn split(file: &File, segment: &Segment, into: &mut Vec<Segment>) -> io::Result<()> {
    let page = PAGE as u64;
    let part = |from: u64, to: u64| Segment {
        offset: segment.offset + from,
        virtual_address: segment.virtual_address.wrapping_add(from),
        physical_address: segment.physical_address + from,
        file_size: to - from,
        memory_size: to - from,
        ..nothing()
    };
    let (mut runs, mut buffer): (Vec<Range<u64>>, _) = (Vec::new(), [0; PAGE]);
    for at in (0..segment.file_size).step_by(PAGE) {
        let bytes = &mut buffer[..page.min(segment.file_size - at) as usize];
        file.read_exact_at(bytes, segment.offset + at)?;
        if bytes.iter().all(|byte| *byte == 0) {
            continue;
        }
        let end = at + bytes.len() as u64;
        match runs.last_mut().filter(|run| at - run.end < LEAST_GAP) {
            Some(run) => run.end = end,
            None => runs.push(at..end),
        }
    }
    let start = into.len();
    into.extend(runs.iter().map(|run| part(run.start, run.end)));
    if into.len() == start {
        into.push(part(0, 0));
    }
    if let Some(last) = into.last_mut() {
        last.memory_size = segment.physical_address + segment.memory_size - last.physical_address;
    }
    Ok(())
}
