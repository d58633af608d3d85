//! The key repository: a directory as `keystone-manage fernet_setup` and `fernet_rotate` leave it. `0` is staged (the next primary),
//! the highest number is the primary that seals; all open.

use super::fernet::Key;
use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::SystemTime,
};

/// Fernet keys on disk and in memory.
#[derive(Clone, Debug)]
pub struct KeyRepository {
    directory: PathBuf,
    /// The primary first.
    keys: Arc<RwLock<Arc<[Key]>>>,
    /// What the directory looked like when it was last read.
    read: Arc<Mutex<Look>>,
}

/// When the directory was changed, and which files it held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Look {
    changed: Option<SystemTime>,
    numbers: Vec<u64>,
}

impl Look {
    fn at(directory: &Path) -> io::Result<Self> {
        Ok(Self { changed: Some(fs::metadata(directory)?.modified()?), numbers: numbers(directory)? })
    }
}

impl KeyRepository {
    /// Opens the directory; an empty or missing one gets a staged and a primary key.
    ///
    /// # Errors
    /// The directory cannot be used, or holds a file that is no key.
    pub fn open(directory: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        if numbers(directory)?.is_empty() {
            write(directory, 1, &Key::random())?;
            write(directory, 0, &Key::random())?;
        }
        let look = Look::at(directory)?;
        let keys = load(directory)?;
        let (keys, read) = (Arc::new(RwLock::new(keys)), Arc::new(Mutex::new(look)));
        Ok(Self { directory: directory.to_owned(), keys, read })
    }

    /// All keys, the sealing one first.
    #[must_use]
    pub fn keys(&self) -> Arc<[Key]> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes the staged key the primary, stages a new one and forgets the oldest beyond `most`.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn rotate(&self, most: usize) -> io::Result<()> {
        let present = numbers(&self.directory)?;
        let primary = present.last().copied().unwrap_or(0) + 1;
        fs::rename(self.directory.join("0"), self.directory.join(primary.to_string()))?;
        write(&self.directory, 0, &Key::random())?;
        let secondary: Vec<_> = present.into_iter().filter(|number| *number != 0).collect();
        let surplus = (secondary.len() + 2).saturating_sub(most.max(2));
        for number in secondary.into_iter().take(surplus) {
            fs::remove_file(self.directory.join(number.to_string()))?;
        }
        self.reload()
    }

    /// Reads the directory again if it has changed: another process has rotated. False when it has not, or cannot be read now; the
    /// keys stay as they were then.
    pub fn refresh(&self) -> bool {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        match Look::at(&self.directory) {
            Ok(look) if look != *read => match self.reload() {
                Ok(()) => {
                    *read = look;
                    true
                }
                Err(error) => {
                    tracing::warn!(%error, directory = %self.directory.display(), "the keys cannot be read");
                    false
                }
            },
            Ok(_) | Err(_) => false,
        }
    }

    /// Reads the directory again, after somebody else has rotated.
    ///
    /// # Errors
    /// The directory cannot be read; the keys stay as they were.
    pub fn reload(&self) -> io::Result<()> {
        let keys = load(&self.directory)?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }
}

fn numbers(directory: &Path) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        found.extend(entry?.file_name().to_str().and_then(|name| name.parse::<u64>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}

fn load(directory: &Path) -> io::Result<Arc<[Key]>> {
    let read = |number: u64| {
        let path = directory.join(number.to_string());
        let broken = || io::Error::new(io::ErrorKind::InvalidData, format!("{} is no Fernet key", path.display()));
        Key::decode(&fs::read_to_string(&path)?).ok_or_else(broken)
    };
    numbers(directory)?.into_iter().rev().map(read).collect()
}

/// Written beside and renamed, so that no crash leaves half a key.
fn write(directory: &Path, number: u64, key: &Key) -> io::Result<()> {
    let beside = directory.join(format!("{number}.tmp"));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    io::Write::write_all(&mut file, key.encode().as_bytes())?;
    file.sync_all()?;
    fs::rename(beside, directory.join(number.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_outlives_rotations_until_its_key_is_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let repository = KeyRepository::open(directory.path()).unwrap();
        let old = repository.keys()[0].clone();
        repository.rotate(3).unwrap();
        assert!(repository.keys()[0] != old && repository.keys().contains(&old));
        assert_eq!(repository.keys().len(), 3);
        repository.rotate(3).unwrap();
        assert!(!repository.keys().contains(&old));
        let again = KeyRepository::open(directory.path()).unwrap();
        assert_eq!(again.keys(), repository.keys());
    }

    #[test]
    fn another_processs_rotation_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        let (here, there) =
            (KeyRepository::open(directory.path()).unwrap(), KeyRepository::open(directory.path()).unwrap());
        assert!(!here.refresh());
        there.rotate(3).unwrap();
        assert_ne!(here.keys(), there.keys());
        assert!(here.refresh());
        assert_eq!(here.keys(), there.keys());
        fs::write(directory.path().join("9"), "half").unwrap();
        assert!(!here.refresh(), "half a file changes nothing");
        assert_eq!(here.keys(), there.keys());
    }

    #[test]
    fn a_broken_key_file_is_reported() {
        let directory = tempfile::tempdir().unwrap();
        KeyRepository::open(directory.path()).unwrap();
        fs::write(directory.path().join("2"), "short").unwrap();
        assert!(KeyRepository::open(directory.path()).is_err());
    }
}
