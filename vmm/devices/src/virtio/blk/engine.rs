//! Serving requests.

use super::SERIAL_SIZE;
use super::config::{FLUSH, SECTOR};
use super::request::{HEADER, Operation, Range, RangeError, Request, ranges};
use crate::counters::Counters;
use crate::virtio::chain::{Chain, RingError};
use crate::virtio::ring::{Drained, Outcome};
use crate::virtio::worker::{Active, Engine, Turn};
use std::io;
use std::sync::Arc;
use virtio_bindings::virtio_blk::{VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_OK, VIRTIO_BLK_S_UNSUPP};
use vmm_disk::{DiskError, DiskIo};
use vmm_sys::memory::{GuestMemory, GuestSlice};
use vmm_sys::vectored::{IoSlices, MAX_SLICES};

/// Bytes that formats other than raw move at a time.
const BOUNCE: usize = 64 * 1024;

/// How a request failed.
enum Failure {
    /// The disk or the range; `VIRTIO_BLK_S_IOERR`.
    Io,
    /// The request is unknown or has unknown flags; `VIRTIO_BLK_S_UNSUPP`.
    Unsupported,
    /// The chain is broken; the device stops.
    Ring(RingError),
}

impl From<DiskError> for Failure {
    fn from(_: DiskError) -> Self {
        Self::Io
    }
}

impl From<RingError> for Failure {
    fn from(error: RingError) -> Self {
        Self::Ring(error)
    }
}

pub(super) struct BlkEngine {
    disk: Box<dyn DiskIo>,
    serial: [u8; SERIAL_SIZE],
    counters: Arc<Counters>,
    chain: Chain,
    slices: IoSlices,
    bounce: Vec<u8>,
}

impl BlkEngine {
    pub(super) fn new(disk: Box<dyn DiskIo>, serial: &str, counters: Arc<Counters>) -> Self {
        let mut padded = [0; SERIAL_SIZE];
        for (to, from) in padded.iter_mut().zip(serial.bytes()) {
            *to = from;
        }
        Self { disk, serial: padded, counters, chain: Chain::default(), slices: IoSlices::new(), bounce: Vec::new() }
    }

    pub(super) fn flush(&mut self) -> Result<(), DiskError> {
        self.disk.flush()
    }

    /// Serves one chain; the number of bytes that were written to it.
    fn serve(&mut self, memory: &GuestMemory, chain: &Chain, write_through: bool) -> Result<u32, RingError> {
        let request = Request::parse(memory, chain)?;
        let (status, written) = match self.carry_out(memory, chain, request, write_through) {
            Ok(written) => (VIRTIO_BLK_S_OK, written),
            Err(Failure::Ring(error)) => return Err(error),
            Err(Failure::Io) => (VIRTIO_BLK_S_IOERR, 0),
            Err(Failure::Unsupported) => (VIRTIO_BLK_S_UNSUPP, 0),
        };
        if status == VIRTIO_BLK_S_IOERR {
            self.counters.error();
        }
        chain.write(memory, request.to_guest, &[status as u8])?;
        Ok(u32::try_from(written + 1).unwrap_or(u32::MAX))
    }

    fn carry_out(
        &mut self,
        memory: &GuestMemory,
        chain: &Chain,
        request: Request,
        write_through: bool,
    ) -> Result<usize, Failure> {
        match request.operation {
            Operation::Read => return self.read(memory, chain, request),
            Operation::GetId => return self.get_id(memory, chain, request),
            Operation::Flush => self.disk.flush()?,
            Operation::Write => self.write(memory, chain, request)?,
            Operation::Discard => self.discard(memory, chain, request)?,
            Operation::WriteZeroes => self.write_zeroes(memory, chain, request)?,
            Operation::Unknown => return Err(Failure::Unsupported),
        }
        if write_through && request.operation != Operation::Flush {
            self.disk.flush()?;
        }
        Ok(0)
    }

    fn get_id(&self, memory: &GuestMemory, chain: &Chain, request: Request) -> Result<usize, Failure> {
        let length = request.to_guest.min(SERIAL_SIZE);
        chain.write(memory, 0, &self.serial[..length])?;
        Ok(length)
    }

    fn read(&mut self, memory: &GuestMemory, chain: &Chain, request: Request) -> Result<usize, Failure> {
        let length = request.to_guest;
        self.check(request.offset, length)?;
        if let Some(file) = self.disk.direct() {
            let slices = chain.writable_slices(memory, 0, length)?;
            transfer(slices, request.offset, |part, offset| self.slices.read_at(file, part, offset))?;
        } else {
            self.bounce.resize(BOUNCE, 0);
            let mut start = 0;
            while start < length {
                let offset = request.offset + start as u64;
                let part = &mut self.bounce[..part_length(offset, length - start)];
                self.disk.read_at(offset, part)?;
                chain.write(memory, start, part)?;
                start += part.len();
            }
        }
        self.counters.read(length as u64);
        Ok(length)
    }

    fn write(&mut self, memory: &GuestMemory, chain: &Chain, request: Request) -> Result<(), Failure> {
        let length = request.from_guest;
        self.check(request.offset, length)?;
        self.disk.check_change(request.offset, length as u64)?;
        if let Some(file) = self.disk.direct() {
            let slices = chain.readable_slices(memory, HEADER, length)?;
            transfer(slices, request.offset, |part, offset| self.slices.write_at(file, part, offset))?;
        } else {
            self.bounce.resize(BOUNCE, 0);
            let mut start = 0;
            while start < length {
                let offset = request.offset + start as u64;
                let part = &mut self.bounce[..part_length(offset, length - start)];
                chain.read(memory, HEADER + start, part)?;
                self.disk.write_at(offset, part)?;
                start += part.len();
            }
        }
        self.counters.write(length as u64);
        Ok(())
    }

    fn check(&self, offset: u64, length: usize) -> Result<(), Failure> {
        self.disk.check_range(offset, length as u64)?;
        if (length as u64).is_multiple_of(SECTOR) { Ok(()) } else { Err(Failure::Io) }
    }

    fn discard(&mut self, memory: &GuestMemory, chain: &Chain, request: Request) -> Result<(), Failure> {
        for range in checked_ranges(memory, chain, request)? {
            // A discard has no flags (section 5.2.6.2).
            if range.unmap {
                return Err(Failure::Unsupported);
            }
            self.disk.discard(range.offset, range.length)?;
        }
        Ok(())
    }

    fn write_zeroes(&mut self, memory: &GuestMemory, chain: &Chain, request: Request) -> Result<(), Failure> {
        for range in checked_ranges(memory, chain, request)? {
            self.disk.write_zeroes(range.offset, range.length, range.unmap)?;
            self.counters.write(range.length);
        }
        Ok(())
    }
}

/// How much of `left` bytes at `offset` to move at once: up to a multiple of [`BOUNCE`], so that whole clusters stay whole.
fn part_length(offset: u64, left: usize) -> usize {
    left.min(BOUNCE - (offset % BOUNCE as u64) as usize)
}

fn checked_ranges(memory: &GuestMemory, chain: &Chain, request: Request) -> Result<Vec<Range>, Failure> {
    ranges(memory, chain, request.from_guest)?.map_err(|error| match error {
        RangeError::Limit => Failure::Io,
        RangeError::Flag => Failure::Unsupported,
    })
}

/// Moves all of `slices` from or to a file, whatever part of them a call moves.
fn transfer(
    mut slices: Vec<GuestSlice<'_>>,
    mut offset: u64,
    mut call: impl FnMut(&[GuestSlice<'_>], u64) -> io::Result<usize>,
) -> Result<(), Failure> {
    let mut first = 0;
    while first < slices.len() {
        let last = slices.len().min(first + MAX_SLICES);
        let mut moved = match call(&slices[first..last], offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) | Ok(0) => return Err(Failure::Io),
            Ok(moved) => moved,
        };
        offset += moved as u64;
        while first < last && moved >= slices[first].len() {
            moved -= slices[first].len();
            first += 1;
        }
        if moved > 0 {
            slices[first] = slices[first].offset(moved).map_err(|_| Failure::Io)?;
        }
    }
    Ok(())
}

impl Engine for BlkEngine {
    fn handle(&mut self, active: &mut Active, _token: u64) -> Result<Turn, RingError> {
        let (memory, signals) = (&active.memory, &active.signals);
        let Some(Some(ring)) = active.rings.first_mut() else { return Ok(Turn::Done) };
        let write_through = active.features & FLUSH == 0;
        let mut chain = std::mem::take(&mut self.chain);
        // Each request is given back at once: the guest goes on while the next one waits for the disk.
        let drained = ring.drain(memory, &mut chain, |ring, chain| {
            let written = self.serve(memory, chain, write_through)?;
            ring.push(memory, chain.head(), written)?;
            if ring.needs_interrupt(memory)? {
                signals.queue(0);
            }
            Ok(Outcome::Pushed)
        });
        self.chain = chain;
        Ok(if drained? == Drained::More { Turn::Again(0) } else { Turn::Done })
    }
}
