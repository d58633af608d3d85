//! The end of what a guest wrote to its serial port.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

/// The newest bytes of the log at `path`, at most `most`; empty when there is none.
///
/// # Errors
/// Those of the file system.
pub fn tail(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(most)))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The last line of a log that says something, at most 300 characters, for a failure's reason.
pub fn last_line(path: &Path) -> Option<String> {
    let bytes = tail(path, 4096).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().take(300).collect())
}

/// Whether a guest's process wrote to its log that the guest powered itself off. Nothing comes after that but what goes wrong at its end.
pub fn says_powered_off(path: &Path) -> bool {
    tail(path, 4096).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).lines().any(|line| line == "powered off"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_bytes_are_given() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("console.log");
        assert!(tail(&path, 10).unwrap().is_empty());
        std::fs::write(&path, b"first\nsecond\n\n").unwrap();
        assert_eq!(tail(&path, 8).unwrap(), b"second\n\n");
        assert_eq!(tail(&path, 100).unwrap(), b"first\nsecond\n\n");
        assert_eq!(last_line(&path).as_deref(), Some("second"));
    }

    #[test]
    fn a_power_off_is_told_from_other_ends() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vmm.log");
        assert!(!says_powered_off(&path));
        std::fs::write(&path, b"reset: the guest asked for it\n").unwrap();
        assert!(!says_powered_off(&path));
        std::fs::write(&path, b"reset: the guest asked for it\npowered off\nthe disk cannot be flushed\n").unwrap();
        assert!(says_powered_off(&path));
    }
}
