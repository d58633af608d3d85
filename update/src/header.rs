//! What a bundle says of itself. Pure.

use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// The first line.
pub(crate) const MAGIC: &str = "humilis-update 1\n";
/// Longest line of a header.
pub(crate) const LONGEST_LINE: usize = 64 * 1024;
/// Most bytes of a bundle's file.
const LARGEST_FILE: u64 = 8 << 30;

/// What is in a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The appliance's version.
    pub version: String,
    /// Its files, in the order in which they follow.
    pub files: Vec<Entry>,
}

/// A file of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its name, without folders: `humilis_`, the version, a dot and what it is.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// SHA-256 of them, hex.
    pub sha256: String,
}

/// A header that nobody should follow, whoever signed it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It does not begin as bundles do.
    #[error("this is no update bundle")]
    Magic,
    /// It is not the JSON that it should be.
    #[error("its description cannot be read: {0}")]
    Json(String),
    /// The version could not be part of a file's name.
    #[error("{0:?} is no version")]
    Version(String),
    /// A file's name is not made of the version, or is there twice.
    #[error("{0:?} is no name of a file of this version")]
    Name(String),
    /// A file is larger than any can be.
    #[error("{0} is too large")]
    Size(String),
    /// No hash, or none that a hash could be.
    #[error("{0} has no SHA-256")]
    Hash(String),
    /// There is nothing in it.
    #[error("it has no files")]
    Empty,
}

impl Header {
    pub(crate) fn parse(line: &[u8]) -> Result<Self, Malformed> {
        let header: Self = serde_json::from_slice(line).map_err(|error| Malformed::Json(error.to_string()))?;
        header.check()?;
        Ok(header)
    }

    pub(crate) fn check(&self) -> Result<(), Malformed> {
        if !is_version(&self.version) {
            return Err(Malformed::Version(self.version.clone()));
        }
        if self.files.is_empty() {
            return Err(Malformed::Empty);
        }
        let mut names = HashSet::new();
        for entry in &self.files {
            if !self.may_be_called(&entry.name) || !names.insert(&entry.name) {
                return Err(Malformed::Name(entry.name.clone()));
            }
            if entry.size > LARGEST_FILE {
                return Err(Malformed::Size(entry.name.clone()));
            }
            if hex::decode(&entry.sha256).map_or(true, |hash| hash.len() != 32) {
                return Err(Malformed::Hash(entry.name.clone()));
            }
        }
        Ok(())
    }

    fn may_be_called(&self, name: &str) -> bool {
        let kind = name.strip_prefix("humilis_").and_then(|rest| rest.strip_prefix(&self.version));
        let kind = kind.and_then(|rest| rest.strip_prefix('.')).unwrap_or_default();
        !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_lowercase())
    }
}

fn is_version(version: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || ".~-".contains(c);
    !version.is_empty() && version.len() <= 20 && version.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(version: &str, name: &str) -> Header {
        let file = Entry { name: name.to_owned(), size: 1, sha256: "ab".repeat(32) };
        Header { version: version.to_owned(), files: vec![file] }
    }

    #[test]
    fn names_are_the_versions_and_nothing_else() {
        assert_eq!(header("1.2", "humilis_1.2.root").check(), Ok(()));
        for name in
            ["humilis_1.3.root", "humilis_1.2.", "humilis_1.2.ro/ot", "../humilis_1.2.root", "humilis_1.2.root/.."]
        {
            assert_eq!(header("1.2", name).check(), Err(Malformed::Name(name.to_owned())));
        }
        for version in ["", "1/2", "..\0", "123456789012345678901"] {
            assert!(matches!(header(version, "x").check(), Err(Malformed::Version(_))), "{version:?}");
        }
    }

    #[test]
    fn a_file_is_there_once_has_a_hash_and_a_size_that_can_be() {
        let mut twice = header("1", "humilis_1.root");
        twice.files.push(twice.files[0].clone());
        assert!(matches!(twice.check(), Err(Malformed::Name(_))));
        let mut large = header("1", "humilis_1.root");
        large.files[0].size = u64::MAX;
        assert!(matches!(large.check(), Err(Malformed::Size(_))));
        large.files[0] = Entry { sha256: "ab".to_owned(), size: 1, ..large.files[0].clone() };
        assert!(matches!(large.check(), Err(Malformed::Hash(_))));
        assert_eq!(Header { version: "1".to_owned(), files: Vec::new() }.check(), Err(Malformed::Empty));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        assert!(matches!(Header::parse(br#"{"version":"1","files":[],"run":"x"}"#), Err(Malformed::Json(_))));
    }
}
