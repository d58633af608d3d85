//! Whole-or-nothing writes of small files.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// What a temporary file's name ends with; [`remove_temporary`] knows them by it.
pub const TEMPORARY: &str = ".tmp";

/// What a write survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The end of this program.
    Process,
    /// The loss of power as well.
    Power,
}

/// The name under which `path` is written before it is renamed.
#[must_use]
pub fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(TEMPORARY);
    name.into()
}

/// Puts `bytes` at `path`: readers see the old file or the new one, never a part. The file is readable by its owner alone.
///
/// # Errors
/// Those of the file system; the old file is then untouched.
pub fn write(path: &Path, bytes: &[u8], durability: Durability) -> io::Result<()> {
    let temporary = temporary(path);
    let outcome = write_new(&temporary, bytes, durability).and_then(|()| fs::rename(&temporary, path));
    if outcome.is_err() {
        // What is left of it is also removed at the next start.
        let _ = fs::remove_file(&temporary);
        return outcome;
    }
    match (durability, path.parent()) {
        (Durability::Power, Some(dir)) => sync_dir(dir),
        _ => Ok(()),
    }
}

/// Writes a file that need not exist yet.
///
/// # Errors
/// Those of the file system.
pub fn write_new(path: &Path, bytes: &[u8], durability: Durability) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    if durability == Durability::Power { file.sync_all() } else { Ok(()) }
}

/// Makes renames and removals in `dir` survive the loss of power.
///
/// # Errors
/// Those of the file system.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Removes what interrupted writes left in `dir`.
///
/// # Errors
/// Those of the file system.
pub fn remove_temporary(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.to_str().is_some_and(|name| name.ends_with(TEMPORARY)) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Removes a file; that it is not there is fine.
///
/// # Errors
/// Those of the file system.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("object");
        write(&path, b"old", Durability::Power).unwrap();
        // The temporary name is taken by a directory: the write cannot begin.
        fs::create_dir(temporary(&path)).unwrap();
        assert!(write(&path, b"new", Durability::Power).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }

    #[test]
    fn interrupted_writes_are_swept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("object");
        write(&path, b"whole", Durability::Process).unwrap();
        fs::write(temporary(&path), b"ha").unwrap();
        remove_temporary(dir.path()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
