//! The ledger: the host's desired state on disk, so that the host converges with no controller in sight.
//!
//! It owns `<state>/ledger`. It does not know what the payloads mean.
//!
//! Invariants:
//! - An object is one file and is replaced as a whole; after a kill at any instruction each object is the old or the new one.
//! - [`Ledger::apply`] returns after everything survives the loss of power: only then may the batch be acknowledged.
//! - A file that does not read back is moved to `quarantine/` and reported; it never stops the start.
//! - `complete` is set by the first snapshot and stays: from then on, what is not in the ledger shall not be on the host.
//!
//! ```text
//! ledger/complete            present after the first whole snapshot
//!       /<kind>/<id>         frame of frame.rs
//!       /quarantine/<kind>.<id>
//! ```

mod frame;

use crate::{
    durable::{self, Durability},
    fault::{self, Point},
    ids::ObjectId,
};
use std::{
    collections::{BTreeSet, HashMap},
    fs, io,
    path::{Path, PathBuf},
};

pub use frame::{FrameError, VERSION};

/// A folder of the ledger; the caller's constant.
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

/// A file that did not read back.
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
    /// Whether a whole snapshot was ever written.
    pub complete: bool,
    /// Every object that reads back.
    pub entries: Vec<Entry>,
    /// Every file that does not.
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

impl LedgerError {
    /// Whether the disk is full.
    #[must_use]
    pub fn is_no_space(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

fn at<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> LedgerError + 'a {
    move |source| LedgerError { action, path: path.to_owned(), source }
}

/// The open ledger. One task owns it; its calls block.
#[derive(Debug)]
pub struct Ledger {
    root: PathBuf,
    kinds: &'static [Kind],
    // What lies on disk, by the checksum of its payload: an unchanged object is not written again.
    written: HashMap<Key, u64>,
    complete: bool,
}

impl Ledger {
    /// Opens the ledger at `root`, makes what is missing, and reads all of it.
    ///
    /// # Errors
    /// When the directories cannot be made or read; never for a damaged object.
    pub fn open(root: &Path, kinds: &'static [Kind]) -> Result<(Self, Loaded), LedgerError> {
        let complete = root.join("complete").exists();
        let mut ledger = Self { root: root.to_owned(), kinds, written: HashMap::new(), complete };
        let mut loaded = Loaded { complete, ..Loaded::default() };
        let quarantine = ledger.quarantine();
        fs::create_dir_all(&quarantine).map_err(at("create", &quarantine))?;
        for kind in kinds {
            ledger.load(kind, &mut loaded)?;
        }
        Ok((ledger, loaded))
    }

    /// Whether a whole snapshot was ever written.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Writes a batch.
    ///
    /// # Errors
    /// When any of it could not be written. Parts may be in place; the batch may be repeated.
    pub fn apply(&mut self, batch: &Batch) -> Result<(), LedgerError> {
        let mut touched = BTreeSet::new();
        let changed: Vec<_> = batch.puts.iter().filter(|entry| self.differs(entry)).collect();
        for entry in &changed {
            let temporary = durable::temporary(&self.path(&entry.key));
            let bytes = frame::encode(&entry.payload);
            durable::write_new(&temporary, &bytes, Durability::Power).map_err(at("write", &temporary))?;
            fault::reach(Point::LedgerWritten);
        }
        for entry in changed {
            let path = self.path(&entry.key);
            fs::rename(durable::temporary(&path), &path).map_err(at("rename to", &path))?;
            self.written.insert(entry.key.clone(), frame::checksum(&entry.payload));
            touched.insert(entry.key.0);
        }
        for key in self.to_remove(batch) {
            let path = self.path(&key);
            durable::remove(&path).map_err(at("remove", &path))?;
            self.written.remove(&key);
            touched.insert(key.0);
        }
        fault::reach(Point::LedgerRenamed);
        for kind in touched {
            let dir = self.root.join(kind);
            durable::sync_dir(&dir).map_err(at("sync", &dir))?;
        }
        if batch.complete && !self.complete {
            let path = self.root.join("complete");
            durable::write(&path, b"", Durability::Power).map_err(at("write", &path))?;
            self.complete = true;
        }
        Ok(())
    }

    fn differs(&self, entry: &Entry) -> bool {
        self.written.get(&entry.key) != Some(&frame::checksum(&entry.payload))
    }

    fn to_remove(&self, batch: &Batch) -> Vec<Key> {
        if !batch.complete {
            return batch.removes.clone();
        }
        let kept: BTreeSet<_> = batch.puts.iter().map(|entry| &entry.key).collect();
        self.written.keys().filter(|key| !kept.contains(key)).cloned().collect()
    }

    fn path(&self, (kind, id): &Key) -> PathBuf {
        debug_assert!(self.kinds.contains(kind), "a kind that was not named at open is not read back");
        self.root.join(kind).join(id.as_str())
    }

    fn quarantine(&self) -> PathBuf {
        self.root.join("quarantine")
    }

    fn load(&mut self, kind: Kind, loaded: &mut Loaded) -> Result<(), LedgerError> {
        let dir = self.root.join(kind);
        fs::create_dir_all(&dir).map_err(at("create", &dir))?;
        durable::remove_temporary(&dir).map_err(at("sweep", &dir))?;
        for file in fs::read_dir(&dir).map_err(at("list", &dir))? {
            let path = file.map_err(at("list", &dir))?.path();
            match read(&path) {
                Ok((id, payload)) => {
                    let key = (kind, id);
                    self.written.insert(key.clone(), frame::checksum(&payload));
                    loaded.entries.push(Entry { key, payload });
                }
                Err(error) => loaded.quarantined.push(self.set_aside(kind, &path, error)?),
            }
        }
        Ok(())
    }

    fn set_aside(&self, kind: Kind, path: &Path, error: FrameError) -> Result<Quarantined, LedgerError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let aside = self.quarantine().join(format!("{kind}.{name}"));
        fs::rename(path, &aside).map_err(at("set aside", path))?;
        Ok(Quarantined { path: aside, error })
    }
}

fn read(path: &Path) -> Result<(ObjectId, Vec<u8>), FrameError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let id = name.parse().map_err(|_| FrameError::Name)?;
    Ok((id, frame::decode(&fs::read(path)?)?.to_vec()))
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

    fn sorted(loaded: Loaded) -> Vec<Entry> {
        let mut entries = loaded.entries;
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        entries
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
        assert_eq!(sorted(loaded), [entry("guest", "a", b"1"), entry("guest", "b", b"3")]);
    }

    #[test]
    fn a_snapshot_removes_what_it_does_not_list() {
        let dir = tempfile::tempdir().unwrap();
        let (mut ledger, _) = Ledger::open(dir.path(), KINDS).unwrap();
        ledger.apply(&whole(&[entry("guest", "a", b"1"), entry("guest", "b", b"2")])).unwrap();
        ledger.apply(&whole(&[entry("guest", "b", b"2")])).unwrap();
        let (_, loaded) = Ledger::open(dir.path(), KINDS).unwrap();
        assert_eq!(sorted(loaded), [entry("guest", "b", b"2")]);
    }

    #[test]
    fn a_damaged_object_is_set_aside_and_the_others_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let (mut ledger, _) = Ledger::open(dir.path(), KINDS).unwrap();
        ledger.apply(&whole(&[entry("guest", "a", b"fine"), entry("guest", "b", b"hurt")])).unwrap();
        let hurt = dir.path().join("guest/b");
        let mut bytes = fs::read(&hurt).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&hurt, bytes).unwrap();
        let (_, loaded) = Ledger::open(dir.path(), KINDS).unwrap();
        assert!(matches!(loaded.quarantined[0].error, FrameError::Checksum));
        assert!(loaded.quarantined[0].path.exists());
        assert_eq!(sorted(loaded), [entry("guest", "a", b"fine")]);
    }

    #[test]
    fn a_write_that_was_cut_short_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let (mut ledger, _) = Ledger::open(dir.path(), KINDS).unwrap();
        ledger.apply(&whole(&[entry("guest", "a", b"old")])).unwrap();
        fs::write(dir.path().join("guest/a.tmp"), b"ne").unwrap();
        let (_, loaded) = Ledger::open(dir.path(), KINDS).unwrap();
        assert_eq!(sorted(loaded), [entry("guest", "a", b"old")]);
        assert!(!dir.path().join("guest/a.tmp").exists());
    }

    #[test]
    fn an_unchanged_object_is_not_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let (mut ledger, _) = Ledger::open(dir.path(), KINDS).unwrap();
        ledger.apply(&whole(&[entry("guest", "a", b"1")])).unwrap();
        fs::remove_file(dir.path().join("guest/a")).unwrap();
        ledger.apply(&whole(&[entry("guest", "a", b"1")])).unwrap();
        assert!(!dir.path().join("guest/a").exists());
    }
}
