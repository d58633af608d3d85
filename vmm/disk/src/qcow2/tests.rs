//! The image against a model, and against a process that dies after each of its writes.

use super::create::create;
use super::*;
use proptest::prelude::*;
use std::io;
use std::process::Command;
use std::sync::{Arc, Mutex};

const CLUSTER: u64 = 65_536;
const SIZE: u64 = 40 * CLUSTER + 1536;

/// One change to the file.
#[derive(Clone, Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Extend(u64),
    Punch(u64, u64),
}

/// A file in memory that remembers each change, and can be full.
#[derive(Clone, Default)]
struct Recorder {
    bytes: Arc<Mutex<Vec<u8>>>,
    log: Arc<Mutex<Vec<Change>>>,
    writes_left: Arc<Mutex<Option<u32>>>,
}

impl Recorder {
    fn apply(bytes: &mut Vec<u8>, change: &Change) {
        match change {
            Change::Write(offset, data) => {
                let end = *offset as usize + data.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*offset as usize..end].copy_from_slice(data);
            }
            Change::Extend(length) => bytes.resize(bytes.len().max(*length as usize), 0),
            Change::Punch(offset, length) => {
                let end = bytes.len().min((offset + length) as usize);
                bytes[*offset as usize..end].fill(0);
            }
        }
    }

    fn change(&self, change: Change) -> io::Result<()> {
        if let Some(left) = self.writes_left.lock().unwrap().as_mut() {
            *left = left.checked_sub(1).ok_or(io::ErrorKind::StorageFull)?;
        }
        Self::apply(&mut self.bytes.lock().unwrap(), &change);
        self.log.lock().unwrap().push(change);
        Ok(())
    }
}

impl Storage for Recorder {
    fn length(&self) -> io::Result<u64> {
        Ok(self.bytes.lock().unwrap().len() as u64)
    }
    fn read(&self, data: &mut [u8], offset: u64) -> io::Result<()> {
        let bytes = self.bytes.lock().unwrap();
        data.fill(0);
        for (to, from) in data.iter_mut().zip(bytes.iter().skip(offset as usize)) {
            *to = *from;
        }
        Ok(())
    }
    fn write(&mut self, data: &[u8], offset: u64) -> io::Result<()> {
        self.change(Change::Write(offset, data.to_vec()))
    }
    fn extend(&mut self, length: u64) -> io::Result<()> {
        if self.length()? < length { self.change(Change::Extend(length)) } else { Ok(()) }
    }
    fn punch(&mut self, offset: u64, length: u64) {
        self.change(Change::Punch(offset, length)).ok();
    }
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A disk in memory.
struct Memory(Vec<u8>);

impl DiskIo for Memory {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }
    fn read_only(&self) -> bool {
        true
    }
    fn read_at(&mut self, offset: u64, data: &mut [u8]) -> Result<(), DiskError> {
        self.check_range(offset, data.len() as u64)?;
        data.copy_from_slice(&self.0[offset as usize..offset as usize + data.len()]);
        Ok(())
    }
    fn write_at(&mut self, _: u64, _: &[u8]) -> Result<(), DiskError> {
        Err(DiskError::ReadOnly)
    }
    fn flush(&mut self) -> Result<(), DiskError> {
        Ok(())
    }
    fn discard(&mut self, _: u64, _: u64) -> Result<(), DiskError> {
        Err(DiskError::ReadOnly)
    }
    fn write_zeroes(&mut self, _: u64, _: u64, _: bool) -> Result<(), DiskError> {
        Err(DiskError::ReadOnly)
    }
    fn discard_granularity(&self) -> u32 {
        512
    }
}

fn base() -> Vec<u8> {
    // Shorter than the overlay, and not whole clusters.
    (0..20 * CLUSTER + 5 * 512).map(|n| (n / 512 % 255 + 1) as u8).collect()
}

fn open(storage: &Recorder, backed: bool) -> Qcow2<Recorder> {
    let backing = backed.then(|| Box::new(Memory(base())) as Box<dyn DiskIo>);
    Qcow2::open(storage.clone(), backing, false).unwrap()
}

fn overlay() -> Recorder {
    let mut storage = Recorder::default();
    create(&mut storage, SIZE).unwrap();
    storage
}

fn contents(image: &mut impl DiskIo) -> Vec<u8> {
    let mut bytes = vec![0; image.len() as usize];
    image.read_at(0, &mut bytes).unwrap();
    bytes
}

/// What qemu-img finds wrong: `true` for nothing but clusters that nobody refers to.
fn qemu_accepts(bytes: &[u8]) -> bool {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let output = Command::new("qemu-img").args(["check", "-f", "qcow2"]).arg(file.path()).output().unwrap();
    let good = matches!(output.status.code(), Some(0 | 3));
    if !good {
        eprintln!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    }
    good
}

#[derive(Clone, Debug)]
enum Op {
    Write(u64, u64, u8),
    Discard(u64, u64),
    Zero(u64, u64, bool),
    Reopen,
}

fn op() -> impl Strategy<Value = Op> {
    // Sectors, with a leaning to the borders of clusters.
    let place = prop_oneof![0..SIZE / 512, (0..41_u64).prop_map(|n| n * 128)];
    let length = prop_oneof![1..300_u64, Just(128), Just(256)];
    let range = (place, length).prop_map(|(at, length)| {
        let offset = at * 512;
        (offset, (length * 512).min(SIZE - offset))
    });
    prop_oneof![
        5 => (range.clone(), 1..=255_u8).prop_map(|((at, length), byte)| Op::Write(at, length, byte)),
        1 => range.clone().prop_map(|(at, length)| Op::Discard(at, length)),
        2 => (range, any::<bool>()).prop_map(|((at, length), unmap)| Op::Zero(at, length, unmap)),
        1 => Just(Op::Reopen),
    ]
}

/// Applies an operation to the image; the model follows. Discarded bytes are read back: what they are is undefined.
fn apply(image: &mut Qcow2<Recorder>, model: &mut [u8], op: &Op) {
    match *op {
        Op::Write(at, length, byte) => {
            image.write_at(at, &vec![byte; length as usize]).unwrap();
            model[at as usize..(at + length) as usize].fill(byte);
        }
        Op::Discard(at, length) => {
            image.discard(at, length).unwrap();
            image.read_at(at, &mut model[at as usize..(at + length) as usize]).unwrap();
        }
        Op::Zero(at, length, unmap) => {
            image.write_zeroes(at, length, unmap).unwrap();
            model[at as usize..(at + length) as usize].fill(0);
        }
        Op::Reopen => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn it_reads_what_was_written(ops in proptest::collection::vec(op(), 1..40), backed: bool) {
        let storage = overlay();
        let mut image = open(&storage, backed);
        let mut model = if backed { base() } else { Vec::new() };
        model.resize(SIZE as usize, 0);
        for op in &ops {
            if matches!(op, Op::Reopen) {
                image = open(&storage, backed);
            }
            apply(&mut image, &mut model, op);
        }
        prop_assert!(contents(&mut image) == model);
        prop_assert!(contents(&mut open(&storage, backed)) == model);
        prop_assert!(qemu_accepts(&storage.bytes.lock().unwrap()));
    }

    #[test]
    fn a_death_at_any_instant_loses_nothing_that_was_done(ops in proptest::collection::vec(op(), 1..12), cut in 0.0..1.0_f64) {
        let storage = overlay();
        let created = storage.bytes.lock().unwrap().clone();
        storage.log.lock().unwrap().clear();
        let mut image = open(&storage, true);
        let mut model = base();
        model.resize(SIZE as usize, 0);
        let mut stages = vec![(0, model.clone())];
        for op in &ops {
            apply(&mut image, &mut model, op);
            stages.push((storage.log.lock().unwrap().len(), model.clone()));
        }
        let log = storage.log.lock().unwrap().clone();
        let kept = (log.len() as f64 * cut) as usize;
        let dead = Recorder::default();
        *dead.bytes.lock().unwrap() = created;
        log[..kept].iter().for_each(|change| Recorder::apply(&mut dead.bytes.lock().unwrap(), change));
        prop_assert!(qemu_accepts(&dead.bytes.lock().unwrap()), "after {kept} of {} changes", log.len());
        let after = contents(&mut open(&dead, true));
        prop_assert!(qemu_accepts(&dead.bytes.lock().unwrap()));
        // Each sector is as before or after the operation in which the process died.
        let done = stages.iter().rposition(|(length, _)| *length <= kept).unwrap();
        let (old, new) = (&stages[done].1, &stages[(done + 1).min(stages.len() - 1)].1);
        for (sector, bytes) in after.chunks(512).enumerate() {
            let at = sector * 512..sector * 512 + bytes.len();
            // Partly written ranges may be anything within the operation's own range only.
            prop_assert!(bytes == &old[at.clone()] || bytes == &new[at] || touched(&ops, done, sector as u64 * 512));
        }
    }
}

fn touched(ops: &[Op], index: usize, offset: u64) -> bool {
    match ops.get(index) {
        Some(Op::Write(at, length, _) | Op::Discard(at, length) | Op::Zero(at, length, _)) => {
            (*at..at + length).contains(&offset)
        }
        _ => false,
    }
}

#[test]
fn a_full_file_system_fails_writes_and_damages_nothing() {
    for room in 0..40 {
        let storage = overlay();
        let mut image = open(&storage, true);
        image.write_at(0, &[1; 512]).unwrap();
        *storage.writes_left.lock().unwrap() = Some(room);
        let mut model = contents(&mut image);
        for number in 0..17_u64 {
            let at = number * 2 * CLUSTER + 700 * 512;
            let before = model[at as usize..at as usize + 1024].to_vec();
            match image.write_at(at, &[9; 1024]) {
                Ok(()) => model[at as usize..at as usize + 1024].fill(9),
                Err(DiskError::NoSpace) => {
                    let mut now = vec![0; 1024];
                    image.read_at(at, &mut now).unwrap();
                    assert_eq!(now, before, "room {room}");
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(contents(&mut image), model);
        *storage.writes_left.lock().unwrap() = None;
        image.write_at(5 * CLUSTER + 512, &[3; 512]).unwrap();
        model[5 * CLUSTER as usize + 512..5 * CLUSTER as usize + 1024].fill(3);
        assert_eq!(contents(&mut image), model, "room {room}");
        assert!(contents(&mut open(&storage, true)) == model);
        assert!(qemu_accepts(&storage.bytes.lock().unwrap()));
    }
}

#[test]
fn entries_that_outlived_their_clusters_are_forgotten() {
    let storage = overlay();
    let mut image = open(&storage, false);
    image.write_at(0, &[1; 512]).unwrap();
    let before = storage.length().unwrap();
    image.write_at(3 * CLUSTER, &vec![2; CLUSTER as usize]).unwrap();
    // The crash: the tables were written back, the new length of the file was not, and refcounts were lost.
    storage.bytes.lock().unwrap().truncate(before as usize);
    storage.bytes.lock().unwrap()[2 * CLUSTER as usize + 8..3 * CLUSTER as usize].fill(0);
    let mut image = open(&storage, false);
    let mut data = [9; 512];
    image.read_at(3 * CLUSTER, &mut data).unwrap();
    assert_eq!(data, [0; 512]);
    image.read_at(0, &mut data).unwrap();
    assert_eq!(data, [1; 512]);
    image.write_at(3 * CLUSTER, &[4; 512]).unwrap();
    assert!(qemu_accepts(&storage.bytes.lock().unwrap()));
}

#[test]
fn a_lost_refcount_block_is_made_again() {
    let storage = overlay();
    let mut image = open(&storage, false);
    image.write_at(0, &[1; 512]).unwrap();
    // A cluster in the second block's range (2 GiB and more into the file).
    drop(image);
    storage.bytes.lock().unwrap()[CLUSTER as usize..CLUSTER as usize + 8].fill(0);
    let mut image = open(&storage, false);
    image.write_at(CLUSTER, &[2; 512]).unwrap();
    let mut data = [0; 512];
    image.read_at(0, &mut data).unwrap();
    assert_eq!(data, [1; 512]);
}

#[test]
fn a_discarded_cluster_gives_its_space_back() {
    let storage = overlay();
    let mut image = open(&storage, true);
    image.write_at(0, &vec![1; 2 * CLUSTER as usize]).unwrap();
    storage.log.lock().unwrap().clear();
    image.discard(512, 2 * CLUSTER - 512).unwrap();
    let punched = storage.log.lock().unwrap().iter().filter(|c| matches!(c, Change::Punch(_, CLUSTER))).count();
    assert_eq!(punched, 1);
    image.write_at(CLUSTER + 512, &[7; 512]).unwrap();
    let mut data = [9; 1536];
    image.read_at(CLUSTER, &mut data).unwrap();
    assert_eq!((data[0], data[512], data[1024]), (0, 7, 0));
}
