use super::config::FLUSH;
use super::engine::BlkEngine;
use super::*;
use crate::virtio::feature;
use crate::virtio::testing::{Driver, NEXT, QUEUE_SIZE as RING, WRITE, active};
use crate::virtio::worker::Engine;
use std::fs::File;
use std::os::unix::fs::FileExt;
use vmm_disk::raw::Raw;
use vmm_disk::{DiskError, DiskIo};

const HEADER: u64 = 0x1_0000;
const DATA: u64 = 0x2_0000;
const STATUS: u64 = 0x3_0000;
const CAPACITY: u64 = 64 * 1024;

/// A raw disk that hides its file, or fails.
struct Slow(Raw, bool);

impl DiskIo for Slow {
    fn len(&self) -> u64 {
        self.0.len()
    }
    fn read_only(&self) -> bool {
        self.0.read_only()
    }
    fn read_at(&mut self, offset: u64, data: &mut [u8]) -> Result<(), DiskError> {
        self.0.read_at(offset, data)
    }
    fn write_at(&mut self, offset: u64, data: &[u8]) -> Result<(), DiskError> {
        if self.1 { Err(DiskError::NoSpace) } else { self.0.write_at(offset, data) }
    }
    fn flush(&mut self) -> Result<(), DiskError> {
        if self.1 { Err(DiskError::NoSpace) } else { self.0.flush() }
    }
    fn discard(&mut self, offset: u64, length: u64) -> Result<(), DiskError> {
        self.0.discard(offset, length)
    }
    fn write_zeroes(&mut self, offset: u64, length: u64, may_unmap: bool) -> Result<(), DiskError> {
        self.0.write_zeroes(offset, length, may_unmap)
    }
    fn discard_granularity(&self) -> u32 {
        65536
    }
}

struct Rig {
    driver: Driver,
    engine: BlkEngine,
    active: crate::virtio::worker::Active,
    file: File,
    counters: Arc<Counters>,
}

fn raw(read_only: bool) -> (Raw, File) {
    let file = tempfile::tempfile().unwrap();
    file.set_len(CAPACITY).unwrap();
    (Raw::open(file.try_clone().unwrap(), read_only).unwrap(), file)
}

fn rig(disk: Box<dyn DiskIo>, file: File) -> Rig {
    let (driver, counters) = (Driver::new(), Arc::new(Counters::default()));
    let active = active(&[&driver], feature::TRANSPORT | FLUSH);
    Rig { engine: BlkEngine::new(disk, "serial-1", counters.clone()), active, driver, file, counters }
}

fn raw_rig() -> Rig {
    let (disk, file) = raw(false);
    rig(Box::new(disk), file)
}

impl Rig {
    /// One request: the status, and how many bytes the device says it wrote.
    fn request(&mut self, kind: u32, sector: u64, length: u32, to_guest: bool) -> (u8, u32) {
        let mut header = [0; 16];
        header[..4].copy_from_slice(&kind.to_le_bytes());
        header[8..].copy_from_slice(&sector.to_le_bytes());
        self.driver.write(HEADER, &header);
        self.driver.write(STATUS, &[0xee]);
        self.driver.descriptor(0, HEADER, 16, NEXT, 1);
        let direction = if to_guest { WRITE } else { 0 };
        self.driver.descriptor(1, DATA, length, NEXT | direction, 2);
        self.driver.descriptor(2, STATUS, 1, WRITE, 0);
        self.driver.offer(0);
        self.engine.handle(&mut self.active, 0).unwrap();
        let used = self.driver.used(self.driver.used_index().wrapping_sub(1));
        (self.driver.read(STATUS, 1)[0], used.1)
    }

    fn range(&mut self, kind: u32, sector: u64, sectors: u32, flags: u32) -> u8 {
        let mut range = sector.to_le_bytes().to_vec();
        range.extend(sectors.to_le_bytes());
        range.extend(flags.to_le_bytes());
        self.driver.write(DATA, &range);
        self.request(kind, 0, 16, false).0
    }
}

#[test]
fn data_goes_both_ways_with_and_without_a_copy() {
    let (disk, file) = raw(false);
    for mut rig in [raw_rig(), rig(Box::new(Slow(disk, false)), file)] {
        let data: Vec<u8> = (0..4096_u32).map(|n| (n % 251) as u8).collect();
        rig.driver.write(DATA, &data);
        assert_eq!(rig.request(1, 3, 4096, false), (0, 1));
        let mut stored = vec![0; 4096];
        rig.file.read_exact_at(&mut stored, 3 * 512).unwrap();
        assert_eq!(stored, data);
        rig.driver.write(DATA, &[0; 4096]);
        assert_eq!(rig.request(0, 3, 4096, true), (0, 4097));
        assert_eq!(rig.driver.read(DATA, 4096), data);
        let totals = rig.counters.totals();
        assert_eq!((totals.reads, totals.writes, totals.read_bytes, totals.errors), (1, 1, 4096, 0));
    }
}

#[test]
fn the_serial_number_and_unknown_requests() {
    let mut rig = raw_rig();
    assert_eq!(rig.request(8, 0, 20, true), (0, 21));
    assert_eq!(rig.driver.read(DATA, 10), b"serial-1\0\0");
    assert_eq!(rig.request(8, 0, 4, true), (0, 5));
    assert_eq!(rig.request(77, 0, 512, true).0, 2);
    assert_eq!(rig.request(4, 0, 0, false).0, 0);
}

#[test]
fn ranges_beyond_the_disk_fail_without_stopping_it() {
    let mut rig = raw_rig();
    let sectors = CAPACITY / 512;
    for (sector, length) in [(sectors, 512), (sectors - 1, 1024), (u64::MAX, 512), (0, 511)] {
        assert_eq!(rig.request(0, sector, length, true), (1, 1), "{sector} {length}");
        assert_eq!(rig.request(1, sector, length, false), (1, 1), "{sector} {length}");
    }
    assert_eq!(rig.request(0, sectors - 1, 512, true).0, 0);
    assert_eq!(rig.counters.totals().errors, 8);
}

#[test]
fn a_full_disk_and_a_read_only_disk_answer_with_an_error() {
    let (disk, file) = raw(false);
    let mut full = rig(Box::new(Slow(disk, true)), file);
    assert_eq!(full.request(1, 0, 512, false).0, 1);
    assert_eq!(full.request(4, 0, 0, false).0, 1);
    assert_eq!(full.request(0, 0, 512, true).0, 0);
    let (disk, file) = raw(true);
    let mut fixed = rig(Box::new(disk), file);
    assert_eq!(fixed.request(1, 0, 512, false).0, 1);
    assert_eq!(fixed.range(13, 0, 8, 0), 1);
}

#[test]
fn discard_and_write_zeroes_check_their_ranges() {
    let mut rig = raw_rig();
    rig.driver.write(DATA, &[9; 4096]);
    assert_eq!(rig.request(1, 0, 4096, false).0, 0);
    assert_eq!(rig.range(13, 1, 2, 1), 0);
    let mut stored = vec![0; 4096];
    rig.file.read_exact_at(&mut stored, 0).unwrap();
    assert!(stored[..512].iter().all(|b| *b == 9 || *b == stored[0]) && stored[512..1536] == [0; 1024]);
    assert_eq!(rig.range(11, 0, 8, 0), 0);
    assert_eq!(rig.range(11, 0, 8, 1), 2);
    assert_eq!(rig.range(13, 0, 8, 2), 2);
    assert_eq!(rig.range(13, CAPACITY / 512, 1, 0), 1);
    assert_eq!(rig.range(13, 0, u32::MAX, 0), 1);
    assert_eq!(rig.request(13, 0, 15, false).0, 1);
}

#[test]
fn a_chain_without_status_or_header_stops_the_device() {
    let mut rig = raw_rig();
    rig.driver.descriptor(0, HEADER, 16, 0, 0);
    rig.driver.offer(0);
    assert!(rig.engine.handle(&mut rig.active, 0).is_err());
    let mut rig = raw_rig();
    rig.driver.descriptor(0, HEADER, 15, NEXT, 1);
    rig.driver.descriptor(1, STATUS, 1, WRITE, 0);
    rig.driver.offer(0);
    assert!(rig.engine.handle(&mut rig.active, 0).is_err());
}

#[test]
fn the_configuration_tells_the_size() {
    let (disk, _) = raw(true);
    let blk = Blk::new("root", "", Box::new(disk)).unwrap();
    let mut capacity = [0; 8];
    blk.read_config(0, &mut capacity);
    assert_eq!(u64::from_le_bytes(capacity), CAPACITY / 512);
    assert_eq!(blk.features() & 1 << 5, 1 << 5);
    let mut beyond = [0xaa; 4];
    blk.read_config(58, &mut beyond);
    assert_eq!(beyond, [0, 0, 0xaa, 0xaa]);
}

proptest::proptest! {
    #[test]
    fn no_ring_makes_it_panic(
        descriptors in proptest::collection::vec(
            (0_u64..0x5_0000, 0_u32..0x2000, 0_u16..8, 0..RING + 2), usize::from(RING)),
        kind in 0_u32..16,
        heads in proptest::collection::vec(0..RING + 2, 1..20),
    ) {
        let mut rig = raw_rig();
        rig.driver.write(HEADER, &kind.to_le_bytes());
        for (index, (address, length, flags, next)) in descriptors.into_iter().enumerate() {
            let address = if index % 3 == 0 { HEADER } else { address };
            rig.driver.descriptor(index as u16, address, length, flags, next);
        }
        for head in heads {
            rig.driver.offer(head);
            if rig.engine.handle(&mut rig.active, 0).is_err() {
                break;
            }
        }
    }
}
