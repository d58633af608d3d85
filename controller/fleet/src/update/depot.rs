//! The bundles' folder: a file per version, whole and signed by somebody whom this machine trusts, or not there.

use controller_base::Timestamp;
use humilis_update::{BadKeys, Bundle as Signed, Keys, Refused};
use std::{
    fs::{self, File},
    io::{self, Read, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::UNIX_EPOCH,
};

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a bundle.
    pub bytes: u64,
    /// How many bundles.
    pub bundles: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 1 << 30, bundles: 4 }
    }
}

/// A bundle that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// Its version.
    pub version: String,
    /// Its bytes.
    pub size: u64,
    /// When it came.
    pub added_at: Timestamp,
}

/// Why a bundle is not kept, or not found.
#[derive(Debug, thiserror::Error)]
pub enum DepotError {
    /// It is none, or nobody who is trusted signed it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It is larger than any may be.
    #[error("the update is larger than {0} bytes")]
    TooLarge(u64),
    /// There are as many as may be.
    #[error("{0} updates are kept, which is all that may be: remove one")]
    Full(usize),
    /// The version is there.
    #[error("version {0} is there")]
    Exists(String),
    /// It is not.
    #[error("there is no update of version {0}")]
    NotFound(String),
    /// Whom to trust is not known.
    #[error(transparent)]
    Keys(#[from] BadKeys),
    /// The folder cannot be used.
    #[error("the updates' folder cannot be used")]
    Io(#[from] io::Error),
}

/// The folder. Its calls read and write files: not for a thread that must not wait.
#[derive(Debug)]
pub struct Depot {
    folder: PathBuf,
    keys: Vec<PathBuf>,
    limits: Limits,
    next: AtomicU64,
}

/// A bundle that comes in pieces; gone when dropped before its end.
#[derive(Debug)]
pub struct Incoming {
    part: PathBuf,
    file: File,
    length: u64,
    most: u64,
}

impl Depot {
    /// Bundles in this folder, signed by somebody whose key is in these files. What came in half before goes.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(folder: PathBuf, keys: Vec<PathBuf>, limits: Limits) -> Result<Self, DepotError> {
        fs::create_dir_all(&folder)?;
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "part") {
                fs::remove_file(path)?;
            }
        }
        Ok(Self { folder, keys, limits, next: AtomicU64::new(0) })
    }

    /// What is there, the newest last.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn list(&self) -> Result<Vec<Bundle>, DepotError> {
        let mut bundles = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some(version) = name.strip_suffix(".update") {
                bundles.push(bundle(version, &entry.metadata()?));
            }
        }
        bundles.sort_by(|a, b| (a.added_at, &a.version).cmp(&(b.added_at, &b.version)));
        Ok(bundles)
    }

    /// One of them.
    ///
    /// # Errors
    /// When it is not there.
    pub fn get(&self, version: &str) -> Result<Bundle, DepotError> {
        let found = self.list()?.into_iter().find(|bundle| bundle.version == version);
        found.ok_or_else(|| DepotError::NotFound(version.to_owned()))
    }

    /// Begins to take one in.
    ///
    /// # Errors
    /// When there are too many.
    pub fn receive(&self) -> Result<Incoming, DepotError> {
        if self.list()?.len() >= self.limits.bundles {
            return Err(DepotError::Full(self.limits.bundles));
        }
        let part = self.folder.join(format!("{}.part", self.next.fetch_add(1, Ordering::Relaxed)));
        let file = File::create(&part)?;
        Ok(Incoming { part, file, length: 0, most: self.limits.bytes })
    }

    /// Keeps one that is whole.
    ///
    /// # Errors
    /// When it is not what somebody who is trusted signed, or its version is there.
    pub fn keep(&self, incoming: Incoming) -> Result<Bundle, DepotError> {
        let header = Signed::open(File::open(&incoming.part)?, &Keys::load(&self.keys)?)?.check()?;
        let place = self.place(&header.version);
        if place.exists() {
            return Err(DepotError::Exists(header.version));
        }
        if self.list()?.len() >= self.limits.bundles {
            return Err(DepotError::Full(self.limits.bundles));
        }
        incoming.file.sync_all()?;
        fs::rename(&incoming.part, &place)?;
        File::open(&self.folder)?.sync_all()?;
        Ok(bundle(&header.version, &fs::metadata(&place)?))
    }

    /// Forgets one.
    ///
    /// # Errors
    /// When it is not there.
    pub fn remove(&self, version: &str) -> Result<(), DepotError> {
        let found = self.get(version)?;
        Ok(fs::remove_file(self.place(&found.version))?)
    }

    /// A bundle's bytes from `offset` on.
    ///
    /// # Errors
    /// When it is not there.
    pub fn read(&self, version: &str, offset: u64) -> Result<impl Read + Send + 'static + use<>, DepotError> {
        let mut file = File::open(self.place(&self.get(version)?.version))?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(file)
    }

    fn place(&self, version: &str) -> PathBuf {
        self.folder.join(format!("{version}.update"))
    }
}

fn bundle(version: &str, metadata: &fs::Metadata) -> Bundle {
    let added = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let added = added.and_then(|at| i64::try_from(at.as_micros()).ok()).unwrap_or_default();
    Bundle { version: version.to_owned(), size: metadata.len(), added_at: Timestamp(added) }
}

impl Incoming {
    /// The next bytes.
    ///
    /// # Errors
    /// When they are too many, or cannot be written.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), DepotError> {
        self.length += bytes.len() as u64;
        if self.length > self.most {
            return Err(DepotError::TooLarge(self.most));
        }
        Ok(self.file.write_all(bytes)?)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        remove(&self.part);
    }
}

fn remove(part: &Path) {
    // It has its name now.
    drop(fs::remove_file(part));
}

#[cfg(test)]
mod tests {
    use super::*;
    use humilis_update::SigningKey;

    struct Maker {
        folder: tempfile::TempDir,
        key: SigningKey,
    }

    impl Maker {
        fn new() -> Self {
            let key = SigningKey::parse(&SigningKey::generate().unwrap()).unwrap();
            Self { folder: tempfile::tempdir().unwrap(), key }
        }

        fn bundle(&self, version: &str) -> Vec<u8> {
            let root = self.folder.path().join(format!("humilis_{version}.root"));
            fs::write(&root, [7; 5000]).unwrap();
            let mut bundle = Vec::new();
            humilis_update::write(&mut bundle, &self.key, version, &[&root]).unwrap();
            bundle
        }

        fn depot(&self, limits: Limits) -> Depot {
            let keys = self.folder.path().join("keys");
            fs::write(&keys, self.key.public()).unwrap();
            Depot::open(self.folder.path().join("updates"), vec![keys], limits).unwrap()
        }
    }

    fn add(depot: &Depot, bytes: &[u8]) -> Result<Bundle, DepotError> {
        let mut incoming = depot.receive()?;
        for piece in bytes.chunks(1000) {
            incoming.push(piece)?;
        }
        depot.keep(incoming)
    }

    fn files(depot: &Depot) -> usize {
        fs::read_dir(&depot.folder).unwrap().count()
    }

    #[test]
    fn what_is_signed_is_kept_and_read_from_anywhere() {
        let maker = Maker::new();
        let (depot, bytes) = (maker.depot(Limits::default()), maker.bundle("2"));
        let kept = add(&depot, &bytes).unwrap();
        assert_eq!((kept.version.as_str(), kept.size), ("2", bytes.len() as u64));
        assert_eq!(depot.list().unwrap(), [kept]);
        let mut rest = Vec::new();
        depot.read("2", 100).unwrap().read_to_end(&mut rest).unwrap();
        assert_eq!(rest, bytes[100..]);
        assert!(matches!(add(&depot, &bytes), Err(DepotError::Exists(_))));
        depot.remove("2").unwrap();
        assert!(matches!(depot.get("2"), Err(DepotError::NotFound(_))));
        assert_eq!(files(&depot), 0);
    }

    #[test]
    fn what_is_cut_short_changed_or_anothers_leaves_nothing() {
        let (maker, other) = (Maker::new(), Maker::new());
        let (depot, bytes) = (maker.depot(Limits::default()), maker.bundle("2"));
        let cut = add(&depot, &bytes[..bytes.len() - 1]).unwrap_err();
        assert!(matches!(cut, DepotError::Refused(Refused::Short(_))), "{cut}");
        let mut changed = bytes;
        *changed.last_mut().unwrap() ^= 1;
        assert!(matches!(add(&depot, &changed), Err(DepotError::Refused(Refused::Content(_)))));
        assert!(matches!(add(&depot, &other.bundle("2")), Err(DepotError::Refused(Refused::Signature))));
        assert_eq!(files(&depot), 0);
    }

    #[test]
    fn there_are_bounds() {
        let maker = Maker::new();
        let small = maker.depot(Limits { bytes: 100, bundles: 4 });
        assert!(matches!(add(&small, &maker.bundle("2")), Err(DepotError::TooLarge(100))));
        let few = maker.depot(Limits { bundles: 1, ..Limits::default() });
        add(&few, &maker.bundle("2")).unwrap();
        assert!(matches!(add(&few, &maker.bundle("3")), Err(DepotError::Full(1))));
        assert!(matches!(few.get("../2"), Err(DepotError::NotFound(_))), "a version is no path");
    }

    #[test]
    fn what_came_in_half_is_gone_at_the_next_start() {
        let maker = Maker::new();
        let depot = maker.depot(Limits::default());
        let mut incoming = depot.receive().unwrap();
        incoming.push(b"half").unwrap();
        std::mem::forget(incoming);
        assert_eq!(files(&depot), 1);
        assert_eq!(files(&maker.depot(Limits::default())), 0);
    }
}
