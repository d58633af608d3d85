//! The ledger: the host's desired state on disk, so that the host converges with no controller in sight.
//!
//! It owns `<state>/ledger`. It does not know what the payloads mean.
//!
//! Invariants:
//! - The journal is only appended to, or replaced as a whole; after a kill at any instruction each object is the old or the new one.
//! - [`Ledger::apply`] returns after everything survives the loss of power: only then may the batch be acknowledged.
//! - What does not read back is copied to `quarantine/` and reported; it never stops the start. The ledger is then not complete.
//! - `complete` is set by a whole snapshot and stays: from then on, what is not in the ledger shall not be on the host.
//!
//! ```text
//! ledger/journal             records of frame.rs
//!       /quarantine/<kind>.<id>, /quarantine/rest
//! ```
//!
//! One file, because a batch then costs one write and one sync, however many objects it changes. It is written anew without what
//! no longer counts when that is most of it.

mod frame;

use crate::{
    durable::{self, Durability},
    fault::{self, Point},
    ids::ObjectId,
};
use frame::Operation;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

pub use frame::{FrameError, VERSION};

/// A journal this long is not worth writing anew.
const SMALL: u64 = 1024 * 1024;
/// How much longer than what counts of it a journal may become.
const SLACK: u64 = 4;

/// A kind of object; the caller's constant.
pub type Kind = &'static str;

/// An object's name in the ledger.
pub type Key = (Kind, ObjectId);

/// One object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub key: Key,
    /// Its bytes.
    pub payload: Vec<u8>,
}

/// Changes that are written together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// `puts` is all there is: every other object goes.
    pub complete: bool,
    /// Objects to write.
    pub puts: Vec<Entry>,
    /// Objects to remove.
    pub removes: Vec<Key>,
}

/// A part of the journal that did not read back.
#[derive(Debug)]
pub struct Quarantined {
    /// Where it lies now.
    pub path: PathBuf,
    /// What is wrong with it.
    pub error: FrameError,
}

/// What the ledger held when it was opened.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Whether a whole snapshot was written, and nothing was damaged since.
    pub complete: bool,
    /// Every object that reads back.
    pub entries: Vec<Entry>,
    /// What does not.
    pub quarantined: Vec<Quarantined>,
}

/// A ledger that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {path}")]
pub struct LedgerError {
    action: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

fn at<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> LedgerError + 'a {
    move |source| LedgerError { action, path: path.to_owned(), source }
}

/// Where an object's newest record lies.
#[derive(Clone, Copy, Debug)]
struct Place {
    offset: u64,
    length: usize,
    // Of the payload: an unchanged object is not written again.
    checksum: u64,
}

/// The open ledger. One task owns it; its calls block.
#[derive(Debug)]
pub struct Ledger {
    root: PathBuf,
    kinds: &'static [Kind],
    journal: File,
    // What of the journal counts; behind it may lie a write that failed.
    length: u64,
    objects: BTreeMap<Key, Place>,
    complete: bool,
}

impl Ledger {
    /// Opens the ledger at `root`, makes what is missing, and reads all of it.
    ///
    /// # Errors
    /// When the directories cannot be made or read; never for damaged records.
    pub fn open(root: &Path, kinds: &'static [Kind]) -> Result<(Self, Loaded), LedgerError> {
        let quarantine = root.join("quarantine");
        fs::create_dir_all(&quarantine).map_err(at("create", &quarantine))?;
        durable::remove_temporary(root).map_err(at("sweep", root))?;
        let path = root.join("journal");
        let journal = options().create(true).open(&path).map_err(at("open", &path))?;
        durable::sync_dir(root).map_err(at("sync", root))?;
        let bytes = fs::read(&path).map_err(at("read", &path))?;
        let mut ledger =
            Self { root: root.to_owned(), kinds, journal, length: 0, objects: BTreeMap::new(), complete: false };
        let loaded = ledger.load(&bytes);
        Ok((ledger, loaded))
    }

    /// Whether a whole snapshot was written, and nothing was damaged since.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Writes a batch.
    ///
    /// # Errors
    /// When it could not be written. The batch may be repeated.
    pub fn apply(&mut self, batch: &Batch) -> Result<(), LedgerError> {
        let mut bytes = Vec::new();
        let mut changes = Vec::new();
        for entry in batch.puts.iter().filter(|entry| self.differs(entry)) {
            let offset = self.length + bytes.len() as u64;
            let (kind, id) = &entry.key;
            let length = frame::encode(&mut bytes, Operation::Put, kind, id.as_str(), &entry.payload);
            changes
                .push((entry.key.clone(), Some(Place { offset, length, checksum: frame::checksum(&entry.payload) })));
        }
        for key in self.to_remove(batch) {
            frame::encode(&mut bytes, Operation::Remove, key.0, key.1.as_str(), &[]);
            changes.push((key, None));
        }
        let completes = batch.complete && !self.complete;
        if completes {
            frame::encode(&mut bytes, Operation::Complete, "", "", &[]);
        }
        if bytes.is_empty() {
            return Ok(());
        }
        self.append(&bytes)?;
        self.complete |= completes;
        for (key, place) in changes {
            match place {
                Some(place) => self.objects.insert(key, place),
                None => self.objects.remove(&key),
            };
        }
        self.shorten();
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), LedgerError> {
        let written = self.journal.write_all_at(bytes, self.length).and_then(|()| {
            fault::reach(Point::LedgerWritten);
            self.journal.sync_data()
        });
        if let Err(error) = written {
            // What is in place of it would be taken for a record that was cut short, if this fails as well.
            let _ = self.journal.set_len(self.length);
            return Err(at("write", &self.path())(error));
        }
        fault::reach(Point::LedgerSynced);
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn differs(&self, entry: &Entry) -> bool {
        self.objects.get(&entry.key).is_none_or(|place| place.checksum != frame::checksum(&entry.payload))
    }

    fn to_remove(&self, batch: &Batch) -> Vec<Key> {
        if !batch.complete {
            return batch.removes.iter().filter(|key| self.objects.contains_key(key)).cloned().collect();
        }
        let kept: BTreeSet<_> = batch.puts.iter().map(|entry| &entry.key).collect();
        self.objects.keys().filter(|key| !kept.contains(key)).cloned().collect()
    }

    /// Writes the journal anew when little of it counts. That this fails costs only room, and is tried at the next batch.
    fn shorten(&mut self) {
        let counts: u64 = self.objects.values().map(|place| place.length as u64).sum();
        if self.length <= SMALL || self.length / SLACK <= counts {
            return;
        }
        if let Err(error) = self.rewrite() {
            tracing::warn!(error = &error as &dyn std::error::Error, "the ledger's journal cannot be shortened");
        }
    }

    fn rewrite(&mut self) -> io::Result<()> {
        let mut bytes = Vec::new();
        let mut objects = BTreeMap::new();
        for (key, place) in &self.objects {
            let offset = bytes.len();
            bytes.resize(offset + place.length, 0);
            self.journal.read_exact_at(&mut bytes[offset..], place.offset)?;
            objects.insert(key.clone(), Place { offset: offset as u64, ..*place });
        }
        if self.complete {
            frame::encode(&mut bytes, Operation::Complete, "", "", &[]);
        }
        durable::write(&self.path(), &bytes, Durability::Power)?;
        self.journal = options().open(self.path())?;
        (self.length, self.objects) = (bytes.len() as u64, objects);
        Ok(())
    }

    fn path(&self) -> PathBuf {
        self.root.join("journal")
    }

    /// Takes in what the journal says.
    fn load(&mut self, bytes: &[u8]) -> Loaded {
        let mut loaded = Loaded::default();
        let mut payloads = BTreeMap::new();
        while let rest = &bytes[self.length as usize..]
            && !rest.is_empty()
        {
            let record = match frame::decode(rest) {
                Ok(record) => record,
                // A write that the loss of power cut short: nobody was told that it had been done.
                Err(FrameError::Short) => break,
                Err(error) => {
                    loaded.quarantined.push(self.set_aside("rest", rest, error));
                    break;
                }
            };
            let offset = self.length;
            self.length += record.length as u64;
            if record.operation == Operation::Complete {
                self.complete = true;
                continue;
            }
            let kind = self.kinds.iter().find(|kind| **kind == record.kind);
            // A kind that is not known was another program's.
            let (Some(kind), Ok(id)) = (kind, record.id.parse()) else { continue };
            let key = (*kind, id);
            match (record.operation, record.payload) {
                (Operation::Put, Ok(payload)) => {
                    let place = Place { offset, length: record.length, checksum: record.checksum };
                    self.objects.insert(key.clone(), place);
                    payloads.insert(key, payload);
                }
                (_, payload) => {
                    if let Err(error) = payload {
                        let name = format!("{}.{}", record.kind, record.id);
                        loaded.quarantined.push(self.set_aside(&name, &rest[..record.length], error));
                    }
                    self.objects.remove(&key);
                    payloads.remove(&key);
                }
            }
        }
        // Neither what was cut short nor what is wrong shall be found again at the next start.
        self.complete &= loaded.quarantined.is_empty();
        let mut mended = self.journal.set_len(self.length);
        if !loaded.quarantined.is_empty() {
            mended = mended.and_then(|()| self.rewrite());
        }
        if let Err(error) = mended {
            tracing::warn!(error = &error as &dyn std::error::Error, "the ledger's journal cannot be mended");
        }
        loaded.complete = self.complete;
        loaded.entries = payloads.into_iter().map(|(key, payload)| Entry { key, payload: payload.to_vec() }).collect();
        loaded
    }

    /// Keeps damaged bytes for who wants to look at them; a full disk is no reason not to start.
    fn set_aside(&self, name: &str, bytes: &[u8], error: FrameError) -> Quarantined {
        let path = self.root.join("quarantine").join(name);
        let _ = durable::write(&path, bytes, Durability::Process);
        Quarantined { path, error }
    }
}

fn options() -> fs::OpenOptions {
    let mut options = File::options();
    options.read(true).write(true).mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: &[Kind] = &["guest", "port"];

    fn entry(kind: Kind, id: &str, payload: &[u8]) -> Entry {
        Entry { key: (kind, id.parse().unwrap()), payload: payload.to_vec() }
    }

    fn whole(puts: &[Entry]) -> Batch {
        Batch { complete: true, puts: puts.to_vec(), removes: vec![] }
    }

    #[test]
    fn what_was_applied_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let (mut ledger, loaded) = Ledger::open(dir.path(), KINDS).unwrap();
        assert!(!loaded.complete && loaded.entries.is_empty());
        ledger.apply(&whole(&[entry("guest", "a", b"1"), entry("port", "a", b"2")])).unwrap();
        let delta = Batch {
            puts: vec![entry("guest", "b", b"3")],
            removes: vec![("port", "a".parse().unwrap())],
            complete: false,
        };
        ledger.apply(&delta).unwrap();
        let (_, loaded) = Ledger::open(dir.path(), KINDS).unwrap();
        assert!(loaded.complete);
        assert_eq!(loaded.entries, [entry("guest", "a", b"1"), entry("guest", "b", b"3")]);
    }

    #[test]
    fn a_snapshot_removes_what_it_does_not_list() {
        let dir = tempfile::tempdir().unwrap();
        let (mut ledger, _) = Ledger::open(dir.path(), KINDS).unwrap();
        ledger.apply(&whole(&[entry("guest", "a", b"1"), entry("guest", "b", b"2")])).unwrap();
        ledger.apply(&whole(&[entry("guest", "b", b"2")])).unwrap();
        let (_, loaded) = Ledger::open(dir.path(), KINDS).unwrap();
        assert_eq!(loaded.entries, [entry("guest", "b", b"2")]);
    }

    /// Changes one byte of the journal, `back` from its end.
    fn hurt(dir: &Path, back: usize) {
        let path = dir.join("journal");
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.len() - back;
        bytes[at] ^= 1;
        fs::write(path, bytes).unwrap();
    }

    #[test]
    fn a_damaged_object_is_set_aside_and_the_others_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let (mut ledger, _) = Ledger::open(dir.path(), KINDS).unwrap();
        ledger.apply(&whole(&[entry("guest", "a", b"fine"), entry("guest", "b", b"older")])).unwrap();
        ledger.apply(&Batch { puts: vec![entry("guest", "b", b"hurt")], ..Batch::default() }).unwrap();
        hurt(dir.path(), 1);
        let (mut ledger, loaded) = Ledger::open(dir.path(), KINDS).unwrap();
        assert!(matches!(loaded.quarantined[0].error, FrameError::Checksum));
        assert!(loaded.quarantined[0].path.ends_with("guest.b") && loaded.quarantined[0].path.exists());
        // Nothing may be taken away by a ledger that lost something.
        assert!(!loaded.complete);
        assert_eq!(loaded.entries, [entry("guest", "a", b"fine")]);
        ledger.apply(&whole(&[entry("guest", "a", b"fine")])).unwrap();
        let (_, loaded) = Ledger::open(dir.path(), KINDS).unwrap();
        assert!(loaded.complete && loaded.quarantined.is_empty());
    }

    #[test]
    fn what_follows_a_damaged_head_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let (mut ledger, _) = Ledger::open(dir.path(), KINDS).unwrap();
        ledger.apply(&whole(&[entry("guest", "a", b"1")])).unwrap();
        let before = ledger.length;
        ledger.apply(&Batch { puts: vec![entry("guest", "b", b"2")], ..Batch::default() }).unwrap();
        hurt(dir.path(), (ledger.length - before) as usize);
        let (mut ledger, loaded) = Ledger::open(dir.path(), KINDS).unwrap();
        assert!(!loaded.complete && loaded.quarantined[0].path.ends_with("rest"));
        assert_eq!(loaded.entries, [entry("guest", "a", b"1")]);
        ledger.apply(&Batch { puts: vec![entry("guest", "c", b"3")], ..Batch::default() }).unwrap();
        let (_, loaded) = Ledger::open(dir.path(), KINDS).unwrap();
        assert_eq!(loaded.entries, [entry("guest", "a", b"1"), entry("guest", "c", b"3")]);
    }

    #[test]
    fn a_write_that_was_cut_short_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let (mut ledger, _) = Ledger::open(dir.path(), KINDS).unwrap();
        ledger.apply(&whole(&[entry("guest", "a", b"old")])).unwrap();
        let before = ledger.length;
        ledger.apply(&Batch { puts: vec![entry("guest", "a", b"new")], ..Batch::default() }).unwrap();
        for length in before..ledger.length {
            File::options().write(true).open(dir.path().join("journal")).unwrap().set_len(length).unwrap();
            let (_, loaded) = Ledger::open(dir.path(), KINDS).unwrap();
            assert!(loaded.complete && loaded.quarantined.is_empty(), "{length}");
            assert_eq!(loaded.entries, [entry("guest", "a", b"old")]);
            ledger.journal.set_len(before).unwrap();
            ledger.length = before;
            ledger.objects.clear();
            ledger.apply(&whole(&[entry("guest", "a", b"new")])).unwrap();
        }
    }

    #[test]
    fn an_unchanged_object_is_not_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let (mut ledger, _) = Ledger::open(dir.path(), KINDS).unwrap();
        ledger.apply(&whole(&[entry("guest", "a", b"1")])).unwrap();
        let before = ledger.length;
        ledger.apply(&whole(&[entry("guest", "a", b"1")])).unwrap();
        assert_eq!(ledger.length, before);
    }

    #[test]
    fn a_journal_of_which_little_counts_is_written_anew() {
        let dir = tempfile::tempdir().unwrap();
        let (mut ledger, _) = Ledger::open(dir.path(), KINDS).unwrap();
        ledger.apply(&whole(&[entry("guest", "a", b"stays")])).unwrap();
        for round in 0..=u8::MAX {
            let mut batch = Batch { puts: vec![entry("port", "b", &[round; 10_000])], ..Batch::default() };
            batch.removes.extend((round == u8::MAX).then(|| ("port", "b".parse().unwrap())));
            ledger.apply(&batch).unwrap();
            assert!(ledger.length < SMALL + 20_000);
        }
        assert!(ledger.length < SMALL);
        ledger.apply(&Batch { puts: vec![entry("port", "c", b"last")], ..Batch::default() }).unwrap();
        let (_, loaded) = Ledger::open(dir.path(), KINDS).unwrap();
        assert!(loaded.complete);
        assert_eq!(loaded.entries, [entry("guest", "a", b"stays"), entry("port", "c", b"last")]);
    }
}
