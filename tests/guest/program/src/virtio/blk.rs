//! Virtio block devices (virtio 1.2, 5.2), one request at a time; the processor sleeps meanwhile.

use super::Fault;
use super::queue::{Piece, Queue};
use super::transport::Transport;
use crate::ring0;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;

/// Bytes of a sector.
pub const SECTOR: usize = 512;

const READ_ONLY: u64 = 1 << 5;
const FLUSH: u64 = 1 << 9;
const DISCARD: u64 = 1 << 13;
const WRITE_ZEROES: u64 = 1 << 14;

const TYPE_IN: u32 = 0;
const TYPE_OUT: u32 = 1;
const TYPE_FLUSH: u32 = 4;
const TYPE_GET_ID: u32 = 8;
const TYPE_DISCARD: u32 = 11;
const TYPE_WRITE_ZEROES: u32 = 13;

/// How a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The device could not do it.
    Io,
    /// The device does not do this.
    Unsupported,
    /// The answer is none that the specification knows.
    Protocol(u8),
}

/// A disk.
pub struct Disk {
    queue: Queue,
    features: u64,
    sectors: u64,
    header: Box<[u8; 16]>,
    status: Box<u8>,
}

impl Disk {
    /// Brings a disk up.
    pub fn new(transport: Transport) -> Result<Self, Fault> {
        let features = transport.negotiate(READ_ONLY | FLUSH | DISCARD | WRITE_ZEROES)?;
        let queue = transport.queue(0, 16)?;
        transport.ready();
        let sectors = u64::from(transport.config::<u32>(0)) | u64::from(transport.config::<u32>(4)) << 32;
        Ok(Self { queue, features, sectors, header: Box::new([0; 16]), status: Box::new(0) })
    }

    /// Its size in sectors.
    pub fn sectors(&self) -> u64 {
        self.sectors
    }

    /// Whether it refuses writes.
    pub fn is_read_only(&self) -> bool {
        self.features & READ_ONLY != 0
    }

    /// The serial number that the host gave it.
    pub fn serial(&mut self) -> String {
        let mut id = vec![0_u8; 20];
        let piece = Piece::Write(id.as_mut_ptr() as u64, id.len() as u32);
        if self.request(TYPE_GET_ID, 0, Some(piece)).is_err() {
            return String::new();
        }
        let length = id.iter().position(|byte| *byte == 0).unwrap_or(id.len());
        String::from_utf8_lossy(&id[..length]).into_owned()
    }

    /// Reads whole sectors.
    pub fn read(&mut self, sector: u64, into: &mut [u8]) -> Result<(), Error> {
        self.request(TYPE_IN, sector, Some(Piece::Write(into.as_mut_ptr() as u64, into.len() as u32)))
    }

    /// Writes whole sectors.
    pub fn write(&mut self, sector: u64, from: &[u8]) -> Result<(), Error> {
        self.request(TYPE_OUT, sector, Some(Piece::Read(from.as_ptr() as u64, from.len() as u32)))
    }

    /// Makes what was written durable, where the disk offers it.
    pub fn flush(&mut self) -> Result<(), Error> {
        if self.features & FLUSH == 0 { Ok(()) } else { self.request(TYPE_FLUSH, 0, None) }
    }

    /// Tells the disk that sectors are of no more use.
    pub fn discard(&mut self, sector: u64, sectors: u32) -> Result<(), Error> {
        self.range(DISCARD, TYPE_DISCARD, sector, sectors)
    }

    /// Makes sectors read as zeros.
    pub fn write_zeroes(&mut self, sector: u64, sectors: u32) -> Result<(), Error> {
        self.range(WRITE_ZEROES, TYPE_WRITE_ZEROES, sector, sectors)
    }

    fn range(&mut self, feature: u64, kind: u32, sector: u64, sectors: u32) -> Result<(), Error> {
        if self.features & feature == 0 {
            return Err(Error::Unsupported);
        }
        let mut segment = Box::new([0_u8; 16]);
        segment[..8].copy_from_slice(&sector.to_le_bytes());
        segment[8..12].copy_from_slice(&sectors.to_le_bytes());
        self.request(kind, 0, Some(Piece::Read(segment.as_ptr() as u64, 16)))
    }

    fn request(&mut self, kind: u32, sector: u64, data: Option<Piece>) -> Result<(), Error> {
        const UNSET: u8 = 0xff;
        self.header[..4].copy_from_slice(&kind.to_le_bytes());
        self.header[8..].copy_from_slice(&sector.to_le_bytes());
        // SAFETY: a valid object; volatile because the device writes it below.
        unsafe { (&raw mut *self.status).write_volatile(UNSET) };
        let header = Piece::Read(self.header.as_ptr() as u64, 16);
        let status = Piece::Write(&raw const *self.status as u64, 1);
        let chain: &[Piece] = match data {
            Some(data) => &[header, data, status],
            None => &[header, status],
        };
        // SAFETY: header, data and status live until the chain came back, below.
        unsafe { self.queue.push(chain) };
        self.queue.notify();
        while self.queue.pop().is_none() {
            ring0::wait(crate::clock::ticks_until(None));
        }
        self.queue.interrupted();
        // SAFETY: as above.
        match unsafe { (&raw const *self.status).read_volatile() } {
            0 => Ok(()),
            1 => Err(Error::Io),
            2 => Err(Error::Unsupported),
            other => Err(Error::Protocol(other)),
        }
    }
}
